package usersync

import (
	"context"
	"fmt"
	"slices"
)

// RecheckImport has an import that needs a person, or has failed, checked again: with the configuration as it is
// now, such as with its assignment rules in another order, and with those fields added that the plan offers
// ([Plan.NewFields]) and that the person has chosen, in the place of those chosen before. From then on the import
// stops after the check in any case (ImportOptions.Review), so that the person sees what has come of it. What was
// decided and confirmed about the plan before is to be decided and confirmed again.
//
// edition is that of the import that the person has seen: the error wraps ErrEdited if it has changed since. Fields
// that cannot be added are an *InvalidError. Once a run has begun there is nothing to check: the error is an
// *ImportStateError.
func (s *Service) RecheckImport(ctx context.Context, id string, edition int, fields ...Field) (Import, error) {
	if _, err := s.eng.extend(ctx, fields); err != nil {
		return Import{}, err
	}
	imp, err := s.Import(ctx, id)
	if err != nil {
		return Import{}, err
	}
	if err := s.mayRecheck(ctx, &imp, edition); err != nil {
		return Import{}, err
	}
	imp.forgetPlan()
	imp.requeue()
	imp.Options.Review, imp.Options.Fields = true, slices.Clone(fields)
	imp.Agreed, imp.AgreedBy, imp.AgreedEdition, imp.Options.Confirmed, imp.Rechecks = "", Actor{}, 0, nil, 0
	if err := s.saveImport(ctx, &imp, nil); err != nil {
		return Import{}, err
	}
	s.desk.ring()
	return imp, nil
}

func (s *Service) mayRecheck(ctx context.Context, imp *Import, edition int) error {
	refused := &ImportStateError{imp.ID, imp.Status, "checked again"}
	switch {
	case imp.Status != ImportIntervention && imp.Status != ImportFailed:
		return refused
	case imp.Edition != edition:
		return fmt.Errorf("%w: import %s has edition %d", ErrEdited, imp.ID, imp.Edition)
	case imp.PlanID == "":
		return nil
	}
	rec, err := s.stores.storedRun(ctx, imp.PlanID)
	if rec != nil {
		return refused
	}
	return err
}
