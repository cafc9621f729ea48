package sqlstore_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/sqlstore"
)

func listSchema() usersync.Schema {
	s := usersync.DefaultSchema()
	s.Fields = append(s.Fields,
		usersync.Field{Name: "groups", List: &usersync.ListFormat{Separator: ","}},
		usersync.Field{Name: "password", Secret: true},
		usersync.Field{Name: "oldName", Match: "userName"})
	return s
}

func TestDefaultMapping(t *testing.T) {
	m := sqlstore.DefaultMapping(listSchema())
	if err := m.Validate(listSchema()); err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]sqlstore.Column{
		"userName": {Column: "user_name", Folded: "user_name_folded"},
		"email":    {Column: "email", Folded: "email_folded"},
		"cField1":  {Column: "c_field1"},
		"manager":  {Column: "manager", Reference: true},
		"groups":   {Column: "groups"},
		"password": {}, "oldName": {}, "active": {},
	} {
		if diff := cmp.Diff(want, m.Columns[field]); diff != "" {
			t.Errorf("%s: %s", field, diff)
		}
	}
}

func TestDefaultMappingOfOddNames(t *testing.T) {
	s := usersync.Schema{Key: "id_", Fields: []usersync.Field{{Name: "id_"}, {Name: "ID"}, {Name: "Id"},
		{Name: "version"}, {Name: "Group(s)"}, {Name: "Group[s]"}, {Name: "a"}, {Name: "a_folded"},
		{Name: strings.Repeat("ü", 100)}, {Name: strings.Repeat("ü", 101)}, {Name: `"; --`}}}
	if err := sqlstore.DefaultMapping(s).Validate(s); err != nil {
		t.Fatal(err)
	}
}

func TestMappingIsPlainData(t *testing.T) {
	kept := "no"
	m := sqlstore.DefaultMapping(listSchema())
	m.SoftDelete = &sqlstore.SoftDelete{Column: "gone", Kept: &kept}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var back sqlstore.Mapping
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, back); diff != "" {
		t.Fatal(diff)
	}
}

// valid is a mapping with one thing of each kind.
func valid() sqlstore.Mapping {
	return sqlstore.Mapping{
		Table:  "hr.staff",
		ID:     sqlstore.ID{Column: "no", Kind: sqlstore.IntegerID},
		Active: sqlstore.Flag{Column: "open"},
		SSO:    &sqlstore.Flag{Column: "sso"},
		Columns: map[string]sqlstore.Column{
			"userName": {Column: "login", Folded: "login_folded"},
			"locale":   {Column: "language", Values: map[string]string{"en-US": "1", "de-DE": "2"}},
			"manager":  {Column: "boss", Reference: true},
		},
		Lists: map[string]sqlstore.ListTable{"groups": {Table: "members", User: "staff", Item: "team",
			Names: &sqlstore.Names{Table: "teams", ID: "no", Name: "label"}}},
		Fixed:      []sqlstore.Fixed{{Column: "tenant", Value: "7", Scope: true}},
		SoftDelete: &sqlstore.SoftDelete{Column: "removed"},
		Added:      &sqlstore.AddedTable{Table: "hr.extras", User: "no", Field: "login", Value: "content"},
		Remembered: "usersync_changes",
	}
}

func TestMappingProblems(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(m *sqlstore.Mapping)
		want  []string // paths
	}{
		"valid":          {func(*sqlstore.Mapping) {}, nil},
		"nothing at all": {func(m *sqlstore.Mapping) { *m = sqlstore.Mapping{} }, []string{"active.column", "columns.userName", "id.column", "table"}},
		"table of three": {func(m *sqlstore.Mapping) { m.Table = "a.b.c" }, []string{"table"}},
		"empty schema":   {func(m *sqlstore.Mapping) { m.Table = ".b" }, []string{"table"}},
		"long name":      {func(m *sqlstore.Mapping) { m.ID.Column = strings.Repeat("x", 64) }, []string{"id.column"}},
		"kinds":          {func(m *sqlstore.Mapping) { m.ID.Kind, m.Version.Kind = "float", "clock" }, []string{"id.kind", "version.column", "version.kind"}},
		"made integers":  {func(m *sqlstore.Mapping) { m.ID.Make = true }, []string{"id.make"}},
		"hash in column": {func(m *sqlstore.Mapping) { m.Version.Column = "v" }, []string{"version.kind"}},
		"one column twice": {func(m *sqlstore.Mapping) { m.Columns["email"] = sqlstore.Column{Column: "LOGIN"} },
			[]string{"columns.userName.column"}},
		"same flags":      {func(m *sqlstore.Mapping) { m.Active.True, m.Active.False = "x", "x" }, []string{"active"}},
		"unknown field":   {func(m *sqlstore.Mapping) { m.Columns["shoe"] = sqlstore.Column{Column: "shoe"} }, []string{"columns.shoe"}},
		"status as field": {func(m *sqlstore.Mapping) { m.Columns["active"] = sqlstore.Column{Column: "x"} }, []string{"columns.active"}},
		"only a match":    {func(m *sqlstore.Mapping) { m.Columns["oldName"] = sqlstore.Column{Column: "x"} }, []string{"columns.oldName"}},
		"reference of text": {func(m *sqlstore.Mapping) { m.Columns["title"] = sqlstore.Column{Column: "x", Reference: true} },
			[]string{"columns.title.reference"}},
		"folded reference": {func(m *sqlstore.Mapping) {
			m.Columns["manager"] = sqlstore.Column{Column: "x", Folded: "y", Reference: true}
		}, []string{"columns.manager.reference"}},
		"two values alike": {func(m *sqlstore.Mapping) {
			m.Columns["locale"] = sqlstore.Column{Column: "x", Values: map[string]string{"a": "1", "b": "1"}}
		}, []string{"columns.locale.values"}},
		"hash of no secret": {func(m *sqlstore.Mapping) { m.Columns["title"] = sqlstore.Column{Column: "x", Hash: sum} }, []string{"columns.title.hash"}},
		"folded hash": {func(m *sqlstore.Mapping) {
			m.Columns["password"] = sqlstore.Column{Column: "x", Folded: "y", Hash: sum}
		}, []string{"columns.password.hash"}},
		"list twice":   {func(m *sqlstore.Mapping) { m.Columns["groups"] = sqlstore.Column{Column: "x"} }, []string{"columns.groups"}},
		"list of text": {func(m *sqlstore.Mapping) { m.Lists["title"] = m.Lists["groups"] }, []string{"lists.title"}},
		"added fields": {func(m *sqlstore.Mapping) {
			m.Added = &sqlstore.AddedTable{Table: "a.b.c", User: "x", Field: "X", Item: "y;"}
		},
			[]string{"added.field", "added.item", "added.table", "added.value"}},
		"remembered":    {func(m *sqlstore.Mapping) { m.Remembered = "changes" }, []string{"remembered"}},
		"table of ours": {func(m *sqlstore.Mapping) { m.Table = "usersync_staff" }, []string{"table"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := valid()
			c.spoil(&m)
			if diff := cmp.Diff(c.want, paths(m.Validate(listSchema()))); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

func sum(secret string) (string, error) { return "#" + secret, nil }

// paths are the sorted places of problems.
func paths(err error) []string {
	var invalid *usersync.InvalidError
	if !errors.As(err, &invalid) {
		return nil
	}
	var out []string
	for _, p := range invalid.Problems {
		out = append(out, p.Path)
	}
	slices.Sort(out)
	return out
}

// TestNamesCannotBecomeSQL puts names that would end an identifier into every place that takes a name.
func TestNamesCannotBecomeSQL(t *testing.T) {
	for _, evil := range []string{`a" = 1; DROP TABLE users; --`, "a`b", "a'b", `a\`, "a;b", "a\x00b", "a\nb", "a[b]",
		"a?", "\xff", " a", "", "a\u202eb"} {
		places := 0
		for path, set := range namePlaces() {
			m := valid()
			set(&m, evil)
			if !slices.Contains(paths(m.Validate(listSchema())), path) && !(evil == "" && optional(path)) {
				t.Errorf("%q is accepted as %s", evil, path)
			}
			places++
		}
		if places != 17 {
			t.Fatalf("%d places", places)
		}
	}
}

func optional(path string) bool {
	return path == "remembered" || path == "columns.userName.folded" || path == "version.column"
}

func namePlaces() map[string]func(m *sqlstore.Mapping, name string) {
	type mapping = sqlstore.Mapping
	list := func(set func(l *sqlstore.ListTable, name string)) func(*mapping, string) {
		return func(m *mapping, name string) {
			l := m.Lists["groups"]
			names := *l.Names
			l.Names = &names
			set(&l, name)
			m.Lists["groups"] = l
		}
	}
	return map[string]func(m *mapping, name string){
		"table":             func(m *mapping, name string) { m.Table = name },
		"id.column":         func(m *mapping, name string) { m.ID.Column = name },
		"active.column":     func(m *mapping, name string) { m.Active.Column = name },
		"sso.column":        func(m *mapping, name string) { m.SSO.Column = name },
		"fixed.0.column":    func(m *mapping, name string) { m.Fixed[0].Column = name },
		"softDelete.column": func(m *mapping, name string) { m.SoftDelete.Column = name },
		"remembered":        func(m *mapping, name string) { m.Remembered = name },
		"version.column": func(m *mapping, name string) {
			m.Version = sqlstore.Version{Kind: sqlstore.DatabaseVersion, Column: name}
		},
		"columns.title.column":    func(m *mapping, name string) { m.Columns["title"] = sqlstore.Column{Column: name} },
		"columns.userName.column": func(m *mapping, name string) { m.Columns["userName"] = sqlstore.Column{Column: name} },
		"columns.userName.folded": func(m *mapping, name string) {
			m.Columns["userName"] = sqlstore.Column{Column: "login", Folded: name}
		},
		"lists.groups.table":       list(func(l *sqlstore.ListTable, name string) { l.Table = name }),
		"lists.groups.user":        list(func(l *sqlstore.ListTable, name string) { l.User = name }),
		"lists.groups.item":        list(func(l *sqlstore.ListTable, name string) { l.Item = name }),
		"lists.groups.names.table": list(func(l *sqlstore.ListTable, name string) { l.Names.Table = name }),
		"lists.groups.names.id":    list(func(l *sqlstore.ListTable, name string) { l.Names.ID = name }),
		"lists.groups.names.name":  list(func(l *sqlstore.ListTable, name string) { l.Names.Name = name }),
	}
}

func TestNewUsersRefuses(t *testing.T) {
	if _, err := sqlstore.NewUsers(nil, "oracle", valid(), listSchema()); !errors.Is(err, usersync.ErrInvalid) {
		t.Errorf("dialect: %v", err)
	}
	if _, err := sqlstore.NewUsers(nil, sqlstore.SQLite, valid(), usersync.Schema{}); !errors.Is(err, usersync.ErrInvalid) {
		t.Errorf("schema: %v", err)
	}
	if _, err := sqlstore.NewUsers(nil, sqlstore.SQLite, sqlstore.Mapping{}, listSchema()); !errors.Is(err, usersync.ErrInvalid) {
		t.Errorf("mapping: %v", err)
	}
}

// A mapping without a place for a secret that new users must have, or of another schema, is told with the engine.
func TestKeepsField(t *testing.T) {
	own := listSchema()
	users, err := sqlstore.NewUsers(nil, sqlstore.SQLite, sqlstore.DefaultMapping(own), own)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		field           string
		lookedUp, keeps bool
	}{{"userName", true, true}, {"title", false, true}, {"groups", false, true}, {"password", false, false},
		{"shoeSize", false, true}, {"login", true, false}} { // added fields are kept, and not found by
		if got := users.KeepsField(c.field, c.lookedUp); got != c.keeps {
			t.Errorf("KeepsField(%s, %t) is %t", c.field, c.lookedUp, got)
		}
	}
	s := usersync.Schema{Key: "login", Fields: []usersync.Field{{Name: "login"}}}
	if _, err := usersync.NewPreviewer(users, nil, usersync.WithSchema(s)); !errors.Is(err, usersync.ErrInvalid) {
		t.Errorf("an engine over another schema: %v", err)
	}
}
