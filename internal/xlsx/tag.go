package xlsx

import (
	"bytes"
	"errors"
	"unicode/utf8"
)

// errShort means that the window ends before the tag does.
var errShort = errors.New("short")

// attr is an attribute of the tag last met, by places in it.
type attr struct {
	name, colon, end int  // colon is -1 without a prefix
	from, to         int  // the value between its quotes
	exact            bool // the value stands as it is
	space            space
}

// startTag reads a start tag; the window grows until all of it is there.
func (s *scanner) startTag() (event, error) {
	for {
		n, err := s.parseTag(s.buf[s.pos:s.end])
		if err == nil && n > s.tagsz {
			return 0, s.longTag()
		}
		if err == nil {
			s.tag = s.buf[s.pos : s.pos+n]
			s.pos += n
			return startElement, s.push()
		}
		if err != errShort {
			return 0, err
		}
		if err := s.more(); err != nil {
			return 0, err
		}
	}
}

// parseTag finds the parts of the tag at the start of b and gives its length.
func (s *scanner) parseTag(b []byte) (int, error) {
	s.attrs, s.empty = s.attrs[:0], false
	i, colon, err := scanName(b, 1)
	if err != nil {
		return 0, s.tagError(err)
	}
	s.name, s.local = i, colon+1
	if colon < 0 {
		s.local = 1
	}
	for {
		gap := i
		for i < len(b) && class[b[i]]&spaceByte != 0 {
			i++
		}
		if i+1 >= len(b) {
			if i < len(b) && b[i] == '>' {
				return i + 1, nil
			}
			return 0, errShort
		}
		switch {
		case b[i] == '>':
			return i + 1, nil
		case b[i] == '/' && b[i+1] == '>':
			s.empty = true
			return i + 2, nil
		case gap == i:
			return 0, s.bad("a tag with an illegal character or without white space between attributes")
		}
		if i, err = s.attribute(b, i); err != nil {
			return 0, s.tagError(err)
		}
	}
}

func (s *scanner) tagError(err error) error {
	if err == errName {
		return s.bad("a tag or an attribute without a proper name")
	}
	return err
}

// attribute reads the attribute at b[i] and gives the place behind it.
func (s *scanner) attribute(b []byte, i int) (int, error) {
	end, colon, err := scanName(b, i)
	if err != nil {
		return 0, err
	}
	a := attr{name: i, colon: colon, end: end, exact: true}
	if i, err = s.equals(b, end); err != nil {
		return 0, err
	}
	quote := b[i]
	a.from = i + 1
	for i++; ; i++ {
		for i < len(b) && class[b[i]]&attrByte != 0 {
			i++
		}
		if i == len(b) {
			return 0, errShort
		}
		if b[i] == quote {
			break
		}
		n, err := s.attrChar(b[i:])
		if err != nil {
			return 0, err
		}
		a.exact = a.exact && (b[i] >= utf8.RuneSelf || n == 1 && !isSpace(b[i]))
		i += n - 1
	}
	a.to = i
	return i + 1, s.addAttr(b, a)
}

// equals reads " = " and gives the place of the opening quote.
func (s *scanner) equals(b []byte, i int) (int, error) {
	for step := range 2 {
		for i < len(b) && class[b[i]]&spaceByte != 0 {
			i++
		}
		switch {
		case i == len(b):
			return 0, errShort
		case step == 0 && b[i] == '=':
			i++
		case step == 0:
			return 0, s.bad("an attribute without a value")
		case b[i] != '"' && b[i] != '\'':
			return 0, s.bad("an attribute value without quotes")
		}
	}
	return i, nil
}

// attrChar gives the length of the character, or reference, that does not simply stand for itself.
func (s *scanner) attrChar(b []byte) (int, error) {
	switch c := b[0]; {
	case c == '&':
		_, n := reference(b[1:])
		if n == 0 {
			return 0, errShort
		}
		if n < 0 {
			return 0, s.bad("an \"&\" that starts no character reference or known entity")
		}
		return 1 + n, nil
	case c == '<':
		return 0, s.bad("a \"<\" in an attribute value")
	case c == '\'' || c == '"' || isSpace(c):
		return 1, nil
	case c < utf8.RuneSelf:
		return 0, s.bad("the character %#02x is not allowed in XML", c)
	}
	n := wide(b)
	if n < 0 && !utf8.FullRune(b) && !s.eof {
		return 0, errShort
	}
	if n < 0 {
		return 0, s.bad("a byte (%#02x) that is not UTF-8, or a character not allowed in XML", b[0])
	}
	return n, nil
}

// addAttr keeps an attribute; its name must be new in the tag.
func (s *scanner) addAttr(b []byte, a attr) error {
	name := b[a.name:a.end]
	if len(s.attrs) >= maxAttributes {
		return exceeds(LimitAttributes, s.part, maxAttributes, "an XML tag of the file has too many attributes")
	}
	if s.index.seen(b, s.attrs, name) {
		return s.bad("the attribute %q is given twice", name)
	}
	s.attrs = append(s.attrs, a)
	return nil
}

// attrIndex finds attribute names again, by a hash once there are more than a few of them.
type attrIndex [2 * maxAttributes]uint8

const fewAttributes = 8

// seen tells whether one of attrs has this name, and notes that the name comes next.
func (x *attrIndex) seen(b []byte, attrs []attr, name []byte) bool {
	if len(attrs) < fewAttributes {
		for _, a := range attrs {
			if a.end-a.name == len(name) && bytes.Equal(b[a.name:a.end], name) {
				return true
			}
		}
		return false
	}
	if len(attrs) == fewAttributes {
		*x = attrIndex{}
		for i, a := range attrs {
			x.put(b, attrs[:i], b[a.name:a.end])
		}
	}
	return x.put(b, attrs, name)
}

// put adds the name of the attribute that follows attrs, unless it is there.
func (x *attrIndex) put(b []byte, attrs []attr, name []byte) bool {
	h := uint32(2166136261)
	for _, c := range name {
		h = (h ^ uint32(c)) * 16777619
	}
	for slot := h % uint32(len(x)); ; slot = (slot + 1) % uint32(len(x)) {
		n := int(x[slot])
		if n == 0 {
			x[slot] = uint8(len(attrs) + 1)
			return false
		}
		if a := attrs[n-1]; bytes.Equal(b[a.name:a.end], name) {
			return true
		}
	}
}

// errName means that there is no name where one should be.
var errName = errors.New("no name")

// scanName reads a qualified name (Namespaces in XML, production 7) at b[i]. colon is -1 if it has
// no prefix.
func scanName(b []byte, i int) (end, colon int, err error) {
	colon = -1
	first := true
	for i < len(b) {
		switch c := b[i]; {
		case class[c]&nameByte != 0:
			if first && class[c]&nameStart == 0 {
				return 0, 0, errName
			}
			first = false
			i++
		case c == ':' && colon < 0 && !first:
			colon, first = i, true
			i++
		case c >= utf8.RuneSelf:
			n, err := wideNameChar(b[i:], first)
			if err != nil {
				return 0, 0, err
			}
			first = false
			i += n
		case first || c == ':':
			return 0, 0, errName
		default:
			return i, colon, nil
		}
	}
	return 0, 0, errShort
}

func wideNameChar(b []byte, first bool) (int, error) {
	if !utf8.FullRune(b) {
		return 0, errShort
	}
	r, n := utf8.DecodeRune(b)
	if n == 1 || !within(r, wideStart) && (first || !within(r, wideName)) {
		return 0, errName
	}
	return n, nil
}

// endTag reads an end tag and closes the innermost element, which it must name.
func (s *scanner) endTag() (event, error) {
	if len(s.frames) == 0 {
		return 0, s.bad("an end tag without a start tag")
	}
	want := s.names[s.frames[len(s.frames)-1].name:]
	if ok, err := s.need(2 + len(want) + 1); !ok {
		return 0, s.cut(err)
	}
	i := s.pos + 2 + len(want)
	if !bytes.Equal(s.buf[s.pos+2:i], want) {
		return 0, s.bad("the end tag of <%s> is missing or another one", want)
	}
	for s.buf[i] != '>' {
		if class[s.buf[i]]&spaceByte == 0 {
			return 0, s.bad("the end tag of <%s> is missing or another one", want)
		}
		if i++; i == s.end {
			i -= s.pos
			if err := s.more(); err != nil {
				return 0, err
			}
			i += s.pos
		}
	}
	s.pos = i + 1
	s.pop()
	return endElement, nil
}
