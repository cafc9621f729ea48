package usersynctest

import (
	"fmt"

	"github.com/usersync-go/usersync"
)

func runChecks() []check[*stores] {
	return []check[*stores]{
		{"Runs/start", "StartRun stores a run, and stores it anew when it goes on. Runs returns it as it was given.", runStart},
		{"Runs/edition", "StartRun wraps ErrEdited unless the plan is stored with edition PlanEdition; once there is a run," +
			" SavePlan of the plan wraps ErrEdited.", runEdition},
		{"Runs/finish", "FinishRun stores the record, the results and the baseline and lets the lease go, as one step. Without a" +
			" baseline the old one stays.", runFinish},
		{"Runs/order", "Runs returns the newest first, by Started and then by ID, and only those that fit the query.", runOrder},
		{"Runs/interrupted", "A run that is running and whose lease is not fresh is given as RunInterrupted.", runInterrupted},
		{"Runs/delete", "DeleteRuns removes the runs that ended before a time with all that belongs to them, but for each" +
			" configuration's newest, those that have not ended and those with mails that are neither sent nor given up.", runDelete},
	}
}

func journalChecks() []check[*stores] {
	return []check[*stores]{
		{"Journal/round trip", "Entries returns what Append was given, by number; none for a run without a journal.", journalRoundTrip},
		{"Journal/numbers", "Append of a number that is there already wraps ErrDuplicate and changes nothing.", journalNumbers},
		{"Journal/results", "Results returns n parts, nil for one that FinishRun was not given.", journalResults},
		{"Journal/mails", "Append queues the entry's mails in the same step: none of them if it fails.", journalMails},
	}
}

func runStart(s *stores) {
	l, rec := s.start("run 1", "staff", day(1))
	s.same("Runs", s.runs(usersync.RunQuery{ID: "run 1"}), []usersync.RunRecord{rec})
	rec.Counts.Created = 3
	s.good("StartRun again", s.Stores.Runs.StartRun(s.Context(), l, rec))
	s.same("Runs", s.runs(usersync.RunQuery{}), []usersync.RunRecord{rec})
	s.same("Runs of another", len(s.runs(usersync.RunQuery{ID: "Run 1"})), 0)
}

func runEdition(s *stores) {
	s.plan("run 1", "staff", 1, "a")
	l, rec := s.acquire("staff", "run 1", long), runRecord("run 1", "staff", day(1))
	rec.PlanEdition = 2
	s.refused("StartRun of edition 2", s.Stores.Runs.StartRun(s.Context(), l, rec), usersync.ErrEdited)
	other := s.acquire("other", "run 9", long)
	s.refused("StartRun without a plan", s.Stores.Runs.StartRun(s.Context(), other, runRecord("run 9", "other", day(1))), usersync.ErrEdited)
	s.same("the number of runs", len(s.runs(usersync.RunQuery{})), 0)
	rec.PlanEdition = 1
	s.good("StartRun", s.Stores.Runs.StartRun(s.Context(), l, rec))
	err := s.Plans.SavePlan(s.Context(), usersync.PlanRecord{ID: "run 1", Edition: 2}, sequence(nil, nil))
	s.refused("SavePlan of a plan that has a run", err, usersync.ErrEdited)
}

func runFinish(s *stores) {
	old := usersync.Baseline{RunID: "before", Members: []usersync.Member{{UserID: "u1", Name: "n"}}}
	s.good("Save", s.Baselines.Save(s.Context(), "staff", old))
	l, rec := s.start("run 1", "staff", day(1))
	failed := rec
	failed.Status, failed.Finished, failed.Error = usersync.RunFailed, day(2), "because"
	s.good("FinishRun", s.Stores.Runs.FinishRun(s.Context(), l, usersync.RunEnd{Run: failed}))
	s.same("Runs", s.runs(usersync.RunQuery{}), []usersync.RunRecord{failed})
	base, err := s.Baselines.Load(s.Context(), "staff")
	s.good("Load", err)
	s.same("the baseline after a failure", base, old)

	l = s.acquire("staff", "run 1", long) // is free; the run goes on
	s.good("StartRun", s.Stores.Runs.StartRun(s.Context(), l, rec))
	now := usersync.Baseline{RunID: "run 1", Members: []usersync.Member{{UserID: "u2", Name: "m"}}}
	ended := s.finish(l, rec, &now)
	s.same("Runs", s.runs(usersync.RunQuery{}), []usersync.RunRecord{ended})
	base, err = s.Baselines.Load(s.Context(), "staff")
	s.good("Load", err)
	s.same("the baseline", base, now)
	s.acquire("staff", "run 2", long)
}

func runOrder(s *stores) {
	for i, r := range []struct {
		id, config string
		day        int
	}{{"b", "staff", 2}, {"c", "staff", 2}, {"a", "staff", 3}, {"d", "other", 1}} {
		l, rec := s.start(r.id, r.config, day(r.day))
		if i > 0 {
			s.finish(l, rec, nil)
			continue
		}
		rec.Status = usersync.RunFailed
		s.good("FinishRun", s.Stores.Runs.FinishRun(s.Context(), l, usersync.RunEnd{Run: rec}))
	}
	for _, w := range []struct {
		q    usersync.RunQuery
		want string
	}{
		{usersync.RunQuery{}, "acbd"}, {usersync.RunQuery{ConfigID: "staff"}, "acb"}, {usersync.RunQuery{Limit: 2}, "ac"},
		{usersync.RunQuery{Skip: 1, Limit: 2}, "cb"}, {usersync.RunQuery{Skip: 3}, "d"}, {usersync.RunQuery{Skip: 9}, ""},
		{usersync.RunQuery{Status: []usersync.RunStatus{usersync.RunFailed}}, "b"},
		{usersync.RunQuery{Status: []usersync.RunStatus{usersync.RunSucceeded}, ConfigID: "staff"}, "ac"},
	} {
		got := ""
		for _, r := range s.runs(w.q) {
			got += r.ID
		}
		s.same(fmt.Sprintf("Runs(%+v)", w.q), got, w.want)
	}
}

func runInterrupted(s *stores) {
	l, rec := s.start("run 1", "staff", day(1))
	s.same("the status", s.runs(usersync.RunQuery{ID: "run 1"})[0].Status, usersync.RunRunning)
	s.good("Release", s.Leases.Release(s.Context(), l))
	s.same("the status without a lease", s.runs(usersync.RunQuery{ID: "run 1"})[0].Status, usersync.RunInterrupted)
	interrupted := usersync.RunQuery{Status: []usersync.RunStatus{usersync.RunInterrupted}}
	s.same("the number of interrupted runs", len(s.runs(interrupted)), 1)
	l = s.acquire("staff", "run 1", long)
	s.same("the status with a lease again", s.runs(usersync.RunQuery{ID: "run 1"})[0].Status, usersync.RunRunning)
	s.same("the number of interrupted runs", len(s.runs(interrupted)), 0)
	s.finish(l, rec, nil)
	s.same("the status in the end", s.runs(usersync.RunQuery{ID: "run 1"})[0].Status, usersync.RunSucceeded)
}

func runDelete(s *stores) {
	for i, id := range []string{"old", "mails", "newest"} {
		l, rec := s.start(id, "staff", day(1+i))
		e := usersync.JournalEntry{Number: 1, Data: []byte("x"), Mails: []usersync.Mail{mail(id, "staff", "u1")}}
		s.good("Append", s.Journal.Append(s.Context(), l, e))
		s.finish(l, rec, nil)
		if id == "old" {
			sent := e.Mails[0]
			sent.State = usersync.MailSent
			s.good("MoveMail", s.Outbox.MoveMail(s.Context(), sent, usersync.MailQueued))
		}
	}
	s.start("live", "other", day(1))
	n, err := s.Stores.Runs.DeleteRuns(s.Context(), day(1))
	s.good("DeleteRuns", err)
	s.same("the number of runs that ended before the first", n, 0)
	n, err = s.Stores.Runs.DeleteRuns(s.Context(), day(20))
	s.good("DeleteRuns", err)
	s.same("the number of runs", n, 1)
	var left []string
	for _, r := range s.runs(usersync.RunQuery{}) {
		left = append(left, r.ID)
	}
	s.same("the runs that are left", left, []string{"newest", "mails", "live"})
	s.same("the mails of the run", len(s.mails(usersync.MailQuery{RunID: "old"})), 0)
	_, err = s.Plans.LoadPlan(s.Context(), "old")
	s.refused("LoadPlan", err, usersync.ErrNotFound)
}

func journalRoundTrip(s *stores) {
	l, _ := s.start("run 1", "staff", day(1))
	for _, number := range []int{1, 2, 11} {
		s.good("Append", s.Journal.Append(s.Context(), l, usersync.JournalEntry{Number: number, Data: []byte(fmt.Sprint(`"ü`, number, "\x00"))}))
	}
	entries, err := s.Journal.Entries(s.Context(), "run 1")
	s.good("Entries", err)
	got := ""
	for _, e := range entries {
		got += fmt.Sprint(e.Number, " ", string(e.Data), ";")
	}
	s.same("the journal", got, "1 \"ü1\x00;2 \"ü2\x00;11 \"ü11\x00;")
	none, err := s.Journal.Entries(s.Context(), "run 9")
	s.good("Entries", err)
	s.same("the journal of no run", len(none), 0)
}

func journalNumbers(s *stores) {
	l, _ := s.start("run 1", "staff", day(1))
	s.good("Append", s.Journal.Append(s.Context(), l, usersync.JournalEntry{Number: 2, Data: []byte("a")}))
	s.refused("Append of the number again", s.Journal.Append(s.Context(), l, usersync.JournalEntry{Number: 2, Data: []byte("b")}), usersync.ErrDuplicate)
	entries, err := s.Journal.Entries(s.Context(), "run 1")
	s.good("Entries", err)
	s.same("the journal", fmt.Sprintf("%d %s", len(entries), entries[0].Data), "1 a")
}

func journalResults(s *stores) {
	l, rec := s.start("run 1", "staff", day(1))
	end := usersync.RunEnd{Run: rec, Results: map[int][]byte{1: []byte("one"), 4: []byte("four")}}
	s.good("FinishRun", s.Stores.Runs.FinishRun(s.Context(), l, end))
	got, err := s.Journal.Results(s.Context(), "run 1", 1, 5)
	s.good("Results", err)
	s.same("the results", fmt.Sprintf("%q %t", got, got[1] == nil), `["one" "" "" "four" ""] true`)
	l = s.acquire("staff", "run 1", long)
	s.good("StartRun", s.Stores.Runs.StartRun(s.Context(), l, rec))
	end.Results = map[int][]byte{0: []byte("zero")}
	s.good("FinishRun", s.Stores.Runs.FinishRun(s.Context(), l, end))
	got, err = s.Journal.Results(s.Context(), "run 1", 0, 2)
	s.good("Results", err)
	s.same("the results after a second end", fmt.Sprintf("%q", got), `["zero" ""]`)
}

func journalMails(s *stores) {
	l, _ := s.start("run 1", "staff", day(1))
	m := mail("run 1", "staff", "u1")
	s.good("Append", s.Journal.Append(s.Context(), l, usersync.JournalEntry{Number: 1, Data: []byte("a"), Mails: []usersync.Mail{m}}))
	s.same("Mails", s.mails(usersync.MailQuery{}), []usersync.Mail{m})
	err := s.Journal.Append(s.Context(), l, usersync.JournalEntry{Number: 1, Data: []byte("b"), Mails: []usersync.Mail{mail("run 1", "staff", "u2")}})
	s.refused("Append of the number again", err, usersync.ErrDuplicate)
	s.same("the number of mails", len(s.mails(usersync.MailQuery{})), 1)
}
