"""Theory against experiment: order parameters along τ and the generated density, with error bars and one verdict.

The theory holds at d → ∞ and predicts its own bias m₁/d and covariance C/d at finite d. With a companion ensemble at d/4 the
next order, m₂/d², is the experiment's own; where m₁ is not available, the companion measures m₁ instead. Without either the
order parameters are shown and not tested. Generated points are compared with the law of the network that made them, which is
exact at every d. No tolerance is set by hand.
"""

from .generated import distances, generated_rows
from .order_parameters import order_parameter_rows
from .verdict import compare, schedule_notes

__all__ = ["compare", "distances", "generated_rows", "order_parameter_rows", "schedule_notes"]
