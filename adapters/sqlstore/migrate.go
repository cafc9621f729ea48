package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// migrationFiles have a file for each migration, NUMBER_NAME.sql, in which names of tables and types stand in
// braces.
//
//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migration is one change of the tables of a State. Migrations are only ever added; numbers may be left out, and one
// may come after another with a higher number.
type Migration struct {
	Number     int // 1 is the first
	Name       string
	Statements []string
}

// Migrations are all that Migrate does, in order, for products that keep their migrations themselves: with the
// statements that make the table of migrations and note there what was done. The database is not needed.
func (s *State) Migrations() []Migration {
	all := s.migrations()
	for i := range all {
		if i == 0 {
			all[i].Statements = append([]string{s.migrationsTable()}, all[i].Statements...)
		}
		note := fmt.Sprintf("INSERT INTO %s (number, name, done) VALUES (%d, '%s', %s)", s.tables["migrations"], all[i].Number,
			all[i].Name, s.dialect.now())
		all[i].Statements = append(all[i].Statements, note)
	}
	return all
}

var (
	migrationName = regexp.MustCompile(`^(\d+)_(\w+)\.sql$`)
	indexWord     = regexp.MustCompile(`\{index:(\w+)\}`)
)

// migrations are the migrations without what notes them, in order.
func (s *State) migrations() []Migration {
	files, _ := migrationFiles.ReadDir("migrations") // is embedded
	var out []Migration
	for _, file := range files {
		data, _ := migrationFiles.ReadFile(path.Join("migrations", file.Name()))
		parts := migrationName.FindStringSubmatch(file.Name())
		number, _ := strconv.Atoi(parts[1])
		out = append(out, Migration{number, parts[2], s.statements(string(data))})
	}
	return out
}

// statements fills a file in and splits it.
func (s *State) statements(text string) []string {
	t := s.dialect.types()
	blob, word, id, long := "BLOB", "TEXT", "TEXT", "TEXT"
	switch s.dialect {
	case PostgreSQL:
		blob, word, id = "BYTEA", t.id, t.id
	case MySQL: // texts of other types are the same with a space behind them
		blob, word, id, long = "LONGBLOB", "VARBINARY(20)", "VARBINARY(255)", "LONGTEXT CHARACTER SET utf8mb4"
	}
	text = strings.NewReplacer("{id}", id, "{word}", word, "{text}", long, "{blob}", blob, "{suffix}", t.suffix).Replace(text)
	text = indexWord.ReplaceAllStringFunc(text, func(word string) string {
		return s.createIndex(strings.TrimSuffix(strings.TrimPrefix(word, "{index:"), "}"))
	})
	for _, name := range stateTables {
		text = strings.ReplaceAll(text, "{"+name+"}", s.tables[name])
	}
	var out []string
	for _, statement := range strings.Split(text, ";\n") {
		lines := strings.Split(statement, "\n")
		for len(lines) > 0 && (lines[0] == "" || strings.HasPrefix(lines[0], "--")) {
			lines = lines[1:]
		}
		if statement = strings.TrimSpace(strings.Join(lines, "\n")); statement != "" {
			out = append(out, statement)
		}
	}
	return out
}

// createIndex begins the statement that makes an index. MySQL knows no IF NOT EXISTS there; a migration that
// was cut off there is gone on with where it was.
func (s *State) createIndex(name string) string {
	prefix := s.prefix[strings.LastIndexByte(s.prefix, '.')+1:]
	if s.dialect == MySQL {
		return "CREATE INDEX " + s.dialect.quote(prefix+name)
	}
	return "CREATE INDEX IF NOT EXISTS " + s.dialect.quote(prefix+name)
}

func (s *State) migrationsTable() string {
	t := s.dialect.types()
	return "CREATE TABLE IF NOT EXISTS " + s.tables["migrations"] +
		" (number INTEGER NOT NULL PRIMARY KEY, name " + t.folded + " NOT NULL, done BIGINT NOT NULL)" + t.suffix
}

// Migrate makes the tables, or brings older ones up to date: it carries out the migrations that were not
// carried out yet. Several processes may do it at once. Nothing else ever makes or changes a table.
func (s *State) Migrate(ctx context.Context) error {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("sqlstore: %w", err)
	}
	err = s.migrateOn(ctx, conn)
	if err = errors.Join(err, conn.Close()); err != nil {
		return fmt.Errorf("sqlstore: making the tables %s…: %w", s.prefix, err)
	}
	return nil
}

func (s *State) migrateOn(ctx context.Context, conn *sql.Conn) (err error) {
	unlock, err := s.lockMigrations(ctx, conn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock(err == nil)) }()
	if _, err := conn.ExecContext(ctx, s.migrationsTable()); err != nil {
		return err
	}
	done, err := s.migrated(ctx, conn)
	if err != nil {
		return err
	}
	for _, m := range s.migrations() {
		if slices.Contains(done, m.Number) {
			continue
		}
		if err := s.carryOut(ctx, conn, m); err != nil {
			return fmt.Errorf("migration %d, %s: %w", m.Number, m.Name, err)
		}
	}
	return nil
}

// migrated are the numbers of the migrations that were carried out, in any order.
func (s *State) migrated(ctx context.Context, q queryer) (done []int, err error) {
	err = s.bound("SELECT number FROM {migrations}").query(ctx, q, func(cells []sql.RawBytes) error {
		number, err := strconv.Atoi(string(cells[0]))
		done = append(done, number)
		return err
	})
	return done, err
}

func (s *State) carryOut(ctx context.Context, conn *sql.Conn, m Migration) error {
	for _, text := range m.Statements {
		_, err := conn.ExecContext(ctx, text)
		if err != nil && !(s.dialect == MySQL && (isMySQL(err, 1060) || isMySQL(err, 1061))) { // the column or index is there already
			return fmt.Errorf("%w\n%s", err, text)
		}
	}
	return s.bound("INSERT INTO {migrations} (number, name, done) VALUES (?, ?, "+s.dialect.now()+")", m.Number, m.Name).exec(ctx, conn)
}

// migrationPatience is how long one process waits for another to migrate.
const migrationPatience = 60 * time.Second

// lockMigrations lets one process at a time migrate. On SQLite and PostgreSQL all of it is one transaction;
// MySQL ends transactions with every change of a table.
func (s *State) lockMigrations(ctx context.Context, conn *sql.Conn) (unlock func(good bool) error, err error) {
	name := "usersync " + digest([]byte(s.prefix))
	unlock = func(good bool) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), migrationPatience)
		defer cancel()
		end := "ROLLBACK"
		if good {
			end = "COMMIT"
		}
		_, err := conn.ExecContext(ctx, end)
		return err
	}
	switch s.dialect {
	case SQLite:
		_, err = conn.ExecContext(ctx, "BEGIN IMMEDIATE")
	case PostgreSQL:
		if _, err = conn.ExecContext(ctx, "BEGIN"); err == nil {
			_, err = conn.ExecContext(ctx, "SELECT pg_advisory_xact_lock(hashtext($1))", name)
		}
	case MySQL:
		var got sql.NullInt64
		err = conn.QueryRowContext(ctx, "SELECT GET_LOCK(?, ?)", name, int(migrationPatience.Seconds())).Scan(&got)
		if err == nil && got.Int64 != 1 {
			err = errors.New("another process is making them and does not come to an end")
		}
		unlock = func(bool) error {
			_, err := conn.ExecContext(context.WithoutCancel(ctx), "DO RELEASE_LOCK(?)", name)
			return err
		}
	}
	return unlock, err
}
