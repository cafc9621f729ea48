package usersync

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// comparer turns checked rows and their users into entries of the plan. It is used by one goroutine, and
// pure but for the memory that it hands out.
type comparer struct {
	schema  *schema
	cfg     *Config
	rules   []fieldRule
	columns *columns
	today   string // the day of the preview, as canonical dates are
	keep    arena
	buf     []setting

	assigner *assigner // nil without assignments
	assigned *assigned // of the row under way
}

// match is what was found about the user of a row.
type match struct {
	user      *User // nil if there is none, or if it cannot be told who is meant
	reasons   []Reason
	protected bool
	others    []string // ids of users who may be meant, where user is nil
	names     []string // of the same
	byMatch   bool     // a match field found somebody
}

// entry compares a row with its user. Everything of the row that the plan needs is copied.
func (c *comparer) entry(r *checked, m match) entry {
	e := entry{number: int32(r.number), key: c.keep.keep(r.key)}
	if r.hidden {
		e.flags |= isHidden
	}
	if m.protected {
		e.flags |= isProtected
	}
	if len(m.others) > 1 {
		e.flags |= isUnclear
	}
	e.name = r.values[c.schema.key]
	if r.states[c.schema.key] != given {
		e.name = ""
	}
	if u := m.user; u != nil {
		c.identify(&e, u)
	}
	e.name, e.userID = c.keep.keep(e.name), c.keep.keep(e.userID)
	e.wish = c.wish(r, m.user)
	own := append(r.reasons, m.reasons...)
	own = append(own, c.requiredForNew(r, &e)...)
	if c.isOver(r, m.user) {
		e.flags |= isOver
		own = append(own, c.lastDayNote(r, m.user))
	}
	if m.user != nil && c.givesOnlyKey(r) {
		e.flags |= isKeyOnly
	}
	if c.wouldWrite(&e) {
		c.compare(r, m.user, &e)
		if c.assigner != nil {
			c.assigned = c.assign(m.user, e.account)
		}
	}
	if own != nil {
		e.and().own = own
	}
	if len(r.wants) > 0 {
		e.and().wants = slices.Clone(r.wants)
	}
	c.complete(&e, r, m.user)
	return e
}

// wouldWrite tells whether the row would be carried out at all, had it no error. A row that fits several
// users is a row of an existing one, whichever that is.
func (c *comparer) wouldWrite(e *entry) bool {
	f := facts{account: e.account, wish: e.wish, protected: e.has(isProtected), changes: true}
	if e.has(isUnclear) {
		f.account = activeAccount
	}
	return classify(c.cfg, f).op != ""
}

// identify records who the user of the row is.
func (c *comparer) identify(e *entry, u *User) {
	e.userID, e.account = u.ID, inactiveAccount
	if u.Active {
		e.account = activeAccount
	}
	stored := u.Values.raw(c.schema.Key, c.schema.key)
	folded := Fold(stored)
	if folded == e.key || e.name == "" {
		e.name = stored
	}
	if folded != e.key && folded != "" {
		e.flags |= isElsewhere
	}
}

// complete gives an entry that is more than simply unchanged what Apply and the reports need.
func (c *comparer) complete(e *entry, r *checked, u *User) {
	v := classify(c.cfg, facts{bad: e.more != nil && (hasError(e.more.own) || e.more.wants != nil), account: e.account, wish: e.wish,
		protected: e.has(isProtected), changes: len(c.buf) > 0, keyOnly: e.has(isKeyOnly)})
	e.class = v.class
	if e.more == nil && len(c.buf) == 0 && v == (verdict{class: ClassSkipped, code: CodeUnchanged}) {
		return
	}
	m := e.and()
	if v.op != "" || v.class == ClassError {
		m.cells = c.copyCells(r.cells)
		c.copySettings(m, r)
		if u != nil {
			m.version = c.keep.keep(versionOf(u))
		}
	}
	m.op, m.verdict = v.op, v.reasons(e, c.schema, c.columns)
	c.buf, c.assigned = c.buf[:0], nil
}

// wish is what the row wants of the status of its user, nil for a new one, before anybody is asked. (B2, B3)
func (c *comparer) wish(r *checked, u *User) wish {
	switch {
	case c.isOver(r, u):
		return wantsInactive
	case c.schema.status < 0:
		return asItIs
	}
	return c.statusWish(r, u)
}

// statusWish is what the row's status says, after the field's rule.
func (c *comparer) statusWish(r *checked, u *User) wish {
	status := c.schema.status
	rule := &c.rules[status]
	if u == nil {
		v, _ := rule.forNewUser(r.states[status], r.values[status])
		return wishFor(v)
	}
	wanted := asItIs
	if r.states[status] == given {
		wanted = wishFor(r.values[status])
	}
	if rule.strategy == ForceValue {
		wanted = wishFor(rule.forced)
	}
	keeps := rule.strategy == KeepDestination || rule.strategy == UpdateIfEmpty
	follows := !u.Active && c.cfg.InactiveUsers == FollowFile
	if u.Active && (wanted == wantsActive || keeps) || follows && keeps && wanted == wantsActive {
		return asItIs
	}
	return wanted
}

func wishFor(value string) wish {
	switch value {
	case "true":
		return wantsActive
	case "false":
		return wantsInactive
	}
	return asItIs
}

// requiredForNew tells what a new user must have and the row does not give. (C1)
func (c *comparer) requiredForNew(r *checked, e *entry) []Reason {
	if e.account != noAccount {
		return nil
	}
	var out []Reason
	for i := range c.schema.fields {
		f := &c.schema.fields[i]
		if f.Required != ForNewUsers || r.states[i] == broken {
			continue
		}
		if v, _ := c.rules[i].forNewUser(r.states[i], r.values[i]); v == "" {
			reason := errorReason(CodeRequired).in(f.Name)
			reason.Column, reason.Cell = c.columns.place(r.number, i)
			out = append(out, reason)
		}
	}
	return out
}

// compare collects what is to be written into c.buf.
func (c *comparer) compare(r *checked, u *User, e *entry) {
	for i := range c.schema.fields {
		f := &c.schema.fields[i]
		switch {
		case f.transient || r.states[i] == broken:
		case i == c.schema.status:
			c.compareStatus(r, e)
		case u == nil:
			if v, by := c.rules[i].forNewUser(r.states[i], r.values[i]); v != "" && !c.namesSelf(f, by, v, r, nil, e) {
				c.buf = append(c.buf, setting{field: int32(i), by: by, new: v})
			}
		case r.states[i] != absent || c.rules[i].strategy == ForceValue || c.rules[i].hasDefault:
			c.compareField(f, r, u, e)
		}
	}
}

func (c *comparer) compareField(f *field, r *checked, u *User, e *entry) {
	rule := &c.rules[f.index]
	if f.Secret && !rule.own {
		return
	}
	raw := u.Values.raw(f.Name, f.index)
	value := r.values[f.index]
	if raw == value && r.states[f.index] == given && rule.strategy != ForceValue {
		return // the usual case, without looking closer
	}
	v, by, ask, ok := rule.forExisting(f, r.states[f.index], value, f.stored(raw))
	if !ok || c.namesSelf(f, by, v, r, u, e) {
		return
	}
	s := setting{field: int32(f.index), by: by, old: raw, new: v}
	if ask {
		s.choice = undecided
	}
	c.buf = append(c.buf, s)
}

// namesSelf tells a default or a forced value that would make a user refer to itself, which is nobody's
// intention: the manager of all has no manager.
func (c *comparer) namesSelf(f *field, by Decider, value string, r *checked, u *User, e *entry) bool {
	if f.Kind != KindUser || by != ByDefault && by != Decider(ForceValue) {
		return false
	}
	return Fold(value) == Fold(c.nameAfter(r, u, e))
}

// nameAfter is the key field of the row's user after the run: the store's, where the row gives another
// and the rule does not take it.
func (c *comparer) nameAfter(r *checked, u *User, e *entry) string {
	if !e.has(isElsewhere) {
		return e.name
	}
	key := &c.schema.fields[c.schema.key]
	stored := u.Values.raw(key.Name, key.index)
	_, _, _, writes := c.rules[key.index].forExisting(key, r.states[key.index], r.values[key.index], key.stored(stored))
	if writes {
		return e.name
	}
	return stored
}

// compareStatus shows a change of the status among the fields; an active user whom the file wants
// inactive is a conflict where the rule says so. (B3, K1)
func (c *comparer) compareStatus(r *checked, e *entry) {
	s := setting{field: int32(c.schema.status), by: ByBehaviour, old: "false", new: "true"}
	rule := &c.rules[c.schema.status]
	switch {
	case e.has(isOver) && e.account == noAccount:
		s.old, s.new, s.by = "", "false", ByLastDay
	case e.has(isOver) && e.account == activeAccount && !e.has(isProtected):
		s.old, s.new, s.by = "true", "false", ByLastDay
	case e.account == noAccount && e.wish == wantsInactive:
		s.old, s.new = "", "false"
		_, s.by = rule.forNewUser(r.states[c.schema.status], r.values[c.schema.status])
	case e.account == activeAccount && e.wish == wantsInactive && !e.has(isProtected):
		s.old, s.new = "true", "false"
		s.ruled(rule)
	case e.account == inactiveAccount && e.wish == wantsActive && c.cfg.InactiveUsers == FollowFile:
		s.ruled(rule)
	case e.account == inactiveAccount && e.wish != wantsInactive && c.cfg.InactiveUsers == Activate:
	default:
		return
	}
	c.buf = append(c.buf, s)
}

// ruled says that the rule of the status field decides, or that a person has to.
func (s *setting) ruled(rule *fieldRule) {
	s.by = Decider(rule.strategy)
	if rule.strategy == AskAtRuntime {
		s.choice = undecided
	}
}

func (c *comparer) copyCells(cells []string) []string {
	out := make([]string, len(cells))
	for i, s := range cells {
		out[i] = c.keep.keep(s)
	}
	return out
}

// copySettings copies c.buf, taking new values from the cells where they are the same.
func (c *comparer) copySettings(m *more, r *checked) {
	if len(c.buf) == 0 {
		return
	}
	m.settings, m.assigned = slices.Clone(c.buf), c.assigned
	for i := range m.settings {
		s := &m.settings[i]
		s.old = c.keep.keep(s.old)
		if col := c.columns.cells[s.field]; col >= 0 && r.cells[col] == s.new {
			s.new = m.cells[col]
			continue
		}
		s.new = c.keep.keep(s.new)
	}
}

// hashMark begins a version that the engine made itself.
const hashMark = "\x00"

// versionOf is the user's version, or what stands for it where the store has none: a hash of what was
// read.
func versionOf(u *User) string {
	if u.Version != "" {
		return u.Version
	}
	h := sha256.New()
	fmt.Fprintf(h, "%q %t", u.ID, u.Active)
	order := make([]int, len(u.Values.names))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(u.Values.names[a], u.Values.names[b]) })
	for _, i := range order {
		fmt.Fprintf(h, " %q %q", u.Values.names[i], u.Values.vals[i])
	}
	return hashMark + hex.EncodeToString(h.Sum(nil)[:16])
}

// storeVersion is the version to give to the store, "" if the store has none.
func storeVersion(version string) string {
	if strings.HasPrefix(version, hashMark) {
		return ""
	}
	return version
}
