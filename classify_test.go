package usersync

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// The cases are the lines of classify's table, in its order. (B1 to B3, B6, B9, C9)
func TestClassify(t *testing.T) {
	skipNew := func(c *Config) { c.NewUsers = Skip }
	skipExisting := func(c *Config) { c.ExistingUsers = Skip }
	activate := func(c *Config) { c.InactiveUsers = Activate }
	followFile := func(c *Config) { c.InactiveUsers = FollowFile }
	updateOnly := func(c *Config) { c.InactiveUsers = UpdateOnly }
	normal := func(*Config) {}
	for i, tt := range []struct {
		set  func(*Config)
		in   facts
		want verdict
	}{
		{normal, facts{bad: true, account: activeAccount, changes: true}, verdict{class: ClassError}},
		{skipNew, facts{}, verdict{class: ClassSkipped, code: CodeNewSkipped}},
		{normal, facts{wish: wantsInactive}, verdict{class: ClassNew, op: OpCreate, code: CodeCreatedInactive}},
		{normal, facts{wish: wantsActive}, verdict{class: ClassNew, op: OpCreate}},
		{skipExisting, facts{account: activeAccount, wish: wantsInactive, changes: true}, verdict{class: ClassSkipped, code: CodeExistingSkipped}},
		{normal, facts{account: inactiveAccount, wish: wantsActive, changes: true}, verdict{class: ClassSkipped, code: CodeInactiveSkipped}},
		{activate, facts{account: inactiveAccount, wish: wantsInactive, changes: true}, verdict{class: ClassUpdated, op: OpUpdate, code: CodeStaysInactive}},
		{activate, facts{account: inactiveAccount, wish: wantsInactive}, verdict{class: ClassSkipped, code: CodeUnchanged, also: CodeStaysInactive}},
		{activate, facts{account: inactiveAccount}, verdict{class: ClassUpdated, op: OpActivate, code: CodeActivates}},
		{followFile, facts{account: inactiveAccount, wish: wantsActive}, verdict{class: ClassUpdated, op: OpActivate, code: CodeActivates}},
		{followFile, facts{account: inactiveAccount, changes: true}, verdict{class: ClassUpdated, op: OpUpdate, code: CodeStaysInactive}},
		{followFile, facts{account: inactiveAccount, wish: wantsInactive}, verdict{class: ClassSkipped, code: CodeUnchanged, also: CodeStaysInactive}},
		{updateOnly, facts{account: inactiveAccount, wish: wantsActive, changes: true}, verdict{class: ClassUpdated, op: OpUpdate, code: CodeStaysInactive}},
		{updateOnly, facts{account: inactiveAccount}, verdict{class: ClassSkipped, code: CodeUnchanged, also: CodeStaysInactive}},
		{normal, facts{account: activeAccount, wish: wantsInactive, protected: true, changes: true}, verdict{class: ClassUpdated, op: OpUpdate, code: CodeProtected}},
		{normal, facts{account: activeAccount, wish: wantsInactive, protected: true}, verdict{class: ClassSkipped, code: CodeProtected}},
		{normal, facts{account: activeAccount, wish: wantsInactive}, verdict{class: ClassUpdated, op: OpDeactivate, code: CodeDeactivates}},
		{normal, facts{account: activeAccount, changes: true}, verdict{class: ClassUpdated, op: OpUpdate}},
		{normal, facts{account: activeAccount}, verdict{class: ClassSkipped, code: CodeUnchanged}},
	} {
		t.Run(fmt.Sprintf("line %d", i+1), func(t *testing.T) {
			cfg := DefaultConfig("Staff")
			tt.set(&cfg)
			require.Equal(t, tt.want, classify(&cfg, tt.in))
		})
	}
}

// A decision to keep leaves its own reason. (K4)
func TestClassifyKept(t *testing.T) {
	cfg := DefaultConfig("Staff")
	require.Equal(t, verdict{class: ClassSkipped, code: CodeKept}, classify(&cfg, facts{account: activeAccount, kept: true}))
}

// A row that gives nothing but the key has its own reason for being skipped, and only then. (B9)
func TestClassifyKeyOnly(t *testing.T) {
	cfg := DefaultConfig("Staff")
	require.Equal(t, verdict{class: ClassSkipped, code: CodeKeyOnly}, classify(&cfg, facts{account: activeAccount, keyOnly: true}))
	require.Equal(t, verdict{class: ClassUpdated, op: OpUpdate}, classify(&cfg, facts{account: activeAccount, keyOnly: true, changes: true}))
	require.Equal(t, verdict{class: ClassNew, op: OpCreate}, classify(&cfg, facts{keyOnly: true}))
	cfg.InactiveUsers = UpdateOnly
	require.Equal(t, verdict{class: ClassSkipped, code: CodeKeyOnly, also: CodeStaysInactive}, classify(&cfg, facts{account: inactiveAccount, keyOnly: true}))
}

// The cases are the lines of classifyRemoved's table, in its order. (B4 to B7)
func TestClassifyRemoved(t *testing.T) {
	for i, tt := range []struct {
		removed Behaviour
		in      removal
		want    verdict
		keep    bool
	}{
		{Deactivate, removal{}, verdict{class: ClassSkipped, code: CodeRemovedGone}, false},
		{Deactivate, removal{exists: true}, verdict{class: ClassSkipped, code: CodeRemovedInactive}, false},
		{NoAction, removal{exists: true, active: true, held: true}, verdict{class: ClassSkipped, code: CodeRemovedNoAction}, true},
		{NoAction, removal{exists: true, active: true}, verdict{class: ClassSkipped, code: CodeRemovedNoAction}, false},
		{Deactivate, removal{exists: true, active: true, protected: true, held: true}, verdict{class: ClassSkipped, code: CodeProtected}, false},
		{Deactivate, removal{exists: true, active: true, held: true, shared: true}, verdict{class: ClassSkipped, code: CodeRemovalsHeld}, true},
		{Deactivate, removal{exists: true, active: true, shared: true}, verdict{class: ClassSkipped, code: CodeShared}, true},
		{Deactivate, removal{exists: true, active: true}, verdict{class: ClassDeactivated, op: OpDeactivate, code: CodeRemoved}, false},
	} {
		t.Run(fmt.Sprintf("line %d", i+1), func(t *testing.T) {
			cfg := DefaultConfig("Staff")
			cfg.RemovedUsers = tt.removed
			got, keep := classifyRemoved(&cfg, tt.in)
			require.Equal(t, tt.want, got)
			require.Equal(t, tt.keep, keep)
		})
	}
}

// The guard lets go what is at both of its limits, and holds back one more. (A2)
func TestGuardLimits(t *testing.T) {
	for _, tt := range []struct {
		guard                   Guard
		deactivations, baseline int
		exceeded                bool
	}{
		{Guard{Percent: 10, Users: 5}, 5, 10, false},
		{Guard{Percent: 10, Users: 5}, 6, 60, false},
		{Guard{Percent: 10, Users: 5}, 6, 59, true},
		{Guard{Percent: 10, Users: 5}, 6, 0, true},
		{Guard{Percent: 10, Users: 5}, 100, 1000, false},
		{Guard{Percent: 10, Users: 5}, 101, 1000, true},
		{Guard{Percent: 10, Users: 5, Max: 50}, 50, 1000, false},
		{Guard{Percent: 10, Users: 5, Max: 50}, 51, 1000, true},
		{Guard{Percent: 10, Users: 5, Max: 3}, 4, 1000, true},
		{Guard{Off: true}, 1000, 1000, false},
		{Guard{}, 0, 0, false},
		{Guard{}, 1, 1000, true},
		{Guard{Percent: 100}, 1000, 1000, false},
	} {
		require.Equal(t, tt.exceeded, tt.guard.exceeded(tt.deactivations, tt.baseline), "%+v", tt)
	}
}
