package usersync

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Design note: imports in the background.
//
// An import is an upload that is kept until it was applied: a record, which says how far it is, and the file.
// Start stores it; whichever process dispatches (dispatch.go) takes it and works it off (importwork.go): check,
// which is a preview whose plan is stored, and apply, which is a run. What needs a person stops it.
//
//	            ┌────────────── ContinueImport, ReplaceFile ─────────────┐
//	Start ─▶ queued ─▶ checking ─▶ applying ─▶ done                      │
//	            │          ├───────────┴─────▶ intervention, failed ─────┘
//	            └──────────┴─ CancelImport ──▶ cancelled
//
// Every step is one write of the record over the edition that was read, so that of two at once one wins. One
// process at a time works on the imports of a configuration: it holds a lease, of which the token stands in the
// record, so that one that has lost the lease stores nothing more.

// ImportStatus says how an import stands.
type ImportStatus string

// The statuses of an import.
const (
	ImportQueued   ImportStatus = "queued"   // waits for a worker, or for another run of its configuration to end
	ImportChecking ImportStatus = "checking" // is being read and compared
	// ImportIntervention needs a person: Code and Problem say what for. Continue it, replace its file, or
	// cancel it.
	ImportIntervention ImportStatus = "intervention"
	ImportApplying     ImportStatus = "applying" // is being written
	ImportDone         ImportStatus = "done"
	// ImportFailed was ended by an error that a person can look at and that may pass: continue it, or
	// delete it.
	ImportFailed    ImportStatus = "failed"
	ImportCancelled ImportStatus = "cancelled"
)

// Why an import needs a person: the Code of an Import. A file that was refused has the code of its FileError.
const (
	ImportBadRows   = "bad_rows"  // rows have errors: go on without them, or replace the file
	ImportConflicts = "conflicts" // fields wait for a decision: see Service.Decide
	ImportGuard     = "guard"     // so many deactivations have to be confirmed
	ImportSeats     = "seats"     // there are not enough seats
	ImportReview    = "review"    // it was started with Review
	ImportMoved     = "moved"     // what a person had agreed to, or what was begun, has become another plan
	ImportPaused    = "paused"    // the configuration is paused
	ImportInvalid   = "invalid"   // the configuration, or how the service is set up, is not valid
	ImportError     = "error"     // a store or another part of the product failed
)

// Import is an upload that is worked off in the background. Its plan and its run have one id.
type Import struct {
	ID         string       `json:"id"`
	ConfigID   string       `json:"configId"`
	ConfigName string       `json:"configName"`
	Actor      Actor        `json:"actor,omitzero"` // who has started it
	Comment    string       `json:"comment,omitempty"`
	File       ImportFile   `json:"file"`
	Status     ImportStatus `json:"status"`
	// Code and Problem say, of an import that needs a person or has failed, why; in Problem a line each.
	Code    string        `json:"code,omitempty"`
	Problem string        `json:"problem,omitempty"`
	Options ImportOptions `json:"options,omitzero"`
	PlanID  string        `json:"planId,omitempty"` // "" as long as there is none
	Plan    Counts        `json:"plan,omitzero"`
	Run     RunCounts     `json:"run,omitzero"`
	Read    int           `json:"read,omitempty"` // rows read so far, now and then while it is being checked
	// Agreed is the plan that a person has continued with, and AgreedBy who that was. Another plan is not
	// applied before a person has seen it.
	Agreed   string `json:"agreed,omitempty"`
	AgreedBy Actor  `json:"agreedBy,omitzero"`
	// AgreedEdition is the edition of that plan: if it is decided otherwise afterwards, the person is asked again.
	AgreedEdition int `json:"agreedEdition,omitempty"`
	// Cancelling tells that somebody has cancelled the import while it is worked on.
	Cancelling bool      `json:"cancelling,omitempty"`
	Rechecks   int       `json:"rechecks,omitempty"` // how often it was checked anew because something had moved
	Created    time.Time `json:"created"`
	Changed    time.Time `json:"changed"`
	Finished   time.Time `json:"finished,omitzero"` // when it was done, has failed or was cancelled
	Edition    int       `json:"edition"`           // 1 at first, one more with every change
	// Holder is the token of the lease with which a worker has it, 0 for none.
	Holder int64 `json:"holder,omitempty"`
}

// ImportFile is the upload of an import.
type ImportFile struct {
	Name   string `json:"name,omitempty"`
	Format string `json:"format"` // "xlsx" or "csv"
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // hexadecimal
	// Sheet, Encoding and Delimiter are what the source was given, "" for what is told from the file.
	Sheet     string `json:"sheet,omitempty"`
	Encoding  string `json:"encoding,omitempty"`
	Delimiter string `json:"delimiter,omitempty"`
	// Upload names this upload of the import, Parts is how many parts are stored: 0 once it is not needed any
	// more. The parts of a schema with secret fields are Sealed.
	Upload string `json:"upload"`
	Parts  int    `json:"parts"`
	Sealed bool   `json:"sealed,omitempty"`
}

// ImportOptions are what an import is started with.
type ImportOptions struct {
	SkipBadRows bool `json:"skipBadRows,omitempty"` // go on without the rows that have errors, and ask nobody
	Review      bool `json:"review,omitempty"`      // stop after the check in any case, so that a person looks at the plan
	// WelcomeMail and WelcomeText invite new users, or not; nil is as the configuration says.
	WelcomeMail *bool    `json:"welcomeMail,omitempty"`
	WelcomeText *bool    `json:"welcomeText,omitempty"`
	Notify      []string `json:"notify,omitempty"`    // addresses that are told of the run's end, see Notify
	Confirmed   *int     `json:"confirmed,omitempty"` // see ConfirmDeactivations
	SkipStale   bool     `json:"skipStale,omitempty"` // see SkipStale
	Fields      []Field  `json:"fields,omitempty"`    // added with the run, see AddFields
}

// ImportQuery picks imports. Fields with their zero value pick all.
type ImportQuery struct {
	ID          string
	ConfigID    string
	Status      []ImportStatus
	EndedBefore time.Time // only those whose Finished is set and before it
	OldestFirst bool
	Skip        int // so many of those that fit are left out
	Limit       int // so many are returned at most, 0 for all
}

// ImportStore keeps imports: a record, and the upload in parts.
type ImportStore interface {
	// SaveImport stores imp over the stored one, which must have edition imp.Edition-1, that is 0 for one
	// that does not exist; otherwise the error wraps ErrEdited. With a file, its parts replace the earlier
	// ones in the same step, none if it yields none; nil leaves them as they are. An error that it yields
	// is returned. The parts have at most half a MiB. It may be ranged over several times.
	SaveImport(ctx context.Context, imp Import, file iter.Seq2[[]byte, error]) error
	// Imports returns the imports that fit, the newest first (by Created, then by ID).
	Imports(ctx context.Context, q ImportQuery) ([]Import, error)
	// ImportParts returns up to n parts of the file, from part first (0 is the first), fewer at the end.
	// The error wraps ErrNotFound where there is no such import.
	ImportParts(ctx context.Context, id string, first, n int) ([][]byte, error)
	// DeleteImport removes an import with its parts. The error wraps ErrEdited where it has another edition,
	// ErrNotFound where there is none.
	DeleteImport(ctx context.Context, id string, edition int) error
}

// ImportStateError refuses what cannot be done with an import as it stands.
type ImportStateError struct {
	ID     string
	Status ImportStatus
	Doing  string // such as "continued"
}

// Error names the status.
func (e *ImportStateError) Error() string {
	return fmt.Sprintf("%v: import %s %s and cannot be %s", ErrInvalid, e.ID, e.Status.words(), e.Doing)
}

// Unwrap gives ErrInvalid.
func (e *ImportStateError) Unwrap() error { return ErrInvalid }

// words say how an import stands.
func (s ImportStatus) words() string {
	switch s {
	case ImportChecking:
		return "is being checked"
	case ImportIntervention:
		return "requires intervention"
	case ImportApplying:
		return "is being applied"
	case ImportFailed:
		return "has failed"
	case ImportCancelled:
		return "was cancelled"
	}
	return "is " + string(s)
}

// StartOption changes an import that is being started.
type StartOption interface{ start(*Import) }

type startOption func(*Import)

func (f startOption) start(imp *Import) { f(imp) }

// WithComment notes something on an import, for those who look at the list.
func WithComment(text string) StartOption {
	return startOption(func(imp *Import) { imp.Comment = text })
}

// WithImportOptions says how an import goes on once it was checked.
func WithImportOptions(o ImportOptions) StartOption {
	return startOption(func(imp *Import) { imp.Options = o.clone() })
}

func (o ImportOptions) clone() ImportOptions {
	o.Notify, o.Fields = slices.Clone(o.Notify), slices.Clone(o.Fields)
	return o
}

// maxComment is how many characters a comment may have.
const maxComment = 4000

// ends tells that nothing more is done with an import of that status, unless a person wants it.
func (s ImportStatus) ends() bool {
	return s == ImportDone || s == ImportFailed || s == ImportCancelled
}

// IsOpen tells that a worker is at it, or will be: nothing is asked of a person, and it has not ended.
func (s ImportStatus) IsOpen() bool { return slices.Contains(openImports(), s) }

func openImports() []ImportStatus {
	return []ImportStatus{ImportQueued, ImportChecking, ImportApplying}
}

// Start takes an upload, to be imported in the background, and returns at once: the import is queued, and
// worked off by whichever process calls Dispatch or RunImport. The source is read to its end and stored.
// Refused at once are an unknown or paused configuration, options that are not valid, and, with a
// *FileError, an upload that is too large or not a workbook or CSV file. (R2, R3)
//
// The upload of a schema with secret fields is stored sealed, and refused without WithSecretKey. It is
// removed when the import is done or cancelled. (A10)
func (s *Service) Start(ctx context.Context, configID string, src Source, opts ...StartOption) (Import, error) {
	cfg, err := s.importing(ctx, configID)
	if err != nil {
		return Import{}, err
	}
	imp := Import{ID: rand.Text(), ConfigID: cfg.ID, ConfigName: cfg.Name, Status: ImportQueued, Created: s.eng.now()}
	for _, opt := range opts {
		opt.start(&imp)
	}
	if err := s.validateImport(&imp); err != nil {
		return Import{}, err
	}
	up, err := s.upload(ctx, cfg, src)
	if err != nil {
		return Import{}, err
	}
	defer s.closeUpload(ctx, up)
	imp.File = up.file
	if err := s.saveImport(ctx, &imp, up.parts(s.eng.seal, imp.ID)); err != nil {
		return Import{}, err
	}
	s.desk.ring()
	return imp, nil
}

// importing is the configuration that a file is to be imported for, if it can be.
func (s *Service) importing(ctx context.Context, configID string) (Config, error) {
	if err := s.hasImports(); err != nil {
		return Config{}, err
	}
	cfg, err := s.Config(ctx, configID)
	switch {
	case err != nil:
		return Config{}, err
	case cfg.Paused:
		return Config{}, fmt.Errorf("%w: resume %q first", ErrPaused, cfg.Name)
	}
	return cfg, s.validate(ctx, cfg)
}

func (s *Service) hasImports() error {
	if s.stores.Imports == nil {
		return fmt.Errorf("%w: to import in the background, the service needs stores.Imports", ErrInvalid)
	}
	return nil
}

func (s *Service) validateImport(imp *Import) error {
	var bad problems
	validateAddresses("notify", imp.Options.Notify, &bad)
	if len(imp.Options.Notify) > 0 && !s.eng.canSend(MessageEnded) {
		bad.add("notify", "needs a Mailer that is a Messenger")
	}
	if n := imp.Options.Confirmed; n != nil && *n < 0 {
		bad.add("confirmed", "cannot be negative")
	}
	if len(imp.Options.Fields) > 0 && s.eng.fieldStore == nil {
		bad.add("fields", "needs WithFieldStore")
	}
	for _, f := range imp.Options.Fields {
		checkAdded(f, "fields."+f.Name, &bad)
	}
	validateComment(imp.Comment, &bad)
	return bad.err("import")
}

func validateComment(text string, bad *problems) {
	if utf8.RuneCountInString(text) > maxComment || !utf8.ValidString(text) {
		bad.add("comment", "must be text of at most %d characters", maxComment)
	}
}

// Imports returns imports, the newest first: the list of all processes.
func (s *Service) Imports(ctx context.Context, q ImportQuery) (all []Import, err error) {
	if err := s.hasImports(); err != nil {
		return nil, err
	}
	defer calling("ImportStore.Imports", &err)
	if all, err = s.stores.Imports.Imports(ctx, q); err != nil {
		return nil, fmt.Errorf("usersync: imports: %w", err)
	}
	return all, nil
}

// Import returns an import as it stands now.
func (s *Service) Import(ctx context.Context, id string) (Import, error) {
	all, err := s.Imports(ctx, ImportQuery{ID: id, Limit: 1})
	if err == nil && (id == "" || len(all) == 0) {
		err = fmt.Errorf("usersync: import %q: %w", id, ErrNotFound)
	}
	if err != nil {
		return Import{}, err
	}
	return all[0], nil
}

// ImportProgress says how far an import is.
type ImportProgress struct {
	Status ImportStatus `json:"status"`
	// Done counts the rows that were read, while the import is being checked, and the changes that have an
	// outcome, while it is applied and afterwards.
	Done  int `json:"done"`
	Total int `json:"total"` // 0 while it is not known
}

// ImportProgress tells how far an import is, in whichever process it is worked on.
func (s *Service) ImportProgress(ctx context.Context, id string) (ImportProgress, error) {
	imp, err := s.Import(ctx, id)
	if err != nil {
		return ImportProgress{}, err
	}
	p := ImportProgress{Status: imp.Status, Done: imp.Read}
	if job := s.desk.job(id); job != nil && imp.PlanID == "" {
		p.Done = max(p.Done, int(job.read.Load()))
	}
	if imp.PlanID == "" {
		return p, nil
	}
	p.Done, p.Total, err = s.Progress(ctx, imp.PlanID)
	if errors.Is(err, ErrNotFound) { // no run has begun, or it is not kept any more
		p.Done, p.Total, err = 0, imp.Plan.New+imp.Plan.Updated+imp.Plan.Deactivated, nil
	}
	return p, err
}

// changeImport changes an import as it is stored, anew where another is faster.
func (s *Service) changeImport(ctx context.Context, id string, change func(*Import) error) (Import, error) {
	for try := 1; ; try++ {
		imp, err := s.Import(ctx, id)
		if err == nil {
			err = change(&imp)
		}
		if err != nil {
			return Import{}, err
		}
		if err = s.saveImport(ctx, &imp, nil); err == nil {
			return imp, nil
		}
		if !errors.Is(err, ErrEdited) || try == attempts {
			return Import{}, err
		}
	}
}

// saveImport stores an import as its next edition. The file of one that is done or cancelled goes with it.
func (s *Service) saveImport(ctx context.Context, imp *Import, file iter.Seq2[[]byte, error]) (err error) {
	imp.Edition++
	imp.Changed = s.eng.now()
	if imp.Status.ends() && imp.Status != ImportFailed && imp.File.Parts > 0 {
		imp.File.Parts, file = 0, func(func([]byte, error) bool) {}
	}
	defer calling("ImportStore.SaveImport", &err)
	if err := s.stores.Imports.SaveImport(ctx, *imp, file); err != nil {
		return fmt.Errorf("usersync: storing import %s: %w", imp.ID, err)
	}
	return nil
}

// shownError is the text of an error for a screen.
func shownError(err error) string { return strings.TrimPrefix(recorded(err), "usersync: ") }
