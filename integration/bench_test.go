package integration

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/sqlstore"
)

// benchRows is the size of the benchmarks' workbooks; USERSYNC_BENCH_ROWS changes it.
func benchRows() int {
	if n, err := strconv.Atoi(os.Getenv("USERSYNC_BENCH_ROWS")); err == nil {
		return n
	}
	if testing.Short() {
		return 2_000
	}
	return 20_000
}

// staffValues are the 24 values of user i; a differing user has another title.
func staffValues(i int, differs bool) []string {
	n := strconv.Itoa(i)
	title := "Engineer " + strconv.Itoa(i%50)
	if differs {
		title = "Senior " + title
	}
	return []string{"user" + n, "user" + n + "@example.com", "First" + strconv.Itoa(i%997), "Last" + n, "",
		title, "Department " + strconv.Itoa(i%40), "Division " + strconv.Itoa(i%7), fmt.Sprintf("%05d", i%300),
		"+1 555 " + fmt.Sprintf("%07d", i), "Office " + strconv.Itoa(i%20), n + " Main Street", "", "Springfield",
		"Illinois", fmt.Sprintf("%05d", i%90000), "United States", "en-US", "America/Chicago", "US English",
		"", "true", "", "note " + strconv.Itoa(i%100)}
}

func staffNames() []string {
	var names []string
	for _, f := range usersync.DefaultSchema().Fields {
		names = append(names, f.Name)
	}
	return names
}

// staffBook is a workbook of n users with shared strings, as spreadsheet programs save it.
func staffBook(tb testing.TB, n int, differs func(int) bool) []byte {
	f := excelize.NewFile()
	defer f.Close()
	for row := range n + 1 {
		values := staffNames()
		if row > 0 {
			values = staffValues(row-1, differs(row-1))
		}
		for col, v := range values {
			cell, err := excelize.CoordinatesToCellName(col+1, row+1)
			must(tb, err)
			must(tb, f.SetCellStr("Sheet1", cell, v))
		}
	}
	var buf bytes.Buffer
	must(tb, f.Write(&buf))
	return buf.Bytes()
}

func nobody(int) bool     { return false }
func oneInTen(i int) bool { return i%10 == 3 }

// excelizeReads is how long excelize's row iterator takes for a workbook.
func excelizeReads(tb testing.TB, book []byte) time.Duration {
	start := time.Now()
	f, err := excelize.OpenReader(bytes.NewReader(book))
	must(tb, err)
	defer f.Close()
	rows, err := f.Rows("Sheet1")
	must(tb, err)
	for rows.Next() {
		_, err := rows.Columns()
		must(tb, err)
	}
	must(tb, rows.Error())
	return time.Since(start)
}

// benchOnEach runs a benchmark against every database that there is.
func benchOnEach(b *testing.B, bench func(b *testing.B, s server)) {
	for _, s := range servers() {
		b.Run(s.name, func(b *testing.B) { bench(b, s) })
	}
}

// engine keeps only its baselines in the database of the users, lasting all of its runs.
func engine(tb testing.TB, s server, db *sql.DB) *usersync.Engine {
	eng, err := usersync.New(readyMade(tb, s, db, usersync.DefaultSchema()), newState(tb, s, db))
	must(tb, err)
	return eng
}

func lasting(tb testing.TB, s server, db *sql.DB, opts ...usersync.Option) *usersync.Engine {
	stores := newState(tb, s, db).Stores()
	eng, err := usersync.New(readyMade(tb, s, db, usersync.DefaultSchema()), stores.Baselines, append(opts, usersync.WithRuns(stores))...)
	must(tb, err)
	return eng
}

// stopwatch takes the time of one stage of a run.
type stopwatch struct {
	stage usersync.Stage
	begun time.Time
	took  time.Duration
}

func (w *stopwatch) tell(p usersync.Progress) {
	switch {
	case p.Stage != w.stage:
	case p.Done == 0:
		w.begun = time.Now()
	case p.Done == p.Total:
		w.took += time.Since(w.begun)
	}
}

func preview(tb testing.TB, eng *usersync.Engine, book []byte) *usersync.Plan {
	source := usersync.XLSX(bytes.NewReader(book), int64(len(book)))
	plan, err := eng.Preview(context.Background(), usersync.DefaultConfig("Staff"), source)
	must(tb, err)
	return plan
}

// BenchmarkCreate creates users and compares Apply with bare inserts of many rows each into a table with
// the same values and indexes: ratio/write is its write stage, journal included, over inserts that commit as
// often, after every 1,000 rows (at most 1.5), ratio/bare all of Apply over the same, and ratio/bare-tx over
// inserts that commit once.
func BenchmarkCreate(b *testing.B) {
	n := benchRows()
	book := staffBook(b, n, nobody)
	benchOnEach(b, func(b *testing.B, s server) {
		var ours, bare, bareTx time.Duration
		writing := stopwatch{stage: usersync.StageCreate}
		for b.Loop() {
			db := s.open(b)
			eng := lasting(b, s, db, usersync.WithProgress(writing.tell))
			plan := preview(b, eng, book)
			start := time.Now()
			run, err := eng.Apply(context.Background(), plan)
			ours += time.Since(start)
			must(b, err)
			if run.Counts().Created != n {
				b.Fatal(run.Counts())
			}
			bare += bareInserts(b, s, db, n, 1000)
			bareTx += bareInserts(b, s, db, n, n)
		}
		b.ReportMetric(writing.took.Seconds()/bare.Seconds(), "ratio/write")
		b.ReportMetric(ours.Seconds()/bare.Seconds(), "ratio/bare")
		b.ReportMetric(ours.Seconds()/bareTx.Seconds(), "ratio/bare-tx")
		b.ReportMetric(float64(n)*float64(b.N)/ours.Seconds(), "rows/s")
	})
}

// bareInserts writes the same values, 500 rows at a time, and commits after so many rows.
func bareInserts(b *testing.B, s server, db *sql.DB, n, commit int) time.Duration {
	text, name := "TEXT", "TEXT"
	if s.dialect == sqlstore.MySQL {
		name = "VARCHAR(255)"
	}
	columns := []string{"id " + name + " PRIMARY KEY", "c0 " + name + " UNIQUE", "c1 " + name + " UNIQUE"}
	for i := 2; i < 24; i++ {
		columns = append(columns, fmt.Sprintf("c%d %s", i, text))
	}
	exec(b, db, "CREATE TABLE bare ("+strings.Join(columns, ", ")+")")
	defer exec(b, db, "DROP TABLE bare")
	start := time.Now()
	for first := 0; first < n; first += commit {
		tx, err := db.Begin()
		must(b, err)
		for at := first; at < min(first+commit, n); at += 500 {
			insertBare(b, s, tx, at, min(500, n-at))
		}
		must(b, tx.Commit())
	}
	return time.Since(start)
}

func insertBare(b *testing.B, s server, tx *sql.Tx, first, count int) {
	var text strings.Builder
	text.WriteString("INSERT INTO bare VALUES ")
	var args []any
	for i := first; i < first+count; i++ {
		text.WriteString([]string{"(", ", ("}[min(i-first, 1)])
		for j, v := range append([]string{fmt.Sprintf("0199-%020d", i)}, staffValues(i, false)...) {
			args = append(args, v)
			mark := "?"
			if s.dialect == sqlstore.PostgreSQL {
				mark = "$" + strconv.Itoa(len(args))
			}
			text.WriteString([]string{"", ", "}[min(j, 1)] + mark)
		}
		text.WriteString(")")
	}
	_, err := tx.Exec(text.String(), args...)
	must(b, err)
}

// BenchmarkPreview previews against as many users, 10 % of them differing, over excelize reading the same
// file (at most 0.30, SQLite 0.35; 60 allocations a row), and applies (at most 1.4 of the preview alone);
// ratio/lasting is the same with the plan, the journal and the run stored.
func BenchmarkPreview(b *testing.B) {
	n := benchRows()
	before, book := staffBook(b, n, nobody), staffBook(b, n, oneInTen)
	benchOnEach(b, func(b *testing.B, s server) {
		db := s.open(b)
		eng := engine(b, s, db)
		_, err := eng.Apply(context.Background(), preview(b, eng, before))
		must(b, err)
		var start, end runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&start)
		var plan *usersync.Plan
		for b.Loop() {
			plan = preview(b, eng, book)
		}
		runtime.ReadMemStats(&end)
		if got := plan.Counts(); got.Updated != n/10 || got.Unchanged != n-n/10 {
			b.Fatal(got)
		}
		ours := b.Elapsed() / time.Duration(b.N)
		began := time.Now()
		_, err = eng.Apply(context.Background(), plan)
		must(b, err)
		b.ReportMetric((ours+time.Since(began)).Seconds()/ours.Seconds(), "ratio/apply")
		eng = lasting(b, s, db)
		plan = preview(b, eng, before) // the same changes, the other way round
		began = time.Now()
		_, err = eng.Apply(context.Background(), plan)
		must(b, err)
		b.ReportMetric((ours+time.Since(began)).Seconds()/ours.Seconds(), "ratio/lasting")
		b.ReportMetric(ours.Seconds()/excelizeReads(b, book).Seconds(), "ratio/excelize")
		b.ReportMetric(float64(end.Mallocs-start.Mallocs)/float64(b.N)/float64(n), "allocs/row")
	})
}

// BenchmarkPreviewMillion previews a file of a million rows, 10 % of them differing, against as many users, and
// reports the peak of the heap in megabytes, the users' own process apart (at most 1,000). USERSYNC_BENCH_ROWS
// sets another number.
func BenchmarkPreviewMillion(b *testing.B) {
	n := 1_000_000
	if os.Getenv("USERSYNC_BENCH_ROWS") != "" || testing.Short() {
		n = benchRows()
	}
	path := filepath.Join(b.TempDir(), "staff.csv")
	writeStaff(b, path, n)
	benchOnEach(b, func(b *testing.B, s server) {
		db := s.open(b)
		users := readyMade(b, s, db, usersync.DefaultSchema())
		fill(b, users, n)
		eng, err := usersync.New(users, newState(b, s, db), usersync.WithLimits(usersync.Limits{Bytes: 1 << 30}))
		must(b, err)
		peak := uint64(0)
		for b.Loop() {
			stop := watchHeap(&peak)
			plan, err := eng.Preview(context.Background(), usersync.DefaultConfig("Staff"), usersync.File(path))
			stop()
			must(b, err)
			if got := plan.Counts(); got.Updated != n/10 || got.Unchanged != n-n/10 {
				b.Fatal(got)
			}
		}
		b.ReportMetric(float64(peak)/1e6, "MB-heap")
	})
}

// writeStaff writes a CSV file of n users, one in ten of whom differs.
func writeStaff(b *testing.B, path string, n int) {
	f, err := os.Create(path)
	must(b, err)
	out := csv.NewWriter(f)
	must(b, out.Write(staffNames()))
	for i := range n {
		must(b, out.Write(staffValues(i, oneInTen(i))))
	}
	out.Flush()
	must(b, errors.Join(out.Error(), f.Close()))
}

// fill creates n users.
func fill(b *testing.B, users *sqlstore.Users, n int) {
	for first := 0; first < n; first += 5000 {
		var changes []usersync.Change
		for i := first; i < min(first+5000, n); i++ {
			c := usersync.Change{Op: usersync.OpCreate, Active: true}
			for name, value := range usersync.NewValues(staffNames(), staffValues(i, false)).All() {
				if name != "active" { // the status is no value
					c.Set.Set(name, value)
				}
			}
			c.Key = usersync.Fold(c.Set.Get("userName"))
			changes = append(changes, c)
		}
		out, err := users.WriteUsers(context.Background(), changes)
		must(b, err)
		must(b, out[0].Err)
	}
}

// watchHeap notes the largest heap until stop is called.
func watchHeap(peak *uint64) (stop func()) {
	runtime.GC()
	done, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			*peak = max(*peak, m.HeapAlloc)
			select {
			case <-done:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	return func() { close(done); <-over }
}
