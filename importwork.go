package usersync

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// importJob is one import that is being worked on, with the lease of its configuration's imports.
type importJob struct {
	*Service
	imp    Import // as this job has stored it last
	ledger *ledger
	cancel context.CancelCauseFunc
	read   atomic.Int64 // rows that were read so far
	told   time.Time    // when the record said so last
}

// importLease names the lease of the imports of a configuration.
func importLease(configID string) string { return "imports of " + configID }

// errIdle: there is nothing to do for an import.
var errIdle = errors.New("usersync: the import needs no work")

// RunImport works one import off, in the calling goroutine, until it is done, needs a person or has failed,
// and returns it as it is then: for job queues, and for tests. One that needs no work is returned as it is.
// An error means that the import goes on later, by another RunImport or by Dispatch: ctx was done, a store
// failed, or a worker or another run of the configuration is at work (it wraps ErrRunInProgress).
func (s *Service) RunImport(ctx context.Context, id string) (Import, error) {
	imp, err := s.Import(ctx, id)
	if err != nil {
		return Import{}, err
	}
	job, err := s.claimImport(ctx, &imp)
	switch {
	case errors.Is(err, errIdle):
		return s.Import(ctx, id)
	case err != nil:
		return imp, err
	}
	err = job.carryOut(ctx)
	return job.imp, err
}

// claimImport makes this process the one that works on an import. The error is errIdle where there is
// nothing to do.
func (s *Service) claimImport(ctx context.Context, imp *Import) (*importJob, error) {
	if !imp.Status.IsOpen() {
		return nil, errIdle
	}
	j := &importJob{Service: s, imp: *imp, cancel: func(error) {},
		ledger: &ledger{Stores: s.eng.stores, ttl: s.eng.leaseTime}}
	if err := j.ledger.acquire(ctx, importLease(imp.ConfigID), imp.ID); err != nil {
		return nil, fmt.Errorf("usersync: import %s: %w", imp.ID, err)
	}
	claimed, err := s.changeImport(ctx, imp.ID, func(imp *Import) error {
		if !imp.Status.IsOpen() {
			return errIdle
		}
		imp.Holder = j.ledger.lease.Token
		imp.Status = ImportChecking
		if imp.PlanID != "" {
			imp.Status = ImportApplying
		}
		return nil
	})
	if err != nil {
		j.leave(ctx)
		return nil, err
	}
	j.imp = claimed
	return j, nil
}

// leave lets the next worker begin.
func (j *importJob) leave(ctx context.Context) {
	if err := j.ledger.release(ctx); err != nil {
		j.eng.log.WarnContext(ctx, "usersync: a lease could not be let go", "config", j.imp.ConfigID, "import", j.imp.ID,
			"error", loggable(err))
	}
}

// carryOut works an import off, and puts it back where that is not to be done now.
func (j *importJob) carryOut(ctx context.Context) error {
	defer j.leave(ctx)
	kept, stop := j.ledger.keep(ctx)
	defer stop()
	kept, j.cancel = context.WithCancelCause(kept)
	defer j.cancel(nil)
	j.desk.begin(j)
	defer j.desk.end(j)
	err := j.work(kept)
	if err != nil {
		j.eng.log.WarnContext(ctx, "usersync: an import goes on later", "config", j.imp.ConfigID, "import", j.imp.ID,
			"error", loggable(err))
	}
	return err
}

// work takes an import from step to step.
func (j *importJob) work(ctx context.Context) error {
	for {
		var err error
		switch {
		case !j.imp.Status.IsOpen() || j.imp.Status == ImportQueued:
			return nil
		case j.imp.Cancelling:
			err = j.cancelled(ctx)
		case j.imp.PlanID == "":
			err = j.check(ctx)
		default:
			err = j.apply(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// save changes the record, unless another worker has the import by now. What must be stored is, also if ctx
// is done. What was cancelled meanwhile asks nobody any more.
func (j *importJob) save(ctx context.Context, change func(*Import)) error {
	ctx, done := lasting(ctx)
	defer done()
	imp, err := j.changeImport(ctx, j.imp.ID, func(imp *Import) error {
		if imp.Holder != j.ledger.lease.Token {
			return ErrLeaseLost
		}
		change(imp)
		if imp.Cancelling && imp.Status == ImportIntervention {
			imp.finish(ImportCancelled, j.eng.now())
		}
		return nil
	})
	if err == nil {
		j.imp = imp
	}
	return err
}

// stop hands the import to a person.
func (j *importJob) stop(ctx context.Context, code string, why error) error {
	return j.save(ctx, func(imp *Import) { imp.stop(code, shownError(why)) })
}

func (imp *Import) stop(code, text string) {
	imp.Status, imp.Code, imp.Problem, imp.Holder = ImportIntervention, code, text, 0
}

// check makes the plan, stores it, and looks whether a person has to see it.
func (j *importJob) check(ctx context.Context) error {
	plan, err := persistent(ctx, j.eng.pauses, func() (*Plan, error) { return j.preview(ctx) })
	if err != nil {
		return j.unchecked(ctx, err)
	}
	return j.save(ctx, func(imp *Import) {
		imp.PlanID, imp.Plan, imp.Status, imp.Read = plan.ID, plan.Counts(), ImportApplying, plan.Source.Rows
		if code, text := imp.hold(plan); code != "" {
			imp.stop(code, text)
		}
	})
}

func (j *importJob) preview(ctx context.Context) (*Plan, error) {
	src, err := j.storedFile(ctx, &j.imp)
	if err != nil {
		return nil, err
	}
	told := previewOption(func(o *previewOptions) { o.told = j.hasRead(ctx) })
	return j.Preview(ctx, j.imp.ConfigID, src, By(j.imp.Actor), AddFields(j.imp.Options.Fields...), told)
}

// tellEvery is how often the record of an import says how many rows were read.
const tellEvery = 2 * time.Second

// hasRead notes how far the check is, for who asks here, and now and then for other processes.
func (j *importJob) hasRead(ctx context.Context) func(int) {
	j.told = j.eng.now()
	return func(rows int) {
		j.read.Store(int64(rows))
		if now := j.eng.now(); now.Sub(j.told) >= tellEvery {
			j.told = now
			if err := j.save(ctx, func(imp *Import) { imp.Read = rows }); err != nil {
				j.eng.log.WarnContext(ctx, "usersync: how far an import is could not be stored", "import", j.imp.ID,
					"error", loggable(err))
			}
		}
	}
}

// hold says why a person has to look at the plan, "" where nobody has to.
func (imp *Import) hold(plan *Plan) (code, text string) {
	var why []string
	add := func(c, text string) {
		if code == "" {
			code = c
		}
		why = append(why, text)
	}
	c := imp.Plan
	if imp.Agreed != "" && imp.Agreed != imp.PlanID {
		imp.Options.Confirmed = nil // was for the plan that was seen
		add(ImportMoved, "users or the configuration have changed since somebody looked at the plan, or since the run began: "+
			"look at the new one")
	}
	if c.Errors > 0 && !imp.Options.SkipBadRows {
		add(ImportBadRows, fmt.Sprintf("%d of %d rows have errors: go on without them, replace the file, or cancel", c.Errors, c.Rows))
	}
	for _, block := range plan.blocks(imp.Options.Confirmed) {
		add(blockCode(block), shownError(block))
	}
	if imp.Options.Review {
		add(ImportReview, "the plan is ready: look at it, and go on")
	}
	return code, strings.Join(why, "\n")
}

func blockCode(block error) string {
	switch {
	case errors.Is(block, ErrUnresolved):
		return ImportConflicts
	case errors.Is(block, ErrGuard):
		return ImportGuard
	case errors.Is(block, ErrSeats):
		return ImportSeats
	}
	return ""
}

// unchecked says what becomes of an import whose check has no plan.
func (j *importJob) unchecked(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return j.interrupted(ctx)
	}
	var file *FileError
	switch {
	case errors.As(err, &file):
		return j.stop(ctx, file.Code, err)
	case errors.Is(err, ErrPaused):
		return j.stop(ctx, ImportPaused, err)
	}
	return j.fail(ctx, nil, err)
}

// fail ends the import with an error that may pass.
func (j *importJob) fail(ctx context.Context, run *Run, err error) error {
	code := ImportError
	if errors.Is(err, ErrInvalid) {
		code = ImportInvalid
	}
	return j.save(ctx, func(imp *Import) {
		imp.note(run)
		imp.Code, imp.Problem = code, shownError(err)
		imp.finish(ImportFailed, j.eng.now())
	})
}

// note keeps the numbers of a run, if there is one.
func (imp *Import) note(run *Run) {
	if run != nil {
		imp.Run = run.Counts()
	}
}

// apply brings the plan's run to its end.
func (j *importJob) apply(ctx context.Context) error {
	run, err := persistent(ctx, j.eng.pauses, func() (*Run, error) { return j.run(ctx) })
	if err != nil {
		return j.unapplied(ctx, run, err)
	}
	return j.save(ctx, func(imp *Import) {
		imp.note(run)
		imp.finish(ImportDone, j.eng.now())
	})
}

// run applies the plan, or goes on with its run.
func (j *importJob) run(ctx context.Context) (*Run, error) {
	rec, err := j.stores.storedRun(ctx, j.imp.PlanID)
	if err != nil {
		return nil, err
	}
	if rec == nil || rec.Status == RunRunning || rec.Status == RunSucceeded {
		return j.Apply(ctx, j.imp.PlanID, j.imp.applyOptions()...)
	}
	return j.Resume(ctx, j.imp.PlanID)
}

func (imp *Import) applyOptions() []ApplyOption {
	o := &imp.Options
	opts := []ApplyOption{Notify(o.Notify...)}
	if o.Confirmed != nil {
		opts = append(opts, ConfirmDeactivations(*o.Confirmed))
	}
	if o.WelcomeMail != nil {
		opts = append(opts, WithWelcomeMail(*o.WelcomeMail))
	}
	if o.WelcomeText != nil {
		opts = append(opts, WithWelcomeText(*o.WelcomeText))
	}
	if o.SkipStale {
		opts = append(opts, SkipStale())
	}
	if imp.AgreedBy != (Actor{}) {
		opts = append(opts, By(imp.AgreedBy))
	}
	if imp.Agreed == imp.PlanID {
		opts = append(opts, applyOption(func(o *applyOptions) { o.edition = imp.AgreedEdition }))
	}
	return opts
}

// unapplied says what becomes of an import whose plan was not applied, or not to the end.
func (j *importJob) unapplied(ctx context.Context, run *Run, err error) error {
	switch {
	case ctx.Err() != nil:
		return j.interrupted(ctx)
	case errors.Is(err, ErrRunInProgress): // another's, which comes to its end
		return errors.Join(err, j.putBack(ctx))
	case errors.Is(err, ErrEdited):
		return j.stop(ctx, ImportMoved, err)
	case errors.Is(err, ErrPlanStale), errors.Is(err, ErrNotFound):
		return j.recheck(ctx)
	case errors.Is(err, ErrPaused):
		return j.paused(ctx, err)
	case blockCode(err) != "":
		return j.save(ctx, func(imp *Import) {
			imp.note(run)
			imp.stop(blockCode(err), shownError(err))
		})
	case wasAsked(err):
		return j.save(ctx, func(imp *Import) {
			imp.note(run)
			imp.finish(ImportCancelled, j.eng.now())
		})
	}
	return j.fail(ctx, run, err)
}

// wasAsked tells an error of a run that somebody has cancelled, here or elsewhere.
func wasAsked(err error) bool {
	var told *toldError
	return errors.Is(err, errAsked) || errors.As(err, &told) && errors.Is(told, context.Canceled)
}

// paused stops an import until its configuration is resumed. That makes its plan stale, unless its run has
// begun.
func (j *importJob) paused(ctx context.Context, why error) error {
	rec, err := j.stores.storedRun(ctx, j.imp.PlanID)
	if err != nil {
		return err
	}
	return j.save(ctx, func(imp *Import) {
		if rec == nil {
			imp.forgetPlan()
		}
		imp.stop(ImportPaused, shownError(why))
	})
}

// recheck forgets a plan of which something has moved, so that another is made. Where a run of it had
// begun, or something moves again and again, a person has to see the next one.
func (j *importJob) recheck(ctx context.Context) error {
	rec, err := j.stores.storedRun(ctx, j.imp.PlanID)
	if err != nil {
		return err
	}
	return j.save(ctx, func(imp *Import) {
		if imp.Agreed == "" && (rec != nil || imp.Rechecks > 0) {
			imp.Agreed = imp.PlanID
		}
		imp.Rechecks++
		imp.Status = ImportChecking
		imp.forgetPlan()
	})
}

func (imp *Import) forgetPlan() { imp.PlanID, imp.Plan, imp.Read = "", Counts{}, 0 }

// interrupted says what becomes of an import whose context is done: somebody has cancelled it, another
// worker has it, or this process ends.
func (j *importJob) interrupted(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, ErrLeaseLost) {
		return cause
	}
	if !errors.Is(cause, errAsked) {
		return errors.Join(cause, j.putBack(ctx))
	}
	return j.cancelled(ctx)
}

// cancelled ends the import because somebody asked for it, with what its run has written.
func (j *importJob) cancelled(ctx context.Context) error {
	lasts, done := lasting(ctx)
	defer done()
	counts, err := j.countRun(lasts, &j.imp)
	if err != nil {
		return err
	}
	return j.save(ctx, func(imp *Import) {
		imp.Run = counts
		imp.finish(ImportCancelled, j.eng.now())
	})
}

// countRun reads the numbers of the import's run. Those that the import has stay where no run of its plan has begun.
func (s *Service) countRun(ctx context.Context, imp *Import) (RunCounts, error) {
	if imp.PlanID == "" {
		return imp.Run, nil
	}
	rec, err := s.stores.storedRun(ctx, imp.PlanID)
	if rec == nil || err != nil {
		return imp.Run, err
	}
	return rec.Counts, nil
}

// putBack lets the import wait for a worker.
func (j *importJob) putBack(ctx context.Context) error {
	return j.save(ctx, func(imp *Import) {
		if !imp.Cancelling { // whoever takes it next ends it
			imp.requeue()
		}
	})
}

// persistent does something again when a store or another part of the product fails, after pauses.
func persistent[T any](ctx context.Context, r Retries, do func() (T, error)) (T, error) {
	for try := 1; ; try++ {
		out, err := attempt(do)
		if err == nil || try == r.Tries || ctx.Err() != nil || !mayPass(err) {
			return out, err
		}
		select {
		case <-ctx.Done():
			return out, err
		case <-time.After(r.after(try)):
		}
	}
}

// attempt does something once. A panic, of whatever, ends the import and not the process.
func attempt[T any](do func() (T, error)) (out T, err error) {
	defer calling("an import", &err)
	return do()
}

// mayPass tells an error that another try may not have.
func mayPass(err error) bool {
	var panicked *PanicError
	if errors.As(err, &panicked) || wasAsked(err) {
		return false
	}
	for _, final := range []error{ErrRefused, ErrPaused, ErrPlanStale, ErrUnresolved, ErrSeats, ErrGuard, ErrRunInProgress,
		ErrLeaseLost, ErrInvalid, ErrNotFound, ErrEdited} {
		if errors.Is(err, final) {
			return false
		}
	}
	return true
}
