package workbook

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"
)

// What a workbook can hold, in UTF-16 code units.
const (
	maxCell      = 32_767
	maxSheetName = 31
)

// cutMark ends a text that was too long for a cell.
const cutMark = "… [cut]"

// fit gives a text as a cell can hold it: what is too long is cut, and the cut shows. Characters that no
// workbook can hold, such as NUL, and bytes that are not UTF-8 become U+FFFD when the cell is written.
func fit(s string) string {
	if len(s) <= maxCell || units(s) <= maxCell {
		return s
	}
	return cutUnits(s, maxCell-units(cutMark)) + cutMark
}

// chained is two escapes that share an underscore, "_x0041_x0042_" (ECMA-376 Part 1, 22.9.2.19). excelize
// protects only the first of them, so that the second would be decoded by whoever reads the cell.
var chained = regexp.MustCompile(`_x[0-9A-Fa-f]{4}_x[0-9A-Fa-f]{4}_`)

// cellValue is what excelize is given for a text: the text, or where escapes are chained the pieces of it,
// cut so that none has half of an escape that another ends.
func cellValue(s string) any {
	at := chained.FindStringIndex(s)
	if at == nil {
		return s
	}
	var runs []excelize.RichTextRun
	for ; at != nil; at = chained.FindStringIndex(s) {
		cut := at[0] + len("_x0041")
		runs = append(runs, excelize.RichTextRun{Text: s[:cut]})
		s = s[cut:]
	}
	return append(runs, excelize.RichTextRun{Text: s})
}

func units(s string) int {
	n := 0
	for _, r := range s {
		n += max(utf16.RuneLen(r), 1)
	}
	return n
}

// cutUnits is the longest beginning of s of at most n code units.
func cutUnits(s string, n int) string {
	for i, r := range s {
		if n -= max(utf16.RuneLen(r), 1); n < 0 {
			return s[:i]
		}
	}
	return s
}

// SheetName makes a name that a sheet can have: without characters that are not allowed, at most 31
// code units long; "Users" if nothing is left.
func SheetName(name string) string {
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`:\/?*[]`, r) || unicode.IsControl(r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, name)
	blank := func(r rune) bool { return r == '\'' || unicode.IsSpace(r) }
	name = strings.TrimFunc(name, blank)
	name = strings.TrimRightFunc(cutUnits(name, maxSheetName), blank)
	if name == "" {
		return "Users"
	}
	return name
}

// Width is how many characters wide the longest line of a text is shown: ideographs and their like
// count twice.
func Width(s string) int {
	widest := 0
	for line := range strings.SplitSeq(s, "\n") {
		n := 0
		for _, r := range line {
			switch {
			case unicode.Is(unicode.Mn, r):
			case unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana):
				n += 2
			default:
				n++
			}
		}
		widest = max(widest, n)
	}
	return widest
}

// Lines is how many lines a text takes in a wrapped cell of that width.
func Lines(s string, width float64) int {
	if s == "" {
		return 0
	}
	lines := 0
	for line := range strings.SplitSeq(s, "\n") {
		lines += 1 + max(Width(line)-1, 0)/max(int(width), 1)
	}
	return lines
}

// LineHeight is the height of one line of text, in points.
const LineHeight = 15
