package csvfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync/internal/table"
)

// readAll gives each row as "number/width: A=text B=text", and the error.
func readAll(t testing.TB, r io.Reader, opt Options) ([]string, error) {
	t.Helper()
	var got []string
	for row, err := range Read(t.Context(), r, opt) {
		if err != nil {
			require.Nil(t, row)
			return got, err
		}
		got = append(got, show(row))
	}
	return got, nil
}

func show(row *table.Row) string {
	s := fmt.Sprintf("%d/%d:", row.Number, row.Width)
	for _, c := range row.Cells {
		s += fmt.Sprintf(" %s=%s", table.ColumnName(c.Col), c.Text)
	}
	return s
}

// R7
func TestRead(t *testing.T) {
	tests := []struct {
		name string
		in   string
		opt  Options
		want []string
	}{
		{"empty", "", Options{}, nil},
		{"only a byte order mark", "\uFEFF", Options{}, nil},
		{"LF", "a,b\n1,2\n", Options{}, []string{"1/2: A=a B=b", "2/2: A=1 B=2"}},
		{"CRLF", "a,b\r\n1,2\r\n", Options{}, []string{"1/2: A=a B=b", "2/2: A=1 B=2"}},
		{"mixed line endings", "a,b\r\n1,2\n3,4", Options{}, []string{"1/2: A=a B=b", "2/2: A=1 B=2", "3/2: A=3 B=4"}},
		{"no final line ending", "a,b\n1,2", Options{}, []string{"1/2: A=a B=b", "2/2: A=1 B=2"}},
		{"UTF-8 with byte order mark", "\uFEFFa,b\n\"1\",2\n", Options{}, []string{"1/2: A=a B=b", "2/2: A=1 B=2"}},
		{"byte order mark before a quote", "\uFEFF\"a\",b\n", Options{}, []string{"1/2: A=a B=b"}},
		{"semicolon", "a;b,c;d\n1;2,5;3\n", Options{}, []string{"1/3: A=a B=b,c C=d", "2/3: A=1 B=2,5 C=3"}},
		{"tab", "a\tb\n1\t2\n", Options{}, []string{"1/2: A=a B=b", "2/2: A=1 B=2"}},
		{"bar", "a|b\n1|2\n", Options{}, []string{"1/2: A=a B=b", "2/2: A=1 B=2"}},
		{"delimiters in quotes do not count", "\"a;;;\",b\n1,2\n", Options{}, []string{"1/2: A=a;;; B=b", "2/2: A=1 B=2"}},
		{"header over two lines", "\"a;\n;;\",b\n1,2\n", Options{}, []string{"1/2: A=a;\n;; B=b", "3/2: A=1 B=2"}},
		{"as many commas as semicolons", "Name (last, first);Mail\n1;2\n", Options{},
			[]string{"1/2: A=Name (last, first) B=Mail", "2/2: A=1 B=2"}},
		{"one column", "name\nSmith, John\n\"a;b\"\n", Options{}, []string{"1/1: A=name", "2/1: A=Smith, John", "3/1: A=a;b"}},
		{"delimiter given", "a;b;c,d\n", Options{Delimiter: ','}, []string{"1/2: A=a;b;c B=d"}},
		{"unusual delimiter given", "a:b\n", Options{Delimiter: ':'}, []string{"1/2: A=a B=b"}},
		{"sep line", "sep=;\na,b;c,d,e\n1;2\n", Options{}, []string{"2/2: A=a,b B=c,d,e", "3/2: A=1 B=2"}},
		{"sep line, saved again", "\uFEFFSEP=|||\r\na|b,c,d\r\n", Options{}, []string{"2/2: A=a B=b,c,d"}},
		{"sep line, but the delimiter given", "sep=;\na,b;c\n", Options{Delimiter: ','}, []string{"2/2: A=a B=b;c"}},
		{"sep is a header", "sep=x,b\n1,2\n", Options{}, []string{"1/2: A=sep=x B=b", "2/2: A=1 B=2"}},
		{"sep line not first", "a,b\nsep=;\n", Options{}, []string{"1/2: A=a B=b", "2/1: A=sep=;"}},
		{"short and long rows", "a,b\n1\n1,2,3\n1,\n", Options{},
			[]string{"1/2: A=a B=b", "2/1: A=1", "3/3: A=1 B=2 C=3", "4/2: A=1"}},
		{"blank cells", "a,b,c\n,2,\n", Options{}, []string{"1/3: A=a B=b C=c", "2/3: B=2"}},
		{"white space is blank, and kept around text", "a,b\n \t\u00A0\u3000, x \n", Options{}, []string{"1/2: A=a B=b", "2/2: B= x "}},
		{"blank rows and lines are counted", "\n,,;\na,b\n\n,\n\"\",\"\"\n \n1,2\n", Options{},
			[]string{"2/3: C=;", "3/2: A=a B=b", "8/2: A=1 B=2"}},
		{"blank rows do not tell the delimiter", "\r\n,,,\r\na;b\r\n1;2\r\n", Options{},
			[]string{"2/1: A=,,,", "3/2: A=a B=b", "4/2: A=1 B=2"}},
		{"quotes", "a,b\n\"x \"\"y\"\" z\",\"\"\"\"\n", Options{}, []string{"1/2: A=a B=b", "2/2: A=x \"y\" z B=\""}},
		{"line breaks in quotes are kept", "a,b\r\n\"1\r\n\r\n2\n3\r4\",x\r\n5,6\r\n", Options{},
			[]string{"1/2: A=a B=b", "2/2: A=1\r\n\r\n2\n3\r4 B=x", "6/2: A=5 B=6"}},
		{"escapes are undone", "a,b\n'=1,'tis\n\"'+380\",''-\n", Options{}, []string{"1/2: A=a B=b", "2/2: A==1 B='tis", "3/2: A=+380 B='-"}},
		{"empty quoted cell at the end of the file", "a,b\n1,\"\"", Options{}, []string{"1/2: A=a B=b", "2/2: A=1"}},
		{"UTF-16LE", "\xFF\xFEa\x00,\x00\x2C\x0A\n\x00\x0A\x0A,\x00=\xD8\x00\xDE", Options{},
			[]string{"1/2: A=a B=\u0A2C", "2/2: A=\u0A0A B=\U0001F600"}},
		{"UTF-16BE", "\xFE\xFF\x00a\x00,\x0A\x2C\x00\r\x00\n\x0A\x0A\x00,\xD8=\xDE\x00\x00\n", Options{},
			[]string{"1/2: A=a B=\u0A2C", "2/2: A=\u0A0A B=\U0001F600"}},
		{"UTF-16LE named", "a\x00;\x00b\x00\n\x001\x00", Options{Encoding: "UTF-16LE"}, []string{"1/2: A=a B=b", "2/1: A=1"}},
		{"windows-1251", "\xC8\xEC\xFF;b\n", Options{Encoding: "windows-1251"}, []string{"1/2: A=Имя B=b"}},
		{"latin1", "caf\xE9,\x80\n", Options{Encoding: "latin1"}, []string{"1/2: A=café B=€"}},
		{"shift_jis", "\x96\xBC\x91O,\x83|\n", Options{Encoding: "shift_jis"}, []string{"1/2: A=名前 B=ポ"}},
		{"gb18030", "\xD0\xD5\xC3\xFB,\x82\x35\x8F\x33\n", Options{Encoding: "gb18030"}, []string{"1/2: A=姓名 B=\u9FA6"}},
		{"the byte order mark beats the name", "\uFEFFй,b\n", Options{Encoding: "windows-1251"}, []string{"1/2: A=й B=b"}},
		{"U+FFFD that is in the file", "a\uFFFD,b\n", Options{}, []string{"1/2: A=a\uFFFD B=b"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readAll(t, strings.NewReader(tt.in), tt.opt)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(tt.want, got))
			got, err = readAll(t, iotest.OneByteReader(strings.NewReader(tt.in)), tt.opt)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(tt.want, got), "byte by byte")
		})
	}
}

// R1, R2
func TestRefusals(t *testing.T) {
	small := func(l Limits) Options { return Options{Limits: l} }
	tests := []struct {
		name string
		in   string
		opt  Options
		code string
		line int
		at   int64
	}{
		{"byte not in UTF-8", "a,b\nxé\xE9y,2\n", Options{}, CodeEncoding, 2, 4},
		{"UTF-8 cut short", "a,b\n1,\xE2\x82", Options{}, CodeEncoding, 2, 3},
		{"surrogate in UTF-8", "a,\xED\xA0\x80\n", Options{}, CodeEncoding, 1, 3},
		{"overlong UTF-8", "\uFEFFa,\xC0\xAF\n", Options{}, CodeEncoding, 1, 3},
		{"bad byte in a quoted cell", "a,b\n\"1\n2\n\xFF\",\n", Options{}, CodeEncoding, 4, 1},
		{"UTF-16 odd", "\xFF\xFEa\x00\n\x00b", Options{}, CodeEncoding, 2, 1},
		{"UTF-16BE odd after LF's first byte", "\xFE\xFF\x00a\x0A", Options{}, CodeEncoding, 1, 3},
		{"UTF-16 high surrogate alone", "\xFF\xFEa\x00\n\x00b\x00=\xD8c\x00", Options{}, CodeEncoding, 2, 3},
		{"UTF-16 high surrogate last", "\xFF\xFEa\x00=\xD8", Options{}, CodeEncoding, 1, 3},
		{"UTF-16 low surrogate alone", "\xFE\xFF\xDE\x00\x00a", Options{}, CodeEncoding, 1, 1},
		{"UTF-32LE", "\xFF\xFE\x00\x00a\x00\x00\x00", Options{}, CodeEncodingName, 0, 0},
		{"UTF-32BE", "\x00\x00\xFE\xFF\x00\x00\x00a", Options{}, CodeEncodingName, 0, 0},
		{"windows-1252 undefined", "a,b\n\xE9\x81,\n", Options{Encoding: "windows-1252"}, CodeEncoding, 2, 2},
		{"windows-1253 undefined", "a,b\n\xC1\xD2\n", Options{Encoding: "windows-1253"}, CodeEncoding, 2, 2},
		{"shift_jis undefined", "\x96\xBC\x81\xAD,b\n", Options{Encoding: "shift_jis"}, CodeEncoding, 1, 3},
		{"gb18030 cut short", "a\n\xD0\xD5\xC3", Options{Encoding: "gb18030"}, CodeEncoding, 2, 3},
		{"unknown encoding", "a", Options{Encoding: "klingon"}, CodeEncodingName, 0, 0},
		{"replacement encoding", "a", Options{Encoding: "iso-2022-kr"}, CodeEncodingName, 0, 0},
		{"NUL", "a,b\n1,\x002\n", Options{}, CodeNUL, 2, 3},
		{"NUL in UTF-16", "\xFF\xFEa\x00\x00\x00", Options{}, CodeNUL, 1, 3},
		{"UTF-16 without byte order mark", "a\x00,\x00", Options{}, CodeNUL, 1, 2},

		{"bare quote", "a,b\n1,2\"\n", Options{}, CodeQuote, 2, 4},
		{"bare quote after é", "a,b\né\"\n", Options{}, CodeQuote, 2, 3},
		{"bare quote in UTF-16", "\xFF\xFEa\x00\n\x00b\x00\"\x00", Options{}, CodeQuote, 2, 3},
		{"bare quote in windows-1252", "a,b\n\xE9\"\n", Options{Encoding: "windows-1252"}, CodeQuote, 2, 2},
		{"space before a quote", "a,b\n1, \"2\"\n", Options{}, CodeQuote, 2, 4},
		{"text after a quote", "a,b\n\"1\n2\"x,3\n", Options{}, CodeQuote, 3, 3},
		{"space after a quote", "a,b\n\"1\" ,3\n", Options{}, CodeQuote, 2, 4},
		{"unclosed", "a,b\n1,2\n3,\"4\n5,6\n7,8\n", Options{}, CodeUnclosedQuote, 3, 3},
		{"unclosed in the header", "a,\"b\n1,2\n", Options{}, CodeUnclosedQuote, 1, 3},
		{"unclosed at the end of the file", "a,b\n1,\"", Options{}, CodeUnclosedQuote, 2, 3},
		{"unclosed ends in an escaped quote", "a,b\n\"1\"\"", Options{}, CodeUnclosedQuote, 2, 1},
		{"unclosed in windows-1252", "a\n\xE9,\"b\nc", Options{Encoding: "windows-1252", Delimiter: ','}, CodeUnclosedQuote, 2, 3},

		{"old Mac", "a,b\r1,2\r", Options{}, CodeLineEnding, 1, 4},
		{"lone CR at the end", "a,b\r\n1,2\r", Options{}, CodeLineEnding, 2, 4},
		{"doubled CR", "a,b\r\r\n1,2", Options{}, CodeLineEnding, 1, 4},
		{"lone CR after a quote", "\"a\",\"b\"\r1,2", Options{}, CodeLineEnding, 1, 8},
		{"lone CR beside quotes", "a,b\n\"a\",b\rc\n", Options{}, CodeLineEnding, 2, 6},
		{"old Mac, longer than a row may be", strings.Repeat("a,b\r", 10), small(Limits{RowBytes: 20}), CodeLineEnding, 1, 4},

		{"delimiter is a quote", "a", Options{Delimiter: '"'}, CodeDelimiter, 0, 0},
		{"delimiter is not ASCII", "", Options{Delimiter: '；'}, CodeDelimiter, 0, 0},
		{"delimiter is a line feed", "a", Options{Delimiter: '\n'}, CodeDelimiter, 0, 0},

		{"too many bytes", "a,b\n1,2\n", small(Limits{Bytes: 7}), CodeBytes, 0, 0},
		{"too many rows", "a\n1\n\n\n3\n", small(Limits{Rows: 3}), CodeRows, 4, 0},
		{"too many columns", "a,b\n1,2,3\n", small(Limits{Columns: 2}), CodeColumns, 2, 0},
		{"too many delimiters", "a,b\n" + strings.Repeat(",", 1<<14) + "\n", Options{}, CodeColumns, 2, 0},
		{"too many delimiters, quoted", "a,b\n\"\"\"\"" + strings.Repeat(",", 1<<14) + "\n", Options{}, CodeColumns, 2, 0},
		{"too many columns, quoted", "a,b\n\"1\n\",2,3\n", small(Limits{Columns: 2}), CodeColumns, 2, 0},
		{"too long a cell", "a,b\n1,éééé\n", small(Limits{CellChars: 3}), CodeCell, 2, 0},
		{"too long a cell, counted as spreadsheet programs do", "a,b\n1,😀😀\n", small(Limits{CellChars: 3}), CodeCell, 2, 0},
		{"too long a row", "a,b\n1,\"aaa\naaa\nbbb\"\n", small(Limits{RowBytes: 8}), CodeRowText, 2, 0},
		{"too long a line", "a,b\n1,aaaaaaaaaaa\n", small(Limits{RowBytes: 8}), CodeRowText, 2, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := readAll(t, strings.NewReader(tt.in), tt.opt)
			var r *table.Refusal
			require.ErrorAs(t, err, &r)
			require.Equal(t, []any{tt.code, tt.line, tt.at}, []any{r.Code, r.Line, r.Byte}, err)
			require.NotEmpty(t, r.Detail)
			require.NotEmpty(t, r.Advice)
			require.NotContains(t, err.Error(), "\uFFFD")
		})
	}
}

// R2: a bound is not hit by what lies just within it.
func TestWithinLimits(t *testing.T) {
	in := "a,b\n\"é1\",éé,,\n"
	_, err := readAll(t, strings.NewReader(in), Options{Limits: Limits{
		Bytes: int64(len(in)), Rows: 2, Columns: 2, CellChars: 2, RowBytes: 13}})
	require.NoError(t, err)
}

func TestReadMessages(t *testing.T) {
	_, err := readAll(t, strings.NewReader("a,b\nJos\xE9,1\n"), Options{})
	require.EqualError(t, err, `line 2, byte 4: the byte 0xE9 is not valid UTF-8: `+
		`save it again as "CSV UTF-8", or name its encoding, such as windows-1252, in the encoding option`)
	_, err = readAll(t, strings.NewReader("a,b\n1,\"2\n"), Options{})
	require.EqualError(t, err, `line 2, byte 3: the quote that opens here is never closed: `+
		`the file may have been cut short: upload it again, or close the quote`)
}

func TestReadErrors(t *testing.T) {
	broken := errors.New("broken pipe")
	got, err := readAll(t, io.MultiReader(strings.NewReader("a,b\n1,2\n3,"), iotest.ErrReader(broken)), Options{})
	require.ErrorIs(t, err, broken)
	require.Equal(t, []string{"1/2: A=a B=b", "2/2: A=1 B=2"}, got)

	_, err = readAll(t, iotest.ErrReader(broken), Options{})
	require.ErrorIs(t, err, broken)
}

// R2: reading stops when ctx is done.
func TestReadContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	n := 0
	for _, err := range Read(ctx, strings.NewReader("a\n1\n2\n"), Options{}) {
		n++
		last = err
		cancel()
	}
	require.Equal(t, 2, n)
	require.Equal(t, context.Canceled, last)
}

func TestReadStopsWhenAsked(t *testing.T) {
	for range Read(t.Context(), strings.NewReader("a\n1\n\"2\n"), Options{}) {
		break
	}
}

// The strings of a row outlive it.
func TestReadStringsMayBeKept(t *testing.T) {
	var texts []string
	in := "aa,bb\n\"cc\",dd\nee,ff\n"
	for row, err := range Read(t.Context(), strings.NewReader(in), Options{Encoding: "windows-1252"}) {
		require.NoError(t, err)
		for _, c := range row.Cells {
			texts = append(texts, c.Text)
		}
	}
	require.Equal(t, []string{"aa", "bb", "cc", "dd", "ee", "ff"}, texts)
}
