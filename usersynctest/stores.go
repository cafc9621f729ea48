package usersynctest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/usersync-go/usersync"
)

// TestStores checks that stores keep the promises of usersync.Stores: those of its interfaces, and that they
// are over the same data. open returns empty stores, new ones each time, and releases them with t.Cleanup. It
// runs TestBaselineStore too.
func TestStores(t *testing.T, open func(t *testing.T) usersync.Stores) {
	t.Helper()
	run(t, storeChecks(), func(t *testing.T, tr trial) *stores { return &stores{trial: tr, Stores: open(t)} })
	t.Run("Baselines", func(t *testing.T) {
		TestBaselineStore(t, func(t *testing.T) usersync.BaselineStore { return open(t).Baselines })
	})
}

func storeChecks() []check[*stores] {
	return slices.Concat(configChecks(), planChecks(), runChecks(), journalChecks(), leaseChecks(), outboxChecks(), importChecks())
}

func configChecks() []check[*stores] {
	return []check[*stores]{
		{"Configs/round trip", "LoadConfig and Configs return a configuration as SaveConfig was given it.", configRoundTrip},
		{"Configs/unknown", "LoadConfig of an id that does not exist, compared exactly, wraps ErrNotFound.", configUnknown},
		{"Configs/order", "Configs returns all configurations by name and then by id, compared as bytes.", configOrder},
		{"Configs/compare and set", "SaveConfig stores only over ifRevision: 0 for one that must not exist yet (ErrDuplicate)," +
			" otherwise the revision that is stored (ErrEdited, ErrNotFound).", configCompareAndSet},
		{"Configs/at once", "Of many SaveConfig at once over one revision one succeeds: compare and store under a lock, or" +
			" in one statement.", configAtOnce},
		{"Configs/delete", "DeleteConfig removes the configuration with its baseline, plans, runs, journals and mails, and" +
			" nothing of others.", configDelete},
		{"Configs/delete while held", "DeleteConfig is an *InProgressError while a run of the configuration holds the lease.",
			configDeleteHeld},
		{"cancelled/all", "A method whose context is done returns an error and changes nothing.", storesCancelled},
	}
}

func outboxChecks() []check[*stores] {
	return []check[*stores]{
		{"Outbox/order", "Mails returns the mails in the order in which they were queued, and only those that fit.", mailOrder},
		{"Outbox/move", "MoveMail stores a mail over the state from only (ErrEdited, ErrNotFound).", mailMove},
		{"Outbox/queue", "QueueMails stores all mails or none (ErrDuplicate), and FinishRun those of the run's end.", mailQueue},
		{"Outbox/due", "Mails with Due returns the mails that are due then, and moves change that.", mailDue},
		{"Outbox/at once", "Of many MoveMail at once from one state one succeeds.", mailAtOnce},
	}
}

// stores are stores on trial.
type stores struct {
	trial
	usersync.Stores
}

// long is a lease that does not run out during a check, brief one that soon does.
const (
	long  = time.Hour
	brief = 60 * time.Millisecond
)

// day is a moment, of the given number of days.
func day(n int) time.Time { return time.Date(2030, 1, n, 3, 4, 5, 6_000_000, time.UTC) }

// good ends the check on an error.
func (s *stores) good(doing string, err error) {
	s.Helper()
	if err != nil {
		s.breach("%s failed: %v", doing, err)
	}
}

// refused ends the check unless the error wraps want.
func (s *stores) refused(doing string, err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.breach("%s: the error is %v, want one that wraps %q", doing, err, want)
	}
}

// same ends the check unless two things print alike.
func (s *stores) same(what string, got, want any) {
	s.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		s.breach("%s is\n%.2000s\nwant\n%.2000s", what, g, w)
	}
}

func config(id, name string, revision int64) usersync.Config {
	cfg := usersync.DefaultConfig(name)
	cfg.ID, cfg.Revision = id, revision
	return cfg
}

func (s *stores) saveConfig(cfg usersync.Config, ifRevision int64) {
	s.Helper()
	s.good("SaveConfig", s.Configs.SaveConfig(s.Context(), cfg, ifRevision))
}

// plan saves a plan with some parts.
func (s *stores) plan(id, config string, edition int, parts ...string) usersync.PlanRecord {
	s.Helper()
	rec := usersync.PlanRecord{ID: id, ConfigID: config, ConfigRevision: 3, BaselineRun: "before", Actor: usersync.Actor{Name: "Olga"},
		File: "ünï.xlsx", SHA256: "abc", Created: day(1), Expires: day(2), Edition: edition, Counts: usersync.Counts{New: edition},
		Head: []byte(`{"edition":` + fmt.Sprint(edition) + `}`)}
	s.good("SavePlan", s.Plans.SavePlan(s.Context(), rec, sequence(parts, nil)))
	return rec
}

// sequence yields parts and then, if there is one, an error.
func sequence(parts []string, err error) func(yield func([]byte, error) bool) {
	return func(yield func([]byte, error) bool) {
		for _, part := range parts {
			if !yield([]byte(part), nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

func (s *stores) acquire(config, run string, ttl time.Duration) usersync.Lease {
	s.Helper()
	l, err := s.Leases.Acquire(s.Context(), config, run, ttl)
	s.good("Acquire", err)
	return l
}

// runRecord is a run of the plan with that id.
func runRecord(id, config string, started time.Time) usersync.RunRecord {
	return usersync.RunRecord{ID: id, PlanEdition: 1, ConfigID: config, ConfigName: "Name of " + config, ConfigRevision: 3,
		Actor: usersync.Actor{Name: "Olga", UserID: "u9"}, File: "f.csv", SHA256: "abc", Started: started, Status: usersync.RunRunning}
}

// start plans and starts a run.
func (s *stores) start(id, config string, started time.Time) (usersync.Lease, usersync.RunRecord) {
	s.Helper()
	s.plan(id, config, 1, "part of "+id)
	l, rec := s.acquire(config, id, long), runRecord(id, config, started)
	s.good("StartRun", s.Stores.Runs.StartRun(s.Context(), l, rec))
	return l, rec
}

// finish ends a run well.
func (s *stores) finish(l usersync.Lease, rec usersync.RunRecord, base *usersync.Baseline) usersync.RunRecord {
	s.Helper()
	rec.Status, rec.Finished, rec.Counts = usersync.RunSucceeded, rec.Started.Add(time.Minute), usersync.RunCounts{Created: 2}
	s.good("FinishRun", s.Stores.Runs.FinishRun(s.Context(), l, usersync.RunEnd{Run: rec, Baseline: base, Final: true,
		Results: map[int][]byte{0: []byte("results of " + rec.ID)}}))
	return rec
}

func (s *stores) runs(q usersync.RunQuery) []usersync.RunRecord {
	s.Helper()
	runs, err := s.Stores.Runs.Runs(s.Context(), q)
	s.good("Runs", err)
	return runs
}

func (s *stores) mails(q usersync.MailQuery) []usersync.Mail {
	s.Helper()
	mails, err := s.Outbox.Mails(s.Context(), q)
	s.good("Mails", err)
	return mails
}

func mail(run, config, user string) usersync.Mail {
	return usersync.Mail{Key: run + "/" + user, RunID: run, ConfigID: config, UserID: user, Name: "Name 'of' " + user, Row: 7,
		State: usersync.MailQueued, Queued: day(3), Changed: day(3)}
}

func configRoundTrip(s *stores) {
	cfg := config("staff", "Größe 'x' 🏢", 4)
	cfg.Paused, cfg.ClearMarker = true, `<"delete">`
	cfg.Rules = map[string]usersync.Rule{"title": {Strategy: usersync.ForceValue, Value: "语"}}
	cfg.Defaults, cfg.Columns = map[string]string{"locale": "en-US"}, map[string]string{"Löhne": "title"}
	cfg.Assignments = []usersync.Assignment{{Field: "groups", Match: usersync.AllMatches, Rules: []usersync.AssignRule{{Name: "'语'", Any: true,
		If: []usersync.Condition{{Field: "title", Op: usersync.IfEquals, Not: true, Values: []string{"Chief \\ 語"}}}, Values: []string{"a", "b"}}}}}
	cfg.Guard, cfg.Limits = usersync.Guard{Percent: 12.5, Users: 3, Max: 9}, usersync.Limits{Rows: 2000}
	s.saveConfig(cfg, 0)
	got, err := s.Configs.LoadConfig(s.Context(), "staff")
	s.good("LoadConfig", err)
	s.same("the configuration", got, cfg)
	all, err := s.Configs.Configs(s.Context())
	s.good("Configs", err)
	s.same("Configs", all, []usersync.Config{cfg})
}

func configUnknown(s *stores) {
	s.saveConfig(config("staff", "Staff", 1), 0)
	for _, id := range []string{"Staff", "staff ", "st_ff", "nobody's", ""} {
		_, err := s.Configs.LoadConfig(s.Context(), id)
		s.refused(fmt.Sprintf("LoadConfig(%q)", id), err, usersync.ErrNotFound)
	}
	s.refused("DeleteConfig", s.Configs.DeleteConfig(s.Context(), "Staff"), usersync.ErrNotFound)
}

func configOrder(s *stores) {
	want := []string{"id0", "id1", "id2", "id3", "id4", "id5"}
	for i, name := range []string{"Ä", "b", "b", "a", "B", "A"} { // the other way round
		s.saveConfig(config(fmt.Sprint("id", 5-i), name, 1), 0)
	}
	all, err := s.Configs.Configs(s.Context())
	s.good("Configs", err)
	var got []string
	for _, cfg := range all {
		got = append(got, cfg.ID)
	}
	s.same("the order", got, want)
}

func configCompareAndSet(s *stores) {
	save := func(revision, ifRevision int64) error {
		return s.Configs.SaveConfig(s.Context(), config("staff", "Staff", revision), ifRevision)
	}
	s.refused("SaveConfig over revision 1 of none", save(2, 1), usersync.ErrNotFound)
	s.good("SaveConfig", save(1, 0))
	s.refused("SaveConfig of a second one", save(1, 0), usersync.ErrDuplicate)
	s.good("SaveConfig over revision 1", save(2, 1))
	s.refused("SaveConfig over revision 1 again", save(2, 1), usersync.ErrEdited)
	s.refused("SaveConfig over revision 3", save(4, 3), usersync.ErrEdited)
	s.good("SaveConfig over revision 2", save(3, 2))
	got, err := s.Configs.LoadConfig(s.Context(), "staff")
	s.good("LoadConfig", err)
	s.same("the revision", got.Revision, 3)
}

// atOnce does something many times at once and gives how often it was done; other errors than lost are a
// breach.
func (s *stores) atOnce(doing string, lost func(error) bool, do func(i int) error) {
	s.Helper()
	errs := make([]error, 16)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { errs[i] = do(i) })
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !lost(err):
			s.breach("%s at once failed: %v", doing, err)
		}
	}
	if won != 1 {
		s.breach("%s succeeded %d times at once, want once", doing, won)
	}
}

func isEdited(err error) bool { return errors.Is(err, usersync.ErrEdited) }

func configAtOnce(s *stores) {
	s.saveConfig(config("staff", "Staff", 1), 0)
	s.atOnce("SaveConfig", isEdited, func(int) error {
		return s.Configs.SaveConfig(s.Context(), config("staff", "Staff", 2), 1)
	})
	taken := func(err error) bool { return errors.Is(err, usersync.ErrDuplicate) }
	s.atOnce("SaveConfig", taken, func(int) error { return s.Configs.SaveConfig(s.Context(), config("new", "New", 1), 0) })
}

func configDelete(s *stores) {
	for _, id := range []string{"staff", "other"} {
		s.saveConfig(config(id, id, 1), 0)
		l, rec := s.start("run of "+id, id, day(1))
		s.good("Append", s.Journal.Append(s.Context(), l, usersync.JournalEntry{Number: 1, Data: []byte("x"), Mails: []usersync.Mail{mail(rec.ID, id, "u1")}}))
		s.finish(l, rec, &usersync.Baseline{RunID: rec.ID, Members: []usersync.Member{{UserID: "u1", Name: "n"}}})
		s.plan("plan of "+id, id, 1, "a")
	}
	s.good("DeleteConfig", s.Configs.DeleteConfig(s.Context(), "staff"))
	for _, id := range []string{"staff", "other"} {
		runs, mails := s.runs(usersync.RunQuery{ConfigID: id}), s.mails(usersync.MailQuery{ConfigID: id})
		base, err := s.Baselines.Load(s.Context(), id)
		s.good("Load", err)
		_, planErr := s.Plans.LoadPlan(s.Context(), "plan of "+id)
		results, err := s.Journal.Results(s.Context(), "run of "+id, 0, 1)
		s.good("Results", err)
		left := fmt.Sprintf("%d %d %d %t %q", len(runs), len(mails), len(base.Members), errors.Is(planErr, usersync.ErrNotFound), results[0])
		s.same("what is left of "+id, left, map[string]string{"staff": `0 0 0 true ""`, "other": `1 1 1 false "results of run of other"`}[id])
	}
	s.saveConfig(config("staff", "Staff", 1), 0) // the id is free
}

func configDeleteHeld(s *stores) {
	s.saveConfig(config("staff", "Staff", 1), 0)
	l := s.acquire("staff", "run 1", long)
	s.inProgress(s.Configs.DeleteConfig(s.Context(), "staff"), "run 1")
	s.good("Release", s.Leases.Release(s.Context(), l))
	s.good("DeleteConfig", s.Configs.DeleteConfig(s.Context(), "staff"))
}

// inProgress ends the check unless the error names the run that is under way.
func (s *stores) inProgress(err error, run string) {
	s.Helper()
	var busy *usersync.InProgressError
	if !errors.As(err, &busy) || busy.RunID != run {
		s.breach("the error is %v, want an *InProgressError of run %q", err, run)
	}
}

func storesCancelled(s *stores) {
	l, rec := s.start("run 1", "staff", day(1))
	s.saveConfig(config("staff", "Staff", 1), 0)
	ctx := done()
	_, loadErr := s.Configs.LoadConfig(ctx, "staff")
	_, configsErr := s.Configs.Configs(ctx)
	_, planErr := s.Plans.LoadPlan(ctx, "run 1")
	_, partsErr := s.Plans.PlanParts(ctx, "run 1", 1, 0, 1)
	_, plansErr := s.Plans.DeletePlans(ctx, day(9))
	_, runsErr := s.Stores.Runs.Runs(ctx, usersync.RunQuery{})
	_, entriesErr := s.Journal.Entries(ctx, "run 1")
	_, acquireErr := s.Leases.Acquire(ctx, "other", "run 2", long)
	_, mailsErr := s.Outbox.Mails(ctx, usersync.MailQuery{})
	rec.Status = usersync.RunSucceeded
	for name, err := range map[string]error{
		"LoadConfig": loadErr, "Configs": configsErr, "LoadPlan": planErr, "PlanParts": partsErr, "DeletePlans": plansErr,
		"Runs": runsErr, "Entries": entriesErr, "Acquire": acquireErr, "Mails": mailsErr,
		"SaveConfig":   s.Configs.SaveConfig(ctx, config("staff", "Staff", 2), 1),
		"DeleteConfig": s.Configs.DeleteConfig(ctx, "staff"),
		"SavePlan":     s.Plans.SavePlan(ctx, usersync.PlanRecord{ID: "plan 9", Edition: 1}, sequence([]string{"a"}, nil)),
		"Append":       s.Journal.Append(ctx, l, usersync.JournalEntry{Number: 1, Data: []byte("x")}),
		"FinishRun":    s.Stores.Runs.FinishRun(ctx, l, usersync.RunEnd{Run: rec}),
		"Release":      s.Leases.Release(ctx, l),
	} {
		if err == nil {
			s.breach("%s returned no error although its context is done", name)
		}
	}
	s.same("the run", s.runs(usersync.RunQuery{ID: "run 1"})[0].Status, usersync.RunRunning)
	_, err := s.Plans.LoadPlan(s.Context(), "plan 9")
	s.refused("LoadPlan", err, usersync.ErrNotFound)
}
