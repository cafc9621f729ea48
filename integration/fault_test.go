package integration

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/sqlstore"
	"github.com/usersync-go/usersync/usersynctest"
)

// A5, A7, A8: every call of the stores fails once, in several ways, where users and journal share their
// transactions and where they do not. After Resume everything is as it would have been.
func TestResumeAfterFaults(t *testing.T) {
	t.Parallel()
	const n = 40
	kinds := []usersynctest.Fault{usersynctest.ErrorAfter, usersynctest.ErrorBefore, usersynctest.PanicAfter, usersynctest.CancelAfter}
	if underRace {
		kinds = kinds[:1]
	}
	for _, apart := range []bool{false, true} {
		struck := map[string]int{}
		usersynctest.EachFault(t, func(t *testing.T, f *usersynctest.Faults) {
			s, db, svc, plan := opened(t, sqlstore.SQLite, apart, n)
			faulty := s.faulty(t, db, f)
			run, err := faulty.Apply(f.Context(t.Context()), plan.ID)
			for end := time.Now().Add(30 * time.Second); err != nil && time.Now().Before(end); time.Sleep(leaseTime / 20) {
				if !errors.Is(err, usersynctest.ErrInjected) && !errors.Is(err, context.Canceled) && !errors.Is(err, usersync.ErrRunInProgress) {
					t.Fatal(err)
				}
				if run, err = svc.Resume(t.Context(), plan.ID); errors.Is(err, usersync.ErrNotFound) { // it had not begun
					run, err = svc.Apply(t.Context(), plan.ID)
				}
			}
			must(t, err)
			struck[f.Struck()]++
			checkStaff(t, s, db, svc, run, n, 1)
		}, kinds...)
		t.Logf("apart %t: %v", apart, struck)
		if name := map[bool]string{false: "JointJournal.WriteJointly", true: "Journal.Append"}[apart]; struck[name] < 5 {
			t.Fatalf("%s failed only %d times", name, struck[name])
		}
	}
}

// faulty is a service one of whose calls fails.
func (s site) faulty(t *testing.T, db *sql.DB, f *usersynctest.Faults) *usersync.Service {
	schema := usersync.DefaultSchema()
	users, err := sqlstore.NewUsers(db, s.Dialect, sqlstore.DefaultMapping(schema), schema)
	must(t, err)
	state, err := sqlstore.NewState(db, s.Dialect)
	must(t, err)
	var store usersync.UserStore = users
	if s.Apart {
		store = apart{users}
	}
	svc, err := usersync.NewService(f.Users(store), f.Stores(state.Stores()), usersync.WithMailer(f.Mailer(postbox(s.Mails))),
		usersync.WithBatchSize(40), usersync.WithLeaseTime(leaseTime))
	must(t, err)
	return svc
}
