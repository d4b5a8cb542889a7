/*
 * PID 1 of a guest: mounts, starts, reaps, reports, powers off. It decides nothing.
 * One idea a file; this header is what they promise each other.
 */
#ifndef HYPEMAN_INIT_H
#define HYPEMAN_INIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* die.c: the way out */
/* Says what failed, on the console and over the link as exit code 125, and never returns. */
_Noreturn void die(const char *what, const char *which);
/* One line on the console. */
void note(const char *what, const char *which);
/* The same with errno's text, for what the guest can live without. */
void warn_errno(const char *what, const char *which);
uint64_t now_ms(void);

/* records.c: `tag value NUL` texts, the form of the boot config and of requests */
/* The next record, or false at the end or where the bytes are no record. */
bool next_record(const char **at, const char *end, char *tag, const char **value);
/* A whole decimal number of at most `max`, or false. */
bool parse_number(const char *text, uint64_t max, uint64_t *out);

/* boot.c: what the host wants */
enum { MAX_WORDS = 4096, MAX_BOOT_BYTES = 1 << 20, MAX_STORES = 32, MAX_VOLUMES = 23 };

/* The CA of the egress proxy. */
struct authority {
	const char *certificate; /* one, PEM */
	const char *fingerprint; /* FINGERPRINT hex digits */
	const char *subject_hash; /* eight hex digits: the name OpenSSL looks for in a directory */
};

/* A disk of its own, mounted before the program starts. */
struct volume {
	const char *serial, *name, *path;
	const char *layer; /* the serial of the disk that takes what is written; NULL for none */
	bool readonly;
};

struct boot {
	const char *id, *hostname, *workdir, *user;
	const char *ip, *gateway, *mac; /* NULL without network */
	const char *argv[MAX_WORDS + 1];
	const char *env[MAX_WORDS + 1];
	size_t argc, envc;
	/* Files named by the environment: bundles, and the Java trust stores. */
	const char *bundles[MAX_STORES], *java_stores[MAX_STORES];
	size_t bundle_count, java_count;
	const char *service_env[MAX_STORES]; /* for all services of a full system */
	size_t service_count;
	struct volume volumes[MAX_VOLUMES];
	size_t volume_count;
	struct authority authority; /* all NULL without mediation */
	int stop_signal;
	bool agent;
};

/* Points into `bytes`, which must stay. False when something is missing or of no sense. */
bool boot_parse(struct boot *boot, const char *bytes, size_t length);

/* frames.c: the wire; protocol.ts has the description */
enum { FRAME_HEADER = 9, FRAME_MAX = 65536, HELLO_BYTES = 20, PREAMBLE_ZEROS = 16 };

enum {
	HOST_SYNC = 0, HOST_HELLO = 1, HOST_ACK = 2, HOST_SHUTDOWN = 3, HOST_CLOCK = 4, HOST_RESEED = 5, HOST_TRUST = 6,
	HOST_HOLD = 7, HOST_RELEASE = 8, HOST_IDENTIFY = 9,
	OPEN_EXEC = 16, OPEN_STAT = 17, OPEN_READ = 18, OPEN_WRITE = 19,
	DATA = 32, DATA_END = 33, CREDIT = 34, RESIZE = 35, KILL = 36, CANCEL = 37,
	GUEST_HELLO = 65, GUEST_STATE = 66, GUEST_LOST = 67,
	OUT = 80, ERR = 81, EXITED = 82, FAILED = 83, STATED = 84, ABSENT = 85, DONE = 86,
};

struct decoder {
	uint8_t bytes[FRAME_HEADER + FRAME_MAX];
	size_t held;
	size_t zeros;
	bool in_sync;
	uint64_t since; /* when the frame in hand began */
};

/* Handles one frame; false means that it was of no sense and the link is lost. */
typedef bool (*frame_handler)(uint8_t type, uint32_t stream, const uint8_t *payload, uint32_t length);

/* Feeds bytes as they came; false when sync was lost and not found again in them. `now` in ms. */
bool decoder_feed(struct decoder *decoder, const uint8_t *bytes, size_t length, uint64_t now, frame_handler handle);
void decoder_reset(struct decoder *decoder);
uint32_t get32(const uint8_t *at);
uint64_t get64(const uint8_t *at);
void put32(uint8_t *at, uint32_t value);
void put64(uint8_t *at, uint64_t value);

/* link.c: the port to the host */
enum { LINK_CHUNK = 32768 };

bool link_open(void);
/* -1 when there is none. */
int link_fd(void);
/* Poll events wanted now; 0 while no host is there (a signal tells when one comes). */
short link_wants(void);
/* After a fork: the port's signals come to the caller. */
void link_adopt(void);
void link_turn(short events);
/* True when everything is said. */
bool link_idle(void);
/* True when a frame of LINK_CHUNK fits in the queue. */
bool link_has_room(void);
void link_send(uint8_t type, uint32_t stream, const void *payload, size_t length);
/* A host said hello: it is answered, and told everything. */
void link_hello(const uint8_t *payload);
/* What the host should know has changed. */
void link_state_changed(void);

/* control.c: what the host says */
bool handle_frame(uint8_t type, uint32_t stream, const uint8_t *payload, uint32_t length);
/* The host is another one now, or gone: nothing of the old one lives on. */
void forget_host(void);

/* state.c: what is to be told of the program */
enum program_state { BOOTING = 0, STARTED = 1, EXITED_STATE = 2 };

/* 0 was an init that knew nothing of it. */
enum trust_state { TRUST_NONE = 1, TRUST_INSTALLED = 2, TRUST_FAILED = 3 };
enum { FINGERPRINT = 64, MESSAGE = 512, TRUST_MESSAGE = 400, ID = 64, IDENTITY_MESSAGE = 256 };
enum { STATE_BYTES = 16 + MESSAGE + ID + IDENTITY_MESSAGE + 4 };

struct state {
	enum program_state program;
	bool agent;
	bool has_code;
	int code;
	uint64_t started; /* ms of this clock */
	char message[MESSAGE];
	enum trust_state trust;
	char fingerprint[FINGERPRINT + 1], trust_message[TRUST_MESSAGE];
	bool held; /* the programs stand still */
	char identity[ID + 1]; /* empty: without a network, because it could not be had */
	char identity_problem[IDENTITY_MESSAGE]; /* what of the last hold or identity was refused */
};

extern struct state state;
/* The payload of a STATE frame of now; returns its length, at most STATE_BYTES. */
size_t state_payload(uint8_t *bytes);
void state_started(void);
/* code < 0: ended without one. */
void state_exited(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* authority.c, trust.c: the CA of the egress proxy in the image's own stores */
/* One record of an authority; false when it is none. */
bool take_authority(struct authority *authority, char tag, const char *value);
bool is_authority(const struct authority *authority);
/* Makes every store hold this CA and no earlier one of ours; the outcome is in `state`. */
bool trust_install(const struct boot *boot, const struct authority *authority);
/* Takes out what an earlier start put in; nothing to do where there is none. */
void trust_remove(const struct boot *boot);

/* hold.c: for the time of a snapshot and of a change of identity; both may be repeated */
/* False with errno when they cannot be held: then they run. What the agent starts meanwhile is not held. */
bool hold_programs(void);
/* The same, but a guest that is no copy by then lets its programs go on after a while, whatever became of the host. */
bool hold_for_host(void);
void hold_without_end(void);
/* Milliseconds until hold_turn has something to do, negative for never. */
int hold_patience(void);
void hold_turn(void);
void release_programs(void);

/* machine-name.c: what the hypervisor that this guest runs on by now calls its machine; false where none says it */
bool machine_name(char *name, size_t size);

/* become.c */
void be_as_booted(const struct boot *boot);
/* Becomes the guest of these records, told in `state`; false when they make no sense. */
bool identify(const char *payload, size_t length);

/* mounts.c, disks.c, modules.c, network.c, identity.c */
void mount_first(void);
void mount_rest(void);
void mount_control_groups(void);
void load_modules(void);
void assemble_root(void);
/* Waits for the disk and dies when it does not come. */
void wait_for_disk(const char *serial, char *path, size_t size);
void make_directory(const char *path);
void enter_root(void);
/* Writes everything out and leaves the disks clean. */
void quiesce_disks(void);
void bring_up_network(const struct boot *boot);
void write_identity(const struct boot *boot);
bool write_file(const char *path, const char *text);
/* Reads at most size - 1 bytes and ends them with NUL; -1 when it cannot. */
ssize_t read_file(const char *path, char *text, size_t size);

/* volumes.c: disks that outlive the instance */
/* In the initramfs, before enter_root. */
void attach_volumes(const struct boot *boot);
/* Where the program finds them, after mount_rest. */
void place_volumes(const struct boot *boot);
void quiesce_volumes(void);

/* users.c */
enum { MAX_GROUPS = 256 };

struct user {
	uid_t uid;
	gid_t gid;
	gid_t groups[MAX_GROUPS];
	size_t group_count;
	char home[256];
};

/* `name`, `uid`, `name:group`, `uid:gid` by the image's own files; NULL or what is wrong. */
const char *resolve_user(const char *text, struct user *user);

/* launch.c: one program of the guest's, as another user */
struct launch {
	const char *const *argv;
	const char *const *env;
	const char *workdir;
	const struct user *user;
	const char *cgroup; /* NULL for none */
	int in, out, err;
	bool terminal; /* `in` becomes the controlling terminal */
};

enum launch_step { AT_FORK = 1, AT_USER, AT_WORKDIR, AT_EXEC };
struct launch_failure {
	int step; /* 0: it runs */
	int error;
};

/* The new process, or -1 and why. Its session is its own. */
pid_t launch(const struct launch *launch, struct launch_failure *failure);
/* 125, 126 or 127 as shells and docker have them. */
int launch_code(const struct launch_failure *failure);
const char *launch_text(const struct launch_failure *failure);

/* program.c: the one that the instance is about */
void program_start(const struct boot *boot);
/* True when the ended process was the program; the exit is recorded then. */
bool program_ended(pid_t pid, int status);
void program_stop(uint64_t grace_ms);
/* Milliseconds to the next thing to do, or -1. */
int program_patience(void);
void program_turn(void);
const struct boot *program_boot(void);
/* Commands to come are told this name. */
void program_renamed(const char *hostname);
const struct user *program_user(void);

/* oom.c */
void oom_watch(void);
/* True only when the kernel itself says that it killed this process for lack of memory. */
bool oom_killed(pid_t pid, char *why, size_t size);

/* service-environment.c, full-system.c: images whose program is systemd */
/* Gives `boot->service_env` to every service, and takes back what an earlier start gave. */
void write_service_environment(const struct boot *boot);
bool is_full_system(const char *program);
/* The caller goes on as the agent, a child of the PID 1 that becomes `boot->argv`. */
void full_system_start(const struct boot *boot);
bool full_system_runs(void);
void full_system_stop(void);

/* loop.c */
void loop_prepare(void);
/* Serves the host and reaps until the power is off. */
_Noreturn void loop_forever(void);
_Noreturn void power_off(void);

#endif
