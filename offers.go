package usersync

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// FieldOffer is a column of the file that belongs to no field, as a new field that all users could have.
type FieldOffer struct {
	Column Column `json:"column"`
	// Field is what could be added with AddFields, as it is or edited. Its name is made of the header and is free,
	// its title is the header, and its kind is one that all values of the column have.
	Field Field `json:"field"`
	// Filled is how many rows have a value, and Samples are the first different ones, at most three, cut where
	// they are long.
	Filled  int      `json:"filled"`
	Samples []string `json:"samples,omitempty"`
	// Problem says why the column cannot be added as it is, nil if it can.
	Problem *Reason `json:"problem,omitempty"`
}

// NewFields are the columns that belong to no field and have values, in the order of the file, each as a field
// that could be added: preview again with [AddFields] for those that are wanted. There are none without
// WithFieldStore.
func (p *Plan) NewFields() []FieldOffer { return slices.Clone(p.offers) }

const (
	sampleCount = 3   // samples of a column
	sampleSize  = 100 // characters of a sample
	maxHeader   = 255 // characters of a header that can be a title
)

// guess is a kind that a column may turn out to have.
type guess struct {
	field
	only func(text string) bool // further asks of each value, nil for nothing
}

// newGuesses are the kinds that are told from values, the surest first. Any digits could be a phone
// number: only those in the international form count as one.
func newGuesses() []guess {
	of := func(kind Kind, only func(string) bool) guess {
		return guess{compileField(Field{Kind: kind}, 0, "", &problems{}), only}
	}
	return []guess{
		of(KindBool, nil),
		of(KindDate, nil),
		of(KindEmail, nil),
		of(KindPhone, func(text string) bool { return strings.HasPrefix(text, "+") }),
	}
}

func (g *guess) fits(text string) bool {
	if g.only != nil && !g.only(text) {
		return false
	}
	_, refused := g.canonical(text)
	return refused == nil
}

// newcomer is a column that belongs to no field, as far as it was read.
type newcomer struct {
	filled  int
	longest int     // characters
	guesses []guess // that every value fits
	samples []string
	digits  map[string]bool // values, as long as all are 0 or 1: which a count may be too
	words   bool            // there is another value than 0 and 1
}

// newcomers are the columns that belong to no field, by their place, nil for others. A nil slice keeps
// nothing.
type newcomers []*newcomer

func newNewcomers(cols *columns) newcomers {
	out := make(newcomers, len(cols.list))
	for i, col := range cols.list {
		if cols.fields[i] < 0 && col.Header != "" && !isCorrectionHeader(col.Header) {
			out[i] = &newcomer{guesses: newGuesses(), digits: map[string]bool{}}
		}
	}
	return out
}

// see takes a cell in.
func (n newcomers) see(col int, text, clearMarker string) {
	if n == nil || n[col] == nil {
		return
	}
	text, _ = clean(text)
	if text == "" || text == clearMarker || isSpoilt(text) {
		return
	}
	n[col].see(text)
}

func (n *newcomer) see(text string) {
	n.filled++
	n.longest = max(n.longest, utf8.RuneCountInString(text))
	n.guesses = slices.DeleteFunc(n.guesses, func(g guess) bool { return !g.fits(text) })
	if text == "0" || text == "1" {
		n.digits[text] = true
	} else {
		n.words = true
	}
	if len(n.samples) == sampleCount {
		return
	}
	if sample := strings.Clone(cut(text, sampleSize)); !slices.Contains(n.samples, sample) {
		n.samples = append(n.samples, sample)
	}
}

// cut is a text without what is beyond so many characters.
func cut(text string, size int) string {
	for i := range text {
		if size == 0 {
			return text[:i]
		}
		size--
	}
	return text
}

// kind is the kind of the column's values, text if they are of no other.
func (n *newcomer) kind() Kind {
	for _, g := range n.guesses {
		if g.Kind == KindBool && !n.words && len(n.digits) < 2 { // all ones: perhaps of something else
			continue
		}
		return g.Kind
	}
	return KindText
}

// maxLength bounds a text with room to grow; other kinds have their own bounds.
func (n *newcomer) maxLength() int {
	if n.kind() != KindText {
		return 0
	}
	for _, size := range []int{255, 1000, 4000} {
		if n.longest <= size {
			return size
		}
	}
	return 32_767 // of a cell
}

// offers makes fields of the columns that have values.
func (n newcomers) offers(s *schema, cfg *Config, cols *columns) []FieldOffer {
	names := newFieldNames(s, cfg, cols)
	var out []FieldOffer
	for i, column := range n {
		if column == nil || column.filled == 0 {
			continue
		}
		header := cols.list[i].Header
		offer := FieldOffer{Column: cols.list[i], Filled: column.filled, Samples: column.samples, Problem: names.problem(header)}
		if offer.Problem == nil {
			offer.Field = Field{Name: names.take(header), Title: header, Kind: column.kind(), MaxLength: column.maxLength()}
		}
		out = append(out, offer)
	}
	return out
}

// fieldNaming gives names to new fields.
type fieldNaming struct {
	taken   map[string]bool // names and headers, folded, of fields
	headers map[string]int  // how many columns of the file have a header, folded
}

func newFieldNames(s *schema, cfg *Config, cols *columns) *fieldNaming {
	n := &fieldNaming{taken: map[string]bool{FieldID: true}, headers: map[string]int{}}
	for header := range headerTable(s, cfg) {
		n.taken[header] = true
	}
	for _, col := range cols.list {
		n.headers[foldHeader(col.Header)]++
	}
	return n
}

// problem says why a header cannot be that of a new field.
func (n *fieldNaming) problem(header string) *Reason {
	reason := func(code Code, params ...string) *Reason {
		r := errorReason(code, params...)
		return &r
	}
	switch {
	case n.headers[foldHeader(header)] > 1:
		return reason(CodeHeaderTwice)
	case utf8.RuneCountInString(header) > maxHeader:
		return reason(CodeHeaderTooLong, "limit", strconv.Itoa(maxHeader))
	case !strings.ContainsFunc(header, isNameRune):
		return reason(CodeHeaderNoName)
	}
	return nil
}

// take makes a name of a header that nothing else has: no field, and no other column of the file, which would
// otherwise be the new field's too.
func (n *fieldNaming) take(header string) string {
	name := fieldName(header)
	for i := 2; !n.isFree(name, header); i++ {
		name = fieldName(header) + strconv.Itoa(i)
	}
	n.taken[foldHeader(name)], n.taken[foldHeader(header)] = true, true
	return name
}

func (n *fieldNaming) isFree(name, header string) bool {
	folded := foldHeader(name)
	return !n.taken[folded] && (n.headers[folded] == 0 || folded == foldHeader(header))
}

// fieldName makes a name of the letters and digits of a header:
//
//	Shoe size → shoeSize    T-Shirt (Größe) → tShirtGröße    COST CENTRE → costCentre    2nd phone → field2ndPhone
func fieldName(header string) string {
	words := strings.FieldsFunc(header, func(r rune) bool { return !isNameRune(r) })
	shouted := strings.ToUpper(header) == header
	for i, word := range words {
		if shouted || strings.ToUpper(word) == word && i == 0 {
			word = strings.ToLower(word)
		}
		first, size := utf8.DecodeRuneInString(word)
		if i == 0 {
			words[i] = string(unicode.ToLower(first)) + word[size:]
			continue
		}
		words[i] = string(unicode.ToUpper(first)) + word[size:]
	}
	name := norm.NFC.String(strings.Join(words, ""))
	if first, size := utf8.DecodeRuneInString(name); !unicode.IsLetter(first) {
		name = "field" + string(unicode.ToUpper(first)) + name[size:]
	}
	return cut(name, maxFieldName-4) // with room for a number
}
