"""Takes Casebook's webhooks: unsigned JSON of seven keys.

    PORT=9003 python3 casebook.py

Python 3.9 or later, standard library only. Prints a line of JSON for each request.
"""

import json
import os
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY_BYTES_MAX = 1_000_000
KEYS = ["resource", "tenant_id", "user_id", "resource_id", "resource_type", "event_type", "event_time"]
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
EVENT_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def fault(event):
    """What is wrong with an event, or None."""
    if not isinstance(event, dict) or list(event) != KEYS:
        return "the keys are not those of the documentation, in its order"
    for key in ("tenant_id", "user_id", "resource_id"):
        if not (isinstance(event[key], str) and UUID.fullmatch(event[key])):
            return f"{key} is not a UUID"
    if not isinstance(event["resource"], dict) or event["resource"].get("id") != event["resource_id"]:
        return "resource_id is not the id of the resource"
    if not re.fullmatch(r"[a-z_]+s|people", str(event["resource_type"])):
        return "resource_type is not a plural noun"
    if event["event_type"] not in ("CREATE", "UPDATE", "DELETE"):
        return "event_type is not CREATE, UPDATE or DELETE"
    if not EVENT_TIME.fullmatch(str(event["event_time"])):
        return "event_time does not have microseconds and Z"
    return None


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        if length > BODY_BYTES_MAX:
            self.close_connection = True
            return self.answer("the body is too large")
        body = self.rfile.read(length)
        if self.headers.get_content_type() != "application/json":
            return self.answer("the body is not announced as JSON")
        try:
            event = json.loads(body)
        except ValueError:
            return self.answer("the body is not JSON")
        reason = fault(event)
        if reason:
            return self.answer(reason)
        # A retry is the same to the byte, and there is no id to know it by: remember what you have seen of
        # resource_id, event_type and event_time, and do the work once.
        return self.answer(None, f"{event['resource_type']} {event['event_type']}")

    def answer(self, reason, event=None):
        outcome = {"ok": reason is None, "reason": reason, "event": event}
        line = json.dumps({key: value for key, value in outcome.items() if value is not None})
        # In one piece, since several threads print.
        print(line + "\n", end="", flush=True)
        text = (reason or "").encode()
        self.send_response(200 if reason is None else 400)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        """Every request has its line already."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "9003"))), Receiver)
    print(f"listening on http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()
