package usersync

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
)

// WriteErrors writes what is wrong with the file as plain text, to show or to copy: a line for every error,
// with its row, its column and cell, and what is wrong, in the order of the file. Nothing for a plan
// without errors. The error is that of w.
func (p *Plan) WriteErrors(w io.Writer) error { return writeErrors(w, p.RowsOf(ClassError)) }

// WriteErrors is [Plan.WriteErrors] with what could not be written besides.
func (r *Run) WriteErrors(w io.Writer) error {
	return writeErrors(w, func(yield func(Row) bool) {
		for row := range r.Rows() {
			if (row.Class == ClassError || row.State == StateFailed) && !yield(row.Row) {
				return
			}
		}
	})
}

func writeErrors(w io.Writer, rows iter.Seq[Row]) error {
	out := bufio.NewWriter(w)
	for row := range rows {
		for _, reason := range row.Reasons {
			if reason.Level == LevelError {
				fmt.Fprintf(out, "%s: %s\n", row.place(), oneLine(reason.Text())) // Flush tells
			}
		}
	}
	return out.Flush()
}

// place names a row, or a user who left the file.
func (r *Row) place() string {
	if r.Number == 0 {
		return "User " + oneLine(r.Name)
	}
	return fmt.Sprintf("Row %d", r.Number)
}

// oneLine keeps a text with line breaks, as cells may have them, on one line.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// WriteErrors writes the errors of a run or, before it was applied, of a plan as text, see
// Plan.WriteErrors. An import whose file was refused has no plan: its Problem says why.
func (s *Service) WriteErrors(ctx context.Context, id string, w io.Writer) error {
	run, err := s.Run(ctx, id)
	if err == nil {
		return run.WriteErrors(w)
	}
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	plan, err := s.Plan(ctx, id)
	if err != nil {
		return err
	}
	return plan.WriteErrors(w)
}
