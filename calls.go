package usersync

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
)

// Everything of the product is called through this file: a panic becomes an error, batches are kept to
// their size, and an answer that breaks the contract is an error instead of a wrong plan.

// attempts is how often something is begun anew that others are faster with all the time.
const attempts = 10

// calling turns a panic of an adapter into an error. It is deferred by whoever calls one.
func calling(call string, err *error) {
	if v := recover(); v != nil {
		*err = &PanicError{Call: call, Value: v, Stack: debug.Stack()}
	}
}

// findUsers looks values up in batches. Empty values are left out.
func (p *Previewer) findUsers(ctx context.Context, field string, values []string) ([]User, error) {
	var out []User
	for len(values) > 0 {
		n := min(p.batch, len(values))
		users, err := p.findBatch(ctx, field, values[:n:n])
		if err != nil {
			return nil, fmt.Errorf("usersync: looking users up by %s: %w", field, err)
		}
		if out == nil {
			out = users
		} else {
			out = append(out, users...)
		}
		values = values[n:]
	}
	return out, nil
}

func (p *Previewer) findBatch(ctx context.Context, field string, values []string) (users []User, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	defer calling("UserReader.FindUsers", &err)
	users, err = p.users.FindUsers(ctx, field, values)
	if err != nil {
		return nil, err
	}
	for i := range users {
		if users[i].ID == "" {
			return nil, fmt.Errorf("%w: UserReader.FindUsers returned a user without an id", ErrInvalid)
		}
	}
	return users, nil
}

// findNames looks names of a set up, which are folded and differ, in batches.
func (p *Previewer) findNames(ctx context.Context, set string, names []string) ([]string, error) {
	var out []string
	for len(names) > 0 {
		n := min(p.batch, len(names))
		found, err := p.findNameBatch(ctx, set, names[:n:n])
		if err != nil {
			return nil, fmt.Errorf("usersync: looking up each %s: %w", set, err)
		}
		out, names = append(out, found...), names[n:]
	}
	return out, nil
}

func (p *Previewer) findNameBatch(ctx context.Context, set string, names []string) (found []string, err error) {
	if p.references == nil {
		return nil, fmt.Errorf("%w: the engine has no References", ErrInvalid)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	defer calling("References.FindReferences", &err)
	if found, err = p.references.FindReferences(ctx, set, names); err != nil {
		return nil, err
	}
	asked := make(map[string]bool, len(names))
	for _, name := range names {
		asked[name] = true
	}
	for _, name := range found {
		folded := Fold(name)
		if !asked[folded] {
			return nil, fmt.Errorf("%w: References.FindReferences returned %q, which was not asked for, or twice", ErrInvalid, name)
		}
		asked[folded] = false
	}
	return found, nil
}

// createNames creates things of a set, in batches.
func (e *Engine) createNames(ctx context.Context, set string, names []string) error {
	for some := range slices.Chunk(names, e.batch) {
		if err := e.createNameBatch(ctx, set, slices.Clone(some)); err != nil {
			return fmt.Errorf("creating each %s: %w", set, err)
		}
	}
	return nil
}

func (e *Engine) createNameBatch(ctx context.Context, set string, names []string) (err error) {
	if e.creator == nil {
		return fmt.Errorf("%w: the engine has no ReferenceCreator", ErrInvalid)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	defer calling("ReferenceCreator.CreateReferences", &err)
	return e.creator.CreateReferences(ctx, set, names)
}

func (p *Previewer) loadBaseline(ctx context.Context, configID string) (b Baseline, err error) {
	if p.baselines == nil {
		return Baseline{}, nil
	}
	defer calling("BaselineReader.Load", &err)
	if b, err = p.baselines.Load(ctx, configID); err != nil {
		return Baseline{}, fmt.Errorf("usersync: loading the baseline: %w", err)
	}
	return b, nil
}

// inOtherBaselines asks which users other configurations have, where the store can tell. (B7)
func (p *Previewer) inOtherBaselines(ctx context.Context, configID string, ids []string) (map[string]string, error) {
	searcher, able := p.baselines.(BaselineSearcher)
	if !able {
		return nil, nil
	}
	all := map[string]string{}
	for len(ids) > 0 {
		n := min(p.batch, len(ids))
		found, err := searchBaselines(ctx, searcher, configID, ids[:n:n])
		if err != nil {
			return nil, fmt.Errorf("usersync: searching other baselines: %w", err)
		}
		for id, config := range found {
			all[id] = config
		}
		ids = ids[n:]
	}
	return all, nil
}

func searchBaselines(ctx context.Context, s BaselineSearcher, configID string, ids []string) (found map[string]string, err error) {
	defer calling("BaselineSearcher.InOtherBaselines", &err)
	return s.InOtherBaselines(ctx, configID, ids)
}

// seats asks for the seats, nil without a license checker.
func (p *Previewer) seats(ctx context.Context) (s *Seats, err error) {
	if p.license.checker == nil {
		return nil, nil
	}
	defer calling("LicenseChecker.Seats", &err)
	seats, err := p.license.checker.Seats(ctx)
	if err != nil {
		return nil, fmt.Errorf("usersync: counting seats: %w", err)
	}
	return &seats, nil
}

// countPools asks for the pools, by name; nil where the license has none.
func (p *Previewer) countPools(ctx context.Context) (out []PoolSeats, err error) {
	if p.license.pools == nil {
		return nil, nil
	}
	defer calling("SeatPools.Pools", &err)
	pools, err := p.license.pools.Pools(ctx)
	if err != nil {
		return nil, fmt.Errorf("usersync: counting the seats of pools: %w", err)
	}
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(pools)) {
		if folded := Fold(name); folded == "" || seen[folded] {
			return nil, fmt.Errorf("%w: SeatPools.Pools returned the pool %q twice, or without a name", ErrInvalid, name)
		}
		seen[Fold(name)] = true
		out = append(out, PoolSeats{Name: name, Limit: pools[name].Limit, Used: pools[name].Used})
	}
	return out, nil
}

// reserveSeats sets seats aside for a run; nil lets them go.
func (e *Engine) reserveSeats(ctx context.Context, runID string, holds []SeatHold) (err error) {
	defer calling("SeatReserver.ReserveSeats", &err)
	err = e.license.reserver.ReserveSeats(ctx, runID, holds, seatTime)
	var short *SeatsError
	switch {
	case errors.As(err, &short):
		return short
	case err != nil:
		return fmt.Errorf("usersync: setting seats aside: %w", err)
	}
	return nil
}

// addedFields asks for the fields that were added to the schema.
func (p *Previewer) addedFields(ctx context.Context) (fields []Field, err error) {
	defer calling("FieldStore.Fields", &err)
	if fields, err = p.fieldStore.Fields(ctx); err != nil {
		return nil, fmt.Errorf("usersync: loading the fields that were added: %w", err)
	}
	return fields, nil
}

// addFields adds fields for all users. Where a name is taken by now, the plan is stale.
func (e *Engine) addFields(ctx context.Context, fields []Field) (err error) {
	if len(fields) == 0 {
		return nil
	}
	defer calling("FieldStore.AddFields", &err)
	err = e.fieldStore.AddFields(ctx, slices.Clone(fields))
	switch {
	case errors.Is(err, ErrDuplicate):
		return &StaleError{Fields: fieldNames(fields)}
	case err != nil:
		return fmt.Errorf("adding fields: %w", err)
	}
	return nil
}

// isProtected asks whether a user must never be deactivated. (B6)
func (p *Previewer) isProtected(ctx context.Context, by Actor, u *User) (is bool, err error) {
	if u.ID == by.UserID {
		return true, nil
	}
	if p.protected == nil {
		return false, nil
	}
	defer calling("the protected hook", &err)
	if is, err = p.protected(ctx, *u); err != nil {
		return false, fmt.Errorf("usersync: asking whether a user is protected: %w", err)
	}
	return is, nil
}

// refusal asks whether the actor may write a field, and gives why not. (A11)
func (p *Previewer) refusal(ctx context.Context, by Actor, u User, field string) (refused, err error) {
	defer calling("the authorizer", &err)
	return p.authorize(ctx, by, u, field), nil
}

// tell reports progress. A panic of the listener is logged and goes no further.
func (p *Previewer) tell(ctx context.Context, pr Progress) {
	defer func() {
		if v := recover(); v != nil {
			p.log.ErrorContext(ctx, "usersync: the progress listener panicked", "stage", pr.Stage, "error", fmt.Sprint(v))
		}
	}()
	p.options.progress(pr)
}

// writeUsers writes one batch.
func (e *Engine) writeUsers(ctx context.Context, changes []Change) (out []Outcome, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	defer calling("UserStore.WriteUsers", &err)
	if out, err = e.store.WriteUsers(ctx, changes); err != nil {
		return nil, e.schema.masked(err, changes...)
	}
	return e.schema.maskOutcomes(changes, out), checkOutcomes(changes, out)
}

// checkOutcomes refuses an answer of WriteUsers that breaks its contract.
func checkOutcomes(changes []Change, out []Outcome) error {
	if len(out) != len(changes) {
		return fmt.Errorf("%w: UserStore.WriteUsers returned %d outcomes for %d changes", ErrInvalid, len(out), len(changes))
	}
	for i := range out {
		if out[i].Err == nil && out[i].ID == "" {
			return fmt.Errorf("%w: UserStore.WriteUsers returned an outcome without an id", ErrInvalid)
		}
		if id := changes[i].UserID; out[i].Err == nil && id != "" && out[i].ID != id {
			return fmt.Errorf("%w: UserStore.WriteUsers returned an outcome of user %q for a change of %q", ErrInvalid, out[i].ID, id)
		}
	}
	return nil
}

func (e *Engine) saveBaseline(ctx context.Context, configID string, b Baseline) (err error) {
	defer calling("BaselineStore.Save", &err)
	if err := e.bases.Save(ctx, configID, b); err != nil {
		return fmt.Errorf("saving the baseline: %w", err)
	}
	return nil
}

// callCheck calls the product's own check; a panic in it refuses the value.
func (f *field) callCheck(v string) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("could not be checked: the product's check of this field failed")
		}
	}()
	return f.Check(v)
}

// errOwnForm is what an administrator reads where the product's own function fails.
var errOwnForm = errors.New("could not be read: the product's own form of this field failed")

// callCanonical calls the product's own canonical form. A panic refuses the value, and so does a form that no
// value can have: blank, or with the mark that ends the items of lists.
func (f *field) callCanonical(text string) (v string, err error) {
	defer func() {
		if recover() != nil {
			v, err = "", errOwnForm
		}
	}()
	if v, err = f.Canonical(text); err != nil {
		return "", err
	}
	if v, _ = clean(v); v == "" {
		return "", errOwnForm
	}
	return v, nil
}
