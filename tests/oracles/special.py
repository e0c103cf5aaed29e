"""Special functions that JAX does not have, or not with these derivatives: differences decide, and mpmath in tests/scipy."""

BY_DIFFERENCES = {
    "betaincc", "betaincinv", "beta_moment", "cosine_integral", "fresnel_cosine", "fresnel_sine", "gammainc", "gammaincc",
    "gammainccinv", "gammaincinv", "hyp1f1", "hyp2f1", "i1e", "iv_in_order", "ive", "jv_in_order", "k0", "k0e", "k1", "k1e",
    "kv_in_order", "kve", "lower_gamma_moment", "sine_integral", "stdtr", "stdtrit", "upper_gamma_moment", "yv_in_order",
    "betainc", "log_ndtr", "binom", "hyp1f1_derivative", "riemann_zeta", "zeta_in_order", "zeta",
    "rgamma", "hyp2f1_derivative", "exponential_integral",
    "hyp0f1_derivative", "modstruve_in_order", "struve_in_order", "struve_tail",
    "exponential_moment", "reciprocal_moment",
}  # fmt: skip
