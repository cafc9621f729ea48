package usersync

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// Design note: assignment rules.
//
// What rules add is worked out behind the comparison of a row with its user, when it is known what the row
// writes, and before the row gets its class. It becomes an ordinary setting: applied, ordered, counted,
// shown and taken back as any other. So that the same file changes nothing the second time (B9), no rule asks
// about a field to which rules add, and what they add is compared with what the user has.
//
// An answer to a conflict can change what rules see. Entries with a question about a field that rules ask
// about therefore keep what it takes to ask the rules again: the settings without what rules added, and the
// user's current values of those fields. No other entry has anything to remember but which rule added what.

// assigner is the assignments of a configuration, prepared. It is pure but for its memory, and used by one
// goroutine.
type assigner struct {
	schema  *schema
	targets []target
	asks    []bool    // by field: a condition asks about it
	seen    []subject // by field: what conditions have looked at of the user under way
	chosen  []*preparedRule
}

// target is a field that rules add to.
type target struct {
	field *field
	keeps bool // of existing users: what the system has stays as it is (K1)
	sets  []ruleSet
}

// ruleSet is one assignment.
type ruleSet struct {
	all   bool
	rules []preparedRule
}

// preparedRule is one rule.
type preparedRule struct {
	at         int32 // place among all rules of the configuration
	any        bool
	conditions []condition
	values     string // canonical, a list: whatever wants to look up what rules add finds it here
}

type condition struct {
	field    int32
	op       ConditionOp
	not      bool
	forms    []string // see conditionForm
	patterns []*regexp.Regexp
}

// subject is what a user has in one field, after the run and without what rules add.
type subject struct {
	read         bool
	items, forms []string
}

// prepareAssignments prepares the assignments of a valid configuration; nil for one that has none. A value that
// the product's own checks took when a plan was stored, and do not take now, is left out.
func prepareAssignments(s *schema, cfg *Config) *assigner {
	if len(cfg.Assignments) == 0 {
		return nil
	}
	a := &assigner{schema: s, asks: make([]bool, len(s.fields)), seen: make([]subject, len(s.fields))}
	at := int32(0)
	for i := range cfg.Assignments {
		set := ruleSet{all: cfg.Assignments[i].Match == AllMatches}
		f := a.fieldOf(cfg.Assignments[i].Field)
		for j := range cfg.Assignments[i].Rules {
			set.rules = append(set.rules, a.prepare(f, at, &cfg.Assignments[i].Rules[j]))
			at++
		}
		t := a.target(f, cfg)
		t.sets = append(t.sets, set)
	}
	return a
}

// fieldOf is the field of that name; a valid configuration names no other.
func (a *assigner) fieldOf(name string) *field { return &a.schema.fields[a.schema.byName[name]] }

func (a *assigner) target(f *field, cfg *Config) *target {
	for i := range a.targets {
		if a.targets[i].field == f {
			return &a.targets[i]
		}
	}
	a.targets = append(a.targets, target{field: f, keeps: cfg.Rule(f.Name).Strategy == KeepDestination})
	return &a.targets[len(a.targets)-1]
}

func (a *assigner) prepare(f *field, at int32, r *AssignRule) preparedRule {
	out := preparedRule{at: at, any: r.Any}
	for _, value := range r.Values {
		out.values = mergeLists(f, out.values, canonicalOf(f, value))
	}
	for i := range r.If {
		out.conditions = append(out.conditions, a.condition(&r.If[i]))
	}
	return out
}

func (a *assigner) condition(c *Condition) condition {
	f := a.fieldOf(c.Field)
	a.asks[f.index] = true
	out := condition{field: int32(f.index), op: c.Op, not: c.Not}
	for _, value := range c.Values {
		switch c.Op {
		case IfPattern:
			if re, err := wholePattern(value); err == nil {
				out.patterns = append(out.patterns, re)
			}
		case IfPrefix:
			out.forms = append(out.forms, conditionForm(f, cleaned(value)))
		default:
			for _, item := range listItems(canonicalOf(f, value)) {
				out.forms = append(out.forms, conditionForm(f, item))
			}
		}
	}
	return out
}

// situation is a user as the rules find it.
type situation struct {
	account  account
	settings []setting // in the schema's order, without what rules add
	user     *User     // nil for a new one, or where known has what rules need
	known    []knownValue
}

// knownValue is what the store has in a field.
type knownValue struct {
	field int32
	raw   string
}

// raw is what the store has in a field, "" for a new user.
func (s *situation) raw(f *field) string {
	if s.user != nil {
		return s.user.Values.raw(f.Name, f.index)
	}
	for i := range s.known {
		if int(s.known[i].field) == f.index {
			return s.known[i].raw
		}
	}
	return ""
}

// find is the place of a field among settings, and whether it is there.
func find(settings []setting, field int) (int, bool) {
	return slices.BinarySearchFunc(settings, int32(field), func(s setting, at int32) int { return cmp.Compare(s.field, at) })
}

// addition is what rules added to a field.
type addition struct {
	field int32
	rules []int32 // by their place among all rules of the configuration
}

// assign puts what the rules add into the settings, and tells which rules it was.
func (a *assigner) assign(s *situation) []addition {
	for i := range a.seen {
		a.seen[i].read = false
	}
	var added []addition
	for i := range a.targets {
		t := &a.targets[i]
		if t.keeps && s.account != noAccount {
			continue
		}
		if rules := a.assignTo(t, s); rules != nil {
			added = append(added, addition{int32(t.field.index), rules})
		}
	}
	return added
}

// assignTo is assign for one field. A value that is then the one that the user has is not written.
func (a *assigner) assignTo(t *target, s *situation) []int32 {
	raw := s.raw(t.field)
	current := t.field.stored(raw)
	at, is := find(s.settings, t.field.index)
	base := current
	if is {
		base = s.settings[at].new
	}
	value, rules := a.add(t, base, s)
	switch same := t.field.same(value, current); {
	case rules == nil:
		return nil
	case same && is:
		s.settings = slices.Delete(s.settings, at, at+1)
		return nil
	case same:
		return nil
	case !is:
		s.settings = slices.Insert(s.settings, at, setting{field: int32(t.field.index), by: ByAssignment, old: raw})
	}
	s.settings[at].new = value
	return rules
}

// add gives a list with what the rules add to it, and the rules that added something.
func (a *assigner) add(t *target, base string, s *situation) (value string, rules []int32) {
	value = base
	for i := range t.sets {
		for _, r := range a.deciding(&t.sets[i], s) {
			if more := mergeLists(t.field, value, r.values); len(more) > len(value) {
				value, rules = more, append(rules, r.at)
			}
		}
	}
	return value, rules
}

// deciding are the rules of a set that decide about a user.
func (a *assigner) deciding(set *ruleSet, s *situation) []*preparedRule {
	a.chosen = a.chosen[:0]
	for i := range set.rules {
		if r := &set.rules[i]; a.fits(r, s) {
			a.chosen = append(a.chosen, r)
			if !set.all {
				break
			}
		}
	}
	return a.chosen
}

// fits tells whether a rule is about a user.
func (a *assigner) fits(r *preparedRule, s *situation) bool {
	for i := range r.conditions {
		c := &r.conditions[i]
		if c.holds(a.look(c.field, s)) == r.any {
			return r.any
		}
	}
	return !r.any || len(r.conditions) == 0
}

func (c *condition) holds(s *subject) bool { return c.compare(s) != c.not }

func (c *condition) compare(s *subject) bool {
	switch c.op {
	case IfEmpty:
		return len(s.items) == 0
	case IfPattern:
		return anyOf(c.patterns, s.items, (*regexp.Regexp).MatchString)
	case IfPrefix:
		return anyOf(c.forms, s.forms, func(prefix, form string) bool { return strings.HasPrefix(form, prefix) })
	}
	return anyOf(c.forms, s.forms, func(wanted, form string) bool { return wanted == form })
}

// anyOf tells whether one of the items fits one of those that are wanted.
func anyOf[T any](wanted []T, items []string, fits func(T, string) bool) bool {
	for _, w := range wanted {
		for _, item := range items {
			if fits(w, item) {
				return true
			}
		}
	}
	return false
}

// look gives what conditions see of a field, once for each user.
func (a *assigner) look(field int32, s *situation) *subject {
	out := &a.seen[field]
	if !out.read {
		out.read, out.items, out.forms = true, listItems(a.after(field, s)), out.forms[:0]
		f := &a.schema.fields[field]
		for _, item := range out.items {
			out.forms = append(out.forms, conditionForm(f, item))
		}
	}
	return out
}

// after is the canonical value that the user has after the run.
func (a *assigner) after(field int32, s *situation) string {
	f := &a.schema.fields[field]
	at, is := find(s.settings, f.index)
	switch {
	case is && s.settings[at].writes():
		return s.settings[at].new
	case f.index == a.schema.status && s.account == inactiveAccount:
		return "false"
	case f.index == a.schema.status:
		return "true"
	case is:
		return f.stored(s.settings[at].old)
	}
	return f.stored(s.raw(f))
}

// asked tells that an answer to a question can change what the rules see.
func (a *assigner) asked(settings []setting) bool {
	return slices.ContainsFunc(settings, func(s setting) bool { return s.choice != noQuestion && a.asks[s.field] })
}

// isTarget tells that rules add to a field.
func (a *assigner) isTarget(field int32) bool {
	return slices.ContainsFunc(a.targets, func(t target) bool { return int32(t.field.index) == field })
}

// assigned is what rules did to an entry and, where an answer can change it, what they need to be asked again.
type assigned struct {
	added []addition
	base  []setting    // of the fields that rules add to: what would be written without them
	known []knownValue // what the store has in the fields that no question is about
}

// assign lets the rules add to what is to be written, c.buf. It gives nil where there is nothing to keep.
func (c *comparer) assign(u *User, account account) *assigned {
	s := &situation{account: account, settings: c.buf, user: u}
	var keep assigned
	if c.assigner.asked(c.buf) {
		keep = c.assigner.remember(s, &c.keep)
	}
	keep.added = c.assigner.assign(s)
	c.buf = s.settings
	if keep.added == nil && keep.base == nil && keep.known == nil {
		return nil
	}
	return &keep
}

// remember keeps what the rules need to be asked again.
func (a *assigner) remember(s *situation, arena *arena) assigned {
	var out assigned
	for i := range a.schema.fields {
		f := &a.schema.fields[i]
		at, is := find(s.settings, i)
		isTarget := a.isTarget(int32(i))
		if isTarget && is {
			base := s.settings[at]
			base.old, base.new = arena.keep(base.old), arena.keep(base.new)
			out.base = append(out.base, base)
		}
		if raw := s.raw(f); raw != "" && (isTarget || a.asks[i] && !is) {
			out.known = append(out.known, knownValue{int32(i), arena.keep(raw)})
		}
	}
	return out
}

// reassign asks the rules again where answers may have changed what they see.
func (p *Plan) reassign() {
	a := prepareAssignments(p.schema, &p.cfg)
	if a == nil {
		return
	}
	for i := range p.entries[:p.rows] {
		if e := &p.entries[i]; e.more != nil && a.asked(e.more.settings) {
			e.reassign(a)
		}
	}
}

func (e *entry) reassign(a *assigner) {
	var kept assigned
	if e.more.assigned != nil {
		kept = *e.more.assigned
	}
	s := &situation{account: e.account, known: kept.known}
	s.settings = slices.DeleteFunc(slices.Clone(e.more.settings), func(set setting) bool { return a.isTarget(set.field) })
	for _, base := range kept.base {
		at, _ := find(s.settings, int(base.field))
		s.settings = slices.Insert(s.settings, at, base)
	}
	kept.added = a.assign(s)
	e.more.settings, e.more.assigned = s.settings, &kept
}

// rulesOf are the rules that added to a field of the entry.
func (m *more) rulesOf(field int32) []int32 {
	if m.assigned == nil {
		return nil
	}
	for i := range m.assigned.added {
		if m.assigned.added[i].field == field {
			return m.assigned.added[i].rules
		}
	}
	return nil
}

// ruleNames are the names of rules, by their place among all of the configuration.
func (c *Config) ruleNames(rules []int32) string {
	var names []string
	first := 0
	for i := range c.Assignments {
		for _, at := range rules {
			if j := int(at) - first; j >= 0 && j < len(c.Assignments[i].Rules) {
				names = append(names, c.Assignments[i].Rules[j].Name)
			}
		}
		first += len(c.Assignments[i].Rules)
	}
	return strings.Join(names, ", ")
}

// countRules is how many rules there are.
func (c *Config) countRules() int {
	n := 0
	for i := range c.Assignments {
		n += len(c.Assignments[i].Rules)
	}
	return n
}

// Assigned is what one assignment rule does in a plan.
type Assigned struct {
	Assignment int    `json:"assignment"` // its place in Config.Assignments
	Field      string `json:"field"`
	Rule       string `json:"rule"` // its name
	Rows       int    `json:"rows"` // to whose field it adds something
}

// Assigned counts, for every rule of every assignment in order, the rows that it adds something to as the plan is
// now decided: those of users who are in the groups already, and Errors, are not among them. It is nil for a
// configuration without assignments.
func (p *Plan) Assigned() []Assigned {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Assigned
	for i, a := range p.cfg.Assignments {
		for _, r := range a.Rules {
			out = append(out, Assigned{Assignment: i, Field: a.Field, Rule: r.Name})
		}
	}
	for i := range p.entries {
		e := &p.entries[i]
		if out == nil || e.class == ClassError || e.more == nil || e.more.assigned == nil {
			continue
		}
		for _, to := range e.more.assigned.added {
			for _, at := range to.rules {
				out[at].Rows++
			}
		}
	}
	return out
}
