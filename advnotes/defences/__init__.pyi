from .certify import Certificate, certify
from .control import CostToGo, LinearQuadratic, Path
from .curtail import Curtail, Defender, centre_loss
from .exact import ExactMargin, exact_margin
from .hardness import HiddenStripes, StripeClassifier, mean_even_power, stripe_errors, unit_directions
from .input_density import InputDensity
from .interval_training import IntervalTraining, worst_logits
from .intervals import interval_bounds
from .latent_density import LatentDensity
from .linear_bounds import linear_margins
from .parity import SecretParity, search_parities, solve_parity
from .parts.bounded_graph import BoundedGraph, Unbounded, bounded_graph
from .parts.detector import AnyOf, Detector
from .parts.nearest_sample import Found
from .parts.per_class import PerClass
from .parts.spikes import Spikes
from .poisoning import online_regression, plan_by_gradient
from .purification import DenoiseOnce, DiffPure, Purified
from .reward_shaping import BanditRun, epsilon_greedy, shape_rewards, ucb
from .smoothing import ABSTAIN, Smoothed, SmoothedCertificate
from .synthesis import SynthesisClassifier

__all__ = [
    "ABSTAIN",
    "AnyOf",
    "BanditRun",
    "BoundedGraph",
    "Certificate",
    "CostToGo",
    "Curtail",
    "Defender",
    "DenoiseOnce",
    "Detector",
    "DiffPure",
    "ExactMargin",
    "Found",
    "HiddenStripes",
    "InputDensity",
    "IntervalTraining",
    "LatentDensity",
    "LinearQuadratic",
    "Path",
    "PerClass",
    "Purified",
    "SecretParity",
    "Smoothed",
    "SmoothedCertificate",
    "Spikes",
    "StripeClassifier",
    "SynthesisClassifier",
    "Unbounded",
    "bounded_graph",
    "centre_loss",
    "certify",
    "epsilon_greedy",
    "exact_margin",
    "interval_bounds",
    "linear_margins",
    "mean_even_power",
    "online_regression",
    "plan_by_gradient",
    "search_parities",
    "shape_rewards",
    "solve_parity",
    "stripe_errors",
    "ucb",
    "unit_directions",
    "worst_logits",
]
