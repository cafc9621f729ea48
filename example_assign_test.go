package usersync_test

import (
	"context"
	"fmt"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

// New and existing users are put into training groups by ordered rules. The preview says which rule put whom where,
// and the same rules in another order are another preview.
func ExampleAssignment() {
	schema := usersync.Schema{Key: "login", Fields: []usersync.Field{
		{Name: "login"},
		{Name: "department"},
		{Name: "groups", List: &usersync.ListFormat{Separator: ","}},
	}}
	anna := usersync.User{ID: "1", Active: true, Values: usersync.ValuesOf(map[string]string{"login": "anna", "department": "Sales"})}
	anna.Values.SetList("groups", []string{"chess"})
	store := memory.New(memory.WithKey("login"), memory.WithUsers(anna))
	eng, err := usersync.New(store, store.Baselines(), usersync.WithSchema(schema))
	if err != nil {
		panic(err)
	}

	cfg := usersync.DefaultConfig("Staff")
	sales := usersync.Condition{Field: "department", Op: usersync.IfPrefix, Values: []string{"sales"}}
	cfg.Assignments = []usersync.Assignment{{Field: "groups", Rules: []usersync.AssignRule{
		{Name: "Sales people", If: []usersync.Condition{sales}, Values: []string{"Selling", "Products"}},
		{Name: "Everybody else", Values: []string{"Welcome"}},
	}}}
	show := func() {
		plan, err := eng.Preview(context.Background(), cfg, salesFile("login,department", "anna,Sales", "bert,Sales EU", "carl,Law"))
		if err != nil {
			panic(err)
		}
		for row := range plan.Rows() {
			for _, c := range row.Changes {
				if c.Field == "groups" {
					fmt.Printf("%s: %q becomes %q, rule %s\n", row.Name, c.Old, c.New, c.Rule)
				}
			}
		}
		for _, a := range plan.Assigned() {
			fmt.Printf("  %d by %s\n", a.Rows, a.Rule)
		}
	}
	show()
	rules := cfg.Assignments[0].Rules
	rules[0], rules[1] = rules[1], rules[0]
	show()
	// Output:
	// anna: "chess" becomes "chess, Selling, Products", rule Sales people
	// bert: "" becomes "Selling, Products", rule Sales people
	// carl: "" becomes "Welcome", rule Everybody else
	//   2 by Sales people
	//   1 by Everybody else
	// anna: "chess" becomes "chess, Welcome", rule Everybody else
	// bert: "" becomes "Welcome", rule Everybody else
	// carl: "" becomes "Welcome", rule Everybody else
	//   3 by Everybody else
	//   0 by Sales people
}
