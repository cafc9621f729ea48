package usersync

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/usersync-go/usersync/internal/table"
)

// excelDigits is how many significant digits a spreadsheet keeps of a number.
const excelDigits = 15

// cellText gives what the person meant by a cell, as text that is not cleaned yet, or why that cannot
// be told. It is the one place where typed cells become text. (R4)
//
//	text     as it is
//	number   all digits, no exponent, no ".0"; with its leading zeros where the format pads;
//	         an integer past 15 digits is refused, a fraction is rounded to the 15 that are shown
//	date     ISO 8601
//	boolean  true or false
//	error    refused        formula without a stored result: refused
func cellText(c *table.Cell) (string, *Reason) {
	switch c.Kind {
	case table.Number:
		if text, ok := plainNumber(c.Text); ok {
			return padZeros(text, c.Format), nil
		}
		return "", refusedCell(CodeDigitsLost)
	case table.Error:
		return "", refusedCell(CodeCellError, "value", c.Text)
	case table.NoValue:
		return "", refusedCell(CodeNoResult)
	}
	return c.Text, nil
}

func refusedCell(code Code, params ...string) *Reason {
	r := errorReason(code, params...)
	return &r
}

// spoiltValues are what a spreadsheet program writes for a formula error, into a CSV file for example:
// never a name. (R4)
var spoiltValues = []string{"#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#SPILL!",
	"#CALC!", "#FIELD!", "#GETTING_DATA", "#BLOCKED!", "#CONNECT!", "#UNKNOWN!", "#BUSY!"}

// shortened is how a spreadsheet program writes a long number into a CSV file, its digits lost.
var shortened = regexp.MustCompile(`^[0-9][.,][0-9]+E\+[0-9]+$`)

// isSpoilt tells text that a spreadsheet program has left in place of a value.
func isSpoilt(text string) bool {
	switch {
	case text == "":
		return false
	case text[0] == '#':
		return slices.Contains(spoiltValues, text) || strings.Trim(text, "#") == "" && len(text) > 2
	}
	return text[0] <= '9' && strings.Contains(text, "E+") && shortened.MatchString(text)
}

func spoilt(text string) *Reason {
	if text[0] == '#' {
		return refusedCell(CodeCellError, "value", text)
	}
	return refusedCell(CodeDigitsLost)
}

// plainNumber writes a number as a workbook spells it ("1.2E3", "0.30000000000000004") with plain
// digits. It is not ok if the number is an integer of more than 15 digits.
func plainNumber(s string) (string, bool) {
	if isShortInteger(s) {
		return s, true
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return "", false
	}
	digits := strconv.FormatFloat(f, 'e', excelDigits-1, 64)
	if digits, err := strconv.ParseFloat(digits, 64); err == nil {
		f = digits
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if text == "-0" {
		text = "0"
	}
	if whole, _, _ := strings.Cut(strings.TrimPrefix(text, "-"), "."); len(whole) > excelDigits {
		return "", false
	}
	return text, true
}

// isShortInteger tells digits that can be taken as they are, which most numbers are.
func isShortInteger(s string) bool {
	if s == "" || len(s) > excelDigits || s[0] == '0' && len(s) > 1 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// padZeros applies a number format that does nothing but pad with zeros, perhaps with separators
// ("00000", "000-00-0000"), to a whole number.
func padZeros(digits, format string) string {
	places := strings.Count(format, "0")
	if places < 2 || strings.Trim(format, `0-\ `) != "" || !isDigits(digits) {
		return digits
	}
	if missing := places - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	return separate(digits, strings.ReplaceAll(format, `\`, ""))
}

// separate spreads digits over the zeros of a format from the right; further digits come first.
func separate(digits, format string) string {
	out := make([]byte, 0, len(digits)+len(format))
	next := len(digits) - 1
	for i := len(format) - 1; i >= 0; i-- {
		if format[i] != '0' {
			out = append(out, format[i])
			continue
		}
		out = append(out, digits[next])
		next--
	}
	for ; next >= 0; next-- {
		out = append(out, digits[next])
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return string(out)
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
