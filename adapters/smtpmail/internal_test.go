package smtpmail

import (
	"context"
	"errors"
	"net/mail"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"
)

// Age makes the connection so much older, as if nothing had been sent since.
func (m *Mailer) Age(d time.Duration) {
	<-m.turn
	defer m.release()
	m.session.used = m.session.used.Add(-d)
}

// Eleven mails at two a second take five seconds, by a clock that does not tick.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, start := newPace(2), time.Now()
		for range 11 {
			if err := sleep(t.Context(), p.delay(time.Now())); err != nil {
				t.Fatal(err)
			}
			p.went(time.Now())
		}
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("took %v", took)
		}
		time.Sleep(time.Minute)
		if d := p.delay(time.Now()); d != 0 {
			t.Errorf("after a pause a mail waits for %v", d)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := sleep(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
	if p := newPace(0); p.delay(time.Now()) != 0 {
		t.Error("a mail waits without a rate")
	}
}

func TestAddresses(t *testing.T) {
	for _, good := range []string{"a@b.c", "a.b+c@example.com", "o'neil@example.com", "jörg@exämple.com", "a@localhost",
		strings.Repeat("a", 64) + "@example.com"} {
		if reason := badAddress(good); reason != "" {
			t.Errorf("%q: %s", good, reason)
		}
	}
	for _, bad := range []string{"", "a", "a@", "@b", "a@b@c", "a@b,c@d", "a@b c@d", "a@b;c@d", "<a@b>", "Bob <a@b.c>", "a@b ",
		" a@b", "a@b\r\nBcc: c@d", "a@b\n", "a@b\x00", "a@b (x)", `"a b"@c.d`, "a@[127.0.0.1]", "a..b@c.d", "a@b>\u2028",
		"a\u202e@b.c", "a\u00a0b@c.d", "a\u200bb@c.d", "\xff@b.c", "group: a@b.c;", "a@b> NOTIFY=NEVER",
		strings.Repeat("a", 65) + "@b.c", "a@" + strings.Repeat("b.", 126) + "c"} {
		if badAddress(bad) == "" {
			t.Errorf("%q is taken", bad)
		}
	}
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{"a@b.c", "Bob <a@b.c>", "a@b\r\n", `"a"@b`, "ü@ö"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if badAddress(s) != "" {
			return
		}
		list, err := mail.ParseAddressList(inHeader(mail.Address{Name: "x", Address: s}))
		if err != nil || len(list) != 1 || list[0].Address != s || strings.ContainsAny(s, "\r\n\x00 <>") {
			t.Errorf("%q: %v, %v", s, list, err)
		}
	})
}

func FuzzHeaderText(f *testing.F) {
	for _, s := range []string{"a\r\nBcc: b@c", "=?utf-8?q?=0D?=", "\xff\u202e", "==??", "👩‍🔬", `"\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := headerText(s, maxName)
		bad := func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u202e' }
		if strings.ContainsFunc(got, bad) || strings.Contains(got, "=?") || utf8.RuneCountInString(got) > maxName {
			t.Errorf("%q", got)
		}
		if again := headerText(got, maxName); again != got {
			t.Errorf("%q becomes %q", got, again)
		}
		value := inHeader(mail.Address{Name: got, Address: "a@b.c"})
		list, err := mail.ParseAddressList(strings.ReplaceAll(value, "\r\n ", " "))
		if err != nil || len(list) != 1 || list[0].Address != "a@b.c" || list[0].Name != got {
			t.Errorf("%q: %v, %v", value, list, err)
		}
	})
}
