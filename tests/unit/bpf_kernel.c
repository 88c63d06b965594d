/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The BPF engine against the host's kernel: random valid and damaged programs, random inputs; refusals and
 * verdicts must be equal.
 *
 * seccomp: a traced child installs a program on top of a filter that answers TRACE to everything, so that no
 * call of its is ever carried out, whatever the program says. The parent sets the child's registers in front of
 * a `syscall` instruction and sees what follows: an event with the newest TRACE's data, a return with an errno,
 * SIGSYS with its data, death. What is expected is the verdict of the same two filters as a chain of ours.
 *
 * packets: a filter on a datagram socket; what arrives has as many bytes as the program returned.
 *
 *	bpf_kernel [PROGRAMS [SEED]]
 *
 * links: src/kernel/bpf/check.c src/kernel/bpf/convert.c src/kernel/bpf/interpret.c src/kernel/bpf/plan.c
 * links: src/kernel/bpf/walk.c src/kernel/bpf/sym.c src/kernel/bpf/pool.c src/kernel/bpf/layout.c
 * links: src/kernel/bpf/lower.c src/kernel/bpf/fuse.c src/kernel/bpf/run.c src/kernel/bpf/jit.c
 * links: src/kernel/bpf/emit.c src/kernel/bpf/x86.c src/kernel/bpf/verify.c src/kernel/bpf/arena.c
 * links: src/kernel/bpf/chain.c src/kernel/bpf/ladder.c src/kernel/bpf/table.c src/base/bug.c
 * links: src/base/text.c
 */
#include "bpf/arena.h"
#include "bpf/chain.h"
#include "tests/bpf/random.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define OLDER_DATA 0xbeef
#define INPUTS     8

extern const char gate[]; /* syscall; int3 */
__asm__(".pushsection .text\n gate: syscall\n int3\n .popsection");

struct shared {
	struct sock_fprog prog;
	struct sock_filter f[4096];
};

static struct shared *shared; /* the child reads programs here */
static struct bpf_arena *arena;
static struct random rnd;
static struct sock_filter older = {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_TRACE | OLDER_DATA};
static unsigned refused, taken, verdicts, deaths;

__attribute__((noreturn)) static void skip(const char *why)
{
	printf("skip %s\n", why);
	exit(77);
}

static void show(const char *what, unsigned size)
{
	printf("not ok %s (program of %u)\n", what, size);
	for (unsigned i = 0; i < size; i++)
		printf("# {%#x, %u, %u, %#x},\n", shared->f[i].code, shared->f[i].jt, shared->f[i].jf,
		       shared->f[i].k);
}

/* ---- the child ---- */

static pid_t child_start(void)
{
	struct sock_fprog prog = {1, &older};
	pid_t pid = fork();
	int status;

	if (pid < 0)
		skip("no fork");
	if (!pid) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0))
			_exit(1);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
		    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog))
			_exit(2);
		__asm__ volatile("int3");
		_exit(3);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
		skip("the host refuses ptrace or filters");
	if (ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL))
		skip("no seccomp events");
	return pid;
}

static void child_end(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) == pid)
		continue;
}

/* Puts the child in front of the gate with these registers, and lets it go to its next stop. */
static int call(pid_t pid, const struct seccomp_data *d)
{
	struct user_regs_struct regs;
	int status;

	ptrace(PTRACE_GETREGS, pid, 0, &regs);
	regs.rip = (u64)gate;
	regs.orig_rax = (u64)-1; /* not inside a call any more */
	regs.rax = (u32)d->nr;
	regs.rdi = d->args[0];
	regs.rsi = d->args[1];
	regs.rdx = d->args[2];
	regs.r10 = d->args[3];
	regs.r8 = d->args[4];
	regs.r9 = d->args[5];
	if (ptrace(PTRACE_SETREGS, pid, 0, &regs) || ptrace(PTRACE_CONT, pid, 0, 0))
		return -1;
	return waitpid(pid, &status, 0) == pid ? status : -1;
}

static bool is_event(int status)
{
	return status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8);
}

/* The child's attempt to install the program of @size instructions in shared memory: 0 or an errno. */
static int install(pid_t pid, unsigned size)
{
	struct seccomp_data d = {.nr = SYS_seccomp, .args = {SECCOMP_SET_MODE_FILTER, 0, (u64)&shared->prog}};
	struct user_regs_struct regs;
	int status;

	shared->prog = (struct sock_fprog){(u16)size, shared->f};
	status = call(pid, &d);
	if (!is_event(status) || ptrace(PTRACE_CONT, pid, 0, 0) || waitpid(pid, &status, 0) != pid ||
	    !WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
		return -1;
	ptrace(PTRACE_GETREGS, pid, 0, &regs);
	return (int)-regs.rax;
}

/* ---- what is seen ---- */

struct seen {
	const char *how;
	long data;
};

static struct seen expected(u32 verdict)
{
	u32 data = verdict & SECCOMP_RET_DATA;

	switch (verdict & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_TRACE:
		return (struct seen){"event", data};
	case SECCOMP_RET_ERRNO:
		return (struct seen){"return", data > 4095 ? -4095 : -(long)data};
	case SECCOMP_RET_TRAP:
		return (struct seen){"signal", data};
	case SECCOMP_RET_USER_NOTIF:
		return (struct seen){"return", -ENOSYS}; /* nobody listens */
	case SECCOMP_RET_LOG:
	case SECCOMP_RET_ALLOW:
		return (struct seen){"nothing", 0}; /* cannot be: the older filter is stronger */
	default:
		return (struct seen){"death", 0};
	}
}

static struct seen observe(pid_t pid, int status)
{
	struct user_regs_struct regs;
	unsigned long message = 0;
	siginfo_t info;

	if (status < 0)
		return (struct seen){"an error", errno};
	if (WIFSIGNALED(status))
		return (struct seen){WTERMSIG(status) == SIGSYS ? "death" : "another death", 0};
	if (is_event(status)) {
		ptrace(PTRACE_GETEVENTMSG, pid, 0, &message);
		return (struct seen){"event", (long)message};
	}
	if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGSYS) {
		ptrace(PTRACE_GETSIGINFO, pid, 0, &info);
		return (struct seen){"signal", info.si_errno};
	}
	if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP) {
		ptrace(PTRACE_GETREGS, pid, 0, &regs);
		return (struct seen){"return", (long)regs.rax};
	}
	return (struct seen){"something else", status};
}

/* ---- one program ---- */

static struct bpf_chain *chain_of(unsigned size)
{
	static const u32 arch = AUDIT_ARCH_X86_64;
	struct bpf_chain *below, *c;
	struct bpf_program *p;

	if (bpf_program_create(&older, 1, BPF_KIND_SECCOMP, &p, NULL) ||
	    bpf_chain_add(NULL, p, &arch, 1, arena, &below))
		abort();
	if (bpf_program_create(shared->f, size, BPF_KIND_SECCOMP, &p, NULL) ||
	    bpf_chain_add(below, p, &arch, 1, arena, &c))
		abort();
	bpf_chain_put(below);
	return c;
}

/* One input: 0, 1 if the child is dead, -1 on a difference. */
static int try_input(pid_t pid, const struct bpf_chain *c, unsigned size)
{
	struct seccomp_data d;
	struct seen want, seen;
	u32 verdict;

	random_data(&rnd, shared->f, size, &d);
	d.arch = AUDIT_ARCH_X86_64;
	d.instruction_pointer = (u64)gate + 2;
	if (d.nr == -1 || d.nr == 335 || d.nr == 336)
		d.nr = 39; /* no call; calls that no filter stops, and that would be carried out */
	verdict = bpf_chain_run(c, &d);
	if (verdict != bpf_chain_run_plain(c, &d, NULL) || verdict != bpf_chain_run_whole(c, &d)) {
		show("the engines differ", size);
		return -1;
	}
	want = expected(verdict);
	seen = observe(pid, call(pid, &d));
	verdicts++;
	if (strcmp(want.how, seen.how) || want.data != seen.data) {
		show("the kernel differs", size);
		printf("# nr %d: %s %ld, ours %s %ld (%#x)\n", d.nr, seen.how, seen.data, want.how, want.data,
		       verdict);
		for (unsigned i = 0; i < 6; i++)
			printf("# arg %u: %#llx\n", i, (unsigned long long)d.args[i]);
		return -1;
	}
	if (strcmp(seen.how, "death"))
		return 0;
	deaths++;
	return 1;
}

/* Most returns of A become verdicts that the child survives, so that there is more to see. */
static void tame(unsigned size)
{
	for (unsigned i = 1; i < size; i++) {
		if (shared->f[i].code != (BPF_RET | BPF_A) || !random_below(&rnd, 8))
			continue;
		if (random_below(&rnd, 2))
			shared->f[i] = (struct sock_filter){BPF_RET | BPF_K, 0, 0,
							    SECCOMP_RET_TRACE | random_below(&rnd, 65536)};
		else
			shared->f[i - 1] =
				(struct sock_filter){BPF_ALU | BPF_OR | BPF_K, 0, 0, SECCOMP_RET_TRACE};
	}
	for (unsigned i = 0; i < size; i++)
		if (shared->f[i].code == (BPF_RET | BPF_K) && random_below(&rnd, 2))
			shared->f[i].k = (random_below(&rnd, 2) ? SECCOMP_RET_TRACE : SECCOMP_RET_ERRNO) |
					 random_below(&rnd, 65536);
}

/* True as long as all is equal. @pid: the child, or 0 when a new one is needed. */
static bool try_program(pid_t *pid)
{
	unsigned size = random_program(&rnd, BPF_KIND_SECCOMP, shared->f, 120);
	int error, ours, dead = 0;
	struct bpf_chain *c;

	tame(size);
	if (!random_below(&rnd, 4))
		random_damage(&rnd, shared->f, size);
	if (!*pid)
		*pid = child_start();
	ours = -bpf_check(shared->f, size, BPF_KIND_SECCOMP, NULL);
	error = install(*pid, size);
	if (error != ours) {
		show("the kernel checks otherwise", size);
		printf("# kernel %d, ours %d\n", error, ours);
		return false;
	}
	refused += !!error;
	if (error)
		return true;
	taken++;
	c = chain_of(size);
	for (unsigned i = 0; i < INPUTS && !dead; i++)
		dead = try_input(*pid, c, size);
	bpf_chain_put(c);
	child_end(*pid);
	*pid = 0;
	return dead >= 0;
}

/* ---- packets ---- */

/* How many bytes arrive of @length: what a socket with the program leaves. */
static long through_socket(int to, int from, const u8 *packet, u32 length)
{
	u8 buffer[256];
	long n;

	if (send(to, packet, length, 0) != (long)length)
		return -2;
	n = recv(from, buffer, sizeof buffer, MSG_DONTWAIT);
	return n < 0 ? 0 : n;
}

static bool try_packets(const int *socket)
{
	unsigned size = random_program(&rnd, BPF_KIND_PACKET, shared->f, 120);
	struct bpf_compiled compiled = {0};
	struct bpf_program *p;
	bool equal = true;

	if (!random_below(&rnd, 4))
		random_damage(&rnd, shared->f, size);
	shared->prog = (struct sock_fprog){(u16)size, shared->f};
	for (unsigned i = 0; i < size; i++)
		if (shared->f[i].code == (BPF_LD | BPF_ABS | BPF_SIZE(shared->f[i].code)) &&
		    bpf_ancillary_name(shared->f[i].k))
			return true; /* the socket has them, a linear buffer not */
	if (setsockopt(socket[0], SOL_SOCKET, SO_ATTACH_FILTER, &shared->prog, sizeof shared->prog)) {
		refused++;
		if (errno == EINVAL && bpf_check(shared->f, size, BPF_KIND_PACKET, NULL) == -EINVAL)
			return true;
		show("the kernel refuses a packet program", size);
		return false;
	}
	if (bpf_program_create(shared->f, size, BPF_KIND_PACKET, &p, NULL)) {
		show("the kernel takes a packet program", size);
		return false;
	}
	taken++;
	if (bpf_compile(&compiled, p, arena))
		abort();
	for (unsigned i = 0; i < INPUTS && equal; i++) {
		u8 packet[150];
		u32 length = max(1u, random_packet(&rnd, shared->f, size, packet, sizeof packet)), ours;
		struct bpf_packet whole = {packet, length};
		long kernel = through_socket(socket[1], socket[0], packet, length);

		ours = bpf_program_run(p, &whole);
		verdicts++;
		equal = kernel == (long)min(ours, length) &&
			bpf_compiled_run(&compiled, packet, length) == ours &&
			bpf_run(compiled.ops, packet, length) == ours;
		if (!equal) {
			show("packets differ", size);
			printf("# kernel %ld of %u, ours %u\n", kernel, length, ours);
		}
	}
	bpf_compiled_free(&compiled);
	bpf_program_free(p);
	return equal;
}

int main(int argc, char **argv)
{
	unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 10000;
	int sockets[2];
	pid_t pid = 0;
	bool equal = true;

	rnd.state = (argc > 2 ? strtoull(argv[2], NULL, 0) : 42) * 0x9e3779b97f4a7c15 | 1;
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sockets))
		skip("no memory or sockets");
	bpf_arena_create(&arena);
	for (unsigned i = 0; i < count / 2 && equal; i++)
		equal = try_packets(sockets);
	for (unsigned i = count / 2; i < count && equal; i++)
		equal = try_program(&pid);
	if (pid)
		child_end(pid);
	bpf_arena_destroy(arena);
	if (equal)
		printf("ok bpf_kernel: %u programs taken, %u refused, %u verdicts, %u deaths\n", taken,
		       refused, verdicts, deaths);
	return !equal;
}
