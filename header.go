package usersync

import (
	"strings"
	"unicode"
)

// foldHeader is the form in which headers are compared: without a byte order mark, invisible characters
// and white space at the ends, white space inside as one space, case folded. (R6)
func foldHeader(s string) string {
	s, _ = clean(s)
	return Fold(strings.Join(strings.FieldsFunc(s, unicode.IsSpace), " "))
}
