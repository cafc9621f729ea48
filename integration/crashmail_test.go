package integration

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/smtpmail"
)

// smtp is a mailer over the site's mail server. Who cannot be mailed to has no mail, as with a server that is down.
func (s site) smtp() usersync.Mailer {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.Roots)
	mailer, err := smtpmail.New(smtpmail.Config{Host: "127.0.0.1", Port: s.Port, User: mailUser, Password: mailPassword,
		TLS: &tls.Config{RootCAs: roots}, From: mail.Address{Name: "Product", Address: "noreply@product.test"},
		Link: func(_ context.Context, w usersync.Welcome) (string, error) {
			return "https://product.test/welcome/" + w.User.ID, nil
		}})
	if err != nil {
		panic(err)
	}
	return mailer
}

// A8: processes that mail through a real server are killed at random moments. Nobody has two mails; each kill leaves
// one mail at most of which it is not known, and when a person has those sent again, nobody is without.
func TestKilledMailings(t *testing.T) {
	kills := often("USERSYNC_TEST_KILLS", 10, 3)
	total, runs, unsure := 0, 0, 0
	for clean := time.Duration(0); total < kills; runs++ {
		server := newMailServer(t) // skips
		s, db, _, plan := opened(t, "sqlite", runs%2 == 1, 400)
		s.Port, s.Roots = server.port, server.certificate
		n, took := s.killed(t, plan.ID, clean)
		svc, err := s.service(db)
		must(t, err)
		unsure += checkMailing(t, server, svc, plan.ID, n)
		total += n
		if clean == 0 {
			clean = took
		}
	}
	t.Logf("%d kills in %d runs; of %d mails it was not known whether they were sent", total, runs, unsure)
}

func checkMailing(t *testing.T, server *mailServer, svc *usersync.Service, runID string, kills int) (unsure int) {
	t.Helper()
	mails, err := svc.Mails(t.Context(), usersync.MailQuery{RunID: runID})
	must(t, err)
	for _, m := range mails {
		switch m.State {
		case usersync.MailSent:
		case usersync.MailUnknown:
			unsure++
		default:
			t.Fatalf("after %d kills the mail to %s is %s: %s", kills, m.Name, m.State, m.Note)
		}
	}
	if unsure > kills || len(mails) == 0 {
		t.Fatalf("of %d mails %d are not known, after %d kills", len(mails), unsure, kills)
	}
	got := server.until(t, svc, "first")
	for _, m := range mails {
		if n := got[m.UserID]; n > 1 || n == 0 && m.State == usersync.MailSent {
			t.Fatalf("%d mails to %s, whose mail is %s", n, m.Name, m.State)
		}
		if m.State == usersync.MailUnknown {
			_, err := svc.RetryMail(t.Context(), m.Key)
			must(t, err)
		}
	}
	d, err := svc.DeliverMails(t.Context())
	must(t, err)
	if d != (usersync.Delivery{Sent: unsure}) {
		t.Fatalf("delivered %+v, want %d", d, unsure)
	}
	for id, n := range server.until(t, svc, "second") {
		if got[id] += n; got[id] > 2 {
			t.Fatalf("%d mails to user %s", got[id], id)
		}
	}
	for _, m := range mails {
		if got[m.UserID] == 0 {
			t.Fatalf("no mail to %s", m.Name)
		}
	}
	return unsure
}

// until sends one more mail and counts what came before it, by user.
func (s *mailServer) until(t *testing.T, svc *usersync.Service, mark string) map[string]int {
	t.Helper()
	mailer := s.mailer(t, func(*smtpmail.Config) {})
	w := usersync.Welcome{Email: mark + "@mark.test", User: usersync.User{ID: mark}, IdempotencyKey: mark}
	must(t, mailer.SendWelcome(t.Context(), w))
	got := map[string]int{}
	for {
		a := s.next(t)
		if len(a.To) != 1 {
			t.Fatalf("a mail to %q", a.To)
		}
		if a.To[0] == w.Email {
			return got
		}
		_, after, _ := strings.Cut(a.Text, "https://product.test/welcome/")
		id := after[:strings.IndexAny(after+"\n", " \r\n\"=<")]
		if id == "" {
			t.Fatal(fmt.Errorf("no link in\n%s", a.Text))
		}
		got[id]++
	}
}
