package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/usersync-go/usersync"
)

// Append writes the entry and its mails in one transaction.
func (s *State) Append(ctx context.Context, l usersync.Lease, e usersync.JournalEntry) error {
	err := s.change(ctx, func(tx *sql.Tx) error { return s.appendEntry(ctx, tx, l, e) })
	if s.dialect.isDuplicate(err) {
		err = fmt.Errorf("entry %d is %w: %w", e.Number, usersync.ErrDuplicate, err)
		if lost := s.stillHolds(ctx, l); lost != nil { // its mails may be there of who has taken the run over
			err = lost
		}
	}
	return told("writing the journal", err)
}

// stillHolds looks whether a lease is held.
func (s *State) stillHolds(ctx context.Context, l usersync.Lease) error {
	return s.change(ctx, func(tx *sql.Tx) error {
		_, err := s.requireLease(ctx, tx, l)
		return err
	})
}

// appendEntry holds the lease's row only for a moment: whoever renews it waits for the transaction.
func (s *State) appendEntry(ctx context.Context, tx *sql.Tx, l usersync.Lease, e usersync.JournalEntry) error {
	if err := s.queue(ctx, tx, e.Number, e.Mails); err != nil {
		return err
	}
	if _, err := s.requireLease(ctx, tx, l); err != nil {
		return err
	}
	var last sql.NullInt64
	_, err := s.bound("SELECT MAX(number) FROM {journal} WHERE tenant = ? AND run_id = ?", s.tenant, l.RunID).one(ctx, tx, &last)
	if err != nil {
		return err
	}
	if last.Valid && int64(e.Number) <= last.Int64 {
		return fmt.Errorf("entry %d after %d: %w", e.Number, last.Int64, usersync.ErrDuplicate)
	}
	return s.bound("INSERT INTO {journal} (tenant, run_id, number, data) VALUES (?, ?, ?, ?)",
		s.tenant, l.RunID, e.Number, e.Data).exec(ctx, tx)
}

// Entries reads the whole journal of a run.
func (s *State) Entries(ctx context.Context, runID string) (out []usersync.JournalEntry, err error) {
	st := s.bound("SELECT number, data FROM {journal} WHERE tenant = ? AND run_id = ? ORDER BY number", s.tenant, runID)
	rows, err := s.db.QueryContext(ctx, st.text.String(), st.args...)
	if err != nil {
		return nil, told("reading the journal", err)
	}
	defer rows.Close()
	for rows.Next() {
		var e usersync.JournalEntry
		if err := rows.Scan(&e.Number, &e.Data); err != nil {
			return nil, told("reading the journal", err)
		}
		out = append(out, e)
	}
	if err := rows.Err(); err != nil {
		return nil, told("reading the journal", err)
	}
	return out, told("reading the journal", ctx.Err())
}

// Results reads what FinishRun has stored.
func (s *State) Results(ctx context.Context, runID string, first, n int) ([][]byte, error) {
	out := make([][]byte, n)
	err := s.eachPart(ctx, s.db, resultPart, runID, first, first+n, func(number int, data []byte) error {
		out[number-first] = slices.Clone(data)
		return nil
	})
	if err != nil {
		return nil, told("reading results", err)
	}
	return out, nil
}

// mailsApart is how far the positions of mails of two entries are apart, and afterEntries where those come that
// belong to none.
const (
	mailsApart   = 1_000_000
	afterEntries = 1 << 31
)

// QueueMails writes the mails in one transaction.
func (s *State) QueueMails(ctx context.Context, mails []usersync.Mail) error {
	err := s.change(ctx, func(tx *sql.Tx) error { return s.queue(ctx, tx, afterEntries, mails) })
	if s.dialect.isDuplicate(err) {
		err = fmt.Errorf("a mail is %w: %w", usersync.ErrDuplicate, err)
	}
	return told("queueing mails", err)
}

// queue writes the mails of an entry.
func (s *State) queue(ctx context.Context, tx *sql.Tx, entry int, mails []usersync.Mail) error {
	for i, some := 0, mails; len(some) > 0; i++ {
		n := min(batchRows, len(some))
		st := s.statement("INSERT INTO {mails} (tenant, mail_key, run_id, config_id, state, queued, due, position, data) VALUES ")
		for j, m := range some[:n] {
			data, err := json.Marshal(m)
			if err != nil {
				return err
			}
			st.add([]string{"", ", "}[min(j, 1)])
			st.row([]any{s.tenant, m.Key, m.RunID, m.ConfigID, string(m.State), millis(m.Queued), millis(m.Due),
				int64(entry)*mailsApart + int64(i*batchRows+j), string(data)})
		}
		if err := st.exec(ctx, tx); err != nil {
			return err
		}
		some = some[n:]
	}
	return nil
}

// Mails reads them in the order of their queue.
func (s *State) Mails(ctx context.Context, q usersync.MailQuery) (out []usersync.Mail, err error) {
	st := s.bound("SELECT data FROM {mails} WHERE tenant = ?", s.tenant)
	st.when(q.Key != "", "mail_key", q.Key)
	st.when(q.RunID != "", "run_id", q.RunID)
	st.when(q.ConfigID != "", "config_id", q.ConfigID)
	oneOf(st, "state", q.States)
	if !q.Due.IsZero() {
		st.add(" AND due <= ")
		st.bind(millis(q.Due))
	}
	st.add(" ORDER BY queued, run_id, position, mail_key")
	st.window(q.Skip, q.Limit)
	err = st.query(ctx, s.db, func(cells []sql.RawBytes) error {
		var m usersync.Mail
		err := json.Unmarshal(cells[0], &m)
		out = append(out, m)
		return err
	})
	if err != nil {
		return nil, told("reading mails", err)
	}
	return out, nil
}

// MoveMail compares the state under a lock.
func (s *State) MoveMail(ctx context.Context, m usersync.Mail, from usersync.MailState) error {
	data, err := json.Marshal(m)
	if err != nil {
		return told("storing a mail", err)
	}
	return told("storing a mail", s.change(ctx, func(tx *sql.Tx) error {
		var state string
		found, err := s.bound("SELECT state FROM {mails} WHERE tenant = ? AND mail_key = ?"+s.dialect.locking(), s.tenant, m.Key).one(ctx, tx, &state)
		switch {
		case err != nil:
			return err
		case !found:
			return usersync.ErrNotFound
		case state != string(from):
			return fmt.Errorf("%w: the mail is %s", usersync.ErrEdited, state)
		}
		return s.bound("UPDATE {mails} SET state = ?, due = ?, data = ? WHERE tenant = ? AND mail_key = ?",
			string(m.State), millis(m.Due), string(data), s.tenant, m.Key).exec(ctx, tx)
	}))
}

// Joins is true for a *Users of the same *sql.DB.
func (s *State) Joins(users usersync.UserStore) bool {
	u, ours := users.(*Users)
	return ours && u.db == s.db && u.dialect == s.dialect
}

// WriteJointly writes the users, the entry and its mails in one transaction. The table of idempotency keys is
// left alone: the journal remembers.
func (s *State) WriteJointly(ctx context.Context, l usersync.Lease, users usersync.UserStore, changes []usersync.Change,
	entry func([]usersync.Outcome) (usersync.JournalEntry, error)) ([]usersync.Outcome, error) {
	u, ours := users.(*Users)
	if !ours {
		return nil, fmt.Errorf("%w: the users are not in this database", usersync.ErrInvalid)
	}
	return u.writeWith(ctx, changes, func(tx *sql.Tx, out []usersync.Outcome) error {
		e, err := entry(out)
		if err != nil {
			return err
		}
		return told("writing the journal", s.appendEntry(ctx, tx, l, e))
	})
}
