package usersynctest

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/usersync-go/usersync"
)

// reserveTime is how long seats are set aside where that does not matter, and reserveMoment where it does.
const (
	reserveTime   = time.Hour
	reserveMoment = 300 * time.Millisecond
)

// reserver is a license on trial that sets seats aside and of which no seat is used.
type reserver struct {
	*license
	able usersync.SeatReserver
	free int
}

// reserving is skipped where the license cannot set seats aside, or has too few or too many to try it.
func (l *license) reserving() *reserver {
	l.Helper()
	able, ok := l.checker.(usersync.SeatReserver)
	if !ok {
		l.Skipf("skipped: the checker does not set seats aside")
	}
	if l.use != nil {
		l.use(0)
	}
	s := l.seats()
	if free := s.Limit - s.Used; s.Limit < 0 || free < 3 || free > 10_000 {
		l.Skipf("skipped: to set seats aside in a test, 3 to 10,000 have to be free")
	}
	return &reserver{l, able, s.Limit - s.Used}
}

// try asks for seats of the license as a whole.
func (r *reserver) try(holder string, seats, freeing int) error {
	return r.able.ReserveSeats(r.Context(), holder, []usersync.SeatHold{{Seats: seats, Freeing: freeing}}, reserveTime)
}

// grants asks for seats that there are.
func (r *reserver) grants(holder string, seats, freeing int) {
	r.Helper()
	if err := r.try(holder, seats, freeing); err != nil {
		r.breach("ReserveSeats of %d seats, %d to be freed, of %s: %v", seats, freeing, holder, err)
	}
}

// refuses asks for more seats than there are.
func (r *reserver) refuses(holder string, seats, freeing, available int) {
	r.Helper()
	err := r.try(holder, seats, freeing)
	var short *usersync.SeatsError
	if !errors.As(err, &short) {
		r.breach("ReserveSeats of %d seats, %d to be freed, of %s returned %v although %d are free", seats, freeing, holder, err, available)
	}
	if short.Needed != seats-freeing || short.Available != available || short.Pool != "" {
		r.breach("ReserveSeats of %d seats, %d to be freed, with %d free returned %+v", seats, freeing, available, short)
	}
}

// letsGo lets a holder's seats go.
func (r *reserver) letsGo(holder string) {
	r.Helper()
	if err := r.able.ReserveSeats(r.Context(), holder, nil, reserveTime); err != nil {
		r.breach("ReserveSeats of no seats: %v", err)
	}
}

func reserveSetsAside(l *license) {
	r := l.reserving()
	r.grants("run-1", r.free-1, 0)
	r.refuses("run-2", 2, 0, 1)
	r.grants("run-2", 1, 0)
	r.refuses("run-3", 1, 0, 0)
}

func reserveUsed(l *license) {
	r := l.reserving()
	r.used(2)
	r.refuses("run-1", r.free, 0, r.free-2)
	r.grants("run-1", r.free-2, 0)
}

func reserveReplaces(l *license) {
	r := l.reserving()
	r.grants("run-1", r.free, 0)
	r.grants("run-1", r.free, 0)
	r.grants("run-1", 1, 0)
	r.refuses("run-2", r.free, 0, r.free-1)
	r.grants("run-2", r.free-1, 0)
}

func reserveLetsGo(l *license) {
	r := l.reserving()
	r.letsGo("run-1")
	r.grants("run-1", r.free-1, 0)
	r.grants("run-2", 1, 0)
	r.letsGo("run-1")
	r.refuses("run-3", r.free, 0, r.free-1)
	r.grants("run-3", r.free-1, 0)
}

func reserveAllOrNothing(l *license) {
	r := l.reserving()
	r.grants("run-1", 2, 0)
	r.refuses("run-1", r.free+1, 0, r.free)
	r.refuses("run-2", r.free-1, 0, r.free-2)
	r.grants("run-2", r.free-2, 0)
}

func reserveLess(l *license) {
	r := l.reserving()
	r.grants("run-1", 3, 0)
	r.used(r.free)
	r.grants("run-1", 3, 0)
	r.grants("run-1", 2, 0)
	r.letsGo("run-1")
	r.refuses("run-1", 1, 0, 0)
}

func reserveFreeing(l *license) {
	r := l.reserving()
	r.used(r.free)
	r.grants("run-1", 2, 2)
	r.refuses("run-2", 1, 0, -2)
	r.used(r.free - 2)
	r.refuses("run-2", 1, 0, 0)
	r.grants("run-1", 2, 0)
}

func reserveNotFreed(l *license) {
	r := l.reserving()
	r.used(r.free)
	r.refuses("run-1", 3, 2, 0)
	r.grants("run-1", 2, 2)
	r.refuses("run-1", 2, 1, 0)
	r.refuses("run-1", 1, 0, 0)
}

func reserveRunsOut(l *license) {
	r := l.reserving()
	hold := []usersync.SeatHold{{Seats: r.free}}
	if err := r.able.ReserveSeats(r.Context(), "run-1", hold, reserveMoment); err != nil {
		r.breach("ReserveSeats: %v", err)
	}
	if err := r.try("run-2", 1, 0); err == nil {
		r.breach("a seat was set aside for two within its ttl of %v", reserveMoment)
	}
	time.Sleep(2 * reserveMoment)
	r.grants("run-2", r.free, 0)
	r.refuses("run-1", 1, 0, 0)
}

func reserveIsNotUsed(l *license) {
	r := l.reserving()
	before := r.seats()
	r.grants("run-1", 2, 0)
	if s := r.seats(); s != before {
		r.breach("with 2 seats set aside Seats returned %+v, and %+v before", s, before)
	}
}

func reserveCancelled(l *license) {
	r := l.reserving()
	err := r.able.ReserveSeats(done(), "run-1", []usersync.SeatHold{{Seats: r.free}}, reserveTime)
	if err == nil {
		r.refuses("run-2", 1, 0, 0)
	}
}

func reserveConcurrent(l *license) {
	r := l.reserving()
	r.grants("run-0", r.free-3, 0)
	errs := make([]error, writers)
	together(writers, func(i int) { errs[i] = r.try("writer-"+string(rune('a'+i)), 1, 0) })
	granted := 0
	for _, err := range errs {
		if err == nil {
			granted++
		} else if !errors.Is(err, usersync.ErrSeats) {
			r.breach("ReserveSeats at the same time as others: %v", err)
		}
	}
	if granted != min(3, writers) {
		r.breach("3 seats were free, and %d of %d holders got one", granted, writers)
	}
}

// dividing is skipped where the license has no pools.
func (l *license) dividing() (usersync.SeatPools, map[string]usersync.Seats) {
	l.Helper()
	able, ok := l.checker.(usersync.SeatPools)
	if !ok || able.PoolField() == "" {
		l.Skipf("skipped: the checker has no pools")
	}
	pools, err := able.Pools(l.Context())
	if err != nil {
		l.breach("Pools failed: %v", err)
	}
	return able, pools
}

func poolsAnswer(l *license) {
	able, pools := l.dividing()
	if field := able.PoolField(); field != able.PoolField() {
		l.breach("PoolField returned %q and then another", field)
	}
	seen := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(pools)) {
		if other, twice := seen[usersync.Fold(name)]; twice || usersync.Fold(name) == "" || pools[name].Used < 0 {
			l.breach("Pools returned %q (%+v) beside %q", name, pools[name], other)
		}
		seen[usersync.Fold(name)] = name
	}
}

func poolsReserve(l *license) {
	r := l.reserving()
	_, pools := l.dividing()
	for _, name := range slices.Sorted(maps.Keys(pools)) {
		s := pools[name]
		free := s.Limit - s.Used
		if s.Limit < 0 || free < 1 || free > 10_000 {
			continue
		}
		of := func(n int) []usersync.SeatHold { return []usersync.SeatHold{{Pool: name, Seats: n}} }
		if err := r.able.ReserveSeats(r.Context(), "run-1", of(free), reserveTime); err != nil {
			r.breach("ReserveSeats of the %d free seats of %q: %v", free, name, err)
		}
		var short *usersync.SeatsError
		if err := r.able.ReserveSeats(r.Context(), "run-2", of(1), reserveTime); !errors.As(err, &short) || short.Pool != name {
			r.breach("ReserveSeats of one seat too many of %q returned %v", name, err)
		}
	}
}
