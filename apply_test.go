package usersync_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

// office is a product around an engine: users, baselines and mails in memory, and a spy between them and
// the engine. Its users and rows are written as "anna title=Lead active=false"; what is left out follows
// from the name.
type office struct {
	t      *testing.T
	store  *memory.Store
	spy    *officeSpy
	bases  *baseSpy
	mailer *memory.Mailer
	cfg    usersync.Config
	eng    *usersync.Engine
}

// officeColumns are the columns of the files of an office.
var officeColumns = []string{"userName", "email", "firstName", "lastName", "title", "locale", "manager",
	"active", "cField1", "cField2", "phone"}

// newOffice has no guard, activates inactive users and deactivates those who left the file. cField1, the
// badge, is unique in its store.
func newOffice(t *testing.T, users []string, opts ...usersync.Option) *office {
	t.Helper()
	o := &office{t: t, store: memory.New(memory.WithUnique("cField1")), mailer: memory.NewMailer()}
	for _, u := range users {
		o.store.Put(officeUser(u))
	}
	o.spy, o.bases = &officeSpy{store: o.store}, &baseSpy{Baselines: o.store.Baselines()}
	o.cfg = usersync.DefaultConfig("Office")
	o.cfg.InactiveUsers, o.cfg.RemovedUsers = usersync.Activate, usersync.Deactivate
	o.cfg.Guard.Off = true
	o.eng = o.engine(opts...)
	return o
}

// engine makes a further engine over the same store.
func (o *office) engine(opts ...usersync.Option) *usersync.Engine {
	o.t.Helper()
	eng, err := usersync.New(o.spy, o.bases, append([]usersync.Option{usersync.WithMailer(o.mailer)}, opts...)...)
	require.NoError(o.t, err)
	return eng
}

// officeFields reads "anna title=Lead" into the fields of an office.
func officeFields(line string) map[string]string {
	words := strings.Fields(line)
	name := words[0]
	fields := map[string]string{"userName": name, "email": name + "@example.com", "firstName": "F", "lastName": "L"}
	for _, w := range words[1:] {
		field, value, _ := strings.Cut(w, "=")
		fields[field] = value
	}
	return fields
}

func officeUser(line string) usersync.User {
	fields := officeFields(line)
	active := fields["active"] != "false"
	delete(fields, "active")
	return usersync.User{Active: active, Values: usersync.ValuesOf(fields)}
}

// officeFile is an upload with those rows, from row 2 on.
func officeFile(rows ...string) usersync.Source {
	var b strings.Builder
	fmt.Fprintln(&b, strings.Join(officeColumns, ","))
	for _, row := range rows {
		fields := officeFields(row)
		cells := make([]string, len(officeColumns))
		for i, c := range officeColumns {
			cells[i] = fields[c]
		}
		fmt.Fprintln(&b, strings.Join(cells, ","))
	}
	return usersync.CSV(strings.NewReader(b.String()))
}

// badges is the default schema with a cField1 that must be unique.
func badges() usersync.Schema {
	s := usersync.DefaultSchema()
	for i := range s.Fields {
		if s.Fields[i].Name == "cField1" {
			s.Fields[i].Unique = usersync.MustBeUnique
		}
	}
	return s
}

// had makes those users the baseline.
func (o *office) had(names ...string) {
	o.t.Helper()
	b := usersync.Baseline{RunID: "earlier run"}
	for _, name := range names {
		b.Members = append(b.Members, usersync.Member{UserID: o.user(name).ID, Name: name})
	}
	require.NoError(o.t, o.bases.Baselines.Save(context.Background(), o.cfg.ID, b))
}

// members names the users of the baseline.
func (o *office) members() []string {
	o.t.Helper()
	names := []string{}
	for _, m := range o.baseline().Members {
		names = append(names, m.Name)
	}
	return names
}

func (o *office) baseline() usersync.Baseline {
	o.t.Helper()
	b, err := o.bases.Baselines.Load(context.Background(), o.cfg.ID)
	require.NoError(o.t, err)
	return b
}

// user finds a user by name, as the store has it.
func (o *office) user(name string) usersync.User {
	o.t.Helper()
	u, err := o.find(name)
	require.NoError(o.t, err)
	return u
}

func (o *office) find(name string) (usersync.User, error) {
	found, err := o.store.FindUsers(context.Background(), "userName", []string{usersync.Fold(name)})
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("%d users are called %s", len(found), name)
	}
	if err != nil {
		return usersync.User{}, err
	}
	return found[0], nil
}

// edit changes a user behind the engine's back.
func (o *office) edit(name, line string) {
	o.t.Helper()
	u, next := o.user(name), officeUser(line)
	u.Active, u.Values = next.Active, u.Values.With(next.Values)
	o.store.Put(u)
}

// everybody shows all users, with the fields in which they differ from what follows from their name.
func (o *office) everybody() []string {
	var out []string
	for _, u := range o.store.Users() {
		out = append(out, showUser(u))
	}
	return out
}

func showUser(u usersync.User) string {
	line := u.Values.Get("userName")
	usual := officeFields(line)
	for _, c := range officeColumns {
		if v := u.Values.Get(c); v != usual[c] {
			line += " " + c + "=" + v
		}
	}
	if !u.Active {
		line += " active=false"
	}
	return line
}

func (o *office) preview(rows ...string) *usersync.Plan {
	o.t.Helper()
	plan, err := o.eng.Preview(context.Background(), o.cfg, officeFile(rows...))
	require.NoError(o.t, err)
	return plan
}

// apply applies a plan that has to succeed.
func (o *office) apply(plan *usersync.Plan, opts ...usersync.ApplyOption) *usersync.Run {
	o.t.Helper()
	run, err := o.eng.Apply(context.Background(), plan, opts...)
	require.NoError(o.t, err)
	require.Equal(o.t, usersync.RunSucceeded, run.Status())
	return run
}

// refused applies a plan that has to be refused before the first write, and gives the error.
func (o *office) refused(plan *usersync.Plan, opts ...usersync.ApplyOption) error {
	o.t.Helper()
	before, base, calls := o.everybody(), o.baseline(), len(o.spy.written())
	run, err := o.eng.Apply(context.Background(), plan, opts...)
	require.Error(o.t, err)
	require.Nil(o.t, run)
	require.Len(o.t, o.spy.written(), calls, "nothing is written")
	require.Equal(o.t, before, o.everybody())
	require.Equal(o.t, base, o.baseline())
	require.Empty(o.t, o.mailer.Sent())
	return err
}

// partial applies a plan whose run has to end early, and gives the run and why it ended.
func (o *office) partial(plan *usersync.Plan, opts ...usersync.ApplyOption) (*usersync.Run, error) {
	o.t.Helper()
	base := o.baseline()
	run, err := o.eng.Apply(context.Background(), plan, opts...)
	var ended *usersync.PartialError
	require.ErrorAs(o.t, err, &ended)
	require.Same(o.t, run, ended.Run)
	require.Equal(o.t, err, run.Err())
	require.NotEqual(o.t, usersync.RunSucceeded, run.Status())
	require.Equal(o.t, base, o.baseline(), "the baseline is the old one") // A7
	return run, ended.Err
}

// outcome shows the rows of a run, each as "name state code…" with the codes of errors and warnings.
func outcome(run *usersync.Run) []string {
	var out []string
	for row := range run.Rows() {
		line := fmt.Sprintf("%s %s", row.Name, row.State)
		for _, r := range row.Reasons {
			if r.Level != usersync.LevelNote {
				line += " " + string(r.Code)
			}
		}
		out = append(out, line)
	}
	return out
}

func runRow(t *testing.T, run *usersync.Run, name string) usersync.RunRow {
	t.Helper()
	for row := range run.Rows() {
		if row.Name == name {
			return row
		}
	}
	require.Fail(t, "there is no row of "+name)
	return usersync.RunRow{}
}

// officeSpy records what goes through a store and lets it misbehave. It may be used concurrently once it
// is set up.
type officeSpy struct {
	store       *memory.Store
	versionless bool                                                // the store has no versions
	before      func(call int, changes []usersync.Change)           // before the call-th write, from 1
	after       func(call int)                                      // after it
	refuse      func(usersync.Change) error                         // a change's own failure
	answer      func([]usersync.Outcome) []usersync.Outcome         // what comes back of a write
	found       func(field string, u []usersync.User)               // changes what comes back of a look-up
	fail        func(field string, changes []usersync.Change) error // of a call as a whole; field of a look-up

	mu      sync.Mutex
	looks   []officeLook
	changes [][]usersync.Change
}

type officeLook struct {
	field  string
	values []string
}

func (s *officeSpy) FindUsers(ctx context.Context, field string, values []string) ([]usersync.User, error) {
	s.mu.Lock()
	s.looks = append(s.looks, officeLook{field, slices.Clone(values)})
	s.mu.Unlock()
	if s.fail != nil {
		if err := s.fail(field, nil); err != nil {
			return nil, err
		}
	}
	users, err := s.store.FindUsers(ctx, field, values)
	for i := range users {
		if s.versionless {
			users[i].Version = ""
		}
	}
	if s.found != nil {
		s.found(field, users)
	}
	return users, err
}

func (s *officeSpy) WriteUsers(ctx context.Context, changes []usersync.Change) ([]usersync.Outcome, error) {
	s.mu.Lock()
	s.changes = append(s.changes, slices.Clone(changes))
	call := len(s.changes)
	s.mu.Unlock()
	if s.before != nil {
		s.before(call, changes)
	}
	if s.fail != nil {
		if err := s.fail("", changes); err != nil {
			return nil, err
		}
	}
	out := make([]usersync.Outcome, len(changes))
	for i, c := range changes {
		if s.refuse != nil {
			if out[i].Err = s.refuse(c); out[i].Err != nil {
				continue
			}
		}
		one, err := s.store.WriteUsers(ctx, []usersync.Change{c})
		if err != nil {
			return nil, err
		}
		if out[i] = one[0]; s.versionless {
			out[i].Version = ""
		}
	}
	if s.after != nil {
		s.after(call)
	}
	if s.answer != nil {
		out = s.answer(out)
	}
	return out, nil
}

// written are the batches so far.
func (s *officeSpy) written() [][]usersync.Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.changes)
}

// sequence shows the changes so far, in order, each as "operation key field=value…".
func (s *officeSpy) sequence() []string {
	var out []string
	for _, batch := range s.written() {
		for _, c := range batch {
			line := string(c.Op) + " " + c.Key
			for field, value := range c.Set.All() {
				line += " " + field + "=" + value
			}
			out = append(out, line)
		}
	}
	return out
}

// baseSpy records what is saved.
type baseSpy struct {
	*memory.Baselines
	mu    sync.Mutex
	saved int
	fail  error
}

func (b *baseSpy) Save(ctx context.Context, configID string, base usersync.Baseline) error {
	b.mu.Lock()
	b.saved++
	b.mu.Unlock()
	if b.fail != nil {
		return b.fail
	}
	return b.Baselines.Save(ctx, configID, base)
}

// refuses makes a store refuse the changes of those users.
func refuses(err error, names ...string) func(usersync.Change) error {
	return func(c usersync.Change) error {
		if slices.Contains(names, c.Key) {
			return err
		}
		return nil
	}
}

var errOffice = errors.New("the office is closed")

// mixed is an office with a file of every class: bert is updated, carl activated, dora created inactive,
// emil created and welcomed, fred is deactivated by his row, gina left the file, hans is unchanged.
func mixed(t *testing.T, opts ...usersync.Option) (*office, []string) {
	o := newOffice(t, []string{"bert", "carl active=false", "fred", "gina", "hans"}, opts...)
	o.had("bert", "fred", "gina", "hans")
	o.cfg.WelcomeMail = true
	return o, []string{"bert title=Lead", "carl", "dora active=false", "emil", "fred active=false", "hans",
		"ines email=nonsense"}
}

var mixedAfter = []string{"bert title=Lead", "carl", "dora active=false", "emil", "fred active=false",
	"gina active=false", "hans"}

// What the preview shows is what Apply does.
func TestApply(t *testing.T) {
	clock := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	o, rows := mixed(t, usersync.WithClock(func() time.Time { return clock }))
	plan := o.preview(rows...)
	require.Empty(t, plan.Blocks())
	run := o.apply(plan)

	require.Equal(t, mixedAfter, o.everybody())
	require.Equal(t, []string{"bert done", "carl done", "dora done", "emil done", "fred done", "hans nothing",
		"ines nothing bad_email", "gina done"}, outcome(run))
	require.Equal(t, usersync.RunCounts{Created: 2, Updated: 3, Deactivated: 1, Skipped: 1, Errors: 1, Mails: 1},
		run.Counts())
	done, total := run.Progress()
	require.Equal(t, []int{6, 6}, []int{done, total})
	require.Equal(t, plan.ID, run.ID)
	require.Equal(t, o.cfg.ID, run.ConfigID)
	require.Equal(t, plan.Source, run.Source)
	require.Same(t, plan, run.Plan())
	require.Equal(t, clock, run.Started)
	require.Equal(t, clock, run.Finished())
	require.NoError(t, run.Err())
	require.Nil(t, run.NextConfig)
	require.Equal(t, o.user("emil").ID, runRow(t, run, "emil").UserID, "a created user has its id")
	require.Equal(t, run.ID, o.baseline().RunID)

	again := o.preview(rows...).Counts() // B9
	require.Equal(t, []int{6, 1}, []int{again.Skipped, again.Errors})
}

// A4
func TestApplyOnce(t *testing.T) {
	o, rows := mixed(t)
	plan := o.preview(rows...)
	first := o.apply(plan)
	written := len(o.spy.written())

	second, err := o.eng.Apply(context.Background(), plan, usersync.WithWelcomeMail(true))
	require.NoError(t, err)
	require.Same(t, first, second)
	require.Len(t, o.spy.written(), written)
	require.Equal(t, 1, o.bases.saved)
	require.Len(t, o.mailer.Sent(), 1)
}

// A4: a run that failed is not tried again either, and gives its error again.
func TestApplyOnceFailed(t *testing.T) {
	o, rows := mixed(t)
	o.spy.fail = func(_ string, changes []usersync.Change) error {
		if changes != nil {
			return errOffice
		}
		return nil
	}
	plan := o.preview(rows...)
	run, why := o.partial(plan)
	require.ErrorIs(t, why, errOffice)
	o.spy.fail = nil
	again, err := o.eng.Apply(context.Background(), plan)
	require.Same(t, run, again)
	require.Equal(t, run.Err(), err)
	require.Len(t, o.spy.written(), 1)
}

// A4
func TestApplyTogether(t *testing.T) {
	o, rows := mixed(t, usersync.WithBatchSize(2))
	plan := o.preview(rows...)
	runs, all := make([]*usersync.Run, 64), sync.WaitGroup{}
	for range 4 {
		all.Go(func() { readsAll(plan) })
	}
	for i := range runs {
		all.Go(func() {
			run, err := o.eng.Apply(context.Background(), plan)
			if err == nil {
				runs[i] = run
			}
		})
	}
	all.Wait()
	for _, run := range runs {
		require.NotNil(t, run)
		require.Same(t, runs[0], run)
	}
	require.Equal(t, 1, o.bases.saved)
	require.Len(t, o.mailer.Sent(), 1)
	require.Len(t, o.spy.sequence(), 6)
	require.Equal(t, mixedAfter, o.everybody())
}

// readsAll looks at everything that a plan shows.
func readsAll(plan *usersync.Plan) {
	for range 20 {
		plan.Counts()
		plan.Blocks()
		plan.Remembered()
		for range plan.Rows() {
		}
		for range plan.Conflicts() {
		}
	}
}

// held makes the office's store wait inside its first write until the returned function is called. It
// returns once the run is there.
func (o *office) held(plan *usersync.Plan) (finish func() *usersync.Run) {
	begun, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan *usersync.Run)
	o.spy.before = func(call int, _ []usersync.Change) {
		if call == 1 {
			close(begun)
			<-goOn
		}
	}
	go func() {
		run, _ := o.eng.Apply(context.Background(), plan)
		ended <- run
	}()
	<-begun
	return func() *usersync.Run {
		close(goOn)
		return <-ended
	}
}

// A4
func TestApplyTwoPlans(t *testing.T) {
	o, rows := mixed(t)
	first, second := o.preview(rows...), o.preview(rows...)
	other := o.cfg
	other.ID = "another"
	elsewhere, err := o.eng.Preview(context.Background(), other, officeFile("jana"))
	require.NoError(t, err)
	finish := o.held(first)

	_, err = o.eng.Apply(context.Background(), second)
	var busy *usersync.InProgressError
	require.ErrorAs(t, err, &busy)
	require.ErrorIs(t, err, usersync.ErrRunInProgress)
	_, err = o.eng.Apply(context.Background(), elsewhere)
	require.NoError(t, err, "another configuration runs at the same time")

	run := finish()
	require.NoError(t, run.Err())
	require.Equal(t, run.ID, busy.RunID)
	var stale *usersync.StaleError
	require.ErrorAs(t, o.refusedLater(second), &stale)
	require.True(t, stale.Baseline, "another run has succeeded")
}

// refusedLater is refused without looking at mails, for plans that come after a run.
func (o *office) refusedLater(plan *usersync.Plan) error {
	o.t.Helper()
	calls := len(o.spy.written())
	run, err := o.eng.Apply(context.Background(), plan)
	require.Nil(o.t, run)
	require.Len(o.t, o.spy.written(), calls)
	return err
}

// A4: who waits for a plan that is being applied stops waiting when the context ends.
func TestApplyWaits(t *testing.T) {
	o, rows := mixed(t)
	plan := o.preview(rows...)
	finish := o.held(plan)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
	defer cancel()
	run, err := o.eng.Apply(ctx, plan)
	require.Nil(t, run)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, finish().Err(), "the run goes on")
}

// A4: a plan that a check refused is as good as before.
func TestApplyRefusedPlanLater(t *testing.T) {
	limit := 0
	o := newOffice(t, nil)
	o.eng = o.engine(usersync.WithLicense(memory.SeatsFunc(func(context.Context) (usersync.Seats, error) {
		return usersync.Seats{Limit: limit}, nil
	})))
	o.cfg.Rules = map[string]usersync.Rule{"title": {Strategy: usersync.AskAtRuntime}}
	plan := o.preview("anna")
	require.ErrorIs(t, o.refused(plan), usersync.ErrSeats)
	limit = 1
	require.NoError(t, plan.Resolve(usersync.Decision{Choice: usersync.TakeFile}))
	o.apply(plan)

	err := plan.Resolve(usersync.Decision{Choice: usersync.KeepCurrent}) // A4: decided is decided
	require.ErrorIs(t, err, usersync.ErrInvalid)
}

// K4: what decides a plan cannot change while it is being applied.
func TestResolveDuringApply(t *testing.T) {
	o := newOffice(t, []string{"anna title=Dev", "bert"})
	o.cfg.Rules = map[string]usersync.Rule{"title": {Strategy: usersync.AskAtRuntime}}
	plan := o.preview("anna title=Lead", "bert title=Lead")
	require.NoError(t, plan.Resolve(usersync.Decision{Choice: usersync.TakeFile}))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { _ = plan.Resolve(usersync.Decision{Choice: usersync.KeepCurrent}) })
	}
	run, err := o.eng.Apply(context.Background(), plan)
	wg.Wait()
	require.NoError(t, err)
	for row := range run.Rows() {
		for _, c := range row.Changes {
			require.Equal(t, !c.Kept, o.user(row.Name).Values.Get("title") == "Lead", "what the plan shows is what happens")
		}
	}
}

// K4
func TestApplyUnresolved(t *testing.T) {
	o := newOffice(t, []string{"anna title=Dev", "bert title=Dev", "carl title=Dev"})
	o.cfg.Rules = map[string]usersync.Rule{"title": {Strategy: usersync.AskAtRuntime}}
	plan := o.preview("anna title=Lead", "bert title=Lead", "carl")
	var open *usersync.UnresolvedError
	require.ErrorAs(t, o.refused(plan), &open)
	require.Equal(t, 2, open.Conflicts)
	require.Equal(t, []error{open}, plan.Blocks())

	require.NoError(t, plan.Resolve(usersync.Decision{Row: 2, Field: "title", Choice: usersync.TakeFile}))
	require.ErrorIs(t, o.refused(plan), usersync.ErrUnresolved)
	require.NoError(t, plan.Resolve(usersync.Decision{Row: 3, Field: "title", Choice: usersync.KeepCurrent, Remember: true}))
	run := o.apply(plan)
	require.Equal(t, []string{"anna title=Lead", "bert title=Dev", "carl title=Dev"}, o.everybody())
	require.Equal(t, usersync.KeepDestination, run.NextConfig.Rule("title").Strategy)
	require.Equal(t, o.cfg.Revision+1, run.NextConfig.Revision)
}

// K4: what was to be remembered is not, unless the run succeeds.
func TestApplyRemembersOnlySuccess(t *testing.T) {
	o := newOffice(t, []string{"anna title=Dev"})
	o.cfg.Rules = map[string]usersync.Rule{"title": {Strategy: usersync.AskAtRuntime}}
	plan := o.preview("anna title=Lead")
	require.NoError(t, plan.Resolve(usersync.Decision{Field: "title", Choice: usersync.TakeFile, Remember: true}))
	o.bases.fail = errOffice
	run, why := o.partial(plan)
	require.ErrorIs(t, why, errOffice)
	require.Nil(t, run.NextConfig)
}

// A6
func TestApplyRowsAreIndependent(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		code usersync.Code
		text string
	}{
		{"of its own", errOffice, usersync.CodeStoreError, errOffice.Error()},
		{"duplicate", fmt.Errorf("badge: %w", usersync.ErrDuplicate), usersync.CodeTaken, "badge"},
		{"gone", usersync.ErrNotFound, usersync.CodeGone, "no longer exists"},
		{"moved", usersync.ErrVersionConflict, usersync.CodeStale, "preview again"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, rows := mixed(t, usersync.WithBatchSize(2))
			o.spy.refuse = refuses(tt.err, "bert", "emil", "gina")
			run := o.apply(o.preview(rows...))
			require.Equal(t, usersync.RunCounts{Created: 1, Updated: 2, Failed: 3, Skipped: 1, Errors: 1}, run.Counts())
			for _, name := range []string{"bert", "emil", "gina"} {
				row := runRow(t, run, name)
				last := row.Reasons[len(row.Reasons)-1]
				require.Equal(t, usersync.StateFailed, row.State)
				require.Equal(t, tt.code, last.Code)
				require.Equal(t, usersync.LevelError, last.Level)
				require.Contains(t, last.Text(), tt.text)
			}
			require.Equal(t, []string{"bert", "carl", "dora active=false", "fred active=false", "gina", "hans"}, o.everybody())
		})
	}
}

// A6
func TestApplyStopOnError(t *testing.T) {
	o, rows := mixed(t, usersync.WithBatchSize(2))
	o.spy.refuse = refuses(errOffice, "bert")
	run, why := o.partial(o.preview(rows...), usersync.StopOnError())
	require.ErrorContains(t, why, "stop at the first error")
	require.Equal(t, usersync.RunFailed, run.Status())
	require.Equal(t, []string{"bert failed store_error", "carl done", "dora pending", "emil pending", "fred done",
		"hans nothing", "ines nothing bad_email", "gina done"}, outcome(run), "the batch is finished, the next is not begun")
	require.Equal(t, 2, run.Counts().Pending)
	require.Zero(t, o.bases.saved)
}

// A7, B4, B5
func TestApplyBaseline(t *testing.T) {
	o := newOffice(t, []string{"anna", "bert", "carl active=false", "dora", "emil", "fred", "gina", "hans"},
		usersync.WithProtected(func(_ context.Context, u usersync.User) (bool, error) {
			return u.Values.Get("userName") == "gina", nil
		}))
	o.cfg.InactiveUsers = usersync.Skip
	o.had("bert", "dora", "emil", "fred", "gina", "hans")
	require.NoError(t, o.bases.Baselines.Save(context.Background(), "contractors",
		usersync.Baseline{RunID: "x", Members: []usersync.Member{{UserID: o.user("hans").ID}}}))
	o.spy.refuse = refuses(errOffice, "emil", "kurt")
	run := o.apply(o.preview(
		"anna email=nonsense", // an error and no member before: not one now
		"bert email=nonsense", // an error and a member: stays
		"carl",                // skipped by a rule: a member
		"jana",                // created
		"kurt",                // not created
		"lena active=false",   // created inactive
	)) // dora left and is deactivated; emil's deactivation fails; gina is protected; hans is another file's

	require.Equal(t, run.ID, o.baseline().RunID)
	require.Equal(t, []string{"bert", "carl", "jana", "lena", "emil", "hans"}, o.members())
	for _, m := range o.baseline().Members {
		require.Equal(t, o.user(m.Name).ID, m.UserID)
	}
	require.Equal(t, []string{"emil"}, removedNames(o.preview("bert", "carl", "jana", "lena"), usersync.ClassDeactivated),
		"the next run tries again")
}

// removedNames are the users of a class who left the file.
func removedNames(plan *usersync.Plan, class usersync.Class) []string {
	var out []string
	for row := range plan.RowsOf(class) {
		if row.Number == 0 {
			out = append(out, row.Name)
		}
	}
	return out
}

// B5, A7: a row that may be anyone keeps everybody, and so do two rows with one key and a row that may be
// several users.
func TestApplyBaselineHeld(t *testing.T) {
	o := newOffice(t, []string{"anna", "bert", "carl", "dora"})
	o.store.Put(officeUser("carl email=other@example.com")) // a second carl
	o.had("anna", "bert")
	base := o.baseline()
	base.Members = append(base.Members, usersync.Member{UserID: "u3", Name: "carl"}, usersync.Member{UserID: "u4", Name: "dora"})
	require.NoError(t, o.bases.Baselines.Save(context.Background(), o.cfg.ID, base))
	rows := []string{"anna", "anna", "carl", "x userName="}
	o.apply(o.preview(rows...))
	require.ElementsMatch(t, []string{"anna", "bert", "carl", "dora"}, o.members())
	require.True(t, o.user("bert").Active)

	rows[3] = "jana"
	o.apply(o.preview(rows...))
	require.ElementsMatch(t, []string{"anna", "jana", "carl"}, o.members())
	require.False(t, o.user("bert").Active)
}

// B4: whom nothing is done about leaves the baseline as well.
func TestApplyBaselineNoAction(t *testing.T) {
	for _, behaviour := range []usersync.Behaviour{usersync.NoAction, usersync.Ignore} {
		o := newOffice(t, []string{"anna", "bert"})
		o.had("anna", "bert")
		o.cfg.RemovedUsers = behaviour
		o.apply(o.preview("anna"))
		require.Equal(t, []string{"anna"}, o.members())
		require.True(t, o.user("bert").Active)
	}
}

// authority is an authorizer that refuses some and notes what it was asked.
type authority struct {
	refuse map[string]bool // "actor field user"
	asked  []string
}

func (a *authority) ask(_ context.Context, by usersync.Actor, u usersync.User, field string) error {
	what := fmt.Sprintf("%s %s %s", by.Name, field, u.Values.Get("userName"))
	a.asked = append(a.asked, what)
	if a.refuse[what] {
		return errors.New("ask the works council")
	}
	return nil
}

// A11
func TestApplyAuthorizer(t *testing.T) {
	root, boss := usersync.Actor{UserID: "0", Name: "root"}, usersync.Actor{UserID: "1", Name: "boss"}
	a := &authority{refuse: map[string]bool{
		"root title bert": true, "root active gina": true, // at the preview
		"boss title carl": true, "boss active fred": true, "boss cField2 ": true, // before the run
	}}
	o := newOffice(t, []string{"anna", "bert", "carl", "fred", "gina", "hans"}, usersync.WithAuthorizer(a.ask))
	o.had("anna", "bert", "carl", "fred", "gina", "hans")
	plan, err := o.eng.Preview(context.Background(), o.cfg, officeFile("anna title=Lead", "bert title=Lead",
		"carl title=Lead", "jana", "kurt cField2=x"), usersync.By(root))
	require.NoError(t, err)
	for row := range plan.RowsOf(usersync.ClassError) {
		require.Contains(t, []string{"bert", "gina"}, row.Name)
		require.Equal(t, usersync.CodeNotAllowed, row.Reasons[0].Code)
		require.Contains(t, row.Reasons[0].Text(), "ask the works council")
	}
	require.Equal(t, 2, plan.Counts().Errors)

	a.asked = nil
	run := o.apply(plan, usersync.By(boss))
	require.Equal(t, []string{"anna done", "bert nothing not_allowed", "carl failed not_allowed", "jana done",
		"kurt failed not_allowed", "fred failed not_allowed", "gina nothing not_allowed", "hans done"}, outcome(run))
	require.Equal(t, boss, run.Actor, "who did it is on record")
	require.Equal(t, root, plan.Actor)
	require.Contains(t, a.asked, "boss title anna")
	require.Contains(t, a.asked, "boss email ", "a user to be created is the zero User")
	require.NotContains(t, strings.Join(a.asked, ","), "bert", "an error is not asked about again")
	require.Equal(t, []string{"anna title=Lead", "bert", "carl", "fred", "gina", "hans active=false", "jana"}, o.everybody())
	require.Equal(t, []string{"anna", "bert", "carl", "jana", "fred", "gina"}, o.members())
}

// A11: without a status field the product is asked about deactivations as well, both times.
func TestApplyAuthorizerWithoutStatus(t *testing.T) {
	a := &authority{refuse: map[string]bool{"  bert": true}}
	s := usersync.DefaultSchema()
	s.Status = ""
	o := newOffice(t, []string{"anna", "bert", "carl"}, usersync.WithAuthorizer(a.ask), usersync.WithSchema(s))
	o.had("anna", "bert", "carl")
	plan := o.preview("anna")
	a.refuse["  carl"] = true
	run := o.apply(plan)
	require.Equal(t, []string{"anna nothing", "bert nothing not_allowed", "carl failed not_allowed"}, outcome(run))
}

// A11: the hook is asked about the user as it is now, and about nobody who is left out already.
func TestApplyAuthorizerSkipsStale(t *testing.T) {
	a := &authority{}
	asked := []string{}
	o := newOffice(t, []string{"anna", "bert", "carl"}, usersync.WithAuthorizer(a.ask),
		usersync.WithProtected(func(_ context.Context, u usersync.User) (bool, error) {
			asked = append(asked, u.Values.Get("userName"))
			return false, nil
		}))
	o.had("anna", "bert", "carl")
	plan := o.preview("anna title=Lead")
	o.edit("anna", "anna locale=de")
	o.edit("bert", "bert locale=de")
	a.asked, asked = nil, []string{}
	run := o.apply(plan, usersync.SkipStale())
	require.Equal(t, []string{"anna failed stale", "bert failed stale", "carl done"}, outcome(run))
	require.Equal(t, []string{" active carl"}, a.asked)
	require.Equal(t, []string{"carl"}, asked)
}

// B6: the acting user is never deactivated, be it the one of the preview or of the run.
func TestApplyActingUser(t *testing.T) {
	for _, row := range []string{"", "bert active=false"} {
		o := newOffice(t, []string{"anna", "bert"})
		o.had("anna", "bert")
		rows := slices.DeleteFunc([]string{"anna", row}, func(s string) bool { return s == "" })
		by := usersync.By(usersync.Actor{UserID: o.user("bert").ID, Name: "Bert"})
		plan, err := o.eng.Preview(context.Background(), o.cfg, officeFile(rows...), by)
		require.NoError(t, err)
		require.Zero(t, plan.Counts().Deactivations)

		run := o.apply(o.preview(rows...), by)
		require.Equal(t, []string{"anna nothing", "bert failed protected"}, outcome(run))
		require.Equal(t, "Bert", run.Actor.Name)
		require.True(t, o.user("bert").Active)
		require.Equal(t, []string{"anna", "bert"}, o.members())
	}
}

// B6: the hook is asked once more just before, about the user as it is then.
func TestApplyProtectedSince(t *testing.T) {
	protected := ""
	o := newOffice(t, []string{"anna", "bert", "carl"},
		usersync.WithProtected(func(_ context.Context, u usersync.User) (bool, error) {
			return u.Values.Get("userName") == protected, nil
		}))
	o.had("anna", "bert", "carl")
	plan := o.preview("anna")
	require.Equal(t, 2, plan.Counts().Deactivations)
	protected = "bert"
	run := o.apply(plan)
	require.Equal(t, []string{"anna nothing", "bert failed protected", "carl done"}, outcome(run))
	require.Equal(t, []string{"anna", "bert"}, o.members())
}

// B6: an error of the hook ends the preview, or refuses the run.
func TestApplyHookFails(t *testing.T) {
	var fails error
	o := newOffice(t, []string{"anna", "bert"},
		usersync.WithProtected(func(context.Context, usersync.User) (bool, error) { return false, fails }))
	o.had("anna", "bert")
	plan := o.preview("anna")
	fails = errOffice
	require.ErrorIs(t, o.refused(plan), errOffice)
	_, err := o.eng.Preview(context.Background(), o.cfg, officeFile("anna"))
	require.ErrorIs(t, err, errOffice)
	fails = nil
	o.apply(plan)
}

func TestApplyForeignPlan(t *testing.T) {
	o := newOffice(t, nil)
	for _, plan := range []*usersync.Plan{nil, {}} {
		_, err := o.eng.Apply(context.Background(), plan)
		require.ErrorIs(t, err, usersync.ErrInvalid)
	}
}

// A plan of a Previewer can be applied by an engine, and its fields are those that it was made with.
func TestApplyPlanOfPreviewer(t *testing.T) {
	o := newOffice(t, []string{"anna"})
	short := usersync.Schema{Key: "userName", Fields: []usersync.Field{
		{Name: "title"}, {Name: "userName"}, {Name: "cField2"}}}
	p, err := usersync.NewPreviewer(o.store, o.store.Baselines(), usersync.WithSchema(short))
	require.NoError(t, err)
	plan, err := p.Preview(context.Background(), o.cfg, officeFile("anna title=Lead cField2=x"))
	require.NoError(t, err)
	o.apply(plan)
	require.Equal(t, []string{"anna title=Lead cField2=x"}, o.everybody())
}

func TestApplyProgress(t *testing.T) {
	var told []usersync.Progress
	o, rows := mixed(t, usersync.WithBatchSize(2),
		usersync.WithProgress(func(p usersync.Progress) { told = append(told, p) }))
	rows = append(rows, "jana manager=emil", "bill manager=emil", "hans manager=emil")
	rows = slices.Delete(rows, 5, 6) // hans now has a manager
	plan := o.preview(rows...)
	for _, p := range told {
		require.Empty(t, p.RunID)
		require.Equal(t, plan.ID, p.PlanID)
	}
	require.Equal(t, []usersync.Stage{usersync.StageRead, usersync.StageCheck}, stagesOf(told))

	told = nil
	run := o.apply(plan)
	require.Equal(t, []usersync.Stage{usersync.StageVerify, usersync.StageDeactivate, usersync.StageUpdate,
		usersync.StageCreate, usersync.StageLink, usersync.StageMail, usersync.StageFinish}, stagesOf(told))
	last := map[usersync.Stage]usersync.Progress{}
	for _, p := range told {
		require.Equal(t, run.ID, p.RunID)
		require.Equal(t, plan.ID, p.PlanID)
		require.GreaterOrEqual(t, p.Done, last[p.Stage].Done)
		require.LessOrEqual(t, p.Done-last[p.Stage].Done, 2, "after every batch")
		last[p.Stage] = p
	}
	for stage, p := range last {
		require.Equal(t, p.Total, p.Done, stage)
	}
}

// stagesOf lists the stages in the order in which they were told, each once.
func stagesOf(told []usersync.Progress) []usersync.Stage {
	var out []usersync.Stage
	for _, p := range told {
		if !slices.Contains(out, p.Stage) {
			out = append(out, p.Stage)
		}
	}
	return out
}

// A stage without anything to do is told too: at least once a stage.
func TestApplyProgressOfNothing(t *testing.T) {
	var told []usersync.Progress
	o := newOffice(t, []string{"anna"}, usersync.WithProgress(func(p usersync.Progress) { told = append(told, p) }))
	plan := o.preview("anna")
	told = nil
	o.apply(plan)
	require.Equal(t, []usersync.Stage{usersync.StageVerify, usersync.StageDeactivate, usersync.StageUpdate,
		usersync.StageCreate, usersync.StageLink, usersync.StageFinish}, stagesOf(told))
}

func TestApplyProgressPanics(t *testing.T) {
	var log bytes.Buffer
	o, rows := mixed(t, usersync.WithProgress(func(usersync.Progress) { panic("no screen") }),
		usersync.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	o.apply(o.preview(rows...))
	require.Equal(t, mixedAfter, o.everybody())
	require.Contains(t, log.String(), "no screen")
}

// A10: whatever goes wrong, nothing of a user is logged at any level.
func TestApplyLogsNoValues(t *testing.T) {
	leak := errors.New("duplicate key (canary@example.com, Canary)")
	for _, tt := range []struct {
		name   string
		breaks func(*office)
		says   string
	}{
		{"nothing", func(*office) {}, `"error":""`},
		{"rows", func(o *office) { o.spy.refuse = func(usersync.Change) error { return leak } }, "succeeded"},
		{"the store", func(o *office) { o.spy.fail = onlyWrites(leak) }, `"stage":"deactivate"`},
		{"a panic", func(o *office) { o.spy.before = func(int, []usersync.Change) { panic(leak) } }, "UserStore.WriteUsers panicked"},
		{"an answer", func(o *office) { o.spy.answer = func([]usersync.Outcome) []usersync.Outcome { return nil } }, "not valid"},
		{"the mailer", func(o *office) { o.mailer.Fail("canary@example.com", leak) }, "succeeded"},
		{"baselines", func(o *office) { o.bases.fail = leak }, "an error of the product"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			o := newOffice(t, []string{"canary-old title=Canary"}, usersync.WithLogger(slog.New(slog.NewJSONHandler(&log,
				&slog.HandlerOptions{Level: slog.LevelDebug - 100}))))
			o.had("canary-old")
			o.cfg.WelcomeMail = true
			tt.breaks(o)
			plan := o.preview("canary title=Canary", "canary2 email=canary", "canary3 manager=canary2")
			run, _ := o.eng.Apply(context.Background(), plan)
			require.NotContains(t, strings.ToLower(log.String()), "canary")
			require.Contains(t, log.String(), run.ID)
			require.Contains(t, log.String(), string(run.Status()))
			require.Contains(t, log.String(), tt.says)
			require.NotContains(t, log.String(), `"level":"ERROR"`, "what ends a run is the caller's to judge")
		})
	}
}

// onlyWrites fails every write.
func onlyWrites(err error) func(string, []usersync.Change) error {
	return func(_ string, changes []usersync.Change) error {
		if changes == nil {
			return nil
		}
		return err
	}
}
