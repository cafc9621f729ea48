package sniff

import (
	"bytes"

	"github.com/usersync-go/usersync/internal/table"
)

// kind is a kind of file that is refused. The zero kind is none.
type kind struct{ code, detail, advice string }

func (k kind) refusal() error {
	return &table.Refusal{Code: k.code, Detail: k.detail, Advice: k.advice}
}

const (
	saveXLSX   = "save it as .xlsx and upload it again"
	exportXLSX = "export it as .xlsx or CSV and upload that"
	wrongFile  = "upload an .xlsx or CSV file"
	unpack     = "unpack it and upload the .xlsx or CSV file that is in it"
	again      = "the upload may have been cut short: open the file to see that it is whole, and upload it again"
)

// Every kind that has a name. The codes are stable.
var (
	empty     = kind{"format_empty", "the file is empty", wrongFile}
	blank     = kind{"format_empty", "the file holds nothing but white space", wrongFile}
	junk      = kind{"format_binary", "this is neither a workbook nor text", wrongFile}
	damaged   = kind{"format_damaged", "this is a zip archive, as workbooks are, but a damaged one", again}
	encrypted = kind{"format_encrypted", "this workbook is protected by a password",
		"remove the password in the spreadsheet program and upload it again"}

	xls     = kind{"format_xls", "this is an old Excel workbook (.xls)", saveXLSX}
	xlsb    = kind{"format_xlsb", "this is a binary Excel workbook (.xlsb)", saveXLSX}
	xltx    = kind{"format_xltx", "this is an Excel template (.xltx or .xltm), not a workbook", saveXLSX}
	xlam    = kind{"format_xlam", "this is an Excel add-in (.xlam), not a workbook", wrongFile}
	xmlss   = kind{"format_xml_spreadsheet", "this is an XML Spreadsheet 2003, whatever its name ends in", saveXLSX}
	sylk    = kind{"format_sylk", "this is a SYLK spreadsheet (.slk)", saveXLSX}
	dif     = kind{"format_dif", "this is a DIF spreadsheet (.dif)", saveXLSX}
	lotus   = kind{"format_lotus", "this is a Lotus 1-2-3 spreadsheet", saveXLSX}
	ods     = kind{"format_ods", "this is an OpenDocument spreadsheet (.ods)", saveXLSX}
	numbers = kind{"format_numbers", "this is an Apple iWork document, such as .numbers", exportXLSX}

	doc  = kind{"format_doc", "this is an old Word document (.doc)", wrongFile}
	docx = kind{"format_docx", "this is a Word document (.docx)", wrongFile}
	ppt  = kind{"format_ppt", "this is an old PowerPoint presentation (.ppt)", wrongFile}
	pptx = kind{"format_pptx", "this is a PowerPoint presentation (.pptx)", wrongFile}
	odt  = kind{"format_odt", "this is an OpenDocument text (.odt)", wrongFile}
	odp  = kind{"format_odp", "this is an OpenDocument presentation or drawing (.odp, .odg)", wrongFile}
	epub = kind{"format_epub", "this is an e-book (.epub)", wrongFile}
	msg  = kind{"format_msg", "this is an Outlook message (.msg)", wrongFile}
	ole  = kind{"format_ole", "this is an old Office file such as .xls, or one protected by a password", saveXLSX}
	pdf  = kind{"format_pdf", "this is a PDF file", wrongFile}
	rtf  = kind{"format_rtf", "this is a rich text document (.rtf)", wrongFile}

	htmlPage = kind{"format_html", "this is an HTML page, whatever its name ends in", "open it in a spreadsheet program, " + saveXLSX}
	mhtml    = kind{"format_html", "this is a web archive (.mht), whatever its name ends in", "open it in a spreadsheet program, " + saveXLSX}
	xmlFile  = kind{"format_xml", "this is an XML file", wrongFile}
	jsonFile = kind{"format_json", "this is a JSON file", wrongFile}
	vcard    = kind{"format_vcard", "this is a contact card (.vcf)", exportXLSX}
	picture  = kind{"format_image", "this is an image", wrongFile}
	access   = kind{"format_database", "this is a database file", exportXLSX}

	zipped  = kind{"format_zip", "this is a zip archive", unpack}
	gzipped = kind{"format_gzip", "this is a compressed file (.gz)", unpack}
	archive = kind{"format_archive", "this is an archive or a compressed file", unpack}
	sevenZ  = kind{"format_7z", "this is a 7-Zip archive (.7z)", unpack}
	rar     = kind{"format_rar", "this is a RAR archive (.rar)", unpack}
	entries = kind{"limit_entries", "this archive has more entries than a workbook can have", wrongFile}
)

// signatures are the first bytes of files that are not text. A signature that could start a CSV file is
// not here unless it has a byte that no text has.
var signatures = []struct {
	at    int
	bytes string
	kind  kind
}{
	{0, "\x09\x00\x04\x00", xls}, // BOF records of BIFF 2, 3, 4 and 5, as early Excel wrote them to disk
	{0, "\x09\x02\x06\x00", xls},
	{0, "\x09\x04\x06\x00", xls},
	{0, "\x09\x08\x08\x00", xls},
	{0, "\x09\x08\x10\x00", xls},
	{0, "\x00\x00\x02\x00\x04\x04\x06\x00", lotus},
	{0, "\x00\x00\x02\x00\x06\x04\x06\x00", lotus},
	{0, "\x00\x00\x1A\x00\x00\x10\x04\x00", lotus},
	{0, "\x00\x00\x1A\x00\x02\x10\x04\x00", lotus},
	{0, "%PDF-", pdf},
	{0, "\x89PNG\r\n\x1A\n", picture},
	{0, "\xFF\xD8\xFF", picture},
	{0, "GIF87a", picture},
	{0, "GIF89a", picture},
	{0, "II*\x00", picture},
	{0, "MM\x00*", picture},
	{4, "ftypheic", picture},
	{8, "WEBPVP8", picture},
	{0, "\x1F\x8B", gzipped},
	{0, "7z\xBC\xAF\x27\x1C", sevenZ},
	{0, "Rar!\x1A\x07", rar},
	{0, "\xFD7zXZ\x00", archive},
	{0, "BZh91AY&SY", archive},
	{0, "\x28\xB5\x2F\xFD", archive},
	{257, "ustar", archive},
	{0, "SQLite format 3\x00", access},
	{0, "\x00\x01\x00\x00Standard ", access},
}

func signatureKind(head []byte) kind {
	for _, s := range signatures {
		if len(head) >= s.at && bytes.HasPrefix(head[s.at:], []byte(s.bytes)) {
			return s.kind
		}
	}
	if bytes.HasPrefix(head, []byte("BM")) && len(head) >= 10 && string(head[6:10]) == "\x00\x00\x00\x00" {
		return picture // a bitmap: two letters could start a text, the reserved bytes could not
	}
	return kind{}
}
