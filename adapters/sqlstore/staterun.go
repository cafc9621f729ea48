package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/usersync-go/usersync"
)

// StartRun compares the plan's edition under a lock.
func (s *State) StartRun(ctx context.Context, l usersync.Lease, rec usersync.RunRecord) error {
	return told("storing a run", s.change(ctx, func(tx *sql.Tx) error {
		edition, err := s.lockPlan(ctx, tx, rec.ID)
		if err != nil {
			return err
		}
		if edition != rec.PlanEdition || edition == 0 {
			return fmt.Errorf("%w: plan %s has edition %d", usersync.ErrEdited, rec.ID, edition)
		}
		if _, err := s.requireLease(ctx, tx, l); err != nil {
			return err
		}
		return s.putRun(ctx, tx, &rec)
	}))
}

// putRun writes the record of a run.
func (s *State) putRun(ctx context.Context, tx *sql.Tx, rec *usersync.RunRecord) error {
	data, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	if err := s.bound("DELETE FROM {runs} WHERE tenant = ? AND id = ?", s.tenant, rec.ID).exec(ctx, tx); err != nil {
		return err
	}
	return s.bound("INSERT INTO {runs} (tenant, id, config_id, status, started, finished, data) VALUES (?, ?, ?, ?, ?, ?, ?)",
		s.tenant, rec.ID, rec.ConfigID, string(rec.Status), millis(rec.Started), millis(rec.Finished), string(data)).exec(ctx, tx)
}

// millis is a time as the tables have it, 0 for the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// FinishRun does all that an end has in one transaction.
func (s *State) FinishRun(ctx context.Context, l usersync.Lease, end usersync.RunEnd) error {
	return told("storing the end of a run", s.change(ctx, func(tx *sql.Tx) error {
		if end.Baseline != nil {
			if err := s.saveBaseline(ctx, tx, l.ConfigID, *end.Baseline); err != nil {
				return err
			}
		}
		if err := s.replaceParts(ctx, tx, resultPart, end.Run.ID, byNumber(end.Results)); err != nil {
			return err
		}
		if end.Final {
			if err := s.bound("DELETE FROM {journal} WHERE tenant = ? AND run_id = ?", s.tenant, end.Run.ID).exec(ctx, tx); err != nil {
				return err
			}
		}
		if err := s.queue(ctx, tx, afterEntries, end.Mails); err != nil {
			return err
		}
		if _, err := s.requireLease(ctx, tx, l); err != nil {
			return err
		}
		if err := s.putRun(ctx, tx, &end.Run); err != nil {
			return err
		}
		return s.letGo(ctx, tx, l)
	}))
}

func byNumber(parts map[int][]byte) func(yield func(numbered, error) bool) {
	return func(yield func(numbered, error) bool) {
		for _, number := range slices.Sorted(maps.Keys(parts)) {
			if !yield(numbered{number, parts[number]}, nil) {
				return
			}
		}
	}
}

// Runs looks at the leases in the same statement.
func (s *State) Runs(ctx context.Context, q usersync.RunQuery) ([]usersync.RunRecord, error) {
	status := "CASE WHEN r.status = 'running' AND l.token IS NULL THEN 'interrupted' ELSE r.status END"
	st := s.bound("SELECT r.data, "+status+" FROM {runs} r LEFT JOIN {leases} l ON l.tenant = r.tenant AND l.config_id = r.config_id "+
		"AND l.run_id = r.id AND l.held = 1 AND l.until_ms > "+s.dialect.now()+" WHERE r.tenant = ?", s.tenant)
	st.when(q.ID != "", "r.id", q.ID)
	st.when(q.ConfigID != "", "r.config_id", q.ConfigID)
	oneOf(st, status, q.Status)
	st.add(" ORDER BY r.started DESC, r.id DESC")
	st.window(q.Skip, q.Limit)
	var out []usersync.RunRecord
	err := st.query(ctx, s.db, func(cells []sql.RawBytes) error {
		var rec usersync.RunRecord
		err := json.Unmarshal(cells[0], &rec)
		rec.Status = usersync.RunStatus(cells[1])
		out = append(out, rec)
		return err
	})
	if err != nil {
		return nil, told("reading runs", err)
	}
	return out, nil
}

// when adds a condition.
func (st *statement) when(is bool, column, value string) {
	if is {
		st.add(" AND ", column, " = ")
		st.bind(value)
	}
}

// oneOf adds the condition that an expression is one of some words, if there are any.
func oneOf[W ~string](st *statement, expression string, words []W) {
	if len(words) == 0 {
		return
	}
	args := make([]any, len(words))
	for i, w := range words {
		args[i] = string(w)
	}
	st.add(" AND ", expression, " IN ")
	st.row(args)
}

// window leaves out the first rows, and those beyond a limit, 0 for none.
func (st *statement) window(skip, limit int) {
	if limit == 0 {
		limit = noEnd
	}
	st.add(fmt.Sprintf(" LIMIT %d OFFSET %d", limit, skip))
}

// DeleteRuns removes one run after the other.
func (s *State) DeleteRuns(ctx context.Context, before time.Time) (deleted int, err error) {
	ids, err := s.ids(ctx, s.bound("SELECT r.id FROM {runs} r WHERE r.tenant = ? AND r.finished > 0 AND r.finished < ? AND EXISTS "+
		"(SELECT 1 FROM {runs} n WHERE n.tenant = r.tenant AND n.config_id = r.config_id AND "+
		"(n.started > r.started OR n.started = r.started AND n.id > r.id)) AND NOT EXISTS "+
		"(SELECT 1 FROM {mails} m WHERE m.tenant = r.tenant AND m.run_id = r.id AND m.state IN ('queued', 'sending'))",
		s.tenant, before.UnixMilli()))
	for _, id := range ids {
		if err != nil {
			break
		}
		gone := false
		err = s.change(ctx, func(tx *sql.Tx) error {
			open, err := s.hasOpenMails(ctx, tx, id)
			if gone = !open && err == nil; !gone {
				return err
			}
			return s.deleteRun(ctx, tx, id)
		})
		if gone && err == nil {
			deleted++
		}
	}
	return deleted, told("deleting runs", err)
}

// hasOpenMails looks whether a mail of a run is to be sent by now, and keeps the others from becoming so until the
// transaction ends.
func (s *State) hasOpenMails(ctx context.Context, tx *sql.Tx, runID string) (open bool, err error) {
	st := s.bound("SELECT state FROM {mails} WHERE tenant = ? AND run_id = ?"+s.dialect.locking(), s.tenant, runID)
	err = st.query(ctx, tx, func(cells []sql.RawBytes) error {
		state := usersync.MailState(cells[0])
		open = open || state == usersync.MailQueued || state == usersync.MailSending
		return nil
	})
	return open, err
}

func (s *State) deleteRun(ctx context.Context, tx *sql.Tx, id string) error {
	if err := s.bound("DELETE FROM {journal} WHERE tenant = ? AND run_id = ?", s.tenant, id).exec(ctx, tx); err != nil {
		return err
	}
	if err := s.bound("DELETE FROM {runs} WHERE tenant = ? AND id = ?", s.tenant, id).exec(ctx, tx); err != nil {
		return err
	}
	return s.deletePlan(ctx, tx, id)
}
