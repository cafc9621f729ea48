package usersync

import "strings"

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
	for name, v := range params {
		params[name] = strings.ReplaceAll(v, secret, secretShown)
	}
}
