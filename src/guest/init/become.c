#include "identify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Who this guest is now; what it does not have is empty. */
static struct {
	char hostname[HOSTNAME_BYTES + 1];
	char ip[ADDRESS_BYTES], gateway[ADDRESS_BYTES], mac[ADDRESS_BYTES];
	char machine_id[MACHINE_ID + 1];
} self;

static void keep(char *to, size_t size, const char *text)
{
	(void)snprintf(to, size, "%s", text == NULL ? "" : text);
}

static bool is_same(const char *kept, const char *text)
{
	return strcmp(kept, text == NULL ? "" : text) == 0;
}

static void keep_address(const struct address *address)
{
	keep(self.ip, sizeof self.ip, address->ip);
	keep(self.gateway, sizeof self.gateway, address->gateway);
	keep(self.mac, sizeof self.mac, address->mac);
}

void be_as_booted(const struct boot *boot)
{
	keep(state.identity, sizeof state.identity, boot->id);
	keep(self.hostname, sizeof self.hostname, boot->hostname);
	keep_address(&(const struct address){ boot->ip, boot->gateway, boot->mac });
}

/* What went wrong is told, the first thing first; the rest is on the console. */
void identity_refused(const char *what, const char *which)
{
	warn_errno(what, which);
	if (state.identity_problem[0] == 0)
		(void)snprintf(state.identity_problem, sizeof state.identity_problem, "%s%s%s: %s", what, which[0] == 0 ? "" : " ", which,
			       strerror(errno));
}

static bool is_placed_at(const struct address *address)
{
	return is_same(self.ip, address->ip) && is_same(self.gateway, address->gateway) && is_same(self.mac, address->mac);
}

static bool trusts(const struct authority *authority)
{
	if (authority->certificate == NULL)
		return state.trust == TRUST_NONE;
	return state.trust == TRUST_INSTALLED && strcmp(state.fingerprint, authority->fingerprint) == 0;
}

/* True when there is nothing left to do: a repeated word changes nothing, the clock neither. */
static bool is_already(const struct identity *wish)
{
	return !state.held && state.identity_problem[0] == 0 && is_same(state.identity, wish->id) &&
	       is_same(self.hostname, wish->hostname) && is_placed_at(&wish->address) && trusts(&wish->authority) &&
	       (wish->machine_id == NULL || is_same(self.machine_id, wish->machine_id));
}

static size_t add_renaming(struct renaming *renamings, size_t count, const char *from, const char *to)
{
	if (from[0] == 0 || to == NULL || strcmp(from, to) == 0)
		return count;
	renamings[count] = (struct renaming){ from, to };
	return count + 1;
}

static void take_names(const struct identity *wish)
{
	struct renaming renamings[3];
	size_t count = 0;
	if (sethostname(wish->hostname, strlen(wish->hostname)) < 0)
		identity_refused("cannot set the name", wish->hostname);
	/* A guest that was called localhost shares that word with every other. */
	if (strcmp(self.hostname, "localhost") != 0)
		count = add_renaming(renamings, count, self.hostname, wish->hostname);
	count = add_renaming(renamings, count, self.ip, wish->address.ip);
	count = add_renaming(renamings, count, self.gateway, wish->address.gateway);
	const char *failed = count == 0 ? NULL : rename_in_files(renamings, count);
	if (failed != NULL)
		identity_refused("cannot write the new name into", failed);
	program_renamed(wish->hostname);
	keep(self.hostname, sizeof self.hostname, wish->hostname);
	failed = wish->machine_id == NULL ? NULL : write_machine_id(wish->machine_id);
	if (failed != NULL)
		identity_refused("cannot write the machine id into", failed);
	else if (wish->machine_id != NULL)
		keep(self.machine_id, sizeof self.machine_id, wish->machine_id);
}

static void take_authorities(const struct authority *authority)
{
	if (authority->certificate != NULL) {
		(void)trust_install(program_boot(), authority);
		return;
	}
	/* The other guest's proxy is no authority over this one. */
	trust_remove(program_boot());
	state.trust = TRUST_NONE;
}

static bool refuse_network(const char *what)
{
	identity_refused(what, "");
	state.identity[0] = 0;
	return false;
}

/* Connections of the old address end before the link is up: not even their last words get out. */
static bool take_address(const struct address *address)
{
	if (self.ip[0] != 0 && !is_same(self.ip, address->ip) && !end_sockets_of(self.ip))
		identity_refused("cannot end the connections of the old address, they end by their own timeouts", "");
	if (address->ip != NULL) {
		const char *failed = network_become(address);
		if (failed != NULL)
			return refuse_network(failed);
	}
	keep_address(address);
	return true;
}

static void become(const struct identity *wish)
{
	/* After a failure nothing is known of the network, so all of it is done again. */
	bool moves = !is_placed_at(&wish->address) || state.identity[0] == 0;
	const char *failed = NULL;
	state.identity_problem[0] = 0;
	hold_without_end();
	if (!hold_programs())
		identity_refused("cannot hold the programs meanwhile", "");
	if (moves)
		failed = network_down();
	if (!reseed(wish->seed, wish->seed_length))
		identity_refused("cannot reseed", "the random generator");
	if (!set_clock(wish->clock_ms))
		identity_refused("cannot set", "the clock");
	take_names(wish);
	if (!trusts(&wish->authority))
		take_authorities(&wish->authority);
	if (failed != NULL ? !refuse_network(failed) : moves && !take_address(&wish->address))
		return;
	keep(state.identity, sizeof state.identity, wish->id);
	release_programs();
}

bool identify(const char *payload, size_t length)
{
	static struct identity wish;
	if (!identity_parse(&wish, payload, length))
		return false;
	if (state.program == STARTED && !is_already(&wish))
		become(&wish);
	explicit_bzero(&wish, sizeof wish);
	link_state_changed();
	return true;
}
