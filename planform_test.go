package usersync_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

// storedParts is the stored form of a plan of the company.
func storedParts(tb testing.TB, n int) (usersync.Schema, [][]byte) {
	store := memory.New(memory.WithUnique("cField1"), memory.WithUsers(companyUsers(n)...))
	eng, err := usersync.New(store, store.Baselines(), usersync.WithSchema(badges()))
	require.NoError(tb, err)
	cfg := usersync.DefaultConfig("company")
	cfg.InactiveUsers = usersync.Activate
	plan, err := eng.Preview(context.Background(), cfg, companyFile(n))
	require.NoError(tb, err)
	all, err := usersync.StoredForm(plan, nil)
	require.NoError(tb, err)
	again, err := usersync.StoredForm(plan, nil)
	require.NoError(tb, err)
	require.Equal(tb, all, again, "repeatable byte for byte")
	return badges(), all
}

// A stored plan that is damaged is refused, and never a panic.
func FuzzLoadPlan(f *testing.F) {
	schema, all := storedParts(f, 40)
	f.Add(all[0], all[1], all[2])
	f.Fuzz(func(_ *testing.T, head, entries, tail []byte) {
		plan, err := usersync.LoadStored(schema, [][]byte{head, entries, tail})
		if err != nil {
			return
		}
		for range plan.Rows() {
		}
		_ = plan.Resolve(usersync.Decision{Choice: usersync.TakeFile})
	})
}

func TestLoadPlanRefuses(t *testing.T) {
	schema, all := storedParts(t, 40)
	_, err := usersync.LoadStored(schema, all)
	require.NoError(t, err)
	for cut := range len(all) {
		_, err := usersync.LoadStored(schema, append(append([][]byte{}, all[:cut]...), all[cut+1:]...))
		require.True(t, err != nil || cut > 1, "without part %d", cut)
	}
	_, err = usersync.LoadStored(usersync.DefaultSchema(), all)
	require.ErrorIs(t, err, usersync.ErrPlanStale)
	require.ErrorContains(t, err, "preview again")
}

// BenchmarkStoredPlan stores and loads a plan of which one row in twenty changes.
func BenchmarkStoredPlan(b *testing.B) {
	var rows []string
	for i := range 20_000 {
		row := fmt.Sprintf("user%d cField1=badge%d", i, i)
		if i%20 == 0 {
			row += " title=Lead"
		}
		rows = append(rows, row)
	}
	store := memory.New(memory.WithUsers(companyUsers(20_000)...))
	eng, err := usersync.New(store, store.Baselines())
	require.NoError(b, err)
	plan, err := eng.Preview(b.Context(), usersync.DefaultConfig("company"), officeFile(rows...))
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		all, err := usersync.StoredForm(plan, nil)
		require.NoError(b, err)
		_, err = usersync.LoadStored(usersync.DefaultSchema(), all)
		require.NoError(b, err)
	}
	b.ReportMetric(float64(len(rows))*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
