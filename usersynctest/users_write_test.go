package usersynctest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

func brokenWrites() []defect[*users] {
	return []defect[*users]{
		{"a field is not written", []string{"WriteUsers/create", "WriteUsers/many changes"},
			onTrial(writes(func(_ *memory.Store, c *usersync.Change) {
				if _, set := c.Set.Lookup("lastName"); set {
					c.Set.Set("lastName", "")
				}
			}))},
		{"no ids in outcomes", []string{"WriteUsers/create"},
			onTrial(outcomes(func(_ *memory.Store, c usersync.Change, out *usersync.Outcome) { out.ID = c.UserID }))},
		{"another id in outcomes", []string{"WriteUsers/create", "WriteUsers/in order", "concurrent/creations of one key"},
			onTrial(outcomes(func(_ *memory.Store, _ usersync.Change, out *usersync.Outcome) { out.ID += "0" }))},
		{"the first id in all outcomes", []string{"WriteUsers/in order"},
			onTrial(func(s *memory.Store) usersync.UserStore {
				first := ""
				return outcomes(func(_ *memory.Store, _ usersync.Change, out *usersync.Outcome) {
					first = cmp.Or(first, out.ID)
					out.ID = first
				})(s)
			})},
		{"no versions in outcomes", []string{"WriteUsers/create", "WriteUsers/version moves"},
			onTrial(outcomes(func(_ *memory.Store, _ usersync.Change, out *usersync.Outcome) { out.Version = "" }))},
		{"every new user is active", []string{"WriteUsers/create inactive"},
			onTrial(writes(func(_ *memory.Store, c *usersync.Change) { c.Active = true }))},
		{"an update replaces all values", []string{"WriteUsers/update only what is set", "WriteUsers/empty clears, absent keeps"},
			onTrial(writes(func(s *memory.Store, c *usersync.Change) {
				before, _ := byID(s, c.UserID)
				for field := range before.Values.All() {
					if _, set := c.Set.Lookup(field); !set && field != "userName" && c.Op == usersync.OpUpdate {
						c.Set.Set(field, "")
					}
				}
			}))},
		{"empty values are lost", []string{"WriteUsers/empty clears, absent keeps", "WriteUsers/reference", "WriteUsers/lists"},
			onTrial(writes(func(_ *memory.Store, c *usersync.Change) {
				full := usersync.Values{}
				for field, value := range c.Set.All() {
					if value != "" {
						full = full.With(one(field, value))
					}
				}
				c.Set = full
			}))},
		{"an update activates", []string{"WriteUsers/status"},
			onTrial(writes(func(_ *memory.Store, c *usersync.Change) {
				if c.Op == usersync.OpUpdate {
					c.Op = usersync.OpActivate
				}
			}))},
		{"a deactivation deletes", []string{"WriteUsers/status", "FindUsers/inactive users"},
			onTrial(outcomes(func(s *memory.Store, c usersync.Change, _ *usersync.Outcome) {
				if c.Op == usersync.OpDeactivate {
					s.Remove(c.UserID)
				}
			}))},
		{"a change of status writes no values", []string{"WriteUsers/status and values together"},
			onTrial(writes(func(_ *memory.Store, c *usersync.Change) {
				if c.Op == usersync.OpActivate || c.Op == usersync.OpDeactivate {
					c.Set = usersync.Values{}
				}
			}))},
		{"text that looks like a number is one", []string{"WriteUsers/text as it is"},
			onTrial(writesValue(func(value string) string {
				if strings.Trim(value, "0123456789") == "" {
					return strings.TrimLeft(value, "0")
				}
				return value
			}))},
		{"three bytes a letter", []string{"WriteUsers/text as it is", "WriteUsers/long text"},
			onTrial(writesValue(func(value string) string { return strings.ReplaceAll(value, "🏢", "?") }))},
		{"text is cut after 255 bytes", []string{"WriteUsers/long text"},
			onTrial(writesValue(func(value string) string { return value[:min(len(value), 255)] }))},
		{"text is cut after 65,535 bytes", []string{"WriteUsers/long text"},
			onTrial(writesValue(func(value string) string { return value[:min(len(value), 65_535)] }))},
		{"lists are flat", []string{"WriteUsers/lists"},
			onTrial(writes(func(_ *memory.Store, c *usersync.Change) {
				if _, set := c.Set.Lookup("groups"); set {
					c.Set.SetList("groups", strings.Split(c.Set.Get("groups"), ", "))
				}
			}))},
		{"references are kept as ids", []string{"WriteUsers/reference", "WriteUsers/in order", "FindUsers/by reference"},
			onTrial(writes(func(s *memory.Store, c *usersync.Change) {
				for _, u := range s.Users() {
					if c.Set.Get("manager") == u.Values.Get("userName") {
						c.Set.Set("manager", u.ID)
					}
				}
			}))},
		{"creations go first", []string{"WriteUsers/in order"}, onTrial(batches(creationsFirst))},
		{"at most 999 changes", []string{"WriteUsers/many changes"},
			onTrial(batches(func(ctx context.Context, s *memory.Store, changes []usersync.Change) ([]usersync.Outcome, error) {
				if len(changes) > 999 {
					return nil, errors.New("too many SQL variables")
				}
				return s.WriteUsers(ctx, changes)
			}))},
		{"the version stays the same", []string{"WriteUsers/version moves", "WriteUsers/stale version"}, onTrial(constantVersion)},
		{"the version moves with each look", []string{"WriteUsers/version stays"}, onTrial(restlessVersion)},
		{"values of changes are kept", []string{"WriteUsers/changes stay the caller's"}, onTrial(keepsChanges)},
		{"changes are sorted in place", []string{"WriteUsers/changes stay the caller's"},
			onTrial(batches(func(ctx context.Context, s *memory.Store, changes []usersync.Change) ([]usersync.Outcome, error) {
				slices.SortStableFunc(changes, func(a, b usersync.Change) int { return cmp.Compare(a.Op, b.Op) })
				return s.WriteUsers(ctx, changes)
			}))},
	}
}

func creationsFirst(ctx context.Context, s *memory.Store, changes []usersync.Change) ([]usersync.Outcome, error) {
	out := make([]usersync.Outcome, len(changes))
	for _, creations := range []bool{true, false} {
		for i, c := range changes {
			if (c.Op == usersync.OpCreate) == creations {
				out[i] = write(ctx, s, c)
			}
		}
	}
	return out, nil
}

// constantVersion knows but one version.
func constantVersion(s *memory.Store) usersync.UserStore {
	b := outcomes(func(_ *memory.Store, _ usersync.Change, out *usersync.Outcome) { out.Version = "1" })(s).(*broken)
	write := b.write
	b.write = func(ctx context.Context, changes []usersync.Change) ([]usersync.Outcome, error) {
		changes = slices.Clone(changes)
		for i := range changes {
			changes[i].IfVersion = ""
		}
		return write(ctx, changes)
	}
	b.find = func(ctx context.Context, field string, values []string) ([]usersync.User, error) {
		found, err := s.FindUsers(ctx, field, values)
		for i := range found {
			found[i].Version = "1"
		}
		return found, err
	}
	return b
}

// restlessVersion takes the time of the look for the version.
func restlessVersion(s *memory.Store) usersync.UserStore {
	looks := 0
	b := answers(func(_ string, _ []string, found []usersync.User) []usersync.User {
		looks++
		for i := range found {
			found[i].Version = fmt.Sprint("look ", looks)
		}
		return found
	})(s).(*broken)
	b.write = func(ctx context.Context, changes []usersync.Change) ([]usersync.Outcome, error) {
		changes = slices.Clone(changes)
		for i := range changes {
			changes[i].IfVersion = ""
		}
		return s.WriteUsers(ctx, changes)
	}
	return b
}

// keepsChanges shows users with the very Values that their last change had.
func keepsChanges(s *memory.Store) usersync.UserStore {
	kept := map[string]usersync.Values{}
	b := answers(func(_ string, _ []string, found []usersync.User) []usersync.User {
		for i, u := range found {
			found[i].Values = u.Values.With(kept[u.ID])
		}
		return found
	})(s).(*broken)
	b.write = func(ctx context.Context, changes []usersync.Change) ([]usersync.Outcome, error) {
		out, err := s.WriteUsers(ctx, changes)
		for i := range out {
			kept[out[i].ID] = changes[i].Set
		}
		return out, err
	}
	return b
}
