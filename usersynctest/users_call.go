package usersynctest

import (
	"context"
	"errors"
	"fmt"

	"github.com/usersync-go/usersync"
)

// callChecks are the promises about the calls themselves: cancellation and concurrency.
func callChecks() []check[*users] {
	return []check[*users]{
		{"cancelled/before the call", "A call returns soon after ctx is done, with an error for the call as a" +
			" whole. Look at ctx.Err() first, and hand ctx on to what the store calls.", cancelledBefore},
		{"cancelled/FindUsers", "Once ctx is done FindUsers returns an error, or else all users: never only" +
			" those found so far, for the engine would create the others anew.", cancelledFind},
		{"cancelled/WriteUsers", "Once ctx is done WriteUsers returns an error for the call as a whole: it" +
			" does not pass the end of ctx off as the failure of single changes. Each change is made" +
			" wholly or not at all, and can be sent again with its idempotency key.", cancelledWrite},
		{"concurrent/creations of one key", "WriteUsers may be called concurrently: of several creations with" +
			" one key, one is made and the others wrap usersync.ErrDuplicate. Let a unique index" +
			" decide; looking first and writing then is too late.", concurrentCreations},
		{"concurrent/updates of one version", "WriteUsers may be called concurrently: of several changes from" +
			" one version, one is made and the others wrap usersync.ErrVersionConflict. Compare the" +
			" version in the statement that writes; looking first and writing then is too late.",
			concurrentUpdates},
		{"concurrent/reads and writes", "FindUsers and WriteUsers may be called concurrently; a user is found" +
			" as it was before a change or as it is after it, never in between.", concurrentReads},
	}
}

func cancelledBefore(u *users) {
	u.create(1)
	if found, err := u.store.FindUsers(done(), u.key, []string{u.folded(1)}); err == nil {
		u.breach("FindUsers returned %d users and no error although ctx was done", len(found))
	}
	out, err := u.store.WriteUsers(done(), u.creations(2, 10))
	if err == nil {
		u.breach("WriteUsers returned %d outcomes and no error although ctx was done", len(out))
	}
}

func cancelledFind(u *users) {
	ids := u.fill(u.interrupted)
	keys := make([]string, len(ids))
	for i := range keys {
		keys[i] = u.folded(i + 1)
	}
	interrupt(u.Context(), func(ctx context.Context, _ int) {
		found, err := u.findDuring(ctx, u.key, keys)
		if err == nil && len(found) != len(ids) {
			u.breach("FindUsers was interrupted and returned %d of %d users without an error",
				len(found), len(ids))
		}
	})
}

func cancelledWrite(u *users) {
	size := u.interrupted
	interrupt(u.Context(), func(ctx context.Context, attempt int) {
		first := 1 + attempt*size
		changes := u.creations(first, size)
		out, err := u.store.WriteUsers(ctx, changes)
		if err == nil {
			u.complete(changes, out)
			u.allMade(out)
		}
		u.sendAgain(changes)
		u.allThere(first, changes)
	})
}

func (u *users) allMade(out []usersync.Outcome) {
	u.Helper()
	for i, o := range out {
		if o.Err != nil {
			u.breach("WriteUsers was interrupted and returned no error; change %d failed instead: %v",
				i, o.Err)
		}
	}
}

// sendAgain sends changes of which it is unknown which were made.
func (u *users) sendAgain(changes []usersync.Change) {
	u.Helper()
	for i, o := range u.write(changes...) {
		madeBefore := u.noIdempotency && errors.Is(o.Err, usersync.ErrDuplicate)
		if o.Err != nil && !madeBefore {
			u.breach("change %d of the interrupted call was sent again and failed: %v", i, o.Err)
		}
	}
}

// allThere checks that each of the changes has created its user, and wholly.
func (u *users) allThere(first int, changes []usersync.Change) {
	u.Helper()
	byKey := map[string]usersync.User{}
	keys := make([]string, len(changes))
	for i := range changes {
		keys[i] = changes[i].Key
	}
	found := u.find(u.key, keys...)
	for _, f := range found {
		byKey[usersync.Fold(f.Values.Get(u.key))] = f
	}
	if len(found) != len(changes) || len(byKey) != len(changes) {
		u.breach("%d users with %d keys came of %d creations that were interrupted and sent again",
			len(found), len(byKey), len(changes))
	}
	for i, key := range keys {
		u.has(byKey[key], u.values(first+i))
	}
}

const writers = 8

// race lets several writers send changes at the same time and returns their outcomes.
func (u *users) race(changes func(writer int) []usersync.Change) [][]usersync.Outcome {
	u.Helper()
	sent := make([][]usersync.Change, writers)
	for w := range sent {
		sent[w] = changes(w)
	}
	out := make([][]usersync.Outcome, writers)
	errs := make([]error, writers)
	together(writers, func(w int) { out[w], errs[w] = u.store.WriteUsers(u.Context(), sent[w]) })
	if err := errors.Join(errs...); err != nil {
		u.breach("concurrent calls of WriteUsers failed as a whole; wait for the other or try again: %v", err)
	}
	for w := range out {
		u.complete(sent[w], out[w])
	}
	return out
}

// oneWinner checks that exactly one writer's i-th change was made, and why the others' were not.
func (u *users) oneWinner(out [][]usersync.Outcome, i int, lost error) (winner int) {
	u.Helper()
	winner = -1
	for w := range out {
		if out[w][i].Err != nil {
			u.refused(out[w][i], lost, fmt.Sprintf("writer %d came too late", w))
			continue
		}
		if winner >= 0 {
			u.breach("writers %d and %d both made the change that only one can make", winner, w)
		}
		winner = w
	}
	if winner < 0 {
		u.breach("no writer made the change that one can make")
	}
	return winner
}

func concurrentCreations(u *users) {
	const count = 20
	out := u.race(func(int) []usersync.Change { return u.creations(1, count) })
	for i := range count {
		winner := u.oneWinner(out, i, usersync.ErrDuplicate)
		if got := u.single(u.key, u.folded(i+1)); got.ID != out[winner][i].ID {
			u.breach("user %s was created and user %s is found", out[winner][i].ID, got.ID)
		}
	}
}

func concurrentUpdates(u *users) {
	u.needsVersions()
	for n := 1; n <= 5; n++ {
		read := u.create(n)[0]
		out := u.race(func(w int) []usersync.Change {
			return []usersync.Change{u.update(read, u.text[0], fmt.Sprintf("Writer %d", w))}
		})
		winner := u.oneWinner(out, 0, usersync.ErrVersionConflict)
		u.has(u.byID(read.ID), one(u.text[0], fmt.Sprintf("Writer %d", winner)))
	}
}

// concurrentReads lets one writer rename a user, key and text together, while others read it.
func concurrentReads(u *users) {
	now := u.create(1)[0]
	now.Version = u.made(u.update(now, u.text[0], u.name(1)))[0].Version
	rounds := make([]usersync.Change, 50)
	for i := range rounds {
		name := fmt.Sprintf("round%d%s", i, u.name(1))
		rounds[i] = u.change(usersync.OpUpdate, now, one(u.key, name).With(one(u.text[0], name)))
		rounds[i].IfVersion = ""
	}
	problems := make([]error, writers)
	together(writers, func(w int) {
		for i := range rounds {
			if w == 0 {
				_, problems[w] = u.store.WriteUsers(u.Context(), rounds[i:i+1])
			} else {
				problems[w] = u.wholeUser(now.ID)
			}
			if problems[w] != nil {
				return
			}
		}
	})
	if err := errors.Join(problems...); err != nil {
		u.breach("%v", err)
	}
}

func (u *users) wholeUser(id string) error {
	found, err := u.store.FindUsers(u.Context(), usersync.FieldID, []string{id})
	if err != nil || len(found) != 1 {
		return fmt.Errorf("FindUsers found %d users while one was being written (error %v)", len(found), err)
	}
	if key, text := found[0].Values.Get(u.key), found[0].Values.Get(u.text[0]); key != text {
		return fmt.Errorf("FindUsers returned half a change: key field %q, %s %q", key, u.text[0], text)
	}
	return nil
}
