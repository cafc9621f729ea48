package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"html/template"
	"net/http"

	"github.com/usersync-go/usersync/passwordlink"
)

// path is where the page is.
const path = "/set-password"

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS []byte

var pageTemplate = template.Must(template.New("page").Parse(pageHTML))

// view is what the page shows: a form if there is a token, and a message otherwise.
type view struct {
	Title    string
	Message  string
	Token    string
	UserName string // for password managers
	Problems []problem
	Min      int
}

// problem is what is wrong with an input.
type problem struct{ Input, Text string }

// Problem is what is wrong with that input.
func (v view) Problem(input string) string {
	for _, p := range v.Problems {
		if p.Input == input {
			return p.Text
		}
	}
	return ""
}

// handler serves the page. Posts from other sites are refused.
func (p *product) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+path, p.form) // HEAD too
	mux.HandleFunc("POST "+path, p.set)
	mux.HandleFunc("GET "+path+".css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write(pageCSS)
	})
	return guarded(http.MaxBytesHandler(http.NewCrossOriginProtection().Handler(mux), 8<<10))
}

// guarded sets the headers of all answers: the address has the token, so that it goes nowhere and is kept nowhere.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Frame-Options", "DENY")
		h.Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// form shows the form. It uses nothing, whoever follows the link, and how often.
func (p *product) form(w http.ResponseWriter, r *http.Request) {
	token := r.URL.Query().Get("token")
	v, err := p.formFor(r.Context(), token)
	if err != nil {
		p.refuse(w, err)
		return
	}
	p.show(w, http.StatusOK, v)
}

// formFor is the form for a token that is good.
func (p *product) formFor(ctx context.Context, token string) (view, error) {
	userID, err := p.links.Check(ctx, token)
	if err != nil {
		return view{}, err
	}
	user, err := p.accounts.user(ctx, userID)
	if err != nil {
		return view{}, err
	}
	return view{Title: "Set your password", Token: token, UserName: user.Values.Get("userName"), Min: minCharacters}, nil
}

// set saves the password and uses the link up, in this order: if the password cannot be saved, the link stays good.
func (p *product) set(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil { // or too long
		p.show(w, http.StatusBadRequest, view{Title: "That did not work", Message: "The form could not be read."})
		return
	}
	token, password := r.PostFormValue("token"), r.PostFormValue("password")
	if problems := check(password, r.PostFormValue("again")); len(problems) > 0 {
		v, err := p.formFor(r.Context(), token)
		if err != nil {
			p.refuse(w, err)
			return
		}
		v.Title, v.Problems = "Error: "+v.Title, problems
		p.show(w, http.StatusUnprocessableEntity, v)
		return
	}
	err := p.links.Redeem(r.Context(), token, func(ctx context.Context, userID string) error {
		return p.accounts.setPassword(ctx, userID, password)
	})
	if err != nil {
		p.refuse(w, err)
		return
	}
	p.show(w, http.StatusOK, view{Title: "Your password is set", Message: "You can sign in with it now."})
}

func check(password, again string) (problems []problem) {
	if text := checkPassword(password); text != "" {
		problems = append(problems, problem{"password", text})
	}
	if password != again {
		problems = append(problems, problem{"again", "The two passwords are not the same."})
	}
	return problems
}

// refuse says why there is no form. A user who is gone looks like a link that is not known.
func (p *product) refuse(w http.ResponseWriter, err error) {
	const ask = " If you have no password yet, ask your administrator for a new link."
	switch {
	case errors.Is(err, passwordlink.ErrTokenExpired):
		p.show(w, http.StatusGone, view{Title: "This link has expired", Message: "It was good for three days." + ask})
	case errors.Is(err, passwordlink.ErrTokenUnknown), errors.Is(err, errNoAccount):
		p.show(w, http.StatusGone, view{Title: "This link cannot be used", Message: "It was used already, or it is not complete." + ask})
	case errors.Is(err, passwordlink.ErrTokenBusy):
		p.show(w, http.StatusConflict, view{Title: "One moment", Message: "The link is being used at this moment. Please try again in a minute."})
	default:
		p.log.Print(err) // has no token in it
		p.show(w, http.StatusServiceUnavailable, view{Title: "That did not work", Message: "Please open the link again in a minute."})
	}
}

func (p *product) show(w http.ResponseWriter, status int, v view) {
	var page bytes.Buffer
	if err := pageTemplate.Execute(&page, v); err != nil {
		p.log.Print(err)
		http.Error(w, "That did not work.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes())
}
