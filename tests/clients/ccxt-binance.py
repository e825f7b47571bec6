"""ccxt: REST in form bodies with the timestamp first, streams on `/ws/<n>`, booleans in signed WebSocket API calls.

It speaks of orders in its own words; where the venue's words matter, they are in `info`.
"""

import asyncio
import json
import time
from decimal import Decimal
from unittest import mock

import ccxt.pro

from steps import *

step = Steps()
venue = step.venue
PAIR = "BTC/USDT"


def exchange(secret):
    made = ccxt.pro.binance(
        {
            "apiKey": venue.key,
            "secret": secret,
            "enableRateLimit": False,
            "enableLastJsonResponse": True,
            "options": {
                # Without these it also asks hosts that are not simulated here.
                "fetchMarkets": {"types": ["spot"]},
                "fetchCurrencies": False,
                "fetchMargins": False,
            },
        }
    )
    made.urls["api"]["public"] = made.urls["api"]["private"] = venue.rest + "/api/v3"
    made.urls["api"]["ws"]["spot"] = venue.streams + "/ws"
    made.urls["api"]["ws"]["ws-api"] = {"spot": venue.ws_api}
    return made


events = []


async def refused(want, call, *args, **kwargs):
    try:
        got = await call(*args, **kwargs)
    except ccxt.pro.BaseError as error:
        # The venue's answer stands in the text, except where the client knows its own words for it.
        text = str(error)
        answer = json.loads(text[text.index("{") :]) if "{" in text else ex.last_json_response
        answer = answer.get("error", answer)
        got = (answer["code"], answer["msg"])
    equal(got, want)


async def order(side, kind, qty, price=None, client_id=None, call=None, **params):
    if client_id:
        params["newClientOrderId"] = client_id
    return await (call or ex.create_order)(PAIR, kind, side, qty, price and float(price), params)


async def prices():
    ticker = (await ex.fetch_bids_asks([PAIR]))[PAIR]
    return Prices(ticker["bid"], ticker["ask"])


async def open_ids():
    return {o["clientOrderId"] for o in await ex.fetch_open_orders(PAIR)}


async def named(client_id, call=None):
    return await (call or ex.fetch_order)(None, PAIR, {"origClientOrderId": client_id})


@step("exchangeInfo")
async def exchange_info():
    # Sockets belong to the loop in which they are made.
    global ex
    ex = exchange(venue.secret)
    await ex.load_markets()
    market = ex.market(PAIR)
    equal((market["id"], market["type"], market["active"]), (SYMBOL, "spot", True))
    equal(market["precision"], {**market["precision"], "price": 0.01, "amount": 0.00001})
    equal((market["limits"]["amount"]["min"], market["limits"]["cost"]["min"]), (0.00001, 5.0))


@step("ping")
async def ping():
    equal(await ex.publicGetPing(), {})


@step("time")
async def server_time():
    check(abs(await ex.fetch_time() - time.time() * 1000) < 5_000, await ex.fetch_time())


@step("account")
async def account():
    balances = await ex.fetch_balance()
    equal((balances["USDT"]["free"], balances["BTC"]["total"]), (100_000.0, 1.0))


@step("order test")
async def order_test():
    await order("buy", "limit", 0.01, (await prices()).bid, test=True)
    equal(await open_ids(), set())


@step("subscribe user data")
async def subscribe_user_data():
    global reader

    async def read():
        while True:
            events.extend(o["info"] for o in await ex.watch_orders(PAIR))

    await ex.authenticate("spot")
    reader = asyncio.create_task(read())


@step("market, base quantity")
async def market():
    made = await order("buy", "market", 0.01, client_id="market-base")
    equal((made["status"], made["filled"], made["side"]), ("closed", 0.01, "buy"))
    a_filled_market_order(made["info"], qty="0.01")


@step("market, quote quantity")
async def market_quote():
    made = await ex.create_market_buy_order_with_cost(PAIR, 500)
    a_filled_market_order(made["info"], quote="500")


@step("limit")
async def limit():
    price = (await prices()).below("0.05")
    made = await order("buy", "limit", 0.01, price, "limit-1")
    equal((made["status"], made["clientOrderId"], made["timeInForce"]), ("open", "limit-1", "GTC"))
    equal(made["price"], price)
    equal((await ex.fetch_balance())["USDT"]["used"], price / 100)


@step("limit, immediate or cancel")
async def limit_ioc():
    made = await order("buy", "limit", 0.01, (await prices()).below("0.05"), timeInForce="IOC")
    equal((made["status"], made["filled"]), ("expired", 0.0))


@step("limit maker")
async def limit_maker():
    p = await prices()
    made = await order("sell", "limit", 0.01, p.above("0.05"), "maker-1", postOnly=True)
    equal(made["clientOrderId"], "maker-1")
    equal((await named("maker-1"))["info"]["type"], "LIMIT_MAKER")
    await refused(WOULD_TAKE, order, "sell", "limit", 0.01, p.below("0.05"), postOnly=True)


@step("filters")
async def filters():
    price = (await prices()).below("0.05")
    await refused(NOTIONAL, order, "buy", "limit", 0.00001, price)

    # The client rounds to the venue's steps by itself: its raw call does not.
    def raw(**changed):
        request = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
        return ex.privatePostOrder({**request, "price": str(price), **changed})

    await refused(LOT_SIZE, raw, quantity="0.000015")
    await refused(PRICE_FILTER, raw, price=f"{price}1")
    await refused(TOO_PRECISE, raw, quantity="0.000000001")


@step("insufficient balance")
async def insufficient_balance():
    price = (await prices()).above("0.05")
    await refused(INSUFFICIENT, order, "sell", "limit", 5, price)
    # The client knows this refusal by the venue's text.
    try:
        await order("sell", "limit", 5, price)
    except ccxt.pro.InsufficientFunds:
        return
    raise AssertionError("no InsufficientFunds")


@step("duplicate client order id")
async def duplicate():
    await refused(DUPLICATE, order, "buy", "limit", 0.01, (await prices()).below("0.05"), "limit-1")


@step("order query")
async def query():
    found = await named("limit-1")
    equal((found["status"], found["amount"], found["info"]["isWorking"]), ("open", 0.01, True))
    equal((await ex.fetch_order(found["id"], PAIR))["clientOrderId"], "limit-1")
    await refused(NO_SUCH_ORDER, named, "no-such")
    check("limit-1" in {o["clientOrderId"] for o in await ex.fetch_orders(PAIR)}, "no limit-1 in allOrders")


@step("open orders")
async def open_orders():
    equal(await open_ids(), {"limit-1", "maker-1"})


@step("cancel")
async def cancel():
    gone = await named("limit-1", ex.cancel_order)
    equal((gone["status"], gone["info"]["origClientOrderId"]), ("canceled", "limit-1"))
    equal(await open_ids(), {"maker-1"})


@step("cancel unknown")
async def cancel_unknown():
    await refused(UNKNOWN_ORDER, named, "no-such", ex.cancel_order)


@step("cancel all")
async def cancel_all():
    await order("buy", "limit", 0.01, (await prices()).below("0.05"), "all-1")
    gone = await ex.cancel_all_orders(PAIR)
    names = {(o["info"]["origClientOrderId"], o["status"]) for o in gone}
    equal(names, {("all-1", "canceled"), ("maker-1", "canceled")})
    equal(await open_ids(), set())
    await refused(UNKNOWN_ORDER, ex.cancel_all_orders, PAIR)


@step("own trades")
async def my_trades():
    order_id = (await named("market-base"))["id"]
    trades = await ex.fetch_my_trades(PAIR, params={"orderId": order_id})
    equal(sum(Decimal(str(t["amount"])) for t in trades), Decimal("0.01"))
    check(all((t["side"], t["takerOrMaker"], t["order"]) == ("buy", "taker", order_id) for t in trades), trades)


@step("public trades")
async def trades():
    while not await ex.fetch_trades(PAIR, limit=5, params={"fetchTradesMethod": "publicGetTrades"}):
        await asyncio.sleep(0.01)


@step("bookTicker")
async def book_ticker():
    await prices()
    check({PAIR, "ETH/USDT"} <= set(await ex.fetch_bids_asks()), "not all symbols")


@step("depth")
async def depth():
    book = await ex.fetch_order_book(PAIR, 20)
    equal((len(book["bids"]), len(book["asks"])), (20, 20))
    check(book["bids"][0][0] < book["asks"][0][0], book)


@step("bad signature")
async def bad_signature():
    with mock.patch.object(ex, "secret", venue.wrong_secret):
        await refused(BAD_SIGNATURE, ex.fetch_balance)


@step("old timestamp")
async def old_timestamp():
    # The client asks for a window of ten seconds by itself.
    with mock.patch.dict(ex.options, timeDifference=11_000):
        await refused(OLD_TIMESTAMP, ex.fetch_balance)


@step("trade stream")
async def trade_stream():
    got = []
    while len(got) < 2:
        got += await ex.watch_trades(PAIR, params={"name": "trade"})
    equal((got[0]["symbol"], int(got[1]["id"])), (PAIR, int(got[0]["id"]) + 1))


@step("bookTicker stream")
async def book_ticker_stream():
    got = [(await ex.watch_bids_asks([PAIR]))[PAIR]["info"] for _ in range(2)]
    check(int(got[0]["u"]) < int(got[1]["u"]) and Decimal(got[0]["b"]) < Decimal(got[0]["a"]), got)


@step("depth stream")
async def depth_stream():
    # The client holds the book: a snapshot, and every difference after it.
    for _ in range(3):
        book = await ex.watch_order_book(PAIR)
        check(book["bids"][0][0] < book["asks"][0][0], book)


@step("WS API: order place, status, cancel")
async def ws_orders():
    made = await order("buy", "limit", 0.01, (await prices()).below("0.05"), "ws-1", ex.create_order_ws)
    equal((made["clientOrderId"], made["status"]), ("ws-1", "open"))
    equal((await ex.fetch_order_ws(made["id"], PAIR))["clientOrderId"], "ws-1")
    equal([o["clientOrderId"] for o in await ex.fetch_open_orders_ws(PAIR)], ["ws-1"])
    gone = await ex.cancel_order_ws(made["id"], PAIR)
    equal(gone["status"], "canceled")


@step("WS API: cancel all")
async def ws_cancel_all():
    await order("buy", "limit", 0.01, (await prices()).below("0.05"), "ws-2", ex.create_order_ws)
    await ex.cancel_all_orders_ws(PAIR)
    equal(await open_ids(), set())


@step("WS API: refusals")
async def ws_refusals():
    await refused(UNKNOWN_ORDER, ex.cancel_order_ws, "1", PAIR)
    with mock.patch.object(ex, "secret", venue.wrong_secret):
        await refused(BAD_SIGNATURE, ex.fetch_balance_ws)


@step("own execution reports")
async def execution_reports():
    await until("the last report", lambda: any(e.get("C") == "ws-2" for e in events))
    equal([e["x"] for e in events if e["c"] == "market-base"][:1], ["NEW"])
    a_cancelled_order_reported(events, "limit-1")
    a_cancelled_order_reported(events, "ws-1")


@step("own trades over the stream")
async def own_trades_stream():
    watched = asyncio.create_task(ex.watch_my_trades(PAIR))
    await asyncio.sleep(0)
    made = await order("buy", "market", 0.01)
    trade = (await watched)[-1]
    equal((trade["order"], trade["takerOrMaker"], trade["side"]), (made["id"], "taker", "buy"))


@step("stop loss limit")
async def stop_loss_limit():
    p = await prices()
    made = await order("sell", "limit", 0.01, p.below("0.06"), "stop-1", stopLossPrice=float(p.below("0.05")))
    equal(made["clientOrderId"], "stop-1")
    found = (await named("stop-1"))["info"]
    equal((found["type"], found["isWorking"], Decimal(found["stopPrice"])), ("STOP_LOSS_LIMIT", False, p.below("0.05")))
    equal((await named("stop-1", ex.cancel_order))["status"], "canceled")


@step("take profit limit")
async def take_profit_limit():
    p = await prices()
    await order("sell", "limit", 0.01, p.above("0.05"), "profit-1", takeProfitPrice=float(p.above("0.04")))
    equal((await named("profit-1"))["info"]["type"], "TAKE_PROFIT_LIMIT")
    equal((await named("profit-1", ex.cancel_order))["status"], "canceled")


@step("OCO")
async def oco():
    p = await prices()
    made = await ex.privatePostOrderListOco(
        {
            "symbol": SYMBOL,
            "side": "SELL",
            "quantity": "0.01",
            "aboveType": "LIMIT_MAKER",
            "abovePrice": str(p.above("0.05")),
            "belowType": "STOP_LOSS_LIMIT",
            "belowStopPrice": str(p.below("0.05")),
            "belowPrice": str(p.below("0.06")),
            "belowTimeInForce": "GTC",
        }
    )
    an_oco_placed(made)
    equal(len(await open_ids()), 2)
    gone = await ex.privateDeleteOrderList({"symbol": SYMBOL, "orderListId": made["orderListId"]})
    equal((gone["listStatusType"], gone["listOrderStatus"]), ("ALL_DONE", "ALL_DONE"))
    equal(await open_ids(), set())


@step("cancel-replace")
async def cancel_replace():
    price = (await prices()).below("0.05")
    old = await order("buy", "limit", 0.01, price, "old-1")
    # The client calls it an edit.
    made = await ex.edit_order(old["id"], PAIR, "limit", "buy", 0.02, float(price))
    equal((made["status"], made["amount"]), ("open", 0.02))
    equal(len(await open_ids()), 1)
    await ex.cancel_all_orders(PAIR)


@step.at_end
async def close():
    reader.cancel()
    await ex.close()


step.run()
