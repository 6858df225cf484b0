#!/usr/bin/env bash
# Sourced by examples/quickstart.sh and test/run.sh: puts on a bare Debian 12 what sandbridge is built and run with, and
# builds it. Everything is skipped that is there already. Nothing outside the clone is changed but Debian packages.
#
#   install_packages NAME...   Debian packages, as root or with sudo
#   install_node               Node.js 20 or later, from Debian or, where that is older, the npm package `node`
#   npm_install DIR            `npm ci` in DIR, when its lock file is newer than its node_modules
#   build_bridge DIR TARGET [OPTION...]
#                              configures the build in DIR and builds TARGET of it
#   build_plugin               installs and builds plugin/
#   install_opencode           the OpenCode that examples/opencode pins; sets $opencode

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build_packages=(clang-16 libclang-rt-16-dev cmake ninja-build ccache capnproto libcapnp-dev libcurl4-openssl-dev
  libssl-dev rapidjson-dev catch2 zlib1g-dev pkg-config musl-dev)
run_packages=(ca-certificates git curl ripgrep slirp4netns uidmap)

say() { printf '\033[1m== %s\033[0m\n' "$*" >&2; }
fail() { printf '%s\n' "$*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else fail "Installing packages needs root: run this as root, or install sudo. Wanted: $*"
  fi
}

install_packages() {
  local missing=() name
  for name in "$@"; do
    dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'install ok installed' || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "Installing Debian packages: ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

node_is_new_enough() {
  command -v node >/dev/null && [ "$(node -p 'Number(process.versions.node.split(".")[0]) >= 20')" = true ]
}

install_node() {
  export PATH="$root/build/node/node_modules/node/bin:$PATH"
  if ! node_is_new_enough; then
    install_packages nodejs npm
    node_is_new_enough || {
      say "Installing Node.js 22 in build/node (Debian's is older than 20)"
      mkdir -p "$root/build/node"
      npm install --prefix "$root/build/node" --no-audit --no-fund --loglevel=error node@22 >&2
      hash -r
    }
  fi
  command -v npm >/dev/null || install_packages npm
}

npm_install() {
  [ "$1/node_modules/.package-lock.json" -nt "$1/package-lock.json" ] && return 0
  say "Installing npm packages of ${1#"$root"/}"
  (cd "$1" && npm ci --no-audit --no-fund --loglevel=error >&2) ||
    fail "npm could not install the packages of $1: run \`npm ci\` there to see why."
  touch "$1/node_modules/.package-lock.json"
}

build_bridge() {
  local dir=$1 target=$2
  shift 2
  say "Building $target in ${dir#"$root"/}"
  mkdir -p "$dir"
  cmake -S "$root" -B "$dir" -G Ninja "$@" >"$dir/configure.log" 2>&1 ||
    { cat "$dir/configure.log" >&2; fail "CMake could not configure the build."; }
  ninja -C "$dir" "$target" >&2
}

build_plugin() {
  npm_install "$root/plugin"
  say "Building the plugin"
  (cd "$root/plugin" && npm run --silent build >&2)
}

# Not with `npm ci`: a registry mirror may lack OpenCode's packages for other platforms, which `npm ci` takes for a broken lock.
install_opencode() {
  local dir="$root/examples/opencode"
  opencode="$dir/node_modules/.bin/opencode"
  if [ ! "$dir/node_modules/.package-lock.json" -nt "$dir/package-lock.json" ]; then
    say "Installing OpenCode"
    (cd "$dir" && npm install --no-save --no-audit --no-fund --loglevel=error >&2) || fail "npm could not install OpenCode."
    touch "$dir/node_modules/.package-lock.json"
  fi
  "$opencode" --version >/dev/null || fail "OpenCode does not start: $opencode --version"
}
