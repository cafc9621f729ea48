package usersynctest

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

func brokenCalls() []defect[*users] {
	return []defect[*users]{
		{"the context is ignored", []string{"cancelled/before the call"},
			onTrial(batches(func(ctx context.Context, s *memory.Store, changes []usersync.Change) ([]usersync.Outcome, error) {
				return s.WriteUsers(context.WithoutCancel(ctx), changes)
			}))},
		{"the context is ignored by FindUsers", []string{"cancelled/before the call"},
			onTrial(func(s *memory.Store) usersync.UserStore {
				b := &broken{Store: s}
				b.find = func(_ context.Context, field string, values []string) ([]usersync.User, error) {
					return s.FindUsers(context.Background(), field, values)
				}
				return b
			})},
		{"an interrupted look-up is a short one", []string{"cancelled/FindUsers"}, onTrial(findsSome)},
		{"an interruption fails single changes", []string{"cancelled/WriteUsers"},
			onTrial(batches(func(ctx context.Context, s *memory.Store, changes []usersync.Change) ([]usersync.Outcome, error) {
				out := make([]usersync.Outcome, len(changes))
				for i, c := range changes {
					out[i] = write(ctx, s, c)
				}
				return out, nil
			}))},
		{"an interruption leaves half a user", []string{"cancelled/WriteUsers"}, onTrial(createsInSteps)},
		{"what is sent again is made again", []string{"cancelled/WriteUsers"},
			onTrial(func(s *memory.Store) usersync.UserStore {
				return each(s, func(ctx context.Context, c usersync.Change) usersync.Outcome {
					s.Put(usersync.User{Active: c.Active, Values: c.Set})
					return usersync.Outcome{ID: "some user"}
				})
			})},
		{"nobody gets a contested key", []string{"concurrent/creations of one key"},
			onTrial(outcomes(func(_ *memory.Store, _ usersync.Change, out *usersync.Outcome) {
				*out = usersync.Outcome{Err: usersync.ErrDuplicate}
			}))},
		{"keys are looked up before the write", []string{"concurrent/creations of one key"},
			onTrial(func(s *memory.Store) usersync.UserStore {
				return each(s, func(ctx context.Context, c usersync.Change) usersync.Outcome {
					found, _ := s.FindUsers(ctx, "userName", []string{c.Key})
					time.Sleep(time.Millisecond)
					if len(found) > 0 {
						return usersync.Outcome{Err: usersync.ErrDuplicate}
					}
					return put(s, c)
				})
			})},
		{"versions are looked up before the write", []string{"concurrent/updates of one version"},
			onTrial(writes(func(s *memory.Store, c *usersync.Change) {
				if u, there := byID(s, c.UserID); there && u.Version == c.IfVersion {
					c.IfVersion = ""
				}
				time.Sleep(time.Millisecond)
			}))},
		{"a second writer is turned away", []string{"concurrent/creations of one key"}, onTrial(turnsAway)},
		{"a reader is turned away", []string{"concurrent/reads and writes"},
			onTrial(func(s *memory.Store) usersync.UserStore {
				var busy sync.Mutex
				b := &broken{Store: s}
				b.find = func(ctx context.Context, field string, values []string) ([]usersync.User, error) {
					if !busy.TryLock() {
						return nil, errors.New("database is locked")
					}
					defer busy.Unlock()
					time.Sleep(time.Millisecond)
					return s.FindUsers(ctx, field, values)
				}
				return b
			})},
		{"a change is written field by field", []string{"concurrent/reads and writes"},
			onTrial(func(s *memory.Store) usersync.UserStore {
				return each(s, func(ctx context.Context, c usersync.Change) usersync.Outcome {
					var out usersync.Outcome
					whole := c.Set
					for field, value := range whole.All() {
						c.Set, c.IdempotencyKey = one(field, value), ""
						if c.Op == usersync.OpCreate {
							c.Set = whole
						}
						out = write(ctx, s, c)
						c.IfVersion = out.Version
						time.Sleep(time.Millisecond)
						if c.Op == usersync.OpCreate {
							break
						}
					}
					return out
				})
			})},
	}
}

// findsSome returns what it has found when the context ends.
func findsSome(s *memory.Store) usersync.UserStore {
	b := &broken{Store: s}
	b.find = func(ctx context.Context, field string, values []string) ([]usersync.User, error) {
		var found []usersync.User
		for _, v := range values {
			if ctx.Err() != nil {
				break
			}
			one, _ := s.FindUsers(context.Background(), field, []string{v})
			found = append(found, one...)
		}
		return found, nil
	}
	return b
}

// createsInSteps remembers a creation as carried out before all of it is written.
func createsInSteps(s *memory.Store) usersync.UserStore {
	begun := map[string]bool{}
	return each(s, func(ctx context.Context, c usersync.Change) usersync.Outcome {
		if c.Op != usersync.OpCreate || begun[c.IdempotencyKey] {
			return write(ctx, s, c)
		}
		begun[c.IdempotencyKey] = true
		first := c
		first.Set = c.Set.With(one("department", ""))
		out := write(ctx, s, first)
		if err := cmp.Or(out.Err, ctx.Err()); err != nil {
			return usersync.Outcome{Err: err}
		}
		return write(ctx, s, usersync.Change{Op: usersync.OpUpdate, UserID: out.ID, Set: c.Set})
	})
}

// turnsAway fails a call while another is under way, as a locked database file does.
func turnsAway(s *memory.Store) usersync.UserStore {
	var busy sync.Mutex
	return batches(func(ctx context.Context, s *memory.Store, changes []usersync.Change) ([]usersync.Outcome, error) {
		if !busy.TryLock() {
			return nil, errors.New("database is locked")
		}
		defer busy.Unlock()
		time.Sleep(time.Millisecond)
		return s.WriteUsers(ctx, changes)
	})(s)
}
