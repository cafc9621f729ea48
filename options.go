package usersync

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Option sets up an Engine or a Previewer.
type Option func(*options)

type options struct {
	schema     Schema
	mailer     Mailer
	texter     Texter
	elsewhere  []string // domains of addresses
	retries    Retries
	mailTime   time.Duration
	pauses     Retries // of imports
	license    licensing
	references References
	protected  func(context.Context, User) (bool, error)
	authorize  func(context.Context, Actor, User, string) error
	fieldStore FieldStore
	log        *slog.Logger
	progress   func(Progress)
	now        func() time.Time
	batch      int
	limits     Limits
	stores     *Stores
	leaseTime  time.Duration
	planTime   time.Duration
	secretKey  []byte
	seal       *sealer
}

// defaults are the options of an engine that was given none.
func defaults() options {
	return options{
		schema:   DefaultSchema(),
		log:      slog.New(slog.DiscardHandler),
		progress: func(Progress) {},
		now:      time.Now,
		batch:    1000,
		limits:   DefaultLimits(),

		leaseTime: 30 * time.Second,
		planTime:  24 * time.Hour,
		retries:   Retries{Tries: 10, First: time.Minute, Longest: 6 * time.Hour},
		mailTime:  2 * time.Minute,
		pauses:    Retries{Tries: 4, First: time.Second, Longest: time.Minute},
	}
}

// WithSchema sets the fields of users, instead of DefaultSchema.
func WithSchema(s Schema) Option { return func(o *options) { o.schema = s } }

// WithMailer sets who sends welcome mails. Without one, or with nil, nobody is welcomed.
func WithMailer(m Mailer) Option { return func(o *options) { o.mailer = m } }

// WithTexter sets who invites new users by phone. Without one, or with nil, nobody is.
func WithTexter(t Texter) Option { return func(o *options) { o.texter = t } }

// WithSSODomains names domains whose users sign in elsewhere, for stores that cannot tell ([User.SSO]): users
// whose address is there are not invited. "example.com" is that domain alone, ".example.com" all domains below
// it. Unicode and punycode (RFC 5891) are the same. Whoever calls DeliverMails needs the same domains.
func WithSSODomains(domains ...string) Option { return func(o *options) { o.elsewhere = domains } }

// WithMailRetries sets how often a mail is tried. It matters only with WithRuns.
func WithMailRetries(r Retries) Option { return func(o *options) { o.retries = r } }

// WithMailTime sets how long it may take to send one mail, by default 2 minutes: then its context ends. One that
// was begun twice that time ago and has no end was begun by a process that is gone; the clocks of the processes must
// not be further apart than this time.
func WithMailTime(d time.Duration) Option { return func(o *options) { o.mailTime = d } }

// WithImportRetries sets how often an import in the background is tried, without a person, when a store or
// another part of the product fails: by default 4 times, after 1, 2 and 4 seconds.
func WithImportRetries(r Retries) Option { return func(o *options) { o.pauses = r } }

// Retries says how often something is tried, and how long after one try the next follows: First, then twice
// as long each time, but no more than Longest. Mails by default 10 times, after 1 minute and up to 6 hours:
// 8½ hours in all.
type Retries struct {
	Tries          int // 1 or more
	First, Longest time.Duration
}

// after is how long to wait after so many tries.
func (r Retries) after(tries int) time.Duration {
	d := r.First
	for i := 1; i < tries && d < r.Longest; i++ {
		d *= 2
	}
	return min(d, r.Longest)
}

// WithLicense sets who counts seats, and what else of [SeatReserver] and [SeatPools] the checker is able to do.
// Without one, or with nil, seats are unlimited.
func WithLicense(l LicenseChecker) Option { return func(o *options) { o.license = abilities(l) } }

// WithReferences sets who finds the things, such as groups, that fields with Refers name, and, as a
// [ReferenceCreator], creates them. A schema with such fields needs it.
func WithReferences(r References) Option { return func(o *options) { o.references = r } }

// WithProtected names users who must never be deactivated, beside the acting one. It is asked about the
// users whom a plan would deactivate, once at the preview and once more before they are. An error ends
// the preview or the run.
func WithProtected(protected func(ctx context.Context, u User) (bool, error)) Option {
	return func(o *options) { o.protected = protected }
}

// WithAuthorizer sets who may write what. It is asked, at the preview and again before the run writes,
// for every field of every user that would be written; u is the zero User for one to be created, and
// field is the schema's status field for a change of status. An error refuses the row and its text is
// shown beside it.
func WithAuthorizer(allow func(ctx context.Context, by Actor, u User, field string) error) Option {
	return func(o *options) { o.authorize = allow }
}

// WithFieldStore keeps fields that are added to the schema while the product runs: plans then offer columns that
// belong to no field as new ones ([Plan.NewFields]), and AddFields adds them. The store of users must take their
// values. Without one, or with nil, such columns are only listed.
func WithFieldStore(s FieldStore) Option { return func(o *options) { o.fieldStore = s } }

// WithLogger sets where the engine logs. Values of users are never logged. Keys: config, plan, run,
// stage, error and counts. The default discards.
func WithLogger(l *slog.Logger) Option { return func(o *options) { o.log = l } }

// WithProgress sets who is told how far a preview or a run has come. It is called by one goroutine at a
// time for each of them, at least once a stage and after every batch, and must return soon. A panic in it
// is logged and changes nothing.
func WithProgress(tell func(Progress)) Option { return func(o *options) { o.progress = tell } }

// WithClock sets the time of plans and runs, instead of time.Now.
func WithClock(now func() time.Time) Option { return func(o *options) { o.now = now } }

// WithBatchSize sets how many users the engine looks up or writes in one call: 1 to 10,000, by default
// 1,000.
func WithBatchSize(n int) Option { return func(o *options) { o.batch = n } }

// WithLimits sets what an upload may cost. A zero field keeps its default.
func WithLimits(l Limits) Option { return func(o *options) { o.limits = l } }

// WithRuns keeps runs and their plans in stores, so that they survive the process: Apply writes a journal
// and can be resumed, and one run at a time works on a configuration, whichever process it is in. The
// engine's baselines must be stores.Baselines. Configs may be nil; see [NewService].
func WithRuns(stores Stores) Option { return func(o *options) { o.stores = &stores } }

// WithLeaseTime sets after how long a run whose process is gone can be resumed or overtaken: at least
// 100 milliseconds, by default 30 seconds. It matters only with WithRuns.
func WithLeaseTime(d time.Duration) Option { return func(o *options) { o.leaseTime = d } }

// WithPlanTime sets how long after its preview a plan can be applied, by default 24 hours. It matters only
// with WithRuns.
func WithPlanTime(d time.Duration) Option { return func(o *options) { o.planTime = d } }

// WithSecretKey sets the key, of 32 bytes, with which the values of secret fields are sealed in stored
// plans. Without it a plan with such values cannot be stored. A plan that was stored with another key
// cannot be applied any more. It matters only with WithRuns.
func WithSecretKey(key []byte) Option {
	return func(o *options) { o.secretKey = slices.Clone(key) }
}

// Progress says how far a preview or a run has come.
type Progress struct {
	PlanID string
	RunID  string // "" during a preview
	Stage  Stage
	Done   int
	Total  int // 0 while it is not known
}

// Stage is what a preview or a run is doing.
type Stage string

// The stages, in their order.
const (
	StageRead       Stage = "read"       // reading rows and looking their users up
	StageCheck      Stage = "check"      // looking up who left the file, managers and seats
	StageVerify     Stage = "verify"     // looking whether anything moved since the preview
	StageDeactivate Stage = "deactivate" // writing deactivations
	StageUpdate     Stage = "update"     // writing updates and activations
	StageCreate     Stage = "create"     // writing creations
	StageLink       Stage = "link"       // writing references to users that were created
	StageMail       Stage = "mail"       // sending welcome mails
	StageFinish     Stage = "finish"     // saving the baseline
)

// PreviewOption changes one preview.
type PreviewOption interface{ preview(*previewOptions) }

// ApplyOption changes one run.
type ApplyOption interface{ apply(*applyOptions) }

type previewOptions struct {
	actor  Actor
	fields []Field        // that are to be added
	told   func(rows int) // how many rows were read so far
}

type applyOptions struct {
	actor     *Actor
	confirmed *int
	mail      *bool
	text      *bool
	notify    []string
	skipStale bool
	stopFirst bool
	current   *Config
	file      string
	edition   int                         // that the stored plan must have, 0 for any
	accepted  func(context.Context) error // called before the first write
}

// By says on whose behalf a preview, a run or an import is made. A run's actor is by default that of its
// preview.
func By(a Actor) interface {
	PreviewOption
	ApplyOption
	StartOption
} {
	return byOption(a)
}

type byOption Actor

func (a byOption) preview(o *previewOptions) { o.actor = Actor(a) }
func (a byOption) apply(o *applyOptions)     { o.actor = (*Actor)(&a) }
func (a byOption) start(imp *Import)         { imp.Actor = Actor(a) }

type previewOption func(*previewOptions)

func (f previewOption) preview(o *previewOptions) { f(o) }

// AddFields adds fields for all users, as [Plan.NewFields] offers them, or edited. The preview works with them,
// but they are added only when its plan is applied: before the first user is written, all of them or none, and
// also if no user is written. Applying is refused with a *StaleError where such a name or header was taken meanwhile.
// Undoing the run leaves them there.
//
// Each has a column of its own in the file. It may be of any kind but KindUser, and a list; it cannot be required,
// unique, secret or a match field, name things of the product, nor have a Check or a Canonical. Its name has from 1 to 60 letters, digits, _ and -, the first
// of them a letter. One that was added already, just so, is no new field and no error. Otherwise the
// error is an *InvalidError that lists all that is wrong. It needs WithFieldStore.
func AddFields(fields ...Field) PreviewOption {
	fields = slices.Clone(fields)
	return previewOption(func(o *previewOptions) { o.fields = append(o.fields, fields...) })
}

type applyOption func(*applyOptions)

func (f applyOption) apply(o *applyOptions) { f(o) }

// ConfirmDeactivations lets a plan pass its guard: n is the exact number of users that it makes
// inactive, Counts.Deactivations, as a person has confirmed it. Another number is refused.
func ConfirmDeactivations(n int) ApplyOption {
	return applyOption(func(o *applyOptions) { o.confirmed = &n })
}

// WithWelcomeMail sends welcome mails, or not, whatever the configuration says.
func WithWelcomeMail(on bool) ApplyOption { return applyOption(func(o *applyOptions) { o.mail = &on }) }

// WithWelcomeText invites new users by phone, or not, whatever the configuration says.
func WithWelcomeText(on bool) ApplyOption { return applyOption(func(o *applyOptions) { o.text = &on }) }

// Notify names addresses that get a mail when the run has come to its end, beside those of the configuration.
// It needs WithRuns and a Mailer that is a Messenger: without, the error is an *InvalidError.
func Notify(to ...string) ApplyOption {
	return applyOption(func(o *applyOptions) { o.notify = append(o.notify, to...) })
}

// SkipStale leaves out the rows whose users moved since the preview, instead of refusing the run.
func SkipStale() ApplyOption { return applyOption(func(o *applyOptions) { o.skipStale = true }) }

// StopOnError ends the run after the first batch in which a row fails, instead of going on with the
// others. The baseline stays as it was.
func StopOnError() ApplyOption { return applyOption(func(o *applyOptions) { o.stopFirst = true }) }

// IfCurrent refuses the run with ErrPaused or ErrPlanStale unless cfg, the configuration as it is saved
// now, is neither paused nor edited since the preview.
func IfCurrent(cfg Config) ApplyOption {
	return applyOption(func(o *applyOptions) { o.current = &cfg })
}

// IfFile refuses the run with ErrPlanStale unless the plan was made of the file with that SHA-256,
// hexadecimal, as in SourceInfo.
func IfFile(sha256 string) ApplyOption {
	return applyOption(func(o *applyOptions) { o.file = sha256 })
}

func (r Retries) validate(path string, bad *problems) {
	if r.Tries < 1 || r.First <= 0 || r.Longest < r.First {
		bad.add(path, "needs 1 try or more, and times that are positive and not shrinking")
	}
}

func (o options) validate() error {
	var bad problems
	if o.batch < 1 || o.batch > 10_000 {
		bad.add("batch size", "must be from 1 to 10,000")
	}
	o.limits.validate("limits", &bad)
	if o.leaseTime < 100*time.Millisecond {
		bad.add("lease time", "must be at least 100 milliseconds")
	}
	if o.secretKey != nil && len(o.secretKey) != secretKeySize {
		bad.add("secret key", "must have 32 bytes")
	}
	o.retries.validate("mail retries", &bad)
	o.pauses.validate("import retries", &bad)
	for _, domain := range o.elsewhere {
		if name := strings.TrimPrefix(domain, "."); !isEmail("a@" + name) {
			bad.add("SSO domains", "%q is not a domain: write example.com, or .example.com for all below it", domain)
		}
	}
	if o.mailTime <= 0 {
		bad.add("mail time", "must be positive")
	}
	if o.planTime <= 0 {
		bad.add("plan time", "must be positive")
	}
	if o.stores != nil {
		o.stores.validate(&bad)
	}
	if o.log == nil || o.progress == nil || o.now == nil {
		bad.add("logger, progress, clock", "must not be nil: leave the option out instead")
	}
	return bad.err("option")
}
