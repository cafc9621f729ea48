package usersync_test

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/usersync-go/usersync"
)

// model is the contract once more: small, slow and without any look-up table, so that a person can see
// that it is right. Nothing of it is shared with the engine but the public types and Fold.
type model struct {
	*world
	lines []*line
}

// line is a row with data.
type line struct {
	number  int
	cells   map[string]cell
	key     string           // folded, "" if it cannot be read
	name    string           // the key as the file has it
	found   []*usersync.User // everyone whom the row may mean
	user    *usersync.User   // the one whom it means, nil if he is new or it cannot be told
	changes []change         // what the row writes if it lives
	why     marks
	dropped bool // the user is protected from what the row says
}

// marks are reasons as "level:code".
type marks map[string]bool

func (m marks) fail(code usersync.Code) bool { return m.add(usersync.LevelError, code) }
func (m marks) warn(code usersync.Code) bool { return m.add(usersync.LevelWarning, code) }

// add tells whether the mark is new.
func (m marks) add(level usersync.Level, code usersync.Code) bool {
	mark := string(level) + ":" + string(code)
	old := m[mark]
	m[mark] = true
	return !old
}

func (m marks) has(level usersync.Level, code usersync.Code) bool {
	return m[string(level)+":"+string(code)]
}

// of gives the marks of one level, sorted.
func (m marks) of(level usersync.Level) []string {
	var out []string
	for mark := range m {
		if strings.HasPrefix(mark, string(level)+":") {
			out = append(out, mark)
		}
	}
	slices.Sort(out)
	return out
}

func (l *line) dead() bool { return len(l.why.of(usersync.LevelError)) > 0 }

// unclear rows mean some existing user, but it cannot be told which.
func (l *line) unclear() bool { return l.user == nil && len(l.found) > 0 }

func (l *line) isNew() bool { return len(l.found) == 0 }

// value is what a field has: one item, several if the field is a list, none if it is blank.
type value []string

func (v value) String() string { return strings.Join(v, ", ") }

// cell is what a row says about a field.
type cell struct {
	state cellState
	value value
}

type cellState string

const (
	isAbsent  cellState = "absent"
	isBlank   cellState = "blank"
	isGiven   cellState = "given"
	isCleared cellState = "cleared"
	isBroken  cellState = "broken"
)

// readFile understands the cells of every row. (R5: blank rows are skipped and numbered)
func (m *model) readFile() {
	for i, cells := range m.rows {
		if m.isBlankRow(cells) {
			continue
		}
		l := &line{number: i + 2, cells: map[string]cell{}, why: marks{}}
		for _, f := range m.schema.Fields {
			l.cells[f.Name] = m.readCell(l, f, cells)
		}
		if key := l.cells[m.schema.Key]; key.state == isGiven {
			l.name, l.key = key.value.String(), usersync.Fold(key.value.String())
		}
		m.lines = append(m.lines, l)
	}
}

// isBlankRow: data in columns that belong to no field is nobody's.
func (m *model) isBlankRow(cells []string) bool {
	for i, text := range cells {
		_, known := m.schema.Field(m.header[i])
		if known && strings.TrimFunc(text, unicode.IsSpace) != "" {
			return false
		}
	}
	return true
}

func (m *model) readCell(l *line, f usersync.Field, cells []string) cell {
	at := slices.Index(m.header, f.Name)
	c := cell{state: isAbsent}
	if at >= 0 && at < len(cells) {
		c = m.readText(l, f, cells[at])
	}
	missing := c.state == isBlank || c.state == isAbsent
	if missing && m.required(f) == usersync.Always && !m.fills(f) { // C1
		l.why.fail(usersync.CodeRequired)
	}
	if c.state == isBlank && m.config.BlankCells == usersync.BlankClears && m.canClear(f) &&
		m.config.Defaults[f.Name] == "" { // K2
		c.state = isCleared
	}
	return c
}

// required: the key always is.
func (m *model) required(f usersync.Field) usersync.Required {
	if f.Name == m.schema.Key {
		return usersync.Always
	}
	return f.Required
}

// fills tells that the configuration has a value for a field that the file leaves blank.
func (m *model) fills(f usersync.Field) bool {
	return m.config.Defaults[f.Name] != "" || m.config.Rule(f.Name).Strategy == usersync.ForceValue
}

func (m *model) canClear(f usersync.Field) bool {
	return m.required(f) == usersync.Optional && f.Name != m.schema.Status && !matchOnly(f)
}

func matchOnly(f usersync.Field) bool { return f.Match != "" && f.Match != f.Name }

func (m *model) readText(l *line, f usersync.Field, text string) cell {
	text, hidden := tidy(text)
	switch {
	case hidden && m.isIdentifier(f): // R4
		l.why.fail(usersync.CodeBadCharacter)
		return cell{state: isBroken}
	case hidden:
		l.why.warn(usersync.CodeStripped)
	}
	switch {
	case text == "":
		return cell{state: isBlank}
	case text == m.config.ClearMarker || f.List != nil && usersync.Fold(text) == usersync.Fold(f.List.None):
		if !m.canClear(f) {
			l.why.fail(usersync.CodeCannotClear)
			return cell{state: isBroken}
		}
		return cell{state: isCleared}
	}
	v, bad := m.canonical(f, text)
	switch {
	case bad != "":
		l.why.fail(bad)
		return cell{state: isBroken}
	case len(v) == 0: // a list of nothing but separators
		return cell{state: isBlank}
	}
	return cell{state: isGiven, value: v}
}

// zeroWidth is the one invisible character of these tests.
const zeroWidth = "\u200b"

func tidy(text string) (tidied string, hidden bool) {
	hidden = strings.Contains(text, zeroWidth)
	text = strings.ReplaceAll(text, zeroWidth, "")
	return norm.NFC.String(strings.TrimFunc(text, unicode.IsSpace)), hidden
}

func (m *model) isIdentifier(f usersync.Field) bool {
	return f.Identifier || f.Kind == usersync.KindEmail || f.Kind == usersync.KindUser ||
		f.Unique != usersync.NotUnique || f.Match != "" || f.Name == m.schema.Key
}

// canonical checks a text and splits the items of a list. (C2)
func (m *model) canonical(f usersync.Field, text string) (value, usersync.Code) {
	if f.List == nil {
		item, bad := canonicalItem(f, text)
		return value{item}, bad
	}
	var v value
	for _, part := range strings.Split(text, f.List.Separator) {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		item, bad := canonicalItem(f, part)
		if bad != "" {
			return nil, bad
		}
		if !m.has(f, v, item) {
			v = append(v, item)
		}
	}
	return v, ""
}

// sameWords are the texts of these tests that mean the same as another one.
var sameWords = map[usersync.Kind]map[string]string{
	usersync.KindBool: {"true": "true", "TRUE": "true", "yes": "true", "1": "true",
		"false": "false", "False": "false", "no": "false", "0": "false"},
	usersync.KindLocale: {"en-US": "en-US", "en_us": "en-US", "en_US": "en-US", "de": "de", "DE": "de", "pt-BR": "pt-BR"},
	usersync.KindEnum:   {"admin": "admin", "Chief": "admin", "chief": "admin", "user": "user", "USER": "user"},
}

func canonicalItem(f usersync.Field, text string) (string, usersync.Code) {
	switch f.Kind {
	case usersync.KindBool, usersync.KindLocale, usersync.KindEnum:
		if word, known := sameWords[f.Kind][text]; known {
			return word, ""
		}
		return "", map[usersync.Kind]usersync.Code{usersync.KindBool: usersync.CodeBadBool,
			usersync.KindLocale: usersync.CodeBadLocale, usersync.KindEnum: usersync.CodeBadOption}[f.Kind]
	case usersync.KindEmail:
		local, domain, found := strings.Cut(text, "@")
		if !found {
			return "", usersync.CodeBadEmail
		}
		return local + "@" + strings.ToLower(domain), ""
	case usersync.KindPhone:
		if len(digits(text)) < 3 {
			return "", usersync.CodeBadPhone
		}
	}
	return text, ""
}

func digits(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '+' {
			return r
		}
		return -1
	}, text)
}

// same tells whether two values mean the same to a field. (C3)
func (m *model) same(f usersync.Field, a, b value) bool {
	if len(a) != len(b) {
		return false
	}
	for _, item := range a {
		if !m.has(f, b, item) {
			return false
		}
	}
	return true
}

func (m *model) has(f usersync.Field, v value, item string) bool {
	return slices.ContainsFunc(v, func(other string) bool { return m.form(f, other) == m.form(f, item) })
}

// form is what is compared of a value.
func (m *model) form(f usersync.Field, text string) string {
	switch {
	case m.isIdentifier(f):
		return usersync.Fold(text)
	case f.Kind == usersync.KindPhone:
		return digits(text)
	}
	return text
}

// current is what the system has. White space is blank. (K1)
func (m *model) current(u *usersync.User, f usersync.Field) value {
	if f.List != nil {
		return u.Values.List(f.Name)
	}
	text, _ := tidy(u.Values.Get(f.Name))
	if text == "" {
		return nil
	}
	if item, bad := canonicalItem(f, text); bad == "" {
		text = item
	}
	return value{text}
}

func (w *world) field(name string) usersync.Field {
	f, _ := w.schema.Field(name)
	return f
}

func (m *model) keyOf(u *usersync.User) string { return usersync.Fold(u.Values.Get(m.schema.Key)) }
