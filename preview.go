package usersync

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/usersync-go/usersync/internal/table"
)

// previewJob is one preview under way.
type previewJob struct {
	*Previewer
	schema  *schema // the plan's
	cfg     Config
	src     Source
	told    func(rows int) // nil where nobody asks
	file    *opened
	members []Member

	plan    *Plan
	check   *checker
	compare *comparer

	batch   []checked          // rows that wait for their users; the slices in them are used again
	size    int                // rows in batch
	keys    map[string][]int32 // keys that several rows have
	several map[string][]int32 // user ids that several rows mean
	claims  []map[string]claim // by match field: values, and the rows that have them
	present map[string]bool    // users of rows that mean several at once
	keyless []int32            // rows that may be anyone
	links   map[string]string  // folded references, each once
	walked  map[string]bool    // keys that findReferences has followed
	wanted  []map[string]bool  // by unique slot: values whose owners were looked up
	naming  naming             // of things
}

// begin checks what can be checked before the file is read, and opens it.
func (p *Previewer) begin(ctx context.Context, cfg Config, src Source, opts []PreviewOption) (*previewJob, error) {
	var o previewOptions
	for _, opt := range opts {
		opt.preview(&o)
	}
	cfg = cfg.Clone()
	ext, err := p.extend(ctx, o.fields)
	if err != nil {
		return nil, err
	}
	if err := cfg.validate(ext.schema); err != nil {
		return nil, err
	}
	if cfg.Paused {
		return nil, fmt.Errorf("%w: resume %q first", ErrPaused, cfg.Name)
	}
	base, err := p.loadBaseline(ctx, cfg.ID)
	if err != nil {
		return nil, err
	}
	src = src.only(cfg.Formats)
	file, err := src.read(ctx, cfg.Limits.within(p.limits), p.schema.Sheet)
	if err != nil {
		return nil, err
	}
	plan := &Plan{ID: rand.Text(), Config: cfg.Clone(), cfg: cfg, Actor: o.actor, Created: p.now(), extension: ext,
		Added: slices.Clone(ext.fresh()), BaselineRun: base.RunID, Baseline: len(base.Members), poolField: p.license.field, turn: make(chan struct{}, 1)}
	if p.stores != nil {
		plan.Expires = plan.Created.Add(p.planTime)
	}
	plan.cross = newCrossing(ext.schema)
	return &previewJob{Previewer: p, schema: ext.schema, cfg: cfg, src: src, told: o.told, file: file, members: base.Members, plan: plan,
		keys: map[string][]int32{}, several: map[string][]int32{}, present: map[string]bool{},
		links: map[string]string{}, walked: map[string]bool{}, claims: newClaims(ext.schema), wanted: newWanted(ext.schema),
		naming: newNaming(p)}, nil
}

func newCrossing(s *schema) crossing {
	x := crossing{byKey: map[string]int32{}, byUser: map[string]int32{}, elsewhere: map[string]int32{}, stored: map[int32]string{},
		byName: map[string]int32{}, leavers: map[string]int32{},
		owners: make([]map[string][]owner, len(s.unique)), links: make([][]string, len(s.refs))}
	for i := range x.owners {
		x.owners[i] = map[string][]owner{}
	}
	return x
}

func newWanted(s *schema) []map[string]bool {
	wanted := make([]map[string]bool, len(s.unique))
	for i := range wanted {
		wanted[i] = map[string]bool{}
	}
	return wanted
}

func (j *previewJob) close() {
	if err := j.file.Close(); err != nil {
		j.log.Warn("usersync: closing the upload", "config", j.cfg.ID, "error", err)
	}
}

// readRows reads the whole file, batch by batch: check, look up, compare.
func (j *previewJob) readRows(ctx context.Context) error {
	lim := j.cfg.Limits.within(j.limits)
	for row, err := range j.file.rows {
		switch {
		case err != nil:
			return j.refused(err)
		case j.check == nil && isBlankRow(row):
			continue
		case j.check == nil:
			if err := j.header(ctx, row); err != nil {
				return err
			}
			continue
		}
		if j.plan.columns.isBlank(row) {
			continue
		}
		if j.file.info.Rows++; j.file.info.Rows > lim.Rows {
			continue // is counted, and refused at the end with the number
		}
		if err := j.add(ctx, row); err != nil {
			return err
		}
	}
	if j.check == nil {
		return j.refused(&FileError{Code: "no_header", Detail: "the sheet is empty",
			Advice: "the first row must have the names of the columns: download the template to see them"})
	}
	if rows := j.file.info.Rows; rows > lim.Rows {
		return j.refused(tooManyRows(rows, lim.Rows))
	}
	if err := j.flush(ctx); err != nil {
		return err
	}
	j.plan.rows = len(j.plan.entries)
	j.plan.offers = j.check.newcomers.offers(j.schema, &j.cfg, j.plan.columns)
	j.check.newcomers = nil
	j.tellDuplicates()
	if err := j.recoverCells(ctx); err != nil {
		return err
	}
	if err := j.file.finish(); err != nil {
		return err
	}
	return j.refuseNames()
}

func tooManyRows(rows, limit int) error {
	return &FileError{Code: "limit_rows", Limit: int64(limit), Count: int64(rows), Advice: "split it into several files",
		Detail: fmt.Sprintf("the file has %s rows of users, and at most %s are allowed", grouped(rows), grouped(limit))}
}

// grouped writes a number with a comma between thousands.
func grouped(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func (j *previewJob) refused(err error) error { return Source{name: j.file.info.Name}.refused(err) }

func (j *previewJob) header(ctx context.Context, row *table.Row) error {
	cols, err := mapHeader(j.schema, &j.cfg, row, j.file.isCSV)
	if err != nil {
		return j.refused(err)
	}
	if err := j.hasColumns(cols); err != nil {
		return err
	}
	j.file.info.HeaderRow, j.file.info.Columns = row.Number, cols.list
	j.plan.columns = cols
	if err := j.checkKept(cols); err != nil {
		return err
	}
	rules := prepareRules(j.schema, &j.cfg)
	if err := j.spellRules(ctx, rules); err != nil {
		return err
	}
	j.check = newChecker(j.schema, &j.cfg, cols, rules)
	j.compare = &comparer{schema: j.schema, cfg: &j.cfg, rules: rules, columns: cols,
		today: j.plan.Created.UTC().Format(time.DateOnly), assigner: prepareAssignments(j.schema, &j.cfg)}
	j.batch = make([]checked, j.options.batch)
	if j.fieldStore != nil {
		j.check.newcomers = newNewcomers(cols)
	}
	return nil
}

// hasColumns refuses new fields that have no column in the file.
func (j *previewJob) hasColumns(cols *columns) error {
	var bad problems
	for i, f := range j.plan.fresh() {
		if cols.cells[len(j.schema.fields)-j.plan.added+i] < 0 {
			bad.add("fields."+f.Name, "the file has no column %q", f.Header())
		}
	}
	return bad.err("list of new fields")
}

// add checks a row and, when a batch is full, compares it.
func (j *previewJob) add(ctx context.Context, row *table.Row) error {
	if row.Hidden {
		j.file.info.HiddenRows++
	}
	j.check.check(row, &j.batch[j.size])
	if j.size++; j.size < len(j.batch) {
		return nil
	}
	return j.flush(ctx)
}

// flush looks up the users of the waiting rows and compares each row with its user.
func (j *previewJob) flush(ctx context.Context) error {
	rows := j.batch[:j.size]
	j.size = 0
	if err := j.spellRows(ctx, rows); err != nil {
		return err
	}
	found, err := j.findMatches(ctx, rows)
	if err != nil {
		return err
	}
	first := len(j.plan.entries)
	for i := range rows {
		m := found.match(&rows[i])
		j.compare.ignore(&rows[i], m)
		if m.protected, err = j.protect(ctx, &rows[i], m.user); err != nil {
			return err
		}
		e := j.compare.entry(&rows[i], m)
		j.record(&e, &rows[i], m)
		j.plan.entries = append(j.plan.entries, e)
		if err := j.authorizeRow(ctx, &j.plan.entries[len(j.plan.entries)-1], m.user); err != nil {
			return err
		}
	}
	if err := j.findOwners(ctx, first); err != nil {
		return err
	}
	if j.told != nil {
		j.told(len(j.plan.entries))
	}
	j.tell(ctx, Progress{PlanID: j.plan.ID, Stage: StageRead, Done: len(j.plan.entries)})
	return nil
}

// protect asks whether the user of a row that says inactive must stay active. (B3, B6)
func (j *previewJob) protect(ctx context.Context, r *checked, u *User) (bool, error) {
	if u == nil || !u.Active || j.compare.wish(r, u) != wantsInactive {
		return false, nil
	}
	return j.isProtected(ctx, j.plan.Actor, u)
}

// record keeps what the checks across rows need to know of an entry.
func (j *previewJob) record(e *entry, r *checked, m match) {
	at := int32(len(j.plan.entries))
	j.recordKey(e, at)
	if j.mayBeAnyone(e, r, m) {
		j.keyless = append(j.keyless, e.number)
	}
	for _, id := range m.others {
		j.present[id] = true
	}
	for slot, field := range j.schema.match {
		j.claim(slot, matchValue(&j.schema.fields[field], r), at)
	}
	j.noteLinks(m.user)
	if m.user != nil {
		j.recordUser(e, at, m.user)
		j.plan.notePools(e, m.user)
	}
}

// recordKey keeps which row has a key, and all of them where several do.
func (j *previewJob) recordKey(e *entry, at int32) {
	if e.key == "" {
		return
	}
	byKey := j.plan.cross.byKey
	first, twice := byKey[e.key]
	if !twice {
		byKey[e.key] = at
		return
	}
	j.keys[e.key] = append(j.seen(j.keys, e.key, first), at)
	if j.plan.staysElsewhere(first) || j.plan.entries[first].has(isUnclear) {
		byKey[e.key] = at // whoever names the key means a row that has it for sure
	}
}

// recordUser keeps which row means a user, all of them where several do, and where the store has the user
// under another key.
func (j *previewJob) recordUser(e *entry, at int32, u *User) {
	x := &j.plan.cross
	if first, twice := x.byUser[e.userID]; twice {
		j.several[e.userID] = append(j.seen(j.several, e.userID, first), at)
	} else {
		x.byUser[e.userID] = at
	}
	if e.has(isElsewhere) {
		j.recordElsewhere(e, at, strings.Clone(u.Values.raw(j.schema.Key, j.schema.key)))
		return
	}
	delete(x.elsewhere, e.key) // another row has the user under the key that it has now
}

// recordElsewhere keeps under which key the store has the user of a row that gives another, unless some row
// has the user under that key.
func (j *previewJob) recordElsewhere(e *entry, at int32, stored string) {
	x := &j.plan.cross
	x.stored[at] = stored
	key := Fold(stored)
	if row, inFile := x.byKey[key]; inFile && j.plan.entries[row].userID == e.userID {
		return
	}
	if other, taken := x.elsewhere[key]; !taken || !j.plan.staysElsewhere(other) {
		x.elsewhere[key] = at
	}
}

// mayBeAnyone tells a row that does not say for sure whom it is about: its key cannot be read, its cells
// have moved, or the field by which it would be found is broken. (B5)
func (j *previewJob) mayBeAnyone(e *entry, r *checked, m match) bool {
	switch {
	case tells(r.reasons, CodeExtraCells), e.key == "" && e.userID == "":
		return true
	case m.byMatch:
		return false
	}
	for _, field := range j.schema.match {
		f := &j.schema.fields[field]
		if r.states[field] == broken || f.Required == Always && r.states[field] != given {
			return true
		}
	}
	return false
}

// seen begins a list of rows with the first one.
func (j *previewJob) seen(rows map[string][]int32, key string, first int32) []int32 {
	if list := rows[key]; list != nil {
		return list
	}
	return []int32{first}
}

// noteLinks records whom the entry's user refers to now.
func (j *previewJob) noteLinks(u *User) {
	for slot, field := range j.schema.refs {
		link := ""
		if u != nil {
			link = j.intern(Fold(u.Values.raw(j.schema.fields[field].Name, field)))
		}
		j.plan.cross.links[slot] = append(j.plan.cross.links[slot], link)
	}
}

// intern keeps each reference once: many users have the same manager.
func (j *previewJob) intern(s string) string {
	kept, known := j.links[s]
	if !known {
		kept = strings.Clone(s)
		j.links[kept] = kept
	}
	return kept
}

// authorizeRow asks whether the actor may write what the row would write. (A11)
func (j *previewJob) authorizeRow(ctx context.Context, e *entry, u *User) error {
	if j.authorize == nil || e.more == nil || e.more.op == "" {
		return nil
	}
	var user User
	if u != nil {
		user = *u
	}
	for _, field := range j.plan.asked(e) {
		refused, err := j.refusal(ctx, j.plan.Actor, user, field)
		if err != nil {
			return err
		}
		if refused != nil {
			r := errorReason(CodeNotAllowed, "message", refused.Error()).in(field)
			if i, known := j.schema.byName[field]; known {
				r.Column, r.Cell = j.plan.columns.place(int(e.number), i)
			}
			e.more.own = append(e.more.own, r)
		}
	}
	return nil
}

// recoverCells reads the file once more for the cells of rows that turned out to be errors only when a
// later row was read.
func (j *previewJob) recoverCells(ctx context.Context) error {
	wanted := map[int]*more{}
	for i := range j.plan.entries[:j.plan.rows] {
		if e := &j.plan.entries[i]; e.more != nil && hasError(e.more.own) && e.more.cells == nil {
			wanted[int(e.number)] = e.more
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	again, err := j.src.again(j.file).read(ctx, j.cfg.Limits.within(j.limits), j.schema.Sheet)
	if err != nil {
		return err
	}
	for row, err := range again.rows {
		if err != nil {
			return errors.Join(j.refused(err), again.Close())
		}
		if m := wanted[row.Number]; m != nil {
			j.check.check(row, &j.batch[0])
			m.cells = j.compare.copyCells(j.batch[0].cells)
		}
	}
	return again.Close()
}

func (j *previewJob) finish(ctx context.Context) *Plan {
	j.plan.Source = j.file.info
	j.log.InfoContext(ctx, "usersync: preview made", "config", j.cfg.ID, "plan", j.plan.ID, "counts", j.plan.Counts())
	return j.plan
}
