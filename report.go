package usersync

import (
	"cmp"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/usersync-go/usersync/internal/workbook"
)

// WriteResults writes what the run did as a workbook (.xlsx): a summary sheet and a sheet for each class,
// with row number, key, user id, what happened, the changed fields (old → new and which rule decided) and
// the reasons. It can be called at any time; a run that is under way gives the rows as they stand.
//
// Every cell is text: nothing in it can become a formula. A text too long for a cell is cut where it
// shows. Secret values are not in it. A class with more rows than a sheet can have goes on on a second
// one. The same run gives the same bytes. Rows are streamed, beyond 16 MB a sheet through temporary files
// that are gone when WriteResults returns. After an error, w may have been given a part of the file.
func (r *Run) WriteResults(w io.Writer) error {
	rep := &report{schema: r.plan.schema, title: "Results", about: r.summaryFacts, ran: true}
	return rep.write(w, r.Rows())
}

// WritePreview writes what applying the plan would do, as it is now decided, as a workbook like that of
// [Run.WriteResults].
func (p *Plan) WritePreview(w io.Writer) error {
	rep := &report{schema: p.schema, title: "Preview", about: p.summaryFacts}
	return rep.write(w, func(yield func(RunRow) bool) {
		for row := range p.Rows() {
			if !yield(RunRow{Row: row}) {
				return
			}
		}
	})
}

// report is one workbook that is being written: the rows in one pass, then the summary.
type report struct {
	schema *schema
	title  string
	about  func() []fact // what the summary says of the run or plan
	ran    bool          // there are states

	book    *workbook.Book
	summary *workbook.Sheet
	sheets  [len(reportClasses)]*workbook.Sheet
	counts  [len(reportClasses)]classCount
	cells   []workbook.Cell
}

// reportClasses are the sheets, in their order.
var reportClasses = [...]struct {
	class Class
	title string
}{
	{ClassNew, "New"}, {ClassUpdated, "Updated"}, {ClassDeactivated, "Deactivated"},
	{ClassSkipped, "Skipped"}, {ClassError, "Errors"},
}

// classCount counts the rows of one class.
type classCount struct {
	rows, done, failed, uncertain, pending, warnings int
}

// fact is one line of the summary. A fact with several values has them on lines of their own.
type fact struct {
	name   string
	values []string
}

func (rep *report) write(w io.Writer, rows iter.Seq[RunRow]) error {
	err := workbook.Write(w, func(b *workbook.Book) error {
		rep.book = b
		if err := rep.begin(); err != nil {
			return err
		}
		for row := range rows {
			if err := rep.row(&row); err != nil {
				return err
			}
		}
		return rep.summarize()
	})
	if err != nil {
		return fmt.Errorf("usersync: writing the report: %w", err)
	}
	return nil
}

func (rep *report) begin() (err error) {
	rep.summary, err = rep.book.Sheet("Summary", workbook.Layout{Columns: summaryColumns})
	if err != nil {
		return err
	}
	headers := []string{"Row", rep.schema.fields[rep.schema.key].Header(), "User ID", "What happened", "Changes", "Reasons"}
	if !rep.ran {
		headers[3] = "What would happen"
	}
	for i := range reportClasses {
		rep.sheets[i], err = rep.book.Sheet(reportClasses[i].title,
			workbook.Layout{Columns: reportColumns, Freeze: 1, Filter: true})
		if err != nil {
			return err
		}
		if err := rep.sheets[i].Row(21, workbook.Texts(workbook.Header, headers...)...); err != nil {
			return err
		}
	}
	return nil
}

// reportColumns are the columns of the classes' sheets.
var reportColumns = []workbook.Column{
	{Width: 9}, {Width: 28}, {Width: 22}, {Width: 24}, {Width: 58}, {Width: 58},
}

// rowLines is how many lines of a row are shown; the cells have the rest.
const rowLines = 10

func (rep *report) row(row *RunRow) error {
	class := rep.count(row)
	look := workbook.Entry
	if row.State == StateFailed || row.State == StateUncertain {
		look = workbook.Alarm
	}
	rep.cells = append(rep.cells[:0],
		workbook.Cell{Text: rowNumber(&row.Row), Look: workbook.Entry},
		workbook.Cell{Text: row.Name, Look: workbook.Entry},
		workbook.Cell{Text: row.UserID, Look: workbook.Entry},
		workbook.Cell{Text: outcomeWords(row), Look: look},
		workbook.Cell{Text: rep.changesText(row), Look: workbook.Entry},
		workbook.Cell{Text: reasonsText(row.Reasons), Look: look})
	height := rowHeight(rep.cells, reportColumns, rowLines)
	if height == workbook.LineHeight {
		height = 0
	}
	return rep.sheets[class].Row(height, rep.cells...)
}

// count counts a row and gives the index of its class.
func (rep *report) count(row *RunRow) int {
	class := len(reportClasses) - 1
	for i := range reportClasses {
		if reportClasses[i].class == row.Class {
			class = i
		}
	}
	c := &rep.counts[class]
	c.rows++
	switch row.State {
	case StateDone:
		c.done++
	case StateFailed:
		c.failed++
	case StateUncertain:
		c.uncertain++
	case StatePending:
		c.pending++
	}
	for i := range row.Reasons {
		if row.Reasons[i].Level == LevelWarning {
			c.warnings++
			break
		}
	}
	return class
}

func rowNumber(row *Row) string {
	switch {
	case row.Number == 0:
		return ""
	case row.Hidden:
		return strconv.Itoa(row.Number) + " (hidden)"
	}
	return strconv.Itoa(row.Number)
}

// outcomeWords says what became of a row, or, without a state, what would.
func outcomeWords(row *RunRow) string {
	switch row.State {
	case "":
		return plannedWords(&row.Row)
	case StateDone:
		return doneWords(&row.Row)
	case StatePending:
		return "Not written"
	case StateFailed:
		return "Failed"
	case StateUncertain:
		return "Not known"
	}
	if row.Class == ClassError {
		return "Not imported"
	}
	return "Nothing"
}

func doneWords(row *Row) string {
	switch {
	case row.Op == OpCreate:
		return "Created"
	case row.Op == OpActivate:
		return "Updated and activated"
	case row.Class == ClassDeactivated:
		return "Deactivated"
	case row.Op == OpDeactivate:
		return "Updated and deactivated"
	}
	return "Updated"
}

func plannedWords(row *Row) string {
	switch {
	case row.Class == ClassError:
		return "Cannot be imported"
	case row.Op == OpCreate:
		return "Create"
	case row.Op == OpActivate:
		return "Update and activate"
	case row.Class == ClassDeactivated:
		return "Deactivate"
	case row.Op == OpDeactivate:
		return "Update and deactivate"
	case row.Op == OpUpdate:
		return "Update"
	}
	return "Nothing"
}

// deciderWords say which rule decided a change. What a new user takes from the file needs no words, and
// assignment rules have names.
var deciderWords = map[Decider]string{
	ByDefault:                "default",
	ByBehaviour:              "behaviour of the configuration",
	ByUndo:                   "as before the run",
	Decider(UseSource):       "file's value",
	Decider(UpdateIfEmpty):   "was empty",
	Decider(ForceValue):      "fixed value",
	Decider(AskAtRuntime):    "decided by a person",
	Decider(Merge):           "merged",
	Decider(KeepDestination): "kept",
}

// changesText lists the changed fields: those of a new user one after the other, those of others with
// their old values, a line each.
func (rep *report) changesText(row *RunRow) string {
	if len(row.Changes) == 0 {
		return ""
	}
	isNew, between := row.Class == ClassNew, "\n"
	if isNew {
		between = "; "
	}
	var b strings.Builder
	for i := range row.Changes {
		if i > 0 {
			b.WriteString(between)
		}
		rep.writeChange(&b, &row.Changes[i], isNew)
	}
	return b.String()
}

func (rep *report) writeChange(b *strings.Builder, c *FieldChange, isNew bool) {
	b.WriteString(rep.schema.header(c.Field))
	b.WriteString(": ")
	if !isNew {
		b.WriteString(cmp.Or(c.Old, "(blank)"))
		b.WriteString(" → ")
	}
	b.WriteString(cmp.Or(c.New, "(blank)"))
	by := deciderWords[c.By]
	if c.Rule != "" {
		by = strings.TrimPrefix(by+", rule "+c.Rule, ", ")
	}
	switch {
	case c.Open:
		by = "to be decided"
	case c.Kept:
		by = "not written: a person kept the current value"
	}
	if by != "" {
		b.WriteString(" (" + by + ")")
	}
}

// header is the header of the field of that name, or else the name.
func (c *schema) header(name string) string {
	if i, known := c.byName[name]; known {
		return c.fields[i].Header()
	}
	return name
}

// reasonsText has a line for each reason.
func reasonsText(reasons []Reason) string {
	texts := make([]string, len(reasons))
	for i := range reasons {
		texts[i] = reasons[i].Text()
	}
	return strings.Join(texts, "\n")
}

// summaryColumns are the columns of the summary: names, then what the table of classes has.
var summaryColumns = []workbook.Column{{Width: 32}, {Width: 16}, {Width: 16}, {Width: 16}, {Width: 16}, {Width: 16}, {Width: 16}}

// summarize writes the summary, once every row was counted.
func (rep *report) summarize() error {
	if err := rep.summary.Row(26, workbook.Cell{Text: rep.title, Look: workbook.Title}); err != nil {
		return err
	}
	for _, f := range rep.about() {
		if err := rep.fact(f); err != nil {
			return err
		}
	}
	return rep.table()
}

// fact writes one line of the summary, none for a fact without a value.
func (rep *report) fact(f fact) error {
	if f.name == "" {
		return rep.summary.Row(0)
	}
	text := strings.Join(withoutBlank(f.values), "\n")
	if text == "" {
		return nil
	}
	last, width := len(summaryColumns)-1, 0.0
	for _, c := range summaryColumns[1:] {
		width += c.Width
	}
	lines := min(workbook.Lines(text, width-4), 25)
	err := rep.summary.Row(float64(max(lines, 1)*workbook.LineHeight)+2,
		workbook.Cell{Text: f.name, Look: workbook.Faint}, workbook.Cell{Text: text, Look: workbook.Wrapped})
	if err != nil {
		return err
	}
	return rep.summary.Merge(1, last)
}

func withoutBlank(texts []string) []string {
	return slices.DeleteFunc(slices.Clone(texts), func(s string) bool { return s == "" })
}

// table writes how many rows there are of each class and what became of them.
func (rep *report) table() error {
	headers := []string{"Class", "Rows", "With warnings", "Done", "Failed", "Not known", "Not written"}
	shown := len(headers)
	if !rep.ran {
		shown = 3
	}
	if err := rep.summary.Row(21, workbook.Texts(workbook.Header, headers[:shown]...)...); err != nil {
		return err
	}
	var total classCount
	for i, c := range rep.counts {
		total.add(c)
		if err := rep.summary.Row(0, c.cells(reportClasses[i].title, workbook.Entry)[:shown]...); err != nil {
			return err
		}
	}
	return rep.summary.Row(0, total.cells("All", workbook.Strong)[:shown]...)
}

func (c *classCount) add(other classCount) {
	c.rows += other.rows
	c.warnings += other.warnings
	c.done += other.done
	c.failed += other.failed
	c.uncertain += other.uncertain
	c.pending += other.pending
}

func (c *classCount) cells(title string, look workbook.Look) []workbook.Cell {
	return workbook.Texts(look, title, strconv.Itoa(c.rows), strconv.Itoa(c.warnings), strconv.Itoa(c.done),
		strconv.Itoa(c.failed), strconv.Itoa(c.uncertain), strconv.Itoa(c.pending))
}

// statusWords say how a run stands.
var statusWords = map[RunStatus]string{
	RunRunning: "Under way", RunSucceeded: "Succeeded", RunFailed: "Failed", RunCancelled: "Cancelled",
}

// summaryFacts are what the summary says of the run.
func (r *Run) summaryFacts() []fact {
	r.mu.Lock()
	status, finished, err, mails := r.status, r.finished, r.err, r.mails
	r.mu.Unlock()
	why := ""
	if err != nil {
		why = recorded(err)
	}
	facts := []fact{
		{"Configuration", []string{r.ConfigName}},
		{"Takes back run", []string{r.Undoes}},
		{"Status", []string{cmp.Or(statusWords[status], string(status))}},
		{"Why it ended", []string{why}},
		{"Run", []string{r.ID}},
		{"By", []string{cmp.Or(r.Actor.Name, r.Actor.UserID)}},
		{"Started", []string{timeText(r.Started)}},
		{"Finished", []string{timeText(finished)}},
		{"Welcome mails sent", []string{strconv.Itoa(mails)}},
		addedFact("Fields added", r.Added),
		{"Created beforehand", namesOfThings(r.CreatedReferences())},
	}
	return append(append(facts, r.Source.facts()...), notesFact(r.plan.Notes), fact{})
}

// summaryFacts are what the summary says of the plan.
func (p *Plan) summaryFacts() []fact {
	c := p.Counts()
	var blocks []string
	for _, err := range p.Blocks() {
		blocks = append(blocks, strings.TrimPrefix(err.Error(), "usersync: "))
	}
	facts := []fact{
		{"Configuration", []string{p.Config.Name}},
		{"Takes back run", []string{p.Undoes}},
		{"Previewed", []string{timeText(p.Created)}},
		{"By", []string{cmp.Or(p.Actor.Name, p.Actor.UserID)}},
		{"Held back by", blocks},
		{"Conflicts to decide", []string{strconv.Itoa(c.Conflicts)}},
		{"Users who become active", []string{strconv.Itoa(c.Activations)}},
		{"Users who become inactive", []string{strconv.Itoa(c.Deactivations)}},
		{"Seats needed", []string{strconv.Itoa(c.SeatsNeeded)}},
		addedFact("Fields to be added", p.fresh()),
	}
	facts = append(facts, missingFacts(p.Missing())...)
	for _, pool := range p.Pools() {
		facts = append(facts, fact{"Seats needed of " + pool.Name, []string{strconv.Itoa(pool.Needed)}})
	}
	for _, a := range p.Assigned() {
		facts = append(facts, fact{"Added to " + p.schema.header(a.Field) + " by " + a.Rule, []string{strconv.Itoa(a.Rows)}})
	}
	return append(append(facts, p.Source.facts()...), notesFact(p.Notes), fact{})
}

func addedFact(name string, fields []Field) fact {
	f := fact{name: name}
	for i := range fields {
		f.values = append(f.values, fields[i].describe())
	}
	return f
}

func notesFact(notes []Reason) fact {
	f := fact{name: "Notes"}
	for _, n := range notes {
		f.values = append(f.values, n.Text())
	}
	return f
}

// facts are what the summary says of the file.
func (s SourceInfo) facts() []fact {
	var ignored []string
	for _, c := range s.Unknown() {
		ignored = append(ignored, c.describe())
	}
	hidden := ""
	if s.HiddenRows > 0 {
		hidden = fmt.Sprintf("%d, which were read like any other", s.HiddenRows)
	}
	return []fact{
		{},
		{"File", []string{s.Name}},
		{"Format", []string{s.Format}},
		{"Bytes", []string{strconv.FormatInt(s.Bytes, 10)}},
		{"SHA-256", []string{s.SHA256}},
		{"Sheet", []string{s.Sheet}},
		{"Rows with data", []string{strconv.Itoa(s.Rows)}},
		{"Hidden rows", []string{hidden}},
		{"Other sheets, not read", s.OtherSheets},
		{"Columns that were ignored", ignored},
	}
}

func (c Column) describe() string {
	text := c.Letter + ": " + c.Header
	if c.Nearest != "" {
		text += " (did you mean " + c.Nearest + "?)"
	}
	return text
}

// timeText gives a time as people in any place can read it, "" for none.
func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05") + " UTC"
}
