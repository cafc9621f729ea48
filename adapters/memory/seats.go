package memory

import (
	"context"

	"github.com/usersync-go/usersync"
)

var (
	_ usersync.LicenseChecker = (*Seats)(nil)
	_ usersync.LicenseChecker = SeatsFunc(nil)
)

// Seats is a usersync.LicenseChecker with a fixed limit: each active user of a Store uses one seat. It
// may be used by several goroutines at once.
type Seats struct {
	store *Store
	limit int
}

// NewSeats counts the active users of store against limit; a negative limit means no limit.
func NewSeats(store *Store, limit int) *Seats { return &Seats{store: store, limit: limit} }

// Seats counts anew at each call.
func (s *Seats) Seats(ctx context.Context) (usersync.Seats, error) {
	return usersync.Seats{Limit: s.limit, Used: s.store.active()}, ctx.Err()
}

// SeatsFunc makes a usersync.LicenseChecker of a function, which must be able to run concurrently.
type SeatsFunc func(ctx context.Context) (usersync.Seats, error)

// Seats calls the function.
func (f SeatsFunc) Seats(ctx context.Context) (usersync.Seats, error) { return f(ctx) }
