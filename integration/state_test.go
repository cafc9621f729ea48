package integration

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/sqlstore"
	"github.com/usersync-go/usersync/passwordlink"
	"github.com/usersync-go/usersync/usersynctest"
)

// newState makes the tables of a state.
func newState(tb testing.TB, s server, db *sql.DB, opts ...sqlstore.StateOption) *sqlstore.State {
	state, err := sqlstore.NewState(db, s.dialect, opts...)
	must(tb, err)
	must(tb, state.Migrate(tb.Context()))
	return state
}

func TestState(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		usersynctest.TestStores(t, func(t *testing.T) usersync.Stores { return newState(t, s, s.open(t)).Stores() })
	})
}

// A11: what belongs to one tenant, or to one prefix, is not there for another.
func TestTenantsAndPrefixesAreApart(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		db := s.open(t)
		states := []*sqlstore.State{newState(t, s, db), newState(t, s, db, sqlstore.WithTenant("a")),
			newState(t, s, db, sqlstore.WithTenant("A")), newState(t, s, db, sqlstore.WithPrefix("other_"))}
		for i, state := range states {
			cfg := usersync.DefaultConfig(fmt.Sprint("Name ", i))
			cfg.ID = "staff"
			must(t, state.SaveConfig(t.Context(), cfg, 0))
			_, err := state.Acquire(t.Context(), "staff", "run", leaseTime)
			must(t, err)
		}
		must(t, states[1].Release(t.Context(), usersync.Lease{ConfigID: "staff", RunID: "run", Token: 1}))
		must(t, states[1].DeleteConfig(t.Context(), "staff"))
		for i, state := range states {
			cfg, err := state.LoadConfig(t.Context(), "staff")
			if i == 1 && !errors.Is(err, usersync.ErrNotFound) || i != 1 && cfg.Name != fmt.Sprint("Name ", i) {
				t.Fatalf("state %d has %q, %v", i, cfg.Name, err)
			}
		}
	})
}

// Many processes migrate at once; whoever keeps the migrations himself gets the same tables.
func TestMigrations(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		db := s.open(t)
		state, err := sqlstore.NewState(db, s.dialect)
		must(t, err)
		if err := state.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "Migrate") {
			t.Fatalf("Check without tables: %v", err)
		}
		errs := make([]error, 8)
		var all sync.WaitGroup
		for i := range errs {
			all.Go(func() { errs[i] = state.Migrate(t.Context()) })
		}
		all.Wait()
		must(t, errors.Join(errs...))
		must(t, state.Check(t.Context()))

		own, err := sqlstore.NewState(db, s.dialect, sqlstore.WithPrefix("own_"))
		must(t, err)
		for _, m := range own.Migrations() {
			exec(t, db, m.Statements...)
		}
		must(t, own.Check(t.Context()))
		must(t, own.Migrate(t.Context()))
		must(t, own.SaveConfig(t.Context(), usersync.DefaultConfig("Staff"), 0))
		exec(t, db, "INSERT INTO own_migrations (number, name, done) VALUES (99, 'later', 0)")
		if err := own.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "newer version") {
			t.Fatalf("Check of newer tables: %v", err)
		}
	})
}

// A5: users and the journal are written together or not at all, and only by whoever holds the lease.
func TestWriteJointly(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		db := s.open(t)
		users, state := readyMade(t, s, db, schema()), newState(t, s, db)
		other := readyMade(t, s, s.open(t), schema())
		if !state.Joins(users) || state.Joins(other) || state.Joins(apart{users}) {
			t.Fatal("joins the wrong users")
		}
		must(t, state.SavePlan(t.Context(), usersync.PlanRecord{ID: "run", Edition: 1}, func(func([]byte, error) bool) {}))
		lease, err := state.Acquire(t.Context(), "staff", "run", leaseTime)
		must(t, err)
		must(t, state.StartRun(t.Context(), lease, usersync.RunRecord{ID: "run", ConfigID: "staff", PlanEdition: 1, Status: usersync.RunRunning}))
		write := func(l usersync.Lease, n int, fail error) error {
			change := usersync.Change{Op: usersync.OpCreate, Key: usersync.Fold(newUser(n).Get("userName")), Set: newUser(n), Active: true}
			_, err := state.WriteJointly(t.Context(), l, users, []usersync.Change{change}, func(out []usersync.Outcome) (usersync.JournalEntry, error) {
				if out[0].Err != nil {
					return usersync.JournalEntry{}, out[0].Err
				}
				return usersync.JournalEntry{Number: n, Data: []byte("x")}, fail
			})
			return err
		}
		must(t, write(lease, 1, nil))
		boom := errors.New("boom")
		if err := write(lease, 2, boom); !errors.Is(err, boom) {
			t.Fatal(err)
		}
		old := lease
		old.Token--
		if err := write(old, 3, nil); !errors.Is(err, usersync.ErrLeaseLost) {
			t.Fatal(err)
		}
		var there int
		must(t, db.QueryRow("SELECT COUNT(*) FROM usersync_users").Scan(&there))
		entries, err := state.Entries(t.Context(), "run")
		must(t, err)
		if there != 1 || len(entries) != 1 {
			t.Fatalf("%d users and %d entries, want one of each", there, len(entries))
		}
	})
}

// What can come from outside ends in a parameter, never in SQL.
func TestStateTakesAnyText(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		state := newState(t, s, s.open(t))
		for _, text := range []string{`'; DROP TABLE usersync_configs; --`, `" OR "1"="1`, "` OR 1=1", `\'`, "?", "$1", "%", "_", "{configs}", "a b"} {
			cfg := usersync.DefaultConfig(text)
			must(t, state.SaveConfig(t.Context(), cfg, 0))
			lease, err := state.Acquire(t.Context(), text, text, leaseTime)
			must(t, err)
			must(t, state.SavePlan(t.Context(), usersync.PlanRecord{ID: text, ConfigID: text, Edition: 1}, func(func([]byte, error) bool) {}))
			must(t, state.StartRun(t.Context(), lease, usersync.RunRecord{ID: text, ConfigID: text, PlanEdition: 1}))
			must(t, state.Append(t.Context(), lease, usersync.JournalEntry{Number: 1, Data: []byte(text),
				Mails: []usersync.Mail{{Key: text, RunID: text, ConfigID: text, Name: text}}}))
			got, err := state.LoadConfig(t.Context(), text)
			must(t, err)
			runs, err := state.Runs(t.Context(), usersync.RunQuery{ID: text, ConfigID: text})
			must(t, err)
			mails, err := state.Mails(t.Context(), usersync.MailQuery{Key: text, RunID: text})
			must(t, err)
			if got.Name != text || len(runs) != 1 || len(mails) != 1 {
				t.Fatalf("%q: %q, %d runs, %d mails", text, got.Name, len(runs), len(mails))
			}
		}
		for _, prefix := range []string{`x"; DROP TABLE y; --`, "a`b", "a'b", "", "a.b.c_", strings.Repeat("x", 70), "a;b", "a?b"} {
			if _, err := sqlstore.NewState(nil, s.dialect, sqlstore.WithPrefix(prefix)); (err == nil) != (prefix == "") {
				t.Fatalf("prefix %q: %v", prefix, err)
			}
		}
	})
}

func TestTokens(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		usersynctest.TestTokenStore(t, func(t *testing.T) passwordlink.TokenStore { return newState(t, s, s.open(t)) })
	})
}

// A11: a token of one tenant is not there for another.
func TestTokensOfTenants(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		db := s.open(t)
		a, b := newState(t, s, db, sqlstore.WithTenant("a")), newState(t, s, db, sqlstore.WithTenant("A"))
		ends := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		for _, state := range []*sqlstore.State{a, b} {
			must(t, state.AddToken(t.Context(), passwordlink.Token{Hash: "both", UserID: "u1", Expires: ends}))
		}
		must(t, a.AddToken(t.Context(), passwordlink.Token{Hash: "one", UserID: "u1", Expires: ends}))
		if _, err := b.FindToken(t.Context(), "one"); !errors.Is(err, usersync.ErrNotFound) {
			t.Fatalf("the other tenant's token: %v", err)
		}
		must(t, b.HoldTokens(t.Context(), "both", time.Time{}, ends))
		if n, err := b.DeleteTokens(t.Context(), passwordlink.TokenQuery{UserID: "u1"}); n != 1 || err != nil {
			t.Fatalf("%d removed, %v", n, err)
		}
		if n, err := b.DeleteTokens(t.Context(), passwordlink.TokenQuery{ExpiredBefore: ends.Add(time.Hour)}); n != 0 || err != nil {
			t.Fatalf("%d removed, %v", n, err)
		}
		token, err := a.FindToken(t.Context(), "both")
		must(t, err)
		if !token.HeldUntil.IsZero() {
			t.Fatalf("held by the other tenant: %+v", token)
		}
	})
}

// A migration may come after one with a higher number, from another branch of a product's history.
func TestMigrationsWithGaps(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		db := s.open(t)
		state := newState(t, s, db)
		exec(t, db, fmt.Sprintf("DELETE FROM usersync_migrations WHERE number = %d", state.Migrations()[0].Number))
		if err := state.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "older version") {
			t.Fatalf("Check without the first migration: %v", err)
		}
		must(t, state.Migrate(t.Context())) // makes nothing that is there
		must(t, state.Check(t.Context()))
	})
}

// Of many pages that redeem links of one user at once, over several connections, one sets the password.
func TestLinksAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		const page = "https://app.example.com/set-password"
		links, err := passwordlink.New(newState(t, s, s.open(t)), page)
		must(t, err)
		for range 5 {
			tokens := make([]string, 2)
			for i := range tokens {
				link, err := links.Issue(t.Context(), "u1")
				must(t, err)
				tokens[i] = strings.TrimPrefix(link, page+"?token=")
			}
			var set atomic.Int32
			errs := make([]error, 12)
			var all sync.WaitGroup
			for i := range errs {
				all.Go(func() {
					errs[i] = links.Redeem(t.Context(), tokens[i%2], func(context.Context, string) error { set.Add(1); return nil })
				})
			}
			all.Wait()
			lost := 0
			for _, err := range errs {
				if errors.Is(err, passwordlink.ErrTokenBusy) || errors.Is(err, passwordlink.ErrTokenUnknown) {
					lost++
				}
			}
			if set.Load() != 1 || lost != len(errs)-1 {
				t.Fatalf("set %d times, %d lost: %v", set.Load(), lost, errors.Join(errs...))
			}
		}
	})
}
