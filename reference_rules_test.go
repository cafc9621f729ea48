package usersync_test

import (
	"slices"
	"strings"

	"github.com/usersync-go/usersync"
)

// change is one field that a row writes.
type change struct {
	field  string
	old    string // as the system has it
	new    value
	by     string
	asks   bool
	choice usersync.Choice // "" for a question that is open
}

func (c change) open() bool { return c.asks && c.choice == "" }
func (c change) kept() bool { return c.asks && c.choice == usersync.KeepCurrent }

// findUsers finds whom each row means, by its match fields and its key. (C5)
func (m *model) findUsers() {
	for _, l := range m.lines {
		for claim := range m.claims(l) {
			m.look(l, claim)
		}
		if len(l.found) == 1 {
			l.user = l.found[0]
		}
		if len(l.found) > 1 && !l.why.has(usersync.LevelError, usersync.CodeAmbiguousUser) {
			l.why.fail(usersync.CodeMatchDiffers)
		}
	}
}

func (m *model) look(l *line, claim string) {
	n := 0
	field, key, _ := strings.Cut(claim, " ")
	for i := range m.users {
		u := &m.users[i]
		if usersync.Fold(u.Values.Get(field)) != key {
			continue
		}
		n++
		if !slices.Contains(l.found, u) {
			l.found = append(l.found, u)
		}
	}
	if n > 1 {
		l.why.fail(usersync.CodeAmbiguousUser)
	}
}

// findDuplicates finds rows that mean the same user: by key, or because they look for him, or will be
// looked for, by one value of one field. (C4, B9)
func (m *model) findDuplicates() {
	for _, a := range m.lines {
		for _, b := range m.lines {
			switch {
			case a == b:
			case a.key != "" && a.key == b.key:
				a.why.fail(usersync.CodeDuplicateKey)
			case a.user != nil && a.user == b.user || m.claimOne(a, b):
				a.why.fail(usersync.CodeDuplicateUser)
			}
		}
	}
}

// claimOne tells that two rows claim one user.
func (m *model) claimOne(a, b *line) bool {
	for claim := range m.claims(a) {
		if m.claims(b)[claim] {
			return true
		}
	}
	return false
}

// claims are the fields of users and the values by which a row is, or would be, found.
func (m *model) claims(l *line) map[string]bool {
	out := map[string]bool{}
	for _, f := range m.schema.Fields {
		in := f.Match
		if f.Name == m.schema.Key {
			in = f.Name
		}
		if c := l.cells[f.Name]; in != "" && c.state == isGiven {
			out[in+" "+usersync.Fold(c.value.String())] = true
		}
	}
	return out
}

// wish finds what each row would write if it lives.
func (m *model) wish() {
	for _, l := range m.lines {
		switch {
		case l.unclear():
		case l.isNew():
			m.requireForNew(l)
			l.changes = m.creation(l)
		default:
			l.changes = m.changes(l)
		}
		for i := range l.changes {
			if c := &l.changes[i]; c.asks {
				c.choice = m.answer(l.number, c.field)
			}
		}
	}
}

// answer is what the last decision about a conflict said.
func (m *model) answer(row int, field string) usersync.Choice {
	var last usersync.Choice
	for _, d := range m.decisions {
		if (d.Row == 0 || d.Row == row) && (d.Field == "" || d.Field == field) {
			last = d.Choice
		}
	}
	return last
}

func (m *model) requireForNew(l *line) {
	for _, f := range m.schema.Fields {
		state := l.cells[f.Name].state
		missing := state == isBlank || state == isAbsent
		if m.required(f) == usersync.ForNewUsers && missing && !m.fills(f) { // C1
			l.why.fail(usersync.CodeRequired)
		}
	}
}

// creation is what a new user gets: the file's values whatever the rules, save for a forced one. (K1)
func (m *model) creation(l *line) []change {
	var out []change
	for _, f := range m.schema.Fields {
		v, by := m.valueForNew(l, f)
		switch {
		case matchOnly(f) || len(v) == 0:
		case f.Name == m.schema.Status && v.String() == "true": // that is nothing new
		default:
			out = append(out, change{field: f.Name, new: v, by: by})
		}
	}
	return out
}

func (m *model) valueForNew(l *line, f usersync.Field) (v value, by string) {
	c := l.cells[f.Name]
	switch {
	case m.config.Rule(f.Name).Strategy == usersync.ForceValue:
		return m.forced(l, f), string(usersync.ForceValue)
	case c.state == isGiven:
		return c.value, string(usersync.ByNewUser)
	case c.state == isBlank || c.state == isAbsent: // K3; an explicit clear is not filled
		return m.deflt(l, f), string(usersync.ByDefault)
	}
	return nil, ""
}

func (m *model) forced(l *line, f usersync.Field) value {
	return m.fixed(l, f, m.config.Rule(f.Name).Value)
}

func (m *model) deflt(l *line, f usersync.Field) value {
	return m.fixed(l, f, m.config.Defaults[f.Name])
}

// fixed is a value of the configuration, nothing where it names the user himself: that is meant for others.
func (m *model) fixed(l *line, f usersync.Field, text string) value {
	if text == "" {
		return nil
	}
	v, _ := m.canonical(f, text)
	if f.Kind == usersync.KindUser && m.names(l, v.String()) {
		return nil
	}
	return v
}

// names tells that a text is the name that the row's user will have.
func (m *model) names(l *line, text string) bool {
	key := usersync.Fold(text)
	if l.isNew() || len(m.fieldChange(l, m.field(m.schema.Key))) > 0 {
		return key == l.key
	}
	return key == m.keyOf(l.user)
}

// changes is what a row writes to an existing user, unless a behaviour skips it.
func (m *model) changes(l *line) []change {
	var out []change
	for _, f := range m.schema.Fields {
		switch {
		case matchOnly(f):
		case f.Name == m.schema.Status:
			out = append(out, m.statusChange(l, f)...)
		default:
			out = append(out, m.fieldChange(l, f)...)
		}
	}
	return out
}

// fieldChange applies the field's rule. (K1, K2, K3)
func (m *model) fieldChange(l *line, f usersync.Field) []change {
	rule, c, now := m.config.Rule(f.Name).Strategy, l.cells[f.Name], m.current(l.user, f)
	ch := change{field: f.Name, old: l.user.Values.Get(f.Name), by: string(rule)}
	blank := len(now) == 0
	switch {
	case rule == usersync.ForceValue:
		ch.new = m.forced(l, f)
		if ch.new == nil {
			return nil
		}
	case rule == usersync.KeepDestination:
		return nil
	case c.state == isBroken:
		return nil
	case c.state == isBlank || c.state == isAbsent:
		if !blank || len(m.deflt(l, f)) == 0 {
			return nil
		}
		ch.new, ch.by = m.deflt(l, f), string(usersync.ByDefault)
	case rule == usersync.UpdateIfEmpty && !blank:
		return nil
	case rule == usersync.Merge && c.state == isGiven:
		ch.new = m.union(f, now, c.value)
	default:
		ch.new = c.value // nothing for a cell that clears
		ch.asks = rule == usersync.AskAtRuntime && !blank
	}
	if m.same(f, ch.new, now) {
		return nil
	}
	return []change{ch}
}

func (m *model) union(f usersync.Field, a, b value) value {
	out := slices.Clone(a)
	for _, item := range b {
		if !m.has(f, out, item) {
			out = append(out, item)
		}
	}
	return out
}

// saysActive is what a row says about the status, nil if nothing. A forced value replaces the cell.
func (m *model) saysActive(l *line) *bool {
	f := m.field(m.schema.Status)
	v := l.cells[f.Name].value
	if m.config.Rule(f.Name).Strategy == usersync.ForceValue {
		v = m.forced(l, f)
	}
	if m.schema.Status == "" || len(v) == 0 {
		return nil
	}
	says := v.String() == "true"
	return &says
}

// statusChange follows B2 for an inactive user and B3 for an active one.
func (m *model) statusChange(l *line, f usersync.Field) []change {
	says, rule := m.saysActive(l), m.config.Rule(f.Name).Strategy
	saysNo := says != nil && !*says
	switch {
	case m.follows(l):
		return []change{{field: f.Name, old: "false", new: value{"true"}, by: string(rule), asks: rule == usersync.AskAtRuntime}}
	case !l.user.Active:
		if !m.activates(l) {
			return nil
		}
		return []change{{field: f.Name, old: "false", new: value{"true"}, by: string(usersync.ByBehaviour)}}
	case !saysNo || m.keepsStatus():
		return nil
	case slices.Contains(m.protected, l.user.ID): // B6
		l.dropped = true
		return nil
	}
	return []change{{field: f.Name, old: "true", new: value{"false"}, by: string(rule),
		asks: rule == usersync.AskAtRuntime}}
}

// activates: an explicit false beats the behaviour. (B2)
func (m *model) activates(l *line) bool {
	if m.follows(l) {
		_, writes := m.write(l, m.schema.Status)
		return writes
	}
	says := m.saysActive(l)
	return l.user != nil && !l.user.Active && m.config.InactiveUsers == usersync.Activate && (says == nil || *says)
}

// follows: an explicit true, under a rule that lets it through. (B2)
func (m *model) follows(l *line) bool {
	says := m.saysActive(l)
	return l.user != nil && !l.user.Active && m.config.InactiveUsers == usersync.FollowFile && says != nil && *says &&
		!m.keepsStatus()
}

func (m *model) keepsStatus() bool {
	rule := m.config.Rule(m.schema.Status).Strategy
	return rule == usersync.KeepDestination || rule == usersync.UpdateIfEmpty
}

// skipped is the behaviour's reason for leaving a row's user alone, "" if it does not. (B1, B2)
func (m *model) skipped(l *line) usersync.Code {
	switch {
	case l.isNew() && m.config.NewUsers == usersync.Skip:
		return usersync.CodeNewSkipped
	case l.isNew() || l.unclear():
		return ""
	case m.config.ExistingUsers == usersync.Skip:
		return usersync.CodeExistingSkipped
	case !l.user.Active && m.config.InactiveUsers == usersync.Skip:
		return usersync.CodeInactiveSkipped
	}
	return ""
}

// writes are the changes that a row makes if it lives.
func (m *model) writes(l *line) []change {
	if l.unclear() || m.skipped(l) != "" {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(l.changes), change.kept)
}

// write is the change that a row makes to one field if it lives.
func (m *model) write(l *line, field string) (change, bool) {
	all := m.writes(l)
	i := slices.IndexFunc(all, func(c change) bool { return c.field == field })
	if i < 0 {
		return change{}, false
	}
	return all[i], true
}
