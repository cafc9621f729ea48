package csvfile

import (
	"bufio"
	"io"
	"strings"
)

// Writer writes rows that a spreadsheet program shows as they are and that Read gives back: UTF-8 with a
// byte order mark, without which such programs take it for another encoding, quoted by RFC 4180, lines
// ending in CRLF, and every cell escaped. A blank row is not given back. What no CSV file can hold, NUL
// and bytes that are not UTF-8, is written as U+FFFD.
type Writer struct {
	Delimiter rune // 0 is the comma

	w       *bufio.Writer
	started bool
}

// NewWriter gives a Writer to w. Flush must be called at the end.
func NewWriter(w io.Writer) *Writer { return &Writer{w: bufio.NewWriter(w)} }

// Write adds a row. After an error, every call gives that error.
func (w *Writer) Write(cells []string) error {
	delimiter := w.Delimiter
	if delimiter == 0 {
		delimiter = ','
	}
	comma, err := delimiterByte(delimiter)
	if err != nil {
		return err
	}
	w.start()
	for i, cell := range cells {
		if i > 0 {
			w.w.WriteByte(comma)
		}
		w.cell(cell, comma)
	}
	if len(cells) == 1 && cells[0] == "" {
		w.w.WriteString(`""`) // else no row, but an empty line
	}
	_, err = w.w.WriteString("\r\n")
	return err
}

// Flush writes what is still buffered. A file without rows is just a byte order mark.
func (w *Writer) Flush() error {
	w.start()
	return w.w.Flush()
}

func (w *Writer) start() {
	if !w.started {
		w.started = true
		w.w.WriteString("\uFEFF")
	}
}

func (w *Writer) cell(s string, comma byte) {
	s = Escape(strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD"))
	if !needsQuotes(s, comma) {
		w.w.WriteString(s)
		return
	}
	w.w.WriteByte('"')
	w.w.WriteString(strings.ReplaceAll(s, `"`, `""`))
	w.w.WriteByte('"')
}

// needsQuotes errs on the side of quotes: every delimiter that a reader may try is quoted, not only the
// one in use, and what would be read as a sep= line or lose its spaces.
func needsQuotes(s string, comma byte) bool {
	return strings.ContainsAny(s, breaks+`"`) || strings.IndexByte(s, comma) >= 0 ||
		strings.TrimSpace(s) != s ||
		len(s) >= 4 && strings.EqualFold(s[:4], "sep=")
}
