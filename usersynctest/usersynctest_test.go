package usersynctest

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// defect is an adapter with one fault, and the checks that must find it.
type defect[A any] struct {
	name   string
	finds  []string
	broken func(trial) A
}

// recorder is a reporter that notes how a check ended.
type recorder struct {
	ctx              context.Context
	failure, skipped string
}

func (r *recorder) Helper()                  {}
func (r *recorder) Logf(string, ...any)      {}
func (r *recorder) Context() context.Context { return r.ctx }

func (r *recorder) Fatalf(format string, args ...any) {
	r.failure = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Skipf(format string, args ...any) {
	r.skipped = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// record tries a check in a goroutine of its own, which Fatalf and Skipf end.
func record[A any](t *testing.T, c check[A], open func(trial) A) *recorder {
	r := &recorder{ctx: t.Context()}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.try(open(trial{r, c.rule}))
	}()
	<-ended
	return r
}

// prove shows that every check of a suite passes with a sound adapter and fails with a broken one.
func prove[A any](t *testing.T, checks []check[A], sound func(trial) A, defects []defect[A]) {
	byName, unproven := map[string]check[A]{}, map[string]bool{}
	for _, c := range checks {
		byName[c.name], unproven[c.name] = c, true
	}
	passes(t, checks, sound)
	for _, d := range defects {
		for _, name := range d.finds {
			delete(unproven, name)
			t.Run(d.name+" breaks "+name, func(t *testing.T) {
				c, known := byName[name]
				if !known {
					t.Fatalf("there is no check %q", name)
				}
				found(t, c, record(t, c, d.broken))
			})
		}
	}
	for name := range unproven {
		t.Errorf("no broken adapter shows that check %q can fail", name)
	}
}

func found[A any](t *testing.T, c check[A], r *recorder) {
	if r.failure == "" {
		t.Fatalf("the check found nothing (skipped: %q)", r.skipped)
	}
	if !strings.HasSuffix(r.failure, "\nThe rule: "+c.rule) {
		t.Fatalf("the failure does not end with the rule: %s", r.failure)
	}
	t.Log(r.failure)
}

// passes shows that every check passes, or is skipped for the reason given.
func passes[A any](t *testing.T, checks []check[A], open func(trial) A, mayBeSkipped ...string) {
	t.Helper()
	for _, c := range checks {
		r := record(t, c, open)
		if r.failure != "" {
			t.Errorf("check %q fails a sound adapter: %s", c.name, r.failure)
		}
		if r.skipped != "" && !strings.Contains(strings.Join(mayBeSkipped, "\n"), r.skipped) {
			t.Errorf("check %q is skipped: %s", c.name, r.skipped)
		}
	}
}

func TestCountdown(t *testing.T) {
	ctx := newCountdown(t.Context(), 3)
	select {
	case <-ctx.Done():
		t.Fatal("done at the first look")
	default:
	}
	if ctx.Err() != nil || ctx.ran() {
		t.Fatal("done at the second look")
	}
	if <-ctx.Done(); ctx.Err() == nil || !ctx.ran() {
		t.Fatal("not done at the third look")
	}
}
