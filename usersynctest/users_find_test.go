package usersynctest

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

func brokenFinds() []defect[*users] {
	return []defect[*users]{
		{"a condition without values finds everybody", []string{"FindUsers/no values"},
			onTrial(func(s *memory.Store) usersync.UserStore {
				return answers(func(_ string, values []string, found []usersync.User) []usersync.User {
					if len(values) == 0 {
						return s.Users()
					}
					return found
				})(s)
			})},
		{"a condition without values is an error", []string{"FindUsers/no values"},
			onTrial(asks("", func(values []string) ([]string, error) {
				if len(values) == 0 {
					return nil, errors.New(`syntax error near ")"`)
				}
				return values, nil
			}))},
		{"an unknown value is an error", []string{"FindUsers/unknown value"},
			onTrial(func(s *memory.Store) usersync.UserStore {
				b := &broken{Store: s}
				b.find = func(ctx context.Context, field string, values []string) ([]usersync.User, error) {
					found, err := s.FindUsers(ctx, field, values)
					if len(found) < len(values) {
						return nil, usersync.ErrNotFound
					}
					return found, err
				}
				return b
			})},
		{"an unknown value finds somebody", []string{"FindUsers/unknown value", "FindUsers/unknown id"},
			onTrial(func(s *memory.Store) usersync.UserStore {
				return answers(func(_ string, values []string, found []usersync.User) []usersync.User {
					if len(values) > 0 && len(found) == 0 {
						return s.Users()
					}
					return found
				})(s)
			})},
		{"an unknown value hides the others", []string{"FindUsers/unknown value", "FindUsers/unknown id"},
			onTrial(answers(func(_ string, values []string, found []usersync.User) []usersync.User {
				if len(found) < len(values) {
					return nil
				}
				return found
			}))},
		{"an unknown value is a blank user", []string{"FindUsers/unknown value", "FindUsers/each user once"},
			onTrial(answers(func(_ string, values []string, found []usersync.User) []usersync.User {
				if len(found) < len(values) {
					found = append(found, usersync.User{ID: "blank"})
				}
				return found
			}))},
		{"ids are read as numbers", []string{"FindUsers/unknown id"},
			onTrial(asks(usersync.FieldID, func(values []string) ([]string, error) {
				for _, v := range values {
					var n int
					if _, err := fmt.Sscanf(v, "u%d", &n); err != nil {
						return nil, fmt.Errorf("invalid input syntax for type bigint: %q", v)
					}
				}
				return values, nil
			}))},
		{"ids are folded", []string{"FindUsers/id is exact"},
			onTrial(asks(usersync.FieldID, func(values []string) ([]string, error) {
				var folded []string
				for _, v := range values {
					folded = append(folded, usersync.Fold(v))
				}
				return folded, nil
			}))},
		{"at most 999 parameters", []string{"FindUsers/many values"},
			onTrial(asks("", func(values []string) ([]string, error) {
				if len(values) > 999 {
					return nil, errors.New("too many SQL variables")
				}
				return values, nil
			}))},
		{"a page of 500 users", []string{"FindUsers/many values"},
			onTrial(answers(func(_ string, _ []string, found []usersync.User) []usersync.User {
				return found[:min(500, len(found))]
			}))},
		{"somebody else is found as well", []string{"FindUsers/many values"},
			onTrial(func(s *memory.Store) usersync.UserStore {
				return answers(func(_ string, values []string, found []usersync.User) []usersync.User {
					if len(values) == 999 {
						found = append(found, usersync.User{ID: "u1000"})
					}
					return found
				})(s)
			})},
		{"keys are compared as they are", []string{"FindUsers/key in any case"},
			onTrial(keeps(func(field string, values []string, u usersync.User) bool {
				return field != "userName" || slices.Contains(values, u.Values.Get("userName"))
			}))},
		{"keys are stored folded", []string{"FindUsers/key in any case", "WriteUsers/create"},
			onTrial(writes(func(_ *memory.Store, c *usersync.Change) {
				if name, set := c.Set.Lookup("userName"); set {
					c.Set.Set("userName", usersync.Fold(name))
				}
			}))},
		{"only A to Z are folded", []string{"FindUsers/key beyond ASCII"},
			onTrial(keeps(func(field string, values []string, u usersync.User) bool {
				return field != "userName" ||
					slices.Contains(values, isASCIILower(u.Values.Get("userName")))
			}))},
		{"other fields are compared as they are", []string{"FindUsers/other fields in any case"},
			onTrial(keeps(func(field string, values []string, u usersync.User) bool {
				return field != "costCenter" || slices.Contains(values, u.Values.Get(field))
			}))},
		{"values are patterns", []string{"FindUsers/no pattern"}, onTrial(findsLike)},
		{"one user for each value", []string{"FindUsers/shared value"},
			onTrial(answers(func(field string, _ []string, found []usersync.User) []usersync.User {
				return slices.CompactFunc(found, func(a, b usersync.User) bool {
					return a.Values.Get(field) == b.Values.Get(field) && field == "email"
				})
			}))},
		{"inactive users are left out", []string{"FindUsers/inactive users", "WriteUsers/status"},
			onTrial(keeps(func(_ string, _ []string, u usersync.User) bool { return u.Active }))},
		{"nobody is found by reference", []string{"FindUsers/by reference"},
			onTrial(keeps(func(field string, _ []string, _ usersync.User) bool { return field != "manager" }))},
		{"users come once for each version", []string{"FindUsers/each user once"},
			onTrial(answers(func(_ string, _ []string, found []usersync.User) []usersync.User {
				for _, u := range found {
					if u.Version != "1" {
						found = append(found, u)
					}
				}
				return found
			}))},
		{"users without ids", []string{"FindUsers/each user once"},
			onTrial(answers(func(_ string, _ []string, found []usersync.User) []usersync.User {
				for i := range found {
					found[i].ID = ""
				}
				return found
			}))},
		{"answers are shared", []string{"FindUsers/the answer is the caller's"}, onTrial(sharesAnswers)},
		{"values are sorted in place", []string{"FindUsers/values stay the caller's"},
			onTrial(asks("", func(values []string) ([]string, error) {
				slices.Sort(values)
				return values, nil
			}))},
	}
}

// findsLike takes the values of the key for patterns of SQL.
func findsLike(s *memory.Store) usersync.UserStore {
	b := &broken{Store: s}
	b.find = func(ctx context.Context, field string, values []string) ([]usersync.User, error) {
		if field != "userName" {
			return s.FindUsers(ctx, field, values)
		}
		var found []usersync.User
		for _, v := range values {
			like := strings.NewReplacer("_", ".", "%", ".*").Replace(regexp.QuoteMeta(v))
			for _, u := range s.Users() {
				if regexp.MustCompile("^" + like + "$").MatchString(usersync.Fold(u.Values.Get(field))) {
					found = append(found, u)
				}
			}
		}
		return found, nil
	}
	return b
}

// sharesAnswers returns the same Values each time, as a cache does.
func sharesAnswers(s *memory.Store) usersync.UserStore {
	cache := map[string]usersync.User{}
	return answers(func(_ string, _ []string, found []usersync.User) []usersync.User {
		for i, u := range found {
			if _, there := cache[u.ID+u.Version]; !there {
				cache[u.ID+u.Version] = u
			}
			found[i] = cache[u.ID+u.Version]
		}
		return found
	})(s)
}
