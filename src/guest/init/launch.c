#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/* What systemd gives services: programs that want more may raise it themselves. */
static const struct rlimit FILES = { 1024, 524288 };

static const char *path_of(const char *const *env)
{
	for (; *env != NULL; env++)
		if (strncmp(*env, "PATH=", 5) == 0)
			return *env + 5;
	return DEFAULT_PATH;
}

/* As execvp(3), but with the environment that the program gets; sets errno. */
static void search_and_exec(const struct launch *launch)
{
	char *const *argv = (char *const *)(uintptr_t)launch->argv;
	char *const *env = (char *const *)(uintptr_t)launch->env;
	const char *name = argv[0];
	char path[4096];
	int error = ENOENT;
	if (name[0] == 0 || strchr(name, '/') != NULL) {
		(void)execve(name, argv, env);
		return;
	}
	for (const char *at = path_of(launch->env); *at != 0;) {
		size_t length = strcspn(at, ":");
		int printed = snprintf(path, sizeof path, "%.*s/%s", length == 0 ? 1 : (int)length, length == 0 ? "." : at, name);
		at += length + (at[length] == ':');
		if (printed < 0 || printed >= (int)sizeof path)
			continue;
		(void)execve(path, argv, env);
		if (errno != ENOENT && errno != ENOTDIR)
			error = errno;
	}
	errno = error;
}

/* Docker makes a working directory that the image lacks. */
static void make_parents(const char *path)
{
	char part[4096];
	for (size_t at = 1; path[0] == '/' && at < sizeof part; at++) {
		if (path[at] != '/' && path[at] != 0)
			continue;
		memcpy(part, path, at);
		part[at] = 0;
		(void)mkdir(part, 0755);
		if (path[at] == 0)
			return;
	}
}

static void join_group(const char *name)
{
	char path[256], pid[32];
	if (name == NULL)
		return;
	(void)snprintf(path, sizeof path, "/sys/fs/cgroup/%s/cgroup.procs", name);
	(void)snprintf(pid, sizeof pid, "%d", (int)getpid());
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)!write(fd, pid, strlen(pid));
	(void)close(fd);
}

static int become(const struct user *user)
{
	if (setgroups(user->group_count, user->groups) < 0)
		return -1;
	if (setgid(user->gid) < 0)
		return -1;
	return setuid(user->uid);
}

static _Noreturn void give_up(int report, int step)
{
	struct launch_failure failure = { step, errno };
	(void)!write(report, &failure, sizeof failure);
	_exit(127);
}

static void default_signals(void)
{
	sigset_t none;
	for (int number = 1; number < NSIG; number++)
		(void)signal(number, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void child(const struct launch *launch, int report)
{
	default_signals();
	join_group(launch->cgroup);
	(void)setsid();
	(void)setrlimit(RLIMIT_NOFILE, &FILES);
	if (launch->terminal && ioctl(launch->in, TIOCSCTTY, 0) < 0)
		give_up(report, AT_FORK);
	/* So that /dev/stdout can be opened again by a program that is not root. */
	(void)!fchown(launch->out, launch->user->uid, (gid_t)-1);
	if (dup2(launch->in, 0) < 0 || dup2(launch->out, 1) < 0 || dup2(launch->err, 2) < 0)
		give_up(report, AT_FORK);
	if (chdir(launch->workdir) < 0)
		give_up(report, AT_WORKDIR);
	if (become(launch->user) < 0)
		give_up(report, AT_USER);
	search_and_exec(launch);
	give_up(report, AT_EXEC);
}

pid_t launch(const struct launch *launch, struct launch_failure *failure)
{
	int report[2];
	*failure = (struct launch_failure){ 0, 0 };
	make_parents(launch->workdir);
	if (pipe2(report, O_CLOEXEC) < 0) {
		*failure = (struct launch_failure){ AT_FORK, errno };
		return -1;
	}
	pid_t pid = fork();
	if (pid == 0)
		child(launch, report[1]);
	int error = errno;
	(void)close(report[1]);
	if (pid < 0) {
		*failure = (struct launch_failure){ AT_FORK, error };
	} else {
		/* Ends without a byte when exec closes the other end. */
		ssize_t got;
		do {
			got = read(report[0], failure, sizeof *failure);
		} while (got < 0 && errno == EINTR);
		if (got != (ssize_t)sizeof *failure)
			*failure = (struct launch_failure){ 0, 0 };
	}
	(void)close(report[0]);
	if (failure->step == 0)
		return pid;
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
	return -1;
}

int launch_code(const struct launch_failure *failure)
{
	if (failure->step != AT_EXEC)
		return 125;
	return failure->error == ENOENT || failure->error == ENOTDIR ? 127 : 126;
}

const char *launch_text(const struct launch_failure *failure)
{
	switch (failure->step) {
	case AT_FORK: return "cannot start a process for";
	case AT_USER: return "cannot become the user for";
	case AT_WORKDIR: return "cannot enter the working directory for";
	default: break;
	}
	if (failure->error == ENOENT || failure->error == ENOTDIR)
		return "command not found:";
	if (failure->error == EACCES)
		return "permission denied, not executable:";
	return "cannot execute:";
}
