package sqlstore

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/usersync-go/usersync"
)

// perform writes changes of one kind, all or none of them.
func (w *writer) perform(ctx context.Context, run []int) ([]usersync.Outcome, error) {
	refs, err := w.resolve(ctx, run)
	if err != nil {
		return nil, err
	}
	if err := w.taken(ctx, run, false); err != nil {
		return nil, err
	}
	var ids []string
	if w.changes[run[0]].Op == usersync.OpCreate {
		ids, err = w.create(ctx, run, refs)
	} else {
		ids, err = w.update(ctx, run, refs)
	}
	if err != nil {
		return nil, err
	}
	if err := w.writeLists(ctx, run, ids); err != nil {
		return nil, err
	}
	if err := w.writeAdded(ctx, run, ids); err != nil {
		return nil, err
	}
	out, err := w.outcomes(ctx, run, ids)
	if err != nil {
		return nil, err
	}
	return out, w.remember(ctx, run, out)
}

// resolve finds the ids of the users whom changes refer to, by key.
func (w *writer) resolve(ctx context.Context, run []int) (map[string]any, error) {
	var keys []string
	for _, at := range run {
		for _, c := range w.columns {
			if value := w.changes[at].Set.Get(c.field); c.Reference && value != "" {
				keys = append(keys, usersync.Fold(value))
			}
		}
	}
	if len(keys) == 0 {
		return nil, nil
	}
	slices.Sort(keys)
	by, err := w.holders(ctx, w.tx, w.byField[w.schema.Key], slices.Compact(keys))
	refs := make(map[string]any, len(by))
	for key, ids := range by {
		if len(ids) == 1 {
			refs[key], _ = w.mapping.ID.Kind.argument(ids[0])
		}
	}
	return refs, err
}

// errTogether sends changes back to be written apart.
var errTogether = errors.New("sqlstore: some values are taken")

// taken refuses values that another user has, in columns where no unique index on a folded form does;
// with all, in every unique column, to find out which one an index has refused.
func (w *writer) taken(ctx context.Context, run []int, all bool) error {
	for _, col := range w.columns {
		if !col.unique || col.folded != "" && !all {
			continue
		}
		if err := w.takenIn(ctx, run, col); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) takenIn(ctx context.Context, run []int, col *column) error {
	var values []string
	by := map[string]int{}
	for _, at := range run {
		value := usersync.Fold(w.changes[at].Set.Get(col.field))
		if value == "" {
			continue
		}
		if _, twice := by[value]; twice {
			return errTogether
		}
		by[value] = at
		values = append(values, value)
	}
	if len(values) == 0 {
		return nil
	}
	holders, err := w.holders(ctx, w.tx, col, values)
	if err != nil {
		return err
	}
	for _, value := range values {
		c := &w.changes[by[value]]
		other := func(id string) bool { return id != c.UserID }
		if slices.ContainsFunc(holders[value], other) {
			return fmt.Errorf("%s %q is %w", col.field, c.Set.Get(col.field), usersync.ErrDuplicate)
		}
	}
	return nil
}

// create inserts users and gives their ids.
func (w *writer) create(ctx context.Context, run []int, refs map[string]any) ([]string, error) {
	m := w.mapping
	names := w.newColumns()
	rows := make([][]any, len(run))
	ids := make([]string, len(run))
	for i, at := range run {
		row := make([]any, 0, len(names))
		if m.ID.Make {
			ids[i] = newUUID(time.Now())
			row = append(row, ids[i])
		}
		row, err := w.newRow(row, &w.changes[at], refs)
		if err != nil {
			return nil, err
		}
		rows[i] = row
	}
	if err := w.insert(ctx, m.Table, names, rows); err != nil || m.ID.Make {
		return ids, err
	}
	return ids, w.newIDs(ctx, run, ids)
}

// newColumns are the columns of a new user: all that the mapping knows.
func (w *writer) newColumns() []string {
	m := w.mapping
	var names []string
	if m.ID.Make {
		names = append(names, m.ID.Column)
	}
	names = append(names, m.Active.Column)
	if m.SSO != nil {
		names = append(names, m.SSO.Column)
	}
	if m.Version.Kind == CounterVersion {
		names = append(names, m.Version.Column)
	}
	for _, f := range m.Fixed {
		names = append(names, f.Column)
	}
	if d := m.SoftDelete; d != nil && d.Kept != nil {
		names = append(names, d.Column)
	}
	for _, c := range w.columns {
		names = append(names, c.Column.Column)
		if c.Folded != "" {
			names = append(names, c.Folded)
		}
	}
	return names
}

// newRow is what newColumns have.
func (w *writer) newRow(row []any, c *usersync.Change, refs map[string]any) ([]any, error) {
	m := w.mapping
	row = append(row, m.Active.of(c.Active))
	if m.SSO != nil {
		row = append(row, m.SSO.of(false))
	}
	if m.Version.Kind == CounterVersion {
		row = append(row, int64(1))
	}
	for _, f := range m.Fixed {
		row = append(row, f.Value)
	}
	if d := m.SoftDelete; d != nil && d.Kept != nil {
		row = append(row, *d.Kept)
	}
	var err error
	for _, col := range w.columns {
		if row, err = col.cells(row, c.Set, refs); err != nil {
			return nil, err
		}
	}
	return row, nil
}

// cells appends what a field's columns have for its value.
func (c *column) cells(row []any, set usersync.Values, refs map[string]any) ([]any, error) {
	cell, value, err := c.cell(set, refs)
	row = append(row, cell)
	if c.folded == "" {
		return row, err
	}
	if folded := usersync.Fold(value); folded != "" {
		return append(row, folded), err
	}
	return append(row, nil), err // unique indexes let any number of users have none
}

// cell is what a field's column has for its value.
func (c *column) cell(set usersync.Values, refs map[string]any) (cell any, value string, err error) {
	value = set.Get(c.field)
	if c.list && value != "" {
		text, err := json.Marshal(set.List(c.field))
		return string(text), value, err
	}
	switch stored, known := c.Values[value]; {
	case c.Hash != nil && value != "":
		hash, err := c.Hash(value)
		return hash, "", err
	case known:
		return stored, value, nil
	case value == "" && (c.Null || c.Reference):
		return nil, value, nil
	case value == "":
		return "", value, nil
	case len(c.Values) > 0:
		return nil, value, fmt.Errorf("sqlstore: the mapping has no stored form of %s %q", c.field, value)
	case c.Reference:
		id, known := refs[usersync.Fold(value)]
		if !known {
			return nil, value, fmt.Errorf("%s %q does not exist", c.field, value)
		}
		return id, value, nil
	case !isText(value):
		return nil, value, fmt.Errorf("sqlstore: %s is not valid text", c.field)
	}
	return value, value, nil
}

// newIDs finds the ids that the database gave to new users.
func (w *writer) newIDs(ctx context.Context, run []int, ids []string) error {
	key := w.byField[w.schema.Key]
	folded := make([]string, len(run))
	for i, at := range run {
		folded[i] = usersync.Fold(w.changes[at].Set.Get(key.field))
	}
	by, err := w.holders(ctx, w.tx, key, folded)
	if err != nil {
		return err
	}
	for i, name := range folded {
		if len(by[name]) != 1 {
			return fmt.Errorf("sqlstore: the new user is not found by %s %q: the mapping's columns for look-ups do not fit the database",
				key.field, w.changes[run[i]].Set.Get(key.field))
		}
		ids[i] = by[name][0]
	}
	return nil
}

// newUUID makes a UUID of version 7 (RFC 9562): such ids are in order of time, which indexes like.
func newUUID(now time.Time) string {
	var id [16]byte
	rand.Read(id[6:]) // never fails
	binary.BigEndian.PutUint16(id[:], uint16(now.UnixMilli()>>32))
	binary.BigEndian.PutUint32(id[2:], uint32(now.UnixMilli()))
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// update writes changes of existing users, those that set the same columns together.
func (w *writer) update(ctx context.Context, run []int, refs map[string]any) ([]string, error) {
	ids := make([]string, len(run))
	var groups []*updates
	for i, at := range run {
		c := &w.changes[at]
		ids[i] = c.UserID
		names, row, err := w.assignments(c, refs)
		if err != nil {
			return nil, err
		}
		id, _ := w.mapping.ID.Kind.argument(c.UserID)
		if len(names) > 0 || (w.setsList(c) || w.setsAdded(c)) && w.mapping.Version.Kind == CounterVersion {
			groups = group(groups, names, append(row, id))
		}
	}
	for _, g := range groups {
		if err := w.updateGroup(ctx, g); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// assignments are the columns that a change sets, and to what.
func (w *writer) assignments(c *usersync.Change, refs map[string]any) (names []string, row []any, err error) {
	switch c.Op {
	case usersync.OpActivate:
		names, row = append(names, w.mapping.Active.Column), append(row, w.mapping.Active.of(true))
	case usersync.OpDeactivate:
		names, row = append(names, w.mapping.Active.Column), append(row, w.mapping.Active.of(false))
	}
	for _, col := range w.columns {
		if _, given := c.Set.Lookup(col.field); !given {
			continue
		}
		names = append(names, col.Column.Column)
		if col.Folded != "" {
			names = append(names, col.Folded)
		}
		if row, err = col.cells(row, c.Set, refs); err != nil {
			return nil, nil, err
		}
	}
	return names, row, nil
}

func (w *writer) setsList(c *usersync.Change) bool {
	for _, l := range w.lists {
		if _, given := c.Set.Lookup(l.field); given {
			return true
		}
	}
	return false
}

// updates are rows for the same columns, each with the user's id at the end.
type updates struct {
	names []string
	rows  [][]any
}

// group adds a row to those with the same columns.
func group(groups []*updates, names []string, row []any) []*updates {
	for _, g := range groups {
		if slices.Equal(g.names, names) {
			g.rows = append(g.rows, row)
			return groups
		}
	}
	return append(groups, &updates{names, [][]any{row}})
}

// outcomes are those of changes that were written, with the versions that users have now.
func (w *writer) outcomes(ctx context.Context, run []int, ids []string) ([]usersync.Outcome, error) {
	out := make([]usersync.Outcome, len(run))
	if w.mapping.Version.Kind != CounterVersion {
		if err := w.reread(ctx, ids); err != nil {
			return nil, err
		}
	}
	for i, at := range run {
		out[i] = usersync.Outcome{ID: ids[i], Version: w.versions[ids[i]]}
		if w.mapping.Version.Kind != CounterVersion {
			continue
		}
		version, err := w.counted(&w.changes[at])
		if err != nil {
			return nil, err
		}
		out[i].Version = version
	}
	return out, nil
}

// counted is the version after a change, where versions are counted.
func (w *writer) counted(c *usersync.Change) (string, error) {
	before := w.versions[c.UserID]
	switch {
	case c.Op == usersync.OpCreate:
		return "1", nil
	case c.Op == usersync.OpUpdate && c.Set.Len() == 0:
		return before, nil
	}
	n, err := strconv.ParseInt(before, 10, 64)
	if err != nil {
		return "", fmt.Errorf("sqlstore: version %q of user %s cannot be counted", before, c.UserID)
	}
	return strconv.FormatInt(n+1, 10), nil
}

// recall reads what became of changes that were made before.
func (w *writer) recall(ctx context.Context, changes []usersync.Change) error {
	if w.keys == "" {
		return nil
	}
	d := w.dialect
	keys := make([]any, 0, len(changes))
	by := make(map[string]string, len(changes))
	for i := range changes {
		if key := changes[i].IdempotencyKey; key != "" {
			keys = append(keys, keyForm(key))
			by[keyForm(key)] = key
		}
	}
	for part := range slices.Chunk(keys, lookupSize) {
		st := &statement{dialect: d}
		st.add("SELECT ", strings.Join(quoteAll(d, rememberedColumns()), ", "), " FROM ",
			d.quoteTable(w.keys), " WHERE ")
		st.among(d.quote(rememberedColumns()[0]), "text", part)
		if err := st.query(ctx, w.tx, w.recalled(by)); err != nil {
			return err
		}
	}
	return nil
}
