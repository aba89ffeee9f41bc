"""L2-penalised logistic regression, all problems of a task at once: certified optima, on CPU or CUDA.

A problem p has training rows T (its design), a strength C and targets. Features are standardised on T alone,
z = (x - m) * s. With logits l = W z + b it minimises scikit-learn's objective

    F(W, b) = 1/2 |W|^2 + C * sum over i in T of loss(l_i, target_i)

where loss is the log loss of a softmax over the classes in T, or of one logit (two classes, one label). Intercepts b
are free of penalty, so that phi(W) = min over b of F(W, b) is strongly convex with modulus 1, and

    phi(W) - min phi <= |grad phi(W)|^2 / 2,    grad phi(W) = grad_W F(W, b(W)).

That bound, evaluated in float64 at exactly solved intercepts, is the certificate.

    rows.py          the embeddings of a group of problems, read in blocks, centred and scaled by one reference
    designs.py       which rows a problem learns from; its standardisation, relative to the reference
    coordinates.py   the eigenvectors of X'X as coordinates of the weights, shared by all problems
    losses.py        softmax and one-logit losses of a block of rows: value, residual, curvature
    objective.py     problems, and where each of them stands
    certificate.py   value and gradient in float64 with the intercepts solved exactly, and the certificate
    model.py         the same near such an exact point, by fast products: one forward and one backward for all problems
    precision.py     what products are fast, and what they round
    precondition.py  the approximate inverse Hessian
    lbfgs.py         curvature pairs and the search direction
    descent.py       the iteration: line search, exact evaluations, stopping, dropping what has ended
    solve.py         which problems go together, and their optima
    workers.py       one thread a block of rows, sums in a fixed order: the same bits on any number of cores
"""
