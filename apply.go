package usersync

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
)

// applyJob is one Apply under way.
type applyJob struct {
	*Engine
	plan  *Plan
	opt   applyOptions
	actor Actor
	run   *Run
	held  map[int32]Reason // entries that are not written after all, and why
	again map[int32]User   // users as they were just before the run, where a hook is asked about them
}

// claim makes sure that a plan is applied once, and one plan at a time for a configuration. The job is
// nil where the plan was applied already. (A4)
func (e *Engine) claim(ctx context.Context, plan *Plan, opts []ApplyOption) (*applyJob, error) {
	if plan == nil || plan.schema == nil {
		return nil, fmt.Errorf("%w: the plan does not come from Preview", ErrInvalid)
	}
	select {
	case plan.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("usersync: waiting for the plan to be applied: %w", ctx.Err())
	}
	if plan.applied() != nil {
		<-plan.turn
		return nil, nil
	}
	w := &applyJob{Engine: e, plan: plan, actor: plan.Actor, held: map[int32]Reason{}, again: map[int32]User{}}
	for _, opt := range opts {
		opt.apply(&w.opt)
	}
	if w.opt.actor != nil {
		w.actor = *w.opt.actor
	}
	w.run = &Run{ID: rand.Text(), PlanID: plan.ID, ConfigID: plan.Config.ID, ConfigName: plan.Config.Name,
		Actor: w.actor, Source: plan.Source, plan: plan, status: RunRunning}
	if err := e.lease(plan.Config.ID, w.run.ID); err != nil {
		<-plan.turn
		return nil, err
	}
	return w, nil
}

// lease makes a run the only one of its configuration.
func (e *Engine) lease(configID, runID string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if other, busy := e.running[configID]; busy {
		return &InProgressError{RunID: other}
	}
	e.running[configID] = runID
	return nil
}

// release lets the next run begin.
func (w *applyJob) release() {
	w.mu.Lock()
	delete(w.running, w.plan.Config.ID)
	w.mu.Unlock()
	<-w.plan.turn
}

// applied is the run that applied the plan, nil if none did.
func (p *Plan) applied() *Run {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.run
}

// start marks the plan as applied: from here on it cannot be applied, or decided, again.
func (w *applyJob) start(ctx context.Context) {
	w.run.Started = w.now()
	w.run.results = make([]result, len(w.plan.entries))
	for i := range w.plan.entries {
		e := &w.plan.entries[i]
		w.run.results[i] = result{state: StateNothing, id: e.userID}
		if e.more == nil || e.more.op == "" {
			continue
		}
		w.run.results[i].state = StatePending
		if reason, held := w.held[int32(i)]; held {
			w.run.results[i].state, w.run.results[i].reasons = StateFailed, []Reason{reason}
		}
	}
	w.plan.mu.Lock()
	w.plan.run = w.run
	w.plan.mu.Unlock()
	w.log.InfoContext(ctx, "usersync: run started", "config", w.plan.Config.ID, "plan", w.plan.ID, "run", w.run.ID)
}

// end closes the run's record.
func (w *applyJob) end(ctx context.Context, err error) error {
	status := RunSucceeded
	if err != nil {
		status = RunFailed
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			status = RunCancelled
		}
		err = &PartialError{Run: w.run, Err: err}
	} else if rules := w.plan.Remembered(); rules != nil {
		next := w.plan.Config.WithRules(rules)
		w.run.Config = &next
	}
	w.run.mu.Lock()
	w.run.finished, w.run.status, w.run.err = w.now(), status, err
	w.run.mu.Unlock()
	w.log.InfoContext(ctx, "usersync: run ended", "config", w.plan.Config.ID, "run", w.run.ID,
		"status", status, "counts", w.run.Counts(), "error", err)
	return err
}

// write carries the plan out, in the order of A1 and C8: seats are freed before they are taken, values
// before they are needed, users exist before others refer to them.
func (w *applyJob) write(ctx context.Context) error {
	stages := w.stages()
	if err := w.stage(ctx, StageDeactivate, stages.deactivate); err != nil {
		return err
	}
	if err := w.stillSeats(ctx, stages.deactivate); err != nil {
		return err
	}
	if err := w.stage(ctx, StageUpdate, stages.update); err != nil {
		return err
	}
	if err := w.stage(ctx, StageCreate, stages.create); err != nil {
		return err
	}
	if err := w.stage(ctx, StageLink, w.living(stages.link)); err != nil {
		return err
	}
	if err := w.mail(ctx); err != nil {
		return err
	}
	w.progressed(ctx, StageFinish, 0, 0)
	return w.saveBaseline(ctx, w.plan.Config.ID, w.baseline())
}

// stillSeats counts the seats again where deactivations that were to free some have failed. (A1)
func (w *applyJob) stillSeats(ctx context.Context, steps []step) error {
	for _, s := range steps {
		if w.run.result(s.entry).state != StateDone {
			return w.checkSeats(ctx)
		}
	}
	return nil
}

// errStopped ends a run after the first row that failed.
var errStopped = errors.New("a row failed, and the run was to stop at the first error")

// stage writes steps in batches.
func (w *applyJob) stage(ctx context.Context, stage Stage, steps []step) error {
	total := len(steps)
	for done := 0; len(steps) > 0; {
		n := w.nextBatch(steps)
		if err := w.writeBatch(ctx, stage, steps[:n]); err != nil {
			return err
		}
		steps, done = steps[n:], done+n
		w.progressed(ctx, stage, done, total)
	}
	return nil
}

func (w *applyJob) writeBatch(ctx context.Context, stage Stage, steps []step) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	changes := make([]Change, len(steps))
	for i := range steps {
		changes[i] = w.change(&steps[i])
	}
	outcomes, err := w.writeUsers(ctx, changes)
	if err != nil {
		for _, s := range steps {
			w.uncertain(s)
		}
		return fmt.Errorf("writing users (%s): %w", stage, err)
	}
	failed := false
	for i := range steps {
		failed = !w.record(&steps[i], outcomes[i]) || failed
	}
	if failed && w.opt.stopFirst {
		return errStopped
	}
	return nil
}

// change makes the change of one step.
func (w *applyJob) change(s *step) Change {
	e := &w.plan.entries[s.entry]
	res := w.run.result(s.entry)
	c := Change{Op: s.op, UserID: res.id, Key: Fold(e.name), IfVersion: storeVersion(e.more.version),
		Active: w.activeAfter(e, s.op), Set: w.values(e, s),
		IdempotencyKey: w.plan.ID + "/" + strconv.Itoa(int(s.entry)) + "/" + s.part}
	if res.state == StateDone { // a later step of the same entry
		c.IfVersion = res.version
	}
	return c
}

func (w *applyJob) activeAfter(e *entry, op Op) bool {
	switch op {
	case OpCreate:
		return e.wish != wantsInactive
	case OpActivate:
		return true
	case OpDeactivate:
		return false
	}
	return e.account == activeAccount && e.more.op != OpDeactivate || e.more.op == OpActivate ||
		e.more.op == OpCreate && e.wish != wantsInactive
}

// record keeps an outcome and tells whether it is good.
func (w *applyJob) record(s *step, out Outcome) bool {
	if out.Err == nil && out.ID == "" {
		out.Err = fmt.Errorf("%w: UserStore.WriteUsers returned an outcome without an id", ErrInvalid)
	}
	w.run.set(s.entry, func(r *result) {
		switch {
		case out.Err == nil:
			r.state, r.id, r.version = StateDone, out.ID, out.Version
		case s.part == partMain:
			r.state = StateFailed
			r.reasons = append(r.reasons, failure(out.Err))
		default: // the row itself was written
			r.reasons = append(r.reasons, w.partFailure(s, out.Err))
		}
	})
	return out.Err == nil
}

// failure says why the store did not make a change.
func failure(err error) Reason {
	switch {
	case errors.Is(err, ErrVersionConflict):
		return errorReason(CodeStale, "moved", string(MovedEdited))
	case errors.Is(err, ErrDuplicate):
		return errorReason(CodeTaken, "message", err.Error())
	case errors.Is(err, ErrNotFound):
		return errorReason(CodeGone)
	}
	return errorReason(CodeStoreError, "message", err.Error())
}

// partFailure says that a part of a row was not written, although the row was.
func (w *applyJob) partFailure(s *step, err error) Reason {
	e := &w.plan.entries[s.entry]
	set := &e.more.settings[s.settings[0]]
	f := &w.schema.fields[set.field]
	r := warning(CodeLinkFailed, "value", showValue(set.new), "message", failure(err).Text()).in(f.Name)
	r.Column, r.Cell = w.plan.place(s.entry, f.index)
	return r
}

// uncertain marks a step whose outcome is not known.
func (w *applyJob) uncertain(s step) {
	w.run.set(s.entry, func(r *result) {
		r.state = StateUncertain
		r.reasons = append(r.reasons, warning(CodeUnknown))
	})
}

// baseline is the users whom this file has. (B4, B5, A7)
func (w *applyJob) baseline() Baseline {
	b := Baseline{RunID: w.run.ID, Members: make([]Member, 0, len(w.plan.entries))}
	seen := make(map[string]bool, len(w.plan.entries))
	add := func(m Member) {
		if m.UserID != "" && !seen[m.UserID] {
			seen[m.UserID] = true
			b.Members = append(b.Members, m)
		}
	}
	for i := range w.plan.entries {
		e := &w.plan.entries[i]
		res := w.run.result(int32(i))
		switch {
		case e.number == 0 && (e.class != ClassDeactivated || res.state == StateDone):
		case e.class == ClassError && !e.has(isMember):
		default:
			add(Member{UserID: res.id, Name: e.name})
		}
	}
	for _, m := range w.plan.stay {
		add(m)
	}
	return b
}

func (w *applyJob) progressed(ctx context.Context, stage Stage, done, total int) {
	w.tell(ctx, Progress{PlanID: w.plan.ID, RunID: w.run.ID, Stage: stage, Done: done, Total: total})
}
