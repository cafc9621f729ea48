package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/usersync-go/usersync"
)

// rowTable lists rows, of one class or with the class and state of each.
func rowTable(rows []usersync.RunRow, mixed bool) [][]string {
	head := []string{"ROW", "USER", "WHAT"}
	if mixed {
		head = []string{"ROW", "USER", "CLASS", "STATE", "WHAT"}
	}
	table := [][]string{head}
	for i := range rows {
		row := &rows[i]
		first := []string{"-", row.Name}
		if row.Number > 0 {
			first[0] = strconv.Itoa(row.Number)
		}
		if mixed {
			first = append(first, string(row.Class), stateOf(row))
		}
		table = append(table, rowLines(first, what(row))...)
	}
	return table
}

// stateOf is what became of a row, "" where there was nothing to do.
func stateOf(row *usersync.RunRow) string {
	if row.State == usersync.StateNothing {
		return ""
	}
	return string(row.State)
}

// rowLines are the lines of a table that one row takes: what is told of it is in the last column, below each other.
func rowLines(first, told []string) [][]string {
	if len(told) == 0 {
		return [][]string{append(first, "")}
	}
	out := [][]string{append(first, told[0])}
	for _, text := range told[1:] {
		out = append(out, append(make([]string, len(first)), text))
	}
	return out
}

// what tells of a row what is changed and why.
func what(row *usersync.RunRow) []string {
	var told []string
	if row.Class == usersync.ClassNew && len(row.Changes) > 0 {
		told = append(told, values(row.Changes))
	} else {
		for _, c := range row.Changes {
			told = append(told, change(c))
		}
	}
	for _, r := range row.Reasons {
		text := r.Text()
		if r.Level != usersync.LevelNote {
			text = string(r.Level) + ": " + text
		}
		told = append(told, text)
	}
	return told
}

// values are those of a new user. Where they come from is told of those that are not from the file.
func values(changes []usersync.FieldChange) string {
	parts := make([]string, len(changes))
	for i, c := range changes {
		parts[i] = fmt.Sprintf("%s: %q", c.Field, c.New)
		if c.By != usersync.ByNewUser || c.Rule != "" {
			parts[i] += fmt.Sprintf(" (%s)", decider(c))
		}
	}
	return strings.Join(parts, ", ")
}

func change(c usersync.FieldChange) string {
	switch {
	case c.Open:
		return fmt.Sprintf("%s: %q or %q? Somebody has to decide.", c.Field, c.Old, c.New)
	case c.Kept:
		return fmt.Sprintf("%s: %q stays, the file has %q", c.Field, c.Old, c.New)
	}
	return fmt.Sprintf("%s: %q becomes %q (%s)", c.Field, c.Old, c.New, decider(c))
}

// decider says who decided a change, with the assignment rules that had a part in it.
func decider(c usersync.FieldChange) string {
	if c.Rule == "" {
		return string(c.By)
	}
	return fmt.Sprintf("%s, rule %s", c.By, c.Rule)
}

// countsOf are the numbers of a plan in words.
func countsOf(c usersync.Counts) string {
	return fmt.Sprintf("%d new, %d updated, %d deactivated, %d skipped, %s", c.New, c.Updated, c.Deactivated, c.Skipped,
		count(c.Errors, "error"))
}

// doneOf are the numbers of a run in words; those of what went wrong only where there are any.
func doneOf(c usersync.RunCounts) string {
	parts := []string{fmt.Sprintf("%d created, %d updated, %d deactivated, %d skipped", c.Created, c.Updated, c.Deactivated, c.Skipped)}
	if c.Pending > 0 {
		parts = append(parts, fmt.Sprint(c.Pending, " not written yet"))
	}
	return strings.Join(append(parts, wrongOf(c)...), ", ")
}

// wrongOf are the numbers of what went wrong.
func wrongOf(c usersync.RunCounts) []string {
	var parts []string
	if c.Errors > 0 {
		parts = append(parts, count(c.Errors, "row")+" with errors")
	}
	if c.Failed > 0 {
		parts = append(parts, fmt.Sprint(c.Failed, " that failed"))
	}
	if c.Uncertain > 0 {
		parts = append(parts, fmt.Sprint(c.Uncertain, " of which it is not known"))
	}
	return parts
}
