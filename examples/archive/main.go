// Archive is the importer of an archive of communications, on the preset of that name: CSV files of at most 2,000
// users, groups and sources that must be there, users who are archived.
//
//	go run ./examples/archive
package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/sqlite"
	"github.com/usersync-go/usersync/adapters/sqlstore"
	"github.com/usersync-go/usersync/examples/internal/show"
	"github.com/usersync-go/usersync/presets"
)

var (
	//go:embed users.csv
	users []byte
	//go:embed update.csv
	update []byte
	//go:embed unknown-source.csv
	unknownSource []byte
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// archive is what the example works with.
type archive struct {
	out   io.Writer
	svc   *usersync.Service
	title func(format string, args ...any)
}

func run(ctx context.Context, out io.Writer) error {
	preset := presets.Archive()
	return show.InSQLite(ctx, func(store *sqlite.Store) error {
		names, err := named(store)
		if err != nil {
			return err
		}
		a := &archive{out: out, title: show.Titles(out)}
		a.svc, err = usersync.NewService(store.Users(), store.Stores(), usersync.WithSchema(preset.Schema), usersync.WithReferences(names))
		if err != nil {
			return err
		}
		cfg := preset.Config
		cfg.ID, cfg.Name = "import", "Import users"
		if _, err := a.svc.CreateConfig(ctx, cfg); err != nil {
			return err
		}
		for _, do := range []func(context.Context) error{a.refused, a.firstImport, a.update} {
			if err := do(ctx); err != nil {
				return err
			}
		}
		return nil
	}, sqlite.WithSchema(preset.Schema))
}

// named finds the groups and the enabled sources in the archive's own tables.
func named(store *sqlite.Store) (usersync.References, error) {
	_, err := store.DB().Exec(`
		CREATE TABLE groups (name TEXT NOT NULL UNIQUE);
		INSERT INTO groups VALUES ('Group 1'), ('Group 2'), ('Legal');
		CREATE TABLE sources (name TEXT NOT NULL UNIQUE, enabled INTEGER NOT NULL);
		INSERT INTO sources VALUES ('slack', 1), ('teams', 1), ('sms', 1), ('pager', 0)`)
	if err != nil {
		return nil, err
	}
	return store.References(map[string]sqlstore.NamedTable{
		"group":  {Table: "groups", Name: "name"},
		"source": {Table: "sources", Name: "name", Usable: &sqlstore.Flag{Column: "enabled"}},
	})
}

// refused are files that are refused as a whole.
func (a *archive) refused(ctx context.Context) error {
	a.title("A source that is not enabled refuses the whole file")
	if err := a.refuse(ctx, upload(unknownSource, "unknown-source.csv")); err != nil {
		return err
	}
	a.title("More than 2,000 users are too many, and a workbook is no CSV file")
	var many, book bytes.Buffer
	many.WriteString("Display Name,Primary Email,Role\n")
	for i := range 2001 {
		fmt.Fprintf(&many, "User %d,user%d@example.com,User\n", i, i)
	}
	if err := errors.Join(a.svc.Schema().WriteTemplate(&book), a.refuse(ctx, upload(many.Bytes(), "everybody.csv"))); err != nil {
		return err
	}
	return a.refuse(ctx, upload(book.Bytes(), "template.xlsx"))
}

func (a *archive) refuse(ctx context.Context, src usersync.Source) error {
	_, err := a.svc.Preview(ctx, "import", src)
	if !errors.Is(err, usersync.ErrRefused) {
		return fmt.Errorf("the file was not refused: %w", err)
	}
	fmt.Fprintf(a.out, "   %v\n", err)
	return nil
}

// firstImport has bad rows: the report says which, the others are imported.
func (a *archive) firstImport(ctx context.Context) error {
	a.title("The file is processed, and there are issues: the error report")
	plan, err := a.svc.Preview(ctx, "import", upload(users, "users.csv"))
	if err != nil {
		return err
	}
	if err := a.svc.WriteErrors(ctx, plan.ID, show.Indented(a.out)); err != nil {
		return err
	}
	a.title("The results: so many will be added and updated")
	show.Plan(a.out, plan)
	return a.apply(ctx, plan)
}

// update adds groups and sources to those that users have, and archives somebody.
func (a *archive) update(ctx context.Context) error {
	a.title("Groups and sources are added, none clears the groups, and users are archived or active again")
	plan, err := a.svc.Preview(ctx, "import", upload(update, "update.csv"))
	if err != nil {
		return err
	}
	show.Plan(a.out, plan)
	return a.apply(ctx, plan)
}

func (a *archive) apply(ctx context.Context, plan *usersync.Plan) error {
	run, err := a.svc.Apply(ctx, plan.ID)
	if err == nil {
		show.Run(a.out, run)
	}
	return err
}

func upload(data []byte, name string) usersync.Source {
	return usersync.Open(bytes.NewReader(data), int64(len(data)), name)
}
