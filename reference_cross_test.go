package usersync_test

import (
	"slices"

	"github.com/usersync-go/usersync"
)

// spread lets rows give each other errors until nothing more comes of it. Loops come last: a row that
// has died of something else makes none. (C6, C8)
func (m *model) spread() {
	for m.uniqueErrors() || m.referenceErrors() || m.rings() || m.loops() {
	}
}

// living are the rows that are carried out, as far as it is known.
func (m *model) living() []*line {
	return slices.DeleteFunc(slices.Clone(m.lines), func(l *line) bool {
		return l.dead() || l.unclear() || m.skipped(l) != ""
	})
}

// rowOf is the living row of an existing user, nil if there is none.
func (m *model) rowOf(u *usersync.User) *line {
	for _, l := range m.living() {
		if l.user == u {
			return l
		}
	}
	return nil
}

// verdict is an error that a row gets at the end of a round: within one, the order of the rows is of no
// account.
type verdict struct {
	row  *line
	code usersync.Code
}

// carryOut tells whether any of the errors is new.
func carryOut(all []verdict) bool {
	found := false
	for _, v := range all {
		found = v.row.why.fail(v.code) || found
	}
	return found
}

// uniqueErrors finds rows whose value another row wants, or an existing user keeps. (C6)
func (m *model) uniqueErrors() bool {
	var found []verdict
	for _, f := range m.schema.Fields {
		if f.Unique != usersync.MustBeUnique || f.Name == m.schema.Key {
			continue
		}
		for _, l := range m.lines {
			c, writes := m.write(l, f.Name)
			if writes && len(c.new) > 0 && (m.wanted(l, c) || m.held(l, c)) {
				found = append(found, verdict{l, usersync.CodeNotUnique})
			}
		}
	}
	return carryOut(found)
}

// wanted tells that another row wants the value too, whether or not it has other errors.
func (m *model) wanted(l *line, c change) bool {
	return slices.ContainsFunc(m.lines, func(other *line) bool {
		w, writes := m.write(other, c.field)
		if other.unclear() && m.config.ExistingUsers != usersync.Skip {
			w.new, writes = other.cells[c.field].value, true
		}
		return other != l && writes && usersync.Fold(w.new.String()) == usersync.Fold(c.new.String())
	})
}

// held tells that an existing user has the value and no living row takes it off him.
func (m *model) held(l *line, c change) bool {
	return slices.ContainsFunc(m.holders(l, c), func(u *usersync.User) bool { return m.releaser(u, c.field) == nil })
}

// holders are the users, other than the row's own, who have the value now.
func (m *model) holders(l *line, c change) []*usersync.User {
	var out []*usersync.User
	for i := range m.users {
		u := &m.users[i]
		if u != l.user && usersync.Fold(u.Values.Get(c.field)) == usersync.Fold(c.new.String()) {
			out = append(out, u)
		}
	}
	return out
}

// releaser is the living row that gives a user another value, nil if there is none.
func (m *model) releaser(u *usersync.User, field string) *line {
	l := m.rowOf(u)
	if l == nil {
		return nil
	}
	if _, writes := m.write(l, field); !writes {
		return nil
	}
	return l
}

// rings finds living rows that wait for each other's values: no order of writing is right. (C6)
func (m *model) rings() bool {
	waits := func(l *line) []*line {
		var out []*line
		for _, f := range m.schema.Fields {
			c, writes := m.write(l, f.Name)
			if f.Unique != usersync.MustBeUnique || f.Name == m.schema.Key || !writes || len(c.new) == 0 {
				continue
			}
			for _, u := range m.holders(l, c) {
				out = append(out, m.releaser(u, f.Name))
			}
		}
		return out
	}
	var found []verdict
	for _, l := range m.living() {
		if onCycle(l, waits) {
			found = append(found, verdict{l, usersync.CodeCannotOrder})
		}
	}
	return carryOut(found)
}

// onCycle tells that steps lead from a node back to itself.
func onCycle[T comparable](start T, steps func(T) []T) bool {
	seen, next := map[T]bool{}, steps(start)
	for len(next) > 0 {
		at := next[0]
		next = next[1:]
		if at == start {
			return true
		}
		if !seen[at] {
			seen[at] = true
			next = append(next, steps(at)...)
		}
	}
	return false
}

// references are the fields that name other users.
func (m *model) references() []usersync.Field {
	return slices.DeleteFunc(slices.Clone(m.schema.Fields), func(f usersync.Field) bool {
		return f.Kind != usersync.KindUser
	})
}

// keyAfter is the key that an existing user has after the run.
func (m *model) keyAfter(u *usersync.User) string {
	if l := m.rowOf(u); l != nil {
		return m.ownKey(l)
	}
	return m.keyOf(u)
}

// ownKey is the key of a row's user after the run, if the row lives.
func (m *model) ownKey(l *line) string {
	if l.isNew() {
		return l.key
	}
	if c, renames := m.write(l, m.schema.Key); renames {
		return usersync.Fold(c.new.String())
	}
	return m.keyOf(l.user)
}

// named finds whom a key names after the run: existing users, and rows that would make somebody of that
// name, dead and skipped ones too.
func (m *model) named(key string) (rows []*line, users []*usersync.User) {
	for _, l := range m.lines {
		_, renames := m.write(l, m.schema.Key)
		if l.key == key && key != "" && (l.isNew() || l.unclear() || l.dead() && renames) {
			rows = append(rows, l)
		}
	}
	for i := range m.users {
		if u := &m.users[i]; m.keyAfter(u) == key && !m.failsToRename(u) {
			users = append(users, u)
		}
	}
	return rows, users
}

// failsToRename: a row in Error that would rename a user makes both names useless to other rows, so that
// it is of no account which error comes first.
func (m *model) failsToRename(u *usersync.User) bool {
	fails := false
	for _, l := range m.lines {
		_, renames := m.write(l, m.schema.Key)
		switch {
		case l.user != u:
		case l.dead() && renames:
			fails = true
		default: // another row has the user under the old name
			return false
		}
	}
	return fails
}

func (m *model) nameIsInDoubt(key string) bool {
	for i := range m.users {
		if u := &m.users[i]; m.keyOf(u) == key && m.failsToRename(u) {
			return true
		}
	}
	return false
}

// referenceErrors checks the references that rows would write. (C8)
func (m *model) referenceErrors() bool {
	var found []verdict
	for _, f := range m.references() {
		for _, l := range m.lines {
			c, writes := m.write(l, f.Name)
			if !writes || len(c.new) == 0 {
				continue
			}
			if bad := m.badReference(l, usersync.Fold(c.new.String())); bad != "" {
				found = append(found, verdict{l, bad})
			}
		}
	}
	return carryOut(found)
}

func (m *model) badReference(l *line, key string) usersync.Code {
	rows, users := m.named(key)
	switch {
	case key == m.ownKey(l):
		return usersync.CodeRefSelf
	case len(users) > 1:
		return usersync.CodeRefAmbiguous
	case len(users) == 1:
		return ""
	case len(rows) == 0 && m.nameIsInDoubt(key):
		return usersync.CodeRefErrorRow
	case len(rows) == 0:
		return usersync.CodeRefUnknown
	case m.skipped(rows[0]) == usersync.CodeNewSkipped:
		return usersync.CodeRefNotCreated
	case rows[0].dead():
		return usersync.CodeRefErrorRow
	}
	return ""
}

// loops finds rows whose link is part of a loop after the run. All of them die at once. (C8)
func (m *model) loops() bool {
	var found []verdict
	for _, f := range m.references() {
		for _, l := range m.living() {
			c, writes := m.write(l, f.Name)
			if writes && len(c.new) > 0 && onCycle(m.personOf(l), m.links(f)) {
				found = append(found, verdict{l, usersync.CodeRefLoop})
			}
		}
	}
	return carryOut(found)
}

// person is somebody after the run: an existing user, or a living row's new one.
type person struct {
	user *usersync.User
	row  *line
}

func (m *model) personOf(l *line) person {
	if l.user != nil {
		return person{user: l.user}
	}
	return person{row: l}
}

// links gives the people whom a person's reference means after the run.
func (m *model) links(f usersync.Field) func(person) []person {
	return func(p person) []person {
		key, written := m.linkAfter(p, f)
		if key == "" {
			return nil
		}
		switch known := m.knownAs(key); {
		case written || len(known) == 0:
		case len(known) == 1:
			return known
		default: // it cannot be told who is meant
			return nil
		}
		var out []person
		rows, users := m.named(key)
		for _, u := range users {
			out = append(out, person{user: u})
		}
		for _, l := range rows {
			if slices.Contains(m.living(), l) {
				out = append(out, person{row: l})
			}
		}
		return out
	}
}

// knownAs finds whom a key names before the run. A link that is not written stays with its person, also
// when the run renames him.
func (m *model) knownAs(key string) []person {
	var out []person
	for i := range m.users {
		if m.keyOf(&m.users[i]) == key {
			out = append(out, person{user: &m.users[i]})
		}
	}
	return out
}

// linkAfter is the key that a person's reference has after the run, and whether the run writes it.
func (m *model) linkAfter(p person, f usersync.Field) (key string, written bool) {
	l := p.row
	if p.user != nil {
		l = m.rowOf(p.user)
	}
	if l != nil {
		if c, writes := m.write(l, f.Name); writes {
			return usersync.Fold(c.new.String()), true
		}
	}
	if p.user != nil {
		return usersync.Fold(p.user.Values.Get(f.Name)), false
	}
	return "", false
}
