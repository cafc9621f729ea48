package smtpmail_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/language"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/smtpmail"
)

// parsed is a mail as its reader sees it.
type parsed struct {
	header     mail.Header
	to         *mail.Address
	subject    string
	text, html string
	files      map[string]string
}

func parse(t testing.TB, r received) parsed {
	t.Helper()
	msg, err := mail.ReadMessage(bytes.NewReader(r.text))
	must(t, err)
	p := parsed{header: msg.Header, files: map[string]string{}}
	to, err := msg.Header.AddressList("To")
	if err != nil {
		t.Fatalf("%v: To: %q", err, msg.Header["To"])
	}
	must(t, err)
	if len(to) != 1 {
		t.Fatalf("To: %v", to)
	}
	p.to = to[0]
	p.subject, err = new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject"))
	must(t, err)
	p.parts(t, msg.Header.Get("Content-Type"), msg.Body)
	return p
}

func (p *parsed) parts(t testing.TB, contentType string, body io.Reader) {
	_, params, err := mime.ParseMediaType(contentType)
	must(t, err)
	for r := multipart.NewReader(body, params["boundary"]); ; {
		part, err := r.NextRawPart()
		if err == io.EOF {
			return
		}
		must(t, err)
		p.part(t, part)
	}
}

func (p *parsed) part(t testing.TB, part *multipart.Part) {
	kind := part.Header.Get("Content-Type")
	if strings.HasPrefix(kind, "multipart/alternative") {
		p.parts(t, kind, part)
		return
	}
	reader := io.Reader(quotedprintable.NewReader(part))
	if part.Header.Get("Content-Transfer-Encoding") == "base64" {
		reader = base64.NewDecoder(base64.StdEncoding, part)
	}
	data, err := io.ReadAll(reader)
	must(t, err)
	text := strings.ReplaceAll(string(data), "\r\n", "\n")
	switch {
	case part.FileName() != "":
		p.files[part.FileName()] = string(data)
	case strings.HasPrefix(kind, "text/plain"):
		p.text = text
	case strings.HasPrefix(kind, "text/html"):
		p.html = text
	}
}

// headers are those that a welcome mail has, and no others.
func headers() []string {
	return []string{"Auto-Submitted", "Content-Type", "Date", "From", "Message-Id", "Mime-Version", "Subject", "To"}
}

func TestWhatArrives(t *testing.T) {
	for _, tt := range []struct{ locale, first, last, name, subject, dir string }{
		{"", "", "", "ada", "Welcome to Prodükt", `lang="en" dir="ltr"`},
		{"en-GB", "Ada", "Byron", "Ada Byron", "Welcome to Prodükt", `lang="en" dir="ltr"`},
		{"de_AT", "Jörg", "Groß", "Jörg Groß", "Willkommen bei Prodükt", `lang="de" dir="ltr"`},
		{"ru-RU", "Анна", "Ахматова", "Анна Ахматова", "Добро пожаловать в Prodükt", `lang="ru" dir="ltr"`},
		{"zh-Hans", "小明", "王", "王小明", "欢迎使用 Prodükt", `lang="zh" dir="ltr"`},
		{"zh-TW", "", "王小明", "王小明", "Welcome to Prodükt", `lang="en" dir="ltr"`},
		{"uk", "Леся", "", "Леся", "Welcome to Prodükt", `lang="en" dir="ltr"`},
		{"zh-CN", "", "王小明", "王小明", "欢迎使用 Prodükt", `lang="zh" dir="ltr"`},
		{"ar-EG", "محمد", "صلاح", "محمد صلاح", "مرحبًا بك في Prodükt", `lang="ar" dir="rtl"`},
		{"tlh", `Doe, "J" <eve@example.com>`, "O'Neil", `Doe, "J" <eve@example.com> O'Neil`, "Welcome to Prodükt", `lang="en"`},
		{"!!", "a\r\nBcc: eve@example.com", "=?utf-8?q?b?=", "a Bcc: eve@example.com = ?utf-8?q?b?=", "Welcome to Prodükt", `lang="en"`},
	} {
		t.Run(tt.locale, func(t *testing.T) {
			s := newServer(t).start(t)
			w := welcome(map[string]string{"firstName": tt.first, "lastName": tt.last, "userName": "ada"})
			w.Locale = tt.locale
			must(t, s.mailer(t, func(c *smtpmail.Config) {
				c.Expires = func(_ usersync.Welcome, l language.Tag) string { return "<in " + l.String() + ">" }
			}).SendWelcome(t.Context(), w))
			p := parse(t, s.got()[0])
			if p.to.Name != tt.name || p.to.Address != w.Email || p.subject != tt.subject {
				t.Errorf("to %q, subject %q", p.to, p.subject)
			}
			const link = "https://product.test/welcome?token=s3cr3t-u1"
			if !strings.Contains(p.text, "\n"+link+"\n") || !strings.Contains(p.html, `href="`+link+`"`) {
				t.Errorf("no link:\n%s\n%s", p.text, p.html)
			}
			if !strings.Contains(p.html, tt.dir) || !strings.Contains(p.text, "<in ") ||
				!strings.Contains(p.html, "&lt;in ") {
				t.Errorf("HTML:\n%s", p.html)
			}
			checkHeader(t, p, "run-1/u1")
		})
	}
}

func checkHeader(t *testing.T, p parsed, key string) {
	t.Helper()
	if got := slices.Sorted(maps.Keys(p.header)); !slices.Equal(got, headers()) {
		t.Errorf("headers %q", got)
	}
	if got, want := p.header.Get("Message-Id"), fmt.Sprintf("<%x@product.test>", sha256.Sum256([]byte(key))); got != want {
		t.Errorf("Message-ID %s, want %s", got, want)
	}
	if got := p.header.Get("Auto-Submitted"); got != "auto-generated" {
		t.Errorf("Auto-Submitted: %s", got)
	}
	from, err := mail.ParseAddress(p.header.Get("From"))
	must(t, err)
	if *from != (mail.Address{Name: "Prodükt", Address: "noreply@product.test"}) {
		t.Errorf("From: %v", from)
	}
	if _, err := p.header.Date(); err != nil {
		t.Error(err)
	}
}
