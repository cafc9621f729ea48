package usersync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// DispatchOptions say how a process works imports off.
type DispatchOptions struct {
	Workers int           // imports at once, of different configurations; 0 is 2
	Poll    time.Duration // how often to look for what other processes have started or left; 0 is 5 seconds
}

// Dispatch works imports off, whichever process has started them, until ctx is done: the oldest first, one
// at a time for a configuration. It takes over what a process has left that is gone, once its lease has run
// out (WithLeaseTime). What is started in this process begins at once. Stores that fail are logged and
// asked again.
//
// The host calls it in a goroutine of its own, in as many processes as it likes. When ctx is done, runs end
// after the batch that is being written, and go on with the next Dispatch, in this process or another; all
// that Dispatch has begun has ended when it returns, which is nil. The error is for options that are not
// valid.
func (s *Service) Dispatch(ctx context.Context, o DispatchOptions) error {
	if err := s.hasImports(); err != nil {
		return err
	}
	if o.Workers < 0 || o.Poll < 0 {
		return fmt.Errorf("%w: workers and poll cannot be negative", ErrInvalid)
	}
	workers := cmp.Or(o.Workers, 2)
	d := &dispatcher{Service: s, free: workers, later: map[string]bool{}, ended: make(chan ending, workers)}
	defer d.all.Wait()
	tick := time.NewTicker(cmp.Or(o.Poll, 5*time.Second))
	defer tick.Stop()
	for ctx.Err() == nil {
		rung := s.desk.listen()
		d.look(ctx)
		select {
		case <-ctx.Done():
		case <-rung:
		case end := <-d.ended:
			d.free++
			d.later[end.id] = end.err != nil
		case <-tick.C:
			clear(d.later)
		}
	}
	return nil
}

// dispatcher is one Dispatch under way.
type dispatcher struct {
	*Service
	free  int             // workers that have nothing to do
	later map[string]bool // imports that have to wait until the next tick
	ended chan ending
	all   sync.WaitGroup
}

// ending is the end of a worker.
type ending struct {
	id  string
	err error
}

// lookSize is how many imports are read in one call.
const lookSize = 100

// look gives the workers that are free what there is to do.
func (d *dispatcher) look(ctx context.Context) {
	seen := map[string]bool{} // configurations: whoever comes first is first
	for skip := 0; d.free > 0; skip += lookSize {
		imports, err := d.Imports(ctx, ImportQuery{Status: openImports(), OldestFirst: true, Skip: skip, Limit: lookSize})
		if err != nil {
			d.complain(ctx, "", err)
			return
		}
		for i := range imports {
			imp := &imports[i]
			if d.free > 0 && !seen[imp.ConfigID] && !d.later[imp.ID] && d.desk.job(imp.ID) == nil {
				d.take(ctx, imp)
			}
			seen[imp.ConfigID] = true
		}
		if len(imports) < lookSize {
			return
		}
	}
}

// take begins an import, unless somebody else works on it.
func (d *dispatcher) take(ctx context.Context, imp *Import) {
	job, err := d.claimImport(ctx, imp)
	switch {
	case errors.Is(err, errIdle), errors.Is(err, ErrRunInProgress):
		return
	case err != nil:
		d.complain(ctx, imp.ID, err)
		return
	}
	d.free--
	d.all.Go(func() { d.ended <- ending{job.imp.ID, job.carryOut(ctx)} })
}

func (d *dispatcher) complain(ctx context.Context, id string, err error) {
	if ctx.Err() == nil {
		d.eng.log.WarnContext(ctx, "usersync: imports cannot be taken", "import", id, "error", loggable(err))
	}
}

// desk is what this process works on in the background.
type desk struct {
	mu   sync.Mutex
	bell chan struct{} // closed when something was started
	jobs map[string]*importJob
}

func newDesk() *desk { return &desk{bell: make(chan struct{}), jobs: map[string]*importJob{}} }

// ring wakes whoever listens.
func (d *desk) ring() {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.bell)
	d.bell = make(chan struct{})
}

// listen gives what is closed with the next ring.
func (d *desk) listen() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bell
}

func (d *desk) begin(j *importJob) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.jobs[j.imp.ID] = j
}

func (d *desk) end(j *importJob) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.jobs[j.imp.ID] == j { // not where it was taken over in this process
		delete(d.jobs, j.imp.ID)
	}
}

// job is the import of that id that this process works on, nil if it does not.
func (d *desk) job(id string) *importJob {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.jobs[id]
}
