package usersync_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
	"github.com/usersync-go/usersync/adapters/seats"
	"github.com/usersync-go/usersync/usersynctest"
)

// productSchema is the default schema with products in cField2, a list.
func productSchema() usersync.Schema {
	s := badges()
	for i := range s.Fields {
		if s.Fields[i].Name == "cField2" {
			s.Fields[i].List = &usersync.ListFormat{Separator: ";", None: "none"}
		}
	}
	return s
}

// pooled is an office whose license has 4 seats, of which 2 are of Draw and 1 of Write. anna draws, bert writes;
// carl is inactive and would draw.
type pooled struct {
	*office
	book *seats.Book
	high map[string]int // the most seats that were used at once, by pool
}

func newPooled(t *testing.T, book bool, opts ...usersync.Option) *pooled {
	p := &pooled{office: newOffice(t, nil), high: map[string]int{}}
	for _, u := range []string{"anna Draw", "bert Write", "carl Draw"} {
		name, product, _ := strings.Cut(u, " ")
		user := officeUser(name)
		user.Active = name != "carl"
		user.Values.SetList("cField2", []string{product})
		p.store.Put(user)
	}
	limits := seats.Limits{Total: 4, Pools: map[string]int{"Draw": 2, "Write": 1}}
	p.book = seats.NewBook(seats.NewPools("cField2", limits, p.count))
	var license usersync.LicenseChecker = p.book
	if !book {
		license = p.book.License
	}
	p.eng = p.engine(append([]usersync.Option{usersync.WithSchema(productSchema()), usersync.WithLicense(license),
		usersync.WithBatchSize(1)}, opts...)...)
	p.spy.after = func(int) { p.look() }
	p.had("anna", "bert")
	return p
}

// count counts without what is tested.
func (p *pooled) count(context.Context) (seats.Count, error) {
	c := seats.Count{Pools: map[string]int{}}
	for _, u := range p.store.Users() {
		if u.Active {
			c.Total++
			products := map[string]bool{}
			for _, product := range u.Values.List("cField2") {
				products[usersync.Fold(product)] = true
			}
			for product := range products {
				c.Pools[product]++
			}
		}
	}
	return c, nil
}

func (p *pooled) look() {
	c, _ := p.count(context.Background())
	p.high[""] = max(p.high[""], c.Total)
	for pool, n := range c.Pools {
		p.high[pool] = max(p.high[pool], n)
	}
}

// needs shows what a plan needs: of the license, of Draw and of Write.
func needs(plan *usersync.Plan) [3]int {
	pools := plan.Pools()
	return [3]int{plan.Counts().SeatsNeeded, pools[0].Needed, pools[1].Needed}
}

// A1
func TestSeatPools(t *testing.T) {
	draw := func(needed, free int) error {
		return &usersync.SeatsError{Pool: "Draw", Needed: needed, Available: free}
	}
	write := func(needed, free int) error {
		return &usersync.SeatsError{Pool: "Write", Needed: needed, Available: free}
	}
	for _, tt := range []struct {
		name   string
		rows   []string
		needs  [3]int
		blocks []error
	}{
		{"nothing", []string{"anna", "bert"}, [3]int{}, nil},
		{"a new user", []string{"anna", "bert", "dora cField2=Draw"}, [3]int{1, 1, 0}, nil},
		{"any case", []string{"anna", "bert", "dora cField2=DRAW;draw"}, [3]int{1, 1, 0}, nil},
		{"one too many", []string{"anna", "bert", "dora cField2=Write"}, [3]int{1, 0, 1}, []error{write(1, 0)}},
		{"of two pools", []string{"anna", "bert", "dora cField2=Draw;Write", "emil cField2=Draw"}, [3]int{2, 2, 1}, []error{draw(2, 1), write(1, 0)}},
		{"the license too", []string{"anna", "bert", "d1", "d2", "d3 cField2=Write"}, [3]int{3, 0, 1},
			[]error{&usersync.SeatsError{Needed: 3, Available: 2}, write(1, 0)}},
		{"no pool", []string{"anna", "bert", "dora cField2=Other", "emil cField2=none"}, [3]int{2, 0, 0}, nil},
		{"inactive", []string{"anna", "bert", "dora cField2=Write active=false"}, [3]int{}, nil},
		{"an activation", []string{"anna", "bert", "carl"}, [3]int{1, 1, 0}, nil},
		{"an activation elsewhere", []string{"anna", "bert", "carl cField2=Write"}, [3]int{1, 0, 1}, []error{write(1, 0)}},
		{"an activation without", []string{"anna", "bert", "carl cField2=none"}, [3]int{1, 0, 0}, nil},
		{"a move", []string{"anna", "bert cField2=Draw"}, [3]int{0, 1, 0}, nil},
		{"one more of a user's", []string{"anna", "bert cField2=Write;Draw"}, [3]int{0, 1, 0}, nil},
		{"one less of a user's", []string{"anna", "bert cField2=none"}, [3]int{}, nil},
		{"what a move frees does not count", []string{"anna cField2=Write", "bert cField2=Draw"}, [3]int{0, 1, 1}, []error{write(1, 0)}},
		{"what a removal frees does", []string{"anna cField2=Write"}, [3]int{-1, 0, 0}, nil},
		{"also for others", []string{"anna", "dora cField2=Write"}, [3]int{0, 0, 0}, nil},
		{"a row that says inactive frees what the user had", []string{"anna", "bert active=false cField2=Draw", "dora cField2=Write"},
			[3]int{0, 0, 0}, nil},
		{"errors take none", []string{"anna", "bert", "dora email=x cField2=Write"}, [3]int{}, nil},
	} {
		for _, book := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, book %t", tt.name, book), func(t *testing.T) {
				p := newPooled(t, book)
				plan := p.preview(tt.rows...)
				require.Equal(t, tt.needs, needs(plan))
				require.Equal(t, tt.blocks, plan.Blocks())
				stored, err := usersync.Restored(plan, make([]byte, 32))
				require.NoError(t, err)
				require.Equal(t, plan.Pools(), stored.Pools(), "the stored form knows as much")
				require.Equal(t, tt.blocks, stored.Blocks())
				if len(tt.blocks) > 0 {
					require.ErrorIs(t, p.refused(plan), usersync.ErrSeats)
					return
				}
				p.apply(stored)
				require.LessOrEqual(t, p.high[""], 4)
				require.LessOrEqual(t, p.high["draw"], 2)
				require.LessOrEqual(t, p.high["write"], 1)
				require.NoError(t, p.book.ReserveSeats(t.Context(), "other", free(p), time.Minute), "nothing stays set aside")
			})
		}
	}
}

// free is all that is free of the license.
func free(p *pooled) []usersync.SeatHold {
	s, _ := p.book.Seats(context.Background())
	return []usersync.SeatHold{{Seats: s.Limit - s.Used}}
}

// A1, K4: a conflict counts as it is decided, in a stored plan too.
func TestSeatPoolsOfDecisions(t *testing.T) {
	p := newPooled(t, true)
	p.cfg.Rules = map[string]usersync.Rule{"cField2": {Strategy: usersync.AskAtRuntime}}
	plan, err := usersync.Restored(p.preview("anna cField2=Write", "bert"), make([]byte, 32))
	require.NoError(t, err)
	require.Equal(t, [3]int{0, 0, 1}, needs(plan))
	require.NoError(t, plan.Resolve(usersync.Decision{Choice: usersync.KeepCurrent}))
	require.Equal(t, [3]int{}, needs(plan))
	require.NoError(t, plan.Resolve(usersync.Decision{Choice: usersync.TakeFile}))
	require.Equal(t, [3]int{0, 0, 1}, needs(plan))
	require.Equal(t, []error{&usersync.SeatsError{Pool: "Write", Needed: 1}}, plan.Blocks())
	require.ErrorContains(t, plan.Blocks()[0], `the file needs 1 of "Write" and 0 are free`)
}

// A1, A9: the way back needs seats like any plan, and says so.
func TestSeatPoolsOfUndo(t *testing.T) {
	p := newPooled(t, true)
	run := p.apply(p.preview("anna", "dora cField2=none"))
	emil := officeUser("emil")
	emil.Values.SetList("cField2", []string{"Write"})
	p.store.Put(emil)
	plan, err := p.eng.Undo(t.Context(), run)
	require.NoError(t, err)
	require.Equal(t, [3]int{0, 0, 1}, needs(plan))
	want := &usersync.SeatsError{Pool: "Write", Needed: 1, Taker: "the undo"}
	require.Equal(t, []error{want}, plan.Blocks())
	require.ErrorContains(t, want, `the undo needs 1 of "Write" and 0 are free`)
	require.Equal(t, want, p.refused(plan))
}

// A1: the texts have both numbers.
func TestSeatsErrorTexts(t *testing.T) {
	for want, err := range map[string]*usersync.SeatsError{
		"the file needs 3 and 2 are free":                                       {Needed: 3, Available: 2},
		"the file needs 3 and 0 are free":                                       {Needed: 3, Available: -2},
		"the file frees 0 more than it takes and 1 too many are used":           {Needed: 0, Available: -1},
		`the undo frees 2 of "Draw" more than it takes and 3 too many are used`: {Pool: "Draw", Needed: -2, Available: -3, Taker: "the undo"},
	} {
		require.EqualError(t, err, "usersync: not enough seats: "+want+": get more seats, or free some first")
	}
}

// A1: whoever takes a seat while too many are used would take one that is not there, whatever else is freed.
func TestSeatsOverrunBefore(t *testing.T) {
	limit := 1
	o := seated(t, &limit)
	require.Equal(t, &usersync.SeatsError{Needed: 0, Available: -1}, o.refused(o.preview("anna", "dora")))
	limit = 2
	o.apply(o.preview("anna", "dora"))
}

// A1: a pool field must be one that can be compared.
func TestSeatPoolFields(t *testing.T) {
	schema := usersync.Schema{Key: "userName", Fields: []usersync.Field{{Name: "userName"}, {Name: "pin", Secret: true},
		{Name: "boss", Kind: usersync.KindUser}, {Name: "oldName", Match: "userName"}, {Name: "product"}}}
	store := memory.New()
	for field, ok := range map[string]bool{"product": true, "userName": true, "pin": false, "boss": false, "oldName": false, "none": false} {
		license := seats.NewPools(field, seats.Limits{Pools: map[string]int{"A": 1}}, nobodyCounts)
		_, err := usersync.New(store, store.Baselines(), usersync.WithSchema(schema), usersync.WithLicense(license))
		require.Equal(t, ok, err == nil, "%s: %v", field, err)
	}
}

func nobodyCounts(context.Context) (seats.Count, error) { return seats.Count{}, nil }

// A1: pools must be told apart, and a plan that does not know them is stale.
func TestSeatPoolsThatChange(t *testing.T) {
	p := newPooled(t, false)
	plan := p.preview("anna", "bert", "dora cField2=Draw")
	p.book.SetLimits(seats.Limits{Total: 4, Pools: map[string]int{"Draw": 1, "Write": 1}})
	require.Equal(t, &usersync.SeatsError{Pool: "Draw", Needed: 1}, p.refused(plan))
	p.book.SetLimits(seats.Limits{Total: 4, Pools: map[string]int{"Draw": 1, "DRAW": 1}})
	require.ErrorIs(t, p.refused(plan), usersync.ErrInvalid)

	other := p.engine(usersync.WithSchema(productSchema()), usersync.WithLicense(seats.New(9, func(context.Context) (int, error) { return 0, nil })))
	_, err := other.Apply(t.Context(), plan)
	require.ErrorIs(t, err, usersync.ErrPlanStale)
	p.book.SetLimits(seats.Limits{Total: 4})
	p.apply(plan) // without pools there is nothing to run out of
}

// asked is a license that notes what it is asked, among what is written.
type asked struct {
	*seats.Book
	mu  sync.Mutex
	log []string
	err error
}

func (a *asked) note(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.log = append(a.log, fmt.Sprintf(format, args...))
}

func (a *asked) ReserveSeats(ctx context.Context, holder string, holds []usersync.SeatHold, ttl time.Duration) error {
	a.note("hold %v", holds)
	if a.err != nil {
		return a.err
	}
	return a.Book.ReserveSeats(ctx, holder, holds, ttl)
}

// newAsked is an office with 3 seats, of which anna and bert use two.
func newAsked(t *testing.T, opts ...usersync.Option) (*office, *asked) {
	o := newOffice(t, []string{"anna", "bert", "carl active=false"})
	a := &asked{Book: seats.NewBook(seats.New(3, func(context.Context) (int, error) { return usedSeats(o), nil }))}
	o.eng = o.engine(append(opts, usersync.WithLicense(a), usersync.WithBatchSize(2))...)
	o.spy.before = func(_ int, changes []usersync.Change) {
		for _, c := range changes {
			a.note("%s %s", c.Op, c.Key)
		}
	}
	o.had("anna", "bert")
	return o, a
}

// A1: what is set aside, and when.
func TestSeatsAreSetAside(t *testing.T) {
	o, a := newAsked(t)
	o.apply(o.preview("anna title=Lead", "carl", "dora", "emil active=false"))
	require.Equal(t, []string{
		"hold [{ 2 1}]", // before the first write: also the seat that bert is to free
		"hold [{ 2 1}]", "deactivate bert",
		"hold [{ 2 0}]", "update anna", "activate carl",
		"hold [{ 1 0}]", "create dora", "create emil",
		"hold []",
	}, a.log)

	o, a = newAsked(t)
	o.apply(o.preview("anna title=Lead"))
	require.Equal(t, []string{"deactivate bert", "update anna"}, a.log, "who takes none asks for none")
}

// A1: nobody gets between the deactivations and those who take the seats that they free.
func TestSeatsAreSetAsideFromOthers(t *testing.T) {
	o, a := newAsked(t)
	a.SetLimits(seats.Limits{Total: 2})
	var refused error
	o.spy.after = func(call int) {
		if call == 1 {
			refused = a.Claim(context.Background(), func(context.Context) error { return nil })
		}
	}
	o.apply(o.preview("anna", "dora"))
	require.ErrorIs(t, refused, usersync.ErrSeats)
	require.Equal(t, []string{"anna", "bert active=false", "carl active=false", "dora"}, o.everybody())
}

// A1: however a run ends, nothing stays set aside.
func TestSeatsAreLetGo(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(o *office, a *asked)
	}{
		{"refused", func(_ *office, a *asked) { a.SetLimits(seats.Limits{Total: 0}) }},
		{"store down", func(o *office, _ *asked) { o.spy.fail = failsWriting }},
		{"panic", func(o *office, _ *asked) { o.spy.before = func(int, []usersync.Change) { panic("no") } }},
		{"rows refused", func(o *office, _ *asked) { o.spy.refuse = refuses(errOffice, "dora") }},
		{"checker down", func(_ *office, a *asked) { a.err = errOffice }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, a := newAsked(t)
			plan := o.preview("anna", "bert", "dora")
			tt.set(o, a)
			_, _ = o.eng.Apply(context.Background(), plan)
			require.Contains(t, a.log, "hold [{ 1 0}]")
			require.Equal(t, "hold []", a.log[len(a.log)-1])
			a.SetLimits(seats.Limits{Total: 3})
			require.NoError(t, a.Book.ReserveSeats(t.Context(), "other", []usersync.SeatHold{{Seats: 3 - usedSeats(o)}}, time.Minute))
		})
	}
}

func failsWriting(_ string, changes []usersync.Change) error {
	if changes != nil {
		return errOffice
	}
	return nil
}

// A1: that seats cannot be let go is no failure of a run that is done.
func TestSeatsThatCannotBeLetGo(t *testing.T) {
	o, a := newAsked(t)
	o.spy.after = func(int) { a.err = errOffice }
	o.apply(o.preview("anna", "bert", "dora"))
}

// A1: a license that only counts is asked before every batch that takes a seat, and before no other.
func TestSeatsBeforeEveryBatch(t *testing.T) {
	o := newOffice(t, []string{"anna", "bert", "carl active=false"})
	var log []string
	limit := 9
	o.eng = o.engine(usersync.WithBatchSize(1), usersync.WithLicense(memory.SeatsFunc(func(ctx context.Context) (usersync.Seats, error) {
		log = append(log, "count")
		return memory.NewSeats(o.store, limit).Seats(ctx)
	})))
	o.had("anna", "bert")
	o.spy.before = func(_ int, c []usersync.Change) { log = append(log, string(c[0].Op)+" "+c[0].Key) }
	plan := o.preview("anna title=Lead", "carl", "dora", "emil", "fred active=false")
	log = nil
	o.spy.after = func(call int) {
		if call == 4 { // dora is there, and somebody else
			o.store.Put(officeUser("stranger"))
			limit = 4
		}
	}
	run, why := o.partial(plan)
	require.Equal(t, []string{"count", "deactivate bert", "update anna", "count", "activate carl", "count", "create dora", "count"}, log)
	require.Equal(t, &usersync.SeatsError{Needed: 1, Available: 0}, why)
	require.Equal(t, []string{"anna done", "carl done", "dora done", "emil pending", "fred pending", "bert done"}, outcome(run))
}

// A1, A5: every call to a license with a book and pools fails once, in every way. What is short afterwards is
// nothing: the same file once more brings everything to the planned end, with not one seat too many.
func TestSeatFaults(t *testing.T) {
	struck := map[string]int{}
	usersynctest.EachFault(t, func(t *testing.T, f *usersynctest.Faults) {
		p := newPooled(t, true)
		p.book.SetLimits(seats.Limits{Total: 3, Pools: map[string]int{"Draw": 2, "Write": 1}})
		sound := p.eng
		p.eng = p.engine(usersync.WithSchema(productSchema()), usersync.WithBatchSize(1), usersync.WithLicense(f.License(p.book)))
		ctx := f.Context(context.Background())
		rows := []string{"anna title=Lead", "carl", "dora cField2=Write"}
		if plan, err := p.eng.Preview(ctx, p.cfg, officeFile(rows...)); err == nil {
			_, _ = p.eng.Apply(ctx, plan)
		}
		struck[f.Struck()]++
		p.eng = sound
		p.apply(p.preview(rows...))
		require.Equal(t, []string{"anna title=Lead cField2=Draw", "bert cField2=Write active=false", "carl cField2=Draw", "dora cField2=Write"}, p.everybody())
		require.LessOrEqual(t, p.high[""], 3)
		require.LessOrEqual(t, p.high["draw"], 2)
		require.LessOrEqual(t, p.high["write"], 1)
	})
	require.Greater(t, struck["SeatReserver.ReserveSeats"], 30)
	require.Positive(t, struck["SeatPools.Pools"])
}

// A1, A5: what a dead run has set aside is its own once it goes on, and nobody else's until then.
func TestSeatsOfADeadRun(t *testing.T) {
	state := memory.NewState(nil)
	o := newOffice(t, []string{"anna"})
	book := seats.NewBook(seats.New(4, func(context.Context) (int, error) { return usedSeats(o), nil }))
	eng, err := usersync.New(o.spy, state, usersync.WithRuns(state.Stores()), usersync.WithLicense(book), usersync.WithBatchSize(1))
	require.NoError(t, err)
	plan, err := eng.Preview(t.Context(), o.cfg, officeFile("anna", "bert", "carl"))
	require.NoError(t, err)
	o.spy.fail = func(_ string, changes []usersync.Change) error {
		if len(changes) > 0 && changes[0].Key == "carl" {
			return errOffice
		}
		return nil
	}
	_, err = eng.Apply(t.Context(), plan)
	require.ErrorIs(t, err, errOffice)
	o.spy.fail = nil
	signUp := func(name string) error {
		return book.Claim(t.Context(), func(context.Context) error { o.store.Put(officeUser(name)); return nil })
	}
	one := []usersync.SeatHold{{Seats: 1}}
	require.NoError(t, book.ReserveSeats(t.Context(), plan.ID, one, time.Minute)) // as it would be, had the process died
	require.NoError(t, signUp("dora"))
	require.ErrorIs(t, signUp("emil"), usersync.ErrSeats)
	_, err = eng.Resume(t.Context(), plan.ID)
	require.NoError(t, err)
	require.Equal(t, 4, usedSeats(o))
	require.ErrorIs(t, signUp("emil"), usersync.ErrSeats)
}

// A1: seats are let go as soon as no batch takes any more, not only at the end.
func TestSeatsAreLetGoSoon(t *testing.T) {
	o, a := newAsked(t)
	o.apply(o.preview("anna title=Lead", "bert", "carl", "dora active=false", "emil active=false", "fred active=false"))
	require.Equal(t, []string{"hold [{ 1 0}]", "hold [{ 1 0}]", "update anna", "activate carl", "hold []",
		"create dora", "create emil", "create fred"}, a.log)
}
