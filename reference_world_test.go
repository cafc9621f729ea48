package usersync_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

// world is everything that a preview depends on.
type world struct {
	seed      uint64 // decides the answers to conflicts
	schema    usersync.Schema
	config    usersync.Config
	header    []string   // fields, in the order of the columns
	rows      [][]string // cells; a row may be shorter than the header
	users     []usersync.User
	baseline  []usersync.Member // nil for a first run
	others    []string          // ids of users in another configuration's baseline
	protected []string          // ids of users whom the host protects
	seats     int               // limit, negative for no checker
	decisions []usersync.Decision
}

// otherConfig is the configuration that shares users with the one under test.
const otherConfig = "contractors"

// file is the world's upload.
func (w *world) file() string {
	var b strings.Builder
	out := csv.NewWriter(&b)
	if err := out.WriteAll(append([][]string{w.header}, w.rows...)); err != nil {
		panic(err) // a strings.Builder takes everything
	}
	return b.String()
}

func (w *world) source() usersync.Source {
	return usersync.CSV(strings.NewReader(w.file())).WithDelimiter(',')
}

// open makes an engine and its store of the world. The store is as strict as the schema, so that an
// order of changes that a database would not take is found out.
func (w *world) open(ctx context.Context) (*usersync.Engine, *memory.Store, error) {
	store := memory.New(memory.WithKey(w.schema.Key), memory.WithUnique(uniqueFields(w.schema)...), memory.WithUsers(w.users...))
	if err := w.saveBaselines(ctx, store.Baselines()); err != nil {
		return nil, nil, err
	}
	opts := []usersync.Option{
		usersync.WithSchema(w.schema), usersync.WithProtected(w.isProtected),
		usersync.WithBatchSize(1 + int(w.seed%3)), // small ones, so that batches meet
	}
	if w.seats >= 0 {
		opts = append(opts, usersync.WithLicense(memory.NewSeats(store, w.seats)))
	}
	eng, err := usersync.New(store, store.Baselines(), opts...)
	return eng, store, err
}

func (w *world) isProtected(_ context.Context, u usersync.User) (bool, error) {
	return slices.Contains(w.protected, u.ID), nil
}

func (w *world) saveBaselines(ctx context.Context, b usersync.BaselineStore) error {
	if w.baseline != nil {
		err := b.Save(ctx, w.config.ID, usersync.Baseline{RunID: "before", Members: w.baseline})
		if err != nil {
			return err
		}
	}
	var members []usersync.Member
	for _, id := range w.others {
		members = append(members, usersync.Member{UserID: id, Name: id})
	}
	return b.Save(ctx, otherConfig, usersync.Baseline{RunID: "other", Members: members})
}

// clone is a copy whose lists, users and configuration can be changed.
func (w *world) clone() *world {
	c := *w
	c.schema.Fields = slices.Clone(w.schema.Fields)
	c.config.Rules, c.config.Defaults = maps.Clone(w.config.Rules), maps.Clone(w.config.Defaults)
	c.header, c.rows = slices.Clone(w.header), slices.Clone(w.rows)
	for i := range c.rows {
		c.rows[i] = slices.Clone(c.rows[i])
	}
	c.users = slices.Clone(w.users)
	for i := range c.users {
		c.users[i].Values = c.users[i].Values.Clone()
	}
	c.baseline, c.others = slices.Clone(w.baseline), slices.Clone(w.others)
	c.protected, c.decisions = slices.Clone(w.protected), slices.Clone(w.decisions)
	return &c
}

// String shows the world to the person who has to find out what went wrong in it.
func (w *world) String() string {
	var b strings.Builder
	for _, f := range w.schema.Fields {
		fmt.Fprintf(&b, "field    %s\n", shortJSON(f))
	}
	fmt.Fprintf(&b, "config   %s\n", shortJSON(w.config))
	for _, u := range w.users {
		fmt.Fprintf(&b, "user     %s active=%t %s\n", u.ID, u.Active, shortJSON(u.Values))
	}
	switch {
	case w.baseline == nil:
		b.WriteString("baseline none, a first run\n")
	default:
		fmt.Fprintf(&b, "baseline %v\n", w.baseline)
	}
	fmt.Fprintf(&b, "others   %v  protected %v  seats %d  seed %d\n", w.others, w.protected, w.seats, w.seed)
	fmt.Fprintf(&b, "decided  %v\n", w.decisions)
	for i, line := range strings.Split(strings.TrimSuffix(w.file(), "\n"), "\n") {
		fmt.Fprintf(&b, "%d| %+q\n", i+1, line)
	}
	return b.String()
}

func shortJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
