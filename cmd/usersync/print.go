package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"
	"golang.org/x/text/width"
)

// printer writes tables.
type printer struct {
	w     io.Writer
	width int // of the terminal, 0 for what is none
}

// printer is for standard output.
func (a *app) printer() *printer { return &printer{w: a.out, width: terminalWidth(a.out)} }

// terminalWidth is how many characters a line of a terminal has, 0 for what is none.
func terminalWidth(w io.Writer) int {
	f, isFile := w.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 80
	}
	return columns
}

// table prints rows in columns that are as wide as they need to be. On a terminal the last column is broken into
// lines that fit.
func (p *printer) table(indent string, rows [][]string) {
	widths := columnWidths(rows)
	for _, row := range rows {
		p.row(indent, widths, row)
	}
}

func columnWidths(rows [][]string) []int {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], cells(clean(cell)))
		}
	}
	return widths
}

// narrowest is what the last column has at least, even if the line is longer than the terminal's then.
const narrowest = 24

func (p *printer) row(indent string, widths []int, row []string) {
	var b strings.Builder
	b.WriteString(indent)
	for i, cell := range row[:len(row)-1] {
		cell = clean(cell)
		b.WriteString(cell + strings.Repeat(" ", widths[i]-cells(cell)+2))
	}
	room := 0
	if p.width > 0 {
		room = max(p.width-cells(b.String()), narrowest)
	}
	margin := strings.Repeat(" ", cells(b.String()))
	for i, line := range broken(clean(row[len(row)-1]), room) {
		if i > 0 {
			b.WriteString("\n" + margin + "  ")
		}
		b.WriteString(line)
	}
	fmt.Fprintln(p.w, strings.TrimRight(b.String(), " "))
}

// broken breaks a text between words into lines of at most room characters, 0 for no limit; further lines have
// two less, for they are set in. A word that is longer has a line of its own.
func broken(text string, room int) []string {
	if room == 0 || cells(text) <= room {
		return []string{text}
	}
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case cells(line)+1+cells(word) <= room:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
			if len(lines) == 1 {
				room -= 2
			}
		}
	}
	return append(lines, line)
}

// cells is how many cells of a terminal a text takes: two for a wide letter, none for a mark on another.
func cells(text string) int {
	n := 0
	for _, r := range text {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case isWide(r):
			n += 2
		default:
			n++
		}
	}
	return n
}

func isWide(r rune) bool {
	kind := width.LookupRune(r).Kind()
	return kind == width.EastAsianWide || kind == width.EastAsianFullwidth
}

// clean makes a text of a file or database harmless for a terminal: no control character in it is obeyed, and
// none turns the direction of what follows.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// cleanLines is clean for a text of several lines.
func cleanLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		indent := len(line) - len(strings.TrimLeft(line, " \t"))
		lines[i] = line[:indent] + clean(line[indent:])
	}
	return strings.Join(lines, "\n")
}

// count is a number with its word: 1 row, 2 rows.
func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
