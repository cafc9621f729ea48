package memory

import (
	"context"
	"slices"
	"sync"

	"github.com/usersync-go/usersync"
)

var _ usersync.ReferenceCreator = (*References)(nil)

// References keeps sets of named things, such as groups. It may be used by several goroutines at once.
type References struct {
	mu   sync.Mutex
	sets map[string]map[string]string // set → folded name → name
}

// NewReferences makes an empty store.
func NewReferences() *References { return &References{sets: map[string]map[string]string{}} }

// Put adds things to a set. One whose name there is by Fold takes the new spelling.
func (r *References) Put(set string, names ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range names {
		r.set(set)[usersync.Fold(name)] = name
	}
}

// Remove takes things out of a set. Names that there are not change nothing.
func (r *References) Remove(set string, names ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range names {
		delete(r.set(set), usersync.Fold(name))
	}
}

// Names are the things of a set, sorted.
func (r *References) Names(set string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := []string{}
	for _, name := range r.set(set) {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// FindReferences finds things of a set. A set that nothing was put into is empty.
func (r *References) FindReferences(ctx context.Context, set string, names []string) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, folded := range names {
		if name, there := r.set(set)[folded]; there {
			out = append(out, name)
		}
	}
	return out, nil
}

// CreateReferences adds what there is not to a set.
func (r *References) CreateReferences(ctx context.Context, set string, names []string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range names {
		if folded := usersync.Fold(name); r.set(set)[folded] == "" {
			r.set(set)[folded] = name
		}
	}
	return nil
}

// set gives a set, which is made if there is none.
func (r *References) set(set string) map[string]string {
	if r.sets[set] == nil {
		r.sets[set] = map[string]string{}
	}
	return r.sets[set]
}
