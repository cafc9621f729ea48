package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/usersync-go/usersync"
)

// Acquire counts tokens for each configuration.
func (s *State) Acquire(ctx context.Context, configID, runID string, ttl time.Duration) (usersync.Lease, error) {
	if err := s.begin(ctx); err != nil {
		return usersync.Lease{}, err
	}
	defer s.mu.Unlock()
	l := s.leases[configID]
	if l == nil {
		l = &lease{}
		s.leases[configID] = l
	}
	if s.isFresh(l) {
		return usersync.Lease{}, &usersync.InProgressError{RunID: l.RunID}
	}
	l.Lease = usersync.Lease{ConfigID: configID, RunID: runID, Token: l.Token + 1}
	l.until, l.held, l.cancel = s.now().Add(ttl), true, false
	return l.Lease, nil
}

// Renew tells whether Cancel was called.
func (s *State) Renew(ctx context.Context, by usersync.Lease, ttl time.Duration) (cancel bool, err error) {
	if err := s.begin(ctx); err != nil {
		return false, err
	}
	defer s.mu.Unlock()
	if err := s.holds(by); err != nil {
		return false, err
	}
	l := s.leases[by.ConfigID]
	l.until = s.now().Add(ttl)
	return l.cancel, nil
}

// Release lets the lease go, if it is held.
func (s *State) Release(ctx context.Context, by usersync.Lease) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if s.holds(by) == nil {
		s.leases[by.ConfigID].held = false
	}
	return nil
}

// Cancel notes the wish for the next Renew.
func (s *State) Cancel(ctx context.Context, runID string) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	for _, l := range s.leases {
		if l.RunID == runID && s.isFresh(l) {
			l.cancel = true
			return nil
		}
	}
	return usersync.ErrNotFound
}

func (s *State) isFresh(l *lease) bool { return l.held && s.now().Before(l.until) }

// holds tells whether a lease is held, fresh or not.
func (s *State) holds(by usersync.Lease) error {
	if l := s.leases[by.ConfigID]; l == nil || !l.held || l.Lease != by {
		return usersync.ErrLeaseLost
	}
	return nil
}

// StartRun keeps the journal of a run that goes on.
func (s *State) StartRun(ctx context.Context, by usersync.Lease, rec usersync.RunRecord) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if err := s.holds(by); err != nil {
		return err
	}
	if p := s.plans[rec.ID]; p == nil || p.Edition != rec.PlanEdition {
		return fmt.Errorf("%w: plan %s", usersync.ErrEdited, rec.ID)
	}
	r := s.runs[rec.ID]
	if r == nil {
		r = &run{}
		s.runs[rec.ID] = r
	}
	r.RunRecord = rec
	return nil
}

// FinishRun does all that an end has under one lock.
func (s *State) FinishRun(ctx context.Context, by usersync.Lease, end usersync.RunEnd) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if err := s.holds(by); err != nil {
		return err
	}
	r := s.runs[end.Run.ID]
	if r == nil {
		return usersync.ErrNotFound
	}
	if err := s.queue(end.Mails); err != nil {
		return err
	}
	if end.Baseline != nil {
		if err := s.Baselines.Save(ctx, by.ConfigID, *end.Baseline); err != nil {
			return err
		}
	}
	r.RunRecord, r.results = end.Run, make(map[int][]byte, len(end.Results))
	for i, part := range end.Results {
		r.results[i] = slices.Clone(part)
	}
	if end.Final {
		r.journal = nil
	}
	s.leases[by.ConfigID].held = false
	return nil
}

// Runs returns copies.
func (s *State) Runs(ctx context.Context, q usersync.RunQuery) ([]usersync.RunRecord, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var out []usersync.RunRecord
	for _, r := range s.runs {
		rec := s.asOfNow(r)
		if (q.ID == "" || q.ID == rec.ID) && (q.ConfigID == "" || q.ConfigID == rec.ConfigID) &&
			(len(q.Status) == 0 || slices.Contains(q.Status, rec.Status)) {
			out = append(out, rec)
		}
	}
	slices.SortFunc(out, func(a, b usersync.RunRecord) int {
		return cmp.Or(b.Started.Compare(a.Started), strings.Compare(b.ID, a.ID))
	})
	return window(out, q.Skip, q.Limit), nil
}

// asOfNow is the record of a run; one that has lost its process is interrupted.
func (s *State) asOfNow(r *run) usersync.RunRecord {
	rec := r.RunRecord
	if l := s.leases[rec.ConfigID]; rec.Status == usersync.RunRunning && (l == nil || l.RunID != rec.ID || !s.isFresh(l)) {
		rec.Status = usersync.RunInterrupted
	}
	return rec
}

// window leaves out the first ones, and those beyond a limit.
func window[T any](all []T, skip, limit int) []T {
	all = all[min(skip, len(all)):]
	if limit > 0 {
		all = all[:min(limit, len(all))]
	}
	return all
}

// DeleteRuns counts the runs that it removes.
func (s *State) DeleteRuns(ctx context.Context, before time.Time) (int, error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	newest := map[string]*run{}
	for _, r := range s.runs {
		if n := newest[r.ConfigID]; n == nil || cmp.Or(n.Started.Compare(r.Started), strings.Compare(n.ID, r.ID)) < 0 {
			newest[r.ConfigID] = r
		}
	}
	deleted := 0
	for id, r := range s.runs {
		if r.Finished.IsZero() || !r.Finished.Before(before) || newest[r.ConfigID] == r || s.hasOpenMails(id) {
			continue
		}
		delete(s.runs, id)
		delete(s.plans, id)
		s.mails = slices.DeleteFunc(s.mails, func(m usersync.Mail) bool { return m.RunID == id })
		deleted++
	}
	return deleted, nil
}

func (s *State) hasOpenMails(runID string) bool {
	return slices.ContainsFunc(s.mails, func(m usersync.Mail) bool {
		return m.RunID == runID && (m.State == usersync.MailQueued || m.State == usersync.MailSending)
	})
}

// Append also queues the mails of the entry.
func (s *State) Append(ctx context.Context, by usersync.Lease, e usersync.JournalEntry) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if err := s.holds(by); err != nil {
		return err
	}
	r := s.runs[by.RunID]
	if r == nil {
		return usersync.ErrNotFound
	}
	if n := len(r.journal); n > 0 && r.journal[n-1].Number >= e.Number {
		return fmt.Errorf("entry %d of the journal is %w", e.Number, usersync.ErrDuplicate)
	}
	r.journal = append(r.journal, usersync.JournalEntry{Number: e.Number, Data: slices.Clone(e.Data)})
	s.mails = append(s.mails, e.Mails...)
	return nil
}

// Entries returns copies.
func (s *State) Entries(ctx context.Context, runID string) ([]usersync.JournalEntry, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	r := s.runs[runID]
	if r == nil {
		return nil, nil
	}
	out := slices.Clone(r.journal)
	for i := range out {
		out[i].Data = slices.Clone(out[i].Data)
	}
	return out, nil
}

// Results returns copies.
func (s *State) Results(ctx context.Context, runID string, first, n int) ([][]byte, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	out := make([][]byte, n)
	if r := s.runs[runID]; r != nil {
		for i := range out {
			out[i] = slices.Clone(r.results[first+i])
		}
	}
	return out, nil
}

// QueueMails stores all or none.
func (s *State) QueueMails(ctx context.Context, mails []usersync.Mail) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	return s.queue(mails)
}

func (s *State) queue(mails []usersync.Mail) error {
	for _, m := range mails {
		if slices.ContainsFunc(s.mails, func(other usersync.Mail) bool { return other.Key == m.Key }) {
			return fmt.Errorf("mail %s is %w", m.Key, usersync.ErrDuplicate)
		}
	}
	s.mails = append(s.mails, mails...)
	return nil
}

// Mails returns copies.
func (s *State) Mails(ctx context.Context, q usersync.MailQuery) ([]usersync.Mail, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var out []usersync.Mail
	for _, m := range s.mails {
		if (q.Key == "" || q.Key == m.Key) && (q.RunID == "" || q.RunID == m.RunID) &&
			(q.ConfigID == "" || q.ConfigID == m.ConfigID) && (len(q.States) == 0 || slices.Contains(q.States, m.State)) &&
			(q.Due.IsZero() || !m.Due.After(q.Due)) {
			out = append(out, m)
		}
	}
	return window(out, q.Skip, q.Limit), nil
}

// MoveMail compares the state and stores the mail under one lock.
func (s *State) MoveMail(ctx context.Context, m usersync.Mail, from usersync.MailState) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	at := slices.IndexFunc(s.mails, func(other usersync.Mail) bool { return other.Key == m.Key })
	switch {
	case at < 0:
		return usersync.ErrNotFound
	case s.mails[at].State != from:
		return fmt.Errorf("%w: the mail is %s", usersync.ErrEdited, s.mails[at].State)
	}
	s.mails[at] = m
	return nil
}
