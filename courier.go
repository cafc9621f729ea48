package usersync

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/net/idna"
)

// Design note: mails are sent once.
//
// A mail is taken out of the outbox by moving it from "queued" to "sending", which one caller can do, and
// moved on once the mailer has answered. Whoever finds one in "sending" knows whether its sender is dead: a run
// knows that all who held its lease before are; anybody knows it once the mail is Due. Such a mail may or may
// not have gone out. A sender that remembers keys gets it again, with any other it is "unknown", and a person
// decides. A mailer's error says that the mail was not sent, unless it wraps ErrMailUnsure. (A8)

// canSend tells whether there is somebody to send that kind of message, and an address to send it to.
func (p *Previewer) canSend(kind MessageKind) bool {
	switch kind {
	case MessageWelcome, "": // kept before there were kinds
		return p.mailer != nil && p.schema.email >= 0
	case MessageText:
		return p.texter != nil && p.schema.phone >= 0
	}
	_, able := p.mailer.(Messenger)
	return able
}

// remembers tells whether a message of that kind can be given to its sender twice.
func (p *Previewer) remembers(kind MessageKind) bool {
	sender := any(p.mailer)
	if kind == MessageText {
		sender = p.texter
	}
	s, able := sender.(Idempotent)
	return able && s.IsIdempotent()
}

// invitationKey is the same for the same user, run and kind, for ever.
func invitationKey(kind MessageKind, runID, userID string) string {
	if kind == MessageText {
		return "text/" + runID + "/" + userID
	}
	return runID + "/" + userID
}

// newMessages are messages about a run, or a plan, to be queued.
func (p *Previewer) newMessages(kind MessageKind, id, configID string, to []string) []Mail {
	now := p.now()
	var mails []Mail
	for _, address := range to {
		mails = append(mails, Mail{Key: string(kind) + "/" + rand.Text(), Kind: kind, RunID: id, ConfigID: configID, To: address,
			State: MailQueued, Queued: now, Changed: now})
	}
	return mails
}

// usersByID reads users, at most a batch.
func (p *Previewer) usersByID(ctx context.Context, ids []string) (map[string]*User, error) {
	users, err := p.findUsers(ctx, FieldID, ids)
	if err != nil {
		return nil, err
	}
	byID := make(map[string]*User, len(users))
	for i := range users {
		byID[users[i].ID] = &users[i]
	}
	return byID, nil
}

// unwelcome says why a user who was created is not invited after all, "" for one who is. u is nil for a user
// who is gone.
func (p *Previewer) unwelcome(kind MessageKind, u *User) string {
	switch {
	case u == nil:
		return "the user is gone"
	case !u.Active:
		return "the user is inactive"
	case u.SSO:
		return "the user signs in elsewhere"
	}
	letter := p.letter(kind, "", u)
	switch {
	case kind == MessageText && letter.Phone == "":
		return "the user has no phone number"
	case kind != MessageText && letter.Email == "":
		return "the user has no email address"
	case p.schema.email >= 0 && p.signsInElsewhere(u.Values.raw(p.schema.Email, p.schema.email)):
		return "the users of that domain sign in elsewhere"
	}
	return ""
}

// signsInElsewhere tells that an address is of a domain that WithSSODomains names.
func (p *Previewer) signsInElsewhere(address string) bool {
	domain := asciiDomain(address[strings.LastIndexByte(address, '@')+1:])
	for _, named := range p.elsewhere {
		below, all := strings.CutPrefix(named, ".")
		if below = asciiDomain(below); all && strings.HasSuffix(domain, "."+below) || !all && domain == below {
			return true
		}
	}
	return false
}

// asciiDomain is a domain in the form in which domains are compared (RFC 5891, UTS 46).
func asciiDomain(domain string) string {
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil {
		return strings.ToLower(domain)
	}
	return ascii
}

// letter is the invitation of a user.
func (p *Previewer) letter(kind MessageKind, runID string, u *User) Welcome {
	value := func(name string, at int) string {
		if at < 0 {
			return ""
		}
		return u.Values.raw(name, at)
	}
	w := Welcome{RunID: runID, User: *u, Locale: value(p.schema.Locale, p.schema.locale), IdempotencyKey: invitationKey(kind, runID, u.ID)}
	if kind == MessageText {
		w.Phone = value(p.schema.Phone, p.schema.phone)
	} else {
		w.Email = value(p.schema.Email, p.schema.email)
	}
	return w
}

// invite sends an invitation. A panic is reported apart from the sender's own error, which is only a warning.
func (p *Previewer) invite(ctx context.Context, kind MessageKind, w Welcome) (failed, panicked error) {
	ctx, cancel := context.WithTimeout(ctx, p.mailTime)
	defer cancel()
	if kind == MessageText {
		defer calling("Texter.SendInvitation", &panicked)
		return p.texter.SendInvitation(ctx, w), nil
	}
	defer calling("Mailer.SendWelcome", &panicked)
	return p.mailer.SendWelcome(ctx, w), nil
}

// taken is a mail that is to be sent now, by a run with that lease or, with 0, by nobody's; or what becomes of it
// instead: it is not wanted, or was begun by somebody who is gone.
func (p *Previewer) taken(m Mail, unwelcome string, holder int64) Mail {
	begun := m.State == MailSending
	m.Changed = p.now()
	switch {
	case begun && !p.remembers(m.Kind):
		m.State, m.Note = MailUnknown, "the process ended while it was being sent"
	case unwelcome != "":
		m.State, m.Note = MailDropped, unwelcome
	default:
		m.State, m.Note, m.Holder, m.Due = MailSending, "", holder, m.Changed.Add(2*p.mailTime)
		m.Tries++
	}
	return m
}

// afterTry is what becomes of a mail that was tried.
func (p *Previewer) afterTry(m Mail, failed error) Mail {
	m.Changed, m.Holder = p.now(), 0
	switch {
	case failed == nil:
		m.State, m.Note = MailSent, ""
		return m
	case errors.Is(failed, ErrMailRefused):
		m.State = MailFailed
	case errors.Is(failed, ErrMailUnsure) && !p.remembers(m.Kind):
		m.State = MailUnknown
	case m.Tries >= p.retries.Tries:
		m.State = MailFailed
	default:
		m.State, m.Due = MailQueued, m.Changed.Add(p.retries.after(m.Tries))
	}
	m.Note = failed.Error()
	return m
}

// validateAddresses reports what is not an address.
func validateAddresses(path string, to []string, bad *problems) {
	for i, address := range to {
		if !isEmail(address) {
			bad.add(fmt.Sprintf("%s[%d]", path, i), "%q is not an email address", address)
		}
	}
}
