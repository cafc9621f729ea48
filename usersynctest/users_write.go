package usersynctest

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/usersync-go/usersync"
)

// writeChecks are the promises of WriteUsers about changes that are made.
func writeChecks() []check[*users] {
	return []check[*users]{
		{"WriteUsers/create", "OpCreate makes a new user with the values of Set as they are, active as" +
			" Change.Active says. The outcome has the new user's id and version.", writeCreate},
		{"WriteUsers/create inactive", "OpCreate makes an inactive user where Change.Active is false.",
			writeCreateInactive},
		{"WriteUsers/update only what is set", "Set has the fields to write and only those: every other" +
			" field stays as it is.", writeOnlySet},
		{"WriteUsers/empty clears, absent keeps", "An empty value in Set clears the field; a field that is" +
			" not in Set keeps its value. Use Values.All or Values.Lookup, which tell the two apart;" +
			" Values.Get does not.", writeEmpty},
		{"WriteUsers/status", "OpActivate makes the user active, OpDeactivate inactive, and OpUpdate leaves" +
			" the status as it is. The user keeps the id and is never deleted.", writeStatus},
		{"WriteUsers/status and values together", "OpActivate and OpDeactivate write Set as well.",
			writeStatusAndSet},
		{"WriteUsers/text as it is", "Values come back as they were written: any letters of any script," +
			" quotes, what looks like a number or like SQL. Pass them as parameters, in columns of a" +
			" text type and of full Unicode (utf8mb4 on MySQL).", writeText},
		{"WriteUsers/long text", "A field holds as many characters, not bytes, as the schema allows for it" +
			" (see MaxLength). What does not fit is refused in the change's outcome, never cut off.",
			writeLong},
		{"WriteUsers/lists", "A list field keeps its items apart, also where an item has a comma in it." +
			" Use Values.List and Values.SetList.", writeLists},
		{"WriteUsers/reference", "The value of a user reference, in Set and in what FindUsers returns, is the" +
			" other user's key field, whatever the store itself keeps. An empty value clears it.", writeReference},
		{"WriteUsers/in order", "Changes are tried in order, so that a later change may rely on an earlier" +
			" one: it may refer to a user created by it, or take a key that it gave up.", writeInOrder},
		{"WriteUsers/many changes", "A call has as many changes as the engine's batch size, 1,000 unless" +
			" the product raises it. Split the list where the database takes fewer parameters.",
			writeMany},
		{"WriteUsers/version moves", "Version changes whenever the account does. The outcome's Version is" +
			" the one that FindUsers returns from then on.", writeVersion},
		{"WriteUsers/version stays", "Version does not change while the account does not, or every plan" +
			" would be stale: not by reading, not with other users.", writeVersionStays},
		{"WriteUsers/changes stay the caller's", "changes is not kept, and not changed either: clone" +
			" (Values.Clone) what the store keeps of it.", writeOwnChanges},
	}
}

func writeCreate(u *users) {
	v := u.values(1)
	out := u.made(u.creation(v))[0]
	got := u.single(u.key, u.folded(1))
	u.has(got, v)
	if got.ID != out.ID || !got.Active {
		u.breach("created user %s active, and found user %s active=%t", out.ID, got.ID, got.Active)
	}
	if !u.noVersions && (out.Version == "" || got.Version != out.Version) {
		u.breach("the outcome has version %q, FindUsers version %q: a store without versions is tested"+
			" with WithoutVersions", out.Version, got.Version)
	}
}

func writeCreateInactive(u *users) {
	c := u.creation(u.values(1))
	c.Active = false
	u.made(c)
	if got := u.single(u.key, u.folded(1)); got.Active {
		u.breach("user %s was created with Change.Active=false and is active", got.ID)
	}
}

func writeOnlySet(u *users) {
	created := u.create(1, 2)
	u.made(u.update(created[0], u.text[0], "Changed"))
	want := created[0].Values.With(one(u.text[0], "Changed"))
	u.has(u.byID(created[0].ID), want)
	u.untouched(created[1])
}

func writeEmpty(u *users) {
	created := u.create(1)[0]
	for _, field := range u.text {
		full := u.made(u.update(created, field, "Full"))[0]
		created.Version = full.Version
		u.has(u.byID(created.ID), one(field, "Full"))

		out := u.made(u.change(usersync.OpUpdate, created, usersync.Values{}))[0]
		created.Version = out.Version
		u.has(u.byID(created.ID), one(field, "Full"))

		out = u.made(u.update(created, field, ""))[0]
		created.Version = out.Version
		u.has(u.byID(created.ID), one(field, ""))
	}
}

func writeStatus(u *users) {
	u.create(1)
	for i, step := range []struct {
		op     usersync.Op
		active bool
	}{
		{usersync.OpUpdate, true},
		{usersync.OpActivate, true},
		{usersync.OpDeactivate, false},
		{usersync.OpDeactivate, false},
		{usersync.OpUpdate, false},
		{usersync.OpActivate, true},
	} {
		before := u.single(u.key, u.folded(1))
		var set usersync.Values
		if step.op == usersync.OpUpdate {
			set = one(u.text[0], fmt.Sprintf("Step %d", i))
		}
		u.made(u.change(step.op, before, set))
		after := u.single(u.key, u.folded(1))
		if after.Active != step.active || after.ID != before.ID {
			u.breach("after %s, user %s (active=%t) is user %s (active=%t)",
				step.op, before.ID, before.Active, after.ID, after.Active)
		}
	}
}

func writeStatusAndSet(u *users) {
	created := u.create(1)[0]
	out := u.made(u.change(usersync.OpDeactivate, created, one(u.text[0], "Left")))[0]
	u.has(u.byID(created.ID), one(u.text[0], "Left"))
	created.Version = out.Version
	u.made(u.change(usersync.OpActivate, created, one(u.text[0], "Back")))
	u.has(u.byID(created.ID), one(u.text[0], "Back"))
}

// texts are values that have come back as something else from one store or another.
func texts() []string {
	return []string{"Zoë Ångström", "東京都", "שלום", "नमस्ते", "Straße", "🏢 Office 👩‍🔬", "O'Neil",
		`"quoted"`, `back\slash`, "'; DROP TABLE users; --", "100 %_", "<b>&amp;</b>", "=1+1", "@SUM(A1)",
		"00420", "1e3", "1.0", "0", "false", "null", "NULL", "2026-01-02", "a, b; c | d", "{}", "$1 ? :x"}
}

func writeText(u *users) {
	for i, text := range texts() {
		v := u.values(2 * i)
		for _, field := range u.text {
			v.Set(field, text)
		}
		out := u.made(u.creation(v), u.creation(u.values(2*i+1)))
		u.has(u.byID(out[0].ID), v)

		var set usersync.Values
		for _, field := range u.text {
			set.Set(field, text)
		}
		u.made(u.change(usersync.OpUpdate, u.byID(out[1].ID), set))
		u.has(u.byID(out[1].ID), set)
	}
}

func writeLong(u *users) {
	created := u.create(1)[0]
	for _, field := range u.text {
		for _, letter := range []string{"x", "é", "語", "🏢"} {
			text := strings.Repeat(letter, u.maxLength)
			created.Version = u.made(u.update(created, field, text))[0].Version
			u.has(u.byID(created.ID), one(field, text))
		}
		const cell = 32_767 // the most that a cell of a workbook holds
		text := strings.Repeat("語", cell)
		out := u.write(u.update(created, field, text))[0]
		got := u.byID(created.ID)
		if out.Err == nil && got.Values.Get(field) != text {
			u.breach("%d characters were accepted for %s, and %d came back", cell, field,
				utf8.RuneCountInString(got.Values.Get(field)))
		}
		created.Version = got.Version
	}
}

func writeLists(u *users) {
	u.needs(u.lists, "holds a list")
	created := u.create(1)[0]
	for _, field := range u.lists {
		for _, items := range [][]string{{"North"}, {"North", "South"}, {"Sales, East", "West"}, nil} {
			var set usersync.Values
			set.SetList(field, items)
			created.Version = u.made(u.change(usersync.OpUpdate, created, set))[0].Version
			got := slices.Sorted(slices.Values(u.byID(created.ID).Values.List(field)))
			if !slices.Equal(got, slices.Sorted(slices.Values(items))) {
				u.breach("list %s of user %s is %q, want %q", field, created.ID, got, items)
			}
		}
	}
}

func writeReference(u *users) {
	u.needsReference()
	created := u.create(1, 2)
	for _, value := range []string{u.name(1), ""} {
		set := one(u.reference, value)
		created[1].Version = u.made(u.change(usersync.OpUpdate, created[1], set))[0].Version
		u.has(u.byID(created[1].ID), set)
	}
}

func writeInOrder(u *users) {
	created := u.create(1)[0]
	changes := []usersync.Change{
		u.update(created, u.key, "renamed"+u.name(1)),
		u.creation(u.named(2, u.name(1))),
		u.creation(u.values(3)),
	}
	if u.reference != "" {
		v := u.values(4)
		v.Set(u.reference, u.name(3))
		changes = append(changes, u.creation(v))
	}
	out := u.made(changes...)
	if got := u.single(u.key, u.folded(1)); got.ID != out[1].ID {
		u.breach("the key %q was given up and taken again, and finds user %s", u.name(1), got.ID)
	}
	if u.reference != "" {
		u.has(u.byID(out[3].ID), one(u.reference, u.name(3)))
	}
}

func writeMany(u *users) {
	first := 1
	for _, size := range u.sizes {
		changes := u.creations(first, size)
		out := u.made(changes...)
		for _, i := range []int{0, size / 2, size - 1} {
			u.has(u.byID(out[i].ID), changes[i].Set)
		}
		ids := make([]string, size)
		for i := range out {
			ids[i] = out[i].ID
		}
		u.findFirst(u.key, ids, func(n int) string { return u.folded(first + n - 1) })
		first += size
	}
}

func writeVersion(u *users) {
	u.needsVersions()
	now := u.create(1)[0]
	seen := []string{now.Version}
	for _, op := range []usersync.Op{usersync.OpUpdate, usersync.OpDeactivate, usersync.OpActivate,
		usersync.OpUpdate} {
		out := u.made(u.change(op, now, one(u.text[0], fmt.Sprintf("Step %d", len(seen)))))[0]
		now = u.byID(now.ID)
		if out.Version != now.Version {
			u.breach("the outcome of %s has version %q, FindUsers version %q", op, out.Version, now.Version)
		}
		if slices.Contains(seen, now.Version) {
			u.breach("after %s the version is %q, as it was before: %q", op, now.Version, seen)
		}
		seen = append(seen, now.Version)
	}
}

func writeVersionStays(u *users) {
	u.needsVersions()
	created := u.create(1, 2)
	u.made(u.update(created[0], u.text[0], "Changed"), u.creation(u.values(3)))
	u.untouched(created[1])
	u.untouched(created[1])
}

func writeOwnChanges(u *users) {
	created := u.create(1)[0]
	changes := []usersync.Change{u.update(created, u.text[0], "Changed"), u.creation(u.values(2))}
	sent := []usersync.Change{changes[0], changes[1]}
	for i := range sent {
		sent[i].Set = changes[i].Set.Clone()
	}
	out := u.made(sent...)
	for i := range sent {
		if show(sent[i].Set) != show(changes[i].Set) || sent[i].IdempotencyKey != changes[i].IdempotencyKey {
			u.breach("change %d was %s of %q with %s; after the call it is %s of %q with %s", i,
				changes[i].Op, changes[i].Key, show(changes[i].Set), sent[i].Op, sent[i].Key, show(sent[i].Set))
		}
		for field := range changes[i].Set.All() {
			sent[i].Set.Set(field, "changed by the caller")
		}
	}
	u.has(u.byID(out[0].ID), one(u.text[0], "Changed"))
	u.has(u.single(u.key, u.folded(2)), u.values(2))
}
