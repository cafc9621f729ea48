package usersynctest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
	"github.com/usersync-go/usersync/adapters/seats"
)

const seatLimit = 5

// seating puts a checker on trial that may have a fault. used tells the seats in use.
func seating(seats func(used func() int) memory.SeatsFunc) func(trial) *license {
	return func(tr trial) *license {
		used := 0
		return &license{trial: tr, checker: seats(func() int { return used }), use: func(n int) { used = n }}
	}
}

// counts breaks the answer.
func counts(change func(s *usersync.Seats)) func(trial) *license {
	return seating(func(used func() int) memory.SeatsFunc {
		return func(ctx context.Context) (usersync.Seats, error) {
			s := usersync.Seats{Limit: seatLimit, Used: used()}
			change(&s)
			return s, ctx.Err()
		}
	})
}

func TestLicenseChecksFindDefects(t *testing.T) {
	prove(t, licenseChecks(), soundLicense(), append(reserveDefects(), []defect[*license]{
		{"seats are counted down", []string{"answers"},
			counts(func(s *usersync.Seats) { s.Used -= seatLimit })},
		{"no answer", []string{"answers", "concurrent"},
			seating(func(func() int) memory.SeatsFunc {
				return func(context.Context) (usersync.Seats, error) {
					return usersync.Seats{}, errors.New("license server: no route to host")
				}
			})},
		{"the first answer is kept", []string{"counts now"},
			seating(func(used func() int) memory.SeatsFunc {
				first := sync.OnceValue(used)
				return func(ctx context.Context) (usersync.Seats, error) {
					return usersync.Seats{Limit: seatLimit, Used: first()}, ctx.Err()
				}
			})},
		{"the limit is what is free", []string{"counts now"},
			counts(func(s *usersync.Seats) { s.Limit -= s.Used })},
		{"used is at most the limit", []string{"more used than there are"},
			counts(func(s *usersync.Seats) { s.Used = min(s.Used, s.Limit) })},
		{"the limit grows", []string{"more used than there are"},
			counts(func(s *usersync.Seats) { s.Limit = max(s.Used, s.Limit) })},
		{"asking takes a seat", []string{"asking takes nothing"},
			seating(func(func() int) memory.SeatsFunc {
				asked := 0
				return func(ctx context.Context) (usersync.Seats, error) {
					asked++
					return usersync.Seats{Limit: seatLimit, Used: asked}, ctx.Err()
				}
			})},
		{"an interrupted count is zero", []string{"cancelled"},
			seating(func(used func() int) memory.SeatsFunc {
				return func(ctx context.Context) (usersync.Seats, error) {
					if ctx.Err() != nil {
						return usersync.Seats{}, nil
					}
					return usersync.Seats{Limit: seatLimit, Used: used()}, nil
				}
			})},
		{"one at a time", []string{"concurrent"},
			seating(func(used func() int) memory.SeatsFunc {
				var busy sync.Mutex
				return func(ctx context.Context) (usersync.Seats, error) {
					if !busy.TryLock() {
						return usersync.Seats{}, errors.New("license file is locked")
					}
					defer busy.Unlock()
					time.Sleep(time.Millisecond)
					return usersync.Seats{Limit: seatLimit, Used: used()}, ctx.Err()
				}
			})},
	}...))
}

func TestLicenseChecksKnowCapabilities(t *testing.T) {
	fixed := func(limit int) memory.SeatsFunc {
		return func(ctx context.Context) (usersync.Seats, error) {
			return usersync.Seats{Limit: limit, Used: 3}, ctx.Err()
		}
	}
	passes(t, licenseChecks(), func(tr trial) *license { return &license{trial: tr, checker: fixed(5)} },
		"skipped: the test cannot say how many seats are used", withoutReserve, withoutPools)
	passes(t, licenseChecks(), counts(func(s *usersync.Seats) { s.Limit = -1 }),
		"skipped: the checker has no limit", withoutReserve, withoutPools)
	passes(t, licenseChecks(), counts(func(s *usersync.Seats) { s.Limit = 1_000_000 }),
		"skipped: the limit of 1000000 is too high to exceed in a test", withoutReserve, withoutPools)
	passes(t, licenseChecks(), func(tr trial) *license {
		l := soundLicense()(tr)
		l.checker.(*bookOnTrial).SetLimits(seats.Limits{Total: 2})
		return l
	}, "skipped: to set seats aside in a test, 3 to 10,000 have to be free")
}

const (
	withoutReserve = "skipped: the checker does not set seats aside"
	withoutPools   = "skipped: the checker has no pools"
)
