// Package sqlstore keeps users in a table of a SQL database: the product's own table, which a [Mapping]
// describes, or a ready-made one ([DefaultMapping], [Users.Migrate]); and, in tables of its own, all that a
// usersync.Service needs ([State]). It works on database/sql and brings no driver; SQLite (3.35 or later), PostgreSQL (12 or later), MySQL (8.0) and MariaDB (10.3 or later) are
// known to it.
//
//	db, err := sql.Open("pgx", "postgres://…")
//	...
//	users, err := sqlstore.NewUsers(db, sqlstore.PostgreSQL, sqlstore.Mapping{
//		Table:  "accounts",
//		ID:     sqlstore.ID{Column: "account_no", Kind: sqlstore.IntegerID},
//		Active: sqlstore.Flag{Column: "state", True: "open", False: "closed"},
//		Columns: map[string]sqlstore.Column{
//			"userName": {Column: "login"},
//			"email":    {Column: "mail"},
//			"manager":  {Column: "boss_no", Reference: true, Null: true},
//		},
//	}, schema)
//
//	state, err := sqlstore.NewState(db, sqlstore.PostgreSQL)
//	...
//	err = state.Migrate(ctx) // the only call that makes or changes its tables
//	...
//	svc, err := usersync.NewService(users, state.Stores())
//
// # Look-ups
//
// Users are found by the canonical form of a value ([usersync.Fold]). A [Column] with a Folded column
// keeps that form beside the value, which is exact and uses an index. Without one the database's LOWER is
// all there is: SQLite's knows only the letters A to Z, and no LOWER knows that "Straße" and "STRASSE"
// are one; such a user is not found, and the row of the file counts as new. What is found too much, as by
// a collation without accents, is left out. So have a Folded column wherever names are not plain ASCII.
//
// # Writing
//
// A call of WriteUsers is one transaction. Neighbouring changes of a kind go to the database together;
// where the database refuses them they are tried again in halves, down to the one that is at fault. The
// users to be changed are locked and their versions compared before anything is written. A call that
// loses a deadlock is made again.
//
// Every value is a parameter, every identifier is checked and quoted.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/usersync-go/usersync"
)

var (
	_ usersync.UserStore   = (*Users)(nil)
	_ usersync.FieldKeeper = (*Users)(nil)
)

// Users is a usersync.UserStore over one table. It may be used by several goroutines at once, and by
// several processes on one database.
type Users struct {
	db      *sql.DB
	dialect Dialect
	mapping Mapping
	schema  usersync.Schema

	table   string    // quoted
	scope   []fixed   // which rows are users
	columns []*column // of fields, in the order of the schema
	byField map[string]*column
	lists   []*list
	names   []string // of the fields that are read
	read    reading

	mu    sync.Mutex
	types map[string]string // of the table's columns, PostgreSQL only
}

// NewUsers makes a store of users. It reports everything that is wrong with the mapping as a
// *usersync.InvalidError, and does not talk to the database. db belongs to the caller.
//
// On MySQL and MariaDB the connections must have a strict sql_mode, which is the default; without it the
// server would cut values off, and WriteUsers fails.
func NewUsers(db *sql.DB, dialect Dialect, m Mapping, schema usersync.Schema) (*Users, error) {
	v := &validation{}
	if v.dialect(dialect); len(v.problems) > 0 {
		return nil, &usersync.InvalidError{What: "SQL dialect", Problems: v.problems}
	}
	if err := schema.Validate(); err != nil {
		return nil, err
	}
	if err := m.Validate(schema); err != nil {
		return nil, err
	}
	s := &Users{db: db, dialect: dialect, mapping: m, schema: schema, byField: map[string]*column{}}
	s.table = dialect.quoteTable(m.Table)
	s.addScope()
	s.addColumns()
	s.read = s.newReading()
	return s, nil
}

// addScope notes which rows are users at all.
func (s *Users) addScope() {
	if d := s.mapping.SoftDelete; d != nil {
		s.scope = append(s.scope, fixed{s.dialect.quote(d.Column), d.Kept})
	}
	for _, f := range s.mapping.Fixed {
		if f.Scope {
			s.scope = append(s.scope, fixed{s.dialect.quote(f.Column), &f.Value})
		}
	}
}

// fixed is a column that has the same value, nil for NULL, in all rows.
type fixed struct {
	column string // quoted
	value  *string
}

// addColumns prepares the fields that have a place, in the order of the schema.
func (s *Users) addColumns() {
	for _, f := range s.schema.Fields {
		if t, ok := s.mapping.Lists[f.Name]; ok {
			s.lists = append(s.lists, &list{ListTable: t, field: f.Name})
		}
		c, ok := s.mapping.Columns[f.Name]
		if !ok {
			continue
		}
		col := &column{
			Column: c, field: f.Name, quoted: s.dialect.quote(c.Column), secret: f.Secret, list: f.List != nil,
			unique: f.Name == s.schema.Key || f.Unique == usersync.MustBeUnique, back: map[string]string{},
		}
		for value, stored := range c.Values {
			col.back[stored] = value
		}
		if c.Folded != "" {
			col.folded = s.dialect.quote(c.Folded)
		}
		s.columns = append(s.columns, col)
		s.byField[f.Name] = col
	}
}

// column is a Column that has been prepared.
type column struct {
	Column
	field  string
	quoted string
	folded string // quoted, "" for none
	secret bool
	list   bool // of a list as JSON
	unique bool
	back   map[string]string // stored form → value
}

// compared is what look-ups by a column compare in the row of a user.
func (c *column) compared(row string) string {
	switch {
	case c.folded != "":
		return row + "." + c.folded
	case c.Exact:
		return row + "." + c.quoted
	}
	return "LOWER(" + row + "." + c.quoted + ")"
}

// KeepsField tells that the mapping has a place for a field, which is a column where users are looked up by it.
func (s *Users) KeepsField(name string, lookedUp bool) bool {
	if lookedUp {
		return s.byField[name] != nil
	}
	_, list := s.mapping.Lists[name]
	return s.byField[name] != nil || list || s.isAdded(name)
}

// FindUsers finds by the id and by every field that has a column of its own: that is any field that is
// neither secret nor a list. Another field is an error.
func (s *Users) FindUsers(ctx context.Context, field string, values []string) ([]usersync.User, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(s.lists) == 0 && s.mapping.Added == nil && s.dialect != PostgreSQL {
		return s.find(ctx, s.db, field, values)
	}
	tx, err := s.db.BeginTx(ctx, s.dialect.snapshot()) // users and their lists are of one moment
	if err != nil {
		return nil, fmt.Errorf("sqlstore: %w", err)
	}
	if err = s.planAnew(ctx, tx); err != nil {
		return nil, errors.Join(err, ended(tx.Rollback()))
	}
	found, err := s.find(ctx, tx, field, values)
	return found, errors.Join(err, ended(tx.Rollback()))
}

// planAnew lets PostgreSQL plan the transaction's statements for the tables as they are now. A driver
// that keeps statements would otherwise go on with the plans of the days when the tables were empty,
// which read all rows for every value, until the next ANALYZE.
func (s *Users) planAnew(ctx context.Context, tx *sql.Tx) error {
	if s.dialect != PostgreSQL {
		return nil
	}
	if _, err := tx.ExecContext(ctx, "SET LOCAL plan_cache_mode = force_custom_plan"); err != nil {
		return fmt.Errorf("sqlstore: %w", err)
	}
	return nil
}

// ended is the error of ending a transaction, nil if it had ended with its context.
func ended(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}
