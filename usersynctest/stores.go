package usersynctest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
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
	return slices.Concat(configChecks(), planChecks(), runChecks(), journalChecks(), leaseChecks(), outboxChecks())
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

func planChecks() []check[*stores] {
	return []check[*stores]{
		{"Plans/round trip", "LoadPlan returns the record, and PlanParts the parts, as SavePlan was given them; fewer than n" +
			" parts at the end.", planRoundTrip},
		{"Plans/large", "A plan has hundreds of parts, and a part can have megabytes: write them in portions.", planLarge},
		{"Plans/editions", "SavePlan stores edition n over edition n-1 only (ErrEdited), and replaces all parts. PlanParts of" +
			" another edition wraps ErrEdited, of an unknown plan ErrNotFound.", planEditions},
		{"Plans/atomic", "SavePlan returns the error that parts yields, and has changed nothing then.", planAtomic},
		{"Plans/at once", "Of many SavePlan of one edition at once one succeeds.", planAtOnce},
		{"Plans/delete", "DeletePlans removes the plans that expired before a time and of which there is no run.", planDelete},
	}
}

func runChecks() []check[*stores] {
	return []check[*stores]{
		{"Runs/start", "StartRun stores a run, and stores it anew when it goes on. Runs returns it as it was given.", runStart},
		{"Runs/edition", "StartRun wraps ErrEdited unless the plan is stored with edition PlanEdition; once there is a run," +
			" SavePlan of the plan wraps ErrEdited.", runEdition},
		{"Runs/finish", "FinishRun stores the record, the results and the baseline and lets the lease go, as one step. Without a" +
			" baseline the old one stays.", runFinish},
		{"Runs/order", "Runs returns the newest first, by Started and then by ID, and only those that fit the query.", runOrder},
		{"Runs/interrupted", "A run that is running and whose lease is not fresh is given as RunInterrupted.", runInterrupted},
		{"Runs/delete", "DeleteRuns removes the runs that ended before a time with all that belongs to them, but for each" +
			" configuration's newest, those that have not ended and those with mails that are neither sent nor given up.", runDelete},
	}
}

func journalChecks() []check[*stores] {
	return []check[*stores]{
		{"Journal/round trip", "Entries returns what Append was given, by number; none for a run without a journal.", journalRoundTrip},
		{"Journal/numbers", "Append of a number that is there already wraps ErrDuplicate and changes nothing.", journalNumbers},
		{"Journal/results", "Results returns n parts, nil for one that FinishRun was not given.", journalResults},
		{"Journal/mails", "Append queues the entry's mails in the same step: none of them if it fails.", journalMails},
	}
}

func leaseChecks() []check[*stores] {
	return []check[*stores]{
		{"Leases/one holder", "Acquire is an *InProgressError with the holder's run while the lease is fresh, also for the" +
			" same run; after Release it is free.", leaseOneHolder},
		{"Leases/each configuration", "Each configuration has its own lease.", leaseEach},
		{"Leases/at once", "Of many Acquire at once one succeeds.", leaseAtOnce},
		{"Leases/run out", "A lease that was not renewed in time can be taken by another, with a higher token, and Renew keeps" +
			" it fresh.", leaseRunsOut},
		{"Leases/fencing", "Whoever holds a lease no more is refused with ErrLeaseLost by Renew, StartRun, Append and FinishRun," +
			" which change nothing then. Release is no error.", leaseFencing},
		{"Leases/cancel", "After Cancel, Renew says so to the holder, and the next holder hears nothing of it. Without a fresh" +
			" lease of the run Cancel wraps ErrNotFound.", leaseCancel},
	}
}

func outboxChecks() []check[*stores] {
	return []check[*stores]{
		{"Outbox/order", "Mails returns the mails in the order in which they were queued, and only those that fit.", mailOrder},
		{"Outbox/move", "MoveMail stores a mail over the state from only (ErrEdited, ErrNotFound).", mailMove},
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

func planRoundTrip(s *stores) {
	rec := s.plan("plan 1", "staff", 1, "a", "", "ccc", "ünï\x00\xff")
	got, err := s.Plans.LoadPlan(s.Context(), "plan 1")
	s.good("LoadPlan", err)
	s.same("the record", got, rec)
	for _, w := range []struct {
		first, n int
		want     []string
	}{{0, 4, []string{"a", "", "ccc", "ünï\x00\xff"}}, {0, 2, []string{"a", ""}}, {2, 9, []string{"ccc", "ünï\x00\xff"}}, {4, 1, nil}} {
		parts, err := s.Plans.PlanParts(s.Context(), "plan 1", 1, w.first, w.n)
		s.good("PlanParts", err)
		var texts []string
		for _, p := range parts {
			texts = append(texts, string(p))
		}
		s.same(fmt.Sprintf("PlanParts(%d, %d)", w.first, w.n), texts, w.want)
	}
	_, err = s.Plans.LoadPlan(s.Context(), "Plan 1")
	s.refused("LoadPlan of another id", err, usersync.ErrNotFound)
}

func planLarge(s *stores) {
	var parts []string
	for i := range 300 {
		parts = append(parts, strings.Repeat(string(rune('a'+i%26)), 3000))
	}
	parts[7] = strings.Repeat("x", 3<<20)
	s.plan("plan 1", "staff", 1, parts...)
	for first := 0; first < len(parts); first += 100 {
		got, err := s.Plans.PlanParts(s.Context(), "plan 1", 1, first, 100)
		s.good("PlanParts", err)
		for i := range got {
			if string(got[i]) != parts[first+i] {
				s.breach("part %d is not what was saved", first+i)
			}
		}
		s.same("the number of parts", len(got), 100)
	}
}

func planEditions(s *stores) {
	s.plan("plan 1", "staff", 1, "a", "b")
	save := func(edition int) error {
		return s.Plans.SavePlan(s.Context(), usersync.PlanRecord{ID: "plan 1", Edition: edition, Expires: day(1)}, sequence([]string{"new"}, nil))
	}
	s.refused("SavePlan of edition 1 again", save(1), usersync.ErrEdited)
	s.refused("SavePlan of edition 3", save(3), usersync.ErrEdited)
	s.good("SavePlan of edition 2", save(2))
	_, err := s.Plans.PlanParts(s.Context(), "plan 1", 1, 0, 9)
	s.refused("PlanParts of edition 1", err, usersync.ErrEdited)
	parts, err := s.Plans.PlanParts(s.Context(), "plan 1", 2, 0, 9)
	s.good("PlanParts", err)
	s.same("the parts", fmt.Sprintf("%q", parts), `["new"]`)
	_, err = s.Plans.PlanParts(s.Context(), "plan 9", 1, 0, 9)
	s.refused("PlanParts of no plan", err, usersync.ErrNotFound)
	s.refused("SavePlan of edition 2 of no plan",
		s.Plans.SavePlan(s.Context(), usersync.PlanRecord{ID: "plan 9", Edition: 2}, sequence(nil, nil)), usersync.ErrEdited)
}

func planAtomic(s *stores) {
	broken := errors.New("broken")
	err := s.Plans.SavePlan(s.Context(), usersync.PlanRecord{ID: "plan 1", Edition: 1}, sequence([]string{"a"}, broken))
	s.refused("SavePlan of broken parts", err, broken)
	_, err = s.Plans.LoadPlan(s.Context(), "plan 1")
	s.refused("LoadPlan", err, usersync.ErrNotFound)
	s.plan("plan 1", "staff", 1, "a", "b")
	err = s.Plans.SavePlan(s.Context(), usersync.PlanRecord{ID: "plan 1", Edition: 2}, sequence([]string{"new"}, broken))
	s.refused("SavePlan of broken parts", err, broken)
	parts, err := s.Plans.PlanParts(s.Context(), "plan 1", 1, 0, 9)
	s.good("PlanParts", err)
	s.same("the parts", fmt.Sprintf("%q", parts), `["a" "b"]`)
}

func planAtOnce(s *stores) {
	for edition := 1; edition <= 2; edition++ {
		s.atOnce("SavePlan", isEdited, func(i int) error {
			rec := usersync.PlanRecord{ID: "plan 1", Edition: edition, Expires: day(1)}
			return s.Plans.SavePlan(s.Context(), rec, sequence([]string{fmt.Sprint(i), fmt.Sprint(i)}, nil))
		})
		parts, err := s.Plans.PlanParts(s.Context(), "plan 1", edition, 0, 9)
		s.good("PlanParts", err)
		if len(parts) != 2 || string(parts[0]) != string(parts[1]) {
			s.breach("the parts are %q: of several plans", parts)
		}
	}
}

func planDelete(s *stores) {
	s.plan("old", "staff", 1, "a")
	s.start("applied", "staff", day(1))
	n, err := s.Plans.DeletePlans(s.Context(), day(2)) // when they expire
	s.good("DeletePlans", err)
	s.same("the number of plans that expired before", n, 0)
	n, err = s.Plans.DeletePlans(s.Context(), day(3))
	s.good("DeletePlans", err)
	s.same("the number of plans", n, 1)
	_, err = s.Plans.LoadPlan(s.Context(), "old")
	s.refused("LoadPlan", err, usersync.ErrNotFound)
	_, err = s.Plans.PlanParts(s.Context(), "applied", 1, 0, 1)
	s.good("PlanParts of a plan that was applied", err)
}

func runStart(s *stores) {
	l, rec := s.start("run 1", "staff", day(1))
	s.same("Runs", s.runs(usersync.RunQuery{ID: "run 1"}), []usersync.RunRecord{rec})
	rec.Counts.Created = 3
	s.good("StartRun again", s.Stores.Runs.StartRun(s.Context(), l, rec))
	s.same("Runs", s.runs(usersync.RunQuery{}), []usersync.RunRecord{rec})
	s.same("Runs of another", len(s.runs(usersync.RunQuery{ID: "Run 1"})), 0)
}

func runEdition(s *stores) {
	s.plan("run 1", "staff", 1, "a")
	l, rec := s.acquire("staff", "run 1", long), runRecord("run 1", "staff", day(1))
	rec.PlanEdition = 2
	s.refused("StartRun of edition 2", s.Stores.Runs.StartRun(s.Context(), l, rec), usersync.ErrEdited)
	other := s.acquire("other", "run 9", long)
	s.refused("StartRun without a plan", s.Stores.Runs.StartRun(s.Context(), other, runRecord("run 9", "other", day(1))), usersync.ErrEdited)
	s.same("the number of runs", len(s.runs(usersync.RunQuery{})), 0)
	rec.PlanEdition = 1
	s.good("StartRun", s.Stores.Runs.StartRun(s.Context(), l, rec))
	err := s.Plans.SavePlan(s.Context(), usersync.PlanRecord{ID: "run 1", Edition: 2}, sequence(nil, nil))
	s.refused("SavePlan of a plan that has a run", err, usersync.ErrEdited)
}

func runFinish(s *stores) {
	old := usersync.Baseline{RunID: "before", Members: []usersync.Member{{UserID: "u1", Name: "n"}}}
	s.good("Save", s.Baselines.Save(s.Context(), "staff", old))
	l, rec := s.start("run 1", "staff", day(1))
	failed := rec
	failed.Status, failed.Finished, failed.Error = usersync.RunFailed, day(2), "because"
	s.good("FinishRun", s.Stores.Runs.FinishRun(s.Context(), l, usersync.RunEnd{Run: failed}))
	s.same("Runs", s.runs(usersync.RunQuery{}), []usersync.RunRecord{failed})
	base, err := s.Baselines.Load(s.Context(), "staff")
	s.good("Load", err)
	s.same("the baseline after a failure", base, old)

	l = s.acquire("staff", "run 1", long) // is free; the run goes on
	s.good("StartRun", s.Stores.Runs.StartRun(s.Context(), l, rec))
	now := usersync.Baseline{RunID: "run 1", Members: []usersync.Member{{UserID: "u2", Name: "m"}}}
	ended := s.finish(l, rec, &now)
	s.same("Runs", s.runs(usersync.RunQuery{}), []usersync.RunRecord{ended})
	base, err = s.Baselines.Load(s.Context(), "staff")
	s.good("Load", err)
	s.same("the baseline", base, now)
	s.acquire("staff", "run 2", long)
}

func runOrder(s *stores) {
	for i, r := range []struct {
		id, config string
		day        int
	}{{"b", "staff", 2}, {"c", "staff", 2}, {"a", "staff", 3}, {"d", "other", 1}} {
		l, rec := s.start(r.id, r.config, day(r.day))
		if i > 0 {
			s.finish(l, rec, nil)
			continue
		}
		rec.Status = usersync.RunFailed
		s.good("FinishRun", s.Stores.Runs.FinishRun(s.Context(), l, usersync.RunEnd{Run: rec}))
	}
	for _, w := range []struct {
		q    usersync.RunQuery
		want string
	}{
		{usersync.RunQuery{}, "acbd"}, {usersync.RunQuery{ConfigID: "staff"}, "acb"}, {usersync.RunQuery{Limit: 2}, "ac"},
		{usersync.RunQuery{Skip: 1, Limit: 2}, "cb"}, {usersync.RunQuery{Skip: 3}, "d"}, {usersync.RunQuery{Skip: 9}, ""},
		{usersync.RunQuery{Status: []usersync.RunStatus{usersync.RunFailed}}, "b"},
		{usersync.RunQuery{Status: []usersync.RunStatus{usersync.RunSucceeded}, ConfigID: "staff"}, "ac"},
	} {
		got := ""
		for _, r := range s.runs(w.q) {
			got += r.ID
		}
		s.same(fmt.Sprintf("Runs(%+v)", w.q), got, w.want)
	}
}

func runInterrupted(s *stores) {
	l, rec := s.start("run 1", "staff", day(1))
	s.same("the status", s.runs(usersync.RunQuery{ID: "run 1"})[0].Status, usersync.RunRunning)
	s.good("Release", s.Leases.Release(s.Context(), l))
	s.same("the status without a lease", s.runs(usersync.RunQuery{ID: "run 1"})[0].Status, usersync.RunInterrupted)
	interrupted := usersync.RunQuery{Status: []usersync.RunStatus{usersync.RunInterrupted}}
	s.same("the number of interrupted runs", len(s.runs(interrupted)), 1)
	l = s.acquire("staff", "run 1", long)
	s.same("the status with a lease again", s.runs(usersync.RunQuery{ID: "run 1"})[0].Status, usersync.RunRunning)
	s.same("the number of interrupted runs", len(s.runs(interrupted)), 0)
	s.finish(l, rec, nil)
	s.same("the status in the end", s.runs(usersync.RunQuery{ID: "run 1"})[0].Status, usersync.RunSucceeded)
}

func runDelete(s *stores) {
	for i, id := range []string{"old", "mails", "newest"} {
		l, rec := s.start(id, "staff", day(1+i))
		e := usersync.JournalEntry{Number: 1, Data: []byte("x"), Mails: []usersync.Mail{mail(id, "staff", "u1")}}
		s.good("Append", s.Journal.Append(s.Context(), l, e))
		s.finish(l, rec, nil)
		if id == "old" {
			sent := e.Mails[0]
			sent.State = usersync.MailSent
			s.good("MoveMail", s.Outbox.MoveMail(s.Context(), sent, usersync.MailQueued))
		}
	}
	s.start("live", "other", day(1))
	n, err := s.Stores.Runs.DeleteRuns(s.Context(), day(1))
	s.good("DeleteRuns", err)
	s.same("the number of runs that ended before the first", n, 0)
	n, err = s.Stores.Runs.DeleteRuns(s.Context(), day(20))
	s.good("DeleteRuns", err)
	s.same("the number of runs", n, 1)
	var left []string
	for _, r := range s.runs(usersync.RunQuery{}) {
		left = append(left, r.ID)
	}
	s.same("the runs that are left", left, []string{"newest", "mails", "live"})
	s.same("the mails of the run", len(s.mails(usersync.MailQuery{RunID: "old"})), 0)
	_, err = s.Plans.LoadPlan(s.Context(), "old")
	s.refused("LoadPlan", err, usersync.ErrNotFound)
}

func journalRoundTrip(s *stores) {
	l, _ := s.start("run 1", "staff", day(1))
	for _, number := range []int{1, 2, 11} {
		s.good("Append", s.Journal.Append(s.Context(), l, usersync.JournalEntry{Number: number, Data: []byte(fmt.Sprint(`"ü`, number, "\x00"))}))
	}
	entries, err := s.Journal.Entries(s.Context(), "run 1")
	s.good("Entries", err)
	got := ""
	for _, e := range entries {
		got += fmt.Sprint(e.Number, " ", string(e.Data), ";")
	}
	s.same("the journal", got, "1 \"ü1\x00;2 \"ü2\x00;11 \"ü11\x00;")
	none, err := s.Journal.Entries(s.Context(), "run 9")
	s.good("Entries", err)
	s.same("the journal of no run", len(none), 0)
}

func journalNumbers(s *stores) {
	l, _ := s.start("run 1", "staff", day(1))
	s.good("Append", s.Journal.Append(s.Context(), l, usersync.JournalEntry{Number: 2, Data: []byte("a")}))
	s.refused("Append of the number again", s.Journal.Append(s.Context(), l, usersync.JournalEntry{Number: 2, Data: []byte("b")}), usersync.ErrDuplicate)
	entries, err := s.Journal.Entries(s.Context(), "run 1")
	s.good("Entries", err)
	s.same("the journal", fmt.Sprintf("%d %s", len(entries), entries[0].Data), "1 a")
}

func journalResults(s *stores) {
	l, rec := s.start("run 1", "staff", day(1))
	end := usersync.RunEnd{Run: rec, Results: map[int][]byte{1: []byte("one"), 4: []byte("four")}}
	s.good("FinishRun", s.Stores.Runs.FinishRun(s.Context(), l, end))
	got, err := s.Journal.Results(s.Context(), "run 1", 1, 5)
	s.good("Results", err)
	s.same("the results", fmt.Sprintf("%q %t", got, got[1] == nil), `["one" "" "" "four" ""] true`)
	l = s.acquire("staff", "run 1", long)
	s.good("StartRun", s.Stores.Runs.StartRun(s.Context(), l, rec))
	end.Results = map[int][]byte{0: []byte("zero")}
	s.good("FinishRun", s.Stores.Runs.FinishRun(s.Context(), l, end))
	got, err = s.Journal.Results(s.Context(), "run 1", 0, 2)
	s.good("Results", err)
	s.same("the results after a second end", fmt.Sprintf("%q", got), `["zero" ""]`)
}

func journalMails(s *stores) {
	l, _ := s.start("run 1", "staff", day(1))
	m := mail("run 1", "staff", "u1")
	s.good("Append", s.Journal.Append(s.Context(), l, usersync.JournalEntry{Number: 1, Data: []byte("a"), Mails: []usersync.Mail{m}}))
	s.same("Mails", s.mails(usersync.MailQuery{}), []usersync.Mail{m})
	err := s.Journal.Append(s.Context(), l, usersync.JournalEntry{Number: 1, Data: []byte("b"), Mails: []usersync.Mail{mail("run 1", "staff", "u2")}})
	s.refused("Append of the number again", err, usersync.ErrDuplicate)
	s.same("the number of mails", len(s.mails(usersync.MailQuery{})), 1)
}

func leaseOneHolder(s *stores) {
	l := s.acquire("staff", "run 1", long)
	s.same("the lease", fmt.Sprint(l.ConfigID, l.RunID, l.Token > 0), "staffrun 1true")
	for _, run := range []string{"run 1", "run 2"} {
		_, err := s.Leases.Acquire(s.Context(), "staff", run, long)
		s.inProgress(err, "run 1")
	}
	s.good("Release", s.Leases.Release(s.Context(), l))
	s.good("Release again", s.Leases.Release(s.Context(), l))
	if next := s.acquire("staff", "run 2", long); next.Token <= l.Token {
		s.breach("the token was %d and then %d", l.Token, next.Token)
	}
}

func leaseEach(s *stores) {
	for _, config := range []string{"staff", "Staff", "staff ", "other"} {
		s.acquire(config, "run of "+config, long)
	}
}

func leaseAtOnce(s *stores) {
	lost := func(err error) bool { return errors.Is(err, usersync.ErrRunInProgress) }
	s.atOnce("Acquire", lost, func(i int) error {
		_, err := s.Leases.Acquire(s.Context(), "staff", fmt.Sprint("run ", i), long)
		return err
	})
}

// eventually takes a lease that is about to run out.
func (s *stores) eventually(config, run string) usersync.Lease {
	s.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(brief / 4) {
		l, err := s.Leases.Acquire(s.Context(), config, run, long)
		if err == nil {
			return l
		}
		if !errors.Is(err, usersync.ErrRunInProgress) {
			s.breach("Acquire failed: %v", err)
		}
	}
	s.breach("a lease of %v does not run out", brief)
	return usersync.Lease{}
}

func leaseRunsOut(s *stores) {
	first := s.acquire("staff", "run 1", brief)
	second := s.eventually("staff", "run 2")
	if second.Token <= first.Token {
		s.breach("the token was %d and then %d", first.Token, second.Token)
	}
	kept := s.acquire("other", "run 3", brief)
	if _, err := s.Leases.Renew(s.Context(), kept, long); err != nil {
		s.breach("Renew failed: %v", err)
	}
	time.Sleep(2 * brief)
	_, err := s.Leases.Acquire(s.Context(), "other", "run 4", long)
	s.inProgress(err, "run 3")
}

func leaseFencing(s *stores) {
	s.plan("run 1", "staff", 1, "a")
	old := s.acquire("staff", "run 1", brief)
	rec := runRecord("run 1", "staff", day(1))
	s.good("StartRun", s.Stores.Runs.StartRun(s.Context(), old, rec))
	now := s.eventually("staff", "run 1") // another process, of the same run
	_, renewed := s.Leases.Renew(s.Context(), old, long)
	s.refused("Renew", renewed, usersync.ErrLeaseLost)
	ended := rec
	ended.Status = usersync.RunSucceeded
	s.refused("StartRun", s.Stores.Runs.StartRun(s.Context(), old, ended), usersync.ErrLeaseLost)
	s.refused("Append", s.Journal.Append(s.Context(), old, usersync.JournalEntry{Number: 1, Data: []byte("a"), Mails: []usersync.Mail{mail("run 1", "staff", "u1")}}),
		usersync.ErrLeaseLost)
	end := usersync.RunEnd{Run: ended, Baseline: &usersync.Baseline{RunID: "run 1"}, Results: map[int][]byte{0: []byte("x")}}
	s.refused("FinishRun", s.Stores.Runs.FinishRun(s.Context(), old, end), usersync.ErrLeaseLost)
	s.good("Release of a lost lease", s.Leases.Release(s.Context(), old))
	s.untouched(rec)
	s.good("Append", s.Journal.Append(s.Context(), now, usersync.JournalEntry{Number: 1, Data: []byte("b")}))
}

// untouched looks that nothing was written after StartRun.
func (s *stores) untouched(rec usersync.RunRecord) {
	s.Helper()
	s.same("the runs", s.runs(usersync.RunQuery{}), []usersync.RunRecord{rec})
	s.same("the number of mails", len(s.mails(usersync.MailQuery{})), 0)
	base, err := s.Baselines.Load(s.Context(), rec.ConfigID)
	s.good("Load", err)
	s.same("the baseline", base.RunID, "")
	entries, err := s.Journal.Entries(s.Context(), rec.ID)
	s.good("Entries", err)
	s.same("the length of the journal", len(entries), 0)
}

func leaseCancel(s *stores) {
	s.refused("Cancel of no run", s.Leases.Cancel(s.Context(), "run 1"), usersync.ErrNotFound)
	l := s.acquire("staff", "run 1", long)
	renew := func(l usersync.Lease) bool {
		cancel, err := s.Leases.Renew(s.Context(), l, long)
		s.good("Renew", err)
		return cancel
	}
	s.same("Renew before", renew(l), false)
	s.good("Cancel", s.Leases.Cancel(s.Context(), "run 1"))
	s.same("Renew after", renew(l), true)
	s.good("Release", s.Leases.Release(s.Context(), l))
	s.refused("Cancel of a run that has ended", s.Leases.Cancel(s.Context(), "run 1"), usersync.ErrNotFound)
	s.same("Renew of the next holder", renew(s.acquire("staff", "run 1", long)), false)
}

func mailOrder(s *stores) {
	first, _ := s.start("run 1", "staff", day(1))
	second, _ := s.start("run 2", "other", day(1))
	queue := func(l usersync.Lease, number int, when time.Time, users ...string) {
		e := usersync.JournalEntry{Number: number, Data: []byte("x")}
		for _, u := range users {
			m := mail(l.RunID, l.ConfigID, u)
			m.Queued = when
			e.Mails = append(e.Mails, m)
		}
		s.good("Append", s.Journal.Append(s.Context(), l, e))
	}
	queue(first, 1, day(1), "z", "y", "x")
	queue(first, 2, day(1), "a")
	queue(second, 1, day(2), "b", "c")
	dropped := mail("run 1", "staff", "y")
	dropped.State, dropped.Queued = usersync.MailDropped, day(1)
	s.good("MoveMail", s.Outbox.MoveMail(s.Context(), dropped, usersync.MailQueued))
	for _, w := range []struct {
		q    usersync.MailQuery
		want string
	}{
		{usersync.MailQuery{}, "zyxabc"}, {usersync.MailQuery{RunID: "run 1"}, "zyxa"}, {usersync.MailQuery{ConfigID: "other"}, "bc"},
		{usersync.MailQuery{Key: "run 1/x"}, "x"}, {usersync.MailQuery{States: []usersync.MailState{usersync.MailDropped}}, "y"},
		{usersync.MailQuery{Skip: 1, Limit: 2}, "yx"}, {usersync.MailQuery{RunID: "run 9"}, ""},
	} {
		got := ""
		for _, m := range s.mails(w.q) {
			got += m.UserID
		}
		s.same(fmt.Sprintf("Mails(%+v)", w.q), got, w.want)
	}
}

// queued is a mail in the outbox.
func (s *stores) queued() usersync.Mail {
	s.Helper()
	l, _ := s.start("run 1", "staff", day(1))
	m := mail("run 1", "staff", "u1")
	s.good("Append", s.Journal.Append(s.Context(), l, usersync.JournalEntry{Number: 1, Data: []byte("x"), Mails: []usersync.Mail{m}}))
	return m
}

func mailMove(s *stores) {
	m := s.queued()
	m.State, m.Tries, m.Note, m.Changed = usersync.MailFailed, 2, "no 'such' mailbox", day(5)
	s.good("MoveMail", s.Outbox.MoveMail(s.Context(), m, usersync.MailQueued))
	s.same("the mail", s.mails(usersync.MailQuery{}), []usersync.Mail{m})
	m.State = usersync.MailSent
	s.refused("MoveMail from a state that it has not", s.Outbox.MoveMail(s.Context(), m, usersync.MailQueued), usersync.ErrEdited)
	other := mail("run 1", "staff", "u9")
	s.refused("MoveMail of no mail", s.Outbox.MoveMail(s.Context(), other, usersync.MailQueued), usersync.ErrNotFound)
	s.same("the state", s.mails(usersync.MailQuery{})[0].State, usersync.MailFailed)
}

func mailAtOnce(s *stores) {
	m := s.queued()
	m.State = usersync.MailSending
	s.atOnce("MoveMail", isEdited, func(int) error { return s.Outbox.MoveMail(s.Context(), m, usersync.MailQueued) })
}
