package usersync_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
	"github.com/usersync-go/usersync/adapters/seats"
)

// interleavings is how many seeds the tests of seats try; USERSYNC_TEST_SEEDS changes it.
func interleavings() int {
	if n, err := strconv.Atoi(os.Getenv("USERSYNC_TEST_SEEDS")); err == nil {
		return n
	}
	if testing.Short() {
		return 500
	}
	return 10_000
}

// eachSeed runs a test with so many seeds, on all processors, and names the first seed that fails.
func eachSeed(t *testing.T, seeds int, test func(seed int) error) {
	const parts = 4
	for part := range parts {
		t.Run(fmt.Sprintf("part %d", part), func(t *testing.T) {
			t.Parallel()
			for seed := part; seed < seeds; seed += parts {
				if err := test(seed); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
		})
	}
}

var errBroken = errors.New("the connection broke")

// seatWorld is a product with a few users of two products, and a host who acts on its own between any two steps.
type seatWorld struct {
	dice   *rand.Rand
	store  *memory.Store
	limits seats.Limits
	book   *seats.Book
	honest bool // the host takes seats by claims only
	inside bool // the host acts between two changes of one call too
	signed int  // users whom the host has made
	wrote  int  // changes that were tried
	breaks int  // after how many more changes a call fails, 0 for never
	over   error
	// what a run knew when it wrote, of a license that only counts
	shown map[string]int // free at the last count
	taken map[string]int // since then, by the run
}

func seatSchema() usersync.Schema {
	return usersync.Schema{Key: "userName", Status: "active", Fields: []usersync.Field{
		{Name: "userName"}, {Name: "title"}, {Name: "active", Kind: usersync.KindBool},
		{Name: "products", List: &usersync.ListFormat{Separator: ";", None: "none"}}}}
}

var seatProducts = []string{"Draw", "Write", "draw", "other", "Draw;Write", "none", ""}

func newSeatWorld(seed int) *seatWorld {
	w := &seatWorld{dice: rand.New(rand.NewPCG(uint64(seed), 1)), store: memory.New(), inside: true}
	for i := range 2 + w.dice.IntN(6) {
		w.store.Put(w.user(fmt.Sprintf("old%d", i), w.dice.IntN(3) > 0))
	}
	used := w.used()
	w.limits = seats.Limits{Total: used.Total + w.dice.IntN(5), Pools: map[string]int{
		"Draw": used.Pools["draw"] + w.dice.IntN(4), "Write": used.Pools["write"] + w.dice.IntN(4)}}
	if w.dice.IntN(6) == 0 {
		w.limits.Total = -1
	}
	w.book = seats.NewBook(seats.NewPools("products", w.limits, func(context.Context) (seats.Count, error) { return w.used(), nil }))
	return w
}

func (w *seatWorld) user(name string, active bool) usersync.User {
	u := usersync.User{Active: active, Values: usersync.ValuesOf(map[string]string{"userName": name})}
	u.Values.SetList("products", productList(seatProducts[w.dice.IntN(len(seatProducts))]))
	return u
}

func productList(cell string) []string {
	if cell == "" || cell == "none" {
		return nil
	}
	return strings.Split(cell, ";")
}

// used counts without any help of what is tested.
func (w *seatWorld) used() seats.Count {
	c := seats.Count{Pools: map[string]int{}}
	for _, u := range w.store.Users() {
		if !u.Active {
			continue
		}
		c.Total++
		for _, p := range u.Values.List("products") {
			c.Pools[strings.ToLower(p)]++
		}
	}
	return c
}

// look notes the first moment at which there are more users than seats.
func (w *seatWorld) look(when string) {
	if w.over != nil || !w.honest {
		return
	}
	used := w.used()
	if w.limits.Total >= 0 && used.Total > w.limits.Total {
		w.over = fmt.Errorf("%s: %d of %d seats are used", when, used.Total, w.limits.Total)
	}
	for pool, limit := range w.limits.Pools {
		if n := used.Pools[strings.ToLower(pool)]; n > limit {
			w.over = fmt.Errorf("%s: %d of %d seats of %s are used", when, n, limit, pool)
		}
	}
}

// act lets the host do something, or nothing.
func (w *seatWorld) act() {
	for range w.dice.IntN(3) {
		switch w.dice.IntN(3) {
		case 0:
			w.signed++
			w.activate(w.user(fmt.Sprintf("own%d", w.signed), true))
		case 1:
			if u, some := w.somebody(false); some {
				u.Active = true
				w.activate(u)
			}
		default:
			if u, some := w.somebody(true); some {
				u.Active = false
				w.store.Put(u)
			}
		}
		w.look("the host has acted")
	}
}

// activate takes a seat for a user, by a claim if the host is honest.
func (w *seatWorld) activate(u usersync.User) {
	if !w.honest {
		w.store.Put(u)
		return
	}
	err := w.book.Claim(context.Background(), func(context.Context) error {
		w.store.Put(u)
		return nil
	}, u.Values.List("products")...)
	if err != nil && !errors.Is(err, usersync.ErrSeats) {
		w.over = err
	}
}

// somebody picks a user of that status, mostly one of the host's own.
func (w *seatWorld) somebody(active bool) (usersync.User, bool) {
	var some []usersync.User
	foreign := w.dice.IntN(8) == 0
	for _, u := range w.store.Users() {
		if u.Active == active && (foreign || strings.HasPrefix(u.Values.Get("userName"), "own")) {
			some = append(some, u)
		}
	}
	if len(some) == 0 {
		return usersync.User{}, false
	}
	return some[w.dice.IntN(len(some))], true
}

// FindUsers lets the host act before and after.
func (w *seatWorld) FindUsers(ctx context.Context, field string, values []string) ([]usersync.User, error) {
	defer w.act()
	w.act()
	return w.store.FindUsers(ctx, field, values)
}

// WriteUsers makes one change after the other, with the host in between, and breaks off when it is time.
func (w *seatWorld) WriteUsers(ctx context.Context, changes []usersync.Change) ([]usersync.Outcome, error) {
	w.act()
	var out []usersync.Outcome
	for _, c := range changes {
		if w.breaks == 1 {
			w.breaks = 0
			return nil, errBroken
		}
		w.breaks = max(w.breaks-1, 0)
		w.wrote++
		before := w.used()
		o, err := w.store.WriteUsers(ctx, []usersync.Change{c})
		if err != nil {
			return nil, err
		}
		out = append(out, o...)
		w.take(before, w.used())
		w.look("the run has written")
		if w.inside {
			w.act()
		}
	}
	w.act()
	return out, nil
}

// take notes what a change of the run took.
func (w *seatWorld) take(before, after seats.Count) {
	if w.shown == nil || after.Total < before.Total { // a deactivation
		return
	}
	w.taken[""] += after.Total - before.Total
	for pool := range w.limits.Pools {
		w.taken[pool] += max(after.Pools[strings.ToLower(pool)]-before.Pools[strings.ToLower(pool)], 0)
	}
	for pool, n := range w.taken {
		free, asked := w.shown[pool]
		if n > 0 && (!asked || n > free) && w.over == nil && (pool != "" || w.limits.Total >= 0) {
			w.over = fmt.Errorf("the run took %d seats of %q after a count that showed %d free", n, pool, free)
		}
	}
}

// busyBook is the book, with the host acting before and after each call.
type busyBook struct {
	*seats.Book
	w *seatWorld
}

func (b busyBook) Seats(ctx context.Context) (usersync.Seats, error) {
	defer b.w.act()
	b.w.act()
	return b.Book.Seats(ctx)
}

func (b busyBook) Pools(ctx context.Context) (map[string]usersync.Seats, error) {
	defer b.w.act()
	b.w.act()
	return b.Book.Pools(ctx)
}

func (b busyBook) ReserveSeats(ctx context.Context, holder string, asks []usersync.SeatHold, ttl time.Duration) error {
	defer b.w.act()
	b.w.act()
	return b.Book.ReserveSeats(ctx, holder, asks, ttl)
}

// countingLicense only counts, and tells the world what it has shown.
type countingLicense struct {
	usersync.SeatPools
	w *seatWorld
}

func (l countingLicense) Seats(ctx context.Context) (usersync.Seats, error) {
	defer l.w.act()
	l.w.act()
	s, err := l.SeatPools.Seats(ctx)
	l.w.shown, l.w.taken = map[string]int{"": s.Limit - s.Used}, map[string]int{}
	return s, err
}

func (l countingLicense) Pools(ctx context.Context) (map[string]usersync.Seats, error) {
	defer l.w.act()
	l.w.act()
	pools, err := l.SeatPools.Pools(ctx)
	for pool, s := range pools {
		if l.w.shown != nil {
			l.w.shown[pool] = s.Limit - s.Used
		}
	}
	return pools, err
}

// file is an upload with some of the old users, changed in some way or not, and new ones.
func (w *seatWorld) file() usersync.Source {
	var b strings.Builder
	fmt.Fprintln(&b, "userName,title,active,products")
	row := func(name string) {
		active := []string{"", "", "", "true", "false"}[w.dice.IntN(5)]
		title := []string{"", "Lead"}[w.dice.IntN(2)]
		fmt.Fprintf(&b, "%s,%s,%s,%s\n", name, title, active, seatProducts[w.dice.IntN(len(seatProducts))])
	}
	for _, u := range w.store.Users() {
		if w.dice.IntN(4) > 0 {
			row(u.Values.Get("userName"))
		}
	}
	for i := range w.dice.IntN(5) {
		row(fmt.Sprintf("new%d", i))
	}
	return usersync.CSV(strings.NewReader(b.String()))
}

// engine makes an engine, with the users of the store as the baseline.
func (w *seatWorld) engine(license usersync.LicenseChecker) (*usersync.Engine, usersync.Config, error) {
	cfg := usersync.DefaultConfig("staff")
	cfg.InactiveUsers, cfg.RemovedUsers, cfg.Guard.Off = usersync.Activate, usersync.Deactivate, true
	state := memory.NewState(nil)
	b := usersync.Baseline{RunID: "earlier"}
	for _, u := range w.store.Users() {
		b.Members = append(b.Members, usersync.Member{UserID: u.ID, Name: u.Values.Get("userName")})
	}
	opts := []usersync.Option{usersync.WithSchema(seatSchema()), usersync.WithLicense(license),
		usersync.WithBatchSize(1 + w.dice.IntN(3)), usersync.WithRuns(state.Stores())}
	eng, err := usersync.New(w, state, opts...)
	return eng, cfg, errors.Join(err, state.Save(context.Background(), cfg.ID, b))
}

// A1: with a book, and a host whose own sign-ups claim their seats, there is not one moment with more active
// users than seats, whatever happens in which order. A run whose seats were set aside ends early only if a
// deactivation failed; one that ended early goes on when there are seats.
func TestSeatsAreNeverOverrun(t *testing.T) {
	eachSeed(t, interleavings(), func(seed int) error {
		w := newSeatWorld(seed)
		w.honest = true
		eng, cfg, err := w.engine(busyBook{w.book, w})
		if err != nil {
			return err
		}
		plan, err := eng.Preview(context.Background(), cfg, w.file())
		if err != nil {
			return err
		}
		if w.dice.IntN(4) == 0 {
			w.breaks = 1 + w.dice.IntN(6)
		}
		run, err := eng.Apply(context.Background(), plan, usersync.SkipStale())
		if err := w.ended(run, err); err != nil {
			return err
		}
		if err := w.goesOn(eng, plan, err); err != nil {
			return err
		}
		return errors.Join(w.over, w.nothingAside())
	})
}

// ended tells that a run ended in a way that it must not.
func (w *seatWorld) ended(run *usersync.Run, err error) error {
	var partial *usersync.PartialError
	switch {
	case err == nil, errors.Is(err, errBroken):
		return nil
	case !errors.Is(err, usersync.ErrSeats):
		return err
	case !errors.As(err, &partial) && w.wrote > 0:
		return fmt.Errorf("something was written, and the error is %w", err)
	case partial == nil:
		return nil
	}
	for row := range run.Rows() {
		if row.Op == usersync.OpDeactivate && row.State == usersync.StateFailed {
			return nil
		}
	}
	return fmt.Errorf("although all its seats were set aside: %w", err)
}

// goesOn resumes a run that ended early, or applies a plan that was short, once there are seats.
func (w *seatWorld) goesOn(eng *usersync.Engine, plan *usersync.Plan, err error) error {
	var partial *usersync.PartialError
	began := errors.As(err, &partial)
	for try := 0; err != nil; try++ {
		if try == 3 {
			return fmt.Errorf("with seats for everybody: %w", err)
		}
		if errors.Is(err, usersync.ErrSeats) {
			w.limits = seats.Limits{Total: 1000, Pools: map[string]int{"Draw": 1000, "Write": 1000}}
			w.book.SetLimits(w.limits)
		}
		if began {
			_, err = eng.Resume(context.Background(), plan.ID)
		} else {
			_, err = eng.Apply(context.Background(), plan, usersync.SkipStale())
			began = errors.As(err, &partial)
		}
	}
	return nil
}

// nothingAside shows that all that is free can be had.
func (w *seatWorld) nothingAside() error {
	free := w.limits.Total - w.used().Total
	if w.limits.Total < 0 || free <= 0 {
		return nil
	}
	return w.book.ReserveSeats(context.Background(), "somebody", []usersync.SeatHold{{Seats: free}}, time.Minute)
}

// A1: a license that only counts is asked before every batch, and the run never takes more than the last count
// showed to be free, whatever the host does between any two calls.
func TestSeatsAsCounted(t *testing.T) {
	eachSeed(t, interleavings()/4, func(seed int) error {
		w := newSeatWorld(seed)
		w.inside = false
		eng, cfg, err := w.engine(countingLicense{w.book.License, w})
		if err != nil {
			return err
		}
		plan, err := eng.Preview(context.Background(), cfg, w.file())
		if err != nil {
			return err
		}
		w.shown, w.taken = nil, nil
		_, err = eng.Apply(context.Background(), plan, usersync.SkipStale())
		if err != nil && !errors.Is(err, usersync.ErrSeats) {
			return err
		}
		if err := w.goesOn(eng, plan, err); err != nil {
			return err
		}
		return w.over
	})
}

// The seeds reach what they are meant to reach.
func TestSeatWorldsDiffer(t *testing.T) {
	short, blocked := 0, 0
	for seed := range 300 {
		w := newSeatWorld(seed)
		w.honest = true
		eng, cfg, err := w.engine(busyBook{w.book, w})
		require.NoError(t, err)
		plan, err := eng.Preview(context.Background(), cfg, w.file())
		require.NoError(t, err)
		if len(plan.Blocks()) > 0 {
			blocked++
		}
		if _, err := eng.Apply(context.Background(), plan, usersync.SkipStale()); errors.Is(err, usersync.ErrSeats) {
			short++
		}
	}
	require.Greater(t, blocked, 30)
	require.Less(t, blocked, 270)
	require.Greater(t, short, 30)
}
