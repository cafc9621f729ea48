package smtpmail

import (
	"context"
	"errors"
	"fmt"
	"net/textproto"
	"slices"
	"strings"

	"github.com/usersync-go/usersync"
)

// failure is why a mail was not sent. Its text is made here and has neither the password nor the link: what a
// library or a server says is shown only where it cannot hold them.
type failure struct {
	text  string
	kinds []error // what it wraps; none means that it may be tried again
}

func (f *failure) Error() string   { return "smtpmail: " + f.text }
func (f *failure) Unwrap() []error { return f.kinds }

func refused(format string, args ...any) error {
	return &failure{fmt.Sprintf(format, args...), []error{usersync.ErrMailRefused}}
}

func again(format string, args ...any) error {
	return &failure{text: fmt.Sprintf(format, args...)}
}

// ended is the failure of a mail whose context was done, at a time when it was surely not sent.
func ended(ctx context.Context, where string) error {
	return &failure{fmt.Sprintf("%s: %v; nothing was sent", where, ctx.Err()), []error{ctx.Err()}}
}

// replyTo is the failure of a command: by the reply of the server if there is one, else broken off.
func (s *session) replyTo(ctx context.Context, command string, err error) error {
	var reply *textproto.Error
	switch {
	case !errors.As(err, &reply):
		return s.broken(ctx, "during "+command, err)
	case isAboutSession(reply.Code):
		return again("the server takes no mail over this connection: %s; check user and password", s.said(reply))
	case reply.Code == 421: // RFC 5321, 3.8: the server closes the connection
		s.over = true
	case reply.Code >= 500:
		return refused("the server refused the mail at %s: %s", command, s.said(reply))
	}
	return again("the server does not take the mail now, at %s: %s", command, s.said(reply))
}

// replyToSender is the failure of MAIL: what the server does not take there is the sender, which is the same for all
// mails, so that none of them is given up.
func (s *session) replyToSender(ctx context.Context, err error) error {
	var reply *textproto.Error
	if !errors.As(err, &reply) || reply.Code < 500 || isAboutSession(reply.Code) {
		return s.replyTo(ctx, "MAIL", err)
	}
	return again("the server does not take mails of this sender, at MAIL: %s; check From, user and password", s.said(reply))
}

// isAboutSession tells replies that are not about the mail: a sign-in is missing (RFC 4954, 6), or the command
// does not go here (RFC 5321, 4.2.2), which is how some servers say the same.
func isAboutSession(code int) bool {
	return slices.Contains([]int{502, 503, 530, 534, 535, 538}, code)
}

// broken is the failure of a connection before the mail was fully sent.
func (s *session) broken(ctx context.Context, where string, err error) error {
	s.over = true
	if ctx.Err() != nil {
		return ended(ctx, "no answer of the server "+where)
	}
	return again("the connection broke %s: %s; nothing was sent", where, s.clean(err.Error()))
}

// unsure is the failure of a connection after the mail was fully sent.
func (s *session) unsure(ctx context.Context, err error) error {
	s.over = true
	kinds := []error{usersync.ErrMailUnsure}
	text := s.clean(err.Error())
	if ctx.Err() != nil {
		kinds, text = append(kinds, ctx.Err()), ctx.Err().Error()
	}
	return &failure{"the mail was handed over, but the server did not confirm it: " + text, kinds}
}

func (s *session) said(reply *textproto.Error) string {
	return s.clean(fmt.Sprintf("%d %s", reply.Code, reply.Msg))
}

// clean makes a text of the server fit to show: some servers quote what they did not like.
func (s *session) clean(text string) string {
	for _, secret := range s.secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	return headerText(text, 300)
}
