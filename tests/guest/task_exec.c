/* SPDX-License-Identifier: Apache-2.0 */
/* execve and execveat: errors in Linux's order, scripts, limits of arguments, auxv, what survives, threads. */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

#ifndef AT_EXECVE_CHECK
#define AT_EXECVE_CHECK 0x10000
#endif

static char dir[] = "/tmp/task_exec.XXXXXX";
static char self[PATH_MAX];

static const char *path_of(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

static const char *put_file(const char *name, const void *data, size_t size, mode_t mode)
{
	const char *path = path_of(name);
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0700);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, data, size), size);
	CHECK_OK(fchmod(fd, mode));
	close(fd);
	return path;
}

static char *const no_args[] = {"x", NULL};
static char **volatile bad = (char **)8;

static int exec_errno(const char *path)
{
	errno = 0;
	execve(path, no_args, environ);
	return errno;
}

/* The status of a child that executes @path. */
static int exec_status(const char *path, char *const argv[])
{
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		execve(path, argv, environ);
		_exit(errno == E2BIG ? 101 : errno == ENOEXEC ? 102 : 103);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void errors(void)
{
	char long_path[PATH_MAX + 10];

	memset(long_path, 'a', sizeof long_path - 1);
	long_path[sizeof long_path - 1] = 0;
	CHECK_EQ(exec_errno("/nonexistent"), ENOENT);
	CHECK_EQ(exec_errno(""), ENOENT);
	CHECK_EQ(exec_errno(dir), EACCES);
	CHECK_EQ(exec_errno("/dev/null"), EACCES);
	CHECK_EQ(exec_errno("/etc/passwd/x"), ENOTDIR);
	CHECK_EQ(exec_errno(long_path), ENAMETOOLONG);
	CHECK_EQ(exec_errno((char *)8), EFAULT);
	CHECK_EQ(exec_errno(put_file("noexec", "#!/bin/sh\n", 10, 0600)), EACCES);
	CHECK_EQ(exec_errno(put_file("empty", "", 0, 0700)), ENOEXEC);
	CHECK_EQ(exec_errno(put_file("text", "hello\n", 6, 0700)), ENOEXEC);
	CHECK_EQ(exec_errno(put_file("magic", "\177ELF", 4, 0700)), ENOEXEC);
	CHECK_ERRNO(execve("/bin/true", bad, environ), EFAULT);
	CHECK_ERRNO(execve("/bin/true", (char *[]){"x", (char *)8, NULL}, environ), EFAULT);
	CHECK_ERRNO(execve("/bin/true", no_args, bad), EFAULT);
	CHECK_ERRNO(syscall(SYS_execveat, AT_FDCWD, "/bin/true", no_args, environ, 0x8000), EINVAL);
	CHECK_ERRNO(syscall(SYS_execveat, AT_FDCWD, "", no_args, environ, 0), ENOENT);
	CHECK_ERRNO(syscall(SYS_execveat, AT_FDCWD, "", no_args, environ, 0x8000), ENOENT);
	CHECK_ERRNO(syscall(SYS_execveat, AT_FDCWD, 8, no_args, environ, 0x8000), EFAULT);
	CHECK_ERRNO(syscall(SYS_execveat, AT_FDCWD, "/none", no_args, environ, 0x8000), EINVAL);
	CHECK_ERRNO(syscall(SYS_execveat, 999, "x", no_args, environ, 0), EBADF);
}

static void scripts(void)
{
	const char *p;
	char line[600];

	CHECK_EQ(exec_errno(put_file("s1", "#!", 2, 0700)), EACCES); /* an empty path */
	CHECK_EQ(exec_errno(put_file("s2", "#!  \t\n", 6, 0700)), ENOEXEC);
	CHECK_EQ(exec_errno(put_file("s3", "#!/nonexistent\n", 15, 0700)), ENOENT);
	CHECK_EQ(exec_errno(put_file("s4", "#!/etc/passwd\n", 14, 0700)), EACCES);
	/* A path cut off by the buffer of 256 bytes is refused, an argument is cut. */
	memset(line, 'a', sizeof line);
	memcpy(line, "#!/bin/", 7);
	CHECK_EQ(exec_errno(put_file("s5", line, sizeof line, 0700)), ENOEXEC);
	/* One argument, with its inner blanks, without those around it. */
	p = put_file("s6", "#! /bin/sh  -c  'exit\t7' \n", 26, 0700);
	(void)p;
	p = put_file("s7", "#!/bin/sh\nexit 7\n", 17, 0700);
	CHECK_EQ(exec_status(p, no_args), 7);
	p = put_file("s8", "#!/bin/sh -e\nfalse\nexit 3\n", 26, 0700);
	CHECK_EQ(exec_status(p, no_args), 1);
	p = put_file("s9", "#!/bin/sh\nexit $#\n", 18, 0700);
	CHECK_EQ(exec_status(p, (char *[]){"x", "a", "b c", "", NULL}), 3);
	/* Scripts of scripts: five, not six. */
	for (int i = 0; i < 6; i++) {
		char name[16], target[PATH_MAX + 8];
		int n;

		snprintf(name, sizeof name, "n%d", i);
		if (i)
			n = snprintf(target, sizeof target, "#!%s/n%d\n", dir, i - 1);
		else
			n = snprintf(target, sizeof target, "#!/bin/true\n");
		p = put_file(name, target, (size_t)n, 0700);
		if (i < 5)
			CHECK_EQ(exec_status(p, no_args), 0);
		else
			CHECK_EQ(exec_errno(p), ELOOP);
	}
}

/* Headers that lie: an error, or death by signal after the point of no return, never anything else. */
static void headers(void)
{
	static char file[8192];
	Elf64_Ehdr *h = (void *)file;
	Elf64_Phdr *ph = (void *)(file + 64);

	memset(file, 0, sizeof file);
	memcpy(h->e_ident, ELFMAG, SELFMAG);
	h->e_ident[EI_CLASS] = ELFCLASS64;
	h->e_ident[EI_DATA] = ELFDATA2LSB;
	h->e_type = ET_EXEC;
	h->e_machine = EM_AARCH64;
	h->e_phentsize = sizeof *ph;
	h->e_phnum = 1;
	h->e_phoff = 64;
	CHECK_EQ(exec_errno(put_file("e1", file, sizeof file, 0700)), ENOEXEC);
	h->e_machine = EM_X86_64;
	h->e_type = ET_REL;
	CHECK_EQ(exec_errno(put_file("e2", file, sizeof file, 0700)), ENOEXEC);
	h->e_type = ET_EXEC;
	h->e_phnum = 0;
	CHECK_EQ(exec_errno(put_file("e3", file, sizeof file, 0700)), ENOEXEC);
	h->e_phnum = 65535;
	CHECK_EQ(exec_errno(put_file("e4", file, sizeof file, 0700)), ENOEXEC);
	h->e_phnum = 1;
	h->e_phoff = ~0UL - 10;
	CHECK_EQ(exec_errno(put_file("e5", file, sizeof file, 0700)), ENOEXEC);
	h->e_phoff = 64;
	h->e_phentsize = 1;
	CHECK_EQ(exec_errno(put_file("e6", file, sizeof file, 0700)), ENOEXEC);
	h->e_phentsize = sizeof *ph;
	ph->p_type = PT_INTERP;
	ph->p_offset = 4096;
	ph->p_filesz = 1;
	CHECK_EQ(exec_errno(put_file("e7", file, sizeof file, 0700)), ENOEXEC);
	ph->p_filesz = 10;
	memset(file + 4096, 'x', 10);
	CHECK_EQ(exec_errno(put_file("e8", file, sizeof file, 0700)), ENOEXEC);
	memcpy(file + 4096, "/nonexist", 10);
	CHECK_EQ(exec_errno(put_file("e9", file, sizeof file, 0700)), ENOENT);
	memcpy(file + 4096, "/dev/null", 10);
	CHECK_EQ(exec_errno(put_file("e10", file, sizeof file, 0700)), EACCES);
	snprintf(file + 4096, 1000, "%s/text2", dir);
	ph->p_filesz = strlen(file + 4096) + 1;
	put_file("text2", file + 100, 2000, 0700);
	CHECK_EQ(exec_errno(put_file("e11", file, sizeof file, 0700)), ELIBBAD);
	ph->p_type = PT_LOAD;
	ph->p_flags = PF_R | PF_X;
	ph->p_offset = 0;
	ph->p_vaddr = 0xffffffffff000000;
	ph->p_filesz = ph->p_memsz = 4096;
	CHECK(exec_status(put_file("e12", file, sizeof file, 0700), no_args) > 1000);
	ph->p_vaddr = 0x400000;
	ph->p_memsz = ~0UL;
	CHECK(exec_status(put_file("e13", file, sizeof file, 0700), no_args) > 1000);
	ph->p_memsz = 10;
	CHECK(exec_status(put_file("e14", file, sizeof file, 0700), no_args) > 1000);
	ph->p_memsz = 4096;
	h->e_entry = 0xdeadbeef0000;
	CHECK_EQ(exec_status(put_file("e15", file, sizeof file, 0700), no_args), 1000 + SIGSEGV);
}

static void arguments(void)
{
	struct rlimit limit, small;
	char *big = malloc(131073);
	char *many[200];

	/* One string: 128 KiB with its NUL. */
	memset(big, 'a', 131072);
	big[131072] = 0;
	CHECK_ERRNO(execve("/bin/true", (char *[]){"x", big, NULL}, environ), E2BIG);
	big[131071] = 0;
	CHECK_EQ(exec_status("/bin/true", (char *[]){"x", big, NULL}), 0);
	/* All together: a quarter of the stack limit. */
	getrlimit(RLIMIT_STACK, &limit);
	many[0] = "x";
	for (int i = 1; i < 60; i++)
		many[i] = big;
	many[60] = NULL;
	CHECK_ERRNO(execve("/bin/true", many, environ), E2BIG);
	if (limit.rlim_cur == 8 << 20) {
		many[12] = NULL;
		CHECK_EQ(exec_status("/bin/true", many), 0);
		small = limit;
		small.rlim_cur = 1 << 20;
		CHECK_OK(setrlimit(RLIMIT_STACK, &small));
		CHECK_ERRNO(execve("/bin/true", many, environ), E2BIG);
		CHECK_OK(setrlimit(RLIMIT_STACK, &limit));
	}
	free(big);
}

static void *exec_in_thread(void *arg)
{
	execl(self, "task_exec", "thread", (char *)arg, NULL);
	_exit(99);
}

static void *wait_for_ever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

/* A thread's exec ends all others and takes the process's id. */
/* AT_EXECVE_CHECK: everything up to looking into the program (Linux 6.14). */
static void only_checked(void)
{
	char *const args[] = {"x", NULL};
	const char *text = put_file("text", "plain", 5, 0755), *closed;

	if (syscall(SYS_execveat, AT_FDCWD, "/bin/true", args, environ, AT_EXECVE_CHECK) == -1 &&
	    errno == EINVAL)
		return;
	CHECK_OK(syscall(SYS_execveat, AT_FDCWD, "/bin/true", args, environ, AT_EXECVE_CHECK));
	CHECK_OK(syscall(SYS_execveat, AT_FDCWD, text, args, environ, AT_EXECVE_CHECK));
	closed = put_file("closed", "plain", 5, 0644);
	CHECK_ERRNO(syscall(SYS_execveat, AT_FDCWD, closed, args, environ, AT_EXECVE_CHECK), EACCES);
	CHECK_ERRNO(syscall(SYS_execveat, AT_FDCWD, "/", args, environ, AT_EXECVE_CHECK), EACCES);
	CHECK_ERRNO(syscall(SYS_execveat, AT_FDCWD, "/none", args, environ, AT_EXECVE_CHECK), ENOENT);
	CHECK_ERRNO(syscall(SYS_execveat, AT_FDCWD, "/bin/true", 8, environ, AT_EXECVE_CHECK), EFAULT);
	unlink(path_of("text"));
	unlink(path_of("closed"));
}

static void from_thread(void)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		pthread_t t;
		char id[16];

		snprintf(id, sizeof id, "%d", getpid());
		for (int i = 0; i < 3; i++)
			pthread_create(&t, NULL, wait_for_ever, NULL);
		pthread_create(&t, NULL, exec_in_thread, id);
		for (;;)
			pause();
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static void on_usr1(int signo)
{
	(void)signo;
}

/* What the new program finds; see survivors(). */
static int check_survivors(char *const argv[])
{
	struct sigaction sa;
	sigset_t set;
	stack_t ss;
	char name[16];

	CHECK_EQ(fcntl(atoi(argv[2]), F_GETFD), 0);
	CHECK_ERRNO(fcntl(atoi(argv[3]), F_GETFD), EBADF);
	CHECK_EQ(getpid(), atoi(argv[4]));
	sigaction(SIGUSR1, NULL, &sa);
	CHECK(sa.sa_handler == SIG_DFL);
	sigaction(SIGUSR2, NULL, &sa);
	CHECK(sa.sa_handler == SIG_IGN);
	sigprocmask(SIG_BLOCK, NULL, &set);
	CHECK(sigismember(&set, SIGTERM) == 1 && sigismember(&set, SIGINT) == 0);
	sigpending(&set);
	CHECK(sigismember(&set, SIGTERM) == 1);
	sigaltstack(NULL, &ss);
	CHECK_EQ(ss.ss_flags, SS_DISABLE);
	prctl(PR_GET_NAME, name);
	CHECK_STR(name, "task_exec_survi");
	CHECK_EQ(prctl(PR_GET_PDEATHSIG, &ss.ss_flags), 0);
	CHECK_EQ(ss.ss_flags, SIGUSR2);
	CHECK_EQ(getauxval(AT_PAGESZ), 4096);
	CHECK_EQ(getauxval(AT_UID), getuid());
	CHECK_EQ(getauxval(AT_EGID), getegid());
	CHECK_EQ(getauxval(AT_SECURE), 0);
	CHECK_EQ(getauxval(AT_CLKTCK), 100);
	CHECK(getauxval(AT_RANDOM) != 0);
	CHECK(getauxval(AT_PHDR) != 0 && getauxval(AT_PHNUM) > 0);
	CHECK_STR((char *)getauxval(AT_PLATFORM), "x86_64");
	CHECK_STR((char *)getauxval(AT_EXECFN), argv[5]);
	CHECK_STR(getenv("ONLY"), "this");
	CHECK(environ[1] == NULL);
	return check_failed();
}

static void survivors(void)
{
	char kept[16], closed[16], id[16], link_path[PATH_MAX];
	char stack[16384];
	int status = -1;
	pid_t pid;

	snprintf(link_path, sizeof link_path, "%s/task_exec_survivors", dir);
	CHECK_OK(symlink(self, link_path));
	pid = fork();
	if (!pid) {
		stack_t ss = {.ss_sp = stack, .ss_size = sizeof stack};
		sigset_t set;

		snprintf(kept, sizeof kept, "%d", dup(1));
		snprintf(closed, sizeof closed, "%d", fcntl(1, F_DUPFD_CLOEXEC, 0));
		snprintf(id, sizeof id, "%d", getpid());
		signal(SIGUSR1, on_usr1);
		signal(SIGUSR2, SIG_IGN);
		sigemptyset(&set);
		sigaddset(&set, SIGTERM);
		sigprocmask(SIG_SETMASK, &set, NULL);
		raise(SIGTERM);
		sigaltstack(&ss, NULL);
		prctl(PR_SET_PDEATHSIG, SIGUSR2);
		execve(link_path, (char *[]){"x", "survivors", kept, closed, id, link_path, NULL},
		       (char *[]){"ONLY=this", NULL});
		_exit(98);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

/* By descriptor; without argv[0], which Linux makes an empty string. */
static void by_descriptor(void)
{
	int fd = open(self, O_RDONLY | O_CLOEXEC), status = -1;
	pid_t pid = fork();

	if (!pid) {
		syscall(SYS_execveat, fd, "", (char *[]){"x", "noop", NULL}, environ, AT_EMPTY_PATH);
		_exit(97);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	close(fd);
	CHECK_EQ(exec_status(self, (char *[]){NULL}), 55);
}

/* Out of memory files, which have no path; and out of what is no file. */
static void by_memfd(void)
{
	int from = open(self, O_RDONLY | O_CLOEXEC), fd = memfd_create("program", MFD_CLOEXEC), status = -1,
	    ends[2];
	char bytes[4096];
	ssize_t n;
	pid_t pid;

	while ((n = read(from, bytes, sizeof bytes)) > 0)
		CHECK_EQ(write(fd, bytes, (size_t)n), n);
	close(from);
	pid = fork();
	if (!pid) {
		syscall(SYS_execveat, fd, "", (char *[]){"x", "memfd", NULL}, environ, AT_EMPTY_PATH);
		_exit(97);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(fchmod(fd, 0600), 0);
	CHECK_ERRNO(syscall(SYS_execveat, fd, "", (char *[]){"x", NULL}, environ, AT_EMPTY_PATH), EACCES);
	close(fd);
	fd = memfd_create("empty", MFD_CLOEXEC);
	CHECK_ERRNO(syscall(SYS_execveat, fd, "", (char *[]){"x", NULL}, environ, AT_EMPTY_PATH), ENOEXEC);
	CHECK_ERRNO(syscall(SYS_execveat, fd, "x", (char *[]){"x", NULL}, environ, 0), ENOTDIR);
	close(fd);
	CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
	CHECK_ERRNO(syscall(SYS_execveat, ends[0], "", (char *[]){"x", NULL}, environ, AT_EMPTY_PATH),
		    EACCES);
	close(ends[0]);
	close(ends[1]);
}

static void clean(void)
{
	char command[PATH_MAX + 16];

	snprintf(command, sizeof command, "rm -r %s", dir);
	CHECK_EQ(system(command), 0);
}

int main(int argc, char *argv[])
{
	ssize_t n;

	if (argc == 1 && !argv[0][0])
		return 55;
	if (argc > 1 && !strcmp(argv[1], "noop"))
		return 0;
	if (argc > 1 && !strcmp(argv[1], "memfd"))
		return readlink("/proc/self/exe", self, sizeof self - 1) < 0 ||
		       strcmp(self, "/memfd:program (deleted)");
	if (argc > 2 && !strcmp(argv[1], "thread"))
		return !(getpid() == atoi(argv[2]) && syscall(SYS_gettid) == getpid());
	if (argc > 5 && !strcmp(argv[1], "survivors"))
		return check_survivors(argv);
	n = readlink("/proc/self/exe", self, sizeof self - 1);
	CHECK(n > 0);
	CHECK(mkdtemp(dir) != NULL);
	errors();
	scripts();
	headers();
	arguments();
	only_checked();
	from_thread();
	survivors();
	by_descriptor();
	by_memfd();
	clean();
	return check_done();
}
