package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/usersync-go/usersync"
)

// The exit codes.
const (
	done    = 0
	failed  = 1
	pending = 2
	person  = 3
)

// errPending is the end of a preview that shows something to apply.
var errPending = errors.New("changes are pending")

// codeOf is the exit code of an error.
func codeOf(err error) int {
	switch {
	case err == nil:
		return done
	case errors.Is(err, errPending):
		return pending
	}
	for _, needs := range []error{usersync.ErrUnresolved, usersync.ErrGuard, usersync.ErrSeats, usersync.ErrPlanStale,
		usersync.ErrRunInProgress} {
		if errors.Is(err, needs) {
			return person
		}
	}
	return failed
}

// message is an error in words, without the name of this program before it.
func message(err error) string { return strings.ReplaceAll(err.Error(), "usersync: ", "") }

// command is one of the commands.
type command struct {
	name  string
	args  string // what comes after the name
	about string
	// flags adds the command's own flags and gives what to do, with the arguments that are no flags.
	flags func(a *app, f *flag.FlagSet) func(ctx context.Context, args []string) error
}

// commands in the order in which they are needed.
func commands() []command {
	return []command{
		{"migrate", "", "make the tables, or bring them up to date", (*app).migrate},
		{"template", "FILE", "write a workbook to fill in", (*app).template},
		{"config create", "FILE", "save a new configuration from JSON, - for standard input", (*app).configCreate},
		{"config edit", "FILE", "replace a configuration from JSON, - for standard input", (*app).configEdit},
		{"config list", "", "list the configurations", (*app).configList},
		{"config show", "CONFIG", "print a configuration as JSON", (*app).configShow},
		{"config pause", "CONFIG", "refuse previews and runs until it is resumed", (*app).configPause},
		{"config resume", "CONFIG", "end a pause", (*app).configResume},
		{"config delete", "CONFIG", "delete a configuration and its whole history", (*app).configDelete},
		{"preview", "-config CONFIG FILE", "show what a file would change, and keep the plan", (*app).preview},
		{"decide", "PLAN", "answer conflicts of a plan", (*app).decide},
		{"apply", "PLAN | -config CONFIG FILE", "do what a plan shows, or preview and apply in one go", (*app).apply},
		{"resume", "RUN", "go on with a run that ended early", (*app).resume},
		{"cancel", "RUN", "ask a run that is under way to end", (*app).cancel},
		{"history", "", "list runs, the newest first", (*app).history},
		{"show", "PLAN|RUN", "list rows", (*app).show},
		{"report", "PLAN|RUN", "write a workbook of all rows, or the bad rows to mend", (*app).report},
		{"undo", "RUN", "show how to take a run back, and keep the plan", (*app).undo},
		{"prune", "-older DAYS", "remove old runs, and plans that were never applied", (*app).prune},
	}
}

// run finds the command and runs it.
func (a *app) run(ctx context.Context, args []string) error {
	if len(args) == 0 || args[0] == "-h" || args[0] == "-help" || args[0] == "--help" {
		a.help()
		return nil
	}
	c, rest := find(args)
	if args[0] == "help" {
		if c, _ = find(args[1:]); c == nil {
			a.help()
			return nil
		}
		rest = []string{"-h"}
	}
	if c == nil {
		return fmt.Errorf("there is no command %q: see usersync help", args[0])
	}
	f := flag.NewFlagSet("usersync "+c.name, flag.ContinueOnError)
	f.SetOutput(a.err)
	f.Usage = func() { a.usage(c, f) }
	do := c.flags(a, f)
	words, err := parse(f, rest)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	return do(ctx, words)
}

// find finds the command that arguments begin with, nil if there is none, and gives what comes after it.
func find(args []string) (*command, []string) {
	for _, c := range commands() {
		words := strings.Fields(c.name)
		if len(args) >= len(words) && slices.Equal(args[:len(words)], words) {
			return &c, args[len(words):]
		}
	}
	return nil, nil
}

// parse reads flags wherever they stand, and gives the other words.
func parse(f *flag.FlagSet, args []string) (words []string, err error) {
	f.Init(f.Name(), flag.ContinueOnError)
	for {
		if err := f.Parse(args); err != nil {
			return nil, err
		}
		if args = f.Args(); len(args) == 0 {
			return words, nil
		}
		words, args = append(words, args[0]), args[1:]
	}
}

func (a *app) help() {
	fmt.Fprintln(a.out, "usersync brings users in from Excel and CSV files.\n\nCommands:")
	for _, c := range commands() {
		fmt.Fprintf(a.out, "  %-38s %s\n", c.name+" "+c.args, c.about)
	}
	fmt.Fprintln(a.out, "\n\"usersync help COMMAND\" lists the flags of a command. The database is that of -db or USERSYNC_DB.")
}

func (a *app) usage(c *command, f *flag.FlagSet) {
	fmt.Fprintf(a.out, "usersync %s %s\n  %s\n", c.name, c.args, c.about)
	f.SetOutput(a.out)
	f.PrintDefaults()
}

// one is the only argument of a command.
func one(args []string, what string) (string, error) {
	if len(args) != 1 {
		return "", fmt.Errorf("name one %s", what)
	}
	return args[0], nil
}

// none refuses arguments.
func none(args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%q is one argument too many", args[0])
	}
	return nil
}

// lines prints a table whose columns are as wide as they need to be.
func lines(w io.Writer, rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			b.WriteString(cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-len([]rune(cell))+2))
			}
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}
