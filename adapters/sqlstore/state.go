package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/passwordlink"
)

var (
	_ usersync.ConfigStore      = (*State)(nil)
	_ usersync.BaselineStore    = (*State)(nil)
	_ usersync.BaselineSearcher = (*State)(nil)
	_ usersync.PlanStore        = (*State)(nil)
	_ usersync.RunStore         = (*State)(nil)
	_ usersync.JointJournal     = (*State)(nil)
	_ usersync.Journal          = (*State)(nil)
	_ usersync.LeaseStore       = (*State)(nil)
	_ usersync.Outbox           = (*State)(nil)
	_ usersync.FieldStore       = (*State)(nil)
	_ usersync.ImportStore      = (*State)(nil)
	_ passwordlink.TokenStore   = (*State)(nil)
)

// State keeps configurations, baselines, plans, runs, journals, leases, mails and imports in tables of its own, for
// one tenant: all of usersync.Stores. It keeps the tokens of set-password links and added fields too. It may be used by several goroutines at once, and by several processes
// on one database.
//
// Where the users are in the same database, a batch of them and its entry in the journal are written in one
// transaction. Leases run out by the clock of the database.
type State struct {
	db      *sql.DB
	dialect Dialect
	tenant  string
	tables  map[string]string // quoted, by the name without the prefix
	prefix  string
}

// StateOption changes what NewState makes.
type StateOption func(*State)

// WithPrefix sets how the names of the tables begin, "usersync_" otherwise. There may be a schema before it:
// "app.usersync_".
func WithPrefix(prefix string) StateOption { return func(s *State) { s.prefix = prefix } }

// WithTenant sets whose state this is, "" otherwise. What belongs to another tenant is not found. (A11)
func WithTenant(tenant string) StateOption { return func(s *State) { s.tenant = tenant } }

// stateTables are the tables of a State, without the prefix.
var stateTables = []string{"migrations", "configs", "baselines", "plans", "runs", "parts", "journal", "leases", "mails", "seats", "tokens", "fields", "imports"}

// NewState makes a State. It does not talk to the database, which belongs to the caller; the tables are made
// by Migrate.
func NewState(db *sql.DB, dialect Dialect, opts ...StateOption) (*State, error) {
	s := &State{db: db, dialect: dialect, prefix: ours, tables: map[string]string{}}
	for _, opt := range opts {
		opt(s)
	}
	v := &validation{taken: map[string]string{}}
	v.dialect(dialect)
	for _, name := range stateTables {
		v.table("prefix", s.prefix+name)
		s.tables[name] = dialect.quoteTable(s.prefix + name)
	}
	if len(s.tenant) > maxID || !isText(s.tenant) {
		v.add("tenant", "must be text of at most %d bytes", maxID)
	}
	if len(v.problems) > 0 {
		return nil, &usersync.InvalidError{What: "state in a SQL database", Problems: v.problems}
	}
	return s, nil
}

// maxID is how many bytes an id may have.
const maxID = 200

// Stores gives the state as what an engine or a service needs.
func (s *State) Stores() usersync.Stores {
	return usersync.Stores{Configs: s, Baselines: s, Plans: s, Runs: s, Journal: s, Leases: s, Outbox: s, Imports: s}
}

// statement begins a statement of which some words are names of tables, in braces.
func (s *State) statement(parts ...string) *statement {
	st := &statement{dialect: s.dialect}
	s.add(st, parts...)
	return st
}

// add goes on with a statement: "{runs}" is the table of runs, "?" the next of what bind is given.
func (s *State) add(st *statement, parts ...string) {
	for _, p := range parts {
		for _, name := range stateTables {
			p = strings.ReplaceAll(p, "{"+name+"}", s.tables[name])
		}
		st.add(p)
	}
}

// bound is a statement with a "?" for each argument.
func (s *State) bound(text string, args ...any) *statement {
	st := &statement{dialect: s.dialect}
	for i, part := range strings.Split(text, "?") {
		if i > 0 {
			st.bind(args[i-1])
		}
		s.add(st, part)
	}
	return st
}

// now is the time of the database, in milliseconds since 1970.
func (d Dialect) now() string {
	switch d {
	case PostgreSQL:
		return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
	case MySQL:
		return "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)"
	}
	return "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
}

// locking ends a statement whose rows are to be locked.
func (d Dialect) locking() string {
	if d == SQLite {
		return "" // the transaction has locked everything
	}
	return " FOR UPDATE"
}

// change does something in a transaction that writes. It is done again if it loses against another.
func (s *State) change(ctx context.Context, do func(tx *sql.Tx) error) error {
	return s.dialect.persistently(ctx, func() error { return s.changeOnce(ctx, do) })
}

func (s *State) changeOnce(ctx context.Context, do func(tx *sql.Tx) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	tx, err := s.db.BeginTx(ctx, s.dialect.writing())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ended(tx.Rollback())) }()
	if s.dialect == SQLite { // take the write lock before the first look: a transaction that has looked cannot wait
		if err := s.bound("UPDATE {leases} SET token = token WHERE 1 = 0").exec(ctx, tx); err != nil {
			return err
		}
	}
	if err := do(tx); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return tx.Commit()
}

// look does something in a transaction that sees one moment.
func (s *State) look(ctx context.Context, do func(tx *sql.Tx) error) (err error) {
	tx, err := s.db.BeginTx(ctx, s.dialect.snapshot())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ended(tx.Rollback())) }()
	return do(tx)
}

// persistently does something again as long as it loses against another.
func (d Dialect) persistently(ctx context.Context, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		if err == nil {
			return nil
		}
		if ended := ctx.Err(); ended != nil {
			return ended
		}
		if try == maxTries || !d.isTransient(err) {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(try*try) * 5 * time.Millisecond):
		}
	}
}

// one reads the first row of a statement, false if there is none.
func (st *statement) one(ctx context.Context, q queryer, into ...any) (bool, error) {
	rows, err := q.QueryContext(ctx, st.text.String(), st.args...)
	if err != nil {
		return false, err
	}
	found := rows.Next()
	if found {
		err = rows.Scan(into...)
	}
	return found, errors.Join(err, rows.Err(), rows.Close())
}

// Check tells whether the tables are there, and of this version. It is an error that says what to do
// otherwise.
func (s *State) Check(ctx context.Context) error {
	done, err := s.migrated(ctx, s.db)
	if err != nil {
		return fmt.Errorf("sqlstore: the tables are not there, or cannot be read: call Migrate: %w", err)
	}
	known := s.migrations()
	for _, m := range known { // numbers may be left out, and an older one may have come later
		if !slices.Contains(done, m.Number) {
			return fmt.Errorf("sqlstore: the tables are of an older version (without %d, %s): call Migrate", m.Number, m.Name)
		}
	}
	latest := known[len(known)-1].Number
	if newest := slices.Max(done); newest > latest {
		return fmt.Errorf("sqlstore: the tables are of a newer version (%d) than this program knows (%d): update the program", newest, latest)
	}
	return nil
}

func (v *validation) dialect(d Dialect) {
	if !slices.Contains([]Dialect{SQLite, PostgreSQL, MySQL}, d) {
		v.add("dialect", "%q is not known: use one of %q, %q, %q", d, SQLite, PostgreSQL, MySQL)
	}
}
