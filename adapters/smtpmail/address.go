package smtpmail

import (
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Sizes of what is taken from cells, in characters.
const (
	maxName    = 120
	maxSubject = 200
)

// badAddress is why a text is not one address to send to, "" if it is. Nothing but an addr-spec (RFC 5322,
// 3.4.1) goes: no name, no comment, no quotes, no list, and nothing that could end the line.
func badAddress(s string) string {
	switch {
	case s == "":
		return "there is no address"
	case len(s) > 254:
		return "the address is longer than 254 bytes"
	case strings.ContainsFunc(s, notInAddress):
		return "the address has a character that no address has"
	}
	parsed, err := mail.ParseAddress(s)
	if err != nil || parsed.Address != s || parsed.Name != "" {
		return "this is not an e-mail address"
	}
	local, domain := s[:strings.LastIndexByte(s, '@')], domainOf(s)
	switch {
	case len(local) > 64:
		return "the part of the address before the @ is longer than 64 bytes"
	case strings.HasPrefix(domain, "["):
		return "the address names a machine by number"
	}
	return ""
}

func notInAddress(r rune) bool {
	return r == utf8.RuneError || r == ' ' || !unicode.IsPrint(r)
}

func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}

// headerText makes text from anywhere fit for a header: one line, without characters that do not print or that
// turn the direction of others, and at most so many characters.
func headerText(s string, most int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == '\u200c' || r == '\u200d': // joiners: Persian, Hindi and emoji need them
			return r
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, s)
	// Who reads a header would decode what looks encoded (RFC 2047), whatever it then holds.
	s = strings.ReplaceAll(s, "=?", "= ?")
	runes := []rune(strings.Join(strings.Fields(s), " "))
	if len(runes) > most {
		runes = append(runes[:most-1], '…')
	}
	return string(runes)
}
