package usersync_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
)

// The program at the start of the README, and what it prints, are those of Example, which is compiled
// and run.
func TestReadmeStart(t *testing.T) {
	readme, example := readText(t, "README.md"), readText(t, "example_start_test.go")
	program, output, found := strings.Cut(example, "\t// Output:\n")
	if !found {
		t.Fatal("example_start_test.go has no output")
	}
	program = strings.Replace(program, "package usersync_test", "package main", 1)
	program = strings.Replace(program, "func Example()", "func main()", 1)
	if !strings.Contains(readme, "```go\n"+program+"}\n```") {
		t.Errorf("the README does not begin with the program of example_start_test.go:\n%s}", program)
	}
	output = strings.ReplaceAll(strings.TrimSuffix(output, "}\n"), "\t// ", "")
	if !strings.Contains(readme, "```text\n"+output+"```") {
		t.Errorf("the README does not show its output:\n%s", output)
	}
}

// The configuration that README shows is one.
func TestReadmeConfig(t *testing.T) {
	_, after, found := strings.Cut(readText(t, "README.md"), "```json\n")
	require.True(t, found)
	text, _, _ := strings.Cut(after, "```")
	cfg, err := usersync.ParseConfig([]byte(text))
	require.NoError(t, err)
	require.NoError(t, cfg.Validate(usersync.DefaultSchema()))
	require.Equal(t, usersync.AskAtRuntime, cfg.Rule("title").Strategy)
}

func readText(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
