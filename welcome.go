package usersync

import "context"

// mail welcomes the users whom this run has created, where that is wanted. (A8)
func (w *applyJob) mail(ctx context.Context) error {
	wanted := w.plan.Config.WelcomeMail
	if w.opt.mail != nil {
		wanted = *w.opt.mail
	}
	if !wanted || w.mailer == nil || w.schema.email < 0 {
		return nil
	}
	var created []int32
	for i := range w.plan.entries {
		e := &w.plan.entries[i]
		if e.more != nil && e.more.op == OpCreate && e.wish != wantsInactive && w.run.result(int32(i)).state == StateDone {
			created = append(created, int32(i))
		}
	}
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

// mailBatch reads the users as they were created and welcomes them.
func (w *applyJob) mailBatch(ctx context.Context, entries []int32) error {
	ids := make([]string, len(entries))
	for i, at := range entries {
		ids[i] = w.run.result(at).id
	}
	users, err := w.findUsers(ctx, FieldID, ids)
	if err != nil {
		return err
	}
	byID := make(map[string]*User, len(users))
	for i := range users {
		byID[users[i].ID] = &users[i]
	}
	for i, at := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
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
		return panicked
	}
	if failed != nil {
		w.run.set(at, func(r *result) { r.reasons = append(r.reasons, warning(CodeMailFailed, "message", failed.Error())) })
		return nil
	}
	w.run.mu.Lock()
	w.run.mails++
	w.run.mu.Unlock()
	return nil
}
