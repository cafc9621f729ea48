package usersync_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/usersync-go/usersync"
)

// forecast is what the model says will happen, in words that can be compared.
type forecast struct {
	rows     []string
	counts   usersync.Counts
	blocks   []string
	users    []string // after the run
	baseline []string // after the run
	unclear  bool     // rows fit several users, or one user several rows: a run can change that
}

// fate is a row, or a user who left the file, when all is said.
type fate struct {
	number  int
	name    string
	userID  string
	class   usersync.Class
	op      usersync.Op
	changes []string
	why     marks
}

// predict runs the model.
func predict(w *world) forecast {
	m := &model{world: w}
	m.readFile()
	m.findUsers()
	m.findDuplicates()
	m.wish()
	m.spread()
	var out forecast
	var stay []string
	removed := m.removed(&stay)
	rows := m.fates()
	m.warn(rows, removed)
	all := append(rows, removed...)
	for _, o := range all {
		out.rows = append(out.rows, o.String())
	}
	out.counts = m.count(all, len(rows))
	out.blocks = m.blocks(out.counts, rows)
	out.users = m.usersAfter(removed)
	out.baseline = m.baselineAfter(stay)
	out.unclear = slices.ContainsFunc(m.lines, func(l *line) bool {
		return l.unclear() || l.why.has(usersync.LevelError, usersync.CodeDuplicateUser)
	})
	return out
}

// fates gives each row its class. (B1, B2, B9, C9)
func (m *model) fates() []fate {
	var out []fate
	for _, l := range m.lines {
		o := fate{number: l.number, name: l.name, why: l.why}
		if l.user != nil {
			o.userID, o.name = l.user.ID, l.user.Values.Get(m.schema.Key)
			if c, renames := m.write(l, m.schema.Key); renames {
				o.name = c.new.String()
			}
		}
		o.class, o.op = m.classOf(l)
		if o.class != usersync.ClassError && m.skipped(l) == "" {
			for _, c := range l.changes {
				o.changes = append(o.changes, m.show(l, c))
			}
		}
		out = append(out, o)
	}
	return out
}

// classOf gives the class and the operation, and notes the reason for a Skipped row.
func (m *model) classOf(l *line) (usersync.Class, usersync.Op) {
	code := m.skipped(l)
	_, movesStatus := m.write(l, m.schema.Status)
	switch {
	case l.dead():
		return usersync.ClassError, ""
	case code != "":
		l.why.add(usersync.LevelNote, code)
		return usersync.ClassSkipped, ""
	case l.isNew():
		return usersync.ClassNew, usersync.OpCreate
	case m.activates(l):
		return usersync.ClassUpdated, usersync.OpActivate
	case movesStatus:
		return usersync.ClassUpdated, usersync.OpDeactivate
	case len(m.writes(l)) > 0:
		return usersync.ClassUpdated, usersync.OpUpdate
	}
	l.why.add(usersync.LevelNote, m.nothing(l))
	return usersync.ClassSkipped, ""
}

func (m *model) nothing(l *line) usersync.Code {
	switch {
	case l.dropped:
		return usersync.CodeProtected
	case slices.ContainsFunc(l.changes, change.kept):
		return usersync.CodeKept
	case m.givesOnlyKey(l):
		return usersync.CodeKeyOnly
	}
	return usersync.CodeUnchanged
}

// givesOnlyKey: every other cell is blank, or there is none.
func (m *model) givesOnlyKey(l *line) bool {
	return !slices.ContainsFunc(m.schema.Fields, func(f usersync.Field) bool {
		state := l.cells[f.Name].state
		return f.Name != m.schema.Key && state != isBlank && state != isAbsent
	})
}

// show writes a change as it is compared. A reference is written as its user's key is spelled.
func (m *model) show(l *line, c change) string {
	text, f := c.new.String(), m.field(c.field)
	if f.Kind == usersync.KindUser {
		text = m.spelling(text)
	}
	return showField(usersync.FieldChange{Field: c.field, Old: c.old, New: text, By: usersync.Decider(c.by),
		Open: c.open(), Kept: c.kept()})
}

func showField(c usersync.FieldChange) string {
	switch {
	case c.Kept: // what the file has is of no account
		return fmt.Sprintf("%s %q kept %s", c.Field, c.Old, c.By)
	case c.Open:
		return fmt.Sprintf("%s %q→%q %s open", c.Field, c.Old, c.New, c.By)
	}
	return fmt.Sprintf("%s %q→%q %s", c.Field, c.Old, c.New, c.By)
}

func (m *model) spelling(key string) string {
	rows, users := m.named(usersync.Fold(key))
	switch {
	case len(users) > 0:
		if l := m.rowOf(users[0]); l != nil {
			if c, renames := m.write(l, m.schema.Key); renames {
				return c.new.String()
			}
		}
		return users[0].Values.Get(m.schema.Key)
	case len(rows) > 0:
		return rows[0].name
	}
	return key
}

// removed lists the users who left the file. stay are those who keep their place in the baseline. (B4–B7)
func (m *model) removed(stay *[]string) []fate {
	var out []fate
	for _, member := range m.baseline {
		if m.isPresent(member.UserID) {
			continue
		}
		o := fate{name: member.Name, userID: member.UserID, class: usersync.ClassSkipped, why: marks{}}
		u := m.byID(member.UserID)
		if u != nil {
			o.name = u.Values.Get(m.schema.Key)
		}
		if m.removal(&o, u) {
			*stay = append(*stay, member.UserID)
		}
		if m.config.RemovedUsers != usersync.Ignore {
			out = append(out, o)
		}
	}
	return out
}

// removal decides about one user who left the file and tells whether he stays in the baseline.
func (m *model) removal(o *fate, u *usersync.User) (stays bool) {
	shared := slices.Contains(m.others, o.userID) && m.config.SharedUsers == usersync.HoldShared
	switch {
	case u == nil:
		o.why.add(usersync.LevelNote, usersync.CodeRemovedGone)
	case !u.Active:
		o.why.add(usersync.LevelNote, usersync.CodeRemovedInactive)
	case m.config.RemovedUsers != usersync.Deactivate:
		o.why.add(usersync.LevelNote, usersync.CodeRemovedNoAction)
		return m.anyone() // nothing is done, but he may be in the file after all
	case slices.Contains(m.protected, u.ID): // B6
		o.why.add(usersync.LevelNote, usersync.CodeProtected)
	case m.anyone(): // B5
		o.why.warn(usersync.CodeRemovalsHeld)
		return true
	case shared: // B7
		o.why.warn(usersync.CodeShared)
		return true
	default:
		o.class, o.op = usersync.ClassDeactivated, usersync.OpDeactivate
		o.why.add(usersync.LevelNote, usersync.CodeRemoved)
		if m.schema.Status != "" {
			o.changes = []string{m.schema.Status + ` "true"→"false" ` + string(usersync.ByBehaviour)}
		}
	}
	return false
}

// isPresent: a row in Error, or one that fits several users, is still a row about them. (B5)
func (m *model) isPresent(id string) bool {
	return slices.ContainsFunc(m.lines, func(l *line) bool { return l.means(id) })
}

func (l *line) means(id string) bool {
	return slices.ContainsFunc(l.found, func(u *usersync.User) bool { return u.ID == id })
}

// anyone tells that a row has no readable key, or no readable field to find its user by, and nothing else
// says for certain whose it is. (B5)
func (m *model) anyone() bool {
	return slices.ContainsFunc(m.lines, func(l *line) bool {
		return l.key == "" && l.user == nil || m.brokenMatch(l) && !m.foundByMatch(l)
	})
}

func (m *model) brokenMatch(l *line) bool {
	return slices.ContainsFunc(m.schema.Fields, func(f usersync.Field) bool {
		state := l.cells[f.Name].state
		return f.Match != "" && (state == isBroken || f.Required == usersync.Always && state != isGiven)
	})
}

func (m *model) foundByMatch(l *line) bool {
	return slices.ContainsFunc(m.schema.Fields, func(f usersync.Field) bool {
		c := l.cells[f.Name]
		return f.Match != "" && c.state == isGiven && slices.ContainsFunc(m.users, func(u usersync.User) bool {
			return usersync.Fold(u.Values.Get(f.Match)) == usersync.Fold(c.value.String())
		})
	})
}

func (m *model) byID(id string) *usersync.User {
	for i := range m.users {
		if m.users[i].ID == id {
			return &m.users[i]
		}
	}
	return nil
}

// count adds up. (B9, A1)
func (m *model) count(all []fate, rows int) usersync.Counts {
	c := usersync.Counts{Rows: rows, Removed: len(all) - rows}
	class := map[usersync.Class]*int{usersync.ClassNew: &c.New, usersync.ClassUpdated: &c.Updated,
		usersync.ClassDeactivated: &c.Deactivated, usersync.ClassSkipped: &c.Skipped, usersync.ClassError: &c.Errors}
	for _, o := range all {
		*class[o.class]++
		switch {
		case o.op == usersync.OpActivate:
			c.Activations++
		case o.op == usersync.OpDeactivate:
			c.Deactivations++
		case o.op == usersync.OpCreate && !o.createsInactive(m.schema.Status):
			c.SeatsNeeded++
		}
		if o.why.has(usersync.LevelNote, usersync.CodeUnchanged) || o.why.has(usersync.LevelNote, usersync.CodeKeyOnly) {
			c.Unchanged++
		}
		if len(o.why.of(usersync.LevelWarning)) > 0 {
			c.Warnings++
		}
		for _, text := range o.changes {
			if strings.HasSuffix(text, " open") {
				c.Conflicts++
			}
		}
	}
	c.SeatsNeeded += c.Activations - c.Deactivations
	return c
}

func (o fate) createsInactive(status string) bool {
	return slices.ContainsFunc(o.changes, func(c string) bool {
		return status != "" && strings.HasPrefix(c, status+" \"\"→\"false\"")
	})
}

// blocks says what keeps the plan from being applied. (K4, A1, A2)
func (m *model) blocks(c usersync.Counts, rows []fate) []string {
	var out []string
	if c.Conflicts > 0 {
		out = append(out, fmt.Sprintf("%d conflicts", c.Conflicts))
	}
	g, n, of := m.config.Guard, c.Deactivations, len(m.baseline)
	empty := of > 0 && c.Errors == c.Rows
	many := n > g.Users && float64(n) > g.Percent/100*float64(of) || g.Max > 0 && n > g.Max
	if !g.Off && (empty || many) {
		out = append(out, fmt.Sprintf("guard %d of %d, no valid row %t", n, of, empty))
	}
	used := 0
	for _, u := range m.users {
		if u.Active {
			used++
		}
	}
	if takes := c.SeatsNeeded + c.Deactivations; m.seats >= 0 && takes > 0 && c.SeatsNeeded > m.seats-used {
		out = append(out, fmt.Sprintf("%d seats of %d", c.SeatsNeeded, m.seats-used))
	}
	return out
}

// String is what is compared. Of a row that fits several users it cannot be told what else it would do.
func (o fate) String() string {
	if o.why.has(usersync.LevelError, usersync.CodeAmbiguousUser) || o.why.has(usersync.LevelError, usersync.CodeMatchDiffers) {
		return fmt.Sprintf("%d %q %s fits several users", o.number, usersync.Fold(o.name), o.class)
	}
	return fmt.Sprintf("%d %q %s %s %s %v %v %v %v", o.number, usersync.Fold(o.name), o.userID, o.class, o.op, o.changes,
		causes(o.why.of(usersync.LevelError)), o.why.of(usersync.LevelWarning), o.why.of(usersync.LevelNote))
}

// usersAfter is what the store has after the run. (B1–B4)
func (m *model) usersAfter(removed []fate) []string {
	var out []string
	for i := range m.users {
		u := m.users[i]
		u.Values = u.Values.Clone()
		if l := m.rowOf(&m.users[i]); l != nil {
			m.apply(l, &u)
		}
		if slices.ContainsFunc(removed, func(o fate) bool { return o.userID == u.ID && o.op != "" }) {
			u.Active = false
		}
		out = append(out, showStored(u, u.ID))
	}
	for _, l := range m.living() {
		if l.isNew() {
			u := usersync.User{Active: true}
			m.apply(l, &u)
			out = append(out, showStored(u, "new:"+l.key))
		}
	}
	slices.Sort(out)
	return out
}

func (m *model) apply(l *line, u *usersync.User) {
	if m.activates(l) {
		u.Active = true
	}
	for _, c := range m.writes(l) {
		f := m.field(c.field)
		switch {
		case c.field == m.schema.Status:
			u.Active = c.new.String() == "true"
		case f.List != nil:
			u.Values.SetList(c.field, c.new)
		case f.Kind == usersync.KindUser:
			u.Values.Set(c.field, m.spelling(c.new.String()))
		default:
			u.Values.Set(c.field, c.new.String())
		}
	}
}

// showStored writes a user as it is compared: blank and absent fields are the same.
func showStored(u usersync.User, id string) string {
	var fields []string
	for name := range u.Values.All() {
		if v := u.Values.List(name); len(v) > 0 {
			fields = append(fields, fmt.Sprintf("%s=%q", name, v))
		}
	}
	slices.Sort(fields)
	return fmt.Sprintf("%s active=%t %v", id, u.Active, fields)
}

// baselineAfter: rows that were carried out or skipped, members whose row is an Error, and members who
// could not be let go. (A7, B4)
func (m *model) baselineAfter(stay []string) []string {
	out := slices.Clone(stay)
	for _, l := range m.lines {
		switch {
		case l.dead():
			for _, member := range m.baseline {
				if l.means(member.UserID) {
					out = append(out, member.UserID)
				}
			}
		case l.user != nil:
			out = append(out, l.user.ID)
		case m.skipped(l) == "":
			out = append(out, "new:"+l.key)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// causes are the errors that are compared. Where a row has errors of its own, what other rows add to them
// is left out; so are, among those, two names for one thing.
func causes(codes []string) []string {
	own := slices.DeleteFunc(slices.Clone(codes), func(c string) bool {
		return strings.Contains(c, ":reference_") || strings.HasSuffix(c, ":not_unique") ||
			strings.HasSuffix(c, ":cannot_order")
	})
	if slices.Contains(own, "error:duplicate_key") {
		own = slices.DeleteFunc(own, func(c string) bool { return c == "error:duplicate_user" })
	}
	if len(own) > 0 {
		return own
	}
	return slices.Compact(slices.Sorted(slices.Values(told(codes))))
}

// told leaves out what only follows from a loop or a ring that the row is part of, and takes two names for
// one thing as one.
func told(codes []string) []string {
	var out []string
	for _, c := range codes {
		switch {
		case c != "error:reference_loop" && slices.Contains(codes, "error:reference_loop"):
		case c != "error:cannot_order" && slices.Contains(codes, "error:cannot_order"):
		case c == "error:reference_error_row":
			out = append(out, "error:reference_unknown")
		case c == "error:reference_loop":
			out = append(out, "error:reference_self")
		default:
			out = append(out, c)
		}
	}
	return out
}
