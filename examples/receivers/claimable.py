"""Takes Claimable's webhooks: the event's name in the header Event-Name and in the body, and who did it by what way.

    PORT=9005 python3 claimable.py

Python 3.9 or later, standard library only. Prints a line of JSON for each request.
"""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY_BYTES_MAX = 1_000_000
# The labels' events were renamed: claim.label_added has become claim.label.added.
EVENTS = {
    *("claim.created", "claim.closed", "claim.reopened", "claim.assigned", "claim.unassigned"),
    *("claim.switched_type", "claim.label_added", "claim.label_removed", "contact.created"),
    *("claim.label.added", "claim.label.removed", "claim.deleted"),
    *("claim.damage.created", "claim.damage.deleted"),
}


def is_integer(value):
    """In Python, True is an int as well."""
    return isinstance(value, int) and not isinstance(value, bool)


def fault(name, body):
    """What is wrong with a request, or None."""
    if name not in EVENTS:
        return "Event-Name is none of Claimable's"
    subject = name.split(".")[0]
    if not isinstance(body, dict) or list(body) != [subject, "event_name", "source", "performed_by"]:
        return f"the keys are not {subject}, event_name, source and performed_by"
    if body["event_name"] != name:
        return "event_name is not Event-Name"
    if not isinstance(body[subject], dict) or not is_integer(body[subject].get("id")):
        return f"the {subject} has no id"
    performed_by = body["performed_by"]
    if not isinstance(performed_by, dict) or not isinstance(performed_by.get("name"), str):
        return "performed_by has no name"
    if body["source"] == "ui":
        person = list(performed_by) == ["user_id", "name"] and is_integer(performed_by["user_id"])
        return None if person else "performed_by does not tell the user"
    if body["source"] == "api":
        return None if list(performed_by) == ["name"] else "performed_by tells more than the token's name"
    return "source is neither ui nor api"


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
            body = json.loads(body)
        except ValueError:
            return self.answer("the body is not JSON")
        name = self.headers.get("Event-Name", "")
        reason = fault(name, body)
        return self.answer(reason, None if reason else name)

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
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "9005"))), Receiver)
    print(f"listening on http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()
