# Switchback: `make train` and `make test` are all a fresh Debian or Ubuntu machine with Swift needs.

SWIFT ?= swift
# Asked when a recipe runs: on a fresh machine the target `packages` has installed the headers by then.
TRAITS = $(shell sh .make/traits.sh)
SWIFT_FLAGS = -c release $(or $(addprefix --traits ,$(TRAITS)),--disable-default-traits)
# No test imports `@testable`. For such imports `swift test` compiles every module with -enable-testing, which `swift build`
# does not: each would then build anew, for minutes, what the other one built.
TEST_FLAGS = $(SWIFT_FLAGS) --disable-testable-imports
# SwiftPM plans anew where a variable is another, such as PATH, and each plan hands the traits to the compiler in the order of a
# set, which is another in each process: every module would be compiled again. Only building has it: what tests run must be
# right in any order.
PLANNED := SWIFT_DETERMINISTIC_HASHING=1
BINARY := .build/release/switchback
PREFIX ?= /usr/local

.DEFAULT_GOAL := build
.PHONY: build install install-files uninstall train test test-all bench format lint clean packages operations mutants \
  museum faults campaign

# Installs what is missing (with sudo only where not root) and says so; does nothing where all is there.
packages:
	@sh .make/install-packages.sh

build: packages
	@sh .make/traits.sh --explain
	$(PLANNED) $(SWIFT) build $(SWIFT_FLAGS)

# For a system: `make build`, then `sudo make install`. Under sudo nothing is built, or files of root would stay in
# .build; without it, what is installed is up to date.
install: $(if $(SUDO_USER),,build)
	@$(MAKE) --no-print-directory install-files

install-files:
	@sh .make/install.sh "$(BINARY)" "$(DESTDIR)" "$(PREFIX)"

uninstall:
	@sh .make/uninstall.sh "$(DESTDIR)$(PREFIX)"

# The main job on real data, with a live display; prints where the report is.
train: build
	$(BINARY) train configs/fashion-cnn.yaml

# The fast tests: minutes.
test: packages lint
	@sh .make/traits.sh --explain
	$(PLANNED) $(SWIFT) build $(SWIFT_FLAGS) --build-tests
	sh .make/in-scratch.sh $(SWIFT) test $(TEST_FLAGS) --skip-build --parallel

# Everything, the long ones by name: kills and resumes, lockstep of three seeds on every backend and with PyTorch
# (installed into .venv-bench), a package that uses Switchback from outside, one without its traits, sanitizers, every
# kernel under Oclgrind, CPU kernels of every instruction set in C (NEON in emulation), mutants, the museum.
test-all: packages lint
	sh .make/install-packages.sh oclgrind qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross
	sh .make/install-pytorch.sh
	$(PLANNED) $(SWIFT) build $(SWIFT_FLAGS) --build-tests
	SWITCHBACK_LONG_TESTS=1 sh .make/in-scratch.sh $(SWIFT) test $(TEST_FLAGS) --skip-build
	rm -f .build-consumer/*.yaml .build-consumer/build.db # or files that are new since the last time are not seen
	$(SWIFT) run -c release --package-path Tests/ConsumerPackage --scratch-path .build-consumer Consumer $(CURDIR)/$(BINARY)
	SWIFT="$(SWIFT)" sh Tests/without-traits.sh
	python3 Tests/Sanitizers/sanitize.py
	python3 Tests/Oclgrind/oclgrind.py
	python3 Tests/Kernels/kernels.py
	$(MAKE) mutants
	$(MAKE) museum

# Wrong copies of the kernels, at low priority: conformance must find each (results in Tests/Mutants/results.tsv).
mutants: build
	nice python3 Tests/Mutants/mutants.py

# Faults that other people's kernels had, rebuilt as plug-ins in C: conformance must find and name each (results in
# Tests/Museum/README.md).
museum: build
	nice python3 Tests/Museum/museum.py

# Planted faults and healthy networks: one width, one seed, one backend. The whole grid is Benchmarks/faults.py alone.
faults: build
	nice python3 Benchmarks/faults.py --quick --out .build/faults

# Injected errors, kills, mutated files and hostile plug-ins (Tests/Campaign/README.md): minutes; HOURS=1 for all of it.
campaign: build
	python3 Tests/Campaign/campaign.py $(if $(HOURS),--hours)

# What is made of statements in the sources: the numbers and formulas of elementwise functions that kernels are compiled
# with, then tables of which backend runs which operation, and of the keys of configurations.
operations: build
	$(BINARY) backends operations --functions c > Backends/CPUKernels/include/elementwise_functions.h
	$(BINARY) backends operations --functions opencl > Backends/OpenCL/Kernels/formulas.cl
	$(PLANNED) $(SWIFT) build $(SWIFT_FLAGS)
	$(BINARY) backends operations > Sources/OPERATIONS.md
	$(BINARY) config keys --markdown > configs/KEYS.md

# Side by side with PyTorch (installed into a virtual environment of its own), in turns: Benchmarks/bench.py says how.
# BENCH="--rounds 9 --rows mnist-cnn" passes options on.
bench: build
	sh .make/install-pytorch.sh
	python3 Benchmarks/bench.py $(BENCH)

format:
	$(SWIFT) format -i -r Package.swift Sources Backends Tests

lint:
	$(SWIFT) format lint --strict -r Package.swift Sources Backends Tests

clean:
	rm -rf .build
