/* SPDX-License-Identifier: Apache-2.0 */
/* What maps shows of the file behind a mapping. */
#include <stdio.h>

#include "mm/internal.h"

void mm_file_name(struct file *f, u64 *dev, u64 *ino, char *name, size_t size)
{
	*dev = 0;
	*ino = 0;
	if (f->ops->link_name)
		f->ops->link_name(f, name, size);
	else
		snprintf(name, size, "anon_inode:[%s]", f->ops->name ? f->ops->name : "file");
}
