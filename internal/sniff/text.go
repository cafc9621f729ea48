package sniff

import (
	"bytes"
	"regexp"
	"slices"
	"unicode"
)

// textKind tells text that is not CSV from text that is, and both from what is no text at all.
func textKind(head []byte) kind {
	if len(head) == 0 {
		return empty
	}
	text, ok := plain(head)
	if !ok {
		return junk
	}
	text = bytes.TrimSpace(text)
	switch {
	case len(text) == 0 && len(head) < headBytes:
		return blank
	case bytes.HasPrefix(text, []byte("<")):
		return markupKind(bytes.ToLower(text))
	}
	for _, t := range texts {
		if t.start.Match(text) {
			return t.kind
		}
	}
	return kind{}
}

// texts are text files that are not CSV, by how they start. Each could also be the start of a CSV file,
// so each asks for more than one would have.
var texts = []struct {
	start *regexp.Regexp
	kind  kind
}{
	{regexp.MustCompile(`^\{\\rtf`), rtf},
	{regexp.MustCompile(`^\{\s*["}]`), jsonFile},
	{regexp.MustCompile(`^\[\s*[\[{"\]]`), jsonFile},
	{regexp.MustCompile(`^%PDF-`), pdf},
	{regexp.MustCompile(`^ID;P[A-Z0-9]*(;[A-Z0-9]*)*\r?\n(P|B|F|C|O|NN|NE|NU|W|E)(;|\r?\n|$)`), sylk},
	{regexp.MustCompile(`^TABLE\r?\n0,1\r?\n`), dif},
	{regexp.MustCompile(`^(?i)BEGIN:VCARD\r?\n`), vcard},
	{regexp.MustCompile(`^(?i)MIME-Version:`), mhtml},
}

// plain gives text of which the ASCII characters can be compared, whatever Unicode encoding it is in.
func plain(head []byte) (text []byte, ok bool) {
	switch {
	case bytes.HasPrefix(head, []byte("\xEF\xBB\xBF")):
		head = head[3:]
	case bytes.HasPrefix(head, []byte("\xFF\xFE")), bytes.HasPrefix(head, []byte("\xFE\xFF")):
		return bytes.ReplaceAll(head[2:], []byte{0}, nil), true
	case isWide(head):
		return bytes.ReplaceAll(head, []byte{0}, nil), true
	}
	return head, !isBinary(head)
}

// isWide tells UTF-16 without a byte order mark: every other byte of Western text is NUL, and in any text
// those of delimiters and line ends are. The CSV reader refuses it with advice, unless its encoding was
// named.
func isWide(head []byte) bool {
	var nul [2]int
	for i, c := range head {
		if c == 0 {
			nul[i%2]++
		}
	}
	return min(nul[0], nul[1]) == 0 && 50*max(nul[0], nul[1]) >= len(head) && len(head) > 3
}

// isBinary tells by control characters. A few are for the CSV reader to refuse, which can say where.
func isBinary(head []byte) bool {
	n := 0
	for _, c := range head {
		// The last two are the end mark of DOS and the escape of Japanese encodings.
		if c < ' ' && !bytes.ContainsRune([]byte("\t\n\v\f\r\x1A\x1B"), rune(c)) || c == 0x7F {
			n++
		}
	}
	return 20*n > len(head)
}

// markupKind tells HTML and XML by their root element. What is neither could be the header of a CSV
// file.
func markupKind(text []byte) kind {
	root, isXML := prolog(text)
	name := root[:len(root)-len(bytes.TrimLeftFunc(root, isNameRune))]
	switch {
	case bytes.HasPrefix(root, []byte("!doctype html")), slices.Contains(htmlTags, string(name)):
		return htmlPage
	case bytes.Contains(text, []byte("urn:schemas-microsoft-com:office:spreadsheet")):
		return xmlss
	case string(name) == "office:document":
		return ods
	case string(name) == "svg":
		return picture
	case isXML, bytes.HasPrefix(root, []byte("!doctype")), bytes.Contains(text, []byte("xmlns")):
		return xmlFile
	}
	return kind{}
}

var htmlTags = []string{"html", "head", "body", "table", "meta", "script", "style", "title", "div", "p", "span",
	"font", "center", "br", "tr", "td", "link", "img", "form"}

func isNameRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || r == ':' || r == '-' || r == '_'
}

// prolog passes over declarations and comments, and gives what follows the "<" of the root element.
func prolog(text []byte) (root []byte, isXML bool) {
	for {
		text = bytes.TrimSpace(text)
		end := ""
		switch {
		case bytes.HasPrefix(text, []byte("<?")):
			end, isXML = "?>", true
		case bytes.HasPrefix(text, []byte("<!--")):
			end = "-->"
		default:
			return bytes.TrimPrefix(text, []byte("<")), isXML
		}
		_, after, found := bytes.Cut(text, []byte(end))
		if !found {
			return nil, isXML
		}
		text = after
	}
}
