package xlsx

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync/internal/table"
)

// code gives the code of a refusal, "" for no error.
func code(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var r *table.Refusal
	require.ErrorAs(t, err, &r)
	require.NotEmpty(t, r.Detail)
	require.NotEmpty(t, r.Advice)
	return r.Code
}

// TestCells reads the content of sheetData: the cells without the sheet's name, or the code of the
// refusal.
func TestCells(t *testing.T) {
	type cells = map[string]string
	row := func(inner string) string { return `<row r="1">` + inner + `</row>` }
	for _, tt := range []struct {
		name, xml string
		want      cells
		code      string
	}{
		// R4: the types of cell
		{"shared", row(`<c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c>`), cells{"A1": "text zero", "B1": "text one"}, ""},
		{"shared with space", row(`<c r="A1" t="s"><v> 1 </v></c>`), cells{"A1": "text one"}, ""},
		{"shared blank", row(`<c r="A1" t="s"/><c r="B1" t="s"><v/></c>`), cells{}, ""},
		{"inline", row(`<c r="A1" t="inlineStr"><is><t> a&amp;b </t></is></c>`), cells{"A1": "text  a&b "}, ""},
		{"inline empty", row(`<c r="A1" t="inlineStr"><is><t></t></is></c>`), cells{}, ""},
		{"inline in v", row(`<c r="A1" t="inlineStr"><v>x</v></c>`), cells{"A1": "text x"}, ""},
		{"inline beside v", row(`<c r="A1" t="inlineStr"><v>1.0</v><is><t>1.</t></is></c><c r="B1" t="inlineStr"><is><t>b</t></is><v>2</v></c>`), cells{"A1": "text 1.", "B1": "text b"}, ""},
		{"rich text", row(`<c r="A1" t="inlineStr"><is><r><rPr><b/></rPr><t>Mü</t></r><r><t>ller</t></r><rPh sb="0" eb="1"><t>NO</t></rPh><phoneticPr fontId="1"/></is></c>`), cells{"A1": "text Müller"}, ""},
		{"escapes", row(`<c r="A1" t="inlineStr"><is><t>a_x000D__x005F_x000D_</t></is></c>`), cells{"A1": "text a\r_x000D_"}, ""},
		{"escape not across runs", row(`<c r="A1" t="inlineStr"><is><r><t>_x00</t></r><r><t>41_</t></r></is></c>`), cells{"A1": "text _x0041_"}, ""},
		{"CDATA", row(`<c r="A1" t="inlineStr"><is><t>a<![CDATA[<b>&amp;]]]>]</t></is></c>`), cells{"A1": "text a<b>&amp;]]"}, ""},
		{"new lines", row("<c r=\"A1\" t=\"inlineStr\"><is><t>a\r\nb\rc&#13;d</t></is></c>"), cells{"A1": "text a\nb\nc\rd"}, ""},
		{"number", row(`<c r="A1"><v>00120.50</v></c><c r="B1" t="n"><v>-1E-3</v></c><c r="C1"><v> 7
</v></c>`), cells{"A1": "number 00120.50", "B1": "number -1E-3", "C1": "number 7"}, ""},
		{"number with a format", row(`<c r="A1" s="5"><v>1234</v></c>`), cells{"A1": "number 1234|00000"}, ""},
		{"bool", row(`<c r="A1" t="b"><v>1</v></c><c r="B1" t="b"><v>false</v></c>`), cells{"A1": "bool true", "B1": "bool false"}, ""},
		{"error", row(`<c r="A1" t="e"><v>#N/A</v></c>`), cells{"A1": "error #N/A"}, ""},
		{"formula", row(`<c r="A1"><f>1+1</f><v>2</v></c><c r="B1" t="str"><f>A1</f><v>x_x0041_</v></c><c r="C1" t="str"><f>""</f><v></v></c>`), cells{"A1": "number 2", "B1": "text xA"}, ""},
		{"formula without value", row(`<c r="A1"><f>1+1</f></c><c r="B1"><f>1</f><v/></c><c r="C1" t="str"><f>1</f></c>`), cells{"A1": "novalue ", "B1": "novalue ", "C1": "novalue "}, ""},
		{"dates", row(`<c r="A1" s="1"><v>44197</v></c><c r="B1" s="2"><v>44197.75</v></c><c r="C1" s="3"><v>10.5</v></c><c r="D1" s="4"><v>0.5</v></c>`), cells{"A1": "date 2021-01-01", "B1": "date 2021-01-01T18:00:00", "C1": "date PT252H", "D1": "date 12:00:00"}, ""},
		{"no such date", row(`<c r="A1" s="1"><v>60</v></c><c r="B1" s="1"><v>-1</v></c>`), cells{"A1": `number 60|yyyy\-mm\-dd`, "B1": `number -1|yyyy\-mm\-dd`}, ""},
		{"ISO date", row(`<c r="A1" t="d"><v>2021-03-04T05:06:07Z</v></c><c r="B1" s="1" t="d"><v>2021-03-04T05:06:07</v></c>`), cells{"A1": "date 2021-03-04T05:06:07", "B1": "date 2021-03-04"}, ""},

		// R1: rows and cells in order, once, where a sheet can have them
		{"without references", `<row><c t="s"><v>0</v></c><c/><c><v>3</v></c></row><row r="4"><c r="B4"><v>1</v></c><c><v>2</v></c></row><row><c><v>5</v></c></row>`, cells{"A1": "text zero", "C1": "number 3", "B4": "number 1", "C4": "number 2", "A5": "number 5"}, ""},
		{"hidden", `<row r="1" hidden="1"><c r="A1"><v>1</v></c></row><row r="2" ht="0" customHeight="1"><c r="A2"><v>1</v></c></row><row r="3" hidden="0" ht="10.5"/><row r="4" ht=""/>`, cells{"1": "hidden", "2": "hidden", "A1": "number 1", "A2": "number 1"}, ""},
		{"blank at the far corner", `<row r="1048576"><c r="XFD1048576" s="1"/></row>`, cells{}, ""},
		{"value at the far corner", `<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>`, nil, LimitColumns},
		{"rows twice", `<row r="2"/><row r="2"/>`, nil, CodeOrder},
		{"rows out of order", `<row r="2"/><row r="1"/>`, nil, CodeOrder},
		{"row 0", `<row r="0"/>`, nil, CodeReference},
		{"row -1", `<row r="-1"/>`, nil, CodeReference},
		{"row too large", `<row r="1048577"/>`, nil, CodeReference},
		{"row after the last", `<row r="1048576"/><row/>`, nil, CodeReference},
		{"row huge", `<row r="18446744073709551617"/>`, nil, CodeReference},
		{"row 01", `<row r="01"/>`, nil, CodeReference},
		{"hidden maybe", `<row r="1" hidden="maybe"/>`, nil, CodeValue},
		{"cells twice", row(`<c r="A1"/><c r="A1"/>`), nil, CodeOrder},
		{"cells out of order", row(`<c r="B1"><v>1</v></c><c r="A1"><v>1</v></c>`), nil, CodeOrder},
		{"cell of another row", row(`<c r="A2"/>`), nil, CodeReference},
		{"cell past XFD", row(`<c r="XFE1"/>`), nil, CodeReference},
		{"cell after XFD", row(`<c r="XFD1"/><c/>`), nil, CodeReference},
		{"cell a1", row(`<c r="a1"/>`), nil, CodeReference},
		{"cell $A$1", row(`<c r="$A$1"/>`), nil, CodeReference},
		{"cell A", row(`<c r="A"/>`), nil, CodeReference},
		{"cell empty reference", row(`<c r=""/>`), nil, CodeReference},

		// R1: what a cell refers to must exist, what it holds must be of its type
		{"shared string 2 of 2", row(`<c r="A1" t="s"><v>2</v></c>`), nil, CodeShared},
		{"shared string -1", row(`<c r="A1" t="s"><v>-1</v></c>`), nil, CodeShared},
		{"shared string 1.0", row(`<c r="A1" t="s"><v>1.0</v></c>`), nil, CodeShared},
		{"style 6 of 6", row(`<c r="A1" s="6"/>`), nil, CodeStyle},
		{"style -1", row(`<c r="A1" s="-1"/>`), nil, CodeStyle},
		{"style empty", row(`<c r="A1" s=""/>`), nil, CodeStyle},
		{"type unknown", row(`<c r="A1" t="x"/>`), nil, CodeCellType},
		{"bool 2", row(`<c r="A1" t="b"><v>2</v></c>`), nil, CodeValue},
		{"number abc", row(`<c r="A1"><v>abc</v></c>`), nil, CodeValue},
		{"number NaN", row(`<c r="A1"><v>NaN</v></c>`), nil, CodeValue},
		{"number 0x10", row(`<c r="A1"><v>0x10</v></c>`), nil, CodeValue},
		{"number 1_000", row(`<c r="A1"><v>1_000</v></c>`), nil, CodeValue},
		{"date 30 February", row(`<c r="A1" t="d"><v>2021-02-30</v></c>`), nil, CodeValue},
		{"half a character", row(`<c r="A1" t="inlineStr"><is><t>_xD83D_</t></is></c>`), nil, CodeText},
		{"two values", row(`<c r="A1"><v>1</v><v>2</v></c>`), nil, CodeStructure},
		{"two texts", row(`<c r="A1" t="inlineStr"><is><t>1</t><t>2</t></is></c>`), nil, CodeStructure},
		{"is in a number", row(`<c r="A1"><is><t>1</t></is></c>`), nil, CodeStructure},
		{"element in a value", row(`<c r="A1"><v>1<b/></v></c>`), nil, CodeStructure},
		{"text between cells", row(`<c r="A1"/>x`), nil, CodeStructure},
		{"text between rows", `<row r="1"/>x`, nil, CodeStructure},
		{"cell outside of a row", `<c r="A1"><v>1</v></c>`, nil, CodeStructure},
		{"row in a row", row(`<row r="2"/>`), nil, CodeStructure},
		{"unknown element in a string", row(`<c r="A1" t="inlineStr"><is><u>x</u></is></c>`), nil, CodeStructure},

		// Foreign elements are skipped, but must be well-formed; alternatives are resolved.
		{"foreign elements", `<x:a xmlns:x="u:x">t<b/></x:a><row r="1"><x:c xmlns:x="u:x"/><c r="A1"><x:v xmlns:x="u:x">9</x:v><v>1</v><extLst><ext uri="u"/></extLst></c><extLst/></row>`, cells{"A1": "number 1"}, ""},
		{"foreign element malformed", `<x:a xmlns:x="u:x">&nbsp;</x:a>`, nil, CodeXML},
		{"fallback", `<mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" xmlns:n="u:new"><mc:Choice Requires="n"><row r="9"/></mc:Choice><mc:Fallback><row r="1"><c r="A1"><v>1</v></c></row></mc:Fallback></mc:AlternateContent>`, cells{"A1": "number 1"}, ""},
		{"choice", `<mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" xmlns:n="http://purl.oclc.org/ooxml/spreadsheetml/main"><mc:Choice Requires="n"><row r="1"><c r="A1"><v>1</v></c></row></mc:Choice><mc:Fallback><row r="1"/></mc:Fallback></mc:AlternateContent><row r="2"/>`, cells{"A1": "number 1"}, ""},
		{"choice outside", `<mc:Choice xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" Requires=""/>`, nil, CodeStructure},
		{"filter among the rows", row(`<c r="A1"><v>1</v></c>`) + `<autoFilter ref="A1:B2"/>`, cells{"A1": "number 1"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readAll(book{sheet: sheetHead + tt.xml + sheetTail}.zip(t), Limits{})
			require.Equal(t, tt.code, code(t, err), "%v", err)
			if tt.code == "" {
				require.Equal(t, tt.want, unsheeted(got))
				pretty := strings.NewReplacer("<c ", "\n <c ", "<c>", "\n<c >", "</c>", "</c\n>").Replace(tt.xml)
				slow, err := readAll(book{sheet: sheetHead + pretty + sheetTail}.zip(t), Limits{})
				require.NoError(t, err)
				require.Equal(t, got, slow, "the general reader reads alike")
			}
		})
	}
}

func unsheeted(got map[string]string) map[string]string {
	out := map[string]string{}
	for ref, cell := range got {
		out[strings.TrimPrefix(ref, "Sheet1!")] = cell
	}
	return out
}

// R1: a refusal names the sheet and the cell, as a person would look for them.
func TestRefusalNamesThePlace(t *testing.T) {
	_, err := readAll(book{sheet: sheetHead + `<row r="7"><c r="C7" t="s"><v>5</v></c></row>` + sheetTail}.zip(t), Limits{})
	var r *table.Refusal
	require.ErrorAs(t, err, &r)
	require.Equal(t, "Sheet1", r.Sheet)
	require.Equal(t, "C7", r.Cell)
	require.Equal(t, 7, r.Row)
	require.Equal(t, "xl/worksheets/sheet1.xml", r.Part)
	require.Contains(t, err.Error(), `sheet "Sheet1", cell C7: the shared string "5"`)

	_, err = readAll(book{sheet: sheetHead + `<row r="7"><c r="C7"/><c r="Ä7"/></row>` + sheetTail}.zip(t), Limits{})
	require.ErrorContains(t, err, `row 7: a cell with r="Ä7"`)

	_, err = readAll(book{sheet: sheetHead + `<row r="7"><c r="&#10;` + strings.Repeat("x", 9999) + "\n" + `"/></row>` + sheetTail}.zip(t), Limits{})
	require.Less(t, len(err.Error()), 600)
	require.NotContains(t, err.Error(), "\n", "fit for a log")

	_, err = readAll(book{sheet: sheetHead + `<row r="7"/><row r="8"><c r="A8"/>` + sheetTail}.zip(t), Limits{})
	require.True(t, errors.As(err, &r))
	require.Equal(t, 8, r.Row)
}

// R2: each bound is an option and names itself.
func TestLimits(t *testing.T) {
	sheet := sheetHead + `<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="inlineStr"><is><t>täxt😀</t></is></c></row><row r="2"><c r="C2"><v>12345</v></c></row>` + sheetTail
	for _, tt := range []struct {
		code string
		pass Limits
		fail Limits
		at   int64
	}{
		{LimitRows, Limits{Rows: 2}, Limits{Rows: 1}, 1},
		{LimitColumns, Limits{Columns: 3}, Limits{Columns: 2}, 2},
		{LimitCell, Limits{CellChars: 6}, Limits{CellChars: 5}, 5},
		{LimitRowText, Limits{RowBytes: 9}, Limits{RowBytes: 8}, 8},
		{LimitEntries, Limits{Entries: 7}, Limits{Entries: 6}, 6},
		{LimitDepth, Limits{Depth: 6}, Limits{Depth: 5}, 5},
		{LimitTag, Limits{TagBytes: 200}, Limits{TagBytes: 100}, 100},
		{LimitShared, Limits{SharedStrings: 2}, Limits{SharedStrings: 1}, 1},
		{LimitSharedText, Limits{SharedBytes: 7}, Limits{SharedBytes: 6}, 6},
		{LimitFormat, Limits{FormatChars: 12}, Limits{FormatChars: 11}, 11},
		{LimitInflated, Limits{Inflated: 3500}, Limits{Inflated: 2000}, 2000},
	} {
		t.Run(tt.code, func(t *testing.T) {
			raw := book{sheet: sheet}.zip(t)
			_, err := readAll(raw, tt.pass)
			require.NoError(t, err)
			_, err = readAll(raw, tt.fail)
			require.Equal(t, tt.code, code(t, err), "%v", err)
			var r *table.Refusal
			require.ErrorAs(t, err, &r)
			require.Equal(t, tt.at, r.Limit)
			require.Contains(t, err.Error(), "limit of")
		})
	}
}
