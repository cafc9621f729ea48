package usersync_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
)

// I6: an import that is cancelled while it is checked does not wait for a person, whatever the check has found.
func TestCancelledImportAsksNobody(t *testing.T) {
	b := newBureau(t, "anna")
	imp := b.begin(officeFile("anna", "bert", "carl", "dora", "emil"), usersync.ImportOptions{})
	asked := false
	svc := b.service(usersync.WithLimits(usersync.Limits{Rows: 3}), usersync.WithProgress(func(p usersync.Progress) {
		if p.Stage != usersync.StageRead || asked {
			return
		}
		asked = true
		_, err := b.svc.CancelImport(t.Context(), imp.ID) // in another process: heard with the next renewal
		require.NoError(t, err)
	}))
	imp, err := svc.RunImport(t.Context(), imp.ID)
	require.NoError(t, err)
	require.True(t, asked)
	require.Equal(t, usersync.ImportCancelled, imp.Status, imp.Problem)
	require.Empty(t, imp.Code+imp.Problem)
	require.False(t, imp.Cancelling)
	b.withoutFile(imp)
}

// I6: one that waits to go on with its run is cancelled with the numbers of what it has written.
func TestCancelInterruptedImport(t *testing.T) {
	b := newBureau(t, "anna")
	imp := b.begin(officeFile("anna locale=fr", "bert", "carl", "dora", "emil"), usersync.ImportOptions{})
	ctx, stop := context.WithCancel(t.Context())
	users := &listeningUsers{UserStore: b.store, write: func(_ context.Context, n int) {
		if n == 2 {
			stop()
		}
	}}
	svc, err := usersync.NewService(users, b.state.Stores(), usersync.WithSchema(badges()), usersync.WithClock(b.now), usersync.WithBatchSize(2))
	require.NoError(t, err)
	_, err = svc.RunImport(ctx, imp.ID)
	require.ErrorIs(t, err, context.Canceled)
	imp, err = b.svc.CancelImport(t.Context(), imp.ID)
	require.NoError(t, err)
	require.Equal(t, usersync.ImportCancelled, imp.Status)
	require.Equal(t, usersync.RunCounts{Created: 2, Updated: 1, Pending: 2}, imp.Run)
	b.withoutFile(imp)
}

// I4, A2: a number of deactivations is confirmed for the plan that was seen, not for one of other users.
func TestConfirmedForOnePlan(t *testing.T) {
	six := 6
	held := func(t *testing.T) (*bureau, usersync.Import) {
		b := newBureau(t, "anna", "bert", "carl", "dora", "emil", "fred", "gina", "hans")
		b.done(b.work(b.begin(officeFile("anna", "bert", "carl", "dora", "emil", "fred", "gina", "hans"), usersync.ImportOptions{})), usersync.RunCounts{Skipped: 8})
		imp := b.work(b.begin(officeFile("anna", "bert"), usersync.ImportOptions{}))
		b.stopped(imp, usersync.ImportGuard, "6 users would be deactivated")
		imp = b.resumeImport(imp, usersync.ImportChoices{Confirmed: &six})
		b.cfg.NewUsers = usersync.Skip
		_, err := b.svc.EditConfig(t.Context(), b.cfg)
		require.NoError(t, err)
		return b, b.work(imp)
	}
	asks := func(b *bureau, imp usersync.Import) {
		b.t.Helper()
		require.Contains(b.t, imp.Problem, "6 users would be deactivated")
		_, err := b.svc.ContinueImport(b.t.Context(), imp.ID, imp.Edition, usersync.ImportChoices{})
		require.ErrorIs(b.t, err, usersync.ErrGuard)
		b.done(b.work(b.resumeImport(imp, usersync.ImportChoices{Confirmed: &six})), usersync.RunCounts{Skipped: 2, Deactivated: 6})
	}
	t.Run("moved", func(t *testing.T) {
		b, imp := held(t)
		b.stopped(imp, usersync.ImportMoved, "look at the new one")
		asks(b, imp)
	})
	t.Run("checked again", func(t *testing.T) {
		b := newBureau(t, "anna", "bert", "carl", "dora", "emil", "fred", "gina", "hans")
		b.done(b.work(b.begin(officeFile("anna", "bert", "carl", "dora", "emil", "fred", "gina", "hans"), usersync.ImportOptions{})), usersync.RunCounts{Skipped: 8})
		imp := b.work(b.begin(officeFile("anna", "bert"), usersync.ImportOptions{Confirmed: &six, Review: true}))
		b.stopped(imp, usersync.ImportReview, "look at it")
		imp, err := b.svc.RecheckImport(t.Context(), imp.ID, imp.Edition)
		require.NoError(t, err)
		imp = b.work(imp)
		b.stopped(imp, usersync.ImportGuard, "the plan is ready")
		asks(b, imp)
	})
}

// I4, K4: what is applied is what the person saw who let the import go on, not what somebody has decided since.
func TestDecidedAfterContinue(t *testing.T) {
	b := newBureau(t, "anna title=Cook")
	b.cfg.Rules = map[string]usersync.Rule{"title": {Strategy: usersync.AskAtRuntime}}
	cfg, err := b.svc.EditConfig(t.Context(), b.cfg)
	require.NoError(t, err)
	b.cfg = cfg
	imp := b.work(b.begin(officeFile("anna title=Chef"), usersync.ImportOptions{}))
	b.stopped(imp, usersync.ImportConflicts, "1 to decide")
	decide := func(c usersync.Choice) {
		_, err := b.svc.Decide(t.Context(), imp.PlanID, usersync.Decision{Field: "title", Choice: c})
		require.NoError(t, err)
	}
	decide(usersync.KeepCurrent)
	imp = b.resumeImport(imp, usersync.ImportChoices{By: usersync.Actor{Name: "Ivo"}})
	decide(usersync.TakeFile)
	imp = b.work(imp)
	b.stopped(imp, usersync.ImportMoved, "the plan was decided otherwise")
	require.Equal(t, "Cook", b.store.Users()[0].Values.Get("title"))
	b.done(b.work(b.resumeImport(imp, usersync.ImportChoices{By: usersync.Actor{Name: "Olga"}})), usersync.RunCounts{Updated: 1})
	require.Equal(t, "Chef", b.store.Users()[0].Values.Get("title"))
}
