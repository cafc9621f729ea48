// Package golden compares what an example prints with what it printed before.
package golden

import (
	"bytes"
	"flag"
	"os"
	"testing"
)

// update has the tests rewrite their files.
var update = flag.Bool("update", false, "rewrite testdata/output.txt")

// Check compares output with a file, or, with the flag -update, rewrites the file.
func Check(t *testing.T, file string, output []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, output, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(output, want) {
		t.Errorf("the output is not that of %s (rewrite it with -update):\n%s", file, output)
	}
}
