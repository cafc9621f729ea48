package usersync_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/xuri/excelize/v2"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

// benchRows is the size of the benchmarks' workbooks; USERSYNC_BENCH_ROWS changes it.
func benchRows(b *testing.B, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv("USERSYNC_BENCH_ROWS")); err == nil {
		return n
	}
	if testing.Short() {
		return min(otherwise, 5_000)
	}
	return otherwise
}

// staffNames are the 24 fields in order.
var staffNames = func() []string {
	var names []string
	for _, f := range usersync.DefaultSchema().Fields {
		names = append(names, f.Name)
	}
	return names
}()

// staffValues are the values of user i; a differing user has another title.
func staffValues(i int, differs bool) []string {
	n := strconv.Itoa(i)
	manager := ""
	if i >= 10 {
		manager = "user" + strconv.Itoa(i/10)
	}
	title := "Engineer " + strconv.Itoa(i%50)
	if differs {
		title = "Senior " + title
	}
	return []string{"user" + n, "user" + n + "@example.com", "First" + strconv.Itoa(i%997), "Last" + n, "",
		title, "Department " + strconv.Itoa(i%40), "Division " + strconv.Itoa(i%7), fmt.Sprintf("%05d", i%300),
		"+1 555 " + fmt.Sprintf("%07d", i), "Office " + strconv.Itoa(i%20), n + " Main Street", "", "Springfield",
		"Illinois", fmt.Sprintf("%05d", i%90000), "United States", "en-US", "America/Chicago", "US English",
		manager, "true", "", "note " + strconv.Itoa(i%100)}
}

// staffBook is a workbook of n users as spreadsheet programs save it, with shared strings.
func staffBook(tb testing.TB, n int, differs func(int) bool) []byte {
	f := excelize.NewFile()
	defer f.Close()
	set := func(row int, values []string) {
		for col, v := range values {
			if v == "" {
				continue
			}
			cell, err := excelize.CoordinatesToCellName(col+1, row)
			require.NoError(tb, err)
			require.NoError(tb, f.SetCellStr("Sheet1", cell, v))
		}
	}
	set(1, staffNames)
	for i := range n {
		set(i+2, staffValues(i, differs(i)))
	}
	var buf bytes.Buffer
	require.NoError(tb, f.Write(&buf))
	return buf.Bytes()
}

func never(int) bool      { return false }
func oneInTen(i int) bool { return i%10 == 3 }

// staffStore holds n users as staffBook has them.
func staffStore(n int) *memory.Store {
	store := memory.New()
	users := make([]usersync.User, n)
	for i := range users {
		values := staffValues(i, false)
		users[i] = usersync.User{ID: "id" + strconv.Itoa(i), Active: true, Values: usersync.NewValues(staffNames, values)}
	}
	store.Put(users...)
	return store
}

func staffEngine(tb testing.TB, store *memory.Store) *usersync.Engine {
	eng, err := usersync.New(store, store.Baselines())
	require.NoError(tb, err)
	return eng
}

func xlsxSource(book []byte) usersync.Source {
	return usersync.XLSX(bytes.NewReader(book), int64(len(book)))
}

// excelizeReads is how long excelize's row iterator takes for the workbook.
func excelizeReads(b *testing.B, book []byte) time.Duration {
	start := time.Now()
	f, err := excelize.OpenReader(bytes.NewReader(book))
	require.NoError(b, err)
	defer f.Close()
	rows, err := f.Rows("Sheet1")
	require.NoError(b, err)
	for rows.Next() {
		_, err := rows.Columns()
		require.NoError(b, err)
	}
	require.NoError(b, rows.Error())
	return time.Since(start)
}

// BenchmarkPreview previews against as many users in memory, 10 % of them differing, and reads the same
// file with excelize: ratio/excelize is to be at most 0.20, allocs/row at most 10.
func BenchmarkPreview(b *testing.B) {
	n := benchRows(b, 100_000)
	book := staffBook(b, n, oneInTen)
	eng := staffEngine(b, staffStore(n))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for b.Loop() {
		plan, err := eng.Preview(context.Background(), usersync.DefaultConfig("Staff"), xlsxSource(book))
		require.NoError(b, err)
		require.Equal(b, n/10, plan.Counts().Updated)
		require.Equal(b, n-n/10, plan.Counts().Unchanged)
	}
	runtime.ReadMemStats(&after)
	ours := b.Elapsed() / time.Duration(b.N)
	b.ReportMetric(ours.Seconds()/excelizeReads(b, book).Seconds(), "ratio/excelize")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(b.N)/float64(n), "allocs/row")
}

// BenchmarkApply applies updates of 10 % of the users, preview included, and takes the preview alone:
// ratio/preview is to be at most 1.4.
func BenchmarkApply(b *testing.B) {
	n := benchRows(b, 100_000)
	book := staffBook(b, n, oneInTen)
	var preview time.Duration
	for b.Loop() {
		b.StopTimer()
		eng := staffEngine(b, staffStore(n))
		b.StartTimer()
		start := time.Now()
		plan, err := eng.Preview(context.Background(), usersync.DefaultConfig("Staff"), xlsxSource(book))
		require.NoError(b, err)
		preview += time.Since(start)
		run, err := eng.Apply(context.Background(), plan)
		require.NoError(b, err)
		require.Equal(b, n/10, run.Counts().Updated)
	}
	b.ReportMetric(b.Elapsed().Seconds()/preview.Seconds(), "ratio/preview")
}

// BenchmarkCreate creates users from an empty store, and writes the same users straight into one:
// ratio/bare is the write stage of Apply, from its first stage to the last, over the bare writes.
func BenchmarkCreate(b *testing.B) {
	n := benchRows(b, 100_000)
	book := staffBook(b, n, never)
	var write, bare time.Duration
	for b.Loop() {
		store := memory.New()
		var from, to time.Time
		eng, err := usersync.New(store, store.Baselines(), usersync.WithProgress(func(p usersync.Progress) {
			if p.Stage == usersync.StageDeactivate && from.IsZero() {
				from = time.Now()
			}
			if p.Stage == usersync.StageLink {
				to = time.Now()
			}
		}))
		require.NoError(b, err)
		plan, err := eng.Preview(context.Background(), usersync.DefaultConfig("Staff"), xlsxSource(book))
		require.NoError(b, err)
		run, err := eng.Apply(context.Background(), plan)
		require.NoError(b, err)
		write += to.Sub(from)
		require.Equal(b, n, run.Counts().Created)
		bare += bareCreate(b, n)
	}
	b.ReportMetric(write.Seconds()/bare.Seconds(), "ratio/bare")
}

func bareCreate(b *testing.B, n int) time.Duration {
	store := memory.New()
	changes := make([]usersync.Change, 0, 1000)
	start := time.Now()
	for i := range n {
		values := staffValues(i, false)
		changes = append(changes, usersync.Change{Op: usersync.OpCreate, Key: values[0], Active: true,
			Set: usersync.NewValues(staffNames, values), IdempotencyKey: strconv.Itoa(i)})
		if len(changes) == cap(changes) || i == n-1 {
			_, err := store.WriteUsers(context.Background(), changes)
			require.NoError(b, err)
			changes = changes[:0]
		}
	}
	return time.Since(start)
}

// madeUpUsers is a store that makes each user up when asked, so that a benchmark of the engine's memory
// does not measure a store's.
type madeUpUsers struct{ n int }

func (m madeUpUsers) FindUsers(ctx context.Context, field string, values []string) ([]usersync.User, error) {
	out := make([]usersync.User, 0, len(values))
	for _, v := range values {
		if field != "userName" {
			continue
		}
		i, err := strconv.Atoi(v[len("user"):])
		if err == nil && i < m.n {
			out = append(out, usersync.User{ID: "id" + strconv.Itoa(i), Version: "1", Active: true,
				Values: usersync.NewValues(staffNames, staffValues(i, false))})
		}
	}
	return out, ctx.Err()
}

// BenchmarkMemory previews a large file, 10 % of the users differing, and reports the peak of the heap:
// for 1,000,000 rows it is to be at most 1 GB, and to grow no faster than the rows.
func BenchmarkMemory(b *testing.B) {
	for _, n := range []int{benchRows(b, 1_000_000) / 4, benchRows(b, 1_000_000)} {
		path := b.TempDir() + "/staff.csv"
		writeStaffCSV(b, path, n)
		b.Run(strconv.Itoa(n), func(b *testing.B) { benchMemory(b, path, n) })
	}
}

func benchMemory(b *testing.B, path string, n int) {
	p, err := usersync.NewPreviewer(madeUpUsers{n}, nil, usersync.WithLimits(usersync.Limits{Bytes: 1 << 30}))
	require.NoError(b, err)
	for b.Loop() {
		runtime.GC()
		stop := make(chan struct{})
		peak := make(chan uint64)
		go func() { peak <- heapPeak(stop) }()
		plan, err := p.Preview(context.Background(), usersync.DefaultConfig("Staff"), usersync.File(path))
		require.NoError(b, err)
		close(stop)
		b.ReportMetric(float64(<-peak)/(1<<20), "peak-MB")
		require.Equal(b, n/10, plan.Counts().Updated)
	}
}

func heapPeak(stop chan struct{}) uint64 {
	var m runtime.MemStats
	var peak uint64
	for {
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapInuse+m.StackInuse)
		select {
		case <-stop:
			return peak
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func writeStaffCSV(b *testing.B, path string, n int) {
	f, err := os.Create(path)
	require.NoError(b, err)
	w := csv.NewWriter(f)
	require.NoError(b, w.Write(staffNames))
	for i := range n {
		require.NoError(b, w.Write(staffValues(i, oneInTen(i))))
	}
	w.Flush()
	require.NoError(b, w.Error())
	require.NoError(b, f.Close())
}
