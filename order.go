package usersync

import "slices"

// step is one change to one user. Most entries have one; some need a second, which comes later.
type step struct {
	entry    int32
	op       Op
	part     string  // names the step among those of its entry
	settings []int32 // the settings that it writes, nil for all
	without  []int32 // settings that a later step writes
}

// The parts of an entry.
const (
	partMain   = "main"
	partValues = "values" // of a deactivation, where they must wait for other rows
	partLinks  = "links"  // references to users who come into being in this run
)

// stages are the steps of a run in the order in which they are written.
type stages struct {
	deactivate, update, create, link []step
}

// stages lays out the steps. The plan has no open conflict. (A1, C6, C8)
func (w *applyJob) stages() stages {
	st := newSettling(w.plan)
	st.collect()
	st.findTargets()
	before := st.precedence()
	var out stages
	for i := range w.plan.entries {
		at := int32(i)
		e := &w.plan.entries[i]
		if e.more == nil || e.more.op == "" || w.run.result(at).state == StateFailed {
			continue
		}
		main := step{entry: at, op: e.more.op, part: partMain}
		if late := st.lateLinks(at); late != nil {
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

// lateLinks lists the settings of an entry that refer to users who come into being in this run.
func (st *settling) lateLinks(entry int32) []int32 {
	var late []int32
	for slot := range st.s.refs {
		at, writes := st.links[move{entry, slot}]
		if !writes {
			continue
		}
		if w := &st.writers[at]; w.target != nobody && st.comes(w.target) {
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
	for i := range steps {
		for todo := []int{i}; len(todo) > 0; {
			next := todo[len(todo)-1]
			waits := -1
			for _, entry := range before[steps[next].entry] {
				if j, here := at[entry]; here && !placed[j] {
					waits = j
					break
				}
			}
			if waits >= 0 {
				todo = append(todo, waits)
				continue
			}
			if todo = todo[:len(todo)-1]; !placed[next] {
				placed[next] = true
				out = append(out, steps[next])
			}
		}
	}
	return out
}

// values are the fields that a step writes.
func (w *applyJob) values(e *entry, s *step) Values {
	n := len(e.more.settings)
	names, vals := make([]string, 0, n), make([]string, 0, n)
	for i := range e.more.settings {
		set := &e.more.settings[i]
		switch {
		case !set.writes() || int(set.field) == w.schema.status,
			s.settings != nil && !slices.Contains(s.settings, int32(i)),
			slices.Contains(s.without, int32(i)):
			continue
		}
		names = append(names, w.schema.fields[set.field].Name)
		vals = append(vals, set.new)
	}
	return NewValues(names, vals)
}

// living are the link steps whose own row and whose other user were written. The others are told.
func (w *applyJob) living(links []step) []step {
	var out []step
	for _, s := range links {
		if w.run.result(s.entry).state != StateDone {
			continue
		}
		if set := w.deadTarget(&s); set != nil {
			r := warning(CodeManagerWrite, "value", set.new).in(w.schema.fields[set.field].Name)
			r.Column, r.Cell = w.plan.place(s.entry, int(set.field))
			w.run.set(s.entry, func(res *result) { res.reasons = append(res.reasons, r) })
			continue
		}
		out = append(out, s)
	}
	return out
}

// deadTarget finds a link of a step to a user whose own row was not written, nil if there is none.
func (w *applyJob) deadTarget(s *step) *setting {
	e := &w.plan.entries[s.entry]
	for _, i := range s.settings {
		set := &e.more.settings[i]
		if target, known := w.plan.cross.byKey[Fold(set.new)]; known && w.run.result(target).state != StateDone {
			return set
		}
	}
	return nil
}
