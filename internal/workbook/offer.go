package workbook

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/xuri/excelize/v2"
)

// listSheet is the usual name of the hidden sheet with the words of long drop-downs.
const listSheet = "Lists"

// maxOffer is how long the words of a drop-down can be that stands in the sheet itself.
const maxOffer = 255

// Note puts a note on a cell: a heading and text.
func (s *Sheet) Note(col, row int, heading, text string) error {
	lines := Lines(heading, noteChars) + Lines(text, noteChars)
	return s.book.file.AddComment(s.name, excelize.Comment{
		Author: "usersync", Cell: cellName(col, row),
		Width: 280, Height: uint(24 + 17*min(lines, 30)),
		Paragraph: []excelize.RichTextRun{
			{Text: heading + "\n", Font: &excelize.Font{Bold: true, Size: 9, Family: "Tahoma"}},
			{Text: text, Font: &excelize.Font{Size: 9, Family: "Tahoma"}},
		},
	})
}

// noteChars is about how many characters a line of a note has.
const noteChars = 42

// Offer gives a column, from a row on to the last one, a drop-down of words. What else a person types is
// taken after a question, or without one if others is set.
func (s *Sheet) Offer(col, row int, words []string, others bool) error {
	v := excelize.NewDataValidation(true)
	v.Sqref = cellName(col, row) + ":" + cellName(col, maxRows)
	if err := s.book.offer(v, words); err != nil {
		return err
	}
	if !others {
		v.SetError(excelize.DataValidationErrorStyleWarning, "Not in the list", "The list offers other words. Keep this one?")
	}
	return s.book.file.AddDataValidation(s.name, v)
}

// offer puts the words into the validation itself, or else into the hidden sheet.
func (b *Book) offer(v *excelize.DataValidation, words []string) error {
	if inline(words) {
		return v.SetDropList(words)
	}
	if b.lists == nil {
		b.listSheet = b.freeName(listSheet)
	}
	col := len(b.lists)
	b.lists = append(b.lists, words)
	from, _ := excelize.CoordinatesToCellName(col+1, 1, true)
	to, err := excelize.CoordinatesToCellName(col+1, max(len(words), 1), true)
	if err != nil {
		return err
	}
	v.SetSqrefDropList(fmt.Sprintf("'%s'!%s:%s", b.listSheet, from, to))
	return nil
}

// inline tells words that can stand in a validation: not too long, and nothing in them that would mean
// something else there.
func inline(words []string) bool {
	if units(strings.Join(words, ",")) > maxOffer {
		return false
	}
	for _, w := range words {
		if w == "" || strings.TrimSpace(w) != w || strings.ContainsAny(w, `,"=`) || strings.ContainsFunc(w, unicode.IsControl) {
			return false
		}
	}
	return true
}

// addLists writes the hidden sheet, if there is anything for it.
func (b *Book) addLists() error {
	if len(b.lists) == 0 {
		return nil
	}
	name := b.listSheet
	b.listSheet = ""
	s, err := b.Sheet(name, Layout{Hidden: true, Columns: make([]Column, len(b.lists))})
	if err != nil {
		return err
	}
	longest := 0
	for _, words := range b.lists {
		longest = max(longest, len(words))
	}
	cells := make([]Cell, len(b.lists))
	for row := range longest {
		for col, words := range b.lists {
			cells[col] = Cell{}
			if row < len(words) {
				cells[col].Text = words[row]
			}
		}
		if err := s.Row(0, cells...); err != nil {
			return err
		}
	}
	return nil
}
