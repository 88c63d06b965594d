/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of bench-bpf: libpcap's headers and the kernel's name the same things, so each has files of its own. */
#ifndef BENCH_BPF_BENCH_H
#define BENCH_BPF_BENCH_H

#include <linux/filter.h>
#include <stdint.h>

/* peer.c: libpcap. */
/* The program of a tcpdump expression for Ethernet; its length, or 0. */
unsigned peer_compile(const char *expression, struct sock_filter *out, unsigned most);
uint32_t peer_run(const struct sock_filter *f, const uint8_t *data, uint32_t size);

/* filters.c: libseccomp. */
struct bench_filter {
	const char *name;
	struct sock_filter f[4096];
	unsigned size;
	int nr;       /* the call that is checked by its arguments */
	uint64_t arg; /* its first argument */
};
/* All of them; their number. */
unsigned filters_make(struct bench_filter *out, unsigned most);

#endif
