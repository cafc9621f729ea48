package sqlstore

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/usersync-go/usersync"
)

// Mapping says where in a database users are. It is plain data and can be kept as JSON.
//
// Names of tables may have a schema before them ("hr.staff"). Names may have any letters, digits, spaces
// and most other characters; quotes, backslashes, semicolons and control characters are refused.
type Mapping struct {
	// Table has a row for each user.
	Table string `json:"table"`
	ID    ID     `json:"id"`
	// Version is how changes of a user are noticed, the zero value by a hash of what is read.
	Version Version `json:"version,omitzero"`
	// Active is the status of the account, and SSO, which may be nil, whether it signs in elsewhere.
	Active Flag  `json:"active"`
	SSO    *Flag `json:"sso,omitempty"`
	// Columns are the places of fields, by field. A field without a place cannot be written. The
	// schema's key needs one; its status field needs none, since Active is that.
	Columns map[string]Column `json:"columns"`
	// Lists are the tables of list fields, by field. A list field that is in Columns instead is kept as
	// a JSON array in a text column.
	Lists map[string]ListTable `json:"lists,omitempty"`
	// Added is the table for values of fields that the schema does not have, because they are added to it while
	// the product runs (usersync.WithFieldStore). Without it such a field cannot be written.
	Added *AddedTable `json:"added,omitempty"`
	// Fixed are further columns of new users.
	Fixed []Fixed `json:"fixed,omitempty"`
	// SoftDelete tells rows of deleted users, which are not users here, from the others.
	SoftDelete *SoftDelete `json:"softDelete,omitempty"`
	// Remembered is the table in which idempotency keys are kept. Users.Migrate makes it. With "" the
	// store does not remember keys and relies on versions and on the uniqueness of the key.
	Remembered string `json:"remembered,omitempty"`
}

// IDKind is the type of an id.
type IDKind string

// The types of ids.
const (
	TextID    IDKind = ""        // any text, compared exactly
	IntegerID IDKind = "integer" // at most 64 bits
	UUID      IDKind = "uuid"    // in a column of that type; in a text column it is a TextID
)

// ID is the primary key of the table.
type ID struct {
	Column string `json:"column"`
	Kind   IDKind `json:"kind,omitempty"`
	// Make says that new users get an id from this store, a UUID (RFC 9562, version 7). Otherwise the
	// database gives it: an identity, a default, a trigger.
	Make bool `json:"make,omitempty"`
}

// VersionKind says how the version of a user comes about.
type VersionKind string

// The kinds of versions.
const (
	// HashVersion is a hash of everything of the user that the mapping names. It needs no column. A
	// column that the mapping does not name can change without a change of the version.
	HashVersion VersionKind = ""
	// CounterVersion is an integer column that starts at 1 and that every writer counts up: this store
	// does, and the product must.
	CounterVersion VersionKind = "counter"
	// DatabaseVersion is a column that the database changes by itself at every write, such as by a
	// trigger. It is read back after each write.
	DatabaseVersion VersionKind = "database"
)

// Version is how changes of a user are noticed.
type Version struct {
	Kind   VersionKind `json:"kind,omitempty"`
	Column string      `json:"column,omitempty"` // "" for HashVersion
}

// Flag is a column that says yes or no.
type Flag struct {
	Column string `json:"column"`
	// True and False are what the column has, "1" and "0" if both are empty, which fits boolean columns
	// too. Any other value and NULL read as false.
	True  string `json:"true,omitempty"`
	False string `json:"false,omitempty"`
}

// Column is the place of a field.
type Column struct {
	Column string `json:"column"`
	// Folded is a text column with the canonical form ([usersync.Fold]) of the value, by which it is
	// looked up. The product fills it in when it writes a user itself. For the key and for unique fields
	// it must have a unique index, over the columns of Fixed with Scope and this one: that index is what
	// refuses a second user with the value. Without Folded the store looks first, which two writers at
	// once can get past unless there is such an index on the column itself.
	Folded string `json:"folded,omitempty"`
	// Exact compares the column as it stands in look-ups, instead of its LOWER: for columns whose type
	// or collation knows no case, and for those that have lower case only.
	Exact bool `json:"exact,omitempty"`
	// Reference says that the column of a user reference has the other user's id. Otherwise it has what
	// the field has, the other user's key field.
	Reference bool `json:"reference,omitempty"`
	// Null says that an empty value is NULL. Otherwise it is the empty text. NULL always reads as empty.
	Null bool `json:"null,omitempty"`
	// Values are the stored forms of values, such as {"true": "Y", "false": "N"}. If there are any, a
	// value that is not among them cannot be written.
	Values map[string]string `json:"values,omitempty"`
	// Hash, of a secret field, gives what the column keeps in the place of a value: a one-way form, such as that
	// of bcrypt or Argon2. Without it the column has the secret as it is. Its error refuses the change, and must
	// not quote the secret. It may be called several times for a value, and concurrently.
	Hash func(secret string) (string, error) `json:"-"`
}

// ListTable is a table that has a row for each item of each user's list.
type ListTable struct {
	Table string `json:"table"`
	User  string `json:"user"` // column with the user's id
	Item  string `json:"item"` // column with the item, or with its id in Names
	// Names is the table of all items, if there is one. An item that is not there cannot be written.
	// Names are compared as they stand, and then in lower case.
	Names *Names `json:"names,omitempty"`
}

// AddedTable is a table that has a row for each value that a user has of an added field. Users are not found by
// such fields. They count in versions of HashVersion and CounterVersion; where the database changes the version, it must do so
// for rows of this table too. Of a user who is deleted, the product removes the rows, by a foreign key for instance.
//
// Where the name begins with "usersync_", Users.Migrate makes it. A table of the product's own needs a primary key over
// User, Field and Item, and names of fields must be compared exactly.
type AddedTable struct {
	Table string `json:"table"`
	User  string `json:"user"`  // column with the user's id
	Field string `json:"field"` // column with the name of the field
	Value string `json:"value"` // text column with the value, or with an item of a list
	// Item is an integer column: 0 for a value, and the place of an item in a list from 1 on. Without it lists
	// cannot be written.
	Item string `json:"item,omitempty"`
}

// Names is a table of named things, such as groups.
type Names struct {
	Table string `json:"table"`
	ID    string `json:"id"`
	Name  string `json:"name"`
}

// Fixed is a column that has the same value in all new users.
type Fixed struct {
	Column string `json:"column"`
	Value  string `json:"value"`
	// Scope says that rows with another value are none of this store's users, as with a tenant.
	Scope bool `json:"scope,omitempty"`
}

// SoftDelete tells the rows of deleted users.
type SoftDelete struct {
	Column string `json:"column"`
	// Kept is what the column has as long as the user is not deleted, nil for NULL.
	Kept *string `json:"kept,omitempty"`
}

// Validate reports everything that is wrong with the mapping as a *usersync.InvalidError, nil if nothing
// is. The schema must be valid.
func (m Mapping) Validate(schema usersync.Schema) error {
	v := &validation{taken: map[string]string{}}
	v.table("table", m.Table)
	v.column("id.column", m.ID.Column)
	v.oneOf("id.kind", string(m.ID.Kind), string(TextID), string(IntegerID), string(UUID))
	if m.ID.Make && m.ID.Kind == IntegerID {
		v.add("id.make", "integer ids come from the database")
	}
	v.version(m.Version)
	v.flag("active", m.Active)
	if m.SSO != nil {
		v.flag("sso", *m.SSO)
	}
	v.fields(m, schema)
	for i, f := range m.Fixed {
		v.column(fmt.Sprintf("fixed.%d.column", i), f.Column)
	}
	if m.SoftDelete != nil {
		v.column("softDelete.column", m.SoftDelete.Column)
	}
	v.ours(m)
	if len(v.problems) > 0 {
		return &usersync.InvalidError{What: "mapping of the table of users", Problems: v.problems}
	}
	return nil
}

// ours checks what Users.Migrate makes.
func (v *validation) ours(m Mapping) {
	if m.Added != nil {
		v.addedTable("added", *m.Added)
	}
	if m.Remembered != "" {
		v.table("remembered", m.Remembered)
	}
	if m.Remembered != "" && !isOurs(m.Remembered) {
		v.add("remembered", "the name of a table that this library makes begins with %q", ours)
	}
	if isOurs(m.Table) && (!m.ID.Make || m.ID.Kind != TextID || m.Version.Kind != CounterVersion) {
		v.add("table", "a table whose name begins with %q is one that this library makes: its ids are of kind %q"+
			" and made by the store, its versions are of kind %q", ours, TextID, CounterVersion)
	}
}

// validation collects what is wrong, to report all of it at once.
type validation struct {
	problems []usersync.Problem
	taken    map[string]string // column → path
}

func (v *validation) add(path, format string, args ...any) {
	v.problems = append(v.problems, usersync.Problem{Path: path, Detail: fmt.Sprintf(format, args...)})
}

func (v *validation) oneOf(path, value string, known ...string) {
	if !slices.Contains(known, value) {
		v.add(path, "%q is not known: use one of %q", value, known)
	}
}

func (v *validation) version(version Version) {
	v.oneOf("version.kind", string(version.Kind),
		string(HashVersion), string(CounterVersion), string(DatabaseVersion))
	switch {
	case version.Kind != HashVersion:
		v.column("version.column", version.Column)
	case version.Column != "":
		v.add("version.kind", "is missing: say how column %q changes", version.Column)
	}
}

func (v *validation) flag(path string, f Flag) {
	v.column(path+".column", f.Column)
	if f.True == f.False && f.True != "" {
		v.add(path, "true and false are both %q", f.True)
	}
}

func (v *validation) fields(m Mapping, schema usersync.Schema) {
	for _, name := range slices.Sorted(maps.Keys(m.Columns)) {
		v.place("columns."+name, m.Columns[name], name, m, schema)
	}
	for _, name := range slices.Sorted(maps.Keys(m.Lists)) {
		v.listTable("lists."+name, m.Lists[name])
		if f, known := schema.Field(name); !known || f.List == nil {
			v.add("lists."+name, "the schema has no list field %q", name)
		}
	}
	if _, mapped := m.Columns[schema.Key]; !mapped {
		v.add("columns."+schema.Key, "is missing: it identifies users")
	}
}

func (v *validation) place(path string, c Column, name string, m Mapping, schema usersync.Schema) {
	v.column(path+".column", c.Column)
	if c.Folded != "" {
		v.column(path+".folded", c.Folded)
	}
	f, known := schema.Field(name)
	_, twice := m.Lists[name]
	switch {
	case !known:
		v.add(path, "the schema has no field %q", name)
	case twice:
		v.add(path, "is among lists too")
	case name == schema.Status:
		v.add(path, "the status of the account is in active")
	case f.Match != "" && f.Match != name:
		v.add(path, "the field only finds users and is never written")
	case c.Reference && (f.Kind != usersync.KindUser || name == schema.Key):
		v.add(path+".reference", "the field does not refer to users")
	case c.Reference && (c.Folded != "" || len(c.Values) > 0):
		v.add(path+".reference", "an id has neither a folded form nor values")
	case len(c.Values) > 0 && f.List != nil:
		v.add(path+".values", "a list is kept as it is")
	case c.Hash != nil && !f.Secret:
		v.add(path+".hash", "the field is not secret")
	case c.Hash != nil && (c.Folded != "" || len(c.Values) > 0):
		v.add(path+".hash", "a secret has neither a folded form nor values")
	}
	v.values(path+".values", c.Values)
}

// values refuses two values that are stored alike.
func (v *validation) values(path string, values map[string]string) {
	seen := map[string]string{}
	for _, value := range slices.Sorted(maps.Keys(values)) {
		if other, twice := seen[values[value]]; twice {
			v.add(path, "%q and %q are both stored as %q", other, value, values[value])
		}
		seen[values[value]] = value
	}
}

func (v *validation) listTable(path string, t ListTable) {
	v.table(path+".table", t.Table)
	v.identifier(path+".user", t.User)
	v.identifier(path+".item", t.Item)
	if t.Names != nil {
		v.table(path+".names.table", t.Names.Table)
		v.identifier(path+".names.id", t.Names.ID)
		v.identifier(path+".names.name", t.Names.Name)
	}
}

func (v *validation) addedTable(path string, t AddedTable) {
	v.table(path+".table", t.Table)
	columns := validation{taken: map[string]string{}} // of a table of its own
	for _, c := range []struct{ member, name string }{{"user", t.User}, {"field", t.Field}, {"value", t.Value}, {"item", t.Item}} {
		if c.member != "item" || c.name != "" {
			columns.column(path+"."+c.member, c.name)
		}
	}
	v.problems = append(v.problems, columns.problems...)
}

// column checks the name of a column of the users' table, which nothing else may use.
func (v *validation) column(path, name string) {
	v.identifier(path, name)
	folded := strings.ToLower(name) // most databases take them for one
	if other, twice := v.taken[folded]; twice && name != "" {
		v.add(path, "column %q is %s already", name, other)
	}
	v.taken[folded] = path
}

func (v *validation) table(path, name string) {
	parts := strings.Split(name, ".")
	if len(parts) > 2 {
		v.add(path, "%q has more than a schema and a table", name)
	}
	for _, part := range parts {
		v.identifier(path, part)
	}
}

// maxIdentifier is how many bytes every database takes as a name.
const maxIdentifier = 63

func (v *validation) identifier(path, name string) {
	switch {
	case name == "":
		v.add(path, "is missing")
	case len(name) > maxIdentifier:
		v.add(path, "%.20q… is longer than %d bytes", name, maxIdentifier)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, isForbidden) || strings.TrimSpace(name) != name:
		v.add(path, "%q cannot be a name here", name)
	}
}

func isForbidden(r rune) bool {
	return strings.ContainsRune("\"'`´\\;.?[]", r) || !unicode.IsPrint(r)
}
