package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/passwordlink"
)

// AddToken stores a token without a hold: that of a user is the latest of all tokens, so that one which is added
// while others are held changes nothing.
func (s *State) AddToken(ctx context.Context, t passwordlink.Token) error {
	err := s.dialect.persistently(ctx, func() error {
		return s.bound("INSERT INTO {tokens} (tenant, hash, user_id, created, expires, held) VALUES (?, ?, ?, ?, ?, 0)",
			s.tenant, t.Hash, t.UserID, millis(t.Created), millis(t.Expires)).exec(ctx, s.db)
	})
	if s.dialect.isDuplicate(err) {
		err = usersync.ErrDuplicate
	}
	return told("storing a token", err)
}

// FindToken looks at the other tokens of the user in the same statement.
func (s *State) FindToken(ctx context.Context, hash string) (passwordlink.Token, error) {
	t := passwordlink.Token{Hash: hash}
	var created, expires, held int64
	found, err := s.bound("SELECT t.user_id, t.created, t.expires, (SELECT MAX(o.held) FROM {tokens} o WHERE o.tenant = t.tenant "+
		"AND o.user_id = t.user_id) FROM {tokens} t WHERE t.tenant = ? AND t.hash = ?", s.tenant, hash).
		one(ctx, s.db, &t.UserID, &created, &expires, &held)
	switch {
	case err != nil:
		return passwordlink.Token{}, told("finding a token", err)
	case !found:
		return passwordlink.Token{}, usersync.ErrNotFound
	}
	t.Created, t.Expires, t.HeldUntil = moment(created), moment(expires), moment(held)
	return t, nil
}

// moment is the time that millis has made a number of.
func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// HoldTokens compares under a lock, and sets all tokens: any two calls for a user meet at one that both of them see,
// although tokens are added meanwhile.
func (s *State) HoldTokens(ctx context.Context, hash string, from, to time.Time) error {
	return told("holding tokens", s.change(ctx, func(tx *sql.Tx) error {
		userID, err := s.lockTokens(ctx, tx, hash, from)
		if err != nil {
			return err
		}
		return s.bound("UPDATE {tokens} SET held = ? WHERE tenant = ? AND user_id = ?", millis(to), s.tenant, userID).exec(ctx, tx)
	}))
}

// lockTokens locks all tokens of the user whose token has that hash, and compares the user's hold.
func (s *State) lockTokens(ctx context.Context, tx *sql.Tx, hash string, held time.Time) (userID string, err error) {
	found, err := s.bound("SELECT user_id FROM {tokens} WHERE tenant = ? AND hash = ?", s.tenant, hash).one(ctx, tx, &userID)
	if err != nil {
		return "", err
	}
	if !found {
		return "", usersync.ErrNotFound
	}
	hashes, latest, err := s.locked(ctx, tx, userID)
	switch {
	case err != nil:
		return "", err
	case !slices.Contains(hashes, hash): // gone while we waited for the lock
		return "", usersync.ErrNotFound
	case latest != millis(held):
		return "", fmt.Errorf("%w: a token of the user", usersync.ErrEdited)
	}
	return userID, nil
}

// locked locks the tokens of a user, in an order that is the same for all, and gives their hashes and the latest hold.
func (s *State) locked(ctx context.Context, tx *sql.Tx, userID string) (hashes []string, latest int64, err error) {
	st := s.bound("SELECT hash, held FROM {tokens} WHERE tenant = ? AND user_id = ? ORDER BY hash"+s.dialect.locking(), s.tenant, userID)
	rows, err := tx.QueryContext(ctx, st.text.String(), st.args...)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var hash string
		var held int64
		if err := rows.Scan(&hash, &held); err != nil {
			return nil, 0, err
		}
		hashes, latest = append(hashes, hash), max(latest, held)
	}
	return hashes, latest, rows.Err()
}

// DeleteTokens counts what the database says that it has removed.
func (s *State) DeleteTokens(ctx context.Context, q passwordlink.TokenQuery) (removed int, err error) {
	if err := q.Validate(); err != nil {
		return 0, told("removing tokens", err)
	}
	err = s.change(ctx, func(tx *sql.Tx) (err error) {
		if q.Hash != "" {
			if q.UserID, err = s.lockTokens(ctx, tx, q.Hash, q.HeldUntil); err != nil {
				return err
			}
		}
		st := s.bound("DELETE FROM {tokens} WHERE tenant = ? AND user_id = ?", s.tenant, q.UserID)
		if !q.ExpiredBefore.IsZero() {
			st = s.bound("DELETE FROM {tokens} WHERE tenant = ? AND expires < ?", s.tenant, millis(q.ExpiredBefore))
		}
		removed, err = st.affected(ctx, tx)
		return err
	})
	if err != nil {
		return 0, told("removing tokens", err)
	}
	return removed, nil
}

// affected runs a statement and says how many rows it changed.
func (st *statement) affected(ctx context.Context, q queryer) (int, error) {
	done, err := q.ExecContext(ctx, st.text.String(), st.args...)
	if err != nil {
		return 0, err
	}
	n, err := done.RowsAffected()
	return int(n), err
}
