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

}  // namespace fp::kernels
