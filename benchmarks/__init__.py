"""How quick seesay is on this machine: `make bench` writes benchmarks/results.md."""
