package main

import (
	"crypto/rand"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"usersync": main})
}

// TestScripts runs the scripts, which show how the command is used.
func TestScripts(t *testing.T) { runScripts(t, "testdata/script") }

func TestOnPostgreSQL(t *testing.T) {
	needs(t, "USERSYNC_TEST_POSTGRES")
	runScripts(t, "testdata/postgres")
}

func TestOnMySQL(t *testing.T) {
	needs(t, "USERSYNC_TEST_MYSQL")
	runScripts(t, "testdata/mysql")
}

// TestReadme runs the tour in the README.
func TestReadme(t *testing.T) {
	data, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(data), "go build -o usersync ./cmd/usersync\n")
	tour, _, found := strings.Cut(after, "```")
	if !found || strings.Count(tour, "./usersync ") < 4 {
		t.Fatal("the README has no tour of the command")
	}
	piped := regexp.MustCompile(`(?m)^echo '(.*)' \| \./usersync`)
	script := piped.ReplaceAllString(tour, "stdin config.json\nexec usersync") + "\n-- config.json --\n" + piped.FindStringSubmatch(tour)[1] + "\n"
	script = strings.NewReplacer("export ", "env ", "./usersync ", "exec usersync ").Replace(script)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "readme.txtar"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	runScripts(t, dir)
}

func needs(t *testing.T, variable string) {
	t.Helper()
	if os.Getenv(variable) == "" {
		t.Skipf("SKIPPED: needs %s, the address of a server", variable)
	}
}

func runScripts(t *testing.T, dir string) {
	testscript.Run(t, testscript.Params{Dir: dir, RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "id": id, "sql": runSQL, "server": server,
		}})
}

// exits runs a program and looks at its exit code: exits 3 usersync apply X.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var ended *exec.ExitError
		if !errors.As(err, &ended) {
			ts.Fatalf("%v", err)
		}
		code = ended.ExitCode()
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

var isID = regexp.MustCompile(`\b[A-Z2-7]{26}\b`)

// id keeps the first id of the output in a variable: id PLAN.
func id(ts *testscript.TestScript, _ bool, args []string) {
	found := isID.FindString(ts.ReadFile("stdout"))
	if found == "" {
		ts.Fatalf("there is no id in the output")
	}
	ts.Setenv(args[0], found)
}

// runSQL runs statements of a file on the database of USERSYNC_DB: sql FILE. A line of output is a row.
func runSQL(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.Getenv("USERSYNC_DB")
	if !strings.Contains(text, "://") {
		text = ts.MkAbs(text)
	}
	db := connect(ts, text)
	defer db.Close()
	for _, statement := range strings.Split(ts.ReadFile(args[0]), ";\n") {
		if strings.HasPrefix(strings.TrimSpace(statement), "SELECT") {
			ts.Check(printRows(ts, db, statement))
			continue
		}
		if strings.TrimSpace(statement) != "" {
			_, err := db.Exec(statement)
			ts.Check(err)
		}
	}
}

// connect opens the database of an address.
func connect(ts *testscript.TestScript, text string) *sql.DB {
	at, err := parseAddress(text)
	ts.Check(err)
	db, err := at.open()
	ts.Check(err)
	return db
}

func printRows(ts *testscript.TestScript, db *sql.DB, query string) error {
	rows, err := db.Query(query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var text sql.NullString
		if err := rows.Scan(&text); err != nil {
			return err
		}
		ts.Logf("%s", text.String)
		_, err := ts.Stdout().Write([]byte(text.String + "\n"))
		if err != nil {
			return err
		}
	}
	return rows.Err()
}

// server gives USERSYNC_DB an empty database on a server: server USERSYNC_TEST_POSTGRES.
func server(ts *testscript.TestScript, _ bool, args []string) {
	address := os.Getenv(args[0])
	name := "usersync_test_" + strings.ToLower(rand.Text())
	u, make, drop := onServer(args[0], address, name)
	db := connect(ts, u.String())
	_, err := db.Exec(make)
	ts.Check(err)
	ts.Defer(func() {
		_, err := db.Exec(drop)
		ts.Check(errors.Join(err, db.Close()))
	})
	query := u.Query()
	if u.Scheme == "mysql" {
		u.Path = "/" + name
	} else {
		query.Set("search_path", name)
	}
	u.RawQuery = query.Encode()
	ts.Setenv("USERSYNC_DB", u.String())
}

// onServer is the address for the command and the statements that make and drop a database.
func onServer(variable, address, name string) (u *url.URL, make, drop string) {
	if variable == "USERSYNC_TEST_MYSQL" { // user:password@tcp(host:port)/name
		user, rest, _ := strings.Cut(address, "@tcp(")
		host, path, _ := strings.Cut(rest, ")")
		login, password, _ := strings.Cut(user, ":")
		return &url.URL{Scheme: "mysql", User: url.UserPassword(login, password), Host: host, Path: path},
			"CREATE DATABASE " + name + " CHARACTER SET utf8mb4", "DROP DATABASE " + name
	}
	u, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	return u, "CREATE SCHEMA " + name, "DROP SCHEMA " + name + " CASCADE"
}
