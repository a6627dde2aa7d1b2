# Functions of the scripts in this directory: parse arguments, and run commands in the containers of ../docker-compose.yml.
# Bash 3.2 of macOS fails if an empty array is expanded; "$@" may be empty.
# shellcheck shell=bash

name=$(basename "$0")
compose=(docker compose -f "$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)/docker-compose.yml" --profile receive)

fail() { echo "$name: $*" >&2; exit 1; }

# Prints the help: the comment at the top of the script.
help() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p;}' "$0"; }

# take ARGUMENTS...: sets `node` from -i, and `taken` to the number of arguments that the script must shift
take() {
    node=1 taken=0
    case "${1:-}" in
    -h | --help) help; exit ;;
    -i) node=${2:-} taken=2 ;;
    -i?*) node=${1#-i} taken=1 ;;
    esac
    # shellcheck disable=SC2034
    case $node in
    [1-3]) ;;
    *) echo "$name: -i requires the number of a server: 1, 2, or 3" >&2; exit 64 ;;
    esac
}

# need SERVICE: fails unless its container runs
need() {
    local running
    command -v docker >/dev/null || fail "there is no docker on the PATH"
    running=$("${compose[@]}" ps --services --status running 2>&1) || fail "docker compose: $running"
    grep -qx "$1" <<<"$running" ||
        fail "$1 is not running; start it: docker compose -f ${compose[3]}$([ "${1//[!0-9]/}" != 3 ] || echo ' --profile receive') up -d"
}

# within SERVICE COMMAND...: executes the command in the container, on this terminal if there is one
within() {
    local command=("${compose[@]}" exec)
    need "$1"
    [ -t 0 ] && [ -t 1 ] || command+=(-T)
    exec "${command[@]}" "$@"
}
