package usersync

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// findMatches looks up everybody whom a batch of rows may mean.
func (j *previewJob) findMatches(ctx context.Context, rows []checked) (*finder, error) {
	f := &finder{schema: j.schema, byMatch: make([]map[string][]*User, len(j.schema.match))}
	var err error
	f.byKey, err = j.findBy(ctx, j.schema.key, rows, func(r *checked) string { return r.key })
	for slot := 0; slot < len(f.byMatch) && err == nil; slot++ {
		field := &j.schema.fields[j.schema.match[slot]]
		target := j.schema.byName[field.Match]
		f.byMatch[slot], err = j.findBy(ctx, target, rows, func(r *checked) string { return matchValue(field, r) })
	}
	return f, err
}

// matchValue is the folded value by which a match field finds the row's user, "" for none.
func matchValue(f *field, r *checked) string {
	if r.states[f.index] != given {
		return ""
	}
	return Fold(r.values[f.index])
}

// findBy looks up the users who have one of the rows' values in a field.
func (j *previewJob) findBy(ctx context.Context, field int, rows []checked, value func(*checked) string) (map[string][]*User, error) {
	values := make([]string, 0, len(rows))
	for i := range rows {
		if v := value(&rows[i]); v != "" {
			values = append(values, v)
		}
	}
	return j.findFolded(ctx, field, values)
}

// findFolded looks up users by the folded values of a field, each value once, and groups them.
func (j *previewJob) findFolded(ctx context.Context, field int, values []string) (map[string][]*User, error) {
	slices.Sort(values)
	values = slices.Compact(values)
	name := j.schema.fields[field].Name
	users, err := j.findUsers(ctx, name, values)
	if err != nil {
		return nil, err
	}
	slab := make([]*User, len(users))
	by := make(map[string][]*User, len(users))
	for i := range users {
		slab[i] = &users[i]
		v := Fold(users[i].Values.raw(name, field))
		if v == "" { // nobody was asked for by it; without it, everybody would look new
			return nil, fmt.Errorf("%w: UserReader.FindUsers returned user %s without %s, by which it was asked",
				ErrInvalid, users[i].ID, name)
		}
		if by[v] == nil {
			by[v] = slab[i : i+1 : i+1]
			continue
		}
		by[v] = append(by[v], slab[i])
	}
	return by, nil
}

// finder finds the users of rows among those that were looked up.
type finder struct {
	schema  *schema
	byKey   map[string][]*User
	byMatch []map[string][]*User
}

// match finds the user of a row: by its match fields and by its key, which must agree. (C5, B8)
func (f *finder) match(r *checked) match {
	if users := f.byKey[r.key]; len(f.byMatch) == 0 && len(users) == 1 {
		return match{user: users[0]} // the usual case
	}
	var m match
	var by []string
	look := func(field int, value string, users []*User) {
		if value == "" || len(users) == 0 {
			return
		}
		by = append(by, f.schema.fields[field].Name)
		if len(users) > 1 {
			m.reasons = append(m.reasons, errorReason(CodeAmbiguousUser, "value", r.values[field],
				"users", userIDs(users)).in(f.schema.fields[field].Name))
		}
		for _, u := range users {
			m.add(u, f.schema)
		}
	}
	for slot, field := range f.schema.match {
		value := matchValue(&f.schema.fields[field], r)
		look(field, value, f.byMatch[slot][value])
	}
	m.byMatch = len(m.others) > 0
	look(f.schema.key, r.key, f.byKey[r.key])
	if len(m.others) > 1 {
		if m.reasons == nil {
			m.reasons = append(m.reasons, errorReason(CodeMatchDiffers, "fields", strings.Join(by, " and "),
				"users", strings.Join(m.names, ", ")))
		}
		m.user = nil
	}
	return m
}

// add notes that a user may be meant.
func (m *match) add(u *User, s *schema) {
	if !slices.Contains(m.others, u.ID) {
		m.others = append(m.others, u.ID)
		m.names = append(m.names, s.nameOf(u))
		m.user = u
	}
}

func userIDs(users []*User) string {
	ids := make([]string, len(users))
	for i, u := range users {
		ids[i] = u.ID
	}
	slices.Sort(ids)
	return strings.Join(ids, ", ")
}

// findOwners looks up who has the unique values that the entries from first on want. (C6)
func (j *previewJob) findOwners(ctx context.Context, first int) error {
	for slot, field := range j.schema.unique {
		f := &j.schema.fields[field]
		var values []string
		for i := range j.plan.entries[first:] {
			s := j.plan.entries[first+i].setting(field)
			if s == nil || s.new == "" {
				continue
			}
			if v := Fold(s.new); !j.wanted[slot][v] {
				j.wanted[slot][v] = true
				values = append(values, v)
			}
		}
		by, err := j.findFolded(ctx, field, values)
		if err != nil {
			return err
		}
		for _, users := range by {
			form := f.compareForm(f.stored(users[0].Values.raw(f.Name, field)))
			j.plan.cross.owners[slot][form] = j.owners(users)
		}
	}
	return nil
}

func (j *previewJob) owners(users []*User) []owner {
	out := make([]owner, len(users))
	for i, u := range users {
		out[i] = owner{id: strings.Clone(u.ID), name: strings.Clone(j.schema.nameOf(u))}
	}
	slices.SortFunc(out, func(a, b owner) int { return strings.Compare(a.id, b.id) })
	return out
}

// nameOf is the user's key field, or else the id.
func (s *schema) nameOf(u *User) string {
	if name := u.Values.raw(s.Key, s.key); name != "" {
		return name
	}
	return u.ID
}

// findReferences looks up everybody outside the file whom references reach: the users that rows refer
// to, and on from there, for loops may go through users whom the file does not name. (C8)
func (j *previewJob) findReferences(ctx context.Context) error {
	var unknown []string
	for i := range j.plan.entries[:j.plan.rows] {
		for _, field := range j.schema.refs {
			if s := j.plan.entries[i].setting(field); s != nil && s.new != "" {
				unknown = append(unknown, j.follow(Fold(s.new))...)
			}
		}
	}
	for len(unknown) > 0 {
		by, err := j.findFolded(ctx, j.schema.key, unknown)
		if err != nil {
			return err
		}
		var next []string
		for _, key := range unknown {
			if users := by[key]; users != nil && !j.known(key) {
				next = append(next, j.meet(key, users)...)
			}
		}
		unknown = next
	}
	j.tell(ctx, Progress{PlanID: j.plan.ID, Stage: StageCheck})
	return nil
}

func (j *previewJob) known(key string) bool {
	_, known := j.plan.cross.byName[key]
	return known
}

// follow walks from a key along the current references of the file's users, and gives the keys of those
// at the end of whom nothing is known yet.
func (j *previewJob) follow(key string) []string {
	x := &j.plan.cross
	var ends []string
	for todo := []string{key}; len(todo) > 0; {
		key, todo = todo[len(todo)-1], todo[:len(todo)-1]
		if key == "" || j.walked[key] {
			continue
		}
		j.walked[key] = true
		at, inFile := x.elsewhere[key]
		if !inFile {
			at, inFile = x.byKey[key]
		}
		if !inFile || j.plan.entries[at].account == noAccount {
			ends = append(ends, key) // a row whose user is unclear has no account either
			continue
		}
		for slot := range j.schema.refs {
			todo = append(todo, x.link(at, slot))
		}
	}
	return ends
}

// meet records a user outside the file and follows on.
func (j *previewJob) meet(key string, users []*User) []string {
	x := &j.plan.cross
	p := person{name: strings.Clone(j.schema.nameOf(users[0])), active: users[0].Active}
	if len(users) > 1 {
		p.many = userIDs(users)
	}
	var next []string
	for _, field := range j.schema.refs {
		link := j.intern(Fold(users[0].Values.raw(j.schema.fields[field].Name, field)))
		p.links = append(p.links, link)
		next = append(next, j.follow(link)...)
	}
	x.byName[strings.Clone(key)] = int32(len(x.people))
	x.people = append(x.people, p)
	return next
}
