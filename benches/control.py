#!/usr/bin/env python3
"""What the control API costs, measured from outside, against the simulated venue inside the daemon.

    python3 benches/control.py target/release/tollgate [--seconds 15] [--wrk wrk] [--only place,status,tick,events]

place   place-order over HTTP (one connection, kept alive), until the answer that tells of the venue's acknowledgement;
        each order is a resting limit order, and is cancelled untimed.
status  GET ?action=status by wrk with one thread: requests a second.
tick    tick-to-order (received_to_written) of a strategy that sends on every second quote, without anybody at the API,
        and with wrk at full load: p50, p99, and the ratio of the p99.
events  1,000 listeners (server-sent events) that read: each must get every event, by id.

Only the standard library, and wrk (Debian's package) for load. Clients and daemon share the machine: say how many cores
it has beside every figure. The configuration is config/tollgate.toml with wider limits, written below.
"""

import argparse
import http.client
import json
import os
import re
import selectors
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

API = "/api/trading/enhanced-execution"
ROOT = Path(__file__).resolve().parent.parent
PROBE = 'kind = "probe"\nvenue = "binance"\nsymbol = "{}"\nevery = {}\nqty = 0.001\n'


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def configuration(folder, port, probe):
    text = (ROOT / "config/tollgate.toml").read_text()
    data = f"{folder}/data"
    text = text.replace('data_dir = "data"', f'data_dir = "{data}"').replace('"data/', f'"{data}/')
    text = text.replace("127.0.0.1:3000", f"127.0.0.1:{port}").replace('filter = "info"', 'filter = "error"')
    wide = {
        "connections_max": "1_500", "requests_per_second_max": "1_000_000", "duplicate_window_ms": "0",
        "orders_per_second_max": "10_000", "orders_per_day_max": "1_000_000", "runaway_executions_max": "10_000",
        "order_to_trade_max": "100_000", "loss_streak_max": "100_000",
    }
    for key, value in wide.items():
        text, found = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value}", text, count=1)
        assert found, f"config/tollgate.toml has no {key}"
    # Whoever measures the API wants no orders but his own.
    first = text.index("[[strategies]]")
    last = text.index("# The gate.", first)
    strategies = "".join("[[strategies]]\n" + PROBE.format(s, probe) + "\n" for s in ("BTCUSDT", "ETHUSDT")) if probe else ""
    text = text[:first] + strategies + text[last:]
    path = Path(folder) / "tollgate.toml"
    path.write_text(text)
    return path


class Daemon:
    def __init__(self, binary, probe=0):
        self.folder = tempfile.mkdtemp(prefix="tollgate-bench-")
        self.port = free_port()
        config = configuration(self.folder, self.port, probe)
        out = open(f"{self.folder}/out", "w")
        self.process = subprocess.Popen([binary, "run", "--config", config], stdout=out, stderr=out)
        deadline = time.monotonic() + 60
        while True:
            try:
                status = self.get("status")
                quoted = all(i["bid"] for i in status["instruments"])
                if quoted and all(v["state"] == "ready" for v in status["venues"]) and status["takes_commands"]:
                    return
            except OSError:
                pass
            assert self.process.poll() is None and time.monotonic() < deadline, open(f"{self.folder}/out").read()
            time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        shutil.rmtree(self.folder)

    def get(self, action):
        with_ = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with_.request("GET", f"{API}?action={action}")
        return json.loads(with_.getresponse().read())["data"]


def percentile(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * part))]


def place(binary, seconds, _wrk):
    with Daemon(binary) as daemon:
        bid = next(i["bid"] for i in daemon.get("status")["instruments"] if i["symbol"] == "BTCUSDT")
        price = str(int(float(bid) * 0.97))
        way = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=30)
        way.connect()
        way.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def post(body):
            way.request("POST", API, json.dumps(body), {"Content-Type": "application/json"})
            return json.loads(way.getresponse().read())

        took, until = [], time.monotonic() + seconds
        while time.monotonic() < until:
            order = {"action": "place-order", "symbol": "BTCUSDT", "exchange": "binance", "side": "buy",
                     "type": "limit", "quantity": "0.001", "price": price}
            began = time.perf_counter_ns()
            told = post(order)
            took.append(time.perf_counter_ns() - began)
            assert told["success"] and told["data"]["status"] in ("new", "working"), told
            post({"action": "cancel-order", "order_id": told["data"]["order_id"]})
        us = [ns / 1e3 for ns in took]
        print(f"place   {len(us)} orders: p50 {percentile(us, .5):.0f} µs, p99 {percentile(us, .99):.0f} µs")


def run_wrk(wrk, port, seconds):
    url = f"http://127.0.0.1:{port}{API}?action=status"
    done = subprocess.run([wrk, "-t1", "-c8", f"-d{seconds}s", "--latency", url], capture_output=True, text=True)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    assert rate and "Non-2xx" not in done.stdout, done.stdout + done.stderr
    return float(rate.group(1)), re.search(r"99%\s+(\S+)", done.stdout).group(1)


def status(binary, seconds, wrk):
    with Daemon(binary) as daemon:
        rate, p99 = run_wrk(wrk, daemon.port, seconds)
        print(f"status  {rate:.0f} requests/s (wrk, 1 thread, 8 connections), p99 {p99}")


def tick(binary, seconds, wrk):
    found = {}
    for loaded in (False, True):
        with Daemon(binary, probe=2) as daemon:
            if loaded:
                run_wrk(wrk, daemon.port, seconds)
            else:
                time.sleep(seconds)
            rows = daemon.get("latency")["stages"]
            found[loaded] = next(row for row in rows if row["stage"] == "received_to_written")
    for loaded, row in found.items():
        what = "with the API under full load" if loaded else "with nobody at the API     "
        print(f"tick    {what}: {row['count']} orders, p50 {row['p50_ns'] / 1e3:.0f} µs, p99 {row['p99_ns'] / 1e3:.0f} µs")
    print(f"tick    p99 with load over p99 without: {found[True]['p99_ns'] / found[False]['p99_ns']:.2f}")


class Listener:
    ID = re.compile(rb"^id: (\d+)-\d+$", re.MULTILINE)

    def __init__(self, port, start):
        self.socket = socket.create_connection(("127.0.0.1", port))
        request = f"GET {API}/events?from={start} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        self.socket.sendall(request.encode())
        self.socket.setblocking(False)
        self.rest, self.last, self.counts = b"", 0, {}

    def read(self):
        """False where the daemon ended the stream."""
        try:
            got = self.socket.recv(1 << 18)
        except BlockingIOError:
            return True
        text = self.rest + got
        whole = text.rfind(b"\n") + 1
        for found in self.ID.findall(text[:whole]):
            self.last = int(found)
            self.counts[self.last] = self.counts.get(self.last, 0) + 1
        self.rest = text[whole:]
        return bool(got)


def events(binary, seconds, _wrk, clients=1_000):
    # A strategy's orders bring the events to some hundred in a second.
    with Daemon(binary, probe=3) as daemon:
        start = daemon.get("status")["journal"]["seq"]
        selector = selectors.DefaultSelector()
        listeners = []
        for _ in range(clients):
            listener = Listener(daemon.port, start)
            listeners.append(listener)
            selector.register(listener.socket, selectors.EVENT_READ, listener)
        began, ended, end = time.monotonic(), 0, None
        while True:
            for key, _ in selector.select(0.1):
                if not key.data.read():
                    ended += 1
                    selector.unregister(key.data.socket)
            now = time.monotonic() - began
            if end is None and now > seconds:
                end = max(listener.last for listener in listeners)
            if end is not None and all(listener.last > end for listener in listeners):
                break
            assert ended == 0 and now < seconds + 60, f"{ended} of {clients} were cut off"
        took = time.monotonic() - began
        kept = [{seq: n for seq, n in listener.counts.items() if seq <= end} for listener in listeners]
        # What the stream itself has of that time, asked for afterwards.
        way = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=30)
        way.request("GET", f"{API}/events?from={start}&follow=false")
        whole = {}
        for found in Listener.ID.findall(way.getresponse().read()):
            if int(found) <= end:
                whole[int(found)] = whole.get(int(found), 0) + 1
        short = sum(1 for one in kept if one != whole)
        rate = sum(whole.values()) / took
        print(f"events  {clients} listeners, {rate:.0f} events/s each for {took:.0f} s: {short} with a gap or a double")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--seconds", type=int, default=15)
    parser.add_argument("--wrk", default="wrk")
    parser.add_argument("--only", default="place,status,tick,events")
    asked = parser.parse_args()
    print(f"machine {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for name in asked.only.split(","):
        {"place": place, "status": status, "tick": tick, "events": events}[name](asked.binary, asked.seconds, asked.wrk)


if __name__ == "__main__":
    main()
