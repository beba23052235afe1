#!/usr/bin/env bash
# Starts PostgreSQL; what a start that was cut off did not make is made first.
set -euo pipefail

make_what_is_missing() {
  local socket
  socket=$(mktemp -d)
  # Over this socket alone, so that nobody is let in, or finds it healthy, before it is whole.
  pg_ctl -D "$PGDATA" -s -w -t 86400 -l "$socket/log" \
    -o "-c listen_addresses='' -c unix_socket_directories='$socket'" start &&
    PGPASSWORD=${POSTGRES_PASSWORD:-} psql -w -q -h "$socket" -U postgres -d postgres -f "$databases"
  local made=$?
  [[ $made == 0 ]] || cat "$socket/log"
  pg_ctl -D "$PGDATA" -s -w -m fast stop || true
  rm -r "$socket"
  return $made
}

databases=$(dirname "$(realpath "$0")")/init.sql
if [[ -s $PGDATA/PG_VERSION ]]; then
  grep -q "^host all all all" "$PGDATA/pg_hba.conf" ||
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  if ! make_what_is_missing; then
    # A cluster that is whole starts nevertheless; the health check knows about the databases.
    echo "error: The databases cannot be looked at. When this is a new stack whose first start" \
      "was cut off, nothing is in it yet: \`make destroy\`, \`make up\`." >&2
  fi
fi
exec docker-entrypoint.sh "$@"
