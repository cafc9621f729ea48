package usersync

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// C4, C3: identifiers are compared trimmed, in NFKC and case-folded.
func TestFold(t *testing.T) {
	for in, want := range map[string]string{
		"":                    "",
		"anna":                "anna",
		"  Anna \t":           "anna",
		"\u00a0Anna\u3000":    "anna",
		"ANNA@Example.COM":    "anna@example.com",
		"Ａｎｎａ":                "anna",
		"e\u0301ric":          "\u00e9ric",
		"\u00c9RIC":           "\u00e9ric",
		"\u212aelvin":         "kelvin",
		"Stra\u00dfe":         "strasse",
		"\u03a3\u03c2":        "\u03c3\u03c3",
		"\ufb01n":             "fin",
		"\u0130":              "i\u0307",
		"\u1e9e":              "ss",
		"i\u0307stanbul":      "i\u0307stanbul",
		"\u01c5":              "d\u017e",
		"\u1fb3":              "\u03b1\u03b9",
		"\u0345":              "\u03b9",
		"Ольга":               "ольга",
		"ｶﾞ":                  "ガ",
		" inner  spaces stay": "inner  spaces stay",
	} {
		require.Equal(t, want, Fold(in), "%+q", in)
	}
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{"Anna", " Ｐeter ", "\u0130\u0345\u03a3", "\u1e9e\ufb01", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := Fold(s)
		require.Equal(t, once, Fold(once), "folding again changes nothing")
		require.Equal(t, once, Fold(" "+s+"\t"), "white space at the ends does not count")
	})
}

// R4: white space at the ends goes, line breaks become spaces, what cannot be seen goes with a warning.
func TestClean(t *testing.T) {
	for _, tt := range []struct {
		in, want string
		left     rune
	}{
		{"plain", "plain", 0},
		{" \u00a0 x\u2003 ", "x", 0},
		{"\ufeffx", "x", 0},
		{"two\r\nlines", "two lines", 0},
		{"tab\tin", "tab in", 0},
		{"zero\u200bwidth", "zerowidth", 0x200b},
		{"\u202egnp", "gnp", 0x202e},
		{"soft\u00adhyphen", "softhyphen", 0xad},
		{"bell\a", "bell", 7},
		{"tag\U000e0041", "tag", 0xe0041},
		{"fill\u3164er", "filler", 0x3164},
		{"e\u0301", "\u00e9", 0},
		{"\u200b", "", 0x200b},
		{"", "", 0},
		{"   ", "", 0},
		{"broken\ufffd", "broken", 0xfffd},
	} {
		got, left := clean(tt.in)
		require.Equal(t, tt.want, got, "%+q", tt.in)
		require.Equal(t, tt.left, left, "%+q", tt.in)
	}
	require.Equal(t, "U+200B", codePoint(0x200b))
	require.Equal(t, "U+000A", codePoint('\n'))
	require.Equal(t, "U+E0041", codePoint(0xe0041))
}

// C2: what each kind takes, with its canonical form, and what it refuses.
func TestCanonical(t *testing.T) {
	email := Field{Name: "f", Kind: KindEmail}
	status := Field{Name: "f", Kind: KindBool, TrueWords: []string{"Active"}, FalseWords: []string{"Archived"}}
	role := Field{Name: "f", Kind: KindEnum, Options: []EnumValue{{Value: "admin", Words: []string{"Admin", "Chief"}}, {Value: "user"}}}
	long := strings.Repeat("a", 64)
	for _, tt := range []struct {
		name  string
		field Field
		in    string
		want  string
		code  Code
	}{
		{"email", email, "a.b+c@example.com", "a.b+c@example.com", ""},
		{"email, domain in lower case", email, "A.B@EXAMPLE.com", "A.B@example.com", ""},
		{"email, letters beyond ASCII", email, "жанна@пример.рф", "жанна@пример.рф", ""},
		{"email, longest local part", email, long + "@example.com", long + "@example.com", ""},
		{"email, local part too long", email, long + "a@example.com", "", CodeBadEmail},
		{"email, too long", email, "a@" + strings.Repeat(strings.Repeat("b", 60)+".", 5) + "com", "", CodeBadEmail},
		{"email, display name", email, "Bob <a@example.com>", "", CodeBadEmail},
		{"email, two addresses", email, "a@example.com, b@example.com", "", CodeBadEmail},
		{"email, two at signs", email, "a@b@example.com", "", CodeBadEmail},
		{"email, no dot in the domain", email, "a@localhost", "", CodeBadEmail},
		{"email, address literal", email, "a@[127.0.0.1]", "", CodeBadEmail},
		{"email, IP address", email, "a@127.0.0.1", "", CodeBadEmail},
		{"email, quoted", email, `"a b"@example.com`, "", CodeBadEmail},
		{"email, dots", email, "a..b@example.com", "", CodeBadEmail},
		{"email, dot at the end", email, "a.@example.com", "", CodeBadEmail},
		{"email, empty label", email, "a@example..com", "", CodeBadEmail},
		{"email, hyphen first", email, "a@-example.com", "", CodeBadEmail},
		{"email, a space", email, "a b@example.com", "", CodeBadEmail},
		{"email, nothing", email, "@", "", CodeBadEmail},

		{"boolean", status, "TRUE", "true", ""},
		{"boolean, yes", status, "Yes", "true", ""},
		{"boolean, 0", status, "0", "false", ""},
		{"boolean, own word", status, "archived", "false", ""},
		{"boolean, unknown word", status, "maybe", "", CodeBadBool},

		{"locale", Field{Name: "f", Kind: KindLocale}, "en_us", "en-US", ""},
		{"locale, script", Field{Name: "f", Kind: KindLocale}, "zh-hant-tw", "zh-Hant-TW", ""},
		{"locale, unknown region", Field{Name: "f", Kind: KindLocale}, "en-XY1", "", CodeBadLocale},
		{"locale, a word", Field{Name: "f", Kind: KindLocale}, "english", "", CodeBadLocale},
		{"time zone", Field{Name: "f", Kind: KindTimeZone}, "Europe/Berlin", "Europe/Berlin", ""},
		{"time zone, Local", Field{Name: "f", Kind: KindTimeZone}, "Local", "", CodeBadTimeZone},
		{"time zone, unknown", Field{Name: "f", Kind: KindTimeZone}, "Mars/Olympus", "", CodeBadTimeZone},
		{"time zone, a path", Field{Name: "f", Kind: KindTimeZone}, "../../etc/passwd", "", CodeBadTimeZone},

		{"phone", Field{Name: "f", Kind: KindPhone}, "+49 (0)30/123-45.67", "+49 (0)30/123-45.67", ""},
		{"phone, extension", Field{Name: "f", Kind: KindPhone}, "555-0100 ext. 42", "555-0100 ext. 42", ""},
		{"phone, letters", Field{Name: "f", Kind: KindPhone}, "call me", "", CodeBadPhone},
		{"phone, too short", Field{Name: "f", Kind: KindPhone}, "12", "", CodeBadPhone},
		{"phone, too long", Field{Name: "f", Kind: KindPhone}, "+1234567890123456", "", CodeBadPhone},
		{"phone, a lost number", Field{Name: "f", Kind: KindPhone}, "4.9E+11", "", CodeBadPhone},
		{"phone, two plus signs", Field{Name: "f", Kind: KindPhone}, "++4930123", "", CodeBadPhone},

		{"enumeration", role, "ADMIN", "admin", ""},
		{"enumeration, own word", role, "chief", "admin", ""},
		{"enumeration, unknown", role, "king", "", CodeBadOption},

		{"length", Field{Name: "f", MaxLength: 3}, "äöü", "äöü", ""},
		{"too long", Field{Name: "f", MaxLength: 3}, "äöüß", "", CodeTooLong},
		{"too short", Field{Name: "f", MinLength: 3}, "äö", "", CodeTooShort},
		{"pattern", Field{Name: "f", Pattern: "[a-z]+"}, "abc", "abc", ""},
		{"pattern must match all", Field{Name: "f", Pattern: "[a-z]+"}, "abc1", "", CodeBadPattern},
		{"own check", Field{Name: "f", Check: func(string) error { return errors.New("no") }}, "x", "", CodeBadValue},
		{"own code", Field{Name: "f", Check: func(string) error { return &FieldError{Code: "weak"} }}, "x", "", "weak"},

		{"list", Field{Name: "f", List: &ListFormat{Separator: ","}}, " A, B ,,A", listValue([]string{"A", "B"}), ""},
		{"list of kinds", Field{Name: "f", Kind: KindEmail, List: &ListFormat{Separator: ";"}}, "a@x.org;b", "", CodeBadEmail},
		{"list, nothing in it", Field{Name: "f", List: &ListFormat{Separator: ","}}, " , ", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := compiledField(t, tt.field)
			got, refused := f.canonical(tt.in)
			if tt.code != "" {
				require.NotNil(t, refused)
				require.Equal(t, tt.code, refused.Code)
				require.NotContains(t, refused.Text(), "{", "every parameter is filled in")
				return
			}
			require.Nil(t, refused)
			require.Equal(t, tt.want, got)
			again, refused := f.canonical(strings.ReplaceAll(strings.TrimSuffix(got, listEnd), listEnd, ","))
			require.Nil(t, refused)
			require.Equal(t, got, again, "the canonical form is its own canonical form")
		})
	}
}

// A10: the value of a secret is in no reason.
func TestSecretsStayOutOfReasons(t *testing.T) {
	for _, f := range []Field{
		{Name: "f", Secret: true, Pattern: "[a-z]+"},
		{Name: "f", Secret: true, Check: func(v string) error { return errors.New("bad: " + v) }},
		{Name: "f", Secret: true, Kind: KindEmail},
	} {
		_, refused := compiledField(t, f).canonical("CANARY1")
		require.NotNil(t, refused)
		require.NotContains(t, refused.Text(), "CANARY1")
	}
}

// C3: values are the same if their canonical forms are.
func TestSame(t *testing.T) {
	for _, tt := range []struct {
		field Field
		a, b  string
		same  bool
	}{
		{Field{Name: "f", Kind: KindEmail}, "A@example.com", "a@example.com", true},
		{Field{Name: "f"}, "Anna", "anna", false},
		{Field{Name: "f", Identifier: true}, "Anna", "ＡＮＮＡ", true},
		{Field{Name: "f", Kind: KindPhone}, "+1 555 0100", "+1 (555) 01-00", true},
		{Field{Name: "f", Kind: KindPhone}, "+1 555 0100", "1 555 0100", false},
		{Field{Name: "f", Kind: KindPhone}, "555 0100 ext 4", "555-0100x4", true},
		{Field{Name: "f", Kind: KindPhone}, "none", "ask", false},
		{Field{Name: "f", Kind: KindPhone, Unique: MustBeUnique}, "+1 555 0100", "+15550100", true},
		{Field{Name: "f", List: &ListFormat{Separator: ","}}, listValue([]string{"A", "B"}), listValue([]string{"B", "A"}), true},
		{Field{Name: "f", List: &ListFormat{Separator: ","}}, listValue([]string{"A"}), listValue([]string{"A", "B"}), false},
	} {
		require.Equal(t, tt.same, compiledField(t, tt.field).same(tt.a, tt.b), "%q %q", tt.a, tt.b)
	}
}

// C3: what the store has is compared in its canonical form too.
func TestStored(t *testing.T) {
	require.Equal(t, "en-US", compiledField(t, Field{Name: "f", Kind: KindLocale}).stored(" en_us "))
	require.Equal(t, "nonsense", compiledField(t, Field{Name: "f", Kind: KindLocale}).stored("nonsense"))
	require.Equal(t, "true", compiledField(t, Field{Name: "f", Kind: KindBool}).stored("YES"))
	require.Equal(t, "", compiledField(t, Field{Name: "f"}).stored(" \u00a0"))
	require.Equal(t, listValue([]string{"A"}), compiledField(t, Field{Name: "f", List: &ListFormat{Separator: ","}}).stored("A"))
}
