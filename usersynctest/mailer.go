package usersynctest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/usersync-go/usersync"
)

// TestMailer checks that a mailer keeps the promises of usersync.Mailer. open returns a mailer and a
// function that tells which mails have gone out through it, or are queued durably, in order; it releases
// them with t.Cleanup. The mails must have their Email; what else cannot be told from a mail may be left
// zero and is not checked.
func TestMailer(t *testing.T, open func(t *testing.T) (usersync.Mailer, func() []usersync.Welcome), opts ...Option) {
	t.Helper()
	set := settingsOf(opts)
	run(t, mailChecks(), func(t *testing.T, tr trial) *mails {
		mailer, sent := open(t)
		return &mails{trial: tr, settings: set, mailer: mailer, sent: sent}
	})
}

func mailChecks() []check[*mails] {
	return []check[*mails]{
		{"one mail", "SendWelcome sends, or queues durably, one welcome mail to Welcome.Email.", mailOne},
		{"only what is known", "Locale and the user's values may be blank. Greet the user by what there is.",
			mailBlank},
		{"any text", "Values may hold any letters, commas, quotes and angle brackets. Whatever they hold, the" +
			" mail goes to Welcome.Email and to nobody else.", mailText},
		{"same idempotency key", "The idempotency key is the same for the same user and run, for ever: a" +
			" mailer that remembers keys sends one mail for it. One that cannot is tested with" +
			" WithoutIdempotency.", mailSameKey},
		{"same address, other key", "Two users may share an address, and a user may be created in two runs." +
			" Tell mails apart by idempotency key, never by address.", mailSameAddress},
		{"the welcome stays the caller's", "What SendWelcome keeps of its argument, such as in a queue, is a" +
			" copy (Values.Clone).", mailOwn},
		{"cancelled", "Once ctx is done SendWelcome returns an error, or else the mail is sent: never nil for a" +
			" mail that is lost.", mailCancelled},
		{"concurrent", "Several runs may send at the same time, each from one goroutine.", mailConcurrent},
	}
}

// mails is a mailer on trial.
type mails struct {
	trial
	*settings
	mailer usersync.Mailer
	sent   func() []usersync.Welcome
}

func (m *mails) welcome(n int) usersync.Welcome {
	v := newUser(n)
	return usersync.Welcome{
		RunID:          "run-1",
		User:           usersync.User{ID: fmt.Sprintf("u%d", n), Version: "1", Active: true, Values: v},
		Email:          v.Get("email"),
		Locale:         "en-US",
		IdempotencyKey: fmt.Sprintf("run-1/u%d", n),
	}
}

func (m *mails) send(w usersync.Welcome) {
	m.Helper()
	if err := m.mailer.SendWelcome(m.Context(), w); err != nil {
		m.breach("SendWelcome to %s failed: %v", w.Email, err)
	}
}

// went checks which mails have gone out.
func (m *mails) went(want ...usersync.Welcome) {
	m.Helper()
	got := m.sent()
	if len(got) != len(want) {
		m.breach("%d mails went out, want %d", len(got), len(want))
	}
	for i := range want {
		m.matches(got[i], want[i])
	}
}

// matches compares what is known of a mail.
func (m *mails) matches(got, want usersync.Welcome) {
	m.Helper()
	if got.Email != want.Email {
		m.breach("a mail went to %q, want %q", got.Email, want.Email)
	}
	for _, f := range []struct{ name, got, want string }{
		{"RunID", got.RunID, want.RunID},
		{"User.ID", got.User.ID, want.User.ID},
		{"Locale", got.Locale, want.Locale},
		{"IdempotencyKey", got.IdempotencyKey, want.IdempotencyKey},
	} {
		if f.got != "" && f.got != f.want {
			m.breach("the mail to %s has %s %q, want %q", want.Email, f.name, f.got, f.want)
		}
	}
	for field, value := range got.User.Values.All() {
		if value != want.User.Values.Get(field) {
			m.breach("the mail to %s has %s %q, want %q", want.Email, field, value,
				want.User.Values.Get(field))
		}
	}
}

func mailOne(m *mails) {
	m.went()
	m.send(m.welcome(1))
	m.went(m.welcome(1))
	m.send(m.welcome(2))
	m.went(m.welcome(1), m.welcome(2))
}

func mailBlank(m *mails) {
	w := m.welcome(1)
	w.Locale, w.User.Values = "", usersync.Values{}
	m.send(w)
	m.went(w)
}

func mailText(m *mails) {
	var want []usersync.Welcome
	for i, text := range append(texts(), `Doe, Jane <eve@example.com>`, `"eve@example.com"`) {
		w := m.welcome(i + 1)
		w.User.Values.Set("firstName", text)
		w.User.Values.Set("lastName", text)
		m.send(w)
		want = append(want, w)
	}
	m.went(want...)
}

func mailSameKey(m *mails) {
	if m.noIdempotency {
		m.Skipf("skipped: the mailer does not remember idempotency keys")
	}
	for range 3 {
		m.send(m.welcome(1))
	}
	m.send(m.welcome(2))
	m.send(m.welcome(1))
	m.went(m.welcome(1), m.welcome(2))
}

func mailSameAddress(m *mails) {
	first, twin, rerun := m.welcome(1), m.welcome(2), m.welcome(1)
	twin.Email = first.Email
	rerun.RunID, rerun.IdempotencyKey = "run-2", "run-2/u1"
	m.send(first)
	m.send(twin)
	m.send(rerun)
	m.went(first, twin, rerun)
}

func mailOwn(m *mails) {
	w := m.welcome(1)
	m.send(w)
	for field := range m.welcome(1).User.Values.All() {
		w.User.Values.Set(field, "changed by the caller")
	}
	m.went(m.welcome(1))
}

func mailCancelled(m *mails) {
	err := m.mailer.SendWelcome(done(), m.welcome(1))
	if n := len(m.sent()); err == nil && n != 1 {
		m.breach("SendWelcome returned no error although ctx was done, and %d mails went out", n)
	}
}

func mailConcurrent(m *mails) {
	const each = 10
	problems := make([]error, writers)
	together(writers, func(w int) {
		for i := range each {
			err := m.mailer.SendWelcome(m.Context(), m.welcome(w*each+i))
			problems[w] = errors.Join(problems[w], err)
		}
	})
	if err := errors.Join(problems...); err != nil {
		m.breach("concurrent calls of SendWelcome failed: %v", err)
	}
	to := map[string]int{}
	for _, w := range m.sent() {
		to[w.Email]++
	}
	for n := range writers * each {
		if got := to[m.welcome(n).Email]; got != 1 {
			m.breach("%d mails went to %s, want 1", got, m.welcome(n).Email)
		}
	}
}
