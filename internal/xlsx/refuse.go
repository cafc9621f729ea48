package xlsx

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/usersync-go/usersync/internal/table"
)

// The codes of the refusals of this package. They are stable; limits name the bound that was hit.
const (
	CodeEmpty        = "xlsx_empty"         // the file has no bytes
	CodeNotZip       = "xlsx_not_zip"       // not a zip archive, so not a workbook
	CodeNotWorkbook  = "xlsx_not_workbook"  // a zip archive, but of something else
	CodeBinary       = "xlsx_is_xlsb"       // a binary workbook
	CodeOpenDocument = "xlsx_is_ods"        // an OpenDocument file
	CodeWord         = "xlsx_is_word"       // a Word document
	CodePresentation = "xlsx_is_powerpoint" // a PowerPoint presentation
	CodeNumbers      = "xlsx_is_numbers"    // an Apple Numbers file
	CodeEncrypted    = "xlsx_encrypted"     // a part is encrypted
	CodeTruncated    = "xlsx_truncated"     // the archive or a part ends too early
	CodeDamaged      = "xlsx_damaged"       // the archive contradicts itself or does not unpack
	CodeChecksum     = "xlsx_checksum"      // a part is not what was written
	CodeDuplicate    = "xlsx_duplicate"     // two parts, sheets or ids with one name
	CodeMissing      = "xlsx_missing_part"  // a part that is referred to is not there
	CodeRelation     = "xlsx_relationship"  // a relationship that cannot be followed
	CodeXML          = "xlsx_xml"           // a part is not well-formed XML
	CodeDoctype      = "xlsx_doctype"       // a part has a document type declaration
	CodeEncoding     = "xlsx_encoding"      // a part is in an encoding that is not read
	CodeStructure    = "xlsx_structure"     // well-formed, but not what a workbook part holds
	CodeReference    = "xlsx_reference"     // a bad cell reference or row number
	CodeOrder        = "xlsx_order"         // rows or cells out of order or given twice
	CodeShared       = "xlsx_shared_string" // a shared string that is not there
	CodeStyle        = "xlsx_style"         // a cell format that is not there
	CodeCellType     = "xlsx_cell_type"     // a type of cell that is not known
	CodeValue        = "xlsx_value"         // a value that is not of its cell's type
	CodeText         = "xlsx_text"          // text with half a character (a lone surrogate)
	CodeNoSheet      = "xlsx_no_sheet"      // no worksheet in the workbook

	LimitInflated   = "limit_inflated"
	LimitRatio      = "limit_ratio"
	LimitEntries    = "limit_entries"
	LimitDirectory  = "limit_directory"
	LimitRows       = "limit_rows"
	LimitColumns    = "limit_columns"
	LimitCell       = "limit_cell"
	LimitRowText    = "limit_row_text"
	LimitDepth      = "limit_depth"
	LimitTag        = "limit_tag"
	LimitAttributes = "limit_attributes"
	LimitNamespaces = "limit_namespaces"
	LimitShared     = "limit_shared_strings"
	LimitSharedText = "limit_shared_text"
	LimitFormat     = "limit_format"
	LimitStyles     = "limit_styles"
	LimitSheets     = "limit_sheets"
	LimitRelations  = "limit_relationships"
)

const (
	adviceResave = "open the file in a spreadsheet program, look whether all rows are there, and save it again as .xlsx"
	adviceUpload = "upload the file again; if that does not help, " + adviceResave
	adviceSmall  = "split the file, or remove what is not needed from it"
	adviceKind   = "save it as an Excel workbook (.xlsx) first"
	adviceUnlock = "remove the password and save it again"
)

// advice says what helps against a code. Bounds that people meet call for a smaller file; the others
// are met by no file that a spreadsheet program saved.
func advice(code string) string {
	switch code {
	case LimitInflated, LimitRows, LimitColumns, LimitCell, LimitRowText, LimitShared, LimitSharedText, LimitSheets:
		return adviceSmall
	case CodeNotZip, CodeNotWorkbook, CodeBinary, CodeOpenDocument, CodeWord, CodePresentation, CodeNumbers:
		return adviceKind
	case CodeEncrypted:
		return adviceUnlock
	}
	return adviceUpload
}

func refuse(code, part, format string, args ...any) *table.Refusal {
	return &table.Refusal{Code: code, Part: shown(part), Detail: shown(fmt.Sprintf(format, args...)), Advice: advice(code)}
}

// shown makes what a file says fit for a log and a page: short, and without control characters.
func shown(s string) string {
	const longest = 300
	if len(s) > longest {
		s = s[:longest] + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

func exceeds(code, part string, limit int64, what string) *table.Refusal {
	detail := fmt.Sprintf("%s, more than the limit of %d", what, limit)
	return &table.Refusal{Code: code, Part: shown(part), Limit: limit, Detail: detail, Advice: advice(code)}
}

// at adds the place to a refusal that does not know it; other errors pass as they are.
func at(err error, sheet, cell string, row int) error {
	var r *table.Refusal
	if !errors.As(err, &r) {
		return err
	}
	if r.Sheet == "" {
		r.Sheet = sheet
	}
	if r.Row == 0 && r.Cell == "" {
		r.Row, r.Cell = row, cell
	}
	return err
}
