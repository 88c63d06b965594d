/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The filter of guest processes against a model of what it must allow: every address of the stub with every
 * call number, and each of the stub's own calls with arguments at the borders of the windows, with carries,
 * with every flag. The program is run by a small interpreter here; the model is written from the windows'
 * layout, in plain arithmetic, not from the filter.
 *
 * `stub_filter [seed]`.
 *
 * links: src/trap/seccomp/filter.c src/base/bug.c
 */
#include "trap/seccomp/filter.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "channel/channel.h"
#include "stub_symbols.h"

#define NUMBERS   520
#define GUEST_END 0x7ffdfffff000UL
#define RANDOM    20000 /* tries for each half of an argument that a rule looks at */

/* What a call must get. EITHER: the host itself refuses it, or it can hurt nobody. */
enum verdict { TRAP, ALLOW, ASK, EITHER };

static int failures;

/* ---- a classic BPF machine ---- */

/* @loaded gets a bit for each word of @data that was looked at: the others have no say in the result. */
static u32 run(const struct sock_filter *f, size_t n, const struct seccomp_data *data, u32 *loaded)
{
	u32 a = 0, x = 0;

	*loaded = 0;

	for (size_t pc = 0; pc < n; pc++) {
		const struct sock_filter *i = &f[pc];
		bool yes;

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			memcpy(&a, (const char *)data + i->k, 4);
			*loaded |= 1U << i->k / 4;
			continue;
		case BPF_MISC | BPF_TAX:
			x = a;
			continue;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= i->k;
			continue;
		case BPF_ALU | BPF_ADD | BPF_X:
			a += x;
			continue;
		case BPF_RET | BPF_K:
			return i->k;
		case BPF_JMP | BPF_JEQ | BPF_K:
			yes = a == i->k;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			yes = a > i->k;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			yes = a >= i->k;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			yes = (a & i->k) != 0;
			break;
		default:
			printf("not ok unknown instruction %x at %zu\n", i->code, pc);
			exit(1);
		}
		pc += yes ? i->jt : i->jf;
	}
	printf("not ok the program ran off its end\n");
	exit(1);
}

/* ---- the model ---- */

/* Whether pages of [addr, addr+len) may be handed to the host: the guest's own are, whatever reaches a window
 * or wraps around is not. */
static enum verdict range(u64 addr, u64 len)
{
	unsigned __int128 end = (unsigned __int128)addr + len;

	if (end <= GUEST_END)
		return ALLOW;
	end = (end + 4095) & ~(unsigned __int128)4095;
	return addr >= GUEST_END + 4096 || end > HUSK_STUB_BASE ? TRAP : EITHER;
}

static enum verdict both(enum verdict a, enum verdict b)
{
	if (a == TRAP || b == TRAP)
		return TRAP;
	return a == EITHER ? a : b;
}

static enum verdict when(bool condition)
{
	return condition ? ALLOW : TRAP;
}

/* An argument that the host takes as an int: exact, or with bits above that it does not look at. */
static enum verdict int_is(u64 arg, u32 value)
{
	return arg == value ? ALLOW : (u32)arg == value ? EITHER : TRAP;
}

static bool listed(u64 value, const u32 *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == (u32)value)
			return true;
	return false;
}
#define LISTED(value, ...) \
	listed(value, (const u32[]){__VA_ARGS__}, sizeof((const u32[]){__VA_ARGS__}) / sizeof(u32))

static enum verdict always(const u64 *a)
{
	return ALLOW;
}

/* WAIT, WAKE, REQUEUE, CMP_REQUEUE, WAKE_OP and the two with a mask: none that inherits priority. */
static enum verdict never(const u64 *a)
{
	return TRAP;
}

static enum verdict futex(const u64 *a)
{
	return when(LISTED(a[1] & ~(u64)(128 | 256), 0, 1, 3, 4, 5, 9, 10));
}

static enum verdict ring(const u64 *a)
{
	return both(int_is(a[0], HUSK_DOORBELL_FD), when(a[2] == 8));
}

/* At an exact place (FIXED or FIXED_NOREPLACE); shared, private, anonymous, without reserve, populated, and
 * STACK, which says nothing. */
static enum verdict map(const u64 *a)
{
	u32 flags = (u32)a[3];

	if (!(flags & (0x10 | 0x100000)) ||
	    flags & ~(u32)(1 | 2 | 0x10 | 0x20 | 0x4000 | 0x8000 | 0x10000 | 0x20000 | 0x100000))
		return TRAP;
	return both(range(a[0], a[1]), a[3] >> 32 ? EITHER : ALLOW);
}

static enum verdict memory(const u64 *a)
{
	return range(a[0], a[1]);
}

static enum verdict seal(const u64 *a)
{
	return both(range(a[0], a[1]), when(!a[2]));
}

static enum verdict remap(const u64 *a)
{
	enum verdict from = range(a[0], a[1]);

	if (a[3] & 2)
		from = both(from, range(a[4], a[2]));
	else
		from = both(both(from, range(a[0], a[2])), when(!(a[3] & 1)));
	/* Unknown flags, or a place without leave to move: EINVAL. */
	return both(from, a[3] & ~7UL || ((a[3] & 6) && !(a[3] & 1)) ? EITHER : ALLOW);
}

static enum verdict advise(const u64 *a)
{
	u32 advice = (u32)a[2];

	if (LISTED(advice, 12, 100, 101) || (advice > 25 && !LISTED(advice, 102, 103)))
		return TRAP;
	return both(range(a[0], a[1]), LISTED(advice, 5, 6, 7, 13) ? EITHER : ALLOW);
}

static enum verdict receive(const u64 *a)
{
	return both(int_is(a[0], HUSK_SOCKET_FD), when((u32)a[2] == 0x40000040));
}

static enum verdict shut(const u64 *a)
{
	return both(when((u32)a[0] > HUSK_DOORBELL_FD), a[0] >> 32 ? EITHER : ALLOW);
}

/* Descriptors of donated files: 64 to 127. */
static enum verdict donated(u64 fd)
{
	return (u32)fd < 64 || (u32)fd > 127 ? TRAP : fd >> 32 ? EITHER : ALLOW;
}

static enum verdict read_donated(const u64 *a)
{
	return donated(a[0]);
}

static enum verdict donate(const u64 *a)
{
	return both(when((u32)a[0] > HUSK_DOORBELL_FD), both(donated(a[1]), a[0] >> 32 ? EITHER : ALLOW));
}

static enum verdict close_donated(const u64 *a)
{
	return both(both(donated(a[0]), donated(a[1])), when(!a[2]));
}

static enum verdict clock(const u64 *a)
{
	return int_is(a[0], 1);
}

static enum verdict set_base(const u64 *a)
{
	return when(LISTED(a[0], 0x1001, 0x1002));
}

static enum verdict fork_order(const u64 *a)
{
	return a[0] == (0x8000 | 17) ? ASK : TRAP;
}

static enum verdict thread_order(const u64 *a)
{
	return a[0] == (0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000 | 0x200000) ? ASK : TRAP;
}

static enum verdict die_with_parent(const u64 *a)
{
	return both(int_is(a[0], 1), when(a[1] == 9));
}

static enum verdict place_socket(const u64 *a)
{
	return int_is(a[1], HUSK_SOCKET_FD);
}

static enum verdict place_doorbell(const u64 *a)
{
	return int_is(a[1], HUSK_DOORBELL_FD);
}

static enum verdict map_region(const u64 *a)
{
	return when(a[0] == HUSK_CHAN_BASE && a[1] == HUSK_CHAN_SIZE && a[2] == 3 && a[3] == 0x11 && !a[5]);
}

static enum verdict counter(const u64 *a)
{
	return both(int_is(a[0], 26), when(a[1] == 1 || a[1] == 2));
}

static enum verdict dispatch(const u64 *a)
{
	bool exclusive = a[1] == DISPATCH_EXCLUSIVE && a[2] == HUSK_STUB_BASE && a[3] == HUSK_STUB_SIZE;
	bool inclusive = a[1] == DISPATCH_INCLUSIVE && a[2] == HUSK_GUEST_START &&
			 a[3] == HUSK_STUB_BASE - HUSK_GUEST_START;

	return both(int_is(a[0], HUSK_PR_SET_DISPATCH), when((exclusive || inclusive) && !a[4]));
}

static enum verdict unmap_boot(const u64 *a)
{
	return when(a[0] == HUSK_BOOT_BASE && a[1] == HUSK_BOOT_SIZE);
}

static enum verdict boot_send(const u64 *a)
{
	return int_is(a[0], HUSK_SOCKET_FD);
}

static const struct site {
	const char *name;
	u64 ip;
	u32 nr;
	enum verdict (*model)(const u64 *args);
	u64 friendly[6]; /* arguments that are allowed */
} sites[] = {
	{"exit", STUB_EXIT_IP, SYS_rt_sigreturn, always},
	{"return", STUB_RETURN_IP, SYS_rt_sigreturn, always},
	{"futex", STUB_HOST_FUTEX_IP, SYS_futex, futex},
	{"guest futex", STUB_GUEST_FUTEX_IP, SYS_futex, futex},
	{"write", STUB_HOST_WRITE_IP, SYS_write, ring, {HUSK_DOORBELL_FD, 0, 8}},
	{"mmap", STUB_HOST_MMAP_IP, SYS_mmap, map, {0x10000, 4096, 3, 0x32}},
	{"munmap", STUB_HOST_MUNMAP_IP, SYS_munmap, memory},
	{"mprotect", STUB_HOST_MPROTECT_IP, SYS_mprotect, memory},
	{"mremap", STUB_HOST_MREMAP_IP, SYS_mremap, remap},
	{"madvise", STUB_HOST_MADVISE_IP, SYS_madvise, advise},
	{"mincore", STUB_HOST_MINCORE_IP, SYS_mincore, memory},
	{"mseal", STUB_HOST_MSEAL_IP, 462, seal},
	{"recvmsg", STUB_HOST_RECVMSG_IP, SYS_recvmsg, receive, {HUSK_SOCKET_FD, 0, 0x40000040}},
	{"close", STUB_HOST_CLOSE_IP, SYS_close, shut, {HUSK_REGION_FD}},
	{"read", STUB_HOST_READ_IP, SYS_read, read_donated, {64}},
	{"pread64", STUB_HOST_PREAD64_IP, SYS_pread64, read_donated, {65}},
	{"readv", STUB_HOST_READV_IP, SYS_readv, read_donated, {126}},
	{"lseek", STUB_HOST_LSEEK_IP, SYS_lseek, read_donated, {127}},
	{"dup2, donated", STUB_HOST_DUP2_IP, SYS_dup2, donate, {9, 64}},
	{"close_range", STUB_HOST_CLOSE_RANGE_IP, 436, close_donated, {64, 127}},
	{"clock_gettime", STUB_HOST_CLOCK_GETTIME_IP, SYS_clock_gettime, clock, {1}},
	{"arch_prctl", STUB_HOST_ARCH_PRCTL_IP, SYS_arch_prctl, set_base, {0x1002}},
	{"clone, process", STUB_FORK_CLONE_IP, SYS_clone, fork_order, {0x8011}},
	{"clone, thread", STUB_THREAD_CLONE_IP, SYS_clone, thread_order, {0x250f00}},
	{"prctl", STUB_FORK_PRCTL_IP, SYS_prctl, die_with_parent, {1, 9}},
	{"dup2, socket", STUB_FORK_DUP2_SOCKET_IP, SYS_dup2, place_socket, {9, HUSK_SOCKET_FD}},
	{"dup2, doorbell", STUB_FORK_DUP2_DOORBELL_IP, SYS_dup2, place_doorbell, {9, HUSK_DOORBELL_FD}},
	{"mmap, region",
	 STUB_FORK_MMAP_IP,
	 SYS_mmap,
	 map_region,
	 {HUSK_CHAN_BASE, HUSK_CHAN_SIZE, 3, 0x11, 9}},
	{"sigaltstack", STUB_HOST_SIGALTSTACK_IP, SYS_sigaltstack, always},
	{"getppid", STUB_HOST_GETPPID_IP, SYS_getppid, always},
	{"sched_yield", STUB_HOST_SCHED_YIELD_IP, SYS_sched_yield, always},
	{"prctl, dispatch",
	 STUB_HOST_PRCTL_IP,
	 SYS_prctl,
	 dispatch,
	 {HUSK_PR_SET_DISPATCH, DISPATCH_EXCLUSIVE, HUSK_STUB_BASE, HUSK_STUB_SIZE}},
	{"prctl, time stamp counter", STUB_HOST_SET_TSC_IP, SYS_prctl, counter, {26, 2}},
	{"exit_group", STUB_HOST_EXIT_GROUP_IP, SYS_exit_group, always},
	{"ready", STUB_READY_IP, SYS_munmap, never},
	{"frame", STUB_FRAME_IP, SYS_munmap, never},
	{"munmap, boot", STUB_BOOT_MUNMAP_IP, SYS_munmap, unmap_boot, {HUSK_BOOT_BASE, HUSK_BOOT_SIZE}},
	{"sendmsg, boot", STUB_BOOT_SENDMSG_IP, SYS_sendmsg, boot_send, {HUSK_SOCKET_FD}},
};
#define NSITES (sizeof(sites) / sizeof(sites[0]))
_Static_assert(NSITES == STUB_NR_CALLS, "a call of the stub has no model here");

/* ---- the comparison ---- */

struct program {
	struct sock_filter code[STUB_FILTER_MAX];
	size_t n;
	bool gated;
};

static const struct site *by_offset[HUSK_STUB_SIZE]; /* the rule of each address of the stub */

static const struct site *site_at(u64 ip, u32 nr)
{
	const struct site *site =
		ip - HUSK_STUB_BASE < HUSK_STUB_SIZE ? by_offset[ip - HUSK_STUB_BASE] : NULL;

	return site && site->nr == nr ? site : NULL;
}

/* The words of seccomp_data that the program looked at. */
static u32 compare(const struct program *p, const char *name, u64 ip, u32 nr, const u64 *args)
{
	struct seccomp_data data = {(int)nr, AUDIT_ARCH_X86_64, ip, {0}};
	const struct site *site = site_at(ip, nr);
	enum verdict want = site ? site->model(args) : TRAP, got;
	u32 action, loaded;

	for (int i = 0; i < 6; i++)
		data.args[i] = args[i];
	action = run(p->code, p->n, &data, &loaded);
	got = action == SECCOMP_RET_ALLOW        ? ALLOW
	      : action == SECCOMP_RET_USER_NOTIF ? ASK
	      : action == SECCOMP_RET_TRAP       ? TRAP
						 : EITHER;
	if (!p->gated && want == ASK)
		want = ALLOW;
	if ((got != want && (want != EITHER || got == ASK)) && failures++ < 20)
		printf("not ok %s: ip %llx nr %u (%llx, %llx, %llx, %llx, %llx, %llx): %x, not %d\n", name,
		       (unsigned long long)ip, nr, (unsigned long long)args[0], (unsigned long long)args[1],
		       (unsigned long long)args[2], (unsigned long long)args[3], (unsigned long long)args[4],
		       (unsigned long long)args[5], action, want);
	return loaded;
}

/* Borders of the windows, of words and of the address space. */
static const u64 edges[] = {
	0,
	4096,
	0x10000,
	0x7fffffff,
	0x80000000,
	0xffffffff,
	0x100000000,
	0x100001000,
	0x1ffffffff,
	0x200000000,
	0x3fff00000000,
	0x7ffc00000000,
	0x7ffd00000000,
	GUEST_END,
	GUEST_END + 4096,
	0x7ffeffffffff,
	HUSK_STUB_BASE,
	HUSK_BOOT_BASE,
	HUSK_VDSO_BASE,
	HUSK_KPAGE_BASE,
	HUSK_CHAN_BASE,
	HUSK_CHAN_BASE + HUSK_CHAN_SIZE,
	HUSK_TASK_TOP,
	0x800000000000,
	0x8000000000000000,
	0xffff800000000000,
	0xffffffff00000000,
	0xffffffffff600000,
	0xfffffffffffff000,
	0xffffffffffffffff,
};
#define NEDGES (sizeof(edges) / sizeof(edges[0]))

static u64 random_word(void)
{
	return (u64)random() << 42 ^ (u64)random() << 21 ^ (u64)random();
}

/* An argument: an edge or its neighbour, a small number, one bit, a guest address, or anything. */
static u64 pick(void)
{
	u64 edge = edges[(size_t)random() % NEDGES];

	switch (random() % 8) {
	case 0:
		return edge + 1;
	case 1:
		return edge - 1;
	case 2:
		return edge - 4096;
	case 3:
		return (u64)random() % 130;
	case 4:
		return 1UL << random() % 64;
	case 5:
		return random_word() % (2 * GUEST_END);
	case 6:
		return random_word();
	}
	return edge;
}

/* Every pair of edges as address and length; for mremap as its two ranges too. */
static u32 pairs(const struct program *p, const struct site *site)
{
	u32 loaded = 0;

	for (size_t i = 0; i < NEDGES; i++) {
		for (size_t j = 0; j < NEDGES; j++) {
			for (int near = -1; near <= 1; near++) {
				u64 a[6] = {edges[i], edges[j] + (u64)(s64)near, 4096, site->friendly[3],
					    0x10000};

				loaded |= compare(p, site->name, site->ip, site->nr, a);
				a[0] = a[4] = edges[i];
				a[2] = edges[j] + (u64)(s64)near;
				for (a[3] = 0; a[3] < 8; a[3]++) {
					a[1] = 4096;
					loaded |= compare(p, site->name, site->ip, site->nr, a);
					a[0] = 0x10000;
					loaded |= compare(p, site->name, site->ip, site->nr, a);
					a[0] = edges[i];
				}
			}
		}
	}
	return loaded;
}

/* One argument at a time away from what is allowed: every edge, small number and bit. */
static u32 single(const struct program *p, const struct site *site)
{
	u32 loaded = compare(p, site->name, site->ip, site->nr, site->friendly);

	for (int i = 0; i < 6; i++) {
		u64 a[6];

		memcpy(a, site->friendly, sizeof a);
		for (u64 v = 0; v < 1024; v++) {
			a[i] = v;
			loaded |= compare(p, site->name, site->ip, site->nr, a);
		}
		for (size_t e = 0; e < NEDGES; e++) {
			a[i] = edges[e];
			loaded |= compare(p, site->name, site->ip, site->nr, a);
		}
		for (int bit = 0; bit < 64; bit++) {
			a[i] = site->friendly[i] ^ 1UL << bit;
			loaded |= compare(p, site->name, site->ip, site->nr, a);
		}
	}
	return loaded;
}

static void at_random(const struct program *p, const struct site *site, int tries)
{
	for (int n = 0; n < tries; n++) {
		u64 a[6];

		memcpy(a, site->friendly, sizeof a);
		for (int i = 0; i < 6; i++)
			if (random() % 3)
				a[i] = pick();
		compare(p, site->name, site->ip, site->nr, a);
	}
}

/*
 * Every number from each address of the stub, with arguments that are right at the right address. Where the program
 * decides by architecture and address alone, one run speaks for every number and every argument.
 */
static void everywhere(const struct program *p)
{
	const u32 place = 1U << 1 | 1U << 2 | 1U << 3;
	static const u64 zero[6];

	for (u64 ip = HUSK_STUB_BASE; ip < HUSK_STUB_BASE + HUSK_STUB_SIZE; ip++) {
		u32 loaded = compare(p, "any address", ip, 0, zero);

		for (u32 nr = 1; loaded & ~place && nr < NUMBERS; nr++)
			compare(p, "any address", ip, nr, zero);
		if (!by_offset[ip - HUSK_STUB_BASE])
			continue;
		for (u32 nr = 0; nr < NUMBERS; nr++)
			for (size_t i = 0; i < NSITES; i++)
				compare(p, "a call from another's place", ip, nr, sites[i].friendly);
		for (size_t i = 0; i < NSITES; i++) {
			compare(p, "x32", ip, sites[i].nr | 0x40000000, sites[i].friendly);
			compare(p, "no call", ip, ~0U, sites[i].friendly);
		}
	}
	/* The same low or high half elsewhere. */
	for (size_t i = 0; i < NSITES; i++) {
		const struct site *s = &sites[i];

		compare(p, "below", s->ip - 0x100000000, s->nr, s->friendly);
		compare(p, "above", s->ip + 0x100000000, s->nr, s->friendly);
		compare(p, "low half", (u32)s->ip, s->nr, s->friendly);
		compare(p, "in the channel", HUSK_CHAN_BASE + (u32)s->ip, s->nr, s->friendly);
		compare(p, "vsyscall", 0xffffffffff600000, s->nr, s->friendly);
	}
}

/* Calls of another architecture end the process, wherever they come from. */
static void other_architecture(const struct program *p)
{
	for (size_t i = 0; i < NSITES; i++) {
		struct seccomp_data data = {(int)sites[i].nr, AUDIT_ARCH_I386, sites[i].ip, {0}};
		u32 loaded;

		if (run(p->code, p->n, &data, &loaded) != SECCOMP_RET_KILL_PROCESS && failures++ < 20)
			printf("not ok i386 at %s\n", sites[i].name);
	}
}

static void check_rules(const struct program *p)
{
	const u32 arguments = ~0U << offsetof(struct seccomp_data, args) / 4;

	for (size_t i = 0; i < NSITES; i++) {
		u32 loaded = single(p, &sites[i]) | pairs(p, &sites[i]);

		at_random(p, &sites[i], RANDOM * __builtin_popcount(loaded & arguments));
	}
}

static void check_program(bool gated, struct program *p)
{
	p->gated = gated;
	p->n = stub_filter_build(p->code, gated);
	everywhere(p);
	other_architecture(p);
	printf("%s %s: %zu instructions\n", failures ? "#" : "ok", gated ? "gated" : "ungated", p->n);
}

/* Without the gate the program is the same but for what it answers to clones: what holds of the one holds of the other. */
static void check_likeness(const struct program *gated, const struct program *ungated)
{
	for (size_t i = 0; i < gated->n; i++) {
		struct sock_filter f = gated->code[i];

		if (f.code == (BPF_RET | BPF_K) && f.k == SECCOMP_RET_USER_NOTIF)
			f.k = SECCOMP_RET_ALLOW;
		if ((gated->n != ungated->n || memcmp(&f, &ungated->code[i], sizeof f)) && failures++ < 20)
			printf("not ok the ungated program differs at %zu\n", i);
	}
}

int main(int argc, char **argv)
{
	static struct program gated, ungated;
	unsigned seed = argc > 1 ? (unsigned)atoi(argv[1]) : 1;

	srandom(seed);
	for (size_t i = 0; i < NSITES; i++)
		by_offset[sites[i].ip - HUSK_STUB_BASE] = &sites[i];
	check_program(true, &gated);
	check_program(false, &ungated);
	check_rules(&gated);
	check_likeness(&gated, &ungated);
	if (failures)
		printf("not ok %d differences, seed %u\n", failures, seed);
	return failures != 0;
}
