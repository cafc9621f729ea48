package usersync

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// invitation is one message to a user whom the run has created.
type invitation struct {
	entry int32
	kind  MessageKind
}

// mail invites the users whom this run has created, where that is wanted. (A8)
func (w *applyJob) mail(ctx context.Context) error {
	ways := w.ways()
	if len(ways) == 0 {
		return nil
	}
	if err := w.openMailbox(ctx); err != nil {
		return err
	}
	created := w.toWelcome()
	total := len(created)
	w.progressed(ctx, StageMail, 0, total)
	for done := 0; len(created) > 0; {
		n := min(w.batch, mailChunk, len(created))
		if err := w.mailBatch(ctx, created[:n], ways); err != nil {
			return err
		}
		created, done = created[n:], done+n
		w.progressed(ctx, StageMail, done, total)
	}
	return nil
}

// mailChunk is for how many mails users are read at once: few, so that they are read shortly before.
const mailChunk = 20

// ways are how this run invites new users.
func (w *applyJob) ways() []MessageKind {
	var out []MessageKind
	if chosen(w.opt.mail, w.plan.cfg.WelcomeMail) && w.invites(MessageWelcome) {
		out = append(out, MessageWelcome)
	}
	if chosen(w.opt.text, w.plan.cfg.WelcomeText) && w.invites(MessageText) {
		out = append(out, MessageText)
	}
	return out
}

// invites tells whether a run that is to send that kind of invitation does. One that had somebody to send it when
// it began goes on to queue it where there is nobody.
func (w *applyJob) invites(kind MessageKind) bool { return w.canSend(kind) || w.goesOn() }

// chosen is what a run says, or otherwise its configuration.
func chosen(run *bool, config bool) bool {
	if run != nil {
		return *run
	}
	return config
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
	message := "the run ended before it"
	if w.ledger != nil {
		message += " (it stays in the outbox)"
	}
	for _, kind := range w.ways() {
		for _, at := range w.toWelcome() {
			w.notMailed(invitation{at, kind}, message)
		}
	}
}

func (w *applyJob) notMailed(i invitation, message string) {
	code := CodeMailFailed
	if i.kind == MessageText {
		code = CodeTextFailed
	}
	w.warnOf(i, code, message)
}

func (w *applyJob) warnOf(i invitation, code Code, message string) {
	w.run.set(i.entry, func(r *result) { r.reasons = append(r.reasons, warning(code, "message", message)) })
}

// mailBatch reads the users as they were created and invites them. That they cannot be read ends a run that
// can be resumed, whose mails stay queued; otherwise it is a warning on their rows, since everything else of
// the run is done.
func (w *applyJob) mailBatch(ctx context.Context, entries []int32, ways []MessageKind) error {
	ids := make([]string, len(entries))
	for i, at := range entries {
		ids[i] = w.run.result(at).id
	}
	users, err := w.usersByID(ctx, ids)
	var panicked *PanicError
	switch {
	case err != nil && (w.ledger != nil || ctx.Err() != nil || errors.Is(err, ErrInvalid) || errors.As(err, &panicked)):
		return err
	case err != nil:
		w.unreadable(entries, ways)
		return nil
	}
	for i, at := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		w.welcomed[at] = true
		for _, kind := range ways {
			if err := w.welcome(ctx, invitation{at, kind}, ids[i], users[ids[i]]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *applyJob) unreadable(entries []int32, ways []MessageKind) {
	for _, at := range entries {
		w.welcomed[at] = true
		for _, kind := range ways {
			w.notMailed(invitation{at, kind}, "the user could not be read")
		}
	}
}

// welcome sends one message; only a panic of who sends it, or the outbox, is an error of the run. u is nil for
// a user who is gone.
func (w *applyJob) welcome(ctx context.Context, i invitation, id string, u *User) error {
	key := invitationKey(i.kind, w.run.ID, id)
	if !w.canSend(i.kind) {
		w.notMailed(i, "nobody here can send it (it stays in the outbox)")
		return nil
	}
	if send, err := w.takeMail(ctx, i, key, w.unwelcome(i.kind, u)); !send || err != nil {
		return err
	}
	failed, panicked := w.invite(ctx, i.kind, w.letter(i.kind, w.run.ID, u))
	if panicked != nil {
		w.warnOf(i, CodeMailUnknown, "the mailer panicked")
		failed = fmt.Errorf("%w: %w", ErrMailUnsure, panicked)
	}
	ctx, cancel := lasting(ctx) // what was sent must be told, also if ctx is done by now
	defer cancel()
	if panicked != nil {
		return errors.Join(panicked, w.tried(ctx, w.afterTry(w.mailbox[key], failed)))
	}
	if failed == nil {
		w.countMail()
	}
	m, queued := w.mailbox[key]
	next := w.afterTry(m, failed)
	switch {
	case errors.Is(failed, ErrMailUnsure):
		w.warnOf(i, CodeMailUnknown, failed.Error())
	case failed != nil && queued && next.State == MailQueued:
		w.notMailed(i, failed.Error()+" (it is tried again)")
	case failed != nil:
		w.notMailed(i, failed.Error())
	}
	return w.tried(ctx, next)
}

func (w *applyJob) countMail() {
	w.run.mu.Lock()
	defer w.run.mu.Unlock()
	w.run.mails++
}

// notices are the mails that tell of the run's end, where there is somebody to send them.
func (w *applyJob) notices() []Mail {
	if !w.canSend(MessageEnded) {
		return nil
	}
	to := slices.Concat(w.plan.cfg.Notify, w.opt.notify)
	slices.Sort(to)
	return w.newMessages(MessageEnded, w.run.ID, w.run.ConfigID, slices.Compact(to))
}
