package usersync

import (
	"slices"
	"strconv"
	"strings"
)

// nobody is no entry and no person.
const nobody int32 = -1

// findTargets finds the rows that references mean.
func (st *settling) findTargets() {
	for i := range st.writers {
		w := &st.writers[i]
		if entry, inFile := st.rowNamed(w.key); inFile && w.key != "" {
			w.target = entry
		}
	}
}

// resolveReferences tells what is wrong with each reference, as far as that does not depend on other
// rows' errors, and spells it as the user it means is spelled. (C8)
func (st *settling) resolveReferences() {
	for i := range st.writers {
		w := &st.writers[i]
		e := &st.p.entries[w.entry]
		set := &e.more.settings[w.setting]
		switch {
		case w.key == "":
		case w.key == e.key && !st.p.staysElsewhere(w.entry), w.key == Fold(st.p.nameAfter(w.entry)):
			st.tellRef(w, errorReason(CodeRefSelf, "value", set.new))
		case w.target != nobody:
			st.referToRow(int32(i), w, set)
		default:
			st.referToPerson(w, set)
		}
	}
}

// referToPerson deals with a reference to somebody who is no row of the file, or whose row does not tell
// which user it means.
func (st *settling) referToPerson(w *writer, set *setting) {
	p := st.personNamed(w.key)
	unclear, inFile := st.unclearRow(w.key)
	switch {
	case p == nil && inFile:
		st.refErrorRow(w, unclear)
	case p == nil && st.failsToRename(w.key) != nobody:
		st.refErrorRow(w, st.failsToRename(w.key))
	case p == nil:
		st.tellRef(w, errorReason(CodeRefUnknown, "value", set.new))
	case p.many != "":
		st.tellRef(w, errorReason(CodeRefAmbiguous, "value", set.new, "users", p.many))
	default:
		set.new = p.name
	}
}

// failsToRename finds the row that would give a user another key than this one, were it no Error.
func (st *settling) failsToRename(key string) int32 {
	if entry, renamed := st.x.elsewhere[key]; renamed && st.dead[entry] {
		return entry
	}
	return nobody
}

// unclearRow finds the row that has a key and does not tell which user it means.
func (st *settling) unclearRow(key string) (int32, bool) {
	entry, inFile := st.x.byKey[key]
	return entry, inFile && st.p.entries[entry].has(isUnclear)
}

func (st *settling) tellRef(w *writer, r Reason) { st.tell(w.entry, st.s.refs[w.slot], r) }

// rowNamed finds the row whose user will have a key after the run, should the row be carried out.
func (st *settling) rowNamed(key string) (int32, bool) {
	if entry, inFile := st.x.byKey[key]; inFile && !st.p.staysElsewhere(entry) && !st.p.entries[entry].has(isUnclear) {
		return entry, true
	}
	entry, inFile := st.x.elsewhere[key]
	return entry, inFile && st.p.staysElsewhere(entry)
}

// comes tells that the key comes into being with the row: the user is created, or gets it now.
func (st *settling) comes(entry int32) bool {
	e := &st.p.entries[entry]
	return e.account == noAccount || e.has(isElsewhere) && !st.p.staysElsewhere(entry)
}

func (st *settling) personNamed(key string) *person {
	if _, renamed := st.x.elsewhere[key]; renamed {
		return nil // the user has another key after the run
	}
	if i, known := st.x.byName[key]; known {
		return &st.x.people[i]
	}
	return nil
}

// referToRow deals with a reference to a user of the file.
func (st *settling) referToRow(at int32, w *writer, set *setting) {
	t := &st.p.entries[w.target]
	if name := st.p.nameAfter(w.target); name != "" {
		set.new = name
	}
	if !st.comes(w.target) {
		return
	}
	if t.account == noAccount && st.p.cfg.NewUsers == Skip {
		st.tellRef(w, errorReason(CodeRefNotCreated, "value", set.new, "row", strconv.Itoa(int(t.number))))
		return
	}
	st.waiting[w.target] = append(st.waiting[w.target], at)
}

// refErrorRow tells a row that the user it refers to will not come into being.
func (st *settling) refErrorRow(w *writer, row int32) {
	if st.knots[w.entry] {
		return
	}
	t := &st.p.entries[row]
	st.tellRef(w, errorReason(CodeRefErrorRow, "value", t.name, "row", strconv.Itoa(int(t.number))))
}

// next is whom an entry or, from len(entries) on, a person refers to after the run.
func (st *settling) next(node int32, slot int) int32 {
	n := int32(len(st.p.entries))
	if node >= n {
		return st.node(st.x.people[node-n].links[slot])
	}
	if w, writes := st.links[move{node, slot}]; writes && !st.dead[node] {
		return st.node(st.writers[w].key)
	}
	return st.node(st.x.link(node, slot))
}

// link is whom the user of an entry refers to now.
func (x *crossing) link(entry int32, slot int) string {
	if links := x.links[slot]; int(entry) < len(links) {
		return links[entry]
	}
	return ""
}

// node finds the entry or person that a key means.
func (st *settling) node(key string) int32 {
	if key == "" {
		return nobody
	}
	if entry, known := st.x.elsewhere[key]; known {
		return entry
	}
	if entry, known := st.x.byKey[key]; known && st.hasKey(entry) {
		return entry
	}
	if i, known := st.x.byName[key]; known {
		return int32(len(st.p.entries)) + i
	}
	return nobody
}

// hasKey tells that the entry's user has the key that the file gives: had it before, or gets it now.
func (st *settling) hasKey(entry int32) bool {
	e := &st.p.entries[entry]
	if e.has(isUnclear) {
		return false
	}
	return !e.has(isElsewhere) || !st.dead[entry] && !st.p.staysElsewhere(entry)
}

// breakLoops kills every living row that writes a reference on a loop, and tells whether there were any.
// Loops that were in the system before are not the file's fault and are left alone. (C8)
//
// After the first search, a new loop must pass through a row that died since, for only their links have
// changed; but where such a row would have given its user another key, other links change with it.
func (st *settling) breakLoops() bool {
	starts := st.changed
	if st.searched && !slices.ContainsFunc(starts, func(at int32) bool { return st.p.entries[at].has(isElsewhere) }) {
		st.changed = nil
		return st.breakFrom(starts)
	}
	st.searched, st.changed = true, nil
	starts = make([]int32, 0, len(st.writers))
	for i := range st.writers {
		if !st.dead[st.writers[i].entry] {
			starts = append(starts, st.writers[i].entry)
		}
	}
	return st.breakFrom(starts)
}

// breakFrom kills the rows on the loops that are met from some rows on.
func (st *settling) breakFrom(starts []int32) bool {
	var found []verdictOn
	for slot := range st.s.refs {
		seen := map[int32]int32{}
		for i, start := range starts {
			found = append(found, st.onLoop(st.loopFrom(start, slot, seen, int32(i)+1), slot)...)
		}
	}
	return st.tellAll(found)
}

// onLoop are the verdicts on the living rows that write a link of a loop.
func (st *settling) onLoop(loop []int32, slot int) []verdictOn {
	var found []verdictOn
	for at, node := range loop {
		if _, writes := st.links[move{node, slot}]; writes && !st.dead[node] {
			found = append(found, verdictOn{node, st.s.refs[slot],
				errorReason(CodeRefLoop, "path", st.path(loop, at))})
		}
	}
	return found
}

// loopFrom follows references until they end or meet a place that was seen. It returns the loop that
// this walk found, nil if none.
func (st *settling) loopFrom(node int32, slot int, seen map[int32]int32, walk int32) []int32 {
	for node != nobody && seen[node] == 0 {
		seen[node] = walk
		node = st.next(node, slot)
	}
	if node == nobody || seen[node] != walk {
		return nil
	}
	loop := []int32{node}
	for other := st.next(node, slot); other != node; other = st.next(other, slot) {
		loop = append(loop, other)
	}
	return loop
}

// pathLength is how many names of a loop are shown.
const pathLength = 10

// path names the users of a loop, beginning and ending with the one at start.
func (st *settling) path(loop []int32, start int) string {
	var names []string
	for i := range loop {
		names = append(names, st.nameOf(loop[(start+i)%len(loop)]))
		if len(names) == pathLength && len(loop) > pathLength {
			names = append(names, "…")
			break
		}
	}
	return strings.Join(append(names, names[0]), " → ")
}

func (st *settling) nameOf(node int32) string {
	if n := int32(len(st.p.entries)); node >= n {
		return st.x.people[node-n].name
	}
	return st.p.entries[node].name
}

// warn adds what depends on the outcome alone.
func (st *settling) warn() {
	st.warnShared()
	for i := range st.writers {
		w := &st.writers[i]
		if !st.dead[w.entry] {
			st.warnReference(w)
		}
	}
	st.warnLeftBehind()
	st.warnRenames()
}

// warnLeftBehind warns of users of the file who go on referring to somebody whom this run makes inactive.
func (st *settling) warnLeftBehind() {
	for slot, field := range st.s.refs {
		for i := range st.p.entries[:st.p.rows] {
			at := int32(i)
			if _, writes := st.links[move{at, slot}]; writes || st.dead[at] || st.x.link(at, slot) == "" {
				continue
			}
			if other := st.inPlan(st.x.link(at, slot)); other != nobody && st.becomesInactive(other) {
				st.tell(at, field, warning(CodeRefInactive, "value", st.p.entries[other].name))
			}
		}
	}
}

// inPlan finds the entry that a key means, also of a user who left the file.
func (st *settling) inPlan(key string) int32 {
	if entry, left := st.x.leavers[leaverKey+key]; left {
		return entry
	}
	if node := st.node(key); int(node) < len(st.p.entries) {
		return node
	}
	return nobody
}

// becomesInactive tells whether this run makes the entry's user inactive.
func (st *settling) becomesInactive(entry int32) bool {
	return st.p.entries[entry].account == activeAccount && st.endsInactive(entry)
}

func (st *settling) warnReference(w *writer) {
	value := st.p.entries[w.entry].more.settings[w.setting].new
	if w.target == nobody {
		p := st.personNamed(w.key)
		if row, unclear := st.unclearRow(w.key); unclear && p != nil {
			st.tellRef(w, warning(CodeRefRowFailed, "value", value, "row", strconv.Itoa(int(st.p.entries[row].number))))
		}
		leaver, leaves := st.x.leaver(st.p, w.key)
		if p != nil && (!p.active || leaves && leaver.class == ClassDeactivated) {
			st.tellRef(w, warning(CodeRefInactive, "value", value))
		}
		return
	}
	t := &st.p.entries[w.target]
	if st.dead[w.target] {
		st.tellRef(w, warning(CodeRefRowFailed, "value", value, "row", strconv.Itoa(int(t.number))))
	}
	if st.endsInactive(w.target) {
		st.tellRef(w, warning(CodeRefInactive, "value", value))
	}
}

// endsInactive tells whether the user of a row is inactive after the run.
func (st *settling) endsInactive(entry int32) bool {
	e := &st.p.entries[entry]
	if st.dead[entry] {
		return e.account == inactiveAccount
	}
	if e.number == 0 {
		return e.class == ClassDeactivated || e.account != activeAccount
	}
	v := classify(&st.p.Config, st.p.facts(e))
	switch v.op {
	case OpCreate:
		return e.wish == wantsInactive
	case OpActivate:
		return false
	case OpDeactivate:
		return true
	}
	return e.account == inactiveAccount
}

// leaver finds the user who left the file under that key.
func (x *crossing) leaver(p *Plan, key string) (*entry, bool) {
	i, known := x.leavers[leaverKey+key]
	if !known {
		return nil, false
	}
	return &p.entries[i], true
}

// warnRenames warns of new users who look like someone who left the file. (B8)
func (st *settling) warnRenames() {
	if len(st.x.leavers) == 0 {
		return
	}
	for i := range st.p.entries[:st.p.rows] {
		e := &st.p.entries[i]
		if e.account != noAccount || e.more == nil || st.dead[int32(i)] {
			continue
		}
		for j := range e.more.settings {
			set := &e.more.settings[j]
			f := &st.s.fields[set.field]
			if left, known := st.x.leavers[leaverForm(f, set.new)]; known && st.s.identifies(f) {
				st.tell(int32(i), f.index, warning(CodeLooksRenamed, "user", st.p.entries[left].name))
			}
		}
	}
}

// leaverKey begins the entries of crossing.leavers that are keys; those that are values of other fields
// begin with the field's name.
const leaverKey = "\x00"

func leaverForm(f *field, value string) string { return f.Name + "\x00" + f.compareForm(value) }

// identifies tells whether a field's value tells a person apart: the email address and external ids.
func (s *schema) identifies(f *field) bool {
	return f.index == s.email || f.index != s.key && f.Match == f.Name
}
