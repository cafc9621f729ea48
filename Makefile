# The tests need Go alone:  go test work
#
#   make test    the tests, and which of them were skipped for want of something
#   make check   all that must hold before a change goes in
#   make bench   the benchmarks; BENCH='Preview' picks some

STATICCHECK = go run honnef.co/go/tools/cmd/staticcheck@v0.8.2
MODULES    := $(shell go list -m -f '{{.Dir}}')
FUZZTIME    = 10000x # inputs for each target; by the clock, "go test" can fail when the time is up
BENCH       = .

.PHONY: test check format vet tidy lint race fuzz bench

test:
	@.ci/test

check: format vet tidy lint race fuzz

format:
	@echo "# gofmt"
	@files=$$(gofmt -l .) && if [ -n "$$files" ]; then echo "not formatted:"; echo "$$files"; exit 1; fi

vet:
	@echo "# go vet"
	@go vet work

tidy:
	@echo "# go mod tidy"
	@for dir in $(MODULES); do (cd $$dir && go mod tidy -diff) || exit 1; done

lint:
	@echo "# staticcheck"
	@for dir in $(MODULES); do (cd $$dir && $(STATICCHECK) ./...) || exit 1; done

race:
	@echo "# go test -race"
	@PACKAGES='./... ./adapters/sqlite/... ./adapters/smtpmail/... ./integration/...' USERSYNC_TEST_USERS=80 USERSYNC_TEST_ROUNDS=5 USERSYNC_TEST_SEEDS=400 .ci/test -race -short -skip '^TestKilled' -timeout 20m

# Every fuzz target of every package, one after the other.
fuzz:
	@echo "# fuzzing, $(FUZZTIME) inputs each"
	@go test -list '^Fuzz' work >/dev/null
	@go test -list '^Fuzz' work \
		| awk '/^Fuzz/ { name[++n] = $$1 } /^ok/ { for (i = 1; i <= n; i++) print name[i], $$2; n = 0 }' \
		| while read -r name package; do \
			go test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) "$$package" </dev/null || exit 1; \
		done

bench:
	@go test -run '^$$' -bench '$(BENCH)' -benchmem work
