package integration

import (
	"testing"
	"time"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/presets"
)

// export is the file of a personnel department, which no preset knows: the employee number identifies, the manager is
// one, departments are those that the product has, and who leaves has an end date.
func export() presets.Preset {
	cfg := usersync.DefaultConfig("HR")
	cfg.RemovedUsers, cfg.InactiveUsers = usersync.Deactivate, usersync.Activate
	return presets.Preset{Config: cfg, Schema: usersync.Schema{
		Sheet: "Staff", Key: "employee", Email: "email", LastDay: "lastDay",
		Fields: []usersync.Field{
			{Name: "employee", Title: "Employee no.", Required: usersync.Always, Pattern: "[0-9]{5}", PatternHelp: "five digits", Sample: "00000"},
			{Name: "name", Title: "Name", Required: usersync.ForNewUsers, MaxLength: 100},
			{Name: "email", Title: "E-mail", Kind: usersync.KindEmail, Unique: usersync.MustBeUnique},
			{Name: "manager", Title: "Reports to", Kind: usersync.KindUser, Help: "Employee no. of the manager."},
			{Name: "department", Title: "Department", Required: usersync.ForNewUsers, Refers: &usersync.Refers{Set: "department"}},
			{Name: "costCenter", Title: "Cost center", MaxLength: 10},
			{Name: "hired", Title: "Hired on", Kind: usersync.KindDate},
			{Name: "lastDay", Title: "End date", Kind: usersync.KindDate, Help: "Last day of work."},
		},
	}}
}

const hrHeader = "Employee no. | Name | E-mail | Reports to | Department | Cost center | Hired on | End date"

// A fifth system is built from the public API alone.
func TestGuideHR(t *testing.T) {
	playGuide(t, "hr", export, func(g *guide) {
		g.config("HR", nil)
		g.hrFields()
		g.hrLeavers()
	}, withThings(map[string][]string{"department": {"Board", "Sales", "Werk 2"}}))
}

// hrFields gives every field good and bad values.
func (g *guide) hrFields() {
	g.step("The template")
	g.template()
	g.step("Every field with bad values")
	g.preview("HR", g.workbook("bad.xlsx", hrHeader,
		"1 | A | a@example.com | | Sales | | |", " | B | | | Sales | | |", "00003 | | | | | | |",
		"00004 | D | d@ | 99999 | Legal | 01234567890 | 31.12.2029 | soon", "00005 | E | e@example.com | 00005 | Sales | | |",
		"00006 | F | same@example.com | | Sales | | |", "00007 | G | SAME@example.com | | Sales | | |",
		"00008 | H | h@example.com | 00009 | Sales | | |", "00009 | I | i@example.com | 00010 | Sales | | |", "00010 | J | j@example.com | 00008 | Sales | | |",
		"00011 | K | k@example.com | 00012 | Sales | | |", "00012 | L | l@example.com | | Sales | | |"))
}

// hrLeavers is a first export, and the next ones.
func (g *guide) hrLeavers() {
	export := []string{hrHeader,
		"00001 | Ada | ada@example.com | | board | 00042 | 2020-01-01 |",
		"00002 | Ben | ben@example.com | 00001 | SALES | 00043 | 2021-02-03 | 2030-01-02",
		"00003 | Cyd | cyd@example.com | 00002 | werk 2 | | | 2031-12-31",
		"00004 | Dan | dan@example.com | 00002 | Sales | | | 2029-12-31"}
	g.step("The first export: who has left already is created inactive")
	g.apply(g.preview("HR", g.workbook("hr.xlsx", export...)))
	g.step("The same export on the same day")
	g.preview("HR", g.workbook("hr.xlsx", export...))
	g.step("The same export a day later: the last day of 00002 is over")
	g.ahead += 24 * time.Hour
	run := g.apply(g.preview("HR", g.workbook("hr.xlsx", export...)))
	g.people("00001", "00002", "00003", "00004")
	g.step("And once more")
	g.preview("HR", g.workbook("hr.xlsx", export...))
	g.step("00002 stays after all, and 00003 is no longer in the export")
	export[2] = "00002 | Ben | ben@example.com | 00001 | Sales | 00043 | 2021-02-03 | 2035-01-01"
	g.preview("HR", g.workbook("hr.xlsx", export[0], export[1], export[2], export[4]))
	g.step("Taken back")
	undo, err := g.svc.Undo(g.t.Context(), run.ID)
	must(g.t, err)
	g.plan(undo)
	g.apply(undo)
	g.people("00002")
}
