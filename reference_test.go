package usersync_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

var (
	flagCases    = flag.Int("cases", 4000, "how many random cases TestReference tries")
	flagSeed     = flag.Uint64("seed", 1, "the seed of the cases of TestReference")
	flagFailures = flag.Int("failures", 1, "after how many failures TestReference stops")
)

// TestReference compares the engine with the model in reference_model_test.go on random cases: the plan
// before and after decisions, the run, the store and the baseline after it, and the plan of the same
// file once more.
func TestReference(t *testing.T) {
	n := *flagCases
	if testing.Short() {
		n = min(n, 500)
	}
	failures := 0
	for i := 0; i < n && failures < *flagFailures; i++ {
		w := newDice(*flagSeed, uint64(i)).world(uint64(i))
		if tryWorld(t.Context(), w) != nil {
			small := shrink(t.Context(), w)
			t.Errorf("seed %d, case %d:\n%s\n%v", *flagSeed, i, small, tryWorld(t.Context(), small))
			failures++
		}
	}
}

// tryWorld runs one case through the engine and the model. The error says where they differ.
func tryWorld(ctx context.Context, w *world) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	w = w.clone()
	if err := w.config.Validate(w.schema); err != nil {
		return fmt.Errorf("the case is not valid: %w", err)
	}
	eng, store, err := w.open(ctx)
	if err != nil {
		return err
	}
	plan, err := decided(ctx, w, eng)
	if err != nil {
		return err
	}
	want := predict(w)
	done, err := applied(ctx, w, eng, plan, want)
	if err != nil || !done {
		return err
	}
	if err := compareState(ctx, w, store, want); err != nil {
		return err
	}
	return again(ctx, w, eng, store, want)
}

// decided makes a preview and answers its conflicts, some first and then the others.
func decided(ctx context.Context, w *world, eng *usersync.Engine) (*usersync.Plan, error) {
	plan, err := eng.Preview(ctx, w.config, w.source())
	if err != nil {
		return nil, err
	}
	if plan, err = w.stored(plan); err != nil {
		return nil, err
	}
	if err := comparePlan("preview", plan, predict(w)); err != nil {
		return nil, err
	}
	for round := range 9 {
		answers := w.answers(plan, round)
		if len(answers) == 0 {
			continue
		}
		if err := plan.Resolve(answers...); err != nil {
			return nil, err
		}
		w.decisions = append(w.decisions, answers...)
		if plan, err = w.stored(plan); err != nil {
			return nil, err
		}
		if err := comparePlan(fmt.Sprintf("after decisions %d", round), plan, predict(w)); err != nil {
			return nil, err
		}
	}
	return plan, nil
}

// stored is a plan that was stored and loaded again, in every second case.
func (w *world) stored(p *usersync.Plan) (*usersync.Plan, error) {
	if w.seed%2 == 0 {
		return p, nil
	}
	return usersync.Restored(p, make([]byte, 32))
}

// answers decides some of the open conflicts in the first round and all of them later.
func (w *world) answers(plan *usersync.Plan, round int) []usersync.Decision {
	var out []usersync.Decision
	for c := range plan.Conflicts() {
		roll := newDice(w.seed+uint64(round), uint64(c.Row*100+len(c.Field)))
		if c.Choice != "" || round == 0 && roll.once(3) {
			continue
		}
		d := usersync.Decision{Row: c.Row, Field: c.Field, Choice: pick(roll, usersync.TakeFile, usersync.KeepCurrent)}
		switch {
		case roll.once(12):
			d.Row = 0
		case roll.once(12):
			d.Field = ""
		}
		out = append(out, d)
	}
	return out
}

// applied applies the plan, unless it needs more seats than there are.
func applied(ctx context.Context, w *world, eng *usersync.Engine, plan *usersync.Plan, want forecast) (bool, error) {
	run, err := eng.Apply(ctx, plan)
	guarded := slices.ContainsFunc(want.blocks, func(b string) bool { return strings.HasPrefix(b, "guard") })
	switch {
	case len(want.blocks) > 0 && err == nil:
		return false, fmt.Errorf("the plan was applied in spite of %v", want.blocks)
	case guarded && errors.Is(err, usersync.ErrGuard):
		run, err = eng.Apply(ctx, plan, usersync.ConfirmDeactivations(want.counts.Deactivations))
	}
	if errors.Is(err, usersync.ErrSeats) && strings.Contains(strings.Join(want.blocks, " "), "seats of") {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("apply: %w", err)
	}
	for row := range run.Rows() {
		if (row.Op != "") != (row.State == usersync.StateDone) {
			return false, fmt.Errorf("row %d %s is %s: %v", row.Number, row.Name, row.State, row.Reasons)
		}
	}
	return true, nil
}

func comparePlan(when string, plan *usersync.Plan, want forecast) error {
	var rows []string
	for row := range plan.Rows() {
		rows = append(rows, rowFate(row).String())
	}
	if diff := cmp.Diff(want.rows, rows); diff != "" {
		return fmt.Errorf("%s: rows (-model +engine):\n%s", when, diff)
	}
	if diff := cmp.Diff(want.counts, plan.Counts()); diff != "" {
		return fmt.Errorf("%s: counts (-model +engine):\n%s", when, diff)
	}
	if diff := cmp.Diff(want.blocks, showBlocks(plan)); diff != "" {
		return fmt.Errorf("%s: blocks (-model +engine):\n%s", when, diff)
	}
	return addsUp(plan.Counts())
}

// addsUp: the five classes add up to the rows and the removed users. (B9)
func addsUp(c usersync.Counts) error {
	sum := 0
	for _, class := range usersync.Classes() {
		sum += c.Class(class)
	}
	if sum != c.Rows+c.Removed {
		return fmt.Errorf("the classes add up to %d, not to %d rows and %d removed", sum, c.Rows, c.Removed)
	}
	return nil
}

func rowFate(row usersync.Row) fate {
	o := fate{number: row.Number, name: row.Name, userID: row.UserID, class: row.Class, op: row.Op, why: marks{}}
	for _, c := range row.Changes {
		o.changes = append(o.changes, showField(c))
	}
	for _, r := range row.Reasons {
		o.why.add(r.Level, r.Code)
	}
	return o
}

func showBlocks(plan *usersync.Plan) []string {
	var out []string
	for _, block := range plan.Blocks() {
		var unresolved *usersync.UnresolvedError
		var seats *usersync.SeatsError
		var guard *usersync.GuardError
		switch {
		case errors.As(block, &unresolved):
			out = append(out, fmt.Sprintf("%d conflicts", unresolved.Conflicts))
		case errors.As(block, &seats):
			out = append(out, fmt.Sprintf("%d seats of %d", seats.Needed, seats.Available))
		case errors.As(block, &guard):
			out = append(out, fmt.Sprintf("guard %d of %d, no valid row %t", guard.Deactivations, guard.Baseline, guard.NoValidRow))
		default:
			out = append(out, block.Error())
		}
	}
	return out
}

// compareState compares the store and the baseline after the run.
func compareState(ctx context.Context, w *world, store *memory.Store, want forecast) error {
	names := w.namesOf(store)
	var users []string
	for _, u := range store.Users() {
		users = append(users, showStored(u, names[u.ID]))
	}
	slices.Sort(users)
	if diff := cmp.Diff(want.users, users); diff != "" {
		return fmt.Errorf("users after the run (-model +engine):\n%s", diff)
	}
	base, err := store.Baselines().Load(ctx, w.config.ID)
	if err != nil {
		return err
	}
	var members []string
	for _, member := range base.Members {
		members = append(members, names[member.UserID])
	}
	slices.Sort(members)
	if diff := cmp.Diff(want.baseline, members); diff != "" {
		return fmt.Errorf("baseline after the run (-model +engine):\n%s", diff)
	}
	return nil
}

// namesOf names users as the model does: those of before by id, new ones by key.
func (w *world) namesOf(store *memory.Store) map[string]string {
	out := map[string]string{"gone": "gone"}
	for _, u := range store.Users() {
		out[u.ID] = "new:" + usersync.Fold(u.Values.Get(w.schema.Key))
	}
	for _, u := range w.users {
		out[u.ID] = u.ID
	}
	return out
}

// again previews the same file after the run: the model must agree, and nothing may be left to do but
// what a decision kept. (B9) Where a row fitted several users the run may have made it clear, and where a
// user got another name the links to the old one are gone with it.
func again(ctx context.Context, w *world, eng *usersync.Engine, store *memory.Store, first forecast) error {
	next := w.clone()
	next.decisions, next.users = nil, store.Users()
	base, err := store.Baselines().Load(ctx, w.config.ID)
	if err != nil {
		return err
	}
	next.baseline = base.Members
	if next.baseline == nil {
		next.baseline = []usersync.Member{}
	}
	plan, err := eng.Preview(ctx, w.config, w.source())
	if err != nil {
		return err
	}
	want := predict(next)
	if err := comparePlan("second preview", plan, want); err != nil {
		return err
	}
	kept := slices.ContainsFunc(w.decisions, func(d usersync.Decision) bool { return d.Choice == usersync.KeepCurrent })
	renames := func(row string) bool {
		return strings.Contains(row, " updated ") && strings.Contains(row, "["+w.schema.Key+" ")
	}
	if kept || first.unclear || want.unclear || slices.ContainsFunc(first.rows, renames) {
		return nil
	}
	return nothingLeft(first, plan)
}

func nothingLeft(first forecast, plan *usersync.Plan) error {
	for row := range plan.Rows() {
		if row.Op != "" {
			return fmt.Errorf("second preview: %s is left to do", rowFate(row))
		}
	}
	if n := plan.Counts().Errors; n != first.counts.Errors {
		return fmt.Errorf("second preview: %d errors, where there were %d", n, first.counts.Errors)
	}
	return nil
}

// shrink leaves out of a failing case whatever it can while it still fails.
func shrink(ctx context.Context, w *world) *world {
	for smaller := true; smaller; {
		smaller = false
		for _, next := range w.smaller() {
			if tryWorld(ctx, next) != nil && next.config.Validate(next.schema) == nil {
				w, smaller = next, true
				break
			}
		}
	}
	return w
}

// smaller gives the cases that have one thing less.
func (w *world) smaller() []*world {
	var out []*world
	less := func(change func(*world)) {
		c := w.clone()
		change(c)
		out = append(out, c)
	}
	for i := range w.rows {
		less(func(c *world) { c.rows = slices.Delete(c.rows, i, i+1) })
	}
	for i := range w.users {
		less(func(c *world) { c.users = slices.Delete(c.users, i, i+1) })
	}
	for i := range w.baseline {
		less(func(c *world) { c.baseline = slices.Delete(c.baseline, i, i+1) })
	}
	for i := range w.schema.Fields {
		if name := w.schema.Fields[i].Name; name != w.schema.Key {
			less(func(c *world) { c.dropField(i, name) })
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.config.Rules)) {
		less(func(c *world) { delete(c.config.Rules, name) })
	}
	for _, name := range slices.Sorted(maps.Keys(w.config.Defaults)) {
		less(func(c *world) { delete(c.config.Defaults, name) })
	}
	return append(out, w.smallerParts()...)
}

func (w *world) dropField(i int, name string) {
	w.schema.Fields = slices.Delete(w.schema.Fields, i, i+1)
	for _, role := range []*string{&w.schema.Email, &w.schema.Status} {
		if *role == name {
			*role = ""
		}
	}
	delete(w.config.Rules, name)
	delete(w.config.Defaults, name)
	at := slices.Index(w.header, name)
	for r, cells := range w.rows {
		if at >= 0 && at < len(cells) {
			w.rows[r] = slices.Delete(cells, at, at+1)
		}
	}
	if at >= 0 {
		w.header = slices.Delete(w.header, at, at+1)
	}
}

func (w *world) smallerParts() []*world {
	var out []*world
	less := func(differs bool, change func(*world)) {
		if differs {
			c := w.clone()
			change(c)
			out = append(out, c)
		}
	}
	less(len(w.others) > 0, func(c *world) { c.others = nil })
	less(len(w.protected) > 0, func(c *world) { c.protected = nil })
	less(w.baseline != nil, func(c *world) { c.baseline = nil })
	less(w.seats >= 0, func(c *world) { c.seats = -1 })
	less(!w.config.Guard.Off, func(c *world) { c.config.Guard = usersync.Guard{Off: true} })
	less(w.config.DefaultRule != usersync.UseSource, func(c *world) { c.config.DefaultRule = usersync.UseSource })
	less(w.config.BlankCells != usersync.BlankKeeps, func(c *world) { c.config.BlankCells = usersync.BlankKeeps })
	less(w.config.ClearMarker != "", func(c *world) { c.config.ClearMarker = "" })
	for r, cells := range w.rows {
		for i, text := range cells {
			less(text != "", func(c *world) { c.rows[r][i] = "" })
		}
	}
	for i, u := range w.users {
		for name, text := range u.Values.All() {
			less(text != "" && name != w.schema.Key, func(c *world) { c.users[i].Values.Set(name, "") })
		}
	}
	return out
}

// TestReferenceDice looks whether the random cases are about anything.
func TestReferenceDice(t *testing.T) {
	var counts usersync.Counts
	for i := range 300 {
		c := predict(newDice(1, uint64(i)).world(uint64(i))).counts
		counts.New += c.New
		counts.Updated += c.Updated
		counts.Deactivated += c.Deactivated
		counts.Skipped += c.Skipped
		counts.Errors += c.Errors
		counts.Conflicts += c.Conflicts
		counts.Activations += c.Activations
	}
	t.Logf("%+v", counts)
	require.Greater(t, min(counts.New, counts.Updated, counts.Skipped, counts.Errors), 100)
	require.Greater(t, min(counts.Deactivated, counts.Conflicts), 20)
}
