package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/seats"
	"github.com/usersync-go/usersync/adapters/sqlite"
	"github.com/usersync-go/usersync/adapters/sqlstore"
)

func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := tour(context.Background(), filepath.Join(dir, "usersync.db")); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 1 to decide
	// succeeded: 1 created, 0 updated
	// failed rows: 0
	// undo: 1 user
	// succeeded: 0 created, 1 updated
}

// tour goes from a file to its undo.
func tour(ctx context.Context, path string) (err error) {
	store, err := sqlite.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if err := store.Migrate(ctx); err != nil {
		return err
	}
	svc, err := usersync.NewService(store.Users(), store.Stores())
	if err != nil {
		return err
	}
	cfg := usersync.DefaultConfig("Staff")
	cfg.Rules = map[string]usersync.Rule{"title": {Strategy: usersync.AskAtRuntime}}
	if cfg, err = svc.CreateConfig(ctx, cfg); err != nil {
		return err
	}
	const header, ada = "userName,email,firstName,lastName,title\n", "ada,ada@example.com,Ada,Byron,"
	if _, err := runFile(ctx, svc, cfg.ID, header+ada+"Researcher\n"); err != nil {
		return err
	}
	plan, err := svc.Preview(ctx, cfg.ID, usersync.CSV(strings.NewReader(header+ada+"Countess\nben,ben@example.com,Ben,Ode,\n")))
	if err != nil {
		return err
	}
	fmt.Println(plan.Counts().Conflicts, "to decide")
	if plan, err = svc.Decide(ctx, plan.ID, usersync.Decision{Field: "title", Choice: usersync.KeepCurrent, Remember: true}); err != nil {
		return err
	}
	run, err := svc.Apply(ctx, plan.ID)
	if err != nil {
		return err
	}
	show(run)
	page, err := svc.Rows(ctx, run.ID, usersync.RowQuery{States: []usersync.State{usersync.StateFailed}})
	if err != nil {
		return err
	}
	fmt.Println("failed rows:", len(page.Rows))
	if plan, err = svc.Undo(ctx, run.ID); err != nil {
		return err
	}
	fmt.Println("undo:", plan.Counts().Updated, "user")
	if run, err = svc.Apply(ctx, plan.ID); err != nil {
		return err
	}
	show(run)
	return nil
}

func runFile(ctx context.Context, svc *usersync.Service, config, file string) (*usersync.Run, error) {
	plan, err := svc.Preview(ctx, config, usersync.CSV(strings.NewReader(file)))
	if err != nil {
		return nil, err
	}
	return svc.Apply(ctx, plan.ID)
}

func show(run *usersync.Run) {
	c := run.Counts()
	fmt.Printf("%s: %d created, %d updated\n", run.Status(), c.Created, c.Updated)
}

// Runs and the product's own sign-ups share a license: a sign-up claims its seat in its own transaction.
func ExampleStore_SeatBook() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := signUps(context.Background(), filepath.Join(dir, "usersync.db")); err != nil {
		log.Fatal(err)
	}
	// Output:
	// ada: <nil>
	// the file is held back: [usersync: not enough seats: the file needs 2 and 1 are free: get more seats, or free some first]
	// ben: <nil>
	// cid: sqlstore: claiming a seat: usersync: not enough seats: the new user needs 1 and 0 are free: get more seats, or free some first
}

// signUps has two seats for three people, and then for a file.
func signUps(ctx context.Context, path string) (err error) {
	store, err := sqlite.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if err := store.Migrate(ctx); err != nil {
		return err
	}
	book := store.SeatBook("", seats.Limits{Total: 2}, seats.Queries{Total: "SELECT COUNT(*) FROM usersync_users WHERE active"})
	fmt.Println("ada:", signUp(ctx, store.DB(), book, "ada"))

	svc, err := usersync.NewService(store.Users(), store.Stores(), usersync.WithLicense(book))
	if err != nil {
		return err
	}
	cfg, err := svc.CreateConfig(ctx, usersync.DefaultConfig("Staff"))
	if err != nil {
		return err
	}
	file := "userName,email,firstName,lastName\neve,eve@example.com,Eve,Fox\nfay,fay@example.com,Fay,Low\n"
	plan, err := svc.Preview(ctx, cfg.ID, usersync.CSV(strings.NewReader(file)))
	if err != nil {
		return err
	}
	fmt.Println("the file is held back:", plan.Blocks())
	fmt.Println("ben:", signUp(ctx, store.DB(), book, "ben"))
	fmt.Println("cid:", signUp(ctx, store.DB(), book, "cid"))
	return nil
}

// signUp makes a user, who takes a seat, in a transaction of the product's.
func signUp(ctx context.Context, db *sql.DB, book *sqlstore.SeatBook, name string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := book.Claim(ctx, tx); err != nil {
		_ = tx.Rollback() // nothing was changed
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO usersync_users (id, version, active, user_name, user_name_folded) VALUES (?, 1, TRUE, ?, ?)",
		name, name, name)
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// Groups are in a table of the product's own, which knows which of them are in use.
func ExampleStore_References() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := sqlite.Open(filepath.Join(dir, "product.db"))
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	_, err = store.DB().Exec(`CREATE TABLE teams (label TEXT, open BOOLEAN);
		INSERT INTO teams VALUES ('Night Shift', TRUE), ('Day Shift', FALSE)`)
	if err != nil {
		log.Fatal(err)
	}
	groups, err := store.References(map[string]sqlstore.NamedTable{
		"group": {Table: "teams", Name: "label", Usable: &sqlstore.Flag{Column: "open"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	found, err := groups.FindReferences(context.Background(), "group", []string{"day shift", "night shift"})
	fmt.Println(found, err)
	// Output: [Night Shift] <nil>
}
