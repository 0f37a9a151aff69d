"""Seasonal factors. Half of this moved to the data team's repo and never came back."""
from engine.base.step import Step
from engine.mathlib.fourier import fft_seasons
from engine.mathlib.smoothing import holt_winters


class Seasons(Step):
    def run(self, context, args):
        context.set("seasons", holt_winters(fft_seasons(context.get("numbers.histogram_v1"))))
        return 0
