package usersynctest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

var storeOptions = []Option{
	Unique("costCenter"), Lookups("email", "costCenter"), Lists("groups"), Text("department", "title"),
	NewUser(func(n int) usersync.Values {
		v := newUser(n).Clone()
		v.Set("costCenter", fmt.Sprintf("Center %d", n))
		return v
	}),
}

// onTrial puts a store on trial that may have a fault.
func onTrial(wrap func(*memory.Store) usersync.UserStore, opts ...Option) func(trial) *users {
	return func(tr trial) *users {
		store := memory.New(memory.WithUnique("costCenter"))
		set := settingsOf(append(slices.Clone(storeOptions), opts...))
		return &users{trial: tr, settings: set, store: wrap(store)}
	}
}

// broken is a store of which FindUsers or WriteUsers is replaced. They may use the sound store below.
type broken struct {
	*memory.Store
	find  func(ctx context.Context, field string, values []string) ([]usersync.User, error)
	write func(ctx context.Context, changes []usersync.Change) ([]usersync.Outcome, error)
}

func (b *broken) FindUsers(ctx context.Context, field string, values []string) ([]usersync.User, error) {
	if b.find == nil {
		return b.Store.FindUsers(ctx, field, values)
	}
	return b.find(ctx, field, values)
}

func (b *broken) WriteUsers(ctx context.Context, changes []usersync.Change) ([]usersync.Outcome, error) {
	if b.write == nil {
		return b.Store.WriteUsers(ctx, changes)
	}
	return b.write(ctx, changes)
}

// asks breaks the question of FindUsers.
func asks(field string, change func(values []string) ([]string, error)) func(*memory.Store) usersync.UserStore {
	return func(s *memory.Store) usersync.UserStore {
		b := &broken{Store: s}
		b.find = func(ctx context.Context, f string, values []string) ([]usersync.User, error) {
			if f != field && field != "" {
				return s.FindUsers(ctx, f, values)
			}
			values, err := change(values)
			if err != nil {
				return nil, err
			}
			return s.FindUsers(ctx, f, values)
		}
		return b
	}
}

// answers breaks the answer of FindUsers.
func answers(change func(field string, values []string, found []usersync.User) []usersync.User) func(*memory.Store) usersync.UserStore {
	return func(s *memory.Store) usersync.UserStore {
		b := &broken{Store: s}
		b.find = func(ctx context.Context, field string, values []string) ([]usersync.User, error) {
			found, err := s.FindUsers(ctx, field, values)
			return change(field, values, found), err
		}
		return b
	}
}

// keeps breaks FindUsers so that it finds only some of the users.
func keeps(keep func(field string, values []string, u usersync.User) bool) func(*memory.Store) usersync.UserStore {
	return answers(func(field string, values []string, found []usersync.User) []usersync.User {
		return slices.DeleteFunc(found, func(u usersync.User) bool { return !keep(field, values, u) })
	})
}

// writes breaks each change on its way to the store.
func writes(change func(s *memory.Store, c *usersync.Change)) func(*memory.Store) usersync.UserStore {
	return func(s *memory.Store) usersync.UserStore {
		return each(s, func(ctx context.Context, c usersync.Change) usersync.Outcome {
			c.Set = c.Set.Clone()
			change(s, &c)
			return write(ctx, s, c)
		})
	}
}

// writesValue breaks each value on its way to the store.
func writesValue(change func(value string) string) func(*memory.Store) usersync.UserStore {
	return writes(func(_ *memory.Store, c *usersync.Change) {
		for field, value := range c.Set.Clone().All() {
			if field == "department" {
				c.Set.Set(field, change(value))
			}
		}
	})
}

// outcomes breaks each outcome.
func outcomes(change func(s *memory.Store, c usersync.Change, out *usersync.Outcome)) func(*memory.Store) usersync.UserStore {
	return func(s *memory.Store) usersync.UserStore {
		return each(s, func(ctx context.Context, c usersync.Change) usersync.Outcome {
			out := write(ctx, s, c)
			change(s, c, &out)
			return out
		})
	}
}

// each breaks WriteUsers change by change.
func each(s *memory.Store, do func(ctx context.Context, c usersync.Change) usersync.Outcome) *broken {
	b := &broken{Store: s}
	b.write = func(ctx context.Context, changes []usersync.Change) ([]usersync.Outcome, error) {
		out := make([]usersync.Outcome, len(changes))
		for i, c := range changes {
			out[i] = do(ctx, c)
		}
		return out, ctx.Err()
	}
	return b
}

// batches breaks WriteUsers as a whole.
func batches(do func(ctx context.Context, s *memory.Store, changes []usersync.Change) ([]usersync.Outcome, error)) func(*memory.Store) usersync.UserStore {
	return func(s *memory.Store) usersync.UserStore {
		b := &broken{Store: s}
		b.write = func(ctx context.Context, changes []usersync.Change) ([]usersync.Outcome, error) {
			return do(ctx, s, changes)
		}
		return b
	}
}

func write(ctx context.Context, s *memory.Store, c usersync.Change) usersync.Outcome {
	out, err := s.WriteUsers(ctx, []usersync.Change{c})
	if err != nil {
		return usersync.Outcome{Err: err}
	}
	return out[0]
}

func byID(s *memory.Store, id string) (usersync.User, bool) {
	for _, u := range s.Users() {
		if u.ID == id {
			return u, true
		}
	}
	return usersync.User{}, false
}

// put writes a change without asking whether it may be made.
func put(s *memory.Store, c usersync.Change) usersync.Outcome {
	u, _ := byID(s, c.UserID)
	u.Values = u.Values.With(c.Set)
	u.Active = c.Active
	s.Put(u)
	users := s.Users()
	slices.SortFunc(users, func(a, b usersync.User) int {
		return cmp.Or(cmp.Compare(len(a.ID), len(b.ID)), cmp.Compare(a.ID, b.ID))
	})
	if u.ID == "" {
		u = users[len(users)-1]
	}
	now, _ := byID(s, u.ID)
	return usersync.Outcome{ID: now.ID, Version: now.Version}
}

func isASCIILower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

func TestUserChecksFindDefects(t *testing.T) {
	sound := onTrial(func(s *memory.Store) usersync.UserStore { return s })
	prove(t, userChecks(), sound,
		slices.Concat(brokenFinds(), brokenWrites(), brokenRefusals(), brokenCalls()))
}

// TestUserChecksKnowCapabilities shows that a store that says what it cannot do passes all the same, and
// what is skipped for it.
func TestUserChecksKnowCapabilities(t *testing.T) {
	noVersions := writes(func(_ *memory.Store, c *usersync.Change) { c.IfVersion = "" })
	for _, c := range []struct {
		name  string
		store func(*memory.Store) usersync.UserStore
		opts  []Option
		skips string
	}{
		{"no versions", func(s *memory.Store) usersync.UserStore { return withoutVersions(noVersions(s).(*broken)) },
			[]Option{WithoutVersions()}, "skipped: the store has no versions"},
		{"no idempotency", writes(func(_ *memory.Store, c *usersync.Change) { c.IdempotencyKey = "" }),
			[]Option{WithoutIdempotency()}, "skipped: the store does not remember idempotency keys"},
		{"ASCII only", keeps(func(field string, values []string, u usersync.User) bool {
			return field != "userName" || slices.Contains(values, isASCIILower(u.Values.Get("userName")))
		}), []Option{FoldsASCIIOnly()}, "skipped: the store folds only the letters A to Z"},
		{"no reference", writes(func(_ *memory.Store, c *usersync.Change) { c.Set.Set("manager", "") }),
			[]Option{Reference("")}, "skipped: no field of the store refers to a user"},
		{"no lists", func(s *memory.Store) usersync.UserStore { return s },
			[]Option{Lists()}, "skipped: no field of the store holds a list"},
		{"nothing unique", func(s *memory.Store) usersync.UserStore { return s },
			[]Option{Unique(), Lookups("email")}, "skipped: no field of the store is unique, beside the key"},
		{"no look-ups", func(s *memory.Store) usersync.UserStore { return s }, []Option{Lookups()},
			"skipped: no field of the store is one to look up by, beside the key\n" +
				"skipped: no field of the store to look up by can be the same for two users"},
		{"short text", writesValue(func(value string) string { return value }), []Option{MaxLength(40)}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			passes(t, userChecks(), onTrial(c.store, append(c.opts, small)...), c.skips)
		})
	}
}

// small makes batches small, which is enough to see what is skipped.
func small(s *settings) { s.sizes, s.interrupted = []int{1, 20}, 20 }

func withoutVersions(b *broken) *broken {
	write := b.write
	b.write = func(ctx context.Context, changes []usersync.Change) ([]usersync.Outcome, error) {
		out, err := write(ctx, changes)
		for i := range out {
			out[i].Version = ""
		}
		return out, err
	}
	b.find = func(ctx context.Context, field string, values []string) ([]usersync.User, error) {
		found, err := b.Store.FindUsers(ctx, field, values)
		for i := range found {
			found[i].Version = ""
		}
		return found, err
	}
	return b
}
