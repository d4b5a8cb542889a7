/** Bodies of the reference system's public API as its documentation shows them: data, in its own words. */
export const CREATE_BODY = {
  image: 'docker.io/library/alpine:latest',
  name: 'my-workload-1',
  cmd: ['echo', 'hello'],
  credentials: {
    OUTBOUND_OPENAI_KEY: {
      inject: [
        {
          as: { format: 'Bearer ${value}', header: 'Authorization' },
          hosts: ['api.openai.com', '*.openai.com'],
        },
      ],
      source: { env: 'OUTBOUND_OPENAI_KEY' },
    },
  },
  devices: ['l4-gpu'],
  disk_io_bps: '100MB/s',
  entrypoint: ['/bin/sh', '-c'],
  env: { PORT: '3000', NODE_ENV: 'production' },
  hotplug_size: '2GB',
  hypervisor: 'cloud-hypervisor',
  overlay_size: '20GB',
  size: '2GB',
  skip_kernel_headers: true,
  tags: { team: 'backend', env: 'staging' },
  vcpus: 2,
};

/** The same example before credentials and tags came. */
export const OLDER_CREATE_BODY = {
  image: 'docker.io/library/alpine:latest',
  name: 'my-workload-1',
  devices: ['l4-gpu'],
  disk_io_bps: '100MB/s',
  env: { PORT: '3000', NODE_ENV: 'production' },
  hotplug_size: '2GB',
  hypervisor: 'cloud-hypervisor',
  overlay_size: '20GB',
  size: '2GB',
  skip_kernel_headers: true,
  vcpus: 2,
};

export const FORK_BODY = { name: 'my-workload-1-fork', target_state: 'Running' };

export const UPDATE_BODY = { env: { OUTBOUND_OPENAI_KEY: 'new-rotated-key-456' } };

export const INSTANCE_RESPONSE = {
  id: 'tz4a98xxat96iws9zmbrgj3a',
  created_at: '2025-01-15T10:30:00Z',
  image: 'docker.io/library/alpine:latest',
  name: 'my-workload-1',
  state: 'Created',
  disk_io_bps: '100MB/s',
  env: { foo: 'string' },
  exit_code: 137,
  exit_message: 'killed by signal 9 (SIGKILL)',
  gpu: { mdev_uuid: 'aa618089-8b16-4d01-a136-25a0f3c73123', profile: 'L40S-1Q' },
  has_snapshot: false,
  hotplug_size: '2GB',
  hypervisor: 'cloud-hypervisor',
  network: {
    bandwidth_download: '125MB/s',
    bandwidth_upload: '125MB/s',
    enabled: true,
    ip: '192.168.100.10',
    mac: '02:00:00:ab:cd:ef',
    name: 'default',
  },
  overlay_size: '10GB',
  size: '2GB',
  started_at: '2025-01-15T10:30:05Z',
  state_error: 'failed to query VMM: connection refused',
  stopped_at: '2025-01-15T12:30:00Z',
  tags: { team: 'backend', env: 'staging' },
  vcpus: 2,
  volumes: [
    { mount_path: '/mnt/data', volume_id: 'vol-abc123', overlay: true, overlay_size: '1GB', readonly: true },
  ],
};

/** Every field that its newest create knows, the ones that we have no use for as well. */
export const EVERY_FIELD = {
  ...CREATE_BODY,
  env: { ...CREATE_BODY.env, OUTBOUND_OPENAI_KEY: 'real' },
  network: {
    enabled: true,
    bandwidth_download: '1Gbps',
    bandwidth_upload: '125MB/s',
    egress: { enabled: true, enforcement: { mode: 'http_https_only' } },
  },
  volumes: [{ volume_id: 'data', mount_path: '/mnt/data' }],
  gpu: { profile: 'L40S-1Q' },
  skip_guest_agent: true,
  restart_policy: { policy: 'on_failure', backoff: '5s', stable_after: '10m', max_attempts: 3 },
  platform: 'linux/amd64',
  auto_standby: { enabled: true, idle_timeout: '5m' },
  health_check: { type: 'http', http: { port: 80 } },
  snapshot_policy: { compression: { enabled: true, algorithm: 'zstd', level: 3 } },
  ttl: '1h',
  expires_at: null,
};
