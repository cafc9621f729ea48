package integration

import (
	"errors"
	"strings"

	"github.com/usersync-go/usersync"
)

// start starts an import in the background.
func (g *guide) start(config string, src usersync.Source, opts ...usersync.StartOption) usersync.Import {
	g.t.Helper()
	imp, err := g.svc.Start(g.t.Context(), config, src, opts...)
	must(g.t, err)
	return imp
}

// work works an import off.
func (g *guide) work(imp usersync.Import) usersync.Import {
	g.t.Helper()
	imp, err := g.svc.RunImport(g.t.Context(), imp.ID)
	must(g.t, err)
	return imp
}

// proceed has an import go on that needs a person.
func (g *guide) proceed(imp usersync.Import) usersync.Import {
	g.t.Helper()
	imp, err := g.svc.ContinueImport(g.t.Context(), imp.ID, imp.Edition, usersync.ImportChoices{})
	must(g.t, err)
	return imp
}

// processes writes the list of imports down.
func (g *guide) processes() {
	g.t.Helper()
	all, err := g.svc.Imports(g.t.Context(), usersync.ImportQuery{})
	must(g.t, err)
	for _, imp := range all {
		g.process(imp)
	}
}

func (g *guide) process(imp usersync.Import) {
	p, err := g.svc.ImportProgress(g.t.Context(), imp.ID)
	must(g.t, err)
	note := ""
	if imp.Comment != "" {
		note = "; " + imp.Comment
	}
	g.say("%s: %s, %d of %d done; %d created, %d updated, %d errors%s", imp.File.Name, imp.Status, p.Done, p.Total, imp.Run.Created, imp.Run.Updated, imp.Run.Errors, note)
	if imp.Problem != "" {
		g.say("    %s: %s", imp.Code, strings.ReplaceAll(imp.Problem, "\n", "\n    "))
	}
}

// withoutIDs is an error without an id, which is another each time.
func withoutIDs(err error, id string) error {
	return errors.New(strings.ReplaceAll(err.Error(), " "+id, ""))
}
