"""How runs at finite dimension leave a saddle: when, along which orbits, and the law of runs that follows."""
