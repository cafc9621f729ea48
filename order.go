package usersync

import (
	"cmp"
	"fmt"
	"slices"
)

// step is one change to one user. Most entries have one; some need a second, which comes later.
type step struct {
	entry    int32
	op       Op
	part     string  // names the step among those of its entry
	settings []int32 // the settings that it writes, nil for all
	without  []int32 // settings that a later step writes
	level    int32   // steps of a higher level rely on those of a lower one, and share no batch with them
}

// The parts of an entry.
const (
	partMain   = "main"
	partValues = "values" // of a deactivation, where they must wait for other rows
	partLinks  = "links"  // references to users who come into being in this run
)

// maxLevel bounds how many steps of creation wait for each other; what is deeper is linked at the end.
const maxLevel = 32

// stages are the steps of a run in the order in which they are written.
type stages struct {
	deactivate, update, create, link []step
}

// stages lays out the steps. A user who is created is linked at once to a manager who was created in an
// earlier batch; every other reference to somebody who comes into being is written at the end. The plan
// has no open conflict. (A1, C6, C8)
func (w *applyJob) stages() stages {
	st := newSettling(w.plan)
	st.collect()
	st.findTargets()
	before := st.precedence()
	w.before = before
	var out stages
	for i := range w.plan.entries {
		at := int32(i)
		e := &w.plan.entries[i]
		if e.more == nil || e.more.op == "" || w.run.result(at).state == StateFailed {
			continue
		}
		main := step{entry: at, op: e.more.op, part: partMain}
		if e.more.op == OpCreate {
			main.level = st.level(at)
		}
		late := st.lateLinks(main)
		if main.op == OpUpdate && len(late) > 0 && len(late) == w.toWrite(e) {
			main.settings = late
			out.link = append(out.link, main)
			continue
		}
		if late != nil {
			main.without = late
			out.link = append(out.link, step{entry: at, op: OpUpdate, part: partLinks, settings: late})
		}
		switch {
		case e.more.op == OpCreate:
			out.create = append(out.create, main)
		case e.more.op != OpDeactivate:
			out.update = append(out.update, main)
		case before[at] != nil:
			out.split(main, e)
		default:
			out.deactivate = append(out.deactivate, main)
		}
	}
	out.update = inOrder(out.update, before)
	slices.SortStableFunc(out.create, byLevel)
	return out
}

// level tells how many creations come one after the other before this one, so that those it refers to
// exist. References of different fields can go round in a ring; the one that closes it does not count, and
// is late.
func (st *settling) level(entry int32) int32 {
	const begun = -1
	if st.levels == nil {
		st.levels = map[int32]int32{}
	}
	for todo := []int32{entry}; len(todo) > 0; {
		at := todo[len(todo)-1]
		if known, seen := st.levels[at]; seen && known != begun {
			todo = todo[:len(todo)-1]
			continue
		}
		st.levels[at] = begun
		level, waits := int32(0), nobody
		for _, other := range st.createdFor(at) {
			known, seen := st.levels[other]
			if !seen {
				waits = other
				break
			}
			level = max(level, known+1)
		}
		if waits != nobody {
			todo = append(todo, waits)
			continue
		}
		st.levels[at] = min(level, maxLevel)
	}
	return st.levels[entry]
}

// createdFor lists the users to be created whom an entry refers to.
func (st *settling) createdFor(entry int32) []int32 {
	var out []int32
	for slot := range st.s.refs {
		at, writes := st.links[move{entry, slot}]
		if !writes {
			continue
		}
		if target := st.writers[at].target; target != nobody && target != entry && st.p.entries[target].creates() {
			out = append(out, target)
		}
	}
	return out
}

// split deactivates at once, so that the seat is free, and leaves the values for their turn.
func (out *stages) split(main step, e *entry) {
	all := make([]int32, len(e.more.settings))
	for i := range all {
		all[i] = int32(i)
	}
	values := step{entry: main.entry, op: OpUpdate, part: partValues, without: main.without, settings: all}
	main.without = all
	out.deactivate = append(out.deactivate, main)
	out.update = append(out.update, values)
}

// lateLinks lists the settings of a step that refer to users who do not have their key yet when the step
// is written.
func (st *settling) lateLinks(s step) []int32 {
	var late []int32
	for slot := range st.s.refs {
		at, writes := st.links[move{s.entry, slot}]
		if !writes {
			continue
		}
		w := &st.writers[at]
		switch {
		case w.target == nobody || !st.comes(w.target):
		case s.op == OpCreate && (!st.p.entries[w.target].creates() || st.levels[w.target] < s.level):
		default:
			late = append(late, w.setting)
		}
	}
	return late
}

// inOrder sorts steps so that whoever frees a value comes before whoever takes it; otherwise they stay
// in the order of the file. There are no rings: settle has broken them.
func inOrder(steps []step, before map[int32][]int32) []step {
	if len(before) == 0 {
		return steps
	}
	at := make(map[int32]int, len(steps))
	for i, s := range steps {
		at[s.entry] = i
	}
	out := make([]step, 0, len(steps))
	placed := make([]bool, len(steps))
	unplaced := func(i int) int { // a step that must come before step i and is not placed yet, or -1
		for _, entry := range before[steps[i].entry] {
			if j, here := at[entry]; here && !placed[j] {
				return j
			}
		}
		return -1
	}
	for i := range steps {
		for todo := []int{i}; len(todo) > 0; {
			next := todo[len(todo)-1]
			if j := unplaced(next); j >= 0 {
				todo = append(todo, j)
				continue
			}
			if todo = todo[:len(todo)-1]; !placed[next] {
				placed[next] = true
				out = append(out, steps[next])
			}
		}
	}
	return inLevels(out, before)
}

// inLevels puts whoever takes a value into a later batch than whoever frees it, as far as maxLevel goes, so
// that a value which is not freed after all is not taken either.
func inLevels(steps []step, before map[int32][]int32) []step {
	levels := make(map[int32]int32, len(steps))
	for i := range steps {
		for _, entry := range before[steps[i].entry] {
			if level, here := levels[entry]; here {
				steps[i].level = max(steps[i].level, min(level+1, maxLevel))
			}
		}
		levels[steps[i].entry] = steps[i].level
	}
	slices.SortStableFunc(steps, byLevel)
	return steps
}

func byLevel(a, b step) int { return cmp.Compare(a.level, b.level) }

// free leaves out the steps that take a value which another row was to free and did not, and says so.
// Stores that know of no unique values would make them. (C6)
func (w *applyJob) free(stage Stage, steps []step) (rest []step, kept bool) {
	if len(w.before) == 0 || stage != StageUpdate && stage != StageCreate {
		return steps, false
	}
	rest = steps[:0]
	for _, s := range steps {
		if holder := w.keeper(s.entry); holder != nobody {
			w.record(&s, Outcome{Err: fmt.Errorf("%s keeps a value of the row: %w", w.plan.entries[holder].name, ErrDuplicate)})
			kept = true
			continue
		}
		rest = append(rest, s)
	}
	return rest, kept
}

// keeper is an entry that has not freed the value that another waits for, nobody if they all have.
func (w *applyJob) keeper(entry int32) int32 {
	for _, other := range w.before[entry] {
		if w.keeps[other] || w.run.result(other).state == StateFailed {
			return other
		}
	}
	return nobody
}

// values are the fields that a step writes.
func (w *applyJob) values(e *entry, s *step) Values {
	n := len(e.more.settings)
	names, vals := make([]string, 0, n), make([]string, 0, n)
	for i := range e.more.settings {
		set := &e.more.settings[i]
		if !s.has(int32(i)) || !w.isWritten(set) || w.dropLink(s, set) {
			continue
		}
		names = append(names, w.schema.fields[set.field].Name)
		vals = append(vals, set.new)
	}
	return NewValues(names, vals)
}

// has tells whether a setting is the step's to write.
func (s *step) has(setting int32) bool {
	return (s.settings == nil || slices.Contains(s.settings, setting)) && !slices.Contains(s.without, setting)
}

// isWritten tells whether a setting is written as a value: the status is the operation's to change.
func (w *applyJob) isWritten(set *setting) bool {
	return set.writes() && int(set.field) != w.schema.status
}

// toWrite counts the values that an entry writes.
func (w *applyJob) toWrite(e *entry) int {
	n := 0
	for i := range e.more.settings {
		if w.isWritten(&e.more.settings[i]) {
			n++
		}
	}
	return n
}

// dropLink leaves out a reference to a user of this run whose own row was not written, and says so.
func (w *applyJob) dropLink(s *step, set *setting) bool {
	f := &w.schema.fields[set.field]
	if f.refSlot < 0 {
		return false
	}
	target, known := w.plan.cross.byKey[Fold(set.new)]
	if !known || !w.relies(target) || w.run.result(target).state == StateDone {
		return false
	}
	r := warning(CodeManagerWrite, "value", set.new).in(f.Name)
	r.Column, r.Cell = w.plan.place(s.entry, f.index)
	w.run.set(s.entry, func(res *result) {
		if !slices.ContainsFunc(res.reasons, r.isAbout) {
			res.reasons = append(res.reasons, r)
		}
	})
	return true
}

// isAbout tells that two reasons say the same of the same field.
func (r Reason) isAbout(other Reason) bool { return r.Code == other.Code && r.Field == other.Field }

// relies tells that a reference to the entry's user needs the entry to be written first: it creates the
// user or gives it the key.
func (w *applyJob) relies(target int32) bool {
	e := &w.plan.entries[target]
	if e.more == nil || e.more.op == "" {
		return false
	}
	set := e.setting(w.schema.key)
	return set != nil && set.writes()
}

// possible leaves out the later steps of rows whose own change was not made, and the updates of which
// nothing is left to write.
func (w *applyJob) possible(steps []step) []step {
	return slices.DeleteFunc(steps, func(s step) bool {
		switch {
		case s.part != partMain && w.run.result(s.entry).state != StateDone:
			return true
		case s.settings == nil || w.values(&w.plan.entries[s.entry], &s).Len() > 0:
			return false
		case s.part == partMain:
			w.run.set(s.entry, func(r *result) { r.state = StateFailed })
		}
		return true
	})
}

// nextBatch is how many of the steps are written in one call.
func (w *applyJob) nextBatch(steps []step) int {
	n := min(w.batch, len(steps))
	for i := 1; i < n; i++ {
		if steps[i].level != steps[0].level {
			return i
		}
	}
	return n
}
