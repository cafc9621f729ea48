package xlsx

import (
	"strconv"

	"github.com/usersync-go/usersync/internal/table"
)

// parseReference reads a cell reference such as "C7" (ST_CellRef): capital letters and a row number
// without leading zeros. The column counts from 0, the row from 1. It accepts no cell that a sheet
// cannot have.
func parseReference(b []byte) (col, row int, ok bool) {
	i := 0
	for i < len(b) && i < 3 && b[i] >= 'A' && b[i] <= 'Z' {
		col = col*26 + int(b[i]-'A') + 1
		i++
	}
	if i == 0 || col > maxColumn {
		return 0, 0, false
	}
	row, ok = parseRowNumber(b[i:])
	return col - 1, row, ok
}

// parseRowNumber reads a row number from 1 to 1,048,576.
func parseRowNumber(b []byte) (int, bool) {
	if len(b) == 0 || b[0] == '0' {
		return 0, false
	}
	n, ok := parseIndex(b)
	return n, ok && n <= maxRow
}

// parseIndex reads an unsigned whole number of at most nine digits.
func parseIndex(b []byte) (int, bool) {
	if len(b) == 0 || len(b) > 9 {
		return 0, false
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

func referenceOf(col, row int) string { return table.ColumnName(col) + strconv.Itoa(row) }

// isNumber tells whether b is a finite xsd:double as it may be spelled: digits with at most one
// point, and an exponent.
func isNumber(b []byte) bool {
	i := sign(b, 0)
	whole := digits(b, i)
	end := whole
	if end < len(b) && b[end] == '.' {
		end = digits(b, end+1)
		if end == whole+1 && whole == i {
			return false // a point alone
		}
	}
	if end == i {
		return false
	}
	if end < len(b) && b[end]|0x20 == 'e' {
		from := sign(b, end+1)
		if end = digits(b, from); end == from {
			return false
		}
	}
	return end == len(b)
}

func sign(b []byte, i int) int {
	if i < len(b) && (b[i] == '+' || b[i] == '-') {
		return i + 1
	}
	return i
}

func digits(b []byte, i int) int {
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		i++
	}
	return i
}
