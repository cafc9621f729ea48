package integration

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/seats"
	"github.com/usersync-go/usersync/adapters/sqlstore"
	"github.com/usersync-go/usersync/usersynctest"
)

var seatQueries = seats.Queries{
	Total: "SELECT COUNT(*) FROM usersync_users WHERE active",
	Pools: "SELECT department, COUNT(*) FROM usersync_users WHERE active GROUP BY department",
}

// seatSite is a database with users, and a book of the seats that they take.
type seatSite struct {
	t     *testing.T
	db    *sql.DB
	state *sqlstore.State
	users *sqlstore.Users
	book  *sqlstore.SeatBook
	made  atomic.Int64 // users whom the product has made on its own
}

func newSeatSite(t *testing.T, s server, limits seats.Limits) *seatSite {
	db := s.open(t)
	state := newState(t, s, db)
	return &seatSite{t: t, db: db, state: state, users: readyMade(t, s, db, usersync.DefaultSchema()),
		book: sqlstore.NewSeatBook(state, "department", limits, seatQueries)}
}

// insert is what the product does when somebody signs up.
func (s *seatSite) insert(ctx context.Context, tx interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}, department string) error {
	name := fmt.Sprintf("own%d", s.made.Add(1))
	_, err := tx.ExecContext(ctx, fmt.Sprintf("INSERT INTO usersync_users (id, version, active, user_name, user_name_folded, department) "+
		"VALUES ('%s', 1, TRUE, '%s', '%s', '%s')", name, name, name, department))
	return err
}

// signUp claims a seat and makes a user, in one transaction as the driver begins it.
func (s *seatSite) signUp(ctx context.Context, opts *sql.TxOptions, department string) error {
	tx, err := s.db.BeginTx(ctx, opts)
	if err != nil {
		return err
	}
	err = s.book.Claim(ctx, tx, department)
	if err == nil {
		err = s.insert(ctx, tx, department)
	}
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// A1: the promises of a license, of one that is divided, and of one that sets seats aside.
func TestSeatBook(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		usersynctest.TestLicenseChecker(t, func(t *testing.T) (usersync.LicenseChecker, func(int)) {
			site := newSeatSite(t, s, seats.Limits{Total: 6, Pools: map[string]int{"Sales": 2, "Art": -1}})
			return site.book, func(used int) {
				exec(t, site.db, "DELETE FROM usersync_users")
				for range used {
					must(t, site.insert(t.Context(), site.db, "Kitchen"))
				}
			}
		})
	})
}

// A1: pools are counted by a query, blank ones not at all.
func TestSeatQueries(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		site := newSeatSite(t, s, seats.Limits{Total: 9, Pools: map[string]int{"sales": 3, "Art": 4}})
		for _, department := range []string{"Sales", "Sales", "Art", "Kitchen", ""} {
			must(t, site.insert(t.Context(), site.db, department))
		}
		exec(t, site.db, "UPDATE usersync_users SET department = NULL WHERE department = ''")
		pools, err := site.book.Pools(t.Context())
		must(t, err)
		if pools["sales"] != (usersync.Seats{Limit: 3, Used: 2}) || pools["Art"] != (usersync.Seats{Limit: 4, Used: 1}) {
			t.Fatalf("pools %v", pools)
		}
		if total, err := site.book.Seats(t.Context()); err != nil || total != (usersync.Seats{Limit: 9, Used: 5}) {
			t.Fatalf("in all %v, %v", total, err)
		}
		some := seats.Queries{Total: "SELECT COUNT(*) FROM usersync_users WHERE department = ?", Args: []any{"Sales"}}
		if s.dialect == sqlstore.PostgreSQL {
			some.Total = strings.Replace(some.Total, "?", "$1", 1)
		}
		if c, err := some.Count(t.Context(), site.db); err != nil || c.Total != 2 {
			t.Fatal(c, err)
		}
		wrong := seats.Queries{Total: "SELECT user_name FROM usersync_users"}
		if _, err := wrong.Count(t.Context(), site.db); err == nil {
			t.Fatal("names were taken for numbers")
		}
		several := seats.Queries{Total: "SELECT 1 FROM usersync_users"}
		if _, err := several.Count(t.Context(), site.db); err == nil || !strings.Contains(err.Error(), "instead of one") {
			t.Fatal(err)
		}
	})
}

// A1, A11: tenants have seats of their own.
func TestSeatsOfTenants(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		db := s.open(t)
		readyMade(t, s, db, usersync.DefaultSchema())
		hold := []usersync.SeatHold{{Seats: 1}}
		for _, tenant := range []string{"", "a", "A"} {
			state := newState(t, s, db, sqlstore.WithTenant(tenant))
			book := sqlstore.NewSeatBook(state, "", seats.Limits{Total: 1}, seats.Queries{Total: seatQueries.Total})
			must(t, book.ReserveSeats(t.Context(), "run", hold, time.Hour))
			if err := book.ReserveSeats(t.Context(), "other", hold, time.Hour); !errors.Is(err, usersync.ErrSeats) {
				t.Fatalf("tenant %q: %v", tenant, err)
			}
		}
	})
}

// A1: a transaction that sees the past gets no seat, whatever its isolation.
func TestClaimOfTheLastSeat(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		if s.dialect == sqlstore.SQLite {
			t.Skip("SQLite has one writer, who sees everything")
		}
		for _, level := range []sql.IsolationLevel{sql.LevelDefault, sql.LevelReadCommitted, sql.LevelRepeatableRead, sql.LevelSerializable} {
			site := newSeatSite(t, s, seats.Limits{Total: 2, Pools: map[string]int{"Sales": 2}})
			must(t, site.signUp(t.Context(), nil, "Sales"))
			tx, err := site.db.BeginTx(t.Context(), &sql.TxOptions{Isolation: level})
			must(t, err)
			var n int
			must(t, tx.QueryRowContext(t.Context(), seatQueries.Total).Scan(&n))
			if s.dialect == sqlstore.MySQL && level == sql.LevelSerializable {
				must(t, tx.Rollback()) // its reads lock: nobody else could sign up
				continue
			}
			must(t, site.signUp(t.Context(), nil, "Sales"))
			if err := site.book.Claim(t.Context(), tx, "Sales"); err == nil {
				t.Fatalf("%v: of two seats three were claimed", level)
			}
			must(t, tx.Rollback())
			if err := site.signUp(t.Context(), &sql.TxOptions{Isolation: level}, "Sales"); !errors.Is(err, usersync.ErrSeats) {
				t.Fatalf("%v: %v", level, err)
			}
		}
	})
}

// rivals are what goes on beside a run.
type rivals struct {
	*seatSite
	limits           seats.Limits
	granted, refused atomic.Int64
	high             sync.Map // the most that was seen, by pool
}

// A1: people sign up, are deactivated and activated again while a file is applied, and at no moment does a query
// see more active users than there are seats. The run is short, or else succeeds.
func TestSeatsOnServers(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		limits := seats.Limits{Total: 80, Pools: map[string]int{"Sales": 36}}
		r := &rivals{seatSite: newSeatSite(t, s, limits), limits: limits}
		eng, err := usersync.New(r.users, r.state, usersync.WithRuns(r.state.Stores()), usersync.WithLicense(r.book), usersync.WithBatchSize(5))
		must(t, err)
		cfg := usersync.DefaultConfig("Staff")
		cfg.ID, cfg.RemovedUsers, cfg.Guard.Off = "staff", usersync.Deactivate, true
		must(t, r.book.ReserveSeats(t.Context(), "first", nil, 0))
		if _, err := r.apply(eng, cfg, 0, 60); err != nil { // 60 users, 30 in Sales
			t.Fatal(err)
		}
		stop := r.begin(3)
		runs := 0
		for i := 1; i <= 6; i++ { // each deactivates 30 and creates 30
			if _, err := r.apply(eng, cfg, 30*i, 30*i+60); err == nil {
				runs++
			} else if !errors.Is(err, usersync.ErrSeats) {
				t.Errorf("run %d: %v", i, err)
			}
		}
		stop()
		r.high.Range(func(pool, n any) bool { t.Logf("at most %d seats of %q", n, pool); return true })
		t.Logf("%d runs, %d sign-ups, %d refused", runs, r.granted.Load(), r.refused.Load())
		if runs == 0 || r.granted.Load() == 0 || r.refused.Load() == 0 {
			t.Error("the runs and the sign-ups did not meet")
		}
	})
}

// apply brings users first to last-1 in, of whom every other is in Sales.
func (r *rivals) apply(eng *usersync.Engine, cfg usersync.Config, first, last int) (*usersync.Run, error) {
	var b strings.Builder
	b.WriteString("userName,email,firstName,lastName,department\n")
	for i := first; i < last; i++ {
		fmt.Fprintf(&b, "u%d,u%d@example.com,F,L,%s\n", i, i, []string{"Sales", "Art"}[i%2])
	}
	plan, err := eng.Preview(r.t.Context(), cfg, usersync.CSV(strings.NewReader(b.String())))
	if err != nil {
		return nil, err
	}
	return eng.Apply(r.t.Context(), plan)
}

// begin lets people sign up in n places at once, and watches them, until stop is called.
func (r *rivals) begin(n int) (stop func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			for turn := i; ctx.Err() == nil; turn++ {
				r.act(turn)
			}
		})
	}
	all.Go(func() {
		for ctx.Err() == nil {
			r.watch()
		}
	})
	return func() { cancel(); all.Wait() }
}

// act is a sign-up, or a deactivation of somebody who has signed up.
func (r *rivals) act(turn int) {
	ctx := r.t.Context()
	var err error
	if turn%3 == 2 {
		_, err = r.db.ExecContext(ctx, fmt.Sprintf("UPDATE usersync_users SET active = FALSE, version = version + 1 WHERE active AND id = 'own%d'",
			max(r.made.Load()-int64(turn%7), 1)))
	} else if err = r.signUp(ctx, nil, []string{"Sales", "Art", ""}[turn%3]); err == nil {
		r.granted.Add(1)
	}
	switch {
	case errors.Is(err, usersync.ErrSeats):
		r.refused.Add(1)
		time.Sleep(2 * time.Millisecond)
	case err != nil && !lostAgainstAnother(err):
		r.t.Errorf("turn %d: %v", turn, err)
	}
}

// lostAgainstAnother tells that a transaction is to be done again.
func lostAgainstAnother(err error) bool {
	for _, text := range []string{"Error 1213", "Error 1020", "Error 1205", "40001", "40P01", "database is locked"} {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}

// watch looks whether there are more users than seats.
func (r *rivals) watch() {
	used, err := seatQueries.Count(r.t.Context(), r.db)
	if err != nil {
		r.t.Error(err)
		return
	}
	for pool, n := range map[string]int{"": used.Total, "Sales": used.Pools["Sales"]} {
		if limit, known := r.limits.Pools[pool]; known && n > limit || pool == "" && n > r.limits.Total {
			r.t.Errorf("%d seats of %q are used", n, pool)
		}
		if high, _ := r.high.LoadOrStore(pool, n); n > high.(int) {
			r.high.Store(pool, n)
		}
	}
	time.Sleep(time.Millisecond)
}
