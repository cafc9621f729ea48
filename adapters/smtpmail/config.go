package smtpmail

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/mail"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/language"

	"github.com/usersync-go/usersync"
)

// Security says how the connection to the mail server is encrypted.
type Security string

// The ways of encryption.
const (
	// STARTTLS begins in the clear and must be encrypted before anything is said (RFC 3207). A server that does
	// not offer it gets no mail. It is what the zero Security means.
	STARTTLS Security = "starttls"
	// TLS is encrypted from the first byte (RFC 8314).
	TLS Security = "tls"
	// Unencrypted is for a relay on the same machine. It needs a loopback Host, or Config.UnencryptedAnywhere,
	// and goes without User and Password.
	Unencrypted Security = "unencrypted"
)

// Config is where mails go out, and what they say. Host, From and Link are needed.
type Config struct {
	Host     string // name or IP address of the mail server, without a port
	Port     int    // 0: 587 with STARTTLS, 465 with TLS, 25 with Unencrypted
	Security Security
	// UnencryptedAnywhere lets Unencrypted reach other machines than this one. Links that set a password then
	// travel for anybody on the way to read.
	UnencryptedAnywhere bool
	// TLS is how certificates are checked. nil means the roots of the system. Without a ServerName it is Host;
	// without a MinVersion it is TLS 1.2, and a lower one is refused. It is copied.
	TLS *tls.Config

	// User and Password sign in, "" for neither. The mechanism is agreed with the server (RFC 4954). They are
	// sent over an encrypted connection only.
	User, Password string

	From    mail.Address // sender; the address is plain ASCII
	ReplyTo string       // address that answers go to, "" for From
	Hello   string       // name of this machine for the server, "" for the one it has
	Product string       // name of the product, as people know it; "" for the name or the domain of From

	Timeout time.Duration // for one mail, connecting included; 0 means 30 s
	Rate    float64       // mails per second at most, 0 for no limit

	// Link makes the link with which w.User sets a password: an absolute https URL, or http of this machine. It is called for every try to
	// send, concurrently for different runs. Its error means that the mail is not sent and may be tried again. The
	// address of the product belongs in the host's own configuration: one that is taken from a request lets
	// whoever made the request choose where the links lead.
	Link func(ctx context.Context, w usersync.Welcome) (string, error)
	// Expires says in words of the given language until when the link of w works, "" for no word about it. It may
	// be nil.
	Expires func(w usersync.Welcome, lang language.Tag) string

	Templates Templates // the zero Templates are those that are built in
}

// String names the server and has no password. It is what is printed of a Config.
func (c Config) String() string {
	return fmt.Sprintf("mail by %s (%s), from %s", net.JoinHostPort(c.Host, strconv.Itoa(c.Port)), c.Security, c.From.Address)
}

// GoString is String.
func (c Config) GoString() string { return c.String() }

// problems collects what is wrong, to report all of it at once.
type problems []usersync.Problem

func (p *problems) add(path, format string, args ...any) {
	*p = append(*p, usersync.Problem{Path: path, Detail: fmt.Sprintf(format, args...)})
}

func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return &usersync.InvalidError{What: "mail configuration", Problems: p}
}

// complete checks a configuration and fills in what is left to default.
func (c *Config) complete(p *problems) {
	c.checkServer(p)
	c.checkTLS(p)
	c.checkUser(p)
	c.checkSender(p)
	c.checkPace(p)
	if c.Link == nil {
		p.add("link", "is needed: without a link nobody can set a password")
	}
}

func (c *Config) checkServer(p *problems) {
	if net.ParseIP(c.Host) == nil && !isHostName(c.Host) {
		p.add("host", "must be the name or IP address of the mail server, without a port")
	}
	switch c.Security {
	case "", STARTTLS:
		c.Security = STARTTLS
		c.setPort(p, 587)
	case TLS:
		c.setPort(p, 465)
	case Unencrypted:
		c.setPort(p, 25)
		if !isLoopback(c.Host) && !c.UnencryptedAnywhere {
			p.add("security", "unencrypted is for loopback addresses only, unless UnencryptedAnywhere is set")
		}
	default:
		p.add("security", "%q is none of starttls, tls and unencrypted", c.Security)
	}
	if c.Hello == "" {
		c.Hello = ownName()
	} else if !isHostName(c.Hello) {
		p.add("hello", "must be a host name")
	}
}

func (c *Config) setPort(p *problems, usual int) {
	if c.Port == 0 {
		c.Port = usual
	}
	if c.Port < 0 || c.Port > 65535 {
		p.add("port", "%d is not a port: they go from 1 to 65535", c.Port)
	}
}

func (c *Config) checkTLS(p *problems) {
	if c.TLS == nil {
		c.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	c.TLS = c.TLS.Clone()
	if c.TLS.ServerName == "" {
		c.TLS.ServerName = c.Host
	}
	if c.TLS.MinVersion == 0 {
		c.TLS.MinVersion = tls.VersionTLS12
	}
	if c.TLS.MinVersion < tls.VersionTLS12 {
		p.add("tls", "versions below TLS 1.2 are not safe")
	}
}

func (c *Config) checkUser(p *problems) {
	switch {
	case c.User == "" && c.Password == "":
	case c.User == "" || c.Password == "":
		p.add("user", "user and password go together: give both or neither")
	case c.Security == Unencrypted:
		p.add("user", "a password is not sent over a connection without encryption")
	}
}

func (c *Config) checkSender(p *problems) {
	if reason := badSender(c.From.Address); reason != "" {
		p.add("from", "%s", reason)
	}
	if c.ReplyTo != "" {
		if reason := badSender(c.ReplyTo); reason != "" {
			p.add("replyTo", "%s", reason)
		}
	}
	c.From.Name = headerText(c.From.Name, maxName)
	for _, name := range []string{c.From.Name, domainOf(c.From.Address)} {
		if c.Product == "" {
			c.Product = name
		}
	}
}

func (c *Config) checkPace(p *problems) {
	if c.Timeout < 0 {
		p.add("timeout", "must not be negative")
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if !(c.Rate >= 0 && c.Rate <= 1e6) { // NaN is neither
		p.add("rate", "must be a number of mails per second from 0 to 1000000")
	}
}

// badSender is why an address cannot be one of our own, "" if it can.
func badSender(address string) string {
	if reason := badAddress(address); reason != "" {
		return reason
	}
	if !isASCII(address) {
		return "must be plain ASCII: not every server takes other addresses"
	}
	return ""
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// ownName is how this machine names itself to servers.
func ownName() string {
	if name, err := os.Hostname(); err == nil && isHostName(name) {
		return name
	}
	return "localhost"
}

func isHostName(s string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"
	return s != "" && len(s) <= 253 && strings.Trim(s, letters) == ""
}
