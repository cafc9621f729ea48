package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// play does what an administrator, users and others would do.
func (p *product) play(ctx context.Context, out io.Writer) error {
	p.log.SetOutput(io.Discard) // one failure is on purpose
	if err := p.setUp(ctx, "https://app.example.com"+path); err != nil {
		return err
	}
	s := &scene{out: out, page: p.handler()}
	s.say("1. Bring new-hires.xlsx in.")
	r, err := p.bringIn(ctx)
	if err != nil {
		return err
	}
	s.say("   %d created, %d welcome mails", r.Counts().Created, r.Counts().Mails)
	for _, m := range p.mails.sent {
		s.say("   to %s: %s", m.to, strings.ReplaceAll(m.link, tokenOf(m.link), "(a token)"))
	}
	if len(p.mails.sent) != 2 {
		return fmt.Errorf("%d mails were sent, want 2", len(p.mails.sent))
	}
	s.ada(tokenOf(p.mails.sent[0].link))
	if err := p.tryIn(ctx, s); err != nil {
		return err
	}
	return p.ben(ctx, s, tokenOf(p.mails.sent[1].link))
}

// ada sets her password, after some trouble.
func (s *scene) ada(token string) {
	s.say("2. A mail scanner follows Ada's link, and then Ada does: nothing is used.")
	s.get(token)
	s.get(token)
	s.say("3. Her first tries.")
	s.post(token, "too short", "too short", "")
	s.post(token, "correct horse battery", "correct hearse battery", "")
	s.say("4. Another site posts for her.")
	s.post(token, "chosen by somebody", "chosen by somebody", "cross-site")
	s.say("5. She sets it.")
	s.post(token, "correct horse battery", "correct horse battery", "same-origin")
	s.say("6. The link is used up.")
	s.post(token, "another password", "another password", "same-origin")
	s.get(token)
	s.say("7. Somebody makes a link up.")
	s.get(strings.Repeat("A", len(token)))
}

// tryIn signs Ada in.
func (p *product) tryIn(ctx context.Context, s *scene) error {
	id, err := p.idOf(ctx, "ada.byron")
	if err != nil {
		return err
	}
	good, err := p.accounts.signIn(ctx, id, "correct horse battery")
	if err != nil {
		return err
	}
	s.say("8. She signs in: %t", good)
	return nil
}

// idOf finds the user with that name, in its folded form.
func (p *product) idOf(ctx context.Context, name string) (string, error) {
	found, err := p.store.Users().FindUsers(ctx, "userName", []string{name})
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%d users are called %s", len(found), name)
	}
	return found[0].ID, nil
}

// ben comes late.
func (p *product) ben(ctx context.Context, s *scene, token string) error {
	p.clock = func() time.Time { return time.Now().Add(73 * time.Hour) }
	s.say("9. Three days later Ben opens his mail.")
	s.get(token)
	s.post(token, "better late than never", "better late than never", "same-origin")
	id, err := p.idOf(ctx, "ben.ode")
	if err != nil {
		return err
	}
	link, err := p.links.Issue(ctx, id)
	if err != nil {
		return err
	}
	s.say("10. He gets a new link. The database fails for a moment when he uses it: the link stays good.")
	if _, err := p.store.DB().ExecContext(ctx, "ALTER TABLE passwords RENAME TO away"); err != nil {
		return err
	}
	s.post(tokenOf(link), "better late than never", "better late than never", "same-origin")
	if _, err := p.store.DB().ExecContext(ctx, "ALTER TABLE away RENAME TO passwords"); err != nil {
		return err
	}
	s.post(tokenOf(link), "better late than never", "better late than never", "same-origin")
	return nil
}

// scene is the page, and those who come to it.
type scene struct {
	out  io.Writer
	page http.Handler
}

func (s *scene) say(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

func (s *scene) get(token string) {
	s.ask(httptest.NewRequest(http.MethodGet, path+"?token="+url.QueryEscape(token), nil))
}

// post sends the form. site is what the browser says of where the request comes from.
func (s *scene) post(token, password, again, site string) {
	form := url.Values{"token": {token}, "password": {password}, "again": {again}}
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if site != "" {
		r.Header.Set("Sec-Fetch-Site", site)
		r.Header.Set("Origin", "null") // is what the policy "no-referrer" makes of it
	}
	s.ask(r)
}

var shown = regexp.MustCompile(`<title>(.*?)</title>|<li><a href="#(\w+)">(.*?)</a>`)

// ask prints the status of the answer, its title, and what it says is wrong.
func (s *scene) ask(r *http.Request) {
	w := httptest.NewRecorder()
	s.page.ServeHTTP(w, r)
	title, problems := strings.TrimSpace(w.Body.String()), ""
	for _, found := range shown.FindAllStringSubmatch(w.Body.String(), -1) {
		if found[1] != "" {
			title = found[1]
			continue
		}
		problems += fmt.Sprintf("\n       %s: %s", found[2], found[3])
	}
	s.say("   %-4s %d %s%s", r.Method, w.Code, title, problems)
}

func tokenOf(link string) string {
	u, err := url.Parse(link)
	if err != nil {
		return ""
	}
	return u.Query().Get("token")
}
