# SPDX-License-Identifier: Apache-2.0
# husk: build, test, measure. `make help` lists the targets.

CC ?= gcc
BUILD ?= build
OPT ?= -O2
WARN := -Wall -Wextra -Wshadow -Wvla -Wno-unused-parameter -Wno-missing-field-initializers
CFLAGS := -std=gnu17 -g $(OPT) $(WARN) -D_GNU_SOURCE -Isrc -Isrc/kernel -I$(BUILD)/gen -fno-strict-aliasing $(EXTRA_CFLAGS)
LDFLAGS := -pthread $(EXTRA_LDFLAGS)

SOURCES := $(shell find src -name '*.c' -not -path 'src/stub/*')
OBJECTS := $(SOURCES:src/%.c=$(BUILD)/obj/%.o)

.PHONY: all clean
all: $(BUILD)/husk

$(BUILD)/obj/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/husk: $(OBJECTS)
	$(CC) $(CFLAGS) $(OBJECTS) $(LDFLAGS) -o $@

clean:
	rm -rf $(BUILD)

-include $(OBJECTS:.o=.d)
