package usersynctest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/usersync-go/usersync"
)

// TestReferences checks that a product's named things keep the promises of usersync.References, and those of
// usersync.ReferenceCreator if they are one. sets are the sets to try, at least one; with two, the suite looks
// whether they are kept apart. open returns References without things and a function that adds some to a set, as the
// product does; its error says that the product does not take such a name. open releases them with t.Cleanup. Of the options, FoldsASCIIOnly counts.
func TestReferences(t *testing.T, sets []string, open func(t *testing.T) (usersync.References, func(set string, names ...string) error), opts ...Option) {
	t.Helper()
	run(t, referenceChecks(), func(t *testing.T, tr trial) *things {
		refs, put := open(t)
		return &things{trial: tr, settings: settingsOf(opts), sets: sets, refs: refs, put: put}
	})
}

func referenceChecks() []check[*things] {
	return []check[*things]{
		{"finds", "FindReferences returns the things that there are of the names, each once and in the product's spelling;" +
			" one that there is not is no error.", referencesFind},
		{"nothing asked", "Without names there is nothing to find, and no error.", referencesNothing},
		{"every letter", "Names are compared by usersync.Fold: of all scripts, and whatever Unicode form they are in.", referencesFold},
		{"only what was asked", "Fold of what is returned is one of names. A collation or a pattern that finds more, such as without" +
			" accents, must not show: compare again.", referencesExact},
		{"any text", "Names may have any characters; each is a parameter of a query, never a part of it.", referencesAnyText},
		{"one of several", "Of things whose names are one by Fold, one is returned, always the same.", referencesTwins},
		{"sets apart", "A thing of one set is none of another.", referencesSets},
		{"names are kept as they are", "names are not changed.", referencesNamesStay},
		{"large batches", "A call has up to the engine's batch size of names, 10,000 at most.", referencesLarge},
		{"cancelled", "Once ctx is done FindReferences returns an error, or else all of the answer: never a part of it.", referencesCancelled},
		{"concurrent", "FindReferences may be called concurrently.", referencesConcurrent},
		{"Create/creates", "CreateReferences creates what there is not, in the spelling of names.", createCreates},
		{"Create/again", "A thing whose name there is by Fold stays as it is, and is no error.", createAgain},
		{"Create/sets apart", "A thing is created in its set, and in no other.", createSets},
		{"Create/at once", "Several may create one thing at once: all succeed, and there is one.", createAtOnce},
		{"Create/large batches", "A call has up to the engine's batch size of names.", createLarge},
		{"Create/cancelled", "Once ctx is done CreateReferences returns an error, or else has created everything.", createCancelled},
	}
}

// things are References on trial.
type things struct {
	trial
	*settings
	sets []string
	refs usersync.References
	put  func(set string, names ...string) error
}

// have adds things to the first set.
func (r *things) have(names ...string) {
	r.Helper()
	if err := r.put(r.sets[0], names...); err != nil {
		r.Fatalf("the test could not add %s: %v", some(names), err)
	}
}

// find looks names up, folded, and gives what there is, sorted.
func (r *things) find(set string, names ...string) []string {
	r.Helper()
	ask := make([]string, len(names))
	for i, name := range names {
		ask[i] = usersync.Fold(name)
	}
	found, err := r.refs.FindReferences(r.Context(), set, ask)
	if err != nil {
		r.breach("FindReferences of %d names of %s failed: %v", len(names), set, err)
	}
	slices.Sort(found)
	return found
}

// finds ends the check unless just want is found of names.
func (r *things) finds(names []string, want ...string) {
	r.Helper()
	slices.Sort(want)
	if found := r.find(r.sets[0], names...); !slices.Equal(found, want) {
		r.breach("FindReferences of %s returned %s, want %s", some(names), some(found), some(want))
	}
}

func referencesFind(r *things) {
	r.have("Night Shift", "Sales", "HR")
	r.finds([]string{"night SHIFT", "hr", "nobody's"}, "Night Shift", "HR")
	r.finds([]string{"nobody's"})
	r.finds([]string{"Sales"}, "Sales")
}

func referencesNothing(r *things) {
	r.have("Sales")
	for _, none := range [][]string{nil, {}} {
		if found, err := r.refs.FindReferences(r.Context(), r.sets[0], none); len(found) > 0 || err != nil {
			r.breach("FindReferences without names returned %q, error %v", found, err)
		}
	}
}

func referencesFold(r *things) {
	if r.asciiOnly {
		r.Skipf("skipped: the store tells upper from lower case only in the letters A to Z")
	}
	names := []string{"MÜLLER & Söhne", "Straße", "ΣΊΣΥΦΟΣ", "Отдел Продаж", "Ｆｕｌｌ"}
	r.have(names...)
	r.finds([]string{"müller & SÖHNE", "STRASSE", "σίσυφοσ", "ОТДЕЛ ПРОДАЖ", "full"}, slices.Clone(names)...)
	r.finds([]string{"mu\u0308ller & so\u0308hne"}, "MÜLLER & Söhne")
}

func referencesExact(r *things) {
	r.have("Café", "Sales", "Sales 1", "a_c", "100%")
	r.finds([]string{"cafe", "sale", "sale_", "sales%", "%", "abc", "100", "s"})
	r.finds([]string{"sales", "abc"}, "Sales")
	r.finds([]string{"café"}, "Café")
}

func referencesAnyText(r *things) {
	names := []string{`'; DROP TABLE users; --`, `a"b`, "a`b", `a\b`, `a\'b`, "a,b", "{a}", "(a)", "a?b", "$1", "a  b", "漢字", "👩‍🔧", "NULL", "0"}
	r.have(names...)
	r.finds(names, slices.Clone(names)...)
}

func referencesTwins(r *things) {
	r.have("HR")
	if err := r.put(r.sets[0], "hr"); err != nil {
		r.Skipf("skipped: names differ by Fold")
	}
	first := r.find(r.sets[0], "hr")
	if len(first) != 1 {
		r.breach("there are \"HR\" and \"hr\", and FindReferences returned %q", first)
	}
	for range 5 {
		if again := r.find(r.sets[0], "hr"); !slices.Equal(again, first) {
			r.breach("FindReferences returned %q, and %q when asked again", first, again)
		}
	}
}

func referencesSets(r *things) {
	if len(r.sets) < 2 {
		r.Skipf("skipped: there is one set")
	}
	r.have("Sales")
	if found := r.find(r.sets[1], "Sales"); len(found) > 0 {
		r.breach("%q is a %s, and was found as a %s", found, r.sets[0], r.sets[1])
	}
	if err := r.put(r.sets[1], "SALES"); err != nil {
		r.Fatalf("the test could not add SALES: %v", err)
	}
	r.finds([]string{"sales"}, "Sales")
}

func referencesNamesStay(r *things) {
	r.have("Sales", "HR")
	names := []string{"zebra", "sales", "hr"}
	if _, err := r.refs.FindReferences(r.Context(), r.sets[0], names); err != nil || !slices.Equal(names, []string{"zebra", "sales", "hr"}) {
		r.breach("names are %q after the call (error %v)", names, err)
	}
}

// numbered are n names, of which none is like another.
func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("Group %05d", i)
	}
	return names
}

func referencesLarge(r *things) {
	there := numbered(9)
	r.have(there...)
	for _, n := range r.sizes {
		r.finds(numbered(n), slices.Clone(there[:min(n, 9)])...)
	}
}

func referencesCancelled(r *things) {
	there := numbered(r.interrupted)
	r.have(there...)
	ask := make([]string, len(there))
	for i := range there {
		ask[i] = usersync.Fold(there[i])
	}
	complete := func(ctx context.Context) {
		if found, err := r.refs.FindReferences(ctx, r.sets[0], ask); err == nil && len(found) != len(ask) {
			r.breach("ctx was done, and FindReferences returned %d of %d names without an error", len(found), len(ask))
		}
	}
	complete(done())
	interrupt(r.Context(), func(ctx context.Context, _ int) { complete(ctx) })
}

func referencesConcurrent(r *things) {
	r.have("Sales", "HR")
	found, errs := make([][]string, writers), make([]error, writers)
	together(writers, func(i int) {
		found[i], errs[i] = r.refs.FindReferences(r.Context(), r.sets[0], []string{"sales", "hr", "none"})
	})
	for i := range found {
		if len(found[i]) != 2 || errs[i] != nil {
			r.breach("a concurrent call returned %q, error %v", found[i], errs[i])
		}
	}
}

// creating is skipped where nothing can be created.
func (r *things) creating() usersync.ReferenceCreator {
	r.Helper()
	able, ok := r.refs.(usersync.ReferenceCreator)
	if !ok {
		r.Skipf("skipped: things cannot be created")
	}
	return able
}

// create creates things of the first set.
func (r *things) create(names ...string) {
	r.Helper()
	kept := slices.Clone(names)
	if err := r.creating().CreateReferences(r.Context(), r.sets[0], names); err != nil {
		r.breach("CreateReferences of %s failed: %v", some(names), err)
	}
	if !slices.Equal(names, kept) {
		r.breach("CreateReferences has changed names")
	}
}

func createCreates(r *things) {
	r.creating()
	r.have("Sales")
	r.create("Night Shift", "O'Neill \"&\" Söhne")
	r.finds([]string{"night shift", "o'neill \"&\" söhne", "sales"}, "Night Shift", "O'Neill \"&\" Söhne", "Sales")
}

func createAgain(r *things) {
	r.creating()
	r.have("Sales")
	r.create("SALES", "Night Shift")
	r.finds([]string{"sales", "night shift"}, "Sales", "Night Shift")
	r.create("NIGHT SHIFT", "sales", "HR")
	r.create("NIGHT SHIFT", "sales", "HR")
	r.finds([]string{"sales", "night shift", "hr"}, "Sales", "Night Shift", "HR")
}

func createSets(r *things) {
	r.creating()
	if len(r.sets) < 2 {
		r.Skipf("skipped: there is one set")
	}
	r.create("Sales")
	if found := r.find(r.sets[1], "Sales"); len(found) > 0 {
		r.breach("%q was created as a %s, and found as a %s", found, r.sets[0], r.sets[1])
	}
}

func createAtOnce(r *things) {
	able := r.creating()
	errs := make([]error, writers)
	together(writers, func(i int) {
		errs[i] = able.CreateReferences(r.Context(), r.sets[0], []string{"Night Shift", fmt.Sprintf("Own %d", i)})
	})
	names := []string{"Night Shift"}
	for i, err := range errs {
		if err != nil {
			r.breach("of several CreateReferences at once one failed: %v", err)
		}
		names = append(names, fmt.Sprintf("Own %d", i))
	}
	r.finds(names, slices.Clone(names)...)
}

func createLarge(r *things) {
	r.creating()
	for _, n := range r.sizes {
		r.create(numbered(n)...)
		r.finds(numbered(n), numbered(n)...)
	}
}

func createCancelled(r *things) {
	able := r.creating()
	try := func(ctx context.Context, attempt int) {
		names := []string{fmt.Sprintf("First %d", attempt), fmt.Sprintf("Second %d", attempt)}
		if err := able.CreateReferences(ctx, r.sets[0], names); err == nil {
			r.finds(names, slices.Clone(names)...)
		}
	}
	try(done(), -1)
	interrupt(r.Context(), try)
}

// some shows a few of many names.
func some(names []string) string {
	const shown = 5
	if len(names) <= shown {
		return fmt.Sprintf("%q", names)
	}
	return fmt.Sprintf("%q and %d more", names[:shown], len(names)-shown)
}
