package xlsx

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// prolog finds the part's encoding and reads the XML declaration. UTF-8 and UTF-16 are what every
// XML reader must know (XML 1.0, 4.3.3); ASCII is UTF-8. Nothing else is guessed at.
func (s *scanner) prolog() error {
	if _, err := s.need(4); err != nil {
		return err
	}
	head := s.buf[s.pos:s.end]
	wide := false
	switch {
	case bytes.HasPrefix(head, []byte("\xEF\xBB\xBF")):
		s.pos += 3
	case bytes.HasPrefix(head, []byte("\x00\x00")), bytes.HasPrefix(head, []byte("\xFF\xFE\x00\x00")):
		return s.refuse(CodeEncoding, "the part is in UTF-32, which is not read")
	case bytes.HasPrefix(head, []byte("\xFF\xFE")), bytes.HasPrefix(head, []byte("\xFE\xFF")):
		wide = true
		s.transcode(head[0] == 0xFE, 2)
	case bytes.HasPrefix(head, []byte("<\x00")), bytes.HasPrefix(head, []byte("\x00<")):
		wide = true
		s.transcode(head[0] == 0, 0)
	}
	if _, err := s.need(6); err != nil {
		return err
	}
	if head = s.buf[s.pos:s.end]; !bytes.HasPrefix(head, []byte("<?xml")) || len(head) > 5 && !isSpace(head[5]) {
		return nil
	}
	return s.declared(wide)
}

// transcode starts over with the bytes after the mark turned from UTF-16 into UTF-8.
func (s *scanner) transcode(bigEndian bool, mark int) {
	seen := bytes.Clone(s.buf[s.pos+mark : s.end])
	s.src = &utf16Reader{src: io.MultiReader(bytes.NewReader(seen), s.src), big: bigEndian, part: s.part}
	s.pos, s.end, s.eof = 0, 0, false
	s.buf = make([]byte, s.window()) // the part may grow
}

// declared reads the XML declaration as if it were a tag (productions 23 to 32 and 80).
func (s *scanner) declared(wide bool) error {
	end := 0
	for {
		if end = bytes.Index(s.buf[s.pos:s.end], []byte("?>")); end >= 0 {
			break
		}
		if err := s.more(); err != nil {
			return err
		}
	}
	tag := "<xml" + string(s.buf[s.pos+5:s.pos+end]) + "/>"
	n, err := s.parseTag([]byte(tag))
	if err != nil || n != len(tag) {
		return s.bad("the XML declaration is malformed")
	}
	s.pos += end + 2
	s.empty = false
	return s.checkDeclared(tag, wide)
}

// checkDeclared checks the three things a declaration says, which come in this order.
func (s *scanner) checkDeclared(tag string, wide bool) error {
	order := []string{"version", "encoding", "standalone"}
	for i, a := range s.attrs {
		for len(order) > 0 && order[0] != tag[a.name:a.end] {
			order = order[1:]
		}
		if len(order) == 0 || i == 0 && order[0] != "version" {
			return s.bad("the XML declaration is malformed")
		}
		value := tag[a.from:a.to]
		switch order[0] {
		case "version":
			if value != "1.0" {
				return s.bad("XML of version %q, which is not read", value)
			}
		case "encoding":
			if !readable(value, wide) {
				return s.refuse(CodeEncoding, "the part says that it is in %q, which is not read or not so", value)
			}
		case "standalone":
			if value != "yes" && value != "no" {
				return s.bad("the XML declaration is malformed")
			}
		}
		order = order[1:]
	}
	if len(s.attrs) == 0 {
		return s.bad("the XML declaration is malformed")
	}
	return nil
}

// readable tells whether a part of one or two bytes a unit can be in this encoding.
func readable(name string, wide bool) bool {
	switch strings.ToLower(name) {
	case "utf-8", "utf8", "us-ascii", "ascii":
		return !wide
	case "utf-16", "utf-16le", "utf-16be", "utf16":
		return wide
	}
	return false
}

// utf16Reader turns UTF-16 into UTF-8. A lone surrogate or a last odd byte is an error.
type utf16Reader struct {
	src  io.Reader
	big  bool
	part string
	raw  [4096]byte
	have int    // bytes of raw not decoded yet
	buf  []byte // what they became
	out  []byte // what of that is not read yet
	err  error
}

func (u *utf16Reader) Read(b []byte) (int, error) {
	for len(u.out) == 0 {
		if u.err != nil {
			return 0, u.err
		}
		var n int
		n, u.err = u.src.Read(u.raw[u.have:])
		u.have += n
		u.decode()
		if u.err == io.EOF && u.have > 0 {
			u.err = refuse(CodeEncoding, u.part, "the part ends within a character")
		}
	}
	n := copy(b, u.out)
	u.out = u.out[n:]
	return n, nil
}

// decode turns the units that are complete into out.
func (u *utf16Reader) decode() {
	u.buf = u.buf[:0]
	i := 0
	for ; i+2 <= u.have; i += 2 {
		r := rune(u.unit(i))
		if utf16.IsSurrogate(r) {
			if i+4 > u.have {
				break
			}
			if r = utf16.DecodeRune(r, rune(u.unit(i+2))); r == utf8.RuneError {
				u.err = refuse(CodeEncoding, u.part, "the part holds half a character")
				break
			}
			i += 2
		}
		u.buf = utf8.AppendRune(u.buf, r)
	}
	u.have = copy(u.raw[:], u.raw[i:u.have])
	u.out = u.buf
}

func (u *utf16Reader) unit(i int) uint16 {
	if u.big {
		return uint16(u.raw[i])<<8 | uint16(u.raw[i+1])
	}
	return uint16(u.raw[i+1])<<8 | uint16(u.raw[i])
}
