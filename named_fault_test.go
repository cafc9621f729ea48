package usersync_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
	"github.com/usersync-go/usersync/usersynctest"
)

// thingRows has what exists, what is to be created in three batches of two sets, what nobody allows, and rows that
// need nothing; thingsAfter are the users once it was brought in.
var (
	thingRows = []string{"anna title=Boss cField2=hr;Weekend", "bert cField2=Days;Nights", "carl title=clerk", "dora title=boss cField2=WEEKEND",
		"emil cField2=Never", "fred title=Chief cField2=sales", "gina email=bad title=Nobody"}
	thingsBefore = []string{"anna title=Lead cField2=HR", "carl title=Clerk"}
	thingsAfter  = []string{"anna title=Boss cField2=HR, Weekend", "bert cField2=Days, Nights", "carl title=Clerk",
		"dora title=Boss cField2=Weekend", "fred title=Chief cField2=Sales"}
)

// thingFaults is an office, with faults, that creates things before users.
type thingFaults struct {
	*office
	things *memory.References
	state  *memory.State
	later  time.Duration
}

func newThingFaults(t *testing.T) *thingFaults {
	o, spy := thingOffice(t, usersync.MissingIsOffered, usersync.MissingIsOffered, thingsBefore...)
	e := &thingFaults{office: o, things: spy.References}
	e.state = memory.NewState(e.now)
	require.NoError(t, e.state.SaveConfig(t.Context(), o.cfg, 0))
	return e
}

func (e *thingFaults) now() time.Time { return time.Now().Add(e.later) }

func (e *thingFaults) options(f *usersynctest.Faults) []usersync.Option {
	return []usersync.Option{usersync.WithSchema(refers(usersync.MissingIsOffered, usersync.MissingIsOffered)), usersync.WithBatchSize(2),
		usersync.WithReferences(f.References(e.things)), usersync.WithClock(e.now)}
}

// allow lets be created what rows name, but for one group and one role.
func allow(plan *usersync.Plan) []usersync.Decision {
	var out []usersync.Decision
	for _, m := range plan.Missing() {
		if m.Name != "Never" {
			out = append(out, usersync.Decision{Choice: usersync.CreateMissing, Value: m.Name})
		}
	}
	return out
}

// ends shows that everybody is as planned, that each thing is there once, and that no other is.
func (e *thingFaults) ends() {
	e.t.Helper()
	all := e.everybody()
	slices.Sort(all)
	require.Equal(e.t, thingsAfter, all)
	require.Equal(e.t, []string{"Boss", "Chief", "Clerk", "Lead"}, e.things.Names("role"))
	require.Equal(e.t, []string{"Days", "HR", "Night Shift", "Nights", "Sales", "Weekend"}, e.things.Names("group"))
}

// A5, C10: whatever call fails, in whatever way, what the run says is true; a run that could not create what it needs
// has written nobody, and its plan can be applied again.
func TestApplyFaultsWithNames(t *testing.T) {
	struck := map[string]int{}
	usersynctest.EachFault(t, func(t *testing.T, f *usersynctest.Faults) {
		e := newThingFaults(t)
		eng, err := usersync.New(f.Users(e.spy), f.Baselines(e.store.Baselines()), e.options(f)...)
		require.NoError(t, err)
		ctx := f.Context(context.Background())
		if plan, err := eng.Preview(ctx, e.cfg, officeFile(thingRows...)); err == nil {
			e.appliesWith(ctx, eng, plan, f)
		} else {
			e.faulty(err)
			require.Empty(t, e.spy.written())
		}
		calm, err := usersync.New(e.spy, e.store.Baselines(), e.options(usersynctest.FailNth(0, ""))...)
		require.NoError(t, err)
		plan, err := calm.Preview(t.Context(), e.cfg, officeFile(thingRows...))
		require.NoError(t, err)
		require.NoError(t, plan.Resolve(allow(plan)...))
		_, err = calm.Apply(t.Context(), plan)
		require.NoError(t, err)
		e.ends()
		struck[f.Struck()]++
	})
	require.GreaterOrEqual(t, struck["References.FindReferences"], 9*5, "%v", struck)
	require.GreaterOrEqual(t, struck["ReferenceCreator.CreateReferences"], 9*3, "%v", struck)
}

func (e *thingFaults) faulty(err error) {
	e.t.Helper()
	require.True(e.t, errors.Is(err, usersynctest.ErrInjected) || errors.Is(err, context.Canceled), "%v", err)
}

func (e *thingFaults) appliesWith(ctx context.Context, eng *usersync.Engine, plan *usersync.Plan, f *usersynctest.Faults) {
	e.t.Helper()
	require.NoError(e.t, plan.Resolve(allow(plan)...))
	run, err := eng.Apply(ctx, plan)
	var ended *usersync.PartialError
	switch {
	case err == nil:
		e.ends()
	case errors.As(err, &ended):
		e.faulty(err)
		require.NotContains(e.t, []string{"References.FindReferences", "ReferenceCreator.CreateReferences"}, f.Struck(), "both come before the first write")
		require.Empty(e.t, untrue(e.office, run))
		require.Len(e.t, run.CreatedReferences(), 5)
	default:
		e.faulty(err)
		require.Nil(e.t, run)
		require.Empty(e.t, e.spy.written())
		_, err = eng.Apply(context.Background(), plan)
		require.NoError(e.t, err)
		e.ends()
	}
}

// A5, C10: the same of runs that last: after Resume nothing is lost or doubled, and the record has all that was created.
func TestResumeWithNames(t *testing.T) {
	struck := map[string]int{}
	usersynctest.EachFault(t, func(t *testing.T, f *usersynctest.Faults) {
		e := newThingFaults(t)
		calm := e.service(usersynctest.FailNth(0, ""))
		plan, err := calm.Preview(t.Context(), e.cfg.ID, officeFile(thingRows...))
		require.NoError(t, err)
		_, err = calm.Decide(t.Context(), plan.ID, allow(plan)...)
		require.NoError(t, err)
		svc := e.service(f)
		run, err := svc.Apply(f.Context(t.Context()), plan.ID)
		for try := 0; err != nil; try++ {
			require.Less(t, try, 3, "%v", err)
			e.faulty(err)
			e.later += time.Hour
			if run == nil {
				run, err = svc.Apply(t.Context(), plan.ID)
				continue
			}
			run, err = svc.Resume(t.Context(), run.ID)
		}
		e.ends()
		struck[f.Struck()]++
		require.Equal(t, usersync.RunSucceeded, run.Status())
		rec, err := calm.RunRecord(t.Context(), plan.ID)
		require.NoError(t, err)
		require.Equal(t, run.CreatedReferences(), rec.CreatedReferences)
		require.Equal(t, []usersync.ReferenceName{{Set: "role", Name: "Boss"}, {Set: "group", Name: "Weekend"}, {Set: "group", Name: "Days"},
			{Set: "group", Name: "Nights"}, {Set: "role", Name: "Chief"}}, rec.CreatedReferences)
		stored, err := calm.Run(t.Context(), plan.ID)
		require.NoError(t, err)
		require.Equal(t, rec.CreatedReferences, stored.CreatedReferences())
	})
	require.GreaterOrEqual(t, struck["ReferenceCreator.CreateReferences"], 9*3, "%v", struck)
}

func (e *thingFaults) service(f *usersynctest.Faults) *usersync.Service {
	svc, err := usersync.NewService(f.Users(e.spy), f.Stores(e.state.Stores()), e.options(f)...)
	require.NoError(e.t, err)
	return svc
}

// A5, C10: a run whose process dies after some users were written goes on, also where a thing that it had created is
// gone by then, and one that a row needs that is still to be written.
func TestResumeWhereThingsAreGone(t *testing.T) {
	e := newThingFaults(t)
	svc := e.service(usersynctest.FailNth(0, ""))
	plan, err := svc.Preview(t.Context(), e.cfg.ID, officeFile(thingRows...))
	require.NoError(t, err)
	_, err = svc.Decide(t.Context(), plan.ID, allow(plan)...)
	require.NoError(t, err)
	writes := 0
	e.spy.fail = func(_ string, changes []usersync.Change) error {
		if len(changes) == 0 {
			return nil
		}
		if writes++; writes > 1 {
			return errOffice
		}
		return nil
	}
	run, err := svc.Apply(t.Context(), plan.ID)
	require.ErrorIs(t, err, errOffice)
	e.spy.fail = nil
	e.things.Remove("group", "Weekend", "Sales")
	run, err = svc.Resume(t.Context(), run.ID)
	require.NoError(t, err)
	require.Contains(t, e.things.Names("group"), "Weekend")
	require.Contains(t, outcome(run), "fred failed name_missing")
	require.Contains(t, outcome(run), "dora done")
}
