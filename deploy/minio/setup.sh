#!/bin/sh
# Makes the bucket `zones` and two users: one for the syncers, which reads and writes, one for receivers, which only reads.
# Runs in the container minio-setup. Nothing changes when it runs again. Only the shell, `sleep` and `mc` are used:
# MinIO's images have little else. `mc` reads names and keys from standard input, because arguments of programs are
# readable for every user of the machine; `printf` is a part of the shell.
set -eu

fail() { echo "minio-setup: $*" >&2; exit 1; }

tries=0
until out=$(printf '%s\n' "$MINIO_ROOT_USER" "$MINIO_ROOT_PASSWORD" | mc alias set minio http://minio:9000 2>&1); do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || fail "MinIO does not answer, or knows another MINIO_ROOT_PASSWORD: $out"
    sleep 1
done

# user NAME PASSWORD POLICY: the user has this policy
user() {
    mc admin policy create minio "$3" "/setup/$3.json"
    printf '%s\n' "$1" "$2" | mc admin user add minio
    # Where the user has the policy already, this is an error for mc.
    out=$(mc admin policy attach minio "$3" --user "$1" 2>&1) || case $out in
        *"already in effect"*) ;;
        *) fail "$out" ;;
    esac
}

mc mb --ignore-existing minio/zones
user "$SYNC_ACCESS_KEY" "$SYNC_SECRET_KEY" sync
user "$RECEIVE_ACCESS_KEY" "$RECEIVE_SECRET_KEY" receive
