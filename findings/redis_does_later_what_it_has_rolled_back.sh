#!/usr/bin/env bash
# Redis 7.0.15 (the package redis-server of Debian 12), appendonly yes, appendfsync always, and all else as it is by default.
#
# What a script or a transaction has written stands in the append-only file between MULTI and EXEC. A server that is killed while it
# writes that leaves the beginning of it. Where the file ends within a command, the next start cuts off that command alone
# (aof-load-truncated yes) and rolls the transaction back in memory; its MULTI and the commands before the cut stay in the file.
# All that is written from then on stands behind that MULTI, and the start after that reads it so: what comes up to the next EXEC is
# one transaction. So it carries out the half that was rolled back, or, if no other transaction came, it rolls back what
# was written and confirmed since.
#
# One would expect that what was rolled back is gone, as where the file ends between two commands: then MULTI is cut off too. Valkey
# has mended it (9.1.2, its pull request 4342). Until then: BGREWRITEAOF behind a start whose log says `short read`.
#
# Seen:
#   Redis 7.0.15
#   a transaction of two entries of a stream and a key, cut within the key: 0 entries after one start
#   after another transaction and one more start: 2 entries, and the key is missing
#   the same with a SET in place of the other transaction, confirmed: it is missing
#   the same with BGREWRITEAOF behind the first start: 0 entries, and the SET is there
set -euo pipefail
server=$(command -v redis-server) && "$server" --version | grep -q ' v=7\.0\.15 ' || {
    echo 'skipped: the package redis-server 7.0.15 of Debian 12 is not installed'
    exit 77
}
folder=$(mktemp -d)
process=''
end() {
    [ -z "$process" ] || kill -9 "$process" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$folder"
}
trap end EXIT
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

ask() {
    redis-cli -p "$port" "$@"
}

start() {
    "$server" --port "$port" --bind 127.0.0.1 --save '' --appendonly yes --appendfsync always --dir "$data" >>"$folder/log" 2>&1 &
    process=$!
    until ask PING 2>/dev/null | grep -q PONG; do sleep 0.05; done
}

killed() {
    kill -9 "$process"
    wait "$process" 2>/dev/null || true
    process=''
}

# Begins a server, whose file ends within the last command of a transaction; starts it once more.
cut_off() {
    local file at
    data=$folder/$1
    mkdir "$data"
    start
    ask SET before 1 >/dev/null
    printf 'MULTI\nXADD news 1-1 said one\nXADD news 1-2 said two\nSET state closed\nEXEC\n' | ask >/dev/null
    killed
    file=$(ls "$data"/appendonlydir/*.incr.aof)
    at=$(grep -abo closed "$file" | tail -n 1 | cut -d : -f 1)
    truncate -s $((at + 3)) "$file"
    start
}

seen() {
    printf '%s\n' "$1"
    printf '%s\n' "$1" >>"$folder/seen"
}

missing() {
    [ -n "$(ask GET "$1")" ] && echo there || echo missing
}

seen "Redis $("$server" --version | sed 's/.* v=\([0-9.]*\) .*/\1/')"
cut_off transaction
seen "a transaction of two entries of a stream and a key, cut within the key: $(ask XLEN news) entries after one start"
printf 'MULTI\nSET other 1\nSET more 1\nEXEC\n' | ask >/dev/null
killed
start
seen "after another transaction and one more start: $(ask XLEN news) entries, and the key is $(missing state)"
killed

cut_off set
[ "$(ask SET confirmed 1)" = OK ]
killed
start
seen "the same with a SET in place of the other transaction, confirmed: it is $(missing confirmed)"
killed

cut_off rewritten
ask BGREWRITEAOF >/dev/null
until ask INFO persistence | grep -q '^aof_rewrite_in_progress:0' && ask INFO persistence | grep -q '^aof_rewrite_scheduled:0'; do sleep 0.05; done
ask SET confirmed 1 >/dev/null
killed
start
seen "the same with BGREWRITEAOF behind the first start: $(ask XLEN news) entries, and the SET is $(missing confirmed)"
killed

sed -n '/^# Seen:/,/^[^#]/s/^#   //p' "${BASH_SOURCE[0]}" | diff - "$folder/seen"
