"""What the scripts of Alpaca's clients share besides the steps: where the venue is, and what it is to say."""

import json
import time
import urllib.request

import steps
from steps import *

EQUITY, OTHER, PAIR = "AAPL", "SPY", "BTC/USD"

# What the venue answers, by what was wrong: the status of HTTP, the code, the text.
NO_QTY = (422, 40010001, "qty or notional is required")
DUPLICATE_ID = (422, 40010001, "client_order_id must be unique")
NO_PROFIT = (422, 40010001, "bracket orders require take_profit.limit_price")
SUB_PENNY = (422, 42210000, "invalid limit_price 100.123. sub-penny increment does not fulfill minimum pricing criteria")
FRACTION_DAY = (422, 42210000, "fractional orders must be DAY orders")
CRYPTO_TIF = (422, 42210000, "invalid crypto time_in_force")
NOT_SHORTABLE = (422, 42210000, 'asset "HTBX" cannot be sold short')
NO_POWER = (403, 40310000, "insufficient buying power")
SUSPENDED = (403, 40310000, "new orders are rejected by user request")
NO_ORDER = (404, 40410000, "order not found")
NO_POSITION = (404, 40410000, "position does not exist")
BAD_KEY = (401, 40110000, "request is not authorized")


class Venue:
    """Where the venue listens and who we are there."""

    def __init__(self, ready):
        ready = ready["alpaca"]
        self.rest, self.data = ready["rest_url"], ready["data_url"]
        self.stream, self.data_stream = ready["stream_url"], ready["data_stream_url"]
        self.control = ready["control_url"]
        self.key = ready["accounts"][0]["api_key"]
        self.secret = ready["accounts"][0]["secret"]

    def order(self, path, **members):
        """Asks something of the control port."""
        body = json.dumps(members).encode()
        request = urllib.request.Request(self.control + path, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    def quote(self, symbol, bid, ask, trade=None):
        """A market as it is asked for; the model may move it afterwards."""
        self.order("/market", symbol=symbol, bid=str(bid), ask=str(ask), **({"trade": str(trade)} if trade else {}))


def alpaca():
    return steps.Steps(Venue)


def eventually(what, look):
    """As `until`, for clients that block."""
    deadline = time.monotonic() + steps.PATIENCE_SECONDS / 2
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"waited in vain for {what}")
