package usersync_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/xuri/excelize/v2"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

// oddSchema has what a template can stumble over: lists, words of its own, titles, aliases, many options,
// other scripts, names that look like formulas.
func oddSchema() usersync.Schema {
	var cities []usersync.EnumValue
	for i := range 400 {
		cities = append(cities, usersync.EnumValue{Value: "city" + strconv.Itoa(i), Words: []string{fmt.Sprintf("City, no. %d", i)}})
	}
	return usersync.Schema{Sheet: "Людi'26", Key: "login", Status: "state", Fields: []usersync.Field{
		{Name: "login", Title: "=Login", Aliases: []string{"-user", "@name"}, Sample: "=1+1", Identifier: true, Required: usersync.Always},
		{Name: "state", Title: "Current <Status> & more", Kind: usersync.KindBool, TrueWords: []string{"Active"}, FalseWords: []string{"Archived"}, Sample: "true"},
		{Name: "role", Kind: usersync.KindEnum, Required: usersync.Always, Sample: "adm",
			Options: []usersync.EnumValue{{Value: "adm", Words: []string{`"Admin"`}}, {Value: "usr", Words: []string{"=User"}}}},
		{Name: "groups", Title: "Group(s)", Required: usersync.Always, Kind: usersync.KindEnum, Sample: "a;b", List: &usersync.ListFormat{Separator: ";", None: "none"},
			Options: []usersync.EnumValue{{Value: "a", Words: []string{"Alpha"}}, {Value: "b", Words: []string{"Beta"}}}},
		{Name: "city", Kind: usersync.KindEnum, Options: cities, Sample: "city7"},
		{Name: "naïve", Title: "名前 🙂", Help: `Say "<b>&</b>" ]]>.`, Required: usersync.ForNewUsers, MinLength: 2, MaxLength: 50},
		{Name: "code", Title: strings.Repeat("A long title ", 8), Pattern: `\d+`, PatternHelp: "digits only", Sample: "007"},
		{Name: "_x0041_", Sample: "_x0042_"},
	}}
}

func template(t testing.TB, s usersync.Schema) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, s.WriteTemplate(&out))
	return out.Bytes()
}

func opened(t testing.TB, file []byte) *excelize.File {
	t.Helper()
	f, err := excelize.OpenReader(bytes.NewReader(file))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

// previewOf reads a file with the schema, against no users.
func previewOf(t testing.TB, s usersync.Schema, src usersync.Source) *usersync.Plan {
	t.Helper()
	store := memory.New(memory.WithKey(s.Key))
	eng, err := usersync.New(store, store.Baselines(), usersync.WithSchema(s))
	require.NoError(t, err)
	plan, err := eng.Preview(context.Background(), usersync.DefaultConfig("Staff"), src)
	require.NoError(t, err)
	return plan
}

func inXLSX(file []byte) usersync.Source {
	return usersync.XLSX(bytes.NewReader(file), int64(len(file)))
}

var templateSchemas = map[string]func() usersync.Schema{"default": usersync.DefaultSchema, "odd": oddSchema}

// P1: reading the template back gives the schema. C7: the sample row is an Error of its own.
func TestTemplateReadBackGivesTheSchema(t *testing.T) {
	for name, schema := range templateSchemas {
		t.Run(name, func(t *testing.T) {
			s := schema()
			plan := previewOf(t, s, inXLSX(template(t, s)))
			require.Len(t, plan.Source.Columns, len(s.Fields))
			for i, f := range s.Fields {
				require.Equal(t, f.Name, plan.Source.Columns[i].Field, "column %d", i)
			}
			require.Empty(t, plan.Source.OtherSheets)
			require.Empty(t, plan.Source.Unknown())
			require.Equal(t, 1, plan.Source.Rows)
			require.Equal(t, 1, plan.Counts().Errors)
		})
	}
	s := usersync.DefaultSchema()
	for row := range previewOf(t, s, inXLSX(template(t, s))).Rows() {
		require.Len(t, row.Reasons, 1)
		require.Equal(t, usersync.CodeSampleRow, row.Reasons[0].Code) // C7
	}
}

// C7: samples of required fields are recognised in the words that the template offers.
func TestTemplateSampleWordsAreRecognised(t *testing.T) {
	s := oddSchema()
	plan := previewOf(t, s, inXLSX(template(t, s)))
	for row := range plan.Rows() {
		require.Contains(t, reasonCodes(row.Reasons), usersync.CodeSampleRow)
	}
}

func reasonCodes(reasons []usersync.Reason) []usersync.Code {
	var codes []usersync.Code
	for _, r := range reasons {
		codes = append(codes, r.Code)
	}
	return codes
}

// P1: every field in order, bold headers, yellow where required, a sample in italics, all in text format.
func TestTemplateLooks(t *testing.T) {
	for name, schema := range templateSchemas {
		t.Run(name, func(t *testing.T) {
			s := schema()
			f := opened(t, template(t, s))
			sheet := f.GetSheetList()[0]
			require.Equal(t, s.Sheet, sheet)
			for i, field := range s.Fields {
				col, _ := excelize.ColumnNumberToName(i + 1)
				style := cellStyle(t, f, sheet, col+"1")
				require.Equal(t, field.Header(), cellText(t, f, sheet, col+"1"))
				require.True(t, style.Font.Bold)
				yellow := len(style.Fill.Color) > 0 && style.Fill.Color[0] == "FFFF00"
				require.Equal(t, field.Required == usersync.Always, yellow, field.Name)
				require.True(t, cellStyle(t, f, sheet, col+"2").Font.Italic)
				for _, row := range []string{"2", "3", "5000", "1048576"} {
					require.Equal(t, 49, cellStyle(t, f, sheet, col+row).NumFmt, "%s%s is text", col, row)
				}
				width, err := f.GetColWidth(sheet, col)
				require.NoError(t, err)
				require.GreaterOrEqual(t, width, 12.0)
			}
			panes, err := f.GetPanes(sheet)
			require.NoError(t, err)
			require.True(t, panes.Freeze && panes.YSplit == 1 && panes.XSplit == 0)
		})
	}
}

func cellStyle(t testing.TB, f *excelize.File, sheet, cell string) *excelize.Style {
	t.Helper()
	id, err := f.GetCellStyle(sheet, cell)
	require.NoError(t, err)
	style, err := f.GetStyle(id)
	require.NoError(t, err)
	if style.Font == nil {
		style.Font = &excelize.Font{}
	}
	return style
}

func cellText(t testing.TB, f *excelize.File, sheet, cell string) string {
	t.Helper()
	text, err := f.GetCellValue(sheet, cell)
	require.NoError(t, err)
	return text
}

// P1: the sample row speaks the words that the drop-downs offer.
func TestTemplateSamples(t *testing.T) {
	f := opened(t, template(t, oddSchema()))
	rows, err := f.GetRows(f.GetSheetList()[0])
	require.NoError(t, err)
	require.Equal(t, []string{"=1+1", "Active", `"Admin"`, "Alpha; Beta", "City, no. 7", "", "007", "_x0042_"}, rows[1])
}

// P1: without a sample by which it could be recognised there is no sample row. (C7)
func TestTemplateWithoutSamples(t *testing.T) {
	s := usersync.DefaultSchema()
	for i := range s.Fields {
		if s.Fields[i].Required == usersync.Always {
			s.Fields[i].Sample = ""
		}
	}
	require.Zero(t, previewOf(t, s, inXLSX(template(t, s))).Source.Rows)
}

// P1: drop-downs for booleans and enumerations.
func TestTemplateDropDowns(t *testing.T) {
	s := oddSchema()
	f := opened(t, template(t, s))
	sheet := f.GetSheetList()[0]
	offers, err := f.GetDataValidations(sheet)
	require.NoError(t, err)
	got := map[string][]string{}
	for _, v := range offers {
		require.Equal(t, "list", v.Type)
		require.False(t, v.ShowDropDown, "in the format, true hides it")
		got[v.Sqref] = offered(t, f, v.Formula1)
	}
	require.Equal(t, []string{"Active", "Archived"}, got["B2:B1048576"])
	require.Equal(t, []string{`"Admin"`, "=User"}, got["C2:C1048576"])
	require.Equal(t, []string{"Alpha", "Beta"}, got["D2:D1048576"])
	require.Len(t, got["E2:E1048576"], 400)
	require.Equal(t, "City, no. 399", got["E2:E1048576"][399])
	require.Len(t, got, 4)
	visible, err := f.GetSheetVisible("Lists")
	require.NoError(t, err)
	require.False(t, visible)
}

// offered gives the words of a drop-down as a spreadsheet program would.
func offered(t *testing.T, f *excelize.File, formula string) []string {
	if list, ok := strings.CutPrefix(formula, `"`); ok {
		require.LessOrEqual(t, len(list)-1, 255)
		return strings.Split(strings.TrimSuffix(list, `"`), ",")
	}
	sheet, cells, ok := strings.Cut(formula, "!")
	require.True(t, ok, formula)
	var col, from, to string
	parts := strings.FieldsFunc(cells, func(r rune) bool { return r == '$' || r == ':' })
	require.Len(t, parts, 4)
	col, from, to = parts[0], parts[1], parts[3]
	first, err := strconv.Atoi(from)
	require.NoError(t, err)
	last, err := strconv.Atoi(to)
	require.NoError(t, err)
	var words []string
	for row := first; row <= last; row++ {
		words = append(words, cellText(t, f, strings.Trim(sheet, "'"), col+strconv.Itoa(row)))
	}
	return words
}

// P1: a note on each header, and a sheet that explains every field.
func TestTemplateExplains(t *testing.T) {
	for name, schema := range templateSchemas {
		t.Run(name, func(t *testing.T) {
			s := schema()
			f := opened(t, template(t, s))
			notes, err := f.GetComments(f.GetSheetList()[0])
			require.NoError(t, err)
			require.Len(t, notes, len(s.Fields))
			guide, err := f.GetRows("Fields")
			require.NoError(t, err)
			require.Len(t, guide, 4+len(s.Fields))
			for i, field := range s.Fields {
				note := notes[i].Text
				for _, run := range notes[i].Paragraph {
					note += run.Text
				}
				require.Contains(t, note, field.Header())
				require.Contains(t, note, field.Help)
				require.Equal(t, field.Required == usersync.Always, strings.Contains(note, "Required."))
				row := strings.Join(guide[4+i], "|")
				require.Equal(t, field.Header(), guide[4+i][0])
				require.Contains(t, row, field.Help)
				require.Contains(t, row, strings.Join(field.Aliases, ", "))
				if field.MaxLength > 0 {
					require.Contains(t, row, strconv.Itoa(field.MaxLength))
				}
			}
		})
	}
}

// The schema's own sheet can have the names that the template's other sheets have.
func TestTemplateSheetNames(t *testing.T) {
	for _, name := range []string{"", "Fields", "fields", "Lists", "Field guide", strings.Repeat("long", 7)} {
		s := oddSchema()
		s.Sheet = name
		plan := previewOf(t, s, inXLSX(template(t, s)))
		require.Empty(t, plan.Source.Unknown(), name)
		require.Empty(t, plan.Source.OtherSheets, name)
		require.Len(t, plan.Source.Columns, len(s.Fields), name)
	}
}

// P2: zero formula cells, and well-formed parts, whatever a schema says.
func TestTemplateHasNoFormulas(t *testing.T) {
	s := oddSchema()
	for i, text := range exportPayloads {
		s.Fields = append(s.Fields, usersync.Field{Name: "f" + strconv.Itoa(i), Title: text + " " + strconv.Itoa(i), Help: text, Sample: text,
			Kind: usersync.KindEnum, Options: []usersync.EnumValue{{Value: "o", Words: []string{text}}}})
	}
	file := template(t, s)
	requireNoFormulas(t, file)
	requireWellFormed(t, file)
}

// exportPayloads are texts that spreadsheet programs have taken for formulas, and texts that are easily
// spoilt on the way.
var exportPayloads = []string{
	"=1+1", "+1+1", "-1+1", "@SUM(A1)", "=cmd|' /C calc'!A0", `=HYPERLINK("http://example.com","x")`,
	"\t=1+1", "\r=1+1", "\n=1+1", " =1+1", "＝1+1", "'=1+1", "'tis", "+49 30 1234", "a;=1", "a,=1", "a\n=1",
	`"=1"`, "|=1", "<b>&amp;</b>", "_x003D_1", "名前 🙂", "O'Brien",
}

func requireNoFormulas(t testing.TB, file []byte) {
	t.Helper()
	f := opened(t, file)
	for _, sheet := range f.GetSheetList() {
		rows, err := f.GetRows(sheet)
		require.NoError(t, err)
		for r, row := range rows {
			for c := range row {
				cell, _ := excelize.CoordinatesToCellName(c+1, r+1)
				formula, err := f.GetCellFormula(sheet, cell)
				require.NoError(t, err)
				require.Empty(t, formula, "%s!%s", sheet, cell)
				kind, err := f.GetCellType(sheet, cell)
				require.NoError(t, err)
				require.Contains(t, []excelize.CellType{excelize.CellTypeInlineString, excelize.CellTypeUnset}, kind, "%s!%s", sheet, cell)
			}
		}
	}
}

// requireWellFormed reads every part with encoding/xml and finds neither formulas nor links in sheets.
func requireWellFormed(t testing.TB, file []byte) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	require.NoError(t, err)
	for _, part := range z.File {
		r, err := part.Open()
		require.NoError(t, err)
		dec := xml.NewDecoder(r)
		for {
			token, err := dec.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err, part.Name)
			if start, ok := token.(xml.StartElement); ok && strings.HasPrefix(part.Name, "xl/worksheets/sheet") {
				require.NotContains(t, []string{"f", "hyperlink", "v"}, start.Name.Local, part.Name)
			}
		}
		require.NoError(t, r.Close())
	}
}

func TestTemplateIsRepeatable(t *testing.T) {
	for _, schema := range templateSchemas {
		first := template(t, schema())
		for range 5 {
			require.Equal(t, first, template(t, schema()))
		}
	}
}

func TestTemplateErrors(t *testing.T) {
	var invalid *usersync.InvalidError
	require.ErrorAs(t, usersync.Schema{}.WriteTemplate(io.Discard), &invalid)
	require.ErrorIs(t, usersync.DefaultSchema().WriteTemplate(failingWriter{}), errDiskFull)
}

var errDiskFull = errors.New("disk full")

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errDiskFull }

// A second program opens the template and finds the same cells.
func TestTemplateInLibreOffice(t *testing.T) {
	for name, schema := range templateSchemas {
		csv := convert(t, template(t, schema()), "csv")
		for _, f := range schema().Fields {
			require.Contains(t, csv, strings.TrimSpace(strings.ReplaceAll(f.Header(), `"`, `""`)), name)
		}
		require.NotContains(t, csv, "#NAME?")
	}
	require.Contains(t, convert(t, template(t, usersync.DefaultSchema()), "csv"), "01234")
	convert(t, template(t, oddSchema()), "pdf")
}

// convert has LibreOffice read a workbook and gives what it makes of the first sheet.
func convert(t testing.TB, file []byte, format string) string {
	t.Helper()
	office, err := exec.LookPath("soffice")
	if err != nil {
		t.Skip("SKIPPED: needs soffice (LibreOffice Calc) in PATH")
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "book.xlsx"), file, 0o600))
	cmd := exec.Command(office, "-env:UserInstallation=file://"+filepath.ToSlash(dir)+"/profile",
		"--headless", "--convert-to", map[string]string{"csv": "csv:Text - txt - csv (StarCalc):44,34,76", "pdf": "pdf"}[format], "--outdir", dir, filepath.Join(dir, "book.xlsx"))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	got, err := os.ReadFile(filepath.Join(dir, "book."+format))
	require.NoError(t, err, "%s", out)
	return string(got)
}

func ExampleSchema_WriteTemplate() {
	var file bytes.Buffer
	if err := usersync.DefaultSchema().WriteTemplate(&file); err != nil {
		fmt.Println(err)
		return
	}
	book, err := excelize.OpenReader(&file)
	if err != nil {
		fmt.Println(err)
		return
	}
	rows, err := book.GetRows("Users")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(book.GetSheetList(), len(rows[0]), "columns")
	for i, header := range rows[0][:4] {
		fmt.Printf("%s: %s\n", header, rows[1][i])
	}
	// Output:
	// [Users Fields] 24 columns
	// userName: jane.doe
	// email: jane.doe@example.com
	// firstName: Jane
	// lastName: Doe
}
