/** Where the parts of a node are, and how they reach one another. */
export type NodePlace = {
  /** All that they write. */
  readonly directory: string;
  /** containerd's. */
  readonly socket: string;
  readonly address: string;
  /** Whose cgroups hold every Pod; made before. */
  readonly cgroup: string;
  readonly clientCa: string;
  /** The image that holds a Pod's namespaces. */
  readonly pause: string;
};

export function containerdConfig({ directory, socket, pause }: NodePlace): string {
  return `version = 2
root = "${directory}/containerd"
state = "${directory}/containerd-state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]
[grpc]
  address = "${socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pause}"
  # A machine without CAP_SYS_RESOURCE cannot make a sandbox less likely to be killed.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${directory}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
`;
}

/** An address of its own for each Pod, by way of the node. */
export function cniConfig({ directory }: NodePlace): string {
  const range = [[{ subnet: '10.88.77.0/24' }]];
  const ipam = {
    type: 'host-local',
    dataDir: `${directory}/ipam`,
    ranges: range,
    routes: [{ dst: '0.0.0.0/0' }],
  };
  return JSON.stringify({
    cniVersion: '0.4.0',
    name: 'pods',
    plugins: [{ type: 'ptp', ipMasq: true, ipam }],
  });
}

/** JSON is YAML. */
export function kubeletConfig({ directory, address, cgroup, clientCa }: NodePlace): string {
  return JSON.stringify({
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address,
    readOnlyPort: 0,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: clientCa },
    },
    authorization: { mode: 'Webhook' },
    cgroupDriver: 'cgroupfs',
    cgroupRoot: cgroup,
    failSwapOn: false,
    resolvConf: '/dev/null',
    volumePluginDir: `${directory}/volume-plugins`,
    // This machine's disks and memory are not the node's alone.
    evictionHard: { 'memory.available': '50Mi' },
    imageGCHighThresholdPercent: 100,
    // Tests wait for these.
    syncFrequency: '5s',
    nodeStatusUpdateFrequency: '2s',
  });
}
