package usersync

// checkWanted tells rows that want one value of a unique field: every such row is an Error, whether or
// not the others have further errors. (C6)
func (st *settling) checkWanted() {
	for i := range st.movers {
		m := &st.movers[i]
		if st.field(m).Unique != MustBeUnique || m.to == "" {
			continue
		}
		if other := st.rival(int32(i)); other >= 0 {
			st.tell(m.entry, st.s.unique[m.slot], errorReason(CodeNotUnique, "value", m.value, "holder", st.rowName(other)))
		}
	}
}

func (st *settling) field(m *mover) *field { return &st.s.fields[st.s.unique[m.slot]] }

// rival is the first other row that wants the value that a mover wants, -1 if there is none.
func (st *settling) rival(at int32) int32 {
	m := &st.movers[at]
	for _, other := range st.wanted[m.slot][m.to] {
		if other != at {
			return st.movers[other].entry
		}
	}
	return -1
}

// checkOwners tells a row that wants the value of an existing user who keeps it. (C6)
func (st *settling) checkOwners(at int32) {
	m := &st.movers[at]
	if st.field(m).Unique != MustBeUnique || m.to == "" || st.knots[m.entry] {
		return
	}
	if holder := st.keeper(m); holder != "" {
		st.tell(m.entry, st.s.unique[m.slot], errorReason(CodeNotUnique, "value", m.value, "holder", holder))
	}
}

// keeper names an existing user who has the value that a mover wants, and keeps it; "" if there is none.
func (st *settling) keeper(m *mover) string {
	for _, o := range st.x.owners[m.slot][m.to] {
		if o.id == st.p.entries[m.entry].userID {
			continue
		}
		entry, inPlan := st.x.byUser[o.id]
		if !inPlan {
			return o.name
		}
		if !st.frees(entry, m.slot, m.to) {
			return st.rowName(entry)
		}
	}
	return ""
}

// frees tells whether a row gives a value up.
func (st *settling) frees(entry int32, slot int, value string) bool {
	at, moves := st.moves[move{entry, slot}]
	return moves && !st.dead[entry] && st.movers[at].from == value
}

// waitsFor lists the rows that must free a value before a mover can have it.
func (st *settling) waitsFor(m *mover) []int32 {
	var out []int32
	if st.field(m).Unique != MustBeUnique || m.to == "" {
		return nil
	}
	for _, o := range st.x.owners[m.slot][m.to] {
		if entry, inPlan := st.x.byUser[o.id]; inPlan && entry != m.entry && st.frees(entry, m.slot, m.to) {
			out = append(out, entry)
		}
	}
	return out
}

// precedence gives, for each living row that wants values of others, the rows that must be written
// before it.
func (st *settling) precedence() map[int32][]int32 {
	before := map[int32][]int32{}
	for i := range st.movers {
		m := &st.movers[i]
		if st.dead[m.entry] {
			continue
		}
		if rows := st.waitsFor(m); rows != nil {
			before[m.entry] = append(before[m.entry], rows...)
		}
	}
	return before
}

// breakExchanges kills the rows whose values go round in a ring: whichever is written first finds its
// value still taken. It tells whether there were any. (C6)
func (st *settling) breakExchanges() bool {
	ring := peel(peel(st.precedence(), false), true)
	var found []verdictOn
	for i := range st.movers {
		m := &st.movers[i]
		if st.dead[m.entry] {
			continue
		}
		if other := firstIn(ring, st.waitsFor(m)); ring[m.entry] != nil && other != nobody {
			found = append(found, verdictOn{m.entry, st.s.unique[m.slot],
				errorReason(CodeCannotOrder, "value", m.value, "holder", st.rowName(other))})
		}
	}
	return st.tellAll(found)
}

func firstIn(ring map[int32][]int32, rows []int32) int32 {
	for _, row := range rows {
		if ring[row] != nil {
			return row
		}
	}
	return nobody
}

// peel removes, again and again, the rows that wait for none of the others, or, backwards, those for
// whom none waits. What is left lies on rings or between two of them.
func peel(before map[int32][]int32, backwards bool) map[int32][]int32 {
	count := map[int32]int{} // how many it waits for, or how many wait for it
	next := map[int32][]int32{}
	for row, others := range before {
		count[row] += 0
		for _, other := range others {
			from, to := other, row
			if backwards {
				from, to = row, other
			}
			next[from] = append(next[from], to)
			count[to]++
			count[from] += 0
		}
	}
	var free []int32
	for row, n := range count {
		if n == 0 {
			free = append(free, row)
		}
	}
	for len(free) > 0 {
		row := free[len(free)-1]
		free = free[:len(free)-1]
		delete(count, row)
		for _, other := range next[row] {
			if count[other]--; count[other] == 0 {
				free = append(free, other)
			}
		}
	}
	left := map[int32][]int32{}
	for row := range count {
		for _, other := range before[row] {
			if _, stays := count[other]; stays {
				left[row] = append(left[row], other)
			}
		}
	}
	return left
}

// warnShared warns of values that several users will have, where that is allowed. (C6)
func (st *settling) warnShared() {
	keepers := map[wantedValue]string{}
	for i := range st.movers {
		m := &st.movers[i]
		if st.field(m).Unique != WarnIfShared || m.to == "" || st.dead[m.entry] {
			continue
		}
		holder := st.keeperOnce(keepers, m)
		if holder == "" {
			if other := st.livingRival(int32(i)); other >= 0 {
				holder = st.rowName(other)
			}
		}
		if holder != "" {
			st.tell(m.entry, st.s.unique[m.slot], warning(CodeNotUnique, "value", m.value, "holder", holder))
		}
	}
}

type wantedValue struct {
	slot int
	to   string
}

// keeperOnce is keeper for the time when no row dies any more: who keeps a value is found once for all who
// want it. A row that wants a value does not have it, so that it is none of the keepers itself.
func (st *settling) keeperOnce(known map[wantedValue]string, m *mover) string {
	value := wantedValue{m.slot, m.to}
	holder, done := known[value]
	if !done {
		holder = st.keeper(m)
		known[value] = holder
	}
	return holder
}

func (st *settling) livingRival(at int32) int32 {
	m := &st.movers[at]
	for _, other := range st.wanted[m.slot][m.to] {
		if entry := st.movers[other].entry; other != at && !st.dead[entry] {
			return entry
		}
	}
	return -1
}
