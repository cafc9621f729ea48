package integration

import (
	"errors"
	"testing"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/presets"
)

const trainingHeader = "Email | userName | reference | First name | Last name | Position | Department | Phone | Hired on | Groups"

// The user guide of the training platform.
func TestGuideTraining(t *testing.T) {
	playGuide(t, "training", presets.Training, func(g *guide) {
		g.config("Import", func(c *usersync.Config) {
			c.Assignments = []usersync.Assignment{{Field: "groups", Rules: []usersync.AssignRule{
				{Name: "Shops", If: []usersync.Condition{{Field: "department", Op: usersync.IfOneOf, Values: []string{"Sales", "Stores"}}}, Values: []string{"Selling"}},
				{Name: "Leads", If: []usersync.Condition{{Field: "position", Op: usersync.IfPrefix, Values: []string{"Head of"}}}, Values: []string{"Leading"}},
				{Name: "Everybody else", Values: []string{"First steps"}},
			}}}
		})
		g.trainingFiles()
		g.trainingFields()
		g.trainingWizard()
		g.trainingLater()
	}, withThings(map[string][]string{"group": {"Selling", "Leading", "First steps", "Safety"}}),
		func(g *guide) usersync.Option { return usersync.WithFieldStore(g.state) })
}

// trainingFiles is the template, and stage 1 as far as files are refused.
func (g *guide) trainingFiles() {
	g.step("The template")
	g.template()
	g.step("Stage 1: only workbooks; email, userName and reference cannot be left out")
	g.refuse("Import", g.csvFile("users.csv", trainingHeader))
	g.refuse("Import", g.workbook("users.xlsx", "Email | First name", "anna@example.com | Anna"))
}

// trainingFields gives every field good and bad values.
func (g *guide) trainingFields() {
	g.step("Every field with good values")
	g.preview("Import", g.workbook("good.xlsx", trainingHeader,
		"Anna@Example.com | anna | 000017 | Анна | Ahn | Head of sales | Sales | +49 151 0000001 | 2026-01-31 | safety; Selling",
		"bert@example.com | bert | A/18 | | | | | | | none"))
	g.step("Every field with bad values")
	g.preview("Import", g.workbook("bad.xlsx", trainingHeader,
		" | | | A | | | | | |",
		"nonsense | anna | 1 | | | | | call me | 31.01.2026 | Safety; none",
		"same@example.com | bert | 2 | | | | | | |", "SAME@example.com | cleo | 3 | | | | | | |",
		"d@example.com | dora | 4 | | | | | | |", "e@example.com | emil | 4 | | | | | | |",
		"f@example.com | twin | 5 | | | | | | |", "g@example.com | TWIN | 6 | | | | | | |",
		"h@example.com | hugo | 7 | | | | | | 2026-02-30 | Diving"))
}

// trainingWizard goes through the five stages.
func (g *guide) trainingWizard() {
	file := g.workbook("january.xlsx", trainingHeader+" | T-shirt size | Hobby",
		"anna@example.com | anna | 001 | Anna | Ahn | Head of sales | Sales | | 2026-01-31 | | M | Chess",
		"bert@example.com | bert | 002 | Bert | Berg | Head of stores | Stores | | | Safety | XL |",
		"cleo@example.com | cleo | 003 | Cleo | Chen | Driver | Logistics | | | Driving | S | Go",
		"dora at example | dora | 004 | Dora | Diaz | Clerk | | | | | |")
	g.step("Stage 1: the file is selected, with a comment")
	imp := g.work(g.start("Import", file, usersync.WithComment("new staff of January"), usersync.WithImportOptions(usersync.ImportOptions{Review: true})))
	g.processes()
	plan := g.storedPlan(imp)

	g.step("Stage 2: columns that the platform does not know")
	for _, o := range plan.NewFields() {
		g.say("column %s: %s, as %s; values such as %q; add to database?", o.Column.Letter, o.Column.Header, o.Field.Name, o.Samples)
	}
	imp, err := g.svc.RecheckImport(g.t.Context(), imp.ID, imp.Edition, plan.NewFields()[0].Field)
	must(g.t, err)
	imp = g.work(imp)

	g.step("Stage 3: errors; the report is downloaded, or mailed, and the import cancelled or continued")
	must(g.t, g.svc.WriteErrors(g.t.Context(), imp.PlanID, &g.out))
	g.corrections(imp.PlanID)
	g.mailed(imp.PlanID, usersync.MessageCorrections)

	g.step("Stage 4: the users who will be imported; a group that there is not is created once somebody has confirmed it")
	plan = g.storedPlan(imp)
	g.plan(plan)
	for _, m := range plan.Missing() {
		g.say("%s %q is missing, %d rows name it: create it?", m.Set, m.Name, m.Rows)
	}
	plan, err = g.svc.Decide(g.t.Context(), plan.ID, usersync.Decision{Choice: usersync.CreateMissing, Field: "groups", Value: "Driving"})
	must(g.t, err)
	g.plan(plan)
	g.mailed(imp.PlanID, usersync.MessageReport)

	g.step("Stage 5: training groups, by which rule")
	g.assigned(plan)
	g.step("Stage 5: the rules in another order, and a new one")
	g.edit("Import", func(c *usersync.Config) {
		rules := c.Assignments[0].Rules
		c.Assignments[0].Rules = []usersync.AssignRule{
			{Name: "Drivers", If: []usersync.Condition{{Field: "position", Op: usersync.IfEquals, Values: []string{"driver"}}}, Values: []string{"Safety"}},
			rules[1], rules[0], rules[2]}
	})
	imp, err = g.svc.RecheckImport(g.t.Context(), imp.ID, imp.Edition, imp.Options.Fields...)
	must(g.t, err)
	imp = g.work(imp)
	plan, err = g.svc.Decide(g.t.Context(), imp.PlanID, usersync.Decision{Choice: usersync.CreateMissing})
	must(g.t, err)
	g.assigned(plan)

	g.step("The users are imported")
	imp = g.work(g.proceed(imp))
	g.processes()
	g.people("anna", "bert", "cleo")
	run, err := g.svc.Run(g.t.Context(), imp.PlanID)
	must(g.t, err)
	for _, f := range run.Added {
		g.say("the run has added the field %s (%s)", f.Name, f.Title)
	}
	for _, r := range run.CreatedReferences() {
		g.say("the run has created the %s %q", r.Set, r.Name)
	}
	g.results(run)
	g.mailed(run.ID, usersync.MessageReport)
}

// trainingLater is a later file, with the new field as a field like any other, and a user with another login name.
func (g *guide) trainingLater() {
	g.step("Later: the new field is one of all users; a user is found by the reference")
	schema, err := g.svc.CurrentSchema(g.t.Context())
	must(g.t, err)
	f, known := schema.Field("tShirtSize")
	g.say("%s is a field of the platform: %t", f.Header(), known)
	run := g.apply(g.preview("Import", g.workbook("february.xlsx", "Email | userName | reference | T-shirt size | Position",
		"anna@example.com | anna.ahn | 001 | L |", "cleo@example.com | cleo | 003 | | Head of transport")))
	g.people("anna.ahn", "cleo")
	g.step("The same file again")
	g.preview("Import", g.workbook("february.xlsx", "Email | userName | reference | T-shirt size | Position",
		"anna@example.com | anna.ahn | 001 | L |", "cleo@example.com | cleo | 003 | | Head of transport"))
	g.step("Taken back, groups of the rules included")
	undo, err := g.svc.Undo(g.t.Context(), run.ID)
	must(g.t, err)
	g.plan(undo)
	g.apply(undo)
	g.people("anna", "cleo")
}

// storedPlan is the plan of an import.
func (g *guide) storedPlan(imp usersync.Import) *usersync.Plan {
	g.t.Helper()
	plan, err := g.svc.Plan(g.t.Context(), imp.PlanID)
	must(g.t, err)
	return plan
}

// assigned writes down who is put into which groups, and how many each rule puts there.
func (g *guide) assigned(p *usersync.Plan) {
	for row := range p.Rows() {
		for _, c := range row.Changes {
			if c.Field == "groups" {
				g.say("%s: %q becomes %q, by rule %q", row.Name, c.Old, c.New, c.Rule)
			}
		}
	}
	for _, a := range p.Assigned() {
		g.say("rule %s: %d users", a.Rule, a.Rows)
	}
}

// mailed mails a report and writes down what has arrived.
func (g *guide) mailed(id string, kind usersync.MessageKind) {
	g.t.Helper()
	before := len(g.mailer.Messages())
	_, err := g.svc.MailReport(g.t.Context(), id, kind, "trainer@example.com")
	must(g.t, err)
	_, err = g.svc.DeliverMails(g.t.Context())
	must(g.t, err)
	messages := g.mailer.Messages()
	if len(messages) != before+1 {
		g.t.Fatal(errors.New("the report was not mailed"))
	}
	m := messages[before]
	g.say("mail to %s: %s, with %s", m.To, m.Kind, m.Attachments[0].Name)
}
