package xlsx

import (
	"math"
	"strconv"
	"time"
)

const (
	msPerDay = 24 * 60 * 60 * 1000

	lastDay1900 = 2958465 // 9999-12-31
	lastDay1904 = 2957003
)

// moment is a date serial number, split to the millisecond.
type moment struct {
	day int // serial number of the day
	ms  int // of the day
}

// momentOf rounds to the millisecond, which is far above what a float64 loses: 0.99999999999 is the
// next midnight. False for what no calendar shows.
func momentOf(serial float64, date1904 bool) (moment, bool) {
	last := lastDay1900
	if date1904 {
		last = lastDay1904
	}
	if !(serial >= 0 && serial < float64(last+1)) {
		return moment{}, false
	}
	day, part := math.Modf(serial)
	m := moment{day: int(day), ms: int(math.Round(part * msPerDay))}
	if m.ms == msPerDay {
		m.day, m.ms = m.day+1, 0
	}
	return m, m.day <= last
}

// date gives the calendar day at midnight. In the 1900 system day 0 and day 60, 29 February 1900,
// never were (ECMA-376 Part 1, 18.17.4.1): they are not dates.
func (m moment) date(date1904 bool) (time.Time, bool) {
	first := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)
	switch {
	case date1904:
		first = time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC)
	case m.day == 0 || m.day == 60:
		return first, false
	case m.day < 60:
		first = first.AddDate(0, 0, 1)
	}
	return first.AddDate(0, 0, m.day), true
}

// appendSerial appends the ISO 8601 form of what a date format shows of a number; false if that is
// no date, so that the cell is a plain number.
func appendSerial(dst []byte, serial float64, show shows, date1904 bool) ([]byte, bool) {
	m, ok := momentOf(serial, date1904)
	if !ok {
		return dst, false
	}
	if show == showEither {
		show = m.either()
	}
	if show&showDate == 0 && show&showElapsed != 0 {
		return m.appendElapsed(dst), true
	}
	if show&showElapsed != 0 {
		show |= showTime
	}
	if show&showDate == 0 {
		return m.appendClock(dst), true
	}
	day, ok := m.date(date1904)
	if !ok {
		return dst, false
	}
	dst = day.AppendFormat(dst, time.DateOnly)
	if show&showTime != 0 {
		dst = m.appendClock(append(dst, 'T'))
	}
	return dst, true
}

// either is for formats that show dates in one country and times in another.
func (m moment) either() shows {
	switch {
	case m.ms == 0:
		return showDate
	case m.day == 0:
		return showTime
	}
	return showDate | showTime
}

// appendClock appends the time of day; milliseconds only if there are any.
func (m moment) appendClock(dst []byte) []byte {
	dst = append(appendTwo(dst, m.ms/3_600_000), ':')
	dst = append(appendTwo(dst, m.ms/60_000%60), ':')
	dst = appendTwo(dst, m.ms/1000%60)
	return appendFraction(dst, m.ms%1000)
}

// appendElapsed appends a duration in hours, minutes and seconds, such as PT255H10M10S.
func (m moment) appendElapsed(dst []byte) []byte {
	dst = append(dst, "PT"...)
	size := len(dst)
	if h := m.day*24 + m.ms/3_600_000; h > 0 {
		dst = append(strconv.AppendInt(dst, int64(h), 10), 'H')
	}
	if mins := m.ms / 60_000 % 60; mins > 0 {
		dst = append(strconv.AppendInt(dst, int64(mins), 10), 'M')
	}
	if s := m.ms % 60_000; s > 0 || len(dst) == size {
		dst = strconv.AppendInt(dst, int64(s/1000), 10)
		dst = append(appendFraction(dst, s%1000), 'S')
	}
	return dst
}

func appendTwo(dst []byte, n int) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

func appendFraction(dst []byte, ms int) []byte {
	if ms == 0 {
		return dst
	}
	return append(dst, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
}

// isoLayouts are the forms of a date cell (t="d"; ECMA-376 Part 1, 18.18.11 ST_CellType).
var isoLayouts = []struct {
	layout string
	has    shows
}{
	{"2006-01-02", showDate},
	{"2006-01-02T15:04:05", showDate | showTime},
	{"2006-01-02T15:04", showDate | showTime},
	{"T15:04:05", showTime},
	{"15:04:05", showTime},
	{"15:04", showTime},
}

// appendISO appends the canonical form of a date cell's text. A date format can hide its date or
// its time. False if the text is no date.
func appendISO(dst, text []byte, show shows) ([]byte, bool) {
	if n := len(text); n > 0 && text[n-1] == 'Z' {
		text = text[:n-1]
	}
	for _, form := range isoLayouts {
		t, err := time.Parse(form.layout, string(text))
		if err != nil {
			continue
		}
		if t = t.Round(time.Millisecond); t.Year() > 9999 {
			return dst, false
		}
		has := form.has
		if has&show != 0 {
			has &= show
		}
		if has&showDate != 0 {
			dst = t.AppendFormat(dst, time.DateOnly)
		}
		if has == showDate|showTime {
			dst = append(dst, 'T')
		}
		if has&showTime != 0 {
			ms := ((t.Hour()*60+t.Minute())*60+t.Second())*1000 + t.Nanosecond()/1_000_000
			dst = moment{ms: ms}.appendClock(dst)
		}
		return dst, true
	}
	return dst, false
}
