package usersync

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// compiled is the one field of a schema that has just it and a key.
func compiledField(t *testing.T, f Field) *field {
	t.Helper()
	s, err := compile(Schema{Key: "userName", Fields: []Field{{Name: "userName"}, f}})
	require.NoError(t, err)
	return &s.fields[1]
}

// What is written to a field of an existing user, rule by rule, and what decided it. (K1, K2, K3, K5)
func TestForExisting(t *testing.T) {
	type want struct {
		value string
		by    Decider
		ask   bool
		ok    bool
	}
	none := want{}
	for _, tt := range []struct {
		name     string
		strategy Strategy
		state    cellState
		value    string
		current  string
		want     want
	}{
		{"use source, other", UseSource, given, "b", "a", want{"b", "useSource", false, true}},
		{"use source, same", UseSource, given, "a", "a", want{value: "a", by: "useSource"}},
		{"use source, none yet", UseSource, given, "b", "", want{"b", "useSource", false, true}},
		{"use source, cleared", UseSource, cleared, "", "a", want{"", "useSource", false, true}},
		{"use source, cleared already", UseSource, cleared, "", "", none},
		{"use source, blank", UseSource, blank, "", "a", want{value: "d", by: "default"}},
		{"use source, blank, none yet", UseSource, blank, "", "", want{"d", "default", false, true}},
		{"use source, absent, none yet", UseSource, absent, "", "", want{"d", "default", false, true}},
		{"use source, broken", UseSource, broken, "", "a", none},
		{"keep, other", KeepDestination, given, "b", "a", none},
		{"keep, none yet", KeepDestination, given, "b", "", none},
		{"keep, blank, none yet", KeepDestination, blank, "", "", none},
		{"keep, cleared", KeepDestination, cleared, "", "a", none},
		{"if empty, other", UpdateIfEmpty, given, "b", "a", none},
		{"if empty, none yet", UpdateIfEmpty, given, "b", "", want{"b", "updateIfEmpty", false, true}},
		{"if empty, blank, none yet", UpdateIfEmpty, blank, "", "", want{"d", "default", false, true}},
		{"if empty, cleared", UpdateIfEmpty, cleared, "", "a", none},
		{"if empty, false is a value", UpdateIfEmpty, given, "b", "false", none},
		{"if empty, 0 is a value", UpdateIfEmpty, given, "b", "0", none},
		{"force, other", ForceValue, given, "b", "a", want{"f", "forceValue", false, true}},
		{"force, same", ForceValue, given, "b", "f", want{value: "f", by: "forceValue"}},
		{"force, absent", ForceValue, absent, "", "a", want{"f", "forceValue", false, true}},
		{"force, cleared", ForceValue, cleared, "", "", want{"f", "forceValue", false, true}},
		{"ask, other", AskAtRuntime, given, "b", "a", want{"b", "askAtRuntime", true, true}},
		{"ask, same", AskAtRuntime, given, "a", "a", want{value: "a", by: "askAtRuntime", ask: true}},
		{"ask, none yet", AskAtRuntime, given, "b", "", want{"b", "askAtRuntime", false, true}},
		{"ask, blank", AskAtRuntime, blank, "", "", want{"d", "default", false, true}},
		{"ask, cleared", AskAtRuntime, cleared, "", "a", want{"", "askAtRuntime", true, true}},
		{"ask, cleared already", AskAtRuntime, cleared, "", "", none},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := compiledField(t, Field{Name: "title"})
			r := fieldRule{strategy: tt.strategy, forced: "f", byDefault: "d", hasDefault: true}
			var got want
			got.value, got.by, got.ask, got.ok = r.forExisting(f, tt.state, tt.value, tt.current)
			if !got.ok { // the rest says nothing then
				got, tt.want = want{}, want{ok: tt.want.ok}
			}
			require.Equal(t, tt.want, got)
		})
	}
}

// Lists are sets: merging adds what is missing, in any case. (K1)
func TestForExistingMerges(t *testing.T) {
	f := compiledField(t, Field{Name: "groups", List: &ListFormat{Separator: ","}, Identifier: true})
	r := fieldRule{strategy: Merge}
	merged, by, _, ok := r.forExisting(f, given, listValue([]string{"ADMINS", "New"}), listValue([]string{"Admins", "Staff"}))
	require.True(t, ok)
	require.Equal(t, Decider(Merge), by)
	require.Equal(t, []string{"Admins", "Staff", "New"}, listItems(merged))

	_, _, _, ok = r.forExisting(f, given, listValue([]string{"staff"}), listValue([]string{"Admins", "Staff"}))
	require.False(t, ok, "nothing to add")

	v, _, _, ok := r.forExisting(f, cleared, "", listValue([]string{"Admins"}))
	require.True(t, ok)
	require.Empty(t, v)
}

// What a new user gets. (K1, K3)
func TestForNewUser(t *testing.T) {
	for _, tt := range []struct {
		name     string
		strategy Strategy
		state    cellState
		want     string
		by       Decider
	}{
		{"the file's, whatever the rule", KeepDestination, given, "b", ByNewUser},
		{"also if a person would be asked", AskAtRuntime, given, "b", ByNewUser},
		{"the forced value", ForceValue, given, "f", Decider(ForceValue)},
		{"the forced value without a column", ForceValue, absent, "f", Decider(ForceValue)},
		{"the default for a blank cell", UseSource, blank, "d", ByDefault},
		{"the default without a column", KeepDestination, absent, "d", ByDefault},
		{"nothing where the file says so", UseSource, cleared, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := fieldRule{strategy: tt.strategy, forced: "f", byDefault: "d", hasDefault: true}
			v, by := r.forNewUser(tt.state, "b")
			require.Equal(t, tt.want, v)
			require.Equal(t, tt.by, by)
		})
	}
}
