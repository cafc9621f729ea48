package csvfile

import (
	"bytes"
	"io"
	"strings"
)

// delimiters are those told from a header; of two that it has equally many of, the first. The comma
// comes last because it is the one that header names contain.
const delimiters = "\t;|,"

// delimiterByte checks a delimiter that was asked for; 0 is none.
func delimiterByte(r rune) (byte, error) {
	if r != 0 && r != '\t' && (r < ' ' || r > '~' || r == '"') {
		return 0, refuseDelimiter(r)
	}
	return byte(r), nil
}

// tellDelimiter gives the delimiter, 0 if there is none, and passes over a sep= line. asked, unless 0,
// beats that line.
func tellDelimiter(l *lines, asked byte) (byte, error) {
	line, err := l.ahead()
	if err != nil {
		return 0, err
	}
	told, isSep := sepLine(line)
	if isSep {
		l.skip()
	}
	switch {
	case asked != 0:
		return asked, nil
	case isSep:
		return told, nil
	}
	return countDelimiters(l, line)
}

// sepLine reads the line by which spreadsheet programs name the delimiter, such as "sep=;". Programs
// that save it again add empty cells to it.
func sepLine(line []byte) (byte, bool) {
	line = bytes.TrimRight(line, "\r\n")
	const sep = "sep="
	if len(line) <= len(sep) || !bytes.EqualFold(line[:len(sep)], []byte(sep)) {
		return 0, false
	}
	c := line[len(sep)]
	if !strings.ContainsRune(delimiters+":^~", rune(c)) {
		return 0, false
	}
	return c, len(bytes.Trim(line[len(sep):], string(c))) == 0
}

// countDelimiters tells the delimiter from the header: the first line that holds text, and those that
// its quoted cells run on to.
func countDelimiters(l *lines, line []byte) (byte, error) {
	var t tally
	for {
		t.add(line)
		if t.text && !t.quoted || len(l.held) > l.max {
			return t.most(), nil
		}
		var err error
		if line, err = l.ahead(); err == io.EOF {
			return t.most(), nil
		} else if err != nil {
			return 0, err
		}
	}
}

// tally counts the delimiters of a header outside its quotes.
type tally struct {
	n      [len(delimiters)]int
	quoted bool // inside quotes
	text   bool // there was something else than delimiters
}

func (t *tally) add(line []byte) {
	if !t.text && !t.quoted {
		t.n = [len(delimiters)]int{} // the lines before were blank rows
	}
	for _, c := range line {
		i := strings.IndexByte(delimiters, c)
		switch {
		case c == '"':
			t.quoted = !t.quoted
		case i >= 0 && !t.quoted:
			t.n[i]++
		case c > ' ':
			t.text = true
		}
	}
}

func (t *tally) most() byte {
	best, n := byte(0), 0
	for i, have := range t.n {
		if have > n {
			best, n = delimiters[i], have
		}
	}
	return best
}
