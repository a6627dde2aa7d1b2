#!/bin/sh
# Creates the bucket `zones` and two users: a syncer, which reads and writes, and a receiver, which only reads.
# Runs in the container minio-setup. Further runs change nothing. Uses only the shell, `sleep` and `mc`, because
# MinIO's images contain little else. `mc` reads names and keys from standard input, because every user of the machine
# can read arguments of programs; `printf` is built into the shell.
set -eu

fail() { echo "minio-setup: $*" >&2; exit 1; }

tries=0
until out=$(printf '%s\n' "$MINIO_ROOT_USER" "$MINIO_ROOT_PASSWORD" | mc alias set minio http://minio:9000 2>&1); do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || fail "MinIO does not answer, or knows another MINIO_ROOT_PASSWORD: $out"
    sleep 1
done

# user NAME PASSWORD POLICY: creates a user with this policy
user() {
    mc admin policy create minio "$3" "/setup/$3.json"
    printf '%s\n' "$1" "$2" | mc admin user add minio
    # mc fails if the user already has the policy.
    out=$(mc admin policy attach minio "$3" --user "$1" 2>&1) || case $out in
        *"already in effect"*) ;;
        *) fail "$out" ;;
    esac
}

mc mb --ignore-existing minio/zones
user "$SYNC_ACCESS_KEY" "$SYNC_SECRET_KEY" sync
user "$RECEIVE_ACCESS_KEY" "$RECEIVE_SECRET_KEY" receive
