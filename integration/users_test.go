package integration

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/sqlstore"
	"github.com/usersync-go/usersync/usersynctest"
)

// schema is the default schema with groups and a badge that is unique.
func schema() usersync.Schema {
	s := usersync.DefaultSchema()
	s.Fields = append(s.Fields,
		usersync.Field{Name: "groups", List: &usersync.ListFormat{Separator: ","}},
		usersync.Field{Name: "badge", Unique: usersync.MustBeUnique})
	return s
}

// newUser is the suite's n-th user with a badge.
func newUser(n int) usersync.Values {
	name := "Test.User" + number(n)
	return usersync.NewValues(
		[]string{"userName", "email", "firstName", "lastName", "department", "badge"},
		[]string{name, name + "@example.com", "First", "Last " + number(n), "Sales", "Badge-" + number(n)})
}

func number(n int) string {
	return fmt.Sprintf("%05d", n)
}

func TestReadyMadeTable(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		usersynctest.TestUserStore(t, func(t *testing.T) usersync.UserStore {
			return readyMade(t, s, s.open(t), schema())
		},
			usersynctest.NewUser(newUser), usersynctest.Lookups("email", "badge"), usersynctest.Text("department", "shoeSize"),
			usersynctest.Unique("badge"), usersynctest.Lists("groups", "hobbies"))
	})
}

// Idempotency keys are forgotten once they are old.
func TestForget(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		db := s.open(t)
		users := readyMade(t, s, db, schema())
		for n := range 3 {
			change := usersync.Change{Op: usersync.OpCreate, Set: newUser(n), Key: usersync.Fold(newUser(n).Get("userName")), IdempotencyKey: number(n)}
			out, err := users.WriteUsers(t.Context(), []usersync.Change{change})
			must(t, err)
			must(t, out[0].Err)
		}
		exec(t, db, "UPDATE usersync_changes SET made_at = '2020-01-01 00:00:00' WHERE change_key <> '"+number(1)+"'")
		n, err := users.Forget(t.Context(), time.Now())
		must(t, err)
		if n != 2 {
			t.Fatalf("%d keys were forgotten, want 2", n)
		}
	})
}

func readyMade(tb testing.TB, s server, db *sql.DB, schema usersync.Schema) *sqlstore.Users {
	users, err := sqlstore.NewUsers(db, s.dialect, sqlstore.DefaultMapping(schema), schema)
	must(tb, err)
	must(tb, users.Migrate(tb.Context()))
	must(tb, users.Migrate(tb.Context())) // a second time changes nothing
	return users
}

// TestTableOfTheProduct has a table that is unlike the ready-made one: integer ids, no version, groups
// and a manager by id, deleted rows that stay, rows of somebody else, and a table of the product's own for added
// fields.
func TestTableOfTheProduct(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		usersynctest.TestUserStore(t, func(t *testing.T) usersync.UserStore {
			return product(t, s, s.open(t))
		},
			usersynctest.NewUser(newUser), usersynctest.Lookups("email", "badge"), usersynctest.Text("department", "shoeSize"),
			usersynctest.Unique("badge"), usersynctest.Lists("groups", "hobbies"), usersynctest.MaxLength(80),
			usersynctest.FoldsASCIIOnly(), usersynctest.WithoutIdempotency())
	})
}

func product(t *testing.T, s server, db *sql.DB) *sqlstore.Users {
	identity := map[sqlstore.Dialect]string{
		sqlstore.SQLite:     "INTEGER PRIMARY KEY AUTOINCREMENT",
		sqlstore.PostgreSQL: "INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
		sqlstore.MySQL:      "INTEGER AUTO_INCREMENT PRIMARY KEY",
	}[s.dialect]
	long := map[sqlstore.Dialect]string{sqlstore.SQLite: "CHECK (length(\"section\") <= 80)"}[s.dialect]
	exact := map[sqlstore.Dialect]string{sqlstore.MySQL: "COLLATE utf8mb4_bin"}[s.dialect]
	live, unique := "", `
		CREATE UNIQUE INDEX "logins" ON "people" ("firm", LOWER("login")) WHERE "removed" IS NULL;
		CREATE UNIQUE INDEX "passes" ON "people" ("firm", LOWER("pass")) WHERE "removed" IS NULL;`
	if s.dialect == sqlstore.MySQL { // has no such indexes, and a collation that knows no case
		live, unique = `, "live" INTEGER AS (IF("removed" IS NULL, 1, NULL)),
			UNIQUE ("firm", "live", "login"), UNIQUE ("firm", "live", "pass")`, ""
	}
	script := strings.NewReplacer("IDENTITY", identity, "LONG", long, "EXACT", exact, "LIVE", live, "INDEXES", unique).Replace(`
		CREATE TABLE "people" ("no" IDENTITY, "login" VARCHAR(200) NOT NULL, "mail" VARCHAR(200),
			"given" VARCHAR(200), "family" VARCHAR(200) NOT NULL, "section" VARCHAR(80) LONG, "pass" VARCHAR(50),
			"boss" INTEGER REFERENCES "people" ("no"), "state" VARCHAR(10) NOT NULL,
			"removed" TIMESTAMP NULL, "firm" INTEGER NOT NULL LIVE);
		INDEXES
		CREATE TABLE "teams" ("no" IDENTITY, "label" VARCHAR(50));
		CREATE TABLE "members" ("person" INTEGER NOT NULL REFERENCES "people" ("no"),
			"team" INTEGER NOT NULL REFERENCES "teams" ("no"), PRIMARY KEY ("person", "team"));
		CREATE TABLE "extras" ("person" INTEGER NOT NULL REFERENCES "people" ("no") ON DELETE CASCADE, "label" VARCHAR(60) EXACT NOT NULL,
			"place" INTEGER NOT NULL, "content" VARCHAR(2000) NOT NULL, PRIMARY KEY ("person", "label", "place"));
		INSERT INTO "teams" ("label") VALUES ('North'), ('South'), ('Sales, East'), ('West');
		INSERT INTO "people" ("login", "family", "state", "removed", "firm") VALUES
			('test.user00001', 'deleted', 'open', '2026-01-02', 7),
			('test.user00001', 'of another firm', 'open', NULL, 8)`)
	exec(t, db, strings.Split(strings.ReplaceAll(script, `"`, quote(s.dialect)), ";")...)
	users, err := sqlstore.NewUsers(db, s.dialect, productMapping(), schema())
	must(t, err)
	must(t, users.Migrate(t.Context())) // has nothing to make
	return users
}

func productMapping() sqlstore.Mapping {
	return sqlstore.Mapping{
		Table:  "people",
		ID:     sqlstore.ID{Column: "no", Kind: sqlstore.IntegerID},
		Active: sqlstore.Flag{Column: "state", True: "open", False: "closed"},
		Columns: map[string]sqlstore.Column{
			"userName":   {Column: "login"},
			"email":      {Column: "mail", Null: true},
			"firstName":  {Column: "given"},
			"lastName":   {Column: "family"},
			"department": {Column: "section", Null: true},
			"badge":      {Column: "pass", Null: true},
			"manager":    {Column: "boss", Reference: true},
		},
		Lists: map[string]sqlstore.ListTable{
			"groups": {Table: "members", User: "person", Item: "team",
				Names: &sqlstore.Names{Table: "teams", ID: "no", Name: "label"}},
		},
		Added:      &sqlstore.AddedTable{Table: "extras", User: "person", Field: "label", Item: "place", Value: "content"},
		Fixed:      []sqlstore.Fixed{{Column: "firm", Value: "7", Scope: true}},
		SoftDelete: &sqlstore.SoftDelete{Column: "removed"},
	}
}

func quote(d sqlstore.Dialect) string {
	if d == sqlstore.MySQL {
		return "`"
	}
	return `"`
}
