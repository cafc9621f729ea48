package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/usersync-go/usersync/examples/internal/golden"
)

func TestOutput(t *testing.T) {
	file, err := filepath.Abs(filepath.Join("testdata", "output.txt"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	var out bytes.Buffer
	if err := run(context.Background(), &out); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, file, out.Bytes())
	if results, err := os.ReadFile("results.xlsx"); err != nil || !bytes.HasPrefix(results, []byte("PK")) {
		t.Errorf("results.xlsx is no workbook: %v", err)
	}
}
