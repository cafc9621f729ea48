package integration

import (
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/sqlstore"
	"github.com/usersync-go/usersync/usersynctest"
)

func TestFieldStore(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		usersynctest.TestFieldStore(t, func(t *testing.T) usersync.FieldStore { return newState(t, s, s.open(t)) })
	})
}

// A11: a field that one tenant adds is none of another's.
func TestFieldsOfTenants(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		db := s.open(t)
		one, other := newState(t, s, db, sqlstore.WithTenant("a")), newState(t, s, db, sqlstore.WithTenant("A"))
		must(t, one.AddFields(t.Context(), []usersync.Field{{Name: "badge"}}))
		must(t, other.AddFields(t.Context(), []usersync.Field{{Name: "badge", Kind: usersync.KindBool}}))
		for _, state := range []*sqlstore.State{one, other} {
			fields, err := state.Fields(t.Context())
			must(t, err)
			if len(fields) != 1 {
				t.Fatalf("the tenant has %v", fields)
			}
		}
	})
}

// wardrobe is a service that adds fields, over one database.
type wardrobe struct {
	t     *testing.T
	users *sqlstore.Users
	svc   *usersync.Service
}

func newWardrobe(t *testing.T, s server, db *sql.DB, users *sqlstore.Users) *wardrobe {
	state := newState(t, s, db)
	svc, err := usersync.NewService(users, state.Stores(), usersync.WithSchema(schema()), usersync.WithFieldStore(state))
	must(t, err)
	_, err = svc.CreateConfig(t.Context(), usersync.DefaultConfig("staff"))
	must(t, err)
	return &wardrobe{t, users, svc}
}

// plan previews a file, with every column that is offered and whose header is in choose as a new field.
func (w *wardrobe) plan(choose string, lines ...string) *usersync.Plan {
	w.t.Helper()
	file := func() usersync.Source { return usersync.CSV(strings.NewReader(strings.Join(lines, "\n"))) }
	plan, err := w.svc.Preview(w.t.Context(), "staff", file())
	must(w.t, err)
	var fields []usersync.Field
	for _, offer := range plan.NewFields() {
		if !strings.Contains(choose, offer.Column.Header) {
			continue
		}
		if offer.Column.Header == "Hobbies" {
			offer.Field.List = &usersync.ListFormat{Separator: ";"}
		}
		fields = append(fields, offer.Field)
	}
	if len(fields) == 0 {
		return plan
	}
	plan, err = w.svc.Preview(w.t.Context(), "staff", file(), usersync.AddFields(fields...))
	must(w.t, err)
	return plan
}

func (w *wardrobe) apply(plan *usersync.Plan, opts ...usersync.ApplyOption) *usersync.Run {
	w.t.Helper()
	run, err := w.svc.Apply(w.t.Context(), plan.ID, opts...)
	must(w.t, err)
	for row := range run.Rows() {
		if row.State == usersync.StateFailed {
			w.t.Fatalf("row %d: %v", row.Number, row.Reasons)
		}
	}
	return run
}

// has looks at what a user has.
func (w *wardrobe) has(name, size, hobbies string) {
	w.t.Helper()
	found, err := w.users.FindUsers(w.t.Context(), "userName", []string{name})
	must(w.t, err)
	if len(found) != 1 {
		w.t.Fatalf("%d users are called %s", len(found), name)
	}
	v := found[0].Values
	if got := v.Get("shoeSize") + " " + strings.Join(v.List("hobbies"), "|"); got != size+" "+hobbies {
		w.t.Fatalf("%s has %q", name, got)
	}
}

// Columns of a file become fields of all users, in the ready-made table and beside the product's own: written, read,
// compared, cleared and taken back, and a change of nothing else is a change of the user.
func TestNewFieldsOfUsers(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		for _, mapped := range []func(db *sql.DB) *sqlstore.Users{
			func(db *sql.DB) *sqlstore.Users { return readyMade(t, s, db, schema()) },
			func(db *sql.DB) *sqlstore.Users { return product(t, s, db) },
		} {
			db := s.open(t)
			w := newWardrobe(t, s, db, mapped(db))
			w.livesWithNewFields()
		}
	})
}

func (w *wardrobe) livesWithNewFields() {
	t := w.t
	const head = "userName,email,firstName,lastName"
	w.apply(w.plan("", head, "anna,a@b.example,A,B", "bert,b@b.example,A,B"))
	old := w.plan("", head, "anna,a@b.example,Anna,B", "bert,b@b.example,Bert,B")
	added := w.apply(w.plan("Shoe size Hobbies", head+",Shoe size,Hobbies",
		"anna,a@b.example,A,B,38,chess; choir", "bert,b@b.example,A,B,,rowing", "carl,c@b.example,A,B,44,"))
	w.has("anna", "38", "chess|choir")
	w.has("bert", "", "rowing")
	w.has("carl", "44", "")

	var stale *usersync.StaleError
	if _, err := w.svc.Apply(t.Context(), old.ID); !errors.As(err, &stale) || stale.Total != 2 {
		t.Fatalf("anna and bert have other versions by now: %v", err)
	}
	again := w.plan("", head+",Shoe size,Hobbies",
		"anna,a@b.example,A,B,38,choir;chess", "bert,b@b.example,A,B,,rowing", "carl,c@b.example,A,B,44,")
	if c := again.Counts(); c.Unchanged != 3 || len(again.NewFields()) > 0 {
		t.Fatalf("the same file once more: %+v, %v", c, again.NewFields())
	}
	changed := w.apply(w.plan("", head+",Shoe size,Hobbies", "anna,a@b.example,A,B,39,choir", "bert,b@b.example,Bert,B,,rowing"))
	w.has("anna", "39", "choir")
	for _, run := range []*usersync.Run{changed, added} {
		undo, err := w.svc.Undo(t.Context(), run.ID)
		must(t, err)
		w.apply(undo, usersync.ConfirmDeactivations(undo.Counts().Deactivations))
		if run == changed {
			w.has("anna", "38", "chess|choir")
		}
	}
	w.has("anna", "", "")
	w.has("bert", "", "")
	w.has("carl", "44", "") // was created, and is inactive
}

// Without a table for them, a file with values of added fields is refused before anything is added or written.
func TestNoPlaceForNewFields(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		db := s.open(t)
		m := sqlstore.DefaultMapping(schema())
		m.Added = nil
		users, err := sqlstore.NewUsers(db, s.dialect, m, schema())
		must(t, err)
		must(t, users.Migrate(t.Context()))
		w := newWardrobe(t, s, db, users)
		file := usersync.CSV(strings.NewReader("userName,email,firstName,lastName,Shoe size\nanna,a@b.example,A,B,38\n"))
		_, err = w.svc.Preview(t.Context(), "staff", file, usersync.AddFields(usersync.Field{Name: "shoeSize", Title: "Shoe size"}))
		if !errors.Is(err, usersync.ErrInvalid) || !strings.Contains(err.Error(), "no place for its values") {
			t.Fatalf("the file was not refused: %v", err)
		}
	})
}

// A table without a column for places has plain values only, and one whose names are wrong is told.
func TestPlainAddedFields(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		m := sqlstore.DefaultMapping(schema())
		m.Added = &sqlstore.AddedTable{Table: "usersync_plain", User: "user_id", Field: "field", Value: "value"}
		users, err := sqlstore.NewUsers(s.open(t), s.dialect, m, schema())
		must(t, err)
		must(t, users.Migrate(t.Context()))
		list := newUser(2)
		list.SetList("hobbies", []string{"chess"})
		plain := newUser(1)
		plain.Set("shoeSize", "38")
		var changes []usersync.Change
		for _, v := range []usersync.Values{plain, list} {
			changes = append(changes, usersync.Change{Op: usersync.OpCreate, Set: v, Key: usersync.Fold(v.Get("userName"))})
		}
		out, err := users.WriteUsers(t.Context(), changes)
		must(t, err)
		if out[0].Err != nil || out[1].Err == nil {
			t.Fatalf("outcomes %v", out)
		}
		found, err := users.FindUsers(t.Context(), usersync.FieldID, []string{out[0].ID})
		must(t, err)
		if got := found[0].Values.Get("shoeSize"); got != "38" {
			t.Fatalf("the size is %q", got)
		}
	})
}
