# SPDX-License-Identifier: Apache-2.0
"""Computes the cases of TestOracleDump again with SciPy and compares."""
import json
import sys
import warnings
from collections import Counter

import numpy as np
from scipy import optimize, special, stats

TOLERANCE = 1e-9


def close(got, want):
    return abs(got - want) <= TOLERANCE * max(1.0, abs(want))


def tail_close(got, want):
    """Tails are compared relatively, however small."""
    return abs(got - want) <= TOLERANCE * abs(want)


class Checks:
    def __init__(self):
        self.count, self.failed, self.worst = Counter(), [], {}

    def __call__(self, what, got, want, same=close):
        self.count[what] += 1
        error = abs(got - want) / max(1.0, abs(want))
        self.worst[what] = max(self.worst.get(what, 0), error)
        if not (np.isfinite(want) and same(got, want)):
            self.failed.append(f"{what}: got {got!r}, want {want!r}")


check = Checks()


def distributions(cases):
    for c in cases:
        check("t tail", c["TTail"], stats.t.sf(c["X"], c["DF"]), tail_close)
        check("t quantile", c["TQuantile"], stats.t.isf(c["Tail"], c["DF"]), tail_close)
        check("F tail", c["FTail"], stats.f.sf(c["X"], c["DF"], c["DF2"]), tail_close)
        check("digamma", c["Digamma"], special.digamma(c["DF"]))
        check("trigamma", c["Trigamma"], special.polygamma(1, c["DF"]))
        check("trigamma inverse", c["TrigammaInverse"], trigamma_inverse(c["Tail"]))
        lo, hi = stats.binomtest(c["K"], c["N"]).proportion_ci(0.95, "exact")
        check("Clopper-Pearson", c["CPLo"], lo)
        check("Clopper-Pearson", c["CPHi"], hi)


def trigamma_inverse(y):
    return optimize.brentq(lambda x: special.polygamma(1, x) / y - 1, 1e-9, 1e12, xtol=1e-13, rtol=1e-14)


def summaries(cases):
    for c in cases:
        x, s = np.array(c["X"]), c["Summary"]
        check("mean", s["Mean"], np.mean(x))
        check("SD", s["SD"], np.std(x, ddof=1))
        for key, p in (("Q1", 25), ("Median", 50), ("Q3", 75)):
            check("quantile", s[key], np.percentile(x, p))
        check("MAD", s["MAD"], stats.median_abs_deviation(x))
        d = x - x.mean()
        equal = np.ptp(x) == 0
        check("autocorrelation", s["Rho"], 0 if equal else np.sum(d[1:] * d[:-1]) / np.sum(d * d))
        n, y = len(x), np.sort(x)
        k = 1
        while k < (n + 1) // 2 and 1 - 2 * stats.binom.cdf(k, n, 0.5) >= 0.95:
            k += 1
        check("median interval", s["CI"]["Lo"], y[k - 1])
        check("median interval", s["CI"]["Hi"], y[n - k])
        check("median confidence", s["CI"]["Confidence"], 1 - 2 * stats.binom.cdf(k - 1, n, 0.5))


def u_counts(m, n):
    """How many orders of m and n values have each U, by Gaussian binomials."""
    poly = np.zeros(m * n + 1)
    poly[0] = 1
    for i in range(1, m + 1):
        for u in range(n + i, m * n + 1)[::-1]:
            poly[u] -= poly[u - n - i]
        for u in range(i, m * n + 1):
            poly[u] += poly[u - i]
    return poly


def ranks(cases):
    for c in cases:
        x, y, r = np.array(c["Base"]), np.array(c["New"]), c["Rank"]
        m, n = len(x), len(y)
        tied = len(np.unique(np.concatenate([x, y]))) < m + n
        if max(m, n) > 12:
            method = "asymptotic"
        elif tied:
            method = stats.PermutationMethod(n_resamples=10**6)
        else:
            method = "exact"
        if not (tied and r["Exact"] and special.comb(m + n, n) > 3000):
            want = stats.mannwhitneyu(y, x, method=method)
            check("U", r["U"], want.statistic)
            check("U p " + ("normal" if method == "asymptotic" else "counted with ties" if tied else "exact"),
                  r["P"], want.pvalue, close if method == "asymptotic" else tail_close)
        pairs = np.sort((np.log(y)[:, None] - np.log(x)[None, :]).ravel())
        check("shift", r["Shift"], np.expm1(np.median(pairs)))
        if max(m, n) <= 12:
            counts = np.cumsum(u_counts(m, n))
            counts /= counts[-1]
            k = 1
            while 2 * k < m * n and counts[k] <= 0.025:
                k += 1
            reached = max(0, 1 - 2 * counts[k - 1])
        else:
            sd = np.sqrt(m * n * (m + n + 1) / 12)
            k = max(1, int(np.floor(m * n / 2 + 0.5 - sd * stats.norm.isf(0.025))))
            reached = max(0, 1 - 2 * stats.norm.sf((m * n / 2 + 0.5 - k) / sd))
        check("shift interval", r["CI"]["Lo"], np.expm1(pairs[k - 1]))
        check("shift interval", r["CI"]["Hi"], np.expm1(pairs[-k]))
        check("shift confidence", r["CI"]["Confidence"], reached)
        if m > 1 and n > 1 and (np.std(x) > 0 or np.std(y) > 0):
            w = stats.ttest_ind(y, x, equal_var=False)
            check("Welch t", c["T"], w.statistic)
            check("Welch df", c["DF"], w.df)
            check("Welch p", c["WelchP"], w.pvalue, tail_close)
        if special.comb(m + n, n) <= 3000:
            # Rounded, since equal sums of ties come out a bit apart.
            w = stats.permutation_test((x, y), lambda a, b: round(abs(np.mean(a) - np.mean(b)), 9),
                                       alternative="greater", n_resamples=10**6)
            check("permutation p", c["PermuteP"], w.pvalue)


def strata(cases):
    for c in cases:
        total = variance = 0
        for s in c["Strata"]:
            x, y = np.array(s["Base"]), np.array(s["New"])
            m, n = len(x), len(y)
            r = stats.rankdata(np.concatenate([x, y]))
            w = 1 / (m + n + 1)
            total += w * (r[m:].sum() - n * (m + n + 1) / 2)
            # The variance of a sum of n drawn from the midranks.
            variance += w * w * m * n / (m + n) * np.var(r, ddof=1)
        z = total / np.sqrt(variance)
        check("van Elteren z", c["Z"], z)
        check("van Elteren p", c["P"], 2 * stats.norm.sf(abs(z)), tail_close)


def adjusted(cases):
    for c in cases:
        for got, want in zip(c["Q"], stats.false_discovery_control(c["P"])):
            check("BH", got, want)


def prior(s2, df):
    """limma's fitFDist with the exclusion of outlying rows."""
    out = np.zeros(len(s2), bool)
    center, d0 = np.median(s2), df
    first = True
    for _ in range(10):
        now = stats.f.sf(s2 / center, df, d0) < 0.1 / len(s2)
        if not first and (now == out).all():
            break
        out, first = now, False
        keep = s2[~out]
        if len(keep) < 3:
            break
        z = np.log(np.maximum(keep, 1e-4 * np.median(keep))) - special.digamma(df / 2) + np.log(df / 2)
        excess = np.var(z, ddof=1) - special.polygamma(1, df / 2)
        if excess <= special.polygamma(1, 5e3):
            center, d0 = np.exp(z.mean()), 1e4
        else:
            d0 = 2 * trigamma_inverse(excess)
            center = np.exp(z.mean() + special.digamma(d0 / 2) - np.log(d0 / 2))
    return center, d0, out


def comparisons(cases):
    for c in cases:
        base = np.log([p["Base"] for p in c["Rows"]])
        new = np.log([p["New"] for p in c["Rows"]])
        n1, n2 = base.shape[1], new.shape[1]
        mid = (base.mean(1, keepdims=True) + new.mean(1, keepdims=True)) / 2
        drift_b, drift_n = np.median(base - mid, axis=0), np.median(new - mid, axis=0)
        b, n = base - drift_b, new - drift_n
        d, df, width = n.mean(1) - b.mean(1), n1 + n2 - 2, 1 / n1 + 1 / n2
        pooled = (b.var(1) * n1 + n.var(1) * n2) / df
        welch = (b.var(1, ddof=1) / n1 + n.var(1, ddof=1) / n2) / width
        s2 = np.maximum(pooled, welch)
        s02, d0, out = prior(s2, df)
        v = np.where(out, s2, np.maximum(s2, (d0 * s02 + df * s2) / (d0 + df)))
        f = np.where(out, df, df + min(d0, 2 * df))
        got = c["Comparison"]
        check("prior SD", got["PriorSD"], np.sqrt(s02))
        check("prior df", got["PriorDF"], d0)
        se = np.sqrt(v * width)
        p = 2 * stats.t.sf(abs(d) / se, f)
        q = stats.false_discovery_control(p)
        for i, r in enumerate(got["Rows"]):
            half = se[i] * stats.t.isf(0.025, f[i])
            margin = np.log1p(r["Margin"])
            check("effect", r["Effect"], np.expm1(d[i]))
            check("SE", r["SE"], se[i])
            check("df", r["DF"], f[i])
            check("row p", r["P"], p[i])
            check("row q", r["Q"], q[i])
            check("row interval", r["Lo"], np.expm1(d[i] - half))
            check("row interval", r["Hi"], np.expm1(d[i] + half))
            # TOST: both one-sided tests against the margin.
            tost = max(stats.t.sf((d[i] + margin) / se[i], f[i]), stats.t.cdf((d[i] - margin) / se[i], f[i]))
            check("TOST p", r["PEquiv"], tost)
        step_b, step_n = np.log(c["Step"]["Base"]), np.log(c["Step"]["New"])
        if n1 == n2:
            plain = stats.ttest_ind(step_n, step_b)
            check("step p", got["Step"]["P"], plain.pvalue)
            drift = stats.ttest_ind(drift_n, drift_b)
            check("common p", got["Common"]["P"], drift.pvalue)


def main():
    warnings.filterwarnings("ignore", "Precision loss")  # equal values, compared all the same
    with open(sys.argv[1]) as f:
        cases = json.load(f)
    distributions(cases["Distributions"])
    summaries(cases["Summaries"])
    ranks(cases["Ranks"])
    strata(cases["Strata"])
    adjusted(cases["Adjusted"])
    comparisons(cases["Comparisons"])
    for what, n in check.count.items():
        print(f"{what:22} {n:6} values, largest error {check.worst[what]:.1e}")
    for line in check.failed[:20]:
        print("DIFFERS", line)
    total = sum(check.count.values())
    print(f"stats oracle: {total - len(check.failed)} of {total} values agree to {TOLERANCE:g}")
    return 1 if check.failed or total < 10000 else 0


sys.exit(main())
