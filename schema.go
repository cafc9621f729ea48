package usersync

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/usersync-go/usersync/internal/workbook"
)

// Kind says what the values of a field are, how they are checked and which canonical form they have.
type Kind string

// The kinds of field, with the canonical form of their values.
const (
	KindText     Kind = ""         // NFC text without white space at the ends; line breaks become spaces
	KindEmail    Kind = "email"    // one addr-spec (RFC 5322 dot-atom, RFC 6531 letters), at most 254 bytes
	KindBool     Kind = "boolean"  // "true" or "false"
	KindLocale   Kind = "locale"   // BCP 47 language tag, "en-US"
	KindTimeZone Kind = "timezone" // IANA name, "Europe/Berlin"
	KindPhone    Kind = "phone"    // as typed, of an identifier its digits; compared by its digits
	KindEnum     Kind = "enum"     // the Value of one of the field's Options
	KindUser     Kind = "user"     // the key field of another user, such as a manager
	KindDate     Kind = "date"     // calendar date of ISO 8601, "2026-12-31"
)

// Required says when a field must have a value.
type Required string

// When a field must have a value. A field that is required always, or for new users, cannot be cleared.
const (
	Optional    Required = ""
	Always      Required = "always" // every row; the column must be in the file
	ForNewUsers Required = "new"    // rows of users who do not exist yet
)

// Unique says what happens when two users would have the same value.
type Unique string

// What a value that several users would have is.
const (
	NotUnique    Unique = ""
	WarnIfShared Unique = "warn"  // a warning beside the row
	MustBeUnique Unique = "error" // an error of the row
)

// Schema is the fields that files and users have. It is plain data plus optional check functions, and
// is not changed after it was given to an engine.
type Schema struct {
	// Sheet is the name of the template's sheet, and of the sheet that is read where a workbook has
	// several. "" means "Users".
	Sheet string `json:"sheet,omitempty"`
	// Fields in the order of the template's columns.
	Fields []Field `json:"fields"`
	// Key is the field by which rows and users are matched. It is required in every row.
	Key string `json:"key"`
	// Status is the KindBool field that says whether the account is active, "" if there is none.
	Status string `json:"status,omitempty"`
	// Email is the KindEmail field that the welcome mail goes to, "" if there is none.
	Email string `json:"email,omitempty"`
	// Locale is the KindLocale field that the welcome mail is written in, "" if there is none.
	Locale string `json:"locale,omitempty"`
	// Phone is the KindPhone field that an invitation by phone goes to, "" if there is none.
	Phone string `json:"phone,omitempty"`
	// LastDay is the KindDate field that has the last day on which the account is active, "" if there is
	// none. A row whose date lies before the day of the preview, in UTC, wants the user inactive, as a status
	// of false does; with both fields either is enough. A later date says nothing. What counts is the date
	// that the user has after the run. An active user stays active where the row gives no date; an inactive
	// one whose last day is over is not activated.
	LastDay string `json:"lastDay,omitempty"`
}

// Field is one named attribute of a user.
type Field struct {
	// Name is how stores, configurations and plans call the field.
	Name string `json:"name"`
	// Title is the header of the field's column in the template, "" for Name. Aliases are further
	// headers under which a file may have it. Headers are compared without regard to case.
	Title   string   `json:"title,omitempty"`
	Aliases []string `json:"aliases,omitempty"`
	// Help explains the field in the template. Sample is its value in the template's sample row.
	Help   string `json:"help,omitempty"`
	Sample string `json:"sample,omitempty"`

	Kind     Kind     `json:"kind,omitempty"`
	Required Required `json:"required,omitempty"`
	Unique   Unique   `json:"unique,omitempty"`

	// MinLength and MaxLength bound the number of characters, 0 for no bound.
	MinLength int `json:"minLength,omitempty"`
	MaxLength int `json:"maxLength,omitempty"`
	// Characters says which characters a value may and must have, nil for any.
	Characters *Characters `json:"characters,omitempty"`
	// Pattern is a regular expression (RE2) that the whole value must match, and PatternHelp says in
	// words what it asks for.
	Pattern     string `json:"pattern,omitempty"`
	PatternHelp string `json:"patternHelp,omitempty"`
	// Options are the values of a KindEnum field.
	Options []EnumValue `json:"options,omitempty"`
	// TrueWords and FalseWords are further words of a KindBool field, beside true, yes, 1 and false,
	// no, 0. The first of each is what the template offers.
	TrueWords  []string `json:"trueWords,omitempty"`
	FalseWords []string `json:"falseWords,omitempty"`
	// List makes the field a list of values of its Kind.
	List *ListFormat `json:"list,omitempty"`
	// Refers makes the values names of things that the product has, such as groups, which are looked up. It is
	// for fields of KindText, lists or not.
	Refers *Refers `json:"refers,omitempty"`
	// Identifier forbids invisible characters, instead of leaving them out, and compares values without
	// regard to case, as for the key. Email addresses, user references, unique and match fields are
	// identifiers anyway.
	Identifier bool `json:"identifier,omitempty"`
	// Secret values go to the store and to nothing else: no plan, report, log or page shows them, and no
	// reason says what is in one. Invisible characters are forbidden as in an Identifier. The secret of an
	// existing user is only written when the field has a rule of its own, since it cannot be compared. White
	// space at its ends goes, as of every cell, and it is kept in Unicode form NFC, as the OpaqueString
	// profile of RFC 8265 (section 4.2) has it.
	Secret bool `json:"secret,omitempty"`
	// Ignored says that a value in the file is checked and then not taken for new, or for existing, users: as
	// if the column was absent, with a note beside the row. A default or a forced value still applies. A
	// value that is ignored for a new user is taken by the next upload of the same file.
	Ignored Ignored `json:"ignored,omitempty"`
	// Match makes the field find users before the key does: the field of the store in which the value
	// is looked up. With the field's own name (an external id) a changed key is a rename. With the name
	// of another field (an "oldUserName" column with Match "userName") the field only finds users and is
	// never written.
	Match string `json:"match,omitempty"`
	// Canonical, if not nil, gives the canonical form of a text in place of the Kind's own check. The text is
	// not empty, without white space at its ends and in Unicode form NFC; of a list it is one item. What the
	// store has is brought into this form before it is compared, and stays as it stands where it is refused;
	// a value by which users are found (key, match and unique fields) must be in this form in the store. The
	// error refuses the value, as that of Check does. The form of a form is itself. It must be a pure function
	// and may be called concurrently.
	Canonical func(text string) (string, error) `json:"-"`
	// Check, if not nil, checks a canonical value that has passed all other checks. It returns a
	// *FieldError to choose the reason's code, or any other error, whose text the administrator sees.
	// It must be a pure function and may be called concurrently.
	Check func(value string) error `json:"-"`
}

// EnumValue is one value of a KindEnum field.
type EnumValue struct {
	Value string   `json:"value"`           // canonical
	Words []string `json:"words,omitempty"` // what a file may say instead, in any case; the first is offered
}

// DefaultSchema has the 24 fields of a typical staff file. userName is the key; userName, email,
// firstName and lastName are required; a shared email address is a warning.
func DefaultSchema() Schema {
	return Schema{
		Sheet: "Users", Key: "userName", Status: "active", Email: "email", Locale: "locale", Phone: "phone",
		Fields: []Field{
			{Name: "userName", Required: Always, MaxLength: 255, Sample: "jane.doe", Help: "Login name. It identifies the user and must be different for every user."},
			{Name: "email", Kind: KindEmail, Required: Always, Unique: WarnIfShared, Sample: "jane.doe@example.com", Help: "Email address of the user."},
			{Name: "firstName", Required: Always, MaxLength: 255, Sample: "Jane", Help: "First name."},
			{Name: "lastName", Required: Always, MaxLength: 255, Sample: "Doe", Help: "Last name."},
			{Name: "middleName", MaxLength: 255, Sample: "A.", Help: "Middle name or initial."},
			{Name: "title", MaxLength: 255, Sample: "Engineer", Help: "Job title."},
			{Name: "department", MaxLength: 255, Sample: "Research", Help: "Department."},
			{Name: "division", MaxLength: 255, Sample: "Products", Help: "Division."},
			{Name: "costCenter", MaxLength: 255, Sample: "00420", Help: "Cost center. Leading zeros are kept."},
			{Name: "phone", Kind: KindPhone, MaxLength: 64, Sample: "+1 555 0100", Help: "Phone number."},
			{Name: "location", MaxLength: 255, Sample: "Head office", Help: "Office."},
			{Name: "address1", MaxLength: 255, Sample: "1 Main Street", Help: "First line of the address."},
			{Name: "address2", MaxLength: 255, Sample: "Floor 2", Help: "Second line of the address."},
			{Name: "city", MaxLength: 255, Sample: "Springfield", Help: "City."},
			{Name: "state", MaxLength: 255, Sample: "Illinois", Help: "State or province."},
			{Name: "zip", MaxLength: 32, Sample: "01234", Help: "Postal code. Leading zeros are kept."},
			{Name: "country", MaxLength: 255, Sample: "United States", Help: "Country."},
			{Name: "locale", Kind: KindLocale, Sample: "en-US", Help: "Language and region, such as en-US. Where it is blank, the configuration's default is taken."},
			{Name: "timezone", Kind: KindTimeZone, Sample: "America/Chicago", Help: "Time zone, such as America/Chicago. Where it is blank, the configuration's default is taken."},
			{Name: "languageName", MaxLength: 255, Sample: "US English", Help: "Display language, such as US English. Where it is blank, the configuration's default is taken."},
			{Name: "manager", Kind: KindUser, MaxLength: 255, Sample: "", Help: "Login name of the user's manager, who is in the system or anywhere in this file."},
			{Name: "active", Kind: KindBool, Sample: "true", Help: "true or false. Blank means active for a new user and no change for an existing one."},
			{Name: "cField1", MaxLength: 1000, Help: "Custom field 1."},
			{Name: "cField2", MaxLength: 1000, Help: "Custom field 2."},
		},
	}
}

// Field returns the field of that name.
func (s Schema) Field(name string) (Field, bool) {
	for _, f := range s.Fields {
		if f.Name == name {
			return f, true
		}
	}
	return Field{}, false
}

// Header is the header of the field's column in the template.
func (f Field) Header() string {
	if f.Title != "" {
		return f.Title
	}
	return f.Name
}

// covers tells that users of schema s can take what a plan says: its schema has the same key and, beside fields
// that were added, no field that s does not have.
func (s *schema) covers(plan *Plan) bool {
	other := plan.schema
	for _, f := range other.Fields[:len(other.Fields)-len(plan.extra)] {
		if i, known := s.byName[f.Name]; !known || s.fields[i].Kind != f.Kind {
			return false
		}
	}
	return s.Key == other.Key
}

// Validate reports everything that is wrong with the schema as an *InvalidError, nil if nothing is.
func (s Schema) Validate() error {
	_, err := compile(s)
	return err
}

// schema is a Schema that has been checked and prepared.
type schema struct {
	Schema
	fields []field
	byName map[string]int
	key    int
	status int // -1 if there is none
	email  int // -1 if there is none
	phone  int // -1 if there is none
	locale int // -1 if there is none
	// lastDay is the field with a user's last day, -1 if there is none.
	lastDay int
	ignored []int // fields that are ignored for some users
	match   []int
	unique  []int
	refs    []int    // KindUser fields
	named   []int    // fields with Refers
	sets    []string // of things that these name, each once
	names   []string
}

// field is a Field that has been prepared.
type field struct {
	Field
	index      int
	identifier bool
	transient  bool // only finds users, is never written
	refSlot    int  // place in schema.refs, -1 if it is no user reference
	uniqueSlot int  // place in schema.unique, -1 if it is not unique
	pattern    *regexp.Regexp
	words      map[string]string // folded word → canonical value, for enumerations and booleans
	expected   string            // the words that are offered, for messages
	canon      func(f *field, text string) (string, *Reason)
}

// compile checks everything that can be wrong with a schema and prepares it.
func compile(s Schema) (*schema, error) {
	var bad problems
	c := &schema{Schema: s, byName: map[string]int{}, key: -1, status: -1, email: -1, locale: -1, phone: -1, lastDay: -1}
	if c.Sheet == "" {
		c.Sheet = "Users"
	}
	if workbook.SheetName(c.Sheet) != c.Sheet {
		bad.add("sheet", "%q cannot be the name of a sheet: it may have at most 31 characters, and none of : \\ / ? * [ ]", c.Sheet)
	}
	headers := map[string]string{}
	c.fields = make([]field, len(s.Fields))
	for i, f := range s.Fields {
		path := "fields." + f.Name
		if f.Name == "" {
			path = "fields." + strconv.Itoa(i)
		}
		c.fields[i] = compileField(f, i, path, &bad)
		c.checkName(f, i, path, headers, &bad)
		c.names = append(c.names, f.Name)
	}
	c.role("key", s.Key, "", &c.key, &bad)
	c.role("status", s.Status, KindBool, &c.status, &bad)
	c.role("email", s.Email, KindEmail, &c.email, &bad)
	c.role("locale", s.Locale, KindLocale, &c.locale, &bad)
	c.role("phone", s.Phone, KindPhone, &c.phone, &bad)
	c.role("lastDay", s.LastDay, KindDate, &c.lastDay, &bad)
	if s.Key == "" {
		bad.add("key", "is missing: name the field that identifies users")
	}
	c.sortRoles(&bad)
	return c, bad.err("schema")
}

func (c *schema) checkName(f Field, i int, path string, headers map[string]string, bad *problems) {
	switch _, twice := c.byName[f.Name]; {
	case f.Name == "":
		bad.add(path, "has no name")
	case f.Name == FieldID:
		bad.add(path, "%q is the name of the user's own id: take another", FieldID)
	case twice:
		bad.add(path, "is there twice")
	}
	c.byName[f.Name] = i
	for _, h := range append([]string{f.Name, f.Title}, f.Aliases...) {
		h = foldHeader(h)
		if other, taken := headers[h]; taken && h != "" && other != f.Name {
			bad.add(path, "header %q also belongs to %s", h, other)
		}
		headers[h] = f.Name
	}
}

// role resolves one of the schema's references to its own fields.
func (c *schema) role(path, name string, kind Kind, at *int, bad *problems) {
	if name == "" {
		return
	}
	i, known := c.byName[name]
	if !known {
		bad.add(path, "there is no field %q", name)
		return
	}
	f := &c.fields[i]
	if kind != "" && f.Kind != kind {
		bad.add(path, "field %q must be of kind %q", name, kind)
	}
	if f.List != nil || f.Secret || f.transient {
		bad.add(path, "field %q cannot be a list, secret or only for matching", name)
	}
	*at = i
}

func (c *schema) sortRoles(bad *problems) {
	if c.key >= 0 {
		key := &c.fields[c.key]
		key.Required, key.identifier = Always, true
		if key.Kind != KindText && key.Kind != KindEmail && key.Kind != KindPhone {
			bad.add("key", "a field of kind %q cannot identify users", key.Kind)
		}
		if key.Refers != nil {
			bad.add("key", "a field that names things cannot identify users")
		}
	}
	for i := range c.fields {
		f := &c.fields[i]
		c.sortIgnored(f, bad)
		if f.Match != "" {
			c.match = append(c.match, i)
			if _, known := c.byName[f.Match]; !known {
				bad.add("fields."+f.Name+".match", "there is no field %q", f.Match)
			}
		}
		if f.Unique != NotUnique && i != c.key {
			f.uniqueSlot = len(c.unique)
			c.unique = append(c.unique, i)
		}
		if f.Kind == KindUser && i != c.key {
			f.refSlot = len(c.refs)
			c.refs = append(c.refs, i)
		}
		if f.Refers != nil {
			c.named = append(c.named, i)
			if !slices.Contains(c.sets, f.Refers.Set) {
				c.sets = append(c.sets, f.Refers.Set)
			}
		}
	}
}

func compileField(f Field, i int, path string, bad *problems) field {
	out := field{Field: f, index: i, transient: f.Match != "" && f.Match != f.Name, refSlot: -1, uniqueSlot: -1}
	out.identifier = f.Identifier || f.Kind == KindEmail || f.Kind == KindUser ||
		f.Unique != NotUnique || f.Match != ""
	canon, known := kinds[f.Kind]
	if !known {
		bad.add(path+".kind", "%q is not a kind of field", f.Kind)
		canon = canonText
	}
	out.canon = canon
	if f.Canonical != nil {
		out.canon = canonOwn
		checkOwnForm(f, path, bad)
	}
	f.Characters.validate(path+".characters", bad)
	oneOf(path+".required", f.Required, bad, Optional, Always, ForNewUsers)
	oneOf(path+".unique", f.Unique, bad, NotUnique, WarnIfShared, MustBeUnique)
	if f.MinLength < 0 || f.MaxLength < 0 || f.MaxLength > 0 && f.MinLength > f.MaxLength {
		bad.add(path+".maxLength", "lengths %d to %d make no range", f.MinLength, f.MaxLength)
	}
	if f.Pattern != "" {
		re, err := regexp.Compile(`^(?:` + f.Pattern + `)$`)
		if err != nil {
			bad.add(path+".pattern", "%v", err)
		}
		out.pattern = re
	}
	checkList(f, path, bad)
	checkRefers(f, path, bad)
	if f.Secret && (f.Unique != NotUnique || f.Match != "" || f.Kind == KindUser) {
		bad.add(path+".secret", "a user reference, a unique or a match field cannot be secret: its values are shown")
	}
	compileWords(&out, path, bad)
	checkSample(&out, path, bad)
	return out
}

// checkOwnForm refuses a canonical form of the product's own where the engine has to understand the values.
func checkOwnForm(f Field, path string, bad *problems) {
	if f.Kind == KindBool || f.Kind == KindEnum || f.Kind == KindDate {
		bad.add(path+".kind", "a field of kind %q has a canonical form that cannot be another", f.Kind)
	}
}

// checkSample refuses a sample that the field itself would refuse. Time zones depend on the machine.
func checkSample(f *field, path string, bad *problems) {
	text, _ := clean(f.Sample)
	if text == "" || f.Kind == KindTimeZone {
		return
	}
	if _, refused := f.canonical(text); refused != nil {
		bad.add(path+".sample", "%s", Reason{Code: refused.Code, Params: refused.Params}.Text())
	}
}

// oneOf reports a value that is none of those that are known.
func oneOf[T ~string](path string, v T, bad *problems, known ...T) {
	var words []string
	for _, k := range known {
		if v == k {
			return
		}
		if k != "" {
			words = append(words, fmt.Sprintf("%q", string(k)))
		}
	}
	bad.add(path, "%q is not known: use one of %s", string(v), strings.Join(words, ", "))
}
