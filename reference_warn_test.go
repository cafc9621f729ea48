package usersync_test

import (
	"slices"

	"github.com/usersync-go/usersync"
)

// warn adds what a person should look at though nothing is wrong with the row.
func (m *model) warn(rows, removed []fate) {
	for i, l := range m.lines {
		o := rows[i]
		if o.class == usersync.ClassError {
			continue
		}
		m.noteStatus(l, o)
		m.warnReferences(l, removed)
		if m.skipped(l) != "" {
			continue
		}
		if l.dropped && o.class == usersync.ClassUpdated { // B6
			l.why.warn(usersync.CodeProtected)
		}
		m.warnShared(l)
		if o.class == usersync.ClassNew && m.looksRenamed(l, removed) {
			l.why.warn(usersync.CodeLooksRenamed)
		}
	}
}

// noteStatus says what becomes of the status. (B2, B3)
func (m *model) noteStatus(l *line, o fate) {
	says := m.saysActive(l)
	switch {
	case o.op == usersync.OpActivate:
		l.why.add(usersync.LevelNote, usersync.CodeActivates)
	case o.op == usersync.OpDeactivate:
		l.why.add(usersync.LevelNote, usersync.CodeDeactivates)
	case o.op == usersync.OpCreate && o.createsInactive(m.schema.Status):
		l.why.add(usersync.LevelNote, usersync.CodeCreatedInactive)
	case l.user != nil && !l.user.Active && m.skipped(l) == "" && says != nil && *says && !(m.config.InactiveUsers == usersync.FollowFile && m.keepsStatus()):
		l.why.add(usersync.LevelNote, usersync.CodeStaysInactive)
	}
}

// warnShared: two users with one value after the run, where the schema only warns of it. (C6)
func (m *model) warnShared(l *line) {
	for _, f := range m.schema.Fields {
		c, writes := m.write(l, f.Name)
		if f.Unique != usersync.WarnIfShared || f.Name == m.schema.Key || !writes || len(c.new) == 0 {
			continue
		}
		if m.held(l, c) || m.alsoWritten(l, c) {
			l.why.warn(usersync.CodeNotUnique)
		}
	}
}

func (m *model) alsoWritten(l *line, c change) bool {
	return slices.ContainsFunc(m.living(), func(other *line) bool {
		w, writes := m.write(other, c.field)
		return other != l && writes && usersync.Fold(w.new.String()) == usersync.Fold(c.new.String())
	})
}

// warnReferences: a manager who is inactive or whose own row is an Error, where the row names him; and one
// whom the run makes inactive, also where he was named before. (C8)
func (m *model) warnReferences(l *line, removed []fate) {
	for _, f := range m.references() {
		_, written := m.write(l, f.Name)
		if l.isNew() && m.skipped(l) != "" {
			continue
		}
		for _, p := range m.links(f)(m.personOf(l)) {
			now, after := p.user != nil && p.user.Active, m.activeAfter(p, removed)
			if !after && (now || written) {
				l.why.warn(usersync.CodeRefInactive)
			}
			if written && p.user != nil && m.hasDeadRow(p.user) {
				l.why.warn(usersync.CodeRefRowFailed)
			}
		}
	}
}

// hasDeadRow: a row of his own, or else one that has his name and may mean another too.
func (m *model) hasDeadRow(u *usersync.User) bool {
	own := slices.DeleteFunc(slices.Clone(m.lines), func(l *line) bool { return l.user != u })
	if len(own) == 0 {
		own = slices.DeleteFunc(slices.Clone(m.lines), func(l *line) bool { return !l.unclear() || l.key != m.keyOf(u) })
	}
	return slices.ContainsFunc(own, (*line).dead)
}

// activeAfter tells whether somebody is active after the run.
func (m *model) activeAfter(p person, removed []fate) bool {
	l := p.row
	if p.user != nil {
		l = m.rowOf(p.user)
	}
	switch {
	case l != nil && slices.ContainsFunc(m.writes(l), m.makesInactive):
		return false
	case p.user == nil || l != nil && m.activates(l):
		return true
	}
	isRemoved := func(o fate) bool { return o.userID == p.user.ID && o.op != "" }
	return p.user.Active && !slices.ContainsFunc(removed, isRemoved)
}

func (m *model) makesInactive(c change) bool {
	return m.schema.Status != "" && c.field == m.schema.Status && c.new.String() == "false"
}

// looksRenamed: a new user with the address, or the external id, of one who left. (B8)
func (m *model) looksRenamed(l *line, removed []fate) bool {
	for _, f := range m.schema.Fields {
		if f.Name != m.schema.Email && f.Match != f.Name {
			continue
		}
		c, writes := m.write(l, f.Name)
		for _, o := range removed {
			u := m.byID(o.userID)
			if writes && u != nil && len(c.new) > 0 &&
				usersync.Fold(u.Values.Get(f.Name)) == usersync.Fold(c.new.String()) {
				return true
			}
		}
	}
	return false
}
