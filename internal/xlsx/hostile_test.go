package xlsx

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync/internal/table"
)

// hostileChild names a workbook that this process is to read, alone, and to report on.
const hostileChild = "USERSYNC_XLSX_HOSTILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(hostileChild); path != "" {
		if err := json.NewEncoder(os.Stdout).Encode(readHostile(path)); err != nil {
			panic(err)
		}
		return
	}
	os.Exit(m.Run())
}

// verdict is what a child says of a workbook.
type verdict struct {
	Code string // of the refusal; "timeout"; "" if all was read
	Text string
	Rows int
	Peak int64 // bytes resident at most, 0 if the system does not say
}

// readHostile reads a workbook from a file, as a host would, with a deadline that only a hang meets.
func readHostile(path string) verdict {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	f, err := os.Open(path)
	if err != nil {
		return verdict{Code: err.Error()}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return verdict{Code: err.Error()}
	}
	var v verdict
	v.Rows, err = countRows(ctx, f, info.Size())
	var r *table.Refusal
	switch {
	case errors.As(err, &r):
		v.Code, v.Text = r.Code, r.Error()
	case errors.Is(err, context.DeadlineExceeded):
		v.Code = "timeout"
	case err != nil:
		v.Code = err.Error()
	}
	v.Peak = peakMemory()
	return v
}

func countRows(ctx context.Context, r io.ReaderAt, size int64) (int, error) {
	w, err := Open(ctx, r, size, Limits{})
	if err != nil {
		return 0, err
	}
	n := 0
	for _, sheet := range w.Sheets() {
		for _, err := range w.Rows(ctx, sheet) {
			if err != nil {
				return n, err
			}
			n++
		}
	}
	return n, nil
}

// peakMemory reads VmHWM where there is a /proc.
func peakMemory() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		var kb int64
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kb); n == 1 {
			return kb << 10
		}
	}
	return 0
}

// part writes the body of a part piece by piece.
type partWriter func(w *bufio.Writer)

// bomb is a workbook of which some parts are written by functions, packed as tightly as can be.
func bomb(t *testing.T, parts map[string]partWriter) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw := zip.NewWriter(&buf)
	zw.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.BestSpeed)
	})
	for _, e := range (book{}).entries() {
		w, err := zw.Create(e.name)
		require.NoError(t, err)
		out := bufio.NewWriterSize(w, 1<<16)
		if write := parts[filepath.Base(e.name)]; write != nil {
			write(out)
		} else {
			_, _ = out.WriteString(e.body)
		}
		require.NoError(t, out.Flush())
	}
	require.NoError(t, zw.Close())
	return buf.Bytes()
}

// times writes head, n times what piece gives, and tail.
func times(n int, head string, piece func(w *bufio.Writer, i int), tail string) partWriter {
	return func(w *bufio.Writer) {
		_, _ = w.WriteString(head)
		for i := range n {
			piece(w, i)
		}
		_, _ = w.WriteString(tail)
	}
}

func repeat(n int, head, piece, tail string) partWriter {
	return times(n, head, func(w *bufio.Writer, _ int) { _, _ = w.WriteString(piece) }, tail)
}

const (
	mib       = 1 << 20
	kib64     = 64 << 10
	styleHead = xmlHead + `<styleSheet ` + mainNS + `>`
	extHead   = sheetHead + `</sheetData><extLst><ext>`
	extTail   = `</ext></extLst></worksheet>`
)

// noise writes n bytes of text that packs badly.
func noise(w *bufio.Writer, r *rand.Rand, n int) {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ."
	for n > 0 {
		bits := r.Uint64()
		for range min(n, 10) {
			_ = w.WriteByte(letters[bits&63])
			bits >>= 6
			n--
		}
	}
}

// R1, R2, and section 7 of the design: whatever the bytes are, they are refused or read rightly, in
// 2 s and 128 MB. Each workbook is read by a process of its own.
func TestHostile(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("SKIPPED: long, and measured without the race detector")
	}
	random := rand.New(rand.NewPCG(3, 4))
	spaces := strings.Repeat(" ", kib64)
	one := func(name string, w partWriter) []byte { return bomb(t, map[string]partWriter{name: w}) }
	sheet := func(w partWriter) []byte { return one("sheet1.xml", w) }
	for _, tt := range []struct {
		name string
		raw  func() []byte
		code string
		rows int
	}{
		// what unpacks to very much
		{"sheet of 300 MB", func() []byte { return sheet(repeat(300*mib/kib64, sheetHead, spaces, sheetTail)) }, LimitRatio, 0},
		{"strings of 300 MB", func() []byte { return one("sharedStrings.xml", repeat(300*mib/kib64, sstHead, spaces, "</sst>")) }, LimitRatio, 0},
		{"styles of 300 MB", func() []byte { return one("styles.xml", repeat(300*mib/kib64, styleHead, spaces, "</styleSheet>")) }, LimitRatio, 0},
		{"content types of 300 MB", func() []byte { return one("[Content_Types].xml", repeat(300*mib/kib64, "<Types>", spaces, "</Types>")) }, LimitRatio, 0},
		{"a size that is 1 MB too small", func() []byte {
			return patchSizes(sheet(repeat(64, sheetHead, spaces, sheetTail)), "xl/worksheets/sheet1.xml", 3*mib)
		}, CodeDamaged, 0},
		{"a size of 2 GB", func() []byte {
			return patchSizes(sheet(repeat(1, sheetHead, spaces, sheetTail)), "xl/worksheets/sheet1.xml", 2<<30)
		}, LimitInflated, 0},
		{"strings that pack badly", func() []byte {
			return one("sharedStrings.xml", times(100, sstHead, func(w *bufio.Writer, _ int) {
				_, _ = w.WriteString("<si><t>")
				noise(w, random, 20_000)
				_, _ = w.WriteString("</t></si>")
			}, strings.Repeat("<si><t>"+strings.Repeat("x", 32_000)+"</t></si>", 2200)+"</sst>"))
		}, LimitSharedText, 0},
		{"very many strings", func() []byte { return one("sharedStrings.xml", times(5_000_001, sstHead, siOf, "</sst>")) }, LimitShared, 0},
		{"many strings", func() []byte { return one("sharedStrings.xml", times(2_000_000, sstHead, siOf, "</sst>")) }, "", 0},
		{"a row of very long cells", func() []byte {
			return sheet(times(600, sheetHead+"<row>", func(w *bufio.Writer, _ int) {
				_, _ = w.WriteString(`<c t="inlineStr"><is><t>`)
				noise(w, random, 32_767)
				_, _ = w.WriteString("</t></is></c>")
			}, "</row>"+sheetTail))
		}, LimitRowText, 0},
		{"a cell of 10 MB", func() []byte {
			return sheet(times(1, sheetHead+`<row><c t="inlineStr"><is><t>`, func(w *bufio.Writer, _ int) { noise(w, random, 10*mib) }, `</t></is></c></row>`+sheetTail))
		}, LimitCell, 0},
		{"a cell of very many runs", func() []byte {
			return sheet(times(600, sheetHead+`<row><c t="inlineStr"><is>`, func(w *bufio.Writer, _ int) {
				_, _ = w.WriteString(`<r><t>`)
				noise(w, random, 30_000)
				_, _ = w.WriteString("</t></r>")
			}, "</is></c></row>"+sheetTail))
		}, LimitCell, 0},
		{"a number of 10 MB", func() []byte {
			return sheet(times(1, sheetHead+`<row><c><v>`, func(w *bufio.Writer, _ int) { noise(w, random, 10*mib) }, `</v></c></row>`+sheetTail))
		}, LimitCell, 0},
		{"a number of 32,767 digits", func() []byte {
			return sheet(repeat(1, sheetHead+`<row><c s="1"><v>`, strings.Repeat("9", 32767), `</v></c></row>`+sheetTail))
		}, "", 1},

		// XML that is hard to read
		{"entities", func() []byte {
			return sheet(repeat(1, `<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>`, "", "<a>&b;</a>"))
		}, CodeDoctype, 0},
		{"nested deeply", func() []byte { return sheet(repeat(700_000, extHead, "<a>", "")) }, LimitDepth, 0},
		{"many tiny elements", func() []byte { return sheet(repeat(1_000_000, extHead, "<a/>", extTail)) }, "", 0},
		{"tiny elements of another namespace", func() []byte {
			var binds string
			for i := range 60 {
				binds += fmt.Sprintf(` xmlns:n%d="u%d"`, i, i)
			}
			return sheet(repeat(4_000_000/8, strings.Replace(extHead, "<worksheet", "<worksheet"+binds, 1), "<n0:a/>", extTail))
		}, "", 0},
		{"tags of 128 attributes", func() []byte {
			var tag string
			for i := range 128 {
				tag += fmt.Sprintf(` n:a%d=""`, i)
			}
			return sheet(repeat(4_000_000/len(tag), strings.Replace(extHead, "<ext>", `<ext xmlns:n="u">`, 1), "<a"+tag+"/>", extTail))
		}, "", 0},
		{"a tag of 10 MB", func() []byte {
			return sheet(times(1, sheetHead+`<row spans="`, func(w *bufio.Writer, _ int) { noise(w, random, 10*mib) }, `"/>`+sheetTail))
		}, LimitTag, 0},
		{"a comment of 40 MB", func() []byte {
			return sheet(times(1, sheetHead+`<!--`, func(w *bufio.Writer, _ int) { noise(w, random, 40*mib) }, `-->`+sheetTail))
		}, "", 0},
		{"a formula of references", func() []byte {
			return sheet(repeat(4_000_000/6, sheetHead+`<row><c><f>`, "&#120;", `</f></c></row>`+sheetTail))
		}, "", 1},
		{"a formula of CDATA", func() []byte {
			return sheet(repeat(4_000_000/12, sheetHead+`<row><c><f>`, "<![CDATA[]]>", `</f></c></row>`+sheetTail))
		}, "", 1},
		{"a formula of 30 million brackets", func() []byte {
			return sheet(times(30*mib/kib64, sheetHead+`<row><c><f>`, func(w *bufio.Writer, _ int) {
				_, _ = w.WriteString(strings.Repeat("]", kib64))
				noise(w, random, 1200)
			}, `</f></c></row>`+sheetTail))
		}, "", 1},
		{"text of half escapes", func() []byte {
			return sheet(repeat(16, sheetHead+`<row><c t="inlineStr"><is><t>`, strings.Repeat("_x", 1000), `</t></is></c></row>`+sheetTail))
		}, "", 1},
		{"a million runs", func() []byte {
			return one("sharedStrings.xml", repeat(1<<18, sstHead+"<si>", "<r><t/></r>", "</si></sst>"))
		}, "", 0},
		{"a sheet in UTF-16", func() []byte {
			return sheet(repeat(1, "\xFF\xFE"+utf16Of(sheetHead[len(xmlHead):], false), utf16Of(strings.Repeat(`<row><c><v>1</v></c></row>`, 80_000), false), utf16Of(sheetTail, false)))
		}, "", 80_000},

		// lists without an end
		{"a million cell formats", func() []byte {
			return one("styles.xml", repeat(800_000, styleHead+"<cellXfs>", "<xf/>", "</cellXfs></styleSheet>"))
		}, LimitStyles, 0},
		{"many number formats", func() []byte {
			return one("styles.xml", times(8_300, styleHead+"<numFmts>", func(w *bufio.Writer, i int) {
				fmt.Fprintf(w, `<numFmt numFmtId="%d" formatCode="%s"/>`, i, strings.Repeat("[h]", 140))
			}, "</numFmts></styleSheet>"))
		}, LimitStyles, 0},
		{"a number format of 32 KB", func() []byte {
			return one("styles.xml", repeat(1, styleHead+`<numFmts><numFmt numFmtId="200" formatCode="`, strings.Repeat("y", 1<<15), `"/></numFmts></styleSheet>`))
		}, LimitFormat, 0},
		{"many relationships", func() []byte {
			return one("workbook.xml.rels", times(80_000, strings.TrimSuffix(bookRels, "</Relationships>"), func(w *bufio.Writer, i int) {
				fmt.Fprintf(w, `<Relationship Id="x%d" Type="t" Target="a"/>`, i)
			}, "</Relationships>"))
		}, LimitRelations, 0},
		{"many sheets", func() []byte {
			return one("workbook.xml", times(10_000, strings.TrimSuffix(bookXML, "</sheets></workbook>"), func(w *bufio.Writer, i int) {
				fmt.Fprintf(w, `<sheet name="%d" r:id="rId1"/>`, i)
			}, "</sheets></workbook>"))
		}, LimitSheets, 0},
		{"content types without an end", func() []byte {
			return one("[Content_Types].xml", times(200_000, strings.TrimSuffix(typesXML, "</Types>"), func(w *bufio.Writer, i int) {
				fmt.Fprintf(w, `<Override PartName="/%d" ContentType="b"/>`, i)
			}, "</Types>"))
		}, "", 0},

		// rows that hold nothing
		{"a million styled blank rows", func() []byte {
			return sheet(times(maxRow, sheetHead, func(w *bufio.Writer, i int) {
				fmt.Fprintf(w, `<row r="%d" spans="1:3" s="1" customFormat="1"><c r="A%d" s="1"/></row>`, i+1, i+1)
			}, sheetTail))
		}, "", 0},
		{"two million blank rows", func() []byte { return sheet(repeat(2*mib, sheetHead, "<row></row>", sheetTail)) }, LimitRatio, 0},
		{"more blank rows than a sheet has", func() []byte {
			return sheet(times(maxRow, sheetHead, func(w *bufio.Writer, i int) {
				_, _ = w.WriteString([...]string{"<row/>", "<row />", "<row></row>", "<row ></row>"}[random.IntN(4)])
			}, "<row/>"+sheetTail))
		}, CodeReference, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, cpu := inChild(t, tt.raw())
			require.Equal(t, tt.code, got.Code, got.Text)
			require.Equal(t, tt.rows, got.Rows)
			t.Logf("%v of processor time, %d MB", cpu.Round(time.Millisecond), got.Peak/mib)
			require.Less(t, cpu, 2*time.Second)
			require.Less(t, got.Peak, int64(128*mib))
		})
	}
}

func siOf(w *bufio.Writer, i int) {
	_, _ = w.WriteString([...]string{"<si/>", "<si />", "<si></si>", "<si><t/></si>"}[i*2654435761>>7&3])
}

// patchSizes writes another inflated size into both headers of a part, so that they agree.
func patchSizes(raw []byte, name string, size uint32) []byte {
	le := binary.LittleEndian
	for at := 0; ; at++ {
		i := bytes.Index(raw[at:], []byte(name))
		if i < 0 {
			return raw
		}
		at += i
		if at >= lenCentral && string(raw[at-lenCentral:at-lenCentral+4]) == sigCentral {
			old := le.Uint32(raw[at-lenCentral+24:])
			packed := le.Uint32(raw[at-lenCentral+20:])
			le.PutUint32(raw[at-lenCentral+24:], size)
			from := le.AppendUint32(le.AppendUint32(nil, packed), old)
			to := le.AppendUint32(le.AppendUint32(nil, packed), size)
			copy(raw[bytes.Index(raw, from):], to) // in the descriptor
		}
	}
}

// inChild reads a workbook in a process of its own. The processor time is the child's.
func inChild(t *testing.T, raw []byte) (verdict, time.Duration) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hostile.xlsx")
	require.NoError(t, os.WriteFile(path, raw, 0o600))
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), hostileChild+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	var v verdict
	require.NoError(t, json.Unmarshal(out, &v))
	return v, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}
