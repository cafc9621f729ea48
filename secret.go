package usersync

import (
	"errors"
	"slices"
	"strings"
)

// secretShown stands for every value of a secret field.
const secretShown = "•••"

// isExact tells that what the file has is taken as it stands or not at all: nobody sees what was left out of a
// password, and who types it would be refused.
func (f *field) isExact() bool { return f.identifier || f.Secret }

// maskParams hides what a reason says of a secret.
func maskParams(params map[string]string) {
	for _, name := range []string{"value", "character", "characters"} {
		if _, has := params[name]; has {
			params[name] = secretShown
		}
	}
}

// maskText hides a secret that the product has put into its own reason.
func maskText(params map[string]string, secret string) {
	maskParams(params)
	if secret == "" {
		return
	}
	for name, v := range params {
		params[name] = strings.ReplaceAll(v, secret, secretShown)
	}
}

// hasSecrets tells that a field is secret.
func (s *schema) hasSecrets() bool {
	for i := range s.fields {
		if s.fields[i].Secret {
			return true
		}
	}
	return false
}

// maskedError is an error of a store that quotes a secret, without it.
type maskedError struct {
	text string
	err  error
}

// Error is the text without the secret.
func (e *maskedError) Error() string { return e.text }

// Unwrap gives the store's own error.
func (e *maskedError) Unwrap() error { return e.err }

// masked hides the secrets of changes in what a store says of them, which is stored and shown. A panic keeps its text,
// which is neither.
func (s *schema) masked(err error, changes ...Change) error {
	var p *PanicError
	if err == nil || errors.As(err, &p) {
		return err
	}
	text := err.Error()
	for i := range s.fields {
		f := &s.fields[i]
		for j := range changes {
			if secret := changes[j].Set.Get(f.Name); f.Secret && secret != "" {
				text = strings.ReplaceAll(text, secret, secretShown)
			}
		}
	}
	if text == err.Error() {
		return err
	}
	return &maskedError{text, err}
}

// maskOutcomes hides secrets in the failures of changes.
func (s *schema) maskOutcomes(changes []Change, outcomes []Outcome) []Outcome {
	if !s.hasSecrets() || len(outcomes) != len(changes) {
		return outcomes
	}
	out := slices.Clone(outcomes)
	for i := range out {
		out[i].Err = s.masked(out[i].Err, changes[i])
	}
	return out
}
