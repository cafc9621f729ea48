package main

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/usersync-go/usersync"
)

func TestExitCodes(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want int
	}{
		{"nothing to do", nil, 0},
		{"a preview with changes", errPending, 2},
		{"a preview that is held back", &heldError{[]error{&usersync.GuardError{}}}, 3},
		{"open questions", &usersync.UnresolvedError{Conflicts: 1}, 3},
		{"seats", &refusedError{"P", &usersync.SeatsError{Needed: 2}}, 3},
		{"stale", &refusedError{"P", fmt.Errorf("looking: %w", &usersync.StaleError{Config: true})}, 3},
		{"another run", &usersync.InProgressError{RunID: "R"}, 3},
		{"paused", usersync.ErrPaused, 1},
		{"refused", usersync.ErrRefused, 1},
		{"interrupted", context.Canceled, 1},
		{"anything else", errors.New("disk full"), 1},
	} {
		if got := codeOf(tt.err); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}
