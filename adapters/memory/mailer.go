package memory

import (
	"context"
	"slices"
	"sync"

	"github.com/usersync-go/usersync"
)

var (
	_ usersync.Mailer     = (*Mailer)(nil)
	_ usersync.Messenger  = (*Mailer)(nil)
	_ usersync.Idempotent = (*Mailer)(nil)
	_ usersync.Texter     = (*Texter)(nil)
	_ usersync.Idempotent = (*Texter)(nil)
)

// Mailer is a usersync.Mailer and Messenger that sends nothing and records what it was asked to send: one mail for
// each idempotency key, however often it comes. It may be used by several goroutines at once.
type Mailer struct {
	welcomes record[usersync.Welcome]
	messages record[usersync.Message]
}

// NewMailer makes a mailer that has sent nothing.
func NewMailer() *Mailer { return &Mailer{} }

// SendWelcome records the mail, or returns the error that Fail has set for its address.
func (m *Mailer) SendWelcome(ctx context.Context, w usersync.Welcome) error {
	return m.welcomes.add(ctx, w.Email, w.IdempotencyKey, copyWelcome(w))
}

// SendMessage records the message, or returns the error that Fail has set for its address.
func (m *Mailer) SendMessage(ctx context.Context, msg usersync.Message) error {
	return m.messages.add(ctx, msg.To, msg.IdempotencyKey, copyMessage(msg))
}

// IsIdempotent is true: the mailer remembers keys.
func (m *Mailer) IsIdempotent() bool { return true }

// Fail makes mails to an address fail with err from now on; with nil they are sent again.
func (m *Mailer) Fail(email string, err error) {
	m.welcomes.setFail(email, err)
	m.messages.setFail(email, err)
}

// Sent returns a copy of the welcome mails so far, in order.
func (m *Mailer) Sent() []usersync.Welcome { return m.welcomes.all(copyWelcome) }

// Messages returns a copy of the other messages so far, in order.
func (m *Mailer) Messages() []usersync.Message { return m.messages.all(copyMessage) }

// Texter is a usersync.Texter that sends nothing and records what it was asked to send: one text message for each
// idempotency key, however often it comes. It may be used by several goroutines at once.
type Texter struct{ invitations record[usersync.Welcome] }

// NewTexter makes a texter that has sent nothing.
func NewTexter() *Texter { return &Texter{} }

// SendInvitation records the invitation, or returns the error that Fail has set for its number.
func (t *Texter) SendInvitation(ctx context.Context, w usersync.Welcome) error {
	return t.invitations.add(ctx, w.Phone, w.IdempotencyKey, copyWelcome(w))
}

// IsIdempotent is true: the texter remembers keys.
func (t *Texter) IsIdempotent() bool { return true }

// Fail makes invitations to a number fail with err from now on; with nil they are sent again.
func (t *Texter) Fail(phone string, err error) { t.invitations.setFail(phone, err) }

// Sent returns a copy of the invitations so far, in order.
func (t *Texter) Sent() []usersync.Welcome { return t.invitations.all(copyWelcome) }

// record is what was sent.
type record[M any] struct {
	mu   sync.Mutex
	sent []M
	keys map[string]bool
	fail map[string]error // by folded address
}

func (r *record[M]) add(ctx context.Context, to, key string, m M) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := r.fail[usersync.Fold(to)]; err != nil {
		return err
	}
	if r.keys[key] {
		return nil
	}
	if key != "" {
		if r.keys == nil {
			r.keys = map[string]bool{}
		}
		r.keys[key] = true
	}
	r.sent = append(r.sent, m)
	return nil
}

func (r *record[M]) setFail(to string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail == nil {
		r.fail = map[string]error{}
	}
	r.fail[usersync.Fold(to)] = err
}

func (r *record[M]) all(clone func(M) M) []M {
	r.mu.Lock()
	defer r.mu.Unlock()
	sent := slices.Clone(r.sent)
	for i := range sent {
		sent[i] = clone(sent[i])
	}
	return sent
}

func copyWelcome(w usersync.Welcome) usersync.Welcome {
	w.User.Values = w.User.Values.Clone()
	return w
}

func copyMessage(m usersync.Message) usersync.Message {
	m.Attachments = slices.Clone(m.Attachments)
	for i := range m.Attachments {
		m.Attachments[i].Data = slices.Clone(m.Attachments[i].Data)
	}
	return m
}
