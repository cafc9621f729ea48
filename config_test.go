package usersync

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// B10: what a new configuration starts as.
func TestDefaultConfig(t *testing.T) {
	cfg := DefaultConfig("Staff")
	require.NoError(t, cfg.Validate(DefaultSchema()))
	require.Equal(t, Config{ID: "Staff", Name: "Staff", Revision: 1, NewUsers: Create, ExistingUsers: Update,
		InactiveUsers: Skip, RemovedUsers: NoAction, DefaultRule: UseSource, BlankCells: BlankKeeps,
		SharedUsers: HoldShared, Guard: Guard{Percent: 10, Users: 5}}, cfg)
}

// paths lists where an InvalidError finds problems.
func paths(t *testing.T, err error) []string {
	t.Helper()
	var invalid *InvalidError
	require.ErrorAs(t, err, &invalid)
	require.ErrorIs(t, err, ErrInvalid)
	var out []string
	for _, p := range invalid.Problems {
		out = append(out, p.Path)
	}
	return out
}

// Validate reports all problems at once, in a fixed order.
func TestConfigValidateReportsAll(t *testing.T) {
	s := DefaultSchema()
	s.Fields = append(s.Fields,
		Field{Name: "groups", List: &ListFormat{Separator: ","}},
		Field{Name: "password", Secret: true},
		Field{Name: "externalId", Unique: MustBeUnique, Match: "externalId"},
		Field{Name: "oldUserName", Match: "userName"})
	cfg := DefaultConfig("")
	cfg.NewUsers, cfg.ExistingUsers, cfg.InactiveUsers, cfg.RemovedUsers = "x", Activate, "x", "x"
	cfg.BlankCells, cfg.SharedUsers, cfg.DefaultRule = "x", "x", ForceValue
	cfg.ClearMarker = " <x>"
	cfg.Rules = map[string]Rule{
		"nobody":      {Strategy: UseSource},
		"userName":    {Strategy: ForceValue, Value: "x"},
		"externalId":  {Strategy: ForceValue, Value: "x"},
		"oldUserName": {Strategy: UseSource},
		"title":       {Strategy: Merge},
		"groups":      {Strategy: Merge},
		"password":    {Strategy: AskAtRuntime},
		"locale":      {Strategy: ForceValue, Value: "english"},
		"city":        {Strategy: ForceValue},
		"state":       {Strategy: "often"},
		"zip":         {Strategy: UseSource, Value: "x"},
	}
	cfg.Defaults = map[string]string{"nobody": "x", "userName": "x", "password": "x", "timezone": "Mars/Olympus", "country": " "}
	cfg.Columns = map[string]string{"A": "nobody", "": "email", "Mail": "email", "MAIL ": "phone"}
	cfg.Guard = Guard{Percent: 101, Users: -1, Max: -1}
	cfg.Limits = Limits{Rows: -1}
	require.Equal(t, []string{"id", "name", "newUsers", "existingUsers", "inactiveUsers", "removedUsers", "blankCells",
		"sharedUsers", "defaultRule", "rules.city.value", "rules.externalId.strategy", "rules.locale.value",
		"rules.nobody", "rules.oldUserName", "rules.password.strategy", "rules.state.strategy", "rules.title.strategy",
		"rules.userName.strategy", "rules.zip.value", "defaults.country", "defaults.nobody", "defaults.password",
		"defaults.timezone", "defaults.userName", "columns", "columns.A", "columns.Mail", "clearMarker",
		"guard.percent", "guard.users", "guard.max", "limits.rows"}, paths(t, cfg.Validate(s)))
}

func TestSchemaValidateReportsAll(t *testing.T) {
	err := Schema{Sheet: "a/b", Key: "nobody", Status: "name", Email: "name", Fields: []Field{
		{},
		{Name: "id"},
		{Name: "name", Kind: "colour", Required: "sometimes", Unique: "x", MinLength: 5, MaxLength: 3, Pattern: "("},
		{Name: "name"},
		{Name: "other", Aliases: []string{" NAME "}, List: &ListFormat{}},
		{Name: "role", Kind: KindEnum, Sample: "king"},
		{Name: "state", Kind: KindBool, TrueWords: []string{"No"}},
		{Name: "boss", Kind: KindUser, List: &ListFormat{Separator: ","}, Match: "nobody"},
	}}.Validate()
	require.Equal(t, []string{"sheet", "fields.0", "fields.id", "fields.name.kind", "fields.name.required", "fields.name.unique",
		"fields.name.maxLength", "fields.name.pattern", "fields.name", "fields.other.list.separator", "fields.other",
		"fields.role.options", "fields.role.sample", "fields.state", "fields.boss.list", "key", "status", "email", "fields.boss.match"}, paths(t, err))
	require.Error(t, Schema{}.Validate())
}

func TestParseConfig(t *testing.T) {
	cfg, err := ParseConfig([]byte(`{"name":"Staff","inactiveUsers":"activate","rules":{"title":{"strategy":"keepDestination"}},"guard":{"percent":20,"users":1}}`))
	require.NoError(t, err)
	require.Equal(t, "Staff", cfg.ID)
	require.Equal(t, Create, cfg.NewUsers, "what is left out has its default")
	require.Equal(t, Activate, cfg.InactiveUsers)
	require.Equal(t, KeepDestination, cfg.Rule("title").Strategy)
	require.Equal(t, UseSource, cfg.Rule("email").Strategy)
	require.Equal(t, Guard{Percent: 20, Users: 1}, cfg.Guard)

	for _, bad := range []string{``, `{`, `[]`, `{"nmae":"x"}`, `{"name":1}`, `{} {}`} {
		_, err := ParseConfig([]byte(bad))
		require.Error(t, err, bad)
	}
}

// The zero value of a limit takes the engine's, and a configuration can only be stricter.
func TestLimits(t *testing.T) {
	engine := Limits{Rows: 100}.orDefault()
	require.Equal(t, 100, engine.Rows)
	require.Equal(t, DefaultLimits().Bytes, engine.Bytes)
	require.Equal(t, 100, Limits{Rows: 200}.within(engine).Rows)
	require.Equal(t, 50, Limits{Rows: 50}.within(engine).Rows)
	require.Equal(t, engine, Limits{}.within(engine))
}

// K4: remembered rules make a new revision and leave the old configuration alone.
func TestWithRules(t *testing.T) {
	cfg := DefaultConfig("Staff")
	cfg.Rules = map[string]Rule{"title": {Strategy: AskAtRuntime}}
	next := cfg.WithRules(map[string]Rule{"title": {Strategy: KeepDestination}})
	require.Equal(t, AskAtRuntime, cfg.Rule("title").Strategy)
	require.Equal(t, KeepDestination, next.Rule("title").Strategy)
	require.Equal(t, cfg.Revision+1, next.Revision)
}

// Any JSON gives a configuration that comes back the same, or an error; a valid one can be used.
func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(`{"name":"Staff"}`))
	whole, err := json.Marshal(DefaultConfig("Staff").WithRules(map[string]Rule{"locale": {ForceValue, "en_us"}}))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	s, err := compile(DefaultSchema())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := ParseConfig(data)
		if err != nil {
			return
		}
		again, err := json.Marshal(cfg)
		require.NoError(t, err)
		back, err := ParseConfig(again)
		require.NoError(t, err)
		require.Equal(t, mustJSON(t, cfg), mustJSON(t, back))
		if err := cfg.validate(s); err != nil {
			require.True(t, errors.Is(err, ErrInvalid))
			return
		}
		require.Len(t, prepareRules(s, &cfg), len(s.fields))
	})
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	require.NoError(t, err)
	return string(data)
}
