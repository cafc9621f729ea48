// Package usersync brings users in from Excel or CSV files, repeatedly and safely, for products that
// embed it: what the preview shows is what happens, and nothing else ever does.
//
// # Words
//
// A source is an opened file that yields rows; a row is one user line of it, numbered as the
// spreadsheet shows it. A field is a named user attribute, a [Schema] the fields and their rules. The
// key is the canonical form ([Fold]) of the matching field, userName unless the schema says otherwise.
// A [User] is an account as the product's store knows it. A [Config] says how a file maps to users and
// what to do when the file and the system disagree. A [Plan] is what Preview returns: each row, and each
// user who left the file, has exactly one [Class] and the reasons for it. A conflict is a field of an
// existing user that a person has to decide. The baseline is the users found in the file of the last
// successful run of a configuration. A [Run] is a plan that is being, or has been, applied. A guard is a
// limit that holds a plan back until a person confirms it.
//
// # Flow
//
//	file ─ source ─▶ rows ─ check ─▶ checked rows ─┐
//	                      users (batched look-ups) ─┤─ classify ─▶ changes ─ conflict rules ─▶ Plan
//	                      baseline ─────────────────┘
//	Plan ─ decisions ─▶ ready? (stale, unresolved, seats, guard) ─▶ write in batches ─▶ mail ─▶ baseline ─▶ Run
//
// # Guarantees
//
// A damaged file is refused as a whole, never read in part. Preview has only reading interfaces: it
// cannot write or mail. Apply writes what the plan shows or refuses before the first write; it never
// overwrites a user who changed since, never deactivates more users than the guard allows without a
// person's word, and never takes more seats than there are. A plan is applied once, and with stores whatever
// happens to the process: nobody is lost, doubled or welcomed twice.
//
// # Use
//
//	store := memory.New()
//	eng, err := usersync.New(store, store.Baselines())
//	...
//	plan, err := eng.Preview(ctx, usersync.DefaultConfig("Staff"), usersync.File("staff.xlsx"))
//	...
//	fmt.Println(plan.Counts())
//	run, err := eng.Apply(ctx, plan)
//
// A [Service] does the same with saved configurations, and plans and runs by id, in stores that any process can
// go on with ([Stores]): a run survives the death of its process and is resumed ([Engine.Resume]), and what a run
// did can be taken back ([Previewer.Undo]).
//
// A [Previewer], an [Engine], a [Service] and the interfaces below may be used by several goroutines at once unless
// a comment says otherwise.
package usersync

import (
	"context"
	"time"
)

// FieldID is the name under which FindUsers looks users up by their id. A schema cannot have a field
// of this name.
const FieldID = "id"

// User is an account as the product's store knows it.
type User struct {
	// ID identifies the account for ever. It is never empty for an existing user and is compared
	// exactly.
	ID string
	// Version changes whenever the account does, and only then: a counter, an ETag. A store without
	// versions leaves it empty; the engine then compares what it read instead, which leaves a small
	// window between its last look and the write.
	Version string
	// Active says whether the account can be used. An inactive account stays in the system.
	Active bool
	// SSO marks an account that signs in elsewhere. It gets no welcome mail.
	SSO bool
	// Values are the fields that the store knows. A field that is missing counts as blank. The status
	// is Active, not a value.
	Values Values
}

// UserReader finds existing users.
type UserReader interface {
	// FindUsers returns every user for whom the canonical form ([Fold]) of field is one of values,
	// which are in that form. For FieldID the ids match exactly instead; an id that could not even be
	// one of this store is simply nobody's. field is FieldID, the schema's key, a match field or a
	// unique field.
	//
	// values has no duplicates, no empty strings and no more entries than the engine's batch size;
	// it may be empty, and is neither kept nor changed. Users come in any order, each once. A value that
	// nobody has is not an error; several users may have the same value. Inactive users are included.
	// The returned slice and its Values belong to the caller. FindUsers may be called concurrently. It
	// returns soon after ctx is done, with an error: never only some of the users.
	FindUsers(ctx context.Context, field string, values []string) ([]User, error)
}

// UserStore finds and changes users. It is the one interface that every product implements.
type UserStore interface {
	UserReader
	// WriteUsers tries each change on its own and in order, so that a later change may rely on an
	// earlier one. It returns one Outcome for each change, in the same order. A change is made wholly or
	// not at all; its own failure is in its Outcome and stops nothing. The error is for the call as a
	// whole (the store is down, ctx is done): then it is unknown which changes were made, and the
	// outcomes are ignored. The end of ctx is never a change's own failure.
	//
	// A change whose IdempotencyKey the store has already carried out, in this call or an earlier one,
	// is not made again: its Outcome, Version included, is that of the first time. Only a change that was
	// made counts: one that failed is tried again. A store that cannot remember keys relies on IfVersion
	// and on the uniqueness of the key instead.
	//
	// changes is never empty, has no more entries than the engine's batch size, and is not kept.
	WriteUsers(ctx context.Context, changes []Change) ([]Outcome, error)
}

// FieldKeeper is an optional ability of a UserReader: to tell for which fields the store has a place at all. Then an
// engine is not made over a store that lacks one for a field that users must have or are found by, and a file with a
// column of a field without a place is refused, instead of every row when it is written.
type FieldKeeper interface {
	// KeepsField tells that values of a field can be written and, where lookedUp says so, that FindUsers finds users
	// by it. It is asked about fields of the schema, but for the status. It must be quick, and may be called
	// concurrently.
	KeepsField(name string, lookedUp bool) bool
}

// Op says what a Change does.
type Op string

// The operations of a Change.
const (
	OpCreate     Op = "create"     // a new user with Set, active as Change.Active says
	OpUpdate     Op = "update"     // write Set; the status stays as it is
	OpActivate   Op = "activate"   // write Set and make the user active
	OpDeactivate Op = "deactivate" // write Set, which is often empty, and make the user inactive
)

// Change is one thing to do to one user.
type Change struct {
	Op Op
	// UserID is the user to change, "" for OpCreate.
	UserID string
	// Key is the canonical form of the key field after the change, for messages and for stores that
	// keep it in a column of its own.
	Key string
	// IfVersion is the version that the user must still have when the change's turn comes; otherwise the
	// Outcome wraps ErrVersionConflict and nothing is written. "" means no check. A user who does not
	// exist is ErrNotFound all the same.
	IfVersion string
	// Set has the fields to write and only those. An empty value clears the field. The value of a user
	// reference, such as manager, is the other user's key field, here as in what FindUsers returns. A
	// value that does not fit is refused, never cut off.
	Set Values
	// Active is the status after the change. It says something new only for OpCreate.
	Active bool
	// IdempotencyKey names this change of this plan: the same key always comes with the same change. ""
	// is no key.
	IdempotencyKey string
}

// Outcome is what became of a Change.
type Outcome struct {
	// ID is the user's id, also for OpCreate. It is needed when Err is nil.
	ID string
	// Version is the user's version after the change, "" for a store without versions.
	Version string
	// Err is why the change was not made: it wraps ErrVersionConflict (the version moved),
	// ErrDuplicate (another user has the key or a unique value, compared by [Fold]), ErrNotFound (no such user), or is the store's
	// own error, whose text the administrator sees beside the row.
	Err error
}

// BaselineReader reads baselines.
type BaselineReader interface {
	// Load returns the baseline of a configuration, the zero Baseline when there is none.
	Load(ctx context.Context, configID string) (Baseline, error)
}

// BaselineStore keeps, for each configuration, the users of its last successful run.
type BaselineStore interface {
	BaselineReader
	// Save replaces the configuration's baseline as one atomic step: after an error, the old or the new
	// one is there as a whole. Saving the same run's baseline again changes nothing; that happens only
	// while it is the configuration's latest. A baseline without members is still a baseline. Members
	// keep their order, and ids of configurations and users are compared exactly. b is not kept.
	Save(ctx context.Context, configID string, b Baseline) error
}

// BaselineSearcher is an optional ability of a BaselineReader: to tell which users other
// configurations have in their baselines, so that a user whom two files carry is not deactivated
// because one of them lets go (see [Config.SharedUsers]). Without it no such check is made.
type BaselineSearcher interface {
	// InOtherBaselines returns, for those of userIDs who are in the baseline of a configuration other
	// than configID, the id of one such configuration. userIDs has no more entries than the engine's
	// batch size. The map may be nil.
	InOtherBaselines(ctx context.Context, configID string, userIDs []string) (map[string]string, error)
}

// Baseline is the users found in the file of a configuration's last successful run.
type Baseline struct {
	// RunID is the run that made it, "" for no baseline.
	RunID string `json:"runId"`
	// Members are the users, each once, in the order in which the run found them.
	Members []Member `json:"members"`
}

// Member is one user of a baseline.
type Member struct {
	UserID string `json:"userId"`
	// Name is the user's key field when the baseline was made, to name a user who is gone since.
	Name string `json:"name"`
}

// LicenseChecker counts seats. The engine works without one: then seats are unlimited.
type LicenseChecker interface {
	// Seats returns how many seats there are and how many are used now, which may be more. It is asked at
	// the preview, before the run and before every batch that takes seats, and must not keep its answer: a
	// seat that others take between the answer and the end of the batch is one that the run does not see,
	// unless the checker is a SeatReserver. It reserves
	// nothing and may be called concurrently.
	Seats(ctx context.Context) (Seats, error)
}

// Seats is how many users may be active and how many are.
type Seats struct {
	Limit int // negative means no limit
	Used  int
}

// SeatReserver is an optional ability of a LicenseChecker: to set seats aside, so that a run and the product's
// own sign-ups never take the same one. Without it a run counts before every batch that takes seats, and cannot
// see those that others take between the count and the write.
type SeatReserver interface {
	LicenseChecker
	// ReserveSeats makes seats what is set aside for the holder, a run's id, in the place of what was set
	// aside for it before; none lets it go. It is one step, for all of seats or, with an error, for none:
	// then what was set aside before still is. Doing it again changes nothing but the time.
	//
	// There is a *SeatsError, for one of the pools, where a hold asks for more than limit less used less
	// what is set aside for others, plus its own Freeing. A holder for whom as many seats are set aside, and as
	// many beyond those that it is to free, is not refused: that is promised, whatever has become of the
	// limit, and asking for less always succeeds. A negative limit refuses nothing, nor does a pool that there
	// is not.
	//
	// What is set aside is nobody else's until ttl is over, and is not counted as used. It may be called
	// concurrently, by several processes, for different holders. seats has each pool once, and is not kept.
	ReserveSeats(ctx context.Context, holder string, seats []SeatHold, ttl time.Duration) error
}

// SeatPools is an optional ability of a LicenseChecker: to divide seats into named pools, such as the products
// that users may use. An active user takes one seat of the license as a whole and one of each of their pools.
type SeatPools interface {
	LicenseChecker
	// PoolField is the field of the schema, a list or not, whose values name the pools of a user; "" for no
	// pools. It is always the same.
	PoolField() string
	// Pools returns the seats of every pool by its name, as Seats does. Names are compared by [Fold]. A
	// value that is the name of no pool takes no seat of one. A limit for the license as a whole is that of
	// Seats, which may be negative for none. It may be called concurrently.
	Pools(ctx context.Context) (map[string]Seats, error)
}

// Actor is the person on whose behalf something is done. The zero Actor is nobody in particular, such
// as a scheduled job.
type Actor struct {
	// UserID is the person's own id in the store, "" if there is none. The acting user is never
	// deactivated.
	UserID string `json:"userId,omitempty"`
	// Name is for the history.
	Name string `json:"name,omitempty"`
}
