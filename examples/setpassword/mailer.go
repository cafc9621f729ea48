package main

import (
	"context"
	"fmt"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/passwordlink"
)

// mailer sends nothing, and records what it would send.
type mailer struct {
	links *passwordlink.Links
	sent  []mail
}

type mail struct{ to, subject, text, link string }

// SendWelcome makes a link. A mail that is sent again has another one; both are good until one is used.
func (m *mailer) SendWelcome(ctx context.Context, w usersync.Welcome) error {
	link, err := m.links.Issue(ctx, w.User.ID)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("Hello %s,\n\nyou have an account now. Please set your password within three days:\n\n%s\n",
		w.User.Values.Get("firstName"), link)
	m.sent = append(m.sent, mail{w.Email, "Your new account", text, link})
	return nil
}
