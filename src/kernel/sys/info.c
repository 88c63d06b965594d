/* SPDX-License-Identifier: Apache-2.0 */
/* System calls about the system: its name, its load and memory. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "core/release.h"
#include "task/life.h"

#define CAP_SYS_ADMIN 21
#define NAME_MAX_LEN  64

/* struct utsname with the kernel's field sizes. */
struct new_utsname {
	char sysname[65], nodename[65], release[65], version[65], machine[65], domainname[65];
};

long sys_uname(struct task *t, struct call *c)
{
	struct new_utsname name;

	memset(&name, 0, sizeof name);
	strcpy(name.sysname, "Linux");
	snprintf(name.nodename, sizeof name.nodename, "%s", t->k->hostname);
	strcpy(name.release, HUSK_UTS_RELEASE);
	strcpy(name.version, HUSK_UTS_VERSION);
	strcpy(name.machine, "x86_64");
	snprintf(name.domainname, sizeof name.domainname, "%s",
		 t->k->domainname[0] ? t->k->domainname : "(none)");
	return user_put(t, c->arg[0], &name);
}

static long set_name(struct task *t, u64 addr, int len, char *name)
{
	char buf[NAME_MAX_LEN + 1] = {0};
	int err;

	if (!capable(t, CAP_SYS_ADMIN))
		return -EPERM;
	if (len < 0 || len > NAME_MAX_LEN)
		return -EINVAL;
	err = user_read(t, buf, addr, (size_t)len);
	if (err)
		return err;
	memcpy(name, buf, sizeof buf);
	return 0;
}

long sys_sethostname(struct task *t, struct call *c)
{
	return set_name(t, c->arg[0], (int)c->arg[1], t->k->hostname);
}

long sys_setdomainname(struct task *t, struct call *c)
{
	return set_name(t, c->arg[0], (int)c->arg[1], t->k->domainname);
}

static u16 count_tasks(struct kernel *k)
{
	struct thread_group *g;
	u64 n = 0;

	for (g = group_next(k, 0); g; g = group_next(k, g->tgid))
		n += (u64)(g->nthreads > 0 ? g->nthreads : 1);
	return (u16)(n > 65535 ? 65535 : n);
}

long sys_sysinfo(struct task *t, struct call *c)
{
	struct sysinfo host, info;

	memset(&info, 0, sizeof info);
	if (sysinfo(&host) == 0) {
		info = host;
		/* What other sandboxes and the host do is not shown. */
		memset(info.loads, 0, sizeof info.loads);
	}
	info.uptime = (long)((kernel_now(t->k) - t->k->boot_ns) / 1000000000);
	info.procs = count_tasks(t->k);
	return user_put(t, c->arg[0], &info);
}
