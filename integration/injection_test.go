package integration

import (
	"testing"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/sqlstore"
)

// TestValuesCannotBecomeSQL puts texts that would end a literal into every place that takes a value.
func TestValuesCannotBecomeSQL(t *testing.T) {
	evil := []string{`'; DELETE FROM people; --`, `" OR "1"="1`, "` OR 1=1 -- ", `\'; DELETE FROM people; --`,
		`1 OR 1=1`, `{a,b}`, `","`, `\`, `$1`, `?`, "%", "_", "a\x00b", "\xff'", "1); DROP TABLE members; --"}
	onEach(t, func(t *testing.T, s server) {
		ready := readyMade(t, s, s.open(t), schema())
		for _, users := range []*sqlstore.Users{ready, product(t, s, s.open(t))} {
			bystander := create(t, users, newUser(1))
			for i, text := range evil {
				attack(t, users, bystander, text, i)
			}
			found, err := users.FindUsers(t.Context(), "userName", []string{"test.user00001"})
			must(t, err)
			if len(found) != 1 || found[0].ID != bystander || found[0].Values.Get("badge") != "Badge-00001" {
				t.Fatalf("after all that user %s is %v", bystander, found)
			}
		}
	})
}

// create makes a user and gives the id.
func create(t *testing.T, users *sqlstore.Users, values usersync.Values) string {
	t.Helper()
	out, err := users.WriteUsers(t.Context(), []usersync.Change{{Op: usersync.OpCreate, Active: true,
		Key: usersync.Fold(values.Get("userName")), Set: values, IdempotencyKey: values.Get("userName")}})
	must(t, err)
	must(t, out[0].Err)
	return out[0].ID
}

// attack uses a text as every sort of value. Calls may fail for single changes, never as a whole, and no
// one else is found or changed.
func attack(t *testing.T, users *sqlstore.Users, bystander, text string, i int) {
	t.Helper()
	for _, field := range []string{usersync.FieldID, "userName", "email", "badge", "manager"} {
		found, err := users.FindUsers(t.Context(), field, []string{text})
		must(t, err)
		for _, u := range found {
			if u.ID == bystander {
				t.Fatalf("%q finds the user by %s", text, field)
			}
		}
	}
	values := newUser(1000 + i)
	var changes []usersync.Change
	for n, field := range []string{"userName", "department", "badge", "manager"} {
		v := newUser(1000 + 10*i + n).With(values).With(usersync.ValuesOf(map[string]string{
			"userName": newUser(1000 + 10*i + n).Get("userName"), "badge": newUser(1000 + 10*i + n).Get("badge"), field: text}))
		changes = append(changes, usersync.Change{Op: usersync.OpCreate, Key: usersync.Fold(v.Get("userName")), Set: v,
			IdempotencyKey: text + field})
	}
	var groups usersync.Values
	groups.SetList("groups", []string{text})
	changes = append(changes,
		usersync.Change{Op: usersync.OpUpdate, UserID: text, Set: values, IdempotencyKey: text},
		usersync.Change{Op: usersync.OpDeactivate, UserID: bystander, IfVersion: text},
		usersync.Change{Op: usersync.OpUpdate, UserID: changes[0].UserID, Set: usersync.ValuesOf(map[string]string{text: text})},
		usersync.Change{Op: usersync.OpCreate, Key: "g" + values.Get("userName"), Set: values.With(groups)})
	out, err := users.WriteUsers(t.Context(), changes)
	must(t, err)
	for _, n := range []int{4, 5, 6} {
		if out[n].Err == nil {
			t.Fatalf("change %d with %q was made", n, text)
		}
	}
}
