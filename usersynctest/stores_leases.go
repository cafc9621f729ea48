package usersynctest

import (
	"errors"
	"fmt"
	"time"

	"github.com/usersync-go/usersync"
)

func leaseChecks() []check[*stores] {
	return []check[*stores]{
		{"Leases/one holder", "Acquire is an *InProgressError with the holder's run while the lease is fresh, also for the" +
			" same run; after Release it is free.", leaseOneHolder},
		{"Leases/each configuration", "Each configuration has its own lease.", leaseEach},
		{"Leases/at once", "Of many Acquire at once one succeeds.", leaseAtOnce},
		{"Leases/run out", "A lease that was not renewed in time can be taken by another, with a higher token, and Renew keeps" +
			" it fresh.", leaseRunsOut},
		{"Leases/fencing", "Whoever holds a lease no more is refused with ErrLeaseLost by Renew, StartRun, Append and FinishRun," +
			" which change nothing then. Release is no error.", leaseFencing},
		{"Leases/cancel", "After Cancel, Renew says so to the holder, and the next holder hears nothing of it. Without a fresh" +
			" lease of the run Cancel wraps ErrNotFound.", leaseCancel},
	}
}

func leaseOneHolder(s *stores) {
	l := s.acquire("staff", "run 1", long)
	s.same("the lease", fmt.Sprint(l.ConfigID, l.RunID, l.Token > 0), "staffrun 1true")
	for _, run := range []string{"run 1", "run 2"} {
		_, err := s.Leases.Acquire(s.Context(), "staff", run, long)
		s.inProgress(err, "run 1")
	}
	s.good("Release", s.Leases.Release(s.Context(), l))
	s.good("Release again", s.Leases.Release(s.Context(), l))
	if next := s.acquire("staff", "run 2", long); next.Token <= l.Token {
		s.breach("the token was %d and then %d", l.Token, next.Token)
	}
}

func leaseEach(s *stores) {
	for _, config := range []string{"staff", "Staff", "staff ", "other"} {
		s.acquire(config, "run of "+config, long)
	}
}

func leaseAtOnce(s *stores) {
	lost := func(err error) bool { return errors.Is(err, usersync.ErrRunInProgress) }
	s.atOnce("Acquire", lost, func(i int) error {
		_, err := s.Leases.Acquire(s.Context(), "staff", fmt.Sprint("run ", i), long)
		return err
	})
}

// eventually takes a lease that is about to run out.
func (s *stores) eventually(config, run string) usersync.Lease {
	s.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(brief / 4) {
		l, err := s.Leases.Acquire(s.Context(), config, run, long)
		if err == nil {
			return l
		}
		if !errors.Is(err, usersync.ErrRunInProgress) {
			s.breach("Acquire failed: %v", err)
		}
	}
	s.breach("a lease of %v does not run out", brief)
	return usersync.Lease{}
}

func leaseRunsOut(s *stores) {
	first := s.acquire("staff", "run 1", brief)
	second := s.eventually("staff", "run 2")
	if second.Token <= first.Token {
		s.breach("the token was %d and then %d", first.Token, second.Token)
	}
	kept := s.acquire("other", "run 3", brief)
	if _, err := s.Leases.Renew(s.Context(), kept, long); err != nil {
		s.breach("Renew failed: %v", err)
	}
	time.Sleep(2 * brief)
	_, err := s.Leases.Acquire(s.Context(), "other", "run 4", long)
	s.inProgress(err, "run 3")
}

func leaseFencing(s *stores) {
	s.plan("run 1", "staff", 1, "a")
	old := s.acquire("staff", "run 1", brief)
	rec := runRecord("run 1", "staff", day(1))
	s.good("StartRun", s.Stores.Runs.StartRun(s.Context(), old, rec))
	now := s.eventually("staff", "run 1") // another process, of the same run
	_, renewed := s.Leases.Renew(s.Context(), old, long)
	s.refused("Renew", renewed, usersync.ErrLeaseLost)
	ended := rec
	ended.Status = usersync.RunSucceeded
	s.refused("StartRun", s.Stores.Runs.StartRun(s.Context(), old, ended), usersync.ErrLeaseLost)
	s.refused("Append", s.Journal.Append(s.Context(), old, usersync.JournalEntry{Number: 1, Data: []byte("a"), Mails: []usersync.Mail{mail("run 1", "staff", "u1")}}),
		usersync.ErrLeaseLost)
	end := usersync.RunEnd{Run: ended, Baseline: &usersync.Baseline{RunID: "run 1"}, Results: map[int][]byte{0: []byte("x")}}
	s.refused("FinishRun", s.Stores.Runs.FinishRun(s.Context(), old, end), usersync.ErrLeaseLost)
	s.good("Release of a lost lease", s.Leases.Release(s.Context(), old))
	s.untouched(rec)
	s.good("Append", s.Journal.Append(s.Context(), now, usersync.JournalEntry{Number: 1, Data: []byte("b")}))
}

// untouched looks that nothing was written after StartRun.
func (s *stores) untouched(rec usersync.RunRecord) {
	s.Helper()
	s.same("the runs", s.runs(usersync.RunQuery{}), []usersync.RunRecord{rec})
	s.same("the number of mails", len(s.mails(usersync.MailQuery{})), 0)
	base, err := s.Baselines.Load(s.Context(), rec.ConfigID)
	s.good("Load", err)
	s.same("the baseline", base.RunID, "")
	entries, err := s.Journal.Entries(s.Context(), rec.ID)
	s.good("Entries", err)
	s.same("the length of the journal", len(entries), 0)
}

func leaseCancel(s *stores) {
	s.refused("Cancel of no run", s.Leases.Cancel(s.Context(), "run 1"), usersync.ErrNotFound)
	l := s.acquire("staff", "run 1", long)
	renew := func(l usersync.Lease) bool {
		cancel, err := s.Leases.Renew(s.Context(), l, long)
		s.good("Renew", err)
		return cancel
	}
	s.same("Renew before", renew(l), false)
	s.good("Cancel", s.Leases.Cancel(s.Context(), "run 1"))
	s.same("Renew after", renew(l), true)
	s.good("Release", s.Leases.Release(s.Context(), l))
	s.refused("Cancel of a run that has ended", s.Leases.Cancel(s.Context(), "run 1"), usersync.ErrNotFound)
	s.same("Renew of the next holder", renew(s.acquire("staff", "run 1", long)), false)
}

func mailOrder(s *stores) {
	first, _ := s.start("run 1", "staff", day(1))
	second, _ := s.start("run 2", "other", day(1))
	queue := func(l usersync.Lease, number int, when time.Time, users ...string) {
		e := usersync.JournalEntry{Number: number, Data: []byte("x")}
		for _, u := range users {
			m := mail(l.RunID, l.ConfigID, u)
			m.Queued = when
			e.Mails = append(e.Mails, m)
		}
		s.good("Append", s.Journal.Append(s.Context(), l, e))
	}
	queue(first, 1, day(1), "z", "y", "x")
	queue(first, 2, day(1), "a")
	queue(second, 1, day(2), "b", "c")
	dropped := mail("run 1", "staff", "y")
	dropped.State, dropped.Queued = usersync.MailDropped, day(1)
	s.good("MoveMail", s.Outbox.MoveMail(s.Context(), dropped, usersync.MailQueued))
	for _, w := range []struct {
		q    usersync.MailQuery
		want string
	}{
		{usersync.MailQuery{}, "zyxabc"}, {usersync.MailQuery{RunID: "run 1"}, "zyxa"}, {usersync.MailQuery{ConfigID: "other"}, "bc"},
		{usersync.MailQuery{Key: "run 1/x"}, "x"}, {usersync.MailQuery{States: []usersync.MailState{usersync.MailDropped}}, "y"},
		{usersync.MailQuery{Skip: 1, Limit: 2}, "yx"}, {usersync.MailQuery{RunID: "run 9"}, ""},
	} {
		got := ""
		for _, m := range s.mails(w.q) {
			got += m.UserID
		}
		s.same(fmt.Sprintf("Mails(%+v)", w.q), got, w.want)
	}
}

// queued is a mail in the outbox.
func (s *stores) queued() usersync.Mail {
	s.Helper()
	l, _ := s.start("run 1", "staff", day(1))
	m := mail("run 1", "staff", "u1")
	s.good("Append", s.Journal.Append(s.Context(), l, usersync.JournalEntry{Number: 1, Data: []byte("x"), Mails: []usersync.Mail{m}}))
	return m
}

func mailMove(s *stores) {
	m := s.queued()
	m.State, m.Tries, m.Note, m.Changed = usersync.MailFailed, 2, "no 'such' mailbox", day(5)
	s.good("MoveMail", s.Outbox.MoveMail(s.Context(), m, usersync.MailQueued))
	s.same("the mail", s.mails(usersync.MailQuery{}), []usersync.Mail{m})
	m.State = usersync.MailSent
	s.refused("MoveMail from a state that it has not", s.Outbox.MoveMail(s.Context(), m, usersync.MailQueued), usersync.ErrEdited)
	other := mail("run 1", "staff", "u9")
	s.refused("MoveMail of no mail", s.Outbox.MoveMail(s.Context(), other, usersync.MailQueued), usersync.ErrNotFound)
	s.same("the state", s.mails(usersync.MailQuery{})[0].State, usersync.MailFailed)
}

func mailAtOnce(s *stores) {
	m := s.queued()
	m.State = usersync.MailSending
	s.atOnce("MoveMail", isEdited, func(int) error { return s.Outbox.MoveMail(s.Context(), m, usersync.MailQueued) })
}

func mailQueue(s *stores) {
	report := usersync.Mail{Key: "report/1", Kind: usersync.MessageReport, RunID: "run 1", ConfigID: "staff", To: "ünï@example.com",
		State: usersync.MailQueued, Queued: day(2), Changed: day(2)}
	other := report
	other.Key = "report/2"
	s.good("QueueMails", s.Outbox.QueueMails(s.Context(), []usersync.Mail{report}))
	s.refused("QueueMails with one that is there", s.Outbox.QueueMails(s.Context(), []usersync.Mail{other, report}), usersync.ErrDuplicate)
	s.same("the mails", s.mails(usersync.MailQuery{}), []usersync.Mail{report})
	l, rec := s.start("run 1", "staff", day(1))
	ended := report
	ended.Key, ended.Kind, ended.Queued = "ended/1", usersync.MessageEnded, day(3)
	s.good("FinishRun", s.Stores.Runs.FinishRun(s.Context(), l, usersync.RunEnd{Run: rec, Mails: []usersync.Mail{ended}}))
	s.same("the mails after the end", s.mails(usersync.MailQuery{RunID: "run 1"}), []usersync.Mail{report, ended})
	ended.Key = "ended/2"
	err := s.Stores.Runs.FinishRun(s.Context(), l, usersync.RunEnd{Run: rec, Mails: []usersync.Mail{ended}})
	s.refused("FinishRun without the lease", err, usersync.ErrLeaseLost)
	s.same("the number of mails", len(s.mails(usersync.MailQuery{})), 2)
}

func mailDue(s *stores) {
	m := s.queued()
	due := func(when time.Time) int { return len(s.mails(usersync.MailQuery{Due: when})) }
	s.same("the mails without a time that are due", due(day(1)), 1)
	m.Due, m.Holder = day(5), 7
	s.good("MoveMail", s.Outbox.MoveMail(s.Context(), m, usersync.MailQueued))
	s.same("the mail", s.mails(usersync.MailQuery{}), []usersync.Mail{m})
	s.same("the mails that are due before", due(day(5).Add(-time.Millisecond)), 0)
	s.same("the mails that are due then", due(day(5)), 1)
	s.same("the mails that are due and sent", len(s.mails(usersync.MailQuery{Due: day(5), States: []usersync.MailState{usersync.MailSent}})), 0)
}
