package csvfile

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// P2, CWE-1236
func TestEscape(t *testing.T) {
	tests := []struct{ plain, escaped string }{
		{"", ""},
		{"Anna", "Anna"},
		{"a=b+c-d@e", "a=b+c-d@e"},
		{"=1+1", "'=1+1"},
		{"+380501234567", "'+380501234567"},
		{"-5", "'-5"},
		{"@SUM(A1)", "'@SUM(A1)"},
		{"\t=1", "'\t'=1"},
		{"\rx", "'\rx"},
		{"\nx", "'\nx"},
		{"\x00x", "'\x00x"},
		{"＝1", "'＝1"},
		{"＋1", "'＋1"},
		{"－1", "'－1"},
		{"＠1", "'＠1"},
		{" =1", "' =1"},
		{"\u00A0\u200B\uFEFF\u202E=1", "'\u00A0\u200B\uFEFF\u202E=1"},
		{"\"=1", "'\"=1"},
		{"'=1", "''=1"},
		{"''=1", "'''=1"},
		{"' =1", "'' =1"},
		{"'", "'"},
		{"''", "''"},
		{"'tis", "'tis"},
		{"O'Brien-Smith", "O'Brien-Smith"},
		{"a;=1", "a;'=1"},
		{"a;\"=1&\";", "a;'\"=1&\";"},
		{"a;'=1", "a;''=1"},
		{"a,b\t+1|@x\n-1\r\n=2\r=3", "a,b\t'+1|'@x\n'-1\r\n'=2\r'=3"},
		{"a\t\tb\r\n\r\nc", "a\t\tb\r\n\r\nc"},
		{";=1", ";'=1"},
		{"=1;=2", "'=1;'=2"},
		{"\n=1", "'\n'=1"},
		{"\xFF=1", "\xFF=1"},
		{"=\xFF;=\xFE", "'=\xFF;'=\xFE"},
	}
	for _, tt := range tests {
		require.Equal(t, tt.escaped, Escape(tt.plain), "Escape(%q)", tt.plain)
		require.Equal(t, tt.plain, Unescape(tt.escaped), "Unescape(%q)", tt.escaped)
	}
}

// Texts that Escape never writes are left as they are, or lose the one apostrophe that looks like ours.
func TestUnescapeForeign(t *testing.T) {
	for in, want := range map[string]string{
		"=1": "=1", "a;=1": "a;=1", "'": "'", "' ": "' ", "'';": "'';", "'1": "'1",
	} {
		require.Equal(t, want, Unescape(in), "%q", in)
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "=", "'=", "a;\"'=", "\r\n=", "\xFF'＝", "'\t'", "|'|'|=", "'\u202E-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		escaped := Escape(s)
		require.Equal(t, s, Unescape(escaped))
		for at := 0; at >= 0; at = nextStart(escaped, at) {
			if risky(escaped[at:], at == 0) {
				require.Equal(t, byte('\''), escaped[at])
			}
		}
	})
}
