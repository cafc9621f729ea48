package xlsx

import (
	"bytes"
	"slices"
	"strings"
)

// space is a namespace this package knows.
type space uint8

const (
	spaceNone   space = iota // no namespace
	spaceOther               // one that is not known here
	spaceMain                // SpreadsheetML
	spaceOffice              // relationships, as the r: of r:id
	spaceLinks               // package relationships
	spaceTypes               // content types
	spaceCompat              // markup compatibility
	spaceXML                 // xml:
)

// officeURI are the two roots of relationship types: transitional and strict.
const (
	officeURI       = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
	officeStrictURI = "http://purl.oclc.org/ooxml/officeDocument/relationships"
)

// spaceOf knows the transitional names (ECMA-376 Part 4) and the strict ones (Part 1, Annex A).
func spaceOf(uri string) space {
	switch uri {
	case "":
		return spaceNone
	case "http://schemas.openxmlformats.org/spreadsheetml/2006/main", "http://purl.oclc.org/ooxml/spreadsheetml/main":
		return spaceMain
	case officeURI, officeStrictURI:
		return spaceOffice
	case "http://schemas.openxmlformats.org/package/2006/relationships":
		return spaceLinks
	case "http://schemas.openxmlformats.org/package/2006/content-types":
		return spaceTypes
	case "http://schemas.openxmlformats.org/markup-compatibility/2006":
		return spaceCompat
	case xmlURI:
		return spaceXML
	}
	return spaceOther
}

const (
	xmlURI   = "http://www.w3.org/XML/1998/namespace"
	xmlnsURI = "http://www.w3.org/2000/xmlns/"
)

// binding is a namespace declaration in scope.
type binding struct {
	prefix, uri string
	space       space
	alias       bool // this one or one before it is not the first with its uri
}

// push opens the element of the tag last met.
func (s *scanner) push() error {
	if len(s.frames) == 0 && s.rooted {
		return s.bad("a second root element")
	}
	if len(s.frames) >= s.depth {
		return exceeds(LimitDepth, s.part, int64(s.depth), "XML elements are nested too deeply")
	}
	s.rooted = true
	f := frame{name: len(s.names), binds: len(s.binds)}
	if err := s.resolve(); err != nil {
		return err
	}
	f.space = s.plain
	if s.local > 1 {
		b, ok := s.lookup(s.tag[1 : s.local-1])
		if !ok {
			return s.bad("the prefix of <%s> is not declared", s.tag[1:s.name])
		}
		f.space = b.space
	}
	s.space = f.space
	s.names = append(s.names, s.tag[1:s.name]...)
	s.frames = append(s.frames, f)
	return nil
}

// pop closes the innermost element.
func (s *scanner) pop() {
	f := s.frames[len(s.frames)-1]
	s.frames = s.frames[:len(s.frames)-1]
	s.names = s.names[:f.name]
	if len(s.binds) != f.binds {
		s.binds = s.binds[:f.binds]
		s.plain = s.defaultSpace()
	}
	s.space = f.space
}

// resolve takes in the tag's declarations and finds the namespaces of its attributes.
func (s *scanner) resolve() error {
	prefixed := false
	for i := range s.attrs {
		a := &s.attrs[i]
		if a.colon < 0 && a.end-a.name != len("xmlns") {
			continue
		}
		prefixed = prefixed || a.colon >= 0
		if err := s.declare(a); err != nil {
			return err
		}
	}
	if !prefixed {
		return nil
	}
	return s.resolveAttrs()
}

// declare takes in a namespace declaration, if it is one (Namespaces in XML 1.0, 2 and 3).
func (s *scanner) declare(a *attr) error {
	name := s.tag[a.name:a.end]
	if !bytes.HasPrefix(name, []byte("xmlns")) || len(name) > 5 && name[5] != ':' {
		return nil
	}
	if a.to-a.from > maxURI || len(s.binds) >= maxBindings {
		return exceeds(LimitNamespaces, s.part, maxBindings, "too many or too long XML namespaces")
	}
	b := binding{uri: string(s.value(a))}
	if len(name) > 5 {
		b.prefix = string(name[6:])
	}
	b.space = spaceOf(b.uri)
	reserved := b.prefix == "xmlns" || b.uri == xmlnsURI || (b.prefix == "xml") != (b.uri == xmlURI)
	if reserved || b.prefix != "" && b.uri == "" {
		return s.bad("a namespace declaration that is not allowed")
	}
	b.alias = slices.ContainsFunc(s.binds, func(o binding) bool { return o.alias || o.uri == b.uri })
	s.binds = append(s.binds, b)
	if b.prefix == "" {
		s.plain = b.space
	}
	return nil
}

func (s *scanner) defaultSpace() space {
	b, _ := s.lookup(nil)
	return b.space
}

// lookup finds what a prefix stands for; "" is the default namespace.
func (s *scanner) lookup(prefix []byte) (binding, bool) {
	for i := len(s.binds) - 1; i >= 0; i-- {
		if s.binds[i].prefix == string(prefix) {
			return s.binds[i], true
		}
	}
	if string(prefix) == "xml" {
		return binding{prefix: "xml", uri: xmlURI, space: spaceXML}, true
	}
	return binding{}, false
}

// resolveAttrs finds the namespaces of prefixed attributes. Where two prefixes stand for one
// namespace, they must not give one attribute twice.
func (s *scanner) resolveAttrs() error {
	s.pairs = s.pairs[:0]
	aliased := len(s.binds) > 0 && s.binds[len(s.binds)-1].alias
	for i := range s.attrs {
		a := &s.attrs[i]
		if a.colon < 0 || string(s.tag[a.name:a.colon]) == "xmlns" {
			continue
		}
		b, ok := s.lookup(s.tag[a.name:a.colon])
		if !ok {
			return s.bad("the prefix of the attribute %s is not declared", s.tag[a.name:a.end])
		}
		a.space = b.space
		if !aliased {
			continue
		}
		if err := s.addPair(pair{b.uri, a.colon + 1, a.end}); err != nil {
			return err
		}
	}
	return nil
}

// addPair keeps the expanded name of an attribute, which must be new in the tag.
func (s *scanner) addPair(p pair) error {
	local := s.tag[p.from:p.to]
	for _, o := range s.pairs {
		if o.uri == p.uri && bytes.Equal(local, s.tag[o.from:o.to]) {
			return s.bad("the attribute %s is given twice", local)
		}
	}
	if len(s.pairs) >= maxAliased {
		return exceeds(LimitAttributes, s.part, maxAliased, "an XML tag of the file has too many attributes of one namespace under two prefixes")
	}
	s.pairs = append(s.pairs, p)
	return nil
}

// pair is the expanded name of an attribute.
type pair struct {
	uri      string
	from, to int
}

// compat follows mc:AlternateContent (ECMA-376 Part 3): the first mc:Choice whose namespaces are
// all known here is read as if it stood alone, else mc:Fallback; other branches are skipped. The mc:
// elements themselves give no event. It is called at the start tag of an mc: element.
func (s *scanner) compat() error {
	local := string(s.tag[s.local:s.name])
	if local == "AlternateContent" {
		return nil
	}
	parent := s.alternatives()
	if parent == nil || local != "Choice" && local != "Fallback" {
		return s.refuse(CodeStructure, "an element <%s> that is not expected here", s.tag[1:s.name])
	}
	known := true
	if local == "Choice" {
		var err error
		if known, err = s.understands("Requires", spaceNone); err != nil {
			return err
		}
	}
	if parent.taken || !known {
		return s.skip()
	}
	parent.taken = true
	return nil
}

// alternatives gives the mc:AlternateContent around the element last opened, if it is in one.
func (s *scanner) alternatives() *frame {
	n := len(s.frames)
	if n < 2 || s.frames[n-2].space != spaceCompat {
		return nil
	}
	outer := &s.frames[n-2]
	if !bytes.HasSuffix(s.names[outer.name:s.frames[n-1].name], []byte("AlternateContent")) {
		return nil
	}
	return outer
}

// understands tells whether all namespaces are known whose prefixes the attribute lists.
func (s *scanner) understands(name string, sp space) (bool, error) {
	list, _ := s.attr(sp, name)
	for prefix := range strings.FieldsSeq(list) {
		b, ok := s.lookup([]byte(prefix))
		if !ok {
			return false, s.bad("the prefix %q is not declared", prefix)
		}
		if b.space != spaceMain && b.space != spaceOffice {
			return false, nil
		}
	}
	return true, nil
}
