module github.com/usersync-go/usersync

go 1.26.0

// excelize v2.11.1 asks for an efp pseudo-version that not every module proxy serves; the tagged
// v0.0.2 has the same API. Earlier excelize releases lack security fixes, so v2.11.1 is the floor.
// exclude binds this module only: a product that imports usersync resolves efp as it would anyway.
exclude github.com/xuri/efp v0.0.3-0.20260924042702-217b81952dec

require (
	github.com/xuri/excelize/v2 v2.11.1
	golang.org/x/net v0.62.0
	golang.org/x/text v0.43.0
)

// Only the tests need these.
require (
	github.com/google/go-cmp v0.7.0
	github.com/stretchr/testify v1.11.1
)

require (
	github.com/davecgh/go-spew v1.1.1 // indirect
	github.com/pmezard/go-difflib v1.0.0 // indirect
	github.com/richardlehane/mscfb v1.0.9 // indirect
	github.com/richardlehane/msoleps v1.0.6 // indirect
	github.com/tiendc/go-deepcopy v1.7.2 // indirect
	github.com/xuri/efp v0.0.2 // indirect
	github.com/xuri/nfp v0.0.2-0.20250530014748-2ddeb826f9a9 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	gopkg.in/yaml.v3 v3.0.1 // indirect
)
