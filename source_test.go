package usersync_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"github.com/xuri/excelize/v2"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

const fourRows = "userName,email,firstName,lastName\nanna,anna@example.com,Anna,A\n\nbert,bert@example.com,Bert,B\n"

func uploaded(t *testing.T, src usersync.Source) (*usersync.Plan, error) {
	t.Helper()
	eng, err := usersync.New(memory.New(), memory.NewBaselines())
	require.NoError(t, err)
	return eng.Preview(context.Background(), usersync.DefaultConfig("Staff"), src)
}

// refusal is the *FileError of a source that is refused.
func refusal(t *testing.T, src usersync.Source) *usersync.FileError {
	t.Helper()
	plan, err := uploaded(t, src)
	require.Nil(t, plan)
	var refused *usersync.FileError
	require.ErrorAs(t, err, &refused)
	require.ErrorIs(t, err, usersync.ErrRefused)
	return refused
}

func numbers(p *usersync.Plan) []int {
	var out []int
	for row := range p.Rows() {
		out = append(out, row.Number)
	}
	return out
}

// book is a workbook of the given sheets, each a list of rows.
func book(t *testing.T, sheets map[string][][]any, order ...string) *excelize.File {
	t.Helper()
	f := excelize.NewFile()
	for i, name := range order {
		if i == 0 {
			require.NoError(t, f.SetSheetName("Sheet1", name))
		} else {
			_, err := f.NewSheet(name)
			require.NoError(t, err)
		}
		for r, row := range sheets[name] {
			cell, err := excelize.CoordinatesToCellName(1, r+1)
			require.NoError(t, err)
			require.NoError(t, f.SetSheetRow(name, cell, &row))
		}
	}
	return f
}

func saved(t *testing.T, f *excelize.File) usersync.Source {
	t.Helper()
	var buf bytes.Buffer
	require.NoError(t, f.Write(&buf))
	return xlsxSource(buf.Bytes())
}

var people = [][]any{{"userName", "email", "firstName", "lastName"}, {"anna", "anna@example.com", "Anna", "A"}}

// Every constructor reads the same file the same way, and tells its size and sum.
func TestSources(t *testing.T) {
	path := filepath.Join(t.TempDir(), "staff.txt")
	require.NoError(t, os.WriteFile(path, []byte(fourRows), 0o600))
	sum := sha256.Sum256([]byte(fourRows))
	for name, src := range map[string]usersync.Source{
		"staff.txt":  usersync.File(path),
		"upload.csv": usersync.Open(strings.NewReader(fourRows), int64(len(fourRows)), `C:\Users\me\upload.csv`),
		"":           usersync.CSV(strings.NewReader(fourRows)),
		"slow.csv":   usersync.CSV(iotest.OneByteReader(strings.NewReader(fourRows))).WithName("../../slow.csv"),
	} {
		plan, err := uploaded(t, src)
		require.NoError(t, err)
		require.Equal(t, name, plan.Source.Name)
		require.Equal(t, "csv", plan.Source.Format)
		require.Equal(t, int64(len(fourRows)), plan.Source.Bytes)
		require.Equal(t, hex.EncodeToString(sum[:]), plan.Source.SHA256)
		require.Equal(t, []int{2, 4}, numbers(plan), "blank lines are counted") // R5, R7
		require.Equal(t, 1, plan.Source.HeaderRow)
		require.Equal(t, 2, plan.Source.Rows)
	}
}

// R5: the sheet named as in the template, else the first visible one; the others with data are listed.
func TestSheetIsChosen(t *testing.T) {
	other := [][]any{{"something", "else"}}
	sheets := map[string][][]any{"Notes": other, "USERS": people, "Staff": people, "Empty": nil, "Fields": other}

	f := book(t, sheets, "Notes", "USERS", "Empty", "Fields")
	plan, err := uploaded(t, saved(t, f))
	require.NoError(t, err)
	require.Equal(t, "USERS", plan.Source.Sheet)
	require.Equal(t, []string{"Notes"}, plan.Source.OtherSheets, "neither empty ones nor the template's guide")

	f = book(t, sheets, "Notes", "Staff")
	require.NoError(t, f.SetSheetVisible("Staff", true))
	f.SetActiveSheet(1)
	require.NoError(t, f.SetSheetVisible("Notes", false))
	plan, err = uploaded(t, saved(t, f))
	require.NoError(t, err)
	require.Equal(t, "Staff", plan.Source.Sheet, "the first visible one")
	require.Empty(t, plan.Source.OtherSheets, "hidden sheets are nobody's business")

	refused := refusal(t, saved(t, f).WithSheet("notes"))
	require.Equal(t, "header_missing", refused.Code, "a sheet that is named may be hidden")
	require.Equal(t, "sheet_missing", refusal(t, saved(t, f).WithSheet("nowhere")).Code)
}

// R5: hidden rows are read, and counted.
func TestHiddenRows(t *testing.T) {
	f := book(t, map[string][][]any{"Users": append(people, []any{"bert", "bert@example.com", "Bert", "B"})}, "Users")
	require.NoError(t, f.SetRowVisible("Users", 3, false))
	plan, err := uploaded(t, saved(t, f))
	require.NoError(t, err)
	require.Equal(t, 1, plan.Source.HiddenRows)
	require.Equal(t, 2, plan.Counts().New)
	for row := range plan.Rows() {
		require.Equal(t, row.Number == 3, row.Hidden)
	}
}

// R3: what is no workbook and no CSV is refused by its name, whatever it is called.
func TestForeignFilesAreRefused(t *testing.T) {
	for content, code := range map[string]string{
		"":                                 "format_empty",
		"%PDF-1.7\n":                       "format_pdf",
		"<!DOCTYPE html><html></html>":     "format_html",
		"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "format_ole",
	} {
		refused := refusal(t, usersync.Open(strings.NewReader(content), int64(len(content)), "staff.xlsx"))
		require.Equal(t, code, refused.Code)
		require.Equal(t, "staff.xlsx", refused.Name)
		require.NotEmpty(t, refused.Advice, "it says what to do")
	}
	require.Equal(t, "format_unexpected", refusal(t, usersync.XLSX(strings.NewReader(fourRows), int64(len(fourRows)))).Code)
	require.Equal(t, "no_header", refusal(t, usersync.CSV(strings.NewReader("\n \n,\n"))).Code)
}

// R1: a file that is cut short, or has a byte that is not in its encoding, is refused as a whole.
func TestDamagedFilesAreRefused(t *testing.T) {
	refused := refusal(t, usersync.CSV(strings.NewReader(fourRows+`carl,carl@example.com,"Carl,C`)))
	require.Equal(t, "csv_unclosed_quote", refused.Code)
	require.Equal(t, 5, refused.Line)
	refused = refusal(t, usersync.CSV(strings.NewReader(strings.Replace(fourRows, "Bert,", "B\xe4rt,", 1))))
	require.Equal(t, "csv_encoding", refused.Code)
	require.Equal(t, 4, refused.Line)
	require.Contains(t, refused.Error(), "line 4, byte")

	var buf bytes.Buffer
	require.NoError(t, book(t, map[string][][]any{"Users": people}, "Users").Write(&buf))
	cut := buf.Bytes()[:buf.Len()-40]
	require.ErrorIs(t, refusal(t, usersync.Open(bytes.NewReader(cut), int64(len(cut)), "staff.xlsx")), usersync.ErrRefused)
}

// R7: another encoding only when it is named; the delimiter when it cannot be told.
func TestCSVOptions(t *testing.T) {
	plan, err := uploaded(t, usersync.CSV(strings.NewReader(strings.Replace(fourRows, "Bert,", "B\xe4rt,", 1))).WithEncoding("windows-1252"))
	require.NoError(t, err)
	var first []string
	for row := range plan.Rows() {
		first = append(first, row.Changes[2].New)
	}
	require.Equal(t, []string{"Anna", "Bärt"}, first)

	plan, err = uploaded(t, usersync.CSV(strings.NewReader(strings.ReplaceAll(fourRows, ",", "#"))).WithDelimiter('#'))
	require.NoError(t, err)
	require.Equal(t, 2, plan.Counts().New)
}

// R2: a limit that is hit names itself, and a configuration's own is the stricter one.
func TestLimitsNameThemselves(t *testing.T) {
	eng, err := usersync.New(memory.New(), memory.NewBaselines(), usersync.WithLimits(usersync.Limits{Rows: 5, Bytes: 1000}))
	require.NoError(t, err)
	preview := func(content string, lim usersync.Limits) error {
		cfg := usersync.DefaultConfig("Staff")
		cfg.Limits = lim
		_, err := eng.Preview(context.Background(), cfg, usersync.Open(strings.NewReader(content), int64(len(content)), "staff.csv"))
		return err
	}
	require.NoError(t, preview(fourRows, usersync.Limits{}))
	for _, tt := range []struct {
		content string
		lim     usersync.Limits
		code    string
		limit   int64
	}{
		{fourRows, usersync.Limits{Rows: 1}, "limit_rows", 1},
		{fourRows, usersync.Limits{Bytes: 20}, "limit_bytes", 20},
		{fourRows + strings.Repeat(" \n", 600), usersync.Limits{}, "limit_bytes", 1000},
		{fourRows, usersync.Limits{Columns: 3}, "limit_columns", 3},
		{fourRows, usersync.Limits{CellChars: 12}, "limit_cell", 12},
		{fourRows + "c,,,\nd,,,\ne,,,\nf,,,\n", usersync.Limits{Rows: 50}, "limit_rows", 5},
	} {
		err := preview(tt.content, tt.lim)
		var refused *usersync.FileError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, tt.code, refused.Code)
		require.Equal(t, tt.limit, refused.Limit)
	}
}

// Errors of the reader, of the context and of the path come through.
func TestSourceErrors(t *testing.T) {
	broken := errors.New("the disk is gone")
	_, err := uploaded(t, usersync.CSV(io.MultiReader(strings.NewReader(fourRows), iotest.ErrReader(broken))))
	require.ErrorIs(t, err, broken)
	_, err = uploaded(t, usersync.File(filepath.Join(t.TempDir(), "none.xlsx")))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = uploaded(t, usersync.File(t.TempDir()))
	require.ErrorContains(t, err, "folder")
	_, err = uploaded(t, usersync.Source{})
	require.ErrorIs(t, err, usersync.ErrInvalid)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	eng, err := usersync.New(memory.New(), memory.NewBaselines())
	require.NoError(t, err)
	_, err = eng.Preview(ctx, usersync.DefaultConfig("Staff"), usersync.CSV(strings.NewReader(fourRows)))
	require.ErrorIs(t, err, context.Canceled)
}

// R6: unknown columns are ignored and listed, with the nearest known name.
func TestUnknownColumns(t *testing.T) {
	plan, err := uploaded(t, usersync.CSV(strings.NewReader("userName,email,firstName,lastName,departmant,Shoe size\nanna,a@example.com,Anna,A,x,42\n")))
	require.NoError(t, err)
	require.Equal(t, []usersync.Column{
		{Letter: "E", Header: "departmant", Nearest: "department"},
		{Letter: "F", Header: "Shoe size"},
	}, plan.Source.Unknown())
}
