package usersync

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// claim is the rows that have one value of a match field.
type claim struct {
	first int32
	more  []int32
}

func newClaims(s *schema) []map[string]claim {
	claims := make([]map[string]claim, len(s.match))
	for i := range claims {
		claims[i] = map[string]claim{}
	}
	return claims
}

func (j *previewJob) claim(slot int, value string, at int32) {
	if value == "" {
		return
	}
	c, taken := j.claims[slot][value]
	if !taken {
		j.claims[slot][j.compare.keep.keep(value)] = claim{first: at}
		return
	}
	c.more = append(c.more, at)
	j.claims[slot][value] = c
}

// tellDuplicates makes every row an Error whose key, or whose user, another row has too. (C4)
func (j *previewJob) tellDuplicates() {
	for _, rows := range j.keys {
		j.tellEach(rows, func(at int32, others string) Reason {
			r := errorReason(CodeDuplicateKey, "value", j.plan.entries[at].name, "rows", others).in(j.schema.Key)
			r.Column, r.Cell = j.plan.place(at, j.schema.key)
			return r
		})
	}
	for _, rows := range j.several {
		if !j.sameKey(rows) {
			j.tellSameUser(rows)
		}
	}
	for slot, field := range j.schema.match {
		for _, value := range slices.Sorted(maps.Keys(j.claims[slot])) {
			if rows := j.claimants(slot, field, value); len(rows) > 1 && !j.sameKey(rows) {
				j.tellSameUser(rows)
			}
		}
	}
}

// claimants lists the rows that mean one user by a value of a match field: those that have it there and,
// where the field holds former keys, those that have it as their key.
func (j *previewJob) claimants(slot, field int, value string) []int32 {
	c := j.claims[slot][value]
	rows := append([]int32{c.first}, c.more...)
	if j.schema.byName[j.schema.fields[field].Match] != j.schema.key {
		return rows
	}
	if at, taken := j.plan.cross.byKey[value]; taken {
		rows = append(rows, at)
		rows = append(rows, j.keys[value]...)
	}
	slices.Sort(rows)
	return slices.Compact(rows)
}

// tellSameUser tells rows that they mean one user, unless they were told already.
func (j *previewJob) tellSameUser(rows []int32) {
	j.tellEach(rows, func(at int32, others string) Reason {
		return errorReason(CodeDuplicateUser, "user", j.plan.entries[at].name, "rows", others)
	})
}

// sameKey tells rows that are told already that they have one key.
func (j *previewJob) sameKey(rows []int32) bool {
	for _, at := range rows {
		if key := j.plan.entries[at].key; key == "" || key != j.plan.entries[rows[0]].key {
			return false
		}
	}
	return true
}

// tellEach adds a reason to each row of a group that names the others.
func (j *previewJob) tellEach(rows []int32, reason func(at int32, others string) Reason) {
	for i, at := range rows {
		m := j.plan.entries[at].and()
		if r := reason(at, j.otherRows(rows, i)); !tells(m.own, r.Code) {
			m.own = append(m.own, r)
		}
	}
}

func tells(reasons []Reason, code Code) bool {
	return slices.ContainsFunc(reasons, func(r Reason) bool { return r.Code == code })
}

// otherRows names the rows of a group but one: at most ten of them.
func (j *previewJob) otherRows(rows []int32, but int) string {
	const shown = 10
	var numbers []string
	for i, at := range rows {
		if i == but {
			continue
		}
		if len(numbers) == shown {
			return strings.Join(numbers, ", ") + fmt.Sprintf(" and %d more", len(rows)-1-shown)
		}
		numbers = append(numbers, strconv.Itoa(int(j.plan.entries[at].number)))
	}
	return strings.Join(numbers, ", ")
}
