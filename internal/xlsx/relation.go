package xlsx

import (
	"path"
	"strings"
)

// relation is one relationship of a part (ECMA-376 Part 2, 6.5).
type relation struct {
	id, kind string // kind is the last word of its type, "" if it is not of this standard
	target   string // part name, without a leading slash
	external bool
}

// relations are those of one part.
type relations struct {
	part string // that holds them
	list []relation
	byID map[string]int
}

// relations reads the relationships of a part; the package's own are those of "".
func (o *opener) relations(of string) (relations, error) {
	dir, base := path.Split(of)
	all := relations{part: dir + "_rels/" + base + ".rels", byID: map[string]int{}}
	err := o.read(all.part, func(s *scanner) error {
		if err := s.root(spaceLinks, "Relationships"); err != nil {
			return err
		}
		return s.each(spaceLinks, "Relationship", func() error {
			r, err := relationOf(s, dir)
			if err != nil {
				return err
			}
			if len(all.list) >= maxRelations {
				return exceeds(LimitRelations, s.part, maxRelations, "a part has too many relationships")
			}
			if _, twice := all.byID[r.id]; twice {
				return s.refuse(CodeDuplicate, "the relationship id %q is given twice", r.id)
			}
			all.byID[r.id] = len(all.list)
			all.list = append(all.list, r)
			return s.skip()
		})
	})
	return all, err
}

// relationOf reads the element last opened. dir is the folder of the part that it starts from.
func relationOf(s *scanner, dir string) (relation, error) {
	id, ok1 := s.attr(spaceNone, "Id")
	kind, ok2 := s.attr(spaceNone, "Type")
	target, ok3 := s.attr(spaceNone, "Target")
	if !ok1 || !ok2 || !ok3 {
		return relation{}, s.refuse(CodeRelation, "a relationship without Id, Type or Target")
	}
	mode, _ := s.attr(spaceNone, "TargetMode")
	return relation{
		id:       id,
		kind:     relationKind(kind),
		target:   resolveTarget(dir, target),
		external: mode == "External",
	}, nil
}

// relationKind gives the last word of a transitional or strict relationship type.
func relationKind(uri string) string {
	for _, root := range []string{officeURI, officeStrictURI} {
		if kind, ok := strings.CutPrefix(uri, root+"/"); ok {
			return kind
		}
	}
	return ""
}

// resolveTarget makes a part name of a relationship's target: relative to dir or, with a leading
// slash, to the package. Some programs write backslashes.
func resolveTarget(dir, target string) string {
	target = strings.ReplaceAll(target, `\`, "/")
	target, _, _ = strings.Cut(target, "#")
	if !strings.HasPrefix(target, "/") {
		target = "/" + dir + target
	}
	return strings.TrimPrefix(path.Clean(target), "/")
}

// only gives the one internal relationship of a kind, or false if there is none.
func (all relations) only(kind string) (relation, bool, error) {
	var found relation
	n := 0
	for _, r := range all.list {
		if r.kind == kind {
			found = r
			n++
		}
	}
	if n > 1 {
		return found, false, refuse(CodeRelation, all.part, "there are %d relationships of the kind %q, where one can be", n, kind)
	}
	if found.external {
		return found, false, refuse(CodeRelation, all.part, "the relationship of the kind %q leads out of the file", kind)
	}
	return found, n == 1, nil
}

// each calls read for every child of this name; others are skipped. read goes to the child's end.
func (s *scanner) each(sp space, name string, read func() error) error {
	for {
		ok, err := s.child()
		if err != nil || !ok {
			return err
		}
		if s.space == sp && string(s.tag[s.local:s.name]) == name {
			err = read()
		} else {
			err = s.skip()
		}
		if err != nil {
			return err
		}
	}
}
