package sniff

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
	"github.com/xuri/excelize/v2"
)

// what gives the format or the code.
func what(t testing.TB, data string) string {
	t.Helper()
	f, err := Identify(strings.NewReader(data), int64(len(data)))
	return string(f) + codeOf(t, f, err)
}

func whatHead(t testing.TB, data string) string {
	t.Helper()
	f, err := IdentifyHead([]byte(data[:min(len(data), headBytes)]))
	return string(f) + codeOf(t, f, err)
}

func wide(mark string, high, low int, s string) string {
	b := []byte(mark)
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u>>high), byte(u>>low))
	}
	return string(b)
}

func utf16LE(s string) string { return wide("\xFF\xFE", 0, 8, s) }
func utf16BE(s string) string { return wide("\xFE\xFF", 8, 0, s) }

// R3
func TestIdentifyText(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"comma", "a,b\n1,2\n", "csv"},
		{"one word", "a", "csv"},
		{"legacy encoding", "\xC8\xEC\xFF;\xE4\n", "csv"},
		{"byte order mark", "\uFEFFa,b", "csv"},
		{"UTF-16LE", utf16LE("a,b\n"), "csv"},
		{"UTF-16BE", utf16BE("Имя,b\n"), "csv"},
		{"UTF-16 without byte order mark, for its reader to name", utf16LE("a,b,c\n")[2:], "csv"},
		{"the same in Cyrillic", utf16LE("Имя;Фамилия;Телефон\n")[2:], "csv"},
		{"one NUL, for its reader to place", "userName,email\nanna,an\x00na@example.com\n", "csv"},
		{"end mark of DOS", "a\x1A", "csv"},
		{"ISO-2022-JP", "\x1B$BL>A0\x1B(B,b\n", "csv"},
		{"starts like SYLK", "ID;Phone\nP;1\n", "csv"},
		{"starts like SYLK, in capitals", "ID;PHONE\n7;1\n", "csv"},
		{"starts like DIF", "TABLE\n1\n", "csv"},
		{"starts like JSON", "[Name],[Mail]\n", "csv"},
		{"starts like a template", "{name},{mail}\n", "csv"},
		{"starts like HTML", "<name>,<mail>\n", "csv"},
		{"starts like a bitmap", "BMI,height\n", "csv"},
		{"starts like GIF", "GIF,JPEG\n", "csv"},
		{"starts like zip", "PK,name\n", "csv"},
		{"white space longer than the look", strings.Repeat(" ", headBytes+1), "csv"},

		{"empty", "", "format_empty"},
		{"only a byte order mark", "\uFEFF", "format_empty"},
		{"only a UTF-16 byte order mark", "\xFF\xFE", "format_empty"},
		{"white space", " \r\n\t\u00A0\n", "format_empty"},
		{"white space in UTF-16", utf16LE(" \r\n"), "format_empty"},
		{"NULs", strings.Repeat("\x00", 100), "format_binary"},
		{"program", "MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xFF\xFF\x00\x00", "format_binary"},
		{"control characters", "ab\x01\x02cd", "format_binary"},

		{"HTML", "\r\n<HTML><table><tr><td>1", "format_html"},
		{"HTML with a doctype", "\uFEFF<!DOCTYPE html>\n<html>", "format_html"},
		{"HTML in UTF-16", utf16LE("<html><body>"), "format_html"},
		{"HTML in UTF-16 without byte order mark", utf16LE("<html><body>")[2:], "format_html"},
		{"XHTML", `<?xml version="1.0"?><!-- x --><html xmlns="http://www.w3.org/1999/xhtml">`, "format_html"},
		{"HTML as Excel saves it", `<html xmlns:x="urn:schemas-microsoft-com:office:excel">`, "format_html"},
		{"table of HTML", "<table border=1><tr>", "format_html"},
		{"web archive", "MIME-Version: 1.0\r\nX-Document-Type: Workbook", "format_html"},
		{"XML Spreadsheet", "<?xml version=\"1.0\"?>\n<?mso-application progid=\"Excel.Sheet\"?>\n" +
			"<Workbook xmlns=\"urn:schemas-microsoft-com:office:spreadsheet\">", "format_xml_spreadsheet"},
		{"XML Spreadsheet, prefixed", "<ss:Workbook xmlns:ss=\"urn:schemas-microsoft-com:office:spreadsheet\">", "format_xml_spreadsheet"},
		{"flat OpenDocument", `<?xml version="1.0"?><office:document xmlns:office="urn:x">`, "format_ods"},
		{"SVG", `<svg xmlns="http://www.w3.org/2000/svg">`, "format_image"},
		{"XML", "<?xml version='1.0'?><users><user/></users>", "format_xml"},
		{"XML without end", "<?xml version='1.0'", "format_xml"},
		{"XML with a doctype", "<!DOCTYPE users [<!ENTITY x 'y'>]><users/>", "format_xml"},
		{"JSON object", " {\n \"users\": []}", "format_json"},
		{"JSON array", "[ {\"a\": 1}]", "format_json"},
		{"JSON lines", "{\"a\":1}\n{\"a\":2}\n", "format_json"},
		{"RTF", `{\rtf1\ansi`, "format_rtf"},
		{"SYLK", "ID;PWXL;N;E\r\nP;PGeneral\r\n", "format_sylk"},
		{"DIF", "TABLE\r\n0,1\r\n\"EXCEL\"\r\n", "format_dif"},
		{"contact card", "BEGIN:VCARD\r\nVERSION:3.0\r\n", "format_vcard"},
		{"PDF after white space", "\r\n%PDF-1.7", "format_pdf"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, what(t, tt.in))
			require.Equal(t, tt.want, whatHead(t, tt.in))
		})
	}
}

// R3
func TestIdentifySignatures(t *testing.T) {
	for in, want := range map[string]string{
		"\x09\x00\x04\x00\x02\x00\x10\x00":         "format_xls",
		"\x09\x02\x06\x00\x00\x00\x10\x00\x00\x00": "format_xls",
		"\x09\x04\x06\x00\x00\x00\x10\x00\x00\x00": "format_xls",
		"\x09\x08\x08\x00\x00\x05\x05\x00":         "format_xls",
		"\x00\x00\x02\x00\x06\x04\x06\x00\x08\x00": "format_lotus",
		"%PDF-1.4\n":                                "format_pdf",
		"\x89PNG\r\n\x1A\n\x00":                     "format_image",
		"\xFF\xD8\xFF\xE0":                          "format_image",
		"GIF89a\x01\x00":                            "format_image",
		"BM\x36\x00\x00\x00\x00\x00\x00\x00":        "format_image",
		"RIFF\x00\x00\x00\x00WEBPVP8 ":              "format_image",
		"\x1F\x8B\x08\x00":                          "format_gzip",
		"7z\xBC\xAF\x27\x1C":                        "format_7z",
		"Rar!\x1A\x07\x01\x00":                      "format_rar",
		"\xFD7zXZ\x00":                              "format_archive",
		"BZh91AY&SY":                                "format_archive",
		"\x28\xB5\x2F\xFD":                          "format_archive",
		strings.Repeat("\x00", 257) + "ustar\x0000": "format_archive",
		"SQLite format 3\x00":                       "format_database",
		"\x00\x01\x00\x00Standard Jet DB\x00":       "format_database",
	} {
		require.Equal(t, want, what(t, in), "%q", in)
		require.Equal(t, want, whatHead(t, in), "%q", in)
	}
}

// archiveOf makes a zip archive of names and contents, the first one stored.
func archiveOf(t testing.TB, entries ...string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(entries); i += 2 {
		content := entries[i+1]
		h := &zip.FileHeader{Name: entries[i], Method: zip.Deflate}
		if i == 0 || content == "" {
			h.Method = zip.Store
		}
		create := z.CreateHeader
		if h.Method == zip.Store { // without a data descriptor, as the entry "mimetype" has to be
			h.CompressedSize64, h.UncompressedSize64 = uint64(len(content)), uint64(len(content))
			h.CRC32 = crc32.ChecksumIEEE([]byte(content))
			create = z.CreateRaw
		}
		w, err := create(h)
		require.NoError(t, err)
		_, err = io.WriteString(w, content)
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return b.String()
}

func typesOf(main string) string {
	return `<Types><Default Extension="xlsx" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"/>` +
		`<Override PartName="/main" ContentType="` + main + `"/></Types>`
}

// R3
func TestIdentifyZip(t *testing.T) {
	const (
		types = "[Content_Types].xml"
		ooxml = "application/vnd.openxmlformats-officedocument."
	)
	tests := []struct {
		name    string
		entries []string
		want    string
	}{
		{"workbook", []string{types, typesOf(ooxml + "spreadsheetml.sheet.main+xml")}, "xlsx"},
		{"workbook with macros", []string{types, typesOf("application/vnd.ms-excel.sheet.macroEnabled.main+xml")}, "xlsx"},
		{"workbook, types unreadable", []string{types, "\xFF\xFE", "xl/workbook.xml", ""}, "xlsx"},
		{"workbook, backslashes and capitals", []string{"x", "", `XL\workbook.xml`, ""}, "xlsx"},
		{"binary workbook", []string{types, typesOf("application/vnd.ms-excel.sheet.binary.macroEnabled.main")}, "format_xlsb"},
		{"binary workbook by entry", []string{types, "", "xl/styles.bin", "", "xl/workbook.bin", ""}, "format_xlsb"},
		{"template", []string{types, typesOf(ooxml + "spreadsheetml.template.main+xml")}, "format_xltx"},
		{"template with macros", []string{types, typesOf("application/vnd.ms-excel.template.macroEnabled.main+xml")}, "format_xltx"},
		{"add-in", []string{types, typesOf("application/vnd.ms-excel.addin.macroEnabled.main+xml")}, "format_xlam"},
		{"Word", []string{types, typesOf(ooxml + "wordprocessingml.document.main+xml"), "word/embeddings/a.xlsx", ""}, "format_docx"},
		{"Word by entry", []string{"word/document.xml", ""}, "format_docx"},
		{"PowerPoint", []string{types, typesOf(ooxml + "presentationml.presentation.main+xml")}, "format_pptx"},
		{"OpenDocument spreadsheet", []string{"mimetype", "application/vnd.oasis.opendocument.spreadsheet"}, "format_ods"},
		{"OpenDocument template", []string{"mimetype", "application/vnd.oasis.opendocument.spreadsheet-template"}, "format_ods"},
		{"OpenDocument text", []string{"mimetype", "application/vnd.oasis.opendocument.text"}, "format_odt"},
		{"OpenDocument presentation", []string{"mimetype", "application/vnd.oasis.opendocument.presentation"}, "format_odp"},
		{"e-book", []string{"mimetype", "application/epub+zip"}, "format_epub"},
		{"Numbers", []string{"Index/Document.iwa", "", "Index/CalculationEngine.iwa", ""}, "format_numbers"},
		{"old Numbers", []string{"index.numbers", ""}, "format_numbers"},
		{"zipped workbook", []string{"users.xlsx", "PK\x03\x04"}, "format_zip"},
		{"empty archive", nil, "format_zip"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, what(t, archiveOf(t, tt.entries...)))
		})
	}
}

// R1: an archive cut short is refused, by its real name where its first bytes show it.
func TestIdentifyCutShort(t *testing.T) {
	f := excelize.NewFile()
	defer f.Close()
	book, err := f.WriteToBuffer()
	require.NoError(t, err)
	whole := book.String()
	require.Equal(t, "xlsx", what(t, whole))
	require.Equal(t, "xlsx", whatHead(t, whole))
	for n := 4; n < len(whole); n += 97 {
		require.Equal(t, "format_damaged", what(t, whole[:n]))
	}
	sheet := archiveOf(t, "mimetype", "application/vnd.oasis.opendocument.spreadsheet", "content.xml", "<x/>")
	require.Equal(t, "format_ods", what(t, sheet[:len(sheet)-30]))
	require.Equal(t, "format_ods", whatHead(t, sheet[:len(sheet)-30]))
}

// R2: an archive of very many entries is not listed.
func TestIdentifyManyEntries(t *testing.T) {
	var entries []string
	for i := range 60000 {
		entries = append(entries, fmt.Sprint("x", i), "")
	}
	data := archiveOf(t, entries...)
	require.Equal(t, "limit_entries", what(t, data))
}

// R3
func TestIdentifyOLE(t *testing.T) {
	tests := []struct {
		name    string
		streams []string
		want    string
	}{
		{"Excel", []string{"Workbook"}, "format_xls"},
		{"Excel 5", []string{"SummaryInformation", "Book"}, "format_xls"},
		{"Excel in capitals", []string{"WORKBOOK"}, "format_xls"},
		{"encrypted", []string{"DataSpaces", "EncryptionInfo", "EncryptedPackage"}, "format_encrypted"},
		{"Word", []string{"1Table", "WordDocument"}, "format_doc"},
		{"PowerPoint", []string{"PowerPoint Document"}, "format_ppt"},
		{"Outlook", []string{"__properties_version1.0"}, "format_msg"},
		{"other", []string{"Contents"}, "format_ole"},
		{"long directory", append(strings.Split(strings.Repeat("x ", 600), " "), "Workbook"), "format_xls"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, what(t, oleOf(tt.streams, nil)))
		})
	}
	// A stream inside a storage says what is embedded, not what the file is.
	require.Equal(t, "format_doc", what(t, oleOf([]string{"WordDocument"}, []string{"Workbook"})))
	require.Equal(t, "format_ole", what(t, oleMagic))
	require.Equal(t, "format_ole", what(t, oleOf([]string{"Workbook"}, nil)[:600]))
}

// oleOf makes an OLE2 file of nothing but a directory: streams at the root, each the right sibling of
// the one before, and others that no entry refers to.
func oleOf(streams, loose []string) string {
	var dir []byte
	add := func(name string, right, child uint32) {
		var e [oleEntry]byte
		units := utf16.Encode([]rune(name))
		for i, u := range units {
			e[2*i] = byte(u)
		}
		e[64] = byte(2*len(units) + 2)
		put32(e[68:], oleFree)
		put32(e[72:], right)
		put32(e[76:], child)
		dir = append(dir, e[:]...)
	}
	add("Root Entry", oleFree, 1)
	for i, name := range streams {
		right := uint32(i + 2)
		if i == len(streams)-1 {
			right = oleFree
		}
		add(name, right, oleFree)
	}
	for _, name := range loose {
		add(name, oleFree, oleFree)
	}
	for len(dir)%512 != 0 {
		dir = append(dir, 0)
	}
	sectors := len(dir) / 512
	tables := (sectors + 2 + 127) / 128
	head := make([]byte, 512)
	copy(head, oleMagic)
	head[30] = 9
	put32(head[48:], uint32(tables))
	put32(head[68:], oleFree)
	fat := make([]byte, 512*tables)
	for i := range 109 {
		put32(head[76+4*i:], oleFree)
		if i < tables {
			put32(head[76+4*i:], uint32(i))
		}
	}
	for i := range sectors {
		next := uint32(tables + i + 1)
		if i == sectors-1 {
			next = oleNone
		}
		put32(fat[4*(tables+i):], next)
	}
	return string(head) + string(fat) + string(dir)
}

const oleFree = 0xFFFFFFFF

func put32(b []byte, v uint32) {
	b[0], b[1], b[2], b[3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
}

func TestIdentifyMessage(t *testing.T) {
	_, err := IdentifyHead([]byte("\x09\x08\x08\x00\x00\x05"))
	require.EqualError(t, err, "this is an old Excel workbook (.xls): save it as .xlsx and upload it again")
}

func TestIdentifyReadError(t *testing.T) {
	broken := errors.New("broken pipe")
	_, err := Identify(failing{"", broken}, 100)
	require.ErrorIs(t, err, broken)
	_, err = Identify(failing{"PK\x03\x04", broken}, 100000)
	require.ErrorIs(t, err, broken)
}

// failing reads its head and fails beyond.
type failing struct {
	head string
	err  error
}

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off == 0 && f.head != "" {
		return copy(p, f.head), io.EOF
	}
	return 0, f.err
}

// A size that is not the file's own is no reason to panic.
func TestIdentifyLyingSize(t *testing.T) {
	for _, size := range []int64{-1, 0, 1, 1 << 40} {
		for _, in := range []string{"", "a,b\n", "PK\x03\x04", oleMagic} {
			f, err := Identify(strings.NewReader(in), size)
			codeOf(t, f, err)
		}
	}
}

func FuzzIdentify(f *testing.F) {
	for _, s := range []string{"", "a,b\n", "<html>", utf16LE("<?xml?>"), "ID;P\nE", "{\"", "\xFF\xFE",
		archiveOf(f, "[Content_Types].xml", typesOf("x")), archiveOf(f, "mimetype", "application/epub+zip"),
		oleOf([]string{"Workbook"}, []string{"Book"}), oleOf(make([]string, 20), nil)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a, b := what(t, string(data)), what(t, string(data))
		require.Equal(t, a, b)
		whatHead(t, string(data))
	})
}
