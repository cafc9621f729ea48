package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"time"

	"github.com/usersync-go/usersync"
)

func (a *app) mailsList(f *flag.FlagSet) func(context.Context, []string) error {
	p := a.place(f)
	q := usersync.MailQuery{}
	f.StringVar(&q.RunID, "run", "", "only mails of this `run`")
	f.StringVar(&q.ConfigID, "config", "", "only mails of this `configuration`")
	state := f.String("state", "", "only mails that are one of `these`: queued, sending, sent, failed, unknown, dropped")
	window := addWindow(f, &q.Limit, &q.Skip, 100, "oldest")
	asJSON := f.Bool("json", false, "print them as JSON")
	return func(ctx context.Context, args []string) error {
		if err := none(args); err != nil {
			return err
		}
		if err := window(); err != nil {
			return err
		}
		var err error
		if q.States, err = among(*state, usersync.MailQueued, usersync.MailSending, usersync.MailSent, usersync.MailFailed,
			usersync.MailUnknown, usersync.MailDropped); err != nil {
			return fmt.Errorf("-state: %w", err)
		}
		return p.within(ctx, func(svc *usersync.Service) error {
			mails, err := svc.Mails(ctx, q)
			switch {
			case err != nil:
				return err
			case *asJSON:
				return a.writeJSON(mails)
			}
			a.printMails(mails)
			return nil
		})
	}
}

func (a *app) printMails(mails []usersync.Mail) {
	rows := [][]string{{"MAIL", "KIND", "TO", "STATE", "TRIES", "CHANGED (UTC)", "NOTE"}}
	for i := range mails {
		m := &mails[i]
		to := m.To
		if to == "" {
			to = m.Name
		}
		rows = append(rows, []string{m.Key, string(m.Kind), to, string(m.State), strconv.Itoa(m.Tries),
			m.Changed.UTC().Format(time.DateTime), m.Note})
	}
	(&printer{w: a.out}).table("", rows)
}

func (a *app) mailsRetry(f *flag.FlagSet) func(context.Context, []string) error {
	return a.eachMail(f, func(ctx context.Context, svc *usersync.Service, key string) (usersync.Mail, error) {
		return svc.RetryMail(ctx, key)
	})
}

func (a *app) mailsDrop(f *flag.FlagSet) func(context.Context, []string) error {
	why := f.String("why", "given up", "the `reason`, for the record")
	return a.eachMail(f, func(ctx context.Context, svc *usersync.Service, key string) (usersync.Mail, error) {
		return svc.AbandonMail(ctx, key, *why)
	})
}

// eachMail does something to every mail that is named, and says how it stands then.
func (a *app) eachMail(f *flag.FlagSet, do func(context.Context, *usersync.Service, string) (usersync.Mail, error)) func(context.Context, []string) error {
	p := a.place(f)
	return func(ctx context.Context, args []string) error {
		if len(args) == 0 {
			return errors.New("name the mails: usersync mails list shows them")
		}
		return p.within(ctx, func(svc *usersync.Service) error {
			for _, key := range args {
				m, err := do(ctx, svc, key)
				if err != nil {
					return err
				}
				fmt.Fprintf(a.out, "Mail %s is %s\n", key, m.State)
			}
			return nil
		})
	}
}
