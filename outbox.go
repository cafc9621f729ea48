package usersync

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// newMails are the mails to queue for the users whom steps have created. (A8)
func (w *applyJob) newMails(steps []step, outcomes []Outcome) []Mail {
	ways := w.ways()
	if len(ways) == 0 {
		return nil
	}
	var mails []Mail
	now := w.now()
	for i, s := range steps {
		e := &w.plan.entries[s.entry]
		if s.op != OpCreate || outcomes[i].Err != nil || !e.takesSeat() {
			continue
		}
		for _, kind := range ways {
			mails = append(mails, Mail{Key: invitationKey(kind, w.run.ID, outcomes[i].ID), Kind: kind, RunID: w.run.ID,
				ConfigID: w.run.ConfigID, UserID: outcomes[i].ID, Name: e.name, Row: int(e.number), State: MailQueued,
				Queued: now, Changed: now})
		}
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
		w.mailbox[m.Key] = m
	}
	return nil
}

// takeMail takes a mail out of the outbox to send it now, or, where there is a reason not to, drops it. It is
// false for one that is not to be sent; the row is told what became of it.
func (w *applyJob) takeMail(ctx context.Context, i invitation, key, unwelcome string) (send bool, err error) {
	if w.ledger == nil {
		return unwelcome == "", nil
	}
	for {
		send, err = w.takeMailAsItIs(ctx, i, key, unwelcome)
		if !errors.Is(err, ErrEdited) {
			return send, err
		}
		if err := w.openMailbox(ctx); err != nil { // another had it in hand
			return false, err
		}
	}
}

// takeMailAsItIs is takeMail as long as nobody else moves the mail.
func (w *applyJob) takeMailAsItIs(ctx context.Context, i invitation, key, unwelcome string) (send bool, err error) {
	m, queued := w.mailbox[key]
	switch {
	case !queued || m.State == MailDropped:
		return false, nil
	case m.State == MailSent:
		w.countMail()
		return false, nil
	case m.State == MailFailed:
		w.notMailed(i, m.Note)
		return false, nil
	case m.State == MailUnknown:
		w.warnOf(i, CodeMailUnknown, m.Note)
		return false, nil
	case m.State == MailSending && m.Holder == 0 && w.now().Before(m.Due):
		w.notMailed(i, "it is being sent by another")
		return false, nil
	case m.State == MailQueued && w.now().Before(m.Due):
		w.notMailed(i, m.Note+" (it is tried again)")
		return false, nil
	}
	next := w.taken(m, unwelcome, w.ledger.lease.Token)
	if next.State == MailUnknown {
		w.warnOf(i, CodeMailUnknown, next.Note)
	}
	return next.State == MailSending, w.moveMail(ctx, next, m.State)
}

// moveMail stores another state of a mail.
func (w *applyJob) moveMail(ctx context.Context, m Mail, from MailState) error {
	if w.ledger == nil || m.Key == "" {
		return nil
	}
	if err := w.stores.moveMail(ctx, m, from); err != nil {
		return fmt.Errorf("writing the outbox: %w", err)
	}
	w.mailbox[m.Key] = m
	return nil
}

// tried stores what became of a mail that was tried. Where that took so long that another has seen to the mail, it
// stays as it is there.
func (w *applyJob) tried(ctx context.Context, m Mail) error {
	err := w.moveMail(ctx, m, MailSending)
	if errors.Is(err, ErrEdited) || errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

func (s *Stores) moveMail(ctx context.Context, m Mail, from MailState) (err error) {
	defer calling("Outbox.MoveMail", &err)
	return s.Outbox.MoveMail(ctx, m, from)
}

func (s *Stores) queueMails(ctx context.Context, mails []Mail) (err error) {
	defer calling("Outbox.QueueMails", &err)
	return s.Outbox.QueueMails(ctx, slices.Clip(mails))
}
