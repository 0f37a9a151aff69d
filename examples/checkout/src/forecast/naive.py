def naive(history, n):
    return [history[-1]] * n
