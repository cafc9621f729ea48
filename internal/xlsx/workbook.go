package xlsx

import (
	"slices"
	"strings"

	"github.com/usersync-go/usersync/internal/table"
)

// opener reads the parts that Open needs, in turn.
type opener struct {
	zip   *container
	left  *budget
	alive func() error
	book  *Workbook
	names map[string]bool // of sheets, in lower case; nil before their list
}

// read scans one small part to its end.
func (o *opener) read(name string, scan func(*scanner) error) error {
	p, err := o.zip.open(name, o.left, o.alive)
	if err != nil {
		return err
	}
	defer p.Close()
	s, err := newScanner(p, p.name, p.file.UncompressedSize64, o.book.lim)
	if err != nil {
		return err
	}
	if err := scan(s); err != nil {
		return err
	}
	return s.close()
}

// workbook finds the workbook part and reads it with what belongs to it.
func (o *opener) workbook() error {
	main, err := o.mainPart()
	if err != nil {
		return err
	}
	rels, err := o.relations(main)
	if err != nil {
		return err
	}
	if err := o.read(main, func(s *scanner) error { return o.workbookPart(s, rels) }); err != nil {
		return err
	}
	if len(o.book.sheets) == 0 {
		return refuse(CodeNoSheet, main, "the workbook holds no worksheet")
	}
	if err := o.styles(rels); err != nil {
		return err
	}
	return o.shared(rels)
}

// mainPart finds the workbook, or says what the file is instead.
func (o *opener) mainPart() (string, error) {
	if !o.zip.has("[Content_Types].xml") {
		return "", o.other()
	}
	rels, err := o.relations("")
	if err != nil {
		return "", err
	}
	rel, ok, err := rels.only("officeDocument")
	if err != nil {
		return "", err
	}
	if !ok {
		return "", refuse(CodeNotWorkbook, "", "the file is not an Excel workbook (.xlsx)")
	}
	kind, err := o.contentType(rel.target)
	if err != nil {
		return "", err
	}
	return rel.target, otherKind(kind)
}

// contentType finds the content type of a part: its own, or that of its extension (ECMA-376 Part 2,
// 7.2.3).
func (o *opener) contentType(part string) (kind string, err error) {
	ext := strings.ToLower(part[strings.LastIndexByte(part, '.')+1:])
	own := false
	err = o.read("[Content_Types].xml", func(s *scanner) error {
		if err := s.root(spaceTypes, "Types"); err != nil {
			return err
		}
		for {
			ok, err := s.child()
			if err != nil || !ok {
				return err
			}
			value, _ := s.attr(spaceNone, "ContentType")
			name, override := s.attr(spaceNone, "PartName")
			if override && partKey(name) == partKey(part) {
				kind, own = value, true
			}
			if name, ok := s.attr(spaceNone, "Extension"); ok && !own && !override && strings.ToLower(name) == ext {
				kind = value
			}
			if err := s.skip(); err != nil {
				return err
			}
		}
	})
	return kind, err
}

// otherKind refuses documents of other kinds that are packed in the same way.
func otherKind(kind string) error {
	switch {
	case strings.Contains(kind, "ms-excel.sheet.binary"):
		return refuse(CodeBinary, "", "this is a binary Excel workbook (.xlsb)")
	case strings.Contains(kind, "wordprocessingml"), strings.Contains(kind, "ms-word"):
		return refuse(CodeWord, "", "this is a Word document")
	case strings.Contains(kind, "presentationml"), strings.Contains(kind, "ms-powerpoint"):
		return refuse(CodePresentation, "", "this is a PowerPoint presentation")
	}
	return nil
}

// other says what an archive without content types is.
func (o *opener) other() error {
	switch {
	case o.zip.has("mimetype") && o.zip.has("META-INF/manifest.xml"):
		return refuse(CodeOpenDocument, "", "this is an OpenDocument file (.ods or the like)")
	case o.zip.has("Index/Document.iwa"):
		return refuse(CodeNumbers, "", "this is an Apple Numbers file")
	}
	return refuse(CodeNotWorkbook, "", "the file is a zip archive, but not an Excel workbook (.xlsx)")
}

// workbookPart reads the sheets and the epoch (ECMA-376 Part 1, 18.2.27).
func (o *opener) workbookPart(s *scanner, rels relations) error {
	if err := s.root(spaceMain, "workbook"); err != nil {
		return err
	}
	for {
		ok, err := s.child()
		if err != nil || !ok {
			return err
		}
		switch {
		case s.is("workbookPr"):
			if o.book.date1904, err = s.flag("date1904"); err != nil {
				return err
			}
			err = s.skip()
		case s.is("sheets") && o.names != nil:
			err = s.refuse(CodeStructure, "the list of sheets is given twice")
		case s.is("sheets"):
			o.names = map[string]bool{}
			err = s.each(spaceMain, "sheet", func() error { return o.sheet(s, rels) })
		default:
			err = s.skip()
		}
		if err != nil {
			return err
		}
	}
}

// flag reads an optional attribute of the type xsd:boolean.
func (s *scanner) flag(name string) (bool, error) {
	value, ok := s.attr(spaceNone, name)
	if !ok {
		return false, nil
	}
	on, ok := boolean([]byte(value))
	if !ok {
		return false, s.refuse(CodeValue, "%s=%q is neither true nor false", name, value)
	}
	return on, nil
}

// boolean reads an xsd:boolean.
func boolean(b []byte) (value, ok bool) {
	switch string(trimXML(b)) {
	case "1", "true":
		return true, true
	case "0", "false":
		return false, true
	}
	return false, false
}

// sheetStates are the values of the attribute state (ST_SheetState, 18.18.68); none is visible.
var sheetStates = []string{"", "visible", "hidden", "veryHidden"}

// sheet reads one line of the list of sheets. Only worksheets are kept.
func (o *opener) sheet(s *scanner, rels relations) error {
	raw, _ := s.attr(spaceNone, "name")
	id, hasID := s.attr(spaceOffice, "id")
	state, _ := s.attr(spaceNone, "state")
	text, ok := unescape(nil, []byte(raw))
	if !ok || len(text) == 0 || len(text) > maxName || !hasID || !slices.Contains(sheetStates, state) {
		return s.refuse(CodeStructure, "the sheet %q has no proper name, id or state", raw)
	}
	i, known := rels.byID[id]
	if !known || rels.list[i].external {
		return s.refuse(CodeRelation, "the sheet %q refers to %q, which leads nowhere", text, id)
	}
	if rels.list[i].kind != "worksheet" {
		return s.skip() // a sheet of another kind: a chart, a dialog, a macro
	}
	return o.worksheet(s, Sheet{
		Name:    string(text),
		Visible: state == "" || state == "visible",
		part:    rels.list[i].target,
	})
}

func (o *opener) worksheet(s *scanner, sheet Sheet) error {
	if !o.zip.has(sheet.part) {
		return &table.Refusal{
			Code: CodeMissing, Sheet: sheet.Name, Part: sheet.part,
			Detail: "the sheet's part is not in the file", Advice: adviceUpload,
		}
	}
	key := strings.ToLower(sheet.Name)
	if o.names[key] {
		return s.refuse(CodeDuplicate, "there are two sheets named %q", sheet.Name)
	}
	o.names[key] = true
	if len(o.book.sheets) >= maxSheets {
		return exceeds(LimitSheets, s.part, maxSheets, "the workbook has too many sheets")
	}
	o.book.sheets = append(o.book.sheets, sheet)
	return s.skip()
}
