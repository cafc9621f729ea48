// Quickstart runs a sync configuration over users in memory: a first file with a conflict and some bad
// rows, the same file again, and a later file that somebody is missing from.
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
	_ "time/tzdata" // time zones also where the system has none

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

//go:embed staff.xlsx staff-next.xlsx
var uploads embed.FS // as a spreadsheet program saved them

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	store := memory.New(memory.WithUsers(accounts()...))
	eng, err := usersync.New(store, store.Baselines(), usersync.WithMailer(memory.NewMailer()))
	if err != nil {
		return err
	}
	cfg := usersync.DefaultConfig("Staff")
	cfg.RemovedUsers = usersync.Deactivate
	cfg.Rules = map[string]usersync.Rule{"title": {Strategy: usersync.AskAtRuntime}}
	cfg.Defaults = map[string]string{"locale": "en-GB", "timezone": "Europe/London"}
	cfg.WelcomeMail = true

	fmt.Fprintln(out, "1. Preview staff.xlsx: nothing is written.")
	plan, err := eng.Preview(ctx, cfg, upload("staff.xlsx"))
	if err != nil {
		return err
	}
	show(out, plan)

	fmt.Fprintln(out, "2. Decide the conflict: the file is right.")
	for c := range plan.Conflicts() {
		fmt.Fprintf(out, "   row %d: %s of %s is %q, the file says %q\n", c.Row, c.Field, c.Name, c.Current, c.Incoming)
	}
	if err := plan.Resolve(usersync.Decision{Field: "title", Choice: usersync.TakeFile}); err != nil {
		return err
	}

	fmt.Fprintln(out, "3. Apply.")
	first, err := eng.Apply(ctx, plan)
	if err != nil {
		return err
	}
	showRun(out, first)

	fmt.Fprintln(out, "4. The same file again: nothing changes.")
	if plan, err = eng.Preview(ctx, cfg, upload("staff.xlsx")); err != nil {
		return err
	}
	showCounts(out, plan)

	fmt.Fprintln(out, "5. Preview and apply the next file: its bad rows are mended, and somebody has left.")
	if plan, err = eng.Preview(ctx, cfg, upload("staff-next.xlsx")); err != nil {
		return err
	}
	show(out, plan)
	second, err := eng.Apply(ctx, plan)
	if err != nil {
		return err
	}
	showRun(out, second)

	fmt.Fprintln(out, "6. Every row of that run is in results.xlsx.")
	f, err := os.Create("results.xlsx")
	if err != nil {
		return err
	}
	return errors.Join(second.WriteResults(f), f.Close())
}

// accounts are the users whom the product has before the first run.
func accounts() []usersync.User {
	names := []string{"userName", "email", "firstName", "lastName", "title", "department", "phone", "locale"}
	ada := usersync.NewValues(names, []string{"ada.byron", "ada.byron@example.com", "Ada", "Byron", "Researcher", "Research", "+442055500101", "en-GB"})
	ben := usersync.NewValues(names, []string{"Ben.Ode", "ben.ode@example.com", "Ben", "Ode", "Engineer", "Sales", "", "en-GB"})
	farid := usersync.NewValues(names, []string{"farid.haddad", "farid.haddad@example.com", "Farid", "Haddad", "Driver"})
	return []usersync.User{{Active: true, Values: ada}, {Active: true, Values: ben}, {Active: false, Values: farid}}
}

func upload(name string) usersync.Source {
	data, _ := uploads.ReadFile(name)
	return usersync.Open(bytes.NewReader(data), int64(len(data)), name)
}

func show(out io.Writer, plan *usersync.Plan) {
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
