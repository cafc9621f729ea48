package usersync_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
)

// N5: an import that waits for a person is checked again, with the fields that the person has chosen and the
// configuration as it is by then, and waits for the person once more.
func TestRecheckImport(t *testing.T) {
	w := newWorkshop(t, "anna")
	imp := w.begin(wideFile("Shoe Hat", "anna Shoe=38 Hat=7", "carl Shoe=44"), usersync.ImportOptions{})
	_, err := w.svc.RecheckImport(t.Context(), imp.ID, imp.Edition)
	var state *usersync.ImportStateError
	require.ErrorAs(t, err, &state)
	imp, err = w.svc.CancelImport(t.Context(), imp.ID)
	require.NoError(t, err)

	imp = w.begin(wideFile("Shoe Hat", "anna Shoe=38 Hat=7", "carl Shoe=44", "bad email=nonsense"), usersync.ImportOptions{})
	imp = w.workAdding(imp)
	w.stopped(imp, usersync.ImportBadRows, "1 of 3 rows have errors")
	plan, err := w.svc.Plan(t.Context(), imp.PlanID)
	require.NoError(t, err)
	shoe := plan.NewFields()[0].Field

	_, err = w.svc.RecheckImport(t.Context(), imp.ID, imp.Edition-1, shoe)
	require.ErrorIs(t, err, usersync.ErrEdited)
	_, err = w.svc.RecheckImport(t.Context(), imp.ID, imp.Edition, usersync.Field{Name: "id"})
	require.ErrorIs(t, err, usersync.ErrInvalid)

	w.cfg.NewUsers = usersync.Skip
	w.cfg, err = w.svc.EditConfig(t.Context(), w.cfg)
	require.NoError(t, err)
	imp, err = w.svc.RecheckImport(t.Context(), imp.ID, imp.Edition, shoe)
	require.NoError(t, err)
	require.Empty(t, imp.PlanID)
	imp = w.workAdding(imp)
	w.stopped(imp, usersync.ImportBadRows, "the plan is ready")
	require.Equal(t, 1, imp.Plan.Updated)
	require.Equal(t, 1, imp.Plan.Skipped)
	require.Empty(t, w.names(), "a check adds nothing")

	imp = w.workAdding(w.resumeImport(imp, usersync.ImportChoices{}))
	w.done(imp, usersync.RunCounts{Updated: 1, Skipped: 1, Errors: 1})
	require.Equal(t, []string{"shoe"}, w.names())
	require.Equal(t, "anna shoe=38", w.user("anna"))
	_, err = w.svc.RecheckImport(t.Context(), imp.ID, imp.Edition, shoe)
	require.ErrorAs(t, err, &state)
}

// A run that has begun is not checked again: what it wrote would be left without an end.
func TestRecheckBegunImport(t *testing.T) {
	w := newWorkshop(t, "anna")
	w.spy.before = func(int, []usersync.Change) { panic("on purpose") }
	imp := w.workAdding(w.begin(wideFile("", "carl"), usersync.ImportOptions{}))
	require.Equal(t, usersync.ImportFailed, imp.Status)
	_, err := w.svc.RecheckImport(t.Context(), imp.ID, imp.Edition)
	var state *usersync.ImportStateError
	require.ErrorAs(t, err, &state)
	require.ErrorContains(t, err, "has failed and cannot be checked again")
}

// workAdding works an import off in a service that adds fields.
func (w *workshop) workAdding(imp usersync.Import) usersync.Import {
	w.t.Helper()
	imp, err := w.svc.RunImport(w.t.Context(), imp.ID)
	require.NoError(w.t, err)
	return imp
}
