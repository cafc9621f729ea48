package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/sqlstore"
)

// place is where users and runs are, as flags say.
type place struct {
	app                             *app
	db, mapping, schema, tenant, as string
}

// place adds the flags that every command with a database has.
func (a *app) place(f *flag.FlagSet) *place {
	p := &place{app: a}
	// The variable is no default of the flag, since help shows defaults, and it may have a password.
	f.StringVar(&p.db, "db", "", "`database`: path of a SQLite file, postgres://… or mysql://…; otherwise that of USERSYNC_DB")
	f.StringVar(&p.mapping, "mapping", a.env("USERSYNC_MAPPING"), "JSON `file` that describes the product's own table of users")
	f.StringVar(&p.schema, "schema", a.env("USERSYNC_SCHEMA"), "JSON `file` with the fields of users")
	f.StringVar(&p.tenant, "tenant", a.env("USERSYNC_TENANT"), "`whose` configurations and runs; users are kept apart by the mapping's scope")
	f.StringVar(&p.as, "as", "", "who does it, as `NAME` or NAME/ID")
	return p
}

// actor is who does it.
func (p *place) actor() usersync.Actor {
	name, id, _ := strings.Cut(p.as, "/")
	return usersync.Actor{Name: name, UserID: id}
}

// database is an open database.
type database struct {
	db     *sql.DB
	users  *sqlstore.Users
	state  *sqlstore.State
	schema usersync.Schema
}

// open opens the database, without talking to it. The file of SQLite is made only if that is said.
func (p *place) open(create bool) (*database, error) {
	at, err := p.address()
	if err != nil {
		return nil, err
	}
	if at.path != "" && !create && !exists(at.path) {
		return nil, fmt.Errorf("there is no file %s: if that is the right one, run first: usersync migrate", at.path)
	}
	schema, err := readSchema(p.schema)
	if err != nil {
		return nil, err
	}
	mapping := sqlstore.DefaultMapping(schema)
	if p.mapping != "" {
		mapping = sqlstore.Mapping{}
	}
	if err := readJSON(p.mapping, &mapping); err != nil {
		return nil, err
	}
	db, err := at.open()
	if err != nil {
		return nil, err
	}
	d := &database{db: db, schema: schema}
	d.users, err = sqlstore.NewUsers(db, at.dialect, mapping, schema)
	if err == nil {
		d.state, err = sqlstore.NewState(db, at.dialect, sqlstore.WithTenant(p.tenant))
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return d, nil
}

// address is where the database is. What errors tell of it is hidden from then on.
func (p *place) address() (*address, error) {
	text := p.db
	if text == "" {
		text = p.app.env("USERSYNC_DB")
	}
	at, err := parseAddress(text)
	if err != nil {
		return nil, err
	}
	p.app.secrets = append(p.app.secrets, at.secrets...)
	return at, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// readSchema reads the fields of users, the default ones where no file is named.
func readSchema(path string) (usersync.Schema, error) {
	if path == "" {
		return usersync.DefaultSchema(), nil
	}
	var s usersync.Schema
	err := readJSON(path, &s)
	return s, err
}

// readJSON reads a file strictly, unless no file is named.
func readJSON(path string, into any) error {
	if path == "" {
		return nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	err = dec.Decode(into)
	if err == nil && len(bytes.TrimSpace(data[dec.InputOffset():])) > 0 {
		err = errors.New("there is more text after the JSON")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// reach tells whether the database answers at all.
func (d *database) reach(ctx context.Context) error {
	if err := d.db.PingContext(ctx); err != nil {
		return fmt.Errorf("the database cannot be reached: %w", err)
	}
	return nil
}

// check tells whether the tables are there, and what to do if not.
func (d *database) check(ctx context.Context) error {
	if err := d.reach(ctx); err != nil {
		return err
	}
	if err := d.state.Check(ctx); err != nil {
		return errors.New(strings.ReplaceAll(err.Error(), "call Migrate", "run first: usersync migrate"))
	}
	return nil
}

// within opens the service for the time of do.
func (p *place) within(ctx context.Context, do func(svc *usersync.Service) error, opts ...usersync.Option) (err error) {
	d, err := p.open(false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.db.Close()) }()
	if err := d.check(ctx); err != nil {
		return err
	}
	opts = append(opts, usersync.WithSchema(d.schema), usersync.WithFieldStore(d.state))
	if text := p.app.env("USERSYNC_SECRET_KEY"); text != "" {
		key, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return errors.New("USERSYNC_SECRET_KEY is not base64")
		}
		opts = append(opts, usersync.WithSecretKey(key))
	}
	svc, err := usersync.NewService(d.users, d.state.Stores(), append(opts, p.app.options...)...)
	if err != nil {
		return err
	}
	return do(svc)
}

// migrate makes the tables.
func (a *app) migrate(f *flag.FlagSet) func(context.Context, []string) error {
	p := a.place(f)
	print := f.Bool("sql", false, "print the SQL instead")
	return func(ctx context.Context, args []string) (err error) {
		if err := none(args); err != nil {
			return err
		}
		d, err := p.open(!*print)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, d.db.Close()) }()
		if *print {
			a.printSQL(d)
			return nil
		}
		if err := d.reach(ctx); err != nil {
			return err
		}
		if err := errors.Join(d.state.Migrate(ctx), d.users.Migrate(ctx)); err != nil {
			return err
		}
		fmt.Fprintln(a.out, "The tables are there.")
		return nil
	}
}

// printSQL prints what migrate does.
func (a *app) printSQL(d *database) {
	for _, m := range d.state.Migrations() {
		fmt.Fprintf(a.out, "-- %d %s\n%s;\n\n", m.Number, m.Name, strings.Join(m.Statements, ";\n\n"))
	}
	for _, statement := range d.users.Schema() {
		fmt.Fprintf(a.out, "%s;\n\n", statement)
	}
}
