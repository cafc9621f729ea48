// Package workbook writes .xlsx files that hold nothing but text: the template, reports, correction
// files.
//
//	Write ─ fill: sheets, their rows one by one ─ zip, in a fixed order ─▶ io.Writer
//
// Every cell is a text cell, whatever it looks like: "=1+1" stays those four characters, "01234" keeps
// its zero, and a spreadsheet program neither computes nor converts anything. The same calls give the
// same bytes: there is no time, name or order of a map in them.
//
// Rows are kept outside the heap once a sheet has more than 16 MB of them, in temporary files that are
// gone when Write returns; where there is no temporary folder they stay in memory.
package workbook

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"
)

// maxRows is how many rows a sheet can have.
const maxRows = excelize.TotalRows

// Book is a workbook that is being written. It is used by one goroutine.
type Book struct {
	file      *excelize.File
	looks     [lookCount]int // style ids
	sheets    []*Sheet
	lists     [][]string // long drop-downs, each a column of the hidden sheet
	listSheet string     // the name that is kept for the hidden sheet
	maxRows   int
}

// Write makes a workbook: fill adds its sheets and rows, at least one sheet. Nothing reaches w unless
// all of it was made. A panic of the library below becomes an error, since no content of a cell may take
// a program down.
func Write(w io.Writer, fill func(*Book) error) error { return write(w, maxRows, fill) }

func write(w io.Writer, rows int, fill func(*Book) error) (err error) {
	b := &Book{file: excelize.NewFile(), maxRows: rows}
	zipped := newArchive()
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("making the workbook panicked: %v", v)
		}
		if closing := b.file.Close(); err == nil {
			err = closing
		}
	}()
	if err := b.make(fill); err != nil {
		return err
	}
	b.file.SetZipWriter(func(io.Writer) excelize.ZipWriter { return zipped })
	if _, err := b.file.WriteToBuffer(); err != nil {
		return err
	}
	return zipped.writeTo(w)
}

func (b *Book) make(fill func(*Book) error) error {
	if err := b.prepare(); err != nil {
		return err
	}
	if err := fill(b); err != nil {
		return err
	}
	if err := b.addLists(); err != nil {
		return err
	}
	for _, s := range b.sheets {
		if err := s.finish(); err != nil {
			return err
		}
	}
	return nil
}

// The properties of the document name no person and no time.
const (
	coreProperties = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n" +
		`<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties"/>`
	appProperties = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n" +
		`<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/extended-properties">` +
		`<Application>usersync</Application></Properties>`
)

func (b *Book) prepare() error {
	b.file.Pkg.Store("docProps/core.xml", []byte(coreProperties))
	b.file.Pkg.Store("docProps/app.xml", []byte(appProperties))
	for look := range lookCount {
		id, err := b.file.NewStyle(look.style())
		if err != nil {
			return err
		}
		b.looks[look] = id
	}
	return nil
}

// Layout is what a sheet has before its first row.
type Layout struct {
	Columns []Column
	Freeze  int  // rows at the top that stay when one scrolls
	Filter  bool // buttons to filter by, on the last frozen row
	Hidden  bool // not for the first sheet
	Natural bool // printed in full size on as many pages as it takes, instead of one page wide
}

// Column is one column of a sheet.
type Column struct {
	Width float64 // in characters, 0 for the usual width
	Look  Look    // of cells that have none of their own, also of those that are still blank
}

// Sheet is one sheet of a Book.
type Sheet struct {
	book   *Book
	title  string // the name that was asked for
	name   string // the one that it got
	layout Layout
	stream *excelize.StreamWriter
	rows   int
	head   []headRow
	cells  []excelize.Cell
	buf    []any // pointers to cells, which take no memory of their own
}

// headRow is a frozen row.
type headRow struct {
	height float64
	cells  []Cell
}

// Sheet adds a sheet. The name is made fit by SheetName; a name that is taken already, in any case, gets
// a number.
func (b *Book) Sheet(name string, layout Layout) (*Sheet, error) {
	title := SheetName(name)
	s := &Sheet{book: b, title: title, name: b.freeName(title), layout: layout}
	if err := s.create(); err != nil {
		return nil, err
	}
	b.sheets = append(b.sheets, s)
	return s, nil
}

func (b *Book) freeName(name string) string {
	taken := func(name string) bool {
		return strings.EqualFold(b.listSheet, name) || slices.ContainsFunc(b.sheets, func(s *Sheet) bool { return strings.EqualFold(s.name, name) })
	}
	free := name
	for i := 2; taken(free); i++ {
		number := " " + strconv.Itoa(i)
		free = cutUnits(name, maxSheetName-len(number)) + number
	}
	return free
}

func (s *Sheet) create() error {
	file := s.book.file
	if len(s.book.sheets) == 0 {
		if err := file.SetSheetName("Sheet1", s.name); err != nil {
			return err
		}
	} else if _, err := file.NewSheet(s.name); err != nil {
		return err
	}
	if s.layout.Hidden {
		if err := file.SetSheetVisible(s.name, false); err != nil {
			return err
		}
	}
	if err := s.page(); err != nil {
		return err
	}
	var err error
	if s.stream, err = file.NewStreamWriter(s.name); err != nil {
		return err
	}
	return s.arrange()
}

// page sets how the sheet is printed.
func (s *Sheet) page() error {
	fit, wide, high, orientation, paper := true, 1, 0, "landscape", 9
	layout := excelize.PageLayoutOptions{Orientation: &orientation, Size: &paper}
	if s.layout.Natural {
		return s.book.file.SetPageLayout(s.name, &layout)
	}
	layout.FitToWidth, layout.FitToHeight = &wide, &high
	if err := s.book.file.SetSheetProps(s.name, &excelize.SheetPropsOptions{FitToPage: &fit}); err != nil {
		return err
	}
	return s.book.file.SetPageLayout(s.name, &layout)
}

func (s *Sheet) arrange() error {
	for i, c := range s.layout.Columns {
		if err := s.stream.SetColStyle(i+1, i+1, s.book.looks[c.Look]); err != nil {
			return err
		}
		if c.Width == 0 {
			continue
		}
		if err := s.stream.SetColWidth(i+1, i+1, c.Width); err != nil {
			return err
		}
	}
	if s.layout.Freeze == 0 {
		return nil
	}
	top := "A" + strconv.Itoa(s.layout.Freeze+1)
	return s.stream.SetPanes(&excelize.Panes{Freeze: true, YSplit: s.layout.Freeze, TopLeftCell: top,
		ActivePane: "bottomLeft", Selection: []excelize.Selection{{SQRef: top, ActiveCell: top, Pane: "bottomLeft"}}})
}

// Cell is one cell of a row. The zero Cell is a blank one.
type Cell struct {
	Text string
	Look Look
}

// Texts makes cells that all look the same.
func Texts(look Look, texts ...string) []Cell {
	cells := make([]Cell, len(texts))
	for i, text := range texts {
		cells[i] = Cell{text, look}
	}
	return cells
}

// Row adds a row below the others. height is in points, 0 for what the program finds fit. cells is not
// kept. A sheet that is full goes on on a further one, at the end of the book, with the same frozen rows.
func (s *Sheet) Row(height float64, cells ...Cell) error {
	if s.rows >= s.book.maxRows {
		if err := s.goOn(); err != nil {
			return err
		}
	}
	if s.rows < s.layout.Freeze {
		s.head = append(s.head, headRow{height, slices.Clone(cells)})
	}
	return s.add(height, cells)
}

// goOn ends the sheet and makes s a further one.
func (s *Sheet) goOn() error {
	full := *s
	s.book.sheets[slices.Index(s.book.sheets, s)] = &full
	s.name, s.rows, s.cells, s.buf = s.book.freeName(s.title), 0, nil, nil
	if err := s.create(); err != nil {
		return err
	}
	s.book.sheets = append(s.book.sheets, s)
	for _, h := range s.head {
		if err := s.add(h.height, h.cells); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sheet) add(height float64, cells []Cell) error {
	s.rows++
	s.cells, s.buf = slices.Grow(s.cells[:0], len(cells)), s.buf[:0]
	for i := range cells {
		s.buf = append(s.buf, s.value(&cells[i]))
	}
	return s.stream.SetRow("A"+strconv.Itoa(s.rows), s.buf, excelize.RowOpts{Height: height})
}

// value is a cell as the library takes it.
func (s *Sheet) value(c *Cell) any {
	if c.Look == Plain && c.Text == "" {
		return nil
	}
	out := excelize.Cell{}
	if c.Look != Plain {
		out.StyleID = s.book.looks[c.Look]
	}
	if c.Text != "" {
		out.Value = cellValue(fit(c.Text))
	}
	s.cells = append(s.cells, out)
	return &s.cells[len(s.cells)-1]
}

// finish writes what comes after the rows.
func (s *Sheet) finish() error {
	if n := len(s.layout.Columns); n > 0 && s.rows > 0 {
		all := "A1:" + cellName(n-1, max(s.rows, 1))
		if err := s.book.file.AddIgnoredErrors(s.name, all, excelize.IgnoredErrorsNumberStoredAsText); err != nil {
			return err
		}
	}
	if s.layout.Filter {
		if err := s.filter(); err != nil {
			return err
		}
	}
	return s.stream.Flush()
}

func (s *Sheet) filter() error {
	first := max(s.layout.Freeze, 1)
	if s.rows < first || len(s.layout.Columns) == 0 {
		return nil
	}
	if strings.Contains(s.name, "'") {
		return nil // the library does not quote the name that a filter needs
	}
	return s.book.file.AutoFilter(s.name, "A"+strconv.Itoa(first)+":"+cellName(len(s.layout.Columns)-1, s.rows), nil)
}

// cellName names a cell by its column, from 0, and row, from 1.
func cellName(col, row int) string {
	name, err := excelize.CoordinatesToCellName(col+1, row)
	if err != nil {
		return "A" + strconv.Itoa(row)
	}
	return name
}

// Merge makes one cell of those in the last row from one column to another.
func (s *Sheet) Merge(from, to int) error {
	return s.stream.MergeCell(cellName(from, s.rows), cellName(to, s.rows))
}
