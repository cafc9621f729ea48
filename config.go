package usersync

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Behaviours: what to do with each sort of user. The first of each group is the default of
// [DefaultConfig], except for removed users.
const (
	Create Behaviour = "create" // new users: create them
	Update Behaviour = "update" // existing users: write what differs
	Skip   Behaviour = "skip"   // new, existing or inactive users: leave them alone

	Activate   Behaviour = "activate"   // inactive users: make them active and update them
	UpdateOnly Behaviour = "updateOnly" // inactive users: update them, they stay inactive
	FollowFile Behaviour = "followFile" // inactive users: update them, and make those active whom the file's status says to be

	Deactivate Behaviour = "deactivate" // removed users: make them inactive
	NoAction   Behaviour = "noAction"   // removed users: list them, change nothing
	Ignore     Behaviour = "ignore"     // removed users: do not even list them
)

// Behaviour says what to do with one sort of user.
type Behaviour string

// Strategy says which value wins when the file and the system disagree about a field of an existing
// user. A new user takes the file's values whatever the strategy, except for ForceValue.
type Strategy string

// The strategies.
const (
	UseSource       Strategy = "useSource"       // the file's value
	KeepDestination Strategy = "keepDestination" // the system's value, always
	UpdateIfEmpty   Strategy = "updateIfEmpty"   // the file's value where the system has none
	ForceValue      Strategy = "forceValue"      // the rule's fixed value, for new users too, whatever the file says
	AskAtRuntime    Strategy = "askAtRuntime"    // a person decides where both have one and they differ
	Merge           Strategy = "merge"           // list fields: the system's values and the file's
)

// Rule is the strategy for one field.
type Rule struct {
	Strategy Strategy `json:"strategy"`
	Value    string   `json:"value,omitempty"` // for ForceValue
}

// Blank says what a blank cell means for an existing user.
type Blank string

// What a blank cell means.
const (
	BlankKeeps  Blank = "keep"  // no value is given: the field stays as it is
	BlankClears Blank = "clear" // the field is cleared, unless it is required, has a default or is the status
)

// Shared says what to do with a removed user whom another configuration's file still has.
type Shared string

// What happens to users of several files.
const (
	HoldShared    Shared = "hold"    // they stay as they are, with a warning
	ReleaseShared Shared = "release" // they are treated like other removed users
)

// Config is a saved sync configuration: how a file maps to users and what to do when the file and the
// system disagree. It is plain data and marshals to JSON. Start from [DefaultConfig]: the zero Config
// is not valid.
type Config struct {
	// ID names the configuration for ever; its baseline is kept under it. Revision grows with every
	// edit. Both are the host's to give.
	ID       string `json:"id"`
	Name     string `json:"name"`
	Revision int64  `json:"revision"`
	// Paused configurations are neither previewed nor applied.
	Paused bool `json:"paused,omitempty"`

	NewUsers      Behaviour `json:"newUsers"`      // Create or Skip
	ExistingUsers Behaviour `json:"existingUsers"` // Update or Skip
	InactiveUsers Behaviour `json:"inactiveUsers"` // Activate, Skip, UpdateOnly or FollowFile
	RemovedUsers  Behaviour `json:"removedUsers"`  // Deactivate, NoAction or Ignore

	// DefaultRule holds for every field that Rules does not name. It cannot be ForceValue or Merge.
	DefaultRule Strategy        `json:"defaultRule"`
	Rules       map[string]Rule `json:"rules,omitempty"`

	// Defaults are values, by field, for blank or absent cells of new users, and of existing users who
	// have no value unless the field's rule is KeepDestination. They never replace a value.
	Defaults map[string]string `json:"defaults,omitempty"`

	// Formats are the kinds of file that are taken, none for all of them.
	Formats []Format `json:"formats,omitempty"`

	// Columns maps headers of the file to fields, beside the schema's own headers.
	Columns map[string]string `json:"columns,omitempty"`

	// Assignments put users into groups by rules over their fields.
	Assignments []Assignment `json:"assignments,omitempty"`

	BlankCells Blank `json:"blankCells"`
	// ClearMarker is the text of a cell that clears its field, such as "<delete>", "" for none.
	ClearMarker string `json:"clearMarker,omitempty"`

	// WelcomeMail sends new users a welcome mail, unless a run says otherwise.
	WelcomeMail bool `json:"welcomeMail"`
	// WelcomeText invites new users by phone, unless a run says otherwise.
	WelcomeText bool `json:"welcomeText,omitempty"`
	// Notify are addresses that get a mail when a run has come to its end, where there is a Mailer that is a
	// Messenger.
	Notify []string `json:"notify,omitempty"`

	SharedUsers Shared `json:"sharedUsers"`
	Guard       Guard  `json:"guard"`
	Limits      Limits `json:"limits,omitzero"`
}

// Guard holds a plan back that would deactivate many users: more than Percent of the baseline and more
// than Users, or more than Max, users leaving the file and rows that say inactive together; or whose
// file has no valid row although there is a baseline. The zero Guard asks about every deactivation.
type Guard struct {
	Off     bool    `json:"off,omitempty"` // no guard at all
	Percent float64 `json:"percent"`       // of the baseline, 0 to 100
	Users   int     `json:"users"`         // so many may always go, whatever the percentage
	Max     int     `json:"max,omitempty"` // never more than this many without a word, 0 for no such limit
}

// Limits bound what an upload may cost. A zero field takes the engine's limit, which is that of
// [DefaultLimits] unless WithLimits says otherwise; a configuration can only be stricter than the engine.
type Limits struct {
	Bytes         int64 `json:"bytes,omitempty"`         // size of the upload
	InflatedBytes int64 `json:"inflatedBytes,omitempty"` // all parts of a workbook that are read, unzipped
	Entries       int   `json:"entries,omitempty"`       // files inside a workbook
	Rows          int   `json:"rows,omitempty"`          // rows with data, the header not counted
	Columns       int   `json:"columns,omitempty"`
	CellChars     int   `json:"cellChars,omitempty"` // characters in one cell
}

// DefaultLimits are the limits of an engine that was given no others.
func DefaultLimits() Limits {
	return Limits{
		Bytes:         64 << 20,
		InflatedBytes: 1 << 30,
		Entries:       2000,
		Rows:          1_048_575,
		Columns:       1024,
		CellChars:     32_767,
	}
}

// DefaultConfig is what a new configuration starts as: create new users, update existing ones with the
// file's values, skip inactive ones, only list those who left the file, no welcome mail, the guard on.
// The name is also the ID until the host gives another.
func DefaultConfig(name string) Config {
	return Config{
		ID: name, Name: name, Revision: 1,
		NewUsers: Create, ExistingUsers: Update, InactiveUsers: Skip, RemovedUsers: NoAction,
		DefaultRule: UseSource,
		BlankCells:  BlankKeeps,
		SharedUsers: HoldShared,
		Guard:       Guard{Percent: 10, Users: 5},
	}
}

// ParseConfig reads a configuration from JSON over the defaults of DefaultConfig, so that what is left
// out has its default. An unknown member is an error. It is not validated: see Validate.
func ParseConfig(data []byte) (Config, error) {
	if text := bytes.TrimSpace(data); len(text) == 0 || text[0] != '{' {
		return Config{}, fmt.Errorf("usersync: configuration: not a JSON object")
	}
	cfg := DefaultConfig("")
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&cfg); err != nil {
		return Config{}, fmt.Errorf("usersync: configuration: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return Config{}, fmt.Errorf("usersync: configuration: there is more text after the JSON object")
	}
	if cfg.ID == "" {
		cfg.ID = cfg.Name
	}
	return cfg, nil
}

// Rule is the rule that holds for a field.
func (c Config) Rule(field string) Rule {
	if r, own := c.Rules[field]; own {
		return r
	}
	return Rule{Strategy: c.DefaultRule}
}

// Clone returns a copy that shares nothing with c.
func (c Config) Clone() Config {
	c.Rules, c.Defaults, c.Columns = maps.Clone(c.Rules), maps.Clone(c.Defaults), maps.Clone(c.Columns)
	c.Notify, c.Formats, c.Assignments = slices.Clone(c.Notify), slices.Clone(c.Formats), cloneAssignments(c.Assignments)
	return c
}

// WithRules returns a copy with those rules replaced or added and the next revision number.
func (c Config) WithRules(rules map[string]Rule) Config {
	c.Rules = maps.Clone(c.Rules)
	if c.Rules == nil {
		c.Rules = map[string]Rule{}
	}
	maps.Copy(c.Rules, rules)
	c.Revision++
	return c
}

// Validate reports everything that is wrong with the configuration for a schema as an *InvalidError,
// nil if nothing is.
func (c Config) Validate(s Schema) error {
	compiled, err := compile(s)
	if err != nil {
		return err
	}
	return c.validate(compiled)
}

func (c Config) validate(s *schema) error {
	var bad problems
	if c.ID == "" {
		bad.add("id", "is missing")
	}
	if strings.TrimSpace(c.Name) == "" {
		bad.add("name", "is missing: say what the configuration is for")
	}
	oneOf("newUsers", c.NewUsers, &bad, Create, Skip)
	oneOf("existingUsers", c.ExistingUsers, &bad, Update, Skip)
	oneOf("inactiveUsers", c.InactiveUsers, &bad, Activate, Skip, UpdateOnly, FollowFile)
	oneOf("removedUsers", c.RemovedUsers, &bad, Deactivate, NoAction, Ignore)
	oneOf("blankCells", c.BlankCells, &bad, BlankKeeps, BlankClears)
	for i, format := range c.Formats {
		oneOf("formats."+strconv.Itoa(i), format, &bad, FormatXLSX, FormatCSV)
	}
	oneOf("sharedUsers", c.SharedUsers, &bad, HoldShared, ReleaseShared)
	oneOf("defaultRule", c.DefaultRule, &bad, UseSource, KeepDestination, UpdateIfEmpty, AskAtRuntime)
	for _, name := range slices.Sorted(maps.Keys(c.Rules)) {
		c.validateRule(s, name, &bad)
	}
	c.validateLastDay(s, &bad)
	c.validateDefaults(s, &bad)
	c.validateColumns(s, &bad)
	c.validateAssignments(s, &bad)
	if cleaned, _ := clean(c.ClearMarker); cleaned != c.ClearMarker {
		bad.add("clearMarker", "has white space at its ends or invisible characters")
	}
	validateAddresses("notify", c.Notify, &bad)
	c.Guard.validate(&bad)
	c.Limits.validate("limits", &bad)
	return bad.err("configuration")
}

func (c Config) validateRule(s *schema, name string, bad *problems) {
	path, r := "rules."+name, c.Rules[name]
	i, known := s.byName[name]
	if !known {
		bad.add(path, "there is no field %q", name)
		return
	}
	f := &s.fields[i]
	oneOf(path+".strategy", r.Strategy, bad,
		UseSource, KeepDestination, UpdateIfEmpty, ForceValue, AskAtRuntime, Merge)
	switch {
	case f.transient:
		bad.add(path, "%s only finds users and is never written", name)
	case r.Strategy == Merge && f.List == nil:
		bad.add(path+".strategy", "only list fields can be merged")
	case r.Strategy == AskAtRuntime && f.Secret:
		bad.add(path+".strategy", "a secret cannot be shown to ask about it")
	case r.Strategy == ForceValue && f.Secret:
		bad.add(path+".strategy", "a secret cannot stand in a configuration, which is shown")
	case r.Strategy == ForceValue && i == s.key:
		bad.add(path+".strategy", "the key cannot be the same for every user")
	case r.Strategy == ForceValue && (f.Unique == MustBeUnique || f.Match != ""):
		bad.add(path+".strategy", "%s must be different for every user", name)
	case r.Strategy == ForceValue:
		validateValue(f, path+".value", r.Value, bad)
	case r.Value != "":
		bad.add(path+".value", "only forceValue has a value")
	}
}

// validateLastDay refuses to ask about the last day: whether the user is active would hang on the answer, and
// the status that the plan shows on a question about another field.
func (c Config) validateLastDay(s *schema, bad *problems) {
	if s.lastDay < 0 || c.Rule(s.LastDay).Strategy != AskAtRuntime {
		return
	}
	bad.add("rules."+s.LastDay, "the last day decides the status and cannot be asked about: give it another rule of its own")
}

func (c Config) validateDefaults(s *schema, bad *problems) {
	for _, name := range slices.Sorted(maps.Keys(c.Defaults)) {
		i, known := s.byName[name]
		switch {
		case !known:
			bad.add("defaults."+name, "there is no field %q", name)
		case i == s.key || s.fields[i].Match != "" || s.fields[i].Unique == MustBeUnique:
			bad.add("defaults."+name, "%s must be different for every user", name)
		case s.fields[i].Secret:
			bad.add("defaults."+name, "a secret has no default")
		default:
			validateValue(&s.fields[i], "defaults."+name, c.Defaults[name], bad)
			c.validateStatusDefault(s, i, bad)
		}
	}
}

// validateStatusDefault refuses a default and a behaviour that undo each other with every upload: new
// users who are inactive, and inactive users who become active. (B9)
func (c Config) validateStatusDefault(s *schema, i int, bad *problems) {
	f := &s.fields[i]
	if i == s.status && c.InactiveUsers == Activate && canonicalOf(f, c.Defaults[f.Name]) == "false" {
		bad.add("defaults."+f.Name, "new users would be inactive, and the next upload would activate them: "+
			"choose skip or updateOnly for inactive users")
	}
}

// validateValue checks a fixed value as a cell with that text would be checked.
func validateValue(f *field, path, value string, bad *problems) {
	text, _ := clean(value)
	if text == "" {
		bad.add(path, "is missing")
		return
	}
	if _, refused := f.canonical(text); refused != nil {
		bad.add(path, "%s", refused.Text())
	}
}

func (c Config) validateColumns(s *schema, bad *problems) {
	taken := map[string]string{}
	for _, header := range slices.Sorted(maps.Keys(c.Columns)) {
		name := c.Columns[header]
		if _, known := s.byName[name]; !known {
			bad.add("columns."+header, "there is no field %q", name)
		}
		folded := foldHeader(header)
		if folded == "" {
			bad.add("columns", "a header is blank")
		}
		if other, twice := taken[folded]; twice && c.Columns[other] != name {
			bad.add("columns."+header, "is the same header as %q", other)
		}
		taken[folded] = header
	}
}

func (g Guard) validate(bad *problems) {
	if !(g.Percent >= 0 && g.Percent <= 100) {
		bad.add("guard.percent", "must be from 0 to 100")
	}
	if g.Users < 0 {
		bad.add("guard.users", "cannot be negative")
	}
	if g.Max < 0 {
		bad.add("guard.max", "cannot be negative")
	}
}

func (l Limits) validate(path string, bad *problems) {
	check := func(name string, negative bool) {
		if negative {
			bad.add(path+"."+name, "cannot be negative")
		}
	}
	check("bytes", l.Bytes < 0)
	check("inflatedBytes", l.InflatedBytes < 0)
	check("entries", l.Entries < 0)
	check("rows", l.Rows < 0)
	check("columns", l.Columns < 0)
	check("cellChars", l.CellChars < 0)
}

// within gives, for each limit, the stricter of l and outer; a zero field of l takes outer's.
func (l Limits) within(outer Limits) Limits {
	return Limits{
		Bytes:         stricter(l.Bytes, outer.Bytes),
		InflatedBytes: stricter(l.InflatedBytes, outer.InflatedBytes),
		Entries:       stricter(l.Entries, outer.Entries),
		Rows:          stricter(l.Rows, outer.Rows),
		Columns:       stricter(l.Columns, outer.Columns),
		CellChars:     stricter(l.CellChars, outer.CellChars),
	}
}

// orDefault gives l with defaults for the fields that are zero.
func (l Limits) orDefault() Limits {
	d := DefaultLimits()
	return Limits{
		Bytes:         cmp.Or(l.Bytes, d.Bytes),
		InflatedBytes: cmp.Or(l.InflatedBytes, d.InflatedBytes),
		Entries:       cmp.Or(l.Entries, d.Entries),
		Rows:          cmp.Or(l.Rows, d.Rows),
		Columns:       cmp.Or(l.Columns, d.Columns),
		CellChars:     cmp.Or(l.CellChars, d.CellChars),
	}
}

func stricter[T int | int64](a, b T) T {
	if a == 0 {
		return b
	}
	return min(a, b)
}

// exceeded tells whether the guard holds back so many deactivations. (A2)
func (g Guard) exceeded(deactivations, baseline int) bool {
	if g.Off {
		return false
	}
	if g.Max > 0 && deactivations > g.Max {
		return true
	}
	return deactivations > g.Users && float64(deactivations) > g.Percent/100*float64(baseline)
}
