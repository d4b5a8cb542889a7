#include "streams.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* How often to look for a host that came without its signal. */
enum { LOOK_MS = 1000, CTRL_ALT_DEL_GRACE_MS = 10000 };

static int signals = -1;

void loop_prepare(void)
{
	sigset_t set;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGIO);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || sigprocmask(SIG_SETMASK, &set, NULL) < 0)
		die("cannot block", "signals");
	signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (signals < 0)
		die("cannot open", "a signal descriptor");
}

_Noreturn void power_off(void)
{
	streams_close();
	(void)kill(-1, SIGKILL);
	quiesce_disks();
	(void)reboot(RB_POWER_OFF);
	/* Not reached on any hypervisor with ACPI; Firecracker ends on a reset. */
	(void)reboot(RB_AUTOBOOT);
	for (;;)
		(void)pause();
}

static void reap(void)
{
	int status = 0;
	for (pid_t pid = waitpid(-1, &status, WNOHANG); pid > 0; pid = waitpid(-1, &status, WNOHANG))
		if (!streams_ended(pid, status))
			(void)program_ended(pid, status);
}

/* The end of a full system: its PID 1 has become systemd-shutdown, and says goodbye to everybody. */
static void told_to_end(uint32_t sender)
{
	if (full_system_runs() && sender == 1 && state.program != EXITED_STATE)
		state_exited(-1, "powered off");
	else if (getpid() == 1)
		program_stop(CTRL_ALT_DEL_GRACE_MS);
}

static void take_signals(void)
{
	struct signalfd_siginfo signal_info;
	while (read(signals, &signal_info, sizeof signal_info) == (ssize_t)sizeof signal_info)
		if (signal_info.ssi_signo == SIGTERM || signal_info.ssi_signo == SIGINT)
			told_to_end(signal_info.ssi_pid);
}

static int sooner(int one, int other)
{
	return one < 0 || (other >= 0 && other < one) ? other : one;
}

static int patience(void)
{
	int wait = sooner(program_patience(), hold_patience());
	if (streams_busy())
		return 0;
	if (link_wants() == 0 && (wait < 0 || wait > LOOK_MS))
		return LOOK_MS;
	return wait;
}

static void turn(void)
{
	struct pollfd polls[2 + MAX_POLL];
	short wants = link_wants();
	polls[0] = (struct pollfd){ .fd = signals, .events = POLLIN };
	polls[1] = (struct pollfd){ .fd = wants == 0 ? -1 : link_fd(), .events = wants };
	size_t count = 2 + streams_poll(polls + 2);
	if (poll(polls, count, patience()) < 0 && errno != EINTR)
		warn_errno("cannot wait for", "events");
	take_signals();
	reap();
	program_turn();
	hold_turn();
	streams_turn();
	link_turn(polls[1].revents);
}

_Noreturn void loop_forever(void)
{
	if (signals < 0)
		loop_prepare();
	for (;;) {
		turn();
		/* systemd waits for whoever it told to end. */
		if (full_system_runs() && state.program == EXITED_STATE && link_idle())
			_exit(0);
	}
}
