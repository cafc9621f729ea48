package usersync

import "slices"

// validateKeeper refuses a store that has no place for a field that users must have, or are found by.
func (p *Previewer) validateKeeper() error {
	var bad problems
	for i := range p.schema.fields {
		f := &p.schema.fields[i]
		if (f.Required != Optional || p.schema.looksUp(f)) && !p.keeps(f) {
			bad.add(f.Name, "the store has no place for it, or cannot find users by it: give it one, such as a column of the mapping, "+
				"or take the field from the schema")
		}
	}
	return bad.err("user store")
}

// checkKept refuses a file with columns for which the store has no place: every row would fail.
func (j *previewJob) checkKept(cols *columns) error {
	var bad problems
	for i := range j.schema.fields {
		f := &j.schema.fields[i]
		if cols.cells[i] >= 0 && !j.keeps(f) {
			bad.add(f.Name, "the file has the column %s, and the store has no place for its values: give it one, or take the field from the schema",
				cols.list[cols.cells[i]].Header)
		}
	}
	return bad.err("user store")
}

// keeps tells that the store has a place for a field, as far as it says so.
func (p *Previewer) keeps(f *field) bool {
	keeper, able := p.users.(FieldKeeper)
	return !able || f.transient || f.Name == p.schema.Status || keeper.KeepsField(f.Name, p.schema.looksUp(f))
}

// looksUp tells that users are looked up by a field.
func (s *schema) looksUp(f *field) bool {
	return f.index == s.key || f.Unique != NotUnique || slices.ContainsFunc(s.match, func(at int) bool { return s.fields[at].Match == f.Name })
}
