package usersync_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync"
)

// C10: a value that is ignored needs nothing to be created.
func TestIgnoredNamesWaitForNobody(t *testing.T) {
	schema := refers(usersync.MissingIsOffered, usersync.MissingIsOffered)
	for i := range schema.Fields {
		if schema.Fields[i].Name == "title" {
			schema.Fields[i].Ignored = usersync.IgnoredForNew
		}
	}
	o := newOffice(t, nil, usersync.WithSchema(schema), usersync.WithReferences(newThingSpy()))
	plan := o.preview("anna title=Boss")
	require.Equal(t, 1, plan.Counts().New, reasonsOfRow(plan, 2))
	require.Empty(t, o.apply(restored(plan)).CreatedReferences())
}
