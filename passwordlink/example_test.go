package passwordlink_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/usersync-go/usersync/adapters/memory"
	"github.com/usersync-go/usersync/passwordlink"
)

func Example() {
	ctx := context.Background()
	links, err := passwordlink.New(memory.NewTokens(), "https://app.example.com/set-password") // or a *sqlstore.State
	if err != nil {
		fmt.Println(err)
		return
	}
	link, err := links.Issue(ctx, "u1") // goes into a mail
	if err != nil {
		fmt.Println(err)
		return
	}
	u, _ := url.Parse(link)
	token := u.Query().Get("token") // as the page gets it

	fmt.Println(links.Check(ctx, token)) // to show the form
	save := func(_ context.Context, userID string) error { return errors.New("the database is down") }
	fmt.Println(links.Redeem(ctx, token, save))
	save = func(_ context.Context, userID string) error { return nil }
	fmt.Println(links.Redeem(ctx, token, save))
	fmt.Println(links.Redeem(ctx, token, save))
	// Output:
	// u1 <nil>
	// the database is down
	// <nil>
	// passwordlink: the link is not known, or was used
}
