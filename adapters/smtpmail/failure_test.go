package smtpmail_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/smtpmail"
)

// fault is one thing that goes wrong, and what becomes of the mail.
type fault struct {
	name   string
	script func(*server)
	change func(*smtpmail.Config)
	kind   string
	says   string
}

func faults() []fault {
	return []fault{
		{"MAIL 4xx", func(s *server) { s.mail = fails(451) }, nil, "again", "at MAIL: 451"},
		{"MAIL 5xx", func(s *server) { s.mail = fails(550) }, nil, "again", "at MAIL: 550"},
		{"MAIL 421", func(s *server) { s.mail = fails(421) }, nil, "again", "421"},
		{"RCPT 4xx", func(s *server) { s.rcpt = func(string) error { return reply(450) } }, nil, "again", "at RCPT: 450"},
		{"RCPT 5xx", func(s *server) { s.rcpt = func(string) error { return reply(550) } }, nil, "refused", "at RCPT: 550"},
		{"DATA 4xx", func(s *server) { s.data = answers(452) }, nil, "again", "at DATA: 452"},
		{"DATA 5xx", func(s *server) { s.data = answers(554) }, nil, "refused", "at DATA: 554"},
		{"quotes the link", func(s *server) { s.data = quotes }, nil, "refused", "bad link …"},
		{"closed at MAIL", func(s *server) { s.mail = hangUp(s) }, nil, "again", "nothing was sent"},
		{"closed at RCPT", func(s *server) { s.rcpt = func(string) error { return hangUp(s)() } }, nil,
			"again", "nothing was sent"},
		{"closed after the dot", func(s *server) { s.data = takesAndHangsUp }, nil, "unsure", "did not confirm"},
		{"silent after the dot", func(s *server) { s.data = takesAndWaits }, soon, "unsure", "deadline exceeded"},
		{"slow at MAIL", func(s *server) { s.mail = waits }, soon, "again", "deadline exceeded"},
		{"no STARTTLS", func(s *server) { s.smtp.TLSConfig = nil }, nil, "again", "does not offer STARTTLS"},
		{"not trusted", func(*server) {}, func(c *smtpmail.Config) { c.TLS = nil }, "again", "not trusted"},
		{"another name", func(*server) {},
			func(c *smtpmail.Config) { c.TLS.ServerName = "mail.test" }, "again", "not trusted"},
		{"TLS too old", func(s *server) { s.smtp.TLSConfig.MaxVersion = tls.VersionTLS12 },
			func(c *smtpmail.Config) { c.TLS.MinVersion = tls.VersionTLS13 }, "again", "no encrypted connection"},
		{"TLS where STARTTLS is spoken", func(*server) {},
			func(c *smtpmail.Config) { c.Security = smtpmail.TLS }, "again", "check port and security"},
		{"wrong password", func(*server) {},
			func(c *smtpmail.Config) { c.Password = "s3cr3t" }, "again", "check user and password"},
		{"AUTH 4xx", func(s *server) { s.auth = fails(454) }, nil, "again", "refused the sign-in: 454"},
		{"no AUTH known", func(s *server) { s.mechanisms = []string{"GSSAPI"} }, nil, "again", `it offers "GSSAPI"`},
		{"sign-in missing", func(*server) {},
			func(c *smtpmail.Config) { c.User, c.Password = "", "" }, "again", "check user and password"},
		{"MAIL 530", func(s *server) { s.mail = fails(530) }, nil, "again", "check user and password"},
		{"nobody there", func(*server) {}, func(c *smtpmail.Config) { c.Port = 1 }, "again", "check host, port and firewall"},
	}
}

func TestFaults(t *testing.T) {
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			s := newServer(t)
			f.script(s)
			s.start(t)
			m := s.mailer(t, func(c *smtpmail.Config) {
				if f.change != nil {
					f.change(c)
				}
			})
			err := m.SendWelcome(t.Context(), ada())
			if kindOf(err) != f.kind || err == nil || !strings.Contains(err.Error(), f.says) {
				t.Fatalf("%v\nis %s, want %s and %q", err, kindOf(err), f.kind, f.says)
			}
			for _, secret := range []string{"s3cr3t", password, "product.test/"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%q is in the text: %v", secret, err)
				}
			}
			if len(s.got()) > 0 {
				t.Errorf("%d mails went", len(s.got()))
			}
		})
	}
}

// TestRecovers sees that a mail goes after each fault of the one before, by the same mailer.
func TestRecovers(t *testing.T) {
	for _, f := range faults() {
		if f.change != nil || strings.Contains(f.name, "AUTH") || strings.Contains(f.name, "TLS") {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			s := newServer(t)
			f.script(s)
			s.start(t)
			m := s.mailer(t)
			if m.SendWelcome(t.Context(), ada()) == nil {
				t.Fatal("no fault")
			}
			s.mail, s.rcpt, s.data = nil, nil, nil
			must(t, m.SendWelcome(t.Context(), ada()))
		})
	}
}

func TestCutShort(t *testing.T) {
	s := newServer(t)
	s.data = func(c *smtp.Conn, r io.Reader) error {
		_, _ = io.CopyN(io.Discard, r, 1000)
		return c.Conn().Close()
	}
	s.start(t)
	big := usersync.Attachment{Name: "big.bin", Type: "application/zip", Data: make([]byte, 32<<20)}
	err := s.mailer(t).SendMessage(t.Context(), usersync.Message{
		Kind: usersync.MessageReport, To: "boss@example.com", Attachments: []usersync.Attachment{big}})
	if kindOf(err) != "again" || !strings.Contains(err.Error(), "nothing was sent") {
		t.Error(err)
	}
}

func TestCancelledWithinData(t *testing.T) {
	s := newServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.data = func(_ *smtp.Conn, r io.Reader) error {
		cancel()
		time.Sleep(200 * time.Millisecond)
		n, err := io.Copy(io.Discard, r)
		if err == nil {
			t.Errorf("the server took %d bytes as a whole mail", n)
		}
		return err
	}
	s.start(t)
	big := usersync.Attachment{Name: "big.bin", Type: "application/zip", Data: make([]byte, 32<<20)}
	err := s.mailer(t).SendMessage(ctx, usersync.Message{
		Kind: usersync.MessageReport, To: "boss@example.com", Attachments: []usersync.Attachment{big}})
	if kindOf(err) != "again" || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestGreetingNeverComes is a server that accepts and says nothing.
func TestGreetingNeverComes(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	c := (&server{port: listener.Addr().(*net.TCPAddr).Port}).config()
	soon(&c)
	m, err := smtpmail.New(c)
	must(t, err)
	start := time.Now()
	err = m.SendWelcome(t.Context(), ada())
	if kindOf(err) != "again" || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 5*time.Second {
		t.Error(err)
	}
}

func soon(c *smtpmail.Config) { c.Timeout = 300 * time.Millisecond }

func fails(code int) func() error { return func() error { return reply(code) } }

func answers(code int) func(*smtp.Conn, io.Reader) error {
	return func(_ *smtp.Conn, r io.Reader) error {
		_, _ = io.Copy(io.Discard, r)
		return reply(code)
	}
}

func quotes(_ *smtp.Conn, r io.Reader) error {
	_, _ = io.Copy(io.Discard, r)
	return &smtp.SMTPError{Code: 554, Message: "bad link https://product.test/welcome?token=s3cr3t-u1, token s3cr3t-u1"}
}

func takesAndHangsUp(c *smtp.Conn, r io.Reader) error {
	_, _ = io.Copy(io.Discard, r)
	return c.Conn().Close()
}

func takesAndWaits(_ *smtp.Conn, r io.Reader) error {
	_, _ = io.Copy(io.Discard, r)
	return waits()
}

func waits() error {
	time.Sleep(time.Second)
	return nil
}

func hangUp(s *server) func() error {
	return func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.conns[len(s.conns)-1].Conn().Close()
	}
}
