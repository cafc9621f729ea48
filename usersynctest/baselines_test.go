package usersynctest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

func TestBaselineChecksFindDefects(t *testing.T) {
	sound := func(tr trial) *baselines { return &baselines{tr, memory.NewBaselines()} }
	prove(t, baselineChecks(), sound, slices.Concat(brokenSaves(), brokenLoads(), brokenSearches()))
}

func TestBaselineChecksSkipSearch(t *testing.T) {
	passes(t, baselineChecks(), func(tr trial) *baselines {
		return &baselines{tr, struct{ usersync.BaselineStore }{memory.NewBaselines()}}
	}, "skipped: the store is no usersync.BaselineSearcher")
}

// brokenBaselines is a store of which some calls are replaced. They may use the sound store below.
type brokenBaselines struct {
	*memory.Baselines
	load   func(ctx context.Context, configID string) (usersync.Baseline, error)
	save   func(ctx context.Context, configID string, b usersync.Baseline) error
	search func(ctx context.Context, configID string, userIDs []string) (map[string]string, error)
}

func (b *brokenBaselines) Load(ctx context.Context, configID string) (usersync.Baseline, error) {
	if b.load == nil {
		return b.Baselines.Load(ctx, configID)
	}
	return b.load(ctx, configID)
}

func (b *brokenBaselines) Save(ctx context.Context, configID string, base usersync.Baseline) error {
	if b.save == nil {
		return b.Baselines.Save(ctx, configID, base)
	}
	return b.save(ctx, configID, base)
}

func (b *brokenBaselines) InOtherBaselines(ctx context.Context, configID string, userIDs []string) (map[string]string, error) {
	if b.search == nil {
		return b.Baselines.InOtherBaselines(ctx, configID, userIDs)
	}
	return b.search(ctx, configID, userIDs)
}

// breaks makes a store with a fault.
func breaks(fault func(b *brokenBaselines)) func(trial) *baselines {
	return func(tr trial) *baselines {
		b := &brokenBaselines{Baselines: memory.NewBaselines()}
		fault(b)
		return &baselines{tr, b}
	}
}

// saves breaks what is saved; before is the configuration's present baseline.
func saves(change func(before, base usersync.Baseline) (usersync.Baseline, error)) func(trial) *baselines {
	return breaks(func(b *brokenBaselines) {
		b.save = func(ctx context.Context, configID string, base usersync.Baseline) error {
			before, err := b.Baselines.Load(ctx, configID)
			if err != nil {
				return err
			}
			base, err = change(before, base)
			if err != nil {
				return err
			}
			return b.Baselines.Save(ctx, configID, base)
		}
	})
}

// savesNames breaks the members' names.
func savesNames(change func(name string) string) func(trial) *baselines {
	return saves(func(_, base usersync.Baseline) (usersync.Baseline, error) {
		base.Members = slices.Clone(base.Members)
		for i := range base.Members {
			base.Members[i].Name = change(base.Members[i].Name)
		}
		return base, nil
	})
}

func byUserID(a, b usersync.Member) int { return cmp.Compare(a.UserID, b.UserID) }

func brokenSaves() []defect[*baselines] {
	return []defect[*baselines]{
		{"names are not kept", []string{"Save/round trip"}, savesNames(func(string) string { return "" })},
		{"members are sorted", []string{"Save/round trip"},
			saves(func(_, base usersync.Baseline) (usersync.Baseline, error) {
				base.Members = slices.SortedFunc(slices.Values(base.Members), byUserID)
				return base, nil
			})},
		{"a baseline without members is none", []string{"Save/empty baseline"},
			saves(func(_, base usersync.Baseline) (usersync.Baseline, error) {
				if len(base.Members) == 0 {
					return usersync.Baseline{}, nil
				}
				return base, nil
			})},
		{"members are added", []string{"Save/replaces", "Save/same run again"},
			saves(func(before, base usersync.Baseline) (usersync.Baseline, error) {
				base.Members = append(before.Members, base.Members...)
				return base, nil
			})},
		{"a run is saved but once", []string{"Save/same run again"},
			saves(func(before, base usersync.Baseline) (usersync.Baseline, error) {
				if before.RunID == base.RunID {
					return base, errors.New("UNIQUE constraint failed: baselines.run_id")
				}
				return base, nil
			})},
		{"ids of configurations are folded", []string{"Save/one configuration only"},
			breaks(func(b *brokenBaselines) {
				b.load = func(ctx context.Context, configID string) (usersync.Baseline, error) {
					return b.Baselines.Load(ctx, usersync.Fold(configID))
				}
				b.save = func(ctx context.Context, configID string, base usersync.Baseline) error {
					return b.Baselines.Save(ctx, usersync.Fold(configID), base)
				}
			})},
		{"at most 999 members", []string{"Save/many members"},
			saves(func(_, base usersync.Baseline) (usersync.Baseline, error) {
				if len(base.Members) > 999 {
					return base, errors.New("too many SQL variables")
				}
				return base, nil
			})},
		{"three bytes a letter", []string{"Save/any text"},
			savesNames(func(name string) string { return strings.ReplaceAll(name, "🏢", "?") })},
		{"names are cut", []string{"Save/any text"},
			savesNames(func(name string) string { return name[:min(len(name), 255)] })},
		{"members are sorted in place", []string{"Save/the baseline stays the caller's"},
			saves(func(_, base usersync.Baseline) (usersync.Baseline, error) {
				slices.SortFunc(base.Members, byUserID)
				return base, nil
			})},
		{"members are kept as they are", []string{"Save/the baseline stays the caller's", "Load/the answer is the caller's"},
			breaks(func(b *brokenBaselines) {
				kept := map[string]usersync.Baseline{}
				b.save = func(_ context.Context, configID string, base usersync.Baseline) error {
					kept[configID] = base
					return nil
				}
				b.load = func(_ context.Context, configID string) (usersync.Baseline, error) {
					return kept[configID], nil
				}
			})},
		{"an interrupted Save is no error", []string{"cancelled/Save"},
			breaks(func(b *brokenBaselines) {
				b.save = func(ctx context.Context, configID string, base usersync.Baseline) error {
					_ = b.Baselines.Save(ctx, configID, base)
					return nil
				}
			})},
		{"an interrupted Save leaves a part", []string{"cancelled/Save"},
			breaks(func(b *brokenBaselines) { b.save = b.saveInSteps })},
		{"members are replaced in two steps", []string{"concurrent/Save and Load"},
			breaks(func(b *brokenBaselines) { b.save = b.saveInSteps })},
		{"a second writer is turned away", []string{"concurrent/Save and Load"},
			breaks(func(b *brokenBaselines) {
				var busy sync.Mutex
				b.save = func(ctx context.Context, configID string, base usersync.Baseline) error {
					if !busy.TryLock() {
						return errors.New("database is locked")
					}
					defer busy.Unlock()
					time.Sleep(time.Millisecond)
					return b.Baselines.Save(ctx, configID, base)
				}
			})},
	}
}

// saveInSteps deletes the members and then writes new ones.
func (b *brokenBaselines) saveInSteps(ctx context.Context, configID string, base usersync.Baseline) error {
	if err := b.Baselines.Save(ctx, configID, usersync.Baseline{RunID: base.RunID}); err != nil {
		return err
	}
	time.Sleep(time.Millisecond)
	return b.Baselines.Save(ctx, configID, base)
}

func brokenLoads() []defect[*baselines] {
	return []defect[*baselines]{
		{"no baseline is an error", []string{"Load/no baseline"},
			breaks(func(b *brokenBaselines) {
				b.load = func(ctx context.Context, configID string) (usersync.Baseline, error) {
					base, err := b.Baselines.Load(ctx, configID)
					if base.RunID == "" {
						return base, usersync.ErrNotFound
					}
					return base, err
				}
			})},
		{"a run that was never saved", []string{"concurrent/Save and Load"},
			breaks(func(b *brokenBaselines) {
				b.load = func(ctx context.Context, configID string) (usersync.Baseline, error) {
					base, err := b.Baselines.Load(ctx, configID)
					base.RunID = strings.TrimPrefix(base.RunID, "run-")
					return base, err
				}
			})},
		{"a reader is turned away", []string{"concurrent/Save and Load"},
			breaks(func(b *brokenBaselines) {
				var busy sync.Mutex
				b.load = func(ctx context.Context, configID string) (usersync.Baseline, error) {
					if !busy.TryLock() {
						return usersync.Baseline{}, errors.New("database is locked")
					}
					defer busy.Unlock()
					time.Sleep(time.Millisecond)
					return b.Baselines.Load(ctx, configID)
				}
			})},
		{"an interrupted Load is none", []string{"cancelled/Load"},
			breaks(func(b *brokenBaselines) {
				b.load = func(ctx context.Context, configID string) (usersync.Baseline, error) {
					base, _ := b.Baselines.Load(ctx, configID)
					return base, nil
				}
			})},
		{"an interrupted Load is a part", []string{"cancelled/Load"},
			breaks(func(b *brokenBaselines) {
				b.load = func(ctx context.Context, configID string) (usersync.Baseline, error) {
					base, err := b.Baselines.Load(context.WithoutCancel(ctx), configID)
					for i := range base.Members {
						if ctx.Err() != nil {
							base.Members = base.Members[:i]
							break
						}
					}
					return base, err
				}
			})},
	}
}

// finds breaks the answer of a search.
func finds(change func(b *brokenBaselines, configID string, userIDs []string, found map[string]string) error) func(trial) *baselines {
	return breaks(func(b *brokenBaselines) {
		b.search = func(ctx context.Context, configID string, userIDs []string) (map[string]string, error) {
			found, err := b.Baselines.InOtherBaselines(ctx, configID, userIDs)
			return found, cmp.Or(err, change(b, configID, userIDs, found))
		}
	})
}

func brokenSearches() []defect[*baselines] {
	return []defect[*baselines]{
		{"the configuration's own members are found", []string{"Search/finds members of others"},
			breaks(func(b *brokenBaselines) {
				b.search = func(ctx context.Context, _ string, userIDs []string) (map[string]string, error) {
					return b.Baselines.InOtherBaselines(ctx, "", userIDs)
				}
			})},
		{"the configuration itself is named", []string{"Search/finds members of others"},
			finds(func(_ *brokenBaselines, configID string, _ []string, found map[string]string) error {
				for id := range found {
					found[id] = configID
				}
				return nil
			})},
		{"members who were not asked for are found", []string{"Search/finds members of others"},
			finds(func(_ *brokenBaselines, _ string, _ []string, found map[string]string) error {
				found["u6"] = "contractors"
				return nil
			})},
		{"past baselines count", []string{"Search/only current baselines"},
			breaks(func(b *brokenBaselines) {
				past := memory.NewBaselines()
				b.save = func(ctx context.Context, configID string, base usersync.Baseline) error {
					return cmp.Or(past.Save(ctx, configID+" "+base.RunID, base), b.Baselines.Save(ctx, configID, base))
				}
				b.search = func(ctx context.Context, configID string, userIDs []string) (map[string]string, error) {
					found, err := past.InOtherBaselines(ctx, configID, userIDs)
					for id := range found {
						found[id] = "contractors"
					}
					return found, err
				}
			})},
		{"only one other configuration is searched", []string{"Search/finds members of others"},
			finds(func(_ *brokenBaselines, configID string, _ []string, found map[string]string) error {
				if configID == "third" {
					delete(found, "u5")
				}
				return nil
			})},
		{"a page of 500 ids", []string{"Search/many and no ids"},
			finds(func(_ *brokenBaselines, _ string, userIDs []string, found map[string]string) error {
				for _, id := range userIDs[min(len(userIDs), 500):] {
					delete(found, id)
				}
				return nil
			})},
		{"at most 999 ids", []string{"Search/many and no ids"},
			finds(func(_ *brokenBaselines, _ string, userIDs []string, _ map[string]string) error {
				if len(userIDs) > 999 {
					return errors.New("too many SQL variables")
				}
				return nil
			})},
		{"no ids find everybody", []string{"Search/many and no ids"},
			finds(func(_ *brokenBaselines, _ string, userIDs []string, found map[string]string) error {
				if len(userIDs) == 0 {
					found["u1"] = "contractors"
				}
				return nil
			})},
		{"ids are folded", []string{"Search/many and no ids"},
			breaks(func(b *brokenBaselines) {
				b.search = func(ctx context.Context, configID string, userIDs []string) (map[string]string, error) {
					folded := make([]string, len(userIDs))
					for i, id := range userIDs {
						folded[i] = usersync.Fold(id)
					}
					return b.Baselines.InOtherBaselines(ctx, configID, folded)
				}
			})},
		{"an interrupted search is a short one", []string{"Search/cancelled"},
			breaks(func(b *brokenBaselines) {
				b.search = func(ctx context.Context, configID string, userIDs []string) (map[string]string, error) {
					found, _ := b.Baselines.InOtherBaselines(ctx, configID, userIDs)
					return found, nil
				}
			})},
	}
}
