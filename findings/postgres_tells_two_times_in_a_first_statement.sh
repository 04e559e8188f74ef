#!/usr/bin/env bash
# PostgreSQL 15 (the package postgresql 15 of Debian 12), asked by pg8000 1.31.2.
#
# The manual says of statement_timestamp() and transaction_timestamp() that they "return the same value during the first
# command of a transaction" (chapter "Date/Time Functions and Operators", "Current Date/Time"). So a statement that is a
# transaction by itself should see one time, and whoever wants to know whether a transaction was begun before could compare
# the two.
#
# That holds for a statement that is sent as text. A client that binds parameters sends several messages for one statement,
# and each of them counts as a command: the transaction begins with Parse or Bind, the statement with Execute. Then the two
# differ in the first statement, by what lies between the messages, although nothing was begun. Only sometimes both fall
# into one microsecond, so many are asked.
#
# Seen:
#   PostgreSQL 15, pg8000 1.31.2
#   of 1000 statements by themselves, sent as text: 1000 see one time
#   of 1000 statements by themselves, with a parameter: fewer than 100 see one time
set -euo pipefail
script=$(realpath "${BASH_SOURCE[0]}")
programs=/usr/lib/postgresql/15/bin
[ -x $programs/initdb ] || {
    echo 'skipped: the package postgresql 15 of Debian 12 is not installed'
    exit 77
}
folder=$(mktemp -d)
chmod 755 "$folder"
server=''
end() {
    [ -z "$server" ] || kill -INT "$server" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$folder"
}
trap end EXIT
cd "$folder"
python3 -m venv python
python/bin/pip --quiet install pg8000==1.31.2 python-dateutil==2.9.0.post0 scramp==1.4.5 asn1crypto==1.5.1 six==1.16.0

as=()
if [ "$(id -u)" = 0 ]; then
    as=(setpriv --reuid=postgres --regid=postgres --init-groups)
fi
mkdir run
chmod 777 run
port=$(python3 -c '
import socket
one = socket.socket()
one.bind(("127.0.0.1", 0))
print(one.getsockname()[1])')
"${as[@]}" $programs/initdb -D "$folder/run/data" -A trust -U postgres --no-sync -E UTF8 --locale=C >log 2>&1
"${as[@]}" $programs/postgres -D "$folder/run/data" -p "$port" -c listen_addresses=127.0.0.1 \
    -c unix_socket_directories= >log 2>&1 &
server=$!
until psql -h 127.0.0.1 -p "$port" -U postgres -Atc 'SELECT 1' >/dev/null 2>&1; do sleep 0.2; done

{
    echo "PostgreSQL $($programs/postgres --version | sed 's/.* \([0-9]*\)\..*/\1/'), pg8000 1.31.2"
    python/bin/python - "$port" <<'PYTHON'
import sys

import pg8000.native

connection = pg8000.native.Connection("postgres", host="127.0.0.1", port=int(sys.argv[1]), database="postgres")
ask = "SELECT statement_timestamp() = transaction_timestamp()"
text = sum(connection.run(ask)[0][0] for _ in range(1000))
bound = sum(connection.run(ask + " AND :one = 1", one=1)[0][0] for _ in range(1000))
print(f"of 1000 statements by themselves, sent as text: {text} see one time")
few = "fewer than 100" if bound < 100 else bound
print(f"of 1000 statements by themselves, with a parameter: {few} see one time")
print(bound, file=sys.stderr)
PYTHON
} | tee seen
sed -n '/^# Seen:/,/^[^#]/ s/^#   //p' "$script" | diff - seen
