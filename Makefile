# SPDX-License-Identifier: Apache-2.0
# husk: build, test, measure. `make help` lists the targets.

ifeq ($(origin CC),default)
CC := gcc
endif
BUILD ?= build
OPT ?= -O2
PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 60
VERSION := 0.1.0

WARN := -Wall -Wextra -Wshadow -Wvla -Wno-unused-parameter -Wno-missing-field-initializers \
	-Werror=implicit-function-declaration -Werror=int-conversion
CFLAGS := -std=gnu17 -g $(OPT) $(WARN) -D_GNU_SOURCE= -DHUSK_VERSION='"$(VERSION)"' -Isrc -Isrc/kernel -I$(BUILD)/gen \
	-fno-strict-aliasing $(EXTRA_CFLAGS)
LDFLAGS := -pthread $(EXTRA_LDFLAGS)

SOURCES := $(shell find src -name '*.c' -not -path 'src/stub/*')
OBJECTS := $(SOURCES:src/%.c=$(BUILD)/obj/%.o)
STUB_IMAGE :=

.PHONY: all deps demo test test-extra test-all-traps bench bench-bpf bench-vma check-asan check-ubsan fuzz lint format install uninstall clean help tests
all: $(BUILD)/husk

# The stub adds its rules and, in STUB_IMAGE, the object that husk carries it in.
-include src/stub/Makefile.inc
ifneq ($(wildcard src/stub/Makefile.inc),)
STUB_IMAGE := $(BUILD)/obj/stub_image.o
$(OBJECTS): | $(BUILD)/gen/stub_symbols.h
endif

$(BUILD)/obj/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	@echo "cc $<"
	@$(CC) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/husk: $(OBJECTS) $(STUB_IMAGE)
	@echo "link $@"
	@$(CC) $(CFLAGS) $(OBJECTS) $(STUB_IMAGE) $(LDFLAGS) -o $@

-include $(OBJECTS:.o=.d)

# --- tests -----------------------------------------------------------------------------------------------------------

# A guest test is an ordinary program, `static` in its head makes a static one as well.
# A unit test names the sources that it links in a line `links: FILE...` of its head.
TEST_CFLAGS := -std=gnu17 -g -O2 -Wall -Wextra -Wno-unused-parameter -D_GNU_SOURCE= -Itests/guest -I. -Isrc -I$(BUILD)/gen \
	-pthread

GUEST_SOURCES := $(wildcard tests/guest/*.c)
GUEST_STATIC := $(if $(GUEST_SOURCES),$(shell for f in $(GUEST_SOURCES); do sed "/^\#/q" $$f | grep -qw static && echo $$f; done))
GUEST_TESTS := $(GUEST_SOURCES:%.c=$(BUILD)/%) $(GUEST_STATIC:%.c=$(BUILD)/%.static)
UNIT_TESTS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/*.c))
TEST_TOOLS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/tools/*.c))
BENCHES := $(patsubst %.c,$(BUILD)/%,$(wildcard bench/*.c))

$(BUILD)/tests/guest/%.static: tests/guest/%.c $(wildcard tests/guest/*.h)
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) $< -static -o $@

$(BUILD)/tests/guest/%: tests/guest/%.c $(wildcard tests/guest/*.h)
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) $< -o $@

$(BUILD)/tests/tools/%: tests/tools/%.c $(wildcard tests/tools/*.h)
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) $< -o $@

$(BUILD)/bench/%: bench/%.c $(wildcard bench/*.h tests/tools/*.h)
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) -Ibench $< -o $@

# The engine for classic BPF alone, beside libpcap's, on filters of libseccomp's.
BPF_BENCH := $(wildcard bench/bpf/*.c) $(wildcard src/kernel/bpf/*.c) src/base/bug.c src/base/text.c
$(BUILD)/bench/bpf/bench-bpf: $(BPF_BENCH) bench/bpf/bench.h $(wildcard src/kernel/bpf/*.h)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -Ibench/bpf $(BPF_BENCH) -lpcap -lseccomp -o $@

# The VMA store: alone, and what calls on mappings cost a program.
$(BUILD)/bench/vma/store: bench/vma/store.c src/kernel/mm/vma.c src/kernel/mm/vma_gap.c src/kernel/mm/vma_snapshot.c src/kernel/mm/vma_tree.c src/base/bug.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $^ -o $@
$(BUILD)/bench/vma/calls: bench/vma/calls.c
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) $< -o $@

unit_links = $(shell sed -n '1,25s/.*links://p' tests/unit/$(1).c | grep -o '[a-zA-Z_0-9/]*[.]c')

.SECONDEXPANSION:
$(BUILD)/tests/unit/%: tests/unit/%.c $(wildcard tests/unit/*.h) $$(call unit_links,$$*) | $(if $(STUB_IMAGE),$(BUILD)/gen/stub_symbols.h)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -DHUSK_DEBUG -I. -Itests/unit $(filter %.c,$^) $(LDFLAGS) -o $@

tests: $(GUEST_TESTS) $(UNIT_TESTS) $(TEST_TOOLS)

test:
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory -s all tests
	@BUILD=$(BUILD) tests/run $(TESTS)

# What needs the sources of other programs besides, and more time.
test-extra:
	@tools/deps
	@BUILD=$(BUILD) tools/debian-source libseccomp
	@$(MAKE) --no-print-directory -s all
	@BUILD=$(BUILD) tests/run extra

# Everything that runs guests, under every trap.
test-all-traps:
	@$(MAKE) --no-print-directory -s all tests
	@failed=0; \
	HUSK_TRAPS='seccomp dispatch ptrace' BUILD=$(BUILD) tests/run guest onecpu nobody docker novm listener quota nosysemu || \
		failed=1; \
	for trap in seccomp dispatch ptrace; do \
		echo "programs and escapes under $$trap"; \
		HUSK_TRAP=$$trap BUILD=$(BUILD) tests/run programs escape || failed=1; \
	done; \
	exit $$failed

# --- what people call ------------------------------------------------------------------------------------------------

deps:
	@BUILD=$(BUILD) tools/deps

demo:
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory -s all
	@BUILD=$(BUILD) tools/demo

bench: $(BUILD)/husk $(BENCHES)
	@BUILD=$(BUILD) bench/run

bench-bpf: $(BUILD)/bench/bpf/bench-bpf
	@$(BUILD)/bench/bpf/bench-bpf

bench-vma: $(BUILD)/husk $(BUILD)/bench/vma/store $(BUILD)/bench/vma/calls
	@BUILD=$(BUILD) bench/vma/run

# Debug builds: objects are counted, and what is left at the end is reported.
check-asan:
	@$(MAKE) --no-print-directory -s BUILD=$(BUILD)/asan OPT=-O1 all tests \
		EXTRA_CFLAGS='-DHUSK_DEBUG -fsanitize=address -fno-omit-frame-pointer' EXTRA_LDFLAGS=-fsanitize=address
	@HUSK_PATIENCE=6 BUILD=$(BUILD)/asan tests/run unit guest programs escape

check-ubsan:
	@$(MAKE) --no-print-directory -s BUILD=$(BUILD)/ubsan OPT=-O1 all tests \
		EXTRA_CFLAGS='-DHUSK_DEBUG -fsanitize=undefined -fno-sanitize-recover=undefined' \
		EXTRA_LDFLAGS=-fsanitize=undefined
	@HUSK_PATIENCE=6 BUILD=$(BUILD)/ubsan tests/run unit guest programs escape

fuzz: $(BUILD)/husk
	@tools/deps fuzz
	@BUILD=$(BUILD) FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run

lint:
	@tools/lint

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

install: $(BUILD)/husk
	install -D -m 755 $(BUILD)/husk $(DESTDIR)$(PREFIX)/bin/husk
	for m in man/*.1; do install -D -m 644 $$m $(DESTDIR)$(PREFIX)/share/man/man1/$${m##*/}; done
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	$(BUILD)/husk completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/husk

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/husk $(DESTDIR)$(PREFIX)/share/bash-completion/completions/husk
	for m in man/*.1; do rm -f $(DESTDIR)$(PREFIX)/share/man/man1/$${m##*/}; done

clean:
	rm -rf $(BUILD)

help:
	@echo 'make              build $(BUILD)/husk'
	@echo 'make deps         install the Debian packages that building, demo and tests need'
	@echo 'make demo         build Lua inside husk and run its tests, and tell what happened'
	@echo 'make test         all tests; TESTS="guest onecpu" runs a part (tests/run --help)'
	@echo 'make test-all-traps  all guest tests under every trap, not a core of them under ptrace'
	@echo 'make test-extra   what takes long or needs other sources: libseccomp as an oracle, 100,000 files, /usr, programs in the overlay'
	@echo 'make bench        native and husk side by side; writes $(BUILD)/bench.json'
	@echo 'make bench-bpf    the BPF engine beside libpcap and the host'
	@echo 'make bench-vma    the store of mappings: alone, and calls on it natively and inside'
	@echo 'make check-asan   the tests with AddressSanitizer; check-ubsan: with UndefinedBehaviorSanitizer'
	@echo 'make fuzz         FUZZ_SECONDS=$(FUZZ_SECONDS) of random calls'
	@echo 'make lint         layering, layout, shell scripts; make format lays the sources out'
	@echo 'make install      into DESTDIR PREFIX=$(PREFIX); make uninstall takes it away'
	@echo 'make clean        remove $(BUILD)'
