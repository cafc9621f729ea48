package usersync

import (
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/usersync-go/usersync/internal/table"
)

// cellState says what a row says about a field.
type cellState uint8

const (
	absent  cellState = iota // the file has no such column, or the line ends before it
	blank                    // the cell is blank: no value is given
	given                    // the cell has a value
	cleared                  // the cell says that the field is to be empty
	broken                   // the cell cannot be taken; the row is an Error
)

// checked is one row whose cells have been understood. Its slices are reused for a later row.
type checked struct {
	number  int
	hidden  bool
	values  []string    // by field: canonical, where the state is given
	states  []cellState // by field
	cells   []string    // by column of the file: the text as it stands there
	reasons []Reason
	wants   []want // things that there are not, and that may be created
	key     string // folded; "" if it cannot be read
	ignored bool   // a value was given that is not taken
}

func hasError(reasons []Reason) bool {
	return slices.ContainsFunc(reasons, func(r Reason) bool { return r.Level == LevelError })
}

// checker turns rows of cells into checked rows. It is used by one goroutine.
type checker struct {
	schema    *schema
	cfg       *Config
	columns   *columns
	rules     []fieldRule
	start     []cellState
	samples   []string // by field: the canonical form of what the template shows, "" for none
	memo      map[memoKey]memoValue
	newcomers newcomers // columns that may become fields, nil where none can
}

// memoKey and memoValue remember canonical forms that are slow to find and often the same.
type memoKey struct {
	field int
	text  string
}

type memoValue struct {
	value   string
	refused *Reason
}

const (
	memoLimit = 10_000
	memoText  = 128 // bytes; what is longer is hardly ever the same
)

func newChecker(s *schema, cfg *Config, cols *columns, rules []fieldRule) *checker {
	c := &checker{schema: s, cfg: cfg, columns: cols, rules: rules, memo: map[memoKey]memoValue{}}
	c.start = make([]cellState, len(s.fields))
	c.samples = make([]string, len(s.fields))
	for i := range s.fields {
		c.samples[i] = canonicalOf(&s.fields[i], s.fields[i].Sample)
	}
	for i, col := range cols.cells {
		if col >= 0 {
			c.start[i] = blank
		}
	}
	return c
}

// check understands one row. Everything that is wrong with it is in its reasons; the row itself is never
// refused. (C1, C2, C7, C9)
func (c *checker) check(in *table.Row, out *checked) {
	c.reset(in, out)
	extra := 0
	for i := range in.Cells {
		cell := &in.Cells[i]
		if cell.Col >= len(c.columns.fields) {
			extra += c.extraCell(cell)
			continue
		}
		c.cell(cell, out)
	}
	if extra > 0 {
		out.reasons = append(out.reasons, errorReason(CodeExtraCells, "count", strconv.Itoa(extra)))
	}
	c.finish(out)
}

func (c *checker) reset(in *table.Row, out *checked) {
	n := len(c.schema.fields)
	if out.states == nil {
		out.values, out.states = make([]string, n), make([]cellState, n)
		out.cells = make([]string, len(c.columns.list))
	}
	out.number, out.hidden, out.key, out.ignored = in.Number, in.Hidden, "", false
	out.reasons, out.wants = nil, out.wants[:0]
	copy(out.states, c.start)
	clear(out.cells)
	if in.Width == 0 {
		return
	}
	for f, col := range c.columns.cells { // R7: what a short line does not have is absent
		if col >= in.Width {
			out.states[f] = absent
		}
	}
}

// extraCell counts a cell to the right of the header in a CSV file, where a separator inside a value
// has probably moved the others. A workbook's cell there is a note somebody made. (R7)
func (c *checker) extraCell(cell *table.Cell) int {
	if text, _ := clean(cell.Text); !c.columns.isCSV || text == "" {
		return 0
	}
	return 1
}

func (c *checker) cell(cell *table.Cell, out *checked) {
	text, refused := cellText(cell)
	out.cells[cell.Col] = text
	i := c.columns.fields[cell.Col]
	if i < 0 {
		c.newcomers.see(cell.Col, text, c.cfg.ClearMarker)
		return
	}
	f := &c.schema.fields[i]
	if refused != nil {
		out.cells[cell.Col] = cell.Text
		c.refuse(out, f, *refused)
		return
	}
	text, left := clean(text)
	if f.isExact() && left == 0 {
		left = innerBreak(out.cells[cell.Col])
	}
	if left != 0 && !c.character(out, f, left) || text == "" {
		return
	}
	if text != c.cfg.ClearMarker && isSpoilt(text) {
		c.refuse(out, f, *spoilt(text))
		return
	}
	c.value(out, f, text)
}

// character deals with an invisible character: an error in an identifier and a secret, otherwise a warning. (R4)
func (c *checker) character(out *checked, f *field, left rune) bool {
	if f.isExact() {
		c.refuse(out, f, errorReason(CodeBadCharacter, "character", codePoint(left)))
		return false
	}
	c.add(out, f, warning(CodeStripped, "character", codePoint(left)))
	return true
}

func (c *checker) value(out *checked, f *field, text string) {
	switch {
	case c.cfg.ClearMarker != "" && text == c.cfg.ClearMarker:
		c.clearField(out, f)
		return
	case f.List != nil && f.List.saysNone(text):
		c.clearField(out, f)
		return
	}
	v, refused := c.canonical(f, text)
	switch {
	case refused != nil:
		c.refuse(out, f, *refused)
	case v != "":
		out.values[f.index], out.states[f.index] = v, given
	}
}

// clearField takes a cell that says explicitly that the field is to be empty. (K2)
func (c *checker) clearField(out *checked, f *field) {
	if f.Required != Optional || f.index == c.schema.status || f.transient {
		c.refuse(out, f, errorReason(CodeCannotClear))
		return
	}
	out.states[f.index] = cleared
}

// canonical is field.canonical with a memory for the kinds that are slow.
func (c *checker) canonical(f *field, text string) (string, *Reason) {
	if !f.isSlow() || len(text) > memoText {
		return f.canonical(text)
	}
	key := memoKey{f.index, text}
	if m, known := c.memo[key]; known {
		return m.value, m.refused
	}
	v, refused := f.canonical(text)
	if len(c.memo) < memoLimit {
		key.text = strings.Clone(text)
		c.memo[key] = memoValue{strings.Clone(v), refused}
	}
	return v, refused
}

// isSlow tells that it is worth remembering canonical forms. Secrets are not kept in memory for it.
func (f *field) isSlow() bool {
	return !f.Secret && (f.Kind == KindLocale || f.Kind == KindTimeZone || f.words != nil || f.Canonical != nil)
}

// finish looks at the row as a whole: what is missing, what a blank cell means, which key it has.
func (c *checker) finish(out *checked) {
	for i := range c.schema.fields {
		f := &c.schema.fields[i]
		switch state := out.states[i]; {
		case f.Required == Always && (state == blank || state == absent) && !c.rules[i].fills():
			c.add(out, f, errorReason(CodeRequired))
		case state == blank && c.blankClears(f):
			out.states[i] = cleared
		}
	}
	if out.states[c.schema.key] == given {
		out.key = Fold(out.values[c.schema.key])
	}
	if c.isSample(out) {
		out.reasons = append(out.reasons, errorReason(CodeSampleRow))
	}
}

// blankClears tells whether a blank cell of the field means that it is to be empty. A field with a
// default is not cleared: the next upload of the same file would fill it again. (K2, K3, B9)
func (c *checker) blankClears(f *field) bool {
	return c.cfg.BlankCells == BlankClears && !c.rules[f.index].hasDefault && f.Required == Optional &&
		f.index != c.schema.status && !f.transient
}

// isSample recognises the template's sample row: every sample value of a required field stands there.
// (C7)
func (c *checker) isSample(out *checked) bool {
	found := false
	for i := range c.schema.fields {
		f := &c.schema.fields[i]
		if f.Required != Always || c.samples[i] == "" {
			continue
		}
		if out.states[i] != given || !f.same(out.values[i], c.samples[i]) {
			return false
		}
		found = true
	}
	return found
}

// refuse adds an error that leaves the field without a value.
func (c *checker) refuse(out *checked, f *field, r Reason) {
	out.states[f.index] = broken
	c.add(out, f, r)
}

// add records a reason with the place of the field's cell.
func (c *checker) add(out *checked, f *field, r Reason) {
	r.Field = f.Name
	r.Column, r.Cell = c.columns.place(out.number, f.index)
	if f.Secret {
		maskParams(r.Params)
	}
	out.reasons = append(out.reasons, r)
}

// isBlank tells a row that says nothing about anybody, which is skipped: its cells have nothing but white
// space, or stand in columns that belong to no field, as a total below the table does. (R5)
func (c *columns) isBlank(in *table.Row) bool {
	for i := range in.Cells {
		cell := &in.Cells[i]
		if c.ignores(cell.Col) || isBlankCell(cell) {
			continue
		}
		return false
	}
	return true
}

// ignores tells that what stands in a column means nothing. Beyond the header of a CSV file it does: a
// separator inside a value has moved it there. (R7)
func (c *columns) ignores(col int) bool {
	if col >= len(c.fields) {
		return !c.isCSV
	}
	return c.fields[col] < 0
}

func isBlankCell(c *table.Cell) bool {
	return c.Kind == table.Text && strings.TrimFunc(c.Text, unicode.IsSpace) == ""
}

// isBlankRow tells a row of nothing but white space, before the header is known.
func isBlankRow(in *table.Row) bool {
	for i := range in.Cells {
		if !isBlankCell(&in.Cells[i]) {
			return false
		}
	}
	return true
}
