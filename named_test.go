package usersync_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

// refers is the badges' schema in which title is the name of a role and cField2 a list of groups.
func refers(roles, groups usersync.Missing) usersync.Schema {
	s := badges()
	for i := range s.Fields {
		switch f := &s.Fields[i]; f.Name {
		case "title":
			f.Sample, f.Refers = "", &usersync.Refers{Set: "role", Missing: roles}
		case "cField2":
			f.List = &usersync.ListFormat{Separator: ";", None: "none"}
			f.Refers = &usersync.Refers{Set: "group", Missing: groups}
		}
	}
	return s
}

// thingSpy records what References are asked, and lets them misbehave.
type thingSpy struct {
	*memory.References
	asked   []string // "set: names"
	created []string
	answer  func(names []string) []string
	fail    error // of a creation
}

func newThingSpy() *thingSpy {
	s := &thingSpy{References: memory.NewReferences()}
	s.Put("role", "Lead", "Clerk")
	s.Put("group", "Night Shift", "Sales", "HR")
	return s
}

func (s *thingSpy) FindReferences(ctx context.Context, set string, names []string) ([]string, error) {
	s.asked = append(s.asked, set+": "+strings.Join(names, ", "))
	if s.answer != nil {
		return s.answer(names), nil
	}
	return s.References.FindReferences(ctx, set, names)
}

func (s *thingSpy) CreateReferences(ctx context.Context, set string, names []string) error {
	s.created = append(s.created, set+": "+strings.Join(names, ", "))
	if s.fail != nil {
		return s.fail
	}
	return s.References.CreateReferences(ctx, set, names)
}

// thingOffice is an office whose users have roles and groups.
func thingOffice(t *testing.T, roles, groups usersync.Missing, users ...string) (*office, *thingSpy) {
	spy := newThingSpy()
	o := newOffice(t, nil, usersync.WithSchema(refers(roles, groups)), usersync.WithReferences(spy), usersync.WithBatchSize(2))
	for _, line := range users {
		u := officeUser(line)
		if list := u.Values.Get("cField2"); list != "" {
			u.Values.SetList("cField2", strings.Split(list, ";"))
		}
		o.store.Put(u)
	}
	return o, spy
}

// C10: what a schema cannot say about names is refused, all of it at once.
func TestRefersIsValidated(t *testing.T) {
	list := &usersync.ListFormat{Separator: ":"}
	group := &usersync.Refers{Set: "group"}
	s := usersync.Schema{Key: "name", Fields: []usersync.Field{
		{Name: "name", Refers: group},
		{Name: "blank", Refers: &usersync.Refers{}},
		{Name: "spaces", Refers: &usersync.Refers{Set: " group"}},
		{Name: "missing", Refers: &usersync.Refers{Set: "group", Missing: "ignore"}},
		{Name: "user", Kind: usersync.KindUser, Refers: group},
		{Name: "flag", Kind: usersync.KindBool, Refers: group},
		{Name: "secret", Secret: true, Refers: group},
		{Name: "match", Match: "match", Refers: group},
		{Name: "before", List: list, Refers: &usersync.Refers{Set: "group", Before: "::"}},
		{Name: "good", List: list, Refers: &usersync.Refers{Set: "group", Before: "/", Missing: usersync.MissingIsOffered}},
	}}
	var invalid *usersync.InvalidError
	require.ErrorAs(t, s.Validate(), &invalid)
	var paths []string
	for _, p := range invalid.Problems {
		paths = append(paths, p.Path)
	}
	require.Equal(t, []string{"fields.blank.refers.set", "fields.spaces.refers.set", "fields.missing.refers.missing",
		"fields.user.refers", "fields.flag.refers", "fields.secret.refers", "fields.match.refers", "fields.before.refers.before", "key"}, paths)
}

// C10: an engine that could not look names up, or create what it offers, is not made.
func TestNamesNeedReferences(t *testing.T) {
	store := memory.New()
	onlyFinds := struct{ usersync.References }{memory.NewReferences()}
	schema := usersync.WithSchema(refers(usersync.MissingIsError, usersync.MissingIsOffered))
	var invalid *usersync.InvalidError
	for _, opts := range [][]usersync.Option{{schema}, {schema, usersync.WithReferences(onlyFinds)}} {
		_, err := usersync.New(store, store.Baselines(), opts...)
		require.ErrorAs(t, err, &invalid)
		require.Contains(t, err.Error(), "WithReferences")
	}
	_, err := usersync.NewPreviewer(store, nil, schema, usersync.WithReferences(onlyFinds))
	require.NoError(t, err, "a preview creates nothing")
}

// C10: each name is asked for once in a preview, in batches, folded.
func TestNamesAreAskedOnce(t *testing.T) {
	o, spy := thingOffice(t, usersync.MissingIsError, usersync.MissingIsError)
	o.preview("a title=lead cField2=sales;SALES;hr;x", "b title=LEAD cField2=Sales", "c title=Lead cField2=HR;X;y", "d", "e title=clerk cField2=none")
	require.Equal(t, []string{"role: lead", "group: hr, sales", "group: x", "group: y", "role: clerk"}, spy.asked)
}

// C10: an answer that breaks the contract ends the preview and names the method.
func TestBrokenReferences(t *testing.T) {
	for name, answer := range map[string]func([]string) []string{
		"a stranger": func([]string) []string { return []string{"Boss"} },
		"twice":      func(names []string) []string { return append(names, strings.ToUpper(names[0])) },
		"blank":      func([]string) []string { return []string{""} },
	} {
		t.Run(name, func(t *testing.T) {
			o, spy := thingOffice(t, usersync.MissingIsError, usersync.MissingIsError)
			spy.answer = answer
			_, err := o.eng.Preview(t.Context(), o.cfg, officeFile("a title=lead"))
			require.ErrorIs(t, err, usersync.ErrInvalid)
			require.ErrorContains(t, err, "References.FindReferences returned ")
		})
	}
}

// C10: a file that is refused names ten names and ten rows of each, and all of it was read.
func TestRefusedNames(t *testing.T) {
	o, _ := thingOffice(t, usersync.MissingRefusesFile, usersync.MissingIsError)
	var rows []string
	for i := range 12 {
		rows = append(rows, "many"+strings.Repeat("x", i)+" title=Boss")
	}
	for i := range 12 {
		rows = append(rows, "one"+strings.Repeat("x", i)+" title=Boss"+strings.Repeat("x", i))
	}
	_, err := o.eng.Preview(t.Context(), o.cfg, officeFile(rows...))
	var refused *usersync.FileError
	require.ErrorAs(t, err, &refused)
	require.ErrorIs(t, err, usersync.ErrRefused)
	require.Equal(t, "reference_missing", refused.Code)
	require.Equal(t, 10, strings.Count(refused.Detail, "no role"))
	require.Contains(t, refused.Detail, `no role "Boss" (row 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and more), no role "Bossx" (row 15), `)
	require.True(t, strings.HasSuffix(refused.Detail, ", and more"), refused.Detail)

	_, err = o.eng.Preview(t.Context(), o.cfg, usersync.CSV(strings.NewReader("userName,email,firstName,lastName,title\na,a@x.de,F,L,Boss\nb,\"b")))
	require.ErrorAs(t, err, &refused)
	require.NotEqual(t, "reference_missing", refused.Code, "a damaged file is refused as such (R1)")
}

// C10: what is offered waits for a person, for all rows at once, and can be taken back; plans that are stored in
// between know it too.
func TestMissingIsDecided(t *testing.T) {
	o, spy := thingOffice(t, usersync.MissingIsOffered, usersync.MissingIsOffered, "anna title=Lead cField2=Sales")
	plan := o.preview("anna title=Boss", "bert cField2=sales;Weekend", "carl email=bad cField2=WEEKEND")
	want := []usersync.MissingReference{
		{ReferenceName: usersync.ReferenceName{Set: "role", Name: "Boss"}, Rows: 1, First: 2},
		{ReferenceName: usersync.ReferenceName{Set: "group", Name: "Weekend"}, Rows: 2, First: 3},
	}
	require.Equal(t, want, plan.Missing())
	require.Equal(t, 3, plan.Counts().Errors)

	plan = restored(plan)
	require.Equal(t, want, plan.Missing())
	require.NoError(t, plan.Resolve(usersync.Decision{Choice: usersync.CreateMissing, Value: "weekend"}))
	want[1].Create = true
	require.Equal(t, want, plan.Missing())
	require.Equal(t, []int{1, 2}, []int{plan.Counts().New, plan.Counts().Errors}, "carl has another error")
	require.NoError(t, plan.Resolve(usersync.Decision{Choice: usersync.LeaveMissing}))
	require.Equal(t, 3, plan.Counts().Errors)
	require.NoError(t, plan.Resolve(usersync.Decision{Choice: usersync.CreateMissing, Field: "cField2"}))
	require.Equal(t, want, plan.Missing())

	require.Empty(t, spy.created)
	run := o.apply(restored(plan))
	require.Equal(t, []string{"group: Weekend"}, spy.created)
	require.Equal(t, []usersync.ReferenceName{{Set: "group", Name: "Weekend"}}, run.CreatedReferences())
	require.Equal(t, []string{"Sales", "Weekend"}, o.user("bert").Values.List("cField2"))
	require.Equal(t, "Lead", o.user("anna").Values.Get("title"))
}

// C10: only what rows need is created: not what only rows in error name, nor what a person keeps from being
// written, nor what a rule does.
func TestOnlyWhatIsNeededIsCreated(t *testing.T) {
	o, spy := thingOffice(t, usersync.MissingIsOffered, usersync.MissingIsOffered, "anna title=Lead", "bert title=Lead", "carl cField2=HR")
	o.cfg.Rules = map[string]usersync.Rule{"title": {Strategy: usersync.AskAtRuntime}, "cField2": {Strategy: usersync.UpdateIfEmpty}}
	plan := o.preview("anna title=Boss", "bert title=Chief", "carl cField2=Weekend", "dora email=bad cField2=Days", "emil cField2=Nights")
	require.NoError(t, plan.Resolve(usersync.Decision{Choice: usersync.CreateMissing}, usersync.Decision{Choice: usersync.TakeFile},
		usersync.Decision{Choice: usersync.KeepCurrent, Row: 3, Field: "title"}))
	o.apply(plan)
	require.Equal(t, []string{"role: Boss", "group: Nights"}, spy.created)
}

// Decisions that make no sense are refused, and none of them is carried out.
func TestDecisionsAboutMissing(t *testing.T) {
	o, _ := thingOffice(t, usersync.MissingIsOffered, usersync.MissingIsOffered)
	plan := o.preview("anna title=Boss")
	for path, d := range map[string]usersync.Decision{
		"decisions.1.value":  {Choice: usersync.CreateMissing, Value: "Lead"},
		"decisions.1.field":  {Choice: usersync.CreateMissing, Field: "city"},
		"decisions.1":        {Choice: usersync.LeaveMissing, Row: 2},
		"decisions.1.choice": {Choice: "make"},
	} {
		err := plan.Resolve(usersync.Decision{Choice: usersync.CreateMissing}, d)
		var invalid *usersync.InvalidError
		require.ErrorAs(t, err, &invalid)
		require.Equal(t, path, invalid.Problems[0].Path)
		require.False(t, plan.Missing()[0].Create)
	}
	require.Error(t, plan.Resolve(usersync.Decision{Choice: usersync.TakeFile, Value: "Boss"}))
	require.Error(t, plan.Resolve(usersync.Decision{Choice: usersync.CreateMissing, Field: "cField2", Value: "Boss"}))
}

// C10: where creating fails nothing was written, and the plan can be applied again.
func TestCreatingFails(t *testing.T) {
	o, spy := thingOffice(t, usersync.MissingIsOffered, usersync.MissingIsOffered)
	plan := o.preview("anna title=Boss cField2=Days;Nights;Weekend", "bert cField2=days")
	require.NoError(t, plan.Resolve(usersync.Decision{Choice: usersync.CreateMissing}))
	spy.fail = errOffice
	require.ErrorIs(t, o.refused(plan), errOffice)
	require.Equal(t, []string{"role: Boss"}, spy.created)
	spy.fail = nil
	run := o.apply(plan)
	require.Equal(t, []string{"role: Boss", "role: Boss", "group: Days, Nights", "group: Weekend"}, spy.created)
	require.Len(t, run.CreatedReferences(), 4)
	require.Equal(t, []string{"Days"}, o.user("bert").Values.List("cField2"), "in one spelling")
}

// C10: what is gone by the time of the run holds the rows that would be given it, and no other; what is asked for
// is only what users do not have yet.
func TestNamesAreAskedAgain(t *testing.T) {
	o, spy := thingOffice(t, usersync.MissingIsError, usersync.MissingIsOffered, "anna cField2=Sales;Old")
	o.cfg.Rules = map[string]usersync.Rule{"cField2": {Strategy: usersync.Merge}}
	plan := o.preview("anna cField2=HR", "bert title=Lead", "carl title=Lead cField2=Sales;Weekend", "dora title=Clerk")
	require.NoError(t, plan.Resolve(usersync.Decision{Choice: usersync.CreateMissing}))
	spy.Remove("role", "Lead")
	spy.asked = nil
	run := o.apply(plan)
	require.Equal(t, []string{"role: clerk, lead", "group: hr, sales", "group: weekend"}, spy.asked)
	require.Equal(t, []string{"anna done", "bert failed name_missing", "carl failed name_missing", "dora done"}, outcome(run))
	require.Equal(t, []string{"Sales", "Old", "HR"}, o.user("anna").Values.List("cField2"))
	require.Empty(t, spy.created, "carl is not written")
}

// A9, C10: an undo gives back what there still is, and leaves the things that the run has created.
func TestUndoOfNames(t *testing.T) {
	o, spy := thingOffice(t, usersync.MissingIsOffered, usersync.MissingIsOffered,
		"anna title=Lead cField2=Sales", "bert title=Clerk cField2=HR", "carl cField2=Night~Shift;Old")
	carl := o.user("carl")
	carl.Values.SetList("cField2", []string{"Night Shift", "Old"})
	o.store.Put(carl)
	plan := o.preview("anna title=Boss cField2=Weekend", "bert title=Boss cField2=Sales", "carl cField2=Night;Old")
	require.NoError(t, plan.Resolve(usersync.Decision{Choice: usersync.CreateMissing}))
	run := o.apply(plan)
	spy.Remove("role", "Clerk")
	back, err := o.eng.Undo(t.Context(), run)
	require.NoError(t, err)
	require.Equal(t, `what the run has created stays: role "Boss", group "Weekend", group "Night", group "Old"`, back.Notes[0].Text())
	o.apply(back)
	require.Equal(t, "Lead", o.user("anna").Values.Get("title"))
	require.Equal(t, []string{"Sales"}, o.user("anna").Values.List("cField2"))
	require.Equal(t, "Boss", o.user("bert").Values.Get("title"), "there are no clerks any more")
	require.Equal(t, []string{"HR"}, o.user("bert").Values.List("cField2"))
	require.Contains(t, reasonsOfRow(back, 3), "title: had a name before the run of what there is no more, so it stays as it is")
	require.Contains(t, spy.Names("role"), "Boss")
}

// reasonsOf are the reasons of a row.
func reasonsOfRow(p *usersync.Plan, number int) string {
	var texts []string
	for row := range p.Rows() {
		if row.Number == number {
			for _, r := range row.Reasons {
				texts = append(texts, r.Text())
			}
		}
	}
	return strings.Join(texts, "\n")
}

// K1, C10: lists and single values under each rule, of new and existing users.
func TestNamesAndRules(t *testing.T) {
	for _, tt := range []struct {
		rule          usersync.Rule
		current, file string
		want          string
	}{
		{usersync.Rule{Strategy: usersync.UseSource}, "sales;Old", "SALES", "Sales"},
		{usersync.Rule{Strategy: usersync.UseSource}, "sales", "SALES", "sales"}, // no change
		{usersync.Rule{Strategy: usersync.UseSource}, "sales", "none", ""},
		{usersync.Rule{Strategy: usersync.UseSource}, "sales", "none;none;", ""},
		{usersync.Rule{Strategy: usersync.UseSource}, "", "hr;;HR; sales;", "HR;Sales"},
		{usersync.Rule{Strategy: usersync.Merge}, "sales;Old", "SALES;hr", "sales;Old;HR"},
		{usersync.Rule{Strategy: usersync.Merge}, "sales", "none", ""},
		{usersync.Rule{Strategy: usersync.UpdateIfEmpty}, "sales", "hr", "sales"},
		{usersync.Rule{Strategy: usersync.KeepDestination}, "sales", "hr", "sales"},
		{usersync.Rule{Strategy: usersync.ForceValue, Value: "SALES; hr"}, "Old", "", "Sales;HR"},
		{usersync.Rule{Strategy: usersync.ForceValue, Value: "SALES; hr"}, "hr;sales", "", "hr;sales"},
	} {
		t.Run(fmt.Sprint(tt.rule, tt.current, " ", tt.file), func(t *testing.T) {
			o, _ := thingOffice(t, usersync.MissingIsError, usersync.MissingIsError, "anna cField2="+tt.current)
			o.cfg.Rules = map[string]usersync.Rule{"cField2": tt.rule}
			file := strings.NewReader("userName,email,firstName,lastName,cField2\nanna,anna@example.com,F,L," + tt.file + "\n")
			plan, err := o.eng.Preview(t.Context(), o.cfg, usersync.CSV(file))
			require.NoError(t, err)
			require.Zero(t, plan.Counts().Errors, "%v", reasonsOfRow(plan, 2))
			o.apply(plan)
			require.Equal(t, tt.want, strings.Join(o.user("anna").Values.List("cField2"), ";"))
		})
	}
}

// Schemas without names have the fingerprint that they had, and plans without missing things are stored as before.
func TestStoredFormWithoutNames(t *testing.T) {
	o := newOffice(t, nil)
	all, err := usersync.StoredForm(o.preview("anna"), nil)
	require.NoError(t, err)
	for _, part := range all {
		require.NotContains(t, string(part), "missing")
		require.NotContains(t, string(part), `"w":[`)
	}
}

// A stored plan that names things which it does not have is refused.
func TestStoredFormContradictsItself(t *testing.T) {
	o, _ := thingOffice(t, usersync.MissingIsOffered, usersync.MissingIsOffered)
	all, err := usersync.StoredForm(o.preview("anna title=Boss"), nil)
	require.NoError(t, err)
	_, err = usersync.LoadStored(o.eng.Schema(), all)
	require.NoError(t, err)
	for _, broken := range []string{`"w":[{"f":5,"t":1}]`, `"w":[{"f":5,"t":-1}]`, `"w":[{"f":0,"t":0}]`, `"w":[{"f":99,"t":0}]`} {
		twisted := slices.Clone(all)
		twisted[1] = bytes.Replace(all[1], []byte(`"w":[{"f":5,"t":0}]`), []byte(broken), 1)
		require.NotEqual(t, all[1], twisted[1])
		_, err := usersync.LoadStored(o.eng.Schema(), twisted)
		require.ErrorIs(t, err, usersync.ErrInvalid, broken)
	}
}

// P2: reports say what was created, and what may be.
func TestReportsOfNames(t *testing.T) {
	o, _ := thingOffice(t, usersync.MissingIsOffered, usersync.MissingIsOffered)
	plan := o.preview("anna title=Boss", "bert cField2=Days")
	require.NoError(t, plan.Resolve(usersync.Decision{Choice: usersync.CreateMissing, Field: "title"}))
	var preview, results bytes.Buffer
	require.NoError(t, plan.WritePreview(&preview))
	require.Contains(t, summaryText(t, preview.Bytes()), `Missing, may be created|group "Days"`)
	require.Contains(t, summaryText(t, preview.Bytes()), `Missing, will be created|role "Boss"`)
	run := o.apply(plan)
	require.NoError(t, run.WriteResults(&results))
	require.Contains(t, summaryText(t, results.Bytes()), `Created beforehand|role "Boss"`)
	var text bytes.Buffer
	require.NoError(t, plan.WriteJSON(&text))
	require.Contains(t, text.String(), `"missing":[{"set":"role","name":"Boss","rows":1,"first":2,"create":true},`)
}

// A3: a plan of somebody else's names cannot be applied by an engine that has no References.
func TestNamesOfAnotherEngine(t *testing.T) {
	o, _ := thingOffice(t, usersync.MissingIsError, usersync.MissingIsError)
	plan := o.preview("anna title=Lead")
	plain := o.engine(usersync.WithSchema(badges()))
	_, err := plain.Apply(t.Context(), plan)
	require.True(t, errors.Is(err, usersync.ErrInvalid), "%v", err)
	require.Empty(t, o.spy.written())
}

// summaryText is the summary of a workbook, a line for each row.
func summaryText(t *testing.T, book []byte) string {
	t.Helper()
	var lines []string
	for _, row := range sheetRows(t, book, "Summary") {
		lines = append(lines, strings.Join(row, "|"))
	}
	return strings.Join(lines, "\n")
}

// C10: what assignment rules add is spelled as the product does, also when a decision asks them again, and must be there.
func TestNamesOfAssignments(t *testing.T) {
	o, spy := thingOffice(t, usersync.MissingIsOffered, usersync.MissingIsOffered, "anna cField2=sales title=Clerk", "bert title=Clerk")
	o.cfg.Rules = map[string]usersync.Rule{"title": {Strategy: usersync.AskAtRuntime}}
	o.cfg.Assignments = []usersync.Assignment{{Field: "cField2", Match: usersync.AllMatches, Rules: []usersync.AssignRule{
		{Name: "leads", If: []usersync.Condition{{Field: "title", Op: usersync.IfEquals, Values: []string{"LEAD"}}}, Values: []string{"night SHIFT", "SALES"}}}}}
	plan := o.preview("anna title=lead", "bert title=lead", "carl title=Lead cField2=Weekend")
	require.NoError(t, plan.Resolve(usersync.Decision{Choice: usersync.CreateMissing}, usersync.Decision{Choice: usersync.TakeFile, Row: 2},
		usersync.Decision{Choice: usersync.KeepCurrent, Row: 3}))
	o.apply(restored(plan))
	require.Equal(t, []string{"sales", "Night Shift"}, o.user("anna").Values.List("cField2"))
	require.Empty(t, o.user("bert").Values.List("cField2"))
	require.Equal(t, []string{"Weekend", "Night Shift", "Sales"}, o.user("carl").Values.List("cField2"))
	require.Equal(t, []string{"night SHIFT", "SALES"}, o.cfg.Assignments[0].Rules[0].Values, "the caller's are as they were")

	spy.Remove("group", "Sales")
	_, err := o.eng.Preview(t.Context(), o.cfg, officeFile("anna"))
	var invalid *usersync.InvalidError
	require.ErrorAs(t, err, &invalid)
	require.Equal(t, []usersync.Problem{{Path: "assignments.0.rules.0.values.1",
		Detail: `rule "leads": there is no group "SALES": create it first, or correct the name`}}, invalid.Problems)
}

// P1: the template's guide says which values are names.
func TestTemplateOfNames(t *testing.T) {
	s := usersync.Schema{Key: "name", Fields: []usersync.Field{{Name: "name"},
		{Name: "role", Refers: &usersync.Refers{Set: "role", Missing: usersync.MissingIsOffered}},
		{Name: "sources", List: &usersync.ListFormat{Separator: ","}, Refers: &usersync.Refers{Set: "source", Before: ":"}}}}
	guide := fmt.Sprint(sheetRows(t, fileOf(t, s.WriteTemplate), "Fields"))
	require.Contains(t, guide, "Name of an existing role, or of one to be created")
	require.Contains(t, guide, "Name of an existing source, then : and more; several are separated by a comma")
}
