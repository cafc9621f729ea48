package presets_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/presets"
)

func all() map[string]presets.Preset {
	return map[string]presets.Preset{"workflow": presets.Workflow(), "training": presets.Training(),
		"archive": presets.Archive(), "retail": presets.Retail()}
}

// A preset is valid as it is, and plain data: what comes back from JSON is the same.
func TestPresetsAreValidData(t *testing.T) {
	for name, p := range all() {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, p.Schema.Validate())
			require.NoError(t, p.Config.Validate(p.Schema))
			data, err := json.Marshal(p)
			require.NoError(t, err)
			var back presets.Preset
			require.NoError(t, json.Unmarshal(data, &back))
			require.Empty(t, cmp.Diff(p, back))
		})
	}
}

// Whoever changes a preset changes it for nobody else.
func TestPresetsAreOnesOwn(t *testing.T) {
	p := presets.Retail()
	p.Field("password").MinLength = 12
	p.Config.Formats[0] = usersync.FormatCSV
	p.Phones(func(string) (string, error) { return "+1", nil })
	again := presets.Retail()
	require.Equal(t, 8, again.Field("password").MinLength)
	require.Equal(t, []usersync.Format{usersync.FormatXLSX}, again.Config.Formats)
	require.Nil(t, again.Field("phone").Canonical)
	require.NotNil(t, p.Field("phone").Canonical)
	require.PanicsWithValue(t, `presets: there is no field "shoeSize"`, func() { p.Field("shoeSize") })
}

// The engine knows of no preset: nowhere in its code is one named.
func TestEngineKnowsNoPreset(t *testing.T) {
	files, err := filepath.Glob("../*.go")
	require.NoError(t, err)
	require.Greater(t, len(files), 50)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			word := ""
			switch n := n.(type) {
			case *ast.Ident:
				word = n.Name
			case *ast.BasicLit:
				word = n.Value
			}
			for _, name := range []string{"preset", "workflow", "training", "archive", "retail"} {
				if strings.Contains(strings.ToLower(word), name) {
					t.Errorf("%s has %s", file, word)
				}
			}
			return true
		})
	}
}
