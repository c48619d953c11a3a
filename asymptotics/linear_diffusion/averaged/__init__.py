"""What models of data sets of N samples are on average: losses, divergences, agreement, training, generated samples."""
