"""What all rooms share and a user's own script needs: the look of drawings, independent runs, spectra, distances."""

from .common.numerics.distances.coordinate_densities import Gaussian
from .common.numerics.distances.transport import mixture_w2_squared
from .common.numerics.laws.spectra import from_data, load_spectrum, mnist_covariance, mnist_digits, power_law
from .common.output.plotting import COLOURS, COLUMN, PAGE, letter_panels, points, style
from .common.output.verdict import Verdict
from .common.running.ensembles import run_ensemble, spawn

__all__ = [
    "COLOURS",
    "COLUMN",
    "PAGE",
    "Gaussian",
    "Verdict",
    "from_data",
    "letter_panels",
    "load_spectrum",
    "mixture_w2_squared",
    "mnist_covariance",
    "mnist_digits",
    "points",
    "power_law",
    "run_ensemble",
    "spawn",
    "style",
]
