package main

import (
	"flag"
	"fmt"
	"strconv"
	"strings"

	"github.com/usersync-go/usersync"
)

// answers are the flags that answer conflicts.
type answers struct {
	words    []string
	remember bool
	file     string
}

// addAnswers adds the flags.
func addAnswers(f *flag.FlagSet) *answers {
	w := &answers{}
	f.Func("decide", "`answer` to conflicts: FIELD=file, FIELD=current, ROW:FIELD=file, all=file; may be given several times",
		func(word string) error {
			w.words = append(w.words, word)
			return nil
		})
	f.BoolVar(&w.remember, "remember", false, "make the answers about a field the rule of that field from now on")
	f.StringVar(&w.file, "decisions", "", "JSON `file` with a list of decisions: row, field, choice, remember")
	return w
}

// decisions are the answers of the file, of the flags and of further words, in that order.
func (w *answers) decisions(more []string) ([]usersync.Decision, error) {
	var out []usersync.Decision
	if err := readJSON(w.file, &out); err != nil {
		return nil, err
	}
	for _, word := range append(w.words, more...) {
		d, err := decision(word)
		if err != nil {
			return nil, err
		}
		d.Remember = w.remember && d.Field != ""
		out = append(out, d)
	}
	return out, nil
}

// decision reads an answer such as 7:title=file.
func decision(word string) (d usersync.Decision, err error) {
	about, choice, found := strings.Cut(word, "=")
	switch {
	case !found || choice != string(usersync.TakeFile) && choice != string(usersync.KeepCurrent):
		return d, fmt.Errorf("%q is no answer: write FIELD=file or FIELD=current", word)
	case about != "all":
		d.Field = about
	}
	d.Choice = usersync.Choice(choice)
	if row, field, both := strings.Cut(about, ":"); both {
		if d.Row, err = strconv.Atoi(row); err != nil || d.Row < 1 {
			return d, fmt.Errorf("%q is no answer: %q is not the number of a row", word, row)
		}
		d.Field = field
	}
	return d, nil
}
