package usersynctest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/usersync-go/usersync"
)

// TestUserStore checks that a store keeps the promises of usersync.UserStore and usersync.UserReader.
// open returns an empty store, a new one each time, and releases it with t.Cleanup.
func TestUserStore(t *testing.T, open func(t *testing.T) usersync.UserStore, opts ...Option) {
	t.Helper()
	set := settingsOf(opts)
	if len(set.text) == 0 {
		t.Fatal("usersynctest: the suite needs at least one Text field to write to")
	}
	run(t, userChecks(), func(t *testing.T, tr trial) *users {
		return &users{trial: tr, settings: set, store: open(t)}
	})
}

func userChecks() []check[*users] {
	return slices.Concat(findChecks(), writeChecks(), refusalChecks(), callChecks())
}

// users is a store on trial.
type users struct {
	trial
	*settings
	store usersync.UserStore
	keys  int // idempotency keys given out
}

// values are those of the n-th user.
func (u *users) values(n int) usersync.Values { return u.newUser(n).Clone() }

// named are the values of the n-th user with another key.
func (u *users) named(n int, key string) usersync.Values {
	v := u.values(n)
	v.Set(u.key, key)
	return v
}

// name is the key field of the n-th user, and folded its canonical form.
func (u *users) name(n int) string   { return u.newUser(n).Get(u.key) }
func (u *users) folded(n int) string { return usersync.Fold(u.name(n)) }

// creation is the change that creates an active user.
func (u *users) creation(v usersync.Values) usersync.Change {
	return usersync.Change{
		Op: usersync.OpCreate, Key: usersync.Fold(v.Get(u.key)), Set: v, Active: true,
		IdempotencyKey: u.nextKey(),
	}
}

// creations are the changes that create the users from first on.
func (u *users) creations(first, count int) []usersync.Change {
	changes := make([]usersync.Change, count)
	for i := range changes {
		changes[i] = u.creation(u.values(first + i))
	}
	return changes
}

// change is what the engine would send to do op to a user that it has just read.
func (u *users) change(op usersync.Op, to usersync.User, set usersync.Values) usersync.Change {
	key := to.Values.With(set).Get(u.key)
	active := to.Active && op != usersync.OpDeactivate || op == usersync.OpActivate
	return usersync.Change{
		Op: op, UserID: to.ID, Key: usersync.Fold(key), IfVersion: to.Version, Set: set, Active: active,
		IdempotencyKey: u.nextKey(),
	}
}

// update is the change that gives a user one other value.
func (u *users) update(to usersync.User, field, value string) usersync.Change {
	return u.change(usersync.OpUpdate, to, one(field, value))
}

func one(field, value string) usersync.Values {
	return usersync.ValuesOf(map[string]string{field: value})
}

func (u *users) nextKey() string {
	u.keys++
	return fmt.Sprintf("plan-7/%d", u.keys)
}

// write makes a call that must not fail as a whole.
func (u *users) write(changes ...usersync.Change) []usersync.Outcome {
	u.Helper()
	out, err := u.store.WriteUsers(u.Context(), changes)
	if err != nil {
		u.breach("WriteUsers failed as a whole: %v", err)
	}
	u.complete(changes, out)
	return out
}

// complete checks the form of the answer of WriteUsers.
func (u *users) complete(changes []usersync.Change, out []usersync.Outcome) {
	u.Helper()
	if len(out) != len(changes) {
		u.breach("WriteUsers got %d changes and returned %d outcomes: there is one for each change,"+
			" in the same order", len(changes), len(out))
	}
	for i, o := range out {
		if o.Err == nil && o.ID == "" {
			u.breach("the outcome of change %d (%s) has neither an error nor the user's id",
				i, changes[i].Op)
		}
	}
}

// made is write of changes each of which must be made.
func (u *users) made(changes ...usersync.Change) []usersync.Outcome {
	u.Helper()
	out := u.write(changes...)
	for i, o := range out {
		if o.Err != nil {
			u.breach("change %d of %d (%s of %q) was not made: %v",
				i, len(changes), changes[i].Op, changes[i].Key, o.Err)
		}
	}
	return out
}

// create creates the n-th users and returns them as the store shows them.
func (u *users) create(ns ...int) []usersync.User {
	u.Helper()
	changes := make([]usersync.Change, len(ns))
	for i, n := range ns {
		changes[i] = u.creation(u.values(n))
	}
	out := u.made(changes...)
	created := make([]usersync.User, len(ns))
	for i := range out {
		created[i] = u.byID(out[i].ID)
	}
	return created
}

// fill creates many users, a few hundred at a time, and returns their ids.
func (u *users) fill(count int) []string {
	u.Helper()
	const batch = 500
	var ids []string
	for first := 1; first <= count; first += batch {
		for _, o := range u.made(u.creations(first, min(batch, count-first+1))...) {
			ids = append(ids, o.ID)
		}
	}
	return ids
}

// find makes a call that must not fail and whose users must be well formed.
func (u *users) find(field string, values ...string) []usersync.User {
	u.Helper()
	found, err := u.store.FindUsers(u.Context(), field, values)
	if err != nil {
		u.breach("FindUsers(%s) with %d values, such as %.80q, failed: %v",
			field, len(values), strings.Join(values[:min(1, len(values))], ""), err)
	}
	u.wellFormed(field, found)
	return found
}

func (u *users) wellFormed(field string, found []usersync.User) {
	u.Helper()
	seen := map[string]bool{}
	for _, f := range found {
		if f.ID == "" {
			u.breach("FindUsers(%s) returned a user without an id: %v", field, show(f.Values))
		}
		if seen[f.ID] {
			u.breach("FindUsers(%s) returned user %s twice: users come in any order, each once",
				field, f.ID)
		}
		seen[f.ID] = true
	}
}

// single finds the one user that there must be.
func (u *users) single(field, value string) usersync.User {
	u.Helper()
	found := u.find(field, value)
	if len(found) != 1 {
		u.breach("FindUsers(%s, %q) found %d users, there is 1", field, value, len(found))
	}
	return found[0]
}

func (u *users) byID(id string) usersync.User {
	u.Helper()
	return u.single(usersync.FieldID, id)
}

// has checks that a user has these values. Other fields are not looked at.
func (u *users) has(got usersync.User, want usersync.Values) {
	u.Helper()
	for field, value := range want.All() {
		if !u.same(field, got.Values.Get(field), value) {
			u.breach("field %s of user %s is %.200q, want %.200q",
				field, got.ID, got.Values.Get(field), value)
		}
	}
}

// same compares two values; a reference may come back in the other user's own spelling.
func (u *users) same(field, a, b string) bool {
	return a == b || field == u.reference && usersync.Fold(a) == usersync.Fold(b)
}

// untouched checks that a user is as it was.
func (u *users) untouched(before usersync.User) {
	u.Helper()
	after := u.byID(before.ID)
	u.has(after, before.Values)
	if after.Active != before.Active || after.Version != before.Version {
		u.breach("user %s was active=%t in version %q and is active=%t in version %q",
			before.ID, before.Active, before.Version, after.Active, after.Version)
	}
}

// refused checks that a change was not made, and why.
func (u *users) refused(out usersync.Outcome, want error, what string) {
	u.Helper()
	if !errors.Is(out.Err, want) {
		u.breach("%s: the outcome's error is %v, which does not wrap %v", what, out.Err, nameOf(want))
	}
}

func nameOf(sentinel error) string {
	switch sentinel {
	case usersync.ErrVersionConflict:
		return "usersync.ErrVersionConflict"
	case usersync.ErrDuplicate:
		return "usersync.ErrDuplicate"
	}
	return "usersync.ErrNotFound"
}

// needsVersions skips the check where the store has none.
func (u *users) needsVersions() {
	u.Helper()
	if u.noVersions {
		u.Skipf("skipped: the store has no versions")
	}
}

// needsIdempotency skips the check where the store does not remember keys.
func (u *users) needsIdempotency() {
	u.Helper()
	if u.noIdempotency {
		u.Skipf("skipped: the store does not remember idempotency keys")
	}
}

// needsReference skips the check where no field refers to a user.
func (u *users) needsReference() {
	u.Helper()
	if u.reference == "" {
		u.Skipf("skipped: no field of the store refers to a user")
	}
}

// needs skips the check where there is no field of a sort.
func (u *users) needs(fields []string, sort string) {
	u.Helper()
	if len(fields) == 0 {
		u.Skipf("skipped: no field of the store %s", sort)
	}
}

// findDuring is FindUsers with a context of its own.
func (u *users) findDuring(ctx context.Context, field string, values []string) ([]usersync.User, error) {
	u.Helper()
	found, err := u.store.FindUsers(ctx, field, values)
	if err == nil {
		u.wellFormed(field, found)
	}
	return found, err
}

func show(v usersync.Values) string {
	text, _ := v.MarshalJSON() // texts and lists of texts can always be written
	return string(text)
}
