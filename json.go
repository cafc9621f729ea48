package usersync

import (
	"bytes"
	"encoding/json"
	"io"
	"time"
)

// planFormat is the version of the JSON form of plans.
const planFormat = 1

// MarshalJSON gives what WriteJSON writes.
func (p *Plan) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	err := p.WriteJSON(&b)
	return b.Bytes(), err
}

// WriteJSON writes the whole plan as one JSON object, row by row, for other programs to read: who, when,
// which file, the counts, what keeps it from being applied, and every row with its changes and reasons.
// Secrets are not in it. It cannot be read back into a Plan.
func (p *Plan) WriteJSON(w io.Writer) error {
	var blocks []string
	for _, block := range p.Blocks() {
		blocks = append(blocks, block.Error())
	}
	head, err := json.Marshal(struct {
		Format      int                `json:"format"`
		ID          string             `json:"id"`
		Config      Config             `json:"config"`
		Actor       Actor              `json:"actor"`
		Created     time.Time          `json:"created"`
		Source      SourceInfo         `json:"source"`
		Notes       []Reason           `json:"notes,omitempty"`
		BaselineRun string             `json:"baselineRun,omitempty"`
		Baseline    int                `json:"baseline"`
		Counts      Counts             `json:"counts"`
		Pools       []PoolSeats        `json:"pools,omitempty"`
		Missing     []MissingReference `json:"missing,omitempty"`
		Assigned    []Assigned         `json:"assigned,omitempty"`
		Added       []Field            `json:"added,omitempty"`
		NewFields   []FieldOffer       `json:"newFields,omitempty"`
		Blocks      []string           `json:"blocks,omitempty"`
	}{planFormat, p.ID, p.Config, p.Actor, p.Created, p.Source, p.Notes, p.BaselineRun, p.Baseline, p.Counts(), p.Pools(), p.Missing(), p.Assigned(),
		p.Added, p.NewFields(), blocks})
	if err != nil {
		return err
	}
	if _, err := w.Write(append(head[:len(head)-1], `,"rows":[`...)); err != nil {
		return err
	}
	sep := "\n"
	for row := range p.Rows() {
		line, err := json.Marshal(row)
		if err != nil {
			return err
		}
		if _, err := w.Write(append([]byte(sep), line...)); err != nil {
			return err
		}
		sep = ",\n"
	}
	_, err = io.WriteString(w, "]}\n")
	return err
}
