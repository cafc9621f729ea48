package usersync

import "strings"

// compileWords makes the table of words of an enumeration or a boolean.
func compileWords(f *field, path string, bad *problems) {
	add := func(value string, words ...string) {
		for _, w := range words {
			text, _ := clean(w)
			if other, taken := f.words[Fold(text)]; taken && other != value {
				bad.add(path, "the word %q means both %q and %q", w, other, value)
			}
			f.words[Fold(text)] = value
		}
	}
	var offered []string
	switch f.Kind {
	case KindBool:
		f.words = map[string]string{}
		add("true", append(f.TrueWords, "true", "yes", "1")...)
		add("false", append(f.FalseWords, "false", "no", "0")...)
		offered = f.offers()
	case KindEnum:
		f.words = map[string]string{}
		if len(f.Options) == 0 {
			bad.add(path+".options", "an enumeration needs options")
		}
		for _, o := range f.Options {
			if o.Value == "" {
				bad.add(path+".options", "an option has no value")
			}
			add(o.Value, append(o.Words, o.Value)...)
		}
		offered = f.offers()
	}
	f.expected = strings.Join(offered, ", ")
}

// offers are the words that the template offers for an enumeration or a boolean, nil for others.
func (f Field) offers() []string {
	switch f.Kind {
	case KindBool:
		return []string{firstOf(f.TrueWords, "true"), firstOf(f.FalseWords, "false")}
	case KindEnum:
		words := make([]string, len(f.Options))
		for i, o := range f.Options {
			words[i] = firstOf(o.Words, o.Value)
		}
		return words
	}
	return nil
}

func firstOf(words []string, otherwise string) string {
	if len(words) > 0 {
		return words[0]
	}
	return otherwise
}
