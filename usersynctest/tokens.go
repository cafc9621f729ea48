package usersynctest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/passwordlink"
)

// TestTokenStore checks that a store keeps the promises of passwordlink.TokenStore. open returns an empty store, a
// new one each time, and releases it with t.Cleanup.
func TestTokenStore(t *testing.T, open func(t *testing.T) passwordlink.TokenStore) {
	t.Helper()
	run(t, tokenChecks(), func(t *testing.T, tr trial) *tokens { return &tokens{tr, open(t)} })
}

func tokenChecks() []check[*tokens] {
	return []check[*tokens]{
		{"round trip", "FindToken returns a token as AddToken was given it, to the millisecond and in UTC, also one that has" +
			" expired.", tokenRoundTrip},
		{"unknown", "A hash that is not there, compared exactly, wraps ErrNotFound.", tokenUnknown},
		{"duplicate", "AddToken of a hash that is there wraps ErrDuplicate, and the first token stays.", tokenDuplicate},
		{"each user", "What is done to the tokens of one user, whose id is compared exactly, is done to nobody else's.", tokenEachUser},
		{"hold", "HoldTokens sets HeldUntil of all tokens of the user if it was from, and otherwise changes nothing and wraps" +
			" ErrEdited.", tokenHold},
		{"added to a hold", "A token that is added while others of the user are held is held like them, and lets nobody else" +
			" hold.", tokenAddedToHold},
		{"hold at once", "Of many HoldTokens at once with one from, for any tokens of one user, one succeeds: compare and set" +
			" under a lock on all tokens of the user.", tokenHoldAtOnce},
		{"delete by hash", "DeleteTokens with a Hash removes all tokens of the user if HeldUntil is the user's, and otherwise" +
			" nothing and wraps ErrEdited.", tokenDeleteByHash},
		{"delete at once", "Of many DeleteTokens and HoldTokens at once with one HeldUntil, for any tokens of one user, one" +
			" succeeds.", tokenDeleteAtOnce},
		{"delete by user", "DeleteTokens with a UserID removes all tokens of the user, held or not, and says how many; none is no" +
			" error.", tokenDeleteByUser},
		{"delete expired", "DeleteTokens with ExpiredBefore removes the tokens that expire before it, and none at that very" +
			" moment or later, and says how many.", tokenDeleteExpired},
		{"delete nothing", "DeleteTokens with none of Hash, UserID and ExpiredBefore, or with several, removes nothing and wraps" +
			" ErrInvalid.", tokenDeleteNothing},
		{"cancelled", "A method whose context is done returns an error and changes nothing.", tokenCancelled},
	}
}

// tokens is a store on trial.
type tokens struct {
	trial
	store passwordlink.TokenStore
}

// token is the n-th token of a user.
func token(user string, n int) passwordlink.Token {
	return passwordlink.Token{Hash: fmt.Sprintf("%062x%02x", user, n)[:64], UserID: user, Created: day(n), Expires: day(n + 3)}
}

// add stores tokens.
func (s *tokens) add(some ...passwordlink.Token) {
	s.Helper()
	for _, t := range some {
		s.good("AddToken", s.store.AddToken(s.Context(), t))
	}
}

// good ends the check on an error.
func (s *tokens) good(doing string, err error) {
	s.Helper()
	if err != nil {
		s.breach("%s failed: %v", doing, err)
	}
}

// refused ends the check unless the error wraps want.
func (s *tokens) refused(doing string, err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.breach("%s: the error is %v, want one that wraps %q", doing, err, want)
	}
}

// has ends the check unless the store has a token just so.
func (s *tokens) has(want passwordlink.Token) {
	s.Helper()
	got, err := s.store.FindToken(s.Context(), want.Hash)
	s.good("FindToken", err)
	if got != want {
		s.breach("FindToken returned\n%+v\nwant\n%+v", got, want)
	}
}

// lacks ends the check if the store has one of the tokens.
func (s *tokens) lacks(some ...passwordlink.Token) {
	s.Helper()
	for _, t := range some {
		_, err := s.store.FindToken(s.Context(), t.Hash)
		s.refused("FindToken of what is not there", err, usersync.ErrNotFound)
	}
}

func (s *tokens) hold(t passwordlink.Token, from, to time.Time) error {
	return s.store.HoldTokens(s.Context(), t.Hash, from, to)
}

// deletes ends the check unless the query removes so many.
func (s *tokens) deletes(want int, q passwordlink.TokenQuery) {
	s.Helper()
	n, err := s.store.DeleteTokens(s.Context(), q)
	s.good("DeleteTokens", err)
	if n != want {
		s.breach("DeleteTokens(%+v) removed %d, want %d", q, n, want)
	}
}

// never is no hold.
var never time.Time

func held(t passwordlink.Token, until time.Time) passwordlink.Token {
	t.HeldUntil = until
	return t
}

func tokenRoundTrip(s *tokens) {
	old := token("ünï 'x' 用户", 2)
	old.Created, old.Expires = time.Date(1999, 12, 31, 23, 59, 59, 999_000_000, time.UTC), time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	long := token(strings.Repeat("é", 100), 1)
	s.add(token("u1", 1), old, long)
	s.has(token("u1", 1))
	s.has(old)
	s.has(long)
}

func tokenUnknown(s *tokens) {
	there := token("u1", 10) // ends in a letter
	s.add(there)
	for _, hash := range []string{strings.ToUpper(there.Hash), there.Hash + " ", there.Hash[:63], "%", "", token("u1", 2).Hash} {
		other := passwordlink.Token{Hash: hash}
		s.lacks(other)
		s.refused("HoldTokens", s.hold(other, never, day(1)), usersync.ErrNotFound)
		if hash == "" {
			continue // is no query
		}
		_, err := s.store.DeleteTokens(s.Context(), passwordlink.TokenQuery{Hash: hash})
		s.refused("DeleteTokens", err, usersync.ErrNotFound)
	}
	s.has(there)
}

func tokenDuplicate(s *tokens) {
	first, second := token("u1", 1), token("u2", 1)
	second.Hash = first.Hash
	s.add(first)
	s.refused("AddToken again", s.store.AddToken(s.Context(), first), usersync.ErrDuplicate)
	s.refused("AddToken for another user", s.store.AddToken(s.Context(), second), usersync.ErrDuplicate)
	s.has(first)
}

func tokenEachUser(s *tokens) {
	mine := token("ann", 1)
	others := []passwordlink.Token{token("Ann", 1), token("ann ", 1), token("änn", 1), token("a%", 1), token("bob", 1)}
	s.add(append(others, mine)...)
	unchanged := func() {
		s.Helper()
		for _, t := range others {
			s.has(t)
		}
	}
	s.good("HoldTokens", s.hold(mine, never, day(1)))
	unchanged()
	s.deletes(1, passwordlink.TokenQuery{Hash: mine.Hash, HeldUntil: day(1)})
	unchanged()
	s.add(mine)
	s.deletes(1, passwordlink.TokenQuery{UserID: "ann"})
	unchanged()
}

func tokenHold(s *tokens) {
	first, second := token("u1", 1), token("u1", 2)
	s.add(first, second)
	s.good("HoldTokens", s.hold(first, never, day(5)))
	s.has(held(first, day(5)))
	s.has(held(second, day(5)))
	for _, from := range []time.Time{never, day(5).Add(time.Millisecond), day(6)} {
		s.refused("HoldTokens from another hold", s.hold(second, from, day(7)), usersync.ErrEdited)
	}
	s.has(held(first, day(5)))
	s.good("HoldTokens from that hold", s.hold(second, day(5), day(6)))
	s.has(held(first, day(6)))
	s.good("HoldTokens to let go", s.hold(first, day(6), never))
	s.has(first)
	s.has(second)
}

func tokenAddedToHold(s *tokens) {
	first, second := token("u1", 1), token("u1", 2)
	s.add(first)
	s.good("HoldTokens", s.hold(first, never, day(5)))
	s.add(second)
	s.has(held(second, day(5)))
	s.refused("HoldTokens of the new one", s.hold(second, never, day(7)), usersync.ErrEdited)
	s.good("HoldTokens of the new one to let go", s.hold(second, day(5), never))
	s.has(first)
	s.has(second)
}

// atOnce does something many times at once, and wants one to succeed, and the others to get one of two errors.
func (s *tokens) atOnce(doing string, do func(i int) error) {
	s.Helper()
	errs := make([]error, 16)
	together(len(errs), func(i int) { errs[i] = do(i) })
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, usersync.ErrEdited) && !errors.Is(err, usersync.ErrNotFound):
			s.breach("%s at once failed: %v", doing, err)
		}
	}
	if won != 1 {
		s.breach("%s at once succeeded %d times, want once", doing, won)
	}
}

// rounds is how often something is done at once: a store that is seldom wrong is found more surely.
const rounds = 8

func tokenHoldAtOnce(s *tokens) {
	for round := range rounds {
		user := fmt.Sprint("u", round)
		s.add(token(user, 1), token(user, 2))
		s.atOnce("HoldTokens", func(i int) error {
			if i%2 == 0 {
				return s.hold(token(user, 1+i/2%2), never, day(i+1))
			}
			if err := s.store.AddToken(s.Context(), token(user, i+10)); err != nil { // others are added meanwhile
				return err
			}
			return s.hold(token(user, i+10), never, day(i+1))
		})
	}
}

func tokenDeleteByHash(s *tokens) {
	first, second := token("u1", 1), token("u1", 2)
	s.add(first, second)
	s.good("HoldTokens", s.hold(first, never, day(5)))
	for _, hold := range []time.Time{never, day(6)} {
		_, err := s.store.DeleteTokens(s.Context(), passwordlink.TokenQuery{Hash: second.Hash, HeldUntil: hold})
		s.refused("DeleteTokens with another hold", err, usersync.ErrEdited)
	}
	s.has(held(first, day(5)))
	s.has(held(second, day(5)))
	s.deletes(2, passwordlink.TokenQuery{Hash: second.Hash, HeldUntil: day(5)})
	s.lacks(first, second)
	s.add(first)
	s.has(first) // what was held is forgotten
	s.deletes(1, passwordlink.TokenQuery{Hash: first.Hash})
}

func tokenDeleteAtOnce(s *tokens) {
	for round := range rounds {
		user := fmt.Sprint("u", round)
		s.add(token(user, 1), token(user, 2))
		s.atOnce("DeleteTokens and HoldTokens", func(i int) error {
			t := token(user, 1+i/4%2)
			if i%4 == 0 {
				return s.hold(t, never, day(i+1))
			}
			_, err := s.store.DeleteTokens(s.Context(), passwordlink.TokenQuery{Hash: t.Hash})
			return err
		})
	}
}

func tokenDeleteByUser(s *tokens) {
	first, second := token("u1", 1), token("u1", 2)
	s.add(first, second, token("u2", 1))
	s.good("HoldTokens", s.hold(first, never, day(5)))
	s.deletes(2, passwordlink.TokenQuery{UserID: "u1"})
	s.lacks(first, second)
	s.has(token("u2", 1))
	s.deletes(0, passwordlink.TokenQuery{UserID: "u1"})
}

func tokenDeleteExpired(s *tokens) {
	early, late, other := token("u1", 1), token("u1", 9), token("u2", 2)
	s.add(early, late, other)
	s.deletes(0, passwordlink.TokenQuery{ExpiredBefore: early.Expires})
	s.has(early)
	s.deletes(2, passwordlink.TokenQuery{ExpiredBefore: other.Expires.Add(time.Millisecond)})
	s.lacks(early, other)
	s.has(late)
}

func tokenDeleteNothing(s *tokens) {
	t := token("u1", 1)
	s.add(t)
	for _, q := range []passwordlink.TokenQuery{{}, {HeldUntil: day(1)}, {Hash: t.Hash, UserID: "u1"},
		{UserID: "u1", ExpiredBefore: day(20)}, {Hash: t.Hash, ExpiredBefore: day(20)}} {
		_, err := s.store.DeleteTokens(s.Context(), q)
		s.refused(fmt.Sprintf("DeleteTokens(%+v)", q), err, usersync.ErrInvalid)
	}
	s.has(t)
}

func tokenCancelled(s *tokens) {
	there, other := token("u1", 1), token("u2", 1)
	s.add(there)
	_, found := s.store.FindToken(done(), there.Hash)
	_, deleted := s.store.DeleteTokens(done(), passwordlink.TokenQuery{UserID: "u1"})
	for _, c := range []struct {
		name string
		err  error
	}{
		{"AddToken", s.store.AddToken(done(), other)}, {"FindToken", found}, {"DeleteTokens", deleted},
		{"HoldTokens", s.store.HoldTokens(done(), there.Hash, never, day(1))},
	} {
		if c.err == nil {
			s.breach("%s returned no error although its context is done", c.name)
		}
	}
	s.has(there)
	s.lacks(other)
}
