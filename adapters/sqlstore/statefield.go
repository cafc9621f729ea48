package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/usersync-go/usersync"
)

// Fields reads all of the tenant.
func (s *State) Fields(ctx context.Context) ([]usersync.Field, error) {
	fields, err := s.fields(ctx, s.db)
	if err != nil {
		return nil, told("loading fields", err)
	}
	return fields, nil
}

func (s *State) fields(ctx context.Context, q queryer) (fields []usersync.Field, err error) {
	err = s.bound("SELECT data FROM {fields} WHERE tenant = ? ORDER BY position, name", s.tenant).
		query(ctx, q, func(cells []sql.RawBytes) error {
			var f usersync.Field
			err := json.Unmarshal(cells[0], &f)
			fields = append(fields, f)
			return err
		})
	return fields, err
}

// AddFields looks and adds in one transaction. Where another adds a name at the same time, the primary key makes one
// of them look again.
func (s *State) AddFields(ctx context.Context, fields []usersync.Field) error {
	for try := 1; ; try++ {
		err := s.change(ctx, func(tx *sql.Tx) error { return s.addFields(ctx, tx, fields) })
		if !s.dialect.isDuplicate(err) || try == maxTries {
			return told("adding fields", err)
		}
	}
}

func (s *State) addFields(ctx context.Context, tx *sql.Tx, fields []usersync.Field) error {
	there, err := s.fields(ctx, tx)
	if err != nil {
		return err
	}
	byName := make(map[string]string, len(there))
	for _, f := range there {
		if byName[f.Name], err = definition(f); err != nil {
			return err
		}
	}
	position := len(there) // nothing is ever removed
	for _, f := range fields {
		data, err := definition(f)
		if err != nil {
			return err
		}
		switch other, taken := byName[f.Name]; {
		case taken && other != data:
			return fmt.Errorf("field %q is %w", f.Name, usersync.ErrDuplicate)
		case taken:
			continue
		}
		position++
		err = s.bound("INSERT INTO {fields} (tenant, name, position, data) VALUES (?, ?, ?, ?)", s.tenant, f.Name, position, data).exec(ctx, tx)
		if err != nil {
			return err
		}
	}
	return nil
}

// definition is a field as JSON, which is the same for the same definition.
func definition(f usersync.Field) (string, error) {
	data, err := json.Marshal(f)
	return string(data), err
}
