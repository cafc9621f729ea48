// Training is the importer of a training platform, on the preset of that name, in the five stages that its
// administrators go through: the file with a comment, columns that nobody knows, errors, the users, and the training
// groups, which ordered rules decide.
//
//	go run ./examples/training
package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
	"github.com/usersync-go/usersync/adapters/sqlite"
	"github.com/usersync-go/usersync/adapters/sqlstore"
	"github.com/usersync-go/usersync/examples/internal/show"
	"github.com/usersync-go/usersync/presets"
)

//go:embed new-staff.xlsx
var newStaff []byte // as a spreadsheet program saved it

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// platform is what the example works with.
type platform struct {
	out    io.Writer
	title  func(format string, args ...any)
	svc    *usersync.Service
	store  *sqlite.Store
	mailer *memory.Mailer
	clock  time.Time
	imp    usersync.Import // the one under way, as it was seen last
}

func run(ctx context.Context, out io.Writer) error {
	preset := presets.Training()
	return show.InSQLite(ctx, func(store *sqlite.Store) error {
		groups, err := groups(store)
		if err != nil {
			return err
		}
		p := &platform{out: out, title: show.Titles(out), store: store, mailer: memory.NewMailer(), clock: time.Date(2030, 1, 2, 9, 0, 0, 0, time.UTC)}
		p.svc, err = usersync.NewService(store.Users(), store.Stores(), usersync.WithSchema(preset.Schema), usersync.WithReferences(groups),
			usersync.WithFieldStore(store.Fields()), usersync.WithMailer(p.mailer), usersync.WithClock(p.now))
		if err != nil {
			return err
		}
		cfg := preset.Config
		cfg.ID, cfg.Name, cfg.Assignments = "import", "Import users", rules()
		if _, err := p.svc.CreateConfig(ctx, cfg); err != nil {
			return err
		}
		for _, stage := range []func(context.Context) error{p.file, p.columns, p.errors, p.users, p.groups, p.done, p.takenBack} {
			if err := stage(ctx); err != nil {
				return err
			}
		}
		return nil
	}, sqlite.WithSchema(preset.Schema))
}

// groups finds training groups in a table of the platform's, and creates them there.
func groups(store *sqlite.Store) (usersync.References, error) {
	_, err := store.DB().Exec(`
		CREATE TABLE training_groups (name TEXT NOT NULL, folded TEXT NOT NULL UNIQUE);
		INSERT INTO training_groups VALUES ('Selling', 'selling'), ('Leading', 'leading'), ('First steps', 'first steps'), ('Safety', 'safety')`)
	if err != nil {
		return nil, err
	}
	return store.References(map[string]sqlstore.NamedTable{"group": {Table: "training_groups", Name: "name", Folded: "folded"}})
}

// rules put users into groups: the first that fits decides.
func rules() []usersync.Assignment {
	return []usersync.Assignment{{Field: "groups", Rules: []usersync.AssignRule{
		{Name: "Sales", If: []usersync.Condition{{Field: "department", Op: usersync.IfEquals, Values: []string{"Sales"}}}, Values: []string{"Selling"}},
		{Name: "Leads", If: []usersync.Condition{{Field: "position", Op: usersync.IfPrefix, Values: []string{"Head of"}}}, Values: []string{"Leading"}},
		{Name: "Everybody else", Values: []string{"First steps"}},
	}}}
}

// now goes on by a second with every look.
func (p *platform) now() time.Time {
	p.clock = p.clock.Add(time.Second)
	return p.clock
}

// work works the import off, which a platform does in the background: see Service.Dispatch.
func (p *platform) work(ctx context.Context, imp usersync.Import, err error) error {
	if err == nil {
		p.imp, err = p.svc.RunImport(ctx, imp.ID)
	}
	return err
}

func (p *platform) file(ctx context.Context) error {
	p.title("The file is selected, with a comment")
	imp, err := p.svc.Start(ctx, "import", usersync.Open(bytes.NewReader(newStaff), int64(len(newStaff)), "new-staff.xlsx"),
		usersync.WithComment("new staff of January"), usersync.WithImportOptions(usersync.ImportOptions{Review: true}))
	if err := p.work(ctx, imp, err); err != nil {
		return err
	}
	fmt.Fprintf(p.out, "   %s (%s): %s\n", p.imp.File.Name, p.imp.Comment, p.imp.Status)
	return nil
}

// columns adds one of the columns that nobody knows to the fields of all users.
func (p *platform) columns(ctx context.Context) error {
	p.title("Columns that the platform does not know: the first is added to the database")
	plan, err := p.svc.Plan(ctx, p.imp.PlanID)
	if err != nil {
		return err
	}
	for _, o := range plan.NewFields() {
		fmt.Fprintf(p.out, "   %s (%s), with values such as %q\n", o.Column.Header, o.Column.Letter, o.Samples)
	}
	imp, err := p.svc.RecheckImport(ctx, p.imp.ID, p.imp.Edition, plan.NewFields()[0].Field)
	return p.work(ctx, imp, err)
}

func (p *platform) errors(ctx context.Context) error {
	p.title("Errors: the report, which is also mailed")
	_, err := p.svc.MailReport(ctx, p.imp.PlanID, usersync.MessageCorrections, "trainer@example.com")
	return errors.Join(err, p.svc.WriteErrors(ctx, p.imp.PlanID, show.Indented(p.out)))
}

// users shows who will be imported. A group that there is not is created, since somebody confirms it.
func (p *platform) users(ctx context.Context) error {
	p.title("The users; the group that is missing is to be created")
	plan, err := p.svc.Decide(ctx, p.imp.PlanID, usersync.Decision{Choice: usersync.CreateMissing})
	if err != nil {
		return err
	}
	for _, m := range plan.Missing() {
		fmt.Fprintf(p.out, "   %s %q, which %d row names\n", m.Set, m.Name, m.Rows)
	}
	show.Plan(p.out, plan)
	return nil
}

// groups shows what the rules decide, and puts them into another order.
func (p *platform) groups(ctx context.Context) error {
	p.title("Training groups, and the rule that decided")
	if err := p.assigned(ctx); err != nil {
		return err
	}
	p.title("The rules in another order")
	cfg, err := p.svc.Config(ctx, "import")
	if err != nil {
		return err
	}
	r := cfg.Assignments[0].Rules
	r[0], r[1] = r[1], r[0]
	if _, err := p.svc.EditConfig(ctx, cfg); err != nil {
		return err
	}
	imp, err := p.svc.RecheckImport(ctx, p.imp.ID, p.imp.Edition, p.imp.Options.Fields...)
	if err := p.work(ctx, imp, err); err != nil {
		return err
	}
	if _, err := p.svc.Decide(ctx, p.imp.PlanID, usersync.Decision{Choice: usersync.CreateMissing}); err != nil {
		return err
	}
	return p.assigned(ctx)
}

func (p *platform) assigned(ctx context.Context) error {
	plan, err := p.svc.Plan(ctx, p.imp.PlanID)
	if err != nil {
		return err
	}
	for row := range plan.Rows() {
		for _, c := range row.Changes {
			if c.Field == "groups" {
				fmt.Fprintf(p.out, "   %s: %s, by rule %q\n", row.Name, c.New, c.Rule)
			}
		}
	}
	for _, a := range plan.Assigned() {
		fmt.Fprintf(p.out, "   rule %q: %d users\n", a.Rule, a.Rows)
	}
	return nil
}

// done imports the users and mails the report.
func (p *platform) done(ctx context.Context) error {
	p.title("The users are imported, without the bad rows; the report is mailed")
	imp, err := p.svc.ContinueImport(ctx, p.imp.ID, p.imp.Edition, usersync.ImportChoices{By: usersync.Actor{Name: "Tara"}})
	if err := p.work(ctx, imp, err); err != nil {
		return err
	}
	run, err := p.svc.Run(ctx, p.imp.PlanID)
	if err != nil {
		return err
	}
	show.Run(p.out, run)
	for _, f := range run.Added {
		fmt.Fprintf(p.out, "   new field of all users: %s\n", f.Header())
	}
	for _, r := range run.CreatedReferences() {
		fmt.Fprintf(p.out, "   new %s: %s\n", r.Set, r.Name)
	}
	if _, err := p.svc.MailReport(ctx, run.ID, usersync.MessageReport, "trainer@example.com"); err != nil {
		return err
	}
	if _, err := p.svc.DeliverMails(ctx); err != nil {
		return err
	}
	for _, m := range p.mailer.Messages() {
		fmt.Fprintf(p.out, "   mail to %s: %s\n", m.To, m.Attachments[0].Name)
	}
	return nil
}

// takenBack undoes the run.
func (p *platform) takenBack(ctx context.Context) error {
	p.title("Taken back")
	plan, err := p.svc.Undo(ctx, p.imp.PlanID)
	if err != nil {
		return err
	}
	for _, n := range plan.Notes {
		fmt.Fprintf(p.out, "   %s\n", n.Text())
	}
	run, err := p.svc.Apply(ctx, plan.ID)
	if err == nil {
		show.Run(p.out, run)
	}
	return err
}
