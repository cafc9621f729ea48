package usersynctest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

func soundMailer(m *memory.Mailer) func(context.Context, usersync.Welcome) error {
	return m.SendWelcome
}

// mailing puts a mailer on trial of which SendWelcome may be replaced.
func mailing(send func(m *memory.Mailer) func(context.Context, usersync.Welcome) error, opts ...Option) func(trial) *mails {
	return func(tr trial) *mails {
		m := memory.NewMailer()
		return &mails{trial: tr, settings: settingsOf(opts), mailer: mailerFunc(send(m)), sent: m.Sent}
	}
}

type mailerFunc func(context.Context, usersync.Welcome) error

func (f mailerFunc) SendWelcome(ctx context.Context, w usersync.Welcome) error { return f(ctx, w) }

// sends breaks each mail on its way.
func sends(change func(w *usersync.Welcome)) func(trial) *mails {
	return mailing(func(m *memory.Mailer) func(context.Context, usersync.Welcome) error {
		return func(ctx context.Context, w usersync.Welcome) error {
			w.User.Values = w.User.Values.Clone()
			change(&w)
			return m.SendWelcome(ctx, w)
		}
	})
}

func TestMailChecksFindDefects(t *testing.T) {
	prove(t, mailChecks(), mailing(soundMailer), []defect[*mails]{
		{"mails go nowhere", []string{"one mail"},
			mailing(func(*memory.Mailer) func(context.Context, usersync.Welcome) error {
				return func(context.Context, usersync.Welcome) error { return nil }
			})},
		{"mails go to the userName", []string{"one mail"},
			sends(func(w *usersync.Welcome) { w.Email = w.User.Values.Get("userName") })},
		{"a mail names another run", []string{"one mail"},
			sends(func(w *usersync.Welcome) { w.RunID = "run-9" })},
		{"a blank name is an error", []string{"only what is known"},
			mailing(func(m *memory.Mailer) func(context.Context, usersync.Welcome) error {
				return func(ctx context.Context, w usersync.Welcome) error {
					if w.User.Values.Get("firstName") == "" {
						return errors.New("template: no firstName")
					}
					return m.SendWelcome(ctx, w)
				}
			})},
		{"an address in the name gets the mail", []string{"any text"},
			sends(func(w *usersync.Welcome) {
				if name := w.User.Values.Get("firstName"); strings.Contains(name, "<") {
					w.Email = name[strings.Index(name, "<")+1:]
				}
			})},
		{"names lose their accents", []string{"any text"},
			sends(func(w *usersync.Welcome) {
				name := strings.ReplaceAll(w.User.Values.Get("firstName"), "ë", "e")
				w.User.Values.Set("firstName", name)
			})},
		{"idempotency keys are forgotten", []string{"same idempotency key"},
			sends(func(w *usersync.Welcome) { w.IdempotencyKey = "" })},
		{"one mail for each address", []string{"same address, other key"},
			sends(func(w *usersync.Welcome) { w.IdempotencyKey = w.Email })},
		{"the queue keeps the welcome", []string{"the welcome stays the caller's"},
			func(tr trial) *mails {
				var queue []usersync.Welcome
				send := mailerFunc(func(_ context.Context, w usersync.Welcome) error {
					queue = append(queue, w)
					return nil
				})
				return &mails{trial: tr, settings: settingsOf(nil), mailer: send,
					sent: func() []usersync.Welcome { return queue }}
			}},
		{"an interrupted mail is no error", []string{"cancelled"},
			mailing(func(m *memory.Mailer) func(context.Context, usersync.Welcome) error {
				return func(ctx context.Context, w usersync.Welcome) error {
					_ = m.SendWelcome(ctx, w)
					return nil
				}
			})},
		{"one connection", []string{"concurrent"},
			mailing(func(m *memory.Mailer) func(context.Context, usersync.Welcome) error {
				var busy sync.Mutex
				return func(ctx context.Context, w usersync.Welcome) error {
					if !busy.TryLock() {
						return errors.New("connection is busy")
					}
					defer busy.Unlock()
					time.Sleep(time.Millisecond)
					return m.SendWelcome(ctx, w)
				}
			})},
		{"concurrent mails are lost", []string{"concurrent"},
			mailing(func(m *memory.Mailer) func(context.Context, usersync.Welcome) error {
				var busy sync.Mutex
				return func(ctx context.Context, w usersync.Welcome) error {
					if !busy.TryLock() {
						return nil
					}
					defer busy.Unlock()
					time.Sleep(time.Millisecond)
					return m.SendWelcome(ctx, w)
				}
			})},
	})
}

func TestMailChecksKnowCapabilities(t *testing.T) {
	forgets := func(m *memory.Mailer) func(context.Context, usersync.Welcome) error {
		return func(ctx context.Context, w usersync.Welcome) error {
			return m.SendWelcome(ctx, usersync.Welcome{Email: w.Email})
		}
	}
	passes(t, mailChecks(), mailing(forgets, WithoutIdempotency()),
		"skipped: the mailer does not remember idempotency keys")
}
