package passwordlink

import (
	"context"
	"fmt"
	"time"

	"github.com/usersync-go/usersync"
)

// Token is what a store knows of a token: enough to recognise it, and not enough to make a link.
type Token struct {
	Hash    string // SHA-256 of the token, in 64 lower-case hexadecimal digits
	UserID  string // 1 to 200 bytes, compared exactly
	Created time.Time
	Expires time.Time
	// HeldUntil is until when a token of the user is being used, the zero time for never. It is the same for all
	// tokens of a user: the latest that any of them has.
	HeldUntil time.Time
}

// TokenQuery says which tokens to delete: it has exactly one of Hash, UserID and ExpiredBefore.
type TokenQuery struct {
	// Hash means the token and all others of its user, provided that HeldUntil is the user's.
	Hash      string
	HeldUntil time.Time
	// UserID means all tokens of the user, held or not.
	UserID string
	// ExpiredBefore means tokens of all users that expire before a time.
	ExpiredBefore time.Time
}

// TokenStore keeps tokens, those of one tenant. It knows no clock: what expires, and what is held, is for Links to
// compare. Times are of whole milliseconds, in UTC, and come back as they were given.
//
// The methods may be called concurrently, by several processes too, and each is done as a whole or not at all. One whose
// ctx is done returns an error and changes nothing. usersynctest.TestTokenStore tells whether a store keeps to this.
type TokenStore interface {
	// AddToken stores a token that is not held. A hash that is there already wraps usersync.ErrDuplicate. Other
	// tokens of the user stay, and so does their hold, which is that of the new one too.
	AddToken(ctx context.Context, t Token) error
	// FindToken returns the token with that hash, compared exactly, expired or not, with the HeldUntil of its user. If
	// there is none, the error wraps usersync.ErrNotFound.
	FindToken(ctx context.Context, hash string) (Token, error)
	// HoldTokens compares and sets: if from is the HeldUntil of the user of a token, all tokens of the user get to,
	// which is the zero time to let go. Otherwise nothing changes, and the error wraps usersync.ErrEdited, or
	// usersync.ErrNotFound if there is no such token. Of many calls with one from, for any tokens of one user, one
	// succeeds.
	HoldTokens(ctx context.Context, hash string, from, to time.Time) error
	// DeleteTokens removes tokens and says how many. For a Hash the errors are those of HoldTokens, and of many calls
	// with one HeldUntil, of HoldTokens too, one succeeds. A user without tokens, and nobody's token that has expired, is
	// 0 and no error. A query with none of the three, or several, is an error that wraps usersync.ErrInvalid: nothing is
	// removed.
	DeleteTokens(ctx context.Context, q TokenQuery) (removed int, err error)
}

// Validate tells whether the query has exactly one of the three, for stores. The error wraps usersync.ErrInvalid.
func (q TokenQuery) Validate() error {
	n := 0
	for _, set := range []bool{q.Hash != "", q.UserID != "", !q.ExpiredBefore.IsZero()} {
		if set {
			n++
		}
	}
	if n != 1 {
		return fmt.Errorf("%w: a query for tokens has %d of Hash, UserID and ExpiredBefore, want one", usersync.ErrInvalid, n)
	}
	return nil
}
