package presets

import "github.com/usersync-go/usersync"

// Archive is an archive of communications: CSV files of at most 2,000 users, who are found by their primary email
// address. Groups and source usernames are added to those that a user has. A group must exist; a source username
// such as "slack:jdoe" names its source before the colon, and a source that is not enabled refuses the whole file.
// Archived users are inactive ones. The engine needs WithReferences, for the sets "group" and "source".
func Archive() Preset {
	cfg := usersync.DefaultConfig("Archive")
	cfg.RemovedUsers = usersync.Ignore
	cfg.InactiveUsers = usersync.FollowFile
	cfg.Formats = []usersync.Format{usersync.FormatCSV}
	cfg.Limits.Rows = 2000
	cfg.Rules = map[string]usersync.Rule{
		"groups":          {Strategy: usersync.Merge},
		"sourceUsernames": {Strategy: usersync.Merge},
	}
	return Preset{Config: cfg, Schema: usersync.Schema{
		Key: "primaryEmail", Email: "primaryEmail", Status: "status",
		Fields: []usersync.Field{
			{Name: "status", Title: "Current Status", Kind: usersync.KindBool, TrueWords: []string{"Active"}, FalseWords: []string{"Archived"}, Sample: "Active", Help: "Archived users stay for the record and are not monitored."},
			{Name: "displayName", Title: "Display Name", Required: usersync.ForNewUsers, MaxLength: 255, Sample: "Jane Doe", Help: "Name as it is shown, in any form."},
			{Name: "primaryEmail", Title: "Primary Email", Kind: usersync.KindEmail, Required: usersync.Always, Sample: "jane.doe@example.com", Help: "Email address at work. It identifies the user."},
			{Name: "role", Title: "Role", Kind: usersync.KindEnum, Required: usersync.ForNewUsers, Sample: "User", Help: "What the user may do.",
				Options: []usersync.EnumValue{{Value: "User"}, {Value: "Admin"}, {Value: "Supervisor"}}},
			{Name: "groups", Title: "Groups", Aliases: []string{"Group(s)", "Group"}, Sample: "none", Help: "Groups that exist, added to those that the user has.",
				List:   &usersync.ListFormat{Separator: ",", None: "none"},
				Refers: &usersync.Refers{Set: "group"}},
			{Name: "sourceUsernames", Title: "Source Username(s)", Aliases: []string{"Source Usernames", "Source Username"}, Identifier: true,
				Sample: "slack:jdoe", Help: "Who the user is in each source, as source:username, added to what the user has. The source must be enabled.",
				Pattern: `[^:]+:.+`, PatternHelp: "source:username",
				List:   &usersync.ListFormat{Separator: ","},
				Refers: &usersync.Refers{Set: "source", Before: ":", Missing: usersync.MissingRefusesFile}},
		},
	}}
}
