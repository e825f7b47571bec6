"""The official client of today: strict models over REST, streams and WebSocket API."""

import logging
import time
from decimal import Decimal
from unittest import mock

from binance_common.configuration import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_sdk_spot.spot import Spot

from steps import *

step = Steps()
venue = step.venue


def client(secret):
    return Spot(
        config_rest_api=ConfigurationRestAPI(
            api_key=venue.key,
            api_secret=secret,
            base_path=venue.rest,
            retries=0,
            # In milliseconds; its own is one second, which a loaded machine can pass.
            timeout=PATIENCE_SECONDS * 1000,
        ),
        config_ws_api=ConfigurationWebSocketAPI(api_key=venue.key, api_secret=secret, stream_url=venue.ws_api),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=venue.streams),
    )


spot = client(venue.secret)
rest, ws, streams = spot.rest_api, spot.websocket_api, spot.websocket_streams
events = []


def plain(value):
    """Models as dictionaries under the venue's own names; what the venue did not send is left out."""
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value if isinstance(value, dict) else value.to_dict()


def on_user_event(event):
    """Keeps an event under the venue's names. The model has no member for the event's name: its own name is it."""
    event = event.actual_instance
    # What did not fit a model comes as it was sent.
    check(not isinstance(event, dict), event)
    name = type(event).__name__
    events.append({"C": "", **event.to_dict(), "e": name[0].lower() + name[1:]})


def data(response):
    return plain(response.data())


def refused(want, call, *args, **kwargs):
    try:
        got = data(call(*args, **kwargs))
    except Exception as error:
        # The client keeps the venue's code in `status_code`.
        got = (error.status_code, error.error_message)
    equal(got, want)


def order(side, kind, client_id=None, call=None, **more):
    if kind == "LIMIT" or kind.endswith("_LIMIT"):
        more.setdefault("time_in_force", "GTC")
    return (call or rest.new_order)(SYMBOL, side, kind, new_client_order_id=client_id, **more)


def prices():
    book = data(rest.ticker_book_ticker(symbol=SYMBOL))
    return Prices(book["bidPrice"], book["askPrice"])


def open_ids():
    return {o["clientOrderId"] for o in data(rest.get_open_orders(symbol=SYMBOL))}


@step("ping")
def ping():
    equal(rest.ping().status, 200)


@step("time")
def server_time():
    check(abs(data(rest.time())["serverTime"] - time.time() * 1000) < 5_000, data(rest.time()))


@step("exchangeInfo")
def exchange_info():
    info = data(rest.exchange_info(symbol=SYMBOL))
    equal([s["symbol"] for s in info["symbols"]], [SYMBOL])
    filters = {f["filterType"]: f for f in info["symbols"][0]["filters"]}
    equal(filters["LOT_SIZE"]["stepSize"], Decimal("0.00001"))
    equal(filters["PRICE_FILTER"]["tickSize"], Decimal("0.01"))
    several = data(rest.exchange_info(symbols=[SYMBOL, "ETHUSDT"]))
    equal({s["symbol"] for s in several["symbols"]}, {SYMBOL, "ETHUSDT"})
    refused(BAD_SYMBOL, rest.exchange_info, symbol="NOSUCH")


@step("account")
def account():
    balances = {b["asset"]: b for b in data(rest.get_account(omit_zero_balances=True))["balances"]}
    equal(balances["USDT"]["free"], Decimal(100_000))
    equal(balances["BTC"]["free"], Decimal(1))


@step("rate limits in the headers")
def rate_limits():
    limits = rest.get_account().rate_limits
    equal([(r.rateLimitType, r.interval, r.intervalNum) for r in limits], [("REQUEST_WEIGHT", "MINUTE", 1)])
    check(limits[0].count >= 20, limits)


@step("order test")
def order_test():
    equal(data(order("BUY", "LIMIT", call=rest.order_test, quantity=0.01, price=float(prices().bid))), {})
    equal(open_ids(), set())


@step("subscribe user data")
async def subscribe_user_data():
    await ws.create_connection()
    subscription = await ws.user_data_stream_subscribe_signature()
    subscription.stream.on("message", on_user_event)


@step("market, base quantity")
def market():
    a_filled_market_order(data(order("BUY", "MARKET", "market-base", quantity=0.01)), qty="0.01")


@step("market, quote quantity")
def market_quote():
    a_filled_market_order(data(order("BUY", "MARKET", "market-quote", quote_order_qty=500)), quote="500")


@step("limit")
def limit():
    price = prices().below("0.05")
    made = data(order("BUY", "LIMIT", "limit-1", quantity=0.01, price=float(price)))
    equal((made["status"], made["clientOrderId"], made["timeInForce"]), ("NEW", "limit-1", "GTC"))
    equal(made["price"], price)
    locked = [b["locked"] for b in data(rest.get_account())["balances"] if b["asset"] == "USDT"][0]
    equal(locked, price / 100)


@step("limit, immediate or cancel")
def limit_ioc():
    made = data(order("BUY", "LIMIT", quantity=0.01, price=float(prices().below("0.05")), time_in_force="IOC"))
    equal(made["status"], "EXPIRED")


@step("limit maker")
def limit_maker():
    made = data(order("SELL", "LIMIT_MAKER", "maker-1", quantity=0.01, price=float(prices().above("0.05"))))
    equal(made["clientOrderId"], "maker-1")
    refused(WOULD_TAKE, order, "SELL", "LIMIT_MAKER", quantity=0.01, price=float(prices().below("0.05")))


@step("filters")
def filters():
    price = prices().below("0.05")
    refused(LOT_SIZE, order, "BUY", "LIMIT", quantity=Decimal("0.000015"), price=float(price))
    refused(PRICE_FILTER, order, "BUY", "LIMIT", quantity=0.01, price=float(price + Decimal("0.001")))
    refused(NOTIONAL, order, "BUY", "LIMIT", quantity=Decimal("0.00001"), price=float(price))


@step("insufficient balance")
def insufficient_balance():
    refused(INSUFFICIENT, order, "SELL", "LIMIT", quantity=5, price=float(prices().above("0.05")))


@step("duplicate client order id")
def duplicate():
    refused(DUPLICATE, order, "BUY", "LIMIT", "limit-1", quantity=0.01, price=float(prices().below("0.05")))


@step("order query")
def query():
    found = data(rest.get_order(SYMBOL, orig_client_order_id="limit-1"))
    equal((found["status"], found["isWorking"], found["origQty"]), ("NEW", True, "0.01000000"))
    equal(data(rest.get_order(SYMBOL, order_id=found["orderId"]))["clientOrderId"], "limit-1")
    refused(NO_SUCH_ORDER, rest.get_order, SYMBOL, orig_client_order_id="no-such")
    check("limit-1" in {o["clientOrderId"] for o in data(rest.all_orders(SYMBOL))}, "no limit-1 in allOrders")


@step("open orders")
def open_orders():
    equal(open_ids(), {"limit-1", "maker-1"})


@step("cancel")
def cancel():
    gone = data(rest.delete_order(SYMBOL, orig_client_order_id="limit-1"))
    equal((gone["status"], gone["origClientOrderId"]), ("CANCELED", "limit-1"))
    check(gone["clientOrderId"] != "limit-1", gone)
    equal(open_ids(), {"maker-1"})


@step("cancel unknown")
def cancel_unknown():
    refused(UNKNOWN_ORDER, rest.delete_order, SYMBOL, orig_client_order_id="no-such")


@step("cancel all")
def cancel_all():
    order("BUY", "LIMIT", "all-1", quantity=0.01, price=float(prices().below("0.05")))
    gone = data(rest.delete_open_orders(SYMBOL))
    equal({(o["origClientOrderId"], o["status"]) for o in gone}, {("all-1", "CANCELED"), ("maker-1", "CANCELED")})
    equal(open_ids(), set())
    refused(UNKNOWN_ORDER, rest.delete_open_orders, SYMBOL)


@step("own trades")
def my_trades():
    order_id = data(rest.get_order(SYMBOL, orig_client_order_id="market-base"))["orderId"]
    trades = data(rest.my_trades(SYMBOL, order_id=order_id))
    equal(sum(Decimal(t["qty"]) for t in trades), Decimal("0.01"))
    check(all(t["isBuyer"] and not t["isMaker"] for t in trades), trades)


@step("public trades")
async def trades():
    await until("a public trade", lambda: data(rest.get_trades(SYMBOL, limit=5)))


@step("bookTicker")
def book_ticker():
    prices()


@step("depth")
def depth():
    book = data(rest.depth(SYMBOL, limit=20))
    equal((len(book["bids"]), len(book["asks"])), (20, 20))
    check(Decimal(book["bids"][0][0]) < Decimal(book["asks"][0][0]), book)


@step("bad signature")
def bad_signature():
    refused(BAD_SIGNATURE, client(venue.wrong_secret).rest_api.get_account)


@step("old timestamp")
def old_timestamp():
    with mock.patch("binance_common.utils.get_timestamp", lambda: int(time.time() * 1000) - 6_000):
        refused(OLD_TIMESTAMP, rest.get_account)


@step("trade stream")
async def trade_stream():
    seen = []
    await streams.create_connection()
    (await streams.trade(symbol=SYMBOL.lower())).on("message", lambda event: seen.append(plain(event)))
    got = await until("two trades", lambda: seen if len(seen) > 1 else None)
    equal((got[0]["e"], got[0]["s"], got[1]["t"]), ("trade", SYMBOL, got[0]["t"] + 1))


@step("bookTicker stream")
async def book_ticker_stream():
    seen = []
    (await streams.book_ticker(symbol=SYMBOL.lower())).on("message", lambda event: seen.append(plain(event)))
    got = await until("two book tickers", lambda: seen if len(seen) > 1 else None)
    check(got[0]["u"] < got[1]["u"] and Decimal(got[0]["b"]) < Decimal(got[0]["a"]), got)


@step("WS API: order place, status, cancel")
async def ws_orders():
    price = float(prices().below("0.05"))
    made = data(
        await ws.order_place(
            SYMBOL, "BUY", "LIMIT", time_in_force="GTC", price=price, quantity=0.01, new_client_order_id="ws-1"
        )
    )
    equal((made["status"], made["result"]["clientOrderId"], made["result"]["status"]), (200, "ws-1", "NEW"))
    found = data(await ws.order_status(SYMBOL, orig_client_order_id="ws-1"))
    equal(found["result"]["orderId"], made["result"]["orderId"])
    equal([o["clientOrderId"] for o in data(await ws.open_orders_status(symbol=SYMBOL))["result"]], ["ws-1"])
    gone = data(await ws.order_cancel(SYMBOL, orig_client_order_id="ws-1"))
    equal(gone["result"]["status"], "CANCELED")


@step("WS API: refusals")
async def ws_refusals():
    # The client writes what it is refused to the log, too.
    logging.disable()
    answer = data(await ws.order_cancel(SYMBOL, orig_client_order_id="ws-1"))
    equal((answer["error"]["code"], answer["error"]["msg"]), UNKNOWN_ORDER)
    wrong = client(venue.wrong_secret).websocket_api
    await wrong.create_connection()
    answer = data(await wrong.account_status())
    equal((answer["error"]["code"], answer["error"]["msg"]), BAD_SIGNATURE)
    await wrong.close_connection()
    logging.disable(logging.NOTSET)


@step("own execution reports")
async def execution_reports():
    await until("the last report", lambda: any(e.get("C") == "ws-1" for e in events))
    a_market_order_reported(events, "market-base", "0.01")
    a_cancelled_order_reported(events, "limit-1")
    a_cancelled_order_reported(events, "ws-1")


@step("stop loss limit")
def stop_loss_limit():
    p = prices()
    made = data(
        order("SELL", "STOP_LOSS_LIMIT", "stop-1", quantity=0.01, price=p.below("0.06"), stop_price=p.below("0.05"))
    )
    equal(made["clientOrderId"], "stop-1")
    found = data(rest.get_order(SYMBOL, orig_client_order_id="stop-1"))
    equal((found["type"], found["isWorking"]), ("STOP_LOSS_LIMIT", False))
    equal(data(rest.delete_order(SYMBOL, orig_client_order_id="stop-1"))["status"], "CANCELED")


@step("take profit limit")
def take_profit_limit():
    p = prices()
    order("SELL", "TAKE_PROFIT_LIMIT", "profit-1", quantity=0.01, price=p.above("0.05"), stop_price=p.above("0.04"))
    equal(data(rest.get_order(SYMBOL, orig_client_order_id="profit-1"))["type"], "TAKE_PROFIT_LIMIT")
    equal(data(rest.delete_order(SYMBOL, orig_client_order_id="profit-1"))["status"], "CANCELED")


@step("OCO")
def oco():
    p = prices()
    made = data(
        rest.order_list_oco(
            SYMBOL,
            "SELL",
            0.01,
            "LIMIT_MAKER",
            "STOP_LOSS_LIMIT",
            above_price=float(p.above("0.05")),
            below_stop_price=float(p.below("0.05")),
            below_price=float(p.below("0.06")),
            below_time_in_force="GTC",
        )
    )
    an_oco_placed(made)
    equal(len(data(rest.get_open_orders(symbol=SYMBOL))), 2)
    gone = data(rest.delete_order_list(SYMBOL, order_list_id=made["orderListId"]))
    equal(gone["listOrderStatus"], "ALL_DONE")
    equal(open_ids(), set())


@step("cancel-replace")
def cancel_replace():
    price = prices().below("0.05")
    order("BUY", "LIMIT", "old-1", quantity=0.01, price=float(price))
    made = data(
        rest.order_cancel_replace(
            SYMBOL,
            "BUY",
            "LIMIT",
            "STOP_ON_FAILURE",
            time_in_force="GTC",
            quantity=0.02,
            price=float(price),
            cancel_orig_client_order_id="old-1",
            new_client_order_id="new-1",
        )
    )
    equal((made["cancelResult"], made["newOrderResult"]), ("SUCCESS", "SUCCESS"))
    equal(open_ids(), {"new-1"})
    rest.delete_open_orders(SYMBOL)


@step.at_end
async def close():
    await ws.close_connection()
    await streams.close_connection()


step.run()
