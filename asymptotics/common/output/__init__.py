"""What goes out.

``results`` base of all results · ``provenance`` version, experiment and seed in each · ``versions`` of the libraries ·
``plain`` JSON values · ``files`` written whole or not at all · ``tables`` pandas · ``verdict`` theory against experiment, with
``scores`` and ``power`` · ``plotting`` house style and the register of drawings · ``plots`` those of this package.
"""
