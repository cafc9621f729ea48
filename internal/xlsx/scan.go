package xlsx

import (
	"bytes"
	"io"
	"unicode/utf8"

	"github.com/usersync-go/usersync/internal/table"
)

// The scanner reads XML 1.0 (fifth edition) with namespaces as a stream of events. It accepts
// nothing that is not well-formed: what a careless reader takes for the end of the data is, here, an
// error. Only a window of the part is in memory, so that every slice it hands out is valid only
// until the next call. It differs from a general parser in four ways: a DOCTYPE is refused,
// nesting, tags and namespace declarations are bound, text comes in pieces, and mc:AlternateContent
// is resolved (see compat.go), so that callers never see it.

// event is what next has met.
type event uint8

const (
	startElement event = iota + 1 // space, local and attrs say which
	endElement                    // of the innermost element still open
	charData                      // text is a piece of character data
	endDocument                   // after the root element, at the end of the part
)

const window = 128 << 10

type scanner struct {
	src   io.Reader
	part  string
	depth int // bounds
	tagsz int

	buf      []byte
	pos, end int   // buf[pos:end] is not read yet
	base     int64 // where buf starts in the part
	eof      bool

	tag   []byte // the start tag last met
	name  int    // where its name ends
	local int    // where the local part of the name starts
	attrs []attr // its attributes
	index attrIndex
	space space  // namespace of the element last opened or closed
	pairs []pair // expanded names of attrs
	text  []byte // of charData
	rune4 [utf8.UTFMax]byte

	frames []frame
	names  []byte // of the open elements, end to end
	binds  []binding
	plain  space // of names without a prefix
	empty  bool  // the start tag was also the end tag
	rooted bool  // the root element was met
	cdata  bool
}

// frame is an open element.
type frame struct {
	name  int // where its name starts in names
	binds int // bindings in scope outside of it
	space space
	taken bool // of mc:AlternateContent: a branch was taken
}

// newScanner reads up to the XML declaration. size is that of the part; a small one is read into a
// small window.
func newScanner(src io.Reader, part string, size uint64, lim Limits) (*scanner, error) {
	s := &scanner{src: src, part: part, depth: lim.Depth, tagsz: lim.TagBytes}
	s.buf = make([]byte, min(size+utf8.UTFMax, uint64(s.window())))
	return s, s.prolog()
}

func (s *scanner) window() int { return max(window, 2*s.tagsz) }

func (s *scanner) bad(format string, args ...any) *table.Refusal {
	return s.refuse(CodeXML, format, args...)
}

// refuse adds the place within the part.
func (s *scanner) refuse(code, format string, args ...any) *table.Refusal {
	r := refuse(code, s.part, format, args...)
	r.Detail += " (byte " + decimal(s.base+int64(s.pos)) + " of its XML)"
	return r
}

func (s *scanner) truncated() error {
	return s.refuse(CodeTruncated, "the part ends before its last closing tag")
}

// fill gets more bytes behind buf[pos:end]; false means that there are none.
func (s *scanner) fill() (bool, error) {
	if s.eof {
		return false, nil
	}
	if s.pos > 0 {
		copy(s.buf, s.buf[s.pos:s.end])
		s.base += int64(s.pos)
		s.end -= s.pos
		s.pos = 0
	}
	for tries := 0; tries < 100; tries++ {
		n, err := s.src.Read(s.buf[s.end:])
		s.end += n
		switch {
		case err == io.EOF:
			s.eof = true
			return n > 0, nil
		case err != nil:
			return false, err
		case n > 0:
			return true, nil
		}
	}
	return false, io.ErrNoProgress
}

// need makes sure that n bytes are there to look at.
func (s *scanner) need(n int) (bool, error) {
	for s.end-s.pos < n {
		if more, err := s.fill(); !more {
			return false, err
		}
	}
	return true, nil
}

// next gives the next event.
func (s *scanner) next() (event, error) {
	for {
		ev, err := s.raw()
		if s.space != spaceCompat || err != nil || ev == charData {
			return ev, err
		}
		if ev == startElement {
			err = s.compat()
		}
		if err != nil || ev == endDocument {
			return ev, err
		}
	}
}

// raw gives the next event, of mc:AlternateContent too.
func (s *scanner) raw() (event, error) {
	if s.empty {
		s.empty = false
		s.pop()
		return endElement, nil
	}
	for {
		if ok, err := s.need(1); err != nil {
			return 0, err
		} else if !ok {
			return s.finish()
		}
		if ev, err := s.step(); ev != 0 || err != nil {
			return ev, err
		}
	}
}

// step reads on from pos, to an event or to nothing that is one.
func (s *scanner) step() (event, error) {
	if !s.cdata && s.buf[s.pos] == '<' {
		return s.markup()
	}
	if some, err := s.piece(); !some {
		return 0, err
	}
	return charData, nil
}

// finish is for the end of the part: the root must have been closed.
func (s *scanner) finish() (event, error) {
	switch {
	case len(s.frames) > 0:
		return 0, s.truncated()
	case !s.rooted:
		return 0, s.refuse(CodeTruncated, "the part holds no XML element")
	}
	return endDocument, nil
}

// markup reads what starts with "<". Comments and processing instructions give no event.
func (s *scanner) markup() (event, error) {
	if ok, err := s.need(2); !ok {
		return 0, s.cut(err)
	}
	switch s.buf[s.pos+1] {
	case '/':
		return s.endTag()
	case '?':
		return 0, s.instruction()
	case '!':
		return 0, s.declaration()
	}
	return s.startTag()
}

// cut is the error where bytes were needed and none came.
func (s *scanner) cut(err error) error {
	if err != nil {
		return err
	}
	return s.truncated()
}

var (
	openComment = []byte("<!--")
	openCDATA   = []byte("<![CDATA[")
	openDoctype = []byte("<!DOCTYPE")
)

// declaration reads a comment, or enters a CDATA section.
func (s *scanner) declaration() error {
	if ok, err := s.need(len(openCDATA)); err != nil {
		return err
	} else if !ok && s.end-s.pos < len(openComment) {
		return s.truncated()
	}
	head := s.buf[s.pos:s.end]
	switch {
	case bytes.HasPrefix(head, openComment):
		s.pos += len(openComment)
		return s.comment()
	case bytes.HasPrefix(head, openCDATA) && len(s.frames) > 0:
		s.pos += len(openCDATA)
		s.cdata = true
		return nil
	case bytes.HasPrefix(head, openDoctype):
		return s.refuse(CodeDoctype, "the part has a document type declaration, which no workbook has")
	}
	return s.bad("a tag starts with \"<!\"")
}

// comment reads to "-->"; "--" is not allowed before.
func (s *scanner) comment() error {
	for {
		if err := s.upTo('-'); err != nil {
			return err
		}
		if ok, err := s.need(3); !ok {
			return s.cut(err)
		}
		switch rest := s.buf[s.pos:]; {
		case rest[1] != '-':
			s.pos++
		case rest[2] != '>':
			return s.bad("a comment holds \"--\"")
		default:
			s.pos += 3
			return nil
		}
	}
}

// instruction reads a processing instruction. The XML declaration was read by prolog.
func (s *scanner) instruction() error {
	s.pos += 2
	start, err := s.target()
	if err != nil {
		return err
	}
	if bytes.EqualFold(start, []byte("xml")) {
		return s.bad("an XML declaration that is not at the start")
	}
	s.pos += len(start)
	if ok, err := s.need(2); !ok {
		return s.cut(err)
	}
	if c := s.buf[s.pos]; !isSpace(c) && string(s.buf[s.pos:s.pos+2]) != "?>" {
		return s.bad("a processing instruction without white space after its name")
	}
	for {
		if err := s.upTo('?'); err != nil {
			return err
		}
		if ok, err := s.need(2); !ok {
			return s.cut(err)
		}
		s.pos++
		if s.buf[s.pos] == '>' {
			s.pos++
			return nil
		}
	}
}

// target looks at the name of a processing instruction.
func (s *scanner) target() ([]byte, error) {
	for {
		end, colon, err := scanName(s.buf[:s.end], s.pos)
		if err == nil && colon < 0 {
			return s.buf[s.pos:end], nil
		}
		if err != errShort {
			return nil, s.bad("a processing instruction without a proper name")
		}
		if err := s.more(); err != nil {
			return nil, err
		}
	}
}

// upTo skips legal characters up to stop.
func (s *scanner) upTo(stop byte) error {
	for {
		for s.pos < s.end && s.buf[s.pos] != stop {
			n, err := s.char()
			if err != nil {
				return err
			}
			if n == 0 {
				break
			}
			s.pos += n
		}
		if s.pos < s.end && s.buf[s.pos] == stop {
			return nil
		}
		if more, err := s.fill(); !more {
			return s.cut(err)
		}
	}
}

// char gives the length of the legal character at pos, 0 if it is not all there yet.
func (s *scanner) char() (int, error) {
	b := s.buf[s.pos:s.end]
	if b[0] < utf8.RuneSelf {
		if b[0] < ' ' && !isSpace(b[0]) {
			return 0, s.badChar()
		}
		return 1, nil
	}
	n := wide(b)
	if n < 0 && !s.eof && !utf8.FullRune(b) {
		return 0, nil
	}
	if n < 0 {
		return 0, s.badChar()
	}
	return n, nil
}

func (s *scanner) badChar() error {
	c := s.buf[s.pos]
	if c < utf8.RuneSelf {
		return s.bad("the character %#02x is not allowed in XML", c)
	}
	return s.bad("a byte (%#02x) that is not UTF-8, or a character not allowed in XML", c)
}

// more gets further bytes of the tag at pos, which must stay within the bound.
func (s *scanner) more() error {
	if s.end-s.pos > s.tagsz {
		return s.longTag()
	}
	if more, err := s.fill(); !more {
		return s.cut(err)
	}
	return nil
}

func (s *scanner) longTag() error {
	return exceeds(LimitTag, s.part, int64(s.tagsz), "an XML tag of the file is too long")
}
