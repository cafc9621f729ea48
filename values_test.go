package usersync

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestValuesSetAndGet(t *testing.T) {
	var v Values
	require.Equal(t, "", v.Get("email"))
	_, there := v.Lookup("email")
	require.False(t, there)
	v.Set("email", "")
	_, there = v.Lookup("email")
	require.True(t, there, "blank is not absent")
	v.Set("email", "a@example.com")
	v.SetList("groups", []string{"A", "B, C"})
	require.Equal(t, "a@example.com", v.Get("email"))
	require.Equal(t, []string{"A", "B, C"}, v.List("groups"))
	require.Equal(t, "A, B, C", v.Get("groups"))
	require.Equal(t, []string{"a@example.com"}, v.List("email"))
	require.Nil(t, v.List("none"))
	require.True(t, v.IsList("groups"))
	require.False(t, v.IsList("email") || v.IsList("none"))
	v.SetList("groups", nil)
	require.Nil(t, v.List("groups"))
	require.Equal(t, map[string]string{"email": "a@example.com", "groups": ""}, maps.Collect(v.All()))
	require.Equal(t, 2, v.Len())
}

// Values made from one set of names do not change each other.
func TestValuesShareNames(t *testing.T) {
	names := []string{"a", "b"}
	first, second := NewValues(names, []string{"1", "2"}), NewValues(names, []string{"3"})
	_, there := second.Lookup("b")
	require.False(t, there, "a value that is missing is absent")
	first.Set("c", "4")
	second.Set("d", "5")
	require.Equal(t, []string{"a", "b"}, names)
	require.Equal(t, map[string]string{"a": "1", "b": "2", "c": "4"}, maps.Collect(first.All()))
	require.Equal(t, map[string]string{"a": "3", "d": "5"}, maps.Collect(second.All()))
}

func TestValuesClone(t *testing.T) {
	first := ValuesOf(map[string]string{"a": "1", "b": "2"})
	second := first.Clone()
	second.Set("a", "9")
	third := first.With(ValuesOf(map[string]string{"b": "7", "c": "8"}))
	require.Equal(t, "1", first.Get("a"))
	require.Equal(t, map[string]string{"a": "1", "b": "7", "c": "8"}, maps.Collect(third.All()))
}

func TestValuesJSON(t *testing.T) {
	var v Values
	v.Set("name", "Ann \"x\" <y>\u2028")
	v.SetList("one", []string{"A"})
	v.SetList("none", nil)
	data, err := json.Marshal(v)
	require.NoError(t, err)
	require.JSONEq(t, `{"name":"Ann \"x\" <y>\u2028","one":["A"],"none":""}`, string(data))
	var back Values
	require.NoError(t, json.Unmarshal(data, &back))
	require.Equal(t, maps.Collect(v.All()), maps.Collect(back.All()))
	require.Equal(t, []string{"A"}, back.List("one"))
	require.Error(t, json.Unmarshal([]byte(`{"a":1}`), &back))
	require.Error(t, json.Unmarshal([]byte(`[]`), &back))
}
