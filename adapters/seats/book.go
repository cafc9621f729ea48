package seats

import (
	"context"
	"slices"
	"time"

	"github.com/usersync-go/usersync"
)

var (
	_ usersync.SeatReserver = (*Book)(nil)
	_ usersync.SeatPools    = (*Book)(nil)
)

// Book is a License that sets seats aside, in the memory of this process. As long as all who make users active
// do it in this process, and either in a run of usersync or in Claim, there are never more than the limits. It
// may be used by several goroutines at once.
type Book struct {
	*License
	now   func() time.Time
	turn  chan struct{} // held by who looks and takes
	holds map[string]held
}

// held is what is set aside for a holder.
type held struct {
	seats []usersync.SeatHold
	until time.Time
}

// NewBook makes a book for a license.
func NewBook(l *License) *Book {
	return &Book{License: l, now: time.Now, turn: make(chan struct{}, 1), holds: map[string]held{}}
}

// ReserveSeats waits for the claim that is under way.
func (b *Book) ReserveSeats(ctx context.Context, holder string, asks []usersync.SeatHold, ttl time.Duration) error {
	if err := b.enter(ctx); err != nil {
		return err
	}
	defer b.leave()
	if len(asks) == 0 {
		delete(b.holds, holder)
		return nil
	}
	used, holds, err := b.look(ctx)
	if err != nil {
		return err
	}
	if err := b.Grant(used, holds, holder, asks); err != nil {
		return err
	}
	b.holds[holder] = held{slices.Clone(asks), b.now().Add(ttl)}
	return nil
}

// Claim calls do, which makes one user active who was not, of those pools, if there is a seat for the user. Nobody
// else takes a seat until do has returned; by then the user must be counted. The error is that of do, or a
// *usersync.SeatsError, in which case do was not called. do must not call the book.
func (b *Book) Claim(ctx context.Context, do func(ctx context.Context) error, pools ...string) error {
	if err := b.enter(ctx); err != nil {
		return err
	}
	defer b.leave()
	used, holds, err := b.look(ctx)
	if err != nil {
		return err
	}
	if err := b.GrantOne(used, holds, pools); err != nil {
		return err
	}
	return do(ctx)
}

// look counts what is used and what is set aside, without what has run out.
func (b *Book) look(ctx context.Context) (Count, Holds, error) {
	used, err := b.count(ctx)
	now, holds := b.now(), Holds{}
	for other, h := range b.holds {
		if !h.until.After(now) {
			delete(b.holds, other)
			continue
		}
		holds[other] = h.seats
	}
	return used, holds, err
}

// enter waits until nobody else is in the book.
func (b *Book) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case b.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *Book) leave() { <-b.turn }
