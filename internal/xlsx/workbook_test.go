package xlsx

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const oneCell = sheetHead + `<row r="1"><c r="A1" t="s"><v>1</v></c><c r="B1" s="1"><v>1</v></c></row>` + sheetTail

func relsOf(lines ...string) string {
	out := xmlHead + `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">`
	for _, line := range lines {
		out += "<Relationship " + strings.Replace(line, `Type="`, `Type="`+officeURI+`/`, 1) + "/>"
	}
	return out + "</Relationships>"
}

func workbookOf(inner string) string {
	return xmlHead + `<workbook ` + mainNS + ` ` + officeNS + `>` + inner + `</workbook>`
}

// TestWorkbooks reads what surrounds the sheets: R1, R3, R5.
func TestWorkbooks(t *testing.T) {
	const (
		sheetRel  = `Id="rId1" Type="worksheet" Target="worksheets/sheet1.xml"`
		styleRel  = `Id="rId2" Type="styles" Target="styles.xml"`
		sharedRel = `Id="rId3" Type="sharedStrings" Target="sharedStrings.xml"`
	)
	typed := func(kind string) string {
		return strings.Replace(typesXML, "vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml", kind, 1)
	}
	strict := func(s string) string {
		return strings.NewReplacer(
			"http://schemas.openxmlformats.org/spreadsheetml/2006/main", "http://purl.oclc.org/ooxml/spreadsheetml/main",
			officeURI, officeStrictURI).Replace(s)
	}
	prefix := strings.NewReplacer("<?", "<?", "</", "</x:", "<", "<x:", "xmlns=", "xmlns:x=").Replace
	for _, tt := range []struct {
		name string
		book book
		code string
		want string // B1; A1 is always the second shared string
	}{
		{"as most are", book{}, "", "date 1900-01-01"},
		{"strict", book{rootRels: strict(rootRels), rels: strict(bookRels), workbook: strict(bookXML), styles: strict(stylesXML), sheet: strict(oneCell)}, "", "date 1900-01-01"},
		{"prefixed", book{workbook: prefix(bookXML), styles: prefix(stylesXML), shared: prefix(sstHead + "<si><t/></si><si><t>one</t></si></sst>"), sheet: prefix(oneCell), rels: prefix(bookRels), types: prefix(typesXML)}, "", "date 1900-01-01"},
		{"macros", book{types: typed("vnd.ms-excel.sheet.macroEnabled.main+xml")}, "", "date 1900-01-01"},
		{"template", book{types: typed("vnd.openxmlformats-officedocument.spreadsheetml.template.main+xml")}, "", "date 1900-01-01"},
		{"1904", book{workbook: workbookOf(`<workbookPr date1904="true"/><sheets><sheet name="Sheet1" r:id="rId1"/></sheets>`)}, "", "date 1904-01-02"},
		{"not 1904", book{workbook: workbookOf(`<workbookPr date1904="0"/><sheets><sheet name="Sheet1" r:id="rId1"/></sheets>`)}, "", "date 1900-01-01"},
		{"absolute targets", book{rels: relsOf(`Id="rId1" Type="worksheet" Target="/xl/worksheets/sheet1.xml"`, `Id="a" Type="styles" Target="\xl\styles.xml"`, `Id="b" Type="sharedStrings" Target="./../xl/sharedStrings.xml"`)}, "", "date 1900-01-01"},
		{"alternatives", book{workbook: workbookOf(`<mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"><mc:Choice Requires="x15" xmlns:x15="u:x15"><x15:absPath url="x"/></mc:Choice></mc:AlternateContent><sheets><sheet name="Sheet1" r:id="rId1"/></sheets>`)}, "", "date 1900-01-01"},
		{"escaped targets", book{rels: relsOf(`Id="rId1" Type="worksheet" Target="a%20b.xml"`, styleRel, sharedRel), sheet: "-", more: []entryOf{{"xl/a b.xml", oneCell}}}, "", "date 1900-01-01"},
		{"escaped parts", book{rels: relsOf(`Id="rId1" Type="worksheet" Target="a%20b.xml"`, styleRel, sharedRel), sheet: "-", more: []entryOf{{"xl/a%20b.xml", oneCell}}}, "", "date 1900-01-01"},
		{"UTF-16", book{workbook: "\xFF\xFE" + utf16Of(strings.Replace(bookXML, "UTF-8", "UTF-16", 1), false), sheet: "\xFE\xFF" + utf16Of(strings.Replace(oneCell, "UTF-8", "UTF-16", 1), true)}, "", "date 1900-01-01"},
		{"format with a condition in the styles", book{styles: strings.Replace(stylesXML, `yyyy\-mm\-dd`, `[&lt;1]h:mm;yyyy`, 1)}, "", "date 1900-01-01"},

		{"binary", book{types: typed("vnd.ms-excel.sheet.binary.macroEnabled.main")}, CodeBinary, ""},
		{"Word", book{types: typed("vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml")}, CodeWord, ""},
		{"PowerPoint", book{types: typed("vnd.openxmlformats-officedocument.presentationml.presentation.main+xml")}, CodePresentation, ""},
		{"OpenDocument", book{types: "-", more: []entryOf{{"mimetype", "application/vnd.oasis.opendocument.spreadsheet"}, {"META-INF/manifest.xml", "<x/>"}}}, CodeOpenDocument, ""},
		{"Numbers", book{types: "-", more: []entryOf{{"Index/Document.iwa", "x"}}}, CodeNumbers, ""},
		{"another archive", book{types: "-"}, CodeNotWorkbook, ""},
		{"another package", book{rootRels: relsOf(`Id="a" Type="other" Target="b"`)}, CodeNotWorkbook, ""},
		{"no package relationships", book{rootRels: "-"}, CodeMissing, ""},
		{"two workbooks", book{rootRels: relsOf(`Id="a" Type="officeDocument" Target="xl/workbook.xml"`, `Id="b" Type="officeDocument" Target="xl/workbook.xml"`)}, CodeRelation, ""},
		{"workbook missing", book{workbook: "-"}, CodeMissing, ""},
		{"workbook of another namespace", book{workbook: strings.Replace(bookXML, "spreadsheetml/2006/main", "x", 1)}, CodeStructure, ""},
		{"workbook cut", book{workbook: strings.TrimSuffix(bookXML, "</workbook>")}, CodeTruncated, ""},
		{"no relationships", book{rels: "-"}, CodeMissing, ""},
		{"relationship twice", book{rels: relsOf(sheetRel, sheetRel)}, CodeDuplicate, ""},
		{"relationship without target", book{rels: relsOf(`Id="rId1" Type="worksheet"`)}, CodeRelation, ""},
		{"two styles", book{rels: relsOf(sheetRel, styleRel, strings.Replace(styleRel, "rId2", "rId4", 1))}, CodeRelation, ""},
		{"styles elsewhere", book{rels: relsOf(sheetRel, styleRel+` TargetMode="External"`)}, CodeRelation, ""},
		{"sheet elsewhere", book{rels: relsOf(sheetRel + ` TargetMode="External"`)}, CodeRelation, ""},
		{"sheet leads nowhere", book{rels: relsOf(styleRel)}, CodeRelation, ""},
		{"sheet without id", book{workbook: workbookOf(`<sheets><sheet name="Sheet1"/></sheets>`)}, CodeStructure, ""},
		{"sheet without name", book{workbook: workbookOf(`<sheets><sheet name="" r:id="rId1"/></sheets>`)}, CodeStructure, ""},
		{"sheet with a long name", book{workbook: workbookOf(`<sheets><sheet name="` + strings.Repeat("x", 1025) + `" r:id="rId1"/></sheets>`)}, CodeStructure, ""},
		{"sheet of another state", book{workbook: workbookOf(`<sheets><sheet name="Sheet1" state="show" r:id="rId1"/></sheets>`)}, CodeStructure, ""},
		{"sheets of one name", book{workbook: workbookOf(`<sheets><sheet name="Ä" r:id="rId1"/><sheet name="ä" r:id="rId1"/></sheets>`)}, CodeDuplicate, ""},
		{"sheets twice", book{workbook: workbookOf(`<sheets><sheet name="A" r:id="rId1"/></sheets><sheets/>`)}, CodeStructure, ""},
		{"no sheet", book{workbook: workbookOf(`<sheets/>`)}, CodeNoSheet, ""},
		{"charts alone", book{rels: relsOf(`Id="rId1" Type="chartsheet" Target="c.xml"`)}, CodeNoSheet, ""},
		{"sheet missing", book{sheet: "-"}, CodeMissing, ""},
		{"sheet of another namespace", book{sheet: strings.Replace(oneCell, "spreadsheetml/2006/main", "x", 1)}, CodeStructure, ""},
		{"sheet without data", book{sheet: xmlHead + `<worksheet ` + mainNS + `/>`}, CodeStructure, ""},
		{"sheet with data twice", book{sheet: strings.Replace(oneCell, "</worksheet>", "<sheetData/></worksheet>", 1)}, CodeStructure, ""},
		{"something after the sheet", book{sheet: oneCell + "<!-- --> \n<x/>"}, CodeXML, ""},
		{"malformed after the data", book{sheet: strings.Replace(oneCell, "</worksheet>", "<cols a=1/></worksheet>", 1)}, CodeXML, ""},
		{"needs an extension", book{sheet: strings.Replace(oneCell, "<worksheet ", `<worksheet xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" xmlns:n="u:n" mc:MustUnderstand="n" `, 1)}, CodeStructure, ""},
		{"bad epoch", book{workbook: workbookOf(`<workbookPr date1904="maybe"/>`)}, CodeValue, ""},

		{"shared strings missing", book{shared: "-"}, CodeShared, ""},
		{"shared strings not referred to", book{rels: relsOf(sheetRel, styleRel)}, CodeShared, ""},
		{"shared strings cut", book{shared: sstHead + "<si><t>zero</t></si><si><t>one</t></si>"}, CodeTruncated, ""},
		{"shared strings of another namespace", book{shared: "<sst><si/><si/></sst>"}, CodeStructure, ""},
		{"unknown among the shared strings", book{shared: sstHead + "<s/></sst>"}, CodeStructure, ""},
		{"too few shared strings", book{shared: sstHead + "<si><t>zero</t></si></sst>"}, CodeShared, ""},
		{"styles missing", book{styles: "-"}, CodeStyle, ""},
		{"styles cut", book{styles: strings.TrimSuffix(stylesXML, "</styleSheet>")}, CodeTruncated, ""},
		{"cell formats twice", book{styles: strings.Replace(stylesXML, "</styleSheet>", "<cellXfs/></styleSheet>", 1)}, CodeStructure, ""},
		{"format without id", book{styles: strings.Replace(stylesXML, `numFmtId="165"`, ``, 1)}, CodeStructure, ""},
		{"no cell formats", book{styles: "<styleSheet " + mainNS + "/>"}, CodeStyle, ""},
		{"bad format id", book{styles: strings.Replace(stylesXML, `numFmtId="22"`, `numFmtId="-22"`, 1)}, CodeStyle, ""},
		{"format without code", book{styles: strings.Replace(stylesXML, `formatCode="00000"`, ``, 1)}, CodeStructure, ""},
		{"two codes for a format", book{styles: strings.Replace(stylesXML, `numFmtId="165"`, `numFmtId="164"`, 1)}, CodeDuplicate, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.book.sheet == "" {
				tt.book.sheet = oneCell
			}
			got, err := readAll(tt.book.zip(t), Limits{})
			require.Equal(t, tt.code, code(t, err), "%v", err)
			if tt.code == "" {
				require.Equal(t, map[string]string{"Sheet1!A1": "text one", "Sheet1!B1": tt.want}, got)
			}
		})
	}
}

// Parts that no cell needs may be missing.
func TestOptionalPartsMayBeMissing(t *testing.T) {
	for _, b := range []book{
		{shared: "-", styles: "-"},
		{shared: "-", styles: "-", rels: relsOf(`Id="rId1" Type="worksheet" Target="worksheets/sheet1.xml"`)},
	} {
		b.sheet = sheetHead + `<row><c s="0"><v>5</v></c></row>` + sheetTail
		got, err := readAll(b.zip(t), Limits{})
		require.NoError(t, err)
		require.Equal(t, map[string]string{"Sheet1!A1": "number 5"}, got)
	}
}

// R5: worksheets in the workbook's order with what a person sees of them.
func TestSheets(t *testing.T) {
	b := book{
		rels: relsOf(`Id="a" Type="worksheet" Target="worksheets/sheet1.xml"`, `Id="b" Type="worksheet" Target="b.xml"`,
			`Id="c" Type="chartsheet" Target="c.xml"`, `Id="d" Type="dialogsheet" Target="d.xml"`),
		workbook: workbookOf(`<sheets><sheet name="Chart" r:id="c"/><sheet name="B &amp; _x0041_" state="hidden" r:id="b"/>` +
			`<sheet name="Dialog" r:id="d"/><sheet name="A" state="visible" r:id="a"/><sheet name="C" state="veryHidden" r:id="b"/></sheets>`),
		more: []entryOf{{"xl/b.xml", sheetHead + strings.Repeat(`<row><c s="0"/></row>`, 1000) + sheetTail}},
	}
	w := open(t, b.zip(t))
	var got []string
	for _, sheet := range w.Sheets() {
		some, err := w.HasData(t.Context(), sheet)
		require.NoError(t, err)
		require.False(t, some, "blank cells are no data")
		if sheet.Visible {
			sheet.Name += " visible"
		}
		got = append(got, sheet.Name)
	}
	require.Equal(t, []string{"B & A", "A visible", "C"}, got)
	_, err := w.HasData(t.Context(), Sheet{Name: "of no workbook"})
	require.Equal(t, CodeMissing, code(t, err))
}

// A sheet can be read again, by several goroutines, and left at any row.
func TestRowsStartOver(t *testing.T) {
	w := open(t, userWorkbook(t, 3000, true))
	t.Run("at once", func(t *testing.T) {
		for range 4 {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				n := 0
				for row, err := range w.Rows(t.Context(), w.Sheets()[0]) {
					require.NoError(t, err)
					require.Equal(t, n+1, row.Number)
					n++
				}
				require.Equal(t, 3001, n)
			})
		}
	})
	before := runtime.NumGoroutine()
	for stop := range 5 {
		for row, err := range w.Rows(t.Context(), w.Sheets()[0]) {
			require.NoError(t, err)
			if row.Number > stop {
				break
			}
		}
	}
	for range 1000 { // the runtime may still count what has just ended
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Error("a goroutine outlives a call")
}

// Strings of a row outlive it, and a row that is not kept costs no more than one allocation.
func TestStringsMayBeKept(t *testing.T) {
	w := open(t, userWorkbook(t, 500, true))
	var kept [][]string
	for row, err := range w.Rows(t.Context(), w.Sheets()[0]) {
		require.NoError(t, err)
		var texts []string
		for _, c := range row.Cells {
			texts = append(texts, c.Text)
		}
		kept = append(kept, texts)
	}
	for n, texts := range kept {
		var want []string
		for _, f := range userFields(n) {
			if f != "" {
				want = append(want, f)
			}
		}
		require.Equal(t, want, texts)
	}
}

// Section 7 of the design: at most three allocations a row.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const rows = 2000
	for _, inline := range []bool{false, true} {
		raw := userWorkbook(t, rows, inline)
		perRun := testing.AllocsPerRun(3, func() {
			w := open(t, raw)
			for _, err := range w.Rows(t.Context(), w.Sheets()[0]) {
				require.NoError(t, err)
			}
		})
		require.Less(t, perRun/rows, 1.5, "inline strings: %v", inline)
	}
}

// A sheet with more than a chunk of shared text keeps every string apart.
func TestManySharedStrings(t *testing.T) {
	var shared, sheet strings.Builder
	const n = 40_000
	for i := range n {
		text := strings.Repeat(string(rune('a'+i%26)), i%97)
		if i%5000 == 7 {
			text = strings.Repeat("ж", 32767)
		}
		shared.WriteString("<si><t>" + text + "</t></si>")
		sheet.WriteString(`<row><c t="s"><v>` + decimal(int64(i)) + `</v></c></row>`)
	}
	w := open(t, book{sheet: sheetHead + sheet.String() + sheetTail, shared: sstHead + shared.String() + "</sst>"}.zip(t))
	for row, err := range w.Rows(t.Context(), w.Sheets()[0]) {
		require.NoError(t, err)
		i := row.Number - 1
		want := strings.Repeat(string(rune('a'+i%26)), i%97)
		if i%5000 == 7 {
			want = strings.Repeat("ж", 32767)
		}
		require.True(t, want == row.Cells[0].Text, "string %d", i)
	}
}
