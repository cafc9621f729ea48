// Package integration tests adapters against real servers. It has nothing to import.
//
// SQLite is always there. A server's address comes from the environment, and a test that has none is
// skipped:
//
//	USERSYNC_TEST_POSTGRES=postgres://user@127.0.0.1:5432/test?sslmode=disable
//	USERSYNC_TEST_MYSQL=user@tcp(127.0.0.1:3306)/test
//
// Each test makes a schema (PostgreSQL) or a database (MySQL, MariaDB) of its own and drops it, so the
// user must be allowed to.
//
// The mail server is aiosmtpd, of Debian's package python3-aiosmtpd, started by the tests that need it.
package integration
