package usersync_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

func TestSmoke(t *testing.T) {
	ctx := context.Background()
	store := memory.New(memory.WithUsers(
		usersync.User{ID: "u1", Active: true, Values: usersync.ValuesOf(map[string]string{"userName": "anna", "email": "anna@example.com", "firstName": "Anna", "lastName": "A", "title": "Dev"})},
		usersync.User{ID: "u2", Active: false, Values: usersync.ValuesOf(map[string]string{"userName": "bert", "email": "bert@example.com", "firstName": "Bert", "lastName": "B"})},
	))
	eng, err := usersync.New(store, store.Baselines())
	require.NoError(t, err)
	file := `userName,email,firstName,lastName,title,manager
anna,anna@example.com,Anna,A,Lead,carl
bert,bert@example.com,Bert,B,,
carl,carl@example.com,Carl,C,,dora
dora,dora@example.com,Dora,D,,
bad,not an email,X,,,
`
	cfg := usersync.DefaultConfig("Staff")
	cfg.InactiveUsers = usersync.Activate
	cfg.RemovedUsers = usersync.Deactivate
	plan, err := eng.Preview(ctx, cfg, usersync.CSV(strings.NewReader(file)))
	require.NoError(t, err)
	for row := range plan.Rows() {
		t.Log(row)
	}
	t.Logf("%+v", plan.Counts())
	run, err := eng.Apply(ctx, plan)
	require.NoError(t, err)
	t.Logf("%+v", run.Counts())
	for _, u := range store.Users() {
		t.Log(u)
	}
	plan, err = eng.Preview(ctx, cfg, usersync.CSV(strings.NewReader(file)))
	require.NoError(t, err)
	t.Logf("%+v", plan.Counts())
	plan, err = eng.Preview(ctx, cfg, usersync.CSV(strings.NewReader(strings.Replace(file, "carl,carl@example.com,Carl,C,,dora\n", "", 1))))
	require.NoError(t, err)
	for row := range plan.Rows() {
		t.Log(row)
	}
}
