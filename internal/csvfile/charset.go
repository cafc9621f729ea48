package csvfile

import (
	"bytes"
	"encoding/binary"
	"slices"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
)

// charset decodes physical lines.
type charset interface {
	name() string
	// decode gives a line, line ending included, as UTF-8, and -1 or the index of the first byte that
	// is not in the encoding. The text may share raw's memory and lasts until the next call.
	decode(raw []byte) (text []byte, bad int)
	// size is the number of bytes that decoded text takes in the file.
	size(text []byte) int
}

// charsetOf gives the charset of a file that starts with head, and the length of its byte order mark.
// The mark beats the name: none of these bytes starts a file in another encoding that anybody has.
func charsetOf(label string, head []byte) (cs charset, mark int, err error) {
	switch {
	case bytes.HasPrefix(head, []byte("\xEF\xBB\xBF")):
		return utf8Charset{}, 3, nil
	case bytes.HasPrefix(head, []byte("\xFF\xFE\x00\x00")), bytes.HasPrefix(head, []byte("\x00\x00\xFE\xFF")):
		return nil, 0, refuseUTF32()
	case bytes.HasPrefix(head, []byte("\xFF\xFE")):
		return &utf16Charset{order: binary.LittleEndian}, 2, nil
	case bytes.HasPrefix(head, []byte("\xFE\xFF")):
		return &utf16Charset{order: binary.BigEndian}, 2, nil
	case label == "":
		return utf8Charset{}, 0, nil
	}
	cs, err = charsetNamed(label)
	return cs, 0, err
}

func charsetNamed(label string) (charset, error) {
	enc, err := htmlindex.Get(label)
	if err != nil {
		return nil, refuseEncodingName(label)
	}
	name, err := htmlindex.Name(enc)
	switch {
	// The last two decode nothing, and every byte to a private character.
	case err != nil, name == "replacement", name == "x-user-defined":
		return nil, refuseEncodingName(label)
	case name == "utf-8":
		return utf8Charset{}, nil
	case name == "utf-16le":
		return &utf16Charset{order: binary.LittleEndian}, nil
	case name == "utf-16be":
		return &utf16Charset{order: binary.BigEndian}, nil
	}
	return &legacyCharset{label: name, enc: enc, dec: enc.NewDecoder()}, nil
}

type utf8Charset struct{}

func (utf8Charset) name() string         { return "UTF-8" }
func (utf8Charset) size(text []byte) int { return len(text) }

func (utf8Charset) decode(raw []byte) ([]byte, int) {
	if utf8.Valid(raw) {
		return raw, -1
	}
	i := 0
	for i < len(raw) {
		r, n := utf8.DecodeRune(raw[i:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		i += n
	}
	return nil, i
}

type utf16Charset struct {
	order binary.ByteOrder
	buf   []byte
}

func (c *utf16Charset) name() string { return "UTF-16" }

func (c *utf16Charset) size(text []byte) int {
	n := 0
	for _, r := range string(text) {
		n += 2 * utf16.RuneLen(r)
	}
	return n
}

func (c *utf16Charset) decode(raw []byte) ([]byte, int) {
	c.buf = c.buf[:0]
	for i := 0; i < len(raw); {
		r, n := c.rune(raw[i:])
		if n == 0 {
			return nil, i
		}
		c.buf = utf8.AppendRune(c.buf, r)
		i += n
	}
	return c.buf, -1
}

// rune gives the first character of raw and its length, which is 0 for half a character.
func (c *utf16Charset) rune(raw []byte) (rune, int) {
	if len(raw) < 2 {
		return 0, 0
	}
	r := rune(c.order.Uint16(raw))
	if !utf16.IsSurrogate(r) {
		return r, 2
	}
	if len(raw) < 4 {
		return 0, 0
	}
	if r = utf16.DecodeRune(r, rune(c.order.Uint16(raw[2:]))); r == utf8.RuneError {
		return 0, 0
	}
	return r, 4
}

// legacyCharset is any other encoding. In all of them the byte 0x0A is the line feed and nothing else.
type legacyCharset struct {
	label string
	enc   encoding.Encoding
	dec   *encoding.Decoder
	buf   []byte
}

func (c *legacyCharset) name() string { return c.label }

// size encodes the text again; it is asked for errors only.
func (c *legacyCharset) size(text []byte) int {
	raw, err := c.enc.NewEncoder().Bytes(text)
	if err != nil {
		return utf8.RuneCount(text)
	}
	return len(raw)
}

func (c *legacyCharset) decode(raw []byte) ([]byte, int) {
	// No byte of these encodings becomes more than three bytes of UTF-8.
	c.buf = slices.Grow(c.buf[:0], 3*len(raw)+utf8.UTFMax)
	n, used, err := c.dec.Transform(c.buf[:cap(c.buf)], raw, true)
	text := c.buf[:n]
	if i := bytes.IndexFunc(text, undefined); i >= 0 {
		return nil, min(c.size(text[:i]), len(raw)-1)
	}
	if err != nil || used < len(raw) {
		return nil, min(used, len(raw)-1)
	}
	return text, -1
}

// undefined tells what a decoder gives for bytes that stand for nothing: U+FFFD, or, as the WHATWG
// tables of the Windows code pages have it, a C1 control character, which is in no text either.
func undefined(r rune) bool { return r == utf8.RuneError || 0x80 <= r && r <= 0x9F }
