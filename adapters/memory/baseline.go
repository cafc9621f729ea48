package memory

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/usersync-go/usersync"
)

var (
	_ usersync.BaselineStore    = (*Baselines)(nil)
	_ usersync.BaselineSearcher = (*Baselines)(nil)
)

// Baselines is a usersync.BaselineStore and a usersync.BaselineSearcher. It may be used by several
// goroutines at once.
type Baselines struct {
	mu       sync.Mutex
	byConfig map[string]*saved
}

// saved is a baseline with its members' ids as a set, which is made when it is first asked for.
type saved struct {
	usersync.Baseline
	ids map[string]struct{}
}

// NewBaselines makes an empty set of baselines.
func NewBaselines() *Baselines { return &Baselines{byConfig: map[string]*saved{}} }

// Load returns a copy.
func (b *Baselines) Load(ctx context.Context, configID string) (usersync.Baseline, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return usersync.Baseline{}, err
	}
	s := b.byConfig[configID]
	if s == nil {
		return usersync.Baseline{}, nil
	}
	return copyOf(s.Baseline), nil
}

// Save keeps a copy.
func (b *Baselines) Save(ctx context.Context, configID string, base usersync.Baseline) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	b.byConfig[configID] = &saved{Baseline: copyOf(base)}
	return nil
}

// InOtherBaselines names, where there are several, the configuration whose id sorts first.
func (b *Baselines) InOtherBaselines(ctx context.Context, configID string, userIDs []string) (map[string]string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	found := map[string]string{}
	for _, other := range slices.Sorted(maps.Keys(b.byConfig)) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if other != configID {
			b.byConfig[other].addTo(found, other, userIDs)
		}
	}
	return found, ctx.Err()
}

// addTo notes the configuration for those users who are in this baseline and were not found before.
func (s *saved) addTo(found map[string]string, configID string, userIDs []string) {
	if s.ids == nil {
		s.ids = make(map[string]struct{}, len(s.Members))
		for _, m := range s.Members {
			s.ids[m.UserID] = struct{}{}
		}
	}
	for _, id := range userIDs {
		_, before := found[id]
		if _, here := s.ids[id]; here && !before {
			found[id] = configID
		}
	}
}

func copyOf(b usersync.Baseline) usersync.Baseline {
	b.Members = slices.Clone(b.Members)
	return b
}
