package usersync

import (
	"context"
	"fmt"
)

// check refuses the plan while nothing has been written. (A1 to A4, A11)
func (w *applyJob) check(ctx context.Context) error {
	if w.goesOn() {
		return w.checkAgain(ctx)
	}
	if w.opt.edition != 0 && w.opt.edition != w.plan.edition {
		return fmt.Errorf("%w: the plan was decided otherwise: look at it again", ErrEdited)
	}
	w.plan.mu.Lock()
	counts := w.plan.counts()
	guarded := w.plan.guard(counts, w.opt.confirmed)
	w.plan.mu.Unlock()
	if counts.Conflicts > 0 {
		return &UnresolvedError{Conflicts: counts.Conflicts}
	}
	if guarded != nil {
		return guarded
	}
	if err := w.checkMoved(ctx); err != nil {
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

// checkMoved looks whether anything moved since the preview. (A3)
func (w *applyJob) checkMoved(ctx context.Context) error {
	stale := StaleError{File: w.opt.file != "" && w.opt.file != w.plan.Source.SHA256,
		Expired: !w.plan.Expires.IsZero() && !w.now().Before(w.plan.Expires)}
	if err := w.checkConfig(&stale); err != nil {
		return err
	}
	base, err := w.loadBaseline(ctx, w.plan.cfg.ID)
	if err != nil {
		return err
	}
	stale.Baseline = base.RunID != w.plan.BaselineRun
	if err := w.checkFields(ctx, &stale); err != nil {
		return err
	}
	if err := w.checkUsers(ctx, &stale); err != nil {
		return err
	}
	if stale.File || stale.Expired || stale.Config || stale.Baseline || stale.Fields != nil || stale.Total > 0 && !w.opt.skipStale {
		return &stale
	}
	return nil
}

// checkConfig compares the plan's configuration with the one that is saved now.
func (w *applyJob) checkConfig(stale *StaleError) error {
	current := w.opt.current
	switch {
	case current == nil:
		return nil
	case current.Paused:
		return fmt.Errorf("%w: resume %q first", ErrPaused, current.Name)
	case current.ID != w.plan.cfg.ID:
		return fmt.Errorf("%w: IfCurrent was given configuration %q, the plan is of %q", ErrInvalid, current.ID, w.plan.cfg.ID)
	}
	stale.Config = current.Revision != w.plan.cfg.Revision
	return nil
}

// checkUsers reads every user that would be written once more, and looks for those that would be
// created.
func (w *applyJob) checkUsers(ctx context.Context, stale *StaleError) error {
	var existing, fresh []int32
	for i := range w.plan.entries {
		switch e := &w.plan.entries[i]; {
		case e.more == nil || e.more.op == "" || w.wasBegun(int32(i)):
		case e.more.op == OpCreate:
			fresh = append(fresh, int32(i))
		default:
			existing = append(existing, int32(i))
		}
	}
	total := len(existing) + len(fresh)
	w.progressed(ctx, StageVerify, 0, total)
	for done := 0; len(existing) > 0; {
		n := min(w.batch, len(existing))
		if err := w.checkExisting(ctx, existing[:n], stale); err != nil {
			return err
		}
		existing, done = existing[n:], done+n
		w.progressed(ctx, StageVerify, done, total)
	}
	for len(fresh) > 0 {
		n := min(w.batch, len(fresh))
		if err := w.checkFresh(ctx, fresh[:n], stale); err != nil {
			return err
		}
		fresh = fresh[n:]
		w.progressed(ctx, StageVerify, total-len(fresh), total)
	}
	return nil
}

func (w *applyJob) checkExisting(ctx context.Context, entries []int32, stale *StaleError) error {
	ids := make([]string, len(entries))
	for i, at := range entries {
		ids[i] = w.plan.entries[at].userID
	}
	users, err := w.findUsers(ctx, FieldID, ids)
	if err != nil {
		return err
	}
	byID := make(map[string]*User, len(users))
	for i := range users {
		byID[users[i].ID] = &users[i]
	}
	for _, at := range entries {
		e := &w.plan.entries[at]
		u := byID[e.userID]
		if moved := w.moved(at, u); moved != "" {
			w.noteStale(at, moved, stale)
			continue
		}
		if w.protected != nil || w.authorize != nil {
			w.again[at] = *u
		}
	}
	return nil
}

// moved tells how a user moved since the preview, "" if not at all. The key is compared even where the
// version is the same: versions of another store, or counted anew, say nothing.
func (w *applyJob) moved(at int32, u *User) Moved {
	e := &w.plan.entries[at]
	name, elsewhere := w.plan.cross.stored[at]
	if !elsewhere {
		name = e.name
	}
	switch {
	case u == nil:
		return MovedDeleted
	case Fold(w.schema.nameOf(u)) != Fold(name):
		return MovedRenamed
	case versionOf(u) != e.more.version:
		return MovedEdited
	}
	return ""
}

func (w *applyJob) checkFresh(ctx context.Context, entries []int32, stale *StaleError) error {
	keys := make([]string, len(entries))
	for i, at := range entries {
		keys[i] = w.plan.entries[at].key
	}
	users, err := w.findUsers(ctx, w.schema.Key, keys)
	if err != nil || len(users) == 0 {
		return err
	}
	taken := map[string]bool{}
	for i := range users {
		taken[Fold(users[i].Values.raw(w.schema.Key, w.schema.key))] = true
	}
	for _, at := range entries {
		if taken[w.plan.entries[at].key] {
			w.noteStale(at, MovedCreated, stale)
		}
	}
	return nil
}

// staleListed is how many users a StaleError lists.
const staleListed = 100

func (w *applyJob) noteStale(at int32, moved Moved, stale *StaleError) {
	e := &w.plan.entries[at]
	if stale.Total++; len(stale.Users) < staleListed {
		stale.Users = append(stale.Users, StaleUser{Row: int(e.number), UserID: e.userID, Name: e.name, Moved: moved})
	}
	w.held[at] = errorReason(CodeStale, "moved", string(moved))
}

// askAgain asks the product's hooks once more, about the users as they are now: what they refuse is not
// written. (A11, B6)
func (w *applyJob) askAgain(ctx context.Context) error {
	for i := range w.plan.entries {
		e := &w.plan.entries[i]
		if _, held := w.held[int32(i)]; held || e.more == nil || e.more.op == "" || w.wasBegun(int32(i)) {
			continue
		}
		u := w.again[int32(i)]
		refused, err := w.refusedNow(ctx, e, &u)
		if err != nil {
			return err
		}
		if refused != nil {
			w.held[int32(i)] = *refused
		}
	}
	return nil
}

func (w *applyJob) refusedNow(ctx context.Context, e *entry, u *User) (*Reason, error) {
	is, err := w.protectedNow(ctx, e, u)
	if err != nil {
		return nil, err
	}
	if is {
		r := errorReason(CodeProtected)
		return &r, nil
	}
	if w.authorize == nil {
		return nil, nil
	}
	for _, field := range w.plan.asked(e) {
		refused, err := w.refusal(ctx, w.actor, *u, field)
		if err != nil {
			return nil, err
		}
		if refused != nil {
			r := errorReason(CodeNotAllowed, "message", refused.Error()).in(field)
			return &r, nil
		}
	}
	return nil, nil
}

// protectedNow tells that the entry would deactivate somebody who must stay active. u is the user only
// where there is a hook to ask.
func (w *applyJob) protectedNow(ctx context.Context, e *entry, u *User) (bool, error) {
	switch {
	case e.more.op != OpDeactivate:
		return false, nil
	case e.userID == w.actor.UserID:
		return true, nil
	case w.protected == nil:
		return false, nil
	}
	return w.isProtected(ctx, w.actor, u)
}
