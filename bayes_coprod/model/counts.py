r"""The likelihood of ordered categories from counts: exact, whatever the number of citizens.

With a threshold :math:`\kappa_j` between each two neighbouring categories and the linear predictor
:math:`\eta`,

.. math::

    \log P(y = j) = \log \operatorname{logistic}(\eta - \kappa_{j-1})
        + \log \operatorname{logistic}(\kappa_j - \eta) + \log(1 - e^{-(\kappa_j - \kappa_{j-1})}) ,

so the sum over a cell's citizens is that of binomial logits: at each threshold as many successes as
citizens answered in the category above it, of as many trials as answered in the two categories
beside it.
"""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from bayes_coprod.model.collapse import CountCells


def count_log_likelihood(
    cells: CountCells, eta: TensorVariable, kappa: TensorVariable
) -> TensorVariable:
    """Log likelihood of all citizens, without multinomial coefficients.

    Parameters
    ----------
    cells : CountCells
    eta : TensorVariable
        (cell, outcome).
    kappa : TensorVariable
        (country, threshold), of each outcome alike.

    Returns
    -------
    TensorVariable
        Scalar.
    """
    n = np.diff(cells.ends)
    logit = eta[:, :, None] - kappa[np.repeat(np.arange(len(n)), n)][:, None, :]
    total = (cells.above * logit - cells.beside * pt.softplus(logit)).sum()
    if kappa.type.shape[1] == 1:
        return total
    return total + (cells.between * pt.log(-pt.expm1(kappa[:, :-1] - kappa[:, 1:]))).sum()
