package usersync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// ImportChoices are what a person chooses who lets an import go on. What is nil stays as it is.
type ImportChoices struct {
	By          Actor // who that is; the run is made on their behalf. The zero Actor leaves it to who has started it.
	Confirmed   *int  // see ConfirmDeactivations
	WelcomeMail *bool
	WelcomeText *bool
	SkipStale   bool // see SkipStale
}

// ContinueImport lets an import go on that needs a person or has failed: with its plan as it is now decided
// and without the bad rows, with its run where that had ended, or, where there is no plan, with another
// check. edition is that of the import that the person has seen: the error wraps ErrEdited if it has
// changed since. Conflicts that are not decided (see Decide) and deactivations that are not confirmed are
// an *UnresolvedError or a *GuardError, and the import stays as it is.
func (s *Service) ContinueImport(ctx context.Context, id string, edition int, c ImportChoices) (Import, error) {
	imp, err := s.Import(ctx, id)
	if err != nil {
		return Import{}, err
	}
	if err := imp.accept(c, edition); err != nil {
		return Import{}, err
	}
	if err := s.isAnswered(ctx, &imp); err != nil {
		return Import{}, err
	}
	if err := s.saveImport(ctx, &imp, nil); err != nil {
		return Import{}, err
	}
	s.desk.ring()
	return imp, nil
}

// accept notes what a person has chosen.
func (imp *Import) accept(c ImportChoices, edition int) error {
	switch {
	case imp.Status != ImportIntervention && imp.Status != ImportFailed:
		return &ImportStateError{imp.ID, imp.Status, "continued"}
	case imp.Edition != edition:
		return fmt.Errorf("%w: import %s has edition %d", ErrEdited, imp.ID, imp.Edition)
	}
	if imp.PlanID != "" {
		imp.Agreed, imp.AgreedBy = imp.PlanID, c.By
	}
	o := &imp.Options
	o.WelcomeMail, o.WelcomeText = cmp.Or(c.WelcomeMail, o.WelcomeMail), cmp.Or(c.WelcomeText, o.WelcomeText)
	o.Confirmed, o.SkipStale = cmp.Or(c.Confirmed, o.Confirmed), o.SkipStale || c.SkipStale
	imp.requeue()
	imp.Rechecks = 0
	return nil
}

// requeue makes the import one that waits.
func (imp *Import) requeue() {
	imp.Status, imp.Code, imp.Problem, imp.Finished, imp.Holder = ImportQueued, "", "", time.Time{}, 0
}

// isAnswered refuses a plan that a person has not answered all questions of. A plan that is gone is made anew.
func (s *Service) isAnswered(ctx context.Context, imp *Import) error {
	if imp.PlanID == "" {
		return nil
	}
	if rec, err := s.stores.storedRun(ctx, imp.PlanID); rec != nil || err != nil {
		return err
	}
	plan, err := s.eng.loadPlan(ctx, imp.PlanID)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrPlanStale) {
		return nil
	}
	if err != nil {
		return err
	}
	imp.Plan, imp.AgreedEdition = plan.Counts(), plan.edition
	for _, block := range plan.blocks(imp.Options.Confirmed) {
		if !errors.Is(block, ErrSeats) { // they are counted anew
			return block
		}
	}
	return nil
}

// ReplaceFile gives an import that needs a person or has failed another file, of which everything begins
// anew. What a run of the old file has written stays written.
func (s *Service) ReplaceFile(ctx context.Context, id string, src Source) (Import, error) {
	imp, err := s.Import(ctx, id)
	if err != nil {
		return Import{}, err
	}
	if imp.Status != ImportIntervention && imp.Status != ImportFailed {
		return Import{}, &ImportStateError{imp.ID, imp.Status, "given another file"}
	}
	cfg, err := s.importing(ctx, imp.ConfigID)
	if err != nil {
		return Import{}, err
	}
	up, err := s.upload(ctx, cfg, src)
	if err != nil {
		return Import{}, err
	}
	defer s.closeUpload(ctx, up)
	imp.replace(up.file)
	if err := s.saveImport(ctx, &imp, up.parts(s.eng.seal, imp.ID)); err != nil {
		return Import{}, err
	}
	s.desk.ring()
	return imp, nil
}

// replace forgets what was said about the file before.
func (imp *Import) replace(file ImportFile) {
	imp.File = file
	imp.PlanID, imp.Plan, imp.Run, imp.Read, imp.Rechecks = "", Counts{}, RunCounts{}, 0, 0
	imp.Agreed, imp.AgreedBy, imp.AgreedEdition, imp.Options.Confirmed, imp.Options.Fields = "", Actor{}, 0, nil, nil
	imp.requeue()
}

// CancelImport ends an import that has not come to its end. One that is worked on, in whichever process, is
// asked to end: it is Cancelling, and a run stops after the batch that is being written, can be undone or
// resumed, and leaves the baseline as it was. An import that is done before it hears of it is done.
func (s *Service) CancelImport(ctx context.Context, id string) (Import, error) {
	imp, err := s.changeImport(ctx, id, func(imp *Import) error {
		switch {
		case imp.Status.ends():
			return &ImportStateError{imp.ID, imp.Status, "cancelled"}
		case imp.Status == ImportChecking || imp.Status == ImportApplying:
			imp.Cancelling = true
			return nil
		}
		counts, err := s.countRun(ctx, imp) // of a run that was interrupted
		imp.Run = counts
		imp.finish(ImportCancelled, s.eng.now())
		return err
	})
	if err != nil || !imp.Cancelling {
		return imp, err
	}
	if job := s.desk.job(id); job != nil {
		job.cancel(errAsked)
		return imp, nil
	}
	return imp, s.tellHolder(ctx, &imp)
}

// tellHolder asks the process that works on an import to end it. Where there is none any more, the import
// ends here.
func (s *Service) tellHolder(ctx context.Context, imp *Import) error {
	err := s.Cancel(ctx, imp.ID)
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	*imp, err = s.RunImport(ctx, imp.ID)
	if errors.Is(err, ErrRunInProgress) { // whoever holds the lease by now sees it
		*imp, err = s.Import(ctx, imp.ID)
	}
	return err
}

// finish ends an import.
func (imp *Import) finish(status ImportStatus, now time.Time) {
	imp.Status, imp.Finished, imp.Holder, imp.Cancelling = status, now, 0, false
	if status != ImportFailed {
		imp.Code, imp.Problem = "", ""
	}
}

// CommentImport changes the comment of an import.
func (s *Service) CommentImport(ctx context.Context, id, text string) (Import, error) {
	var bad problems
	validateComment(text, &bad)
	if err := bad.err("import"); err != nil {
		return Import{}, err
	}
	return s.changeImport(ctx, id, func(imp *Import) error {
		imp.Comment = text
		return nil
	})
}

// DeleteImport removes an import that is done, has failed or was cancelled from the list, with what is left
// of its file. Its run stays in the history.
func (s *Service) DeleteImport(ctx context.Context, id string) (err error) {
	imp, err := s.Import(ctx, id)
	switch {
	case err != nil:
		return err
	case !imp.Status.ends():
		return &ImportStateError{imp.ID, imp.Status, "deleted"}
	}
	return s.deleteImport(ctx, &imp)
}

func (s *Service) deleteImport(ctx context.Context, imp *Import) (err error) {
	defer calling("ImportStore.DeleteImport", &err)
	if err := s.stores.Imports.DeleteImport(ctx, imp.ID, imp.Edition); err != nil {
		return fmt.Errorf("usersync: deleting import %s: %w", imp.ID, err)
	}
	return nil
}

// pruneImports removes the imports that ended before a time.
func (s *Service) pruneImports(ctx context.Context, before time.Time) (deleted int, err error) {
	if s.stores.Imports == nil {
		return 0, nil
	}
	old, err := s.Imports(ctx, ImportQuery{EndedBefore: before})
	for i := range old {
		if err != nil {
			break
		}
		err = s.deleteImport(ctx, &old[i])
		switch {
		case err == nil:
			deleted++
		case errors.Is(err, ErrEdited), errors.Is(err, ErrNotFound): // somebody was faster
			err = nil
		}
	}
	return deleted, err
}
