package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/usersync-go/usersync"
)

// list is a ListTable that has been prepared.
type list struct {
	ListTable
	field string
}

// loadLists gives users the items of their lists, and lets these count in versions that are hashes.
func (s *Users) loadLists(ctx context.Context, q queryer, users []usersync.User) error {
	if len(s.lists) == 0 || len(users) == 0 {
		return nil
	}
	ids := make([]any, len(users))
	for i := range users {
		ids[i], _ = s.mapping.ID.Kind.argument(users[i].ID)
	}
	for _, l := range s.lists {
		items, err := s.items(ctx, q, l, ids)
		if err != nil {
			return fmt.Errorf("sqlstore: reading %s: %w", l.field, err)
		}
		for i := range users {
			users[i].Values.SetList(l.field, items[users[i].ID])
			if s.mapping.Version.Kind == HashVersion {
				own := fmt.Appendf(nil, "%s %q", users[i].Version, items[users[i].ID])
				users[i].Version = digest(own)
			}
		}
	}
	return nil
}

// items reads the sorted lists of users, by their ids.
func (s *Users) items(ctx context.Context, q queryer, l *list, ids []any) (map[string][]string, error) {
	d := s.dialect
	user, item := "j."+d.quote(l.User), "j."+d.quote(l.Item)
	from := d.quoteTable(l.Table) + " j"
	if l.Names != nil {
		from += " JOIN " + d.quoteTable(l.Names.Table) + " n ON n." + d.quote(l.Names.ID) + " = " + item
		item = "n." + d.quote(l.Names.Name)
	}
	by := map[string][]string{}
	for part := range slices.Chunk(ids, lookupSize) {
		st := &statement{dialect: d}
		st.add("SELECT ", user, ", ", item, " FROM ", from, " WHERE ")
		st.among(user, s.mapping.ID.Kind.typ(), part)
		err := st.query(ctx, q, func(cells []sql.RawBytes) error {
			by[string(cells[0])] = append(by[string(cells[0])], string(cells[1]))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for _, items := range by {
		slices.Sort(items)
	}
	return by, nil
}

// writeLists makes the lists of users what the changes say. Rows that stay are not touched.
func (w *writer) writeLists(ctx context.Context, run []int, ids []string) error {
	for _, l := range w.lists {
		var rows [][]any
		for i, at := range run {
			if _, given := w.changes[at].Set.Lookup(l.field); !given {
				continue
			}
			more, err := w.listRows(ctx, l, ids[i], &w.changes[at])
			if err != nil {
				return err
			}
			rows = append(rows, more...)
		}
		if err := w.insert(ctx, l.Table, []string{l.User, l.Item}, rows); err != nil {
			return err
		}
	}
	return nil
}

// listRows removes what leaves a user's list and gives the rows that join it.
func (w *writer) listRows(ctx context.Context, l *list, id string, c *usersync.Change) ([][]any, error) {
	items, err := w.itemIDs(ctx, l, c.Set.List(l.field))
	if err != nil {
		return nil, err
	}
	arg, _ := w.mapping.ID.Kind.argument(id)
	if c.Op != usersync.OpCreate {
		if items, err = w.removeItems(ctx, l, arg, items); err != nil {
			return nil, err
		}
	}
	rows := make([][]any, len(items))
	for i, item := range items {
		rows[i] = []any{arg, item}
	}
	return rows, nil
}

// removeItems removes the items that are not wanted and gives those that are missing.
func (w *writer) removeItems(ctx context.Context, l *list, user any, wanted []string) ([]string, error) {
	d := w.dialect
	st := &statement{dialect: d}
	st.add("SELECT ", d.quote(l.Item), " FROM ", d.quoteTable(l.Table), " WHERE ", d.quote(l.User), " = ")
	st.bind(user)
	var there []string
	err := st.query(ctx, w.tx, func(cells []sql.RawBytes) error {
		there = append(there, string(cells[0]))
		return nil
	})
	for _, item := range there {
		if err != nil || slices.Contains(wanted, item) {
			continue
		}
		st := &statement{dialect: d}
		st.add("DELETE FROM ", d.quoteTable(l.Table), " WHERE ", d.quote(l.User), " = ")
		st.bind(user)
		st.add(" AND ", d.quote(l.Item), " = ")
		st.bind(item)
		err = st.exec(ctx, w.tx)
	}
	missing := slices.DeleteFunc(slices.Clone(wanted), func(item string) bool {
		return slices.Contains(there, item)
	})
	return missing, err
}

// itemIDs gives what the table of a list has for items: their ids, or else themselves.
func (w *writer) itemIDs(ctx context.Context, l *list, items []string) ([]string, error) {
	if l.Names == nil || len(items) == 0 {
		return items, nil
	}
	d := w.dialect
	exact, lower := make([]any, len(items)), make([]any, len(items))
	for i, item := range items {
		exact[i], lower[i] = item, strings.ToLower(item)
	}
	name := "n." + d.quote(l.Names.Name)
	st := &statement{dialect: d}
	st.add("SELECT n.", d.quote(l.Names.ID), ", ", name, " FROM ", d.quoteTable(l.Names.Table), " n WHERE ")
	st.among(name, "text", exact) // a database's LOWER may leave letters as they are that are not ASCII
	st.add(" OR ")
	st.among("LOWER("+name+")", "text", lower)
	ids, same := map[string]string{}, map[string]string{}
	err := st.query(ctx, w.tx, func(cells []sql.RawBytes) error {
		ids[usersync.Fold(string(cells[1]))] = string(cells[0])
		same[string(cells[1])] = string(cells[0])
		return nil
	})
	var out []string
	for _, item := range items {
		id, known := same[item]
		if !known {
			id, known = ids[usersync.Fold(item)]
		}
		if !known && err == nil {
			return nil, fmt.Errorf("%s %q does not exist", l.field, item)
		}
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out, err
}
