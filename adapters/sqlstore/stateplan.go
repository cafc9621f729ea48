package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/usersync-go/usersync"
)

// SavePlan writes the record and all parts in one transaction.
func (s *State) SavePlan(ctx context.Context, rec usersync.PlanRecord, parts iter.Seq2[[]byte, error]) error {
	head := string(rec.Head)
	rec.Head = nil
	data, err := json.Marshal(rec)
	if err != nil {
		return told("saving a plan", err)
	}
	err = s.change(ctx, func(tx *sql.Tx) error {
		if err := s.claimEdition(ctx, tx, &rec, string(data), head); err != nil {
			return err
		}
		return s.replaceParts(ctx, tx, planPart, rec.ID, inOrder(parts))
	})
	if s.dialect.isDuplicate(err) {
		err = fmt.Errorf("%w: plan %s", usersync.ErrEdited, rec.ID)
	}
	return told("saving a plan", err)
}

// claimEdition writes the record, if the stored plan has the edition before.
func (s *State) claimEdition(ctx context.Context, tx *sql.Tx, rec *usersync.PlanRecord, data, head string) error {
	if rec.Edition == 1 {
		return s.bound("INSERT INTO {plans} (tenant, id, config_id, edition, expires, data, head) VALUES (?, ?, ?, 1, ?, ?, ?)",
			s.tenant, rec.ID, rec.ConfigID, rec.Expires.UnixMilli(), data, head).exec(ctx, tx)
	}
	edition, err := s.lockPlan(ctx, tx, rec.ID)
	if err != nil {
		return err
	}
	var id string
	applied, err := s.bound("SELECT id FROM {runs} WHERE tenant = ? AND id = ?", s.tenant, rec.ID).one(ctx, tx, &id)
	switch {
	case err != nil:
		return err
	case applied || edition != rec.Edition-1:
		return fmt.Errorf("%w: plan %s", usersync.ErrEdited, rec.ID)
	}
	return s.bound("UPDATE {plans} SET edition = ?, expires = ?, data = ?, head = ? WHERE tenant = ? AND id = ?",
		rec.Edition, rec.Expires.UnixMilli(), data, head, s.tenant, rec.ID).exec(ctx, tx)
}

// lockPlan locks a plan and gives its edition, 0 if there is none.
func (s *State) lockPlan(ctx context.Context, tx *sql.Tx, id string) (edition int, err error) {
	_, err = s.bound("SELECT edition FROM {plans} WHERE tenant = ? AND id = ?"+s.dialect.locking(), s.tenant, id).one(ctx, tx, &edition)
	return edition, err
}

// inOrder numbers parts.
func inOrder(parts iter.Seq2[[]byte, error]) iter.Seq2[numbered, error] {
	return func(yield func(numbered, error) bool) {
		number := 0
		for data, err := range parts {
			if !yield(numbered{number, data}, err) {
				return
			}
			number++
		}
	}
}

// LoadPlan reads the record.
func (s *State) LoadPlan(ctx context.Context, id string) (rec usersync.PlanRecord, err error) {
	var data, head []byte
	found, err := s.bound("SELECT data, head FROM {plans} WHERE tenant = ? AND id = ?", s.tenant, id).one(ctx, s.db, &data, &head)
	switch {
	case err != nil:
		return rec, told("loading a plan", err)
	case !found:
		return rec, usersync.ErrNotFound
	}
	if err := json.Unmarshal(data, &rec); err != nil {
		return usersync.PlanRecord{}, told("loading a plan", err)
	}
	rec.Head = head
	return rec, nil
}

// PlanParts reads the edition and the parts as of one moment.
func (s *State) PlanParts(ctx context.Context, id string, edition, first, n int) (parts [][]byte, err error) {
	err = s.look(ctx, func(tx *sql.Tx) error {
		var now int
		found, err := s.bound("SELECT edition FROM {plans} WHERE tenant = ? AND id = ?", s.tenant, id).one(ctx, tx, &now)
		switch {
		case err != nil:
			return err
		case !found:
			return usersync.ErrNotFound
		case now != edition:
			return fmt.Errorf("%w: plan %s has edition %d", usersync.ErrEdited, id, now)
		}
		return s.eachPart(ctx, tx, planPart, id, first, first+n, func(_ int, data []byte) error {
			parts = append(parts, append([]byte{}, data...))
			return nil
		})
	})
	if err != nil {
		return nil, told("loading a plan", err)
	}
	return parts, nil
}

// DeletePlans removes one plan after the other.
func (s *State) DeletePlans(ctx context.Context, before time.Time) (deleted int, err error) {
	ids, err := s.ids(ctx, s.bound("SELECT p.id FROM {plans} p WHERE p.tenant = ? AND p.expires < ? AND NOT EXISTS "+
		"(SELECT 1 FROM {runs} r WHERE r.tenant = p.tenant AND r.id = p.id)", s.tenant, before.UnixMilli()))
	for _, id := range ids {
		if err != nil {
			break
		}
		gone := false
		err = s.change(ctx, func(tx *sql.Tx) error {
			gone = false // in an attempt before
			if _, err := s.lockPlan(ctx, tx, id); err != nil {
				return err
			}
			var run string
			if applied, err := s.bound("SELECT id FROM {runs} WHERE tenant = ? AND id = ?", s.tenant, id).one(ctx, tx, &run); applied || err != nil {
				return err
			}
			gone = true
			return s.deletePlan(ctx, tx, id)
		})
		if gone && err == nil {
			deleted++
		}
	}
	return deleted, told("deleting plans", err)
}

func (s *State) deletePlan(ctx context.Context, tx *sql.Tx, id string) error {
	err := s.bound("DELETE FROM {parts} WHERE tenant = ? AND kind IN ('plan', 'result') AND owner = ?", s.tenant, id).exec(ctx, tx)
	if err != nil {
		return err
	}
	if err := s.bound("DELETE FROM {mails} WHERE tenant = ? AND run_id = ?", s.tenant, id).exec(ctx, tx); err != nil {
		return err
	}
	return s.bound("DELETE FROM {plans} WHERE tenant = ? AND id = ?", s.tenant, id).exec(ctx, tx)
}

// ids reads the first column.
func (s *State) ids(ctx context.Context, st *statement) (ids []string, err error) {
	err = st.query(ctx, s.db, func(cells []sql.RawBytes) error {
		ids = append(ids, string(cells[0]))
		return nil
	})
	return ids, err
}
