package usersynctest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/usersync-go/usersync"
)

// importChecks are for stores that have Imports.
func importChecks() []check[*stores] {
	checks := []check[*stores]{
		{"Imports/round trip", "Imports returns the record, and ImportParts the parts, as SaveImport was given them; fewer than n" +
			" parts at the end.", importRoundTrip},
		{"Imports/large", "An upload has parts of half a MiB each, and many of them.", importLarge},
		{"Imports/editions", "SaveImport stores edition n over edition n-1 only (ErrEdited). A file replaces all parts, also one" +
			" without any; nil leaves them.", importEditions},
		{"Imports/atomic", "SaveImport returns the error that the file yields, and has changed nothing then.", importAtomic},
		{"Imports/at once", "Of many SaveImport of one edition at once one succeeds.", importAtOnce},
		{"Imports/query", "Imports returns those that fit, the newest first or, with OldestFirst, the oldest.", importQuery},
		{"Imports/delete", "DeleteImport removes an import of that edition (ErrEdited, ErrNotFound) with its parts.", importDelete},
		{"Imports/delete with configuration", "DeleteConfig removes the imports of the configuration, and no others.", importDeleteConfig},
		{"Imports/cancelled", "A method whose context is done returns an error and changes nothing.", importCancelled},
	}
	for i := range checks {
		try := checks[i].try
		checks[i].try = func(s *stores) {
			if s.Imports == nil {
				s.Skipf("there is no ImportStore")
			}
			try(s)
		}
	}
	return checks
}

// upload is an import with all that one can have.
func upload(id, config string, edition int, created time.Time) usersync.Import {
	yes, n := true, 7
	return usersync.Import{ID: id, ConfigID: config, ConfigName: "Name of " + config, Actor: usersync.Actor{Name: "Olga", UserID: "u9"},
		Comment: "Größe 'x'\n🏢", File: usersync.ImportFile{Name: "ünï.csv", Format: "csv", Bytes: 9, SHA256: "abc", Encoding: "windows-1251",
			Delimiter: ";", Upload: "first", Parts: 4, Sealed: true},
		Status: usersync.ImportIntervention, Code: usersync.ImportGuard, Problem: "a\nb", PlanID: "plan of " + id, Read: 12,
		Options: usersync.ImportOptions{Review: true, WelcomeMail: &yes, Notify: []string{"a@example.com"}, Confirmed: &n},
		Plan:    usersync.Counts{New: edition}, Run: usersync.RunCounts{Created: 2}, Agreed: "earlier", AgreedBy: usersync.Actor{Name: "Ivo"},
		Rechecks: 1, Created: created, Changed: created.Add(time.Second), Edition: edition, Holder: 3}
}

func (s *stores) saveImport(imp usersync.Import, parts ...string) {
	s.Helper()
	s.good("SaveImport", s.Imports.SaveImport(s.Context(), imp, sequence(parts, nil)))
}

func (s *stores) imports(q usersync.ImportQuery) []usersync.Import {
	s.Helper()
	all, err := s.Imports.Imports(s.Context(), q)
	s.good("Imports", err)
	return all
}

func (s *stores) importParts(id string, first, n int) []string {
	s.Helper()
	parts, err := s.Imports.ImportParts(s.Context(), id, first, n)
	s.good("ImportParts", err)
	var out []string
	for _, part := range parts {
		out = append(out, string(part))
	}
	return out
}

// told shows an import with what its pointers point to.
func told(imp usersync.Import) string {
	confirmed, mail := *imp.Options.Confirmed, *imp.Options.WelcomeMail
	imp.Options.Confirmed, imp.Options.WelcomeMail = nil, nil
	imp.Created, imp.Changed = imp.Created.UTC(), imp.Changed.UTC()
	return fmt.Sprintf("%+v %d %t", imp, confirmed, mail)
}

func importRoundTrip(s *stores) {
	want := upload("import 1", "staff", 1, day(1))
	s.saveImport(want, "a", "", "ccc", "ünï\x00\xff")
	all := s.imports(usersync.ImportQuery{ID: "import 1"})
	if len(all) != 1 {
		s.breach("Imports returns %d imports of that id, want one", len(all))
	}
	s.same("the import", told(all[0]), told(want))
	s.same("all parts", s.importParts("import 1", 0, 4), []string{"a", "", "ccc", "ünï\x00\xff"})
	s.same("two parts", s.importParts("import 1", 0, 2), []string{"a", ""})
	s.same("the last parts", s.importParts("import 1", 2, 9), []string{"ccc", "ünï\x00\xff"})
	s.same("parts beyond the end", len(s.importParts("import 1", 4, 1)), 0)
	s.same("imports of another id", len(s.imports(usersync.ImportQuery{ID: "Import 1"})), 0)
	_, err := s.Imports.ImportParts(s.Context(), "Import 1", 0, 1)
	s.refused("ImportParts of another id", err, usersync.ErrNotFound)
}

func importLarge(s *stores) {
	parts := make([]string, 20)
	for i := range parts {
		parts[i] = strings.Repeat(string(rune('a'+i)), 512<<10)
	}
	s.saveImport(upload("import 1", "staff", 1, day(1)), parts...)
	for first := 0; first < len(parts); first += 8 {
		for i, part := range s.importParts("import 1", first, 8) {
			if part != parts[first+i] {
				s.breach("part %d is not what was saved", first+i)
			}
		}
	}
}

func importEditions(s *stores) {
	s.saveImport(upload("import 1", "staff", 1, day(1)), "a", "b")
	save := func(edition int) error {
		return s.Imports.SaveImport(s.Context(), upload("import 1", "staff", edition, day(1)), nil)
	}
	s.refused("SaveImport of edition 1 again", save(1), usersync.ErrEdited)
	s.refused("SaveImport of edition 3", save(3), usersync.ErrEdited)
	s.good("SaveImport of edition 2", save(2))
	s.same("the parts without a file", s.importParts("import 1", 0, 9), []string{"a", "b"})
	s.same("the edition", s.imports(usersync.ImportQuery{ID: "import 1"})[0].Plan.New, 2)
	s.saveImport(upload("import 1", "staff", 3, day(1)), "new")
	s.same("the parts of another file", s.importParts("import 1", 0, 9), []string{"new"})
	s.saveImport(upload("import 1", "staff", 4, day(1)))
	s.same("the parts of a file without any", len(s.importParts("import 1", 0, 9)), 0)
	s.refused("SaveImport of edition 2 of no import",
		s.Imports.SaveImport(s.Context(), upload("import 9", "staff", 2, day(1)), nil), usersync.ErrEdited)
}

func importAtomic(s *stores) {
	broken := errors.New("broken")
	err := s.Imports.SaveImport(s.Context(), upload("import 1", "staff", 1, day(1)), sequence([]string{"a"}, broken))
	s.refused("SaveImport of a broken file", err, broken)
	s.same("the imports", len(s.imports(usersync.ImportQuery{})), 0)
	s.saveImport(upload("import 1", "staff", 1, day(1)), "a", "b")
	err = s.Imports.SaveImport(s.Context(), upload("import 1", "staff", 2, day(1)), sequence([]string{"new"}, broken))
	s.refused("SaveImport of a broken file", err, broken)
	s.same("the parts", s.importParts("import 1", 0, 9), []string{"a", "b"})
	s.same("the edition", s.imports(usersync.ImportQuery{})[0].Edition, 1)
}

func importAtOnce(s *stores) {
	for edition := 1; edition <= 2; edition++ {
		s.atOnce("SaveImport", isEdited, func(i int) error {
			part := fmt.Sprint(i)
			return s.Imports.SaveImport(s.Context(), upload("import 1", "staff", edition, day(1)), sequence([]string{part, part}, nil))
		})
		parts := s.importParts("import 1", 0, 9)
		if len(parts) != 2 || parts[0] != parts[1] {
			s.breach("the parts are %q: of several files", parts)
		}
	}
}

func importQuery(s *stores) {
	for i, w := range []struct {
		config string
		status usersync.ImportStatus
		ended  time.Time
	}{{"staff", usersync.ImportQueued, time.Time{}}, {"other", usersync.ImportDone, day(5)}, {"staff", usersync.ImportFailed, day(6)},
		{"staff", usersync.ImportChecking, time.Time{}}} {
		imp := upload(fmt.Sprint("import ", i), w.config, 1, day(1+i/2)) // two at a time
		imp.Status, imp.Finished = w.status, w.ended
		s.saveImport(imp)
	}
	for _, w := range []struct {
		q    usersync.ImportQuery
		want string
	}{
		{usersync.ImportQuery{}, "3 2 1 0"},
		{usersync.ImportQuery{OldestFirst: true}, "0 1 2 3"},
		{usersync.ImportQuery{Skip: 1, Limit: 2}, "2 1"},
		{usersync.ImportQuery{OldestFirst: true, Skip: 3, Limit: 2}, "3"},
		{usersync.ImportQuery{ConfigID: "staff"}, "3 2 0"},
		{usersync.ImportQuery{ConfigID: "Staff"}, ""},
		{usersync.ImportQuery{Status: []usersync.ImportStatus{usersync.ImportQueued, usersync.ImportDone}}, "1 0"},
		{usersync.ImportQuery{EndedBefore: day(6)}, "1"},
		{usersync.ImportQuery{EndedBefore: day(7), ConfigID: "staff"}, "2"},
	} {
		var got []string
		for _, imp := range s.imports(w.q) {
			got = append(got, strings.TrimPrefix(imp.ID, "import "))
		}
		s.same(fmt.Sprintf("Imports(%+v)", w.q), strings.Join(got, " "), w.want)
	}
}

func importDelete(s *stores) {
	s.saveImport(upload("import 1", "staff", 1, day(1)), "a")
	s.saveImport(upload("import 2", "staff", 1, day(1)), "b")
	s.refused("DeleteImport of edition 2", s.Imports.DeleteImport(s.Context(), "import 1", 2), usersync.ErrEdited)
	s.good("DeleteImport", s.Imports.DeleteImport(s.Context(), "import 1", 1))
	s.refused("DeleteImport again", s.Imports.DeleteImport(s.Context(), "import 1", 1), usersync.ErrNotFound)
	_, err := s.Imports.ImportParts(s.Context(), "import 1", 0, 1)
	s.refused("ImportParts", err, usersync.ErrNotFound)
	s.same("the parts of another", s.importParts("import 2", 0, 9), []string{"b"})
	s.saveImport(upload("import 1", "staff", 1, day(1))) // the id is free
	s.same("the parts of a new one", len(s.importParts("import 1", 0, 9)), 0)
}

func importDeleteConfig(s *stores) {
	for _, id := range []string{"staff", "other"} {
		s.saveConfig(config(id, id, 1), 0)
		s.saveImport(upload("import of "+id, id, 1, day(1)), "part")
	}
	s.good("DeleteConfig", s.Configs.DeleteConfig(s.Context(), "staff"))
	s.same("the imports of staff", len(s.imports(usersync.ImportQuery{ConfigID: "staff"})), 0)
	s.same("the parts of the other", s.importParts("import of other", 0, 9), []string{"part"})
	imp := upload("import of staff", "staff", 1, day(1))
	s.good("SaveImport", s.Imports.SaveImport(s.Context(), imp, nil)) // the id is free
	s.same("the parts of a new one", len(s.importParts(imp.ID, 0, 9)), 0)
}

func importCancelled(s *stores) {
	s.saveImport(upload("import 1", "staff", 1, day(1)), "a")
	ctx := done()
	_, importsErr := s.Imports.Imports(ctx, usersync.ImportQuery{})
	_, partsErr := s.Imports.ImportParts(ctx, "import 1", 0, 1)
	saveErr := s.Imports.SaveImport(ctx, upload("import 1", "staff", 2, day(1)), nil)
	deleteErr := s.Imports.DeleteImport(ctx, "import 1", 1)
	for i, err := range []error{importsErr, partsErr, saveErr, deleteErr} {
		if err == nil {
			s.breach("%s returned no error although its context is done", []string{"Imports", "ImportParts", "SaveImport", "DeleteImport"}[i])
		}
	}
	s.same("the edition", s.imports(usersync.ImportQuery{})[0].Edition, 1)
}
