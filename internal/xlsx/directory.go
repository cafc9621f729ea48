package xlsx

import (
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"net/url"
	"slices"
	"strings"
)

// The zip archive's own book-keeping is written twice, in its directory and before each entry.
// archive/zip reads both but compares little; here they must agree, so that a flipped bit in a name
// or a size cannot make a part disappear or another one be read in its place. What archive/zip does
// check (sizes and CRC-32 of what is inflated) is left to it. References: APPNOTE.TXT 4.3, 4.4, 4.5.3.

const (
	sigLocal      = "PK\x03\x04"
	sigDescriptor = "PK\x07\x08"
	sigCentral    = "PK\x01\x02"
	sigEnd        = "PK\x05\x06"
	sigEnd64      = "PK\x06\x06"
	sigLocator64  = "PK\x06\x07"

	lenLocal   = 30
	lenCentral = 46
	lenEnd     = 22
	lenEnd64   = 56
	lenLocator = 20

	flagEncrypted  = 1
	flagDescriptor = 8
)

// entry is one line of the archive's directory.
type entry struct {
	name   string
	flags  uint16
	method uint16
	crc    uint32
	packed uint64 // bytes in the archive
	size   uint64 // bytes inflated
	start  uint64 // of the local header
	end    uint64 // past the data and its descriptor
}

// directory is where the archive's list of entries is.
type directory struct {
	count, size, start uint64
}

// readDirectory reads the archive's directory and holds it against the entries' own headers.
func readDirectory(src io.ReaderAt, size int64, lim Limits) ([]entry, error) {
	dir, err := findDirectory(src, size)
	if err != nil {
		return nil, err
	}
	if dir.count > uint64(lim.Entries) {
		return nil, exceeds(LimitEntries, "", int64(lim.Entries), "the file holds too many parts")
	}
	if dir.size > maxDirectory {
		return nil, exceeds(LimitDirectory, "", maxDirectory, "the list of the file's parts is too long")
	}
	if dir.count > dir.size/lenCentral {
		return nil, refuse(CodeDamaged, "", "the list of the file's parts is shorter than it says")
	}
	raw := make([]byte, dir.size)
	if err := readAt(src, raw, dir.start); err != nil {
		return nil, err
	}
	entries := make([]entry, 0, dir.count)
	for range dir.count {
		e, rest, ok := parseCentral(raw)
		if !ok {
			return nil, refuse(CodeDamaged, "", "the list of the file's parts is damaged")
		}
		if err := e.checkLocal(src, dir.start); err != nil {
			return nil, err
		}
		entries, raw = append(entries, e), rest
	}
	if len(raw) != 0 {
		return nil, refuse(CodeDamaged, "", "the list of the file's parts is longer than it says")
	}
	return entries, checkApart(entries)
}

// findDirectory reads the end record, which must be the last thing in the file.
func findDirectory(src io.ReaderAt, size int64) (directory, error) {
	tail := make([]byte, min(size, lenEnd+1<<16))
	if err := readAt(src, tail, uint64(size)-uint64(len(tail))); err != nil {
		return directory{}, err
	}
	i := findEnd(tail)
	if i < 0 {
		return directory{}, noEnd(src, size)
	}
	rec := tail[i:]
	at := uint64(size) - uint64(len(rec))
	dir := directory{
		count: uint64(u16(rec[10:])),
		size:  uint64(u32(rec[12:])),
		start: uint64(u32(rec[16:])),
	}
	if u16(rec[4:]) != 0 && u16(rec[4:]) != 0xFFFF || u16(rec[6:]) != 0 && u16(rec[6:]) != 0xFFFF || u16(rec[8:]) != u16(rec[10:]) {
		return directory{}, refuse(CodeDamaged, "", "the file is one volume of a split archive, or damaged")
	}
	if dir.count == 0xFFFF || dir.size == 0xFFFFFFFF || dir.start == 0xFFFFFFFF {
		var err error
		if dir, at, err = findDirectory64(src, at, dir); err != nil {
			return directory{}, err
		}
	}
	if dir.size > at || dir.start != at-dir.size {
		return directory{}, refuse(CodeDamaged, "", "the list of the file's parts is not where it should be")
	}
	return dir, nil
}

// findEnd gives the place of the end record whose comment reaches exactly to the end, or -1.
func findEnd(tail []byte) int {
	for i := len(tail) - lenEnd; i >= 0; i-- {
		if string(tail[i:i+4]) == sigEnd && i+lenEnd+int(u16(tail[i+20:])) == len(tail) {
			return i
		}
	}
	return -1
}

// noEnd tells a workbook cut short from something that never was one.
func noEnd(src io.ReaderAt, size int64) error {
	head := make([]byte, min(size, 4))
	if err := readAt(src, head, 0); err != nil {
		return err
	}
	if string(head) == sigLocal {
		return refuse(CodeTruncated, "", "the file is cut short or has something after its end")
	}
	return refuse(CodeNotZip, "", "the file is not an Excel workbook (.xlsx)")
}

// findDirectory64 reads the zip64 end record; end is where the plain one starts.
func findDirectory64(src io.ReaderAt, end uint64, plain directory) (directory, uint64, error) {
	damaged := refuse(CodeDamaged, "", "the end of the archive is damaged")
	if end < lenLocator+lenEnd64 {
		return plain, end, damaged
	}
	loc := make([]byte, lenLocator)
	if err := readAt(src, loc, end-lenLocator); err != nil {
		return plain, end, err
	}
	if string(loc[:4]) != sigLocator64 {
		return plain, end, nil // a count of 65,535 and the like may be meant
	}
	at := u64(loc[8:])
	if at > end-lenLocator-lenEnd64 {
		return plain, end, damaged
	}
	rec := make([]byte, lenEnd64)
	if err := readAt(src, rec, at); err != nil {
		return plain, end, err
	}
	if string(rec[:4]) != sigEnd64 || at+12+u64(rec[4:]) != end-lenLocator || u64(rec[24:]) != u64(rec[32:]) {
		return plain, end, damaged
	}
	dir := directory{count: u64(rec[32:]), size: u64(rec[40:]), start: u64(rec[48:])}
	if !agree64(plain.count, 0xFFFF, dir.count) || !agree64(plain.size, 0xFFFFFFFF, dir.size) ||
		!agree64(plain.start, 0xFFFFFFFF, dir.start) {
		return plain, end, damaged
	}
	return dir, at, nil
}

func agree64(plain, unset, wide uint64) bool { return plain == unset || plain == wide }

// parseCentral takes one entry off the directory.
func parseCentral(raw []byte) (e entry, rest []byte, ok bool) {
	if len(raw) < lenCentral || string(raw[:4]) != sigCentral {
		return e, nil, false
	}
	n, x, c := int(u16(raw[28:])), int(u16(raw[30:])), int(u16(raw[32:]))
	if len(raw) < lenCentral+n+x+c {
		return e, nil, false
	}
	e = entry{
		name:   string(raw[lenCentral : lenCentral+n]),
		flags:  u16(raw[8:]),
		method: u16(raw[10:]),
		crc:    u32(raw[16:]),
		packed: uint64(u32(raw[20:])),
		size:   uint64(u32(raw[24:])),
		start:  uint64(u32(raw[42:])),
	}
	ok = widen(raw[lenCentral+n:lenCentral+n+x], &e.size, &e.packed, &e.start)
	return e, raw[lenCentral+n+x+c:], ok
}

// widen replaces the fields that are all ones by those of the zip64 extra field, in its order.
func widen(extra []byte, fields ...*uint64) bool {
	var wide []byte
	for len(extra) >= 4 {
		id, n := u16(extra), int(u16(extra[2:]))
		if len(extra) < 4+n {
			return false
		}
		if id == 1 {
			wide = extra[4 : 4+n]
		}
		extra = extra[4+n:]
	}
	for _, f := range fields {
		if *f != 0xFFFFFFFF {
			continue
		}
		if len(wide) < 8 {
			return false
		}
		*f, wide = u64(wide), wide[8:]
	}
	return true
}

// checkLocal holds the entry against the header before its data, and finds where it ends. limit is
// where the directory starts.
func (e *entry) checkLocal(src io.ReaderAt, limit uint64) error {
	lying := refuse(CodeDamaged, e.name, "the part's own header and the list of parts differ")
	if e.start > limit || limit-e.start < lenLocal+uint64(len(e.name)) {
		return lying
	}
	head := make([]byte, lenLocal+len(e.name))
	if err := readAt(src, head, e.start); err != nil {
		return err
	}
	n, x := uint64(u16(head[26:])), uint64(u16(head[28:]))
	if string(head[:4]) != sigLocal || n != uint64(len(e.name)) || string(head[lenLocal:]) != e.name {
		return lying
	}
	data := e.start + lenLocal + n + x
	if data > limit || limit-data < e.packed {
		return lying
	}
	extra := make([]byte, x)
	if err := readAt(src, extra, data-x); err != nil {
		return err
	}
	if !e.sameAs(head, extra) {
		return lying
	}
	return e.checkDescriptor(src, data+e.packed, limit)
}

// sameAs compares the local header with the entry. With a descriptor the header may leave out what
// was not known when it was written.
func (e *entry) sameAs(head, extra []byte) bool {
	flags, crc := u16(head[6:]), u32(head[14:])
	packed, size := uint64(u32(head[18:])), uint64(u32(head[22:]))
	if u16(head[8:]) != e.method || (flags^e.flags)&(flagDescriptor|flagEncrypted) != 0 {
		return false
	}
	later := e.flags&flagDescriptor != 0
	if !widen(extra, &size, &packed) && !later {
		return false
	}
	if later && crc == 0 && (packed == 0 || packed == 0xFFFFFFFF) && (size == 0 || size == 0xFFFFFFFF) {
		return true
	}
	return crc == e.crc && packed == e.packed && size == e.size
}

// checkDescriptor reads what follows the data where the flags say so: with or without its
// signature, with sizes of four or eight bytes.
func (e *entry) checkDescriptor(src io.ReaderAt, at, limit uint64) error {
	e.end = at
	if e.flags&flagDescriptor == 0 {
		return nil
	}
	raw := make([]byte, min(24, limit-at))
	if err := readAt(src, raw, at); err != nil {
		return err
	}
	narrow, wide := make([]byte, 0, 16), make([]byte, 0, 24)
	narrow = binary.LittleEndian.AppendUint32(append(narrow, sigDescriptor...), e.crc)
	wide = append(wide, narrow...)
	narrow = binary.LittleEndian.AppendUint32(narrow, uint32(e.packed))
	narrow = binary.LittleEndian.AppendUint32(narrow, uint32(e.size))
	wide = binary.LittleEndian.AppendUint64(wide, e.packed)
	wide = binary.LittleEndian.AppendUint64(wide, e.size)
	for _, form := range [][]byte{wide, narrow, wide[4:], narrow[4:]} {
		if bytes.HasPrefix(raw, form) {
			e.end += uint64(len(form))
			return nil
		}
	}
	return refuse(CodeDamaged, e.name, "the record after the part's data does not fit it")
}

// checkApart makes sure that no two entries share bytes or a name.
func checkApart(entries []entry) error {
	byStart := slices.Clone(entries)
	slices.SortFunc(byStart, func(a, b entry) int { return cmp.Compare(a.start, b.start) })
	if len(entries) > 0 && byStart[0].start != 0 {
		return refuse(CodeDamaged, "", "something stands before the first part")
	}
	seen := make(map[string]bool, len(entries))
	for i, e := range byStart {
		if i > 0 && byStart[i-1].end > e.start {
			return refuse(CodeDamaged, e.name, "two parts share the same bytes")
		}
		key := partKey(e.name)
		if seen[key] {
			return refuse(CodeDuplicate, e.name, "the file holds two parts of this name")
		}
		seen[key] = true
	}
	return nil
}

// partKey is the form in which part names are compared: ECMA-376 Part 2, 6.2.2 makes case equal,
// and some programs write backslashes, a leading slash, or percent escapes in one place only.
func partKey(name string) string {
	if plain, err := url.PathUnescape(name); err == nil {
		name = plain
	}
	return strings.ToLower(strings.TrimLeft(strings.ReplaceAll(name, `\`, "/"), "/"))
}

// agrees tells whether archive/zip read the same directory.
func agrees(zr *zip.Reader, entries []entry) bool {
	return slices.EqualFunc(zr.File, entries, func(f *zip.File, e entry) bool {
		return f.Name == e.name && f.Method == e.method && f.Flags == e.flags && f.CRC32 == e.crc &&
			f.CompressedSize64 == e.packed && f.UncompressedSize64 == e.size
	})
}

// readAt fills buf; an end of file is damage, other errors are the reader's own.
func readAt(src io.ReaderAt, buf []byte, at uint64) error {
	n, err := src.ReadAt(buf, int64(at))
	if n == len(buf) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return refuse(CodeTruncated, "", "the file is cut short")
	}
	return err
}

func u16(b []byte) uint16 { return binary.LittleEndian.Uint16(b) }
func u32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
func u64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
