package usersync

import (
	"context"
	"strconv"
	"strings"
)

// findRemoved adds the users who left the file: members of the baseline whom no row means. (B4 to B7)
func (j *previewJob) findRemoved(ctx context.Context) error {
	if j.plan.columns.corrects {
		j.keepMissing()
		return nil
	}
	gone := j.missing()
	j.noteHeld(len(gone))
	for len(gone) > 0 {
		n := min(j.options.batch, len(gone))
		if err := j.removeBatch(ctx, gone[:n]); err != nil {
			return err
		}
		gone = gone[n:]
	}
	return nil
}

// keepMissing keeps in the baseline whoever is not in a correction file: it has the rows that had failed,
// and the rest of the users are in the file before it. (B4, P2)
func (j *previewJob) keepMissing() {
	j.plan.stay = append(j.plan.stay, j.missing()...)
	j.plan.Notes = append(j.plan.Notes, note(CodeCorrectionFile))
}

// noteHeld says in the plan that rows without a readable key hold all removals. (B5)
func (j *previewJob) noteHeld(gone int) {
	if len(j.keyless) > 0 && gone > 0 && j.cfg.RemovedUsers == Deactivate {
		j.plan.Notes = append(j.plan.Notes, warning(CodeRemovalsHeld, "rows", j.keylessRows()))
	}
}

func (j *previewJob) keylessRows() string {
	const shown = 10
	var b strings.Builder
	for i, row := range j.keyless {
		if i == shown {
			b.WriteString(" and " + strconv.Itoa(len(j.keyless)-shown) + " more")
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.Itoa(int(row)))
	}
	return b.String()
}

// missing lists the members of the baseline whom no row means, and marks the others.
func (j *previewJob) missing() []Member {
	var out []Member
	for _, m := range j.members {
		if at, inFile := j.plan.cross.byUser[m.UserID]; inFile {
			j.plan.entries[at].flags |= isMember
			continue
		}
		if j.present[m.UserID] {
			j.plan.stay = append(j.plan.stay, m)
			continue
		}
		out = append(out, m)
	}
	return out
}

func (j *previewJob) removeBatch(ctx context.Context, members []Member) error {
	ids := make([]string, len(members))
	for i, m := range members {
		ids[i] = m.UserID
	}
	users, err := j.findUsers(ctx, FieldID, ids)
	if err != nil {
		return err
	}
	byID := make(map[string]*User, len(users))
	var active []string
	for i := range users {
		if byID[users[i].ID] = &users[i]; users[i].Active {
			active = append(active, users[i].ID)
		}
	}
	shared, err := j.sharedWith(ctx, active)
	if err != nil {
		return err
	}
	for _, m := range members {
		if err := j.remove(ctx, m, byID[m.UserID], shared[m.UserID]); err != nil {
			return err
		}
	}
	return nil
}

// sharedWith asks which users other configurations still have, where that matters. (B7)
func (j *previewJob) sharedWith(ctx context.Context, ids []string) (map[string]string, error) {
	if j.cfg.RemovedUsers != Deactivate || j.cfg.SharedUsers != HoldShared {
		return nil, nil
	}
	return j.inOtherBaselines(ctx, j.cfg.ID, ids)
}

// remove adds one user who left the file.
func (j *previewJob) remove(ctx context.Context, m Member, u *User, sharedWith string) error {
	r := removal{held: len(j.keyless) > 0, shared: sharedWith != ""}
	e := entry{name: m.Name, userID: m.UserID}
	if u != nil {
		r.exists, r.active = true, u.Active
		e.name = j.compare.keep.keep(j.schema.nameOf(u))
		e.account = inactiveAccount
		if u.Active {
			e.account = activeAccount
		}
	}
	if r.active && j.cfg.RemovedUsers == Deactivate {
		var err error
		if r.protected, err = j.isProtected(ctx, j.plan.Actor, u); err != nil {
			return err
		}
	}
	v, stays := classifyRemoved(&j.cfg, r)
	if stays {
		j.plan.stay = append(j.plan.stay, m)
	}
	if j.cfg.RemovedUsers == Ignore {
		return nil
	}
	e.class = v.class
	e.more = &more{op: v.op, verdict: []Reason{j.removalReason(v, sharedWith)}}
	at := int32(len(j.plan.entries))
	if u != nil {
		j.noteLeaver(at, u)
	}
	if v.op == OpDeactivate {
		e.more.version = versionOf(u)
		j.statusSetting(&e)
		j.plan.notePools(&e, u)
	}
	j.plan.cross.byUser[e.userID] = at
	j.plan.entries = append(j.plan.entries, e)
	if v.op == OpDeactivate {
		return j.authorizeRemoval(ctx, &j.plan.entries[at], u, m)
	}
	return nil
}

func (j *previewJob) removalReason(v verdict, sharedWith string) Reason {
	switch v.code {
	case CodeShared:
		return warning(v.code, "config", sharedWith)
	case CodeRemovalsHeld:
		return warning(v.code, "rows", j.keylessRows())
	}
	return note(v.code)
}

// statusSetting shows the deactivation among the fields.
func (j *previewJob) statusSetting(e *entry) {
	if j.schema.status >= 0 {
		e.more.settings = []setting{{field: int32(j.schema.status), by: ByBehaviour, old: "true", new: "false"}}
	}
}

// authorizeRemoval asks whether the actor may deactivate the user; a refusal makes the removal an Error,
// and the user stays in the baseline. (A11)
func (j *previewJob) authorizeRemoval(ctx context.Context, e *entry, u *User, m Member) error {
	if j.authorize == nil {
		return nil
	}
	refused, err := j.refusal(ctx, j.plan.Actor, *u, j.schema.Status)
	if err != nil || refused == nil {
		return err
	}
	e.class, e.more.op, e.more.settings = ClassError, "", nil
	e.more.verdict = []Reason{errorReason(CodeNotAllowed, "message", refused.Error())}
	j.plan.stay = append(j.plan.stay, m)
	return nil
}

// noteLeaver records the values by which a new user may turn out to be this one. (B8)
func (j *previewJob) noteLeaver(at int32, u *User) {
	x := &j.plan.cross
	x.leavers[leaverKey+Fold(u.Values.raw(j.schema.Key, j.schema.key))] = at
	for i := range j.schema.fields {
		f := &j.schema.fields[i]
		if value := f.stored(u.Values.raw(f.Name, i)); j.schema.identifies(f) && value != "" {
			x.leavers[leaverForm(f, value)] = at
		}
	}
}
