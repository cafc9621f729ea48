package xlsx

import (
	"encoding/xml"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// events scans a part and spells what was met: <name>, text, </>.
func events(src io.Reader, size int, lim Limits) (string, error) {
	s, err := newScanner(src, "p.xml", uint64(size), lim.orDefault())
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for {
		ev, err := s.next()
		if err != nil {
			return b.String(), err
		}
		switch ev {
		case endDocument:
			return b.String(), nil
		case startElement:
			b.WriteString("<" + string(s.tag[s.local:s.name]))
			for i := range s.attrs {
				a := &s.attrs[i]
				b.WriteString(" " + string(s.tag[a.name:a.end]) + "=" + string(s.value(a)))
			}
			b.WriteString(">")
		case endElement:
			b.WriteString("</>")
		case charData:
			b.Write(s.text)
		}
	}
}

// R1: well-formed to the end, or refused.
func TestScanner(t *testing.T) {
	for _, tt := range []struct{ name, xml, want, code string }{
		{"empty element", `<a/>`, "<a></>", ""},
		{"text", `<a>x<b>y</b >z</a>`, "<a>x<b>y</>z</>", ""},
		{"attributes", `<a b = "1" c='2"3' d="&lt;&#65;&#x42;'"/>`, `<a b=1 c=2"3 d=<AB'></>`, ""},
		{"attribute white space", "<a b=\"x\ty\r\nz&#10;\"/>", "<a b=x y z\n></>", ""},
		{"references", `<a>&amp;&lt;&gt;&quot;&apos;&#x1F600;&#0065;</a>`, "<a>&<>\"'😀A</>", ""},
		{"prolog and epilog", "\xEF\xBB\xBF<?xml version='1.0' encoding='utf-8'?>\n<!-- c --><?pi x?><a/><!----> <?pi?>\n", "<a></>", ""},
		{"comments and instructions inside", `<a>x<!-- - <b> & --><?p ??>y</a>`, "<a>xy</>", ""},
		{"CDATA", `<a><![CDATA[]]>x<![CDATA[<&]]]]></a>`, "<a>x<&]]</>", ""},
		{"new lines", "<a>\r\n\r\r\n</a>", "<a>\n\n\n</>", ""},
		{"names", `<ä.b-1 _="" é="1"/>`, "<ä.b-1 _= é=1></>", ""},
		{"prefixes", `<p:a xmlns:p="u:p" p:b="1" b="2" xml:space="preserve"><p:c/></p:a>`, "<a xmlns:p=u:p p:b=1 b=2 xml:space=preserve><c></></>", ""},
		{"greater than in text", `<a>></a>`, "<a>></>", ""},

		{"nothing", ``, "", CodeTruncated},
		{"white space", ` `, "", CodeTruncated},
		{"open", `<a>`, "", CodeTruncated},
		{"open tag", `<a `, "", CodeTruncated},
		{"open end tag", `<a></a`, "", CodeTruncated},
		{"open end tag with space", `<a></a `, "", CodeTruncated},
		{"open comment", `<a/><!-- -`, "", CodeTruncated},
		{"open CDATA", `<a><![CDATA[x]]`, "", CodeTruncated},
		{"open reference", `<a>&am`, "", CodeTruncated},
		{"open instruction", `<a/><?p `, "", CodeTruncated},
		{"open character", "<a>\xC3", "", CodeXML},
		{"two roots", `<a/><b/>`, "", CodeXML},
		{"text after", `<a/>x`, "", CodeXML},
		{"text before", `x<a/>`, "", CodeXML},
		{"reference after", `<a/>&#32;`, "", CodeXML},
		{"CDATA after", `<a/><![CDATA[ ]]>`, "", CodeXML},
		{"bracket after", `<a/>]`, "", CodeXML},
		{"other end tag", `<a></b>`, "", CodeXML},
		{"longer end tag", `<a></ab>`, "", CodeXML},
		{"end tag alone", `</a>`, "", CodeXML},
		{"end tag with attribute", `<a></a b="">`, "", CodeXML},
		{"crossed", `<a><b></a></b>`, "", CodeXML},
		{"no name", `<>`, "", CodeXML},
		{"space before name", `< a/>`, "", CodeXML},
		{"digit first", `<1a/>`, "", CodeXML},
		{"bad name", `<a!/>`, "", CodeXML},
		{"two colons", `<a:b:c xmlns:a="u"/>`, "", CodeXML},
		{"empty prefix", `<:a/>`, "", CodeXML},
		{"slash", `<a/ >`, "", CodeXML},
		{"attributes together", `<a b="1"c="2"/>`, "", CodeXML},
		{"attribute without value", `<a b/>`, "", CodeXML},
		{"attribute without quotes", `<a b=1/>`, "", CodeXML},
		{"attribute with less than", `<a b="<"/>`, "", CodeXML},
		{"attribute twice", `<a b="1" b="1"/>`, "", CodeXML},
		{"attribute twice among many", `<a a="" b="" c="" d="" e="" f="" g="" h="" i="" j="" k="" l="" b=""/>`, "", CodeXML},
		{"attribute twice by namespace", `<a xmlns:p="u" xmlns:q="u" p:b="1" q:b="1"/>`, "", CodeXML},
		{"prefix not declared", `<p:a/>`, "", CodeXML},
		{"attribute prefix not declared", `<a p:b="1"/>`, "", CodeXML},
		{"prefix out of scope", `<a><b xmlns:p="u"/><p:c/></a>`, "", CodeXML},
		{"prefix undeclared", `<a xmlns:p=""/>`, "", CodeXML},
		{"xmlns prefix", `<a xmlns:xmlns="u"/>`, "", CodeXML},
		{"xml prefix moved", `<a xmlns:xml="u"/>`, "", CodeXML},
		{"unknown entity", `<a>&nbsp;</a>`, "", CodeXML},
		{"unknown entity in attribute", `<a b="&nbsp;"/>`, "", CodeXML},
		{"ampersand", `<a>a & b</a>`, "", CodeXML},
		{"reference to NUL", `<a>&#0;</a>`, "", CodeXML},
		{"reference to a surrogate", `<a>&#xD800;</a>`, "", CodeXML},
		{"reference too large", `<a>&#x110000;</a>`, "", CodeXML},
		{"reference with sign", `<a>&#+65;</a>`, "", CodeXML},
		{"reference upper X", `<a>&#X41;</a>`, "", CodeXML},
		{"reference empty", `<a>&#;</a>`, "", CodeXML},
		{"reference without semicolon", `<a>&amp </a>`, "", CodeXML},
		{"control character", "<a>\x01</a>", "", CodeXML},
		{"control character in attribute", "<a b='\x1F'/>", "", CodeXML},
		{"control character in comment", "<a/><!--\x00-->", "", CodeXML},
		{"U+FFFF", "<a>\uFFFF</a>", "", CodeXML},
		{"surrogate bytes", "<a>\xED\xA0\x80</a>", "", CodeXML},
		{"overlong", "<a>\xC0\xAF</a>", "", CodeXML},
		{"Latin-1", "<a>\xE4</a>", "", CodeXML},
		{"CDATA end in text", `<a>]]></a>`, "", CodeXML},
		{"two hyphens in a comment", `<a><!-- -- --></a>`, "", CodeXML},
		{"three hyphens", `<a><!-- ---></a>`, "", CodeXML},
		{"declaration inside", `<a><?xml version="1.0"?></a>`, "", CodeXML},
		{"declaration after space", ` <?xml version="1.0"?><a/>`, "", CodeXML},
		{"instruction without name", `<a><? x?></a>`, "", CodeXML},
		{"instruction without space", `<a><?p/?></a>`, "", CodeXML},
		{"no version", `<?xml encoding="utf-8"?><a/>`, "", CodeXML},
		{"version 1.1", `<?xml version="1.1"?><a/>`, "", CodeXML},
		{"declaration out of order", `<?xml version="1.0" standalone="no" encoding="utf-8"?><a/>`, "", CodeXML},
		{"standalone maybe", `<?xml version="1.0" standalone="maybe"?><a/>`, "", CodeXML},
		{"declaration with a bracket", `<?xml version="1.0">?><a/>`, "", CodeXML},
		{"Latin-1 declared", `<?xml version="1.0" encoding="ISO-8859-1"?><a/>`, "", CodeEncoding},
		{"UTF-16 declared", `<?xml version="1.0" encoding="UTF-16"?><a/>`, "", CodeEncoding},
		{"DOCTYPE", `<!DOCTYPE a><a/>`, "", CodeDoctype},
		{"DOCTYPE with entities", `<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`, "", CodeDoctype},
		{"other declaration", `<a><!ELEMENT b ANY></a>`, "", CodeXML},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := events(strings.NewReader(tt.xml), len(tt.xml), Limits{})
			require.Equal(t, tt.code, code(t, err), "%v", err)
			if tt.code == "" {
				require.Equal(t, tt.want, got)
			}
			slow, err := events(iotest.OneByteReader(strings.NewReader(tt.xml)), len(tt.xml), Limits{})
			require.Equal(t, tt.code, code(t, err), "byte by byte: %v", err)
			require.Equal(t, got, slow, "byte by byte")
			if malformed(tt.xml) && tt.code == "" {
				t.Errorf("encoding/xml refuses what was read")
			}
		})
	}
}

// malformed asks encoding/xml, which knows less of namespaces and of what surrounds the root.
func malformed(doc string) bool {
	d := xml.NewDecoder(strings.NewReader(doc))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	for {
		if _, err := d.Token(); err != nil {
			return err != io.EOF
		}
	}
}

func TestScannerBounds(t *testing.T) { // R2
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(" a" + decimal(int64(i)) + `=""`)
		}
		return b.String()
	}
	binds := func(n int) string {
		return strings.ReplaceAll(strings.ReplaceAll(many(n), ` a`, ` xmlns:a`), `""`, `"u"`)
	}
	for _, tt := range []struct{ name, xml, code string }{
		{"deep enough", strings.Repeat("<a>", 32) + strings.Repeat("</a>", 32), ""},
		{"too deep", strings.Repeat("<a>", 33) + strings.Repeat("</a>", 33), LimitDepth},
		{"a million deep", strings.Repeat("<a>", 1<<20), LimitDepth},
		{"long tag", `<a b="` + strings.Repeat("x", 65527) + `"/>`, ""},
		{"too long tag", `<a b="` + strings.Repeat("x", 65528) + `"/>`, LimitTag},
		{"endless tag", `<a b="` + strings.Repeat("x", 1<<20), LimitTag},
		{"endless name", `<` + strings.Repeat("x", 1<<20), LimitTag},
		{"endless space in an end tag", `<a></a` + strings.Repeat(" ", 1<<20), LimitTag},
		{"endless declaration", `<?xml version="1.0"` + strings.Repeat(" ", 1<<20), LimitTag},
		{"endless instruction name", `<?` + strings.Repeat("x", 1<<20), LimitTag},
		{"long comment", `<!--` + strings.Repeat("x", 1<<20) + `--><a/>`, ""},
		{"long text", `<a>` + strings.Repeat("x", 1<<20) + `</a>`, ""},
		{"many attributes", `<a` + many(128) + `/>`, ""},
		{"too many attributes", `<a` + many(129) + `/>`, LimitAttributes},
		{"many namespaces", `<a` + binds(64) + `/>`, ""},
		{"too many namespaces", `<a` + binds(65) + `/>`, LimitNamespaces},
		{"long namespace", `<a xmlns="` + strings.Repeat("u", 2000) + `"/>`, LimitNamespaces},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := events(strings.NewReader(tt.xml), len(tt.xml), Limits{})
			require.Equal(t, tt.code, code(t, err), "%v", err)
		})
	}
}

// UTF-16 is what every XML reader must know (XML 1.0, 4.3.3).
func TestScannerUTF16(t *testing.T) {
	const doc = `<?xml version="1.0" encoding="UTF-16"?><a b="ä">😀 ` + "\u4e2d" + `</a>`
	const want = "<a b=ä>😀 中</>"
	for _, tt := range []struct{ name, raw, want, code string }{
		{"little endian", "\xFF\xFE" + utf16Of(doc, false), want, ""},
		{"big endian", "\xFE\xFF" + utf16Of(doc, true), want, ""},
		{"without mark, little", utf16Of(doc, false), want, ""},
		{"without mark, big", utf16Of(doc, true), want, ""},
		{"long", "\xFF\xFE" + utf16Of("<a>"+strings.Repeat("é中", 100_000)+"</a>", false), "<a>" + strings.Repeat("é中", 100_000) + "</>", ""},
		{"odd byte", "\xFF\xFE" + utf16Of(doc, false) + "x", "", CodeEncoding},
		{"lone surrogate", "\xFF\xFE" + utf16Of("<a>", false) + "\x3D\xD8" + utf16Of("</a>", false), "", CodeEncoding},
		{"cut in a pair", "\xFF\xFE" + utf16Of("<a>", false) + "\x3D\xD8", "", CodeEncoding},
		{"says UTF-8", "\xFF\xFE" + utf16Of(strings.Replace(doc, "UTF-16", "UTF-8", 1), false), "", CodeEncoding},
		{"UTF-32", "\xFF\xFE\x00\x00<\x00\x00\x00", "", CodeEncoding},
		{"UTF-32 without mark", "\x00\x00\x00<", "", CodeEncoding},
		{"cut", "\xFF\xFE" + utf16Of("<a>", false), "", CodeTruncated},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := events(strings.NewReader(tt.raw), len(tt.raw), Limits{})
			require.Equal(t, tt.code, code(t, err), "%v", err)
			if tt.code == "" {
				require.Equal(t, tt.want, got)
			}
		})
	}
}
