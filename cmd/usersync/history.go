package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/usersync-go/usersync"
)

func (a *app) history(f *flag.FlagSet) func(context.Context, []string) error {
	p := a.place(f)
	q := usersync.RunQuery{}
	f.StringVar(&q.ConfigID, "config", "", "only runs of this `configuration`")
	status := f.String("status", "", "only runs that are one of `these`: running, succeeded, failed, cancelled, interrupted")
	window := addWindow(f, &q.Limit, &q.Skip, 50, "newest")
	asJSON := f.Bool("json", false, "print them as JSON")
	return func(ctx context.Context, args []string) error {
		if err := none(args); err != nil {
			return err
		}
		if err := window(); err != nil {
			return err
		}
		var err error
		if q.Status, err = among(*status, usersync.RunRunning, usersync.RunSucceeded, usersync.RunFailed, usersync.RunCancelled,
			usersync.RunInterrupted); err != nil {
			return fmt.Errorf("-status: %w", err)
		}
		return p.within(ctx, func(svc *usersync.Service) error {
			runs, err := svc.History(ctx, q)
			if err != nil {
				return err
			}
			if *asJSON {
				return a.writeJSON(runs)
			}
			a.printHistory(runs)
			return nil
		})
	}
}

func (a *app) printHistory(runs []usersync.RunRecord) {
	rows := [][]string{{"RUN", "STARTED (UTC)", "CONFIG", "BY", "FILE", "STATUS", "CREATED", "UPDATED", "DEACTIVATED", "FAILED", "ERRORS"}}
	for i := range runs {
		rows = append(rows, historyRow(&runs[i]))
	}
	(&printer{w: a.out}).table("", rows) // not broken into lines: a run is one
}

func historyRow(r *usersync.RunRecord) []string {
	row := []string{r.ID, r.Started.UTC().Format(time.DateTime), r.ConfigID, r.Actor.Name, fileOf(r.File, r.Undoes), string(r.Status)}
	for _, n := range []int{r.Counts.Created, r.Counts.Updated, r.Counts.Deactivated, r.Counts.Failed, r.Counts.Errors} {
		row = append(row, fmt.Sprint(n))
	}
	return row
}

// fileOf is what a plan or run is of.
func fileOf(file, undoes string) string {
	if undoes != "" {
		return "undo of " + undoes
	}
	return file
}

// writeJSON prints a value as JSON that people can read too.
func (a *app) writeJSON(value any) error {
	enc := json.NewEncoder(a.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(value)
}

// among reads a list with commas of words that are known.
func among[T ~string](list string, known ...T) ([]T, error) {
	var out []T
	for _, word := range words(list) {
		if !slices.Contains(known, T(word)) {
			return nil, fmt.Errorf("%q is none of %v", word, known)
		}
		out = append(out, T(word))
	}
	return out, nil
}

func (a *app) show(f *flag.FlagSet) func(context.Context, []string) error {
	p := a.place(f)
	q := usersync.RowQuery{}
	class := f.String("class", "", "only rows of `these` classes: new, updated, deactivated, skipped, error")
	state := f.String("state", "", "only rows of a run in `these` states: done, failed, uncertain, pending, nothing")
	f.BoolVar(&q.Warnings, "warnings", false, "only rows with a warning")
	f.BoolVar(&q.Conflicts, "conflicts", false, "only rows that wait for a decision")
	f.StringVar(&q.Text, "text", "", "only rows whose user's name contains this `text`, or whose id is it")
	f.IntVar(&q.From, "from", 0, "`where` to go on, as the page before says")
	f.IntVar(&q.Limit, "limit", 100, "how `many` rows at most, 1 to 1000")
	asJSON := f.Bool("json", false, "print the page as JSON")
	return func(ctx context.Context, args []string) error {
		id, err := one(args, "plan or run")
		if err != nil {
			return err
		}
		if q.Classes, err = among(*class, usersync.Classes()...); err != nil {
			return fmt.Errorf("-class: %w", err)
		}
		if q.States, err = among(*state, usersync.StateDone, usersync.StateFailed, usersync.StateUncertain, usersync.StatePending,
			usersync.StateNothing); err != nil {
			return fmt.Errorf("-state: %w", err)
		}
		return p.within(ctx, func(svc *usersync.Service) error {
			page, err := svc.Rows(ctx, id, q)
			if err != nil {
				return err
			}
			if *asJSON {
				return a.writeJSON(page)
			}
			return a.showPage(ctx, svc, id, page)
		})
	}
}

// showPage prints what a plan or run is, and some of its rows.
func (a *app) showPage(ctx context.Context, svc *usersync.Service, id string, page usersync.RowPage) error {
	title, err := titleByID(ctx, svc, id)
	if err != nil {
		return err
	}
	fmt.Fprintln(a.out, cleanLines(title))
	if len(page.Rows) > 0 {
		fmt.Fprintln(a.out)
		a.printer().table("", rowTable(page.Rows, true))
	}
	if page.Next > 0 {
		fmt.Fprintf(a.out, "There are more: -from %d\n", page.Next)
	}
	return nil
}

// titleByID says what a plan or run is and how it stands.
func titleByID(ctx context.Context, svc *usersync.Service, id string) (string, error) {
	run, err := svc.RunRecord(ctx, id)
	if errors.Is(err, usersync.ErrNotFound) {
		plan, err := svc.PlanRecord(ctx, id)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("Plan %s: %s, with configuration %s%s, on %s UTC\n%s", id, fileOf(plan.File, plan.Undoes), plan.ConfigID,
			byWhom(plan.Actor), plan.Created.UTC().Format(time.DateTime), countsOf(plan.Counts)), nil
	}
	if err != nil {
		return "", err
	}
	title := fmt.Sprintf("Run %s: %s, with configuration %s%s, on %s UTC\n%s", id, fileOf(run.File, run.Undoes), run.ConfigID,
		byWhom(run.Actor), run.Started.UTC().Format(time.DateTime), run.Status)
	if run.Finished.IsZero() {
		done, total, err := svc.Progress(ctx, id)
		return fmt.Sprintf("%s: %d of %d", title, done, total), err
	}
	if run.Error != "" {
		title += ": " + strings.ReplaceAll(run.Error, "usersync: ", "")
	}
	return title + "\n" + doneOf(run.Counts), nil
}

func byWhom(actor usersync.Actor) string {
	if actor.Name == "" {
		return ""
	}
	return " by " + actor.Name
}

// words splits a list with commas.
func words(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

func (a *app) report(f *flag.FlagSet) func(context.Context, []string) error {
	p := a.place(f)
	files := addReports(f)
	return func(ctx context.Context, args []string) error {
		id, err := one(args, "plan or run")
		if err == nil {
			err = files.check("")
		}
		if err != nil {
			return err
		}
		if *files == (reports{}) {
			return errors.New("name a file: -out or -corrections")
		}
		return p.within(ctx, func(svc *usersync.Service) error {
			all := func(w io.Writer) error { return svc.WriteResults(ctx, id, w) }
			if _, err := svc.RunRecord(ctx, id); errors.Is(err, usersync.ErrNotFound) {
				all = func(w io.Writer) error { return svc.WritePreview(ctx, id, w) }
			}
			return files.write(all, func(w io.Writer, format usersync.Format) error {
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
		if err == nil && !*apply && *how != (applyFlags{confirm: notConfirmed}) {
			err = errors.New("-confirm, -skip-stale and -stop-on-error are for -apply")
		}
		if err != nil {
			return err
		}
		bar := a.progress(ctx)
		return p.within(ctx, func(svc *usersync.Service) error {
			plan, err := svc.Undo(ctx, id, usersync.By(p.actor()))
			bar.end()
			if err != nil {
				return err
			}
			if !*apply {
				return a.previewed(plan, false)
			}
			return a.carryOut(ctx, svc, plan.ID, how.options(p), bar, &reports{})
		}, usersync.WithProgress(bar.show))
	}
}

func (a *app) prune(f *flag.FlagSet) func(context.Context, []string) error {
	p := a.place(f)
	older := f.String("older", "", "how long `ago` a run must have ended, such as 90d, 12w or 36h")
	return func(ctx context.Context, args []string) error {
		if err := none(args); err != nil {
			return err
		}
		age, err := parseAge(*older)
		if err != nil {
			return err
		}
		return p.within(ctx, func(svc *usersync.Service) error {
			removed, err := svc.Prune(ctx, time.Now().Add(-age))
			if err == nil {
				fmt.Fprintf(a.out, "%s, %s and %s were removed.\n", count(removed.Runs, "run"), count(removed.Plans, "plan"),
					count(removed.Imports, "import"))
			}
			return err
		})
	}
}

// parseAge reads an age such as 90d.
func parseAge(text string) (time.Duration, error) {
	units := map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour, "h": time.Hour}
	if text != "" {
		number, unit := text[:len(text)-1], units[text[len(text)-1:]]
		n, err := strconv.ParseUint(number, 10, 16)
		if err == nil && n > 0 && unit > 0 {
			return time.Duration(n) * unit, nil
		}
	}
	return 0, errors.New("say how old: -older with a number of days, weeks or hours, such as 90d, 12w or 36h")
}
