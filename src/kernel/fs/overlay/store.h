/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An overlay's changes kept in a directory of the host's (--upper): docs/upper.md describes the format.
 *
 * Names and attributes live in memory as ever; each call that changes them adds its records to the log as one
 * transaction, one write, before the guest hears of it. The bytes of a regular file live in a file of the host's from
 * the start, which takes the place of tmpfs's memfd while somebody has it open.
 */
#ifndef HUSK_KERNEL_FS_OVERLAY_STORE_H
#define HUSK_KERNEL_FS_OVERLAY_STORE_H

#include "fs/overlay/overlay.h"

struct store {
	struct hostfd lock, log, data; /* the marker, locked; the log; the directory of the files' bytes */
	char *buf; /* records of this transaction; after a failed write, those of several */
	size_t used, room;
	bool lost;    /* a record had no memory */
	u64 log_size; /* up to here it is whole */
	u64 next_id;
	u64 records; /* in the log */
};

/* The store at @path, made if there is none, locked; empty until store_load(). 0 or -errno, with a sentence. */
int store_open(const char *path, struct store **out, char *why, size_t size);
void store_close(struct store *s);
/* Fills the overlay, whose root is made, from the log. 0 or -errno, with a sentence. */
int store_load(struct overlay *o, struct inode *root, char *why, size_t size);

/* What follows does nothing for overlays in memory. */

/* Records of this transaction: @i as it is now; what @name in @dir is now; one extended attribute (@value NULL: gone). */
void store_inode(struct inode *i);
void store_name(struct inode *dir, const char *name, size_t len);
void store_xattr(struct inode *i, const char *name, const void *value, size_t size);
void store_xattrs(struct inode *i);
/* Ends the transaction of a call whose result so far is @err: that, or -errno when the log cannot be written; then the
 * records are kept for the next one. */
int store_commit(struct inode *any, int err);

/* Opens the file of @i's bytes, making it if need be. */
int store_open_data(struct inode *i);
/* Nobody has @i open any more. */
void store_close_data(struct inode *i);
/* Sets the times of the file of @i's bytes, which a later run reads. */
void store_times(struct inode *i);
/* @i goes: so do its bytes, when it has no name. */
void store_release(struct inode *i);
/* Bytes and log to the disk. */
int store_sync(struct inode *i, bool data_only);

/* store.c, for replay.c: a data file's directory and name. */
#define STORE_NAME_SIZE 40
void store_data_name(u64 id, char *name);
/* All that the overlay holds as a fresh log. */
int store_compact(struct overlay *o, struct inode *root);
u32 store_checksum(const char *text, size_t size);

#endif
