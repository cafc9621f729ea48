package xlsx

import (
	"strconv"

	"github.com/usersync-go/usersync/internal/table"
)

// cellFormats is what of the styles part tells numbers from dates.
type cellFormats struct {
	used   []uint16 // number format of each cell format (cellXfs)
	format []numberFormat
}

// of gives the number format of a cell's style index; false if there is no such style. Index 0 is
// always there: it is what a cell has that names none.
func (c *cellFormats) of(style int) (*numberFormat, bool) {
	if style < len(c.used) {
		return &c.format[c.used[style]], true
	}
	return &c.format[0], style == 0
}

// styles reads the styles part, if there is one (ECMA-376 Part 1, 18.8.39).
func (o *opener) styles(rels relations) error {
	o.book.formats.format = []numberFormat{parseFormat("")}
	rel, ok, err := rels.only("styles")
	if err != nil || !ok || !o.zip.has(rel.target) {
		return err
	}
	r := stylesReader{lim: o.book.lim, custom: map[int]string{}}
	if err := o.read(rel.target, r.stylesheet); err != nil {
		return err
	}
	r.fill(&o.book.formats)
	return nil
}

type stylesReader struct {
	lim    Limits
	custom map[int]string // format codes by id
	used   []int          // ids of cellXfs
}

func (r *stylesReader) stylesheet(s *scanner) error {
	if err := s.root(spaceMain, "styleSheet"); err != nil {
		return err
	}
	for {
		ok, err := s.child()
		switch {
		case err != nil || !ok:
			return err
		case s.is("numFmts"):
			err = s.each(spaceMain, "numFmt", func() error { return r.numFmt(s) })
		case s.is("cellXfs") && r.used != nil:
			err = s.refuse(CodeStructure, "the cell formats are given twice")
		case s.is("cellXfs"):
			r.used = []int{}
			err = s.each(spaceMain, "xf", func() error { return r.xf(s) })
		default:
			err = s.skip()
		}
		if err != nil {
			return err
		}
	}
}

// numFmt reads one format code (18.8.30). A code given twice must be the same.
func (r *stylesReader) numFmt(s *scanner) error {
	id, err := formatID(s)
	if err != nil {
		return err
	}
	_, named := s.attr(spaceNone, "numFmtId")
	raw, coded := s.attr(spaceNone, "formatCode")
	if !named || !coded {
		return s.refuse(CodeStructure, "a number format without its id or its code")
	}
	if len(raw) > r.lim.FormatChars {
		return r.tooLong(s)
	}
	if len(r.custom) >= maxFormats {
		return exceeds(LimitStyles, s.part, maxFormats, "the workbook has too many number formats")
	}
	code, ok := unescape(nil, []byte(raw))
	if !ok {
		return s.refuse(CodeText, "a number format with half a character")
	}
	if old, twice := r.custom[id]; twice && old != string(code) {
		return s.refuse(CodeDuplicate, "the number format %d is given twice", id)
	}
	r.custom[id] = string(code)
	return s.skip()
}

func (r *stylesReader) tooLong(s *scanner) *table.Refusal {
	return exceeds(LimitFormat, s.part, int64(r.lim.FormatChars), "a number format is too long")
}

// xf reads the number format of one cell format (18.8.45).
func (r *stylesReader) xf(s *scanner) error {
	if len(r.used) >= maxStyles {
		return exceeds(LimitStyles, s.part, maxStyles, "the workbook has too many cell formats")
	}
	id, err := formatID(s)
	if err != nil {
		return err
	}
	r.used = append(r.used, id)
	return s.skip()
}

// formatID reads the attribute numFmtId; without one it is 0, General.
func formatID(s *scanner) (int, error) {
	text, ok := s.attr(spaceNone, "numFmtId")
	if !ok {
		return 0, nil
	}
	id, err := strconv.ParseUint(string(trimXML([]byte(text))), 10, 31)
	if err != nil {
		return 0, s.refuse(CodeStyle, "numFmtId=%q is not a number format", text)
	}
	return int(id), nil
}

// fill parses each format that is used, once. An id without a code, as in files made for another
// country's program, is General, as spreadsheet programs take it.
func (r *stylesReader) fill(to *cellFormats) {
	place := map[int]uint16{0: 0}
	if code, ok := r.custom[0]; ok {
		to.format[0] = parseFormat(code)
	}
	for _, id := range r.used {
		at, ok := place[id]
		if !ok {
			at = uint16(len(to.format))
			place[id] = at
			to.format = append(to.format, r.format(id))
		}
		to.used = append(to.used, at)
	}
}

func (r *stylesReader) format(id int) numberFormat {
	if code, ok := r.custom[id]; ok {
		return parseFormat(code)
	}
	return builtIn(id)
}
