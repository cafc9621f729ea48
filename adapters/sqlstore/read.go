package sqlstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/usersync-go/usersync"
)

// reading is the statement that reads users, up to its condition, and where in its rows things are.
type reading struct {
	text    string
	sso     int // -1 for none
	version int // -1 for a hash
	fields  int // the first field's cell; the values are in the order of columns
	columns []*column
	hashed  []int // the cells that make up a version
}

// newReading makes the statement: id, status, further flags, values, and the ids of references where a
// version is made of them, since it must not change with another user's name.
func (s *Users) newReading() reading {
	r := reading{sso: -1, version: -1, hashed: []int{1}}
	m, d := s.mapping, s.dialect
	cells := []string{"u." + d.quote(m.ID.Column), "u." + d.quote(m.Active.Column)}
	if m.SSO != nil {
		r.sso = len(cells)
		r.hashed = append(r.hashed, len(cells))
		cells = append(cells, "u."+d.quote(m.SSO.Column))
	}
	if m.Version.Kind != HashVersion {
		r.version = len(cells)
		cells = append(cells, "u."+d.quote(m.Version.Column))
	}
	r.fields = len(cells)
	var ids []string
	for _, c := range s.columns {
		switch {
		case c.secret:
			continue
		case c.Reference:
			ids = append(ids, "u."+c.quoted)
			cells = append(cells, s.other(c))
		default:
			r.hashed = append(r.hashed, len(cells))
			cells = append(cells, "u."+c.quoted)
		}
		r.columns = append(r.columns, c)
		s.names = append(s.names, c.field)
	}
	for _, l := range s.lists {
		s.names = append(s.names, l.field)
	}
	if m.Version.Kind == HashVersion {
		for range ids {
			r.hashed = append(r.hashed, len(cells))
			cells = append(cells, ids[0])
			ids = ids[1:]
		}
	}
	r.text = "SELECT " + strings.Join(cells, ", ") + " FROM " + s.table + " u"
	return r
}

// other is the key field of the user whom a column refers to. A query for each row is what never reads
// the whole table, where a join may.
func (s *Users) other(c *column) string {
	return "(SELECT r." + s.byField[s.schema.Key].quoted + " FROM " + s.table + " r WHERE r." +
		s.dialect.quote(s.mapping.ID.Column) + " = u." + c.quoted + ")"
}

// lookupSize is how many values a statement looks up.
const lookupSize = 10_000

// find is FindUsers within a transaction or without.
func (s *Users) find(ctx context.Context, q queryer, field string, values []string) ([]usersync.User, error) {
	look, err := s.lookup(field)
	if err != nil {
		return nil, err
	}
	args, wanted := look.arguments(values)
	found := make([]usersync.User, 0, len(args))
	for part := range slices.Chunk(args, lookupSize) {
		st := &statement{dialect: s.dialect}
		st.add(s.read.text)
		st.where("u.", s.scope)
		st.add(" AND ")
		look.among(st, part)
		err := st.query(ctx, q, func(cells []sql.RawBytes) error {
			u, err := s.user(cells)
			if _, asked := wanted[look.form(&u)]; asked {
				found = append(found, u)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("sqlstore: looking users up by %s: %w", field, err)
		}
	}
	if len(args) > lookupSize {
		found = withoutTwins(found)
	}
	if err := s.loadLists(ctx, q, found); err != nil {
		return nil, err
	}
	if err := s.loadAdded(ctx, q, found); err != nil {
		return nil, err
	}
	return found, ctx.Err()
}

// withoutTwins leaves out users who were found by two statements, since they changed in between.
func withoutTwins(users []usersync.User) []usersync.User {
	seen := make(map[string]struct{}, len(users))
	return slices.DeleteFunc(users, func(u usersync.User) bool {
		_, twice := seen[u.ID]
		seen[u.ID] = struct{}{}
		return twice
	})
}

// lookup is a way to find users.
type lookup struct {
	before     string // what goes before the condition, and after it
	after      string
	expression string
	typ        string
	argument   func(value string) (any, bool) // false for a value that nobody can have
	form       func(u *usersync.User) string  // what a user who was found was looked up by
}

func (s *Users) lookup(field string) (lookup, error) {
	if field == usersync.FieldID {
		return lookup{
			expression: "u." + s.dialect.quote(s.mapping.ID.Column), typ: s.mapping.ID.Kind.typ(),
			argument: s.mapping.ID.Kind.argument, form: func(u *usersync.User) string { return u.ID },
		}, nil
	}
	c := s.byField[field]
	if c == nil || c.secret || c.list {
		return lookup{}, fmt.Errorf("sqlstore: users cannot be looked up by %q: the mapping has no column for it", field)
	}
	look := lookup{
		expression: c.compared("u"), typ: "text",
		argument: TextID.argument, form: func(u *usersync.User) string { return usersync.Fold(u.Values.Get(field)) },
	}
	if c.Reference {
		id := s.dialect.quote(s.mapping.ID.Column)
		look.before = "u." + c.quoted + " IN (SELECT r." + id + " FROM " + s.table + " r WHERE "
		look.expression = s.byField[s.schema.Key].compared("r")
		look.after = ")"
	}
	return look, nil
}

// among adds the condition to a statement.
func (l lookup) among(st *statement, args []any) {
	st.add(l.before)
	st.among(l.expression, l.typ, args)
	st.add(l.after)
}

// arguments are the values as parameters, and as a set.
func (l lookup) arguments(values []string) ([]any, map[string]struct{}) {
	args := make([]any, 0, len(values))
	wanted := make(map[string]struct{}, len(values))
	for _, v := range values {
		if arg, possible := l.argument(v); possible {
			args = append(args, arg)
			wanted[v] = struct{}{}
		}
	}
	return args, wanted
}

// argument is an id as a parameter, false if it cannot be an id.
func (k IDKind) argument(id string) (any, bool) {
	switch k {
	case IntegerID:
		n, err := strconv.ParseInt(id, 10, 64)
		return n, err == nil && strconv.FormatInt(n, 10) == id
	case UUID:
		return id, isUUID(id)
	}
	return id, isText(id)
}

// typ is the type in which PostgreSQL compares ids.
func (k IDKind) typ() string {
	switch k {
	case IntegerID:
		return "bigint"
	case UUID:
		return "uuid"
	}
	return "text"
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		hyphen := i == 8 || i == 13 || i == 18 || i == 23
		if hyphen != (s[i] == '-') || !hyphen && !strings.Contains("0123456789abcdef", s[i:i+1]) {
			return false
		}
	}
	return true
}

// user makes a user of a row. All texts of a user are parts of one.
func (s *Users) user(cells []sql.RawBytes) (usersync.User, error) {
	r := &s.read
	size := 0
	for _, cell := range cells[:r.fields+len(r.columns)] {
		size += len(cell)
	}
	var b strings.Builder
	b.Grow(size)
	for _, cell := range cells[:r.fields+len(r.columns)] {
		b.Write(cell)
	}
	rest := b.String()
	next := func(i int) string {
		text := rest[:len(cells[i])]
		rest = rest[len(cells[i]):]
		return text
	}
	u := usersync.User{ID: next(0), Active: s.mapping.Active.is(next(1))}
	if r.sso >= 0 {
		u.SSO = s.mapping.SSO.is(next(r.sso))
	}
	if r.version >= 0 {
		u.Version = next(r.version)
	} else {
		u.Version = hash(cells, r.hashed)
	}
	values := make([]string, len(s.names))
	for i := range r.columns {
		values[i] = next(r.fields + i)
	}
	u.Values = usersync.NewValues(s.names, values)
	return u, s.decode(&u.Values, values)
}

// decode turns what some columns have into values.
func (s *Users) decode(v *usersync.Values, values []string) error {
	for i, c := range s.read.columns {
		if stored, known := c.back[values[i]]; known {
			values[i] = stored
		}
		if !c.list || values[i] == "" {
			continue
		}
		var items []string
		if err := json.Unmarshal([]byte(values[i]), &items); err != nil {
			return fmt.Errorf("column %s does not have a list: %w", c.quoted, err)
		}
		v.SetList(c.field, items)
	}
	return nil
}

// is tells what the flag's column means. Databases and drivers give booleans as 1, t or true.
func (f *Flag) is(cell string) bool {
	yes, _ := f.stored()
	if cell == yes {
		return true
	}
	want, err := strconv.ParseBool(yes)
	got, other := strconv.ParseBool(cell)
	return err == nil && other == nil && want == got
}

// stored is what the column has for true and for false.
func (f *Flag) stored() (yes, no string) {
	if f.True == "" && f.False == "" {
		return "1", "0"
	}
	return f.True, f.False
}

// of is what the column has for a status.
func (f *Flag) of(is bool) string {
	yes, no := f.stored()
	if is {
		return yes
	}
	return no
}

// hash makes a version of some cells.
func hash(cells []sql.RawBytes, which []int) string {
	var space [1024]byte
	b := space[:0]
	for _, i := range which {
		b = strconv.AppendInt(b, int64(len(cells[i])), 10)
		b = append(b, ':')
		b = append(b, cells[i]...)
	}
	return digest(b)
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// holders tells who has the folded values of a column: the ids, by value.
func (s *Users) holders(ctx context.Context, q queryer, c *column, values []string) (map[string][]string, error) {
	look, err := s.lookup(c.field)
	if err != nil {
		return nil, err
	}
	args, _ := look.arguments(values)
	by := make(map[string][]string, len(values))
	for part := range slices.Chunk(args, lookupSize) {
		st := &statement{dialect: s.dialect}
		st.add("SELECT u.", s.dialect.quote(s.mapping.ID.Column), ", u.", c.quoted, " FROM ", s.table, " u")
		st.where("u.", s.scope)
		st.add(" AND ")
		look.among(st, part)
		err := st.query(ctx, q, func(cells []sql.RawBytes) error {
			value := usersync.Fold(string(cells[1]))
			by[value] = append(by[value], string(cells[0]))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return by, nil
}
