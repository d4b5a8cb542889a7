import { valueAt } from '../../../src/api/raw.ts';
import type { Mapping } from '../../../src/api/raw.ts';
import { placeholderFor } from '../../../src/sources/kubernetes/placement/placeholder-pod.ts';
import { SMALL_IMAGE } from '../cluster-node-image.ts';
import { demandWith, instanceWith } from '../placement-worlds.ts';

const PLACE = 'a1-place';

/** For a containerd and a kubelet that have systemd make the cgroups, and two static Pods; by their names. */
export function kubeletFiles(): Readonly<Record<string, string>> {
  return {
    'containerd.toml': containerd(),
    'kubelet.json': JSON.stringify(kubelet),
    'place.json': JSON.stringify(pod('place', PLACE, placeholder())),
    'agent.json': JSON.stringify(pod('agent', 'a1-agent', agent)),
  };
}

function containerd(): string {
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  return `version = 2
[${cri}]
  sandbox_image = "${SMALL_IMAGE}"
[${cri}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[${cri}.containerd.runtimes.runc.options]
  SystemdCgroup = true
`;
}

const kubelet = {
  apiVersion: 'kubelet.config.k8s.io/v1beta1',
  kind: 'KubeletConfiguration',
  cgroupDriver: 'systemd',
  authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
  authorization: { mode: 'AlwaysAllow' },
  resolvConf: '/dev/null',
  staticPodPath: '/opt/hm/manifests-of-pods',
  ...{ fileCheckFrequency: '1s', syncFrequency: '2s' },
};

function pod(name: string, uid: string, spec: Mapping): Mapping {
  // No network plugin is there.
  return {
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'default', uid } },
    spec: { ...spec, hostNetwork: true },
  };
}

/** As placement makes it; nobody labels this node. */
function placeholder(): Mapping {
  const settings = { image: SMALL_IMAGE, cpuPercent: 50 };
  const demand = demandWith({ vcpus: 1, memoryBytes: 128 * 1024 ** 2 });
  const spec = valueAt(placeholderFor(instanceWith(), demand, undefined, settings), ['spec']) as Mapping;
  return { ...spec, nodeSelector: {}, terminationGracePeriodSeconds: 300 };
}

/** What of `manifests/base/agent.yaml` bears on cgroups. */
const agent = {
  ...{ hostPID: true, terminationGracePeriodSeconds: 2 },
  containers: [
    {
      name: 'agent',
      image: SMALL_IMAGE,
      command: ['/usr/local/bin/node', '/opt/hm/test/support/systemd-guest/machine.ts', PLACE],
      securityContext: { privileged: true },
      resources: { requests: { cpu: '50m', memory: '128Mi' }, limits: { memory: '512Mi' } },
      volumeMounts: ['usr', 'lib', 'lib64', 'opt', 'cgroups'].map((name) => ({
        name,
        mountPath: name === 'cgroups' ? '/sys/fs/cgroup' : `/${name}`,
      })),
    },
  ],
  volumes: ['usr', 'lib', 'lib64', 'opt', 'cgroups'].map((name) => ({
    name,
    hostPath: { path: name === 'cgroups' ? '/sys/fs/cgroup' : `/${name}` },
  })),
};
