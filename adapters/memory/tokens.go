package memory

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/passwordlink"
)

var _ passwordlink.TokenStore = (*Tokens)(nil)

// Tokens keeps tokens of set-password links. It may be used by several goroutines at once.
type Tokens struct {
	mu     sync.Mutex
	byHash map[string]passwordlink.Token
}

// NewTokens makes an empty store.
func NewTokens() *Tokens { return &Tokens{byHash: map[string]passwordlink.Token{}} }

// begin locks the tokens, unless ctx is done.
func (s *Tokens) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	return nil
}

// AddToken gives the token the hold of its user.
func (s *Tokens) AddToken(ctx context.Context, t passwordlink.Token) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if _, taken := s.byHash[t.Hash]; taken {
		return usersync.ErrDuplicate
	}
	t.HeldUntil = time.Time{}
	for _, other := range s.byHash {
		if other.UserID == t.UserID {
			t.HeldUntil = other.HeldUntil
			break
		}
	}
	s.byHash[t.Hash] = t
	return nil
}

// FindToken looks a token up.
func (s *Tokens) FindToken(ctx context.Context, hash string) (passwordlink.Token, error) {
	if err := s.begin(ctx); err != nil {
		return passwordlink.Token{}, err
	}
	defer s.mu.Unlock()
	t, known := s.byHash[hash]
	if !known {
		return passwordlink.Token{}, usersync.ErrNotFound
	}
	return t, nil
}

// expect finds a token whose user has that hold.
func (s *Tokens) expect(hash string, held time.Time) (passwordlink.Token, error) {
	t, known := s.byHash[hash]
	switch {
	case !known:
		return t, usersync.ErrNotFound
	case !t.HeldUntil.Equal(held):
		return t, usersync.ErrEdited
	}
	return t, nil
}

// HoldTokens compares and sets under the lock.
func (s *Tokens) HoldTokens(ctx context.Context, hash string, from, to time.Time) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	held, err := s.expect(hash, from)
	if err != nil {
		return err
	}
	for hash, t := range s.byHash {
		if t.UserID == held.UserID {
			t.HeldUntil = to
			s.byHash[hash] = t
		}
	}
	return nil
}

// DeleteTokens counts the tokens that it removes.
func (s *Tokens) DeleteTokens(ctx context.Context, q passwordlink.TokenQuery) (int, error) {
	if err := q.Validate(); err != nil {
		return 0, fmt.Errorf("memory: %w", err)
	}
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	if q.Hash != "" {
		t, err := s.expect(q.Hash, q.HeldUntil)
		if err != nil {
			return 0, err
		}
		q.UserID = t.UserID
	}
	there := len(s.byHash)
	for hash, t := range s.byHash {
		if t.UserID == q.UserID || t.Expires.Before(q.ExpiredBefore) {
			delete(s.byHash, hash)
		}
	}
	return there - len(s.byHash), nil
}
