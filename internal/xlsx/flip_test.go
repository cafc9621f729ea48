package xlsx

import (
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/xuri/excelize/v2"
)

// R1: of 20,000 single-bit flips and every truncation of a workbook, none is read as other rows.
func TestFlipsAndTruncations(t *testing.T) {
	t.Run("excelize", func(t *testing.T) { flipAndCut(t, smallWorkbook(t)) })
	t.Run("foreign", func(t *testing.T) {
		raw, err := os.ReadFile(filepath.Join(corpus, "calamine/tests__date.xlsx"))
		if err != nil {
			t.Skipf("SKIPPED: the corpus of foreign workbooks is not here: %v", err)
		}
		flipAndCut(t, raw)
	})
	t.Run("descriptors", func(t *testing.T) {
		flipAndCut(t, book{sheet: sheetHead + `<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" s="1"><v>44197</v></c></row>` + sheetTail}.zip(t))
	})
}

func smallWorkbook(t testing.TB) []byte {
	f := excelize.NewFile()
	for row := 1; row <= 20; row++ {
		cell, err := excelize.CoordinatesToCellName(1, row)
		require.NoError(t, err)
		values := []any{userFields(row)[0], userFields(row)[1], row * 7, row%2 == 0, time.Date(2021, 1, row, 0, 0, 0, 0, time.UTC)}
		require.NoError(t, f.SetSheetRow("Sheet1", cell, &values))
	}
	return written(t, f)
}

func flipAndCut(t *testing.T, raw []byte) {
	want, err := readAll(raw, Limits{})
	require.NoError(t, err)
	require.NotEmpty(t, want)

	flips := 20_000
	if testing.Short() || raceEnabled {
		flips = 2_000
	}
	random := rand.New(rand.NewPCG(1, 2))
	damaged := make([]byte, len(raw))
	read := 0
	for range flips {
		copy(damaged, raw)
		at := random.IntN(len(raw) * 8)
		damaged[at/8] ^= 1 << (at % 8)
		got, err := readAll(damaged, Limits{})
		if err == nil {
			read++
			require.True(t, maps.Equal(want, got), "bit %d of byte %d was flipped and other rows were read", at%8, at/8)
		}
	}
	for n := range len(raw) {
		_, err := readAll(raw[:n], Limits{})
		require.Error(t, err, "cut to %d bytes", n)
	}
	t.Logf("%d flips of a workbook of %d bytes: %d refused, %d read alike", flips, len(raw), flips-read, read)
}
