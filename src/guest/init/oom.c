#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/*
 * mm/oom_kill.c prints "Out of memory: Killed process PID (" or "Memory cgroup out of memory: Killed
 * process PID (" with facility 0, the kernel's own. Writers to /dev/kmsg cannot use that facility
 * (kernel/printk/printk.c, devkmsg_write), so no program of the guest can forge the record.
 */
enum { KMSG_PATIENCE_MS = 1000 };

static int kmsg = -1;
static unsigned long long kills_before;

static unsigned long long group_kills(void)
{
	char text[1024];
	if (read_file("/sys/fs/cgroup/program/memory.events", text, sizeof text) < 0)
		return 0;
	const char *at = strstr(text, "oom_kill ");
	return at == NULL ? 0 : strtoull(at + 9, NULL, 10);
}

/* From now on: what the kernel said before is about others. */
void oom_watch(void)
{
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg < 0 || lseek(kmsg, 0, SEEK_END) < 0)
		warn_errno("cannot read", "/dev/kmsg");
	kills_before = group_kills();
}

/* A record is `priority,sequence,time,flags;text` (Documentation/ABI/testing/dev-kmsg). */
static bool is_about(const char *record, pid_t pid)
{
	char mark[64];
	char *end = NULL;
	unsigned long priority = strtoul(record, &end, 10);
	if (end == record || *end != ',' || priority >> 3 != 0)
		return false;
	const char *text = strchr(record, ';');
	if (text == NULL)
		return false;
	text++;
	if (strncmp(text, "Memory cgroup out of memory: ", 29) == 0)
		text += 29;
	else if (strncmp(text, "Out of memory: ", 15) == 0)
		text += 15;
	else
		return false;
	(void)snprintf(mark, sizeof mark, "Killed process %d (", (int)pid);
	return strncmp(text, mark, strlen(mark)) == 0;
}

static bool said(pid_t pid)
{
	static char record[8192];
	while (kmsg >= 0) {
		ssize_t length = read(kmsg, record, sizeof record - 1);
		/* EPIPE: records were overwritten before we came; go on with the oldest there is. */
		if (length < 0 && (errno == EPIPE || errno == EINTR || errno == EINVAL))
			continue;
		if (length <= 0)
			return false;
		record[length] = 0;
		if (is_about(record, pid))
			return true;
	}
	return false;
}

bool oom_killed(pid_t pid, char *why, size_t size)
{
	const struct timespec moment = { 0, 10 * 1000 * 1000 };
	uint64_t end = now_ms() + KMSG_PATIENCE_MS;
	bool found = said(pid);
	/* The kernel kills before it prints: when its own count went up, the words are on their way. */
	while (!found && group_kills() > kills_before && now_ms() < end) {
		(void)nanosleep(&moment, NULL);
		found = said(pid);
	}
	if (found)
		(void)snprintf(why, size, "out of memory: the guest's kernel killed the program (signal 9, SIGKILL)");
	return found;
}
