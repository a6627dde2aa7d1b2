#!/bin/sh
# server DIRECTORY [--console-address :PORT]
set -eu
[ "$1" = server ]
mkdir -p "$2"
# What `mc` does comes with the name and password of the administrator, who is the only one to have access at first.
cat >/tmp/s3.json <<JSON
{"identities": [{"name": "root", "actions": ["Admin", "Read", "List", "Tagging", "Write"],
  "credentials": [{"accessKey": "$MINIO_ROOT_USER", "secretKey": "$MINIO_ROOT_PASSWORD"}]}]}
JSON
cd /tmp
exec weed -logtostderr=true server -ip minio -ip.bind 0.0.0.0 -dir "$2" -master.volumeSizeLimitMB 64 -volume.max 500 \
    -filer -s3 -s3.port 9000 -s3.config /tmp/s3.json -s3.iam=false -s3.port.lance 0 -s3.port.iceberg 0 \
    -s3.autoCreateBucket=false -s3.allowDeleteBucketNotEmpty=false
