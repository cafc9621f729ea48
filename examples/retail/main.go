// Retail is the importer of a platform for the staff of shops, on the preset of that name: imports in the background
// with a list of processes, passwords of which the platform keeps a hash, phone numbers in any form, invitations.
//
//	go run ./examples/retail
package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
	"github.com/usersync-go/usersync/adapters/sqlite"
	"github.com/usersync-go/usersync/examples/internal/show"
)

//go:embed staff.xlsx mended.xlsx update.xlsx bad.xlsx
var uploads embed.FS // as a spreadsheet program saved them

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// shops is what the example works with.
type shops struct {
	out    io.Writer
	title  func(format string, args ...any)
	svc    *usersync.Service
	store  *sqlite.Store
	mailer *memory.Mailer
	texter *memory.Texter
	clock  time.Time
}

func run(ctx context.Context, out io.Writer) error {
	preset, err := staff()
	if err != nil {
		return err
	}
	return show.InSQLite(ctx, func(store *sqlite.Store) error {
		s := &shops{out: out, title: show.Titles(out), store: store, mailer: memory.NewMailer(), texter: memory.NewTexter(),
			clock: time.Date(2030, 1, 2, 9, 0, 0, 0, time.UTC)}
		s.svc, err = usersync.NewService(store.Users(), store.Stores(), usersync.WithSchema(preset.Schema), usersync.WithReferences(groups()),
			usersync.WithMailer(s.mailer), usersync.WithTexter(s.texter), usersync.WithClock(s.now),
			usersync.WithSecretKey(bytes.Repeat([]byte{7}, 32))) // from where the platform keeps its keys
		if err != nil {
			return err
		}
		register, update := preset.Config, preset.Config
		register.ID, register.Name, register.WelcomeMail, register.WelcomeText = "register", "Send invitations", true, true
		update.ID, update.Name, update.ExistingUsers = "update", "Update users who are there", usersync.Update
		for _, cfg := range []usersync.Config{register, update} {
			if _, err := s.svc.CreateConfig(ctx, cfg); err != nil {
				return err
			}
		}
		return s.inBackground(ctx)
	}, sqlite.WithSchema(preset.Schema), sqlite.WithMapping(accounts(preset.Schema)))
}

// now goes on by a second with every look, so that the list of processes has an order.
func (s *shops) now() time.Time {
	s.clock = s.clock.Add(time.Second)
	return s.clock
}

// inBackground works imports off in a goroutine of the platform's, as long as the administrator is at work.
func (s *shops) inBackground(ctx context.Context) error {
	work, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- s.svc.Dispatch(work, usersync.DispatchOptions{}) }()
	var err error
	for _, do := range []func(context.Context) error{s.register, s.mend, s.updateStaff, s.tidy, s.secrets} {
		if err = do(ctx); err != nil {
			break
		}
	}
	stop()
	return errors.Join(err, <-ended)
}

// register imports new staff. Some rows have errors, and the others go on without them.
func (s *shops) register(ctx context.Context) error {
	s.title("Import staff.xlsx: it requires intervention")
	imp, err := s.start(ctx, "register", "staff.xlsx")
	if err != nil {
		return err
	}
	s.title("The list of errors, to copy")
	if err := s.svc.WriteErrors(ctx, imp.PlanID, show.Indented(s.out)); err != nil {
		return err
	}
	s.title("Continue: the rows with errors are left out")
	if imp, err = s.svc.ContinueImport(ctx, imp.ID, imp.Edition, usersync.ImportChoices{}); err != nil {
		return err
	}
	if _, err = s.wait(ctx, imp.ID); err != nil {
		return err
	}
	s.invited()
	return nil
}

// mend replaces a file that requires intervention.
func (s *shops) mend(ctx context.Context) error {
	s.title("Another file requires intervention, and is replaced")
	imp, err := s.start(ctx, "register", "bad.xlsx")
	if err != nil {
		return err
	}
	if imp, err = s.svc.ReplaceFile(ctx, imp.ID, upload("mended.xlsx")); err != nil {
		return err
	}
	_, err = s.wait(ctx, imp.ID)
	return err
}

// updateStaff gives users who are there new values: the login and one more field are enough.
func (s *shops) updateStaff(ctx context.Context) error {
	s.title("Update users who are there: the login and one more field are enough")
	imp, err := s.start(ctx, "update", "update.xlsx")
	if err != nil {
		return err
	}
	run, err := s.svc.Run(ctx, imp.PlanID)
	if err != nil {
		return err
	}
	for row := range run.Rows() {
		show.Row(s.out, row.Row)
	}
	return nil
}

// tidy deletes the entries of processes that have ended.
func (s *shops) tidy(ctx context.Context) error {
	s.title("All processes, and the list after the first was deleted")
	all, err := s.svc.Imports(ctx, usersync.ImportQuery{})
	if err != nil {
		return err
	}
	for _, imp := range all {
		s.process(imp)
	}
	if err := s.svc.DeleteImport(ctx, all[len(all)-1].ID); err != nil {
		return err
	}
	all, err = s.svc.Imports(ctx, usersync.ImportQuery{})
	fmt.Fprintf(s.out, "   %d are left\n", len(all))
	return err
}

// secrets looks for a password where it must not be.
func (s *shops) secrets(ctx context.Context) error {
	s.title("The password of anna.ahn")
	if _, err := s.store.DB().ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		return err
	}
	var n int
	var name, file, hash string
	if err := s.store.DB().QueryRowContext(ctx, "PRAGMA database_list").Scan(&n, &name, &file); err != nil {
		return err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	err = s.store.DB().QueryRowContext(ctx, "SELECT password_hash FROM usersync_users WHERE login = 'anna.ahn'").Scan(&hash)
	fmt.Fprintf(s.out, "   is in the database: %t; a hash of it is: %t\n", bytes.Contains(data, []byte("Spring-2031")), verify(hash, "Spring-2031"))
	return err
}

// start starts an import and waits until nothing more happens to it by itself.
func (s *shops) start(ctx context.Context, config, name string) (usersync.Import, error) {
	imp, err := s.svc.Start(ctx, config, upload(name))
	if err != nil {
		return imp, err
	}
	return s.wait(ctx, imp.ID)
}

// wait is what a page does that asks again and again how far an import is.
func (s *shops) wait(ctx context.Context, id string) (usersync.Import, error) {
	for {
		imp, err := s.svc.Import(ctx, id)
		if err != nil {
			return imp, err
		}
		switch imp.Status {
		case usersync.ImportDone, usersync.ImportFailed, usersync.ImportIntervention:
			s.process(imp)
			return imp, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// process prints an import as a list of processes shows it.
func (s *shops) process(imp usersync.Import) {
	fmt.Fprintf(s.out, "   %-12s %-12s %d created, %d updated, %d errors\n", imp.File.Name, imp.Status, imp.Run.Created, imp.Run.Updated, imp.Plan.Errors)
	if imp.Problem != "" {
		fmt.Fprintf(s.out, "      %s\n", strings.ReplaceAll(imp.Problem, "\n", "\n      "))
	}
}

// invited prints who was invited.
func (s *shops) invited() {
	for _, w := range s.mailer.Sent() {
		fmt.Fprintf(s.out, "   invited by mail: %s\n", w.Email)
	}
	for _, w := range s.texter.Sent() {
		fmt.Fprintf(s.out, "   invited by phone: %s\n", w.Phone)
	}
}

func upload(name string) usersync.Source {
	data, _ := uploads.ReadFile(name)
	return usersync.Open(bytes.NewReader(data), int64(len(data)), name)
}
