package usersynctest

import (
	"context"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/seats"
)

// bookOnTrial is a book with faults: each function that is not nil stands in for a method.
type bookOnTrial struct {
	*seats.Book
	reserve func(b *seats.Book, ctx context.Context, holder string, asks []usersync.SeatHold, ttl time.Duration) error
	seats   func(b *seats.Book, ctx context.Context) (usersync.Seats, error)
	pools   func(b *seats.Book, ctx context.Context) (map[string]usersync.Seats, error)
}

func (b *bookOnTrial) ReserveSeats(ctx context.Context, holder string, asks []usersync.SeatHold, ttl time.Duration) error {
	if b.reserve == nil {
		return b.Book.ReserveSeats(ctx, holder, asks, ttl)
	}
	return b.reserve(b.Book, ctx, holder, asks, ttl)
}

func (b *bookOnTrial) Seats(ctx context.Context) (usersync.Seats, error) {
	if b.seats == nil {
		return b.Book.Seats(ctx)
	}
	return b.seats(b.Book, ctx)
}

func (b *bookOnTrial) Pools(ctx context.Context) (map[string]usersync.Seats, error) {
	if b.pools == nil {
		return b.Book.Pools(ctx)
	}
	return b.pools(b.Book, ctx)
}

// booked puts a book on trial, with what make has done to it. countsUsed tells whether the book counts.
func booked(make func(b *bookOnTrial)) func(trial) *license {
	return func(tr trial) *license {
		used := 0
		count := func(context.Context) (seats.Count, error) { return seats.Count{Total: used}, nil }
		b := &bookOnTrial{Book: seats.NewBook(seats.NewPools("products",
			seats.Limits{Total: seatLimit, Pools: map[string]int{"Alpha": 2, "Beta": -1}}, count))}
		make(b)
		return &license{trial: tr, checker: b, use: func(n int) { used = n }}
	}
}

// reserving breaks ReserveSeats.
func reserving(reserve func(b *seats.Book, ctx context.Context, holder string, asks []usersync.SeatHold, ttl time.Duration) error) func(trial) *license {
	return booked(func(b *bookOnTrial) { b.reserve = reserve })
}

// soundLicense is a license that is able to do everything.
func soundLicense() func(trial) *license { return booked(func(*bookOnTrial) {}) }

func reserveDefects() []defect[*license] {
	return []defect[*license]{
		{"nothing is set aside", []string{"Reserve/sets aside", "Reserve/runs out", "Reserve/all or nothing", "Reserve/concurrent", "Pools/are set aside"},
			reserving(func(*seats.Book, context.Context, string, []usersync.SeatHold, time.Duration) error { return nil })},
		{"the error has no numbers", []string{"Reserve/sets aside"},
			reserving(func(b *seats.Book, ctx context.Context, holder string, asks []usersync.SeatHold, ttl time.Duration) error {
				if b.ReserveSeats(ctx, holder, asks, ttl) != nil {
					return usersync.ErrSeats
				}
				return nil
			})},
		{"used seats are set aside", []string{"Reserve/used seats", "Reserve/not freed"}, booked(func(b *bookOnTrial) {
			blind := seats.NewBook(seats.New(seatLimit, func(context.Context) (int, error) { return 0, nil }))
			b.reserve = func(_ *seats.Book, ctx context.Context, holder string, asks []usersync.SeatHold, ttl time.Duration) error {
				return blind.ReserveSeats(ctx, holder, asks, ttl)
			}
		})},
		{"every call adds", []string{"Reserve/replaces", "Reserve/lets go", "Reserve/less always succeeds"}, everyCallAdds()},
		{"everybody's seats are let go", []string{"Reserve/lets go"}, lettingAllGo()},
		{"an error lets go", []string{"Reserve/all or nothing"},
			reserving(func(b *seats.Book, ctx context.Context, holder string, asks []usersync.SeatHold, ttl time.Duration) error {
				err := b.ReserveSeats(ctx, holder, asks, ttl)
				if err != nil {
					_ = b.ReserveSeats(ctx, holder, nil, ttl)
				}
				return err
			})},
		{"nothing is promised", []string{"Reserve/less always succeeds"},
			reserving(func(b *seats.Book, ctx context.Context, holder string, asks []usersync.SeatHold, ttl time.Duration) error {
				_ = b.ReserveSeats(ctx, holder, nil, ttl)
				return b.ReserveSeats(ctx, holder, asks, ttl)
			})},
		{"seats that are to be freed are free for all", []string{"Reserve/freeing"},
			reserving(func(b *seats.Book, ctx context.Context, holder string, asks []usersync.SeatHold, ttl time.Duration) error {
				for i := range asks {
					asks[i].Seats, asks[i].Freeing = asks[i].Seats-asks[i].Freeing, 0
				}
				return b.ReserveSeats(ctx, holder, asks, ttl)
			})},
		{"what was to be freed counts as freed", []string{"Reserve/not freed"},
			reserving(func(b *seats.Book, ctx context.Context, holder string, asks []usersync.SeatHold, ttl time.Duration) error {
				for i := range asks {
					asks[i].Freeing = 2
				}
				return b.ReserveSeats(ctx, holder, asks, ttl)
			})},
		{"for ever", []string{"Reserve/runs out"},
			reserving(func(b *seats.Book, ctx context.Context, holder string, asks []usersync.SeatHold, _ time.Duration) error {
				return b.ReserveSeats(ctx, holder, asks, time.Hour)
			})},
		{"what is set aside counts as used", []string{"Reserve/is not used"}, countingHolds()},
		{"an interrupted call is a good one", []string{"Reserve/cancelled"},
			reserving(func(b *seats.Book, ctx context.Context, holder string, asks []usersync.SeatHold, ttl time.Duration) error {
				if ctx.Err() != nil {
					return nil
				}
				return b.ReserveSeats(ctx, holder, asks, ttl)
			})},
		{"looks and then takes", []string{"Reserve/concurrent"}, lookingThenTaking()},
		{"a pool twice", []string{"Pools/answers"}, booked(func(b *bookOnTrial) {
			b.pools = func(b *seats.Book, ctx context.Context) (map[string]usersync.Seats, error) {
				pools, err := b.Pools(ctx)
				pools = maps.Clone(pools)
				pools["ALPHA"] = pools["Alpha"]
				return pools, err
			}
		})},
		{"pools are not told apart", []string{"Pools/are set aside"},
			reserving(func(b *seats.Book, ctx context.Context, holder string, asks []usersync.SeatHold, ttl time.Duration) error {
				for i := range asks {
					asks[i].Pool = ""
				}
				return b.ReserveSeats(ctx, holder, asks, ttl)
			})},
	}
}

// everyCallAdds gives every call a holder of its own.
func everyCallAdds() func(trial) *license {
	return booked(func(b *bookOnTrial) {
		calls := ""
		b.reserve = func(b *seats.Book, ctx context.Context, holder string, asks []usersync.SeatHold, ttl time.Duration) error {
			calls += "again"
			return b.ReserveSeats(ctx, holder+calls, asks, ttl)
		}
	})
}

// lettingAllGo lets the seats of all go where one lets go.
func lettingAllGo() func(trial) *license {
	return booked(func(b *bookOnTrial) {
		holders := map[string]bool{}
		b.reserve = func(b *seats.Book, ctx context.Context, holder string, asks []usersync.SeatHold, ttl time.Duration) error {
			holders[holder] = true
			for other := range holders {
				if len(asks) == 0 {
					_ = b.ReserveSeats(ctx, other, nil, ttl)
				}
			}
			return b.ReserveSeats(ctx, holder, asks, ttl)
		}
	})
}

// countingHolds counts as used what is set aside.
func countingHolds() func(trial) *license {
	return booked(func(b *bookOnTrial) {
		held := 0
		b.reserve = func(b *seats.Book, ctx context.Context, holder string, asks []usersync.SeatHold, ttl time.Duration) error {
			held = asks[0].Seats
			return b.ReserveSeats(ctx, holder, asks, ttl)
		}
		b.seats = func(b *seats.Book, ctx context.Context) (usersync.Seats, error) {
			s, err := b.Seats(ctx)
			s.Used += held
			return s, err
		}
	})
}

// lookingThenTaking looks whether there are seats in one step and takes them in another.
func lookingThenTaking() func(trial) *license {
	return booked(func(b *bookOnTrial) {
		var mu sync.Mutex
		held := 0
		b.reserve = func(_ *seats.Book, _ context.Context, _ string, asks []usersync.SeatHold, _ time.Duration) error {
			mu.Lock()
			enough := held+asks[0].Seats <= seatLimit
			mu.Unlock()
			time.Sleep(20 * time.Millisecond)
			if !enough {
				return &usersync.SeatsError{Needed: asks[0].Seats}
			}
			mu.Lock()
			defer mu.Unlock()
			held += asks[0].Seats
			return nil
		}
	})
}

// The wrapper is able to do what the license is able to do, and nothing else.
func TestFaultsForwardLicenses(t *testing.T) {
	counts := seats.New(3, func(context.Context) (int, error) { return 1, nil })
	all := seats.NewBook(seats.NewPools("products", seats.Limits{Total: -1, Pools: map[string]int{"Alpha": 1}},
		func(context.Context) (seats.Count, error) { return seats.Count{}, nil }))
	for _, tt := range []struct {
		name              string
		checker           usersync.LicenseChecker
		reserves, divides bool
	}{
		{"counts", struct{ usersync.LicenseChecker }{counts}, false, false},
		{"reserves", struct{ usersync.SeatReserver }{all}, true, false},
		{"divides", struct{ usersync.SeatPools }{all}, false, true},
		{"all", all, true, true},
	} {
		f := FailNth(0, ErrorBefore)
		wrapped := f.License(tt.checker)
		_, reserves := wrapped.(usersync.SeatReserver)
		pools, divides := wrapped.(usersync.SeatPools)
		if reserves != tt.reserves || divides != tt.divides {
			t.Errorf("%s: reserves %t, divides %t", tt.name, reserves, divides)
		}
		if divides && pools.PoolField() != "products" {
			t.Errorf("%s: the field is %q", tt.name, pools.PoolField())
		}
	}
	passes(t, licenseChecks(), func(tr trial) *license {
		l := soundLicense()(tr)
		l.checker = FailNth(0, ErrorBefore).License(l.checker)
		return l
	})
}
