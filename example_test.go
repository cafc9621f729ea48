package usersync_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
)

// sales is a small schema, so that the examples stay short.
func sales() usersync.Schema {
	return usersync.Schema{
		Key: "login",
		Fields: []usersync.Field{
			{Name: "login", Title: "Login", Aliases: []string{"user name"}, Sample: "jane", MaxLength: 50},
			{Name: "mail", Title: "E-mail", Kind: usersync.KindEmail},
			{Name: "region", Title: "Region", Kind: usersync.KindEnum, Options: []usersync.EnumValue{
				{Value: "n", Words: []string{"North"}}, {Value: "s", Words: []string{"South"}}}},
		},
	}
}

func salesUser(login, mail, region string) usersync.User {
	return usersync.User{Active: true, Values: usersync.NewValues(
		[]string{"login", "mail", "region"}, []string{login, mail, region})}
}

// salesEngine has three users in memory: anna, bert and carl.
func salesEngine() *usersync.Engine {
	store := memory.New(memory.WithKey("login"), memory.WithUsers(
		salesUser("anna", "anna@example.com", "n"),
		salesUser("bert", "bert@example.com", "s"),
		salesUser("carl", "", "s"),
	))
	eng, err := usersync.New(store, store.Baselines(), usersync.WithSchema(sales()))
	if err != nil {
		panic(err)
	}
	return eng
}

func salesFile(lines ...string) usersync.Source {
	return usersync.CSV(strings.NewReader(strings.Join(lines, "\n")))
}

func ExampleEngine_Preview() {
	eng := salesEngine()
	upload := salesFile(
		"Login;E-mail;Region",
		"ANNA;anna@example.com;north",
		"bert;bert@example.org;South",
		"dora;dora@example.com;West",
		"emil;;North",
	)
	plan, err := eng.Preview(context.Background(), usersync.DefaultConfig("Sales"), upload)
	if err != nil {
		fmt.Println(err)
		return
	}
	for row := range plan.Rows() {
		fmt.Println(row.Number, row.Name, row.Class)
		for _, c := range row.Changes {
			fmt.Printf("  %s: %q becomes %q (%s)\n", c.Field, c.Old, c.New, c.By)
		}
		for _, r := range row.Reasons {
			fmt.Println(" ", r.Level, r.Text())
		}
	}
	// Output:
	// 2 anna skipped
	//   note nothing to change
	// 3 bert updated
	//   mail: "bert@example.com" becomes "bert@example.org" (useSource)
	// 4 dora error
	//   error Region: West is not one of North, South
	// 5 emil new
	//   login: "" becomes "emil" (newUser)
	//   region: "" becomes "n" (newUser)
}

// A file that cannot be trusted is refused as a whole, with the place.
func ExampleEngine_Preview_refused() {
	upload := salesFile("Login,Region", `anna,"North`).WithName("staff.csv")
	_, err := salesEngine().Preview(context.Background(), usersync.DefaultConfig("Sales"), upload)

	var refused *usersync.FileError
	if errors.As(err, &refused) {
		fmt.Println(refused.Code, "line", refused.Line, "byte", refused.Byte)
	}
	fmt.Println(errors.Is(err, usersync.ErrRefused))
	// Output:
	// csv_unclosed_quote line 2 byte 6
	// true
}

func ExampleEngine_Apply() {
	ctx, eng := context.Background(), salesEngine()
	cfg := usersync.DefaultConfig("Sales")
	cfg.RemovedUsers = usersync.Deactivate
	cfg.Guard = usersync.Guard{Percent: 10} // and not one user more

	everybody, err := eng.Preview(ctx, cfg, salesFile("Login", "anna", "bert", "carl"))
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := eng.Apply(ctx, everybody); err != nil { // nothing changes, but the baseline is kept
		fmt.Println(err)
		return
	}
	fewer, err := eng.Preview(ctx, cfg, salesFile("Login", "anna"))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = eng.Apply(ctx, fewer)
	var held *usersync.GuardError
	if errors.As(err, &held) {
		fmt.Println(held.Deactivations, "of", held.Baseline, "would go")
	}
	run, err := eng.Apply(ctx, fewer, usersync.ConfirmDeactivations(2))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(run.Status(), run.Counts().Deactivated)
	// Output:
	// 2 of 3 would go
	// succeeded 2
}

func ExamplePlan_Resolve() {
	ctx, eng := context.Background(), salesEngine()
	cfg := usersync.DefaultConfig("Sales")
	cfg.DefaultRule = usersync.AskAtRuntime
	plan, err := eng.Preview(ctx, cfg, salesFile("Login,E-mail,Region",
		"anna,anna@example.com,South", "bert,bert@example.org,North"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for c := range plan.Conflicts() {
		fmt.Printf("row %d, %s: %q or %q?\n", c.Row, c.Field, c.Current, c.Incoming)
	}
	err = plan.Resolve(
		usersync.Decision{Choice: usersync.TakeFile},                                  // all of them
		usersync.Decision{Row: 3, Field: "mail", Choice: usersync.KeepCurrent},        // but this one
		usersync.Decision{Field: "region", Choice: usersync.TakeFile, Remember: true}, // and from now on
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	run, err := eng.Apply(ctx, plan)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(run.Counts().Updated, "updated; save revision", run.NextConfig.Revision, "with region:", run.NextConfig.Rule("region").Strategy)
	// Output:
	// row 2, region: "n" or "s"?
	// row 3, mail: "bert@example.com" or "bert@example.org"?
	// row 3, region: "s" or "n"?
	// 2 updated; save revision 2 with region: useSource
}

func ExamplePlan_Blocks() {
	ctx, eng := context.Background(), salesEngine()
	cfg := usersync.DefaultConfig("Sales")
	cfg.Rules = map[string]usersync.Rule{"region": {Strategy: usersync.AskAtRuntime}}
	plan, err := eng.Preview(ctx, cfg, salesFile("Login,Region", "anna,South"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, block := range plan.Blocks() {
		fmt.Println(block)
	}
	// Output:
	// usersync: the plan has unresolved conflicts: 1 to decide
}

func ExampleParseConfig() {
	cfg, err := usersync.ParseConfig([]byte(`{
		"name": "Sales",
		"removedUsers": "deactivate",
		"rules": {"region": {"strategy": "keepDestination"}},
		"columns": {"Gebiet": "region"}
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(cfg.NewUsers, cfg.RemovedUsers, cfg.Rule("mail").Strategy, cfg.Rule("region").Strategy)

	_, err = usersync.ParseConfig([]byte(`{"name": "Sales", "removedUser": "deactivate"}`))
	fmt.Println(err)
	// Output:
	// create deactivate useSource keepDestination
	// usersync: configuration: json: unknown field "removedUser"
}

func ExampleConfig_Validate() {
	cfg := usersync.DefaultConfig("Sales")
	cfg.RemovedUsers = "delete"
	cfg.Rules = map[string]usersync.Rule{
		"phone":  {Strategy: usersync.KeepDestination},
		"region": {Strategy: usersync.ForceValue, Value: "West"},
	}
	fmt.Println(cfg.Validate(sales()))
	// Output:
	// usersync: configuration is not valid:
	//   removedUsers: "delete" is not known: use one of "deactivate", "noAction", "ignore"
	//   rules.phone: there is no field "phone"
	//   rules.region.value: region: West is not one of North, South
}

func ExampleSchema() {
	schema := usersync.DefaultSchema()
	schema.Fields = append(schema.Fields, usersync.Field{
		Name: "badge", Title: "Badge number", Unique: usersync.MustBeUnique,
		Pattern: "[A-Z][0-9]{4}", PatternHelp: "a letter and four digits, such as A0042",
	})
	fmt.Println(schema.Validate())

	schema.Fields = append(schema.Fields, usersync.Field{Name: "badge", Kind: "number"})
	fmt.Println(schema.Validate())
	// Output:
	// <nil>
	// usersync: schema is not valid:
	//   fields.badge.kind: "number" is not a kind of field
	//   fields.badge: is there twice
}

func ExampleValues() {
	var v usersync.Values
	v.Set("login", "anna")
	v.SetList("groups", []string{"Night shift", "First aid"})

	fmt.Println(v.Get("login"), v.List("groups"), v.Len())
	for field, value := range v.With(usersync.ValuesOf(map[string]string{"login": "anna2"})).All() {
		fmt.Println(field, "is", value)
	}
	data, err := v.MarshalJSON()
	fmt.Println(string(data), err)
	// Output:
	// anna [Night shift First aid] 2
	// login is anna2
	// groups is Night shift, First aid
	// {"login":"anna","groups":["Night shift","First aid"]} <nil>
}

func ExampleCSV() {
	// A file in an encoding that cannot be told from its bytes: name it.
	upload := usersync.CSV(strings.NewReader("Login;Region\nm\xfcller;North\n")).WithEncoding("windows-1252")
	plan, err := salesEngine().Preview(context.Background(), usersync.DefaultConfig("Sales"), upload)
	if err != nil {
		fmt.Println(err)
		return
	}
	for row := range plan.Rows() {
		fmt.Println(row.Number, row.Name, row.Class)
	}
	// Output: 2 müller new
}

func ExampleOpen() {
	// An upload has random access, a size, and the name that the browser gave it. What it is, is told by
	// its content.
	data := []byte("Login,Region,Shoe size\nanna,North,38\n")
	upload := usersync.Open(bytes.NewReader(data), int64(len(data)), `C:\Users\eve\staff.csv`)
	plan, err := salesEngine().Preview(context.Background(), usersync.DefaultConfig("Sales"), upload)
	if err != nil {
		fmt.Println(err)
		return
	}
	info := plan.Source
	fmt.Println(info.Name, info.Format, info.Bytes, "bytes", info.Rows, "row, SHA-256", info.SHA256[:8])
	for _, c := range info.Unknown() {
		fmt.Printf("column %s (%s) is ignored\n", c.Letter, c.Header)
	}
	// Output:
	// staff.csv csv 37 bytes 1 row, SHA-256 5f3b7409
	// column C (Shoe size) is ignored
}

func ExampleFold() {
	for _, key := range []string{"Peter ", "PETER", "Ｐｅｔｅｒ", "Straße"} {
		fmt.Println(usersync.Fold(key))
	}
	// Output:
	// peter
	// peter
	// peter
	// strasse
}

func ExampleReason_Text() {
	r := usersync.Reason{
		Code: usersync.CodeDuplicateKey, Level: usersync.LevelError, Field: "login", Column: "Login", Cell: "A7",
		Params: map[string]string{"value": "anna", "rows": "2"},
	}
	fmt.Println(r.Text())

	german := map[usersync.Code]string{usersync.CodeDuplicateKey: "%s steht auch in Zeile %s"}
	fmt.Printf(german[r.Code]+"\n", r.Params["value"], r.Params["rows"])
	// Output:
	// Login (A7): anna is also in row 2: keep one of them
	// anna steht auch in Zeile 2
}

func ExampleRun() {
	ctx, eng := context.Background(), salesEngine()
	plan, err := eng.Preview(ctx, usersync.DefaultConfig("Sales"), salesFile("Login,E-mail,Region",
		"bert,bert@example.org,South", "dora,dora@,South", "emil,emil@example.com,North"))
	if err != nil {
		fmt.Println(err)
		return
	}
	run, err := eng.Apply(ctx, plan, usersync.By(usersync.Actor{UserID: "u1", Name: "Anna"}))
	if err != nil {
		fmt.Println(err)
		return
	}
	for row := range run.Rows() {
		fmt.Println(row.Number, row.Name, row.Class, row.State)
	}
	done, total := run.Progress()
	fmt.Println(run.Status(), "by", run.Actor.Name, done, "of", total)

	again, err := eng.Apply(ctx, plan) // a plan is applied once
	fmt.Println(again == run, err)
	// Output:
	// 2 bert updated done
	// 3 dora error nothing
	// 4 emil new done
	// succeeded by Anna 2 of 2
	// true <nil>
}

// A Previewer has only reading interfaces: writing from it does not compile.
func ExampleNewPreviewer() {
	var users usersync.UserReader = memory.New()
	p, err := usersync.NewPreviewer(users, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	plan, err := p.Preview(context.Background(), usersync.DefaultConfig("Staff"),
		salesFile("userName,email,firstName", "ada,ada@example.com,Ada"))
	fmt.Println(plan == nil, err)
	// Output:
	// true usersync: row 1: the column lastName is missing: name the columns in the first row as the template does
}

// ExampleAddFields adds a column of the file as a field of all users.
func ExampleAddFields() {
	ctx := context.Background()
	store := memory.New(memory.WithKey("login"), memory.WithUsers(salesUser("anna", "anna@example.com", "n")))
	eng, err := usersync.New(store, store.Baselines(), usersync.WithSchema(sales()), usersync.WithFieldStore(memory.NewFields()))
	if err != nil {
		fmt.Println(err)
		return
	}
	upload := func() usersync.Source {
		return salesFile("Login;Shoe size;Newsletter", "anna;38;yes", "bert;42;no")
	}
	cfg := usersync.DefaultConfig("Sales")
	plan, err := eng.Preview(ctx, cfg, upload())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, offer := range plan.NewFields() {
		fmt.Printf("%s: %s %q %q\n", offer.Column.Header, offer.Field.Name, offer.Field.Kind, offer.Samples)
	}
	size := plan.NewFields()[0].Field // what a person has chosen
	size.MaxLength = 3
	plan, err = eng.Preview(ctx, cfg, upload(), usersync.AddFields(size))
	if err != nil {
		fmt.Println(err)
		return
	}
	for row := range plan.Rows() {
		fmt.Println(row.Number, row.Name, row.Class, row.Changes[len(row.Changes)-1].Field)
	}
	if _, err := eng.Apply(ctx, plan); err != nil {
		fmt.Println(err)
		return
	}
	schema, err := eng.CurrentSchema(ctx)
	fmt.Println(len(eng.Schema().Fields), len(schema.Fields), err)
	// Output:
	// Shoe size: shoeSize "" ["38" "42"]
	// Newsletter: newsletter "boolean" ["yes" "no"]
	// 2 anna updated shoeSize
	// 3 bert new shoeSize
	// 3 4 <nil>
}
