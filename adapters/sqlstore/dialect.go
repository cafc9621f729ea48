package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Dialect is the SQL of a kind of database.
type Dialect string

// The dialects.
const (
	SQLite     Dialect = "sqlite"
	PostgreSQL Dialect = "postgresql"
	MySQL      Dialect = "mysql" // and MariaDB
)

// quote makes an identifier of a name that Mapping.Validate has passed.
func (d Dialect) quote(name string) string {
	if d == MySQL {
		return "`" + strings.ReplaceAll(name, "`", "``") + "`"
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// quoteTable is quote for a table, which may have its schema before it.
func (d Dialect) quoteTable(name string) string {
	parts := strings.Split(name, ".")
	for i := range parts {
		parts[i] = d.quote(parts[i])
	}
	return strings.Join(parts, ".")
}

// parameters is how many a statement may have.
func (d Dialect) parameters() int {
	if d == SQLite {
		return 32_766
	}
	return 65_535
}

// snapshot are the options of a transaction that reads everything as of one moment.
func (d Dialect) snapshot() *sql.TxOptions {
	if d == SQLite {
		return nil // every transaction does
	}
	return &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
}

// writing are the options of a transaction that writes. It locks what it reads.
func (d Dialect) writing() *sql.TxOptions {
	if d == SQLite {
		return nil
	}
	return &sql.TxOptions{Isolation: sql.LevelReadCommitted}
}

// maxTries is how often a call is made that loses against another.
const maxTries = 6

// isTransient tells that the call lost against another and can be made again.
func (d Dialect) isTransient(err error) bool {
	switch d {
	case PostgreSQL: // serialization failure, deadlock, lock not available
		state := sqlState(err)
		return state == "40001" || state == "40P01" || state == "55P03"
	case MySQL: // deadlock, lock wait timeout, record has changed
		return isMySQL(err, 1213) || isMySQL(err, 1205) || isMySQL(err, 1020)
	}
	return containsAny(err, "database is locked", "table is locked")
}

// isDuplicate tells that a unique index has refused a row.
func (d Dialect) isDuplicate(err error) bool {
	switch d {
	case PostgreSQL:
		return sqlState(err) == "23505"
	case MySQL:
		return isMySQL(err, 1062)
	}
	return containsAny(err, "UNIQUE constraint failed", "PRIMARY KEY constraint failed")
}

// sqlState is the SQLSTATE of an error, as the drivers of PostgreSQL give it.
func sqlState(err error) string {
	var coded interface{ SQLState() string }
	if errors.As(err, &coded) {
		return coded.SQLState()
	}
	return ""
}

// isMySQL looks for a server error's number where the driver prints it.
func isMySQL(err error, number int) bool {
	return containsAny(err, fmt.Sprintf("Error %d ", number), fmt.Sprintf("Error %d:", number))
}

func containsAny(err error, texts ...string) bool {
	for _, text := range texts {
		if err != nil && strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}

// isText tells that the database can be asked for a text: none has invalid UTF-8 or NUL in it.
func isText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// statement is SQL under construction, with its arguments.
type statement struct {
	dialect Dialect
	text    strings.Builder
	args    []any
}

func (st *statement) add(parts ...string) {
	for _, p := range parts {
		st.text.WriteString(p)
	}
}

// bind adds a parameter.
func (st *statement) bind(arg any) {
	st.args = append(st.args, arg)
	if st.dialect != PostgreSQL {
		st.text.WriteByte('?')
		return
	}
	st.text.WriteByte('$')
	st.text.WriteString(strconv.Itoa(len(st.args)))
}

// row adds a parenthesis of parameters.
func (st *statement) row(args []any) {
	for i, arg := range args {
		st.add([]string{"(", ", "}[min(i, 1)])
		st.bind(arg)
	}
	st.add(")")
}

// among adds the condition that an expression is one of values, of which there is at least one. typ is
// the type that PostgreSQL compares in.
func (st *statement) among(expression, typ string, values []any) {
	if st.dialect == PostgreSQL {
		st.add(expression, " = ANY(")
		st.bind(arrayOf(values))
		st.add("::", typ, "[])")
		return
	}
	st.add(expression, " IN ")
	st.row(values)
}

// where adds the condition that a row is a user.
func (st *statement) where(alias string, scope []fixed) {
	st.add(" WHERE 1 = 1")
	for _, f := range scope {
		st.add(" AND ", alias, f.column)
		if f.value == nil {
			st.add(" IS NULL")
			continue
		}
		st.add(" = ")
		st.bind(*f.value)
	}
}

// arrayOf writes an array as PostgreSQL reads it, so that no driver needs to know arrays.
func arrayOf(values []any) string {
	b := make([]byte, 0, 32*len(values))
	b = append(b, '{')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		switch v := v.(type) {
		case nil:
			b = append(b, "NULL"...)
		case int64:
			b = strconv.AppendInt(b, v, 10)
		case string:
			b = appendQuoted(b, v)
		}
	}
	return string(append(b, '}'))
}

func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

// queryer is a database or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// query runs a statement and hands each row, as text with NULL as nil, to use, which keeps none of it.
func (st *statement) query(ctx context.Context, q queryer, use func(cells []sql.RawBytes) error) (err error) {
	rows, err := q.QueryContext(ctx, st.text.String(), st.args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	cells := make([]sql.RawBytes, len(names))
	into := make([]any, len(names))
	for i := range cells {
		into[i] = &cells[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		if err := use(cells); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return ctx.Err() // a driver may end the rows early without an error
}

// exec runs a statement.
func (st *statement) exec(ctx context.Context, q queryer) error {
	_, err := q.ExecContext(ctx, st.text.String(), st.args...)
	return err
}
