# Reads a delivery from standard input: ends with 0 if its signature holds, with 3 if not.
import json
import sys

from standardwebhooks import Webhook, WebhookVerificationError

delivery = json.load(sys.stdin)
try:
    Webhook(delivery["secret"]).verify(delivery["body"], delivery["headers"])
except WebhookVerificationError:
    sys.exit(3)
