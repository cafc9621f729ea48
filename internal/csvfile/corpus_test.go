package csvfile

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync/internal/table"
)

// corpus is a folder of spreadsheets of other projects that lies beside the checkout, if anywhere.
func corpus(t *testing.T) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "corpus")
	if _, err := os.Stat(filepath.Join(dir, "index.tsv")); err != nil {
		t.Skipf("SKIPPED, THE CORPUS IS ABSENT: %v", err)
	}
	return dir
}

// refusedHere are the CSV files of the corpus that are not read, by what is wrong with them.
var refusedHere = map[string]string{
	"csv-spectrum/csvs__location_coordinates.csv":      CodeQuote,    // degrees, minutes and "seconds" unquoted
	"frictionless/data__compression__implicit-gz.csv":  CodeEncoding, // compressed
	"frictionless/data__compression__implicit-zip.csv": CodeEncoding,
	"frictionless/data__escaping.csv":                  CodeQuote, // escapes with a backslash
	"frictionless/data__issue-1109.csv":                CodeQuote, // JSON in a cell without quotes
	"frictionless/data__issue-833.csv":                 CodeQuote,
	"frictionless/data__latin1.csv":                    CodeEncoding,
	"frictionless/data__table-infer-iso-8859-7.csv":    CodeEncoding,
	"frictionless/data__table-with-accents.csv":        CodeEncoding,
	"papaparse/docs__resources__files__malformed.tsv":  CodeUnclosedQuote,
	"xlsx2csv/test__variousdelim.csv":                  CodeLineEnding, // lines end with CR alone
}

// R1, R7: every other CSV file of the corpus is read, and as encoding/csv reads it.
func TestCorpus(t *testing.T) {
	dir := corpus(t)
	refused := map[string]string{}
	n := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !slices.Contains([]string{".csv", ".tsv"}, filepath.Ext(path)) || filepath.Dir(path) == dir {
			return err
		}
		n++
		name, _ := filepath.Rel(dir, path)
		if code := readLikeStandard(t, path); code != "" {
			refused[filepath.ToSlash(name)] = code
		}
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, n, 100)
	require.Empty(t, cmp.Diff(refusedHere, refused))
}

// readLikeStandard gives the code with which the file is refused, or "".
func readLikeStandard(t *testing.T, path string) string {
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	got, err := readAll(t, bytes.NewReader(data), Options{})
	if err != nil {
		var r *table.Refusal
		require.ErrorAs(t, err, &r)
		return r.Code
	}
	p, err := newParser(bytes.NewReader(data), Options{})
	if err != nil || p.comma == 0 {
		return ""
	}
	want, err := standardRows(bytes.TrimPrefix(data, []byte("\uFEFF")), rune(p.comma))
	require.NoError(t, err, path)
	require.Empty(t, cmp.Diff(want, withoutCR(got)), path)
	return ""
}

// R7
func TestCorpusValues(t *testing.T) {
	dir := corpus(t)
	tests := []struct {
		file     string
		encoding string
		want     []string
	}{
		{"csv-spectrum/csvs__comma_in_quotes.csv", "", []string{
			"1/5: A=first B=last C=address D=city E=zip", "2/5: A=John B=Doe C=120 any st. D=Anytown, WW E=08123"}},
		{"csv-spectrum/csvs__empty.csv", "", []string{"1/3: A=a B=b C=c", "2/3: A=1", "3/3: A=2 B=3 C=4"}},
		{"csv-spectrum/csvs__escaped_quotes.csv", "", []string{"1/2: A=a B=b", `2/2: A=1 B=ha "ha" ha`, "3/2: A=3 B=4"}},
		{"csv-spectrum/csvs__json.csv", "", []string{"1/2: A=key B=val", `2/2: A=1 B={"type": "Point", "coordinates": [102.0, 0.5]}`}},
		{"csv-spectrum/csvs__newlines.csv", "", []string{
			"1/3: A=a B=b C=c", "2/3: A=1 B=2 C=3", "3/3: A=Once upon \na time B=5 C=6", "5/3: A=7 B=8 C=9"}},
		{"csv-spectrum/csvs__quotes_and_newlines.csv", "", []string{"1/2: A=a B=b", "2/2: A=1 B=ha \n\"ha\" \nha", "5/2: A=3 B=4"}},
		{"csv-spectrum/csvs__simple.csv", "", []string{"1/3: A=a B=b C=c", "2/3: A=1 B=2 C=3"}},
		{"csv-spectrum/csvs__utf8.csv", "", []string{"1/3: A=a B=b C=c", "2/3: A=1 B=2 C=3", "3/3: A=4 B=5 C=\u02A4"}},
		{"papaparse/tests__utf-8-bom-sample.csv", "", []string{"1/3: A=A B=B C=C", "2/3: A=X B=Y C=Z"}},
		{"frictionless/data__latin1.csv", "iso-8859-1", []string{
			"1/2: A=id B=name", "2/2: A=1 B=english", "3/2: A=2 B=©"}},
		{"frictionless/data__table-infer-iso-8859-7.csv", "iso-8859-7", []string{
			"1/3: A=id B=age C=name", "2/3: A=1 B=39 C=Λεωνιδας", "3/3: A=2 B=23 C=Αλεξανδρος",
			"4/3: A=3 B=36 C=Μυρων", "5/3: A=4 B=28 C=Ευστοργιος"}},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			f, err := os.Open(filepath.Join(dir, tt.file))
			require.NoError(t, err)
			defer f.Close()
			got, err := readAll(t, f, Options{Encoding: tt.encoding})
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(tt.want, got))
		})
	}
}

// P2: no payload of the corpus, and no naughty string, is a formula once written, and each comes back.
func TestCorpusPayloads(t *testing.T) {
	dir := corpus(t)
	for _, name := range []string{"csvinj/Intruder__csv-payload.txt", "blns/blns.txt"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		for line := range strings.Lines(strings.ReplaceAll(string(data), "\x00", "")) {
			s := strings.TrimRight(line, "\n")
			require.NotContains(t, []string{"=", "+", "-", "@"}, (Escape(s) + "x")[:1])
			requireReadBack(t, 0, [][]string{{"x", s}, {s, "y"}})
		}
	}
}
