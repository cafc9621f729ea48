package usersynctest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

func TestStoreChecksFindDefects(t *testing.T) {
	sound := func(tr trial) *stores { return &stores{tr, memory.NewState(nil).Stores()} }
	prove(t, storeChecks(), sound, storeDefects())
}

// twisted is a state in memory of which some calls are replaced. They may use the sound state below.
type twisted struct {
	*memory.State
	loadConfig   func(ctx context.Context, id string) (usersync.Config, error)
	configs      func(ctx context.Context) ([]usersync.Config, error)
	saveConfig   func(ctx context.Context, cfg usersync.Config, ifRevision int64) error
	deleteConfig func(ctx context.Context, id string) error
	savePlan     func(ctx context.Context, rec usersync.PlanRecord, parts iter.Seq2[[]byte, error]) error
	loadPlan     func(ctx context.Context, id string) (usersync.PlanRecord, error)
	planParts    func(ctx context.Context, id string, edition, first, n int) ([][]byte, error)
	deletePlans  func(ctx context.Context, before time.Time) (int, error)
	startRun     func(ctx context.Context, l usersync.Lease, rec usersync.RunRecord) error
	finishRun    func(ctx context.Context, l usersync.Lease, end usersync.RunEnd) error
	runs         func(ctx context.Context, q usersync.RunQuery) ([]usersync.RunRecord, error)
	deleteRuns   func(ctx context.Context, before time.Time) (int, error)
	append       func(ctx context.Context, l usersync.Lease, e usersync.JournalEntry) error
	entries      func(ctx context.Context, runID string) ([]usersync.JournalEntry, error)
	results      func(ctx context.Context, runID string, first, n int) ([][]byte, error)
	acquire      func(ctx context.Context, configID, runID string, ttl time.Duration) (usersync.Lease, error)
	cancel       func(ctx context.Context, runID string) error
	mails        func(ctx context.Context, q usersync.MailQuery) ([]usersync.Mail, error)
	moveMail     func(ctx context.Context, m usersync.Mail, from usersync.MailState) error
	queueMails   func(ctx context.Context, mails []usersync.Mail) error
	saveImport   func(ctx context.Context, imp usersync.Import, file iter.Seq2[[]byte, error]) error
	imports      func(ctx context.Context, q usersync.ImportQuery) ([]usersync.Import, error)
	importParts  func(ctx context.Context, id string, first, n int) ([][]byte, error)
	deleteImport func(ctx context.Context, id string, edition int) error
}

func (s *twisted) LoadConfig(ctx context.Context, id string) (usersync.Config, error) {
	return s.loadConfig(ctx, id)
}
func (s *twisted) Configs(ctx context.Context) ([]usersync.Config, error) { return s.configs(ctx) }
func (s *twisted) SaveConfig(ctx context.Context, cfg usersync.Config, ifRevision int64) error {
	return s.saveConfig(ctx, cfg, ifRevision)
}
func (s *twisted) DeleteConfig(ctx context.Context, id string) error { return s.deleteConfig(ctx, id) }
func (s *twisted) SavePlan(ctx context.Context, rec usersync.PlanRecord, parts iter.Seq2[[]byte, error]) error {
	return s.savePlan(ctx, rec, parts)
}
func (s *twisted) LoadPlan(ctx context.Context, id string) (usersync.PlanRecord, error) {
	return s.loadPlan(ctx, id)
}
func (s *twisted) PlanParts(ctx context.Context, id string, edition, first, n int) ([][]byte, error) {
	return s.planParts(ctx, id, edition, first, n)
}
func (s *twisted) DeletePlans(ctx context.Context, before time.Time) (int, error) {
	return s.deletePlans(ctx, before)
}
func (s *twisted) StartRun(ctx context.Context, l usersync.Lease, rec usersync.RunRecord) error {
	return s.startRun(ctx, l, rec)
}
func (s *twisted) FinishRun(ctx context.Context, l usersync.Lease, end usersync.RunEnd) error {
	return s.finishRun(ctx, l, end)
}
func (s *twisted) Runs(ctx context.Context, q usersync.RunQuery) ([]usersync.RunRecord, error) {
	return s.runs(ctx, q)
}
func (s *twisted) DeleteRuns(ctx context.Context, before time.Time) (int, error) {
	return s.deleteRuns(ctx, before)
}
func (s *twisted) Append(ctx context.Context, l usersync.Lease, e usersync.JournalEntry) error {
	return s.append(ctx, l, e)
}
func (s *twisted) Entries(ctx context.Context, runID string) ([]usersync.JournalEntry, error) {
	return s.entries(ctx, runID)
}
func (s *twisted) Results(ctx context.Context, runID string, first, n int) ([][]byte, error) {
	return s.results(ctx, runID, first, n)
}
func (s *twisted) Acquire(ctx context.Context, configID, runID string, ttl time.Duration) (usersync.Lease, error) {
	return s.acquire(ctx, configID, runID, ttl)
}
func (s *twisted) Cancel(ctx context.Context, runID string) error { return s.cancel(ctx, runID) }
func (s *twisted) Mails(ctx context.Context, q usersync.MailQuery) ([]usersync.Mail, error) {
	return s.mails(ctx, q)
}
func (s *twisted) QueueMails(ctx context.Context, mails []usersync.Mail) error {
	return s.queueMails(ctx, mails)
}
func (s *twisted) MoveMail(ctx context.Context, m usersync.Mail, from usersync.MailState) error {
	return s.moveMail(ctx, m, from)
}
func (s *twisted) SaveImport(ctx context.Context, imp usersync.Import, file iter.Seq2[[]byte, error]) error {
	return s.saveImport(ctx, imp, file)
}
func (s *twisted) Imports(ctx context.Context, q usersync.ImportQuery) ([]usersync.Import, error) {
	return s.imports(ctx, q)
}
func (s *twisted) ImportParts(ctx context.Context, id string, first, n int) ([][]byte, error) {
	return s.importParts(ctx, id, first, n)
}
func (s *twisted) DeleteImport(ctx context.Context, id string, edition int) error {
	return s.deleteImport(ctx, id, edition)
}

// twist makes stores with a fault.
func twist(fault func(s *twisted)) func(trial) *stores {
	return func(tr trial) *stores {
		m := memory.NewState(nil)
		s := &twisted{m, m.LoadConfig, m.Configs, m.SaveConfig, m.DeleteConfig, m.SavePlan, m.LoadPlan, m.PlanParts, m.DeletePlans,
			m.StartRun, m.FinishRun, m.Runs, m.DeleteRuns, m.Append, m.Entries, m.Results, m.Acquire, m.Cancel, m.Mails, m.MoveMail, m.QueueMails,
			m.SaveImport, m.Imports, m.ImportParts, m.DeleteImport}
		fault(s)
		return &stores{tr, usersync.Stores{Configs: s, Baselines: s, Plans: s, Runs: s, Journal: s, Leases: s, Outbox: s, Imports: s}}
	}
}

// forgiving is err, unless it wraps one that is kept quiet.
func forgiving(err, quiet error) error {
	if errors.Is(err, quiet) {
		return nil
	}
	return err
}

func loose(id string) string { return strings.ToLower(strings.TrimSpace(id)) }

func storeDefects() []defect[*stores] {
	return slices.Concat(configDefects(), planDefects(), runDefects(), leaseDefects(), importDefects())
}

func configDefects() []defect[*stores] {
	return []defect[*stores]{
		{"forgetting rules", []string{"Configs/round trip"}, twist(func(s *twisted) {
			s.loadConfig = func(ctx context.Context, id string) (usersync.Config, error) {
				cfg, err := s.State.LoadConfig(ctx, id)
				cfg.Rules = nil
				return cfg, err
			}
		})},
		{"loose ids", []string{"Configs/unknown"}, twist(func(s *twisted) {
			s.loadConfig = func(ctx context.Context, id string) (usersync.Config, error) {
				return s.State.LoadConfig(ctx, loose(id))
			}
		})},
		{"any order", []string{"Configs/order"}, twist(func(s *twisted) {
			s.configs = func(ctx context.Context) ([]usersync.Config, error) {
				all, err := s.State.Configs(ctx)
				slices.Reverse(all)
				return all, err
			}
		})},
		{"last save wins", []string{"Configs/compare and set", "Configs/at once"}, twist(func(s *twisted) {
			s.saveConfig = func(ctx context.Context, cfg usersync.Config, ifRevision int64) error {
				err := s.State.SaveConfig(ctx, cfg, ifRevision)
				return forgiving(forgiving(err, usersync.ErrEdited), usersync.ErrDuplicate)
			}
		})},
		{"deleting nothing", []string{"Configs/delete", "Configs/delete while held"}, twist(func(s *twisted) {
			s.deleteConfig = func(context.Context, string) error { return nil }
		})},
		{"deaf to contexts", []string{"cancelled/all"}, twist(func(s *twisted) {
			s.append = func(ctx context.Context, l usersync.Lease, e usersync.JournalEntry) error {
				return s.State.Append(context.WithoutCancel(ctx), l, e)
			}
		})},
	}
}

func planDefects() []defect[*stores] {
	return []defect[*stores]{
		{"forgetting the actor", []string{"Plans/round trip"}, twist(func(s *twisted) {
			s.loadPlan = func(ctx context.Context, id string) (usersync.PlanRecord, error) {
				rec, err := s.State.LoadPlan(ctx, id)
				rec.Actor = usersync.Actor{}
				return rec, err
			}
		})},
		{"short parts", []string{"Plans/large"}, twist(func(s *twisted) {
			s.planParts = func(ctx context.Context, id string, edition, first, n int) ([][]byte, error) {
				parts, err := s.State.PlanParts(ctx, id, edition, first, n)
				for i := range parts {
					parts[i] = parts[i][:min(len(parts[i]), 1<<20)]
				}
				return parts, err
			}
		})},
		{"last plan wins", []string{"Plans/editions", "Plans/at once"}, twist(func(s *twisted) {
			s.savePlan = func(ctx context.Context, rec usersync.PlanRecord, parts iter.Seq2[[]byte, error]) error {
				return forgiving(s.State.SavePlan(ctx, rec, parts), usersync.ErrEdited)
			}
		})},
		{"half a plan", []string{"Plans/atomic"}, twist(func(s *twisted) {
			s.savePlan = func(ctx context.Context, rec usersync.PlanRecord, parts iter.Seq2[[]byte, error]) error {
				return s.State.SavePlan(ctx, rec, func(yield func([]byte, error) bool) {
					for part, err := range parts {
						if err != nil || !yield(part, nil) {
							return
						}
					}
				})
			}
		})},
		{"keeping plans", []string{"Plans/delete"}, twist(func(s *twisted) {
			s.deletePlans = func(context.Context, time.Time) (int, error) { return 0, nil }
		})},
	}
}

func runDefects() []defect[*stores] {
	return []defect[*stores]{
		{"starting once", []string{"Runs/start"}, twist(func(s *twisted) {
			s.startRun = func(ctx context.Context, l usersync.Lease, rec usersync.RunRecord) error {
				if there, err := s.State.Runs(ctx, usersync.RunQuery{ID: rec.ID}); len(there) > 0 || err != nil {
					return err
				}
				return s.State.StartRun(ctx, l, rec)
			}
		})},
		{"any edition", []string{"Runs/edition"}, twist(func(s *twisted) {
			s.startRun = func(ctx context.Context, l usersync.Lease, rec usersync.RunRecord) error {
				return forgiving(s.State.StartRun(ctx, l, rec), usersync.ErrEdited)
			}
		})},
		{"losing baselines", []string{"Runs/finish"}, twist(func(s *twisted) {
			s.finishRun = func(ctx context.Context, l usersync.Lease, end usersync.RunEnd) error {
				end.Baseline = nil
				return s.State.FinishRun(ctx, l, end)
			}
		})},
		{"oldest first", []string{"Runs/order"}, twist(func(s *twisted) {
			s.runs = func(ctx context.Context, q usersync.RunQuery) ([]usersync.RunRecord, error) {
				all, err := s.State.Runs(ctx, q)
				slices.Reverse(all)
				return all, err
			}
		})},
		{"running for ever", []string{"Runs/interrupted"}, twist(func(s *twisted) {
			s.runs = func(ctx context.Context, q usersync.RunQuery) ([]usersync.RunRecord, error) {
				all, err := s.State.Runs(ctx, q)
				for i := range all {
					if all[i].Status == usersync.RunInterrupted {
						all[i].Status = usersync.RunRunning
					}
				}
				return all, err
			}
		})},
		{"keeping runs", []string{"Runs/delete"}, twist(func(s *twisted) {
			s.deleteRuns = func(context.Context, time.Time) (int, error) { return 0, nil }
		})},
		{"journal backwards", []string{"Journal/round trip"}, twist(func(s *twisted) {
			s.entries = func(ctx context.Context, runID string) ([]usersync.JournalEntry, error) {
				all, err := s.State.Entries(ctx, runID)
				slices.Reverse(all)
				return all, err
			}
		})},
		{"any number", []string{"Journal/numbers"}, twist(func(s *twisted) {
			s.append = func(ctx context.Context, l usersync.Lease, e usersync.JournalEntry) error {
				return forgiving(s.State.Append(ctx, l, e), usersync.ErrDuplicate)
			}
		})},
		{"results without gaps", []string{"Journal/results"}, twist(func(s *twisted) {
			s.results = func(ctx context.Context, runID string, first, n int) ([][]byte, error) {
				all, err := s.State.Results(ctx, runID, first, n)
				return slices.DeleteFunc(all, func(part []byte) bool { return part == nil }), err
			}
		})},
		{"losing mails", []string{"Journal/mails"}, twist(func(s *twisted) {
			s.append = func(ctx context.Context, l usersync.Lease, e usersync.JournalEntry) error {
				e.Mails = nil
				return s.State.Append(ctx, l, e)
			}
		})},
	}
}

func leaseDefects() []defect[*stores] {
	return []defect[*stores]{
		{"leases for all", []string{"Leases/one holder", "Leases/at once"}, twist(func(s *twisted) {
			s.acquire = func(ctx context.Context, configID, runID string, ttl time.Duration) (usersync.Lease, error) {
				l, err := s.State.Acquire(ctx, configID, runID, ttl)
				return l, forgiving(err, usersync.ErrRunInProgress)
			}
		})},
		{"loose configurations", []string{"Leases/each configuration"}, twist(func(s *twisted) {
			s.acquire = func(ctx context.Context, configID, runID string, ttl time.Duration) (usersync.Lease, error) {
				return s.State.Acquire(ctx, loose(configID), runID, ttl)
			}
		})},
		{"one token", []string{"Leases/run out"}, twist(func(s *twisted) {
			s.acquire = func(ctx context.Context, configID, runID string, ttl time.Duration) (usersync.Lease, error) {
				l, err := s.State.Acquire(ctx, configID, runID, ttl)
				l.Token = 1
				return l, err
			}
		})},
		{"no fence", []string{"Leases/fencing"}, twist(func(s *twisted) {
			s.append = func(ctx context.Context, l usersync.Lease, e usersync.JournalEntry) error {
				return forgiving(s.State.Append(ctx, l, e), usersync.ErrLeaseLost)
			}
		})},
		{"deaf to cancel", []string{"Leases/cancel"}, twist(func(s *twisted) {
			s.cancel = func(context.Context, string) error { return nil }
		})},
		{"mails backwards", []string{"Outbox/order"}, twist(func(s *twisted) {
			s.mails = func(ctx context.Context, q usersync.MailQuery) ([]usersync.Mail, error) {
				all, err := s.State.Mails(ctx, q)
				slices.Reverse(all)
				return all, err
			}
		})},
		{"dropping what is queued", []string{"Outbox/queue"}, twist(func(s *twisted) {
			s.queueMails = func(ctx context.Context, mails []usersync.Mail) error {
				return forgiving(s.State.QueueMails(ctx, mails), usersync.ErrDuplicate)
			}
		})},
		{"always due", []string{"Outbox/due"}, twist(func(s *twisted) {
			s.mails = func(ctx context.Context, q usersync.MailQuery) ([]usersync.Mail, error) {
				q.Due = time.Time{}
				return s.State.Mails(ctx, q)
			}
		})},
		{"last move wins", []string{"Outbox/move", "Outbox/at once"}, twist(func(s *twisted) {
			s.moveMail = func(ctx context.Context, m usersync.Mail, from usersync.MailState) error {
				return forgiving(s.State.MoveMail(ctx, m, from), usersync.ErrEdited)
			}
		})},
	}
}

func importDefects() []defect[*stores] {
	return []defect[*stores]{
		{"forgetting comments", []string{"Imports/round trip"}, twist(func(s *twisted) {
			s.imports = func(ctx context.Context, q usersync.ImportQuery) ([]usersync.Import, error) {
				all, err := s.State.Imports(ctx, q)
				for i := range all {
					all[i].Comment = ""
				}
				return all, err
			}
		})},
		{"small parts", []string{"Imports/large"}, twist(func(s *twisted) {
			s.importParts = func(ctx context.Context, id string, first, n int) ([][]byte, error) {
				parts, err := s.State.ImportParts(ctx, id, first, n)
				for i := range parts {
					parts[i] = parts[i][:min(len(parts[i]), 64<<10)]
				}
				return parts, err
			}
		})},
		{"last import wins", []string{"Imports/editions", "Imports/at once"}, twist(func(s *twisted) {
			s.saveImport = func(ctx context.Context, imp usersync.Import, file iter.Seq2[[]byte, error]) error {
				return forgiving(s.State.SaveImport(ctx, imp, file), usersync.ErrEdited)
			}
		})},
		{"nil empties", []string{"Imports/editions"}, twist(func(s *twisted) {
			s.saveImport = func(ctx context.Context, imp usersync.Import, file iter.Seq2[[]byte, error]) error {
				if file == nil {
					file = sequence(nil, nil)
				}
				return s.State.SaveImport(ctx, imp, file)
			}
		})},
		{"half a file", []string{"Imports/atomic"}, twist(func(s *twisted) {
			s.saveImport = func(ctx context.Context, imp usersync.Import, file iter.Seq2[[]byte, error]) error {
				if file == nil {
					return s.State.SaveImport(ctx, imp, nil)
				}
				return s.State.SaveImport(ctx, imp, func(yield func([]byte, error) bool) {
					for part, err := range file {
						if err != nil || !yield(part, nil) {
							return
						}
					}
				})
			}
		})},
		{"always the newest first", []string{"Imports/query"}, twist(func(s *twisted) {
			s.imports = func(ctx context.Context, q usersync.ImportQuery) ([]usersync.Import, error) {
				q.OldestFirst = false
				return s.State.Imports(ctx, q)
			}
		})},
		{"never ended", []string{"Imports/query"}, twist(func(s *twisted) {
			s.imports = func(ctx context.Context, q usersync.ImportQuery) ([]usersync.Import, error) {
				q.EndedBefore = time.Time{}
				return s.State.Imports(ctx, q)
			}
		})},
		{"deleting any edition", []string{"Imports/delete"}, twist(func(s *twisted) {
			s.deleteImport = func(ctx context.Context, id string, edition int) error {
				return forgiving(s.State.DeleteImport(ctx, id, edition), usersync.ErrEdited)
			}
		})},
		{"keeping imports", []string{"Imports/delete with configuration"}, twist(func(s *twisted) {
			s.deleteConfig = func(ctx context.Context, id string) error {
				all, err := s.State.Imports(ctx, usersync.ImportQuery{ConfigID: id})
				if err != nil {
					return err
				}
				err = s.State.DeleteConfig(ctx, id)
				for _, imp := range all {
					imp.Edition = 1
					err = errors.Join(err, s.State.SaveImport(ctx, imp, nil))
				}
				return err
			}
		})},
		{"deaf imports", []string{"Imports/cancelled"}, twist(func(s *twisted) {
			s.deleteImport = func(ctx context.Context, id string, edition int) error {
				return s.State.DeleteImport(context.WithoutCancel(ctx), id, edition)
			}
		})},
	}
}
