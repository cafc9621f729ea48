package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/usersync-go/usersync"
)

func (a *app) preview(f *flag.FlagSet) func(context.Context, []string) error {
	p := a.place(f)
	config := f.String("config", "", "the `configuration`")
	sheet := f.String("sheet", "", "the sheet to read, otherwise the first one that is visible")
	encoding := f.String("encoding", "", "of a CSV file that is not UTF-8, such as windows-1252")
	asJSON := f.Bool("json", false, "print the whole plan as JSON")
	out := f.String("out", "", "write a workbook of all rows to a `file`")
	corrections := f.String("corrections", "", "write the bad rows to a `file`, .xlsx or .csv, to mend and upload")
	return func(ctx context.Context, args []string) error {
		path, err := one(args, "file to preview")
		if err != nil {
			return err
		}
		return p.within(ctx, func(svc *usersync.Service) error {
			plan, err := svc.Preview(ctx, *config, source(path, *sheet, *encoding), usersync.By(p.actor()))
			if err != nil {
				return err
			}
			if err := writeFiles(*out, *corrections, plan.WritePreview, plan.WriteCorrections); err != nil {
				return err
			}
			if *asJSON {
				if err := plan.WriteJSON(a.out); err != nil {
					return err
				}
				return verdict(plan)
			}
			return a.showPlan(plan)
		})
	}
}

// source is a file to read.
func source(path, sheet, encoding string) usersync.Source {
	src := usersync.File(path)
	if sheet != "" {
		src = src.WithSheet(sheet)
	}
	if encoding != "" {
		src = src.WithEncoding(encoding)
	}
	return src
}

// writeFiles writes the workbook of all rows, and the one of bad rows, where a file is named.
func writeFiles(out, corrections string, all func(io.Writer) error, bad func(io.Writer, usersync.Format) error) error {
	if out != "" {
		if err := write(out, all); err != nil {
			return err
		}
	}
	if corrections == "" {
		return nil
	}
	format := usersync.FormatXLSX
	if strings.HasSuffix(strings.ToLower(corrections), ".csv") {
		format = usersync.FormatCSV
	}
	return write(corrections, func(w io.Writer) error { return bad(w, format) })
}

// verdict is the end of a preview: nothing to do, changes pending, or a person needed.
func verdict(plan *usersync.Plan) error {
	if blocks := plan.Blocks(); len(blocks) > 0 {
		return blocks[0]
	}
	if c := plan.Counts(); c.New+c.Updated+c.Deactivated > 0 {
		return errPending
	}
	return nil
}

// listed is how many rows of a class a preview lists.
const listed = 20

// showPlan prints what a plan would do, and what to do next.
func (a *app) showPlan(plan *usersync.Plan) error {
	for _, n := range plan.Notes {
		fmt.Fprintf(a.out, "%s: %s\n", n.Level, n.Text())
	}
	for _, class := range usersync.Classes() {
		if class == usersync.ClassSkipped {
			continue
		}
		a.showClass(plan, class)
	}
	c := plan.Counts()
	fmt.Fprintf(a.out, "%d new, %d updated, %d deactivated, %d skipped, %d errors\n", c.New, c.Updated, c.Deactivated, c.Skipped, c.Errors)
	a.showConflicts(plan)
	end := verdict(plan)
	switch {
	case end == nil:
		fmt.Fprintf(a.out, "Plan %s: there is nothing to do.\n", plan.ID)
	case codeOf(end) == pending:
		fmt.Fprintf(a.out, "Plan %s: to do this, run: usersync apply %s\n", plan.ID, plan.ID)
	default:
		fmt.Fprintf(a.out, "Plan %s is held back.\n", plan.ID)
	}
	return end
}

// showClass lists the first rows of a class.
func (a *app) showClass(plan *usersync.Plan, class usersync.Class) {
	n := plan.Counts().Class(class)
	if n == 0 {
		return
	}
	fmt.Fprintf(a.out, "%s (%d)\n", strings.ToUpper(string(class)), n)
	shown := 0
	for row := range plan.RowsOf(class) {
		if shown++; shown > listed {
			fmt.Fprintf(a.out, "  and %d more: usersync show %s -class %s\n", n-listed, plan.ID, class)
			return
		}
		a.showRow(&usersync.RunRow{Row: row})
	}
}

// showRow prints a row, its changes and its reasons.
func (a *app) showRow(row *usersync.RunRow) {
	where := "left the file"
	if row.Number > 0 {
		where = fmt.Sprint("row ", row.Number)
	}
	state := ""
	if row.State != "" && row.State != usersync.StateNothing {
		state = ": " + string(row.State)
	}
	fmt.Fprintf(a.out, "  %s (%s)%s\n", row.Name, where, state)
	for _, c := range row.Changes {
		switch {
		case c.Open:
			fmt.Fprintf(a.out, "    %s: %q or %q? Somebody has to decide.\n", c.Field, c.Old, c.New)
		case row.Class != usersync.ClassNew:
			fmt.Fprintf(a.out, "    %s: %q becomes %q (%s)\n", c.Field, c.Old, c.New, c.By)
		}
	}
	for _, r := range row.Reasons {
		fmt.Fprintf(a.out, "    %s: %s\n", r.Level, r.Text())
	}
}

// showConflicts says how the open questions are answered.
func (a *app) showConflicts(plan *usersync.Plan) {
	if n := plan.Counts().Conflicts; n > 0 {
		fmt.Fprintf(a.out, "%d conflicts wait for a decision, such as: usersync decide %s all=file\n", n, plan.ID)
	}
}

func (a *app) decide(f *flag.FlagSet) func(context.Context, []string) error {
	p := a.place(f)
	answers := addAnswers(f)
	return func(ctx context.Context, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("name one plan, and answers such as title=file, 7:title=current or all=file")
		}
		decisions, err := answers.decisions(args[1:])
		if err != nil {
			return err
		}
		return p.within(ctx, func(svc *usersync.Service) error {
			plan, err := svc.Decide(ctx, args[0], decisions...)
			if err != nil {
				return err
			}
			return a.showPlan(plan)
		})
	}
}
