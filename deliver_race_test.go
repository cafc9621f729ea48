package usersync_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
)

// over makes a service over other stores than the bureau's own.
func (b *bureau) over(stores usersync.Stores, opts ...usersync.Option) *usersync.Service {
	b.t.Helper()
	svc, err := usersync.NewService(b.spy, stores, append([]usersync.Option{usersync.WithSchema(badges()),
		usersync.WithClock(b.now), usersync.WithBatchSize(2)}, opts...)...)
	require.NoError(b.t, err)
	return svc
}

// meddled is an outbox in which another process is faster once.
type meddled struct {
	usersync.Outbox
	faster func()
}

func (m *meddled) MoveMail(ctx context.Context, mail usersync.Mail, from usersync.MailState) error {
	if faster := m.faster; faster != nil {
		m.faster = nil
		faster()
	}
	return m.Outbox.MoveMail(ctx, mail, from)
}

// A8: a mail that a dead process had in hand is settled by another process, while a run that goes on is about to: it
// goes on.
func TestMailSettledMeanwhile(t *testing.T) {
	p := &post{}
	b := welcoming(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	p.fail = func(string, int) error { cancel(); return errors.New("down") }
	run, err := b.svc.Apply(ctx, b.preview("anna", "bert", "carl").ID, mailsOn)
	require.Error(t, err)
	p.fail = nil
	mails, err := b.svc.Mails(t.Context(), usersync.MailQuery{})
	require.NoError(t, err)
	orphan, stores := mails[0], b.state.Stores()
	orphan.State, orphan.Holder, orphan.Due = usersync.MailSending, 1, b.now().Add(4*time.Minute)
	require.NoError(t, b.state.MoveMail(t.Context(), orphan, mails[0].State))
	b.ahead += time.Hour
	stores.Outbox = &meddled{stores.Outbox, func() {
		settled := orphan
		settled.State = usersync.MailUnknown
		require.NoError(t, b.state.MoveMail(context.Background(), settled, usersync.MailSending))
	}}
	_, err = b.over(stores, usersync.WithMailer(p)).Resume(t.Context(), run.ID)
	require.NoError(t, err)
	require.Equal(t, map[usersync.MailState]int{usersync.MailUnknown: 1, usersync.MailSent: 2}, b.states())
}

// until makes a service whose context ends when n users are created.
func (b *bureau) until(n int, cancel func(), opts ...usersync.Option) *usersync.Service {
	return b.service(append(opts, usersync.WithProgress(func(p usersync.Progress) {
		if p.Stage == usersync.StageCreate && p.Done == n {
			cancel()
		}
	}))...)
}

// A8: a run that goes on where nobody sends mails queues those that it owes.
func TestMailsQueuedWithoutMailer(t *testing.T) {
	p := &post{}
	b := welcoming(t, p)
	plan := b.preview("anna", "bert", "carl", "dora")
	ctx, cancel := context.WithCancel(t.Context())
	run, err := b.until(2, cancel, usersync.WithMailer(p)).Apply(ctx, plan.ID, mailsOn)
	require.Error(t, err)
	run, err = b.service().Resume(t.Context(), run.ID)
	require.NoError(t, err)
	require.Equal(t, 4, run.Counts().Warnings)
	require.Equal(t, usersync.Delivery{Sent: 4}, b.deliver())
	rec, err := b.svc.RunRecord(t.Context(), run.ID)
	require.NoError(t, err)
	require.True(t, rec.Options.WelcomeMail)
}

// A8: a user is read just before each try, also when the mails before took long.
func TestMailsReadUsersAnew(t *testing.T) {
	p := &post{fail: func(string, int) error { return errors.New("down") }}
	b := welcoming(t, p)
	b.apply(b.preview("anna", "bert"), mailsOn)
	b.ahead += time.Hour
	p.fail = func(string, int) error {
		bert := b.user("bert")
		bert.Active = false
		b.store.Put(bert)
		return nil
	}
	require.Equal(t, usersync.Delivery{Sent: 1, Dropped: 1}, b.deliver())
}

// mailer that sends welcome mails and nothing else.
type onlyWelcomes struct{ *post }

func (onlyWelcomes) SendMessage() {}

// Mails that were stored before there were kinds are welcome mails.
func TestMailWithoutKind(t *testing.T) {
	p := &post{fail: func(string, int) error { return errors.New("down") }}
	b := welcoming(t, p)
	b.apply(b.preview("anna"), mailsOn)
	mails, err := b.svc.Mails(t.Context(), usersync.MailQuery{})
	require.NoError(t, err)
	old := mails[0]
	old.Kind = ""
	require.NoError(t, b.state.MoveMail(t.Context(), old, old.State))
	b.ahead += time.Hour
	p.fail = nil
	b.svc = b.service(usersync.WithMailer(onlyWelcomes{p}))
	require.Equal(t, usersync.Delivery{Sent: 1}, b.deliver())
}

// slowJournal lets something happen while results are read.
type slowJournal struct {
	usersync.Journal
	meanwhile func()
}

func (s *slowJournal) Results(ctx context.Context, id string, first, n int) ([][]byte, error) {
	if meanwhile := s.meanwhile; meanwhile != nil {
		s.meanwhile = nil
		meanwhile()
	}
	return s.Journal.Results(ctx, id, first, n)
}

// A report that takes long to make is sent once, by whoever has it first.
func TestSlowReportByMail(t *testing.T) {
	p := &post{}
	b := welcoming(t, p)
	run := b.apply(b.preview("anna"))
	_, err := b.svc.MailReport(t.Context(), run.ID, usersync.MessageReport, "hr@example.com")
	require.NoError(t, err)
	stores := b.state.Stores()
	stores.Journal = &slowJournal{stores.Journal, func() {
		b.ahead += 5 * time.Minute
		require.Equal(t, usersync.Delivery{Sent: 1}, b.deliver())
	}}
	d, err := b.over(stores, usersync.WithMailer(p)).DeliverMails(t.Context())
	require.NoError(t, err)
	require.Zero(t, d)
	require.Equal(t, []string{"hr@example.com"}, p.sent)
	require.Equal(t, map[usersync.MailState]int{usersync.MailSent: 1}, b.states())
}

// ledgerOfSeats sets seats aside, and notes what it was asked.
type ledgerOfSeats struct {
	held int
	gone bool
	last func(seats int)
}

func (k *ledgerOfSeats) Seats(context.Context) (usersync.Seats, error) {
	return usersync.Seats{Limit: 10}, nil
}

func (k *ledgerOfSeats) ReserveSeats(_ context.Context, _ string, holds []usersync.SeatHold, _ time.Duration) error {
	if k.gone {
		return errors.New("gone")
	}
	k.held = 0
	for _, h := range holds {
		k.held += h.Seats
	}
	if k.last != nil {
		k.last(k.held)
	}
	return nil
}

// A1: seats that a dead process has set aside are let go when its run goes on, also if that takes no more.
func TestSeatsOfDeadProcessLetGo(t *testing.T) {
	b, k := newBureau(t), &ledgerOfSeats{}
	ctx, cancel := context.WithCancel(t.Context())
	svc := b.until(2, func() { k.gone = true; cancel() }, usersync.WithLicense(k))
	plan := b.preview("anna", "bert")
	run, err := svc.Apply(ctx, plan.ID)
	require.Error(t, err)
	k.gone = false
	require.Equal(t, 2, k.held)
	_, err = svc.Resume(t.Context(), run.ID)
	require.NoError(t, err)
	require.Zero(t, k.held)
}

// A1: a process that has lost its run does not let go what the next has set aside.
func TestSeatsOfOvertakenRunStay(t *testing.T) {
	b, k := newBureau(t), &ledgerOfSeats{}
	plan := b.preview("anna", "bert", "carl", "dora", "emil", "fritz")
	ctx, cancel := context.WithCancel(t.Context())
	svc := b.until(2, func() {
		b.ahead += time.Hour
		_, err := b.state.Acquire(context.Background(), b.cfg.ID, plan.ID, time.Minute)
		require.NoError(t, err)
		k.last = func(seats int) { require.NotZero(t, seats, "lets go what is another's") }
		cancel()
	}, usersync.WithLicense(k))
	_, err := svc.Apply(ctx, plan.ID)
	require.Error(t, err)
}
