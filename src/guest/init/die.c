#include "init.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void note(const char *what, const char *which)
{
	(void)dprintf(2, "hypeman-init: %s%s%s\n", what, which[0] == 0 ? "" : " ", which);
}

void warn_errno(const char *what, const char *which)
{
	(void)dprintf(2, "hypeman-init: %s %s: %s\n", what, which, strerror(errno));
}

_Noreturn void die(const char *what, const char *which)
{
	int error = errno;
	warn_errno(what, which);
	state_exited(125, "%s %s: %s", what, which, strerror(error));
	/* Without a way to tell anybody there is nothing to wait for. */
	if (link_fd() < 0 && !link_open())
		power_off();
	loop_forever();
}

uint64_t now_ms(void)
{
	struct timespec time = { 0, 0 };
	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}
