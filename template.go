package usersync

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/usersync-go/usersync/internal/workbook"
)

// The template's second sheet explains the fields. It has the second of the two names where the first is
// the schema's own sheet.
const (
	guideSheet      = "Fields"
	guideSheetOther = "Field guide"
)

// isGuide tells the template's second sheet, which is no data.
func isGuide(sheet string) bool { return sheet == guideSheet || sheet == guideSheetOther }

// WriteTemplate writes the workbook (.xlsx) in which administrators type their users. Its first sheet has
// a column for each field, in the schema's order: a bold header, yellow where every row needs a value,
// with a note that explains the field; cells in text format, so that leading zeros stay; drop-downs for
// booleans and enumerations; and a sample row in italics, which is refused as such when it is left in.
// The second sheet explains every field.
//
// The sample row is left out when no field that is always required has a Sample, since it could not be
// told from a user then. A boolean or enumeration sample is written in the word that the drop-down
// offers.
//
// The same schema gives the same bytes. The error is the *InvalidError of a schema that is not valid, or
// that of w. In the latter case w may have been given a part of the file.
func (s Schema) WriteTemplate(w io.Writer) error {
	c, err := compile(s)
	if err != nil {
		return err
	}
	if err := workbook.Write(w, c.fillTemplate); err != nil {
		return fmt.Errorf("usersync: writing the template: %w", err)
	}
	return nil
}

func (c *schema) fillTemplate(b *workbook.Book) error {
	if err := c.templateSheet(b); err != nil {
		return err
	}
	return c.guide(b)
}

func (c *schema) templateSheet(b *workbook.Book) error {
	headers, samples := c.templateRows()
	layout := workbook.Layout{Freeze: 1, Natural: true, Columns: make([]workbook.Column, len(headers))}
	for i := range headers {
		layout.Columns[i] = workbook.Column{Width: columnWidth(headers[i].Text, samples[i].Text), Look: workbook.Text}
	}
	sheet, err := b.Sheet(c.Sheet, layout)
	if err != nil {
		return err
	}
	if err := sheet.Row(headerHeight(headers, layout.Columns), headers...); err != nil {
		return err
	}
	if c.hasSampleRow() {
		if err := sheet.Row(0, samples...); err != nil {
			return err
		}
	}
	for i := range c.fields {
		if err := c.fields[i].explain(sheet, i); err != nil {
			return err
		}
	}
	return nil
}

func (c *schema) templateRows() (headers, samples []workbook.Cell) {
	for i := range c.fields {
		f := &c.fields[i]
		look := workbook.Header
		if f.Required == Always {
			look = workbook.Required
		}
		headers = append(headers, workbook.Cell{Text: f.Header(), Look: look})
		samples = append(samples, workbook.Cell{Text: f.shownSample(), Look: workbook.Sample})
	}
	return headers, samples
}

// hasSampleRow tells that a sample row would be recognised when it is left in. (C7)
func (c *schema) hasSampleRow() bool {
	return slices.ContainsFunc(c.fields, func(f field) bool { return f.Required == Always && f.Sample != "" })
}

// columnWidth is wide enough for all of the texts, within bounds.
func columnWidth(texts ...string) float64 {
	widest := 0
	for _, text := range texts {
		widest = max(widest, workbook.Width(text))
	}
	return float64(min(max(widest+4, 12), 40))
}

func headerHeight(headers []workbook.Cell, columns []workbook.Column) float64 {
	lines := 1
	for i, h := range headers {
		lines = max(lines, workbook.Lines(h.Text, columns[i].Width-2))
	}
	return float64(min(lines, 6)*workbook.LineHeight) + 6
}

// shownSample is the sample in the words that the template offers.
func (f *field) shownSample() string {
	if f.words == nil || f.Sample == "" {
		return f.Sample
	}
	if f.List == nil {
		return f.offered(f.Sample)
	}
	items := strings.Split(f.Sample, f.List.Separator)
	for i, item := range items {
		items[i] = f.offered(strings.TrimSpace(item))
	}
	if f.List.Separator == "," || f.List.Separator == ";" {
		return strings.Join(items, f.List.Separator+" ")
	}
	return strings.Join(items, f.List.Separator)
}

// offered is the word that is offered for the value that a word means; an unknown word stays.
func (f *field) offered(word string) string {
	value, known := f.words[Fold(word)]
	if !known {
		return word
	}
	for _, offer := range f.offers() {
		if f.words[Fold(offer)] == value {
			return offer
		}
	}
	return word
}

// explain adds what helps with typing: a note on the header, and a drop-down.
func (f *field) explain(sheet *workbook.Sheet, col int) error {
	if err := sheet.Note(col, 1, f.Header(), f.noteText()); err != nil {
		return err
	}
	if words := f.offers(); len(words) > 0 {
		return sheet.Offer(col, 2, words, f.List != nil)
	}
	return nil
}

func (f *field) noteText() string {
	parts := []string{f.requiredWords()}
	if ignored := f.ignoredWords(); ignored != "" {
		parts = append(parts, ignored)
	}
	parts = append(parts, f.kindWords()+".")
	if f.Help != "" {
		parts = append(parts, f.Help)
	}
	if allowed := f.allowedWords(noteOptions); allowed != "" {
		parts = append(parts, "Allowed: "+allowed+".")
	}
	if length := f.lengthWords(); length != "" {
		parts = append(parts, "Characters: "+length+".")
	}
	return strings.Join(parts, "\n")
}

// How many words of an enumeration a note and the guide list.
const (
	noteOptions  = 10
	guideOptions = 20
)

func (f *field) requiredWords() string {
	switch f.Required {
	case Always:
		return "Required."
	case ForNewUsers:
		return "Required for new users."
	}
	return "Optional."
}

func (f *field) ignoredWords() string {
	switch f.Ignored {
	case IgnoredForNew:
		return "Not taken for new users."
	case IgnoredForExisting:
		return "Not taken for existing users."
	}
	return ""
}

// kindNames say in words what the values of each kind are.
var kindNames = map[Kind]string{
	KindText:     "Text",
	KindEmail:    "Email address, such as name@example.com",
	KindBool:     "One of two words",
	KindLocale:   "Language and region code, such as en-US",
	KindTimeZone: "Time zone name, such as Europe/Berlin",
	KindPhone:    "Phone number, 3 to 15 digits",
	KindEnum:     "One of a list of words",
	KindDate:     "Date of the form year-month-day, such as 2026-12-31",
}

func (f *field) kindWords() string {
	words := kindNames[f.Kind]
	if f.Kind == KindUser {
		words = "Another user, in the system or in this file"
	}
	if f.Refers != nil {
		words = f.Refers.words()
	}
	if f.Pattern != "" {
		words += ", of the form " + f.patternHelp()
	}
	if characters := f.Characters.words(); characters != "" {
		words += "; " + characters
	}
	if f.List == nil {
		return words
	}
	words += "; several are separated by " + separatorName(f.List.Separator)
	if f.List.None != "" {
		words += "; " + f.List.None + " for none at all"
	}
	return words
}

// words say what stands in a cell with names.
func (r *Refers) words() string {
	words := "Name of an existing " + r.Set
	if r.Missing == MissingIsOffered {
		words += ", or of one to be created"
	}
	if r.Before != "" {
		words += ", then " + r.Before + " and more"
	}
	return words
}

func separatorName(separator string) string {
	switch separator {
	case ",":
		return "a comma"
	case ";":
		return "a semicolon"
	case "\n":
		return "a line break"
	case "\t":
		return "a tab"
	}
	return separator
}

// allowedWords lists the words of a boolean or enumeration, at most so many.
func (f *field) allowedWords(most int) string {
	words := f.offers()
	if len(words) <= most {
		return strings.Join(words, ", ")
	}
	return strings.Join(words[:most], ", ") + fmt.Sprintf(" and %d more in the drop-down", len(words)-most)
}

func (f *field) lengthWords() string {
	switch {
	case f.MinLength > 0 && f.MaxLength > 0:
		return fmt.Sprintf("%d to %d", f.MinLength, f.MaxLength)
	case f.MaxLength > 0:
		return "at most " + strconv.Itoa(f.MaxLength)
	case f.MinLength > 0:
		return "at least " + strconv.Itoa(f.MinLength)
	}
	return ""
}

// guide writes the sheet that explains the fields.
func (c *schema) guide(b *workbook.Book) error {
	name := guideSheet
	if strings.EqualFold(workbook.SheetName(c.Sheet), guideSheet) {
		name = guideSheetOther
	}
	layout := workbook.Layout{Freeze: 4, Columns: []workbook.Column{
		{Width: 22}, {Width: 13}, {Width: 44}, {Width: 30}, {Width: 14}, {Width: 70}, {Width: 26}}}
	sheet, err := b.Sheet(name, layout)
	if err != nil {
		return err
	}
	rows := [][]workbook.Cell{
		{{Text: "How to fill in the sheet " + workbook.SheetName(c.Sheet), Look: workbook.Title}},
		{{Text: c.guideText(), Look: workbook.Faint}},
		nil,
		workbook.Texts(workbook.Header, "Column", "Required", "What to enter", "Allowed values", "Characters", "Explanation", "Other headers accepted"),
	}
	heights := []float64{24, 0, 0, 21}
	for i := range c.fields {
		row := c.fields[i].guideRow()
		rows, heights = append(rows, row), append(heights, rowHeight(row, layout.Columns, 20))
	}
	for i, row := range rows {
		if err := sheet.Row(heights[i], row...); err != nil {
			return err
		}
	}
	return nil
}

func (c *schema) guideText() string {
	text := "One row for each user. A yellow header marks a column that every row needs."
	if c.hasSampleRow() {
		text += " Delete the sample row before you upload the file."
	}
	return text
}

func (f *field) guideRow() []workbook.Cell {
	required := strings.TrimSuffix(f.requiredWords(), ".")
	if ignored := f.ignoredWords(); ignored != "" {
		required += ". " + strings.TrimSuffix(ignored, ".")
	}
	also := f.Aliases
	if f.Title != "" && f.Title != f.Name {
		also = append([]string{f.Name}, also...)
	}
	row := workbook.Texts(workbook.Entry, f.Header(), required, f.kindWords(), f.allowedWords(guideOptions),
		f.lengthWords(), f.Help, strings.Join(also, ", "))
	if f.Required == Always {
		row[0].Look = workbook.Required
	}
	return row
}

// rowHeight is enough for the longest of wrapped cells, up to so many lines.
func rowHeight(cells []workbook.Cell, columns []workbook.Column, most int) float64 {
	lines := 1
	for i, c := range cells {
		if i < len(columns) {
			lines = max(lines, workbook.Lines(c.Text, columns[i].Width))
		}
	}
	return float64(min(lines, most) * workbook.LineHeight)
}
