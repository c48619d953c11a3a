"""The target density: a Gaussian mixture on a manifold, described by what survives at d → ∞."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ....common.input.checks import InputError, boolean, fail
from ....common.input.notation import Notation
from ....common.input.settings import Settings
from ....common.output.plotting import Drawn
from .checks import checked_centroids, checked_labels, checked_weights, covariances, of_spectrum, without_spectrum
from .from_samples import measure, measure_table, warn_of
from .samples import Source, load_samples

#: What a spectrum says.
OF_SPECTRUM = ("eigenvalues", "masses", "reference_overlaps")


@dataclass(frozen=True)
class GaussianMixture(Drawn, Settings):
    r"""ρ = Σ_c π_c N(μ(c), Σ(c)) with μ(c) = Σ_k c_k u_k and commuting covariances.

    Parameters
    ----------
    centroids : array_like, shape (clusters, K)
        Coordinates of the centroids in K reference directions u_k of R^d (norms of order one).
    weights : array_like, shape (clusters,)
        π_c, non-negative, sum to one. Default: equal.
    eigenvalues : float or array_like, shape (1 or clusters, atoms)
        ς_s(c) ≥ 0: eigenvalue of Σ(c) in the directions of atom s; one row serves all clusters. A number: isotropic clusters.
    masses : array_like, shape (atoms,)
        p_s = (number of directions of atom s)/d, sum to one. An atom of mass 0 is a finite number of directions.
    reference_overlaps : array_like, shape (atoms, K, K)
        T_kl(s) = Σ_{i∈s} u_ki u_li. Default: masses[s] × identity (directions spread evenly over the atoms).
    spectrum : str
        Instead of eigenvalues and masses: "mnist" or a file (see `asymptotics.common.numerics.laws.spectra`); every eigenvalue is an
        atom, and the reference directions are the K leading eigenvectors.
    spikes : int
        With ``spectrum``: this many leading eigenvalues are atoms of mass 0 (single directions), the others share the mass.
        Default K: at d → ∞ a direction that is followed individually has no extensive multiplicity.
    labels : sequence of int, length clusters
        Label of every cluster, 0 … L − 1, each of them at least once; none: no labels. Of samples, their own in sorted order.

    Raises
    ------
    InputError
        Naming the key, its value and what is allowed.
    """

    table = "target"
    NOTATION: ClassVar[Mapping[str, Notation]] = {
        "centroids": Notation("μ", ("means", "mean", "mu", "centers", "centres"), "norms of order 1"),
        "weights": Notation("π", ("pi", "priors", "proportions", "probabilities"), "sum to 1"),
        "eigenvalues": Notation(
            "ς", ("covariance", "covariances", "variance", "variances", "Sigma"), "variance a direction"
        ),
        "masses": Notation("p", ("p", "multiplicities"), "share of the d directions"),
        "reference_overlaps": Notation("T", ("T",)),
    }
    HINTS: ClassVar[Mapping[str, str]] = {
        "sigma": "a standard deviation? write eigenvalues = sigma squared",
        "std": "write eigenvalues = its square",
        "K": "the number of columns of centroids",
        "kind": "every target is a Gaussian mixture: give centroids, weights, eigenvalues",
        "type": "every target is a Gaussian mixture: give centroids, weights, eigenvalues",
    }

    centroids: Any
    weights: Any = None
    eigenvalues: Any = None
    masses: Any = None
    reference_overlaps: Any = None
    spectrum: str | None = None
    spikes: int | None = None
    labels: Any = None

    def __post_init__(self) -> None:
        centroids = checked_centroids(self.centroids)
        self.set(centroids=centroids, weights=checked_weights(self.weights, len(centroids)))
        self._check_labels(len(centroids))
        if self.spectrum is not None:
            without_spectrum({name: getattr(self, name) for name in OF_SPECTRUM})
            self.set(**of_spectrum(str(self.spectrum), self.spikes, centroids.shape[1]))
            return
        if self.spikes is not None:
            raise InputError(f"{self.key('spikes')}: must be left out where {self.key('spectrum')} is not given")
        self.set(**covariances(self.eigenvalues, self.masses, self.reference_overlaps, centroids.shape))

    @classmethod
    def from_samples(
        cls,
        samples: ArrayLike,
        labels: ArrayLike | None = None,
        atoms: int | None = None,
        *,
        centre: bool = False,
        diagonal: bool = False,
    ) -> EmpiricalMixture:
        r"""The theory's target from samples: cluster c is N(μ(c), Σ(c)) with the mean and covariance of class c.

        Theory needs commuting covariances: in the eigenbasis e_i of the pooled covariance Σ_c π_c Σ(c) it is told the diagonals
        e_i·Σ(c)e_i, and no more. A `CommutationWarning` says in numbers what this leaves out, unless that is no more than the
        finite number of samples explains. The reference directions are an orthonormal basis of the span of the class means
        (right singular vectors of √π_c μ(c)), T_kl(s) = Σ_{i∈s} u_ki u_li as measured.

        Parameters
        ----------
        samples : array_like (n, d), or a name or path
            See `load_samples`.
        labels : array_like (n,), optional
            Class of every sample; default those in the file, else one class.
        atoms : int, optional
            Number of atoms: neighbouring eigenvalues are joined with the least loss of variance (`group`). Default: every
            eigenvector is an atom.
        centre : bool
            Subtract the mean of all samples first.
        diagonal : bool
            Say that the diagonals are what is meant: no warning.

        Returns
        -------
        EmpiricalMixture
            π_c are the class frequencies; covariances are divided by the number of samples of the class, so that they are those
            of SGD that draws these samples with replacement.

        Raises
        ------
        InputError
            If the samples are no (n, d) array of finite numbers, the labels do not fit, a class has less than two samples, or
            ``atoms`` is not in 1 … d.
        """
        measured = measure(samples, labels, atoms, centre)
        if not boolean("diagonal", diagonal):
            warn_of(measured)
        return EmpiricalMixture(**measured)

    @classmethod
    def from_table(cls, table: object) -> Any:
        """From the mapping read from a file, where ``samples`` stands for the numbers measured on them; or as it is."""
        if isinstance(table, GaussianMixture):
            return table
        if isinstance(table, Mapping) and "samples" in table:
            return EmpiricalMixture(**measure_table(table))
        return super().from_table(table)

    def _check_labels(self, clusters: int) -> None:
        if self.labels is not None:
            self.set(labels=checked_labels(self.labels, clusters))

    @property
    def cluster_labels(self) -> np.ndarray | None:
        """The label 0 … L − 1 of every cluster, (clusters,); None where there are none."""
        return None if self.labels is None else np.asarray(self.labels)

    def to_table(self) -> dict[str, Any]:
        derived = () if self.spectrum is None else OF_SPECTRUM
        return {name: value for name, value in super().to_table().items() if name not in derived}

    @property
    def clusters(self) -> int:
        """Number of clusters."""
        return int(self.centroids.shape[0])

    @property
    def directions(self) -> int:
        """K, the number of reference directions."""
        return int(self.centroids.shape[1])

    @property
    def atoms(self) -> int:
        """Number of atoms of the joint spectral measure."""
        return len(self.masses)

    @property
    def cluster_eigenvalues(self) -> np.ndarray:
        """ς_s(c), shape (clusters, atoms)."""
        return np.ascontiguousarray(np.broadcast_to(self.eigenvalues, (self.clusters, self.atoms)))

    @cached_property
    def mean_eigenvalue(self) -> float:
        """Λ = Σ_c π_c Σ_s p_s ς_s(c)."""
        return float(self.weights @ self.cluster_eigenvalues @ self.masses)

    @property
    def gram(self) -> np.ndarray:
        """Σ_s T(s): Gram matrix of the reference directions, (K, K)."""
        return np.asarray(self.reference_overlaps.sum(axis=0))

    def projected_covariance(self) -> np.ndarray:
        """Covariance within each cluster of the projections u_k·x, shape (clusters, K, K)."""
        return np.einsum("cs,skl->ckl", self.cluster_eigenvalues, self.reference_overlaps)

    def projected_centroids(self) -> np.ndarray:
        """Means of the projections u_k·x in each cluster, shape (clusters, K)."""
        return np.asarray(self.centroids @ self.gram)


@dataclass(frozen=True, repr=False, eq=False)
class EmpiricalMixture(GaussianMixture):
    r"""A `GaussianMixture` measured on samples, and the frame in which SGD on the samples has the same observables.

    Samples are described in coordinates along the eigenvectors of the pooled within-class covariance Σ_c π_c Σ(c), sorted
    by falling eigenvalue; an atom is a block of consecutive coordinates. `GaussianMixture.from_samples` makes one.

    Attributes
    ----------
    basis : (d, d)
        The eigenvectors, as columns.
    references : (K, d)
        Orthonormal reference directions u_k in those coordinates: the principal axes of the class means.
    counts : (atoms,)
        Coordinates of each atom.
    shift : (d,)
        What was subtracted from the samples (zero, or the overall mean).
    pooled : (d,)
        Eigenvalues of the pooled covariance.
    commutation : (clusters,)
        Share of ‖Σ(c)‖_F² that is off-diagonal in the common eigenbasis: 0 if the covariances commute.
    commutation_noise, commutation_spread : (clusters,)
        What this share would be, from the finite number of samples alone, if they did, and its standard deviation.
    grouping : float
        Share of Σ_i λ_i² of the pooled eigenvalues that is lost by giving all directions of an atom its mean eigenvalue.
    labels : (clusters,)
        The label of each cluster as the samples have it, sorted.
    source : str
        Name or file that the samples came from; empty for an array.
    """

    basis: Any = None
    references: Any = None
    counts: Any = None
    shift: Any = None
    pooled: Any = None
    commutation: Any = None
    commutation_noise: Any = None
    commutation_spread: Any = None
    grouping: float = 0.0
    labels: Any = None
    source: str = ""
    options: Any = None  # with which to measure again; the warning was given once

    def _check_labels(self, clusters: int) -> None:
        """They are of any kind: the samples' own."""

    @property
    def cluster_labels(self) -> np.ndarray:
        """Every class is a cluster: their labels in sorted order."""
        return np.arange(self.clusters)

    @property
    def target(self) -> GaussianMixture:
        """The bare mixture, without the frame."""
        return GaussianMixture(self.centroids, self.weights, self.eigenvalues, self.masses, self.reference_overlaps)

    @property
    def dimension(self) -> int:
        """d of the samples."""
        return len(self.shift)

    def coordinates(self, samples: Source) -> np.ndarray:
        """Samples (n, d) in the coordinates of the eigenbasis, (n, d).

        Raises
        ------
        InputError
            If they have another dimension.
        """
        x, _ = load_samples(samples)
        if x.shape[1] != self.dimension:
            fail("data", x.shape, f"of shape (n, {self.dimension}), like the samples that the target was made from")
        return np.asarray((x - self.shift) @ self.basis)

    def directions_in_space(self) -> np.ndarray:
        """The reference directions in the samples' own coordinates, (K, d)."""
        return np.asarray(self.references @ self.basis.T)

    def to_table(self) -> dict[str, Any]:
        """The file that the samples came from and the options, or (of an array) the measured numbers."""
        return {"samples": self.source, **self.options} if self.source else self.target.to_table()

    def summary(self) -> str:
        """A few numbers for a person."""
        origin = self.source or "an array"
        return (
            f"{self.clusters} cluster{'s' * (self.clusters > 1)} of {origin}: d = {self.dimension}, {self.atoms} atoms, "
            f"{self.directions} reference directions, Tr Sigma/d = {self.mean_eigenvalue:.6g}, off-diagonal share of the "
            f"class covariances {np.max(self.commutation):.3g} at most"
        )

    def __repr__(self) -> str:
        return f"EmpiricalMixture({self.summary()})"
