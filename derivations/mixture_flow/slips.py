"""Where what is written about the binary-mixture flow differs from the derivation, with checks.

Three kinds of sources. The paper, arXiv 2310.03575: its abstract could be compared, and has the rate right. The published code and
notebook (repository SPOC-group/Diffusion_GMM), quoted by file and function. The slides of a talk (PIRSA 25040092), of which
only a machine-made *transcript* was seen: a formula that stands in a transcript alone may be a misreading, and is marked so.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import sympy as sp

from ..steps import Slip
from .equations import K, generated_variance, lam, m, n, order_parameters, sigma
from .results import distance

#: The notebook's parameters: n, σ, λ.
NOTEBOOK = (8, 1.5, 0.1)
#: Marks a source that was only seen as a transcript.
TRANSCRIPT = "transcript of the slides of a talk (PIRSA 25040092), not the slides themselves"
_CODE = "published code (SPOC-group/Diffusion_GMM)"


class Explicit:
    """n samples with one noise each, as explicit vectors whose scalar products are those of d → ∞ (unit: √d).

    μ, the z^μ, the x₀^μ and X₀ are orthonormal; ridge problem and flow are solved with these vectors by plain arithmetic, and
    none of the derived formulae enters.
    """

    def __init__(self, count: int, std: float, ridge: float) -> None:
        self.count, self.std, self.scale = count, std, count + ridge
        size = 2 * count + 2
        noises, data = [], []
        for k in range(count):
            noise, sample = [0.0] * size, [0.0] * size
            noise[1 + count + k], sample[0], sample[1 + k] = 1.0, 1.0, std
            noises.append(noise)
            data.append(sample)
        self.sums = [[sum(row[i] for row in rows) for i in range(size)] for rows in (noises, data)]
        pairs = ((noises, noises), (noises, data), (data, data))
        self.squares = [sum(_dot(p, q) for p, q in zip(u, w, strict=True)) for u, w in pairs]

    def denoiser(self, alpha: float, beta: float) -> tuple[float, list[float]]:
        """(b, v) from the two normal equations of Σ ‖b y + v − x₁‖² + λ‖v‖², in the frame of the labels."""
        noise, data = self.sums
        field = [alpha * p + beta * q for p, q in zip(noise, data, strict=True)]
        g00, g01, g11 = self.squares
        square = alpha**2 * g00 + 2 * alpha * beta * g01 + beta**2 * g11
        target = alpha * g01 + beta * g11
        b = (target - _dot(field, data) / self.scale) / (square - _dot(field, field) / self.scale)
        return b, [(q - b * p) / self.scale for p, q in zip(field, data, strict=True)]

    def flow(self, steps: int) -> list[float]:
        """X at t = 1 on the linear schedule, from X₀ with s = 1, by the implicit midpoint rule (never at the pole t = 1)."""
        x = [0.0] * (2 * self.count + 1) + [1.0]
        h = 1.0 / steps
        for k in range(steps):
            t = (k + 0.5) * h
            b, v = self.denoiser(1 - t, t)
            gain, rate = 1 / (1 - t), (b - 1) / (1 - t)
            x = [((1 + h * rate / 2) * p + h * gain * q) / (1 - h * rate / 2) for p, q in zip(x, v, strict=True)]
        return x

    def components(self, x: list[float]) -> dict[str, float]:
        """Coefficients of μ, ξ, η and X₀ in a vector."""
        last = 1 + self.count
        return {
            "M": x[0],
            "Q_xi": _dot(x, self.sums[0]) / self.count,
            "Q_eta": sum(x[1:last]) * self.std / (self.count * self.std**2),
            "perp": x[-1],
        }


def _dot(p: list[float], q: list[float]) -> float:
    return sum(a * b for a, b in zip(p, q, strict=True))


def _extrapolate(x: list[float], values: list[float]) -> float:
    """The value at x = 0 of the polynomial through the points (Neville)."""
    y = list(values)
    for j in range(1, len(y)):
        y = [(x[i] * y[i + 1] - x[i + j] * y[i]) / (x[i] - x[i + j]) for i in range(len(y) - 1)]
    return y[0]


@lru_cache(maxsize=16)
def explicit(count: int, std: float, ridge: float) -> dict[str, float]:
    """M, Q_ξ, Q_η, perp at t = 1 of the flow of explicit vectors, extrapolated to steps of zero length."""
    system, steps = Explicit(count, std, ridge), (20, 40, 80, 160)
    ends = [system.components(system.flow(k)) for k in steps]
    return {name: _extrapolate([k**-2.0 for k in steps], [end[name] for end in ends]) for name in ends[0]}


def _number(expression: sp.Expr, count: float, std: float, ridge: float, **more: float) -> float:
    values = {"n": count, "K": 1, "sigma": std, "lambda": ridge, "m": 1, "alpha": 0, "beta": 1} | more
    return float(sp.sympify(expression).subs({x: values[x.name] for x in expression.free_symbols}))


def _published_step(t: float, y: list[float]) -> list[float]:
    """Slopes of R, Qeta and the factor of X₀ as the notebook's loop has them (its α is the β of here)."""
    count, std, ridge = NOTEBOOK
    a, b = t, 1 - t
    deno = b**2 * (ridge + count - 1) + a**2 * (ridge * (1 + std**2) + (count - 1) * std**2)
    c = a * (ridge * (1 + std**2) + (count - 1) * std**2) / deno
    component = b**2 * count * (ridge + count - 1) / (ridge + count) / deno
    gamma, zeta = (1 + a / b) * c - 1 / b, a / b + 1
    return [gamma * y[0] + zeta * component, gamma * y[1]]


def published_loop(times: list[float], h: float) -> list[float]:
    """R and the factor of X₀ after explicit Euler steps of size h at the given times."""
    y = [0.0, 1.0]
    for t in times:
        y = [x + h * slope for x, slope in zip(y, _published_step(t, y), strict=True)]
    return y


def _limit_of_distance() -> float:
    """n MW₂²/d extrapolated to n = ∞ from the flows of explicit vectors (σ = 0.7, λ = 0.2)."""
    std, ridge, counts = 0.7, 0.2, (4, 8, 16, 32, 64)
    values = []
    for count in counts:
        end = explicit(count, std, ridge)
        error = (end["M"] - 1) ** 2 + count * end["Q_xi"] ** 2 + count * std**2 * end["Q_eta"] ** 2
        values.append(count * (error + (end["perp"] - std) ** 2))
    return _extrapolate([1 / count for count in counts], values)


def _descent(dimension: int = 400) -> float:
    """Component along μ of v at t = 0 after gradient descent as in the published code: its weight decay acts on v itself."""
    count, std, ridge = 8, 0.3, 0.1
    # Data in the frame of the labels, μ = (1, …, 1); a fixed wave of mean zero stands for the noise.
    samples = [
        [1 + std * math.sqrt(2) * math.cos(2 * math.pi * (k + 1) * i / dimension) for i in range(dimension)]
        for k in range(count)
    ]
    v = [0.0] * dimension
    for _ in range(60):
        v = [x - 0.1 * (sum(x - row[i] for row in samples) + ridge * x) for i, x in enumerate(v)]
    return sum(v) / dimension


def _learned_noise() -> float:
    """Coefficient of ξ in the denoiser's v at t = ½, from explicit vectors."""
    system = Explicit(*NOTEBOOK)
    return system.components(system.denoiser(0.5, 0.5)[1])["Q_xi"]


def _slip(
    where: str,
    printed: str | sp.Basic,
    derived: sp.Eq,
    printed_value: Callable[[], float],
    independent: Callable[[], float],
    explanation: str,
    *values: float,
    **more: float,
) -> Slip:
    """The derived number is that of the right-hand side that is shown, so that the check is of what is shown."""

    def check() -> tuple[float, float, float]:
        return printed_value(), _number(derived.rhs, *values, **more), independent()

    return Slip(where, printed, derived, check, explanation)


@lru_cache(maxsize=1)
def slips() -> tuple[Slip, ...]:
    """All of them; the paper's abstract has the rate right."""
    q, x = order_parameters(), sp.Symbol("x", positive=True)
    free = q["M"].free_symbols | q["Q_eta"].free_symbols
    at_end = {y: {"alpha": 0, "beta": 1}[y.name] for y in free if y.name in ("alpha", "beta")}
    one = {K: 1, m: 1}
    big_m, q_eta = (sp.simplify(q[name].subs(at_end).subs(K, 1)) for name in ("M", "Q_eta"))
    rate = sp.limit(sp.simplify(distance().subs(one).subs(n, 1 / x) / x), x, 0)
    w_xi = sp.simplify(q["w_xi"].subs(K, 1))
    alpha, b = sp.symbols("alpha b")
    shown = sp.Symbol("lim n MW_2^2/d")
    loop = [0.01 * k for k in range(1, 100)]
    return (
        _slip(
            f"{TRANSCRIPT}: corollary on the mixture Wasserstein distance",
            "MW_2[rho, rhohat] = o(1/n)",
            sp.Eq(shown, rate),
            lambda: 0.0,
            _limit_of_distance,
            "In a transcript only: it may be a misread Theta. The paper (arXiv 2310.03575, abstract) says that the distance between"
            " the means decays as Theta_n(1/n), which is right for the squared distance per dimension; MW_2/√d itself is"
            " Θ(n^(-1/2)), so that o(1/n) fails in either normalisation. Check: σ = 0.7, λ = 0.2; what the formula printed implies"
            " for lim n MW_2²/d; independently flows of explicit vectors at n = 4 … 64, extrapolated to n = ∞.",
            math.inf, 0.7, 0.2,
        ),
        _slip(
            f"{TRANSCRIPT}: loss of the separate auto-encoders",
            "sum_mu ||f_{b,w}(alpha_t x_0^mu + beta_t x_1^mu) - x_1^mu||_2^2 + lambda ||w||^2",
            sp.Eq(sp.Symbol("M(v_0)"), n / (n + lam)),
            lambda: 8 / (8 + 0.1 * 400),
            _descent,
            "With v = w/√d the penalty as printed is λ d ‖v‖² and takes v to zero as d grows, n/(n + λ d); λ‖w‖²/d gives the"
            " n/(n + λ) of the same transcript's equations of motion. The paper's own text of the loss was not seen; the published"
            " code puts its weight decay λ on v. Check: component of v along μ at t = 0, n = 8, λ = 0.1, d = 400; independently"
            " gradient descent with that weight decay.",
            8, 0.3, 0.1,
        ),
        _slip(
            f"{_CODE}, Theory.ipynb, get_teacher_components",
            sp.Eq(sp.Symbol("qxi"), alpha * b / (lam + n)),
            sp.Eq(sp.Symbol("w_xi"), w_xi),
            lambda: 0.5 * Explicit(*NOTEBOOK).denoiser(0.5, 0.5)[0] / (NOTEBOOK[0] + NOTEBOOK[2]),
            _learned_noise,
            "qxi=β(t)*c/(λ+n) there, its β being the α of here and its c the b: the minus sign is missing, and the plots hide it by"
            " an absolute value. Check: at t = ½; independently the ridge problem on explicit vectors.",
            *NOTEBOOK, alpha=0.5, beta=0.5,
        ),
        _slip(
            f"{_CODE}, Theory.ipynb, summary_stats, stored Qeta",
            sp.Eq(sp.Symbol("theo[Qeta]"), q_eta / sigma),
            sp.Eq(sp.Symbol("Q_eta(1)"), q_eta),
            lambda: _number(q_eta / sigma, *NOTEBOOK),
            lambda: explicit(*NOTEBOOK)["Q_eta"],
            "theo[\"Qeta\"].append(Qeta/σ), while MagEta of Simulations.py, drawn in the same figure, measures Q_eta itself. Check:"
            " Q_eta at t = 1; independently the flow of explicit vectors.",
            *NOTEBOOK,
        ),
        _slip(
            f"{_CODE}, Theory.ipynb, summary_stats, Euler loop",
            "t=dt before the loop of Nsteps-1 steps, from the initial values at t = 0",
            sp.Eq(sp.Symbol("M(1)"), big_m),
            lambda: published_loop(loop, 0.01)[0],
            lambda: explicit(*NOTEBOOK)["M"],
            "The first interval is skipped, which shifts M by O(dt); explicit Euler from t = 0 is exact for M on this schedule."
            " Check: M at t = 1, 100 steps; independently the flow of explicit vectors.",
            *NOTEBOOK,
        ),
        _slip(
            f"{_CODE}, Simulations.py, time grid",
            "ts=np.linspace(0.,1,Nsteps)[:-1] with dt=1/Nsteps, Nsteps=100",
            sp.Eq(sp.Symbol("sigma_g"), sp.sqrt(generated_variance().subs(K, 1))),
            lambda: published_loop([k / 99 for k in range(99)], 0.01)[1],
            lambda: explicit(*NOTEBOOK)["perp"],
            "99 steps of 1/100 on a grid of spacing 1/99: only .99 of the time is integrated. Check: standard deviation of a"
            " generated cluster; independently the flow of explicit vectors.",
            *NOTEBOOK,
        ),
    )  # fmt: skip
