package phone_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
	"github.com/usersync-go/usersync/adapters/memory"
	"github.com/usersync-go/usersync/phone"
)

func canonical(t testing.TB, region string) func(string) (string, error) {
	t.Helper()
	f, err := phone.E164(region)
	require.NoError(t, err)
	return f
}

// C2: numbers as people write them, from where they are dialled.
func TestE164(t *testing.T) {
	for _, tt := range []struct{ region, text, want string }{
		{"RU", "+7 912 345-67-89", "+79123456789"},
		{"RU", "7 912 345 67 89", "+79123456789"},
		{"RU", "8 (912) 345-67-89", "+79123456789"},
		{"RU", "89123456789", "+79123456789"},
		{"RU", "79123456789", "+79123456789"},
		{"RU", "9123456789", "+79123456789"},
		{"RU", "8 495 123-45-67", "+74951234567"},
		{"RU", "+375 29 123-45-67", "+375291234567"},
		{"RU", "8~10 375 29 123 45 67", ""},
		{"RU", "810 375 29 123 45 67", "+375291234567"},
		{"RU", "+7 701 234 5678", "+77012345678"},
		{"KZ", "8 701 234 56 78", "+77012345678"},
		{"DE", "0151 23456789", "+4915123456789"},
		{"DE", "+49 (0)151 23456789", "+4915123456789"},
		{"DE", "0049 151 23456789", "+4915123456789"},
		{"DE", "030/123 456", "+4930123456"},
		{"DE", "+49\u00a030\u2011123\u2013456", "+4930123456"},
		{"de", "030 123456", "+4930123456"},
		{"DE", "０３０ １２３４５６", "+4930123456"},
		{"DE", "+1 (212) 555-2368", "+12125552368"},
		{"US", "212.555.2368", "+12125552368"},
		{"US", "1-212-555-2368", "+12125552368"},
		{"US", "011 49 151 23456789", "+4915123456789"},
		{"CA", "(416) 555-2368", "+14165552368"},
		{"IT", "06 698 12345", "+390669812345"},
		{"IT", "+39 06 698 12345", "+390669812345"},
		{"FR", "06 12 34 56 78", "+33612345678"},
		{"GB", "020 7946 0958", "+442079460958"},
		{"CH", "044 668 18 00", "+41446681800"},
		{"AT", "01 58858-0", "+431588580"},
		{"ES", "612 34 56 78", "+34612345678"},
		{"PL", "512 345 678", "+48512345678"},
		{"CZ", "601 123 456", "+420601123456"},
		{"UA", "050 123 45 67", "+380501234567"},
		{"TR", "0501 234 56 78", "+905012345678"},
		{"IN", "081234 56789", "+918123456789"},
		{"CN", "131 2345 6789", "+8613123456789"},
		{"JP", "090-1234-5678", "+819012345678"},
		{"BR", "(11) 96123-4567", "+5511961234567"},
		{"MX", "55 1234 5678", "+525512345678"},
		{"AU", "0412 345 678", "+61412345678"},
		{"NZ", "021 123 4567", "+64211234567"},
		{"IL", "050-234-5678", "+972502345678"},
		{"EG", "٠١٠٠ ١٢٣ ٤٥٦٧", "+201001234567"},
		{"", "+49 151 23456789", "+4915123456789"},
		{"", "+800 1234 5678", "+80012345678"},
	} {
		got, err := canonical(t, tt.region)(tt.text)
		if tt.want == "" {
			require.Error(t, err, "%s from %q", tt.text, tt.region)
			continue
		}
		require.NoError(t, err, "%s from %q", tt.text, tt.region)
		require.Equal(t, tt.want, got, "%s from %q", tt.text, tt.region)
	}
}

// C2: what is refused has a code, and says what to do.
func TestE164Refuses(t *testing.T) {
	for _, tt := range []struct {
		region, text string
		code         usersync.Code
		says         string
	}{
		{"DE", "12", phone.CodeInvalid, "write it as +49 "},
		{"DE", "0151", phone.CodeInvalid, "check the digits"},
		{"DE", "+999 123456", phone.CodeInvalid, "check the digits"},
		{"DE", "+49 151 2345678999999", phone.CodeInvalid, "check the digits"},
		{"DE", "0713053476699774", phone.CodeInvalid, "more than 15 digits"},
		{"US", "1-800-FLOWERS", phone.CodeInvalid, "check the digits"},
		{"DE", "Anna 030 123456", phone.CodeInvalid, "check the digits"},
		{"DE", "030 123456, 030 654321", phone.CodeInvalid, "check the digits"},
		{"DE", "030 123456; 030 654321", phone.CodeInvalid, "check the digits"},
		{"DE", "none", phone.CodeInvalid, "check the digits"},
		{"DE", strings.Repeat("1", 300), phone.CodeInvalid, "check the digits"},
		{"US", "+1 212 555 2368 ext. 12", phone.CodeExtension, "leave it out"},
		{"US", "212 555 2368 x12", phone.CodeExtension, "leave it out"},
		{"DE", "tel:+49-30-123456;ext=12", phone.CodeExtension, "leave it out"},
		{"", "030 123456", phone.CodeNoCountry, "begin it with +"},
		{"", "0049 30 123456", phone.CodeNoCountry, "begin it with +"},
		{"", "nobody", phone.CodeNoCountry, "begin it with +"},
	} {
		got, err := canonical(t, tt.region)(tt.text)
		var refused *usersync.FieldError
		require.ErrorAs(t, err, &refused, "%s from %q gives %s", tt.text, tt.region, got)
		require.Equal(t, tt.code, refused.Code, tt.text)
		require.Contains(t, err.Error(), tt.says)
		require.Contains(t, err.Error(), tt.text, "the message, and not the code")
	}
}

func TestE164Regions(t *testing.T) {
	for _, region := range []string{"XX", "DEU", "49", "001", "ZZ", "Germany", " "} {
		_, err := phone.E164(region)
		require.ErrorIs(t, err, usersync.ErrInvalid, region)
	}
}

// The example number of every country is read in all the forms in which it is written.
func TestE164EveryCountry(t *testing.T) {
	n := 0
	for region := range phonenumbers.GetSupportedRegions() {
		f := canonical(t, region)
		number := phonenumbers.GetExampleNumber(region)
		want := phonenumbers.Format(number, phonenumbers.E164)
		for _, form := range []phonenumbers.PhoneNumberFormat{phonenumbers.E164, phonenumbers.INTERNATIONAL, phonenumbers.NATIONAL} {
			text := phonenumbers.Format(number, form)
			got, err := f(text)
			require.NoError(t, err, "%s: %s", region, text)
			require.Equal(t, want, got, "%s: %s", region, text)
		}
		n++
	}
	require.Greater(t, n, 200)
}

// Any text at all is refused or gives a number whose form is itself.
func FuzzE164(f *testing.F) {
	for _, seed := range []string{"0151 23456789", "+7 912 345-67-89", "8 (912) 345-67-89", "+1 212 555 2368 x12", "+39 06 698 12345",
		"tel:+49;ext=1", "０３０", "+\xff", "((((", "+800 1234 5678", "٠١٠٠", "1-800-FLOWERS"} {
		f.Add(seed, "DE")
		f.Add(seed, "RU")
	}
	f.Fuzz(func(t *testing.T, text, region string) {
		form, err := phone.E164(region)
		if err != nil {
			return
		}
		got, err := form(text)
		if err != nil {
			var refused *usersync.FieldError
			require.ErrorAs(t, err, &refused)
			return
		}
		require.Regexp(t, `^\+[1-9][0-9]{1,14}$`, got, "E.164")
		again, err := form(got)
		require.NoError(t, err, "%q gives %s, which is refused", text, got)
		require.Equal(t, got, again)
		anywhere, err := canonical(t, "")(got)
		require.NoError(t, err)
		require.Equal(t, got, anywhere)
	})
}

func schema(t testing.TB, region string) usersync.Schema {
	t.Helper()
	return usersync.Schema{Key: "login", Phone: "phone", Fields: []usersync.Field{
		{Name: "login", Required: usersync.Always},
		{Name: "phone", Kind: usersync.KindPhone, Unique: usersync.MustBeUnique, Canonical: canonical(t, region)},
		{Name: "manager's phone", Kind: usersync.KindPhone, Canonical: canonical(t, region)},
	}}
}

func preview(t testing.TB, store *memory.Store, file string) *usersync.Plan {
	t.Helper()
	eng, err := usersync.New(store, store.Baselines(), usersync.WithSchema(schema(t, "DE")))
	require.NoError(t, err)
	plan, err := eng.Preview(context.Background(), usersync.DefaultConfig("Staff"), usersync.CSV(strings.NewReader(file)))
	require.NoError(t, err)
	return plan
}

func codes(p *usersync.Plan) []usersync.Code {
	var out []usersync.Code
	for row := range p.Rows() {
		for _, r := range row.Reasons {
			out = append(out, r.Code)
		}
	}
	return out
}

// C6: one number in two forms, in the file and in the system.
func TestOneNumberInTwoForms(t *testing.T) {
	twice := preview(t, memory.New(memory.WithKey("login")), "login,phone\nanna,0151 23456789\nbert,+49 (151) 234-56789\n")
	require.Equal(t, []usersync.Code{usersync.CodeNotUnique, usersync.CodeNotUnique}, codes(twice))

	store := memory.New(memory.WithKey("login"))
	store.Put(usersync.User{ID: "u1", Active: true, Values: usersync.ValuesOf(map[string]string{"login": "anna", "phone": "+4915123456789"})})
	taken := preview(t, store, "login,phone\nbert,0151/23456789\n")
	require.Equal(t, []usersync.Code{usersync.CodeNotUnique}, codes(taken))
}

// C3: a number in another form is no change, whichever side has it in which.
func TestSameNumberIsNoChange(t *testing.T) {
	store := memory.New(memory.WithKey("login"))
	store.Put(usersync.User{ID: "u1", Active: true, Values: usersync.ValuesOf(map[string]string{"login": "anna",
		"phone": "+4915123456789", "manager's phone": "030 123456"})})
	same := preview(t, store, "login,phone,manager's phone\nanna,0151 234 567 89,+49 30 123456\n")
	require.Equal(t, 1, same.Counts().Unchanged)

	other := preview(t, store, "login,phone,manager's phone\nanna,0151 234 567 80,030 12345\n")
	rows := slices.Collect(other.RowsOf(usersync.ClassUpdated))
	require.Len(t, rows, 1)
	require.Equal(t, "+4915123456780", rows[0].Changes[0].New)
}

// A number that cannot be is an error of the row, with a text for the administrator.
func TestRefusedNumberIsTold(t *testing.T) {
	plan := preview(t, memory.New(memory.WithKey("login")), "login,phone\nanna,0151 x\n")
	rows := slices.Collect(plan.RowsOf(usersync.ClassError))
	require.Len(t, rows, 1)
	require.Equal(t, phone.CodeInvalid, rows[0].Reasons[0].Code)
	require.Regexp(t, `^phone: 0151 x is not a phone number that there can be: check the digits, and write it as \+49 `, rows[0].Reasons[0].Text())
}
