package usersynctest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

type messengerFunc func(context.Context, usersync.Message) error

func (f messengerFunc) SendMessage(ctx context.Context, m usersync.Message) error { return f(ctx, m) }

// passing puts a messenger on trial that gives messages on as send does.
func passing(send func(ctx context.Context, m usersync.Message, on messengerFunc) error) func(trial) *messages {
	return func(tr trial) *messages {
		m := memory.NewMailer()
		f := func(ctx context.Context, msg usersync.Message) error { return send(ctx, msg, m.SendMessage) }
		return &messages{tr, settingsOf(nil), messengerFunc(f), m.Messages}
	}
}

// changing breaks each message on its way.
func changing(change func(m *usersync.Message)) func(trial) *messages {
	return passing(func(ctx context.Context, m usersync.Message, on messengerFunc) error {
		m.Attachments = slices.Clone(m.Attachments)
		change(&m)
		return on(ctx, m)
	})
}

func TestMessageChecksFindDefects(t *testing.T) {
	sound := changing(func(*usersync.Message) {})
	prove(t, messageChecks(), sound, []defect[*messages]{
		{"notices are left out", []string{"each kind"}, passing(func(ctx context.Context, m usersync.Message, on messengerFunc) error {
			if m.Kind == usersync.MessageEnded {
				return nil
			}
			return on(ctx, m)
		})},
		{"one attachment at most", []string{"attachments"}, changing(func(m *usersync.Message) { m.Attachments = m.Attachments[:min(1, len(m.Attachments))] })},
		{"dots at the beginning of lines are lost", []string{"each kind"}, changing(func(m *usersync.Message) {
			for i := range m.Attachments {
				m.Attachments[i].Data = []byte(strings.ReplaceAll(string(m.Attachments[i].Data), "\n.", "\n"))
			}
		})},
		{"a header in the name of a file", []string{"any text"}, changing(func(m *usersync.Message) {
			if _, to, found := strings.Cut(m.Run.File, "Bcc: "); found {
				m.To = to
			}
		})},
		{"idempotency keys are forgotten", []string{"same idempotency key"}, changing(func(m *usersync.Message) { m.IdempotencyKey = "" })},
		{"attachments are kept", []string{"attachments stay the caller's"}, func(tr trial) *messages {
			var queue []usersync.Message
			send := messengerFunc(func(_ context.Context, m usersync.Message) error {
				queue = append(queue, m)
				return nil
			})
			return &messages{tr, settingsOf(nil), send, func() []usersync.Message { return queue }}
		}},
		{"an interrupted message is no error", []string{"cancelled"}, passing(func(ctx context.Context, m usersync.Message, on messengerFunc) error {
			_ = on(ctx, m)
			return nil
		})},
		{"one connection", []string{"concurrent"}, func(tr trial) *messages {
			m, busy := memory.NewMailer(), new(sync.Mutex)
			send := messengerFunc(func(ctx context.Context, msg usersync.Message) error {
				if !busy.TryLock() {
					return errors.New("connection is busy")
				}
				defer busy.Unlock()
				time.Sleep(time.Millisecond)
				return m.SendMessage(ctx, msg)
			})
			return &messages{tr, settingsOf(nil), send, m.Messages}
		}},
	})
}

type texterFunc func(context.Context, usersync.Welcome) error

func (f texterFunc) SendInvitation(ctx context.Context, w usersync.Welcome) error { return f(ctx, w) }

// A texter is on trial like a mailer, by its numbers.
func TestTextChecksFindDefects(t *testing.T) {
	texting := func(change func(w *usersync.Welcome)) func(trial) *mails {
		return func(tr trial) *mails {
			x := memory.NewTexter()
			send := texterFunc(func(ctx context.Context, w usersync.Welcome) error {
				change(&w)
				return x.SendInvitation(ctx, w)
			})
			return textsAsMails(tr, settingsOf(nil), send, x.Sent)
		}
	}
	sound := texting(func(*usersync.Welcome) {})
	passes(t, mailChecks(), sound)
	prove(t, mailChecks()[:1], sound, []defect[*mails]{
		{"texts go nowhere", []string{"one mail"}, texting(func(w *usersync.Welcome) { w.Phone = "" })},
		{"numbers are cut off", []string{"one mail"}, texting(func(w *usersync.Welcome) { w.Phone = w.Phone[:12] })},
	})
}
