package xlsx

import (
	"context"
	"io"
	"slices"

	"github.com/usersync-go/usersync/internal/table"
)

// Workbook is an opened workbook. It may be used by several goroutines at once, as far as the
// io.ReaderAt it was opened from may.
type Workbook struct {
	zip      *container
	lim      Limits
	left     budget // what Open left of Limits.Inflated
	sheets   []Sheet
	date1904 bool
	formats  cellFormats
	shared   sharedStrings
}

// Sheet is a worksheet; charts, dialogs and macro sheets are none.
type Sheet struct {
	Name    string
	Visible bool // neither hidden nor "very hidden"
	part    string
}

// Open checks the archive and reads all of the workbook but its sheets. The errors are those of
// Rows. size is the file's; r is read until the last call of Rows has ended.
func Open(ctx context.Context, r io.ReaderAt, size int64, lim Limits) (*Workbook, error) {
	lim = lim.orDefault()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	zip, err := openContainer(r, size, lim)
	if err != nil {
		return nil, err
	}
	w := &Workbook{zip: zip, lim: lim, left: budget{left: lim.Inflated, total: lim.Inflated}}
	o := &opener{zip: zip, left: &w.left, alive: ctx.Err, book: w}
	if err := o.workbook(); err != nil {
		return nil, err
	}
	return w, nil
}

// Sheets gives the worksheets in the workbook's order; there is at least one.
func (w *Workbook) Sheets() []Sheet { return slices.Clone(w.sheets) }

// Rows reads a sheet from its start. Rows without any value are not yielded. An error is a
// *table.Refusal, the context's own, or one that wraps what the io.ReaderAt gave; it comes last, and
// means that the rows yielded before it must not be used (R1).
func (w *Workbook) Rows(ctx context.Context, sheet Sheet) table.Rows {
	return func(yield func(*table.Row, error) bool) {
		err := w.scan(ctx, sheet, func(row *table.Row) bool { return yield(row, nil) })
		if err != nil && err != errStopped {
			yield(nil, at(err, sheet.Name, "", 0))
		}
	}
}

// HasData tells whether a sheet holds any value. It reads no further than to the first one, so that
// only a sheet without any is known to be sound.
func (w *Workbook) HasData(ctx context.Context, sheet Sheet) (bool, error) {
	for _, err := range w.Rows(ctx, sheet) {
		return err == nil, err
	}
	return false, nil
}

// readAhead is the size from which a sheet is inflated in a goroutine of its own.
const readAhead = 1 << 20

// scan reads one sheet.
func (w *Workbook) scan(ctx context.Context, sheet Sheet, emit func(*table.Row) bool) error {
	left := w.left
	p, err := w.zip.open(sheet.part, &left, ctx.Err)
	if err != nil {
		return err
	}
	defer p.Close()
	src := io.Reader(p)
	if p.file.UncompressedSize64 > readAhead {
		ahead := startPump(p)
		defer ahead.stop()
		src = ahead
	}
	s, err := newScanner(src, p.name, p.file.UncompressedSize64, w.lim)
	if err != nil {
		return err
	}
	r := sheetReader{s: s, book: w, emit: emit, texts: texts{chars: w.lim.CellChars}}
	return r.worksheet()
}
