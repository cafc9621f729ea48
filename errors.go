package usersync

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/usersync-go/usersync/internal/table"
)

// What an Outcome of a store wraps.
var (
	// ErrVersionConflict: the user no longer has the version that the change expects.
	ErrVersionConflict = errors.New("the user has changed")
	// ErrDuplicate: the key, or a value that must be unique, is taken.
	ErrDuplicate = errors.New("already taken")
	// ErrNotFound: there is no such user.
	ErrNotFound = errors.New("not found")
)

// Why a plan is not made or not applied. Each is wrapped by an error that says more; test with
// errors.Is. After one of these nothing has been written.
var (
	// ErrPaused: the configuration is paused.
	ErrPaused = errors.New("usersync: the configuration is paused")
	// ErrPlanStale: something moved since the preview; see StaleError.
	ErrPlanStale = errors.New("usersync: the plan is stale")
	// ErrUnresolved: conflicts wait for a decision; see Plan.Resolve.
	ErrUnresolved = errors.New("usersync: the plan has unresolved conflicts")
	// ErrSeats: there are fewer seats than the plan needs, of the license or of a pool; see SeatsError.
	ErrSeats = errors.New("usersync: not enough seats")
	// ErrGuard: the plan deactivates more users than the guard allows; see GuardError.
	ErrGuard = errors.New("usersync: the guard holds the plan back")
	// ErrRunInProgress: another run of the configuration is under way; see InProgressError.
	ErrRunInProgress = errors.New("usersync: a run of this configuration is in progress")
	// ErrRefused: the file was refused as a whole; see FileError.
	ErrRefused = errors.New("usersync: the file was refused")
	// ErrEdited: what was to be saved has been edited by somebody else since it was read; read it again.
	ErrEdited = errors.New("usersync: edited in the meantime")
	// ErrLeaseLost: the run does not hold the lease of its configuration any more: another process has
	// taken it over.
	ErrLeaseLost = errors.New("usersync: another process has taken the run over")
	// ErrInvalid: a schema, a configuration, an option or a decision is not valid; see InvalidError.
	ErrInvalid = errors.New("usersync: not valid")
)

// FieldError is one thing that is wrong with one field: of a row, or of a configuration or schema
// (Row 0). A Field's Check and Canonical return one to choose a code of their own, whose text is then the
// parameter message.
type FieldError struct {
	Row    int    // as the spreadsheet shows it, 0 if none is meant
	Column string // header of the column, "" if none is meant
	Field  string // "" if none is meant
	Code   Code
	Params map[string]string
}

// Error is the text of the reason, with its row.
func (e *FieldError) Error() string {
	text := Reason{Code: e.Code, Field: e.Field, Column: e.Column, Params: e.Params}.Text()
	if e.Row > 0 {
		return fmt.Sprintf("row %d: %s", e.Row, text)
	}
	return text
}

// FileError is why a file was refused. It wraps ErrRefused and, if there is one, the error below.
type FileError struct {
	Name   string // the file's name, if known
	Code   string // stable, such as "format_xls", "xlsx_damaged", "limit_rows", "header_missing"
	Sheet  string // where in the file, as far as it is known
	Cell   string
	Row    int
	Line   int   // CSV: physical line
	Byte   int64 // CSV: byte within the line
	Limit  int64 // the bound that was exceeded, 0 if none was
	Count  int64 // how many there are instead, 0 where nobody counted
	Detail string
	Advice string
	part   string // of a workbook
	err    error
}

// Error names the file and the place, says what is wrong and what to do.
func (e *FileError) Error() string {
	parts := []string{"usersync"}
	place := table.Refusal{Sheet: e.Sheet, Cell: e.Cell, Row: e.Row, Line: e.Line, Byte: e.Byte, Part: e.part}
	for _, s := range []string{e.Name, place.Where(), e.Detail, e.Advice} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ": ")
}

// Unwrap gives ErrRefused and the underlying error.
func (e *FileError) Unwrap() []error { return withoutNil(ErrRefused, e.err) }

// InvalidError lists everything that is wrong with a schema, a configuration or the like.
type InvalidError struct {
	What     string // such as "configuration", "schema"
	Problems []Problem
}

// Problem is one thing that is wrong, with the place as a path, such as "rules.email.value".
type Problem struct {
	Path   string `json:"path"`
	Detail string `json:"detail"`
}

// Error lists the problems, one a line when there are several.
func (e *InvalidError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "usersync: %s is not valid", e.What)
	sep := ": "
	if len(e.Problems) > 1 {
		sep = ":\n  "
	}
	for _, p := range e.Problems {
		b.WriteString(sep)
		if p.Path != "" {
			b.WriteString(p.Path + ": ")
		}
		b.WriteString(p.Detail)
		sep = "\n  "
	}
	return b.String()
}

// Unwrap gives ErrInvalid.
func (e *InvalidError) Unwrap() error { return ErrInvalid }

// problems collects what is wrong, to report all of it at once.
type problems []Problem

func (p *problems) add(path, format string, args ...any) {
	*p = append(*p, Problem{Path: path, Detail: fmt.Sprintf(format, args...)})
}

func (p problems) err(what string) error {
	if len(p) == 0 {
		return nil
	}
	return &InvalidError{What: what, Problems: p}
}

// StaleError says what moved between Preview and Apply. Nothing has been written.
type StaleError struct {
	Expired  bool        // the plan is too old
	File     bool        // the file is another
	Config   bool        // the configuration was edited
	Baseline bool        // another run of the configuration has succeeded
	Fields   []string    // added fields that are gone or changed, or new ones whose name or header is taken
	Users    []StaleUser // at most 100 of them are listed
	Total    int         // users that moved
}

// StaleUser is one user who moved since the preview.
type StaleUser struct {
	Row    int // row of the file, 0 for a user who left it
	UserID string
	Name   string
	Moved  Moved
}

// Moved says how a user moved.
type Moved string

// How a user can move between Preview and Apply.
const (
	MovedEdited  Moved = "edited"  // changed in any way
	MovedRenamed Moved = "renamed" // has another key now
	MovedDeleted Moved = "deleted" // is gone
	MovedCreated Moved = "created" // was to be created and exists now
)

// Error says what moved and what to do.
func (e *StaleError) Error() string {
	var moved []string
	if e.Expired {
		moved = append(moved, "it is too old")
	}
	if e.File {
		moved = append(moved, "it was made of another file")
	}
	if e.Config {
		moved = append(moved, "the configuration was edited")
	}
	if e.Baseline {
		moved = append(moved, "another run has succeeded")
	}
	if len(e.Fields) > 0 {
		moved = append(moved, "there are other fields by now ("+strings.Join(e.Fields, ", ")+")")
	}
	for i, u := range e.Users {
		if i == 5 {
			break
		}
		moved = append(moved, fmt.Sprintf("%s was %s", u.Name, u.Moved))
	}
	if rest := e.Total - 5; rest > 0 {
		moved = append(moved, fmt.Sprintf("and %d more", rest))
	}
	return ErrPlanStale.Error() + ": " + strings.Join(moved, ", ") + ": preview again"
}

// Unwrap gives ErrPlanStale.
func (e *StaleError) Unwrap() error { return ErrPlanStale }

// UnresolvedError says how many conflicts wait for a decision.
type UnresolvedError struct{ Conflicts int }

// Error gives the number.
func (e *UnresolvedError) Error() string {
	return fmt.Sprintf("%v: %d to decide", ErrUnresolved, e.Conflicts)
}

// Unwrap gives ErrUnresolved.
func (e *UnresolvedError) Unwrap() error { return ErrUnresolved }

// SeatsError gives both numbers: what the plan, or the rest of a run, needs and what there is.
type SeatsError struct {
	Pool   string // of which pool, "" for the license as a whole
	Needed int    // seats that are taken, less those that are freed; negative when more are freed
	// Available is the limit less what is used and what is set aside for others; negative when that is more
	// than there are.
	Available int
	// Taker is who needs them, for the text: "the undo" for a plan that takes a run back, "" for a file.
	Taker string
}

// Error gives both numbers.
func (e *SeatsError) Error() string {
	who, of := cmp.Or(e.Taker, "the file"), ""
	if e.Pool != "" {
		of = fmt.Sprintf(" of %q", e.Pool)
	}
	what := fmt.Sprintf("needs %d%s and %d are free", e.Needed, of, max(e.Available, 0))
	if e.Needed <= 0 {
		what = fmt.Sprintf("frees %d%s more than it takes and %d too many are used", -e.Needed, of, -e.Available)
	}
	return fmt.Sprintf("%v: %s %s: get more seats, or free some first", ErrSeats, who, what)
}

// Unwrap gives ErrSeats.
func (e *SeatsError) Unwrap() error { return ErrSeats }

// GuardError says what the guard holds back. To go on all the same, call Apply with
// ConfirmDeactivations(Deactivations).
type GuardError struct {
	Deactivations int  // users that the plan deactivates
	Baseline      int  // users in the baseline
	NoValidRow    bool // the file has no valid row
	Confirmed     *int // the number that was confirmed instead, nil if none was
}

// Error gives the numbers and what to do.
func (e *GuardError) Error() string {
	text := fmt.Sprintf("%v: %d users would be deactivated, of %d in the last file",
		ErrGuard, e.Deactivations, e.Baseline)
	switch {
	case e.NoValidRow && e.Deactivations == 0:
		text = fmt.Sprintf("%v: this file has no valid row, and the last one had %d users", ErrGuard, e.Baseline)
	case e.NoValidRow:
		text += ", and this file has no valid row"
	}
	if e.Confirmed != nil {
		text += fmt.Sprintf("; %d were confirmed, which is another number", *e.Confirmed)
	}
	return text + fmt.Sprintf(": to go on, confirm %d deactivations", e.Deactivations)
}

// Unwrap gives ErrGuard.
func (e *GuardError) Unwrap() error { return ErrGuard }

// InProgressError names the run that is under way.
type InProgressError struct{ RunID string }

// Error names the run.
func (e *InProgressError) Error() string { return fmt.Sprintf("%v: run %s", ErrRunInProgress, e.RunID) }

// Unwrap gives ErrRunInProgress.
func (e *InProgressError) Unwrap() error { return ErrRunInProgress }

// PartialError ends a run that had begun to write: Run has what was done, Err why it ended.
type PartialError struct {
	Run *Run
	Err error
}

// Error says how far the run came and why it ended.
func (e *PartialError) Error() string {
	done, total := e.Run.Progress()
	advice := "preview the file again"
	if e.Run.plan.edition > 0 {
		advice = "resume the run, or preview the file again"
	}
	return fmt.Sprintf("usersync: run %s ended after %d of %d changes: %v: %s", e.Run.ID, done, total, e.Err, advice)
}

// Unwrap gives Err.
func (e *PartialError) Unwrap() error { return e.Err }

// PanicError is a panic of an adapter, turned into an error.
type PanicError struct {
	Call  string // the method that panicked, such as "UserStore.WriteUsers"
	Value any
	Stack []byte
}

// Error names the method and the panic's value.
func (e *PanicError) Error() string { return fmt.Sprintf("%s panicked: %v", e.Call, e.Value) }

// Unwrap gives the panic's value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

func withoutNil(errs ...error) []error {
	var out []error
	for _, err := range errs {
		if err != nil {
			out = append(out, err)
		}
	}
	return out
}
