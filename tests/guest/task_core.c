/* SPDX-License-Identifier: Apache-2.0 */
/* Core files: which signals leave one, under which limits, what is in it, and what parents hear of it (core(5)). */
#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/procfs.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "check.h"

static char dir[] = "/tmp/core.XXXXXX";
static volatile int *place; /* cannot be written */

/* Whether cores go to a file of that name here; what root has set may be anything. */
static int core_pattern_is_core(void)
{
	char text[128] = "";
	int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY);

	if (fd < 0 || read(fd, text, sizeof text - 1) < 0)
		return 0;
	close(fd);
	return !strcmp(text, "core\n");
}

static void set_limit(rlim_t bytes)
{
	struct rlimit limit;

	getrlimit(RLIMIT_CORE, &limit);
	limit.rlim_cur = bytes;
	if (setrlimit(RLIMIT_CORE, &limit))
		_exit(77);
}

/* The status of a child that did @body in the directory. */
static int child(rlim_t limit, void (*body)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		set_limit(limit);
		body();
		_exit(1);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

static char *slurp(size_t *size)
{
	struct stat st;
	int fd = open("core", O_RDONLY);
	char *data;

	if (fd < 0 || fstat(fd, &st))
		return NULL;
	*size = (size_t)st.st_size;
	data = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	return data == MAP_FAILED ? NULL : data;
}

static void abort_now(void)
{
	signal(SIGABRT, SIG_DFL);
	raise(SIGABRT);
}

static void quit_now(void)
{
	raise(SIGQUIT);
}

static void terminate_now(void)
{
	raise(SIGTERM);
}

static void fault_now(void)
{
	*place = 1;
}

static int ends_with(int status, int signo, int dumped)
{
	int there = !access("core", F_OK);

	unlink("core");
	return WIFSIGNALED(status) && WTERMSIG(status) == signo && !WCOREDUMP(status) == !dumped &&
	       there == dumped;
}

static void test_signals(void)
{
	CHECK(ends_with(child(RLIM_INFINITY, abort_now), SIGABRT, 1));
	CHECK(ends_with(child(RLIM_INFINITY, quit_now), SIGQUIT, 1));
	CHECK(ends_with(child(RLIM_INFINITY, fault_now), SIGSEGV, 1));
	CHECK(ends_with(child(RLIM_INFINITY, terminate_now), SIGTERM, 0));
	CHECK(ends_with(child(0, abort_now), SIGABRT, 0));
	CHECK(ends_with(child(4095, abort_now), SIGABRT, 0));
}

static void undumpable(void)
{
	prctl(PR_SET_DUMPABLE, 0);
	abort_now();
}

static void into_nothing(void)
{
	if (chdir("/proc"))
		_exit(2);
	abort_now();
}

/* What has the name already loses it, and is not written to; a directory keeps it. */
static void test_files(void)
{
	char text[8] = "";
	int fd;

	CHECK(ends_with(child(RLIM_INFINITY, undumpable), SIGABRT, 0));
	CHECK(ends_with(child(RLIM_INFINITY, into_nothing), SIGABRT, 0));
	fd = open("core", O_CREAT | O_RDWR, 0600);
	CHECK_EQ(write(fd, "mine", 4), 4);
	CHECK(WCOREDUMP(child(RLIM_INFINITY, abort_now)));
	CHECK_EQ(pread(fd, text, sizeof text, 0), 4);
	close(fd);
	fd = open("core", O_RDONLY);
	CHECK_EQ(read(fd, text, 4), 4);
	CHECK(!memcmp(text, ELFMAG, 4));
	close(fd);
	CHECK_OK(unlink("core"));
	CHECK_OK(symlink("elsewhere", "core"));
	CHECK(WCOREDUMP(child(RLIM_INFINITY, abort_now)));
	CHECK_ERRNO(access("elsewhere", F_OK), ENOENT);
	CHECK_OK(unlink("core"));
	CHECK_OK(mkdir("core", 0700));
	CHECK_EQ(WCOREDUMP(child(RLIM_INFINITY, abort_now)), 0);
	CHECK_OK(rmdir("core"));
}

/* What the file is cut to counts as one all the same. */
static void test_cut(void)
{
	int status = child(16384, abort_now);
	struct stat st = {0};

	CHECK(WIFSIGNALED(status) && WCOREDUMP(status));
	CHECK_OK(stat("core", &st));
	CHECK(st.st_size <= 16384 + 4096);
	CHECK_EQ(st.st_mode & 0777, 0600);
	CHECK_OK(unlink("core"));
}

/* ---- what is in it ---- */

static char *big;
static pthread_barrier_t both;

static void *other_thread(void *arg)
{
	pthread_barrier_wait(&both);
	for (;;)
		pause();
	return arg;
}

static void die_with_threads(void)
{
	pthread_t thread;

	pthread_barrier_init(&both, NULL, 3);
	pthread_create(&thread, NULL, other_thread, NULL);
	pthread_create(&thread, NULL, other_thread, NULL);
	pthread_barrier_wait(&both);
	__asm__ volatile("movq %0, %%xmm7\n\tmov %1, %%r12\n\tmovl $7, (%%r12)"
			 :
			 : "r"(0x1122334455667788UL), "r"(place)
			 : "r12", "xmm7", "memory");
}

struct notes {
	int threads, xstates, auxv, files, info, program;
	pid_t first;
	unsigned long r12, rip;
	siginfo_t siginfo;
	struct elf_prpsinfo prpsinfo;
	unsigned char fp[512];
};

static void read_notes(const char *at, const char *end, struct notes *n)
{
	while (at + sizeof(Elf64_Nhdr) <= end) {
		const Elf64_Nhdr *head = (const Elf64_Nhdr *)at;
		const char *name = at + sizeof *head, *desc = name + ((head->n_namesz + 3) & ~3U);

		switch (head->n_type) {
		case NT_PRSTATUS: {
			const struct elf_prstatus *s = (const struct elf_prstatus *)desc;

			if (!n->threads++) {
				const unsigned long *r = (const unsigned long *)&s->pr_reg;

				n->first = s->pr_pid;
				n->r12 = r[3];
				n->rip = r[16];
				CHECK_EQ(s->pr_cursig, SIGSEGV);
			}
			break;
		}
		case NT_PRFPREG:
			CHECK_EQ(head->n_descsz, 512);
			if (n->threads == 1)
				memcpy(n->fp, desc, sizeof n->fp);
			break;
		case NT_PRPSINFO:
			n->program++;
			memcpy(&n->prpsinfo, desc, sizeof n->prpsinfo);
			break;
		case NT_SIGINFO:
			n->info++;
			memcpy(&n->siginfo, desc, sizeof n->siginfo);
			break;
		case NT_AUXV:
			n->auxv++;
			break;
		case NT_FILE:
			n->files++;
			break;
		case NT_X86_XSTATE:
			n->xstates++;
			break;
		}
		at = desc + ((head->n_descsz + 3) & ~3U);
	}
}

/* The bytes of the core at an address; NULL: it has none. */
static const char *bytes_at(const char *core, size_t size, const void *address)
{
	const Elf64_Ehdr *e = (const Elf64_Ehdr *)core;
	const Elf64_Phdr *p = (const Elf64_Phdr *)(core + e->e_phoff);

	for (int i = 0; i < e->e_phnum; i++) {
		size_t skip = (size_t)address - p[i].p_vaddr;

		if (p[i].p_type == PT_LOAD && (size_t)address >= p[i].p_vaddr && skip < p[i].p_filesz &&
		    p[i].p_offset + skip < size)
			return core + p[i].p_offset + skip;
	}
	return NULL;
}

static void check_memory(const char *core, size_t size)
{
	const char *at = bytes_at(core, size, big + (3 << 20));

	CHECK(at && !strcmp(at, "in the middle"));
	at = bytes_at(core, size, big + (2 << 20));
	CHECK(at && !*at);
}

static void test_contents(void)
{
	struct notes n = {0};
	const Elf64_Phdr *p;
	const Elf64_Ehdr *e;
	size_t size = 0;
	char *core;
	struct stat st = {0};
	int status;

	place = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	big = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		   0);
	strcpy(big + (3 << 20), "in the middle");
	status = child(RLIM_INFINITY, die_with_threads);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV && WCOREDUMP(status));
	core = slurp(&size);
	CHECK(core && size > sizeof *e);
	if (!core)
		return;
	e = (const Elf64_Ehdr *)core;
	CHECK(!memcmp(e->e_ident, ELFMAG, SELFMAG) && e->e_ident[EI_CLASS] == ELFCLASS64);
	CHECK_EQ(e->e_type, ET_CORE);
	CHECK_EQ(e->e_machine, EM_X86_64);
	p = (const Elf64_Phdr *)(core + e->e_phoff);
	CHECK_EQ(p[0].p_type, PT_NOTE);
	read_notes(core + p[0].p_offset, core + p[0].p_offset + p[0].p_filesz, &n);
	CHECK_EQ(n.threads, 3);
	CHECK_EQ(n.xstates, 3);
	CHECK_EQ(n.auxv + n.files + n.info + n.program, 4);
	CHECK_EQ(n.r12, (unsigned long)place);
	CHECK_EQ(n.siginfo.si_signo, SIGSEGV);
	CHECK_EQ((unsigned long)n.siginfo.si_addr, (unsigned long)place);
	CHECK_EQ(n.prpsinfo.pr_pid, n.first);
	CHECK(!strncmp(n.prpsinfo.pr_fname, "task_core", 9));
	/* xmm7 */
	CHECK_EQ(*(unsigned long *)(n.fp + 160 + 7 * 16), 0x1122334455667788);
	check_memory(core, size);
	munmap(core, size);
	/* What was never touched takes no room. */
	CHECK(size > 64 << 20);
	CHECK_OK(stat("core", &st));
	CHECK(st.st_blocks * 512 < 32 << 20);
	CHECK_OK(unlink("core"));
	munmap(big, 64 << 20);
}

static void left_out(void)
{
	char *map = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memset(map, 'x', 1 << 20);
	madvise(map, 1 << 20, MADV_DONTDUMP);
	abort_now();
}

static void filtered(void)
{
	int fd = open("/proc/self/coredump_filter", O_RDWR);
	char *map, text[16] = "";

	CHECK_EQ(write(fd, "0", 1), 1);
	CHECK_EQ(pread(fd, text, sizeof text, 0), 9);
	CHECK(!strcmp(text, "00000000\n"));
	close(fd);
	map = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(map, 'x', 1 << 20);
	abort_now();
}

static void test_filter(void)
{
	struct stat all = {0}, some = {0}, none = {0};
	int fd = open("/proc/self/coredump_filter", O_RDWR);
	char text[16] = "";

	CHECK(WCOREDUMP(child(RLIM_INFINITY, abort_now)));
	CHECK_OK(stat("core", &all));
	CHECK(WCOREDUMP(child(RLIM_INFINITY, left_out)));
	CHECK_OK(stat("core", &some));
	CHECK(some.st_size < all.st_size + (1 << 20));
	CHECK(WCOREDUMP(child(RLIM_INFINITY, filtered)));
	CHECK_OK(stat("core", &none));
	CHECK(none.st_size < all.st_size);
	CHECK_OK(unlink("core"));
	CHECK_EQ(read(fd, text, sizeof text), 9);
	CHECK(!strcmp(text, "00000033\n"));
	CHECK_ERRNO(write(fd, "x", 1), EINVAL);
	close(fd);
}

/* ---- what parents hear ---- */

static void test_parent(void)
{
	siginfo_t info;
	sigset_t chld;
	pid_t pid;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	pid = fork();
	if (!pid) {
		set_limit(RLIM_INFINITY);
		abort_now();
	}
	CHECK_EQ(sigwaitinfo(&chld, &info), SIGCHLD);
	CHECK_EQ(info.si_code, CLD_DUMPED);
	CHECK_EQ(info.si_status, SIGABRT);
	memset(&info, 0, sizeof info);
	CHECK_OK(waitid(P_PID, (id_t)pid, &info, WEXITED));
	CHECK_EQ(info.si_code, CLD_DUMPED);
	CHECK_EQ(info.si_status, SIGABRT);
	CHECK_EQ(info.si_pid, pid);
	sigprocmask(SIG_UNBLOCK, &chld, NULL);
	CHECK_OK(unlink("core"));
}

int main(void)
{
	struct rlimit limit;

	if (!core_pattern_is_core())
		check_skip("core_pattern is not \"core\" here");
	getrlimit(RLIMIT_CORE, &limit);
	if (limit.rlim_max != RLIM_INFINITY)
		check_skip("RLIMIT_CORE is limited here");
	if (!mkdtemp(dir) || chdir(dir))
		check_skip("no directory");
	test_signals();
	test_files();
	test_cut();
	test_contents();
	test_filter();
	test_parent();
	CHECK_OK(chdir("/"));
	CHECK_OK(rmdir(dir));
	return check_done();
}
