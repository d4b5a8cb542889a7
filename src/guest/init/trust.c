#include "init.h"
#include "anchors.h"
#include "place.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Where programs look for a bundle of CAs: the places of Go's crypto/x509 (root_linux.go), OpenSSL's and SUSE's own. */
static const char *const BUNDLES[] = {
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/pki/tls/cert.pem",
	"/etc/pki/tls/cacert.pem",
	"/etc/ssl/ca-bundle.pem",
	"/var/lib/ca-certificates/ca-bundle.pem",
	"/etc/ssl/cert.pem",
};
static const char *const JAVA_STORES[] = {
	"/etc/ssl/certs/java/cacerts",
	"/etc/pki/ca-trust/extracted/java/cacerts",
	"/var/lib/ca-certificates/java-cacerts",
};
/* What the variables of the environment name: boot-config.ts has the same path. */
static const char OUR_NAME[] = "/etc/ssl/hypeman-ca-bundle.crt";

/* 20 times the largest bundle there is. */
enum { STORE_BYTES = 4 << 20, PAGE = 4096 };
static _Alignas(PAGE) uint8_t room[3][STORE_BYTES];

struct job {
	const struct boot *boot;
	const char *certificate; /* NULL: take ours out */
	struct buffer old, bundle, fresh;
	char system[4096]; /* the image's own bundle; empty while none was met */
};

static bool fail(const char *what, const char *which)
{
	(void)snprintf(state.trust_message, sizeof state.trust_message, "%s %s: %s", what, which, strerror(errno));
	return false;
}

static bool write_if_changed(const struct job *job, const struct place *place)
{
	if (job->old.length == job->fresh.length && memcmp(job->old.bytes, job->fresh.bytes, job->old.length) == 0)
		return true;
	/* Nothing else was ever in it: we made it. */
	if (job->fresh.length == 0)
		return unlinkat(place->directory, place->name, 0) == 0;
	return place_write(place, span_of(&job->fresh));
}

static bool merge_bundle(struct job *job, const struct place *place)
{
	if (!place_read(place, &job->old))
		return false;
	errno = EFBIG;
	return bundle_with(span_of(&job->old), job->certificate, &job->fresh) && write_if_changed(job, place);
}

static bool merge_java(struct job *job, const struct place *place)
{
	if (!place_read(place, &job->old))
		return false;
	/* Only what may be a store is written over: JKS, or DER as PKCS #12 is. Java reads nothing else either. */
	bool is_ours = is_java_store(span_of(&job->old));
	if (!is_ours && (job->old.length == 0 || job->old.bytes[0] != 0x30 || job->certificate == NULL))
		return true;
	errno = EFBIG;
	return java_store_with(span_of(&job->old), span_of(&job->bundle), job->certificate, &job->fresh) &&
	       write_if_changed(job, place);
}

typedef bool (*merger)(struct job *job, const struct place *place);

/* `named`: by the environment and not by us, so that it is no failure if it cannot be. */
static bool merge_into(struct job *job, const char *path, merger merge, bool named)
{
	struct place place;
	enum found found = place_find(path, &place);
	if (found == NOWHERE)
		return true;
	if (found == TROUBLE) {
		if (named)
			warn_errno("leaving alone", path);
		return named || fail("cannot add it to", path);
	}
	bool merged = merge(job, &place);
	if (!merged)
		(void)fail("cannot add it to", path);
	place_leave(&place);
	if (merged && merge == merge_bundle && job->system[0] == 0)
		(void)snprintf(job->system, sizeof job->system, "%s", path);
	return merged;
}

static bool merge_all(struct job *job, const char *const *paths, size_t count, merger merge, bool named)
{
	for (size_t at = 0; at < count; at++)
		if (strcmp(paths[at], OUR_NAME) != 0 && !merge_into(job, paths[at], merge, named))
			return false;
	return true;
}

static bool make_system_bundle(struct job *job)
{
	struct place place;
	(void)snprintf(job->system, sizeof job->system, "%s", BUNDLES[0]);
	if (!place_make(BUNDLES[0], &place))
		return fail("cannot make", BUNDLES[0]);
	errno = EFBIG;
	bool made = bundle_with((struct span){ NULL, 0 }, job->certificate, &job->fresh) &&
		    place_write(&place, span_of(&job->fresh));
	if (!made)
		(void)fail("cannot make", BUNDLES[0]);
	place_leave(&place);
	return made;
}

/* A link and no copy: a bundle that the image's own tools make anew is right at once. */
static bool name_system_bundle(const struct job *job)
{
	struct place place;
	if (!place_make(OUR_NAME, &place))
		return fail("cannot make", OUR_NAME);
	bool linked = link_write(place.directory, place.name, job->system);
	if (!linked)
		(void)fail("cannot make", OUR_NAME);
	place_leave(&place);
	return linked;
}

/* The image's CAs without ours, for Java stores that cannot be read. */
static bool keep_system_bundle(struct job *job)
{
	struct place place;
	if (place_find(job->system, &place) != FOUND)
		return fail("cannot read", job->system);
	bool kept = place_read(&place, &job->old) && bundle_with(span_of(&job->old), NULL, &job->bundle);
	if (!kept)
		(void)fail("cannot read", job->system);
	place_leave(&place);
	return kept;
}

static bool merge_bundles(struct job *job)
{
	const struct boot *boot = job->boot;
	return merge_all(job, BUNDLES, sizeof BUNDLES / sizeof BUNDLES[0], merge_bundle, false) &&
	       merge_all(job, boot->bundles, boot->bundle_count, merge_bundle, true);
}

static bool merge_java_stores(struct job *job)
{
	const struct boot *boot = job->boot;
	return merge_all(job, JAVA_STORES, sizeof JAVA_STORES / sizeof JAVA_STORES[0], merge_java, false) &&
	       merge_all(job, boot->java_stores, boot->java_count, merge_java, true);
}

static struct job job_for(const struct boot *boot, const char *certificate)
{
	return (struct job){
		.boot = boot, .certificate = certificate,
		.old = { .bytes = room[0], .room = STORE_BYTES },
		.bundle = { .bytes = room[1], .room = STORE_BYTES },
		.fresh = { .bytes = room[2], .room = STORE_BYTES },
	};
}

static void finish(void)
{
	/* Megabytes that the guest may have back. */
	(void)madvise(room, sizeof room, MADV_DONTNEED);
}

bool trust_install(const struct boot *boot, const struct authority *authority)
{
	struct job job = job_for(boot, authority->certificate);
	state.trust_message[0] = 0;
	memcpy(state.fingerprint, authority->fingerprint, FINGERPRINT);
	bool installed = merge_bundles(&job) && (job.system[0] != 0 || make_system_bundle(&job)) && name_system_bundle(&job) &&
			 keep_system_bundle(&job) && merge_java_stores(&job);
	const char *where = installed ? anchors_install(authority) : NULL;
	if (where != NULL)
		installed = fail("cannot add it to", where);
	state.trust = installed ? TRUST_INSTALLED : TRUST_FAILED;
	finish();
	return installed;
}

void trust_remove(const struct boot *boot)
{
	struct stat facts;
	struct job job = job_for(boot, NULL);
	if (lstat(OUR_NAME, &facts) < 0)
		return;
	const char *where = anchors_remove();
	if (where != NULL)
		(void)fail("cannot take it out of", where);
	bool removed = where == NULL && merge_bundles(&job) && merge_java_stores(&job) &&
		       (unlink(OUR_NAME) == 0 || fail("cannot remove", OUR_NAME));
	if (!removed)
		note("an old CA of the egress proxy is still trusted:", state.trust_message);
	finish();
}
