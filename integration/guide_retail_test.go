package integration

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/phone"
	"github.com/usersync-go/usersync/presets"
)

const (
	retailHeader = "Login | Password | Phone | Email | Manager's email | First name | Last name | The user is a manager | User status | The user needs to change the password | Region | City | Role | Position | Team | Department | Appointments"
	retailGroups = "North | Moscow | Shop | Seller | Red | Sales | Till"
)

// retail is the preset with phone numbers as they are dialled in Russia.
func retail() presets.Preset {
	p := presets.Retail()
	toE164, err := phone.E164("RU")
	if err != nil {
		panic(err)
	}
	p.Phones(toE164)
	return p
}

// The user guide of the platform for the staff of shops.
func TestGuideRetail(t *testing.T) {
	playGuide(t, "retail", retail, func(g *guide) {
		g.config("New", func(c *usersync.Config) { c.WelcomeMail, c.WelcomeText = false, false })
		g.config("Update", func(c *usersync.Config) { c.ExistingUsers, c.WelcomeMail, c.WelcomeText = usersync.Update, true, true })
		g.retailFiles()
		g.retailFields()
		g.retailOptions()
		g.retailProcesses()
		g.retailSecrets()
	}, withThings(map[string][]string{"region": {"North", "South"}, "city": {"Moscow", "Kazan"}, "role": {"Shop"},
		"position": {"Seller", "Cashier"}, "team": {"Red"}, "department": {"Sales"}, "appointment": {"Till"}}))
}

func (g *guide) retailFiles() {
	g.step("The template")
	g.template()
	g.step("A file of another format")
	g.refuse("New", g.csvFile("users.csv", retailHeader))
	g.refuse("New", usersync.Open(bytes.NewReader([]byte("PK\x03\x04")), 4, "users.xlsx"))
	g.refuse("New", g.workbook("users.xlsx", "Password | Phone", "secret 1 | 8 495 000-00-00"))
}

// person is a row of a user with nothing wrong.
func person(login, password, phone, email string) string {
	return login + " | " + password + " | " + phone + " | " + email + " | boss@example.com | Анна | O'Neil-Smith | 0 | | 1 | " + retailGroups
}

// retailFields gives every field good and bad values.
func (g *guide) retailFields() {
	g.step("Every field with good values; phone numbers in any format")
	g.preview("New", g.workbook("good.xlsx", retailHeader,
		person(`a/b\c_d.e-f@9`, "abcdefg1", "+7 916 123-45-67", "anna@example.com"),
		person("bert", "1Пароль-x", "7 (916) 123-45-68", "bert@example.com"),
		person("cleo", "PASSWORD9", "89161234569", ""),
		person("dora", "!\"§$%&/7z", "+49 151 23456789", "dora@example.com"),
		"emil | 12345678a | | | | | | 1 | blocked | | north | KAZAN | shop | cashier | red | sales | till"))
	g.step("The value of a field cannot be empty")
	g.preview("New", g.workbook("blank.xlsx", retailHeader, " | abcdefg1 | | | | | | 0 | | | "+retailGroups,
		"anna | | | | | | | | | | | | | | | |"))
	long := "x23456789012345678901234567890123456789012345678901"
	address := strings.Repeat("x", 60) + "@" + strings.Repeat("y", 40) + ".example.com"
	g.step("A field can contain no more than so many characters")
	g.preview("New", g.workbook("long.xlsx", retailHeader,
		long+" | a1 | | "+address+" | "+address+" | "+long+" | "+long+" | 0 | | | "+retailGroups))
	g.step("The entered value does not match the format")
	g.preview("New", g.workbook("format.xlsx", retailHeader,
		"анна lee! | пароль12 | call me | anna | boss | Anna1! | Łukasz | 2 | fired | maybe | "+retailGroups,
		"аdmin | onlyletters | +7 916 123 | a@b | | Anna | Lee | 0 | active | 0 | "+retailGroups,
		"bert | with space 1 | 8 916 123-45-67 доб. 12 | b@example.com | | Bert | Berg | 0 | | 0 | "+retailGroups))
	g.step("The phone number or email address belongs to another user of the file")
	g.preview("New", g.workbook("twice.xlsx", retailHeader,
		person("anna", "abcdefg1", "8 (916) 123-45-67", "same@example.com"), person("bert", "abcdefg1", "+79161234567", "SAME@example.com"),
		person("Twin", "abcdefg1", "", ""), person("twin", "abcdefg1", "", "")))
	g.step("The company does not have a group")
	g.preview("New", g.workbook("groups.xlsx", retailHeader, "anna | abcdefg1 | | | | | | 0 | | | West | Paris | Boss | Pilot | Blue | Law | Chair"))
}

// retailOptions shows the two check boxes.
func (g *guide) retailOptions() {
	g.step("Registration without invitations; the status is ignored")
	g.apply(g.preview("New", g.workbook("first.xlsx", retailHeader,
		"anna | abcdefg1 | 8 916 123-45-67 | anna@example.com | | Анна | Ли | 1 | blocked | 0 | "+retailGroups,
		person("bert", "abcdefg1", "", "bert@example.com"))))
	g.invited()
	g.people("anna", "bert")
	g.step("Without the option, users who are on the platform are left alone; phone and email must not be another's")
	g.preview("New", g.workbook("again.xlsx", retailHeader,
		"anna | abcdefg1 | 8 916 000-00-00 | new@example.com | | Anne | Lee | 0 | blocked | 1 | "+retailGroups,
		person("cleo", "abcdefg1", "+7 916 123 45 67", "ANNA@example.com")))
	g.step("With it they are updated: the login and one more field are enough; the password of an existing user is not changed")
	update := []string{"Login | Phone | First name | User status | Region | Password | The user is a manager",
		"anna | | Аня | blocked | south | another1 |",
		"bert | +7 (916) 123-45-70 | | | | |",
		"cleo | | | | | |",
		"bert2 | | | | | |"}
	plan := g.preview("Update", g.workbook("update.xlsx", update...))
	g.apply(plan)
	g.people("anna", "bert")
	g.step("Only the login")
	g.preview("Update", g.workbook("key.xlsx", "Login | First name", "anna |", "bert |"))
	g.step("Blocked users stay blocked, unless the file says active")
	g.apply(g.preview("Update", g.workbook("status.xlsx", "Login | Last name | User status", "anna | Lee |", "bert | | active")))
	g.apply(g.preview("Update", g.workbook("status.xlsx", "Login | Last name | User status", "anna | Lee | active")))
	g.people("anna", "bert")
	g.step("New users are invited by email, by phone, or both")
	g.apply(g.preview("Update", g.workbook("invite.xlsx", retailHeader, person("both", "abcdefg1", "8 916 123-45-71", "both@example.com"),
		person("mail", "abcdefg1", "", "mail@example.com"), person("text", "abcdefg1", "89161234572", ""), person("none", "abcdefg1", "", ""),
		person("anna", "abcdefg1", "", "anna@example.com"))))
	g.invited()
}

// retailSecrets: a password is found where it belongs, as a hash, and nowhere else. (A10)
func (g *guide) retailSecrets() {
	g.step("Passwords")
	if got := g.passwordOf("anna"); !isHashOf(got, "abcdefg1") {
		g.t.Fatalf("the password of anna is %q", got)
	}
	g.say("the platform has the hash of the password that anna was registered with")
}

func (g *guide) passwordOf(login string) (stored string) {
	g.t.Helper()
	must(g.t, g.db.QueryRowContext(context.Background(), "SELECT password_hash FROM usersync_users WHERE login = '"+login+"'").Scan(&stored))
	return stored
}

// retailProcesses imports in the background.
func (g *guide) retailProcesses() {
	good, bad := person("vera", "abcdefg1", "8 916 123-45-80", "vera@example.com"), person("wanda", "short", "8 916 123-45-81", "wanda@example.com")
	g.step("Import in the background: a window with all processes")
	first := g.start("New", g.workbook("staff.xlsx", retailHeader, good))
	g.processes()
	first = g.work(first)
	g.processes()
	g.people("vera")
	g.step("A file of another format is not even begun")
	_, err := g.svc.Start(g.t.Context(), "New", g.csvFile("staff.csv", retailHeader))
	g.refused(err)
	g.step("Requires intervention: the list of errors, to copy and to download")
	second := g.work(g.start("New", g.workbook("more.xlsx", retailHeader, person("xena", "abcdefg1", "", ""), bad)))
	g.processes()
	must(g.t, g.svc.WriteErrors(g.t.Context(), second.PlanID, &g.out))
	g.say("the file of the bad rows has no password:")
	g.corrections(second.PlanID)
	g.step("Continue: the rows with errors are left out; all errors can be downloaded afterwards")
	second = g.work(g.proceed(second))
	g.processes()
	must(g.t, g.svc.WriteErrors(g.t.Context(), second.PlanID, &g.out))
	g.people("xena", "wanda")
	g.step("Requires intervention: the file is replaced")
	third := g.work(g.start("New", g.workbook("third.xlsx", retailHeader, bad)))
	g.processes()
	third, err = g.svc.ReplaceFile(g.t.Context(), third.ID, g.workbook("mended.xlsx", retailHeader, strings.Replace(bad, "short", "longer-9", 1)))
	must(g.t, err)
	g.work(third)
	g.processes()
	g.people("wanda")
	g.step("Requires intervention: cancelled")
	fourth := g.work(g.start("New", g.workbook("fourth.xlsx", "Login", "yara")))
	_, err = g.svc.CancelImport(g.t.Context(), fourth.ID)
	must(g.t, err)
	g.processes()
	g.step("A file that cannot be read requires intervention too")
	fifth := g.work(g.start("New", g.workbook("fifth.xlsx", "Password", "abcdefg1")))
	g.processes()
	_, err = g.svc.ContinueImport(g.t.Context(), fifth.ID, fifth.Edition, usersync.ImportChoices{})
	must(g.t, err)
	fifth = g.work(fifth)
	g.say("continued without another file: %s", fifth.Status)
	_, err = g.svc.CancelImport(g.t.Context(), fifth.ID)
	must(g.t, err)
	g.step("The entry of a process that has ended is deleted, others are not")
	open := g.start("New", g.workbook("open.xlsx", retailHeader, good))
	g.refused(withoutIDs(g.svc.DeleteImport(g.t.Context(), open.ID), open.ID))
	must(g.t, g.svc.DeleteImport(g.t.Context(), first.ID))
	g.processes()
	g.work(open)
	g.step("Invitations of an import, whatever the configuration says")
	on := true
	sent := len(g.mailer.Sent()) + len(g.texter.Sent())
	g.work(g.start("New", g.workbook("invited.xlsx", retailHeader, person("zoe", "abcdefg1", "8 916 123-45-99", "zoe@example.com")),
		usersync.WithImportOptions(usersync.ImportOptions{WelcomeMail: &on, WelcomeText: &on})))
	g.say("%d invitations", len(g.mailer.Sent())+len(g.texter.Sent())-sent)
}
