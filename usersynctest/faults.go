package usersynctest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/usersync-go/usersync"
)

// ErrInjected is what every fault wraps, be it returned or the value of a panic; a cancellation wraps
// nothing but the error of its context.
var ErrInjected = errors.New("usersynctest: injected fault")

// Fault is a way in which a call fails.
type Fault string

// The ways in which a call fails. Before means without any effect. Halfway means after the first half of
// a batch of changes took effect; a call without such a batch fails as before. After means that the call
// took effect and its answer is lost.
const (
	ErrorBefore   Fault = "error before"
	ErrorHalfway  Fault = "error halfway"
	ErrorAfter    Fault = "error after"
	PanicBefore   Fault = "panic before"
	PanicHalfway  Fault = "panic halfway"
	PanicAfter    Fault = "panic after"
	CancelBefore  Fault = "cancel before"
	CancelHalfway Fault = "cancel halfway"
	// CancelAfter gives the answer, as a call does that just made it.
	CancelAfter Fault = "cancel after"
)

// AllFaults returns every kind of fault.
func AllFaults() []Fault {
	return []Fault{ErrorBefore, ErrorHalfway, ErrorAfter, PanicBefore, PanicHalfway, PanicAfter,
		CancelBefore, CancelHalfway, CancelAfter}
}

// Faults makes one call fail out of all that go through the adapters that it wraps. It may be used by
// several goroutines at once. To see what a product makes of a failure at every call there is:
//
//	usersynctest.EachFault(t, func(t *testing.T, f *usersynctest.Faults) {
//		store, ctx := memory.New(), f.Context(t.Context())
//		eng, err := usersync.New(f.Users(store), f.Baselines(store.Baselines()))
//		... // apply a plan, which fails somewhere; resume it; look at what is in store
//	})
type Faults struct {
	n    int
	kind Fault

	mu     sync.Mutex
	calls  int
	name   string
	cancel context.CancelFunc
}

// FailNth makes the n-th call fail, counting from 1; 0 makes none fail.
func FailNth(n int, kind Fault) *Faults { return &Faults{n: n, kind: kind} }

// EachFault runs test once for every kind of fault and every call, as subtests: with the first call
// failing, then the second, and so on until a run makes no call that could fail. test must make the same
// calls each time. Without kinds it takes AllFaults.
func EachFault(t *testing.T, test func(t *testing.T, f *Faults), kinds ...Fault) {
	t.Helper()
	if len(kinds) == 0 {
		kinds = AllFaults()
	}
	for _, kind := range kinds {
		for n, more := 1, true; more; n++ {
			f := FailNth(n, kind)
			ok := t.Run(fmt.Sprintf("%s call %d", kind, n), func(t *testing.T) { test(t, f) })
			more = ok && f.Struck() != ""
		}
	}
}

// Context returns a context that the Cancel faults cancel. Without it, or where a call is given another
// context, the call just returns context.Canceled.
func (f *Faults) Context(parent context.Context) context.Context {
	ctx, cancel := context.WithCancel(parent)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cancel = cancel
	return ctx
}

// Calls is how many calls there were.
func (f *Faults) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// Struck names the call that was made to fail, such as "UserStore.WriteUsers"; it is "" as long as none
// was.
func (f *Faults) Struck() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.name
}

// Call makes one call of an adapter and lets it fail if it is its turn. It serves to wrap interfaces of
// which Faults knows nothing.
func (f *Faults) Call(ctx context.Context, name string, call func() error) error {
	return f.call(ctx, name, call, func() {})
}

// call lets half stand in for call where only half of it shall take effect.
func (f *Faults) call(ctx context.Context, name string, call func() error, half func()) error {
	if !f.strikes(name) {
		return call()
	}
	fault := fmt.Errorf("%w: %s call %d (%s)", ErrInjected, f.kind, f.n, name)
	switch f.kind {
	case ErrorHalfway, PanicHalfway, CancelHalfway:
		half()
	case ErrorAfter, PanicAfter:
		_ = call() // its answer is lost
	case CancelAfter:
		err := call()
		f.cancelled(ctx)
		return err
	}
	switch f.kind {
	case PanicBefore, PanicHalfway, PanicAfter:
		panic(fault)
	case CancelBefore, CancelHalfway:
		return f.cancelled(ctx)
	}
	return fault
}

// strikes counts a call and tells whether it is the one to fail.
func (f *Faults) strikes(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	if f.calls != f.n {
		return false
	}
	f.name = name
	return true
}

// cancelled cancels the context and returns what a call with it returns then.
func (f *Faults) cancelled(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cancel != nil {
		f.cancel()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return context.Canceled
}

// Users wraps a store.
func (f *Faults) Users(store usersync.UserStore) usersync.UserStore { return faultyUsers{f, store} }

// Baselines wraps a store. The result is a usersync.BaselineSearcher if store is one.
func (f *Faults) Baselines(store usersync.BaselineStore) usersync.BaselineStore {
	if searcher, ok := store.(usersync.BaselineSearcher); ok {
		return faultySearcher{faultyBaselines{f, store}, searcher}
	}
	return faultyBaselines{f, store}
}

// Mailer wraps a mailer. The result is a usersync.Idempotent and a usersync.Messenger if mailer is one.
func (f *Faults) Mailer(mailer usersync.Mailer) usersync.Mailer {
	idempotent, remembers := mailer.(usersync.Idempotent)
	messenger, sends := mailer.(usersync.Messenger)
	plain := faultyMailer{f, mailer}
	switch {
	case remembers && sends:
		return faultyMessengerIdempotent{faultyMessenger{plain, f, messenger}, idempotent}
	case sends:
		return faultyMessenger{plain, f, messenger}
	case remembers:
		return faultyIdempotent{plain, idempotent}
	}
	return plain
}

// Texter wraps a texter. The result is a usersync.Idempotent if texter is one.
func (f *Faults) Texter(texter usersync.Texter) usersync.Texter {
	if idempotent, ok := texter.(usersync.Idempotent); ok {
		return faultyTexterIdempotent{faultyTexter{f, texter}, idempotent}
	}
	return faultyTexter{f, texter}
}

// License wraps a license checker. The result is a usersync.SeatReserver if checker is one, and a
// usersync.SeatPools likewise.
func (f *Faults) License(checker usersync.LicenseChecker) usersync.LicenseChecker {
	license := faultyLicense{f, checker}
	reserver, reserves := checker.(usersync.SeatReserver)
	pools, divides := checker.(usersync.SeatPools)
	switch {
	case reserves && divides:
		return struct {
			faultyLicense
			faultyReserver
			faultyPools
		}{license, faultyReserver{f, reserver}, faultyPools{f, pools}}
	case reserves:
		return struct {
			faultyLicense
			faultyReserver
		}{license, faultyReserver{f, reserver}}
	case divides:
		return struct {
			faultyLicense
			faultyPools
		}{license, faultyPools{f, pools}}
	}
	return license
}

// References wraps References. The result is a usersync.ReferenceCreator if refs is one.
func (f *Faults) References(refs usersync.References) usersync.References {
	if creator, ok := refs.(usersync.ReferenceCreator); ok {
		return faultyCreator{faultyReferences{f, refs}, creator}
	}
	return faultyReferences{f, refs}
}

// Fields wraps a store.
func (f *Faults) Fields(store usersync.FieldStore) usersync.FieldStore { return faultyFields{f, store} }

// answer makes a call that has an answer; where the call fails there is none.
func answer[A any](ctx context.Context, f *Faults, name string, call func() (A, error), half func()) (A, error) {
	var a, none A
	err := f.call(ctx, name, func() (err error) {
		a, err = call()
		return err
	}, half)
	if err != nil {
		return none, err
	}
	return a, nil
}

type faultyUsers struct {
	faults *Faults
	store  usersync.UserStore
}

func (u faultyUsers) FindUsers(ctx context.Context, field string, values []string) ([]usersync.User, error) {
	return answer(ctx, u.faults, "UserStore.FindUsers", func() ([]usersync.User, error) {
		return u.store.FindUsers(ctx, field, values)
	}, func() {})
}

func (u faultyUsers) WriteUsers(ctx context.Context, changes []usersync.Change) ([]usersync.Outcome, error) {
	return answer(ctx, u.faults, "UserStore.WriteUsers", func() ([]usersync.Outcome, error) {
		return u.store.WriteUsers(ctx, changes)
	}, func() {
		if first := changes[:len(changes)/2]; len(first) > 0 {
			_, _ = u.store.WriteUsers(ctx, first) // its answer is lost
		}
	})
}

type faultyBaselines struct {
	faults *Faults
	store  usersync.BaselineStore
}

func (b faultyBaselines) Load(ctx context.Context, configID string) (usersync.Baseline, error) {
	return answer(ctx, b.faults, "BaselineStore.Load", func() (usersync.Baseline, error) {
		return b.store.Load(ctx, configID)
	}, func() {})
}

func (b faultyBaselines) Save(ctx context.Context, configID string, base usersync.Baseline) error {
	return b.faults.Call(ctx, "BaselineStore.Save", func() error {
		return b.store.Save(ctx, configID, base)
	})
}

type faultySearcher struct {
	faultyBaselines
	searcher usersync.BaselineSearcher
}

func (b faultySearcher) InOtherBaselines(ctx context.Context, configID string, userIDs []string) (map[string]string, error) {
	return answer(ctx, b.faults, "BaselineSearcher.InOtherBaselines", func() (map[string]string, error) {
		return b.searcher.InOtherBaselines(ctx, configID, userIDs)
	}, func() {})
}

type faultyMailer struct {
	faults *Faults
	mailer usersync.Mailer
}

func (m faultyMailer) SendWelcome(ctx context.Context, w usersync.Welcome) error {
	return m.faults.send(ctx, "Mailer.SendWelcome", func() error { return m.mailer.SendWelcome(ctx, w) })
}

// send makes a call that sends something. Where that was done and the answer is lost, the error says so.
func (f *Faults) send(ctx context.Context, name string, send func() error) error {
	err := f.Call(ctx, name, send)
	if errors.Is(err, ErrInjected) && f.kind == ErrorAfter {
		err = fmt.Errorf("%w: %w", usersync.ErrMailUnsure, err)
	}
	return err
}

type faultyMessenger struct {
	usersync.Mailer
	faults    *Faults
	messenger usersync.Messenger
}

func (m faultyMessenger) SendMessage(ctx context.Context, msg usersync.Message) error {
	return m.faults.send(ctx, "Messenger.SendMessage", func() error { return m.messenger.SendMessage(ctx, msg) })
}

type faultyMessengerIdempotent struct {
	faultyMessenger
	usersync.Idempotent
}

type faultyTexter struct {
	faults *Faults
	texter usersync.Texter
}

func (t faultyTexter) SendInvitation(ctx context.Context, w usersync.Welcome) error {
	return t.faults.send(ctx, "Texter.SendInvitation", func() error { return t.texter.SendInvitation(ctx, w) })
}

type faultyTexterIdempotent struct {
	faultyTexter
	usersync.Idempotent
}

type faultyIdempotent struct {
	faultyMailer
	usersync.Idempotent
}

type faultyLicense struct {
	faults  *Faults
	checker usersync.LicenseChecker
}

func (l faultyLicense) Seats(ctx context.Context) (usersync.Seats, error) {
	return answer(ctx, l.faults, "LicenseChecker.Seats", func() (usersync.Seats, error) {
		return l.checker.Seats(ctx)
	}, func() {})
}

// faultyReserver is what a license has that can set seats aside.
type faultyReserver struct {
	faults   *Faults
	reserver usersync.SeatReserver
}

func (r faultyReserver) ReserveSeats(ctx context.Context, holder string, seats []usersync.SeatHold, ttl time.Duration) error {
	return r.faults.Call(ctx, "SeatReserver.ReserveSeats", func() error {
		return r.reserver.ReserveSeats(ctx, holder, seats, ttl)
	})
}

// faultyPools is what a license has that is divided.
type faultyPools struct {
	faults *Faults
	pools  usersync.SeatPools
}

func (p faultyPools) PoolField() string { return p.pools.PoolField() }

func (p faultyPools) Pools(ctx context.Context) (map[string]usersync.Seats, error) {
	return answer(ctx, p.faults, "SeatPools.Pools", func() (map[string]usersync.Seats, error) { return p.pools.Pools(ctx) }, func() {})
}

type faultyReferences struct {
	faults *Faults
	refs   usersync.References
}

func (r faultyReferences) FindReferences(ctx context.Context, set string, names []string) ([]string, error) {
	return answer(ctx, r.faults, "References.FindReferences", func() ([]string, error) {
		return r.refs.FindReferences(ctx, set, names)
	}, func() {})
}

type faultyCreator struct {
	faultyReferences
	creator usersync.ReferenceCreator
}

func (r faultyCreator) CreateReferences(ctx context.Context, set string, names []string) error {
	return r.faults.call(ctx, "ReferenceCreator.CreateReferences", func() error {
		return r.creator.CreateReferences(ctx, set, names)
	}, func() {
		if first := names[:len(names)/2]; len(first) > 0 {
			_ = r.creator.CreateReferences(ctx, set, first) // its answer is lost
		}
	})
}

type faultyFields struct {
	faults *Faults
	store  usersync.FieldStore
}

func (s faultyFields) Fields(ctx context.Context) ([]usersync.Field, error) {
	return answer(ctx, s.faults, "FieldStore.Fields", func() ([]usersync.Field, error) { return s.store.Fields(ctx) }, func() {})
}

func (s faultyFields) AddFields(ctx context.Context, fields []usersync.Field) error {
	return s.faults.Call(ctx, "FieldStore.AddFields", func() error { return s.store.AddFields(ctx, fields) })
}
