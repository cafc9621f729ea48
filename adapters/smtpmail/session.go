package smtpmail

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

// session is a connection to the server, signed in.
//
// It drives the commands itself: a mail is unsure only between the final dot and the reply to it, and that
// moment is not to be told from the errors of a client that sends as a whole.
type session struct {
	conn    net.Conn
	client  *smtp.Client
	used    time.Time // when the last mail went
	over    bool      // nothing more can be sent
	secrets []string  // not to be shown
}

// until lets ctx end whatever the connection waits for. The function that it returns ends that, and tells
// whether ctx has left the connection alone.
func (s *session) until(ctx context.Context) func() bool {
	return context.AfterFunc(ctx, func() { _ = s.conn.SetDeadline(time.Unix(1, 0)) })
}

// open connects and signs in.
func open(ctx context.Context, c *Config) (_ *session, err error) {
	address := net.JoinHostPort(c.Host, strconv.Itoa(c.Port))
	s := &session{secrets: secretsOf(c)}
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, s.unreachable(ctx, address, err)
	}
	s.conn = raw
	stop := s.until(ctx)
	defer func() {
		if !stop() && err == nil {
			err = ended(ctx, "no connection to "+address)
		}
		if err != nil {
			raw.Close()
		}
	}()
	if err := s.begin(ctx, c); err != nil {
		return nil, err
	}
	return s, s.signIn(ctx, c)
}

func secretsOf(c *Config) []string {
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + c.User + "\x00" + c.Password))
	login := base64.StdEncoding.EncodeToString([]byte(c.Password))
	return []string{c.Password, plain, login}
}

func (s *session) unreachable(ctx context.Context, address string, err error) error {
	if ctx.Err() != nil {
		return ended(ctx, "no connection to "+address)
	}
	return again("no connection to %s: %s; check host, port and firewall", address, s.clean(err.Error()))
}

// begin greets the server, and encrypts the connection where that is wanted.
func (s *session) begin(ctx context.Context, c *Config) error {
	conn := s.conn
	if c.Security == TLS {
		encrypted := tls.Client(s.conn, c.TLS)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			return s.noTLS(ctx, err)
		}
		conn = encrypted
	}
	var err error
	if s.client, err = smtp.NewClient(conn, c.Host); err != nil {
		return s.notNow(ctx, "greeting", err)
	}
	if err := s.client.Hello(c.Hello); err != nil {
		return s.notNow(ctx, "EHLO", err)
	}
	if c.Security != STARTTLS {
		return nil
	}
	return s.startTLS(ctx, c)
}

func (s *session) startTLS(ctx context.Context, c *Config) error {
	if offered, _ := s.client.Extension("STARTTLS"); !offered {
		return again("the server does not offer STARTTLS, and without encryption nothing is sent: check the port, or" +
			" use TLS on port 465")
	}
	if err := s.client.StartTLS(c.TLS); err != nil {
		return s.noTLS(ctx, err)
	}
	return nil
}

func (s *session) noTLS(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ended(ctx, "no encrypted connection")
	}
	var cert *tls.CertificateVerificationError
	if errors.As(err, &cert) {
		return again("the certificate of the server is not trusted: %s; check the host name, or give its authority in"+
			" TLS.RootCAs", s.clean(err.Error()))
	}
	return again("no encrypted connection: %s; check port and security", s.clean(err.Error()))
}

// notNow is the failure of a command before the mail: whatever the reply, it is not about the mail.
func (s *session) notNow(ctx context.Context, command string, err error) error {
	var reply *textproto.Error
	if !errors.As(err, &reply) {
		return s.broken(ctx, "during "+command, err)
	}
	return again("the server does not let us in, at %s: %s", command, s.said(reply))
}

func (s *session) signIn(ctx context.Context, c *Config) error {
	if c.User == "" {
		return nil
	}
	_, offered := s.client.Extension("AUTH")
	auth := authOf(c, strings.Fields(offered))
	if auth == nil {
		return again("the server offers no way to sign in that is known here (it offers %q): check the port",
			s.clean(offered))
	}
	err := s.client.Auth(auth)
	var reply *textproto.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &reply):
		return again("the server refused the sign-in: %s; check user and password", s.said(reply))
	}
	return s.broken(ctx, "during the sign-in", err)
}

// authOf picks a mechanism, those first that do not show the password to the server.
func authOf(c *Config, offered []string) smtp.Auth {
	has := func(name string) bool { return slices.Contains(offered, name) }
	switch {
	case has("SCRAM-SHA-256"):
		return smtp.ScramSHA256Auth(c.User, c.Password)
	case has("SCRAM-SHA-1"):
		return smtp.ScramSHA1Auth(c.User, c.Password)
	case has("PLAIN"):
		return smtp.PlainAuth("", c.User, c.Password, c.Host, false)
	case has("LOGIN"):
		return smtp.LoginAuth(c.User, c.Password, c.Host, false)
	case has("CRAM-MD5"):
		return smtp.CRAMMD5Auth(c.User, c.Password)
	}
	return nil
}

// alive tells whether the connection can take another mail.
func (s *session) alive(ctx context.Context) bool {
	stop := s.until(ctx)
	err := s.client.Reset()
	return stop() && err == nil
}

// send sends one mail. The session goes on after an error that is a reply to this mail, else it is over.
func (s *session) send(ctx context.Context, e envelope) error {
	stop := s.until(ctx)
	defer func() {
		if !stop() {
			s.over = true
		}
	}()
	if !isASCII(e.to) {
		if offered, _ := s.client.Extension("SMTPUTF8"); !offered {
			return refused("the server does not take addresses with other letters than ASCII (SMTPUTF8)")
		}
	}
	s.client.SkipSMTPUTF8(isASCII(e.to))
	if err := s.client.Mail("<" + e.from + ">"); err != nil {
		return s.replyToSender(ctx, err)
	}
	if err := s.client.Rcpt("<" + e.to + ">"); err != nil {
		return s.replyTo(ctx, "RCPT", err)
	}
	return s.data(ctx, e.message)
}

// data sends the text of a mail. The dot is sent only after all of it: a mail is never cut short. It is done
// below the client, which drops the error of the dot; that tells a mail that never went from one that may have.
func (s *session) data(ctx context.Context, message []byte) error {
	text := s.client.Text
	id, err := text.Cmd("DATA")
	if err != nil {
		return s.broken(ctx, "during DATA", err)
	}
	text.StartResponse(id)
	defer text.EndResponse(id)
	if _, _, err := text.ReadResponse(354); err != nil {
		return s.replyTo(ctx, "DATA", err)
	}
	dots := text.DotWriter()
	if _, err := dots.Write(message); err != nil {
		return s.broken(ctx, "during DATA", err)
	}
	if err := dots.Close(); err != nil {
		return s.broken(ctx, "before the end of DATA", err)
	}
	return s.confirmed(ctx)
}

// confirmed reads the reply to the final dot.
func (s *session) confirmed(ctx context.Context) error {
	_, _, err := s.client.Text.ReadResponse(2)
	var reply *textproto.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &reply) && reply.Code >= 400:
		return s.replyTo(ctx, "DATA", err)
	}
	return s.unsure(ctx, err)
}

// quit says goodbye, without waiting long for the answer.
func (s *session) quit() error {
	_ = s.conn.SetDeadline(time.Now().Add(2 * time.Second))
	if s.client.Quit() == nil {
		return nil
	}
	return s.conn.Close()
}
