package xlsx

import (
	"archive/zip"
	"bytes"
	"io"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
)

const (
	mainNS    = `xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"`
	officeNS  = `xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"`
	xmlHead   = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"
	sheetHead = xmlHead + `<worksheet ` + mainNS + `><sheetData>`
	sheetTail = `</sheetData></worksheet>`
	sstHead   = xmlHead + `<sst ` + mainNS + `>`

	typesXML = xmlHead + `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">` +
		`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
		`<Default Extension="xml" ContentType="application/xml"/>` +
		`<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>`
	rootRels = xmlHead + `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` +
		`<Relationship Id="rId1" Type="` + officeURI + `/officeDocument" Target="xl/workbook.xml"/></Relationships>`
	bookRels = xmlHead + `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` +
		`<Relationship Id="rId1" Type="` + officeURI + `/worksheet" Target="worksheets/sheet1.xml"/>` +
		`<Relationship Id="rId2" Type="` + officeURI + `/styles" Target="styles.xml"/>` +
		`<Relationship Id="rId3" Type="` + officeURI + `/sharedStrings" Target="sharedStrings.xml"/></Relationships>`
	bookXML = xmlHead + `<workbook ` + mainNS + ` ` + officeNS + `><sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>`

	// stylesXML has the cell formats General, date, date and time, elapsed, time, zero-padded.
	stylesXML = xmlHead + `<styleSheet ` + mainNS + `><numFmts count="2"><numFmt numFmtId="164" formatCode="yyyy\-mm\-dd"/>` +
		`<numFmt numFmtId="165" formatCode="00000"/></numFmts><cellXfs count="6"><xf numFmtId="0"/><xf numFmtId="164"/>` +
		`<xf numFmtId="22"/><xf numFmtId="46"/><xf numFmtId="21"/><xf numFmtId="165"/></cellXfs></styleSheet>`
)

// book is a workbook of one sheet; what is "" is as in any small workbook, what is "-" is left out.
type book struct {
	types, rootRels, rels, workbook, styles, shared, sheet string
	more                                                   []entryOf // further parts
}

type entryOf struct{ name, body string }

func (b book) entries() []entryOf {
	or := func(set, standard string) string {
		if set == "" {
			return standard
		}
		return set
	}
	all := []entryOf{
		{"[Content_Types].xml", or(b.types, typesXML)},
		{"_rels/.rels", or(b.rootRels, rootRels)},
		{"xl/workbook.xml", or(b.workbook, bookXML)},
		{"xl/_rels/workbook.xml.rels", or(b.rels, bookRels)},
		{"xl/styles.xml", or(b.styles, stylesXML)},
		{"xl/sharedStrings.xml", or(b.shared, sstHead+"<si><t>zero</t></si><si><t>one</t></si></sst>")},
		{"xl/worksheets/sheet1.xml", or(b.sheet, sheetHead+sheetTail)},
	}
	var kept []entryOf
	for _, e := range append(all, b.more...) {
		if e.body != "-" {
			kept = append(kept, e)
		}
	}
	return kept
}

func (b book) zip(tb testing.TB) []byte { return zipOf(tb, b.entries()...) }

// stored is the workbook in an archive that packs nothing.
func (b book) stored() []byte {
	var all []rawEntry
	for _, e := range b.entries() {
		all = append(all, rawEntry{name: e.name, body: e.body})
	}
	return rawZip(all, false)
}

func zipOf(tb testing.TB, entries ...entryOf) []byte {
	tb.Helper()
	var buf bytes.Buffer
	zw := zip.NewWriter(&buf)
	for _, e := range entries {
		w, err := zw.Create(e.name)
		require.NoError(tb, err)
		_, err = io.WriteString(w, e.body)
		require.NoError(tb, err)
	}
	require.NoError(tb, zw.Close())
	return buf.Bytes()
}

var xmlEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func escapeXML(s string) string { return xmlEscaper.Replace(s) }

// utf16Of gives the UTF-16 of s without a mark.
func utf16Of(s string, big bool) string {
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		if big {
			out = append(out, byte(u>>8), byte(u))
		} else {
			out = append(out, byte(u), byte(u>>8))
		}
	}
	return string(out)
}
