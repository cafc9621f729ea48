// Package usersynctest tells the author of an adapter whether it keeps the promises of its interface,
// and makes adapters fail on purpose.
//
// There is one suite for each interface. A suite runs a subtest for each promise, on a fresh adapter
// each time, and a failure says which promise was broken and what to do about it:
//
//	func TestStore(t *testing.T) {
//		usersynctest.TestUserStore(t, func(t *testing.T) usersync.UserStore {
//			return mystore.New(newDatabase(t)) // empty; released by t.Cleanup
//		})
//	}
//
// Options tell what a store has and cannot do. What a store cannot do is skipped, and the log says so.
// Run the suites with the race detector as well; with -short they leave out the largest batches.
//
// [Faults] wraps working adapters and lets one of their calls fail, for tests of what happens then.
package usersynctest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/usersync-go/usersync"
)

// Option tells a suite about the adapter.
type Option func(*settings)

type settings struct {
	key           string
	newUser       func(n int) usersync.Values
	text          []string
	maxLength     int
	lookups       []string
	unique        []string
	lists         []string
	reference     string
	asciiOnly     bool
	noVersions    bool
	noIdempotency bool
	sizes         []int // of batches
	interrupted   int   // size of a batch that is interrupted
}

// Key names the field that identifies users; it is userName otherwise.
func Key(field string) Option { return func(s *settings) { s.key = field } }

// NewUser gives a function that makes the values of a valid user: always the same for the same n, and
// for another n with another key and other unique values. The suite puts letters of several scripts
// before the key. Without this option users have userName, email, firstName, lastName and department.
func NewUser(make func(n int) usersync.Values) Option {
	return func(s *settings) { s.newUser = make }
}

// Text names the fields that take any text and may be blank; it is department otherwise.
func Text(fields ...string) Option { return func(s *settings) { s.text = fields } }

// MaxLength is how many characters the Text fields hold; it is 255 otherwise.
func MaxLength(characters int) Option { return func(s *settings) { s.maxLength = characters } }

// Lookups names the fields, beside the id and the key, by which FindUsers finds users: match fields and
// unique fields. NewUser must give them values. It is email otherwise.
func Lookups(fields ...string) Option { return func(s *settings) { s.lookups = fields } }

// Unique names the fields, beside the key, of which the store lets no two users have the same value.
// There are none otherwise.
func Unique(fields ...string) Option { return func(s *settings) { s.unique = fields } }

// Lists names the fields that hold lists of texts. There are none otherwise.
func Lists(fields ...string) Option { return func(s *settings) { s.lists = fields } }

// Reference names a field that refers to another user; it is manager otherwise. "" says that there is
// none.
func Reference(field string) Option { return func(s *settings) { s.reference = field } }

// FoldsASCIIOnly says that the store tells upper from lower case in all but the letters A to Z. Such a
// store takes "MÜLLER" and "müller" for two people; the engine cannot make up for that.
func FoldsASCIIOnly() Option { return func(s *settings) { s.asciiOnly = true } }

// WithoutVersions says that the store has no versions.
func WithoutVersions() Option { return func(s *settings) { s.noVersions = true } }

// WithoutIdempotency says that the store or the mailer does not remember idempotency keys.
func WithoutIdempotency() Option { return func(s *settings) { s.noIdempotency = true } }

func settingsOf(opts []Option) *settings {
	s := &settings{
		key:       "userName",
		newUser:   newUser,
		text:      []string{"department"},
		maxLength: 255,
		lookups:   []string{"email"},
		reference: "manager",

		sizes:       sizes(),
		interrupted: interrupted(),
	}
	for _, opt := range opts {
		opt(s)
	}
	return s
}

func newUser(n int) usersync.Values {
	name := fmt.Sprintf("Test.User%05d", n)
	return usersync.NewValues(
		[]string{"userName", "email", "firstName", "lastName", "department"},
		[]string{name, name + "@example.com", fmt.Sprintf("First %d", n), fmt.Sprintf("Last %d", n), "Sales"},
	)
}

// check is one promise of an interface and the way to put it to the test. A is an adapter on trial.
type check[A any] struct {
	name string
	rule string // the promise, in the words of the interface, and what to do to keep it
	try  func(A)
}

// trial is one check at work.
type trial struct {
	reporter
	rule string
}

// reporter is the part of *testing.T that checks need. That checks can fail is itself tested, with a
// reporter that notes the failure.
type reporter interface {
	Helper()
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
	Context() context.Context
}

// breach ends the check: the adapter did what args say, against the rule.
func (t trial) breach(format string, args ...any) {
	t.Helper()
	t.Fatalf("%s\nThe rule: %s", fmt.Sprintf(format, args...), t.rule)
}

// run runs every check as a subtest, each with an adapter of its own.
func run[A any](t *testing.T, checks []check[A], open func(*testing.T, trial) A) {
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) { c.try(open(t, trial{t, c.rule})) })
	}
}

// sizes are the batches to try: around the engine's default of 1,000, where databases begin to refuse
// parameters, and far above, since a product may raise the default.
func sizes() []int {
	if testing.Short() {
		return []int{1, 999, 1_000}
	}
	return []int{1, 999, 1_000, 10_000}
}

// interrupted is how many values or changes a call has that is interrupted.
func interrupted() int {
	if testing.Short() {
		return 300
	}
	return 600
}

// done is a context that is done.
func done() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// countdown is a context that becomes done at its n-th look: when somebody asks it for Done or Err.
type countdown struct {
	context.Context
	cancel context.CancelFunc

	mu   sync.Mutex
	left int
}

func newCountdown(parent context.Context, n int) *countdown {
	ctx, cancel := context.WithCancel(parent)
	return &countdown{Context: ctx, cancel: cancel, left: n}
}

// Done counts as a look.
func (c *countdown) Done() <-chan struct{} {
	c.look()
	return c.Context.Done()
}

// Err counts as a look.
func (c *countdown) Err() error {
	c.look()
	return c.Context.Err()
}

func (c *countdown) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left--
	if c.left == 0 {
		c.cancel()
	}
}

// ran tells that the context was looked at often enough to be done.
func (c *countdown) ran() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.left <= 0
}

// interrupt calls do with contexts that become done ever later, until one lasts to the end of the call.
// do gets the number of the attempt, from 0.
func interrupt(parent context.Context, do func(ctx context.Context, attempt int)) {
	for attempt, looks := 0, 1; attempt < 12; attempt, looks = attempt+1, looks*2 {
		ctx := newCountdown(parent, looks)
		do(ctx, attempt)
		ctx.cancel()
		if !ctx.ran() {
			return
		}
	}
}

// together calls do in n goroutines at once and waits for all of them.
func together(n int, do func(i int)) {
	var ready, all sync.WaitGroup
	ready.Add(n)
	for i := range n {
		all.Go(func() {
			ready.Done()
			ready.Wait()
			do(i)
		})
	}
	all.Wait()
}
