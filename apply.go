package usersync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// applyJob is one Apply under way.
type applyJob struct {
	*Engine
	schema   *schema // the plan's, which may come from a Previewer
	plan     *Plan
	opt      applyOptions
	actor    Actor
	run      *Run
	held     map[int32]Reason  // entries that are not written after all, and why
	again    map[int32]User    // users as they were just before the run, where a hook is asked about them
	keyNow   map[int32]string  // keys, folded, of users who have another key than their row
	before   map[int32][]int32 // entries that free the values that an entry takes
	keeps    map[int32]bool    // entries of which a part failed
	at       Stage             // what was told last
	welcomed map[int32]bool    // created users whose mail was seen to
	begun    bool              // something may have been written
	ledger   *ledger           // nil without stores
	mailbox  map[string]Mail   // the run's mails in the outbox, by key
	closing  time.Time         // when the run ended, once that is being stored
	seating  seating           // seats that are still to be taken and freed
}

// claim makes sure that a plan is applied once, and one plan at a time for a configuration. Where the plan
// was applied already there is no job but the run, with the error that ended it. (A4)
func (e *Engine) claim(ctx context.Context, plan *Plan, opts []ApplyOption) (*applyJob, *Run, error) {
	if plan == nil || plan.schema == nil {
		return nil, nil, fmt.Errorf("%w: the plan does not come from Preview", ErrInvalid)
	}
	if !e.schema.covers(plan) {
		return nil, nil, fmt.Errorf("%w: the plan was made with another schema", ErrInvalid)
	}
	if len(plan.extra) > 0 && e.fieldStore == nil {
		return nil, nil, fmt.Errorf("%w: the plan has fields that were added, and the engine no WithFieldStore", ErrInvalid)
	}
	select {
	case plan.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("usersync: waiting for the plan to be applied: %w", ctx.Err())
	}
	w := e.newJob(plan, opts)
	var bad problems
	validateAddresses("notify", w.opt.notify, &bad)
	if len(w.opt.notify) > 0 && (e.stores == nil || !e.canSend(MessageEnded)) {
		bad.add("notify", "needs stores, and a Mailer that is a Messenger")
	}
	if err := bad.err("option"); err != nil {
		<-plan.turn
		return nil, nil, err
	}
	if run, err := w.hold(ctx); run != nil || err != nil {
		<-plan.turn
		return nil, run, err
	}
	plan.setRun(w.run)
	return w, nil, nil
}

func (e *Engine) newJob(plan *Plan, opts []ApplyOption) *applyJob {
	w := &applyJob{Engine: e, schema: plan.schema, plan: plan, actor: plan.Actor, held: map[int32]Reason{},
		again: map[int32]User{}, keyNow: map[int32]string{}, keeps: map[int32]bool{},
		welcomed: map[int32]bool{}}
	for _, opt := range opts {
		opt.apply(&w.opt)
	}
	if w.opt.actor != nil {
		w.actor = *w.opt.actor
	}
	w.run = plan.newRun(w.actor)
	return w
}

// newRun is the run of a plan. It has the plan's id, since a plan is applied once.
func (p *Plan) newRun(by Actor) *Run {
	return &Run{ID: p.ID, ConfigID: p.cfg.ID, ConfigName: p.cfg.Name, Actor: by, Source: p.Source, Undoes: p.Undoes,
		Added: slices.Clone(p.fresh()), plan: p, status: RunRunning}
}

// lease makes a run the only one of its configuration.
func (e *Engine) lease(run *Run) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if other, busy := e.running[run.ConfigID]; busy {
		return &InProgressError{RunID: other.ID}
	}
	e.running[run.ConfigID] = run
	return nil
}

// isRunning shows a run that holds the lease of its configuration as the one under way.
func (e *Engine) isRunning(run *Run) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running[run.ConfigID] = run
}

// release lets the next run begin, and the plan be decided and applied again if it was refused.
func (w *applyJob) release(ctx context.Context) {
	if w.run.results == nil {
		w.plan.setRun(nil)
	}
	w.mu.Lock()
	if w.running[w.plan.cfg.ID] == w.run {
		delete(w.running, w.plan.cfg.ID)
	}
	w.mu.Unlock()
	if err := w.ledger.release(ctx); err != nil {
		w.log.WarnContext(ctx, "usersync: a lease could not be let go", "config", w.plan.cfg.ID, "run", w.run.ID, "error", loggable(err))
	}
	<-w.plan.turn
}

// applied is the run that applied the plan, nil if none did.
func (p *Plan) applied() *Run {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.run
}

// setRun marks the plan as being applied: from then on it cannot be decided.
func (p *Plan) setRun(run *Run) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.run = run
}

// start begins the run's record: from here on the plan is applied, and cannot be applied again.
func (w *applyJob) start(ctx context.Context) {
	if w.run.Started.IsZero() {
		w.run.Started = w.now()
	}
	results := newResults(w.plan.entries)
	for at, reason := range w.held {
		results[at].state, results[at].reasons = StateFailed, []Reason{reason}
	}
	w.run.mu.Lock()
	w.run.results = results
	w.run.mu.Unlock()
	for key, at := range w.plan.cross.elsewhere {
		w.keyNow[at] = key
	}
	w.log.InfoContext(ctx, "usersync: run started", "config", w.plan.cfg.ID, "plan", w.plan.ID, "run", w.run.ID)
}

// end closes the run's record. A run that ended before it tried to write anything is no run: the plan can
// be applied again.
func (w *applyJob) end(ctx context.Context, err error) (*Run, error) {
	if err != nil && !w.begun && !w.goesOn() && !errors.Is(err, errStopped) {
		w.run.results = nil
		return nil, fmt.Errorf("usersync: before the first write: %w", err)
	}
	status := RunSucceeded
	if err != nil {
		w.tellUnwelcomed()
		status = RunFailed
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			status = RunCancelled
		}
		err = &PartialError{Run: w.run, Err: err}
	} else if rules := w.plan.Remembered(); rules != nil {
		next := w.plan.cfg.WithRules(rules)
		w.run.NextConfig = &next
	}
	if w.closing.IsZero() || err != nil {
		w.closing = w.now()
	}
	if err != nil {
		w.endEarly(ctx, status, w.closing, errors.Unwrap(err))
	}
	w.run.mu.Lock()
	w.run.finished, w.run.status, w.run.err = w.closing, status, err
	w.run.mu.Unlock()
	w.log.InfoContext(ctx, "usersync: run ended", "config", w.plan.cfg.ID, "run", w.run.ID,
		"status", status, "stage", w.at, "counts", w.run.Counts(), "error", loggable(err))
	return w.run, err
}

// recorded is an error as it is stored and reported. What an adapter panicked with may quote a change and its
// password: only the call is named, and Run.Err has the rest. (A10)
func recorded(err error) string {
	if p := (*PanicError)(nil); errors.As(err, &p) {
		return p.Call + " panicked"
	}
	return err.Error()
}

// loggable says what ended a run in the engine's own words: the product's errors may quote users. (A10)
func loggable(err error) string {
	var p *PanicError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &p):
		return p.Call + " panicked"
	}
	for _, known := range []error{context.Canceled, context.DeadlineExceeded, ErrSeats, ErrInvalid, errStopped} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return "an error of the product: see Run.Err"
}

// write carries the plan out, in the order of A1 and C8: seats are freed before they are taken, values
// before they are needed, users exist before others refer to them.
func (w *applyJob) write(ctx context.Context) error {
	if err := w.createThings(ctx); err != nil {
		return err
	}
	if err := w.writeStages(ctx, w.stages()); err != nil {
		return err
	}
	if err := w.mail(ctx); err != nil {
		return err
	}
	w.progressed(ctx, StageFinish, 0, 1)
	if err := w.begin(ctx); err != nil {
		return err
	}
	if err := w.succeed(ctx); err != nil {
		return err
	}
	w.progressed(ctx, StageFinish, 1, 1)
	return nil
}

func (w *applyJob) writeStages(ctx context.Context, s stages) error {
	defer w.tellUntried(&s)
	deactivations := s.deactivate
	if err := w.stage(ctx, StageDeactivate, &s.deactivate); err != nil {
		return err
	}
	if err := w.stillSeats(ctx, deactivations); err != nil {
		return err
	}
	s.update = w.possible(s.update)
	if err := w.stage(ctx, StageUpdate, &s.update); err != nil {
		return err
	}
	if err := w.stage(ctx, StageCreate, &s.create); err != nil {
		return err
	}
	w.letGoSeats(ctx, nil) // nothing takes a seat any more
	s.link = w.possible(s.link)
	return w.stage(ctx, StageLink, &s.link)
}

// tellUntried says, when a run ends early, what is missing of rows whose own change was made.
func (w *applyJob) tellUntried(s *stages) {
	message := Reason{Code: CodeNotTried}.Text()
	for _, untried := range [][]step{s.update, s.link} {
		for _, step := range untried {
			if step.part != partMain && w.run.result(step.entry).state == StateDone {
				w.run.set(step.entry, func(r *result) { r.reasons = append(r.reasons, w.missing(&step, message)...) })
			}
		}
	}
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

// stage writes steps in batches. It leaves those that were not tried.
func (w *applyJob) stage(ctx context.Context, stage Stage, steps *[]step) error {
	total := len(*steps)
	w.progressed(ctx, stage, 0, total)
	for len(*steps) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := w.nextBatch(*steps)
		batch := (*steps)[:n]
		*steps = (*steps)[n:]
		if err := w.writeBatch(ctx, stage, batch); err != nil {
			return err
		}
		w.progressed(ctx, stage, total-len(*steps), total)
	}
	return nil
}

func (w *applyJob) writeBatch(ctx context.Context, stage Stage, steps []step) error {
	free, kept := w.free(stage, steps)
	failed, err := w.tryBatch(ctx, stage, free)
	w.settled(steps)
	if err == nil && (kept || failed) && w.opt.stopFirst {
		return errStopped
	}
	return err
}

// tryBatch writes steps in one call and tells whether a row failed.
func (w *applyJob) tryBatch(ctx context.Context, stage Stage, steps []step) (failed bool, err error) {
	if steps = w.replay(steps); len(steps) == 0 {
		return false, nil
	}
	if steps, err = w.undoubt(ctx, stage, steps); err != nil || len(steps) == 0 {
		return false, err
	}
	if err := w.seatsFor(ctx, steps); err != nil {
		return false, err
	}
	ctx, done := w.whileHeld(ctx)
	defer done()
	if err := w.begin(ctx); err != nil {
		return false, err
	}
	if err := ctx.Err(); err != nil { // nothing of the batch is in doubt
		return false, err
	}
	changes := make([]Change, len(steps))
	for i := range steps {
		changes[i] = w.change(&steps[i])
	}
	outcomes, err := w.put(ctx, stage, steps, changes)
	if err != nil {
		for _, s := range steps {
			w.uncertain(s)
		}
		return false, fmt.Errorf("writing users (%s): %w", stage, err)
	}
	for i := range steps {
		failed = !w.record(&steps[i], outcomes[i]) || failed
	}
	return failed, nil
}

// change makes the change of one step.
func (w *applyJob) change(s *step) Change {
	e := &w.plan.entries[s.entry]
	res := w.run.result(s.entry)
	c := Change{Op: s.op, UserID: res.id, Key: w.keyAfter(e, s), IfVersion: storeVersion(e.more.version),
		Active: w.activeAfter(e, s.op), Set: w.values(e, s),
		IdempotencyKey: w.plan.ID + "/" + strconv.Itoa(int(s.entry)) + "/" + s.part}
	if res.state == StateDone { // a later step of the same entry
		c.IfVersion = res.version
	}
	return c
}

// keyAfter is the user's key once a step is written, folded: that of the row, unless the user keeps
// another, or does not have the row's yet.
func (w *applyJob) keyAfter(e *entry, s *step) string {
	now, other := w.keyNow[s.entry]
	if !other {
		return Fold(e.name)
	}
	for i := range e.more.settings {
		set := &e.more.settings[i]
		if int(set.field) == w.schema.key && set.writes() && (s.part != partMain || s.has(int32(i))) {
			return Fold(set.new)
		}
	}
	return now
}

func (w *applyJob) activeAfter(e *entry, op Op) bool {
	switch op {
	case OpActivate:
		return true
	case OpDeactivate:
		return false
	}
	return e.takesSeat() || e.account == activeAccount && e.more.op != OpDeactivate
}

// record keeps an outcome and tells whether it is good.
func (w *applyJob) record(s *step, out Outcome) bool {
	w.run.set(s.entry, func(r *result) {
		switch {
		case out.Err == nil || s.part == partMain:
			r.take(out)
		default: // the row itself was written
			r.reasons = append(r.reasons, w.missing(s, failure(out.Err).Text())...)
			w.keeps[s.entry] = true
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

// missing says which fields of a row were not written, although the row was.
func (w *applyJob) missing(s *step, message string) []Reason {
	e := &w.plan.entries[s.entry]
	var out []Reason
	for i := range e.more.settings {
		set := &e.more.settings[i]
		if !s.has(int32(i)) || !w.isWritten(set) {
			continue
		}
		f := &w.schema.fields[set.field]
		value := showValue(set.new)
		if f.Secret {
			value = secretShown
		}
		r := warning(CodeLinkFailed, "value", value, "message", message).in(f.Name)
		r.Column, r.Cell = w.plan.place(s.entry, f.index)
		out = append(out, r)
	}
	return out
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
	if w.plan.Undoes != "" {
		return w.undoneBaseline()
	}
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
			add(Member{UserID: res.id, Name: w.plan.nameAfter(int32(i))})
		}
	}
	for _, m := range w.plan.stay {
		add(m)
	}
	return b
}

func (w *applyJob) progressed(ctx context.Context, stage Stage, done, total int) {
	w.at = stage
	w.tell(ctx, Progress{PlanID: w.plan.ID, RunID: w.run.ID, Stage: stage, Done: done, Total: total})
}
