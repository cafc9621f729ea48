package usersync_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

// A9: in random worlds, a run that is taken back leaves every user of before as before, and those whom it has
// created inactive; the same file then gives the same classes, but for those who exist now.
func TestUndoRandomRuns(t *testing.T) {
	n := *flagCases / 2
	if testing.Short() {
		n = 250
	}
	undone := 0
	for i := range n {
		d := newDice(*flagSeed+1000, uint64(i))
		w := d.world(uint64(i))
		d.assign(w) // what rules add goes back too
		done, err := undoWorld(t.Context(), w)
		if err != nil {
			t.Fatalf("seed %d, case %d:\n%s\n%v", *flagSeed+1000, i, w, err)
		}
		undone += done
	}
	t.Logf("%d of %d runs had something to take back", undone, n)
	require.Greater(t, undone, n/4)
}

func undoWorld(ctx context.Context, w *world) (done int, err error) {
	w.seats = -1 // others are in the way of the way back only if they came since
	w.protected = nil
	eng, store, err := w.open(ctx)
	if err != nil {
		return 0, err
	}
	before := usersOf(store)
	plan, err := eng.Preview(ctx, w.config, w.source())
	if err != nil {
		return 0, err
	}
	if err := plan.Resolve(usersync.Decision{Choice: usersync.TakeFile}); err != nil {
		return 0, err
	}
	run, err := applyConfirmed(ctx, eng, plan)
	if err != nil {
		return 0, err
	}
	back, err := eng.Undo(ctx, run)
	if err != nil {
		return 0, err
	}
	if back, err = w.stored(back); err != nil {
		return 0, err
	}
	if back.Counts().Errors > 0 && !strings.Contains(rowsOf(back), string(usersync.CodeDuplicateKey)) {
		return 0, fmt.Errorf("undo has errors:\n%s", rowsOf(back))
	}
	if stays(back) {
		return 0, nil // what was before was not in order: C6, C8
	}
	second, err := applyConfirmed(ctx, eng, back)
	if err != nil {
		return 0, err
	}
	var left []string
	for row := range plan.RowsOf(usersync.ClassDeactivated) {
		left = append(left, row.UserID)
	}
	return second.Counts().Updated, compareUndone(before, usersOf(store), left, baselineOf(ctx, store, w.config.ID), rowsOf(back))
}

// stays tells that a field cannot go back.
func stays(plan *usersync.Plan) bool {
	for row := range plan.Rows() {
		for _, r := range row.Reasons {
			gone := strings.HasPrefix(string(r.Code), "reference_") && r.Code != usersync.CodeRefInactive && r.Code != usersync.CodeRefRowFailed
			if gone || r.Code == usersync.CodeNotUnique && !slices.ContainsFunc(row.Changes, func(c usersync.FieldChange) bool { return c.Field == r.Field }) {
				return true
			}
		}
	}
	return false
}

// applyConfirmed applies a plan, whatever the guard says.
func applyConfirmed(ctx context.Context, eng *usersync.Engine, plan *usersync.Plan) (*usersync.Run, error) {
	run, err := eng.Apply(ctx, plan)
	if errors.Is(err, usersync.ErrGuard) {
		return eng.Apply(ctx, plan, usersync.ConfirmDeactivations(plan.Counts().Deactivations))
	}
	return run, err
}

func rowsOf(plan *usersync.Plan) string {
	text := ""
	for row := range plan.Rows() {
		text += fmt.Sprintf("%d %s %s %s %v %v\n", row.Number, row.Name, row.Class, row.Op, row.Changes, row.Reasons)
	}
	return text
}

// usersOf shows the users by id, without blank values and versions.
func usersOf(store *memory.Store) map[string]string {
	out := map[string]string{}
	for _, u := range store.Users() {
		text := fmt.Sprintf("active=%t", u.Active)
		var fields []string
		for name, value := range u.Values.All() {
			if value != "" {
				fields = append(fields, fmt.Sprintf(" %s=%q", name, usersync.Fold(value))) // a manager may be spelled anew
			}
		}
		slices.Sort(fields)
		out[u.ID] = fmt.Sprint(text, fields)
	}
	return out
}

func baselineOf(ctx context.Context, store *memory.Store, config string) []string {
	b, err := store.Baselines().Load(ctx, config)
	if err != nil {
		panic(err)
	}
	var ids []string
	for _, m := range b.Members {
		ids = append(ids, m.UserID)
	}
	slices.Sort(ids)
	return ids
}

// compareUndone compares users and baseline with those of before; left are the users who had left the file.
func compareUndone(before, after map[string]string, left, baseAfter []string, plan string) error {
	for id, was := range before {
		if after[id] != was {
			return fmt.Errorf("user %s was %s\nand is  %s\nafter\n%s", id, was, after[id], plan)
		}
	}
	for id, is := range after {
		if _, old := before[id]; !old && is[:len("active=false")] != "active=false" {
			return fmt.Errorf("user %s was created and is %s\nafter\n%s", id, is, plan)
		}
	}
	for _, id := range baseAfter {
		if _, old := before[id]; !old {
			return fmt.Errorf("user %s was created and is in the baseline %v\nafter\n%s", id, baseAfter, plan)
		}
	}
	for _, id := range left {
		if !slices.Contains(baseAfter, id) {
			return fmt.Errorf("user %s had left and is not in the baseline %v\nafter\n%s", id, baseAfter, plan)
		}
	}
	return nil
}

// undoOffice is an office after a run of all classes.
func undoOffice(t *testing.T, opts ...usersync.Option) (*office, []string, *usersync.Run) {
	o := newOffice(t, []string{"anna title=Cook", "bert cField1=1", "carl active=false", "dora cField1=2", "emil", "fred manager=anna"}, opts...)
	o.cfg.RemovedUsers, o.cfg.InactiveUsers, o.cfg.Guard.Off = usersync.Deactivate, usersync.Activate, true
	o.had("anna", "bert", "dora", "emil", "fred")
	rows := []string{"anna title=Chef", "bert cField1=2", "carl title=Driver", "dora cField1=3 active=false", "fred manager=new1", "new1 title=Intern"}
	return o, rows, o.apply(o.preview(rows...))
}

func undo(t *testing.T, o *office, run *usersync.Run) *usersync.Plan {
	t.Helper()
	plan, err := o.eng.Undo(t.Context(), run)
	require.NoError(t, err)
	return plan
}

// A9: every class is taken back.
func TestUndo(t *testing.T) {
	o, rows, run := undoOffice(t)
	before := []string{"anna title=Cook", "bert cField1=1", "carl active=false", "dora cField1=2", "emil", "fred manager=anna"}
	classes := o.preview(rows...).Counts()
	plan := undo(t, o, run)
	require.Equal(t, run.ID, plan.Undoes)
	require.Equal(t, o.cfg.ID, plan.Config.ID)
	c := plan.Counts()
	require.Equal(t, []int{7, 0, 2, 0}, []int{c.Updated, c.Skipped, c.Deactivations, c.Errors}, rowsOf(plan))
	require.Equal(t, 2, c.Activations)
	second := o.apply(plan)
	require.Equal(t, run.ID, second.Undoes)
	require.Equal(t, append(before, "new1 title=Intern active=false"), o.everybody())
	require.Equal(t, []string{"anna", "bert", "dora", "fred", "emil"}, o.members(), "B4: who had left is in the baseline again")
	require.Empty(t, o.mailer.Sent())

	again := o.preview(rows...).Counts() // new1 exists by now, and is inactive
	require.Equal(t, classes.Skipped, 6)
	require.Equal(t, []int{0, 6, 1}, []int{again.New, again.Updated, again.Deactivated})

	third := undo(t, o, second) // an undo of the undo
	o.apply(third)
	require.Equal(t, []string{"anna title=Chef", "bert cField1=2", "carl title=Driver", "dora cField1=3 active=false",
		"emil active=false", "fred manager=new1", "new1 title=Intern"}, o.everybody())
	require.Equal(t, []string{"anna", "bert", "dora", "fred", "new1"}, o.members())
}

// A9: what was changed since is listed and not touched.
func TestUndoChangedSince(t *testing.T) {
	for _, tt := range []struct {
		name, who, edit string
		want            string // the row of the undo
		after           string
	}{
		{"the field itself", "anna", "anna title=Boss", "skipped warning changed_since title", "anna title=Boss"},
		{"another field", "anna", "anna title=Chef cField2=X", "updated ", "anna title=Cook cField2=X"},
		{"back already", "anna", "anna title=Cook", "skipped ", "anna title=Cook"},
		{"a new user's field", "new1", "new1 title=Lead", "skipped warning changed_since title", "new1 title=Lead"},
		{"a new user's other field", "new1", "new1 title=Intern cField2=X", "skipped warning changed_since other fields", "new1 title=Intern cField2=X"},
		{"a new user is inactive already", "new1", "new1 title=Intern active=false", "skipped ", "new1 title=Intern active=false"},
		{"active again", "emil", "emil", "skipped ", "emil"},
		{"inactive again", "carl", "carl title=Driver active=false", "updated ", "carl active=false"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, _, run := undoOffice(t)
			o.edit(tt.who, tt.edit)
			plan := undo(t, o, run)
			got := ""
			for row := range plan.Rows() {
				if row.Name != tt.who {
					continue
				}
				got = string(row.Class) + " "
				for _, r := range row.Reasons {
					if r.Level == usersync.LevelWarning {
						got += fmt.Sprintf("%s %s %s", r.Level, r.Code, r.Params["fields"])
					}
				}
			}
			require.Equal(t, tt.want, got)
			o.apply(plan)
			require.Contains(t, o.everybody(), tt.after)
		})
	}
}

// A9, A3: who is gone is listed; who changes after the undo was previewed makes it stale.
func TestUndoGoneAndStale(t *testing.T) {
	o, _, run := undoOffice(t)
	o.store.Remove(o.user("anna").ID)
	plan := undo(t, o, run)
	for row := range plan.Rows() {
		if row.Name == "anna" {
			require.Equal(t, usersync.ClassSkipped, row.Class)
			require.Equal(t, usersync.CodeRemovedGone, row.Reasons[0].Code)
		}
		if row.Name == "fred" { // whose manager of before is gone
			require.Equal(t, usersync.ClassSkipped, row.Class)
			require.Equal(t, usersync.CodeReferenceGone, row.Reasons[0].Code)
		}
	}
	o.edit("bert", "bert cField1=77")
	require.ErrorIs(t, o.refused(plan), usersync.ErrPlanStale)
}

// A9, C6: a field whose old value is taken by now stays, and the others of the user go back.
func TestUndoTakenValue(t *testing.T) {
	o := newOffice(t, []string{"anna title=Cook cField1=1", "bert"}, usersync.WithSchema(badges()))
	run := o.apply(o.preview("anna title=Chef cField1=2", "bert"))
	o.edit("bert", "bert cField1=1")
	plan := undo(t, o, run)
	require.Zero(t, plan.Counts().Errors, rowsOf(plan))
	require.Contains(t, rowsOf(plan), "not_unique warning cField1")
	o.apply(plan)
	require.Equal(t, []string{"anna title=Cook cField1=2", "bert cField1=1"}, o.everybody())
}

// A9, B4: a wrong file is taken back, and the right one deactivates nobody for having been in the wrong one.
func TestUndoWrongFile(t *testing.T) {
	o := newOffice(t, []string{"anna", "bert", "carl", "dora"})
	o.had("anna", "bert")
	run := o.apply(o.preview("carl", "dora title=X", "emil")) // somebody else's
	require.Equal(t, []string{"anna active=false", "bert active=false", "carl", "dora title=X", "emil"}, o.everybody())
	o.apply(undo(t, o, run))
	require.Equal(t, []string{"anna", "bert"}, o.members())
	right := o.preview("anna", "bert")
	require.Zero(t, right.Counts().Deactivations)
	o.apply(right)
	require.Equal(t, []string{"anna", "bert", "carl", "dora", "emil active=false"}, o.everybody())
}

// A9, A1, A2, B6: the guard, seats and protection are as for any plan.
func TestUndoIsGuarded(t *testing.T) {
	o := newOffice(t, []string{"boss"})
	o.cfg.Guard = usersync.Guard{Percent: 10, Users: 5}
	var rows []string
	for i := range 12 {
		rows = append(rows, fmt.Sprintf("new%d", i))
	}
	run := o.apply(o.preview(append(rows, "boss title=Boss")...))
	plan := undo(t, o, run)
	require.ErrorIs(t, o.refused(plan), usersync.ErrGuard)
	o.apply(plan, usersync.ConfirmDeactivations(12))

	left := newOffice(t, []string{"anna", "bert", "carl"}, usersync.WithLicense(memory.SeatsFunc(func(context.Context) (usersync.Seats, error) {
		return usersync.Seats{Limit: 3, Used: 3}, nil
	})))
	left.cfg.RemovedUsers = usersync.Deactivate
	left.had("anna", "bert", "carl")
	run = left.apply(left.preview("anna"))
	require.ErrorIs(t, left.refused(undo(t, left, run)), usersync.ErrSeats)

	self := newOffice(t, nil)
	run = self.apply(self.preview("anna", "bert"))
	own, err := self.eng.Undo(t.Context(), run, usersync.By(usersync.Actor{UserID: self.user("anna").ID}))
	require.NoError(t, err)
	require.Equal(t, 1, own.Counts().Deactivations)
}

// A9: without versions a user counts as untouched as long as everything that was written is there.
func TestUndoWithoutVersions(t *testing.T) {
	o := newOffice(t, nil)
	o.spy.versionless = true
	run := o.apply(o.preview("anna title=Cook", "bert title=Cook"))
	o.edit("bert", "bert title=Boss")
	plan := undo(t, o, run)
	o.apply(plan)
	require.Equal(t, []string{"anna title=Cook active=false", "bert title=Boss"}, o.everybody())
}

// A9: a run that is under way cannot be taken back; one that ended early can, as far as it came.
func TestUndoOfEarlyEnd(t *testing.T) {
	o := newOffice(t, []string{"anna", "bert"}, usersync.WithBatchSize(1))
	plan := o.preview("anna title=Chef", "bert title=Chef", "carl")
	o.spy.before = func(call int, _ []usersync.Change) {
		if call == 2 {
			_, err := o.eng.Undo(t.Context(), o.eng.Running(o.cfg.ID))
			require.ErrorIs(t, err, usersync.ErrRunInProgress)
		}
	}
	o.spy.fail = func(_ string, changes []usersync.Change) error {
		if len(changes) > 0 && changes[0].Key == "bert" {
			return errOffice
		}
		return nil
	}
	run, _ := o.partial(plan)
	o.spy.fail, o.spy.before = nil, nil
	back := undo(t, o, run)
	require.Equal(t, 1, back.Counts().Updated)
	o.apply(back)
	require.Equal(t, []string{"anna", "bert"}, o.everybody())
}
