package usersync_test

import (
	"context"
	"fmt"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

// groups is a schema in which users are in groups that the product has.
func groups(missing usersync.Missing) usersync.Schema {
	return usersync.Schema{Key: "login", Fields: []usersync.Field{
		{Name: "login", Title: "Login"},
		{Name: "groups", Title: "Group(s)", List: &usersync.ListFormat{Separator: ",", None: "none"},
			Refers: &usersync.Refers{Set: "group", Missing: missing}},
	}}
}

// groupEngine has the groups "Sales" and "Night Shift", and no user.
func groupEngine(missing usersync.Missing) *usersync.Engine {
	store, things := memory.New(memory.WithKey("login")), memory.NewReferences()
	things.Put("group", "Sales", "Night Shift")
	eng, err := usersync.New(store, store.Baselines(), usersync.WithSchema(groups(missing)), usersync.WithReferences(things))
	if err != nil {
		panic(err)
	}
	return eng
}

// Names are spelled as the product does, and those that are not there are errors.
func ExampleWithReferences() {
	eng := groupEngine(usersync.MissingIsError)
	upload := salesFile("Login;Group(s)", "anna;night SHIFT, SALES", "bert;Sales, Weekend")
	plan, err := eng.Preview(context.Background(), usersync.DefaultConfig("Groups"), upload)
	if err != nil {
		fmt.Println(err)
		return
	}
	for row := range plan.Rows() {
		fmt.Println(row.Name, row.Class)
		for _, c := range row.Changes {
			fmt.Printf("  %s: %s\n", c.Field, c.New)
		}
		for _, r := range row.Reasons {
			fmt.Println(" ", r.Text())
		}
	}
	// Output:
	// anna new
	//   login: anna
	//   groups: Night Shift, Sales
	// bert error
	//   Group(s): there is no group "Weekend": create it first, or correct the name
}

// What is missing is created once a person has allowed it.
func ExamplePlan_Missing() {
	ctx, eng := context.Background(), groupEngine(usersync.MissingIsOffered)
	upload := salesFile("Login;Group(s)", "anna;Weekend", "bert;Sales, WEEKEND", "carl;Sals")
	plan, err := eng.Preview(ctx, usersync.DefaultConfig("Groups"), upload)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range plan.Missing() {
		fmt.Printf("no %s %q: %d rows, the first is %d\n", m.Set, m.Name, m.Rows, m.First)
	}
	if err := plan.Resolve(usersync.Decision{Choice: usersync.CreateMissing, Field: "groups", Value: "Weekend"}); err != nil {
		fmt.Println(err)
		return
	}
	run, err := eng.Apply(ctx, plan)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("created:", run.CreatedReferences())
	fmt.Println("users:", run.Counts().Created, "errors:", run.Counts().Errors)
	// Output:
	// no group "Weekend": 2 rows, the first is 2
	// no group "Sals": 1 rows, the first is 4
	// created: [{group Weekend}]
	// users: 2 errors: 1
}
