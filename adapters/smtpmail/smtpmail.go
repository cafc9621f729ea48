// Package smtpmail sends welcome mails and messages about runs through a mail server.
//
//	mailer, err := smtpmail.New(smtpmail.Config{
//		Host: "smtp.example.com", User: "product", Password: secret,
//		From: mail.Address{Name: "Product", Address: "noreply@example.com"},
//		Link: func(ctx context.Context, w usersync.Welcome) (string, error) {
//			token, err := tokens.New(ctx, w.User.ID)
//			return "https://product.example.com/welcome?token=" + token, err
//		},
//	})
//	...
//	defer mailer.Close()
//	engine, err := usersync.New(users, baselines, usersync.WithMailer(mailer))
//
// A mail goes to one address and no other, whatever the cells hold. It has a text and an HTML part in the
// language of the user, chosen from those of the templates, and no password. The connection is encrypted and the
// certificate checked, or nothing is sent.
//
// What an error means:
//
//	reply 5xx to RCPT or DATA; no address           usersync.ErrMailRefused: not tried again
//	broken between the final dot and the reply      usersync.ErrMailUnsure: a person decides
//	anything else                                   not sent, may be tried again
//
// SMTP does not remember keys, so a mail of which the end is not known is not sent again by itself. The Message-ID
// comes from the idempotency key: one who finds two mails with the same knows that they are one (RFC 5322, 3.6.4).
package smtpmail

import (
	"context"
	"slices"
	"time"

	"github.com/usersync-go/usersync"
)

var (
	_ usersync.Mailer    = (*Mailer)(nil)
	_ usersync.Messenger = (*Mailer)(nil)
)

// idle is how long a connection is kept between two mails. Servers keep them for minutes (RFC 5321, 4.5.3.2);
// a batch has no pauses.
const idle = 10 * time.Second

// Mailer is a usersync.Mailer and a usersync.Messenger. It may be used by several goroutines at once; their
// mails go one after the other over one connection, which is opened at the first mail and used again by those
// that follow within ten seconds. Close it after a batch, or the server closes it in its own time.
type Mailer struct {
	config    Config
	templates *library

	turn    chan struct{} // holds one value while nobody sends; guards what follows
	session *session      // nil while there is no connection
	pace    pace
}

// New makes a mailer, without connecting. Its error is a *usersync.InvalidError with everything that is wrong,
// templates included: each is tried with made-up data.
func New(c Config) (*Mailer, error) {
	var p problems
	c.complete(&p)
	lib := newLibrary(c.Templates, &p)
	if err := p.err(); err != nil {
		return nil, err
	}
	m := &Mailer{config: c, templates: lib, turn: make(chan struct{}, 1), pace: newPace(c.Rate)}
	m.turn <- struct{}{}
	return m, nil
}

// SendWelcome sends one mail to w.Email, as usersync.Mailer describes. It waits for its turn and for the rate as
// long as ctx lets it; Config.Timeout counts from then on.
func (m *Mailer) SendWelcome(ctx context.Context, w usersync.Welcome) error {
	if reason := badAddress(w.Email); reason != "" {
		return refused("%s", reason)
	}
	link, err := m.link(ctx, w)
	if err != nil {
		return err
	}
	message, err := m.welcome(w, link)
	if err != nil {
		return err
	}
	return m.send(ctx, envelope{m.config.From.Address, w.Email, message}, link)
}

// SendMessage sends one message about a run with its attachments to msg.To, as usersync.Messenger describes, and
// otherwise like SendWelcome.
func (m *Mailer) SendMessage(ctx context.Context, msg usersync.Message) error {
	if reason := badAddress(msg.To); reason != "" {
		return refused("%s", reason)
	}
	message, err := m.message(msg)
	if err != nil {
		return err
	}
	return m.send(ctx, envelope{m.config.From.Address, msg.To, message}, "")
}

// Close ends the connection, if there is one, after the mail that is being sent. A later mail opens another.
func (m *Mailer) Close() error {
	<-m.turn
	defer m.release()
	if m.session == nil {
		return nil
	}
	err := m.session.quit()
	m.session = nil
	return err
}

// String names the server and has no password.
func (m *Mailer) String() string { return m.config.String() }

// GoString is String.
func (m *Mailer) GoString() string { return m.config.String() }

func (m *Mailer) release() { m.turn <- struct{}{} }

// send waits for its turn and sends a mail.
func (m *Mailer) send(ctx context.Context, e envelope, link string) error {
	select {
	case <-m.turn:
	case <-ctx.Done():
		return ended(ctx, "the mail has waited for others")
	}
	defer m.release()
	if err := sleep(ctx, m.pace.delay(time.Now())); err != nil {
		return ended(ctx, "the mail has waited for its turn")
	}
	m.pace.went(time.Now())
	ctx, cancel := context.WithTimeout(ctx, m.config.Timeout)
	defer cancel()
	return m.deliver(ctx, e, link)
}

// deliver sends a mail over the connection that there is, or a new one.
func (m *Mailer) deliver(ctx context.Context, e envelope, link string) error {
	s, err := m.connected(ctx)
	if err != nil {
		return err
	}
	all := s.secrets
	s.secrets = append(slices.Clip(all), secretLink(link)...)
	err = s.send(ctx, e)
	s.secrets, s.used = all, time.Now()
	if s.over {
		m.drop()
	}
	return err
}

// connected is the connection, checked if it has been used.
func (m *Mailer) connected(ctx context.Context) (*session, error) {
	if m.session != nil && time.Since(m.session.used) < idle && m.session.alive(ctx) {
		return m.session, nil
	}
	m.drop()
	s, err := open(ctx, &m.config)
	if err != nil {
		return nil, err
	}
	m.session = s
	return s, nil
}

// drop closes the connection without a word: QUIT would end a mail that was cut short as if it were whole.
func (m *Mailer) drop() {
	if m.session != nil {
		_ = m.session.conn.Close()
		m.session = nil
	}
}
