package memory

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/usersync-go/usersync"
)

var (
	_ usersync.ConfigStore      = (*State)(nil)
	_ usersync.BaselineStore    = (*State)(nil)
	_ usersync.BaselineSearcher = (*State)(nil)
	_ usersync.PlanStore        = (*State)(nil)
	_ usersync.RunStore         = (*State)(nil)
	_ usersync.Journal          = (*State)(nil)
	_ usersync.LeaseStore       = (*State)(nil)
	_ usersync.Outbox           = (*State)(nil)
	_ usersync.ImportStore      = (*State)(nil)
)

// State keeps configurations, baselines, plans, runs, journals, leases, mails and imports: all of usersync.Stores.
// It may be used by several goroutines at once; everything is behind one lock.
type State struct {
	*Baselines
	now func() time.Time

	mu      sync.Mutex
	configs map[string]usersync.Config
	plans   map[string]*plan
	runs    map[string]*run
	leases  map[string]*lease // by configuration, for ever
	imports map[string]*upload
	mails   []usersync.Mail // in the order in which they were queued
}

// plan is a stored plan.
type plan struct {
	usersync.PlanRecord
	parts [][]byte
}

// run is a stored run with its journal.
type run struct {
	usersync.RunRecord
	journal []usersync.JournalEntry
	results map[int][]byte
}

// lease is the lease of a configuration and who had it last.
type lease struct {
	usersync.Lease
	until  time.Time
	held   bool
	cancel bool
}

// NewState makes an empty state. now is the clock by which leases run out, nil for time.Now.
func NewState(now func() time.Time) *State {
	if now == nil {
		now = time.Now
	}
	return &State{Baselines: NewBaselines(), now: now, configs: map[string]usersync.Config{}, plans: map[string]*plan{},
		runs: map[string]*run{}, leases: map[string]*lease{}, imports: map[string]*upload{}}
}

// Stores gives the state as what an engine or a service needs.
func (s *State) Stores() usersync.Stores {
	return usersync.Stores{Configs: s, Baselines: s, Plans: s, Runs: s, Journal: s, Leases: s, Outbox: s, Imports: s}
}

// begin locks the state, unless ctx is done.
func (s *State) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	return nil
}

// LoadConfig returns a copy.
func (s *State) LoadConfig(ctx context.Context, id string) (usersync.Config, error) {
	if err := s.begin(ctx); err != nil {
		return usersync.Config{}, err
	}
	defer s.mu.Unlock()
	cfg, known := s.configs[id]
	if !known {
		return usersync.Config{}, usersync.ErrNotFound
	}
	return cfg.Clone(), nil
}

// Configs returns copies.
func (s *State) Configs(ctx context.Context) ([]usersync.Config, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	all := make([]usersync.Config, 0, len(s.configs))
	for _, cfg := range s.configs {
		all = append(all, cfg.Clone())
	}
	slices.SortFunc(all, func(a, b usersync.Config) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
	return all, nil
}

// SaveConfig keeps a copy.
func (s *State) SaveConfig(ctx context.Context, cfg usersync.Config, ifRevision int64) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	old, exists := s.configs[cfg.ID]
	switch {
	case ifRevision == 0 && exists:
		return usersync.ErrDuplicate
	case ifRevision != 0 && !exists:
		return usersync.ErrNotFound
	case ifRevision != 0 && old.Revision != ifRevision:
		return fmt.Errorf("%w: revision %d is now %d", usersync.ErrEdited, ifRevision, old.Revision)
	}
	s.configs[cfg.ID] = cfg.Clone()
	return nil
}

// DeleteConfig also removes the history.
func (s *State) DeleteConfig(ctx context.Context, id string) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if _, known := s.configs[id]; !known {
		return usersync.ErrNotFound
	}
	if l := s.leases[id]; l != nil && s.isFresh(l) {
		return &usersync.InProgressError{RunID: l.RunID}
	}
	delete(s.configs, id)
	maps.DeleteFunc(s.plans, func(_ string, p *plan) bool { return p.ConfigID == id })
	maps.DeleteFunc(s.runs, func(_ string, r *run) bool { return r.ConfigID == id })
	maps.DeleteFunc(s.imports, func(_ string, u *upload) bool { return u.ConfigID == id })
	s.mails = slices.DeleteFunc(s.mails, func(m usersync.Mail) bool { return m.ConfigID == id })
	s.Baselines.remove(id)
	return nil
}

// SavePlan keeps copies of the parts.
func (s *State) SavePlan(ctx context.Context, rec usersync.PlanRecord, parts iter.Seq2[[]byte, error]) error {
	p := &plan{PlanRecord: rec}
	for part, err := range parts {
		if err := cmp.Or(err, ctx.Err()); err != nil {
			return err
		}
		p.parts = append(p.parts, slices.Clone(part))
	}
	p.Head = slices.Clone(rec.Head)
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	edition := 0
	if old := s.plans[rec.ID]; old != nil {
		edition = old.Edition
	}
	if _, applied := s.runs[rec.ID]; applied || edition != rec.Edition-1 {
		return fmt.Errorf("%w: plan %s", usersync.ErrEdited, rec.ID)
	}
	s.plans[rec.ID] = p
	return nil
}

// LoadPlan returns a copy.
func (s *State) LoadPlan(ctx context.Context, id string) (usersync.PlanRecord, error) {
	if err := s.begin(ctx); err != nil {
		return usersync.PlanRecord{}, err
	}
	defer s.mu.Unlock()
	p := s.plans[id]
	if p == nil {
		return usersync.PlanRecord{}, usersync.ErrNotFound
	}
	rec := p.PlanRecord
	rec.Head = slices.Clone(rec.Head)
	return rec, nil
}

// PlanParts returns copies.
func (s *State) PlanParts(ctx context.Context, id string, edition, first, n int) ([][]byte, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	p := s.plans[id]
	switch {
	case p == nil:
		return nil, usersync.ErrNotFound
	case p.Edition != edition:
		return nil, fmt.Errorf("%w: plan %s has edition %d", usersync.ErrEdited, id, p.Edition)
	}
	var out [][]byte
	for i := first; i < min(first+n, len(p.parts)); i++ {
		out = append(out, slices.Clone(p.parts[i]))
	}
	return out, nil
}

// DeletePlans counts the plans that it removes.
func (s *State) DeletePlans(ctx context.Context, before time.Time) (int, error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	there := len(s.plans)
	maps.DeleteFunc(s.plans, func(id string, p *plan) bool {
		_, applied := s.runs[id]
		return !applied && p.Expires.Before(before)
	})
	s.mails = slices.DeleteFunc(s.mails, func(m usersync.Mail) bool { return s.plans[m.RunID] == nil })
	return there - len(s.plans), nil
}

// remove forgets the baseline of a configuration.
func (b *Baselines) remove(configID string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.byConfig, configID)
}
