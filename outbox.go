package usersync

import (
	"context"
	"errors"
	"fmt"
)

// newMails are the mails to queue for the users whom steps have created. (A8)
func (w *applyJob) newMails(steps []step, outcomes []Outcome) []Mail {
	if !w.mails() {
		return nil
	}
	var mails []Mail
	now := w.now()
	for i, s := range steps {
		e := &w.plan.entries[s.entry]
		if s.op != OpCreate || outcomes[i].Err != nil || !e.takesSeat() {
			continue
		}
		mails = append(mails, Mail{Key: w.mailKey(outcomes[i].ID), RunID: w.run.ID, ConfigID: w.run.ConfigID,
			UserID: outcomes[i].ID, Name: e.name, Row: int(e.number), State: MailQueued, Queued: now, Changed: now})
	}
	return mails
}

// openMailbox reads how the run's mails stand.
func (w *applyJob) openMailbox(ctx context.Context) (err error) {
	if w.ledger == nil {
		return nil
	}
	defer calling("Outbox.Mails", &err)
	mails, err := w.ledger.Outbox.Mails(ctx, MailQuery{RunID: w.run.ID})
	if err != nil {
		return fmt.Errorf("reading the outbox: %w", err)
	}
	w.mailbox = make(map[string]Mail, len(mails))
	for _, m := range mails {
		w.mailbox[m.UserID] = m
	}
	return nil
}

// takeMail takes a mail out of the outbox to send it now. It is false for one that was seen to before the
// run went on; the row is told what became of it.
func (w *applyJob) takeMail(ctx context.Context, at int32, userID string) (send bool, err error) {
	if w.ledger == nil {
		return true, nil
	}
	for {
		send, err = w.takeMailAsItIs(ctx, at, userID)
		if !errors.Is(err, ErrEdited) {
			return send, err
		}
		if err := w.openMailbox(ctx); err != nil { // one who has lost the run still had it in hand
			return false, err
		}
	}
}

// takeMailAsItIs is takeMail as long as nobody else moves the mail.
func (w *applyJob) takeMailAsItIs(ctx context.Context, at int32, userID string) (send bool, err error) {
	m, queued := w.mailbox[userID]
	switch {
	case !queued || m.State == MailDropped:
		return false, nil
	case m.State == MailSent:
		w.countMail()
		return false, nil
	case m.State == MailFailed || m.State == MailUnknown:
		w.notMailed(at, m.Note)
		return false, nil
	case m.State == MailSending && !w.remembersMails():
		const why = "the process ended while the mail was being sent, so that it is not known"
		if err := w.moveMail(ctx, userID, MailUnknown, why); err != nil {
			return false, err
		}
		w.notMailed(at, why)
		return false, nil
	}
	return true, w.moveMail(ctx, userID, MailSending, "")
}

// remembersMails tells whether a mail can be given to the mailer twice.
func (w *applyJob) remembersMails() bool {
	m, able := w.mailer.(Idempotent)
	return able && m.IsIdempotent()
}

// moveMail gives a mail of the outbox another state.
func (w *applyJob) moveMail(ctx context.Context, userID string, to MailState, note string) (err error) {
	m, queued := w.mailbox[userID]
	if w.ledger == nil || !queued {
		return nil
	}
	from := m.State
	m.State, m.Note, m.Changed = to, note, w.now()
	if to == MailSending {
		m.Tries++
	}
	defer calling("Outbox.MoveMail", &err)
	err = w.ledger.Outbox.MoveMail(ctx, m, from)
	switch {
	case from == MailSending && errors.Is(err, ErrEdited):
		return fmt.Errorf("writing the outbox: %w", ErrLeaseLost) // only who has taken the run over does that
	case err != nil:
		return fmt.Errorf("writing the outbox: %w", err)
	}
	w.mailbox[userID] = m
	return nil
}
