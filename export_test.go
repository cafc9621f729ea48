package usersync

// Restored is a plan after it was stored and loaded again, with a key for its secrets.
func Restored(p *Plan, secretKey []byte) (*Plan, error) {
	seal, err := newSealer(secretKey)
	if err != nil {
		return nil, err
	}
	head, err := p.head()
	if err != nil {
		return nil, err
	}
	own := p.schema.Schema // without what was added to it
	own.Fields = own.Fields[:len(own.Fields)-len(p.extra)]
	s, err := compile(own)
	if err != nil {
		return nil, err
	}
	return loadPlan(s, seal, head, p.parts(seal))
}

// StoredForm is the head and the parts of a plan's stored form.
func StoredForm(p *Plan, secretKey []byte) (all [][]byte, err error) {
	var seal *sealer
	if secretKey != nil {
		if seal, err = newSealer(secretKey); err != nil {
			return nil, err
		}
	}
	head, err := p.head()
	if err != nil {
		return nil, err
	}
	all = append(all, head)
	for part, err := range p.parts(seal) {
		if err != nil {
			return nil, err
		}
		all = append(all, part)
	}
	return all, nil
}

// LoadStored makes a plan of its stored form.
func LoadStored(schema Schema, all [][]byte) (*Plan, error) {
	s, err := compile(schema)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, ErrInvalid
	}
	return loadPlan(s, nil, all[0], func(yield func([]byte, error) bool) {
		for _, part := range all[1:] {
			if !yield(part, nil) {
				return
			}
		}
	})
}
