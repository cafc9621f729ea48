package usersync

import (
	"context"
	"fmt"
	"slices"
)

// checkNames asks once more for the things that rows are about to be given: rows of which one is gone by now are
// not written. What a user has already is not asked for, nor what the run creates.
func (w *applyJob) checkNames(ctx context.Context) error {
	if len(w.schema.named) == 0 {
		return nil
	}
	known, ask := newThings(w.Previewer), map[string][]string{}
	w.eachNewName(func(_ int32, f *field, name string) { ask[f.Refers.Set] = append(ask[f.Refers.Set], name) })
	for _, set := range w.schema.sets {
		if err := known.know(ctx, set, ask[set]); err != nil {
			return err
		}
	}
	create := map[ReferenceName]bool{}
	for _, t := range w.plan.things {
		create[ReferenceName{t.Set, t.folded}] = t.Create
	}
	w.eachNewName(func(entry int32, f *field, name string) {
		if known.spelling(f.Refers.Set, name) == "" && !create[ReferenceName{f.Refers.Set, Fold(name)}] {
			r := missingReason(f, name).in(f.Name)
			r.Column, r.Cell = w.plan.place(entry, f.index)
			w.held[entry] = r
		}
	})
	return nil
}

// eachNewName calls do for every name that a row is about to give a user who does not have it.
func (w *applyJob) eachNewName(do func(entry int32, f *field, name string)) {
	for i := range w.plan.entries {
		e, at := &w.plan.entries[i], int32(i)
		if _, held := w.held[at]; held || e.more == nil || e.more.op == "" || w.wasBegun(at) {
			continue
		}
		for _, field := range w.schema.named {
			set := e.setting(field)
			if set == nil || !set.writes() {
				continue
			}
			f := &w.schema.fields[field]
			for _, name := range f.newNames(set.new, set.old) {
				do(at, f, name)
			}
		}
	}
}

// createThings creates the things that were allowed to be, as far as rows need them. A run that goes on does it
// again, which changes nothing.
func (w *applyJob) createThings(ctx context.Context) error {
	needed := w.needed()
	for _, set := range w.schema.sets {
		var names []string
		for _, n := range needed {
			if n.Set == set {
				names = append(names, n.Name)
			}
		}
		if err := w.createNames(ctx, set, names); err != nil {
			return err
		}
	}
	w.run.noteCreated(needed)
	return nil
}

// needed are the things to be created that rows need, in the order of the plan's.
func (w *applyJob) needed() []ReferenceName {
	var out []ReferenceName
	use := make([]bool, len(w.plan.things))
	for i := range w.plan.entries {
		e := &w.plan.entries[i]
		if _, held := w.held[int32(i)]; held || e.more == nil || e.more.op == "" {
			continue
		}
		for _, want := range e.more.wants {
			use[want.Thing] = use[want.Thing] || w.plan.needs(int32(i), want)
		}
	}
	for i := range use {
		if use[i] {
			out = append(out, w.plan.things[i].ReferenceName)
		}
	}
	return out
}

// CreatedReferences are the things, such as groups, that the run has created before its first write, since a
// person had allowed it. One that somebody else has created between the preview and the run is among them.
func (r *Run) CreatedReferences() []ReferenceName {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.created)
}

func (r *Run) noteCreated(names []ReferenceName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range names {
		if !slices.Contains(r.created, n) {
			r.created = append(r.created, n)
		}
	}
}

// namesOfThings lists things for people, no more than namesShown.
func namesOfThings(names []ReferenceName) []string {
	var out []string
	for i, n := range names {
		if i == namesShown {
			return append(out, fmt.Sprintf("and %d more", len(names)-i))
		}
		out = append(out, fmt.Sprintf("%s %q", n.Set, n.Name))
	}
	return out
}

// hasLost tells that a field named a thing before the run that is gone.
func (r *reversal) hasLost(f *field, s *setting) bool {
	return slices.ContainsFunc(f.newNames(s.old, s.new), func(name string) bool {
		return r.naming.spelling(f.Refers.Set, name) == ""
	})
}
