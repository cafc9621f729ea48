package usersync_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
	"github.com/usersync-go/usersync/usersynctest"
)

// A preview looks, and does nothing else.
func TestPreviewWritesNothing(t *testing.T) {
	e := newEveryFault(t, usersynctest.FailNth(0, ""))
	before := e.store.Users()
	for range 3 {
		plan := e.preview(e.rows...)
		require.Equal(t, 2, plan.Counts().Errors)
		require.NoError(t, plan.Resolve(usersync.Decision{Choice: usersync.KeepCurrent}))
	}
	require.Equal(t, before, e.store.Users())
	require.Equal(t, e.old, e.baseline())
	require.Empty(t, e.spy.written())
	require.Empty(t, e.box.mails)
}

// The contract of UserStore: no more than a batch at a time, no value twice, none of them blank.
func TestBatches(t *testing.T) {
	for _, size := range []int{1, 2, 3, 7, 1000} {
		o := newOffice(t, everyFaultUsers, usersync.WithBatchSize(size), usersync.WithSchema(externalIDs()))
		o.had("anna", "bert", "dora", "fred", "gina", "hans")
		o.cfg.WelcomeMail = true
		var rows []string
		for i := range 25 {
			rows = append(rows, fmt.Sprintf("new%02d manager=new%02d cField1=x%d cField2=%d", i, i/5*5+5, i, i%20))
		}
		rows = append(rows, "new25", "ANNA title=Lead", "bert title=Lead cField1=7", "carl title=Lead", "emil active=false",
			"new3 email=x", "x userName=", "hans manager=new01", "twice", "Twice", "fred email=anna@example.com")
		o.apply(o.preview(rows...))
		for _, look := range o.spy.looks {
			requireLook(t, look, size)
		}
		for _, batch := range o.spy.written() {
			require.NotEmpty(t, batch)
			require.LessOrEqual(t, len(batch), size)
		}
	}
}

func requireLook(t *testing.T, look officeLook, size int) {
	t.Helper()
	require.LessOrEqual(t, len(look.values), size)
	require.NotContains(t, look.values, "")
	sorted := slices.Clone(look.values)
	slices.Sort(sorted)
	require.Equal(t, sorted, slices.Compact(slices.Clone(sorted)), "no value twice")
	if look.field == usersync.FieldID {
		return
	}
	require.Equal(t, sorted, look.values, "sorted, so that the same file asks the same")
	for _, v := range look.values {
		require.Equal(t, usersync.Fold(v), v)
	}
}

// A file without rows asks for nobody.
func TestBatchesOfNothing(t *testing.T) {
	o := newOffice(t, nil)
	o.apply(o.preview())
	require.Empty(t, o.spy.looks)
	require.Empty(t, o.spy.written())
}

// The searcher is asked in batches too, and only about those who could be deactivated.
func TestBatchesOfSearcher(t *testing.T) {
	users := crowd(11)
	o := newOffice(t, append(users, "idle active=false"), usersync.WithBatchSize(4))
	o.had(append(users, "idle")...)
	s := &searchSpy{Baselines: o.bases.Baselines}
	eng, err := usersync.New(o.spy, s, usersync.WithBatchSize(4))
	require.NoError(t, err)
	o.eng = eng
	require.Equal(t, 10, o.preview(users[0]).Counts().Deactivated)
	require.Equal(t, []int{4, 4, 2}, s.sizes)

	s.sizes, o.cfg.SharedUsers = nil, usersync.ReleaseShared
	o.preview(users[0])
	o.cfg.SharedUsers, o.cfg.RemovedUsers = usersync.HoldShared, usersync.NoAction
	o.preview(users[0])
	require.Empty(t, s.sizes, "where it does not matter nobody is asked")
}

type searchSpy struct {
	*memory.Baselines
	sizes []int
}

func (s *searchSpy) InOtherBaselines(ctx context.Context, configID string, ids []string) (map[string]string, error) {
	s.sizes = append(s.sizes, len(ids))
	return s.Baselines.InOtherBaselines(ctx, configID, ids)
}

// B7: a searcher may return nil, and a store of baselines need not be one.
func TestSearcherOptional(t *testing.T) {
	o := newOffice(t, []string{"anna", "bert"})
	o.had("anna", "bert")
	for _, baselines := range []usersync.BaselineStore{justBaselines{o.bases}, nilSearcher{justBaselines{o.bases}}} {
		eng, err := usersync.New(o.spy, baselines)
		require.NoError(t, err)
		o.eng = eng
		require.Equal(t, 1, o.preview("anna").Counts().Deactivated)
	}
}

type justBaselines struct{ usersync.BaselineStore }

type nilSearcher struct{ justBaselines }

func (nilSearcher) InOtherBaselines(context.Context, string, []string) (map[string]string, error) {
	return nil, nil
}

// Whatever call of a preview fails, there is no plan, and the error says which and why.
func TestPreviewFaults(t *testing.T) {
	calls := 0
	usersynctest.EachFault(t, func(t *testing.T, f *usersynctest.Faults) {
		e := newEveryFault(t, f)
		plan, err := e.eng.Preview(f.Context(context.Background()), e.cfg, officeFile(e.rows...))
		if f.Struck() == "" {
			require.NoError(t, err)
			return
		}
		calls++
		if err == nil { // it was cancelled with the last answer
			require.Equal(t, "LicenseChecker.Seats", f.Struck())
			return
		}
		require.Nil(t, plan)
		e.untouched(err)
		if !errors.Is(err, context.Canceled) {
			require.Regexp(t, previewCalls[f.Struck()], err.Error())
		}
	})
	t.Logf("%d calls were made to fail", calls)
}

// previewCalls tell what a preview was about.
var previewCalls = map[string]string{
	"UserStore.FindUsers":               "looking users up by (userName|id|email|cField1): ",
	"BaselineStore.Load":                "loading the baseline: |BaselineReader.Load panicked: ",
	"BaselineSearcher.InOtherBaselines": "searching other baselines: ",
	"LicenseChecker.Seats":              "counting seats: |LicenseChecker.Seats panicked: ",
}

// The errors of a store say what was looked for, not whom.
func TestPreviewErrorsNameTheField(t *testing.T) {
	o := newOffice(t, []string{"anna", "gina"})
	o.had("anna", "gina")
	for _, field := range []string{"userName", "email", usersync.FieldID} {
		o.spy.fail = func(asked string, _ []usersync.Change) error {
			if asked == field {
				return errOffice
			}
			return nil
		}
		_, err := o.eng.Preview(context.Background(), o.cfg, officeFile("anna title=Lead", "dora"))
		require.ErrorIs(t, err, errOffice)
		require.ErrorContains(t, err, "by "+field)
		require.NotContains(t, err.Error(), "anna")
		require.NotContains(t, err.Error(), "dora")
	}
}

// A context that is done before the first call ends the preview as well.
func TestPreviewCancelledBefore(t *testing.T) {
	o := newOffice(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	plan, err := o.eng.Preview(ctx, o.cfg, officeFile("anna"))
	require.Nil(t, plan)
	require.ErrorIs(t, err, context.Canceled)
}

// A Previewer has nothing to write with, and may do without baselines.
func TestPreviewer(t *testing.T) {
	o := newOffice(t, []string{"anna", "bert"})
	o.had("anna", "bert")
	with, err := usersync.NewPreviewer(justReads{o.store}, o.store.Baselines())
	require.NoError(t, err)
	without, err := usersync.NewPreviewer(justReads{o.store}, nil)
	require.NoError(t, err)
	for previewer, removed := range map[*usersync.Previewer]int{with: 1, without: 0} {
		plan, err := previewer.Preview(context.Background(), o.cfg, officeFile("anna"))
		require.NoError(t, err)
		require.Equal(t, removed, plan.Counts().Deactivated)
	}
	_, err = usersync.NewPreviewer(nil, nil)
	require.ErrorIs(t, err, usersync.ErrInvalid)
}

type justReads struct{ usersync.UserReader }

// Progress of a preview: rows are counted as they are read, batch by batch.
func TestPreviewProgress(t *testing.T) {
	var done []int
	o := newOffice(t, nil, usersync.WithBatchSize(2), usersync.WithProgress(func(p usersync.Progress) {
		if p.Stage == usersync.StageRead {
			done = append(done, p.Done)
		}
	}))
	o.preview(crowd(5)...)
	require.Equal(t, []int{2, 4, 5}, done)
}

// A file that breaks off is not a shorter file.
func TestPreviewReaderFails(t *testing.T) {
	o := newOffice(t, []string{"anna"})
	plan, err := o.eng.Preview(context.Background(), o.cfg,
		usersync.CSV(&brokenPipe{strings.NewReader("userName,email,firstName,lastName\nanna,a@example.com,F,L\n")}))
	require.Nil(t, plan)
	require.ErrorIs(t, err, errPipe)
}

var errPipe = errors.New("broken pipe")

// brokenPipe ends with an error instead of io.EOF.
type brokenPipe struct{ r *strings.Reader }

func (b *brokenPipe) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil {
		err = errPipe
	}
	return n, err
}
