// Package show prints plans and runs as the examples do, and opens the databases that they work on.
package show

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/sqlite"
)

// InSQLite gives use a SQLite file with all tables, which is gone afterwards.
func InSQLite(ctx context.Context, use func(*sqlite.Store) error, opts ...sqlite.Option) (err error) {
	dir, err := os.MkdirTemp("", "usersync-example-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	store, err := sqlite.Open(filepath.Join(dir, "users.db"), opts...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if err := store.Migrate(ctx); err != nil {
		return err
	}
	return use(store)
}

// Plan prints every row of a plan, what holds it back, and its counts.
func Plan(out io.Writer, plan *usersync.Plan) {
	for row := range plan.Rows() {
		Row(out, row)
	}
	for _, b := range plan.Blocks() {
		fmt.Fprintf(out, "   held back: %v\n", b)
	}
	c := plan.Counts()
	fmt.Fprintf(out, "   %d new, %d updated, %d deactivated, %d skipped, %d errors\n", c.New, c.Updated, c.Deactivated, c.Skipped, c.Errors)
}

// Row prints a row of a plan. Values of new users are printed in one line.
func Row(out io.Writer, row usersync.Row) {
	number := "-" // not in the file any more
	if row.Number > 0 {
		number = fmt.Sprint(row.Number)
	}
	fmt.Fprintf(out, "   %3s %s: %s", number, row.Name, row.Class)
	sep := "\n       "
	for _, c := range row.Changes {
		text := fmt.Sprintf("%s: %q becomes %q (%s)", c.Field, c.Old, c.New, c.By)
		switch {
		case row.Class == usersync.ClassNew:
			text = fmt.Sprintf("%s %q", c.Field, c.New)
		case c.Open:
			text = fmt.Sprintf("%s: %q or %q? Somebody has to decide.", c.Field, c.Old, c.New)
		}
		fmt.Fprint(out, sep, text)
		if row.Class == usersync.ClassNew {
			sep = ", "
		}
	}
	for _, r := range row.Reasons {
		fmt.Fprintf(out, "\n       %s: %s", r.Level, strings.ReplaceAll(r.Text(), "\n", " "))
	}
	fmt.Fprintln(out)
}

// Run prints how a run ended.
func Run(out io.Writer, run *usersync.Run) {
	c := run.Counts()
	fmt.Fprintf(out, "   %s: %d created, %d updated, %d deactivated, %d skipped, %d errors, %d failed, %d invited\n",
		run.Status(), c.Created, c.Updated, c.Deactivated, c.Skipped, c.Errors, c.Failed, c.Mails)
}

// Indented writes lines as the other functions do.
func Indented(out io.Writer) io.Writer { return &indented{out: out, begins: true} }

type indented struct {
	out    io.Writer
	begins bool // of a line
}

// Write writes on.
func (w *indented) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		if w.begins {
			line = "   " + line
		}
		w.begins = strings.HasSuffix(line, "\n")
		if _, err := io.WriteString(w.out, line); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// Titles prints numbered titles.
func Titles(out io.Writer) func(format string, args ...any) {
	n := 0
	return func(format string, args ...any) {
		n++
		fmt.Fprintf(out, "%d. %s\n", n, fmt.Sprintf(format, args...))
	}
}
