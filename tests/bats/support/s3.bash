# A real S3 server on loopback, and what a client of it does. tests/setup.sh installs it.
#
# A suite loads this file behind helper, calls start_s3 in setup_file and stop_s3 in teardown_file.

S3_SERVER="$REPO/target/s3-server-venv"

# Starts a server on a free port; sets S3_ENDPOINT. Any key is taken, unless s3_key was called. One that a test starts again has
# the directory of the first: so stop_s3 knows it, too.
start_s3() {
  S3_FOLDER=${S3_FOLDER:-$(mktemp -d "$SUITE/s3-XXXXXX")}
  export S3_FOLDER
  : >"$S3_FOLDER/log"
  rm -f "$S3_FOLDER/client"
  # The server must not hold on to bats' own descriptors.
  (cd / && exec env -i PATH=/usr/bin:/bin HOME="$S3_FOLDER" PYTHONUNBUFFERED=1 \
    "$S3_SERVER/bin/moto_server" -H 127.0.0.1 -p "${1:-0}") >"$S3_FOLDER/log" 2>&1 3>&- 4>&- </dev/null &
  echo $! >"$S3_FOLDER/pid"
  local try
  for try in $(seq 100); do
    S3_ENDPOINT=$(grep -om1 'http://127\.0\.0\.1:[0-9]*' "$S3_FOLDER/log") && break
    sleep 0.1
  done
  export S3_ENDPOINT
  [ -n "$S3_ENDPOINT" ] || fail "the S3 server did not start after $try tries: $(cat "$S3_FOLDER/log")" || return
  (cd / && exec env -i PATH=/usr/bin:/bin AWS_EC2_METADATA_DISABLED=true \
    "$S3_SERVER/bin/python" "$REPO/tests/bats/support/s3_client.py" "$S3_ENDPOINT" "$S3_FOLDER/client") \
    >"$S3_FOLDER/client.log" 2>&1 3>&- 4>&- </dev/null &
  echo $! >>"$S3_FOLDER/pid"
  for try in $(seq 100); do
    [ ! -S "$S3_FOLDER/client" ] || return 0
    sleep 0.1
  done
  fail "the client of the S3 server did not start after $try tries: $(cat "$S3_FOLDER/client.log")"
}

stop_s3() {
  [ -n "${S3_FOLDER:-}" ] || return 0
  xargs kill <"$S3_FOLDER/pid" 2>/dev/null || true
}

# s3 CODE [ARGUMENT…]: runs Python with a client `s3` (and `iam`) and the arguments in `arguments`.
s3() {
  printf '%s\0' "$@" |
    curl -s --fail-with-body --unix-socket "$S3_FOLDER/client" -H Expect: --data-binary @- http://client/
}

# s3_bucket NAME: makes a bucket.
s3_bucket() { s3 's3.create_bucket(Bucket=arguments[0])' "$1"; }

# s3_put BUCKET KEY TEXT: makes an object.
s3_put() { s3 's3.put_object(Bucket=arguments[0], Key=arguments[1], Body=arguments[2].encode())' "$@"; }

# s3_get BUCKET KEY: prints an object.
s3_get() { s3 'sys.stdout.buffer.write(s3.get_object(Bucket=arguments[0], Key=arguments[1])["Body"].read())' "$@"; }

# s3_keys BUCKET: prints the names of the objects, one a line.
s3_keys() { s3 'for o in s3.list_objects_v2(Bucket=arguments[0]).get("Contents", []): print(o["Key"])' "$1"; }

# s3_key USER: makes a key that may do everything in S3 and prints its two parts. Only keys made so are taken from then
# on, until s3_any_key; take them by $(…), which waits for that.
s3_key() {
  s3_any_key
  s3 '
user = arguments[0]
iam.create_user(UserName=user)
everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
iam.put_user_policy(UserName=user, PolicyName="s3", PolicyDocument=json.dumps(everything))
key = iam.create_access_key(UserName=user)["AccessKey"]
print(key["AccessKeyId"], key["SecretAccessKey"])' "$1"
  s3_unchecked_calls 0
}
s3_any_key() { s3_unchecked_calls inf; }
s3_unchecked_calls() {
  s3 '
headers = {"Content-Type": "text/plain"}
request = urllib.request.Request(endpoint + "/moto-api/reset-auth", arguments[0].encode(), headers, method="POST")
urllib.request.urlopen(request)' "$1"
}
