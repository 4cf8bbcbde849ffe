// Our own approximations, for every instruction set.
#pragma once

namespace fp::kernels {

// The share of a normal distribution between 0 and t: t times a polynomial in u = t^2 (2 / end^2) - 1, highest power
// first; beyond the end it stays. Fitted by reweighted least squares on the error of GELU, x (1/2 + share): 1.3e-6.
constexpr int kGeluTerms = 13;
constexpr float kGeluEnd = 5.1f;
constexpr float kGelu[kGeluTerms] = {0.000652650371f, -0.00195543072f, 0.00240806257f, -0.0032328323f, 0.00685681729f,
                                     -0.0120216273f,  0.0174666587f,   -0.0240173917f, 0.0317158364f,  -0.0402185284f,
                                     0.0507829674f,   -0.0690032616f,  0.138605282f};

// log(1 + t) = t - t^2 / 2 + t^3 times a polynomial in t, between the root of a half and of two (Cephes, logf).
constexpr int kLogTerms = 9;
constexpr float kLog[kLogTerms] = {7.0376836292e-2f,  -1.1514610310e-1f, 1.1676998740e-1f, -1.2420140846e-1f,
                                   1.4249322787e-1f,  -1.6668057665e-1f, 2.0000714765e-1f, -2.4999993993e-1f,
                                   3.3333331174e-1f};
// Of a spectrum's energies, as `Spectrum.compress` in distill/students/stream.py has them.
constexpr float kLogQuiet = 1e-5f, kLogScale = 0.2f, kLogShift = 1.2f;

}  // namespace fp::kernels
