package usersync_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
)

// mailed lists the addresses of the mails so far.
func (o *office) mailed() []string {
	out := []string{}
	for _, m := range o.mailer.Sent() {
		out = append(out, m.Email)
	}
	return out
}

// A8: only those whom the run has created, who are active, sign in here and have an address.
func TestWelcome(t *testing.T) {
	for _, size := range []int{1, 2, 1000} {
		o := newOffice(t, []string{"bert", "carl active=false", "gina"}, usersync.WithBatchSize(size))
		o.had("gina")
		o.cfg.WelcomeMail = true
		o.spy.found = func(field string, users []usersync.User) {
			for i := range users { // the product decides about some of them when it creates them
				users[i].SSO = users[i].Values.Get("userName") == "sso"
				if users[i].Values.Get("userName") == "nomail" && field == usersync.FieldID {
					users[i].Values.Set("email", "")
				}
				if users[i].Values.Get("userName") == "sleeper" {
					users[i].Active = false
				}
			}
		}
		o.spy.refuse = refuses(errOffice, "refused")
		run := o.apply(o.preview("bert title=Lead", "carl", "sso", "nomail", "sleeper", "refused", "idle active=false",
			"anna", "bad email=x", "boss locale=de_ch manager=anna"))
		require.Equal(t, []string{"anna@example.com", "boss@example.com"}, o.mailed())
		require.Equal(t, 2, run.Counts().Mails)
		require.Zero(t, run.Counts().Warnings)

		boss := o.mailer.Sent()[1]
		require.Equal(t, run.ID, boss.RunID)
		require.Equal(t, "de-CH", boss.Locale)
		require.Equal(t, o.user("boss"), boss.User, "as created")
		require.Empty(t, o.mailer.Sent()[0].Locale)
	}
}

// A8: the configuration says whether, and a run may say otherwise.
func TestWelcomeWanted(t *testing.T) {
	on, off := usersync.WithWelcomeMail(true), usersync.WithWelcomeMail(false)
	for _, tt := range []struct {
		config bool
		opts   []usersync.ApplyOption
		want   int
	}{
		{false, nil, 0},
		{true, nil, 1},
		{false, []usersync.ApplyOption{on}, 1},
		{true, []usersync.ApplyOption{off}, 0},
		{true, []usersync.ApplyOption{off, on}, 1},
	} {
		o := newOffice(t, nil)
		o.cfg.WelcomeMail = tt.config
		run := o.apply(o.preview("anna"), tt.opts...)
		require.Len(t, o.mailer.Sent(), tt.want)
		require.Equal(t, tt.want, run.Counts().Mails)
	}
}

// A8: without a mailer, or without a field for the address, nobody is welcomed.
func TestWelcomeImpossible(t *testing.T) {
	o := newOffice(t, nil)
	o.cfg.WelcomeMail = true
	o.eng = o.engine(usersync.WithMailer(nil))
	require.Zero(t, o.apply(o.preview("anna")).Counts().Mails)

	noEmail, noLocale := usersync.DefaultSchema(), usersync.DefaultSchema()
	noEmail.Email, noLocale.Locale = "", ""
	o.eng = o.engine(usersync.WithSchema(noEmail))
	require.Zero(t, o.apply(o.preview("anna", "bert")).Counts().Mails)
	o.eng = o.engine(usersync.WithSchema(noLocale))
	require.Equal(t, 1, o.apply(o.preview("anna", "bert", "carl locale=de")).Counts().Mails)
	require.Empty(t, o.mailer.Sent()[0].Locale)
}

// A8: a mail that fails is a warning beside the row; the others are sent and nothing is undone.
func TestWelcomeFails(t *testing.T) {
	o := newOffice(t, nil)
	o.cfg.WelcomeMail = true
	o.mailer.Fail("bert@example.com", errors.New("mailbox full"))
	run := o.apply(o.preview("anna", "bert", "carl"), usersync.StopOnError())
	require.Equal(t, []string{"anna done", "bert done mail_failed", "carl done"}, outcome(run))
	require.Equal(t, []string{"anna@example.com", "carl@example.com"}, o.mailed())
	require.Equal(t, usersync.RunCounts{Created: 3, Mails: 2, Warnings: 1}, run.Counts())
	row := runRow(t, run, "bert")
	last := row.Reasons[len(row.Reasons)-1]
	require.Equal(t, usersync.LevelWarning, last.Level)
	require.Equal(t, "the welcome mail was not sent: mailbox full", last.Text())
	require.Equal(t, []string{"anna", "bert", "carl"}, o.members())
}

// A8: a panic is no ordinary failure. Who was welcomed before stays so.
func TestWelcomePanics(t *testing.T) {
	o := newOffice(t, nil)
	o.cfg.WelcomeMail = true
	o.eng = o.engine(usersync.WithMailer(panicsFor{o.mailer, "bert@example.com"}))
	run, why := o.partial(o.preview("anna", "bert", "carl"))
	var p *usersync.PanicError
	require.ErrorAs(t, why, &p)
	require.Equal(t, "Mailer.SendWelcome", p.Call)
	require.Equal(t, []string{"anna@example.com"}, o.mailed())
	require.Equal(t, usersync.RunCounts{Created: 3, Mails: 1, Warnings: 2}, run.Counts())
}

// A5, A8: no mail is sent once the context is done, even by a mailer that does not look at it.
func TestWelcomeCancelled(t *testing.T) {
	o := newOffice(t, nil)
	o.cfg.WelcomeMail = true
	ctx, cancel := context.WithCancel(context.Background())
	o.eng = o.engine(usersync.WithMailer(cancels{o.mailer, cancel}))
	run, err := o.eng.Apply(ctx, o.preview("anna", "bert"))
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, usersync.RunCancelled, run.Status())
	require.Equal(t, []string{"anna@example.com"}, o.mailed())
	require.Equal(t, usersync.RunCounts{Created: 2, Mails: 1, Warnings: 1}, run.Counts())
	require.Empty(t, o.members())
}

// cancels is a mailer during whose call a context ends.
type cancels struct {
	mailer usersync.Mailer
	cancel func()
}

func (c cancels) SendWelcome(_ context.Context, w usersync.Welcome) error {
	c.cancel()
	return c.mailer.SendWelcome(context.Background(), w)
}

type panicsFor struct {
	usersync.Mailer
	email string
}

func (p panicsFor) SendWelcome(ctx context.Context, w usersync.Welcome) error {
	if w.Email == p.email {
		panic("no paper")
	}
	return p.Mailer.SendWelcome(ctx, w)
}

// A8: the key is the same for the same user and run, and different for any other.
func TestWelcomeKeys(t *testing.T) {
	o := newOffice(t, nil, usersync.WithBatchSize(2))
	o.cfg.WelcomeMail = true
	var rows []string
	for i := range 5 {
		rows = append(rows, fmt.Sprintf("user%d", i))
	}
	plan := o.preview(rows...)
	run := o.apply(plan)
	_, err := o.eng.Apply(context.Background(), plan) // A4
	require.NoError(t, err)
	o.apply(o.preview(append(rows, "late")...))

	keys := map[string]bool{}
	for _, m := range o.mailer.Sent() {
		require.False(t, keys[m.IdempotencyKey])
		keys[m.IdempotencyKey] = true
		require.Contains(t, m.IdempotencyKey, m.User.ID)
		require.True(t, strings.HasPrefix(m.IdempotencyKey, m.RunID))
	}
	require.Len(t, keys, 6, "nobody is welcomed by the second run but who came with it")
	require.Equal(t, run.ID, o.mailer.Sent()[0].RunID)
	require.NotEqual(t, run.ID, o.mailer.Sent()[5].RunID)
}

// A8: a user who is gone again when the mail's turn comes is not written to.
func TestWelcomeGone(t *testing.T) {
	o := newOffice(t, nil)
	o.cfg.WelcomeMail = true
	o.spy.after = func(int) { o.store.Remove(o.user("anna").ID) }
	run := o.apply(o.preview("anna", "bert"))
	require.Equal(t, []string{"bert@example.com"}, o.mailed())
	require.Zero(t, run.Counts().Warnings)
}

// A8: a mailer may keep what it gets and change it.
func TestWelcomeIsTheMailersOwn(t *testing.T) {
	o := newOffice(t, nil)
	o.cfg.WelcomeMail = true
	o.eng = o.engine(usersync.WithMailer(spoils{}))
	run := o.apply(o.preview("anna", "bert manager=anna"))
	require.Equal(t, 2, run.Counts().Mails)
	require.Equal(t, []string{"anna", "bert manager=anna"}, o.everybody())
	require.Empty(t, untrue(o, run))
}

// spoils is a mailer that writes on what it was given.
type spoils struct{}

func (spoils) SendWelcome(_ context.Context, w usersync.Welcome) error {
	for field := range w.User.Values.All() {
		w.User.Values.Set(field, "spoilt")
	}
	return nil
}
