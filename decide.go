package usersync

import (
	"fmt"
	"iter"
	"maps"
	"sort"
)

// Choice is the answer to a conflict, or what is to become of a thing that is missing.
type Choice string

// The answers.
const (
	TakeFile    Choice = "file"    // write the file's value
	KeepCurrent Choice = "current" // keep the value that the system has

	CreateMissing Choice = "create" // create what rows name and there is not; see Plan.Missing
	LeaveMissing  Choice = "leave"  // do not create it after all: the rows are Errors again
)

// Conflict is a field of an existing user that a person has to decide.
type Conflict struct {
	Row      int    `json:"row"`
	Name     string `json:"name"`
	UserID   string `json:"userId"`
	Field    string `json:"field"`
	Current  string `json:"current"`
	Incoming string `json:"incoming"`         // "" clears the field
	Choice   Choice `json:"choice,omitempty"` // what was decided, "" for nothing yet
}

// Decision answers one conflict (Row and Field), all conflicts of a field or of a row, or all of them. With
// CreateMissing or LeaveMissing it is about missing things instead: about the one that Value names, or all, of those
// that Field names, or of all fields.
type Decision struct {
	Row   int    `json:"row,omitempty"`   // 0 for every row
	Field string `json:"field,omitempty"` // "" for every field
	// Value is the name of a missing thing, "" for all of them.
	Value string `json:"value,omitempty"`
	// Choice is the answer.
	Choice Choice `json:"choice"`
	// Remember makes the answer the field's rule from now on, UseSource or KeepDestination. The run's
	// Config has it once the plan was applied. It needs a Field.
	Remember bool `json:"remember,omitempty"`
}

// Conflicts yields the conflicts of the plan, decided ones too, in the order of the rows.
func (p *Plan) Conflicts() iter.Seq[Conflict] {
	return func(yield func(Conflict) bool) {
		for i := range p.entries {
			for _, c := range p.conflictsOf(i) {
				if !yield(c) {
					return
				}
			}
		}
	}
}

func (p *Plan) conflictsOf(i int) []Conflict {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := &p.entries[i]
	if e.more == nil || e.class == ClassError {
		return nil
	}
	var out []Conflict
	for j := range e.more.settings {
		s := &e.more.settings[j]
		if s.choice == noQuestion {
			continue
		}
		out = append(out, Conflict{Row: int(e.number), Name: e.name, UserID: e.userID,
			Field: p.schema.fields[s.field].Name, Current: showValue(s.old), Incoming: showValue(s.new),
			Choice: s.choice.public()})
	}
	return out
}

func (c choice) public() Choice {
	switch c {
	case takeFile:
		return TakeFile
	case keepCurrent:
		return KeepCurrent
	}
	return ""
}

// Resolve carries decisions out, one after the other, a later one overruling an earlier one. Either all
// of them are carried out or, with an *InvalidError that lists what is wrong, none. Decisions can change
// the classes of rows: what is kept may leave nothing to change, and an answer can make or mend an error
// of another row, such as a loop of managers. Assignment rules follow the answers.
func (p *Plan) Resolve(decisions ...Decision) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.schema == nil {
		return fmt.Errorf("%w: the plan does not come from Preview", ErrInvalid)
	}
	if p.run != nil {
		return fmt.Errorf("%w: the plan is being, or was, applied by run %s", ErrInvalid, p.run.ID)
	}
	var bad problems
	for i, d := range decisions {
		p.checkDecision(fmt.Sprintf("decisions.%d", i), d, &bad)
	}
	if err := bad.err("decision"); err != nil {
		return err
	}
	for _, d := range decisions {
		p.decide(d)
	}
	p.reassign()
	settle(p)
	p.decided = true
	return nil
}

func (p *Plan) checkDecision(path string, d Decision, bad *problems) {
	oneOf(path+".choice", d.Choice, bad, TakeFile, KeepCurrent, CreateMissing, LeaveMissing)
	if _, known := p.schema.byName[d.Field]; d.Field != "" && !known {
		bad.add(path+".field", "there is no field %q", d.Field)
	}
	if d.isAboutThings() {
		p.checkThingDecision(path, d, bad)
		return
	}
	if d.Value != "" {
		bad.add(path+".value", "is only for %q and %q", CreateMissing, LeaveMissing)
	}
	if d.Remember && d.Field == "" {
		bad.add(path+".remember", "needs a field to remember the choice for")
	}
	switch {
	case d.Row < 0:
		bad.add(path+".row", "cannot be negative")
	case d.Row != 0 && d.Field != "" && !p.hasConflict(d):
		bad.add(path, "row %d has no conflict in %s", d.Row, d.Field)
	case d.Remember && !p.hasConflict(d):
		bad.add(path+".remember", "there is no conflict in %s to remember the answer to", d.Field)
	}
}

func (p *Plan) hasConflict(d Decision) bool {
	found := false
	p.eachConflict(d, func(*setting) { found = true })
	return found
}

// eachConflict calls do for every conflict that a decision is about.
func (p *Plan) eachConflict(d Decision, do func(*setting)) {
	rows := p.entries[:p.rows]
	if d.Row != 0 { // rows come by increasing number
		at := sort.Search(len(rows), func(i int) bool { return int(rows[i].number) >= d.Row })
		rows = rows[at:min(at+1, len(rows))]
	}
	for i := range rows {
		e := &rows[i]
		if e.more == nil || d.Row != 0 && d.Row != int(e.number) {
			continue
		}
		for j := range e.more.settings {
			s := &e.more.settings[j]
			if s.choice != noQuestion && (d.Field == "" || p.schema.fields[s.field].Name == d.Field) {
				do(s)
			}
		}
	}
}

func (p *Plan) decide(d Decision) {
	if d.isAboutThings() {
		p.decideThings(d)
		return
	}
	answer, strategy := takeFile, UseSource
	if d.Choice == KeepCurrent {
		answer, strategy = keepCurrent, KeepDestination
	}
	p.eachConflict(d, func(s *setting) { s.choice = answer })
	switch {
	case d.Remember:
		if p.remember == nil {
			p.remember = map[string]Rule{}
		}
		p.remember[d.Field] = Rule{Strategy: strategy}
	case d.Row == 0: // another answer for the whole field, or for all of them
		maps.DeleteFunc(p.remember, func(field string, _ Rule) bool { return d.Field == "" || d.Field == field })
	}
}

// Remembered are the rules that decisions asked to remember, by field; nil if none did.
func (p *Plan) Remembered() map[string]Rule {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.remember) == 0 {
		return nil
	}
	return maps.Clone(p.remember)
}

// facts are what the class of an entry depends on, as far as it is decided.
func (p *Plan) facts(e *entry) facts {
	f := facts{account: e.account, wish: e.wish, protected: e.has(isProtected), keyOnly: e.has(isKeyOnly)}
	if e.more == nil {
		return f
	}
	f.bad = e.more.hasError()
	for i := range e.more.settings {
		s := &e.more.settings[i]
		isStatus := int(s.field) == p.schema.status
		switch {
		case s.choice == keepCurrent:
			f.kept = true
			if isStatus {
				f.wish = asItIs
			}
		case !isStatus:
			f.changes = true
		}
	}
	return f
}

// classifyEntry gives a row its class and the reasons that come of it.
func (p *Plan) classifyEntry(e *entry) {
	if e.number == 0 {
		return
	}
	v := classify(&p.cfg, p.facts(e))
	e.class = v.class
	m := e.and()
	m.op, m.verdict = v.op, v.reasons(e, p.schema, p.columns)
}

// reasons puts a verdict into words.
func (v verdict) reasons(e *entry, s *schema, c *columns) []Reason {
	var out []Reason
	for _, code := range []Code{v.code, v.also} {
		switch {
		case code == CodeStaysInactive && e.wish != wantsActive:
		case code == CodeProtected && v.class == ClassUpdated:
			out = append(out, warning(code))
		case code == CodeKeyOnly:
			out = append(out, note(code, "column", c.list[c.cells[s.key]].Header))
		case code != "":
			out = append(out, note(code))
		}
	}
	return out
}

// asked are the fields that the authorizer is asked about: those that are written. Where the schema has
// no status field, it is asked about a change of the status all the same. (A11)
func (p *Plan) asked(e *entry) []string {
	var fields []string
	if p.schema.status < 0 && (e.more.op == OpDeactivate || e.more.op == OpActivate) {
		fields = append(fields, p.schema.Status)
	}
	for i := range e.more.settings {
		if s := &e.more.settings[i]; s.writes() {
			fields = append(fields, p.schema.fields[s.field].Name)
		}
	}
	return fields
}

// place names the column of a field and, in a workbook, its cell in the entry's row.
func (p *Plan) place(entry int32, field int) (column, cell string) {
	return p.columns.place(int(p.entries[entry].number), field)
}
