package usersync_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

// post is a mailer that fails as told and does not remember keys, unless told so.
type post struct {
	mu         sync.Mutex
	tries      map[string]int // by key
	sent       []string       // addresses
	fail       func(to string, try int) error
	idempotent bool
}

func (p *post) IsIdempotent() bool { return p.idempotent }

func (p *post) SendWelcome(_ context.Context, w usersync.Welcome) error {
	return p.send(w.IdempotencyKey, w.Email)
}

func (p *post) SendInvitation(_ context.Context, w usersync.Welcome) error {
	return p.send(w.IdempotencyKey, w.Phone)
}

func (p *post) SendMessage(_ context.Context, m usersync.Message) error {
	return p.send(m.IdempotencyKey, m.To)
}

func (p *post) send(key, to string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tries == nil {
		p.tries = map[string]int{}
	}
	p.tries[key]++
	if p.fail != nil {
		if err := p.fail(to, p.tries[key]); err != nil {
			return err
		}
	}
	p.sent = append(p.sent, to)
	return nil
}

// states counts the mails in the outbox by state.
func (b *bureau) states() map[usersync.MailState]int {
	b.t.Helper()
	mails, err := b.svc.Mails(b.t.Context(), usersync.MailQuery{})
	require.NoError(b.t, err)
	out := map[usersync.MailState]int{}
	for _, m := range mails {
		out[m.State]++
	}
	return out
}

func (b *bureau) deliver() usersync.Delivery {
	b.t.Helper()
	d, err := b.svc.DeliverMails(b.t.Context())
	require.NoError(b.t, err)
	return d
}

// welcoming is a service whose runs send welcome mails through p.
func welcoming(t *testing.T, p *post, opts ...usersync.Option) *bureau {
	b := newBureau(t)
	b.svc = b.service(append([]usersync.Option{usersync.WithMailer(p), usersync.WithTexter(p)}, opts...)...)
	return b
}

var mailsOn = usersync.WithWelcomeMail(true)

// A8: what was not sent is tried again after a while, twice as long each time, until it was tried often enough.
func TestMailRetries(t *testing.T) {
	p := &post{fail: func(to string, try int) error {
		if to == "bert@example.com" && try < 4 || to == "carl@example.com" {
			return errors.New("mailbox busy")
		}
		return nil
	}}
	b := welcoming(t, p, usersync.WithMailRetries(usersync.Retries{Tries: 5, First: time.Minute, Longest: 3 * time.Minute}))
	run := b.apply(b.preview("anna", "bert", "carl"), mailsOn)
	require.Equal(t, 1, run.Counts().Mails)
	require.Equal(t, 2, run.Counts().Warnings)
	require.Equal(t, map[usersync.MailState]int{usersync.MailSent: 1, usersync.MailQueued: 2}, b.states())
	for row := range run.Rows() {
		if row.Name == "bert" {
			require.Equal(t, "the welcome mail was not sent: mailbox busy (it is tried again)", row.Reasons[len(row.Reasons)-1].Text())
		}
	}
	require.Zero(t, b.deliver(), "nothing is due yet")
	for i, want := range []struct {
		after time.Duration
		done  usersync.Delivery
	}{
		{time.Minute, usersync.Delivery{Again: 2}}, {2 * time.Minute, usersync.Delivery{Again: 2}},
		{3 * time.Minute, usersync.Delivery{Sent: 1, Again: 1}}, {3 * time.Minute, usersync.Delivery{Failed: 1}},
	} {
		b.ahead += want.after - time.Second
		require.Zero(t, b.deliver(), i)
		b.ahead += time.Second
		require.Equal(t, want.done, b.deliver(), i)
	}
	b.ahead += 100 * time.Hour
	require.Zero(t, b.deliver())
	require.Equal(t, []string{"anna@example.com", "bert@example.com"}, p.sent)
}

// A8: a refusal is not tried again, and what is unsure is left to a person, unless the mailer remembers keys.
func TestMailOutcomes(t *testing.T) {
	for _, tt := range []struct {
		err        error
		idempotent bool
		want       usersync.MailState
	}{
		{fmt.Errorf("550 no such user: %w", usersync.ErrMailRefused), false, usersync.MailFailed},
		{fmt.Errorf("cut off: %w", usersync.ErrMailUnsure), false, usersync.MailUnknown},
		{fmt.Errorf("cut off: %w", usersync.ErrMailUnsure), true, usersync.MailQueued},
		{errors.New("450 later"), false, usersync.MailQueued},
	} {
		p := &post{idempotent: tt.idempotent, fail: func(string, int) error { return tt.err }}
		b := welcoming(t, p)
		run := b.apply(b.preview("anna"), mailsOn)
		require.Equal(t, usersync.RunSucceeded, run.Status())
		require.Equal(t, map[usersync.MailState]int{tt.want: 1}, b.states(), tt.err)
		mails, err := b.svc.Mails(t.Context(), usersync.MailQuery{RunID: run.ID})
		require.NoError(t, err)
		require.Equal(t, tt.err.Error(), mails[0].Note)
		require.Equal(t, 1, mails[0].Tries)
	}
}

// A8: a person retries what has failed or is not known, and gives up what is not wanted; what was sent is neither.
func TestMailDecisions(t *testing.T) {
	broken := fmt.Errorf("cut off: %w", usersync.ErrMailUnsure)
	p := &post{fail: func(string, int) error { return broken }}
	b := welcoming(t, p)
	ctx := t.Context()
	run := b.apply(b.preview("anna", "bert"), mailsOn)
	mails, err := b.svc.Mails(ctx, usersync.MailQuery{RunID: run.ID, States: []usersync.MailState{usersync.MailUnknown}})
	require.NoError(t, err)
	require.Len(t, mails, 2)
	b.ahead += 1000 * time.Hour
	require.Zero(t, b.deliver(), "nobody has decided")

	broken = nil
	again, err := b.svc.RetryMail(ctx, mails[0].Key)
	require.NoError(t, err)
	require.Equal(t, usersync.MailQueued, again.State)
	gone, err := b.svc.AbandonMail(ctx, mails[1].Key, "Bert has called")
	require.NoError(t, err)
	require.Equal(t, "Bert has called: "+mails[1].Note, gone.Note)
	require.Equal(t, usersync.Delivery{Sent: 1}, b.deliver())
	require.Equal(t, map[usersync.MailState]int{usersync.MailSent: 1, usersync.MailDropped: 1}, b.states())

	_, err = b.svc.RetryMail(ctx, mails[0].Key)
	require.ErrorIs(t, err, usersync.ErrInvalid)
	_, err = b.svc.AbandonMail(ctx, mails[0].Key, "")
	require.ErrorIs(t, err, usersync.ErrInvalid)
	for _, key := range []string{"nobody's", ""} {
		_, err = b.svc.RetryMail(ctx, key)
		require.ErrorIs(t, err, usersync.ErrNotFound)
	}
}

// A8: who became inactive, gone, or signs in elsewhere before a retry is not welcomed any more.
func TestMailDropped(t *testing.T) {
	p := &post{fail: func(to string, try int) error {
		if try == 1 {
			return errors.New("later")
		}
		return nil
	}}
	b := welcoming(t, p)
	b.apply(b.preview("anna", "bert", "carl", "dora"), mailsOn)
	b.spy.found = func(_ string, users []usersync.User) {
		for i := range users {
			switch users[i].Values.Get("userName") {
			case "anna":
				users[i].Active = false
			case "bert":
				users[i].SSO = true
			case "carl":
				users[i].Values.Set("email", "")
			}
		}
	}
	b.ahead += time.Hour
	require.Equal(t, usersync.Delivery{Sent: 1, Dropped: 3}, b.deliver())
	require.Equal(t, []string{"dora@example.com"}, p.sent)
}

// A8: users whose address is of a domain that signs in elsewhere are not invited, in whatever form it is written.
func TestSSODomains(t *testing.T) {
	for _, tt := range []struct {
		domain, address string
		elsewhere       bool
	}{
		{"example.com", "a@example.com", true}, {"EXAMPLE.com", "a@Example.COM", true}, {"example.com", "a@sub.example.com", false},
		{".example.com", "a@sub.example.com", true}, {".example.com", "a@example.com", false}, {"example.com", "a@notexample.com", false},
		{"bücher.example", "a@xn--bcher-kva.example", true}, {"xn--bcher-kva.example", "a@bücher.example", true},
		{".example.com", "a@notexample.com", false},
	} {
		p := &post{}
		b := welcoming(t, p, usersync.WithSSODomains("other.example", tt.domain))
		run := b.apply(b.preview("anna email="+tt.address, "bert email=b@elsewhere.example"), mailsOn)
		want := map[usersync.MailState]int{usersync.MailSent: 2}
		if tt.elsewhere {
			want = map[usersync.MailState]int{usersync.MailSent: 1, usersync.MailDropped: 1}
		}
		require.Equal(t, want, b.states(), tt)
		require.Zero(t, run.Counts().Warnings)
	}
}

// A8: an invitation by phone is a message of its own, with its own state.
func TestInvitationsByPhone(t *testing.T) {
	p := &post{fail: func(to string, _ int) error {
		if to == "+49301" {
			return fmt.Errorf("not a mobile number: %w", usersync.ErrMailRefused)
		}
		return nil
	}}
	b := welcoming(t, p)
	run := b.apply(b.preview("anna phone=+4915112345", "bert phone=+49301", "carl"), mailsOn, usersync.WithWelcomeText(true))
	require.Equal(t, 4, run.Counts().Mails)
	require.Equal(t, map[usersync.MailState]int{usersync.MailSent: 4, usersync.MailFailed: 1, usersync.MailDropped: 1}, b.states())
	for row := range run.Rows() {
		if row.Name == "bert" {
			require.Equal(t, usersync.CodeTextFailed, row.Reasons[len(row.Reasons)-1].Code)
		}
	}
	require.True(t, run.Plan() != nil && p.tries["text/"+run.ID+"/"+b.user("anna").ID] == 1)
}

func (b *bureau) user(name string) usersync.User {
	b.t.Helper()
	users, err := b.store.FindUsers(b.t.Context(), "userName", []string{name})
	require.NoError(b.t, err)
	require.Len(b.t, users, 1)
	return users[0]
}

// A report, a file of bad rows and the notice of a run's end go to the people who are named, once.
func TestReportsByMail(t *testing.T) {
	mailer := memory.NewMailer()
	b := newBureau(t)
	b.svc = b.service(usersync.WithMailer(mailer))
	cfg := b.cfg
	cfg.Notify = []string{"ops@example.com"}
	var err error
	b.cfg, err = b.svc.EditConfig(t.Context(), cfg)
	require.NoError(t, err)
	run := b.apply(b.preview("anna", "bad email=x"), usersync.Notify("me@example.com", "ops@example.com"))
	require.Equal(t, usersync.Delivery{Sent: 2}, b.deliver())
	require.Zero(t, b.deliver())
	var to []string
	for _, m := range mailer.Messages() {
		require.Equal(t, usersync.MessageEnded, m.Kind)
		require.Equal(t, usersync.RunSucceeded, m.Run.Status)
		require.Equal(t, 1, m.Run.Counts.Created)
		to = append(to, m.To)
	}
	require.Equal(t, []string{"me@example.com", "ops@example.com"}, to)

	queued, err := b.svc.MailReport(t.Context(), run.ID, usersync.MessageReport, "boss@example.com")
	require.NoError(t, err)
	require.Len(t, queued, 1)
	_, err = b.svc.MailReport(t.Context(), run.ID, usersync.MessageCorrections, "hr@example.com")
	require.NoError(t, err)
	require.Equal(t, usersync.Delivery{Sent: 2}, b.deliver())
	for _, m := range mailer.Messages()[2:] {
		require.Len(t, m.Attachments, 1)
		require.Equal(t, "PK", string(m.Attachments[0].Data[:2]), "a workbook")
	}

	plan := b.preview("worse email=y")
	_, err = b.svc.MailReport(t.Context(), plan.ID, usersync.MessageCorrections, "hr@example.com")
	require.NoError(t, err)
	require.Equal(t, usersync.Delivery{Sent: 1}, b.deliver())

	_, err = b.svc.MailReport(t.Context(), run.ID, "poem", "no address", "eve@example.com\r\nBcc: all@example.com")
	var invalid *usersync.InvalidError
	require.ErrorAs(t, err, &invalid)
	require.Len(t, invalid.Problems, 3)
	_, err = b.svc.MailReport(t.Context(), "unknown", usersync.MessageReport, "hr@example.com")
	require.ErrorIs(t, err, usersync.ErrNotFound)
}

// The mails of a run whose process is gone are sent without it, and not again when it goes on. Many processes
// deliver at once.
func TestDeliverAtOnce(t *testing.T) {
	p := &post{fail: func(string, int) error { return nil }}
	b := welcoming(t, p)
	var rows []string
	for i := range 60 {
		rows = append(rows, fmt.Sprintf("user%02d", i))
	}
	down := true
	p.fail = func(string, int) error {
		if down {
			return io.ErrUnexpectedEOF
		}
		return nil
	}
	b.apply(b.preview(rows...), mailsOn)
	down = false
	b.ahead += time.Hour
	var group sync.WaitGroup
	var mu sync.Mutex
	sent := 0
	for range 8 {
		group.Go(func() {
			d, err := b.service(usersync.WithMailer(p)).DeliverMails(t.Context())
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				sent += d.Sent
			}
		})
	}
	group.Wait()
	require.Equal(t, len(rows), sent)
	require.Len(t, p.sent, len(rows))
}

// A8: a mail that a dead process had in hand is sent again only by a mailer that remembers keys, and only once
// it is certain that the process is dead.
func TestDeliverOrphans(t *testing.T) {
	for _, idempotent := range []bool{false, true} {
		p := &post{idempotent: idempotent, fail: func(string, int) error { return errors.New("later") }}
		b := welcoming(t, p)
		run := b.apply(b.preview("anna"), mailsOn)
		mails, err := b.svc.Mails(t.Context(), usersync.MailQuery{RunID: run.ID})
		require.NoError(t, err)
		orphan := mails[0]
		orphan.State, orphan.Due = usersync.MailSending, b.now().Add(4*time.Minute)
		require.NoError(t, b.state.MoveMail(t.Context(), orphan, usersync.MailQueued))
		p.fail = nil
		b.ahead += 4*time.Minute - time.Second
		require.Zero(t, b.deliver(), "it may still be under way")
		b.ahead += time.Second
		if idempotent {
			require.Equal(t, usersync.Delivery{Sent: 1}, b.deliver())
		} else {
			require.Equal(t, usersync.Delivery{Unknown: 1}, b.deliver())
			require.Empty(t, p.sent)
		}
	}
}

// A panic of a mailer is no outcome: it may have sent the mail.
func TestDeliverPanic(t *testing.T) {
	p := &post{fail: func(_ string, try int) error {
		if try > 1 {
			panic("out of stamps")
		}
		return errors.New("later")
	}}
	b := welcoming(t, p)
	b.apply(b.preview("anna"), mailsOn)
	b.ahead += time.Hour
	require.Equal(t, usersync.Delivery{Unknown: 1}, b.deliver())
	mails, err := b.svc.Mails(t.Context(), usersync.MailQuery{})
	require.NoError(t, err)
	require.Contains(t, mails[0].Note, "out of stamps")
}

// What cannot be an address is refused before anything is written, and a domain that cannot be one at once.
func TestMailOptions(t *testing.T) {
	b := welcoming(t, &post{})
	plan := b.preview("anna")
	_, err := b.svc.Apply(t.Context(), plan.ID, usersync.Notify("ops@example.com", "ops@example.com\r\nBcc: eve@example.com"))
	var invalid *usersync.InvalidError
	require.ErrorAs(t, err, &invalid)
	require.Len(t, invalid.Problems, 1)
	require.Equal(t, "notify[1]", invalid.Problems[0].Path)
	require.Empty(t, b.store.Users())
	b.apply(plan)

	for _, domain := range []string{"@partner.example", "partner.example.", "*.partner.example", "https://partner.example", "a b", ""} {
		_, err := usersync.NewService(b.store, b.state.Stores(), usersync.WithSSODomains("good.example", domain))
		require.ErrorIs(t, err, usersync.ErrInvalid, domain)
	}
	_, err = usersync.NewService(b.store, b.state.Stores(), usersync.WithMailRetries(usersync.Retries{}), usersync.WithMailTime(-1))
	require.ErrorAs(t, err, &invalid)
	require.Len(t, invalid.Problems, 2)
}
