package usersync

import (
	"errors"
	"maps"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
)

// Fold gives the form in which identifiers are compared: without white space at the ends, in Unicode
// normalization form KC (UAX #15) and case-folded (Unicode, section 3.13), so that "Ｐeter ", "PETER"
// and "peter" are one. Stores that look users up by key compare in this form.
func Fold(s string) string {
	if isFolded(s) {
		return s
	}
	s = strings.TrimFunc(s, unicode.IsSpace)
	if isASCII(s) {
		return strings.ToLower(s)
	}
	for range 4 { // folding can denormalize and normalizing can unfold; twice is enough in practice
		next := norm.NFKC.String(cases.Fold().String(norm.NFKC.String(s)))
		next = strings.TrimFunc(next, unicode.IsSpace)
		if next == s {
			break
		}
		s = next
	}
	return s
}

func isFolded(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// isPlain tells that clean has nothing to do, which is so for nearly every cell.
func isPlain(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return s == "" || s[0] != ' ' && s[len(s)-1] != ' '
}

// clean trims white space, turns line breaks and tabs inside into single spaces, leaves out invisible
// characters and normalizes to NFC (UAX #15). left is the first character that was left out, 0 if none
// was. (R4)
func clean(s string) (out string, left rune) {
	if isPlain(s) {
		return s, 0
	}
	s = strings.TrimFunc(s, isEdge)
	var b strings.Builder
	for _, r := range s {
		switch {
		case isLineBreak(r):
			if !strings.HasSuffix(b.String(), " ") {
				b.WriteByte(' ')
			}
		case isInvisible(r):
			if left == 0 {
				left = r
			}
		default:
			b.WriteRune(r)
		}
	}
	return norm.NFC.String(strings.TrimFunc(b.String(), unicode.IsSpace)), left
}

// isEdge tells what is trimmed: white space, NBSP and its kin included, and a byte order mark.
func isEdge(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' }

func isLineBreak(r rune) bool {
	return r == '\n' || r == '\r' || r == '\t' || r == '\v' || r == '\f' || r == '\u0085' ||
		r == '\u2028' || r == '\u2029'
}

// isInvisible tells control and format characters (Unicode Cc and Cf: zero-width, bidi, soft hyphen,
// tags), the fillers that look like nothing, and the replacement character of a broken decoding.
func isInvisible(r rune) bool {
	switch r {
	case '\u115f', '\u1160', '\u3164', '\uffa0', '\ufffd', '\u034f':
		return true
	}
	return unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) || 0xFE00 <= r && r <= 0xFE0F ||
		0xE0100 <= r && r <= 0xE01EF
}

// innerBreak finds a line break or tab inside a text, which an identifier cannot have; 0 if there is none.
func innerBreak(s string) rune {
	if isPlain(s) {
		return 0
	}
	for _, r := range strings.TrimFunc(s, isEdge) {
		if isLineBreak(r) {
			return r
		}
	}
	return 0
}

// codePoint names a character as Unicode does, "U+200B".
func codePoint(r rune) string {
	hex := strings.ToUpper(strconv.FormatInt(int64(r), 16))
	if len(hex) < 4 {
		hex = strings.Repeat("0", 4-len(hex)) + hex
	}
	return "U+" + hex
}

// kinds has the canonical form of each kind. The text has been cleaned and is not empty.
var kinds = map[Kind]func(f *field, text string) (string, *Reason){
	KindText:     canonText,
	KindEmail:    canonEmail,
	KindBool:     canonWord,
	KindLocale:   canonLocale,
	KindTimeZone: canonTimeZone,
	KindPhone:    canonPhone,
	KindEnum:     canonWord,
	KindUser:     canonText,
	KindDate:     canonDate,
}

func canonText(_ *field, text string) (string, *Reason) { return text, nil }

func canonEmail(f *field, text string) (string, *Reason) {
	if !isEmail(text) {
		return "", f.refuse(CodeBadEmail, "value", text)
	}
	at := strings.LastIndexByte(text, '@')
	if domain := strings.ToLower(text[at:]); domain != text[at:] {
		return text[:at] + domain, nil
	}
	return text, nil
}

// isEmail accepts one addr-spec of RFC 5322 whose local part is a dot-atom, letters of RFC 6531
// included, and whose domain has at least two labels. Display names, comments, quoted local parts and
// address literals are refused: nothing in a cell can become a second recipient.
func isEmail(s string) bool {
	local, domain, found := strings.Cut(s, "@")
	return found && len(s) <= 254 && len(local) <= 64 && isDotAtom(local) && isDomain(domain)
}

func isDotAtom(s string) bool {
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" || strings.ContainsFunc(atom, isNotAtext) {
			return false
		}
	}
	return true
}

func isNotAtext(r rune) bool {
	if r < utf8.RuneSelf {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' ||
			strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r))
	}
	return !unicode.In(r, unicode.L, unicode.M, unicode.N)
}

func isDomain(s string) bool {
	labels, last := 0, ""
	for label := range strings.SplitSeq(s, ".") {
		labels, last = labels+1, label
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.ContainsFunc(label, isNotLabel) {
			return false
		}
	}
	return labels > 1 && strings.ContainsFunc(last, unicode.IsLetter)
}

func isNotLabel(r rune) bool { return r != '-' && !unicode.In(r, unicode.L, unicode.M, unicode.N) }

func canonWord(f *field, text string) (string, *Reason) {
	if v, known := f.words[Fold(text)]; known {
		return v, nil
	}
	code := CodeBadOption
	if f.Kind == KindBool {
		code = CodeBadBool
	}
	return "", f.refuse(code, "value", text, "expected", f.expected)
}

// canonLocale takes BCP 47 tags, also with underscores as POSIX writes them.
func canonLocale(f *field, text string) (string, *Reason) {
	tag, err := language.Parse(strings.ReplaceAll(text, "_", "-"))
	if err != nil || tag == language.Und {
		return "", f.refuse(CodeBadLocale, "value", text)
	}
	return tag.String(), nil
}

// canonTimeZone takes the names of the IANA database as the Go runtime finds it: the system's, or the
// one that a program embeds with time/tzdata.
func canonTimeZone(f *field, text string) (string, *Reason) {
	loc, err := time.LoadLocation(text)
	if err != nil || text == "Local" || text == "localtime" || text == "posixrules" || text == "Factory" ||
		strings.HasPrefix(text, "posix/") || strings.HasPrefix(text, "right/") {
		return "", f.refuse(CodeBadTimeZone, "value", text)
	}
	return loc.String(), nil
}

// canonPhone takes 3 to 15 digits (E.164), which may start with + and end with an extension.
// An identifier is kept as its digits, so that a store can look it up.
func canonPhone(f *field, text string) (string, *Reason) {
	number, extension := text, ""
	if i := strings.IndexAny(text, "xXeE"); i > 0 {
		number, extension = text[:i], trimExtension(text[i:])
	}
	digits := countDigits(strings.TrimPrefix(number, "+"))
	if digits < 3 || digits > 15 || countDigits(extension) < 0 || number != text && extension == "" {
		return "", f.refuse(CodeBadPhone, "value", text)
	}
	if f.identifier {
		return foldPhone(text), nil
	}
	return text, nil
}

// trimExtension cuts "x", "ext" or "ext." off an extension, "" if it does not begin so.
func trimExtension(s string) string {
	for _, word := range []string{"ext.", "ext", "x"} {
		if len(s) > len(word) && strings.EqualFold(s[:len(word)], word) {
			return strings.TrimSpace(s[len(word):])
		}
	}
	return ""
}

// countDigits counts the digits of a text that has only digits and the usual separators, -1 otherwise.
func countDigits(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case '0' <= r && r <= '9':
			n++
		case !strings.ContainsRune(" -./()\u00a0\u2010\u2011\u2012\u2013\u2014", r):
			return -1
		}
	}
	return n
}

// foldPhone keeps what distinguishes a phone number that was accepted: its digits, + and extension.
func foldPhone(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case '0' <= r && r <= '9' || r == '+':
			return r
		case r == 'x' || r == 'X':
			return 'x'
		}
		return -1
	}, s)
}

// canonDate takes a calendar date of ISO 8601 in its extended form, which is also what the date of a workbook
// becomes; midnight, of a cell or a column that shows the time as well, is the date. Day and month are never
// guessed.
func canonDate(f *field, text string) (string, *Reason) {
	day := text
	for _, midnight := range []string{"T00:00:00Z", "T00:00:00", "T00:00", " 00:00:00", " 00:00"} {
		if before, found := strings.CutSuffix(text, midnight); found {
			day = before
			break
		}
	}
	if !isDay(day) {
		return "", f.refuse(CodeBadDate, "value", text)
	}
	return day, nil
}

// isDay tells a calendar date that there is, in the form 2026-12-31.
func isDay(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}

// canonOwn is the canonical form that the product itself gives.
func canonOwn(f *field, text string) (string, *Reason) {
	v, err := f.callCanonical(text)
	if err != nil {
		return "", f.refuseBy(err, text)
	}
	return v, nil
}

// canonical checks one cleaned, non-empty text and gives its canonical form: of a list, if the field is
// one. (C2)
func (f *field) canonical(text string) (string, *Reason) {
	if f.List == nil {
		return f.canonicalItem(text)
	}
	if strings.Contains(text, listEnd) {
		return "", f.refuse(CodeListCharacter)
	}
	var items []string
	none := ""
	for _, item := range strings.Split(text, f.List.Separator) {
		item = strings.TrimFunc(item, unicode.IsSpace)
		if item == "" {
			continue
		}
		if f.List.isNone(item) {
			none = item
		}
		v, refused := f.canonicalItem(item)
		if refused != nil {
			return "", refused
		}
		if !f.hasItem(items, v) {
			items = append(items, v)
		}
	}
	if none != "" && len(items) > 1 {
		return "", f.refuse(CodeNoneAndOthers, "value", none)
	}
	return listValue(items), nil
}

func (f *field) canonicalItem(text string) (string, *Reason) {
	v, refused := f.canon(f, text)
	if refused != nil {
		return "", refused
	}
	if refused := f.checkLength(v); refused != nil {
		return "", refused
	}
	if f.Characters != nil {
		if refused := f.checkCharacters(v); refused != nil {
			return "", refused
		}
	}
	if f.pattern != nil && !f.pattern.MatchString(v) {
		return "", f.refuse(CodeBadPattern, "value", text, "expected", f.patternHelp())
	}
	if f.Check != nil {
		if err := f.callCheck(v); err != nil {
			return "", f.refuseBy(err, text)
		}
	}
	return v, nil
}

func (f *field) checkLength(v string) *Reason {
	if f.MaxLength == 0 && f.MinLength == 0 || len(v) <= f.MaxLength && f.MinLength == 0 {
		return nil
	}
	n := utf8.RuneCountInString(v)
	switch {
	case f.MaxLength > 0 && n > f.MaxLength:
		return f.refuse(CodeTooLong, "length", strconv.Itoa(n), "limit", strconv.Itoa(f.MaxLength))
	case n < f.MinLength:
		return f.refuse(CodeTooShort, "length", strconv.Itoa(n), "limit", strconv.Itoa(f.MinLength))
	}
	return nil
}

func (f *field) patternHelp() string {
	if f.PatternHelp != "" {
		return f.PatternHelp
	}
	return f.Pattern
}

// refuse makes the reason for a value that cannot be taken. The value of a secret stays out of it.
func (f *field) refuse(code Code, params ...string) *Reason {
	r := errorReason(code, params...).in(f.Name)
	if f.Secret {
		maskParams(r.Params)
	}
	return &r
}

// refuseBy makes the reason for a value that the product's own check does not take.
func (f *field) refuseBy(err error, text string) *Reason {
	var own *FieldError
	if errors.As(err, &own) && own.Code != "" {
		r := errorReason(own.Code).in(f.Name)
		r.Params = maps.Clone(own.Params)
		if f.Secret {
			maskText(r.Params, text)
		}
		return &r
	}
	if f.Secret {
		return f.refuse(CodeBadValue, "message", "is not accepted")
	}
	return f.refuse(CodeBadValue, "value", text, "message", err.Error())
}

// same tells whether two canonical values are the same to this field. (C3)
func (f *field) same(a, b string) bool {
	if a == b {
		return true
	}
	if f.List != nil {
		return f.sameItems(listItems(a), listItems(b))
	}
	return f.compareForm(a) == f.compareForm(b)
}

func (f *field) sameItems(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for _, item := range a {
		if !f.hasItem(b, item) {
			return false
		}
	}
	return true
}

func (f *field) hasItem(items []string, item string) bool {
	form := f.compareForm(item)
	for _, other := range items {
		if other == item || f.compareForm(other) == form {
			return true
		}
	}
	return false
}

// compareForm is the form in which two canonical values of the field are compared.
func (f *field) compareForm(v string) string {
	if f.Kind == KindPhone {
		if digits := foldPhone(v); digits != "" {
			return digits
		}
	}
	switch {
	case f.identifier:
		return Fold(v)
	case f.Refers != nil:
		return f.Refers.compareForm(v)
	}
	return v
}

// stored gives the canonical form of a value that the store has, as well as it can be told: a value
// that the schema would not take is compared as it stands.
func (f *field) stored(raw string) string {
	if isList(raw) || f.List != nil {
		return f.storedList(listItems(raw))
	}
	text, _ := clean(raw)
	if text == "" {
		return ""
	}
	if v, refused := f.canon(f, text); refused == nil {
		return v
	}
	return text
}

// storedList is the list of the items that the store has, in the product's own form where there is one.
func (f *field) storedList(items []string) string {
	if f.Canonical == nil {
		return listValue(items)
	}
	for i, item := range items {
		text, _ := clean(item)
		if v, refused := f.canon(f, text); text != "" && refused == nil {
			items[i] = v
		}
	}
	return listValue(items)
}
