package usersync_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/presets"
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

// The configurations that README shows are some.
func TestReadmeConfigs(t *testing.T) {
	schemas := []usersync.Schema{presets.Training().Schema, usersync.DefaultSchema()} // in the order of README
	blocks := strings.Split(readText(t, "README.md"), "```json\n")[1:]
	require.Len(t, blocks, len(schemas))
	for i, schema := range schemas {
		text, _, _ := strings.Cut(blocks[i], "```")
		cfg, err := usersync.ParseConfig([]byte(text))
		require.NoError(t, err)
		require.NoError(t, cfg.Validate(schema))
	}
}

// The fields that README shows are some.
func TestReadmeFields(t *testing.T) {
	toE164 := func(text string) (string, error) { return text, nil }
	schema := usersync.Schema{Key: "login", Status: "status", LastDay: "lastDay", Fields: []usersync.Field{
		{Name: "login", Required: usersync.Always, MaxLength: 50, // letters by script, with the code point of what is not one
			Characters: &usersync.Characters{Only: []usersync.CharSet{usersync.Latin, usersync.Digits}, Also: `_.-@`}},
		{Name: "password", Secret: true, Required: usersync.ForNewUsers, Ignored: usersync.IgnoredForExisting, MinLength: 8,
			Characters: &usersync.Characters{Need: []usersync.CharSet{usersync.Digits, usersync.Latin}, Not: []usersync.CharSet{usersync.Spaces}}},
		{Name: "status", Kind: usersync.KindBool, TrueWords: []string{"active"}, FalseWords: []string{"blocked"}},
		{Name: "phone", Kind: usersync.KindPhone, Unique: usersync.MustBeUnique, Canonical: toE164},
		{Name: "lastDay", Kind: usersync.KindDate},
		{Name: "groups", List: &usersync.ListFormat{Separator: ",", None: "none"}, Refers: &usersync.Refers{Set: "group"}},
	}}
	require.NoError(t, schema.Validate())
	readme := strings.Join(strings.Fields(readText(t, "README.md")), " ")
	for _, line := range strings.Split(readText(t, "readme_test.go"), "\n") {
		if strings.HasPrefix(line, "\t\t{Name: ") {
			require.Contains(t, readme, strings.TrimSuffix(strings.TrimSpace(line), "},"), "README shows the fields of this test")
		}
	}
}

func readText(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
