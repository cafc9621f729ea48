package integration

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/sqlstore"
)

// hashed is a one-way form of a password: salt and hash (PBKDF2, RFC 8018).
func hashed(password string) (string, error) {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt)
	return hashedWith(password, salt)
}

func hashedWith(password string, salt []byte) (string, error) {
	key, err := pbkdf2.Key(sha256.New, password, salt, 1000, 32)
	return hex.EncodeToString(salt) + "$" + hex.EncodeToString(key), err
}

// isHashOf tells that a stored form is that of a password.
func isHashOf(stored, password string) bool {
	text, _, _ := strings.Cut(stored, "$")
	salt, err := hex.DecodeString(text)
	if err != nil {
		return false
	}
	again, err := hashedWith(password, salt)
	return err == nil && again == stored
}

// A10: of a secret field with a Hash the column has that and nothing else, whether the user is new or not; what the
// hash refuses is the change's own failure.
func TestHashedSecret(t *testing.T) {
	schema := usersync.Schema{Key: "login", Fields: []usersync.Field{{Name: "login"}, {Name: "password", Secret: true}, {Name: "city"}}}
	onEach(t, func(t *testing.T, s server) {
		db := s.open(t)
		m := sqlstore.DefaultMapping(schema)
		refused := errors.New("too common")
		m.Columns["password"] = sqlstore.Column{Column: "password_hash", Hash: func(p string) (string, error) {
			if p == "password1" {
				return "", refused
			}
			return hashed(p)
		}}
		users, err := sqlstore.NewUsers(db, s.dialect, m, schema)
		must(t, err)
		must(t, users.Migrate(t.Context()))
		create := func(login, password string) usersync.Change {
			return usersync.Change{Op: usersync.OpCreate, Key: login, Active: true,
				Set: usersync.ValuesOf(map[string]string{"login": login, "password": password})}
		}
		out, err := users.WriteUsers(t.Context(), []usersync.Change{create("anna", "sesame 1"), create("bert", "password1"), create("cleo", "")})
		must(t, err)
		if out[0].Err != nil || !errors.Is(out[1].Err, refused) || out[2].Err != nil {
			t.Fatal(out[0].Err, out[1].Err, out[2].Err)
		}
		if got := passwordOf(t, users, db, "anna"); !isHashOf(got, "sesame 1") {
			t.Fatalf("the column has %q", got)
		}
		out, err = users.WriteUsers(t.Context(), []usersync.Change{{Op: usersync.OpUpdate, UserID: out[0].ID, Key: "anna",
			Set: usersync.ValuesOf(map[string]string{"password": "sesame 2"})}})
		must(t, errors.Join(err, out[0].Err))
		if got := passwordOf(t, users, db, "anna"); !isHashOf(got, "sesame 2") {
			t.Fatalf("the column has %q", got)
		}
	})
}

// passwordOf is what the column has, of a user of whom nothing secret can be read.
func passwordOf(t *testing.T, users usersync.UserReader, db *sql.DB, login string) (stored string) {
	t.Helper()
	found, err := users.FindUsers(t.Context(), "login", []string{login})
	must(t, err)
	if _, shown := found[0].Values.Lookup("password"); len(found) != 1 || shown {
		t.Fatalf("found %v", found)
	}
	must(t, db.QueryRow("SELECT password_hash FROM usersync_users WHERE login = '"+login+"'").Scan(&stored))
	return stored
}
