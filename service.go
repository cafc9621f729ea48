package usersync

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// Service is what screens, commands and job queues call: saved configurations, and plans and runs by id.
// Everything is in its stores, so that any process over the same ones can go on with what another began.
// What a caller sends is ids and choices, never a plan. It may be used by several goroutines at once.
//
// An unknown id is an error that wraps ErrNotFound.
type Service struct {
	eng    *Engine
	stores Stores
	desk   *desk // what this process works on in the background
}

// NewService makes a service over the product's users. All of stores is needed, but for Imports. The options are
// those of New; WithRuns(stores) is among them anyway.
func NewService(users UserStore, stores Stores, opts ...Option) (*Service, error) {
	if stores.Configs == nil {
		return nil, fmt.Errorf("%w: a service needs stores.Configs", ErrInvalid)
	}
	eng, err := New(users, stores.Baselines, append(slices.Clone(opts), WithRuns(stores))...)
	if err != nil {
		return nil, err
	}
	return &Service{eng: eng, stores: stores, desk: newDesk()}, nil
}

// Schema returns the schema that the service was made with.
func (s *Service) Schema() Schema { return s.eng.Schema() }

// CurrentSchema returns the schema with the fields that were added to it, see Previewer.CurrentSchema: for the
// template, and for screens that list fields.
func (s *Service) CurrentSchema(ctx context.Context) (Schema, error) { return s.eng.CurrentSchema(ctx) }

// CreateConfig saves a new configuration, with revision 1, and returns it. "" as ID gets one. The error is
// an *InvalidError that lists all that is wrong, or wraps ErrDuplicate if the id is taken.
func (s *Service) CreateConfig(ctx context.Context, cfg Config) (Config, error) {
	cfg = cfg.Clone()
	if cfg.ID == "" {
		cfg.ID = rand.Text()
	}
	cfg.Revision = 1
	return s.saveConfig(ctx, cfg, 0)
}

// EditConfig saves a configuration that exists. cfg.Revision is the revision that was read; the one that is
// returned has the next. The error is an *InvalidError, or wraps ErrEdited if somebody else has saved the
// configuration since.
func (s *Service) EditConfig(ctx context.Context, cfg Config) (Config, error) {
	cfg = cfg.Clone()
	cfg.Revision++
	return s.saveConfig(ctx, cfg, cfg.Revision-1)
}

func (s *Service) saveConfig(ctx context.Context, cfg Config, ifRevision int64) (_ Config, err error) {
	if err := s.validate(ctx, cfg); err != nil {
		return Config{}, err
	}
	defer calling("ConfigStore.SaveConfig", &err)
	if err := s.stores.Configs.SaveConfig(ctx, cfg, ifRevision); err != nil {
		return Config{}, fmt.Errorf("usersync: saving configuration %q: %w", cfg.Name, err)
	}
	return cfg, nil
}

// validate refuses a configuration that does not fit the fields that there are now.
func (s *Service) validate(ctx context.Context, cfg Config) error {
	schema, _, err := s.eng.schemaNow(ctx)
	if err != nil {
		return err
	}
	return cfg.validate(schema)
}

// PauseConfig pauses a configuration: it is neither previewed nor applied. A run that is under way goes on.
func (s *Service) PauseConfig(ctx context.Context, id string) (Config, error) {
	return s.setPaused(ctx, id, true)
}

// ResumeConfig ends a pause. Plans of before the pause are stale.
func (s *Service) ResumeConfig(ctx context.Context, id string) (Config, error) {
	return s.setPaused(ctx, id, false)
}

func (s *Service) setPaused(ctx context.Context, id string, paused bool) (Config, error) {
	for try := 1; ; try++ {
		cfg, err := s.Config(ctx, id)
		if err != nil || cfg.Paused == paused {
			return cfg, err
		}
		cfg.Paused = paused
		cfg, err = s.EditConfig(ctx, cfg)
		if !errors.Is(err, ErrEdited) || try == attempts {
			return cfg, err
		}
	}
}

// DeleteConfig deletes a configuration and all its history. While a run of it is under way the error is an
// *InProgressError. (P3)
func (s *Service) DeleteConfig(ctx context.Context, id string) (err error) {
	defer calling("ConfigStore.DeleteConfig", &err)
	if err := s.stores.Configs.DeleteConfig(ctx, id); err != nil {
		return fmt.Errorf("usersync: deleting configuration %q: %w", id, err)
	}
	return nil
}

// Config returns a configuration.
func (s *Service) Config(ctx context.Context, id string) (cfg Config, err error) {
	defer calling("ConfigStore.LoadConfig", &err)
	if cfg, err = s.stores.Configs.LoadConfig(ctx, id); err != nil {
		return Config{}, fmt.Errorf("usersync: configuration %q: %w", id, err)
	}
	return cfg, nil
}

// Configs returns all configurations, by name.
func (s *Service) Configs(ctx context.Context) (all []Config, err error) {
	defer calling("ConfigStore.Configs", &err)
	if all, err = s.stores.Configs.Configs(ctx); err != nil {
		return nil, fmt.Errorf("usersync: configurations: %w", err)
	}
	return all, nil
}

// Preview is Engine.Preview with a saved configuration. The plan is stored and can be applied until it
// expires (WithPlanTime).
func (s *Service) Preview(ctx context.Context, configID string, src Source, opts ...PreviewOption) (*Plan, error) {
	cfg, err := s.Config(ctx, configID)
	if err != nil {
		return nil, err
	}
	plan, err := s.eng.Preview(ctx, cfg, src, opts...)
	return s.kept(ctx, plan, err)
}

// kept stores a new plan, if there is one.
func (s *Service) kept(ctx context.Context, plan *Plan, err error) (*Plan, error) {
	if err == nil {
		err = s.eng.savePlan(ctx, plan)
	}
	if err != nil {
		return nil, err
	}
	return plan, nil
}

// Plan returns a stored plan, whole. For a page of its rows, see Rows.
func (s *Service) Plan(ctx context.Context, planID string) (*Plan, error) {
	return s.eng.loadPlan(ctx, planID)
}

// Decide answers conflicts of a stored plan, see Plan.Resolve, and returns the plan as it is now decided.
// Several people may decide at once: the last answer to a conflict counts.
func (s *Service) Decide(ctx context.Context, planID string, decisions ...Decision) (*Plan, error) {
	for try := 1; ; try++ {
		if err := s.isOpen(ctx, planID); err != nil {
			return nil, err
		}
		plan, err := s.eng.loadPlan(ctx, planID)
		if err != nil {
			return nil, err
		}
		if err := plan.Resolve(decisions...); err != nil {
			return nil, err
		}
		if err = s.eng.savePlan(ctx, plan); err == nil {
			return plan, nil
		}
		if !errors.Is(err, ErrEdited) || try == attempts {
			return nil, err
		}
	}
}

// isOpen refuses a plan that was applied.
func (s *Service) isOpen(ctx context.Context, planID string) error {
	rec, err := s.stores.storedRun(ctx, planID)
	if err == nil && rec != nil {
		err = fmt.Errorf("%w: the plan was applied already, on %s", ErrInvalid, rec.Started.UTC().Format(time.DateTime))
	}
	return err
}

// Apply is Engine.Apply for a stored plan. Besides what that refuses, it refuses with *StaleError a plan
// that is too old, or whose configuration was edited, and with ErrPaused one whose configuration is paused.
// What decisions asked to remember is saved, as a new revision of the configuration, before the first
// write. (A3, A4, K4)
//
// Apply of a plan that was applied returns its run; while another process applies it, Apply waits for the
// end, and takes over if that process dies.
func (s *Service) Apply(ctx context.Context, planID string, opts ...ApplyOption) (*Run, error) {
	rec, err := s.stores.storedRun(ctx, planID)
	if err != nil {
		return nil, err
	}
	if rec != nil && !rec.Finished.IsZero() {
		run, err := s.eng.loadRun(ctx, rec)
		if err != nil {
			return nil, err
		}
		return run, run.Err()
	}
	plan, err := s.eng.loadPlan(ctx, planID)
	if err != nil {
		return nil, err
	}
	cfg, err := s.Config(ctx, plan.cfg.ID)
	if err != nil {
		return nil, err
	}
	return s.eng.Apply(ctx, plan, append(slices.Clone(opts), IfCurrent(cfg), s.remembering(plan, cfg))...)
}

// remembering saves the rules that decisions asked to remember, once the run is accepted. (K4)
func (s *Service) remembering(plan *Plan, cfg Config) ApplyOption {
	return applyOption(func(o *applyOptions) {
		o.accepted = func(ctx context.Context) error {
			rules := plan.Remembered()
			if rules == nil {
				return nil
			}
			_, err := s.saveConfig(ctx, cfg.WithRules(rules), cfg.Revision)
			if errors.Is(err, ErrEdited) {
				return &StaleError{Config: true}
			}
			return err
		}
	})
}

// Resume goes on with a run that ended early, see Engine.Resume.
func (s *Service) Resume(ctx context.Context, runID string) (*Run, error) {
	rec, err := s.RunRecord(ctx, runID)
	if err != nil {
		return nil, err
	}
	cfg, err := s.Config(ctx, rec.ConfigID)
	if err != nil {
		return nil, err
	}
	return s.eng.Resume(ctx, runID, IfCurrent(cfg))
}

// Cancel asks a run that is under way, in whichever process, to end: it stops after the batch that is being
// written, and can be resumed. The error wraps ErrNotFound if the run is not under way.
func (s *Service) Cancel(ctx context.Context, runID string) (err error) {
	defer calling("LeaseStore.Cancel", &err)
	if err := s.stores.Leases.Cancel(ctx, runID); err != nil {
		return fmt.Errorf("usersync: cancelling run %s: %w", runID, err)
	}
	return nil
}

// Undo makes and stores the plan that takes a run back, see Previewer.Undo. It is applied like any other.
func (s *Service) Undo(ctx context.Context, runID string, opts ...PreviewOption) (*Plan, error) {
	run, err := s.Run(ctx, runID)
	if err != nil {
		return nil, err
	}
	cfg, err := s.Config(ctx, run.ConfigID)
	if err != nil {
		return nil, err
	}
	plan, err := s.eng.undo(ctx, run, cfg, opts)
	return s.kept(ctx, plan, err)
}

// Run returns a run, whole. For a page of its rows, see Rows.
func (s *Service) Run(ctx context.Context, runID string) (*Run, error) {
	rec, err := s.RunRecord(ctx, runID)
	if err != nil {
		return nil, err
	}
	return s.eng.loadRun(ctx, &rec)
}

// RunRecord returns a run without its rows. The Counts of one that has not ended are zero.
func (s *Service) RunRecord(ctx context.Context, runID string) (RunRecord, error) {
	rec, err := s.stores.storedRun(ctx, runID)
	switch {
	case err != nil:
		return RunRecord{}, err
	case rec == nil:
		return RunRecord{}, fmt.Errorf("usersync: run %s: %w", runID, ErrNotFound)
	}
	return *rec, nil
}

// Progress tells how many of a run's changes have an outcome, good or bad, and how many there are, in whichever
// process the run is under way.
func (s *Service) Progress(ctx context.Context, runID string) (done, total int, err error) {
	rec, err := s.RunRecord(ctx, runID)
	if err != nil {
		return 0, 0, err
	}
	if run := s.eng.Running(rec.ConfigID); run != nil && run.ID == runID {
		done, total = run.Progress()
		return done, total, nil
	}
	plan, err := s.PlanRecord(ctx, runID)
	if err != nil {
		return 0, 0, err
	}
	total = plan.Counts.New + plan.Counts.Updated + plan.Counts.Deactivated
	if !rec.Finished.IsZero() {
		return total - rec.Counts.Pending - rec.Counts.Uncertain, total, nil
	}
	past, err := s.eng.pastOf(ctx, runID, plan.Counts.Rows+plan.Counts.Removed)
	if err != nil {
		return 0, 0, err
	}
	return past.ended(), total, nil
}

// PlanRecord returns a stored plan without its rows.
func (s *Service) PlanRecord(ctx context.Context, planID string) (rec PlanRecord, err error) {
	defer calling("PlanStore.LoadPlan", &err)
	if rec, err = s.stores.Plans.LoadPlan(ctx, planID); err != nil {
		return PlanRecord{}, fmt.Errorf("usersync: plan %s: %w", planID, err)
	}
	return rec, nil
}

// History returns runs, the newest first. (P3)
func (s *Service) History(ctx context.Context, q RunQuery) (runs []RunRecord, err error) {
	defer calling("RunStore.Runs", &err)
	if runs, err = s.stores.Runs.Runs(ctx, q); err != nil {
		return nil, fmt.Errorf("usersync: history: %w", err)
	}
	return runs, nil
}

// WriteResults writes what a run did as a workbook, see Run.WriteResults.
func (s *Service) WriteResults(ctx context.Context, runID string, w io.Writer) error {
	run, err := s.Run(ctx, runID)
	if err != nil {
		return err
	}
	return run.WriteResults(w)
}

// WritePreview writes what applying a plan would do as a workbook, see Plan.WritePreview.
func (s *Service) WritePreview(ctx context.Context, planID string, w io.Writer) error {
	plan, err := s.Plan(ctx, planID)
	if err != nil {
		return err
	}
	return plan.WritePreview(w)
}

// WriteCorrections writes the bad rows of a plan, and, once it was applied, those that the store refused
// besides, see Run.WriteCorrections.
func (s *Service) WriteCorrections(ctx context.Context, id string, w io.Writer, format Format) error {
	run, err := s.Run(ctx, id)
	if err == nil {
		return run.WriteCorrections(w, format)
	}
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	plan, err := s.Plan(ctx, id)
	if err != nil {
		return err
	}
	return plan.WriteCorrections(w, format)
}

// Pruned says what Prune has removed.
type Pruned struct {
	Runs    int `json:"runs"`
	Plans   int `json:"plans"`
	Imports int `json:"imports"`
}

// Prune removes what is no longer needed: runs that ended before a time, with all that belongs to them,
// plans that expired before it and were never applied, and imports that ended before it. The newest run of each
// configuration stays, and so does what has not come to its end. (P3)
func (s *Service) Prune(ctx context.Context, before time.Time) (p Pruned, err error) {
	defer calling("RunStore.DeleteRuns, PlanStore.DeletePlans", &err)
	if p.Runs, err = s.stores.Runs.DeleteRuns(ctx, before); err != nil {
		return p, fmt.Errorf("usersync: removing old runs: %w", err)
	}
	if p.Plans, err = s.stores.Plans.DeletePlans(ctx, before); err != nil {
		return p, fmt.Errorf("usersync: removing old plans: %w", err)
	}
	if p.Imports, err = s.pruneImports(ctx, before); err != nil {
		return p, fmt.Errorf("usersync: removing old imports: %w", err)
	}
	return p, nil
}
