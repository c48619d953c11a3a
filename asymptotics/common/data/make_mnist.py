"""Make the shipped MNIST files from the full data set: ``python make_mnist.py PATH.npz [DIRECTORY]``.

``PATH.npz`` holds uint8 arrays ``Xtr`` (60000, 784), ``ytr``, ``Xte`` (10000, 784) and ``yte``. Written beside this
script (or into DIRECTORY):

``mnist_spectrum.npz``
    Of the training images scaled to 0 … 1: ``eigenvalues`` (784, descending) and the 16 leading ``eigenvectors``
    (784, 16) of the pixel covariance, ``mean`` (784), ``class_means`` (10, 784); and the covariance itself as exact
    integers: ``pixel_sums`` (784) and ``pixel_products`` (upper triangle of Σ x xᵀ over the images, 0 … 255).
``mnist_digits.npz``
    ``images`` (10000, 784) uint8 and ``labels``: the first 10 000 training images.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

SUBSET = 10_000
LEADING = 16


def pixel_statistics(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Exact Σ x (d,) and Σ x xᵀ (d, d) of uint8 images (float64 sums of integers below 2⁵³ are exact)."""
    sums = images.sum(axis=0, dtype=np.int64)
    products = np.zeros((images.shape[1],) * 2)
    for block in np.array_split(images, max(1, len(images) // 5000)):
        wide = block.astype(np.float64)
        products += wide.T @ wide
    return sums, products.astype(np.int64)


def covariance_of(sums: np.ndarray, products: np.ndarray, count: int) -> np.ndarray:
    """Covariance (divided by the number of images) of pixels scaled to 0 … 1."""
    mean = sums / count
    return (products / count - np.outer(mean, mean)) / 255.0**2


def main(source: Path, folder: Path) -> None:
    """Read the full data set, write both files."""
    with np.load(source) as stored:
        images, labels = stored["Xtr"], stored["ytr"].astype(np.uint8)
    count, dimension = images.shape
    sums, products = pixel_statistics(images)
    covariance = covariance_of(sums, products, count)

    # Pixels that are never lit are exact null directions: keep them out of the eigensolver's rounding.
    lit = np.flatnonzero(np.diag(covariance) > 0)
    values, vectors = np.linalg.eigh(covariance[np.ix_(lit, lit)])
    eigenvalues = np.zeros(dimension)
    eigenvalues[: len(lit)] = values[::-1]
    eigenvalues[eigenvalues < dimension * np.finfo(float).eps * values[-1]] = 0.0  # the eigensolver's rounding
    eigenvectors = np.zeros((dimension, LEADING))
    eigenvectors[lit] = vectors[:, ::-1][:, :LEADING]
    eigenvectors *= np.sign(eigenvectors.sum(axis=0))
    class_means = np.array([images[labels == k].mean(axis=0, dtype=np.float64) / 255.0 for k in range(10)])

    np.savez_compressed(
        folder / "mnist_spectrum.npz",
        eigenvalues=eigenvalues,
        eigenvectors=eigenvectors,
        mean=sums / (255.0 * count),
        class_means=class_means,
        class_counts=np.bincount(labels, minlength=10),
        count=np.array(count),
        pixel_sums=sums.astype(np.uint32),
        pixel_products=products[np.triu_indices(dimension)].astype(np.uint32),
    )
    np.savez_compressed(folder / "mnist_digits.npz", images=images[:SUBSET], labels=labels[:SUBSET])


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) == 3 else Path(__file__).parent)
