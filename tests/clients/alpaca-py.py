"""alpaca-py: the official client. Amounts as floats, booleans as `True`, MessagePack on the data streams."""

import asyncio
import threading
import uuid
from decimal import Decimal

from alpaca.common.exceptions import APIError
from alpaca.data.enums import DataFeed
from alpaca.data.historical import CryptoHistoricalDataClient, StockHistoricalDataClient
from alpaca.data.live import CryptoDataStream, StockDataStream
from alpaca.data import requests as data
from alpaca.data.timeframe import TimeFrame
from alpaca.trading.client import TradingClient
from alpaca.trading import enums as E
from alpaca.trading import requests as R
from alpaca.trading.stream import TradingStream

from alpaca_steps import *

step = alpaca()
venue = step.venue
client = TradingClient(venue.key, venue.secret, paper=True, url_override=venue.rest)
stocks = StockHistoricalDataClient(venue.key, venue.secret, url_override=venue.data)
coins = CryptoHistoricalDataClient(venue.key, venue.secret, url_override=venue.data)
BUY, SELL = E.OrderSide.BUY, E.OrderSide.SELL
DAY, GTC, IOC, FOK = E.TimeInForce.DAY, E.TimeInForce.GTC, E.TimeInForce.IOC, E.TimeInForce.FOK
events = []


def refused(want, call, *args, **kwargs):
    try:
        got = call(*args, **kwargs)
    except APIError as error:
        got = (error.status_code, error.code, error.message)
    equal(got, want)


def submit(kind, symbol=EQUITY, qty=1, side=BUY, tif=DAY, **members):
    return client.submit_order(kind(symbol=symbol, qty=qty, side=side, time_in_force=tif, **members))


def becomes(order, status):
    return eventually(f"{status} of {order.id}", lambda: found if (found := client.get_order_by_id(order.id)).status == status else None)


def market(symbol=EQUITY, qty=1, side=BUY, **members):
    tif = GTC if "/" in symbol else DAY
    return becomes(submit(R.MarketOrderRequest, symbol, qty, side, members.pop("tif", tif), **members), E.OrderStatus.FILLED)


def resting(symbol=EQUITY, qty=1, price=100, tif=GTC, **members):
    return becomes(submit(R.LimitOrderRequest, symbol, qty, BUY, tif, limit_price=price, **members), E.OrderStatus.NEW)


def gone(order):
    client.cancel_order_by_id(order.id)
    return becomes(order, E.OrderStatus.CANCELED)


def flat():
    client.cancel_orders()
    eventually("no open orders", lambda: not client.get_orders())
    client.close_all_positions(cancel_orders=True)
    eventually("no positions", lambda: not client.get_all_positions())


@step("account")
def account():
    a = client.get_account()
    equal((a.status, a.currency, a.multiplier), (E.AccountStatus.ACTIVE, "USD", "2"))
    equal((Decimal(a.cash), Decimal(a.equity), Decimal(a.buying_power)), (Decimal(100_000), Decimal(100_000), Decimal(200_000)))
    check(a.shorting_enabled and not a.trading_blocked and a.daytrade_count is None, a)


@step("bad key")
def bad_key():
    refused(BAD_KEY, TradingClient(venue.key, "wrong", url_override=venue.rest).get_account)


@step("account configurations")
def configurations():
    now = client.get_account_configurations()
    equal((now.suspend_trade, now.max_margin_multiplier), (False, "4"))
    now.suspend_trade = True
    check(client.set_account_configurations(now).suspend_trade, now)
    refused(SUSPENDED, submit, R.MarketOrderRequest)
    now.suspend_trade = False
    check(not client.set_account_configurations(now).suspend_trade, now)


@step("clock")
def clock():
    now = client.get_clock()
    check(now.is_open and now.timestamp < now.next_close < now.next_open, now)


@step("calendar")
def calendar():
    from datetime import date

    days = client.get_calendar(R.GetCalendarRequest(start=date(2026, 11, 23), end=date(2026, 11, 29)))
    equal([(d.date.day, d.close.hour) for d in days], [(23, 16), (24, 16), (25, 16), (27, 13)])


@step("assets")
def assets():
    found = client.get_all_assets(R.GetAssetsRequest(asset_class=E.AssetClass.US_EQUITY, status=E.AssetStatus.ACTIVE))
    check({EQUITY, OTHER, "BRK.A"} <= {a.symbol for a in found}, found)
    one = client.get_asset(EQUITY)
    check(one.tradable and one.fractionable and one.shortable, one)
    equal(client.get_asset(one.id).symbol, EQUITY)
    pairs = client.get_all_assets(R.GetAssetsRequest(asset_class=E.AssetClass.CRYPTO))
    check(PAIR in {a.symbol for a in pairs}, pairs)


@step("trade updates: subscribe")
async def updates():
    global trading_stream
    trading_stream = TradingStream(venue.key, venue.secret, paper=True, url_override=venue.stream)

    async def heard(update):
        events.append(update)

    trading_stream.subscribe_trade_updates(heard)
    threading.Thread(target=trading_stream.run, daemon=True).start()
    await until("the stream", lambda: trading_stream._running)
    # It says so before the venue has taken its request to listen: orders are made until one is heard of.
    while not events:
        gone(resting())
        await asyncio.sleep(0.05)


@step("market order")
def market_order():
    order = market(qty=10, client_order_id="market-1")
    equal((order.filled_qty, order.qty), ("10", "10"))
    check(Decimal(order.filled_avg_price) > 0, order)


@step("trade updates: a fill")
async def fill_heard():
    def own():
        found = [e for e in events if e.order.client_order_id == "market-1"]
        return found if found and found[-1].event == "fill" else None

    found = await until("the fill", own)
    equal([e.event for e in found][:2], ["pending_new", "new"])
    check(all(e.event in ("partial_fill", "fill") for e in found[2:]), found)
    equal(sum(Decimal(str(e.qty)) for e in found[2:]), Decimal(10))
    equal((found[-1].position_qty, found[-1].order.filled_qty), (10.0, "10"))
    equal(len({e.execution_id for e in found}), len(found))


@step("notional and fractional")
def notional():
    order = client.submit_order(R.MarketOrderRequest(symbol=OTHER, notional=100.5, side=BUY, time_in_force=DAY))
    order = becomes(order, E.OrderStatus.FILLED)
    equal((order.qty, order.notional), (None, "100.5"))
    check(0 < Decimal(order.filled_qty) < 1, order)
    equal(market(OTHER, 0.25).filled_qty, "0.25")
    refused(FRACTION_DAY, submit, R.MarketOrderRequest, qty=0.5, tif=GTC)


@step("limit order, query, cancel")
def limit_order():
    order = resting(client_order_id="limit-1")
    equal((order.limit_price, order.status), ("100", E.OrderStatus.NEW))
    equal(client.get_order_by_client_id("limit-1").id, order.id)
    equal([o.id for o in client.get_orders(R.GetOrdersRequest(status="open", symbols=[EQUITY]))], [order.id])
    refused(DUPLICATE_ID, submit, R.LimitOrderRequest, limit_price=100, client_order_id="limit-1")
    check(gone(order).canceled_at, order)
    found = client.get_orders(R.GetOrdersRequest(status="closed", limit=500, nested=True))
    check(order.id in {o.id for o in found}, found)


@step("immediate or cancel, fill or kill")
def at_once():
    for tif in (IOC, FOK):
        order = submit(R.LimitOrderRequest, limit_price=50, tif=tif)
        equal(becomes(order, E.OrderStatus.CANCELED).filled_qty, "0")


@step("stop, stop limit")
def stops():
    for kind, members in ((R.StopOrderRequest, {}), (R.StopLimitOrderRequest, {"limit_price": 99.5})):
        order = becomes(submit(kind, qty=1, side=SELL, tif=GTC, stop_price=100, **members), E.OrderStatus.NEW)
        equal(order.stop_price, "100")
        gone(order)


@step("a stop is triggered")
def stop_triggered():
    order = becomes(submit(R.StopOrderRequest, qty=1, side=SELL, stop_price=200, tif=GTC), E.OrderStatus.NEW)
    venue.quote(EQUITY, 199.5, 199.6, 199.55)
    equal(becomes(order, E.OrderStatus.FILLED).filled_qty, "1")


@step("trailing stop, percent and price")
def trailing():
    for members, name in (({"trail_percent": 5}, "trail_percent"), ({"trail_price": 5}, "trail_price")):
        order = becomes(submit(R.TrailingStopOrderRequest, side=SELL, **members), E.OrderStatus.NEW)
        equal(getattr(order, name), "5")
        check(Decimal(order.stop_price) < Decimal(order.hwm), order)
        gone(order)


@step("auction orders")
def auctions():
    order = becomes(submit(R.MarketOrderRequest, tif=E.TimeInForce.CLS), E.OrderStatus.NEW)
    gone(order)
    refused((422, 42210000, "opg orders are not accepted at this time"), submit, R.MarketOrderRequest, tif=E.TimeInForce.OPG)


@step("bracket")
def bracket():
    order = submit(R.LimitOrderRequest, tif=GTC, limit_price=100, order_class=E.OrderClass.BRACKET,
                   take_profit=R.TakeProfitRequest(limit_price=500), stop_loss=R.StopLossRequest(stop_price=50, limit_price=49))
    equal([leg.status for leg in order.legs], [E.OrderStatus.HELD] * 2)
    client.cancel_order_by_id(order.id)
    becomes(order, E.OrderStatus.CANCELED)
    equal(client.get_orders(), [])
    # The client would refuse this by itself: its raw call does not.
    refused(NO_PROFIT, client.post, "/orders", {"symbol": EQUITY, "qty": 1, "side": "buy", "type": "market", "time_in_force": "gtc",
            "order_class": "bracket", "stop_loss": {"stop_price": 50}})


@step("a bracket's exits come alive")
def bracket_alive():
    order = submit(R.MarketOrderRequest, OTHER, 2, tif=GTC, order_class=E.OrderClass.BRACKET,
                   take_profit=R.TakeProfitRequest(limit_price=900), stop_loss=R.StopLossRequest(stop_price=100))
    becomes(order, E.OrderStatus.FILLED)
    nested = client.get_order_by_id(order.id, R.GetOrderByIdRequest(nested=True))
    equal([leg.status for leg in nested.legs], [E.OrderStatus.NEW, E.OrderStatus.HELD])
    client.cancel_order_by_id(nested.legs[1].id)
    eventually("the group's end", lambda: not client.get_orders())


@step("one cancels the other")
def oco():
    order = submit(R.LimitOrderRequest, qty=1, side=SELL, tif=GTC, limit_price=500, order_class=E.OrderClass.OCO,
                   take_profit=R.TakeProfitRequest(limit_price=500), stop_loss=R.StopLossRequest(stop_price=50))
    becomes(order, E.OrderStatus.NEW)
    equal(client.get_order_by_id(order.id, R.GetOrderByIdRequest(nested=True)).legs[0].status, E.OrderStatus.HELD)
    gone(order)


@step("one triggers the other")
def oto():
    order = submit(R.LimitOrderRequest, tif=GTC, limit_price=100, order_class=E.OrderClass.OTO, stop_loss=R.StopLossRequest(stop_price=50))
    equal(len(order.legs), 1)
    gone(order)


@step("extended hours")
def extended():
    order = resting(tif=DAY, extended_hours=True)
    check(order.extended_hours, order)
    gone(order)


@step("replace")
def replace():
    old = resting(client_order_id="old-1")
    new = client.replace_order_by_id(old.id, R.ReplaceOrderRequest(qty=2, limit_price=101, client_order_id="new-1"))
    check(new.id != old.id and new.replaces == old.id, new)
    equal(becomes(new, E.OrderStatus.NEW).limit_price, "101")
    equal(becomes(old, E.OrderStatus.REPLACED).replaced_by, new.id)
    gone(new)


@step("refusals")
def refusals():
    refused(SUB_PENNY, submit, R.LimitOrderRequest, limit_price=100.123)
    refused(NO_POWER, submit, R.LimitOrderRequest, qty=100_000, limit_price=100)
    refused(NOT_SHORTABLE, submit, R.MarketOrderRequest, symbol="HTBX", side=SELL)
    refused(NO_ORDER, client.cancel_order_by_id, uuid.uuid4())
    refused(NO_POSITION, client.get_open_position, "TSLA")
    refused(CRYPTO_TIF, submit, R.MarketOrderRequest, symbol=PAIR, tif=DAY)


@step("crypto")
def crypto():
    order = market(PAIR, 0.01)
    equal((order.asset_class, order.filled_qty), (E.AssetClass.CRYPTO, "0.01"))
    # Less the fee of 25 basis points, taken in the coin.
    held = Decimal(client.get_open_position("BTCUSD").qty)
    # Each fill's fee is rounded up at the ninth place.
    check(0 <= Decimal("0.009975") - held < Decimal("0.00000001"), held)
    stop = submit(R.StopLimitOrderRequest, PAIR, 0.005, SELL, GTC, stop_price=50_000, limit_price=49_000)
    gone(becomes(stop, E.OrderStatus.NEW))


@step("short sale")
def short():
    market("MSFT", 3, SELL)
    position = client.get_open_position("MSFT")
    equal((position.side, position.qty), (E.PositionSide.SHORT, "-3"))
    market("MSFT", 3)


@step("positions, close one")
def positions():
    before = {p.symbol: Decimal(p.qty) for p in client.get_all_positions()}
    check(before[EQUITY] > 2 and "BTCUSD" in before, before)
    order = client.close_position(EQUITY, R.ClosePositionRequest(qty="1"))
    becomes(order, E.OrderStatus.FILLED)
    equal(Decimal(client.get_open_position(EQUITY).qty), before[EQUITY] - 1)
    becomes(client.close_position("BTCUSD", R.ClosePositionRequest(percentage="50")), E.OrderStatus.FILLED)


@step("cancel all")
def cancel_all():
    orders = {resting(OTHER).id, resting(EQUITY).id}
    answers = client.cancel_orders()
    equal({(a.id, a.status) for a in answers}, {(id, 200) for id in orders})
    eventually("no open orders", lambda: not client.get_orders())


@step("close all")
def close_all():
    held = {p.symbol for p in client.get_all_positions()}
    answers = client.close_all_positions(cancel_orders=True)
    equal({(a.symbol, a.status) for a in answers}, {(symbol, 200) for symbol in held})
    eventually("no positions", lambda: not client.get_all_positions())


@step("portfolio history")
def history():
    found = client.get_portfolio_history(R.GetPortfolioHistoryRequest(period="1D", timeframe="1Min"))
    equal(len(found.timestamp), len(found.equity))


@step("fill activities by pages")
def activities():
    first = client.get("/account/activities/FILL", {"page_size": 3})
    second = client.get("/account/activities/FILL", {"page_size": 3, "page_token": first[-1]["id"]})
    equal((len(first), len(second)), (3, 3))
    check(not {a["id"] for a in first} & {a["id"] for a in second}, second)
    oldest = client.get("/account/activities/FILL", {"direction": "asc", "page_size": 1})[0]
    equal((oldest["symbol"], oldest["side"]), (EQUITY, "buy"))


@step("trade updates: cancel and replacement")
async def later_events():
    def names(id):
        return [e.event for e in events if e.order.client_order_id == id]

    await until("the cancel", lambda: names("limit-1")[-1:] == ["canceled"])
    equal(names("limit-1"), ["pending_new", "new", "pending_cancel", "canceled"])
    equal(names("old-1"), ["pending_new", "new", "pending_replace", "replaced"])
    equal(names("new-1")[:2], ["pending_new", "new"])


@step("latest quotes, trades, bars, snapshots")
def latest():
    quote = stocks.get_stock_latest_quote(data.StockLatestQuoteRequest(symbol_or_symbols=[EQUITY]))[EQUITY]
    check(0 < quote.bid_price < quote.ask_price, quote)
    check(stocks.get_stock_latest_trade(data.StockLatestTradeRequest(symbol_or_symbols=EQUITY))[EQUITY].price > 0, quote)
    check(stocks.get_stock_latest_bar(data.StockLatestBarRequest(symbol_or_symbols=EQUITY))[EQUITY].close > 0, quote)
    check(stocks.get_stock_snapshot(data.StockSnapshotRequest(symbol_or_symbols=EQUITY))[EQUITY].daily_bar.open > 0, quote)
    coin = coins.get_crypto_latest_quote(data.CryptoLatestQuoteRequest(symbol_or_symbols=PAIR))[PAIR]
    check(0 < coin.bid_price < coin.ask_price, coin)
    book = coins.get_crypto_latest_orderbook(data.CryptoLatestOrderbookRequest(symbol_or_symbols=PAIR))[PAIR]
    check(book.bids and book.asks, book)


@step("bars")
def bars():
    from datetime import datetime, timezone

    start, end = datetime(2026, 11, 16, 15, 0, tzinfo=timezone.utc), datetime(2026, 11, 16, 15, 30, tzinfo=timezone.utc)
    found = stocks.get_stock_bars(data.StockBarsRequest(symbol_or_symbols=EQUITY, timeframe=TimeFrame.Minute, start=start, end=end))
    equal(len(found[EQUITY]), 31)
    found = coins.get_crypto_bars(data.CryptoBarsRequest(symbol_or_symbols=PAIR, timeframe=TimeFrame.Hour, start=start, end=end))
    check(len(found[PAIR]) >= 1, found)


async def listen(stream, subscribe):
    """Runs a data stream until each of its channels has spoken."""
    got = {}

    def take(name):
        async def heard(message):
            got.setdefault(name, message)

        return heard

    wanted = subscribe(stream, take)
    running = asyncio.create_task(stream._run_forever())
    await until(f"{wanted}", lambda: wanted <= set(got))
    await stream.stop_ws()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return got


@step("stock data stream")
async def stock_stream():
    def subscribe(stream, take):
        stream.subscribe_quotes(take("quote"), EQUITY)
        stream.subscribe_trades(take("trade"), EQUITY)
        return {"quote", "trade"}

    got = await listen(StockDataStream(venue.key, venue.secret, feed=DataFeed.IEX, url_override=venue.data_stream + "/v2/iex"), subscribe)
    check(got["quote"].bid_price < got["quote"].ask_price and got["trade"].size > 0, got)


@step("test data stream")
async def test_stream():
    def subscribe(stream, take):
        stream.subscribe_quotes(take("quote"), "FAKEPACA")
        return {"quote"}

    await listen(StockDataStream(venue.key, venue.secret, url_override=venue.data_stream + "/v2/test"), subscribe)


@step("bars on the stream")
async def bar_stream():
    def subscribe(stream, take):
        stream.subscribe_bars(take("bar"), "*")
        # A minute passes in a second.
        venue.order("/time", speed=60)
        return {"bar"}

    got = await listen(StockDataStream(venue.key, venue.secret, url_override=venue.data_stream + "/v2/sip"), subscribe)
    venue.order("/time", speed=1)
    check(got["bar"].high >= got["bar"].low, got)


@step("statuses and corrections on the stream")
async def status_stream():
    def subscribe(stream, take):
        async def traded(_):
            # A trade is heard of: there is one to correct, and one to take back.
            venue.order("/market", symbol=EQUITY, correct="199.5")
            venue.order("/market", symbol=EQUITY, bust=True)
            venue.order("/market", symbol=EQUITY, halted=True)
            venue.order("/market", symbol=EQUITY, halted=False)

        stream.subscribe_trades(traded, EQUITY)
        stream.subscribe_trading_statuses(take("status"), EQUITY)
        stream.register_trade_corrections(take("correction"))
        stream.register_trade_cancels(take("cancel"))
        return {"status", "correction", "cancel"}

    got = await listen(StockDataStream(venue.key, venue.secret, url_override=venue.data_stream + "/v2/delayed_sip"), subscribe)
    equal((got["status"].symbol, got["correction"].symbol, got["cancel"].symbol), (EQUITY,) * 3)


@step("crypto data stream")
async def crypto_stream():
    def subscribe(stream, take):
        stream.subscribe_quotes(take("quote"), PAIR)
        stream.subscribe_trades(take("trade"), PAIR)
        stream.subscribe_orderbooks(take("book"), PAIR)
        return {"quote", "trade", "book"}

    stream = CryptoDataStream(venue.key, venue.secret, url_override=venue.data_stream + "/v1beta3/crypto/us")
    got = await listen(stream, subscribe)
    check(got["book"].bids and got["trade"].price > 0, got)


@step("the close: a day order expires")
def close_of_day():
    order = resting(tif=DAY)
    venue.order("/time", now="2026-11-17T15:59:59-05:00")
    becomes(order, E.OrderStatus.EXPIRED)
    eventually("the close", lambda: not client.get_clock().is_open)
    waits = submit(R.MarketOrderRequest)
    equal(waits.status, E.OrderStatus.ACCEPTED)
    venue.order("/time", now="2026-11-18T09:29:59-05:00")
    becomes(waits, E.OrderStatus.FILLED)


@step.at_end
def close():
    trading_stream.stop()


step.run()
