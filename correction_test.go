package usersync_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/xuri/excelize/v2"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
	"github.com/usersync-go/usersync/internal/csvfile"
	"github.com/usersync-go/usersync/internal/workbook"
)

// grid is a file as rows of texts, the header first.
type grid [][]string

// xlsx is the grid as a workbook of text cells.
func (g grid) xlsx(t testing.TB) usersync.Source {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, workbook.Write(&out, func(b *workbook.Book) error {
		sheet, err := b.Sheet("Staff", workbook.Layout{})
		for _, row := range g {
			err = errors.Join(err, sheet.Row(0, workbook.Texts(workbook.Plain, row...)...))
		}
		return err
	}))
	return inXLSX(out.Bytes())
}

// csv is the grid as an escaped CSV file.
func (g grid) csv(t testing.TB) usersync.Source {
	t.Helper()
	var out bytes.Buffer
	w := csvfile.NewWriter(&out)
	for _, row := range g {
		require.NoError(t, w.Write(row))
	}
	require.NoError(t, w.Flush())
	return usersync.CSV(&out)
}

// corrections gives the correction file as a grid, as another program reads it: a CSV file still has its
// apostrophes.
func corrections(t testing.TB, from interface {
	WriteCorrections(io.Writer, usersync.Format) error
}, format usersync.Format) grid {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, from.WriteCorrections(&out, format))
	if format == usersync.FormatCSV {
		text, marked := strings.CutPrefix(out.String(), "\ufeff")
		require.True(t, marked, "a byte order mark")
		rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		require.NoError(t, err)
		return rows
	}
	requireNoFormulas(t, out.Bytes())
	f := opened(t, out.Bytes())
	rows, err := f.GetRows(f.GetSheetList()[0])
	require.NoError(t, err)
	for i := range rows {
		rows[i] = append(rows[i], make([]string, len(rows[0])-len(rows[i]))...)
	}
	return rows
}

var bothFormats = []usersync.Format{usersync.FormatXLSX, usersync.FormatCSV}

// staffGood is a file without errors, full of what is easily spoilt on the way.
func staffGood() grid {
	g := grid{{"Login", "email", "firstName", "lastName", "Notes", "phone", "zip", "active", "manager"}}
	for i, payload := range exportPayloads {
		n := string(rune('a' + i))
		g = append(g, []string{"user." + n, n + "@example.com", "F" + payload, payload, "note " + payload, "+49 30 12345" + n[:0], "0123", "yes", ""})
	}
	g[2][8] = "user.a"
	return append(g, []string{"fine", "fine@example.com", "Fine", "Fellow", "", "", "", "", ""})
}

// staffBroken breaks a cell of every row but the last: email addresses, phones, the status, a manager.
func staffBroken() grid {
	g := staffGood()
	breaks := []struct {
		col  int
		text string
	}{{1, "no address"}, {5, "=12"}, {7, "perhaps"}, {8, "nobody"}, {2, ""}}
	for i := range g[1 : len(g)-1] {
		b := breaks[i%len(breaks)]
		g[1+i] = slices.Clone(g[1+i])
		g[1+i][b.col] = b.text
	}
	return g
}

func staffConfig() usersync.Config {
	cfg := usersync.DefaultConfig("Staff")
	cfg.Columns = map[string]string{"Login": "userName"}
	cfg.RemovedUsers, cfg.InactiveUsers = usersync.Deactivate, usersync.Activate
	return cfg
}

// apply previews and applies a file, without caring for errors of rows.
func apply(t testing.TB, store *memory.Store, src usersync.Source) (*usersync.Plan, *usersync.Run) {
	t.Helper()
	eng, err := usersync.New(store, store.Baselines())
	require.NoError(t, err)
	plan, err := eng.Preview(context.Background(), staffConfig(), src)
	require.NoError(t, err)
	run, err := eng.Apply(context.Background(), plan)
	require.NoError(t, err)
	return plan, run
}

// usersByName are the users of a store by name, without what depends on the order in which they were made.
func usersByName(t testing.TB, store *memory.Store) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, u := range store.Users() {
		values, err := u.Values.MarshalJSON()
		require.NoError(t, err)
		state := " inactive"
		if u.Active {
			state = " active"
		}
		out[u.Values.Get("userName")] = string(values) + state
	}
	return out
}

// P2: the correction file can be mended and uploaded as it is; the users are then the same as if the
// first file had been right, and nobody is taken to have left. (B4)
func TestCorrectionsRoundTrip(t *testing.T) {
	want := memory.New()
	plan, _ := apply(t, want, staffGood().xlsx(t))
	require.Zero(t, plan.Counts().Errors)
	for _, first := range bothFormats {
		for _, second := range bothFormats {
			t.Run(string(first+" to "+second), func(t *testing.T) {
				store := memory.New()
				source := staffBroken().csv
				if first == usersync.FormatXLSX {
					source = staffBroken().xlsx
				}
				plan, run := apply(t, store, source(t))
				require.Equal(t, len(exportPayloads), plan.Counts().Errors)
				fixed, _ := apply(t, store, mended(t, run, second))
				require.Zero(t, fixed.Counts().Errors)
				require.Zero(t, fixed.Counts().Removed)
				require.Equal(t, len(exportPayloads), fixed.Source.Rows)
				require.Equal(t, usersByName(t, want), usersByName(t, store))
				again, _ := apply(t, store, staffGood().xlsx(t))
				require.Equal(t, len(staffGood())-1, again.Counts().Unchanged)
				require.Equal(t, len(staffGood())-1, again.Baseline, "the baseline has all of both files")
			})
		}
	}
}

// mended types the right value into the bad cells of a correction file and leaves the others alone.
func mended(t *testing.T, run *usersync.Run, format usersync.Format) usersync.Source {
	var out bytes.Buffer
	require.NoError(t, run.WriteCorrections(&out, format))
	good, broken := staffGood(), staffBroken()
	if format == usersync.FormatCSV {
		rows, err := csv.NewReader(bytes.NewReader(out.Bytes()[3:])).ReadAll()
		require.NoError(t, err)
		eachBad(good, broken, func(row, col int) { rows[row][col] = good[row][col] })
		var mended bytes.Buffer
		mended.WriteString("\ufeff")
		require.NoError(t, csv.NewWriter(&mended).WriteAll(rows))
		return usersync.CSV(&mended)
	}
	f := opened(t, out.Bytes())
	sheet := f.GetSheetList()[0]
	eachBad(good, broken, func(row, col int) {
		cell, _ := excelize.CoordinatesToCellName(col+1, row+1)
		require.Equal(t, "FFC7CE", cellStyle(t, f, sheet, cell).Fill.Color[0], "%s is marked", cell)
		require.NoError(t, f.SetCellStr(sheet, cell, good[row][col]))
	})
	var mended bytes.Buffer
	require.NoError(t, f.Write(&mended))
	return inXLSX(mended.Bytes())
}

func eachBad(good, broken grid, do func(row, col int)) {
	for row := range good {
		for col := range good[row] {
			if good[row][col] != broken[row][col] {
				do(row, col)
			}
		}
	}
}

// P2: the upload's own columns in their order, ignored ones too, with their cells to the last character,
// and one more. Only bad cells are marked.
func TestCorrectionsKeepTheUpload(t *testing.T) {
	for _, format := range bothFormats {
		plan, run := apply(t, memory.New(), staffBroken().xlsx(t))
		got := corrections(t, run, format)
		require.Equal(t, got, corrections(t, plan, format))
		broken := staffBroken()
		require.Len(t, got, len(broken)-1)
		for i, row := range got {
			for col := range broken[i] {
				cell := row[col]
				if format == usersync.FormatCSV {
					cell = csvfile.Unescape(cell)
				}
				require.Equal(t, lineBreaks(format, broken[i][col]), lineBreaks(format, cell), "row %d column %d", i, col)
			}
			require.Len(t, row, len(broken[i])+1)
			if i > 0 {
				require.Contains(t, row[len(row)-1], "Row ")
			}
		}
		require.Equal(t, "usersync errors", got[0][len(got[0])-1])
		require.Empty(t, plan.Source.Unknown()[0].Nearest)
	}
}

// lineBreaks allows for encoding/csv, which joins CR and LF in quotes.
func lineBreaks(format usersync.Format, s string) string {
	if format == usersync.FormatCSV {
		return strings.ReplaceAll(s, "\r\n", "\n")
	}
	return s
}

// A correction file that is not mended stays full of errors, in one column of errors.
func TestCorrectionsOfCorrections(t *testing.T) {
	for _, format := range bothFormats {
		first, _ := apply(t, memory.New(), staffBroken().xlsx(t))
		rows := corrections(t, first, format)
		if format == usersync.FormatCSV {
			for _, row := range rows {
				for i := range row {
					row[i] = csvfile.Unescape(row[i])
				}
			}
		}
		second, _ := apply(t, memory.New(), rows.csv(t))
		require.Equal(t, first.Counts().Errors, second.Counts().Errors)
		require.Len(t, second.Source.Unknown(), 1, "Notes alone")
		require.Equal(t, usersync.CodeCorrectionFile, second.Notes[0].Code)
		require.Equal(t, rows[0], corrections(t, second, usersync.FormatXLSX)[0])
	}
}

// R4, R7: what the upload did not have is not made up: such a row stays an Error until it is mended.
func TestCorrectionsDoNotMakeUpValues(t *testing.T) {
	f := excelize.NewFile()
	for cell, value := range map[string]any{"A1": "userName", "B1": "email", "C1": "firstName", "D1": "lastName", "E1": "zip",
		"A2": "a", "B2": "a@example.com", "C2": "A", "D2": "A", "E2": 12345678901234567890.0, "A3": "b", "B3": "b@example.com", "C3": "B"} {
		require.NoError(t, f.SetCellValue("Sheet1", cell, value))
	}
	require.NoError(t, f.SetCellFormula("Sheet1", "D3", "1/0"))
	var file bytes.Buffer
	require.NoError(t, f.Write(&file))
	plan, _ := apply(t, memory.New(), inXLSX(file.Bytes()))
	got := corrections(t, plan, usersync.FormatXLSX)
	require.Equal(t, []string{"a", "a@example.com", "A", "A", ""}, got[1][:5])
	require.Equal(t, []string{"b", "b@example.com", "B", "", ""}, got[2][:5])
	require.Contains(t, got[1][5], "digits")

	plan, _ = apply(t, memory.New(), usersync.CSV(strings.NewReader("userName,email,firstName,lastName\nc,c@example.com,Doe, Jane,x\n")))
	got = corrections(t, plan, usersync.FormatXLSX)
	require.Equal(t, []string{"", "c@example.com", "Doe", " Jane"}, got[1][:4], "without its key nothing can take it for a user")
	require.Contains(t, got[1][4], "1 more cells")
	again, _ := apply(t, memory.New(), got.csv(t))
	require.Equal(t, 1, again.Counts().Errors)
}

// A10: secrets are left out, and the column of errors says so.
func TestCorrectionsLeaveSecretsOut(t *testing.T) {
	s := usersync.Schema{Key: "login", Fields: []usersync.Field{{Name: "login"}, {Name: "password", Secret: true, MinLength: 20}, {Name: "age", Pattern: `\d+`}}}
	plan := previewOf(t, s, grid{{"login", "password", "age"}, {"a", "hunter2", "9"}, {"b", "correct horse battery staple", "nine"}, {"c", "", "ten"}}.xlsx(t))
	for _, format := range bothFormats {
		var out bytes.Buffer
		require.NoError(t, plan.WriteCorrections(&out, format))
		require.Equal(t, -1, bytes.Index(out.Bytes(), []byte("hunter2")))
		got := corrections(t, plan, format)
		require.Len(t, got, 4)
		for i, row := range got[1:] {
			require.Empty(t, row[1])
			require.Equal(t, i < 2, strings.Contains(row[3], "it is secret"), row[3])
		}
	}
}

// P2: a run's file has the rows that the store refused besides.
func TestCorrectionsOfRun(t *testing.T) {
	eng, err := usersync.New(&refusing{Store: memory.New(), key: "fine"}, memory.NewBaselines())
	require.NoError(t, err)
	plan, err := eng.Preview(context.Background(), staffConfig(), staffBroken().csv(t))
	require.NoError(t, err)
	run, err := eng.Apply(context.Background(), plan)
	require.NoError(t, err)
	require.Equal(t, 1, run.Counts().Failed)
	for _, format := range bothFormats {
		inPlan, inRun := corrections(t, plan, format), corrections(t, run, format)
		require.Equal(t, inPlan, inRun[:len(inPlan)])
		require.Len(t, inRun, len(inPlan)+1)
		last := inRun[len(inPlan)]
		require.Equal(t, "fine", last[0])
		require.Contains(t, last[len(last)-1], "no room for fine")
	}
}

// refusing refuses to write the user with a key.
type refusing struct {
	*memory.Store
	key string
}

func (s *refusing) WriteUsers(ctx context.Context, changes []usersync.Change) ([]usersync.Outcome, error) {
	i := slices.IndexFunc(changes, func(c usersync.Change) bool { return c.Key == s.key })
	if i < 0 {
		return s.Store.WriteUsers(ctx, changes)
	}
	rest := slices.Delete(slices.Clone(changes), i, i+1)
	out, err := s.Store.WriteUsers(ctx, rest)
	return slices.Insert(out, i, usersync.Outcome{Err: errors.New("no room for " + s.key)}), err
}

func TestCorrectionsOfCleanFile(t *testing.T) {
	plan, _ := apply(t, memory.New(), staffGood().csv(t))
	for _, format := range bothFormats {
		got := corrections(t, plan, format)
		require.Equal(t, grid{append(slices.Clone(staffGood()[0]), "usersync errors")}, got)
	}
}

func TestCorrectionsErrors(t *testing.T) {
	plan, run := apply(t, memory.New(), staffBroken().csv(t))
	var invalid *usersync.InvalidError
	require.ErrorAs(t, plan.WriteCorrections(io.Discard, "pdf"), &invalid)
	require.ErrorAs(t, run.WriteCorrections(io.Discard, "pdf"), &invalid)
	for _, format := range append(bothFormats, "") {
		require.ErrorIs(t, plan.WriteCorrections(failingWriter{}, format), errDiskFull)
	}
}
