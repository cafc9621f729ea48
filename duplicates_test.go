package usersync_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

// P2: every row that is an Error keeps its cells as they were uploaded, also one that turned into an Error
// when a later row was read, and also where the upload cannot be read twice.
func TestErrorRowsKeepTheirCells(t *testing.T) {
	store := memory.New(memory.WithUsers(usersync.User{ID: "u9", Active: true, Values: usersync.ValuesOf(map[string]string{
		"userName": "anna", "email": "anna@example.com", "firstName": "Anna", "lastName": "A"})}))
	eng, err := usersync.New(store, store.Baselines(), usersync.WithBatchSize(1))
	require.NoError(t, err)
	plan, err := eng.Preview(context.Background(), usersync.DefaultConfig("Staff"),
		usersync.CSV(iotest.OneByteReader(strings.NewReader(fourRows+"ANNA,anna@example.com,Anna,B\n"))))
	require.NoError(t, err)
	require.Equal(t, 2, plan.Counts().Errors)
	var out bytes.Buffer
	require.NoError(t, plan.WriteCorrections(&out, usersync.FormatCSV))
	require.Contains(t, out.String(), "anna,anna@example.com,Anna,A,")
	require.Contains(t, out.String(), "ANNA,anna@example.com,Anna,B,")
}
