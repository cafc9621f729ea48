package passwordlink

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/usersync-go/usersync"
)

// The bounds of WithLife and WithHold, both included.
const (
	minLife, maxLife = time.Minute, 30 * 24 * time.Hour
	minHold, maxHold = time.Second, 15 * time.Minute
)

// Option changes what New makes.
type Option func(*settings)

type settings struct {
	Links
	insecure bool
	problems []usersync.Problem
}

// WithLife sets how long a token is good, 72 hours otherwise; from a minute to 30 days.
func WithLife(d time.Duration) Option { return func(s *settings) { s.life = d } }

// WithHold sets how long Redeem may take, one minute otherwise; from a second to 15 minutes. Others wait that long if a
// process dies meanwhile.
func WithHold(d time.Duration) Option { return func(s *settings) { s.hold = d } }

// WithClock sets the clock, time.Now otherwise.
func WithClock(now func() time.Time) Option { return func(s *settings) { s.now = now } }

// WithInsecurePage allows a page whose address begins with http:, for hosts other than this machine too. Whoever is
// on the way to such a page can read the tokens: it is for tests, and for networks that are closed otherwise.
func WithInsecurePage() Option { return func(s *settings) { s.insecure = true } }

// New makes Links over a store. page is the address of the product's page that sets a password: absolute, https (http
// only for localhost, 127.0.0.1 and [::1]), without user, fragment, or a "token" in its query. It must come from the
// product's settings. Made from a request, of its Host header say, it would send users' tokens to whoever sent the request.
//
// The error is a *usersync.InvalidError with everything that is wrong.
func New(store TokenStore, page string, opts ...Option) (*Links, error) {
	s := &settings{Links: Links{store: store, life: 72 * time.Hour, hold: time.Minute, now: time.Now}}
	for _, opt := range opts {
		if opt != nil {
			opt(s)
		}
	}
	s.validate()
	s.setPage(page)
	if len(s.problems) > 0 {
		return nil, &usersync.InvalidError{What: "set-password links", Problems: s.problems}
	}
	return &s.Links, nil
}

func (s *settings) validate() {
	if s.store == nil {
		s.add("store", "is missing")
	}
	if s.life < minLife || s.life > maxLife {
		s.add("life", "is %v: it must be from %v to %v", s.life, minLife, maxLife)
	}
	if s.hold < minHold || s.hold > maxHold {
		s.add("hold", "is %v: it must be from %v to %v", s.hold, minHold, maxHold)
	}
	if s.now == nil {
		s.add("clock", "is missing")
	}
}

// setPage checks the page's address and keeps it up to the token.
func (s *settings) setPage(page string) {
	u, err := url.Parse(page)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "" {
		s.add("page", "%q is not an absolute address such as https://app.example.com/set-password", page)
		return
	}
	query, err := url.ParseQuery(u.RawQuery)
	switch {
	case err != nil:
		s.add("page", "has a query that cannot be read")
	case query.Has("token"):
		s.add("page", "must have no token in its query: it is added here")
	}
	if u.User != nil {
		s.add("page", "must have no user")
	}
	if strings.Contains(page, "#") {
		s.add("page", "must have no fragment")
	}
	s.checkScheme(u)
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += "token="
	s.page = u.String()
}

func (s *settings) checkScheme(u *url.URL) {
	local := map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true}[strings.ToLower(u.Hostname())]
	switch {
	case u.Scheme == "https":
	case u.Scheme != "http":
		s.add("page", "must begin with https:, and not with %q", u.Scheme+":")
	case !local && !s.insecure:
		s.add("page", "must begin with https: (http: is for localhost)")
	}
}

func (s *settings) add(path, format string, args ...any) {
	s.problems = append(s.problems, usersync.Problem{Path: path, Detail: fmt.Sprintf(format, args...)})
}
