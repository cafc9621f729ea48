package usersynctest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/usersync-go/usersync"
)

// TestFieldStore checks that a store keeps the promises of usersync.FieldStore. open returns an empty store, a new
// one each time, and releases it with t.Cleanup.
func TestFieldStore(t *testing.T, open func(t *testing.T) usersync.FieldStore) {
	t.Helper()
	run(t, fieldChecks(), func(t *testing.T, tr trial) *fieldStore { return &fieldStore{tr, open(t)} })
}

func fieldChecks() []check[*fieldStore] {
	return []check[*fieldStore]{
		{"round trip", "Fields returns the fields as AddFields was given them, every member, in the order in which they were" +
			" added.", fieldRoundTrip},
		{"none", "Fields of a store without fields returns none and no error, and so does AddFields of none.", fieldNone},
		{"again", "AddFields of a field that is there with the same definition changes nothing and is no error, also beside" +
			" new ones.", fieldAgain},
		{"duplicate", "AddFields of a field whose name is that of another definition wraps ErrDuplicate, and the first one" +
			" stays.", fieldDuplicate},
		{"all or none", "Where AddFields cannot add one of the fields, it adds none.", fieldAllOrNone},
		{"names", "Names are compared exactly: another case, script or space makes another name.", fieldNameForms},
		{"at once", "Of many AddFields at once with different definitions of one name, one succeeds and the others wrap" +
			" ErrDuplicate; with the same definition all succeed, and the field is there once: look and add under a lock.", fieldAtOnce},
		{"copies", "Fields and AddFields share nothing with their callers.", fieldCopies},
		{"cancelled", "A method whose context is done returns an error and changes nothing.", fieldCancelled},
	}
}

// fieldStore is a store on trial.
type fieldStore struct {
	trial
	store usersync.FieldStore
}

// add adds fields, which must succeed.
func (s *fieldStore) add(fields ...usersync.Field) {
	s.Helper()
	if err := s.store.AddFields(s.Context(), fields); err != nil {
		s.breach("AddFields failed: %v", err)
	}
}

// taken ends the check unless the store refuses the fields for one that is there.
func (s *fieldStore) taken(fields ...usersync.Field) {
	s.Helper()
	if err := s.store.AddFields(s.Context(), fields); !errors.Is(err, usersync.ErrDuplicate) {
		s.breach("AddFields of another definition: the error is %v, which does not wrap usersync.ErrDuplicate", err)
	}
}

// has ends the check unless the store has just these fields.
func (s *fieldStore) has(want ...usersync.Field) {
	s.Helper()
	got, err := s.store.Fields(s.Context())
	if err != nil {
		s.breach("Fields failed: %v", err)
	}
	if definitions(got) != definitions(want) {
		s.breach("Fields returned\n%s\nwant\n%s", definitions(got), definitions(want))
	}
}

func definitions(fields []usersync.Field) string {
	var b strings.Builder
	for _, f := range fields {
		data, _ := json.Marshal(f) // plain data can always be written
		b.Write(append(data, '\n'))
	}
	return b.String()
}

// fullField has every member that an added field can have.
func fullField() usersync.Field {
	return usersync.Field{
		Name: "größe", Title: "T-Shirt «Größe» 'x' \"y\"", Aliases: []string{"Shirt", "尺寸"}, Help: strings.Repeat("ü", 3000),
		Sample: "M", Kind: usersync.KindEnum, MinLength: 1, MaxLength: 10, Pattern: `^\w+$`, PatternHelp: "a word",
		Options: []usersync.EnumValue{{Value: "S", Words: []string{"small"}}, {Value: "M"}},
		List:    &usersync.ListFormat{Separator: ";", None: "none"}, Identifier: true,
	}
}

func fieldRoundTrip(s *fieldStore) {
	flag := usersync.Field{Name: "badge", Kind: usersync.KindBool, TrueWords: []string{"ja"}, FalseWords: []string{"nein"}}
	late := usersync.Field{Name: "aLateOne"}
	s.add(flag, fullField())
	s.add(late)
	s.has(flag, fullField(), late)
	s.has(flag, fullField(), late)
}

func fieldNone(s *fieldStore) {
	s.has()
	s.add()
	s.has()
}

func fieldAgain(s *fieldStore) {
	first, second := usersync.Field{Name: "badge", MaxLength: 20}, usersync.Field{Name: "anEarlierName"}
	s.add(first, fullField())
	s.add(first)
	s.add(second, fullField(), first)
	s.has(first, fullField(), second)
}

func fieldDuplicate(s *fieldStore) {
	first := usersync.Field{Name: "badge", Title: "Badge", MaxLength: 20}
	s.add(first, fullField())
	for _, change := range []func(*usersync.Field){
		func(f *usersync.Field) { f.Title = "badge" },
		func(f *usersync.Field) { f.MaxLength = 21 },
		func(f *usersync.Field) { f.Kind = usersync.KindBool },
		func(f *usersync.Field) { f.List = &usersync.ListFormat{Separator: ","} },
	} {
		other := first
		change(&other)
		s.taken(other)
	}
	s.has(first, fullField())
}

func fieldAllOrNone(s *fieldStore) {
	there, other := usersync.Field{Name: "badge"}, usersync.Field{Name: "badge", MaxLength: 20}
	s.add(there)
	s.taken(usersync.Field{Name: "before"}, other, usersync.Field{Name: "after"})
	s.has(there)
}

func fieldNameForms(s *fieldStore) {
	var fields []usersync.Field
	for i, name := range []string{"straße", "strasse", "Straße", "straße ", "ﬁeld", "field", "Field", strings.Repeat("𠀀", 60)} {
		fields = append(fields, usersync.Field{Name: name, MaxLength: i + 1})
	}
	s.add(fields...)
	s.has(fields...)
}

func fieldAtOnce(s *fieldStore) {
	const writers = 8
	for round := range 5 {
		name := fmt.Sprint("field", round)
		errs := make([]error, writers)
		together(writers, func(i int) {
			errs[i] = s.store.AddFields(s.Context(), []usersync.Field{{Name: name + "same"}, {Name: name, MaxLength: 1 + i%2}})
		})
		s.oneDefinition(name, errs)
	}
}

// oneDefinition ends the check unless one definition has won: that of the even writers or that of the odd ones.
func (s *fieldStore) oneDefinition(name string, errs []error) {
	s.Helper()
	fields, err := s.store.Fields(s.Context())
	if err != nil {
		s.breach("Fields failed: %v", err)
	}
	won := 0
	for _, f := range fields {
		if f.Name == name {
			won = won*10 + f.MaxLength
		}
	}
	if won != 1 && won != 2 {
		s.breach("the field %q, of two definitions, is there as %q", name, definitions(fields))
	}
	for i, err := range errs {
		switch same := 1+i%2 == won; {
		case same && err != nil:
			s.breach("AddFields of the definition that is there failed: %v", err)
		case !same && !errors.Is(err, usersync.ErrDuplicate):
			s.breach("AddFields of the definition that is not there: the error is %v, which does not wrap usersync.ErrDuplicate", err)
		}
	}
}

func fieldCopies(s *fieldStore) {
	given := []usersync.Field{fullField()}
	s.add(given...)
	given[0].Aliases[0], given[0].Options[0].Words[0], given[0].List.Separator = "x", "x", "x"
	s.has(fullField())
	got, err := s.store.Fields(s.Context())
	if err != nil || len(got) != 1 {
		s.breach("Fields returned %d fields and the error %v, want 1", len(got), err)
	}
	got[0].Name, got[0].Aliases[0], got[0].List.Separator = "x", "x", "x"
	s.has(fullField())
}

func fieldCancelled(s *fieldStore) {
	there := usersync.Field{Name: "badge"}
	s.add(there)
	if err := s.store.AddFields(done(), []usersync.Field{{Name: "other"}}); err == nil {
		s.breach("AddFields returned no error although its context is done")
	}
	if _, err := s.store.Fields(done()); err == nil {
		s.breach("Fields returned no error although its context is done")
	}
	s.has(there)
}
