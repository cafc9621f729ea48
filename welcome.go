package usersync

import (
	"context"
	"errors"
)

// mail welcomes the users whom this run has created, where that is wanted. (A8)
func (w *applyJob) mail(ctx context.Context) error {
	if !w.mails() {
		return nil
	}
	if err := w.openMailbox(ctx); err != nil {
		return err
	}
	created := w.toWelcome()
	total := len(created)
	w.progressed(ctx, StageMail, 0, total)
	for done := 0; len(created) > 0; {
		n := min(w.batch, len(created))
		if err := w.mailBatch(ctx, created[:n]); err != nil {
			return err
		}
		created, done = created[n:], done+n
		w.progressed(ctx, StageMail, done, total)
	}
	return nil
}

// mails tells whether this run sends welcome mails.
func (w *applyJob) mails() bool {
	wanted := w.plan.cfg.WelcomeMail
	if w.opt.mail != nil {
		wanted = *w.opt.mail
	}
	return wanted && w.mailer != nil && w.schema.email >= 0
}

// toWelcome lists the users whom this run has created active and who were not welcomed yet.
func (w *applyJob) toWelcome() []int32 {
	var created []int32
	for i := range w.plan.entries {
		at := int32(i)
		e := &w.plan.entries[i]
		if e.creates() && e.takesSeat() && w.run.result(at).state == StateDone && !w.welcomed[at] {
			created = append(created, at)
		}
	}
	return created
}

// tellUnwelcomed says of users who were created that the run ended before their mail.
func (w *applyJob) tellUnwelcomed() {
	if !w.mails() {
		return
	}
	for _, at := range w.toWelcome() {
		w.notMailed(at, "the run ended before it")
	}
}

func (w *applyJob) notMailed(at int32, message string) {
	w.run.set(at, func(r *result) { r.reasons = append(r.reasons, warning(CodeMailFailed, "message", message)) })
}

// mailBatch reads the users as they were created and welcomes them. That they cannot be read ends a run that
// can be resumed, whose mails stay queued; otherwise it is a warning on their rows, since everything else of
// the run is done.
func (w *applyJob) mailBatch(ctx context.Context, entries []int32) error {
	ids := make([]string, len(entries))
	for i, at := range entries {
		ids[i] = w.run.result(at).id
	}
	users, err := w.findUsers(ctx, FieldID, ids)
	var panicked *PanicError
	switch {
	case err != nil && (w.ledger != nil || ctx.Err() != nil || errors.Is(err, ErrInvalid) || errors.As(err, &panicked)):
		return err
	case err != nil:
		for _, at := range entries {
			w.welcomed[at] = true
			w.notMailed(at, "the user could not be read")
		}
		return nil
	}
	byID := make(map[string]*User, len(users))
	for i := range users {
		byID[users[i].ID] = &users[i]
	}
	for i, at := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		w.welcomed[at] = true
		if err := w.welcome(ctx, at, ids[i], byID[ids[i]]); err != nil {
			return err
		}
	}
	return nil
}

// welcome sends one mail; only a panic of the mailer, or the outbox, is an error of the run. u is nil for a
// user who is gone.
func (w *applyJob) welcome(ctx context.Context, at int32, id string, u *User) error {
	if why := w.unwelcome(u); why != "" {
		return w.moveMail(ctx, id, MailDropped, why)
	}
	if send, err := w.takeMail(ctx, at, id); !send || err != nil {
		return err
	}
	failed, panicked := w.sendWelcome(ctx, w.letter(u))
	if panicked != nil {
		w.notMailed(at, "the mailer panicked, so that it is not known")
		return panicked
	}
	ctx, cancel := lasting(ctx) // what was sent must be told, also if ctx is done by now
	defer cancel()
	if failed != nil {
		w.notMailed(at, failed.Error())
		return w.moveMail(ctx, id, MailFailed, failed.Error())
	}
	w.countMail()
	return w.moveMail(ctx, id, MailSent, "")
}

// unwelcome says why a user who was created gets no mail after all, "" for one who gets it.
func (w *applyJob) unwelcome(u *User) string {
	switch {
	case u == nil:
		return "the user is gone"
	case !u.Active:
		return "the user is inactive"
	case u.SSO:
		return "the user signs in elsewhere"
	case u.Values.raw(w.schema.Email, w.schema.email) == "":
		return "the user has no email address"
	}
	return ""
}

// letter is the mail to a user.
func (w *applyJob) letter(u *User) Welcome {
	m := Welcome{RunID: w.run.ID, User: *u, Email: u.Values.raw(w.schema.Email, w.schema.email), IdempotencyKey: w.mailKey(u.ID)}
	if w.schema.locale >= 0 {
		m.Locale = u.Values.raw(w.schema.Locale, w.schema.locale)
	}
	return m
}

// mailKey is the same for the same user and run, for ever.
func (w *applyJob) mailKey(userID string) string { return w.run.ID + "/" + userID }

func (w *applyJob) countMail() {
	w.run.mu.Lock()
	defer w.run.mu.Unlock()
	w.run.mails++
}
