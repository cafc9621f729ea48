package integration

import (
	"crypto/rand"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/usersync-go/usersync/adapters/sqlite"
	"github.com/usersync-go/usersync/adapters/sqlstore"
)

// server is a database to test against. open gives an empty database, and drops it after the test.
type server struct {
	name    string
	dialect sqlstore.Dialect
	open    func(tb testing.TB) *sql.DB
}

func servers() []server {
	return []server{
		{"SQLite", sqlstore.SQLite, openSQLite},
		{"PostgreSQL", sqlstore.PostgreSQL, openPostgreSQL},
		{"MySQL", sqlstore.MySQL, openMySQL},
	}
}

// onEach runs a test against every database that there is.
func onEach(t *testing.T, test func(t *testing.T, s server)) {
	for _, s := range servers() {
		t.Run(s.name, func(t *testing.T) {
			s.open(t) // skips
			test(t, s)
		})
	}
}

func openSQLite(tb testing.TB) *sql.DB {
	store, err := sqlite.Open(filepath.Join(tb.TempDir(), "test.db"))
	must(tb, err)
	tb.Cleanup(func() { must(tb, store.Close()) })
	return store.DB()
}

func openPostgreSQL(tb testing.TB) *sql.DB {
	config, err := pgx.ParseConfig(address(tb, "USERSYNC_TEST_POSTGRES"))
	must(tb, err)
	admin := stdlib.OpenDB(*config)
	name := ownName()
	exec(tb, admin, `CREATE SCHEMA "`+name+`"`)
	config.RuntimeParams["search_path"] = name
	db := stdlib.OpenDB(*config)
	tb.Cleanup(func() {
		must(tb, db.Close())
		exec(tb, admin, `DROP SCHEMA "`+name+`" CASCADE`)
		must(tb, admin.Close())
	})
	return db
}

func openMySQL(tb testing.TB) *sql.DB {
	config, err := mysql.ParseDSN(address(tb, "USERSYNC_TEST_MYSQL"))
	must(tb, err)
	admin, err := sql.Open("mysql", config.FormatDSN())
	must(tb, err)
	name := ownName()
	exec(tb, admin, "CREATE DATABASE `"+name+"` CHARACTER SET utf8mb4")
	config.DBName = name
	db, err := sql.Open("mysql", config.FormatDSN())
	must(tb, err)
	tb.Cleanup(func() {
		must(tb, db.Close())
		exec(tb, admin, "DROP DATABASE `"+name+"`")
		must(tb, admin.Close())
	})
	return db
}

func address(tb testing.TB, variable string) string {
	tb.Helper()
	value := os.Getenv(variable)
	if value == "" {
		tb.Skipf("SKIPPED: needs %s, the address of a server", variable)
	}
	return value
}

func ownName() string { return "usersync_test_" + strings.ToLower(rand.Text()) }

func exec(tb testing.TB, db *sql.DB, statements ...string) {
	tb.Helper()
	for _, text := range statements {
		if _, err := db.Exec(text); err != nil {
			tb.Fatalf("%v\n%s", err, text)
		}
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
