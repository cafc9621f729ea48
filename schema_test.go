package usersync

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDefaultSchemaIsValid(t *testing.T) {
	require.NoError(t, DefaultSchema().Validate())
	var names []string
	for _, f := range DefaultSchema().Fields {
		names = append(names, f.Name)
	}
	require.Equal(t, []string{"userName", "email", "firstName", "lastName", "middleName", "title",
		"department", "division", "costCenter", "phone", "location", "address1", "address2", "city",
		"state", "zip", "country", "locale", "timezone", "languageName", "manager", "active", "cField1",
		"cField2"}, names)
}
