package usersynctest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
	"github.com/usersync-go/usersync/passwordlink"
)

func TestTokenSuite(t *testing.T) {
	prove(t, tokenChecks(), twistTokens(func(*twistedTokens) {}), tokenDefects())
}

// twistedTokens is a store of which methods can be replaced.
type twistedTokens struct {
	*memory.Tokens
	addToken     func(ctx context.Context, t passwordlink.Token) error
	findToken    func(ctx context.Context, hash string) (passwordlink.Token, error)
	holdTokens   func(ctx context.Context, hash string, from, to time.Time) error
	deleteTokens func(ctx context.Context, q passwordlink.TokenQuery) (int, error)
}

func (s *twistedTokens) AddToken(ctx context.Context, t passwordlink.Token) error {
	return s.addToken(ctx, t)
}
func (s *twistedTokens) FindToken(ctx context.Context, hash string) (passwordlink.Token, error) {
	return s.findToken(ctx, hash)
}
func (s *twistedTokens) HoldTokens(ctx context.Context, hash string, from, to time.Time) error {
	return s.holdTokens(ctx, hash, from, to)
}
func (s *twistedTokens) DeleteTokens(ctx context.Context, q passwordlink.TokenQuery) (int, error) {
	return s.deleteTokens(ctx, q)
}

func twistTokens(fault func(s *twistedTokens)) func(trial) *tokens {
	return func(tr trial) *tokens {
		m := memory.NewTokens()
		s := &twistedTokens{m, m.AddToken, m.FindToken, m.HoldTokens, m.DeleteTokens}
		fault(s)
		return &tokens{tr, s}
	}
}

func tokenDefects() []defect[*tokens] {
	return []defect[*tokens]{
		{"whole seconds", []string{"round trip"}, twistTokens(func(s *twistedTokens) {
			s.findToken = func(ctx context.Context, hash string) (passwordlink.Token, error) {
				t, err := s.Tokens.FindToken(ctx, hash)
				t.Created = t.Created.Truncate(time.Second)
				return t, err
			}
		})},
		{"loose hashes", []string{"unknown"}, twistTokens(func(s *twistedTokens) {
			s.findToken = func(ctx context.Context, hash string) (passwordlink.Token, error) {
				return s.Tokens.FindToken(ctx, loose(hash))
			}
		})},
		{"nothing is no error", []string{"unknown"}, twistTokens(func(s *twistedTokens) {
			s.deleteTokens = func(ctx context.Context, q passwordlink.TokenQuery) (int, error) {
				n, err := s.Tokens.DeleteTokens(ctx, q)
				return n, forgiving(err, usersync.ErrNotFound)
			}
		})},
		{"last token wins", []string{"duplicate"}, twistTokens(func(s *twistedTokens) {
			s.addToken = func(ctx context.Context, t passwordlink.Token) error {
				old, err := s.Tokens.FindToken(ctx, t.Hash)
				if err == nil {
					_, err = s.Tokens.DeleteTokens(ctx, passwordlink.TokenQuery{Hash: old.Hash, HeldUntil: old.HeldUntil})
				}
				if forgiving(err, usersync.ErrNotFound) != nil {
					return err
				}
				return s.Tokens.AddToken(ctx, t)
			}
		})},
		{"loose users", []string{"each user"}, twistTokens(func(s *twistedTokens) {
			s.deleteTokens = func(ctx context.Context, q passwordlink.TokenQuery) (int, error) {
				if strings.EqualFold(q.UserID, "ann") {
					_, _ = s.Tokens.DeleteTokens(ctx, passwordlink.TokenQuery{UserID: "Ann"})
				}
				return s.Tokens.DeleteTokens(ctx, q)
			}
		})},
		{"last hold wins", []string{"hold", "added to a hold", "hold at once"}, twistTokens(func(s *twistedTokens) {
			s.holdTokens = func(ctx context.Context, hash string, _, to time.Time) error {
				t, err := s.Tokens.FindToken(ctx, hash)
				if err != nil {
					return err
				}
				return s.Tokens.HoldTokens(ctx, hash, t.HeldUntil, to)
			}
		})},
		{"holds of one token", []string{"hold", "added to a hold", "hold at once"}, holdsOfOneToken},
		{"whatever the hold", []string{"delete by hash", "delete at once"}, twistTokens(func(s *twistedTokens) {
			s.deleteTokens = func(ctx context.Context, q passwordlink.TokenQuery) (int, error) {
				n, err := s.Tokens.DeleteTokens(ctx, q)
				return n, forgiving(forgiving(err, usersync.ErrEdited), usersync.ErrNotFound)
			}
		})},
		{"keeping what is held", []string{"delete by user"}, twistTokens(func(s *twistedTokens) {
			s.deleteTokens = func(ctx context.Context, q passwordlink.TokenQuery) (int, error) {
				if t, _ := s.Tokens.FindToken(ctx, token(q.UserID, 1).Hash); !t.HeldUntil.IsZero() {
					return 0, nil
				}
				return s.Tokens.DeleteTokens(ctx, q)
			}
		})},
		{"a moment too early", []string{"delete expired"}, twistTokens(func(s *twistedTokens) {
			s.deleteTokens = func(ctx context.Context, q passwordlink.TokenQuery) (int, error) {
				if !q.ExpiredBefore.IsZero() {
					q.ExpiredBefore = q.ExpiredBefore.Add(time.Millisecond)
				}
				return s.Tokens.DeleteTokens(ctx, q)
			}
		})},
		{"all for none", []string{"delete nothing"}, twistTokens(func(s *twistedTokens) {
			s.deleteTokens = func(ctx context.Context, q passwordlink.TokenQuery) (int, error) {
				if q.Validate() != nil {
					q = passwordlink.TokenQuery{ExpiredBefore: day(30)}
				}
				return s.Tokens.DeleteTokens(ctx, q)
			}
		})},
		{"deaf to contexts", []string{"cancelled"}, twistTokens(func(s *twistedTokens) {
			s.holdTokens = func(ctx context.Context, hash string, from, to time.Time) error {
				return s.Tokens.HoldTokens(context.WithoutCancel(ctx), hash, from, to)
			}
		})},
	}
}

// holdsOfOneToken makes a store in which every token has a hold of its own: it keeps each as that of another user.
func holdsOfOneToken(tr trial) *tokens {
	return twistTokens(func(s *twistedTokens) {
		s.addToken = func(ctx context.Context, t passwordlink.Token) error {
			t.UserID += "\n" + t.Hash
			return s.Tokens.AddToken(ctx, t)
		}
		s.findToken = func(ctx context.Context, hash string) (passwordlink.Token, error) {
			t, err := s.Tokens.FindToken(ctx, hash)
			t.UserID, _, _ = strings.Cut(t.UserID, "\n")
			return t, err
		}
	})(tr)
}
