package usersynctest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

// A sound adapter passes, and each check finds an adapter that breaks its promise.
func TestReferenceSuite(t *testing.T) {
	prove(t, referenceChecks(), func(tr trial) *things {
		r := twistReferences(func(*twistedReferences) {})(tr)
		list := memory.NewReferences()
		r.refs, r.put = list, func(set string, names ...string) error { list.Put(set, names...); return nil }
		return r
	}, append(findDefects(), createDefects()...))
}

func TestReferenceChecksKnowCapabilities(t *testing.T) {
	passes(t, referenceChecks(), func(tr trial) *things {
		list := memory.NewReferences()
		put := func(set string, names ...string) error {
			if slices.Equal(names, []string{"hr"}) {
				return errors.New("there is such a group")
			}
			list.Put(set, names...)
			return nil
		}
		return &things{trial: tr, settings: settingsOf([]Option{FoldsASCIIOnly()}), sets: []string{"group"}, refs: onlyFinds{list}, put: put}
	}, "skipped: things cannot be created", "skipped: there is one set", "skipped: names differ by Fold",
		"skipped: the store tells upper from lower case only in the letters A to Z")
}

// onlyFinds are References that create nothing.
type onlyFinds struct{ usersync.References }

// twistedReferences are things in memory with a fault.
type twistedReferences struct {
	mu     sync.Mutex
	names  map[string][]string // by set, in the order in which they came
	find   func(ctx context.Context, set string, names []string) ([]string, error)
	create func(ctx context.Context, set string, names []string) error
}

func (r *twistedReferences) FindReferences(ctx context.Context, set string, names []string) ([]string, error) {
	return r.find(ctx, set, names)
}
func (r *twistedReferences) CreateReferences(ctx context.Context, set string, names []string) error {
	return r.create(ctx, set, names)
}

// matching gives the first name of each that fits.
func (r *twistedReferences) matching(set string, names []string, fits func(there, asked string) bool) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, asked := range names {
		for _, there := range r.names[set] {
			if fits(there, asked) && !slices.Contains(out, there) {
				out = append(out, there)
				break
			}
		}
	}
	return out
}

func (r *twistedReferences) add(set string, names ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.names[set] = append(r.names[set], names...)
}

func sameFold(there, asked string) bool { return usersync.Fold(there) == asked }

func (r *twistedReferences) soundFind(ctx context.Context, set string, names []string) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return r.matching(set, names, sameFold), nil
}

func (r *twistedReferences) soundCreate(ctx context.Context, set string, names []string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, name := range names {
		r.mu.Lock()
		if !slices.ContainsFunc(r.names[set], func(there string) bool { return sameFold(there, usersync.Fold(name)) }) {
			r.names[set] = append(r.names[set], name)
		}
		r.mu.Unlock()
	}
	return nil
}

func twistReferences(fault func(r *twistedReferences)) func(trial) *things {
	return func(tr trial) *things {
		r := &twistedReferences{names: map[string][]string{}}
		r.find, r.create = r.soundFind, r.soundCreate
		fault(r)
		put := func(set string, names ...string) error { r.add(set, names...); return nil }
		return &things{trial: tr, settings: settingsOf(nil), sets: []string{"group", "role"}, refs: r, put: put}
	}
}

// findsBy is a fault of finding.
func findsBy(find func(r *twistedReferences, set string, names []string) []string) func(trial) *things {
	return twistReferences(func(r *twistedReferences) {
		r.find = func(ctx context.Context, set string, names []string) ([]string, error) {
			return find(r, set, names), ctx.Err()
		}
	})
}

func findDefects() []defect[*things] {
	return []defect[*things]{
		{"the spelling is lost", []string{"finds"}, findsBy(func(r *twistedReferences, set string, names []string) []string {
			found := r.matching(set, names, sameFold)
			for i := range found {
				found[i] = usersync.Fold(found[i])
			}
			return found
		})},
		{"everything without names", []string{"nothing asked"}, findsBy(func(r *twistedReferences, set string, names []string) []string {
			if len(names) == 0 {
				return r.names[set]
			}
			return r.matching(set, names, sameFold)
		})},
		{"LOWER is not Fold", []string{"every letter"}, findsBy(func(r *twistedReferences, set string, names []string) []string {
			return r.matching(set, names, func(there, asked string) bool { return strings.ToLower(there) == asked })
		})},
		{"a prefix is enough", []string{"only what was asked"}, findsBy(func(r *twistedReferences, set string, names []string) []string {
			return r.matching(set, names, func(there, asked string) bool { return strings.HasPrefix(usersync.Fold(there), asked) })
		})},
		{"quotes are doubled", []string{"any text"}, findsBy(func(r *twistedReferences, set string, names []string) []string {
			return r.matching(set, names, func(there, asked string) bool { return sameFold(there, strings.ReplaceAll(asked, "'", "''")) })
		})},
		{"all of several", []string{"one of several"}, findsBy(func(r *twistedReferences, set string, names []string) []string {
			return slices.DeleteFunc(slices.Clone(r.names[set]), func(there string) bool { return !slices.Contains(names, usersync.Fold(there)) })
		})},
		{"one big set", []string{"sets apart"}, findsBy(func(r *twistedReferences, _ string, names []string) []string {
			return append(r.matching("group", names, sameFold), r.matching("role", names, sameFold)...)
		})},
		{"names are sorted in place", []string{"names are kept as they are"}, findsBy(func(r *twistedReferences, set string, names []string) []string {
			slices.Sort(names)
			return r.matching(set, names, sameFold)
		})},
		{"500 at once", []string{"large batches"}, twistReferences(func(r *twistedReferences) {
			r.find = func(ctx context.Context, set string, names []string) ([]string, error) {
				if len(names) > 500 {
					return nil, errors.New("too many parameters")
				}
				return r.soundFind(ctx, set, names)
			}
		})},
		{"half an answer", []string{"cancelled"}, twistReferences(func(r *twistedReferences) {
			r.find = func(ctx context.Context, set string, names []string) ([]string, error) {
				found := r.matching(set, names, sameFold)
				if ctx.Err() != nil {
					found = found[:len(found)/2]
				}
				return found, nil
			}
		})},
		{"one at a time", []string{"concurrent"}, twistReferences(func(r *twistedReferences) {
			var busy sync.Mutex
			both := make(chan struct{})
			met := sync.OnceFunc(func() { close(both) })
			r.find = func(ctx context.Context, set string, names []string) ([]string, error) {
				if !busy.TryLock() {
					met()
					return nil, errors.New("locked")
				}
				defer busy.Unlock()
				if len(names) == 3 {
					<-both // until somebody else comes
				}
				return r.soundFind(ctx, set, names)
			}
		})},
	}
}

// createsBy is a fault of creating.
func createsBy(create func(r *twistedReferences, ctx context.Context, set string, names []string) error) func(trial) *things {
	return twistReferences(func(r *twistedReferences) {
		r.create = func(ctx context.Context, set string, names []string) error { return create(r, ctx, set, names) }
	})
}

func createDefects() []defect[*things] {
	return []defect[*things]{
		{"created in lower case", []string{"Create/creates"}, createsBy(func(r *twistedReferences, ctx context.Context, set string, names []string) error {
			for _, name := range names {
				if err := r.soundCreate(ctx, set, []string{usersync.Fold(name)}); err != nil {
					return err
				}
			}
			return nil
		})},
		{"what there is is an error", []string{"Create/again"}, createsBy(func(r *twistedReferences, ctx context.Context, set string, names []string) error {
			for _, name := range names {
				if len(r.matching(set, []string{usersync.Fold(name)}, sameFold)) > 0 {
					return usersync.ErrDuplicate
				}
			}
			return r.soundCreate(ctx, set, names)
		})},
		{"the new spelling wins", []string{"Create/again"}, createsBy(func(r *twistedReferences, _ context.Context, set string, names []string) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.names[set] = append(slices.Clone(names), r.names[set]...)
			return nil
		})},
		{"created everywhere", []string{"Create/sets apart"}, createsBy(func(r *twistedReferences, ctx context.Context, _ string, names []string) error {
			return errors.Join(r.soundCreate(ctx, "group", names), r.soundCreate(ctx, "role", names))
		})},
		{"the second fails", []string{"Create/at once"}, createsBy(func(r *twistedReferences, ctx context.Context, set string, names []string) error {
			if len(r.matching(set, []string{"night shift"}, sameFold)) > 0 {
				return usersync.ErrDuplicate
			}
			return r.soundCreate(ctx, set, names)
		})},
		{"100 at once", []string{"Create/large batches"}, createsBy(func(r *twistedReferences, ctx context.Context, set string, names []string) error {
			return r.soundCreate(ctx, set, names[:min(len(names), 100)])
		})},
		{"half is done", []string{"Create/cancelled"}, createsBy(func(r *twistedReferences, ctx context.Context, set string, names []string) error {
			if ctx.Err() != nil {
				return r.soundCreate(context.WithoutCancel(ctx), set, names[:1])
			}
			return r.soundCreate(ctx, set, names)
		})},
	}
}
