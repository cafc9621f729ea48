package sqlstore_test

import (
	"encoding/json"
	"fmt"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/sqlstore"
)

// A mapping can be kept beside the product's other settings.
func ExampleMapping() {
	var m sqlstore.Mapping
	err := json.Unmarshal([]byte(`{
		"table": "accounts",
		"id": {"column": "account_no", "kind": "integer"},
		"active": {"column": "state", "true": "open", "false": "closed"},
		"columns": {
			"userName": {"column": "login"},
			"email":    {"column": "mail", "null": true},
			"manager":  {"column": "boss_no", "reference": true}
		},
		"softDelete": {"column": "removed_at"}
	}`), &m)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Validate(usersync.DefaultSchema()))
	m.Table, m.ID.Column = "accounts; --", ""
	fmt.Println(m.Validate(usersync.DefaultSchema()))
	// Output:
	// <nil>
	// usersync: mapping of the table of users is not valid:
	//   table: "accounts; --" cannot be a name here
	//   id.column: is missing
}

// The SQL of the ready-made table, for a product that keeps its migrations in files.
func ExampleUsers_Schema() {
	schema := usersync.Schema{Key: "userName", Fields: []usersync.Field{
		{Name: "userName"}, {Name: "email", Kind: usersync.KindEmail, Unique: usersync.WarnIfShared},
	}}
	users, err := sqlstore.NewUsers(nil, sqlstore.SQLite, sqlstore.DefaultMapping(schema), schema)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, text := range users.Schema() {
		fmt.Println(text + ";")
	}
	// Output:
	// CREATE TABLE IF NOT EXISTS "usersync_users" (
	//   "id" TEXT NOT NULL PRIMARY KEY,
	//   "version" BIGINT NOT NULL,
	//   "active" BOOLEAN NOT NULL,
	//   "user_name" TEXT,
	//   "user_name_folded" TEXT,
	//   "email" TEXT,
	//   "email_folded" TEXT,
	//   UNIQUE ("user_name_folded")
	// );
	// CREATE INDEX IF NOT EXISTS "usersync_users_email_folded" ON "usersync_users" ("email_folded");
	// CREATE TABLE IF NOT EXISTS "usersync_values" (
	//   "user_id" TEXT NOT NULL,
	//   "field" TEXT NOT NULL,
	//   "item" INTEGER NOT NULL,
	//   "value" TEXT NOT NULL,
	//   PRIMARY KEY ("user_id", "field", "item")
	// ) WITHOUT ROWID;
	// CREATE TABLE IF NOT EXISTS "usersync_changes" (
	//   "change_key" TEXT NOT NULL PRIMARY KEY,
	//   "user_id" TEXT NOT NULL,
	//   "user_version" TEXT NOT NULL,
	//   "made_at" TIMESTAMP DEFAULT CURRENT_TIMESTAMP
	// ) WITHOUT ROWID;
}
