#include "init.h"

#include <fcntl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

static char boot_bytes[MAX_BOOT_BYTES];
static struct boot boot;

/* All words of the guest go to the console: the program's, the kernel's last ones, and ours. */
static void open_console(void)
{
	struct termios settings;
	int console = open("/dev/console", O_RDWR | O_NOCTTY);
	if (console < 0)
		return;
	for (int fd = 0; fd <= 2; fd++)
		if (fd != console)
			(void)dup2(console, fd);
	if (console > 2)
		(void)close(console);
	/* A log wants plain line ends. */
	if (tcgetattr(1, &settings) == 0) {
		settings.c_oflag &= ~(tcflag_t)OPOST;
		settings.c_lflag &= ~(tcflag_t)(ECHO | ISIG | ICANON);
		(void)tcsetattr(1, TCSANOW, &settings);
	}
}

static void read_boot(void)
{
	ssize_t length = read_file("/boot.conf", boot_bytes, sizeof boot_bytes);
	if (length < 0)
		die("cannot read", "/boot.conf");
	if (!boot_parse(&boot, boot_bytes, (size_t)length))
		die("cannot understand", "/boot.conf");
	state.agent = boot.agent;
	be_as_booted(&boot);
}

/* A program that was to be mediated does not run where it could only meet certificates that it must refuse. */
static bool trusts(void)
{
	if (boot.authority.certificate == NULL) {
		trust_remove(&boot);
		return true;
	}
	if (trust_install(&boot, &boot.authority))
		return true;
	note("cannot make the image trust the CA of the egress proxy:", state.trust_message);
	state_exited(125, "cannot make the image trust the CA of the egress proxy: %s", state.trust_message);
	return false;
}

int main(void)
{
	mount_first();
	open_console();
	loop_prepare();
	(void)umask(022);
	(void)reboot(RB_DISABLE_CAD);
	load_modules();
	/* Before anything that can fail for the image's sake, so that it can be told. */
	if (!link_open())
		note("there is no control channel to the host", "");
	read_boot();
	assemble_root();
	attach_volumes(&boot);
	enter_root();
	mount_rest();
	place_volumes(&boot);
	if (!is_full_system(boot.argv[0]))
		mount_control_groups();
	write_identity(&boot);
	bring_up_network(&boot);
	if (is_full_system(boot.argv[0]))
		write_service_environment(&boot);
	if (trusts())
		program_start(&boot);
	loop_forever();
}
