package csvfile

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/usersync-go/usersync/internal/table"
)

// maxWidth is how many cells a row of a spreadsheet can have.
const maxWidth = 1 << 14

// parser cuts physical lines into rows and cells.
//
// A row's cells share one string. Mostly that is the line itself, of which the cells are parts. Where
// quotes are escaped or a cell runs over lines, the cells' text is put together in text, and ends tells
// where each cell ends.
type parser struct {
	lines   *lines
	lim     Limits
	width   int  // cells a row can have, blank ones at its end included
	comma   byte // 0: there is none, and no line holds a NUL
	line    []byte
	ending  []byte // the line ending that was cut off line
	at      int    // how much of line is done
	text    []byte
	ends    []int
	escaped bool // the row holds an apostrophe
	rows    int
	row     table.Row
}

// newParser reads as far as it takes to tell the delimiter.
func newParser(r io.Reader, opt Options) (*parser, error) {
	lim := opt.Limits.withDefaults()
	asked, err := delimiterByte(opt.Delimiter)
	if err != nil {
		return nil, err
	}
	l, err := newLines(r, opt.Encoding, lim)
	if err != nil {
		return nil, err
	}
	comma, err := tellDelimiter(l, asked)
	if err != nil {
		return nil, err
	}
	if comma != 0 && opt.Told != nil {
		opt.Told(rune(comma))
	}
	return &parser{lines: l, lim: lim, comma: comma, width: max(lim.Columns, maxWidth)}, nil
}

// next gives the next row, which may have no cells, or io.EOF.
func (p *parser) next() (*table.Row, error) {
	if err := p.nextLine(); err != nil {
		return nil, err
	}
	p.row = table.Row{Number: p.lines.number, Cells: p.row.Cells[:0]}
	if p.rows++; p.rows > p.lim.Rows {
		return nil, refuseRows(p.row.Number, p.lim.Rows)
	}
	if len(p.line) == 0 {
		return &p.row, nil
	}
	if ok, err := p.simpleRow(); ok || err != nil {
		return &p.row, err
	}
	p.row.Width, p.row.Cells = 0, p.row.Cells[:0]
	return &p.row, p.anyRow()
}

func (p *parser) nextLine() error {
	line, err := p.lines.next()
	if err != nil {
		return err
	}
	p.line, p.ending, p.at = line, nil, 0
	for _, ending := range [...]string{"\r\n", "\n"} {
		if n := len(line) - len(ending); n >= 0 && string(line[n:]) == ending {
			p.line, p.ending = line[:n], line[n:]
			break
		}
	}
	return nil
}

// simpleRow reads a row on one line in which quotes only enclose cells. Anything else, and any error, is
// for anyRow.
func (p *parser) simpleRow() (ok bool, err error) {
	if bytes.IndexByte(p.line, '\r') >= 0 {
		return false, nil
	}
	rest := string(p.line)
	quotes := strings.IndexByte(rest, '"') >= 0
	p.escaped = strings.IndexByte(rest, '\'') >= 0
	for more := true; more; {
		var cell string
		if quotes && strings.HasPrefix(rest, `"`) {
			cell, rest, more, ok = p.cutQuoted(rest)
		} else {
			cell, rest, more = p.cut(rest)
			ok = !quotes || strings.IndexByte(cell, '"') < 0
		}
		if !ok {
			return false, nil
		}
		if err := p.add(cell); err != nil {
			return false, err
		}
	}
	return true, nil
}

// cut gives the text before and after the delimiter, and whether there is one.
func (p *parser) cut(s string) (before, after string, found bool) {
	if i := strings.IndexByte(s, p.comma); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// cutQuoted does so for text that starts with a quote; it is not ok unless the next quote ends the cell.
func (p *parser) cutQuoted(s string) (cell, after string, more, ok bool) {
	cell, after, ok = strings.Cut(s[1:], `"`)
	if !ok || after == "" {
		return cell, "", false, ok
	}
	return cell, after[1:], true, after[0] == p.comma
}

// anyRow reads any row.
func (p *parser) anyRow() error {
	p.text, p.ends = p.text[:0], p.ends[:0]
	for more := true; more; {
		var err error
		if p.at < len(p.line) && p.line[p.at] == '"' {
			err = p.quotedCell()
		} else {
			err = p.bareCell()
		}
		if err != nil {
			return err
		}
		if p.ends = append(p.ends, len(p.text)); len(p.ends) > p.width {
			return refuseColumns(p.row.Number, p.lim.Columns)
		}
		if more = p.at < len(p.line); more {
			p.at++ // the delimiter
		}
	}
	text, start := string(p.text), 0
	p.escaped = strings.IndexByte(text, '\'') >= 0
	for _, end := range p.ends {
		if err := p.add(text[start:end]); err != nil {
			return err
		}
		start = end
	}
	return nil
}

// bareCell reads an unquoted cell up to the delimiter or the end of the line.
func (p *parser) bareCell() error {
	cell := p.line[p.at:]
	if i := bytes.IndexByte(cell, p.comma); i >= 0 {
		cell = cell[:i]
	}
	if i := bytes.IndexAny(cell, "\"\r"); i >= 0 {
		return p.misplaced(p.at + i)
	}
	p.text = append(p.text, cell...)
	p.at += len(cell)
	return nil
}

// quotedCell reads a quoted cell, over as many lines as it takes, up to the delimiter or the end of the
// line.
func (p *parser) quotedCell() error {
	open := p.at
	line, at := 0, int64(0) // where the quote opens, once that line is left
	p.at++
	for {
		i := bytes.IndexByte(p.line[p.at:], '"')
		if i < 0 {
			if line == 0 {
				line, at = p.lines.number, p.lines.place(p.line[:open])
			}
			if err := p.carryOn(line, at); err != nil {
				return err
			}
			continue
		}
		p.text = append(p.text, p.line[p.at:p.at+i]...)
		p.at += i + 1
		switch {
		case p.at == len(p.line) || p.line[p.at] == p.comma:
			return nil
		case p.line[p.at] != '"':
			return p.misplaced(p.at)
		}
		p.text = append(p.text, '"')
		p.at++
	}
}

// carryOn goes on to the next line inside the quoted cell that opened at the given place.
func (p *parser) carryOn(line int, at int64) error {
	p.text = append(append(p.text, p.line[p.at:]...), p.ending...)
	if len(p.text) > p.lim.RowBytes {
		return refuseRow(p.row.Number, p.lim.RowBytes)
	}
	err := p.nextLine()
	if err == io.EOF {
		return refuseUnclosed(line, at)
	}
	return err
}

// misplaced refuses the character at i of the line: a quote or CR in an unquoted cell, or anything after
// a closing quote.
func (p *parser) misplaced(i int) error {
	line, at := p.lines.number, p.lines.place(p.line[:i])
	switch p.line[i] {
	case '\r':
		return refuseLineEnding(line, at)
	case '"':
		return refuseQuote(line, at, "a quote inside a cell that does not start with one")
	}
	return refuseQuote(line, at, "text after the quote that closes a cell")
}

// add puts the next cell into the row, unless it is blank.
func (p *parser) add(text string) error {
	col := p.row.Width
	if p.row.Width++; p.row.Width > p.width {
		return refuseColumns(p.row.Number, p.lim.Columns)
	}
	if p.escaped {
		text = Unescape(text)
	}
	if blank(text) {
		return nil
	}
	if col >= p.lim.Columns {
		return refuseColumns(p.row.Number, p.lim.Columns)
	}
	if len(text) > p.lim.CellChars && units(text) > p.lim.CellChars {
		return refuseCell(p.row.Number, col, p.lim.CellChars)
	}
	p.row.Cells = append(p.row.Cells, table.Cell{})
	c := &p.row.Cells[len(p.row.Cells)-1] // filled in place: half the time of appending it whole
	c.Col, c.Kind, c.Text = col, table.Text, text
	return nil
}

// units counts UTF-16 code units.
func units(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

func blank(s string) bool {
	if s != "" && ' ' < s[0] && s[0] < utf8.RuneSelf {
		return false // nearly every cell
	}
	return strings.TrimSpace(s) == ""
}
