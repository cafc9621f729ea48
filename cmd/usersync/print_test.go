package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/usersync-go/usersync"
)

func TestTables(t *testing.T) {
	rows := [][]string{
		{"ROW", "USER", "WHAT"},
		{"2", "ada", `title: "Cook" becomes "Chef" (useSource)`},
		{"13", "愛", "warning: a text with some more words in it"},
		{"-", "e\u0301va", ""},
	}
	for _, tt := range []struct {
		name  string
		width int
		want  string
	}{
		{"no terminal: one line each", 0, `
  ROW  USER  WHAT
  2    ada   title: "Cook" becomes "Chef" (useSource)
  13   愛    warning: a text with some more words in it
  -    éva
`},
		{"a wide terminal", 80, `
  ROW  USER  WHAT
  2    ada   title: "Cook" becomes "Chef" (useSource)
  13   愛    warning: a text with some more words in it
  -    éva
`},
		{"a narrow terminal breaks the last column between words", 40, `
  ROW  USER  WHAT
  2    ada   title: "Cook" becomes
               "Chef" (useSource)
  13   愛    warning: a text with some
               more words in it
  -    éva
`},
		{"one that is too narrow is not obeyed", 5, `
  ROW  USER  WHAT
  2    ada   title: "Cook" becomes
               "Chef" (useSource)
  13   愛    warning: a text with
               some more words in it
  -    éva
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			(&printer{w: &b, width: tt.width}).table("  ", rows)
			want := strings.ReplaceAll(strings.TrimPrefix(tt.want, "\n"), "é", "e\u0301")
			if b.String() != want {
				t.Errorf("got\n%swant\n%s", b.String(), want)
			}
		})
	}
}

func TestClean(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"letters of any script", "Zoë 愛 Ωμέγα", "Zoë 愛 Ωμέγα"},
		{"a zero-width joiner is part of names", "می\u200cخواهم", "می\u200cخواهم"},
		{"escape sequences", "a\x1b[2Jb\u009bc", "a\uFFFD[2Jb\uFFFDc"},
		{"line breaks and tabs", "a\r\nb\tc\u2028d", "a  b c d"},
		{"backspace and bell", "a\bb\ac", "a\uFFFDb\uFFFDc"},
		{"what turns the direction", "user\u202Excod.exe", "user\uFFFDxcod.exe"},
		{"bytes that are no text", "a\xffb", "a\uFFFDb"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := clean(tt.text); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if got, want := cleanLines("one\n\ttwo\x1b\n  three"), "one\n\ttwo\uFFFD\n  three"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestProgress(t *testing.T) {
	steps := []usersync.Progress{
		{Stage: usersync.StageRead, Done: 1000}, {Stage: usersync.StageCheck},
		{Stage: usersync.StageCreate, Done: 0, Total: 3000}, {Stage: usersync.StageCreate, Done: 100, Total: 3000},
		{Stage: usersync.StageCreate, Done: 1000, Total: 3000}, {Stage: usersync.StageCreate, Done: 1100, Total: 3000},
		{Stage: usersync.StageCreate, Done: 3000, Total: 3000}, {Stage: usersync.StageFinish, Done: 1, Total: 1},
	}
	for _, tt := range []struct {
		name     string
		terminal bool
		want     string
	}{
		{"a bar on a terminal", true, "\rread       1000\n" +
			"\rcreate     [                              ] 0/3000" +
			"\rcreate     [#                             ] 100/3000" +
			"\rcreate     [##########                    ] 1000/3000" +
			"\rcreate     [###########                   ] 1100/3000" +
			"\rcreate     [##############################] 3000/3000\n" +
			"\rfinish     [##############################] 1/1\n"},
		{"otherwise a line for every tenth, and none where one batch does", false, "usersync: create: 1000 of 3000\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			p := (&app{err: &b}).progress(context.Background())
			p.terminal = tt.terminal
			for _, step := range steps {
				p.show(step)
			}
			p.end()
			if b.String() != tt.want {
				t.Errorf("got\n%q\nwant\n%q", b.String(), tt.want)
			}
		})
	}
}

func TestAges(t *testing.T) {
	for text, want := range map[string]string{"90d": "2160h0m0s", "2w": "336h0m0s", "36h": "36h0m0s", "0d": "", "": "", "d": "",
		"-3d": "", "99999d": "", "3m": "", "90": ""} {
		got := ""
		if age, err := parseAge(text); err == nil {
			got = age.String()
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
