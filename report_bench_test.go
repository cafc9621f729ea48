package usersync_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/xuri/excelize/v2"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

// BenchmarkResults writes the results of 100,000 rows, once with a tenth of the users updated and once
// with all of them created, and the same rows with nothing but excelize's stream writer. Reported are the
// ratio of the two times and the most memory that was in use beside the run itself.
func BenchmarkResults(b *testing.B) {
	n := benchRows(b, 100_000)
	for _, c := range []struct {
		name  string
		store *memory.Store
	}{{"updates", staffStore(n)}, {"creations", memory.New()}} {
		b.Run(c.name, func(b *testing.B) {
			eng := staffEngine(b, c.store)
			plan, err := eng.Preview(context.Background(), usersync.DefaultConfig("Staff"), xlsxSource(staffBook(b, n, oneInTen)))
			require.NoError(b, err)
			run, err := eng.Apply(context.Background(), plan)
			require.NoError(b, err)
			require.Equal(b, usersync.RunSucceeded, run.Status())
			b.Run("results", func(b *testing.B) { benchResults(b, n, run) })
			b.Run("corrections", func(b *testing.B) {
				for b.Loop() {
					require.NoError(b, run.WriteCorrections(io.Discard, usersync.FormatXLSX))
				}
			})
		})
	}
}

func benchResults(b *testing.B, n int, run *usersync.Run) {
	b.ReportAllocs()
	peak := peakHeap(func() { require.NoError(b, run.WriteResults(io.Discard)) })
	var ours, theirs time.Duration
	for b.Loop() {
		start := time.Now()
		require.NoError(b, run.WriteResults(io.Discard))
		ours += time.Since(start)
		b.StopTimer()
		theirs += plainStream(b, run)
		b.StartTimer()
	}
	b.ReportMetric(float64(ours)/float64(theirs), "x-plain-stream")
	b.ReportMetric(float64(peak)/(1<<20), "peak-MB")
	b.ReportMetric(float64(ours.Nanoseconds())/float64(b.N)/float64(n), "ns/row")
}

// plainStream is how long excelize's stream writer takes for the same texts in one sheet.
func plainStream(b *testing.B, run *usersync.Run) time.Duration {
	var rows [][]any
	for row := range run.Rows() {
		changes, reasons := "", ""
		for _, c := range row.Changes {
			changes += c.Field + ": " + c.Old + " → " + c.New + "; "
		}
		for _, r := range row.Reasons {
			reasons += r.Text()
		}
		rows = append(rows, []any{fmt.Sprint(row.Number), row.Name, row.UserID, string(row.State), changes, reasons})
	}
	start := time.Now()
	f := excelize.NewFile()
	defer f.Close()
	w, err := f.NewStreamWriter("Sheet1")
	require.NoError(b, err)
	for i, row := range rows {
		cell, err := excelize.CoordinatesToCellName(1, i+1)
		require.NoError(b, err)
		require.NoError(b, w.SetRow(cell, row))
	}
	require.NoError(b, w.Flush())
	require.NoError(b, f.Write(io.Discard))
	return time.Since(start)
}

// peakHeap is the most memory that do has in use at once, beyond what was in use before. Garbage is
// collected soon, so that it hardly counts.
func peakHeap(do func()) uint64 {
	defer debug.SetGCPercent(debug.SetGCPercent(3))
	runtime.GC()
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	before, most := sample[0].Value.Uint64(), uint64(0)
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for done := false; !done; {
			metrics.Read(sample)
			most = max(most, sample[0].Value.Uint64())
			select {
			case <-end:
				done = true
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	do()
	close(end)
	<-ended
	return most - min(before, most)
}
