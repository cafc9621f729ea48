package memory

import (
	"context"
	"slices"
	"sync"

	"github.com/usersync-go/usersync"
)

var (
	_ usersync.Mailer     = (*Mailer)(nil)
	_ usersync.Idempotent = (*Mailer)(nil)
)

// Mailer is a usersync.Mailer that sends nothing and records what it was asked to send: one mail for
// each idempotency key, however often it comes. It may be used by several goroutines at once.
type Mailer struct {
	mu   sync.Mutex
	sent []usersync.Welcome
	keys map[string]bool
	fail map[string]error // by folded address
}

// NewMailer makes a mailer that has sent nothing.
func NewMailer() *Mailer {
	return &Mailer{keys: map[string]bool{}, fail: map[string]error{}}
}

// SendWelcome records the mail, or returns the error that Fail has set for its address.
func (m *Mailer) SendWelcome(ctx context.Context, w usersync.Welcome) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := m.fail[usersync.Fold(w.Email)]; err != nil {
		return err
	}
	if m.keys[w.IdempotencyKey] {
		return nil
	}
	m.keys[w.IdempotencyKey] = w.IdempotencyKey != ""
	m.sent = append(m.sent, copyWelcome(w))
	return nil
}

// IsIdempotent is true: the mailer remembers keys.
func (m *Mailer) IsIdempotent() bool { return true }

// Fail makes mails to an address fail with err from now on; with nil they are sent again.
func (m *Mailer) Fail(email string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail[usersync.Fold(email)] = err
}

// Sent returns a copy of the mails so far, in order.
func (m *Mailer) Sent() []usersync.Welcome {
	m.mu.Lock()
	defer m.mu.Unlock()
	sent := slices.Clone(m.sent)
	for i := range sent {
		sent[i] = copyWelcome(sent[i])
	}
	return sent
}

func copyWelcome(w usersync.Welcome) usersync.Welcome {
	w.User.Values = w.User.Values.Clone()
	return w
}
