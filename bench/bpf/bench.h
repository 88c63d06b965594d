/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of bench-bpf: libpcap's headers and the kernel's name the same things, so each has files of its own. */
#ifndef BENCH_BPF_BENCH_H
#define BENCH_BPF_BENCH_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

struct bpf_program;

/* peer.c: libpcap. */
/* The program of a tcpdump expression for Ethernet; its length, or 0. */
unsigned peer_compile(const char *expression, struct sock_filter *out, unsigned most);
uint32_t peer_run(const struct sock_filter *f, const uint8_t *data, uint32_t size);

/* What is to be reached on this row. */
enum bench_goal { GOAL_PACKETS, GOAL_SHORT, GOAL_LARGE, GOAL_DOCKER, NR_GOALS };

/* filters.c: libseccomp. */
struct bench_filter {
	const char *name;
	struct sock_filter f[4096];
	unsigned size;
	int nr;               /* the call that is checked by its arguments */
	uint64_t arg;         /* its first argument */
	enum bench_goal goal; /* NR_GOALS: none */
};
/* All of them; their number. */
unsigned filters_make(struct bench_filter *out, unsigned most);

/* host.c: the host's compiler. */
#define HOST_BUFFER 512 /* more than a sk_buff */
struct host_image {
	uint32_t (*run)(
		const void *context); /* of seccomp programs struct seccomp_data, of packets a sk_buff */
	unsigned data_at, end_at;     /* of a sk_buff: where data and its end stand */
};
/* False: the host does not show its code to this user. */
bool host_compile(struct host_image *image, const struct bpf_program *p);

/* calls.c: what the filter makes a call of its number longer on this host, in ns; 0: it cannot be known. */
double calls_cost(const struct bench_filter *b);

#endif
