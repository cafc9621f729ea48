package smtpmail_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/smtpmail"
	"github.com/usersync-go/usersync/usersynctest"
)

func TestMailer(t *testing.T) {
	usersynctest.TestMailer(t, func(t *testing.T) (usersync.Mailer, func() []usersync.Welcome) {
		s := newServer(t).start(t)
		return s.mailer(t), func() []usersync.Welcome {
			var sent []usersync.Welcome
			for _, m := range s.got() {
				sent = append(sent, usersync.Welcome{Email: strings.Join(m.to, ",")})
			}
			return sent
		}
	}, usersynctest.WithoutIdempotency())
}

func TestOneConnection(t *testing.T) {
	s := newServer(t).start(t)
	s.rcpt = func(to string) error {
		if strings.HasPrefix(to, "bad") {
			return reply(550)
		}
		return nil
	}
	m := s.mailer(t)
	for i := range 50 {
		w := ada()
		if i%5 == 4 {
			w.Email = "bad@example.com"
		}
		err := m.SendWelcome(t.Context(), w)
		if want := map[bool]string{true: "refused", false: "sent"}[i%5 == 4]; kindOf(err) != want {
			t.Fatalf("mail %d: %v, want %s", i, err, want)
		}
	}
	if len(s.conns) != 1 || len(s.got()) != 40 {
		t.Errorf("%d mails over %d connections, want 40 over one", len(s.got()), len(s.conns))
	}
	must(t, m.Close())
	must(t, m.Close())
	must(t, m.SendWelcome(t.Context(), ada()))
	if len(s.conns) != 2 {
		t.Errorf("%d connections after Close and a mail, want 2", len(s.conns))
	}
}

func TestReconnects(t *testing.T) {
	s := newServer(t).start(t)
	m := s.mailer(t)
	must(t, m.SendWelcome(t.Context(), ada()))
	must(t, s.conns[0].Conn().Close())
	must(t, m.SendWelcome(t.Context(), ada()))
	if len(s.conns) != 2 || len(s.got()) != 2 {
		t.Errorf("%d mails over %d connections, want 2 over 2", len(s.got()), len(s.conns))
	}
}

func TestRate(t *testing.T) {
	s := newServer(t).start(t)
	m := s.mailer(t, func(c *smtpmail.Config) { c.Rate = 0.001 })
	must(t, m.SendWelcome(t.Context(), ada()))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := m.SendWelcome(ctx, ada())
	if kindOf(err) != "again" || !errors.Is(err, context.DeadlineExceeded) || len(s.got()) != 1 {
		t.Errorf("second mail: %v, %d mails went", err, len(s.got()))
	}
}

func TestWaitsNoLongerThanTheContext(t *testing.T) {
	s := newServer(t).start(t)
	block := make(chan struct{})
	s.mail = func() error { <-block; return nil }
	defer close(block)
	m := s.mailer(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	errs := make(chan error)
	for range 2 {
		go func() { errs <- m.SendWelcome(ctx, ada()) }()
	}
	for range 2 {
		if err := <-errs; !errors.Is(err, context.DeadlineExceeded) || kindOf(err) != "again" {
			t.Error(err)
		}
	}
}

func TestMessage(t *testing.T) {
	s := newServer(t).start(t)
	run := usersync.RunRecord{ID: "run-7", ConfigName: "Отдел\r\nBcc: eve@example.com", File: "staff.xlsx",
		Status: usersync.RunSucceeded, Counts: usersync.RunCounts{Created: 1234, Failed: 5678}}
	files := []usersync.Attachment{{Name: "report.csv", Type: "text/csv", Data: []byte("a,b\n1,2\n")},
		{Name: "../x\r\ny.bin", Type: "bad\r\nX-Bad: 1", Data: []byte{0, 1, 2, 255}}}
	for _, kind := range []usersync.MessageKind{usersync.MessageEnded, usersync.MessageReport, usersync.MessageCorrections} {
		must(t, s.mailer(t).SendMessage(t.Context(), usersync.Message{
			Kind: kind, To: "boss@example.com", Run: run, Attachments: files, IdempotencyKey: "k" + string(kind)}))
	}
	for _, got := range s.got() {
		p := parse(t, got)
		for _, want := range []string{"staff.xlsx", "1234", "5678", "succeeded", "Отдел", "report.csv"} {
			if !strings.Contains(p.text, want) || !strings.Contains(p.html, want) {
				t.Errorf("%q: a body lacks %q:\n%s\n%s", p.subject, want, p.text, p.html)
			}
		}
		if len(p.files) != 2 || p.files["report.csv"] != "a,b\n1,2\n" || p.files[".._x y.bin"] != "\x00\x01\x02\xff" {
			t.Errorf("attachments %q", p.files)
		}
	}
	err := s.mailer(t).SendMessage(t.Context(), usersync.Message{Kind: "other", To: "boss@example.com"})
	if kindOf(err) != "again" {
		t.Error(err)
	}
}

func TestLinks(t *testing.T) {
	s := newServer(t).start(t)
	away := errors.New("the database is away")
	for link, want := range map[string]string{
		"https://product.test/a?b=c": "sent", "http://product.test/s3cr3t": "again", "/s3cr3t": "again",
		"https:s3cr3t": "again", "https://product.test/s3cr3t x": "again", "https://product.test\r\nBcc: s3cr3t": "again",
		"https://u:s3cr3t@product.test/": "again", "javascript:s3cr3t": "again", "": "again",
	} {
		m := s.mailer(t, func(c *smtpmail.Config) {
			c.Link = func(context.Context, usersync.Welcome) (string, error) { return link, nil }
		})
		err := m.SendWelcome(t.Context(), ada())
		if kindOf(err) != want || strings.Contains(fmt.Sprint(err), "s3cr3t") {
			t.Errorf("%q: %v, want %s", link, err, want)
		}
	}
	m := s.mailer(t, func(c *smtpmail.Config) {
		c.Link = func(context.Context, usersync.Welcome) (string, error) { return "", away }
	})
	if err := m.SendWelcome(t.Context(), ada()); !errors.Is(err, away) || kindOf(err) != "again" {
		t.Error(err)
	}
	if len(s.got()) != 1 {
		t.Errorf("%d mails went, want 1", len(s.got()))
	}
}

func TestNewListsEverything(t *testing.T) {
	own := fstest.MapFS{}
	for name, text := range map[string]string{
		"welcome.en.subject.txt": "Hi", "welcome.en.txt": "{{.Link}}", "welcome.en.html": "{{.Nothing}}",
		"welcome.de.subject.txt": "Hi", "welcome.de.txt": "no link", "welcome.de.html": "{{.Link}}",
		"welcome.x_y_z.txt":    "Hi",
		"ended.en.subject.txt": "{{", "ended.en.txt": "x", "ended.en.html": "x",
	} {
		own[name] = &fstest.MapFile{Data: []byte(text)}
	}
	_, err := smtpmail.New(smtpmail.Config{
		Port: 70000, Security: "ssl", User: "u", Timeout: -1, Rate: -1, Hello: "a b", ReplyTo: "x",
		Templates: smtpmail.Templates{FS: own, Language: "?"},
	})
	var invalid *usersync.InvalidError
	if !errors.As(err, &invalid) || !errors.Is(err, usersync.ErrInvalid) {
		t.Fatal(err)
	}
	var paths []string
	for _, p := range invalid.Problems {
		paths = append(paths, p.Path)
	}
	for _, want := range []string{"host", "security", "user", "timeout", "rate", "hello", "from", "replyTo", "link",
		"templates.language", "templates.welcome.en", "templates.welcome.de", "templates.welcome.x_y_z",
		"templates.ended.en.subject.txt"} {
		if !slices.Contains(paths, want) {
			t.Errorf("no problem at %s in\n%v", want, err)
		}
	}
}

func TestUnencrypted(t *testing.T) {
	s := newServer(t).start(t)
	c := s.config()
	c.Security = smtpmail.Unencrypted
	if _, err := smtpmail.New(c); err == nil {
		t.Error("a password goes in the clear")
	}
	c.User, c.Password = "", ""
	m, err := smtpmail.New(c)
	must(t, err)
	must(t, m.SendWelcome(t.Context(), ada()))
	must(t, m.Close())
	c.Host = "mail.example.com"
	if _, err := smtpmail.New(c); err == nil {
		t.Error("another machine is reached without encryption")
	}
	c.UnencryptedAnywhere = true
	_, err = smtpmail.New(c)
	must(t, err)
}

func TestIdle(t *testing.T) {
	s := newServer(t).start(t)
	m := s.mailer(t)
	for range 3 {
		must(t, m.SendWelcome(t.Context(), ada()))
		m.Age(9 * time.Second)
	}
	if len(s.conns) != 1 {
		t.Errorf("%d connections while in use, want 1", len(s.conns))
	}
	m.Age(2 * time.Second)
	must(t, m.SendWelcome(t.Context(), ada()))
	if len(s.conns) != 2 {
		t.Errorf("%d connections after a pause, want 2", len(s.conns))
	}
}

func TestTLSFromTheFirstByte(t *testing.T) {
	s := newServer(t)
	s.wrap = func(l net.Listener) net.Listener { return tls.NewListener(l, s.smtp.TLSConfig) }
	s.start(t)
	must(t, s.mailer(t, func(c *smtpmail.Config) { c.Security = smtpmail.TLS }).SendWelcome(t.Context(), ada()))
	if len(s.got()) != 1 {
		t.Errorf("%d mails went, want 1", len(s.got()))
	}
}

func TestOtherLetters(t *testing.T) {
	for _, offered := range []bool{true, false} {
		s := newServer(t)
		s.smtp.EnableSMTPUTF8 = offered
		m := s.start(t).mailer(t)
		w := ada()
		w.Email = "jörg@exämple.com"
		err := m.SendWelcome(t.Context(), w)
		if got, want := kindOf(err), map[bool]string{true: "sent", false: "refused"}[offered]; got != want {
			t.Errorf("offered %v: %v", offered, err)
		}
		if !offered && !strings.Contains(err.Error(), "SMTPUTF8") {
			t.Error(err)
		}
		must(t, m.SendWelcome(t.Context(), ada()))
		if n := len(s.got()); len(s.conns) != 1 || offered != (n == 2) {
			t.Errorf("offered %v: %d mails over %d connections", offered, n, len(s.conns))
		}
	}
}

// A host's own languages take the place of those built in, and so does its usual one.
func TestOwnTemplates(t *testing.T) {
	own := fstest.MapFS{}
	html := `<i>{{.Values.Get "title"}}</i><a href="{{.Link}}">{{.Link}}</a>`
	for _, lang := range []string{"de", "fr"} {
		own["welcome."+lang+".subject.txt"] = &fstest.MapFile{Data: []byte(lang + "\n")}
		own["welcome."+lang+".txt"] = &fstest.MapFile{Data: []byte(`{{.Values.Get "title"}} {{.Link}}`)}
		own["welcome."+lang+".html"] = &fstest.MapFile{Data: []byte(html)}
	}
	s := newServer(t).start(t)
	m := s.mailer(t, func(c *smtpmail.Config) { c.Templates = smtpmail.Templates{FS: own, Language: "fr"} })
	for _, locale := range []string{"de-CH", "fr-CA", "en", ""} {
		w := welcome(map[string]string{"title": "<Dr.>"})
		w.Locale = locale
		must(t, m.SendWelcome(t.Context(), w))
	}
	var subjects []string
	for _, got := range s.got() {
		p := parse(t, got)
		subjects = append(subjects, p.subject)
		if !strings.HasPrefix(p.text, "<Dr.> https://") || !strings.HasPrefix(p.html, "<i>&lt;Dr.&gt;</i>") {
			t.Errorf("%s\n%s", p.text, p.html)
		}
	}
	if want := []string{"de", "fr", "fr", "fr"}; !slices.Equal(subjects, want) {
		t.Errorf("%q, want %q", subjects, want)
	}
}

func TestSignIn(t *testing.T) {
	for _, mechanisms := range [][]string{{"LOGIN"}, {"PLAIN"}, {"LOGIN", "PLAIN", "GSSAPI"}} {
		s := newServer(t)
		s.mechanisms = mechanisms
		must(t, s.start(t).mailer(t).SendWelcome(t.Context(), ada()))
		if len(s.got()) != 1 {
			t.Errorf("%v: %d mails", mechanisms, len(s.got()))
		}
	}
}

func TestPrintsNoPassword(t *testing.T) {
	s := newServer(t).start(t)
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format+format, s.mailer(t), s.config()); strings.Contains(text, password) {
			t.Errorf("%s: %s", format, text)
		}
	}
}
