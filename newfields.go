package usersync

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// FieldStore keeps the fields that were added to the schema while the product runs (see [AddFields]). It belongs to
// one tenant, like [Stores].
type FieldStore interface {
	// Fields returns the fields that were added, as they were given, in the order in which they were added;
	// none is no error. It is asked once for every preview, so that a field that any process has added is
	// there in the next one, and must not keep its answer. It may be called concurrently.
	Fields(ctx context.Context) ([]Field, error)
	// AddFields adds fields for all users, in their order, as one step: all of them or, with an error, none. One
	// that is there already with the same definition is not added again, and no error; one whose name, compared
	// exactly, is that of another definition wraps ErrDuplicate. Definitions are the same if their JSON is.
	//
	// From then on UserStore takes values of the field, and no user has one. It may be called
	// concurrently, also for the same fields. fields has each name once, and is not kept.
	//
	// Both return an error, and change nothing, when ctx is done.
	AddFields(ctx context.Context, fields []Field) error
}

// maxFieldName is how many characters the name of an added field has at most.
const maxFieldName = 60

// maxDefinition is how many bytes the JSON of an added field has at most.
const maxDefinition = 32 << 10

// CurrentSchema returns the schema with the fields that were added to it: what a preview that is made now
// works with. Without WithFieldStore that is Schema. The error is that of the store, or an *InvalidError where the
// fields do not fit the schema.
func (p *Previewer) CurrentSchema(ctx context.Context) (Schema, error) {
	s, _, err := p.schemaNow(ctx)
	if err != nil {
		return Schema{}, err
	}
	out := s.Schema
	out.Fields = slices.Clone(out.Fields)
	return out, nil
}

// schemaNow is the schema with the fields that were added to it, and those by themselves.
func (p *Previewer) schemaNow(ctx context.Context) (*schema, []Field, error) {
	if p.fieldStore == nil {
		return p.schema, nil, nil
	}
	there, err := p.addedFields(ctx)
	if err != nil {
		return nil, nil, err
	}
	s, err := p.schema.with(there, "schema with the fields that were added")
	return s, there, err
}

// with is the schema with further fields at its end, so that those that it has keep their places. All that is
// wrong with them is reported at once; what says what is not valid.
func (s *schema) with(fields []Field, what string) (*schema, error) {
	if len(fields) == 0 {
		return s, nil
	}
	var bad problems
	longer := s.Schema
	longer.Fields = slices.Clone(s.Fields)
	for _, f := range fields {
		path := "fields." + f.Name
		checkAdded(f, path, &bad)
		if _, taken := s.byName[f.Name]; taken {
			bad.add(path+".name", "there is another field of that name: take another name")
			continue
		}
		longer.Fields = append(longer.Fields, f)
	}
	out, err := compile(longer)
	var invalid *InvalidError
	if errors.As(err, &invalid) {
		bad = append(bad, invalid.Problems...)
	}
	return out, bad.err(what)
}

// checkAdded reports what a field cannot have that is added for all users, those of other files and those who are
// there already among them.
func checkAdded(f Field, path string, bad *problems) {
	if !isFieldName(f.Name) {
		bad.add(path+".name", "%q cannot be the name of a new field: it has from 1 to %d letters, digits, _ and -, first a letter",
			f.Name, maxFieldName)
	}
	for _, c := range []struct {
		member, why string
		wrong       bool
	}{
		{"kind", "a new field cannot refer to users", f.Kind == KindUser},
		{"required", "a new field cannot be required: users who are there have no value, and other files no column", f.Required != Optional},
		{"unique", "a new field cannot be unique: users are not found by it", f.Unique != NotUnique},
		{"match", "users are not found by a new field", f.Match != ""},
		{"secret", "a new field cannot be secret", f.Secret},
		{"refers", "a new field cannot have names of things of the product", f.Refers != nil},
		{"check", "a new field is kept as data and has no function", f.Check != nil},
		{"canonical", "a new field is kept as data and has no function", f.Canonical != nil},
	} {
		if c.wrong {
			bad.add(path+"."+c.member, "%s", c.why)
		}
	}
	if data, err := json.Marshal(f); err != nil || len(data) > maxDefinition {
		bad.add(path, "is longer than %d bytes in all", maxDefinition)
	}
}

// isFieldName tells the names that added fields can have: letters and digits of any script, _ and -.
func isFieldName(name string) bool {
	first, _ := utf8.DecodeRuneInString(name)
	outside := func(r rune) bool { return !isNameRune(r) && r != '_' && r != '-' }
	return unicode.IsLetter(first) && utf8.ValidString(name) && utf8.RuneCountInString(name) <= maxFieldName &&
		!strings.ContainsFunc(name, outside)
}

func isNameRune(r rune) bool { return unicode.In(r, unicode.L, unicode.M, unicode.Nd) }

// extension is the schema that a plan is made with, and what it has beside the engine's own.
type extension struct {
	schema *schema
	extra  []Field // the fields beside the engine's own, in order
	added  int     // of them, at the end, those that applying the plan adds
}

// fresh are the fields that applying the plan adds.
func (x *extension) fresh() []Field { return x.extra[len(x.extra)-x.added:] }

// extend gives the schema of a new plan: the engine's, the fields that the store has, and those that were chosen
// and are not there yet.
func (p *Previewer) extend(ctx context.Context, chosen []Field) (extension, error) {
	if p.fieldStore == nil && len(chosen) > 0 {
		return extension{}, optionError("AddFields", "needs WithFieldStore")
	}
	s, there, err := p.schemaNow(ctx)
	if err != nil {
		return extension{}, err
	}
	var fresh []Field
	for _, f := range chosen {
		if at := fieldNamed(there, f.Name); at < 0 || !sameField(there[at], f) {
			fresh = append(fresh, f)
		}
	}
	s, err = s.with(fresh, "list of new fields")
	return extension{schema: s, extra: slices.Concat(there, fresh), added: len(fresh)}, err
}

// extendAs gives the schema of a plan that takes another back: with the fields of that one, in their places.
func (p *Previewer) extendAs(ctx context.Context, other *extension) (extension, error) {
	if len(other.extra) == 0 {
		return extension{schema: p.schema}, nil
	}
	there, err := p.addedFields(ctx)
	if err != nil {
		return extension{}, err
	}
	if moved := movedFields(other.extra, 0, there); len(moved) > 0 {
		return extension{}, &StaleError{Fields: moved}
	}
	s, err := p.schema.with(other.extra, "schema of the run")
	return extension{schema: s, extra: other.extra}, err
}

func optionError(name, detail string) error {
	return &InvalidError{What: "option", Problems: []Problem{{Path: name, Detail: detail}}}
}

// fieldNamed is the place of a field, -1 if there is none of that name.
func fieldNamed(fields []Field, name string) int {
	return slices.IndexFunc(fields, func(f Field) bool { return f.Name == name })
}

// sameField tells that two fields have the same definition.
func sameField(a, b Field) bool {
	one, err := json.Marshal(a)
	two, other := json.Marshal(b)
	return err == nil && other == nil && string(one) == string(two)
}

// movedFields names the fields of a plan that are not there as the plan has them. The last ones, which it
// adds, may also not be there at all.
func movedFields(extra []Field, added int, there []Field) []string {
	var moved []string
	for i, f := range extra {
		at := fieldNamed(there, f.Name)
		isNew := i >= len(extra)-added
		if at < 0 && !isNew || at >= 0 && !sameField(there[at], f) {
			moved = append(moved, f.Name)
		}
	}
	return moved
}

// checkFields looks whether the plan's fields are there, or can still be added, as the plan has them. (A3)
func (w *applyJob) checkFields(ctx context.Context, stale *StaleError) error {
	x := &w.plan.extension
	if len(x.extra) == 0 {
		return nil
	}
	there, err := w.addedFields(ctx)
	if err != nil {
		return err
	}
	stale.Fields = movedFields(x.extra, x.added, there)
	missing := slices.DeleteFunc(slices.Clone(x.fresh()), func(f Field) bool { return fieldNamed(there, f.Name) >= 0 })
	if len(stale.Fields) > 0 || len(missing) == 0 {
		return nil
	}
	if _, err := w.Engine.schema.with(slices.Concat(there, missing), ""); err != nil { // by a header, not by its name
		stale.Fields = fieldNames(missing)
	}
	return nil
}

func fieldNames(fields []Field) []string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	return names
}

// describe names a field with its header.
func (f Field) describe() string {
	if header := f.Header(); header != f.Name {
		return f.Name + " (" + header + ")"
	}
	return f.Name
}
