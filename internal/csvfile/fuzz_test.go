package csvfile

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync/internal/table"
)

// FuzzCSV holds the parser against encoding/csv in its strict mode: whatever one of them accepts the
// other accepts too, with the same cells, save for the differences that accepted and agreed name.
func FuzzCSV(f *testing.F) {
	for _, s := range []string{
		"a,b\n1,2\n", "a,b\r\n\"x\"\"y\",\"\r\n\"\r\n", "sep=;\na;b\n", "a;b\n\n;;\n'=1;''+\n", "\uFEFFa|b\n",
		"a\tb\n\"1\n2\"x", "a,b\n1,\"2", "a\rb\r", "\xFF\xFEa\x00\n\x00", "\xFE\xFF\x00\"\x00\n\x00\"", "a,\xE9\n", "\"\"\n\n\"\"", "a,b\n\x00",
	} {
		f.Add([]byte(s), byte(0))
		f.Add([]byte(s), byte(1))
	}
	f.Fuzz(func(t *testing.T, in []byte, pick byte) {
		requireRowsOrRefusal(t, in, Options{})
		requireRowsOrRefusal(t, in, Options{Encoding: []string{"utf-16be", "windows-1252", "shift_jis", "gb18030", "iso-2022-jp", "big5", "euc-jp", "euc-kr"}[pick%8]})
		if utf8.Valid(in) && !bytes.ContainsAny(in, "\x00") && !isMarked(in) {
			agree(t, in, rune(delimiters[pick%4]))
		}
	})
}

func requireRowsOrRefusal(t *testing.T, in []byte, opt Options) {
	last := 0
	for row, err := range Read(t.Context(), bytes.NewReader(in), opt) {
		if err != nil {
			var r *table.Refusal
			require.ErrorAs(t, err, &r)
			require.LessOrEqual(t, r.Line, bytes.Count(in, []byte("\n"))+1)
			require.LessOrEqual(t, r.Byte, int64(3*len(in)+1))
			return
		}
		require.Greater(t, row.Number, last)
		require.NotEmpty(t, row.Cells)
		require.Less(t, row.Cells[len(row.Cells)-1].Col, row.Width)
		last = row.Number
	}
}

// isMarked tells what encoding/csv does not know: a byte order mark, or a sep= line.
func isMarked(in []byte) bool {
	_, sep := sepLine(in[:max(0, bytes.IndexByte(append(in, '\n'), '\n'))])
	return sep || bytes.HasPrefix(in, []byte("\uFEFF"))
}

func agree(t *testing.T, in []byte, delimiter rune) {
	want, wantErr := standardRows(in, delimiter)
	got, gotErr := readAll(t, bytes.NewReader(in), Options{Delimiter: delimiter})
	got = withoutCR(got)
	var refusal *table.Refusal
	if errors.As(gotErr, &refusal) && refusal.Code == CodeLineEnding {
		return // encoding/csv keeps a lone CR, and drops one at the end of the file
	}
	require.Equal(t, wantErr == nil, gotErr == nil, "%q: encoding/csv: %v, ours: %v", in, wantErr, gotErr)
	if wantErr == nil {
		require.Equal(t, want, got, "%q", in)
	}
}

// withoutCR takes away what encoding/csv does: the CR of a CRLF in quotes.
func withoutCR(rows []string) []string {
	for i := range rows {
		rows[i] = strings.ReplaceAll(rows[i], "\r\n", "\n")
	}
	return rows
}

// standardRows reads with encoding/csv, and shows what it gives as Read would yield it.
func standardRows(in []byte, delimiter rune) ([]string, error) {
	r := csv.NewReader(bytes.NewReader(in))
	r.Comma, r.FieldsPerRecord = delimiter, -1
	var rows []string
	for {
		record, err := r.Read()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		line, _ := r.FieldPos(0)
		row := table.Row{Number: line, Width: len(record)}
		for i, text := range record {
			if text = Unescape(text); strings.TrimSpace(text) != "" {
				row.Cells = append(row.Cells, table.Cell{Col: i, Kind: table.Text, Text: text})
			}
		}
		if len(row.Cells) > 0 {
			rows = append(rows, show(&row))
		}
	}
}
