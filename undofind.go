package usersync

import "context"

// keyOf marks a key, which might look like an id.
func keyOf(e *entry) string { return "\x00" + e.key }

// usersOf reads the users of rows by id, and by key where the id of a user who was created is not known.
func (u *undoJob) usersOf(ctx context.Context, rows []int32) (map[string]*User, error) {
	var ids, keys []string
	for _, at := range rows {
		if id := u.run.result(at).id; id != "" {
			ids = append(ids, id)
			continue
		}
		keys = append(keys, u.run.plan.entries[at].key)
	}
	byID, err := u.findUsers(ctx, FieldID, ids)
	if err != nil {
		return nil, err
	}
	byKey, err := u.findUsers(ctx, u.schema.Key, keys)
	out := make(map[string]*User, len(rows))
	for i := range byID {
		out[byID[i].ID] = &byID[i]
	}
	for i := range byKey {
		out["\x00"+Fold(u.schema.nameOf(&byKey[i]))] = &byKey[i]
	}
	return out, err
}

// whoIsThere looks up whom the rows referred to before.
func (u *undoJob) whoIsThere(ctx context.Context, rows []int32) (map[string]bool, error) {
	there := map[string]bool{"": true}
	var keys []string
	for _, at := range rows {
		for _, field := range u.schema.refs {
			set := u.run.plan.entries[at].setting(field)
			if set == nil || there[Fold(set.old)] || u.regained[Fold(set.old)] {
				continue
			}
			there[Fold(set.old)] = true
			keys = append(keys, Fold(set.old))
		}
	}
	users, err := u.findUsers(ctx, u.schema.Key, keys)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		there[key] = false
	}
	for i := range users {
		there[Fold(u.schema.nameOf(&users[i]))] = true
	}
	return there, nil
}

// whatIsThere looks up which things the rows named before.
func (u *undoJob) whatIsThere(ctx context.Context, rows []int32) error {
	ask := map[string][]string{}
	for _, at := range rows {
		for _, field := range u.schema.named {
			if set := u.run.plan.entries[at].setting(field); set != nil {
				f := &u.schema.fields[field]
				ask[f.Refers.Set] = append(ask[f.Refers.Set], f.newNames(set.old, set.new)...)
			}
		}
	}
	for _, set := range u.schema.sets {
		if err := u.naming.know(ctx, set, ask[set]); err != nil {
			return err
		}
	}
	return nil
}
