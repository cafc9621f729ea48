package usersync

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"sort"
	"strings"
)

// Values are the values of a user's fields, by name and in a fixed order. A value is text in canonical
// form; a list field has a list of texts. An empty value is a blank field; a field that is not there at
// all is absent. The zero Values has no field and is ready to use.
//
// A Values that is copied by assignment shares its contents: use Clone before Set. Reading may happen
// concurrently.
type Values struct {
	names []string // shared between many Values, never changed in place
	vals  []string
}

// listEnd ends each item of a list value, so that a list of one item differs from plain text.
const listEnd = "\x1f"

// NewValues pairs names with values. names may be shared by any number of Values and must not change
// afterwards; values belongs to the new Values. Where values is the shorter, the remaining names are
// absent. It is the cheapest way to make many Values of one shape.
func NewValues(names, values []string) Values {
	n := min(len(names), len(values))
	return Values{names: names[:n:n], vals: values[:n:n]}
}

// ValuesOf makes Values from a map, sorted by name.
func ValuesOf(m map[string]string) Values {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	vals := make([]string, len(names))
	for i, name := range names {
		vals[i] = m[name]
	}
	return Values{names: names, vals: vals}
}

// Get returns the value of a field, "" if it is blank or absent. The items of a list are joined by
// ", ".
func (v Values) Get(field string) string {
	s, _ := v.Lookup(field)
	return s
}

// Lookup is Get that also tells whether the field is there.
func (v Values) Lookup(field string) (string, bool) {
	i := slices.Index(v.names, field)
	if i < 0 {
		return "", false
	}
	return showValue(v.vals[i]), true
}

// List returns the items of a list field. A field with plain text is a list of that text, a blank or
// absent one is nil.
func (v Values) List(field string) []string {
	i := slices.Index(v.names, field)
	if i < 0 {
		return nil
	}
	return listItems(v.vals[i])
}

// IsList tells that the value of a field is a list that has items. A blank list is like any blank value.
func (v Values) IsList(field string) bool {
	i := slices.Index(v.names, field)
	return i >= 0 && isList(v.vals[i])
}

// Set gives a field a value, adding the field if it is absent.
func (v *Values) Set(field, value string) {
	if i := slices.Index(v.names, field); i >= 0 {
		v.vals[i] = value
		return
	}
	v.names = append(slices.Clip(v.names), field)
	v.vals = append(v.vals, value)
}

// SetList gives a list field its items. No items make it blank.
func (v *Values) SetList(field string, items []string) {
	v.Set(field, listValue(items))
}

// All yields the fields that are there, in order, with their values as Get returns them.
func (v Values) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for i, name := range v.names {
			if !yield(name, showValue(v.vals[i])) {
				return
			}
		}
	}
}

// Len is the number of fields that are there.
func (v Values) Len() int { return len(v.names) }

// Clone returns a copy that shares nothing that Set changes.
func (v Values) Clone() Values {
	return Values{names: v.names, vals: slices.Clone(v.vals)}
}

// With returns a copy in which the fields of w replace or join those of v.
func (v Values) With(w Values) Values {
	out := v.Clone()
	for i, name := range w.names {
		out.Set(name, w.vals[i])
	}
	return out
}

// MarshalJSON writes a plain object: text for a field, an array of texts for a list.
func (v Values) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, name := range v.names {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		val, err := marshalValue(v.vals[i])
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(val)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// UnmarshalJSON reads what MarshalJSON writes; fields come out sorted by name.
func (v *Values) UnmarshalJSON(data []byte) error {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return fmt.Errorf("usersync: values: %w", err)
	}
	m := make(map[string]string, len(raw))
	for name, r := range raw {
		s, err := unmarshalValue(r)
		if err != nil {
			return fmt.Errorf("usersync: value of %q is neither text nor a list of texts: %w", name, err)
		}
		m[name] = s
	}
	*v = ValuesOf(m)
	return nil
}

// raw is the stored form of a field, for the engine: hint is where the field usually stands.
func (v *Values) raw(field string, hint int) string {
	if hint < len(v.names) && v.names[hint] == field {
		return v.vals[hint]
	}
	if i := slices.Index(v.names, field); i >= 0 {
		return v.vals[i]
	}
	return ""
}

func isList(raw string) bool { return strings.HasSuffix(raw, listEnd) }

func listItems(raw string) []string {
	if raw == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(raw, listEnd), listEnd)
}

func listValue(items []string) string {
	var b strings.Builder
	for _, item := range items {
		b.WriteString(item)
		b.WriteString(listEnd)
	}
	return b.String()
}

func showValue(raw string) string {
	if !isList(raw) {
		return raw
	}
	return strings.Join(listItems(raw), ", ")
}

func marshalValue(raw string) ([]byte, error) {
	if isList(raw) {
		return json.Marshal(listItems(raw))
	}
	return json.Marshal(raw)
}

func unmarshalValue(data []byte) (string, error) {
	if len(data) > 0 && data[0] == '[' {
		var items []string
		err := json.Unmarshal(data, &items)
		return listValue(items), err
	}
	var s string
	err := json.Unmarshal(data, &s)
	return s, err
}
