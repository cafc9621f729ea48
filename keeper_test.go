package usersync_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

// narrow is a store with a place for some fields.
type narrow struct {
	*memory.Store
	fields map[string]bool // and whether users are found by them
}

// KeepsField looks among the fields.
func (n narrow) KeepsField(name string, lookedUp bool) bool {
	finds, keeps := n.fields[name]
	return keeps && (finds || !lookedUp)
}

// What a store has no place for is told when the engine is made, or before a file is read, instead of by every row
// when it is written.
func TestFieldKeeper(t *testing.T) {
	schema := usersync.Schema{Key: "login", Status: "active", Fields: []usersync.Field{
		{Name: "login", Required: usersync.Always}, {Name: "password", Secret: true, Required: usersync.ForNewUsers},
		{Name: "email", Kind: usersync.KindEmail, Unique: usersync.MustBeUnique}, {Name: "city"}, {Name: "active", Kind: usersync.KindBool},
		{Name: "oldLogin", Match: "login"},
	}}
	over := func(fields map[string]bool) (*usersync.Engine, error) {
		store := memory.New(memory.WithKey("login"))
		return usersync.New(narrow{store, fields}, store.Baselines(), usersync.WithSchema(schema))
	}
	_, err := over(map[string]bool{"login": true, "email": false})
	var invalid *usersync.InvalidError
	require.ErrorAs(t, err, &invalid)
	require.Equal(t, "user store", invalid.What)
	require.Equal(t, []string{"password", "email"}, []string{invalid.Problems[0].Path, invalid.Problems[1].Path})
	require.Len(t, invalid.Problems, 2)

	eng, err := over(map[string]bool{"login": true, "email": true, "password": false})
	require.NoError(t, err)
	preview := func(file string) error {
		_, err := eng.Preview(t.Context(), usersync.DefaultConfig("Staff"), usersync.CSV(strings.NewReader(file)))
		return err
	}
	require.NoError(t, preview("login,password,email,active,oldLogin\nanna,x,a@example.com,yes,ann\n"))
	err = preview("login,password,City\nanna,x,Rome\n")
	require.ErrorContains(t, err, "user store is not valid: city: the file has the column City, and the store has no place for its values")
}
