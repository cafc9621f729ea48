package seats_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
	"github.com/usersync-go/usersync/adapters/seats"
)

// active counts the users of a store who are active.
func active(store *memory.Store) func(context.Context) (int, error) {
	return func(context.Context) (int, error) {
		n := 0
		for _, u := range store.Users() {
			if u.Active {
				n++
			}
		}
		return n, nil
	}
}

// One limit for all users. The plan says what is missing, and Apply asks again before every batch.
func ExampleNew() {
	store := memory.New()
	eng, err := usersync.New(store, store.Baselines(), usersync.WithLicense(seats.New(2, active(store))))
	if err != nil {
		fmt.Println(err)
		return
	}
	file := usersync.CSV(strings.NewReader("userName,email,firstName,lastName\n" +
		"ann,ann@example.com,Ann,Lee\nbob,bob@example.com,Bob,Ray\ncid,cid@example.com,Cid,Fox\n"))
	plan, err := eng.Preview(context.Background(), usersync.DefaultConfig("staff"), file)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(plan.Blocks())
	// Output:
	// [usersync: not enough seats: the file needs 3 and 2 are free: get more seats, or free some first]
}

// A limit for each of several products. Users name theirs in a field.
func ExampleNewPools() {
	license := seats.NewPools("products", seats.Limits{Total: -1, Pools: map[string]int{"Draw": 10, "Write": 3}},
		func(context.Context) (seats.Count, error) {
			return seats.Count{Total: 9, Pools: map[string]int{"draw": 8, "write": 3}}, nil
		})
	pools, err := license.Pools(context.Background())
	fmt.Println(license.PoolField(), pools["Draw"], pools["Write"], err)
	// Output:
	// products {10 8} {3 3} <nil>
}

// A book keeps runs and the product's own sign-ups from taking the same seat.
func ExampleBook() {
	ctx, store := context.Background(), memory.New()
	book := seats.NewBook(seats.New(2, active(store)))
	signUp := func(name string) error {
		return book.Claim(ctx, func(context.Context) error {
			store.Put(usersync.User{Active: true, Values: usersync.ValuesOf(map[string]string{"userName": name})})
			return nil
		})
	}
	fmt.Println(signUp("ann"))
	// A run does this for itself.
	fmt.Println(book.ReserveSeats(ctx, "run-1", []usersync.SeatHold{{Seats: 1}}, time.Minute))
	fmt.Println(signUp("bob"))
	fmt.Println(book.ReserveSeats(ctx, "run-1", nil, 0))
	fmt.Println(signUp("bob"))
	// Output:
	// <nil>
	// <nil>
	// usersync: not enough seats: the new user needs 1 and 0 are free: get more seats, or free some first
	// <nil>
	// <nil>
}
