# Sourced by the checks that drive the real binary as a shell does: a folder of their own in $work, a home without anybody's
# keys, and the words to check with. Each check prints a line; finish prints "N pass" and
# "N fail" and is false after a failure.
binary=${SANDBRIDGE_BINARY:-$(dirname "${BASH_SOURCE[0]}")/../build/sandbridge}
work=$(mktemp -d)
export XDG_STATE_HOME=$work/state HOME=$work/home
mkdir "$HOME"
unset TENSORLAKE_API_KEY TENSORLAKE_PAT SANDBRIDGE_TOKEN SANDBRIDGE_TOKEN_FILE http_proxy HTTP_PROXY
pass=0 fail=0

check() { # SENTENCE GOT WANTED
  if [ "$2" = "$3" ]; then
    pass=$((pass + 1)) && echo "ok   $1"
  else
    fail=$((fail + 1)) && echo "FAIL $1: got [$2], wanted [$3]"
  fi
}
holds() { # SENTENCE TEXT PART
  case $2 in *"$3"*) check "$1" yes yes ;; *) check "$1" "$2" "... $3 ..." ;; esac
}
until_true() { # COMMAND...: for 30 s at most
  for _ in $(seq 600); do
    "$@" && return 0
    sleep 0.05
  done
  return 1
}
in_demo() { "$binary" exec --session demo -- "$@" </dev/null; }
finish() {
  printf '%d pass\n%d fail\n' "$pass" "$fail"
  [ "$fail" = 0 ]
}
