package presets

import (
	"strings"

	"github.com/usersync-go/usersync"
)

// Retail is a platform for the staff of shops: workbooks only; users are found by their login. Without the option to
// update users who are there already (Config.ExistingUsers: Update) a file only registers new ones; with it the login
// and one more field are enough for those who exist. New users are invited by email and by phone where
// Config.WelcomeMail and Config.WelcomeText say so.
//
// A password is checked, given to the store for a new user, and shown nowhere; that of an existing user is not
// changed, since a file cannot be compared with it (for a product that wants it changed with every upload: take
// Ignored from the field, and give it a rule of its own in Config.Rules). The store needs a place for it: a
// sqlstore.Mapping with a column that has a Hash, see examples/retail. The status
// counts only for users who exist. The groups must exist: the engine needs WithReferences, for the sets "region",
// "city", "role", "position", "team", "department" and "appointment". Plans and uploads with passwords are stored
// under a key: WithSecretKey.
func Retail() Preset {
	cfg := usersync.DefaultConfig("Retail")
	cfg.ExistingUsers = usersync.Skip
	cfg.RemovedUsers = usersync.Ignore
	cfg.InactiveUsers = usersync.FollowFile
	cfg.Formats = []usersync.Format{usersync.FormatXLSX}
	return Preset{Config: cfg, Schema: usersync.Schema{
		Key: "login", Email: "email", Phone: "phone", Status: "status",
		Fields: append([]usersync.Field{
			{Name: "login", Title: "Login", Required: usersync.Always, MinLength: 1, MaxLength: 50, Sample: "sample.login",
				Characters: &usersync.Characters{Only: []usersync.CharSet{usersync.Latin, usersync.Digits}, Also: `/\_.-@`},
				Help:       "It identifies the user."},
			{Name: "password", Title: "Password", Secret: true, Required: usersync.ForNewUsers, Ignored: usersync.IgnoredForExisting, MinLength: 8, MaxLength: 100, Sample: "Sample-1",
				Characters: &usersync.Characters{Need: []usersync.CharSet{usersync.Digits, usersync.Latin}, Not: []usersync.CharSet{usersync.Spaces}},
				Help:       "Password of a new user. It is shown nowhere."},
			{Name: "phone", Title: "Phone", Kind: usersync.KindPhone, Unique: usersync.MustBeUnique, MaxLength: 64, Sample: "+7 495 000-00-00", Help: "Phone number in any format. It must be different for every user."},
			{Name: "email", Title: "Email", Kind: usersync.KindEmail, Unique: usersync.MustBeUnique, MaxLength: 100, Sample: "jane.doe@example.com", Help: "Email address. It must be different for every user."},
			{Name: "managerEmail", Title: "Manager's email", Aliases: []string{"Email of the manager"}, Kind: usersync.KindEmail, MaxLength: 100, Sample: "john.roe@example.com", Help: "Email address of the manager."},
			name("firstName", "First name", "Jane"),
			name("lastName", "Last name", "Doe"),
			flag("isManager", "The user is a manager", usersync.ForNewUsers, "1 for a manager, otherwise 0."),
			{Name: "status", Title: "User status", Kind: usersync.KindBool, TrueWords: []string{"active"}, FalseWords: []string{"blocked"}, Ignored: usersync.IgnoredForNew, Sample: "active", Help: "For users who exist; a new user is active."},
			flag("mustChangePassword", "The user needs to change the password", usersync.Optional, "1 if the user has to choose another password when signing in, otherwise 0."),
		}, groups("Region", "City", "Role", "Position", "Team", "Department", "Appointments")...),
	}}
}

func name(field, title, sample string) usersync.Field {
	return usersync.Field{Name: field, Title: title, MinLength: 1, MaxLength: 50, Sample: sample, Help: title + ".",
		Characters: &usersync.Characters{Only: []usersync.CharSet{usersync.Cyrillic, usersync.Latin, usersync.Digits, usersync.Spaces}, Also: `/\'-`}}
}

func flag(field, title string, required usersync.Required, help string) usersync.Field {
	return usersync.Field{Name: field, Title: title, Kind: usersync.KindBool, TrueWords: []string{"1"}, FalseWords: []string{"0"},
		Required: required, Sample: "0", Help: help}
}

// groups are fields for the group that a user belongs to of each kind. The set has the field's name, in the singular.
func groups(titles ...string) []usersync.Field {
	out := make([]usersync.Field, len(titles))
	for i, title := range titles {
		name := strings.ToLower(title)
		set := strings.TrimSuffix(name, "s")
		out[i] = usersync.Field{Name: name, Title: title, Aliases: []string{"Group " + title}, Required: usersync.ForNewUsers, MinLength: 1, MaxLength: 255,
			Refers: &usersync.Refers{Set: set}, Help: "A group of the kind " + title + " that exists."}
	}
	return out
}
