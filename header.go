package usersync

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/usersync-go/usersync/internal/table"
)

// Column is one column of the file.
type Column struct {
	Letter string `json:"letter"` // "A" is the first
	Header string `json:"header"` // as it stands in the file
	Field  string `json:"field,omitempty"`
	// Nearest is the known header that an unknown one looks like, "" if there is none.
	Nearest string `json:"nearest,omitempty"`
}

// columns is the header row, understood.
type columns struct {
	isCSV  bool     // cells have no reference, and there can be none beyond the header
	list   []Column // by column of the file; a column without a header has Header ""
	fields []int    // by column of the file: the field's index, -1 for a column that is ignored
	cells  []int    // by field: its column, -1 if it is not in the file
	// corrects tells a correction file, which has only some of the users.
	corrects bool
}

// foldHeader is the form in which headers are compared: without a byte order mark, invisible characters
// and white space at the ends, white space inside as one space, case folded. (R6)
func foldHeader(s string) string {
	s, _ = clean(s)
	return Fold(strings.Join(strings.FieldsFunc(s, unicode.IsSpace), " "))
}

// mapHeader finds the field of each column by the configuration's own mapping, then by the schema's
// names, titles and aliases. Unknown columns are ignored and listed. Two columns for one field or a
// missing required one refuse the file, naming all. (R6)
func mapHeader(s *schema, cfg *Config, header *table.Row, isCSV bool) (*columns, error) {
	known := headerTable(s, cfg)
	out := &columns{isCSV: isCSV, cells: make([]int, len(s.fields))}
	for i := range out.cells {
		out.cells[i] = -1
	}
	var bad []string
	for i := range header.Cells {
		cell := &header.Cells[i]
		text, _ := cellText(cell)
		text, _ = clean(text)
		out.grow(cell.Col + 1)
		column := &out.list[cell.Col]
		column.Header = text
		f, ok := known[foldHeader(text)]
		switch {
		case !ok && isCorrectionHeader(text):
			out.corrects = true
		case !ok:
			column.Nearest = nearest(s, foldHeader(text))
		case out.cells[f] >= 0:
			first := out.list[out.cells[f]]
			bad = append(bad, fmt.Sprintf("columns %s (%s) and %s (%s) are both %s",
				first.Letter, first.Header, column.Letter, text, s.fields[f].Name))
		default:
			column.Field, out.fields[cell.Col], out.cells[f] = s.fields[f].Name, f, cell.Col
		}
	}
	if err := out.refusal(s, header.Number, bad); err != nil {
		return nil, err
	}
	return out, nil
}

// refusal says what is wrong with the header as a whole: columns that are there twice, and those that
// are missing.
func (c *columns) refusal(s *schema, row int, twice []string) error {
	missing := c.missing(s)
	switch {
	case len(twice) == 0 && missing == "":
		return nil
	case len(twice) == 0:
		return &FileError{Code: "header_missing", Row: row, Detail: missing,
			Advice: "name the columns in the first row as the template does"}
	case missing != "":
		twice = append(twice, missing)
	}
	return &FileError{Code: "header_duplicate", Row: row, Detail: strings.Join(twice, "; "),
		Advice: "keep one column for each field, named as in the template"}
}

// headerTable is the folded headers that are known, with their fields.
func headerTable(s *schema, cfg *Config) map[string]int {
	known := map[string]int{}
	for i := range s.fields {
		f := &s.fields[i]
		for _, h := range append([]string{f.Name, f.Title}, f.Aliases...) {
			if h = foldHeader(h); h != "" {
				known[h] = i
			}
		}
	}
	for h, name := range cfg.Columns {
		known[foldHeader(h)] = s.byName[name]
	}
	return known
}

func (c *columns) grow(n int) {
	for len(c.list) < n {
		c.list = append(c.list, Column{Letter: table.ColumnName(len(c.list))})
		c.fields = append(c.fields, -1)
	}
}

// missing names the required columns that are not there, "" if all are.
func (c *columns) missing(s *schema) string {
	var missing []string
	for i := range s.fields {
		if s.fields[i].Required == Always && c.cells[i] < 0 {
			missing = append(missing, s.fields[i].Header())
		}
	}
	if len(missing) == 0 {
		return ""
	}
	detail := "the column " + missing[0] + " is missing"
	if len(missing) > 1 {
		detail = "the columns " + strings.Join(missing, ", ") + " are missing"
	}
	if near := c.nearMisses(); near != "" {
		detail += " (" + near + ")"
	}
	return detail
}

func (c *columns) nearMisses() string {
	var near []string
	for _, col := range c.list {
		if col.Nearest != "" {
			near = append(near, fmt.Sprintf("column %s is named %q: did you mean %s?", col.Letter, col.Header, col.Nearest))
		}
	}
	return strings.Join(near, "; ")
}

// place names the column of a field and, in a workbook, the cell in a row; both "" if the field has no
// column or the row none.
func (c *columns) place(row, field int) (column, cell string) {
	col := c.cells[field]
	if col < 0 || row == 0 {
		return "", ""
	}
	if column = c.list[col].Header; !c.isCSV {
		cell = c.list[col].Letter + strconv.Itoa(row)
	}
	return column, cell
}

// nearest is the schema's header that a folded one looks like: as its spelling without separators, or
// within a third of its letters.
func nearest(s *schema, folded string) string {
	best, bestDistance := "", len([]rune(folded))/3+1
	if folded == "" || len(folded) > 64 {
		return ""
	}
	for i := range s.fields {
		f := &s.fields[i]
		for _, h := range append([]string{f.Header(), f.Name}, f.Aliases...) {
			if d := distance(letters(foldHeader(h)), letters(folded)); d < bestDistance {
				best, bestDistance = f.Header(), d
			}
		}
	}
	return best
}

func letters(s string) []rune {
	var out []rune
	for _, r := range s {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			out = append(out, r)
		}
	}
	return out
}

// distance is the Levenshtein distance of two short texts.
func distance(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
