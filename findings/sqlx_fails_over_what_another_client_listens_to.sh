#!/usr/bin/env bash
# sqlx 0.9.0 over pgbouncer 1.18 in transaction mode (the packages pgbouncer and postgresql 15 of Debian 12).
#
# A client that comes through the pooler says LISTEN, as `PgListener` of sqlx does, and the pooler lets it: the server's
# connection on which the statement ran listens from then on, whoever has it next. Another client of the same pooler, which
# never listens to anything, gets that connection for its own query. A notification that comes meanwhile is sent with the
# answer, and the plain `PgConnection` of sqlx fails over it, although the query itself was done.
#
# One would expect that LISTEN is refused there, or that a client passes over a message that the protocol allows at any time
# ("Frontends must also be prepared to accept NotificationResponse at any time", PostgreSQL's chapter on asynchronous
# operations), as libpq does: psql prints the notification and the result.
#
# Seen:
#   sqlx 0.9.0, pgbouncer 1.18, PostgreSQL 15
#   by psql: 1, and a notification that nobody there has asked for
#   by sqlx: encountered unexpected or invalid data: execute: unexpected message: NotificationResponse
set -euo pipefail
script=$(realpath "${BASH_SOURCE[0]}")
programs=/usr/lib/postgresql/15/bin
[ -x $programs/initdb ] && pgbouncer=$(command -v pgbouncer || ls /usr/sbin/pgbouncer 2>/dev/null) &&
    "$pgbouncer" --version | grep -q '^PgBouncer 1\.18\.' || {
    echo 'skipped: the packages postgresql 15 and pgbouncer 1.18 of Debian 12 are not installed'
    exit 77
}
folder=$(mktemp -d)
chmod 755 "$folder"
server='' pooler=''
end() {
    [ -z "$pooler" ] || kill "$pooler" 2>/dev/null || true
    [ -z "$server" ] || kill -INT "$server" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$folder"
}
trap end EXIT
cd "$folder"

as=()
if [ "$(id -u)" = 0 ]; then
    as=(setpriv --reuid=postgres --regid=postgres --init-groups)
fi
mkdir run
chmod 777 run
read -r port pooled < <(python3 -c '
import socket
sockets = [socket.socket() for _ in range(2)]
[s.bind(("127.0.0.1", 0)) for s in sockets]
print(*(s.getsockname()[1] for s in sockets))')
"${as[@]}" $programs/initdb -D "$folder/run/data" -A trust -U postgres --no-sync -E UTF8 --locale=C >log 2>&1
"${as[@]}" $programs/postgres -D "$folder/run/data" -p "$port" -c listen_addresses=127.0.0.1 \
    -c unix_socket_directories= >log 2>&1 &
server=$!
cat >run/ini <<INI
[databases]
postgres = host=127.0.0.1 port=$port user=postgres dbname=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $pooled
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 1
INI
"${as[@]}" "$pgbouncer" "$folder/run/ini" >pooler.log 2>&1 &
pooler=$!
until psql -h 127.0.0.1 -p "$pooled" -U postgres -Atc 'SELECT 1' >/dev/null 2>&1; do sleep 0.2; done

mkdir -p ask/src
cat >ask/Cargo.toml <<'TOML'
[package]
name = "ask"
version = "0.0.0"
edition = "2024"

[dependencies]
sqlx = { version = "=0.9.0", default-features = false, features = ["runtime-tokio", "postgres"] }
tokio = { version = "1", features = ["macros", "rt"] }
TOML
cat >ask/src/main.rs <<'RUST'
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Row};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let url = std::env::args().nth(1).unwrap();
    let options: PgConnectOptions = url.parse().unwrap();
    // This pooler refuses a parameter that it does not know.
    let options = options.extra_float_digits(None);
    let mut one: PgConnection = options.connect().await.unwrap();
    let mut other: PgConnection = options.connect().await.unwrap();
    sqlx::raw_sql("LISTEN news").execute(&mut one).await.unwrap();
    // Sent by the server with the answer, because this connection of it listens.
    let asked = sqlx::raw_sql("NOTIFY news; SELECT 1").fetch_one(&mut other).await;
    let said = match asked {
        Ok(row) => row.get::<i32, _>(0).to_string(),
        Err(error) => error.to_string(),
    };
    println!("by sqlx: {}", said.split(" (").next().unwrap());
    let _ = other.close().await;
}
RUST
cargo build --quiet --manifest-path ask/Cargo.toml

{
    version=$("$pgbouncer" --version | sed -n 's/^PgBouncer \([0-9]*\.[0-9]*\).*/\1/p')
    echo "sqlx 0.9.0, pgbouncer $version, PostgreSQL $($programs/postgres --version | sed 's/.* \([0-9]*\)\..*/\1/')"
    psql -h 127.0.0.1 -p "$pooled" -U postgres -qAtc 'LISTEN news'
    said=$(psql -h 127.0.0.1 -p "$pooled" -U postgres -qAt -c 'NOTIFY news' -c 'SELECT 1')
    case $said in
        *Asynchronous*) echo "by psql: $(grep -x 1 <<<"$said"), and a notification that nobody there has asked for" ;;
        *) echo "by psql: $said" ;;
    esac
    ask/target/debug/ask "postgres://postgres@127.0.0.1:$pooled/postgres"
} | tee seen
sed -n '/^# Seen:/,/^[^#]/ s/^#   //p' "$script" | diff - seen
