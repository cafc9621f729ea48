package main

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
	"github.com/usersync-go/usersync/adapters/sqlstore"
	"github.com/usersync-go/usersync/phone"
	"github.com/usersync-go/usersync/presets"
)

// staff is the preset, with phone numbers as they are dialled in Russia.
func staff() (presets.Preset, error) {
	preset := presets.Retail()
	toE164, err := phone.E164("RU")
	if err != nil {
		return preset, err
	}
	preset.Phones(toE164)
	return preset, nil
}

// groups are those that the company has, of each kind. A platform finds them in its tables, see sqlstore.NewReferences.
func groups() usersync.References {
	refs := memory.NewReferences()
	for set, names := range map[string][]string{"region": {"North", "South"}, "city": {"Moscow", "Kazan"}, "role": {"Shop"},
		"position": {"Seller", "Cashier"}, "team": {"Red"}, "department": {"Sales"}, "appointment": {"Till"}} {
		refs.Put(set, names...)
	}
	return refs
}

// accounts says where users are: in the ready-made table, with a hash in the place of the password.
func accounts(schema usersync.Schema) sqlstore.Mapping {
	m := sqlstore.DefaultMapping(schema)
	m.Columns["password"] = sqlstore.Column{Column: "password_hash", Hash: hash}
	return m
}

// rounds of PBKDF2 (RFC 8018) with SHA-256: few, so that the example is quick. OWASP asks for 600,000.
const rounds = 1000

func hash(password string) (string, error) {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails
	return hashWith(password, salt)
}

func hashWith(password string, salt []byte) (string, error) {
	key, err := pbkdf2.Key(sha256.New, password, salt, rounds, 32)
	return hex.EncodeToString(salt) + "$" + hex.EncodeToString(key), err
}

// verify tells whether a hash is that of a password.
func verify(stored, password string) bool {
	text, _, _ := strings.Cut(stored, "$")
	salt, err := hex.DecodeString(text)
	if err != nil {
		return false
	}
	again, err := hashWith(password, salt)
	return err == nil && again == stored
}
