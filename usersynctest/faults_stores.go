package usersynctest

import (
	"context"
	"iter"
	"time"

	"github.com/usersync-go/usersync"
)

// Stores wraps everything that an engine keeps runs in. The journal is a usersync.JointJournal if the one
// in s is; it joins with the store of users that Users has wrapped.
func (f *Faults) Stores(s usersync.Stores) usersync.Stores {
	out := usersync.Stores{Baselines: f.Baselines(s.Baselines), Plans: faultyPlans{f, s.Plans}, Runs: faultyRuns{f, s.Runs},
		Journal: faultyJournal{f, s.Journal}, Leases: faultyLeases{f, s.Leases}, Outbox: faultyOutbox{f, s.Outbox}}
	if s.Imports != nil {
		out.Imports = faultyImports{f, s.Imports}
	}
	if s.Configs != nil {
		out.Configs = faultyConfigs{f, s.Configs}
	}
	if joint, ok := s.Journal.(usersync.JointJournal); ok {
		out.Journal = faultyJoint{faultyJournal{f, s.Journal}, joint}
	}
	return out
}

type faultyConfigs struct {
	faults *Faults
	store  usersync.ConfigStore
}

func (c faultyConfigs) LoadConfig(ctx context.Context, id string) (usersync.Config, error) {
	return answer(ctx, c.faults, "ConfigStore.LoadConfig", func() (usersync.Config, error) {
		return c.store.LoadConfig(ctx, id)
	}, func() {})
}

func (c faultyConfigs) Configs(ctx context.Context) ([]usersync.Config, error) {
	return answer(ctx, c.faults, "ConfigStore.Configs", func() ([]usersync.Config, error) {
		return c.store.Configs(ctx)
	}, func() {})
}

func (c faultyConfigs) SaveConfig(ctx context.Context, cfg usersync.Config, ifRevision int64) error {
	return c.faults.Call(ctx, "ConfigStore.SaveConfig", func() error { return c.store.SaveConfig(ctx, cfg, ifRevision) })
}

func (c faultyConfigs) DeleteConfig(ctx context.Context, id string) error {
	return c.faults.Call(ctx, "ConfigStore.DeleteConfig", func() error { return c.store.DeleteConfig(ctx, id) })
}

type faultyPlans struct {
	faults *Faults
	store  usersync.PlanStore
}

func (p faultyPlans) SavePlan(ctx context.Context, rec usersync.PlanRecord, parts iter.Seq2[[]byte, error]) error {
	return p.faults.Call(ctx, "PlanStore.SavePlan", func() error { return p.store.SavePlan(ctx, rec, parts) })
}

func (p faultyPlans) LoadPlan(ctx context.Context, id string) (usersync.PlanRecord, error) {
	return answer(ctx, p.faults, "PlanStore.LoadPlan", func() (usersync.PlanRecord, error) {
		return p.store.LoadPlan(ctx, id)
	}, func() {})
}

func (p faultyPlans) PlanParts(ctx context.Context, id string, edition, first, n int) ([][]byte, error) {
	return answer(ctx, p.faults, "PlanStore.PlanParts", func() ([][]byte, error) {
		return p.store.PlanParts(ctx, id, edition, first, n)
	}, func() {})
}

func (p faultyPlans) DeletePlans(ctx context.Context, before time.Time) (int, error) {
	return answer(ctx, p.faults, "PlanStore.DeletePlans", func() (int, error) {
		return p.store.DeletePlans(ctx, before)
	}, func() {})
}

type faultyRuns struct {
	faults *Faults
	store  usersync.RunStore
}

func (r faultyRuns) StartRun(ctx context.Context, l usersync.Lease, rec usersync.RunRecord) error {
	return r.faults.Call(ctx, "RunStore.StartRun", func() error { return r.store.StartRun(ctx, l, rec) })
}

func (r faultyRuns) FinishRun(ctx context.Context, l usersync.Lease, end usersync.RunEnd) error {
	return r.faults.Call(ctx, "RunStore.FinishRun", func() error { return r.store.FinishRun(ctx, l, end) })
}

func (r faultyRuns) Runs(ctx context.Context, q usersync.RunQuery) ([]usersync.RunRecord, error) {
	return answer(ctx, r.faults, "RunStore.Runs", func() ([]usersync.RunRecord, error) {
		return r.store.Runs(ctx, q)
	}, func() {})
}

func (r faultyRuns) DeleteRuns(ctx context.Context, before time.Time) (int, error) {
	return answer(ctx, r.faults, "RunStore.DeleteRuns", func() (int, error) {
		return r.store.DeleteRuns(ctx, before)
	}, func() {})
}

type faultyJournal struct {
	faults *Faults
	store  usersync.Journal
}

func (j faultyJournal) Append(ctx context.Context, l usersync.Lease, e usersync.JournalEntry) error {
	return j.faults.Call(ctx, "Journal.Append", func() error { return j.store.Append(ctx, l, e) })
}

func (j faultyJournal) Entries(ctx context.Context, runID string) ([]usersync.JournalEntry, error) {
	return answer(ctx, j.faults, "Journal.Entries", func() ([]usersync.JournalEntry, error) {
		return j.store.Entries(ctx, runID)
	}, func() {})
}

func (j faultyJournal) Results(ctx context.Context, runID string, first, n int) ([][]byte, error) {
	return answer(ctx, j.faults, "Journal.Results", func() ([][]byte, error) {
		return j.store.Results(ctx, runID, first, n)
	}, func() {})
}

type faultyJoint struct {
	faultyJournal
	joint usersync.JointJournal
}

func (j faultyJoint) Joins(users usersync.UserStore) bool {
	wrapped, ok := users.(faultyUsers)
	return ok && j.joint.Joins(wrapped.store)
}

func (j faultyJoint) WriteJointly(ctx context.Context, l usersync.Lease, users usersync.UserStore, changes []usersync.Change,
	entry func([]usersync.Outcome) (usersync.JournalEntry, error)) ([]usersync.Outcome, error) {
	return answer(ctx, j.faults, "JointJournal.WriteJointly", func() ([]usersync.Outcome, error) {
		return j.joint.WriteJointly(ctx, l, users.(faultyUsers).store, changes, entry)
	}, func() {})
}

type faultyLeases struct {
	faults *Faults
	store  usersync.LeaseStore
}

func (s faultyLeases) Acquire(ctx context.Context, configID, runID string, ttl time.Duration) (usersync.Lease, error) {
	return answer(ctx, s.faults, "LeaseStore.Acquire", func() (usersync.Lease, error) {
		return s.store.Acquire(ctx, configID, runID, ttl)
	}, func() {})
}

func (s faultyLeases) Renew(ctx context.Context, l usersync.Lease, ttl time.Duration) (bool, error) {
	return answer(ctx, s.faults, "LeaseStore.Renew", func() (bool, error) { return s.store.Renew(ctx, l, ttl) }, func() {})
}

func (s faultyLeases) Release(ctx context.Context, l usersync.Lease) error {
	return s.faults.Call(ctx, "LeaseStore.Release", func() error { return s.store.Release(ctx, l) })
}

func (s faultyLeases) Cancel(ctx context.Context, runID string) error {
	return s.faults.Call(ctx, "LeaseStore.Cancel", func() error { return s.store.Cancel(ctx, runID) })
}

type faultyOutbox struct {
	faults *Faults
	store  usersync.Outbox
}

func (o faultyOutbox) Mails(ctx context.Context, q usersync.MailQuery) ([]usersync.Mail, error) {
	return answer(ctx, o.faults, "Outbox.Mails", func() ([]usersync.Mail, error) { return o.store.Mails(ctx, q) }, func() {})
}

func (o faultyOutbox) QueueMails(ctx context.Context, mails []usersync.Mail) error {
	return o.faults.Call(ctx, "Outbox.QueueMails", func() error { return o.store.QueueMails(ctx, mails) })
}

func (o faultyOutbox) MoveMail(ctx context.Context, m usersync.Mail, from usersync.MailState) error {
	return o.faults.Call(ctx, "Outbox.MoveMail", func() error { return o.store.MoveMail(ctx, m, from) })
}

type faultyImports struct {
	faults *Faults
	store  usersync.ImportStore
}

func (i faultyImports) SaveImport(ctx context.Context, imp usersync.Import, file iter.Seq2[[]byte, error]) error {
	return i.faults.Call(ctx, "ImportStore.SaveImport", func() error { return i.store.SaveImport(ctx, imp, file) })
}

func (i faultyImports) Imports(ctx context.Context, q usersync.ImportQuery) ([]usersync.Import, error) {
	return answer(ctx, i.faults, "ImportStore.Imports", func() ([]usersync.Import, error) { return i.store.Imports(ctx, q) }, func() {})
}

func (i faultyImports) ImportParts(ctx context.Context, id string, first, n int) ([][]byte, error) {
	return answer(ctx, i.faults, "ImportStore.ImportParts", func() ([][]byte, error) {
		return i.store.ImportParts(ctx, id, first, n)
	}, func() {})
}

func (i faultyImports) DeleteImport(ctx context.Context, id string, edition int) error {
	return i.faults.Call(ctx, "ImportStore.DeleteImport", func() error { return i.store.DeleteImport(ctx, id, edition) })
}
