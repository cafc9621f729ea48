package usersync

import (
	"fmt"
	"regexp"
	"slices"
)

// Assignment puts users into groups by rules over their fields: the first rule that fits a user, or every
// one that does, adds its values to a list field. Rules add to what the file and the system say and take
// nothing away, so that a group that a person gave a user stays.
//
// Rules see the values that the user has after the run: those that the row writes, defaults included, and
// the current ones where it writes nothing. A conflict that waits for a decision counts as answered with the
// file's value. Users whose row is an Error, is skipped by the configuration or left the file are not
// assigned.
type Assignment struct {
	// Field is the list field that the rules add to, such as "groups". A KeepDestination rule of the field
	// lets them add for new users only; it cannot be under ForceValue or AskAtRuntime. No condition of the
	// configuration may ask about it.
	Field string `json:"field"`
	// Match says how many rules decide, "" for FirstMatch.
	Match Matching `json:"match,omitempty"`
	// Rules are tried in order.
	Rules []AssignRule `json:"rules"`
}

// Matching says how many rules of an assignment decide about a user.
type Matching string

// How many rules decide.
const (
	FirstMatch Matching = "first" // the first that fits
	AllMatches Matching = "all"   // every one that fits
)

// AssignRule is one rule of an assignment.
type AssignRule struct {
	// Name is shown beside what the rule adds. No other rule of the assignment has it, compared by [Fold].
	Name string `json:"name"`
	// Any makes one of the conditions enough; otherwise all of them must hold. A rule without conditions
	// fits everybody.
	Any bool        `json:"any,omitempty"`
	If  []Condition `json:"if,omitempty"`
	// Values are what is added to the field, each a value of its own, as a cell would give it.
	Values []string `json:"values"`
}

// Condition is a question about one field of a user. Of a list field it holds if one of the items fits.
// Text is compared without regard to case ([Fold]), other kinds as they always are: Values of IfEquals and
// IfOneOf are taken as a cell would be ("yes" for true).
type Condition struct {
	Field string      `json:"field"` // not secret, and not only for matching
	Op    ConditionOp `json:"op"`
	Not   bool        `json:"not,omitempty"` // holds where it would not
	// Values are what the field is compared with: one for IfEquals, none for IfEmpty, one or more otherwise,
	// of which one is enough.
	Values []string `json:"values,omitempty"`
}

// ConditionOp says how a condition compares. A blank field fits IfEmpty and nothing else.
type ConditionOp string

// How conditions compare.
const (
	IfEquals  ConditionOp = "equals"  // the one value
	IfOneOf   ConditionOp = "oneOf"   // one of the values
	IfPrefix  ConditionOp = "prefix"  // begins with one of the values; white space at their ends does not count
	IfPattern ConditionOp = "pattern" // one of the regular expressions (RE2) fits the whole value, in any case
	IfEmpty   ConditionOp = "empty"   // there is no value
)

// cloneAssignments is a copy that shares nothing.
func cloneAssignments(all []Assignment) []Assignment {
	all = slices.Clone(all)
	for i := range all {
		all[i].Rules = slices.Clone(all[i].Rules)
		for j := range all[i].Rules {
			r := &all[i].Rules[j]
			r.If, r.Values = slices.Clone(r.If), slices.Clone(r.Values)
			for k := range r.If {
				r.If[k].Values = slices.Clone(r.If[k].Values)
			}
		}
	}
	return all
}

func (c Config) validateAssignments(s *schema, bad *problems) {
	targets := map[string]bool{}
	for i := range c.Assignments {
		targets[c.Assignments[i].Field] = true
	}
	for i := range c.Assignments {
		a, path := &c.Assignments[i], fmt.Sprintf("assignments.%d", i)
		if a.Match != "" {
			oneOf(path+".match", a.Match, bad, FirstMatch, AllMatches)
		}
		if len(a.Rules) == 0 {
			bad.add(path+".rules", "are missing")
		}
		f := c.validateTarget(s, path+".field", a.Field, bad)
		names := map[string]bool{}
		for j := range a.Rules {
			v := ruleCheck{s, targets, fmt.Sprintf("%s.rules.%d", path, j), bad}
			v.name(a.Rules[j].Name, names)
			v.values(f, a.Rules[j].Values)
			for k := range a.Rules[j].If {
				v.condition(fmt.Sprintf("%s.if.%d", v.path, k), &a.Rules[j].If[k])
			}
		}
	}
}

// validateTarget gives the field that an assignment adds to, nil for one that it cannot add to.
func (c Config) validateTarget(s *schema, path, name string, bad *problems) *field {
	i, known := s.byName[name]
	if !known {
		bad.add(path, "there is no field %q", name)
		return nil
	}
	f := &s.fields[i]
	strategy := c.Rule(name).Strategy
	switch {
	case f.List == nil:
		bad.add(path, "%s is not a list: rules can only add to a list", name)
		return nil
	case f.Secret:
		bad.add(path, "%s is secret: what rules add is shown", name)
	case strategy == ForceValue:
		bad.add(path, "%s has a fixed value for every user (forceValue), so that rules could add nothing", name)
	case strategy == AskAtRuntime:
		bad.add(path, "a person decides about %s (askAtRuntime): choose another rule for the field, such as merge", name)
	}
	return f
}

// ruleCheck checks one rule of an assignment.
type ruleCheck struct {
	s       *schema
	targets map[string]bool // fields that rules of the configuration add to
	path    string
	bad     *problems
}

func (v *ruleCheck) name(name string, taken map[string]bool) {
	folded := Fold(name)
	switch {
	case folded == "":
		v.bad.add(v.path+".name", "is missing: it is shown beside what the rule adds")
	case taken[folded]:
		v.bad.add(v.path+".name", "another rule is called %q too", name)
	}
	taken[folded] = true
}

// values checks what a rule adds to f, which is nil if that is not known.
func (v *ruleCheck) values(f *field, values []string) {
	if len(values) == 0 {
		v.bad.add(v.path+".values", "are missing: say what the rule adds")
	}
	for _, value := range values {
		if f != nil {
			v.item(f, v.path+".values", value)
		}
	}
}

// item checks one value of a field, of a list field one item.
func (v *ruleCheck) item(f *field, path, value string) {
	text, _ := clean(value)
	if text == "" {
		v.bad.add(path, "a value is blank")
		return
	}
	if f.List != nil && f.List.None != "" && Fold(text) == Fold(f.List.None) {
		v.bad.add(path, "%q says that there is no value", value)
		return
	}
	canonical, refused := f.canonical(text)
	switch {
	case refused != nil:
		v.bad.add(path, "%q: %s", value, refused.Text())
	case f.List != nil && len(listItems(canonical)) != 1:
		v.bad.add(path, "%q is not one value: give each on its own", value)
	}
}

func (v *ruleCheck) condition(path string, c *Condition) {
	oneOf(path+".op", c.Op, v.bad, IfEquals, IfOneOf, IfPrefix, IfPattern, IfEmpty)
	switch n := len(c.Values); {
	case c.Op == IfEmpty && n > 0:
		v.bad.add(path+".values", "empty compares with nothing")
	case c.Op == IfEquals && n > 1:
		v.bad.add(path+".values", "equals compares with one value: choose oneOf for several")
	case c.Op != IfEmpty && n == 0:
		v.bad.add(path+".values", "are missing")
	}
	i, known := v.s.byName[c.Field]
	if !known {
		v.bad.add(path+".field", "there is no field %q", c.Field)
		return
	}
	f := &v.s.fields[i]
	switch {
	case f.Secret:
		v.bad.add(path+".field", "%s is secret: nothing may tell what it is", c.Field)
		return // nor why a value would be refused
	case f.transient:
		v.bad.add(path+".field", "%s only finds users and is never written", c.Field)
	case v.targets[c.Field]:
		v.bad.add(path+".field", "rules add to %s, so that what they ask would change with every run", c.Field)
	}
	for _, value := range c.Values {
		v.compared(f, path+".values", c.Op, value)
	}
}

// compared checks what a condition compares with.
func (v *ruleCheck) compared(f *field, path string, op ConditionOp, value string) {
	switch op {
	case IfEquals, IfOneOf:
		v.item(f, path, value)
	case IfPrefix:
		if conditionForm(f, cleaned(value)) == "" {
			v.bad.add(path, "%q is the beginning of every value", value)
		}
	case IfPattern:
		if _, err := wholePattern(value); err != nil {
			v.bad.add(path, "%v", err)
		}
	}
}

func cleaned(value string) string {
	text, _ := clean(value)
	return text
}

// conditionForm is the form in which conditions compare a canonical value, or the beginning of one.
func conditionForm(f *field, v string) string { return Fold(f.compareForm(v)) }

// wholePattern is a regular expression that fits a whole value, without regard to case.
func wholePattern(text string) (*regexp.Regexp, error) {
	if _, err := regexp.Compile(text); err != nil { // on its own: "a)|(b" is none
		return nil, err
	}
	return regexp.Compile(`(?i)\A(?:` + text + `)\z`)
}
