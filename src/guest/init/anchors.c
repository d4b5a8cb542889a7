#include "anchors.h"
#include "place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Where OpenSSL looks a CA up by the hash of its subject (X509_LOOKUP_hash_dir(3)); only where an image does so. */
static const char *const HASHED[] = {
	"/etc/ssl/certs",
	"/etc/pki/tls/certs",
	"/etc/pki/ca-trust/extracted/pem/directory-hash",
	"/var/lib/ca-certificates/openssl",
	"/var/lib/ca-certificates/pem",
};

/*
 * What update-ca-certificates and update-ca-trust make the bundles from: without it the first package that runs them
 * would take the CA out again. p11-kit, for GnuTLS and NSS, reads the second itself.
 */
static const struct {
	const char *parent, *path;
} ANCHORS[] = {
	{ "/usr/local/share", "/usr/local/share/ca-certificates/hypeman-egress-ca.crt" },
	{ "/etc/pki/ca-trust/source", "/etc/pki/ca-trust/source/anchors/hypeman-egress-ca.crt" },
	{ "/etc/pki/trust", "/etc/pki/trust/anchors/hypeman-egress-ca.crt" },
};

/* The name that update-ca-certificates would give it. */
static const char OUR_FILE[] = "hypeman-egress-ca.pem";
enum { HASH_DIGITS = 8, MAX_SLOTS = 10, FILE_BYTES = 65536 };

static uint8_t room[2][FILE_BYTES];

static bool is_absence(int error)
{
	return error == ENOENT || error == ENOTDIR || error == ELOOP;
}

static bool is_hash_name(const char *name)
{
	return strspn(name, "0123456789abcdef") == HASH_DIGITS && name[HASH_DIGITS] == '.' &&
	       strspn(name + HASH_DIGITS + 1, "0123456789") > 0;
}

static bool write_certificate(const struct place *place, const char *certificate)
{
	struct buffer old = { .bytes = room[0], .room = FILE_BYTES }, fresh = { .bytes = room[1], .room = FILE_BYTES };
	errno = EFBIG;
	if (!bundle_with((struct span){ NULL, 0 }, certificate, &fresh))
		return false;
	bool same = place_read(place, &old) && old.length == fresh.length && memcmp(old.bytes, fresh.bytes, old.length) == 0;
	return same || place_write(place, span_of(&fresh));
}

/* Removes our links but for those of `hash`; true when the directory is one that OpenSSL looks into. */
static bool clean_hashes(DIR *directory, const char *hash, bool *linked)
{
	bool used = false;
	int fd = dirfd(directory);
	*linked = false;
	for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
		if (!is_hash_name(entry->d_name))
			continue;
		used = true;
		if (!link_is(fd, entry->d_name, OUR_FILE))
			continue;
		if (hash != NULL && strncmp(entry->d_name, hash, HASH_DIGITS) == 0)
			*linked = true;
		else
			(void)unlinkat(fd, entry->d_name, 0);
	}
	return used;
}

/* Another CA may have the same hash: each has the next number. */
static bool link_hash(int directory, const char *hash)
{
	char name[HASH_DIGITS + 8];
	struct stat facts;
	for (int slot = 0; slot < MAX_SLOTS; slot++) {
		(void)snprintf(name, sizeof name, "%s.%d", hash, slot);
		if (fstatat(directory, name, &facts, AT_SYMLINK_NOFOLLOW) < 0)
			return link_write(directory, name, OUR_FILE);
	}
	errno = EEXIST;
	return false;
}

static bool hash_into(const char *path, const struct authority *authority)
{
	bool linked = false, done = true;
	int fd = place_directory(path);
	if (fd < 0)
		return is_absence(errno);
	DIR *directory = fdopendir(fd);
	if (directory == NULL) {
		(void)close(fd);
		return false;
	}
	struct place place = { .directory = fd };
	memcpy(place.name, OUR_FILE, sizeof OUR_FILE);
	bool used = clean_hashes(directory, authority == NULL ? NULL : authority->subject_hash, &linked);
	if (authority == NULL)
		(void)unlinkat(fd, OUR_FILE, 0);
	else if (used)
		done = write_certificate(&place, authority->certificate) && (linked || link_hash(fd, authority->subject_hash));
	int error = errno;
	(void)closedir(directory);
	errno = error;
	return done;
}

static bool anchor_at(const char *parent, const char *path, const char *certificate)
{
	struct place place;
	int fd = place_directory(parent);
	if (fd < 0)
		return is_absence(errno);
	(void)close(fd);
	if (!place_make(path, &place))
		return false;
	bool written = write_certificate(&place, certificate);
	int error = errno;
	place_leave(&place);
	errno = error;
	return written;
}

static void remove_anchor(const char *path)
{
	struct place place;
	if (place_find(path, &place) != FOUND)
		return;
	(void)unlinkat(place.directory, place.name, 0);
	place_leave(&place);
}

const char *anchors_install(const struct authority *authority)
{
	for (size_t at = 0; at < sizeof ANCHORS / sizeof ANCHORS[0]; at++)
		if (!anchor_at(ANCHORS[at].parent, ANCHORS[at].path, authority->certificate))
			return ANCHORS[at].path;
	for (size_t at = 0; at < sizeof HASHED / sizeof HASHED[0]; at++)
		if (!hash_into(HASHED[at], authority))
			return HASHED[at];
	return NULL;
}

const char *anchors_remove(void)
{
	for (size_t at = 0; at < sizeof ANCHORS / sizeof ANCHORS[0]; at++)
		remove_anchor(ANCHORS[at].path);
	for (size_t at = 0; at < sizeof HASHED / sizeof HASHED[0]; at++)
		if (!hash_into(HASHED[at], NULL))
			return HASHED[at];
	return NULL;
}
