package memory_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
	"github.com/usersync-go/usersync/passwordlink"
	"github.com/usersync-go/usersync/usersynctest"
)

func TestStore(t *testing.T) {
	usersynctest.TestUserStore(t,
		func(t *testing.T) usersync.UserStore { return memory.New(memory.WithUnique("costCenter")) },
		usersynctest.Text("department", "title"),
		usersynctest.Lists("groups"),
		usersynctest.Lookups("email", "costCenter"),
		usersynctest.Unique("costCenter"),
		usersynctest.NewUser(func(n int) usersync.Values {
			name := fmt.Sprintf("Test.User%05d", n)
			return usersync.ValuesOf(map[string]string{
				"userName": name, "email": name + "@example.com", "costCenter": fmt.Sprintf("Center %d", n),
			})
		}),
	)
}

func TestStoreWithAnotherKey(t *testing.T) {
	usersynctest.TestUserStore(t,
		func(t *testing.T) usersync.UserStore { return memory.New(memory.WithKey("email")) },
		usersynctest.Key("email"), usersynctest.Lookups("userName"))
}

func TestReferences(t *testing.T) {
	usersynctest.TestReferences(t, []string{"group", "role"}, func(*testing.T) (usersync.References, func(string, ...string) error) {
		r := memory.NewReferences()
		return r, func(set string, names ...string) error { r.Put(set, names...); return nil }
	})
}

func TestReferencesAreRemoved(t *testing.T) {
	r := memory.NewReferences()
	r.Put("group", "Sales", "HR")
	r.Remove("group", "SALES", "nobody's")
	r.Put("group", "hr")
	if names := r.Names("group"); len(names) != 1 || names[0] != "hr" || len(r.Names("role")) != 0 {
		t.Fatal(names, r.Names("role"))
	}
}

func TestBaselines(t *testing.T) {
	usersynctest.TestBaselineStore(t, func(t *testing.T) usersync.BaselineStore {
		return memory.New().Baselines()
	})
}

func TestTexter(t *testing.T) {
	usersynctest.TestTexter(t, func(t *testing.T) (usersync.Texter, func() []usersync.Welcome) {
		x := memory.NewTexter()
		return x, x.Sent
	})
}

func TestMessenger(t *testing.T) {
	usersynctest.TestMessenger(t, func(t *testing.T) (usersync.Messenger, func() []usersync.Message) {
		m := memory.NewMailer()
		return m, m.Messages
	})
}

func TestMailer(t *testing.T) {
	usersynctest.TestMailer(t, func(t *testing.T) (usersync.Mailer, func() []usersync.Welcome) {
		m := memory.NewMailer()
		return m, m.Sent
	})
}

func TestSeats(t *testing.T) {
	usersynctest.TestLicenseChecker(t, func(t *testing.T) (usersync.LicenseChecker, func(int)) {
		store := memory.New()
		return memory.NewSeats(store, 5), func(used int) { putActive(store, used) }
	})
}

// putActive makes the first of ten users active and the others inactive.
func putActive(store *memory.Store, active int) {
	for i := range 10 {
		store.Put(usersync.User{ID: fmt.Sprintf("u%d", i+1), Active: i < active})
	}
}

func user(name string) usersync.User {
	return usersync.User{Active: true, Values: usersync.ValuesOf(map[string]string{
		"userName": name, "email": name + "@example.com",
	})}
}

func TestPutMayDoWhatWritesMayNot(t *testing.T) {
	ctx := context.Background()
	store := memory.New(memory.WithUsers(user("jane"), user("Jane")))
	found, err := store.FindUsers(ctx, "userName", []string{"jane"})
	if err != nil || len(found) != 2 {
		t.Fatalf("two users have the key, found %d (%v)", len(found), err)
	}
	edited := found[0]
	edited.Values.Set("email", "j@example.com")
	store.Put(edited)
	found, _ = store.FindUsers(ctx, "email", []string{"j@example.com"})
	if len(found) != 1 || found[0].ID != "u1" || found[0].Version != "2" {
		t.Fatalf("edited user u1 should be found in version 2, found %v", found)
	}
	store.Remove("u1", "u1", "nobody")
	if users := store.Users(); len(users) != 1 || users[0].ID != "u2" {
		t.Fatalf("u2 should be left, there is %v", users)
	}
	found, _ = store.FindUsers(ctx, "email", []string{"j@example.com"})
	if len(found) != 0 {
		t.Fatalf("found a removed user: %v", found)
	}
}

func TestIdsThatAreTakenAreNotGivenOut(t *testing.T) {
	u := user("jane")
	u.ID = "u1"
	store := memory.New(memory.WithUsers(u, user("john")))
	if users := store.Users(); users[1].ID != "u2" {
		t.Fatalf("john got %q", users[1].ID)
	}
}

func TestUnknownOperation(t *testing.T) {
	store := memory.New(memory.WithUsers(user("jane")))
	out, err := store.WriteUsers(context.Background(), []usersync.Change{{Op: "explode", UserID: "u1"}})
	if err != nil || out[0].Err == nil {
		t.Fatalf("outcome %v, error %v", out, err)
	}
}

func TestMailerFails(t *testing.T) {
	ctx := context.Background()
	m := memory.NewMailer()
	bounce := errors.New("mailbox full")
	m.Fail("Jane@Example.com", bounce)
	w := usersync.Welcome{Email: "jane@example.com", IdempotencyKey: "k"}
	if err := m.SendWelcome(ctx, w); !errors.Is(err, bounce) {
		t.Fatalf("got %v", err)
	}
	m.Fail("jane@example.com", nil)
	if err := m.SendWelcome(ctx, w); err != nil || len(m.Sent()) != 1 {
		t.Fatalf("sent %v, error %v", m.Sent(), err)
	}
}

func BenchmarkFindUsers(b *testing.B) {
	const total, batch = 100_000, 1000
	store := memory.New()
	keys := make([]string, total)
	emails := make([]string, total)
	for i := range total {
		keys[i] = fmt.Sprintf("user%06d", i)
		emails[i] = keys[i] + "@example.com"
		store.Put(user(keys[i]))
	}
	for field, values := range map[string][]string{"userName": keys, "email": emails} {
		b.Run(field, func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				at := i * batch % total
				found, err := store.FindUsers(context.Background(), field, values[at:at+batch])
				if err != nil || len(found) != batch {
					b.Fatal(len(found), err)
				}
			}
		})
	}
}

func TestState(t *testing.T) {
	usersynctest.TestStores(t, func(t *testing.T) usersync.Stores { return memory.NewState(nil).Stores() })
}

func TestTokens(t *testing.T) {
	usersynctest.TestTokenStore(t, func(t *testing.T) passwordlink.TokenStore { return memory.NewTokens() })
}

func TestFields(t *testing.T) {
	usersynctest.TestFieldStore(t, func(t *testing.T) usersync.FieldStore { return memory.NewFields() })
}
