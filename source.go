package usersync

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/usersync-go/usersync/internal/csvfile"
	"github.com/usersync-go/usersync/internal/sniff"
	"github.com/usersync-go/usersync/internal/table"
	"github.com/usersync-go/usersync/internal/xlsx"
)

// Source is an upload: an .xlsx workbook or a CSV file. Nothing is read before Preview, which reads it
// once from beginning to end and closes what it opened itself. What the file is, is told by its content,
// never by its name.
//
// A Source is a value; the With methods return a changed copy.
type Source struct {
	name      string
	sheet     string
	encoding  string
	delimiter rune
	want      sniff.Format // "" takes either
	formats   []Format     // the configuration's, none for all
	open      func() (content, error)
}

// content is the bytes of a source: at for random access, or else stream.
type content struct {
	at     io.ReaderAt
	size   int64
	stream io.Reader
	close  func() error
}

// SourceInfo says what was read.
type SourceInfo struct {
	Name   string `json:"name,omitempty"` // the base name of the file, if known
	Format string `json:"format"`         // "xlsx" or "csv"
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`          // of the whole file, in hexadecimal
	Sheet  string `json:"sheet,omitempty"` // the sheet that was read
	// Delimiter is what separates the cells of a CSV file, "" if it has one column.
	Delimiter string `json:"delimiter,omitempty"`
	// OtherSheets are the other visible sheets that hold data.
	OtherSheets []string `json:"otherSheets,omitempty"`
	HeaderRow   int      `json:"headerRow"`
	Rows        int      `json:"rows"`                 // rows with data
	HiddenRows  int      `json:"hiddenRows,omitempty"` // of them, those that are hidden; they count
	Columns     []Column `json:"columns"`
}

// Unknown lists the columns that belong to no field and were ignored, but for the one that a correction
// file adds.
func (s SourceInfo) Unknown() []Column {
	var out []Column
	for _, c := range s.Columns {
		if c.Field == "" && c.Header != "" && !isCorrectionHeader(c.Header) {
			out = append(out, c)
		}
	}
	return out
}

// File is the file at a path.
func File(path string) Source {
	return Source{name: filepath.Base(path), open: func() (content, error) { return openFile(path) }}
}

// Open is an upload of size bytes. name is what the browser calls it; it is shown and never used as a
// path. It may be "".
func Open(r io.ReaderAt, size int64, name string) Source {
	return Source{name: shownName(name), open: func() (content, error) {
		if r == nil {
			return content{}, fmt.Errorf("%w: the reader of this source is nil", ErrInvalid)
		}
		return content{at: r, size: size}, nil
	}}
}

// XLSX is a workbook of size bytes; anything else is refused.
func XLSX(r io.ReaderAt, size int64) Source {
	s := Open(r, size, "")
	s.want = sniff.XLSX
	return s
}

// CSV is a CSV file; anything else is refused. The reader is used up by the first Preview.
func CSV(r io.Reader) Source {
	var used atomic.Bool
	return Source{want: sniff.CSV, open: func() (content, error) {
		if r == nil || used.Swap(true) {
			return content{}, fmt.Errorf("%w: the reader of this CSV source is nil or was read before: make a new one", ErrInvalid)
		}
		return content{stream: r}, nil
	}}
}

// WithName gives the source a name to show.
func (s Source) WithName(name string) Source {
	s.name = shownName(name)
	return s
}

// WithSheet names the sheet to read, which may be hidden. Without it, that is the visible sheet named as
// in the template, or else the first visible one.
func (s Source) WithSheet(name string) Source {
	s.sheet = name
	return s
}

// WithEncoding names the encoding of a CSV file that is neither UTF-8 nor marked as UTF-16: a label of
// the WHATWG Encoding Standard such as "windows-1252". It is never guessed.
func (s Source) WithEncoding(label string) Source {
	s.encoding = label
	return s
}

// WithDelimiter says what separates the cells of a CSV file, instead of telling it from the header.
func (s Source) WithDelimiter(d rune) Source {
	s.delimiter = d
	return s
}

// shownName keeps of an upload's name what can be shown.
func shownName(name string) string {
	name, _ = clean(filepath.Base(strings.ReplaceAll(name, `\`, "/")))
	if name == "." || name == "/" {
		return ""
	}
	if r := []rune(name); len(r) > 255 {
		name = string(r[:255])
	}
	return name
}

func openFile(path string) (content, error) {
	f, err := os.Open(path)
	if err != nil {
		return content{}, err
	}
	st, err := f.Stat()
	if err == nil && st.IsDir() {
		err = fmt.Errorf("%s is a folder, not a file", path)
	}
	if err != nil {
		return content{}, errors.Join(err, f.Close())
	}
	return content{at: f, size: st.Size(), close: f.Close}, nil
}

// opened is a source that is being read.
type opened struct {
	info    SourceInfo
	rows    table.Rows
	isCSV   bool
	content content
	count   *counted // of a CSV file, that tells its size and sum once it was read to the end
}

// read opens the source. Errors are *FileError, or the reader's own.
func (s Source) read(ctx context.Context, lim Limits, sheet string) (*opened, error) {
	if s.open == nil {
		return nil, fmt.Errorf("%w: the source is empty: use File, Open, XLSX or CSV", ErrInvalid)
	}
	c, err := s.open()
	if err != nil {
		return nil, fmt.Errorf("usersync: opening the upload: %w", err)
	}
	o := &opened{info: SourceInfo{Name: s.name}, content: c}
	if err := s.readContent(ctx, c, lim, sheet, o); err != nil {
		return nil, errors.Join(s.refused(err), o.Close())
	}
	return o, nil
}

// Close closes what read opened.
func (o *opened) Close() error {
	if o.content.close == nil {
		return nil
	}
	return o.content.close()
}

func (s Source) readContent(ctx context.Context, c content, lim Limits, sheet string, o *opened) error {
	if c.at != nil && c.size > lim.Bytes {
		return tooLarge(lim.Bytes)
	}
	format, stream, err := s.identify(c)
	if err != nil {
		return err
	}
	if err := s.expects(format); err != nil {
		return err
	}
	o.info.Format = string(format)
	if format == sniff.XLSX {
		return s.readWorkbook(ctx, c, lim, sheet, o)
	}
	o.isCSV = true
	o.count = &counted{r: stream, sum: sha256.New(), keeps: c.at == nil}
	o.rows = csvfile.Read(ctx, o.count, csvfile.Options{Encoding: s.encoding, Delimiter: s.delimiter,
		Told:   func(delimiter rune) { o.info.Delimiter = string(delimiter) },
		Limits: csvfile.Limits{Bytes: lim.Bytes, Rows: max(1<<20, lim.Rows+1), Columns: lim.Columns, CellChars: lim.CellChars}})
	return nil
}

// only narrows the kinds of file down; none changes nothing.
func (s Source) only(formats []Format) Source {
	s.formats = formats
	return s
}

// formatNames are what the kinds of file are called.
var formatNames = map[Format]string{FormatXLSX: "an Excel workbook (.xlsx)", FormatCSV: "a CSV file (.csv)"}

// expects refuses a kind of file that this source, or the configuration, does not take. (R3)
func (s Source) expects(format sniff.Format) error {
	want := s.formats
	if s.want != "" && format != s.want {
		want = []Format{Format(s.want)}
	}
	if len(want) == 0 || slices.Contains(want, Format(format)) {
		return nil
	}
	return &FileError{Code: "format_unexpected", Detail: "this is " + formatNames[Format(format)],
		Advice: "save it as " + formatNames[want[0]] + " and upload that"}
}

func tooLarge(limit int64) error {
	return &FileError{Code: "limit_bytes", Limit: limit,
		Detail: "the file is larger than " + sizeText(limit),
		Advice: "split it, or remove what does not belong to the user list"}
}

func sizeText(n int64) string {
	if n%(1<<20) == 0 {
		return fmt.Sprintf("%d MB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}

// identify tells the format and gives the whole content as a stream. (R3)
func (s Source) identify(c content) (sniff.Format, io.Reader, error) {
	if c.at != nil {
		format, err := sniff.Identify(c.at, c.size)
		return format, io.NewSectionReader(c.at, 0, c.size), err
	}
	stream := bufio.NewReaderSize(c.stream, 8<<10)
	head, err := stream.Peek(8 << 10)
	if err != nil && err != io.EOF {
		return "", nil, fmt.Errorf("reading the upload: %w", err)
	}
	format, err := sniff.IdentifyHead(head)
	return format, stream, err
}

func (s Source) readWorkbook(ctx context.Context, c content, lim Limits, template string, o *opened) error {
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(c.at, 0, c.size)); err != nil {
		return fmt.Errorf("reading the upload: %w", err)
	}
	o.info.Bytes, o.info.SHA256 = c.size, hex.EncodeToString(sum.Sum(nil))
	book, err := xlsx.Open(ctx, c.at, c.size, xlsx.Limits{Inflated: lim.InflatedBytes, Entries: lim.Entries,
		Columns: lim.Columns, CellChars: lim.CellChars})
	if err != nil {
		return err
	}
	sheets := book.Sheets()
	at, err := s.pickSheet(sheets, template)
	if err != nil {
		return err
	}
	o.info.Sheet, o.rows = sheets[at].Name, book.Rows(ctx, sheets[at])
	for i, other := range sheets {
		if i == at || !other.Visible || isGuide(other.Name) {
			continue
		}
		has, err := book.HasData(ctx, other)
		if err != nil {
			return err
		}
		if has {
			o.info.OtherSheets = append(o.info.OtherSheets, other.Name)
		}
	}
	return nil
}

// pickSheet finds the sheet to read. (R5)
func (s Source) pickSheet(sheets []xlsx.Sheet, template string) (int, error) {
	first := -1
	for i, sheet := range sheets {
		switch {
		case s.sheet != "" && Fold(sheet.Name) == Fold(s.sheet):
			return i, nil
		case s.sheet != "" || !sheet.Visible:
		case Fold(sheet.Name) == Fold(template):
			return i, nil
		case first < 0:
			first = i
		}
	}
	switch {
	case s.sheet != "":
		return 0, &FileError{Code: "sheet_missing", Detail: fmt.Sprintf("there is no sheet %q", s.sheet),
			Advice: "name one of the workbook's: " + sheetNames(sheets)}
	case first < 0:
		return 0, &FileError{Code: "sheet_hidden", Detail: "every sheet of the workbook is hidden",
			Advice: "unhide the sheet with the users"}
	}
	return first, nil
}

func sheetNames(sheets []xlsx.Sheet) string {
	names := make([]string, 0, len(sheets))
	for i, s := range sheets {
		if i == 10 {
			names = append(names, "…")
			break
		}
		names = append(names, strconv.Quote(s.Name))
	}
	return strings.Join(names, ", ")
}

// counted hashes and counts what is read through it.
type counted struct {
	r     io.Reader
	sum   hash.Hash
	n     int64
	keeps bool
	kept  []byte // what was read, where it cannot be read again
}

// Read reads on.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.sum.Write(p[:n])
	c.n += int64(n)
	if c.keeps {
		c.kept = append(c.kept, p[:n]...)
	}
	return n, err
}

// again is the source for a second reading, after the first came to its end and before it is closed.
func (s Source) again(first *opened) Source {
	at, size := first.content.at, first.content.size
	if at == nil {
		at, size = bytes.NewReader(first.count.kept), first.count.n
	}
	s.open = func() (content, error) { return content{at: at, size: size}, nil }
	return s
}

// finish completes the info once all rows were read.
func (o *opened) finish() error {
	if o.count == nil {
		return nil
	}
	if _, err := io.Copy(io.Discard, o.count); err != nil {
		return fmt.Errorf("reading the upload: %w", err)
	}
	o.info.Bytes, o.info.SHA256 = o.count.n, hex.EncodeToString(o.count.sum.Sum(nil))
	return nil
}

// refused turns a reader's refusal into a *FileError with the file's name. Other errors stay.
func (s Source) refused(err error) error {
	var own *FileError
	if errors.As(err, &own) {
		own.Name = s.name
		return own
	}
	var r *table.Refusal
	if !errors.As(err, &r) {
		return fmt.Errorf("usersync: %w", err)
	}
	return &FileError{Name: s.name, Code: r.Code, Sheet: r.Sheet, Cell: r.Cell, Row: r.Row, Line: r.Line,
		Byte: r.Byte, Limit: r.Limit, Detail: r.Detail, Advice: r.Advice, part: r.Part, err: r.Err}
}
