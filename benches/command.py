#!/usr/bin/env python3
"""How fast the command is, each figure side by side with what it is measured by, in one run.

    cargo build --release -p convoke-cli
    benches/command.py target/release/convoke           everything
    benches/command.py target/release/convoke help top  these alone: help, list, tail, redrive, top

help: a cold start of `convoke --help` beside a program with clap that does nothing (at most 1.5 times as long; built here, once).
list: `dead list` of 100,000 letters beside the same SELECT by `sqlite3` and `psql` (at most twice as long).
tail: 20,000 events a second for ten seconds over Redis: all are heard, and its memory does not grow.
redrive: `dead redrive` of 10,000 letters of a file; beside the library it is measured by `tests/run a_redrive_of_many`.
top: how much of a core the live view takes while it looks at a file with twenty queues once a second (at most 2 %).

It starts PostgreSQL and Redis by itself, on free ports, with data in a temporary folder. What cannot be had is said.
"""

import json
import os
import pty
import shutil
import socket
import sqlite3
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

LETTERS = 100_000
RECORD = json.dumps(
    {
        "convokeDeadLetter": [
            "String",
            json.dumps(
                {
                    "reason": "exhausted",
                    "errors": ["it has no price"],
                    "attempts": 5,
                    "source": "sqlite:orders",
                    "time": 1700000000000,
                }
            ),
        ]
    }
)


def quiet(command, **more):
    return subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, **more)


def took(command):
    start = time.perf_counter()
    quiet(command)
    return time.perf_counter() - start


def beside(ours, other, turns):
    """The medians of both, in turns."""
    pairs = [(took(ours), took(other)) for _ in range(turns)]
    return [statistics.median(times) for times in zip(*pairs)]


def told(what, ours, other, most):
    verdict = "kept" if ours <= most * other else "MISSED"
    print(f"figure: {what}: {ours:.4f} s beside {other:.4f} s, {ours / other:.2f} times ({verdict}: at most {most})", flush=True)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """A process that ends with the block."""

    def __init__(self, command, port, **more):
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)
        for _ in range(600):
            if self.process.poll() is not None:
                raise SystemExit(f"{command[0]} has ended")
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        raise SystemExit(f"{command[0]} does not listen")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def help_(convoke, folder):
    crate = folder / "nothing"
    (crate / "src").mkdir(parents=True)
    (crate / "Cargo.toml").write_text(
        '[package]\nname = "nothing"\nversion = "0.0.0"\nedition = "2021"\n\n[dependencies]\n'
        'clap = { version = "4", features = ["derive"] }\n\n[workspace]\n'
    )
    (crate / "src/main.rs").write_text(
        "#[derive(clap::Parser)]\n/// Does nothing\nstruct Nothing {\n    /// Something\n    #[arg(long)]\n"
        "    some: Option<String>,\n}\n\nfn main() {\n    let _ = <Nothing as clap::Parser>::parse();\n}\n"
    )
    lock = Path(__file__).resolve().parent.parent / "Cargo.lock"
    if lock.is_file():
        shutil.copy(lock, crate / "Cargo.lock")
    build = ["cargo", "build", "--release", "--quiet", "--offline", "--target-dir", str(folder / "built")]
    quiet(build, cwd=crate)
    ours, other = beside([convoke, "--help"], [str(folder / "built/release/nothing"), "--help"], 101)
    told("cold start of --help", ours, other, 1.5)


def file_of_letters(convoke, folder, name, letters):
    file = folder / name
    for queue in ("orders", "orders-dead"):
        url = f"sqlite:{file}#{queue}"
        quiet([convoke, "publish", url, "OrderPlaced", "--json", "{}", "--create"])
    with sqlite3.connect(file) as database:
        database.execute(
            "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?1) "
            "INSERT INTO convoke_message (queue, packet, topic, key, priority, due, attributes, body) "
            "SELECT 'orders-dead', n, 'orders/placed', NULL, 0, 0, ?2, CAST('{\"number\":' || n || '}' AS BLOB) FROM number",
            (letters - 1, RECORD),
        )
    database.close()
    return file


def list_(convoke, folder):
    file = file_of_letters(convoke, folder, "list.db", LETTERS)
    select = (
        "SELECT d.id, m.packet, m.topic, m.key, m.priority, m.attributes, m.body FROM convoke_delivery AS d "
        "JOIN convoke_message AS m ON m.id = d.message "
        "WHERE d.lane = (SELECT id FROM convoke_lane WHERE queue = 'orders-dead') ORDER BY d.id"
    )
    ours = [convoke, "dead", "list", f"sqlite:{file}#orders"]
    told("dead list of 100,000, SQLite", *beside(ours, ["sqlite3", str(file), select], 5), 2)
    if not all(map(shutil.which, ("initdb", "postgres", "psql"))):
        print("not measured: there is no PostgreSQL")
        return
    data, port = folder / "postgres", free_port()
    data.mkdir()
    as_user = []
    if os.getuid() == 0:
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
        os.chmod(folder, 0o755)
        shutil.chown(data, "postgres")
    quiet([*as_user, "initdb", "-D", str(data / "d"), "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8"])
    start = [*as_user, "postgres", "-D", str(data / "d"), "-p", str(port), "-c", "listen_addresses=127.0.0.1"]
    with Server([*start, "-c", f"unix_socket_directories={data}"], port):
        url = f"postgres://postgres@127.0.0.1:{port}/postgres"
        for _ in range(100):
            if subprocess.run(["psql", url, "-qc", "SELECT 1"], capture_output=True).returncode == 0:
                break
            time.sleep(0.1)
        quiet([convoke, "migrate", url, "--yes"])
        for queue in ("orders", "orders-dead"):
            quiet([convoke, "publish", f"{url}#{queue}", "OrderPlaced", "--json", "{}", "--create"])
        record = RECORD.replace("'", "''")
        fill = (
            "INSERT INTO convoke_delivery (lane, state, due, rank, packet, topic, attributes, is_text, body) "
            f"SELECT lane.id, 0, clock_timestamp(), 255, n::text, 'orders/placed', '{record}', true, "
            "convert_to('{\"number\":' || n || '}', 'UTF8') "
            f"FROM generate_series(1, {LETTERS - 1}) AS n, convoke_lane AS lane WHERE lane.queue = 'orders-dead'; ANALYZE"
        )
        quiet(["psql", url, "-qc", fill])
        select = (
            "SELECT id, packet, topic, key, rank, attributes, body FROM convoke_delivery "
            "WHERE lane = (SELECT id FROM convoke_lane WHERE queue = 'orders-dead') ORDER BY id"
        )
        ours = [convoke, "dead", "list", f"{url}#orders"]
        told("dead list of 100,000, PostgreSQL", *beside(ours, ["psql", url, "-Atc", select], 5), 2)


def memory(process):
    status = Path(f"/proc/{process}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1])


def tail(convoke, folder):
    if not shutil.which("redis-server"):
        print("not measured: there is no Redis")
        return
    port, rate, seconds = free_port(), 20_000, 10
    options = ["--bind", "127.0.0.1", "--dir", str(folder), "--save", "", "--daemonize", "no"]
    with Server(["redis-server", "--port", str(port), *options], port):
        url = f"redis://127.0.0.1:{port}#orders"
        quiet([convoke, "publish", url, "OrderPlaced", "--json", "{}", "--create"])
        body = json.dumps(
            {
                "metadata": {"eventId": "018f6a2b-7c3d-7000-8000-000000000001", "eventName": "OrderPlaced",
                             "eventVersion": 1, "topic": "orders/placed", "timestamp": "2026-01-02T03:04:05Z",
                             "containsPersonalData": False},
                "payload": {"id": 7, "total": 40},
            }
        ).encode()
        words = [b"XADD", b"orders", b"MAXLEN", b"~", b"100000", b"*", b"id", b"7", b"body", body]
        one = b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
        process = subprocess.Popen([convoke, "tail", url, "--json"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        heard, client = [0], socket.create_connection(("127.0.0.1", port))

        def count():
            while some := process.stdout.read1(1 << 20):
                heard[0] += some.count(b"\n")

        def drain():
            while client.recv(1 << 20):
                pass

        for work in (count, drain):
            threading.Thread(target=work, daemon=True).start()
        while heard[0] == 0:
            client.sendall(one)
            time.sleep(0.05)
        time.sleep(1)
        already, start, sent, some = heard[0], time.perf_counter(), 0, []
        while sent < rate * seconds:
            due = min(int((time.perf_counter() - start) * rate), rate * seconds)
            if due > sent:
                client.sendall(one * (due - sent))
                sent = due
            time.sleep(0.01)
            if not some or time.perf_counter() - start > len(some):
                some.append(memory(process.pid))
        wrote = time.perf_counter() - start
        while heard[0] - already < sent and time.perf_counter() - start < 3 * seconds:
            time.sleep(0.01)
        late = time.perf_counter() - start - wrote
        # The first second fills its buffers.
        grown = some[-1] - some[1]
        process.kill()
        process.wait()
        lost = sent - (heard[0] - already)
        verdict = "kept" if lost == 0 and late < 1 and grown < 8_000 else "MISSED"
        print(
            f"figure: tail of {sent / wrote:,.0f} events a second on Redis for {wrote:.1f} s: {lost} not heard, the last "
            f"{late:.2f} s late, {some[1]:,} KiB after a second and {grown:+,} KiB at the end ({verdict})",
            flush=True,
        )


def redrive(convoke, folder):
    file, letters = file_of_letters(convoke, folder, "redrive.db", 10_000), 10_000
    time_ = took([convoke, "dead", "redrive", f"sqlite:{file}#orders", "--all"])
    print(f"figure: redrive of {letters:,} letters of SQLite: {letters / time_:,.0f} a second", flush=True)


def top(convoke, folder):
    file = folder / "top.db"
    for number in range(20):
        quiet([convoke, "publish", f"sqlite:{file}#queue-{number}", "OrderPlaced", "--json", "{}", "--create"])
    process, terminal = pty.fork()
    if process == 0:
        os.environ["TERM"] = "xterm-256color"
        os.execv(convoke, [convoke, "top", f"sqlite:{file}"])
    import fcntl
    import termios

    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))

    def drain():
        try:
            while os.read(terminal, 1 << 16):
                pass
        except OSError:
            pass

    threading.Thread(target=drain, daemon=True).start()

    def used():
        fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    time.sleep(2)
    before, start = used(), time.perf_counter()
    time.sleep(30)
    share = 100 * (used() - before) / (time.perf_counter() - start)
    os.write(terminal, b"q")
    os.waitpid(process, 0)
    print(f"figure: top takes {share:.2f} % of a core ({'kept' if share <= 2 else 'MISSED'}: at most 2)", flush=True)


def main():
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    convoke, wanted = str(Path(sys.argv[1]).resolve()), sys.argv[2:]
    all_ = {"help": help_, "list": list_, "tail": tail, "redrive": redrive, "top": top}
    for name in wanted or all_:
        if name not in all_:
            raise SystemExit(f"there is no `{name}`: {', '.join(all_)}")
        with tempfile.TemporaryDirectory() as folder:
            all_[name](convoke, Path(folder))


main()
