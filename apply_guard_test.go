package usersync_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

// seated is an office with so many seats. anna and bert use two; carl is inactive.
func seated(t *testing.T, limit *int, opts ...usersync.Option) *office {
	o := newOffice(t, []string{"anna", "bert", "carl active=false"})
	o.eng = o.engine(append(opts, usersync.WithLicense(memory.SeatsFunc(func(ctx context.Context) (usersync.Seats, error) {
		return memory.NewSeats(o.store, *limit).Seats(ctx)
	})))...)
	o.had("anna", "bert")
	return o
}

// A1
func TestSeats(t *testing.T) {
	for _, tt := range []struct {
		name      string
		limit     int
		rows      []string
		needed    int
		available int
		ok        bool
	}{
		{"exactly enough", 3, []string{"anna", "bert", "dora"}, 1, 1, true},
		{"one too few", 3, []string{"anna", "bert", "dora", "emil"}, 2, 1, false},
		{"none", 2, []string{"anna", "bert", "dora"}, 1, 0, false},
		{"reactivations count", 2, []string{"anna", "bert", "carl"}, 1, 0, false},
		{"inactive creations do not", 2, []string{"anna", "bert", "dora active=false"}, 0, 0, true},
		{"those who left free seats", 2, []string{"anna", "dora"}, 0, 0, true},
		{"rows that say inactive too", 2, []string{"anna", "bert active=false", "carl"}, 0, 0, true},
		{"one freed and two taken", 2, []string{"anna", "carl", "dora"}, 1, 0, false},
		{"no limit", -1, []string{"anna", "bert", "carl", "dora", "emil"}, 3, 0, true},
		{"no seats at all", 0, []string{"anna", "bert", "dora"}, 1, -2, false},
		{"more used than there are", 1, []string{"anna", "bert", "dora"}, 1, -1, false},
		{"more used, but none needed", 1, []string{"anna", "bert title=Lead"}, 0, -1, true},
		{"more used, and fewer afterwards", 1, []string{"anna"}, -1, -1, true},
		{"errors need none", 2, []string{"anna", "bert", "dora email=x"}, 0, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := seated(t, &tt.limit, usersync.WithBatchSize(1))
			highest := 2
			o.spy.after = func(int) { highest = max(highest, usedSeats(o)) }
			plan := o.preview(tt.rows...)
			require.Equal(t, usersync.Seats{Limit: tt.limit, Used: 2}, *plan.Seats)
			require.Equal(t, tt.needed, plan.Counts().SeatsNeeded)
			if !tt.ok {
				want := &usersync.SeatsError{Needed: tt.needed, Available: tt.available}
				require.Equal(t, []error{want}, plan.Blocks())
				err := o.refused(plan)
				require.Equal(t, want, err)
				require.ErrorIs(t, err, usersync.ErrSeats)
				return
			}
			require.Empty(t, plan.Blocks())
			o.apply(plan)
			require.Equal(t, 2+tt.needed, usedSeats(o))
			if tt.limit >= 0 {
				require.LessOrEqual(t, highest, max(tt.limit, 2), "seats are freed before they are taken")
			}
		})
	}
}

func usedSeats(o *office) int {
	s, _ := memory.NewSeats(o.store, 0).Seats(context.Background())
	return s.Used
}

// A1: without a license checker seats are unlimited, and the plan knows of none.
func TestSeatsWithoutLicense(t *testing.T) {
	o := newOffice(t, nil)
	plan := o.preview("anna", "bert")
	require.Nil(t, plan.Seats)
	require.Equal(t, 2, plan.Counts().SeatsNeeded)
	o.apply(plan)
}

// A1: seats are counted once more before the run.
func TestSeatsGoneSince(t *testing.T) {
	limit := 3
	o := seated(t, &limit)
	plan := o.preview("anna", "bert", "dora")
	limit = 2
	require.Empty(t, plan.Blocks(), "so the preview saw it")
	require.Equal(t, &usersync.SeatsError{Needed: 1, Available: 0}, o.refused(plan))
	limit = 3
	o.apply(plan)
}

// A1: an error of the checker is no leave to go on.
func TestSeatsUnknown(t *testing.T) {
	var fails error
	o := newOffice(t, nil)
	o.eng = o.engine(usersync.WithLicense(memory.SeatsFunc(func(context.Context) (usersync.Seats, error) {
		return usersync.Seats{Limit: -1}, fails
	})))
	plan := o.preview("anna")
	fails = errOffice
	require.ErrorIs(t, o.refused(plan), errOffice)
	_, err := o.eng.Preview(context.Background(), o.cfg, officeFile("anna"))
	require.ErrorIs(t, err, errOffice)
}

// A1: where a deactivation fails, its seat is not there for anybody else.
func TestSeatsNotFreed(t *testing.T) {
	for _, tt := range []struct {
		limit int
		ok    bool
	}{{2, false}, {3, true}, {-1, true}} {
		o := seated(t, &tt.limit, usersync.WithBatchSize(1))
		o.spy.refuse = refuses(errOffice, "bert")
		plan := o.preview("anna title=Lead", "carl")
		if tt.ok {
			run := o.apply(plan)
			require.Equal(t, []string{"anna done", "carl done", "bert failed store_error"}, outcome(run))
			continue
		}
		run, why := o.partial(plan)
		require.Equal(t, &usersync.SeatsError{Needed: 1, Available: 0}, why)
		require.Equal(t, []string{"anna pending", "carl pending", "bert failed store_error"}, outcome(run))
		require.Equal(t, []string{"deactivate bert"}, o.spy.sequence())
	}
}

// A1: what is left out before the run frees no seat and takes none.
func TestSeatsOfWhatIsHeld(t *testing.T) {
	limit := 2
	o := seated(t, &limit)
	plan := o.preview("anna", "carl")
	o.edit("bert", "bert title=Lead")
	require.Equal(t, &usersync.SeatsError{Needed: 1, Available: 0}, o.refused(plan, usersync.SkipStale()))

	o = seated(t, &limit)
	plan = o.preview("anna", "dora")
	o.store.Put(officeUser("dora active=false"))
	run := o.apply(plan, usersync.SkipStale())
	require.Equal(t, []string{"anna nothing", "dora failed stale", "bert done"}, outcome(run))

	o = seated(t, &limit, usersync.WithProtected(onceAllowed("bert")))
	plan = o.preview("anna", "carl")
	require.Equal(t, &usersync.SeatsError{Needed: 1, Available: 0}, o.refused(plan))
}

// onceAllowed protects a user from the second time on that it is asked.
func onceAllowed(name string) func(context.Context, usersync.User) (bool, error) {
	asked := 0
	return func(_ context.Context, u usersync.User) (bool, error) {
		asked++
		return asked > 1 && u.Values.Get("userName") == name, nil
	}
}

// crowd names n users.
func crowd(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("user%03d", i)
	}
	return names
}

// A2
func TestGuard(t *testing.T) {
	for _, tt := range []struct {
		name     string
		guard    usersync.Guard
		baseline int
		leave    int // users who left the file
		inactive int // rows that say inactive
		ok       bool
	}{
		{"ten percent", usersync.Guard{Percent: 10, Users: 5}, 60, 6, 0, true},
		{"one more", usersync.Guard{Percent: 10, Users: 5}, 60, 7, 0, false},
		{"five users", usersync.Guard{Percent: 10, Users: 5}, 10, 5, 0, true},
		{"six of ten", usersync.Guard{Percent: 10, Users: 5}, 10, 6, 0, false},
		{"both sorts together", usersync.Guard{Percent: 10, Users: 5}, 10, 3, 3, false},
		{"both sorts, few enough", usersync.Guard{Percent: 10, Users: 5}, 10, 2, 3, true},
		{"only rows that say inactive", usersync.Guard{Percent: 10, Users: 5}, 10, 0, 6, false},
		{"fractions", usersync.Guard{Percent: 2.5}, 40, 1, 0, true},
		{"more than a fraction", usersync.Guard{Percent: 2.4}, 40, 1, 0, false},
		{"zero asks about each", usersync.Guard{}, 10, 1, 0, false},
		{"zero, and nobody goes", usersync.Guard{}, 10, 0, 0, true},
		{"the limit", usersync.Guard{Percent: 100, Users: 100, Max: 3}, 10, 3, 0, true},
		{"past the limit", usersync.Guard{Percent: 100, Users: 100, Max: 3}, 10, 2, 2, false},
		{"the limit asks of many as well", usersync.Guard{Percent: 10, Users: 1, Max: 8}, 10, 2, 0, false},
		{"off", usersync.Guard{Off: true, Max: 1}, 10, 10, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			users := crowd(tt.baseline)
			o := newOffice(t, users)
			o.had(users...)
			o.cfg.Guard = tt.guard
			rows := slices.Clone(users[tt.leave:])
			for i := range tt.inactive {
				rows[i] += " active=false"
			}
			all := tt.leave + tt.inactive
			plan := o.preview(rows...)
			require.Equal(t, all, plan.Counts().Deactivations)
			if !tt.ok {
				want := &usersync.GuardError{Deactivations: all, Baseline: tt.baseline}
				require.Equal(t, []error{want}, plan.Blocks())
				require.Equal(t, want, o.refused(plan))
			} else {
				require.Empty(t, plan.Blocks())
			}
			o.apply(plan, confirmed(tt.ok, all)...)
			require.Equal(t, tt.baseline-all, usedSeats(o))
		})
	}
}

// confirmed confirms a number unless that is not needed.
func confirmed(not bool, n int) []usersync.ApplyOption {
	if not {
		return nil
	}
	return []usersync.ApplyOption{usersync.ConfirmDeactivations(n)}
}

// A2: the exact number or none.
func TestGuardConfirmed(t *testing.T) {
	users := crowd(20)
	o := newOffice(t, users)
	o.had(users...)
	o.cfg.Guard = usersync.DefaultConfig("x").Guard
	plan := o.preview(users[:10]...)
	for _, n := range []int{9, 11, 0, -1, 20} {
		err := o.refused(plan, usersync.ConfirmDeactivations(n))
		require.Equal(t, &usersync.GuardError{Deactivations: 10, Baseline: 20, Confirmed: &n}, err)
		require.ErrorIs(t, err, usersync.ErrGuard)
		require.ErrorContains(t, err, fmt.Sprintf("%d were confirmed", n))
	}
	o.apply(plan, usersync.ConfirmDeactivations(10))
}

// A2: whoever confirmed another number saw another plan, also where no confirmation is needed.
func TestGuardConfirmedInVain(t *testing.T) {
	o := newOffice(t, []string{"anna", "bert"})
	o.had("anna", "bert")
	o.cfg.Guard = usersync.DefaultConfig("x").Guard
	plan := o.preview("anna")
	require.ErrorIs(t, o.refused(plan, usersync.ConfirmDeactivations(7)), usersync.ErrGuard)
	o.apply(plan, usersync.ConfirmDeactivations(1))
}

// A2: a file without a valid row while there is a baseline.
func TestGuardEmptyFile(t *testing.T) {
	for _, tt := range []struct {
		name    string
		rows    []string
		removed usersync.Behaviour
		gone    int
		held    bool
	}{
		{"only a header", nil, usersync.Deactivate, 2, true},
		{"only a header, no action", nil, usersync.NoAction, 0, true},
		{"only a header, ignored", nil, usersync.Ignore, 0, true},
		{"only errors", []string{"anna email=x", "bert email=x"}, usersync.Deactivate, 0, true},
		{"one row that is unchanged", []string{"anna"}, usersync.Deactivate, 1, false},
		{"one row that is new", []string{"dora", "anna email=x"}, usersync.Deactivate, 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newOffice(t, []string{"anna", "bert"})
			o.had("anna", "bert")
			o.cfg.Guard, o.cfg.RemovedUsers = usersync.DefaultConfig("x").Guard, tt.removed
			plan := o.preview(tt.rows...)
			if tt.held {
				want := &usersync.GuardError{Deactivations: tt.gone, Baseline: 2, NoValidRow: true}
				require.Equal(t, []error{want}, plan.Blocks())
				require.Equal(t, want, o.refused(plan))
				require.ErrorIs(t, o.refused(plan, usersync.ConfirmDeactivations(tt.gone+1)), usersync.ErrGuard)
			}
			o.apply(plan, confirmed(!tt.held, tt.gone)...)
			require.Equal(t, 2-tt.gone, usedSeats(o)-plan.Counts().New)
		})
	}
}

// A2: nobody can leave a first file, however bad it is; its rows can say inactive.
func TestGuardFirstRun(t *testing.T) {
	users := crowd(6)
	o := newOffice(t, users)
	o.cfg.Guard = usersync.DefaultConfig("x").Guard
	o.apply(o.preview("anna email=x"))
	require.Empty(t, o.members())

	o = newOffice(t, users)
	o.cfg.Guard = usersync.DefaultConfig("x").Guard
	rows := slices.Clone(users)
	for i := range rows {
		rows[i] += " active=false"
	}
	plan := o.preview(rows...)
	require.Equal(t, &usersync.GuardError{Deactivations: 6}, o.refused(plan))
	o.apply(plan, usersync.ConfirmDeactivations(6))
}

// A2: what a decision keeps is not deactivated, and not confirmed.
func TestGuardAfterDecisions(t *testing.T) {
	o := newOffice(t, []string{"anna", "bert"})
	o.cfg.Guard = usersync.Guard{}
	o.cfg.Rules = map[string]usersync.Rule{"active": {Strategy: usersync.AskAtRuntime}}
	plan := o.preview("anna active=false", "bert active=false")
	require.NoError(t, plan.Resolve(usersync.Decision{Choice: usersync.TakeFile},
		usersync.Decision{Row: 2, Field: "active", Choice: usersync.KeepCurrent}))
	require.Equal(t, &usersync.GuardError{Deactivations: 1}, o.refused(plan))
	o.apply(plan, usersync.ConfirmDeactivations(1))
	require.Equal(t, []string{"anna", "bert active=false"}, o.everybody())
}

// stale is an office whose plan writes to everybody, in every way.
func stale(t *testing.T, versionless bool) (*office, *usersync.Plan) {
	o := newOffice(t, []string{"anna", "bert", "carl active=false", "fred", "gina", "hans"})
	o.spy.versionless = versionless
	o.had("anna", "bert", "fred", "gina", "hans")
	return o, o.preview("anna title=Lead", "bert", "carl", "dora", "fred active=false", "hans")
}

// A3
func TestStale(t *testing.T) {
	rows := map[string]int{"anna": 2, "carl": 4, "dora": 5, "fred": 6, "gina": 0}
	for _, versionless := range []bool{false, true} {
		for _, tt := range []struct {
			who   string
			moved usersync.Moved
			move  func(*office)
		}{
			{"anna", usersync.MovedEdited, func(o *office) { o.edit("anna", "anna locale=de") }},
			{"anna", usersync.MovedEdited, func(o *office) { o.edit("anna", "anna active=false") }},
			{"anna", usersync.MovedRenamed, func(o *office) { o.edit("anna", "anne") }},
			{"anna", usersync.MovedDeleted, func(o *office) { o.store.Remove(o.user("anna").ID) }},
			{"carl", usersync.MovedEdited, func(o *office) { o.edit("carl", "carl") }},
			{"carl", usersync.MovedDeleted, func(o *office) { o.store.Remove(o.user("carl").ID) }},
			{"dora", usersync.MovedCreated, func(o *office) { o.store.Put(officeUser("DORA")) }},
			{"dora", usersync.MovedCreated, func(o *office) { o.edit("hans", "Dora") }},
			{"fred", usersync.MovedEdited, func(o *office) { o.edit("fred", "fred title=Lead") }},
			{"fred", usersync.MovedRenamed, func(o *office) { o.edit("fred", "alfred") }},
			{"fred", usersync.MovedDeleted, func(o *office) { o.store.Remove(o.user("fred").ID) }},
			{"gina", usersync.MovedEdited, func(o *office) { o.edit("gina", "gina title=Lead") }},
			{"gina", usersync.MovedRenamed, func(o *office) { o.edit("gina", "regina") }},
			{"gina", usersync.MovedDeleted, func(o *office) { o.store.Remove(o.user("gina").ID) }},
		} {
			t.Run(fmt.Sprintf("%s %s versionless=%v", tt.who, tt.moved, versionless), func(t *testing.T) {
				o, plan := stale(t, versionless)
				id := "" // of a user to be created
				if u, err := o.find(tt.who); err == nil {
					id = u.ID
				}
				tt.move(o)
				err := o.refused(plan)
				require.Equal(t, &usersync.StaleError{Total: 1, Users: []usersync.StaleUser{
					{Row: rows[tt.who], UserID: id, Name: tt.who, Moved: tt.moved}}}, err)
				require.ErrorIs(t, err, usersync.ErrPlanStale)
				require.ErrorContains(t, err, fmt.Sprintf("%s was %s", tt.who, tt.moved))

				as := o.store.Users()
				run := o.apply(plan, usersync.SkipStale())
				requireSkipped(t, o, run, tt.who, tt.moved, as)
			})
		}
	}
}

// requireSkipped shows that a run left out one user and wrote all others.
func requireSkipped(t *testing.T, o *office, run *usersync.Run, who string, moved usersync.Moved, before []usersync.User) {
	t.Helper()
	for row := range run.Rows() {
		switch {
		case row.Name == who:
			require.Equal(t, usersync.StateFailed, row.State)
			last := row.Reasons[len(row.Reasons)-1]
			require.Equal(t, usersync.CodeStale, last.Code)
			require.Equal(t, string(moved), last.Params["moved"])
		case row.Op != "":
			require.Equal(t, usersync.StateDone, row.State, row.Name)
		default:
			require.Equal(t, usersync.StateNothing, row.State, row.Name)
		}
	}
	touched := map[string]bool{}
	for _, batch := range o.spy.written() {
		for _, c := range batch {
			touched[c.UserID] = true
			require.NotEqual(t, usersync.Fold(who), c.Key)
		}
	}
	after := map[string]usersync.User{}
	for _, u := range o.store.Users() {
		after[u.ID] = u
	}
	for _, u := range before {
		if !touched[u.ID] {
			require.Equal(t, u, after[u.ID], "who was left out is as before")
		}
	}
}

// A3: only users whom the plan writes to matter.
func TestStaleOthers(t *testing.T) {
	o, plan := stale(t, false)
	o.edit("bert", "bert title=Lead")
	o.edit("hans", "hans active=false")
	o.store.Put(officeUser("nobody"))
	o.apply(plan)
	require.Equal(t, "Lead", o.user("bert").Values.Get("title"))
}

// A3: at most a hundred are listed, all are counted, and five are in the text.
func TestStaleMany(t *testing.T) {
	users := crowd(120)
	o := newOffice(t, users, usersync.WithBatchSize(50))
	rows := slices.Clone(users)
	for i := range rows {
		rows[i] += " title=Lead"
	}
	plan := o.preview(rows...)
	for _, name := range users {
		o.edit(name, name+" locale=de")
	}
	var moved *usersync.StaleError
	require.ErrorAs(t, o.refused(plan), &moved)
	require.Len(t, moved.Users, 100)
	require.Equal(t, 120, moved.Total)
	require.Contains(t, moved.Error(), "user004 was edited, and 115 more")
	require.NotContains(t, moved.Error(), "user005")
	require.Equal(t, 120, o.apply(plan, usersync.SkipStale()).Counts().Failed)
}

// A3
func TestStaleBaseline(t *testing.T) {
	o := newOffice(t, []string{"anna", "bert"})
	first, second := o.preview("anna"), o.preview("bert")
	o.apply(first)
	for _, opts := range [][]usersync.ApplyOption{nil, {usersync.SkipStale()}} {
		err := o.refused(second, opts...)
		require.Equal(t, &usersync.StaleError{Baseline: true}, err)
		require.ErrorContains(t, err, "another run has succeeded")
	}
	require.Equal(t, []string{"anna"}, o.members())
}

// A3: a run that failed moves no baseline.
func TestStaleNotByFailedRun(t *testing.T) {
	o := newOffice(t, []string{"anna"})
	first, second := o.preview("anna"), o.preview("anna")
	o.bases.fail = errOffice
	o.partial(first)
	o.bases.fail = nil
	o.apply(second)
}

// A3
func TestIfCurrent(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*usersync.Config)
		want error // nil for none
	}{
		{"the same", func(*usersync.Config) {}, nil},
		{"paused", func(c *usersync.Config) { c.Paused = true }, usersync.ErrPaused},
		{"edited", func(c *usersync.Config) { c.Revision++ }, usersync.ErrPlanStale},
		{"edited and paused", func(c *usersync.Config) { c.Revision++; c.Paused = true }, usersync.ErrPaused},
		{"put back", func(c *usersync.Config) { c.Revision-- }, usersync.ErrPlanStale},
		{"another", func(c *usersync.Config) { c.ID = "another" }, usersync.ErrInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newOffice(t, nil)
			plan := o.preview("anna")
			current := o.cfg
			tt.edit(&current)
			if tt.want == nil {
				o.apply(plan, usersync.IfCurrent(current))
				return
			}
			err := o.refused(plan, usersync.IfCurrent(current), usersync.SkipStale())
			require.ErrorIs(t, err, tt.want)
			var moved *usersync.StaleError
			require.Equal(t, errors.As(err, &moved) && moved.Config, tt.want == usersync.ErrPlanStale)
		})
	}
}

// A3: a paused configuration is not previewed either.
func TestPausedPreview(t *testing.T) {
	o := newOffice(t, nil)
	o.cfg.Paused = true
	_, err := o.eng.Preview(context.Background(), o.cfg, officeFile("anna"))
	require.ErrorIs(t, err, usersync.ErrPaused)
}

// A3: whoever moves while the run is under way is left alone.
func TestStaleDuringRun(t *testing.T) {
	o, _ := stale(t, false)
	o.eng = o.engine(usersync.WithBatchSize(1))
	plan := o.preview("anna title=Lead", "bert title=Lead", "carl", "dora", "emil", "hans title=Lead")
	moves := map[string]func(){
		"bert": func() { o.edit("bert", "bert title=Boss") },
		"carl": func() { o.store.Remove(o.user("carl").ID) },
		"emil": func() { o.store.Put(officeUser("Emil title=Boss")) },
		"gina": func() { o.edit("gina", "gina title=Boss") },
	}
	o.spy.before = func(_ int, changes []usersync.Change) {
		if move := moves[changes[0].Key]; move != nil {
			move()
		}
	}
	run := o.apply(plan)
	require.Equal(t, []string{"anna done", "bert failed stale", "carl failed gone", "dora done", "emil failed taken",
		"hans done", "fred done", "gina failed stale"}, outcome(run))
	require.Equal(t, []string{"anna title=Lead", "bert title=Boss", "dora", "Emil title=Boss", "fred active=false",
		"gina title=Boss", "hans title=Lead"}, o.everybody())
	require.Contains(t, o.members(), "gina", "her deactivation is tried again")
}
