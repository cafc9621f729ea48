package xlsx

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync/internal/table"
)

// fuzzLimits keep one input quick.
var fuzzLimits = Limits{Inflated: 8 << 20, Rows: 10_000, SharedStrings: 10_000}

// FuzzXLSX reads any bytes: rows or a refusal, no panic, no hang (R1, R2).
func FuzzXLSX(f *testing.F) {
	f.Add(book{}.zip(f))
	f.Add(book{sheet: oneCell}.zip(f))
	f.Add(rawZip(rawBook(), false))
	f.Add(rawZip(rawBook(), true))
	f.Add(smallWorkbook(f))
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		mustRefuse(t, readBounded(t, raw))
	})
}

// readBounded reads all sheets with a deadline that only a hang meets.
func readBounded(t *testing.T, raw []byte) error {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	w, err := Open(ctx, bytes.NewReader(raw), int64(len(raw)), fuzzLimits)
	if err != nil {
		return err
	}
	for _, sheet := range w.Sheets() {
		for row, err := range w.Rows(ctx, sheet) {
			if err != nil {
				return err
			}
			checkRow(t, row)
		}
	}
	return nil
}

// checkRow holds a row against what table.Row promises.
func checkRow(t *testing.T, row *table.Row) {
	require.NotEmpty(t, row.Cells)
	last := -1
	for _, c := range row.Cells {
		require.Greater(t, c.Col, last)
		last = c.Col
		require.True(t, utf8.ValidString(c.Text), "%q", c.Text)
		require.Equal(t, c.Kind == table.NoValue, c.Text == "")
		require.True(t, c.Kind == table.Number || c.Format == "")
	}
}

func mustRefuse(t *testing.T, err error) {
	var r *table.Refusal
	if err != nil && !errors.As(err, &r) {
		t.Fatal(err)
	}
	if r != nil && (r.Code == "" || r.Detail == "" || r.Advice == "") {
		t.Fatalf("%+v", r)
	}
}

// FuzzParts puts any text into the place of one part of a sound workbook. What encoding/xml finds
// malformed must be refused; where the window ends, and whether the quick readers are used, must
// make no difference.
func FuzzParts(f *testing.F) {
	rich := sheetHead + `<row r="1" hidden="1"><c r="A1" t="inlineStr"><is><r><t xml:space="preserve"> a&#x41;_x000D_</t></r><rPh sb="0"><t>x</t></rPh></is></c>` +
		`<c r="B1" s="3"><f>A1</f><v>1.5</v></c><c r="C1" t="b"><v>1</v></c><c r="D1" t="e"><v>#N/A</v></c></row><row><c t="s"><v>0</v></c></row><!-- c -->` + sheetTail
	for place, part := range []string{rich, sstHead + `<si><t>a</t></si><si><r><t>b</t></r></si></sst>`, stylesXML, bookXML, bookRels, typesXML} {
		f.Add(uint8(place), part)
		f.Add(uint8(place), strings.NewReplacer("<", "<x:", "<?", "<?", "xmlns=", "xmlns:x=").Replace(part))
	}
	f.Add(uint8(0), sheetHead+`<mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"><mc:Choice Requires=""><row/></mc:Choice><mc:Fallback/></mc:AlternateContent>`+sheetTail)
	f.Add(uint8(0), "\xFF\xFE"+utf16Of(oneCell[len(xmlHead):], false))
	f.Add(uint8(0), sheetHead+`<row r="3"><c r="C3" t="d"><v>2021-01-02T03:04:05Z</v></c><c s="4"><v>.5</v></c></row><![CDATA[ ]]>`+sheetTail)
	f.Add(uint8(2), strings.Replace(stylesXML, "00000", `[&lt;1]h:mm;[Red]yyyy;"x"\y_z*0@`, 1))
	f.Fuzz(func(t *testing.T, place uint8, part string) {
		var b book
		parts := []*string{&b.sheet, &b.shared, &b.styles, &b.workbook, &b.rels, &b.types}
		at := int(place) % len(parts)
		b.sheet = oneCell
		*parts[at] = part + " " // never "", which stands for a sound part
		err := readBounded(t, b.stored())
		mustRefuse(t, err)
		if err == nil && foundMalformed(part) {
			t.Fatal("encoding/xml finds it malformed")
		}
		compareWindows(t, part)
		if at == 0 {
			compareReaders(t, part)
		}
	})
}

// foundMalformed is what encoding/xml says of a part in UTF-8; of names it knows an older edition.
func foundMalformed(part string) bool {
	if !utf8.ValidString(part) || strings.HasPrefix(part, "\x00<") || strings.HasPrefix(part, "<\x00") {
		return false
	}
	d := xml.NewDecoder(strings.NewReader(part))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	for {
		_, err := d.Token()
		if err != nil {
			return err != io.EOF && !strings.Contains(err.Error(), "invalid XML name")
		}
	}
}

// compareWindows scans a part at once and byte by byte.
func compareWindows(t *testing.T, part string) {
	got, err1 := events(strings.NewReader(part), len(part), Limits{})
	want, err2 := events(iotest.OneByteReader(strings.NewReader(part)), len(part), Limits{})
	require.Equal(t, code(t, err2), code(t, err1), "%v / %v", err2, err1)
	require.True(t, err1 != nil || want == got, "%q / %q", want, got)
}

// compareReaders reads a sheet at once and byte by byte, so that no cell is ever whole within the
// window and the quick readers stay out. Of two things wrong close together, either may be named.
func compareReaders(t *testing.T, part string) {
	w := open(t, book{}.stored())
	w.lim.Rows = fuzzLimits.Rows
	got, err1 := readPart(w, strings.NewReader(part), len(part))
	want, err2 := readPart(w, iotest.OneByteReader(strings.NewReader(part)), len(part))
	require.Equal(t, want, got)
	require.Equal(t, err2 == nil, err1 == nil, "%v / %v", err2, err1)
	mustRefuse(t, err1)
}

func readPart(w *Workbook, src io.Reader, size int) ([]string, error) {
	s, err := newScanner(src, "sheet.xml", uint64(size), w.lim)
	if err != nil {
		return nil, err
	}
	var got []string
	r := sheetReader{s: s, book: w, texts: texts{chars: w.lim.CellChars}, emit: func(row *table.Row) bool {
		for _, c := range row.Cells {
			got = append(got, referenceOf(c.Col, row.Number)+" "+show(c))
		}
		return true
	}}
	return got, r.worksheet()
}
