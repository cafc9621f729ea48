// Package table is what every file reader yields: numbered rows of typed cells, or one refusal of
// the whole file. The readers decide what a cell is (text, number, date, ...); what that means for a
// user's field is decided once, by the caller.
package table

import (
	"fmt"
	"iter"
	"strings"
)

// Kind says what a cell holds.
type Kind uint8

// The kinds of cell. Blank cells are not yielded at all.
const (
	Text    Kind = iota + 1 // Cell.Text is the text, as stored (not trimmed)
	Number                  // Cell.Text is the number as the file spells it, Cell.Format its number format
	Date                    // Cell.Text is an ISO 8601 date, time, date and time, or duration
	Bool                    // Cell.Text is "true" or "false"
	Error                   // Cell.Text is the spreadsheet's error value, such as "#N/A"
	NoValue                 // a formula whose result is not stored
)

// Cell is one non-blank cell.
type Cell struct {
	Col    int // 0 for column A
	Kind   Kind
	Text   string
	Format string // number format code of a Number as the workbook has it; "" for General
}

// Row is one row that holds at least one non-blank cell. It and its Cells are reused for the next
// row; the strings may be kept.
type Row struct {
	Number int  // as the spreadsheet shows it, from 1; for CSV the physical line it starts on
	Hidden bool // hidden by hand or by a filter
	Width  int  // CSV: cells on this line; a column at or past it is absent, not blank. 0: no limit
	Cells  []Cell
}

// Rows yields rows by increasing number. After an error, which is a *Refusal, a context's error or
// an error of the underlying reader, nothing more is yielded.
type Rows = iter.Seq2[*Row, error]

// Refusal is why a file was not read: the whole file is refused, whatever was yielded before.
type Refusal struct {
	Code   string // stable, such as "xlsx_truncated" or "limit_rows"
	Sheet  string // sheet name, if one is meant
	Cell   string // cell reference such as "C7", if one is meant
	Row    int    // row number, if one is meant
	Line   int    // CSV: physical line, from 1
	Byte   int64  // CSV: byte of the line, from 1
	Part   string // workbook part, such as "xl/worksheets/sheet1.xml"
	Limit  int64  // the bound that was exceeded, if one was
	Detail string // what is wrong, in English, without a final period
	Advice string // what to do about it, in English, without a final period
	Err    error  // underlying error, or nil
}

// Error gives the place, what is wrong and what to do.
func (r *Refusal) Error() string {
	var b strings.Builder
	if where := r.Where(); where != "" {
		b.WriteString(where + ": ")
	}
	b.WriteString(r.Detail)
	if r.Advice != "" {
		b.WriteString(": " + r.Advice)
	}
	return b.String()
}

// Unwrap gives the underlying error, which may be nil.
func (r *Refusal) Unwrap() error { return r.Err }

// Where names the place in the file as a person would look for it, or "".
func (r *Refusal) Where() string {
	var at []string
	add := func(cond bool, format string, args ...any) {
		if cond {
			at = append(at, fmt.Sprintf(format, args...))
		}
	}
	add(r.Sheet != "", "sheet %q", r.Sheet)
	add(r.Cell != "", "cell %s", r.Cell)
	add(r.Row != 0 && r.Cell == "", "row %d", r.Row)
	add(r.Line != 0, "line %d", r.Line)
	add(r.Byte != 0, "byte %d", r.Byte)
	add(r.Part != "" && r.Sheet == "", "part %s", r.Part)
	return strings.Join(at, ", ")
}

// ColumnName gives the letters of a column, "A" for 0.
func ColumnName(col int) string {
	var buf [4]byte
	i := len(buf)
	for n := col + 1; n > 0 && i > 0; n = (n - 1) / 26 {
		i--
		buf[i] = byte('A' + (n-1)%26)
	}
	return string(buf[i:])
}
