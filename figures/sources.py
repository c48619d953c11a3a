"""Which paper each figure regenerates, what the source shows, and what of it is not reproduced: the one list behind the gallery.

Of several papers only abstracts, talks and published code could be read; then the entry says the quantity that they show,
not the look of their picture.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Paper:
    """A source of figures.

    Parameters
    ----------
    short : str
        Authors as the list of figures names them.
    reference : str
        Authors, title, identifier.
    shows : dict of str
        What the source shows, by the name of the figure here.
    missing : tuple of (what, why)
        What of it is not reproduced.
    note : str
        What holds for all its figures.
    """

    short: str
    reference: str
    shows: dict[str, str]
    missing: tuple[tuple[str, str], ...] = ()
    note: str = field(default="", kw_only=True)


NOT_PUBLIC = "The settings of the published pictures are not public: ours are stated in each caption."
EXTENSION = "not shown there; an extension of its setting"

PAPERS: tuple[Paper, ...] = (
    Paper(
        "Cui, Pehlevan, Lu 2025",
        "H. Cui, C. Pehlevan, Y. M. Lu, *Precise asymptotics of learning diffusion models: theory and insights*, arXiv 2501.03937,"
        " and the talk pirsa.org/25040092",
        {
            "training-density-relu": "target, generated density by theory and by experiment in one frame at four training times"
            " (1 × 4), ReLU, r = 4, three clusters",
            "training-density-mnist": "the same at six training times (2 × 3), tanh, r = 2, a Gaussian with the covariance of MNIST,"
            " in the plane of the two leading eigenvectors",
            "three-clusters": "target, theory and experiment for tanh, r = 2; the order parameters Q, Θ, b solve ODEs",
            "relu-four-units": "target, theory and experiment for ReLU, r = 4",
            "mnist-gaussian": "the Gaussian with MNIST's covariance; how finite d shows is not in it",
            "latent-ring": "densities whose latent variable is continuous, a manifold of centroids",
            "unequal-clusters": "clusters with covariances of their own",
            "noisy-sampler": "samplers with any ε along the path; generated densities with ε > 0",
            "predictions": "the interpolant's denoiser; noise and velocity are functions of it, and learned in its place elsewhere",
            "collapse-mechanism": "the formula of b_τ: the mean eigenvalue Λ of real data is small, which makes the skip connection"
            " small and the generated spread too",
            "collapse-densities": "the sequence target → first → second … generation, each trained on the samples of the one before",
            "collapse-decay": "that the bias is aggravated from generation to generation; no numbers",
            "collapse-cobweb": "that the analysis carries over iteratively; the map is not drawn",
            "collapse-phases": EXTENSION,
            "collapse-remedy": EXTENSION,
            "conditioned-collapse": EXTENSION + " (its networks do not know the time)",
            "linear-modes": "that linear networks learn the principal components",
            "learning-curves": EXTENSION + ": distances, cell masses and errors from its order parameters",
            "sample-complexity": EXTENSION + ": samples per dimension until a cluster is found",
            "mnist-images": EXTENSION + ": its theory against SGD on real digits",
            "fluctuations-scaling": EXTENSION + ": finite d",
            "fluctuations-gap": EXTENSION + ": finite d",
            "fluctuations-fan": EXTENSION + ": finite d",
            "saddles-escape": EXTENSION + ": starts without overlap",
            "saddles-typical": EXTENSION + ": starts without overlap",
            "averaged-weights": EXTENSION,
            "loss-weights": EXTENSION,
            "guidance": EXTENSION,
        },
        (
            (
                "the U-Net of the talk's remark and its closing question",
                "no asymptotic theory of such networks is claimed here",
            ),
            ("the published settings of the density strips", "they are not public"),
        ),
        note=NOT_PUBLIC,
    ),
    Paper(
        "Cui, Krzakala, Vanden-Eijnden, Zdeborová 2024",
        "H. Cui, F. Krzakala, E. Vanden-Eijnden, L. Zdeborová, *Analysis of learning a flow-based generative model from limited"
        " sample complexity*, ICLR 2024, arXiv 2310.03575",
        {
            "mixture-path": "M, Q^ξ, Q^η, the norm and the cosine along t, theory and simulation (n = 8, σ = 1.5, λ = 0.1 in the"
            " authors' notebook, which draws |Q^ξ|)",
            "mixture-error": "distance and cosine of the generated mean against n, falling as 1/n, beside Bayes-optimal",
            "mixture-spread": "the generated clusters' width, fixed by the same equations; " + EXTENSION,
            "mixture-plane": "generated points beside the target's, in a plane, as n grows: the clusters come together",
            "mixture-sweeps": EXTENSION + ": any ridge, several noises a sample",
            "mixture-convergence": "the flow is discretised there by Euler steps; " + EXTENSION,
        },
        (("the published simulations at d = 5 · 10⁴", "ours run at the dimension that each caption states"),),
    ),
    Paper(
        "Merger, Goldt 2025",
        "C. Merger, S. Goldt, *Generalization dynamics of linear diffusion models*, arXiv 2505.24769, and the talks of 2025",
        {
            "linear-spectra": "Figure 1: covariance spectra of images by rank, example images, leading eigenvectors, predicted losses",
            "linear-samples": "train and test loss and divergence against N for several k, with the line d/4N",
            "linear-regularisation": "what a ridge c does below N = d: it mitigates overfitting",
            "linear-early-stopping": "loss against training time for several k; more hierarchy overfits less and later",
            "linear-agreement": "cosine of a model's samples to those of a reference model, against N",
            "linear-sampler": EXTENSION + ": which variance the sampler generates",
            "linear-effective-dimension": "‖Σ − Σ₀‖²/‖Σ‖² → d_eff/N of image data: MNIST 25, CelebA 7",
            "linear-images": "Figure 1(h): predicted losses of image data; here with real digits",
        },
        (
            (
                "the curves of CIFAR-10 and CelebA, and CelebA's d_eff ≈ 7",
                "these data are not shipped; MNIST stands for images",
            ),
            (
                "the comparison of linear with non-linear networks (U-Nets) on them",
                "no theory is claimed for U-Nets; memorisation-transition has a narrow network instead",
            ),
        ),
        note="Dimensions and ridges of the published curves are not public: ours are stated in each caption.",
    ),
    Paper(
        "Halder 2024",
        "I. Halder, *From memorization to generalization: a theoretical framework for diffusion-based generative models*,"
        " arXiv 2411.17807 (v1)",
        {
            "one-step-error": "Fig. 3: E H² of generated and underlying density against n, which falls faster beyond n = d",
            "one-step-transition": "Fig. 4: P(E_OG < E_TG) against n, from 0 to 1 at n of order d",
            "one-step-regimes": "Figs. 1(c), 3, 4: three regimes of P, the last at n of the samples n_O of the underlying density",
            "one-step-divergences": "Fig. 2: (a) the parts of the divergence against its bound, (b) its least value against the noise",
            "one-step-bandwidths": "section 2.2, no figure: the mixing time is the optimal kernel width",
            "one-step-steps": EXTENSION + ": several steps",
            "memorisation-transition": "Fig. 4 and definition (4.1), densities of single coordinates, which Fig. 5 applies to a U-Net",
        },
        (
            (
                "Fig. 5, the same transition in a U-Net",
                "no theory is claimed for U-Nets; its measure (4.1) is applied to the linear model and a narrow network in"
                " memorisation-transition",
            ),
            ("Fig. 1(a), (b)", "sketches of scenarios, without data"),
        ),
    ),
    Paper(
        "Chen 2025",
        "Z. Chen, *On the interpolation effect of score smoothing in diffusion models*, arXiv 2502.19499",
        {
            "smoothing-scores": "exact, piecewise-linear and smoothed score of two points",
            "smoothing-trajectories": "trajectories of the smoothed flow",
            "smoothing-densities": "densities along the denoising with the exact and the smoothed score",
            "smoothing-plane": "tangential and normal variance against t in d = 2, four points",
            "smoothing-circle": "samples around points on a circle, and a histogram of their angle",
            "smoothing-distances": "distances to the uniform law against κ and t₀",
            "smoothing-early-stopping": "the comparison with early stopping",
            "smoothing-variational": "loss and path norm of score functions, r* against ε",
            "smoothing-network": "networks with weight decay, which smooth alike",
        },
        (
            ("the sphere in d = 20", "it needs trained networks for which nothing exact is known"),
            ("the plotting constants", "the full text was not available: ours are stated in each caption"),
        ),
    ),
    Paper(
        "Bonnaire et al. 2025; George et al. 2025",
        "T. Bonnaire, R. Urfin, G. Biroli, M. Mézard, *Why diffusion models don't memorize*, arXiv 2505.17638;"
        " A. J. George, R. Veiga, N. Macris, arXiv 2502.00336",
        {
            "features-spectrum": "spectrum of the features' second moments (two bulks there)",
            "features-training": "train and test loss along training for several n",
            "features-times": "the time of memorisation grows in proportion to n",
            "features-phases": "where in (n, p) a model generalises or memorises",
            "features-stopping": EXTENSION + ": best stopping against the noises a sample",
            "features-kernel": EXTENSION + ": p → ∞",
            "features-noises": "(George et al.) learning curves against the number of features, noises a sample",
            "features-recall": "generated samples along training: memorised ones appear late",
            "features-digits": EXTENSION + ": real digits",
        },
        (
            (
                "U-Nets trained on images (CelebA)",
                "neither data nor networks are shipped; no theory is claimed for them",
            ),
        ),
        note="The papers' equations and settings were not available; normalisations are ours.",
    ),
    Paper(
        "Biroli et al. 2024",
        "G. Biroli, T. Bonnaire, V. de Bortoli, M. Mézard, *Dynamical regimes of diffusion models*, arXiv 2402.18491;"
        " A. Sclocchi, A. Favero, M. Wyart 2024 (U-turns)",
        {
            "regimes-landscape": "the exact score's symmetry breaking; here the landscape of trained networks",
            "regimes-phases": "speciation time of the exact score; here of trained networks",
            "regimes-clones": "probability that two clones end in the same cluster, exact score",
            "regimes-turns": "U-turns: samples noised to t and generated again",
        },
        (
            (
                "clones of images (CIFAR-10 and others) by trained U-Nets",
                "no theory is claimed for U-Nets; the data are not shipped",
            ),
        ),
    ),
    Paper(
        "Merger et al. 2023",
        "C. Merger et al., *Learning interacting theories from data*, PRX 2023, arXiv 2304.00599, and the talk of 12.08.2025",
        {
            "interactions-orders": "divergence by order of the interactions against N: Gaussian terms at N ≍ d, higher ones later"
        },
        (("invertible networks trained on images", "the layers and their truncation are not public in enough detail"),),
    ),
    Paper(
        "Mignacco, Mori 2025",
        "F. Mignacco, F. Mori, arXiv 2507.07907: optimal protocols of learning from order-parameter equations",
        {
            "optimal-learning-rate": "optimal control of such equations; here for the denoiser of Cui, Pehlevan, Lu",
            "curriculum": "optimal noise of a denoising auto-encoder along the training; here for the denoisers of this package",
        },
    ),
)


def paper_of(name: str) -> Paper | None:
    """The source of a figure; None where it is listed under none."""
    return next((paper for paper in PAPERS if name in paper.shows), None)
