"""Programs that several workloads share, each written once as ``f(np, x)`` with ``np`` any library's namespace."""
