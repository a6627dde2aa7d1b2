#!/bin/sh
# What deploy/minio/setup.sh calls of MinIO's client, done with SeaweedFS's shell. Like there, names and keys that are no
# arguments come on standard input, and attaching a policy that is attached already is an error.
set -eu
state=/tmp/mc
mkdir -p $state

fail() { echo "mc: <ERROR> $*" >&2; exit 1; }

shell() {
    cd /tmp
    echo "$*" | timeout 20 weed shell -master=minio:9333 >$state/out 2>&1 || { cat $state/out >&2; fail "weed shell failed"; }
    ! grep -qi '^error' $state/out || { cat $state/out >&2; exit 1; }
}

case "$1 $2 ${3:-}" in
"alias set "*) # NAME URL <USER and PASSWORD
    [ "$#" = 4 ] || fail "keys in the arguments of alias set"
    read -r user && read -r secret && [ -n "$user$secret" ] || fail "alias set: no keys"
    shell s3.bucket.list
    ;;
"mb --ignore-existing "*/*)
    shell s3.bucket.list
    bucket=${3#*/}
    grep -q "^ *${bucket}[[:space:]]" $state/out || shell s3.bucket.create -name "$bucket"
    ;;
"admin policy create") # ALIAS NAME FILE
    cp "$6" "$state/policy-$5"
    ;;
"admin user add") # ALIAS <USER and PASSWORD
    [ "$#" = 4 ] || fail "keys in the arguments of admin user add"
    read -r user && read -r secret || fail "admin user add: no keys"
    printf '%s\n' "$secret" >"$state/user-$user"
    ;;
"admin policy attach") # ALIAS POLICY --user USER
    policy=$state/policy-$5 user=$7 secret=$(cat "$state/user-$7") actions=''
    shell s3.configure
    ! grep -q "\"name\": *\"$user\"" $state/out || fail "The specified policy change is already in effect."
    bucket=$(sed -n 's/.*arn:aws:s3:::\([a-z0-9-]*\)".*/\1/p' "$policy" | head -n 1)
    for pair in s3:ListBucket=List s3:GetObject=Read s3:PutObject=Write; do
        ! grep -q "\"${pair%=*}\"" "$policy" || actions=$actions${actions:+,}${pair#*=}
    done
    shell s3.configure -user "$user" -access_key "$user" -secret_key "$secret" -buckets "$bucket" -actions "$actions" -apply
    ;;
*) fail "the stand-in for mc does not know: $*" ;;
esac
