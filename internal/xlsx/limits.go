package xlsx

// Limits are the bounds of one workbook (R2). A field that is zero or less stands for its default.
type Limits struct {
	Inflated      int64 // inflated bytes of all parts that Open and one pass over a sheet read
	Ratio         int64 // inflated bytes of a part per packed byte, past its first 4 MiB
	Entries       int   // entries of the zip archive
	Rows          int   // highest row number that holds a value
	Columns       int   // columns, counted to the last that holds a value
	CellChars     int   // text of one cell, in UTF-16 code units as spreadsheet programs count
	RowBytes      int   // text of one row, shared strings apart
	Depth         int   // nesting of XML elements
	TagBytes      int   // one XML tag with its attributes
	SharedStrings int   // shared strings of the workbook
	SharedBytes   int64 // their text, kept in memory; past 64 MiB also bound by Ratio/5
	FormatChars   int   // one number format code, in bytes
}

// DefaultLimits are the bounds of Open where the caller names none.
func DefaultLimits() Limits {
	return Limits{
		Inflated:      1 << 30,
		Ratio:         100,
		Entries:       2000,
		Rows:          maxRow,
		Columns:       1024,
		CellChars:     32767,
		RowBytes:      16 << 20,
		Depth:         32,
		TagBytes:      64 << 10,
		SharedStrings: 5_000_000,
		SharedBytes:   256 << 20,
		FormatChars:   1024,
	}
}

// Bounds that are not options: no sound workbook comes near them.
const (
	maxRow         = 1 << 20  // ECMA-376 Part 1, 18.3.1.73: rows a sheet can have
	maxColumn      = 1 << 14  // columns a sheet can have, A to XFD
	maxDirectory   = 4 << 20  // bytes of the zip archive's directory
	maxAttributes  = 128      // attributes of one XML tag
	maxAliased     = 16       // prefixed attributes of one tag where two prefixes mean the same
	maxBindings    = 64       // namespace declarations in scope
	maxURI         = 1 << 10  // bytes of a namespace name
	maxStyles      = 1 << 16  // cell formats; spreadsheet programs stop at 65,490
	maxFormats     = 1 << 13  // number formats of a workbook
	maxSheets      = 1 << 13  // sheets of a workbook
	maxName        = 1 << 10  // bytes of a sheet's name; spreadsheet programs stop at 31 characters
	maxRelations   = 1 << 16  // relationships of one part
	maxChunk       = 1 << 20  // bytes of shared text held together
	maxCellChars   = 1 << 18  // so that one cell's text fits into a chunk
	maxSharedBytes = 1 << 29  // so that 4,096 chunks hold it, however ill it fits
	maxRatio       = 1 << 20  // no packing does better
	ratioGrace     = 4 << 20  // inflated bytes of a part below which Ratio is not asked
	sharedGrace    = 64 << 20 // bytes of shared text below which Ratio is not asked
	sharedPerRatio = 5
)

// orDefault gives l with defaults for the fields not set.
func (l Limits) orDefault() Limits {
	d := DefaultLimits()
	return Limits{
		Inflated:      pick(l.Inflated, d.Inflated),
		Ratio:         min(pick(l.Ratio, d.Ratio), maxRatio),
		Entries:       pick(l.Entries, d.Entries),
		Rows:          pick(l.Rows, d.Rows),
		Columns:       pick(l.Columns, d.Columns),
		CellChars:     min(pick(l.CellChars, d.CellChars), maxCellChars),
		RowBytes:      pick(l.RowBytes, d.RowBytes),
		Depth:         pick(l.Depth, d.Depth),
		TagBytes:      pick(l.TagBytes, d.TagBytes),
		SharedStrings: pick(l.SharedStrings, d.SharedStrings),
		SharedBytes:   min(pick(l.SharedBytes, d.SharedBytes), maxSharedBytes),
		FormatChars:   pick(l.FormatChars, d.FormatChars),
	}
}

func pick[T int | int64](set, standard T) T {
	if set > 0 {
		return set
	}
	return standard
}
