"""The same numbers from numpy, empyrical-reloaded and quantstats: series in on standard input, values out, as JSON."""

import json
import math
import sys
import warnings

import numpy as np

warnings.filterwarnings("ignore")
import empyrical
import pandas as pd

try:
    import quantstats.stats as qs
except Exception as cause:  # A library that cannot be loaded is said, and the others are used.
    qs = None
    print(f"quantstats is left out: {cause}", file=sys.stderr)


def plain(value):
    value = float(value)
    return value if math.isfinite(value) else None


def of_returns(values, periods):
    r = np.array(values)
    series = pd.Series(r, index=pd.date_range("2019-01-01", periods=len(r), freq="D"))
    out = {
        "numpy.mean": r.mean(),
        "numpy.expectancy": r.mean(),
        "numpy.volatility": r.std(ddof=1) * math.sqrt(periods),
        "empyrical.sharpe": empyrical.sharpe_ratio(r, annualization=periods),
        "empyrical.sharpe_rf": empyrical.sharpe_ratio(r, risk_free=0.0001, annualization=periods),
        "empyrical.sortino": empyrical.sortino_ratio(r, annualization=periods),
        "empyrical.total_return": empyrical.cum_returns_final(r),
        "empyrical.annual_return": empyrical.annual_return(r, annualization=periods),
        "empyrical.max_drawdown": empyrical.max_drawdown(r),
        "empyrical.calmar": empyrical.calmar_ratio(r, annualization=periods),
        "empyrical.volatility": empyrical.annual_volatility(r, annualization=periods),
    }
    if qs:
        out |= {
            "quantstats.sharpe": qs.sharpe(series, periods=periods),
            "quantstats.sortino": qs.sortino(series, periods=periods),
            "quantstats.max_drawdown": qs.max_drawdown(series),
            "quantstats.volatility": qs.volatility(series, periods=periods, prepare_returns=False),
            "quantstats.win_rate": qs.win_rate(series, prepare_returns=False),
            "quantstats.profit_factor": qs.profit_factor(series, prepare_returns=False),
            "quantstats.avg_win": qs.avg_win(series, prepare_returns=False),
            "quantstats.avg_loss": -qs.avg_loss(series, prepare_returns=False),
        }
    return {name: plain(value) for name, value in out.items()}


def fall(values):
    e = np.array(values, dtype=float)
    falls = e / np.maximum.accumulate(e) - 1.0
    low = int(np.argmin(falls))
    high = int(np.argmax(e[: low + 1][::-1]))
    high = low - high
    back = np.nonzero(e[low:] >= e[high])[0]
    recovered = low + int(back[0]) if len(back) else -1
    return {"depth": float(-falls[low]), "high": high, "low": low, "recovered": recovered}


def shown(prices):
    p = np.array([series[: min(map(len, prices))] for series in prices], dtype=float)
    return np.corrcoef(p[:, 1:] / p[:, :-1] - 1.0).tolist()


job = json.load(sys.stdin)
json.dump(
    {
        "returns": {name: of_returns(values, job["periods"]) for name, values in job["returns"].items()},
        "correlation": np.corrcoef(np.array(job["matrix"])).tolist(),
        "rolling": np.corrcoef(np.array(job["rolling"])).tolist(),
        "shown": shown(job["prices"]),
        "falls": {name: fall(values) for name, values in job["curves"].items()},
    },
    sys.stdout,
)
