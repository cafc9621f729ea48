package sniff

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	directoryBytes = 2 << 20 // of a zip archive's list of entries: some 20,000 of them
	entryBytes     = 1 << 20 // of an entry that says what the archive is
)

func isZip(head []byte) bool {
	for _, magic := range [...]string{"PK\x03\x04", "PK\x05\x06", "PK\x07\x08"} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return true
		}
	}
	return false
}

// zipFormat looks into an archive. One that says in [Content_Types].xml that it is a workbook is taken
// for one, however damaged: its reader knows best where. One whose list of entries cannot be read is
// named by the entries that its first bytes show.
func zipFormat(r io.ReaderAt, size int64, head []byte) (Format, error) {
	b := &budget{r: r, size: size, left: directoryBytes}
	z, err := zip.NewReader(b, size)
	switch {
	case b.err == errBudget:
		return "", entries.refusal()
	case b.err != nil:
		return "", fmt.Errorf("reading the upload: %w", b.err)
	case err != nil && !errors.Is(err, zip.ErrInsecurePath):
		k, known := entriesKind(localNames(head), localMimetype(head))
		if !known || k.code == "" {
			k = damaged
		}
		return "", k.refusal()
	}
	b.left = 2 * entryBytes
	k, known := archiveKind(z)
	if b.err != nil && b.err != errBudget {
		return "", fmt.Errorf("reading the upload: %w", b.err)
	}
	if !known {
		k = zipped
	}
	return kindFormat(k, XLSX)
}

func archiveKind(z *zip.Reader) (k kind, known bool) {
	names := make([]string, 0, len(z.File))
	var types, mimetype []byte
	for _, f := range z.File {
		name := entryName(f.Name)
		names = append(names, name)
		switch {
		case name == "[content_types].xml" && types == nil:
			types = content(f)
		case name == "mimetype" && mimetype == nil:
			mimetype = content(f)
		}
	}
	types = bytes.ToLower(types)
	for _, t := range mainTypes {
		if bytes.Contains(types, []byte(t.name)) {
			return t.kind, true
		}
	}
	return entriesKind(names, string(mimetype))
}

// content gives as much of an entry as can be read.
func content(f *zip.File) []byte {
	r, err := f.Open()
	if err != nil {
		return nil
	}
	defer r.Close()
	data, _ := io.ReadAll(io.LimitReader(r, entryBytes))
	return data
}

// mainTypes are the content types of the part that makes an Office file what it is, in lower case. The
// zero kind is a workbook.
var mainTypes = []struct {
	name string
	kind kind
}{
	{"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml", kind{}},
	{"application/vnd.ms-excel.sheet.macroenabled.main+xml", kind{}},
	{"application/vnd.ms-excel.sheet.binary.macroenabled.main", xlsb},
	{"application/vnd.openxmlformats-officedocument.spreadsheetml.template.main+xml", xltx},
	{"application/vnd.ms-excel.template.macroenabled.main+xml", xltx},
	{"application/vnd.ms-excel.addin.macroenabled.main+xml", xlam},
	{"application/vnd.openxmlformats-officedocument.wordprocessingml.", docx},
	{"application/vnd.ms-word.", docx},
	{"application/vnd.openxmlformats-officedocument.presentationml.", pptx},
	{"application/vnd.ms-powerpoint.", pptx},
}

// mimetypes start the entry "mimetype" of files that have one.
var mimetypes = []struct {
	name string
	kind kind
}{
	{"application/vnd.oasis.opendocument.spreadsheet", ods},
	{"application/vnd.sun.xml.calc", ods},
	{"application/vnd.oasis.opendocument.text", odt},
	{"application/vnd.sun.xml.writer", odt},
	{"application/vnd.oasis.opendocument.presentation", odp},
	{"application/vnd.oasis.opendocument.graphics", odp},
	{"application/epub+zip", epub},
}

// entryNames are the beginnings of entry names that show what an archive is, the surest first.
var entryNames = []struct {
	prefix string
	kind   kind
}{
	{"xl/workbook.bin", xlsb},
	{"xl/", kind{}},
	{"word/", docx},
	{"ppt/", pptx},
	{"index/document.iwa", numbers},
	{"index.zip", numbers},
	{"index.numbers", numbers},
	{"index.apxl", numbers},
}

// entriesKind tells an archive by what its entries are called; the zero kind, if known, is a workbook.
func entriesKind(names []string, mimetype string) (k kind, known bool) {
	for _, m := range mimetypes {
		if strings.HasPrefix(mimetype, m.name) {
			return m.kind, true
		}
	}
	for _, e := range entryNames {
		for _, name := range names {
			if strings.HasPrefix(name, e.prefix) {
				return e.kind, true
			}
		}
	}
	return kind{}, false
}

// entryName evens out what programs write: names are compared without case, and some have backslashes.
func entryName(s string) string {
	return strings.TrimPrefix(strings.ReplaceAll(strings.ToLower(s), `\`, "/"), "/")
}

const localHeader = 30 // bytes before the name of an entry in front of its data

// localNames gives the names of the entries whose beginnings lie in head.
func localNames(head []byte) []string {
	var names []string
	for {
		i := bytes.Index(head, []byte("PK\x03\x04"))
		if i < 0 || len(head) < i+localHeader {
			return names
		}
		head = head[i:]
		n := int(binary.LittleEndian.Uint16(head[26:]))
		if name := head[localHeader:]; n <= len(name) {
			names = append(names, entryName(string(name[:n])))
		}
		head = head[localHeader:]
	}
}

// localMimetype gives what follows if head starts with an entry "mimetype", which is stored as it is.
func localMimetype(head []byte) string {
	if len(head) < localHeader {
		return ""
	}
	value, ok := strings.CutPrefix(string(head[localHeader:]), "mimetype")
	if extra := int(binary.LittleEndian.Uint16(head[28:])); ok && extra <= len(value) {
		return value[extra:]
	}
	return ""
}

var errBudget = errors.New("sniff: the archive has more to read than a workbook")

// budget bounds what is read, and remembers the first error that is not the archive's fault.
type budget struct {
	r    io.ReaderAt
	size int64
	left int64
	err  error
}

func (b *budget) ReadAt(p []byte, off int64) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 && b.err == nil {
		b.err = errBudget
	}
	if b.err != nil {
		return 0, b.err
	}
	if off < 0 || off > b.size {
		return 0, io.ErrUnexpectedEOF // where a damaged archive points to
	}
	n, err := b.r.ReadAt(p, off)
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}
