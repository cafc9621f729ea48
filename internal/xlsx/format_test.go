package xlsx

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// R4: which formats show dates.
func TestNumberFormats(t *testing.T) {
	const none, date, clock, both, elapsed = 0, showDate, showTime, showDate | showTime, showElapsed
	for _, tt := range []struct {
		code  string
		value float64
		want  shows
	}{
		{"", 1, none}, {"General", 1, none}, {"GENERAL", 1, none}, {`General" days"`, 1, none}, {"@", 1, none},
		{"0", 1, none}, {"0.00E+00", 1, none}, {"##0.0E-0", 1, none}, {"# ??/??", 1, none}, {"#,##0 USD", 1, none},
		{`0 "d"`, 1, none}, {`0\d`, 1, none}, {"0_d", 1, none}, {"0*d", 1, none}, {"[Red]0", 1, none},
		{`[$€-407] #,##0.00`, 1, none}, {"[$USD] 0", 1, none}, {"00000", 1, none}, {`"ymd"`, 1, none}, {`"ymd`, 1, none},
		{"[Magenta]", 1, none}, {"[", 1, none}, {`\`, 1, none}, {"_", 1, none},

		{"yyyy-mm-dd", 1, date}, {`yyyy\-mm\-dd`, 1, date}, {"YYYY-MM-DD", 1, date}, {"d/m/yy", 1, date}, {"mmm", 1, date},
		{"dddd", 1, date}, {"m/d/yy;@", 1, date}, {`[$-F800]dddd\,\ mmmm\ dd\,\ yyyy`, 1, date}, {"[$-409]mmmm d, yyyy;@", 1, date},
		{`yyyy"年"m"月"d"日"`, 1, date}, {"yyyy年m月d日", 1, date}, {"ge.m.d", 1, date}, {`[$-411]ggge"年"m"月"d"日";@`, 1, date},
		{"[$-411]e", 1, date}, {"[$-D07041E]d mmm bbbb", 1, date}, {"aaa", 1, date}, {`[DBNum1][$-804]yyyy"年"`, 1, date}, {"[Red]d", 1, date},

		{"h:mm", 1, clock}, {"h:mm AM/PM", 1, clock}, {"h:mm:ss.000", 1, clock}, {"mm:ss", 1, clock}, {"mm:ss.0", 1, clock}, {"ss.00", 1, clock},
		{"[$-F400]h:mm:ss AM/PM", 1, clock}, {"am/pm", 1, clock}, {"h a/p", 1, clock}, {`上午/下午h"时"mm"分"`, 1, clock}, {`h"h"mm`, 1, clock},

		{"m/d/yy h:mm", 1, both}, {"yyyy-mm-ddThh:mm:ss", 1, both}, {"yyyy-mm-dd hh:mm:ss.000", 1, both}, {"h:mm d/m/yy", 1, both},
		{"mmm h:mm:ss", 1, both}, {"d h", 1, both}, {"mm:ss mm", 1, both},

		{"[h]:mm:ss", 1, elapsed | clock}, {"[hh]:mm", 1, elapsed}, {"[mm]:ss", 1, elapsed | clock}, {"[ss]", 1, elapsed}, {"[ss].00", 1, elapsed}, {"[H]", 1, elapsed},
		{"[h]:mm;@", 1, elapsed},

		// sections, by the value
		{"yyyy;0;0.0", 1, date}, {"yyyy;0;0.0", -1, none}, {"yyyy;0;0.0", 0, none}, {"yyyy;0", 0, date}, {"0;yyyy", -1, date}, {"0;yyyy", 1, none},
		{"[<1]h:mm;yyyy-mm-dd", 0.5, clock}, {"[<1]h:mm;yyyy-mm-dd", 2, date}, {"[>=100][Red]0;[=5]h:mm;yyyy", 5, clock},
		{"[<>1]yyyy;0", 1, none}, {"[<=1]yyyy;[>1]h", 2, clock}, {"[<1]yyyy", 2, none}, {";;;", 1, none}, {"0;0;0;yyyy", 1, none},
	} {
		f := parseFormat(tt.code)
		require.Equal(t, tt.want, f.of(tt.value), "%q of %v", tt.code, tt.value)
		require.True(t, f.dates || tt.want == none, "%q", tt.code)
	}
	require.Equal(t, "", func() string { f := parseFormat("General"); return f.code }())
}

func TestBuiltInFormats(t *testing.T) {
	for want, ids := range map[shows][]int{
		0:                   {0, 1, 2, 4, 9, 12, 37, 44, 48, 49, 59, 163, 9999},
		showDate:            {14, 15, 16, 17, 27, 30, 31, 36, 50, 51, 54, 57, 58, 71, 81},
		showTime:            {18, 19, 20, 21, 32, 33, 45, 47, 75, 80},
		showDate | showTime: {22, 77},
		showElapsed:         {46, 79},
		showEither:          {34, 35, 55, 56},
	} {
		for _, id := range ids {
			f := builtIn(id)
			require.Equal(t, want, f.of(1), "format %d", id)
		}
	}
	f := builtIn(10)
	require.Equal(t, "0.00%", f.code)
}

// R4: dates of both epochs become ISO 8601, to the millisecond.
func TestDates(t *testing.T) {
	const date, clock, both, elapsed, either = showDate, showTime, showDate | showTime, showElapsed, showEither
	for _, tt := range []struct {
		serial  float64
		show    shows
		want    string // "" for none
		want904 string
	}{
		{0, date, "", "1904-01-01"},
		{1, date, "1900-01-01", "1904-01-02"},
		{59, date, "1900-02-28", "1904-02-29"},
		{60, date, "", "1904-03-01"},
		{60.5, both, "", "1904-03-01T12:00:00"},
		{61, date, "1900-03-01", "1904-03-02"},
		{44197, date, "2021-01-01", "2025-01-02"},
		{44197.75, date, "2021-01-01", "2025-01-02"},
		{44197.75, both, "2021-01-01T18:00:00", "2025-01-02T18:00:00"},
		{44197, both, "2021-01-01T00:00:00", "2025-01-02T00:00:00"},
		{44197.75, clock, "18:00:00", "18:00:00"},
		{44197.5208333333, both, "2021-01-01T12:30:00", "2025-01-02T12:30:00"},
		{44197.0000115741, both, "2021-01-01T00:00:01", "2025-01-02T00:00:01"},
		{44197.00000578704, both, "2021-01-01T00:00:00.500", "2025-01-02T00:00:00.500"},
		{44196.999999999, both, "2021-01-01T00:00:00", "2025-01-02T00:00:00"}, // 23:59:59.9999
		{44196.999999999, date, "2021-01-01", "2025-01-02"},
		{0.999999999, clock, "00:00:00", "00:00:00"},
		{59.9999999999, date, "", "1904-03-01"},
		{2957003, date, "9995-12-30", "9999-12-31"},
		{2958465, date, "9999-12-31", ""},
		{2958465.9999999999, date, "", ""}, // not below 2958466 as a float64
		{2958465.99999, both, "9999-12-31T23:59:59.136", ""},
		{2958466, date, "", ""},
		{-1, date, "", ""}, {-0.5, clock, "", ""}, {1e300, elapsed, "", ""},
		{0, elapsed, "PT0S", "PT0S"},
		{10.5, elapsed, "PT252H", "PT252H"},
		{10.632060185185185, elapsed | clock, "PT255H10M10S", "PT255H10M10S"},
		{1.0 / 86400 / 4, elapsed, "PT0.250S", "PT0.250S"},
		{0.5 / 24, elapsed, "PT30M", "PT30M"},
		{44197.5, elapsed | date, "2021-01-01T12:00:00", "2025-01-02T12:00:00"},
		{44197, either, "2021-01-01", "2025-01-02"},
		{0.25, either, "06:00:00", "06:00:00"},
		{44197.25, either, "2021-01-01T06:00:00", "2025-01-02T06:00:00"},
	} {
		for _, date1904 := range []bool{false, true} {
			want := tt.want
			if date1904 {
				want = tt.want904
			}
			got, ok := appendSerial(nil, tt.serial, tt.show, date1904)
			require.Equal(t, want != "", ok, "%v %v %v", tt.serial, tt.show, date1904)
			if ok {
				require.Equal(t, want, string(got), "%v", tt.serial)
			}
		}
	}
}

// Every day and every second of a day comes back exactly.
func TestDatesAreExact(t *testing.T) {
	last := ""
	for day := 61; day <= lastDay1900; day += 997 {
		got, ok := appendSerial(nil, float64(day), showDate, false)
		require.True(t, ok)
		require.Less(t, last, string(got))
		last = string(got)
	}
	for s := range 86400 {
		m := moment{ms: s * 1000}
		for _, day := range []float64{0, 44197} {
			got, ok := appendSerial(nil, day+float64(s)/86400, showTime, false)
			require.True(t, ok)
			require.Equal(t, string(m.appendClock(nil)), string(got))
		}
	}
}

func TestISODates(t *testing.T) {
	for _, tt := range []struct {
		text string
		show shows
		want string
	}{
		{"2021-01-02", 0, "2021-01-02"},
		{"2021-01-02Z", 0, "2021-01-02"},
		{"2021-01-02T03:04:05", 0, "2021-01-02T03:04:05"},
		{"2021-01-02T03:04", 0, "2021-01-02T03:04:00"},
		{"2021-01-02T03:04:05.1234567Z", 0, "2021-01-02T03:04:05.123"},
		{"2021-12-31T23:59:59.9999", 0, "2022-01-01T00:00:00"},
		{"03:04:05", 0, "03:04:05"}, {"T03:04:05", 0, "03:04:05"}, {"03:04", 0, "03:04:00"},
		{"2021-01-02T03:04:05", showDate, "2021-01-02"},
		{"2021-01-02T03:04:05", showTime, "03:04:05"},
		{"2021-01-02", showTime, "2021-01-02"},
		{"2021-01-02T03:04:05", showElapsed, "2021-01-02T03:04:05"},
		{"", 0, ""}, {"Z", 0, ""}, {"2021-02-29", 0, ""}, {"2021-1-2", 0, ""}, {"2021-01-02T24:00:00", 0, ""}, {"02.01.2021", 0, ""},
		{"2021-01-02T03:04:05+01:00", 0, ""}, {"9999-12-31T23:59:59.9999", 0, ""}, {"44197", 0, ""},
	} {
		got, ok := appendISO(nil, []byte(tt.text), tt.show)
		require.Equal(t, tt.want != "", ok, tt.text)
		require.Equal(t, tt.want, string(got), tt.text)
	}
}

func TestReferences(t *testing.T) {
	for _, tt := range []struct {
		ref      string
		col, row int
		ok       bool
	}{
		{"A1", 0, 1, true}, {"Z9", 25, 9, true}, {"AA10", 26, 10, true}, {"XFD1048576", 16383, 1048576, true},
		{"XFE1", 0, 0, false}, {"AAAA1", 0, 0, false}, {"A1048577", 0, 0, false}, {"A0", 0, 0, false}, {"A01", 0, 0, false},
		{"A", 0, 0, false}, {"1", 0, 0, false}, {"", 0, 0, false}, {"a1", 0, 0, false}, {"A-1", 0, 0, false}, {"A1 ", 0, 0, false},
		{"A1:B2", 0, 0, false}, {"$A$1", 0, 0, false}, {"A99999999999999999999", 0, 0, false}, {"Ä1", 0, 0, false},
	} {
		col, row, ok := parseReference([]byte(tt.ref))
		require.Equal(t, tt.ok, ok, tt.ref)
		if ok {
			require.Equal(t, []int{tt.col, tt.row}, []int{col, row}, tt.ref)
			require.Equal(t, tt.ref, referenceOf(col, row))
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, ok := range []string{"0", "-0", "+1", "12.50", "1.", ".5", "1e5", "1E+05", "-1.5e-300", "123456789012345678901234567890"} {
		require.True(t, isNumber([]byte(ok)), ok)
	}
	for _, bad := range []string{"", "+", ".", "-.", "e5", "1e", "1e+", "1.2.3", "1,5", " 1", "1 ", "0x1", "1_0", "Inf", "INF", "NaN", "١", "1e5.0", "--1"} {
		require.False(t, isNumber([]byte(bad)), bad)
	}
}

// R4: _xHHHH_ is one UTF-16 code unit.
func TestUnescape(t *testing.T) {
	for _, tt := range []struct {
		in, want string
		ok       bool
	}{
		{"plain", "plain", true}, {"_", "_", true}, {"_x", "_x", true}, {"_x000D", "_x000D", true}, {"_x00G0_", "_x00G0_", true},
		{"_X000D_", "_X000D_", true}, {"a_x000D_\nb", "a\r\nb", true}, {"_x005F_x000D_", "_x000D_", true}, {"_x005F__x0041_", "_A", true},
		{"__x0041__", "_A_", true}, {"_x_x0041_", "_xA", true}, {"_x0041_x0042_", "Ax0042_", true}, {"_x00e4_", "ä", true},
		{"_xD83D__xDE00_", "😀", true}, {"_xD83D_", "", false}, {"_xDE00__xD83D_", "", false}, {"_xD83D_x", "", false}, {"_x0000_", "\x00", true},
	} {
		got, ok := unescape(nil, []byte(tt.in))
		require.Equal(t, tt.ok, ok, tt.in)
		if ok {
			require.Equal(t, tt.want, string(got), tt.in)
		}
	}
}

func TestTargets(t *testing.T) {
	for _, tt := range []struct{ dir, target, want string }{
		{"xl/", "worksheets/sheet1.xml", "xl/worksheets/sheet1.xml"},
		{"xl/", "/xl/worksheets/sheet1.xml", "xl/worksheets/sheet1.xml"},
		{"xl/", `worksheets\sheet1.xml`, "xl/worksheets/sheet1.xml"},
		{"xl/", `\xl\worksheets\sheet1.xml`, "xl/worksheets/sheet1.xml"},
		{"xl/", "./sheet1.xml", "xl/sheet1.xml"},
		{"xl/", "../sheet1.xml", "sheet1.xml"},
		{"xl/", "../../../etc/passwd", "etc/passwd"},
		{"", "xl/workbook.xml", "xl/workbook.xml"},
		{"xl/", "sheet%201.xml#x", "xl/sheet%201.xml"},
		{"xl/", "100%.xml", "xl/100%.xml"},
		{"xl/", "", "xl"},
	} {
		require.Equal(t, tt.want, resolveTarget(tt.dir, tt.target))
	}
	require.Equal(t, "worksheet", relationKind(officeStrictURI+"/worksheet"))
	require.Equal(t, "", relationKind("http://example.com/worksheet"))
}
