package usersync

import "slices"

// Ignored says for which users the values of a field are not taken.
type Ignored string

// For which users the values of a field are ignored.
const (
	NeverIgnored       Ignored = ""
	IgnoredForNew      Ignored = "new"
	IgnoredForExisting Ignored = "existing"
)

// sortIgnored collects a field that is ignored for some users, and refuses it where that contradicts what
// else is said of the field.
func (c *schema) sortIgnored(f *field, bad *problems) {
	path := "fields." + f.Name + ".ignored"
	oneOf(path, f.Ignored, bad, NeverIgnored, IgnoredForNew, IgnoredForExisting)
	switch {
	case f.Ignored == NeverIgnored:
		return
	case f.index == c.key || f.Match != "":
		bad.add(path, "%s finds users: it cannot be ignored", f.Name)
	case f.Ignored == IgnoredForNew && f.Required != Optional:
		bad.add(path, "%s is required for new users, and ignored for them", f.Name)
	}
	c.ignored = append(c.ignored, f.index)
}

// ignore takes values away that the schema ignores for the row's user, as if their columns were absent. A row
// whose user is unclear is an error anyway.
func (c *comparer) ignore(r *checked, m match) {
	ignored := IgnoredForNew
	if m.user != nil {
		ignored = IgnoredForExisting
	}
	for _, i := range c.schema.ignored {
		f := &c.schema.fields[i]
		if f.Ignored != ignored || r.states[i] == broken {
			continue
		}
		if r.states[i] == given {
			reason := note(CodeIgnored, "users", string(ignored)).in(f.Name)
			reason.Column, reason.Cell = c.columns.place(r.number, i)
			r.reasons, r.ignored = append(r.reasons, reason), true
		}
		r.states[i] = absent
		r.wants = slices.DeleteFunc(r.wants, func(w want) bool { return int(w.Field) == i })
	}
}

// givesOnlyKey tells a row that has a value in no other field.
func (c *comparer) givesOnlyKey(r *checked) bool {
	for i, state := range r.states {
		if i != c.schema.key && state != blank && state != absent {
			return false
		}
	}
	return !r.ignored
}
