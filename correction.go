package usersync

import (
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/usersync-go/usersync/internal/csvfile"
	"github.com/usersync-go/usersync/internal/workbook"
)

// Format is a kind of file that is read and written.
type Format string

// The kinds of file. For a correction file "" means FormatXLSX.
const (
	FormatXLSX Format = "xlsx" // Excel workbook
	FormatCSV  Format = "csv"  // text with separated values
)

// correctionHeader is the header of the column that a correction file adds. It belongs to no field, so
// that the file can be uploaded with it.
const correctionHeader = "usersync errors"

// isCorrectionHeader tells the header of the column that correction files add.
func isCorrectionHeader(header string) bool { return foldHeader(header) == correctionHeader }

// WriteCorrections writes the rows of the plan that are an Error, in the columns of the file that was
// uploaded, all of them and in their order, and adds one column that says what is wrong. The file is
// meant to be mended and uploaded as it is: the added column is ignored then.
//
// In a workbook the bad cells are marked, every cell is in text format, and booleans and enumerations
// have their drop-downs. A CSV file is UTF-8 with a byte order mark and escaped so that no spreadsheet
// program takes a cell for a formula; reading it back undoes that.
//
// The cells are as they were uploaded. Left blank, and said so in the added column, are: secret values;
// cells whose value the upload did not have, such as #N/A or a number that had lost digits, lest they be
// taken for text; and the key of a line with more cells than the header, whose cells may have moved.
//
// A plan without such rows gives a file with nothing but the header. Users who left the file are not in
// it. The error is an *InvalidError for an unknown format, or that of w, which may then have been given a
// part of the file.
func (p *Plan) WriteCorrections(w io.Writer, format Format) error {
	return writeCorrections(w, format, p, func(yield func(correction) bool) {
		for i := range p.entries[:p.rows] {
			row := p.row(i)
			if row.Class == ClassError && !yield(p.correction(i, row, nil)) {
				return
			}
		}
	})
}

// WriteCorrections is [Plan.WriteCorrections] with the rows that the store refused besides
// (StateFailed). Rows that were not written for another reason are not in it: apply their file again.
func (r *Run) WriteCorrections(w io.Writer, format Format) error {
	return writeCorrections(w, format, r.plan, func(yield func(correction) bool) {
		for i := range r.plan.entries[:r.plan.rows] {
			row, state := r.plan.row(i), r.result(int32(i))
			if row.Class != ClassError && state.state != StateFailed {
				continue
			}
			if !yield(r.plan.correction(i, row, state.reasons)) {
				return
			}
		}
	})
}

// correction is one row of a correction file.
type correction struct {
	cells []string // by column of the file
	bad   []bool
	said  []string // which row of the upload it is, then what is wrong
}

// correction makes the row of one entry; failed are the reasons that the run gave.
func (p *Plan) correction(i int, row Row, failed []Reason) correction {
	columns := p.Source.Columns
	c := correction{cells: make([]string, len(columns)), bad: make([]bool, len(columns))}
	c.say("Row " + strconv.Itoa(row.Number) + " of the upload")
	kept := p.cellsOf(i)
	copy(c.cells, kept)
	for _, r := range append(row.Reasons, failed...) {
		if r.Level != LevelError {
			continue
		}
		c.mark(columns, r)
		if r.Code == CodeExtraCells {
			c.blank(columns, p.schema.Key)
		}
		r.Cell = "" // of the upload, where this row had another number
		c.say(r.Text())
	}
	if kept == nil {
		p.restore(&c, row)
	}
	p.blankSecrets(&c)
	return c
}

func (c *correction) say(text string) { c.said = append(c.said, text) }

func (p *Plan) cellsOf(i int) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.entries[i].more; m != nil {
		return m.cells
	}
	return nil
}

// mark marks the cell that a reason speaks of, and leaves it blank if the upload did not have its value.
func (c *correction) mark(columns []Column, r Reason) {
	at := columnOf(columns, r.Field)
	if at < 0 {
		return
	}
	c.bad[at] = true
	if r.Code == CodeCellError || r.Code == CodeNoResult || r.Code == CodeDigitsLost {
		c.cells[at] = ""
		c.say(columns[at].Header + ": left blank, because the upload did not have its value")
	}
}

// blank leaves the cell of a field blank and marks it.
func (c *correction) blank(columns []Column, field string) {
	if at := columnOf(columns, field); at >= 0 {
		c.cells[at], c.bad[at] = "", true
	}
}

// restore puts in what there is of a row whose cells were not kept.
func (p *Plan) restore(c *correction, row Row) {
	if at := columnOf(p.Source.Columns, p.schema.Key); at >= 0 {
		c.cells[at] = row.Name
	}
	c.say("the other cells of the row are no longer known: copy them from the upload")
}

// blankSecrets leaves out secret values, and says so. (A10)
func (p *Plan) blankSecrets(c *correction) {
	for i, col := range p.Source.Columns {
		at, known := p.schema.byName[col.Field]
		if !known || !p.schema.fields[at].Secret || c.cells[i] == "" {
			continue
		}
		c.cells[i] = ""
		c.say(col.Header + ": left out because it is secret, type it again")
	}
}

func columnOf(columns []Column, field string) int {
	if field == "" {
		return -1
	}
	return slices.IndexFunc(columns, func(c Column) bool { return c.Field == field })
}

func writeCorrections(w io.Writer, format Format, p *Plan, rows iter.Seq[correction]) (err error) {
	columns := correctionColumns(p.Source.Columns)
	switch format {
	case FormatXLSX, "":
		err = workbook.Write(w, func(b *workbook.Book) error { return p.correctionSheet(b, columns, rows) })
	case FormatCSV:
		err = p.correctionCSV(w, columns, rows)
	default:
		var bad problems
		oneOf("format", format, &bad, FormatXLSX, FormatCSV)
		return bad.err("correction file")
	}
	if err != nil {
		return fmt.Errorf("usersync: writing the correction file: %w", err)
	}
	return nil
}

// correctionColumns are the columns of the upload that are written: all but the one that an earlier
// correction file has added.
func correctionColumns(columns []Column) []int {
	var out []int
	for i, c := range columns {
		if c.Field != "" || !isCorrectionHeader(c.Header) {
			out = append(out, i)
		}
	}
	return out
}

func (p *Plan) correctionCSV(w io.Writer, columns []int, rows iter.Seq[correction]) error {
	out := csvfile.NewWriter(w)
	for _, delimiter := range p.Source.Delimiter { // as the upload has it
		out.Delimiter = delimiter
	}
	cells := make([]string, 0, len(columns)+1)
	for _, at := range columns {
		cells = append(cells, p.Source.Columns[at].Header)
	}
	if err := out.Write(append(cells, correctionHeader)); err != nil {
		return err
	}
	for row := range rows {
		cells = cells[:0]
		for _, at := range columns {
			cells = append(cells, row.cells[at])
		}
		if err := out.Write(append(cells, row.said[0]+": "+strings.Join(row.said[1:], "; "))); err != nil {
			return err
		}
	}
	return out.Flush()
}

// troubleWidth is the width of the column that says what is wrong.
const troubleWidth = 70

func (p *Plan) correctionSheet(b *workbook.Book, columns []int, rows iter.Seq[correction]) error {
	name := p.Source.Sheet
	if name == "" {
		name = p.schema.Sheet
	}
	layout, headers := p.correctionLayout(columns)
	sheet, err := b.Sheet(name, layout)
	if err != nil {
		return err
	}
	if err := sheet.Row(headerHeight(headers, layout.Columns), headers...); err != nil {
		return err
	}
	var cells []workbook.Cell
	for row := range rows {
		cells = cells[:0]
		for _, at := range columns {
			cells = append(cells, workbook.Cell{Text: row.cells[at], Look: badLook(row.bad[at])})
		}
		text := strings.Join(row.said, "\n")
		height := float64(min(workbook.Lines(text, troubleWidth-4), rowLines) * workbook.LineHeight)
		if err := sheet.Row(height, append(cells, workbook.Cell{Text: text})...); err != nil {
			return err
		}
	}
	return p.offerWords(sheet, columns)
}

func badLook(bad bool) workbook.Look {
	if bad {
		return workbook.Bad
	}
	return workbook.Plain
}

func (p *Plan) correctionLayout(columns []int) (layout workbook.Layout, headers []workbook.Cell) {
	layout = workbook.Layout{Freeze: 1, Natural: true}
	for _, at := range columns {
		col, look, sample := p.Source.Columns[at], workbook.Header, ""
		if i, known := p.schema.byName[col.Field]; known {
			sample = p.schema.fields[i].Sample
			if p.schema.fields[i].Required == Always {
				look = workbook.Required
			}
		}
		headers = append(headers, workbook.Cell{Text: col.Header, Look: look})
		layout.Columns = append(layout.Columns, workbook.Column{Width: columnWidth(col.Header, sample), Look: workbook.Text})
	}
	headers = append(headers, workbook.Cell{Text: correctionHeader, Look: workbook.Header})
	layout.Columns = append(layout.Columns, workbook.Column{Width: troubleWidth, Look: workbook.Trouble})
	return layout, headers
}

// offerWords gives the columns of booleans and enumerations the template's drop-downs.
func (p *Plan) offerWords(sheet *workbook.Sheet, columns []int) error {
	for col, at := range columns {
		i, known := p.schema.byName[p.Source.Columns[at].Field]
		if !known {
			continue
		}
		f := &p.schema.fields[i]
		if words := f.offers(); len(words) > 0 {
			if err := sheet.Offer(col, 2, words, f.List != nil); err != nil {
				return err
			}
		}
	}
	return nil
}
