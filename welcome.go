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

// mailBatch reads the users as they were created and welcomes them. That they cannot be read is a warning
// on their rows: everything else of the run is done.
func (w *applyJob) mailBatch(ctx context.Context, entries []int32) error {
	ids := make([]string, len(entries))
	for i, at := range entries {
		ids[i] = w.run.result(at).id
	}
	users, err := w.findUsers(ctx, FieldID, ids)
	var panicked *PanicError
	switch {
	case err != nil && (ctx.Err() != nil || errors.Is(err, ErrInvalid) || errors.As(err, &panicked)):
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
		u := byID[ids[i]]
		if u == nil || !u.Active || u.SSO {
			continue
		}
		if err := w.welcome(ctx, at, u); err != nil {
			return err
		}
	}
	return nil
}

// welcome sends one mail; only a panic of the mailer is an error of the run.
func (w *applyJob) welcome(ctx context.Context, at int32, u *User) error {
	m := Welcome{RunID: w.run.ID, User: *u, Email: u.Values.raw(w.schema.Email, w.schema.email),
		IdempotencyKey: w.run.ID + "/" + u.ID}
	if m.Email == "" {
		return nil
	}
	if w.schema.locale >= 0 {
		m.Locale = u.Values.raw(w.schema.Locale, w.schema.locale)
	}
	failed, panicked := w.sendWelcome(ctx, m)
	if panicked != nil {
		w.notMailed(at, "the mailer panicked, so that it is not known")
		return panicked
	}
	if failed != nil {
		w.notMailed(at, failed.Error())
		return nil
	}
	w.run.mu.Lock()
	w.run.mails++
	w.run.mu.Unlock()
	return nil
}
