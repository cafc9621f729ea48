package usersync_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

// A1, C8: seats are freed before they are taken, and users exist before others refer to them.
func TestOrderOfWrites(t *testing.T) {
	for _, size := range []int{1, 2, 1000} {
		o := newOffice(t, []string{"bert", "carl active=false", "fred", "gina", "hans", "ines", "otto"}, usersync.WithBatchSize(size))
		o.had("fred", "gina", "hans")
		o.apply(o.preview("emil manager=dora", "hans manager=dora", "carl title=Lead manager=otto", "dora",
			"fred active=false title=Old manager=emil", "bert title=Lead manager=hans", "ines title=Lead manager=emil", "jana active=false", "kurt manager=otto"))
		require.Equal(t, []string{
			"deactivate fred title=Old",
			"deactivate gina",
			"activate carl title=Lead manager=otto",
			"update bert title=Lead manager=hans",
			"update ines title=Lead",
			"create dora userName=dora email=dora@example.com firstName=F lastName=L",
			"create jana userName=jana email=jana@example.com firstName=F lastName=L",
			"create kurt userName=kurt email=kurt@example.com firstName=F lastName=L manager=otto",
			"create emil userName=emil email=emil@example.com firstName=F lastName=L manager=dora",
			"update hans manager=dora",
			"update fred manager=emil",
			"update ines manager=emil",
		}, o.spy.sequence())
	}
}

// The changes say what the status is afterwards, and no two have the same idempotency key.
func TestChanges(t *testing.T) {
	o := newOffice(t, []string{"bert", "carl active=false", "fred", "gina", "lena active=false"})
	o.had("gina")
	o.cfg.InactiveUsers = usersync.Activate
	plan := o.preview("bert manager=emil title=Lead", "carl manager=emil", "emil", "fred active=false manager=emil",
		"ines active=false", "lena active=false title=Lead")
	o.apply(plan)
	keys := map[string]bool{}
	var got []string
	for _, batch := range o.spy.written() {
		for _, c := range batch {
			require.False(t, keys[c.IdempotencyKey], "each change has a key of its own")
			require.True(t, strings.HasPrefix(c.IdempotencyKey, plan.ID+"/"))
			keys[c.IdempotencyKey] = true
			_, hasStatus := c.Set.Lookup("active")
			require.False(t, hasStatus, "the status is no value")
			got = append(got, fmt.Sprintf("%s %s %v", c.Op, c.Key, c.Active))
		}
	}
	require.Equal(t, []string{"deactivate fred false", "deactivate gina false", "update bert true",
		"activate carl true", "update lena false", "create emil true", "create ines false",
		"update bert true", "update carl true", "update fred false"}, got)
}

// C6: whoever frees a value comes before whoever takes it, in whatever order the file has them, so that
// the store, which lets no two users have a badge, never refuses.
func TestOrderOfUniqueValues(t *testing.T) {
	for _, tt := range []struct {
		name  string
		users []string
		rows  []string
		want  []string
	}{
		{"a chain against the file's order",
			[]string{"anna cField1=1", "bert cField1=2", "carl cField1=3"},
			[]string{"anna cField1=2", "bert cField1=3", "carl cField1=4"},
			[]string{"update carl cField1=4", "update bert cField1=3", "update anna cField1=2"}},
		{"a creation takes the value of an update",
			[]string{"anna cField1=1"},
			[]string{"dora cField1=1", "anna cField1=2"},
			[]string{"update anna cField1=2", "create dora userName=dora email=dora@example.com firstName=F lastName=L cField1=1"}},
		{"an update takes the value of a deactivation",
			[]string{"anna cField1=1", "bert cField1=2"},
			[]string{"anna cField1=2", "bert cField1=3 active=false"},
			[]string{"deactivate bert cField1=3", "update anna cField1=2"}},
		{"a deactivation takes the value of an update", // and is split: the seat is free at once
			[]string{"anna cField1=1", "bert cField1=2"},
			[]string{"anna cField1=2 active=false title=Old", "bert cField1=3"},
			[]string{"deactivate anna", "update bert cField1=3", "update anna title=Old cField1=2"}},
		{"a deactivation takes the value of another",
			[]string{"anna cField1=1", "bert cField1=2"},
			[]string{"anna cField1=2 active=false", "bert cField1=3 active=false"},
			[]string{"deactivate anna", "deactivate bert cField1=3", "update anna cField1=2"}},
		{"an update takes the value of a deactivation that waits itself",
			[]string{"anna cField1=1", "bert cField1=2", "carl cField1=3"},
			[]string{"anna cField1=2", "bert cField1=3 active=false", "carl cField1=4"},
			[]string{"deactivate bert", "update carl cField1=4", "update bert cField1=3", "update anna cField1=2"}},
		{"an activation takes the value of an update",
			[]string{"anna cField1=1 active=false", "bert cField1=2"},
			[]string{"anna cField1=2", "bert cField1=3"},
			[]string{"update bert cField1=3", "activate anna cField1=2"}},
		{"one that only differs in case is one's own",
			[]string{"anna cField1=x", "bert cField1=y"},
			[]string{"anna cField1=Y", "bert cField1=z"},
			[]string{"update bert cField1=z", "update anna cField1=Y"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, size := range []int{1, 1000} {
				o := newOffice(t, tt.users, usersync.WithSchema(badges()), usersync.WithBatchSize(size))
				run := o.apply(o.preview(tt.rows...))
				require.Equal(t, tt.want, o.spy.sequence())
				require.Zero(t, run.Counts().Failed)
				require.Zero(t, run.Counts().Warnings)
			}
		})
	}
}

// C6: users give their badges to each other at random. What the plan takes the store takes too, whatever
// the size of the batches.
func TestOrderOfUniqueValuesAtRandom(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		var users, rows []string
		n := 3 + r.IntN(8)
		for i := range n {
			users = append(users, fmt.Sprintf("user%d cField1=%d active=%v", i, i, r.IntN(4) > 0))
		}
		for i := range n + 2 {
			rows = append(rows, fmt.Sprintf("user%d cField1=%d active=%v", i, r.IntN(2*n), r.IntN(3) > 0))
		}
		r.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		o := newOffice(t, users, usersync.WithSchema(badges()), usersync.WithBatchSize(1+r.IntN(5)))
		plan := o.preview(rows...)
		run := o.apply(plan)
		for row := range run.Rows() {
			if row.Op != "" {
				require.Equal(t, usersync.StateDone, row.State, "seed %d: %s %v", seed, row.Name, row.Reasons)
			}
		}
		require.Empty(t, untrue(o, run), "seed %d", seed)
	}
}

// untrue lists what a run says of its rows and the store does not have.
func untrue(o *office, run *usersync.Run) []string {
	var out []string
	for row := range run.Rows() {
		u, err := o.find(row.Name)
		switch row.State {
		case usersync.StateDone:
			if err != nil {
				out = append(out, fmt.Sprintf("%s is done: %v", row.Name, err))
				continue
			}
			out = append(out, notWritten(row, u)...)
		case usersync.StateFailed, usersync.StatePending:
			if row.Op == usersync.OpCreate && err == nil {
				out = append(out, fmt.Sprintf("%s is %s and exists", row.Name, row.State))
			}
			if row.Op != usersync.OpCreate && err == nil {
				out = append(out, written(row, u)...)
			}
		}
	}
	return out
}

// notWritten lists the changes of a row that is done which its user does not have; a field with a warning
// of its own may be missing.
func notWritten(row usersync.RunRow, u usersync.User) []string {
	missing := map[string]bool{}
	for _, r := range row.Reasons {
		missing[r.Field] = missing[r.Field] || r.Code == usersync.CodeLinkFailed || r.Code == usersync.CodeManagerWrite
	}
	var out []string
	for _, c := range row.Changes {
		if has := valueOf(u, c.Field); (has == c.New) == missing[c.Field] && !c.Kept {
			out = append(out, fmt.Sprintf("%s is done: %s is %q, not %q (warned: %v)", row.Name, c.Field, has, c.New, missing[c.Field]))
		}
	}
	return out
}

// written lists the changes of a row that is not done which its user has all the same.
func written(row usersync.RunRow, u usersync.User) []string {
	var out []string
	for _, c := range row.Changes {
		if has := valueOf(u, c.Field); has != c.Old {
			out = append(out, fmt.Sprintf("%s is %s: %s is %q, not %q", row.Name, row.State, c.Field, has, c.Old))
		}
	}
	return out
}

func valueOf(u usersync.User, field string) string {
	if field == "active" {
		return fmt.Sprint(u.Active)
	}
	return u.Values.Get(field)
}

// C6: what a deactivation was to write later is not written when the deactivation failed, and is said to
// be missing when it fails itself.
func TestSplitDeactivationFails(t *testing.T) {
	users := []string{"anna cField1=1", "bert cField1=2"}
	rows := []string{"anna cField1=2 title=Old active=false", "bert cField1=3"}
	o := newOffice(t, users, usersync.WithSchema(badges()))
	o.spy.refuse = refuses(errOffice, "anna")
	run := o.apply(o.preview(rows...))
	require.Equal(t, []string{"anna failed store_error", "bert done"}, outcome(run))
	require.Equal(t, []string{"deactivate anna", "update bert cField1=3"}, o.spy.sequence())

	o = newOffice(t, users, usersync.WithSchema(badges()))
	o.spy.refuse = refusesOp(usersync.OpUpdate, "anna")
	run = o.apply(o.preview(rows...))
	require.Equal(t, []string{"anna done link_failed link_failed", "bert done"}, outcome(run))
	require.Empty(t, untrue(o, run))

	o = newOffice(t, users, usersync.WithSchema(badges()), usersync.WithBatchSize(1))
	o.spy.refuse = refuses(errOffice, "bert")
	run, _ = o.partial(o.preview(rows...), usersync.StopOnError())
	require.Equal(t, []string{"anna done link_failed link_failed", "bert failed store_error"}, outcome(run),
		"what the run did not come to is said as well")
	require.Contains(t, runRow(t, run, "anna").Reasons[1].Text(), "the run ended before")
	require.Empty(t, untrue(o, run))
}

// A10: what is said to be missing of a secret is not the secret.
func TestMissingSecret(t *testing.T) {
	s := badges()
	for i := range s.Fields {
		s.Fields[i].Secret = s.Fields[i].Name == "cField2"
	}
	o := newOffice(t, []string{"anna cField1=1", "bert cField1=2"}, usersync.WithSchema(s))
	o.cfg.Rules = map[string]usersync.Rule{"cField2": {Strategy: usersync.UseSource}}
	o.spy.refuse = refusesOp(usersync.OpUpdate, "anna")
	run := o.apply(o.preview("anna cField1=2 cField2=hush active=false", "bert cField1=3"))
	require.Equal(t, []string{"anna done link_failed link_failed", "bert done"}, outcome(run))
	for row := range run.Rows() {
		shown, err := json.Marshal(row)
		require.NoError(t, err)
		require.NotContains(t, string(shown), "hush")
	}
}

func refusesOp(op usersync.Op, name string) func(usersync.Change) error {
	return func(c usersync.Change) error {
		if c.Op == op && c.Key == name {
			return errOffice
		}
		return nil
	}
}

// C6: whoever waits for a value that is not freed does not get it, whether or not the store minds: he
// would share it.
func TestValueIsNotFreed(t *testing.T) {
	users := []string{"anna cField1=1", "bert cField1=2", "carl cField1=3", "dora"}
	rows := []string{"anna cField1=2", "bert cField1=3", "carl cField1=4", "dora title=Lead", "emil cField1=1"}
	for _, tt := range []struct {
		name  string
		rows  []string
		spoil func(*office)
		want  []string
	}{
		{"the store refuses it", rows, func(o *office) { o.spy.refuse = refuses(errOffice, "carl") },
			[]string{"anna failed taken", "bert failed taken", "carl failed store_error", "dora done", "emil failed taken"}},
		{"it is left out", rows, func(o *office) { o.edit("carl", "carl title=Boss") },
			[]string{"anna failed taken", "bert failed taken", "carl failed stale", "dora done", "emil failed taken"}},
		{"only the last is left out", rows, func(o *office) { o.edit("anna", "anna title=Boss") },
			[]string{"anna failed stale", "bert done", "carl done", "dora done", "emil failed taken"}},
		{"it waits in vain itself", []string{"anna cField1=2", "bert cField1=3 active=false", "carl cField1=4"},
			func(o *office) { o.spy.refuse = refuses(errOffice, "carl") },
			[]string{"anna failed taken", "bert done link_failed", "carl failed store_error"}},
		{"its second part is refused", []string{"anna cField1=2", "bert cField1=3 active=false", "carl cField1=4"},
			func(o *office) { o.spy.refuse = refusesOp(usersync.OpUpdate, "bert") },
			[]string{"anna failed taken", "bert done link_failed", "carl done"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newOffice(t, users, usersync.WithSchema(badges()))
			o.store = memory.New(memory.WithUsers(o.store.Users()...)) // which lets users share
			o.spy.store = o.store
			plan := o.preview(tt.rows...)
			tt.spoil(o)
			run := o.apply(plan, usersync.SkipStale())
			require.Equal(t, tt.want, outcome(run))
			require.Empty(t, shared(o, "cField1"))
			anna := runRow(t, run, "anna")
			if last := anna.Reasons[len(anna.Reasons)-1]; last.Code == usersync.CodeTaken {
				require.Contains(t, last.Text(), "bert keeps a value of the row")
			}
		})
	}
}

// shared lists the values that several users have.
func shared(o *office, field string) []string {
	var out []string
	holders := map[string]int{}
	for _, u := range o.store.Users() {
		v := u.Values.Get(field)
		if holders[v]++; v != "" && holders[v] == 2 {
			out = append(out, v)
		}
	}
	return out
}

// C6, A6
func TestValueIsNotFreedStops(t *testing.T) {
	o := newOffice(t, []string{"anna cField1=1", "bert cField1=2"}, usersync.WithSchema(badges()))
	plan := o.preview("anna cField1=2", "bert cField1=3")
	o.edit("bert", "bert title=Boss")
	_, why := o.partial(plan, usersync.SkipStale(), usersync.StopOnError())
	require.ErrorContains(t, why, "stop at the first error")
	require.Empty(t, o.spy.written())
}

// C6: a chain of many levels still ends in few calls.
func TestLongChainOfValues(t *testing.T) {
	const n = 100
	var users, rows []string
	for i := range n {
		users = append(users, fmt.Sprintf("user%02d cField1=%d", i, i))
		rows = append(rows, fmt.Sprintf("user%02d cField1=%d", i, i+1))
	}
	o := newOffice(t, users, usersync.WithSchema(badges()))
	require.Equal(t, n, o.apply(o.preview(rows...)).Counts().Updated)
	require.Len(t, o.spy.written(), 33)
}

// chain is n new users, each managed by the next; the last has no manager.
func chain(n int) []string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = fmt.Sprintf("user%02d manager=user%02d", i, i+1)
	}
	rows[n-1] = fmt.Sprintf("user%02d", n-1)
	return rows
}

// C8: managers who are created in the file come first, level by level, and their people arrive linked.
func TestManagersInFile(t *testing.T) {
	for _, size := range []int{1, 3, 1000} {
		o := newOffice(t, nil, usersync.WithBatchSize(size))
		rows := append(chain(8), "other1 manager=user05", "other2 manager=user00", "boss")
		run := o.apply(o.preview(rows...))
		require.Len(t, o.spy.sequence(), 11, "nobody needs a second change")
		require.Zero(t, run.Counts().Warnings)
		require.Empty(t, untrue(o, run))
		require.Equal(t, 11, run.Counts().Created)
	}
}

// C8: so many levels that the deepest are linked at the end.
func TestManagersOfManyLevels(t *testing.T) {
	o := newOffice(t, nil)
	run := o.apply(o.preview(chain(40)...))
	require.Empty(t, untrue(o, run))
	require.Zero(t, run.Counts().Warnings)
	require.Less(t, len(o.spy.written()), 36, "levels are bounded")
	links := 0
	for _, line := range o.spy.sequence() {
		if strings.HasPrefix(line, "update") {
			links++
		}
	}
	require.Equal(t, 7, links)
}

// C8: where a manager cannot be created, nobody refers to one who is not there.
func TestManagerFails(t *testing.T) {
	for _, rows := range [][]string{
		{"anna", "dora manager=emil", "emil"},
		{"anna manager=emil title=Lead", "dora manager=emil", "emil manager=fred", "fred"},
		{"anna manager=emil active=false", "emil"},
		append(chain(40), "emil"),
	} {
		o := newOffice(t, []string{"anna"})
		o.spy.refuse = refuses(errOffice, "emil", "user39", "user02")
		run := o.apply(o.preview(rows...))
		require.Empty(t, untrue(o, run))
		require.Empty(t, dangling(o))
		for row := range run.Rows() {
			warned := slices.ContainsFunc(row.Reasons, func(r usersync.Reason) bool { return r.Code == usersync.CodeManagerWrite })
			manager := officeFields(rows[row.Number-2])["manager"]
			require.Equal(t, slices.Contains([]string{"emil", "user39", "user02"}, manager), warned, row.Name)
		}
	}
}

// dangling lists the users whose manager is not there.
func dangling(o *office) []string {
	var out []string
	for _, u := range o.store.Users() {
		if m := u.Values.Get("manager"); m != "" {
			if _, err := o.find(m); err != nil {
				out = append(out, u.Values.Get("userName"))
			}
		}
	}
	return out
}

// C8: a row that has nothing but its manager to write was not written without one.
func TestManagerFailsForNothingElse(t *testing.T) {
	o := newOffice(t, []string{"anna"})
	o.spy.refuse = refuses(errOffice, "emil")
	run := o.apply(o.preview("anna manager=emil", "emil"))
	require.Equal(t, []string{"anna failed manager_write", "emil failed store_error"}, outcome(run))
	require.Len(t, o.spy.sequence(), 1)
	require.Equal(t, "1", o.user("anna").Version)
}

// C8: a link that the store refuses is a warning beside a row that is done.
func TestLinkFails(t *testing.T) {
	o := newOffice(t, []string{"anna"})
	calls := 0
	o.spy.refuse = func(c usersync.Change) error {
		if c.Key != "anna" {
			return nil
		}
		if calls++; calls == 2 {
			return errors.New("no more links")
		}
		return nil
	}
	run := o.apply(o.preview("anna title=Lead manager=emil", "emil"))
	require.Equal(t, []string{"anna done link_failed", "emil done"}, outcome(run))
	require.Equal(t, []string{"anna title=Lead", "emil"}, o.everybody())
	row := runRow(t, run, "anna")
	last := row.Reasons[len(row.Reasons)-1]
	require.Equal(t, "manager: emil was not set: the system refused the change: no more links", last.Text())
	require.Equal(t, 1, run.Counts().Warnings)
}

// C8: a run that ends before its links says which are missing.
func TestLinksNotTried(t *testing.T) {
	o := newOffice(t, []string{"anna", "bert"})
	o.spy.fail = func(_ string, changes []usersync.Change) error {
		if len(changes) > 0 && changes[0].Op == usersync.OpCreate {
			return errOffice
		}
		return nil
	}
	run, _ := o.partial(o.preview("anna title=Lead manager=emil", "bert manager=emil", "emil"))
	require.Equal(t, []string{"anna done link_failed", "bert pending", "emil uncertain unknown"}, outcome(run))
	require.Empty(t, untrue(o, run))
}

// Two references of one user, of which one is lost, are told once.
func TestTwoReferences(t *testing.T) {
	s := usersync.DefaultSchema()
	for i := range s.Fields {
		if s.Fields[i].Name == "cField2" {
			s.Fields[i].Kind = usersync.KindUser
		}
	}
	o := newOffice(t, []string{"anna"}, usersync.WithSchema(s))
	o.spy.refuse = refuses(errOffice, "emil")
	run := o.apply(o.preview("anna manager=emil cField2=fred", "emil", "fred"))
	require.Equal(t, []string{"anna done manager_write", "emil failed store_error", "fred done"}, outcome(run))
	require.Equal(t, []string{"anna cField2=fred", "fred"}, o.everybody())
	require.Empty(t, untrue(o, run))
}

// A3: the second change of a user expects the version that the first one left.
func TestVersionsOfSecondChanges(t *testing.T) {
	o := newOffice(t, []string{"anna cField1=1", "bert cField1=2", "carl"}, usersync.WithSchema(badges()))
	versions := map[string]string{}
	o.spy.answer = func(out []usersync.Outcome) []usersync.Outcome {
		for _, one := range out {
			versions[one.ID] = one.Version
		}
		return out
	}
	var wrong []string
	o.spy.before = func(_ int, changes []usersync.Change) {
		for _, c := range changes {
			if v, second := versions[c.UserID]; second && v != c.IfVersion || c.Op != usersync.OpCreate && c.IfVersion == "" {
				wrong = append(wrong, fmt.Sprintf("%s %s expects %q, not %q", c.Op, c.Key, c.IfVersion, v))
			}
		}
	}
	run := o.apply(o.preview("anna cField1=2 active=false manager=emil", "bert cField1=3 manager=emil", "carl manager=emil", "emil"))
	require.Empty(t, wrong)
	require.Zero(t, run.Counts().Warnings)
	require.Len(t, o.spy.sequence(), 7)
}

// A3: who is edited between two changes of one run keeps the edit.
func TestEditBetweenTwoChanges(t *testing.T) {
	o := newOffice(t, []string{"anna"})
	o.spy.before = func(call int, _ []usersync.Change) {
		if call == 3 {
			o.edit("anna", "anna title=Boss")
		}
	}
	run := o.apply(o.preview("anna locale=de manager=emil", "emil"))
	require.Equal(t, []string{"anna done link_failed", "emil done"}, outcome(run))
	require.Equal(t, []string{"anna title=Boss locale=de", "emil"}, o.everybody())
}

// externalIDs is the default schema with cField2 as an external id, by which users are found first.
func externalIDs() usersync.Schema {
	s := badges()
	for i := range s.Fields {
		if s.Fields[i].Name == "cField2" {
			s.Fields[i].Match = "cField2"
		}
	}
	return s
}

// B8, C8: whoever refers to a user who is renamed is written once the new name is there.
func TestManagerRenamed(t *testing.T) {
	users := []string{"anna cField2=7", "bert", "carl cField2=8"}
	rows := []string{"bert manager=anne title=Lead", "anne cField2=7", "dora manager=anne"}
	o := newOffice(t, users, usersync.WithSchema(externalIDs()))
	run := o.apply(o.preview(rows...))
	require.Empty(t, untrue(o, run))
	require.Equal(t, []string{"update bert title=Lead", "update anne userName=anne email=anne@example.com",
		"create dora userName=dora email=dora@example.com firstName=F lastName=L manager=anne",
		"update bert manager=anne"}, o.spy.sequence())

	o = newOffice(t, users, usersync.WithSchema(externalIDs()))
	o.spy.refuse = refuses(errOffice, "anne")
	run = o.apply(o.preview(rows...))
	require.Equal(t, []string{"bert done manager_write", "anne failed store_error", "dora done manager_write"}, outcome(run))
	require.Empty(t, dangling(o))
}

// A change carries the key that the user has afterwards: not the file's, where that is not written.
func TestKeyOfChange(t *testing.T) {
	users := []string{"anna cField1=1 cField2=7", "bert cField1=2"}
	for _, tt := range []struct {
		name string
		rule usersync.Strategy
		rows []string
		want []string
	}{
		{"renamed", usersync.UseSource, []string{"anne cField2=7 email=anna@example.com"}, []string{"update anne userName=anne"}},
		{"keeps its name", usersync.KeepDestination, []string{"anne cField2=7 email=anna@example.com title=Lead"},
			[]string{"update anna title=Lead"}},
		{"renamed later", usersync.UseSource,
			[]string{"anne cField2=7 email=anna@example.com cField1=2 active=false", "bert cField1=3"},
			[]string{"deactivate anna", "update bert cField1=3", "update anne userName=anne cField1=2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newOffice(t, users, usersync.WithSchema(externalIDs()))
			o.cfg.Rules = map[string]usersync.Rule{"userName": {Strategy: tt.rule}}
			o.apply(o.preview(tt.rows...))
			require.Empty(t, cmp.Diff(tt.want, o.spy.sequence()))
		})
	}
}
