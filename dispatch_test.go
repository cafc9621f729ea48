package usersync_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/usersynctest"
)

// soon is how long a test waits for what other goroutines do.
const soon = 20 * time.Second

// becomes waits until an import has a status.
func (b *bureau) becomes(id string, want usersync.ImportStatus) (imp usersync.Import) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		var err error
		imp, err = b.svc.Import(context.Background(), id)
		return err == nil && imp.Status == want
	}, soon, time.Millisecond, "import %s is not %s", id, want)
	return imp
}

// dispatching runs a dispatcher until stop is called, which waits for its end.
func dispatching(t *testing.T, svc *usersync.Service, o usersync.DispatchOptions) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		if err := svc.Dispatch(ctx, o); err != nil {
			t.Error(err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); all.Wait() })
	t.Cleanup(stop)
	return stop
}

// busy counts what is being written at once, by department.
type busy struct {
	usersync.UserStore
	mu      sync.Mutex
	now     map[string]int
	most    int // at once
	clashes int // of one configuration
	order   []string
}

func (s *busy) WriteUsers(ctx context.Context, changes []usersync.Change) ([]usersync.Outcome, error) {
	config, _, _ := strings.Cut(changes[0].Key, ".")
	s.mu.Lock()
	s.now[config]++
	if s.now[config] > 1 {
		s.clashes++
	}
	if now := s.now["x"] + s.now["y"] + s.now["z"]; now > s.most {
		s.most = now
	}
	s.order = append(s.order, changes[0].Key)
	s.mu.Unlock()
	runtime.Gosched()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.now[config]--
	}()
	return s.UserStore.WriteUsers(ctx, changes)
}

// I2, I5: two processes dispatch the imports of three configurations: each is imported once, those of a
// configuration one after the other as they were started, and no more at once than there are workers. What
// Dispatch has begun has ended when it returns.
func TestDispatch(t *testing.T) {
	b := newBureau(t)
	users := &busy{UserStore: b.store, now: map[string]int{}}
	service := func() *usersync.Service {
		svc, err := usersync.NewService(users, b.state.Stores(), usersync.WithSchema(badges()), usersync.WithClock(b.now))
		require.NoError(t, err)
		return svc
	}
	const each = 8
	one, two := service(), service()
	var ids []string
	start := func(svc *usersync.Service, n int) {
		for _, config := range []string{"x", "y", "z"} {
			b.ahead += time.Minute
			imp, err := svc.Start(t.Context(), config, officeFile(fmt.Sprintf("%s.%d", config, n)))
			require.NoError(t, err)
			ids = append(ids, imp.ID)
		}
	}
	for _, id := range []string{"x", "y", "z"} {
		cfg := usersync.DefaultConfig(id)
		cfg.ID = id
		_, err := one.CreateConfig(t.Context(), cfg)
		require.NoError(t, err)
	}
	for n := range each {
		start(one, n)
	}
	stopOne := dispatching(t, one, usersync.DispatchOptions{Workers: 1, Poll: 2 * time.Millisecond})
	stopTwo := dispatching(t, two, usersync.DispatchOptions{Workers: 1, Poll: 2 * time.Millisecond})
	for _, id := range ids {
		require.Equal(t, 1, b.becomes(id, usersync.ImportDone).Run.Created)
	}
	stopOne()
	stopTwo()
	require.Len(t, users.order, 3*each)
	require.LessOrEqual(t, users.most, 2)
	require.Zero(t, users.clashes)
	last := map[string]string{}
	for _, key := range users.order {
		config, n, _ := strings.Cut(key, ".")
		require.Greater(t, n, last[config])
		last[config] = n
	}
	require.Len(t, b.store.Users(), 3*each)
	runs, err := one.History(t.Context(), usersync.RunQuery{})
	require.NoError(t, err)
	require.Len(t, runs, 3*each)
	nothingRuns(t)
}

// nothingRuns ends the test if a goroutine of an import is left. One that has said so may still be on its
// way out.
func nothingRuns(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		stacks := make([]byte, 1<<20)
		all := string(stacks[:runtime.Stack(stacks, true)])
		return !strings.Contains(all, "usersync.(*importJob)") && !strings.Contains(all, "usersync.(*ledger)")
	}, soon, time.Millisecond)
}

// I5: what is started in the process of a dispatcher begins at once, what another process has started with
// the next look.
func TestDispatchWakes(t *testing.T) {
	b := newBureau(t)
	stop := dispatching(t, b.svc, usersync.DispatchOptions{Poll: time.Hour})
	b.done(b.becomes(b.begin(officeFile("anna"), usersync.ImportOptions{}).ID, usersync.ImportDone), usersync.RunCounts{Created: 1})
	imp := b.becomes(b.begin(officeFile("bert"), usersync.ImportOptions{Review: true}).ID, usersync.ImportIntervention)
	b.resumeImport(imp, usersync.ImportChoices{})
	b.becomes(imp.ID, usersync.ImportDone)
	stop()

	imp = b.begin(officeFile("carl"), usersync.ImportOptions{})
	other := b.service()
	dispatching(t, other, usersync.DispatchOptions{Poll: time.Millisecond})
	b.becomes(imp.ID, usersync.ImportDone)
	imp = b.begin(officeFile("dora"), usersync.ImportOptions{})
	b.becomes(imp.ID, usersync.ImportDone)
}

// I5: when a dispatcher ends, a run ends after its batch; the next dispatcher goes on with it.
func TestDispatchEnds(t *testing.T) {
	b := newBureau(t, "anna")
	users := &listeningUsers{UserStore: b.store}
	svc, err := usersync.NewService(users, b.state.Stores(), usersync.WithSchema(badges()), usersync.WithClock(b.now), usersync.WithBatchSize(2))
	require.NoError(t, err)
	writing := make(chan struct{})
	users.write = func(ctx context.Context, n int) {
		if n == 2 {
			close(writing)
			<-ctx.Done()
		}
	}
	imp := b.begin(officeFile("anna locale=fr", "bert", "carl", "dora", "emil"), usersync.ImportOptions{})
	stop := dispatching(t, svc, usersync.DispatchOptions{Poll: time.Millisecond})
	<-writing
	now, err := b.svc.Import(t.Context(), imp.ID)
	require.NoError(t, err)
	require.Equal(t, usersync.ImportApplying, now.Status)
	progress, err := b.svc.ImportProgress(t.Context(), imp.ID)
	require.NoError(t, err)
	require.Equal(t, usersync.ImportProgress{Status: usersync.ImportApplying, Done: 1, Total: 5}, progress)
	_, err = b.svc.RunImport(t.Context(), imp.ID)
	require.ErrorIs(t, err, usersync.ErrRunInProgress)
	stop()
	nothingRuns(t)
	now, err = b.svc.Import(t.Context(), imp.ID)
	require.NoError(t, err)
	require.Equal(t, usersync.ImportQueued, now.Status)
	require.Equal(t, "anna bert carl", b.names())
	dispatching(t, b.service(), usersync.DispatchOptions{Poll: time.Millisecond})
	b.done(b.becomes(imp.ID, usersync.ImportDone), usersync.RunCounts{Created: 4, Updated: 1})
	require.Equal(t, "anna bert carl dora emil", b.names())
}

// I5: while another run of the configuration is under way an import waits, and others are worked off meanwhile.
func TestImportWaits(t *testing.T) {
	b := newBureau(t, "anna")
	lease, err := b.state.Acquire(t.Context(), b.cfg.ID, "somebody's run", time.Hour)
	require.NoError(t, err)
	imp := b.begin(officeFile("anna", "bert"), usersync.ImportOptions{})
	waiting, err := b.svc.RunImport(t.Context(), imp.ID)
	var busy *usersync.InProgressError
	require.ErrorAs(t, err, &busy)
	require.Equal(t, "somebody's run", busy.RunID)
	require.Equal(t, usersync.ImportQueued, waiting.Status)
	require.NotEmpty(t, waiting.PlanID)

	other, err := b.svc.CreateConfig(t.Context(), usersync.DefaultConfig("other"))
	require.NoError(t, err)
	dispatching(t, b.svc, usersync.DispatchOptions{Workers: 1, Poll: time.Millisecond})
	free, err := b.svc.Start(t.Context(), other.ID, officeFile("carl"))
	require.NoError(t, err)
	b.becomes(free.ID, usersync.ImportDone)
	require.Equal(t, "anna carl", b.names())
	require.NoError(t, b.state.Release(t.Context(), lease))
	b.done(b.becomes(imp.ID, usersync.ImportDone), usersync.RunCounts{Created: 1, Skipped: 1})
}

// I2: how far a check has come is told here and, now and then, to other processes.
func TestImportProgress(t *testing.T) {
	b := newBureau(t, "anna")
	imp := b.begin(officeFile("anna", "bert", "carl", "dora"), usersync.ImportOptions{})
	var told []string
	var svc *usersync.Service
	svc = b.service(usersync.WithProgress(func(p usersync.Progress) {
		if p.Stage != usersync.StageRead {
			return
		}
		here, err := svc.ImportProgress(t.Context(), imp.ID)
		require.NoError(t, err)
		elsewhere, err := b.svc.ImportProgress(t.Context(), imp.ID)
		require.NoError(t, err)
		told = append(told, fmt.Sprint(here.Status, " ", here.Done, " ", elsewhere.Done))
		b.ahead += 3 * time.Second
	}))
	_, err := svc.RunImport(t.Context(), imp.ID)
	require.NoError(t, err)
	require.Equal(t, []string{"checking 2 0", "checking 4 4", "checking 4 4"}, told)
	after, err := b.svc.ImportProgress(t.Context(), imp.ID)
	require.NoError(t, err)
	require.Equal(t, usersync.ImportProgress{Status: usersync.ImportDone, Done: 3, Total: 3}, after)
}

// importer makes a service that imports, tries once, and of which one call fails.
func (c *company) importer(f *usersynctest.Faults) *usersync.Service {
	svc, err := usersync.NewService(f.Users(c.users), f.Stores(c.state.Stores()), usersync.WithSchema(badges()),
		usersync.WithMailer(f.Mailer(c.mailer())), usersync.WithBatchSize(50), usersync.WithClock(c.now),
		usersync.WithImportRetries(usersync.Retries{Tries: 1, First: 1, Longest: 1}))
	require.NoError(c.t, err)
	return svc
}

// imports works an import off, whatever fails: another process goes on, and a person with what has failed.
func (c *company) imports(f *usersynctest.Faults, n int) usersync.Import {
	c.t.Helper()
	calm := c.importer(usersynctest.FailNth(0, ""))
	imp, err := calm.Start(c.t.Context(), c.cfg.ID, companyFile(n), usersync.WithImportOptions(usersync.ImportOptions{SkipBadRows: true}))
	require.NoError(c.t, err)
	_, err = c.importer(f).RunImport(f.Context(c.t.Context()), imp.ID)
	if err != nil {
		require.True(c.t, errors.Is(err, usersynctest.ErrInjected) || errors.Is(err, context.Canceled), "%v", err)
	}
	c.later.Add(1) // whatever lease was left has run out
	imp, err = calm.RunImport(c.t.Context(), imp.ID)
	for try := 0; err == nil && imp.Status != usersync.ImportDone; try++ {
		require.Less(c.t, try, 3, "%s %s %s", imp.Status, imp.Code, imp.Problem)
		imp, err = calm.ContinueImport(c.t.Context(), imp.ID, imp.Edition, usersync.ImportChoices{})
		require.NoError(c.t, err)
		imp, err = calm.RunImport(c.t.Context(), imp.ID)
	}
	require.NoError(c.t, err)
	return imp
}

// I5, A5: in an import of all classes every call of a store, the journal, the baseline and the mailer fails
// once, by an error, a panic and a cancellation, before it took effect and after. Whoever takes the import
// over brings it to its end: nobody is lost or doubled, there is one run, and nobody has a second mail.
func TestImportAfterFaults(t *testing.T) {
	const n = 40
	want := newCompany(t, n)
	clean := want.imports(usersynctest.FailNth(0, ""), n)
	after, base := want.everybody(), want.baseline()
	require.Equal(t, n/4, clean.Run.Created)
	require.Equal(t, n/40, clean.Run.Errors)
	struck := map[string]int{}
	usersynctest.EachFault(t, func(t *testing.T, f *usersynctest.Faults) {
		c := newCompany(t, n)
		imp := c.imports(f, n)
		struck[f.Struck()]++
		require.Equal(t, after, c.everybody())
		require.Equal(t, base, c.baseline())
		runs, err := c.state.Runs(t.Context(), usersync.RunQuery{})
		require.NoError(t, err)
		require.Len(t, runs, 1)
		require.Equal(t, runs[0].ID, imp.PlanID)
		require.Equal(t, runs[0].Counts, imp.Run)
		parts, err := c.state.ImportParts(t.Context(), imp.ID, 0, 1)
		require.NoError(t, err)
		require.Empty(t, parts)
		run, err := c.importer(usersynctest.FailNth(0, "")).Run(t.Context(), imp.PlanID)
		require.NoError(t, err)
		c.mailedOnce(run)
	}, usersynctest.ErrorBefore, usersynctest.ErrorAfter, usersynctest.PanicBefore, usersynctest.PanicAfter,
		usersynctest.CancelBefore, usersynctest.CancelAfter)
	for _, call := range []string{"ImportStore.SaveImport", "ImportStore.Imports", "ImportStore.ImportParts", "PlanStore.SavePlan",
		"LeaseStore.Acquire", "LeaseStore.Release", "UserStore.WriteUsers", "RunStore.FinishRun"} {
		require.GreaterOrEqual(t, struck[call], 6, call)
	}
}
