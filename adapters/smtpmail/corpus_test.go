package smtpmail_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/smtpmail"
)

const naughtyStrings = "../../../shared/corpus/blns/blns.json"

// pieces are what breaks mails that are put together carelessly.
func pieces() []string {
	return []string{"\r\n", "\n", "\r", "\x00", "\r\n\r\n", "\r\n.\r\n", "Bcc: eve@example.com", ",", ";", "<", ">",
		"eve@example.com", "@", "\"", "\\", "(", ")", " ", "\t", "\u2028", "\u0085", "\u202e", "=?utf-8?q?=0D=0A?=",
		"%0d%0a", ":", "RCPT TO:<eve@example.com>", "ü", "名", "👩‍🔬", "[127.0.0.1]", "\xff", "..", "a", "example.com"}
}

// mutated puts pieces into a text.
func mutated(r *rand.Rand, s string) string {
	p := pieces()
	for range r.IntN(4) {
		at := r.IntN(len(s) + 1)
		s = s[:at] + p[r.IntN(len(p))] + s[at:]
	}
	return s
}

func naughty(t *testing.T) []string {
	data, err := os.ReadFile(naughtyStrings)
	if os.IsNotExist(err) {
		t.Skipf("SKIPPED: needs the corpus, %s", naughtyStrings)
	}
	must(t, err)
	var texts []string
	must(t, json.Unmarshal(data, &texts))
	return texts
}

// TestNothingIsInjected sends mails to 10,000 names and addresses that are made to break out of their place.
func TestNothingIsInjected(t *testing.T) {
	texts, r := naughty(t), rand.New(rand.NewPCG(1, 2))
	n := 10_000
	if testing.Short() {
		n = 1_000
	}
	s := newServer(t).start(t)
	m := s.mailer(t, func(c *smtpmail.Config) { c.User, c.Password, c.TLS, c.Security = "", "", nil, smtpmail.Unencrypted })
	var sent []usersync.Welcome
	for i := range n {
		w := naughtyWelcome(r, texts, i)
		switch err := m.SendWelcome(t.Context(), w); kindOf(err) {
		case "sent":
			sent = append(sent, w)
		case "refused":
			if !strings.Contains(err.Error(), "address") {
				t.Errorf("%q: no reason: %v", w.Email, err)
			}
		default:
			t.Errorf("%q: %v", w.Email, err)
		}
	}
	if len(sent) < n/3 || len(sent) == n || len(s.conns) != 1 {
		t.Errorf("%d of %d sent over %d connections", len(sent), n, len(s.conns))
	}
	checkArrived(t, s.got(), sent)
}

// naughtyWelcome has a name or an address, in turn, that is made of a naughty text.
func naughtyWelcome(r *rand.Rand, texts []string, i int) usersync.Welcome {
	text := mutated(r, texts[i%len(texts)])
	w := ada()
	w.IdempotencyKey = fmt.Sprint("run-1/", i)
	switch i % 3 {
	case 0:
		w.User.Values.Set("firstName", text)
		w.User.Values.Set("lastName", mutated(r, "Byron"))
	case 1:
		w.Email = mutated(r, "ada@example.com")
		w.User.Values.Set("userName", text)
	case 2:
		w.Email = text
		if r.IntN(2) == 0 {
			w.Email += "@example.com"
		}
		w.Locale = text
	}
	return w
}

func checkArrived(t *testing.T, got []received, sent []usersync.Welcome) {
	if len(got) != len(sent) {
		t.Fatalf("%d mails arrived, %d were sent", len(got), len(sent))
	}
	for i, w := range sent {
		if len(got[i].to) != 1 || got[i].to[0] != w.Email || got[i].from != "noreply@product.test" {
			t.Fatalf("%q went from %q to %q", w.Email, got[i].from, got[i].to)
		}
		p := parse(t, got[i])
		if p.to.Address != w.Email || strings.ContainsAny(p.to.Name+p.subject, "\r\n\x00\u202e\u2028") {
			t.Errorf("To: %q, Subject: %q", p.to, p.subject)
		}
		checkHeader(t, p, w.IdempotencyKey)
		if p.text == "" || p.html == "" || strings.Contains(p.html, "<script") || strings.Contains(p.html, "<img") {
			t.Errorf("bodies of the mail to %q:\n%s\n%s", w.Email, p.text, p.html)
		}
		checkLines(t, got[i].text)
		if t.Failed() {
			t.Fatalf("in the mail to %q:\n%s", w.Email, got[i].text)
		}
	}
}

// checkLines: no line is longer than RFC 5321, 4.5.3.1.6 allows.
func checkLines(t *testing.T, text []byte) {
	for line := range strings.SplitSeq(string(text), "\n") {
		if len(line) > 998 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
}
