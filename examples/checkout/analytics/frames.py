import numpy as np
import pandas as pd


def monthly(path):
    frame = pd.read_csv(path, parse_dates=["day"])
    return frame.groupby(frame.day.dt.month).amount.agg([np.mean, np.std])
