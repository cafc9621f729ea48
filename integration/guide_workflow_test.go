package integration

import (
	"bytes"
	"context"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/seats"
	"github.com/usersync-go/usersync/presets"
)

// The user guide of the workflow product.
func TestGuideWorkflow(t *testing.T) {
	playGuide(t, "workflow", presets.Workflow, func(g *guide) {
		g.workflowSetUp()
		g.workflowFields()
		g.workflowBehaviours()
		g.workflowStrategies()
		g.workflowRun()
		g.workflowManage()
	}, func(g *guide) usersync.Option { return usersync.WithLicense(seats.New(14, g.countActive)) })
}

// countActive counts the seats that are used.
func (g *guide) countActive(ctx context.Context) (n int, err error) {
	err = g.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM usersync_users WHERE active").Scan(&n)
	return n, err
}

func (g *guide) workflowSetUp() {
	g.step("The configuration is named; what is wrong with it is said at once")
	cfg := g.preset.Config
	cfg.ID, cfg.Name, cfg.NewUsers, cfg.DefaultRule = "x", " ", "maybe", usersync.ForceValue
	cfg.Rules = map[string]usersync.Rule{"userName": {Strategy: usersync.ForceValue, Value: "x"}, "shoeSize": {Strategy: usersync.UseSource}}
	_, err := g.svc.CreateConfig(g.t.Context(), cfg)
	g.refused(err)

	g.step("The template")
	g.template()
	g.step("The template's sample row is not a user")
	g.config("Template", nil)
	var data bytes.Buffer
	must(g.t, g.preset.Schema.WriteTemplate(&data))
	g.preview("Template", usersync.Open(bytes.NewReader(data.Bytes()), int64(data.Len()), "template.xlsx"))
}

// workflowFields gives every field good and bad values.
func (g *guide) workflowFields() {
	g.config("Fields", nil)
	g.step("Headers in any case, columns that nobody knows")
	plan := g.preview("Fields", g.workbook("headers.xlsx", "USERNAME | Email | firstname | LASTNAME | Shoe size", "anna | anna@example.com | Anna | Ahn | 38"))
	for _, c := range plan.Source.Unknown() {
		g.say("column %s (%s) is ignored", c.Letter, c.Header)
	}
	g.step("Files that are refused as a whole")
	g.refuse("Fields", g.workbook("missing.xlsx", "userName | e-mail | firstName", "anna | anna@example.com | Anna"))
	g.refuse("Fields", g.workbook("twice.xlsx", "userName | email | firstName | lastName | E-Mail | EMAIL", "anna | a@example.com | Anna | Ahn | b@example.com | c@example.com"))
	g.refuse("Fields", usersync.Open(bytes.NewReader([]byte("%PDF-1.7\n")), 9, "users.pdf"))
	g.step("Every field with good values")
	g.preview("Fields", g.workbook("good.xlsx",
		"userName | email | firstName | lastName | middleName | title | department | division | costCenter | phone | location | address1 | address2 | city | state | zip | country | locale | timezone | languageName | manager | active | cField1 | cField2",
		"anna | anna@example.com | Anna | Ahn | B. | Cook | Kitchen | Food | 00420 | +49 151 0000001 | Berlin | Way 1 | Floor 2 | Berlin | Berlin | 01234 | Germany | de_DE | Europe/Berlin | German | bert | TRUE | one | two",
		"bert | Bert@Example.COM | Bert | Berg | | | | | | | | | | | | | | | | | | no | |"))
	g.step("Every field with bad values")
	g.preview("Fields", g.workbook("bad.xlsx",
		"userName | email | firstName | lastName | phone | locale | timezone | manager | active",
		"| a@example.com | A | Ahn | | | | |",
		"b | | | | | | | |",
		"c | not an address | C | C | | | | |",
		"d | d@localhost | D | D | call me | Klingon please | Mars/Olympus | nobody | perhaps",
		"e\u200b | e@example.com | E | E | | | | |",
		"Twin | f@example.com | F | F | | | | |",
		"twin | g@example.com | G | G | | | | |",
		"h | h@example.com | H | H | | | | i |",
		"i | i@example.com | I | I | | | | h |",
		"j | j@example.com | J | J | | | | j |",
		"k | k@example.com | K | K | | | | c |",
		"l | same@example.com | L | L | | | | |",
		"m | same@example.com | M | M | | | | |"))
}

// workflowBehaviours shows each option for each sort of user.
func (g *guide) workflowBehaviours() {
	g.step("Behaviour: the users there are")
	g.config("Behaviour", func(c *usersync.Config) { c.RemovedUsers = usersync.Deactivate })
	g.apply(g.preview("Behaviour", g.workbook("first.xlsx", "userName | email | firstName | lastName | title | active",
		"stays | stays@example.com | Stays | S | Cook | true", "idle | idle@example.com | Idle | I | Cook | false",
		"gone | gone@example.com | Gone | G | Cook | true")))
	next := []string{"userName | email | firstName | lastName | title", "fresh | fresh@example.com | Fresh | F | Chef",
		"stays | stays@example.com | Stays | S | Chef", "idle | idle@example.com | Idle | I | Chef"}
	show := func(what string, change func(*usersync.Config)) {
		g.step("Behaviour: %s", what)
		g.edit("Behaviour", change)
		g.preview("Behaviour", g.workbook("next.xlsx", next...))
	}
	show("create, skip inactive, deactivate who left", func(*usersync.Config) {})
	show("new users: skip", func(c *usersync.Config) { c.NewUsers = usersync.Skip })
	show("inactive users: activate", func(c *usersync.Config) { c.NewUsers, c.InactiveUsers = usersync.Create, usersync.Activate })
	show("inactive users: update only; removed users: no action", func(c *usersync.Config) {
		c.InactiveUsers, c.RemovedUsers = usersync.UpdateOnly, usersync.NoAction
	})
	show("removed users: ignore", func(c *usersync.Config) { c.RemovedUsers = usersync.Ignore })
}

// workflowStrategies shows each strategy on one user.
func (g *guide) workflowStrategies() {
	g.step("Conflict rules: all of them on one row, and one that asks")
	g.config("Rules", func(c *usersync.Config) {
		c.Rules = map[string]usersync.Rule{
			"title": {Strategy: usersync.KeepDestination}, "department": {Strategy: usersync.UpdateIfEmpty},
			"division": {Strategy: usersync.UpdateIfEmpty}, "country": {Strategy: usersync.ForceValue, Value: "Norway"},
			"city": {Strategy: usersync.AskAtRuntime}, "state": {Strategy: usersync.AskAtRuntime},
		}
		c.Defaults = map[string]string{"locale": "en-US", "timezone": "America/Chicago", "languageName": "US English"}
	})
	header := "userName | email | firstName | lastName | title | department | division | country | city | state | locale"
	g.apply(g.preview("Rules", g.workbook("first.xlsx", header, "rita | rita@example.com | Rita | R | Cook | Kitchen | | Spain | Rome | | de-DE")))
	plan := g.preview("Rules", g.workbook("next.xlsx", header, "rita | rita@example.com | Rita | Ray | Chef | Bar | Food | Spain | Oslo | Viken |"))
	g.step("The conflict is decided, and the answer remembered")
	for c := range plan.Conflicts() {
		g.say("row %d, %s: %s is %q, the file says %q", c.Row, c.Name, c.Field, c.Current, c.Incoming)
	}
	_, err := g.svc.Apply(g.t.Context(), plan.ID)
	g.refused(err)
	_, err = g.svc.Decide(g.t.Context(), plan.ID, usersync.Decision{Field: "city", Choice: usersync.KeepCurrent, Remember: true})
	must(g.t, err)
	g.apply(plan)
	g.people("rita")
	cfg, err := g.svc.Config(g.t.Context(), "Rules")
	must(g.t, err)
	g.say("city is now under the rule %s", cfg.Rules["city"].Strategy)
}

// workflowRun shows a run from the upload to its history.
func (g *guide) workflowRun() {
	g.step("Too few seats")
	header := "userName | email | firstName | lastName"
	var many []string
	for _, name := range []string{"s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "s12", "s13", "s14"} {
		many = append(many, name+" | "+name+"@example.com | S | S")
	}
	g.config("Run", func(c *usersync.Config) {
		c.WelcomeMail, c.RemovedUsers = true, usersync.Deactivate
		c.InactiveUsers = usersync.Activate
	})
	full, err := g.svc.Preview(g.t.Context(), "Run", g.workbook("many.xlsx", append([]string{header}, many...)...))
	must(g.t, err)
	for _, b := range full.Blocks() {
		g.say("blocked: %v", b)
	}
	_, err = g.svc.Apply(g.t.Context(), full.ID)
	g.refused(err)
	g.step("Run: who is new is welcomed; existing and reactivated users, and those who are created inactive, are not")
	run := g.apply(g.preview("Run", g.workbook("some.xlsx", append([]string{header + " | active", "bad | nonsense | B | B |",
		"stays | stays@example.com | Stays | Long |", "idle | idle@example.com | Idle | I |", "later | later@example.com | L | L | false"}, many[:8]...)...)))
	g.invited()
	g.step("Results: the categories, and the file to download")
	g.results(run)
	g.step("Welcome mail off for one run")
	again := g.preview("Run", g.workbook("more.xlsx", append([]string{header, "stays | stays@example.com | Stays | Long", "late | late@example.com | L | L", "idle | idle@example.com | Idle | I", "later | later@example.com | L | L"}, many[:8]...)...))
	g.apply(again, usersync.WithWelcomeMail(false))
	g.say("%d mails in all", len(g.mailer.Sent()))
	g.step("A file that was cut short: nobody is deactivated without a word")
	cut := g.preview("Run", g.workbook("cut.xlsx", header, "stays | stays@example.com | Stays | Long"))
	_, err = g.svc.Apply(g.t.Context(), cut.ID)
	g.refused(err)
	g.apply(cut, usersync.ConfirmDeactivations(cut.Counts().Deactivations))
}

// results writes down what is in the results workbook.
func (g *guide) results(run *usersync.Run) {
	g.t.Helper()
	var data bytes.Buffer
	must(g.t, g.svc.WriteResults(g.t.Context(), run.ID, &data))
	f, err := excelize.OpenReader(&data)
	must(g.t, err)
	for _, sheet := range f.GetSheetList() {
		rows, err := f.GetRows(sheet)
		must(g.t, err)
		g.say("sheet %s: %d rows", sheet, len(rows))
	}
}

func (g *guide) workflowManage() {
	g.step("History, newest first")
	runs, err := g.svc.History(g.t.Context(), usersync.RunQuery{ConfigID: "Run"})
	must(g.t, err)
	for _, r := range runs {
		g.say("%s, %s: %s, %d added, %d updated, %d deactivated, %d errors", r.Started.Format("2006-01-02"), r.File, r.Status,
			r.Counts.Created, r.Counts.Updated, r.Counts.Deactivated, r.Counts.Errors)
	}
	g.step("Pause, resume, delete")
	_, err = g.svc.PauseConfig(g.t.Context(), "Run")
	must(g.t, err)
	g.refuse("Run", g.workbook("some.xlsx", "userName"))
	_, err = g.svc.ResumeConfig(g.t.Context(), "Run")
	must(g.t, err)
	g.preview("Run", g.workbook("one.xlsx", "userName | email | firstName | lastName", "stays | stays@example.com | Stays | Long"))
	must(g.t, g.svc.DeleteConfig(g.t.Context(), "Run"))
	_, err = g.svc.Config(g.t.Context(), "Run")
	g.refused(err)
	runs, err = g.svc.History(g.t.Context(), usersync.RunQuery{ConfigID: "Run"})
	must(g.t, err)
	g.say("%d runs are left of it", len(runs))
}
