package usersynctest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/usersync-go/usersync"
)

// TestBaselineStore checks that a store keeps the promises of usersync.BaselineStore, and those of
// usersync.BaselineSearcher if it is one. open returns an empty store, a new one each time, and releases
// it with t.Cleanup.
func TestBaselineStore(t *testing.T, open func(t *testing.T) usersync.BaselineStore) {
	t.Helper()
	run(t, baselineChecks(), func(t *testing.T, tr trial) *baselines {
		return &baselines{trial: tr, store: open(t)}
	})
}

func baselineChecks() []check[*baselines] {
	return []check[*baselines]{
		{"Load/no baseline", "Load returns the zero Baseline when there is none, and no error.", loadNone},
		{"Save/round trip", "Load returns what Save was given: the run's id and the members in their order.",
			saveRoundTrip},
		{"Save/empty baseline", "A baseline without members is a baseline: its run's id tells it from none.",
			saveEmpty},
		{"Save/replaces", "Save replaces the configuration's baseline: the members of the one before are gone.",
			saveReplaces},
		{"Save/same run again", "Saving the same run's baseline again changes nothing and is no error: Apply" +
			" does it when it resumes.", saveAgain},
		{"Save/one configuration only", "Each configuration has its own baseline. Its id is compared exactly.",
			saveOnlyOne},
		{"Save/many members", "A baseline has as many members as the file has users. Save and load them in" +
			" portions where the database takes fewer parameters.", saveMany},
		{"Save/any text", "Ids and names come back as they were: any letters, quotes, long ones.", saveText},
		{"Save/the baseline stays the caller's", "b is not kept, and not changed either: clone its members.",
			saveOwn},
		{"Load/the answer is the caller's", "What Load returns belongs to the caller, who may change it.",
			loadOwn},
		{"cancelled/Load", "Once ctx is done Load returns an error, or else the whole baseline: never a part of" +
			" it and never none, for the engine would take it for a first run.", cancelledLoad},
		{"cancelled/Save", "Save is one atomic step: an interrupted Save leaves the old baseline or the new" +
			" one, whole. It returns no error only if that is the new one.", cancelledSave},
		{"concurrent/Save and Load", "Save is one atomic step: Load returns the old baseline or the new one," +
			" never the members of both, or of neither.", concurrentBaselines},
		{"Search/finds members of others", "InOtherBaselines returns, for those of userIDs who are in the" +
			" baseline of another configuration, the id of one such configuration, and nothing else.",
			searchOthers},
		{"Search/only current baselines", "InOtherBaselines looks at each configuration's present baseline," +
			" not at those before it.", searchCurrent},
		{"Search/many and no ids", "A call has as many userIDs as the engine's batch size, 1,000 unless the" +
			" product raises it, or none. Ids match exactly.", searchMany},
		{"Search/cancelled", "Once ctx is done InOtherBaselines returns an error, or else all: never only those" +
			" found so far.", cancelledSearch},
	}
}

// baselines is a store of baselines on trial.
type baselines struct {
	trial
	store usersync.BaselineStore
}

// baseline makes a baseline of the users u<first>, u<first+1> and so on, named after its run.
func baseline(run string, first, count int) usersync.Baseline {
	b := usersync.Baseline{RunID: run, Members: make([]usersync.Member, count)}
	for i := range b.Members {
		b.Members[i] = usersync.Member{UserID: fmt.Sprintf("u%d", first+i), Name: "name in " + run}
	}
	slices.Reverse(b.Members) // an order that no index has
	return b
}

func (b *baselines) save(configID string, base usersync.Baseline) {
	b.Helper()
	if err := b.store.Save(b.Context(), configID, base); err != nil {
		b.breach("Save(%q, %d members) failed: %v", configID, len(base.Members), err)
	}
}

func (b *baselines) load(configID string) usersync.Baseline {
	b.Helper()
	got, err := b.store.Load(b.Context(), configID)
	if err != nil {
		b.breach("Load(%q) failed: %v", configID, err)
	}
	return got
}

// holds checks what Load returns.
func (b *baselines) holds(configID string, want usersync.Baseline) {
	b.Helper()
	if diff := difference(b.load(configID), want); diff != "" {
		b.breach("Load(%q): %s", configID, diff)
	}
}

func difference(got, want usersync.Baseline) string {
	if got.RunID != want.RunID {
		return fmt.Sprintf("the run's id is %q, want %q", got.RunID, want.RunID)
	}
	if len(got.Members) != len(want.Members) {
		return fmt.Sprintf("there are %d members, want %d", len(got.Members), len(want.Members))
	}
	for i, m := range want.Members {
		if got.Members[i] != m {
			return fmt.Sprintf("member %d is %.200q, want %.200q", i, got.Members[i], m)
		}
	}
	return ""
}

func loadNone(b *baselines) {
	b.holds("nobody's", usersync.Baseline{})
	b.save("staff", baseline("run-1", 1, 3))
	b.holds("nobody's", usersync.Baseline{})
}

func saveRoundTrip(b *baselines) {
	base := baseline("run-1", 1, 12)
	b.save("staff", base)
	b.holds("staff", base)
	b.holds("staff", base)
}

func saveEmpty(b *baselines) {
	for _, members := range [][]usersync.Member{nil, {}} {
		b.save("staff", baseline("run-1", 1, 3))
		b.save("staff", usersync.Baseline{RunID: "run-2", Members: members})
		b.holds("staff", usersync.Baseline{RunID: "run-2"})
	}
	b.save("first", usersync.Baseline{RunID: "run-3"})
	b.holds("first", usersync.Baseline{RunID: "run-3"})
}

func saveReplaces(b *baselines) {
	b.save("staff", baseline("run-1", 1, 5))
	b.save("staff", baseline("run-2", 4, 3))
	b.holds("staff", baseline("run-2", 4, 3))
	b.save("staff", baseline("run-3", 1, 9))
	b.holds("staff", baseline("run-3", 1, 9))
}

func saveAgain(b *baselines) {
	base := baseline("run-1", 1, 5)
	b.save("other", baseline("run-0", 1, 2))
	for range 3 {
		b.save("staff", base)
		b.holds("staff", base)
	}
	b.holds("other", baseline("run-0", 1, 2))
}

func saveOnlyOne(b *baselines) {
	configs := []string{"staff", "Staff", "staff ", "staff2", "st_ff", "st%"}
	for i, config := range configs {
		b.save(config, baseline("run of "+config, 1, i+1))
	}
	for i, config := range configs {
		b.holds(config, baseline("run of "+config, 1, i+1))
	}
}

func saveMany(b *baselines) {
	for _, size := range sizes() {
		base := baseline(fmt.Sprintf("run-%d", size), 1, size)
		b.save("staff", base)
		b.holds("staff", base)
	}
}

func saveText(b *baselines) {
	base := usersync.Baseline{RunID: "Läufe/2026-01-02 'x'"}
	for i, text := range append(texts(), strings.Repeat("語", 255)) {
		base.Members = append(base.Members, usersync.Member{UserID: fmt.Sprintf("%d %s", i, text), Name: text})
	}
	b.save("Größe 'x' 🏢", base)
	b.holds("Größe 'x' 🏢", base)
}

func saveOwn(b *baselines) {
	base := baseline("run-1", 1, 5)
	b.save("staff", base)
	if diff := difference(base, baseline("run-1", 1, 5)); diff != "" {
		b.breach("Save changed its argument: %s", diff)
	}
	for i := range base.Members {
		base.Members[i] = usersync.Member{UserID: "changed by the caller"}
	}
	b.holds("staff", baseline("run-1", 1, 5))
}

func loadOwn(b *baselines) {
	b.save("staff", baseline("run-1", 1, 5))
	got := b.load("staff")
	for i := range got.Members {
		got.Members[i] = usersync.Member{UserID: "changed by the caller"}
	}
	b.holds("staff", baseline("run-1", 1, 5))
}

func cancelledLoad(b *baselines) {
	base := baseline("run-1", 1, interrupted())
	b.save("staff", base)
	try := func(ctx context.Context, _ int) {
		got, err := b.store.Load(ctx, "staff")
		if diff := difference(got, base); err == nil && diff != "" {
			b.breach("Load was interrupted and returned no error: %s", diff)
		}
	}
	try(done(), 0)
	interrupt(b.Context(), try)
}

func cancelledSave(b *baselines) {
	old := baseline("run-0", 1, interrupted())
	b.save("staff", old)
	try := func(ctx context.Context, attempt int) {
		base := baseline(fmt.Sprintf("run-%d", attempt+1), attempt, interrupted()+attempt)
		saved := b.store.Save(ctx, "staff", base) == nil
		got := b.load("staff")
		diff := difference(got, base)
		if diff != "" && (saved || difference(got, old) != "") {
			b.breach("after an interrupted Save (no error: %t) the baseline is neither: %s", saved, diff)
		}
		old = got
	}
	try(done(), 100)
	interrupt(b.Context(), try)
}

func concurrentBaselines(b *baselines) {
	const rounds = 30
	b.save("staff", baseline("run-0", 0, 20))
	problems := make([]error, writers)
	together(writers, func(w int) {
		for i := range rounds {
			if w%2 == 0 {
				n := w*rounds + i
				base := baseline(fmt.Sprintf("run-%d", n), n, 20+n%7)
				problems[w] = b.store.Save(b.Context(), "staff", base)
			} else {
				problems[w] = b.wholeBaseline("staff")
			}
			if problems[w] != nil {
				return
			}
		}
	})
	if err := errors.Join(problems...); err != nil {
		b.breach("concurrent calls: %v", err)
	}
}

// wholeBaseline checks that a baseline is one of those that were saved: its run's id tells which.
func (b *baselines) wholeBaseline(configID string) error {
	got, err := b.store.Load(b.Context(), configID)
	if err != nil {
		return err
	}
	var n int
	if _, err := fmt.Sscanf(got.RunID, "run-%d", &n); err != nil {
		return fmt.Errorf("the run's id is %q, which was never saved", got.RunID)
	}
	if diff := difference(got, baseline(got.RunID, n, 20+n%7)); diff != "" {
		return fmt.Errorf("the baseline of %s is mixed with another: %s", got.RunID, diff)
	}
	return nil
}

// search makes a call that must not fail; the check is skipped where the store cannot search.
func (b *baselines) search(configID string, userIDs ...string) map[string]string {
	b.Helper()
	found, err := b.searcher().InOtherBaselines(b.Context(), configID, userIDs)
	if err != nil {
		b.breach("InOtherBaselines(%q, %d ids) failed: %v", configID, len(userIDs), err)
	}
	return found
}

func (b *baselines) searcher() usersync.BaselineSearcher {
	b.Helper()
	searcher, ok := b.store.(usersync.BaselineSearcher)
	if !ok {
		b.Skipf("skipped: the store is no usersync.BaselineSearcher")
	}
	return searcher
}

// finds checks the whole answer of a search.
func (b *baselines) finds(want map[string]string, configID string, userIDs ...string) {
	b.Helper()
	if got := b.search(configID, userIDs...); fmt.Sprint(got) != fmt.Sprint(want) {
		b.breach("InOtherBaselines(%q, %q) is %v, want %v", configID, userIDs, got, want)
	}
}

func searchOthers(b *baselines) {
	b.searcher()
	b.save("staff", baseline("run-1", 1, 4))       // u1 to u4
	b.save("contractors", baseline("run-2", 3, 4)) // u3 to u6
	b.finds(map[string]string{"u3": "contractors"}, "staff", "u1", "u3", "u9")
	b.finds(map[string]string{"u1": "staff", "u3": "staff"}, "contractors", "u1", "u3", "u5")
	found := b.search("third", "u3", "u5")
	if len(found) != 2 || found["u5"] != "contractors" || found["u3"] != "contractors" && found["u3"] != "staff" {
		b.breach(`InOtherBaselines("third") is %v: u5 is in contractors, u3 in staff and contractors`, found)
	}
}

func searchCurrent(b *baselines) {
	b.searcher()
	b.save("contractors", baseline("run-1", 1, 4))
	b.save("contractors", baseline("run-2", 4, 2)) // u4 and u5
	b.finds(map[string]string{"u4": "contractors"}, "staff", "u1", "u4")
	b.save("contractors", usersync.Baseline{RunID: "run-3"})
	b.finds(nil, "staff", "u1", "u4")
}

func searchMany(b *baselines) {
	b.searcher()
	largest := slices.Max(sizes())
	b.save("contractors", baseline("run-1", 1, largest))
	for _, size := range sizes() {
		ids := make([]string, size)
		for i := range ids {
			ids[i] = fmt.Sprintf("u%d", i+1)
		}
		if found := b.search("staff", ids...); len(found) != size {
			b.breach("InOtherBaselines found %d of %d members", len(found), size)
		}
	}
	b.finds(nil, "staff")
	b.finds(nil, "staff", "U1", "u1 ", "u_", "%")
}

func cancelledSearch(b *baselines) {
	searcher := b.searcher()
	size := interrupted()
	b.save("contractors", baseline("run-1", 1, size))
	ids := make([]string, size)
	for i := range ids {
		ids[i] = fmt.Sprintf("u%d", i+1)
	}
	try := func(ctx context.Context, _ int) {
		found, err := searcher.InOtherBaselines(ctx, "staff", ids)
		if err == nil && len(found) != size {
			b.breach("InOtherBaselines was interrupted and found %d of %d without an error", len(found), size)
		}
	}
	try(done(), 0)
	interrupt(b.Context(), try)
}
