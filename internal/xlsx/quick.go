package xlsx

import (
	"bytes"
	"unicode/utf8"
)

// Nearly all cells of a workbook are spelled alike, down to the order of their attributes. The quick
// readers recognise just those spellings, whole and within the window:
//
//	<c r="C7" s="1" t="s"><v>5</v></c>
//	<c r="C7" t="inlineStr"><is><t xml:space="preserve">text</t></is></c>
//	<c r="C7" s="1"/>
//	<si><t>text</t></si>
//
// They take in what the general reader would, or leave everything as it was and let that one read
// it. Nothing is refused here, so that there is one place that says what is wrong.

var (
	quickOpen     = []byte(`<c r="`)
	quickStyle    = []byte(` s="`)
	quickType     = []byte(` t="`)
	quickValue    = []byte(`<v>`)
	quickValueEnd = []byte(`</v></c>`)
	quickBlank    = []byte(`/>`)
	quickText     = []byte(`<is><t>`)
	quickKept     = []byte(`<is><t xml:space="preserve">`)
	quickTextEnd  = []byte(`</t></is></c>`)
	quickItem     = []byte(`<si><t>`)
	quickItemKept = []byte(`<si><t xml:space="preserve">`)
	quickItemEnd  = []byte(`</t></si>`)
)

// quickly tells whether elements without a prefix are the workbook's, and may nest n deeper.
func (s *scanner) quickly(n int) bool {
	return s.plain == spaceMain && !s.empty && !s.cdata && len(s.frames)+n <= s.depth
}

// quickCell reads the cell at hand, if it is spelled as most are.
func (r *sheetReader) quickCell() bool {
	if !r.s.quickly(3) {
		return false
	}
	b := r.s.buf[r.s.pos:r.s.end]
	if !bytes.HasPrefix(b, quickOpen) {
		return false
	}
	i := len(quickOpen)
	end := quote(b, i)
	col, row, ok := parseReference(b[i:end])
	if !ok || row != r.row.Number || col <= r.col {
		return false
	}
	cell := rawCell{}
	if i, ok = cell.quickAttrs(b, end+1); !ok {
		return false
	}
	value, n := r.quickContent(b, i, &cell)
	if n < 0 {
		return false
	}
	r.col, r.cell, r.value = col, cell, append(r.value[:0], value...)
	r.s.pos += n
	return true
}

// quote gives the place of the next quotation mark, at most a few bytes away, or i.
func quote(b []byte, i int) int {
	const far = 12
	for j := i; j < len(b) && j < i+far; j++ {
		if b[j] == '"' {
			return j
		}
	}
	return i
}

// quickAttrs reads the attributes s and t, if they come in this order, and gives the place behind.
func (c *rawCell) quickAttrs(b []byte, i int) (int, bool) {
	ok := true
	if bytes.HasPrefix(b[i:], quickStyle) {
		i += len(quickStyle)
		end := quote(b, i)
		if c.style, ok = parseIndex(b[i:end]); !ok {
			return i, false
		}
		i = end + 1
	}
	if bytes.HasPrefix(b[i:], quickType) {
		i += len(quickType)
		end := quote(b, i)
		if c.kind = cellTypeOf(b[i:end]); c.kind == typeUnknown {
			return i, false
		}
		i = end + 1
	}
	return i, true
}

// quickContent reads what follows the attributes: nothing, a value or a text. n is the length of the
// whole cell, or -1.
func (r *sheetReader) quickContent(b []byte, i int, cell *rawCell) (value []byte, n int) {
	rest := b[i:]
	if bytes.HasPrefix(rest, quickBlank) {
		return nil, i + len(quickBlank)
	}
	if len(rest) == 0 || rest[0] != '>' {
		return nil, -1
	}
	rest = rest[1:]
	i++
	if cell.kind == typeInline {
		cell.inline = true
		value, n = r.texts.quick(rest, quickText, quickKept, quickTextEnd)
	} else {
		cell.valued = true
		value, n = r.texts.quick(rest, quickValue, nil, quickValueEnd)
	}
	if n < 0 {
		return nil, -1
	}
	if cell.kind != typeInline && cell.kind != typeFormula {
		value = trimXML(value)
	}
	return value, i + n
}

// quick reads a text between one of two openings and its closing, if it stands for itself and is
// short enough not to be counted. n is the length of it all, or -1.
func (t *texts) quick(b, opening, other, closing []byte) (text []byte, n int) {
	i := len(opening)
	if !bytes.HasPrefix(b, opening) {
		if other == nil || !bytes.HasPrefix(b, other) {
			return nil, -1
		}
		i = len(other)
	}
	from := i
	for i < len(b) && b[i] != '<' {
		switch c := b[i]; {
		case c == '_' && i+1 < len(b) && b[i+1] == 'x': // may be an escape
			return nil, -1
		case class[c]&textByte != 0:
			i++
		case c < utf8.RuneSelf:
			return nil, -1
		default:
			size := wide(b[i:])
			if size < 0 {
				return nil, -1
			}
			i += size
		}
	}
	if i-from > t.chars || !bytes.HasPrefix(b[i:], closing) {
		return nil, -1
	}
	return b[from:i], i + len(closing)
}

// quickItem reads the shared string at hand, if it is spelled as most are.
func (t *texts) quickItem(s *scanner) ([]byte, bool) {
	if !s.quickly(2) {
		return nil, false
	}
	text, n := t.quick(s.buf[s.pos:s.end], quickItem, quickItemKept, quickItemEnd)
	if n < 0 {
		return nil, false
	}
	s.pos += n
	return text, true
}
