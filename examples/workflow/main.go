// Workflow is the importer of a product with one directory of staff, on the preset of that name: a saved
// configuration with rules for conflicts, seats, a question to a person, a file that was cut short, and the history.
//
//	go run ./examples/workflow
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
	"github.com/usersync-go/usersync/adapters/seats"
	"github.com/usersync-go/usersync/adapters/sqlite"
	"github.com/usersync-go/usersync/examples/internal/show"
	"github.com/usersync-go/usersync/presets"
)

//go:embed january.xlsx february.xlsx february-cut.xlsx
var uploads embed.FS // as a spreadsheet program saved them

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// office is what the example works with.
type office struct {
	out     io.Writer
	svc     *usersync.Service
	license *seats.License
	title   func(format string, args ...any)
}

func run(ctx context.Context, out io.Writer) error {
	return show.InSQLite(ctx, func(store *sqlite.Store) error {
		count := seats.Queries{Total: "SELECT COUNT(*) FROM usersync_users WHERE active"}.On(store.DB())
		o := &office{out: out, title: show.Titles(out), license: seats.NewPools("", seats.Limits{Total: 8}, count)}
		var err error
		o.svc, err = usersync.NewService(store.Users(), store.Stores(), usersync.WithSchema(presets.Workflow().Schema),
			usersync.WithMailer(memory.NewMailer()), usersync.WithLicense(o.license))
		if err != nil {
			return err
		}
		for _, do := range []func(context.Context) error{o.january, o.february, o.cutShort, o.history} {
			if err := do(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

// january saves a configuration and runs it for the first time.
func (o *office) january(ctx context.Context) error {
	cfg := presets.Workflow().Config
	cfg.ID, cfg.Name = "staff", "Staff"
	cfg.RemovedUsers, cfg.WelcomeMail = usersync.Deactivate, true
	cfg.Defaults = map[string]string{"locale": "en-GB", "timezone": "Europe/London"}
	cfg.Rules = map[string]usersync.Rule{
		"title":   {Strategy: usersync.AskAtRuntime},
		"phone":   {Strategy: usersync.UpdateIfEmpty},
		"country": {Strategy: usersync.ForceValue, Value: "United Kingdom"},
	}
	if _, err := o.svc.CreateConfig(ctx, cfg); err != nil {
		return err
	}
	o.title("The first file needs more seats than there are")
	plan, err := o.preview(ctx, "january.xlsx")
	if err != nil {
		return err
	}
	o.title("With more seats it is applied, and who is new is welcomed")
	o.license.SetLimits(seats.Limits{Total: 20})
	return o.apply(ctx, plan)
}

// february has a conflict, a value that stays, somebody who has left and somebody new.
func (o *office) february(ctx context.Context) error {
	o.title("The next file")
	plan, err := o.preview(ctx, "february.xlsx")
	if err != nil {
		return err
	}
	o.title("A person decides for the file, from now on")
	if _, err := o.svc.Decide(ctx, plan.ID, usersync.Decision{Field: "title", Choice: usersync.TakeFile, Remember: true}); err != nil {
		return err
	}
	return o.apply(ctx, plan)
}

// cutShort is a file that lost its end: nobody is deactivated because of it.
func (o *office) cutShort(ctx context.Context) error {
	o.title("A file that was cut short")
	plan, err := o.preview(ctx, "february-cut.xlsx")
	if err != nil {
		return err
	}
	if _, err := o.svc.Apply(ctx, plan.ID); !errors.Is(err, usersync.ErrGuard) {
		return fmt.Errorf("the guard let it pass: %w", err)
	}
	o.title("Paused")
	if _, err := o.svc.PauseConfig(ctx, "staff"); err != nil {
		return err
	}
	_, err = o.svc.Preview(ctx, "staff", upload("february.xlsx"))
	fmt.Fprintf(o.out, "   %v\n", err)
	return nil
}

func (o *office) history(ctx context.Context) error {
	o.title("The history")
	runs, err := o.svc.History(ctx, usersync.RunQuery{ConfigID: "staff"})
	for _, r := range runs {
		fmt.Fprintf(o.out, "   %s: %s, %d created, %d updated, %d deactivated\n", r.File, r.Status, r.Counts.Created, r.Counts.Updated, r.Counts.Deactivated)
	}
	return err
}

func (o *office) preview(ctx context.Context, name string) (*usersync.Plan, error) {
	plan, err := o.svc.Preview(ctx, "staff", upload(name))
	if err == nil {
		show.Plan(o.out, plan)
	}
	return plan, err
}

func (o *office) apply(ctx context.Context, plan *usersync.Plan) error {
	run, err := o.svc.Apply(ctx, plan.ID)
	if err == nil {
		show.Run(o.out, run)
	}
	return err
}

func upload(name string) usersync.Source {
	data, _ := uploads.ReadFile(name)
	return usersync.Open(bytes.NewReader(data), int64(len(data)), name)
}
