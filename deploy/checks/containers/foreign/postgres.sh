#!/bin/bash
# Starts PostgreSQL as its image does: POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB are made once, in $PGDATA.
set -euo pipefail
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --username "$POSTGRES_USER" --pwfile <(printf '%s' "$POSTGRES_PASSWORD") --auth-local trust \
    --auth-host scram-sha-256 --encoding UTF8 --locale C --pgdata "$PGDATA" > /dev/null
  echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
  pg_ctl --wait --silent --pgdata "$PGDATA" -o "-c listen_addresses='' -c unix_socket_directories=/tmp" start > /dev/null
  [ "$POSTGRES_DB" = postgres ] || createdb --host /tmp --username "$POSTGRES_USER" --maintenance-db postgres "$POSTGRES_DB"
  pg_ctl --wait --silent --pgdata "$PGDATA" --mode fast stop > /dev/null
fi
exec postgres -D "$PGDATA" -c "listen_addresses=*" -c unix_socket_directories=/tmp
