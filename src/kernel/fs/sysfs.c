/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /sys: what programs size themselves by: processors, memory nodes, huge pages.
 *
 * There are as many processors as husk says everywhere else, in one package, on one node. Of devices, modules and
 * control groups there are none, only the directories.
 */
#include "fs/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/proc_text.h"

static const struct synth_entry empty_dir[] = {{}};

#define DIRECTORY(node, children)                    \
	{                                            \
		node, S_IFDIR | 0755, NULL, children \
	}
#define FILE_OF(node, ops)                                    \
	{                                                     \
		node, S_IFREG | 0444, &ops, .size = PAGE_SIZE \
	}
#define TEXT(node, text)                                                  \
	{                                                                 \
		node, S_IFREG | 0444, &text_ops, NULL, 0, text, PAGE_SIZE \
	}

/* ---- texts ---- */

/* The entry's data, as it stands. */
static int show_text(struct synth_node *n, struct task *t, char **out, size_t *size)
{
	struct text text = {0};

	text_add(&text, "%s\n", (const char *)n->data);
	return proc_text_done(&text, 0, out, size);
}

/* "0" or "0-3". */
static int show_cpus(struct synth_node *n, struct task *t, char **out, size_t *size)
{
	struct text text = {0};

	if (n->k->ncpus > 1)
		text_add(&text, "0-%d\n", n->k->ncpus - 1);
	else
		text_add(&text, "0\n");
	return proc_text_done(&text, 0, out, size);
}

/* The processor's own number. */
static int show_number(struct synth_node *n, struct task *t, char **out, size_t *size)
{
	struct text text = {0};

	text_add(&text, "%lu\n", n->owner);
	return proc_text_done(&text, 0, out, size);
}

/* A bit for each, in words of 32 from the highest, as cpumasks are shown. @one: the processor itself alone. */
static int show_mask(struct synth_node *n, bool one, char **out, size_t *size)
{
	struct text text = {0};

	for (int word = (n->k->ncpus - 1) / 32; word >= 0; word--) {
		u32 bits = 0;

		for (int cpu = 32 * word; cpu < 32 * word + 32 && cpu < n->k->ncpus; cpu++)
			if (!one || (u64)cpu == n->owner)
				bits |= 1u << (cpu & 31);
		text_add(&text, "%0*x%s", n->k->ncpus >= 32 ? 8 : 1, bits, word ? "," : "\n");
	}
	return proc_text_done(&text, 0, out, size);
}

static int show_all_mask(struct synth_node *n, struct task *t, char **out, size_t *size)
{
	return show_mask(n, false, out, size);
}

static int show_own_mask(struct synth_node *n, struct task *t, char **out, size_t *size)
{
	return show_mask(n, true, out, size);
}

/* The host's policy holds for guests' memory; where husk may not read it, nothing is promised. */
static int show_policy(struct synth_node *n, struct task *t, char **out, size_t *size)
{
	static const char above[] = "/sys/kernel/mm/transparent_hugepage/";
	struct text text = {0};
	char path[96], buf[128];
	long got;
	int fd;

	snprintf(path, sizeof path, "%s%s", above, n->entry->name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = fd < 0 ? -1 : read(fd, buf, sizeof buf);
	if (fd >= 0)
		close(fd);
	if (got > 0)
		text_add_bytes(&text, buf, (size_t)got);
	else
		text_add(&text, "always madvise [never]\n");
	return proc_text_done(&text, 0, out, size);
}

/* The lines of /proc/meminfo that Linux counts for each node, and what is used of all memory. */
static int show_node_memory(struct synth_node *n, struct task *t, char **out, size_t *size)
{
	static const char *const counted[] = {
		"MemTotal",      "MemFree",        "SwapCached",    "Active",          "Inactive",
		"Active(anon)",  "Inactive(anon)", "Active(file)",  "Inactive(file)",  "Unevictable",
		"Mlocked",       "Dirty",          "Writeback",     "Mapped",          "AnonPages",
		"Shmem",         "KernelStack",    "PageTables",    "KReclaimable",    "Slab",
		"SReclaimable",  "SUnreclaim",     "AnonHugePages", "HugePages_Total", "HugePages_Free",
		"HugePages_Surp"};
	FILE *f = fopen("/proc/meminfo", "re");
	u64 total = 0, left = 0, value;
	struct text text = {0};
	char line[128], name[32];

	while (f && fgets(line, sizeof line, f)) {
		if (sscanf(line, "%31[^:]: %lu", name, &value) != 2)
			continue;
		total = strcmp(name, "MemTotal") ? total : value;
		left = strcmp(name, "MemFree") ? left : value;
		for (size_t i = 0; i < ARRAY_SIZE(counted); i++)
			if (!strcmp(name, counted[i]))
				text_add(&text, "Node 0 %s", line);
		if (!strcmp(name, "MemFree"))
			text_add(&text, "Node 0 MemUsed:        %8lu kB\n", total - left);
	}
	if (f)
		fclose(f);
	return proc_text_done(&text, f ? 0 : -EIO, out, size);
}

static const struct synth_ops node_memory_ops = {.show = show_node_memory};
static const struct synth_ops text_ops = {.show = show_text}, cpus_ops = {.show = show_cpus},
			      number_ops = {.show = show_number}, all_mask_ops = {.show = show_all_mask},
			      own_mask_ops = {.show = show_own_mask}, policy_ops = {.show = show_policy};

/* ---- processors: cpu0, cpu1, ... ---- */

static const struct synth_entry topology[] = {
	FILE_OF("core_cpus", own_mask_ops),
	FILE_OF("core_cpus_list", number_ops),
	FILE_OF("core_id", number_ops),
	FILE_OF("core_siblings", all_mask_ops),
	FILE_OF("core_siblings_list", cpus_ops),
	FILE_OF("package_cpus", all_mask_ops),
	FILE_OF("package_cpus_list", cpus_ops),
	TEXT("physical_package_id", "0"),
	FILE_OF("thread_siblings", own_mask_ops),
	FILE_OF("thread_siblings_list", number_ops),
	{},
};
static const struct synth_entry cpu_children[] = {DIRECTORY("topology", topology), {}};
static const struct synth_entry cpu_entry = DIRECTORY("cpu", cpu_children);

static int cpu_lookup(struct synth_node *n, struct task *t, const char *name, size_t len,
		      const struct synth_entry **entry, u64 *owner)
{
	u64 cpu = 0;

	if (len < 4 || len > 8 || memcmp(name, "cpu", 3) || (len > 4 && name[3] == '0'))
		return -ENOENT;
	for (size_t i = 3; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -ENOENT;
		cpu = 10 * cpu + (u64)(name[i] - '0');
	}
	if (cpu >= (u64)n->k->ncpus)
		return -ENOENT;
	*entry = &cpu_entry;
	*owner = cpu;
	return 0;
}

/* Keys are the numbers and one: 0 is before the first. */
static bool cpu_next(struct synth_node *n, struct task *t, u64 *key, char *name, u8 *type)
{
	if (*key >= (u64)n->k->ncpus)
		return false;
	snprintf(name, 64, "cpu%lu", (*key)++);
	*type = S_IFDIR >> 12;
	return true;
}

static const struct synth_ops cpu_dir_ops = {.lookup = cpu_lookup, .next = cpu_next};

static const struct synth_entry cpu_dir[] = {
	TEXT("kernel_max", "8191"),    TEXT("offline", ""),          FILE_OF("online", cpus_ops),
	FILE_OF("possible", cpus_ops), FILE_OF("present", cpus_ops), {},
};

/* ---- the tree ---- */

static const struct synth_entry node0[] = {
	FILE_OF("cpulist", cpus_ops),
	FILE_OF("cpumap", all_mask_ops),
	TEXT("distance", "10"),
	FILE_OF("meminfo", node_memory_ops),
	{},
};
static const struct synth_entry node_dir[] = {
	TEXT("has_cpu", "0"),  TEXT("has_memory", "0"),   TEXT("online", "0"),
	TEXT("possible", "0"), DIRECTORY("node0", node0), {},
};
static const struct synth_entry system_dir[] = {
	{"cpu", S_IFDIR | 0755, &cpu_dir_ops, cpu_dir},
	DIRECTORY("node", node_dir),
	{},
};
static const struct synth_entry devices_dir[] = {
	DIRECTORY("system", system_dir), DIRECTORY("virtual", empty_dir), {}};
static const struct synth_entry huge_dir[] = {
	FILE_OF("defrag", policy_ops),
	FILE_OF("enabled", policy_ops),
	TEXT("hpage_pmd_size", "2097152"),
	FILE_OF("shmem_enabled", policy_ops),
	{},
};
static const struct synth_entry mm_dir[] = {
	DIRECTORY("hugepages", empty_dir), DIRECTORY("transparent_hugepage", huge_dir), {}};
static const struct synth_entry kernel_dir[] = {DIRECTORY("mm", mm_dir), {}};
static const struct synth_entry dev_dir[] = {DIRECTORY("block", empty_dir), DIRECTORY("char", empty_dir), {}};
static const struct synth_entry class_dir[] = {DIRECTORY("block", empty_dir), {}};
static const struct synth_entry fs_dir[] = {DIRECTORY("cgroup", empty_dir), {}};
static const struct synth_entry sys_dir[] = {
	DIRECTORY("block", empty_dir),     DIRECTORY("bus", empty_dir),
	DIRECTORY("class", class_dir),     DIRECTORY("dev", dev_dir),
	DIRECTORY("devices", devices_dir), DIRECTORY("firmware", empty_dir),
	DIRECTORY("fs", fs_dir),           DIRECTORY("kernel", kernel_dir),
	DIRECTORY("module", empty_dir),    {},
};

static const struct synth_entry sys_root = {"", S_IFDIR | 0555, NULL, sys_dir};

int sysfs_super(struct kernel *k, struct super **out)
{
	return synth_super(k, "sysfs", &sys_root, out);
}
