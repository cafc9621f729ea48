// Usersync brings users in from Excel and CSV files: an operator's command over a saved configuration.
//
//	usersync migrate                              makes the tables
//	usersync template users.xlsx                  writes a workbook to fill in
//	usersync config create staff.json             saves a configuration
//	usersync preview -config staff users.xlsx     shows what would happen, and writes nothing
//	usersync apply PLAN                           does exactly that
//	usersync undo RUN                             shows how to take it back
//
// "usersync help" lists all commands, "usersync help COMMAND" the flags of one.
//
// # Where users are
//
// -db, or the variable USERSYNC_DB, names the database: the path of a SQLite file, or an address such as
// postgres://user:password@host/name or mysql://user:password@host:3306/name. Users are in the ready-made
// table usersync_users, unless -mapping (USERSYNC_MAPPING) names a JSON file that describes the product's own
// table, and have the default fields, unless -schema (USERSYNC_SCHEMA) names a JSON file with others. -tenant
// (USERSYNC_TENANT) keeps the configurations and runs of several customers apart. -as names who does it, as
// NAME or NAME/ID, for the history; the user of that ID is never deactivated.
//
// Where fields are secret, such as passwords, USERSYNC_SECRET_KEY has the key, 32 bytes as base64, with which
// plans keep them; a file with secrets is refused without it.
//
// # Exit codes
//
//	0  done, or nothing to do
//	1  failed: a file that was refused, a run that ended early, a wrong flag
//	2  changes are pending: a preview shows something to apply
//	3  a person is needed: conflicts, the guard, seats, a plan that is stale
//
// Rows with errors do not change the code of a run: it does what can be done, says how many there are on
// standard error, and -corrections writes them to a file.
//
// No welcome mails are sent.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	_ "time/tzdata" // time zones also where the system has none

	"github.com/usersync-go/usersync"
)

func main() { os.Exit(newApp().main(os.Args[1:])) }

// newApp is one call of the command from a shell.
func newApp() *app { return &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.Getenv} }

// main gives the exit code.
func (a *app) main(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal kills
	return a.tell(a.run(ctx, args))
}

// app is one call of the command.
type app struct {
	in       io.Reader
	out, err io.Writer
	env      func(string) string
	secrets  []string // passwords, which errors do not show

	// What tests add.
	options []usersync.Option
	watch   func(context.Context, usersync.Progress)
}

// tell prints an error and gives the exit code.
func (a *app) tell(err error) int {
	code := codeOf(err)
	var held *heldError
	if err != nil && code != pending && !errors.As(err, &held) {
		fmt.Fprintln(a.err, "usersync:", a.hide(message(err)))
	}
	return code
}

// hide leaves passwords out of a text.
func (a *app) hide(text string) string {
	for _, secret := range a.secrets {
		text = strings.ReplaceAll(text, secret, "…")
	}
	return text
}
