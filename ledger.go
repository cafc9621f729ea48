package usersync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Design note: runs that last.
//
// A run whose engine has stores (WithRuns) survives its process. It holds the lease of its configuration,
// which a goroutine of Apply keeps fresh and every write of the journal proves; whoever lost it writes no
// more. Before a batch is written the journal says so, and afterwards what became of each change; where
// users and journal share a database, both are one transaction and nothing has to be said before. Apply is
// a function of the plan and of the outcomes so far, so Resume does the same again from the beginning and
// takes from the journal what is there, instead of asking the store. What was begun and has no outcome is
// in doubt: its users are read again to tell. The end of a run, its results and the new baseline are one
// write. (A4, A5, A7)

// ledger keeps a run in stores while it goes on. A nil ledger keeps nothing.
type ledger struct {
	*Stores
	ttl    time.Duration
	lease  Lease
	joint  JointJournal // nil where users and journal do not share a transaction
	past   *journalled  // what the journal had when the run went on, nil for a run that begins
	number int          // of the last entry
	ended  bool         // the lease was let go with the run's end
}

// patience is how long what must be written is tried after ctx is done.
const patience = 30 * time.Second

// lasting is a context for what must be written although ctx may be done.
func lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), patience)
}

// append adds a note to the journal.
func (l *ledger) append(ctx context.Context, note journalNote, mails []Mail) (err error) {
	entry, err := l.entry(note, mails)
	if err != nil {
		return err
	}
	defer calling("Journal.Append", &err)
	if err := l.Journal.Append(ctx, l.lease, entry); err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	return nil
}

// entry numbers a note.
func (l *ledger) entry(note journalNote, mails []Mail) (JournalEntry, error) {
	data, err := json.Marshal(note)
	l.number++
	return JournalEntry{Number: l.number, Data: data, Mails: mails}, err
}

// begin stores the run, and which rows it leaves out, before the first write.
func (l *ledger) begin(ctx context.Context, rec RunRecord, held []heldRow) (err error) {
	defer calling("RunStore.StartRun", &err)
	if err := l.Runs.StartRun(ctx, l.lease, rec); err != nil {
		return fmt.Errorf("storing the run: %w", err)
	}
	if len(held) == 0 {
		return nil
	}
	return l.append(ctx, journalNote{Kind: journalHeld, Held: held}, nil)
}

// finish stores the end of a run and lets the lease go.
func (l *ledger) finish(ctx context.Context, end RunEnd) (err error) {
	defer calling("RunStore.FinishRun", &err)
	if err := l.Runs.FinishRun(ctx, l.lease, end); err != nil {
		return fmt.Errorf("storing the end of the run: %w", err)
	}
	l.ended = true
	return nil
}

// release lets the lease go, if the run's end has not.
func (l *ledger) release(ctx context.Context) (err error) {
	if l == nil || l.ended || l.lease == (Lease{}) {
		return nil
	}
	ctx, cancel := lasting(ctx)
	defer cancel()
	defer calling("LeaseStore.Release", &err)
	return l.Leases.Release(ctx, l.lease)
}

// errAsked ends a run that somebody has asked to cancel.
var errAsked = fmt.Errorf("somebody asked for it: %w", context.Canceled)

// keep renews the lease until stop is called. The context that it gives ends when the lease is lost or
// somebody asks for the run to be cancelled.
func (l *ledger) keep(ctx context.Context) (_ context.Context, stop func()) {
	if l == nil {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		if err := l.renewUntil(ctx); err != nil {
			cancel(err)
		}
	}()
	return ctx, func() { cancel(nil); <-over }
}

// renewUntil renews the lease until ctx is done, or gives why the run must end. A renewal that fails is
// tried again as long as the lease may still be fresh.
func (l *ledger) renewUntil(ctx context.Context) error {
	tick := time.NewTicker(l.ttl / 4)
	defer tick.Stop()
	for good := time.Now(); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		asked := time.Now()
		cancelled, err := l.renew(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil && cancelled:
			return errAsked
		case err == nil:
			good = asked
		case errors.Is(err, ErrLeaseLost) || time.Since(good) > l.ttl:
			return err
		}
	}
}

// because is why a run ends: where keep has ended its context, the reason that it had.
func because(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if err == nil || cause == nil || cause == ctx.Err() || !errors.Is(err, ctx.Err()) {
		return err
	}
	return cause
}

func (l *ledger) renew(ctx context.Context) (cancelled bool, err error) {
	defer calling("LeaseStore.Renew", &err)
	if cancelled, err = l.Leases.Renew(ctx, l.lease, l.ttl); err != nil {
		return false, fmt.Errorf("renewing the lease: %w", err)
	}
	return cancelled, nil
}

// acquire takes the lease of a configuration for a run.
func (l *ledger) acquire(ctx context.Context, configID, runID string) (err error) {
	defer calling("LeaseStore.Acquire", &err)
	l.lease, err = l.Leases.Acquire(ctx, configID, runID, l.ttl)
	return err
}

// storedRun is the record of a run, nil if there is none.
func (s *Stores) storedRun(ctx context.Context, id string) (rec *RunRecord, err error) {
	defer calling("RunStore.Runs", &err)
	runs, err := s.Runs.Runs(ctx, RunQuery{ID: id, Limit: 1})
	if err != nil {
		return nil, fmt.Errorf("usersync: looking up run %s: %w", id, err)
	}
	if len(runs) == 0 {
		return nil, nil
	}
	return &runs[0], nil
}

// hold makes the run the only one of its configuration. Where the plan was applied already, it gives the
// run that has done it and that run's error; where another engine or process is at it, it waits. (A4)
func (w *applyJob) hold(ctx context.Context) (*Run, error) {
	if w.stores == nil {
		if run := w.plan.applied(); run != nil {
			return run, run.Err()
		}
		return nil, w.lease(w.run)
	}
	if err := w.keepPlan(ctx); err != nil {
		return nil, err
	}
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, w.leaseTime/8, 250*time.Millisecond) {
		run, err := w.tryHold(ctx)
		var busy *InProgressError
		if run != nil || !errors.As(err, &busy) || busy.RunID != w.plan.ID {
			return run, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("usersync: waiting for the plan to be applied: %w", ctx.Err())
		case <-time.After(wait):
		}
	}
}

// tryHold is one attempt of hold. The error is an *InProgressError of the plan's own run while it is under
// way elsewhere.
func (w *applyJob) tryHold(ctx context.Context) (*Run, error) {
	rec, err := w.stores.storedRun(ctx, w.plan.ID)
	switch {
	case err != nil:
		return nil, err
	case rec == nil:
		return nil, w.takeLease(ctx)
	case rec.Status == RunRunning:
		return nil, &InProgressError{RunID: rec.ID}
	case rec.Status == RunInterrupted:
		run, err := w.Engine.Resume(ctx, rec.ID)
		if errors.Is(err, ErrLeaseLost) {
			return nil, &InProgressError{RunID: rec.ID}
		}
		return run, err
	}
	run, err := w.Engine.loadRun(ctx, rec)
	if err != nil {
		return nil, err
	}
	return run, run.Err()
}

// takeLease takes the lease for a run that nobody has begun.
func (w *applyJob) takeLease(ctx context.Context) error {
	l := w.newLedger()
	if err := l.acquire(ctx, w.plan.cfg.ID, w.plan.ID); err != nil {
		return err
	}
	rec, err := w.stores.storedRun(ctx, w.plan.ID)
	if err == nil && rec != nil { // another was faster, and has ended already
		err = &InProgressError{RunID: rec.ID}
	}
	if err != nil {
		return errors.Join(err, l.release(ctx))
	}
	w.ledger = l
	w.isRunning(w.run)
	return nil
}

func (e *Engine) newLedger() *ledger {
	l := &ledger{Stores: e.stores, ttl: e.leaseTime}
	if joint, able := e.stores.Journal.(JointJournal); able && joint.Joins(e.store) {
		l.joint = joint
	}
	return l
}

// runRecord is the run as it is stored.
func (w *applyJob) runRecord(status RunStatus, finished time.Time, err error) RunRecord {
	r := w.run
	rec := RunRecord{ID: r.ID, PlanEdition: w.plan.edition, ConfigID: r.ConfigID, ConfigName: r.ConfigName,
		ConfigRevision: w.plan.cfg.Revision, Actor: r.Actor, File: r.Source.Name, SHA256: r.Source.SHA256,
		Undoes: r.Undoes, Added: r.Added, Started: r.Started, Finished: finished, Status: status,
		Options: w.runOptions(), CreatedReferences: r.CreatedReferences()}
	if err != nil {
		rec.Error = recorded(err)
	}
	if status != RunRunning {
		rec.Counts = r.Counts()
	}
	return rec
}

func (w *applyJob) runOptions() RunOptions {
	ways := w.ways()
	return RunOptions{WelcomeMail: slices.Contains(ways, MessageWelcome), WelcomeText: slices.Contains(ways, MessageText),
		Notify: w.opt.notify, Confirmed: w.opt.confirmed, SkipStale: w.opt.skipStale, StopOnError: w.opt.stopFirst}
}

// begin makes the run one that has begun: from here on the plan is applied.
func (w *applyJob) begin(ctx context.Context) error {
	if w.begun {
		return nil
	}
	if err := w.addFields(ctx, w.plan.fresh()); err != nil {
		return err
	}
	if w.opt.accepted != nil {
		if err := w.opt.accepted(ctx); err != nil {
			return err
		}
	}
	if w.ledger != nil {
		if err := w.ledger.begin(ctx, w.runRecord(RunRunning, time.Time{}, nil), w.heldRows()); err != nil {
			return err
		}
	}
	w.begun = true
	return nil
}

// heldRows lists the rows that are not written after all, in order.
func (w *applyJob) heldRows() []heldRow {
	var out []heldRow
	for i := range w.plan.entries {
		if reason, held := w.held[int32(i)]; held {
			out = append(out, heldRow{int32(i), reason})
		}
	}
	return out
}

// put writes a batch, and keeps in the journal what becomes of it. Both are one step where they can be.
func (w *applyJob) put(ctx context.Context, stage Stage, steps []step, changes []Change) ([]Outcome, error) {
	l := w.ledger
	switch {
	case l == nil:
		return w.writeUsers(ctx, changes)
	case l.joint != nil:
		return w.putJointly(ctx, stage, steps, changes)
	}
	if err := l.append(ctx, begunNote(stage, steps), nil); err != nil {
		return nil, err
	}
	outcomes, err := w.writeUsers(ctx, changes)
	if err != nil {
		return nil, err
	}
	ctx, cancel := lasting(ctx) // what was done must be told, also if ctx is done by now
	defer cancel()
	return outcomes, l.append(ctx, doneNote(stage, steps, outcomes), w.newMails(steps, outcomes))
}

func (w *applyJob) putJointly(ctx context.Context, stage Stage, steps []step, changes []Change) (out []Outcome, err error) {
	l := w.ledger
	defer calling("JointJournal.WriteJointly", &err)
	number := l.number
	out, err = l.joint.WriteJointly(ctx, l.lease, w.store, changes, func(outcomes []Outcome) (JournalEntry, error) {
		l.number = number // the store may try several times
		if err := checkOutcomes(changes, outcomes); err != nil {
			return JournalEntry{}, err
		}
		return l.entry(doneNote(stage, steps, w.schema.maskOutcomes(changes, outcomes)), w.newMails(steps, outcomes))
	})
	return w.schema.maskOutcomes(changes, out), w.schema.masked(err, changes...)
}

// succeed makes the success of the run and its baseline true, in one step where there are stores. (A7)
func (w *applyJob) succeed(ctx context.Context) error {
	base := w.baseline()
	if w.ledger == nil {
		return w.saveBaseline(ctx, w.plan.cfg.ID, base)
	}
	results, err := w.run.resultParts()
	if err != nil {
		return err
	}
	w.closing = w.now()
	err = w.ledger.finish(ctx, RunEnd{Run: w.runRecord(RunSucceeded, w.closing, nil), Baseline: &base, Results: results,
		Mails: w.notices(), Final: true})
	if err != nil && w.hasSucceeded(ctx) {
		return nil
	}
	return err
}

// hasSucceeded looks whether the end of a run was stored although the store gave an error.
func (w *applyJob) hasSucceeded(ctx context.Context) bool {
	ctx, cancel := lasting(ctx)
	defer cancel()
	rec, err := w.stores.storedRun(ctx, w.run.ID)
	w.ledger.ended = err == nil && rec != nil && rec.Status == RunSucceeded
	return w.ledger.ended
}

// endEarly stores how a run ended that did not succeed. Where that fails, the lease runs out and the run is
// interrupted.
func (w *applyJob) endEarly(ctx context.Context, status RunStatus, finished time.Time, why error) {
	if w.ledger == nil || errors.Is(why, ErrLeaseLost) {
		return
	}
	results, err := w.run.resultParts()
	if err == nil {
		ctx, cancel := lasting(ctx)
		defer cancel()
		err = w.ledger.finish(ctx, RunEnd{Run: w.runRecord(status, finished, why), Results: results, Mails: w.notices()})
	}
	if err != nil {
		w.log.WarnContext(ctx, "usersync: the end of a run could not be stored", "config", w.plan.cfg.ID,
			"run", w.run.ID, "error", loggable(err))
	}
}
