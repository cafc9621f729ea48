package sniff

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"unicode/utf16"
)

// An OLE2 file is a small file system: sectors chained by a table (the FAT), a directory that is one
// such chain, and in it a tree of streams. Which streams lie at the root tells what the file is. Only
// that much is read, and a file in which even that is damaged is named as far as it goes.

const (
	oleMagic      = "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"
	oleHeader     = 512
	oleEntry      = 128
	oleMaxSectors = 256 // of the directory
	oleMaxTables  = 16  // sectors that list the FAT's sectors: enough for 100 MB
	oleNone       = 0xFFFFFFFA
)

func isOLE(head []byte) bool { return bytes.HasPrefix(head, []byte(oleMagic)) }

// oleStreams are names at the root of a file, in lower case, the surest first.
var oleStreams = []struct {
	name string
	kind kind
}{
	{"encryptedpackage", encrypted},
	{"workbook", xls},
	{"book", xls},
	{"worddocument", doc},
	{"powerpoint document", ppt},
	{"__properties_version1.0", msg},
}

func oleKind(r io.ReaderAt, size int64) kind {
	f := openOLE(r, size)
	if f == nil {
		return ole
	}
	dir := f.directory()
	root := dir.root()
	if k := streamsKind(root); k.code != "" {
		return k
	}
	return orElse(streamsKind(dir.names()), ole) // the tree is damaged
}

func orElse(k, other kind) kind {
	if k.code == "" {
		return other
	}
	return k
}

func streamsKind(names []string) kind {
	for _, s := range oleStreams {
		for _, name := range names {
			if name == s.name {
				return s.kind
			}
		}
	}
	return kind{}
}

type oleFile struct {
	r      io.ReaderAt
	size   int64
	sector int64    // bytes
	tables []uint32 // the sectors of the FAT
	first  uint32   // sector of the directory
}

func openOLE(r io.ReaderAt, size int64) *oleFile {
	var h [oleHeader]byte
	if n, _ := r.ReadAt(h[:], 0); n < len(h) {
		return nil
	}
	shift := binary.LittleEndian.Uint16(h[30:])
	if shift != 9 && shift != 12 {
		return nil
	}
	f := &oleFile{r: r, size: size, sector: 1 << shift, first: binary.LittleEndian.Uint32(h[48:])}
	f.addTables(h[76:])
	next := binary.LittleEndian.Uint32(h[68:])
	for range oleMaxTables {
		s := f.read(next)
		if s == nil {
			break
		}
		last := len(s) - 4
		f.addTables(s[:last])
		next = binary.LittleEndian.Uint32(s[last:])
	}
	return f
}

func (f *oleFile) addTables(list []byte) {
	for ; len(list) >= 4; list = list[4:] {
		f.tables = append(f.tables, binary.LittleEndian.Uint32(list))
	}
}

// read gives a sector, or nil if the file has none of that number.
func (f *oleFile) read(number uint32) []byte {
	at := (int64(number) + 1) * f.sector
	if number >= oleNone || at+f.sector > f.size {
		return nil
	}
	s := make([]byte, f.sector)
	if n, _ := f.r.ReadAt(s, at); n < len(s) {
		return nil
	}
	return s
}

// next gives the sector after one in its chain.
func (f *oleFile) next(number uint32) uint32 {
	per := uint32(f.sector / 4)
	if int64(number/per) >= int64(len(f.tables)) {
		return oleNone
	}
	table := f.read(f.tables[number/per])
	if table == nil {
		return oleNone
	}
	return binary.LittleEndian.Uint32(table[4*(number%per):])
}

func (f *oleFile) directory() oleDirectory {
	var d oleDirectory
	number := f.first
	for range oleMaxSectors {
		s := f.read(number)
		if s == nil {
			break
		}
		d = append(d, s...)
		number = f.next(number)
	}
	return d
}

// oleDirectory is entries of 128 bytes, the first of which is the root.
type oleDirectory []byte

func (d oleDirectory) entry(i uint32) []byte {
	if int64(i) >= int64(len(d)/oleEntry) {
		return nil
	}
	return d[int(i)*oleEntry:][:oleEntry]
}

// name gives an entry's name in lower case.
func (d oleDirectory) name(entry []byte) string {
	n := min(int(binary.LittleEndian.Uint16(entry[64:])), 64)
	var units []uint16
	for i := 0; i+2 < n; i += 2 { // the last one is a NUL
		units = append(units, binary.LittleEndian.Uint16(entry[i:]))
	}
	return strings.ToLower(string(utf16.Decode(units)))
}

// names gives all entries, wherever they lie.
func (d oleDirectory) names() []string {
	var names []string
	for i := uint32(0); d.entry(i) != nil; i++ {
		names = append(names, d.name(d.entry(i)))
	}
	return names
}

// root gives the entries at the root: the tree of siblings under the root's child.
func (d oleDirectory) root() []string {
	root := d.entry(0)
	if root == nil {
		return nil
	}
	var names []string
	seen := map[uint32]bool{}
	todo := []uint32{binary.LittleEndian.Uint32(root[76:])}
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		entry := d.entry(i)
		if entry == nil || seen[i] {
			continue
		}
		seen[i] = true
		names = append(names, d.name(entry))
		todo = append(todo, binary.LittleEndian.Uint32(entry[68:]), binary.LittleEndian.Uint32(entry[72:]))
	}
	return names
}
