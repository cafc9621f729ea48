package xlsx

// sharedStrings holds the shared strings end to end in a few long strings, so that a million of
// them are a handful of objects to the garbage collector, and a cell's text is a slice of one.
type sharedStrings struct {
	part   string
	count  int
	starts [][]uint32 // chunk<<20 + offset of each string, startsPer at a time
	chunks []string   // each shorter than maxChunk; a string lies in one of them
}

const (
	startsPer  = 1 << 14
	chunkShift = 20
)

func (h *sharedStrings) start(i int) (chunk, offset int) {
	at := h.starts[i/startsPer][i%startsPer]
	return int(at >> chunkShift), int(at & (1<<chunkShift - 1))
}

// text gives a string; i is below count.
func (h *sharedStrings) text(i int) string {
	chunk, from := h.start(i)
	to := len(h.chunks[chunk])
	if i+1 < h.count {
		if next, end := h.start(i + 1); next == chunk {
			to = end
		}
	}
	return h.chunks[chunk][from:to]
}

// sharedBuilder fills a sharedStrings.
type sharedBuilder struct {
	to     *sharedStrings
	lim    Limits
	packed int64 // bytes of the part in the archive
	texts  texts
	total  int64
	chunk  []byte // the chunk that is being filled
	text   []byte // the string at hand
}

// shared reads the shared strings, if the workbook has any (ECMA-376 Part 1, 18.4.9).
func (o *opener) shared(rels relations) error {
	rel, ok, err := rels.only("sharedStrings")
	if err != nil || !ok || !o.zip.has(rel.target) {
		return err // a cell that needs them is refused
	}
	lim := o.book.lim
	o.book.shared.part = rel.target
	b := sharedBuilder{
		to: &o.book.shared, lim: lim,
		packed: o.zip.packed(rel.target),
		texts:  texts{chars: lim.CellChars},
	}
	return o.read(rel.target, b.table)
}

func (b *sharedBuilder) table(s *scanner) error {
	if err := s.root(spaceMain, "sst"); err != nil {
		return err
	}
	for {
		if text, ok := b.texts.quickItem(s); ok {
			if err := b.add(s.part, text); err != nil {
				return err
			}
			continue
		}
		ok, err := s.child()
		switch {
		case err != nil:
			return err
		case !ok:
			b.seal()
			return nil
		case s.is("si"):
			err = b.item(s)
		case s.space != spaceMain || s.is("extLst"):
			err = s.skip()
		default:
			err = s.refuse(CodeStructure, "an element <%s> among the shared strings", s.tag[1:s.name])
		}
		if err != nil {
			return err
		}
	}
}

// item reads one string.
func (b *sharedBuilder) item(s *scanner) (err error) {
	if b.text, err = b.texts.rich(s, b.text[:0]); err != nil {
		return err
	}
	return b.add(s.part, b.text)
}

// add takes in one string.
func (b *sharedBuilder) add(part string, text []byte) error {
	if b.to.count >= b.lim.SharedStrings {
		return exceeds(LimitShared, part, int64(b.lim.SharedStrings), "the workbook has too many shared strings")
	}
	b.total += int64(len(text))
	if err := b.bound(part); err != nil {
		return err
	}
	if len(b.chunk)+len(text) >= maxChunk {
		b.seal()
	}
	b.note(uint32(len(b.to.chunks)<<chunkShift + len(b.chunk)))
	b.chunk = append(b.chunk, text...)
	return nil
}

// bound keeps the text that stays in memory in proportion to the file.
func (b *sharedBuilder) bound(part string) error {
	allowed := min(b.lim.SharedBytes, max(sharedGrace, b.packed*b.lim.Ratio/sharedPerRatio))
	if b.total > allowed {
		return exceeds(LimitSharedText, part, allowed, "the shared strings are too long together")
	}
	return nil
}

func (b *sharedBuilder) note(start uint32) {
	h := b.to
	if h.count%startsPer == 0 {
		h.starts = append(h.starts, make([]uint32, 0, startsPer))
	}
	last := len(h.starts) - 1
	h.starts[last] = append(h.starts[last], start)
	h.count++
}

// seal ends the chunk.
func (b *sharedBuilder) seal() {
	b.to.chunks = append(b.to.chunks, string(b.chunk))
	b.chunk = b.chunk[:0]
}
