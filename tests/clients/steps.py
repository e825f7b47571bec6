"""What the scripts of all clients share: named steps, run in order, one line each; and what they expect of the venue.

A script is given the venue's ready line (JSON) as its argument and ends with 0 where every step did what it says.
"""

import asyncio
import inspect
import json
import sys
import time
import traceback
from decimal import Decimal

SYMBOL = "BTCUSDT"
# More than any step needs on a loaded machine: reaching it is a failure.
PATIENCE_SECONDS = 20
# Steps of calls that the simulated venue does not have yet. They are run last and counted apart: none of them can
# fail the test, and one that passes says that its name is to be taken off this list.
PENDING = []

# What the venue answers, by what was wrong.
UNKNOWN_ORDER = (-2011, "Unknown order sent.")
NO_SUCH_ORDER = (-2013, "Order does not exist.")
LOT_SIZE = (-1013, "Filter failure: LOT_SIZE")
PRICE_FILTER = (-1013, "Filter failure: PRICE_FILTER")
NOTIONAL = (-1013, "Filter failure: NOTIONAL")
TOO_PRECISE = (-1111, "Parameter 'quantity' has too much precision.")
WOULD_TAKE = (-2010, "Order would immediately match and take.")
DUPLICATE = (-2010, "Duplicate order sent.")
INSUFFICIENT = (-2010, "Account has insufficient balance for requested action.")
BAD_SIGNATURE = (-1022, "Signature for this request is not valid.")
OLD_TIMESTAMP = (-1021, "Timestamp for this request is outside of the recvWindow.")
BAD_SYMBOL = (-1121, "Invalid symbol.")
BAD_KEY = (-2015, "Invalid API-key, IP, or permissions for action.")


class Venue:
    """Where the venue listens and who we are there."""

    def __init__(self, ready):
        self.rest = ready["rest_url"]
        self.streams = ready["stream_url"]
        self.ws_api = ready["ws_api_url"]
        self.key = ready["accounts"][0]["api_key"]
        self.secret = ready["accounts"][0]["secret"]
        # As long as a secret, and not the one.
        self.wrong_secret = "x" * len(self.secret)


class Steps:
    """The steps of one client. A step is a function, plain or `async`, that raises where it fails."""

    def __init__(self, venue=Venue):
        self.venue = venue(json.loads(sys.argv[1]))
        self._steps = []
        self._at_end = []

    def __call__(self, name):
        def keep(function):
            self._steps.append((name, function))
            return function

        return keep

    def at_end(self, function):
        """Runs after all steps, to let go of connections."""
        self._at_end.append(function)
        return function

    def run(self):
        """Runs all and ends the process."""
        failed = asyncio.run(self._run())
        sys.stdout.flush()
        sys.exit(1 if failed else 0)

    async def _run(self):
        started = time.monotonic()
        unknown = set(PENDING) - {name for name, _ in self._steps}
        failed = [f"PENDING names no step: {name}" for name in unknown]
        done = [step for step in self._steps if step[0] not in PENDING]
        for name, function in done:
            begun = time.monotonic()
            fault = await self._step(function)
            if fault is None:
                print(f"ok       {name} ({(time.monotonic() - begun) * 1000:.0f} ms)")
            else:
                failed.append(name)
                print(f"FAILED   {name}: {fault}")
        pending = [step for step in self._steps if step[0] in PENDING]
        for name, function in pending:
            fault = await self._step(function)
            why = "it passes now: take it off PENDING" if fault is None else fault.splitlines()[0][:120]
            print(f"pending: {name}: {why}")
        for function in self._at_end:
            await self._step(function)
        took = time.monotonic() - started
        print(f"{len(done)} steps, {len(failed)} failed {failed or ''}, {len(pending)} pending, {took:.1f} s")
        return failed

    async def _step(self, function):
        """What went wrong, or `None`."""
        try:
            answer = function()
            if inspect.isawaitable(answer):
                await asyncio.wait_for(answer, PATIENCE_SECONDS)
            return None
        except AssertionError as fault:
            return str(fault)
        except Exception as fault:
            return f"{type(fault).__name__}: {fault}\n{traceback.format_exc()}"


def equal(got, want, what=""):
    """Numbers are equal by value: the venue writes them as text with eight places."""
    if isinstance(want, Decimal):
        got = Decimal(str(got))
    if got != want:
        raise AssertionError(f"{what} got {got!r}, wanted {want!r}".strip())


def check(condition, got):
    if not condition:
        raise AssertionError(f"got {got!r}")


async def until(what, look):
    """Waits until `look` gives something that is true, and gives that."""
    deadline = time.monotonic() + PATIENCE_SECONDS / 2
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        await asyncio.sleep(0.005)
    raise AssertionError(f"waited in vain for {what}")


class Prices:
    """Prices around the market, from its best bid and ask; all on the tick of 0.01."""

    def __init__(self, bid, ask):
        self.bid, self.ask = Decimal(str(bid)), Decimal(str(ask))
        check(0 < self.bid < self.ask, (bid, ask))

    def below(self, share):
        return (self.bid * (1 - Decimal(share))).quantize(Decimal("0.01"))

    def above(self, share):
        return (self.ask * (1 + Decimal(share))).quantize(Decimal("0.01"))


def a_filled_market_order(order, qty=None, quote=None):
    """The full answer to a market order, by the names of the venue."""
    equal(order["status"], "FILLED")
    equal(order["type"], "MARKET")
    fills = order["fills"]
    check(fills, order)
    executed = sum(Decimal(fill["qty"]) for fill in fills)
    spent = sum(Decimal(fill["qty"]) * Decimal(fill["price"]) for fill in fills)
    equal(Decimal(order["executedQty"]), executed)
    equal(Decimal(order["cummulativeQuoteQty"]), spent)
    for fill in fills:
        # A buyer pays a thousandth in what was bought.
        equal(fill["commission"], (Decimal(fill["qty"]) / 1000).quantize(Decimal("1e-8")))
        equal(fill["commissionAsset"], "BTC")
    if qty is not None:
        equal(executed, Decimal(qty))
    if quote is not None:
        # At most one lot of 0.00001 BTC is left over.
        check(Decimal(quote) - 2 < spent <= Decimal(quote), spent)


def a_market_order_reported(events, client_id, qty):
    """NEW, then fills, then the balances: the events of one market order, by the names of the venue."""
    own = [e for e in events if e["e"] == "executionReport" and e["c"] == client_id]
    kinds = [e["x"] for e in own]
    equal(kinds[0], "NEW")
    check(len(kinds) > 1 and set(kinds[1:]) == {"TRADE"}, kinds)
    equal(own[-1]["X"], "FILLED")
    equal(own[-1]["z"], Decimal(qty))
    equal(sum(Decimal(e["l"]) for e in own), Decimal(qty))
    after = events[events.index(own[-1]) + 1]
    equal(after["e"], "outboundAccountPosition")
    equal({b["a"] for b in after["B"]}, {"BTC", "USDT"})


def a_cancelled_order_reported(events, client_id):
    """NEW under its own id, then CANCELED with that id as the original one."""
    new = [e for e in events if e["e"] == "executionReport" and e["c"] == client_id]
    equal([e["x"] for e in new], ["NEW"])
    cancelled = [e for e in events if e["e"] == "executionReport" and e["C"] == client_id]
    equal([(e["x"], e["X"]) for e in cancelled], [("CANCELED", "CANCELED")])
    equal(cancelled[0]["i"], new[0]["i"])


def an_oco_placed(made):
    """The answer to a new one-cancels-the-other, by the names of the venue."""
    state = (made["contingencyType"], made["listStatusType"], made["listOrderStatus"])
    equal(state, ("OCO", "EXEC_STARTED", "EXECUTING"))
    equal(len(made["orders"]), 2)
    equal({o["type"] for o in made["orderReports"]}, {"LIMIT_MAKER", "STOP_LOSS_LIMIT"})
