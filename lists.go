package usersync

import (
	"strings"
	"unicode"
)

// ListFormat says how a cell holds several values.
type ListFormat struct {
	Separator string `json:"separator"`      // between two values, such as ","
	None      string `json:"none,omitempty"` // the word that says "no values", such as "none"; "" for no such word
}

// isNone tells the word that says that there are no values.
func (l *ListFormat) isNone(item string) bool { return l.None != "" && Fold(item) == Fold(l.None) }

// saysNone tells a cell that has only that word, perhaps more than once.
func (l *ListFormat) saysNone(text string) bool {
	if l.None == "" {
		return false
	}
	found := false
	for item := range strings.SplitSeq(text, l.Separator) {
		switch item = strings.TrimFunc(item, unicode.IsSpace); {
		case item == "":
		case !l.isNone(item):
			return false
		default:
			found = true
		}
	}
	return found || Fold(text) == Fold(l.None)
}

func checkList(f Field, path string, bad *problems) {
	switch {
	case f.List == nil:
		return
	case f.List.Separator == "":
		bad.add(path+".list.separator", "is missing")
	case f.Kind == KindUser || f.Unique != NotUnique || f.Match != "":
		bad.add(path+".list", "a user reference, a unique or a match field cannot be a list")
	}
}
