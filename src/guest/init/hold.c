#include "init.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/*
 * The freezer of control groups v2 and no SIGSTOP: programs and their parents cannot see it, and what somebody
 * stopped before stays stopped (Documentation/admin-guide/cgroup-v2.rst, "cgroup.freeze").
 */
static const char GROUPS[] = "/sys/fs/cgroup";
enum { PATIENCE_MS = 2000, STEP_NS = 500000 };
/* HOLD_LASTS_MS in guest-links.ts: a host that is not back by then has died, and may not come back. */
enum { LASTS_MS = 30000 };
/* 0: until it is let go. */
static uint64_t lasts_until;

/* The group that this process is in, below all others: "" for the root, which cannot be frozen. */
static void own_group(char *name, size_t size)
{
	char text[512];
	name[0] = 0;
	if (read_file("/proc/self/cgroup", text, sizeof text) < 0)
		return;
	const char *line = strstr(text, "0::/");
	if (line != NULL)
		(void)snprintf(name, size, "%.*s", (int)strcspn(line + 4, "/\n"), line + 4);
}

static bool is_frozen(const char *group)
{
	char path[320], text[128];
	(void)snprintf(path, sizeof path, "%s/%s/cgroup.events", GROUPS, group);
	return read_file(path, text, sizeof text) >= 0 && strstr(text, "frozen 1") != NULL;
}

static bool await_frozen(const char *group, uint64_t until)
{
	const struct timespec step = { .tv_nsec = STEP_NS };
	while (!is_frozen(group)) {
		if (now_ms() > until) {
			errno = ETIMEDOUT;
			return false;
		}
		(void)nanosleep(&step, NULL);
	}
	return true;
}

typedef bool (*group_doer)(const char *group, uint64_t until);

static bool write_freeze(const char *group, const char *word)
{
	char path[320];
	(void)snprintf(path, sizeof path, "%s/%s/cgroup.freeze", GROUPS, group);
	return write_file(path, word);
}

static bool freeze(const char *group, uint64_t until)
{
	(void)until;
	return write_freeze(group, "1");
}

static bool thaw(const char *group, uint64_t until)
{
	(void)until;
	return write_freeze(group, "0");
}

/* All groups at the top but our own: those of the programs, wherever they made groups of their own. */
static bool each_group(group_doer act)
{
	char own[256];
	size_t groups = 0;
	bool done = true;
	uint64_t until = now_ms() + PATIENCE_MS;
	DIR *directory = opendir(GROUPS);
	if (directory == NULL)
		return false;
	own_group(own, sizeof own);
	for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' || strcmp(entry->d_name, own) == 0)
			continue;
		groups++;
		done = act(entry->d_name, until) && done;
	}
	int error = groups == 0 ? ENOENT : errno;
	(void)closedir(directory);
	errno = error;
	return done && groups > 0;
}

bool hold_programs(void)
{
	if (state.held)
		return true;
	state.held = each_group(freeze) && each_group(await_frozen);
	if (!state.held) {
		int error = errno;
		(void)each_group(thaw);
		errno = error;
	}
	return state.held;
}

bool hold_for_host(void)
{
	bool was_held = state.held;
	if (!hold_programs())
		return false;
	if (!was_held)
		lasts_until = now_ms() + LASTS_MS;
	return true;
}

void hold_without_end(void)
{
	lasts_until = 0;
}

int hold_patience(void)
{
	if (lasts_until == 0)
		return -1;
	uint64_t now = now_ms();
	return now >= lasts_until ? 0 : (int)(lasts_until - now);
}

/* A copy goes on with the deadline of its source, and on another machine: it waits to become itself. */
static bool is_copy(void)
{
	char name[ID + 1];
	return !machine_name(name, sizeof name) || strcmp(name, state.identity) != 0;
}

void hold_turn(void)
{
	if (hold_patience() != 0)
		return;
	lasts_until = 0;
	if (is_copy())
		return;
	release_programs();
	link_state_changed();
}

void release_programs(void)
{
	lasts_until = 0;
	if (!state.held)
		return;
	if (!each_group(thaw))
		warn_errno("cannot let go on", "the programs");
	state.held = false;
}
