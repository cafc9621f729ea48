package usersync

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync/internal/table"
)

// checkCells checks one row of text under the given headers.
func checkCells(t *testing.T, s Schema, cfg Config, isCSV bool, headers, cells []string) *checked {
	t.Helper()
	compiled, err := compile(s)
	require.NoError(t, err)
	require.NoError(t, cfg.validate(compiled))
	cols, err := mapHeader(compiled, &cfg, headerRow(headers...), isCSV)
	require.NoError(t, err)
	row := headerRow(cells...)
	row.Number = 5
	if isCSV {
		row.Width = len(cells)
	}
	var out checked
	newChecker(compiled, &cfg, cols, prepareRules(compiled, &cfg)).check(row, &out)
	return &out
}

var fourHeaders = []string{"userName", "email", "firstName", "lastName"}

func codes(reasons []Reason) []string {
	var out []string
	for _, r := range reasons {
		out = append(out, fmt.Sprintf("%s %s %s", r.Level, r.Code, r.Field))
	}
	return out
}

// C1, C9: all that is wrong with a row is reported, each with its column and cell.
func TestCheckReportsEverything(t *testing.T) {
	row := checkCells(t, DefaultSchema(), DefaultConfig("Staff"), false,
		[]string{"Email", "USERNAME", "firstName", "lastName", "active", "locale"},
		[]string{"nobody", "an\u200bna", "", "Doe\u200b", "perhaps", "english"})
	require.Equal(t, []string{"error bad_email email", "error bad_character userName", "warning stripped lastName",
		"error bad_boolean active", "error bad_locale locale", "error required firstName"}, codes(row.reasons))
	require.Equal(t, "Email (A5): nobody is not an email address such as name@example.com", row.reasons[0].Text())
	require.Equal(t, "USERNAME (B5): contains the invisible or control character U+200B: type the value again", row.reasons[1].Text())
	require.Equal(t, "firstName (C5): is required and is blank", row.reasons[5].Text())
	require.Empty(t, row.key, "a key that cannot be read for sure is no key")
	require.Equal(t, "Doe", row.values[3])
	require.Equal(t, "an\u200bna", row.cells[1], "the cell stays as it was uploaded")
}

// R7: a short line's missing cells are absent, a long line's extra ones an error; a workbook's notes beside
// the table are none.
func TestCheckWidth(t *testing.T) {
	headers := append(fourHeaders, "title", "phone")
	short := checkCells(t, DefaultSchema(), DefaultConfig("Staff"), true, headers, []string{"anna", "a@example.com", "Anna", "A", ""})
	require.Empty(t, short.reasons)
	require.Equal(t, blank, short.states[5])
	require.Equal(t, absent, short.states[9])

	cells := []string{"anna", "a@example.com", "Anna", "A", "", "", "x", " ", "y"}
	long := checkCells(t, DefaultSchema(), DefaultConfig("Staff"), true, headers, cells)
	require.Equal(t, []string{"error extra_cells "}, codes(long.reasons))
	require.Equal(t, "2", long.reasons[0].Params["count"])
	require.Empty(t, checkCells(t, DefaultSchema(), DefaultConfig("Staff"), false, headers, cells).reasons)
}

// C7: the template's sample row is an error of its own.
func TestCheckSampleRow(t *testing.T) {
	sample := []string{"Jane.Doe", "jane.doe@example.com", "Jane", "Doe"}
	require.Equal(t, []string{"error sample_row "}, codes(checkCells(t, DefaultSchema(), DefaultConfig("Staff"), false, fourHeaders, sample).reasons))
	sample[1] = "jane.doe@example.org"
	require.Empty(t, checkCells(t, DefaultSchema(), DefaultConfig("Staff"), false, fourHeaders, sample).reasons, "a real Jane Doe")
}

// K2, K3: what a blank cell and the marker mean.
func TestCheckBlanks(t *testing.T) {
	s := DefaultSchema()
	s.Fields[6].Required = ForNewUsers // department
	s.Fields = append(s.Fields, Field{Name: "groups", List: &ListFormat{Separator: ",", None: "none"}})
	headers := append(fourHeaders, "title", "department", "locale", "active", "groups")
	cells := []string{"anna", "a@example.com", "Anna", "A", "", "", "", "", "NONE"}
	for _, tt := range []struct {
		name  string
		set   func(*Config)
		cells map[int]string
		want  map[int]cellState // by field of the schema
		codes []string
	}{
		{"keep", func(*Config) {}, nil, map[int]cellState{5: blank, 6: blank, 17: blank, 21: blank, 24: cleared}, nil},
		{"clear", func(c *Config) { c.BlankCells = BlankClears }, nil,
			map[int]cellState{5: cleared, 6: blank, 17: cleared, 21: blank}, nil},
		{"clear, but not what has a default", func(c *Config) { c.BlankCells, c.Defaults = BlankClears, map[string]string{"locale": "en-US"} }, nil,
			map[int]cellState{17: blank}, nil},
		{"marker", func(c *Config) { c.ClearMarker = "<x>" }, map[int]string{4: " <x> "}, map[int]cellState{5: cleared}, nil},
		{"marker where there must be a value", func(c *Config) { c.ClearMarker = "<x>" }, map[int]string{2: "<x>", 5: "<x>", 7: "<x>"},
			map[int]cellState{2: broken, 6: broken, 21: broken},
			[]string{"error cannot_clear firstName", "error cannot_clear department", "error cannot_clear active"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := DefaultConfig("Staff")
			tt.set(&cfg)
			row := append([]string(nil), cells...)
			for i, text := range tt.cells {
				row[i] = text
			}
			got := checkCells(t, s, cfg, false, headers, row)
			require.Equal(t, tt.codes, codes(got.reasons))
			for field, state := range tt.want {
				require.Equal(t, state, got.states[field], s.Fields[field].Name)
			}
		})
	}
}

// R4: an error value, a formula without a result and lost digits are errors of the row, with the cell.
func TestCheckTypedCells(t *testing.T) {
	compiled, err := compile(DefaultSchema())
	require.NoError(t, err)
	cfg := DefaultConfig("Staff")
	cols, err := mapHeader(compiled, &cfg, headerRow(append(fourHeaders, "zip", "costCenter")...), false)
	require.NoError(t, err)
	row := &table.Row{Number: 9, Cells: []table.Cell{
		{Col: 0, Kind: table.Error, Text: "#N/A"},
		{Col: 1, Kind: table.NoValue},
		{Col: 2, Kind: table.Number, Text: "1.2345678901234567E+18"},
		{Col: 3, Kind: table.Bool, Text: "true"},
		{Col: 4, Kind: table.Number, Text: "1234", Format: "00000"},
		{Col: 5, Kind: table.Date, Text: "2026-11-22"},
	}}
	var out checked
	newChecker(compiled, &cfg, cols, prepareRules(compiled, &cfg)).check(row, &out)
	require.Equal(t, []string{"error cell_error userName", "error no_result email", "error digits_lost firstName"}, codes(out.reasons))
	require.Equal(t, "C9", out.reasons[2].Cell)
	require.Equal(t, "true", out.values[3])
	require.Equal(t, "01234", out.values[15])
	require.Equal(t, "2026-11-22", out.values[8])
	require.Equal(t, "#N/A", out.cells[0])
}

// R5: a row of nothing but white space is no row; NBSP counts as white space.
func TestIsBlankRow(t *testing.T) {
	require.True(t, isBlankRow(headerRow(" ", "\u00a0", "\t")))
	require.True(t, isBlankRow(&table.Row{}))
	require.False(t, isBlankRow(headerRow(" ", "x")))
	require.False(t, isBlankRow(&table.Row{Cells: []table.Cell{{Kind: table.NoValue}}}))
}
