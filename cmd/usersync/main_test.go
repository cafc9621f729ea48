package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/xuri/excelize/v2"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"usersync": main, "usersync-struck": struck})
}

// struck is the command with batches of two users and somebody who sends mails, to which something happens at a
// point of its run that SIGNAL names: create:2:kill is when two users are created. It cannot mail to the address in
// REFUSED.
func struck() {
	at, what, _ := strings.Cut(os.Getenv("SIGNAL"), ":")
	number, what, _ := strings.Cut(what, ":")
	a := newApp()
	mailer := memory.NewMailer()
	mailer.Fail(os.Getenv("REFUSED"), fmt.Errorf("no such mailbox: %w", usersync.ErrMailRefused))
	a.options = []usersync.Option{usersync.WithBatchSize(2), usersync.WithMailer(mailer)}
	a.watch = func(ctx context.Context, now usersync.Progress) {
		if string(now.Stage) == at && strconv.Itoa(now.Done) == number {
			strike(ctx, what)
		}
	}
	os.Exit(a.main(os.Args[1:]))
}

// strike sends signals to this process, and comes back when one is understood.
func strike(ctx context.Context, what string) {
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		panic(err)
	}
	switch what {
	case "kill":
		_ = self.Kill()
		select {}
	case "interrupt":
		_ = self.Signal(os.Interrupt)
		<-ctx.Done()
	case "interrupt twice":
		for { // until it is understood that the first was not enough
			_ = self.Signal(os.Interrupt)
			time.Sleep(time.Millisecond)
		}
	}
}

// TestScripts runs the scripts, which show how the command is used.
func TestScripts(t *testing.T) { runScripts(t, "testdata/script", nil) }

func TestOnPostgreSQL(t *testing.T) { onServer(t, "postgres", "USERSYNC_TEST_POSTGRES") }

func TestOnMySQL(t *testing.T) { onServer(t, "mysql", "USERSYNC_TEST_MYSQL") }

// onServer runs the scripts for servers, each with a database of its own in USERSYNC_DB.
func onServer(t *testing.T, kind, variable string) {
	text := os.Getenv(variable)
	if text == "" {
		t.Skipf("SKIPPED: needs %s, the address of a server", variable)
	}
	runScripts(t, "testdata/servers", func(env *testscript.Env) error {
		at, err := newDatabase(env, kind, text)
		env.Setenv("KIND", kind)
		env.Setenv("USERSYNC_DB", at)
		return err
	})
}

// TestReadme runs the tour in the README.
func TestReadme(t *testing.T) {
	data, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(data), "go build -o usersync ./cmd/usersync\n")
	tour, _, found := strings.Cut(after, "```")
	if !found || strings.Count(tour, "./usersync ") < 8 {
		t.Fatal("the README has no tour of the command")
	}
	script := tour
	for _, shell := range []struct{ pattern, script string }{
		{`(?m)^export `, "env "},
		{`(?m)^echo '(.*)' \| (.*)$`, "stdin echoed\n$2"},
		{`(?m)^printf '(.*)' > (\S+)$`, "cp printed $2"},
		{`(?m)^\./usersync undo RUN`, "id RUN\nexits 2 usersync undo $$RUN"},
		{`(?m)^\./usersync preview`, "exits 2 usersync preview"},
		{`(?m)^\./usersync`, "exec usersync"},
	} {
		script = regexp.MustCompile(shell.pattern).ReplaceAllString(script, shell.script)
	}
	echoed := regexp.MustCompile(`(?m)^echo '(.*)' `).FindStringSubmatch(tour)
	printed := regexp.MustCompile(`(?m)^printf '(.*)' `).FindStringSubmatch(tour)
	if echoed == nil || printed == nil {
		t.Fatal("the tour has no configuration, or no users")
	}
	script += "-- echoed --\n" + echoed[1] + "\n-- printed --\n" + strings.ReplaceAll(printed[1], `\n`, "\n")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "readme.txtar"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	runScripts(t, dir, nil)
}

func runScripts(t *testing.T, dir string, setup func(*testscript.Env) error) {
	testscript.Run(t, testscript.Params{Dir: dir, RequireExplicitExec: true, Setup: setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "id": id, "mail": mailKey, "sql": runSQL, "cells": cellsOf, "damage": damage, "mend": mend, "escapes": escapes,
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

// cellsOf prints the cells of a workbook, a line for each row: cells FILE.
func cellsOf(ts *testscript.TestScript, _ bool, args []string) {
	book, err := excelize.OpenFile(ts.MkAbs(args[0]))
	ts.Check(err)
	defer book.Close()
	for _, sheet := range book.GetSheetList() {
		fmt.Fprintln(ts.Stdout(), "["+sheet+"]")
		rows, err := book.GetRows(sheet)
		ts.Check(err)
		for _, row := range rows {
			fmt.Fprintln(ts.Stdout(), strings.Join(row, " | "))
		}
	}
}

// damage makes a copy of a file with one byte changed, or cut off there: damage OLD NEW flip|cut PERCENT.
func damage(ts *testscript.TestScript, _ bool, args []string) {
	data := []byte(ts.ReadFile(args[0]))
	percent, err := strconv.Atoi(args[3])
	ts.Check(err)
	at := len(data) * percent / 100
	if args[2] == "cut" {
		data = data[:at]
	} else {
		data[at] ^= 1
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), data, 0o600))
}

// mend replaces a text in a file: mend FILE OLD NEW.
func mend(ts *testscript.TestScript, _ bool, args []string) {
	text := strings.ReplaceAll(ts.ReadFile(args[0]), args[1], args[2])
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// escapes puts bytes in the place of escapes such as \x1b in a file: escapes FILE.
func escapes(ts *testscript.TestScript, _ bool, args []string) {
	quoted := `"` + strings.NewReplacer(`"`, `\"`, "\n", `\n`).Replace(ts.ReadFile(args[0])) + `"`
	text, err := strconv.Unquote(quoted)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

var isID = regexp.MustCompile(`\b[A-Z2-7]{26}\b`)

// mailKey sets a variable to the first key of a mail in what was printed last.
func mailKey(ts *testscript.TestScript, _ bool, args []string) {
	found := regexp.MustCompile(isID.String() + `/\S+`).FindString(ts.ReadFile("stdout"))
	if found == "" {
		ts.Fatalf("there is no mail in the output")
	}
	ts.Setenv(args[0], found)
}

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

// newDatabase makes an empty database on a server, which is dropped after the script, and gives its address.
func newDatabase(env *testscript.Env, kind, server string) (string, error) {
	u, err := serverURL(kind, server)
	if err != nil {
		return "", err
	}
	at, err := parseAddress(u.String())
	if err != nil {
		return "", err
	}
	db, err := at.open()
	if err != nil {
		return "", err
	}
	name := "usersync_test_" + strings.ToLower(rand.Text())
	made, dropped := "CREATE SCHEMA "+name, "DROP SCHEMA "+name+" CASCADE"
	if kind == "mysql" {
		made, dropped = "CREATE DATABASE "+name+" CHARACTER SET utf8mb4", "DROP DATABASE "+name
		u.Path = "/" + name
	} else {
		query := u.Query()
		query.Set("search_path", name)
		u.RawQuery = query.Encode()
	}
	env.Defer(func() {
		_, err := db.Exec(dropped)
		if err := errors.Join(err, db.Close()); err != nil {
			env.T().Log(err)
			env.T().FailNow()
		}
	})
	_, err = db.Exec(made)
	return u.String(), err
}

// serverURL is the address as the command takes it. Of MySQL it is given as its driver has it:
// user:password@tcp(host:port)/name.
func serverURL(kind, server string) (*url.URL, error) {
	if kind != "mysql" {
		return url.Parse(server)
	}
	c, err := mysql.ParseDSN(server)
	if err != nil {
		return nil, err
	}
	return &url.URL{Scheme: "mysql", User: url.UserPassword(c.User, c.Passwd), Host: c.Addr, Path: "/" + c.DBName}, nil
}
