package usersync

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"
)

// Design note: the stored form of a plan.
//
// A plan is stored as a head, which is small whatever the plan's size, and parts: first the entries,
// partSize to a part, so that a page of rows needs the head and one part; then the tail, what settle has to
// know of other users, which only some plans have much of. All of it is JSON. What the maps of a plan say
// of its entries stands with the entries, as bits. Secrets are sealed (see sealer.go).

// partSize is how many entries a part has.
const partSize = 1000

// tailSize is how many items a part of the tail has.
const tailSize = 5000

// storedFormat is the version of the stored form.
const storedFormat = 1

// PartInfo says what a part of a stored plan has.
type PartInfo struct {
	Rows    int           `json:"rows"`
	Classes map[Class]int `json:"classes"`
}

// planHead is the head of a stored plan.
type planHead struct {
	Format      int             `json:"format"`
	Schema      string          `json:"schema"` // its fingerprint
	ID          string          `json:"id"`
	Config      Config          `json:"config"`
	Actor       Actor           `json:"actor,omitzero"`
	Created     time.Time       `json:"created"`
	Source      SourceInfo      `json:"source"`
	Undoes      string          `json:"undoes,omitempty"`
	Notes       []Reason        `json:"notes,omitempty"`
	BaselineRun string          `json:"baselineRun,omitempty"`
	Baseline    int             `json:"baseline,omitempty"`
	Seats       *Seats          `json:"seats,omitempty"`
	Pools       []PoolSeats     `json:"pools,omitempty"`
	PoolField   string          `json:"poolField,omitempty"`
	Rows        int             `json:"rows"`    // entries that are rows of the file
	Entries     int             `json:"entries"` // all of them
	Columns     bool            `json:"columns"` // there is a header
	CSV         bool            `json:"csv,omitempty"`
	Corrects    bool            `json:"corrects,omitempty"`
	Links       int             `json:"links,omitempty"` // entries whose users' references are known
	Remember    map[string]Rule `json:"remember,omitempty"`
	Parts       []PartInfo      `json:"parts"`
	Fields      []Field         `json:"fields,omitempty"`    // beside the engine's own
	Added       int             `json:"added,omitempty"`     // of Fields, at the end, those that the plan adds
	Offers      []FieldOffer    `json:"newFields,omitempty"` // columns that could become fields
}

// entryForm is the stored form of an entry.
type entryForm struct {
	Number  int32     `json:"n,omitempty"`
	Account account   `json:"a,omitempty"`
	Wish    wish      `json:"w,omitempty"`
	Flags   flags     `json:"f,omitempty"`
	Class   Class     `json:"c"`
	Name    string    `json:"m,omitempty"`
	Key     *string   `json:"k,omitempty"` // nil for the same as Name
	UserID  string    `json:"u,omitempty"`
	Links   []string  `json:"l,omitempty"` // by reference slot, nil for none
	Stored  *string   `json:"s,omitempty"` // the key as the store has it, of a user who has another there
	First   firsts    `json:"i,omitempty"`
	More    *moreForm `json:"r,omitempty"`
}

// firsts says by which of its values an entry is found.
type firsts uint8

const (
	firstOfKey firsts = 1 << iota
	firstOfUser
	firstElsewhere
)

// moreForm is the stored form of more.
type moreForm struct {
	Op       Op            `json:"o,omitempty"`
	Version  string        `json:"v,omitempty"`
	Settings []settingForm `json:"s,omitempty"`
	Own      []Reason      `json:"own,omitempty"`
	Cross    []Reason      `json:"cross,omitempty"`
	Verdict  []Reason      `json:"why,omitempty"`
	Cells    []string      `json:"c,omitempty"`
	Pools    string        `json:"p,omitempty"`
	Wants    []want        `json:"w,omitempty"`
	Assigned *assignedForm `json:"g,omitempty"`
}

// assignedForm is the stored form of assigned.
type assignedForm struct {
	Added []additionForm `json:"a,omitempty"`
	Base  []settingForm  `json:"b,omitempty"`
	Known []knownForm    `json:"k,omitempty"`
}

type additionForm struct {
	Field int32   `json:"f"`
	Rules []int32 `json:"r"`
}

type knownForm struct {
	Field int32  `json:"f"`
	Raw   string `json:"o"`
}

// settingForm is the stored form of a setting.
type settingForm struct {
	Field  int32   `json:"f"`
	Choice choice  `json:"h,omitempty"`
	By     Decider `json:"b"`
	Old    string  `json:"o,omitempty"`
	New    string  `json:"n,omitempty"`
	Sealed []byte  `json:"z,omitempty"` // instead of New, for a secret
}

// tailForm is a part of the tail.
type tailForm struct {
	Owners  []ownerForm        `json:"owners,omitempty"`
	People  []personForm       `json:"people,omitempty"`
	Names   []namedForm        `json:"names,omitempty"`   // of people
	Leavers []namedForm        `json:"leavers,omitempty"` // by what they are recognized
	Stay    []Member           `json:"stay,omitempty"`
	Missing []MissingReference `json:"missing,omitempty"`
}

type ownerForm struct {
	Slot  int    `json:"slot"`
	Value string `json:"value"`
	ID    string `json:"id"`
	Name  string `json:"name"`
}

type personForm struct {
	Name   string   `json:"name"`
	Active bool     `json:"active,omitempty"`
	Many   string   `json:"many,omitempty"`
	Links  []string `json:"links,omitempty"`
}

type namedForm struct {
	Name string `json:"name"`
	At   int32  `json:"at"`
}

// fingerprint tells schemas apart, but for their check functions.
func (s *schema) fingerprint() (string, error) {
	data, err := json.Marshal(s.Schema)
	if err != nil {
		return "", fmt.Errorf("usersync: schema: %w", err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16]), nil
}

// head gives the head of the stored form.
func (p *Plan) head() ([]byte, error) {
	schema, err := p.schema.fingerprint()
	if err != nil {
		return nil, err
	}
	h := planHead{Format: storedFormat, Schema: schema, ID: p.ID, Config: p.cfg, Actor: p.Actor, Created: p.Created,
		Source: p.Source, Undoes: p.Undoes, Notes: p.Notes, BaselineRun: p.BaselineRun, Baseline: p.Baseline, Seats: p.Seats,
		Pools: p.pools, PoolField: p.poolField,
		Rows: p.rows, Entries: len(p.entries), Columns: p.columns != nil, Remember: p.remember, Parts: p.partInfos(),
		Fields: p.extra, Added: p.added, Offers: p.offers}
	if p.columns != nil {
		h.CSV, h.Corrects = p.columns.isCSV, p.columns.corrects
	}
	for _, links := range p.cross.links {
		h.Links = len(links)
	}
	return json.Marshal(h)
}

func (p *Plan) partInfos() []PartInfo {
	infos := []PartInfo{}
	for part := range slices.Chunk(p.entries, partSize) {
		info := PartInfo{Rows: len(part), Classes: map[Class]int{}}
		for i := range part {
			info.Classes[part[i].class]++
		}
		infos = append(infos, info)
	}
	return infos
}

// parts yields the parts of the stored form.
func (p *Plan) parts(seal *sealer) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for first := 0; first < len(p.entries); first += partSize {
			if data, err := p.entryPart(first, seal); !yield(data, err) || err != nil {
				return
			}
		}
		for tail := range p.tail() {
			if data, err := json.Marshal(tail); !yield(data, err) || err != nil {
				return
			}
		}
	}
}

func (p *Plan) entryPart(first int, seal *sealer) ([]byte, error) {
	forms := make([]entryForm, 0, partSize)
	for i := first; i < min(first+partSize, len(p.entries)); i++ {
		form, err := p.entryForm(int32(i), seal)
		if err != nil {
			return nil, err
		}
		forms = append(forms, form)
	}
	return json.Marshal(forms)
}

func (p *Plan) entryForm(at int32, seal *sealer) (entryForm, error) {
	e, x := &p.entries[at], &p.cross
	form := entryForm{Number: e.number, Account: e.account, Wish: e.wish, Flags: e.flags, Class: e.class,
		Name: e.name, UserID: e.userID, Links: x.linksOf(at)}
	if e.key != e.name {
		form.Key = &e.key
	}
	if stored, elsewhere := x.stored[at]; elsewhere {
		form.Stored = &stored
		if first, known := x.elsewhere[Fold(stored)]; known && first == at {
			form.First |= firstElsewhere
		}
	}
	if first, known := x.byKey[e.key]; known && first == at {
		form.First |= firstOfKey
	}
	if first, known := x.byUser[e.userID]; known && first == at {
		form.First |= firstOfUser
	}
	if e.more == nil {
		return form, nil
	}
	m := e.more
	form.More = &moreForm{Op: m.op, Version: m.version, Own: m.own, Cross: m.cross, Verdict: m.verdict,
		Cells: p.openCells(m.cells), Pools: m.pools, Wants: m.wants, Assigned: m.assigned.form()}
	return form, p.storeSettings(at, form.More, seal)
}

// form is the stored form, nil for nil. Neither what rules ask about nor what they add to is secret.
func (a *assigned) form() *assignedForm {
	if a == nil {
		return nil
	}
	out := &assignedForm{}
	for _, to := range a.added {
		out.Added = append(out.Added, additionForm{to.field, to.rules})
	}
	for _, s := range a.base {
		out.Base = append(out.Base, settingForm{Field: s.field, By: s.by, Old: s.old, New: s.new})
	}
	for _, v := range a.known {
		out.Known = append(out.Known, knownForm{v.field, v.raw})
	}
	return out
}

// linksOf are whom the entry's user refers to now, nil for nobody.
func (x *crossing) linksOf(at int32) []string {
	var out []string
	for slot := range x.links {
		if int(at) < len(x.links[slot]) && x.links[slot][at] != "" {
			if out == nil {
				out = make([]string, len(x.links))
			}
			out[slot] = x.links[slot][at]
		}
	}
	return out
}

// openCells are the cells without what is secret, of which correction files say only that it was there. (A10)
func (p *Plan) openCells(cells []string) []string {
	if cells == nil || p.columns == nil {
		return cells
	}
	out := cells
	for i := range p.schema.fields {
		col := p.columns.cells[i]
		if !p.schema.fields[i].Secret || col < 0 || col >= len(cells) {
			continue
		}
		if &out[0] == &cells[0] {
			out = slices.Clone(cells)
		}
		out[col] = masked(cells[col])
	}
	return out
}

func (p *Plan) storeSettings(at int32, m *moreForm, seal *sealer) error {
	e := &p.entries[at]
	for i := range e.more.settings {
		s := &e.more.settings[i]
		form := settingForm{Field: s.field, Choice: s.choice, By: s.by, Old: s.old, New: s.new}
		if p.schema.fields[s.field].Secret {
			form.Old, form.New = masked(s.old), masked(s.new)
			var err error
			if form.Sealed, err = seal.seal(p.ID, at, s); err != nil {
				return err
			}
		}
		m.Settings = append(m.Settings, form)
	}
	return nil
}

// tail yields the parts of the tail, in a fixed order.
func (p *Plan) tail() iter.Seq[tailForm] {
	x := &p.cross
	return func(yield func(tailForm) bool) {
		_ = each(p.owners(), func(some []ownerForm) bool { return yield(tailForm{Owners: some}) }) &&
			each(x.persons(), func(some []personForm) bool { return yield(tailForm{People: some}) }) &&
			each(sorted(x.byName), func(some []namedForm) bool { return yield(tailForm{Names: some}) }) &&
			each(sorted(x.leavers), func(some []namedForm) bool { return yield(tailForm{Leavers: some}) }) &&
			each(p.stay, func(some []Member) bool { return yield(tailForm{Stay: some}) }) &&
			each(p.offered(), func(some []MissingReference) bool { return yield(tailForm{Missing: some}) })
	}
}

// each hands items on, tailSize at a time, until use does not want more.
func each[T any](items []T, use func([]T) bool) bool {
	for some := range slices.Chunk(items, tailSize) {
		if !use(some) {
			return false
		}
	}
	return true
}

func (p *Plan) owners() []ownerForm {
	var out []ownerForm
	for slot, owners := range p.cross.owners {
		for _, value := range slices.Sorted(maps.Keys(owners)) {
			for _, o := range owners[value] {
				out = append(out, ownerForm{slot, value, o.id, o.name})
			}
		}
	}
	return out
}

func (x *crossing) persons() []personForm {
	out := make([]personForm, len(x.people))
	for i, p := range x.people {
		out[i] = personForm{p.name, p.active, p.many, p.links}
	}
	return out
}

func sorted(m map[string]int32) []namedForm {
	out := make([]namedForm, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, namedForm{name, m[name]})
	}
	return out
}
