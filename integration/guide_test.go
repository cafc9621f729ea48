package integration

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
	"github.com/usersync-go/usersync/adapters/sqlstore"
	"github.com/usersync-go/usersync/presets"
)

var update = flag.Bool("update", false, "write what the guides show as what is expected")

// guide plays the user guide of a product that is built on a preset, and writes down what its administrator sees.
type guide struct {
	t      *testing.T
	preset presets.Preset
	svc    *usersync.Service
	users  usersync.UserStore
	state  *sqlstore.State
	db     *sql.DB
	mailer *memory.Mailer
	texter *memory.Texter
	things *memory.References // nil where the product has none
	out    strings.Builder
	ahead  time.Duration

	dialect sqlstore.Dialect
	options []usersync.Option
}

// playGuide plays a guide on SQLite and on PostgreSQL: the administrator sees the same, which is
// testdata/guides/<name>.txt.
func playGuide(t *testing.T, name string, preset func() presets.Preset, play func(*guide), opts ...func(*guide) usersync.Option) {
	for _, s := range servers() {
		if s.dialect == sqlstore.MySQL {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			g := newGuide(t, s, preset(), opts)
			play(g)
			file := filepath.Join("testdata", "guides", name+".txt")
			if *update {
				must(t, os.MkdirAll(filepath.Dir(file), 0o755))
				must(t, os.WriteFile(file, []byte(g.out.String()), 0o644))
			}
			want, err := os.ReadFile(file)
			must(t, err)
			if got := g.out.String(); got != string(want) {
				t.Errorf("the guide is not that of %s:\n%s", file, firstDifference(string(want), got))
			}
		})
	}
}

// firstDifference shows where two texts part.
func firstDifference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			from := max(0, i-3)
			return fmt.Sprintf("line %d\nwant:\n%s\ngot:\n%s", i+1, strings.Join(a[min(from, len(a)):min(i+5, len(a))], "\n"), strings.Join(b[min(from, len(b)):min(i+5, len(b))], "\n"))
		}
	}
	return "no difference"
}

func newGuide(t *testing.T, s server, preset presets.Preset, opts []func(*guide) usersync.Option) *guide {
	g := &guide{t: t, preset: preset, db: s.open(t), mailer: memory.NewMailer(), texter: memory.NewTexter()}
	m := sqlstore.DefaultMapping(preset.Schema)
	for _, f := range preset.Schema.Fields {
		if f.Secret {
			m.Columns[f.Name] = sqlstore.Column{Column: f.Name + "_hash", Hash: hashed}
		}
	}
	users, err := sqlstore.NewUsers(g.db, s.dialect, m, preset.Schema)
	must(t, err)
	must(t, users.Migrate(t.Context()))
	g.users, g.state = users, newState(t, s, g.db)
	all := []usersync.Option{usersync.WithSchema(preset.Schema), usersync.WithMailer(g.mailer), usersync.WithTexter(g.texter),
		usersync.WithClock(g.now), usersync.WithSecretKey(bytes.Repeat([]byte{7}, 32))}
	for _, opt := range opts {
		all = append(all, opt(g))
	}
	g.dialect, g.options = s.dialect, all
	g.svc, err = usersync.NewService(users, g.state.Stores(), all...)
	must(t, err)
	return g
}

// now is a time that goes on by a minute with every look.
func (g *guide) now() time.Time {
	g.ahead += time.Second
	return time.Date(2030, 1, 2, 9, 0, 0, 0, time.UTC).Add(g.ahead)
}

// say writes a line.
func (g *guide) say(format string, args ...any) { fmt.Fprintf(&g.out, format+"\n", args...) }

// step writes the heading of a step of the guide.
func (g *guide) step(format string, args ...any) { g.say("\n## "+format, args...) }

// refused writes down an error that must be there.
func (g *guide) refused(err error) {
	g.t.Helper()
	if err == nil {
		g.t.Fatal("nothing was refused")
	}
	g.say("refused: %v", err)
}

// config saves a configuration that differs from the preset's as it is told.
func (g *guide) config(name string, change func(*usersync.Config)) usersync.Config {
	g.t.Helper()
	cfg := g.preset.Config
	cfg.ID, cfg.Name = name, name
	if change != nil {
		change(&cfg)
	}
	cfg, err := g.svc.CreateConfig(g.t.Context(), cfg)
	must(g.t, err)
	return cfg
}

// edit changes a saved configuration.
func (g *guide) edit(id string, change func(*usersync.Config)) {
	g.t.Helper()
	cfg, err := g.svc.Config(g.t.Context(), id)
	must(g.t, err)
	change(&cfg)
	_, err = g.svc.EditConfig(g.t.Context(), cfg)
	must(g.t, err)
}

// cells are rows whose cells are separated by bars.
func cells(lines []string) [][]string {
	out := make([][]string, len(lines))
	for i, line := range lines {
		for cell := range strings.SplitSeq(line, "|") {
			out[i] = append(out[i], strings.TrimSpace(cell))
		}
	}
	return out
}

// workbook is an upload with those rows, the first of which is the header.
func (g *guide) workbook(name string, lines ...string) usersync.Source {
	g.t.Helper()
	f := excelize.NewFile()
	must(g.t, f.SetSheetName("Sheet1", "Users"))
	for i, row := range cells(lines) {
		must(g.t, f.SetSheetRow("Users", fmt.Sprintf("A%d", i+1), &row))
	}
	data, err := f.WriteToBuffer()
	must(g.t, err)
	return usersync.Open(bytes.NewReader(data.Bytes()), int64(data.Len()), name)
}

// csvFile is an upload of the same in CSV.
func (g *guide) csvFile(name string, lines ...string) usersync.Source {
	g.t.Helper()
	var text bytes.Buffer
	must(g.t, csv.NewWriter(&text).WriteAll(cells(lines)))
	return usersync.Open(bytes.NewReader(text.Bytes()), int64(text.Len()), name)
}

// template writes down the workbook that administrators download.
func (g *guide) template() {
	g.t.Helper()
	var data bytes.Buffer
	must(g.t, g.preset.Schema.WriteTemplate(&data))
	f, err := excelize.OpenReader(&data)
	must(g.t, err)
	sheet := f.GetSheetName(0)
	rows, err := f.GetRows(sheet)
	must(g.t, err)
	notes, err := f.GetComments(sheet)
	must(g.t, err)
	for col, header := range rows[0] {
		name, err := excelize.CoordinatesToCellName(col+1, 1)
		must(g.t, err)
		sample := ""
		if len(rows) > 1 && col < len(rows[1]) {
			sample = rows[1][col]
		}
		g.say("%-3s %s%s, sample %q", strings.TrimSuffix(name, "1"), header, g.mark(f, sheet, name), sample)
		for _, n := range notes {
			if n.Cell == name {
				g.say("      %s", strings.ReplaceAll(noteText(n), "\n", "\n      "))
			}
		}
	}
	g.say("sheets: %s", strings.Join(f.GetSheetList(), ", "))
}

// mark tells a header that is yellow.
func (g *guide) mark(f *excelize.File, sheet, cell string) string {
	id, err := f.GetCellStyle(sheet, cell)
	must(g.t, err)
	style, err := f.GetStyle(id)
	must(g.t, err)
	if slices.Contains(style.Fill.Color, "FFFF00") {
		return " (yellow)"
	}
	return ""
}

func noteText(c excelize.Comment) string {
	if len(c.Paragraph) == 0 {
		return c.Text
	}
	var b strings.Builder
	for _, run := range c.Paragraph {
		b.WriteString(run.Text)
	}
	return b.String()
}

// preview previews an upload and writes down the plan.
func (g *guide) preview(config string, src usersync.Source, opts ...usersync.PreviewOption) *usersync.Plan {
	g.t.Helper()
	plan, err := g.svc.Preview(g.t.Context(), config, src, opts...)
	must(g.t, err)
	g.plan(plan)
	return plan
}

// refuse previews an upload that must be refused as a whole.
func (g *guide) refuse(config string, src usersync.Source) {
	g.t.Helper()
	_, err := g.svc.Preview(g.t.Context(), config, src)
	if !errors.Is(err, usersync.ErrRefused) && !errors.Is(err, usersync.ErrPaused) {
		g.t.Fatalf("the file was not refused: %v", err)
	}
	g.refused(err)
}

// plan writes a plan down.
func (g *guide) plan(p *usersync.Plan) {
	for row := range p.Rows() {
		g.row(row)
	}
	c := p.Counts()
	g.say("%d new, %d updated, %d deactivated, %d skipped, %d errors", c.New, c.Updated, c.Deactivated, c.Skipped, c.Errors)
	for _, n := range p.Notes {
		g.say("%s: %s", n.Level, n.Text())
	}
	for _, b := range p.Blocks() {
		g.say("blocked: %v", b)
	}
}

// row writes a row down.
func (g *guide) row(row usersync.Row) {
	number := fmt.Sprint(row.Number)
	if row.Number == 0 {
		number = "-"
	}
	g.say("%3s %s: %s", number, row.Name, row.Class)
	var given []string
	for _, c := range row.Changes {
		if row.Class == usersync.ClassNew {
			given = append(given, newText(c))
			continue
		}
		g.say("      %s", changeText(c))
	}
	if len(given) > 0 {
		g.say("      %s", strings.Join(given, ", "))
	}
	for _, r := range row.Reasons {
		g.say("      %s: %s", r.Level, r.Text())
	}
}

// newText is a value of a new user.
func newText(c usersync.FieldChange) string {
	if c.By == usersync.ByNewUser {
		return fmt.Sprintf("%s %q", c.Field, c.New)
	}
	return fmt.Sprintf("%s %q (%s)", c.Field, c.New, c.By)
}

// changeText is a change in one line.
func changeText(c usersync.FieldChange) string {
	text := fmt.Sprintf("%s: %q becomes %q (%s)", c.Field, c.Old, c.New, c.By)
	switch {
	case c.Open:
		text = fmt.Sprintf("%s: %q or %q?", c.Field, c.Old, c.New)
	case c.Kept:
		text = fmt.Sprintf("%s: %q stays, not %q", c.Field, c.Old, c.New)
	}
	return text
}

// apply applies a plan and writes the summary down.
func (g *guide) apply(p *usersync.Plan, opts ...usersync.ApplyOption) *usersync.Run {
	g.t.Helper()
	run, err := g.svc.Apply(g.t.Context(), p.ID, opts...)
	must(g.t, err)
	c := run.Counts()
	g.say("run %s: %d added, %d updated, %d deactivated, %d skipped, %d errors, %d failed", run.Status(), c.Created, c.Updated, c.Deactivated, c.Skipped, c.Errors, c.Failed)
	for row := range run.Rows() {
		if row.State == usersync.StateFailed {
			g.row(row.Row)
		}
	}
	return run
}

// corrections writes down the file of bad rows that administrators download.
func (g *guide) corrections(planID string) {
	g.t.Helper()
	var text bytes.Buffer
	must(g.t, g.svc.WriteCorrections(g.t.Context(), planID, &text, usersync.FormatCSV))
	g.out.WriteString(strings.TrimPrefix(strings.ReplaceAll(text.String(), "\r\n", "\n"), "\ufeff"))
}

// invited writes down who was invited since the last time.
func (g *guide) invited() {
	for _, w := range g.mailer.Sent() {
		g.say("mail to %s: welcome, %s", w.Email, w.User.Values.Get(g.preset.Schema.Key))
	}
	for _, w := range g.texter.Sent() {
		g.say("text to %s: welcome, %s", w.Phone, w.User.Values.Get(g.preset.Schema.Key))
	}
	if len(g.mailer.Sent())+len(g.texter.Sent()) == 0 {
		g.say("nobody was invited")
	}
}

// people writes down some users with all that the store has of them.
func (g *guide) people(keys ...string) {
	g.t.Helper()
	folded := make([]string, len(keys))
	for i, key := range keys {
		folded[i] = usersync.Fold(key)
	}
	users, err := g.users.FindUsers(context.Background(), g.preset.Schema.Key, folded)
	must(g.t, err)
	for _, key := range keys {
		for _, u := range users {
			if usersync.Fold(u.Values.Get(g.preset.Schema.Key)) == usersync.Fold(key) {
				g.person(u)
			}
		}
	}
}

func (g *guide) person(u usersync.User) {
	status := "inactive"
	if u.Active {
		status = "active"
	}
	var values []string
	for name, value := range u.Values.All() {
		if value != "" && name != g.preset.Schema.Key {
			values = append(values, fmt.Sprintf("%s %q", name, value))
		}
	}
	g.say("%s is %s: %s", u.Values.Get(g.preset.Schema.Key), status, strings.Join(values, ", "))
}
