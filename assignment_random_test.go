package usersync_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
)

// Assignment rules against a small reference: a world is previewed, decided and stored with rules and without.
// The plan with them is the one without plus what the rules, asked about the values that the other plan leads to,
// add; nothing else differs. Then it is applied, and the same file finds nothing to assign. (G1 to G4, B9, K4)
func TestAssignmentsAgainstReference(t *testing.T) {
	n := *flagCases
	if testing.Short() {
		n = 500
	}
	var seen assignmentsSeen
	for i := range n {
		d := newDice(*flagSeed+2000, uint64(i))
		w := d.world(uint64(i))
		if !d.assign(w) {
			continue
		}
		if err := seen.try(t.Context(), w); err != nil {
			t.Fatalf("seed %d, case %d:\n%s\n%v", *flagSeed+2000, i, w, err)
		}
	}
	t.Logf("%+v", seen)
	require.Greater(t, seen.worlds, n/5)
	require.Greater(t, seen.added, n/5)
	require.Greater(t, seen.followed, n/100, "answers changed what rules add")
	require.Greater(t, seen.again, n/50, "the file was uploaded again")
}

// assignmentsSeen counts what the worlds had, so that the test cannot pass for want of cases.
type assignmentsSeen struct{ worlds, added, followed, again int }

// assign gives a world rules over its fields, if it has a list that rules can add to.
func (d dice) assign(w *world) bool {
	if w.field("groups").Name == "" {
		return false
	}
	if s := w.config.Rule("groups").Strategy; s == usersync.AskAtRuntime || s == usersync.ForceValue {
		w.config.Rules["groups"] = usersync.Rule{Strategy: pick(d, usersync.UseSource, usersync.Merge)}
	}
	w.seats = -1
	if w.seed%3 > 0 { // mostly there are questions, and rules that ask about the same fields
		for _, name := range []string{"title", "level", "locale", "active", "email"} {
			if w.field(name).Name != "" && w.field(name).Unique != usersync.MustBeUnique {
				w.config.Rules[name] = usersync.Rule{Strategy: usersync.AskAtRuntime}
			}
		}
	}
	for range 1 + d.IntN(2) {
		a := usersync.Assignment{Field: "groups", Match: pick(d, "", usersync.FirstMatch, usersync.AllMatches)}
		for i := range 1 + d.IntN(3) {
			r := usersync.AssignRule{Name: fmt.Sprintf("rule %d", i+1), Any: d.once(2),
				Values: pick(d, []string{"red"}, []string{"green", "blue"}, []string{"grey"}, []string{"new", "new"})}
			for range d.IntN(3) {
				r.If = append(r.If, d.condition(w))
			}
			a.Rules = append(a.Rules, r)
		}
		w.config.Assignments = append(w.config.Assignments, a)
	}
	return true
}

func (d dice) condition(w *world) usersync.Condition {
	var names []string
	for _, f := range w.schema.Fields {
		if !matchOnly(f) && f.Name != "groups" {
			names = append(names, f.Name)
		}
	}
	name := pick(d, names...)
	for range 2 {
		if w.config.Rules[name].Strategy != usersync.AskAtRuntime {
			name = pick(d, names...)
		}
	}
	c := usersync.Condition{Field: name, Not: d.once(3),
		Op: pick(d, usersync.IfEquals, usersync.IfOneOf, usersync.IfPrefix, usersync.IfPattern, usersync.IfEmpty)}
	good := fixed[name]
	switch name {
	case w.schema.Key:
		good = [2]string{"ANNA", "bert"}
	case "title", "email":
		good = [2]string{cellTexts[name][0], cellTexts[name][2]}
	}
	switch c.Op {
	case usersync.IfEquals:
		c.Values = []string{good[d.IntN(2)]}
	case usersync.IfOneOf:
		c.Values = good[:]
	case usersync.IfPrefix:
		c.Values = []string{pick(d, "A", "b", "d", "+1", "030", "t")}
	case usersync.IfPattern:
		c.Values = []string{pick(d, ".*[aeiou].*", "[^0-9]+", "(x|y)", "D.*")}
	}
	return c
}

func (seen *assignmentsSeen) try(ctx context.Context, w *world) error {
	if err := w.config.Validate(w.schema); err != nil {
		return err
	}
	plain := w.clone()
	plain.config.Assignments = nil
	eng, _, err := w.open(ctx)
	if err != nil {
		return err
	}
	with, err := eng.Preview(ctx, w.config, w.source())
	if err != nil {
		return nil // the file is refused
	}
	without, err := eng.Preview(ctx, plain.config, w.source())
	if err != nil {
		return err
	}
	seen.worlds++
	before := ""
	for round := range 4 {
		now, err := seen.compare(w, with, without)
		if err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		if round > 0 && now != before {
			seen.followed++
		}
		before = now
		answers := w.answers(without, round%2)
		if round > 1 { // and back again
			answers = []usersync.Decision{{Choice: pick(newDice(w.seed, uint64(round)), usersync.TakeFile, usersync.KeepCurrent)}}
		}
		for _, p := range []*usersync.Plan{with, without} {
			if err := p.Resolve(answers...); err != nil {
				return err
			}
		}
		if with, err = w.stored(with); err != nil {
			return err
		}
	}
	if _, err := seen.compare(w, with, without); err != nil {
		return err
	}
	return seen.uploadAgain(ctx, w)
}

// uploadAgain applies a plan in which nothing is asked; the second time there is nothing to assign.
func (seen *assignmentsSeen) uploadAgain(ctx context.Context, w *world) error {
	eng, _, err := w.open(ctx)
	if err != nil {
		return err
	}
	plan, err := eng.Preview(ctx, w.config, w.source())
	if err != nil || plan.Counts().Conflicts > 0 || plan.Counts().Errors > 0 {
		return err
	}
	if _, err := applyConfirmed(ctx, eng, plan); err != nil {
		return err
	}
	again, err := eng.Preview(ctx, w.config, w.source())
	if err != nil {
		return err
	}
	seen.again++
	for row := range again.Rows() {
		for _, c := range row.Changes {
			if c.Rule != "" || c.By == usersync.ByAssignment {
				return fmt.Errorf("the second time row %d is assigned: %+v", row.Number, c)
			}
		}
	}
	return nil
}

// compare compares a plan with rules with the one without. It gives what the rules add.
func (seen *assignmentsSeen) compare(w *world, with, without *usersync.Plan) (text string, err error) {
	plain, added, i := slices.Collect(without.Rows()), map[string]int{}, 0
	for row := range with.Rows() {
		want := plain[i]
		i++
		if want.Number == 0 || want.Class == usersync.ClassError || leftAlone(w, want) {
			if shortJSON(row) != shortJSON(want) {
				return "", fmt.Errorf("got  %s\nwant %s", shortJSON(row), shortJSON(want))
			}
			continue
		}
		groups, rules := w.rulesAdd(want)
		if err := w.compareRow(row, want, groups, rules); err != nil {
			return "", err
		}
		text += fmt.Sprint(groups, rules)
		if change := changeOf(row, "groups"); change != nil {
			seen.added += len(rules)
			for _, r := range rules {
				added[r]++
			}
		}
	}
	for _, a := range with.Assigned() {
		key := fmt.Sprintf("%d %s", a.Assignment, a.Rule)
		if a.Rows != added[key] {
			return "", fmt.Errorf("%s adds to %d rows, want %d", key, a.Rows, added[key])
		}
	}
	return text, nil
}

// compareRow compares a row with what it is without rules and what they add.
func (w *world) compareRow(row, plain usersync.Row, groups, rules []string) error {
	bad := func(what string, want any) error {
		return fmt.Errorf("%s: want %v in %s\nwithout rules %s", what, want, shortJSON(row), shortJSON(plain))
	}
	m := &model{world: w}
	change, before := changeOf(row, "groups"), changeOf(plain, "groups")
	if got := m.after(row, "groups"); !slices.Equal(got, groups) && (change != nil || !m.same(w.field("groups"), value(got), value(groups))) {
		return bad("groups", groups)
	}
	if change != nil {
		by, names := usersync.ByAssignment, make([]string, len(rules))
		if before != nil {
			by = before.By
		}
		for i, r := range rules {
			_, names[i], _ = strings.Cut(r, " ")
		}
		if change.By != by || change.Rule != strings.Join(names, ", ") {
			return bad("decided by", fmt.Sprint(by, rules))
		}
	}
	others := func(r usersync.Row) string {
		return fmt.Sprintf("%+v", slices.DeleteFunc(slices.Clone(r.Changes), func(c usersync.FieldChange) bool { return c.Field == "groups" }))
	}
	if others(row) != others(plain) {
		return bad("other changes", others(plain))
	}
	class := plain.Class
	writes := slices.ContainsFunc(row.Changes, func(c usersync.FieldChange) bool { return !c.Kept })
	switch {
	case class == usersync.ClassNew || row.Op == usersync.OpActivate || row.Op == usersync.OpDeactivate:
	case writes:
		class = usersync.ClassUpdated
	default:
		class = usersync.ClassSkipped
	}
	if row.Class != class || plain.Op != row.Op && plain.Op != "" && row.Op != "" {
		return bad("class", class)
	}
	return nil
}

func changeOf(row usersync.Row, field string) *usersync.FieldChange {
	for i := range row.Changes {
		if row.Changes[i].Field == field {
			return &row.Changes[i]
		}
	}
	return nil
}

// leftAlone tells a row that is skipped by the configuration.
func leftAlone(w *world, row usersync.Row) bool {
	return slices.ContainsFunc(row.Reasons, func(r usersync.Reason) bool {
		return slices.Contains([]usersync.Code{usersync.CodeNewSkipped, usersync.CodeExistingSkipped, usersync.CodeInactiveSkipped}, r.Code)
	})
}

func (w *world) userOf(row usersync.Row) *usersync.User {
	for i := range w.users {
		if w.users[i].ID == row.UserID {
			return &w.users[i]
		}
	}
	return nil
}

// after is what a user has in a field after a row, which shows lists with commas.
func (m *model) after(row usersync.Row, name string) []string {
	u, c := m.userOf(row), changeOf(row, name)
	switch {
	case c != nil && !c.Kept && c.New == "":
		return nil
	case c != nil && !c.Kept:
		return strings.Split(c.New, ", ")
	case name == m.schema.Status && u == nil:
		return []string{"true"}
	case name == m.schema.Status:
		return []string{fmt.Sprint(u.Active)}
	case u == nil:
		return nil
	}
	return m.current(u, m.field(name))
}

// rulesAdd gives the groups after the run, and the rules that add to them what is not there without them.
func (w *world) rulesAdd(row usersync.Row) (groups, rules []string) {
	m := &model{world: w}
	groups = slices.Clone(m.after(row, "groups"))
	if w.userOf(row) != nil && w.config.Rule("groups").Strategy == usersync.KeepDestination {
		return groups, nil
	}
	for i, a := range w.config.Assignments {
		for _, r := range a.Rules {
			if !m.fits(row, r) {
				continue
			}
			n := len(groups)
			for _, v := range r.Values {
				if !slices.Contains(groups, v) {
					groups = append(groups, v)
				}
			}
			if len(groups) > n {
				rules = append(rules, fmt.Sprintf("%d %s", i, r.Name))
			}
			if a.Match != usersync.AllMatches {
				break
			}
		}
	}
	return groups, rules
}

func (m *model) fits(row usersync.Row, r usersync.AssignRule) bool {
	holding := 0
	for _, c := range r.If {
		values := m.after(row, c.Field)
		is := slices.ContainsFunc(values, func(v string) bool { return m.isSo(c, v) })
		if c.Op == usersync.IfEmpty {
			is = len(values) == 0
		}
		if is != c.Not {
			holding++
		}
	}
	return holding == len(r.If) || r.Any && holding > 0
}

// isSo tells whether one value fits a condition.
func (m *model) isSo(c usersync.Condition, v string) bool {
	f := m.field(c.Field)
	form := func(text string) string { return usersync.Fold(m.form(f, text)) }
	return slices.ContainsFunc(c.Values, func(wanted string) bool {
		switch c.Op {
		case usersync.IfPattern:
			return regexp.MustCompile("(?i)^(" + wanted + ")$").MatchString(v)
		case usersync.IfPrefix:
			return strings.HasPrefix(form(v), usersync.Fold(wanted))
		}
		item, _ := canonicalItem(f, wanted)
		return form(v) == form(item)
	})
}
