/* SPDX-License-Identifier: Apache-2.0 */
/* The upper layer in a directory: opening it, and the files of the bytes. */
#include "fs/overlay/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/file.h"

#define MARKER      "husk-upper"
#define RUNNING     "running"
#define MARKER_TEXT "husk upper layer 1\n"

/* ---- opening ---- */

static bool is_empty(int dir)
{
	struct dirent *e;
	bool empty = true;
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	while (d && empty && (e = readdir(d)))
		empty = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
	if (d)
		closedir(d);
	else if (fd >= 0)
		close(fd);
	return d && empty;
}

/* The marker, written and locked. */
static int open_marker(int dir, const char *path, int *out, char *why, size_t size)
{
	char text[64] = "";
	ssize_t n;
	int fd = openat(dir, MARKER, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 && errno == ENOENT) {
		if (!is_empty(dir)) {
			snprintf(why, size,
				 "%s is neither empty nor an upper layer of husk's; name another directory "
				 "with --upper",
				 path);
			return -EINVAL;
		}
		fd = openat(dir, MARKER, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	}
	if (fd < 0) {
		snprintf(why, size, "cannot write to the upper layer %s: %s", path, strerror(errno));
		return -errno;
	}
	*out = fd;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		snprintf(why, size, "the upper layer %s is in use by another run", path);
		return -EBUSY;
	}
	n = pread(fd, text, sizeof text - 1, 0);
	if (n == 0) /* fresh, or its maker was killed right then */
		n = pwrite(fd, MARKER_TEXT, strlen(MARKER_TEXT), 0);
	else if (n > 0 && strcmp(text, MARKER_TEXT)) {
		snprintf(why, size, "%s was written by another version of husk, or by something else", path);
		return -EINVAL;
	}
	if (n < 0) {
		snprintf(why, size, "cannot use the upper layer %s: %s", path, strerror(errno));
		return -errno;
	}
	return 0;
}

/* The directory for every 256th file's bytes: what is there already must be one, not lead to one. */
static int make_room(int data, int number)
{
	struct stat st;
	char name[8];

	snprintf(name, sizeof name, "%02x", number);
	if (!mkdirat(data, name, 0700))
		return 0;
	if (errno != EEXIST || fstatat(data, name, &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int store_open(const char *path, struct store **out, char *why, size_t size)
{
	struct store *s = calloc(1, sizeof *s);
	int dir, fd, err;

	if (!s)
		return -ENOMEM;
	s->lock = s->log = s->data = HOSTFD_NONE;
	s->next_id = 2;
	s->compactions = 1; /* so that what is new is not told */
	mkdir(path, 0700);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) {
		err = -errno;
		snprintf(why, size, "cannot open the upper layer %s: %s", path, strerror(-err));
		free(s);
		return err;
	}
	err = open_marker(dir, path, &s->lock.fd, why, size);
	if (!err) {
		if (mkdirat(dir, "data", 0700) && errno != EEXIST)
			err = -errno;
		s->log.fd = openat(dir, "log", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		s->data.fd = openat(dir, "data", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (!err && (s->log.fd < 0 || s->data.fd < 0))
			err = -errno;
		/* All that bytes will need: afterwards husk makes files only. */
		for (int i = 0; !err && i < 256; i++) {
			err = make_room(s->data.fd, i);
		}
		fd = err ? -1
			 : openat(dir, RUNNING, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		s->unclean = fd < 0 && errno == EEXIST;
		if (fd >= 0)
			close(fd);
		else if (!err && !s->unclean)
			err = -errno;
		if (err)
			snprintf(why, size, "cannot use the upper layer %s: %s", path, strerror(-err));
	}
	close(dir);
	if (err)
		store_close(s);
	else
		*out = s;
	return err;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	if (s->loaded)
		unlinkat(s->data.fd, "../" RUNNING, 0);
	host_close(&s->log);
	host_close(&s->data);
	host_close(&s->lock);
	free(s->buf);
	free(s);
}

/* ---- bytes ---- */

void store_data_name(u64 id, char *name)
{
	snprintf(name, STORE_NAME_SIZE, "%02x/%lu", (unsigned)(id & 255), id);
}

/* @i has a file of bytes from now on: tells of it, the first time. */
static void keep(struct inode *i)
{
	if (tnode(i)->kept)
		return;
	tnode(i)->kept = true;
	store_inode(i);
}

int store_open_data(struct inode *i)
{
	struct store *s = store_of(i);
	struct tnode *n = tnode(i);
	char name[STORE_NAME_SIZE];
	int fd;

	if (!s || hostfd_valid(n->memfd))
		return 0;
	if (n->lost)
		return -EIO;
	store_data_name(store_id(i), name);
	/* What a killed run has left under a number that it never told of is nobody's. */
	fd = openat(s->data.fd, name, O_RDWR | O_CREAT | (n->size ? 0 : O_TRUNC) | O_CLOEXEC | O_NOFOLLOW,
		    0600);
	if (fd < 0)
		return errno == EMFILE ? -ENFILE : -errno;
	n->memfd.fd = fd;
	keep(i);
	return 0;
}

static void copy_name(u64 id, char *name)
{
	snprintf(name, STORE_NAME_SIZE, "%02x/%lu.new", (unsigned)(id & 255), id);
}

int store_copy_begin(struct inode *i, struct store_copy *copy, struct hostfd *fd)
{
	struct hostfd dir = {fcntl(store_of(i)->data.fd, F_DUPFD_CLOEXEC, 3)};
	char name[STORE_NAME_SIZE];
	int err;

	if (dir.fd < 0)
		return -errno;
	copy_name(store_id(i), name);
	fd->fd = openat(dir.fd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd->fd < 0) {
		err = -errno;
		host_close(&dir);
		return err;
	}
	*copy = (struct store_copy){.dir = dir, .id = store_id(i)};
	return 0;
}

int store_copy_keep(struct store_copy *copy)
{
	char from[STORE_NAME_SIZE], to[STORE_NAME_SIZE];

	if (!copy->id)
		return 0;
	copy_name(copy->id, from);
	store_data_name(copy->id, to);
	if (syscall(SYS_renameat2, copy->dir.fd, from, copy->dir.fd, to, 0))
		return -errno;
	copy->kept = true;
	return 0;
}

void store_copy_end(struct store_copy *copy)
{
	char name[STORE_NAME_SIZE];

	if (!copy->id)
		return;
	copy_name(copy->id, name);
	if (!copy->kept)
		unlinkat(copy->dir.fd, name, 0);
	host_close(&copy->dir);
}

void store_times(struct inode *i)
{
	struct tnode *n = tnode(i);
	struct timespec ts[2] = {n->atime, n->mtime};
	char name[STORE_NAME_SIZE];

	if (!store_of(i) || i->type != S_IFREG || data_below(i) || !n->stored)
		return;
	store_data_name(n->stored, name);
	utimensat(store_of(i)->data.fd, name, ts, AT_SYMLINK_NOFOLLOW); /* none yet: nothing was written */
}

void store_close_data(struct inode *i)
{
	struct tnode *n = tnode(i);

	if (!store_of(i) || !hostfd_valid(n->memfd) || n->opens)
		return;
	tnode_measure(n);
	host_close(&n->memfd);
	host_close(&n->read_fd);
	store_times(i);
}

void store_release(struct inode *i)
{
	struct store *s = store_of(i);
	char name[STORE_NAME_SIZE];

	if (!s || i->type != S_IFREG || !tnode(i)->stored || tnode(i)->nlink)
		return;
	store_data_name(tnode(i)->stored, name);
	unlinkat(s->data.fd, name, 0);
}

int store_sync(struct inode *i, struct hostfd *fd)
{
	struct store *s = store_of(i);
	int n = 0;

	if (s && i->type == S_IFREG && hostfd_valid(tnode(i)->memfd))
		fd[n++] = tnode(i)->memfd;
	if (s)
		fd[n++] = s->log;
	return n;
}

/* ---- what a killed run has left ---- */

static bool leads_to(struct inode *const *known, size_t count, const char *name)
{
	char *end;
	unsigned long id = strtoul(name, &end, 10);

	return end > name && !*end && id < count && known[id];
}

void store_sweep(struct store *s, struct inode *const *known, size_t count)
{
	for (int i = 0; i < 256; i++) {
		char text[8];
		struct dirent *e;
		DIR *d;
		int fd;

		snprintf(text, sizeof text, "%02x", i);
		fd = openat(s->data.fd, text, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		d = fd < 0 ? NULL : fdopendir(fd);
		while (d && (e = readdir(d)))
			if (e->d_name[0] != '.' && !leads_to(known, count, e->d_name))
				unlinkat(fd, e->d_name, 0);
		if (d)
			closedir(d);
		else if (fd >= 0)
			close(fd);
	}
}
