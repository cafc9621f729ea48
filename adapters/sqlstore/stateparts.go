package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"iter"
	"slices"

	"github.com/usersync-go/usersync"
)

// partKind says whose a part is.
type partKind string

const (
	planPart     partKind = "plan"
	resultPart   partKind = "result"
	baselinePart partKind = "baseline"
	importPart   partKind = "import"
)

// batchRows and batchBytes bound the statements that write parts.
const (
	batchRows  = 100
	batchBytes = 1 << 20
)

// numbered is a part with its number.
type numbered struct {
	number int
	data   []byte
}

// replaceParts puts parts in the place of those that an owner has.
func (s *State) replaceParts(ctx context.Context, tx *sql.Tx, kind partKind, owner string, parts iter.Seq2[numbered, error]) error {
	err := s.bound("DELETE FROM {parts} WHERE tenant = ? AND kind = ? AND owner = ?", s.tenant, string(kind), owner).exec(ctx, tx)
	if err != nil {
		return err
	}
	var batch []numbered
	size := 0
	for part, err := range parts {
		if err != nil {
			return err
		}
		if len(batch) > 0 && (len(batch) == batchRows || size+len(part.data) > batchBytes) {
			if err := s.insertParts(ctx, tx, kind, owner, batch); err != nil {
				return err
			}
			batch, size = batch[:0], 0
		}
		batch, size = append(batch, part), size+len(part.data)
	}
	return s.insertParts(ctx, tx, kind, owner, batch)
}

func (s *State) insertParts(ctx context.Context, tx *sql.Tx, kind partKind, owner string, parts []numbered) error {
	if len(parts) == 0 {
		return nil
	}
	st := s.statement("INSERT INTO {parts} (tenant, kind, owner, number, data) VALUES ")
	for i, p := range parts {
		st.add([]string{"", ", "}[min(i, 1)])
		st.row([]any{s.tenant, string(kind), owner, p.number, p.data})
	}
	return st.exec(ctx, tx)
}

// eachPart hands the parts of an owner on, from number first and before number end; use keeps nothing.
func (s *State) eachPart(ctx context.Context, q queryer, kind partKind, owner string, first, end int, use func(number int, data []byte) error) error {
	st := s.bound("SELECT number, data FROM {parts} WHERE tenant = ? AND kind = ? AND owner = ? AND number >= ? AND number < ? ORDER BY number",
		s.tenant, string(kind), owner, first, end)
	rows, err := q.QueryContext(ctx, st.text.String(), st.args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var number int
		var data sql.RawBytes
		if err := rows.Scan(&number, &data); err != nil {
			return err
		}
		if err := use(number, data); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return ctx.Err() // a driver may end the rows early without an error
}

// membersAtOnce is how many members of a baseline a part has.
const membersAtOnce = 5000

// noEnd is after every part.
const noEnd = 1 << 30

// Load reads the baseline as of one moment.
func (s *State) Load(ctx context.Context, configID string) (b usersync.Baseline, err error) {
	err = s.look(ctx, func(tx *sql.Tx) error {
		var members int
		found, err := s.bound("SELECT run_id, members FROM {baselines} WHERE tenant = ? AND config_id = ?",
			s.tenant, configID).one(ctx, tx, &b.RunID, &members)
		if err != nil || !found {
			return err
		}
		b.Members = make([]usersync.Member, 0, members)
		return s.eachPart(ctx, tx, baselinePart, configID, 0, noEnd, func(_ int, data []byte) error {
			var some []usersync.Member
			err := json.Unmarshal(data, &some)
			b.Members = append(b.Members, some...)
			return err
		})
	})
	if err != nil {
		return usersync.Baseline{}, told("loading a baseline", err)
	}
	return b, nil
}

// Save replaces the baseline in one transaction.
func (s *State) Save(ctx context.Context, configID string, b usersync.Baseline) error {
	save := func(tx *sql.Tx) error { return s.saveBaseline(ctx, tx, configID, b) }
	err := s.change(ctx, save)
	if s.dialect.isDuplicate(err) { // another has saved the first one in between
		err = s.change(ctx, save)
	}
	return told("saving a baseline", err)
}

func (s *State) saveBaseline(ctx context.Context, tx *sql.Tx, configID string, b usersync.Baseline) error {
	var before string
	there, err := s.bound("SELECT run_id FROM {baselines} WHERE tenant = ? AND config_id = ?"+s.dialect.locking(),
		s.tenant, configID).one(ctx, tx, &before)
	if err != nil {
		return err
	}
	put := s.bound("INSERT INTO {baselines} (run_id, members, tenant, config_id) VALUES (?, ?, ?, ?)",
		b.RunID, len(b.Members), s.tenant, configID)
	if there {
		put = s.bound("UPDATE {baselines} SET run_id = ?, members = ? WHERE tenant = ? AND config_id = ?",
			b.RunID, len(b.Members), s.tenant, configID)
	}
	if err := put.exec(ctx, tx); err != nil {
		return err
	}
	return s.replaceParts(ctx, tx, baselinePart, configID, func(yield func(numbered, error) bool) {
		number := 0
		for some := range slices.Chunk(b.Members, membersAtOnce) {
			data, err := json.Marshal(some)
			if !yield(numbered{number, data}, err) {
				return
			}
			number++
		}
	})
}

// InOtherBaselines reads the baselines of the other configurations until all users are found. Where there
// are several, it names the configuration whose id sorts first.
func (s *State) InOtherBaselines(ctx context.Context, configID string, userIDs []string) (map[string]string, error) {
	wanted := make(map[string]bool, len(userIDs))
	for _, id := range userIDs {
		wanted[id] = true
	}
	found := map[string]string{}
	err := s.look(ctx, func(tx *sql.Tx) error {
		others, err := s.otherBaselines(ctx, tx, configID)
		for _, other := range others {
			if err != nil || len(wanted) == 0 {
				return err
			}
			err = s.eachPart(ctx, tx, baselinePart, other, 0, noEnd, func(_ int, data []byte) error {
				return findMembers(data, other, wanted, found)
			})
		}
		return err
	})
	if err != nil {
		return nil, told("searching baselines", err)
	}
	return found, nil
}

// findMembers notes which of the wanted users are in a part of a baseline.
func findMembers(part []byte, config string, wanted map[string]bool, found map[string]string) error {
	var some []usersync.Member
	if err := json.Unmarshal(part, &some); err != nil {
		return err
	}
	for _, m := range some {
		if wanted[m.UserID] {
			delete(wanted, m.UserID)
			found[m.UserID] = config
		}
	}
	return nil
}

func (s *State) otherBaselines(ctx context.Context, tx *sql.Tx, configID string) ([]string, error) {
	var ids []string
	err := s.bound("SELECT config_id FROM {baselines} WHERE tenant = ? AND config_id <> ? ORDER BY config_id", s.tenant, configID).
		query(ctx, tx, func(cells []sql.RawBytes) error {
			ids = append(ids, string(cells[0]))
			return nil
		})
	return ids, err
}
