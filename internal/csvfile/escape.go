package csvfile

import (
	"strings"
	"unicode"
)

// A spreadsheet program that opens a CSV file runs a cell as a formula when it starts with = + - or @,
// and may do so after dropping leading tabs, other control characters and spaces; in some languages the
// full-width forms count as well. A program that expects another delimiter than the file has also cuts
// inside quoted cells, so the text after a delimiter or a line break may become a cell of its own, with
// the quotes that enclosed it before its first character.
//
// Escape therefore puts an apostrophe, which makes a cell text, before
//   - the cell, if it starts with a trigger or a control character, and
//   - what follows a delimiter or line break inside it, if that starts with a trigger,
//
// where "starts with" looks past spaces, invisible characters, quotes and apostrophes. That apostrophes
// are looked past is what makes Unescape its inverse: text that looks escaped is itself escaped.
//
//	=1+1     '=1+1        '=1+1    ''=1+1       O'Brien   O'Brien     'tis   'tis
//	+380501  '+380501     " =1"    "' =1"       a;=b      a;'=b       a,b-c  a,b-c
const (
	triggers = "=+-@＝＋－＠"
	breaks   = delimiters + "\r\n" // what a program may take for the end of a cell
)

// Escape gives the text that stands for s in a CSV file that people open in a spreadsheet program.
func Escape(s string) string {
	var out []byte
	done := 0
	for at := 0; at >= 0; at = nextStart(s, at) {
		if risky(s[at:], at == 0) {
			out = append(append(out, s[done:at]...), '\'')
			done = at
		}
	}
	if out == nil {
		return s
	}
	return string(append(out, s[done:]...))
}

// Unescape undoes Escape: Unescape(Escape(s)) == s for every s. It strips one apostrophe, and only where
// Escape would have put one.
func Unescape(s string) string {
	if strings.IndexByte(s, '\'') < 0 {
		return s
	}
	var out []byte
	done := 0
	for at := 0; at >= 0; at = nextStart(s, at) {
		if at < len(s) && s[at] == '\'' && risky(s[at+1:], at == 0) {
			out = append(out, s[done:at]...)
			done = at + 1
		}
	}
	if done == 0 {
		return s
	}
	return string(append(out, s[done:]...))
}

// nextStart is the index after the first break in s[at:], or -1.
func nextStart(s string, at int) int {
	i := strings.IndexAny(s[at:], breaks)
	if i < 0 {
		return -1
	}
	return at + i + 1
}

// risky tells whether s could be taken for a formula if a cell started with it. It never looks past a
// break, so that escaping one part of a cell does not change what the others are.
func risky(s string, whole bool) bool {
	for _, r := range s {
		switch {
		case strings.ContainsRune(triggers, r):
			return true
		case whole && r < ' ':
			return true
		case strings.ContainsRune(breaks, r), !lookedPast(r):
			return false
		}
	}
	return false
}

func lookedPast(r rune) bool {
	return r == '\'' || r == '"' || unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}
