package usersync

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

// Resume goes on with a run that was interrupted (its process is gone), failed or was cancelled, where it
// ended: what is done is not done again, and what was under way is read again to tell whether it was done.
// Users who moved since are left out as stale, the product's hooks and the seats are asked again. It needs
// WithRuns.
//
// The run keeps the actor and the options that it was begun with; of opts only IfCurrent counts. Resuming a run
// that has succeeded returns it. The error is as for Apply, and besides wraps ErrNotFound
// for an unknown run; it is an *InProgressError while the run, or another of its configuration, is under
// way, and wraps ErrPlanStale where another run of the configuration has begun since.
func (e *Engine) Resume(ctx context.Context, runID string, opts ...ApplyOption) (*Run, error) {
	if e.stores == nil {
		return nil, fmt.Errorf("%w: to resume a run, the engine needs WithRuns", ErrInvalid)
	}
	rec, err := e.stores.storedRun(ctx, runID)
	switch {
	case err != nil:
		return nil, err
	case rec == nil:
		return nil, fmt.Errorf("usersync: run %s: %w", runID, ErrNotFound)
	case rec.Status == RunSucceeded:
		return e.loadRun(ctx, rec)
	}
	l := e.newLedger()
	if err := l.acquire(ctx, rec.ConfigID, rec.ID); err != nil {
		return nil, err
	}
	w, run, err := e.claimAgain(ctx, l, rec.ID, opts)
	if w == nil {
		return run, errors.Join(err, l.release(ctx))
	}
	return w.carryOut(ctx)
}

// claimAgain looks, with the lease, whether a run can go on, and how far it had come. There is no job but the
// run where it has succeeded by now.
func (e *Engine) claimAgain(ctx context.Context, l *ledger, runID string, opts []ApplyOption) (*applyJob, *Run, error) {
	rec, err := e.isNewest(ctx, l)
	if err != nil {
		return nil, nil, err
	}
	if rec.Status == RunSucceeded {
		run, err := e.loadRun(ctx, rec)
		return nil, run, err
	}
	plan, err := e.loadPlan(ctx, runID)
	if err != nil {
		return nil, nil, err
	}
	if l.past, err = e.pastOf(ctx, plan.ID, len(plan.entries)); err != nil {
		return nil, nil, err
	}
	l.number = l.past.last
	w := e.newJob(plan, opts)
	w.ledger = l
	w.seating.asked = w.license.reserver != nil // by the process before
	w.goOn(rec)
	plan.turn <- struct{}{}
	plan.setRun(w.run)
	w.isRunning(w.run)
	return w, nil, nil
}

// goOn takes over how the run was begun.
func (w *applyJob) goOn(rec *RunRecord) {
	w.actor, w.run.Actor = rec.Actor, rec.Actor
	w.run.Started = rec.Started
	w.run.noteCreated(rec.CreatedReferences)
	o := rec.Options
	w.opt.mail, w.opt.text, w.opt.notify = &o.WelcomeMail, &o.WelcomeText, o.Notify
	w.opt.confirmed, w.opt.skipStale, w.opt.stopFirst = o.Confirmed, o.SkipStale, o.StopOnError
}

// goesOn tells a run that had begun before.
func (w *applyJob) goesOn() bool { return w.ledger != nil && w.ledger.past != nil }

// isNewest reads the record of the lease's run, and refuses it if another of its configuration has begun
// since.
func (e *Engine) isNewest(ctx context.Context, l *ledger) (_ *RunRecord, err error) {
	defer calling("RunStore.Runs", &err)
	runs, err := e.stores.Runs.Runs(ctx, RunQuery{ConfigID: l.lease.ConfigID, Limit: 1})
	switch {
	case err != nil:
		return nil, fmt.Errorf("usersync: looking up run %s: %w", l.lease.RunID, err)
	case len(runs) == 0 || runs[0].ID != l.lease.RunID:
		return nil, &StaleError{Baseline: true}
	}
	return &runs[0], nil
}

// pastOf reads the journal of a run of so many rows.
func (e *Engine) pastOf(ctx context.Context, runID string, rows int) (_ *journalled, err error) {
	defer calling("Journal.Entries", &err)
	entries, err := e.stores.Journal.Entries(ctx, runID)
	if err != nil {
		return nil, fmt.Errorf("usersync: reading the journal of run %s: %w", runID, err)
	}
	past, err := readJournal(entries, rows)
	if err != nil {
		return nil, fmt.Errorf("usersync: journal of run %s: %w", runID, err)
	}
	return past, nil
}

// keepPlan stores a plan that is not stored as it is now decided.
func (w *applyJob) keepPlan(ctx context.Context) error {
	if w.plan.edition > 0 && !w.plan.decided {
		return nil
	}
	err := w.Engine.savePlan(ctx, w.plan)
	if !errors.Is(err, ErrEdited) {
		return err
	}
	rec, lookup := w.stores.storedRun(ctx, w.plan.ID)
	if rec != nil && lookup == nil {
		return nil // it was applied already: hold tells
	}
	return errors.Join(err, lookup)
}

// savePlan stores a plan as it is now decided.
func (p *Previewer) savePlan(ctx context.Context, plan *Plan) (err error) {
	plan.mu.Lock()
	defer plan.mu.Unlock()
	head, err := plan.head()
	if err != nil {
		return err
	}
	rec := PlanRecord{ID: plan.ID, ConfigID: plan.cfg.ID, ConfigRevision: plan.cfg.Revision, BaselineRun: plan.BaselineRun,
		Actor: plan.Actor, File: plan.Source.Name, SHA256: plan.Source.SHA256, Undoes: plan.Undoes, Created: plan.Created, Expires: plan.Expires,
		Edition: plan.edition + 1, Counts: plan.counts(), Head: head}
	defer calling("PlanStore.SavePlan", &err)
	if err := p.stores.Plans.SavePlan(ctx, rec, plan.parts(p.seal)); err != nil {
		return fmt.Errorf("usersync: storing the plan: %w", err)
	}
	plan.edition, plan.decided = rec.Edition, false
	return nil
}

// partsAtOnce is how many parts of a plan are read in one call.
const partsAtOnce = 50

// loadPlan reads a stored plan, and does it anew where somebody decides it in between.
func (p *Previewer) loadPlan(ctx context.Context, id string) (*Plan, error) {
	for try := 1; ; try++ {
		plan, err := p.loadEdition(ctx, id)
		if !errors.Is(err, ErrEdited) || try == attempts {
			return plan, err
		}
	}
}

// loadEdition is one attempt of loadPlan.
func (p *Previewer) loadEdition(ctx context.Context, id string) (_ *Plan, err error) {
	defer calling("PlanStore", &err)
	rec, err := p.stores.Plans.LoadPlan(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("usersync: plan %s: %w", id, err)
	}
	plan, err := loadPlan(p.schema, p.seal, rec.Head, p.partsOf(ctx, &rec))
	if err != nil {
		return nil, err
	}
	plan.edition, plan.Expires = rec.Edition, rec.Expires
	return plan, nil
}

// partsOf yields the parts of a stored plan.
func (p *Previewer) partsOf(ctx context.Context, rec *PlanRecord) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for first := 0; ; first += partsAtOnce {
			parts, err := p.stores.Plans.PlanParts(ctx, rec.ID, rec.Edition, first, partsAtOnce)
			if err != nil {
				yield(nil, fmt.Errorf("usersync: plan %s: %w", rec.ID, err))
				return
			}
			for _, part := range parts {
				if !yield(part, nil) {
					return
				}
			}
			if len(parts) < partsAtOnce {
				return
			}
		}
	}
}

// loadRun reads a stored run with its plan.
func (e *Engine) loadRun(ctx context.Context, rec *RunRecord) (_ *Run, err error) {
	plan, err := e.loadPlan(ctx, rec.ID)
	if err != nil {
		return nil, err
	}
	run := plan.newRun(rec.Actor)
	run.Started, run.finished, run.status, run.mails = rec.Started, rec.Finished, rec.Status, rec.Counts.Mails
	run.created = rec.CreatedReferences
	run.results = newResults(plan.entries)
	if rec.Finished.IsZero() {
		past, err := e.pastOf(ctx, plan.ID, len(plan.entries))
		if err != nil {
			return nil, err
		}
		run.results = past.results(plan.entries, 0)
	} else if err := e.loadAllResults(ctx, run); err != nil {
		return nil, err
	}
	if rec.Error != "" {
		run.err = &PartialError{Run: run, Err: toldErrorOf(rec)}
	}
	plan.run = run
	return run, nil
}

func (e *Engine) loadAllResults(ctx context.Context, run *Run) (err error) {
	defer calling("Journal.Results", &err)
	for first := 0; first*partSize < len(run.results); first += partsAtOnce {
		parts, err := e.stores.Journal.Results(ctx, run.ID, first, partsAtOnce)
		if err != nil {
			return fmt.Errorf("usersync: reading the results of run %s: %w", run.ID, err)
		}
		for i, part := range parts {
			from := min((first+i)*partSize, len(run.results))
			if err := loadResults(run.results[from:min(from+partSize, len(run.results))], part); err != nil {
				return err
			}
		}
	}
	return nil
}

// toldErrorOf is why a stored run ended, as far as its record tells.
func toldErrorOf(rec *RunRecord) error {
	err := &toldError{text: rec.Error}
	if rec.Status == RunCancelled {
		err.is = context.Canceled
	}
	return err
}

// checkAgain looks whether a run may go on. What is stale is left out. (A5)
func (w *applyJob) checkAgain(ctx context.Context) error {
	w.held = w.ledger.past.held
	var stale StaleError
	if err := w.checkConfig(&stale); err != nil {
		return err
	}
	base, err := w.loadBaseline(ctx, w.plan.cfg.ID)
	if err != nil {
		return err
	}
	if base.RunID != w.plan.BaselineRun {
		return &StaleError{Baseline: true}
	}
	if err := w.checkFields(ctx, &stale); err != nil {
		return err
	}
	if stale.Fields != nil {
		return &StaleError{Fields: stale.Fields}
	}
	if err := w.checkUsers(ctx, &stale); err != nil {
		return err
	}
	if err := w.askAgain(ctx); err != nil {
		return err
	}
	if err := w.checkNames(ctx); err != nil {
		return err
	}
	return w.checkSeats(ctx)
}

// wasBegun tells that the entry's own change was begun before the run went on.
func (w *applyJob) wasBegun(entry int32) bool {
	if !w.goesOn() {
		return false
	}
	id := stepID{entry, partMain}
	_, known := w.ledger.past.known[id]
	return known || w.ledger.past.doubt[id]
}

// replay records the steps whose outcome the journal has, and gives the others. A row that had failed does
// not stop the run again.
func (w *applyJob) replay(steps []step) (rest []step) {
	if !w.goesOn() {
		return steps
	}
	rest = make([]step, 0, len(steps))
	for i := range steps {
		outcome, known := w.ledger.past.known[steps[i].id()]
		if !known {
			rest = append(rest, steps[i])
			continue
		}
		w.record(&steps[i], outcome)
	}
	return rest
}

// undoubt reads the users of steps that are in doubt. It records those that were made, and those of which
// it cannot be told, and gives the others, which are written like any step. (A5)
func (w *applyJob) undoubt(ctx context.Context, stage Stage, steps []step) (rest []step, err error) {
	doubtful := w.inDoubt(steps)
	if len(doubtful) == 0 {
		return steps, nil
	}
	if err := w.begin(ctx); err != nil {
		return nil, err
	}
	found, err := w.findWritten(ctx, doubtful)
	if err != nil {
		return nil, err
	}
	var over []step
	var outcomes []Outcome
	for i := range steps {
		s := &steps[i]
		if w.ledger.past.doubt[s.id()] {
			delete(w.ledger.past.doubt, s.id())
			if outcome, told := w.wasWritten(s, found); told {
				over, outcomes = append(over, *s), append(outcomes, outcome)
				continue
			}
		}
		rest = append(rest, *s)
	}
	if len(over) > 0 {
		if err := w.ledger.append(ctx, doneNote(stage, over, outcomes), w.newMails(over, outcomes)); err != nil {
			return nil, err
		}
	}
	for i := range over {
		w.record(&over[i], outcomes[i])
	}
	return rest, w.checkSeats(ctx)
}

// inDoubt picks the steps of which it is not known whether they were made.
func (w *applyJob) inDoubt(steps []step) []step {
	if !w.goesOn() {
		return nil
	}
	var out []step
	for i := range steps {
		if w.ledger.past.doubt[steps[i].id()] {
			out = append(out, steps[i])
		}
	}
	return out
}

// written are the users whom steps in doubt are about, as they are now.
type written struct {
	byID  map[string]*User
	byKey map[string]*User
}

func (w *applyJob) findWritten(ctx context.Context, steps []step) (written, error) {
	var ids, keys []string
	for i := range steps {
		if steps[i].op == OpCreate {
			keys = append(keys, w.plan.entries[steps[i].entry].key)
			continue
		}
		ids = append(ids, w.run.result(steps[i].entry).id)
	}
	found := written{map[string]*User{}, map[string]*User{}}
	users, err := w.findUsers(ctx, FieldID, ids)
	if err != nil {
		return found, err
	}
	created, err := w.findUsers(ctx, w.schema.Key, keys)
	for i := range users {
		found.byID[users[i].ID] = &users[i]
	}
	for i := range created {
		found.byKey[Fold(w.schema.nameOf(&created[i]))] = &created[i]
	}
	return found, err
}

// wasWritten tells what became of a step in doubt, false if nothing did. It was made, if the user is as
// the step makes it; it was not, if a user to be created does not exist, or one to be changed is as before.
func (w *applyJob) wasWritten(s *step, found written) (_ Outcome, told bool) {
	c := w.change(s)
	u := found.byID[c.UserID]
	if s.op == OpCreate {
		u = found.byKey[w.plan.entries[s.entry].key]
	}
	switch {
	case u == nil:
		return Outcome{}, false // of a user who is gone, the store says so
	case w.isAsWritten(u, &c):
		return Outcome{ID: u.ID, Version: u.Version}, true
	case s.op != OpCreate && c.IfVersion != "" && c.IfVersion == u.Version,
		s.op != OpCreate && c.IfVersion == "" && w.isAsBefore(u, s):
		return Outcome{}, false
	}
	return Outcome{Err: errUnsure}, true
}

// isAsWritten tells that a user is as a change makes it. Secrets cannot be compared.
func (w *applyJob) isAsWritten(u *User, c *Change) bool {
	if c.Op != OpUpdate && u.Active != c.Active {
		return false
	}
	for i, name := range c.Set.names {
		f := &w.schema.fields[w.schema.byName[name]]
		if !f.Secret && !f.same(f.stored(u.Values.raw(name, f.index)), c.Set.vals[i]) {
			return false
		}
	}
	return true
}

// isAsBefore tells that a user of a store without versions has what a step is to change as it was.
func (w *applyJob) isAsBefore(u *User, s *step) bool {
	e := &w.plan.entries[s.entry]
	if s.op == OpActivate && u.Active || s.op == OpDeactivate && !u.Active {
		return false
	}
	for i := range e.more.settings {
		set := &e.more.settings[i]
		f := &w.schema.fields[set.field]
		if s.has(int32(i)) && w.isWritten(set) && !f.Secret && !f.same(f.stored(u.Values.raw(f.Name, f.index)), f.stored(set.old)) {
			return false
		}
	}
	return true
}
