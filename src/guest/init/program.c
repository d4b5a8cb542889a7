#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct boot *wanted;
static struct user owner;
static pid_t program;
static uint64_t kill_at; /* 0: nobody asked for an end */
static char hostname_entry[300];

static void add_default(struct boot *boot, const char *name, const char *value, char *room, size_t size)
{
	size_t length = strlen(name);
	for (size_t at = 0; at < boot->envc; at++)
		if (strncmp(boot->env[at], name, length) == 0 && boot->env[at][length] == '=')
			return;
	if (boot->envc >= MAX_WORDS || snprintf(room, size, "%s=%s", name, value) >= (int)size)
		return;
	boot->env[boot->envc++] = room;
	boot->env[boot->envc] = NULL;
}

/* What docker adds to an environment that lacks it. */
static void complete_env(struct boot *boot)
{
	static char path[128], home[300];
	add_default(boot, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", path, sizeof path);
	add_default(boot, "HOME", owner.home, home, sizeof home);
	add_default(boot, "HOSTNAME", boot->hostname, hostname_entry, sizeof hostname_entry);
}

const struct boot *program_boot(void)
{
	return wanted;
}

void program_renamed(const char *hostname)
{
	(void)snprintf(hostname_entry, sizeof hostname_entry, "HOSTNAME=%s", hostname);
}

const struct user *program_user(void)
{
	return &owner;
}

static void start(const struct boot *boot)
{
	struct launch_failure failure;
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (nothing < 0)
		die("cannot open", "/dev/null");
	const struct launch this = {
		.argv = boot->argv, .env = boot->env, .workdir = boot->workdir, .user = &owner,
		.cgroup = "program", .in = nothing, .out = 1, .err = 2,
	};
	oom_watch();
	program = launch(&this, &failure);
	(void)close(nothing);
	if (program > 0) {
		state_started();
		return;
	}
	program = 0;
	errno = failure.error;
	warn_errno(launch_text(&failure), boot->argv[0]);
	state_exited(launch_code(&failure), "%s %s: %s", launch_text(&failure), boot->argv[0], strerror(failure.error));
}

void program_start(const struct boot *boot)
{
	static struct boot complete;
	const char *problem = resolve_user(boot->user, &owner);
	if (problem != NULL) {
		note(problem, boot->user);
		state_exited(125, "%s %s", problem, boot->user);
		return;
	}
	complete = *boot;
	complete_env(&complete);
	wanted = &complete;
	if (is_full_system(wanted->argv[0]))
		full_system_start(wanted);
	else
		start(wanted);
}

static void record_exit(pid_t pid, int status)
{
	char why[256];
	if (WIFEXITED(status)) {
		int code = WEXITSTATUS(status);
		if (code == 0)
			state_exited(0, "exit code 0");
		else if (code == 126 || code == 127)
			state_exited(code, "exit code %d (%s)", code, code == 126 ? "not executable" : "command not found");
		else
			state_exited(code, "exit code %d", code);
		return;
	}
	int number = WTERMSIG(status);
	if (number == SIGKILL && oom_killed(pid, why, sizeof why)) {
		state_exited(128 + number, "%s", why);
		return;
	}
	const char *name = sigabbrev_np(number);
	if (name == NULL)
		state_exited(128 + number, "killed by signal %d", number);
	else
		state_exited(128 + number, "killed by signal %d (SIG%s)", number, name);
}

bool program_ended(pid_t pid, int status)
{
	if (program == 0 || pid != program)
		return false;
	program = 0;
	kill_at = 0;
	record_exit(pid, status);
	/* As in a container, nothing outlives the program. PID 1 itself is spared (kill(2)). */
	(void)kill(-1, SIGKILL);
	return true;
}

void program_stop(uint64_t grace_ms)
{
	uint64_t at = now_ms() + grace_ms;
	if (state.program == EXITED_STATE)
		return;
	/* Who stands still cannot end. */
	release_programs();
	if (full_system_runs()) {
		full_system_stop();
		return;
	}
	if (program == 0)
		return;
	/* Asked again: the program has heard it, only the patience may have become less. */
	if (kill_at == 0)
		(void)kill(program, wanted->stop_signal);
	if (kill_at == 0 || at < kill_at)
		kill_at = at;
}

int program_patience(void)
{
	if (kill_at == 0)
		return -1;
	uint64_t now = now_ms();
	return now >= kill_at ? 0 : (int)(kill_at - now);
}

void program_turn(void)
{
	if (program_patience() != 0 || program == 0)
		return;
	kill_at = 0;
	(void)kill(program, SIGKILL);
}
