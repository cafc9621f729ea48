package usersynctest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/usersync-go/usersync"
)

// TestTexter checks that a texter keeps the promises of usersync.Texter, which are those of a mailer; see
// TestMailer.
func TestTexter(t *testing.T, open func(t *testing.T) (usersync.Texter, func() []usersync.Welcome), opts ...Option) {
	t.Helper()
	set := settingsOf(opts)
	run(t, mailChecks(), func(t *testing.T, tr trial) *mails {
		texter, sent := open(t)
		return textsAsMails(tr, set, texter, sent)
	})
}

// textsAsMails puts a texter on trial as a mailer, whose addresses stand for numbers.
func textsAsMails(tr trial, set *settings, texter usersync.Texter, sent func() []usersync.Welcome) *mails {
	return &mails{trial: tr, settings: set, mailer: byPhone{texter}, sent: func() []usersync.Welcome {
		out := slices.Clone(sent())
		for i := range out {
			out[i].Email, out[i].Phone = addressOf(out[i].Phone), ""
		}
		return out
	}}
}

// byPhone is a mailer that sends texts.
type byPhone struct{ texter usersync.Texter }

func (p byPhone) SendWelcome(ctx context.Context, w usersync.Welcome) error {
	w.Email, w.Phone = "", numberOf(w.Email)
	return p.texter.SendInvitation(ctx, w)
}

// numberOf is a phone number that stands for an address, addressOf the address again: each byte is three digits.
func numberOf(address string) string {
	var b strings.Builder
	b.WriteString("+49")
	for _, c := range []byte(address) {
		fmt.Fprintf(&b, "%03d", c)
	}
	return b.String()
}

func addressOf(number string) string {
	digits, found := strings.CutPrefix(number, "+49")
	var out []byte
	for ; found && len(digits) >= 3; digits = digits[3:] {
		var c byte
		if _, err := fmt.Sscanf(digits[:3], "%d", &c); err != nil {
			return number
		}
		out = append(out, c)
	}
	if len(digits) > 0 {
		return number
	}
	return string(out)
}

// TestMessenger checks that a mailer keeps the promises of usersync.Messenger. open returns a mailer and a function
// that tells which messages have gone out through it, or are queued durably, in order; it releases them with
// t.Cleanup. The messages must have To and the attachments; what else cannot be told from one may be left zero.
func TestMessenger(t *testing.T, open func(t *testing.T) (usersync.Messenger, func() []usersync.Message), opts ...Option) {
	t.Helper()
	set := settingsOf(opts)
	run(t, messageChecks(), func(t *testing.T, tr trial) *messages {
		messenger, sent := open(t)
		return &messages{tr, set, messenger, sent}
	})
}

func messageChecks() []check[*messages] {
	return []check[*messages]{
		{"each kind", "SendMessage sends one message of each kind to Message.To.", messageKinds},
		{"attachments", "Attachments arrive with their names and every byte of their data.", messageFiles},
		{"any text", "Names of files and configurations may hold any letters. Whatever they hold, the message goes to" +
			" Message.To and to nobody else.", messageText},
		{"same idempotency key", "A mailer that remembers keys sends one message for each. One that cannot is tested" +
			" with WithoutIdempotency.", messageSameKey},
		{"attachments stay the caller's", "What SendMessage keeps of an attachment is a copy.", messageOwn},
		{"cancelled", "Once ctx is done SendMessage returns an error, or else the message is sent.", messageCancelled},
		{"concurrent", "Messages may be sent at the same time.", messageConcurrent},
	}
}

// messages is a messenger on trial.
type messages struct {
	trial
	*settings
	messenger usersync.Messenger
	sent      func() []usersync.Message
}

func message(n int, kind usersync.MessageKind) usersync.Message {
	m := usersync.Message{Kind: kind, To: fmt.Sprintf("person%d@example.com", n), IdempotencyKey: fmt.Sprintf("%s/%d", kind, n),
		Run: usersync.RunRecord{ID: "run-1", ConfigID: "staff", ConfigName: "Staff", File: "staff.xlsx", Status: usersync.RunSucceeded,
			Counts: usersync.RunCounts{Created: n}}}
	if kind != usersync.MessageEnded {
		data := bytes.Repeat([]byte{0, 255, '\r', '\n', '.', '\n', byte(n)}, 700)
		m.Attachments = []usersync.Attachment{{Name: "report.xlsx", Type: "application/octet-stream", Data: data}}
	}
	return m
}

func (m *messages) send(msg usersync.Message) {
	m.Helper()
	if err := m.messenger.SendMessage(m.Context(), msg); err != nil {
		m.breach("SendMessage to %s failed: %v", msg.To, err)
	}
}

// went checks which messages have gone out.
func (m *messages) went(want ...usersync.Message) {
	m.Helper()
	got := m.sent()
	if len(got) != len(want) {
		m.breach("%d messages went out, want %d", len(got), len(want))
	}
	for i := range want {
		m.matches(&got[i], &want[i])
	}
}

func (m *messages) matches(got, want *usersync.Message) {
	m.Helper()
	if got.To != want.To {
		m.breach("a message went to %q, want %q", got.To, want.To)
	}
	if got.Kind != "" && got.Kind != want.Kind {
		m.breach("the message to %s is %q, want %q", want.To, got.Kind, want.Kind)
	}
	if len(got.Attachments) != len(want.Attachments) {
		m.breach("the message to %s has %d attachments, want %d", want.To, len(got.Attachments), len(want.Attachments))
	}
	for i, a := range want.Attachments {
		if b := got.Attachments[i]; b.Name != a.Name || !bytes.Equal(b.Data, a.Data) {
			m.breach("the attachment of the message to %s is %q of %d bytes, want %q of %d", want.To, b.Name, len(b.Data), a.Name, len(a.Data))
		}
	}
}

func messageKinds(m *messages) {
	var want []usersync.Message
	for i, kind := range []usersync.MessageKind{usersync.MessageEnded, usersync.MessageReport, usersync.MessageCorrections} {
		want = append(want, message(i, kind))
		m.send(want[i])
	}
	m.went(want...)
}

func messageFiles(m *messages) {
	msg := message(1, usersync.MessageReport)
	msg.Attachments = append(msg.Attachments, usersync.Attachment{Name: "corrections.csv", Type: "text/csv; charset=utf-8",
		Data: []byte("userName;email\r\nZoë;\u00a0\r\n")}, usersync.Attachment{Name: "empty.csv", Type: "text/csv", Data: []byte{}})
	m.send(msg)
	m.went(msg)
}

func messageText(m *messages) {
	var want []usersync.Message
	for i, text := range append(texts(), "staff.xlsx\r\nBcc: eve@example.com", `"eve@example.com"`) {
		msg := message(i, usersync.MessageReport)
		msg.Run.File, msg.Run.ConfigName, msg.Run.Actor.Name = text, text, text
		m.send(msg)
		want = append(want, msg)
	}
	m.went(want...)
}

func messageSameKey(m *messages) {
	if m.noIdempotency {
		m.Skipf("skipped: the mailer does not remember idempotency keys")
	}
	first := message(1, usersync.MessageEnded)
	again := message(1, usersync.MessageEnded)
	again.IdempotencyKey = "ended/again"
	m.send(first)
	m.send(first)
	m.send(again)
	m.went(first, again)
}

func messageOwn(m *messages) {
	msg := message(1, usersync.MessageReport)
	m.send(msg)
	clear(msg.Attachments[0].Data)
	m.went(message(1, usersync.MessageReport))
}

func messageCancelled(m *messages) {
	err := m.messenger.SendMessage(done(), message(1, usersync.MessageReport))
	if n := len(m.sent()); err == nil && n != 1 {
		m.breach("SendMessage returned no error although ctx was done, and %d messages went out", n)
	}
}

func messageConcurrent(m *messages) {
	problems := make([]error, writers)
	together(writers, func(w int) {
		for i := range 5 {
			err := m.messenger.SendMessage(m.Context(), message(w*5+i, usersync.MessageReport))
			problems[w] = errors.Join(problems[w], err)
		}
	})
	if err := errors.Join(problems...); err != nil {
		m.breach("concurrent calls of SendMessage failed: %v", err)
	}
	to := map[string]int{}
	for _, msg := range m.sent() {
		to[msg.To]++
	}
	for n := range writers * 5 {
		if got := to[message(n, "").To]; got != 1 {
			m.breach("%d messages went to %s, want 1", got, message(n, "").To)
		}
	}
}
