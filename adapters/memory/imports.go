package memory

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/usersync-go/usersync"
)

// upload is a stored import.
type upload struct {
	usersync.Import
	parts [][]byte
}

// SaveImport keeps copies.
func (s *State) SaveImport(ctx context.Context, imp usersync.Import, file iter.Seq2[[]byte, error]) error {
	parts, err := copyParts(ctx, file)
	if err != nil {
		return err
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	old := s.imports[imp.ID]
	if old == nil {
		old = &upload{}
	}
	if old.Edition != imp.Edition-1 {
		return fmt.Errorf("%w: import %s", usersync.ErrEdited, imp.ID)
	}
	if file == nil {
		parts = old.parts
	}
	s.imports[imp.ID] = &upload{copyImport(imp), parts}
	return nil
}

// copyParts collects the parts of a file, of which there may be none.
func copyParts(ctx context.Context, file iter.Seq2[[]byte, error]) (parts [][]byte, err error) {
	if file == nil {
		return nil, nil
	}
	for part, err := range file {
		if err := cmp.Or(err, ctx.Err()); err != nil {
			return nil, err
		}
		parts = append(parts, slices.Clone(part))
	}
	return parts, nil
}

// Imports returns copies.
func (s *State) Imports(ctx context.Context, q usersync.ImportQuery) ([]usersync.Import, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var out []usersync.Import
	for _, u := range s.imports {
		if importFits(&u.Import, &q) {
			out = append(out, copyImport(u.Import))
		}
	}
	slices.SortFunc(out, func(a, b usersync.Import) int {
		order := cmp.Or(b.Created.Compare(a.Created), strings.Compare(b.ID, a.ID))
		if q.OldestFirst {
			return -order
		}
		return order
	})
	return window(out, q.Skip, q.Limit), nil
}

func importFits(imp *usersync.Import, q *usersync.ImportQuery) bool {
	return (q.ID == "" || q.ID == imp.ID) && (q.ConfigID == "" || q.ConfigID == imp.ConfigID) &&
		(len(q.Status) == 0 || slices.Contains(q.Status, imp.Status)) &&
		(q.EndedBefore.IsZero() || !imp.Finished.IsZero() && imp.Finished.Before(q.EndedBefore))
}

func copyImport(imp usersync.Import) usersync.Import {
	imp.Options.Notify, imp.Options.Fields = slices.Clone(imp.Options.Notify), slices.Clone(imp.Options.Fields)
	return imp
}

// ImportParts returns copies.
func (s *State) ImportParts(ctx context.Context, id string, first, n int) ([][]byte, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	u := s.imports[id]
	if u == nil {
		return nil, usersync.ErrNotFound
	}
	var out [][]byte
	for i := first; i < min(first+n, len(u.parts)); i++ {
		out = append(out, slices.Clone(u.parts[i]))
	}
	return out, nil
}

// DeleteImport compares the edition under the lock.
func (s *State) DeleteImport(ctx context.Context, id string, edition int) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	u := s.imports[id]
	switch {
	case u == nil:
		return usersync.ErrNotFound
	case u.Edition != edition:
		return fmt.Errorf("%w: import %s has edition %d", usersync.ErrEdited, id, u.Edition)
	}
	delete(s.imports, id)
	return nil
}
