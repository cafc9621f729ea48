module github.com/usersync-go/usersync/examples

go 1.26.0

require (
	github.com/emersion/go-sasl v0.0.0-20241020182733-b788ff22d5a6
	github.com/usersync-go/usersync v0.0.0
	golang.org/x/crypto v0.58.0
)

require (
	github.com/dustin/go-humanize v1.0.1 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/mattn/go-isatty v0.0.24 // indirect
	github.com/ncruces/go-strftime v1.0.0 // indirect
	github.com/nyaruka/phonenumbers v1.8.1 // indirect
	github.com/remyoudompheng/bigfft v0.0.0-20230129092748-24d4a6f8daec // indirect
	github.com/wneessen/go-mail v0.8.1 // indirect
	golang.org/x/sys v0.49.0 // indirect
	google.golang.org/protobuf v1.36.11 // indirect
	modernc.org/libc v1.77.1 // indirect
	modernc.org/mathutil v1.7.1 // indirect
	modernc.org/memory v1.12.1 // indirect
	modernc.org/sqlite v1.60.1 // indirect
)

require (
	github.com/emersion/go-smtp v0.25.1
	github.com/richardlehane/mscfb v1.0.9 // indirect
	github.com/richardlehane/msoleps v1.0.6 // indirect
	github.com/tiendc/go-deepcopy v1.7.2 // indirect
	github.com/usersync-go/usersync/adapters/smtpmail v0.0.0
	github.com/usersync-go/usersync/adapters/sqlite v0.0.0
	github.com/usersync-go/usersync/phone v0.0.0
	github.com/xuri/efp v0.0.2 // indirect
	github.com/xuri/excelize/v2 v2.11.1 // indirect
	github.com/xuri/nfp v0.0.2-0.20250530014748-2ddeb826f9a9 // indirect
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)

replace github.com/usersync-go/usersync => ../

// As in the root module: exclude does not reach dependents, so every module built here repeats it.
exclude github.com/xuri/efp v0.0.3-0.20260924042702-217b81952dec

replace github.com/usersync-go/usersync/adapters/sqlite => ../adapters/sqlite

replace github.com/usersync-go/usersync/adapters/smtpmail => ../adapters/smtpmail

replace github.com/usersync-go/usersync/phone => ../phone
