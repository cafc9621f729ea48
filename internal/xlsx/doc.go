// Package xlsx reads the worksheets of an Office Open XML workbook (.xlsx, .xlsm and their templates)
// as a stream of typed cells, and refuses a damaged file as a whole (R1).
//
//	book, err := xlsx.Open(ctx, file, size, xlsx.Limits{})
//	for row, err := range book.Rows(ctx, book.Sheets()[0]) { … }
//
// It decides what a cell is: text, a number as it is spelled and with its format, a date, a boolean,
// an error. What that means for a user's field is the caller's to decide (R4). Open reads everything
// but the sheets; Rows reads one sheet at a time and holds one row. No temporary files, no goroutine
// that outlives a call, no panic on any input.
//
// # Words
//
// A part is a file within the archive. A refusal is a [table.Refusal]: its code is one of those in
// refuse.go, its text says what is wrong and what helps. "ECMA" is ECMA-376, fifth edition; where a
// paragraph is named without a part, Part 1 is meant.
//
// # The archive (directory.go, container.go; R1, R2)
//
// Read by archive/zip, with every error kept and the following on top, because archive/zip trusts
// what it is not asked to doubt:
//
//   - the end record is the last thing in the file and the directory stands right before it: an
//     archive in front of, behind or within something else is refused;
//   - every entry's own header agrees with the directory in name, method, sizes and CRC-32, zip64
//     fields and data descriptors (all four forms) included; entries share no bytes;
//   - no two parts have one name, as ECMA Part 2, 6.2.2 compares them: case and the kind of slash
//     make no difference;
//   - what is read is read to its end: the size and the CRC-32 must fit, a CRC-32 of 0 too.
//
// Parts that are not needed (themes, pictures, macros) are never inflated, so damage in them is not
// noticed; it cannot change a row.
//
// # The XML (scan.go, tag.go, chardata.go, namespace.go, prolog.go; R1)
//
// XML 1.0 with namespaces, well-formed to the end of the part: matching tags, legal names and
// characters, unique attributes also by namespace, declared prefixes, only the five predefined
// entities and character references, one root element and nothing but comments, processing
// instructions and white space around it. UTF-8 with or without its mark, or UTF-16 with a mark or
// recognised by "<"; a declared encoding must be the real one. Refused: any DOCTYPE (no entity is
// ever expanded, nothing is ever fetched), every other encoding, XML 1.1.
//
// mc:AlternateContent is resolved as ECMA Part 3 says, with only the namespaces of the workbook known.
// Elements of other namespaces, and extLst, are skipped but must be well-formed. An element of the
// workbook's own namespace in a place where rows, cells or strings are is refused if it is not known:
// it may be one that matters.
//
// # The workbook (relation.go, workbook.go)
//
// Both the transitional and the strict namespaces and relationship types, under any prefix.
// Relationship targets may be absolute, relative, with backslashes or percent-escapes. Refused: no
// workbook or another kind of document, a worksheet whose part is not there, a relationship out of
// the file, two relationships or sheets of one name. The parts for styles and shared strings may be
// missing as long as no cell refers to them.
//
// # Rows and cells (sheet.go, cell.go; ECMA 18.3.1.73, 18.3.1.4)
//
// Rows by increasing number and cells by increasing column, once each; a row or a cell without a
// reference is the next one. A cell's reference must be in its row. Row numbers end at 1,048,576
// and columns at XFD; past Limits.Rows and Limits.Columns only blank cells may be. Rows that hold no
// value are counted but not yielded. A row is hidden if it says so or if its height is 0.
//
//	t=         value                                       yields
//	s          an index that exists                        Text, unless ""
//	inlineStr  <is>; <v> counts if there is no <is>         Text, unless ""
//	str        text                                        Text, unless ""
//	n, none    a finite xsd:double                         Number as spelled, or Date by its format
//	b          0 1 true false                              Bool
//	d          an ISO 8601 date, time, or both             Date
//	e          any text                                    Error
//	any        none, but a formula                         NoValue
//	any        none                                        nothing: the cell is blank
//	others                                                 refused
//
// A formula's text is never looked at. Text is ST_Xstring (22.9.2.19): _x000D_ is decoded, half a
// surrogate pair is refused. Runs of rich text are joined and phonetic runs dropped. Nothing is trimmed.
//
// # Numbers and dates (styles.go, numfmt.go, date.go; ECMA 18.8.30, 18.8.31, 18.17.4.1)
//
// A number is a date if the section of its format that is for its value shows one: year, month, day,
// hour, minute or second outside of quotes, and no digit placeholder but fractions of a second. The
// format also says what of it is meant:
//
//	yyyy-mm-dd        44197.75   2021-01-01
//	d/m/yy h:mm       44197.75   2021-01-01T18:00:00
//	h:mm:ss AM/PM     44197.75   18:00:00
//	[h]:mm            10.5       PT252H
//	built-in 34, 35, 55, 56 (dates in one country, times in another): whatever the value has
//
// Values are rounded to the millisecond, which is written only if it is not 0. Both epochs. What no
// calendar has stays a Number with its digits: negative serials, those past 9999-12-31, and in the
// 1900 system day 0 and day 60 (29 February 1900), where a date is asked for. A format id without a
// code is General; a cell format that is not there is refused.
//
// # Bounds (limits.go; R2)
//
// Each is an option, except for those that no sound workbook comes near, and names itself when hit.
// Memory is bound by them: a window of the sheet, one row, and the shared strings. What unpacks to
// more than Limits.Ratio times its size is refused once it is long, so that time and memory stay in
// proportion to the bytes that were uploaded.
package xlsx
