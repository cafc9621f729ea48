package usersync_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

// An upload is taken at once and worked off in the background. This one stops since a row is wrong; a person looks at
// the list of errors and lets it go on without the row.
func ExampleService_Start() {
	ctx := context.Background()
	svc, err := usersync.NewService(memory.New(), memory.NewState(nil).Stores())
	if err != nil {
		log.Fatal(err)
	}
	cfg, err := svc.CreateConfig(ctx, usersync.DefaultConfig("Staff"))
	if err != nil {
		log.Fatal(err)
	}
	upload := usersync.CSV(strings.NewReader("userName,email,firstName,lastName\n" +
		"ada.byron,ada@example.com,Ada,Byron\n" + "ben.ode,ben at example,Ben,Ode\n"))
	imp, err := svc.Start(ctx, cfg.ID, upload, usersync.By(usersync.Actor{Name: "Olga"}), usersync.WithComment("new in May"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(imp.Status)

	imp, err = svc.RunImport(ctx, imp.ID) // in a product: go svc.Dispatch(ctx, usersync.DispatchOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(imp.Status, imp.Code)
	if err := svc.WriteErrors(ctx, imp.PlanID, os.Stdout); err != nil {
		log.Fatal(err)
	}
	if _, err := svc.ContinueImport(ctx, imp.ID, imp.Edition, usersync.ImportChoices{}); err != nil {
		log.Fatal(err)
	}
	if imp, err = svc.RunImport(ctx, imp.ID); err != nil {
		log.Fatal(err)
	}
	fmt.Println(imp.Status, imp.Run.Created, "created,", imp.Run.Errors, "left out")
	// Output:
	// queued
	// intervention bad_rows
	// Row 3: email: ben at example is not an email address such as name@example.com
	// done 1 created, 1 left out
}

// Dispatch is called in a goroutine of the product's, which waits for its end.
func ExampleService_Dispatch() {
	ctx, stop := context.WithCancel(context.Background())
	svc, err := usersync.NewService(memory.New(), memory.NewState(nil).Stores())
	if err != nil {
		log.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- svc.Dispatch(ctx, usersync.DispatchOptions{Workers: 4}) }()
	stop() // when the product ends
	fmt.Println(<-ended)
	// Output: <nil>
}
