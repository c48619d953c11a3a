"""Numbers and compiled code.

``expectations``, ``normals``, ``intervals``, ``closed_forms`` Gaussian integrals and variates · ``spectra``, ``interpolants`` what several
rooms take as input, with their ``plots`` · ``distances``, ``transport``, ``chi_square`` between laws · ``codegen``, ``compiled``,
``sources``, ``cache`` generated code, compiled once and found again by its content.
"""
