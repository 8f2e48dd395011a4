"""Which papers a public name stands for, by their keys in references.bib: first what it is, then what it adds."""

__all__ = ["PAPERS"]

_ADVGAN = ("xiao2018generating",)
_CARLINI_WAGNER = ("carlini2017towards",)
_CONDITIONAL = ("mirza2014conditional",)
_DANN = ("ganin2016domain",)
_SALIMANS = ("salimans2016improved",)
_DIRAC = ("mescheder2018which",)
_DLR = ("croce2020reliable",)
_FGAN = ("nowozin2016fgan",)
_FREE = ("shafahi2019adversarial",)
_FRESH = ("barber2003im",)
_IMPROVED = ("kynkaanniemi2019improved",)
_PARTICLES = ("durr2022effective",)
_PIVOT = ("louppe2016learning",)
_POSES = ("engstrom2019exploring",)
_VAT = ("miyato2017virtual", "miyato2015distributional")
_WORDS = ("grosse2017malware",)

#: Public name -> keys, grouped as the package is.
PAPERS: dict[str, tuple[str, ...]] = {
    # attacks
    "APGD": ("croce2020reliable", "croce2021mind"),
    "AffineAttack": _POSES,
    "AutoAttack": ("croce2020reliable", "croce2021mind"),
    "BIM": ("kurakin2016physical",),
    "BPDA": ("athalye2018obfuscated",),
    "CarliniWagner": _CARLINI_WAGNER,
    "DeepFool": ("moosavi2016deepfool",),
    "EOT": ("athalye2018obfuscated", "athalye2018synthesizing"),
    "FAB": ("croce2020minimally",),
    "FGSM": ("goodfellow2014explaining",),
    "GridPose": _POSES,
    "HopSkipJump": ("chen2020hopskipjump",),
    "MIFGSM": ("dong2018boosting",),
    "OnlyAdd": _WORDS,
    "PGD": ("madry2017towards",),
    "Patch": ("brown2017patch",),
    "Pose": _POSES,
    "RandomPose": _POSES,
    "Square": ("andriushchenko2020square",),
    "TargetedAPGD": ("croce2020reliable",),
    "TargetedFAB": ("croce2020minimally", "croce2020reliable"),
    "Transfer": ("szegedy2013intriguing", "liu2016delving"),
    "Universal": ("moosavi2017universal", "shafahi2020universal"),
    "least_likely": ("kurakin2016physical",),
    # losses and threats
    "L1": ("tramer2019multiple", "croce2021mind", "duchi2008efficient"),
    "dlr": _DLR,
    "margin": _CARLINI_WAGNER,
    "margin_loss": _CARLINI_WAGNER,
    "reach_dlr": _DLR,
    "targeted_dlr": _DLR,
    "targeted_margin": _CARLINI_WAGNER,
    # robust training
    "AdversarialTraining": ("madry2017towards", "goodfellow2014explaining"),
    "FastAdversarialTraining": ("wong2020fast",),
    "FictitiousPlay": ("perolat2018playing",),
    "FreeAdversarialTraining": _FREE,
    "GradientPenalty": ("lyu2015unified",),
    "MixedBatchTraining": ("kurakin2016scale",),
    "OverfittingWatch": ("wong2020fast",),
    "Replay": _FREE,
    "SeveralThreats": ("tramer2019multiple",),
    "TRADES": ("zhang2019theoretically",),
    "VAT": _VAT,
    "VATClassifier": _VAT,
    "VirtualAdversary": _VAT,
    "virtual_adversarial_loss": _VAT,
    "virtual_adversary": _VAT,
    # invariance
    "AlternatingDANN": _DANN,
    "ChainDensity": _PIVOT,
    "DANN": _DANN,
    "DomainAdversarialClassifier": _DANN,
    "GradientReversal": _DANN,
    "MixtureDensity": ("bishop1994mixture", "louppe2016learning"),
    "Pivot": _PIVOT,
    "PivotClassifier": _PIVOT,
    "Recovered": _FRESH,
    "fresh_adversary": _FRESH,
    "growing_strength": _DANN,
    "reverse_gradient": _DANN,
    # generators
    "AdvGAN": _ADVGAN,
    "Autoencoder": ("zhao2016energy",),
    "CalibratedGAN": ("dai2017calibrating",),
    "Alpha": _FGAN,
    "ConditionalGAN": _CONDITIONAL,
    "Conditioned": _CONDITIONAL,
    "DRAGAN": ("kodali2017convergence",),
    "EBGAN": ("zhao2016energy",),
    "GAN": ("goodfellow2014generative",),
    "GMAN": ("durugkar2016generative",),
    "GMANStar": ("durugkar2016generative",),
    "HalfSquaredNorm": ("dai2017calibrating",),
    "Jury": ("durugkar2016generative",),
    "Divergence": _FGAN,
    "FGAN": ("nowozin2016fgan", "poole2016improved"),
    "HingeGAN": ("lim2017geometric",),
    "JensenShannon": _FGAN,
    "LSGAN": ("mao2016least",),
    "NonSaturating": ("arjovsky2017towards",),
    "FeatureMatchingGAN": _SALIMANS,
    "HistoricalAveraging": _SALIMANS,
    "LabelSmoothingGAN": _SALIMANS,
    "MinibatchDiscrimination": _SALIMANS,
    "SemiSupervisedGAN": _SALIMANS,
    "VirtualBatchNorm": _SALIMANS,
    "WithReference": _SALIMANS,
    "MinimaxGAN": ("goodfellow2014generative",),
    "NegativeEntropy": ("dai2017calibrating", "kozachenko1987sample"),
    "ParticleGAN": _PARTICLES,
    "Particles": _PARTICLES,
    "Perturber": _ADVGAN,
    "Point": _DIRAC,
    "Penalty": ("karras2020analyzing",),
    "R1": ("mescheder2018which",),
    "R2": ("mescheder2018which",),
    "Regulated": ("durugkar2016generative",),
    "TaskCostGAN": ("creswell2016task",),
    "UnrolledGAN": ("metz2016unrolled",),
    "WGAN": ("arjovsky2017wasserstein",),
    "SlopePenalty": ("gulrajani2017improved",),
    "WGANGP": ("gulrajani2017improved",),
    "critic_weights": ("durugkar2016generative",),
    "dirac_eigenvalues": _DIRAC,
    "dirac_gan": _DIRAC,
    "gradient_norm_penalty": ("gulrajani2017improved",),
    "knn_entropy": ("kozachenko1987sample",),
    "pulling_away": ("zhao2016energy",),
    "r1_penalty": ("mescheder2018which",),
    # metrics
    "ClassifierScore": _SALIMANS,
    "classifier_score": _SALIMANS,
    "Coverage": ("srivastava2017veegan",),
    "PrecisionRecall": _IMPROVED,
    "Proportion": ("wilson1927probable",),
    "fooling_rate": ("moosavi2017universal",),
    "frechet_distance": ("heusel2017gans",),
    "frechet_gaussians": ("dowson1982frechet", "heusel2017gans"),
    "mode_coverage": ("srivastava2017veegan",),
    "precision_recall": _IMPROVED,
    "proxy_a_distance": ("bendavid2007analysis",),
    # data and networks
    "adult": ("becker1996adult",),
    "cifar10": ("krizhevsky2009learning",),
    "digits": ("alpaydin1998optical",),
    "fashion_mnist": ("xiao2017fashion",),
    "Projection": ("miyato2018cgans",),
    "madry_cnn": ("madry2017towards",),
    "mnist": ("lecun1998gradient",),
    "mnist_m": _DANN,
    "reviews": ("pang2005seeing",),
    "svhn": ("netzer2011reading",),
}
