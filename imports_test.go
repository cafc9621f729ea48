package usersync_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

// begin starts an import.
func (b *bureau) begin(src usersync.Source, o usersync.ImportOptions, opts ...usersync.StartOption) usersync.Import {
	b.t.Helper()
	b.ahead += time.Minute // so that imports have an order
	imp, err := b.svc.Start(b.t.Context(), b.cfg.ID, src, append(opts, usersync.WithImportOptions(o))...)
	require.NoError(b.t, err)
	require.Equal(b.t, usersync.ImportQueued, imp.Status)
	return imp
}

// work works an import off, as another process would.
func (b *bureau) work(imp usersync.Import) usersync.Import {
	b.t.Helper()
	b.ahead += time.Minute
	imp, err := b.service().RunImport(b.t.Context(), imp.ID)
	require.NoError(b.t, err)
	return imp
}

func (b *bureau) resumeImport(imp usersync.Import, c usersync.ImportChoices) usersync.Import {
	b.t.Helper()
	imp, err := b.svc.ContinueImport(b.t.Context(), imp.ID, imp.Edition, c)
	require.NoError(b.t, err)
	require.Equal(b.t, usersync.ImportQueued, imp.Status)
	return imp
}

// stopped ends the test unless an import waits for a person, for that reason.
func (b *bureau) stopped(imp usersync.Import, code, problem string) {
	b.t.Helper()
	require.Equal(b.t, usersync.ImportIntervention, imp.Status, imp.Problem)
	require.Equal(b.t, code, imp.Code)
	require.Contains(b.t, imp.Problem, problem)
	require.NotContains(b.t, imp.Problem, "usersync:")
	require.Positive(b.t, imp.File.Parts)
}

// done ends the test unless an import is done and its upload gone.
func (b *bureau) done(imp usersync.Import, want usersync.RunCounts) {
	b.t.Helper()
	require.Equal(b.t, usersync.ImportDone, imp.Status, imp.Problem)
	require.Equal(b.t, want, imp.Run)
	require.Empty(b.t, imp.Code+imp.Problem)
	require.False(b.t, imp.Finished.IsZero())
	require.Zero(b.t, imp.Holder)
	b.withoutFile(imp)
}

func (b *bureau) withoutFile(imp usersync.Import) {
	b.t.Helper()
	parts, err := b.state.ImportParts(b.t.Context(), imp.ID, 0, 9)
	require.NoError(b.t, err)
	require.Empty(b.t, parts)
	require.Zero(b.t, imp.File.Parts)
}

// edit gives the first user another title, as the product itself does.
func (b *bureau) edit(title string) {
	u := b.store.Users()[0]
	u.Values.Set("title", title)
	b.store.Put(u)
}

func (b *bureau) names() string {
	var names []string
	for _, u := range b.store.Users() {
		names = append(names, u.Values.Get("userName"))
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// I1, I2: an upload is taken at once, checked and applied by whichever service works it off, and gone
// afterwards.
func TestImport(t *testing.T) {
	b := newBureau(t, "anna title=Cook")
	imp := b.begin(officeFile("anna locale=fr", "bert").WithName(`C:\files\staff.csv`), usersync.ImportOptions{},
		usersync.By(usersync.Actor{Name: "Olga"}), usersync.WithComment("the new ones"))
	require.Equal(t, "anna", b.names())
	require.Equal(t, "staff.csv csv 1", fmt.Sprint(imp.File.Name, " ", imp.File.Format, " ", imp.File.Parts))
	imp = b.work(imp)
	b.done(imp, usersync.RunCounts{Created: 1, Updated: 1})
	require.Equal(t, "anna bert", b.names())
	require.Equal(t, usersync.Counts{New: 1, Updated: 1, Rows: 2, SeatsNeeded: 1}, imp.Plan)
	run, err := b.svc.RunRecord(t.Context(), imp.PlanID)
	require.NoError(t, err)
	require.Equal(t, "Olga", run.Actor.Name)
	require.Equal(t, imp.File.SHA256, run.SHA256)
	again := b.work(imp)
	require.Equal(t, imp, again)

	imp, err = b.svc.CommentImport(t.Context(), imp.ID, "done on Monday")
	require.NoError(t, err)
	_, err = b.svc.CommentImport(t.Context(), imp.ID, strings.Repeat("ü", 4001))
	require.ErrorIs(t, err, usersync.ErrInvalid)
	all, err := b.svc.Imports(t.Context(), usersync.ImportQuery{})
	require.NoError(t, err)
	require.Equal(t, []usersync.Import{imp}, all)
	require.Equal(t, "done on Monday", all[0].Comment)
	require.Equal(t, b.cfg.Name, all[0].ConfigName)
}

// I1: what can be refused at once is.
func TestStartRefuses(t *testing.T) {
	b := newBureau(t, "anna")
	ctx := t.Context()
	good := func() usersync.Source { return officeFile("anna") }
	start := func(config string, src usersync.Source, opts ...usersync.StartOption) error {
		_, err := b.svc.Start(ctx, config, src, opts...)
		return err
	}
	require.ErrorIs(t, start("nobody's", good()), usersync.ErrNotFound)
	require.ErrorIs(t, start(b.cfg.ID, good(), usersync.WithImportOptions(usersync.ImportOptions{Notify: []string{"no address"}})), usersync.ErrInvalid)
	require.ErrorIs(t, start(b.cfg.ID, good(), usersync.WithComment("\xff")), usersync.ErrInvalid)
	require.ErrorIs(t, start(b.cfg.ID, usersync.Source{}), usersync.ErrInvalid)
	for code, src := range map[string]usersync.Source{
		"format_pdf":        usersync.CSV(strings.NewReader("%PDF-1.7 something")),
		"format_unexpected": usersync.XLSX(strings.NewReader("userName\nanna\n"), 14),
		"limit_bytes":       usersync.CSV(strings.NewReader(strings.Repeat("x", 3000))),
	} {
		small, err := b.service(usersync.WithLimits(usersync.Limits{Bytes: 2999})).Start(ctx, b.cfg.ID, src)
		var refused *usersync.FileError
		require.ErrorAs(t, err, &refused, code)
		require.Equal(t, code, refused.Code)
		require.Empty(t, small.ID)
	}
	_, err := b.svc.PauseConfig(ctx, b.cfg.ID)
	require.NoError(t, err)
	require.ErrorIs(t, start(b.cfg.ID, good()), usersync.ErrPaused)
	all, err := b.svc.Imports(ctx, usersync.ImportQuery{})
	require.NoError(t, err)
	require.Empty(t, all)

	stores := b.state.Stores()
	stores.Imports = nil
	without, err := usersync.NewService(b.spy, stores)
	require.NoError(t, err)
	_, err = without.Start(ctx, b.cfg.ID, good())
	require.ErrorContains(t, err, "stores.Imports")
	require.ErrorContains(t, without.Dispatch(ctx, usersync.DispatchOptions{}), "stores.Imports")
	_, err = without.Prune(ctx, b.now())
	require.NoError(t, err)
	require.ErrorIs(t, b.svc.Dispatch(ctx, usersync.DispatchOptions{Workers: -1}), usersync.ErrInvalid)
}

// I3: rows with errors stop an import, unless it was started with SkipBadRows; a person lets it go on
// without them.
func TestImportWithBadRows(t *testing.T) {
	b := newBureau(t, "anna")
	file := func() usersync.Source { return officeFile("anna", "bert", "carl email=nonsense") }
	imp := b.work(b.begin(file(), usersync.ImportOptions{}))
	b.stopped(imp, usersync.ImportBadRows, "1 of 3 rows have errors")
	require.Equal(t, "anna", b.names())
	var list strings.Builder
	require.NoError(t, b.svc.WriteErrors(t.Context(), imp.PlanID, &list))
	require.Equal(t, "Row 4: email: nonsense is not an email address such as name@example.com\n", list.String())

	_, err := b.svc.ContinueImport(t.Context(), imp.ID, imp.Edition-1, usersync.ImportChoices{})
	require.ErrorIs(t, err, usersync.ErrEdited)
	imp = b.work(b.resumeImport(imp, usersync.ImportChoices{By: usersync.Actor{Name: "Ivo"}}))
	b.done(imp, usersync.RunCounts{Created: 1, Skipped: 1, Errors: 1})
	run, err := b.svc.Run(t.Context(), imp.PlanID)
	require.NoError(t, err)
	require.Equal(t, "Ivo", run.Actor.Name)
	var after strings.Builder
	require.NoError(t, b.svc.WriteErrors(t.Context(), imp.PlanID, &after))
	require.Equal(t, list.String(), after.String())

	imp = b.work(b.begin(file(), usersync.ImportOptions{SkipBadRows: true}))
	b.done(imp, usersync.RunCounts{Skipped: 2, Errors: 1})
}

// I3: a file that was refused can be replaced, and what was agreed to about the old one does not count for
// the new one.
func TestReplaceFile(t *testing.T) {
	b := newBureau(t, "anna")
	imp := b.work(b.begin(usersync.CSV(strings.NewReader("name\nanna\n")).WithName("x.csv"), usersync.ImportOptions{}))
	b.stopped(imp, "header_missing", "x.csv")
	require.Empty(t, imp.PlanID)
	again := b.work(b.resumeImport(imp, usersync.ImportChoices{})) // the same file, perhaps of another configuration
	b.stopped(again, "header_missing", "x.csv")

	_, err := b.svc.ReplaceFile(t.Context(), imp.ID, usersync.CSV(strings.NewReader("%PDF-1.7")))
	require.ErrorIs(t, err, usersync.ErrRefused)
	imp, err = b.svc.ReplaceFile(t.Context(), imp.ID, officeFile("anna", "bert email=no").WithName("y.csv"))
	require.NoError(t, err)
	require.Equal(t, "queued y.csv", fmt.Sprint(imp.Status, " ", imp.File.Name))
	imp = b.work(imp)
	b.stopped(imp, usersync.ImportBadRows, "1 of 2")
	imp = b.resumeImport(imp, usersync.ImportChoices{})
	_, err = b.svc.ReplaceFile(t.Context(), imp.ID, officeFile("anna"))
	var state *usersync.ImportStateError
	require.ErrorAs(t, err, &state)
	require.Equal(t, usersync.ImportQueued, state.Status)
	b.done(b.work(imp), usersync.RunCounts{Skipped: 1, Errors: 1})

	imp = b.work(b.begin(officeFile("bert email=no"), usersync.ImportOptions{}))
	b.stopped(imp, usersync.ImportBadRows, "1 of 1")
	imp, err = b.svc.ReplaceFile(t.Context(), imp.ID, officeFile("anna", "bert"))
	require.NoError(t, err)
	b.done(b.work(imp), usersync.RunCounts{Created: 1, Skipped: 1})
}

// I3: conflicts, the guard and seats stop an import with the reason; it goes on once they are answered.
func TestImportWithBlocks(t *testing.T) {
	b := newBureau(t, "anna title=Cook", "bert", "carl", "dora", "emil", "fred", "gina", "hans")
	b.done(b.work(b.begin(officeFile("anna", "bert", "carl", "dora", "emil", "fred", "gina", "hans"), usersync.ImportOptions{})), usersync.RunCounts{Skipped: 8})
	imp := b.work(b.begin(officeFile("anna title=Chef", "bert"), usersync.ImportOptions{}))
	b.stopped(imp, usersync.ImportConflicts, "1 to decide")
	require.Contains(t, imp.Problem, "6 users would be deactivated")
	_, err := b.svc.ContinueImport(t.Context(), imp.ID, imp.Edition, usersync.ImportChoices{})
	require.ErrorIs(t, err, usersync.ErrUnresolved)
	_, err = b.svc.Decide(t.Context(), imp.PlanID, usersync.Decision{Choice: usersync.TakeFile})
	require.NoError(t, err)
	_, err = b.svc.ContinueImport(t.Context(), imp.ID, imp.Edition, usersync.ImportChoices{})
	require.ErrorIs(t, err, usersync.ErrGuard)
	five, six := 5, 6
	_, err = b.svc.ContinueImport(t.Context(), imp.ID, imp.Edition, usersync.ImportChoices{Confirmed: &five})
	require.ErrorIs(t, err, usersync.ErrGuard)
	unchanged, err := b.svc.Import(t.Context(), imp.ID)
	require.NoError(t, err)
	require.Equal(t, imp, unchanged)
	b.done(b.work(b.resumeImport(imp, usersync.ImportChoices{Confirmed: &six})), usersync.RunCounts{Updated: 1, Skipped: 1, Deactivated: 6})
}

// I3: an import that is started with Review waits until a person has looked at its plan.
func TestImportWithReview(t *testing.T) {
	b := newBureau(t, "anna")
	imp := b.work(b.begin(officeFile("anna", "bert"), usersync.ImportOptions{Review: true}))
	b.stopped(imp, usersync.ImportReview, "look at it")
	page, err := b.svc.Rows(t.Context(), imp.PlanID, usersync.RowQuery{})
	require.NoError(t, err)
	require.Len(t, page.Rows, 2)
	b.done(b.work(b.resumeImport(imp, usersync.ImportChoices{})), usersync.RunCounts{Created: 1, Skipped: 1})
}

// I4: a plan that is stale is made anew, once, without a person; and never applied where a person has seen
// another.
func TestStaleImport(t *testing.T) {
	b := newBureau(t, "anna title=Cook")
	imp := b.work(b.begin(officeFile("anna locale=fr", "bert"), usersync.ImportOptions{Review: true}))
	seen := imp.PlanID
	imp = b.resumeImport(imp, usersync.ImportChoices{})
	b.edit("Chef")
	imp = b.work(imp)
	b.stopped(imp, usersync.ImportMoved, "look at the new one")
	require.NotEqual(t, seen, imp.PlanID)
	require.Equal(t, "anna", b.names())
	b.done(b.work(b.resumeImport(imp, usersync.ImportChoices{})), usersync.RunCounts{Created: 1, Updated: 1})

	moved := func(times int) usersync.Import {
		imp := b.begin(officeFile(fmt.Sprint("anna cField2=x", times), "bert"), usersync.ImportOptions{})
		svc := b.service(usersync.WithProgress(func(p usersync.Progress) {
			if p.Stage == usersync.StageRead && times > 0 { // between the check and the run
				times--
				b.edit(fmt.Sprint(imp.ID, times))
			}
		}))
		imp, err := svc.RunImport(t.Context(), imp.ID)
		require.NoError(t, err)
		return imp
	}
	once := moved(1)
	b.done(once, usersync.RunCounts{Updated: 1, Skipped: 1})
	require.Equal(t, 1, once.Rechecks)
	often := moved(9)
	b.stopped(often, usersync.ImportMoved, "look at the new one")
	replaced, err := b.svc.ReplaceFile(t.Context(), often.ID, officeFile("anna locale=de", "bert"))
	require.NoError(t, err)
	b.done(b.work(replaced), usersync.RunCounts{Updated: 1, Skipped: 1}) // nothing was said about this file
}

// I2, I5: a worker that has lost its import to another stores nothing more about it.
func TestImportTakenOver(t *testing.T) {
	b := newBureau(t, "anna")
	imp := b.begin(officeFile("anna", "bert"), usersync.ImportOptions{})
	b.spy.before = func(int, []usersync.Change) {
		now, err := b.svc.Import(t.Context(), imp.ID)
		require.NoError(t, err)
		now.Edition, now.Holder = now.Edition+1, 99
		require.NoError(t, b.state.SaveImport(t.Context(), now, nil))
	}
	_, err := b.svc.RunImport(t.Context(), imp.ID)
	require.ErrorIs(t, err, usersync.ErrLeaseLost)
	b.spy.before = nil
	now, err := b.svc.Import(t.Context(), imp.ID)
	require.NoError(t, err)
	require.Equal(t, usersync.ImportApplying, now.Status)
	require.Equal(t, int64(99), now.Holder)
	b.done(b.work(now), usersync.RunCounts{Created: 1, Skipped: 1})
}

// I3: a configuration that is paused stops its imports until it is resumed and somebody lets them go on.
func TestPausedImport(t *testing.T) {
	b := newBureau(t, "anna")
	imp := b.begin(officeFile("anna", "bert"), usersync.ImportOptions{})
	review := b.work(b.begin(officeFile("anna", "carl"), usersync.ImportOptions{Review: true}))
	review = b.resumeImport(review, usersync.ImportChoices{})
	_, err := b.svc.PauseConfig(t.Context(), b.cfg.ID)
	require.NoError(t, err)
	imp, review = b.work(imp), b.work(review)
	b.stopped(imp, usersync.ImportPaused, "paused")
	b.stopped(review, usersync.ImportPaused, "paused")
	_, err = b.svc.ResumeConfig(t.Context(), b.cfg.ID)
	require.NoError(t, err)
	b.done(b.work(b.resumeImport(imp, usersync.ImportChoices{})), usersync.RunCounts{Created: 1, Skipped: 1})
	b.stopped(b.work(b.resumeImport(review, usersync.ImportChoices{})), usersync.ImportMoved, "look at the new one")
}

// brokenUsers fails as often as it is told, before it does anything.
type brokenUsers struct {
	usersync.UserStore
	left *int
	err  error
}

func (s brokenUsers) WriteUsers(ctx context.Context, changes []usersync.Change) ([]usersync.Outcome, error) {
	if *s.left > 0 {
		*s.left--
		return nil, s.err
	}
	return s.UserStore.WriteUsers(ctx, changes)
}

// I5: a store that fails is asked again; in the end the import has failed, and goes on where it ended.
func TestImportRetries(t *testing.T) {
	down := errors.New("the database is down")
	for _, w := range []struct {
		name   string
		fails  int
		err    error
		status usersync.ImportStatus
		left   int
	}{
		{"twice", 2, down, usersync.ImportDone, 0},
		{"again and again", 3, down, usersync.ImportFailed, 0},
		{"for good", 3, fmt.Errorf("%w: no such table", usersync.ErrInvalid), usersync.ImportFailed, 2},
	} {
		t.Run(w.name, func(t *testing.T) {
			b := newBureau(t, "anna")
			left := w.fails
			svc, err := usersync.NewService(brokenUsers{b.store, &left, w.err}, b.state.Stores(), usersync.WithSchema(badges()), usersync.WithBatchSize(2),
				usersync.WithClock(b.now), usersync.WithImportRetries(usersync.Retries{Tries: 3, First: 1, Longest: 1}))
			require.NoError(t, err)
			imp, err := svc.RunImport(t.Context(), b.begin(officeFile("anna locale=fr", "bert", "carl"), usersync.ImportOptions{}).ID)
			require.NoError(t, err)
			require.Equal(t, w.status, imp.Status, imp.Problem)
			require.Equal(t, w.left, left)
			if w.status == usersync.ImportFailed {
				require.Contains(t, imp.Problem, w.err.Error())
				require.Equal(t, map[bool]string{true: usersync.ImportInvalid, false: usersync.ImportError}[w.left > 0], imp.Code)
				imp = b.work(b.resumeImport(imp, usersync.ImportChoices{}))
			}
			b.done(imp, usersync.RunCounts{Created: 2, Updated: 1})
			require.Equal(t, "anna bert carl", b.names())
		})
	}
}

// listeningUsers tells when a batch is to be written, which it is in any case.
type listeningUsers struct {
	usersync.UserStore
	write func(ctx context.Context, n int)
	n     int
}

func (s *listeningUsers) WriteUsers(ctx context.Context, changes []usersync.Change) ([]usersync.Outcome, error) {
	s.n++
	s.write(ctx, s.n)
	return s.UserStore.WriteUsers(context.WithoutCancel(ctx), changes)
}

// I6: one that is being applied is cancelled after its batch, from here or from another process, and can be
// undone.
func TestCancelImport(t *testing.T) {
	for _, where := range []string{"here", "elsewhere"} {
		t.Run(where, func(t *testing.T) {
			b := newBureau(t, "anna")
			imp := b.begin(officeFile("anna locale=fr", "bert", "carl", "dora", "emil"), usersync.ImportOptions{})
			var svc *usersync.Service
			users := &listeningUsers{UserStore: b.store}
			svc, err := usersync.NewService(users, b.state.Stores(), usersync.WithSchema(badges()), usersync.WithClock(b.now),
				usersync.WithBatchSize(2), usersync.WithLeaseTime(100*time.Millisecond))
			require.NoError(t, err)
			users.write = func(ctx context.Context, n int) {
				if n != 2 {
					return
				}
				asked := svc
				if where == "elsewhere" {
					asked = b.svc
				}
				cancelling, err := asked.CancelImport(t.Context(), imp.ID)
				require.NoError(t, err)
				require.True(t, cancelling.Cancelling)
				require.Equal(t, usersync.ImportApplying, cancelling.Status)
				<-ctx.Done() // told in the same process at once, otherwise when the lease is renewed
			}
			imp, err = svc.RunImport(t.Context(), imp.ID)
			require.NoError(t, err)
			require.Equal(t, usersync.ImportCancelled, imp.Status)
			require.False(t, imp.Cancelling)
			b.withoutFile(imp)
			require.Equal(t, "anna bert carl", b.names()) // the batch that was being written, and no more
			require.Equal(t, usersync.RunCounts{Created: 2, Updated: 1, Pending: 2}, imp.Run)
			undo, err := b.svc.Undo(t.Context(), imp.PlanID)
			require.NoError(t, err)
			_, err = b.svc.Apply(t.Context(), undo.ID)
			require.NoError(t, err)
			for _, u := range b.store.Users() {
				require.Equal(t, u.Values.Get("userName") == "anna", u.Active)
			}
		})
	}
}

// I6: an import whose worker is gone is cancelled at once.
func TestCancelImportOfTheDead(t *testing.T) {
	b := newBureau(t, "anna")
	imp := b.begin(officeFile("anna", "bert"), usersync.ImportOptions{})
	imp.Edition, imp.Status, imp.Holder = 2, usersync.ImportChecking, 99
	require.NoError(t, b.state.SaveImport(t.Context(), imp, nil))
	imp, err := b.svc.CancelImport(t.Context(), imp.ID)
	require.NoError(t, err)
	require.Equal(t, usersync.ImportCancelled, imp.Status)
	b.withoutFile(imp)
	require.Equal(t, "anna", b.names())
}

// I2: what can be done with an import in each status; all else is refused and names the status.
func TestImportLifecycle(t *testing.T) {
	all := []usersync.ImportStatus{usersync.ImportQueued, usersync.ImportChecking, usersync.ImportIntervention,
		usersync.ImportApplying, usersync.ImportDone, usersync.ImportFailed, usersync.ImportCancelled}
	actions := []struct {
		name string
		do   func(b *bureau, imp usersync.Import) error
		ok   []usersync.ImportStatus
		then usersync.ImportStatus // "" for gone
	}{
		{"continue", func(b *bureau, imp usersync.Import) error {
			_, err := b.svc.ContinueImport(b.t.Context(), imp.ID, imp.Edition, usersync.ImportChoices{})
			return err
		}, []usersync.ImportStatus{usersync.ImportIntervention, usersync.ImportFailed}, usersync.ImportQueued},
		{"replace", func(b *bureau, imp usersync.Import) error {
			_, err := b.svc.ReplaceFile(b.t.Context(), imp.ID, officeFile("bert"))
			return err
		}, []usersync.ImportStatus{usersync.ImportIntervention, usersync.ImportFailed}, usersync.ImportQueued},
		{"cancel", func(b *bureau, imp usersync.Import) error {
			_, err := b.svc.CancelImport(b.t.Context(), imp.ID)
			return err
		}, all[:4], usersync.ImportCancelled},
		{"delete", func(b *bureau, imp usersync.Import) error { return b.svc.DeleteImport(b.t.Context(), imp.ID) },
			all[4:], ""},
		{"work", func(b *bureau, imp usersync.Import) error {
			_, err := b.svc.RunImport(b.t.Context(), imp.ID)
			return err
		}, []usersync.ImportStatus{usersync.ImportQueued, usersync.ImportChecking, usersync.ImportApplying}, usersync.ImportDone},
	}
	for _, status := range all {
		for _, a := range actions {
			t.Run(fmt.Sprint(a.name, " ", status), func(t *testing.T) {
				b := newBureau(t, "anna")
				imp := b.begin(officeFile("anna", "bert"), usersync.ImportOptions{})
				imp.Edition, imp.Status = 2, status
				require.NoError(t, b.state.SaveImport(t.Context(), imp, nil))
				err := a.do(b, imp)
				now, lookup := b.svc.Import(t.Context(), imp.ID)
				switch {
				case !slices.Contains(a.ok, status):
					require.NoError(t, lookup)
					require.Equal(t, status, now.Status)
					require.Equal(t, imp.Edition, now.Edition)
					if a.name != "work" { // there is just nothing to do
						var state *usersync.ImportStateError
						require.ErrorAs(t, err, &state)
						require.ErrorIs(t, err, usersync.ErrInvalid)
						require.Equal(t, status, state.Status)
						require.Regexp(t, "import "+imp.ID+" (is|was|has|requires) [a-z ]+ and cannot be ", err.Error())
					}
				case a.then == "":
					require.NoError(t, err)
					require.ErrorIs(t, lookup, usersync.ErrNotFound)
				default:
					require.NoError(t, err)
					require.Equal(t, a.then, now.Status)
				}
			})
		}
	}
}

// I2: of two people at once one wins.
func TestImportTwoPeople(t *testing.T) {
	b := newBureau(t, "anna")
	imp := b.work(b.begin(officeFile("anna", "bert email=no"), usersync.ImportOptions{}))
	errs := make([]error, 12)
	act := func(i int) (err error) {
		if i%2 == 0 {
			_, err = b.svc.ContinueImport(t.Context(), imp.ID, imp.Edition, usersync.ImportChoices{})
			return err
		}
		_, err = b.svc.ReplaceFile(t.Context(), imp.ID, officeFile("anna"))
		return err
	}
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { errs[i] = act(i) })
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		require.True(t, errors.Is(err, usersync.ErrEdited) || errors.Is(err, usersync.ErrInvalid), "%v", err)
	}
	require.Equal(t, 1, won)
}

// I7: imports that have ended go with Prune, all go with their configuration.
func TestPruneImports(t *testing.T) {
	b := newBureau(t, "anna")
	old := b.work(b.begin(officeFile("anna"), usersync.ImportOptions{}))
	waits := b.work(b.begin(officeFile("anna x=y", "anna"), usersync.ImportOptions{}))
	b.stopped(waits, usersync.ImportBadRows, "")
	queued := b.begin(officeFile("anna"), usersync.ImportOptions{})
	pruned, err := b.svc.Prune(t.Context(), old.Finished)
	require.NoError(t, err)
	require.Zero(t, pruned.Imports)
	pruned, err = b.svc.Prune(t.Context(), b.now())
	require.NoError(t, err)
	require.Equal(t, 1, pruned.Imports)
	left, err := b.svc.Imports(t.Context(), usersync.ImportQuery{})
	require.NoError(t, err)
	require.Equal(t, []string{queued.ID, waits.ID}, []string{left[0].ID, left[1].ID})

	b.ahead += 48 * time.Hour // the plan that waits expires and goes, and is made anew
	pruned, err = b.svc.Prune(t.Context(), b.now())
	require.NoError(t, err)
	require.Equal(t, 1, pruned.Plans)
	b.stopped(b.work(b.resumeImport(waits, usersync.ImportChoices{})), usersync.ImportMoved, "look at the new one")

	require.NoError(t, b.svc.DeleteConfig(t.Context(), b.cfg.ID))
	_, err = b.svc.Import(t.Context(), queued.ID)
	require.ErrorIs(t, err, usersync.ErrNotFound)
	_, err = b.svc.RunImport(t.Context(), queued.ID)
	require.ErrorIs(t, err, usersync.ErrNotFound)
}

// secretary is a schema with a password.
func secretary() usersync.Schema {
	s := usersync.DefaultSchema()
	s.Fields = append(s.Fields, usersync.Field{Name: "password", Secret: true})
	return s
}

// I8, A10: where fields are secret an upload is refused without a key, and sealed with one; parts are only
// what they were.
func TestSealedImport(t *testing.T) {
	const canary = "Tr0ub4dor-Canary"
	state := memory.NewState(nil)
	store := memory.New()
	service := func(key byte, opts ...usersync.Option) *usersync.Service {
		if key != 0 {
			opts = append(opts, usersync.WithSecretKey(bytes.Repeat([]byte{key}, 32)))
		}
		svc, err := usersync.NewService(store, state.Stores(), append(opts, usersync.WithSchema(secretary()))...)
		require.NoError(t, err)
		return svc
	}
	cfg, err := service(7).CreateConfig(t.Context(), usersync.DefaultConfig("staff"))
	require.NoError(t, err)
	var rows strings.Builder
	rows.WriteString("userName,email,firstName,lastName,password\n")
	for i := range 30_000 {
		fmt.Fprintf(&rows, "user%d,user%d@example.com,First,Last,%s%d\n", i, i, canary, i)
	}
	file := usersync.CSV(strings.NewReader(rows.String()))
	_, err = service(0).Start(t.Context(), cfg.ID, file)
	require.ErrorContains(t, err, "WithSecretKey")
	imp, err := service(7).Start(t.Context(), cfg.ID, file)
	require.NoError(t, err)
	require.Equal(t, 4, imp.File.Parts)
	parts, err := state.ImportParts(t.Context(), imp.ID, 0, 99)
	require.NoError(t, err)
	for _, part := range parts {
		require.LessOrEqual(t, len(part), 512<<10)
		require.NotContains(t, string(part), canary)
	}
	plain := slices.Collect(slices.Chunk([]byte(rows.String()), 512<<10-28))
	tamper := func(change func(parts [][]byte) [][]byte) func(*testing.T) {
		return func(t *testing.T) {
			now, err := service(7).Import(t.Context(), imp.ID)
			require.NoError(t, err)
			changed := change(slices.Clone(parts))
			now.Edition++
			now.Status = usersync.ImportQueued
			now.File.Parts = len(changed)
			now.File.SHA256 = fmt.Sprintf("%x", sha256.Sum256(bytes.Join(change(slices.Clone(plain)), nil))) // who can write parts can write this
			require.NoError(t, state.SaveImport(t.Context(), now, func(yield func([]byte, error) bool) {
				for _, part := range changed {
					if !yield(part, nil) {
						return
					}
				}
			}))
			bad, err := service(7).RunImport(t.Context(), imp.ID)
			require.NoError(t, err)
			require.Equal(t, usersync.ImportFailed, bad.Status)
			require.Equal(t, usersync.ImportInvalid, bad.Code)
		}
	}
	t.Run("swapped", tamper(func(p [][]byte) [][]byte { p[0], p[1] = p[1], p[0]; return p }))
	t.Run("cut short", tamper(func(p [][]byte) [][]byte { return p[:3] }))
	t.Run("twice", tamper(func(p [][]byte) [][]byte { p[1] = p[0]; return p }))
	t.Run("changed", tamper(func(p [][]byte) [][]byte { p[2] = append(slices.Clone(p[2][1:]), 0); return p }))
	now, err := service(7).Import(t.Context(), imp.ID)
	require.NoError(t, err)
	now.Edition, now.Status, now.File = now.Edition+1, usersync.ImportQueued, imp.File
	require.NoError(t, state.SaveImport(t.Context(), now, func(yield func([]byte, error) bool) {
		for _, part := range parts {
			if !yield(part, nil) {
				return
			}
		}
	}))
	other, err := service(8).RunImport(t.Context(), imp.ID)
	require.NoError(t, err)
	require.Equal(t, usersync.ImportFailed, other.Status)
	_, err = service(7).ContinueImport(t.Context(), imp.ID, other.Edition, usersync.ImportChoices{})
	require.NoError(t, err)
	done, err := service(7, usersync.WithBatchSize(10_000)).RunImport(t.Context(), imp.ID)
	require.NoError(t, err)
	require.Equal(t, usersync.ImportDone, done.Status, done.Problem)
	require.Equal(t, 30_000, done.Run.Created)
	require.NotContains(t, fmt.Sprintf("%+v", done), canary)
}
