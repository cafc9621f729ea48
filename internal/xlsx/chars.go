package xlsx

import (
	"strconv"
	"unicode/utf8"
)

// What a byte may be in XML. Bytes of 0x80 and more are looked at as whole characters.
const (
	nameByte  = 1 << iota // in a name
	nameStart             // at its start
	textByte              // in text, as it is
	cdataByte             // in a CDATA section, as it is
	attrByte              // in an attribute value, as it is
	spaceByte             // white space
)

var class = classes()

func classes() (c [256]uint8) {
	for b := range 128 {
		if b >= ' ' || isSpace(byte(b)) {
			c[b] = textByte | cdataByte | attrByte
		}
		if letter := b | 0x20; letter >= 'a' && letter <= 'z' || b == '_' {
			c[b] |= nameByte | nameStart
		}
		if b >= '0' && b <= '9' || b == '-' || b == '.' {
			c[b] |= nameByte
		}
	}
	for _, b := range []byte(" \t\r\n") {
		c[b] |= spaceByte
	}
	for _, b := range []byte("<&]\r") {
		c[b] &^= textByte
	}
	for _, b := range []byte("]\r") {
		c[b] &^= cdataByte
	}
	for _, b := range []byte("<&\"'\t\r\n") {
		c[b] &^= attrByte
	}
	return c
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func blank(b []byte) bool {
	for _, c := range b {
		if !isSpace(c) {
			return false
		}
	}
	return true
}

// wide gives the length of the character at the start of b, which is not ASCII, or -1 if it is cut,
// not UTF-8, or not one that XML allows (production 2).
func wide(b []byte) int {
	r, n := utf8.DecodeRune(b)
	if r == utf8.RuneError && n <= 1 || r == 0xFFFE || r == 0xFFFF {
		return -1
	}
	return n
}

// xmlChar tells whether a character reference may stand for r.
func xmlChar(r rune) bool {
	return r >= ' ' && r <= 0xD7FF || r == '\t' || r == '\n' || r == '\r' ||
		r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= utf8.MaxRune
}

// wideStart are the characters beyond ASCII that start a name (production 4).
var wideStart = [][2]rune{
	{0xC0, 0xD6}, {0xD8, 0xF6}, {0xF8, 0x2FF}, {0x370, 0x37D}, {0x37F, 0x1FFF}, {0x200C, 0x200D},
	{0x2070, 0x218F}, {0x2C00, 0x2FEF}, {0x3001, 0xD7FF}, {0xF900, 0xFDCF}, {0xFDF0, 0xFFFD},
	{0x10000, 0xEFFFF},
}

// wideName are those that may only follow (production 4a).
var wideName = [][2]rune{{0xB7, 0xB7}, {0x300, 0x36F}, {0x203F, 0x2040}}

func within(r rune, ranges [][2]rune) bool {
	for _, lim := range ranges {
		if r >= lim[0] && r <= lim[1] {
			return true
		}
	}
	return false
}

// reference reads what follows "&": one of the five entities or a character reference. It gives the
// length with the semicolon, 0 if b ends before it, -1 if it is none of them.
func reference(b []byte) (rune, int) {
	const longest = 12 // "#x0010FFFF;" and a little more
	end := 0
	for end < len(b) && end < longest && (b[end] == '#' || class[b[end]]&nameByte != 0) {
		end++
	}
	if end == len(b) && end < longest {
		return 0, 0
	}
	if end < 2 || end == longest || b[end] != ';' {
		return 0, -1
	}
	switch string(b[:end]) {
	case "amp":
		return '&', end + 1
	case "lt":
		return '<', end + 1
	case "gt":
		return '>', end + 1
	case "quot":
		return '"', end + 1
	case "apos":
		return '\'', end + 1
	}
	if r, ok := charNumber(b[:end]); ok {
		return r, end + 1
	}
	return 0, -1
}

// charNumber reads "#65" or "#x41".
func charNumber(b []byte) (rune, bool) {
	base, digits := 10, b[1:]
	if b[0] != '#' {
		return 0, false
	}
	if digits[0] == 'x' {
		base, digits = 16, digits[1:]
	}
	for _, c := range digits {
		if _, ok := hexDigit(c); !ok { // no sign, no underscore
			return 0, false
		}
	}
	n, err := strconv.ParseUint(string(digits), base, 32)
	if err != nil || n > utf8.MaxRune || !xmlChar(rune(n)) {
		return 0, false
	}
	return rune(n), true
}

func hexDigit(c byte) (uint16, bool) {
	switch {
	case c >= '0' && c <= '9':
		return uint16(c - '0'), true
	case c >= 'a' && c <= 'f':
		return uint16(c-'a') + 10, true
	case c >= 'A' && c <= 'F':
		return uint16(c-'A') + 10, true
	}
	return 0, false
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }
