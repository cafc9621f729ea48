package usersynctest

import (
	"slices"
	"strings"

	"github.com/usersync-go/usersync"
)

// findChecks are the promises of FindUsers.
func findChecks() []check[*users] {
	return []check[*users]{
		{"FindUsers/no values", "values may be empty; then nobody is found and nothing is wrong." +
			" Return early, before a condition without values finds everybody or is not valid SQL.",
			findNoValues},
		{"FindUsers/unknown value", "A value that nobody has is not an error. Leave it out of the answer.",
			findUnknown},
		{"FindUsers/unknown id", "Ids may come from anywhere, such as an old baseline: one that could" +
			" not even be an id of this store is an id that nobody has, which is not an error.",
			findUnknownID},
		{"FindUsers/id is exact", "For FieldID the ids match exactly: no case folding, no trimming, no" +
			" reading as a number.", findExactID},
		{"FindUsers/many values", "A call has as many values as the engine's batch size, 1,000 unless" +
			" the product raises it. Split the list where the database takes fewer parameters.",
			findMany},
		{"FindUsers/key in any case", "FindUsers compares the canonical form (usersync.Fold) of the key." +
			" Keep Change.Key in a column of its own and look there, or fold what is stored.",
			findFoldedKey},
		{"FindUsers/key beyond ASCII", "FindUsers compares the canonical form (usersync.Fold) of the key," +
			" which knows the letters of every script, the sharp s and full-width forms. A database's" +
			" lower() does not: keep Change.Key in a column of its own and look there.", findUnicodeKey},
		{"FindUsers/other fields in any case", "FindUsers compares the canonical form (usersync.Fold) of" +
			" every field but the id.", findFoldedLookups},
		{"FindUsers/no pattern", "Values match whole and as they are: _ and % are no wildcards.",
			findNoPattern},
		{"FindUsers/shared value", "Several users may have the same value. Return all of them: the engine" +
			" tells the administrator. A field that the store keeps unique is named with Unique.", findShared},
		{"FindUsers/inactive users", "Inactive users are included, or the engine would create them anew.",
			findInactive},
		{"FindUsers/by reference", "FindUsers finds by a user reference as well: all users who refer to" +
			" the one with that key.", findByReference},
		{"FindUsers/each user once", "Users come in any order, each once, however many fields or rows of" +
			" the store agree.", findOnce},
		{"FindUsers/the answer is the caller's", "The returned slice and its Values belong to the caller," +
			" who may change them. Return clones (Values.Clone) of what the store keeps.", findOwnAnswer},
		{"FindUsers/values stay the caller's", "values is the caller's: it is not kept, and not" +
			" changed either, not even in its order. Sort or fold a copy.", findOwnValues},
	}
}

func findNoValues(u *users) {
	u.create(1)
	for _, field := range append([]string{usersync.FieldID, u.key}, u.lookups...) {
		for _, values := range [][]string{nil, {}} {
			if found := u.find(field, values...); len(found) > 0 {
				u.breach("FindUsers(%s) found %d users by no values", field, len(found))
			}
		}
	}
}

func findUnknown(u *users) {
	u.create(1)
	for _, field := range append([]string{u.key}, u.lookups...) {
		known := usersync.Fold(u.values(1).Get(field))
		unknown := usersync.Fold(u.values(2).Get(field))
		if found := u.find(field, unknown); len(found) != 0 {
			u.breach("FindUsers(%s) found %d users by a value that nobody has", field, len(found))
		}
		if found := u.find(field, unknown, known); len(found) != 1 {
			u.breach("FindUsers(%s) found %d users by one known and one unknown value", field, len(found))
		}
	}
}

// foreignIDs could be ids of other stores: of numbers, of UUIDs, of names.
func foreignIDs() []string {
	return []string{"no-such-id", "0", "-1", "1.5", "9223372036854775808", "é", "a'b",
		"00000000-0000-0000-0000-000000000000", strings.Repeat("x", 300)}
}

func findUnknownID(u *users) {
	known := u.create(1)[0].ID
	foreign := slices.DeleteFunc(foreignIDs(), func(id string) bool { return id == known })
	for _, id := range foreign {
		if found := u.find(usersync.FieldID, id); len(found) != 0 {
			u.breach("FindUsers found user %s by the id %q", found[0].ID, id)
		}
	}
	if found := u.find(usersync.FieldID, append(foreign, known)...); len(found) != 1 {
		u.breach("FindUsers found %d users by one known and %d unknown ids", len(found), len(foreign))
	}
}

func findExactID(u *users) {
	known := u.create(1)[0].ID
	for _, id := range []string{strings.ToUpper(known), strings.ToLower(known), known + " ", " " + known,
		"0" + known, "+" + known, known + ".0"} {
		if id == known {
			continue
		}
		if found := u.find(usersync.FieldID, id); len(found) != 0 {
			u.breach("FindUsers found user %q by the id %q", found[0].ID, id)
		}
	}
}

func findMany(u *users) {
	ids := u.fill(slices.Max(u.sizes))
	for _, size := range u.sizes {
		u.findFirst(usersync.FieldID, ids[:size], func(n int) string { return ids[n-1] })
		u.findFirst(u.key, ids[:size], u.folded)
		for _, field := range u.lookups {
			u.findFirst(field, ids[:size], func(n int) string {
				return usersync.Fold(u.newUser(n).Get(field))
			})
		}
	}
}

// findFirst looks up the first users, by the value that each has, and checks that these ids are found.
func (u *users) findFirst(field string, ids []string, value func(n int) string) {
	u.Helper()
	values := make([]string, len(ids))
	for i := range values {
		values[i] = value(i + 1)
	}
	found := map[string]bool{}
	for _, f := range u.find(field, values...) {
		found[f.ID] = true
	}
	for i, id := range ids {
		if !found[id] {
			u.breach("FindUsers(%s) with %d values found %d users, and not the one with value %d (%q)",
				field, len(values), len(found), i, values[i])
		}
	}
	if len(found) != len(ids) {
		u.breach("FindUsers(%s) with %d values found %d users", field, len(values), len(found))
	}
}

func findFoldedKey(u *users) {
	upper, lower := strings.ToUpper(u.name(1)), strings.ToLower(u.name(2))
	u.made(u.creation(u.named(1, upper)), u.creation(u.named(2, lower)), u.creation(u.values(3)))
	for _, name := range []string{upper, lower, u.name(3)} {
		u.has(u.single(u.key, usersync.Fold(name)), one(u.key, name))
	}
}

func findUnicodeKey(u *users) {
	if u.asciiOnly {
		u.Skipf("skipped: the store folds only the letters A to Z")
	}
	for i, prefix := range []string{"MÜLLER", "Straße", "Ｐｅｔｅｒ", "ΣΊΣΥΦΟΣ", "ﬁｎ", "ИВАН"} {
		name := prefix + u.name(i+1)
		u.made(u.creation(u.named(i+1, name)))
		u.has(u.single(u.key, usersync.Fold(name)), one(u.key, name))
	}
}

func findFoldedLookups(u *users) {
	u.needs(u.lookups, "is one to look up by, beside the key")
	spell := []func(string) string{strings.ToUpper, strings.ToLower, strings.TrimSpace}
	for i, spelled := range spell {
		v := u.values(i + 1)
		for _, field := range u.lookups {
			v.Set(field, spelled(v.Get(field)))
		}
		u.made(u.creation(v))
		for _, field := range u.lookups {
			u.has(u.single(field, usersync.Fold(v.Get(field))), v)
		}
	}
}

func findNoPattern(u *users) {
	u.made(u.creation(u.named(1, "xy1"+u.name(1))))
	for _, pattern := range []string{"x_1" + u.name(1), "x%" + u.name(1), "%", "_"} {
		if found := u.find(u.key, usersync.Fold(pattern)); len(found) > 0 {
			u.breach("FindUsers found %q by %q", found[0].Values.Get(u.key), pattern)
		}
	}
	u.made(u.creation(u.named(2, "x_1"+u.name(1))))
	u.has(u.single(u.key, "x_1"+u.folded(1)), one(u.key, "x_1"+u.name(1)))
}

func findShared(u *users) {
	shareable := slices.DeleteFunc(slices.Clone(u.lookups), func(field string) bool {
		return slices.Contains(u.unique, field)
	})
	u.needs(shareable, "to look up by can be the same for two users")
	for i, field := range shareable {
		first, second := u.values(3*i+1), u.values(3*i+2)
		second.Set(field, first.Get(field))
		u.made(u.creation(first), u.creation(second), u.creation(u.values(3*i+3)))
		if found := u.find(field, usersync.Fold(first.Get(field))); len(found) != 2 {
			u.breach("FindUsers(%s) found %d of the 2 users with the same value", field, len(found))
		}
	}
}

func findInactive(u *users) {
	created := u.create(1)[0]
	u.made(u.change(usersync.OpDeactivate, created, usersync.Values{}))
	for _, field := range append([]string{usersync.FieldID, u.key}, u.lookups...) {
		value := usersync.Fold(created.Values.Get(field))
		if field == usersync.FieldID {
			value = created.ID
		}
		found := u.find(field, value)
		if len(found) != 1 || found[0].Active {
			u.breach("FindUsers(%s) does not find the inactive user as inactive: %v", field, found)
		}
	}
}

func findByReference(u *users) {
	u.needsReference()
	u.create(1, 2, 3)
	for n := 4; n <= 5; n++ {
		v := u.values(n)
		v.Set(u.reference, u.name(1))
		u.made(u.creation(v))
	}
	found := u.find(u.reference, u.folded(1), u.folded(2))
	if len(found) != 2 {
		u.breach("FindUsers(%s) found %d users, 2 refer to %q", u.reference, len(found), u.name(1))
	}
}

func findOnce(u *users) {
	created := u.create(1, 2)
	u.made(u.update(created[0], u.text[0], "Changed"))
	u.made(u.change(usersync.OpDeactivate, created[1], usersync.Values{}))
	if found := u.find(u.key, u.folded(1), u.folded(2), u.folded(3)); len(found) != 2 {
		u.breach("FindUsers found %d users by the keys of 2", len(found))
	}
}

func findOwnAnswer(u *users) {
	before := u.create(1)[0]
	before.Values = before.Values.Clone() // the store may share what it returned
	found := u.find(u.key, u.folded(1))
	for field := range before.Values.All() {
		found[0].Values.Set(field, "changed by the caller")
	}
	found[0].ID, found[0].Active = "changed by the caller", false
	u.untouched(before)
	u.has(u.single(u.key, u.folded(1)), before.Values)
}

func findOwnValues(u *users) {
	u.create(1, 2, 3)
	for _, field := range append([]string{u.key}, u.lookups...) {
		var values []string
		for _, n := range []int{3, 1, 9, 2} {
			values = append(values, usersync.Fold(u.newUser(n).Get(field)))
		}
		asked := slices.Clone(values)
		u.find(field, asked...)
		if !slices.Equal(asked, values) {
			u.breach("FindUsers(%s) changed values from %q to %q", field, values, asked)
		}
	}
}
