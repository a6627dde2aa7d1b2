#!/bin/sh
# Creates the bucket `zones`. Runs in the container minio-setup. Further runs change nothing.
set -eu

fail() { echo "minio-setup: $*" >&2; exit 1; }

# shell COMMAND...: runs a command in SeaweedFS's shell, which reports errors only in its output
shell() {
    out=$(echo "$*" | timeout 20 weed shell -master=minio:9333 2>&1) || return 1
    case $out in *error:*) return 1 ;; esac
}

cd /tmp
tries=0
until shell s3.bucket.list; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || fail "SeaweedFS does not answer: $out"
    sleep 1
done
case $out in
*" zones"[!A-Za-z0-9.-]*) ;;
*) shell s3.bucket.create -name zones || fail "cannot make the bucket: $out" ;;
esac
