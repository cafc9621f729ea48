package usersync

import (
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// R2: a short text is copied, so that it does not hold on to the row that it was cut from; a long one is
// not, since many cells may share it.
func TestArena(t *testing.T) {
	var a arena
	row := strings.Repeat("x", arenaLong+2)
	for n, shared := range map[int]bool{1: false, arenaLong: false, arenaLong + 1: true} {
		kept := a.keep(row[1 : 1+n])
		require.Equal(t, row[1:1+n], kept)
		require.Equal(t, shared, unsafe.StringData(kept) == unsafe.StringData(row[1:]), "%d bytes", n)
	}
	first := a.keep("anna")
	for range 2 * arenaChunk {
		a.keep("b")
	}
	require.Equal(t, "anna", first, "what was kept stays when a new chunk begins")
	require.Empty(t, a.keep(""))
}
