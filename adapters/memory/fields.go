package memory

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/usersync-go/usersync"
)

var _ usersync.FieldStore = (*Fields)(nil)

// Fields keeps the fields that were added to a schema. It may be used by several goroutines at once.
type Fields struct {
	mu     sync.Mutex
	names  []string // in the order in which they were added
	byName map[string]string
}

// NewFields makes a store without fields.
func NewFields() *Fields { return &Fields{byName: map[string]string{}} }

// Fields returns copies.
func (s *Fields) Fields(ctx context.Context) ([]usersync.Field, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	fields := make([]usersync.Field, len(s.names))
	for i, name := range s.names {
		if err := json.Unmarshal([]byte(s.byName[name]), &fields[i]); err != nil {
			return nil, err
		}
	}
	return fields, nil
}

// AddFields looks at all of them before it keeps the first.
func (s *Fields) AddFields(ctx context.Context, fields []usersync.Field) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	definitions := make([]string, len(fields))
	for i, f := range fields {
		data, err := json.Marshal(f)
		if err != nil {
			return err
		}
		definitions[i] = string(data)
		if other, taken := s.byName[f.Name]; taken && other != definitions[i] {
			return fmt.Errorf("field %q is %w", f.Name, usersync.ErrDuplicate)
		}
	}
	for i, f := range fields {
		if _, there := s.byName[f.Name]; !there {
			s.names = append(s.names, f.Name)
			s.byName[f.Name] = definitions[i]
		}
	}
	return nil
}
