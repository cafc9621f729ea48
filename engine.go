package usersync

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Previewer makes previews. It has nothing but reading interfaces, so that it cannot change a user.
type Previewer struct {
	options
	schema    *schema
	users     UserReader
	baselines BaselineReader
}

// Engine makes previews and applies them.
type Engine struct {
	*Previewer
	store   UserStore
	bases   BaselineStore
	creator ReferenceCreator // nil where nothing can be created

	mu      sync.Mutex
	running map[string]*Run // by configuration
}

// NewPreviewer makes a Previewer. baselines may be nil: then nobody has left the file. All that is wrong
// with the options is reported at once.
func NewPreviewer(users UserReader, baselines BaselineReader, opts ...Option) (*Previewer, error) {
	o := defaults()
	for _, set := range opts {
		if set == nil {
			return nil, fmt.Errorf("%w: an option is nil", ErrInvalid)
		}
		set(&o)
	}
	compiled, schemaErr := compile(o.schema)
	err := errors.Join(o.validate(), schemaErr)
	if schemaErr == nil {
		err = errors.Join(err, o.license.validate(compiled), o.validateNames(compiled))
	}
	if users == nil {
		err = errors.Join(err, fmt.Errorf("%w: the user store is nil", ErrInvalid))
	}
	if err != nil {
		return nil, err
	}
	o.limits = o.limits.orDefault()
	if o.secretKey != nil {
		if o.seal, err = newSealer(o.secretKey); err != nil {
			return nil, err
		}
	}
	p := &Previewer{options: o, schema: compiled, users: users, baselines: baselines}
	if err := p.validateKeeper(); err != nil {
		return nil, err
	}
	return p, nil
}

// New makes an Engine over the product's users and the baselines of its configurations.
func New(users UserStore, baselines BaselineStore, opts ...Option) (*Engine, error) {
	if users == nil || baselines == nil {
		return nil, fmt.Errorf("%w: the user store and the baseline store must not be nil", ErrInvalid)
	}
	p, err := NewPreviewer(users, baselines, opts...)
	if err != nil {
		return nil, err
	}
	e := &Engine{Previewer: p, store: users, bases: baselines, running: map[string]*Run{}}
	e.creator, _ = p.references.(ReferenceCreator)
	if err := e.validateCreator(); err != nil {
		return nil, err
	}
	return e, nil
}

// Schema returns the schema that the engine was made with. See CurrentSchema for what was added to it.
func (p *Previewer) Schema() Schema { return p.schema.Schema }

// Preview reads the source from beginning to end and says what would happen to every row, and to every
// user who left the file. It writes nothing and sends nothing. A bad row is data in the plan; an error
// means that there is no plan: *InvalidError for the configuration, ErrPaused, *FileError for a file that
// was refused as a whole, the context's error, or that of a store.
func (p *Previewer) Preview(ctx context.Context, cfg Config, src Source, opts ...PreviewOption) (*Plan, error) {
	job, err := p.begin(ctx, cfg, src, opts)
	if err != nil {
		return nil, err
	}
	defer job.close()
	if err := job.readRows(ctx); err != nil {
		return nil, err
	}
	if err := job.findRemoved(ctx); err != nil {
		return nil, err
	}
	if err := job.findReferences(ctx); err != nil {
		return nil, err
	}
	if err := job.countSeats(ctx); err != nil {
		return nil, err
	}
	settle(job.plan)
	return job.finish(ctx), nil
}

// Apply does what the plan shows, and saves the new baseline. Before the first write it refuses a plan
// that has unresolved conflicts (*UnresolvedError), needs more seats than there are (*SeatsError), is
// held back by the guard (*GuardError), is stale (*StaleError), whose configuration is paused, or has a
// run under way (*InProgressError). The plan must come from an engine over the same stores and schema. Rows are independent: one that fails is in the Run and stops nothing.
//
// A plan is applied once: applying it again returns the same Run, with the error that ended it. When the
// store fails, an adapter panics or ctx is done after the first write, the error is a *PartialError and
// the Run has what was done; the baseline stays as it was.
func (e *Engine) Apply(ctx context.Context, plan *Plan, opts ...ApplyOption) (*Run, error) {
	for lost := 0; ; lost++ {
		w, applied, err := e.claim(ctx, plan, opts)
		if w == nil {
			return applied, err
		}
		run, err := w.carryOut(ctx)
		if !errors.Is(err, ErrLeaseLost) || lost == attempts {
			return run, err
		}
		plan.setRun(nil) // whoever has taken the run over brings it to its end
	}
}

// carryOut is Apply and Resume, once it is theirs to do.
func (w *applyJob) carryOut(ctx context.Context) (*Run, error) {
	defer w.release(ctx)
	ctx, stop := w.ledger.keep(ctx)
	defer stop()
	if err := w.check(ctx); err != nil {
		w.letGoSeats(ctx, err)
		return nil, because(ctx, err)
	}
	w.start(ctx)
	err := w.write(ctx)
	w.letGoSeats(ctx, err)
	return w.end(ctx, because(ctx, err))
}

// Running returns the run of a configuration that this engine has under way, nil if there is none: to
// show how far it is while Apply has not returned.
func (e *Engine) Running(configID string) *Run {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.running[configID]
}
