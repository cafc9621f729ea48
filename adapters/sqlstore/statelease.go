package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/usersync-go/usersync"
)

// Acquire counts tokens in the row of the configuration, which stays for ever. While another holds the lease
// it only looks.
func (s *State) Acquire(ctx context.Context, configID, runID string, ttl time.Duration) (lease usersync.Lease, err error) {
	there, _, err := s.holder(ctx, s.db, configID, "")
	if err == nil && !there {
		err = s.dialect.persistently(ctx, func() error { return s.makeLease(ctx, configID) })
	}
	if err != nil {
		return usersync.Lease{}, told("taking the lease", err)
	}
	err = s.change(ctx, func(tx *sql.Tx) error {
		_, token, err := s.holder(ctx, tx, configID, s.dialect.locking())
		if err != nil {
			return err
		}
		lease = usersync.Lease{ConfigID: configID, RunID: runID, Token: token + 1}
		return s.bound("UPDATE {leases} SET run_id = ?, token = ?, held = 1, cancel = 0, until_ms = "+s.dialect.now()+
			" + ? WHERE tenant = ? AND config_id = ?", runID, lease.Token, ttl.Milliseconds(), s.tenant, configID).exec(ctx, tx)
	})
	if err != nil {
		return usersync.Lease{}, told("taking the lease", err)
	}
	return lease, nil
}

// holder tells whether the configuration has a row and which token it has. Where somebody's lease is fresh it
// is an *usersync.InProgressError.
func (s *State) holder(ctx context.Context, q queryer, configID, locking string) (there bool, token int64, err error) {
	var runID string
	var fresh bool
	there, err = s.bound("SELECT run_id, token, held = 1 AND until_ms > "+s.dialect.now()+
		" FROM {leases} WHERE tenant = ? AND config_id = ?"+locking, s.tenant, configID).one(ctx, q, &runID, &token, &fresh)
	if err == nil && fresh {
		err = &usersync.InProgressError{RunID: runID}
	}
	return there, token, err
}

// makeLease makes the row of a configuration, unless another was faster.
func (s *State) makeLease(ctx context.Context, configID string) error {
	err := s.bound("INSERT INTO {leases} (tenant, config_id, run_id, token, until_ms, held, cancel) VALUES (?, ?, '', 0, 0, 0, 0)",
		s.tenant, configID).exec(ctx, s.db)
	if s.dialect.isDuplicate(err) {
		return nil
	}
	return err
}

// Renew tells whether Cancel was called.
func (s *State) Renew(ctx context.Context, l usersync.Lease, ttl time.Duration) (cancel bool, err error) {
	err = s.change(ctx, func(tx *sql.Tx) error {
		var asked int
		if asked, err = s.requireLease(ctx, tx, l); err != nil {
			return err
		}
		cancel = asked != 0
		return s.bound("UPDATE {leases} SET until_ms = "+s.dialect.now()+" + ? WHERE tenant = ? AND config_id = ?",
			ttl.Milliseconds(), s.tenant, l.ConfigID).exec(ctx, tx)
	})
	return cancel && err == nil, told("renewing the lease", err)
}

// requireLease locks the row of a lease that must be held, and tells whether its run is to be cancelled.
func (s *State) requireLease(ctx context.Context, tx *sql.Tx, l usersync.Lease) (cancel int, err error) {
	held, err := s.bound("SELECT cancel FROM {leases} WHERE tenant = ? AND config_id = ? AND run_id = ? AND token = ? AND held = 1"+
		s.dialect.locking(), s.tenant, l.ConfigID, l.RunID, l.Token).one(ctx, tx, &cancel)
	if err == nil && !held {
		err = usersync.ErrLeaseLost
	}
	return cancel, err
}

// Release lets the lease go, if it is held.
func (s *State) Release(ctx context.Context, l usersync.Lease) error {
	return told("letting the lease go", s.change(ctx, func(tx *sql.Tx) error { return s.letGo(ctx, tx, l) }))
}

func (s *State) letGo(ctx context.Context, tx *sql.Tx, l usersync.Lease) error {
	return s.bound("UPDATE {leases} SET held = 0 WHERE tenant = ? AND config_id = ? AND run_id = ? AND token = ?",
		s.tenant, l.ConfigID, l.RunID, l.Token).exec(ctx, tx)
}

// Cancel notes the wish for the next Renew.
func (s *State) Cancel(ctx context.Context, runID string) error {
	return told("cancelling", s.change(ctx, func(tx *sql.Tx) error {
		var config string
		found, err := s.bound("SELECT config_id FROM {leases} WHERE tenant = ? AND run_id = ? AND held = 1 AND until_ms > "+
			s.dialect.now()+s.dialect.locking(), s.tenant, runID).one(ctx, tx, &config)
		if err != nil {
			return err
		}
		if !found {
			return usersync.ErrNotFound
		}
		return s.bound("UPDATE {leases} SET cancel = 1 WHERE tenant = ? AND config_id = ?", s.tenant, config).exec(ctx, tx)
	}))
}

// told says what was being done.
func told(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("sqlstore: %s: %w", doing, err)
}
