package usersync

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync/internal/table"
)

func headerRow(cells ...string) *table.Row {
	row := &table.Row{Number: 1}
	for i, text := range cells {
		if text != "" {
			row.Cells = append(row.Cells, table.Cell{Col: i, Kind: table.Text, Text: text})
		}
	}
	return row
}

func mapped(t *testing.T, s Schema, cfg Config, cells ...string) (*columns, error) {
	t.Helper()
	compiled, err := compile(s)
	require.NoError(t, err)
	return mapHeader(compiled, &cfg, headerRow(cells...), false)
}

func fieldsOf(c *columns) []string {
	var out []string
	for _, col := range c.list {
		out = append(out, col.Field)
	}
	return out
}

// R6: headers are found whatever their case and white space, by alias and by the configuration's own
// mapping.
func TestMapHeader(t *testing.T) {
	s := DefaultSchema()
	s.Fields[5].Aliases = []string{"Job Title"}
	cfg := DefaultConfig("Staff")
	cfg.Columns = map[string]string{"Login": "userName"}
	c, err := mapped(t, s, cfg, "\ufefflogin", "", "EMAIL\u00a0", " FirstName ", "lastname", "JOB\n title", "Shoe size", "departmnt")
	require.NoError(t, err)
	require.Equal(t, []string{"userName", "", "email", "firstName", "lastName", "title", "", ""}, fieldsOf(c))
	require.Equal(t, []Column{{Letter: "G", Header: "Shoe size"}, {Letter: "H", Header: "departmnt", Nearest: "department"}}, SourceInfo{Columns: c.list}.Unknown())
	column, cell := c.place(7, 1)
	require.Equal(t, "EMAIL", column)
	require.Equal(t, "C7", cell)
}

// R6: the configuration's mapping beats the schema's header of the same name.
func TestMapHeaderPrefersTheConfiguration(t *testing.T) {
	cfg := DefaultConfig("Staff")
	cfg.Columns = map[string]string{"title": "cField1"}
	c, err := mapped(t, DefaultSchema(), cfg, "userName", "email", "firstName", "lastName", "Title")
	require.NoError(t, err)
	require.Equal(t, "cField1", c.list[4].Field)
}

// R6: missing required columns and two columns for one field refuse the file, naming all.
func TestMapHeaderRefuses(t *testing.T) {
	_, err := mapped(t, DefaultSchema(), DefaultConfig("Staff"), "user-name", "title")
	var refused *FileError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "header_missing", refused.Code)
	for _, word := range []string{"userName", "email", "firstName", "lastName", `"user-name"`, "did you mean userName"} {
		require.ErrorContains(t, err, word)
	}

	_, err = mapped(t, DefaultSchema(), DefaultConfig("Staff"), "userName", "email", "firstName", "lastName", "Email", "USERNAME")
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "header_duplicate", refused.Code)
	require.ErrorContains(t, err, "columns B (email) and E (Email) are both email")
	require.ErrorContains(t, err, "columns A (userName) and F (USERNAME) are both userName")
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"kitten", "sitting", 3}, {"email", "mail", 1}} {
		require.Equal(t, tt.want, distance([]rune(tt.a), []rune(tt.b)), "%+v", tt)
		require.Equal(t, tt.want, distance([]rune(tt.b), []rune(tt.a)), "%+v", tt)
	}
}

// Any header at all gives columns or a refusal, and every field at most one column.
func FuzzMapHeader(f *testing.F) {
	f.Add("userName,email,firstName,lastName", "Login")
	f.Add("USERNAME,\ufeffe-mail,first name,last\u00a0name,,x", "e-mail")
	f.Add("a,a,a", "\x00")
	s, err := compile(DefaultSchema())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, line, own string) {
		cfg := DefaultConfig("Staff")
		cfg.Columns = map[string]string{own: "email"}
		header := headerRow(strings.Split(line, ",")...)
		c, err := mapHeader(s, &cfg, header, false)
		if err != nil {
			require.Nil(t, c)
			require.ErrorIs(t, err, ErrRefused)
			return
		}
		seen := map[int]bool{}
		for col, field := range c.fields {
			if field >= 0 {
				require.False(t, seen[field])
				seen[field] = true
				require.Equal(t, col, c.cells[field])
			}
		}
	})
}
