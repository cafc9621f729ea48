package integration

import (
	"bytes"
	"database/sql"
	"strings"
	"testing"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/sqlstore"
)

// I8, A10: an upload with passwords is in no table in the clear, neither as it is queued nor when it waits for a
// person, and gone when it is done.
func TestSealedUploads(t *testing.T) {
	const canary = "Tr0ub4dor-Canary"
	schema := usersync.DefaultSchema()
	schema.Fields = append(schema.Fields, usersync.Field{Name: "password", Secret: true})
	for _, server := range servers() {
		t.Run(server.name, func(t *testing.T) {
			server.open(t) // skips
			s, db := newSite(t, server.dialect, false)
			state, err := sqlstore.NewState(db, s.Dialect)
			must(t, err)
			users, err := sqlstore.NewUsers(db, s.Dialect, sqlstore.DefaultMapping(usersync.DefaultSchema()), usersync.DefaultSchema())
			must(t, err)
			svc, err := usersync.NewService(users, state.Stores(), usersync.WithSchema(schema), usersync.WithSecretKey(bytes.Repeat([]byte{7}, 32)))
			must(t, err)
			cfg := staffConfig(t, svc, "Staff")
			file := usersync.CSV(strings.NewReader("userName,email,firstName,lastName,password\nanna,anna@example.com,A,B," + canary + "\n"))
			imp, err := svc.Start(t.Context(), cfg.ID, file, usersync.WithImportOptions(usersync.ImportOptions{Review: true}))
			must(t, err)
			hasNot(t, db, canary)
			imp, err = svc.RunImport(t.Context(), imp.ID)
			must(t, err)
			if imp.Code != usersync.ImportReview {
				t.Fatalf("%s %s %s", imp.Status, imp.Code, imp.Problem)
			}
			hasNot(t, db, canary)
			_, err = svc.CancelImport(t.Context(), imp.ID)
			must(t, err)
			var parts int
			must(t, db.QueryRow("SELECT COUNT(*) FROM usersync_parts WHERE kind = 'import'").Scan(&parts))
			if parts != 0 {
				t.Fatalf("%d parts of an upload are left", parts)
			}
		})
	}
}

// hasNot ends the test if a text is in what is stored of plans and imports.
func hasNot(t *testing.T, db *sql.DB, text string) {
	t.Helper()
	seen := 0
	for _, query := range []string{"SELECT data FROM usersync_imports", "SELECT data FROM usersync_parts", "SELECT data FROM usersync_plans",
		"SELECT head FROM usersync_plans"} {
		rows, err := db.Query(query)
		must(t, err)
		for rows.Next() {
			var data []byte
			must(t, rows.Scan(&data))
			seen++
			if bytes.Contains(data, []byte(text)) {
				t.Fatalf("%s has the secret: %.300s", query, data)
			}
		}
		must(t, rows.Err())
		must(t, rows.Close())
	}
	if seen < 2 {
		t.Fatalf("%d values were looked at", seen)
	}
}
