package usersync

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
)

// partInfos says what the parts of a stored plan have.
func partInfos(head []byte) ([]PartInfo, error) {
	h, err := readHead(head)
	if err != nil {
		return nil, err
	}
	return h.Parts, nil
}

func readHead(data []byte) (*planHead, error) {
	var h planHead
	if err := json.Unmarshal(data, &h); err != nil {
		return nil, fmt.Errorf("usersync: stored plan: %w", err)
	}
	if h.Format != storedFormat {
		return nil, fmt.Errorf("%w: the stored plan has format %d, which this version cannot read", ErrPlanStale, h.Format)
	}
	if h.Entries < 0 || h.Rows < 0 || h.Rows > h.Entries || h.Links < 0 || h.Links > h.Entries ||
		len(h.Parts) != (h.Entries+partSize-1)/partSize || !h.Columns && h.Rows > 0 ||
		h.Added < 0 || h.Added > len(h.Fields) {
		return nil, fmt.Errorf("%w: the stored plan contradicts itself", ErrInvalid)
	}
	return &h, nil
}

// loadPlan makes a plan of its stored form. A plan of another schema is stale.
func loadPlan(s *schema, seal *sealer, head []byte, parts iter.Seq2[[]byte, error]) (*Plan, error) {
	l, err := newLoader(s, head)
	if err != nil {
		return nil, err
	}
	l.seal = seal
	l.plan.entries = make([]entry, 0, min(l.head.Entries, 1<<20))
	read := 0
	for part, err := range parts {
		if err != nil {
			return nil, err
		}
		if read < len(l.head.Parts) {
			err = l.entries(part)
		} else {
			err = l.tail(part)
		}
		if err != nil {
			return nil, fmt.Errorf("usersync: stored plan %s, part %d: %w", l.plan.ID, read, err)
		}
		read++
	}
	if len(l.plan.entries) != l.head.Entries {
		return nil, fmt.Errorf("%w: stored plan %s has %d of %d rows", ErrInvalid, l.plan.ID, len(l.plan.entries), l.head.Entries)
	}
	return l.plan, l.check()
}

// loadRows makes a plan that has only the entries of one part, to show them. They are numbered from 0.
func loadRows(s *schema, head []byte, part []byte) (*Plan, error) {
	l, err := newLoader(s, head)
	if err != nil {
		return nil, err
	}
	l.shown = true
	return l.plan, l.entries(part)
}

// loader reads a stored plan.
type loader struct {
	plan  *Plan
	head  *planHead
	seal  *sealer
	shown bool // only to be shown: secrets stay sealed
	links map[string]string
}

func newLoader(s *schema, head []byte) (*loader, error) {
	h, err := readHead(head)
	if err != nil {
		return nil, err
	}
	if s, err = s.with(h.Fields, "schema of the stored plan"); err != nil {
		return nil, fmt.Errorf("%w: the fields of users were changed since plan %s was made: %w", ErrPlanStale, h.ID, err)
	}
	own, err := s.fingerprint()
	if err != nil {
		return nil, err
	}
	if h.Schema != own {
		return nil, fmt.Errorf("%w: the fields of users were changed since plan %s was made: preview again", ErrPlanStale, h.ID)
	}
	if _, known := s.byName[h.PoolField]; h.PoolField != "" && !known {
		return nil, fmt.Errorf("%w: stored plan %s names pools by the field %q, which there is not", ErrInvalid, h.ID, h.PoolField)
	}
	p := &Plan{ID: h.ID, Config: h.Config.Clone(), cfg: h.Config, Actor: h.Actor, Created: h.Created, Source: h.Source,
		Undoes: h.Undoes, Notes: h.Notes, BaselineRun: h.BaselineRun, Baseline: h.Baseline, Seats: h.Seats, rows: h.Rows,
		extension: extension{schema: s, extra: h.Fields, added: h.Added}, offers: h.Offers,
		pools: h.Pools, poolField: h.PoolField, remember: h.Remember, cross: newCrossing(s), turn: make(chan struct{}, 1)}
	p.Added = slices.Clone(p.fresh())
	if h.Columns {
		p.columns = columnsOf(s, h)
	}
	return &loader{plan: p, head: h, links: map[string]string{}}, nil
}

// columnsOf is the header row of a stored plan.
func columnsOf(s *schema, h *planHead) *columns {
	c := &columns{isCSV: h.CSV, corrects: h.Corrects, list: h.Source.Columns, cells: make([]int, len(s.fields))}
	for i := range c.cells {
		c.cells[i] = -1
	}
	for i, col := range h.Source.Columns {
		at, known := s.byName[col.Field]
		if !known {
			at = -1
		} else {
			c.cells[at] = i
		}
		c.fields = append(c.fields, at)
	}
	return c
}

// entries reads a part with entries.
func (l *loader) entries(part []byte) error {
	var forms []entryForm
	if err := json.Unmarshal(part, &forms); err != nil {
		return err
	}
	for i := range forms {
		if err := l.entry(&forms[i]); err != nil {
			return err
		}
	}
	return nil
}

func (l *loader) entry(f *entryForm) error {
	p, at := l.plan, int32(len(l.plan.entries))
	if !slices.Contains(Classes(), f.Class) || f.Account > inactiveAccount || f.Wish > wantsInactive {
		return fmt.Errorf("%w: row %d of the stored plan", ErrInvalid, at)
	}
	e := entry{number: f.Number, account: f.Account, wish: f.Wish, flags: f.Flags, class: f.Class,
		key: f.Name, name: f.Name, userID: f.UserID}
	if f.Key != nil {
		e.key = *f.Key
	}
	if f.More != nil {
		var err error
		if e.more, err = l.more(at, f.More); err != nil {
			return err
		}
	}
	p.entries = append(p.entries, e)
	l.crossing(at, f)
	return nil
}

// crossing notes what settle has to know of an entry.
func (l *loader) crossing(at int32, f *entryForm) {
	x, e := &l.plan.cross, &l.plan.entries[at]
	if f.Stored != nil {
		x.stored[at] = *f.Stored
	}
	if l.shown {
		return
	}
	if f.First&firstElsewhere != 0 && f.Stored != nil {
		x.elsewhere[Fold(*f.Stored)] = at
	}
	if f.First&firstOfKey != 0 {
		x.byKey[e.key] = at
	}
	if f.First&firstOfUser != 0 {
		x.byUser[e.userID] = at
	}
	for slot := range x.links {
		link := ""
		if slot < len(f.Links) {
			link = l.intern(f.Links[slot])
		}
		if int(at) < l.head.Links {
			x.links[slot] = append(x.links[slot], link)
		}
	}
}

// intern keeps each reference once: many users have the same manager.
func (l *loader) intern(s string) string {
	if kept, known := l.links[s]; known {
		return kept
	}
	l.links[s] = s
	return s
}

func (l *loader) more(at int32, f *moreForm) (*more, error) {
	if !slices.Contains([]Op{"", OpCreate, OpUpdate, OpActivate, OpDeactivate}, f.Op) {
		return nil, fmt.Errorf("%w: row %d of the stored plan has the operation %q", ErrInvalid, at, f.Op)
	}
	m := &more{op: f.Op, version: f.Version, own: f.Own, cross: f.Cross, verdict: f.Verdict, cells: f.Cells, pools: f.Pools, wants: f.Wants}
	var err error
	if m.assigned, err = l.assigned(at, f.Assigned); err != nil {
		return nil, err
	}
	for i := range f.Settings {
		set := &f.Settings[i]
		if set.Field < 0 || int(set.Field) >= len(l.plan.schema.fields) || set.Choice > keepCurrent {
			return nil, fmt.Errorf("%w: row %d of the stored plan has a field %d", ErrInvalid, at, set.Field)
		}
		s := setting{field: set.Field, choice: set.Choice, by: set.By, old: set.Old, new: set.New}
		if l.plan.schema.fields[set.Field].Secret && !l.shown && set.Sealed != nil {
			if s.new, err = l.seal.open(l.plan.ID, at, set); err != nil {
				return nil, err
			}
		}
		m.settings = append(m.settings, s)
	}
	return m, nil
}

// assigned reads what assignment rules did, nil for nothing.
func (l *loader) assigned(at int32, f *assignedForm) (*assigned, error) {
	if f == nil {
		return nil, nil
	}
	out, rules, outside := &assigned{}, l.plan.cfg.countRules(), false
	field := func(i int32) int32 {
		outside = outside || i < 0 || int(i) >= len(l.plan.schema.fields)
		return i
	}
	for _, to := range f.Added {
		outside = outside || slices.ContainsFunc(to.Rules, func(at int32) bool { return at < 0 || int(at) >= rules })
		out.added = append(out.added, addition{field(to.Field), to.Rules})
	}
	for _, s := range f.Base {
		out.base = append(out.base, setting{field: field(s.Field), by: s.By, old: s.Old, new: s.New})
	}
	for _, v := range f.Known {
		out.known = append(out.known, knownValue{field(v.Field), v.Raw})
	}
	if outside {
		return nil, fmt.Errorf("%w: row %d of the stored plan has an assignment that there is not", ErrInvalid, at)
	}
	return out, nil
}

// tail reads a part of the tail.
func (l *loader) tail(part []byte) error {
	var f tailForm
	if err := json.Unmarshal(part, &f); err != nil {
		return err
	}
	x := &l.plan.cross
	for _, o := range f.Owners {
		if o.Slot < 0 || o.Slot >= len(x.owners) {
			return fmt.Errorf("%w: there is no unique field %d", ErrInvalid, o.Slot)
		}
		x.owners[o.Slot][o.Value] = append(x.owners[o.Slot][o.Value], owner{o.ID, o.Name})
	}
	for _, p := range f.People {
		x.people = append(x.people, person{p.Name, p.Active, p.Many, p.Links})
	}
	for _, n := range f.Names {
		x.byName[n.Name] = n.At
	}
	for _, n := range f.Leavers {
		x.leavers[n.Name] = n.At
	}
	l.plan.stay = append(l.plan.stay, f.Stay...)
	for _, m := range f.Missing {
		l.plan.things = append(l.plan.things, thing{m, Fold(m.Name)})
	}
	return nil
}

// check refuses a plan whose parts point outside it.
func (l *loader) check() error {
	x := &l.plan.cross
	for _, at := range x.byName {
		if at < 0 || int(at) >= len(x.people) {
			return fmt.Errorf("%w: stored plan %s names a person that it does not have", ErrInvalid, l.plan.ID)
		}
	}
	for _, at := range x.leavers {
		if at < 0 || int(at) >= len(l.plan.entries) {
			return fmt.Errorf("%w: stored plan %s names a row that it does not have", ErrInvalid, l.plan.ID)
		}
	}
	for i := range x.people {
		if n := len(x.people[i].links); n != 0 && n != len(x.links) {
			return fmt.Errorf("%w: stored plan %s has a person with %d references", ErrInvalid, l.plan.ID, n)
		}
	}
	return l.checkWants()
}

func (l *loader) checkWants() error {
	p := l.plan
	for i := range p.entries {
		if p.entries[i].more == nil {
			continue
		}
		for _, w := range p.entries[i].more.wants {
			if !slices.Contains(p.schema.named, int(w.Field)) || w.Thing < 0 || int(w.Thing) >= len(p.things) {
				return fmt.Errorf("%w: row %d of stored plan %s names a thing that it does not have", ErrInvalid, i, p.ID)
			}
		}
	}
	return nil
}
