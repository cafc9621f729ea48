package xlsx

import (
	"strconv"

	"github.com/usersync-go/usersync/internal/table"
)

// rawCell is a cell (ECMA-376 Part 1, 18.3.1.4) as it is written.
type rawCell struct {
	kind    cellType
	style   int
	valued  bool // there is a <v>
	inline  bool // there is an <is>
	formula bool // there is an <f>
}

// cellType is the attribute t of a cell (ST_CellType, 18.18.11).
type cellType uint8

const (
	typeNumber cellType = iota
	typeShared
	typeFormula // t="str": text that a formula gave
	typeInline
	typeBool
	typeError
	typeDate
	typeUnknown
)

func cellTypeOf(b []byte) cellType {
	switch string(b) {
	case "n":
		return typeNumber
	case "s":
		return typeShared
	case "str":
		return typeFormula
	case "inlineStr":
		return typeInline
	case "b":
		return typeBool
	case "e":
		return typeError
	case "d":
		return typeDate
	}
	return typeUnknown
}

// readCell reads the cell last opened.
func (r *sheetReader) readCell() error {
	if err := r.place(); err != nil {
		return err
	}
	err := r.content()
	if err == nil {
		err = r.keep()
	}
	if err == nil {
		return nil
	}
	return at(err, "", referenceOf(r.col, r.row.Number), r.row.Number)
}

// place reads the attributes of a cell. A cell without a reference is the one after the cell
// before.
func (r *sheetReader) place() error {
	s := r.s
	r.cell = rawCell{}
	col := r.col + 1
	for i := range s.attrs {
		a := &s.attrs[i]
		if a.end-a.name != 1 {
			continue
		}
		ok, code := true, CodeReference
		switch s.tag[a.name] {
		case 'r':
			var row int
			col, row, ok = parseReference(s.value(a))
			ok = ok && row == r.row.Number
		case 's':
			code = CodeStyle
			r.cell.style, ok = parseIndex(trimXML(s.value(a)))
		case 't':
			code = CodeCellType
			r.cell.kind = cellTypeOf(s.value(a))
			ok = r.cell.kind != typeUnknown
		}
		if !ok {
			return s.refuse(code, "a cell with %s", s.tag[a.name:a.to+1])
		}
	}
	if col >= maxColumn {
		return s.refuse(CodeReference, "a cell past the last column that a sheet can have")
	}
	if col <= r.col {
		return s.refuse(CodeOrder, "cell %s comes after cell %s", referenceOf(col, r.row.Number), referenceOf(r.col, r.row.Number))
	}
	r.col = col
	return nil
}

// content reads what the cell holds.
func (r *sheetReader) content() error {
	s := r.s
	r.value = r.value[:0]
	for {
		ok, err := s.child()
		switch {
		case err != nil || !ok:
			return err
		case s.is("v") && !r.cell.valued:
			r.cell.valued = true
			err = r.readValue()
		case s.is("f") && !r.cell.formula:
			r.cell.formula = true
			err = s.skip()
		case s.is("is") && !r.cell.inline && r.cell.kind == typeInline:
			r.cell.inline = true
			r.value, err = r.texts.rich(s, r.value[:0])
		case s.space == spaceMain && !s.is("extLst"):
			err = s.refuse(CodeStructure, "an element <%s> that the cell cannot have, or has already", s.tag[1:s.name])
		default:
			err = s.skip()
		}
		if err != nil {
			return err
		}
	}
}

// readValue reads a <v>, which is text only where the type of the cell says so. An inline string
// counts before it: some programs write both.
func (r *sheetReader) readValue() (err error) {
	switch {
	case r.cell.inline:
		return r.s.skip()
	case r.cell.kind == typeFormula || r.cell.kind == typeInline:
		if r.value, err = r.texts.one(r.s, r.value, 0); err != nil {
			return err
		}
		return r.texts.check(r.s, r.value)
	}
	r.value, err = r.s.chars(r.value, r.texts.chars)
	if err == errLong {
		return r.texts.tooLong(r.s.part)
	}
	r.value = trimXML(r.value)
	return err
}

// keep makes a table.Cell of the cell, unless it is blank. A formula without a stored value is not
// blank; a formula whose value is an empty text is.
func (r *sheetReader) keep() error {
	format, ok := r.book.formats.of(r.cell.style)
	if !ok {
		return r.s.refuse(CodeStyle, "the cell format %d is not in the workbook", r.cell.style)
	}
	if len(r.value) > 0 {
		return r.typed(format)
	}
	if r.cell.formula && (!r.cell.valued || r.cell.kind != typeFormula) {
		return r.add(table.Cell{Kind: table.NoValue})
	}
	return nil
}

// typed takes in a cell with a value.
func (r *sheetReader) typed(format *numberFormat) error {
	switch r.cell.kind {
	case typeShared:
		return r.sharedText()
	case typeFormula, typeInline:
		return r.addOwn(table.Cell{Kind: table.Text})
	case typeError:
		return r.addOwn(table.Cell{Kind: table.Error})
	case typeBool:
		return r.truth()
	case typeDate:
		return r.isoDate(format)
	}
	return r.number(format)
}

func (r *sheetReader) sharedText() error {
	h := &r.book.shared
	i, ok := parseIndex(r.value)
	if !ok || i >= h.count {
		return r.s.refuse(CodeShared, "the shared string %q is not in the workbook, which has %d", r.value, h.count)
	}
	text := h.text(i)
	if text == "" {
		return nil
	}
	return r.add(table.Cell{Kind: table.Text, Text: text})
}

func (r *sheetReader) truth() error {
	on, ok := boolean(r.value)
	if !ok {
		return r.badValue("neither true nor false")
	}
	return r.add(table.Cell{Kind: table.Bool, Text: strconv.FormatBool(on)})
}

func (r *sheetReader) isoDate(format *numberFormat) error {
	size := len(r.own)
	own, ok := appendISO(r.own, r.value, format.of(1))
	if !ok {
		return r.badValue("no ISO 8601 date")
	}
	r.own = own
	return r.addFrom(table.Cell{Kind: table.Date}, size)
}

// number takes in a number, which is a date if its format shows one.
func (r *sheetReader) number(format *numberFormat) error {
	if !isNumber(r.value) {
		return r.badValue("no number")
	}
	if !format.dates {
		return r.addOwn(table.Cell{Kind: table.Number, Format: format.code})
	}
	serial, err := strconv.ParseFloat(string(r.value), 64)
	show := format.of(serial)
	if err != nil || show == 0 {
		return r.addOwn(table.Cell{Kind: table.Number, Format: format.code})
	}
	size := len(r.own)
	own, ok := appendSerial(r.own, serial, show, r.book.date1904)
	if !ok {
		return r.addOwn(table.Cell{Kind: table.Number, Format: format.code})
	}
	r.own = own
	return r.addFrom(table.Cell{Kind: table.Date}, size)
}

func (r *sheetReader) badValue(what string) error {
	const longest = 40
	shown := r.value[:min(len(r.value), longest)]
	return r.s.refuse(CodeValue, "the value %q is %s", shown, what)
}

// addOwn adds a cell whose text is the value as it is written.
func (r *sheetReader) addOwn(c table.Cell) error {
	size := len(r.own)
	r.own = append(r.own, r.value...)
	return r.addFrom(c, size)
}

// addFrom adds a cell whose text is what own holds from a place on.
func (r *sheetReader) addFrom(c table.Cell, from int) error {
	if len(r.own) > r.book.lim.RowBytes {
		return exceeds(LimitRowText, r.s.part, int64(r.book.lim.RowBytes), "the text of a row is too long")
	}
	r.spans = append(r.spans, span{len(r.row.Cells), from, len(r.own)})
	return r.add(c)
}

func (r *sheetReader) add(c table.Cell) error {
	if r.col >= r.book.lim.Columns {
		return exceeds(LimitColumns, r.s.part, int64(r.book.lim.Columns), "the sheet has too many columns")
	}
	c.Col = r.col
	r.row.Cells = append(r.row.Cells, c)
	return nil
}
