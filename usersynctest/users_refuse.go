package usersynctest

import (
	"errors"
	"slices"
	"strings"

	"github.com/usersync-go/usersync"
)

// refusalChecks are the promises of WriteUsers about changes that are not made.
func refusalChecks() []check[*users] {
	return []check[*users]{
		{"WriteUsers/stale version", "IfVersion is the version that the user must still have; otherwise the" +
			" outcome wraps usersync.ErrVersionConflict and nothing is written. Make it part of the" +
			" write: UPDATE … WHERE id = ? AND version = ?.", refuseStale},
		{"WriteUsers/stale within a batch", "IfVersion is compared when the change's turn comes: an earlier" +
			" change of the same call to the same user counts.", refuseStaleInBatch},
		{"WriteUsers/no IfVersion", `IfVersion "" means no check.`, allowAnyVersion},
		{"WriteUsers/unknown id", "The outcome of a change to a user who does not exist wraps" +
			" usersync.ErrNotFound, also where the id could not be one of this store, or IfVersion is" +
			" set. No user is made.", refuseUnknown},
		{"WriteUsers/key taken", "The outcome wraps usersync.ErrDuplicate where the key, in canonical form," +
			" is another user's, for OpCreate and for OpUpdate, and nothing is written. A unique index" +
			" on a column with Change.Key does it.", refuseKey},
		{"WriteUsers/key taken within a batch", "A key is taken from the moment that an earlier change of" +
			" the same call has taken it: the first has it, the others wrap usersync.ErrDuplicate.",
			refuseKeyInBatch},
		{"WriteUsers/own key in another case", "A user's own key is not taken: it may be written again, in" +
			" another case too.", allowOwnKey},
		{"WriteUsers/unique value taken", "The outcome wraps usersync.ErrDuplicate where a unique value, in" +
			" canonical form, is another user's, and nothing is written.", refuseUnique},
		{"WriteUsers/one bad of many", "Each change is tried on its own: a change's own failure is in its" +
			" outcome and stops nothing, before or after it. In one transaction, use a savepoint for" +
			" each change, or try the changes one by one where the batch fails.", refuseOneOfMany},
		{"WriteUsers/same idempotency key", "A change whose IdempotencyKey the store has already carried out" +
			" is not made again: its outcome is that of the first time. Keep keys and outcomes beside" +
			" the users, in the same transaction. A store that cannot is tested with" +
			" WithoutIdempotency.", repeatKey},
		{"WriteUsers/same idempotency key in a batch", "A change whose IdempotencyKey was carried out earlier" +
			" in the same call is not made again: its outcome is that of the first time.",
			repeatKeyInBatch},
		{"WriteUsers/idempotency key of a failure", "A change that failed has not been carried out: the same" +
			" IdempotencyKey may come again when its cause is gone, and the change is tried anew.",
			repeatFailure},
	}
}

func refuseStale(u *users) {
	u.needsVersions()
	read := u.create(1)[0]
	u.made(u.update(read, u.text[0], "Edited since"))
	now := u.byID(read.ID)
	for _, op := range []usersync.Op{usersync.OpUpdate, usersync.OpDeactivate, usersync.OpActivate} {
		out := u.write(u.change(op, read, one(u.text[0], "Overwritten")))[0]
		u.refused(out, usersync.ErrVersionConflict, string(op)+" with a version that moved")
		u.untouched(now)
	}
}

func refuseStaleInBatch(u *users) {
	u.needsVersions()
	read := u.create(1)[0]
	out := u.write(u.update(read, u.text[0], "First"), u.update(read, u.text[0], "Second"))
	if out[0].Err != nil {
		u.breach("the first change failed: %v", out[0].Err)
	}
	u.refused(out[1], usersync.ErrVersionConflict, "the second update from the same version")
	u.has(u.byID(read.ID), one(u.text[0], "First"))
}

func allowAnyVersion(u *users) {
	read := u.create(1)[0]
	u.made(u.update(read, u.text[0], "Edited since"))
	c := u.update(read, u.text[0], "Unconditional")
	c.IfVersion = ""
	u.made(c)
	u.has(u.byID(read.ID), one(u.text[0], "Unconditional"))
}

func refuseUnknown(u *users) {
	known := u.create(1)[0]
	for _, id := range foreignIDs() {
		if id == known.ID {
			continue
		}
		for _, op := range []usersync.Op{usersync.OpUpdate, usersync.OpDeactivate, usersync.OpActivate} {
			ghost := usersync.User{ID: id, Version: known.Version, Values: u.values(2)}
			out := u.write(u.change(op, ghost, u.values(2)))[0]
			u.refused(out, usersync.ErrNotFound, string(op)+" of user "+id)
		}
	}
	if found := u.find(u.key, u.folded(2)); len(found) > 0 {
		u.breach("changing an unknown user made user %s", found[0].ID)
	}
	u.untouched(known)
}

func refuseKey(u *users) {
	created := u.create(1, 2)
	taken := strings.ToUpper(u.name(1))
	out := u.write(u.creation(u.named(3, u.name(1))), u.creation(u.named(4, taken)))
	u.refused(out[0], usersync.ErrDuplicate, "creating a user with a key that is taken")
	u.refused(out[1], usersync.ErrDuplicate, "creating a user with a taken key in another case")

	rename := one(u.text[0], "Half written").With(one(u.key, taken))
	for _, op := range []usersync.Op{usersync.OpUpdate, usersync.OpDeactivate} {
		out := u.write(u.change(op, created[1], rename))[0]
		u.refused(out, usersync.ErrDuplicate, string(op)+" with a key that is taken")
	}
	u.untouched(created[0])
	u.untouched(created[1])
	u.single(u.key, u.folded(1))
}

func refuseKeyInBatch(u *users) {
	out := u.write(u.creation(u.values(1)), u.creation(u.named(2, strings.ToUpper(u.name(1)))),
		u.creation(u.values(3)))
	if out[0].Err != nil || out[2].Err != nil {
		u.breach("the changes that are right failed: %v, %v", out[0].Err, out[2].Err)
	}
	u.refused(out[1], usersync.ErrDuplicate, "creating a second user with the same key")
	if got := u.single(u.key, u.folded(1)); got.ID != out[0].ID {
		u.breach("the key belongs to user %s, the first to take it was %s", got.ID, out[0].ID)
	}
}

func allowOwnKey(u *users) {
	created := u.create(1)[0]
	for _, name := range []string{u.name(1), strings.ToUpper(u.name(1)), strings.ToLower(u.name(1))} {
		created.Version = u.made(u.update(created, u.key, name))[0].Version
		u.has(u.single(u.key, u.folded(1)), one(u.key, name))
	}
}

func refuseUnique(u *users) {
	u.needs(u.unique, "is unique, beside the key")
	created := u.create(1, 2)
	for _, field := range u.unique {
		taken := strings.ToUpper(created[0].Values.Get(field))
		v := u.values(3)
		v.Set(field, taken)
		rewrite := one(u.text[0], "Half written").With(one(field, taken))
		out := u.write(u.creation(v), u.change(usersync.OpUpdate, created[1], rewrite))
		u.refused(out[0], usersync.ErrDuplicate, "creating a user with a taken "+field)
		u.refused(out[1], usersync.ErrDuplicate, "updating a user to a taken "+field)
		u.untouched(created[0])
		u.untouched(created[1])
		if found := u.find(u.key, u.folded(3)); len(found) > 0 {
			u.breach("user %s was created with a taken %s", found[0].ID, field)
		}
	}
}

func refuseOneOfMany(u *users) {
	created := u.create(1, 2)
	ghost := usersync.User{ID: "no-such-id"}
	changes := []usersync.Change{
		u.creation(u.values(3)),
		u.creation(u.named(4, u.name(1))),
		u.update(created[0], u.text[0], "Changed"),
		u.update(ghost, u.text[0], "Changed"),
		u.change(usersync.OpDeactivate, created[1], usersync.Values{}),
		u.creation(u.named(5, u.name(3))),
		u.creation(u.values(6)),
	}
	want := []error{nil, usersync.ErrDuplicate, nil, usersync.ErrNotFound, nil, usersync.ErrDuplicate, nil}
	out := u.write(changes...)
	for i, w := range want {
		if !errors.Is(out[i].Err, w) {
			u.breach("the outcome of change %d (%s) is %v, want %v", i, changes[i].Op, out[i].Err, w)
		}
	}
	u.has(u.single(u.key, u.folded(3)), u.values(3))
	u.has(u.single(u.key, u.folded(6)), u.values(6))
	u.has(u.byID(created[0].ID), one(u.text[0], "Changed"))
	if u.byID(created[1].ID).Active {
		u.breach("user %s was deactivated between two failures and is active", created[1].ID)
	}
}

func repeatKey(u *users) {
	u.needsIdempotency()
	create := u.creation(u.values(1))
	first := u.made(create)[0]
	created := u.byID(first.ID)
	update := u.update(created, u.text[0], "First")
	second := u.made(update)[0]
	later := u.update(u.byID(first.ID), u.text[0], "Later")
	u.made(later)

	again := u.made(create, update)
	if again[0] != first || again[1] != second {
		u.breach("the outcomes were %v and %v, and with the same keys again %v", first, second, again)
	}
	u.has(u.single(u.key, u.folded(1)), one(u.text[0], "Later"))
}

func repeatKeyInBatch(u *users) {
	u.needsIdempotency()
	create := u.creation(u.values(1))
	out := u.made(create, u.creation(u.values(2)), create)
	if out[0] != out[2] {
		u.breach("the outcome was %v, and with the same key again %v", out[0], out[2])
	}
	u.single(u.key, u.folded(1))
}

func repeatFailure(u *users) {
	holder := u.create(1)[0]
	create := u.creation(u.named(2, u.name(1)))
	u.refused(u.write(create)[0], usersync.ErrDuplicate, "creating a user with a key that is taken")
	u.made(u.update(holder, u.key, "renamed"+u.name(1)))
	u.made(create)
	users := u.find(u.key, u.folded(1), "renamed"+u.folded(1))
	if len(users) != 2 || !slices.ContainsFunc(users, func(f usersync.User) bool { return f.ID == holder.ID }) {
		u.breach("there should be the renamed user and the new one, there are %d", len(users))
	}
}
