package smtpmail

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"mime"
	"net/mail"
	"net/url"
	"path"
	"strings"
	"unicode"

	gomail "github.com/wneessen/go-mail"

	"github.com/usersync-go/usersync"
)

// envelope is a mail ready to go.
type envelope struct {
	from, to string
	message  []byte
}

// link asks for the link and checks it. No error has its text.
func (m *Mailer) link(ctx context.Context, w usersync.Welcome) (string, error) {
	link, err := m.config.Link(ctx, w)
	if err != nil {
		return "", fmt.Errorf("smtpmail: no link could be made, nothing was sent: %w", err)
	}
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())) || u.Host == "" || u.User != nil || strings.ContainsFunc(link, notInAddress) {
		return "", again("the link is not an absolute https address, nothing was sent: see Config.Link")
	}
	return link, nil
}

// secretLink is how a link may show in what a server says.
func secretLink(link string) []string {
	u, err := url.Parse(link)
	if err != nil || link == "" {
		return nil
	}
	secrets := []string{link, u.RequestURI()}
	if u.RequestURI() == "/" {
		secrets = secrets[:1]
	}
	for _, part := range []string{u.Fragment, path.Base(u.Path)} {
		if len(part) >= 16 { // a token, and not a word
			secrets = append(secrets, part)
		}
	}
	for _, values := range u.Query() {
		secrets = append(secrets, values...)
	}
	return secrets
}

func (m *Mailer) welcome(w usersync.Welcome, link string) ([]byte, error) {
	set := m.templates.welcome.match(w.Locale)
	data := Welcome{
		Name: headerText(nameOf(w.User.Values), maxName), UserName: headerText(w.User.Values.Get("userName"), maxName),
		Email: w.Email, Link: link, Product: m.config.Product, Values: w.User.Values,
	}
	if m.config.Expires != nil {
		data.Expires = m.config.Expires(w, set.tag)
	}
	parts, err := set.execute(data)
	if err != nil {
		return nil, again("the template of the welcome mail (%s) failed", set.tag)
	}
	return m.compose(mail.Address{Name: data.Name, Address: w.Email}, w.IdempotencyKey, parts, nil)
}

func (m *Mailer) message(msg usersync.Message) ([]byte, error) {
	sets := m.templates.messages[msg.Kind]
	if sets == nil {
		return nil, again("there is no text for messages of kind %q", msg.Kind)
	}
	set := sets.match("")
	parts, err := set.execute(Message{Product: m.config.Product, Kind: msg.Kind, Run: msg.Run, Attachments: names(msg)})
	if err != nil {
		return nil, again("the template of the message %s (%s) failed", msg.Kind, set.tag)
	}
	return m.compose(mail.Address{Address: msg.To}, msg.IdempotencyKey, parts, msg.Attachments)
}

func names(msg usersync.Message) []string {
	var names []string
	for _, a := range msg.Attachments {
		names = append(names, headerText(a.Name, maxName))
	}
	return names
}

// nameOf is how to call a user, by what there is. Chinese, Japanese and Korean names have the family first.
func nameOf(v usersync.Values) string {
	first, last := strings.TrimSpace(v.Get("firstName")), strings.TrimSpace(v.Get("lastName"))
	switch {
	case first == "" && last == "":
		return v.Get("userName")
	case isEastAsian(first) && isEastAsian(last):
		return last + first
	}
	return strings.TrimSpace(first + " " + last)
}

func isEastAsian(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana)
	})
}

// compose makes the mail as it is sent.
func (m *Mailer) compose(to mail.Address, key string, p parts, files []usersync.Attachment) ([]byte, error) {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.SetGenHeaderPreformatted(gomail.Header(gomail.HeaderFrom), inHeader(m.config.From))
	msg.SetGenHeaderPreformatted(gomail.Header(gomail.HeaderTo), inHeader(to))
	if m.config.ReplyTo != "" {
		msg.ReplyToMailAddress(&mail.Address{Address: m.config.ReplyTo})
	}
	msg.Subject(headerText(p.subject, maxSubject))
	msg.SetMessageIDWithValue(messageID(key) + "@" + domainOf(m.config.From.Address))
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no automatic answers
	msg.SetBodyString(gomail.TypeTextPlain, p.text)
	msg.AddAlternativeString(gomail.TypeTextHTML, p.html)
	for _, f := range files {
		if err := attach(msg, f); err != nil {
			return nil, err
		}
	}
	var b bytes.Buffer
	if _, err := msg.WriteTo(&b); err != nil {
		return nil, again("the mail could not be put together")
	}
	return b.Bytes(), nil
}

// inHeader writes an address as it stands in a header. A name that is not ASCII is base64: net/mail leaves a
// backslash as it is within the other encoding, which RFC 2047, 5 does not allow in a name.
func inHeader(a mail.Address) string {
	if isASCII(a.Name) {
		return a.String()
	}
	name := mime.BEncoding.Encode("utf-8", a.Name)
	return strings.ReplaceAll(name, " ", "\r\n ") + "\r\n " + (&mail.Address{Address: a.Address}).String()
}

func attach(msg *gomail.Msg, f usersync.Attachment) error {
	mediaType := f.Type
	if _, _, err := mime.ParseMediaType(f.Type); err != nil || !isASCII(f.Type) || strings.ContainsAny(f.Type, "\r\n") {
		mediaType = "application/octet-stream"
	}
	name := strings.Map(inFileName, headerText(f.Name, maxName))
	err := msg.AttachReader(name, bytes.NewReader(f.Data), gomail.WithFileContentType(gomail.ContentType(mediaType)))
	if err != nil {
		return again("the attachment could not be added")
	}
	return nil
}

func inFileName(r rune) rune {
	if strings.ContainsRune(`"\/:;*?<>|`, r) {
		return '_'
	}
	return r
}

// messageID is the left part of a Message-ID: the same for the same key, and telling nothing of it.
func messageID(key string) string {
	if key == "" {
		return strings.ToLower(rand.Text())
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}
