/* SPDX-License-Identifier: Apache-2.0 */
/* memfd_create: reading, writing, mapping, sharing over fork, seals. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "check.h"

int main(void)
{
	struct stat st;
	char buf[16], link[64], path[40], *a, *b;
	int m = memfd_create("name", MFD_CLOEXEC | MFD_ALLOW_SEALING), status, r, plain;
	pid_t pid;

	CHECK(m >= 0);
	CHECK_EQ(fcntl(m, F_GETFD), FD_CLOEXEC);
	CHECK_ERRNO(memfd_create("x", 0x1000), EINVAL);
	CHECK_ERRNO(memfd_create("x", MFD_HUGETLB | 0x1000), EINVAL);
	CHECK_ERRNO(memfd_create("x", 21U << 26), EINVAL);
	CHECK_ERRNO(memfd_create("x", MFD_HUGETLB | 16U << 26), ENODEV); /* no such pages */
	CHECK_ERRNO(memfd_create((char *)8, MFD_HUGETLB | 16U << 26), EFAULT);
	CHECK_EQ(write(m, "hello", 5), 5);
	CHECK_EQ(lseek(m, 0, SEEK_CUR), 5);
	CHECK_EQ(pread(m, buf, 16, 1), 4);
	CHECK(!memcmp(buf, "ello", 4));
	CHECK_OK(ftruncate(m, 10000));
	CHECK_OK(fstat(m, &st));
	CHECK_EQ(st.st_size, 10000);
	CHECK(S_ISREG(st.st_mode));
	CHECK_EQ(st.st_nlink, 0);
	snprintf(path, sizeof path, "/proc/self/fd/%d", m);
	r = readlink(path, link, sizeof link - 1);
	link[r > 0 ? r : 0] = 0;
	CHECK_STR(link, "/memfd:name (deleted)");
	a = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0);
	b = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, m, 0);
	CHECK(a != MAP_FAILED && b != MAP_FAILED);
	CHECK(!memcmp(a, "hello", 5));
	a[1] = 'a';
	CHECK_EQ(pread(m, buf, 5, 0), 5);
	CHECK(!memcmp(buf, "hallo", 5));
	pid = fork();
	if (!pid) {
		a[4096] = 'c';
		_exit(0);
	}
	waitpid(pid, &status, 0);
	CHECK_EQ(a[4096], 'c');
	CHECK_EQ(fcntl(m, F_GET_SEALS), 0);
	CHECK_ERRNO(fcntl(m, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	munmap(a, 8192);
	CHECK_OK(fcntl(m, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK));
	CHECK_EQ(fcntl(m, F_GET_SEALS), F_SEAL_WRITE | F_SEAL_SHRINK);
	CHECK_ERRNO(write(m, "x", 1), EPERM);
	CHECK_ERRNO(ftruncate(m, 1), EPERM);
	CHECK_OK(ftruncate(m, 20000));
	CHECK_EQ(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0) == MAP_FAILED, 1);
	CHECK_OK(fcntl(m, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SEAL));
	CHECK_ERRNO(ftruncate(m, 30000), EPERM);
	CHECK_ERRNO(fcntl(m, F_ADD_SEALS, F_SEAL_GROW), EPERM);
	munmap(b, 8192);
	close(m);
	plain = memfd_create("", 0);
	CHECK_EQ(fcntl(plain, F_GET_SEALS), F_SEAL_SEAL);
	close(plain);
	return check_done();
}
