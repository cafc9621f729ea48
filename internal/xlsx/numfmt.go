package xlsx

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// shows is what of a date a number format shows.
type shows uint8

const (
	showDate    shows = 1 << iota // a calendar date or a part of one
	showTime                      // a time of day
	showElapsed                   // hours, minutes or seconds that do not wrap: [h]:mm
	showEither                    // date or time, by the reader's country: only the value tells
)

// numberFormat is a format code (ECMA-376 Part 1, 18.8.31) and what its sections show.
type numberFormat struct {
	code     string // "" for General
	dates    bool   // any section shows a date or a time
	sections []section
}

// section is one of the up to three parts of a format code that are for numbers.
type section struct {
	shows shows
	op    string // of its condition: "<", "<=", "=", ">=", ">", "<>", or ""
	limit float64
	text  bool // for text, not for numbers
}

// parseFormat never fails: what is no format at all shows no date.
func parseFormat(code string) numberFormat {
	f := numberFormat{code: code}
	if strings.EqualFold(code, "General") {
		f.code = ""
	}
	for rest := code; ; {
		var sec section
		var more bool
		if sec, rest, more = parseSection(rest); !sec.text {
			f.sections = append(f.sections, sec)
			f.dates = f.dates || sec.shows != 0
		}
		if !more || len(f.sections) == 3 {
			return f
		}
	}
}

// of gives what the section for a value shows: the first is for positive values, the second for
// negative ones and the third for zero, unless they have conditions.
func (f *numberFormat) of(v float64) shows {
	n := len(f.sections)
	if n == 0 {
		return 0
	}
	for _, s := range f.sections {
		if s.op != "" {
			return f.conditional(v)
		}
	}
	switch {
	case v < 0 && n > 1:
		return f.sections[1].shows
	case v == 0 && n > 2:
		return f.sections[2].shows
	}
	return f.sections[0].shows
}

func (f *numberFormat) conditional(v float64) shows {
	var rest shows
	for _, s := range f.sections {
		if s.op == "" {
			rest = s.shows
		} else if s.holds(v) {
			return s.shows
		}
	}
	return rest
}

func (s *section) holds(v float64) bool {
	switch s.op {
	case "<":
		return v < s.limit
	case "<=":
		return v <= s.limit
	case "=":
		return v == s.limit
	case ">=":
		return v >= s.limit
	case ">":
		return v > s.limit
	}
	return v != s.limit
}

// formatScan goes through one section of a format code.
type formatScan struct {
	sec    section
	digits bool // a placeholder that is no fraction of a second: the section is for plain numbers
	clock  byte // the last letter met: 'h', 's', 'm' for what may be minutes, '.' after s, else 0
	months int  // runs of m that are not minutes
}

// parseSection reads to the next ";". Letters in quotes, after a backslash, an underscore or an
// asterisk are literal.
func parseSection(code string) (sec section, rest string, more bool) {
	var p formatScan
	for len(code) > 0 && code[0] != ';' {
		code = code[p.token(code):]
	}
	if p.months > 0 {
		p.sec.shows |= showDate
	}
	if p.digits {
		p.sec.shows = 0
	}
	if code == "" {
		return p.sec, "", false
	}
	return p.sec, code[1:], true
}

// token takes in what code starts with and gives its length.
func (p *formatScan) token(code string) int {
	switch c := code[0]; c {
	case '"':
		if end := strings.IndexByte(code[1:], '"'); end >= 0 {
			return end + 2
		}
		return len(code)
	case '\\', '_', '*':
		_, n := utf8.DecodeRuneInString(code[1:])
		return 1 + n
	case '[':
		return p.bracket(code)
	case '@':
		p.sec.text = true
	case '0':
		return p.zero(code)
	case '#', '?':
		p.digits = true
	default:
		return p.letter(code)
	}
	return 1
}

// zero reads a digit placeholder. "s.000" are fractions of a second.
func (p *formatScan) zero(code string) int {
	if p.clock != '.' {
		p.digits = true
	}
	return 1
}

// letter reads a run of one letter, or a word.
func (p *formatScan) letter(code string) int {
	c := code[0] | 0x20
	switch {
	case hasFold(code, "General"):
		p.digits = true
		return len("General")
	case hasFold(code, "AM/PM"):
		p.sec.shows |= showTime
		return len("AM/PM")
	case hasFold(code, "A/P"):
		p.sec.shows |= showTime
		return len("A/P")
	case code[0] == '.' && p.clock == 's':
		p.clock = '.'
		return 1
	case c == 'e' && len(code) > 1 && (code[1] == '+' || code[1] == '-'):
		p.digits = true
		return 2
	}
	n := run(code)
	switch c {
	case 'y', 'd', 'g', 'e', 'b':
		p.sec.shows |= showDate
		p.clock = 0
	case 'a':
		if n >= 3 { // the day of the week, in Japanese
			p.sec.shows |= showDate
		}
	case 'h', 's':
		p.time(c)
	case 'm':
		p.minute()
	}
	return n
}

// time takes in h or s. Minutes stand beside them, after h or before s.
func (p *formatScan) time(c byte) {
	p.sec.shows |= showTime
	if c == 's' && p.clock == 'm' {
		p.months--
	}
	p.clock = c
}

// minute takes in a run of m, which is a month if no time letter is beside it.
func (p *formatScan) minute() {
	if p.clock == 'h' {
		p.clock = 0
		return
	}
	p.months++
	p.clock = 'm'
}

// bracket reads a colour, a country, a condition, or an elapsed time.
func (p *formatScan) bracket(code string) int {
	end := strings.IndexByte(code, ']')
	if end < 0 {
		return len(code)
	}
	inner := strings.ToLower(code[1:end])
	if inner != "" && strings.Trim(inner, inner[:1]) == "" && strings.ContainsAny(inner[:1], "hms") {
		p.sec.shows |= showElapsed
		if p.clock = inner[0]; p.clock == 'm' {
			p.clock = 0
		}
		return end + 1
	}
	op := inner[:len(inner)-len(strings.TrimLeft(inner, "<>="))]
	if limit, err := strconv.ParseFloat(inner[len(op):], 64); err == nil && op != "" {
		p.sec.op, p.sec.limit = op, limit
	}
	return end + 1
}

func hasFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// run gives the length of the run of the letter that s starts with, in either case.
func run(s string) int {
	n := 1
	for n < len(s) && s[n]|0x20 == s[0]|0x20 {
		n++
	}
	return n
}

// builtIn gives a format that has no code in the file (18.8.30). Those that differ from country to
// country only within dates or within times are taken as one.
func builtIn(id int) numberFormat {
	show := shows(0)
	switch {
	case id >= 14 && id <= 17, id >= 27 && id <= 31, id == 36, id >= 50 && id <= 54, id == 57, id == 58, id >= 71 && id <= 74, id == 81:
		show = showDate
	case id >= 18 && id <= 21, id == 32, id == 33, id == 45, id == 47, id == 75, id == 76, id == 78, id == 80:
		show = showTime
	case id == 22, id == 77:
		show = showDate | showTime
	case id == 46, id == 79:
		show = showElapsed
	case id == 34, id == 35, id == 55, id == 56:
		show = showEither
	}
	f := numberFormat{dates: show != 0, sections: []section{{shows: show}}}
	if id < len(builtInCodes) {
		f.code = builtInCodes[id]
	}
	return f
}

// builtInCodes are the number formats that mean the same everywhere; the others give no code.
var builtInCodes = [...]string{
	1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00",
	9: "0%", 10: "0.00%", 11: "0.00E+00", 12: "# ?/?", 13: "# ??/??",
	37: "#,##0 ;(#,##0)", 38: "#,##0 ;[Red](#,##0)", 39: "#,##0.00;(#,##0.00)", 40: "#,##0.00;[Red](#,##0.00)",
	48: "##0.0E+0", 49: "@",
}
