package usersync

import (
	"context"
	"fmt"
	"strings"
)

// spellRules looks up the names that the configuration gives, which must be there: nobody can be asked about
// them row by row.
func (j *previewJob) spellRules(ctx context.Context, rules []fieldRule) error {
	var bad problems
	for _, at := range j.schema.named {
		f, r := &j.schema.fields[at], &rules[at]
		var err error
		if r.strategy == ForceValue {
			r.forced, err = j.spellFixed(ctx, f, "rules."+f.Name+".value", r.forced, &bad)
		}
		if err == nil && r.hasDefault {
			r.byDefault, err = j.spellFixed(ctx, f, "defaults."+f.Name, r.byDefault, &bad)
		}
		if err != nil {
			return err
		}
	}
	if err := j.spellAssignments(ctx, &bad); err != nil {
		return err
	}
	return bad.err("configuration")
}

// spellAssignments puts the product's spelling into the preview's copy of the assignment rules, where it stays for
// decisions, which ask the rules again.
func (j *previewJob) spellAssignments(ctx context.Context, bad *problems) error {
	for i := range j.cfg.Assignments {
		a := &j.cfg.Assignments[i]
		f := &j.schema.fields[j.schema.byName[a.Field]]
		if f.Refers == nil {
			continue
		}
		for n := range a.Rules {
			path := fmt.Sprintf("assignments.%d.rules.%d.values", i, n)
			if err := j.spellAssigned(ctx, f, path, &a.Rules[n], bad); err != nil {
				return err
			}
		}
	}
	return nil
}

func (j *previewJob) spellAssigned(ctx context.Context, f *field, path string, rule *AssignRule, bad *problems) error {
	for i, value := range rule.Values {
		known := len(*bad)
		s, err := j.spellFixed(ctx, f, fmt.Sprintf("%s.%d", path, i), canonicalOf(f, value), bad)
		for at := range (*bad)[known:] {
			p := &(*bad)[known+at]
			p.Detail = fmt.Sprintf("rule %q: %s", rule.Name, p.Detail)
		}
		if err != nil {
			return err
		}
		items := f.items(s)
		if len(items) == 1 && canonicalOf(f, items[0]) == s { // the rules read it as a cell
			rule.Values[i] = items[0]
		}
	}
	return nil
}

func (j *previewJob) spellFixed(ctx context.Context, f *field, path, value string, bad *problems) (string, error) {
	if err := j.naming.know(ctx, f.Refers.Set, f.newNames(value, "")); err != nil {
		return "", err
	}
	s := j.spellItems(f, value, false)
	for _, name := range s.missing {
		bad.add(path, "%s", missingReason(f, name).Text())
	}
	return s.value, nil
}

// checkRefers refuses names where they make no sense.
func checkRefers(f Field, path string, bad *problems) {
	r := f.Refers
	if r == nil {
		return
	}
	path += ".refers"
	if cleaned, _ := clean(r.Set); cleaned == "" || cleaned != r.Set {
		bad.add(path+".set", "needs a word for the things that are named, such as group")
	}
	oneOf(path+".missing", r.Missing, bad, MissingIsError, MissingRefusesFile, MissingIsOffered)
	if f.Kind != KindText || f.Secret || f.Match != "" {
		bad.add(path, "only text that is neither secret nor a match field can name things")
	}
	if r.Before != "" && f.List != nil && strings.Contains(r.Before, f.List.Separator) {
		bad.add(path+".before", "has the separator of the list in it")
	}
}

// validateNames refuses a schema whose names nobody can look up.
func (o *options) validateNames(s *schema) error {
	var bad problems
	if len(s.named) > 0 && o.references == nil {
		bad.add("references", "%s has names of things: say with WithReferences how they are looked up",
			s.fields[s.named[0]].Name)
	}
	return bad.err("option")
}

// validateCreator refuses a schema that offers to create things, where nobody can.
func (e *Engine) validateCreator() error {
	var bad problems
	for _, at := range e.schema.named {
		if f := &e.schema.fields[at]; f.Refers.Missing == MissingIsOffered && e.creator == nil {
			bad.add("references", "%s offers to create a %s: WithReferences needs a ReferenceCreator", f.Name, f.Refers.Set)
		}
	}
	return bad.err("option")
}
