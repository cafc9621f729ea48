package xlsx

import (
	"bytes"
	"cmp"
	"errors"

	"github.com/usersync-go/usersync/internal/table"
)

// sheetReader reads one worksheet, row by row.
type sheetReader struct {
	s    *scanner
	book *Workbook
	emit func(*table.Row) bool

	row   table.Row
	last  int    // number of the row before
	col   int    // of the cell before
	own   []byte // text of the row's cells that is not shared
	spans []span // where the cells' own text is
	texts texts
	value []byte  // of the current cell
	cell  rawCell // the current cell
}

// span is where the text of a cell lies in own.
type span struct {
	cell, from, to int
}

// errStopped ends the reading when the caller wants no more rows.
var errStopped = errors.New("stopped")

// worksheet reads the whole part (ECMA-376 Part 1, 18.3.1.99). What is not cell data must be
// well-formed, no more.
func (r *sheetReader) worksheet() error {
	s := r.s
	if err := s.root(spaceMain, "worksheet"); err != nil {
		return err
	}
	found := false
	for {
		ok, err := s.child()
		switch {
		case err != nil:
			return err
		case !ok && !found:
			return s.refuse(CodeStructure, "the sheet has no cell data, not even empty")
		case !ok:
			return s.close()
		case s.is("sheetData") && found:
			err = s.refuse(CodeStructure, "the sheet has its cell data twice")
		case s.is("sheetData"):
			found = true
			err = r.rows()
		default:
			err = s.skip()
		}
		if err != nil {
			return err
		}
	}
}

// rows reads the rows of the sheetData element last opened (18.3.1.80).
func (r *sheetReader) rows() error {
	for {
		ok, err := r.s.child()
		switch {
		case err != nil || !ok:
			return err
		case r.s.is("row"):
			err = r.readRow()
		case r.s.space == spaceMain && !r.s.is("autoFilter"): // which some programs write here
			err = r.s.refuse(CodeStructure, "an element <%s> among the rows", r.s.tag[1:r.s.name])
		default:
			err = r.s.skip()
		}
		if err != nil {
			return err
		}
	}
}

// readRow reads the row last opened (18.3.1.73) and yields it, if it holds anything.
func (r *sheetReader) readRow() error {
	if err := r.start(); err != nil {
		return at(err, "", "", cmp.Or(r.row.Number, r.last+1))
	}
	for {
		if r.quickCell() {
			if err := r.keep(); err != nil {
				return at(err, "", referenceOf(r.col, r.row.Number), r.row.Number)
			}
			continue
		}
		ok, err := r.s.child()
		switch {
		case err != nil:
			return at(err, "", "", r.row.Number)
		case !ok:
			return r.finish()
		case r.s.is("c"):
			err = r.readCell()
		case r.s.space == spaceMain && !r.s.is("extLst"):
			err = r.s.refuse(CodeStructure, "an element <%s> among the cells", r.s.tag[1:r.s.name])
		default:
			err = r.s.skip()
		}
		if err != nil {
			return at(err, "", "", r.row.Number)
		}
	}
}

// start reads the attributes of a row. A row without a number is the one after the row before.
func (r *sheetReader) start() error {
	s := r.s
	r.row = table.Row{Number: r.last + 1, Cells: r.row.Cells[:0]}
	r.own, r.spans, r.col = r.own[:0], r.spans[:0], -1
	for i := range s.attrs {
		a := &s.attrs[i]
		if a.colon >= 0 {
			continue
		}
		ok, code := true, CodeReference
		switch string(s.tag[a.name:a.end]) {
		case "r":
			r.row.Number, ok = parseRowNumber(trimXML(s.value(a)))
		case "hidden":
			var hidden bool
			code = CodeValue
			hidden, ok = boolean(s.value(a))
			r.row.Hidden = r.row.Hidden || hidden
		case "ht":
			r.row.Hidden = r.row.Hidden || zero(s.value(a))
		}
		if !ok {
			return s.refuse(code, "a row with %s", s.tag[a.name:a.to+1])
		}
	}
	if r.row.Number > maxRow {
		return s.refuse(CodeReference, "a row past the last one that a sheet can have")
	}
	if r.row.Number <= r.last {
		return s.refuse(CodeOrder, "row %d comes after row %d", r.row.Number, r.last)
	}
	r.last = r.row.Number
	return nil
}

// zero tells whether a row height is 0, which hides the row.
func zero(b []byte) bool {
	b = trimXML(b)
	return len(b) > 0 && len(bytes.Trim(b, "0.")) == 0
}

// finish yields the row. The text of its cells becomes one string of which each is a part.
func (r *sheetReader) finish() error {
	if len(r.row.Cells) == 0 {
		return nil
	}
	if r.row.Number > r.book.lim.Rows {
		return at(exceeds(LimitRows, r.s.part, int64(r.book.lim.Rows), "the sheet has too many rows"), "", "", r.row.Number)
	}
	own := string(r.own)
	for _, p := range r.spans {
		r.row.Cells[p.cell].Text = own[p.from:p.to]
	}
	if !r.emit(&r.row) {
		return errStopped
	}
	return nil
}
