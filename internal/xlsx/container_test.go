package xlsx

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// rawEntry is one entry of an archive that may lie.
type rawEntry struct {
	name, localName string
	body            string
	method          uint16
	flags           uint16
	crc             *uint32 // nil for the true one
	size            *uint32 // in both headers, nil for the true one
	localSize       *uint32
	descriptor      string // "", "narrow", "narrow bare", "wide", "wide bare", or its bytes
	zip64           bool   // sizes in extra fields, in both headers
	local64         bool   // sizes in an extra field of the local header alone
	at              *uint32
}

// rawZip writes the entries, all stored. end64 gives the archive a zip64 end record.
func rawZip(entries []rawEntry, end64 bool) []byte {
	le := binary.LittleEndian
	var out, dir []byte
	for _, e := range entries {
		crc, size := crc32.ChecksumIEEE([]byte(e.body)), uint32(len(e.body))
		if e.crc != nil {
			crc = *e.crc
		}
		if e.size != nil {
			size = *e.size
		}
		localSize, localCRC, localName, flags := size, crc, e.name, e.flags
		if e.localSize != nil {
			localSize = *e.localSize
		}
		if e.localName != "" {
			localName = e.localName
		}
		if e.descriptor != "" {
			flags |= flagDescriptor
			localSize, localCRC = 0, 0
		}
		var extra, localExtra []byte
		wide := le.AppendUint64(le.AppendUint64(le.AppendUint16(le.AppendUint16(nil, 1), 16), uint64(size)), uint64(size))
		dirSize := size
		if e.zip64 {
			extra, dirSize = wide, 0xFFFFFFFF
		}
		if e.zip64 || e.local64 {
			localExtra, localSize = wide, 0xFFFFFFFF
		}
		start := uint32(len(out))
		if e.at != nil {
			start = *e.at
		}
		out = append(out, sigLocal...)
		out = le.AppendUint16(le.AppendUint16(le.AppendUint16(out, 20), flags), e.method)
		out = le.AppendUint32(le.AppendUint32(le.AppendUint32(le.AppendUint32(out, 0), localCRC), localSize), localSize)
		out = le.AppendUint16(le.AppendUint16(out, uint16(len(localName))), uint16(len(localExtra)))
		out = append(append(append(out, localName...), localExtra...), e.body...)
		out = append(out, descriptorOf(e.descriptor, crc, size)...)

		dir = append(dir, sigCentral...)
		dir = le.AppendUint16(le.AppendUint16(le.AppendUint16(le.AppendUint16(dir, 20), 20), flags), e.method)
		dir = le.AppendUint32(le.AppendUint32(le.AppendUint32(le.AppendUint32(dir, 0), crc), dirSize), dirSize)
		dir = le.AppendUint16(le.AppendUint16(dir, uint16(len(e.name))), uint16(len(extra)))
		dir = append(dir, make([]byte, 10)...)
		dir = append(append(le.AppendUint32(dir, start), e.name...), extra...)
	}
	start, count := len(out), len(entries)
	out = append(out, dir...)
	if end64 {
		out = appendEnd64(out, count, len(dir), start)
	}
	out = append(append(out, sigEnd...), 0, 0, 0, 0)
	if end64 {
		return append(out, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x00\x00"...)
	}
	out = le.AppendUint16(le.AppendUint16(out, uint16(count)), uint16(count))
	return le.AppendUint16(le.AppendUint32(le.AppendUint32(out, uint32(len(dir))), uint32(start)), 0)
}

func appendEnd64(out []byte, count, size, start int) []byte {
	le := binary.LittleEndian
	at := len(out)
	out = le.AppendUint64(append(out, sigEnd64...), 44)
	out = le.AppendUint32(le.AppendUint32(append(out, 45, 0, 45, 0), 0), 0)
	out = le.AppendUint64(le.AppendUint64(out, uint64(count)), uint64(count))
	out = le.AppendUint64(le.AppendUint64(out, uint64(size)), uint64(start))
	out = le.AppendUint32(append(out, sigLocator64...), 0)
	return le.AppendUint32(le.AppendUint64(out, uint64(at)), 1)
}

func descriptorOf(form string, crc, size uint32) []byte {
	le := binary.LittleEndian
	var out []byte
	if strings.HasPrefix(form, "narrow") || strings.HasPrefix(form, "wide") {
		if !strings.HasSuffix(form, "bare") {
			out = append(out, sigDescriptor...)
		}
		out = le.AppendUint32(out, crc)
		if strings.HasPrefix(form, "wide") {
			return le.AppendUint64(le.AppendUint64(out, uint64(size)), uint64(size))
		}
		return le.AppendUint32(le.AppendUint32(out, size), size)
	}
	return []byte(form)
}

// rawBook is a workbook with one cell, as entries to be tampered with.
func rawBook() []rawEntry {
	var all []rawEntry
	for _, e := range (book{sheet: oneText}).entries() {
		all = append(all, rawEntry{name: e.name, body: e.body})
	}
	return all
}

const oneText = sheetHead + `<row r="1"><c r="A1" t="s"><v>1</v></c></row>` + sheetTail

// R1: the archive says everything twice, and both must agree; nothing shares bytes or a name.
func TestContainer(t *testing.T) {
	u := func(n uint32) *uint32 { return &n }
	const sheet = 6 // place of the sheet in rawBook
	for _, tt := range []struct {
		name   string
		tamper func(all []rawEntry) []rawEntry
		code   string
	}{
		{"sound", func(all []rawEntry) []rawEntry { return all }, ""},
		{"descriptor", func(all []rawEntry) []rawEntry { all[sheet].descriptor = "narrow"; return all }, ""},
		{"bare descriptor", func(all []rawEntry) []rawEntry { all[sheet].descriptor = "narrow bare"; return all }, ""},
		{"wide descriptor", func(all []rawEntry) []rawEntry { all[sheet].descriptor = "wide"; return all }, ""},
		{"wide bare descriptor", func(all []rawEntry) []rawEntry { all[sheet].descriptor = "wide bare"; return all }, ""},
		{"zip64 sizes", func(all []rawEntry) []rawEntry { all[sheet].zip64 = true; return all }, ""},
		{"zip64 sizes in the local header", func(all []rawEntry) []rawEntry { all[sheet].local64 = true; return all }, ""},
		{"a folder", func(all []rawEntry) []rawEntry { return append(all, rawEntry{name: "xl/media/"}) }, ""},
		{"backslashes", func(all []rawEntry) []rawEntry { all[sheet].name = `xl\worksheets\sheet1.xml`; return all }, ""},
		{"other case", func(all []rawEntry) []rawEntry { all[sheet].name = `XL/Worksheets/SHEET1.xml`; return all }, ""},

		{"descriptor of another size", func(all []rawEntry) []rawEntry {
			all[sheet].descriptor = string(descriptorOf("narrow", crc32.ChecksumIEEE([]byte(all[sheet].body)), 9))
			return all
		}, CodeDamaged},
		{"descriptor missing", func(all []rawEntry) []rawEntry { all[sheet].descriptor = "x"; return all }, CodeDamaged},
		{"local name", func(all []rawEntry) []rawEntry { all[sheet].localName = "xl/worksheets/sheet2.xml"; return all }, CodeDamaged},
		{"local name longer", func(all []rawEntry) []rawEntry { all[sheet].localName = "xl/worksheets/sheet10.xml"; return all }, CodeDamaged},
		{"local size", func(all []rawEntry) []rawEntry { all[sheet].localSize = u(9); return all }, CodeDamaged},
		{"size too small", func(all []rawEntry) []rawEntry { all[sheet].size = u(9); return all }, CodeChecksum},
		{"size too large", func(all []rawEntry) []rawEntry { all[sheet].size = u(1 << 20); return all }, CodeDamaged},
		{"size of 4 GiB", func(all []rawEntry) []rawEntry { all[sheet].size = u(0xFFFFFFFE); return all }, CodeDamaged},
		{"sum", func(all []rawEntry) []rawEntry { all[sheet].crc = u(1); return all }, CodeChecksum},
		{"sum of 0", func(all []rawEntry) []rawEntry { all[sheet].crc = u(0); return all }, CodeChecksum},
		{"place", func(all []rawEntry) []rawEntry { all[sheet].at = u(7); return all }, CodeDamaged},
		{"place past the end", func(all []rawEntry) []rawEntry { all[sheet].at = u(1 << 30); return all }, CodeDamaged},
		{"method", func(all []rawEntry) []rawEntry { all[sheet].method = 9; return all }, CodeDamaged},
		{"stored as deflated", func(all []rawEntry) []rawEntry { all[sheet].method = 8; return all }, CodeDamaged},
		{"encrypted", func(all []rawEntry) []rawEntry { all[sheet].flags = 1; return all }, CodeEncrypted},
		{"twice", func(all []rawEntry) []rawEntry { return append(all, all[sheet]) }, CodeDuplicate},
		{"twice in another case", func(all []rawEntry) []rawEntry {
			return append(all, rawEntry{name: "xl/worksheets/SHEET1.XML", body: sheetHead + sheetTail})
		}, CodeDuplicate},
		{"twice with a backslash", func(all []rawEntry) []rawEntry {
			return append(all, rawEntry{name: `/xl\worksheets/sheet1.xml`, body: sheetHead + sheetTail})
		}, CodeDuplicate},
		{"one within another", func(all []rawEntry) []rawEntry {
			inner := rawZip([]rawEntry{{name: "in.xml", body: "x"}}, false)
			outer := rawEntry{name: "out.bin", body: string(inner)}
			place := uint32(lenLocal + len(outer.name))
			return append([]rawEntry{outer}, append(all, rawEntry{name: "in.xml", body: "x", at: &place})...)
		}, CodeDamaged},
		{"missing", func(all []rawEntry) []rawEntry { return all[:sheet] }, CodeMissing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, end64 := range []bool{false, true} {
				got, err := readAll(rawZip(tt.tamper(rawBook()), end64), Limits{})
				require.Equal(t, tt.code, code(t, err), "%v", err)
				if tt.code == "" {
					require.Equal(t, map[string]string{"Sheet1!A1": "text one"}, got)
				}
			}
		})
	}
}

// R1, R3: what is around the archive.
func TestContainerEnds(t *testing.T) {
	sound := rawZip(rawBook(), false)
	sound64 := rawZip(rawBook(), true)
	patch := func(raw []byte, fromEnd int, b byte) []byte {
		raw = bytes.Clone(raw)
		raw[len(raw)-fromEnd] ^= b
		return raw
	}
	commented := append(bytes.Clone(sound[:len(sound)-2]), 3, 0, 'P', 'K', 5)
	for _, tt := range []struct {
		name string
		raw  []byte
		code string
	}{
		{"comment", commented, ""},
		{"empty", nil, CodeEmpty},
		{"text", []byte("userName,email\n"), CodeNotZip},
		{"cut", sound[:len(sound)-1], CodeTruncated},
		{"cut in half", sound[:len(sound)/2], CodeTruncated},
		{"something after", append(bytes.Clone(sound), 0), CodeTruncated},
		{"something before", append([]byte("MZ"), sound...), CodeDamaged},
		{"something before that is counted", rawZip(append([]rawEntry{{name: "gone", body: "x"}}, rawBook()...), false)[35:], CodeDamaged},
		{"two archives", append(bytes.Clone(sound), sound...), CodeDamaged},
		{"end record alone", sound[len(sound)-lenEnd:], CodeDamaged},
		{"an entry more", patch(patch(sound, 14, 1), 12, 1), CodeDamaged},
		{"an entry less", patch(patch(sound, 14, 15), 12, 15), CodeDamaged},
		{"counts differ", patch(sound, 14, 1), CodeDamaged},
		{"on another disk", patch(sound, 18, 1), CodeDamaged},
		{"directory elsewhere", patch(sound, 6, 1), CodeDamaged},
		{"directory of another size", patch(sound, 10, 1), CodeDamaged},
		{"zip64 record elsewhere", patch(sound64, lenEnd+12, 1), CodeDamaged},
		{"zip64 record far away", patch(sound64, lenEnd+5, 0x7F), CodeDamaged},
		{"zip64 record of another size", patch(sound64, lenEnd+lenLocator+52, 1), CodeDamaged},
		{"zip64 counts differ", patch(sound64, lenEnd+lenLocator+32, 1), CodeDamaged},
		{"zip64 directory elsewhere", patch(sound64, lenEnd+lenLocator+8, 1), CodeDamaged},
		{"zip64 without locator", append(bytes.Clone(sound[:len(sound)-lenEnd]), sound64[len(sound64)-lenEnd:]...), CodeDamaged},
		{"too many entries", manyEntries(2001), LimitEntries},
		{"directory too long", longNames(1000), LimitDirectory},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := readAll(tt.raw, Limits{})
			require.Equal(t, tt.code, code(t, err), "%v", err)
		})
	}
}

func manyEntries(n int) []byte {
	all := make([]rawEntry, n)
	for i := range all {
		all[i].name = decimal(int64(i))
	}
	return rawZip(all, false)
}

func longNames(n int) []byte {
	all := make([]rawEntry, n)
	for i := range all {
		all[i].name = strings.Repeat("x", 5000) + decimal(int64(i))
	}
	return rawZip(all, false)
}

// Errors that are not the file's are passed on, not made a refusal.
func TestOtherErrors(t *testing.T) {
	raw := userWorkbook(t, 100, false)
	broken := errors.New("disk on fire")
	for failAt := 0; ; failAt++ {
		r := &failing{ReaderAt: bytes.NewReader(raw), left: failAt, err: broken}
		err := readThrough(t.Context(), r, int64(len(raw)))
		if r.left >= 0 {
			require.NoError(t, err)
			break
		}
		require.ErrorIs(t, err, broken)
		require.NotEqual(t, broken, err, "wrapped")
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Open(ctx, bytes.NewReader(raw), int64(len(raw)), Limits{})
	require.Equal(t, context.Canceled, err)

	// a reader that is shorter than it was said to be: a file cut short while it was read
	_, err = Open(t.Context(), bytes.NewReader(raw[:100]), int64(len(raw)), Limits{})
	require.Equal(t, CodeTruncated, code(t, err))
}

// R2: reading stops when the context is done, also in the middle of a sheet of blank rows.
func TestContextStopsReading(t *testing.T) {
	raw := book{sheet: sheetHead + `<row r="1"><c r="A1"><v>1</v></c></row>` + strings.Repeat(`<row/>`, 500_000) + sheetTail}.zip(t)
	w := open(t, raw)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	rows := 0
	var last error
	for row, err := range w.Rows(ctx, w.Sheets()[0]) {
		if last = err; err == nil {
			rows += len(row.Cells)
			cancel()
		}
	}
	require.Equal(t, 1, rows)
	require.Equal(t, context.Canceled, last)
}

type failing struct {
	io.ReaderAt
	left int
	err  error
}

func (f *failing) ReadAt(b []byte, at int64) (int, error) {
	if f.left--; f.left < 0 {
		return 0, f.err
	}
	return f.ReaderAt.ReadAt(b, at)
}

func readThrough(ctx context.Context, r io.ReaderAt, size int64) error {
	w, err := Open(ctx, r, size, Limits{})
	if err != nil {
		return err
	}
	for _, err := range w.Rows(ctx, w.Sheets()[0]) {
		if err != nil {
			return err
		}
	}
	return nil
}

// A panic of the caller's reader comes out in the caller's goroutine, where it can be caught.
func TestPanickingReader(t *testing.T) {
	raw := userWorkbook(t, 2_000, true)
	size := int64(len(raw))
	r := &failing{ReaderAt: bytes.NewReader(raw), left: 1 << 30}
	w, err := Open(t.Context(), panicking{r}, size, Limits{})
	require.NoError(t, err)
	r.left = 5
	require.PanicsWithValue(t, "disk on fire", func() {
		for range w.Rows(t.Context(), w.Sheets()[0]) { //nolint:revive // reads on
		}
	})
}

type panicking struct{ f *failing }

func (p panicking) ReadAt(b []byte, at int64) (int, error) {
	if p.f.left--; p.f.left < 0 {
		panic("disk on fire")
	}
	return p.f.ReaderAt.ReadAt(b, at)
}

func TestZipWriterForms(t *testing.T) {
	// archive/zip's own writer: descriptors, and sizes that are known beforehand
	var buf bytes.Buffer
	zw := zip.NewWriter(&buf)
	for i, e := range (book{}).entries() {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		if i%2 == 0 {
			h.Method = zip.Store
		}
		w, err := zw.CreateHeader(h)
		require.NoError(t, err)
		_, err = io.WriteString(w, e.body)
		require.NoError(t, err)
	}
	require.NoError(t, zw.SetComment("made by a test"))
	require.NoError(t, zw.Close())
	_, err := readAll(buf.Bytes(), Limits{})
	require.NoError(t, err)
}
