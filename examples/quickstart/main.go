// Quickstart runs a saved configuration over users in a SQLite file: a first file with a conflict and some bad
// rows, the same file again, a later file that somebody is missing from, the history, and the way back.
//
//	go run ./examples/quickstart
package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	_ "time/tzdata" // time zones also where the system has none

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
	"github.com/usersync-go/usersync/adapters/sqlite"
)

//go:embed staff.xlsx staff-next.xlsx
var uploads embed.FS // as a spreadsheet program saved them

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// run keeps everything in a SQLite file that is gone afterwards.
func run(ctx context.Context, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "usersync-quickstart-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	store, err := sqlite.Open(filepath.Join(dir, "staff.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if err := store.Migrate(ctx); err != nil {
		return err
	}
	if err := addAccounts(ctx, store); err != nil {
		return err
	}
	svc, err := usersync.NewService(store.Users(), store.Stores(), usersync.WithMailer(memory.NewMailer()))
	if err != nil {
		return err
	}
	return show(ctx, out, svc)
}

// show is what an administrator would do.
func show(ctx context.Context, out io.Writer, svc *usersync.Service) error {
	cfg := usersync.DefaultConfig("Staff")
	cfg.RemovedUsers = usersync.Deactivate
	cfg.Rules = map[string]usersync.Rule{"title": {Strategy: usersync.AskAtRuntime}}
	cfg.Defaults = map[string]string{"locale": "en-GB", "timezone": "Europe/London"}
	cfg.WelcomeMail = true
	cfg, err := svc.CreateConfig(ctx, cfg)
	if err != nil {
		return err
	}

	fmt.Fprintln(out, "1. Preview staff.xlsx: no user is written.")
	plan, err := svc.Preview(ctx, cfg.ID, upload("staff.xlsx"))
	if err != nil {
		return err
	}
	showPlan(out, plan)

	fmt.Fprintln(out, "2. Decide the conflict: the file is right.")
	for c := range plan.Conflicts() {
		fmt.Fprintf(out, "   row %d: %s of %s is %q, the file says %q\n", c.Row, c.Field, c.Name, c.Current, c.Incoming)
	}
	if _, err := svc.Decide(ctx, plan.ID, usersync.Decision{Field: "title", Choice: usersync.TakeFile}); err != nil {
		return err
	}

	fmt.Fprintln(out, "3. Apply.")
	first, err := svc.Apply(ctx, plan.ID)
	if err != nil {
		return err
	}
	showRun(out, first)

	fmt.Fprintln(out, "4. The same file again: nothing changes.")
	if plan, err = svc.Preview(ctx, cfg.ID, upload("staff.xlsx")); err != nil {
		return err
	}
	showCounts(out, plan)

	fmt.Fprintln(out, "5. Preview and apply the next file: its bad rows are mended, and somebody has left.")
	if plan, err = svc.Preview(ctx, cfg.ID, upload("staff-next.xlsx")); err != nil {
		return err
	}
	showPlan(out, plan)
	second, err := svc.Apply(ctx, plan.ID)
	if err != nil {
		return err
	}
	showRun(out, second)
	return goBack(ctx, out, svc, second.ID)
}

// goBack takes a run back, and shows the history.
func goBack(ctx context.Context, out io.Writer, svc *usersync.Service, runID string) error {
	fmt.Fprintln(out, "6. That was the wrong file: take the run back.")
	plan, err := svc.Undo(ctx, runID)
	if err != nil {
		return err
	}
	showPlan(out, plan)
	back, err := svc.Apply(ctx, plan.ID)
	if err != nil {
		return err
	}
	showRun(out, back)

	fmt.Fprintln(out, "7. The history, and every row of a run in results.xlsx.")
	runs, err := svc.History(ctx, usersync.RunQuery{})
	if err != nil {
		return err
	}
	for _, r := range runs {
		what := r.File
		if r.Undoes != "" {
			what = "taken back"
		}
		fmt.Fprintf(out, "   %-15s %s: %d created, %d updated, %d deactivated\n", what, r.Status, r.Counts.Created, r.Counts.Updated, r.Counts.Deactivated)
	}
	f, err := os.Create("results.xlsx")
	if err != nil {
		return err
	}
	return errors.Join(svc.WriteResults(ctx, runID, f), f.Close())
}

// addAccounts makes the users whom the product has before the first run.
func addAccounts(ctx context.Context, store *sqlite.Store) error {
	names := []string{"userName", "email", "firstName", "lastName", "title", "department", "phone", "locale"}
	var changes []usersync.Change
	for _, values := range [][]string{
		{"ada.byron", "ada.byron@example.com", "Ada", "Byron", "Researcher", "Research", "+442055500101", "en-GB"},
		{"Ben.Ode", "ben.ode@example.com", "Ben", "Ode", "Engineer", "Sales", "", "en-GB"},
		{"farid.haddad", "farid.haddad@example.com", "Farid", "Haddad", "Driver"},
	} {
		changes = append(changes, usersync.Change{Op: usersync.OpCreate, Key: usersync.Fold(values[0]),
			Set: usersync.NewValues(names, values), Active: values[0] != "farid.haddad"})
	}
	outcomes, err := store.Users().WriteUsers(ctx, changes)
	for _, o := range outcomes {
		err = errors.Join(err, o.Err)
	}
	return err
}

func upload(name string) usersync.Source {
	data, _ := uploads.ReadFile(name)
	return usersync.Open(bytes.NewReader(data), int64(len(data)), name)
}

func showPlan(out io.Writer, plan *usersync.Plan) {
	for row := range plan.Rows() {
		number := fmt.Sprint(row.Number)
		if row.Number == 0 { // not in the file any more
			number = "-"
		}
		fmt.Fprintf(out, "   %3s %-12s %s\n", number, row.Name, row.Class)
		for _, c := range row.Changes {
			switch {
			case c.Open:
				fmt.Fprintf(out, "       %s: %q or %q? Somebody has to decide.\n", c.Field, c.Old, c.New)
			case row.Class == usersync.ClassUpdated:
				fmt.Fprintf(out, "       %s: %q becomes %q (%s)\n", c.Field, c.Old, c.New, c.By)
			}
		}
		for _, r := range row.Reasons {
			fmt.Fprintf(out, "       %s: %s\n", r.Level, r.Text())
		}
	}
	showCounts(out, plan)
}

func showCounts(out io.Writer, plan *usersync.Plan) {
	c := plan.Counts()
	fmt.Fprintf(out, "   %d new, %d updated, %d deactivated, %d skipped, %d errors\n", c.New, c.Updated, c.Deactivated, c.Skipped, c.Errors)
}

func showRun(out io.Writer, run *usersync.Run) {
	c := run.Counts()
	fmt.Fprintf(out, "   %s: %d created, %d updated, %d deactivated, %d failed, %d welcome mails\n",
		run.Status(), c.Created, c.Updated, c.Deactivated, c.Failed, c.Mails)
}
