package usersync

import (
	"strings"
)

// Code is a stable name of a reason. Codes are only ever added.
type Code string

// Level says how much a reason weighs.
type Level string

// The levels of a Reason. A row with a reason of LevelError is an Error; the other two never keep a
// row from being carried out.
const (
	LevelError   Level = "error"
	LevelWarning Level = "warning"
	LevelNote    Level = "note"
)

// Reason says why: why a row is an Error, why it is Skipped, what to look at. It is recorded once,
// where it is decided; everything that shows it makes its own text of Code and Params.
type Reason struct {
	Code  Code  `json:"code"`
	Level Level `json:"level"`
	// Field is the field that is meant, Column the header of its column in the file and Cell the
	// cell's reference ("C7"; "" in a CSV file). All three are empty where the whole row is meant.
	Field  string `json:"field,omitempty"`
	Column string `json:"column,omitempty"`
	Cell   string `json:"cell,omitempty"`
	// Params are the values that the text speaks of, by name; which there are depends on Code. The
	// value of a secret field is never among them.
	Params map[string]string `json:"params,omitempty"`
}

// The codes of reasons, with the parameters of each. The comment of each group names the rules of
// docs/behaviour.md that it serves.
const (
	// Cells (R4, R7).
	CodeCellError     Code = "cell_error"     // value: a formula error such as #N/A
	CodeNoResult      Code = "no_result"      // a formula without a stored result
	CodeDigitsLost    Code = "digits_lost"    // a number past 15 digits
	CodeBadCharacter  Code = "bad_character"  // character: a code point that an identifier cannot have
	CodeStripped      Code = "stripped"       // character: an invisible character that was left out
	CodeExtraCells    Code = "extra_cells"    // count: cells beyond the header's last column
	CodeListCharacter Code = "list_character" // a control character in a list

	// Values (C1, C2, C7).
	CodeRequired    Code = "required"     //
	CodeBadEmail    Code = "bad_email"    // value
	CodeBadBool     Code = "bad_boolean"  // value, expected
	CodeBadLocale   Code = "bad_locale"   // value
	CodeBadTimeZone Code = "bad_timezone" // value
	CodeBadPhone    Code = "bad_phone"    // value
	CodeBadOption   Code = "bad_option"   // value, expected
	CodeBadDate     Code = "bad_date"     // value
	CodeBadPattern  Code = "bad_pattern"  // value, expected
	CodeTooShort    Code = "too_short"    // length, limit
	CodeTooLong     Code = "too_long"     // length, limit
	CodeBadValue    Code = "bad_value"    // value, message: a check of the product's own
	CodeCannotClear Code = "cannot_clear" // the marker that clears, on a field that must have a value
	CodeSampleRow   Code = "sample_row"   //
	// Characters, and fields that are ignored for some users (C1, C2).
	CodeBadCharacters   Code = "bad_characters"   // characters: those that are not allowed; allowed: in words
	CodeNeedsCharacters Code = "needs_characters" // needed: in words
	CodeIgnored         Code = "ignored"          // users: new or existing

	// Rows and users (C4, C5, C6).
	CodeDuplicateKey  Code = "duplicate_key"  // value, rows
	CodeDuplicateUser Code = "duplicate_user" // user, rows
	CodeAmbiguousUser Code = "ambiguous_user" // value, users
	CodeMatchDiffers  Code = "match_differs"  // users, fields
	CodeNotUnique     Code = "not_unique"     // value, holder: a user, or a row of the file
	CodeCannotOrder   Code = "cannot_order"   // value, holder

	// Managers (C8).
	CodeRefUnknown    Code = "reference_unknown"       // value
	CodeRefSelf       Code = "reference_self"          // value
	CodeRefErrorRow   Code = "reference_error_row"     // value, row
	CodeRefNotCreated Code = "reference_not_created"   // value, row: the row is skipped by a rule
	CodeRefLoop       Code = "reference_loop"          // path
	CodeRefAmbiguous  Code = "reference_ambiguous"     // value, users
	CodeRefInactive   Code = "reference_inactive"      // value
	CodeRefRowFailed  Code = "reference_despite_error" // value, row: the user exists, its row is an Error

	// Names of things (C10).
	CodeNameMissing   Code = "name_missing"    // set, value
	CodeNameOffered   Code = "name_offered"    // set, value: it may be created
	CodeNameCreated   Code = "name_created"    // set, value: it is created, as was decided
	CodeNoneAndOthers Code = "none_and_others" // value: the word for no values, among values

	// Classes (B1 to B9, A11).
	CodeUnchanged       Code = "unchanged"           //
	CodeKeyOnly         Code = "key_only"            // column: the only one in which the row has a value
	CodeLastDay         Code = "last_day"            // value: the user's last day, which is over
	CodeKept            Code = "kept"                //
	CodeNewSkipped      Code = "new_skipped"         //
	CodeExistingSkipped Code = "existing_skipped"    //
	CodeInactiveSkipped Code = "inactive_skipped"    //
	CodeStaysInactive   Code = "stays_inactive"      //
	CodeActivates       Code = "activates"           //
	CodeDeactivates     Code = "deactivates"         //
	CodeCreatedInactive Code = "created_inactive"    //
	CodeRemoved         Code = "removed"             //
	CodeRemovedNoAction Code = "removed_no_action"   //
	CodeRemovedInactive Code = "removed_inactive"    //
	CodeRemovedGone     Code = "removed_gone"        //
	CodeRemovalsHeld    Code = "removals_held"       // rows: rows without a readable key
	CodeCorrectionFile  Code = "correction_file"     //
	CodeShared          Code = "in_other_file"       // config
	CodeProtected       Code = "protected"           //
	CodeLooksRenamed    Code = "looks_like_a_rename" // user
	CodeNotAllowed      Code = "not_allowed"         // message

	// Undo (A9).
	CodeChangedSince  Code = "changed_since"  // fields
	CodeSecretStays   Code = "secret_stays"   // fields
	CodeReferenceGone Code = "reference_gone" // fields
	CodeNameGone      Code = "name_gone"      // fields
	CodeNamesStay     Code = "names_stay"     // names: things that the run has created
	CodeFieldsStay    Code = "fields_stay"    // fields: that the run has added

	// New fields.
	CodeHeaderTwice   Code = "header_twice"    //
	CodeHeaderTooLong Code = "header_too_long" // limit
	CodeHeaderNoName  Code = "header_no_name"  //

	// What became of a row (A3, A5, A6, A8).
	CodeStale        Code = "stale"         // moved
	CodeTaken        Code = "taken"         // message
	CodeGone         Code = "gone"          //
	CodeStoreError   Code = "store_error"   // message
	CodeUnknown      Code = "unknown"       // the store did not say whether the change was made
	CodeNotTried     Code = "not_tried"     // the run ended before
	CodeMailFailed   Code = "mail_failed"   // message
	CodeTextFailed   Code = "text_failed"   // message
	CodeMailUnknown  Code = "mail_unknown"  // message; it may have been sent
	CodeLinkFailed   Code = "link_failed"   // value, message
	CodeManagerWrite Code = "manager_write" // value: the manager's own row failed
)

// reasonTexts are the English texts, with parameters in braces.
var reasonTexts = map[Code]string{
	CodeCellError:     "the cell shows {value} instead of a value: mend the formula, or type the value",
	CodeNoResult:      "the cell has a formula whose result is not stored: open and save the file in a spreadsheet program, or type the value",
	CodeDigitsLost:    "the spreadsheet has already lost digits of the number: format the cell as text and type it again",
	CodeBadCharacter:  "contains the invisible or control character {character}: type the value again",
	CodeStripped:      "the invisible character {character} was left out",
	CodeExtraCells:    "the line has {count} more cells than the header: check for a separator inside a value",
	CodeListCharacter: "contains a control character",

	CodeRequired:    "is required and is blank",
	CodeBadEmail:    "{value} is not an email address such as name@example.com",
	CodeBadBool:     "{value} is not known here: use one of {expected}",
	CodeBadLocale:   "{value} is not a locale code such as en-US",
	CodeBadTimeZone: "{value} is not a time zone name such as Europe/Berlin",
	CodeBadPhone:    "{value} is not a phone number such as +1 555 0100",
	CodeBadOption:   "{value} is not one of {expected}",
	CodeBadDate:     "{value} is not a date of the form year-month-day, such as 2026-12-31: type it in this form",
	CodeBadPattern:  "{value} does not have the form {expected}",
	CodeTooShort:    "has {length} characters and needs at least {limit}",
	CodeTooLong:     "has {length} characters and may have at most {limit}",
	CodeBadValue:    "{message}",
	CodeCannotClear: "cannot be cleared",
	CodeSampleRow:   "this is the template's sample row: delete it",

	CodeBadCharacters:   "has characters that cannot stand here ({characters}): use {allowed}",
	CodeNeedsCharacters: "needs at least {needed}",
	CodeIgnored:         "is not taken for {users} users",

	CodeDuplicateKey:  "{value} is also in row {rows}: keep one of them",
	CodeDuplicateUser: "this is the same user ({user}) as in row {rows}: keep one of them",
	CodeAmbiguousUser: "{value} fits several users ({users}): tell them apart in the system first",
	CodeMatchDiffers:  "{fields} point at different users ({users})",
	CodeNotUnique:     "{value} is already used by {holder}",
	CodeCannotOrder:   "{value} is exchanged with {holder}, which cannot be done in one run: change one of them first",

	CodeRefUnknown:    "there is no user {value}, in the system or in this file: check the spelling",
	CodeRefSelf:       "{value} is the user itself: name somebody else, or leave the cell blank",
	CodeRefErrorRow:   "{value} will not be there because row {row} has an error: mend that row first",
	CodeRefNotCreated: "{value} will not be created because new users are skipped (row {row})",
	CodeRefLoop:       "makes a loop: {path}: change one of these rows",
	CodeRefAmbiguous:  "{value} fits several users ({users})",
	CodeRefInactive:   "{value} is inactive, or will be after this run",
	CodeRefRowFailed:  "the row of {value} (row {row}) has an error; the existing user is taken",

	CodeNameMissing:   `there is no {set} "{value}": create it first, or correct the name`,
	CodeNameOffered:   `there is no {set} "{value}": allow it to be created, or correct the name`,
	CodeNameCreated:   `the {set} "{value}" is created, as was decided`,
	CodeNoneAndOthers: `{value} means that there are none, and stands beside others: give one or the other`,

	CodeUnchanged:       "nothing to change",
	CodeKeyOnly:         "the row gives nothing but {column}: fill in at least one more column",
	CodeLastDay:         "{value} was the user's last day",
	CodeKept:            "the current values are kept, as was decided",
	CodeNewSkipped:      "new users are skipped by this configuration",
	CodeExistingSkipped: "existing users are skipped by this configuration",
	CodeInactiveSkipped: "the user is inactive, and inactive users are skipped by this configuration",
	CodeStaysInactive:   "the user stays inactive",
	CodeActivates:       "the user becomes active again",
	CodeDeactivates:     "the user becomes inactive",
	CodeCreatedInactive: "the user is created inactive",
	CodeRemoved:         "the user is no longer in the file",
	CodeRemovedNoAction: "the user is no longer in the file; this configuration takes no action",
	CodeRemovedInactive: "the user is no longer in the file and is already inactive",
	CodeRemovedGone:     "the user is no longer in the file and no longer in the system",
	CodeRemovalsHeld:    "nobody is deactivated in this run because row {rows} has no readable key and may be anyone",
	CodeCorrectionFile:  "this is a correction file, which has only some of the users: nobody is taken to have left the file",
	CodeShared:          "the user is still in the file of another configuration ({config})",
	CodeProtected:       "the user is protected and stays active",
	CodeLooksRenamed:    "looks like a rename of {user}, who is no longer in the file",
	CodeNotAllowed:      "{message}",

	CodeChangedSince:  "{fields}: changed since the run, so it stays as it is",
	CodeSecretStays:   "{fields}: secret, so what it was before the run is not known and it stays as it is",
	CodeReferenceGone: "{fields}: named a user before the run who is gone, so it stays as it is",
	CodeNameGone:      "{fields}: had a name before the run of what there is no more, so it stays as it is",
	CodeNamesStay:     "what the run has created stays: {names}",

	CodeFieldsStay: "the fields that the run has added stay: {fields}",

	CodeHeaderTwice:   "several columns have this header: give each its own",
	CodeHeaderTooLong: "the header has more than {limit} characters: give the column a short one",
	CodeHeaderNoName:  "the header has no letters or digits: give the column another",

	CodeStale:        "the user has changed since the preview ({moved}): preview again",
	CodeTaken:        "the system already has such a user or value: {message}",
	CodeGone:         "the user no longer exists",
	CodeStoreError:   "the system refused the change: {message}",
	CodeUnknown:      "it is not known whether the change was made: preview the file again",
	CodeNotTried:     "the run ended before this row: preview the file again",
	CodeMailFailed:   "the welcome mail was not sent: {message}",
	CodeTextFailed:   "the invitation by phone was not sent: {message}",
	CodeMailUnknown:  "it is not known whether the new user was invited: {message}",
	CodeLinkFailed:   "{value} was not set: {message}",
	CodeManagerWrite: "{value} was not set because that user's own row failed",
}

// Text is the reason in English, beginning with the column or field that is meant. A code that is not
// known, of the product's own or from a newer version, gives its parameter message, or else its name.
func (r Reason) Text() string {
	text, known := reasonTexts[r.Code]
	switch {
	case known:
		text = fillIn(text, r.Params)
	case r.Params["message"] != "":
		text = r.Params["message"]
	default:
		text = string(r.Code)
	}
	switch {
	case r.Cell != "" && r.Column != "":
		return r.Column + " (" + r.Cell + "): " + text
	case r.Column != "":
		return r.Column + ": " + text
	case r.Field != "":
		return r.Field + ": " + text
	}
	return text
}

// fillIn replaces {name} by the parameter of that name, once: a parameter's own braces stay.
func fillIn(text string, params map[string]string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, after, _ := strings.Cut(rest, "}")
		b.WriteString(params[name])
		text = after
	}
}

func errorReason(code Code, params ...string) Reason {
	return Reason{Code: code, Level: LevelError, Params: pairs(params)}
}

func warning(code Code, params ...string) Reason {
	return Reason{Code: code, Level: LevelWarning, Params: pairs(params)}
}

func note(code Code, params ...string) Reason {
	return Reason{Code: code, Level: LevelNote, Params: pairs(params)}
}

// in says which field a reason is about.
func (r Reason) in(field string) Reason {
	r.Field = field
	return r
}

func pairs(kv []string) map[string]string {
	if len(kv) == 0 {
		return nil
	}
	m := make(map[string]string, len(kv)/2)
	for i := 0; i+1 < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	return m
}
