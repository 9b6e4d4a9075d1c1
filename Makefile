# SPDX-License-Identifier: BSD-3-Clause
#
# A thin face on meson. `make run` and `make test` install what is missing
# (Debian, Ubuntu); the rest expects it to be there, or do `make deps`.

BUILD ?= build
FUZZ_SECONDS ?= 20
SEQUENCES ?= 10000
PREFIX ?= /usr/local

.PHONY: all run test unit-test thread-test e2e-test lint bench fuzz conformance \
	reference reference-kernel reference-record install deps clean format

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) | scripts/quiet

$(BUILD)/build.ninja:
	@meson setup --prefix $(PREFIX) $(BUILD) >/dev/null || \
		{ tail -5 $(BUILD)/meson-logs/meson-log.txt; \
		  echo "something is missing: try 'make deps'" >&2; exit 1; }

build-test/build.ninja:
	@meson setup -Db_sanitize=address,undefined -Db_lundef=false build-test >/dev/null

build-tsan/build.ninja:
	@meson setup -Db_sanitize=thread -Db_lundef=false build-tsan >/dev/null

build-fuzz/build.ninja:
	@CC=clang meson setup -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false build-fuzz >/dev/null

deps:
	@scripts/deps build run test lint

run:
	@scripts/deps run
	@$(MAKE) --no-print-directory all
	@scripts/demo $(BUILD)

# Unit tests with AddressSanitizer and UndefinedBehaviorSanitizer, those with
# threads again with ThreadSanitizer, then whole programs against the plain build.
test:
	@scripts/deps test
	@rm -f build*/meson-logs/testlog.junit.xml
	@failed=0; \
	for part in unit-test thread-test e2e-test; do \
		$(MAKE) --no-print-directory $$part || failed=1; \
	done; \
	scripts/tally build-test build-tsan $(BUILD) && exit $$failed

unit-test: build-test/build.ninja
	@ninja -C build-test | scripts/quiet
	@meson test -C build-test --no-rebuild --print-errorlogs --no-suite e2e

thread-test: build-tsan/build.ninja
	@ninja -C build-tsan threads | scripts/quiet
	@meson test -C build-tsan --no-rebuild --print-errorlogs --suite threads

e2e-test: all
	@meson test -C $(BUILD) --no-rebuild --print-errorlogs --suite e2e

lint:
	@scripts/deps lint
	@$(MAKE) --no-print-directory $(BUILD)/build.ninja
	@scripts/lint $(BUILD)

format:
	@git ls-files '*.c' '*.h' | xargs clang-format -i

bench: all
	@scripts/bench $(BUILD)

fuzz: build-fuzz/build.ninja
	@ninja -C build-fuzz fuzzers | scripts/quiet
	@scripts/fuzz build-fuzz $(FUZZ_SECONDS)

# Linux's own iommufd self-tests, fetched through apt and run unchanged.
conformance:
	@scripts/deps conformance
	@$(MAKE) --no-print-directory all
	@scripts/conformance $(BUILD)

# The Linux that answers are compared with: built once, kept in ~/.cache/ringfence for every clone.
reference-kernel:
	@scripts/deps reference
	@scripts/reference-kernel $(BUILD)

# Every answer beside real Linux's. SEED=N repeats, PARTS="topologies scripts random" chooses, and
# so does SCRIPTS="irq/ map/limit": the scripts with one of these in their names, and nothing else.
reference:
	@scripts/deps reference
	@$(MAKE) --no-print-directory all
	@tests/reference/reference.py $(BUILD) $(PARTS) --sequences $(SEQUENCES) $(if $(SEED),--seed $(SEED)) \
		$(foreach part,$(SCRIPTS),--script $(part))

# Write down anew what real Linux says of the topologies of tests/reference/groups.
reference-record:
	@scripts/deps reference
	@$(MAKE) --no-print-directory all
	@tests/reference/reference.py $(BUILD) --record

install: all
	@meson install -C $(BUILD) --no-rebuild

clean:
	@rm -rf build build-test build-tsan build-fuzz
