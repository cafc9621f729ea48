package smtpmail_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/mail"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/smtpmail"
)

const password = "correct-horse-battery"

// server is a mail server in this process that does what the script says. What is left nil goes well.
type server struct {
	port  int
	roots *x509.CertPool
	cert  tls.Certificate
	smtp  *smtp.Server
	wrap  func(net.Listener) net.Listener // nil for none

	auth func() error
	mail func() error
	rcpt func(to string) error
	data func(c *smtp.Conn, r io.Reader) error // in place of taking the mail

	mu         sync.Mutex
	mails      []received
	conns      []*smtp.Conn
	mechanisms []string
}

// received is a mail as the server got it.
type received struct {
	from string
	to   []string
	text []byte
}

// newServer makes a server that listens from start on.
func newServer(t testing.TB) *server {
	s := &server{roots: x509.NewCertPool()}
	s.cert = newCertificate(t, s.roots)
	s.smtp = smtp.NewServer(smtp.BackendFunc(s.session))
	s.smtp.Domain = "mail.test"
	s.smtp.EnableSMTPUTF8 = true
	s.smtp.TLSConfig = &tls.Config{Certificates: []tls.Certificate{s.cert}}
	s.smtp.ErrorLog = log.New(io.Discard, "", 0)
	return s
}

func (s *server) start(t testing.TB) *server {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s.port = listener.Addr().(*net.TCPAddr).Port
	if s.wrap != nil {
		listener = s.wrap(listener)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.smtp.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = s.smtp.Close()
		_ = listener.Close() // Serve may not have begun
		<-done
	})
	return s
}

// config reaches the server.
func (s *server) config() smtpmail.Config {
	return smtpmail.Config{
		Host: "127.0.0.1", Port: s.port, User: "product", Password: password,
		TLS:     &tls.Config{RootCAs: s.roots},
		From:    mail.Address{Name: "Prodükt", Address: "noreply@product.test"},
		Timeout: 10 * time.Second,
		Link: func(_ context.Context, w usersync.Welcome) (string, error) {
			return "https://product.test/welcome?token=s3cr3t-" + w.User.ID, nil
		},
	}
}

func (s *server) mailer(t testing.TB, change ...func(*smtpmail.Config)) *smtpmail.Mailer {
	c := s.config()
	for _, f := range change {
		f(&c)
	}
	m, err := smtpmail.New(c)
	must(t, err)
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func (s *server) got() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.mails...)
}

func (s *server) session(c *smtp.Conn) (smtp.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.conns, c) { // STARTTLS begins another session
		s.conns = append(s.conns, c)
	}
	return &session{server: s, conn: c}, nil
}

type session struct {
	*server
	conn   *smtp.Conn
	mail   received
	signed bool
}

func (s *session) AuthMechanisms() []string {
	if s.mechanisms != nil {
		return s.mechanisms
	}
	return []string{sasl.Plain}
}

func (s *session) Auth(mechanism string) (sasl.Server, error) {
	if mechanism == "LOGIN" {
		return &login{check: s.check}, nil
	}
	return sasl.NewPlainServer(func(_, user, pass string) error { return s.check(user, pass) }), nil
}

func (s *session) check(user, pass string) error {
	if s.server.auth != nil {
		return s.server.auth()
	}
	s.signed = user == "product" && pass == password
	if !s.signed {
		return smtp.ErrAuthFailed
	}
	return nil
}

// login is the mechanism LOGIN: the server asks for one and then for the other.
type login struct {
	check func(user, pass string) error
	asked int
	user  string
}

func (l *login) Next(response []byte) ([]byte, bool, error) {
	l.asked++
	switch l.asked {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.user = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.user, string(response))
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if s.server.mail != nil {
		if err := s.server.mail(); err != nil {
			return err
		}
	}
	if _, encrypted := s.conn.TLSConnectionState(); encrypted && !s.signed {
		return smtp.ErrAuthRequired
	}
	s.mail.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if s.rcpt != nil {
		if err := s.rcpt(to); err != nil {
			return err
		}
	}
	s.mail.to = append(s.mail.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	if s.data != nil {
		return s.data(s.conn, r)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.mail.text = text
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, s.mail)
	return nil
}

func (s *session) Reset()        { s.mail = received{} }
func (s *session) Logout() error { return nil }

// newCertificate makes a certificate for 127.0.0.1, signed by itself.
func newCertificate(t testing.TB, roots *x509.CertPool) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	roots.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func reply(code int) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 1, 1}, Message: "as the script says"}
}

func welcome(values map[string]string) usersync.Welcome {
	return usersync.Welcome{
		RunID: "run-1", Email: "ada@example.com", Locale: "en-US", IdempotencyKey: "run-1/u1",
		User: usersync.User{ID: "u1", Active: true, Values: usersync.ValuesOf(values)},
	}
}

func ada() usersync.Welcome {
	return welcome(map[string]string{"firstName": "Ada", "lastName": "Byron", "userName": "ada"})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// kindOf is what an error means to usersync.
func kindOf(err error) string {
	switch {
	case err == nil:
		return "sent"
	case errors.Is(err, usersync.ErrMailRefused):
		return "refused"
	case errors.Is(err, usersync.ErrMailUnsure):
		return "unsure"
	}
	return "again"
}
