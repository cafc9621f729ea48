// Package csvfile reads and writes CSV files strictly: a file that is damaged, or that could be read
// in two ways, is refused with the line and the byte where it stops making sense; nothing is guessed,
// repaired or left out.
//
//	upload ─ physical lines (bounded, decoded) ─ rows and cells (RFC 4180) ─ Unescape ─▶ table.Rows
//
// The parser is this package's own because encoding/csv cannot keep three promises: it has no bound on
// a line or a quoted cell, so one stray quote makes it hold the whole upload; it drops the CR of a CRLF
// inside a quoted cell; and it names the end of the file where a quote is never closed instead of the
// place where it was opened. FuzzCSV holds the two against each other.
//
// Choices a reader of a file may wonder about:
//   - a physical line ends with LF or CRLF. A lone CR outside quotes refuses the file, whether it comes
//     from an old Mac or from a lost LF;
//   - a byte order mark beats a named encoding;
//   - a file whose header holds no delimiter has one column, whatever its cells contain;
//   - a cell is blank when it holds nothing but white space;
//   - the apostrophes that Escape adds on output are taken off again, in every file.
package csvfile

import (
	"context"
	"io"

	"github.com/usersync-go/usersync/internal/table"
)

// Options say how a file is to be read. The zero value reads UTF-8, or UTF-16 with a byte order mark,
// tells the delimiter from the header, and keeps the default limits.
type Options struct {
	// Encoding is a WHATWG label such as "windows-1251", "macintosh" or "shift_jis", used when the file
	// has no byte order mark; "" is UTF-8. "iso-8859-1" is read as windows-1252, as browsers do.
	Encoding string
	// Delimiter is the ASCII character between cells; 0 takes the one of the sep= line, else the one of
	// comma, semicolon, tab and bar that the header has most of.
	Delimiter rune
	// Told, if not nil, is called once with the delimiter that was found, before the first row; not at
	// all for a file of one column.
	Told   func(delimiter rune)
	Limits Limits
}

// Limits bound what a file may ask for. A field that is not positive has the default.
type Limits struct {
	Bytes     int64 // of the upload; 64 MB
	Rows      int   // blank ones included; 1,048,576
	Columns   int   // counted to the last that holds anything; 1,024
	CellChars int   // of one cell, in UTF-16 code units as spreadsheet programs count; 32,767
	RowBytes  int   // of one row, over all its lines; 8 MiB
}

func (l Limits) withDefaults() Limits {
	return Limits{
		Bytes:     orDefault(l.Bytes, 64<<20),
		Rows:      orDefault(l.Rows, 1<<20),
		Columns:   orDefault(l.Columns, 1024),
		CellChars: orDefault(l.CellChars, 32767),
		RowBytes:  orDefault(l.RowBytes, 8<<20),
	}
}

func orDefault[T int | int64](given, def T) T {
	if given > 0 {
		return given
	}
	return def
}

// Read yields the rows of a CSV file that hold anything, the header being the first of them. Row.Number
// is the physical line a row starts on and Row.Width the number of its cells; every cell is Text. r is
// read while the rows are consumed, so they can be consumed once. The error, if any, comes last: a
// *table.Refusal, ctx's error, or r's own error wrapped. Rows that came before it must not be used.
func Read(ctx context.Context, r io.Reader, opt Options) table.Rows {
	return func(yield func(*table.Row, error) bool) {
		if err := readRows(ctx, r, opt, yield); err != nil && err != io.EOF {
			yield(nil, err)
		}
	}
}

// readRows ends with io.EOF after the last row and with nil when yield wants no more.
func readRows(ctx context.Context, r io.Reader, opt Options, yield func(*table.Row, error) bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p, err := newParser(r, opt)
	if err != nil {
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		row, err := p.next()
		if err != nil {
			return err
		}
		if len(row.Cells) > 0 && !yield(row, nil) {
			return nil
		}
	}
}
