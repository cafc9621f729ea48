package usersynctest

import (
	"context"
	"errors"
	"slices"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

func brokenRefusals() []defect[*users] {
	return []defect[*users]{
		{"versions are ignored", []string{"WriteUsers/stale version", "WriteUsers/stale within a batch", "concurrent/updates of one version"},
			onTrial(writes(func(_ *memory.Store, c *usersync.Change) { c.IfVersion = "" }))},
		{"a conflict without its sentinel", []string{"WriteUsers/stale version"}, onTrial(hides(usersync.ErrVersionConflict))},
		{"versions are compared before the batch", []string{"WriteUsers/stale within a batch"}, onTrial(batches(comparesFirst))},
		{"two changes of one user are a conflict", []string{"WriteUsers/stale within a batch"},
			onTrial(batches(func(ctx context.Context, s *memory.Store, changes []usersync.Change) ([]usersync.Outcome, error) {
				if len(changes) > 1 && changes[0].UserID != "" && changes[0].UserID == changes[1].UserID {
					return slices.Repeat([]usersync.Outcome{{Err: usersync.ErrVersionConflict}}, len(changes)), nil
				}
				return s.WriteUsers(ctx, changes)
			}))},
		{"no IfVersion is a version", []string{"WriteUsers/no IfVersion"},
			onTrial(writes(func(_ *memory.Store, c *usersync.Change) {
				if c.Op != usersync.OpCreate && c.IfVersion == "" {
					c.IfVersion = "none"
				}
			}))},
		{"an unknown user is created", []string{"WriteUsers/unknown id"},
			onTrial(writes(func(s *memory.Store, c *usersync.Change) {
				if _, there := byID(s, c.UserID); !there && c.UserID != "" {
					c.Op, c.IfVersion = usersync.OpCreate, ""
				}
			}))},
		{"an unknown user is refused and created", []string{"WriteUsers/unknown id"},
			onTrial(outcomes(func(s *memory.Store, c usersync.Change, out *usersync.Outcome) {
				if errors.Is(out.Err, usersync.ErrNotFound) {
					s.Put(usersync.User{Values: c.Set})
				}
			}))},
		{"an unknown user is a conflict", []string{"WriteUsers/unknown id"}, onTrial(hides(usersync.ErrNotFound))},
		{"keys are unique as they are", []string{"WriteUsers/key taken", "WriteUsers/key taken within a batch"},
			onTrial(outcomes(func(s *memory.Store, c usersync.Change, out *usersync.Outcome) {
				spelled := func(u usersync.User) bool { return u.Values.Get("userName") == c.Set.Get("userName") }
				if errors.Is(out.Err, usersync.ErrDuplicate) && !slices.ContainsFunc(s.Users(), spelled) {
					*out = put(s, c)
				}
			}))},
		{"a taken key without its sentinel", []string{"WriteUsers/key taken"}, onTrial(hides(usersync.ErrDuplicate))},
		{"a refused change is half written", []string{"WriteUsers/key taken", "WriteUsers/unique value taken"},
			onTrial(outcomes(func(s *memory.Store, c usersync.Change, out *usersync.Outcome) {
				if errors.Is(out.Err, usersync.ErrDuplicate) && c.UserID != "" {
					c.Set = one("department", c.Set.Get("department"))
					put(s, c)
				}
			}))},
		{"keys are compared before the batch", []string{"WriteUsers/key taken within a batch"}, onTrial(batches(looksFirst))},
		{"one taken key fails the batch", []string{"WriteUsers/key taken within a batch"},
			onTrial(batches(func(ctx context.Context, s *memory.Store, changes []usersync.Change) ([]usersync.Outcome, error) {
				out, err := s.WriteUsers(ctx, changes)
				if slices.ContainsFunc(out, func(o usersync.Outcome) bool { return errors.Is(o.Err, usersync.ErrDuplicate) }) {
					return slices.Repeat([]usersync.Outcome{{Err: usersync.ErrDuplicate}}, len(changes)), nil
				}
				return out, err
			}))},
		{"the last has the key", []string{"WriteUsers/key taken within a batch"},
			onTrial(outcomes(func(s *memory.Store, c usersync.Change, out *usersync.Outcome) {
				found, _ := s.FindUsers(context.Background(), "userName", []string{c.Key})
				if errors.Is(out.Err, usersync.ErrDuplicate) && c.Op == usersync.OpCreate {
					s.Remove(found[0].ID)
					put(s, c)
				}
			}))},
		{"a user's own key is taken", []string{"WriteUsers/own key in another case"},
			onTrial(func(s *memory.Store) usersync.UserStore {
				return each(s, func(ctx context.Context, c usersync.Change) usersync.Outcome {
					found, _ := s.FindUsers(ctx, "userName", []string{c.Key})
					if _, set := c.Set.Lookup("userName"); set && len(found) > 0 {
						return usersync.Outcome{Err: usersync.ErrDuplicate}
					}
					return write(ctx, s, c)
				})
			})},
		{"unique values are not", []string{"WriteUsers/unique value taken"},
			onTrial(func(*memory.Store) usersync.UserStore { return memory.New() })},
		{"a refused user is there all the same", []string{"WriteUsers/unique value taken"},
			onTrial(outcomes(func(s *memory.Store, c usersync.Change, out *usersync.Outcome) {
				if errors.Is(out.Err, usersync.ErrDuplicate) && c.Op == usersync.OpCreate {
					put(s, c)
				}
			}))},
		{"a deactivation beside a failure is lost", []string{"WriteUsers/one bad of many"},
			onTrial(batches(losesDeactivations))},
		{"a failure ends the batch", []string{"WriteUsers/one bad of many"}, onTrial(batches(stopsAtFailure))},
		{"a failure fails the call", []string{"WriteUsers/one bad of many", "WriteUsers/key taken"},
			onTrial(batches(func(ctx context.Context, s *memory.Store, changes []usersync.Change) ([]usersync.Outcome, error) {
				out, err := s.WriteUsers(ctx, changes)
				for _, o := range out {
					err = errors.Join(err, o.Err)
				}
				return out, err
			}))},
		{"a failure has no outcome", []string{"WriteUsers/one bad of many"},
			onTrial(batches(func(ctx context.Context, s *memory.Store, changes []usersync.Change) ([]usersync.Outcome, error) {
				out, err := s.WriteUsers(ctx, changes)
				return slices.DeleteFunc(out, func(o usersync.Outcome) bool { return o.Err != nil }), err
			}))},
		{"a failure undoes the batch", []string{"WriteUsers/one bad of many"}, onTrial(batches(undoesAtFailure))},
		{"idempotency keys are forgotten", []string{"WriteUsers/same idempotency key", "WriteUsers/same idempotency key in a batch", "cancelled/WriteUsers"},
			onTrial(writes(func(_ *memory.Store, c *usersync.Change) { c.IdempotencyKey = "" }))},
		{"a repeated key gets the present version", []string{"WriteUsers/same idempotency key"},
			onTrial(outcomes(func(s *memory.Store, _ usersync.Change, out *usersync.Outcome) {
				if u, there := byID(s, out.ID); there {
					out.Version = u.Version
				}
			}))},
		{"a repeated key gets no version", []string{"WriteUsers/same idempotency key", "WriteUsers/same idempotency key in a batch"},
			onTrial(func(s *memory.Store) usersync.UserStore {
				seen := map[string]bool{}
				return outcomes(func(_ *memory.Store, c usersync.Change, out *usersync.Outcome) {
					if seen[c.IdempotencyKey] {
						out.Version = ""
					}
					seen[c.IdempotencyKey] = true
				})(s)
			})},
		{"idempotency keys count after the batch", []string{"WriteUsers/same idempotency key in a batch"},
			onTrial(batches(func(ctx context.Context, s *memory.Store, changes []usersync.Change) ([]usersync.Outcome, error) {
				changes = slices.Clone(changes)
				seen := map[string]bool{}
				for i, c := range changes {
					if seen[c.IdempotencyKey] {
						changes[i].IdempotencyKey = ""
					}
					seen[c.IdempotencyKey] = true
				}
				return s.WriteUsers(ctx, changes)
			}))},
		{"failures are remembered as carried out", []string{"WriteUsers/idempotency key of a failure"},
			onTrial(func(s *memory.Store) usersync.UserStore {
				seen := map[string]bool{}
				return each(s, func(ctx context.Context, c usersync.Change) usersync.Outcome {
					if seen[c.IdempotencyKey] {
						return usersync.Outcome{ID: "u1", Version: "1"}
					}
					seen[c.IdempotencyKey] = true
					return write(ctx, s, c)
				})
			})},
		{"failures are remembered", []string{"WriteUsers/idempotency key of a failure"}, onTrial(remembersFailures)},
	}
}

// hides takes the sentinel from an outcome's error.
func hides(sentinel error) func(*memory.Store) usersync.UserStore {
	return outcomes(func(_ *memory.Store, _ usersync.Change, out *usersync.Outcome) {
		if errors.Is(out.Err, sentinel) {
			out.Err = errors.New(out.Err.Error())
		}
	})
}

// comparesFirst compares all versions before the first write.
func comparesFirst(ctx context.Context, s *memory.Store, changes []usersync.Change) ([]usersync.Outcome, error) {
	changes = slices.Clone(changes)
	for i, c := range changes {
		if u, there := byID(s, c.UserID); there && u.Version == c.IfVersion {
			changes[i].IfVersion = ""
		}
	}
	return s.WriteUsers(ctx, changes)
}

// looksFirst looks for taken keys before the first write.
func looksFirst(ctx context.Context, s *memory.Store, changes []usersync.Change) ([]usersync.Outcome, error) {
	var free []bool
	for _, c := range changes {
		found, _ := s.FindUsers(ctx, "userName", []string{c.Key})
		free = append(free, len(found) == 0)
	}
	out := make([]usersync.Outcome, len(changes))
	for i, c := range changes {
		if free[i] && c.Op == usersync.OpCreate {
			out[i] = put(s, c)
		} else {
			out[i] = write(ctx, s, c)
		}
	}
	return out, nil
}

func stopsAtFailure(ctx context.Context, s *memory.Store, changes []usersync.Change) ([]usersync.Outcome, error) {
	out := make([]usersync.Outcome, len(changes))
	var failed error
	for i, c := range changes {
		if failed != nil {
			out[i].Err = failed
			continue
		}
		out[i] = write(ctx, s, c)
		failed = out[i].Err
	}
	return out, nil
}

// losesDeactivations reports deactivations as made that it has not made, where another change fails.
func losesDeactivations(ctx context.Context, s *memory.Store, changes []usersync.Change) ([]usersync.Outcome, error) {
	out, err := s.WriteUsers(ctx, changes)
	if !slices.ContainsFunc(out, func(o usersync.Outcome) bool { return o.Err != nil }) {
		return out, err
	}
	for _, c := range changes {
		if u, there := byID(s, c.UserID); there && c.Op == usersync.OpDeactivate {
			u.Active = true
			s.Put(u)
		}
	}
	return out, err
}

// undoesAtFailure rolls the batch back but reports its first changes as made.
func undoesAtFailure(ctx context.Context, s *memory.Store, changes []usersync.Change) ([]usersync.Outcome, error) {
	before := s.Users()
	out, err := s.WriteUsers(ctx, changes)
	if !slices.ContainsFunc(out, func(o usersync.Outcome) bool { return o.Err != nil }) {
		return out, err
	}
	for _, u := range s.Users() {
		s.Remove(u.ID)
	}
	s.Put(before...)
	return out, err
}

// remembersFailures keeps the outcome of a failure by its idempotency key.
func remembersFailures(s *memory.Store) usersync.UserStore {
	failures := map[string]usersync.Outcome{}
	return each(s, func(ctx context.Context, c usersync.Change) usersync.Outcome {
		if out, again := failures[c.IdempotencyKey]; again {
			return out
		}
		out := write(ctx, s, c)
		if out.Err != nil {
			failures[c.IdempotencyKey] = out
		}
		return out
	})
}
