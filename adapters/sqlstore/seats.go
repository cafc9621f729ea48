package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/seats"
)

var (
	_ usersync.SeatReserver = (*SeatBook)(nil)
	_ usersync.SeatPools    = (*SeatBook)(nil)
)

// SeatBook is a license that sets seats aside in a table of a State, so that runs of usersync and the product's
// own sign-ups, in however many processes, never take the same one. As long as all who make users active do it
// in a run, or in a transaction with Claim, there are never more than the limits. Users and state must be in
// one database. It may be used by several goroutines at once.
type SeatBook struct {
	*seats.License
	state   *State
	queries seats.Queries
}

// NewSeatBook makes a book. field names the pools of a user, "" for a license without pools; the queries count
// the tenant's active users in the database of the state.
func NewSeatBook(state *State, field string, limits seats.Limits, queries seats.Queries) *SeatBook {
	return &SeatBook{License: seats.NewPools(field, limits, queries.On(state.db)), state: state, queries: queries}
}

// ReserveSeats waits for the transactions with a claim that are under way.
func (b *SeatBook) ReserveSeats(ctx context.Context, holder string, asks []usersync.SeatHold, ttl time.Duration) error {
	return told("setting seats aside", b.state.change(ctx, func(tx *sql.Tx) error {
		if err := b.lock(ctx, tx); err != nil {
			return err
		}
		if len(asks) > 0 {
			used, holds, err := b.look(ctx, tx)
			if err == nil {
				err = b.Grant(used, holds, holder, asks)
			}
			if err != nil {
				return err
			}
		}
		return b.put(ctx, tx, holder, asks, ttl)
	}))
}

// put replaces what is set aside for a holder, and removes what has run out.
func (b *SeatBook) put(ctx context.Context, tx *sql.Tx, holder string, asks []usersync.SeatHold, ttl time.Duration) error {
	now := b.state.dialect.now()
	err := b.state.bound("DELETE FROM {seats} WHERE tenant = ? AND holder <> '' AND (holder = ? OR until_ms <= "+now+")",
		b.state.tenant, holder).exec(ctx, tx)
	for _, ask := range asks {
		if err != nil {
			return err
		}
		err = b.state.bound("INSERT INTO {seats} (tenant, holder, pool, seats, freeing, until_ms) VALUES (?, ?, ?, ?, ?, "+now+" + ?)",
			b.state.tenant, holder, ask.Pool, ask.Seats, ask.Freeing, ttl.Milliseconds()).exec(ctx, tx)
	}
	return err
}

// Claim takes a seat for one user, of those pools, whom the transaction then makes active and commits. Whoever
// else takes a seat waits until the transaction ends; so claim late, and end soon. For several users, claim and
// make one active after the other. The error is a *usersync.SeatsError where there is no seat; nothing was
// changed then, but the transaction has to end all the same.
//
// Where the isolation is repeatable read, as it is in MySQL unless another is asked for, a transaction does not
// see what others have committed since it has first read. Claim before anything is read in it: otherwise the
// error may say that it was too late, or be one of the database's own. Such a transaction can be done again.
func (b *SeatBook) Claim(ctx context.Context, tx *sql.Tx, pools ...string) error {
	err := b.lock(ctx, tx)
	if err != nil {
		return told("claiming a seat", err)
	}
	used, holds, err := b.look(ctx, tx)
	if err == nil {
		err = b.GrantOne(used, holds, pools)
	}
	return told("claiming a seat", err)
}

// lockRow is what everybody locks who takes a seat.
const lockRow = " WHERE tenant = ? AND holder = '' AND pool = ''"

// lock makes all others wait who take seats, until the transaction ends, and sees that it sees what they have done.
func (b *SeatBook) lock(ctx context.Context, tx *sql.Tx) error {
	if err := b.checkSight(ctx, tx); err != nil {
		return err
	}
	for range 2 {
		st := b.state.bound("UPDATE {seats} SET seats = seats + 1"+lockRow, b.state.tenant)
		result, err := tx.ExecContext(ctx, st.text.String(), st.args...)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n > 0 {
			return err
		}
		if err := b.makeLockRow(ctx, tx); err != nil {
			return err
		}
	}
	return errors.New("the row that is to be locked is not there")
}

// makeLockRow makes the row for the first who takes a seat of the tenant.
func (b *SeatBook) makeLockRow(ctx context.Context, tx *sql.Tx) error {
	insert, ignore := "INSERT INTO ", " ON CONFLICT DO NOTHING"
	if b.state.dialect == MySQL {
		insert, ignore = "INSERT IGNORE INTO ", ""
	}
	return b.state.bound(insert+"{seats} (tenant, holder, pool, seats, freeing, until_ms) VALUES (?, '', '', 0, 0, 0)"+ignore,
		b.state.tenant).exec(ctx, tx)
}

// checkSight compares the row as it is with the row as the transaction sees it. Everybody who takes a seat counts
// it up before, and a run again afterwards: where both are the same, the transaction sees every seat that is
// taken.
func (b *SeatBook) checkSight(ctx context.Context, tx *sql.Tx) error {
	if b.state.dialect == SQLite {
		return nil // a transaction that sees the past cannot write
	}
	var latest, seen int64
	read := "SELECT seats FROM {seats}" + lockRow
	if _, err := b.state.bound(read+b.state.dialect.locking(), b.state.tenant).one(ctx, tx, &latest); err != nil {
		return err
	}
	if _, err := b.state.bound(read, b.state.tenant).one(ctx, tx, &seen); err != nil {
		return err
	}
	if seen != latest {
		return errors.New("the transaction has read before it claims, and does not see what others have done since: claim first")
	}
	return nil
}

// look counts what is used and what is set aside.
func (b *SeatBook) look(ctx context.Context, tx *sql.Tx) (seats.Count, seats.Holds, error) {
	used, err := b.queries.Count(ctx, tx)
	if err != nil {
		return used, nil, fmt.Errorf("counting the seats that are used: %w", err)
	}
	holds, err := b.holds(ctx, tx)
	return used, holds, err
}

// holds are what is set aside and has not run out.
func (b *SeatBook) holds(ctx context.Context, tx *sql.Tx) (_ seats.Holds, err error) {
	st := b.state.bound("SELECT holder, pool, seats, freeing FROM {seats} WHERE tenant = ? AND holder <> '' AND until_ms > "+
		b.state.dialect.now(), b.state.tenant)
	rows, err := tx.QueryContext(ctx, st.text.String(), st.args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	out := seats.Holds{}
	for rows.Next() {
		var holder string
		var hold usersync.SeatHold
		if err := rows.Scan(&holder, &hold.Pool, &hold.Seats, &hold.Freeing); err != nil {
			return nil, err
		}
		out[holder] = append(out[holder], hold)
	}
	return out, rows.Err()
}
