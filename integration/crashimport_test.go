package integration

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usersync-go/usersync"
)

// importPrefix begins an order to work off the import whose id follows.
const importPrefix = "import "

// dispatched dispatches until an import has come to its end, and gives the answer.
func dispatched(svc *usersync.Service, id string) string {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	all.Go(func() {
		if err := svc.Dispatch(ctx, usersync.DispatchOptions{Poll: 20 * time.Millisecond}); err != nil {
			panic(err)
		}
	})
	for {
		imp, err := svc.Import(ctx, id)
		switch {
		case err != nil:
			return "error: " + err.Error()
		case imp.Status == usersync.ImportDone:
			return fmt.Sprint(importPrefix, id, " succeeded")
		case imp.Status == usersync.ImportIntervention || imp.Status == usersync.ImportFailed:
			return strings.ReplaceAll(fmt.Sprint(imp.Status, " ", imp.Code, " ", imp.Problem), "\n", " ")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// I5, A5: processes that dispatch an import of 1,000 rows are killed at random moments, while it is checked
// and while it is applied, until one comes to the end. Nobody is lost, doubled or mailed twice, and there
// is one run. USERSYNC_TEST_KILLS sets how many kills there are at least for each database.
func TestKilledImports(t *testing.T) {
	kills := often("USERSYNC_TEST_KILLS", 5, 2)
	for _, server := range servers() {
		dialect := server.dialect
		t.Run(server.name, func(t *testing.T) {
			server.open(t) // skips
			total := 0
			for clean := time.Duration(0); total < kills; {
				n, took := killedImport(t, site{Dialect: dialect, Apart: total%2 == 1}, clean)
				total += n
				if clean == 0 {
					clean = took
				}
			}
			t.Logf("%d kills", total)
		})
	}
}

// killedImport is killedRun for an import.
func killedImport(t *testing.T, kind site, clean time.Duration) (kills int, took time.Duration) {
	const n = 800
	s, db := newSite(t, kind.Dialect, kind.Apart)
	svc, err := s.service(db)
	must(t, err)
	cfg := staffConfig(t, svc, "Staff")
	_, err = svc.Apply(t.Context(), previewed(t, svc, cfg.ID, firstStaff(n)).ID)
	must(t, err)
	cfg.WelcomeMail = true
	cfg, err = svc.EditConfig(t.Context(), cfg)
	must(t, err)
	imp, err := svc.Start(t.Context(), cfg.ID, usersync.CSV(strings.NewReader(nextStaff(n))).WithName("staff.csv"),
		usersync.WithImportOptions(usersync.ImportOptions{SkipBadRows: true}))
	must(t, err)
	kills, took = s.killed(t, importPrefix+imp.ID, clean)
	imp, err = svc.Import(t.Context(), imp.ID)
	must(t, err)
	run, err := svc.Run(t.Context(), imp.PlanID)
	must(t, err)
	checkStaff(t, s, db, svc, run, n, kills)
	runs, err := svc.History(t.Context(), usersync.RunQuery{})
	must(t, err)
	var parts int
	must(t, db.QueryRow("SELECT COUNT(*) FROM usersync_parts WHERE kind = 'import'").Scan(&parts))
	if len(runs) != 2 || parts != 0 || imp.Run != run.Counts() {
		t.Fatalf("%d runs, %d parts of an upload, %+v, want %+v", len(runs), parts, imp.Run, run.Counts())
	}
	return kills, took
}
