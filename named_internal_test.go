package usersync

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// C10: names are compared folded.
func TestNewNames(t *testing.T) {
	f := &field{Field: Field{List: &ListFormat{Separator: ";"}, Refers: &Refers{Set: "group"}}}
	list := func(prefix string, size int) string {
		var items []string
		for i := range size {
			items = append(items, fmt.Sprint(prefix, i))
		}
		return listValue(items)
	}
	require.Equal(t, []string{"b0", "b1"}, f.newNames(list("b", 2), list("a", 2)))
	require.Empty(t, f.newNames(list("a", 2), list("A", 3)))
}
