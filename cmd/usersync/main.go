// Usersync brings users in from Excel and CSV files: an operator's command over saved configurations.
//
//	usersync migrate                              makes the tables
//	usersync template users.xlsx                  writes a workbook to fill in
//	usersync config create staff.json             saves a configuration
//	usersync preview -config staff users.xlsx     shows what would happen, and writes nothing
//	usersync decide PLAN title=file               answers the questions that are open
//	usersync apply PLAN                           does exactly that
//	usersync history                              lists what was done
//	usersync show RUN -state failed               lists rows of a plan or run
//	usersync report RUN -corrections bad.xlsx     writes the bad rows, to mend and upload
//	usersync undo RUN                             shows how to take it back
//
// "usersync help" lists all commands, "usersync help COMMAND" the flags of one. Flags come after the command. A
// run has the id of its plan.
//
// # Where users are
//
// -db, or the variable USERSYNC_DB, names the database: the path of a SQLite file, or an address such as
// postgres://user:password@host/name or mysql://user:password@host:3306/name; what comes after a ? in it, such as
// sslmode or tls, is for the driver. Other people on the machine can read flags, so that an address with a
// password belongs into the variable. Only migrate makes a SQLite file and tables, or prints with -sql what makes
// them.
//
// Users are in the ready-made table usersync_users, unless -mapping (USERSYNC_MAPPING) names a JSON file that
// describes the product's own table (type Mapping of adapters/sqlstore), and have the default fields, unless
// -schema (USERSYNC_SCHEMA) names a JSON file with others (type Schema of the library). -tenant (USERSYNC_TENANT)
// keeps the configurations and runs of several customers apart; their users are only where the mapping has a
// scope. -as names who does it, as NAME or NAME/ID, for the history; the user of that ID is never deactivated.
//
// Where fields are secret, such as passwords, USERSYNC_SECRET_KEY has the key, 32 bytes as base64, with which
// plans keep them; a file with secrets is refused without it.
//
// # As a job
//
// "usersync apply -config CONFIG FILE" previews a file and applies it in one go. It refuses what apply refuses: a
// plan with open questions, one that the guard holds back, a paused configuration. The plan is kept then, and the
// error says how a person goes on with it. -decide and -decisions bring answers, -corrections writes the bad rows.
//
// Rows with errors do not change the exit code of a run: it does what can be done, and says on standard error how
// many there are.
//
// # Runs that end early
//
// Ctrl-C, or SIGTERM, ends a run after the batch that is being written; a second one ends the process at once.
// Whatever has ended a run, resume goes on with it, where it ended; half a minute later if its process was killed.
//
// # In the background
//
// "usersync imports start" keeps a file in the database and returns; "usersync work", here or elsewhere, imports what is
// kept until it is interrupted, with -once what is there. An import that needs a person waits: "imports show" says
// what for, and "imports continue", "imports replace" and "imports cancel" answer.
//
// # Exit codes
//
//	0  done, or nothing to do
//	1  failed: a file that was refused, a paused configuration, a run that ended early, a wrong flag
//	2  changes are pending: a preview shows something to apply
//	3  a person is needed: open questions, the guard, seats, a plan that is stale, another run under way
//
// # Mails
//
// No mails are sent, whatever a configuration says. A run of a product that sends them is not gone on with,
// unless with "resume -no-mails". "mails list" shows how the mails of such a product stand; what "mails retry" queues
// again the product sends.
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
