package usersync

import "strings"

// arena keeps short strings together, apart from the large ones that they were cut from, so that a plan
// of unchanged rows does not hold on to the file.
type arena struct {
	chunk strings.Builder
}

const (
	arenaChunk = 32 << 10
	arenaLong  = 1 << 10
)

// keep returns a copy of s. A long text stays where it is: many cells may share it.
func (a *arena) keep(s string) string {
	if s == "" || len(s) > arenaLong {
		return s
	}
	if a.chunk.Cap()-a.chunk.Len() < len(s) {
		a.chunk.Reset()
		a.chunk.Grow(max(arenaChunk, len(s)))
	}
	start := a.chunk.Len()
	a.chunk.WriteString(s)
	return a.chunk.String()[start:]
}
