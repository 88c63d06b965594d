/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outer jail of the kernel process: what it gives up before a guest runs. Each layer is used where the
 * host has it, none is required; the report says which are on.
 *
 * The order matters: everything that changes who the process is (no_new_privs, capabilities, Landlock) comes
 * before the zygote, or the host would refuse process_vm_readv() on guests; the filter of the kernel process
 * comes after it.
 */
#ifndef HUSK_LAUNCH_LAUNCH_H
#define HUSK_LAUNCH_LAUNCH_H

#include "base/types.h"

#define LAUNCH_DESCRIPTORS 128 /* with fewer a guest's first program finds no room for its libraries */

enum layer {
	LAYER_NO_NEW_PRIVS,
	LAYER_CAPABILITIES,
	LAYER_RLIMITS,
	LAYER_LANDLOCK,
	LAYER_FILTER,
	NR_LAYERS,
};

/* A host path that the guest is given besides the root. */
struct launch_path {
	const char *path; /* borrowed */
	bool writable;
};

struct launch {
	const char *root; /* the guest's root tree on the host; borrowed */
	const struct launch_path *paths;
	size_t npaths;
	bool writes;      /* one of them is writable */
	int image;        /* a file that guests' first process is executed from, wherever it lies; -1: none */
	bool no_landlock; /* leave the layer out (developers) */
	bool no_filter;   /* leave the kernel's filter out (developers) */
	bool traces;      /* the kernel process traces the guests (set by launch_confine()) */
	bool filter_kills; /* a call outside the filter's table ends husk instead of failing with EPERM */
	struct layer_state {
		bool on;
		char why[96]; /* why it is off, or what it does */
	} layers[NR_LAYERS];
};

/* The name of a layer in reports. */
const char *layer_name(enum layer layer);

/* For struct sandbox_config.confine: @phase 0 before the zygote, 1 after it, when
 * it is known whether the kernel process @traces its guests; @arg is a struct launch. 0, or a
 * negative errno with a sentence in @why, when something failed that must not. */
int launch_confine(int phase, bool traces, void *arg, char *why, size_t size);

/* The layers, one file each: 0 when it is on, else a negative errno with the reason in the layer's @why. */
int launch_no_new_privs(struct launch *l);
int launch_capabilities(struct launch *l);
int launch_rlimits(struct launch *l);
int launch_landlock(struct launch *l);
int launch_filter(struct launch *l);

#endif
