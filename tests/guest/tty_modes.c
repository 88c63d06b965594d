/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows what a pseudo-terminal's node and System V's programs ask for: mode and owner of /dev/pts/N, TIOCEXCL, and
 * settings by struct termio.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "check.h"

/* What <asm/termbits.h> and <asm/termios.h> would clash about. */
struct old_termio {
	unsigned short iflag, oflag, cflag, lflag;
	unsigned char line, cc[8];
};

static int master, slave;
static char name[64];

static void test_node(void)
{
	struct stat st;

	CHECK_EQ(stat(name, &st), 0);
	CHECK_EQ(st.st_uid, geteuid());
	CHECK_EQ(chmod(name, 0622), 0);
	CHECK_EQ(fstat(slave, &st), 0);
	CHECK_EQ(st.st_mode, S_IFCHR | 0622);
	CHECK_EQ(fchmod(slave, 0600), 0);
	CHECK_EQ(stat(name, &st), 0);
	CHECK_EQ(st.st_mode, S_IFCHR | 0600);
	CHECK_EQ(chown(name, -1, getegid()), 0);
	CHECK_EQ(stat(name, &st), 0);
	CHECK_EQ(st.st_gid, getegid());
	if (geteuid()) {
		CHECK_ERRNO(chown(name, 0, -1), EPERM);
		return;
	}
	CHECK_EQ(fchown(slave, 1234, 5), 0);
	CHECK_EQ(stat(name, &st), 0);
	CHECK_EQ(st.st_uid, 1234);
	CHECK_EQ(st.st_gid, 5);
	CHECK_EQ(chown(name, 0, 0), 0);
}

static void test_exclusive(void)
{
	int on = -1, again, status;
	pid_t pid;

	CHECK_EQ(ioctl(slave, TIOCGEXCL, &on), 0);
	CHECK_EQ(on, 0);
	CHECK_EQ(ioctl(slave, TIOCEXCL), 0);
	CHECK_EQ(ioctl(slave, TIOCGEXCL, &on), 0);
	CHECK_EQ(on, 1);
	CHECK_EQ(ioctl(master, TIOCGEXCL, &on), 0);
	CHECK_EQ(on, 0);
	CHECK_EQ(chmod(name, 0666), 0);
	pid = fork();
	if (!pid) {
		if (!geteuid())
			CHECK_EQ(setresuid(54321, 54321, 54321), 0);
		CHECK_ERRNO(open(name, O_RDWR | O_NOCTTY), EBUSY);
		_exit(check_failed());
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(ioctl(slave, TIOCNXCL), 0);
	again = open(name, O_RDWR | O_NOCTTY);
	CHECK(again >= 0);
	close(again);
}

static void test_termio(void)
{
	struct old_termio old;
	struct termios before, after;

	CHECK_EQ(tcgetattr(slave, &before), 0);
	CHECK_EQ(ioctl(slave, TCGETA, &old), 0);
	CHECK_EQ(old.iflag, (unsigned short)before.c_iflag);
	CHECK_EQ(old.oflag, (unsigned short)before.c_oflag);
	CHECK_EQ(old.cflag, (unsigned short)before.c_cflag);
	CHECK_EQ(old.lflag, (unsigned short)before.c_lflag);
	CHECK(!memcmp(old.cc, before.c_cc, 8));
	old.lflag &= ~ECHO;
	old.cc[VKILL] = 'k';
	CHECK_EQ(ioctl(slave, TCSETA, &old), 0);
	CHECK_EQ(tcgetattr(slave, &after), 0);
	CHECK_EQ(after.c_lflag, before.c_lflag & ~ECHO);
	CHECK_EQ(after.c_cc[VKILL], 'k');
	CHECK_EQ(after.c_cc[VSUSP], before.c_cc[VSUSP]);
	old.lflag |= ECHO;
	CHECK_EQ(ioctl(master, TCSETAW, &old), 0);
	CHECK_EQ(write(master, "dropped", 7), 7);
	CHECK_EQ(ioctl(slave, TCSETAF, &old), 0);
	CHECK_EQ(tcgetattr(slave, &after), 0);
	CHECK_EQ(after.c_lflag, before.c_lflag);
	CHECK_ERRNO(ioctl(slave, TCGETA, (void *)8), EFAULT);
	CHECK_ERRNO(ioctl(slave, TCSETA, (void *)8), EFAULT);
}

int main(void)
{
	master = posix_openpt(O_RDWR | O_NOCTTY);
	if (master < 0)
		check_skip("no pseudo-terminals");
	CHECK_EQ(unlockpt(master), 0);
	CHECK_EQ(ptsname_r(master, name, sizeof name), 0);
	slave = open(name, O_RDWR | O_NOCTTY);
	CHECK(slave >= 0);
	test_node();
	test_exclusive();
	test_termio();
	return check_done();
}
