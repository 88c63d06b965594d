/* SPDX-License-Identifier: Apache-2.0 */
/* Names for numbers: errors, signals, flags. */
#include "abi/calls.h"
#include "trace/line.h"

static const char *const errno_names[] = {
	[1] = "EPERM",
	[2] = "ENOENT",
	[3] = "ESRCH",
	[4] = "EINTR",
	[5] = "EIO",
	[6] = "ENXIO",
	[7] = "E2BIG",
	[8] = "ENOEXEC",
	[9] = "EBADF",
	[10] = "ECHILD",
	[11] = "EAGAIN",
	[12] = "ENOMEM",
	[13] = "EACCES",
	[14] = "EFAULT",
	[15] = "ENOTBLK",
	[16] = "EBUSY",
	[17] = "EEXIST",
	[18] = "EXDEV",
	[19] = "ENODEV",
	[20] = "ENOTDIR",
	[21] = "EISDIR",
	[22] = "EINVAL",
	[23] = "ENFILE",
	[24] = "EMFILE",
	[25] = "ENOTTY",
	[26] = "ETXTBSY",
	[27] = "EFBIG",
	[28] = "ENOSPC",
	[29] = "ESPIPE",
	[30] = "EROFS",
	[31] = "EMLINK",
	[32] = "EPIPE",
	[33] = "EDOM",
	[34] = "ERANGE",
	[35] = "EDEADLK",
	[36] = "ENAMETOOLONG",
	[37] = "ENOLCK",
	[38] = "ENOSYS",
	[39] = "ENOTEMPTY",
	[40] = "ELOOP",
	[42] = "ENOMSG",
	[43] = "EIDRM",
	[44] = "ECHRNG",
	[45] = "EL2NSYNC",
	[46] = "EL3HLT",
	[47] = "EL3RST",
	[48] = "ELNRNG",
	[49] = "EUNATCH",
	[50] = "ENOCSI",
	[51] = "EL2HLT",
	[52] = "EBADE",
	[53] = "EBADR",
	[54] = "EXFULL",
	[55] = "ENOANO",
	[56] = "EBADRQC",
	[57] = "EBADSLT",
	[59] = "EBFONT",
	[60] = "ENOSTR",
	[61] = "ENODATA",
	[62] = "ETIME",
	[63] = "ENOSR",
	[64] = "ENONET",
	[65] = "ENOPKG",
	[66] = "EREMOTE",
	[67] = "ENOLINK",
	[68] = "EADV",
	[69] = "ESRMNT",
	[70] = "ECOMM",
	[71] = "EPROTO",
	[72] = "EMULTIHOP",
	[73] = "EDOTDOT",
	[74] = "EBADMSG",
	[75] = "EOVERFLOW",
	[76] = "ENOTUNIQ",
	[77] = "EBADFD",
	[78] = "EREMCHG",
	[79] = "ELIBACC",
	[80] = "ELIBBAD",
	[81] = "ELIBSCN",
	[82] = "ELIBMAX",
	[83] = "ELIBEXEC",
	[84] = "EILSEQ",
	[85] = "ERESTART",
	[86] = "ESTRPIPE",
	[87] = "EUSERS",
	[88] = "ENOTSOCK",
	[89] = "EDESTADDRREQ",
	[90] = "EMSGSIZE",
	[91] = "EPROTOTYPE",
	[92] = "ENOPROTOOPT",
	[93] = "EPROTONOSUPPORT",
	[94] = "ESOCKTNOSUPPORT",
	[95] = "EOPNOTSUPP",
	[96] = "EPFNOSUPPORT",
	[97] = "EAFNOSUPPORT",
	[98] = "EADDRINUSE",
	[99] = "EADDRNOTAVAIL",
	[100] = "ENETDOWN",
	[101] = "ENETUNREACH",
	[102] = "ENETRESET",
	[103] = "ECONNABORTED",
	[104] = "ECONNRESET",
	[105] = "ENOBUFS",
	[106] = "EISCONN",
	[107] = "ENOTCONN",
	[108] = "ESHUTDOWN",
	[109] = "ETOOMANYREFS",
	[110] = "ETIMEDOUT",
	[111] = "ECONNREFUSED",
	[112] = "EHOSTDOWN",
	[113] = "EHOSTUNREACH",
	[114] = "EALREADY",
	[115] = "EINPROGRESS",
	[116] = "ESTALE",
	[117] = "EUCLEAN",
	[118] = "ENOTNAM",
	[119] = "ENAVAIL",
	[120] = "EISNAM",
	[121] = "EREMOTEIO",
	[122] = "EDQUOT",
	[123] = "ENOMEDIUM",
	[124] = "EMEDIUMTYPE",
	[125] = "ECANCELED",
	[126] = "ENOKEY",
	[127] = "EKEYEXPIRED",
	[128] = "EKEYREVOKED",
	[129] = "EKEYREJECTED",
	[130] = "EOWNERDEAD",
	[131] = "ENOTRECOVERABLE",
	[132] = "ERFKILL",
	[133] = "EHWPOISON",
};

const char *errno_name(int error)
{
	switch (error) {
	case 512:
		return "ERESTARTSYS";
	case 513:
		return "ERESTARTNOINTR";
	case 514:
		return "ERESTARTNOHAND";
	case 516:
		return "ERESTART_RESTARTBLOCK";
	}
	return error > 0 && (size_t)error < ARRAY_SIZE(errno_names) ? errno_names[error] : NULL;
}

static const char *const signal_names[] = {
	"0",         "SIGHUP",  "SIGINT",    "SIGQUIT", "SIGILL",   "SIGTRAP", "SIGABRT", "SIGBUS",
	"SIGFPE",    "SIGKILL", "SIGUSR1",   "SIGSEGV", "SIGUSR2",  "SIGPIPE", "SIGALRM", "SIGTERM",
	"SIGSTKFLT", "SIGCHLD", "SIGCONT",   "SIGSTOP", "SIGTSTP",  "SIGTTIN", "SIGTTOU", "SIGURG",
	"SIGXCPU",   "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO",   "SIGPWR",  "SIGSYS",
};

const char *signal_name(int signo)
{
	return signo >= 0 && (size_t)signo < ARRAY_SIZE(signal_names) ? signal_names[signo] : NULL;
}

void line_signal(struct line *l, int signo)
{
	if (signal_name(signo))
		line_add(l, "%s", signal_name(signo));
	else if (signo == 32)
		line_add(l, "SIGRTMIN");
	else if (signo > 32 && signo <= 64)
		line_add(l, "SIGRT_%d", signo - 32);
	else
		line_add(l, "%d", signo);
}

/* The table of abi/flags.tbl, a set after the other; a set's own line has no text. */
static const struct flag_line {
	int set; /* FLAGS_none: a value of the set above */
	u64 value;
	const char *text;
} flag_lines[] = {
#define FLAGSET(name, mask) {FLAGS_##name, mask, NULL},
#define FLAG(value, text)   {FLAGS_none, value, text},
#include "abi/flags.tbl"
#undef FLAGSET
#undef FLAG
};

static const struct flag_line *find_set(int set)
{
	for (size_t i = 0; i < ARRAY_SIZE(flag_lines); i++)
		if (!flag_lines[i].text && flag_lines[i].set == set)
			return &flag_lines[i];
	return NULL;
}

/* The part of @value that @head's mask takes as one number, by name: the bits that it took. */
static u64 enumerated(struct line *l, const struct flag_line *head, u64 value, const char *separator)
{
	const struct flag_line *end = flag_lines + ARRAY_SIZE(flag_lines);

	for (const struct flag_line *f = head + 1; head->value && f < end && f->text; f++)
		if ((f->value & ~head->value) == 0 && f->value == (value & head->value)) {
			line_add(l, "%s%s", separator, f->text);
			return head->value;
		}
	return 0;
}

void line_flags(struct line *l, int set, u64 value)
{
	const struct flag_line *head = find_set(set), *f, *end = flag_lines + ARRAY_SIZE(flag_lines);
	const char *separator = "";
	u64 rest = (u32)value, took = 0;
	size_t before = l->used;

	if (!head) {
		line_add(l, "%#llx", (unsigned long long)value);
		return;
	}
	/* As strace: clone's signal stands behind its flags, every other enumerated part before them. */
	if (set != FLAGS_clone)
		took = enumerated(l, head, rest, "");
	if (took)
		separator = "|";
	rest &= ~took;
	for (f = head + 1; f < end && f->text; f++)
		if (f->value && (f->value & head->value) == 0 && (rest & f->value) == f->value) {
			line_add(l, "%s%s", separator, f->text);
			separator = "|";
			rest &= ~f->value;
		}
	if (set == FLAGS_clone)
		rest &= ~enumerated(l, head, rest, separator);
	if (rest) {
		line_add(l, "%s%#llx", separator, (unsigned long long)rest);
	} else if (l->used == before) {
		/* Nothing set: the name of 0, if it has one. */
		for (f = head + 1; f < end && f->text && f->value; f++)
			;
		line_add(l, "%s", f < end && f->text ? f->text : "0");
	}
}
