package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/usersync-go/usersync"
)

// WriteUsers writes all changes in one transaction. Where the mapping names a table for it, idempotency
// keys are remembered in the same transaction.
func (s *Users) WriteUsers(ctx context.Context, changes []usersync.Change) ([]usersync.Outcome, error) {
	return s.writeWith(ctx, changes, nil)
}

// writeWith is WriteUsers with something that is done in the same transaction, after the changes. Where there
// is such a thing, it remembers what was done, and idempotency keys are left alone. Both are done again if
// they lose against another transaction.
func (s *Users) writeWith(ctx context.Context, changes []usersync.Change, with func(*sql.Tx, []usersync.Outcome) error) (out []usersync.Outcome, err error) {
	err = s.dialect.persistently(ctx, func() error {
		out, err = s.write(ctx, changes, with)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sqlstore: writing users: %w", err)
	}
	return out, nil
}

// write makes one attempt.
func (s *Users) write(ctx context.Context, changes []usersync.Change, with func(*sql.Tx, []usersync.Outcome) error) (_ []usersync.Outcome, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	tx, err := s.db.BeginTx(ctx, s.dialect.writing())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ended(tx.Rollback())) }()
	w := &writer{Users: s, tx: tx, changes: changes, out: make([]usersync.Outcome, len(changes)),
		versions: map[string]string{}, remembered: map[string]usersync.Outcome{}, keys: s.mapping.Remembered}
	if with != nil {
		w.keys = ""
	}
	if err := w.start(ctx); err != nil {
		return nil, err
	}
	if err := w.writeAll(ctx); err != nil {
		return nil, err
	}
	if with != nil {
		if err := with(tx, w.out); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return w.out, tx.Commit()
}

// writer is a call of WriteUsers at work.
type writer struct {
	*Users
	tx      *sql.Tx
	changes []usersync.Change
	out     []usersync.Outcome
	keys    string // the table of idempotency keys, "" for none

	versions   map[string]string           // of the users there are, by id, as of the latest change
	remembered map[string]usersync.Outcome // by idempotency key
	run        pending
}

// start locks what the changes need and reads it.
func (w *writer) start(ctx context.Context) error {
	if err := w.prepare(ctx); err != nil {
		return err
	}
	if err := w.recall(ctx, w.changes); err != nil {
		return err
	}
	return w.lock(ctx)
}

// prepare does what a dialect needs at the start of a transaction.
func (w *writer) prepare(ctx context.Context) error {
	switch w.dialect {
	case PostgreSQL:
		return w.planAnew(ctx, w.tx)
	case SQLite: // take the write lock before the first look: a transaction that has looked cannot wait
		id := w.dialect.quote(w.mapping.ID.Column)
		_, err := w.tx.ExecContext(ctx, "UPDATE "+w.table+" SET "+id+" = "+id+" WHERE 1 = 0")
		return err
	case MySQL:
		return requireStrict(ctx, w.tx)
	}
	return nil
}

// requireStrict refuses a connection to MySQL that cuts values off.
func requireStrict(ctx context.Context, tx *sql.Tx) error {
	var mode string
	if err := tx.QueryRowContext(ctx, "SELECT @@SESSION.sql_mode").Scan(&mode); err != nil {
		return err
	}
	if !strings.Contains(mode, "STRICT_") {
		return fmt.Errorf("sql_mode %q would cut values off: make the connection's mode strict", mode)
	}
	return nil
}

// lock locks the users to be changed and reads their versions.
func (w *writer) lock(ctx context.Context) error {
	var ids []string
	seen := map[string]bool{"": true}
	for i := range w.changes {
		if id := w.changes[i].UserID; !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	look, err := w.lookup(usersync.FieldID)
	if err != nil {
		return err
	}
	args, wanted := look.arguments(ids)
	for len(args) > 0 {
		n := min(lookupSize, len(args))
		if err := w.lockPart(ctx, look, args[:n], wanted); err != nil {
			return err
		}
		args = args[n:]
	}
	if w.mapping.Version.Kind == HashVersion {
		return w.reread(ctx, ids)
	}
	return nil
}

func (w *writer) lockPart(ctx context.Context, look lookup, args []any, wanted map[string]struct{}) error {
	version := look.expression
	if w.mapping.Version.Kind != HashVersion {
		version = "u." + w.dialect.quote(w.mapping.Version.Column)
	}
	st := &statement{dialect: w.dialect}
	st.add("SELECT ", look.expression, ", ", version, " FROM ", w.table, " u")
	st.where("u.", w.scope)
	st.add(" AND ")
	look.among(st, args)
	if w.dialect != SQLite { // which has locked everything
		st.add(" ORDER BY ", look.expression, " FOR UPDATE")
	}
	return st.query(ctx, w.tx, func(cells []sql.RawBytes) error {
		if _, exact := wanted[string(cells[0])]; exact {
			w.versions[string(cells[0])] = string(cells[1])
		}
		return nil
	})
}

// reread reads the versions of users who were written.
func (w *writer) reread(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	users, err := w.find(ctx, w.tx, usersync.FieldID, ids)
	for i := range users {
		w.versions[users[i].ID] = users[i].Version
	}
	return err
}

// writeAll goes through the changes in order and writes neighbours of a kind together.
func (w *writer) writeAll(ctx context.Context) error {
	for i := range w.changes {
		c := &w.changes[i]
		if w.run.must(c, w.byField, w.schema.Key) {
			if err := w.flush(ctx); err != nil {
				return err
			}
		}
		if out, again := w.remembered[c.IdempotencyKey]; again {
			w.out[i] = out
			continue
		}
		if err := w.refuse(c); err != nil {
			w.out[i].Err = err
			continue
		}
		w.run.take(i, c, w.schema.Key)
	}
	return w.flush(ctx)
}

func (w *writer) flush(ctx context.Context) error {
	run := w.run.changes
	w.run = pending{}
	if len(run) == 0 {
		return nil
	}
	return w.try(ctx, run)
}

// maxRun is how many changes are written together.
const maxRun = 1000

// pending are neighbouring changes that can be written together.
type pending struct {
	changes []int
	create  bool
	renames bool            // some change sets the key
	ids     map[string]bool // of users
	names   map[string]bool // their keys
	keys    map[string]bool // of idempotency
}

// must tells that a change has to wait until those that are pending are written: it is of another kind,
// or may need what they do.
func (p *pending) must(c *usersync.Change, columns map[string]*column, key string) bool {
	if len(p.changes) == 0 {
		return false
	}
	if len(p.changes) == maxRun || p.create != (c.Op == usersync.OpCreate) || p.keys[c.IdempotencyKey] ||
		c.UserID != "" && p.ids[c.UserID] {
		return true
	}
	_, renames := c.Set.Lookup(key)
	if !p.create && (renames || p.renames) {
		return true
	}
	for field, value := range c.Set.All() {
		if col := columns[field]; col != nil && col.Reference && p.names[usersync.Fold(value)] {
			return true
		}
	}
	return false
}

// take adds a change.
func (p *pending) take(i int, c *usersync.Change, key string) {
	if p.changes == nil {
		p.create = c.Op == usersync.OpCreate
		p.ids, p.names, p.keys = map[string]bool{}, map[string]bool{}, map[string]bool{}
	}
	p.changes = append(p.changes, i)
	p.ids[c.UserID] = true
	p.names[c.Key] = true
	p.keys[c.IdempotencyKey] = c.IdempotencyKey != ""
	_, renames := c.Set.Lookup(key)
	p.renames = p.renames || renames
}

// refuse tells what can be told before writing.
func (w *writer) refuse(c *usersync.Change) error {
	switch c.Op {
	case usersync.OpCreate:
	case usersync.OpUpdate, usersync.OpActivate, usersync.OpDeactivate:
		version, there := w.versions[c.UserID]
		if !there {
			return fmt.Errorf("user %q: %w", c.UserID, usersync.ErrNotFound)
		}
		if c.IfVersion != "" && c.IfVersion != version {
			return fmt.Errorf("%w: version %s is now %s", usersync.ErrVersionConflict, c.IfVersion, version)
		}
	default:
		return fmt.Errorf("sqlstore: operation %q is unknown", c.Op)
	}
	for field := range c.Set.All() {
		_, listed := w.mapping.Lists[field]
		if w.byField[field] == nil && !listed && !w.isAdded(field) {
			return fmt.Errorf("sqlstore: the mapping has no place for %s", field)
		}
	}
	return nil
}

// try writes changes together. If that fails it undoes it and tries each half, down to the change that
// is at fault. The order of the changes stays.
func (w *writer) try(ctx context.Context, run []int) error {
	if _, err := w.tx.ExecContext(ctx, "SAVEPOINT usersync"); err != nil {
		return err
	}
	out, failed := w.perform(ctx, run)
	if ctx.Err() != nil || w.dialect.isTransient(failed) {
		return errors.Join(failed, ctx.Err())
	}
	if failed != nil {
		if _, err := w.tx.ExecContext(ctx, "ROLLBACK TO SAVEPOINT usersync"); err != nil {
			return failed // the transaction is lost
		}
	}
	if _, err := w.tx.ExecContext(ctx, "RELEASE SAVEPOINT usersync"); err != nil {
		return err
	}
	if failed == nil {
		w.made(run, out)
		return nil
	}
	if len(run) == 1 {
		return w.failed(ctx, run[0], failed)
	}
	if err := w.try(ctx, run[:len(run)/2]); err != nil {
		return err
	}
	return w.try(ctx, run[len(run)/2:])
}

// made notes that changes were made.
func (w *writer) made(run []int, out []usersync.Outcome) {
	for i, at := range run {
		w.out[at] = out[i]
		w.versions[out[i].ID] = out[i].Version
		if key := w.changes[at].IdempotencyKey; key != "" {
			w.remembered[key] = out[i]
		}
	}
}

// failed notes why one change was not made.
func (w *writer) failed(ctx context.Context, at int, failed error) error {
	c := &w.changes[at]
	if !w.dialect.isDuplicate(failed) {
		w.out[at].Err = failed
		return nil
	}
	if err := w.recall(ctx, w.changes[at:at+1]); err != nil {
		return err
	}
	if out, again := w.remembered[c.IdempotencyKey]; again { // another call was faster
		w.out[at] = out
		return nil
	}
	taken := w.taken(ctx, []int{at}, true)
	switch {
	case taken == nil:
		taken = fmt.Errorf("a value is %w: %w", usersync.ErrDuplicate, failed)
	case !errors.Is(taken, usersync.ErrDuplicate):
		return taken
	}
	w.out[at].Err = taken
	return nil
}
