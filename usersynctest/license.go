package usersynctest

import (
	"testing"

	"github.com/usersync-go/usersync"
)

// TestLicenseChecker checks that a checker keeps the promises of usersync.LicenseChecker, and those of
// usersync.SeatReserver and usersync.SeatPools if it is one. open returns a
// checker and a function that makes exactly that many seats used, for instance by adding and
// deactivating users; it may be nil where a test cannot do that. Used seats may exceed the limit. open
// releases them with t.Cleanup.
func TestLicenseChecker(t *testing.T, open func(t *testing.T) (usersync.LicenseChecker, func(used int))) {
	t.Helper()
	run(t, licenseChecks(), func(t *testing.T, tr trial) *license {
		checker, use := open(t)
		return &license{trial: tr, checker: checker, use: use}
	})
}

func licenseChecks() []check[*license] {
	return []check[*license]{
		{"answers", "Seats returns how many seats there are, negative for no limit, and how many are used.",
			seatsAnswer},
		{"counts now", "Used is how many seats are used now, not when the program started, and the Limit" +
			" does not move with it. An answer that is kept for a while lets a run take seats that are" +
			" gone.", seatsNow},
		{"more used than there are", "Used may exceed Limit. Return both as they are: the administrator sees" +
			" both numbers.", seatsExceeded},
		{"asking takes nothing", "Seats only counts: it reserves nothing, however often it is asked. Preview" +
			" and Apply both ask.", seatsOnlyCount},
		{"cancelled", "Once ctx is done Seats returns an error, or else the right answer: never zero seats" +
			" without an error.", seatsCancelled},
		{"concurrent", "Seats may be called concurrently.", seatsConcurrent},
		{"Reserve/sets aside", "What is set aside is nobody else's. Who asks for more than limit less used less" +
			" what is set aside for others gets a *usersync.SeatsError with both numbers.", reserveSetsAside},
		{"Reserve/used seats", "Used seats cannot be set aside.", reserveUsed},
		{"Reserve/replaces", "ReserveSeats replaces what was set aside for the holder before; doing it again" +
			" changes nothing.", reserveReplaces},
		{"Reserve/lets go", "No seats let go of all that the holder has, and of nothing that others have.",
			reserveLetsGo},
		{"Reserve/all or nothing", "With an error nothing is changed: what was set aside before still is.",
			reserveAllOrNothing},
		{"Reserve/less always succeeds", "A holder who asks for no more than is set aside for it by now is not" +
			" refused, whatever has become of the license.", reserveLess},
		{"Reserve/freeing", "Seats that the holder is about to free count as free for this holder and for nobody" +
			" else. Once they are freed they stay set aside.", reserveFreeing},
		{"Reserve/not freed", "A holder who has not freed what it was to free is refused as others are.",
			reserveNotFreed},
		{"Reserve/runs out", "After its ttl nothing is set aside any more: a dead run does not keep seats for ever.",
			reserveRunsOut},
		{"Reserve/is not used", "What is set aside is not counted as used.", reserveIsNotUsed},
		{"Reserve/cancelled", "Once ctx is done ReserveSeats returns an error, or else has done it.", reserveCancelled},
		{"Reserve/concurrent", "ReserveSeats may be called concurrently, and never sets the same seat aside for two.",
			reserveConcurrent},
		{"Pools/answers", "Pools returns the seats of each pool, and PoolField always the same name. Names differ by" +
			" usersync.Fold.", poolsAnswer},
		{"Pools/are set aside", "A seat of a pool is set aside like one of the license; the error names the pool.",
			poolsReserve},
	}
}

// license is a license checker on trial.
type license struct {
	trial
	checker usersync.LicenseChecker
	use     func(used int)
}

func (l *license) seats() usersync.Seats {
	l.Helper()
	s, err := l.checker.Seats(l.Context())
	if err != nil {
		l.breach("Seats failed: %v", err)
	}
	return s
}

// used makes seats used and checks that the answer says so.
func (l *license) used(n int) usersync.Seats {
	l.Helper()
	if l.use == nil {
		l.Skipf("skipped: the test cannot say how many seats are used")
	}
	l.use(n)
	s := l.seats()
	if s.Used != n {
		l.breach("%d seats are used and Seats returned %+v", n, s)
	}
	return s
}

func seatsAnswer(l *license) {
	if s := l.seats(); s.Used < 0 {
		l.breach("Seats returned %+v: a negative number of seats is used", s)
	}
}

func seatsNow(l *license) {
	limit := l.used(0).Limit
	for _, n := range []int{1, 3, 2, 0} {
		if s := l.used(n); s.Limit != limit {
			l.breach("the limit was %d and is %d with %d seats used", limit, s.Limit, n)
		}
	}
}

func seatsExceeded(l *license) {
	limit := l.used(0).Limit
	if limit < 0 {
		l.Skipf("skipped: the checker has no limit")
	}
	if limit > 10_000 {
		l.Skipf("skipped: the limit of %d is too high to exceed in a test", limit)
	}
	if s := l.used(limit + 2); s.Limit != limit {
		l.breach("%d of %d seats are used and Seats returned %+v", limit+2, limit, s)
	}
}

func seatsOnlyCount(l *license) {
	first := l.seats()
	for range 20 {
		if s := l.seats(); s != first {
			l.breach("Seats returned %+v, and %+v when asked again", first, s)
		}
	}
}

func seatsCancelled(l *license) {
	want := l.seats()
	if s, err := l.checker.Seats(done()); err == nil && s != want {
		l.breach("Seats returned %+v and no error although ctx was done, want %+v", s, want)
	}
}

func seatsConcurrent(l *license) {
	want := l.seats()
	got := make([]usersync.Seats, writers)
	errs := make([]error, writers)
	together(writers, func(i int) { got[i], errs[i] = l.checker.Seats(l.Context()) })
	for i := range got {
		if got[i] != want || errs[i] != nil {
			l.breach("concurrent calls returned %+v (error %v), want %+v", got[i], errs[i], want)
		}
	}
}
