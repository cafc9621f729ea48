// Smtp welcomes new users through a mail server, and shows what arrives. The server is in this program, with a
// certificate of its own; it insists on encryption and a sign-in, as a real one does.
//
//	go run ./examples/smtp
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"os"
	"slices"
	"strings"
	_ "time/tzdata" // time zones also where the system has none

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
	"github.com/usersync-go/usersync/adapters/smtpmail"
)

const staff = `userName,email,firstName,lastName,locale
ada,ada@example.com,Ada,Byron,en-GB
igor,igor@example.com,Игорь,Смирнов,ru-RU
mei,mei@example.com,小明,王,zh-CN
layla,layla@example.com,ليلى,حداد,ar
eve,eve@example.com,"Eve
Bcc: all@example.com",Evil,en-US
gone,gone@example.com,Gone,Away,en-US
`

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) (err error) {
	server, err := startServer()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.close()) }()
	mailer, err := smtpmail.New(smtpmail.Config{
		Host: "127.0.0.1", Port: server.port, User: "product", Password: password,
		TLS:     &tls.Config{RootCAs: server.roots}, // a real server's certificate needs no word about it
		From:    netmail.Address{Name: "Product", Address: "noreply@product.example"},
		Product: "Product",
		Link: func(_ context.Context, w usersync.Welcome) (string, error) {
			return "https://product.example/set-password?for=" + w.User.ID, nil // see examples/setpassword
		},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, mailer.Close()) }()
	svc, err := usersync.NewService(memory.New(), memory.NewState(nil).Stores(), usersync.WithMailer(mailer))
	if err != nil {
		return err
	}
	if err := welcome(ctx, out, svc); err != nil {
		return err
	}
	return server.show(out)
}

// welcome brings the users in, and tells of mails that were refused.
func welcome(ctx context.Context, out io.Writer, svc *usersync.Service) error {
	cfg := usersync.DefaultConfig("Staff")
	cfg.WelcomeMail = true
	if _, err := svc.CreateConfig(ctx, cfg); err != nil {
		return err
	}
	plan, err := svc.Preview(ctx, cfg.ID, usersync.CSV(strings.NewReader(staff)))
	if err != nil {
		return err
	}
	done, err := svc.Apply(ctx, plan.ID)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d users are new, %d mails were sent\n", done.Counts().Created, done.Counts().Mails)
	for row := range done.Rows() {
		for _, reason := range row.Reasons {
			fmt.Fprintf(out, "row %d, %s: %s\n", row.Number, row.Name, reason.Text())
		}
	}
	return nil
}

// show prints the mails that have arrived, as a mail program shows them.
func (s *server) show(out io.Writer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.mails {
		msg, err := netmail.ReadMessage(strings.NewReader(m.text))
		if err != nil {
			return err
		}
		to, err := msg.Header.AddressList("To")
		if err != nil {
			return err
		}
		subject, err := new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject"))
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "\nto %s (%s), %d recipient: %s\n", to[0].Address, to[0].Name, len(m.to), subject)
		if err := showText(out, msg); err != nil {
			return err
		}
	}
	return nil
}

// showText prints the text part, which is the first of two.
func showText(out io.Writer, msg *netmail.Message) error {
	_, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	part, err := multipart.NewReader(msg.Body, params["boundary"]).NextRawPart()
	if err != nil {
		return err
	}
	text, err := io.ReadAll(quotedprintable.NewReader(part))
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n")), "\n")
	for _, line := range slices.DeleteFunc(lines, func(line string) bool { return line == "" }) {
		fmt.Fprintln(out, "  "+line)
	}
	return nil
}
