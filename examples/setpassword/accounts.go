package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/sqlite"
)

// accounts are the passwords, in a table of the product's own beside the users.
type accounts struct {
	db    *sql.DB
	users usersync.UserReader
}

func newAccounts(ctx context.Context, store *sqlite.Store) (*accounts, error) {
	_, err := store.DB().ExecContext(ctx, "CREATE TABLE IF NOT EXISTS passwords (user_id TEXT NOT NULL PRIMARY KEY, hash BLOB NOT NULL)")
	return &accounts{store.DB(), store.Users()}, err
}

// errNoAccount says that there is no such user, or that the user cannot sign in.
var errNoAccount = errors.New("no active account")

// user finds a user who may have a password.
func (a *accounts) user(ctx context.Context, id string) (usersync.User, error) {
	found, err := a.users.FindUsers(ctx, usersync.FieldID, []string{id})
	if err != nil {
		return usersync.User{}, err
	}
	if len(found) != 1 || !found[0].Active || found[0].SSO {
		return usersync.User{}, errNoAccount
	}
	return found[0], nil
}

// setPassword saves the hash of a password that checkPassword has passed. It is what Redeem calls.
func (a *accounts) setPassword(ctx context.Context, userID, password string) error {
	if _, err := a.user(ctx, userID); err != nil { // deactivated since the mail
		return err
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		return err
	}
	_, err = a.db.ExecContext(ctx, "INSERT INTO passwords (user_id, hash) VALUES (?, ?) ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash",
		userID, hash)
	return err
}

// signIn tells whether it is the user's password.
func (a *accounts) signIn(ctx context.Context, userID, password string) (bool, error) {
	var hash []byte
	err := a.db.QueryRowContext(ctx, "SELECT hash FROM passwords WHERE user_id = ?", userID).Scan(&hash)
	if err != nil {
		return false, err
	}
	return bcrypt.CompareHashAndPassword(hash, []byte(password)) == nil, nil
}

// The policy: NIST SP 800-63B asks for length, and for no mixture of characters. bcrypt takes 72 bytes.
const (
	minCharacters = 12
	maxBytes      = 72
)

// checkPassword says what is wrong with a new password, "" for nothing.
func checkPassword(password string) string {
	switch {
	case utf8.RuneCountInString(password) < minCharacters:
		return fmt.Sprintf("The password must have at least %d characters.", minCharacters)
	case len(password) > maxBytes:
		return fmt.Sprintf("The password is too long: %d bytes are the most.", maxBytes)
	}
	return ""
}
