package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/sqlite"
	"github.com/usersync-go/usersync/adapters/sqlstore"
	"github.com/usersync-go/usersync/passwordlink"
	"github.com/usersync-go/usersync/usersynctest"
)

func TestStore(t *testing.T) {
	usersynctest.TestUserStore(t, func(t *testing.T) usersync.UserStore { return open(t, "users.db").Users() })
}

func TestPathsOfAnyLetters(t *testing.T) {
	store := open(t, "a b?c#d%41é'.db")
	var name string
	if err := store.DB().QueryRow("SELECT file FROM pragma_database_list").Scan(&name); err != nil {
		t.Fatal(err)
	}
	if filepath.Base(name) != "a b?c#d%41é'.db" {
		t.Fatalf("the file is %q", name)
	}
}

func TestNoFile(t *testing.T) {
	for _, path := range []string{"", ":memory:"} {
		if _, err := sqlite.Open(path); err == nil {
			t.Fatalf("%q was opened", path)
		}
	}
}

func open(t *testing.T, name string) *sqlite.Store {
	t.Helper()
	store, err := sqlite.Open(filepath.Join(t.TempDir(), name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return store
}

func TestStores(t *testing.T) {
	usersynctest.TestStores(t, func(t *testing.T) usersync.Stores { return open(t, "state.db").Stores() })
}

func TestTokens(t *testing.T) {
	usersynctest.TestTokenStore(t, func(t *testing.T) passwordlink.TokenStore { return open(t, "tokens.db").Tokens() })
}

func TestReferences(t *testing.T) {
	usersynctest.TestReferences(t, []string{"group"}, func(t *testing.T) (usersync.References, func(string, ...string) error) {
		store := open(t, "groups.db")
		if _, err := store.DB().Exec("CREATE TABLE groups (name TEXT NOT NULL, folded TEXT NOT NULL UNIQUE)"); err != nil {
			t.Fatal(err)
		}
		refs, err := store.References(map[string]sqlstore.NamedTable{"group": {Table: "groups", Name: "name", Folded: "folded"}})
		if err != nil {
			t.Fatal(err)
		}
		return refs, func(_ string, names ...string) error {
			for _, name := range names {
				if _, err := store.DB().Exec("INSERT INTO groups VALUES (?, ?)", name, usersync.Fold(name)); err != nil {
					return err
				}
			}
			return nil
		}
	})
}

func TestFields(t *testing.T) {
	usersynctest.TestFieldStore(t, func(t *testing.T) usersync.FieldStore { return open(t, "fields.db").Fields() })
}

// Fields that the schema does not have are kept like its own.
func TestAddedFields(t *testing.T) {
	usersynctest.TestUserStore(t, func(t *testing.T) usersync.UserStore { return open(t, "users.db").Users() },
		usersynctest.Text("shoeSize", "department", "größe"), usersynctest.Lists("tags"))
}
