package main

import (
	"errors"
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
	f.Func("decide", "`answer` to conflicts: FIELD=file, FIELD=current, ROW:FIELD=file, ROW:all=file, all=file; may be given several times",
		func(word string) error {
			w.words = append(w.words, word)
			return nil
		})
	f.BoolVar(&w.remember, "remember", false, "make the answers about whole fields the rules of those fields from now on")
	f.StringVar(&w.file, "decisions", "", "JSON `file` with a list of decisions: row, field, choice, remember")
	return w
}

// decisions are the answers of the file, of the flags and of further words, in that order.
func (w *answers) decisions(more []string) ([]usersync.Decision, error) {
	var out []usersync.Decision
	if err := readJSON(w.file, &out); err != nil {
		return nil, err
	}
	remembered := 0
	for _, word := range append(w.words, more...) {
		d, err := decision(word)
		if err != nil {
			return nil, err
		}
		if w.remember && d.Row == 0 { // what goes for one row makes no rule
			d.Remember = true
			remembered++
		}
		if d.Remember && d.Field == "" {
			return nil, fmt.Errorf("%s cannot be remembered: name the fields, such as title=%s", word, d.Choice)
		}
		out = append(out, d)
	}
	if w.remember && remembered == 0 {
		return nil, errors.New("-remember needs an answer about a field, such as title=file; those of a file have their own \"remember\"")
	}
	return out, nil
}

// decision reads an answer such as 7:title=file. What is left out is never taken for all, since it may be a
// variable of a script that was empty.
func decision(word string) (d usersync.Decision, err error) {
	about, choice, _ := strings.Cut(word, "=")
	d.Choice = usersync.Choice(choice)
	if about == "" || d.Choice != usersync.TakeFile && d.Choice != usersync.KeepCurrent {
		return d, fmt.Errorf("%q is no answer: write FIELD=file or FIELD=current", word)
	}
	row, field, both := strings.Cut(about, ":")
	if both {
		if d.Row, err = number(row); err != nil || d.Row < 1 {
			return d, fmt.Errorf("%q is no answer: %q is not the number of a row", word, row)
		}
		about = field
	}
	switch about {
	case "":
		return d, fmt.Errorf("%q is no answer: write %s:FIELD=%s, or %[2]s:all=%[3]s", word, row, choice)
	case "all":
	default:
		d.Field = about
	}
	return d, nil
}

// number reads a number of at most nine digits, without a sign.
func number(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 30)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", text)
	}
	return int(n), nil
}
