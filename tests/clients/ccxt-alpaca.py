"""ccxt: pairs only, every amount as text, JSON on the streams. It speaks of orders in its own words."""

import asyncio
from decimal import Decimal

import ccxt.pro

from alpaca_steps import *

step = alpaca()
venue = step.venue
events = []


def exchange(secret):
    made = ccxt.pro.alpaca({"apiKey": venue.key, "secret": secret, "enableRateLimit": False})
    made.urls["api"] = {
        "trader": venue.rest,
        "market": venue.data,
        "broker": venue.rest,
        "ws": {"crypto": venue.data_stream + "/v1beta2/crypto", "trading": venue.stream},
    }
    return made


async def becomes(order, status):
    deadline = asyncio.get_event_loop().time() + 10
    while asyncio.get_event_loop().time() < deadline:
        found = await ex.fetch_order(order["id"])
        if found["info"]["status"] == status:
            return found
        await asyncio.sleep(0.01)
    raise AssertionError(f"waited in vain for {status}, it is {found['info']['status']}")


async def refused(kind, text, call, *args, **kwargs):
    try:
        got = await call(*args, **kwargs)
    except kind as error:
        check(text in str(error), error)
        return
    raise AssertionError(f"was taken: {got!r}")


async def resting(price=50_000, **params):
    return await becomes(await ex.create_order(PAIR, "limit", "buy", 0.01, price, params), "new")


@step("markets")
async def markets():
    # Sockets belong to the loop in which they are made.
    global ex
    ex = exchange(venue.secret)
    await ex.load_markets()
    market = ex.market(PAIR)
    equal((market["id"], market["active"], market["precision"]["price"]), (PAIR, True, 0.001))
    equal(market["limits"]["amount"]["min"], 0.00001)


@step("time and balance")
async def balance():
    check(await ex.fetch_time() > 0, "no time")
    found = await ex.fetch_balance()
    equal(found["USD"]["total"], 100_000.0)


@step("bad key")
async def bad_key():
    other = exchange("wrong")
    try:
        await refused(ccxt.pro.BaseError, "request is not authorized", other.fetch_balance)
    finally:
        await other.close()


@step("watch orders")
async def watch():
    global reader

    async def read():
        while True:
            for order in await ex.watch_orders(PAIR):
                events.append((order["clientOrderId"], order["status"]))

    reader = asyncio.create_task(read())
    await until("the stream", lambda: any("authenticated" in c.subscriptions for c in ex.clients.values()))
    await asyncio.sleep(0.1)


@step("market order, by quantity and by cost")
async def market():
    order = await becomes(await ex.create_order(PAIR, "market", "buy", 0.1, None, {"clientOrderId": "market-1"}), "filled")
    equal((order["status"], order["filled"], order["side"]), ("closed", 0.1, "buy"))
    cost = await ex.create_market_order_with_cost(PAIR, "buy", 500)
    equal((await becomes(cost, "filled"))["info"]["notional"], "500")


@step("limit order, query, cancel")
async def limit():
    order = await resting(clientOrderId="limit-1")
    equal((order["status"], order["price"], order["clientOrderId"]), ("open", 50_000.0, "limit-1"))
    equal([o["id"] for o in await ex.fetch_open_orders(PAIR)], [order["id"]])
    await refused(ccxt.pro.BaseError, DUPLICATE_ID[2], ex.create_order, PAIR, "limit", "buy", 0.01, 50_000, {"clientOrderId": "limit-1"})
    await ex.cancel_order(order["id"])
    equal((await becomes(order, "canceled"))["status"], "canceled")
    check(order["id"] in {o["id"] for o in await ex.fetch_closed_orders(PAIR)}, order)


@step("immediate or cancel")
async def at_once():
    order = await ex.create_order(PAIR, "limit", "buy", 0.01, 50_000, {"timeInForce": "IOC"})
    await becomes(order, "canceled")


@step("stop limit")
async def stop_limit():
    order = await ex.create_order(PAIR, "limit", "sell", 0.01, 40_000, {"triggerPrice": 41_000})
    found = await becomes(order, "new")
    equal((found["info"]["type"], found["info"]["stop_price"]), ("stop_limit", "41000"))
    await ex.cancel_order(order["id"])
    await becomes(order, "canceled")


@step("replace")
async def replace():
    old = await resting(clientOrderId="old-1")
    new = await ex.edit_order(old["id"], PAIR, "limit", "buy", 0.02, 51_000, {"clientOrderId": "new-1"})
    equal((await becomes(new, "new"))["info"]["replaces"], old["id"])
    equal((await becomes(old, "replaced"))["info"]["replaced_by"], new["id"])


@step("cancel all")
async def cancel_all():
    await resting()
    await ex.cancel_all_orders()
    while await ex.fetch_open_orders(PAIR):
        await asyncio.sleep(0.01)


@step("refusals")
async def refusals():
    await refused(ccxt.pro.BaseError, "insufficient balance for BTC", ex.create_order, PAIR, "limit", "sell", 1, 90_000)
    await refused(ccxt.pro.BaseError, "cost basis must be >= minimal amount of order 10", ex.create_order, PAIR, "limit", "buy", 0.0001, 50_000)
    await refused(ccxt.pro.BaseError, "order not found", ex.cancel_order, "00000000-0000-4000-8000-000000000000")


@step("own trades")
async def trades():
    found = await ex.fetch_my_trades(PAIR)
    check(len(found) >= 2 and all(t["side"] == "buy" for t in found), found)


# What it has no words of its own for goes by its raw calls, signed and sent as all others.


async def submit(symbol=EQUITY, qty="1", side="buy", kind="market", tif="day", **members):
    order = {"symbol": symbol, "qty": qty, "side": side, "type": kind, "time_in_force": tif, **members}
    return await ex.trader_private_post_v2_orders(order)


async def turns(order, status):
    return (await becomes(order, status))["info"]


async def gone(order):
    await ex.trader_private_delete_v2_orders_order_id({"order_id": order["id"]})
    return await turns(order, "canceled")


@step("account and its settings")
async def account():
    found = await ex.trader_private_get_v2_account()
    equal((found["status"], found["currency"], found["multiplier"]), ("ACTIVE", "USD", "2"))
    changed = await ex.trader_private_patch_v2_account_configurations({"suspend_trade": True})
    equal(changed["suspend_trade"], True)
    await refused(ccxt.pro.BaseError, SUSPENDED[2], submit)
    await ex.trader_private_patch_v2_account_configurations({"suspend_trade": False})
    equal((await ex.trader_private_get_v2_account_configurations())["suspend_trade"], False)


@step("clock and calendar")
async def clock():
    now = await ex.trader_private_get_v2_clock()
    check(now["is_open"] and now["timestamp"] < now["next_close"] < now["next_open"], now)
    days = await ex.trader_private_get_v2_calendar({"start": "2026-11-26", "end": "2026-11-27"})
    equal([(day["date"], day["close"]) for day in days], [("2026-11-27", "13:00")])


@step("assets")
async def assets():
    found = await ex.trader_private_get_v2_assets({"status": "active", "asset_class": "us_equity"})
    check({EQUITY, OTHER} <= {a["symbol"] for a in found}, found)
    equal((await ex.trader_private_get_v2_assets_symbol_or_asset_id({"symbol_or_asset_id": EQUITY}))["class"], "us_equity")


@step("shares: every type")
async def types():
    equal((await turns(await submit(qty="10"), "filled"))["filled_qty"], "10")
    notional = {"symbol": OTHER, "notional": "50", "side": "buy", "type": "market", "time_in_force": "day"}
    equal((await turns(await ex.trader_private_post_v2_orders(notional), "filled"))["qty"], None)
    for tif in ("ioc", "fok"):
        await turns(await submit(kind="limit", tif=tif, limit_price="50"), "canceled")
    for side, kind, tif, members in (
        ("buy", "limit", "day", {"limit_price": "100"}),
        ("buy", "limit", "gtc", {"limit_price": "100"}),
        ("buy", "limit", "day", {"limit_price": "100", "extended_hours": True}),
        ("buy", "market", "cls", {}),
        ("sell", "stop", "gtc", {"stop_price": "100"}),
        ("sell", "stop_limit", "gtc", {"stop_price": "100", "limit_price": "99"}),
        ("sell", "trailing_stop", "day", {"trail_percent": "5"}),
        ("sell", "trailing_stop", "day", {"trail_price": "5"}),
    ):
        order = await submit(side=side, kind=kind, tif=tif, **members)
        await turns(order, "new")
        await gone(order)


@step("shares: every class")
async def classes():
    profit, stop = {"limit_price": "500"}, {"stop_price": "50"}
    for side, name, members, legs in (
        ("buy", "bracket", {"limit_price": "100", "take_profit": profit, "stop_loss": stop}, 2),
        ("sell", "oco", {"limit_price": "500", "take_profit": profit, "stop_loss": stop}, 1),
        ("buy", "oto", {"limit_price": "100", "stop_loss": stop}, 1),
    ):
        order = await submit(side=side, kind="limit", tif="gtc", order_class=name, **members)
        await turns(order, "new")
        nested = await ex.trader_private_get_v2_orders_order_id({"order_id": order["id"], "nested": True})
        equal((nested["order_class"], {leg["status"] for leg in nested["legs"]}, len(nested["legs"])), (name, {"held"}, legs))
        await gone(order)


@step("shares: replace")
async def replace_share():
    old = await submit(kind="limit", tif="gtc", limit_price="100")
    await turns(old, "new")
    new = await ex.trader_private_patch_v2_orders_order_id({"order_id": old["id"], "qty": "2", "limit_price": "101"})
    equal((await turns(new, "new"))["replaces"], old["id"])
    equal((await turns(old, "replaced"))["replaced_by"], new["id"])
    await gone(new)


@step("positions, close one")
async def positions():
    held = {p["symbol"]: Decimal(p["qty"]) for p in await ex.trader_private_get_v2_positions()}
    check(held[EQUITY] == 10 and {OTHER, "BTCUSD"} <= set(held), held)
    order = await ex.trader_private_delete_v2_positions_symbol_or_asset_id({"symbol_or_asset_id": EQUITY, "qty": "4"})
    await turns(order, "filled")
    equal((await ex.trader_private_get_v2_positions_symbol_or_asset_id({"symbol_or_asset_id": EQUITY}))["qty"], "6")


@step("cancel all, close all, item by item")
async def close_all():
    order = await submit(OTHER, kind="limit", tif="gtc", limit_price="100")
    await turns(order, "new")
    answers = await ex.trader_private_delete_v2_orders()
    equal([(a["id"], a["status"]) for a in answers], [(order["id"], 200)])
    await turns(order, "canceled")
    answers = await ex.trader_private_delete_v2_positions({"cancel_orders": True})
    equal({(a["symbol"], a["status"]) for a in answers}, {(symbol, 200) for symbol in (EQUITY, OTHER, "BTCUSD")})
    while await ex.trader_private_get_v2_positions():
        await asyncio.sleep(0.01)


@step("portfolio history and activities")
async def history():
    found = await ex.trader_private_get_v2_account_portfolio_history({"period": "1D", "timeframe": "1Min"})
    equal(len(found["timestamp"]), len(found["equity"]))
    first = await ex.trader_private_get_v2_account_activities_activity_type({"activity_type": "FILL", "page_size": 3})
    page = {"activity_type": "FILL", "page_size": 3, "page_token": first[-1]["id"]}
    second = await ex.trader_private_get_v2_account_activities_activity_type(page)
    check(len(first) == 3 and not {a["id"] for a in first} & {a["id"] for a in second}, second)


@step("ticker, book, trades, candles")
async def prices():
    ticker = await ex.fetch_ticker(PAIR)
    check(0 < ticker["bid"] < ticker["ask"], ticker)
    book = await ex.fetch_order_book(PAIR)
    check(book["bids"][0][0] < book["asks"][0][0], book)
    while not await ex.fetch_trades(PAIR):
        await asyncio.sleep(0.05)
    check(await ex.fetch_ohlcv(PAIR, "1m", since=1_763_395_200_000, limit=5), "no candles")


@step("streams")
async def streams():
    book = await ex.watch_order_book(PAIR)
    check(book["bids"][0][0] < book["asks"][0][0], book)
    ticker = await ex.watch_ticker(PAIR)
    check(0 < ticker["bid"] < ticker["ask"], ticker)
    check(await ex.watch_trades(PAIR), "no trades")


@step("own orders over the stream")
async def own_orders():
    await until("the replacement", lambda: ("old-1", "canceled") in events or any(id == "new-1" for id, _ in events))
    check(("limit-1", "canceled") in events and ("market-1", "closed") in events, events)


@step.at_end
async def close():
    reader.cancel()
    await ex.close()


step.run()
