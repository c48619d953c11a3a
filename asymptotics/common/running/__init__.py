"""Long work.

``ensembles`` independent runs, one seed each · ``pool`` many calls on processes or any executor: Ctrl-C, killed workers, the bar ·
``calls`` one of them ·``checkpoints`` what survives · ``threads`` one BLAS thread a process · ``progress`` bars.
"""
