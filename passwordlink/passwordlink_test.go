package passwordlink_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
	"github.com/usersync-go/usersync/passwordlink"
)

const page = "https://app.example.com/set-password"

// stage is Links over a store whose calls can fail, with a clock that stands still.
type stage struct {
	*testing.T
	*memory.Tokens
	links *passwordlink.Links
	now   time.Time
	asked int
	fail  func(call string) error // nil for no failure
}

func newStage(t *testing.T, opts ...passwordlink.Option) *stage {
	s := &stage{T: t, Tokens: memory.NewTokens(), now: time.Date(2030, 1, 2, 3, 4, 5, 678_900_000, time.FixedZone("", 3600))}
	links, err := passwordlink.New(s, page, append(opts, passwordlink.WithClock(func() time.Time { return s.now }))...)
	require.NoError(t, err)
	s.links = links
	return s
}

func (s *stage) failing(call string) error {
	s.asked++
	if s.fail == nil {
		return nil
	}
	return s.fail(call)
}

func (s *stage) AddToken(ctx context.Context, t passwordlink.Token) error {
	return errors.Join(s.failing("add"), s.Tokens.AddToken(ctx, t))
}

func (s *stage) FindToken(ctx context.Context, hash string) (passwordlink.Token, error) {
	if err := s.failing("find"); err != nil {
		return passwordlink.Token{}, err
	}
	return s.Tokens.FindToken(ctx, hash)
}

func (s *stage) HoldTokens(ctx context.Context, hash string, from, to time.Time) error {
	call := "hold"
	if to.IsZero() {
		call = "let go"
	}
	if err := s.failing(call); err != nil {
		return err
	}
	return s.Tokens.HoldTokens(ctx, hash, from, to)
}

func (s *stage) DeleteTokens(ctx context.Context, q passwordlink.TokenQuery) (int, error) {
	if err := s.failing("delete"); err != nil {
		return 0, err
	}
	return s.Tokens.DeleteTokens(ctx, q)
}

// issue gives the token of a new link.
func (s *stage) issue(user string) string {
	s.Helper()
	link, err := s.links.Issue(s.Context(), user)
	require.NoError(s, err)
	token, found := strings.CutPrefix(link, page+"?token=")
	require.True(s, found, link)
	return token
}

// is ends the test unless Check returns the error, or the user when that is nil.
func (s *stage) is(want error, tokens ...string) {
	s.Helper()
	for _, token := range tokens {
		user, err := s.links.Check(s.Context(), token)
		require.ErrorIs(s, err, want)
		require.Equal(s, want == nil, user == "u1")
	}
}

func (s *stage) redeem(token string, set func() error) error {
	return s.links.Redeem(s.Context(), token, func(_ context.Context, user string) error {
		require.Equal(s, "u1", user)
		return set()
	})
}

func sets() error { return nil }

func TestPages(t *testing.T) {
	for _, c := range []struct{ page, link, problem string }{
		{"https://a.example/set", "https://a.example/set?token=", ""},
		{"https://a.example", "https://a.example?token=", ""},
		{"https://a.example/set?lang=de&x=%20", "https://a.example/set?lang=de&x=%20&token=", ""},
		{"https://[2001:db8::1]:8443/ä", "https://[2001:db8::1]:8443/%C3%A4?token=", ""},
		{"http://localhost:8080/", "http://localhost:8080/?token=", ""},
		{"http://127.0.0.1/", "http://127.0.0.1/?token=", ""},
		{"http://[::1]:80/", "http://[::1]:80/?token=", ""},
		{"http://a.example/", "", "http: is for localhost"},
		{"http://localhost.a.example/", "", "http: is for localhost"},
		{"http://127.0.0.1.a.example/", "", "http: is for localhost"},
		{"javascript://a.example/", "", "must begin with https:"},
		{"javascript:alert(1)", "", "not an absolute address"},
		{"//a.example/set", "", "must begin with https:"},
		{"/set", "", "not an absolute address"},
		{"https:///set", "", "not an absolute address"},
		{"https://:80/set", "", "not an absolute address"},
		{"", "", "not an absolute address"},
		{"https://a.example/%zz", "", "not an absolute address"},
		{"https://a.example/?x=%zz", "", "cannot be read"},
		{"https://a.example/?token=x", "", "no token in its query"},
		{"https://a.example/?%74oken=x", "", "no token in its query"},
		{"https://a.example/#top", "", "no fragment"},
		{"https://a.example/#", "", "no fragment"},
		{"https://ann:pw@a.example/", "", "no user"},
	} {
		links, err := passwordlink.New(memory.NewTokens(), c.page)
		if c.problem != "" {
			require.ErrorIs(t, err, usersync.ErrInvalid, c.page)
			require.ErrorContains(t, err, c.problem, c.page)
			continue
		}
		require.NoError(t, err, c.page)
		link, err := links.Issue(t.Context(), "u1")
		require.NoError(t, err)
		require.Equal(t, c.link, link[:len(link)-26])
	}
	_, err := passwordlink.New(memory.NewTokens(), "http://a.example/", passwordlink.WithInsecurePage())
	require.NoError(t, err)
}

func TestAllProblemsAtOnce(t *testing.T) {
	_, err := passwordlink.New(nil, "http://ann:pw@a.example/?token=x#top", passwordlink.WithLife(time.Second),
		passwordlink.WithHold(time.Hour), passwordlink.WithClock(nil), nil)
	var invalid *usersync.InvalidError
	require.ErrorAs(t, err, &invalid)
	var paths []string
	for _, p := range invalid.Problems {
		paths = append(paths, p.Path)
	}
	require.Equal(t, []string{"store", "life", "hold", "clock", "page", "page", "page", "page"}, paths)
	require.NotContains(t, err.Error(), "pw")
	for _, life := range []time.Duration{time.Minute, 30 * 24 * time.Hour} {
		_, err := passwordlink.New(memory.NewTokens(), page, passwordlink.WithLife(life))
		require.NoError(t, err)
	}
	for _, life := range []time.Duration{0, -time.Hour, time.Minute - 1, 30*24*time.Hour + 1} {
		_, err := passwordlink.New(memory.NewTokens(), page, passwordlink.WithLife(life))
		require.ErrorIs(t, err, usersync.ErrInvalid)
	}
}

func TestOnlyTheHashIsStored(t *testing.T) {
	s := newStage(t)
	token := s.issue("u1")
	sum := sha256.Sum256([]byte(token))
	stored, err := s.FindToken(t.Context(), hex.EncodeToString(sum[:]))
	require.NoError(t, err)
	created := time.Date(2030, 1, 2, 2, 4, 5, 678_000_000, time.UTC)
	require.Equal(t, passwordlink.Token{Hash: hex.EncodeToString(sum[:]), UserID: "u1", Created: created, Expires: created.Add(72 * time.Hour)}, stored)
	require.NotContains(t, fmt.Sprintf("%+v", stored), token)
	require.Equal(t, token, url.QueryEscape(token))
	require.Len(t, token, 26) // 130 bits in base32
	require.NotEqual(t, token, s.issue("u1"))
}

func TestUsersThatAreNone(t *testing.T) {
	s := newStage(t)
	for _, user := range []string{"", strings.Repeat("x", 201), "a\x00b", "\xff"} {
		_, err := s.links.Issue(t.Context(), user)
		require.ErrorIs(t, err, usersync.ErrInvalid)
		require.ErrorIs(t, s.links.Revoke(t.Context(), user), usersync.ErrInvalid)
	}
	require.Zero(t, s.asked)
}

func TestCheckUsesNothing(t *testing.T) {
	s := newStage(t)
	token := s.issue("u1")
	for range 5 {
		s.is(nil, token)
	}
	user, err := s.links.Use(t.Context(), token)
	require.NoError(t, err)
	require.Equal(t, "u1", user)
	s.is(passwordlink.ErrTokenUnknown, token)
}

func TestWhatIsNoTokenAsksNobody(t *testing.T) {
	s := newStage(t)
	token := s.issue("u1")
	s.asked = 0
	s.is(passwordlink.ErrTokenUnknown, "", " ", token[:25], token+"A", " "+token, strings.ToLower(token), token[:25]+"=", token[:25]+"1",
		"é"+token[:24], strings.Repeat("A", 1<<20), "%", "' OR 1=1 --", "\x00\xff")
	require.Zero(t, s.asked)
	s.is(passwordlink.ErrTokenUnknown, strings.Repeat("A", 26))
	require.Equal(t, 1, s.asked)
}

func TestLife(t *testing.T) {
	s := newStage(t, passwordlink.WithLife(time.Hour))
	token := s.issue("u1")
	s.now = s.now.Add(time.Hour - time.Millisecond)
	s.is(nil, token)
	s.now = s.now.Add(time.Millisecond)
	s.is(passwordlink.ErrTokenExpired, token)
	_, err := s.links.Use(t.Context(), token)
	require.ErrorIs(t, err, passwordlink.ErrTokenExpired)
	require.ErrorIs(t, s.redeem(token, func() error { panic("is not called") }), passwordlink.ErrTokenExpired)

	n, err := s.links.Prune(t.Context(), s.now.Add(time.Hour)) // less than the hold ago
	require.NoError(t, err)
	require.Zero(t, n)
	s.is(passwordlink.ErrTokenExpired, token)
	s.now = s.now.Add(time.Minute + time.Millisecond)
	live := s.issue("u1")
	n, err = s.links.Prune(t.Context(), s.now.Add(100*time.Hour))
	require.NoError(t, err)
	require.Equal(t, 1, n)
	s.is(passwordlink.ErrTokenUnknown, token)
	s.is(nil, live)
}

func TestUsingOneVoidsAllOfTheUser(t *testing.T) {
	for name, use := range map[string]func(s *stage, token string) error{
		"Use":    func(s *stage, token string) error { _, err := s.links.Use(s.Context(), token); return err },
		"Redeem": func(s *stage, token string) error { return s.redeem(token, sets) },
		"Revoke": func(s *stage, _ string) error { return s.links.Revoke(s.Context(), "u1") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			first, second, other := s.issue("u1"), s.issue("u1"), s.issue("u2")
			s.is(nil, first, second)
			require.NoError(t, use(s, second))
			s.is(passwordlink.ErrTokenUnknown, first, second)
			user, err := s.links.Check(t.Context(), other)
			require.NoError(t, err)
			require.Equal(t, "u2", user)
			s.is(nil, s.issue("u1")) // a new link is good
		})
	}
}

// The table of the package comment.
func TestRedeemThatFails(t *testing.T) {
	boom := errors.New("boom")
	failsAt := func(call string) func(string) error {
		return func(c string) error {
			if c == call {
				return boom
			}
			return nil
		}
	}
	for _, c := range []struct {
		name  string
		fails string // a call of the store
		set   error
		want  error
		now   error // what Redeem returns at once afterwards
		after error // and when the hold is over
	}{
		{"set succeeds", "", nil, nil, passwordlink.ErrTokenUnknown, passwordlink.ErrTokenUnknown},
		{"set fails", "", boom, boom, nil, passwordlink.ErrTokenUnknown},
		{"the look-up fails", "find", nil, boom, nil, passwordlink.ErrTokenUnknown},
		{"the hold fails", "hold", nil, boom, nil, passwordlink.ErrTokenUnknown},
		{"set and letting go fail", "let go", boom, boom, passwordlink.ErrTokenBusy, nil},
		{"voiding fails", "delete", nil, passwordlink.ErrNotVoided, passwordlink.ErrTokenBusy, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t)
			token := s.issue("u1")
			s.fail = failsAt(c.fails)
			require.ErrorIs(t, s.redeem(token, func() error { return c.set }), c.want)
			s.fail = nil
			require.ErrorIs(t, s.redeem(token, sets), c.now)
			s.now = s.now.Add(time.Minute)
			require.ErrorIs(t, s.redeem(token, sets), c.after)
		})
	}
}

func TestRedeemLetsGo(t *testing.T) {
	s := newStage(t)
	token := s.issue("u1")
	require.PanicsWithValue(t, "ouch", func() { _ = s.redeem(token, func() error { panic("ouch") }) })
	ctx, cancel := context.WithCancel(t.Context())
	err := s.links.Redeem(ctx, token, func(ctx context.Context, _ string) error { // the browser has gone
		cancel()
		return ctx.Err()
	})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, s.links.Redeem(ctx, token, func(context.Context, string) error { return nil }), context.Canceled)
	require.ErrorIs(t, s.links.Redeem(t.Context(), token, nil), usersync.ErrInvalid)
	require.NoError(t, s.redeem(token, sets))
}

func TestRedeemVoidsAlsoWhenTheBrowserHasGone(t *testing.T) {
	s := newStage(t)
	token := s.issue("u1")
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, s.links.Redeem(ctx, token, func(context.Context, string) error { cancel(); return nil }))
	s.is(passwordlink.ErrTokenUnknown, token)
}

func TestDuringRedeem(t *testing.T) {
	s := newStage(t)
	token, other := s.issue("u1"), s.issue("u1")
	var late string
	err := s.links.Redeem(t.Context(), token, func(ctx context.Context, _ string) error {
		ends, bounded := ctx.Deadline()
		require.True(t, bounded)
		require.LessOrEqual(t, time.Until(ends), time.Minute)
		late = s.issue("u1")
		for _, token := range []string{token, other, late} {
			s.is(nil, token)
			_, err := s.links.Use(ctx, token)
			require.ErrorIs(t, err, passwordlink.ErrTokenBusy)
			require.ErrorIs(t, s.redeem(token, sets), passwordlink.ErrTokenBusy)
		}
		return nil
	})
	require.NoError(t, err)
	s.is(passwordlink.ErrTokenUnknown, token, other, late)
}

// Who is too slow and fails lets go of nobody else's hold; who is too slow and succeeds voids all the same.
func TestRedeemLongerThanTheHold(t *testing.T) {
	s, boom := newStage(t), errors.New("boom")
	token := s.issue("u1")
	err := s.redeem(token, func() error {
		s.now = s.now.Add(2 * time.Minute)
		return s.redeem(token, func() error { // another process
			inner := s.redeem(token, sets)
			require.ErrorIs(t, inner, passwordlink.ErrTokenBusy)
			return boom
		})
	})
	require.ErrorIs(t, err, boom)
	err = s.redeem(token, func() error {
		s.now = s.now.Add(2 * time.Minute)
		_, err := s.links.Use(t.Context(), token)
		return err
	})
	require.NoError(t, err)
	s.is(passwordlink.ErrTokenUnknown, token)
	require.NoError(t, s.links.Revoke(t.Context(), "u1"))
}

func TestRevokedDuringRedeem(t *testing.T) {
	s, boom := newStage(t), errors.New("boom")
	token := s.issue("u1")
	err := s.redeem(token, func() error { return errors.Join(boom, s.links.Revoke(t.Context(), "u1")) })
	require.ErrorIs(t, err, boom)
	require.NotErrorIs(t, err, passwordlink.ErrTokenUnknown)
	s.is(passwordlink.ErrTokenUnknown, token)
}

func TestErrorsOfTheStore(t *testing.T) {
	s, boom := newStage(t), errors.New("boom")
	token := s.issue("u1")
	s.fail = func(string) error { return boom }
	_, issued := s.links.Issue(t.Context(), "u2")
	_, checked := s.links.Check(t.Context(), token)
	_, used := s.links.Use(t.Context(), token)
	_, pruned := s.links.Prune(t.Context(), s.now)
	for _, err := range []error{issued, checked, used, pruned, s.redeem(token, sets), s.links.Revoke(t.Context(), "u1")} {
		require.ErrorIs(t, err, boom)
		require.NotContains(t, err.Error(), token)
	}
}

func TestAtOnce(t *testing.T) {
	links, err := passwordlink.New(memory.NewTokens(), page)
	require.NoError(t, err)
	for round := range 50 {
		var tokens []string
		for range 3 {
			link, err := links.Issue(t.Context(), "u1")
			require.NoError(t, err)
			tokens = append(tokens, strings.TrimPrefix(link, page+"?token="))
		}
		var won atomic.Int32
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				token := tokens[i%len(tokens)]
				if (i+round)%2 == 0 {
					if _, err := links.Use(t.Context(), token); err == nil {
						won.Add(1)
					}
					return
				}
				_ = links.Redeem(t.Context(), token, func(context.Context, string) error { won.Add(1); return nil })
			})
		}
		all.Wait()
		require.EqualValues(t, 1, won.Load())
	}
}

// model is what a token is to Links: who has it, until when, and whether it is void.
type model struct {
	token, user string
	expires     time.Time
	void        bool
}

// Random calls, against a model that is a list.
func TestModel(t *testing.T) {
	for seed := range uint64(200) {
		s, r := newStage(t, passwordlink.WithLife(time.Hour)), rand.New(rand.NewPCG(seed, 1))
		var all []*model
		for range 60 {
			user := fmt.Sprint("u", r.IntN(3))
			voidAll := func() {
				for _, m := range all {
					m.void = m.void || m.user == user
				}
			}
			switch op := r.IntN(8); {
			case op < 2 || len(all) == 0:
				all = append(all, &model{token: s.issue(user), user: user, expires: s.now.UTC().Truncate(time.Millisecond).Add(time.Hour)})
			case op == 2:
				s.now = s.now.Add(time.Duration(r.IntN(30)) * time.Minute)
			case op == 3 && r.IntN(3) == 0:
				require.NoError(t, s.links.Revoke(t.Context(), user))
				voidAll()
			default:
				m := all[r.IntN(len(all))]
				user = m.user
				if m.play(s, r.IntN(3)) {
					voidAll()
				}
			}
		}
	}
}

// play makes a call that depends on the token, compares, and tells whether the user's tokens are void by it.
func (m *model) play(s *stage, op int) bool {
	want := error(nil)
	if !s.now.Before(m.expires) {
		want = passwordlink.ErrTokenExpired
	}
	if m.void {
		want = passwordlink.ErrTokenUnknown
	}
	var err error
	boom := errors.New("boom")
	switch op {
	case 0:
		_, err = s.links.Use(s.Context(), m.token)
	case 1:
		err = s.links.Redeem(s.Context(), m.token, func(context.Context, string) error { return nil })
	case 2:
		err = s.links.Redeem(s.Context(), m.token, func(context.Context, string) error { return boom })
		if want == nil {
			want = boom
		}
	}
	require.ErrorIs(s, err, want)
	return want == nil
}

func FuzzToken(f *testing.F) {
	for _, text := range []string{"", "A", strings.Repeat("A", 26), strings.Repeat("7", 26), "' --", "\x00", "\xff\xfe", strings.Repeat("é", 13)} {
		f.Add(text)
	}
	store := memory.NewTokens()
	links, err := passwordlink.New(store, page)
	require.NoError(f, err)
	_, err = links.Issue(f.Context(), "u1")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text string) {
		_, checked := links.Check(t.Context(), text)
		_, used := links.Use(t.Context(), text)
		redeemed := links.Redeem(t.Context(), text, func(context.Context, string) error { panic("a token was guessed") })
		for _, err := range []error{checked, used, redeemed} {
			if !errors.Is(err, passwordlink.ErrTokenUnknown) {
				t.Fatalf("%q: %v", text, err)
			}
		}
	})
}
