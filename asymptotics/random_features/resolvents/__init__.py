"""The resolvent of the features' correlation U: self-consistent equations, contours around the spectrum, the outlier."""
