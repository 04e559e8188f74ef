"""A service that uses the Python package for which the envelope was made, as far as its messages go.

It writes its keys in Pascal case, and reads Pascal or snake case and nothing else, out of what SNS has put around a message.
What it does not understand or does not know it drops after it has acknowledged it. Only the standard library is used.

    peer.py publish ENDPOINT ACCOUNT TOPIC_ARN PUBLISHER EVENT PAYLOAD
    peer.py read ENDPOINT ACCOUNT QUEUE_URL COUNT KNOWN_EVENT...    one line of JSON for each message
"""

import json
import sys
import time
import urllib.parse
import urllib.request
from datetime import datetime, timezone

DEADLINE = 60


def ask(service, body, headers):
    """What stands in for AWS takes the account from the credential, and looks at no signature."""
    scope = f"{account}/20260101/eu-central-1/{service}/aws4_request"
    headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
    request = urllib.request.Request(endpoint, body.encode(), headers)
    with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
        return answer.read()


def sqs(action, **body):
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"AmazonSQS.{action}"}
    return json.loads(ask("sqs", json.dumps(body), headers) or "{}")


def publish(topic, publisher, event, payload):
    # As the package has it: `UserService` becomes `Userservice`.
    publisher = publisher.capitalize()
    metadata = {
        "EventName": event,
        "EntityName": "User",
        "EntityId": "17",
        "PublisherName": publisher,
        "PublishDate": datetime.now(timezone.utc).isoformat(),
        "ContainsPersonalData": True,
        "Authorization": "",
        "Traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "Tracestate": "",
    }
    message = json.dumps({"Metadata": metadata, "Payload": json.loads(payload)})
    form = {"Action": "Publish", "Version": "2010-03-31", "TopicArn": topic, "Message": message}
    names = [("entityName", "User"), ("publisherName", publisher), ("eventName", event)]
    for at, (name, value) in enumerate(names, 1):
        entry = f"MessageAttributes.entry.{at}"
        form |= {f"{entry}.Name": name, f"{entry}.Value.DataType": "String", f"{entry}.Value.StringValue": value}
    ask("sns", urllib.parse.urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"})


def of(keys, snake):
    """The value of a key in Pascal case, or else in snake case."""
    pascal = "".join(part.capitalize() for part in snake.split("_"))
    return keys[pascal] if pascal in keys else keys[snake]


def handle(body, known):
    try:
        message = json.loads(json.loads(body)["Message"])
        metadata = of(message, "metadata")
        event, publisher, payload = of(metadata, "event_name"), of(metadata, "publisher_name"), of(message, "payload")
    except (KeyError, TypeError, ValueError) as error:
        return {"dropped": repr(error)}
    if event not in known:
        return {"dropped": f"unknown event {event}"}
    return {"event": event, "publisher": publisher, "entity_id": of(metadata, "entity_id"), "payload": payload}


def read(queue, count, *known):
    end, left = time.monotonic() + DEADLINE, int(count)
    while left > 0:
        if time.monotonic() > end:
            sys.exit(f"{left} of {count} messages did not come within {DEADLINE} s")
        got = sqs("ReceiveMessage", QueueUrl=queue, WaitTimeSeconds=1, MaxNumberOfMessages=10)
        for message in got.get("Messages") or []:
            sqs("DeleteMessage", QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            print(json.dumps(handle(message["Body"], known)))
            left -= 1


what, endpoint, account, *arguments = sys.argv[1:]
{"publish": publish, "read": read}[what](*arguments)
