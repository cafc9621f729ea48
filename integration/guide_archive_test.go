package integration

import (
	"fmt"
	"testing"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
	"github.com/usersync-go/usersync/presets"
)

const archiveHeader = "Current Status | Display Name | Primary Email | Role | Group(s) | Source Username(s)"

// The user guide of the archive of communications.
func TestGuideArchive(t *testing.T) {
	playGuide(t, "archive", presets.Archive, func(g *guide) {
		g.config("Import", nil)
		g.archiveFiles()
		g.archiveFields()
		g.archiveImport()
	}, withThings(map[string][]string{"group": {"Group 1", "Group 2", "Legal"}, "source": {"slack", "teams", "sms"}}))
}

// withThings has the groups and the like that the product has.
func withThings(sets map[string][]string) func(*guide) usersync.Option {
	return func(g *guide) usersync.Option {
		g.things = memory.NewReferences()
		for set, names := range sets {
			g.things.Put(set, names...)
		}
		return usersync.WithReferences(g.things)
	}
}

// archiveFiles shows what is refused as a whole.
func (g *guide) archiveFiles() {
	g.step("The template")
	g.template()
	g.step("Only CSV files")
	g.refuse("Import", g.workbook("users.xlsx", archiveHeader, "Active | Ann Lee | ann@example.com | User | none |"))
	g.step("At most 2,000 users")
	many := []string{archiveHeader}
	for i := range 2345 {
		many = append(many, fmt.Sprintf("Active | User %d | user%d@example.com | User | |", i, i))
	}
	g.refuse("Import", g.csvFile("all.csv", many...))
	_, err := g.svc.Preview(g.t.Context(), "Import", g.csvFile("most.csv", many[:2001]...))
	must(g.t, err)
	g.say("2,000 users are taken")
	g.step("A source that is not enabled refuses the whole file")
	g.refuse("Import", g.csvFile("sources.csv", archiveHeader, "Active | Ann Lee | ann@example.com | User | | slack:ann",
		"Active | Bob Ray | bob@example.com | User | | pager:bob, teams:bob", "Active | Cid Fox | cid@example.com | User | | PAGER:cid, fax:1"))
	g.step("No column for the email address")
	g.refuse("Import", g.csvFile("no-key.csv", "Current Status | Display Name | Role", "Active | Ann Lee | User"))
}

// archiveFields gives every column good and bad values.
func (g *guide) archiveFields() {
	g.step("Every column with good values")
	g.preview("Import", g.csvFile("good.csv", archiveHeader,
		"Active | Doe, John | john@example.com | User | Group 1 | slack:jdoe",
		"archived | Jane Q. Roe | jane@EXAMPLE.com | supervisor | group 1,GROUP 2 | Teams:jane, sms:+1 555 0100",
		"| 李雷 | li@example.org | ADMIN | none |"))
	g.step("Every column with bad values")
	g.preview("Import", g.csvFile("bad.csv", archiveHeader,
		"Gone | Ann Lee | ann@example.com | User | |",
		"Active | | bob@example.com | User | |",
		"Active | Cid Fox | cid at example.com | User | |",
		"Active | Cid Fox | cid@example | User | |",
		"Active | Dan | Dan <dan@example.com> | User | |",
		"Active | Eve | eve@example.com | Owner | |",
		"Active | Eve | eve2@example.com | | |",
		"Active | Fay | fay@example.com | User | Group 9,Group 1,Group 8 |",
		"Active | Gus | gus@example.com | User | none,Group 1 |",
		"Active | Hal | hal@example.com | User | | jdoe",
		"Active | Ida | twice@example.com | User | |",
		"Active | Ida | TWICE@example.com | User | |"))
}

// archiveImport adds and updates users.
func (g *guide) archiveImport() {
	g.step("Import: new users are active or archived at once")
	plan := g.preview("Import", g.csvFile("first.csv", archiveHeader,
		"Active | Ann Lee | ann@example.com | User | Group 1 | slack:ann",
		"Archived | Bob Ray | bob@example.com | Supervisor | Group 1,Group 2 | slack:bob",
		"Active | Cid Fox | cid@example.com | Admin | Group 2 |",
		"Active | Dan Moe | dan at example.com | User | |"))
	g.step("The error report")
	g.corrections(plan.ID)
	g.apply(plan)
	g.people("ann@example.com", "bob@example.com", "cid@example.com")
	g.step("Update: groups and sources are added, none clears the groups, a blank cell changes nothing")
	g.apply(g.preview("Import", g.csvFile("second.csv", archiveHeader,
		"Archived | | Ann@example.com | | Legal | teams:ann,SLACK:ann",
		"Active | Robert Ray | bob@example.com | | none | sms:1",
		"| | cid@example.com | Supervisor | |",
		"Active | Dan Moe | dan@example.com | User | |")))
	g.people("ann@example.com", "bob@example.com", "cid@example.com", "dan@example.com")
	g.step("The same file again")
	g.preview("Import", g.csvFile("second.csv", archiveHeader,
		"Archived | | Ann@example.com | | Legal | teams:ann,SLACK:ann",
		"Active | Robert Ray | bob@example.com | | none | sms:1",
		"| | cid@example.com | Supervisor | |",
		"Active | Dan Moe | dan@example.com | User | |"))
	g.step("A blank status leaves an archived user archived")
	g.preview("Import", g.csvFile("third.csv", archiveHeader, "| Ann Leeds | ann@example.com | | |", "| | bob@example.com | | |"))
	g.step("Nobody is removed: who is not in the file stays as it is")
	g.apply(g.preview("Import", g.csvFile("third.csv", archiveHeader, "| Ann Leeds | ann@example.com | | |")))
	g.people("ann@example.com", "cid@example.com", "dan@example.com")
}
