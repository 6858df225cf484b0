#!/usr/bin/env bash
# Builds the fuzz targets and runs each of them for SECONDS (60) of wall time, as many side by side as there are cores. Fails
# with the inputs that broke a target, and how to run one again. Every run begins with the kept inputs in corpus/.
#
#   test/fuzz/run.sh [SECONDS [TARGET...]]
#   test/fuzz/run.sh --keep TARGET...    adds to corpus/ what the last run found worth keeping: at most 40 small inputs
#
# SANDBRIDGE_FUZZ_BUILD is the build's folder, build-fuzz if it is not set.
set -euo pipefail
cd "$(dirname "$0")/../.."
source examples/install.sh

corpus=test/fuzz/corpus
build=${SANDBRIDGE_FUZZ_BUILD:-build-fuzz}
work=$build/work
# An input may take so long and so much, sanitizers and a busy machine included.
limits=(-timeout=20 -rss_limit_mb=1024 -malloc_limit_mb=256 -max_len=4096)

usage() { sed -n '2,9s/^# \{0,1\}//p' "$0"; }

# One target, until it is through or broken; its last words go to its log.
run_target() {
  local name=$1 seconds=$2 found=$work/$1
  mkdir -p "$found" "$work/broken"
  "$build/fuzz-$name" "${limits[@]}" -max_total_time="$seconds" -print_final_stats=1 -artifact_prefix="$work/broken/$name-" \
    "$found" "$corpus/$name" >"$work/$name.log" 2>&1
}

# Inputs that reach what the kept ones do not, smallest first.
keep() {
  local name=$1 new
  new=$(mktemp -d)
  "$build/fuzz-$name" "${limits[@]}" -merge=1 "$corpus/$name" "$new" >/dev/null 2>&1 || true
  mkdir -p "$new/all"
  "$build/fuzz-$name" "${limits[@]}" -merge=1 "$new/all" "$corpus/$name" "$work/$name" >/dev/null 2>&1
  find "$new/all" -type f -size -2k -printf '%s %p\n' | sort -n | head -n 40 | while read -r _ path; do
    cmp -s "$path" "$corpus/$name/${path##*/}" || cp "$path" "$corpus/$name/"
  done
  rm -rf "$new"
}

case "${1:-}" in
  -h | --help) usage; exit 0 ;;
  --keep) shift; for name in "$@"; do keep "$name"; done; exit 0 ;;
esac
seconds=${1:-60}
shift || true
[[ $seconds =~ ^[0-9]+$ ]] || { usage >&2; exit 2; }

install_packages "${build_packages[@]}"
build_bridge "$build" fuzz -DSANDBRIDGE_FUZZ=ON -DSANDBRIDGE_TESTS=OFF
rm -rf "$work/broken"
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1
names=("$@")
if [ ${#names[@]} = 0 ]; then
  for path in "$corpus"/*/; do names+=("$(basename "$path")"); done
fi

say "Fuzzing ${#names[@]} targets, $seconds s each"
running=() failed=0
declare -A of
collect() {
  local pid status=0 name
  wait -n -p pid "${running[@]}" || status=$?
  name=${of[$pid]}
  running=("${running[@]/$pid/}")
  # shellcheck disable=SC2206  # drops the empty one
  running=(${running[@]})
  if [ "$status" = 0 ]; then
    awk -v name="$name" '/stat::number_of_executed_units/ { n = $2 } /^#[0-9].*cov:/ { for (i = 1; i < NF; i++) if ($i == "cov:") c = $(i + 1) }
      END { printf "%-16s %9d inputs, %5d edges reached: nothing broke\n", name, n, c }' "$work/$name.log"
    return
  fi
  failed=$((failed + 1))
  grep -aE "this does not hold|SUMMARY|ERROR: " "$work/$name.log" | head -n 5 || tail -n 20 "$work/$name.log"
  printf '%s broke; its last words are in %s\n' "$name" "$work/$name.log"
  for path in "$work/broken/$name"-*; do
    [ -f "$path" ] || continue
    printf '  run it again: %s %s\n  the input in base64: %s\n' "$build/fuzz-$name" "$path" "$(base64 -w0 "$path")"
  done
  return 0
}
for name in "${names[@]}"; do
  [ ${#running[@]} -lt "$(nproc)" ] || collect
  run_target "$name" "$seconds" &
  running+=($!)
  of[$!]=$name
done
while [ ${#running[@]} -gt 0 ]; do collect; done

printf '# pass %d\n# fail %d\n' $((${#names[@]} - failed)) "$failed"
[ "$failed" = 0 ]
