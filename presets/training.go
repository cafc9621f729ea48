package presets

import "github.com/usersync-go/usersync"

// Training is a training platform: workbooks only; every user has an email address, a login name and a reference,
// which is the number under which the customer's own records have the person and by which a renamed user is found
// again. Columns that the platform does not know can become fields of all users, where the engine has a FieldStore.
// Users are put into training groups by their file and by ordered rules (Config.Assignments); a group that there is
// not can be created once somebody has confirmed it. The engine needs WithReferences, for the set "group", with a
// ReferenceCreator. Groups that rules name must be there.
func Training() Preset {
	cfg := usersync.DefaultConfig("Training")
	cfg.RemovedUsers = usersync.Ignore
	cfg.InactiveUsers = usersync.UpdateOnly
	cfg.Formats = []usersync.Format{usersync.FormatXLSX}
	cfg.Rules = map[string]usersync.Rule{"groups": {Strategy: usersync.Merge}}
	return Preset{Config: cfg, Schema: usersync.Schema{
		Key: "userName", Email: "email", Phone: "phone",
		Fields: []usersync.Field{
			{Name: "email", Title: "Email", Kind: usersync.KindEmail, Required: usersync.Always, Unique: usersync.MustBeUnique, Sample: "jane.doe@example.com", Help: "Email address. It must be different for every user."},
			{Name: "userName", Required: usersync.Always, MaxLength: 100, Sample: "jane.doe", Help: "Login name. It must be different for every user."},
			{Name: "reference", Required: usersync.Always, Unique: usersync.MustBeUnique, Match: "reference", MaxLength: 100, Sample: "000017", Help: "The person's number in your own records. A user whose login name has changed is found by it."},
			{Name: "firstName", Title: "First name", MaxLength: 255, Sample: "Jane", Help: "First name."},
			{Name: "lastName", Title: "Last name", MaxLength: 255, Sample: "Doe", Help: "Last name."},
			{Name: "position", Title: "Position", MaxLength: 255, Sample: "Shop assistant", Help: "Position."},
			{Name: "department", Title: "Department", MaxLength: 255, Sample: "Sales", Help: "Department."},
			{Name: "phone", Title: "Phone", Kind: usersync.KindPhone, MaxLength: 64, Sample: "+1 555 0100", Help: "Phone number."},
			{Name: "hired", Title: "Hired on", Kind: usersync.KindDate, Sample: "2026-01-31", Help: "First day of work."},
			{Name: "groups", Title: "Groups", Aliases: []string{"Training groups"}, MaxLength: 255, Sample: "New starters; Sales",
				List:   &usersync.ListFormat{Separator: ";", None: "none"},
				Refers: &usersync.Refers{Set: "group", Missing: usersync.MissingIsOffered},
				Help:   "Training groups, added to those that the user has."},
		},
	}}
}
