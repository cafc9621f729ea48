// Package passwordlink makes the links with which users set their password, and verifies them, for products
// that have none of their own.
//
// A token is a random text that is sent to one user, as part of a link. It is good for one use, until it
// expires. The store has only its hash. A user may have several tokens, as when a mail is sent again; the first
// that is used voids them all.
//
//	links, err := passwordlink.New(state, "https://app.example.com/set-password") // a *sqlstore.State
//
//	url, err := links.Issue(ctx, welcome.User.ID)       // in the mailer
//	userID, err := links.Check(ctx, token)              // GET: shows the form, uses nothing
//	err = links.Redeem(ctx, token, func(ctx context.Context, userID string) error {
//		return accounts.SetPassword(ctx, userID, hash)  // POST
//	})
//
// # Using a link, and failing to
//
// Redeem holds all tokens of the user, calls set, and voids them. Nobody else can use them meanwhile.
//
//	what happens                              Redeem returns      the link afterwards
//	set succeeds                              nil                 is void
//	set fails or panics, or ctx ends          set's error         is good again at once
//	the process or the store dies before or
//	in set                                    -, or an error      is good again when the hold is over
//	the same after set, before the voiding    -, or ErrNotVoided  is good again when the hold is over
//
// The last line is the price of the others: in that moment a link can be used a second time. The other order
// would be to void first: then whoever meets a failure has neither a password nor a link, and the store that
// failed to save the password also fails to bring the link back. Where a second use is worse than that, call
// Use, which voids in one step, and set the password afterwards.
//
// # The page
//
// The token is in the query of the link, as "token", and not in its fragment, which would keep it from the server
// but make the page depend on a script. An address can get into logs, histories and Referer headers. So the page:
//
//   - is served with "Referrer-Policy: no-referrer" and "Cache-Control: no-store", and loads nothing from elsewhere;
//   - shows the form on GET and HEAD without using the token, because mail scanners follow links;
//   - sends the token in the body of the POST, to an address without it, and checks the origin of the POST
//     (http.CrossOriginProtection; that policy makes browsers send "Origin: null", so that it goes by Sec-Fetch-Site,
//     which they send to https: and to localhost);
//   - is kept out of access logs, or logged without the query.
//
// What a token in a log is good for ends with its use, or with its life.
//
// # Whom it tells what
//
// Nothing here knows whether a user exists: an error speaks of a token only. Whoever shows a form "send me a new
// link" answers alike for every address, and limits how often it sends. A token that was used, voided, never
// issued or issued by another tenant is ErrTokenUnknown; one that has expired is ErrTokenExpired until Prune removes
// it. Both are safe to tell. Whether a user may still have a password is for set, and the page, to look up.
//
// A token has 130 bits from crypto/rand, so that it can neither be guessed nor found from its hash, for which a plain
// SHA-256 (FIPS 180-4) is enough. Tokens are looked up by their hash: what the time of a look-up tells is about the
// hash, from which no token follows, so that it need not take constant time.
package passwordlink

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/usersync-go/usersync"
)

// What is wrong with a token. Test with errors.Is.
var (
	// ErrTokenUnknown: the token was used, voided, or never issued.
	ErrTokenUnknown = errors.New("passwordlink: the link is not known, or was used")
	// ErrTokenExpired: the token's life is over.
	ErrTokenExpired = errors.New("passwordlink: the link has expired")
	// ErrTokenBusy: a token of this user is being used at this moment. It may be good again a little later.
	ErrTokenBusy = errors.New("passwordlink: a link of this user is being used at this moment")
	// ErrNotVoided: set has succeeded, and then the tokens could not be voided: call Revoke.
	ErrNotVoided = errors.New("passwordlink: the password is set, but its links are not void")
)

// Links issues and verifies tokens. It may be used by several goroutines at once, and several processes may have
// Links over one store; their clocks must not be apart by more than a few seconds.
type Links struct {
	store TokenStore
	page  string // the address up to the token
	life  time.Duration
	hold  time.Duration
	now   func() time.Time
}

// Issue makes a token for a user and returns the link with it. Tokens that the user already has stay good. The link
// is for the user alone: it must be in no log, and no administrator's page.
//
// Whether there is such a user is the caller's to know. An id that is empty, longer than 200 bytes, or not text is
// an error that wraps usersync.ErrInvalid; other errors are those of the store.
func (l *Links) Issue(ctx context.Context, userID string) (link string, err error) {
	if err := checkUser(userID); err != nil {
		return "", err
	}
	token, now := rand.Text(), l.moment()
	err = l.store.AddToken(ctx, Token{Hash: hashOf(token), UserID: userID, Created: now, Expires: now.Add(l.life)})
	if err != nil {
		return "", fmt.Errorf("passwordlink: %w", err)
	}
	return l.page + token, nil
}

// Check tells whose token it is, without using it: any number of times, and also while it is being used. It returns
// ErrTokenUnknown, ErrTokenExpired or the store's error. token is any text that came with a request.
func (l *Links) Check(ctx context.Context, token string) (userID string, err error) {
	t, err := l.find(ctx, token, l.moment())
	return t.UserID, err
}

// Use voids all tokens of the user whose token this is, in one step, and tells who it is. Of many who use tokens of
// one user at once, one succeeds. The others, and whoever comes later, get ErrTokenUnknown, or ErrTokenBusy during a
// Redeem. What the caller does afterwards may fail, and the link is void: see Redeem.
func (l *Links) Use(ctx context.Context, token string) (userID string, err error) {
	now := l.moment()
	t, err := l.find(ctx, token, now)
	if err != nil {
		return "", err
	}
	if t.HeldUntil.After(now) {
		return "", ErrTokenBusy
	}
	_, err = l.store.DeleteTokens(ctx, TokenQuery{Hash: t.Hash, HeldUntil: t.HeldUntil})
	if err != nil {
		return "", told(err)
	}
	return t.UserID, nil
}

// Redeem calls set for the user whose token it is, and voids all tokens of the user if set succeeds. If set fails, its
// error is returned, and the tokens are as before. Of many who use tokens of one user at once one gets to set; others
// get ErrTokenBusy as long as it works and ErrTokenUnknown afterwards.
//
// set saves the new password. It should find the user active, and must be done by the end of its context, which comes
// with the end of the hold: after that another may use the link. It is called at most once, in the same goroutine.
// Where it failed to say so it may be called again by the next Redeem: see the package comment.
func (l *Links) Redeem(ctx context.Context, token string, set func(ctx context.Context, userID string) error) error {
	if set == nil {
		return fmt.Errorf("%w: passwordlink: set is nil", usersync.ErrInvalid)
	}
	held, cancel := context.WithTimeout(ctx, l.hold) // from before the hold, so as to end before it
	defer cancel()
	now := l.moment()
	t, err := l.find(ctx, token, now)
	if err != nil {
		return err
	}
	if t.HeldUntil.After(now) {
		return ErrTokenBusy
	}
	mine := now.Add(l.hold)
	if err := l.store.HoldTokens(ctx, t.Hash, t.HeldUntil, mine); err != nil {
		return told(err)
	}
	if err := l.setting(held, t, mine, set); err != nil {
		return err
	}
	return l.void(ctx, t.UserID)
}

// setting calls set, and lets go of the tokens unless it succeeds, also if it panics.
func (l *Links) setting(ctx context.Context, t Token, mine time.Time, set func(context.Context, string) error) (err error) {
	done := false
	defer func() {
		if done {
			return
		}
		ctx, cancel := lasting(ctx)
		defer cancel()
		failed := told(l.store.HoldTokens(ctx, t.Hash, mine, time.Time{}))
		if failed != nil && !errors.Is(failed, ErrTokenUnknown) && !errors.Is(failed, ErrTokenBusy) { // not ours any more
			err = errors.Join(err, failed)
		}
	}()
	err = set(ctx, t.UserID)
	done = err == nil
	return err
}

// void removes the tokens of a user whose password is set, also if ctx is done.
func (l *Links) void(ctx context.Context, userID string) error {
	ctx, cancel := lasting(ctx)
	defer cancel()
	if _, err := l.store.DeleteTokens(ctx, TokenQuery{UserID: userID}); err != nil {
		return fmt.Errorf("%w: %w", ErrNotVoided, err)
	}
	return nil
}

// patience is how long what must be written is tried after ctx is done.
const patience = 10 * time.Second

// lasting is a context for what must be written although ctx may be done.
func lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), patience)
}

// Revoke voids all tokens of a user: who was deactivated, got another address, or has set the password elsewhere. A
// user without tokens is no error. It does not stop a set that is already called.
func (l *Links) Revoke(ctx context.Context, userID string) error {
	if err := checkUser(userID); err != nil {
		return err
	}
	if _, err := l.store.DeleteTokens(ctx, TokenQuery{UserID: userID}); err != nil {
		return fmt.Errorf("passwordlink: %w", err)
	}
	return nil
}

// Prune removes tokens that expired before a time, and says how many: afterwards they are ErrTokenUnknown. Tokens that
// have not expired, or may still be held, stay, whatever the time. A product calls it now and then, such as nightly
// with a time some weeks ago; the zero time is an error.
func (l *Links) Prune(ctx context.Context, before time.Time) (removed int, err error) {
	if last := l.moment().Add(-l.hold); before.After(last) {
		before = last
	}
	removed, err = l.store.DeleteTokens(ctx, TokenQuery{ExpiredBefore: before.UTC().Truncate(time.Millisecond)})
	if err != nil {
		return removed, fmt.Errorf("passwordlink: %w", err)
	}
	return removed, nil
}

// find looks a token up that has not expired.
func (l *Links) find(ctx context.Context, token string, now time.Time) (Token, error) {
	if !isToken(token) {
		return Token{}, ErrTokenUnknown
	}
	t, err := l.store.FindToken(ctx, hashOf(token))
	if err != nil {
		return Token{}, told(err)
	}
	if !now.Before(t.Expires) {
		return Token{}, ErrTokenExpired
	}
	return t, nil
}

// told makes an error about a token of one of the store.
func told(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, usersync.ErrNotFound):
		return ErrTokenUnknown
	case errors.Is(err, usersync.ErrEdited):
		return ErrTokenBusy
	}
	return fmt.Errorf("passwordlink: %w", err)
}

// moment is the time, as exact as stores keep it.
func (l *Links) moment() time.Time { return l.now().UTC().Truncate(time.Millisecond) }

// isToken tells whether a text can be one that rand.Text has made, so that nothing else costs a look-up.
func isToken(text string) bool {
	const length, alphabet = 26, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" // RFC 4648, base32
	return len(text) == length && strings.Trim(text, alphabet) == ""
}

// hashOf is what the store has of a token.
func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// maxID is how many bytes an id may have, as in the stores.
const maxID = 200

func checkUser(id string) error {
	if id == "" || len(id) > maxID || !utf8.ValidString(id) || strings.Contains(id, "\x00") {
		return fmt.Errorf("%w: passwordlink: the user's id must be text of 1 to %d bytes", usersync.ErrInvalid, maxID)
	}
	return nil
}
