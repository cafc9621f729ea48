package usersync_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
	"github.com/usersync-go/usersync/usersynctest"
)

// company has a file of all classes: updates, creations over several levels, some of them inactive,
// activations, deactivations of both sorts, badges that change hands, links to created users, errors and
// mails.
type company struct {
	t     *testing.T
	store *memory.Store
	state *memory.State
	box   *postbox
	keeps bool               // the mailer remembers keys
	later atomic.Int64       // minutes that the clock is ahead
	users usersync.UserStore // what the engine is given: by default one that does not remember keys
	cfg   usersync.Config
}

// companyUsers and companyFile are of n users before and about as many rows.
func companyUsers(n int) []usersync.User {
	var users []usersync.User
	for i := range n {
		u := officeUser(fmt.Sprintf("user%d cField1=badge%d", i, i))
		u.Active = i%10 != 9
		users = append(users, u)
	}
	return users
}

func companyFile(n int) usersync.Source {
	var rows []string
	for i := range n {
		row := fmt.Sprintf("user%d cField1=badge%d", i, i)
		switch i % 20 {
		case 0:
			continue
		case 1, 2, 3, 4, 5:
			row += " title=Lead"
		case 6:
			row += " manager=new1"
		case 7:
			row += " active=false title=Former"
		case 8: // takes the badge of one who is later in the file and takes a new one
			row = fmt.Sprintf("user%d cField1=badge%d", i, i+2)
			if i+2 >= n {
				row = fmt.Sprintf("user%d cField1=badge%d", i, i)
			}
		case 10:
			row = fmt.Sprintf("user%d cField1=fresh%d", i, i)
		case 9:
			row += " active=true"
		case 19:
			row += " active=false"
		}
		rows = append(rows, row)
	}
	for i := range n / 4 {
		row := fmt.Sprintf("new%d active=%t", i, i%10 == 0)
		if i%3 > 0 {
			row += fmt.Sprintf(" manager=new%d", i-1)
		}
		rows = append(rows, row)
	}
	for i := range n / 40 {
		rows = append(rows, fmt.Sprintf("bad%d email=nonsense", i))
	}
	return officeFile(rows...)
}

func newCompany(t *testing.T, n int) *company {
	c := &company{t: t, store: memory.New(memory.WithUnique("cField1"), memory.WithUsers(companyUsers(n)...)), box: &postbox{}}
	c.state = memory.NewState(c.now)
	c.users = forgetful{c.store}
	c.cfg = usersync.DefaultConfig("company")
	c.cfg.RemovedUsers, c.cfg.InactiveUsers, c.cfg.Guard.Off, c.cfg.WelcomeMail = usersync.Deactivate, usersync.Activate, true, true
	require.NoError(t, c.state.SaveConfig(t.Context(), c.cfg, 0))
	base := usersync.Baseline{RunID: "before"}
	for _, u := range c.store.Users() {
		base.Members = append(base.Members, usersync.Member{UserID: u.ID, Name: u.Values.Get("userName")})
	}
	require.NoError(t, c.state.Save(t.Context(), c.cfg.ID, base))
	return c
}

// service makes a service whose calls are counted, and one of which fails.
func (c *company) service(f *usersynctest.Faults) *usersync.Service {
	svc, err := usersync.NewService(f.Users(c.users), f.Stores(c.state.Stores()), usersync.WithSchema(badges()),
		usersync.WithMailer(f.Mailer(c.mailer())), usersync.WithBatchSize(50), usersync.WithClock(c.now))
	require.NoError(c.t, err)
	return svc
}

func (c *company) now() time.Time { return time.Now().Add(time.Duration(c.later.Load()) * time.Minute) }

// mailer is the box, or one before it that remembers keys.
func (c *company) mailer() usersync.Mailer {
	if c.keeps {
		return remembering{c.box}
	}
	return c.box
}

// remembering is a postbox that sends one mail for each key.
type remembering struct{ box *postbox }

func (r remembering) IsIdempotent() bool { return true }

func (r remembering) SendWelcome(ctx context.Context, w usersync.Welcome) error {
	r.box.mu.Lock()
	known := slices.ContainsFunc(r.box.mails, func(m usersync.Welcome) bool { return m.IdempotencyKey == w.IdempotencyKey })
	r.box.mu.Unlock()
	if known {
		return ctx.Err()
	}
	return r.box.SendWelcome(ctx, w)
}

// everybody is all users by name, but for their ids and versions.
func (c *company) everybody() []string {
	var all []string
	for _, u := range c.store.Users() {
		all = append(all, showUser(u))
	}
	slices.Sort(all)
	return all
}

// forgetful is a store that does not remember idempotency keys.
type forgetful struct{ *memory.Store }

func (s forgetful) WriteUsers(ctx context.Context, changes []usersync.Change) ([]usersync.Outcome, error) {
	changes = slices.Clone(changes)
	for i := range changes {
		changes[i].IdempotencyKey = ""
	}
	return s.Store.WriteUsers(ctx, changes)
}

// versionless is a store without versions that does not remember keys either.
type versionless struct{ forgetful }

func (s versionless) FindUsers(ctx context.Context, field string, values []string) ([]usersync.User, error) {
	users, err := s.forgetful.FindUsers(ctx, field, values)
	for i := range users {
		users[i].Version = ""
	}
	return users, err
}

func (s versionless) WriteUsers(ctx context.Context, changes []usersync.Change) ([]usersync.Outcome, error) {
	out, err := s.forgetful.WriteUsers(ctx, changes)
	for i := range out {
		out[i].Version = ""
	}
	return out, err
}

// goesThrough applies the plan, whatever fails, and resumes until the run has come to its end.
func (c *company) goesThrough(f *usersynctest.Faults, n int) *usersync.Run {
	c.t.Helper()
	calm := c.service(usersynctest.FailNth(0, ""))
	plan, err := calm.Preview(c.t.Context(), c.cfg.ID, companyFile(n))
	require.NoError(c.t, err)
	svc := c.service(f)
	run, err := svc.Apply(f.Context(c.t.Context()), plan.ID)
	for try := 0; err != nil; try++ {
		require.Less(c.t, try, 3, "%v", err)
		require.True(c.t, errors.Is(err, usersynctest.ErrInjected) || errors.Is(err, context.Canceled), "%v", err)
		c.later.Add(1) // whatever lease was left has run out
		if run == nil {
			run, err = svc.Apply(c.t.Context(), plan.ID)
			continue
		}
		run, err = svc.Resume(c.t.Context(), run.ID)
	}
	return run
}

// A5, A7, A8: in a run of 1,000 rows of all classes every call of a store, the journal, the baseline and
// the mailer fails once, by an error, a panic and a cancellation, before it
// took effect and after. After Resume nobody is lost or doubled, the run says what the users
// are, the baseline is right, and nobody has a second mail.
// USERSYNC_TEST_USERS sets how many users there are before, a multiple of 40.
func TestResumeAfterFaults(t *testing.T) {
	n := 800
	if users, err := strconv.Atoi(os.Getenv("USERSYNC_TEST_USERS")); err == nil {
		n = users
	}
	if testing.Short() {
		n = 80
	}
	want := newCompany(t, n)
	clean := want.goesThrough(usersynctest.FailNth(0, ""), n)
	require.Equal(t, usersync.RunSucceeded, clean.Status())
	counts := clean.Counts()
	require.Equal(t, n/4, counts.Created)
	require.Equal(t, n/20, counts.Deactivated)
	require.Equal(t, n/40, counts.Errors)
	require.Equal(t, n/40, counts.Mails)
	require.Zero(t, counts.Failed+counts.Uncertain+counts.Pending)
	after, base := want.everybody(), want.baseline()

	struck := map[string]int{}
	usersynctest.EachFault(t, func(t *testing.T, f *usersynctest.Faults) {
		c := newCompany(t, n)
		run := c.goesThrough(f, n)
		struck[f.Struck()]++
		require.Equal(t, usersync.RunSucceeded, run.Status())
		require.Equal(t, after, c.everybody())
		require.Equal(t, base, c.baseline())
		c.saysWhatIs(run, counts)
		c.mailedOnce(run)
		c.delivers(counts.Mails, 1, f)
	}, usersynctest.ErrorBefore, usersynctest.ErrorAfter, usersynctest.PanicBefore, usersynctest.PanicAfter,
		usersynctest.CancelBefore, usersynctest.CancelAfter) // half a batch: TestResumeAfterManyFaults
	total := 0
	for _, times := range struck {
		total += times
	}
	t.Logf("%d runs of %d rows, each with one fault: %v", total-struck[""], len(after)+n/40, struck)
	for _, call := range []string{"Journal.Append", "UserStore.WriteUsers", "Outbox.MoveMail", "RunStore.FinishRun"} {
		require.GreaterOrEqual(t, struck[call], 6, call)
	}
}

// A5: the run is ended by one fault and so is its resumption, at random calls, again and again, on stores that
// remember keys, that do not, and that have no versions.
func TestResumeAfterManyFaults(t *testing.T) {
	const n = 80
	want := newCompany(t, n)
	counts := want.goesThrough(usersynctest.FailNth(0, ""), n).Counts()
	after, base := want.everybody(), want.baseline()
	kinds := usersynctest.AllFaults()
	for seed := range uint64(300) {
		roll := newDice(*flagSeed, seed)
		c := newCompany(t, n)
		c.users = []usersync.UserStore{c.store, c.users, versionless{forgetful{c.store}}}[seed%3]
		c.keeps = seed%2 == 0
		plan, err := c.service(usersynctest.FailNth(0, "")).Preview(t.Context(), c.cfg.ID, companyFile(n))
		require.NoError(t, err)
		for faults := 0; faults < 6; faults++ {
			f := usersynctest.FailNth(1+roll.IntN(40), kinds[roll.IntN(len(kinds))])
			if _, err := c.goesOn(f.Context(t.Context()), c.service(f), plan.ID, faults%2 == 1); err == nil {
				break
			}
		}
		calm := c.service(usersynctest.FailNth(0, ""))
		run, err := c.goesOn(t.Context(), calm, plan.ID, false)
		if err != nil {
			run, err = c.goesOn(t.Context(), calm, plan.ID, true)
		}
		require.NoError(t, err, "seed %d", seed)
		require.Equal(t, after, c.everybody(), "seed %d", seed)
		require.Equal(t, base, c.baseline(), "seed %d", seed)
		c.saysWhatIs(run, counts)
		c.mailedOnce(run)
		shaken := usersynctest.FailNth(1+roll.IntN(12), kinds[roll.IntN(len(kinds))])
		c.delivers(counts.Mails, 7, shaken)
	}
}

// goesOn applies a plan or resumes its run, once whatever lease was left has run out.
func (c *company) goesOn(ctx context.Context, svc *usersync.Service, id string, resume bool) (*usersync.Run, error) {
	c.later.Add(1)
	if resume {
		return svc.Resume(ctx, id)
	}
	return svc.Apply(ctx, id)
}

func (c *company) baseline() []string {
	b, err := c.state.Load(context.Background(), c.cfg.ID)
	require.NoError(c.t, err)
	var names []string
	for _, m := range b.Members {
		names = append(names, m.Name)
	}
	return names
}

// saysWhatIs compares what the run says, now and when it is read again, with the users.
func (c *company) saysWhatIs(run *usersync.Run, want usersync.RunCounts) {
	c.t.Helper()
	got := run.Counts()
	got.Mails, got.Warnings, want.Mails, want.Warnings = 0, 0, 0, 0
	require.Equal(c.t, want, got)
	again, err := c.service(usersynctest.FailNth(0, "")).Run(c.t.Context(), run.ID)
	require.NoError(c.t, err)
	require.Equal(c.t, slices.Collect(run.Rows()), slices.Collect(again.Rows()))
	byID := map[string]usersync.User{}
	for _, u := range c.store.Users() {
		byID[u.ID] = u
	}
	for row := range run.Rows() {
		for _, change := range row.Changes {
			if row.State == usersync.StateDone && change.Field != "active" && byID[row.UserID].Values.Get(change.Field) != change.New {
				c.t.Fatalf("%s: %s is %q, written was %q", row.Name, change.Field, byID[row.UserID].Values.Get(change.Field), change.New)
			}
		}
	}
}

// delivers sends the mails that are left, with a fault and without: then everybody has one mail. A mail of which
// it is not known is there for each fault at most, and none with a mailer that remembers keys. (A8)
func (c *company) delivers(created, faults int, f *usersynctest.Faults) {
	c.t.Helper()
	for _, svc := range []*usersync.Service{c.service(f), c.service(f), c.service(usersynctest.FailNth(0, ""))} {
		c.later.Add(24 * 60)
		_, _ = svc.DeliverMails(f.Context(c.t.Context())) // what is left is there for the next
	}
	mails, err := c.state.Mails(c.t.Context(), usersync.MailQuery{})
	require.NoError(c.t, err)
	require.Len(c.t, mails, created)
	sent := map[string]int{}
	for _, m := range c.box.mails {
		sent[m.IdempotencyKey]++
	}
	for _, m := range mails {
		switch {
		case m.State == usersync.MailUnknown && !c.keeps:
			faults--
			require.LessOrEqual(c.t, sent[m.Key], 1)
		default:
			require.Equal(c.t, usersync.MailSent, m.State, m.Note)
			require.Equal(c.t, 1, sent[m.Key], m.Name)
		}
	}
	require.GreaterOrEqual(c.t, faults, 0, "mails of which it is not known")
}

// mailedOnce looks that everybody who was created active has one mail, or that the row says why not.
func (c *company) mailedOnce(run *usersync.Run) {
	c.t.Helper()
	sent := map[string]int{}
	for _, m := range c.box.mails {
		sent[m.User.Values.Get("userName")]++
	}
	for row := range run.Rows() {
		told := slices.ContainsFunc(row.Reasons, func(r usersync.Reason) bool {
			return r.Code == usersync.CodeMailFailed || r.Code == usersync.CodeMailUnknown
		})
		inactive := slices.ContainsFunc(row.Reasons, func(r usersync.Reason) bool { return r.Code == usersync.CodeCreatedInactive })
		n := sent[row.Name]
		delete(sent, row.Name)
		switch {
		case row.Op != usersync.OpCreate || inactive:
			require.Zero(c.t, n, row.Name)
		case told:
			require.LessOrEqual(c.t, n, 1, row.Name)
		default:
			require.Equal(c.t, 1, n, row.Name)
		}
	}
	require.Empty(c.t, sent)
}
