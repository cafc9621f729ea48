package usersync

import (
	"context"
	"iter"
	"time"
)

// Stores is where a product keeps what outlives a process: configurations, baselines, plans, runs. The
// adapters give all of it at once (memory.State, sqlstore.State); a product can put its own in the place
// of each, as long as Baselines, Plans, Runs, Journal, Leases and Outbox are over
// the same data: FinishRun ends a run, saves its baseline and lets its lease go in one step. DeleteConfig removes what
// the others have of a configuration, imports too.
//
// What is stored belongs to one tenant, which the handles fix: another tenant's id is not found. (A11)
// All of it may be used concurrently, by several processes too. Ids are compared exactly. Stores return
// soon after ctx is done, with an error; a method that fails has changed nothing or all that it was to
// change. Times are kept to the millisecond.
type Stores struct {
	Configs   ConfigStore
	Baselines BaselineStore
	Plans     PlanStore
	Runs      RunStore
	Journal   Journal
	Leases    LeaseStore
	Outbox    Outbox
	Imports   ImportStore // may be nil: then nothing can be imported in the background
}

// validate tells which stores are missing that an engine needs.
func (s *Stores) validate(bad *problems) {
	for _, store := range []struct {
		name    string
		missing bool
	}{{"Baselines", s.Baselines == nil}, {"Plans", s.Plans == nil}, {"Runs", s.Runs == nil},
		{"Journal", s.Journal == nil}, {"Leases", s.Leases == nil}, {"Outbox", s.Outbox == nil}} {
		if store.missing {
			bad.add("stores."+store.name, "is missing")
		}
	}
}

// ConfigStore keeps saved configurations.
type ConfigStore interface {
	// LoadConfig returns a configuration, or an error that wraps ErrNotFound.
	LoadConfig(ctx context.Context, id string) (Config, error)
	// Configs returns all configurations, by name and then by id, compared as bytes.
	Configs(ctx context.Context) ([]Config, error)
	// SaveConfig stores cfg as it is, Revision included, if the stored one has revision ifRevision, 0 for
	// a configuration that must not exist yet. Otherwise the error wraps ErrEdited (another revision),
	// ErrDuplicate (0, and it exists) or ErrNotFound.
	SaveConfig(ctx context.Context, cfg Config, ifRevision int64) error
	// DeleteConfig removes a configuration with its baseline, plans, runs, journals, mails and imports. While a
	// run of it holds the lease, the error is an *InProgressError. (P3)
	DeleteConfig(ctx context.Context, id string) error
}

// PlanStore keeps plans in their stored form, which only this library reads: a record and parts.
type PlanStore interface {
	// SavePlan stores a plan with all its parts, which replace earlier ones, as one step. The stored plan
	// must have edition rec.Edition-1, which is 0 for one that does not exist; otherwise, and once StartRun
	// has stored a run of it, the error wraps ErrEdited. An error that parts yields is returned.
	SavePlan(ctx context.Context, rec PlanRecord, parts iter.Seq2[[]byte, error]) error
	// LoadPlan returns the record of a plan, or an error that wraps ErrNotFound.
	LoadPlan(ctx context.Context, id string) (PlanRecord, error)
	// PlanParts returns up to n parts of a plan of that edition, from part first (0 is the first), fewer
	// at the end. The error wraps ErrEdited where the plan has another edition, ErrNotFound where it is
	// gone.
	PlanParts(ctx context.Context, id string, edition, first, n int) ([][]byte, error)
	// DeletePlans removes the plans that no run was made of and whose Expires is before a time, with their
	// mails, and returns how many there were.
	DeletePlans(ctx context.Context, before time.Time) (int, error)
}

// RunStore keeps runs. A run ends, and its baseline becomes true, in one step.
type RunStore interface {
	// StartRun stores a run that begins, or one of the same id that goes on. A run has the id of its plan,
	// since a plan is applied once. The error wraps ErrEdited if the plan is not stored with edition
	// rec.PlanEdition, and ErrLeaseLost if the lease is not held any more.
	StartRun(ctx context.Context, l Lease, rec RunRecord) error
	// FinishRun stores the end of a run, its results, and, where end.Baseline is not nil, the baseline of
	// the configuration, and lets the lease go, all as one step. If end.Final the journal of the run is
	// not needed any more and may be removed. The error wraps ErrLeaseLost if the lease is not held any
	// more.
	FinishRun(ctx context.Context, l Lease, end RunEnd) error
	// Runs returns the runs that fit, the newest first (by Started, then by ID). The status of a run that
	// is RunRunning and whose lease is neither held nor fresh is given as RunInterrupted.
	Runs(ctx context.Context, q RunQuery) ([]RunRecord, error)
	// DeleteRuns removes the runs that ended before a time, with their plans, results, journals and
	// mails, and returns how many there were. A configuration's newest run stays, and so does a run that
	// is under way, interrupted, or has mails that are queued or being sent.
	DeleteRuns(ctx context.Context, before time.Time) (int, error)
}

// Journal keeps what a run does while it does it, and, afterwards, what became of its rows.
type Journal interface {
	// Append adds an entry to the journal of the lease's run and queues its mails, as one step. The
	// numbers of entries grow; one that is there already is an error that wraps ErrDuplicate. The error
	// wraps ErrLeaseLost if the lease is not held any more.
	Append(ctx context.Context, l Lease, e JournalEntry) error
	// Entries returns the journal of a run by number, without the mails; none for a run without one.
	Entries(ctx context.Context, runID string) ([]JournalEntry, error)
	// Results returns n parts of the results that FinishRun stored, from part first: each as it was
	// given, nil for a part that was not.
	Results(ctx context.Context, runID string, first, n int) ([][]byte, error)
}

// JointJournal is an optional ability of a Journal: to write users and the journal in one transaction,
// where both are in one database. Then no batch is ever in doubt. (A5)
type JointJournal interface {
	// Joins tells whether WriteJointly can write to a store of users.
	Joins(users UserStore) bool
	// WriteJointly is users.WriteUsers and Append in one transaction: entry gives what to append, of the
	// outcomes; an error of it undoes everything and is returned. Idempotency keys need not be
	// remembered: what is in the journal is not tried again.
	WriteJointly(ctx context.Context, l Lease, users UserStore, changes []Change,
		entry func([]Outcome) (JournalEntry, error)) ([]Outcome, error)
}

// LeaseStore sees to it that one run at a time works on a configuration, across processes. Whoever holds
// a lease renews it; one that was not renewed in time can be taken over. The time is the store's own. Whoever works
// on the imports of a configuration holds the lease of a name made of its id, which no configuration has; the run is
// the import.
type LeaseStore interface {
	// Acquire gives the lease of a configuration to a run for the time of ttl, with a token that is higher
	// than any before it for that configuration. While another holder's lease is fresh, also one of the
	// same run, the error is an *InProgressError with that run's id.
	Acquire(ctx context.Context, configID, runID string, ttl time.Duration) (Lease, error)
	// Renew makes the lease fresh for the time of ttl, even if it had run out but nobody has taken it,
	// and tells whether somebody has asked for the run to be cancelled. The error wraps ErrLeaseLost if
	// another has taken it or it was let go.
	Renew(ctx context.Context, l Lease, ttl time.Duration) (cancel bool, err error)
	// Release lets the lease go. One that is not held any more is no error.
	Release(ctx context.Context, l Lease) error
	// Cancel asks the holder to end the run. The error wraps ErrNotFound if the run has no fresh lease.
	Cancel(ctx context.Context, runID string) error
}

// Outbox keeps what is to be sent: the invitations of new users, which Journal.Append queues in the same step
// as the creation becomes known, the notices that FinishRun queues, and what people ask for. (A8)
type Outbox interface {
	// QueueMails stores new mails, all or none. A key that is there already is an error that wraps
	// ErrDuplicate.
	QueueMails(ctx context.Context, mails []Mail) error
	// Mails returns the mails that fit, in the order in which they were queued.
	Mails(ctx context.Context, q MailQuery) ([]Mail, error)
	// MoveMail stores m if the state of the stored mail of that key is from; otherwise the error wraps
	// ErrEdited, or ErrNotFound if there is none.
	MoveMail(ctx context.Context, m Mail, from MailState) error
}

// Lease is the right to work on a configuration. The zero Lease is none.
type Lease struct {
	ConfigID string `json:"configId"`
	RunID    string `json:"runId"`
	Token    int64  `json:"token"` // grows with every holder: a store refuses those with an older one
}

// PlanRecord is a stored plan without its rows.
type PlanRecord struct {
	ID             string    `json:"id"`
	ConfigID       string    `json:"configId"`
	ConfigRevision int64     `json:"configRevision"`
	BaselineRun    string    `json:"baselineRun,omitempty"`
	Actor          Actor     `json:"actor,omitzero"`
	File           string    `json:"file,omitempty"`   // name of the upload
	SHA256         string    `json:"sha256,omitempty"` // of the upload, hexadecimal
	Undoes         string    `json:"undoes,omitempty"` // the run that the plan takes back
	Created        time.Time `json:"created"`
	Expires        time.Time `json:"expires"` // from then on it cannot be applied
	Edition        int       `json:"edition"` // 1 at first, one more with every decision
	Counts         Counts    `json:"counts"`
	Head           []byte    `json:"head"` // JSON, only this library's to read
}

// RunRecord is a stored run without its rows.
type RunRecord struct {
	ID             string `json:"id"` // that of the plan
	PlanEdition    int    `json:"planEdition"`
	ConfigID       string `json:"configId"`
	ConfigName     string `json:"configName"`
	ConfigRevision int64  `json:"configRevision"`
	Actor          Actor  `json:"actor,omitzero"`
	File           string `json:"file,omitempty"`
	SHA256         string `json:"sha256,omitempty"`
	Undoes         string `json:"undoes,omitempty"`
	// Added are the fields that the run has added for all users.
	Added []Field `json:"added,omitempty"`
	// Options are those of the Apply that began the run; a Resume keeps to them.
	Options RunOptions `json:"options,omitzero"`
	Started time.Time  `json:"started"`
	// Finished is the zero time while the run is under way or interrupted.
	Finished time.Time `json:"finished,omitzero"`
	Status   RunStatus `json:"status"`
	// Error is why the run ended early, in the words of Run.Err.
	Error  string    `json:"error,omitempty"`
	Counts RunCounts `json:"counts"`
	// CreatedReferences are the things, such as groups, that the run has created; see Run.CreatedReferences.
	CreatedReferences []ReferenceName `json:"createdReferences,omitempty"`
}

// RunOptions are what a run was begun with.
type RunOptions struct {
	WelcomeMail bool     `json:"welcomeMail,omitempty"` // mails are sent
	WelcomeText bool     `json:"welcomeText,omitempty"` // text messages are sent
	Notify      []string `json:"notify,omitempty"`      // addresses that are told of the end
	Confirmed   *int     `json:"confirmed,omitempty"`   // deactivations that a person confirmed
	SkipStale   bool     `json:"skipStale,omitempty"`
	StopOnError bool     `json:"stopOnError,omitempty"`
}

// RunEnd is the end of a run.
type RunEnd struct {
	Run RunRecord
	// Baseline is what the configuration's baseline becomes, nil to leave it as it is.
	Baseline *Baseline
	// Results are what became of the rows, in parts by number. They replace earlier ones.
	Results map[int][]byte
	// Mails are queued in the same step.
	Mails []Mail
	// Final runs are not resumed.
	Final bool
}

// RunQuery picks runs. Fields with their zero value pick all.
type RunQuery struct {
	ID       string
	ConfigID string
	Status   []RunStatus
	Skip     int // so many of those that fit are left out
	Limit    int // so many are returned at most, 0 for all
}

// JournalEntry is one step of a run as its journal has it.
type JournalEntry struct {
	Number int    `json:"number"`
	Data   []byte `json:"data"` // JSON, only this library's to read
	Mails  []Mail `json:"-"`
}

// MailState says how a mail stands.
type MailState string

// The states of mails.
const (
	MailQueued  MailState = "queued"  // to be sent, once it is Due; the note says why it was not so far
	MailSending MailState = "sending" // handed to the mailer, which has not answered
	MailSent    MailState = "sent"
	MailFailed  MailState = "failed"  // refused, or tried too often; the note says why
	MailUnknown MailState = "unknown" // it is not known whether it was sent: a person decides
	MailDropped MailState = "dropped" // given up, or not wanted any more; the note says why
)

// Mail is a mail or a text message in the outbox. The text, and a new user's address, are made when it is sent.
type Mail struct {
	Key      string      `json:"key"` // idempotency key, unique
	Kind     MessageKind `json:"kind"`
	RunID    string      `json:"runId"` // or the id of a plan that was not applied
	ConfigID string      `json:"configId"`
	UserID   string      `json:"userId,omitempty"` // of an invitation
	Name     string      `json:"name,omitempty"`   // of an invitation: the user's key field, to show
	Row      int         `json:"row,omitempty"`    // of an invitation: of the file
	To       string      `json:"to,omitempty"`     // address of another message
	State    MailState   `json:"state"`
	Tries    int         `json:"tries,omitempty"`
	Note     string      `json:"note,omitempty"`
	Queued   time.Time   `json:"queued"`
	Changed  time.Time   `json:"changed"`
	// Due is, of a queued mail, when it is to be sent; of one that is being sent, when whoever does that is taken
	// for dead. It is the zero time for at once.
	Due time.Time `json:"due,omitzero"`
	// Holder is the run's lease with which a run sends the mail, 0 for none.
	Holder int64 `json:"holder,omitempty"`
}

// MailQuery picks mails. Fields with their zero value pick all.
type MailQuery struct {
	Key      string
	RunID    string
	ConfigID string
	States   []MailState
	Due      time.Time // only mails that are due at that time or before
	Skip     int
	Limit    int // 0 for all
}
