package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/usersync-go/usersync"
)

func (a *app) history(f *flag.FlagSet) func(context.Context, []string) error {
	p := a.place(f)
	config := f.String("config", "", "only runs of this `configuration`")
	limit := f.Int("limit", 50, "how many at most")
	return func(ctx context.Context, args []string) error {
		if err := none(args); err != nil {
			return err
		}
		return p.within(ctx, func(svc *usersync.Service) error {
			runs, err := svc.History(ctx, usersync.RunQuery{ConfigID: *config, Limit: *limit})
			if err != nil {
				return err
			}
			rows := [][]string{{"RUN", "STARTED", "CONFIG", "BY", "FILE", "STATUS", "CREATED", "UPDATED", "DEACTIVATED", "FAILED", "ERRORS"}}
			for _, r := range runs {
				rows = append(rows, historyRow(&r))
			}
			lines(a.out, rows)
			return nil
		})
	}
}

func historyRow(r *usersync.RunRecord) []string {
	file := r.File
	if r.Undoes != "" {
		file = "undo of " + r.Undoes
	}
	row := []string{r.ID, r.Started.UTC().Format(time.DateTime), r.ConfigID, r.Actor.Name, file, string(r.Status)}
	for _, n := range []int{r.Counts.Created, r.Counts.Updated, r.Counts.Deactivated, r.Counts.Failed, r.Counts.Errors} {
		row = append(row, fmt.Sprint(n))
	}
	return row
}

func (a *app) show(f *flag.FlagSet) func(context.Context, []string) error {
	p := a.place(f)
	class := f.String("class", "", "only new, updated, deactivated, skipped or error; several with commas")
	state := f.String("state", "", "only done, failed, uncertain, pending or nothing; several with commas")
	q := usersync.RowQuery{}
	f.BoolVar(&q.Warnings, "warnings", false, "only rows with a warning")
	f.BoolVar(&q.Conflicts, "conflicts", false, "only rows that wait for a decision")
	f.StringVar(&q.Text, "text", "", "only rows whose name or id contains this")
	f.IntVar(&q.From, "from", 0, "where to go on, as the page before says")
	f.IntVar(&q.Limit, "limit", 100, "how many rows at most, 1 to 1000")
	return func(ctx context.Context, args []string) error {
		id, err := one(args, "plan or run")
		if err != nil {
			return err
		}
		for _, c := range words(*class) {
			q.Classes = append(q.Classes, usersync.Class(c))
		}
		for _, s := range words(*state) {
			q.States = append(q.States, usersync.State(s))
		}
		return p.within(ctx, func(svc *usersync.Service) error {
			page, err := svc.Rows(ctx, id, q)
			if err != nil {
				return err
			}
			for i := range page.Rows {
				fmt.Fprintf(a.out, "%s", strings.ToUpper(string(page.Rows[i].Class)))
				a.showRow(&page.Rows[i])
			}
			if page.Next > 0 {
				fmt.Fprintf(a.out, "There are more: -from %d\n", page.Next)
			}
			return nil
		})
	}
}

// words splits a list with commas.
func words(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

func (a *app) report(f *flag.FlagSet) func(context.Context, []string) error {
	p := a.place(f)
	out := f.String("out", "", "write a workbook of all rows to a `file`")
	corrections := f.String("corrections", "", "write the bad rows to a `file`, .xlsx or .csv, to mend and upload")
	return func(ctx context.Context, args []string) error {
		id, err := one(args, "plan or run")
		if err != nil {
			return err
		}
		if *out == "" && *corrections == "" {
			return errors.New("name a file: -out or -corrections")
		}
		return p.within(ctx, func(svc *usersync.Service) error {
			all := func(w io.Writer) error { return svc.WriteResults(ctx, id, w) }
			if _, err := svc.RunRecord(ctx, id); errors.Is(err, usersync.ErrNotFound) {
				all = func(w io.Writer) error { return svc.WritePreview(ctx, id, w) }
			}
			return writeFiles(*out, *corrections, all, func(w io.Writer, format usersync.Format) error {
				return svc.WriteCorrections(ctx, id, w, format)
			})
		})
	}
}

func (a *app) undo(f *flag.FlagSet) func(context.Context, []string) error {
	p := a.place(f)
	how := addApplyFlags(f)
	apply := f.Bool("apply", false, "apply the plan at once")
	return func(ctx context.Context, args []string) error {
		id, err := one(args, "run")
		if err != nil {
			return err
		}
		bar := a.progress()
		return p.within(ctx, func(svc *usersync.Service) error {
			plan, err := svc.Undo(ctx, id, usersync.By(p.actor()))
			if err != nil {
				return err
			}
			if !*apply {
				return a.showPlan(plan)
			}
			run, err := svc.Apply(ctx, plan.ID, how.options(p.actor())...)
			bar.end()
			return a.ended(run, err, "")
		}, usersync.WithProgress(bar.show))
	}
}

func (a *app) prune(f *flag.FlagSet) func(context.Context, []string) error {
	p := a.place(f)
	older := f.Int("older", 0, "how many `days` a run must have ended ago")
	return func(ctx context.Context, args []string) error {
		if err := none(args); err != nil {
			return err
		}
		if *older < 1 {
			return errors.New("say how old: -older DAYS")
		}
		return p.within(ctx, func(svc *usersync.Service) error {
			removed, err := svc.Prune(ctx, time.Now().AddDate(0, 0, -*older))
			if err == nil {
				fmt.Fprintf(a.out, "%d runs and %d plans were removed.\n", removed.Runs, removed.Plans)
			}
			return err
		})
	}
}
