/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that the stub reads by itself lie under descriptors of the host's that all code of the process may read, by the
 * stub's own instruction. What a process has closed, or was its parent's, is not among them any more, nor anything once a
 * filter has something to say of reads or seeks.
 */
#include "tests/escape/escape.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#define SELF "/proc/self/exe"

static uint64_t read_site; /* the one instruction that may read */

/* A file, read until it is donated. */
static int open_often(void)
{
	int fd = open(SELF, O_RDONLY);
	char byte;

	for (int i = 0; i < 40; i++)
		if (read(fd, &byte, 1) != 1)
			exit(UNSURE);
	return fd;
}

/* How many of the host's descriptors for donated files can be read. */
static int readable_files(uint64_t site)
{
	char byte;
	int n = 0;

	for (uint64_t fd = HUSK_DONATED_FD; fd < HUSK_DONATED_FD + HUSK_NR_DONATED; fd++)
		n += STUB_CALL(site, SYS_read, fd, (uint64_t)&byte, 1) == 1;
	return n;
}

static int reads(void *site)
{
	open_often();
	return readable_files((uint64_t)site) == 1 ? NOTHING : UNSURE;
}

static int reads_parents(void *arg)
{
	return readable_files(read_site) ? ESCAPED : NOTHING;
}

static int reads_closed(void *arg)
{
	close(open_often());
	close(open_often());
	return readable_files(read_site) ? ESCAPED : NOTHING;
}

static int reads_filtered(void *arg)
{
	struct sock_filter refuse_lseek[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_lseek, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {4, refuse_lseek};

	open_often();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		return UNSURE;
	if (readable_files(read_site))
		return ESCAPED;
	open_often();
	return readable_files(read_site) ? ESCAPED : NOTHING;
}

/* What the table says is the guest's to write: its own stub believes it, and reads what it could read anyway. */
static int lies(void *arg)
{
	volatile uint32_t *table = (volatile uint32_t *)(HUSK_CHAN_BASE + HUSK_DONATED_OFFSET);
	int fd = open_often(), zero = open("/dev/zero", O_RDONLY);
	char byte = 1;

	for (uint32_t word = 0; word < 0x200; word++) {
		for (int i = 0; i < 1024; i++)
			table[i] = word << 6 | (uint32_t)i % 64;
		for (int i = 0; i < 20; i++)
			if (read(zero, &byte, 1) < 0 || lseek(fd, 0, SEEK_CUR) < 0)
				return UNSURE;
	}
	for (int i = 0; i < 1024; i++)
		table[i] = 0;
	return read(zero, &byte, 1) == 1 && !byte ? NOTHING : UNSURE;
}

int main(void)
{
	int status;

	setvbuf(stdout, NULL, _IOLBF, 0);
	find_sites();
	for (int i = 0; i < nsites && !read_site; i++) {
		status = attempt("looking for the instruction", reads, (void *)sites[i], 3000);
		if (WIFEXITED(status) && WEXITSTATUS(status) == NOTHING)
			read_site = sites[i];
	}
	if (!read_site) {
		printf("not ok - no instruction reads a donated file\n");
		return 1;
	}
	open_often();
	attempt("a parent's file", reads_parents, NULL, 3000);
	attempt("a closed file", reads_closed, NULL, 3000);
	attempt("a file that was read before there was a filter", reads_filtered, NULL, 3000);
	status = attempt("a table of lies", lies, NULL, 10000);
	if (WIFEXITED(status) && WEXITSTATUS(status) == UNSURE)
		printf("# the table of lies was believed too much\n");
	return verdict("donated files");
}
