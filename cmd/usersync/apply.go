package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/usersync-go/usersync"
)

// applyFlags are how a plan is to be applied.
type applyFlags struct {
	confirm   int
	skipStale bool
	stop      bool
}

func addApplyFlags(f *flag.FlagSet) *applyFlags {
	w := &applyFlags{}
	f.IntVar(&w.confirm, "confirm", -1, "confirm that exactly `N` users become inactive, where the guard asks")
	f.BoolVar(&w.skipStale, "skip-stale", false, "leave out users who changed since the preview, instead of refusing the plan")
	f.BoolVar(&w.stop, "stop-on-error", false, "end the run after the first batch in which a row fails")
	return w
}

func (w *applyFlags) options(by usersync.Actor) []usersync.ApplyOption {
	opts := []usersync.ApplyOption{usersync.By(by)}
	if w.confirm >= 0 {
		opts = append(opts, usersync.ConfirmDeactivations(w.confirm))
	}
	if w.skipStale {
		opts = append(opts, usersync.SkipStale())
	}
	if w.stop {
		opts = append(opts, usersync.StopOnError())
	}
	return opts
}

func (a *app) apply(f *flag.FlagSet) func(context.Context, []string) error {
	p := a.place(f)
	answers, how := addAnswers(f), addApplyFlags(f)
	config := f.String("config", "", "preview FILE with this `configuration` and apply it at once")
	corrections := f.String("corrections", "", "write the rows that failed to a `file`, .xlsx or .csv")
	return func(ctx context.Context, args []string) error {
		what, err := one(args, "plan, or with -config one file")
		if err != nil {
			return err
		}
		decisions, err := answers.decisions(nil)
		if err != nil {
			return err
		}
		bar := a.progress()
		return p.within(ctx, func(svc *usersync.Service) error {
			plan, err := planned(ctx, svc, *config, what, p.actor(), decisions)
			if err != nil {
				return err
			}
			run, err := svc.Apply(ctx, plan, how.options(p.actor())...)
			bar.end()
			return a.ended(run, err, *corrections)
		}, usersync.WithProgress(bar.show))
	}
}

// planned is the plan to apply: a stored one, or that of a file, with its conflicts decided.
func planned(ctx context.Context, svc *usersync.Service, config, what string, by usersync.Actor, decisions []usersync.Decision) (string, error) {
	id := what
	if config != "" {
		plan, err := svc.Preview(ctx, config, usersync.File(what), usersync.By(by))
		if err != nil {
			return "", err
		}
		id = plan.ID
	}
	if len(decisions) == 0 {
		return id, nil
	}
	_, err := svc.Decide(ctx, id, decisions...)
	return id, err
}

// ended tells how a run has ended, and what to do if that was early.
func (a *app) ended(run *usersync.Run, err error, corrections string) error {
	if run == nil {
		return err
	}
	c := run.Counts()
	fmt.Fprintf(a.out, "Run %s %s: %d created, %d updated, %d deactivated, %d skipped\n", run.ID, run.Status(), c.Created, c.Updated,
		c.Deactivated, c.Skipped)
	if c.Errors+c.Failed+c.Uncertain > 0 {
		fmt.Fprintf(a.err, "usersync: %d rows with errors, %d that failed, %d of which it is not known: usersync report %s -corrections bad.xlsx\n",
			c.Errors, c.Failed, c.Uncertain, run.ID)
	}
	if err != nil {
		fmt.Fprintf(a.err, "usersync: to go on, run: usersync resume %s\n", run.ID)
		return err
	}
	return writeFiles("", corrections, nil, run.WriteCorrections)
}

func (a *app) resume(f *flag.FlagSet) func(context.Context, []string) error {
	p := a.place(f)
	return func(ctx context.Context, args []string) error {
		id, err := one(args, "run")
		if err != nil {
			return err
		}
		bar := a.progress()
		return p.within(ctx, func(svc *usersync.Service) error {
			run, err := svc.Resume(ctx, id)
			bar.end()
			return a.ended(run, err, "")
		}, usersync.WithProgress(bar.show))
	}
}

func (a *app) cancel(f *flag.FlagSet) func(context.Context, []string) error {
	p := a.place(f)
	return func(ctx context.Context, args []string) error {
		id, err := one(args, "run")
		if err != nil {
			return err
		}
		return p.within(ctx, func(svc *usersync.Service) error {
			err := svc.Cancel(ctx, id)
			if errors.Is(err, usersync.ErrNotFound) {
				return fmt.Errorf("run %s is not under way", id)
			}
			return err
		})
	}
}

// progress is what shows how far a run is: a bar on a terminal, otherwise nothing.
type progress struct {
	out   io.Writer // nil where nothing is to be shown
	stage usersync.Stage
}

func (a *app) progress() *progress {
	f, isFile := a.err.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return &progress{}
	}
	return &progress{out: a.err}
}

// barWidth is how many characters the bar has.
const barWidth = 30

func (p *progress) show(pr usersync.Progress) {
	if p.out == nil {
		return
	}
	if p.stage != pr.Stage {
		p.end()
		p.stage = pr.Stage
	}
	full := 0
	if pr.Total > 0 {
		full = barWidth * pr.Done / pr.Total
	}
	fmt.Fprintf(p.out, "\r%-10s [%s%s] %d/%d", pr.Stage, strings.Repeat("#", full), strings.Repeat(" ", barWidth-full), pr.Done, max(pr.Total, pr.Done))
}

// end goes on to the next line.
func (p *progress) end() {
	if p.out != nil && p.stage != "" {
		fmt.Fprintln(p.out)
		p.stage = ""
	}
}
