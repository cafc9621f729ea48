package smtpmail

import (
	"context"
	"time"
)

// pace spaces mails evenly. It looks at no clock: the time is told.
type pace struct {
	gap  time.Duration // 0 for no limit
	next time.Time     // when the next mail may go
}

func newPace(rate float64) pace {
	if rate <= 0 {
		return pace{}
	}
	return pace{gap: time.Duration(float64(time.Second) / rate)}
}

// delay is how long the next mail has to wait.
func (p *pace) delay(now time.Time) time.Duration { return max(0, p.next.Sub(now)) }

// went notes that a mail goes now.
func (p *pace) went(now time.Time) { p.next = now.Add(p.gap) }

// sleep waits, unless ctx is done before.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
