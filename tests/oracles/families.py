"""Elliptic, Airy, Kelvin, Struve, orthogonal and other special functions: JAX has none of them, differences decide."""

BY_DIFFERENCES = {
    "airy_ai", "airy_aip", "airy_bi", "airy_bip", "bei", "beip", "ber", "berp", "bessel_i0_integral", "bessel_j0_integral",
    "bessel_k0_integral", "bessel_y0_integral", "carlson", "cosdg", "cosm1", "cotdg", "ellipe", "ellipeinc", "ellipk",
    "ellipkinc", "ellipkm1", "elliprc", "elliprd", "elliprf", "elliprg", "elliprj", "elliptic_moment", "erfi", "eval_chebyc",
    "eval_chebys", "eval_chebyt", "eval_chebyu", "eval_gegenbauer", "eval_genlaguerre", "eval_hermite", "eval_hermitenorm",
    "eval_jacobi", "eval_laguerre", "eval_legendre", "eval_sh_chebyt", "eval_sh_chebyu", "eval_sh_jacobi",
    "eval_sh_legendre", "exp10", "faddeeva_imag", "faddeeva_real", "huber", "hyp0f1", "hyperbolic_cosine_integral",
    "hyperbolic_sine_integral", "hyperu", "jacobi_am", "jacobi_cn", "jacobi_dn", "jacobi_sn", "kei", "keip", "ker", "kerp",
    "lambert_w", "lpmv", "modstruve", "ndtri_exp", "powm1", "pseudo_huber", "sindg", "spherical_in", "spherical_jn",
    "spherical_kn", "spherical_yn", "struve", "tandg", "voigt_profile", "wrightomega", "zetac",
}  # fmt: skip
