"""The most used client of others: parameters in form bodies, of cancels too; its methods are coroutines."""

import asyncio
from decimal import Decimal
from unittest import mock

from binance import AsyncClient, BinanceSocketManager
from binance.exceptions import BinanceAPIException

from steps import *

step = Steps()
venue = step.venue
# It knows no argument for addresses.
AsyncClient.API_URL = venue.rest + "/api"
AsyncClient.WS_API_URL = venue.ws_api
BinanceSocketManager.STREAM_URL = venue.streams + "/"

events = []


async def refused(want, call, *args, **kwargs):
    try:
        got = await call(*args, **kwargs)
    except BinanceAPIException as error:
        got = (error.code, error.message)
    equal(got, want)


async def order(side, kind, client_id=None, call=None, **more):
    if kind == "LIMIT" or kind.endswith("_LIMIT"):
        more.setdefault("timeInForce", "GTC")
    if client_id:
        more["newClientOrderId"] = client_id
    return await (call or rest.create_order)(symbol=SYMBOL, side=side, type=kind, **more)


async def prices():
    book = await rest.get_orderbook_ticker(symbol=SYMBOL)
    return Prices(book["bidPrice"], book["askPrice"])


async def open_ids():
    return {o["clientOrderId"] for o in await rest.get_open_orders(symbol=SYMBOL)}


async def status(client_id):
    return await rest.get_order(symbol=SYMBOL, origClientOrderId=client_id)


async def cancelled(client_id):
    return await rest.cancel_order(symbol=SYMBOL, origClientOrderId=client_id)


@step("begin: ping, and the clock's offset")
async def begin():
    # Sockets belong to the loop in which they are made.
    global rest, sockets
    rest = await AsyncClient.create(venue.key, venue.secret)
    sockets = BinanceSocketManager(rest)
    check(abs(rest.timestamp_offset) < 5_000, rest.timestamp_offset)


@step("ping")
async def ping():
    equal(await rest.ping(), {})


@step("time")
async def server_time():
    earlier = (await rest.get_server_time())["serverTime"]
    await asyncio.sleep(0.002)
    check((await rest.get_server_time())["serverTime"] > earlier, earlier)


@step("exchangeInfo")
async def exchange_info():
    info = await rest.get_exchange_info()
    check({SYMBOL, "ETHUSDT"} <= {s["symbol"] for s in info["symbols"]}, info)
    filters = {f["filterType"]: f for f in (await rest.get_symbol_info(SYMBOL))["filters"]}
    equal(filters["LOT_SIZE"]["stepSize"], Decimal("0.00001"))
    equal(filters["PRICE_FILTER"]["tickSize"], Decimal("0.01"))


@step("account")
async def account():
    balances = {b["asset"]: b for b in (await rest.get_account())["balances"]}
    equal(balances["USDT"]["free"], Decimal(100_000))
    equal((await rest.get_asset_balance(asset="BTC"))["free"], Decimal(1))


@step("rate limits in the headers")
async def rate_limits():
    await rest.get_account()
    check(int(rest.response.headers["x-mbx-used-weight-1m"]) >= 20, rest.response.headers)
    equal([c["interval"] for c in await rest.get_current_order_count()], ["SECOND", "DAY"])


@step("order test")
async def order_test():
    price = (await prices()).bid
    equal(await order("BUY", "LIMIT", call=rest.create_test_order, quantity=0.01, price=price), {})
    equal(await open_ids(), set())


@step("subscribe user data")
async def subscribe_user_data():
    global user, reader
    user = sockets.user_socket()
    await user.__aenter__()

    async def read():
        while True:
            events.append(await user.recv())

    reader = asyncio.create_task(read())


@step("market, base quantity")
async def market():
    a_filled_market_order(await order("BUY", "MARKET", "market-base", quantity=0.01), qty="0.01")


@step("market, quote quantity")
async def market_quote():
    a_filled_market_order(await order("BUY", "MARKET", "market-quote", quoteOrderQty=500), quote="500")


@step("limit")
async def limit():
    price = (await prices()).below("0.05")
    made = await order("BUY", "LIMIT", "limit-1", quantity=0.01, price=price)
    equal((made["status"], made["clientOrderId"], made["timeInForce"]), ("NEW", "limit-1", "GTC"))
    equal(made["price"], price)
    equal((await rest.get_asset_balance(asset="USDT"))["locked"], price / 100)


@step("limit, immediate or cancel")
async def limit_ioc():
    made = await order("BUY", "LIMIT", quantity=0.01, price=(await prices()).below("0.05"), timeInForce="IOC")
    equal((made["status"], made["fills"]), ("EXPIRED", []))


@step("limit maker")
async def limit_maker():
    p = await prices()
    made = await order("SELL", "LIMIT_MAKER", "maker-1", quantity=0.01, price=p.above("0.05"))
    equal(made["clientOrderId"], "maker-1")
    await refused(WOULD_TAKE, order, "SELL", "LIMIT_MAKER", quantity=0.01, price=p.below("0.05"))


@step("filters")
async def filters():
    price = (await prices()).below("0.05")
    await refused(LOT_SIZE, order, "BUY", "LIMIT", quantity="0.000015", price=price)
    await refused(PRICE_FILTER, order, "BUY", "LIMIT", quantity=0.01, price=price + Decimal("0.001"))
    await refused(NOTIONAL, order, "BUY", "LIMIT", quantity="0.00001", price=price)
    await refused(TOO_PRECISE, order, "BUY", "LIMIT", quantity="0.000000001", price=price)


@step("insufficient balance")
async def insufficient_balance():
    await refused(INSUFFICIENT, order, "SELL", "LIMIT", quantity=5, price=(await prices()).above("0.05"))


@step("duplicate client order id")
async def duplicate():
    price = (await prices()).below("0.05")
    await refused(DUPLICATE, order, "BUY", "LIMIT", "limit-1", quantity=0.01, price=price)


@step("order query")
async def query():
    found = await status("limit-1")
    equal((found["status"], found["isWorking"], found["origQty"]), ("NEW", True, "0.01000000"))
    equal((await rest.get_order(symbol=SYMBOL, orderId=found["orderId"]))["clientOrderId"], "limit-1")
    await refused(NO_SUCH_ORDER, status, "no-such")
    check("limit-1" in {o["clientOrderId"] for o in await rest.get_all_orders(symbol=SYMBOL)}, "no limit-1")


@step("open orders")
async def open_orders():
    equal(await open_ids(), {"limit-1", "maker-1"})


@step("cancel")
async def cancel():
    gone = await cancelled("limit-1")
    equal((gone["status"], gone["origClientOrderId"]), ("CANCELED", "limit-1"))
    check(gone["clientOrderId"] != "limit-1", gone)
    equal(await open_ids(), {"maker-1"})


@step("cancel unknown")
async def cancel_unknown():
    await refused(UNKNOWN_ORDER, cancelled, "no-such")


@step("cancel all")
async def cancel_all():
    await order("BUY", "LIMIT", "all-1", quantity=0.01, price=(await prices()).below("0.05"))
    gone = await rest.cancel_all_open_orders(symbol=SYMBOL)
    equal({(o["origClientOrderId"], o["status"]) for o in gone}, {("all-1", "CANCELED"), ("maker-1", "CANCELED")})
    equal(await open_ids(), set())
    await refused(UNKNOWN_ORDER, rest.cancel_all_open_orders, symbol=SYMBOL)


@step("own trades")
async def my_trades():
    trades = await rest.get_my_trades(symbol=SYMBOL, orderId=(await status("market-base"))["orderId"])
    equal(sum(Decimal(t["qty"]) for t in trades), Decimal("0.01"))
    check(all(t["isBuyer"] and not t["isMaker"] for t in trades), trades)


@step("public trades")
async def trades():
    while not await rest.get_recent_trades(symbol=SYMBOL, limit=5):
        await asyncio.sleep(0.01)


@step("bookTicker")
async def book_ticker():
    await prices()
    check({SYMBOL, "ETHUSDT"} <= {t["symbol"] for t in await rest.get_orderbook_tickers()}, "not all symbols")


@step("depth")
async def depth():
    book = await rest.get_order_book(symbol=SYMBOL, limit=20)
    equal((len(book["bids"]), len(book["asks"])), (20, 20))
    check(Decimal(book["bids"][0][0]) < Decimal(book["asks"][0][0]), book)


@step("bad signature")
async def bad_signature():
    wrong = await AsyncClient.create(venue.key, venue.wrong_secret)
    await refused(BAD_SIGNATURE, wrong.get_account)
    await wrong.close_connection()


@step("old timestamp")
async def old_timestamp():
    # The client asks for a window of ten seconds by itself.
    with mock.patch.object(rest, "timestamp_offset", -11_000):
        await refused(OLD_TIMESTAMP, rest.get_account)


@step("trade stream")
async def trade_stream():
    async with sockets.trade_socket(SYMBOL) as socket:
        got = [await socket.recv(), await socket.recv()]
    equal((got[0]["e"], got[0]["s"], got[1]["t"]), ("trade", SYMBOL, got[0]["t"] + 1))


@step("bookTicker stream")
async def book_ticker_stream():
    async with sockets.symbol_book_ticker_socket(SYMBOL) as socket:
        got = [await socket.recv(), await socket.recv()]
    check(got[0]["u"] < got[1]["u"] and Decimal(got[0]["b"]) < Decimal(got[0]["a"]), got)


@step("combined streams")
async def combined_streams():
    names = ["btcusdt@bookTicker", "ethusdt@bookTicker"]
    seen = set()
    async with sockets.multiplex_socket(names) as socket:
        while seen != set(names):
            seen.add((await socket.recv())["stream"])


@step("WS API: order place, status, cancel")
async def ws_orders():
    price = str((await prices()).below("0.05"))
    made = await order("BUY", "LIMIT", "ws-1", call=rest.ws_create_order, quantity="0.01", price=price)
    equal((made["clientOrderId"], made["status"]), ("ws-1", "NEW"))
    found = await rest.ws_get_order(symbol=SYMBOL, origClientOrderId="ws-1")
    equal(found["orderId"], made["orderId"])
    equal([o["clientOrderId"] for o in await rest.ws_get_open_orders(symbol=SYMBOL)], ["ws-1"])
    gone = await rest.ws_cancel_order(symbol=SYMBOL, origClientOrderId="ws-1")
    equal(gone["status"], "CANCELED")


@step("WS API: refusals")
async def ws_refusals():
    await refused(UNKNOWN_ORDER, rest.ws_cancel_order, symbol=SYMBOL, origClientOrderId="ws-1")
    with mock.patch.object(rest, "API_SECRET", venue.wrong_secret):
        await refused(BAD_SIGNATURE, rest.ws_get_account)


@step("own execution reports")
async def execution_reports():
    await until("the last report", lambda: any(e.get("C") == "ws-1" for e in events))
    a_market_order_reported(events, "market-base", "0.01")
    a_cancelled_order_reported(events, "limit-1")
    a_cancelled_order_reported(events, "ws-1")


@step("stop loss limit")
async def stop_loss_limit():
    p = await prices()
    await order("SELL", "STOP_LOSS_LIMIT", "stop-1", quantity=0.01, price=p.below("0.06"), stopPrice=p.below("0.05"))
    found = await status("stop-1")
    equal((found["type"], found["isWorking"]), ("STOP_LOSS_LIMIT", False))
    equal(found["stopPrice"], p.below("0.05"))
    equal((await cancelled("stop-1"))["status"], "CANCELED")


@step("take profit limit")
async def take_profit_limit():
    p = await prices()
    order_prices = {"price": p.above("0.05"), "stopPrice": p.above("0.04")}
    await order("SELL", "TAKE_PROFIT_LIMIT", "profit-1", quantity=0.01, **order_prices)
    equal((await status("profit-1"))["type"], "TAKE_PROFIT_LIMIT")
    equal((await cancelled("profit-1"))["status"], "CANCELED")


@step("OCO")
async def oco():
    p = await prices()
    made = await rest.create_oco_order(
        symbol=SYMBOL,
        side="SELL",
        quantity=0.01,
        aboveType="LIMIT_MAKER",
        abovePrice=p.above("0.05"),
        belowType="STOP_LOSS_LIMIT",
        belowStopPrice=p.below("0.05"),
        belowPrice=p.below("0.06"),
        belowTimeInForce="GTC",
    )
    an_oco_placed(made)
    equal(len(await open_ids()), 2)
    found = await rest.v3_get_order_list(orderListId=made["orderListId"])
    equal(found["listOrderStatus"], "EXECUTING")
    gone = await rest.v3_delete_order_list(symbol=SYMBOL, orderListId=made["orderListId"])
    equal((gone["listStatusType"], gone["listOrderStatus"]), ("ALL_DONE", "ALL_DONE"))
    equal(await open_ids(), set())


@step("cancel-replace")
async def cancel_replace():
    price = (await prices()).below("0.05")
    await order("BUY", "LIMIT", "old-1", quantity=0.01, price=price)
    made = await rest.cancel_replace_order(
        symbol=SYMBOL,
        side="BUY",
        type="LIMIT",
        cancelReplaceMode="STOP_ON_FAILURE",
        timeInForce="GTC",
        quantity=0.02,
        price=price,
        cancelOrigClientOrderId="old-1",
        newClientOrderId="new-1",
    )
    equal((made["cancelResult"], made["newOrderResult"]), ("SUCCESS", "SUCCESS"))
    equal(await open_ids(), {"new-1"})
    await rest.cancel_all_open_orders(symbol=SYMBOL)


@step.at_end
async def close():
    reader.cancel()
    await user.__aexit__(None, None, None)
    # The WebSocket API is closed with the loop: the client's own way waits ten seconds for one more message.
    await rest.session.close()


step.run()
