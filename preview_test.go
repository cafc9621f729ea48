package usersync_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

// staff is a store of users with a userName, and the engine over it.
func staff(t *testing.T, s usersync.Schema, users map[string]map[string]string) (*memory.Store, *usersync.Engine) {
	t.Helper()
	store := memory.New()
	for _, id := range []string{"u1", "u2", "u3"} {
		if values, ok := users[id]; ok {
			store.Put(usersync.User{ID: id, Active: true, Values: usersync.ValuesOf(values)})
		}
	}
	eng, err := usersync.New(store, store.Baselines(), usersync.WithSchema(s))
	require.NoError(t, err)
	return store, eng
}

func known(t *testing.T, store *memory.Store, ids ...string) {
	t.Helper()
	b := usersync.Baseline{RunID: "before"}
	for _, id := range ids {
		b.Members = append(b.Members, usersync.Member{UserID: id, Name: id})
	}
	require.NoError(t, store.Baselines().Save(context.Background(), "Staff", b))
}

func classesOf(p *usersync.Plan) string {
	var out []string
	for row := range p.Rows() {
		out = append(out, row.Name+" "+string(row.Class))
	}
	return strings.Join(out, ", ")
}

// B5: a line whose cells have moved may be anyone, whatever stands where its key should be.
func TestMovedCellsHoldRemovals(t *testing.T) {
	store, eng := staff(t, usersync.DefaultSchema(), map[string]map[string]string{
		"u1": {"userName": "anna", "email": "anna@example.com", "firstName": "Anna", "lastName": "Smith"}})
	known(t, store, "u1")
	cfg := usersync.DefaultConfig("Staff")
	cfg.RemovedUsers = usersync.Deactivate
	plan, err := eng.Preview(context.Background(), cfg, usersync.CSV(strings.NewReader(
		"lastName,userName,firstName,email\nSmith, Jr.,anna,Anna,anna@example.com\n")))
	require.NoError(t, err)
	require.Equal(t, "Jr. error, anna skipped", classesOf(plan))
	require.Equal(t, usersync.CodeRemovalsHeld, plan.Notes[0].Code)
}

// B5: so may a row whose external id cannot be read.
func TestBrokenMatchFieldHoldsRemovals(t *testing.T) {
	s := usersync.Schema{Key: "userName", Fields: []usersync.Field{
		{Name: "userName"}, {Name: "externalId", Match: "externalId", Pattern: "[0-9]+"}}}
	store, eng := staff(t, s, map[string]map[string]string{"u1": {"userName": "anna", "externalId": "42"}})
	known(t, store, "u1")
	cfg := usersync.DefaultConfig("Staff")
	cfg.RemovedUsers = usersync.Deactivate
	plan, err := eng.Preview(context.Background(), cfg, usersync.CSV(strings.NewReader("userName,externalId\nanna.new,42x\n")))
	require.NoError(t, err)
	require.Equal(t, "anna.new error, anna skipped", classesOf(plan))
}

// A10: what would show a secret is refused when it is set up.
func TestSecretsCannotBeShown(t *testing.T) {
	for _, f := range []usersync.Field{
		{Name: "pin", Secret: true, Unique: usersync.MustBeUnique},
		{Name: "pin", Secret: true, Match: "pin"},
		{Name: "pin", Secret: true, Kind: usersync.KindUser},
	} {
		require.ErrorIs(t, usersync.Schema{Key: "userName", Fields: []usersync.Field{{Name: "userName"}, f}}.Validate(), usersync.ErrInvalid)
	}
	cfg := usersync.DefaultConfig("Staff")
	cfg.Rules = map[string]usersync.Rule{"pin": {Strategy: usersync.ForceValue, Value: "1234"}}
	require.ErrorIs(t, cfg.Validate(usersync.Schema{Key: "userName", Fields: []usersync.Field{{Name: "userName"}, {Name: "pin", Secret: true}}}), usersync.ErrInvalid)
}

// A5: a check of the product's that panics refuses the value; it never sees an empty one, and what it
// returns is not changed.
func TestCheckOfTheProduct(t *testing.T) {
	shared := &usersync.FieldError{Code: "weak", Params: map[string]string{"value": "kept"}}
	s := usersync.Schema{Key: "userName", Fields: []usersync.Field{
		{Name: "userName", Check: func(v string) error {
			if v[0] == 'x' {
				panic("no x")
			}
			return nil
		}},
		{Name: "password", Secret: true, Check: func(string) error { return shared }},
	}}
	_, eng := staff(t, s, nil)
	plan, err := eng.Preview(context.Background(), usersync.DefaultConfig("Staff"), usersync.CSV(strings.NewReader("userName,password\nxenia,\nanna,pw\nbert,\n")))
	require.NoError(t, err)
	require.Equal(t, " error, anna error, bert new", classesOf(plan))
	require.Equal(t, "kept", shared.Params["value"])
}

// A3: a user of another store, with the same id and version, is not the one that was previewed.
func TestPlanOfAnotherStore(t *testing.T) {
	mine := map[string]string{"userName": "anna", "email": "anna@example.com", "firstName": "Anna", "lastName": "A"}
	other := map[string]string{"userName": "boss", "email": "boss@example.com", "firstName": "B", "lastName": "B"}
	_, eng := staff(t, usersync.DefaultSchema(), map[string]map[string]string{"u1": mine})
	store, foreign := staff(t, usersync.DefaultSchema(), map[string]map[string]string{"u1": other})
	plan, err := eng.Preview(context.Background(), usersync.DefaultConfig("Staff"), usersync.CSV(strings.NewReader(
		"userName,email,firstName,lastName,title\nanna,anna@example.com,Anna,A,Lead\n")))
	require.NoError(t, err)
	_, err = foreign.Apply(context.Background(), plan)
	var stale *usersync.StaleError
	require.ErrorAs(t, err, &stale)
	require.Equal(t, usersync.MovedRenamed, stale.Users[0].Moved)
	require.Equal(t, "", store.Users()[0].Values.Get("title"))
}

// K4: only the answer to a question that was asked is remembered, and a later answer takes it back.
func TestRememberOnlyWhatWasAsked(t *testing.T) {
	_, eng := staff(t, usersync.DefaultSchema(), map[string]map[string]string{
		"u1": {"userName": "anna", "email": "anna@example.com", "firstName": "Anna", "lastName": "A", "title": "Dev"}})
	cfg := usersync.DefaultConfig("Staff")
	cfg.Rules = map[string]usersync.Rule{"title": {Strategy: usersync.AskAtRuntime}}
	plan, err := eng.Preview(context.Background(), cfg, usersync.CSV(strings.NewReader(
		"userName,email,firstName,lastName,title\nanna,anna@example.com,Anna,A,Lead\n")))
	require.NoError(t, err)
	require.ErrorIs(t, plan.Resolve(usersync.Decision{Field: "city", Choice: usersync.TakeFile, Remember: true}), usersync.ErrInvalid)
	require.NoError(t, plan.Resolve(usersync.Decision{Field: "title", Choice: usersync.TakeFile, Remember: true}))
	require.Len(t, plan.Remembered(), 1)
	require.NoError(t, plan.Resolve(usersync.Decision{Field: "title", Choice: usersync.KeepCurrent}))
	require.Nil(t, plan.Remembered())
	cfg.Rules["title"] = usersync.Rule{Strategy: usersync.UseSource}
	plan.Config.Guard.Off = true
	require.Equal(t, usersync.AskAtRuntime, plan.Config.Rules["title"].Strategy, "the plan has a copy")
}

// R4: a line break inside an identifier is an error, elsewhere a space.
func TestLineBreakInIdentifier(t *testing.T) {
	_, eng := staff(t, usersync.DefaultSchema(), nil)
	plan, err := eng.Preview(context.Background(), usersync.DefaultConfig("Staff"), usersync.CSV(strings.NewReader(
		"userName,email,firstName,lastName\n\"an\tna\",anna@example.com,\"An\nna\",A\n")))
	require.NoError(t, err)
	for row := range plan.Rows() {
		require.Equal(t, usersync.CodeBadCharacter, row.Reasons[0].Code)
		require.Equal(t, "U+0009", row.Reasons[0].Params["character"])
		require.Len(t, row.Reasons, 1)
	}
}

// A store that leaves the key out of its users would make everybody look new.
func TestUsersWithoutTheirKey(t *testing.T) {
	store, _ := staff(t, usersync.DefaultSchema(), map[string]map[string]string{"u1": {"userName": "anna"}})
	eng, err := usersync.New(keyless{store}, store.Baselines())
	require.NoError(t, err)
	_, err = eng.Preview(context.Background(), usersync.DefaultConfig("Staff"), usersync.CSV(strings.NewReader(
		"userName,email,firstName,lastName\nanna,anna@example.com,Anna,A\n")))
	require.ErrorContains(t, err, "without userName")
}

type keyless struct{ *memory.Store }

func (k keyless) FindUsers(ctx context.Context, field string, values []string) ([]usersync.User, error) {
	users, err := k.Store.FindUsers(ctx, field, values)
	for i := range users {
		users[i].Values = usersync.Values{}
	}
	return users, err
}

// The JSON form of a plan has its rows, and no secret.
func TestPlanJSON(t *testing.T) {
	s := usersync.DefaultSchema()
	s.Fields = append(s.Fields, usersync.Field{Name: "password", Secret: true})
	_, eng := staff(t, s, nil)
	plan, err := eng.Preview(context.Background(), usersync.DefaultConfig("Staff"), usersync.CSV(strings.NewReader(
		"userName,email,firstName,lastName,password\nanna,anna@example.com,Anna,A,CANARY\n")))
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, plan.WriteJSON(&out))
	whole, err := json.Marshal(plan)
	require.NoError(t, err)
	for _, data := range [][]byte{out.Bytes(), whole} {
		require.NotContains(t, string(data), "CANARY")
		var back struct {
			Counts usersync.Counts
			Rows   []usersync.Row
		}
		require.NoError(t, json.Unmarshal(data, &back))
		require.Equal(t, 1, back.Counts.New)
		require.Equal(t, "anna", back.Rows[0].Name)
	}
}

// What cannot be used is an error, not a panic.
func TestProgrammingErrors(t *testing.T) {
	store, eng := staff(t, usersync.DefaultSchema(), nil)
	_, err := usersync.New(store, store.Baselines(), nil)
	require.ErrorIs(t, err, usersync.ErrInvalid)
	for _, src := range []usersync.Source{usersync.CSV(nil), usersync.Open(nil, 10, "x"), usersync.XLSX(nil, 1), {}} {
		_, err := eng.Preview(context.Background(), usersync.DefaultConfig("Staff"), src)
		require.ErrorIs(t, err, usersync.ErrInvalid)
	}
	empty := &usersync.Plan{}
	require.ErrorIs(t, empty.Resolve(usersync.Decision{Choice: usersync.TakeFile}), usersync.ErrInvalid)
	require.Empty(t, empty.Blocks())
	_, err = eng.Apply(context.Background(), empty)
	require.ErrorIs(t, err, usersync.ErrInvalid)
	used := usersync.CSV(strings.NewReader(fourRows))
	_, err = eng.Preview(context.Background(), usersync.DefaultConfig("Staff"), used)
	require.NoError(t, err)
	_, err = eng.Preview(context.Background(), usersync.DefaultConfig("Staff"), used)
	require.ErrorContains(t, err, "read before")
}

// A4: a run that ended before it could write anything leaves the plan to be applied again.
func TestCancelledBeforeTheFirstWrite(t *testing.T) {
	store := memory.New()
	ctx, cancel := context.WithCancel(context.Background())
	eng, err := usersync.New(store, store.Baselines(), usersync.WithProgress(func(p usersync.Progress) {
		if p.Stage == usersync.StageVerify && p.Total > 0 && p.Done == p.Total {
			cancel()
		}
	}))
	require.NoError(t, err)
	plan, err := eng.Preview(context.Background(), usersync.DefaultConfig("Staff"), usersync.CSV(strings.NewReader(fourRows)))
	require.NoError(t, err)
	run, err := eng.Apply(ctx, plan)
	require.ErrorIs(t, err, context.Canceled)
	require.Nil(t, run)
	var partial *usersync.PartialError
	require.False(t, errors.As(err, &partial))
	run, err = eng.Apply(context.Background(), plan)
	require.NoError(t, err)
	require.Equal(t, 2, run.Counts().Created)
}
