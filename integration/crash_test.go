package integration

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/sqlite"
	"github.com/usersync-go/usersync/adapters/sqlstore"
)

// site is a database that several processes work on.
type site struct {
	Dialect sqlstore.Dialect
	Address string
	Mails   string // file to which a line is added for every welcome mail
	Apart   bool   // users and journal do not share transactions
	Keeps   bool   // the mailer remembers what it was given
	Port    int    // of a mail server, which takes the place of the file
	Roots   []byte // certificate of that server, PEM
}

// childVariable has the site of a child process, as JSON. The child applies the plans whose ids it reads, or works
// imports off, and writes an answer for each.
const childVariable = "USERSYNC_TEST_CHILD"

func TestMain(m *testing.M) {
	at := os.Getenv(childVariable)
	if at == "" {
		os.Exit(m.Run())
	}
	if err := child(at); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func child(at string) error {
	var s site
	if err := json.Unmarshal([]byte(at), &s); err != nil {
		return err
	}
	db, err := s.dial()
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(10) // a server has 100, and there are several children
	svc, err := s.service(db)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if id, is := strings.CutPrefix(lines.Text(), importPrefix); is {
			fmt.Println(dispatched(svc, id))
			continue
		}
		fmt.Println(strings.Join(applyOften(svc, lines.Text(), 32), "; "))
	}
	return lines.Err()
}

// applyOften applies one plan in several goroutines at once and gives the answers that differ.
func applyOften(svc *usersync.Service, plan string, times int) []string {
	answers := make([]string, times)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = answer(svc.Apply(context.Background(), plan)) })
	}
	all.Wait()
	slices.Sort(answers)
	return slices.Compact(answers)
}

// answer is what whoever applies a plan is told.
func answer(run *usersync.Run, err error) string {
	if err != nil {
		return "error: " + strings.ReplaceAll(err.Error(), "\n", " ")
	}
	return fmt.Sprintf("%s %s %+v", run.ID, run.Status(), run.Counts())
}

func (s site) dial() (*sql.DB, error) {
	switch s.Dialect {
	case sqlstore.PostgreSQL:
		return sql.Open("pgx", s.Address)
	case sqlstore.MySQL:
		return sql.Open("mysql", s.Address)
	}
	store, err := sqlite.Open(s.Address)
	if err != nil {
		return nil, err
	}
	return store.DB(), nil
}

// leaseTime is short, so that what a dead process held is soon free.
const leaseTime = 800 * time.Millisecond

func (s site) service(db *sql.DB) (*usersync.Service, error) {
	schema := usersync.DefaultSchema()
	users, err := sqlstore.NewUsers(db, s.Dialect, sqlstore.DefaultMapping(schema), schema)
	if err != nil {
		return nil, err
	}
	state, err := sqlstore.NewState(db, s.Dialect)
	if err != nil {
		return nil, err
	}
	var store usersync.UserStore = users
	if s.Apart {
		store = apart{users}
	}
	return usersync.NewService(store, state.Stores(), usersync.WithMailer(s.mailer()), usersync.WithBatchSize(40),
		usersync.WithLeaseTime(leaseTime))
}

// apart hides that users are in the same database as the journal.
type apart struct{ usersync.UserStore }

// postbox is a mailer that adds a line to a file. It does not remember what it was given.
type postbox string

func (p postbox) SendWelcome(_ context.Context, w usersync.Welcome) error {
	f, err := os.OpenFile(string(p), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(w.User.Values.Get("userName") + "\n")
	return errors.Join(err, f.Close())
}

func (s site) mailer() usersync.Mailer {
	switch {
	case s.Port > 0:
		return s.smtp()
	case s.Keeps:
		return remembering{postbox(s.Mails)}
	}
	return postbox(s.Mails)
}

// remembering is a postbox that looks first whether the mail is there.
type remembering struct{ postbox }

func (r remembering) IsIdempotent() bool { return true }

func (r remembering) SendWelcome(ctx context.Context, w usersync.Welcome) error {
	data, err := os.ReadFile(string(r.postbox))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if slices.Contains(strings.Fields(string(data)), w.User.Values.Get("userName")) {
		return nil
	}
	return r.postbox.SendWelcome(ctx, w)
}

func (p postbox) sent(tb testing.TB) []string {
	data, err := os.ReadFile(string(p))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	must(tb, err)
	return strings.Fields(string(data))
}

// newSite makes a database with the tables of both.
func newSite(tb testing.TB, dialect sqlstore.Dialect, apart bool) (site, *sql.DB) {
	s := site{Dialect: dialect, Apart: apart, Mails: filepath.Join(tb.TempDir(), "mails")}
	switch dialect {
	case sqlstore.PostgreSQL:
		s.Address = newPostgreSQL(tb)
	case sqlstore.MySQL:
		s.Address = newMySQL(tb)
	default:
		s.Address = newSQLite(tb)
	}
	db, err := s.dial()
	must(tb, err)
	tb.Cleanup(func() { must(tb, db.Close()) })
	readyMade(tb, server{dialect: dialect}, db, usersync.DefaultSchema())
	state, err := sqlstore.NewState(db, dialect)
	must(tb, err)
	must(tb, state.Migrate(tb.Context()))
	return s, db
}

// start starts a child process on the site.
func (s site) start(tb testing.TB) (process *osexec.Cmd, in io.WriteCloser, out *bufio.Scanner) {
	at, err := json.Marshal(s)
	must(tb, err)
	process = osexec.Command(os.Args[0])
	process.Env = append(os.Environ(), childVariable+"="+string(at))
	process.Stderr = os.Stderr
	in, err = process.StdinPipe()
	must(tb, err)
	pipe, err := process.StdoutPipe()
	must(tb, err)
	must(tb, process.Start())
	return process, in, bufio.NewScanner(pipe)
}

const staffHeader = "userName,email,firstName,lastName,title,manager,active\n"

// firstStaff is a file of n users, of whom one in ten is inactive.
func firstStaff(n int) string {
	var b strings.Builder
	b.WriteString(staffHeader)
	for i := range n {
		fmt.Fprintf(&b, "user%d,user%d@example.com,First,Last%d,Cook,,%t\n", i, i, i, i%10 != 9)
	}
	return b.String()
}

// nextStaff has all classes: of the first n users one in twenty has left, others are unchanged, updated,
// activated, deactivated; some get a manager who is new; and there are new ones, some of them inactive, and
// bad rows.
func nextStaff(n int) string {
	var b strings.Builder
	b.WriteString(staffHeader)
	for i := range n {
		title, manager, active := "Cook", "", i%10 != 9
		switch i % 20 {
		case 0:
			continue
		case 1, 2, 3, 4, 5:
			title = "Chef"
		case 6:
			manager = "new1"
		case 7:
			active = false
		case 9:
			active = true
		}
		fmt.Fprintf(&b, "user%d,user%d@example.com,First,Last%d,%s,%s,%t\n", i, i, i, title, manager, active)
	}
	for i := range n / 4 {
		manager := "user" + strconv.Itoa(i*4+1)
		if i%3 == 0 && i > 0 {
			manager = "new" + strconv.Itoa(i-1)
		}
		fmt.Fprintf(&b, "new%d,new%d@example.com,New,Last%d,Cook,%s,%t\n", i, i, i, manager, i%5 == 0)
	}
	for i := range n / 40 {
		fmt.Fprintf(&b, "bad%d,no address,Bad,Last%d,Cook,,\n", i, i)
	}
	return b.String()
}

// preview stores the plan of a file.
func previewed(tb testing.TB, svc *usersync.Service, config, file string) *usersync.Plan {
	plan, err := svc.Preview(context.Background(), config, usersync.CSV(strings.NewReader(file)))
	must(tb, err)
	return plan
}

func staffConfig(tb testing.TB, svc *usersync.Service, name string) usersync.Config {
	cfg := usersync.DefaultConfig(name)
	cfg.RemovedUsers, cfg.InactiveUsers, cfg.Guard.Off = usersync.Deactivate, usersync.Activate, true
	cfg, err := svc.CreateConfig(context.Background(), cfg)
	must(tb, err)
	return cfg
}

// opened is a site with the first staff in it and the next one previewed.
func opened(tb testing.TB, dialect sqlstore.Dialect, apart bool, n int) (site, *sql.DB, *usersync.Service, *usersync.Plan) {
	s, db := newSite(tb, dialect, apart)
	svc, err := s.service(db)
	must(tb, err)
	cfg := staffConfig(tb, svc, "Staff")
	_, err = svc.Apply(context.Background(), previewed(tb, svc, cfg.ID, firstStaff(n)).ID)
	must(tb, err)
	cfg.WelcomeMail = true
	cfg, err = svc.EditConfig(context.Background(), cfg)
	must(tb, err)
	return s, db, svc, previewed(tb, svc, cfg.ID, nextStaff(n))
}

// A5, A7, A8: processes that apply a plan of 1,000 rows are killed at random moments, until one comes to
// the end. Nobody is lost or doubled, what the run says is what the users are, the baseline is right, and no
// mail is sent twice. USERSYNC_TEST_KILLS sets how many kills there are at least for each database.
func TestKilledProcesses(t *testing.T) {
	kills := often("USERSYNC_TEST_KILLS", 10, 3)
	for _, server := range servers() {
		dialect := server.dialect
		t.Run(server.name, func(t *testing.T) {
			server.open(t) // skips
			t.Parallel()
			total, runs, unknown := 0, 0, 0
			for clean := time.Duration(0); total < kills; runs++ {
				t.Run(fmt.Sprint("run ", runs), func(t *testing.T) {
					n, un, took := killedRun(t, site{Dialect: dialect, Apart: runs%2 == 1, Keeps: runs%4 > 1}, clean)
					total, unknown = total+n, unknown+un
					if clean == 0 {
						clean = took
					}
				})
				if t.Failed() {
					return
				}
			}
			t.Logf("%d kills in %d runs of 1,000 rows; of %d mails it is not known whether they were sent", total, runs, unknown)
		})
	}
}

// often is how often something is tried: as the environment says, or else usually, or less in short tests.
func often(variable string, usually, short int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return n
	}
	if testing.Short() {
		return short
	}
	return usually
}

// killedRun kills children that apply one plan, at a moment of the time that a clean run takes, until one of
// them ends by itself. With 0 none is killed, and it tells how long a clean run takes.
func killedRun(t *testing.T, kind site, clean time.Duration) (kills, unknown int, took time.Duration) {
	s, db, svc, plan := opened(t, kind.Dialect, kind.Apart, 800)
	s.Keeps = kind.Keeps
	kills, took = s.killed(t, plan.ID, clean)
	run, err := svc.Run(t.Context(), plan.ID)
	must(t, err)
	open, err := svc.Mails(t.Context(), usersync.MailQuery{States: []usersync.MailState{usersync.MailQueued, usersync.MailSending}})
	must(t, err)
	if len(open) > 0 {
		t.Fatalf("%d mails are left, such as %+v", len(open), open[0])
	}
	return kills, checkStaff(t, s, db, svc, run, 800, kills), took
}

// killed is killedRun, for what a child is told to do, without a look at what became of it.
func (s site) killed(t *testing.T, order string, clean time.Duration) (kills int, took time.Duration) {
	t.Helper()
	for {
		process, in, out := s.start(t)
		began := time.Now()
		if _, err := io.WriteString(in, order+"\n"); err != nil {
			t.Fatal(err)
		}
		moment := time.Hour
		if clean > 0 {
			moment = time.Duration(rand.Int64N(int64(clean)))
		}
		if kills > 0 {
			moment += leaseTime // for which the child waits
		}
		killer := time.AfterFunc(moment, func() { _ = process.Process.Kill() })
		answered := out.Scan()
		spared := killer.Stop()
		took = time.Since(began)
		_ = in.Close()
		err := process.Wait()
		if answered {
			if text := out.Text(); !strings.HasPrefix(text, order+" succeeded") || strings.Contains(text, ";") {
				t.Fatal(text)
			}
			return kills, took
		}
		if spared {
			t.Fatalf("the child ended by itself: %v", err)
		}
		kills++
	}
}

// checkStaff compares everything with what nextStaff says of n users, and tells of how many mails it is not
// known whether they were sent, at most one for each time that something went wrong.
func checkStaff(t *testing.T, s site, db *sql.DB, svc *usersync.Service, run *usersync.Run, n, wrong int) (unknown int) {
	t.Helper()
	var users, active int
	must(t, db.QueryRow("SELECT COUNT(*), SUM(CASE WHEN active THEN 1 ELSE 0 END) FROM usersync_users").Scan(&users, &active))
	// one in ten was inactive; of n/20 each: some left, some rows say inactive, some say active, some new ones are
	if users != n+n/4 || active != n-n/10-n/20-n/20+n/20+n/20 {
		t.Fatalf("%d users, %d active", users, active)
	}
	want := usersync.RunCounts{Created: n / 4, Updated: 8 * n / 20, Deactivated: n / 20, Skipped: 11 * n / 20, Errors: n / 40}
	got := run.Counts()
	got.Mails, got.Warnings = 0, 0
	if run.Status() != usersync.RunSucceeded || got != want {
		t.Fatalf("%s %+v, want %+v", run.Status(), got, want)
	}
	checkRows(t, db, s, run)
	again := previewed(t, svc, run.ConfigID, nextStaff(n)).Counts()
	if again.Skipped != again.Rows-again.Errors || again.Removed != 0 { // B9, and the baseline
		t.Fatalf("the same file again: %+v", again)
	}
	return checkMails(t, s, run, wrong)
}

// checkRows compares what the run says of each row with the user.
func checkRows(t *testing.T, db *sql.DB, s site, run *usersync.Run) {
	t.Helper()
	users, err := sqlstore.NewUsers(db, s.Dialect, sqlstore.DefaultMapping(usersync.DefaultSchema()), usersync.DefaultSchema())
	must(t, err)
	byID := map[string]usersync.User{}
	var ids []string
	for row := range run.Rows() {
		if row.Op != "" {
			ids = append(ids, row.UserID)
		}
	}
	found, err := users.FindUsers(t.Context(), usersync.FieldID, ids)
	must(t, err)
	for _, u := range found {
		byID[u.ID] = u
	}
	for row := range run.Rows() {
		if row.Op == "" {
			continue
		}
		u, there := byID[row.UserID]
		if row.State != usersync.StateDone || !there || row.Op == usersync.OpDeactivate && u.Active || row.Op == usersync.OpActivate && !u.Active {
			t.Fatalf("row %d %s: %s %s %v, the user is %v", row.Number, row.Name, row.Op, row.State, row.Reasons, u)
		}
		for _, c := range row.Changes {
			if c.Field != "active" && u.Values.Get(c.Field) != c.New {
				t.Fatalf("row %d %s: %s is %q, written was %q", row.Number, row.Name, c.Field, u.Values.Get(c.Field), c.New)
			}
		}
	}
}

// checkMails tells of how many mails it is not known whether they were sent.
func checkMails(t *testing.T, s site, run *usersync.Run, wrong int) (unknown int) {
	t.Helper()
	sent := postbox(s.Mails).sent(t)
	seen := map[string]bool{}
	for _, name := range sent {
		if seen[name] || !strings.HasPrefix(name, "new") {
			t.Fatalf("a second mail, or one to somebody else: %s", name)
		}
		seen[name] = true
	}
	for row := range run.Rows() {
		if row.Op != usersync.OpCreate || seen[row.Name] {
			continue
		}
		told := slices.ContainsFunc(row.Reasons, func(r usersync.Reason) bool {
			return r.Code == usersync.CodeMailFailed || r.Code == usersync.CodeMailUnknown
		})
		inactive := slices.ContainsFunc(row.Reasons, func(r usersync.Reason) bool { return r.Code == usersync.CodeCreatedInactive })
		if told {
			unknown++
		} else if !inactive {
			t.Fatalf("no mail to %s, and nothing is said", row.Name)
		}
	}
	if s.Keeps {
		wrong = 0
	}
	if unknown > wrong {
		t.Fatalf("%d mails of which it is not known, after %d interruptions", unknown, wrong)
	}
	return unknown
}

// A4: 64 goroutines in two processes apply one plan: one effect, and everyone is told the same. USERSYNC_TEST_ROUNDS sets
// how often.
func TestManyApplyOnePlan(t *testing.T) {
	rounds := often("USERSYNC_TEST_ROUNDS", 40, 5)
	for _, server := range servers() {
		dialect := server.dialect
		t.Run(server.name, func(t *testing.T) {
			server.open(t) // skips
			t.Parallel()
			s, db := newSite(t, dialect, false)
			svc, err := s.service(db)
			must(t, err)
			cfg := staffConfig(t, svc, "Staff")
			first, firstIn, firstOut := s.start(t)
			second, secondIn, secondOut := s.start(t)
			for round := range rounds {
				file := fmt.Sprintf(staffHeader+"anna,anna@example.com,Anna,A,Title %d,,\nnew%d,new%d@example.com,N,N,,anna,\n", round, round, round)
				id := previewed(t, svc, cfg.ID, file).ID
				for _, in := range []io.Writer{firstIn, secondIn} {
					_, err := io.WriteString(in, id+"\n")
					must(t, err)
				}
				if !firstOut.Scan() || !secondOut.Scan() {
					t.Fatal("a child has ended")
				}
				if a, b := firstOut.Text(), secondOut.Text(); a != b || !strings.HasPrefix(a, id+" succeeded") || strings.Contains(a, ";") {
					t.Fatalf("round %d:\n%s\n%s", round, a, b)
				}
			}
			must(t, errors.Join(firstIn.Close(), secondIn.Close(), first.Wait(), second.Wait()))
			var users, version int
			must(t, db.QueryRow("SELECT COUNT(*), MAX(version) FROM usersync_users").Scan(&users, &version))
			if users != rounds+1 || version < rounds || version > rounds+1 { // anna's version counts her changes
				t.Fatalf("%d users, version %d, after %d rounds", users, version, rounds)
			}
			t.Logf("%d rounds of 64 goroutines in 2 processes", rounds)
		})
	}
}

// A3: two configurations write different fields of the same users at once. Whoever loses says so; what was
// said to be written is there.
func TestTwoConfigurationsAtOnce(t *testing.T) {
	const users, rounds = 200, 10
	onEach(t, func(t *testing.T, server server) {
		s, db := newSite(t, server.dialect, false)
		svc, err := s.service(db)
		must(t, err)
		titles, cities := staffConfig(t, svc, "Titles"), staffConfig(t, svc, "Cities")
		_, err = svc.Apply(t.Context(), previewed(t, svc, titles.ID, firstStaff(users)).ID)
		must(t, err)
		lost := 0
		for round := range rounds {
			title, city := fmt.Sprint("Title ", round), fmt.Sprint("City ", round)
			plans := []*usersync.Plan{previewed(t, svc, titles.ID, column(users, "title", title)),
				previewed(t, svc, cities.ID, column(users, "city", city))}
			runs := make([]*usersync.Run, 2)
			var all sync.WaitGroup
			for i, plan := range plans {
				all.Go(func() { runs[i], _ = svc.Apply(context.Background(), plan.ID, usersync.SkipStale()) })
			}
			all.Wait()
			lost += written(t, s, db, runs[0], "title", title) + written(t, s, db, runs[1], "city", city)
		}
		t.Logf("%d of %d changes lost against another and said so", lost, 2*users*rounds)
	})
}

// column is a file that sets one field of all users.
func column(n int, field, value string) string {
	var b strings.Builder
	b.WriteString("userName,email,firstName,lastName," + field + "\n")
	for i := range n {
		fmt.Fprintf(&b, "user%d,user%d@example.com,First,Last%d,%s\n", i, i, i, value)
	}
	return b.String()
}

// written looks whether what a run says to have written is there, and counts what it says it has not.
func written(t *testing.T, s site, db *sql.DB, run *usersync.Run, field, value string) (lost int) {
	t.Helper()
	if run == nil {
		t.Fatal("no run")
	}
	schema := usersync.DefaultSchema()
	users, err := sqlstore.NewUsers(db, s.Dialect, sqlstore.DefaultMapping(schema), schema)
	must(t, err)
	for row := range run.Rows() {
		found, err := users.FindUsers(t.Context(), usersync.FieldID, []string{row.UserID})
		must(t, err)
		switch has := found[0].Values.Get(field) == value; {
		case row.State == usersync.StateDone && !has:
			t.Fatalf("%s: %s was written and is lost", row.Name, field)
		case row.State == usersync.StateFailed && has:
			t.Fatalf("%s: %s is there and was said not to be written", row.Name, field)
		case row.State == usersync.StateFailed:
			lost++
		}
	}
	return lost
}
