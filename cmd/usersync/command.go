package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
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

// errPerson is the end of work that leaves something to a person.
var errPerson = errors.New("a person is needed")

// codeOf is the exit code of an error.
func codeOf(err error) int {
	switch {
	case err == nil:
		return done
	case errors.Is(err, errPending):
		return pending
	}
	for _, needs := range []error{errPerson, usersync.ErrUnresolved, usersync.ErrGuard, usersync.ErrSeats, usersync.ErrPlanStale,
		usersync.ErrRunInProgress} {
		if errors.Is(err, needs) {
			return person
		}
	}
	return failed
}

// message is an error in words, without the name of this program before it.
func message(err error) string {
	text := err.Error()
	var partial *usersync.PartialError
	if errors.As(err, &partial) { // what to do is told by ended
		done, total := partial.Run.Progress()
		short := fmt.Sprintf("run %s ended after %d of %d changes: %v", partial.Run.ID, done, total, partial.Err)
		text = strings.ReplaceAll(text, partial.Error(), short)
	}
	text = strings.NewReplacer("usersync: ", "", "context canceled", "it was cancelled").Replace(text)
	return cleanLines(text)
}

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
		{"decide", "PLAN ANSWER...", "answer conflicts of a plan, such as title=file or 7:title=current", (*app).decide},
		{"apply", "PLAN | -config CONFIG FILE", "do what a plan shows, or preview and apply in one go", (*app).apply},
		{"resume", "RUN", "go on with a run that ended early", (*app).resume},
		{"cancel", "RUN", "ask a run that is under way to end", (*app).cancel},
		{"history", "", "list runs, the newest first", (*app).history},
		{"show", "PLAN|RUN", "list rows", (*app).show},
		{"report", "PLAN|RUN -out FILE", "write a workbook of all rows, or the bad rows to mend", (*app).report},
		{"undo", "RUN", "show how to take a run back, and keep the plan", (*app).undo},
		{"mails list", "", "list welcome mails and other messages, and how they stand", (*app).mailsList},
		{"mails retry", "MAIL...", "have mails sent that failed, or of which it is not known", (*app).mailsRetry},
		{"mails drop", "MAIL...", "give mails up", (*app).mailsDrop},
		{"imports start", "-config CONFIG FILE", "keep a file, to be imported in the background", (*app).importsStart},
		{"imports list", "", "list the imports in the background, the newest first", (*app).importsList},
		{"imports show", "IMPORT", "show how an import stands, and the errors of its file", (*app).importsShow},
		{"imports continue", "IMPORT", "let an import go on that needs a person or has failed", (*app).importsContinue},
		{"imports replace", "IMPORT FILE", "give an import another file, and begin anew", (*app).importsReplace},
		{"imports cancel", "IMPORT", "end an import", (*app).importsCancel},
		{"imports delete", "IMPORT...", "remove imports that have ended from the list", (*app).importsDelete},
		{"work", "", "import in the background until it is interrupted", (*app).work},
		{"prune", "-older AGE", "remove old runs and imports, and plans that were never applied", (*app).prune},
		{"version", "", "print the version of this program", (*app).version},
	}
}

// run finds the command and runs it.
func (a *app) run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		a.help(commands())
		return nil
	}
	switch first := args[0]; {
	case first == "help" || first == "-h" || first == "-help" || first == "--help":
		return a.helpOn(args[1:])
	case strings.HasPrefix(first, "-"):
		return fmt.Errorf("%s comes after the command: see usersync help", first)
	}
	c, rest := find(args)
	if c == nil {
		return unknown(args)
	}
	f := a.flagSet(c)
	do := c.flags(a, f)
	words, err := parse(f, rest)
	if errors.Is(err, flag.ErrHelp) {
		a.usage(c)
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: see usersync help %s", err, c.name)
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

// below are the commands whose names begin with a word, such as config.
func below(word string) []command {
	return slices.DeleteFunc(commands(), func(c command) bool { return !strings.HasPrefix(c.name, word+" ") })
}

// unknown says that there is no such command, and which are near.
func unknown(args []string) error {
	group := below(args[0])
	if len(group) == 0 {
		return fmt.Errorf("there is no command %q: see usersync help", args[0])
	}
	var names []string
	for _, c := range group {
		names = append(names, strings.TrimPrefix(c.name, args[0]+" "))
	}
	return fmt.Errorf("after %s comes one of %s", args[0], strings.Join(names, ", "))
}

// flagSet is where a command adds its flags.
func (a *app) flagSet(c *command) *flag.FlagSet {
	f := flag.NewFlagSet(c.name, flag.ContinueOnError)
	f.SetOutput(io.Discard) // errors are told once, by tell
	return f
}

// parse reads flags wherever they stand, and gives the other words. After -- come words alone.
func parse(f *flag.FlagSet, args []string) (words []string, err error) {
	for len(args) > 0 {
		if err := f.Parse(args); err != nil {
			return nil, err
		}
		rest := f.Args()
		if n := len(args) - len(rest); n > 0 && args[n-1] == "--" || len(rest) == 0 {
			return append(words, rest...), nil
		}
		words, args = append(words, rest[0]), rest[1:]
	}
	return words, nil
}

// helpOn prints the help of one command, of the commands that begin with one word, or of all.
func (a *app) helpOn(args []string) error {
	if len(args) == 0 {
		a.help(commands())
		return nil
	}
	if c, _ := find(args); c != nil {
		a.usage(c)
		return nil
	}
	group := below(args[0])
	if len(group) == 0 || len(args) > 1 {
		return unknown(args)
	}
	a.help(group)
	return nil
}

func (a *app) help(list []command) {
	fmt.Fprintln(a.out, "usersync brings users in from Excel and CSV files.\n\nCommands:")
	for _, c := range list {
		fmt.Fprintf(a.out, "  %-38s %s\n", strings.TrimSpace(c.name+" "+c.args), c.about)
	}
	fmt.Fprint(a.out, `
"usersync help COMMAND" lists the flags of a command. The database is that of -db, or of the variable
USERSYNC_DB. Exit codes: 0 done, or nothing to do; 1 it failed; 2 changes are pending; 3 a person is needed.
No welcome mails are sent.
`)
}

func (a *app) usage(c *command) {
	fmt.Fprintf(a.out, "usersync %s\n  %s\n", strings.TrimSpace(c.name+" "+c.args), c.about)
	f := a.flagSet(c)
	c.flags(a, f)
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

// version prints what the program was built of.
func (a *app) version(*flag.FlagSet) func(context.Context, []string) error {
	return func(_ context.Context, args []string) error {
		if err := none(args); err != nil {
			return err
		}
		version := "(devel)"
		info, found := debug.ReadBuildInfo()
		if found && info.Main.Version != "" {
			version = info.Main.Version
		}
		fmt.Fprintln(a.out, "usersync", version, runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH)
		return nil
	}
}

// addWindow adds the flags that say which part of a list is shown, and gives what checks them.
func addWindow(f *flag.FlagSet, limit, skip *int, usual int, first string) (check func() error) {
	f.IntVar(limit, "limit", usual, "how `many` at most")
	f.IntVar(skip, "skip", 0, "how `many` of the "+first+" are left out")
	return func() error {
		if *limit < 1 || *skip < 0 {
			return errors.New("-limit is at least 1, and -skip not less than 0")
		}
		return nil
	}
}
