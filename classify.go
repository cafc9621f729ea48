package usersync

// Class is what a plan does with a row, or with a user who left the file. Each has exactly one.
type Class string

// The classes.
const (
	ClassNew         Class = "new"         // the user does not exist and is created
	ClassUpdated     Class = "updated"     // the user exists and at least one field, or the status, is written
	ClassDeactivated Class = "deactivated" // the user left the file and is made inactive
	ClassSkipped     Class = "skipped"     // nothing is done; the reason says why
	ClassError       Class = "error"       // the row cannot be taken; the reasons say why
)

// Classes in the order in which they are shown.
func Classes() []Class {
	return []Class{ClassNew, ClassUpdated, ClassDeactivated, ClassSkipped, ClassError}
}

// account is what is known of the user of a row.
type account uint8

const (
	noAccount account = iota
	activeAccount
	inactiveAccount
)

// wish is what a row says about the user's status, after the rules of the fields that say it. (B3)
type wish uint8

const (
	asItIs wish = iota
	wantsActive
	wantsInactive
)

// facts are all that the class of a row depends on.
type facts struct {
	bad       bool // the row has an error
	account   account
	wish      wish
	protected bool // the user must stay active
	changes   bool // at least one field is written, or would be if a person says so
	kept      bool // a person decided to keep what would have changed
	keyOnly   bool // the row gives nothing but the key
}

// verdict is the class of a row, what to do, and the reasons that come of it.
type verdict struct {
	class Class
	op    Op   // "" for nothing
	code  Code // why the row is skipped, or what it does to the status; "" for nothing to say
	also  Code // a second thing to say, "" for nothing
}

// classify decides the class of a row. Each line of the table is a case of TestClassify, in this order;
// the first that fits decides. A dot fits anything.
//
//	row    account   status     behaviour               changes  class    operation
//	error  .         .          .                       .        Error    -
//	ok     none      .          new users: skip         .        Skipped  -
//	ok     none      inactive   new users: create       .        New      create, inactive
//	ok     none      .          new users: create       .        New      create
//	ok     exists    .          existing users: skip    .        Skipped  -
//	ok     inactive  .          inactive users: skip    .        Skipped  -
//	ok     inactive  inactive   inactive: activate      yes      Updated  update
//	ok     inactive  inactive   inactive: activate      no       Skipped  -
//	ok     inactive  .          inactive: activate      .        Updated  activate
//	ok     inactive  active     inactive: follow file   .        Updated  activate
//	ok     inactive  .          inactive: follow file   yes      Updated  update
//	ok     inactive  .          inactive: follow file   no       Skipped  -
//	ok     inactive  .          inactive: update only   yes      Updated  update
//	ok     inactive  .          inactive: update only   no       Skipped  -
//	ok     active    inactive   protected user          yes      Updated  update
//	ok     active    inactive   protected user          no       Skipped  -
//	ok     active    inactive   .                       .        Updated  deactivate
//	ok     active    .          .                       yes      Updated  update
//	ok     active    .          .                       no       Skipped  -
//
// (B1 to B3, B6, B9, C9)
func classify(cfg *Config, f facts) verdict {
	switch {
	case f.bad:
		return verdict{class: ClassError}
	case f.account == noAccount && cfg.NewUsers == Skip:
		return verdict{class: ClassSkipped, code: CodeNewSkipped}
	case f.account == noAccount && f.wish == wantsInactive:
		return verdict{class: ClassNew, op: OpCreate, code: CodeCreatedInactive}
	case f.account == noAccount:
		return verdict{class: ClassNew, op: OpCreate}
	case cfg.ExistingUsers == Skip:
		return verdict{class: ClassSkipped, code: CodeExistingSkipped}
	case f.account == inactiveAccount:
		return classifyInactive(cfg, f)
	case f.wish == wantsInactive && f.protected:
		return updateOrSkip(f, CodeProtected)
	case f.wish == wantsInactive:
		return verdict{class: ClassUpdated, op: OpDeactivate, code: CodeDeactivates}
	}
	return updateOrSkip(f, "")
}

func classifyInactive(cfg *Config, f facts) verdict {
	switch {
	case cfg.InactiveUsers == Skip:
		return verdict{class: ClassSkipped, code: CodeInactiveSkipped}
	case cfg.InactiveUsers == Activate && f.wish != wantsInactive, cfg.InactiveUsers == FollowFile && f.wish == wantsActive:
		return verdict{class: ClassUpdated, op: OpActivate, code: CodeActivates}
	}
	return updateOrSkip(f, CodeStaysInactive)
}

// updateOrSkip is the verdict for an existing user whose status stays; also is what to say about that.
func updateOrSkip(f facts, also Code) verdict {
	switch {
	case f.changes:
		return verdict{class: ClassUpdated, op: OpUpdate, code: also}
	case also == CodeProtected:
		return verdict{class: ClassSkipped, code: also}
	case f.kept:
		return verdict{class: ClassSkipped, code: CodeKept, also: also}
	case f.keyOnly:
		return verdict{class: ClassSkipped, code: CodeKeyOnly, also: also}
	}
	return verdict{class: ClassSkipped, code: CodeUnchanged, also: also}
}

// removal is all that the class of a user who left the file depends on.
type removal struct {
	exists    bool
	active    bool
	held      bool // a row has no readable key: it may be this user (B5)
	shared    bool // another configuration's file still has the user (B7)
	protected bool
}

// classifyRemoved decides the class of a user who left the file. keep tells whether the user stays in
// the baseline, so that the next run looks again. A behaviour of Ignore is the caller's not to list the
// user. As for classify, each line is a case of TestClassifyRemoved. (B4 to B7)
//
//	user             behaviour    class        keep
//	gone             .            Skipped      no
//	already inactive .            Skipped      no
//	active           not to deactivate, a row unreadable
//	                              Skipped      yes
//	active           not to deactivate
//	                              Skipped      no
//	protected        deactivate   Skipped      no
//	a row unreadable deactivate   Skipped      yes
//	in another file  deactivate   Skipped      yes
//	active           deactivate   Deactivated  no
func classifyRemoved(cfg *Config, r removal) (v verdict, keep bool) {
	switch {
	case !r.exists:
		return verdict{class: ClassSkipped, code: CodeRemovedGone}, false
	case !r.active:
		return verdict{class: ClassSkipped, code: CodeRemovedInactive}, false
	case cfg.RemovedUsers != Deactivate:
		return verdict{class: ClassSkipped, code: CodeRemovedNoAction}, r.held
	case r.protected:
		return verdict{class: ClassSkipped, code: CodeProtected}, false
	case r.held:
		return verdict{class: ClassSkipped, code: CodeRemovalsHeld}, true
	case r.shared:
		return verdict{class: ClassSkipped, code: CodeShared}, true
	}
	return verdict{class: ClassDeactivated, op: OpDeactivate, code: CodeRemoved}, false
}
