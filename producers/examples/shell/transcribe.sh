#!/bin/sh
# Publishes a job, waits for its result, and prints the text: BOOTSTRAP REGISTRY TENANT RECORDING LANGUAGE.
# Needs kcat, curl and jq. avro.jq beside it does what `kcat -s value=avro -r REGISTRY` does where kcat was built with Avro.
set -eu
bootstrap=$1 registry=$2 tenant=$3 recording=$4 language=$5
here=$(dirname "$0")
job_id=$(cat /proc/sys/kernel/random/uuid) # the same id is the same job, however often it is sent
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

job='{job_id: $job_id, tenant: $tenant, source: {uri: $recording}, options: {language: $language, word_timestamps: false},
  requested_at: (now * 1000000 | floor)}'
curl -sSf "$registry/subjects/scribe.jobs-value/versions/latest" |
  jq -r -L "$here" --arg job_id "$job_id" --arg tenant "$tenant" --arg recording "$recording" --arg language "$language" \
    "include \"avro\"; (.id | header) + (.schema as \$schema | $job | write(\$schema | fromjson)) | escaped" > "$folder/escaped"
printf '%b' "$(cat "$folder/escaped")" > "$folder/job"
kcat -P -b "$bootstrap" -X acks=all -t scribe.jobs -k "$job_id" "$folder/job"
echo "job $job_id" >&2

# read_committed, else work is seen that was taken back
results() { kcat -C -q -b "$bootstrap" -X isolation.level=read_committed -t scribe.results "$@"; }
until found=$(results -e -o beginning -f '%k %p %o\n' | grep "^$job_id "); do sleep 1; done
set -- $found
results -p "$2" -o "$3" -c 1 -f '%s' | od -An -v -tu1 | jq -s . > "$folder/result"
schema_id=$(jq -L "$here" 'include "avro"; header_id' "$folder/result")
curl -sSf "$registry/schemas/ids/$schema_id" > "$folder/schema"
jq -r -L "$here" --slurpfile schema "$folder/schema" 'include "avro";
  .[5:] | read($schema[0].schema | fromjson)
  | if .error then "\(.error.code): \(.error.message)\n" | halt_error
    elif .claim_check then "the transcript lies at \(.claim_check.uri)"
    else .transcript.segments[].text | ltrimstr(" ") end' "$folder/result"
