package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/usersync-go/usersync"
)

func (a *app) importsList(f *flag.FlagSet) func(context.Context, []string) error {
	p := a.place(f)
	q := usersync.ImportQuery{}
	f.StringVar(&q.ConfigID, "config", "", "only imports of this `configuration`")
	status := f.String("status", "", "only imports that are one of `these`: queued, checking, intervention, applying, done, failed, cancelled")
	window := addWindow(f, &q.Limit, &q.Skip, 50, "newest")
	asJSON := f.Bool("json", false, "print them as JSON")
	return func(ctx context.Context, args []string) error {
		if err := errors.Join(none(args), window()); err != nil {
			return err
		}
		var err error
		if q.Status, err = among(*status, usersync.ImportQueued, usersync.ImportChecking, usersync.ImportIntervention,
			usersync.ImportApplying, usersync.ImportDone, usersync.ImportFailed, usersync.ImportCancelled); err != nil {
			return fmt.Errorf("-status: %w", err)
		}
		return p.within(ctx, func(svc *usersync.Service) error {
			all, err := svc.Imports(ctx, q)
			switch {
			case err != nil:
				return err
			case *asJSON:
				return a.writeJSON(all)
			}
			a.printImports(all)
			return nil
		})
	}
}

func (a *app) printImports(all []usersync.Import) {
	rows := [][]string{{"IMPORT", "STARTED (UTC)", "CONFIG", "BY", "FILE", "STATUS", "CREATED", "UPDATED", "DEACTIVATED", "FAILED", "ERRORS", "COMMENT"}}
	for i := range all {
		imp := &all[i]
		row := []string{imp.ID, imp.Created.UTC().Format(time.DateTime), imp.ConfigID, imp.Actor.Name, imp.File.Name, standing(imp)}
		for _, n := range []int{imp.Run.Created, imp.Run.Updated, imp.Run.Deactivated, imp.Run.Failed, imp.Run.Errors} {
			row = append(row, fmt.Sprint(n))
		}
		rows = append(rows, append(row, imp.Comment))
	}
	(&printer{w: a.out}).table("", rows)
}

// standing is the status of an import, with the reason.
func standing(imp *usersync.Import) string {
	text := string(imp.Status)
	if imp.Code != "" {
		text += " (" + imp.Code + ")"
	}
	if imp.Cancelling {
		text += ", cancelling"
	}
	return text
}

func (a *app) importsStart(f *flag.FlagSet) func(context.Context, []string) error {
	p := a.place(f)
	up, how := addUpload(f, "the `configuration`"), addApplyFlags(f)
	comment := f.String("comment", "", "`text` to show in the list")
	var o usersync.ImportOptions
	f.BoolVar(&o.SkipBadRows, "skip-bad-rows", false, "go on without the rows that have errors, and ask nobody")
	f.BoolVar(&o.Review, "review", false, "stop after the check, so that somebody looks at the plan")
	return func(ctx context.Context, args []string) error {
		path, err := one(args, "file to import")
		if err != nil {
			return err
		}
		if up.config == "" || how.stop {
			return errors.New("name the configuration: -config; -stop-on-error is not for imports")
		}
		o.SkipStale = how.skipStale
		o.Confirmed = how.confirmed()
		return p.within(ctx, func(svc *usersync.Service) error {
			imp, err := svc.Start(ctx, up.config, up.source(path), usersync.By(p.actor()), usersync.WithComment(*comment),
				usersync.WithImportOptions(o))
			if err != nil {
				return err
			}
			return a.printImport(&imp)
		})
	}
}

// confirmed is the number of the flag, nil for none.
func (w *applyFlags) confirmed() *int {
	if w.confirm == notConfirmed {
		return nil
	}
	return &w.confirm
}

// printImport says how an import stands, and what to do.
func (a *app) printImport(imp *usersync.Import) error {
	fmt.Fprintf(a.out, "Import %s: %s\n", imp.ID, standing(imp))
	if imp.Problem != "" {
		fmt.Fprintf(a.out, "  %s\n", strings.ReplaceAll(cleanLines(imp.Problem), "\n", "\n  "))
	}
	switch imp.Status {
	case usersync.ImportIntervention:
		fmt.Fprintf(a.out, "To go on, run: usersync imports continue %[1]s; or replace %[1]s FILE; or cancel %[1]s\n", imp.ID)
	case usersync.ImportFailed:
		fmt.Fprintf(a.out, "To try again, run: usersync imports continue %[1]s; or delete %[1]s\n", imp.ID)
	}
	return nil
}

func (a *app) importsShow(f *flag.FlagSet) func(context.Context, []string) error {
	p := a.place(f)
	asJSON := f.Bool("json", false, "print it as JSON")
	return func(ctx context.Context, args []string) error {
		id, err := one(args, "import")
		if err != nil {
			return err
		}
		return p.within(ctx, func(svc *usersync.Service) error {
			imp, err := svc.Import(ctx, id)
			switch {
			case err != nil:
				return err
			case *asJSON:
				return a.writeJSON(imp)
			}
			return a.showImport(ctx, svc, &imp)
		})
	}
}

// showImport prints an import with the errors of its file.
func (a *app) showImport(ctx context.Context, svc *usersync.Service, imp *usersync.Import) error {
	now, err := svc.ImportProgress(ctx, imp.ID)
	if err != nil {
		return err
	}
	if err := a.printImport(imp); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "  of %s, with configuration %s, by %s\n", imp.File.Name, imp.ConfigID, imp.Actor.Name)
	if imp.Comment != "" {
		fmt.Fprintf(a.out, "  %s\n", clean(imp.Comment))
	}
	if imp.PlanID == "" {
		return nil
	}
	fmt.Fprintf(a.out, "  plan %s: %d of %d changes made, %d rows with errors\n", imp.PlanID, now.Done, now.Total, imp.Plan.Errors)
	err = svc.WriteErrors(ctx, imp.PlanID, a.out)
	if errors.Is(err, usersync.ErrNotFound) { // the plan or run is not kept any more
		return nil
	}
	return err
}

func (a *app) importsContinue(f *flag.FlagSet) func(context.Context, []string) error {
	p, how := a.place(f), addApplyFlags(f)
	seen := f.String("plan", "", "the `plan` that was looked at: refused where the import has another by now")
	return func(ctx context.Context, args []string) error {
		id, err := one(args, "import")
		if err != nil {
			return err
		}
		if how.stop {
			return errors.New("-stop-on-error is not for imports")
		}
		choices := usersync.ImportChoices{Confirmed: how.confirmed(), SkipStale: how.skipStale}
		if p.as != "" {
			choices.By = p.actor()
		}
		return p.within(ctx, func(svc *usersync.Service) error {
			imp, err := svc.Import(ctx, id)
			if err != nil {
				return err
			}
			if *seen != "" && *seen != imp.PlanID {
				return fmt.Errorf("%w: the plan of the import is another by now: look at it with usersync imports show", usersync.ErrEdited)
			}
			if imp, err = svc.ContinueImport(ctx, id, imp.Edition, choices); err != nil {
				return err
			}
			return a.printImport(&imp)
		})
	}
}

func (a *app) importsReplace(f *flag.FlagSet) func(context.Context, []string) error {
	p, up := a.place(f), &upload{}
	f.StringVar(&up.sheet, "sheet", "", "`name` of the sheet to read, otherwise the first one that is visible")
	f.StringVar(&up.encoding, "encoding", "", "`encoding` of a CSV file that is not UTF-8, such as windows-1252")
	return func(ctx context.Context, args []string) error {
		if len(args) != 2 {
			return errors.New("name one import and one file")
		}
		return p.within(ctx, func(svc *usersync.Service) error {
			imp, err := svc.ReplaceFile(ctx, args[0], up.source(args[1]))
			if err != nil {
				return err
			}
			return a.printImport(&imp)
		})
	}
}

func (a *app) importsCancel(f *flag.FlagSet) func(context.Context, []string) error {
	p := a.place(f)
	return func(ctx context.Context, args []string) error {
		id, err := one(args, "import")
		if err != nil {
			return err
		}
		return p.within(ctx, func(svc *usersync.Service) error {
			imp, err := svc.CancelImport(ctx, id)
			if err != nil {
				return err
			}
			return a.printImport(&imp)
		})
	}
}

func (a *app) importsDelete(f *flag.FlagSet) func(context.Context, []string) error {
	p := a.place(f)
	return func(ctx context.Context, args []string) error {
		if len(args) == 0 {
			return errors.New("name the imports: usersync imports list shows them")
		}
		return p.within(ctx, func(svc *usersync.Service) error {
			for _, id := range args {
				if err := svc.DeleteImport(ctx, id); err != nil {
					return err
				}
				fmt.Fprintf(a.out, "Import %s is deleted\n", id)
			}
			return nil
		})
	}
}

// work is the dispatcher.
func (a *app) work(f *flag.FlagSet) func(context.Context, []string) error {
	p := a.place(f)
	var o usersync.DispatchOptions
	f.IntVar(&o.Workers, "workers", 2, "how `many` imports at once, of different configurations")
	f.DurationVar(&o.Poll, "poll", 5*time.Second, "how `often` to look for imports")
	once := f.Bool("once", false, "work off what is there, one after the other, and end")
	return func(ctx context.Context, args []string) error {
		if err := none(args); err != nil {
			return err
		}
		return p.within(ctx, func(svc *usersync.Service) error {
			if *once {
				return a.workOnce(ctx, svc)
			}
			return svc.Dispatch(ctx, o)
		})
	}
}

// workOnce works off the imports that there are. Those that others are at are left to them.
func (a *app) workOnce(ctx context.Context, svc *usersync.Service) error {
	open, err := svc.Imports(ctx, usersync.ImportQuery{OldestFirst: true,
		Status: []usersync.ImportStatus{usersync.ImportQueued, usersync.ImportChecking, usersync.ImportApplying}})
	if err != nil {
		return err
	}
	waiting := 0
	for i := range open {
		imp, err := svc.RunImport(ctx, open[i].ID)
		if err != nil && !errors.Is(err, usersync.ErrRunInProgress) {
			return err
		}
		if err := a.printImport(&imp); err != nil {
			return err
		}
		if imp.Status == usersync.ImportIntervention || imp.Status == usersync.ImportFailed {
			waiting++
		}
	}
	if waiting > 0 {
		return fmt.Errorf("%w: %d of the imports: see usersync imports show", errPerson, waiting)
	}
	return nil
}
