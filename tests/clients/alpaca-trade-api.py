"""alpaca-trade-api: the official client before alpaca-py. `/stream/` with a slash, crypto on `/v1beta2/crypto`."""

import asyncio
import os
import threading
from decimal import Decimal

from alpaca_trade_api import REST, Stream
from alpaca_trade_api.rest import APIError

from alpaca_steps import *

step = alpaca()
venue = step.venue
# The host of prices is named by the environment alone.
os.environ["APCA_API_DATA_URL"] = venue.data
api = REST(venue.key, venue.secret, base_url=venue.rest, api_version="v2")
events = []


def refused(want, call, *args, **kwargs):
    try:
        got = call(*args, **kwargs)
    except APIError as error:
        got = (error.status_code, error.code, str(error))
    equal(got, want)


def becomes(order, status):
    return eventually(f"{status} of {order.id}", lambda: found if (found := api.get_order(order.id)).status == status else None)


def market(symbol=EQUITY, qty=1, side="buy", **members):
    tif = "gtc" if "/" in symbol else "day"
    return becomes(api.submit_order(symbol, qty, side, "market", tif, **members), "filled")


def resting(symbol=EQUITY, qty=1, price=100, tif="gtc", **members):
    return becomes(api.submit_order(symbol, qty, "buy", "limit", tif, limit_price=price, **members), "new")


def gone(order):
    api.cancel_order(order.id)
    return becomes(order, "canceled")


@step("account")
def account():
    a = api.get_account()
    equal((a.status, a.currency, Decimal(a.cash), Decimal(a.buying_power)), ("ACTIVE", "USD", Decimal(100_000), Decimal(200_000)))


@step("bad key")
def bad_key():
    refused(BAD_KEY, REST(venue.key, "wrong", base_url=venue.rest).get_account)


@step("account configurations")
def configurations():
    equal(api.get_account_configurations().suspend_trade, False)
    check(api.update_account_configurations(suspend_trade=True).suspend_trade, "not suspended")
    refused(SUSPENDED, api.submit_order, EQUITY, 1)
    check(not api.update_account_configurations(suspend_trade=False).suspend_trade, "suspended")


@step("clock and calendar")
def clock():
    now = api.get_clock()
    check(now.is_open and now.timestamp < now.next_close < now.next_open, now)
    days = api.get_calendar("2026-11-26", "2026-11-27")
    equal([(d.date.day, d.close.hour) for d in days], [(27, 13)])


@step("assets")
def assets():
    check({EQUITY, OTHER} <= {a.symbol for a in api.list_assets(status="active")}, "not all listed")
    equal((api.get_asset(EQUITY).exchange, api.get_asset(EQUITY).fractionable), ("NASDAQ", True))


@step("trade updates: subscribe")
async def updates():
    global stream
    stream = Stream(venue.key, venue.secret, base_url=venue.rest, data_stream_url=venue.data, data_feed="iex")

    async def heard(update):
        events.append(update)

    stream.subscribe_trade_updates(heard)

    def run():
        asyncio.set_event_loop(asyncio.new_event_loop())
        asyncio.get_event_loop().run_until_complete(stream._trading_ws._run_forever())

    threading.Thread(target=run, daemon=True).start()
    await until("the stream", lambda: stream._trading_ws._running)
    # It says so before the venue has taken its request to listen: orders are made until one is heard of.
    while not events:
        gone(resting())
        await asyncio.sleep(0.05)


@step("market order")
def market_order():
    order = market(qty=10, client_order_id="market-1")
    equal((order.filled_qty, order.qty), ("10", "10"))


@step("notional order")
def notional():
    order = becomes(api.submit_order(OTHER, side="buy", notional=50), "filled")
    equal((order.qty, order.notional), (None, "50"))


@step("limit order, query, cancel")
def limit_order():
    order = resting(client_order_id="limit-1")
    equal(api.get_order_by_client_order_id("limit-1").id, order.id)
    equal([o.id for o in api.list_orders(symbols=[EQUITY])], [order.id])
    refused(DUPLICATE_ID, api.submit_order, EQUITY, 1, "buy", "limit", "gtc", limit_price=100, client_order_id="limit-1")
    gone(order)
    check(order.id in {o.id for o in api.list_orders(status="closed", nested=True)}, order.id)


@step("immediate or cancel, fill or kill")
def at_once():
    for tif in ("ioc", "fok"):
        becomes(api.submit_order(EQUITY, 1, "buy", "limit", tif, limit_price=50), "canceled")


@step("stop, stop limit, trailing stop")
def stops():
    for kind, members in (
        ("stop", {"stop_price": 100}),
        ("stop_limit", {"stop_price": 100, "limit_price": 99}),
        ("trailing_stop", {"trail_percent": "5"}),
        ("trailing_stop", {"trail_price": "5"}),
    ):
        gone(becomes(api.submit_order(EQUITY, 1, "sell", kind, "day", **members), "new"))


@step("auction order")
def auction():
    gone(becomes(api.submit_order(EQUITY, 1, "buy", "market", "cls"), "new"))


@step("bracket")
def bracket():
    order = api.submit_order(EQUITY, 1, "buy", "limit", "gtc", limit_price=100, order_class="bracket",
                             take_profit={"limit_price": 500}, stop_loss={"stop_price": 50, "limit_price": 49})
    equal([leg.status for leg in order.legs], ["held", "held"])
    gone(order)
    refused(NO_PROFIT, api.submit_order, EQUITY, 1, "buy", "limit", "gtc", limit_price=100, order_class="bracket",
            stop_loss={"stop_price": 50})


@step("one cancels the other, one triggers the other")
def groups():
    oco = api.submit_order(EQUITY, 1, "sell", "limit", "gtc", limit_price=500, order_class="oco",
                           take_profit={"limit_price": 500}, stop_loss={"stop_price": 50})
    becomes(oco, "new")
    equal(api.get_order(oco.id, nested=True).legs[0].status, "held")
    gone(oco)
    gone(api.submit_order(EQUITY, 1, "buy", "limit", "gtc", limit_price=100, order_class="oto", stop_loss={"stop_price": 50}))


@step("extended hours")
def extended():
    check(gone(resting(tif="day", extended_hours=True)).extended_hours, "not extended")


@step("replace")
def replace():
    old = resting(client_order_id="old-1")
    new = api.replace_order(old.id, qty="2", limit_price="101", client_order_id="new-1")
    equal(becomes(new, "new").replaces, old.id)
    equal(becomes(old, "replaced").replaced_by, new.id)
    gone(new)


@step("refusals")
def refusals():
    refused(NO_QTY, api.submit_order, EQUITY)
    refused(SUB_PENNY, api.submit_order, EQUITY, 1, "buy", "limit", "day", limit_price=100.123)
    refused(NO_POWER, api.submit_order, EQUITY, 100_000, "buy", "limit", "day", limit_price=100)
    refused(NO_ORDER, api.cancel_order, "00000000-0000-4000-8000-000000000000")
    refused(NO_POSITION, api.get_position, "TSLA")


@step("crypto")
def crypto():
    equal(market(PAIR, 0.01).asset_class, "crypto")
    held = Decimal(api.get_position("BTCUSD").qty)
    # Each fill's fee is rounded up at the ninth place.
    check(0 <= Decimal("0.009975") - held < Decimal("0.00000001"), held)


@step("short sale")
def short():
    market("MSFT", 3, "sell")
    position = api.get_position("MSFT")
    equal((position.side, position.qty), ("short", "-3"))
    market("MSFT", 3)


@step("a bracket's exits come alive")
def bracket_alive():
    order = api.submit_order("MSFT", 2, "buy", "market", "gtc", order_class="bracket",
                             take_profit={"limit_price": 900}, stop_loss={"stop_price": 100})
    becomes(order, "filled")
    legs = api.get_order(order.id, nested=True).legs
    equal([leg.status for leg in legs], ["new", "held"])
    api.cancel_order(legs[1].id)
    eventually("the group's end", lambda: not api.list_orders())


@step("positions, close one")
def positions():
    check({EQUITY, OTHER, "BTCUSD"} <= {p.symbol for p in api.list_positions()}, "not all held")
    becomes(api.close_position(EQUITY, qty=4), "filled")
    equal(api.get_position(EQUITY).qty, "6")


@step("cancel all, close all")
def close_all():
    resting(OTHER)
    api.cancel_all_orders()
    eventually("no open orders", lambda: not api.list_orders())
    equal({a.status for a in api.close_all_positions()}, {200})
    eventually("no positions", lambda: not api.list_positions())


@step("portfolio history and activities")
def history():
    found = api.get_portfolio_history(period="1D", timeframe="1Min")
    equal(len(found.timestamp), len(found.equity))
    fills = api.get_activities(activity_types="FILL", page_size=3)
    equal(len(fills), 3)
    check(fills[0].id not in {a.id for a in api.get_activities("FILL", page_size=3, page_token=fills[-1].id)}, fills)


@step("trade updates")
async def updates_heard():
    def names(id):
        return [e.event for e in events if e.order["client_order_id"] == id]

    await until("the replacement", lambda: names("new-1")[-1:] == ["canceled"])
    equal((names("market-1")[:2], names("market-1")[-1]), (["pending_new", "new"], "fill"))
    equal(names("limit-1"), ["pending_new", "new", "pending_cancel", "canceled"])
    equal(names("old-1"), ["pending_new", "new", "pending_replace", "replaced"])


@step("prices")
def prices():
    quote = api.get_latest_quote(EQUITY)
    check(0 < quote.bp < quote.ap, quote)
    check(api.get_latest_trade(EQUITY).p > 0 and api.get_latest_bar(EQUITY).c > 0, quote)
    check(api.get_snapshot(EQUITY).daily_bar.o > 0, quote)
    equal(len(api.get_bars(EQUITY, "1Min", "2026-11-16T15:00:00Z", "2026-11-16T15:30:00Z")), 31)


async def listen(socket, subscribe):
    got = {}

    def take(name):
        async def heard(message):
            got.setdefault(name, message)

        return heard

    wanted = subscribe(take)
    running = asyncio.create_task(socket._run_forever())
    await until(f"{wanted}", lambda: wanted <= set(got))
    await socket.stop_ws()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return got


@step("stock data stream")
async def stock_stream():
    def subscribe(take):
        stream.subscribe_quotes(take("quote"), EQUITY)
        stream.subscribe_trades(take("trade"), EQUITY)
        return {"quote", "trade"}

    got = await listen(stream._data_ws, subscribe)
    check(got["quote"].bid_price < got["quote"].ask_price and got["trade"].size > 0, got)


@step("bars, statuses and price bands on the stream")
async def bar_stream():
    # A stream that has run cannot be subscribed to more without waiting for itself, and its place is taken for a while.
    other = Stream(venue.key, venue.secret, base_url=venue.rest, data_stream_url=venue.data, data_feed="sip")

    def subscribe(take):
        other.subscribe_bars(take("bar"), EQUITY)
        other.subscribe_statuses(take("status"), EQUITY)
        other.subscribe_lulds(take("band"), EQUITY)
        # A minute passes in a second.
        venue.order("/time", speed=60)
        return {"bar", "band"}

    got = await listen(other._data_ws, subscribe)
    venue.order("/time", speed=1)
    check(got["bar"].high >= got["bar"].low, got)
    # The client maps a band's names twice over, and finds none by its attributes.
    band = got["band"]._raw
    check(0 < band["limit_down_price"] < band["limit_up_price"], band)


@step("crypto data stream")
async def crypto_stream():
    def subscribe(take):
        stream.subscribe_crypto_quotes(take("quote"), PAIR)
        stream.subscribe_crypto_orderbooks(take("book"), PAIR)
        return {"quote", "book"}

    await listen(stream._crypto_ws, subscribe)


step.run()
