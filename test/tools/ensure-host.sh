#!/usr/bin/env bash
# Installs what this machine lacks: Debian packages by name, then the npm packages of the lock file.
# Says what it does; does nothing where nothing is missing. Safe to repeat.
set -euo pipefail
cd "$(dirname "$0")/../.."

runtime=(qemu-system-x86 qemu-system-data nftables iproute2 skopeo umoci erofs-utils e2fsprogs util-linux kmod ca-certificates xz-utils)
build=(gcc libc6-dev linux-libc-dev busybox-static)
tests=(docker-registry apache2-utils openssl iperf3 vim-tiny rsync git jq cpio dnsutils curl wget python3)
# Filesystems with reflinks; trust stores of Java; the control plane that is built; the Lua of Argo CD.
tests+=(xfsprogs btrfs-progs openjdk-17-jre-headless make lua5.1)
# A node of that control plane, and the agent's image on it.
tests+=(containerd runc containernetworking-plugins mmdebstrap)

packages=("${runtime[@]}" "${build[@]}")
[ "${1:-}" = tests ] && packages+=("${tests[@]}")

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" != 0 ]; then
    echo "these Debian packages are missing; install them as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  echo "installing Debian packages: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

stamp=node_modules/.hypeman-lock
if ! cmp -s package-lock.json "$stamp"; then
  echo "installing npm packages (npm ci)"
  npm ci --no-progress --loglevel=error
  cp package-lock.json "$stamp"
fi
