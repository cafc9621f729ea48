package usersync_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

// bureau is a service over stores in memory, with a clock that can be set ahead.
type bureau struct {
	t     *testing.T
	store *memory.Store
	spy   *officeSpy
	state *memory.State
	ahead time.Duration
	svc   *usersync.Service
	cfg   usersync.Config
}

func newBureau(t *testing.T, users ...string) *bureau {
	b := &bureau{t: t, store: memory.New(memory.WithUnique("cField1"))}
	for _, line := range users {
		b.store.Put(officeUser(line))
	}
	b.spy = &officeSpy{store: b.store}
	b.state = memory.NewState(b.now)
	b.svc = b.service()
	cfg := usersync.DefaultConfig("staff")
	cfg.RemovedUsers, cfg.InactiveUsers = usersync.Deactivate, usersync.Activate
	cfg.Rules = map[string]usersync.Rule{"title": {Strategy: usersync.AskAtRuntime}}
	var err error
	b.cfg, err = b.svc.CreateConfig(t.Context(), cfg)
	require.NoError(t, err)
	return b
}

func (b *bureau) now() time.Time {
	return time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC).Add(b.ahead)
}

// service makes another service over the same stores, as another process would.
func (b *bureau) service(opts ...usersync.Option) *usersync.Service {
	svc, err := usersync.NewService(b.spy, b.state.Stores(), append([]usersync.Option{usersync.WithSchema(badges()),
		usersync.WithClock(b.now), usersync.WithBatchSize(2)}, opts...)...)
	require.NoError(b.t, err)
	return svc
}

func (b *bureau) preview(rows ...string) *usersync.Plan {
	b.t.Helper()
	b.ahead += time.Minute // so that runs have an order
	plan, err := b.svc.Preview(b.t.Context(), b.cfg.ID, officeFile(rows...))
	require.NoError(b.t, err)
	return plan
}

func (b *bureau) apply(plan *usersync.Plan, opts ...usersync.ApplyOption) *usersync.Run {
	b.t.Helper()
	run, err := b.svc.Apply(b.t.Context(), plan.ID, opts...)
	require.NoError(b.t, err)
	return run
}

// Configurations are created, edited with compare and set, paused, resumed and deleted. (P3)
func TestServiceConfigs(t *testing.T) {
	b := newBureau(t, "anna")
	ctx := t.Context()
	_, err := b.svc.CreateConfig(ctx, b.cfg)
	require.ErrorIs(t, err, usersync.ErrDuplicate)
	bad := b.cfg
	bad.ID, bad.NewUsers = "bad", "destroy"
	_, err = b.svc.CreateConfig(ctx, bad)
	require.ErrorIs(t, err, usersync.ErrInvalid)
	unnamed, err := b.svc.CreateConfig(ctx, func() usersync.Config { c := usersync.DefaultConfig("Other"); c.ID = ""; return c }())
	require.NoError(t, err)
	require.Len(t, unnamed.ID, 26)

	edited := b.cfg
	edited.Name = "Everybody"
	edited, err = b.svc.EditConfig(ctx, edited)
	require.NoError(t, err)
	require.Equal(t, int64(2), edited.Revision)
	_, err = b.svc.EditConfig(ctx, b.cfg)
	require.ErrorIs(t, err, usersync.ErrEdited)

	paused, err := b.svc.PauseConfig(ctx, b.cfg.ID)
	require.NoError(t, err)
	require.True(t, paused.Paused)
	_, err = b.svc.Preview(ctx, b.cfg.ID, officeFile("anna"))
	require.ErrorIs(t, err, usersync.ErrPaused)
	_, err = b.svc.ResumeConfig(ctx, b.cfg.ID)
	require.NoError(t, err)
	all, err := b.svc.Configs(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"Everybody", "Other"}, []string{all[0].Name, all[1].Name})

	plan := b.preview("anna", "bert")
	b.spy.before = func(int, []usersync.Change) {
		var busy *usersync.InProgressError
		require.ErrorAs(t, b.svc.DeleteConfig(ctx, b.cfg.ID), &busy)
		require.Equal(t, plan.ID, busy.RunID)
	}
	b.apply(plan)
	b.spy.before = nil
	require.NoError(t, b.svc.DeleteConfig(ctx, b.cfg.ID))
	_, err = b.svc.Run(ctx, plan.ID)
	require.ErrorIs(t, err, usersync.ErrNotFound)
	_, err = b.svc.Config(ctx, b.cfg.ID)
	require.ErrorIs(t, err, usersync.ErrNotFound)
}

// A plan is kept, decided by id, applied once, by whichever service, and what is to be remembered is a new
// revision of the configuration before the first write. (A4, K4)
func TestServiceDecidesAndApplies(t *testing.T) {
	b := newBureau(t, "anna title=Cook", "bert title=Cook")
	ctx := t.Context()
	plan := b.preview("anna title=Chef", "bert title=Chef", "carl")
	again, err := b.service().Plan(ctx, plan.ID)
	require.NoError(t, err)
	require.Equal(t, slices.Collect(plan.Rows()), slices.Collect(again.Rows()))
	require.Equal(t, plan.Expires, again.Expires)
	_, err = b.svc.Apply(ctx, plan.ID)
	require.ErrorIs(t, err, usersync.ErrUnresolved)

	_, err = b.svc.Decide(ctx, plan.ID, usersync.Decision{Row: 2, Field: "title", Choice: usersync.KeepCurrent})
	require.NoError(t, err)
	_, err = b.svc.Decide(ctx, plan.ID, usersync.Decision{Field: "phone", Choice: usersync.TakeFile, Remember: true})
	require.ErrorIs(t, err, usersync.ErrInvalid)
	decided, err := b.service().Decide(ctx, plan.ID, usersync.Decision{Row: 3, Field: "title", Choice: usersync.TakeFile, Remember: true})
	require.NoError(t, err)
	require.Empty(t, decided.Blocks())
	b.spy.before = func(int, []usersync.Change) {
		cfg, err := b.svc.Config(ctx, b.cfg.ID)
		require.NoError(t, err)
		require.Equal(t, int64(2), cfg.Revision)
		require.Equal(t, usersync.UseSource, cfg.Rules["title"].Strategy)
	}
	run, err := b.service().Apply(ctx, plan.ID)
	require.NoError(t, err)
	require.Equal(t, 1, run.Counts().Updated)
	require.Len(t, b.spy.written(), 2)

	for range 3 {
		same, err := b.service().Apply(ctx, plan.ID)
		require.NoError(t, err)
		require.Equal(t, run.ID, same.ID)
		require.Equal(t, slices.Collect(run.Rows()), slices.Collect(same.Rows()))
		require.Equal(t, run.Counts(), same.Counts())
	}
	require.Len(t, b.spy.written(), 2)
	_, err = b.svc.Decide(ctx, plan.ID, usersync.Decision{Choice: usersync.TakeFile})
	require.ErrorIs(t, err, usersync.ErrInvalid)
	require.ErrorContains(t, err, "applied already")
	_, err = b.svc.Apply(ctx, "nothing")
	require.ErrorIs(t, err, usersync.ErrNotFound)
}

// Several people decide at once: no answer is lost.
func TestServiceDecidesTogether(t *testing.T) {
	var users, rows []string
	for i := range 8 {
		users, rows = append(users, fmt.Sprintf("user%d title=Cook", i)), append(rows, fmt.Sprintf("user%d title=Chef", i))
	}
	b := newBureau(t, users...)
	plan := b.preview(rows...)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			_, err := b.service().Decide(context.Background(), plan.ID, usersync.Decision{Row: i + 2, Field: "title", Choice: usersync.TakeFile})
			require.NoError(t, err)
		})
	}
	all.Wait()
	decided, err := b.svc.Plan(t.Context(), plan.ID)
	require.NoError(t, err)
	require.Zero(t, decided.Counts().Conflicts)
}

// A3: a plan that is stale in any way is refused, with what moved, and nothing is written.
func TestServiceStale(t *testing.T) {
	for _, tt := range []struct {
		name string
		move func(b *bureau, plan *usersync.Plan)
		opts []usersync.ApplyOption
		want usersync.StaleError
	}{
		{"too old", func(b *bureau, _ *usersync.Plan) { b.ahead += 24 * time.Hour }, nil, usersync.StaleError{Expired: true}},
		{"another file", func(*bureau, *usersync.Plan) {}, []usersync.ApplyOption{usersync.IfFile("abc")}, usersync.StaleError{File: true}},
		{"configuration edited", func(b *bureau, _ *usersync.Plan) {
			_, err := b.svc.EditConfig(context.Background(), b.cfg)
			require.NoError(b.t, err)
		}, nil, usersync.StaleError{Config: true}},
		{"another run", func(b *bureau, _ *usersync.Plan) { b.apply(b.preview("dora")) }, nil, usersync.StaleError{Baseline: true}},
		{"user edited", func(b *bureau, _ *usersync.Plan) { b.put("anna", "anna title=X") }, nil, movedUser(2, "anna", usersync.MovedEdited)},
		{"user renamed", func(b *bureau, _ *usersync.Plan) { b.put("anna", "anne title=Cook") }, nil, movedUser(2, "anna", usersync.MovedRenamed)},
		{"user deleted", func(b *bureau, _ *usersync.Plan) { b.store.Remove("u1") }, nil, movedUser(2, "anna", usersync.MovedDeleted)},
		{"user created", func(b *bureau, _ *usersync.Plan) { b.store.Put(officeUser("carl")) }, nil, movedUser(3, "carl", usersync.MovedCreated)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBureau(t, "anna title=Cook")
			plan := b.preview("anna title=Cook cField1=7", "carl")
			tt.move(b, plan)
			written := len(b.spy.written())
			run, err := b.service().Apply(t.Context(), plan.ID, tt.opts...)
			require.Nil(t, run)
			var got *usersync.StaleError
			require.ErrorAs(t, err, &got)
			if tt.want.Total == 1 {
				tt.want.Users[0].UserID = got.Users[0].UserID
			}
			require.Equal(t, tt.want, *got)
			require.Len(t, b.spy.written(), written)
			_, err = b.svc.RunRecord(t.Context(), plan.ID)
			require.ErrorIs(t, err, usersync.ErrNotFound, "a run that did not begin is none")
		})
	}
	b := newBureau(t, "anna")
	plan := b.preview("anna title=Chef")
	_, err := b.svc.PauseConfig(t.Context(), b.cfg.ID)
	require.NoError(t, err)
	_, err = b.svc.Apply(t.Context(), plan.ID)
	require.ErrorIs(t, err, usersync.ErrPaused)
}

func movedUser(row int, name string, moved usersync.Moved) usersync.StaleError {
	return usersync.StaleError{Users: []usersync.StaleUser{{Row: row, Name: name, Moved: moved}}, Total: 1}
}

// put changes a user as the product would.
func (b *bureau) put(name, line string) {
	for _, u := range b.store.Users() {
		if u.Values.Get("userName") == name {
			edited := officeUser(line)
			edited.ID = u.ID
			b.store.Put(edited)
		}
	}
}

// A5: a run is cancelled from another process, and resumed there.
func TestServiceCancelAndResume(t *testing.T) {
	b := newBureau(t)
	b.svc = b.service(usersync.WithLeaseTime(100 * time.Millisecond))
	ctx := t.Context()
	rows := []string{"anna", "bert", "carl", "dora", "emil"}
	plan := b.preview(rows...)
	require.ErrorIs(t, b.svc.Cancel(ctx, plan.ID), usersync.ErrNotFound)
	first := true
	b.spy.after = func(int) {
		if !first {
			return
		}
		first = false
		require.NoError(t, b.service().Cancel(ctx, plan.ID))
		_, err := b.service().Resume(ctx, plan.ID)
		require.ErrorIs(t, err, usersync.ErrRunInProgress)
		done, total, err := b.service().Progress(ctx, plan.ID)
		require.NoError(t, err)
		require.Equal(t, []int{0, 5}, []int{done, total})
		page, err := b.service().Rows(ctx, plan.ID, usersync.RowQuery{})
		require.NoError(t, err)
		require.Equal(t, usersync.StateUncertain, page.Rows[0].State, "the batch that is being written")
		require.Equal(t, usersync.StatePending, page.Rows[4].State)
		time.Sleep(200 * time.Millisecond) // for the next renewal of the lease
	}
	run, err := b.svc.Apply(ctx, plan.ID)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "somebody asked for it")
	require.Equal(t, usersync.RunCancelled, run.Status())
	require.Equal(t, 2, run.Counts().Created)
	record, err := b.service().RunRecord(ctx, plan.ID)
	require.NoError(t, err)
	require.Equal(t, usersync.RunCancelled, record.Status)
	require.Equal(t, 2, record.Counts.Created)
	loaded, err := b.service().Apply(ctx, plan.ID) // the same run, and its error
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, run.Counts(), loaded.Counts())

	b.progressed(plan.ID, 2, 5)
	run, err = b.service().Resume(ctx, plan.ID)
	require.NoError(t, err)
	b.progressed(plan.ID, 5, 5)
	require.Equal(t, 5, run.Counts().Created)
	require.Len(t, b.spy.written(), 3)
	same, err := b.service().Resume(ctx, plan.ID)
	require.NoError(t, err)
	require.Equal(t, run.ID, same.ID)
	_, err = b.svc.Resume(ctx, "nothing")
	require.ErrorIs(t, err, usersync.ErrNotFound)
}

// progressed looks how far a run is said to be.
func (b *bureau) progressed(id string, done, total int) {
	b.t.Helper()
	gotDone, gotTotal, err := b.service().Progress(b.t.Context(), id)
	require.NoError(b.t, err)
	require.Equal(b.t, []int{done, total}, []int{gotDone, gotTotal})
}

// A4, A5: a run that another process takes over, because this one has not renewed its lease in time, is brought to
// its end by that one, and whoever waits for it here is told so.
func TestServiceTakenOver(t *testing.T) {
	b := newBureau(t)
	b.svc = b.service(usersync.WithLeaseTime(100 * time.Millisecond))
	plan := b.preview("anna", "bert", "carl", "dora", "emil")
	first := true
	b.spy.after = func(int) {
		if !first {
			return
		}
		first = false
		b.ahead += time.Hour // the lease has run out
		run, err := b.service().Apply(context.Background(), plan.ID)
		require.NoError(t, err)
		require.Equal(t, 5, run.Counts().Created)
	}
	run, err := b.svc.Apply(t.Context(), plan.ID)
	require.NoError(t, err)
	require.Equal(t, 5, run.Counts().Created)
	require.Len(t, b.store.Users(), 5)
}

// A5: who changes before the run goes on is left out as stale, and nothing is overwritten; a run after which
// another has begun is not resumed.
func TestServiceResumeStale(t *testing.T) {
	b := newBureau(t, "anna", "bert", "carl")
	ctx := t.Context()
	plan := b.preview("anna cField1=1", "bert cField1=2", "carl cField1=3", "dora", "emil")
	b.spy.fail = func(_ string, changes []usersync.Change) error {
		if len(changes) > 0 && changes[0].Key == "carl" {
			return errOffice
		}
		return nil
	}
	_, err := b.svc.Apply(ctx, plan.ID)
	require.ErrorIs(t, err, errOffice)
	b.spy.fail = nil
	b.put("carl", "carl title=Boss")
	b.put("bert", "bert title=Boss cField1=2") // is done, and may change
	b.store.Put(officeUser("dora"))
	run, err := b.service().Resume(ctx, plan.ID)
	require.NoError(t, err)
	require.Equal(t, []string{"anna done", "bert done", "carl uncertain unknown", "dora failed stale", "emil done"}, outcome(run))
	require.Equal(t, "Boss", b.store.Users()[2].Values.Get("title"))

	failed := b.preview("anna cField1=8")
	b.spy.fail = func(_ string, changes []usersync.Change) error {
		return map[bool]error{true: errOffice}[len(changes) > 0]
	}
	_, err = b.svc.Apply(ctx, failed.ID)
	require.ErrorIs(t, err, errOffice)
	b.spy.fail = nil
	b.apply(b.preview("anna cField1=9"))
	_, err = b.svc.Resume(ctx, failed.ID)
	require.ErrorIs(t, err, usersync.ErrPlanStale)
}

// Rows come in pages, filtered, as the whole run has them.
func TestServiceRows(t *testing.T) {
	var users, rows []string
	for i := range 1200 {
		users = append(users, fmt.Sprintf("user%d title=Cook", i))
		switch {
		case i%3 == 0:
			rows = append(rows, fmt.Sprintf("user%d title=Cook cField1=b%d", i, i))
		case i%7 == 0:
			rows = append(rows, fmt.Sprintf("user%d title=Chef", i))
		default:
			rows = append(rows, fmt.Sprintf("user%d title=Cook", i))
		}
	}
	for i := range 1200 {
		rows = append(rows, fmt.Sprintf("new%d manager=user1", i))
	}
	rows = append(rows, "bad email=nonsense")
	b := newBureau(t, users...)
	plan := b.preview(rows...)
	b.compareRows(plan.ID, rowsWith(plan.Rows()))
	_, err := b.svc.Decide(t.Context(), plan.ID, usersync.Decision{Choice: usersync.KeepCurrent})
	require.NoError(t, err)
	b.spy.refuse = refuses(errOffice, "new7", "user3")
	run := b.apply(plan)
	b.compareRows(plan.ID, slices.Collect(run.Rows()))
	for _, q := range []usersync.RowQuery{{Limit: 1001}, {Limit: -1}, {From: -1}} {
		_, err := b.svc.Rows(t.Context(), plan.ID, q)
		require.ErrorIs(t, err, usersync.ErrInvalid)
	}
	past, err := b.svc.Rows(t.Context(), plan.ID, usersync.RowQuery{From: 99999})
	require.NoError(t, err)
	require.Empty(t, past.Rows)
	_, err = b.svc.Rows(t.Context(), "nothing", usersync.RowQuery{})
	require.ErrorIs(t, err, usersync.ErrNotFound)
}

func rowsWith(rows func(func(usersync.Row) bool)) []usersync.RunRow {
	var out []usersync.RunRow
	for row := range rows {
		out = append(out, usersync.RunRow{Row: row})
	}
	return out
}

// compareRows reads all pages of several filters and compares them with the rows that fit.
func (b *bureau) compareRows(id string, all []usersync.RunRow) {
	b.t.Helper()
	for _, tt := range []struct {
		q    usersync.RowQuery
		fits func(usersync.RunRow) bool
	}{
		{usersync.RowQuery{Limit: 1000}, func(usersync.RunRow) bool { return true }},
		{usersync.RowQuery{Classes: []usersync.Class{usersync.ClassNew}}, func(r usersync.RunRow) bool { return r.Class == usersync.ClassNew }},
		{usersync.RowQuery{Classes: []usersync.Class{usersync.ClassError, usersync.ClassUpdated}, Limit: 7}, func(r usersync.RunRow) bool {
			return r.Class == usersync.ClassError || r.Class == usersync.ClassUpdated
		}},
		{usersync.RowQuery{States: []usersync.State{usersync.StateFailed}}, func(r usersync.RunRow) bool { return r.State == usersync.StateFailed }},
		{usersync.RowQuery{Conflicts: true}, func(r usersync.RunRow) bool {
			return slices.ContainsFunc(r.Changes, func(c usersync.FieldChange) bool { return c.Open })
		}},
		{usersync.RowQuery{Text: "USER11", Limit: 3}, func(r usersync.RunRow) bool { return strings.Contains(r.Name+r.UserID, "user11") }},
	} {
		var want, got []usersync.RunRow
		for _, row := range all {
			if tt.fits(row) {
				want = append(want, row)
			}
		}
		for pages := 0; ; pages++ {
			page, err := b.svc.Rows(b.t.Context(), id, tt.q)
			require.NoError(b.t, err)
			got = append(got, page.Rows...)
			if tt.q.From = page.Next; page.Next == 0 {
				break
			}
			require.Less(b.t, pages, 3000)
		}
		require.Equal(b.t, want, got)
	}
}

// Reports by id are those of the plan and the run; an undo is planned and applied by id. (P2, A9)
func TestServiceReportsAndUndo(t *testing.T) {
	b := newBureau(t, "anna")
	plan := b.preview("anna", "bert", "bad email=nonsense")
	ctx := t.Context()
	same := func(want, got func(io.Writer) error) {
		t.Helper()
		require.True(t, bytes.Equal(fileOf(t, want), fileOf(t, got)))
	}
	same(plan.WritePreview, func(w io.Writer) error { return b.svc.WritePreview(ctx, plan.ID, w) })
	csv := func(w io.Writer) error { return b.svc.WriteCorrections(ctx, plan.ID, w, usersync.FormatCSV) }
	same(func(w io.Writer) error { return plan.WriteCorrections(w, usersync.FormatCSV) }, csv)
	run := b.apply(plan)
	same(run.WriteResults, func(w io.Writer) error { return b.svc.WriteResults(ctx, plan.ID, w) })
	same(func(w io.Writer) error { return run.WriteCorrections(w, usersync.FormatCSV) }, csv)

	undo, err := b.svc.Undo(ctx, run.ID, usersync.By(usersync.Actor{Name: "Olga"}))
	require.NoError(t, err)
	b.ahead += time.Minute
	back := b.apply(undo)
	require.Equal(t, 1, back.Counts().Updated)
	history, err := b.svc.History(ctx, usersync.RunQuery{ConfigID: b.cfg.ID})
	require.NoError(t, err)
	require.Equal(t, []string{back.ID, run.ID}, []string{history[0].ID, history[1].ID})
	require.Equal(t, run.ID, history[0].Undoes)
	require.Equal(t, "Olga", history[0].Actor.Name)
	require.Equal(t, back.Counts(), history[0].Counts)
}

// P3: what is old goes, but for the newest run.
func TestServicePrune(t *testing.T) {
	b := newBureau(t)
	old, unused := b.preview("anna"), b.preview("anna")
	b.apply(old)
	newest := b.apply(b.preview("anna", "bert"))
	b.ahead += 48 * time.Hour
	pruned, err := b.svc.Prune(t.Context(), b.now())
	require.NoError(t, err)
	require.Equal(t, usersync.Pruned{Runs: 1, Plans: 1}, pruned)
	for _, gone := range []*usersync.Plan{old, unused} {
		_, err := b.svc.Plan(t.Context(), gone.ID)
		require.ErrorIs(t, err, usersync.ErrNotFound)
	}
	_, err = b.svc.Run(t.Context(), newest.ID)
	require.NoError(t, err)
}

// A10: a secret goes to the store, and is in nothing that is kept; without a key for it the plan is refused.
func TestServiceSecrets(t *testing.T) {
	const canary = "c4n4ry-p4ssw0rd"
	schema := usersync.DefaultSchema()
	schema.Fields = append(schema.Fields, usersync.Field{Name: "password", Secret: true, MinLength: 8})
	file := func() usersync.Source {
		return usersync.CSV(strings.NewReader("userName,email,firstName,lastName,password\nanna,anna@example.com,A,A," + canary +
			"\nbert,nonsense,B,B," + canary + "\n"))
	}
	store, state := memory.New(), memory.NewState(nil)
	open := func(opts ...usersync.Option) *usersync.Service {
		svc, err := usersync.NewService(store, state.Stores(), append(opts, usersync.WithSchema(schema))...)
		require.NoError(t, err)
		return svc
	}
	key := bytes.Repeat([]byte{7}, 32)
	svc := open(usersync.WithSecretKey(key))
	_, err := svc.CreateConfig(t.Context(), usersync.DefaultConfig("staff"))
	require.NoError(t, err)
	_, err = open().Preview(t.Context(), "staff", file())
	require.ErrorContains(t, err, "WithSecretKey")

	plan, err := svc.Preview(t.Context(), "staff", file())
	require.NoError(t, err)
	kept, err := usersync.StoredForm(plan, key)
	require.NoError(t, err)
	_, err = open(usersync.WithSecretKey(make([]byte, 32))).Apply(t.Context(), plan.ID)
	require.ErrorIs(t, err, usersync.ErrPlanStale)
	run, err := svc.Apply(t.Context(), plan.ID)
	require.NoError(t, err)
	entries, err := state.Entries(t.Context(), run.ID)
	require.NoError(t, err)
	for _, e := range entries {
		kept = append(kept, e.Data)
	}
	results, err := state.Results(t.Context(), run.ID, 0, 1)
	require.NoError(t, err)
	for _, data := range append(kept, results...) {
		require.NotContains(t, string(data), canary)
	}
	require.Equal(t, canary, store.Users()[0].Values.Get("password"))
	_, err = usersync.NewService(store, state.Stores(), usersync.WithSecretKey([]byte("short")))
	require.ErrorIs(t, err, usersync.ErrInvalid)
}

// An engine with stores keeps its plans itself.
func TestEngineWithRuns(t *testing.T) {
	store, state := memory.New(), memory.NewState(nil)
	eng, err := usersync.New(store, state, usersync.WithRuns(state.Stores()))
	require.NoError(t, err)
	plan, err := eng.Preview(t.Context(), usersync.DefaultConfig("staff"), officeFile("anna"))
	require.NoError(t, err)
	run, err := eng.Apply(t.Context(), plan)
	require.NoError(t, err)
	other, err := usersync.New(store, state, usersync.WithRuns(state.Stores()))
	require.NoError(t, err)
	again, err := other.Resume(t.Context(), run.ID)
	require.NoError(t, err)
	require.Equal(t, run.Counts(), again.Counts())
	again, err = eng.Apply(t.Context(), plan)
	require.NoError(t, err)
	require.Equal(t, run.ID, again.ID)

	plain, err := usersync.New(store, state)
	require.NoError(t, err)
	_, err = plain.Resume(t.Context(), run.ID)
	require.ErrorIs(t, err, usersync.ErrInvalid)
	_, err = usersync.New(store, state, usersync.WithRuns(usersync.Stores{}))
	require.ErrorContains(t, err, "stores.Journal")
	_, err = usersync.NewService(store, usersync.Stores{})
	require.True(t, errors.Is(err, usersync.ErrInvalid))
}
