package xlsx

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// texts reads the text of shared and inline strings.
type texts struct {
	chars int    // bound of one text, in UTF-16 code units
	raw   []byte // one element's text before unescaping
}

// tooLong is the refusal of a text beyond the bound.
func (t *texts) tooLong(part string) error {
	return exceeds(LimitCell, part, int64(t.chars), "the text of a cell is too long")
}

// rawLimit bounds a text as it is written: seven bytes can stand for one unit ("_x0041_").
func (t *texts) rawLimit() int { return 7 * t.chars }

// rich appends the text of the CT_Rst element last opened (ECMA-376 Part 1, 18.4.8 and 18.3.1.53):
// its own <t>, or those of its runs. Phonetic runs are how to say it, not what it says.
func (t *texts) rich(s *scanner, dst []byte) ([]byte, error) {
	start := len(dst)
	single := false
	for {
		ok, err := s.child()
		if err != nil {
			return dst, err
		}
		if !ok {
			return dst, t.check(s, dst[start:])
		}
		switch {
		case s.is("t") && single:
			err = s.refuse(CodeStructure, "a string with two texts")
		case s.is("t"):
			single = true
			dst, err = t.one(s, dst, start)
		case s.is("r"):
			dst, err = t.run(s, dst, start)
		case s.space != spaceMain || s.is("rPh") || s.is("phoneticPr") || s.is("extLst"):
			err = s.skip()
		default:
			err = s.refuse(CodeStructure, "an element <%s> in a string", s.tag[1:s.name])
		}
		if err != nil {
			return dst, err
		}
	}
}

// run appends the text of a rich text run (18.4.4).
func (t *texts) run(s *scanner, dst []byte, start int) ([]byte, error) {
	err := s.each(spaceMain, "t", func() (err error) {
		dst, err = t.one(s, dst, start)
		return err
	})
	return dst, err
}

// one appends the text of the <t> or <v> last opened to a text that starts at dst[start].
func (t *texts) one(s *scanner, dst []byte, start int) ([]byte, error) {
	from := len(dst)
	dst, err := s.chars(dst, t.rawLimit())
	if err == errLong {
		return dst, t.tooLong(s.part)
	}
	if err != nil {
		return dst, err
	}
	if bytes.Contains(dst[from:], []byte("_x")) {
		ok := true
		t.raw = append(t.raw[:0], dst[from:]...)
		if dst, ok = unescape(dst[:from], t.raw); !ok {
			return dst, s.refuse(CodeText, "a text with half a character")
		}
	}
	if len(dst)-start > unitBytes*t.chars { // checked in full at its end
		return dst, t.tooLong(s.part)
	}
	return dst, nil
}

// unitBytes are the bytes of UTF-8 that one UTF-16 code unit takes at most.
const unitBytes = 3

// check holds a whole text against the bound.
func (t *texts) check(s *scanner, text []byte) error {
	if len(text) > t.chars && units(text) > t.chars {
		return t.tooLong(s.part)
	}
	return nil
}

// units counts UTF-16 code units.
func units(text []byte) int {
	n := 0
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		n += utf16.RuneLen(r)
		text = text[size:]
	}
	return n
}

// unescape appends src with _xHHHH_ replaced by the UTF-16 code unit it stands for (ST_Xstring,
// ECMA-376 Part 1, 22.9.2.19). An underscore that must not start one is itself written _x005F_.
// false means that a unit is one half of a character and the other half is not beside it.
func unescape(dst, src []byte) ([]byte, bool) {
	for {
		i := bytes.Index(src, []byte("_x"))
		if i < 0 {
			return append(dst, src...), true
		}
		dst, src = append(dst, src[:i]...), src[i:]
		unit, ok := escaped(src)
		if !ok {
			dst, src = append(dst, src[:2]...), src[2:]
			continue
		}
		src = src[7:]
		r := rune(unit)
		if utf16.IsSurrogate(r) {
			low, ok := escaped(src)
			if r = utf16.DecodeRune(r, rune(low)); !ok || r == utf8.RuneError {
				return dst, false
			}
			src = src[7:]
		}
		dst = utf8.AppendRune(dst, r)
	}
}

// escaped reads "_xHHHH_" at the start of b.
func escaped(b []byte) (unit uint16, ok bool) {
	if len(b) < 7 || b[0] != '_' || b[1] != 'x' || b[6] != '_' {
		return 0, false
	}
	for _, c := range b[2:6] {
		d, ok := hexDigit(c)
		if !ok {
			return 0, false
		}
		unit = unit<<4 | d
	}
	return unit, true
}

// trimXML drops white space as XML Schema's "collapse" does around one word.
func trimXML(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}
