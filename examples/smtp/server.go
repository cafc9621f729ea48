package main

import (
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
	"sync"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

const password = "only for this example"

// server keeps the mails that it gets.
type server struct {
	port  int
	roots *x509.CertPool
	smtp  *smtp.Server
	ended chan error

	mu    sync.Mutex
	mails []arrived
}

// arrived is one mail.
type arrived struct {
	to   []string
	text string
}

func startServer() (*server, error) {
	cert, err := newCertificate()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{port: listener.Addr().(*net.TCPAddr).Port, roots: x509.NewCertPool(), ended: make(chan error, 1)}
	s.roots.AddCert(cert.Leaf)
	s.smtp = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{server: s}, nil }))
	s.smtp.Domain = "mail.example"
	s.smtp.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
	s.smtp.ErrorLog = log.New(io.Discard, "", 0)
	go func() { s.ended <- s.smtp.Serve(listener) }()
	return s, nil
}

func (s *server) close() error {
	err := s.smtp.Close()
	if served := <-s.ended; !errors.Is(served, smtp.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// newCertificate is good for an hour and this machine.
func newCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true,
		BasicConstraintsValid: true, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

// session is one connection.
type session struct {
	*server
	to []string
}

// AuthMechanisms is the one way to sign in.
func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

// Auth checks user and password.
func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, given string) error {
		if user != "product" || given != password {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}

// Mail begins a mail.
func (s *session) Mail(string, *smtp.MailOptions) error {
	s.to = nil
	return nil
}

// Rcpt knows all but one.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if to == "gone@example.com" {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
	}
	s.to = append(s.to, to)
	return nil
}

// Data takes the mail.
func (s *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, arrived{s.to, string(text)})
	return err
}

// Reset begins anew.
func (s *session) Reset() { s.to = nil }

// Logout ends the session.
func (s *session) Logout() error { return nil }
