package smtpmail_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/mail"
	"net/url"
	"testing/fstest"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
	"github.com/usersync-go/usersync/adapters/smtpmail"
)

func Example() {
	mailer, err := smtpmail.New(smtpmail.Config{
		Host: "smtp.example.com",
		User: "product", Password: "from the host's secrets",
		From: mail.Address{Name: "Product", Address: "noreply@example.com"},
		Rate: 10,
		Link: func(ctx context.Context, w usersync.Welcome) (string, error) {
			token := "made and kept by the product for " + w.User.ID
			return "https://product.example.com/welcome?token=" + url.QueryEscape(token), nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer mailer.Close()
	engine, err := usersync.New(memory.New(), memory.NewBaselines(), usersync.WithMailer(mailer))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(engine != nil)
	// Output: true
}

// A template that does not work is found when the mailer is made.
func ExampleNew() {
	_, err := smtpmail.New(smtpmail.Config{
		Host:     "smtp.example.com:587",
		Security: smtpmail.Unencrypted,
		From:     mail.Address{Address: "Product <noreply@example.com>"},
		Link:     func(context.Context, usersync.Welcome) (string, error) { return "https://example.com/", nil },
		Templates: smtpmail.Templates{FS: fstest.MapFS{
			"welcome.en.subject.txt": {Data: []byte("Welcome to {{.Product}}")},
			"welcome.en.txt":         {Data: []byte("Dear {{.FirstName}}: {{.Link}}")},
			"welcome.en.html":        {Data: []byte(`<a href="{{.Link}}">{{.Link}}</a>`)},
		}},
	})
	var invalid *usersync.InvalidError
	if errors.As(err, &invalid) {
		for _, p := range invalid.Problems {
			fmt.Println(p.Path)
		}
	}
	// Output:
	// host
	// security
	// from
	// templates.welcome.en
}
