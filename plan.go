package usersync

import (
	"cmp"
	"iter"
	"slices"
	"sync"
	"time"
)

// Plan is what Preview returns: what would happen to every row, and to every user who left the file. It
// holds all that Apply needs, and nothing of it reaches the store before Apply.
//
// Resolve and Apply change a plan; the other methods read it. All may be called concurrently.
type Plan struct {
	// ID names the plan for ever.
	ID string
	// Config is the configuration as it was at the preview, to show; changing it changes nothing.
	Config Config
	// Actor is the person who asked for the preview.
	Actor Actor
	// Created is when the preview was made. From Expires on the plan cannot be applied; the zero time is
	// never.
	Created time.Time
	Expires time.Time
	// Source says what was read; of an undo, what the run had read.
	Source SourceInfo
	// Undoes is the run that the plan takes back, "" for a plan of a file. See [Previewer.Undo].
	Undoes string
	// Added are the fields that applying the plan adds for all users, to show. See [AddFields].
	Added []Field
	// Notes are about the file as a whole.
	Notes []Reason
	// BaselineRun is the run whose file this one was compared with, "" for none.
	BaselineRun string
	// Baseline is how many users that file had.
	Baseline int
	// Seats is what the license checker said, nil without one.
	Seats *Seats

	cfg Config
	extension
	columns *columns
	offers  []FieldOffer

	turn      chan struct{} // held by the Apply that is under way
	mu        sync.Mutex
	entries   []entry
	rows      int      // entries that are rows; the rest are users who left the file
	stay      []Member // members that stay in the baseline although they are not in the file, or in Error
	cross     crossing
	things    []thing // that rows name, that there are not, and that may be created
	remember  map[string]Rule
	pools     []PoolSeats // by name, without what is needed of them
	poolField string      // the field that names the pools of seats, "" for none
	run       *Run        // that applies it, or has applied it
	edition   int         // of the stored plan, 0 for one that is not stored
	decided   bool        // since it was stored
}

// entry is one row, or one user who left the file. What only few entries have is in more.
type entry struct {
	number  int32 // 0 for a user who left the file
	account account
	wish    wish
	flags   flags
	class   Class
	key     string // folded; "" if it cannot be read
	name    string // the key field; see Row.Name
	userID  string // "" if the user does not exist
	more    *more
}

type flags uint16

const (
	isHidden    flags = 1 << iota // the row was hidden in the workbook
	isProtected                   // the user must stay active
	isElsewhere                   // the user has another key in the store than in the file
	isMember                      // the user was in the baseline
	isUnclear                     // it cannot be told which existing user is meant
	isTied                        // of an undo: the user is in the baseline while active
	isOver                        // the user's last day is over
	isKeyOnly                     // the row gives nothing but the key
)

// more is what an entry has that is not simply unchanged.
type more struct {
	op       Op
	version  string // of the user, as versionOf gives it
	settings []setting
	assigned *assigned // what assignment rules did, nil for nothing
	own      []Reason  // that the row itself gives
	cross    []Reason  // that other rows and users give; they come and go with decisions
	verdict  []Reason  // that the class gives
	wants    []want    // what the row names of the plan's things
	cells    []string  // of the file, for the correction file
	pools    string    // what the pool field has now, of an existing user where the license has pools
}

func (e *entry) has(f flags) bool { return e.flags&f != 0 }

// creates tells that the entry creates a user.
func (e *entry) creates() bool { return e.more != nil && e.more.op == OpCreate }

// takesSeat tells that the user is active after a creation or activation. (A1, B3)
func (e *entry) takesSeat() bool {
	return e.more != nil && (e.more.op == OpActivate || e.more.op == OpCreate && e.wish != wantsInactive)
}

// setting is the entry's setting of a field, nil if there is none.
func (e *entry) setting(field int) *setting {
	if e.more == nil {
		return nil
	}
	for i := range e.more.settings {
		if int(e.more.settings[i].field) == field {
			return &e.more.settings[i]
		}
	}
	return nil
}

// and gives the entry room for more.
func (e *entry) and() *more {
	if e.more == nil {
		e.more = &more{}
	}
	return e.more
}

// staysElsewhere tells that the entry's user keeps a key that is another than the file's.
func (p *Plan) staysElsewhere(entry int32) bool {
	e := &p.entries[entry]
	if !e.has(isElsewhere) {
		return false
	}
	set := e.setting(p.schema.key)
	return set == nil || !set.writes()
}

// nameAfter is the key field of the entry's user as it is after the run.
func (p *Plan) nameAfter(entry int32) string {
	if p.staysElsewhere(entry) {
		return p.cross.stored[entry]
	}
	return p.entries[entry].name
}

// Row is one row of a plan, or one user who left the file.
type Row struct {
	// Number is the row as the spreadsheet shows it (for CSV the physical line), 0 for a user who left
	// the file.
	Number int `json:"number,omitempty"`
	// Hidden rows were hidden in the workbook, perhaps by a filter. They count like any other.
	Hidden bool `json:"hidden,omitempty"`
	// Name is the user's key field as it is after the run: in the spelling of the store for an existing
	// user, unless the row gives another key; otherwise in that of the file. "" if the row has none.
	Name string `json:"name"`
	// UserID is "" if the user does not exist.
	UserID string `json:"userId,omitempty"`
	Class  Class  `json:"class"`
	// Op is what Apply does, "" for nothing.
	Op Op `json:"op,omitempty"`
	// Changes are the fields that are written, in the schema's order.
	Changes []FieldChange `json:"changes,omitempty"`
	// Reasons say why: errors first, then warnings, then notes. In a run, what became of the row comes
	// last.
	Reasons []Reason `json:"reasons,omitempty"`
}

// FieldChange is one field of one row that is written, or that waits for a decision. Lists are shown
// with their items joined by ", ", and secrets not at all.
type FieldChange struct {
	Field string  `json:"field"`
	Old   string  `json:"old"`
	New   string  `json:"new"`
	By    Decider `json:"by"`
	// Rule names the assignment rules that added to the field, joined by ", "; "" for none. By says who decided
	// about the rest, ByAssignment for nobody else.
	Rule string `json:"rule,omitempty"`
	// Open changes wait for a decision; Kept ones were decided for the value that the system has.
	Open bool `json:"open,omitempty"`
	Kept bool `json:"kept,omitempty"`
}

// Counts are the numbers of a plan. The five classes add up to Rows and Removed.
type Counts struct {
	New         int `json:"new"`
	Updated     int `json:"updated"`
	Deactivated int `json:"deactivated"`
	Skipped     int `json:"skipped"`
	Errors      int `json:"errors"`

	Rows          int `json:"rows"`          // rows with data
	Removed       int `json:"removed"`       // users listed because they left the file
	Unchanged     int `json:"unchanged"`     // of Skipped: those with nothing to change, or nothing but the key
	Warnings      int `json:"warnings"`      // rows with a warning
	Activations   int `json:"activations"`   // of Updated: users who become active
	Deactivations int `json:"deactivations"` // users who become inactive, whether Updated or Deactivated
	Conflicts     int `json:"conflicts"`     // fields that wait for a decision
	SeatsNeeded   int `json:"seatsNeeded"`   // active creations and activations less deactivations
}

// Class returns the count of one class.
func (c Counts) Class(class Class) int {
	switch class {
	case ClassNew:
		return c.New
	case ClassUpdated:
		return c.Updated
	case ClassDeactivated:
		return c.Deactivated
	case ClassSkipped:
		return c.Skipped
	case ClassError:
		return c.Errors
	}
	return 0
}

// Counts counts the plan as it is now decided.
func (p *Plan) Counts() Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts()
}

func (p *Plan) counts() Counts {
	c := Counts{Rows: p.rows, Removed: len(p.entries) - p.rows}
	for i := range p.entries {
		p.entries[i].count(&c)
	}
	c.SeatsNeeded += c.Activations - c.Deactivations
	return c
}

func (e *entry) count(c *Counts) {
	switch e.class {
	case ClassNew:
		c.New++
	case ClassUpdated:
		c.Updated++
	case ClassDeactivated:
		c.Deactivated++
	case ClassError:
		c.Errors++
	default:
		c.Skipped++
	}
	if e.class == ClassSkipped && e.number > 0 && (e.more == nil || e.more.unchanged()) {
		c.Unchanged++
	}
	if e.more == nil {
		return
	}
	if e.more.warns() {
		c.Warnings++
	}
	if e.class != ClassError {
		c.Conflicts += e.more.open()
	}
	switch {
	case e.more.op == OpActivate:
		c.Activations++
	case e.more.op == OpDeactivate:
		c.Deactivations++
	case e.takesSeat():
		c.SeatsNeeded++
	}
}

func (m *more) unchanged() bool {
	return tells(m.verdict, CodeUnchanged) || tells(m.verdict, CodeKeyOnly)
}

func (m *more) warns() bool {
	isWarning := func(r Reason) bool { return r.Level == LevelWarning }
	return slices.ContainsFunc(m.own, isWarning) || slices.ContainsFunc(m.cross, isWarning) ||
		slices.ContainsFunc(m.verdict, isWarning)
}

func (m *more) hasError() bool { return hasError(m.own) || hasError(m.cross) }

// open counts the conflicts that wait for a decision.
func (m *more) open() int {
	n := 0
	for i := range m.settings {
		if m.settings[i].choice == undecided {
			n++
		}
	}
	return n
}

// Rows yields the rows in file order, then the users who left the file in the order of the baseline.
// Users who left are not yielded when the configuration ignores them.
func (p *Plan) Rows() iter.Seq[Row] {
	return func(yield func(Row) bool) {
		for i := range p.entries {
			if !yield(p.row(i)) {
				return
			}
		}
	}
}

// RowsOf yields the rows of one class.
func (p *Plan) RowsOf(class Class) iter.Seq[Row] {
	return func(yield func(Row) bool) {
		for i := range p.entries {
			if p.classOf(i) == class && !yield(p.row(i)) {
				return
			}
		}
	}
}

func (p *Plan) classOf(i int) Class {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.entries[i].class
}

func (p *Plan) row(i int) Row {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := &p.entries[i]
	row := Row{Number: int(e.number), Hidden: e.has(isHidden), Name: p.nameAfter(int32(i)), UserID: e.userID, Class: e.class}
	if e.more == nil {
		row.Reasons = []Reason{note(CodeUnchanged)}
		return row
	}
	row.Op = e.more.op
	row.Reasons = e.more.sorted()
	if e.class != ClassError {
		row.Changes = p.changes(e.more)
	}
	return row
}

// sorted gives the reasons by level: errors, warnings, notes.
func (m *more) sorted() []Reason {
	return sortReasons(slices.Concat(m.own, m.cross, m.verdict))
}

// sortReasons puts errors first, then warnings, then notes.
func sortReasons(out []Reason) []Reason {
	rank := func(r Reason) int { return slices.Index([]Level{LevelError, LevelWarning, LevelNote}, r.Level) }
	slices.SortStableFunc(out, func(a, b Reason) int { return cmp.Compare(rank(a), rank(b)) })
	return out
}

func (p *Plan) changes(m *more) []FieldChange {
	if len(m.settings) == 0 {
		return nil
	}
	out := make([]FieldChange, len(m.settings))
	for i := range m.settings {
		s := &m.settings[i]
		out[i] = FieldChange{Field: p.schema.fields[s.field].Name, Old: showValue(s.old), New: showValue(s.new),
			By: s.by, Rule: p.cfg.ruleNames(m.rulesOf(s.field)), Open: s.choice == undecided, Kept: s.choice == keepCurrent}
		if p.schema.fields[s.field].Secret {
			out[i].Old, out[i].New = masked(s.old), masked(s.new)
		}
	}
	return out
}

// masked shows that a secret has a value, and not which.
func masked(secret string) string {
	if secret == "" {
		return ""
	}
	return secretShown
}

// Blocks says what keeps Apply from writing, as the errors that it would return: *UnresolvedError,
// *GuardError, and a *SeatsError for the license and for each pool that is short. Nothing for a plan that can be applied.
func (p *Plan) Blocks() []error { return p.blocks(nil) }

// blocks is Blocks once so many deactivations are confirmed, nil for none.
func (p *Plan) blocks(confirmed *int) []error {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.counts()
	var out []error
	if c.Conflicts > 0 {
		out = append(out, &UnresolvedError{Conflicts: c.Conflicts})
	}
	out = append(out, withoutNil(p.guard(c, confirmed))...)
	return append(out, p.short()...)
}

// guard tells that the guard holds the plan back. confirmed is the number of deactivations that a person
// confirmed, nil for none. (A2)
func (p *Plan) guard(c Counts, confirmed *int) error {
	empty := p.Undoes == "" && p.columns != nil && p.Baseline > 0 && !p.columns.corrects && c.New+c.Updated+p.validSkipped() == 0
	switch {
	case confirmed != nil && *confirmed == c.Deactivations:
		return nil
	case confirmed != nil: // whoever confirmed saw another plan
	case p.cfg.Guard.Off || !empty && !p.cfg.Guard.exceeded(c.Deactivations, p.Baseline):
		return nil
	}
	return &GuardError{Deactivations: c.Deactivations, Baseline: p.Baseline, NoValidRow: empty, Confirmed: confirmed}
}

// validSkipped counts the rows of the file that are Skipped.
func (p *Plan) validSkipped() int {
	n := 0
	for i := range p.entries[:p.rows] {
		if p.entries[i].class == ClassSkipped {
			n++
		}
	}
	return n
}
