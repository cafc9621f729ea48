// Package memory keeps users, baselines, mails and seats in memory: for tests, for demonstrations, and
// as the model to read before writing an adapter. Everything is lost when the program ends.
//
//	store := memory.New()
//	eng, err := usersync.New(store, store.Baselines())
package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/usersync-go/usersync"
)

// checkEvery is after how many values or changes of one call the context is looked at again.
const checkEvery = 256

var _ usersync.UserStore = (*Store)(nil)

// Store is a usersync.UserStore. Ids are "u1", "u2" and so on in the order of creation; the version of
// a user counts its changes, from "1". It remembers every idempotency key for as long as it lives. It
// may be used by several goroutines at once.
type Store struct {
	key       string
	unique    []string // the fields of which no two users have the same value, the key among them
	baselines *Baselines

	mu       sync.RWMutex
	accounts []*account // in order of creation
	indexes  map[string]index
	done     map[string]usersync.Outcome // by idempotency key
	lastID   int
}

// account is a user and its version as a number. Its Values are replaced, never changed in place.
type account struct {
	user    usersync.User
	version int
}

// index finds accounts by the form of one field in which look-ups compare it.
type index map[string][]*account

// Option changes what New makes.
type Option func(*settings)

type settings struct {
	key    string
	unique []string
	users  []usersync.User
}

// WithKey names the field that identifies users; it is userName otherwise. No two users that are
// written have the same key.
func WithKey(field string) Option { return func(s *settings) { s.key = field } }

// WithUnique names further fields of which no two users that are written have the same value. Values
// are compared as keys are ([usersync.Fold]); several users may have none.
func WithUnique(fields ...string) Option {
	return func(s *settings) { s.unique = append(s.unique, fields...) }
}

// WithUsers puts users into the store, see [Store.Put].
func WithUsers(users ...usersync.User) Option {
	return func(s *settings) { s.users = append(s.users, users...) }
}

// New makes a store, empty unless WithUsers says otherwise.
func New(opts ...Option) *Store {
	set := settings{key: "userName"}
	for _, opt := range opts {
		opt(&set)
	}
	s := &Store{
		key:       set.key,
		unique:    append([]string{set.key}, set.unique...),
		baselines: NewBaselines(),
		indexes:   map[string]index{},
		done:      map[string]usersync.Outcome{},
	}
	for _, field := range append([]string{usersync.FieldID}, s.unique...) {
		s.indexes[field] = index{}
	}
	s.Put(set.users...)
	return s
}

// Baselines is the store's own set of baselines, the same at every call.
func (s *Store) Baselines() *Baselines { return s.baselines }

// FindUsers finds by any field at all: what no user has, a field included, finds nobody. The first
// look-up by a field that is neither the id nor unique passes over all users once; every other costs as
// much as it has values.
func (s *Store) FindUsers(ctx context.Context, field string, values []string) ([]usersync.User, error) {
	s.buildIndex(field)
	s.mu.RLock()
	defer s.mu.RUnlock()
	found := make([]usersync.User, 0, len(values))
	for i, value := range values {
		if err := checkContext(ctx, i); err != nil {
			return nil, err
		}
		for _, a := range s.indexes[field][value] {
			found = append(found, a.copy())
		}
	}
	return found, ctx.Err()
}

// WriteUsers remembers a change that was made by its idempotency key, unless that is empty. A change
// that failed is tried anew. When ctx ends in the middle, the changes up to there stay made.
func (s *Store) WriteUsers(ctx context.Context, changes []usersync.Change) ([]usersync.Outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	outcomes := make([]usersync.Outcome, len(changes))
	for i, c := range changes {
		if err := checkContext(ctx, i); err != nil {
			return nil, err
		}
		outcomes[i] = s.once(c)
	}
	return outcomes, nil
}

// Put adds users, or replaces those whose id is there already, as if the product itself had changed
// them. An empty id is given out; the version is counted on, whatever it was. Nothing is checked: unlike
// WriteUsers, Put can make two users with one key, as a product's own table may have them.
func (s *Store) Put(users ...usersync.User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range users {
		u.Values = u.Values.Clone()
		a := s.byID(u.ID)
		if a == nil {
			a = &account{}
		}
		s.save(a, u)
	}
}

// Remove deletes users, as if the product itself had. Unknown ids are passed over.
func (s *Store) Remove(ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		a := s.byID(id)
		if a == nil {
			continue
		}
		for field, idx := range s.indexes {
			idx.remove(form(field, a.user), a)
		}
		s.accounts = slices.DeleteFunc(s.accounts, func(b *account) bool { return b == a })
	}
}

// Users returns a copy of all users, sorted by key and then by id.
func (s *Store) Users() []usersync.User {
	s.mu.RLock()
	defer s.mu.RUnlock()
	users := make([]usersync.User, len(s.accounts))
	for i, a := range s.accounts {
		users[i] = a.copy()
	}
	slices.SortFunc(users, func(a, b usersync.User) int {
		return cmp.Or(cmp.Compare(form(s.key, a), form(s.key, b)), cmp.Compare(a.ID, b.ID))
	})
	return users
}

// active counts the active users.
func (s *Store) active() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := 0
	for _, a := range s.accounts {
		if a.user.Active {
			n++
		}
	}
	return n
}

// once makes a change unless it was made before: then the outcome is that of the first time.
func (s *Store) once(c usersync.Change) usersync.Outcome {
	if out, again := s.done[c.IdempotencyKey]; again {
		return out
	}
	out := s.write(c)
	if out.Err == nil && c.IdempotencyKey != "" {
		s.done[c.IdempotencyKey] = out
	}
	return out
}

// write makes a change. Everything is checked before anything is changed.
func (s *Store) write(c usersync.Change) usersync.Outcome {
	a, err := s.target(c)
	if err != nil {
		return usersync.Outcome{Err: err}
	}
	next, err := changed(a.user, c)
	if err != nil {
		return usersync.Outcome{Err: err}
	}
	if err := s.checkUnique(a.user, next); err != nil {
		return usersync.Outcome{Err: err}
	}
	s.save(a, next)
	return usersync.Outcome{ID: a.user.ID, Version: a.user.Version}
}

// target is the account that a change is for: a new one, or the one there is if it may be changed.
func (s *Store) target(c usersync.Change) (*account, error) {
	if c.Op == usersync.OpCreate {
		return &account{}, nil
	}
	a := s.byID(c.UserID)
	if a == nil {
		return nil, fmt.Errorf("user %s: %w", c.UserID, usersync.ErrNotFound)
	}
	if c.IfVersion != "" && c.IfVersion != a.user.Version {
		return nil, fmt.Errorf("%w: version %s is now %s",
			usersync.ErrVersionConflict, c.IfVersion, a.user.Version)
	}
	return a, nil
}

// changed is what a change makes of a user.
func changed(u usersync.User, c usersync.Change) (usersync.User, error) {
	switch c.Op {
	case usersync.OpCreate:
		return usersync.User{Active: c.Active, Values: c.Set.Clone()}, nil
	case usersync.OpUpdate:
	case usersync.OpActivate:
		u.Active = true
	case usersync.OpDeactivate:
		u.Active = false
	default:
		return u, fmt.Errorf("memory: operation %q is unknown", c.Op)
	}
	u.Values = u.Values.With(c.Set)
	return u, nil
}

// checkUnique refuses a value that the user did not have before and another user has.
func (s *Store) checkUnique(before, after usersync.User) error {
	for _, field := range s.unique {
		value := form(field, after)
		if value != form(field, before) && len(s.indexes[field][value]) > 0 {
			return fmt.Errorf("%s %q is %w", field, after.Values.Get(field), usersync.ErrDuplicate)
		}
	}
	return nil
}

// save gives an account, which may be new, its next state.
func (s *Store) save(a *account, next usersync.User) {
	if a.version == 0 {
		s.accounts = append(s.accounts, a)
	}
	if next.ID == "" {
		next.ID = s.nextID()
	}
	a.version++
	next.Version = strconv.Itoa(a.version)
	for field, idx := range s.indexes {
		before, after := form(field, a.user), form(field, next)
		if before != after {
			idx.remove(before, a)
			idx.add(after, a)
		}
	}
	a.user = next
}

func (s *Store) nextID() string {
	for {
		s.lastID++
		id := "u" + strconv.Itoa(s.lastID)
		if s.byID(id) == nil {
			return id
		}
	}
}

func (s *Store) byID(id string) *account {
	if found := s.indexes[usersync.FieldID][id]; len(found) > 0 {
		return found[0]
	}
	return nil
}

// buildIndex makes sure that a field has an index. From then on save keeps it up to date.
func (s *Store) buildIndex(field string) {
	s.mu.RLock()
	_, there := s.indexes[field]
	s.mu.RUnlock()
	if there {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.indexes[field]; there {
		return
	}
	idx := make(index, len(s.accounts))
	for _, a := range s.accounts {
		idx.add(form(field, a.user), a)
	}
	s.indexes[field] = idx
}

func (x index) add(value string, a *account) {
	if value != "" {
		x[value] = append(x[value], a)
	}
}

func (x index) remove(value string, a *account) {
	rest := slices.DeleteFunc(x[value], func(b *account) bool { return b == a })
	if len(rest) == 0 {
		delete(x, value)
		return
	}
	x[value] = rest
}

func (a *account) copy() usersync.User {
	u := a.user
	u.Values = u.Values.Clone()
	return u
}

// form is what look-ups compare: the id as it is, any other field folded.
func form(field string, u usersync.User) string {
	if field == usersync.FieldID {
		return u.ID
	}
	return usersync.Fold(u.Values.Get(field))
}

// checkContext looks at the context at the start of a batch and every so often within it.
func checkContext(ctx context.Context, i int) error {
	if i%checkEvery != 0 {
		return nil
	}
	return ctx.Err()
}
