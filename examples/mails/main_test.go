package main

import (
	"bytes"
	"testing"

	"github.com/usersync-go/usersync/examples/internal/golden"
)

func TestOutput(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/output.txt", out.Bytes())
}
