// Package phone brings phone numbers in any usual form into one: that of ITU-T E.164, "+4915123456789".
//
//	toE164, err := phone.E164("DE")
//	...
//	field := usersync.Field{Name: "phone", Kind: usersync.KindPhone, Unique: usersync.MustBeUnique, Canonical: toE164}
//
// With it, two users with one number in two forms are found to have the same, and a file that has the number
// as people write it agrees with a store that has it as machines do. The numbering plans are those of
// libphonenumber, as the version of github.com/nyaruka/phonenumbers has them: a range that a country has opened
// since is refused until the module is updated.
package phone

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"

	"github.com/usersync-go/usersync"
)

// The codes of the reasons for which a number is refused. Each has the parameters value and message.
const (
	CodeInvalid   usersync.Code = "phone_invalid"    // no number of the plan of any country that is meant
	CodeNoCountry usersync.Code = "phone_no_country" // no region is known, and the number does not begin with +
	CodeExtension usersync.Code = "phone_extension"  // E.164 has no extensions
)

// maxDigits is how many digits a number has at most, the country's code included (ITU-T E.164, section 6).
const maxDigits = 15

// E164 returns a function for a field's Canonical, which may be called concurrently. It takes a number in any
// usual form, of any country when it begins with + or as one dials abroad from region, and otherwise of region,
// and gives it in the form of E.164. What it gives it gives back unchanged. Separators may be spaces, dashes,
// dots, slashes and brackets; anything else, such as a second number, a name or letters on the keys, is refused
// rather than left out. The error is a *usersync.FieldError.
//
// region is a country of ISO 3166-1 alpha-2, in any case. "" is none: then every number begins with +. The error is
// that there are no numbers of region.
func E164(region string) (func(text string) (string, error), error) {
	p := plan{region: strings.ToUpper(region), example: "+44 20 7946 0958"}
	switch {
	case region == "":
		p.region = phonenumbers.UNKNOWN_REGION
	case !known(p.region):
		return nil, fmt.Errorf("phone: %w: %q is not a country of ISO 3166-1 alpha-2, such as DE", usersync.ErrInvalid, region)
	default:
		p.example = phonenumbers.Format(phonenumbers.GetExampleNumber(p.region), phonenumbers.INTERNATIONAL)
	}
	return p.e164, nil
}

// known tells a country from the codes that numbers of no country have, such as 001.
func known(region string) bool {
	return len(region) == 2 && phonenumbers.GetSupportedRegions()[region]
}

// plan is how numbers are dialled from one region.
type plan struct {
	region  string
	example string
}

func (p plan) e164(text string) (string, error) {
	number, err := phonenumbers.Parse(text, p.region)
	switch {
	case err == nil && number.GetExtension() != "":
		return "", refuse(CodeExtension, text, text+" has an extension: leave it out, or put it into another column")
	case p.region == phonenumbers.UNKNOWN_REGION && !startsAbroad(text):
		return "", refuse(CodeNoCountry, text, text+" does not say of which country it is: begin it with + and the country's "+
			"code, such as "+p.example)
	case err != nil || strings.ContainsFunc(text, isForeign) || !phonenumbers.IsValidNumber(number):
		return "", refuse(CodeInvalid, text, text+" is not a phone number that there can be: check the digits, and write "+
			"it as "+p.example)
	}
	form := phonenumbers.Format(number, phonenumbers.E164)
	if len(form) > len("+")+maxDigits { // German plans, as the library has them, let longer ones through
		return "", refuse(CodeInvalid, text, fmt.Sprintf("%s has more than %d digits, which no phone number has: check the digits", text, maxDigits))
	}
	return form, nil
}

func startsAbroad(text string) bool {
	return strings.HasPrefix(text, "+") || strings.HasPrefix(text, "＋")
}

// isForeign tells what is no part of a number as people write it. The library would look for a number in any
// text, and takes letters for the keys that they are on.
func isForeign(r rune) bool {
	return !unicode.IsDigit(r) && !unicode.IsSpace(r) && !unicode.Is(unicode.Pd, r) && !strings.ContainsRune("+＋./()", r)
}

func refuse(code usersync.Code, text, message string) error {
	return &usersync.FieldError{Code: code, Params: map[string]string{"value": text, "message": message}}
}
