package integration

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"unicode/utf16"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/sqlstore"
)

// canary is a password that must be nowhere, and a first name that shows that it would have been found.
type canary struct {
	*guide
	password string
	marker   string
	log      bytes.Buffer
	dir      string // for temporary files
	found    map[string]bool
}

// A10: a password goes to the user store and to nothing else: no plan, journal, table, upload, report, mail, page, log
// or temporary file has it, in no encoding. The same search finds the first name.
func TestCanaryPassword(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		c := &canary{password: "Canary-1&<" + rand.Text(), marker: "Marker" + rand.Text()[:10], dir: t.TempDir(), found: map[string]bool{}}
		t.Setenv("TMPDIR", c.dir)
		log := slog.New(slog.NewTextHandler(&c.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		c.guide = newGuide(t, s, retail(), []func(*guide) usersync.Option{
			func(*guide) usersync.Option { return usersync.WithLogger(log) },
			withThings(map[string][]string{"region": {"North"}, "city": {"Moscow"}, "role": {"Shop"}, "position": {"Seller"},
				"team": {"Red"}, "department": {"Sales"}, "appointment": {"Till"}})})
		c.config("Staff", func(cfg *usersync.Config) {
			cfg.ExistingUsers, cfg.WelcomeMail, cfg.WelcomeText = usersync.Update, true, true
			cfg.Notify = []string{"ops@example.com"}
		})
		c.plans()
		c.runs()
		c.imports()
		c.mails()
		c.tables(s)
		c.files()
		c.look("log", c.log.Bytes())
		for _, place := range []string{"plan", "preview", "corrections", "errors", "rows", "run", "results", "mails", "tables"} {
			if !c.found[place] {
				t.Errorf("%s does not even have the first name: the search finds nothing", place)
			}
		}
		if got := c.passwordOf("anna"); !isHashOf(got, c.password) {
			t.Fatal("the user store did not get the password")
		}
	})
}

// staff is an upload with good rows, bad ones and one that exists once it was imported.
func (c *canary) staff(logins ...string) usersync.Source {
	rows := []string{retailHeader}
	for _, login := range logins {
		row := person(login, c.password, "", login+"@example.com")
		rows = append(rows, strings.Replace(row, "Анна", c.marker, 1))
	}
	refused := strings.Replace(person("bad", c.password+" with a space", "", "bad"), "Анна", c.marker, 1)
	twice := strings.Replace(person("twice", c.password, "", c.marker), "Анна", c.marker+"!", 1)
	return c.workbook("staff.xlsx", append(rows, refused, twice)...)
}

// look searches what a place holds, unzipped where it is a workbook.
func (c *canary) look(place string, data []byte) {
	c.t.Helper()
	if book, err := zip.NewReader(bytes.NewReader(data), int64(len(data))); err == nil {
		for _, f := range book.File {
			part, err := f.Open()
			must(c.t, err)
			text, err := io.ReadAll(part)
			must(c.t, err)
			c.look(place, text)
		}
		return
	}
	if form := formIn(data, c.password); form != "" {
		c.t.Errorf("%s has the password, as %s", place, form)
	}
	c.found[place] = c.found[place] || formIn(data, c.marker) != ""
}

// formIn names the encoding in which a text stands in data, "" if it does not.
func formIn(data []byte, text string) string {
	wide := make([]byte, 0, 2*len(text))
	for _, unit := range utf16.Encode([]rune(text)) {
		wide = append(wide, byte(unit), byte(unit>>8))
	}
	forms := map[string]string{"text": text, "UTF-16": string(wide), "hexadecimal": hex.EncodeToString([]byte(text)), "JSON": quoted(text)}
	for skip := range 3 { // wherever it begins among others
		forms[fmt.Sprint("base64 ", skip)] = base64.StdEncoding.EncodeToString([]byte(text[skip : skip+(len(text)-skip)/3*3]))
	}
	lower := bytes.ToLower(data)
	for name, form := range forms {
		if bytes.Contains(data, []byte(form)) || name == "hexadecimal" && bytes.Contains(lower, []byte(form)) {
			return name
		}
	}
	return ""
}

// quoted is a text as it stands in JSON, without the quotation marks.
func quoted(text string) string {
	data, _ := json.Marshal(text) // a string always has a form
	return string(data[1 : len(data)-1])
}

// written searches what a function writes.
func (c *canary) written(place string, write func(io.Writer) error) {
	c.t.Helper()
	var data bytes.Buffer
	must(c.t, write(&data))
	c.look(place, data.Bytes())
}

// plans searches a plan, as it is and as it was stored.
func (c *canary) plans() {
	plan, err := c.svc.Preview(c.t.Context(), "Staff", c.staff("anna", "bert", "cleo"))
	must(c.t, err)
	stored, err := c.svc.Plan(c.t.Context(), plan.ID)
	must(c.t, err)
	for _, p := range []*usersync.Plan{plan, stored} {
		c.written("plan", p.WriteJSON)
		c.written("preview", p.WritePreview)
		c.written("errors", p.WriteErrors)
		c.written("corrections", func(w io.Writer) error { return p.WriteCorrections(w, usersync.FormatCSV) })
		c.written("corrections", func(w io.Writer) error { return p.WriteCorrections(w, usersync.FormatXLSX) })
		c.look("plan", fmt.Appendf(nil, "%+v", p))
	}
	c.rows(plan.ID)
	rec, err := c.svc.PlanRecord(c.t.Context(), plan.ID)
	must(c.t, err)
	c.look("plan", rec.Head)
	c.shown("plan", rec)
}

// rows searches the pages of a plan or run.
func (c *canary) rows(id string) {
	page, err := c.svc.Rows(c.t.Context(), id, usersync.RowQuery{})
	must(c.t, err)
	c.shown("rows", page)
}

func (c *canary) shown(place string, v any) {
	data, err := json.Marshal(v)
	must(c.t, err)
	c.look(place, data)
	c.look(place, fmt.Appendf(nil, "%+v", v))
}

// runs searches a run whose store panics, is gone on with, and is taken back.
func (c *canary) runs() {
	ctx := c.t.Context()
	var calls atomic.Int32
	svc := c.service(panicking{c.users, &calls})
	plan, err := svc.Preview(ctx, "Staff", c.staff("anna", "bert", "cleo"))
	must(c.t, err)
	_, err = svc.Apply(ctx, plan.ID)
	var partial *usersync.PartialError
	if !errors.As(err, &partial) {
		c.t.Fatalf("the store did not panic: %v", err)
	}
	c.tablesNow("tables") // the error itself quotes what the store panicked with, and is for the caller alone
	c.written("results", partial.Run.WriteResults)
	run, err := svc.Resume(ctx, plan.ID)
	must(c.t, err)
	c.written("results", run.WriteResults)
	c.written("errors", run.WriteErrors)
	c.written("corrections", func(w io.Writer) error { return c.svc.WriteCorrections(ctx, run.ID, w, usersync.FormatXLSX) })
	c.look("run", fmt.Appendf(nil, "%+v", run))
	for row := range run.Rows() {
		c.shown("run", row)
	}
	c.rows(run.ID)
	history, err := c.svc.History(ctx, usersync.RunQuery{})
	must(c.t, err)
	c.shown("history", history)
	undo, err := c.svc.Undo(ctx, run.ID)
	must(c.t, err)
	c.written("undo", undo.WriteJSON)
	_, err = c.svc.Preview(ctx, "Staff", c.staff("anna", "dora")) // an existing user, whose password is not taken
	must(c.t, err)
}

// panicking is a store that panics at the second call, with what it was given.
type panicking struct {
	usersync.UserStore
	calls *atomic.Int32
}

func (p panicking) WriteUsers(ctx context.Context, changes []usersync.Change) ([]usersync.Outcome, error) {
	if p.calls.Add(1) == 1 {
		panic(fmt.Sprintf("on purpose, with %+v and %#v", changes, changes))
	}
	out, err := p.UserStore.WriteUsers(ctx, changes)
	for i, c := range changes {
		if c.Key == "cleo" {
			out[i].Err = fmt.Errorf("refused with %+v", c)
		}
	}
	return out, err
}

// service is another service over the same stores, with other users.
func (c *canary) service(users usersync.UserStore) *usersync.Service {
	svc, err := usersync.NewService(users, c.state.Stores(), c.options...)
	must(c.t, err)
	return svc
}

// imports searches imports in the background, while their uploads are stored and afterwards.
func (c *canary) imports() {
	ctx := c.t.Context()
	imp := c.start("Staff", c.staff("emil", "fred"))
	parts, err := c.state.ImportParts(ctx, imp.ID, 0, 9)
	must(c.t, err)
	for _, part := range parts {
		c.look("upload", part)
	}
	if len(parts) == 0 || c.found["upload"] {
		c.t.Error("the upload is not stored, or not sealed")
	}
	imp = c.work(imp)
	c.shown("import", imp)
	c.tablesNow("tables")
	imp, err = c.svc.ReplaceFile(ctx, imp.ID, c.staff("gina"))
	must(c.t, err)
	imp = c.work(imp)
	c.written("errors", func(w io.Writer) error { return c.svc.WriteErrors(ctx, imp.PlanID, w) })
	imp = c.work(c.proceed(imp))
	if imp.Status != usersync.ImportDone {
		c.t.Fatalf("the import is %s: %s", imp.Status, imp.Problem)
	}
	c.shown("import", imp)
	for _, kind := range []usersync.MessageKind{usersync.MessageReport, usersync.MessageCorrections} {
		_, err := c.svc.MailReport(ctx, imp.PlanID, kind, "boss@example.com")
		must(c.t, err)
	}
}

// mails searches what was sent.
func (c *canary) mails() {
	_, err := c.svc.DeliverMails(c.t.Context())
	must(c.t, err)
	mails, err := c.svc.Mails(c.t.Context(), usersync.MailQuery{})
	must(c.t, err)
	c.shown("outbox", mails)
	c.shown("mails", c.mailer.Sent())
	c.shown("mails", c.texter.Sent())
	for _, m := range c.mailer.Messages() {
		for _, a := range m.Attachments {
			c.look("mails", a.Data)
		}
	}
}

// tables searches every column of every table, and the files of SQLite.
func (c *canary) tables(s server) {
	c.tablesNow("tables")
	if s.dialect != sqlstore.SQLite {
		return
	}
	var n int
	var name, file string
	must(c.t, c.db.QueryRow("PRAGMA database_list").Scan(&n, &name, &file))
	for _, suffix := range []string{"", "-wal", "-shm"} {
		data, err := os.ReadFile(file + suffix)
		must(c.t, err)
		c.look("SQLite file", data)
	}
}

// catalogs list the tables of a database.
func catalogs() map[sqlstore.Dialect]string {
	return map[sqlstore.Dialect]string{
		sqlstore.SQLite:     "SELECT name FROM sqlite_master WHERE type = 'table'",
		sqlstore.PostgreSQL: "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()",
		sqlstore.MySQL:      "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()",
	}
}

func (c *canary) tablesNow(place string) {
	for _, table := range c.column(catalogs()[c.dialect]) {
		rows, err := c.db.Query("SELECT * FROM " + table)
		must(c.t, err)
		columns, err := rows.Columns()
		must(c.t, err)
		for rows.Next() {
			cells := make([]sql.RawBytes, len(columns))
			into := make([]any, len(columns))
			for i := range cells {
				into[i] = &cells[i]
			}
			must(c.t, rows.Scan(into...))
			for _, cell := range cells {
				c.look(place, cell)
			}
		}
		must(c.t, errors.Join(rows.Err(), rows.Close()))
	}
}

// column reads a column of texts.
func (c *canary) column(query string) (out []string) {
	rows, err := c.db.Query(query)
	must(c.t, err)
	for rows.Next() {
		var text string
		must(c.t, rows.Scan(&text))
		out = append(out, text)
	}
	must(c.t, errors.Join(rows.Err(), rows.Close()))
	if len(out) < 10 {
		c.t.Fatalf("there are only the tables %v", out)
	}
	return out
}

// files searches temporary files: there are none.
func (c *canary) files() {
	must(c.t, filepath.WalkDir(c.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			c.t.Errorf("a temporary file is left: %s", path)
		}
		return err
	}))
}
