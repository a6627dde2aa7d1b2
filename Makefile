# `make` alone lists the targets. All of them work without a terminal, and require only Debian or Ubuntu, Swift
# and network access to packages. Files for tests stay below .build/lab.

PREFIX ?= /usr/local
DESTDIR ?=
# Warnings are errors in tests only, so new warnings of a newer compiler do not break release builds.
STRICT = LIGHTNINGSTREAM_STRICT=1
SWIFT_SOURCES = Sources Tests Package.swift Benchmarks/Micro/Package.swift Benchmarks/Micro/Passes

.PHONY: help
help:
	@echo "make demo      two PowerDNS servers in sync: 3 to 6 minutes with the first build, then under one;"
	@echo "               KEEP=1 keeps them running"
	@echo "make build     the release binary for this machine"
	@echo "make install   install binary, manual page, completions and units to PREFIX (PREFIX=$(PREFIX), DESTDIR=$(DESTDIR))"
	@echo "make deb       a package for this machine's release of Debian or Ubuntu, in .build/deb"
	@echo "make check     lint, build, and tests without servers: under 4 minutes after the first build"
	@echo "make test      the same, and tests with real PowerDNS and S3 servers: 15 minutes from a clean clone on two cores"
	@echo "make test-all  the same, and packages, systemd, a browser, the cluster of deploy/, fuzzing, as in .ci/run; as root"
	@echo "make test-compose   only the cluster of deploy/, with a separate Docker engine; as root"
	@echo "make simulate       histories of several instances with faults, in simulated time: SEEDS=100000, or SEED=n for one with its log"
	@echo "make simulate-mutants   breaks one promise after another, and has the simulation find it: one build, then the histories until each is found"
	@echo "make docs      the documentation site, in .build/site"
	@echo "make bench     the figures and the picture of docs/performance.md: 20 minutes"
	@echo "make bench-micro    instructions, allocations and retains of the loops, compared with their thresholds"
	@echo "make format    format the Swift sources; make lint only checks them"
	@echo "make clean     remove all build products and fetched servers"

.PHONY: bootstrap
bootstrap:
	@scripts/bootstrap

.PHONY: demo
demo:
	@KEEP="$(KEEP)" scripts/demo

.PHONY: build
build: bootstrap
	@scripts/build-release --quiet

.PHONY: install
install: build
	@PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" scripts/install

.PHONY: deb
deb: build
	@scripts/bootstrap deb
	@scripts/build-deb

.PHONY: check
check:
	@scripts/check

.PHONY: test
test:
	@scripts/test

.PHONY: test-all
test-all:
	@scripts/test-all

.PHONY: test-compose
test-compose:
	@scripts/test-compose

.PHONY: simulate
SEEDS ?= 3000
# SEED repeats one history, with its log; else SEEDS histories are simulated, from FROM on.
simulate: bootstrap
	@scripts/simulate $(if $(SEED),--seed $(SEED),$(SEEDS) $(FROM))

.PHONY: simulate-mutants
simulate-mutants: bootstrap
	@python3 Tests/Simulate/mutants.py

.PHONY: docs
docs:
	@scripts/bootstrap test
	@NO_MKDOCS_2_WARNING=1 .build/lab/venv/bin/python -m mkdocs build --strict

.PHONY: bench
bench: bootstrap
	@Benchmarks/run
	@Benchmarks/publish

.PHONY: bench-micro
bench-micro: bootstrap
	@Benchmarks/run-micro

.PHONY: format
format:
	swift format --in-place --parallel -r $(SWIFT_SOURCES)

.PHONY: lint
lint:
	swift format lint --strict --parallel -r $(SWIFT_SOURCES)

.PHONY: clean
clean:
	rm -rf .build build Benchmarks/Micro/.build
