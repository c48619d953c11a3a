from . import autoencoder as autoencoder
from . import interactions as interactions
from . import linear_diffusion as linear_diffusion
from . import mixture_flow as mixture_flow
from . import one_step as one_step
from . import random_features as random_features
from . import score_smoothing as score_smoothing
from . import tools as tools
from .api import compare as compare
from .api import generations as generations
from .api import plot as plot
from .api import simulate as simulate
from .api import solve as solve
from .autoencoder.generated.density import GeneratedDensity as GeneratedDensity
from .autoencoder.model.target import EmpiricalMixture as EmpiricalMixture
from .autoencoder.model.target import GaussianMixture as GaussianMixture
from .common.input.checks import InputError as InputError
from .common.numerics.expectations import Rule as Rule
from .common.numerics.interpolants import Interpolant as Interpolant
from .experiment import Experiment as Experiment
from .experiment import example as example
from .experiment import examples as examples
from .experiment import load as load
from .relative_distance import RelativeDistance as RelativeDistance
from .relative_distance import memorisation as memorisation
from .sweeps import sweep as sweep

__version__: str
