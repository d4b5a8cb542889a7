#!/usr/bin/env bash
# Builds the control plane that the cluster tests run against, from Debian packages only, into .cache/control-plane/bin:
#   core   etcd 3.4 and kubectl 1.32 and 1.20 (Debian's binaries), kube-apiserver, kube-scheduler, kube-controller-manager 1.20.2
#   node   kubelet 1.20.2
#   crd    apiextensions-apiserver of sid: a current server for custom resources (CEL, strict validation)
#   clean  removes what only building needs: some 9 GB
# Each part is made once. Minutes on four idle cores: core 5, node 2, crd 2; JOBS (2) cores are used, at the lowest
# priority. Nothing is installed.
set -euo pipefail
cd "$(dirname "$0")/../../.."
HOME_DIR=$PWD/.cache/control-plane
BIN=$HOME_DIR/bin
KUBERNETES=1.20.5+really1.20.2-1.1+deb12u1
# The archive that this machine uses itself.
MIRROR=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(SITE)' 'Identifier: Packages' 'Label: Debian' | head -1)}
export GOFLAGS="-p=${JOBS:-2}" GOMAXPROCS=${JOBS:-2} GO111MODULE=off GOTOOLCHAIN=local
mkdir -p "$BIN"

# A view of one suite of the archive with its own lists and an empty package database: apt_view SUITE, then apt_in SUITE ARGS.
apt_view() {
  local view=$HOME_DIR/apt/$1 key=/usr/share/keyrings/debian-archive-keyring.gpg suite
  [ -e "$view/ready" ] && return
  mkdir -p "$view"/lists/partial "$view"/archives/partial
  : >"$view/status"
  for suite in "$@"; do echo "deb [signed-by=$key] $MIRROR $suite main"; echo "deb-src [signed-by=$key] $MIRROR $suite main"; done >"$view/sources.list"
  apt_in "$1" update -q >/dev/null
  touch "$view/ready"
}
apt_in() {
  local view=$HOME_DIR/apt/$1; shift
  apt-get -q -o Dir::Etc::sourcelist="$view/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists="$view/lists" \
    -o Dir::Cache="$view" -o Dir::State::status="$view/status" -o Debug::NoLocking=1 -o APT::Sandbox::User=root "$@"
}
# unpack SUITE DIR PACKAGE...
unpack() {
  local suite=$1 to=$2; shift 2
  mkdir -p "$to/debs"
  (cd "$to/debs" && apt_in "$suite" download "$@")
  for deb in "$to"/debs/*.deb; do dpkg-deb -x "$deb" "$to/root"; done
}

kubernetes_source() {
  [ -e "$HOME_DIR/go/src/k8s.io/kubernetes/ready" ] && return
  apt_view bookworm
  mkdir -p "$HOME_DIR/go/src/k8s.io/kubernetes"
  (cd "$HOME_DIR" && apt_in bookworm source --download-only "kubernetes=$KUBERNETES")
  tar xzf "$HOME_DIR"/kubernetes_*.orig.tar.gz -C "$HOME_DIR/go/src/k8s.io/kubernetes" --strip-components=1
  touch "$HOME_DIR/go/src/k8s.io/kubernetes/ready"
}

# 1.20's reflect2 reaches into the Go runtime of its day: built with a newer Go the first server-side apply of a
# custom resource ends the process with SIGSEGV. Hence the Go it was released with.
go_1_15() {
  [ -e "$HOME_DIR/go1.15/ready" ] && return
  apt_view bullseye
  unpack bullseye "$HOME_DIR/go1.15" golang-1.15-go golang-1.15-src
  cp -rL "$HOME_DIR/go1.15/root/usr/lib/go-1.15" "$HOME_DIR/go1.15/goroot"
  touch "$HOME_DIR/go1.15/ready"
}

# By its own Makefile, which generates code (OpenAPI, deep copies) before it compiles.
build_kubernetes() { # COMMAND...
  local missing=() command
  for command in "$@"; do [ -e "$BIN/$command" ] || missing+=("cmd/$command"); done
  [ ${#missing[@]} -eq 0 ] && return
  kubernetes_source
  go_1_15
  local tree=$HOME_DIR/go/src/k8s.io/kubernetes
  (cd "$tree" && GOROOT=$HOME_DIR/go1.15/goroot PATH=$HOME_DIR/go1.15/goroot/bin:$PATH GOPATH=$HOME_DIR/go GOCACHE=$HOME_DIR/gocache \
    nice -n 15 make WHAT="${missing[*]}" KUBE_GIT_VERSION=v1.20.2 KUBE_GIT_TREE_STATE=clean KUBE_GIT_COMMIT=debian)
  for command in "$@"; do cp "$tree/_output/local/bin/linux/amd64/$command" "$BIN/"; done
}

etcd() {
  [ -e "$BIN/etcd" ] && return
  apt_view bookworm
  unpack bookworm "$HOME_DIR/etcd" etcd-server etcd-client
  cp "$HOME_DIR"/etcd/root/usr/bin/etcd{,ctl} "$BIN/"
}

# A current one and the oldest: what users have.
kubectls() {
  [ -e "$BIN/kubectl-1.20" ] && return
  apt_view trixie
  apt_view bookworm
  unpack trixie "$HOME_DIR/kubectl" kubectl
  cp "$HOME_DIR/kubectl/root/usr/bin/kubectl" "$BIN/kubectl"
  unpack bookworm "$HOME_DIR/kubectl-1.20" kubernetes-client
  cp "$HOME_DIR/kubectl-1.20/root/usr/bin/kubectl" "$BIN/kubectl-1.20"
}

crd_server() {
  [ -e "$BIN/apiextensions-apiserver" ] && return
  apt_view sid trixie
  apt_in sid -o APT::Default-Release=sid --no-install-recommends --download-only -y install \
    golang-k8s-apiextensions-apiserver-dev golang-1.26-go golang-1.26-src >/dev/null
  for deb in "$HOME_DIR"/apt/sid/archives/golang-*.deb; do dpkg-deb -x "$deb" "$HOME_DIR/sid"; done
  cp -rL "$HOME_DIR/sid/usr/lib/go-1.26" "$HOME_DIR/go1.26"
  GOROOT=$HOME_DIR/go1.26 GOPATH=$HOME_DIR/sid/usr/share/gocode GOCACHE=$HOME_DIR/gocache CGO_ENABLED=0 \
    nice -n 15 "$HOME_DIR/go1.26/bin/go" build -trimpath -o "$BIN/apiextensions-apiserver.part" \
    -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=v1.36.4 -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36" \
    k8s.io/apiextensions-apiserver
  mv "$BIN/apiextensions-apiserver.part" "$BIN/apiextensions-apiserver"
  echo built apiextensions-apiserver
}

case ${1:-core} in
  core) etcd; kubectls; build_kubernetes kube-apiserver kube-scheduler kube-controller-manager ;;
  node) build_kubernetes kubelet ;;
  crd) crd_server ;;
  clean) find "$HOME_DIR" -mindepth 1 -maxdepth 1 ! -name bin -exec chmod -R u+w {} + -exec rm -rf {} + ;;
  *) echo "usage: $0 core | node | crd | clean" >&2; exit 2 ;;
esac
