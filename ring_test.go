package usersync_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

// C8: references of two fields may go round in a ring, which no order of creations can follow: the one
// that closes it is written at the end.
func TestRingOfTwoFields(t *testing.T) {
	s := usersync.DefaultSchema()
	s.Fields = append(s.Fields, usersync.Field{Name: "mentor", Kind: usersync.KindUser})
	store := memory.New()
	eng, err := usersync.New(store, store.Baselines(), usersync.WithSchema(s))
	require.NoError(t, err)
	plan, err := eng.Preview(context.Background(), usersync.DefaultConfig("Staff"), usersync.CSV(strings.NewReader(
		"userName,email,firstName,lastName,manager,mentor\n"+
			"anna,anna@example.com,Anna,A,bert,carl\nbert,bert@example.com,Bert,B,carl,anna\ncarl,carl@example.com,Carl,C,,\n")))
	require.NoError(t, err)
	run, err := eng.Apply(context.Background(), plan)
	require.NoError(t, err)
	require.Equal(t, 3, run.Counts().Created)
	require.Zero(t, run.Counts().Warnings)
	links := map[string][]string{}
	for _, u := range store.Users() {
		links[u.Values.Get("userName")] = []string{u.Values.Get("manager"), u.Values.Get("mentor")}
	}
	require.Equal(t, map[string][]string{"anna": {"bert", "carl"}, "bert": {"carl", "anna"}, "carl": {"", ""}}, links)
}
