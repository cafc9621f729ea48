package usersync_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/xuri/excelize/v2"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

// training is the schema of a product that puts users into groups.
func training() usersync.Schema {
	return usersync.Schema{Key: "login", Fields: []usersync.Field{
		{Name: "login"},
		{Name: "department"},
		{Name: "level", Kind: usersync.KindEnum, Options: []usersync.EnumValue{{Value: "s", Words: []string{"Senior"}}, {Value: "j", Words: []string{"Junior"}}}},
		{Name: "phone", Kind: usersync.KindPhone},
		{Name: "oldLogin", Match: "login"},
		{Name: "password", Secret: true},
		{Name: "groups", Title: "Groups", Identifier: true, MaxLength: 20, List: &usersync.ListFormat{Separator: ",", None: "none"}},
		{Name: "keys", Secret: true, List: &usersync.ListFormat{Separator: ","}},
		{Name: "regions", List: &usersync.ListFormat{Separator: ","}},
	}}
}

func rule(name, group string, conditions ...usersync.Condition) usersync.AssignRule {
	return usersync.AssignRule{Name: name, If: conditions, Values: []string{group}}
}

func equals(field, value string) usersync.Condition {
	return usersync.Condition{Field: field, Op: usersync.IfEquals, Values: []string{value}}
}

func TestValidateAssignments(t *testing.T) {
	one := func(field string, c ...usersync.Condition) usersync.Assignment {
		return usersync.Assignment{Field: field, Rules: []usersync.AssignRule{rule("r", "staff", c...)}}
	}
	cond := func(field string, op usersync.ConditionOp, values ...string) usersync.Condition {
		return usersync.Condition{Field: field, Op: op, Values: values}
	}
	for _, tt := range []struct {
		name  string
		rules map[string]usersync.Rule
		all   []usersync.Assignment
		want  []string // path: beginning of what is wrong
	}{
		{"good", nil, []usersync.Assignment{one("groups", cond("level", usersync.IfOneOf, "senior", "J"), cond("phone", usersync.IfPrefix, "+49"),
			cond("department", usersync.IfPattern, `ops|law`), cond("regions", usersync.IfEmpty))}, nil},
		{"two to one field", nil, []usersync.Assignment{one("groups"), one("groups")}, nil},
		{"kept and merged", map[string]usersync.Rule{"groups": {Strategy: usersync.KeepDestination}, "regions": {Strategy: usersync.Merge}},
			[]usersync.Assignment{one("groups"), one("regions")}, nil},
		{"targets", map[string]usersync.Rule{"groups": {Strategy: usersync.ForceValue, Value: "a"}, "regions": {Strategy: usersync.AskAtRuntime}},
			[]usersync.Assignment{one("team"), one("department"), one("keys"), one("groups"), one("regions")}, []string{
				`assignments.0.field: there is no field "team"`,
				"assignments.1.field: department is not a list",
				"assignments.2.field: keys is secret",
				"assignments.3.field: groups has a fixed value for every user (forceValue)",
				"assignments.4.field: a person decides about regions (askAtRuntime)",
			}},
		{"no loops", nil, []usersync.Assignment{one("groups", equals("regions", "EU")), one("regions", equals("groups", "a"))}, []string{
			"assignments.0.rules.0.if.0.field: rules add to regions",
			"assignments.1.rules.0.if.0.field: rules add to groups",
		}},
		{"rules", nil, []usersync.Assignment{{Field: "groups", Match: "some"}, {Field: "groups", Rules: []usersync.AssignRule{
			rule(" ", "a"), rule("R", "a"), {Name: "r "}, rule("long", strings.Repeat("x", 21)), rule("two", "a,b"), rule("none", "None"), rule("blank", " ")}}}, []string{
			"assignments.0.match: ",
			"assignments.0.rules: are missing",
			"assignments.1.rules.0.name: is missing",
			`assignments.1.rules.2.name: another rule is called "r " too`,
			"assignments.1.rules.2.values: are missing",
			"assignments.1.rules.3.values: \"xxxxxxxxxxxxxxxxxxxxx\": ",
			`assignments.1.rules.4.values: "a,b" is not one value`,
			`assignments.1.rules.5.values: "None" says that there is no value`,
			"assignments.1.rules.6.values: a value is blank",
		}},
		{"conditions", nil, []usersync.Assignment{one("groups",
			cond("team", usersync.IfEmpty), cond("password", usersync.IfEquals, "hunter2"), cond("oldLogin", usersync.IfEmpty),
			cond("department", "like", "x"), cond("department", usersync.IfEquals), cond("department", usersync.IfEquals, "a", "b"),
			cond("department", usersync.IfEmpty, "a"), cond("level", usersync.IfOneOf, "senior", "boss"), cond("phone", usersync.IfEquals, "12"),
			cond("department", usersync.IfPrefix, "  "), cond("department", usersync.IfPattern, "a)|(b"), cond("department", usersync.IfOneOf, "a", " "))}, []string{
			`assignments.0.rules.0.if.0.field: there is no field "team"`,
			"assignments.0.rules.0.if.1.field: password is secret",
			"assignments.0.rules.0.if.2.field: oldLogin only finds users",
			"assignments.0.rules.0.if.3.op: ",
			"assignments.0.rules.0.if.4.values: are missing",
			"assignments.0.rules.0.if.5.values: equals compares with one value",
			"assignments.0.rules.0.if.6.values: empty compares with nothing",
			`assignments.0.rules.0.if.7.values: "boss": `,
			`assignments.0.rules.0.if.8.values: "12": `,
			`assignments.0.rules.0.if.9.values: "  " is the beginning of every value`,
			"assignments.0.rules.0.if.10.values: error parsing regexp",
			"assignments.0.rules.0.if.11.values: a value is blank",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := usersync.DefaultConfig("staff")
			cfg.Rules, cfg.Assignments = tt.rules, tt.all
			err := cfg.Validate(training())
			if tt.want == nil {
				require.NoError(t, err)
				return
			}
			var invalid *usersync.InvalidError
			require.True(t, errors.As(err, &invalid), "%v", err)
			var got []string
			for _, p := range invalid.Problems {
				got = append(got, p.Path+": "+p.Detail)
			}
			require.Len(t, got, len(tt.want), "%s", strings.Join(got, "\n"))
			for i, want := range tt.want {
				require.True(t, strings.HasPrefix(got[i], want), "got  %s\nwant %s", got[i], want)
			}
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}

func TestAssignmentsAsJSON(t *testing.T) {
	cfg := usersync.DefaultConfig("staff")
	plain, err := json.Marshal(cfg)
	require.NoError(t, err)
	require.NotContains(t, string(plain), "assignments")

	text := `{"name": "staff", "assignments": [{"field": "groups", "match": "all", "rules": [
		{"name": "Seniors", "any": true, "if": [{"field": "level", "op": "equals", "not": true, "values": ["junior"]}, {"field": "phone", "op": "empty"}], "values": ["a", "b"]}]}]}`
	cfg, err = usersync.ParseConfig([]byte(text))
	require.NoError(t, err)
	require.NoError(t, cfg.Validate(training()))
	require.Equal(t, []usersync.Assignment{{Field: "groups", Match: usersync.AllMatches, Rules: []usersync.AssignRule{{Name: "Seniors", Any: true,
		If:     []usersync.Condition{{Field: "level", Op: usersync.IfEquals, Not: true, Values: []string{"junior"}}, {Field: "phone", Op: usersync.IfEmpty}},
		Values: []string{"a", "b"}}}}}, cfg.Assignments)
	data, err := json.Marshal(cfg)
	require.NoError(t, err)
	again, err := usersync.ParseConfig(data)
	require.NoError(t, err)
	require.Equal(t, cfg, again)
	_, err = usersync.ParseConfig([]byte(strings.Replace(text, `"any"`, `"some"`, 1)))
	require.ErrorContains(t, err, "some")
}

func TestCloneSharesNoAssignment(t *testing.T) {
	cfg := usersync.DefaultConfig("staff")
	cfg.Assignments = []usersync.Assignment{{Field: "groups", Rules: []usersync.AssignRule{rule("a", "x", equals("department", "y"))}}}
	c := cfg.Clone()
	require.Equal(t, cfg, c)
	r := &c.Assignments[0].Rules[0]
	c.Assignments[0].Field, r.Name, r.Values[0], r.If[0].Field, r.If[0].Values[0] = "1", "2", "3", "4", "5"
	require.Equal(t, []usersync.Assignment{{Field: "groups", Rules: []usersync.AssignRule{rule("a", "x", equals("department", "y"))}}}, cfg.Assignments)
}

func trainee(id string, values map[string]string, groups ...string) usersync.User {
	u := usersync.User{ID: id, Active: true, Values: usersync.ValuesOf(values)}
	u.Values.SetList("groups", groups)
	return u
}

// academy is an engine over a few trainees, and a configuration whose rules put them into groups.
func academy(t *testing.T, opts ...usersync.Option) (*usersync.Engine, *memory.Store, usersync.Config) {
	t.Helper()
	store := memory.New(memory.WithKey("login"), memory.WithUsers(
		trainee("u1", map[string]string{"login": "anna", "department": "Sales"}, "chess"),
		trainee("u2", map[string]string{"login": "bert", "department": "Ops"})))
	eng, err := usersync.New(store, store.Baselines(), append([]usersync.Option{usersync.WithSchema(training())}, opts...)...)
	require.NoError(t, err)
	cfg := usersync.DefaultConfig("staff")
	cfg.Assignments = []usersync.Assignment{{Field: "groups", Rules: []usersync.AssignRule{
		rule("Sales people", "sellers", equals("department", "sales")), rule("Everybody", "staff")}}}
	return eng, store, cfg
}

const academyFile = "login,department,level\nanna,Sales,senior\nbert,Ops,\ncarl,SALES,\n"

func groupsIn(store *memory.Store) map[string][]string {
	out := map[string][]string{}
	for _, u := range store.Users() {
		out[u.Values.Get("login")] = u.Values.List("groups")
	}
	return out
}

// One write for a user, and the way back: the groups that the run's rules added go, and the way back does not
// assign anything. (G4, A9)
func TestAssignmentsAreUndone(t *testing.T) {
	eng, store, cfg := academy(t)
	plan, err := eng.Preview(t.Context(), cfg, usersync.CSV(strings.NewReader(academyFile)))
	require.NoError(t, err)
	run, err := eng.Apply(t.Context(), plan)
	require.NoError(t, err)
	require.Equal(t, map[string][]string{"anna": {"chess", "sellers"}, "bert": {"staff"}, "carl": {"sellers"}}, groupsIn(store))

	back, err := eng.Undo(t.Context(), run)
	require.NoError(t, err)
	require.Empty(t, back.Assigned())
	for row := range back.Rows() {
		for _, c := range row.Changes {
			require.Equal(t, usersync.ByUndo, c.By)
			require.Empty(t, c.Rule)
		}
	}
	_, err = eng.Apply(t.Context(), back)
	require.NoError(t, err)
	got := groupsIn(store)
	require.Equal(t, []string{"chess"}, got["anna"])
	require.Empty(t, got["bert"])
	require.Equal(t, []string{"sellers"}, got["carl"], "who was created is inactive, and otherwise as the run left him")
}

// A group that somebody gave a user since is not taken away by the way back.
func TestAssignmentsChangedSince(t *testing.T) {
	eng, store, cfg := academy(t)
	plan, err := eng.Preview(t.Context(), cfg, usersync.CSV(strings.NewReader(academyFile)))
	require.NoError(t, err)
	run, err := eng.Apply(t.Context(), plan)
	require.NoError(t, err)
	store.Put(trainee("u2", map[string]string{"login": "bert", "department": "Ops"}, "staff", "choir"))
	back, err := eng.Undo(t.Context(), run)
	require.NoError(t, err)
	_, err = eng.Apply(t.Context(), back)
	require.NoError(t, err)
	require.Equal(t, []string{"staff", "choir"}, groupsIn(store)["bert"])
}

// The hook is asked about the field that rules add to, like about any other. (A11)
func TestAssignmentsAreAuthorized(t *testing.T) {
	eng, _, cfg := academy(t, usersync.WithAuthorizer(func(_ context.Context, _ usersync.Actor, u usersync.User, field string) error {
		if field == "groups" && u.ID == "u2" {
			return errors.New("not yours")
		}
		return nil
	}))
	plan, err := eng.Preview(t.Context(), cfg, usersync.CSV(strings.NewReader(academyFile)))
	require.NoError(t, err)
	errorRows := slices.Collect(plan.RowsOf(usersync.ClassError))
	require.Len(t, errorRows, 1)
	require.Equal(t, "bert", errorRows[0].Name)
	require.Equal(t, []usersync.Assigned{{Field: "groups", Rule: "Sales people", Rows: 2}, {Field: "groups", Rule: "Everybody"}}, plan.Assigned())
}

// Rules are put into another order by editing the configuration; the next preview shows who goes elsewhere, and
// why.
func TestRulesInAnotherOrder(t *testing.T) {
	_, store, cfg := academy(t)
	svc, err := usersync.NewService(store, memory.NewState(nil).Stores(), usersync.WithSchema(training()))
	require.NoError(t, err)
	cfg, err = svc.CreateConfig(t.Context(), cfg)
	require.NoError(t, err)
	anna := func() (string, []usersync.Assigned) {
		rec, err := svc.Preview(t.Context(), cfg.ID, usersync.CSV(strings.NewReader(academyFile)))
		require.NoError(t, err)
		plan, err := svc.Plan(t.Context(), rec.ID)
		require.NoError(t, err)
		row := slices.Collect(plan.Rows())[0]
		c := changeOf(row, "groups")
		return fmt.Sprintf("%s %s by %s", c.New, c.By, c.Rule), plan.Assigned()
	}
	change, assigned := anna()
	require.Equal(t, "chess, sellers assignment by Sales people", change)
	require.Equal(t, []usersync.Assigned{{Field: "groups", Rule: "Sales people", Rows: 2}, {Field: "groups", Rule: "Everybody", Rows: 1}}, assigned)

	slices.Reverse(cfg.Assignments[0].Rules)
	cfg, err = svc.EditConfig(t.Context(), cfg)
	require.NoError(t, err)
	change, assigned = anna()
	require.Equal(t, "chess, staff assignment by Everybody", change)
	require.Equal(t, []usersync.Assigned{{Field: "groups", Rule: "Everybody", Rows: 3}, {Field: "groups", Rule: "Sales people"}}, assigned)

	cfg.Assignments[0].Rules[0].If = []usersync.Condition{{Field: "department", Op: "about"}}
	_, err = svc.EditConfig(t.Context(), cfg)
	require.ErrorIs(t, err, usersync.ErrInvalid, "checked when it is saved")
}

// The report and the JSON of a plan name the rules. (P2, K5)
func TestAssignmentsAreReported(t *testing.T) {
	eng, _, cfg := academy(t)
	plan, err := eng.Preview(t.Context(), cfg, usersync.CSV(strings.NewReader("login,department,groups\nanna,Sales,go\nbert,Ops,\ncarl,Sales,\n")))
	require.NoError(t, err)
	data, err := json.Marshal(plan)
	require.NoError(t, err)
	require.Contains(t, string(data), `"assigned":[{"assignment":0,"field":"groups","rule":"Sales people","rows":2},{"assignment":0,"field":"groups","rule":"Everybody","rows":1}]`)
	require.Contains(t, string(data), `"new":"go, sellers","by":"useSource","rule":"Sales people"}`)
	require.Contains(t, string(data), `"new":"staff","by":"assignment","rule":"Everybody"}`)

	var out bytes.Buffer
	require.NoError(t, plan.WritePreview(&out))
	book, err := excelize.OpenReader(&out)
	require.NoError(t, err)
	updated, err := book.GetRows("Updated")
	require.NoError(t, err)
	require.Equal(t, "Groups: chess → go, sellers (file's value, rule Sales people)", updated[1][4])
	require.Equal(t, "Groups: (blank) → staff (rule Everybody)", updated[2][4])
	created, err := book.GetRows("New")
	require.NoError(t, err)
	require.Contains(t, created[1][4], "Groups: sellers (rule Sales people)")
	summary, err := book.GetRows("Summary")
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(summary, func(row []string) bool { return slices.Equal(row, []string{"Added to Groups by Sales people", "2"}) }), "%v", summary)
}

// A stored plan keeps the current values of what rules ask about only where a question can change them.
func TestStoredAssignments(t *testing.T) {
	eng, store, cfg := academy(t)
	store.Put(trainee("u1", map[string]string{"login": "anna", "department": "Sales", "level": "j"}, "remembered"))
	file := "login,department\nanna,Ops\nbert,Ops\ncarl,SALES\n"
	stored := func(cfg usersync.Config) string {
		plan, err := eng.Preview(t.Context(), cfg, usersync.CSV(strings.NewReader(file)))
		require.NoError(t, err)
		all, err := usersync.StoredForm(plan, nil)
		require.NoError(t, err)
		return string(bytes.Join(all[1:], nil))
	}
	plain := cfg.Clone()
	plain.Assignments = nil
	require.NotContains(t, stored(plain), `"g":`)
	require.NotContains(t, stored(cfg), `"k":[`, "nothing is asked")
	cfg.Rules = map[string]usersync.Rule{"department": {Strategy: usersync.AskAtRuntime}}
	asked := stored(cfg)
	require.Equal(t, 1, strings.Count(asked, `"k":[`), asked)
	require.Contains(t, asked, `remembered`)
}

// A stored plan whose assignments point at nothing is refused.
func TestStoredAssignmentsThatAreDamaged(t *testing.T) {
	eng, _, cfg := academy(t)
	plan, err := eng.Preview(t.Context(), cfg, usersync.CSV(strings.NewReader(academyFile)))
	require.NoError(t, err)
	all, err := usersync.StoredForm(plan, nil)
	require.NoError(t, err)
	_, err = usersync.LoadStored(training(), all)
	require.NoError(t, err)
	for _, damage := range [][2]string{{`"r":[0]`, `"r":[2]`}, {`"r":[0]`, `"r":[-1]`}, {`"a":[{"f":6`, `"a":[{"f":9`}, {`"a":[{"f":6`, `"k":[{"f":-1,"o":"x"}],"a":[{"f":6`}} {
		part := strings.Replace(string(all[1]), damage[0], damage[1], 1)
		require.NotEqual(t, string(all[1]), part, damage)
		_, err := usersync.LoadStored(training(), [][]byte{all[0], []byte(part)})
		require.ErrorIs(t, err, usersync.ErrInvalid, damage)
	}
}
