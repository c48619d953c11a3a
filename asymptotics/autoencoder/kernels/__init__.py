"""Compiled functions of a derived system: moments over nodes or in closed form, flow, increments, the network itself."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "compile": ["Kernels", "compile_kernels"],
        "written.system": ["HEADER", "TANH", "moment_names", "write_source"],
    },
)
