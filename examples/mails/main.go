// Mails shows what becomes of welcome mails that a mail server does not take at once: they are tried again, given
// up, or left to a person. It also invites by phone, and mails a report of the run.
//
//	go run ./examples/mails
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"
	_ "time/tzdata" // time zones also where the system has none

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

const staff = `userName,email,firstName,lastName,phone
anna,anna@example.com,Anna,Ahn,+49 151 0000001
bert,bert@example.com,Bert,Berg,+49 151 0000002
cleo,cleo@example.com,Cleo,Chen,
dora,dora@example.com,Dora,Diaz,+49 151 0000004
emil,emil@partner.example,Emil,Eder,
`

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// run is one day of an office whose mail server has its moods.
func run(ctx context.Context, out io.Writer) error {
	day := &clock{time.Date(2030, 1, 2, 9, 0, 0, 0, time.UTC)}
	sender := &moody{out: out, tries: map[string]int{}}
	svc, err := usersync.NewService(memory.New(), memory.NewState(day.now).Stores(), usersync.WithClock(day.now),
		usersync.WithMailer(sender), usersync.WithTexter(sender), usersync.WithSSODomains("partner.example"))
	if err != nil {
		return err
	}
	cfg := usersync.DefaultConfig("Staff")
	cfg.WelcomeMail, cfg.WelcomeText, cfg.Notify = true, true, []string{"ops@example.com"}
	if cfg, err = svc.CreateConfig(ctx, cfg); err != nil {
		return err
	}
	plan, err := svc.Preview(ctx, cfg.ID, usersync.CSV(strings.NewReader(staff)))
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "The run:")
	done, err := svc.Apply(ctx, plan.ID)
	if err != nil {
		return err
	}
	for row := range done.Rows() {
		for _, reason := range row.Reasons {
			fmt.Fprintf(out, "  row %d, %s: %s\n", row.Number, row.Name, reason.Text())
		}
	}
	if _, err := svc.MailReport(ctx, done.ID, usersync.MessageReport, "boss@example.com"); err != nil {
		return err
	}
	if err := deliver(ctx, out, svc, day, time.Minute); err != nil {
		return err
	}
	return decide(ctx, out, svc, day, done.ID)
}

// deliver is what a job of the product does once a minute.
func deliver(ctx context.Context, out io.Writer, svc *usersync.Service, day *clock, later time.Duration) error {
	day.time = day.time.Add(later)
	fmt.Fprintf(out, "%s later:\n", later)
	d, err := svc.DeliverMails(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "  %d sent, %d to be tried again, %d failed, %d unknown\n", d.Sent, d.Again, d.Failed, d.Unknown)
	return nil
}

// decide is what a person does about the mails that nothing more happens to.
func decide(ctx context.Context, out io.Writer, svc *usersync.Service, day *clock, runID string) error {
	mails, err := svc.Mails(ctx, usersync.MailQuery{RunID: runID,
		States: []usersync.MailState{usersync.MailFailed, usersync.MailUnknown}})
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "A person decides:")
	for _, m := range mails {
		if m.State == usersync.MailUnknown {
			m, err = svc.RetryMail(ctx, m.Key)
		} else {
			m, err = svc.AbandonMail(ctx, m.Key, "was told in person")
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "  the %s to %s is %s: %s\n", m.Kind, m.Name, m.State, m.Note)
	}
	return deliver(ctx, out, svc, day, time.Minute)
}

// clock is a time that goes on as it is told.
type clock struct{ time time.Time }

func (c *clock) now() time.Time { return c.time }

// moody sends nothing, and prints what it would send. Some addresses make it trouble.
type moody struct {
	out   io.Writer
	tries map[string]int
}

// SendWelcome sends an invitation by mail.
func (m *moody) SendWelcome(_ context.Context, w usersync.Welcome) error {
	return m.send(w.IdempotencyKey, w.Email, "welcome, "+w.User.Values.Get("firstName"))
}

// SendInvitation sends an invitation by phone.
func (m *moody) SendInvitation(_ context.Context, w usersync.Welcome) error {
	return m.send(w.IdempotencyKey, w.Phone, "welcome, "+w.User.Values.Get("firstName"))
}

// SendMessage sends a notice or a report.
func (m *moody) SendMessage(_ context.Context, msg usersync.Message) error {
	text := fmt.Sprintf("the run %s, %d users are new", msg.Run.Status, msg.Run.Counts.Created)
	for _, a := range msg.Attachments {
		text += ", see " + a.Name
	}
	return m.send(msg.IdempotencyKey, msg.To, text)
}

func (m *moody) send(key, to, text string) error {
	m.tries[key]++
	switch first := m.tries[key] == 1; {
	case to == "bert@example.com" && first:
		return errors.New("451 try later")
	case to == "cleo@example.com":
		return fmt.Errorf("550 no such mailbox: %w", usersync.ErrMailRefused)
	case to == "dora@example.com" && first:
		return fmt.Errorf("the connection broke: %w", usersync.ErrMailUnsure)
	}
	fmt.Fprintf(m.out, "  to %s: %s\n", to, text)
	return nil
}
