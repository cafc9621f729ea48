package workbook

import "github.com/xuri/excelize/v2"

// Look is how a cell looks. In every look the cell is in text format, so that what a person types there
// keeps its leading zeros.
type Look uint8

// The looks.
const (
	Plain    Look = iota // as the column says, or else like Text
	Text                 // one line
	Wrapped              // as many lines as it takes
	Header               // bold, on grey
	Required             // bold, on yellow
	Sample               // italic
	Bad                  // on red
	Trouble              // red text, wrapped
	Title                // large and bold
	Strong               // bold
	Faint                // grey
	Entry                // as many lines as it takes, with a line below: a row of a report
	Alarm                // like Entry, in red
	lookCount
)

const (
	textFormat = 49 // "@"
	grey       = "E7E6E6"
	darkGrey   = "595959"
	yellow     = "FFFF00"
	paleRed    = "FFC7CE"
	darkRed    = "9C0006"
	line       = "A6A6A6"
	paleLine   = "D9D9D9"
)

// style is the look as the library wants it.
func (l Look) style() *excelize.Style {
	s := &excelize.Style{NumFmt: textFormat, Alignment: &excelize.Alignment{Vertical: "top"},
		Font: &excelize.Font{Family: "Calibri", Size: 11}}
	switch l {
	case Wrapped:
		s.Alignment.WrapText = true
	case Header, Required:
		s.Font.Bold = true
		s.Alignment = &excelize.Alignment{Vertical: "center", WrapText: true}
		s.Border = []excelize.Border{{Type: "bottom", Color: line, Style: 1}, {Type: "right", Color: line, Style: 1}}
		s.Fill = fill(grey)
		if l == Required {
			s.Fill = fill(yellow)
		}
	case Sample:
		s.Font.Italic, s.Font.Color = true, darkGrey
	case Bad:
		s.Fill = fill(paleRed)
		s.Border = []excelize.Border{{Type: "left", Color: darkRed, Style: 1}, {Type: "right", Color: darkRed, Style: 1},
			{Type: "top", Color: darkRed, Style: 1}, {Type: "bottom", Color: darkRed, Style: 1}}
	case Trouble:
		s.Font.Color = darkRed
		s.Alignment.WrapText = true
	case Title:
		s.Font.Bold, s.Font.Size = true, 16
	case Strong:
		s.Font.Bold = true
	case Faint:
		s.Font.Color = darkGrey
	case Entry, Alarm:
		s.Alignment.WrapText = true
		s.Border = []excelize.Border{{Type: "bottom", Color: paleLine, Style: 1}}
		if l == Alarm {
			s.Font.Color = darkRed
		}
	}
	return s
}

func fill(color string) excelize.Fill {
	return excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{color}}
}
