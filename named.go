package usersync

import (
	"context"
	"strings"
	"unicode"
)

// Design note: named things.
//
// The values of some fields are names of things that the product has: groups, roles, sources, departments.
// (Users are no things: see references.go.) A field says so with Refers; References looks names up.
//
// The preview asks for the names of each batch of rows before it compares them, each name once, and puts the
// product's spelling in the place of the file's. So everything behind it (rules, lists, pools of seats) has
// nothing to do with names. A name that is not there is an error of the cell, refuses the file, or makes a
// thing that is offered: rows that want it are errors as long as nobody allows it to be created, which settle
// looks at. A run asks again for what it is about to write, and creates what was allowed before its first write.

// Refers says that the values of a field are names of things that the product has, such as groups. A name is
// looked up by its canonical form ([Fold]), and written in the product's spelling. Values are compared in that
// form, except for what Before cuts off.
type Refers struct {
	// Set is what the things are called, such as "group". Several fields may have one set.
	Set string `json:"set"`
	// Before is what a name ends at, such as ":" in "slack:jdoe": the name is all before the first of it. With ""
	// or in a value without it, the name is the whole value.
	Before string `json:"before,omitempty"`
	// Missing is what a name does that is not there.
	Missing Missing `json:"missing,omitempty"`
}

// Missing says what a name does that is not there.
type Missing string

// What a name does that is not there.
const (
	MissingIsError     Missing = ""       // the row is an Error
	MissingRefusesFile Missing = "refuse" // the file is refused
	MissingIsOffered   Missing = "create" // the row is an Error until a person allows the thing to be created
)

// References finds things by their names. An engine whose schema has fields with Refers needs one.
type References interface {
	// FindReferences returns, of the things of a set that are called one of names, those that there are and that
	// a user can be given, in the product's spelling, in any order, each once. Of things whose names are the
	// same by Fold, it returns one, which is always the same. set is that of a field of the schema.
	//
	// names are in the form of Fold, none twice and none empty, and no more than the engine's batch size; there
	// may be none. They are neither kept nor changed. A name that there is not is no error. It may be called
	// concurrently. Once ctx is done it returns soon, with an error or with all of the answer: never only some of it.
	FindReferences(ctx context.Context, set string, names []string) ([]string, error)
}

// ReferenceCreator is an optional ability of References: to create things, which fields with MissingIsOffered
// need.
type ReferenceCreator interface {
	References
	// CreateReferences creates things of a set, in the spelling of names, so that FindReferences finds them. One
	// whose name there is by Fold is left as it is and is no error, also where somebody else creates it at the
	// same time. A thing that there is but that a user cannot be given is an error.
	//
	// names differ by Fold; they are 1 to the engine's batch size, and not kept. After an error some of the
	// things may have been created.
	CreateReferences(ctx context.Context, set string, names []string) error
}

// ReferenceName names a thing.
type ReferenceName struct {
	Set  string `json:"set"`
	Name string `json:"name"`
}

// MissingReference is a thing that there is not, and that may be created.
type MissingReference struct {
	ReferenceName      // as the first row that has it spells it
	Rows          int  `json:"rows"`             // how many rows name it
	First         int  `json:"first"`            // the first of them
	Create        bool `json:"create,omitempty"` // a person allows it to be created
}

// cut divides a value into a name and what comes after it.
func (r *Refers) cut(value string) (name, rest string) {
	end := len(value)
	if r.Before != "" {
		if at := strings.Index(value, r.Before); at >= 0 {
			end = at
		}
	}
	return strings.TrimFunc(value[:end], unicode.IsSpace), value[end:]
}

// compareForm is the form in which values are compared.
func (r *Refers) compareForm(value string) string {
	name, rest := r.cut(value)
	return Fold(name) + rest
}

// items are the values of a field, each of which has a name.
func (f *field) items(value string) []string {
	switch {
	case value == "":
		return nil
	case f.List == nil:
		return []string{value}
	}
	return listItems(value)
}

// together is the value that has those items.
func (f *field) together(items []string) string {
	if f.List == nil {
		return strings.Join(items, "")
	}
	return listValue(items)
}

// hasName tells whether a value has a name, which is folded.
func (f *field) hasName(value, folded string) bool {
	for _, item := range f.items(value) {
		if name, _ := f.Refers.cut(item); Fold(name) == folded {
			return true
		}
	}
	return false
}

// newNames are the names that one value has and another has not.
func (f *field) newNames(value, before string) []string {
	had := f.folded(before)
	var out []string
	for _, item := range f.items(value) {
		if name, _ := f.Refers.cut(item); !had[Fold(name)] {
			out = append(out, name)
		}
	}
	return out
}

// folded are the names of a value, folded; nil for none. Lists are long: nobody looks through one for each item of
// another.
func (f *field) folded(value string) map[string]bool {
	if value == "" {
		return nil
	}
	names := map[string]bool{}
	for _, item := range f.items(value) {
		name, _ := f.Refers.cut(item)
		names[Fold(name)] = true
	}
	return names
}
