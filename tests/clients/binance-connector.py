"""The official client of before: everything in the query, an empty JSON body, threads for the sockets."""

import json
import threading
import time
from decimal import Decimal
from unittest import mock

from binance.error import ClientError
from binance.lib.utils import websocket_api_signature
from binance.spot import Spot
from binance.websocket.spot.websocket_api import SpotWebsocketAPIClient
from binance.websocket.spot.websocket_stream import SpotWebsocketStreamClient

from steps import *

step = Steps()
venue = step.venue
rest = Spot(api_key=venue.key, api_secret=venue.secret, base_url=venue.rest)


class Heard:
    """What came on a socket, written by the client's thread."""

    def __init__(self):
        self.messages = []
        self._lock = threading.Lock()

    def __call__(self, _, text):
        with self._lock:
            self.messages.append(json.loads(text))

    def all(self):
        with self._lock:
            return list(self.messages)


heard = Heard()
ws = SpotWebsocketAPIClient(
    stream_url=venue.ws_api, api_key=venue.key, api_secret=venue.secret, on_message=heard, timeout=PATIENCE_SECONDS
)


def events():
    return [m["event"] for m in heard.all() if "event" in m]


async def ask(call, /, *args, **kwargs):
    """The answer to a call over the WebSocket API."""
    kwargs["id"] = f"step-{len(heard.all())}-{time.monotonic_ns()}"
    call(*args, **kwargs)
    return await until("the answer", lambda: next((m for m in heard.all() if m.get("id") == kwargs["id"]), None))


def refused(want, call, *args, **kwargs):
    try:
        got = call(*args, **kwargs)
    except ClientError as error:
        got = (error.error_code, error.error_message)
    equal(got, want)


def order(side, kind, client_id=None, call=rest.new_order, **more):
    if kind == "LIMIT" or kind.endswith("_LIMIT"):
        more.setdefault("timeInForce", "GTC")
    return call(symbol=SYMBOL, side=side, type=kind, newClientOrderId=client_id, **more)


def prices():
    book = rest.book_ticker(SYMBOL)
    return Prices(book["bidPrice"], book["askPrice"])


def open_ids():
    return {o["clientOrderId"] for o in rest.get_open_orders(SYMBOL)}


@step("ping")
def ping():
    equal(rest.ping(), {})


@step("time")
def server_time():
    answer = rest.time()
    check(abs(answer["serverTime"] - time.time() * 1000) < 5_000, answer)


@step("exchangeInfo")
def exchange_info():
    symbol = rest.exchange_info(symbol=SYMBOL)["symbols"][0]
    filters = {f["filterType"]: f for f in symbol["filters"]}
    equal(filters["LOT_SIZE"]["stepSize"], Decimal("0.00001"))
    equal(filters["PRICE_FILTER"]["tickSize"], Decimal("0.01"))
    several = rest.exchange_info(symbols=[SYMBOL, "ETHUSDT"])["symbols"]
    equal({s["symbol"] for s in several}, {SYMBOL, "ETHUSDT"})
    refused(BAD_SYMBOL, rest.exchange_info, symbol="NOSUCH")


@step("account")
def account():
    balances = {b["asset"]: b for b in rest.account()["balances"]}
    equal(balances["USDT"]["free"], Decimal(100_000))
    equal(balances["BTC"]["free"], Decimal(1))


@step("rate limits in the headers")
def rate_limits():
    shown = Spot(api_key=venue.key, api_secret=venue.secret, base_url=venue.rest, show_limit_usage=True)
    used = shown.new_order_test(SYMBOL, "BUY", "MARKET", quantity=0.01)["limit_usage"]
    equal(list(used), ["x-mbx-used-weight", "x-mbx-used-weight-1m"])


@step("order test")
def order_test():
    equal(order("BUY", "LIMIT", call=rest.new_order_test, quantity=0.01, price=prices().bid), {})
    equal(open_ids(), set())


@step("listenKey: made, kept alive, its stream opened")
async def listen_key():
    global keyed, keyed_stream
    keyed = Heard()
    key = rest.new_listen_key()["listenKey"]
    equal(rest.new_listen_key()["listenKey"], key)
    equal(rest.renew_listen_key(key), {})
    keyed_stream = SpotWebsocketStreamClient(stream_url=venue.streams, on_message=keyed)
    keyed_stream.user_data(listen_key=key)
    await until("the subscription", keyed.all)


@step("subscribe user data")
async def subscribe_user_data():
    # The client has no method for the subscription of today; its signature and its socket serve.
    def subscribe(id):
        params = websocket_api_signature(venue.key, venue.secret, {})
        ws.send({"id": id, "method": "userDataStream.subscribe.signature", "params": params})

    equal((await ask(subscribe))["result"], {"subscriptionId": 0})


@step("market, base quantity")
def market():
    a_filled_market_order(order("BUY", "MARKET", "market-base", quantity=0.01), qty="0.01")


@step("market, quote quantity")
def market_quote():
    a_filled_market_order(order("BUY", "MARKET", "market-quote", quoteOrderQty=500), quote="500")


@step("limit")
def limit():
    price = prices().below("0.05")
    made = order("BUY", "LIMIT", "limit-1", quantity=0.01, price=price)
    equal((made["status"], made["clientOrderId"], made["timeInForce"]), ("NEW", "limit-1", "GTC"))
    equal(made["price"], price)
    locked = [b["locked"] for b in rest.account()["balances"] if b["asset"] == "USDT"][0]
    equal(locked, price / 100)


@step("limit, immediate or cancel")
def limit_ioc():
    made = order("BUY", "LIMIT", quantity=0.01, price=prices().below("0.05"), timeInForce="IOC")
    equal((made["status"], made["fills"]), ("EXPIRED", []))


@step("limit maker")
def limit_maker():
    made = order("SELL", "LIMIT_MAKER", "maker-1", quantity=0.01, price=prices().above("0.05"))
    equal(made["clientOrderId"], "maker-1")
    refused(WOULD_TAKE, order, "SELL", "LIMIT_MAKER", quantity=0.01, price=prices().below("0.05"))


@step("filters")
def filters():
    price = prices().below("0.05")
    refused(LOT_SIZE, order, "BUY", "LIMIT", quantity="0.000015", price=price)
    refused(PRICE_FILTER, order, "BUY", "LIMIT", quantity=0.01, price=price + Decimal("0.001"))
    refused(NOTIONAL, order, "BUY", "LIMIT", quantity="0.00001", price=price)
    refused(TOO_PRECISE, order, "BUY", "LIMIT", quantity="0.000000001", price=price)


@step("insufficient balance")
def insufficient_balance():
    refused(INSUFFICIENT, order, "SELL", "LIMIT", quantity=5, price=prices().above("0.05"))


@step("duplicate client order id")
def duplicate():
    refused(DUPLICATE, order, "BUY", "LIMIT", "limit-1", quantity=0.01, price=prices().below("0.05"))


@step("order query")
def query():
    found = rest.get_order(SYMBOL, origClientOrderId="limit-1")
    equal((found["status"], found["isWorking"], found["origQty"]), ("NEW", True, "0.01000000"))
    equal(rest.get_order(SYMBOL, orderId=found["orderId"])["clientOrderId"], "limit-1")
    refused(NO_SUCH_ORDER, rest.get_order, SYMBOL, origClientOrderId="no-such")
    check("limit-1" in {o["clientOrderId"] for o in rest.get_orders(SYMBOL)}, "no limit-1 in allOrders")


@step("open orders")
def open_orders():
    equal(open_ids(), {"limit-1", "maker-1"})


@step("cancel")
def cancel():
    gone = rest.cancel_order(SYMBOL, origClientOrderId="limit-1")
    equal((gone["status"], gone["origClientOrderId"]), ("CANCELED", "limit-1"))
    check(gone["clientOrderId"] != "limit-1", gone)
    equal(open_ids(), {"maker-1"})


@step("cancel unknown")
def cancel_unknown():
    refused(UNKNOWN_ORDER, rest.cancel_order, SYMBOL, origClientOrderId="no-such")


@step("cancel all")
def cancel_all():
    order("BUY", "LIMIT", "all-1", quantity=0.01, price=prices().below("0.05"))
    gone = rest.cancel_open_orders(SYMBOL)
    equal({(o["origClientOrderId"], o["status"]) for o in gone}, {("all-1", "CANCELED"), ("maker-1", "CANCELED")})
    equal(open_ids(), set())
    refused(UNKNOWN_ORDER, rest.cancel_open_orders, SYMBOL)


@step("own trades")
def my_trades():
    order_id = rest.get_order(SYMBOL, origClientOrderId="market-base")["orderId"]
    trades = rest.my_trades(SYMBOL, orderId=order_id)
    equal(sum(Decimal(t["qty"]) for t in trades), Decimal("0.01"))
    check(all(t["isBuyer"] and not t["isMaker"] for t in trades), trades)


@step("public trades")
async def trades():
    await until("a public trade", lambda: rest.trades(SYMBOL, limit=5))


@step("bookTicker")
def book_ticker():
    prices()
    equal({t["symbol"] for t in rest.book_ticker(symbols=[SYMBOL, "ETHUSDT"])}, {SYMBOL, "ETHUSDT"})


@step("depth")
def depth():
    book = rest.depth(SYMBOL, limit=20)
    equal((len(book["bids"]), len(book["asks"])), (20, 20))
    check(Decimal(book["bids"][0][0]) < Decimal(book["asks"][0][0]), book)


@step("bad signature")
def bad_signature():
    refused(BAD_SIGNATURE, Spot(api_key=venue.key, api_secret=venue.wrong_secret, base_url=venue.rest).account)


@step("old timestamp")
def old_timestamp():
    with mock.patch("binance.api.get_timestamp", lambda: int(time.time() * 1000) - 6_000):
        refused(OLD_TIMESTAMP, rest.account)


@step("trade stream")
async def trade_stream():
    seen = Heard()
    socket = SpotWebsocketStreamClient(stream_url=venue.streams, on_message=seen, timeout=PATIENCE_SECONDS)
    socket.trade(symbol=SYMBOL, id=7)
    got = await until("two trades", lambda: seen.all() if len(seen.all()) > 2 else None)
    socket.stop()
    equal(got[0], {"result": None, "id": 7})
    equal((got[1]["e"], got[1]["s"], got[2]["t"]), ("trade", SYMBOL, got[1]["t"] + 1))


@step("bookTicker stream, combined")
async def book_ticker_stream():
    seen = Heard()
    socket = SpotWebsocketStreamClient(
        stream_url=venue.streams, on_message=seen, is_combined=True, timeout=PATIENCE_SECONDS
    )
    socket.book_ticker(symbol=SYMBOL, id=8)
    got = await until("two book tickers", lambda: seen.all() if len(seen.all()) > 2 else None)
    socket.stop()
    equal((got[1]["stream"], got[2]["stream"]), ("btcusdt@bookTicker",) * 2)
    first, second = got[1]["data"], got[2]["data"]
    check(first["u"] < second["u"] and Decimal(first["b"]) < Decimal(first["a"]), got)


@step("WS API: order place, status, cancel")
async def ws_orders():
    made = await ask(
        order, "BUY", "LIMIT", "ws-1", call=ws.new_order, quantity=0.01, price=str(prices().below("0.05"))
    )
    equal((made["status"], made["result"]["clientOrderId"], made["result"]["status"]), (200, "ws-1", "NEW"))
    found = await ask(ws.get_order, symbol=SYMBOL, origClientOrderId="ws-1")
    equal(found["result"]["orderId"], made["result"]["orderId"])
    equal([o["clientOrderId"] for o in (await ask(ws.get_open_orders, symbol=SYMBOL))["result"]], ["ws-1"])
    gone = await ask(ws.cancel_order, symbol=SYMBOL, origClientOrderId="ws-1")
    equal(gone["result"]["status"], "CANCELED")


@step("WS API: refusals")
async def ws_refusals():
    answer = await ask(ws.cancel_order, symbol=SYMBOL, origClientOrderId="ws-1")
    equal((answer["status"], answer["error"]), (400, {"code": UNKNOWN_ORDER[0], "msg": UNKNOWN_ORDER[1]}))
    with mock.patch.object(ws, "api_secret", venue.wrong_secret):
        answer = await ask(ws.account)
    equal((answer["status"], answer["error"]), (400, {"code": BAD_SIGNATURE[0], "msg": BAD_SIGNATURE[1]}))


@step("own execution reports")
async def execution_reports():
    await until("the last report", lambda: any(e.get("C") == "ws-1" for e in events()))
    a_market_order_reported(events(), "market-base", "0.01")
    a_cancelled_order_reported(events(), "limit-1")
    a_cancelled_order_reported(events(), "ws-1")


@step("stop loss limit")
def stop_loss_limit():
    p = prices()
    order("SELL", "STOP_LOSS_LIMIT", "stop-1", quantity=0.01, price=p.below("0.06"), stopPrice=p.below("0.05"))
    found = rest.get_order(SYMBOL, origClientOrderId="stop-1")
    equal((found["type"], found["isWorking"]), ("STOP_LOSS_LIMIT", False))
    equal(found["stopPrice"], p.below("0.05"))
    equal(rest.cancel_order(SYMBOL, origClientOrderId="stop-1")["status"], "CANCELED")


@step("take profit limit")
def take_profit_limit():
    p = prices()
    order("SELL", "TAKE_PROFIT_LIMIT", "profit-1", quantity=0.01, price=p.above("0.05"), stopPrice=p.above("0.04"))
    equal(rest.get_order(SYMBOL, origClientOrderId="profit-1")["type"], "TAKE_PROFIT_LIMIT")
    equal(rest.cancel_order(SYMBOL, origClientOrderId="profit-1")["status"], "CANCELED")


@step("OCO")
def oco():
    p = prices()
    made = rest.new_oco_order(
        SYMBOL,
        "SELL",
        0.01,
        "LIMIT_MAKER",
        "STOP_LOSS_LIMIT",
        abovePrice=p.above("0.05"),
        belowStopPrice=p.below("0.05"),
        belowPrice=p.below("0.06"),
        belowTimeInForce="GTC",
    )
    an_oco_placed(made)
    equal(len(open_ids()), 2)
    equal(rest.get_oco_order(orderListId=made["orderListId"])["listOrderStatus"], "EXECUTING")
    gone = rest.cancel_oco_order(SYMBOL, orderListId=made["orderListId"])
    equal((gone["listStatusType"], gone["listOrderStatus"]), ("ALL_DONE", "ALL_DONE"))
    equal(open_ids(), set())


@step("cancel-replace")
def cancel_replace():
    price = prices().below("0.05")
    order("BUY", "LIMIT", "old-1", quantity=0.01, price=price)
    made = rest.cancel_and_replace(
        SYMBOL,
        "BUY",
        "LIMIT",
        "STOP_ON_FAILURE",
        timeInForce="GTC",
        quantity=0.02,
        price=price,
        cancelOrigClientOrderId="old-1",
        newClientOrderId="new-1",
    )
    equal((made["cancelResult"], made["newOrderResult"]), ("SUCCESS", "SUCCESS"))
    equal(open_ids(), {"new-1"})
    rest.cancel_open_orders(SYMBOL)


@step("own execution reports by the listen key")
async def own_reports_by_listen_key():
    own = lambda: [m for m in keyed.all() if m.get("e") == "executionReport" and m["c"] == "market-base"]
    await until("the events of the first order", lambda: own() and own()[-1]["X"] == "FILLED")
    a_market_order_reported([m for m in keyed.all() if "e" in m], "market-base", "0.01")


@step.at_end
def close():
    keyed_stream.stop()
    ws.stop()


step.run()
