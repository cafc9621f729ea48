// Package sqlite keeps what usersync needs in a SQLite file, for products without a database of their
// own, for the command line and for tests. It brings a driver in pure Go (modernc.org/sqlite). A product
// that has its users in a SQLite database of its own describes them to package sqlstore instead.
//
//	store, err := sqlite.Open("usersync.db")
//	...
//	defer store.Close()
//	err = store.Migrate(ctx)
//	...
//	svc, err := usersync.NewService(store.Users(), store.Stores())
package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/seats"
	"github.com/usersync-go/usersync/adapters/sqlstore"
	"github.com/usersync-go/usersync/passwordlink"
)

// Store is a SQLite file with users and everything that runs need. It may be used by several goroutines at once, and the file by several
// processes on one machine.
type Store struct {
	db    *sql.DB
	users *sqlstore.Users
	state *sqlstore.State
}

// Option changes what Open makes.
type Option func(*settings)

type settings struct {
	schema  usersync.Schema
	mapping *sqlstore.Mapping
	state   []sqlstore.StateOption
}

// WithSchema gives the fields of users; they are those of usersync.DefaultSchema otherwise.
func WithSchema(schema usersync.Schema) Option { return func(s *settings) { s.schema = schema } }

// WithMapping says where in the file the product's own users are; they are in the ready-made table
// otherwise.
func WithMapping(m sqlstore.Mapping) Option { return func(s *settings) { s.mapping = &m } }

// WithTenant sets whose configurations and runs those of Stores are, "" otherwise.
func WithTenant(tenant string) Option {
	return func(s *settings) { s.state = append(s.state, sqlstore.WithTenant(tenant)) }
}

// Open opens a file, which it makes if there is none. Tables are made by Migrate.
//
// The file is in WAL mode, so that nobody who reads waits for one who writes; beside it there are a -wal
// and a -shm file while it is open. Who writes waits up to 10 seconds for another. Foreign keys are
// enforced. The file must not be on a network drive.
func Open(path string, opts ...Option) (*Store, error) {
	set := settings{schema: usersync.DefaultSchema()}
	for _, opt := range opts {
		opt(&set)
	}
	if path == "" || path == ":memory:" {
		return nil, fmt.Errorf("sqlite: %q is not the name of a file", path)
	}
	name, err := dataSource(path)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	store, err := set.over(db)
	if err != nil {
		_ = db.Close() // nothing is open yet
		return nil, err
	}
	return store, nil
}

// over makes the stores over a database.
func (set *settings) over(db *sql.DB) (*Store, error) {
	mapping := sqlstore.DefaultMapping(set.schema)
	if set.mapping != nil {
		mapping = *set.mapping
	}
	users, err := sqlstore.NewUsers(db, sqlstore.SQLite, mapping, set.schema)
	if err != nil {
		return nil, err
	}
	state, err := sqlstore.NewState(db, sqlstore.SQLite, set.state...)
	if err != nil {
		return nil, err
	}
	return &Store{db: db, users: users, state: state}, nil
}

// dataSource names a file, whatever letters are in its path, and how to open it.
func dataSource(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("sqlite: %w", err)
	}
	pragmas := url.Values{"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "foreign_keys(1)"}}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: pragmas.Encode()}
	return u.String(), nil
}

// Migrate makes the tables that are missing and adds columns for fields that have joined the schema. It
// removes nothing.
func (s *Store) Migrate(ctx context.Context) error {
	if err := s.state.Migrate(ctx); err != nil {
		return err
	}
	return s.users.Migrate(ctx)
}

// Check tells whether the tables are there and of this version. The error says what to do.
func (s *Store) Check(ctx context.Context) error { return s.state.Check(ctx) }

// Users is the store of users.
func (s *Store) Users() *sqlstore.Users { return s.users }

// Stores are where configurations, plans and runs are kept. Batches of users and the journal share
// transactions.
func (s *Store) Stores() usersync.Stores { return s.state.Stores() }

// Fields are where fields are kept that are added while the product runs; see usersync.WithFieldStore.
func (s *Store) Fields() usersync.FieldStore { return s.state }

// Tokens are where passwordlink keeps the tokens of set-password links.
func (s *Store) Tokens() passwordlink.TokenStore { return s.state }

// SeatBook makes a license that sets seats aside in the file; see sqlstore.NewSeatBook. The queries count active
// users, of the ready-made table for instance: SELECT COUNT(*) FROM usersync_users WHERE active.
func (s *Store) SeatBook(field string, limits seats.Limits, queries seats.Queries) *sqlstore.SeatBook {
	return sqlstore.NewSeatBook(s.state, field, limits, queries)
}

// References finds, and creates, the things of each set of a schema, such as groups, in tables of the same file; see
// sqlstore.NewReferenceCreator. The tables are the product's own.
func (s *Store) References(tables map[string]sqlstore.NamedTable) (*sqlstore.ReferenceCreator, error) {
	return sqlstore.NewReferenceCreator(s.db, sqlstore.SQLite, tables)
}

// DB is the database, for the product's own tables in the same file.
func (s *Store) DB() *sql.DB { return s.db }

// Close closes the file. What came from the store cannot be used any more.
func (s *Store) Close() error { return s.db.Close() }
