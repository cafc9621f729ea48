package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/usersync-go/usersync"
)

// progress shows how far a preview or a run is: a bar on a terminal, otherwise a line for every tenth of what
// takes more than one batch, so that a job that is soon done tells nothing.
type progress struct {
	w        io.Writer
	terminal bool
	watch    func(usersync.Progress)

	stage usersync.Stage
	tenth int
}

func (a *app) progress(ctx context.Context) *progress {
	p := &progress{w: a.err, terminal: terminalWidth(a.err) > 0, watch: func(usersync.Progress) {}}
	if a.watch != nil {
		p.watch = func(now usersync.Progress) { a.watch(ctx, now) }
	}
	return p
}

// show is told of every step.
func (p *progress) show(now usersync.Progress) {
	p.watch(now)
	if now.Done == 0 && now.Total == 0 {
		return // nothing to do, or not known yet
	}
	if now.Stage != p.stage {
		p.end()
		p.stage = now.Stage
	}
	if p.terminal {
		p.bar(now)
		return
	}
	p.line(now)
}

// barWidth is how many characters the bar has.
const barWidth = 30

func (p *progress) bar(now usersync.Progress) {
	if now.Total == 0 {
		fmt.Fprintf(p.w, "\r%-10s %d", now.Stage, now.Done)
		return
	}
	full := min(barWidth*now.Done/now.Total, barWidth)
	fmt.Fprintf(p.w, "\r%-10s [%s%s] %d/%d", now.Stage, strings.Repeat("#", full), strings.Repeat(" ", barWidth-full), now.Done, now.Total)
}

func (p *progress) line(now usersync.Progress) {
	if now.Done >= now.Total {
		return
	}
	if tenth := 10 * now.Done / now.Total; tenth > p.tenth {
		p.tenth = tenth
		fmt.Fprintf(p.w, "usersync: %s: %d of %d\n", now.Stage, now.Done, now.Total)
	}
}

// end goes on to the next line.
func (p *progress) end() {
	if p.terminal && p.stage != "" {
		fmt.Fprintln(p.w)
	}
	p.stage, p.tenth = "", 0
}
