/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-bpf: libpcap's interpreter, this host's own compiler, our interpreter and our compiler, side by side on the same
 * inputs.
 *
 *	bench-bpf [ROUNDS [least|median [NAME]]]
 *
 * A run is one call of the engine on one input; batches of runs alternate between the engines, and each engine's figure is
 * the median over ROUNDS (101) batches, or the least, for machines with other work to do, since noise only adds; of all
 * filters, or of those whose names hold NAME. The empty call shows what the harness itself costs. All engines must agree on
 * every input. The last figure, of calls, is no run of an engine: calls.c.
 */
#include "bench.h"

#include "bpf/arena.h"
#include "bpf/chain.h"

#include <linux/audit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PACKETS 10000
#define STRIDE  4096
#define LENGTH  118
#define MIXED   4096
#define BATCHES 1001

static struct bpf_arena *arena;
static unsigned rounds = 101;
static bool take_least;
static const char *only;

static u64 now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000 + (u64)t.tv_nsec;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *v, unsigned n)
{
	qsort(v, n, sizeof *v, compare_doubles);
	return v[n / 2];
}

/* ---- engines ---- */

enum engine {
	EMPTY,
	PEER,
	PLAIN, /* the converted program, one instruction after another */
	THREADED,
	COMPILED,
	HOST, /* the host's machine code, last: not everybody may have it */
	NR_ENGINES,
};

/* One filter with its inputs. */
struct load {
	const struct sock_filter *f;
	const struct bpf_program *program;
	const struct bpf_compiled *code;             /* of packets */
	const struct bpf_chain *threaded, *compiled; /* of seccomp */
	const u8 *data, *swapped;
	const struct host_image *host; /* nullable */
	const u32 *order;              /* inputs in the order of runs */
	size_t stride;
	u32 length, inputs, runs;
};

__attribute__((noinline)) static u32 empty_call(const void *data, u64 size)
{
	__asm__ volatile("");
	return 0;
}

static u64 run_batch(const struct load *l, enum engine engine, u32 *sum)
{
	bpf_function *volatile indirect = empty_call;
	bpf_function *call = indirect;
	const struct bpf_table *threaded =
		l->threaded ? bpf_chain_table(l->threaded, AUDIT_ARCH_X86_64) : NULL;
	const struct bpf_table *compiled =
		l->compiled ? bpf_chain_table(l->compiled, AUDIT_ARCH_X86_64) : NULL;
	static u64 buffer[HOST_BUFFER / 8]; /* stands in for a sk_buff */
	u64 *data_of = &buffer[l->host ? l->host->data_at / 8 : 0],
	    *end_of = &buffer[l->host ? l->host->end_at / 8 : 0];
	const struct bpf_chain *threaded_chain = l->threaded, *compiled_chain = l->compiled;
	uint32_t (*host)(const void *) = l->host ? l->host->run : NULL;
	u64 start = now();
	u32 total = 0;

#define EACH(expression)                                                                     \
	for (u32 i = 0; i < l->runs; i++) {                                                  \
		const u8 *p = l->data + l->order[i % l->inputs] * l->stride;                 \
		const struct seccomp_data *d = (const struct seccomp_data *)(const void *)p; \
		struct bpf_packet packet = {p, l->length};                                   \
		(void)d, (void)packet;                                                       \
		total += (expression);                                                       \
	}                                                                                    \
	break
	switch (engine) {
	case EMPTY:
		EACH(call(p, l->length));
	case PEER:
		EACH(peer_run(l->f, l->swapped ? l->swapped + (p - l->data) : p, l->length));
	case PLAIN:
		if (l->code) {
			EACH(bpf_interpret(l->program->insns, &packet));
		}
		EACH(bpf_interpret(l->program->insns, p));
	case THREADED:
		if (l->code) {
			EACH(bpf_run(l->code->ops, p, l->length));
		}
		EACH(bpf_table_run(threaded_chain, threaded, (u32)d->nr, d));
	case COMPILED:
		if (l->code) {
			bpf_function *function = l->code->function;

			EACH(function(p, l->length));
		}
		EACH(bpf_table_run(compiled_chain, compiled, (u32)d->nr, d));
	default:
		if (l->code) {
			EACH((*data_of = (u64)p, *end_of = (u64)p + l->length, host(buffer)));
		}
		EACH(host(p));
	}
	*sum = total;
	return now() - start;
}

/* Without an arena or without the host's code the engine is left out: its figure is 0. */
static bool engine_missing(const struct load *l, enum engine e)
{
	return (e == COMPILED && l->code && !l->code->function) || (e == HOST && !l->host);
}

static void measure(const struct load *l, double *ns)
{
	static double samples[NR_ENGINES][BATCHES];
	u32 sums[NR_ENGINES] = {0};

	for (unsigned r = 0; r < rounds; r++)
		for (enum engine e = 0; e < NR_ENGINES; e++)
			if (!engine_missing(l, e))
				samples[e][r] = (double)run_batch(l, e, &sums[e]) / l->runs;
	for (enum engine e = 0; e < NR_ENGINES; e++) {
		ns[e] = 0;
		if (engine_missing(l, e))
			continue;
		ns[e] = median(samples[e], rounds);
		if (take_least)
			ns[e] = samples[e][0];
		if (e > PEER && sums[e] != sums[PEER]) {
			fprintf(stderr, "bench-bpf: the engines disagree (%d)\n", e);
			exit(1);
		}
	}
}

/* ---- the table ---- */

/* Ratios of two engines, and the least that was found. */
static struct {
	const char *what;
	enum engine slow, fast;
	double wanted, found;
} goals[NR_GOALS] = {
	[GOAL_PACKETS] = {"libpcap : threaded, packets", PEER, THREADED, 2, 0},
	[GOAL_SHORT] = {"host : compiled, short filter", HOST, COMPILED, 1, 0},
	[GOAL_LARGE] = {"host : compiled, large filter", HOST, COMPILED, 5, 0},
	[GOAL_DOCKER] = {"host : compiled, Docker's filters", HOST, COMPILED, 14, 0},
};

static void mind_goal(enum bench_goal g, const double *ns)
{
	double ratio = ns[goals[g].fast] > 0 ? ns[goals[g].slow] / ns[goals[g].fast] : 0;

	if (ratio > 0 && (goals[g].found <= 0 || ratio < goals[g].found))
		goals[g].found = ratio;
}

static void print_goals(void)
{
	printf("\n| ratio | wanted | least found |\n|---|---|---|\n");
	for (enum bench_goal g = 0; g < NR_GOALS; g++) {
		printf("| %-33s | %6.1f | ", goals[g].what, goals[g].wanted);
		if (goals[g].found > 0)
			printf("%11.1f |\n", goals[g].found);
		else
			printf("%11s |\n", "-");
	}
}

static void print_figure(double v, int width)
{
	if (v > 0 || v < 0)
		printf(" %*.1f |", width, v);
	else
		printf(" %*s |", width, "-");
}

/* @call: what the filter adds to a call on this host, 0 where that was not measured. */
static void print_row(const char *filter, const char *input, const double *ns, double call)
{
	printf("| %-22s | %-5s |", filter, input);
	print_figure(ns[EMPTY], 5);
	for (enum engine e = PEER; e < NR_ENGINES; e++)
		print_figure(ns[e], 6);
	print_figure(call, 6);
	print_figure(ns[PEER] / ns[THREADED], 6);
	print_figure(ns[COMPILED] > 0 ? ns[PEER] / ns[COMPILED] : 0, 6);
	print_figure(ns[COMPILED] > 0 ? ns[HOST] / ns[COMPILED] : 0, 5);
	printf("\n");
	fflush(stdout);
}

/* ---- packets ---- */

static void put16(u8 *p, u32 v)
{
	p[0] = (u8)(v >> 8);
	p[1] = (u8)v;
}

/* A TCP segment over IPv4, with data. */
static void make_packet(u8 *p, u16 port)
{
	memset(p, 0x5a, LENGTH);
	put16(p + 12, 0x800);
	p[14] = 0x45;
	put16(p + 16, LENGTH - 14);
	put16(p + 20, 0x4000);
	p[23] = 6;
	put16(p + 34, 40000);
	put16(p + 36, port);
	p[46] = 0x50;
}

static void packets(const char *name, const char *expression)
{
	static struct sock_filter f[512];
	static u32 order[PACKETS];
	struct load l = {
		.f = f, .order = order, .stride = STRIDE, .length = LENGTH, .inputs = 1, .runs = 20000};
	struct bpf_compiled code = {0};
	struct host_image image;
	struct bpf_program *p;
	double ns[NR_ENGINES];
	u8 *data = mmap(NULL, PACKETS * STRIDE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned size = peer_compile(expression, f, 512);
	u64 seed = 88172645463325252;

	if (!strstr(name, only))
		return;

	if (data == MAP_FAILED || !size || bpf_program_create(f, size, BPF_KIND_PACKET, &p, NULL) ||
	    bpf_compile(&code, p, arena)) {
		fprintf(stderr, "bench-bpf: %s cannot be made\n", name);
		return;
	}
	for (u32 i = 0; i < PACKETS; i++) {
		make_packet(data + (size_t)i * STRIDE, 22);
		order[i] = i;
	}
	l.data = data;
	l.program = p;
	l.code = &code;
	l.host = host_compile(&image, p) ? &image : NULL;
	measure(&l, ns);
	mind_goal(GOAL_PACKETS, ns);
	print_row(name, "hit", ns, 0);
	for (u32 i = PACKETS - 1; i > 0; i--) {
		u32 j, t = order[i];

		seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
		j = (u32)(seed % (i + 1));
		order[i] = order[j];
		order[j] = t;
	}
	l.inputs = l.runs = PACKETS;
	measure(&l, ns);
	mind_goal(GOAL_PACKETS, ns);
	print_row(name, "10k", ns, 0);
	bpf_compiled_free(&code);
	bpf_program_free(p);
	munmap(data, PACKETS * STRIDE);
}

/* ---- seccomp ---- */

/* Common calls, for the mixture. */
static const u16 common[] = {
	SYS_read,     SYS_write,    SYS_close,      SYS_fstat,     SYS_mmap,    SYS_mprotect,
	SYS_munmap,   SYS_brk,      SYS_ioctl,      SYS_pread64,   SYS_access,  SYS_poll,
	SYS_lseek,    SYS_dup2,     SYS_getpid,     SYS_socket,    SYS_connect, SYS_sendto,
	SYS_recvfrom, SYS_execve,   SYS_wait4,      SYS_fcntl,     SYS_getcwd,  SYS_chdir,
	SYS_unlink,   SYS_readlink, SYS_getuid,     SYS_geteuid,   SYS_getppid, SYS_prctl,
	SYS_futex,    SYS_openat,   SYS_newfstatat, SYS_getrandom, SYS_statx,   SYS_epoll_wait};

static const struct bpf_chain *chain_of(const struct bench_filter *b, struct bpf_arena *where)
{
	static const u32 arch = AUDIT_ARCH_X86_64;
	struct bpf_program *p;
	struct bpf_chain *c;

	if (bpf_program_create(b->f, b->size, BPF_KIND_SECCOMP, &p, NULL) ||
	    bpf_chain_add(NULL, p, &arch, 1, where, &c))
		return NULL;
	return c;
}

/* The data as libpcap wants it: each word big endian. */
static void swap_words(struct seccomp_data *to, const struct seccomp_data *from)
{
	const u32 *in = (const u32 *)from;
	u32 *out = (u32 *)to;

	for (unsigned i = 0; i < sizeof *from / 4; i++)
		out[i] = __builtin_bswap32(in[i]);
}

static void seccomp_filter(const struct bench_filter *b)
{
	static struct seccomp_data data[MIXED], swapped[MIXED];
	static u32 order[MIXED];
	struct host_image image;
	struct load l = {.f = b->f, .order = order, .stride = sizeof *data, .length = 64, .runs = 10000};
	const struct bpf_chain *threaded = chain_of(b, NULL), *compiled = chain_of(b, arena);
	double ns[NR_ENGINES];
	u64 seed = 88172645463325252;

	if (!strstr(b->name, only))
		return;
	if (!threaded || !compiled)
		return;
	for (unsigned i = 0; i < MIXED; i++) {
		seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
		data[i] = (struct seccomp_data){.nr = i ? common[seed % ARRAY_SIZE(common)] : b->nr,
						.arch = AUDIT_ARCH_X86_64,
						.args = {i ? seed >> 60 : b->arg}};
		swap_words(&swapped[i], &data[i]);
		order[i] = i;
	}
	l.program = threaded->program;
	l.threaded = threaded;
	l.compiled = compiled;
	l.data = (const u8 *)data;
	l.swapped = (const u8 *)swapped;
	l.inputs = 1;
	l.host = host_compile(&image, l.program) ? &image : NULL;
	measure(&l, ns);
	if (b->goal < NR_GOALS)
		mind_goal(b->goal, ns);
	print_row(b->name, "arg", ns, calls_cost(b));
	l.inputs = MIXED;
	l.runs = 10 * MIXED;
	measure(&l, ns);
	print_row(b->name, "mixed", ns, 0);
	bpf_chain_put((struct bpf_chain *)threaded);
	bpf_chain_put((struct bpf_chain *)compiled);
}

int main(int argc, char **argv)
{
	static struct bench_filter filters[8];
	unsigned n;

	if (argc > 1)
		rounds = (unsigned)atoi(argv[1]);
	if (rounds < 1 || rounds > BATCHES)
		rounds = 101;
	if (bpf_arena_create(&arena))
		fprintf(stderr,
			"bench-bpf: no executable memory: the compiler's column is the interpreter's\n");
	take_least = argc > 2 && !strcmp(argv[2], "least");
	printf("ns per run, %s of %u batches; host: the host's machine code; call: what a system call takes "
	       "longer under the "
	       "filter than under one of four instructions\n\n",
	       take_least ? "least" : "median", rounds);
	printf("| filter | input | empty | libpcap | plain | threaded | compiled | host | call | libpcap : "
	       "threaded | "
	       "libpcap : compiled | host : compiled |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n");
	only = argc > 3 ? argv[3] : "";
	packets("fprog1", "port 22");
	packets("fprog2", "tcp port 22 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)");
	n = filters_make(filters, ARRAY_SIZE(filters));
	for (unsigned i = 0; i < n; i++)
		seccomp_filter(&filters[i]);
	print_goals();
	bpf_arena_destroy(arena);
	return 0;
}
