package usersync

import (
	"context"
	"errors"
)

// What the error of a Mailer, Texter or Messenger may wrap. Any other error means that the message was not
// sent and may be tried again.
var (
	// ErrMailRefused: the message will never be taken, such as for an address that does not exist. It is not
	// tried again.
	ErrMailRefused = errors.New("the mail was refused")
	// ErrMailUnsure: it is not known whether the message was sent, such as where the connection broke before the
	// server had answered. Who remembers keys is asked again, otherwise a person decides.
	ErrMailUnsure = errors.New("it may have been sent")
)

// Mailer welcomes new users. The engine works without one: then nobody is welcomed.
type Mailer interface {
	// SendWelcome sends, or queues durably, one welcome mail. It is called only for users whom a run has
	// created in the store, who are active and do not sign in elsewhere. nil means that it was sent, and then
	// it is not called again for that user and run. An error is shown as a warning beside the row and undoes
	// nothing; with stores, the mail is tried again later, with the same IdempotencyKey. w is not kept.
	// SendWelcome returns soon after ctx is done. It is called by one goroutine at a time for a run, and
	// concurrently for different runs.
	SendWelcome(ctx context.Context, w Welcome) error
}

// Texter invites new users by phone, such as by SMS, beside the Mailer or in its place.
type Texter interface {
	// SendInvitation sends, or queues durably, one text message to Welcome.Phone, with the contract of
	// Mailer.SendWelcome.
	SendInvitation(ctx context.Context, w Welcome) error
}

// Messenger is an optional ability of a Mailer: to send messages about runs to the people who asked for them.
type Messenger interface {
	// SendMessage sends, or queues durably, one message to Message.To, with the contract of Mailer.SendWelcome.
	// The attachments are not kept.
	SendMessage(ctx context.Context, m Message) error
}

// Idempotent is an optional ability of a Mailer or a Texter: to send one message, however often the same
// IdempotencyKey comes. A message of which it is not known whether it was sent, because the process ended in
// between, is given to such a sender again, and with any other left to a person.
type Idempotent interface {
	// IsIdempotent tells whether keys are remembered.
	IsIdempotent() bool
}

// Welcome is one invitation of a new user. It never carries a password; the link with which the user sets one
// is the product's to make.
type Welcome struct {
	RunID  string
	User   User   // as in the store now
	Email  string // "" where Phone is meant
	Phone  string // as the store has it, "" where Email is meant
	Locale string // BCP 47, "" if unknown
	// IdempotencyKey is the same for the same user, run and way of sending, for ever.
	IdempotencyKey string
}

// MessageKind says what a Message tells.
type MessageKind string

// The kinds of message.
const (
	MessageWelcome     MessageKind = "welcome"     // invites a new user by mail
	MessageText        MessageKind = "text"        // invites a new user by phone
	MessageEnded       MessageKind = "ended"       // a run has come to its end, good or bad
	MessageReport      MessageKind = "report"      // what a run did, as an attachment
	MessageCorrections MessageKind = "corrections" // the rows of a run or preview that were bad, as an attachment
)

// Message is one mail about a run to a person who asked for it.
type Message struct {
	Kind MessageKind // MessageEnded, MessageReport or MessageCorrections
	To   string      // one address, checked as KindEmail
	// Run is what it is about, as it is stored now. Of a preview, only ID, ConfigID, ConfigName, Actor, File and
	// SHA256 are there.
	Run         RunRecord
	Attachments []Attachment
	// IdempotencyKey is the same for the same message, for ever.
	IdempotencyKey string
}

// Attachment is a file in a Message.
type Attachment struct {
	Name string // with its ending, plain ASCII
	Type string // media type (RFC 2045)
	Data []byte
}
