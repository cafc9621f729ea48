package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/usersync-go/usersync/adapters/sqlite"
	"github.com/usersync-go/usersync/examples/internal/golden"
)

func TestOutput(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &out, ""); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", "output.txt")
	golden.Check(t, file, out.Bytes())
}

// With -serve the link in the mail shows the form, until the program is interrupted.
func TestServe(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, writer, "127.0.0.1:0") }()
	links := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(reader); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "http") && len(links) == 0 {
				links <- lines.Text()
			}
		}
	}()
	var link string
	select {
	case link = <-links:
	case err := <-ended:
		t.Fatal(err)
	}
	link = strings.Replace(link, "localhost", "127.0.0.1", 1)
	answer, err := http.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatal(answer.Status, err)
	}
	_ = answer.Body.Close()
	checkHeaders(t, answer.Header)
	checkPage(t, string(page))
	interrupt()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	_ = writer.Close()
}

func checkHeaders(t *testing.T, h http.Header) {
	t.Helper()
	for name, want := range map[string]string{
		"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
		"Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
	} {
		if h.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, h.Get(name), want)
		}
	}
}

func checkPage(t *testing.T, page string) {
	t.Helper()
	for _, want := range []string{`<html lang="en">`, `<title>Set your password</title>`, `<label for="password">`, `<label for="again">`,
		`<label for="user">`, `value="ada.byron" autocomplete="username"`, `autocomplete="new-password" required minlength="12"`,
		`aria-describedby="password-hint">`, `<form method="post" action="/set-password">`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s:\n%s", want, page)
		}
	}
}

// opened is the product after the import, with mails.
func opened(t *testing.T) *product {
	store, err := sqlite.Open(filepath.Join(t.TempDir(), "staff.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	p := &product{store: store, clock: time.Now, log: log.New(t.Output(), "", 0)}
	if err := p.setUp(t.Context(), "https://app.example.com"+path); err != nil {
		t.Fatal(err)
	}
	if _, err := p.bringIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

// Every answer has the headers, and a wrong input is linked, named and described.
func TestAnswers(t *testing.T) {
	p := opened(t)
	token := tokenOf(p.mails.sent[0].link)
	for _, c := range []struct {
		method, address, body string
		status                int
		has, lacks            string
	}{
		{"HEAD", path + "?token=" + token, "", 200, "", ""},
		{"GET", path, "", 410, "This link cannot be used", "<form"},
		{"GET", path + "?token=%22%3E%3Cscript%3E", "", 410, "", "script"},
		{"PUT", path, "", 405, "", ""},
		{"GET", path + ".css", "", 200, ":focus", ""},
		{"GET", "/elsewhere", "", 404, "", ""},
		{"POST", path, "token=" + token + "&password=short&again=short", 422, `<a href="#password">The password must have`, "short"},
		{"POST", path, "token=" + token + "&password=short&again=", 422, `aria-describedby="password-hint password-error" aria-invalid="true"`, ""},
		{"POST", path, "token=" + token + "&password=" + strings.Repeat("x", 73), 422, `aria-describedby="again-error" aria-invalid="true"`, "xxx"},
		{"POST", path, "token=" + token + "&password=" + strings.Repeat("x", 9<<10), 400, "", "xxx"},
		{"POST", path, "password=long+enough+really&again=long+enough+really", 410, "This link cannot be used", "<form"},
		{"POST", path + "?token=" + token, "password=long+enough+really&again=long+enough+really", 410, "", "<form"},
	} {
		r := httptest.NewRequest(c.method, c.address, strings.NewReader(c.body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		p.handler().ServeHTTP(w, r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.has) || c.lacks != "" && strings.Contains(w.Body.String(), c.lacks) {
			t.Errorf("%s %s: %d\n%s", c.method, c.address, w.Code, w.Body)
		}
		checkHeaders(t, w.Header())
	}
}

// Who is deactivated after the mail sets no password, and learns nothing.
func TestDeactivated(t *testing.T) {
	p := opened(t)
	token := tokenOf(p.mails.sent[0].link)
	id, err := p.idOf(t.Context(), "ada.byron")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.store.DB().Exec("UPDATE usersync_users SET active = 0"); err != nil {
		t.Fatal(err)
	}
	if err := p.accounts.setPassword(t.Context(), id, "long enough really"); err != errNoAccount {
		t.Fatal(err)
	}
	var out bytes.Buffer
	s := &scene{&out, p.handler()}
	s.get(token)
	s.post(token, "long enough really", "long enough really", "")
	if got, want := out.String(), "   GET  410 This link cannot be used\n   POST 410 This link cannot be used\n"; got != want {
		t.Fatal(got)
	}
}
