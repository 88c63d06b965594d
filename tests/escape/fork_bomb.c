/* SPDX-License-Identifier: Apache-2.0 */
/* A fork bomb held by RLIMIT_NPROC: ends with errors inside; and one held by nothing, for the runner's time
 * limit. */
#include "tests/escape/escape.h"

#include <sys/resource.h>

int main(int argc, char **argv)
{
	struct rlimit limit = {40, 40};
	int refused = 0, made = 0;

	(void)argv;
	if (argc > 1) {
		for (;;)
			fork();
	}
	if (geteuid() == 0 && (setgid(65534) || setuid(65534)))
		printf("# still root: no limit for it\n");
	setpgid(0, 0);
	setrlimit(RLIMIT_NPROC, &limit);
	for (int i = 0; i < 60; i++) {
		pid_t pid = fork();

		if (!pid) {
			pause();
			_exit(0);
		}
		if (pid < 0 && errno == EAGAIN)
			refused++;
		else
			made++;
	}
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM);
	while (wait(NULL) > 0)
		;
	printf("%sok - a fork bomb: %d made, %d refused\n", refused ? "" : "not ", made, refused);
	return refused ? 0 : 1;
}
