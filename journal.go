package usersync

import (
	"encoding/json"
	"errors"
	"fmt"
)

// journalKind says what an entry of a journal tells.
type journalKind string

const (
	journalHeld  journalKind = "held"  // rows that are not written after all, known before the first write
	journalBegun journalKind = "begun" // steps that are about to be written
	journalDone  journalKind = "done"  // steps and what became of them
)

// journalNote is the data of one entry of a journal.
type journalNote struct {
	Kind  journalKind    `json:"kind"`
	Stage Stage          `json:"stage,omitempty"`
	Held  []heldRow      `json:"held,omitempty"`
	Steps []journalledAt `json:"steps,omitempty"`
}

// heldRow is a row that is not written, and why.
type heldRow struct {
	Entry  int32  `json:"entry"`
	Reason Reason `json:"reason"`
}

// journalledAt is one step: which, and once it is done, the store's outcome.
type journalledAt struct {
	Entry   int32   `json:"e"`
	Part    string  `json:"p"`
	ID      string  `json:"id,omitempty"`
	Version string  `json:"v,omitempty"`
	Failure failing `json:"f,omitempty"`
	Message string  `json:"m,omitempty"`
}

// failing is what an outcome's error wraps.
type failing string

const (
	failedStale  failing = "stale"
	failedTaken  failing = "taken"
	failedGone   failing = "gone"
	failedOther  failing = "other"
	failedUnsure failing = "unsure" // the process ended in between, and it cannot be told
)

// errUnsure is the outcome of a step of which nobody can tell whether it was made.
var errUnsure = errors.New("it is not known whether the change was made")

// sentinels are the errors that outcomes wrap.
var sentinels = []struct {
	failing failing
	err     error
}{{failedStale, ErrVersionConflict}, {failedTaken, ErrDuplicate}, {failedGone, ErrNotFound}, {failedUnsure, errUnsure}}

// stepID names a step of a plan.
type stepID struct {
	entry int32
	part  string
}

func (s *step) id() stepID { return stepID{s.entry, s.part} }

// begunNote tells of steps that are about to be written.
func begunNote(stage Stage, steps []step) journalNote {
	note := journalNote{Kind: journalBegun, Stage: stage, Steps: make([]journalledAt, len(steps))}
	for i := range steps {
		note.Steps[i] = journalledAt{Entry: steps[i].entry, Part: steps[i].part}
	}
	return note
}

// doneNote tells what became of steps.
func doneNote(stage Stage, steps []step, outcomes []Outcome) journalNote {
	note := begunNote(stage, steps)
	note.Kind = journalDone
	for i := range outcomes {
		note.Steps[i].set(outcomes[i])
	}
	return note
}

func (j *journalledAt) set(out Outcome) {
	if out.Err == nil {
		j.ID, j.Version = out.ID, out.Version
		return
	}
	j.Failure, j.Message = failedOther, out.Err.Error()
	for _, s := range sentinels {
		if errors.Is(out.Err, s.err) {
			j.Failure = s.failing
			return
		}
	}
}

// outcome is what set was given.
func (j *journalledAt) outcome() Outcome {
	if j.Failure == "" {
		return Outcome{ID: j.ID, Version: j.Version}
	}
	for _, s := range sentinels {
		if s.failing == j.Failure {
			return Outcome{Err: &toldError{j.Message, s.err}}
		}
	}
	return Outcome{Err: &toldError{j.Message, nil}}
}

// toldError is an error that was stored: its text, and what it wraps.
type toldError struct {
	text string
	is   error
}

func (e *toldError) Error() string { return e.text }
func (e *toldError) Unwrap() error { return e.is }

// journalled is what a journal tells of a run.
type journalled struct {
	last  int // number of the last entry
	held  map[int32]Reason
	known map[stepID]Outcome
	doubt map[stepID]bool // begun, and no word of what became of it
}

// readJournal gathers what the journal of a plan with so many rows tells.
func readJournal(entries []JournalEntry, rows int) (*journalled, error) {
	j := &journalled{held: map[int32]Reason{}, known: map[stepID]Outcome{}, doubt: map[stepID]bool{}}
	for _, entry := range entries {
		var note journalNote
		if err := json.Unmarshal(entry.Data, &note); err != nil {
			return nil, fmt.Errorf("entry %d: %w", entry.Number, err)
		}
		j.last = entry.Number
		if err := j.add(&note, rows); err != nil {
			return nil, fmt.Errorf("entry %d: %w", entry.Number, err)
		}
	}
	return j, nil
}

// ended counts the rows whose own change has an outcome.
func (j *journalled) ended() int {
	n := len(j.held)
	for id := range j.known {
		if id.part == partMain {
			n++
		}
	}
	return n
}

func (j *journalled) add(note *journalNote, rows int) error {
	for _, h := range note.Held {
		if int(h.Entry) >= rows || h.Entry < 0 {
			return fmt.Errorf("%w: the plan has no row %d", ErrInvalid, h.Entry)
		}
		j.held[h.Entry] = h.Reason
	}
	for i := range note.Steps {
		s := &note.Steps[i]
		if int(s.Entry) >= rows || s.Entry < 0 {
			return fmt.Errorf("%w: the plan has no row %d", ErrInvalid, s.Entry)
		}
		id := stepID{s.Entry, s.Part}
		switch note.Kind {
		case journalBegun:
			j.doubt[id] = true
		case journalDone:
			delete(j.doubt, id)
			j.known[id] = s.outcome()
		}
	}
	return nil
}

// resultForm is the stored form of what became of one row.
type resultForm struct {
	At      int      `json:"i"` // index in its part
	State   State    `json:"s"`
	ID      string   `json:"id,omitempty"`
	Version string   `json:"v,omitempty"`
	Reasons []Reason `json:"r,omitempty"`
}

// resultParts gives the results in parts, as the entries of the plan are stored; rows to which nothing
// happened are left out.
func (r *Run) resultParts() (map[int][]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	parts := map[int][]byte{}
	for first := 0; first < len(r.results); first += partSize {
		var forms []resultForm
		for i, res := range r.results[first:min(first+partSize, len(r.results))] {
			if res.state != StateNothing || len(res.reasons) > 0 {
				forms = append(forms, resultForm{i, res.state, res.id, res.version, res.reasons})
			}
		}
		if forms == nil {
			continue
		}
		data, err := json.Marshal(forms)
		if err != nil {
			return nil, err
		}
		parts[first/partSize] = data
	}
	return parts, nil
}

// newResults are those of a run that has not begun.
func newResults(entries []entry) []result {
	out := make([]result, len(entries))
	for i := range entries {
		e := &entries[i]
		out[i] = result{state: StateNothing, id: e.userID}
		if e.more != nil && e.more.op != "" {
			out[i].state = StatePending
		}
	}
	return out
}

// loadResults puts stored results of one part over those of a run that has not begun.
func loadResults(into []result, part []byte) error {
	if part == nil {
		return nil
	}
	var forms []resultForm
	if err := json.Unmarshal(part, &forms); err != nil {
		return fmt.Errorf("usersync: stored results: %w", err)
	}
	for _, f := range forms {
		if f.At < 0 || f.At >= len(into) {
			return fmt.Errorf("%w: stored results of row %d of %d", ErrInvalid, f.At, len(into))
		}
		into[f.At] = result{state: f.State, reasons: f.Reasons, version: f.Version, id: f.ID}
	}
	return nil
}

// results are what the journal tells of the rows from first on, for a run that has not ended. It does not
// tell what is missing of a row that was written.
func (j *journalled) results(entries []entry, first int) []result {
	out := newResults(entries)
	at := func(entry int32) *result {
		if i := int(entry) - first; i >= 0 && i < len(out) {
			return &out[i]
		}
		return &result{}
	}
	for entry, reason := range j.held {
		r := at(entry)
		r.state, r.reasons = StateFailed, []Reason{reason}
	}
	for id, outcome := range j.known {
		if id.part == partMain {
			at(id.entry).take(outcome)
		}
	}
	for id := range j.doubt {
		if id.part == partMain {
			r := at(id.entry)
			r.state, r.reasons = StateUncertain, []Reason{warning(CodeUnknown)}
		}
	}
	return out
}

// take notes the outcome of the row's own change.
func (r *result) take(out Outcome) {
	switch {
	case out.Err == nil:
		r.state, r.id, r.version = StateDone, out.ID, out.Version
	case errors.Is(out.Err, errUnsure):
		r.state = StateUncertain
		r.reasons = append(r.reasons, warning(CodeUnknown))
	default:
		r.state = StateFailed
		r.reasons = append(r.reasons, failure(out.Err))
	}
}
