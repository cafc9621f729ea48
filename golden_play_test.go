package usersync_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
	"github.com/usersync-go/usersync/adapters/seats"
)

// golden is a case that is being played.
type golden struct {
	opts   goldenOptions
	config usersync.Config
	eng    *usersync.Engine
	store  *memory.Store
	things *memory.References
	mailer *memory.Mailer
	fields *memory.Fields
	out    strings.Builder
}

// goldenOptions are how a case differs from the usual one.
type goldenOptions struct {
	Sheet     string       `json:"sheet"`
	Encoding  string       `json:"encoding"`
	Actor     string       `json:"actor"`     // id of the acting user
	Protected []string     `json:"protected"` // ids of users whom the host protects
	Seats     *int         `json:"seats"`     // the limit, if there is one
	Pools     *goldenPools `json:"pools"`     // the limits of pools, if there are any
	// References are the things that users can be given, by set.
	References map[string][]string `json:"references"`
	// Refused has, by field, what the host says when it refuses to have the field written.
	Refused   map[string]string   `json:"refused"`
	Decisions []usersync.Decision `json:"decisions"` // made after the preview
	Then      goldenThen          `json:"then"`      // what happens between preview and run
	Confirm   *int                `json:"confirm"`   // the number of deactivations that a person confirms
	SkipStale bool                `json:"skipStale"`
	NewFields *goldenFields       `json:"newFields"` // columns can become fields
}

// goldenFields are fields beside those of the schema.
type goldenFields struct {
	There  []usersync.Field `json:"there"`  // were added before
	Choose []string         `json:"choose"` // columns, by letter, that are chosen as they are offered
	Add    []usersync.Field `json:"add"`    // chosen after somebody has edited them
}

// goldenPools are pools of seats.
type goldenPools struct {
	Field  string         `json:"field"`
	Limits map[string]int `json:"limits"`
}

// goldenThen is what the product does behind the plan's back.
type goldenThen struct {
	Put      []goldenUser        `json:"put"`
	Remove   []string            `json:"remove"`
	Baseline []string            `json:"baseline"` // another run has succeeded
	Gone     map[string][]string `json:"gone"`     // things, by set, that are deleted
	Edit     bool                `json:"edit"`     // the configuration is edited
	Pause    bool                `json:"pause"`    // the configuration is paused
	// Fields are added by another run.
	Fields []usersync.Field `json:"fields"`
}

// goldenUser is a user who is active unless the case says otherwise.
type goldenUser struct {
	ID       string          `json:"id"`
	Inactive bool            `json:"inactive"`
	SSO      bool            `json:"sso"`
	Values   usersync.Values `json:"values"`
}

func (u goldenUser) user() usersync.User {
	return usersync.User{ID: u.ID, Active: !u.Inactive, SSO: u.SSO, Values: u.Values}
}

func newGolden(t *testing.T, dir string) *golden {
	t.Helper()
	g := &golden{config: usersync.DefaultConfig("staff"), mailer: memory.NewMailer(), things: memory.NewReferences(), fields: memory.NewFields()}
	readJSON(t, filepath.Join(dir, "config.json"), &g.config)
	readJSON(t, filepath.Join(dir, "options.json"), &g.opts)
	schema := usersync.DefaultSchema()
	if _, err := os.Stat(filepath.Join(dir, "schema.json")); err == nil {
		schema = usersync.Schema{}
		readJSON(t, filepath.Join(dir, "schema.json"), &schema)
	}
	for set, names := range g.opts.References {
		g.things.Put(set, names...)
	}
	var users []goldenUser
	readJSON(t, filepath.Join(dir, "users.json"), &users)
	g.store = memory.New(memory.WithKey(schema.Key), memory.WithUnique(uniqueFields(schema)...))
	for _, u := range users {
		g.store.Put(u.user())
	}
	baselines := map[string][]string{}
	readJSON(t, filepath.Join(dir, "baseline.json"), &baselines)
	for config, ids := range baselines {
		g.saveBaseline(t, config, "run 1", ids)
	}
	if g.opts.NewFields != nil {
		require.NoError(t, g.fields.AddFields(t.Context(), g.opts.NewFields.There))
	}
	var err error
	g.eng, err = usersync.New(g.store, g.store.Baselines(), g.engineOptions(schema)...)
	require.NoError(t, err)
	return g
}

// uniqueFields are the fields of which a strict store takes every value once.
func uniqueFields(s usersync.Schema) []string {
	var out []string
	for _, f := range s.Fields {
		if f.Unique == usersync.MustBeUnique && f.Name != s.Key {
			out = append(out, f.Name)
		}
	}
	return out
}

func (g *golden) engineOptions(schema usersync.Schema) []usersync.Option {
	opts := []usersync.Option{
		usersync.WithSchema(schema),
		usersync.WithMailer(g.mailer),
		usersync.WithReferences(g.things),
		usersync.WithClock(func() time.Time { return time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC) }),
		usersync.WithProtected(func(_ context.Context, u usersync.User) (bool, error) {
			return slices.Contains(g.opts.Protected, u.ID), nil
		}),
	}
	if g.opts.Pools != nil {
		limits := seats.Limits{Total: -1, Pools: g.opts.Pools.Limits}
		if g.opts.Seats != nil {
			limits.Total = *g.opts.Seats
		}
		opts = append(opts, usersync.WithLicense(seats.NewPools(g.opts.Pools.Field, limits, g.countSeats)))
	} else if g.opts.Seats != nil {
		opts = append(opts, usersync.WithLicense(memory.NewSeats(g.store, *g.opts.Seats)))
	}
	if g.opts.NewFields != nil {
		opts = append(opts, usersync.WithFieldStore(g.fields))
	}
	if len(g.opts.Refused) > 0 {
		opts = append(opts, usersync.WithAuthorizer(g.authorize))
	}
	return opts
}

func (g *golden) countSeats(context.Context) (seats.Count, error) {
	c := seats.Count{Pools: map[string]int{}}
	for _, u := range g.store.Users() {
		if !u.Active {
			continue
		}
		c.Total++
		for _, pool := range u.Values.List(g.opts.Pools.Field) {
			c.Pools[pool]++
		}
	}
	return c, nil
}

func (g *golden) authorize(_ context.Context, _ usersync.Actor, _ usersync.User, field string) error {
	if message := g.opts.Refused[field]; message != "" {
		return errors.New(message)
	}
	return nil
}

// saveBaseline makes a baseline of users; one who is not in the store is named by his id.
func (g *golden) saveBaseline(t *testing.T, config, run string, ids []string) {
	t.Helper()
	base := usersync.Baseline{RunID: run}
	for _, id := range ids {
		base.Members = append(base.Members, usersync.Member{UserID: id, Name: g.nameOf(id)})
	}
	require.NoError(t, g.store.Baselines().Save(t.Context(), config, base))
}

func (g *golden) nameOf(id string) string {
	for _, u := range g.store.Users() {
		if u.ID == id {
			return u.Values.Get(g.eng0Key())
		}
	}
	return id
}

// eng0Key is the field that names users, also before there is an engine.
func (g *golden) eng0Key() string {
	if g.eng == nil {
		return "userName"
	}
	return g.eng.Schema().Key
}

func (g *golden) source(dir string) usersync.Source {
	path := filepath.Join(dir, "rows.csv")
	if _, err := os.Stat(path); err != nil {
		path = filepath.Join(dir, "file.xlsx")
	}
	src := usersync.File(path)
	if g.opts.Sheet != "" {
		src = src.WithSheet(g.opts.Sheet)
	}
	if g.opts.Encoding != "" {
		src = src.WithEncoding(g.opts.Encoding)
	}
	return src
}

func (g *golden) actor() usersync.Actor { return usersync.Actor{UserID: g.opts.Actor} }

func (g *golden) decide(t *testing.T, plan *usersync.Plan) {
	t.Helper()
	require.NoError(t, plan.Resolve(g.opts.Decisions...))
	for _, d := range g.opts.Decisions {
		fmt.Fprintf(&g.out, "\ndecided  %s: %s", showScope(d), d.Choice)
		if d.Remember {
			g.out.WriteString(", to be remembered")
		}
	}
	g.out.WriteString("\n")
	g.rows(plan)
}

func showScope(d usersync.Decision) string {
	row, field := "every row", "every field"
	if d.Row > 0 {
		row = fmt.Sprintf("row %d", d.Row)
	}
	if d.Field != "" {
		field = d.Field
	}
	if d.Choice == usersync.CreateMissing || d.Choice == usersync.LeaveMissing {
		return cmp.Or(d.Value, "all") + " that is missing in " + field
	}
	return row + ", " + field
}

// choose previews the file again with the new fields that are chosen, and shows that plan. Without any, the plan
// is the one that there is; it is nil where the choice is refused.
func (g *golden) choose(t *testing.T, dir string, plan *usersync.Plan) *usersync.Plan {
	t.Helper()
	if g.opts.NewFields == nil || len(g.opts.NewFields.Choose)+len(g.opts.NewFields.Add) == 0 {
		return plan
	}
	fields := slices.Clone(g.opts.NewFields.Add)
	for _, offer := range plan.NewFields() {
		if slices.Contains(g.opts.NewFields.Choose, offer.Column.Letter) {
			fields = append(fields, offer.Field)
		}
	}
	for _, f := range fields {
		fmt.Fprintf(&g.out, "\nchosen   %s", showDefinition(f))
	}
	g.out.WriteString("\n")
	plan, err := g.eng.Preview(t.Context(), g.config, g.source(dir), usersync.By(g.actor()), usersync.AddFields(fields...))
	if err != nil {
		fmt.Fprintf(&g.out, "refused  %s\n", strings.TrimPrefix(err.Error(), "usersync: "))
		return nil
	}
	g.plan(plan)
	return plan
}

// showDefinition shows what a field says besides its name.
func showDefinition(f usersync.Field) string {
	definition, _ := json.Marshal(f) // plain data can always be written
	return string(definition)
}

// then does what the case has happen before the plan is applied.
func (g *golden) then(t *testing.T) {
	t.Helper()
	for _, u := range g.opts.Then.Put {
		g.store.Put(u.user())
		fmt.Fprintf(&g.out, "\nthen     %s is saved as %s\n", u.Values.Get(g.eng0Key()), u.ID)
	}
	if ids := g.opts.Then.Remove; len(ids) > 0 {
		g.store.Remove(ids...)
		fmt.Fprintf(&g.out, "\nthen     %s is deleted\n", strings.Join(ids, ", "))
	}
	if fields := g.opts.Then.Fields; len(fields) > 0 {
		require.NoError(t, g.fields.AddFields(t.Context(), fields))
		fmt.Fprintf(&g.out, "\nthen     another run adds the field %s\n", fields[0].Name)
	}
	for _, set := range slices.Sorted(maps.Keys(g.opts.Then.Gone)) {
		g.things.Remove(set, g.opts.Then.Gone[set]...)
		fmt.Fprintf(&g.out, "\nthen     %s is deleted\n", strings.Join(g.opts.Then.Gone[set], ", "))
	}
	if ids := g.opts.Then.Baseline; ids != nil {
		g.saveBaseline(t, g.config.ID, "run 2", ids)
		g.out.WriteString("\nthen     another run succeeds\n")
	}
}

// apply runs the plan, shows what became of it and previews the same file once more. (B9)
func (g *golden) apply(t *testing.T, dir string, plan *usersync.Plan) {
	t.Helper()
	run, err := g.eng.Apply(t.Context(), plan, g.applyOptions()...)
	if err != nil {
		fmt.Fprintf(&g.out, "\napply    %s\n", strings.TrimPrefix(err.Error(), "usersync: "))
		return
	}
	fmt.Fprintf(&g.out, "\napply    %s\n", showRunCounts(run.Counts()))
	for row := range run.Rows() {
		if row.State != usersync.StateDone && row.State != usersync.StateNothing {
			fmt.Fprintf(&g.out, "row %-5d%s: %s: %s\n", row.Number, row.Name, row.State, showReason(row.Reasons[len(row.Reasons)-1]))
		}
	}
	for _, f := range run.Added {
		fmt.Fprintf(&g.out, "added    %s\n", showDefinition(f))
	}
	for _, thing := range run.CreatedReferences() {
		fmt.Fprintf(&g.out, "created  %s %q\n", thing.Set, thing.Name)
	}
	for _, mail := range g.mailer.Sent() {
		fmt.Fprintf(&g.out, "mail     to %s, in %q\n", mail.Email, mail.Locale)
	}
	if run.NextConfig != nil {
		fmt.Fprintf(&g.out, "config   revision %d: %v\n", run.NextConfig.Revision, run.NextConfig.Rules)
	}
	g.baseline(t)
	again, err := g.eng.Preview(t.Context(), g.config, g.source(dir), usersync.By(g.actor()))
	require.NoError(t, err)
	fmt.Fprintf(&g.out, "again    %s\n", showCounts(again.Counts()))
}

func (g *golden) applyOptions() []usersync.ApplyOption {
	var opts []usersync.ApplyOption
	if g.opts.Confirm != nil {
		opts = append(opts, usersync.ConfirmDeactivations(*g.opts.Confirm))
	}
	if g.opts.SkipStale {
		opts = append(opts, usersync.SkipStale())
	}
	if g.opts.Then.Edit || g.opts.Then.Pause {
		now := g.config
		now.Paused = g.opts.Then.Pause
		if g.opts.Then.Edit {
			now = now.WithRules(nil)
		}
		opts = append(opts, usersync.IfCurrent(now))
	}
	return opts
}

func showRunCounts(c usersync.RunCounts) string {
	out := fmt.Sprintf("created %d, updated %d, deactivated %d, skipped %d, errors %d", c.Created, c.Updated,
		c.Deactivated, c.Skipped, c.Errors)
	if c.Failed+c.Uncertain+c.Pending > 0 {
		out += fmt.Sprintf(", failed %d, uncertain %d, pending %d", c.Failed, c.Uncertain, c.Pending)
	}
	return out
}

func (g *golden) baseline(t *testing.T) {
	t.Helper()
	base, err := g.store.Baselines().Load(t.Context(), g.config.ID)
	require.NoError(t, err)
	names := []string{"nobody"}
	if len(base.Members) > 0 {
		names = nil
	}
	for _, m := range base.Members {
		names = append(names, m.Name)
	}
	fmt.Fprintf(&g.out, "baseline %s\n", strings.Join(names, ", "))
}
