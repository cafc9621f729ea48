package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"github.com/usersync-go/usersync"
)

// notConfirmed is where nobody has confirmed a number.
const notConfirmed = -1

// applyFlags are how a plan is to be applied.
type applyFlags struct {
	confirm   int
	skipStale bool
	stop      bool
}

func addApplyFlags(f *flag.FlagSet) *applyFlags {
	w := &applyFlags{confirm: notConfirmed}
	f.Func("confirm", "confirm that exactly `N` users become inactive, where the guard asks", func(text string) (err error) {
		w.confirm, err = number(text)
		return err
	})
	f.BoolVar(&w.skipStale, "skip-stale", false, "leave out users who changed since the preview, instead of refusing the plan")
	f.BoolVar(&w.stop, "stop-on-error", false, "end the run after the first batch in which a row fails")
	return w
}

// options are those of the flags. Nobody is named unless -as is given: a run is on behalf of its plan's actor.
func (w *applyFlags) options(p *place) []usersync.ApplyOption {
	var opts []usersync.ApplyOption
	if p.as != "" {
		opts = append(opts, usersync.By(p.actor()))
	}
	if w.confirm != notConfirmed {
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
	up, files := addUpload(f, "preview FILE with this `configuration` and apply it at once"), addReports(f)
	answers, how := addAnswers(f), addApplyFlags(f)
	return func(ctx context.Context, args []string) error {
		what, err := one(args, "plan, or with -config one file")
		if err == nil {
			err = files.check(what)
		}
		if err == nil && up.config == "" && *up != (upload{}) {
			err = errors.New("-sheet and -encoding are for a file: name the configuration with -config")
		}
		if err != nil {
			return err
		}
		decisions, err := answers.decisions(nil)
		if err != nil {
			return err
		}
		bar := a.progress(ctx)
		return p.within(ctx, func(svc *usersync.Service) error {
			plan, err := planned(ctx, svc, up, what, p.actor(), decisions)
			if err != nil {
				bar.end()
				return err
			}
			return a.carryOut(ctx, svc, plan, how.options(p), bar, files)
		}, usersync.WithProgress(bar.show))
	}
}

// planned is the plan to apply: a stored one, or that of a file, with its conflicts decided.
func planned(ctx context.Context, svc *usersync.Service, up *upload, what string, by usersync.Actor, decisions []usersync.Decision) (string, error) {
	id := what
	if up.config != "" {
		plan, err := svc.Preview(ctx, up.config, up.source(what), usersync.By(by))
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

// carryOut applies a plan and tells how that has ended.
func (a *app) carryOut(ctx context.Context, svc *usersync.Service, planID string, opts []usersync.ApplyOption, bar *progress, files *reports) error {
	if err := sendsMails(ctx, svc, planID); err != nil {
		return err
	}
	run, err := svc.Apply(ctx, planID, opts...)
	bar.end()
	if run == nil && err != nil {
		return &refusedError{planID, err}
	}
	return a.ended(run, err, files)
}

// refusedError is a plan that was not applied: it says what to do with it.
type refusedError struct {
	planID string
	err    error
}

func (e *refusedError) Unwrap() error { return e.err }

func (e *refusedError) Error() string {
	return strings.Join(append([]string{e.err.Error()}, steps(e.err, e.planID)...), "\n  ")
}

// sendsMails refuses to go on with a run that welcomes new users, which this command cannot.
func sendsMails(ctx context.Context, svc *usersync.Service, runID string) error {
	rec, err := svc.RunRecord(ctx, runID)
	switch {
	case errors.Is(err, usersync.ErrNotFound):
		return nil
	case err != nil:
		return err
	case (rec.Options.WelcomeMail || rec.Options.WelcomeText) && rec.Status != usersync.RunSucceeded:
		return fmt.Errorf("run %s sends welcome mails, which this command cannot: go on where it was begun, or without its mails: "+
			"usersync resume %s -no-mails", runID, runID)
	}
	return nil
}

// ended tells how a run has ended, and what to do if that was early.
func (a *app) ended(run *usersync.Run, err error, files *reports) error {
	if run == nil {
		return err
	}
	c := run.Counts()
	fmt.Fprintf(a.out, "Run %s %s: %d created, %d updated, %d deactivated, %d skipped\n", run.ID, run.Status(), c.Created, c.Updated,
		c.Deactivated, c.Skipped)
	if wrong := wrongOf(c); len(wrong) > 0 {
		fmt.Fprintf(a.err, "usersync: %s; to mend them: usersync report %s -corrections bad.xlsx\n", strings.Join(wrong, ", "), run.ID)
	}
	if c.Created > 0 && run.Plan().Config.WelcomeMail {
		fmt.Fprintln(a.err, "usersync: nobody was welcomed, although the configuration says so: this command sends no mails")
	}
	if err != nil {
		return fmt.Errorf("%w\n  to go on: usersync resume %s", err, run.ID)
	}
	return files.write(run.WriteResults, run.WriteCorrections)
}

func (a *app) resume(f *flag.FlagSet) func(context.Context, []string) error {
	p := a.place(f)
	files := addReports(f)
	noMails := f.Bool("no-mails", false, "go on with a run that sends welcome mails, which stay queued for the product")
	return func(ctx context.Context, args []string) error {
		id, err := one(args, "run")
		if err == nil {
			err = files.check("")
		}
		if err != nil {
			return err
		}
		bar := a.progress(ctx)
		return p.within(ctx, func(svc *usersync.Service) error {
			if !*noMails {
				if err := sendsMails(ctx, svc, id); err != nil {
					return err
				}
			}
			run, err := svc.Resume(ctx, id)
			bar.end()
			if run == nil && err != nil {
				return &refusedError{id, err}
			}
			return a.ended(run, err, files)
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
			if err == nil {
				fmt.Fprintf(a.out, "Run %s ends after the batch that is being written. To go on later: usersync resume %s\n", id, id)
			}
			return err
		})
	}
}
