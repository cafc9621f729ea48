package main

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/sqlite"
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
	f.StringVar(&p.db, "db", a.env("USERSYNC_DB"), "`database`: path of a SQLite file, postgres://… or mysql://…")
	f.StringVar(&p.mapping, "mapping", a.env("USERSYNC_MAPPING"), "JSON `file` that describes the product's own table of users")
	f.StringVar(&p.schema, "schema", a.env("USERSYNC_SCHEMA"), "JSON `file` with the fields of users")
	f.StringVar(&p.tenant, "tenant", a.env("USERSYNC_TENANT"), "whose configurations and runs")
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

// open opens the database.
func (p *place) open() (*database, error) {
	if p.db == "" {
		return nil, errors.New("name the database: -db, or the variable USERSYNC_DB")
	}
	schema, err := readSchema(p.schema)
	if err != nil {
		return nil, err
	}
	d := &database{schema: schema}
	mapping := sqlstore.DefaultMapping(d.schema)
	if p.mapping != "" {
		mapping = sqlstore.Mapping{}
	}
	if err := readJSON(p.mapping, &mapping); err != nil {
		return nil, err
	}
	dialect, err := d.dial(p.db)
	if err != nil {
		return nil, err
	}
	d.users, err = sqlstore.NewUsers(d.db, dialect, mapping, d.schema)
	if err == nil {
		d.state, err = sqlstore.NewState(d.db, dialect, sqlstore.WithTenant(p.tenant))
	}
	if err != nil {
		return nil, errors.Join(err, d.db.Close())
	}
	return d, nil
}

// dial opens the database of an address. What an error says of it leaves the password out.
func (d *database) dial(address string) (sqlstore.Dialect, error) {
	scheme, _, isURL := strings.Cut(address, "://")
	if !isURL {
		store, err := sqlite.Open(address)
		if err != nil {
			return "", err
		}
		d.db = store.DB()
		return sqlstore.SQLite, nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", errors.New("-db: not an address such as postgres://user:password@host/name")
	}
	switch scheme {
	case "postgres", "postgresql":
		d.db, err = sql.Open("pgx", address)
		return sqlstore.PostgreSQL, hide(err, u)
	case "mysql", "mariadb":
		c := mysql.NewConfig()
		c.User, c.Net, c.Addr, c.DBName = u.User.Username(), "tcp", u.Host, strings.TrimPrefix(u.Path, "/")
		c.Passwd, _ = u.User.Password()
		connector, err := mysql.NewConnector(c)
		if err != nil {
			return "", hide(err, u)
		}
		d.db = sql.OpenDB(connector)
		return sqlstore.MySQL, nil
	}
	return "", fmt.Errorf("-db: %s:// is not known: use postgres://, mysql:// or the path of a SQLite file", scheme)
}

// hide leaves the password of an address out of an error.
func hide(err error, u *url.URL) error {
	password, has := u.User.Password()
	if err == nil || !has || password == "" {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), password, "…"))
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
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	dec := json.NewDecoder(f)
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// within opens the service for the time of do.
func (p *place) within(ctx context.Context, do func(svc *usersync.Service) error, opts ...usersync.Option) (err error) {
	d, err := p.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.db.Close()) }()
	if err := d.state.Check(ctx); err != nil {
		return fmt.Errorf("%w\nrun first: usersync migrate", err)
	}
	opts = append(opts, usersync.WithSchema(d.schema))
	if text := p.app.env("USERSYNC_SECRET_KEY"); text != "" {
		key, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return errors.New("USERSYNC_SECRET_KEY is not base64")
		}
		opts = append(opts, usersync.WithSecretKey(key))
	}
	svc, err := usersync.NewService(d.users, d.state.Stores(), opts...)
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
		d, err := p.open()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, d.db.Close()) }()
		if *print {
			a.printSQL(d)
			return nil
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
