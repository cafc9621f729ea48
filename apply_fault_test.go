package usersync_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
	"github.com/usersync-go/usersync/usersynctest"
)

// postbox is a mailer that counts what it was asked to send.
type postbox struct {
	mu    sync.Mutex
	mails []usersync.Welcome
}

func (p *postbox) SendWelcome(ctx context.Context, w usersync.Welcome) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	p.mails = append(p.mails, w)
	return nil
}

// everyFault is an office, with faults, whose file has everything: updates, an activation, deactivations
// of both sorts, one of which waits for a badge, creations over three levels, one of them inactive, links
// to created users, errors and mails. There is not one seat too many.
type everyFault struct {
	*office
	box  *postbox
	old  usersync.Baseline
	rows []string
}

var everyFaultUsers = []string{"anna", "bert cField1=1", "carl active=false", "dora cField1=2", "emil", "fred", "gina",
	"hans", "ines cField1=3", "jana active=false"}

func newEveryFault(t *testing.T, f *usersynctest.Faults) *everyFault {
	o := newOffice(t, everyFaultUsers)
	e := &everyFault{office: o, box: &postbox{}, rows: []string{
		"anna title=Lead manager=new3", "bert cField1=9", "carl title=Lead", "dora cField1=3 active=false title=Old",
		"emil active=false", "hans", "ines cField1=1", "jana active=false",
		"new1 manager=new2", "new2 manager=new3", "new3", "new4 active=false manager=hans", "new5", "new6 cField1=2",
		"bad1 email=nonsense", "new7 manager=nobody", "new8 manager=new1"}}
	o.cfg.WelcomeMail = true
	o.had("anna", "bert", "dora", "fred", "gina", "hans")
	e.old = o.baseline()
	o.eng = e.with(f)
	return e
}

// with makes an engine whose calls are counted, and one of which fails.
func (e *everyFault) with(f *usersynctest.Faults) *usersync.Engine {
	eng, err := usersync.New(f.Users(e.spy), f.Baselines(e.store.Baselines()), usersync.WithBatchSize(3),
		usersync.WithSchema(badges()), usersync.WithMailer(f.Mailer(e.box)),
		usersync.WithLicense(f.License(memory.NewSeats(e.store, 11))))
	require.NoError(e.t, err)
	return eng
}

var everyFaultAfter = []string{"anna title=Lead manager=new3", "bert cField1=9", "carl title=Lead",
	"dora title=Old cField1=3 active=false", "emil active=false", "fred active=false", "gina active=false",
	"hans", "ines cField1=1", "jana active=false", "new1 manager=new2", "new2 manager=new3",
	"new3", "new4 manager=hans active=false", "new5", "new6 cField1=2", "new8 manager=new1"}

// A5: whatever call fails, in whatever way, what the run says is true, and the same file once more brings
// everything to the planned end.
func TestApplyFaults(t *testing.T) {
	struck := map[string]int{}
	usersynctest.EachFault(t, func(t *testing.T, f *usersynctest.Faults) {
		newEveryFault(t, f).goesThrough(f)
		struck[f.Struck()]++
	})
	delete(struck, "")
	total := 0
	for _, n := range struck {
		total += n
	}
	require.Len(t, struck, 7, "every method was made to fail")
	t.Logf("%d calls were made to fail: %v", total, struck)
}

// A5: the same of a store without versions, which cannot tell whether its answer was lost before.
func TestApplyFaultsWithoutVersions(t *testing.T) {
	usersynctest.EachFault(t, func(t *testing.T, f *usersynctest.Faults) {
		e := newEveryFault(t, f)
		e.spy.versionless = true
		e.goesThrough(f)
	}, usersynctest.ErrorHalfway, usersynctest.ErrorAfter)
}

// goesThrough previews and applies, whatever fails, and recovers.
func (e *everyFault) goesThrough(f *usersynctest.Faults) {
	e.t.Helper()
	ctx := f.Context(context.Background())
	plan, err := e.eng.Preview(ctx, e.cfg, officeFile(e.rows...))
	if err != nil {
		require.Nil(e.t, plan)
		e.untouched(err)
	} else {
		e.applies(ctx, f, plan)
	}
	e.recovers()
}

// untouched shows that nothing was written, and why.
func (e *everyFault) untouched(err error) {
	e.t.Helper()
	require.True(e.t, errors.Is(err, usersynctest.ErrInjected) || errors.Is(err, context.Canceled), "%v", err)
	require.Empty(e.t, e.spy.written())
	require.Empty(e.t, e.box.mails)
	require.Equal(e.t, e.old, e.baseline())
}

func (e *everyFault) applies(ctx context.Context, f *usersynctest.Faults, plan *usersync.Plan) {
	e.t.Helper()
	run, err := e.eng.Apply(ctx, plan)
	var ended *usersync.PartialError
	switch {
	case err == nil:
		e.succeeded(run)
	case errors.As(err, &ended):
		e.ended(run, err, ended, f)
	default: // before the first write: the plan is as good as before
		require.Nil(e.t, run)
		e.untouched(err)
		run, err = e.eng.Apply(context.Background(), plan)
		require.NoError(e.t, err)
		e.succeeded(run)
	}
}

func (e *everyFault) succeeded(run *usersync.Run) {
	e.t.Helper()
	require.Equal(e.t, usersync.RunSucceeded, run.Status())
	require.Equal(e.t, everyFaultAfter, e.everybody())
	require.Empty(e.t, untrue(e.office, run))
	require.Equal(e.t, run.ID, e.baseline().RunID)
	require.Zero(e.t, run.Counts().Failed+run.Counts().Uncertain+run.Counts().Pending)
	require.Equal(e.t, 2, run.Counts().Errors)
}

// ended shows what is left of a run that a fault has ended.
func (e *everyFault) ended(run *usersync.Run, err error, ended *usersync.PartialError, f *usersynctest.Faults) {
	e.t.Helper()
	require.Same(e.t, run, ended.Run)
	require.Equal(e.t, err, run.Err())
	require.False(e.t, run.Finished().IsZero())
	want := usersync.RunFailed
	if errors.Is(err, context.Canceled) {
		want = usersync.RunCancelled
	} else {
		require.ErrorIs(e.t, err, usersynctest.ErrInjected)
	}
	require.Equal(e.t, want, run.Status())
	require.Empty(e.t, untrue(e.office, run))
	require.Zero(e.t, run.Counts().Failed, "the store refuses nothing")

	e.inDoubt(run.Counts().Uncertain, err, f)
	if b := e.baseline(); f.Struck() != "BaselineStore.Save" {
		require.Equal(e.t, e.old, b) // A7
	} else {
		require.Contains(e.t, []string{e.old.RunID, run.ID}, b.RunID, "the old or the new one")
	}
	again, same := e.eng.Apply(context.Background(), ended.Run.Plan())
	require.Same(e.t, run, again) // A4
	require.Equal(e.t, err, same)
}

// inDoubt shows that of nothing but the batch whose answer is lost it is not known whether it was written.
func (e *everyFault) inDoubt(n int, err error, f *usersynctest.Faults) {
	e.t.Helper()
	switch lost := f.Struck() == "UserStore.WriteUsers"; {
	case lost && errors.Is(err, usersynctest.ErrInjected):
		require.Contains(e.t, []int{1, 2, 3}, n)
	case lost: // cancelled, before the answer or after it
		require.LessOrEqual(e.t, n, 3)
	default:
		require.Zero(e.t, n)
	}
}

// recovers shows that the same file brings everybody to the planned end, and that nobody is lost, doubled
// or welcomed twice.
func (e *everyFault) recovers() {
	e.t.Helper()
	e.eng = e.with(usersynctest.FailNth(0, ""))
	run := e.apply(e.preview(e.rows...))
	e.succeeded(run)
	again := e.preview(e.rows...).Counts()
	require.Zero(e.t, again.New+again.Updated+again.Deactivated) // B9
	var members []string
	for _, row := range e.rows {
		members = append(members, strings.Fields(row)[0])
	}
	members = slices.DeleteFunc(members, func(s string) bool { return s == "bad1" || s == "new7" })
	require.Equal(e.t, members, e.members())
	welcomed := map[string]int{}
	for _, m := range e.box.mails {
		welcomed[m.Email]++
		require.Equal(e.t, 1, welcomed[m.Email], m.Email)
		require.Contains(e.t, m.Email, "new", "only those who were created")
	}
}

// A5: the context that ends at a call ends the preview, or the run, with its own error.
func TestApplyCancelled(t *testing.T) {
	usersynctest.EachFault(t, func(t *testing.T, f *usersynctest.Faults) {
		e := newEveryFault(t, usersynctest.FailNth(0, ""))
		plan := e.preview(e.rows...)
		eng := e.with(f)
		ctx := f.Context(context.Background())
		run, err := eng.Apply(ctx, plan)
		switch {
		case f.Struck() == "" || f.Struck() == "BaselineStore.Save" && err == nil: // it was saved before
			require.NoError(t, err)
		case run == nil:
			require.ErrorIs(t, err, context.Canceled)
			e.untouched(err)
		default:
			require.ErrorIs(t, err, context.Canceled)
			require.Equal(t, usersync.RunCancelled, run.Status())
			require.Equal(t, e.old, e.baseline())
			require.Empty(t, untrue(e.office, run))
		}
	}, usersynctest.CancelBefore, usersynctest.CancelHalfway, usersynctest.CancelAfter)
}

// A5: a deadline is a cancellation too, however the store says it.
func TestApplyDeadline(t *testing.T) {
	o, rows := mixed(t)
	plan := o.preview(rows...)
	ctx, cancel := context.WithTimeout(context.Background(), 0)
	cancel()
	_, err := o.eng.Apply(ctx, plan)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	expired, expire := context.WithCancel(context.Background())
	o.spy.before = func(int, []usersync.Change) { expire() }
	run, err := o.eng.Apply(expired, plan)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, usersync.RunCancelled, run.Status())
	var ended *usersync.PartialError
	require.ErrorAs(t, err, &ended)
}

// A5: a panic becomes an error that names the method, wherever it happens.
func TestPanicsAreNamed(t *testing.T) {
	called := map[string]bool{}
	usersynctest.EachFault(t, func(t *testing.T, f *usersynctest.Faults) {
		e := newEveryFault(t, f)
		plan, err := e.eng.Preview(context.Background(), e.cfg, officeFile(e.rows...))
		if err == nil {
			_, err = e.eng.Apply(context.Background(), plan)
		}
		if f.Struck() == "" {
			return
		}
		var p *usersync.PanicError
		require.ErrorAs(t, err, &p)
		require.ErrorIs(t, p, usersynctest.ErrInjected, "a panic with an error wraps it")
		_, method, _ := strings.Cut(f.Struck(), ".")
		require.True(t, strings.HasSuffix(p.Call, "."+method), p.Call)
		called[p.Call] = true
		require.Contains(t, string(p.Stack), "goroutine")
	}, usersynctest.PanicBefore)
	require.Equal(t, map[string]bool{"UserReader.FindUsers": true, "UserStore.WriteUsers": true, "BaselineReader.Load": true,
		"BaselineStore.Save": true, "BaselineSearcher.InOtherBaselines": true, "Mailer.SendWelcome": true,
		"LicenseChecker.Seats": true}, called)
}

// A5: so do panics of the hooks, with any value.
func TestPanicsOfHooks(t *testing.T) {
	for _, value := range []any{"text", errOffice, 7, nil} {
		bang := false
		boom := func() {
			if bang {
				panic(value)
			}
		}
		protects := newOffice(t, []string{"anna"}, usersync.WithProtected(func(context.Context, usersync.User) (bool, error) {
			boom()
			return false, nil
		}))
		allows := newOffice(t, []string{"anna"}, usersync.WithAuthorizer(
			func(context.Context, usersync.Actor, usersync.User, string) error {
				boom()
				return nil
			}))
		for call, o := range map[string]*office{"the protected hook": protects, "the authorizer": allows} {
			bang = false
			o.had("anna")
			plan := o.preview("bert")
			bang = true
			var p *usersync.PanicError
			require.ErrorAs(t, o.refused(plan), &p)
			require.Equal(t, call, p.Call)
			if value != nil {
				require.Equal(t, value, p.Value)
			}
			require.Equal(t, value == errOffice, errors.Is(p, errOffice))
			_, err := o.eng.Preview(context.Background(), o.cfg, officeFile("bert"))
			require.ErrorAs(t, err, &p)
			require.Equal(t, call, p.Call)
		}
	}
}

// A6: an answer that breaks the contract ends the run and names the method; of its batch nothing is known.
func TestBrokenOutcomes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func([]usersync.Outcome) []usersync.Outcome
		text   string
	}{
		{"none", func([]usersync.Outcome) []usersync.Outcome { return nil }, "returned 0 outcomes for 2 changes"},
		{"too few", func(out []usersync.Outcome) []usersync.Outcome { return out[1:] }, "returned 1 outcomes for 2 changes"},
		{"too many", func(out []usersync.Outcome) []usersync.Outcome { return append(out, out...) }, "returned 4 outcomes for 2 changes"},
		{"no id", func(out []usersync.Outcome) []usersync.Outcome { out[1].ID = ""; return out }, "returned an outcome without an id"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newOffice(t, nil)
			o.spy.answer = tt.answer
			run, why := o.partial(o.preview("anna", "bert"))
			require.ErrorIs(t, why, usersync.ErrInvalid)
			require.ErrorContains(t, why, "UserStore.WriteUsers returned ")
			require.ErrorContains(t, why, tt.text)
			require.Equal(t, []string{"anna uncertain unknown", "bert uncertain unknown"}, outcome(run))
			require.Equal(t, 2, run.Counts().Uncertain)
			done, total := run.Progress()
			require.Equal(t, []int{0, 2}, []int{done, total})
		})
	}
}

// An outcome without an id is in order where the change was refused.
func TestRefusedOutcomeNeedsNoID(t *testing.T) {
	o := newOffice(t, nil)
	o.spy.refuse = refuses(errOffice, "anna")
	require.Equal(t, []string{"anna failed store_error", "bert done"}, outcome(o.apply(o.preview("anna", "bert"))))
}

// A6: a user without an id ends the preview, refuses the plan, or ends the run.
func TestBrokenUsers(t *testing.T) {
	blank := func(_ string, u []usersync.User) {
		for i := range u {
			u[i].ID = ""
		}
	}
	const text = "UserReader.FindUsers returned a user without an id"
	o := newOffice(t, []string{"anna"})
	o.cfg.WelcomeMail = true
	plan := o.preview("anna title=Lead", "bert")
	o.spy.found = blank
	_, err := o.eng.Preview(context.Background(), o.cfg, officeFile("anna"))
	require.ErrorIs(t, err, usersync.ErrInvalid)
	require.ErrorContains(t, err, text)
	require.ErrorContains(t, o.refused(plan), text)

	o.spy.found = nil
	o.spy.after = func(int) { o.spy.found = blank }
	_, why := o.partial(plan)
	require.ErrorContains(t, why, text)
}

// Users whom nobody asked for change nothing.
func TestStrangersAreIgnored(t *testing.T) {
	o := newOffice(t, []string{"anna", "bert", "carl"})
	o.had("anna", "bert")
	stranger := officeUser("stranger")
	stranger.ID = "s"
	eng, err := usersync.New(addsUser{o.spy, stranger}, o.bases, usersync.WithMailer(o.mailer))
	require.NoError(t, err)
	o.eng, o.cfg.WelcomeMail = eng, true
	run := o.apply(o.preview("anna title=Lead", "dora"))
	require.Equal(t, []string{"anna done", "dora done", "bert done"}, outcome(run))
	require.Len(t, o.mailer.Sent(), 1)
}

// addsUser returns one user too many.
type addsUser struct {
	usersync.UserStore
	user usersync.User
}

func (a addsUser) FindUsers(ctx context.Context, field string, values []string) ([]usersync.User, error) {
	users, err := a.UserStore.FindUsers(ctx, field, values)
	return append(users, a.user), err
}
