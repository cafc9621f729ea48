package integration

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/sqlstore"
	"github.com/usersync-go/usersync/usersynctest"
)

// thingTables are two ways in which a product can have groups and roles: in a table each with a folded column, ids
// and a flag, or all of them in one without anything.
func thingTables(folded bool) map[string]sqlstore.NamedTable {
	if !folded {
		return map[string]sqlstore.NamedTable{
			"group": {Table: "things", Name: "the name", Fixed: []sqlstore.Fixed{{Column: "kind", Value: "g", Scope: true}}},
			"role":  {Table: "things", Name: "the name", Fixed: []sqlstore.Fixed{{Column: "kind", Value: "r", Scope: true}}},
		}
	}
	t := sqlstore.NamedTable{Name: "label", Folded: "label_folded", Usable: &sqlstore.Flag{Column: "enabled"}, MakeID: "id",
		Fixed: []sqlstore.Fixed{{Column: "firm", Value: "7", Scope: true}, {Column: "note", Value: "imported"}}}
	groups, roles := t, t
	groups.Table, roles.Table = "the_groups", "the_roles"
	return map[string]sqlstore.NamedTable{"group": groups, "role": roles}
}

func makeThings(t *testing.T, s server, db *sql.DB, folded bool) (_ *sqlstore.ReferenceCreator, put func(set string, names ...string) error) {
	auto := map[sqlstore.Dialect]string{sqlstore.SQLite: "INTEGER PRIMARY KEY AUTOINCREMENT",
		sqlstore.PostgreSQL: "INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY", sqlstore.MySQL: "INTEGER AUTO_INCREMENT PRIMARY KEY"}[s.dialect]
	script := []string{`CREATE TABLE "things" ("no" ` + auto + `, "kind" VARCHAR(5) NOT NULL, "the name" VARCHAR(200) NOT NULL)`}
	if folded {
		script = nil
		for _, table := range []string{"the_groups", "the_roles"} {
			script = append(script, `CREATE TABLE "`+table+`" ("id" VARCHAR(36) PRIMARY KEY, "firm" INTEGER NOT NULL, "label" VARCHAR(200) NOT NULL, `+
				`"label_folded" VARCHAR(200) NOT NULL, "enabled" BOOLEAN NOT NULL, "note" VARCHAR(50), UNIQUE ("firm", "label_folded"))`)
		}
	}
	for i := range script {
		script[i] = strings.ReplaceAll(script[i], `"`, quote(s.dialect))
		if s.dialect == sqlstore.MySQL { // otherwise "café" and "cafe" are one to the index
			script[i] += " COLLATE utf8mb4_bin"
		}
	}
	exec(t, db, script...)
	refs, err := sqlstore.NewReferenceCreator(db, s.dialect, thingTables(folded))
	must(t, err)
	n := 0
	return refs, func(set string, names ...string) error {
		for _, name := range names {
			n++
			text := `INSERT INTO "things" ("kind", "the name") VALUES (?, ?)`
			args := []any{set[:1], name}
			if folded {
				text = `INSERT INTO "the_` + set + `s" ("id", "firm", "label", "label_folded", "enabled") VALUES (?, 7, ?, ?, TRUE)`
				args = []any{fmt.Sprint(n), name, usersync.Fold(name)}
			}
			if _, err := db.Exec(asDialect(s, text), args...); err != nil {
				return err
			}
		}
		return nil
	}
}

// asDialect writes identifiers and parameters as a database has them.
func asDialect(s server, text string) string {
	text = strings.ReplaceAll(text, `"`, quote(s.dialect))
	for i := 1; s.dialect == sqlstore.PostgreSQL && strings.Contains(text, "?"); i++ {
		text = strings.Replace(text, "?", fmt.Sprintf("$%d", i), 1)
	}
	return text
}

// C10: tables of things keep the promises of References, with a folded column and without.
func TestReferences(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		for _, folded := range []bool{true, false} {
			t.Run(fmt.Sprintf("folded=%t", folded), func(t *testing.T) {
				usersynctest.TestReferences(t, []string{"group", "role"}, func(t *testing.T) (usersync.References, func(string, ...string) error) {
					return makeThings(t, s, s.open(t), folded)
				})
			})
		}
	})
}

// C10: what is disabled, or another firm's, is not there; and is not created in its place.
func TestReferencesThatCannotBeUsed(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		db := s.open(t)
		refs, put := makeThings(t, s, db, true)
		must(t, put("group", "Sales", "HR", "Art"))
		exec(t, db, asDialect(s, `UPDATE "the_groups" SET "enabled" = FALSE WHERE "label" = 'HR'`),
			asDialect(s, `UPDATE "the_groups" SET "firm" = 8 WHERE "label" = 'Art'`))
		find := func() []string {
			found, err := refs.FindReferences(t.Context(), "group", []string{"sales", "hr", "art"})
			must(t, err)
			return found
		}
		if found := find(); !slices.Equal(found, []string{"Sales"}) {
			t.Fatal(found)
		}
		if err := refs.CreateReferences(t.Context(), "group", []string{"New", "hr"}); err == nil || !strings.Contains(err.Error(), `"HR" is there, but cannot be used`) {
			t.Fatal(err)
		}
		must(t, refs.CreateReferences(t.Context(), "group", []string{"ART"}))
		if found := find(); !slices.Equal(found, []string{"Sales", "ART"}) {
			t.Fatal(found)
		}
		var note, id string
		must(t, db.QueryRow(asDialect(s, `SELECT "note", "id" FROM "the_groups" WHERE "label" = 'ART'`)).Scan(&note, &id))
		if note != "imported" || len(id) != 36 {
			t.Fatal(note, id)
		}
		if _, err := refs.FindReferences(t.Context(), "region", []string{"a"}); err == nil {
			t.Fatal("there is a table of regions")
		}
		if err := refs.CreateReferences(t.Context(), "region", []string{"a"}); err == nil {
			t.Fatal("there is a table of regions")
		}
	})
}

// C10: the spelling that References gives is one by which lists are written, whatever letters it has.
func TestReferencesAndLists(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		db := s.open(t)
		product(t, s, db)
		exec(t, db, asDialect(s, `INSERT INTO "teams" ("label") VALUES ('ÄRZTE'), ('ärzte Ost')`))
		schema := schema()
		for i := range schema.Fields {
			if schema.Fields[i].Name == "groups" {
				schema.Fields[i].Refers = &usersync.Refers{Set: "team", Missing: usersync.MissingIsOffered}
			}
		}
		users, err := sqlstore.NewUsers(db, s.dialect, productMapping(), schema)
		must(t, err)
		refs, err := sqlstore.NewReferenceCreator(db, s.dialect, map[string]sqlstore.NamedTable{"team": {Table: "teams", Name: "label"}})
		must(t, err)
		state := newState(t, s, db)
		eng, err := usersync.New(users, state, usersync.WithSchema(schema), usersync.WithRuns(state.Stores()), usersync.WithReferences(refs))
		must(t, err)
		const file = "userName,email,firstName,lastName,groups\nanna,a@example.com,A,B,\"Ärzte,NORTH,Été\"\nbert,b@example.com,A,B,\"été, Ärzte ost\"\n"
		plan, err := eng.Preview(t.Context(), usersync.DefaultConfig("Staff"), usersync.CSV(strings.NewReader(file)))
		must(t, err)
		must(t, plan.Resolve(usersync.Decision{Choice: usersync.CreateMissing}))
		run, err := eng.Apply(t.Context(), plan)
		must(t, err)
		if c := run.Counts(); c.Created != 2 {
			for row := range run.Rows() {
				t.Log(row.Reasons)
			}
			t.Fatal(c)
		}
		found, err := users.FindUsers(t.Context(), "userName", []string{"anna", "bert"})
		must(t, err)
		got := map[string]string{}
		for _, u := range found {
			got[u.Values.Get("userName")] = u.Values.Get("groups")
		}
		if got["anna"] != "North, ÄRZTE, Été" || got["bert"] != "Été, ärzte Ost" && got["bert"] != "ärzte Ost, Été" {
			t.Fatal(got)
		}
		again, err := eng.Preview(t.Context(), usersync.DefaultConfig("Staff"), usersync.CSV(strings.NewReader(file)))
		must(t, err)
		if c := again.Counts(); c.Unchanged != 2 {
			t.Fatal(c)
		}
		recs, err := state.Runs(t.Context(), usersync.RunQuery{ID: run.ID})
		must(t, err)
		if want := []usersync.ReferenceName{{Set: "team", Name: "Été"}}; len(recs) != 1 || !slices.Equal(recs[0].CreatedReferences, want) {
			t.Fatal(recs)
		}
	})
}

// Everything that is wrong with the tables is told at once.
func TestReferencesMapping(t *testing.T) {
	_, err := sqlstore.NewReferences(nil, "oracle", map[string]sqlstore.NamedTable{
		"group": {Table: "a.b.c", Name: "n", Folded: "N", Usable: &sqlstore.Flag{Column: `x"y`}},
		"role":  {MakeID: "id"}})
	var invalid *usersync.InvalidError
	if !errors.As(err, &invalid) {
		t.Fatal(err)
	}
	var paths []string
	for _, p := range invalid.Problems {
		paths = append(paths, p.Path)
	}
	want := []string{"dialect", "group.table", "group.folded", "group.usable.column", "role.table", "role.name"}
	if !slices.Equal(paths, want) {
		t.Fatalf("%q, want %q", paths, want)
	}
}
