from .actor_critic import ActorCritic
from .actor_critic_gan import ActorCriticGAN
from .double_dqn import DoubleDQN, double_target
from .dueling import DuelingNetwork, MaxDuelingNetwork, dueling_mlp
from .environments.corridor import Corridor
from .environments.gridworld import Gridworld
from .environments.planning import Plan, plan, sample_paths, visits
from .environments.real_or_made import RealOrMade, best_critic
from .environments.regulator import Regulator
from .guided_cost import GuidedCostLearning, balanced_log_z
from .inverse_rl import InverseRL
from .parts.categorical import Categorical
from .parts.consensus import Consensus, agreement, consensus, cspa, hgpa, mcla
from .parts.costs import CostDensity, PathCost, StartValue
from .parts.experience import Experience, Showings
from .parts.policies import TabularPolicy
from .parts.policy_gradient import policy_gradient
from .parts.replay import ReplayBuffer
from .parts.representations import fourier, local_statistics, polynomial, wavelets
from .parts.sequence_critic import SequenceCritic
from .parts.target import TargetNetwork
from .parts.writer import LSTMWriter, random_oracle
from .policy_evaluation import evaluate_policy, expected_target
from .rival_penalised import Competition, rival_penalised, survivors
from .seqgan import MaximumLikelihood, SeqGAN

__all__ = [
    "ActorCritic",
    "ActorCriticGAN",
    "Categorical",
    "Competition",
    "Consensus",
    "Corridor",
    "CostDensity",
    "DoubleDQN",
    "DuelingNetwork",
    "Experience",
    "Gridworld",
    "GuidedCostLearning",
    "InverseRL",
    "LSTMWriter",
    "MaxDuelingNetwork",
    "MaximumLikelihood",
    "PathCost",
    "Plan",
    "RealOrMade",
    "Regulator",
    "ReplayBuffer",
    "SeqGAN",
    "SequenceCritic",
    "Showings",
    "StartValue",
    "TabularPolicy",
    "TargetNetwork",
    "agreement",
    "balanced_log_z",
    "best_critic",
    "consensus",
    "cspa",
    "double_target",
    "dueling_mlp",
    "evaluate_policy",
    "expected_target",
    "fourier",
    "hgpa",
    "local_statistics",
    "mcla",
    "plan",
    "policy_gradient",
    "polynomial",
    "random_oracle",
    "rival_penalised",
    "sample_paths",
    "survivors",
    "visits",
    "wavelets",
]
