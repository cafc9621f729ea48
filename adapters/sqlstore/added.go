package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/usersync-go/usersync"
)

// isAdded tells that the values of a field are in the table of added fields: it is none of the schema.
func (s *Users) isAdded(field string) bool {
	_, known := s.schema.Field(field)
	return s.mapping.Added != nil && !known
}

// addedValues are the values of the added fields of one user, with the names in order.
type addedValues struct {
	usersync.Values
	items map[string][]string // of lists, until all are read
}

// loadAdded gives users the values of their added fields, and lets these count in versions that are hashes. The
// version of a user without any is the same as if there were no such table.
func (s *Users) loadAdded(ctx context.Context, q queryer, users []usersync.User) error {
	if s.mapping.Added == nil || len(users) == 0 {
		return nil
	}
	ids := make([]any, len(users))
	for i := range users {
		ids[i], _ = s.mapping.ID.Kind.argument(users[i].ID)
	}
	by, err := s.addedOf(ctx, q, ids)
	if err != nil {
		return fmt.Errorf("sqlstore: reading added fields: %w", err)
	}
	for i := range users {
		own := by[users[i].ID]
		if own == nil {
			continue
		}
		for field, items := range own.items { // whose places take has fixed
			own.SetList(field, items)
		}
		users[i].Values = users[i].Values.With(own.Values)
		if s.mapping.Version.Kind == HashVersion {
			shown, err := own.MarshalJSON()
			if err != nil {
				return err
			}
			users[i].Version = digest(append([]byte(users[i].Version+" "), shown...))
		}
	}
	return nil
}

// addedOf reads the values of added fields, by the ids of users. Fields that the schema has are left out: their
// values are elsewhere.
func (s *Users) addedOf(ctx context.Context, q queryer, ids []any) (map[string]*addedValues, error) {
	d, t := s.dialect, s.mapping.Added
	user, item := d.quote(t.User), "0"
	if t.Item != "" {
		item = d.quote(t.Item)
	}
	by := map[string]*addedValues{}
	for part := range slices.Chunk(ids, lookupSize) {
		st := &statement{dialect: d}
		st.add("SELECT ", user, ", ", d.quote(t.Field), ", ", item, ", ", d.quote(t.Value))
		st.add(" FROM ", d.quoteTable(t.Table), " WHERE ")
		st.among(user, s.mapping.ID.Kind.typ(), part)
		st.add(" ORDER BY 1, 2, 3")
		err := st.query(ctx, q, func(cells []sql.RawBytes) error {
			id, field := string(cells[0]), string(cells[1])
			if !s.isAdded(field) {
				return nil
			}
			if by[id] == nil {
				by[id] = &addedValues{items: map[string][]string{}}
			}
			by[id].take(field, string(cells[2]), string(cells[3]))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return by, nil
}

// take adds a row of the table: a text, or an item of a list.
func (v *addedValues) take(field, item, value string) {
	if item == "0" {
		v.Set(field, value)
		return
	}
	v.items[field] = append(v.items[field], value)
	v.Set(field, "") // so that fields are in order
}

// setsAdded tells that a change sets an added field.
func (w *writer) setsAdded(c *usersync.Change) bool {
	if w.mapping.Added == nil {
		return false
	}
	for field := range c.Set.All() {
		if w.isAdded(field) {
			return true
		}
	}
	return false
}

// writeAdded replaces the values of added fields that changes set. A field without a value has no row.
func (w *writer) writeAdded(ctx context.Context, run []int, ids []string) error {
	if w.mapping.Added == nil {
		return nil
	}
	var fields []string // in the order in which they come up
	users := map[string][]any{}
	var rows [][]any
	for i, at := range run {
		c := &w.changes[at]
		id, _ := w.mapping.ID.Kind.argument(ids[i])
		for field := range c.Set.All() {
			if !w.isAdded(field) {
				continue
			}
			if users[field] == nil {
				fields = append(fields, field)
			}
			users[field] = append(users[field], id)
			more, err := w.addedRows(id, field, c.Set)
			if err != nil {
				return err
			}
			rows = append(rows, more...)
		}
	}
	for _, field := range fields {
		if err := w.removeAdded(ctx, field, users[field]); err != nil {
			return err
		}
	}
	return w.insert(ctx, w.mapping.Added.Table, w.mapping.Added.columns(), rows)
}

// addedRows are the rows of a user's value.
func (w *writer) addedRows(id any, field string, set usersync.Values) ([][]any, error) {
	t := w.mapping.Added
	isList := set.IsList(field)
	if isList && t.Item == "" {
		return nil, fmt.Errorf("sqlstore: the mapping has no place for %s, which is a list", field)
	}
	var rows [][]any
	for i, value := range set.List(field) {
		if !isText(value) || !isText(field) {
			return nil, fmt.Errorf("sqlstore: %s is not valid text", field)
		}
		row := []any{id, field, value}
		if t.Item != "" {
			row = append(row, int64(0))
		}
		if isList {
			row[3] = int64(i + 1)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// columns are those that are written.
func (t *AddedTable) columns() []string {
	names := []string{t.User, t.Field, t.Value}
	if t.Item != "" {
		names = append(names, t.Item)
	}
	return names
}

// removeAdded removes the values that users have of a field.
func (w *writer) removeAdded(ctx context.Context, field string, users []any) error {
	d, t := w.dialect, w.mapping.Added
	if !isText(field) {
		return errors.New("sqlstore: the name of a field is not valid text")
	}
	for part := range slices.Chunk(users, lookupSize) {
		st := &statement{dialect: d}
		st.add("DELETE FROM ", d.quoteTable(t.Table), " WHERE ", d.quote(t.Field), " = ")
		st.bind(field)
		st.add(" AND ")
		st.among(d.quote(t.User), w.mapping.ID.Kind.typ(), part)
		if err := st.exec(ctx, w.tx); err != nil {
			return err
		}
	}
	return nil
}

// createAdded makes the table of added fields.
func (s *Users) createAdded() string {
	d, t, m := s.dialect, s.dialect.types(), s.mapping.Added
	if d == SQLite {
		t.suffix = " WITHOUT ROWID"
	}
	lines := []string{
		d.quote(m.User) + " " + s.idType() + " NOT NULL",
		d.quote(m.Field) + " " + t.folded + " NOT NULL",
	}
	key := []string{d.quote(m.User), d.quote(m.Field)}
	if m.Item != "" {
		lines = append(lines, d.quote(m.Item)+" INTEGER NOT NULL")
		key = append(key, d.quote(m.Item))
	}
	lines = append(lines, d.quote(m.Value)+" "+t.text+" NOT NULL", "PRIMARY KEY ("+strings.Join(key, ", ")+")")
	return "CREATE TABLE IF NOT EXISTS " + d.quoteTable(m.Table) + " (\n  " + strings.Join(lines, ",\n  ") + "\n)" + t.suffix
}

// idType is the type of a column with a user's id.
func (s *Users) idType() string {
	switch {
	case s.mapping.ID.Kind == IntegerID:
		return "BIGINT"
	case s.mapping.ID.Kind == UUID && s.dialect == PostgreSQL:
		return "UUID"
	}
	return s.dialect.types().folded
}
