package csvfile

import (
	"encoding/csv"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const benchRows = 20000

// benchFile is a file of 24 columns as a user list has them; every cell in quotes, or none.
func benchFile(quote string) string {
	cells := []string{"user%d", "user%d@example.com", "Anna", "Kowalska-Nowak", "", "Engineer", "Sales",
		"North", "CC-1", "380501234567", "Kyiv", "Main st. 5", "", "Kyiv", "", "01234", "UA", "uk-UA",
		"Europe/Kyiv", "Ukrainian", "boss", "true", "", "note"}
	row := quote + strings.Join(cells, quote+","+quote) + quote + "\r\n"
	var b strings.Builder
	for i := range benchRows {
		fmt.Fprintf(&b, row, i, i)
	}
	return b.String()
}

// BenchmarkRead takes turns with encoding/csv in one run: ratio is our time to its time, on one machine
// under one load.
func BenchmarkRead(b *testing.B) {
	for _, c := range []struct{ name, quote string }{{"plain", ""}, {"quoted", `"`}} {
		in := benchFile(c.quote)
		b.Run(c.name, func(b *testing.B) {
			var ours, theirs time.Duration
			var allocs uint64
			for b.Loop() {
				start := time.Now()
				readStandard(b, in)
				theirs += time.Since(start)

				before := mallocs()
				start = time.Now()
				readOurs(b, in)
				ours += time.Since(start)
				allocs += mallocs() - before
			}
			b.ReportMetric(float64(ours)/float64(theirs), "ratio")
			b.ReportMetric(float64(allocs)/float64(b.N*benchRows), "allocs/row")
			b.ReportMetric(float64(ours.Nanoseconds())/float64(b.N*benchRows), "ns/row")
			b.ReportMetric(0, "ns/op") // both together mean nothing
		})
	}
}

func readStandard(b *testing.B, in string) {
	r := csv.NewReader(strings.NewReader(in))
	r.ReuseRecord = true
	n := 0
	for ; ; n++ {
		if _, err := r.Read(); err == io.EOF {
			break
		} else if err != nil {
			b.Fatal(err)
		}
	}
	require.Equal(b, benchRows, n)
}

func readOurs(b *testing.B, in string) {
	n := 0
	for _, err := range Read(b.Context(), strings.NewReader(in), Options{}) {
		if err != nil {
			b.Fatal(err)
		}
		n++
	}
	require.Equal(b, benchRows, n)
}

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

// TestReadAllocations holds the figure that does not depend on the machine.
func TestReadAllocations(t *testing.T) {
	for _, quote := range []string{"", `"`} {
		in := benchFile(quote)
		n := testing.AllocsPerRun(2, func() {
			for _, err := range Read(t.Context(), strings.NewReader(in), Options{}) {
				require.NoError(t, err)
			}
		})
		require.Less(t, n/benchRows, 1.1, "allocations a row")
	}
}
