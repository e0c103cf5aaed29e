"""Native execution: a tape as fused machine code, generated with llvmlite."""
