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

func TestFieldSuite(t *testing.T) {
	prove(t, fieldChecks(), twistFields(func(*twistedFields) {}), fieldDefects())
}

// twistedFields is a store of which methods can be replaced.
type twistedFields struct {
	m         *memory.Fields
	fields    func(ctx context.Context) ([]usersync.Field, error)
	addFields func(ctx context.Context, fields []usersync.Field) error
}

func (s *twistedFields) Fields(ctx context.Context) ([]usersync.Field, error) { return s.fields(ctx) }
func (s *twistedFields) AddFields(ctx context.Context, fields []usersync.Field) error {
	return s.addFields(ctx, fields)
}

func twistFields(fault func(s *twistedFields)) func(trial) *fieldStore {
	return func(tr trial) *fieldStore {
		m := memory.NewFields()
		s := &twistedFields{m, m.Fields, m.AddFields}
		fault(s)
		return &fieldStore{tr, s}
	}
}

// twistFound makes a store that answers Fields with what change makes of the answer.
func twistFound(change func([]usersync.Field) ([]usersync.Field, error)) func(trial) *fieldStore {
	return twistFields(func(s *twistedFields) {
		s.fields = func(ctx context.Context) ([]usersync.Field, error) {
			fields, err := s.m.Fields(ctx)
			if err != nil {
				return nil, err
			}
			return change(fields)
		}
	})
}

// twistAdded makes a store that adds fields, one after the other, as add does.
func twistAdded(add func(ctx context.Context, m *memory.Fields, f usersync.Field) error) func(trial) *fieldStore {
	return twistFields(func(s *twistedFields) {
		s.addFields = func(ctx context.Context, fields []usersync.Field) error {
			for _, f := range fields {
				if err := add(ctx, s.m, f); err != nil {
					return err
				}
			}
			return nil
		}
	})
}

func addOne(ctx context.Context, m *memory.Fields, f usersync.Field) error {
	return m.AddFields(ctx, []usersync.Field{f})
}

func fieldDefects() []defect[*fieldStore] {
	return []defect[*fieldStore]{
		{"sorted by name", []string{"round trip", "again"}, twistFound(func(fields []usersync.Field) ([]usersync.Field, error) {
			slices.SortFunc(fields, func(a, b usersync.Field) int { return strings.Compare(a.Name, b.Name) })
			return fields, nil
		})},
		{"without help", []string{"round trip"}, twistFound(func(fields []usersync.Field) ([]usersync.Field, error) {
			for i := range fields {
				fields[i].Help = ""
			}
			return fields, nil
		})},
		{"none is not found", []string{"none"}, twistFound(func(fields []usersync.Field) ([]usersync.Field, error) {
			if len(fields) == 0 {
				return nil, usersync.ErrNotFound
			}
			return fields, nil
		})},
		{"again is an error", []string{"again"}, twistAdded(func(ctx context.Context, m *memory.Fields, f usersync.Field) error {
			fields, err := m.Fields(ctx)
			if slices.ContainsFunc(fields, func(g usersync.Field) bool { return g.Name == f.Name }) {
				return errors.Join(err, usersync.ErrDuplicate)
			}
			return errors.Join(err, addOne(ctx, m, f))
		})},
		{"first wins in silence", []string{"duplicate", "at once"}, twistAdded(func(ctx context.Context, m *memory.Fields, f usersync.Field) error {
			return forgiving(addOne(ctx, m, f), usersync.ErrDuplicate)
		})},
		{"one by one", []string{"all or none"}, twistAdded(addOne)},
		{"names in lower case", []string{"names"}, twistAdded(func(ctx context.Context, m *memory.Fields, f usersync.Field) error {
			f.Name = strings.ToLower(f.Name)
			return addOne(ctx, m, f)
		})},
		{"sharing", []string{"copies"}, sharingFields},
		{"deaf to contexts", []string{"cancelled"}, twistFields(func(s *twistedFields) {
			s.addFields = func(ctx context.Context, fields []usersync.Field) error {
				return s.m.AddFields(context.WithoutCancel(ctx), fields)
			}
		})},
	}
}

// sharingFields makes a store that keeps what it is given and gives what it keeps.
func sharingFields(tr trial) *fieldStore {
	return twistFields(func(s *twistedFields) {
		var mu sync.Mutex
		var kept []usersync.Field
		s.addFields = func(_ context.Context, fields []usersync.Field) error {
			mu.Lock()
			defer mu.Unlock()
			kept = append(kept, fields...)
			return nil
		}
		s.fields = func(context.Context) ([]usersync.Field, error) {
			mu.Lock()
			defer mu.Unlock()
			return kept, nil
		}
	})(tr)
}
