"""Masked gradients: does a model resist the attacks, or does it only hide the gradient that they need?"""
