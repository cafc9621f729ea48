package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/usersync-go/usersync"
)

// ours is how the names of tables begin that Users.Migrate makes.
const ours = "usersync_"

// DefaultMapping describes the ready-made table for the users of a schema: usersync_users, with a column
// for each field that has values, usersync_values for those of added fields, and usersync_changes, where idempotency
// keys are kept. Secret fields
// have no column, since the table is no place for them as they are: a product that takes passwords adds one to
// Columns, with a Hash.
func DefaultMapping(schema usersync.Schema) Mapping {
	m := Mapping{
		Table:      ours + "users",
		ID:         ID{Column: "id", Make: true},
		Version:    Version{Kind: CounterVersion, Column: "version"},
		Active:     Flag{Column: "active"},
		Columns:    map[string]Column{},
		Added:      &AddedTable{Table: ours + "values", User: "user_id", Field: "field", Item: "item", Value: "value"},
		Remembered: ours + "changes",
	}
	taken := map[string]bool{"id": true, "version": true, "active": true}
	for _, f := range schema.Fields {
		if f.Name == schema.Status || f.Secret || f.Match != "" && f.Match != f.Name {
			continue
		}
		c := Column{Column: columnName(f.Name, taken), Reference: f.Kind == usersync.KindUser && f.Name != schema.Key}
		if !c.Reference && isLookedUp(f, schema) {
			c.Folded = c.Column + "_folded"
		}
		m.Columns[f.Name] = c
	}
	return m
}

// isLookedUp tells that users are found by a field.
func isLookedUp(f usersync.Field, schema usersync.Schema) bool {
	return f.Name == schema.Key || f.Unique != usersync.NotUnique ||
		slices.ContainsFunc(schema.Fields, func(other usersync.Field) bool { return other.Match == f.Name })
}

// columnName makes the name of a column, such as first_name, that is not taken, and takes it.
func columnName(field string, taken map[string]bool) string {
	var b strings.Builder
	for i, r := range field {
		switch {
		case unicode.IsUpper(r) && i > 0:
			b.WriteString("_" + strings.ToLower(string(r)))
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			b.WriteString(strings.ToLower(string(r)))
		default:
			b.WriteByte('_')
		}
	}
	name := b.String()
	for len(name) > 40 {
		name = strings.ToValidUTF8(name[:40], "")
	}
	for n := 2; taken[name] || taken[name+"_folded"]; n++ {
		name = fmt.Sprintf("%s_%d", strings.TrimRight(name, "_0123456789"), n)
	}
	taken[name], taken[name+"_folded"] = true, true
	return name
}

// Migrate makes the tables of ours that the mapping names, those whose names begin with "usersync_", and
// adds columns for fields that have joined the schema. It does nothing where all is there, never removes
// or changes anything, and never touches other tables. Two at a time may fail; run it once, before the
// store is used.
func (s *Users) Migrate(ctx context.Context) error {
	if isOurs(s.mapping.Table) {
		if err := s.migrateUsers(ctx); err != nil {
			return fmt.Errorf("sqlstore: making table %s: %w", s.mapping.Table, err)
		}
	}
	if s.mapping.Added != nil && isOurs(s.mapping.Added.Table) {
		if err := s.execAll(ctx, s.createAdded()); err != nil {
			return err
		}
	}
	if isOurs(s.mapping.Remembered) {
		return s.execAll(ctx, s.createRemembered())
	}
	return nil
}

func (s *Users) migrateUsers(ctx context.Context) error {
	if err := s.execAll(ctx, s.createUsers()); err != nil {
		return err
	}
	if err := s.addMissing(ctx); err != nil {
		return err
	}
	return s.execAll(ctx, s.createIndexes()...)
}

func (s *Users) execAll(ctx context.Context, statements ...string) error {
	for _, text := range statements {
		if _, err := s.db.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("sqlstore: %w", err)
		}
	}
	return nil
}

func isOurs(table string) bool {
	return strings.HasPrefix(table[strings.LastIndexByte(table, '.')+1:], ours)
}

// Schema is the SQL by which Migrate makes tables, one statement each, for products that keep their
// migrations in files. It does not know which columns are there already.
func (s *Users) Schema() []string {
	var out []string
	if isOurs(s.mapping.Table) {
		out = append(out, s.createUsers())
		out = append(out, s.createIndexes()...)
	}
	if s.mapping.Added != nil && isOurs(s.mapping.Added.Table) {
		out = append(out, s.createAdded())
	}
	if isOurs(s.mapping.Remembered) {
		out = append(out, s.createRemembered())
	}
	return out
}

// types are what columns of our tables are.
type types struct{ id, text, folded, suffix string }

func (d Dialect) types() types {
	switch d {
	case PostgreSQL:
		return types{`TEXT COLLATE "C"`, "TEXT", `TEXT COLLATE "C"`, ""}
	case MySQL:
		const exact = " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
		return types{"VARCHAR(64)" + exact, "MEDIUMTEXT CHARACTER SET utf8mb4", "VARCHAR(255)" + exact, " ENGINE=InnoDB"}
	}
	return types{"TEXT", "TEXT", "TEXT", ""}
}

// createUsers makes the ready-made table, or another of that kind.
func (s *Users) createUsers() string {
	d, t, m := s.dialect, s.dialect.types(), s.mapping
	lines := []string{
		d.quote(m.ID.Column) + " " + t.id + " NOT NULL PRIMARY KEY",
		d.quote(m.Version.Column) + " BIGINT NOT NULL",
		d.quote(m.Active.Column) + " BOOLEAN NOT NULL",
	}
	if m.SSO != nil {
		lines = append(lines, d.quote(m.SSO.Column)+" BOOLEAN NOT NULL")
	}
	if m.SoftDelete != nil {
		lines = append(lines, d.quote(m.SoftDelete.Column)+" "+t.folded)
	}
	for _, f := range m.Fixed {
		lines = append(lines, d.quote(f.Column)+" "+t.folded)
	}
	for _, c := range s.columns {
		lines = append(lines, s.columnLines(c)...)
	}
	for _, c := range s.columns {
		lines = append(lines, s.indexLines(c)...)
	}
	return "CREATE TABLE IF NOT EXISTS " + s.table + " (\n  " + strings.Join(lines, ",\n  ") + "\n)" + t.suffix
}

// columnLines define the columns of a field.
func (s *Users) columnLines(c *column) []string {
	t := s.dialect.types()
	typ := t.text
	if c.Reference {
		typ = t.id
	}
	lines := []string{c.quoted + " " + typ}
	if c.folded != "" {
		lines = append(lines, c.folded+" "+t.folded)
	}
	return lines
}

// indexLines define the unique index of a field, and on MySQL others too.
func (s *Users) indexLines(c *column) []string {
	switch {
	case c.folded != "" && c.unique:
		return []string{"UNIQUE (" + strings.Join(append(s.scopeColumns(), c.folded), ", ") + ")"}
	case s.dialect == MySQL && c.folded != "":
		return []string{"KEY (" + c.folded + ")"}
	case s.dialect == MySQL && c.Reference:
		return []string{"KEY (" + c.quoted + ")"}
	}
	return nil
}

func (s *Users) scopeColumns() []string {
	var names []string
	for _, f := range s.mapping.Fixed {
		if f.Scope {
			names = append(names, s.dialect.quote(f.Column))
		}
	}
	return names
}

// createIndexes makes the indexes that are not part of the table.
func (s *Users) createIndexes() []string {
	if s.dialect == MySQL {
		return nil
	}
	var out []string
	for _, c := range s.columns {
		name, at := c.Folded, c.folded
		if c.Reference {
			name, at = c.Column.Column, c.quoted
		}
		if at == "" || c.unique {
			continue
		}
		out = append(out, "CREATE INDEX IF NOT EXISTS "+s.dialect.quote(s.indexName(name))+" ON "+s.table+" ("+at+")")
	}
	return out
}

func (s *Users) createRemembered() string {
	d, t := s.dialect, s.dialect.types()
	names := rememberedColumns()
	if d == SQLite {
		t.suffix = " WITHOUT ROWID"
	}
	return "CREATE TABLE IF NOT EXISTS " + d.quoteTable(s.mapping.Remembered) + " (\n  " +
		d.quote(names[0]) + " " + t.id + " NOT NULL PRIMARY KEY,\n  " +
		d.quote(names[1]) + " " + t.folded + " NOT NULL,\n  " +
		d.quote(names[2]) + " " + t.folded + " NOT NULL,\n  " +
		d.quote("made_at") + " TIMESTAMP DEFAULT CURRENT_TIMESTAMP\n)" + t.suffix
}

// Forget removes remembered idempotency keys that were written before a time, and returns how many there were.
// A key is needed as long as its run can go on, and no longer; those of the last day stay in any case.
func (s *Users) Forget(ctx context.Context, before time.Time) (int, error) {
	if s.mapping.Remembered == "" {
		return 0, nil
	}
	if day := time.Now().AddDate(0, 0, -1); before.After(day) {
		before = day
	}
	st := &statement{dialect: s.dialect}
	st.add("DELETE FROM ", s.dialect.quoteTable(s.mapping.Remembered), " WHERE made_at < ")
	st.bind(before.UTC().Format(time.DateTime))
	if s.dialect == PostgreSQL {
		st.add("::timestamp")
	}
	done, err := s.db.ExecContext(ctx, st.text.String(), st.args...)
	if err != nil {
		return 0, fmt.Errorf("sqlstore: forgetting idempotency keys: %w", err)
	}
	n, err := done.RowsAffected()
	return int(n), err
}

// addMissing adds the columns of fields that are not in the table yet.
func (s *Users) addMissing(ctx context.Context) error {
	there, err := s.columnsThere(ctx)
	if err != nil {
		return err
	}
	for _, c := range s.columns {
		folded := c.Folded == "" || there[strings.ToLower(c.Folded)]
		switch {
		case there[strings.ToLower(c.Column.Column)] && folded:
			continue
		case there[strings.ToLower(c.Column.Column)]:
			return fmt.Errorf("column %s has values and no column %s with their canonical form: add it and fill it in",
				c.quoted, c.folded)
		}
		if err := s.execAll(ctx, s.addField(c)...); err != nil {
			return err
		}
	}
	return nil
}

// addField adds the columns of a field.
func (s *Users) addField(c *column) []string {
	var out []string
	for _, line := range s.columnLines(c) {
		out = append(out, "ALTER TABLE "+s.table+" ADD COLUMN "+line)
	}
	for _, line := range s.indexLines(c) {
		if s.dialect == SQLite {
			on := strings.TrimPrefix(line, "UNIQUE ")
			out = append(out, "CREATE UNIQUE INDEX "+s.dialect.quote(s.indexName(c.Folded))+" ON "+s.table+" "+on)
			continue
		}
		out = append(out, "ALTER TABLE "+s.table+" ADD "+line)
	}
	return out
}

// indexName is the name of an index over a column.
func (s *Users) indexName(column string) string {
	table := s.mapping.Table[strings.LastIndexByte(s.mapping.Table, '.')+1:]
	if name := table + "_" + column; len(name) <= maxIdentifier {
		return name
	}
	return table[:min(len(table), 20)] + "_" + digest([]byte(table+"_"+column))
}

// columnsThere are the columns of the table, in lower case.
func (s *Users) columnsThere(ctx context.Context) (map[string]bool, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT * FROM "+s.table+" WHERE 1 = 0")
	if err != nil {
		return nil, err
	}
	names, err := rows.Columns()
	there := map[string]bool{}
	for _, name := range names {
		there[strings.ToLower(name)] = true
	}
	return there, errors.Join(err, rows.Close())
}
