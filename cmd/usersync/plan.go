package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"github.com/usersync-go/usersync"
)

// upload is how a file is to be read.
type upload struct{ config, sheet, encoding string }

// addUpload adds the flags.
func addUpload(f *flag.FlagSet, config string) *upload {
	u := &upload{}
	f.StringVar(&u.config, "config", "", config)
	f.StringVar(&u.sheet, "sheet", "", "`name` of the sheet to read, otherwise the first one that is visible")
	f.StringVar(&u.encoding, "encoding", "", "`encoding` of a CSV file that is not UTF-8, such as windows-1252")
	return u
}

// source is the file to read.
func (u *upload) source(path string) usersync.Source {
	src := usersync.File(path)
	if u.sheet != "" {
		src = src.WithSheet(u.sheet)
	}
	if u.encoding != "" {
		src = src.WithEncoding(u.encoding)
	}
	return src
}

func (a *app) preview(f *flag.FlagSet) func(context.Context, []string) error {
	p := a.place(f)
	up, files := addUpload(f, "the `configuration`"), addReports(f)
	asJSON := f.Bool("json", false, "print the whole plan as JSON")
	return func(ctx context.Context, args []string) error {
		path, err := one(args, "file to preview")
		if err == nil {
			err = files.check(path)
		}
		if err != nil {
			return err
		}
		if up.config == "" {
			return errors.New("name the configuration: -config")
		}
		bar := a.progress(ctx)
		return p.within(ctx, func(svc *usersync.Service) error {
			plan, err := svc.Preview(ctx, up.config, up.source(path), usersync.By(p.actor()))
			bar.end()
			if err != nil {
				return err
			}
			if err := files.write(plan.WritePreview, plan.WriteCorrections); err != nil {
				return err
			}
			return a.previewed(plan, *asJSON)
		}, usersync.WithProgress(bar.show))
	}
}

// previewed prints a plan. The error is errPending, or what holds the plan back.
func (a *app) previewed(plan *usersync.Plan, asJSON bool) error {
	if !asJSON {
		a.showPlan(plan)
	} else if err := plan.WriteJSON(a.out); err != nil {
		return err
	}
	if blocks := plan.Blocks(); len(blocks) > 0 {
		return &heldError{blocks}
	}
	if changes(plan.Counts()) > 0 {
		return errPending
	}
	return nil
}

// changes is how many users a plan writes.
func changes(c usersync.Counts) int { return c.New + c.Updated + c.Deactivated }

// heldError is the end of a preview whose plan cannot be applied as it is. It was told with the plan.
type heldError struct{ blocks []error }

func (e *heldError) Error() string   { return "the plan is held back: " + e.blocks[0].Error() }
func (e *heldError) Unwrap() []error { return e.blocks }

// listed is how many rows of a class a preview lists.
const listed = 20

// showPlan prints what a plan would do, and what to do next.
func (a *app) showPlan(plan *usersync.Plan) {
	fmt.Fprintln(a.out, clean(titleOf(plan)))
	for _, n := range plan.Notes {
		fmt.Fprintf(a.out, "%s: %s\n", n.Level, clean(n.Text()))
	}
	for _, class := range usersync.Classes() {
		if class != usersync.ClassSkipped || plan.Undoes != "" { // what an undo leaves is worth knowing
			a.showClass(plan, class)
		}
	}
	fmt.Fprintf(a.out, "\n%s\n", countsOf(plan.Counts()))
	a.showNext(plan)
}

// titleOf says what a plan is of.
func titleOf(plan *usersync.Plan) string {
	of := plan.Source.Name
	if plan.Source.Sheet != "" {
		of += ", sheet " + plan.Source.Sheet
	}
	if plan.Undoes != "" {
		of = "taking back run " + plan.Undoes
	}
	return fmt.Sprintf("Plan %s: %s, with configuration %s", plan.ID, of, plan.Config.ID)
}

// showClass lists the first rows of a class.
func (a *app) showClass(plan *usersync.Plan, class usersync.Class) {
	n := plan.Counts().Class(class)
	if n == 0 {
		return
	}
	var rows []usersync.RunRow
	for row := range plan.RowsOf(class) {
		if len(rows) == listed {
			break
		}
		rows = append(rows, usersync.RunRow{Row: row})
	}
	fmt.Fprintf(a.out, "\n%s (%d)\n", strings.ToUpper(string(class)), n)
	a.printer().table("  ", rowTable(rows, false))
	if n > len(rows) {
		fmt.Fprintf(a.out, "  and %d more: usersync show %s -class %s\n", n-len(rows), plan.ID, class)
	}
}

// showNext says what to do with a plan.
func (a *app) showNext(plan *usersync.Plan) {
	blocks := plan.Blocks()
	for _, block := range blocks {
		fmt.Fprintln(a.out, "Held back:", message(block))
		for _, step := range steps(block, plan.ID) {
			fmt.Fprintln(a.out, " ", step)
		}
	}
	c := plan.Counts()
	switch {
	case len(blocks) > 0:
	case changes(c) > 0:
		fmt.Fprintf(a.out, "To do this, run: usersync apply %s\n", plan.ID)
	case plan.Undoes != "":
		fmt.Fprintln(a.out, "There is nothing to do.")
	default:
		fmt.Fprintf(a.out, "There is nothing to do. To note who is in the file all the same: usersync apply %s\n", plan.ID)
	}
	if c.Errors > 0 {
		fmt.Fprintf(a.out, "For the rows with errors, to mend: usersync report %s -corrections bad.xlsx\n", plan.ID)
	}
}

// steps are what a person can do about an error of a plan.
func steps(err error, planID string) []string {
	var guard *usersync.GuardError
	var running *usersync.InProgressError
	switch {
	case errors.Is(err, usersync.ErrUnresolved):
		return []string{"to see them: usersync show " + planID + " -conflicts",
			"to answer: usersync decide " + planID + " all=file, or with answers such as title=current and 7:title=file"}
	case errors.As(err, &guard):
		return []string{fmt.Sprintf("if that is meant: usersync apply %s -confirm %d", planID, guard.Deactivations)}
	case errors.As(err, &running):
		return []string{"to see it: usersync show " + running.RunID,
			"if its process is gone, half a minute later: usersync resume " + running.RunID}
	}
	return nil
}

func (a *app) decide(f *flag.FlagSet) func(context.Context, []string) error {
	p := a.place(f)
	answers := addAnswers(f)
	return func(ctx context.Context, args []string) error {
		if len(args) == 0 {
			return errors.New("name one plan, and answers such as title=file, 7:title=current or all=file")
		}
		decisions, err := answers.decisions(args[1:])
		if err != nil {
			return err
		}
		if len(decisions) == 0 {
			return fmt.Errorf("give answers such as title=file, 7:title=current or all=file; for the questions: usersync show %s -conflicts", args[0])
		}
		return p.within(ctx, func(svc *usersync.Service) error {
			plan, err := svc.Decide(ctx, args[0], decisions...)
			if err != nil {
				return err
			}
			return a.previewed(plan, false)
		})
	}
}
