#!/usr/bin/env bash
# RabbitMQ 3.10 (the package rabbitmq-server of Debian 12, by py-amqp 5.3.1), a quorum queue.
#
# Two messages wait, and a consumer with a prefetch of 1 is sent the first. It acknowledges it and cancels itself at once. The
# acknowledgement has the queue lend the second to the consumer, and the cancel has the channel not send it. It is taken back as
# if it had been delivered: whoever gets it finds `x-delivery-count: 1` and `redelivered`, and after as many cancels as the
# `x-delivery-limit` of the queue it would be a dead letter that nobody has been sent.
#
# One would expect that what no consumer was sent counts as no delivery.
#
# It is a race, and in a few runs of a hundred the second message is sent before the cancel: such a run is tried again.
#
# Seen:
#   RabbitMQ 3.10
#   sent to the consumer: 1
#   got by another channel: 2, x-delivery-count 1, redelivered True
set -euo pipefail
script=$(realpath "${BASH_SOURCE[0]}")
program=$(compgen -G '/usr/lib/rabbitmq/lib/rabbitmq_server-3.10.*/sbin/rabbitmq-server' | tail -n 1) || {
    echo 'skipped: the package rabbitmq-server of Debian 12, RabbitMQ 3.10, is not installed'
    exit 77
}
folder=$(mktemp -d)
names=
end() {
    [ ! -s "$folder/pid" ] || kill "$(cat "$folder/pid")" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    [ -z "$names" ] || kill "$names" 2>/dev/null || true
    wait "$names" 2>/dev/null || true
    rm -rf "$folder"
}
server=
trap end EXIT
cd "$folder"

python3 -m venv python
python/bin/python -m pip install --quiet --disable-pip-version-check amqp==5.3.1 vine==5.1.0

read -r port distribution ERL_EPMD_PORT < <(python3 -c '
import socket
sockets = [socket.socket() for _ in range(3)]
[s.bind(("127.0.0.1", 0)) for s in sockets]
print(*(s.getsockname()[1] for s in sockets))')
printf 'loopback_users = none\nlog.console = false\n' >rabbitmq.conf
echo '[].' >enabled_plugins
export ERL_EPMD_PORT ERL_EPMD_ADDRESS=127.0.0.1
epmd -address 127.0.0.1 -port "$ERL_EPMD_PORT" >/dev/null 2>&1 &
names=$!
# A server that does not find it starts another one, which would outlive it.
until epmd -names >/dev/null 2>&1; do sleep 0.1; done
HOME=$folder RABBITMQ_NODENAME=finding@localhost RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT=$port \
    RABBITMQ_DIST_PORT=$distribution RABBITMQ_MNESIA_BASE=$folder/mnesia RABBITMQ_LOG_BASE=$folder/log \
    RABBITMQ_CONFIG_FILE=$folder/rabbitmq RABBITMQ_ENABLED_PLUGINS_FILE=$folder/enabled_plugins \
    RABBITMQ_PID_FILE=$folder/pid RABBITMQ_CONF_ENV_FILE=/dev/null ERL_CRASH_DUMP=$folder/dump \
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-setcookie finding' "$program" >server 2>&1 &
server=$!

cat >ask.py <<'PYTHON'
import sys
import time

import amqp
from amqp import spec

# What the server sends to any channel, whatever the client does with it.
deliveries = []
dispatch = amqp.Channel.dispatch_method


def listening(channel, method, payload, content):
    if method == spec.Basic.Deliver:
        deliveries.append(bytes(content.body).decode())
    return dispatch(channel, method, payload, content)


amqp.Channel.dispatch_method = listening

deadline = time.monotonic() + 300
while True:
    try:
        connection = amqp.Connection(f"127.0.0.1:{sys.argv[1]}", userid="guest", password="guest")
        connection.connect()
        break
    except OSError:
        if time.monotonic() > deadline:
            raise
        time.sleep(0.3)
about = connection.server_properties
print(about["product"], ".".join(about["version"].split(".")[:2]))


def drain(seconds):
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        try:
            connection.drain_events(timeout=left)
        except OSError:
            pass


def run(queue):
    publisher = connection.channel()
    publisher.queue_declare(queue, durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
    for body in ("1", "2"):
        publisher.basic_publish_confirm(amqp.Message(body), routing_key=queue)
    deliveries.clear()
    consumer, got = connection.channel(), []
    consumer.basic_qos(0, 1, False)
    tag = consumer.basic_consume(queue, callback=got.append)
    while not got:
        connection.drain_events(timeout=30)
    consumer.basic_ack(got[0].delivery_tag)
    consumer.basic_cancel(tag)
    drain(0.5)
    sent = list(deliveries)
    # The channel that has consumed is still open, so that nothing comes back by its end.
    return sent, publisher.basic_get(queue)


for attempt in range(20):
    sent, message = run(f"orders-{attempt}")
    if len(sent) == 1 and message is not None:
        break
print("sent to the consumer:", *sent)
print(
    f"got by another channel: {message.body}, x-delivery-count {message.headers.get('x-delivery-count')},"
    f" redelivered {message.delivery_info['redelivered']}"
)
PYTHON
python/bin/python ask.py "$port" | tee seen
sed -n '/^# Seen:/,/^[^#]/ s/^#   //p' "$script" | diff - seen
