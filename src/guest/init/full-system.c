#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* systemd(1), "Signals": SIGRTMIN+4 starts poweroff.target. glibc's SIGRTMIN is 34. */
enum { SIGNAL_POWEROFF = 34 + 4 };

static bool runs;

bool is_full_system(const char *program)
{
	static const char *const names[] = { "/sbin/init", "/usr/sbin/init", "/lib/systemd/systemd", "/usr/lib/systemd/systemd" };
	for (size_t at = 0; at < sizeof names / sizeof names[0]; at++)
		if (strcmp(program, names[at]) == 0)
			return true;
	return false;
}

static _Noreturn void become_system(const struct boot *boot, int report)
{
	sigset_t none;
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)execve(boot->argv[0], (char *const *)(uintptr_t)boot->argv, (char *const *)(uintptr_t)boot->env);
	int error = errno;
	(void)!write(report, &error, sizeof error);
	/* PID 1 must not end: the agent reports and switches off. */
	for (;;)
		(void)pause();
}

static void keep_agent_alive(void)
{
	(void)setsid();
	link_adopt();
	if (!write_file("/proc/self/oom_score_adj", "-1000"))
		warn_errno("cannot protect", "the agent");
}

void full_system_start(const struct boot *boot)
{
	int report[2], error = 0;
	if (pipe2(report, O_CLOEXEC) < 0)
		die("cannot open", "a pipe");
	pid_t agent = fork();
	if (agent < 0)
		die("cannot start", "the agent");
	if (agent > 0)
		become_system(boot, report[1]);
	(void)close(report[1]);
	keep_agent_alive();
	ssize_t got = read(report[0], &error, sizeof error);
	(void)close(report[0]);
	struct launch_failure failure = { AT_EXEC, error };
	runs = got <= 0;
	if (runs)
		state_started();
	else
		state_exited(launch_code(&failure), "%s %s: %s", launch_text(&failure), boot->argv[0], strerror(error));
}

bool full_system_runs(void)
{
	return runs;
}

void full_system_stop(void)
{
	(void)kill(1, SIGNAL_POWEROFF);
}
