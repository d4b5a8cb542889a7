/* The parsers of init as an ordinary program, for the sanitizers: see init-parsers.test.ts. */
#include "../../../src/guest/init/identify.h"
#include "../../../src/guest/init/init.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t frames;
static bool quiet;

static bool show(uint8_t type, uint32_t stream, const uint8_t *payload, uint32_t length)
{
	unsigned sum = 0;
	for (uint32_t at = 0; at < length; at++)
		sum += payload[at];
	frames++;
	if (!quiet)
		printf("%u %u %u %u\n", type, stream, length, sum);
	return type != 255;
}

static uint8_t *load(const char *path, size_t *length)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes = malloc(1 << 21);
	if (file == NULL || bytes == NULL)
		exit(2);
	*length = fread(bytes, 1, 1 << 21, file);
	(void)fclose(file);
	/* Exactly as long as it is, so that one byte too far is seen. */
	uint8_t *exact = malloc(*length + 1);
	if (exact == NULL)
		exit(2);
	memcpy(exact, bytes, *length);
	free(bytes);
	return realloc(exact, *length == 0 ? 1 : *length);
}

static int decode(const char *path, size_t chunk)
{
	static struct decoder decoder;
	size_t length = 0, lost = 0;
	uint8_t *bytes = load(path, &length);
	for (size_t at = 0; at < length; at += chunk) {
		size_t some = length - at < chunk ? length - at : chunk;
		lost += !decoder_feed(&decoder, bytes + at, some, at, show);
	}
	printf("lost %zu\n", lost);
	free(bytes);
	return 0;
}

static int boot(const char *path)
{
	static struct boot boot;
	size_t length = 0;
	char *bytes = (char *)load(path, &length);
	if (!boot_parse(&boot, bytes, length)) {
		printf("refused\n");
	} else {
		printf("%s|%s|%s|%s|%d|%d\n", boot.id, boot.hostname, boot.workdir, boot.user, boot.stop_signal, boot.agent);
		for (size_t at = 0; at < boot.argc; at++)
			printf("a %s\n", boot.argv[at]);
		for (size_t at = 0; at < boot.envc; at++)
			printf("e %s\n", boot.env[at]);
		for (size_t at = 0; at < boot.bundle_count; at++)
			printf("b %s\n", boot.bundles[at]);
		for (size_t at = 0; at < boot.java_count; at++)
			printf("j %s\n", boot.java_stores[at]);
		const struct authority *authority = &boot.authority;
		if (authority->certificate != NULL)
			printf("%s %s %zu\n", authority->fingerprint, authority->subject_hash, strlen(authority->certificate));
	}
	free(bytes);
	return 0;
}

static const char *or_dash(const char *text)
{
	return text == NULL ? "-" : text;
}

static int identity(const char *path)
{
	static struct identity wish;
	size_t length = 0;
	char *bytes = (char *)load(path, &length);
	if (!identity_parse(&wish, bytes, length)) {
		printf("refused\n");
		free(bytes);
		return 0;
	}
	const struct address *address = &wish.address;
	printf("%s|%s|%s|%s|%s\n", wish.id, wish.hostname, or_dash(address->ip), or_dash(address->gateway), or_dash(address->mac));
	printf("%s %llu ", or_dash(wish.machine_id), (unsigned long long)wish.clock_ms);
	for (size_t at = 0; at < wish.seed_length; at++)
		printf("%02x", wish.seed[at]);
	printf("\n");
	if (wish.authority.certificate != NULL)
		printf("%s %s %zu\n", wish.authority.fingerprint, wish.authority.subject_hash, strlen(wish.authority.certificate));
	free(bytes);
	return 0;
}

static int words(char **argv)
{
	static uint8_t room[65536];
	const struct renaming renamings[] = { { argv[1], argv[2] }, { argv[3], argv[4] } };
	struct buffer out = { .bytes = room, .room = sizeof room };
	size_t length = 0;
	uint8_t *bytes = load(argv[0], &length);
	if (words_replaced((struct span){ bytes, length }, renamings, 2, &out))
		printf("%.*s\n", (int)out.length, (const char *)room);
	else
		printf("unchanged\n");
	free(bytes);
	return 0;
}

/* Random bytes, often with something true in them, so that more than the first check is met. */
static int fuzz(unsigned seed, int rounds)
{
	static struct decoder decoder;
	static struct boot config;
	static struct identity wish;
	static const char tags[] = "ihwuaepgmsxbjvcfkntr.\0\0\0=1/";
	srand(seed);
	quiet = true;
	for (int round = 0; round < rounds; round++) {
		size_t length = (size_t)(rand() % 600);
		uint8_t *bytes = malloc(length + 1);
		if (bytes == NULL)
			return 2;
		for (size_t at = 0; at < length; at++)
			bytes[at] = (uint8_t)(rand() % 3 == 0 ? tags[(size_t)rand() % (sizeof tags - 1)] : rand() % 4 == 0 ? rand() : rand() % 40);
		if (length > 60 && rand() % 2 == 0) {
			memset(bytes, 0, 16);
			put32(bytes + 16, HELLO_BYTES);
			put32(bytes + 20, 0);
			bytes[24] = HOST_HELLO;
		}
		uint8_t *exact = realloc(bytes, length == 0 ? 1 : length);
		(void)boot_parse(&config, (const char *)exact, length);
		(void)identity_parse(&wish, (const char *)exact, length);
		(void)decoder_feed(&decoder, exact, length, (uint64_t)round, show);
		if (decoder.held > sizeof decoder.bytes)
			return 3;
		free(exact);
	}
	printf("frames %zu\n", frames);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "frames") == 0)
		return decode(argv[2], (size_t)atoi(argv[3]));
	if (argc == 3 && strcmp(argv[1], "boot") == 0)
		return boot(argv[2]);
	if (argc == 3 && strcmp(argv[1], "identity") == 0)
		return identity(argv[2]);
	if (argc == 7 && strcmp(argv[1], "words") == 0)
		return words(argv + 2);
	if (argc == 4 && strcmp(argv[1], "fuzz") == 0)
		return fuzz((unsigned)atoi(argv[2]), atoi(argv[3]));
	return 2;
}
