package usersync_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/xuri/excelize/v2"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

// resultsStore has users of every sort: unchanged, changed, inactive, and one who has left the file.
func resultsStore() *memory.Store {
	user := func(id, name string, active bool, title string) usersync.User {
		return usersync.User{ID: id, Active: active, Values: usersync.ValuesOf(map[string]string{"userName": name,
			"email": name + "@example.com", "firstName": "First", "lastName": "Last", "title": title})}
	}
	store := memory.New(memory.WithUsers(user("i1", "anna", true, "Engineer"), user("i2", "bert", false, ""),
		user("i3", "gone", true, ""), user("i4", "same", true, "Cook")))
	base := usersync.Baseline{RunID: "earlier", Members: []usersync.Member{{UserID: "i1", Name: "anna"}, {UserID: "i3", Name: "gone"}}}
	if err := store.Baselines().Save(context.Background(), "Offices", base); err != nil {
		panic(err)
	}
	return store
}

const resultsFile = `userName,email,firstName,lastName,title,locale,Shoe size,depratment
anna,anna@example.com,First,Last,Lead,,40,
bert,bert@example.com,First,Last,,,,
=new,new@example.com,=1+1,@x,+1,en-GB,,
same,same@example.com,First,Last,Cook,,,
refused,refused@example.com,First,Last,,,,
bad,no address,,Last,,,,
`

func resultsConfig() usersync.Config {
	cfg := usersync.DefaultConfig("Offices")
	cfg.RemovedUsers, cfg.InactiveUsers = usersync.Deactivate, usersync.Activate
	cfg.Defaults = map[string]string{"timezone": "Europe/Berlin"}
	cfg.Rules = map[string]usersync.Rule{"timezone": {Strategy: usersync.KeepDestination}, "title": {Strategy: usersync.AskAtRuntime}}
	return cfg
}

// resultsRun previews, decides and applies resultsFile; the store refuses one user.
func resultsRun(t testing.TB) (*usersync.Plan, *usersync.Run) {
	t.Helper()
	store := resultsStore()
	clock := func() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 0, time.FixedZone("", 3600)) }
	eng, err := usersync.New(&refusing{Store: store, key: "refused"}, store.Baselines(), usersync.WithClock(clock))
	require.NoError(t, err)
	ctx := context.Background()
	plan, err := eng.Preview(ctx, resultsConfig(), usersync.CSV(strings.NewReader(resultsFile)).WithName("offices.csv"),
		usersync.By(usersync.Actor{UserID: "i9", Name: "Olga"}))
	require.NoError(t, err)
	require.NoError(t, plan.Resolve(usersync.Decision{Choice: usersync.TakeFile}))
	run, err := eng.Apply(ctx, plan)
	require.NoError(t, err)
	return plan, run
}

func fileOf(t testing.TB, write func(io.Writer) error) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, write(&out))
	return out.Bytes()
}

func sheetRows(t testing.TB, file []byte, sheet string) [][]string {
	t.Helper()
	rows, err := opened(t, file).GetRows(sheet)
	require.NoError(t, err)
	return rows
}

var resultHeaders = []string{"Row", "userName", "User ID", "What happened", "Changes", "Reasons"}

// P2: a summary and a sheet for each class, with row number, key, changes and reasons.
func TestResults(t *testing.T) {
	_, run := resultsRun(t)
	file := fileOf(t, run.WriteResults)
	require.Equal(t, []string{"Summary", "New", "Updated", "Deactivated", "Skipped", "Errors"}, opened(t, file).GetSheetList())
	for sheet, want := range map[string][][]string{
		"New": {
			{"4", "=new", "u1", "Created", "userName: =new; email: new@example.com; firstName: =1+1; lastName: @x; title: +1; locale: en-GB; timezone: Europe/Berlin (default)"},
			{"6", "refused", "", "Failed", "userName: refused; email: refused@example.com; firstName: First; lastName: Last; timezone: Europe/Berlin (default)",
				"the system refused the change: no room for refused"}},
		"Updated": {
			{"2", "anna", "i1", "Updated", "title: Engineer → Lead (decided by a person)"},
			{"3", "bert", "i2", "Updated and activated", "active: false → true (behaviour of the configuration)", "the user becomes active again"}},
		"Deactivated": {{"", "gone", "i3", "Deactivated", "active: true → false (behaviour of the configuration)", "the user is no longer in the file"}},
		"Skipped":     {{"5", "same", "i4", "Nothing", "", "nothing to change"}},
		"Errors": {{"7", "bad", "", "Not imported", "",
			"email: no address is not an email address such as name@example.com\nfirstName: is required and is blank"}},
	} {
		require.Equal(t, append([][]string{resultHeaders}, want...), sheetRows(t, file, sheet), sheet)
	}
}

// P2: the summary says who, when, which file, and counts.
func TestResultsSummary(t *testing.T) {
	_, run := resultsRun(t)
	got := map[string][]string{}
	for _, row := range sheetRows(t, fileOf(t, run.WriteResults), "Summary") {
		if len(row) > 1 {
			got[row[0]] = row[1:]
		}
	}
	require.Equal(t, map[string][]string{
		"Configuration": {"Offices"}, "Status": {"Succeeded"}, "Run": {run.ID}, "By": {"Olga"},
		"Started": {"2026-03-04 04:06:07 UTC"}, "Finished": {"2026-03-04 04:06:07 UTC"}, "Welcome mails sent": {"0"},
		"File": {"offices.csv"}, "Format": {"csv"}, "Bytes": {fmt.Sprint(len(resultsFile))}, "SHA-256": {run.Source.SHA256},
		"Rows with data": {"6"}, "Columns that were ignored": {"G: Shoe size\nH: depratment (did you mean department?)"},
		"Class":   {"Rows", "With warnings", "Done", "Failed", "Not known", "Not written"},
		"New":     {"2", "0", "1", "1", "0", "0"},
		"Updated": {"2", "0", "2", "0", "0", "0"}, "Deactivated": {"1", "0", "1", "0", "0", "0"},
		"Skipped": {"1", "0", "0", "0", "0", "0"}, "Errors": {"1", "0", "0", "0", "0", "0"}, "All": {"7", "0", "4", "1", "0", "0"},
	}, got)
}

// The file's other sheets and hidden rows, notes, and why a run ended are in the summary.
func TestResultsSummaryTellsTheRest(t *testing.T) {
	f := excelize.NewFile()
	for cell, text := range map[string]string{"A1": "userName", "B1": "email", "C1": "firstName", "D1": "lastName", "E1": "usersync errors",
		"A2": "a", "B2": "a@example.com", "C2": "A", "D2": "A"} {
		require.NoError(t, f.SetCellStr("Sheet1", cell, text))
	}
	require.NoError(t, f.SetRowVisible("Sheet1", 2, false))
	_, err := f.NewSheet("Old")
	require.NoError(t, err)
	require.NoError(t, f.SetCellStr("Old", "A1", "x"))
	var file bytes.Buffer
	require.NoError(t, f.Write(&file))
	store := memory.New()
	eng, err := usersync.New(brokenStore{store}, store.Baselines())
	require.NoError(t, err)
	plan, err := eng.Preview(context.Background(), usersync.DefaultConfig("x"), inXLSX(file.Bytes()))
	require.NoError(t, err)
	_, err = eng.Apply(context.Background(), plan)
	var partial *usersync.PartialError
	require.ErrorAs(t, err, &partial)
	results := fileOf(t, partial.Run.WriteResults)
	summary := fmt.Sprint(sheetRows(t, results, "Summary"))
	for _, want := range []string{"Failed", "the database is down", "Sheet1", "[Hidden rows 1, which", "[Other sheets, not read Old]", "[Notes this is a correction file"} {
		require.Contains(t, summary, want)
	}
	rows := sheetRows(t, results, "New")
	require.Equal(t, "2 (hidden)", rows[1][0])
	require.Equal(t, "Not known", rows[1][3])
}

type brokenStore struct{ *memory.Store }

func (brokenStore) WriteUsers(context.Context, []usersync.Change) ([]usersync.Outcome, error) {
	return nil, errors.New("the database is down")
}

// A preview has the same sheets; what waits for a decision says so.
func TestPreviewWorkbook(t *testing.T) {
	store := resultsStore()
	eng, err := usersync.New(store, store.Baselines())
	require.NoError(t, err)
	plan, err := eng.Preview(context.Background(), resultsConfig(), usersync.CSV(strings.NewReader(resultsFile)))
	require.NoError(t, err)
	file := fileOf(t, plan.WritePreview)
	rows := sheetRows(t, file, "Updated")
	require.Equal(t, "What would happen", rows[0][3])
	require.Equal(t, []string{"2", "anna", "i1", "Update", "title: Engineer → Lead (to be decided)"}, rows[1])
	require.Equal(t, "Update and activate", rows[2][3])
	require.Equal(t, "Create", sheetRows(t, file, "New")[1][3])
	require.Equal(t, "Deactivate", sheetRows(t, file, "Deactivated")[1][3])
	require.Equal(t, "Cannot be imported", sheetRows(t, file, "Errors")[1][3])
	require.Contains(t, fmt.Sprint(sheetRows(t, file, "Summary")), "1 to decide")

	require.NoError(t, plan.Resolve(usersync.Decision{Choice: usersync.KeepCurrent}))
	kept := sheetRows(t, fileOf(t, plan.WritePreview), "Skipped")
	require.Equal(t, "title: Engineer → Lead (not written: a person kept the current value)", kept[1][4])
}

// P2: nothing becomes a formula, in whichever column it stands.
func TestResultsHaveNoFormulas(t *testing.T) {
	fields := usersync.DefaultSchema().Fields
	g := grid{{"extra"}}
	for _, f := range fields {
		g[0] = append(g[0], f.Name)
	}
	for _, payload := range exportPayloads {
		row := []string{payload}
		for range fields {
			row = append(row, payload)
		}
		g = append(g, row)
		valid := []string{payload, payload, "e" + fmt.Sprint(len(g)) + "@example.com", payload, payload}
		g = append(g, append(valid, make([]string, len(fields)-4)...))
	}
	g[0][0] = "=HEADER()"
	store := memory.New()
	eng, err := usersync.New(store, store.Baselines())
	require.NoError(t, err)
	cfg := usersync.DefaultConfig("=CONFIG()")
	plan, err := eng.Preview(context.Background(), cfg, g.xlsx(t).WithName("=FILE().xlsx"), usersync.By(usersync.Actor{Name: "=ACTOR()"}))
	require.NoError(t, err)
	run, err := eng.Apply(context.Background(), plan)
	require.NoError(t, err)
	for _, write := range []func(io.Writer) error{run.WriteResults, plan.WritePreview,
		func(w io.Writer) error { return run.WriteCorrections(w, usersync.FormatXLSX) }} {
		file := fileOf(t, write)
		requireNoFormulas(t, file)
		requireWellFormed(t, file)
	}
}

// A10: no secret is in any report.
func TestResultsHideSecrets(t *testing.T) {
	s := usersync.Schema{Key: "login", Fields: []usersync.Field{{Name: "login"}, {Name: "password", Secret: true, MinLength: 5}}}
	store := memory.New(memory.WithKey("login"))
	eng, err := usersync.New(store, store.Baselines(), usersync.WithSchema(s))
	require.NoError(t, err)
	plan, err := eng.Preview(context.Background(), usersync.DefaultConfig("x"), grid{{"login", "password"}, {"a", "swordfish"}, {"b", "xyzz"}}.csv(t))
	require.NoError(t, err)
	run, err := eng.Apply(context.Background(), plan)
	require.NoError(t, err)
	for _, write := range []func(io.Writer) error{run.WriteResults, plan.WritePreview} {
		f := opened(t, fileOf(t, write))
		for _, sheet := range f.GetSheetList() {
			rows, err := f.GetRows(sheet)
			require.NoError(t, err)
			require.NotContains(t, fmt.Sprint(rows), "swordfish")
			require.NotContains(t, fmt.Sprint(rows), "xyzz")
		}
	}
}

func TestResultsAreRepeatable(t *testing.T) {
	_, run := resultsRun(t)
	first := fileOf(t, run.WriteResults)
	for range 10 {
		require.Equal(t, first, fileOf(t, run.WriteResults))
	}
	require.ErrorIs(t, run.WriteResults(failingWriter{}), errDiskFull)
}

// The header stays in sight, rows can be filtered, and no text shows the mark of a number kept as text.
func TestResultsLooks(t *testing.T) {
	_, run := resultsRun(t)
	f := opened(t, fileOf(t, run.WriteResults))
	panes, err := f.GetPanes("Updated")
	require.NoError(t, err)
	require.True(t, panes.Freeze && panes.YSplit == 1)
	var filters []string
	for _, name := range f.GetDefinedName() {
		filters = append(filters, name.RefersTo)
	}
	require.Contains(t, filters, "'Updated'!$A$1:$F$3")
	require.True(t, cellStyle(t, f, "Updated", "E2").Alignment.WrapText)
	require.Equal(t, "9C0006", cellStyle(t, f, "New", "F3").Font.Color, "what failed is red")
}

func TestResultsInLibreOffice(t *testing.T) {
	_, run := resultsRun(t)
	file := fileOf(t, run.WriteResults)
	summary := convert(t, file, "csv")
	for _, want := range []string{"Offices", "Succeeded", "New,2,0,1,1,0,0", run.Source.SHA256} {
		require.Contains(t, summary, want)
	}
	require.True(t, strings.HasPrefix(convert(t, file, "pdf"), "%PDF"))
}

func ExampleRun_WriteResults() {
	ctx, store := context.Background(), memory.New()
	eng, err := usersync.New(store, store.Baselines())
	if err != nil {
		fmt.Println(err)
		return
	}
	upload := usersync.CSV(strings.NewReader("userName,email,firstName,lastName\nada,ada@example.com,Ada,Byron\nben,,Ben,Ode\n"))
	plan, err := eng.Preview(ctx, usersync.DefaultConfig("Staff"), upload)
	if err != nil {
		fmt.Println(err)
		return
	}
	run, err := eng.Apply(ctx, plan)
	if err != nil {
		fmt.Println(err)
		return
	}
	var file bytes.Buffer
	if err := run.WriteResults(&file); err != nil {
		fmt.Println(err)
		return
	}
	book, err := excelize.OpenReader(&file)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, sheet := range []string{"New", "Errors"} {
		rows, err := book.GetRows(sheet)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, row := range rows[1:] {
			fmt.Println(sheet+":", strings.Join(row, " | "))
		}
	}
	// Output:
	// New: 2 | ada | u1 | Created | userName: ada; email: ada@example.com; firstName: Ada; lastName: Byron
	// Errors: 3 | ben |  | Not imported |  | email: is required and is blank
}

func ExamplePlan_WriteCorrections() {
	store := memory.New()
	eng, err := usersync.New(store, store.Baselines())
	if err != nil {
		fmt.Println(err)
		return
	}
	upload := usersync.CSV(strings.NewReader("userName,email,firstName,lastName,phone\n" +
		"ada,ada@example.com,Ada,Byron,+44 20 7946 0000\n" + "ben,ben at example,Ben,Ode,+44 20 7946 0001\n"))
	plan, err := eng.Preview(context.Background(), usersync.DefaultConfig("Staff"), upload)
	if err != nil {
		fmt.Println(err)
		return
	}
	var file bytes.Buffer
	if err := plan.WriteCorrections(&file, usersync.FormatCSV); err != nil {
		fmt.Println(err)
		return
	}
	text := strings.TrimPrefix(file.String(), "\ufeff") // the byte order mark
	fmt.Print(strings.ReplaceAll(text, "\r\n", "\n"))
	// Output:
	// userName,email,firstName,lastName,phone,usersync errors
	// ben,ben at example,Ben,Ode,'+44 20 7946 0001,Row 3 of the upload: email: ben at example is not an email address such as name@example.com
}
