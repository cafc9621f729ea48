package xlsx

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/xuri/excelize/v2"
)

// benchRows is the size of the benchmarks' workbook; USERSYNC_BENCH_ROWS changes it.
func benchRows(b *testing.B) int {
	if n, err := strconv.Atoi(os.Getenv("USERSYNC_BENCH_ROWS")); err == nil {
		return n
	}
	if testing.Short() {
		return 5_000
	}
	return 100_000
}

// BenchmarkRead reads every cell of a workbook of users, as spreadsheet programs save it (shared
// strings) and as programs write it (inline strings), and then again through excelize's row
// iterator: ratio/excelize is the one time over the other (design, section 7: at most 0.15).
func BenchmarkRead(b *testing.B) {
	rows := benchRows(b)
	for _, inline := range []bool{false, true} {
		name := "shared"
		if inline {
			name = "inline"
		}
		raw := userWorkbook(b, rows, inline)
		b.Run(name, func(b *testing.B) { benchRead(b, raw, rows) })
	}
}

func benchRead(b *testing.B, raw []byte, rows int) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for b.Loop() {
		require.Equal(b, rows+1, countOurs(b, raw))
	}
	runtime.ReadMemStats(&after)
	ours := b.Elapsed() / time.Duration(b.N)
	start := time.Now()
	require.Equal(b, rows+1, countExcelize(b, raw))
	theirs := time.Since(start)
	b.ReportMetric(ours.Seconds()/theirs.Seconds(), "ratio/excelize")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(b.N)/float64(rows), "allocs/row")
	b.ReportMetric(float64(rows)/ours.Seconds(), "rows/s")
}

func countOurs(b *testing.B, raw []byte) int {
	w := open(b, raw)
	n := 0
	for row, err := range w.Rows(b.Context(), w.Sheets()[0]) {
		require.NoError(b, err)
		if len(row.Cells) > 0 {
			n++
		}
	}
	return n
}

func countExcelize(b *testing.B, raw []byte) int {
	f, err := excelize.OpenReader(bytes.NewReader(raw))
	require.NoError(b, err)
	defer f.Close()
	rows, err := f.Rows("Sheet1")
	require.NoError(b, err)
	n := 0
	for rows.Next() {
		cells, err := rows.Columns()
		require.NoError(b, err)
		if len(cells) > 0 {
			n++
		}
	}
	require.NoError(b, rows.Error())
	require.NoError(b, rows.Close())
	return n
}

// userFields are 24 columns of one user, with about as many repeated values as a company has.
func userFields(i int) []string {
	given := [...]string{"Anna", "Björn", "Carla", "Dmytro", "Elif", "François", "Grace", "Hiroshi"}
	family := [...]string{"Schmidt", "Kowalska", "O'Brien", "Nguyen", "García", "Іваненко", "Smith & Sons"}
	first, last := given[i%len(given)], family[i%len(family)]
	user := fmt.Sprintf("%s.%s%d", strings.ToLower(first), "user", i)
	return []string{
		user, user + "@example.com", first, last, "", "Engineer " + strconv.Itoa(i%40),
		"Department " + strconv.Itoa(i%60), "Division " + strconv.Itoa(i%7), "CC-" + strconv.Itoa(1000+i%300),
		fmt.Sprintf("+49 30 %07d", i), "Building " + strconv.Itoa(i%25), fmt.Sprintf("%d Main Street", i%900+1),
		"", "Berlin", "BE", fmt.Sprintf("%05d", 10000+i%500), "Germany", "de_DE", "Europe/Berlin", "German",
		"anna.user" + strconv.Itoa(i/50*8), "true", "custom " + strconv.Itoa(i%1000), "note " + strconv.Itoa(i),
	}
}

// userWorkbook is a workbook of users with a header row, in one sheet.
func userWorkbook(tb testing.TB, rows int, inline bool) []byte {
	var sheet, shared strings.Builder
	sheet.WriteString(sheetHead)
	index := map[string]int{}
	for n := 0; n <= rows; n++ {
		fmt.Fprintf(&sheet, `<row r="%d" spans="1:24">`, n+1)
		for c, text := range userFields(n) {
			if text == "" {
				continue
			}
			ref := referenceOf(c, n+1)
			if inline {
				fmt.Fprintf(&sheet, `<c r="%s" t="inlineStr"><is><t>%s</t></is></c>`, ref, escapeXML(text))
				continue
			}
			i, ok := index[text]
			if !ok {
				i = len(index)
				index[text] = i
				fmt.Fprintf(&shared, "<si><t>%s</t></si>", escapeXML(text))
			}
			fmt.Fprintf(&sheet, `<c r="%s" t="s"><v>%d</v></c>`, ref, i)
		}
		sheet.WriteString("</row>")
	}
	sheet.WriteString(sheetTail)
	return book{sheet: sheet.String(), shared: sstHead + shared.String() + "</sst>"}.zip(tb)
}
