package usersync

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// refusalOf is the text with which a field refuses a value, "" if it takes it.
func refusalOf(t *testing.T, f Field, text string) string {
	t.Helper()
	f.Name = "x"
	v, refused := compiledField(t, f).canonical(text)
	if refused == nil {
		require.Equal(t, text, v)
		return ""
	}
	return strings.TrimPrefix(refused.Text(), "x: ")
}

// C2: which characters may stand in a value.
func TestCharactersAllowed(t *testing.T) {
	login := &Characters{Only: []CharSet{Latin, Digits}, Also: `/\_.-@`}
	for _, tt := range []struct {
		chars *Characters
		text  string
		wrong string
	}{
		{login, `Anna/b\c_d.e-f@0`, ""},
		{login, "äöß", ""},
		{login, "q\u0301", ""},                  // a mark that scripts share, after a Latin letter
		{login, "\u0301q", "U+0301"},            // and after nothing
		{login, "0\u0301", ""},                  // as the character before it is
		{login, "ann\u0430", "а (U+0430)"},      // Cyrillic
		{login, "ann\u03b1", "α (U+03B1)"},      // Greek
		{login, "a b", "space"},                 //
		{login, "a\u00a0b", "U+00A0"},           // looks like a space
		{login, "١٢", "١ (U+0661), ٢ (U+0662)"}, // digits, and none of 0 to 9
		{login, "a!b!c?", "!, ?"},               // each once
		{login, "!\"#$%&", "!, \", #, $, %, …"},
		{&Characters{Only: []CharSet{Cyrillic, Spaces}}, "Анна й", ""},
		{&Characters{Only: []CharSet{Cyrillic}}, "Aнна", "A"},
		{&Characters{Only: []CharSet{Letters}}, "Anna山Ж", ""},
		{&Characters{Only: []CharSet{Capital}}, "ÄЖA", ""},
		{&Characters{Only: []CharSet{Small}}, "äжA", "A"},
		{&Characters{Only: []CharSet{Letters}, Not: []CharSet{Capital}}, "aB", "B"},
		{&Characters{Not: []CharSet{Spaces}}, "pass\u3000word", "U+3000"},
		{&Characters{Not: []CharSet{Digits, Han}}, "a1山", "1, 山 (U+5C71)"},
		{&Characters{Only: []CharSet{"Old_Italic"}}, "\U00010300", ""},
		{&Characters{}, "anything ☃", ""},
	} {
		got := refusalOf(t, Field{Characters: tt.chars}, tt.text)
		if tt.wrong == "" {
			require.Empty(t, got, tt.text)
			continue
		}
		require.Contains(t, got, "has characters that cannot stand here ("+tt.wrong+"): use ", tt.text)
	}
}

// C2: what is allowed and needed is said in words.
func TestCharactersWords(t *testing.T) {
	all := Field{Characters: &Characters{Only: []CharSet{Latin, Cyrillic, Digits, "Old_Italic"}, Also: " '-", Not: []CharSet{Capital},
		Need: []CharSet{Digits, Small, Latin}}}
	require.Equal(t, "has characters that cannot stand here (!): use Latin letters, Cyrillic letters, digits, Old Italic letters, spaces and ' - "+
		"but capital letters", refusalOf(t, all, "a!"))
	require.Equal(t, "needs at least one digit, one small letter and one Latin letter", refusalOf(t, all, "-"))
	require.Equal(t, "needs at least one digit", refusalOf(t, all, "ab"))
	require.Equal(t, "needs at least one Latin letter", refusalOf(t, all, "1ж"))
	require.Empty(t, refusalOf(t, all, "a1"))
	require.Equal(t, "has characters that cannot stand here (space): use anything but spaces",
		refusalOf(t, Field{Characters: &Characters{Not: []CharSet{Spaces}}}, "a b"))
}

// C2: characters are looked at after the kind and the length, and before the pattern; item by item in a list.
func TestCharactersOrder(t *testing.T) {
	f := Field{Characters: &Characters{Only: []CharSet{Small}}, MaxLength: 3, Pattern: "a.*"}
	require.Contains(t, refusalOf(t, f, "ABCD"), "at most 3")
	require.Contains(t, refusalOf(t, f, "BCD"), "cannot stand here")
	require.Contains(t, refusalOf(t, f, "bcd"), "does not have the form")
	list := compiledField(t, Field{Name: "x", Characters: f.Characters, List: &ListFormat{Separator: ";"}})
	_, refused := list.canonical("a; b")
	require.Nil(t, refused)
	_, refused = list.canonical("a; B")
	require.Equal(t, CodeBadCharacters, refused.Code)
}

// All that is wrong with sets is reported at once.
func TestCharactersValidate(t *testing.T) {
	bad := Schema{Key: "x", Fields: []Field{{Name: "x"}, {Name: "y", Characters: &Characters{Only: []CharSet{"latin", "letters"}, Need: []CharSet{"Klingon", Digits},
		Not: []CharSet{"", Digits}}}, {Name: "z", Characters: &Characters{Also: "-\u200b"}}}}
	var invalid *InvalidError
	require.ErrorAs(t, bad.Validate(), &invalid)
	var paths []string
	for _, p := range invalid.Problems {
		paths = append(paths, p.Path)
	}
	require.Equal(t, []string{"fields.y.characters.only", "fields.y.characters.only", "fields.y.characters.need",
		"fields.y.characters.not", "fields.y.characters.not", "fields.z.characters.also", "fields.z.characters.also"}, paths)
}

// A schema that says nothing of characters, or of anything else that came later, has the JSON that it had.
func TestSchemaJSONStays(t *testing.T) {
	data, err := json.Marshal(DefaultSchema())
	require.NoError(t, err)
	for _, member := range []string{"characters", "lastDay", "ignored", "canonical"} {
		require.NotContains(t, strings.ToLower(string(data)), `"`+strings.ToLower(member)+`"`)
	}
	cfg, err := json.Marshal(DefaultConfig("Staff"))
	require.NoError(t, err)
	require.NotContains(t, string(cfg), "formats")
}

// A10: no reason says what is in a secret, whoever gives the reason.
func TestReasonsOfSecrets(t *testing.T) {
	own := func(v string) error {
		return &FieldError{Code: "leaked", Params: map[string]string{"value": v, "message": "not " + v + " again"}}
	}
	for _, text := range []string{"Hidden word", "hidden\u200bword", "hidden\nword", "verborgen", "#N/A", "hidden"} {
		row := checkCells(t, Schema{Key: "login", Fields: []Field{{Name: "login"}, {Name: "password", Secret: true, MinLength: 7, Check: own,
			Characters: &Characters{Not: []CharSet{Spaces, Capital}}}}}, DefaultConfig("Staff"), false, []string{"login", "password"}, []string{"anna", text})
		require.Len(t, row.reasons, 1, "%q", text)
		require.Equal(t, LevelError, row.reasons[0].Level, "%q", text)
		data, err := json.Marshal(row.reasons)
		require.NoError(t, err)
		for _, part := range []string{"idden", "orgen", "U+", "N/A", "H,"} {
			require.NotContains(t, string(data), part)
			require.NotContains(t, row.reasons[0].Text(), part)
		}
	}
}

// R4: the characters of a secret are counted, and not its bytes; it is stored in form NFC.
func TestSecretLength(t *testing.T) {
	secret := func(text string) *checked {
		return checkCells(t, Schema{Key: "login", Fields: []Field{{Name: "login"}, {Name: "password", Secret: true, MinLength: 8, MaxLength: 8}}},
			DefaultConfig("Staff"), false, []string{"login", "password"}, []string{"anna", text})
	}
	require.Empty(t, secret("пароль-1").reasons)
	require.Empty(t, secret(strings.Repeat("e\u0301", 8)).reasons)
	require.Equal(t, strings.Repeat("\u00e9", 8), secret(strings.Repeat("e\u0301", 8)).values[1])
	require.Equal(t, []string{"error too_short password"}, codes(secret("пароль1").reasons))
	require.Equal(t, []string{"error too_long password"}, codes(secret("пароль-12").reasons))
}
