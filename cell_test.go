package usersync

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usersync-go/usersync/internal/table"
)

// R4: what a typed cell means as text.
func TestCellText(t *testing.T) {
	for _, tt := range []struct {
		kind               table.Kind
		text, format, want string
		code               Code
	}{
		{table.Text, " as it is\u200b", "", " as it is\u200b", ""},
		{table.Text, "007", "", "007", ""},
		{table.Number, "7", "", "7", ""},
		{table.Number, "007", "", "7", ""},
		{table.Number, "-7", "", "-7", ""},
		{table.Number, "7.0", "", "7", ""},
		{table.Number, "-0", "", "0", ""},
		{table.Number, "380501234567", "", "380501234567", ""},
		{table.Number, "3.80501234567E+11", "", "380501234567", ""},
		{table.Number, "1.5E-7", "", "0.00000015", ""},
		{table.Number, "0.1", "", "0.1", ""},
		{table.Number, "0.30000000000000004", "", "0.3", ""},
		{table.Number, "1234.5", "", "1234.5", ""},
		{table.Number, "999999999999999", "", "999999999999999", ""},
		{table.Number, "1000000000000000", "", "", CodeDigitsLost},
		{table.Number, "1.23456789012346E+19", "", "", CodeDigitsLost},
		{table.Number, "1E+300", "", "", CodeDigitsLost},
		{table.Number, "1234", "00000", "01234", ""},
		{table.Number, "123456", "00000", "123456", ""},
		{table.Number, "12345678", `000\-00\-0000`, "012-34-5678", ""},
		{table.Number, "1234567890", "000-00-0000", "1234-56-7890", ""},
		{table.Number, "12.5", "00000", "12.5", ""},
		{table.Number, "5", "0", "5", ""},
		{table.Number, "0.25", "0%", "0.25", ""},
		{table.Number, "1234", "#,##0", "1234", ""},
		{table.Date, "2026-11-22", "", "2026-11-22", ""},
		{table.Bool, "true", "", "true", ""},
		{table.Error, "#N/A", "", "", CodeCellError},
		{table.NoValue, "", "", "", CodeNoResult},
	} {
		got, refused := cellText(&table.Cell{Kind: tt.kind, Text: tt.text, Format: tt.format})
		if tt.code != "" {
			require.NotNil(t, refused, "%+v", tt)
			require.Equal(t, tt.code, refused.Code)
			continue
		}
		require.Nil(t, refused, "%+v", tt)
		require.Equal(t, tt.want, got, "%+v", tt)
	}
}
