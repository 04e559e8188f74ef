#!/usr/bin/env bash
# LocalStack 4.12.0 (localstack-core, by boto3 1.42.4), SQS, a FIFO queue.
#
# Two messages of one group are in flight, and a third waits. Once the second is given back, by a visibility timeout of 0, the
# group is open: a receive lends the second and the third, while the first is in flight. So the third overtakes the first.
#
# One would expect that nothing of the group is lent until the first is deleted or visible again. The guide of Amazon SQS, "FIFO
# queue delivery logic", says of a group of which messages are in flight that no more of it are returned.
#
# Seen:
#   lent: 1 2
#   lent while they are in flight: nothing
#   2 is given back, 1 is in flight
#   lent: 2 3
#   in flight: 3
set -euo pipefail
script=$(realpath "${BASH_SOURCE[0]}")
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || { kill "$server"; wait "$server" || true; } 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"

python3 -m venv python
python/bin/python -m pip install --quiet --disable-pip-version-check 'localstack-core[base-runtime]==4.12.0' \
    'moto-ext[sqs,sns]==5.1.54' boto3==1.42.4 botocore==1.42.4 cbor2==5.7.1 cryptography==45.0.7 pyopenssl==25.1.0 \
    service_identity==24.2.0 psutil==7.1.3

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
SERVICES=sqs EAGER_SERVICE_LOADING=1 DISABLE_EVENTS=1 SKIP_SSL_CERT_DOWNLOAD=1 DNS_ADDRESS=0 SQS_ENDPOINT_STRATEGY=off \
    GATEWAY_LISTEN=127.0.0.1:$port LOCALSTACK_HOST=127.0.0.1:$port LOCALSTACK_VOLUME=$folder/volume \
    FILESYSTEM_ROOT=$folder/root python/bin/python -m localstack.runtime.main >log 2>&1 &
server=$!

cat >ask.py <<'PYTHON'
import sys
import time
import urllib.request

import boto3

at = f"http://127.0.0.1:{sys.argv[1]}"
for _ in range(600):
    try:
        urllib.request.urlopen(f"{at}/_localstack/health", timeout=2)
        break
    except OSError:
        time.sleep(0.2)
sqs = boto3.client(
    "sqs", endpoint_url=at, region_name="eu-central-1", aws_access_key_id="000000000001", aws_secret_access_key="any"
)
settings = {"FifoQueue": "true", "VisibilityTimeout": "600"}
queue = sqs.create_queue(QueueName="orders.fifo", Attributes=settings)["QueueUrl"]


def send(body):
    sqs.send_message(QueueUrl=queue, MessageBody=body, MessageGroupId="one", MessageDeduplicationId=body)


def receive():
    return sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=2).get("Messages", [])


def bodies(messages):
    return " ".join(message["Body"] for message in messages) or "nothing"


send("1")
send("2")
first = receive()
print("lent:", bodies(first))
send("3")
print("lent while they are in flight:", bodies(receive()))
sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=first[1]["ReceiptHandle"], VisibilityTimeout=0)
print("2 is given back, 1 is in flight")
print("lent:", bodies(receive()))
name = "ApproximateNumberOfMessagesNotVisible"
print("in flight:", sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=[name])["Attributes"][name])
PYTHON
python/bin/python ask.py "$port" | tee seen
sed -n '/^# Seen:/,/^[^#]/ s/^#   //p' "$script" | diff - seen
