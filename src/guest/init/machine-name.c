#include "init.h"

#include <string.h>

/*
 * QEMU's fw_cfg (docs/specs/fw_cfg.rst), by its ports and not through the kernel's driver: that keeps the numbers of
 * files as they were at the boot, and a hypervisor that goes on with this memory may number them otherwise.
 */
static const char FILE_NAME[] = "opt/hypeman.dev/machine";

#ifdef __x86_64__

#include <sys/io.h>

enum { SELECTOR = 0x510, DATA_PORT = 0x511, PORTS = 2, SIGNATURE = 0x00, DIRECTORY = 0x19, FILE_NAME_BYTES = 56, MOST_FILES = 256 };

static void select_item(uint16_t key)
{
	outw(key, SELECTOR);
}

static void take_bytes(void *to, size_t length)
{
	insb(DATA_PORT, to, length);
}

/* Big-endian, whatever the machine is. */
static uint32_t take_number(size_t bytes)
{
	uint32_t number = 0;
	for (size_t at = 0; at < bytes; at++)
		number = number << 8 | inb(DATA_PORT);
	return number;
}

static bool find_file(uint16_t *key, uint32_t *size)
{
	char name[FILE_NAME_BYTES];
	select_item(DIRECTORY);
	uint32_t count = take_number(4);
	for (uint32_t at = 0; at < count && at < MOST_FILES; at++) {
		*size = take_number(4);
		*key = (uint16_t)take_number(2);
		(void)take_number(2);
		take_bytes(name, sizeof name);
		if (strncmp(name, FILE_NAME, sizeof name) == 0)
			return true;
	}
	return false;
}

bool machine_name(char *name, size_t size)
{
	char signature[4];
	uint16_t key = 0;
	uint32_t length = 0;
	if (ioperm(SELECTOR, PORTS, 1) < 0)
		return false;
	select_item(SIGNATURE);
	take_bytes(signature, sizeof signature);
	bool is_there = memcmp(signature, "QEMU", sizeof signature) == 0 && find_file(&key, &length) && length < size;
	if (is_there) {
		select_item(key);
		take_bytes(name, length);
		name[length] = 0;
	}
	(void)ioperm(SELECTOR, PORTS, 0);
	return is_there;
}

#else

bool machine_name(char *name, size_t size)
{
	(void)FILE_NAME;
	(void)name;
	(void)size;
	return false;
}

#endif
