/* What init does to an image's stores of CAs, as an ordinary program in a chroot, for the sanitizers. */
#include "../../../src/guest/init/bytes.h"
#include "../../../src/guest/init/init.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct state state = { .trust = TRUST_NONE };

/* A chroot without /proc, which the leak check would need. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

void note(const char *what, const char *which)
{
	printf("note %s %s\n", what, which);
}

void warn_errno(const char *what, const char *which)
{
	printf("note %s %s: %s\n", what, which, strerror(errno));
}

static int install(const char *root, const char *config)
{
	static char bytes[MAX_BOOT_BYTES];
	static struct boot boot;
	FILE *file = fopen(config, "rb");
	size_t length = file == NULL ? 0 : fread(bytes, 1, sizeof bytes, file);
	if (!boot_parse(&boot, bytes, length) || chroot(root) < 0 || chdir("/") < 0)
		return 2;
	if (boot.authority.certificate == NULL)
		trust_remove(&boot);
	else
		(void)trust_install(&boot, &boot.authority);
	printf("%d|%s|%s\n", (int)state.trust, state.fingerprint, state.trust_message);
	return 0;
}

static uint8_t *random_store(size_t *length, const char *const *pieces, size_t count)
{
	uint8_t *bytes = malloc(1 << 18);
	*length = 0;
	for (int parts = rand() % 12; bytes != NULL && parts > 0; parts--) {
		const char *piece = pieces[(size_t)rand() % count];
		size_t size = strlen(piece);
		size = rand() % 4 == 0 && size > 0 ? (size_t)rand() % size : size;
		memcpy(bytes + *length, piece, size);
		*length += size;
		for (int noise = rand() % 3 == 0 ? rand() % 40 : 0; noise > 0; noise--)
			bytes[(*length)++] = (uint8_t)rand();
	}
	/* Exactly as long as it is, so that one byte too far is seen. */
	return realloc(bytes, *length == 0 ? 1 : *length);
}

static void spoil(uint8_t *bytes, size_t length)
{
	for (int flips = rand() % 4; flips > 0 && length > 0; flips--)
		bytes[(size_t)rand() % length] = (uint8_t)(rand() % 3 == 0 ? 0xff : rand());
}

/* Writing twice must be writing once, whatever was there, and a store that we wrote must be read again. */
static int fuzz(const char *certificate_path, unsigned seed, int rounds)
{
	static char certificate[8192];
	static uint8_t room[3][1 << 19];
	FILE *file = fopen(certificate_path, "rb");
	if (file == NULL || fread(certificate, 1, sizeof certificate - 1, file) == 0)
		return 2;
	static const char *const marks[] = {
		"# hypeman: the CA of this instance's egress proxy, written anew at each start", "# hypeman: the end of that CA",
		"\n", "\r\n", "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----", "AAAA", certificate, "x",
	};
	int stores = 0;
	srand(seed);
	for (int round = 0; round < rounds; round++) {
		size_t length = 0;
		uint8_t *old = random_store(&length, marks, sizeof marks / sizeof marks[0]);
		const struct span odd = { old, length };
		struct buffer one = { .bytes = room[0], .room = sizeof room[0] }, two = { .bytes = room[1], .room = sizeof room[1] };
		struct buffer store = { .bytes = room[2], .room = sizeof room[2] };
		if (!bundle_with(odd, certificate, &one) || !bundle_with(span_of(&one), certificate, &two))
			return 3;
		if (one.length != two.length || memcmp(one.bytes, two.bytes, one.length) != 0)
			return 4;
		if (!java_store_with(odd, odd, certificate, &store) || !java_store_with(span_of(&store), odd, certificate, &one))
			return 5;
		if (store.length != one.length || memcmp(store.bytes, one.bytes, one.length) != 0)
			return 6;
		uint8_t *broken = malloc(store.length);
		size_t kept = rand() % 2 == 0 ? store.length : (size_t)rand() % (store.length + 1);
		memcpy(broken, store.bytes, store.length);
		broken = realloc(broken, kept == 0 ? 1 : kept);
		spoil(broken, kept);
		stores += is_java_store((struct span){ broken, kept });
		one.room = (size_t)rand() % sizeof room[0];
		(void)java_store_with((struct span){ broken, kept }, odd, certificate, &one);
		(void)bundle_with((struct span){ broken, kept }, certificate, &one);
		free(broken);
		free(old);
	}
	printf("stores %d\n", stores);
	return 0;
}

/* A store that Java made, damaged in all ways. */
static int spoilt(const char *path, unsigned seed, int rounds)
{
	static uint8_t whole[1 << 16], room[1 << 18];
	FILE *file = fopen(path, "rb");
	size_t length = file == NULL ? 0 : fread(whole, 1, sizeof whole, file);
	size_t whole_length = 0;
	int kept = 0;
	if (length == 0)
		return 2;
	srand(seed);
	for (int round = 0; round < rounds; round++) {
		size_t cut = rand() % 2 == 0 ? length : (size_t)rand() % length + 1;
		uint8_t *broken = malloc(cut);
		struct buffer out = { .bytes = room, .room = sizeof room };
		memcpy(broken, whole, cut);
		if (round > 0)
			spoil(broken, cut);
		if (!java_store_with((struct span){ broken, cut }, (struct span){ broken, 0 }, NULL, &out))
			return 3;
		whole_length = round == 0 ? out.length : whole_length;
		kept += out.length == whole_length;
		free(broken);
	}
	printf("kept %d\n", kept);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "install") == 0)
		return install(argv[2], argv[3]);
	if (argc == 5 && strcmp(argv[1], "fuzz") == 0)
		return fuzz(argv[2], (unsigned)atoi(argv[3]), atoi(argv[4]));
	if (argc == 5 && strcmp(argv[1], "spoilt") == 0)
		return spoilt(argv[2], (unsigned)atoi(argv[3]), atoi(argv[4]));
	return 2;
}
