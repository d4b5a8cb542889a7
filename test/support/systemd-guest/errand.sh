# What is done in a guest with systemd and cgroups of version 2, as root. What it says is lines of `WORD …`.
cd /opt/hm || exit 1
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin CI=1 NO_COLOR=1
slices=/sys/fs/cgroup/kubepods.slice/kubepods-burstable.slice

# until WHAT SECONDS COMMAND...
until_so() {
  local what=$1 end=$((SECONDS + $2)); shift 2
  while ! "$@"; do
    [ "$SECONDS" -lt "$end" ] || { echo "never $what"; journalctl --no-pager -u kubelet | grep -E ' [EFW][0-9]{4} ' | tail -n 20; return 1; }
    sleep 0.5
  done
}
is_absent() { ! [ -e "$1" ]; }
where() { sed 's/^0:://' "/proc/$(cat pods/pid)/cgroup"; }

echo "hierarchy $(stat -fc %T /sys/fs/cgroup)"
node node_modules/vitest/vitest.mjs run --config test/tools/vitest.config.ts --project host --retry 0 --reporter json \
  --outputFile suite.json test/host/host/cgroups.test.ts test/host/host/pod-cgroup.test.ts >suite.log 2>&1
echo "suite $(node -p "const { numPassedTests, numTotalTests } = require('/opt/hm/suite.json'); numPassedTests + ' of ' + numTotalTests")"
grep -E '^ *(FAIL|×|AssertionError)' suite.log

mkdir pods manifests-of-pods && cp place.json agent.json manifests-of-pods/
systemctl start containerd
ctr --namespace k8s.io images import --base-name small.test/busybox small.tar >/dev/null
systemd-run --quiet --unit kubelet kubelet --config /opt/hm/kubelet.json --container-runtime remote \
  --container-runtime-endpoint unix:///run/containerd/containerd.sock --hostname-override guest
until_so 'joined' 600 test -e pods/joined || exit 1
echo "outlived $(cat pods/outlived)"
echo "joined $(where)"
echo "counted $(cat "/sys/fs/cgroup/$(where)/pids.current")"
systemctl daemon-reload
# This kubelet has no bus: after this it cannot ask systemd for anything, and removes a Pod's cgroup by rmdir(2) alone,
# as on a systemd that leaves what is in it (239).
systemctl daemon-reexec
echo "reloaded $(where)"
rm manifests-of-pods/place.json
touch pods/let-go
# In half of its grace.
until_so 'the slice of the Pod is gone' 150 is_absent $slices/*_place.slice && echo "ended"
echo "left $(where)"
rm manifests-of-pods/agent.json
until_so 'the slice of the agent is gone' 120 is_absent $slices/*_agent.slice
echo "alone $(where)"
echo "end"
