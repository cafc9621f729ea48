package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/usersync-go/usersync"
)

// rememberedColumns are those of the table of idempotency keys: the key as keyForm has it, and the outcome.
func rememberedColumns() []string { return []string{"change_key", "user_id", "user_version"} }

// recalled takes the outcomes of changes that were made before; by has the keys by keyForm.
func (w *writer) recalled(by map[string]string) func(cells []sql.RawBytes) error {
	return func(cells []sql.RawBytes) error {
		w.remembered[by[string(cells[0])]] = usersync.Outcome{ID: string(cells[1]), Version: string(cells[2])}
		return nil
	}
}

// remember keeps what became of changes.
func (w *writer) remember(ctx context.Context, run []int, out []usersync.Outcome) error {
	if w.keys == "" {
		return nil
	}
	rows := make([][]any, 0, len(run))
	for i, at := range run {
		if key := w.changes[at].IdempotencyKey; key != "" {
			rows = append(rows, []any{keyForm(key), out[i].ID, out[i].Version})
		}
	}
	return w.insert(ctx, w.keys, rememberedColumns(), rows)
}

// keyForm is what the table has for a key. The engine's keys stand there as they are: one run's are then
// neighbours, which indexes like. One that a collation could take for another is hashed.
func keyForm(key string) string {
	plain := func(r rune) bool { return '!' <= r && r <= '~' }
	if len(key) <= 60 && key[0] != '#' && strings.IndexFunc(key, func(r rune) bool { return !plain(r) }) < 0 {
		return key
	}
	return "#" + digest([]byte(key))
}

func quoteAll(d Dialect, names []string) []string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = d.quote(name)
	}
	return quoted
}

// insertSize is how many rows a statement inserts.
const insertSize = 500

// insert adds rows to a table.
func (w *writer) insert(ctx context.Context, table string, names []string, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	if w.dialect == PostgreSQL {
		return w.insertArrays(ctx, table, names, rows)
	}
	size := min(insertSize, w.dialect.parameters()/len(names))
	for part := range slices.Chunk(rows, size) {
		st := &statement{dialect: w.dialect}
		st.add("INSERT INTO ", w.dialect.quoteTable(table), " (",
			strings.Join(quoteAll(w.dialect, names), ", "), ") VALUES ")
		for i, row := range part {
			st.add([]string{"", ", "}[min(i, 1)])
			st.row(row)
		}
		if err := st.exec(ctx, w.tx); err != nil {
			return err
		}
	}
	return nil
}

// insertArrays hands each column over as an array. The statement is the same for any number of rows, so
// the server plans it once, and it is the fastest way there is without COPY.
func (w *writer) insertArrays(ctx context.Context, table string, names []string, rows [][]any) error {
	types, err := w.columnTypes(ctx, table, names)
	if err != nil {
		return err
	}
	st := &statement{dialect: w.dialect}
	st.add("INSERT INTO ", w.dialect.quoteTable(table), " (", strings.Join(quoteAll(w.dialect, names), ", "),
		") SELECT ", strings.Join(casts(types), ", "), " FROM ")
	st.unnest(rows)
	return st.exec(ctx, w.tx)
}

// casts turn the texts c1, c2 and so on into the columns' types.
func casts(types []string) []string {
	out := make([]string, len(types))
	for i, typ := range types {
		out[i] = fmt.Sprintf("v.c%d::%s", i+1, typ)
	}
	return out
}

// unnest adds rows as a table v of texts c1, c2 and so on.
func (st *statement) unnest(rows [][]any) {
	cells := make([]any, len(rows))
	names := make([]string, len(rows[0]))
	for col := range rows[0] {
		for i := range rows {
			cells[i] = rows[i][col]
		}
		st.add([]string{"unnest(", ", "}[min(col, 1)])
		st.bind(arrayOf(cells))
		st.add("::text[]")
		names[col] = fmt.Sprintf("c%d", col+1)
	}
	st.add(") AS v(", strings.Join(names, ", "), ")")
}

// columnTypes are the types of columns, without their lengths: a cast to a length would cut off.
func (w *writer) columnTypes(ctx context.Context, table string, names []string) ([]string, error) {
	if err := w.readTypes(ctx, w.tx, table); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	types := make([]string, len(names))
	for i, name := range names {
		typ, known := w.types[table+"."+name]
		if !known {
			return nil, fmt.Errorf("sqlstore: table %s has no column %q", table, name)
		}
		types[i] = typ
	}
	return types, nil
}

// readTypes reads the types of a table's columns once.
func (s *Users) readTypes(ctx context.Context, q queryer, table string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.types[table]; known {
		return nil
	}
	st := &statement{dialect: s.dialect}
	st.add("SELECT attname, format_type(atttypid, -1) FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped",
		" AND attrelid = to_regclass(")
	st.bind(s.dialect.quoteTable(table))
	st.add("::text)")
	types := map[string]string{table: ""}
	err := st.query(ctx, q, func(cells []sql.RawBytes) error {
		types[table+"."+string(cells[0])] = string(cells[1])
		return nil
	})
	if err != nil {
		return err
	}
	if len(types) == 1 {
		return fmt.Errorf("sqlstore: there is no table %s", table)
	}
	if s.types == nil {
		s.types = map[string]string{}
	}
	maps.Copy(s.types, types)
	return nil
}

// updateGroup writes rows for the same columns, each with the user's id at the end.
func (w *writer) updateGroup(ctx context.Context, g *updates) error {
	together := len(g.rows) > 1 && w.anyOrder(g.names)
	switch {
	case together && w.dialect == PostgreSQL:
		return w.updateArrays(ctx, g)
	case together && w.dialect == MySQL:
		return w.updateCases(ctx, g)
	}
	st := &statement{dialect: w.dialect}
	w.updateHead(st)
	for i, name := range g.names {
		st.add(w.comma(i), w.dialect.quote(name), " = ")
		st.bind(nil)
	}
	st.add(" WHERE ", w.dialect.quote(w.mapping.ID.Column), " = ")
	st.bind(nil)
	if len(g.rows) == 1 {
		st.args = g.rows[0]
		return st.exec(ctx, w.tx)
	}
	prepared, err := w.tx.PrepareContext(ctx, st.text.String())
	if err != nil {
		return err
	}
	for _, row := range g.rows {
		if _, err := prepared.ExecContext(ctx, row...); err != nil {
			return errors.Join(err, prepared.Close())
		}
	}
	return prepared.Close()
}

// anyOrder tells that the order of updates does not matter: they set nothing that is unique.
func (w *writer) anyOrder(names []string) bool {
	for _, c := range w.columns {
		if c.unique && slices.Contains(names, c.Column.Column) {
			return false
		}
	}
	return true
}

// updateHead begins an update, and counts the version up where that is the way.
func (w *writer) updateHead(st *statement) {
	st.add("UPDATE ", w.table, " SET ")
	if w.mapping.Version.Kind == CounterVersion {
		version := w.dialect.quote(w.mapping.Version.Column)
		st.add(version, " = ", w.table, ".", version, " + 1")
	}
}

// comma goes before the i-th assignment of an update.
func (w *writer) comma(i int) string {
	if i == 0 && w.mapping.Version.Kind != CounterVersion {
		return ""
	}
	return ", "
}

// casesAtOnce is how many rows updateCases writes with one statement: for each row that it changes, the
// server looks at so many cases.
const casesAtOnce = 100

// updateCases is updateGroup with one statement for many rows: each column is set to the value of the row's
// case. All values stay parameters, which the server converts as it does those of single updates.
func (w *writer) updateCases(ctx context.Context, g *updates) error {
	id := w.dialect.quote(w.mapping.ID.Column)
	for rows := range slices.Chunk(g.rows, casesAtOnce) {
		st := &statement{dialect: w.dialect}
		w.updateHead(st)
		ids := make([]any, len(rows))
		for i, row := range rows {
			ids[i] = row[len(row)-1]
		}
		for i, name := range g.names {
			st.add(w.comma(i), w.dialect.quote(name), " = CASE ", id)
			for at, row := range rows {
				st.add(" WHEN ")
				st.bind(ids[at])
				st.add(" THEN ")
				st.bind(row[i])
			}
			st.add(" END")
		}
		st.add(" WHERE ")
		st.among(id, "", ids)
		if err := st.exec(ctx, w.tx); err != nil {
			return err
		}
	}
	return nil
}

// updateArrays is updateGroup with each column as an array.
func (w *writer) updateArrays(ctx context.Context, g *updates) error {
	types, err := w.columnTypes(ctx, w.mapping.Table, append(slices.Clone(g.names), w.mapping.ID.Column))
	if err != nil {
		return err
	}
	cells := casts(types)
	st := &statement{dialect: w.dialect}
	w.updateHead(st)
	for i, name := range g.names {
		st.add(w.comma(i), w.dialect.quote(name), " = ", cells[i])
	}
	st.add(" FROM ")
	st.unnest(g.rows)
	st.add(" WHERE ", w.table, ".", w.dialect.quote(w.mapping.ID.Column), " = ", cells[len(cells)-1])
	return st.exec(ctx, w.tx)
}
