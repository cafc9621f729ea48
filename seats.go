package usersync

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Design note: seats. (A1)
//
// An entry takes a seat when its user becomes active and frees one when the user becomes inactive. Where the
// license has pools, an active user also takes a seat of each pool that the pool field names, so that an entry
// which moves an active user takes one as well. What such a move frees does not count within the run: the one
// who takes it might be written first, and no moment may be over the limit.
//
// A run keeps a count of what it still takes and frees (seating). With a checker that only counts, it asks
// before every batch that takes seats and ends when there are fewer than all that is left needs; what others
// take between that answer and the write nobody can see. With a SeatReserver there is no such moment. All that
// the run takes is set aside before its first write, also the seats that its own deactivations are to free, so
// that nobody else gets those; the rest stays set aside before every further batch and is let go at the end. A
// seat that was taken counts as used from its write on and stays set aside until the next batch: in between it
// counts twice, and never less than once.

// SeatHold is what a run wants to have set aside of one pool.
type SeatHold struct {
	Pool  string // as Pools names it, "" for the license as a whole
	Seats int    // to be set aside, more than 0
	// Freeing is how many seats the holder is about to free. They count as free for this holder and for
	// nobody else.
	Freeing int
}

// PoolSeats is one pool in a plan.
type PoolSeats struct {
	Name   string `json:"name"`
	Limit  int    `json:"limit"` // negative means no limit
	Used   int    `json:"used"`
	Needed int    `json:"needed"` // seats that the plan takes, less those that its deactivations free
}

// seatTime is how long a dead run keeps seats from others, and batchTime how long a batch may take while
// they are kept for it.
const (
	seatTime  = 10 * time.Minute
	batchTime = 9 * time.Minute
)

// licensing is a license checker with all that it is able to do.
type licensing struct {
	checker  LicenseChecker
	reserver SeatReserver // nil where the checker cannot set seats aside
	pools    SeatPools    // nil where there are none
	field    string       // whose values name the pools, "" for none
}

// abilities finds out what a checker can do.
func abilities(checker LicenseChecker) licensing {
	l := licensing{checker: checker}
	l.reserver, _ = checker.(SeatReserver)
	if pools, able := checker.(SeatPools); able && pools.PoolField() != "" {
		l.pools, l.field = pools, pools.PoolField()
	}
	return l
}

// validate refuses a pool field that users do not have, or whose values cannot be compared.
func (l *licensing) validate(s *schema) error {
	if l.field == "" {
		return nil
	}
	var bad problems
	at, known := s.byName[l.field]
	switch {
	case !known:
		bad.add("license", "the pools are named by the field %q, which the schema does not have", l.field)
	case s.fields[at].Secret || s.fields[at].transient || s.fields[at].refSlot >= 0:
		bad.add("license", "the field %q cannot name pools: it is secret, a reference or only for matching", l.field)
	}
	return bad.err("option")
}

// poolNames are the pools of a license, as it names them, by folded name.
type poolNames map[string]string

func namesOf(pools []PoolSeats) poolNames {
	names := make(poolNames, len(pools))
	for _, p := range pools {
		names[Fold(p.Name)] = p.Name
	}
	return names
}

// in gives the pools that a field's value names, each once.
func (names poolNames) in(value string) []string {
	if len(names) == 0 {
		return nil
	}
	var out []string
	for _, item := range listItems(value) {
		if name, is := names[Fold(item)]; is && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// seatDemand is how many seats of a pool are taken and freed.
type seatDemand struct{ take, free int }

// seatDemands are those of each pool, "" being the license as a whole.
type seatDemands map[string]seatDemand

// add counts what an entry takes or frees; with times -1 it takes that out again.
func (d seatDemands) add(u seatUse, times int) {
	count := func(pool string) {
		sum := d[pool]
		d[pool] = seatDemand{sum.take + times*u.take, sum.free + times*u.free}
	}
	if u.total {
		count("")
	}
	for _, pool := range u.pools {
		count(pool)
	}
}

// needs tells that a seat is still to be taken, of whatever pool.
func (d seatDemands) needs() bool {
	for _, of := range d {
		if of.take > 0 {
			return true
		}
	}
	return false
}

// holds are the seats to be set aside, in a fixed order.
func (d seatDemands) holds() []SeatHold {
	var out []SeatHold
	for _, pool := range slices.Sorted(maps.Keys(d)) {
		if of := d[pool]; of.take > 0 {
			out = append(out, SeatHold{Pool: pool, Seats: of.take, Freeing: of.free})
		}
	}
	return out
}

// short tells that there are fewer seats of a pool than are needed. Where more are used than there are, none
// is taken; that others are freed is not enough as long as it leaves too many. (A1)
func (d seatDemands) short(pool string, s Seats) *SeatsError {
	of := d[pool]
	needed := of.take - of.free
	if s.Limit < 0 || of.take <= 0 || needed <= s.Limit-s.Used {
		return nil
	}
	return &SeatsError{Pool: pool, Needed: needed, Available: s.Limit - s.Used}
}

// allShort are the pools of which there are too few seats.
func (d seatDemands) allShort(total Seats, pools []PoolSeats) []*SeatsError {
	var out []*SeatsError
	if short := d.short("", total); short != nil {
		out = append(out, short)
	}
	for _, p := range pools {
		if short := d.short(p.Name, Seats{Limit: p.Limit, Used: p.Used}); short != nil {
			out = append(out, short)
		}
	}
	return out
}

// countSeats asks how many seats there are. (A1)
func (j *previewJob) countSeats(ctx context.Context) (err error) {
	if j.plan.Seats, err = j.seats(ctx); err != nil {
		return err
	}
	j.plan.pools, err = j.countPools(ctx)
	return err
}

// notePools keeps which pools a user takes seats of as long as the run does not change that.
func (p *Plan) notePools(e *entry, u *User) {
	if p.poolField == "" || u == nil || e.more == nil {
		return
	}
	f := &p.schema.fields[p.schema.byName[p.poolField]]
	e.more.pools = strings.Clone(f.stored(u.Values.raw(f.Name, f.index)))
}

// Pools are the pools of the license by name, with what the plan needs of each as it is now decided; nil
// without pools. What the license as a whole has is Seats, and what the plan needs of it Counts.SeatsNeeded.
func (p *Plan) Pools() []PoolSeats {
	p.mu.Lock()
	defer p.mu.Unlock()
	demands := p.demands()
	out := slices.Clone(p.pools)
	for i := range out {
		of := demands[out[i].Name]
		out[i].Needed = of.take - of.free
	}
	return out
}

// demands count the seats that the plan takes and frees.
func (p *Plan) demands() seatDemands {
	names, all := namesOf(p.pools), seatDemands{}
	for i := range p.entries {
		all.add(p.seatsOf(&p.entries[i], names), 1)
	}
	return all
}

// seatUse is what one entry takes or frees: a seat of the license as a whole, and one of each of the pools.
type seatUse struct {
	seatDemand
	total bool
	pools []string
}

// takes tells that a seat is taken, of whatever pool.
func (u *seatUse) takes() bool { return u.take > 0 && (u.total || len(u.pools) > 0) }

// seatsOf is what an entry takes or frees.
func (p *Plan) seatsOf(e *entry, names poolNames) seatUse {
	switch {
	case e.more == nil:
	case e.more.op == OpDeactivate:
		return seatUse{seatDemand{free: 1}, true, names.in(e.more.pools)}
	case e.takesSeat():
		return seatUse{seatDemand{take: 1}, true, names.in(p.poolsAfter(e))}
	case e.more.op == OpUpdate && e.account == activeAccount && len(names) > 0:
		before := names.in(e.more.pools)
		into := slices.DeleteFunc(names.in(p.poolsAfter(e)), func(pool string) bool { return slices.Contains(before, pool) })
		return seatUse{seatDemand{take: 1}, false, into}
	}
	return seatUse{}
}

// poolsAfter is the value that names the pools once the entry is written.
func (p *Plan) poolsAfter(e *entry) string {
	if p.poolField == "" {
		return ""
	}
	if set := e.setting(p.schema.byName[p.poolField]); set != nil && set.writes() {
		return set.new
	}
	return e.more.pools
}

// short lists what the plan has too few seats of.
func (p *Plan) short() []error {
	if p.Seats == nil {
		return nil
	}
	var out []error
	for _, short := range p.demands().allShort(*p.Seats, p.pools) {
		short.Taker = p.takesSeats()
		out = append(out, short)
	}
	return out
}

// seating is what a run still takes and frees.
type seating struct {
	names   poolNames
	known   bool // names is filled
	counted []bool
	demands seatDemands
	asked   bool // something may be set aside
}

// checkSeats counts what is still to be written, and looks whether there are seats for it. (A1)
func (w *applyJob) checkSeats(ctx context.Context) error {
	if w.license.checker == nil {
		return nil
	}
	if err := w.knowPools(ctx); err != nil {
		return err
	}
	w.recount()
	return w.askSeats(ctx)
}

// knowPools asks once a run which pools there are.
func (w *applyJob) knowPools(ctx context.Context) error {
	if w.license.field != w.plan.poolField {
		return fmt.Errorf("%w: the plan was made for other pools of seats: preview again", ErrPlanStale)
	}
	if w.seating.known {
		return nil
	}
	pools, err := w.countPools(ctx)
	if err != nil {
		return err
	}
	w.seating.names, w.seating.known = namesOf(pools), true
	return nil
}

// recount counts anew what is still to be written. What is in doubt is not counted: it may be used already.
func (w *applyJob) recount() {
	s := &w.seating
	s.counted, s.demands = make([]bool, len(w.plan.entries)), seatDemands{}
	for i := range w.plan.entries {
		if _, held := w.held[int32(i)]; held || w.run.began(int32(i)) || w.wasBegun(int32(i)) {
			continue
		}
		s.demands.add(w.plan.seatsOf(&w.plan.entries[i], s.names), 1)
		s.counted[i] = true
	}
}

// settled takes steps out of the count that were written, or never will be.
func (w *applyJob) settled(steps []step) {
	s := &w.seating
	for i := range steps {
		at := steps[i].entry
		if steps[i].part != partMain || s.counted == nil || !s.counted[at] {
			continue
		}
		s.counted[at] = false
		s.demands.add(w.plan.seatsOf(&w.plan.entries[at], s.names), -1)
	}
}

// seatsFor makes sure, just before a batch is written, that there are seats for all that is still to be
// written. Nothing of the batch is, where there are not.
func (w *applyJob) seatsFor(ctx context.Context, steps []step) error {
	switch {
	case w.license.checker == nil, w.license.reserver == nil && !w.take(steps):
		return nil
	case w.license.reserver != nil && !w.seating.demands.needs():
		w.letGoSeats(ctx, nil)
		return nil
	}
	return w.askSeats(ctx)
}

// take tells whether one of the steps takes a seat.
func (w *applyJob) take(steps []step) bool {
	for i := range steps {
		use := w.plan.seatsOf(&w.plan.entries[steps[i].entry], w.seating.names)
		if steps[i].part == partMain && use.takes() {
			return true
		}
	}
	return false
}

// askSeats sets the seats aside that the run still takes, or counts those that there are.
func (w *applyJob) askSeats(ctx context.Context) error {
	if w.license.reserver != nil {
		err := w.holdSeats(ctx, w.seating.demands.holds())
		var short *SeatsError
		if errors.As(err, &short) {
			short.Taker = w.plan.takesSeats()
		}
		return err
	}
	seats, err := w.seats(ctx)
	if err != nil {
		return err
	}
	pools, err := w.countPools(ctx)
	if err != nil {
		return err
	}
	var all []error
	for _, short := range w.seating.demands.allShort(*seats, pools) {
		short.Taker = w.plan.takesSeats()
		all = append(all, short)
	}
	if len(all) == 1 {
		return all[0]
	}
	return errors.Join(all...)
}

// takesSeats is the plan as a SeatsError calls it.
func (p *Plan) takesSeats() string {
	if p.Undoes != "" {
		return "the undo"
	}
	return ""
}

// holdSeats sets seats aside for the run, in the place of those from before.
func (w *applyJob) holdSeats(ctx context.Context, holds []SeatHold) error {
	if len(holds) == 0 && !w.seating.asked {
		return nil
	}
	w.seating.asked = true
	return w.reserveSeats(ctx, w.run.ID, holds)
}

// whileHeld bounds a batch to the time for which its seats are set aside.
func (w *applyJob) whileHeld(ctx context.Context) (context.Context, context.CancelFunc) {
	if !w.seating.asked {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, batchTime)
}

// letGoSeats lets go of what is set aside, once nothing more is taken. Where another process has taken the run
// over, it is that one's.
func (w *applyJob) letGoSeats(ctx context.Context, why error) {
	if !w.seating.asked || errors.Is(because(ctx, why), ErrLeaseLost) {
		return
	}
	lasts, cancel := lasting(ctx)
	defer cancel()
	if w.ledger != nil && !w.ledger.ended {
		if _, err := w.ledger.renew(lasts); errors.Is(err, ErrLeaseLost) {
			return
		}
	}
	if err := w.reserveSeats(lasts, w.run.ID, nil); err != nil {
		w.log.WarnContext(ctx, "usersync: seats could not be let go, and run out", "config", w.plan.cfg.ID, "run", w.run.ID,
			"error", loggable(err))
		return
	}
	w.seating.asked = false
}
