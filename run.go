package usersync

import (
	"iter"
	"sync"
	"time"
)

// Run is a plan that is being, or has been, applied: what was done, row by row. Its methods may be
// called concurrently, also while the run is under way.
type Run struct {
	// ID names the run for ever. It is that of its plan, which is applied once.
	ID         string
	ConfigID   string
	ConfigName string
	// Actor is the person on whose behalf the run was made.
	Actor   Actor
	Source  SourceInfo
	Undoes  string  // the run that this one has taken back, "" for a run of a file
	Added   []Field // fields that the run adds for all users, where they were not there just so by then
	Started time.Time
	// NextConfig is the configuration to save instead of the plan's, nil if no decision asked to be
	// remembered or the run did not succeed.
	NextConfig *Config

	plan *Plan

	mu       sync.Mutex
	finished time.Time
	status   RunStatus
	err      error
	results  []result // by entry of the plan
	mails    int
	created  []ReferenceName // see CreatedReferences
}

// RunStatus says how a run stands.
type RunStatus string

// The statuses of a run.
const (
	RunRunning   RunStatus = "running"
	RunSucceeded RunStatus = "succeeded" // to the end; rows may have failed
	RunFailed    RunStatus = "failed"    // ended by an error; the baseline is the old one
	RunCancelled RunStatus = "cancelled" // ended because its context was done; the baseline is the old one
	// RunInterrupted runs have lost their process. Only stored runs are.
	RunInterrupted RunStatus = "interrupted"
)

// State says what became of a row.
type State string

// The states of the rows of a run.
const (
	StateNothing   State = "nothing"   // there was nothing to do: the row is Skipped or an Error
	StatePending   State = "pending"   // not written yet, or, once the run has ended, never
	StateDone      State = "done"      // written
	StateFailed    State = "failed"    // not written; the last reasons say why
	StateUncertain State = "uncertain" // the store did not say whether it was written
)

// result is what became of one entry.
type result struct {
	state   State
	id      string
	version string
	reasons []Reason
}

// RunRow is one row of a run.
type RunRow struct {
	Row
	State State `json:"state"`
}

// RunCounts are the numbers of a run.
type RunCounts struct {
	Created     int `json:"created"`
	Updated     int `json:"updated"`
	Deactivated int `json:"deactivated"` // users who left the file; others count as updated
	Skipped     int `json:"skipped"`
	Errors      int `json:"errors"`    // rows that the plan could not take
	Failed      int `json:"failed"`    // rows that could not be written
	Uncertain   int `json:"uncertain"` // rows of which it is not known
	Pending     int `json:"pending"`   // rows not written yet
	Mails       int `json:"mails"`     // welcome mails sent
	Warnings    int `json:"warnings"`  // rows with a warning
}

// Status says how the run stands.
func (r *Run) Status() RunStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

// Finished is when the run ended, the zero time while it is under way.
func (r *Run) Finished() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.finished
}

// Err is what ended the run, nil while it is under way and when it succeeded.
func (r *Run) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Plan is what was applied.
func (r *Run) Plan() *Plan { return r.plan }

// Counts counts the rows as they stand now.
func (r *Run) Counts() RunCounts {
	c := RunCounts{}
	for row := range r.Rows() {
		row.count(&c)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c.Mails = r.mails
	return c
}

func (r *RunRow) count(c *RunCounts) {
	for _, reason := range r.Reasons {
		if reason.Level == LevelWarning {
			c.Warnings++
			break
		}
	}
	switch r.State {
	case StateNothing:
		if r.Class == ClassError {
			c.Errors++
			return
		}
		c.Skipped++
	case StatePending:
		c.Pending++
	case StateFailed:
		c.Failed++
	case StateUncertain:
		c.Uncertain++
	default:
		r.countDone(c)
	}
}

func (r *RunRow) countDone(c *RunCounts) {
	switch r.Class {
	case ClassNew:
		c.Created++
	case ClassDeactivated:
		c.Deactivated++
	default:
		c.Updated++
	}
}

// Progress tells how many of the run's changes have an outcome, good or bad, and how many there are.
func (r *Run) Progress() (done, total int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.results {
		switch r.results[i].state {
		case StateNothing:
		case StateDone, StateFailed:
			done++
			total++
		default:
			total++
		}
	}
	return done, total
}

// Rows yields the rows in the order of the plan.
func (r *Run) Rows() iter.Seq[RunRow] {
	return func(yield func(RunRow) bool) {
		for i := range r.results {
			if !yield(r.row(i)) {
				return
			}
		}
	}
}

func (r *Run) row(i int) RunRow {
	row := RunRow{Row: r.plan.row(i)}
	r.mu.Lock()
	defer r.mu.Unlock()
	res := &r.results[i]
	row.State = res.state
	if res.id != "" {
		row.UserID = res.id
	}
	row.Reasons = append(row.Reasons, res.reasons...)
	return row
}

// began tells that the entry's change was written or tried.
func (r *Run) began(entry int32) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.results != nil && r.results[entry].state != StatePending
}

// set changes a result under the lock.
func (r *Run) set(entry int32, change func(*result)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.results[entry])
}

// result reads a result under the lock.
func (r *Run) result(entry int32) result {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.results[entry]
}
