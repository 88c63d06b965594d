/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-bpf: libpcap's interpreter, this host's own filters, our interpreter and our compiler, side by side on
 * the same inputs.
 *
 *	bench-bpf [ROUNDS [least]]
 *
 * A run is one call of the engine on one input; batches of runs alternate between the engines, and each
 * engine's figure is the median over ROUNDS (21) batches, or the least, for machines with other work to do, since noise only
 * adds. The empty call shows what the harness itself costs. All
 * engines must agree on every input. The host's column is not a run of its engine but a system call: one that a
 * child makes under the filter, less the same call under a filter of four instructions that looks at an
 * argument too, so that only the program's length is left.
 */
#include "bench.h"

#include "bpf/arena.h"
#include "bpf/chain.h"

#include <linux/audit.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PACKETS 10000
#define STRIDE  4096
#define LENGTH  118
#define MIXED   4096
#define BATCHES 101

static struct bpf_arena *arena;
static unsigned rounds = 21;
static bool take_least;

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
	NR_ENGINES,
};

/* One filter with its inputs. */
struct load {
	const struct sock_filter *f;
	const struct bpf_program *program;
	const struct bpf_compiled *code;             /* of packets */
	const struct bpf_chain *threaded, *compiled; /* of seccomp */
	const u8 *data, *swapped;
	const u32 *order; /* inputs in the order of runs */
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
		EACH(bpf_table_run(l->threaded, threaded, (u32)d->nr, d));
	default:
		if (l->code) {
			bpf_function *function = l->code->function;

			EACH(function(p, l->length));
		}
		EACH(bpf_table_run(l->compiled, compiled, (u32)d->nr, d));
	}
	*sum = total;
	return now() - start;
}

static void measure(const struct load *l, double *ns)
{
	static double samples[NR_ENGINES][BATCHES];
	u32 sums[NR_ENGINES] = {0};

	for (unsigned r = 0; r < rounds; r++)
		for (enum engine e = 0; e < NR_ENGINES; e++)
			samples[e][r] = (double)run_batch(l, e, &sums[e]) / l->runs;
	for (enum engine e = 0; e < NR_ENGINES; e++) {
		ns[e] = median(samples[e], rounds);
		if (take_least)
			ns[e] = samples[e][0];
		if (e > PEER && sums[e] != sums[PEER]) {
			fprintf(stderr, "bench-bpf: the engines disagree (%d)\n", e);
			exit(1);
		}
	}
}

static void print_row(const char *filter, const char *input, const double *ns, double host)
{
	printf("| %-22s | %-5s | %5.1f | %6.1f | %6.1f | %6.1f | %6.1f | ", filter, input, ns[EMPTY],
	       ns[PEER], ns[PLAIN], ns[THREADED], ns[COMPILED]);
	if (host > 0)
		printf("%6.1f", host);
	else
		printf("%6s", "-");
	printf(" | %5.1f | %5.1f |\n", ns[PEER] / ns[THREADED], ns[PEER] / ns[COMPILED]);
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
		.f = f, .order = order, .stride = STRIDE, .length = LENGTH, .inputs = 1, .runs = 200000};
	struct bpf_compiled code = {0};
	struct bpf_program *p;
	double ns[NR_ENGINES];
	u8 *data = mmap(NULL, PACKETS * STRIDE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned size = peer_compile(expression, f, 512);
	u64 seed = 88172645463325252;

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
	measure(&l, ns);
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
	print_row(name, "10k", ns, 0);
	bpf_compiled_free(&code);
	bpf_program_free(p);
	munmap(data, PACKETS * STRIDE);
}

/* ---- the host ---- */

static double call_under(const struct sock_filter *f, unsigned size, int nr, u64 arg)
{
	struct sock_fprog prog = {(unsigned short)size, (struct sock_filter *)f};
	double samples[25] = {0}, result = -1;
	int fd[2], status;
	pid_t pid;

	if (pipe(fd))
		return -1;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog))
			_exit(1);
		for (unsigned i = 0; i < 25; i++) {
			u64 start = __builtin_ia32_rdtsc();

			for (unsigned j = 0; j < 4000; j++)
				syscall(nr, arg);
			samples[i] = (double)(__builtin_ia32_rdtsc() - start) / 4000;
		}
		result = median(samples, 25);
		status = write(fd[1], &result, sizeof result) == sizeof result ? 0 : 1;
		kill(getpid(), SIGKILL); /* exit_group may be refused */
		_exit(status);
	}
	close(fd[1]);
	if (pid < 0 || read(fd[0], &result, sizeof result) != sizeof result)
		result = -1;
	close(fd[0]);
	if (pid > 0)
		waitpid(pid, &status, 0);
	return result;
}

static double ticks_per_ns(void)
{
	u64 start = now(), ticks = __builtin_ia32_rdtsc();

	while (now() - start < 20000000)
		continue;
	return (double)(__builtin_ia32_rdtsc() - ticks) / (double)(now() - start);
}

/* What the filter's length adds to a call on this host, in ns; interleaved with the least filter. */
static double on_host(const struct bench_filter *b)
{
	static const struct sock_filter short_one[] = {
		{BPF_LD | BPF_W | BPF_ABS, 0, 0, 16},
		{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0x12345678},
		{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO},
		{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
	};
	double rate = ticks_per_ns(), differences[9];

	for (unsigned i = 0; i < 9; i++) {
		double with = call_under(b->f, b->size, b->nr, b->arg);
		double without = call_under(short_one, 4, b->nr, b->arg);

		if (with < 0 || without < 0)
			return -1;
		differences[i] = (with - without) / rate;
	}
	return median(differences, 9);
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
	struct load l = {.f = b->f, .order = order, .stride = sizeof *data, .length = 64, .runs = 100000};
	const struct bpf_chain *threaded = chain_of(b, NULL), *compiled = chain_of(b, arena);
	double ns[NR_ENGINES];
	u64 seed = 88172645463325252;

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
	measure(&l, ns);
	print_row(b->name, "arg", ns, on_host(b));
	l.inputs = MIXED;
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
		rounds = 21;
	if (bpf_arena_create(&arena))
		fprintf(stderr,
			"bench-bpf: no executable memory: the compiler's column is the interpreter's\n");
	take_least = argc > 2 && !strcmp(argv[2], "least");
	printf("ns per run, %s of %u batches; host: a system call under the filter, less one under four "
	       "instructions\n\n",
	       take_least ? "least" : "median", rounds);
	printf("| filter                 | input | empty | libpcap | plain | threaded | compiled | host | "
	       "libpcap/threaded | "
	       "libpcap/compiled |\n|---|---|---|---|---|---|---|---|---|---|\n");
	packets("fprog1", "port 22");
	packets("fprog2", "tcp port 22 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)");
	n = filters_make(filters, ARRAY_SIZE(filters));
	for (unsigned i = 0; i < n; i++)
		seccomp_filter(&filters[i]);
	bpf_arena_destroy(arena);
	return 0;
}
