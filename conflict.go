package usersync

// Decider says which rule decided a field's new value. For the strategies it is the strategy's name.
type Decider string

// The deciders that are no strategies.
const (
	ByNewUser Decider = "newUser" // a new user takes the file's value
	ByDefault Decider = "default" // the configuration's default, where there was no value
	// ByBehaviour changes are those of the status that the configuration's behaviour makes.
	ByBehaviour Decider = "behaviour"
	// ByLastDay changes are those of the status of users whose last day is over.
	ByLastDay Decider = "lastDay"
	// ByAssignment changes are those of assignment rules alone; FieldChange.Rule names them.
	ByAssignment Decider = "assignment"
	// ByUndo changes take back what a run has written.
	ByUndo Decider = "undo"
)

// choice is what a person said about a conflict.
type choice uint8

const (
	noQuestion  choice = iota // the rule decided
	undecided                 // a person has to
	takeFile                  // a person decided for the file
	keepCurrent               // a person decided for the system
)

// setting is a field that is to be written, or that would be if a person says so.
type setting struct {
	field  int32
	choice choice
	by     Decider
	old    string // as the store has it
	new    string // canonical; "" clears the field
}

// writes tells whether the field is written, as far as that is decided: an open question counts as
// answered with the file's value.
func (s *setting) writes() bool { return s.choice != keepCurrent }

// fieldRule is what the configuration says about one field, prepared.
type fieldRule struct {
	strategy   Strategy
	own        bool   // the field has a rule of its own
	forced     string // canonical, for ForceValue
	byDefault  string // canonical, "" for no default
	hasDefault bool
}

// fills tells that a blank cell of a required field is no error: a new user gets a value all the same,
// and so does an existing one who has none.
func (r *fieldRule) fills() bool { return r.hasDefault || r.strategy == ForceValue }

// prepareRules gives the rule of each field. The configuration is valid.
func prepareRules(s *schema, cfg *Config) []fieldRule {
	rules := make([]fieldRule, len(s.fields))
	for i := range s.fields {
		f := &s.fields[i]
		r := cfg.Rule(f.Name)
		_, own := cfg.Rules[f.Name]
		rules[i] = fieldRule{strategy: r.Strategy, own: own}
		if r.Strategy == ForceValue {
			rules[i].forced = canonicalOf(f, r.Value)
		}
		if text, has := cfg.Defaults[f.Name]; has {
			rules[i].byDefault, rules[i].hasDefault = canonicalOf(f, text), true
		}
	}
	return rules
}

// canonicalOf is the canonical form of a value that is known to be valid.
func canonicalOf(f *field, value string) string {
	text, _ := clean(value)
	if text == "" {
		return ""
	}
	v, _ := f.canonical(text)
	return v
}

// forNewUser says what a new user gets.
//
//	rule        cell            value
//	force       any             the forced value
//	any other   given           the file's
//	any other   blank, absent   the default, if there is one
//	any other   cleared         none
func (r *fieldRule) forNewUser(state cellState, value string) (v string, by Decider) {
	switch {
	case r.strategy == ForceValue:
		return r.forced, Decider(ForceValue)
	case state == given:
		return value, ByNewUser
	case r.hasDefault && (state == blank || state == absent):
		return r.byDefault, ByDefault
	}
	return "", ""
}

// forExisting says what is written to a field of an existing user who has the value current, which is
// canonical and "" for blank. It is not ok if nothing is. (K1 to K3)
//
//	rule             given                    cleared             blank or absent
//	useSource        the file's, if other     empty               the default, if blank
//	updateIfEmpty    the file's, if blank     -                   the default, if blank
//	askAtRuntime     the file's, if blank;    asks, unless blank  the default, if blank
//	                 asks, if other
//	merge            both                     empty               the default, if blank
//	keepDestination  -                        -                   -
//	forceValue       the forced value, if other, in every case
func (r *fieldRule) forExisting(f *field, state cellState, value, current string) (v string, by Decider, ask, ok bool) {
	switch r.strategy {
	case KeepDestination:
		return "", "", false, false
	case ForceValue:
		return r.forced, Decider(ForceValue), false, !f.same(r.forced, current)
	}
	switch {
	case state == blank || state == absent:
		return r.byDefault, ByDefault, false, r.hasDefault && current == ""
	case state == given && current == "":
		return value, Decider(r.strategy), false, true
	case state == broken || r.strategy == UpdateIfEmpty || current == "":
		return "", "", false, false
	case state == cleared:
		return "", Decider(r.strategy), r.strategy == AskAtRuntime, true
	case r.strategy == Merge:
		v = mergeLists(f, current, value)
	default:
		v = value
	}
	return v, Decider(r.strategy), r.strategy == AskAtRuntime, !f.same(v, current)
}

// mergeLists adds to the current items those of the file that are missing.
func mergeLists(f *field, current, value string) string {
	items := listItems(current)
	for _, item := range listItems(value) {
		if !f.hasItem(items, item) {
			items = append(items, item)
		}
	}
	return listValue(items)
}
