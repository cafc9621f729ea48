package csvfile

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync/internal/table"
)

func written(t testing.TB, delimiter rune, rows ...[]string) string {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b)
	w.Delimiter = delimiter
	for _, row := range rows {
		require.NoError(t, w.Write(row))
	}
	require.NoError(t, w.Flush())
	return b.String()
}

// P2
func TestWriter(t *testing.T) {
	tests := []struct {
		name      string
		delimiter rune
		rows      [][]string
		want      string
	}{
		{"no rows", 0, nil, ""},
		{"plain", 0, [][]string{{"userName", "phone"}, {"anna", ""}}, "userName,phone\r\nanna,\r\n"},
		{"formula", 0, [][]string{{"=1+1", "+380", "@x"}}, "'=1+1,'+380,'@x\r\n"},
		{"any delimiter is quoted", 0, [][]string{{"a;b", "a|b", "a\tb", "a,b"}}, "\"a;b\",\"a|b\",\"a\tb\",\"a,b\"\r\n"},
		{"unusual delimiter", ':', [][]string{{"a:b", "c"}}, "\"a:b\":c\r\n"},
		{"quotes and line breaks", ';', [][]string{{"a\"b", "a\r\nb"}}, "\"a\"\"b\";\"a\r\nb\"\r\n"},
		{"spaces", 0, [][]string{{" a", "b\u00A0"}}, "\" a\",\"b\u00A0\"\r\n"},
		{"sep", 0, [][]string{{"Sep=;"}}, "\"Sep=;\"\r\n"},
		{"sep without delimiter", 0, [][]string{{"sep=x"}}, "\"sep=x\"\r\n"},
		{"one empty cell", 0, [][]string{{""}}, "\"\"\r\n"},
		{"no CSV can hold it", 0, [][]string{{"a\x00\xFF"}}, "a\uFFFD\uFFFD\r\n"},
		{"cut by another delimiter", 0, [][]string{{"1", "x;=1+1;"}}, "1,\"x;'=1+1;\"\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, "\uFEFF"+tt.want, written(t, tt.delimiter, tt.rows...))
		})
	}
}

func TestWriterErrors(t *testing.T) {
	w := NewWriter(&bytes.Buffer{})
	w.Delimiter = '\r'
	var r *table.Refusal
	require.ErrorAs(t, w.Write([]string{"a"}), &r)
	require.Equal(t, CodeDelimiter, r.Code)

	full := errors.New("disk full")
	w = NewWriter(failing{full})
	require.ErrorIs(t, w.Write([]string{strings.Repeat("a", 1<<16)}), full)
	require.ErrorIs(t, w.Flush(), full)
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// P2: what is written comes back, whatever the cells hold.
func TestWriteRead(t *testing.T) {
	cells := []string{"=1+1", "'=1", "a\r\nb", "a\rb", "\ttab", " x ", "\"", "a;'=1", "sep=;", "'", "＋1", "\uFEFFx", "名", "a,b;c|d\te"}
	for _, delimiter := range []rune{0, ',', ';', '\t', '|'} {
		for i := range cells {
			row := append(append([]string{}, cells[i:]...), cells[:i]...)
			requireReadBack(t, delimiter, [][]string{row, row})
		}
	}
}

func FuzzWriteRead(f *testing.F) {
	f.Add("a", "b", "=c", ";'d")
	f.Add("sep=;", "", "\"", "\r")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		clean := func(s string) string {
			return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
		}
		a, b, c, d = clean(a), clean(b), clean(c), clean(d)
		requireReadBack(t, 0, [][]string{{"x" + a, b}, {c, d}})
		requireReadBack(t, ';', [][]string{{"x" + a}, {c, d}})
	})
}

func requireReadBack(t *testing.T, delimiter rune, rows [][]string) {
	t.Helper()
	in := written(t, delimiter, rows...)
	opt := Options{}
	if len(rows[0]) == 1 {
		opt.Delimiter = delimiter // a header of one column does not tell it
	}
	var want, got []string
	line := 1
	for _, row := range rows {
		r := table.Row{Number: line, Width: len(row)}
		for i, text := range row {
			if strings.TrimSpace(text) != "" {
				r.Cells = append(r.Cells, table.Cell{Col: i, Kind: table.Text, Text: text})
			}
		}
		if len(r.Cells) > 0 {
			want = append(want, show(&r))
		}
		line += 1 + strings.Count(strings.Join(row, ""), "\n")
	}
	got, err := readAll(t, strings.NewReader(in), opt)
	require.NoError(t, err, "%q", in)
	require.Equal(t, want, got, "%q", in)
}
