package integration

import (
	"crypto/rand"
	"database/sql"
	"net/url"
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
	store, err := sqlite.Open(newSQLite(tb))
	must(tb, err)
	tb.Cleanup(func() { must(tb, store.Close()) })
	return store.DB()
}

func openPostgreSQL(tb testing.TB) *sql.DB { return dialled(tb, "pgx", newPostgreSQL(tb)) }

func openMySQL(tb testing.TB) *sql.DB { return dialled(tb, "mysql", newMySQL(tb)) }

// dialled opens a database for the time of a test.
func dialled(tb testing.TB, driver, address string) *sql.DB {
	db, err := sql.Open(driver, address)
	must(tb, err)
	tb.Cleanup(func() { must(tb, db.Close()) })
	return db
}

// newSQLite names a file for a database.
func newSQLite(tb testing.TB) string { return filepath.Join(tb.TempDir(), "test.db") }

// newPostgreSQL makes an empty schema, dropped after the test, and gives the address of a session in it.
func newPostgreSQL(tb testing.TB) string {
	config, err := pgx.ParseConfig(address(tb, "USERSYNC_TEST_POSTGRES"))
	must(tb, err)
	name := ownName()
	within(tb, stdlib.OpenDB(*config), `CREATE SCHEMA "`+name+`"`, `DROP SCHEMA "`+name+`" CASCADE`)
	session, err := url.Parse(config.ConnString())
	must(tb, err)
	query := session.Query()
	query.Set("search_path", name)
	session.RawQuery = query.Encode()
	return session.String()
}

// newMySQL makes an empty database, dropped after the test, and gives its address.
func newMySQL(tb testing.TB) string {
	config, err := mysql.ParseDSN(address(tb, "USERSYNC_TEST_MYSQL"))
	must(tb, err)
	admin, err := sql.Open("mysql", config.FormatDSN())
	must(tb, err)
	name := ownName()
	within(tb, admin, "CREATE DATABASE `"+name+"` CHARACTER SET utf8mb4", "DROP DATABASE `"+name+"`")
	config.DBName = name
	return config.FormatDSN()
}

// within does something now and undoes it after the test.
func within(tb testing.TB, admin *sql.DB, do, undo string) {
	exec(tb, admin, do)
	tb.Cleanup(func() {
		exec(tb, admin, undo)
		must(tb, admin.Close())
	})
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
