// Setpassword imports new hires into a SQLite file, mails each a link, and serves the page behind it, on which they
// set their password.
//
//	go run ./examples/setpassword                  plays all of it, and prints what happened
//	go run ./examples/setpassword -serve :8080     prints the mails and serves the page, for a browser
package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/sqlite"
	"github.com/usersync-go/usersync/passwordlink"
)

//go:embed new-hires.xlsx
var newHires []byte

func main() {
	address := flag.String("serve", "", "serve the page at this address, such as :8080")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *address); err != nil {
		log.Fatal(err)
	}
}

// product is what a product has: users, their passwords, links and mails.
type product struct {
	store    *sqlite.Store
	accounts *accounts
	links    *passwordlink.Links
	mails    *mailer
	clock    func() time.Time
	log      *log.Logger
}

// run keeps everything in a SQLite file that is gone afterwards.
func run(ctx context.Context, out io.Writer, address string) (err error) {
	dir, err := os.MkdirTemp("", "usersync-setpassword-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	store, err := sqlite.Open(filepath.Join(dir, "staff.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	p := &product{store: store, clock: time.Now, log: log.New(os.Stderr, "", log.LstdFlags)}
	if address == "" {
		return p.play(ctx, out)
	}
	return p.serve(ctx, out, address)
}

// setUp makes the tables and the links. page is a setting of the product, and never what a request says.
func (p *product) setUp(ctx context.Context, page string) (err error) {
	if err := p.store.Migrate(ctx); err != nil {
		return err
	}
	if p.accounts, err = newAccounts(ctx, p.store); err != nil {
		return err
	}
	p.links, err = passwordlink.New(p.store.Tokens(), page, passwordlink.WithClock(func() time.Time { return p.clock() }))
	p.mails = &mailer{links: p.links}
	return err
}

// bringIn previews the workbook and applies it. Whoever is created active gets a mail.
func (p *product) bringIn(ctx context.Context) (*usersync.Run, error) {
	svc, err := usersync.NewService(p.store.Users(), p.store.Stores(), usersync.WithMailer(p.mails))
	if err != nil {
		return nil, err
	}
	cfg := usersync.DefaultConfig("New hires")
	cfg.WelcomeMail = true
	if cfg, err = svc.CreateConfig(ctx, cfg); err != nil {
		return nil, err
	}
	plan, err := svc.Preview(ctx, cfg.ID, usersync.Open(bytes.NewReader(newHires), int64(len(newHires)), "new-hires.xlsx"))
	if err != nil {
		return nil, err
	}
	return svc.Apply(ctx, plan.ID)
}

// serve prints the mails, which a product never does, and serves the page until the program is interrupted.
func (p *product) serve(ctx context.Context, out io.Writer, address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	page := fmt.Sprintf("http://localhost:%d%s", listener.Addr().(*net.TCPAddr).Port, path)
	if err := p.setUp(ctx, page); err != nil {
		return errors.Join(err, listener.Close())
	}
	if _, err := p.bringIn(ctx); err != nil {
		return errors.Join(err, listener.Close())
	}
	for _, m := range p.mails.sent {
		fmt.Fprintf(out, "To: %s\nSubject: %s\n\n%s\n", m.to, m.subject, m.text)
	}
	server := &http.Server{Handler: p.handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
