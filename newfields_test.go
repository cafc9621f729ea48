package usersync_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/xuri/excelize/v2"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
	"github.com/usersync-go/usersync/usersynctest"
)

// workshop is a service that adds fields.
type workshop struct {
	*bureau
	fields *memory.Fields
}

func newWorkshop(t *testing.T, users ...string) *workshop {
	w := &workshop{bureau: newBureau(t, users...), fields: memory.NewFields()}
	w.svc = w.adding()
	return w
}

// adding makes another service over the same stores.
func (w *workshop) adding(opts ...usersync.Option) *usersync.Service {
	return w.service(append([]usersync.Option{usersync.WithFieldStore(w.fields)}, opts...)...)
}

// wideFile is an upload with further columns, whose headers are the words before "=" in the rows.
func wideFile(columns string, rows ...string) usersync.Source {
	all := append([]string{"userName", "email", "firstName", "lastName"}, strings.Fields(columns)...)
	lines := []string{strings.Join(all, ",")}
	for _, row := range rows {
		fields := officeFields(row)
		cells := make([]string, len(all))
		for i, c := range all {
			cells[i] = fields[c]
		}
		lines = append(lines, strings.Join(cells, ","))
	}
	return usersync.CSV(strings.NewReader(strings.Join(lines, "\n")))
}

// plan previews a file of which some columns, by header, are chosen as they are offered.
func (w *workshop) plan(chosen, columns string, rows ...string) *usersync.Plan {
	w.t.Helper()
	w.ahead += time.Minute // so that runs have an order
	plan, err := w.svc.Preview(w.t.Context(), w.cfg.ID, wideFile(columns, rows...))
	require.NoError(w.t, err)
	var fields []usersync.Field
	for _, offer := range plan.NewFields() {
		if strings.Contains(" "+chosen+" ", " "+offer.Column.Header+" ") {
			fields = append(fields, offer.Field)
		}
	}
	require.Len(w.t, fields, len(strings.Fields(chosen)))
	if len(fields) == 0 {
		return plan
	}
	plan, err = w.svc.Preview(w.t.Context(), w.cfg.ID, wideFile(columns, rows...), usersync.AddFields(fields...))
	require.NoError(w.t, err)
	return plan
}

// names are the fields that were added.
func (w *workshop) names() []string {
	w.t.Helper()
	fields, err := w.fields.Fields(w.t.Context())
	require.NoError(w.t, err)
	names := []string{}
	for _, f := range fields {
		names = append(names, f.Name)
	}
	return names
}

// user shows a user with the fields that these tests add.
func (w *workshop) user(name string) string {
	w.t.Helper()
	found, err := w.store.FindUsers(w.t.Context(), "userName", []string{name})
	require.NoError(w.t, err)
	require.Len(w.t, found, 1)
	line := name
	for _, field := range []string{"hat", "shoe"} {
		if v := found[0].Values.Get(field); v != "" {
			line += " " + field + "=" + v
		}
	}
	return line
}

// N2: the kind that all values of a column have.
func TestGuessedKinds(t *testing.T) {
	for _, c := range []struct {
		values string
		want   usersync.Field
	}{
		{"yes no YES", usersync.Field{Kind: usersync.KindBool}},
		{"true", usersync.Field{Kind: usersync.KindBool}},
		{"1 0 1", usersync.Field{Kind: usersync.KindBool}},
		{"2026-12-31 2026-12-31T00:00:00", usersync.Field{Kind: usersync.KindDate}},
		{"2026-12-31 31.12.2026", usersync.Field{MaxLength: 255}},
		{"1 yes", usersync.Field{Kind: usersync.KindBool}},
		{"1 1 1", usersync.Field{MaxLength: 255}},
		{"0", usersync.Field{MaxLength: 255}},
		{"1 0 2", usersync.Field{MaxLength: 255}},
		{"yes perhaps", usersync.Field{MaxLength: 255}},
		{"a@b.example", usersync.Field{Kind: usersync.KindEmail}},
		{"a@b.example b", usersync.Field{MaxLength: 255}},
		{"+4915112345 +15550100", usersync.Field{Kind: usersync.KindPhone}},
		{"+4915112345 015112345", usersync.Field{MaxLength: 255}},
		{"00420", usersync.Field{MaxLength: 255}},
		{"#N/A yes - #REF!", usersync.Field{MaxLength: 255}},
		{"#N/A yes #REF!", usersync.Field{Kind: usersync.KindBool}},
		{strings.Repeat("ä", 255), usersync.Field{MaxLength: 255}},
		{strings.Repeat("ä", 256), usersync.Field{MaxLength: 1000}},
		{strings.Repeat("a", 1001), usersync.Field{MaxLength: 4000}},
		{strings.Repeat("a", 4001), usersync.Field{MaxLength: 32767}},
	} {
		w := newWorkshop(t)
		var rows []string
		for i, value := range strings.Fields(c.values) {
			rows = append(rows, fmt.Sprintf("user%d New=%s", i, value))
		}
		offers := w.plan("", "New", rows...).NewFields()
		require.Len(t, offers, 1, c.values)
		c.want.Name, c.want.Title = "new", "New"
		require.Equal(t, c.want, offers[0].Field, "%.40s", c.values)
		for _, sample := range offers[0].Samples {
			require.LessOrEqual(t, len([]rune(sample)), 100)
		}
		require.Zero(t, w.plan("New", "New", rows...).Counts().Errors-strings.Count(c.values, "#"), "a field as it is offered takes every value")
	}
}

// N2: names are made of letters and digits, free, and short.
func TestNamesOfNewFields(t *testing.T) {
	for header, want := range map[string]string{
		"badge": "badge", "Badge No.": "badgeNo", "BADGE NO": "badgeNo", "ID": "id2", "id": "id2", "ID card": "idCard", "e-mail": "eMail2",
		"Размер обуви": "размерОбуви", "靴のサイズ": "靴のサイズ", "3rd": "field3rd", "x_y": "xY", "cField1!": "cField12", "a😀b": "aB",
		strings.Repeat("long ", 20): strings.TrimRight("long"+strings.Repeat("Long", 13), " "), "i\u0307x": "i\u0307x",
	} {
		w := newWorkshop(t)
		src := usersync.CSV(strings.NewReader("userName,email,firstName,lastName," + header + "\nanna,a@b.example,A,B,c"))
		plan, err := w.svc.Preview(t.Context(), w.cfg.ID, src)
		require.NoError(t, err)
		require.Len(t, plan.NewFields(), 1, header)
		require.Equal(t, want, plan.NewFields()[0].Field.Name, header)
		src = usersync.CSV(strings.NewReader("userName,email,firstName,lastName," + header + "\nanna,a@b.example,A,B,c"))
		plan, err = w.svc.Preview(t.Context(), w.cfg.ID, src, usersync.AddFields(plan.NewFields()[0].Field))
		require.NoError(t, err, "%s can be added as it is offered", header)
		require.Equal(t, want, plan.Added[0].Name)
	}
}

// N2: a name that would take another column of the file too is not free.
func TestNamesAreNotOtherHeaders(t *testing.T) {
	w := newWorkshop(t)
	const rows = "userName,email,firstName,lastName,Shoe Size,shoesize\nanna,a@b.example,A,B,1,2"
	plan, err := w.svc.Preview(t.Context(), w.cfg.ID, usersync.CSV(strings.NewReader(rows)))
	require.NoError(t, err)
	require.Equal(t, "shoeSize2", plan.NewFields()[0].Field.Name)
	require.Equal(t, "shoesize", plan.NewFields()[1].Field.Name)
	for n := 1; n <= 2; n++ {
		var fields []usersync.Field
		for _, offer := range plan.NewFields()[:n] {
			fields = append(fields, offer.Field)
		}
		_, err = w.svc.Preview(t.Context(), w.cfg.ID, usersync.CSV(strings.NewReader(rows)), usersync.AddFields(fields...))
		require.NoError(t, err)
	}
}

// N1: without a store of fields nothing is offered, nothing can be added, and stored plans say nothing of it.
func TestWithoutFieldStore(t *testing.T) {
	b := newBureau(t, "anna")
	plan, err := b.svc.Preview(t.Context(), b.cfg.ID, wideFile("Shoe", "anna Shoe=38"))
	require.NoError(t, err)
	require.Empty(t, plan.NewFields())
	all, err := usersync.StoredForm(plan, nil)
	require.NoError(t, err)
	for _, member := range []string{`"fields"`, `"added"`, `"newFields"`} {
		require.NotContains(t, string(all[0]), member)
	}
	_, err = b.svc.Preview(t.Context(), b.cfg.ID, wideFile("Shoe", "anna Shoe=38"), usersync.AddFields(usersync.Field{Name: "shoe"}))
	require.ErrorIs(t, err, usersync.ErrInvalid)
	schema, err := b.svc.CurrentSchema(t.Context())
	require.NoError(t, err)
	require.Equal(t, b.svc.Schema(), schema)
}

// N5: a preview adds nothing; the run adds the fields before it writes, and its record, its workbook and the next
// preview, of whatever process, have them.
func TestRunAddsFields(t *testing.T) {
	w := newWorkshop(t, "anna", "bert")
	other := w.adding()
	plan := w.plan("Shoe", "Shoe Note", "anna Shoe=38", "carl Shoe=44 Note=x")
	require.Empty(t, w.names())
	w.spy.before = func(int, []usersync.Change) { require.Equal(t, []string{"shoe"}, w.names()) }
	run := w.apply(plan)
	require.Equal(t, []string{"shoe"}, w.names())
	require.Equal(t, "anna shoe=38", w.user("anna"))
	require.Equal(t, "carl shoe=44", w.user("carl"))

	want := []usersync.Field{{Name: "shoe", Title: "Shoe", MaxLength: 255}}
	require.Equal(t, want, run.Added)
	rec, err := other.RunRecord(t.Context(), run.ID)
	require.NoError(t, err)
	require.Equal(t, want, rec.Added)
	again, err := other.Run(t.Context(), run.ID)
	require.NoError(t, err)
	require.Equal(t, want, again.Added)
	require.Contains(t, w.summary(run.ID), "shoe (Shoe)")

	next, err := other.Preview(t.Context(), w.cfg.ID, wideFile("Shoe", "anna Shoe=39"))
	require.NoError(t, err)
	require.Empty(t, next.NewFields())
	require.Equal(t, 1, next.Counts().Updated)
}

// summary is the text of the first sheet of a run's workbook.
func (w *workshop) summary(runID string) string {
	w.t.Helper()
	var file bytes.Buffer
	require.NoError(w.t, w.svc.WriteResults(w.t.Context(), runID, &file))
	book, err := excelize.OpenReader(&file)
	require.NoError(w.t, err)
	rows, err := book.GetRows(book.GetSheetName(0))
	require.NoError(w.t, err)
	return fmt.Sprint(rows)
}

// N6: configurations, the template and screens have what was added.
func TestCurrentSchema(t *testing.T) {
	w := newWorkshop(t, "anna")
	cfg := w.cfg
	cfg.Rules = map[string]usersync.Rule{"shoe": {Strategy: usersync.AskAtRuntime}}
	_, err := w.svc.EditConfig(t.Context(), cfg)
	require.ErrorContains(t, err, `there is no field "shoe"`)
	w.apply(w.plan("Shoe", "Shoe", "anna Shoe=38"))

	w.cfg, err = w.svc.EditConfig(t.Context(), cfg)
	require.NoError(t, err)
	plan := w.plan("", "Shoe", "anna Shoe=39")
	require.Equal(t, 1, plan.Counts().Conflicts)
	_, err = w.svc.Decide(t.Context(), plan.ID, usersync.Decision{Field: "shoe", Choice: usersync.TakeFile, Remember: true})
	require.NoError(t, err)
	w.apply(plan)
	saved, err := w.svc.Config(t.Context(), w.cfg.ID)
	require.NoError(t, err)
	require.Equal(t, usersync.UseSource, saved.Rules["shoe"].Strategy)

	schema, err := w.svc.CurrentSchema(t.Context())
	require.NoError(t, err)
	require.Equal(t, "shoe", schema.Fields[len(schema.Fields)-1].Name)
	require.Len(t, w.svc.Schema().Fields, len(schema.Fields)-1)
	var template bytes.Buffer
	require.NoError(t, schema.WriteTemplate(&template))
	book, err := excelize.OpenReader(&template)
	require.NoError(t, err)
	rows, err := book.GetRows("Users")
	require.NoError(t, err)
	require.Equal(t, "Shoe", rows[0][len(rows[0])-1])
}

// N7: a plan that was stored before a field was added can be shown, decided and applied, and its run can be
// taken back, as can one of before.
func TestPlansAcrossAddingAField(t *testing.T) {
	w := newWorkshop(t, "anna title=Old shoe=37", "bert")
	early := w.apply(w.plan("", "Hat", "anna Hat=L", "bert", "dora"))
	before := w.plan("", "title", "anna title=New", "bert title=New", "dora", "emil email=nonsense")
	both := w.plan("Hat", "Shoe Hat", "anna Shoe=38 Hat=L", "bert Hat=M", "dora")
	w.cfg.ID = w.another()
	w.apply(w.plan("Shoe", "Shoe", "anna Shoe=39"))

	_, err := w.svc.Decide(t.Context(), before.ID, usersync.Decision{Choice: usersync.TakeFile})
	require.NoError(t, err)
	page, err := w.svc.Rows(t.Context(), before.ID, usersync.RowQuery{})
	require.NoError(t, err)
	require.Equal(t, "title", page.Rows[0].Changes[0].Field)
	_, err = w.svc.Apply(t.Context(), before.ID)
	require.ErrorIs(t, err, usersync.ErrPlanStale, "anna was edited")
	w.apply(before, usersync.SkipStale())
	var corrections bytes.Buffer
	require.NoError(t, w.svc.WriteCorrections(t.Context(), before.ID, &corrections, usersync.FormatCSV))
	require.Contains(t, corrections.String(), "nonsense")

	page, err = w.svc.Rows(t.Context(), both.ID, usersync.RowQuery{})
	require.NoError(t, err)
	require.Equal(t, "hat", page.Rows[0].Changes[0].Field, "shoe is not of this plan")
	_, err = w.svc.Apply(t.Context(), both.ID, usersync.SkipStale())
	require.ErrorIs(t, err, usersync.ErrPlanStale, "another run has succeeded")
	undo, err := w.svc.Undo(t.Context(), early.ID)
	require.NoError(t, err)
	require.Equal(t, 1, undo.Counts().Deactivations)
	w.apply(undo, usersync.ConfirmDeactivations(1))
}

// another makes a further configuration.
func (w *workshop) another() string {
	w.t.Helper()
	cfg := usersync.DefaultConfig("Others")
	cfg.ID = ""
	cfg, err := w.svc.CreateConfig(w.t.Context(), cfg)
	require.NoError(w.t, err)
	return cfg.ID
}

// N7: fields that two plans have added in the other order stand at other places, which matters to neither, nor to
// what takes them back.
func TestFieldsAtOtherPlaces(t *testing.T) {
	w := newWorkshop(t, "anna", "bert")
	first := w.plan("Hat", "Hat", "anna Hat=L")
	w.cfg.ID = w.another()
	second := w.plan("Shoe", "Shoe", "bert Shoe=42")
	shoes := w.apply(second)
	hats := w.apply(first)
	require.Equal(t, []string{"shoe", "hat"}, w.names())
	require.Equal(t, "anna hat=L", w.user("anna"))

	for _, run := range []*usersync.Run{hats, shoes} {
		undo, err := w.svc.Undo(t.Context(), run.ID)
		require.NoError(t, err)
		require.Equal(t, []string{"shoe", "hat"}, w.names())
		require.Equal(t, usersync.CodeFieldsStay, undo.Notes[0].Code)
		require.Contains(t, undo.Notes[0].Text(), run.Added[0].Name)
		require.Empty(t, undo.Added)
		w.apply(undo)
	}
	require.Equal(t, "anna", w.user("anna"))
	require.Equal(t, "bert", w.user("bert"))
	require.Equal(t, []string{"shoe", "hat"}, w.names(), "N8: they stay")
	_, err := w.svc.Undo(t.Context(), hats.ID, usersync.AddFields(usersync.Field{Name: "coat"}))
	require.ErrorIs(t, err, usersync.ErrInvalid)
}

// N7: where fields are gone, or are others by now, what has them is refused before anything is written, and can
// still be looked at.
func TestFieldsThatAreGone(t *testing.T) {
	w := newWorkshop(t, "anna")
	run := w.apply(w.plan("Hat", "Hat", "anna Hat=L"))
	plan := w.plan("", "Hat", "anna Hat=M")
	for _, now := range [][]usersync.Field{nil, {{Name: "hat", Kind: usersync.KindEmail}}} {
		w.fields = memory.NewFields()
		require.NoError(t, w.fields.AddFields(t.Context(), now))
		w.svc = w.adding()
		var stale *usersync.StaleError
		_, err := w.svc.Apply(t.Context(), plan.ID)
		require.ErrorAs(t, err, &stale)
		require.Equal(t, []string{"hat"}, stale.Fields)
		_, err = w.svc.Undo(t.Context(), run.ID)
		require.ErrorAs(t, err, &stale)
		require.Equal(t, "anna hat=L", w.user("anna"))
		page, err := w.svc.Rows(t.Context(), run.ID, usersync.RowQuery{})
		require.NoError(t, err)
		require.Equal(t, "L", page.Rows[0].Changes[0].New)
	}
	without := w.service()
	_, err := without.Apply(t.Context(), plan.ID)
	require.ErrorIs(t, err, usersync.ErrInvalid)
	_, err = without.Undo(t.Context(), run.ID)
	require.ErrorIs(t, err, usersync.ErrInvalid)
	require.NoError(t, without.WriteResults(t.Context(), run.ID, &bytes.Buffer{}))
}

// N3: what a store of fields answers is checked like any schema.
func TestFieldsThatDoNotFit(t *testing.T) {
	for _, f := range []usersync.Field{{Name: "email"}, {Name: "boss", Kind: usersync.KindUser},
		{Name: "coat", Aliases: []string{"lastname"}}} {
		w := newWorkshop(t, "anna")
		require.NoError(t, w.fields.AddFields(t.Context(), []usersync.Field{f}))
		_, err := w.svc.Preview(t.Context(), w.cfg.ID, officeFile("anna"))
		require.ErrorIs(t, err, usersync.ErrInvalid, f.Name)
		_, err = w.svc.CurrentSchema(t.Context())
		require.ErrorIs(t, err, usersync.ErrInvalid, f.Name)
	}
	check := usersync.Field{Name: "coat", Check: func(string) error { return nil }}
	w := newWorkshop(t, "anna")
	_, err := w.svc.Preview(t.Context(), w.cfg.ID, wideFile("coat", "anna coat=1"), usersync.AddFields(check))
	require.ErrorContains(t, err, "has no function")
	long := usersync.Field{Name: "coat", Help: strings.Repeat("x", 40_000)}
	_, err = w.svc.Preview(t.Context(), w.cfg.ID, wideFile("coat", "anna coat=1"), usersync.AddFields(long))
	require.ErrorContains(t, err, "longer than")
}

// N7: another run takes the name between the check and the first write.
func TestFieldTakenAtTheLastMoment(t *testing.T) {
	w := newWorkshop(t, "anna")
	plan := w.plan("Hat", "Hat", "anna Hat=L")
	late := w.service(usersync.WithFieldStore(lateFields{w.fields}))
	var stale *usersync.StaleError
	_, err := late.Apply(t.Context(), plan.ID)
	require.ErrorAs(t, err, &stale)
	require.Equal(t, []string{"hat"}, stale.Fields)
	require.Equal(t, "anna", w.user("anna"))
	_, err = late.RunRecord(t.Context(), plan.ID)
	require.ErrorIs(t, err, usersync.ErrNotFound, "the plan was not applied")
}

// lateFields is a store to which another adds the field just before.
type lateFields struct{ usersync.FieldStore }

func (s lateFields) AddFields(ctx context.Context, fields []usersync.Field) error {
	err := s.FieldStore.AddFields(ctx, []usersync.Field{{Name: fields[0].Name, Kind: usersync.KindBool}})
	return errors.Join(err, s.FieldStore.AddFields(ctx, fields))
}

// A5, N5: whatever call fails, in whatever way, the fields are there before any user has a value, and once the run
// has come to its end they are there once, and everybody has what the file says.
func TestAddFieldsFaults(t *testing.T) {
	struck := map[string]int{}
	usersynctest.EachFault(t, func(t *testing.T, f *usersynctest.Faults) {
		w := newWorkshop(t, "anna", "bert", "carl")
		w.state = memory.NewState(w.now) // with other configurations
		w.svc = w.adding()
		require.NoError(t, w.state.SaveConfig(t.Context(), w.cfg, 0))
		plan := w.plan("Hat Shoe", "Hat Shoe", "anna Hat=L Shoe=38", "bert Shoe=42", "dora Hat=S")
		w.spy.before = func(int, []usersync.Change) { require.Equal(t, []string{"hat", "shoe"}, w.names()) }
		faulty, err := usersync.NewService(f.Users(w.spy), f.Stores(w.state.Stores()), usersync.WithSchema(badges()),
			usersync.WithClock(w.now), usersync.WithBatchSize(2), usersync.WithFieldStore(f.Fields(w.fields)))
		require.NoError(t, err)
		run, err := faulty.Apply(f.Context(t.Context()), plan.ID)
		if f.Struck() == "FieldStore.AddFields" && err != nil {
			require.Nil(t, run, "nothing was written: the plan can be applied again")
		}
		for try := 0; err != nil; try++ {
			require.Less(t, try, 3, "%v", err)
			require.True(t, errors.Is(err, usersynctest.ErrInjected) || errors.Is(err, context.Canceled), "%v", err)
			w.ahead += time.Hour // whatever lease was left has run out; the plan has not
			if run == nil {
				run, err = w.svc.Apply(t.Context(), plan.ID)
				continue
			}
			run, err = w.svc.Resume(t.Context(), run.ID)
		}
		struck[f.Struck()]++
		require.Equal(t, usersync.RunSucceeded, run.Status())
		require.Equal(t, []string{"hat", "shoe"}, w.names())
		require.Len(t, run.Added, 2)
		require.Equal(t, "anna hat=L shoe=38", w.user("anna"))
		require.Equal(t, "bert shoe=42", w.user("bert"))
		require.Equal(t, "dora hat=S", w.user("dora"))
	})
	require.GreaterOrEqual(t, struck["FieldStore.AddFields"], len(usersynctest.AllFaults()))
	require.GreaterOrEqual(t, struck["FieldStore.Fields"], len(usersynctest.AllFaults()))
}

// N3: an import in the background stops for a person, who chooses new fields; the file is checked anew with them, and
// the person looks at that plan.
func TestImportWithNewFields(t *testing.T) {
	w := newWorkshop(t, "anna")
	work := func(imp usersync.Import) usersync.Import {
		imp, err := w.adding().RunImport(t.Context(), imp.ID)
		require.NoError(t, err)
		return imp
	}
	imp := work(w.begin(wideFile("Hat", "anna Hat=L", "bert Hat=S", "carl Hat=large"), usersync.ImportOptions{Review: true}))
	w.stopped(imp, usersync.ImportReview, "look at it")
	plan, err := w.svc.Plan(t.Context(), imp.PlanID)
	require.NoError(t, err)
	hat := plan.NewFields()[0].Field
	_, err = w.svc.RecheckImport(t.Context(), imp.ID, imp.Edition, usersync.Field{Name: "1"})
	require.ErrorIs(t, err, usersync.ErrInvalid)

	hat.MaxLength = 1
	imp, err = w.svc.RecheckImport(t.Context(), imp.ID, imp.Edition, hat)
	require.NoError(t, err)
	imp = work(imp)
	w.stopped(imp, usersync.ImportBadRows, "1 of 3 rows")
	require.NotContains(t, imp.Problem, "have changed since")
	require.Empty(t, w.names())
	imp = work(w.resumeImport(imp, usersync.ImportChoices{}))
	w.done(imp, usersync.RunCounts{Created: 1, Updated: 1, Errors: 1})
	require.Equal(t, []string{"hat"}, w.names())
	require.Equal(t, "bert hat=S", w.user("bert"))

	_, err = w.service().Start(t.Context(), w.cfg.ID, wideFile("Hat", "anna"), usersync.WithImportOptions(usersync.ImportOptions{Fields: []usersync.Field{hat}}))
	require.ErrorContains(t, err, "needs WithFieldStore")
}

// N3: chosen fields of an import are forgotten with its file, and can be chosen away.
func TestImportWithoutItsNewFields(t *testing.T) {
	w := newWorkshop(t, "anna")
	coat := []usersync.Field{{Name: "coat"}}
	for _, again := range []func(usersync.Import) (usersync.Import, error){
		func(imp usersync.Import) (usersync.Import, error) {
			return w.svc.ReplaceFile(t.Context(), imp.ID, wideFile("Hat", "bert Hat=L"))
		},
		func(imp usersync.Import) (usersync.Import, error) {
			imp, err := w.svc.RecheckImport(t.Context(), imp.ID, imp.Edition)
			if err == nil {
				imp = w.resumeImport(w.workAdding(imp), usersync.ImportChoices{})
			}
			return imp, err
		},
	} {
		imp := w.workAdding(w.begin(wideFile("Hat", "bert Hat=L"), usersync.ImportOptions{Fields: coat}))
		require.Equal(t, usersync.ImportInvalid, imp.Code)
		require.Contains(t, imp.Problem, `no column "coat"`)
		imp, err := again(imp)
		require.NoError(t, err)
		require.Equal(t, usersync.ImportDone, w.workAdding(imp).Status)
		require.Empty(t, w.names())
	}
	start := func(svc *usersync.Service, f usersync.Field) error {
		o := usersync.ImportOptions{Fields: []usersync.Field{f}}
		_, err := svc.Start(t.Context(), w.cfg.ID, wideFile("Hat", "anna"), usersync.WithImportOptions(o))
		return err
	}
	require.ErrorContains(t, start(w.service(), coat[0]), "needs WithFieldStore")
	require.ErrorContains(t, start(w.svc, usersync.Field{Name: "1"}), "cannot be the name")
}

// N1: programs that read a plan as JSON see what is offered and what is added.
func TestNewFieldsInJSON(t *testing.T) {
	w := newWorkshop(t, "anna")
	var out bytes.Buffer
	require.NoError(t, w.plan("Hat", "Hat Coat", "anna Hat=L Coat=M").WriteJSON(&out))
	require.Contains(t, out.String(), `"added":[{"name":"hat","title":"Hat","maxLength":255}]`)
	require.Contains(t, out.String(), `"newFields":[{"column":{"letter":"F","header":"Coat"},"field":{"name":"coat"`)
}

// N6: the store is asked once for a preview, however many rows there are; and for a run only if it has added fields.
func TestFieldsAreAskedOnce(t *testing.T) {
	w := newWorkshop(t)
	f := usersynctest.FailNth(0, "")
	svc := w.service(usersync.WithFieldStore(f.Fields(w.fields)))
	rows := []string{"u1 Hat=L", "u2 Hat=M", "u3 Hat=M", "u4 Hat=S", "u5"}
	plan, err := svc.Preview(t.Context(), w.cfg.ID, wideFile("Hat", rows...))
	require.NoError(t, err)
	require.Equal(t, 1, f.Calls())
	_, err = svc.Apply(t.Context(), plan.ID)
	require.NoError(t, err)
	require.Equal(t, 1, f.Calls())
	plan, err = svc.Preview(t.Context(), w.cfg.ID, wideFile("Hat", rows...), usersync.AddFields(plan.NewFields()[0].Field))
	require.NoError(t, err)
	require.Equal(t, 2, f.Calls())
	_, err = svc.Apply(t.Context(), plan.ID)
	require.NoError(t, err)
	require.Equal(t, 4, f.Calls(), "to look whether the fields can still be added, and to add them")
}
