#!/usr/bin/env python3
"""What the control API costs, measured from outside, against the simulated venue inside the daemon.

    python3 benches/control.py target/release/tollgate [--seconds 15] [--phases 5] [--wrk wrk] [--only place,status,tick,events]

place   place-order over HTTP (one connection, kept alive), until the answer that tells of the venue's acknowledgement;
        each order is a resting limit order, and is cancelled untimed.
status  GET ?action=status by wrk with one thread: requests a second, and what a request took.
tick    tick-to-order (received_to_written) of strategies that send on every second quote: feed, core and gateway are one
        spinning thread pinned to core 0, everything else of the daemon and the load keep off it. Phases without anybody
        at the API and with wrk at full load take turns, each a daemon of its own, so that what else the machine does
        falls on both; the ratio is that of the medians of their p99, and may be 1.10 at most. With one core nothing is
        pinned, and the ratio says little.
events  1,000 listeners (server-sent events) that read: each must get every event once, by id, at 100 a second and more;
        one of them also says how long after its stamp an event came.

Only the standard library, and wrk (Debian's package) for load; where there is none, a client here that asks over 8
connections, and asks for less. Every daemon listens on free ports, in a folder of its own that is removed. Clients and
daemon share the machine: the figures belong with the line of conditions. The configuration is config/tollgate.toml with
wider limits, written below.
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
import statistics
import subprocess
import tempfile
import threading
import time
from datetime import datetime, timezone
from pathlib import Path

API = "/api/trading/enhanced-execution"
ROOT = Path(__file__).resolve().parent.parent
# What an order waits for, on one thread with a core of its own.
PINNED = '[[threads]]\nname = "hot"\nagents = ["feed", "core", "gateway-binance"]\nwait = "spin"\ncore = 0\n\n'
BAR = 1.10
PROBE = 'kind = "probe"\nvenue = "binance"\nsymbol = "{}"\nevery = {}\nqty = 0.001\n'


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def configuration(folder, port, probe, pinned):
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
    if pinned:
        for name in ("feed", "core", "gateway-binance"):
            text, found = re.subn(rf'\[\[threads\]\]\nname = "{name}"\n(.+\n)+\n', "", text, count=1)
            assert found, f"config/tollgate.toml has no thread {name}"
        text = text.replace("[[threads]]\n", PINNED + "[[threads]]\n", 1)
    path = Path(folder) / "tollgate.toml"
    path.write_text(text)
    return path


class Daemon:
    def __init__(self, binary, probe=0, pinned=False):
        self.folder = tempfile.mkdtemp(prefix="tollgate-bench-")
        self.port = free_port()
        config = configuration(self.folder, self.port, probe, pinned)
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


def percentiles(values, unit="µs"):
    values = sorted(values)
    at = lambda part: values[min(len(values) - 1, int(len(values) * part))]
    return f"p50 {at(.5):.0f}, p99 {at(.99):.0f}, p99.9 {at(.999):.0f} {unit} ({len(values)} samples)"


def place(binary, seconds, **_):
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
        print(f"place   request to acknowledgement: {percentiles([ns / 1e3 for ns in took])}")


# wrk tells percentiles as far as 99 by itself.
LUA = """done = function(_, latency, _)
  io.write(string.format("TOLD p50 %.0f, p99 %.0f, p99.9 %.0f µs\\n",
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end"""


def load(wrk, port, seconds, core=None):
    """Asks for status as fast as it is answered; requests a second, their percentiles, and who asked."""
    keep_to = None if core is None else lambda: os.sched_setaffinity(0, {core})
    if not shutil.which(wrk):
        return own_load(port, seconds)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LUA)
        script.flush()
        url = f"http://127.0.0.1:{port}{API}?action=status"
        done = subprocess.run([wrk, "-t1", "-c8", f"-d{seconds}s", "-s", script.name, url], capture_output=True, text=True,
                              preexec_fn=keep_to)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    assert rate and "Non-2xx" not in done.stdout, done.stdout + done.stderr
    return float(rate.group(1)), re.search(r"TOLD (.+)", done.stdout).group(1), "wrk -t1 -c8"


def own_load(port, seconds, connections=8):
    took, until = [], time.monotonic() + seconds

    def ask():
        way = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while time.monotonic() < until:
            began = time.perf_counter_ns()
            way.request("GET", f"{API}?action=status")
            answer = way.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
            took.append((time.perf_counter_ns() - began) / 1e3)

    threads = [threading.Thread(target=ask) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(took) / seconds, percentiles(took), f"{connections} connections of this script: wrk is not there"


def status(binary, seconds, wrk, **_):
    with Daemon(binary) as daemon:
        rate, told, by = load(wrk, daemon.port, seconds)
        print(f"status  {rate:.0f} requests/s ({by}): {told}")


def tick(binary, seconds, wrk, phases=5):
    pinned = os.cpu_count() > 1
    rows, rates = {False: [], True: []}, []
    for phase in range(phases):
        # Neither is always the first of a pair.
        for loaded in (False, True) if phase % 2 == 0 else (True, False):
            with Daemon(binary, probe=2, pinned=pinned) as daemon:
                if loaded:
                    rates.append(load(wrk, daemon.port, seconds, core=os.cpu_count() - 1 if pinned else None)[0])
                else:
                    time.sleep(seconds)
                stages = daemon.get("latency")["stages"]
            row = next(row for row in stages if row["stage"] == "received_to_written")
            rows[loaded].append(row)
            us = lambda name: f"{row[name] / 1e3:.0f}"
            what = "with load   " if loaded else "without load"
            print(f"tick    phase {phase + 1} {what}: p50 {us('p50_ns')}, p99 {us('p99_ns')}, p99.9 {us('p999_ns')} µs "
                  f"({row['count']} orders)", flush=True)
    middle = lambda loaded, name: statistics.median(row[name] for row in rows[loaded])
    for loaded in (False, True):
        p50, p99, p999 = (middle(loaded, name) / 1e3 for name in ("p50_ns", "p99_ns", "p999_ns"))
        what = f"with {statistics.median(rates):.0f} requests/s" if loaded else "with nobody at the API"
        print(f"tick    medians of {phases} phases {what}: p50 {p50:.0f}, p99 {p99:.0f}, p99.9 {p999:.0f} µs")
    ratio = middle(True, "p99_ns") / middle(False, "p99_ns")
    where = "feed, core and gateway alone on core 0" if pinned else "nothing is pinned: this machine has one core"
    print(f"tick    p99 with load over p99 without: {ratio:.2f}, at most {BAR:.2f} is wanted: "
          f"{'held' if ratio <= BAR else 'NOT held'} ({where})")


class Listener:
    ID = re.compile(rb"^id: (\d+)-\d+$", re.MULTILINE)
    TIME = re.compile(rb'"time":"([^"]{26})[^"]*"')

    def __init__(self, port, start, clocked):
        # How long after its stamp an event came; of one listener, or the measuring itself would be the load.
        self.clocked, self.late = clocked, []
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
        if self.clocked:
            now = time.time()
            for found in self.TIME.findall(text[:whole]):
                stamp = datetime.fromisoformat(found.decode()).replace(tzinfo=timezone.utc)
                self.late.append((now - stamp.timestamp()) * 1e3)
        self.rest = text[whole:]
        return bool(got)


def events(binary, seconds, clients=1_000, **_):
    # A strategy's orders bring the events to some hundred in a second.
    with Daemon(binary, probe=3) as daemon:
        start = daemon.get("status")["journal"]["seq"]
        selector = selectors.DefaultSelector()
        listeners = []
        for n in range(clients):
            listener = Listener(daemon.port, start, clocked=n == 0)
            listeners.append(listener)
            selector.register(listener.socket, selectors.EVENT_READ, listener)
        began, ended, end = time.monotonic(), 0, None
        # What they missed while they came is not late: it is old.
        settled = False
        while True:
            for key, _ in selector.select(0.1):
                if not key.data.read():
                    ended += 1
                    selector.unregister(key.data.socket)
            now = time.monotonic() - began
            if not settled and now > 2:
                listeners[0].late.clear()
                settled = True
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
        enough = "" if rate >= 100 else ", FEWER than the 100 that are wanted"
        print(f"events  {clients} listeners, {rate:.0f} events/s each for {took:.0f} s{enough}: {short} with a gap or a double")
        print(f"events  from its stamp to a listener: {percentiles(listeners[0].late, 'ms')}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--seconds", type=int, default=15)
    parser.add_argument("--phases", type=int, default=5, help="of tick, with and without load each")
    parser.add_argument("--wrk", default="wrk")
    parser.add_argument("--only", default="place,status,tick,events")
    asked = parser.parse_args()
    about = subprocess.run([asked.binary, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    governor = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    governor = governor.read_text().strip() if governor.exists() else "not told"
    print(f"machine {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, governor {governor}, {os.uname().release}; "
          f"{about} from {asked.binary}, {asked.seconds} s each")
    for name in asked.only.split(","):
        more = {"phases": asked.phases} if name == "tick" else {}
        {"place": place, "status": status, "tick": tick, "events": events}[name](
            asked.binary, asked.seconds, wrk=asked.wrk, **more)


if __name__ == "__main__":
    main()
