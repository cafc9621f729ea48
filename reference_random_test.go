package usersync_test

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/usersync-go/usersync"
)

// dice make random worlds. Their domains are small, so that rows, users and rules meet all the time.
type dice struct{ *rand.Rand }

func newDice(seed, n uint64) dice { return dice{rand.New(rand.NewPCG(seed, n))} }

// once in n times.
func (d dice) once(n int) bool { return d.IntN(n) == 0 }

func pick[T any](d dice, from ...T) T { return from[d.IntN(len(from))] }

// keyNames are the keys of files and stores: one person in several spellings (case, NFC and NFD, full
// width), and several people.
var keyNames = []string{"anna", "Anna", "bert", "BERT", "carl", "ｃarl", "zoë", "zoe\u0308", "ZOË", "dora", "emil", "finn"}

const clearMarker = "<clear>"

// cellTexts are the cells of each field, good and bad.
var cellTexts = map[string][]string{
	"userName":    keyNames,
	"email":       {"a@x.org", "A@x.org", "b@x.org", "b@X.ORG", "c@x.org", "d@x.org", "e@x.org", "f@x.org", "nonsense"},
	"title":       {"Dev", "dev", " Lead ", "Boss", "De" + zeroWidth + "v"},
	"nickname":    {"Al", "Bo"},
	"locale":      {"en-US", "en_us", "de", "DE", "pt-BR", "klingonisch"},
	"phone":       {"+1 555 0100", "+15550100", "030 1234", "12"},
	"level":       {"admin", "Chief", "user", "boss"},
	"groups":      {"red", "red; blue", "blue;red", "green;;red", ";", "none", "NONE"},
	"active":      {"true", "yes", "false", "no", "False", "perhaps"},
	"manager":     keyNames,
	"mentor":      keyNames,
	"externalId":  {"1", "2", "3", "4", "5", "6", "7", "A1", "a1"},
	"badge":       {"1", "2", "3", "4", "5", "6", "x", "X"},
	"oldUserName": keyNames,
}

// world makes a whole case.
func (d dice) world(seed uint64) *world {
	w := &world{seed: seed, seats: -1}
	w.schema = d.schema()
	w.config = d.config(w.schema)
	for i := range d.IntN(7) {
		w.users = append(w.users, d.user(w, fmt.Sprintf("u%d", i+1)))
	}
	w.header = d.header(w.schema)
	for range d.IntN(8) {
		w.rows = append(w.rows, d.row(w))
	}
	d.history(w)
	if d.once(6) {
		w.seats = d.IntN(6)
	}
	return w
}

// schema makes one of many: every field but the key can be missing or have other rules.
func (d dice) schema() usersync.Schema {
	s := usersync.Schema{Key: "userName", Fields: []usersync.Field{{Name: "userName"}}}
	add := func(one int, f usersync.Field) bool {
		if d.IntN(4) < one {
			s.Fields = append(s.Fields, f)
			return true
		}
		return false
	}
	unique := []usersync.Unique{usersync.NotUnique, usersync.WarnIfShared, usersync.MustBeUnique, usersync.MustBeUnique}
	required := []usersync.Required{usersync.Optional, usersync.Optional, usersync.Always, usersync.ForNewUsers}
	add(1, usersync.Field{Name: "oldUserName", Match: "userName"})
	add(1, usersync.Field{Name: "externalId", Match: "externalId", Unique: pick(d, unique...)})
	if add(3, usersync.Field{Name: "email", Kind: usersync.KindEmail, Unique: pick(d, unique...), Required: pick(d, required...)}) {
		s.Email = pick(d, "", "email")
	}
	add(3, usersync.Field{Name: "title", Required: pick(d, required...), Identifier: d.once(8)})
	add(1, usersync.Field{Name: "locale", Kind: usersync.KindLocale})
	add(1, usersync.Field{Name: "phone", Kind: usersync.KindPhone})
	add(1, usersync.Field{Name: "level", Kind: usersync.KindEnum, Options: []usersync.EnumValue{
		{Value: "admin", Words: []string{"Chief"}}, {Value: "user"}}})
	add(2, usersync.Field{Name: "groups", List: &usersync.ListFormat{Separator: ";", None: pick(d, "", "none")}})
	add(3, usersync.Field{Name: "manager", Kind: usersync.KindUser})
	add(1, usersync.Field{Name: "mentor", Kind: usersync.KindUser, Required: pick(d, required...)})
	add(1, usersync.Field{Name: "badge", Unique: pick(d, unique...)})
	add(1, usersync.Field{Name: "nickname"})
	if add(3, usersync.Field{Name: "active", Kind: usersync.KindBool}) {
		s.Status = "active"
	}
	return s
}

func (d dice) config(s usersync.Schema) usersync.Config {
	cfg := usersync.DefaultConfig("staff")
	cfg.NewUsers = pick(d, usersync.Create, usersync.Create, usersync.Create, usersync.Skip)
	cfg.ExistingUsers = pick(d, usersync.Update, usersync.Update, usersync.Update, usersync.Update, usersync.Skip)
	cfg.InactiveUsers = pick(d, usersync.Activate, usersync.UpdateOnly, usersync.FollowFile, usersync.Skip)
	cfg.RemovedUsers = pick(d, usersync.Deactivate, usersync.Deactivate, usersync.NoAction, usersync.Ignore)
	cfg.SharedUsers = pick(d, usersync.HoldShared, usersync.ReleaseShared)
	cfg.DefaultRule = pick(d, usersync.UseSource, usersync.UseSource, usersync.UseSource, usersync.KeepDestination,
		usersync.UpdateIfEmpty, usersync.AskAtRuntime)
	cfg.BlankCells = pick(d, usersync.BlankKeeps, usersync.BlankKeeps, usersync.BlankClears)
	cfg.ClearMarker = pick(d, clearMarker, clearMarker, "")
	cfg.Guard = pick(d, cfg.Guard, usersync.Guard{}, usersync.Guard{Off: true}, usersync.Guard{Percent: 30, Users: 1},
		usersync.Guard{Percent: 100, Users: 9, Max: 1})
	cfg.Rules, cfg.Defaults = map[string]usersync.Rule{}, map[string]string{}
	for _, f := range s.Fields {
		d.rule(s, f, &cfg)
	}
	if cfg.InactiveUsers == usersync.Activate && s.Status != "" && cfg.Defaults[s.Status] == fixed["active"][1] {
		delete(cfg.Defaults, s.Status) // new users would be made active by the next upload: B2 against B9
	}
	return cfg
}

// rule gives a field, sometimes, a rule of its own and a default.
func (d dice) rule(s usersync.Schema, f usersync.Field, cfg *usersync.Config) {
	if matchOnly(f) {
		return
	}
	alone := f.Name == s.Key || f.Unique == usersync.MustBeUnique || f.Match != ""
	strategies := []usersync.Strategy{usersync.UseSource, usersync.KeepDestination, usersync.UpdateIfEmpty,
		usersync.AskAtRuntime}
	if !alone {
		strategies = append(strategies, usersync.ForceValue)
	}
	if f.List != nil {
		strategies = append(strategies, usersync.Merge, usersync.Merge)
	}
	if d.once(4) {
		r := usersync.Rule{Strategy: pick(d, strategies...)}
		if r.Strategy == usersync.ForceValue {
			r.Value = fixed[f.Name][d.IntN(2)]
		}
		cfg.Rules[f.Name] = r
	}
	if d.once(6) && !alone {
		cfg.Defaults[f.Name] = fixed[f.Name][d.IntN(2)]
	}
}

// fixed are values that a rule or a default may have.
var fixed = map[string][2]string{
	"email": {"a@x.org", "z@x.org"}, "title": {"Dev", "Clerk"}, "nickname": {"Al", "Cy"}, "locale": {"en_US", "de"},
	"phone": {"+15550100", "030 99"}, "level": {"chief", "user"}, "groups": {"red", "blue;green"},
	"active": {"true", "no"}, "manager": {"Anna", "bert"}, "mentor": {"Carl", "dora"},
	"externalId": {"1", "9"}, "badge": {"1", "9"},
}

// user makes an existing user. The store may have what a file may not: spellings of its own, white
// space, several users with one key.
func (d dice) user(w *world, id string) usersync.User {
	u := usersync.User{ID: id, Active: !d.once(4)}
	for _, f := range w.schema.Fields {
		if matchOnly(f) || f.Name == w.schema.Status {
			continue
		}
		switch {
		case f.Name == w.schema.Key:
			u.Values.Set(f.Name, d.storeKey(w))
		case d.once(3): // absent
		case d.once(5):
			u.Values.Set(f.Name, pick(d, "", " \t"))
		case f.List != nil:
			u.Values.SetList(f.Name, pick(d, []string{"red"}, []string{"blue", "red"}, []string{"grey"}))
		default:
			u.Values.Set(f.Name, pick(d, cellTexts[f.Name]...))
		}
	}
	return u
}

// storeKey is a name that no user has yet, or sometimes one that another has. Not so where users refer to
// each other: whom the links mean that the store has could not be told.
func (d dice) storeKey(w *world) string {
	refers := slices.ContainsFunc(w.schema.Fields, func(f usersync.Field) bool { return f.Kind == usersync.KindUser })
	for range 20 {
		name := pick(d, keyNames...)
		taken := slices.ContainsFunc(w.users, func(u usersync.User) bool {
			return usersync.Fold(u.Values.Get(w.schema.Key)) == usersync.Fold(name)
		})
		if !taken || !refers && d.once(20) {
			return name
		}
	}
	return fmt.Sprintf("user%d", len(w.users))
}

// header leaves out some columns and mixes them up. A required one is always there, and so is a
// second one: a file of one column has no separator.
func (d dice) header(s usersync.Schema) []string {
	var out []string
	for _, f := range s.Fields {
		if f.Name == s.Key || f.Required == usersync.Always || !d.once(6) {
			out = append(out, f.Name)
		}
	}
	if d.once(3) {
		d.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	}
	return append(out, "remark")
}

func (d dice) row(w *world) []string {
	out := make([]string, len(w.header))
	for i, name := range w.header {
		out[i] = d.cell(w, name)
	}
	switch {
	case d.once(25):
		out = out[:1+d.IntN(len(out))]
	case d.once(30): // nothing, but for a remark perhaps
		clear(out[:len(out)-1])
	}
	return out
}

func (d dice) cell(w *world, name string) string {
	if name == w.schema.Key {
		if d.once(20) {
			return pick(d, "", " ", "an"+zeroWidth+"na", clearMarker)
		}
		return d.rowKey(w)
	}
	required := w.field(name).Required != usersync.Optional
	switch {
	case name == "remark":
		return pick(d, "", "", "", "see Bert")
	case d.once(5) && !required, d.once(30):
		return ""
	case d.once(20) && !required, d.once(60):
		return pick(d, " ", clearMarker)
	case d.once(40):
		return cellTexts[name][len(cellTexts[name])-1] // mostly a bad one
	}
	return pick(d, cellTexts[name][:len(cellTexts[name])-1]...)
}

// rowKey is mostly a name that no row has yet.
func (d dice) rowKey(w *world) string {
	at := slices.Index(w.header, w.schema.Key)
	for range 20 {
		name := pick(d, keyNames...)
		taken := slices.ContainsFunc(w.rows, func(cells []string) bool {
			return at < len(cells) && usersync.Fold(cells[at]) == usersync.Fold(name)
		})
		if !taken || d.once(60) {
			return name
		}
	}
	return fmt.Sprintf("row%d", len(w.rows))
}

// history makes the baseline, the other configuration's, and who is protected.
func (d dice) history(w *world) {
	if !d.once(5) {
		w.baseline = []usersync.Member{}
	}
	for _, u := range w.users {
		member := usersync.Member{UserID: u.ID, Name: u.Values.Get(w.schema.Key)}
		if w.baseline != nil && !d.once(3) {
			w.baseline = append(w.baseline, member)
		}
		if d.once(8) {
			w.others = append(w.others, u.ID)
		}
		if d.once(8) {
			w.protected = append(w.protected, u.ID)
		}
	}
	if w.baseline != nil && d.once(4) {
		w.baseline = append(w.baseline, usersync.Member{UserID: "gone", Name: "gone"})
	}
	d.Shuffle(len(w.baseline), func(i, j int) { w.baseline[i], w.baseline[j] = w.baseline[j], w.baseline[i] })
}
