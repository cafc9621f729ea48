package csvfile

import (
	"fmt"

	"github.com/usersync-go/usersync/internal/table"
)

// The codes of this package's refusals.
const (
	CodeEncoding      = "csv_encoding"       // a byte that is not in the encoding
	CodeEncodingName  = "csv_encoding_name"  // Options.Encoding is none we know, or the file is in UTF-32
	CodeNUL           = "csv_nul"            // a NUL character
	CodeQuote         = "csv_quote"          // a quote inside an unquoted cell, or text after a closing quote
	CodeUnclosedQuote = "csv_unclosed_quote" // the file ends inside a quoted cell
	CodeLineEnding    = "csv_line_ending"    // a CR without LF outside quotes
	CodeDelimiter     = "csv_delimiter"      // Options.Delimiter or Writer.Delimiter cannot be one
	CodeBytes         = "limit_bytes"
	CodeRows          = "limit_rows"
	CodeColumns       = "limit_columns"
	CodeCell          = "limit_cell"
	CodeRowText       = "limit_row_text"
)

const (
	adviseUTF8     = `save it again as "CSV UTF-8" and upload it again`
	adviseEncoding = `save it again as "CSV UTF-8", or name its encoding, such as windows-1252, in the encoding option`
	adviseQuotes   = `put the whole cell in quotes and write each quote inside it twice, or save the file again from a spreadsheet program`
	adviseSplit    = "split the file, or have the limit raised"
)

func refuseByte(enc string, line int, at int64, b byte) error {
	return &table.Refusal{Code: CodeEncoding, Line: line, Byte: at, Advice: adviseEncoding,
		Detail: fmt.Sprintf("the byte 0x%02X is not valid %s", b, enc)}
}

func refuseEncodingName(name string) error {
	return &table.Refusal{Code: CodeEncodingName,
		Detail: fmt.Sprintf("the encoding %q is not known", name),
		Advice: "use a name such as utf-8, windows-1252 or shift_jis"}
}

func refuseUTF32() error {
	return &table.Refusal{Code: CodeEncodingName, Detail: "the file is in UTF-32", Advice: adviseUTF8}
}

func refuseNUL(line int, at int64) error {
	return &table.Refusal{Code: CodeNUL, Line: line, Byte: at,
		Detail: "the file holds a NUL character, which no text file does: it is damaged, binary, or UTF-16 without a byte order mark",
		Advice: `save it again as "CSV UTF-8", or name its encoding, such as utf-16le, in the encoding option`}
}

func refuseQuote(line int, at int64, detail string) error {
	return &table.Refusal{Code: CodeQuote, Line: line, Byte: at, Detail: detail, Advice: adviseQuotes}
}

func refuseUnclosed(line int, at int64) error {
	return &table.Refusal{Code: CodeUnclosedQuote, Line: line, Byte: at,
		Detail: "the quote that opens here is never closed",
		Advice: "the file may have been cut short: upload it again, or close the quote"}
}

func refuseLineEnding(line int, at int64) error {
	return &table.Refusal{Code: CodeLineEnding, Line: line, Byte: at,
		Detail: "a carriage return without a line feed, as old Mac files have or damaged ones",
		Advice: adviseUTF8}
}

func refuseDelimiter(r rune) error {
	return &table.Refusal{Code: CodeDelimiter,
		Detail: fmt.Sprintf("%q cannot be a delimiter", r),
		Advice: "use a comma, a semicolon, a tab or a bar"}
}

func refuseBytes(limit int64) error {
	return &table.Refusal{Code: CodeBytes, Limit: limit, Advice: adviseSplit,
		Detail: fmt.Sprintf("the file is larger than %d bytes", limit)}
}

func refuseRows(line int, limit int) error {
	return &table.Refusal{Code: CodeRows, Line: line, Limit: int64(limit), Advice: adviseSplit,
		Detail: fmt.Sprintf("the file has more than %d rows", limit)}
}

func refuseColumns(line, limit int) error {
	return &table.Refusal{Code: CodeColumns, Line: line, Limit: int64(limit),
		Detail: fmt.Sprintf("the row has more than %d columns", limit),
		Advice: "remove the columns that are not needed"}
}

func refuseCell(line, col, limit int) error {
	return &table.Refusal{Code: CodeCell, Line: line, Limit: int64(limit),
		Detail: fmt.Sprintf("the cell in column %s has more than %d characters", table.ColumnName(col), limit),
		Advice: "shorten it; if it holds many rows, a quote before it was never closed"}
}

func refuseRow(line, limit int) error {
	return &table.Refusal{Code: CodeRowText, Line: line, Limit: int64(limit),
		Detail: fmt.Sprintf("the row that starts here has more than %d bytes", limit),
		Advice: "a quote in it may never have been closed, or the file has no line endings"}
}
