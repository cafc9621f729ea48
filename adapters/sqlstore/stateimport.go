package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"iter"

	"github.com/usersync-go/usersync"
)

// SaveImport writes the record and, where there is a file, its parts in one transaction.
func (s *State) SaveImport(ctx context.Context, imp usersync.Import, file iter.Seq2[[]byte, error]) error {
	data, err := json.Marshal(imp)
	if err != nil {
		return told("saving an import", err)
	}
	err = s.change(ctx, func(tx *sql.Tx) error {
		if err := s.putImport(ctx, tx, &imp, string(data)); err != nil || file == nil {
			return err
		}
		return s.replaceParts(ctx, tx, importPart, imp.ID, inOrder(file))
	})
	if s.dialect.isDuplicate(err) {
		err = fmt.Errorf("%w: import %s", usersync.ErrEdited, imp.ID)
	}
	return told("saving an import", err)
}

// putImport writes the record, if the stored import has the edition before.
func (s *State) putImport(ctx context.Context, tx *sql.Tx, imp *usersync.Import, data string) error {
	if imp.Edition == 1 {
		return s.bound("INSERT INTO {imports} (tenant, id, config_id, status, created, finished, edition, data) VALUES (?, ?, ?, ?, ?, ?, 1, ?)",
			s.tenant, imp.ID, imp.ConfigID, string(imp.Status), millis(imp.Created), millis(imp.Finished), data).exec(ctx, tx)
	}
	edition, err := s.lockImport(ctx, tx, imp.ID)
	if err != nil {
		return err
	}
	if edition == 0 || edition != imp.Edition-1 {
		return fmt.Errorf("%w: import %s", usersync.ErrEdited, imp.ID)
	}
	return s.bound("UPDATE {imports} SET status = ?, finished = ?, edition = ?, data = ? WHERE tenant = ? AND id = ?",
		string(imp.Status), millis(imp.Finished), imp.Edition, data, s.tenant, imp.ID).exec(ctx, tx)
}

// lockImport locks an import and gives its edition, 0 if there is none.
func (s *State) lockImport(ctx context.Context, tx *sql.Tx, id string) (edition int, err error) {
	_, err = s.bound("SELECT edition FROM {imports} WHERE tenant = ? AND id = ?"+s.dialect.locking(), s.tenant, id).one(ctx, tx, &edition)
	return edition, err
}

// Imports reads the records that fit.
func (s *State) Imports(ctx context.Context, q usersync.ImportQuery) ([]usersync.Import, error) {
	st := s.bound("SELECT data FROM {imports} WHERE tenant = ?", s.tenant)
	st.when(q.ID != "", "id", q.ID)
	st.when(q.ConfigID != "", "config_id", q.ConfigID)
	oneOf(st, "status", q.Status)
	if !q.EndedBefore.IsZero() {
		st.add(" AND finished > 0 AND finished < ")
		st.bind(millis(q.EndedBefore))
	}
	order := " DESC"
	if q.OldestFirst {
		order = ""
	}
	st.add(" ORDER BY created", order, ", id", order)
	st.window(q.Skip, q.Limit)
	var out []usersync.Import
	err := st.query(ctx, s.db, func(cells []sql.RawBytes) error {
		var imp usersync.Import
		err := json.Unmarshal(cells[0], &imp)
		out = append(out, imp)
		return err
	})
	if err != nil {
		return nil, told("reading imports", err)
	}
	return out, nil
}

// ImportParts looks for the import and reads its parts as of one moment.
func (s *State) ImportParts(ctx context.Context, id string, first, n int) (parts [][]byte, err error) {
	err = s.look(ctx, func(tx *sql.Tx) error {
		var edition int
		found, err := s.bound("SELECT edition FROM {imports} WHERE tenant = ? AND id = ?", s.tenant, id).one(ctx, tx, &edition)
		switch {
		case err != nil:
			return err
		case !found:
			return usersync.ErrNotFound
		}
		return s.eachPart(ctx, tx, importPart, id, first, first+n, func(_ int, data []byte) error {
			parts = append(parts, append([]byte{}, data...))
			return nil
		})
	})
	if err != nil {
		return nil, told("reading an upload", err)
	}
	return parts, nil
}

// DeleteImport compares the edition under a lock.
func (s *State) DeleteImport(ctx context.Context, id string, edition int) error {
	return told("deleting an import", s.change(ctx, func(tx *sql.Tx) error {
		now, err := s.lockImport(ctx, tx, id)
		switch {
		case err != nil:
			return err
		case now == 0:
			return usersync.ErrNotFound
		case now != edition:
			return fmt.Errorf("%w: import %s has edition %d", usersync.ErrEdited, id, now)
		}
		if err := s.bound("DELETE FROM {parts} WHERE tenant = ? AND kind = 'import' AND owner = ?", s.tenant, id).exec(ctx, tx); err != nil {
			return err
		}
		return s.bound("DELETE FROM {imports} WHERE tenant = ? AND id = ?", s.tenant, id).exec(ctx, tx)
	}))
}
