package usersync

// isOver tells that the last day of the row's user, nil for a new one, is over after the run. An active user
// is only judged where the row gives a date, or a rule does: a row that says nothing changes nothing. (B3)
//
//	user      the row gives        the date that counts
//	new       any                  the one that the user gets
//	active    a date, or a rule    the one that the user has after the run
//	active    nothing              none
//	inactive  any                  the one that the user has after the run
func (c *comparer) isOver(r *checked, u *User) bool {
	if c.schema.lastDay < 0 {
		return false
	}
	day, says := c.lastDay(r, u)
	return (says || !u.Active) && isDay(day) && day < c.today
}

// lastDay is the last day that the row's user has after the run, "" for none, and whether the row or a rule
// says so.
func (c *comparer) lastDay(r *checked, u *User) (day string, says bool) {
	i := c.schema.lastDay
	f, rule := &c.schema.fields[i], &c.rules[i]
	if u == nil {
		day, _ = rule.forNewUser(r.states[i], r.values[i])
		return day, true
	}
	current := f.stored(u.Values.raw(f.Name, i))
	if v, _, _, writes := rule.forExisting(f, r.states[i], r.values[i], current); writes {
		return v, true
	}
	return current, r.states[i] == given || rule.strategy == ForceValue
}

func (c *comparer) lastDayNote(r *checked, u *User) Reason {
	day, _ := c.lastDay(r, u)
	reason := note(CodeLastDay, "value", c.keep.keep(day)).in(c.schema.LastDay)
	reason.Column, reason.Cell = c.columns.place(r.number, c.schema.lastDay)
	return reason
}
