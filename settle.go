package usersync

import "strconv"

// Design note: checks across rows.
//
// Most of what is said about a row follows from the row and its user. Three things do not: a value that
// must be unique (C6), a reference to another user such as a manager (C8), and the order in which unique
// values can change hands. They are judged on the state after the run, so whether one row is an Error
// can depend on whether another is: a row that is an Error does not free its old value, and does not
// create the manager that others name.
//
// settle finds the smallest set of errors that is consistent:
//
//  1. Static errors need no other row's verdict: an unknown manager, two rows that want one value. They
//     are told for every row, also for one that is an Error already (C9).
//  2. Dynamic errors follow from a dead row, one that is an Error: who waits for its value, or for the
//     user that it would have created, dies too. A queue carries this on until nothing changes. Errors
//     are only ever added, so the result does not depend on the order.
//  3. Exchanges of unique values that no order can carry out die, all at once: then 2 again. They die
//     whatever else happens, so they come before loops, which their death may open.
//  4. Loops of references are sought with the links as they are then; every living row that writes a
//     link on a loop dies, all at once, which may bring links of the system back: then from 2 again.
//  5. Warnings, which depend on nothing but the outcome, come last.
//
// A field that waits for a decision counts as answered with the file's value. Decisions can therefore
// add and remove errors: settle starts anew after each.

// crossing is what settle knows beside the entries themselves.
type crossing struct {
	byKey  map[string]int32 // the first row of each key
	byUser map[string]int32 // the first entry of each existing user
	// elsewhere has the entries whose user has another key in the store than in the file, by the
	// store's.
	elsewhere map[string]int32
	stored    map[int32]string     // of those entries, the key as the store has it
	owners    []map[string][]owner // by unique slot: who has a value now that a row wants
	people    []person             // existing users outside the file whom references reach
	byName    map[string]int32     // folded key → index of people
	links     [][]string           // by reference slot and entry: whom the user refers to now, folded
	leavers   map[string]int32     // folded email or external id → entry of a user who left the file (B8)
}

// owner is an existing user who has a value that a row wants.
type owner struct{ id, name string }

// person is an existing user whom a reference reaches.
type person struct {
	name   string
	active bool
	many   string   // several users have this key: their ids
	links  []string // by reference slot, folded
}

// writer is a row that sets a reference.
type writer struct {
	entry   int32
	setting int32
	slot    int
	key     string // folded, of the user that is referred to; "" for a reference that is cleared
	target  int32  // entry that is referred to, -1 if it is none
}

// mover is a row that changes a unique value.
type mover struct {
	entry    int32
	slot     int
	from, to string // in the form in which values are compared; "" for none
	value    string // as the file has it
}

type move struct {
	entry int32
	slot  int
}

// settling is one run of settle.
type settling struct {
	p       *Plan
	s       *schema
	x       *crossing
	dead    map[int32]bool
	reasons map[int32][]Reason
	queue   []int32
	writers []writer
	movers  []mover
	links   map[move]int32       // entry and reference slot → writer
	moves   map[move]int32       // entry and unique slot → mover
	wanted  []map[string][]int32 // by unique slot: value → movers that want it
	waiting map[int32][]int32    // entry that creates a user → writers that refer to it
	told    map[reasonKey]bool
	knots   map[int32]bool  // rows that died of a loop or a ring
	levels  map[int32]int32 // of creations; see level

	searched bool    // for loops, once
	changed  []int32 // rows that died since
}

// verdictOn is a reason that is to be told to a row once all of them are found.
type verdictOn struct {
	entry  int32
	field  int
	reason Reason
}

// reasonKey tells reasons of one row apart, so that none is told twice.
type reasonKey struct {
	entry  int32
	code   Code
	field  int32
	holder string
}

// settle finds the errors and warnings that rows give each other, and classes every entry.
func settle(p *Plan) {
	for i := range p.entries {
		if m := p.entries[i].more; m != nil {
			m.cross = nil
		}
	}
	st := newSettling(p)
	st.tellWants()
	st.collect()
	st.findTargets()
	st.resolveReferences()
	st.checkWanted()
	for i := range st.movers {
		st.checkOwners(int32(i))
	}
	for st.spread(); st.breakExchanges() || st.breakLoops(); st.spread() {
	}
	st.warn()
	st.noteCreated()
	for i := range p.entries {
		e, cross := &p.entries[i], st.reasons[int32(i)]
		if e.more != nil || cross != nil {
			e.and().cross = cross
			p.classifyEntry(e)
		}
	}
}

func newSettling(p *Plan) *settling {
	return &settling{p: p, s: p.schema, x: &p.cross, dead: map[int32]bool{}, reasons: map[int32][]Reason{},
		links: map[move]int32{}, moves: map[move]int32{}, waiting: map[int32][]int32{}, told: map[reasonKey]bool{}, knots: map[int32]bool{}}
}

// collect gathers the rows that set references and change unique values, and those that are dead already.
func (st *settling) collect() {
	st.wanted = make([]map[string][]int32, len(st.s.unique))
	for i := range st.wanted {
		st.wanted[i] = map[string][]int32{}
	}
	for i := range st.p.entries[:st.p.rows] {
		m := st.p.entries[i].more
		if m == nil {
			continue
		}
		if hasError(m.own) || hasError(m.cross) {
			st.kill(int32(i))
		}
		for j := range m.settings {
			if m.settings[j].writes() {
				st.collectSetting(int32(i), int32(j), &m.settings[j])
			}
		}
	}
}

func (st *settling) collectSetting(entry, index int32, set *setting) {
	f := &st.s.fields[set.field]
	if f.refSlot >= 0 {
		st.links[move{entry, f.refSlot}] = int32(len(st.writers))
		st.writers = append(st.writers, writer{entry: entry, setting: index, slot: f.refSlot, key: Fold(set.new), target: -1})
	}
	if f.uniqueSlot >= 0 {
		m := mover{entry: entry, slot: f.uniqueSlot, value: set.new,
			from: f.compareForm(f.stored(set.old)), to: f.compareForm(set.new)}
		at := int32(len(st.movers))
		st.moves[move{entry, m.slot}] = at
		if m.to != "" {
			st.wanted[m.slot][m.to] = append(st.wanted[m.slot][m.to], at)
		}
		st.movers = append(st.movers, m)
	}
}

// tell adds a reason to a row, once, and kills the row if it is an error.
func (st *settling) tell(entry int32, field int, r Reason) {
	key := reasonKey{entry, r.Code, int32(field), r.Params["holder"]}
	if st.told[key] {
		return
	}
	st.told[key] = true
	r.Field = st.s.fields[field].Name
	r.Column, r.Cell = st.p.place(entry, field)
	st.reasons[entry] = append(st.reasons[entry], r)
	if r.Level == LevelError {
		st.kill(entry)
	}
}

// tellAll tells the rows of loops or rings. What follows from that for the same rows is not told to them
// as well.
func (st *settling) tellAll(found []verdictOn) bool {
	for _, v := range found {
		st.knots[v.entry] = true
	}
	for _, v := range found {
		st.tell(v.entry, v.field, v.reason)
	}
	return len(found) > 0
}

func (st *settling) kill(entry int32) {
	if !st.dead[entry] {
		st.dead[entry] = true
		st.changed = append(st.changed, entry)
		st.queue = append(st.queue, entry)
	}
}

// spread carries deaths on to those who depend on them, until nothing changes.
func (st *settling) spread() {
	for len(st.queue) > 0 {
		entry := st.queue[len(st.queue)-1]
		st.queue = st.queue[:len(st.queue)-1]
		for _, w := range st.waiting[entry] {
			st.refErrorRow(&st.writers[w], entry)
		}
		for slot := range st.s.unique {
			st.recheck(move{entry, slot})
		}
	}
}

// recheck looks again at those who want the value that a dead row does not free after all.
func (st *settling) recheck(kept move) {
	m, moves := st.moves[kept]
	if !moves {
		return
	}
	for _, other := range st.wanted[kept.slot][st.movers[m].from] {
		st.checkOwners(other)
	}
}

// rowName names another row, or its user, in a reason.
func (st *settling) rowName(entry int32) string {
	e := &st.p.entries[entry]
	if e.number == 0 {
		return e.name
	}
	return e.name + " (row " + strconv.Itoa(int(e.number)) + ")"
}
