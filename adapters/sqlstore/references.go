package sqlstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/usersync-go/usersync"
)

var (
	_ usersync.References       = (*References)(nil)
	_ usersync.ReferenceCreator = (*ReferenceCreator)(nil)
)

// NamedTable is a table with a row for each thing of a set, such as groups: the product's own.
type NamedTable struct {
	Table string `json:"table"`
	Name  string `json:"name"` // column
	// Folded is a text column with the canonical form ([usersync.Fold]) of the name, by which it is looked up; the
	// product fills it in when it adds a thing itself. It should have a unique index, over the columns of Fixed with
	// Scope and this one. Without Folded every look-up reads all names, which is as exact, and quick enough for some
	// thousands of them.
	Folded string `json:"folded,omitempty"`
	// Usable says which things a user can be given, nil for all. New ones can be.
	Usable *Flag `json:"usable,omitempty"`
	// Fixed are further columns of new things. Those with Scope divide the table: rows with other values are none
	// of the set's, as with a tenant, or a table that has several sets.
	Fixed []Fixed `json:"fixed,omitempty"`
	// MakeID is the column of a text or UUID id that new things get from this store; with "" the database gives
	// them what they need.
	MakeID string `json:"makeId,omitempty"`
}

// References finds things by their names in tables of a database. It may be used by several goroutines at once.
type References struct {
	db      *sql.DB
	dialect Dialect
	sets    map[string]*namedTable
}

// ReferenceCreator also creates them.
type ReferenceCreator struct{ *References }

// namedTable is a NamedTable that has been prepared.
type namedTable struct {
	NamedTable
	name   string // quoted, behind the alias t
	folded string // the same, "" for none
	usable string // the same, "" for none
	scope  []fixed
}

// NewReferences finds the things of each set of a schema in a table of their own. It reports everything that is
// wrong with the tables as a *usersync.InvalidError, and does not talk to the database. db belongs to the caller.
func NewReferences(db *sql.DB, dialect Dialect, tables map[string]NamedTable) (*References, error) {
	v := &validation{}
	v.dialect(dialect)
	r := &References{db: db, dialect: dialect, sets: map[string]*namedTable{}}
	for _, set := range slices.Sorted(maps.Keys(tables)) {
		v.namedTable(set, tables[set])
		r.sets[set] = prepareNamed(dialect, tables[set])
	}
	if len(v.problems) > 0 {
		return nil, &usersync.InvalidError{What: "mapping of named things", Problems: v.problems}
	}
	return r, nil
}

// NewReferenceCreator is NewReferences for a schema that offers to create what is missing. Things can be created in
// all of the tables.
//
// Runs create one after the other, also in several processes, so that there is never one twice by Fold. Against the
// product itself, which may add the same thing at that very moment, only a unique index helps.
func NewReferenceCreator(db *sql.DB, dialect Dialect, tables map[string]NamedTable) (*ReferenceCreator, error) {
	r, err := NewReferences(db, dialect, tables)
	if err != nil {
		return nil, err
	}
	return &ReferenceCreator{r}, nil
}

func (v *validation) namedTable(set string, t NamedTable) {
	v.taken = map[string]string{}
	v.table(set+".table", t.Table)
	v.column(set+".name", t.Name)
	if t.Folded != "" {
		v.column(set+".folded", t.Folded)
	}
	if t.Usable != nil {
		v.flag(set+".usable", *t.Usable)
	}
	for i, f := range t.Fixed {
		v.column(fmt.Sprintf("%s.fixed.%d.column", set, i), f.Column)
	}
	if t.MakeID != "" {
		v.column(set+".makeId", t.MakeID)
	}
}

func prepareNamed(d Dialect, t NamedTable) *namedTable {
	p := &namedTable{NamedTable: t, name: "t." + d.quote(t.Name)}
	if t.Folded != "" {
		p.folded = "t." + d.quote(t.Folded)
	}
	if t.Usable != nil {
		p.usable = "t." + d.quote(t.Usable.Column)
	}
	for _, f := range t.Fixed {
		if f.Scope {
			p.scope = append(p.scope, fixed{d.quote(f.Column), &f.Value})
		}
	}
	return p
}

// FindReferences finds things in the table of their set; of several that are one by Fold, the first as bytes compare.
func (r *References) FindReferences(ctx context.Context, set string, names []string) ([]string, error) {
	t, err := r.table(set)
	if err != nil {
		return nil, err
	}
	there, err := r.find(ctx, r.db, t, names)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: looking up each %s: %w", set, err)
	}
	var out []string
	for _, name := range names {
		if found := there[name]; found.usable {
			out = append(out, found.name)
		}
	}
	return out, ctx.Err()
}

func (r *References) table(set string) (*namedTable, error) {
	if t := r.sets[set]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("sqlstore: there is no table for each %s", set)
}

// named is a thing that was found.
type named struct {
	name   string
	usable bool
}

// find gives the things of folded names, those that cannot be used too.
func (r *References) find(ctx context.Context, q queryer, t *namedTable, names []string) (map[string]named, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	there := make(map[string]named, len(names))
	ask := make([]any, 0, len(names))
	for _, name := range names {
		if there[name] = (named{}); isText(name) {
			ask = append(ask, name)
		}
	}
	if t.folded == "" && len(ask) > 0 {
		return there, r.read(t, nil).query(ctx, q, t.collect(there))
	}
	for part := range slices.Chunk(ask, lookupSize) {
		if err := r.read(t, part).query(ctx, q, t.collect(there)); err != nil {
			return nil, err
		}
	}
	return there, nil
}

// read is the statement that reads things of folded names, of all without names.
func (r *References) read(t *namedTable, names []any) *statement {
	st := &statement{dialect: r.dialect}
	st.add("SELECT ", t.name)
	if t.usable != "" {
		st.add(", ", t.usable)
	}
	st.add(" FROM ", r.dialect.quoteTable(t.Table), " t")
	st.where("t.", t.scope)
	if names != nil {
		st.add(" AND ")
		st.among(t.folded, "text", names)
	}
	return st
}

// collect keeps the things that were asked for. One that can be used beats one that cannot.
func (t *namedTable) collect(there map[string]named) func(cells []sql.RawBytes) error {
	return func(cells []sql.RawBytes) error {
		name := string(cells[0])
		folded := usersync.Fold(name)
		old, asked := there[folded]
		if !asked || folded == "" {
			return nil
		}
		next := named{name, t.usable == "" || t.Usable.is(string(cells[1]))}
		if old.name == "" || next.usable && !old.usable || next.usable == old.usable && next.name < old.name {
			there[folded] = next
		}
		return nil
	}
}

// CreateReferences adds what there is not in one transaction. One that there is but that cannot be used is an error.
func (r *ReferenceCreator) CreateReferences(ctx context.Context, set string, names []string) error {
	t, err := r.table(set)
	if err != nil {
		return err
	}
	err = r.dialect.persistently(ctx, func() error {
		err := r.create(ctx, t, names)
		for try := 1; err != nil && r.dialect.isDuplicate(err) && try < maxTries; try++ { // the product was faster
			err = r.create(ctx, t, names)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("sqlstore: creating each %s: %w", set, err)
	}
	return nil
}

// create makes one attempt, alone.
func (r *ReferenceCreator) create(ctx context.Context, t *namedTable, names []string) (err error) {
	conn, err := r.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	unlock, err := r.lock(ctx, conn, t)
	if err != nil {
		return err
	}
	defer unlock()
	tx, err := conn.BeginTx(ctx, r.dialect.writing())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ended(tx.Rollback())) }()
	if err := r.prepare(ctx, tx, t); err != nil {
		return err
	}
	missing, err := r.missing(ctx, tx, t, names)
	if err == nil {
		err = r.insert(ctx, tx, t, missing)
	}
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return tx.Commit()
}

// lockTime is how long MySQL waits for others who create, in seconds.
const lockTime = 20

// lock keeps others from creating in MySQL, whose transactions cannot; it lasts as long as the connection.
func (r *ReferenceCreator) lock(ctx context.Context, conn *sql.Conn, t *namedTable) (unlock func(), err error) {
	if r.dialect != MySQL {
		return func() {}, nil
	}
	sum := sha256.Sum256([]byte(t.Table))
	name := "usersync:" + hex.EncodeToString(sum[:16])
	var got sql.NullInt64
	if err := conn.QueryRowContext(ctx, "SELECT GET_LOCK(?, ?)", name, lockTime).Scan(&got); err != nil {
		return nil, errors.Join(err, discard(conn))
	}
	if got.Int64 != 1 {
		return nil, errors.New("others have been creating things for too long: try again")
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lockTime*time.Second)
		defer cancel()
		if err := conn.QueryRowContext(ctx, "SELECT RELEASE_LOCK(?)", name).Scan(&got); err != nil {
			_ = discard(conn) // which lets the lock go
		}
	}, nil
}

// discard closes a connection for good, instead of giving it back.
func discard(conn *sql.Conn) error {
	err := conn.Raw(func(any) error { return driver.ErrBadConn })
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) {
		return nil
	}
	return err
}

// prepare keeps others from creating in the other databases, and refuses a server that would cut names off.
func (r *ReferenceCreator) prepare(ctx context.Context, tx *sql.Tx, t *namedTable) error {
	switch r.dialect {
	case PostgreSQL:
		sum := sha256.Sum256([]byte("usersync:" + t.Table))
		_, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", int64(binary.BigEndian.Uint64(sum[:8])))
		return err
	case MySQL:
		return requireStrict(ctx, tx)
	}
	name := r.dialect.quote(t.Name) // see Users.prepare
	_, err := tx.ExecContext(ctx, "UPDATE "+r.dialect.quoteTable(t.Table)+" SET "+name+" = "+name+" WHERE 1 = 0")
	return err
}

// missing picks the names that there are not.
func (r *ReferenceCreator) missing(ctx context.Context, tx *sql.Tx, t *namedTable, names []string) ([]string, error) {
	folded := make([]string, len(names))
	for i, name := range names {
		folded[i] = usersync.Fold(name)
	}
	there, err := r.find(ctx, tx, t, folded)
	if err != nil {
		return nil, err
	}
	var out []string
	for i, name := range names {
		switch found := there[folded[i]]; {
		case found.name == "":
			out = append(out, name)
		case !found.usable:
			return nil, fmt.Errorf("%q is there, but cannot be used", found.name)
		}
	}
	return out, nil
}

// insert adds things.
func (r *ReferenceCreator) insert(ctx context.Context, tx *sql.Tx, t *namedTable, names []string) error {
	columns := t.columns()
	head := "INSERT INTO " + r.dialect.quoteTable(t.Table) + " (" + strings.Join(quoteAll(r.dialect, columns), ", ") + ") VALUES "
	for part := range slices.Chunk(names, min(insertSize, r.dialect.parameters()/len(columns))) {
		st := &statement{dialect: r.dialect}
		st.add(head)
		for i, name := range part {
			st.add([]string{"", ", "}[min(i, 1)])
			st.row(t.cells(name))
		}
		if err := st.exec(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

// columns are those that new things get, and cells what is in them.
func (t *namedTable) columns() []string {
	out := []string{t.Name}
	if t.Folded != "" {
		out = append(out, t.Folded)
	}
	if t.Usable != nil {
		out = append(out, t.Usable.Column)
	}
	for _, f := range t.Fixed {
		out = append(out, f.Column)
	}
	if t.MakeID != "" {
		out = append(out, t.MakeID)
	}
	return out
}

func (t *namedTable) cells(name string) []any {
	out := []any{name}
	if t.Folded != "" {
		out = append(out, usersync.Fold(name))
	}
	if t.Usable != nil {
		out = append(out, t.Usable.of(true))
	}
	for _, f := range t.Fixed {
		out = append(out, f.Value)
	}
	if t.MakeID != "" {
		out = append(out, newUUID(time.Now()))
	}
	return out
}
