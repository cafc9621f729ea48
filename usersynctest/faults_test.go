package usersynctest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
	"github.com/usersync-go/usersync/adapters/seats"
)

func createUsers(names ...string) []usersync.Change {
	changes := make([]usersync.Change, len(names))
	for i, name := range names {
		changes[i] = usersync.Change{Op: usersync.OpCreate, Key: name, Set: one("userName", name), Active: true}
	}
	return changes
}

// recovered makes a call and turns a panic into an error.
func recovered(call func() error) (err error, panicked bool) {
	defer func() {
		if v := recover(); v != nil {
			err, panicked = v.(error), true
		}
	}()
	return call(), false
}

func TestFaults(t *testing.T) {
	for _, c := range []struct {
		kind     Fault
		written  int // of four changes
		answered bool
		panics   bool
		cancels  bool
	}{
		{kind: ErrorBefore, written: 0},
		{kind: ErrorHalfway, written: 2},
		{kind: ErrorAfter, written: 4},
		{kind: PanicBefore, written: 0, panics: true},
		{kind: PanicHalfway, written: 2, panics: true},
		{kind: PanicAfter, written: 4, panics: true},
		{kind: CancelBefore, written: 0, cancels: true},
		{kind: CancelHalfway, written: 2, cancels: true},
		{kind: CancelAfter, written: 4, cancels: true, answered: true},
	} {
		t.Run(string(c.kind), func(t *testing.T) {
			store := memory.New()
			f := FailNth(2, c.kind)
			ctx := f.Context(t.Context())
			wrapped := f.Users(store)
			if _, err := wrapped.FindUsers(ctx, "userName", []string{"a"}); err != nil || f.Struck() != "" {
				t.Fatalf("the first call failed: %v", err)
			}

			var out []usersync.Outcome
			err, panicked := recovered(func() (err error) {
				out, err = wrapped.WriteUsers(ctx, createUsers("a", "b", "c", "d"))
				return err
			})

			if got := len(store.Users()); got != c.written {
				t.Errorf("%d changes were made, want %d", got, c.written)
			}
			if (len(out) == 4) != c.answered || (err == nil) != c.answered {
				t.Errorf("outcomes %v, error %v", out, err)
			}
			if panicked != c.panics || (ctx.Err() != nil) != c.cancels {
				t.Errorf("panicked=%t, context %v", panicked, ctx.Err())
			}
			if want := cause(c.cancels); err != nil && !errors.Is(err, want) {
				t.Errorf("the error is %v, which does not wrap %v", err, want)
			}
			if f.Struck() != "UserStore.WriteUsers" || f.Calls() != 2 {
				t.Errorf("struck %q, %d calls", f.Struck(), f.Calls())
			}
			if _, err := wrapped.FindUsers(t.Context(), "userName", []string{"a"}); err != nil {
				t.Errorf("the third call failed: %v", err)
			}
		})
	}
}

func cause(cancels bool) error {
	if cancels {
		return context.Canceled
	}
	return ErrInjected
}

// TestFaultsReachEveryCall makes every call of every wrapper fail in turn.
func TestFaultsReachEveryCall(t *testing.T) {
	var struck []string
	EachFault(t, func(t *testing.T, f *Faults) {
		ctx := context.Background() // not the one that f cancels
		err, _ := recovered(func() error { return callEverything(ctx, f) })
		if f.Struck() == "" {
			if err != nil {
				t.Errorf("no call was made to fail, and there is an error: %v", err)
			}
			return
		}
		if (err == nil) != (f.kind == CancelAfter) {
			t.Errorf("%s was made to fail, and the error is %v", f.Struck(), err)
		}
		struck = append(struck, f.Struck())
	})
	once := []string{"UserStore.FindUsers", "UserStore.WriteUsers", "BaselineStore.Load", "BaselineStore.Save",
		"BaselineSearcher.InOtherBaselines", "Mailer.SendWelcome", "LicenseChecker.Seats",
		"SeatReserver.ReserveSeats", "SeatPools.Pools", "References.FindReferences", "ReferenceCreator.CreateReferences", "FieldStore.Fields",
		"FieldStore.AddFields", "own call"}
	if want := slices.Repeat(once, len(AllFaults())); !slices.Equal(struck, want) {
		t.Errorf("struck %q, want %q", struck, want)
	}
}

func callEverything(ctx context.Context, f *Faults) error {
	store := memory.New()
	users, baselines := f.Users(store), f.Baselines(store.Baselines())
	book := f.License(seats.NewBook(seats.NewPools("products", seats.Limits{Total: 1, Pools: map[string]int{"Alpha": 1}}, nobody)))
	things := f.References(memory.NewReferences())
	fields := f.Fields(memory.NewFields())
	for _, call := range []func() error{
		func() error { _, err := users.FindUsers(ctx, "userName", nil); return err },
		func() error { _, err := users.WriteUsers(ctx, createUsers("a")); return err },
		func() error { _, err := baselines.Load(ctx, "staff"); return err },
		func() error { return baselines.Save(ctx, "staff", usersync.Baseline{}) },
		func() error {
			_, err := baselines.(usersync.BaselineSearcher).InOtherBaselines(ctx, "staff", nil)
			return err
		},
		func() error { return f.Mailer(memory.NewMailer()).SendWelcome(ctx, usersync.Welcome{}) },
		func() error { _, err := f.License(memory.NewSeats(store, 1)).Seats(ctx); return err },
		func() error { return book.(usersync.SeatReserver).ReserveSeats(ctx, "run-1", nil, time.Hour) },
		func() error { _, err := book.(usersync.SeatPools).Pools(ctx); return err },
		func() error { _, err := things.FindReferences(ctx, "group", nil); return err },
		func() error {
			return things.(usersync.ReferenceCreator).CreateReferences(ctx, "group", []string{"a", "b"})
		},
		func() error { _, err := fields.Fields(ctx); return err },
		func() error { return fields.AddFields(ctx, []usersync.Field{{Name: "badge"}}) },
		func() error { return f.Call(ctx, "own call", func() error { return nil }) },
	} {
		if err := call(); err != nil {
			return err
		}
	}
	return nil
}

// nobody uses a seat.
func nobody(context.Context) (seats.Count, error) { return seats.Count{}, nil }

func TestFaultsForwardOptionalInterfaces(t *testing.T) {
	var plain usersync.BaselineStore = struct{ usersync.BaselineStore }{memory.NewBaselines()}
	if _, searches := FailNth(0, ErrorBefore).Baselines(plain).(usersync.BaselineSearcher); searches {
		t.Error("the wrapper of a store that cannot search can")
	}
	if _, creates := FailNth(0, ErrorBefore).References(onlyFinds{memory.NewReferences()}).(usersync.ReferenceCreator); creates {
		t.Error("the wrapper of references that cannot create can")
	}
}

// TestSuitesPassThroughFaults shows that the wrappers change nothing as long as no call is to fail.
func TestSuitesPassThroughFaults(t *testing.T) {
	f := FailNth(0, ErrorBefore)
	passes(t, userChecks(), onTrial(func(s *memory.Store) usersync.UserStore { return f.Users(s) }, small))
	passes(t, baselineChecks(), func(tr trial) *baselines {
		return &baselines{tr, f.Baselines(memory.NewBaselines())}
	})
	passes(t, fieldChecks(), func(tr trial) *fieldStore { return &fieldStore{tr, f.Fields(memory.NewFields())} })
}

func ExampleFailNth() {
	for n := 1; ; n++ {
		f := FailNth(n, ErrorAfter)
		store := memory.New()
		users := f.Users(store)
		for _, name := range []string{"jane", "john"} {
			if _, err := users.WriteUsers(context.Background(), createUsers(name)); err != nil {
				fmt.Println(err)
			}
		}
		fmt.Println(f.Calls(), "calls,", len(store.Users()), "users")
		if f.Struck() == "" {
			return
		}
	}
	// Output:
	// usersynctest: injected fault: error after call 1 (UserStore.WriteUsers)
	// 2 calls, 2 users
	// usersynctest: injected fault: error after call 2 (UserStore.WriteUsers)
	// 2 calls, 2 users
	// 2 calls, 2 users
}
