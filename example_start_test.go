package usersync_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

func Example() {
	ctx, store := context.Background(), memory.New() // instead of memory: your own users
	eng, err := usersync.New(store, store.Baselines())
	if err != nil {
		log.Fatal(err)
	}
	upload := usersync.CSV(strings.NewReader("userName,email,firstName,lastName\n" +
		"ada.byron,ada@example.com,Ada,Byron\n" + "ben.ode,ben at example,Ben,Ode\n"))
	plan, err := eng.Preview(ctx, usersync.DefaultConfig("Staff"), upload) // writes nothing
	if err != nil {
		log.Fatal(err)
	}
	for row := range plan.Rows() {
		fmt.Println(row.Number, row.Name, row.Class)
		for _, reason := range row.Reasons {
			fmt.Println("  ", reason.Text())
		}
	}
	run, err := eng.Apply(ctx, plan) // writes what the plan shows
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(run.Status(), run.Counts().Created, "created")
	// Output:
	// 2 ada.byron new
	// 3 ben.ode error
	//    email: ben at example is not an email address such as name@example.com
	// succeeded 1 created
}
