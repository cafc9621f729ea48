package usersync

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CharSet is a set of characters: one of the constants, or the name of any other script of Unicode (UAX #24,
// as in [unicode.Scripts]), which is the script's letters and marks. Latin has ä and fullwidth letters too.
type CharSet string

// The sets that are no scripts, and the scripts that are asked for most.
const (
	Digits  CharSet = "digit"  // 0 to 9
	Spaces  CharSet = "space"  // white space, no-break spaces included
	Letters CharSet = "letter" // letters and marks of every script
	Capital CharSet = "upper"  // capital letters of every script
	Small   CharSet = "lower"  // small letters of every script

	Latin    CharSet = "Latin"
	Cyrillic CharSet = "Cyrillic"
	Greek    CharSet = "Greek"
	Arabic   CharSet = "Arabic"
	Hebrew   CharSet = "Hebrew"
	Han      CharSet = "Han"
)

// Characters says which characters a value may have and which it must have. The zero Characters says nothing.
//
//	Only   Also    Not     a character may stand in the value if it is
//	none   any     none    any
//	none   any     some    of none of Not
//	some   any     any     in Also or of one of Only, and of none of Not
type Characters struct {
	// Only are the sets of one of which every character is that does not stand in Also; none for any
	// character at all.
	Only []CharSet `json:"only,omitempty"`
	// Also are single characters that may stand besides, such as "/\\_.-@". It says nothing without Only.
	Also string `json:"also,omitempty"`
	// Need are the sets of each of which the value has at least one character.
	Need []CharSet `json:"need,omitempty"`
	// Not are the sets of which it has none.
	Not []CharSet `json:"not,omitempty"`
}

// maxCharactersShown is how many of the characters that are not allowed a reason names.
const maxCharactersShown = 5

// charNames are what sets are called: one of it, and several. Scripts are named by their letters.
var charNames = map[CharSet][2]string{
	Digits:  {"digit", "digits"},
	Spaces:  {"space", "spaces"},
	Letters: {"letter", "letters"},
	Capital: {"capital letter", "capital letters"},
	Small:   {"small letter", "small letters"},
}

// name is what one character of the set is called, or several.
func (s CharSet) name(several bool) string {
	names, known := charNames[s]
	if !known {
		script := strings.ReplaceAll(string(s), "_", " ")
		names = [2]string{script + " letter", script + " letters"}
	}
	if several {
		return names[1]
	}
	return names[0]
}

// known tells that there is such a set.
func (s CharSet) known() bool {
	return charNames[s] != [2]string{} || unicode.Scripts[string(s)] != nil
}

// has tells whether a character is of the set.
func (s CharSet) has(r rune) bool {
	switch s {
	case Digits:
		return '0' <= r && r <= '9'
	case Spaces:
		return unicode.IsSpace(r)
	case Letters:
		return isLetter(r)
	case Capital:
		return unicode.IsUpper(r)
	case Small:
		return unicode.IsLower(r)
	}
	return isLetter(r) && unicode.Is(unicode.Scripts[string(s)], r)
}

func isLetter(r rune) bool { return unicode.In(r, unicode.L, unicode.M) }

// oneHas tells whether a character is of one of the sets.
func oneHas(sets []CharSet, r rune) bool {
	for _, s := range sets {
		if s.has(r) {
			return true
		}
	}
	return false
}

// validate reports sets that there are not, and those that contradict each other.
func (c *Characters) validate(path string, bad *problems) {
	if c == nil {
		return
	}
	c.validateSets(path+".only", c.Only, bad)
	c.validateSets(path+".need", c.Need, bad)
	c.validateSets(path+".not", c.Not, bad)
	if c.Also != "" && len(c.Only) == 0 {
		bad.add(path+".also", "says nothing without only: every character is allowed")
	}
	if strings.ContainsFunc(c.Also, isInvisible) {
		bad.add(path+".also", "has an invisible character")
	}
	for _, s := range c.Not {
		if slices.Contains(c.Only, s) || slices.Contains(c.Need, s) {
			bad.add(path+".not", "%q is also allowed or needed", string(s))
		}
	}
}

func (c *Characters) validateSets(path string, sets []CharSet, bad *problems) {
	for _, s := range sets {
		if !s.known() {
			bad.add(path, "%q is not a set of characters: use digit, space, letter, upper, lower, or the name of a "+
				"Unicode script such as Latin", string(s))
		}
	}
}

// allows tells whether a character may stand in a value after another. A mark that all scripts share is
// of the script of the character before it (UAX #24, section 5.2).
func (c *Characters) allows(r, before rune) bool {
	if unicode.Is(unicode.Inherited, r) && unicode.Is(unicode.M, r) && before != 0 {
		r = before
	}
	if oneHas(c.Not, r) {
		return false
	}
	return len(c.Only) == 0 || strings.ContainsRune(c.Also, r) || oneHas(c.Only, r)
}

// refused are the characters of a value that may not stand in it, each once.
func (c *Characters) refused(v string) []rune {
	var out []rune
	var before rune
	for _, r := range v {
		if !c.allows(r, before) && !strings.ContainsRune(string(out), r) {
			out = append(out, r)
		}
		before = r
	}
	return out
}

// missing are the sets of which a value needs a character and has none.
func (c *Characters) missing(v string) []CharSet {
	var out []CharSet
	for _, s := range c.Need {
		if !strings.ContainsFunc(v, s.has) {
			out = append(out, s)
		}
	}
	return out
}

// checkCharacters refuses a value with characters that it may not have, or without those that it must
// have. (C2)
func (f *field) checkCharacters(v string) *Reason {
	if wrong := f.Characters.refused(v); wrong != nil {
		return f.refuse(CodeBadCharacters, "characters", charactersText(wrong), "allowed", f.Characters.allowedText())
	}
	if missing := f.Characters.missing(v); missing != nil {
		return f.refuse(CodeNeedsCharacters, "needed", neededText(missing))
	}
	return nil
}

// charactersText names characters, with the code point where the eye could take one for another: a Cyrillic
// а looks like a Latin a.
func charactersText(chars []rune) string {
	var shown []string
	for i, r := range chars {
		switch {
		case i == maxCharactersShown:
			return strings.Join(append(shown, "…"), ", ")
		case r == ' ':
			shown = append(shown, "space")
		case r < utf8.RuneSelf:
			shown = append(shown, string(r))
		case !unicode.IsGraphic(r) || unicode.In(r, unicode.M, unicode.Z):
			shown = append(shown, codePoint(r))
		default:
			shown = append(shown, string(r)+" ("+codePoint(r)+")")
		}
	}
	return strings.Join(shown, ", ")
}

// allowedText says which characters are allowed: "Latin letters, digits and / _ .", "anything but spaces".
func (c *Characters) allowedText() string {
	text := "anything"
	if len(c.Only) > 0 {
		text = listText(c.onlyNames())
	}
	if len(c.Not) > 0 {
		text += " but " + listText(setNames(c.Not, true))
	}
	return text
}

func (c *Characters) onlyNames() []string {
	names := setNames(c.Only, true)
	var single []string
	for _, r := range c.Also {
		if r == ' ' {
			names = append(names, Spaces.name(true))
			continue
		}
		single = append(single, string(r))
	}
	if single != nil {
		names = append(names, strings.Join(single, " "))
	}
	return names
}

// neededText says what a value needs: "one digit and one Latin letter".
func neededText(sets []CharSet) string {
	names := setNames(sets, false)
	for i := range names {
		names[i] = "one " + names[i]
	}
	return listText(names)
}

func setNames(sets []CharSet, several bool) []string {
	names := make([]string, len(sets))
	for i, s := range sets {
		names[i] = s.name(several)
	}
	return names
}

// listText joins names as a sentence does: "a, b and c".
func listText(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// words say in the template which characters are allowed and needed, "" where nothing is said.
func (c *Characters) words() string {
	if c == nil {
		return ""
	}
	var parts []string
	switch {
	case len(c.Only) > 0:
		parts = append(parts, "only "+c.allowedText())
	case len(c.Not) > 0:
		parts = append(parts, "no "+listText(setNames(c.Not, true)))
	}
	if len(c.Need) > 0 {
		parts = append(parts, "at least "+neededText(c.Need))
	}
	return strings.Join(parts, "; ")
}
