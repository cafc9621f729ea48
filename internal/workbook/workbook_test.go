package workbook

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"github.com/xuri/excelize/v2"

	"github.com/usersync-go/usersync/internal/xlsx"
)

func made(t testing.TB, fill func(*Book) error) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, Write(&out, fill))
	return out.Bytes()
}

// oneCell is a workbook with one text in B1.
func oneCell(t testing.TB, text string) []byte {
	return made(t, func(b *Book) error {
		s, err := b.Sheet("Users", Layout{Columns: make([]Column, 2)})
		if err != nil {
			return err
		}
		return s.Row(0, Cell{Text: "x"}, Cell{Text: text})
	})
}

// readCell gives the text of B1 as the strict reader finds it.
func readCell(t testing.TB, file []byte) string {
	t.Helper()
	book, err := xlsx.Open(context.Background(), bytes.NewReader(file), int64(len(file)), xlsx.Limits{})
	require.NoError(t, err)
	for row, err := range book.Rows(context.Background(), book.Sheets()[0]) {
		require.NoError(t, err)
		for _, c := range row.Cells {
			if c.Col == 1 {
				return c.Text
			}
		}
	}
	return ""
}

// P2: nothing that a cell holds becomes anything but text.
var payloads = []string{
	"=1+1", "+1+1", "-1+1", "@SUM(A1)", "=cmd|' /C calc'!A0", `=HYPERLINK("http://example.com","x")`, "\t=1", "\r=1", "\n=1",
	" =1", "＝1+1", "'=1", "''", "'tis", "01234", "1e10", "TRUE", "#N/A", "2026-01-01", "+49 30 1234", "a;=1", "a\n=1", `"=1"`,
	"_x0041_", "_x005F_", "_x005F_x0041_", "_x000D_", "<b>&amp;</b>", "]]>", "\u202e=1", "a\r\nb", "  both  ", "\u00a0", "日本語 🙂",
	"{=1}", "=", "-", "=-", "%0A=1", "\ufeff=1",
}

func TestPayloadsStayText(t *testing.T) {
	for _, text := range payloads {
		file := oneCell(t, text)
		require.Equal(t, text, readCell(t, file), "%q", text)
		f, err := excelize.OpenReader(bytes.NewReader(file))
		require.NoError(t, err)
		kind, err := f.GetCellType("Users", "B1")
		require.NoError(t, err)
		require.Equal(t, excelize.CellTypeInlineString, kind, "%q", text)
		formula, err := f.GetCellFormula("Users", "B1")
		require.NoError(t, err)
		require.Empty(t, formula, "%q", text)
		require.NoError(t, f.Close())
	}
}

func TestUnwritableCharactersShow(t *testing.T) {
	require.Equal(t, "a\ufffdb", readCell(t, oneCell(t, "a\x00b")))
	require.Equal(t, "a\ufffdb", readCell(t, oneCell(t, "a\x1bb")))
	require.Equal(t, "a\ufffdb", readCell(t, oneCell(t, "a\xffb")))
}

func TestLongTextIsCutWhereItShows(t *testing.T) {
	for _, letter := range []string{"x", "é", "🙂"} {
		long := strings.Repeat(letter, maxCell/units(letter)+1)
		got := readCell(t, oneCell(t, long))
		require.True(t, strings.HasSuffix(got, cutMark))
		require.LessOrEqual(t, units(got), maxCell)
		require.Greater(t, units(got), maxCell-3)
		exact := strings.Repeat(letter, maxCell/units(letter))
		require.Equal(t, exact, readCell(t, oneCell(t, exact)))
	}
}

func TestSheetName(t *testing.T) {
	for in, want := range map[string]string{
		"Users": "Users", "": "Users", "'": "Users", "[a]:b": "a  b", "'quoted'": "quoted", "a\x00b": "a b",
		strings.Repeat("x", 40): strings.Repeat("x", 31), strings.Repeat("x", 30) + "🙂": strings.Repeat("x", 30),
	} {
		require.Equal(t, want, SheetName(in), "%q", in)
	}
}

func TestSheetNamesAreFree(t *testing.T) {
	file := made(t, func(b *Book) error {
		for _, name := range []string{"Users", "USERS", "users", strings.Repeat("y", 31), strings.Repeat("y", 33)} {
			if _, err := b.Sheet(name, Layout{}); err != nil {
				return err
			}
		}
		return nil
	})
	f, err := excelize.OpenReader(bytes.NewReader(file))
	require.NoError(t, err)
	require.Equal(t, []string{"Users", "USERS 2", "users 3", strings.Repeat("y", 31), strings.Repeat("y", 29) + " 2"}, f.GetSheetList())
}

// The order of parts is fixed although several sheets are streamed, and nothing tells a time.
func TestSameCallsGiveSameBytes(t *testing.T) {
	fill := func(b *Book) error {
		for i := range 8 {
			s, err := b.Sheet(fmt.Sprint("S", i), Layout{Columns: make([]Column, 3), Freeze: 1, Filter: true})
			if err != nil {
				return err
			}
			if err := errors.Join(s.Row(0, Texts(Header, "a", "b", "c")...), s.Note(0, 1, "a", "b"), s.Offer(1, 2, []string{"x,y", "z"}, false)); err != nil {
				return err
			}
		}
		return nil
	}
	first := made(t, fill)
	for range 10 {
		require.Equal(t, first, made(t, fill))
	}
	z, err := zip.NewReader(bytes.NewReader(first), int64(len(first)))
	require.NoError(t, err)
	require.Equal(t, "[Content_Types].xml", z.File[0].Name)
	f, err := excelize.OpenReader(bytes.NewReader(first))
	require.NoError(t, err)
	props, err := f.GetDocProps()
	require.NoError(t, err)
	require.Equal(t, excelize.DocProperties{}, *props)
}

func TestFullSheetGoesOn(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, write(&out, 3, func(b *Book) error {
		s, err := b.Sheet("S", Layout{Freeze: 1, Filter: true, Columns: make([]Column, 1)})
		require.NoError(t, err)
		_, err = b.Sheet("T", Layout{})
		require.NoError(t, err)
		for _, text := range []string{"head", "a", "b", "c", "d", "e"} {
			require.NoError(t, s.Row(0, Cell{Text: text}))
		}
		return nil
	}))
	f, err := excelize.OpenReader(&out)
	require.NoError(t, err)
	require.Equal(t, []string{"S", "T", "S 2", "S 3"}, f.GetSheetList())
	for sheet, want := range map[string][][]string{"S": {{"head"}, {"a"}, {"b"}}, "S 2": {{"head"}, {"c"}, {"d"}}, "S 3": {{"head"}, {"e"}}} {
		rows, err := f.GetRows(sheet)
		require.NoError(t, err)
		require.Equal(t, want, rows)
	}
}

func TestPanicBecomesAnError(t *testing.T) {
	var out bytes.Buffer
	require.ErrorContains(t, Write(&out, func(*Book) error { panic("boom") }), "panicked: boom")
	require.Zero(t, out.Len())
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWriterErrorIsGiven(t *testing.T) {
	require.ErrorContains(t, Write(brokenWriter{}, func(b *Book) error {
		_, err := b.Sheet("S", Layout{})
		return err
	}), "disk full")
}

// Rows beyond 16 MB go through temporary files, which are gone in the end, also after a failure.
func TestNothingIsLeftOnDisk(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	long, spilled := strings.Repeat("x", 30_000), false
	fill := func(b *Book) error {
		s, err := b.Sheet("S", Layout{})
		if err != nil {
			return err
		}
		for range 700 {
			if err := s.Row(0, Cell{Text: long}); err != nil {
				return err
			}
		}
		left, err := os.ReadDir(folder)
		spilled = len(left) > 0
		return err
	}
	made(t, fill)
	require.True(t, spilled, "the test is to need a temporary file")
	require.Error(t, Write(brokenWriter{}, fill))
	require.Error(t, Write(&bytes.Buffer{}, func(b *Book) error { return errors.Join(fill(b), errors.New("no")) }))
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Empty(t, left)
}

func FuzzText(f *testing.F) {
	for _, text := range payloads {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool {
			return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
		}) || units(text) > maxCell {
			return
		}
		if got := readCell(t, oneCell(t, text)); got != text {
			t.Errorf("wrote %q, read %q", text, got)
		}
	})
}
