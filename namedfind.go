package usersync

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// things knows which names there are, and asks for each once. What a preview or a run has asked for is kept
// until its end.
type things struct {
	*Previewer
	sets map[string]map[string]string // set → folded name → the product's spelling, "" where there is none
}

func newThings(p *Previewer) *things { return &things{p, map[string]map[string]string{}} }

// know looks names of a set up that are not known yet. They need not be folded, nor differ.
func (t *things) know(ctx context.Context, set string, names []string) error {
	known := t.sets[set]
	if known == nil {
		known = map[string]string{}
		t.sets[set] = known
	}
	var ask []string
	for _, name := range names {
		folded := Fold(name)
		if _, asked := known[folded]; folded == "" || asked {
			continue
		}
		folded = strings.Clone(folded)
		known[folded] = ""
		ask = append(ask, folded)
	}
	slices.Sort(ask)
	found, err := t.findNames(ctx, set, ask)
	for _, name := range found {
		known[Fold(name)] = name
	}
	return err
}

// spelling is the product's spelling of a name that know was given, "" where there is none.
func (t *things) spelling(set, name string) string { return t.sets[set][Fold(name)] }

// spelt is a value as the product spells it.
type spelt struct {
	value   string
	missing []string // names that there are not
	offered []int32  // of the plan's things
}

// want is a thing that a row names, and that there is not.
type want struct {
	Field int32 `json:"f"`
	Thing int32 `json:"t"` // place among the plan's things
}

// thing is one that there is not, and that may be created.
type thing struct {
	MissingReference
	folded string
}

// naming is what a preview knows of names.
type naming struct {
	*things
	memo    map[memoKey]spelt
	offers  map[ReferenceName]int32 // folded → place among the plan's things
	refused []refusedName
}

// refusedName is a name for which the file is refused.
type refusedName struct {
	ReferenceName
	rows []string // the first of them
	more bool
}

func newNaming(p *Previewer) naming {
	return naming{things: newThings(p), memo: map[memoKey]spelt{}, offers: map[ReferenceName]int32{}}
}

// missingReason says that there is no such thing.
func missingReason(f *field, name string) Reason {
	return errorReason(CodeNameMissing, "set", f.Refers.Set, "value", name)
}

// spellRows puts the product's spelling into rows and tells them which names there are not. What the template
// shows need not be there. (C3, C7, C9)
func (j *previewJob) spellRows(ctx context.Context, rows []checked) error {
	if len(j.schema.named) == 0 {
		return nil
	}
	if err := j.askNames(ctx, rows); err != nil {
		return err
	}
	for i := range rows {
		if r := &rows[i]; !tells(r.reasons, CodeSampleRow) {
			for _, at := range j.schema.named {
				j.spellCell(&j.schema.fields[at], r)
			}
		}
	}
	return nil
}

// askNames looks up all names of a batch, those of one set together.
func (j *previewJob) askNames(ctx context.Context, rows []checked) error {
	ask := map[string][]string{}
	for _, at := range j.schema.named {
		f := &j.schema.fields[at]
		for i := range rows {
			if rows[i].states[at] != given {
				continue
			}
			if _, known := j.naming.memo[memoKey{at, rows[i].values[at]}]; !known {
				ask[f.Refers.Set] = append(ask[f.Refers.Set], f.newNames(rows[i].values[at], "")...)
			}
		}
	}
	for _, set := range j.schema.sets {
		if err := j.naming.know(ctx, set, ask[set]); err != nil {
			return err
		}
	}
	return nil
}

// spellCell deals with one cell.
func (j *previewJob) spellCell(f *field, r *checked) {
	if r.states[f.index] != given {
		return
	}
	s := j.spell(f, r.values[f.index])
	r.values[f.index] = s.value
	for _, name := range s.missing {
		j.check.refuse(r, f, missingReason(f, name))
		if f.Refers.Missing == MissingRefusesFile {
			j.naming.refuse(ReferenceName{f.Refers.Set, name}, r.number)
		}
	}
	for _, at := range s.offered {
		r.wants = append(r.wants, want{int32(f.index), at})
	}
}

// spell is spellItems with a memory: the same cells come again and again.
func (j *previewJob) spell(f *field, value string) spelt {
	key := memoKey{f.index, value}
	if s, known := j.naming.memo[key]; known {
		return s
	}
	key.text = strings.Clone(value)
	s := j.spellItems(f, key.text, f.Refers.Missing == MissingIsOffered)
	if len(j.naming.memo) < memoLimit && len(value) <= memoText {
		j.naming.memo[key] = s
	}
	return s
}

// spellItems puts the product's spelling into a value. With offer, what there is not may be created, and is
// spelled as where it came first.
func (j *previewJob) spellItems(f *field, value string, offer bool) spelt {
	var s spelt
	var items []string
	for _, item := range f.items(value) {
		name, rest := f.Refers.cut(item)
		there := j.naming.spelling(f.Refers.Set, name)
		switch {
		case there != "":
		case offer && name != "":
			at := j.offer(f.Refers.Set, name)
			s.offered, there = append(s.offered, at), j.plan.things[at].Name
		case name == "":
			s.missing, there = append(s.missing, item), name
		default:
			s.missing, there = append(s.missing, name), name
		}
		items = append(items, there+rest)
	}
	s.value = f.together(items)
	return s
}

// offer gives the place of a thing among those that may be created.
func (j *previewJob) offer(set, name string) int32 {
	key := ReferenceName{set, Fold(name)}
	at, known := j.naming.offers[key]
	if !known {
		at = int32(len(j.plan.things))
		j.naming.offers[key] = at
		j.plan.things = append(j.plan.things, thing{MissingReference{ReferenceName: ReferenceName{set, name}}, key.Name})
	}
	return at
}

// namesShown is how many names, and how many rows of each, a refusal lists.
const namesShown = 10

// refuse notes a name for which the file is refused.
func (n *naming) refuse(name ReferenceName, row int) {
	at := slices.IndexFunc(n.refused, func(r refusedName) bool { return r.Set == name.Set && Fold(r.Name) == Fold(name.Name) })
	if at < 0 {
		if len(n.refused) > namesShown { // one more than is shown, to say that there are more
			return
		}
		at = len(n.refused)
		n.refused = append(n.refused, refusedName{ReferenceName: name})
	}
	r := &n.refused[at]
	if len(r.rows) == namesShown {
		r.more = true
		return
	}
	r.rows = append(r.rows, fmt.Sprint(row))
}

// refuseNames refuses the file for names that there are not, once all of it was read.
func (j *previewJob) refuseNames() error {
	refused := j.naming.refused
	if len(refused) == 0 {
		return nil
	}
	var texts []string
	for i, r := range refused {
		if i == namesShown {
			texts = append(texts, "and more")
			break
		}
		rows := strings.Join(r.rows, ", ")
		if r.more {
			rows += " and more"
		}
		texts = append(texts, fmt.Sprintf("no %s %q (row %s)", r.Set, r.Name, rows))
	}
	return j.refused(&FileError{Code: "reference_missing", Detail: "there is " + strings.Join(texts, ", "),
		Advice: "create what is missing first, or correct the names"})
}
