package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/usersync-go/usersync"
)

// LoadConfig reads the configuration over usersync.DefaultConfig, so that one that an older version has saved
// has defaults for what is new.
func (s *State) LoadConfig(ctx context.Context, id string) (usersync.Config, error) {
	var data []byte
	found, err := s.bound("SELECT data FROM {configs} WHERE tenant = ? AND id = ?", s.tenant, id).one(ctx, s.db, &data)
	switch {
	case err != nil:
		return usersync.Config{}, told("loading a configuration", err)
	case !found:
		return usersync.Config{}, usersync.ErrNotFound
	}
	return decodeConfig(data)
}

func decodeConfig(data []byte) (usersync.Config, error) {
	cfg := usersync.DefaultConfig("")
	if err := json.Unmarshal(data, &cfg); err != nil {
		return usersync.Config{}, told("loading a configuration", err)
	}
	return cfg, nil
}

// Configs reads all of them.
func (s *State) Configs(ctx context.Context) ([]usersync.Config, error) {
	var all []usersync.Config
	order := " ORDER BY name, id"
	if s.dialect == PostgreSQL {
		order = ` ORDER BY name COLLATE "C", id`
	} else if s.dialect == MySQL {
		order = " ORDER BY CAST(name AS BINARY), id"
	}
	err := s.bound("SELECT data FROM {configs} WHERE tenant = ?"+order, s.tenant).query(ctx, s.db, func(cells []sql.RawBytes) error {
		cfg, err := decodeConfig(cells[0])
		all = append(all, cfg)
		return err
	})
	if err != nil {
		return nil, told("loading configurations", err)
	}
	return all, nil
}

// SaveConfig compares the revision under a lock.
func (s *State) SaveConfig(ctx context.Context, cfg usersync.Config, ifRevision int64) error {
	data, err := json.Marshal(cfg)
	if err != nil {
		return told("saving a configuration", err)
	}
	err = s.change(ctx, func(tx *sql.Tx) error {
		if ifRevision == 0 {
			return s.bound("INSERT INTO {configs} (tenant, id, name, revision, data) VALUES (?, ?, ?, ?, ?)",
				s.tenant, cfg.ID, cfg.Name, cfg.Revision, string(data)).exec(ctx, tx)
		}
		var revision int64
		found, err := s.bound("SELECT revision FROM {configs} WHERE tenant = ? AND id = ?"+s.dialect.locking(),
			s.tenant, cfg.ID).one(ctx, tx, &revision)
		switch {
		case err != nil:
			return err
		case !found:
			return usersync.ErrNotFound
		case revision != ifRevision:
			return fmt.Errorf("%w: revision %d is now %d", usersync.ErrEdited, ifRevision, revision)
		}
		return s.bound("UPDATE {configs} SET name = ?, revision = ?, data = ? WHERE tenant = ? AND id = ?",
			cfg.Name, cfg.Revision, string(data), s.tenant, cfg.ID).exec(ctx, tx)
	})
	if s.dialect.isDuplicate(err) {
		err = usersync.ErrDuplicate
	}
	return told("saving a configuration", err)
}

// DeleteConfig removes everything in one transaction.
func (s *State) DeleteConfig(ctx context.Context, id string) error {
	return told("deleting a configuration", s.change(ctx, func(tx *sql.Tx) error {
		var revision int64
		found, err := s.bound("SELECT revision FROM {configs} WHERE tenant = ? AND id = ?"+s.dialect.locking(), s.tenant, id).one(ctx, tx, &revision)
		if err != nil {
			return err
		}
		if !found {
			return usersync.ErrNotFound
		}
		var holder string
		busy, err := s.bound("SELECT run_id FROM {leases} WHERE tenant = ? AND config_id = ? AND held = 1 AND until_ms > "+
			s.dialect.now()+s.dialect.locking(), s.tenant, id).one(ctx, tx, &holder)
		switch {
		case err != nil:
			return err
		case busy:
			return &usersync.InProgressError{RunID: holder}
		}
		return s.deleteAll(ctx, tx, id)
	}))
}

// deleteAll removes a configuration and what belongs to it. The row of its lease stays, so that tokens go on.
func (s *State) deleteAll(ctx context.Context, tx *sql.Tx, id string) error {
	const (
		ofRuns  = " AND run_id IN (SELECT id FROM {runs} WHERE tenant = ? AND config_id = ?)"
		ofPlans = " AND owner IN (SELECT id FROM {plans} WHERE tenant = ? AND config_id = ?)"
		uploads = " AND owner IN (SELECT id FROM {imports} WHERE tenant = ? AND config_id = ?)"
		mine    = " WHERE tenant = ? AND config_id = ?"
	)
	for _, st := range []*statement{
		s.bound("DELETE FROM {journal} WHERE tenant = ?"+ofRuns, s.tenant, s.tenant, id),
		s.bound("DELETE FROM {parts} WHERE tenant = ? AND kind IN ('plan', 'result')"+ofPlans, s.tenant, s.tenant, id),
		s.bound("DELETE FROM {parts} WHERE tenant = ? AND kind = 'baseline' AND owner = ?", s.tenant, id),
		s.bound("DELETE FROM {parts} WHERE tenant = ? AND kind = 'import'"+uploads, s.tenant, s.tenant, id),
		s.bound("DELETE FROM {imports}"+mine, s.tenant, id),
		s.bound("DELETE FROM {mails}"+mine, s.tenant, id),
		s.bound("DELETE FROM {runs}"+mine, s.tenant, id),
		s.bound("DELETE FROM {plans}"+mine, s.tenant, id),
		s.bound("DELETE FROM {baselines}"+mine, s.tenant, id),
		s.bound("DELETE FROM {configs} WHERE tenant = ? AND id = ?", s.tenant, id),
	} {
		if err := st.exec(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}
