/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one process read must not lie in the channel of the next: a process reads a secret and ends; another, that husk
 * may give the same channel region, looks for it.
 */
#include "tests/escape/escape.h"

#include <fcntl.h>

#define SECRET_SIZE 24000

static const char path[] = "/tmp/stale-channel";

/* Not in this program's memory as such. */
static char secret_at(unsigned i)
{
	return (char)("nobody shall know this, "[i % 24] ^ 0x5a);
}

static int write_secret(void)
{
	static char text[SECRET_SIZE];
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	for (unsigned i = 0; i < sizeof text; i++)
		text[i] = secret_at(i);
	return write(fd, text, sizeof text) == sizeof text && !close(fd) ? 0 : -1;
}

/* By read() in pieces and as one: both copy areas hold it. */
static int read_secret(void)
{
	static char text[SECRET_SIZE];
	int fd = open(path, O_RDONLY), p[2];

	for (int i = 0; i < 20; i++)
		(void)!pread(fd, text, 1000, i * 1000);
	(void)!pread(fd, text, sizeof text, 0);
	if (pipe(p) || write(p[1], text, sizeof text) < 0)
		return 1;
	return 0;
}

/* 24 bytes of it in a row, anywhere in the first slots. */
static int look(void)
{
	const char *window = (const char *)HUSK_CHAN_BASE;

	for (size_t at = HUSK_SLOT_SIZE; at < 4 * HUSK_SLOT_SIZE - 24; at++) {
		unsigned n = 0;

		while (n < 24 && window[at + n] == secret_at(n))
			n++;
		if (n == 24)
			return ESCAPED;
	}
	return NOTHING;
}

static char *self;

static int run(const char *what)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		execl(self, self, what, NULL);
		_exit(UNSURE);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : UNSURE;
}

static int pass_on(void *arg)
{
	if (run("read") != 0)
		return UNSURE;
	return run("look");
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	self = argv[0];
	if (argc > 1)
		return !strcmp(argv[1], "read") ? read_secret() : look();
	find_sites();
	if (write_secret())
		return 1;
	for (int i = 0; i < 20; i++)
		if (attempt("a channel that was somebody else's", pass_on, NULL, 3000) != 0)
			printf("# attempt %d was not played through\n", i);
	return verdict("a channel that was somebody else's");
}
