package usersync

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
)

// Undo makes the plan that takes a run back: an ordinary plan, to look at, to apply, and to undo in its
// turn. It reads, and writes nothing. run has ended; one that ended early is taken back as far as it came.
// (A9)
//
//	what the run did            what the plan does
//	created a user              deactivates the user, unless changed since
//	wrote a field               writes what it was before, unless it has another value by now
//	activated, deactivated      the opposite, unless done already
//
// What was changed since is listed and not touched: as a Skipped row with CodeChangedSince, or, where other
// fields of the user go back, as a warning beside it. So is a field that cannot go back: its old value is
// unique and taken by now, names a user who is gone or would make a loop, or names a thing that is gone. Things that
// the run has created stay, and so do fields that it has added; notes of the plan name them. Secrets were never recorded and
// cannot go back; the row says so. Rows to which the run did nothing are not listed. Guard, seats, hooks and staleness are as for
// any plan.
//
// When the plan is applied, the baseline becomes what it would be without the run: users who were created, and
// those whom the run's file was the first to have, leave it, and users who had left the file are in it again.
//
// The error is an *InProgressError for a run that is under way, a *StaleError where a field that was added is gone, the context's error or that of a store.
func (p *Previewer) Undo(ctx context.Context, run *Run, opts ...PreviewOption) (*Plan, error) {
	if run == nil || run.plan == nil {
		return nil, fmt.Errorf("%w: there is no run", ErrInvalid)
	}
	return p.undo(ctx, run, run.plan.cfg, opts)
}

// undo is Undo under the configuration as it is now.
func (p *Previewer) undo(ctx context.Context, run *Run, cfg Config, opts []PreviewOption) (*Plan, error) {
	if !p.schema.covers(run.plan) || len(run.plan.extra) > 0 && p.fieldStore == nil {
		return nil, fmt.Errorf("%w: the run does not come from an engine over this schema", ErrInvalid)
	}
	if run.Finished().IsZero() {
		return nil, &InProgressError{RunID: run.ID}
	}
	u, err := p.beginUndo(ctx, run, cfg, opts)
	if err != nil {
		return nil, err
	}
	if err := u.reverseAll(ctx); err != nil {
		return nil, err
	}
	if err := u.findOwners(ctx, 0); err != nil {
		return nil, err
	}
	if err := u.findReferences(ctx); err != nil {
		return nil, err
	}
	if err := u.countSeats(ctx); err != nil {
		return nil, err
	}
	settle(u.plan)
	for u.giveUp() {
		settle(u.plan)
	}
	p.log.InfoContext(ctx, "usersync: undo planned", "config", u.cfg.ID, "plan", u.plan.ID, "run", run.ID, "counts", u.plan.Counts())
	return u.plan, nil
}

// undoJob is one undo under way. It shares with a preview what comes after the comparison.
type undoJob struct {
	*previewJob
	run      *Run
	regained map[string]bool // keys that users get back
}

func (p *Previewer) beginUndo(ctx context.Context, run *Run, cfg Config, opts []PreviewOption) (*undoJob, error) {
	var o previewOptions
	for _, opt := range opts {
		opt.preview(&o)
	}
	if cfg.Paused {
		return nil, fmt.Errorf("%w: resume %q first", ErrPaused, cfg.Name)
	}
	if len(o.fields) > 0 {
		return nil, optionError("AddFields", "a plan that takes a run back adds no fields")
	}
	cfg = undoConfig(cfg)
	ext, err := p.extendAs(ctx, &run.plan.extension)
	if err != nil {
		return nil, err
	}
	base, err := p.loadBaseline(ctx, cfg.ID)
	if err != nil {
		return nil, err
	}
	plan := &Plan{ID: rand.Text(), Config: cfg.Clone(), cfg: cfg, Actor: o.actor, Created: p.now(), extension: ext,
		Source: run.Source, columns: run.plan.columns, BaselineRun: base.RunID, Baseline: len(base.Members), stay: run.earlier(base),
		Undoes: run.ID, poolField: p.license.field, cross: newCrossing(ext.schema), turn: make(chan struct{}, 1)}
	if p.stores != nil {
		plan.Expires = plan.Created.Add(p.planTime)
	}
	if stay := fieldNames(run.plan.fresh()); len(stay) > 0 {
		plan.Notes = append(plan.Notes, note(CodeFieldsStay, "fields", strings.Join(stay, ", ")))
	}
	if created := run.CreatedReferences(); len(created) > 0 {
		plan.Notes = append(plan.Notes, note(CodeNamesStay, "names", strings.Join(namesOfThings(created), ", ")))
	}
	return &undoJob{run: run, regained: run.plan.oldKeys(), previewJob: &previewJob{Previewer: p, schema: ext.schema, cfg: cfg, plan: plan, keys: map[string][]int32{},
		several: map[string][]int32{}, links: map[string]string{}, walked: map[string]bool{}, wanted: newWanted(ext.schema),
		naming: newNaming(p)}}, nil
}

// oldKeys are the keys, folded, of users whom the plan gives others.
func (p *Plan) oldKeys() map[string]bool {
	keys := map[string]bool{}
	for i := range p.entries {
		if set := p.entries[i].setting(p.schema.key); set != nil && set.old != "" {
			keys[Fold(set.old)] = true
		}
	}
	return keys
}

// earlier is a baseline without the existing users whom the run's file was the first to have, as long as it is
// still the run's: otherwise they would have left the next file, and be deactivated, for having been in a wrong
// one. (B4)
func (r *Run) earlier(b Baseline) []Member {
	if b.RunID != r.ID || r.Undoes != "" {
		return b.Members
	}
	first := map[string]bool{}
	for i := range r.plan.entries[:r.plan.rows] {
		if e := &r.plan.entries[i]; !e.has(isMember) && e.userID != "" {
			first[e.userID] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(b.Members), func(m Member) bool { return first[m.UserID] })
}

// undoConfig is a configuration under which everything can go back.
func undoConfig(cfg Config) Config {
	cfg = cfg.Clone()
	cfg.NewUsers, cfg.ExistingUsers, cfg.InactiveUsers, cfg.RemovedUsers = Skip, Update, Activate, NoAction
	cfg.DefaultRule, cfg.Rules, cfg.Defaults, cfg.Assignments, cfg.WelcomeMail = UseSource, nil, nil, nil, false
	return cfg
}

// reverseAll adds an entry for each row to which the run did something: first those of the file, then the
// users who had left it.
func (u *undoJob) reverseAll(ctx context.Context) error {
	entries := u.run.plan.entries
	rows := u.run.plan.rows
	if err := u.reverseRange(ctx, 0, rows); err != nil {
		return err
	}
	u.plan.rows = len(u.plan.entries)
	return u.reverseRange(ctx, rows, len(entries))
}

func (u *undoJob) reverseRange(ctx context.Context, first, end int) error {
	var some []int32
	for i := first; i < end; i++ {
		if state := u.run.result(int32(i)).state; state == StateDone || state == StateUncertain {
			some = append(some, int32(i))
		}
		if len(some) == u.options.batch || i == end-1 {
			if err := u.reverseBatch(ctx, some); err != nil {
				return err
			}
			some = some[:0]
		}
	}
	return nil
}

// reverseBatch reads the users of some rows and adds an entry for each.
func (u *undoJob) reverseBatch(ctx context.Context, rows []int32) error {
	users, err := u.usersOf(ctx, rows)
	if err != nil {
		return err
	}
	there, err := u.whoIsThere(ctx, rows)
	if err != nil {
		return err
	}
	if err := u.whatIsThere(ctx, rows); err != nil {
		return err
	}
	for _, at := range rows {
		r := &reversal{undoJob: u, from: &u.run.plan.entries[at], result: u.run.result(at), there: there}
		r.user = users[r.result.id]
		if r.result.id == "" {
			r.user = users[keyOf(r.from)]
		}
		if err := u.add(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// giveUp leaves fields as they are that cannot go back, with the reason as a warning, so that the rest of their
// users does. It tells whether there were any; without them the plan has to be settled anew. (C6, C8)
func (u *undoJob) giveUp() bool {
	found := false
	for i := range u.plan.entries[:u.plan.rows] {
		e := &u.plan.entries[i]
		if e.more == nil {
			continue
		}
		for _, r := range e.more.cross {
			if r.Level == LevelError && u.drop(e, r.Field) {
				found = true
				r.Level = LevelWarning
				e.more.own = append(e.more.own, r)
			}
		}
	}
	return found
}

// drop leaves a field of an entry as it is, and tells whether it was to be written. The key is not dropped: with
// it the user would be somebody else for the rest of the plan.
func (u *undoJob) drop(e *entry, field string) bool {
	at, known := u.schema.byName[field]
	if !known || at == u.schema.key {
		return false
	}
	before := len(e.more.settings)
	e.more.settings = slices.DeleteFunc(e.more.settings, func(s setting) bool { return int(s.field) == at })
	return len(e.more.settings) < before
}

// reversal is the way back of one row.
type reversal struct {
	*undoJob
	from   *entry
	result result
	user   *User // nil if gone
	there  map[string]bool

	kept     []string // fields that were changed since
	secrets  []string // fields that cannot go back
	gone     []string // references to users who are gone
	nameless []string // names of things that are gone
	set      []setting
}

// add makes the entry of a reversal.
func (u *undoJob) add(ctx context.Context, r *reversal) error {
	if r.result.state == StateUncertain && (r.user == nil || !r.isAsWritten()) {
		return nil // it was not done, or it cannot be told
	}
	at := int32(len(u.plan.entries))
	e := r.entry()
	u.plan.notePools(&e, r.user)
	if e.wish == wantsInactive && e.account == activeAccount {
		is, err := u.isProtected(ctx, u.plan.Actor, r.user)
		if err != nil {
			return err
		}
		if is {
			e.flags |= isProtected
		}
	}
	if r.from.number > 0 {
		u.plan.classifyEntry(&e)
		u.recordKey(&e, at)
		u.noteLinks(r.user)
		if r.user != nil {
			u.recordUser(&e, at, r.user)
		}
	} else {
		r.classifyLeaver(&e)
		u.plan.cross.byUser[e.userID] = at
	}
	u.plan.entries = append(u.plan.entries, e)
	return u.authorizeRow(ctx, &u.plan.entries[at], r.user)
}

// entry compares the user with what the run wrote.
func (r *reversal) entry() entry {
	e := entry{number: r.from.number, name: r.from.name, key: r.from.key, userID: r.result.id,
		account: inactiveAccount, wish: wantsInactive, more: &more{}}
	if r.from.creates() || r.from.number == 0 || r.from.has(isTied) {
		e.flags |= isTied
	}
	if r.user == nil { // there is nothing to take back, as for one who is inactive already
		e.more.own = []Reason{note(CodeRemovedGone)}
		return e
	}
	e.userID = r.user.ID
	e.more.version = versionOf(r.user)
	if r.user.Active {
		e.account, e.wish = activeAccount, asItIs
	}
	if r.from.creates() {
		r.reverseCreation(&e)
	} else {
		r.reverseFields()
		r.reverseStatus(&e)
	}
	r.name(&e)
	e.more.settings = r.set
	e.more.own = r.reasons()
	return e
}

// name is the user's key after the way back.
func (r *reversal) name(e *entry) {
	stored := r.schema.nameOf(r.user)
	e.name = stored
	for i := range r.set {
		if int(r.set[i].field) == r.schema.key {
			e.name = r.set[i].new
		}
	}
	if e.key = Fold(e.name); e.key != Fold(stored) {
		e.flags |= isElsewhere
	}
}

// reverseCreation deactivates a user whom nobody has changed since.
func (r *reversal) reverseCreation(e *entry) {
	switch {
	case !r.user.Active:
	case r.isUntouched():
		e.wish = wantsInactive
		r.setStatus("true", "false")
	default:
		r.kept = append(r.kept, r.changedFields()...)
	}
}

// isUntouched tells that the user is as the run left it: by the version, or else by all that was written.
func (r *reversal) isUntouched() bool {
	if r.result.version != "" {
		return r.user.Version == r.result.version
	}
	return r.isAsWritten()
}

// isAsWritten tells that the user has everything that the run wrote.
func (r *reversal) isAsWritten() bool {
	switch op := r.from.more.op; {
	case op == OpActivate && !r.user.Active, op == OpDeactivate && r.user.Active, op == OpCreate && r.from.takesSeat() != r.user.Active:
		return false
	}
	return len(r.changedFields()) == 0
}

// changedFields are the fields that have another value than the run wrote.
func (r *reversal) changedFields() []string {
	var out []string
	for i := range r.from.more.settings {
		s := &r.from.more.settings[i]
		f := &r.schema.fields[s.field]
		if s.writes() && int(s.field) != r.schema.status && !f.Secret && !f.same(r.current(f), s.new) {
			out = append(out, f.Name)
		}
	}
	return out
}

// current is the canonical value that the user has now.
func (r *reversal) current(f *field) string { return f.stored(r.user.Values.raw(f.Name, f.index)) }

// reverseFields gives back the values from before the run, where those that it wrote are still there.
func (r *reversal) reverseFields() {
	for i := range r.from.more.settings {
		s := &r.from.more.settings[i]
		f := &r.schema.fields[s.field]
		switch {
		case !s.writes() || int(s.field) == r.schema.status || !f.Secret && f.same(r.current(f), f.stored(s.old)):
		case f.Secret:
			r.secrets = append(r.secrets, f.Name)
		case !f.same(r.current(f), s.new):
			r.kept = append(r.kept, f.Name)
		case f.refSlot >= 0 && !r.there[Fold(s.old)] && !r.regained[Fold(s.old)]:
			r.gone = append(r.gone, f.Name)
		case f.Refers != nil && r.hasLost(f, s):
			r.nameless = append(r.nameless, f.Name)
		default:
			r.set = append(r.set, setting{field: s.field, by: ByUndo, old: strings.Clone(r.user.Values.raw(f.Name, f.index)), new: s.old})
		}
	}
}

// reverseStatus gives back the status from before the run.
func (r *reversal) reverseStatus(e *entry) {
	switch {
	case r.from.more.op == OpActivate && r.user.Active:
		e.wish = wantsInactive
		r.setStatus("true", "false")
	case r.from.more.op == OpDeactivate && !r.user.Active:
		e.wish = wantsActive
		r.setStatus("false", "true")
	}
}

// setStatus shows a change of the status among the fields.
func (r *reversal) setStatus(from, to string) {
	if r.schema.status >= 0 {
		r.set = append(r.set, setting{field: int32(r.schema.status), by: ByUndo, old: from, new: to})
	}
}

// reasons say what does not go back, and why.
func (r *reversal) reasons() []Reason {
	var out []Reason
	for _, told := range []struct {
		code   Code
		fields []string
	}{{CodeChangedSince, r.kept}, {CodeSecretStays, r.secrets}, {CodeReferenceGone, r.gone}, {CodeNameGone, r.nameless}} {
		if len(told.fields) > 0 {
			out = append(out, warning(told.code, "fields", strings.Join(told.fields, ", ")))
		}
	}
	if r.from.creates() && len(r.kept) == 0 && r.user.Active && len(r.set) == 0 && !r.isUntouched() {
		out = append(out, warning(CodeChangedSince, "fields", "other fields"))
	}
	return out
}

// classifyLeaver decides about a user who had left the file, of whom only the status can change.
func (r *reversal) classifyLeaver(e *entry) {
	var code Code
	switch {
	case e.account == inactiveAccount && e.wish == wantsActive:
		e.class, e.more.op, code = ClassUpdated, OpActivate, CodeActivates
	case e.account == activeAccount && e.wish == wantsInactive && e.has(isProtected):
		e.class, code = ClassSkipped, CodeProtected
	case e.account == activeAccount && e.wish == wantsInactive:
		e.class, e.more.op, code = ClassUpdated, OpDeactivate, CodeDeactivates
	default:
		e.class, code = ClassSkipped, CodeUnchanged
	}
	e.more.verdict = []Reason{note(code)}
}

// undoneBaseline is the baseline without what the run that is taken back has done to it: who was created and
// is inactive again is not in it, and who had left the file and is active again is. (A9, B4)
func (w *applyJob) undoneBaseline() Baseline {
	b := Baseline{RunID: w.run.ID}
	left := map[string]bool{}
	var back []Member
	for i := range w.plan.entries {
		e := &w.plan.entries[i]
		idle := e.more.op == "" && e.account == inactiveAccount
		if !e.has(isTied) || !idle && w.run.result(int32(i)).state != StateDone {
			continue
		}
		left[e.userID] = true
		if e.more.op == OpActivate {
			back = append(back, Member{UserID: e.userID, Name: w.plan.nameAfter(int32(i))})
		}
	}
	for _, m := range w.plan.stay {
		if !left[m.UserID] {
			b.Members = append(b.Members, m)
		}
	}
	b.Members = append(b.Members, back...)
	return b
}
