// Package sniff tells from its content, never from its name, whether an upload is a workbook or a CSV
// file, and refuses anything else by what it really is, so that an administrator knows what to do.
//
// It only names files. Whether a workbook or a CSV file is sound is for its reader to find out; where
// sniff is in doubt it says XLSX or CSV, and the reader refuses with the exact place.
//
//	first bytes ─┬─ PK  ─ entries of the zip archive ─ XLSX, or .ods, .docx, ...
//	             ├─ OLE2 ─ names of its streams ─ password-protected, .xls, .doc, ...
//	             ├─ any other signature ─ PDF, image, archive, ...
//	             └─ text ─ CSV, or HTML, XML, JSON, ...
//
// A workbook with macros (.xlsm) is read as any other: it has the same sheets, and macros are never
// run. A template (.xltx) is refused, because a person who uploads one most likely chose the wrong file.
package sniff

import (
	"bytes"
	"fmt"
	"io"
)

// Format is what a file is read as.
type Format string

// The formats that can be read.
const (
	XLSX Format = "xlsx" // .xlsx and .xlsm
	CSV  Format = "csv"  // and any other text
)

// headBytes is how much is looked at to tell text from text: enough for the comments and declarations
// that come before the root of an HTML or XML file.
const headBytes = 8 << 10

// Identify tells what the size bytes of r are. The error is a *table.Refusal with one of this package's
// codes, or r's own error wrapped.
func Identify(r io.ReaderAt, size int64) (Format, error) {
	head := make([]byte, min(max(size, 0), headBytes))
	n, err := r.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return "", fmt.Errorf("reading the upload: %w", err)
	}
	head = head[:n]
	switch {
	case isZip(head):
		return zipFormat(r, size, head)
	case isOLE(head):
		return "", oleKind(r, size).refusal()
	}
	return headFormat(head)
}

// IdentifyHead does the same for the first bytes of a file, at best 8 KiB, when no more can be looked at.
// What is inside an archive or an old Office file it tells only as far as these bytes show it: a zip
// archive that shows nothing else is called XLSX.
func IdentifyHead(head []byte) (Format, error) {
	switch {
	case isZip(head):
		k, _ := entriesKind(localNames(head), localMimetype(head))
		return kindFormat(k, XLSX)
	case isOLE(head):
		return "", oleKind(bytes.NewReader(head), int64(len(head))).refusal()
	}
	return headFormat(head)
}

func headFormat(head []byte) (Format, error) {
	if k := signatureKind(head); k.code != "" {
		return "", k.refusal()
	}
	return kindFormat(textKind(head), CSV)
}

// kindFormat refuses a kind; without one, the file is of the given format.
func kindFormat(k kind, f Format) (Format, error) {
	if k.code != "" {
		return "", k.refusal()
	}
	return f, nil
}
