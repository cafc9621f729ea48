package usersync

// guideSheet is the name of the template's second sheet, which explains the fields.
const guideSheet = "Fields"

// isGuide tells the template's second sheet, which is no data.
func isGuide(sheet string) bool { return sheet == guideSheet }
