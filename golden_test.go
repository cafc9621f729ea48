package usersync_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
)

var update = flag.Bool("update", false, "write what is seen as what the golden cases expect")

// goldenFiles are the files that a case may have. plan.txt is what is expected.
//
//	about.txt      one line: the rules of docs/behaviour.md that the case shows, and what happens
//	rows.csv       the upload, or file.xlsx
//	config.json    the configuration, over the defaults; its name is staff
//	users.json     the users there are
//	baseline.json  by configuration, the ids of the users of its last file
//	schema.json    the schema, otherwise the default one
//	options.json   see options
var goldenFiles = []string{"about.txt", "rows.csv", "file.xlsx", "config.json", "users.json", "baseline.json",
	"schema.json", "options.json", "plan.txt"}

// TestGolden previews, and mostly applies, the case in each folder of testdata/golden and compares what
// an administrator would see with plan.txt.
func TestGolden(t *testing.T) {
	folders, err := os.ReadDir("testdata/golden")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(folders), 60)
	for _, folder := range folders {
		t.Run(folder.Name(), func(t *testing.T) {
			dir := filepath.Join("testdata/golden", folder.Name())
			got := playGolden(t, dir, asItIs)
			if *update {
				require.NoError(t, os.WriteFile(filepath.Join(dir, "plan.txt"), []byte(got), 0o644))
			}
			want, err := os.ReadFile(filepath.Join(dir, "plan.txt"))
			require.NoError(t, err)
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("plan.txt (-want +got):\n%s", diff)
			}
		})
	}
}

// TestGoldenStored plays the cases with plans that are stored and loaded again after every step: there is
// nothing else to see.
func TestGoldenStored(t *testing.T) {
	folders, err := os.ReadDir("testdata/golden")
	require.NoError(t, err)
	for _, folder := range folders {
		t.Run(folder.Name(), func(t *testing.T) {
			dir := filepath.Join("testdata/golden", folder.Name())
			want, err := os.ReadFile(filepath.Join(dir, "plan.txt"))
			require.NoError(t, err)
			if diff := cmp.Diff(string(want), playGolden(t, dir, restored)); diff != "" {
				t.Errorf("plan.txt (-want +got):\n%s", diff)
			}
		})
	}
}

func asItIs(p *usersync.Plan) *usersync.Plan { return p }

// restored stores a plan and loads it again.
func restored(p *usersync.Plan) *usersync.Plan {
	again, err := usersync.Restored(p, make([]byte, 32))
	if err != nil {
		panic(err)
	}
	return again
}

// TestGoldenRules looks whether each rule that a plan can show has a case.
func TestGoldenRules(t *testing.T) {
	abouts, err := filepath.Glob("testdata/golden/*/about.txt")
	require.NoError(t, err)
	shown := map[string]bool{}
	for _, path := range abouts {
		about, err := os.ReadFile(path)
		require.NoError(t, err)
		rules, rest, found := strings.Cut(string(about), ": ")
		require.True(t, found && strings.Count(rest, "\n") == 1, "%s: want one line, \"B4 C8: what happens\"", path)
		for _, rule := range strings.Fields(rules) {
			shown[rule] = true
		}
	}
	for group, n := range map[string]int{"R": 7, "C": 10, "B": 10, "K": 5} {
		for i := range n {
			require.True(t, shown[fmt.Sprintf("%s%d", group, i+1)], "no case shows %s%d", group, i+1)
		}
	}
}

// playGolden runs a case and renders what there is to see. between is done to the plan after every step.
func playGolden(t *testing.T, dir string, between func(*usersync.Plan) *usersync.Plan) string {
	t.Helper()
	checkFiles(t, dir)
	g := newGolden(t, dir)
	plan, err := g.eng.Preview(t.Context(), g.config, g.source(dir), usersync.By(g.actor()))
	if err != nil {
		fmt.Fprintf(&g.out, "refused  %s\n", strings.TrimPrefix(err.Error(), "usersync: "))
		return g.text()
	}
	plan = between(plan)
	g.plan(plan)
	if plan = g.choose(t, dir, plan); plan == nil {
		return g.text()
	}
	plan = between(plan)
	if len(g.opts.Decisions) > 0 {
		g.decide(t, plan)
	}
	g.then(t)
	g.apply(t, dir, between(plan))
	return g.text()
}

func checkFiles(t *testing.T, dir string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	uploads := 0
	for _, f := range files {
		require.Contains(t, goldenFiles, f.Name(), "unknown file in %s", dir)
		if f.Name() == "rows.csv" || f.Name() == "file.xlsx" {
			uploads++
		}
	}
	require.Equal(t, 1, uploads, "%s needs one upload, rows.csv or file.xlsx", dir)
}

// readJSON reads a file of a case, if it is there, and refuses members that are not known.
func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	require.NoError(t, err)
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	require.NoError(t, dec.Decode(into), path)
}

// text is what was rendered, without what is different each time.
func (g *golden) text() string {
	return regexp.MustCompile(`\brun [0-9a-zA-Z-]{16,}`).ReplaceAllString(g.out.String(), "run (id)")
}

func (g *golden) plan(p *usersync.Plan) {
	fmt.Fprintf(&g.out, "file     %s\n", showSource(p.Source))
	for _, note := range p.Notes {
		fmt.Fprintf(&g.out, "%s\n", showReason(note))
	}
	for _, offer := range p.NewFields() {
		fmt.Fprintf(&g.out, "offer    %s\n", showOffer(offer))
	}
	for _, f := range p.Added {
		fmt.Fprintf(&g.out, "adds     %s\n", f.Name)
	}
	g.rows(p)
}

func showOffer(o usersync.FieldOffer) string {
	out := fmt.Sprintf("column %s, %d values such as %q: ", o.Column.Letter, o.Filled, o.Samples)
	if o.Problem != nil {
		return out + showReason(*o.Problem)
	}
	return out + showDefinition(o.Field)
}

func showSource(s usersync.SourceInfo) string {
	out := fmt.Sprintf("%s, %d rows, header in row %d", s.Format, s.Rows, s.HeaderRow)
	if s.Sheet != "" {
		out += fmt.Sprintf(", sheet %q", s.Sheet)
	}
	if len(s.OtherSheets) > 0 {
		out += fmt.Sprintf(", not read: %q", s.OtherSheets)
	}
	if s.HiddenRows > 0 {
		out += fmt.Sprintf(", %d hidden", s.HiddenRows)
	}
	for _, c := range s.Unknown() {
		out += fmt.Sprintf("\n         column %s %q is ignored", c.Letter, c.Header)
		if c.Nearest != "" {
			out += fmt.Sprintf(": did you mean %s?", c.Nearest)
		}
	}
	return out
}

func (g *golden) rows(p *usersync.Plan) {
	fmt.Fprintf(&g.out, "counts   %s\n", showCounts(p.Counts()))
	for _, pool := range p.Pools() {
		fmt.Fprintf(&g.out, "pool     %s: %d of %d used, %d needed\n", pool.Name, pool.Used, pool.Limit, pool.Needed)
	}
	for _, m := range p.Missing() {
		fmt.Fprintf(&g.out, "missing  %s %q in %d rows, first row %d, created: %t\n", m.Set, m.Name, m.Rows, m.First, m.Create)
	}
	for _, a := range p.Assigned() {
		fmt.Fprintf(&g.out, "assigned %d %s by %s: %d rows\n", a.Assignment, a.Field, a.Rule, a.Rows)
	}
	for _, block := range p.Blocks() {
		fmt.Fprintf(&g.out, "blocked  %s\n", strings.TrimPrefix(block.Error(), "usersync: "))
	}
	for row := range p.Rows() {
		place := "gone     "
		if row.Number > 0 {
			place = fmt.Sprintf("row %-5d", row.Number)
		}
		fmt.Fprintf(&g.out, "%s%s\n", place, showRow(row))
		for _, c := range row.Changes {
			fmt.Fprintf(&g.out, "           %s\n", showChange(c))
		}
		for _, r := range row.Reasons {
			fmt.Fprintf(&g.out, "           %s\n", showReason(r))
		}
	}
}

func showRow(row usersync.Row) string {
	parts := []string{row.Name, string(row.Class)}
	if row.Name == "" {
		parts[0] = "(no name)"
	}
	if row.Class == usersync.ClassUpdated && row.Op != usersync.OpUpdate {
		parts = append(parts, "by "+string(row.Op)) // the status changes too
	}
	if row.UserID != "" {
		parts = append(parts, row.UserID)
	}
	if row.Hidden {
		parts = append(parts, "(hidden row)")
	}
	return strings.Join(parts, " ")
}

func showChange(c usersync.FieldChange) string {
	out := fmt.Sprintf("%s: %s → %s  (%s", c.Field, showText(c.Old), showText(c.New), c.By)
	if c.Rule != "" {
		out += ", rule " + c.Rule
	}
	switch {
	case c.Open:
		out += ", to decide"
	case c.Kept:
		out += ", kept"
	}
	return out + ")"
}

func showText(s string) string {
	if s == "" {
		return "blank"
	}
	return fmt.Sprintf("%q", s)
}

func showReason(r usersync.Reason) string {
	return fmt.Sprintf("%-8s %s [%s]", r.Level, r.Text(), r.Code)
}

// showCounts leaves out what is none, but for the classes.
func showCounts(c usersync.Counts) string {
	var b strings.Builder
	for _, class := range usersync.Classes() {
		fmt.Fprintf(&b, "%s %d, ", class, c.Class(class))
	}
	fmt.Fprintf(&b, "of %d rows and %d gone", c.Rows, c.Removed)
	for _, more := range []struct {
		name string
		n    int
	}{{"unchanged", c.Unchanged}, {"with a warning", c.Warnings}, {"activations", c.Activations},
		{"deactivations", c.Deactivations}, {"to decide", c.Conflicts}, {"seats", c.SeatsNeeded}} {
		if more.n != 0 {
			fmt.Fprintf(&b, "; %d %s", more.n, more.name)
		}
	}
	return b.String()
}
