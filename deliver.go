package usersync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Mails returns what is or was to be sent, in the order in which it was queued. The mails of a run are there as
// long as the run is.
func (s *Service) Mails(ctx context.Context, q MailQuery) (mails []Mail, err error) {
	defer calling("Outbox.Mails", &err)
	if mails, err = s.stores.Outbox.Mails(ctx, q); err != nil {
		return nil, fmt.Errorf("usersync: mails: %w", err)
	}
	return mails, nil
}

// RetryMail queues a mail that has failed, was given up, or of which it is not known whether it was sent, to be
// sent with the next DeliverMails; one that waits to be tried again waits no longer. A mail that was sent, or is
// being sent, is an error that wraps ErrInvalid.
func (s *Service) RetryMail(ctx context.Context, key string) (Mail, error) {
	return s.changeMail(ctx, key, func(m *Mail) {
		if m.State != MailQueued {
			m.Tries = 0
		}
		m.State, m.Due = MailQueued, s.eng.now()
	}, MailQueued, MailFailed, MailUnknown, MailDropped)
}

// AbandonMail gives up a mail that was not sent, or of which it is not known; why is put before its note. A mail
// that was sent, or is being sent, is an error that wraps ErrInvalid.
func (s *Service) AbandonMail(ctx context.Context, key, why string) (Mail, error) {
	return s.changeMail(ctx, key, func(m *Mail) {
		m.State, m.Note = MailDropped, strings.Trim(why+": "+m.Note, ": ")
	},
		MailQueued, MailFailed, MailUnknown, MailDropped)
}

// changeMail changes a mail in one of those states.
func (s *Service) changeMail(ctx context.Context, key string, change func(*Mail), from ...MailState) (Mail, error) {
	for try := 1; ; try++ {
		mails, err := s.Mails(ctx, MailQuery{Key: key, Limit: 1})
		switch {
		case err != nil:
			return Mail{}, err
		case key == "" || len(mails) == 0:
			return Mail{}, fmt.Errorf("usersync: mail %q: %w", key, ErrNotFound)
		case !slices.Contains(from, mails[0].State):
			return Mail{}, fmt.Errorf("%w: mail %q is %s, so that there is nothing to decide", ErrInvalid, key, mails[0].State)
		}
		m := mails[0]
		change(&m)
		m.Changed, m.Holder = s.eng.now(), 0
		err = s.stores.moveMail(ctx, m, mails[0].State)
		if err == nil {
			return m, nil
		}
		if !errors.Is(err, ErrEdited) || try == attempts {
			return Mail{}, fmt.Errorf("usersync: mail %q: %w", key, err)
		}
	}
}

// MailReport queues, for each address, a mail with what a run did or a plan would do (MessageReport), or with the bad
// rows of either (MessageCorrections), as an attachment, which is made when the mail is sent; see DeliverMails. Every
// call queues mails of its own. It needs a Mailer that is a Messenger. The error is an *InvalidError that lists what is not an address.
func (s *Service) MailReport(ctx context.Context, id string, kind MessageKind, to ...string) ([]Mail, error) {
	var bad problems
	oneOf("kind", kind, &bad, MessageReport, MessageCorrections)
	validateAddresses("to", to, &bad)
	if len(to) == 0 {
		bad.add("to", "is missing")
	}
	if !s.eng.canSend(kind) {
		bad.add("mailer", "cannot send reports: it must be a Messenger")
	}
	if err := bad.err("message"); err != nil {
		return nil, err
	}
	about, err := s.about(ctx, id)
	if err != nil {
		return nil, err
	}
	mails := s.eng.newMessages(kind, id, about.ConfigID, to)
	if err := s.stores.queueMails(ctx, mails); err != nil {
		return nil, fmt.Errorf("usersync: queueing mails: %w", err)
	}
	return mails, nil
}

// about is the record of a run, or what there is of it for a plan that was not applied.
func (s *Service) about(ctx context.Context, id string) (RunRecord, error) {
	rec, err := s.RunRecord(ctx, id)
	if !errors.Is(err, ErrNotFound) {
		return rec, err
	}
	plan, err := s.PlanRecord(ctx, id)
	if err != nil {
		return RunRecord{}, err
	}
	cfg, err := s.Config(ctx, plan.ConfigID)
	return RunRecord{ID: plan.ID, ConfigID: plan.ConfigID, ConfigName: cfg.Name, Actor: plan.Actor, File: plan.File,
		SHA256: plan.SHA256}, err
}

// Delivery is what DeliverMails did.
type Delivery struct {
	Sent    int `json:"sent"`
	Again   int `json:"again"`   // not sent, and to be tried again
	Failed  int `json:"failed"`  // not sent, and not tried again
	Unknown int `json:"unknown"` // may have been sent or not: a person decides
	Dropped int `json:"dropped"` // not wanted any more, such as of a user who is gone
	Waiting int `json:"waiting"` // of a run under way, or of a kind that nobody here can send
}

// DeliverMails sends the mails that are due: those that wait to be tried again, those of runs that ended before
// they were sent, notices and reports. Call it from time to time, such as once a minute, from a job of the
// product's; several processes may do so at once. The mails of a run that is under way are left to the run.
// What a mailer refuses is counted, not an error. A panic of a mailer leaves its mail to a person, unless the
// mailer remembers keys.
func (s *Service) DeliverMails(ctx context.Context) (Delivery, error) {
	d := delivering{Service: s, live: map[string]bool{}}
	due := s.eng.now()
	for {
		mails, err := s.Mails(ctx, MailQuery{States: []MailState{MailQueued, MailSending}, Due: due,
			Skip: d.Waiting, Limit: s.eng.batch})
		if err != nil || len(mails) == 0 {
			return d.Delivery, err
		}
		if err := d.all(ctx, mails); err != nil {
			return d.Delivery, fmt.Errorf("usersync: sending mails: %w", err)
		}
	}
}

// delivering is one DeliverMails under way.
type delivering struct {
	*Service
	Delivery
	live map[string]bool // runs, and whether they are under way
}

func (d *delivering) all(ctx context.Context, mails []Mail) error {
	for _, m := range mails {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := d.one(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// one sends a mail, unless somebody else is faster.
func (d *delivering) one(ctx context.Context, m Mail) error {
	live, err := d.isLive(ctx, m.RunID)
	if err != nil {
		return err
	}
	if live || !d.eng.canSend(m.Kind) {
		d.Waiting++
		return nil
	}
	why, send, err := d.prepare(ctx, &m)
	if err != nil {
		return err
	}
	next := d.eng.taken(m, why, 0)
	if err := d.move(ctx, next, m.State); err != nil {
		if errors.Is(err, ErrEdited) || errors.Is(err, ErrNotFound) {
			return nil
		}
		return err
	}
	if next.State != MailSending {
		d.count(next.State)
		return nil
	}
	return d.try(ctx, next, send)
}

// try sends a mail that was taken.
func (d *delivering) try(ctx context.Context, m Mail, send sending) error {
	failed, panicked := send(ctx)
	if panicked != nil {
		failed = fmt.Errorf("%w: %w", ErrMailUnsure, panicked)
	}
	next := d.eng.afterTry(m, failed)
	ctx, cancel := lasting(ctx) // what was sent must be told, also if ctx is done by now
	defer cancel()
	err := d.move(ctx, next, MailSending)
	if errors.Is(err, ErrEdited) || errors.Is(err, ErrNotFound) { // it took so long that another saw to it
		return nil
	}
	if err == nil {
		d.count(next.State)
	}
	return err
}

// sending gives a mail to who sends it. A panic is told apart from a refusal.
type sending func(context.Context) (failed, panicked error)

// prepare makes ready what is to be sent, or tells why a user is not invited after all. The user is read just now.
func (d *delivering) prepare(ctx context.Context, m *Mail) (why string, send sending, err error) {
	if m.UserID == "" {
		return "", d.messageOf(ctx, m), ctx.Err()
	}
	users, err := d.eng.usersByID(ctx, []string{m.UserID})
	u := users[m.UserID]
	return d.eng.unwelcome(m.Kind, u), func(ctx context.Context) (failed, panicked error) {
		return d.eng.invite(ctx, m.Kind, d.eng.letter(m.Kind, m.RunID, u))
	}, err
}

// messageOf makes the message now, before the mail is taken: however long that takes, nobody is kept waiting.
func (d *delivering) messageOf(ctx context.Context, m *Mail) sending {
	message, err := d.message(ctx, m)
	return func(ctx context.Context) (failed, panicked error) {
		if err != nil {
			return err, nil
		}
		ctx, cancel := context.WithTimeout(ctx, d.eng.mailTime)
		defer cancel()
		defer calling("Messenger.SendMessage", &panicked)
		return d.eng.mailer.(Messenger).SendMessage(ctx, message), nil // canSend has looked
	}
}

// message makes a message with what it carries.
func (d *delivering) message(ctx context.Context, m *Mail) (Message, error) {
	out := Message{Kind: m.Kind, To: m.To, IdempotencyKey: m.Key}
	about, err := d.about(ctx, m.RunID)
	if errors.Is(err, ErrNotFound) {
		return out, fmt.Errorf("%w: the run is gone", ErrMailRefused)
	}
	if err != nil || m.Kind == MessageEnded {
		out.Run = about
		return out, err
	}
	out.Run = about
	file, err := d.attachment(ctx, m, about.File)
	out.Attachments = []Attachment{file}
	return out, err
}

// attachment makes the file of a message, corrections in the format of the upload.
func (d *delivering) attachment(ctx context.Context, m *Mail, upload string) (Attachment, error) {
	const workbook = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	var data bytes.Buffer
	if m.Kind == MessageReport {
		err := d.WriteResults(ctx, m.RunID, &data)
		if errors.Is(err, ErrNotFound) {
			err = d.WritePreview(ctx, m.RunID, &data)
		}
		return Attachment{"report.xlsx", workbook, data.Bytes()}, err
	}
	if strings.EqualFold(path.Ext(upload), ".csv") {
		err := d.WriteCorrections(ctx, m.RunID, &data, FormatCSV)
		return Attachment{"corrections.csv", "text/csv; charset=utf-8", data.Bytes()}, err
	}
	err := d.WriteCorrections(ctx, m.RunID, &data, FormatXLSX)
	return Attachment{"corrections.xlsx", workbook, data.Bytes()}, err
}

// isLive tells whether a run is under way, and remembers it: one that ends in between sends its mails itself.
func (d *delivering) isLive(ctx context.Context, runID string) (bool, error) {
	live, known := d.live[runID]
	if known {
		return live, nil
	}
	rec, err := d.stores.storedRun(ctx, runID)
	if err != nil {
		return false, err
	}
	live = rec != nil && rec.Status == RunRunning
	d.live[runID] = live
	return live, nil
}

func (d *delivering) move(ctx context.Context, m Mail, from MailState) error {
	return d.stores.moveMail(ctx, m, from)
}

func (d *delivering) count(state MailState) {
	switch state {
	case MailSent:
		d.Sent++
	case MailQueued:
		d.Again++
	case MailFailed:
		d.Failed++
	case MailUnknown:
		d.Unknown++
	case MailDropped:
		d.Dropped++
	}
}
