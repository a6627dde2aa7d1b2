#!/bin/sh
# SeaweedFS with the two users of the demonstration: a syncer, which reads and writes, and a receiver, which
# only reads. Runs in the container minio. The other ports of this container require no key, so they are not
# published.
set -eu

for key in "$SYNC_ACCESS_KEY" "$SYNC_SECRET_KEY" "$RECEIVE_ACCESS_KEY" "$RECEIVE_SECRET_KEY"; do
    case $key in
    "" | *[!A-Za-z0-9+/=_.~-]*)
        echo "seaweedfs: a key is empty, or contains characters other than A-Z a-z 0-9 + / = _ . ~ -" >&2
        exit 1
        ;;
    esac
done
umask 077
cat >/tmp/s3.json <<JSON
{"identities": [
  {"name": "sync", "actions": ["Read:zones", "List:zones", "Write:zones"],
   "credentials": [{"accessKey": "$SYNC_ACCESS_KEY", "secretKey": "$SYNC_SECRET_KEY"}]},
  {"name": "receive", "actions": ["Read:zones", "List:zones"],
   "credentials": [{"accessKey": "$RECEIVE_ACCESS_KEY", "secretKey": "$RECEIVE_SECRET_KEY"}]}]}
JSON
cd /tmp
exec weed -logtostderr=true server -ip minio -ip.bind 0.0.0.0 -dir /data -master.volumeSizeLimitMB 64 -volume.max 500 \
    -filer -s3 -s3.port 9000 -s3.config /tmp/s3.json -s3.autoCreateBucket=false -s3.allowDeleteBucketNotEmpty=false
