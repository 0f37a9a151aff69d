# fourier.py and smoothing.py: see data team
