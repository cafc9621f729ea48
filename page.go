package usersync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// RowQuery picks rows of a plan or run. Fields with their zero value pick all.
type RowQuery struct {
	Classes []Class
	States  []State // of a run; the rows of a plan that was not applied have none
	// Warnings picks rows with a warning, Conflicts those with a field that waits for a decision.
	Warnings  bool
	Conflicts bool
	// Text picks the rows whose name contains it, without regard to case, or whose user id is it.
	Text string
	// From is where to go on: 0, or the Next of the page before. Limit is how many rows are wanted, from 1
	// to 1,000; 0 means 100.
	From  int
	Limit int
}

// RowPage is some rows of a plan or run, in its order.
type RowPage struct {
	Rows []RunRow `json:"rows"`
	Next int      `json:"next"` // where the next page begins, 0 after the last
}

// Rows returns a page of the rows of a plan or of its run, which have one id. It reads only the parts that
// have rows of the classes, so that the pages of a large plan are quick. The rows of a run that has not
// ended are as its journal has them.
func (s *Service) Rows(ctx context.Context, id string, q RowQuery) (RowPage, error) {
	if q.Limit < 0 || q.Limit > 1000 || q.From < 0 {
		return RowPage{}, fmt.Errorf("%w: a page has from 1 to 1,000 rows and does not begin before the first", ErrInvalid)
	}
	if q.Limit == 0 {
		q.Limit = 100
	}
	for try := 1; ; try++ {
		page, err := s.readPage(ctx, id, q)
		if !errors.Is(err, ErrEdited) || try == attempts { // somebody has decided the plan in between
			return page, err
		}
	}
}

// readPage is one attempt of Rows.
func (s *Service) readPage(ctx context.Context, id string, q RowQuery) (RowPage, error) {
	r, err := s.newPager(ctx, id, q)
	if err != nil {
		return RowPage{}, err
	}
	return r.page(ctx)
}

// pager reads one page.
type pager struct {
	*Service
	q       RowQuery
	plan    PlanRecord
	infos   []PartInfo
	run     *RunRecord  // nil for a plan that was not applied
	journal *journalled // of a run that has not ended
}

func (s *Service) newPager(ctx context.Context, id string, q RowQuery) (*pager, error) {
	r := &pager{Service: s, q: q}
	r.q.Text = Fold(q.Text)
	var err error
	if r.plan, err = s.PlanRecord(ctx, id); err != nil {
		return nil, err
	}
	if r.infos, err = partInfos(r.plan.Head); err != nil {
		return nil, err
	}
	if r.run, err = s.stores.storedRun(ctx, id); err != nil {
		return nil, err
	}
	if r.run != nil && r.run.Finished.IsZero() {
		r.journal, err = s.eng.pastOf(ctx, id, r.rows())
	}
	return r, err
}

func (r *pager) rows() int {
	n := 0
	for _, info := range r.infos {
		n += info.Rows
	}
	return n
}

func (r *pager) page(ctx context.Context) (RowPage, error) {
	var page RowPage
	for part := r.q.From / partSize; part < len(r.infos); part++ {
		if !r.mayHave(r.infos[part]) {
			continue
		}
		full, err := r.read(ctx, part, &page)
		if full || err != nil {
			return page, err
		}
	}
	return page, nil
}

// mayHave tells that a part can have rows that fit.
func (r *pager) mayHave(info PartInfo) bool {
	if len(r.q.Classes) == 0 {
		return true
	}
	return slices.ContainsFunc(r.q.Classes, func(c Class) bool { return info.Classes[c] > 0 })
}

// read adds the rows of one part that fit. The page is full when there is one more than it can take.
func (r *pager) read(ctx context.Context, part int, page *RowPage) (full bool, err error) {
	run, err := r.load(ctx, part)
	if err != nil {
		return false, err
	}
	for i := range run.results {
		at := part*partSize + i
		row := run.row(i)
		if r.run == nil {
			row.State = ""
		}
		if at < r.q.From || !r.fits(&row) {
			continue
		}
		if len(page.Rows) == r.q.Limit {
			page.Next = at
			return true, nil
		}
		page.Rows = append(page.Rows, row)
	}
	return false, nil
}

// load makes a run of the rows of one part.
func (r *pager) load(ctx context.Context, part int) (_ *Run, err error) {
	defer calling("PlanStore.PlanParts, Journal.Results", &err)
	data, err := r.stores.Plans.PlanParts(ctx, r.plan.ID, r.plan.Edition, part, 1)
	if err != nil || len(data) == 0 {
		return nil, fmt.Errorf("usersync: plan %s, part %d: %w", r.plan.ID, part, missing(err))
	}
	plan, err := loadRows(r.eng.schema, r.plan.Head, data[0])
	if err != nil {
		return nil, err
	}
	run := &Run{plan: plan, results: newResults(plan.entries)}
	switch {
	case r.journal != nil:
		run.results = r.journal.results(plan.entries, part*partSize)
	case r.run != nil:
		results, err := r.stores.Journal.Results(ctx, r.plan.ID, part, 1)
		if err != nil || len(results) == 0 {
			return run, err
		}
		return run, loadResults(run.results, results[0])
	}
	return run, nil
}

// missing is the error of a part that is not there.
func missing(err error) error {
	if err == nil {
		return ErrNotFound
	}
	return err
}

func (r *pager) fits(row *RunRow) bool {
	isWarning := func(reason Reason) bool { return reason.Level == LevelWarning }
	isOpen := func(c FieldChange) bool { return c.Open }
	switch {
	case len(r.q.Classes) > 0 && !slices.Contains(r.q.Classes, row.Class),
		len(r.q.States) > 0 && !slices.Contains(r.q.States, row.State),
		r.q.Warnings && !slices.ContainsFunc(row.Reasons, isWarning),
		r.q.Conflicts && !slices.ContainsFunc(row.Changes, isOpen):
		return false
	}
	return r.q.Text == "" || strings.Contains(Fold(row.Name), r.q.Text) || Fold(row.UserID) == r.q.Text
}
