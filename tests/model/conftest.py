"""What several tests of the model look through: citizens to integrate over, and coordinates."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode
from scipy import stats
from scipy.special import expit, logsumexp

from bayes_coprod.model.build import named_quantities
from bayes_coprod.model.grid_op import GridIntegral
from bayes_coprod.model.items import log_interval
from bayes_coprod.model.quadrature import log_marginal, place_nodes

PY = Mode("py", None)
FROZEN = {
    "normal": stats.norm,
    "half_normal": lambda sd: stats.halfnorm(scale=sd),
    "exponential": lambda rate: stats.expon(scale=1 / rate),
    "log_normal": lambda mean, sd: stats.lognorm(sd, scale=np.exp(mean)),
    "uniform": lambda low, high: stats.uniform(low, high - low),
}
N_COUNTRIES = 2


class Problem:
    """Citizens with random answers and parameters, some of them at odds with their drivers."""

    def __init__(self, seed, sigma, rho, n_categories=(3, 2, 4, 3, 7), n_forms=2, n=60):
        rng = np.random.default_rng(seed)
        self.n_categories = np.array(n_categories)
        k = len(n_categories)
        self.form = np.sort(np.arange(k) % n_forms)
        self.country = np.sort(rng.integers(0, N_COUNTRIES, n))
        self.country[[0, -1]] = 0, N_COUNTRIES - 1
        self.sigma = np.full(n_forms, sigma) * np.r_[1, 1.3][:n_forms]
        self.rho = rho if n_forms == 2 else 0.0
        self.x = rng.normal(size=(n, 2))
        self.x[:4] *= 4
        self.effects = rng.normal(0, 0.7, (N_COUNTRIES, n_forms, 3))
        self.mu = np.einsum(
            "nfp,np->nf", self.effects[self.country], np.column_stack([np.ones(n), self.x])
        )
        self.discrimination = rng.lognormal(0, 0.3, k)
        self.kappa = np.concatenate(
            [
                np.sort(rng.normal(0, 1.5, (N_COUNTRIES, j - 1)), axis=1) + 0.3 * np.arange(j - 1)
                for j in n_categories
            ],
            axis=1,
        )
        covariance = np.outer(self.sigma, self.sigma)
        if n_forms == 2:
            covariance *= np.array([[1, self.rho], [self.rho, 1]])
        theta = self.mu + rng.multivariate_normal(np.zeros(n_forms), covariance, n)
        noise = self.discrimination * theta[:, self.form] + rng.logistic(size=(n, k))
        self.answer = np.stack(
            [
                (noise[:, i, None] > self.bounds(i)[self.country][:, 1:-1]).sum(axis=1)
                for i in range(k)
            ],
            axis=1,
        )
        self.answer[rng.random(self.answer.shape) < 0.15] = -1
        self.answer[5, self.form == 0] = -1  # answered items of one form only
        self.answer[6] = 0
        self.answer[7] = self.n_categories - 1
        self.covariance = covariance

    def bounds(self, item):
        """Thresholds of an item with infinite ends, (country, J + 1)."""
        ends = np.cumsum(self.n_categories - 1)
        inner = self.kappa[:, ends[item] - self.n_categories[item] + 1 : ends[item]]
        far = np.full((N_COUNTRIES, 1), 1e8)
        return np.concatenate([-far, inner, far], axis=1)

    def log_answers(self, form, at):
        """Log probability of the answers to a form's items at propensities (citizen, node)."""
        out = np.zeros(at.shape)
        for k in np.flatnonzero(self.form == form):
            y, b = self.answer[:, k], self.bounds(k)[self.country]
            rows, eta = np.arange(len(y)), self.discrimination[k] * at
            p = expit(b[rows, y + 1, None] - eta) - expit(b[rows, y, None] - eta)
            out += np.where(y[:, None] >= 0, np.log(np.maximum(p, 1e-300)), 0)
        return out

    def joint(self, n_nodes=1201):
        """Log density of answers and propensities on a fine grid of whitened deviations."""
        z = np.linspace(-9, 9, n_nodes)
        weight = np.log(z[1] - z[0]) - 0.5 * z**2 - 0.5 * np.log(2 * np.pi)
        factor = np.linalg.cholesky(self.covariance)
        return z, weight, factor

    def brute_force(self, citizen, n_nodes=1201):
        """Log likelihood of one citizen, the deviations integrated on a fine, wide grid."""
        z, weight, factor = self.joint(n_nodes)
        self_ = self.only(citizen)
        first = self_.mu[0, 0] + factor[0, 0] * z
        one = self_.log_answers(0, first[None])[0] + weight
        if len(self.sigma) == 1:
            return logsumexp(one)
        second = self_.mu[0, 1] + factor[1, 0] * z[:, None] + factor[1, 1] * z
        other = self_.log_answers(1, second.reshape(1, -1)).reshape(second.shape)
        return logsumexp(one[:, None] + other + weight)

    def only(self, citizen):
        out = object.__new__(Problem)
        out.__dict__ = dict(self.__dict__)
        for name in ("answer", "country", "mu", "x"):
            setattr(out, name, getattr(self, name)[[citizen]])
        return out

    def nodes(self, rule):
        """Nodes placed by what a fine rule says of each citizen, as the pilot does."""
        z, weight, factor = self.joint(181)
        n = len(self.mu)
        first = self.mu[:, [0]] + factor[0, 0] * z
        narrow = self.sigma * np.sqrt(2 * (1 - abs(self.rho)))
        steepest = np.array(
            [self.discrimination[self.form == f].max() for f in range(len(self.sigma))]
        )
        one = self.log_answers(0, first) + weight  # (citizen, z1)
        if len(self.sigma) == 1:
            p = np.exp(one - logsumexp(one, axis=1, keepdims=True))
            return place_nodes([p], [first], np.zeros(n), narrow, rule, None, steepest)
        second = self.mu[:, 1, None, None] + factor[1, 0] * z[:, None] + factor[1, 1] * z
        other = self.log_answers(1, second.reshape(n, -1)).reshape(second.shape)
        joint = one[:, :, None] + other + weight
        joint = np.exp(joint - logsumexp(joint, axis=(1, 2), keepdims=True))
        flat, at = joint.reshape(n, -1), second.reshape(n, -1)
        # the second form's marginal on equal steps
        edges = np.linspace(at.min(axis=1), at.max(axis=1), 700, axis=1)
        cell = ((at - edges[:, [0]]) / (edges[:, [1]] - edges[:, [0]])).round().astype(int)
        marginal = np.stack([np.bincount(c, w, 701)[:700] for c, w in zip(cell, flat, strict=True)])
        p1 = joint.sum(axis=2)
        m1, m2 = (p1 * first).sum(1), (flat * at).sum(1)
        s1 = np.sqrt((p1 * first**2).sum(1) - m1**2)
        s2 = np.sqrt((flat * at**2).sum(1) - m2**2)
        cross = (joint * (first - m1[:, None])[:, :, None] * (second - m2[:, None, None])).sum(
            (1, 2)
        )
        return place_nodes(
            [p1, marginal], [first, edges], cross / (s1 * s2), narrow, rule, None, steepest
        )

    def graph(self, nodes):
        """Log likelihood of each citizen by the graph, and its inputs."""
        effects, kappa, sigma = pt.dtensor3("e"), pt.dmatrix("k"), pt.dvector("s")
        steep, rho = pt.dvector("d"), pt.dscalar("r")
        x = np.column_stack([np.ones(len(self.x)), self.x])
        mu = (effects[self.country] * x[:, None, :]).sum(axis=2)
        log_answers = []
        ends = np.cumsum(self.n_categories - 1)
        for f in range(len(self.sigma)):
            total = pt.zeros(nodes.at(f).shape)
            for k in np.flatnonzero(self.form == f):
                far = pt.full((N_COUNTRIES, 1), np.float64(1e8))
                inner = kappa[:, ends[k] - self.n_categories[k] + 1 : ends[k]]
                bounds = pt.concatenate([-far, inner, far], axis=1)
                rows = np.flatnonzero(self.answer[:, k] >= 0)
                y, c = self.answer[rows, k], self.country[rows]
                log_p = log_interval(
                    steep[k] * nodes.at(f)[rows], bounds[c, y][:, None], bounds[c, y + 1][:, None]
                )
                total = pt.inc_subtensor(total[rows], log_p)
            log_answers.append(total)
        value = log_marginal(nodes, log_answers, mu, sigma, rho if len(self.sigma) == 2 else None)
        return [effects, kappa, steep, sigma, rho], value

    @property
    def inputs(self):
        return self.effects, self.kappa, self.discrimination, self.sigma, np.float64(self.rho)

    def integral(self, nodes):
        ends = np.searchsorted(self.country, np.arange(N_COUNTRIES + 1))
        return GridIntegral(nodes, self.x, self.answer, ends, self.n_categories, self.form)


class Coordinates:
    """A model seen from its sampling coordinates, one flat vector."""

    def __init__(self, model):
        self.model = model
        start = model.initial_point()
        self.shapes = {name: np.shape(start[name]) for name in start}
        self.log_density = model.compile_logp(mode=PY)
        self.names = named_quantities(model)
        variables = [model[name] for name in self.names]
        rvs = list(model.free_RVs)
        self.outputs = pytensor.function(
            model.value_vars,
            model.replace_rvs_by_values([*variables, *rvs]),
            mode=PY,
            on_unused_input="ignore",
        )

    @property
    def size(self):
        return sum(int(np.prod(shape)) for shape in self.shapes.values())

    def point(self, vector):
        ends = np.cumsum([int(np.prod(shape)) for shape in self.shapes.values()])[:-1]
        parts = np.split(vector, ends)
        return {
            name: part.reshape(shape)
            for part, (name, shape) in zip(parts, self.shapes.items(), strict=True)
        }

    def evaluate(self, vector):
        """Named quantities, and the model's random variables on their own scale."""
        point = self.point(vector)
        values = self.outputs(*(point[variable.name] for variable in self.model.value_vars))
        k = len(self.names)
        free = [variable.name for variable in self.model.free_RVs]
        return (
            dict(zip(self.names, values[:k], strict=True)),
            dict(zip(free, values[k:], strict=True)),
        )


def _log_jacobian(function, at, step=1e-5):
    """Log determinant of the derivative of one vector by another, by central differences."""
    columns = [
        (function(at + step * unit) - function(at - step * unit)) / (2 * step)
        for unit in np.eye(len(at))
    ]
    return np.linalg.slogdet(np.array(columns))[1]


@pytest.fixture(scope="session")
def make_problem():
    return Problem


@pytest.fixture(scope="session")
def coordinates_of():
    return Coordinates


@pytest.fixture(scope="session")
def log_jacobian():
    return _log_jacobian


@pytest.fixture(scope="session")
def frozen():
    """A prior's distribution in SciPy."""
    return lambda prior: FROZEN[prior.family](*prior.arguments)
