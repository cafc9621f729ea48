package main

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/usersync-go/usersync/adapters/sqlite"
	"github.com/usersync-go/usersync/adapters/sqlstore"
)

// address is where a database is.
type address struct {
	dialect sqlstore.Dialect
	path    string   // of a SQLite file, "" for a server
	url     *url.URL // of a server
	secrets []string // what nobody may be shown
}

// isDriverAddress knows the addresses of drivers, which would make strange names of files, with a password in
// them.
var isDriverAddress = regexp.MustCompile(`@(tcp|unix)?\(|(^|\s)(host|user|dbname|password)\s*=`)

// parseAddress reads an address. What is wrong is told without it, since it may have a password.
func parseAddress(text string) (*address, error) {
	scheme, _, isURL := strings.Cut(text, "://")
	switch {
	case text == "":
		return nil, errors.New("name the database: -db, or the variable USERSYNC_DB")
	case !isURL && isDriverAddress.MatchString(text):
		return nil, errors.New("-db: write the address as postgres://user:password@host/name or mysql://user:password@host:3306/name")
	case !isURL:
		return &address{dialect: sqlstore.SQLite, path: text}, nil
	}
	at := &address{}
	switch scheme {
	case "postgres", "postgresql":
		at.dialect = sqlstore.PostgreSQL
	case "mysql", "mariadb":
		at.dialect = sqlstore.MySQL
	default:
		return nil, fmt.Errorf("-db: %s:// is not known: use postgres://, mysql:// or the path of a SQLite file", scheme)
	}
	var err error
	if at.url, err = url.Parse(text); err != nil {
		return nil, fmt.Errorf("-db: not an address such as %s://user:password@host/name; what is no letter or digit in a "+
			"password is written as %%40 for @, %%2F for /", scheme)
	}
	at.secrets = secretsOf(at.url)
	return at, nil
}

// secretsOf are the passwords of an address, as they are and as they are written in it.
func secretsOf(u *url.URL) []string {
	query := u.Query()
	all := []string{query.Get("password"), query.Get("sslpassword")}
	if password, has := u.User.Password(); has {
		_, written, _ := strings.Cut(u.User.String(), ":")
		all = append(all, password, written)
	}
	return slices.DeleteFunc(all, func(secret string) bool { return secret == "" })
}

// open opens the database, without talking to it.
func (at *address) open() (*sql.DB, error) {
	switch at.dialect {
	case sqlstore.SQLite:
		store, err := sqlite.Open(at.path)
		if err != nil {
			return nil, err
		}
		return store.DB(), nil
	case sqlstore.PostgreSQL:
		return sql.Open("pgx", at.url.String())
	}
	return at.openMySQL()
}

// openMySQL gives the driver what is in the address, and what comes after its ?, such as tls and timeout, as the
// driver names it.
func (at *address) openMySQL() (*sql.DB, error) {
	name := url.PathEscape(strings.TrimPrefix(at.url.Path, "/"))
	c, err := mysql.ParseDSN(fmt.Sprintf("tcp(%s)/%s?%s", at.url.Host, name, at.url.RawQuery))
	if err != nil {
		return nil, fmt.Errorf("-db: %w", err)
	}
	c.User = at.url.User.Username()
	c.Passwd, _ = at.url.User.Password()
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, fmt.Errorf("-db: %w", err)
	}
	return sql.OpenDB(connector), nil
}
