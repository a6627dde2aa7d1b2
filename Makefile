# `make` alone lists what there is. Everything works without a terminal and needs nothing but Debian or Ubuntu, Swift
# and a network to get packages from; what is fetched or made for tests stays below .build/lab.

PREFIX ?= /usr/local
DESTDIR ?=
# Warnings are errors in tests only, so that a newer compiler's newer warning never stops a release build.
STRICT = LIGHTNINGSTREAM_STRICT=1
SWIFT_SOURCES = Sources Tests Package.swift Benchmarks/Micro/Package.swift Benchmarks/Micro/Passes

.PHONY: help
help:
	@echo "make demo      two PowerDNS servers that follow each other: 3 to 6 minutes with the first build, then under one;"
	@echo "               KEEP=1 keeps them running"
	@echo "make build     the release binary, for this machine"
	@echo "make install   binary, manual page, completions and units to PREFIX (PREFIX=$(PREFIX), DESTDIR=$(DESTDIR))"
	@echo "make deb       a package for this machine's release of Debian or Ubuntu, in .build/deb"
	@echo "make check     lint, build, and the tests that need no server: under 4 minutes after the first build"
	@echo "make test      that, and the tests with real PowerDNS and S3 servers: 15 minutes from a clean clone on two cores"
	@echo "make test-all  that, and packages, systemd, a browser, the cluster of deploy/, fuzzing: what .ci/run runs; as root"
	@echo "make test-compose   the part of it that runs the cluster of deploy/ with a Docker engine of its own; as root"
	@echo "make docs      the documentation as a site, in .build/site"
	@echo "make bench     the figures of docs/performance.md"
	@echo "make bench-micro    instructions, allocations and retains of the loops, compared with their thresholds"
	@echo "make format    formats the Swift sources; make lint only checks them"
	@echo "make clean     removes what was built, fetched servers included"

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

.PHONY: docs
docs:
	@scripts/bootstrap test
	@NO_MKDOCS_2_WARNING=1 .build/lab/venv/bin/python -m mkdocs build --strict

.PHONY: bench
bench: bootstrap
	@if [ -x Benchmarks/run ]; then Benchmarks/run; else echo "There is no benchmark yet." >&2; exit 1; fi

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
