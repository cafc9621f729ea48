// Package seats counts the seats of a license: with a limit for all users or for each of several named pools,
// against the active users as a function of the product's or a query counts them. A Book besides sets seats
// aside, so that a run of usersync and the product's own sign-ups never take the same one; that is for one
// process, and sqlstore.SeatBook for several.
package seats

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/usersync-go/usersync"
)

var (
	_ usersync.LicenseChecker = (*License)(nil)
	_ usersync.SeatPools      = (*License)(nil)
)

// Limits are how many seats there are. Negative means no limit.
type Limits struct {
	Total int            // for all users
	Pools map[string]int // for those of each pool; nil for a license without pools
}

// Count is how many seats are used: one by each active user, and one of each pool that the user is in.
type Count struct {
	Total int
	Pools map[string]int // what is no pool of the license does not matter
}

// CountFunc counts the seats that are used now. It must not keep its answers, and is called concurrently.
type CountFunc func(ctx context.Context) (Count, error)

// License is a usersync.LicenseChecker with fixed limits, and with pools a usersync.SeatPools. It may be used
// by several goroutines at once.
type License struct {
	field string
	count CountFunc

	mu     sync.Mutex
	limits Limits
}

// New makes a license with one limit for all users, negative for none. used counts the active ones.
func New(limit int, used func(ctx context.Context) (int, error)) *License {
	return NewPools("", Limits{Total: limit}, func(ctx context.Context) (Count, error) {
		n, err := used(ctx)
		return Count{Total: n}, err
	})
}

// NewPools makes a license with pools. The values of the field, a list or not, name the pools of a user; names
// are compared by usersync.Fold.
func NewPools(field string, limits Limits, used CountFunc) *License {
	l := &License{field: field, count: used}
	l.SetLimits(limits)
	return l
}

// SetLimits changes how many seats there are. What is promised by then stays so.
func (l *License) SetLimits(limits Limits) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limits = Limits{Total: limits.Total, Pools: maps.Clone(limits.Pools)}
}

// Seats counts anew at each call.
func (l *License) Seats(ctx context.Context) (usersync.Seats, error) {
	now, err := l.now(ctx)
	return now[""], err
}

// PoolField is the field that NewPools was given.
func (l *License) PoolField() string { return l.field }

// Pools counts anew at each call.
func (l *License) Pools(ctx context.Context) (map[string]usersync.Seats, error) {
	now, err := l.now(ctx)
	delete(now, "")
	return now, err
}

func (l *License) now(ctx context.Context) (map[string]usersync.Seats, error) {
	used, err := l.count(ctx)
	if err := errors.Join(err, ctx.Err()); err != nil {
		return nil, fmt.Errorf("counting the seats that are used: %w", err)
	}
	return l.standing(used), nil
}

// standing gives the seats of each pool, "" being the license as a whole.
func (l *License) standing(used Count) map[string]usersync.Seats {
	l.mu.Lock()
	defer l.mu.Unlock()
	folded := map[string]int{}
	for pool, n := range used.Pools {
		folded[usersync.Fold(pool)] += n
	}
	out := map[string]usersync.Seats{"": {Limit: l.limits.Total, Used: used.Total}}
	for pool, limit := range l.limits.Pools {
		out[pool] = usersync.Seats{Limit: limit, Used: folded[usersync.Fold(pool)]}
	}
	return out
}

// Holds are what is set aside for each holder.
type Holds map[string][]usersync.SeatHold

// of is what is set aside for a holder of a pool, the zero hold for nothing.
func (h Holds) of(holder, pool string) usersync.SeatHold {
	for _, hold := range h[holder] {
		if usersync.Fold(hold.Pool) == usersync.Fold(pool) {
			return hold
		}
	}
	return usersync.SeatHold{}
}

// others is what is set aside of a pool for everybody but a holder.
func (h Holds) others(holder, pool string) int {
	n := 0
	for other := range h {
		if other != holder {
			n += h.of(other, pool).Seats
		}
	}
	return n
}

// Grant tells whether what a holder asks for can be set aside in the place of what is set aside for it now: the
// rule of usersync.SeatReserver, for those who keep a book elsewhere. It is a pure function but for the limits;
// whoever calls it makes sure that used and holds are of the same moment and do not change before the answer
// is carried out, but for users who become inactive, and those whom a holder activates with its own seats. The
// error is a *usersync.SeatsError for the first pool that is short, the license as a whole before all others.
func (l *License) Grant(used Count, holds Holds, holder string, asks []usersync.SeatHold) error {
	there := l.standing(used)
	for _, pool := range slices.Sorted(maps.Keys(there)) {
		for _, ask := range asks {
			if usersync.Fold(ask.Pool) != usersync.Fold(pool) {
				continue
			}
			free := there[pool].Limit - there[pool].Used - holds.others(holder, pool)
			if there[pool].Limit >= 0 && refused(ask, holds.of(holder, pool), free) {
				return &usersync.SeatsError{Pool: pool, Needed: ask.Seats - ask.Freeing, Available: free}
			}
		}
	}
	return nil
}

// GrantOne is Grant for one user who is to become active, of those pools, and for whom nothing is set aside.
func (l *License) GrantOne(used Count, holds Holds, pools []string) error {
	asks := []usersync.SeatHold{{Seats: 1}}
	for _, pool := range pools {
		asks = append(asks, usersync.SeatHold{Pool: pool, Seats: 1})
	}
	err := l.Grant(used, holds, "", asks)
	var short *usersync.SeatsError
	if errors.As(err, &short) {
		short.Taker = "the new user"
	}
	return err
}

// refused tells that there are not enough free seats for what is asked. What is promised by now is not refused.
func refused(ask, had usersync.SeatHold, free int) bool {
	promised := ask.Seats <= had.Seats && ask.Seats-ask.Freeing <= had.Seats-had.Freeing
	return ask.Seats > 0 && !promised && ask.Seats-ask.Freeing > free
}

// Queryer is a *sql.DB, a *sql.Conn or a *sql.Tx.
type Queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Queries count active users in a SQL database.
type Queries struct {
	Total string // gives one number: SELECT COUNT(*) FROM users WHERE active
	// Pools gives a name and a number in each row, "" for a license without pools:
	// SELECT product, COUNT(*) FROM users WHERE active GROUP BY product. A user of several pools counts
	// in each of them, once. NULL is no pool.
	Pools string
	Args  []any // parameters of each of the queries, such as whose users are counted
}

// On makes a CountFunc of the queries.
func (q Queries) On(db Queryer) CountFunc {
	return func(ctx context.Context) (Count, error) { return q.Count(ctx, db) }
}

// Count counts once. In a transaction it counts what that one sees.
func (q Queries) Count(ctx context.Context, db Queryer) (Count, error) {
	var c Count
	lines := 0
	err := q.each(ctx, db, q.Total, func(rows *sql.Rows) error {
		lines++
		return rows.Scan(&c.Total)
	})
	if err == nil && lines != 1 {
		err = fmt.Errorf("the query for the total gave %d rows instead of one: %s", lines, q.Total)
	}
	if err != nil || q.Pools == "" {
		return c, err
	}
	c.Pools = map[string]int{}
	return c, q.each(ctx, db, q.Pools, func(rows *sql.Rows) error {
		var name sql.NullString
		var n int
		err := rows.Scan(&name, &n)
		c.Pools[name.String] += n
		return err
	})
}

// each runs a query.
func (q Queries) each(ctx context.Context, db Queryer, query string, use func(*sql.Rows) error) (err error) {
	rows, err := db.QueryContext(ctx, query, q.Args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := use(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
