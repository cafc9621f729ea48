package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata/output.txt")

func TestOutput(t *testing.T) {
	golden, err := filepath.Abs(filepath.Join("testdata", "output.txt"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	var out bytes.Buffer
	if err := run(context.Background(), &out); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("the output is not that of %s (rewrite it with -update):\n%s", golden, out.String())
	}
	if results, err := os.ReadFile("results.xlsx"); err != nil || !bytes.HasPrefix(results, []byte("PK")) {
		t.Errorf("results.xlsx is no workbook: %v", err)
	}
}
