package usersync_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/xuri/excelize/v2"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

// plate is a canonical form of a product's own: capital letters and digits, without what separates them.
func plate(text string) (string, error) {
	switch {
	case text == "panic":
		panic("on purpose")
	case text == "nothing":
		return " \u200b", nil
	case text == "mark":
		return "A\x1fB", nil
	case strings.Contains(text, "?"):
		return "", &usersync.FieldError{Code: "bad_plate", Params: map[string]string{"value": text, "message": text + ": write it as B AB 123"}}
	case strings.Contains(text, "!"):
		return "", errors.New("is not a plate")
	}
	return strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(text)), nil
}

func plateSchema(change func(*usersync.Field)) usersync.Schema {
	f := usersync.Field{Name: "plate", Canonical: plate}
	if change != nil {
		change(&f)
	}
	return usersync.Schema{Key: "login", Fields: []usersync.Field{{Name: "login", Required: usersync.Always}, f}}
}

func previewWith(t *testing.T, s usersync.Schema, file string, users ...usersync.User) *usersync.Plan {
	t.Helper()
	store := memory.New(memory.WithKey(s.Key))
	store.Put(users...)
	eng, err := usersync.New(store, store.Baselines(), usersync.WithSchema(s))
	require.NoError(t, err)
	plan, err := eng.Preview(context.Background(), usersync.DefaultConfig("Staff"), usersync.CSV(strings.NewReader(file)))
	require.NoError(t, err)
	return plan
}

func withValues(id string, kv ...string) usersync.User {
	u := usersync.User{ID: id, Active: true}
	for i := 0; i < len(kv); i += 2 {
		u.Values.Set(kv[i], kv[i+1])
	}
	return u
}

// reasonsOf gives the reasons of a plan's rows, in order.
func reasonsOf(p *usersync.Plan) []string {
	var out []string
	for row := range p.Rows() {
		for _, r := range row.Reasons {
			out = append(out, string(r.Code)+": "+r.Text())
		}
	}
	return out
}

// C3: both sides are compared in the product's own form; what it would refuse is compared as it stands.
func TestCanonicalOfBothSides(t *testing.T) {
	plan := previewWith(t, plateSchema(nil), "login,plate\nanna,b-ab 123\nbert,B AB 124\ncarl,b ab 125\n",
		withValues("u1", "login", "anna", "plate", "B AB 123"), withValues("u2", "login", "bert", "plate", "bab-125"),
		withValues("u3", "login", "carl", "plate", "?"))
	rows := slices.Collect(plan.Rows())
	require.Equal(t, usersync.ClassSkipped, rows[0].Class)
	require.Equal(t, []usersync.FieldChange{{Field: "plate", Old: "bab-125", New: "BAB124", By: "useSource"}}, rows[1].Changes)
	require.Equal(t, []usersync.FieldChange{{Field: "plate", Old: "?", New: "BAB125", By: "useSource"}}, rows[2].Changes)
}

// C3: the items of a list are compared in the product's own form, whichever side has them in which.
func TestCanonicalOfLists(t *testing.T) {
	list := func(f *usersync.Field) { f.List = &usersync.ListFormat{Separator: ";"} }
	anna := withValues("u1", "login", "anna")
	anna.Values.SetList("plate", []string{"B AB 1", "?", "b-cd-2"})
	bert := withValues("u2", "login", "bert")
	bert.Values.SetList("plate", []string{"B AB 1"})
	plan := previewWith(t, plateSchema(list), "login,plate\nanna,b cd 2;bab1\nbert,b-ab 1;BAB1\n", anna, bert)
	rows := slices.Collect(plan.Rows())
	require.Equal(t, "BCD2, BAB1", rows[0].Changes[0].New)
	require.Equal(t, usersync.ClassSkipped, rows[1].Class)
}

// C6: a unique value is looked up, and told from others, in the product's own form.
func TestCanonicalIsUnique(t *testing.T) {
	plan := previewWith(t, plateSchema(func(f *usersync.Field) { f.Unique = usersync.MustBeUnique }),
		"login,plate\nanna,b ab 1\nbert,b-cd-2\ncarl,BCD2\n", withValues("u9", "login", "zoe", "plate", "BAB1"))
	require.Equal(t, []string{"not_unique: plate: BAB1 is already used by zoe", "not_unique: plate: BCD2 is already used by carl (row 4)",
		"not_unique: plate: BCD2 is already used by bert (row 3)"}, reasonsOf(plan))
}

// C2: a value that the product's own form refuses is an error of the row, and so is one on which it fails.
func TestCanonicalRefuses(t *testing.T) {
	plan := previewWith(t, plateSchema(nil), "login,plate\na,x?\nb,x!\nc,panic\nd,nothing\n")
	require.Equal(t, []string{"bad_plate: plate: x?: write it as B AB 123", "bad_value: plate: is not a plate",
		"bad_value: plate: could not be read: the product's own form of this field failed",
		"bad_value: plate: could not be read: the product's own form of this field failed"}, reasonsOf(plan))
	mark := previewWith(t, plateSchema(nil), "login,plate\ne,mark\n")
	require.Equal(t, "AB", slices.Collect(mark.Rows())[0].Changes[1].New, "nothing of a value can look like a list")
}

// Length, characters and pattern are those of the canonical form; samples and defaults are brought into it.
func TestCanonicalComesFirst(t *testing.T) {
	s := plateSchema(func(f *usersync.Field) { f.MaxLength, f.Pattern, f.Sample = 4, "[A-Z0-9]+", "b-ab-1" })
	require.NoError(t, s.Validate())
	require.Empty(t, reasonsOf(previewWith(t, s, "login,plate\nanna,b - a - b - 1\n")))
	s.Fields[1].Sample = "?"
	require.ErrorContains(t, s.Validate(), "write it as B AB 123")
	for _, kind := range []usersync.Kind{usersync.KindBool, usersync.KindEnum, usersync.KindDate} {
		s := plateSchema(func(f *usersync.Field) { f.Kind, f.Options = kind, []usersync.EnumValue{{Value: "a"}} })
		require.ErrorContains(t, s.Validate(), "canonical form", "%s", kind)
	}
}

// The same text is brought into its form once, unless it is a secret.
func TestCanonicalIsRemembered(t *testing.T) {
	for _, tt := range []struct {
		secret bool
		calls  int64
	}{{false, 1}, {true, 50}} {
		var calls atomic.Int64
		s := plateSchema(func(f *usersync.Field) {
			f.Secret = tt.secret
			f.Canonical = func(text string) (string, error) { calls.Add(1); return plate(text) }
		})
		file := "login,plate\n"
		for i := range 50 {
			file += fmt.Sprintf("user%d,b-1\n", i)
		}
		previewWith(t, s, file)
		require.Equal(t, tt.calls, calls.Load())
	}
}

// C2, R4: a cell of a workbook that is shown as a date is one; one that shows a time as well is one at midnight.
func TestDateCells(t *testing.T) {
	book := excelize.NewFile()
	defer func() { require.NoError(t, book.Close()) }()
	day, err := book.NewStyle(&excelize.Style{NumFmt: 14})
	require.NoError(t, err)
	minute, err := book.NewStyle(&excelize.Style{NumFmt: 22})
	require.NoError(t, err)
	require.NoError(t, book.SetSheetRow("Sheet1", "A1", &[]any{"login", "since"}))
	for i, c := range []struct {
		value float64
		style int
	}{{46387, day}, {46387, minute}, {46387.5, minute}} {
		row := i + 2
		require.NoError(t, book.SetCellValue("Sheet1", fmt.Sprintf("A%d", row), fmt.Sprintf("user%d", row)))
		require.NoError(t, book.SetCellValue("Sheet1", fmt.Sprintf("B%d", row), c.value))
		require.NoError(t, book.SetCellStyle("Sheet1", fmt.Sprintf("B%d", row), fmt.Sprintf("B%d", row), c.style))
	}
	var file bytes.Buffer
	require.NoError(t, book.Write(&file))
	s := usersync.Schema{Key: "login", Fields: []usersync.Field{{Name: "login", Required: usersync.Always}, {Name: "since", Kind: usersync.KindDate}}}
	rows := slices.Collect(previewOf(t, s, inXLSX(file.Bytes())).Rows())
	require.Equal(t, "2026-12-31", rows[0].Changes[1].New)
	require.Equal(t, "2026-12-31", rows[1].Changes[1].New)
	require.Equal(t, usersync.CodeBadDate, rows[2].Reasons[0].Code)
}

// B3, B9: the day after the last one the same file deactivates, and from then on changes nothing; the day is
// that of UTC.
func TestLastDayPasses(t *testing.T) {
	s := usersync.Schema{Key: "login", Status: "active", LastDay: "until", Fields: []usersync.Field{{Name: "login", Required: usersync.Always},
		{Name: "active", Kind: usersync.KindBool}, {Name: "until", Kind: usersync.KindDate}}}
	store := memory.New(memory.WithKey("login"))
	now := time.Date(2030, 1, 1, 1, 0, 0, 0, time.FixedZone("", 2*60*60)) // in UTC still 2029
	eng, err := usersync.New(store, store.Baselines(), usersync.WithSchema(s), usersync.WithClock(func() time.Time { return now }))
	require.NoError(t, err)
	cfg := usersync.DefaultConfig("Staff")
	cfg.InactiveUsers = usersync.Activate
	upload := func() usersync.Counts {
		plan, err := eng.Preview(t.Context(), cfg, usersync.CSV(strings.NewReader("login,active,until\nanna,true,2029-12-31\n")))
		require.NoError(t, err)
		_, err = eng.Apply(t.Context(), plan)
		require.NoError(t, err)
		return plan.Counts()
	}
	first := upload()
	require.Equal(t, 1, first.New)
	require.Equal(t, 1, first.SeatsNeeded)
	require.Equal(t, 1, upload().Unchanged)
	now = now.Add(time.Hour)
	next := upload()
	require.Equal(t, 1, next.Deactivations)
	require.Equal(t, -1, next.SeatsNeeded)
	require.False(t, store.Users()[0].Active)
	for range 2 {
		require.Equal(t, 1, upload().Unchanged)
		now = now.Add(24 * time.Hour)
	}
}

// B3, K1: the rule of the field decides which date counts, as long as the row gives one. Nobody can be asked.
func TestLastDayRules(t *testing.T) {
	s := usersync.Schema{Key: "login", LastDay: "until", Fields: []usersync.Field{{Name: "login", Required: usersync.Always},
		{Name: "until", Kind: usersync.KindDate}}}
	const past, future = "2020-01-01", "2090-01-01"
	for _, tt := range []struct {
		rule         usersync.Rule
		stored, cell string
		inactive     bool
		op           usersync.Op
	}{
		{usersync.Rule{Strategy: usersync.UseSource}, future, past, false, usersync.OpDeactivate},
		{usersync.Rule{Strategy: usersync.UseSource}, past, future, true, usersync.OpActivate},
		{usersync.Rule{Strategy: usersync.UseSource}, past, "", false, ""},
		{usersync.Rule{Strategy: usersync.UseSource}, past, "", true, ""},
		{usersync.Rule{Strategy: usersync.UseSource}, past, "-", true, usersync.OpActivate},
		{usersync.Rule{Strategy: usersync.UseSource}, past, "-", false, usersync.OpUpdate},
		{usersync.Rule{Strategy: usersync.UseSource}, "31.12.2020", "", true, usersync.OpActivate},
		{usersync.Rule{Strategy: usersync.KeepDestination}, future, past, false, ""},
		{usersync.Rule{Strategy: usersync.KeepDestination}, "", past, false, ""},
		{usersync.Rule{Strategy: usersync.KeepDestination}, past, future, false, usersync.OpDeactivate},
		{usersync.Rule{Strategy: usersync.KeepDestination}, past, future, true, ""},
		{usersync.Rule{Strategy: usersync.UpdateIfEmpty}, "", past, false, usersync.OpDeactivate},
		{usersync.Rule{Strategy: usersync.UpdateIfEmpty}, future, past, false, ""},
		{usersync.Rule{Strategy: usersync.ForceValue, Value: past}, future, future, false, usersync.OpDeactivate},
		{usersync.Rule{Strategy: usersync.ForceValue, Value: past}, past, "", false, usersync.OpDeactivate},
		{usersync.Rule{Strategy: usersync.ForceValue, Value: future}, past, past, true, usersync.OpActivate},
	} {
		name := fmt.Sprintf("%s, %q in the system, %q in the file, inactive %v", tt.rule.Strategy, tt.stored, tt.cell, tt.inactive)
		t.Run(name, func(t *testing.T) {
			store := memory.New(memory.WithKey("login"))
			u := withValues("u1", "login", "anna", "until", tt.stored)
			u.Active = !tt.inactive
			store.Put(u)
			eng, err := usersync.New(store, store.Baselines(), usersync.WithSchema(s))
			require.NoError(t, err)
			cfg := usersync.DefaultConfig("Staff")
			cfg.InactiveUsers, cfg.ClearMarker = usersync.Activate, "-"
			cfg.Rules = map[string]usersync.Rule{"until": tt.rule}
			plan, err := eng.Preview(t.Context(), cfg, usersync.CSV(strings.NewReader("login,until\nanna,"+tt.cell+"\n")))
			require.NoError(t, err)
			require.Equal(t, tt.op, slices.Collect(plan.Rows())[0].Op)
		})
	}
	ask := usersync.DefaultConfig("Staff")
	ask.DefaultRule = usersync.AskAtRuntime
	require.ErrorContains(t, ask.Validate(s), "rules.until: the last day decides the status and cannot be asked about")
	ask.Rules = map[string]usersync.Rule{"until": {Strategy: usersync.UpdateIfEmpty}}
	require.NoError(t, ask.Validate(s))
}

// What contradicts itself in a schema is reported, all at once.
func TestSchemaContradictions(t *testing.T) {
	s := usersync.Schema{Key: "login", LastDay: "since", Fields: []usersync.Field{
		{Name: "login", Ignored: usersync.IgnoredForExisting},
		{Name: "since"},
		{Name: "password", Required: usersync.ForNewUsers, Ignored: usersync.IgnoredForNew},
		{Name: "email", Required: usersync.Always, Ignored: usersync.IgnoredForNew},
		{Name: "old", Match: "login", Ignored: usersync.IgnoredForNew},
		{Name: "word", Ignored: "always"},
	}}
	var invalid *usersync.InvalidError
	require.ErrorAs(t, s.Validate(), &invalid)
	var paths []string
	for _, p := range invalid.Problems {
		paths = append(paths, p.Path)
	}
	require.Equal(t, []string{"lastDay", "fields.login.ignored", "fields.password.ignored", "fields.email.ignored",
		"fields.old.ignored", "fields.word.ignored"}, paths)
	fine := usersync.Schema{Key: "login", Fields: []usersync.Field{{Name: "login"},
		{Name: "password", Secret: true, Required: usersync.ForNewUsers, Ignored: usersync.IgnoredForExisting}}}
	require.NoError(t, fine.Validate())
}

// R3: a configuration takes the kinds of file that it names, by their content.
func TestFormats(t *testing.T) {
	xlsx := template(t, usersync.DefaultSchema())
	csv := []byte(fourRows)
	for _, tt := range []struct {
		formats []usersync.Format
		file    []byte
		says    string
	}{
		{nil, xlsx, ""},
		{nil, csv, ""},
		{[]usersync.Format{usersync.FormatXLSX}, xlsx, ""},
		{[]usersync.Format{usersync.FormatXLSX, usersync.FormatCSV}, csv, ""},
		{[]usersync.Format{usersync.FormatXLSX}, csv, "this is a CSV file (.csv): save it as an Excel workbook (.xlsx)"},
		{[]usersync.Format{usersync.FormatCSV}, xlsx, "this is an Excel workbook (.xlsx): save it as a CSV file (.csv)"},
	} {
		eng, err := usersync.New(memory.New(), memory.NewBaselines())
		require.NoError(t, err)
		cfg := usersync.DefaultConfig("Staff")
		cfg.Formats = tt.formats
		path := filepath.Join(t.TempDir(), "users.xlsx") // the name says nothing
		require.NoError(t, os.WriteFile(path, tt.file, 0o600))
		_, err = eng.Preview(t.Context(), cfg, usersync.File(path))
		if tt.says == "" {
			require.NoError(t, err)
			continue
		}
		var refused *usersync.FileError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, "format_unexpected", refused.Code)
		require.Contains(t, err.Error(), tt.says)
	}
	cfg := usersync.DefaultConfig("Staff")
	cfg.Formats = []usersync.Format{"csv", "ods"}
	require.ErrorContains(t, cfg.Validate(usersync.DefaultSchema()), `formats.1: "ods" is not known`)
}

// R2: a file with too many rows is counted to its end and refused with both numbers; no row is checked for it.
func TestTooManyRows(t *testing.T) {
	var file strings.Builder
	file.WriteString("userName,email,firstName,lastName\n")
	for i := range 2345 {
		fmt.Fprintf(&file, "u%d,u%d@example.com,U,%d\n\n,,,\n", i, i, i)
	}
	cfg := usersync.DefaultConfig("Staff")
	cfg.Limits.Rows = 2000
	store := memory.New()
	counted := &countingReader{UserReader: store}
	p, err := usersync.NewPreviewer(counted, store.Baselines(), usersync.WithBatchSize(500))
	require.NoError(t, err)
	_, err = p.Preview(t.Context(), cfg, usersync.CSV(strings.NewReader(file.String())))
	var refused *usersync.FileError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "limit_rows", refused.Code)
	require.EqualValues(t, 2000, refused.Limit)
	require.EqualValues(t, 2345, refused.Count)
	require.ErrorContains(t, err, "the file has 2,345 rows of users, and at most 2,000 are allowed")
	require.LessOrEqual(t, counted.values, 2*2000, "by user name and by email")

	file.WriteString("\"never closed")
	_, err = p.Preview(t.Context(), cfg, usersync.CSV(strings.NewReader(file.String())))
	require.ErrorAs(t, err, &refused)
	require.NotEqual(t, "limit_rows", refused.Code, "a damaged file is damaged") // R1
}

// countingReader counts the values that are looked up.
type countingReader struct {
	usersync.UserReader
	values int
}

// FindUsers counts and looks up.
func (r *countingReader) FindUsers(ctx context.Context, field string, values []string) ([]usersync.User, error) {
	r.values += len(values)
	return r.UserReader.FindUsers(ctx, field, values)
}

// P1: the template says what is allowed, and reading it back gives the schema.
func TestTemplateExplainsFields(t *testing.T) {
	s := usersync.Schema{Key: "login", Status: "status", LastDay: "until", Fields: []usersync.Field{
		{Name: "login", Required: usersync.Always, Sample: "jane.doe", MinLength: 1, MaxLength: 50,
			Characters: &usersync.Characters{Only: []usersync.CharSet{usersync.Latin, usersync.Digits}, Also: `/\_.-@`}},
		{Name: "password", Secret: true, Required: usersync.ForNewUsers, Ignored: usersync.IgnoredForExisting,
			Characters: &usersync.Characters{Need: []usersync.CharSet{usersync.Digits, usersync.Latin}, Not: []usersync.CharSet{usersync.Spaces}}},
		{Name: "status", Kind: usersync.KindBool, Ignored: usersync.IgnoredForNew},
		{Name: "until", Kind: usersync.KindDate, Sample: "2026-12-31"},
		{Name: "groups", List: &usersync.ListFormat{Separator: ",", None: "none"}},
		{Name: "tags", List: &usersync.ListFormat{Separator: ";"}},
	}}
	want := []string{
		"Required.\nText; only Latin letters, digits and / \\ _ . - @.\nCharacters: 1 to 50.",
		"Required for new users.\nNot taken for existing users.\nText; no spaces; at least one digit and one Latin letter.",
		"Optional.\nNot taken for new users.\nOne of two words.\nAllowed: true, false.",
		"Optional.\nDate of the form year-month-day, such as 2026-12-31.",
		"Optional.\nText; several are separated by a comma; none for none at all.",
		"Optional.\nText; several are separated by a semicolon.",
	}
	file := template(t, s)
	notes, err := opened(t, file).GetComments("Users")
	require.NoError(t, err)
	require.Len(t, notes, len(want))
	guide, err := opened(t, file).GetRows("Fields")
	require.NoError(t, err)
	for i, f := range s.Fields {
		text := notes[i].Text
		for _, run := range notes[i].Paragraph {
			text += run.Text
		}
		require.Contains(t, text, want[i], f.Name)
	}
	require.Equal(t, "Text; only Latin letters, digits and / \\ _ . - @", guide[4][2])
	require.Equal(t, "Required for new users. Not taken for existing users", guide[5][1])
	plan := previewOf(t, s, inXLSX(file))
	for i, f := range s.Fields {
		require.Equal(t, f.Name, plan.Source.Columns[i].Field)
	}
	require.Equal(t, []string{"sample_row: this is the template's sample row: delete it", "required: password (B2): is required and is blank"}, reasonsOf(plan))
}
