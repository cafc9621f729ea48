package xlsx

import (
	"bytes"
	"cmp"
	"errors"
	"unicode/utf8"
)

// piece reads character data at pos and gives a piece of it in text; false if nothing came of it.
// A piece ends where a character needs a closer look; none of them is ever split.
func (s *scanner) piece() (bool, error) {
	mask := uint8(textByte)
	if s.cdata {
		mask = cdataByte
	}
	n, err := s.plainText(mask)
	if err != nil {
		return false, err
	}
	if n == 0 {
		return s.special()
	}
	s.text = s.buf[s.pos : s.pos+n]
	s.pos += n
	if len(s.frames) == 0 {
		return false, s.outside()
	}
	return true, nil
}

// plainText gives the length of what stands for itself.
func (s *scanner) plainText(mask uint8) (int, error) {
	b := s.buf[s.pos:s.end]
	i := 0
	for i < len(b) {
		if class[b[i]]&mask != 0 {
			i++
			continue
		}
		if b[i] < utf8.RuneSelf {
			break
		}
		n := wide(b[i:])
		if n < 0 && (s.eof || utf8.FullRune(b[i:])) {
			s.pos += i
			return 0, s.badChar()
		}
		if n < 0 {
			break
		}
		i += n
	}
	return i, nil
}

// outside is for text before or after the root element.
func (s *scanner) outside() error {
	if !blank(s.text) {
		return s.bad("text outside of the root element")
	}
	return nil
}

// special reads the one character of text that does not stand for itself, or is not all there.
func (s *scanner) special() (bool, error) {
	switch c := s.buf[s.pos]; {
	case c == '\r':
		return s.newline()
	case c == ']':
		return s.bracket()
	case len(s.frames) == 0:
		return false, s.bad("text outside of the root element")
	case c == '&':
		return s.entity()
	case c >= utf8.RuneSelf:
		_, err := s.fill()
		return false, err
	}
	return false, s.badChar()
}

// newline makes CR and CR LF a line feed (XML 1.0, 2.11).
func (s *scanner) newline() (bool, error) {
	if ok, err := s.need(2); err != nil {
		return false, err
	} else if ok && s.buf[s.pos+1] == '\n' {
		s.pos++
	}
	s.pos++
	s.text = append(s.rune4[:0], '\n')
	return len(s.frames) > 0, nil
}

// bracket reads "]", which may start the "]]>" that ends a CDATA section and is illegal elsewhere.
func (s *scanner) bracket() (bool, error) {
	if ok, err := s.need(3); err != nil {
		return false, err
	} else if ok && bytes.HasPrefix(s.buf[s.pos:s.end], []byte("]]>")) {
		if !s.cdata {
			return false, s.bad("\"]]>\" in text")
		}
		s.pos += 3
		s.cdata = false
		return false, nil
	}
	if len(s.frames) == 0 {
		return false, s.bad("text outside of the root element")
	}
	s.pos++
	s.text = append(s.rune4[:0], ']')
	return true, nil
}

// entity reads a reference.
func (s *scanner) entity() (bool, error) {
	for {
		r, n := reference(s.buf[s.pos+1 : s.end])
		if n > 0 {
			s.pos += 1 + n
			s.text = utf8.AppendRune(s.rune4[:0], r)
			return true, nil
		}
		if n < 0 {
			return false, s.bad("an \"&\" that starts no character reference or known entity")
		}
		if more, err := s.fill(); !more {
			return false, s.cut(err)
		}
	}
}

// child goes to the next child of the element last opened; false at the element's end. Text between
// children is refused: no element that is read this way holds any.
func (s *scanner) child() (bool, error) {
	for {
		ev, err := s.next()
		switch {
		case err != nil:
			return false, err
		case ev == startElement:
			return true, nil
		case ev == endElement:
			return false, nil
		case !blank(s.text):
			return false, s.refuse(CodeStructure, "text where only elements can be")
		}
	}
}

// skip goes to the end of the element last opened. What it holds must still be well-formed.
func (s *scanner) skip() error {
	for depth := len(s.frames); len(s.frames) >= depth; {
		if _, err := s.raw(); err != nil {
			return err
		}
	}
	return nil
}

// errLong means that a text goes beyond a bound that its reader names.
var errLong = errors.New("long")

// chars appends the text of the element last opened to dst, up to the element's end. Elements of
// other namespaces are skipped. errLong means that there are more than limit bytes.
func (s *scanner) chars(dst []byte, limit int) ([]byte, error) {
	limit += len(dst)
	for {
		ev, err := s.next()
		switch {
		case err != nil:
			return dst, err
		case ev == endElement:
			return dst, nil
		case ev == charData:
			if len(dst)+len(s.text) > limit {
				return dst, errLong
			}
			dst = append(dst, s.text...)
		case s.space == spaceMain:
			return dst, s.refuse(CodeStructure, "an element <%s> where only text can be", s.tag[1:s.name])
		default:
			if err := s.skip(); err != nil {
				return dst, err
			}
		}
	}
}

// is tells whether the element last opened has this name in the workbook's namespace.
func (s *scanner) is(name string) bool {
	return s.space == spaceMain && string(s.tag[s.local:s.name]) == name
}

// attr gives the value of an attribute of the element last opened.
func (s *scanner) attr(sp space, name string) (string, bool) {
	for i := range s.attrs {
		a := &s.attrs[i]
		if a.space == sp && string(s.tag[max(a.name, a.colon+1):a.end]) == name {
			return string(s.value(a)), true
		}
	}
	return "", false
}

// value gives an attribute's value with references replaced and white space made spaces (XML 1.0,
// 3.3.3).
func (s *scanner) value(a *attr) []byte {
	raw := s.tag[a.from:a.to]
	if a.exact {
		return raw
	}
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '&':
			r, n := reference(raw[i+1:])
			out = utf8.AppendRune(out, r)
			i += n
		case c == '\r' && i+1 < len(raw) && raw[i+1] == '\n':
		case isSpace(c):
			out = append(out, ' ')
		default:
			out = append(out, c)
		}
	}
	return out
}

// root goes to the root element, which must have this name in this namespace.
func (s *scanner) root(sp space, name string) error {
	if _, err := s.next(); err != nil {
		return err
	}
	if s.space != sp || string(s.tag[s.local:s.name]) != name {
		return s.refuse(CodeStructure, "the part starts with <%s>, not with <%s> of its own namespace", s.tag[1:s.name], name)
	}
	if _, ok := s.attr(spaceCompat, "ProcessContent"); ok {
		return s.refuse(CodeStructure, "the part needs a program that knows its extensions")
	}
	if known, err := s.understands("MustUnderstand", spaceCompat); err != nil || !known {
		return cmp.Or(err, error(s.refuse(CodeStructure, "the part needs a program that knows its extensions")))
	}
	return nil
}

// close makes sure that nothing follows the root element, so that the part was read to its end.
func (s *scanner) close() error {
	ev, err := s.next()
	if err == nil && ev != endDocument {
		return s.bad("something follows the root element")
	}
	return err
}
