package sniff

import (
	"bufio"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync/internal/table"
)

// corpus is a folder of spreadsheets of other projects that lies beside the checkout, if anywhere.
func corpus(t *testing.T) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "corpus")
	if _, err := os.Stat(filepath.Join(dir, "values.jsonl")); err != nil {
		t.Skipf("SKIPPED, THE CORPUS IS ABSENT: %v", err)
	}
	return dir
}

func identifyFile(t *testing.T, path string) (f Format, code string) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	f, err = Identify(strings.NewReader(string(data)), int64(len(data)))
	code = codeOf(t, f, err)
	head := data[:min(len(data), headBytes)]
	fromHead, err := IdentifyHead(head)
	headCode := codeOf(t, fromHead, err)
	if code != headCode {
		t.Logf("%s: %s%s, from its first bytes %s%s", filepath.Base(path), f, code, fromHead, headCode)
	}
	return f, code
}

func codeOf(t testing.TB, f Format, err error) string {
	t.Helper()
	if err == nil {
		require.Contains(t, []Format{XLSX, CSV}, f)
		return ""
	}
	var r *table.Refusal
	require.ErrorAs(t, err, &r)
	require.Empty(t, f)
	require.NotEmpty(t, r.Code)
	require.NotEmpty(t, r.Detail)
	require.NotEmpty(t, r.Advice)
	return r.Code
}

// R3: what another program reads as a workbook is one.
func TestCorpusWorkbooks(t *testing.T) {
	dir := corpus(t)
	f, err := os.Open(filepath.Join(dir, "values.jsonl"))
	require.NoError(t, err)
	defer f.Close()
	lines := bufio.NewReader(f)
	n := 0
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		var v struct{ File, Refused string }
		require.NoError(t, json.Unmarshal(line, &v))
		if v.Refused != "" {
			continue
		}
		n++
		format, code := identifyFile(t, filepath.Join(dir, v.File))
		require.Equal(t, XLSX, format, "%s: %s", v.File, code)
	}
	require.Greater(t, n, 200)
}

// R3: every other file is refused by its real name, which is not always what its name ends in.
func TestCorpusForeign(t *testing.T) {
	byExt := map[string]string{".xls": "format_xls", ".xlsb": "format_xlsb", ".ods": "format_ods",
		".csv": "csv", ".tsv": "csv", ".txt": "csv", ".json": "format_json"}
	odd := map[string]string{
		"calamine/tests__pass_protected.xlsb":                       "format_encrypted",
		"calamine/tests__pass_protected.xlsx":                       "format_encrypted",
		"excelize/test__encryptAES.xlsx":                            "format_encrypted",
		"excelize/test__encryptSHA1.xlsx":                           "format_encrypted",
		"excelize/test__encryptSHA512.xlsx":                         "format_encrypted",
		"calamine/tests__too_small.xls":                             "csv", // a message in place of an attachment: text
		"frictionless/data__compression__implicit-gz.csv":           "format_gzip",
		"frictionless/data__compression__implicit-zip.csv":          "format_zip",
		"openpyxl/openpyxl__tests__data__reader__null_archive.xlsx": "format_zip",
	}
	dir := corpus(t)
	seen := map[string]int{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Dir(path) == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		want := odd[filepath.ToSlash(name)]
		if want == "" {
			want = byExt[filepath.Ext(path)]
		}
		if want == "" {
			return nil
		}
		format, code := identifyFile(t, path)
		require.Equal(t, want, string(format)+code, name)
		seen[want]++
		return nil
	})
	require.NoError(t, err)
	t.Log(seen)
}
