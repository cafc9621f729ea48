package usersync

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// people is a schema with a field of every sort that conditions treat differently.
func people(t *testing.T) *schema {
	t.Helper()
	s, err := compile(Schema{Key: "userName", Status: "active", Fields: []Field{
		{Name: "userName"},
		{Name: "department"},
		{Name: "email", Kind: KindEmail},
		{Name: "phone", Kind: KindPhone},
		{Name: "locale", Kind: KindLocale},
		{Name: "boss", Kind: KindBool},
		{Name: "level", Kind: KindEnum, Options: []EnumValue{{Value: "admin", Words: []string{"Chief"}}, {Value: "user"}}},
		{Name: "skills", List: &ListFormat{Separator: ";", None: "none"}},
		{Name: "active", Kind: KindBool},
		{Name: "groups", List: &ListFormat{Separator: ";"}},
	}})
	require.NoError(t, err)
	return s
}

// Every operator, in the form in which the field is compared; a blank field fits only empty.
func TestConditions(t *testing.T) {
	s := people(t)
	for _, tt := range []struct {
		field  string
		value  []string // of the user
		op     ConditionOp
		values []string
		want   bool
	}{
		{"department", []string{"Sales"}, IfEquals, []string{"Sales"}, true},
		{"department", []string{"Sales"}, IfEquals, []string{" sALES "}, true},
		{"department", []string{"ＳＡＬＥＳ"}, IfEquals, []string{"sales"}, true},
		{"department", []string{"Straße"}, IfEquals, []string{"STRASSE"}, true},
		{"department", []string{"Sales EU"}, IfEquals, []string{"Sales"}, false},
		{"department", nil, IfEquals, []string{"Sales"}, false},
		{"department", []string{"Ops"}, IfOneOf, []string{"Sales", "ops"}, true},
		{"department", []string{"Law"}, IfOneOf, []string{"Sales", "ops"}, false},
		{"department", []string{"Sales EU"}, IfPrefix, []string{"law", "sales"}, true},
		{"department", []string{"EU Sales"}, IfPrefix, []string{"sales"}, false},
		{"department", nil, IfPrefix, []string{"s"}, false},
		{"department", []string{"Sales 42"}, IfPattern, []string{`sales \d+`}, true},
		{"department", []string{"Sales 42"}, IfPattern, []string{`(?-i)sales \d+`}, false},
		{"department", []string{"EU Sales 42"}, IfPattern, []string{`sales \d+`}, false},
		{"department", []string{"Sales 42b"}, IfPattern, []string{`sales \d+`, `a|sales`}, false},
		{"department", []string{"Sales"}, IfPattern, []string{`ops`, `a|sales`}, true},
		{"department", nil, IfPattern, []string{`.*`}, false},
		{"department", nil, IfEmpty, nil, true},
		{"department", []string{" \t"}, IfEmpty, nil, true},
		{"department", []string{"x"}, IfEmpty, nil, false},
		{"email", []string{"Jane@Example.org"}, IfEquals, []string{"jane@example.ORG"}, true},
		{"email", []string{"jane@example.org"}, IfPrefix, []string{"JANE@"}, true},
		{"phone", []string{"+1 (555) 0100"}, IfEquals, []string{"+15550100"}, true},
		{"phone", []string{"+1 (555) 0100"}, IfPrefix, []string{"+1 555"}, true},
		{"phone", []string{"+49 555"}, IfPrefix, []string{"+1 555"}, false},
		{"locale", []string{"en-us"}, IfEquals, []string{"en_US"}, true},
		{"locale", []string{"en-US"}, IfPrefix, []string{"en"}, true},
		{"boss", []string{"true"}, IfEquals, []string{"Yes"}, true},
		{"boss", []string{"1"}, IfEquals, []string{"true"}, true},
		{"boss", []string{"false"}, IfEquals, []string{"yes"}, false},
		{"level", []string{"admin"}, IfEquals, []string{"chief"}, true},
		{"level", []string{"Chief"}, IfOneOf, []string{"user", "admin"}, true},
		{"level", []string{"user"}, IfEquals, []string{"Chief"}, false},
		{"skills", []string{"Go", "SQL"}, IfEquals, []string{"sql"}, true},
		{"skills", []string{"Go", "SQL"}, IfEquals, []string{"java"}, false},
		{"skills", []string{"Go", "SQL"}, IfPrefix, []string{"s"}, true},
		{"skills", []string{"Go", "SQL"}, IfPattern, []string{"g."}, true},
		{"skills", []string{"Go", "SQL"}, IfEmpty, nil, false},
		{"skills", nil, IfEmpty, nil, true},
		{"skills", nil, IfEquals, []string{"go"}, false},
		{"active", nil, IfEquals, []string{"yes"}, true},
		{"active", nil, IfEmpty, nil, false},
	} {
		for _, not := range []bool{false, true} {
			c := Condition{Field: tt.field, Op: tt.op, Values: tt.values, Not: not}
			u := &User{Active: true, Values: NewValues(nil, nil)}
			if s.fields[s.byName[tt.field]].List != nil {
				u.Values.SetList(tt.field, tt.value)
			} else if tt.value != nil {
				u.Values.Set(tt.field, tt.value[0])
			}
			cfg := assigning(AssignRule{Name: "r", If: []Condition{c}, Values: []string{"g"}})
			require.NoError(t, cfg.validate(s))
			require.Equal(t, tt.want != not, groupsOf(s, &cfg, &situation{account: activeAccount, user: u}) == "g",
				"%q: %s %v not=%t", tt.value, tt.op, tt.values, not)
		}
	}
}

func assigning(rules ...AssignRule) Config {
	cfg := DefaultConfig("staff")
	cfg.Assignments = []Assignment{{Field: "groups", Rules: rules}}
	return cfg
}

// groupsOf are the groups that a user has after the run.
func groupsOf(s *schema, cfg *Config, is *situation) string {
	a := prepareAssignments(s, cfg)
	a.assign(is)
	if at, found := find(is.settings, s.byName["groups"]); found {
		return showValue(is.settings[at].new)
	}
	return showValue(is.raw(&s.fields[s.byName["groups"]]))
}

// Which rules fit: all of the conditions or any of them, and without conditions everybody. Which of those that
// fit decide: the first, or all.
func TestRulesThatDecide(t *testing.T) {
	s := people(t)
	yes, no := Condition{Field: "department", Op: IfEquals, Values: []string{"Sales"}}, Condition{Field: "level", Op: IfEmpty, Not: true}
	if_ := func(name string, any bool, c ...Condition) AssignRule {
		return AssignRule{Name: name, Any: any, If: c, Values: []string{name}}
	}
	for _, tt := range []struct {
		name  string
		match Matching
		rules []AssignRule
		want  string
	}{
		{"all hold", "", []AssignRule{if_("a", false, yes, yes)}, "a"},
		{"not all hold", "", []AssignRule{if_("a", false, yes, no)}, ""},
		{"any holds", "", []AssignRule{if_("a", true, no, yes)}, "a"},
		{"none holds", "", []AssignRule{if_("a", true, no, no)}, ""},
		{"everybody", "", []AssignRule{if_("a", false)}, "a"},
		{"everybody, any", "", []AssignRule{if_("a", true)}, "a"},
		{"the first by default", "", []AssignRule{if_("a", false, no), if_("b", false, yes), if_("c", false)}, "b"},
		{"the first", FirstMatch, []AssignRule{if_("c", false), if_("b", false, yes)}, "c"},
		{"all", AllMatches, []AssignRule{if_("a", false, no), if_("b", false, yes), if_("c", false)}, "b, c"},
		{"none", AllMatches, []AssignRule{if_("a", false, no)}, ""},
	} {
		cfg := assigning(tt.rules...)
		cfg.Assignments[0].Match = tt.match
		require.NoError(t, cfg.validate(s), tt.name)
		u := &User{Active: true, Values: ValuesOf(map[string]string{"department": "sales"})}
		require.Equal(t, tt.want, groupsOf(s, &cfg, &situation{account: activeAccount, user: u}), tt.name)
	}
}

// What rules see is what the user has after the run.
func TestRulesSeeTheValuesAfterTheRun(t *testing.T) {
	s := people(t)
	field := func(name string) int32 { return int32(s.byName[name]) }
	is := func(field, value string) Condition {
		return Condition{Field: field, Op: IfEquals, Values: []string{value}}
	}
	stored := &User{Values: ValuesOf(map[string]string{"department": "Law"})}
	for _, tt := range []struct {
		name string
		is   situation
		c    Condition
	}{
		{"what is written", situation{user: stored, settings: []setting{{field: field("department"), old: "Law", new: "Ops"}}}, is("department", "ops")},
		{"what is current", situation{user: stored}, is("department", "law")},
		{"an open question", situation{user: stored, settings: []setting{{field: field("department"), choice: undecided, old: "Law", new: "Ops"}}}, is("department", "ops")},
		{"a value that is kept", situation{settings: []setting{{field: field("department"), choice: keepCurrent, old: "Law", new: "Ops"}}}, is("department", "law")},
		{"a value that is cleared", situation{user: stored, settings: []setting{{field: field("department"), old: "Law"}}}, Condition{Field: "department", Op: IfEmpty}},
		{"a new user is active", situation{}, is("active", "true")},
		{"a new user who is not", situation{settings: []setting{{field: field("active"), new: "false"}}}, is("active", "false")},
		{"an inactive user", situation{account: inactiveAccount, user: stored}, is("active", "false")},
		{"one who is activated", situation{account: inactiveAccount, user: stored, settings: []setting{{field: field("active"), old: "false", new: "true"}}}, is("active", "true")},
		{"a deactivation that was refused", situation{account: activeAccount, settings: []setting{{field: field("active"), choice: keepCurrent, old: "true", new: "false"}}}, is("active", "true")},
	} {
		cfg := assigning(AssignRule{Name: "r", If: []Condition{tt.c}, Values: []string{"g"}})
		require.NoError(t, cfg.validate(s), tt.name)
		require.Equal(t, "g", groupsOf(s, &cfg, &tt.is), tt.name)
	}
}

// Rules look at a user's fields once, and at the next user's anew.
func TestRulesForgetTheUserBefore(t *testing.T) {
	s := people(t)
	cfg := assigning(AssignRule{Name: "r", If: []Condition{{Field: "department", Op: IfEquals, Values: []string{"ops"}}}, Values: []string{"g"}})
	a := prepareAssignments(s, &cfg)
	for _, department := range []string{"ops", "law", "Ops"} {
		added := a.assign(&situation{user: &User{Values: ValuesOf(map[string]string{"department": department})}})
		require.Equal(t, department != "law", len(added) == 1, department)
	}
	require.Nil(t, prepareAssignments(s, &Config{}), "nothing to do without assignments")
}
