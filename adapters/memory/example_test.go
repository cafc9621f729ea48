package memory_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

func values(pairs map[string]string) usersync.Values { return usersync.ValuesOf(pairs) }

func Example() {
	ctx := context.Background()
	store := memory.New(memory.WithUsers(usersync.User{
		Active: true,
		Values: values(map[string]string{"userName": "Jane.Doe", "department": "Research"}),
	}))

	found, err := store.FindUsers(ctx, "userName", []string{usersync.Fold("JANE.DOE"), "nobody"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, u := range found {
		fmt.Println(u.ID, u.Version, u.Values.Get("userName"), u.Values.Get("department"))
	}
	// Output: u1 1 Jane.Doe Research
}

func ExampleStore_WriteUsers() {
	ctx := context.Background()
	store := memory.New()
	john := usersync.Change{
		Op: usersync.OpCreate, Key: "john", Active: true, IdempotencyKey: "plan 1, change 1",
		Set: values(map[string]string{"userName": "John"}),
	}
	again := john
	again.IdempotencyKey = "plan 2, change 1"

	outcomes, err := store.WriteUsers(ctx, []usersync.Change{john, john, again})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, out := range outcomes {
		fmt.Println(out.ID, out.Version, out.Err, errors.Is(out.Err, usersync.ErrDuplicate))
	}
	fmt.Println(len(store.Users()), "user")
	// Output:
	// u1 1 <nil> false
	// u1 1 <nil> false
	//   userName "John" is already taken true
	// 1 user
}

func ExampleBaselines() {
	ctx := context.Background()
	baselines := memory.New().Baselines()
	for _, config := range []string{"staff", "contractors"} {
		err := baselines.Save(ctx, config, usersync.Baseline{
			RunID:   "first run of " + config,
			Members: []usersync.Member{{UserID: "u1", Name: "Jane.Doe"}},
		})
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	others, err := baselines.InOtherBaselines(ctx, "staff", []string{"u1", "u2"})
	fmt.Println(others, err)
	// Output: map[u1:contractors] <nil>
}

func ExampleMailer() {
	ctx := context.Background()
	mailer := memory.NewMailer()
	mailer.Fail("full@example.com", errors.New("mailbox full"))

	fmt.Println(mailer.SendWelcome(ctx, usersync.Welcome{Email: "jane@example.com", IdempotencyKey: "1"}))
	fmt.Println(mailer.SendWelcome(ctx, usersync.Welcome{Email: "full@example.com", IdempotencyKey: "2"}))
	for _, w := range mailer.Sent() {
		fmt.Println("sent to", w.Email)
	}
	// Output:
	// <nil>
	// mailbox full
	// sent to jane@example.com
}

func ExampleSeats() {
	store := memory.New(memory.WithUsers(usersync.User{Active: true}, usersync.User{Active: false}))
	seats, err := memory.NewSeats(store, 10).Seats(context.Background())
	fmt.Println(seats.Used, "of", seats.Limit, err)
	// Output: 1 of 10 <nil>
}

func ExampleSeatsFunc() {
	license := memory.SeatsFunc(func(context.Context) (usersync.Seats, error) {
		return usersync.Seats{Limit: 500, Used: 120}, nil
	})
	seats, err := license.Seats(context.Background())
	fmt.Println(seats.Limit-seats.Used, "free", err)
	// Output: 380 free <nil>
}

func ExampleReferences() {
	ctx := context.Background()
	groups := memory.NewReferences()
	groups.Put("group", "Sales", "Night Shift")
	found, err := groups.FindReferences(ctx, "group", []string{"night shift", "weekend"})
	fmt.Printf("%q %v\n", found, err)
	fmt.Println(groups.CreateReferences(ctx, "group", []string{"Weekend", "SALES"}))
	fmt.Printf("%q\n", groups.Names("group"))
	// Output:
	// ["Night Shift"] <nil>
	// <nil>
	// ["Night Shift" "Sales" "Weekend"]
}
