package xlsx

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"github.com/xuri/excelize/v2"

	"github.com/usersync-go/usersync/internal/table"
)

// open opens a workbook that must be sound.
func open(t testing.TB, raw []byte) *Workbook {
	t.Helper()
	w, err := Open(context.Background(), bytes.NewReader(raw), int64(len(raw)), Limits{})
	require.NoError(t, err)
	return w
}

// readAll gives the cells of a workbook's sheets, as "sheet!A1" to "kind text|format".
func readAll(raw []byte, lim Limits) (map[string]string, error) {
	w, err := Open(context.Background(), bytes.NewReader(raw), int64(len(raw)), lim)
	if err != nil {
		return nil, err
	}
	got := map[string]string{}
	for _, sheet := range w.Sheets() {
		for row, err := range w.Rows(context.Background(), sheet) {
			if err != nil {
				return nil, err
			}
			if row.Hidden {
				got[fmt.Sprintf("%s!%d", sheet.Name, row.Number)] = "hidden"
			}
			for _, c := range row.Cells {
				got[sheet.Name+"!"+referenceOf(c.Col, row.Number)] = show(c)
			}
		}
	}
	return got, nil
}

func show(c table.Cell) string {
	kinds := [...]string{"?", "text", "number", "date", "bool", "error", "novalue"}
	if c.Format != "" {
		return kinds[c.Kind] + " " + c.Text + "|" + c.Format
	}
	return kinds[c.Kind] + " " + c.Text
}

// written gives the bytes of a workbook made with excelize.
func written(t testing.TB, f *excelize.File) []byte {
	t.Helper()
	var buf bytes.Buffer
	require.NoError(t, f.Write(&buf))
	require.NoError(t, f.Close())
	return buf.Bytes()
}

func TestReadsWhatExcelizeWrites(t *testing.T) {
	f := excelize.NewFile()
	require.NoError(t, f.SetSheetRow("Sheet1", "A1", &[]any{"userName", "ännchen <&>", 42, -1.5, true}))
	require.NoError(t, f.SetCellFormula("Sheet1", "B3", "1+1"))
	require.NoError(t, f.SetRowVisible("Sheet1", 4, false))
	require.NoError(t, f.SetCellValue("Sheet1", "C4", "below"))
	_, err := f.NewSheet("Other")
	require.NoError(t, err)
	require.NoError(t, f.SetSheetVisible("Other", false))

	raw := written(t, f)
	w := open(t, raw)
	sheets := w.Sheets()
	require.Len(t, sheets, 2)
	require.True(t, sheets[0].Visible)
	require.False(t, sheets[1].Visible)
	some, err := w.HasData(t.Context(), sheets[0])
	require.NoError(t, err)
	require.True(t, some)
	some, err = w.HasData(t.Context(), sheets[1])
	require.NoError(t, err)
	require.False(t, some)

	got, err := readAll(raw, Limits{})
	require.NoError(t, err)
	want := map[string]string{
		"Sheet1!A1": "text userName", "Sheet1!B1": "text ännchen <&>", "Sheet1!C1": "number 42",
		"Sheet1!D1": "number -1.5", "Sheet1!E1": "bool true", "Sheet1!B3": "novalue ",
		"Sheet1!C4": "text below", "Sheet1!4": "hidden",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
