package integration

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/mail"
	"os"
	process "os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
	"github.com/usersync-go/usersync/adapters/smtpmail"
)

const mailUser, mailPassword = "product", "correct horse"

// mailServer is aiosmtpd in a process of its own.
type mailServer struct {
	port  int
	roots *x509.CertPool
	lines chan string

	certificate []byte // PEM
}

// arrived is a mail as the server took it.
type arrived struct {
	From string   `json:"from"`
	To   []string `json:"to"`
	Peer int      `json:"peer"`
	Text string   `json:"text"`
}

// newMailServer starts a server that ends with the test.
func newMailServer(tb testing.TB) *mailServer {
	python := pythonWithServer(tb)
	dir, s := tb.TempDir(), &mailServer{roots: x509.NewCertPool()}
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	s.roots.AddCert(writeCertificate(tb, cert, key))
	data, err := os.ReadFile(cert)
	must(tb, err)
	s.certificate = data
	cmd := process.Command(python, "-W", "ignore", filepath.Join("testdata", "smtpd.py"), cert, key, mailUser, mailPassword)
	cmd.Stderr = tb.Output()
	stdin, err := cmd.StdinPipe()
	must(tb, err)
	stdout, err := cmd.StdoutPipe()
	must(tb, err)
	must(tb, cmd.Start())
	s.lines = make(chan string, 1000)
	done := make(chan struct{})
	go func() { // the server is not to wait for whoever reads what it wrote
		defer close(done)
		s.read(stdout)
	}()
	tb.Cleanup(func() {
		_ = stdin.Close()
		<-done
		_ = cmd.Wait()
	})
	s.port, err = strconv.Atoi(s.line(tb))
	must(tb, err)
	return s
}

func (s *mailServer) read(from io.Reader) {
	defer close(s.lines)
	scanner := bufio.NewScanner(from)
	scanner.Buffer(nil, 16<<20)
	for scanner.Scan() {
		s.lines <- scanner.Text()
	}
}

// pythonWithServer is a Python that has aiosmtpd. Debian's does not see what other Pythons have, and they not what
// it has.
func pythonWithServer(tb testing.TB) string {
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		if process.Command(name, "-c", "import aiosmtpd").Run() == nil {
			return name
		}
	}
	tb.Skip("SKIPPED: needs python3-aiosmtpd, a mail server")
	return ""
}

func (s *mailServer) line(tb testing.TB) string {
	tb.Helper()
	text, ok := <-s.lines
	if !ok {
		tb.Fatal("the mail server has ended")
	}
	return text
}

// next is the next mail that has come.
func (s *mailServer) next(tb testing.TB) (a arrived) {
	tb.Helper()
	must(tb, json.Unmarshal([]byte(s.line(tb)), &a))
	return a
}

func (s *mailServer) mailer(tb testing.TB, change func(*smtpmail.Config)) *smtpmail.Mailer {
	c := smtpmail.Config{
		Host: "127.0.0.1", Port: s.port, User: mailUser, Password: mailPassword, TLS: &tls.Config{RootCAs: s.roots},
		From: mail.Address{Name: "Product", Address: "noreply@product.test"},
		Link: func(_ context.Context, w usersync.Welcome) (string, error) {
			return "https://product.test/welcome/" + w.User.ID, nil
		},
	}
	change(&c)
	mailer, err := smtpmail.New(c)
	must(tb, err)
	tb.Cleanup(func() { _ = mailer.Close() })
	return mailer
}

func writeCertificate(tb testing.TB, certFile, keyFile string) *x509.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(tb, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(tb, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(tb, err)
	writePEM(tb, certFile, "CERTIFICATE", der)
	writePEM(tb, keyFile, "PRIVATE KEY", private)
	cert, err := x509.ParseCertificate(der)
	must(tb, err)
	return cert
}

func writePEM(tb testing.TB, file, kind string, der []byte) {
	must(tb, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

// A file comes in, and each new user gets a mail through a real server.
func TestMailServer(t *testing.T) {
	s := newMailServer(t)
	mailer := s.mailer(t, func(*smtpmail.Config) {})
	engine, err := usersync.New(memory.New(), memory.NewBaselines(), usersync.WithMailer(mailer))
	must(t, err)
	cfg := usersync.DefaultConfig("Staff")
	cfg.WelcomeMail = true
	const file = "userName,email,firstName,lastName,locale\n" +
		"ada,ada@example.com,Ada,Byron,en-GB\njoerg,jörg@example.com,Jörg,Groß,de-DE\n" +
		"who,nobody@example.com,Who,Else,en-US\nwang,wang@example.com,小明,王,zh-CN\n"
	plan, err := engine.Preview(t.Context(), cfg, usersync.CSV(strings.NewReader(file)))
	must(t, err)
	run, err := engine.Apply(t.Context(), plan)
	must(t, err)
	if c := run.Counts(); c.Created != 4 || c.Mails != 3 || c.Warnings != 1 {
		t.Errorf("counts %+v", c)
	}
	peers := map[int]bool{}
	for _, to := range []string{"ada@example.com", "jörg@example.com", "wang@example.com"} {
		got := s.next(t)
		peers[got.Peer] = true
		if len(got.To) != 1 || got.To[0] != to || got.From != "noreply@product.test" {
			t.Errorf("from %q to %q, want to %q", got.From, got.To, to)
		}
		checkMail(t, got, to)
	}
	if len(peers) != 1 {
		t.Errorf("%d connections, want one", len(peers))
	}
}

func checkMail(t *testing.T, got arrived, to string) {
	msg, err := mail.ReadMessage(strings.NewReader(got.Text))
	must(t, err)
	list, err := msg.Header.AddressList("To")
	must(t, err)
	if len(list) != 1 || list[0].Address != to {
		t.Errorf("To: %v", list)
	}
	for name, want := range map[string]string{
		"Content-Type": "multipart/alternative", "Auto-Submitted": "auto-generated", "Message-Id": "@product.test>",
	} {
		if !strings.Contains(msg.Header.Get(name), want) {
			t.Errorf("%s: %s", name, msg.Header.Get(name))
		}
	}
	if strings.Count(got.Text, "https://product.test/welcome/") < 2 {
		t.Errorf("no link in\n%s", got.Text)
	}
}

// The errors of a real server are what they are taken for.
func TestMailServerRefuses(t *testing.T) {
	s := newMailServer(t)
	w := usersync.Welcome{Email: "ada@example.com", User: usersync.User{ID: "u1"}, IdempotencyKey: "k"}
	for _, tt := range []struct {
		name, email string
		change      func(*smtpmail.Config)
		refused     bool
		says        string
	}{
		{"no such user", "nobody@example.com", func(*smtpmail.Config) {}, true, "550"},
		{"wrong password", w.Email, func(c *smtpmail.Config) { c.Password = "wrong one" }, false, "check user and password"},
		{"no password", w.Email, func(c *smtpmail.Config) { c.User, c.Password = "", "" }, false, "check user and password"},
		{"not trusted", w.Email, func(c *smtpmail.Config) { c.TLS = nil }, false, "not trusted"},
		{"TLS at once", w.Email, func(c *smtpmail.Config) { c.Security = smtpmail.TLS }, false, "check port and security"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.Email = tt.email
			err := s.mailer(t, tt.change).SendWelcome(t.Context(), w)
			if err == nil || errors.Is(err, usersync.ErrMailRefused) != tt.refused || errors.Is(err, usersync.ErrMailUnsure) ||
				!strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "wrong one") {
				t.Error(err)
			}
		})
	}
}

// A report goes as it is, with all its bytes.
func TestMailServerReport(t *testing.T) {
	s := newMailServer(t)
	report := make([]byte, 300_000)
	_, _ = rand.Read(report)
	must(t, s.mailer(t, func(*smtpmail.Config) {}).SendMessage(t.Context(), usersync.Message{
		Kind: usersync.MessageReport, To: "boss@example.com", IdempotencyKey: "k",
		Run: usersync.RunRecord{ID: "run-1", ConfigName: "Staff", Status: usersync.RunSucceeded},
		Attachments: []usersync.Attachment{{Name: "report.xlsx", Data: report,
			Type: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}},
	}))
	got := s.next(t)
	_, part, found := strings.Cut(got.Text, `filename="report.xlsx"`)
	_, encoded, _ := strings.Cut(part, "\r\n\r\n")
	encoded, _, _ = strings.Cut(encoded, "\r\n--")
	data, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(encoded, "\r\n", ""))
	if !found || err != nil || !bytes.Equal(data, report) {
		t.Errorf("the report arrived as %d bytes, %v", len(data), err)
	}
}
