package usersync

import "slices"

// Missing are the things that rows name, that there are not, and that may be created: see [MissingIsOffered]. They
// come in the order in which the file first names them. Allow one with a [Decision].
func (p *Plan) Missing() []MissingReference {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.missing()
}

func (p *Plan) missing() []MissingReference {
	out := p.offered()
	for i := range p.entries {
		if len(out) > 0 && p.entries[i].more != nil {
			p.entries[i].countWants(out)
		}
	}
	return slices.DeleteFunc(out, func(m MissingReference) bool { return m.Rows == 0 })
}

// offered are all the things that were offered, without the rows that name them.
func (p *Plan) offered() []MissingReference {
	var out []MissingReference
	for i := range p.things {
		out = append(out, p.things[i].MissingReference)
	}
	return out
}

// countWants counts the entry for each thing that it names.
func (e *entry) countWants(things []MissingReference) {
	for i, w := range e.more.wants {
		if slices.ContainsFunc(e.more.wants[:i], func(other want) bool { return other.Thing == w.Thing }) {
			continue
		}
		t := &things[w.Thing]
		if t.Rows++; t.First == 0 {
			t.First = int(e.number)
		}
	}
}

// isAboutThings tells a decision about missing things from one about conflicts.
func (d *Decision) isAboutThings() bool { return d.Choice == CreateMissing || d.Choice == LeaveMissing }

// eachThing calls do for every missing thing that a decision is about.
func (p *Plan) eachThing(d Decision, do func(*thing)) {
	for i := range p.things {
		t := &p.things[i]
		if d.Value != "" && Fold(d.Value) != t.folded {
			continue
		}
		if at, known := p.schema.byName[d.Field]; known {
			if r := p.schema.fields[at].Refers; r == nil || r.Set != t.Set {
				continue
			}
		}
		do(t)
	}
}

func (p *Plan) checkThingDecision(path string, d Decision, bad *problems) {
	if d.Row != 0 || d.Remember {
		bad.add(path, "what is missing is created for every row or for none, and this is not remembered")
	}
	at, known := p.schema.byName[d.Field]
	if known && p.schema.fields[at].Refers == nil {
		bad.add(path+".field", "%s does not name things", d.Field)
		return
	}
	found := false
	p.eachThing(d, func(*thing) { found = true })
	if d.Value != "" && !found {
		bad.add(path+".value", "nothing that is called %q is missing and may be created", d.Value)
	}
}

// decideThings carries out a decision about missing things.
func (p *Plan) decideThings(d Decision) {
	p.eachThing(d, func(t *thing) { t.Create = d.Choice == CreateMissing })
}

// tellWants makes rows Errors that name a thing which nobody has allowed to be created.
func (st *settling) tellWants() {
	st.eachWant(func(entry int32, w want, t *thing) {
		if !t.Create {
			st.say(entry, w, errorReason(CodeNameOffered, "set", t.Set, "value", t.Name))
			st.kill(entry)
		}
	})
}

// noteCreated tells living rows which things are created for them.
func (st *settling) noteCreated() {
	st.eachWant(func(entry int32, w want, t *thing) {
		if !st.dead[entry] && st.p.needs(entry, w) {
			st.say(entry, w, note(CodeNameCreated, "set", t.Set, "value", t.Name))
		}
	})
}

func (st *settling) eachWant(do func(entry int32, w want, t *thing)) {
	if len(st.p.things) == 0 {
		return
	}
	for i := range st.p.entries[:st.p.rows] {
		if m := st.p.entries[i].more; m != nil {
			for _, w := range m.wants {
				do(int32(i), w, &st.p.things[w.Thing])
			}
		}
	}
}

// say adds a reason about a missing thing to a row.
func (st *settling) say(entry int32, w want, r Reason) {
	r.Field = st.s.fields[w.Field].Name
	r.Column, r.Cell = st.p.place(entry, int(w.Field))
	st.reasons[entry] = append(st.reasons[entry], r)
}

// needs tells that an entry, if it is written, writes the name of a thing that is to be created.
func (p *Plan) needs(entry int32, w want) bool {
	set := p.entries[entry].setting(int(w.Field))
	return set != nil && set.writes() && p.things[w.Thing].Create &&
		p.schema.fields[w.Field].hasName(set.new, p.things[w.Thing].folded)
}

// missingFacts say what rows name that there is not.
func missingFacts(missing []MissingReference) []fact {
	var open, create []ReferenceName
	for _, m := range missing {
		if m.Create {
			create = append(create, m.ReferenceName)
			continue
		}
		open = append(open, m.ReferenceName)
	}
	return []fact{{"Missing, may be created", namesOfThings(open)}, {"Missing, will be created", namesOfThings(create)}}
}
