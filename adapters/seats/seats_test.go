package seats_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/seats"
	"github.com/usersync-go/usersync/usersynctest"
)

// counted is a count that a test sets.
type counted struct{ seats.Count }

func (c *counted) now(context.Context) (seats.Count, error) { return c.Count, nil }

func TestLicense(t *testing.T) {
	usersynctest.TestLicenseChecker(t, func(*testing.T) (usersync.LicenseChecker, func(int)) {
		var c counted
		return seats.New(5, func(context.Context) (int, error) { return c.Total, nil }), func(used int) { c.Total = used }
	})
}

func TestBook(t *testing.T) {
	usersynctest.TestLicenseChecker(t, func(*testing.T) (usersync.LicenseChecker, func(int)) {
		var c counted
		limits := seats.Limits{Total: 5, Pools: map[string]int{"Alpha": 2, "Beta": 0, "Gamma": -1}}
		return seats.NewBook(seats.NewPools("products", limits, c.now)), func(used int) { c.Total = used }
	})
}

// A1: pools are those of the limits, by folded name, however they are counted.
func TestPools(t *testing.T) {
	c := counted{seats.Count{Total: 4, Pools: map[string]int{"ALPHA": 1, "alpha ": 2, "other": 7}}}
	l := seats.NewPools("products", seats.Limits{Total: -1, Pools: map[string]int{"Alpha": 5, "Beta": 1}}, c.now)
	pools, err := l.Pools(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]usersync.Seats{"Alpha": {Limit: 5, Used: 3}, "Beta": {Limit: 1}}, pools)
	total, err := l.Seats(t.Context())
	require.NoError(t, err)
	require.Equal(t, usersync.Seats{Limit: -1, Used: 4}, total)
	l.SetLimits(seats.Limits{Total: 9})
	pools, err = l.Pools(t.Context())
	require.NoError(t, err)
	require.Empty(t, pools)
}

// A1: a claim is refused with both numbers, and calls nothing then.
func TestClaim(t *testing.T) {
	c := counted{seats.Count{Total: 1, Pools: map[string]int{"Alpha": 1}}}
	book := seats.NewBook(seats.NewPools("products", seats.Limits{Total: 4, Pools: map[string]int{"Alpha": 2}}, c.now))
	signUp := func(pools ...string) error {
		return book.Claim(t.Context(), func(context.Context) error {
			c.Total++
			for _, p := range pools {
				c.Pools[p]++
			}
			return nil
		}, pools...)
	}
	require.NoError(t, signUp("Alpha"))
	require.Equal(t, &usersync.SeatsError{Pool: "Alpha", Needed: 1, Taker: "the new user"}, signUp("Alpha"))
	require.NoError(t, signUp("unknown"), "what is no pool has no limit")
	require.NoError(t, book.ReserveSeats(t.Context(), "run-1", []usersync.SeatHold{{Seats: 1}}, time.Hour))
	require.Equal(t, &usersync.SeatsError{Needed: 1, Taker: "the new user"}, signUp())
	require.NoError(t, book.ReserveSeats(t.Context(), "run-1", nil, time.Hour))
	failure := errors.New("the mail address is taken")
	require.ErrorIs(t, book.Claim(t.Context(), func(context.Context) error { return failure }), failure)
	require.NoError(t, signUp())
	require.ErrorIs(t, signUp(), usersync.ErrSeats)
}

// A claim that waits gives up when its context is done, and one that panics lets the next in.
func TestClaimWaits(t *testing.T) {
	var c counted
	book := seats.NewBook(seats.NewPools("", seats.Limits{Total: 1}, c.now))
	require.NoError(t, book.Claim(t.Context(), func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		require.ErrorIs(t, book.ReserveSeats(ctx, "run-1", nil, time.Hour), context.DeadlineExceeded)
		return nil
	}))
	require.Panics(t, func() { _ = book.Claim(t.Context(), func(context.Context) error { panic("no") }) })
	require.NoError(t, book.Claim(t.Context(), func(context.Context) error { return nil }))
}
