/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every call on every kind of file: what is in fs_matrix_calls.h, on each of the columns below, compared with what
 * Linux 6.18 answers (fs_matrix_expected.h). Where husk answers otherwise by design (file handles, leases, access control
 * lists) there is no such call here; docs/departures.md has these.
 *
 * `fs_matrix print` prints what the calls answer, in the form of the second table; `fs_matrix COLUMN` asks for one column
 * alone. Nothing of the host's own is changed: CHANGE()s are left out on its nodes where they could have an effect.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/nsfs.h>
#include <linux/random.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <termios.h>

#include "check.h"
#include "fcntl_queries.h"

#define NR_pidfd_send_signal 424
#define NR_open_tree         428
#define NR_pidfd_open        434
#define NR_pidfd_getfd       438
#define NR_fchmodat2         452
#define NR_file_getattr      468
#define GET_INFO             _IOC(_IOC_READ | _IOC_WRITE, 0xff, 11, 64)

static char top[64], path[64], terminal[64], buf[8192];
static int dir, reg, pipes[2], pair[2]; /* to work with */
static pid_t ended;                     /* a child that nobody has waited for */
static off_t start;
static volatile int negative = -1;
static struct iovec one = {buf, 1};

#include "fs_matrix_kinds.h"
#include "fs_matrix_words.h"

/* ---- the calls ---- */

#define CALL(name, expr)                \
	static long call_##name(int fd) \
	{                               \
		return expr;            \
	}
#define CHANGE(name, expr) CALL(name, expr)
#include "fs_matrix_calls.h"
#undef CALL
#undef CHANGE

static const struct {
	const char *name;
	long (*fn)(int fd);
	bool changes;
} calls[] = {
#define CALL(name, expr)   {#name, call_##name, false},
#define CHANGE(name, expr) {#name, call_##name, true},
#include "fs_matrix_calls.h"
};

#define NCALLS   (sizeof calls / sizeof calls[0])
#define LEFT_OUT LONG_MIN

/* A row a call, in their order: "RESULT: COLUMN...; ...". The group without columns is for all others, the column "path" stands
 * for all that were opened by O_PATH; a second text is what an ordinary user gets. */
static const struct {
	const char *name, *root, *user;
} expected[] = {
#include "fs_matrix_expected.h"
};

#define NROWS (sizeof expected / sizeof expected[0])

/* What column @c answered to the call: not negative, or -errno. In shared memory. */
static long (*results)[NCALLS];

static void nothing(int sig)
{
	(void)sig;
}

/* A session with a terminal, which no call waits in for ever and no signal ends. */
static int prepare(void)
{
	static const int ignored[] = {SIGHUP,  SIGTTOU, SIGTTIN, SIGPIPE, SIGIO,
				      SIGXFSZ, SIGUSR1, SIGURG,  SIGTERM};
	struct sigaction sa = {.sa_handler = nothing};
	int master;

	setsid();
	for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
		signal(ignored[i], SIG_IGN);
	sigaction(SIGALRM, &sa, NULL);
	master = posix_openpt(O_RDWR | O_NOCTTY);
	grantpt(master);
	unlockpt(master);
	snprintf(terminal, sizeof terminal, "%s", ptsname(master));
	open(terminal, O_RDWR);
	ended = fork();
	if (!ended)
		_exit(0);
	waitid(P_PID, (id_t)ended, &(siginfo_t){0}, WEXITED | WNOWAIT);
	return master;
}

static long ask(const struct column *c, size_t call)
{
	const struct itimerval soon = {{0, 300000}, {0, 300000}}, never = {0};
	int fd = open_column(c);
	long r;

	if (fd < 0)
		return -errno;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (ftruncate(reg, 0) || pwrite(reg, "registry", 8, 0) != 8)
		abort();
	lseek(reg, 0, SEEK_SET);
	start = 0;
	setitimer(ITIMER_REAL, &soon, NULL);
	errno = 0;
	r = calls[call].fn(fd);
	if (r == -1)
		r = -errno;
	setitimer(ITIMER_REAL, &never, NULL);
	close(fd);
	return r;
}

static void ask_column(size_t column)
{
	const struct column *c = &columns[column];
	int master = prepare();

	for (size_t k = 0; k < NCALLS; k++) {
		results[column][k] = calls[k].changes && c->shared && !geteuid() ? LEFT_OUT : ask(c, k);
		tcflush(master, TCIOFLUSH);
	}
}

/* ---- the comparison ---- */

static const char *result_text(long r)
{
	static char text[32];

	if (r < 0)
		return strerrorname_np((int)-r);
	snprintf(text, sizeof text, "%ld", r);
	return text;
}

/* Whether @name is one of the words in @words, @len bytes. */
static bool has_word(const char *words, size_t len, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = words; p + n <= words + len; p++)
		if (!memcmp(p, name, n) && (p == words || p[-1] == ' ') &&
		    (p + n == words + len || p[n] == ' '))
			return true;
	return false;
}

/* What column @c is to answer, into @out, after @row. */
static void find_expected(const char *row, const struct column *c, char *out, size_t size)
{
	*out = 0;
	while (*row) {
		size_t len = strcspn(row, ";"), word = strcspn(row, ":;");

		if ((word == len && !*out) || has_word(row + word, len - word, c->name) ||
		    (c->flags & O_PATH && has_word(row + word, len - word, "path")))
			snprintf(out, size, "%.*s", (int)word, row);
		row += len;
		row += strspn(row, "; ");
	}
}

static void compare(size_t column, size_t call)
{
	const char *row = geteuid() && expected[call].user ? expected[call].user : expected[call].root;
	long r = results[column][call];
	char wanted[32];

	if (r == LEFT_OUT)
		return;
	find_expected(row, &columns[column], wanted, sizeof wanted);
	check_count_++;
	if (!strcmp(wanted, result_text(r)))
		return;
	check_failures_++;
	check_report_(__FILE__, __LINE__, calls[call].name, " of %s: %s, not %s", columns[column].name,
		      result_text(r), wanted);
}

/* Whether all that were opened by O_PATH answered @r. */
static bool all_paths(size_t call, long r)
{
	for (size_t c = 0; c < NCOLUMNS; c++)
		if (columns[c].flags & O_PATH && results[c][call] != r)
			return false;
	return true;
}

static void print_group(size_t call, long r)
{
	bool paths = all_paths(call, r);

	printf("; %s:%s", result_text(r), paths ? " path" : "");
	for (size_t c = 0; c < NCOLUMNS; c++)
		if (results[c][call] == r && !(paths && columns[c].flags & O_PATH))
			printf(" %s", columns[c].name);
}

/* The group of most columns is told without their names. */
static void print_row(size_t call)
{
	size_t most = 0, best = 0;

	for (size_t c = 0; c < NCOLUMNS; c++) {
		size_t same = 0;

		for (size_t d = 0; d < NCOLUMNS; d++)
			same += results[d][call] == results[c][call];
		if (same > most && results[c][call] != LEFT_OUT) {
			most = same;
			best = c;
		}
	}
	printf("%s|%s", calls[call].name, result_text(results[best][call]));
	for (size_t c = 0; c < NCOLUMNS; c++) {
		long r = results[c][call];
		bool told = r == LEFT_OUT || r == results[best][call];

		for (size_t d = 0; d < c; d++)
			told |= results[d][call] == r;
		if (!told)
			print_group(call, r);
	}
	printf("\n");
}

/* The table is of that Linux; husk answers as it does. */
static bool is_known(void)
{
	struct utsname u;

	CHECK_OK(uname(&u));
	return strstr(u.release, "husk") || !strncmp(u.release, "6.18.", 5);
}

static void make_tree(void)
{
	snprintf(top, sizeof top, "/dev/shm/husk-matrix%d", getpid());
	CHECK_OK(mkdir(top, 0700));
	dir = open(top, O_RDONLY | O_DIRECTORY);
	umask(0);
	reg = openat(dir, "work", O_CREAT | O_RDWR, 0644);
	CHECK_OK(symlinkat("work", dir, "link"));
	CHECK_OK(mknodat(dir, "sock", S_IFSOCK | 0644, 0));
	CHECK_OK(pipe2(pipes, O_NONBLOCK));
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
}

static void remove_tree(void)
{
	static const char *const names[] = {"work", "link", "sock", "file", "fifo"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		unlinkat(dir, names[i], 0);
	unlinkat(dir, "dir", AT_REMOVEDIR);
	rmdir(top);
}

int main(int argc, char **argv)
{
	bool prints = argc > 1 && !strcmp(argv[1], "print");
	const char *only = argc > 1 && !prints ? argv[1] : NULL;

	if (!prints && !is_known())
		check_skip("what calls answer on each kind of file is known of Linux 6.18");
	results = mmap(NULL, sizeof *results * NCOLUMNS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	make_tree();
	if (!prints)
		CHECK_EQ(NROWS, NCALLS);
	for (size_t c = 0; c < NCOLUMNS; c++) {
		int status;
		pid_t pid;

		if (only && strcmp(only, columns[c].name))
			continue;
		pid = fork();
		if (!pid) {
			ask_column(c);
			_exit(0);
		}
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, 0);
		for (size_t k = 0; k < NROWS && !prints; k++)
			compare(c, k);
	}
	for (size_t k = 0; k < NCALLS && prints; k++)
		print_row(k);
	remove_tree();
	return prints ? 0 : check_done();
}
