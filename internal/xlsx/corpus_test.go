package xlsx

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"github.com/xuri/excelize/v2"

	"github.com/usersync-go/usersync/internal/table"
)

// corpus is a folder of spreadsheets beside the repository that nobody here wrote. values.jsonl in
// it is what openpyxl reads in the first visible sheet of each workbook, at most 2,000 cells.
const corpus = "../../../shared/corpus"

// refusedAlone are the workbooks of the corpus that both openpyxl and excelize read and we refuse:
// under 1 % of them.
var refusedAlone = map[string]string{
	"tealeg/testdocs__panic_test.xlsx":     CodeTruncated, // 6 KB of another archive's directory after the end of this one: overwritten, not replaced
	"xlsx2csv/test__skip_empty_lines.xlsx": CodeReference, // edited by hand: row 3 holds a cell A4, and so does row 4
}

// otherwise are the cells that we read differently from openpyxl on purpose, past what same allows.
var otherwise = map[string]string{
	"exceljs/spec__integration__data__1904.xlsx B4":                     "day 0 of the 1904 epoch is 1904-01-01; openpyxl takes it for midnight",
	"exceljs/spec__integration__data__test-issue-877.xlsx A1":           "the cell is blank; openpyxl shows its hyperlink",
	"readxl/tests__testthat__sheets__dates-leap-year-1900-xlsx.xlsx A5": "29 February 1900 never was; openpyxl makes it the 28th",
}

type opinion struct {
	File    string
	Sheet   string
	Refused string
	Cells   [][4]string // reference, kind, text, number format
}

func opinions(t *testing.T) []opinion {
	t.Helper()
	f, err := os.Open(filepath.Join(corpus, "values.jsonl"))
	if err != nil {
		t.Skipf("SKIPPED: the corpus of foreign workbooks is not here: %v", err)
	}
	defer f.Close()
	var all []opinion
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var o opinion
		require.NoError(t, json.Unmarshal(lines.Bytes(), &o))
		all = append(all, o)
	}
	require.NoError(t, lines.Err())
	return all
}

// R1, R4, R5: what openpyxl reads, we read alike or refuse by name.
func TestCorpus(t *testing.T) {
	var slowest time.Duration
	refused := map[string]string{}
	read, cells := 0, 0
	for _, o := range opinions(t) {
		raw, err := os.ReadFile(filepath.Join(corpus, o.File))
		require.NoError(t, err)
		start := time.Now()
		got, err := corpusCells(raw, o.Sheet)
		slowest = max(slowest, time.Since(start))
		if err != nil {
			var r *table.Refusal
			require.ErrorAs(t, err, &r, o.File)
			require.NotEmpty(t, r.Code)
			if o.Refused == "" && excelizeReads(raw) {
				refused[o.File] = r.Code
			}
			continue
		}
		read++
		cells += len(o.Cells)
		if o.Refused == "" {
			compareCells(t, o, got)
		}
	}
	if diff := cmp.Diff(refusedAlone, refused); diff != "" {
		t.Errorf("workbooks that others read and we refuse: %s", diff)
	}
	t.Logf("%d workbooks read, %d cells compared, slowest %v", read, cells, slowest)
}

// corpusCells reads all sheets and gives the cells of one.
func corpusCells(raw []byte, sheet string) (map[string]table.Cell, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	w, err := Open(ctx, bytes.NewReader(raw), int64(len(raw)), Limits{})
	if err != nil {
		return nil, err
	}
	got := map[string]table.Cell{}
	for _, sh := range w.Sheets() {
		for row, err := range w.Rows(ctx, sh) {
			if err != nil {
				return nil, err
			}
			for _, c := range row.Cells {
				if sh.Name == sheet {
					got[referenceOf(c.Col, row.Number)] = c
				}
			}
		}
	}
	return got, nil
}

func excelizeReads(raw []byte) bool {
	f, err := excelize.OpenReader(bytes.NewReader(raw))
	if err != nil {
		return false
	}
	defer f.Close()
	for _, name := range f.GetSheetList() {
		if _, err := f.GetRows(name); err != nil {
			return false
		}
	}
	return true
}

func compareCells(t *testing.T, o opinion, got map[string]table.Cell) {
	t.Helper()
	seen := map[string]bool{}
	for _, c := range o.Cells {
		seen[c[0]] = true
		if otherwise[o.File+" "+c[0]] == "" && !same(c, got[c[0]]) {
			t.Errorf("%s %s: openpyxl %s %q, we %s", o.File, c[0], c[1], c[2], show(got[c[0]]))
		}
	}
	for ref, c := range got {
		col, row, _ := parseReference([]byte(ref))
		listed := len(o.Cells) < 2000 && row <= 2000 && col < 200
		if listed && !seen[ref] && c.Kind != table.NoValue { // openpyxl shows such a formula as none
			t.Errorf("%s %s: openpyxl nothing, we %s", o.File, ref, show(c))
		}
	}
}

// same compares a cell of openpyxl's with ours.
func same(theirs [4]string, ours table.Cell) bool {
	text := theirs[2]
	switch theirs[1] {
	case "s":
		if text == "" { // an empty string is no value
			return ours == table.Cell{}
		}
		plain, ok := unescape(nil, []byte(text)) // openpyxl does not decode _x000D_
		return ok && ours.Kind == table.Text && (ours.Text == string(plain) || ours.Text == text)
	case "n":
		a, err1 := strconv.ParseFloat(text, 64)
		b, err2 := strconv.ParseFloat(ours.Text, 64) // "1.10", 1e3 and the 17th digit are spelling
		return ours.Kind == table.Number && err1 == nil && err2 == nil && a == b
	case "d":
		return ours.Kind == table.Date && sameDate(text, ours.Text)
	case "b":
		return ours.Kind == table.Bool && ours.Text == text
	}
	return ours.Kind == table.Error && ours.Text == text
}

// sameDate compares what the cell's format shows; openpyxl always gives all that the value has.
func sameDate(theirs, ours string) bool {
	if strings.HasPrefix(ours, "PT") {
		return isoDuration(theirs) == ours
	}
	theirs = strings.TrimRight(strings.Replace(theirs, "T", " ", 1), "")
	if i := strings.IndexByte(theirs, '.'); i >= 0 {
		theirs = strings.TrimRight(theirs, "0")
	}
	ours = strings.Replace(ours, "T", " ", 1)
	return theirs == ours || strings.HasPrefix(theirs, ours+" ") || strings.HasSuffix(theirs, " "+ours)
}

// isoDuration turns Python's "10 days, 15:10:10" into a duration.
func isoDuration(s string) string {
	days := 0
	if before, after, ok := strings.Cut(s, ", "); ok {
		_, _ = fmt.Sscanf(before, "%d", &days)
		s = after
	}
	var h, m int
	var sec float64
	if _, err := fmt.Sscanf(s, "%d:%d:%g", &h, &m, &sec); err != nil {
		return err.Error()
	}
	ms := ((h*60+m)*60)*1000 + int(sec*1000)
	return string(moment{day: days, ms: ms}.appendElapsed(nil))
}

// R1, R3: any file at all gives rows or a refusal, and nothing but workbooks gives rows.
func TestCorpusOfOtherFiles(t *testing.T) {
	if _, err := os.Stat(corpus); err != nil {
		t.Skipf("SKIPPED: the corpus of foreign files is not here: %v", err)
	}
	require.NoError(t, filepath.WalkDir(corpus, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		_, err = readAll(raw, Limits{})
		var r *table.Refusal
		if err != nil && !errors.As(err, &r) {
			t.Errorf("%s: %v", path, err)
		}
		if ext := filepath.Ext(path); err == nil && ext != ".xlsx" && ext != ".xlsm" && ext != ".xlam" {
			t.Errorf("%s was read", path)
		}
		return nil
	}))
}
