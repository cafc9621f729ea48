package smtpmail

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"path"
	"slices"
	"strings"
	"text/template"

	"golang.org/x/text/language"

	"github.com/usersync-go/usersync"
)

// Templates are the host's own texts. What is given for the welcome mail, or for one kind of message, takes the
// place of all the languages that are built in for it.
type Templates struct {
	// FS has them as files at its root, nil for none. A text is three files, such as
	//
	//	welcome.en.subject.txt   one line, text/template
	//	welcome.en.txt           text/template
	//	welcome.en.html          html/template
	//
	// where "welcome" may also be "ended", "report" or "corrections" (usersync.MessageKind), and "en" is a language
	// (BCP 47). Other files are left alone. The data is Welcome or Message.
	FS fs.FS
	// Welcome are parsed texts of the welcome mail, beside those of FS.
	Welcome []Set
	// Language is used where that of the user is not known or has no text, "" for "en". A text of a language that
	// is only related does not count: who reads Ukrainian does not get Russian, nor who reads traditional Chinese the
	// simplified. It is the language of the messages as well. There must be a welcome text for it.
	Language string
}

// Set is one text in one language.
type Set struct {
	Language      string // BCP 47
	Subject, Text *template.Template
	HTML          *htmltemplate.Template
}

// Welcome is the data of the template of a welcome mail.
type Welcome struct {
	Name     string // first and last name, in the order of their script, or the user name, "" if there is none
	UserName string
	Email    string
	Link     string // sets the password
	Product  string
	Expires  string // until when the link works, in words, "" if that is not said
	Values   usersync.Values
}

// Message is the data of the template of a message about a run.
type Message struct {
	Kind        usersync.MessageKind
	Product     string
	Run         usersync.RunRecord
	Attachments []string // names of the files
}

//go:embed templates
var builtIn embed.FS

// parts are what a text comes to.
type parts struct{ subject, text, html string }

// set is a Set whose language is known.
type set struct {
	Set
	tag language.Tag
}

func (s set) execute(data any) (parts, error) {
	var subject, text, html bytes.Buffer
	err := errors.Join(s.Subject.Execute(&subject, data), s.Text.Execute(&text, data), s.HTML.Execute(&html, data))
	return parts{strings.TrimSpace(subject.String()), text.String(), html.String()}, err
}

// sets are the languages of one text. The first is for those who have none of them.
type sets struct {
	of      []set
	matcher language.Matcher
}

// match picks a language. One that is only related is not taken: a Ukrainian does not get Russian.
func (s *sets) match(locale string) set {
	tag, err := language.Parse(locale)
	if err != nil {
		return s.of[0]
	}
	_, i, confidence := s.matcher.Match(tag)
	if confidence < language.High {
		return s.of[0]
	}
	return s.of[i]
}

// library is all the texts of a mailer.
type library struct {
	welcome  *sets
	messages map[usersync.MessageKind]*sets
}

// newLibrary parses all texts and tries each of them.
func newLibrary(t Templates, p *problems) *library {
	own, err := fs.Sub(builtIn, "templates")
	if err != nil {
		p.add("templates", "%v", err)
	}
	r := reader{host: t.FS, own: own, problems: p}
	if r.first, err = language.Parse(or(t.Language, "en")); err != nil {
		p.add("templates.language", "%q is not a language", t.Language)
	}
	lib := &library{messages: map[usersync.MessageKind]*sets{}}
	lib.welcome = r.sets("welcome", t.Welcome, sampleWelcomes())
	for _, kind := range []usersync.MessageKind{
		usersync.MessageEnded, usersync.MessageReport, usersync.MessageCorrections,
	} {
		lib.messages[kind] = r.sets(string(kind), nil, sampleMessages(kind))
	}
	return lib
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// reader reads the texts.
type reader struct {
	host, own fs.FS
	first     language.Tag
	problems  *problems
}

// sets gives the texts of one name: those of the host, or else the ones that are built in.
func (r *reader) sets(name string, parsed []Set, samples []any) *sets {
	before := len(*r.problems)
	if r.host != nil {
		parsed = append(slices.Clip(parsed), r.files(r.host, name)...)
	}
	if len(parsed) == 0 && len(*r.problems) == before {
		parsed = r.files(r.own, name)
	}
	var of []set
	for _, s := range parsed {
		if tag, ok := r.check(name, s, samples); ok {
			of = append(of, set{s, tag})
		}
	}
	if len(*r.problems) > before {
		return nil
	}
	return r.inOrder(name, of)
}

// inOrder puts the language for everybody else first. The texts of messages have no reader whose language is
// known, so any language does where the usual one is missing.
func (r *reader) inOrder(name string, of []set) *sets {
	i := slices.IndexFunc(of, func(s set) bool { return s.tag == r.first })
	if i < 0 && name == "welcome" || len(of) == 0 {
		r.problems.add("templates."+name, "there is no text for the language %s", r.first)
		return nil
	}
	i = max(i, 0)
	of[0], of[i] = of[i], of[0]
	tags := make([]language.Tag, len(of))
	for i, s := range of {
		tags[i] = s.tag
	}
	return &sets{of, language.NewMatcher(tags)}
}

// files parses the files of one name, in their order.
func (r *reader) files(from fs.FS, name string) []Set {
	found, err := fs.Glob(from, name+".*.txt")
	if err != nil {
		r.problems.add("templates", "%v", err)
	}
	var all []Set
	for _, file := range found {
		lang := strings.TrimSuffix(strings.TrimPrefix(file, name+"."), ".txt")
		if !strings.Contains(lang, ".") { // no subject
			all = append(all, r.set(from, name, lang))
		}
	}
	return all
}

func (r *reader) set(from fs.FS, name, lang string) Set {
	base := name + "." + lang
	s := Set{Language: lang}
	s.Subject = r.text(from, base+".subject.txt")
	s.Text = r.text(from, base+".txt")
	html, err := htmltemplate.New(path.Base(base+".html")).ParseFS(from, base+".html")
	if err != nil {
		r.problems.add("templates."+base+".html", "%v", err)
	}
	s.HTML = html
	return s
}

func (r *reader) text(from fs.FS, file string) *template.Template {
	t, err := template.New(file).ParseFS(from, file)
	if err != nil {
		r.problems.add("templates."+file, "%v", err)
	}
	return t
}

// check tries a text with made-up data.
func (r *reader) check(name string, s Set, samples []any) (language.Tag, bool) {
	at := "templates." + name + "." + s.Language
	tag, err := language.Parse(s.Language)
	if err != nil {
		r.problems.add(at, "%q is not a language", s.Language)
		return tag, false
	}
	if s.Subject == nil || s.Text == nil || s.HTML == nil {
		r.problems.add(at, "needs a subject, a text and an HTML template")
		return tag, false
	}
	for _, sample := range samples {
		if reason := (set{s, tag}).try(sample); reason != "" {
			r.problems.add(at, "%s", reason)
			return tag, false
		}
	}
	return tag, true
}

// try is why a text does not do for some data, "" if it does.
func (s set) try(data any) string {
	got, err := s.execute(data)
	if err != nil {
		return fmt.Sprintf("does not execute: %v", err)
	}
	for _, part := range []string{got.subject, got.text, got.html} {
		if strings.TrimSpace(part) == "" {
			return "subject, text and HTML must say something"
		}
	}
	w, ok := data.(Welcome)
	if ok && !(strings.Contains(got.text, w.Link) && strings.Contains(got.html, w.Link)) {
		return "text and HTML must show the link: {{.Link}}"
	}
	return ""
}

// sampleWelcomes are a user with everything and one with nothing.
func sampleWelcomes() []any {
	const link = "https://example.com/welcome/sample"
	values := map[string]string{"firstName": "Ada", "lastName": "Byron", "userName": "ada"}
	return []any{
		Welcome{"Ada Byron", "ada", "ada@example.com", link, "Product", "tomorrow", usersync.ValuesOf(values)},
		Welcome{Email: "ada@example.com", Link: link, Product: "Product"},
	}
}

// sampleMessages are about a run and about a preview.
func sampleMessages(kind usersync.MessageKind) []any {
	run := usersync.RunRecord{ID: "1", ConfigName: "Staff", File: "staff.xlsx"}
	preview := Message{Kind: kind, Product: "Product", Run: run}
	run.Status, run.Error = usersync.RunFailed, "the database is away"
	return []any{preview, Message{Kind: kind, Product: "Product", Run: run, Attachments: []string{"report.xlsx"}}}
}
