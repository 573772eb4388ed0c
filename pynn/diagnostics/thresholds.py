"""The thresholds of `diagnose` and `sanity_check`, in one table: what each compares, and where it comes from.

Sources: [n] CS231n notes, "Neural Networks Part 2 and 3"; [g] Glorot & Bengio 2010, He et al. 2015; [u] Schoop et al.
2021 (UMLAUT); [a] Zhang et al. 2021 (AUTOTRAINER); [d] Ben Braiek & Khomh 2023 (TheDeepChecker); [t] chosen on 345
faulty programs, their cured twins and 104 healthy ones, so that no healthy run is blamed.
"""

from __future__ import annotations

# Skill: 0 is the best constant, 1 is without error. Kernel regression on left-out rows shows what can be reached.
FEW_OUTPUTS = 16  # of a regression: each of so few is judged alone [t]
TINY = 20  # rows: so few can be learned by heart, and tell nothing of others [n]
SHORT = 0.1  # of skill below what can be reached: less is good enough [t]
HARMLESS = 0.04  # likewise: unusual inputs, targets and first weights have then done no harm [t]
SHORT_IN_VALIDATION = 0.15  # [t]

# Data
LARGE_SCALE = 10.0  # root mean square of inputs or targets; 1 is wanted, a factor of 3 does no harm [n, u]
SPARSE = 0.8  # share of zeros from which only the other numbers are looked at [t]
SMALL_SCALE = 0.03  # below it products vanish beside the bias [t]
UNEVEN = 100.0  # largest over smallest spread of columns: the rate that suits one does not suit the other [n]
OFF_CENTRE = 5.0  # mean over spread of the inputs: all gradients of a unit share a sign [n]
PLACEHOLDER_GAP = 5.0  # a repeated extreme value, so many spreads of the rest away from the next [t]
PLACEHOLDER_SHARE = 0.003  # of the rows that hold it, and 3 rows at least [t]
OUTLIER = 15.0  # interquartile ranges from the median (Tukey's far-out values: 3) [t]
OUTLIER_ALONE = 200.0  # likewise, for a single value, which may be rare and right [t]
SQUEEZED = 1e-4  # share of a column's range that holds all but its 2 % at the ends [t]
OUTLIER_GAP = 4.0  # times as far from the median as the next value [t]
FAR_OUT = 100.0  # times what 99.9 % of the inputs stay below: such a number is a mistake [t]
BLANK = 0.02  # share of rows that hold one number throughout [t]
LEAK = 0.05  # share of validation rows that are in training, beyond what repeats by itself [t]
SHIFT = 1.0  # distance of the means of training and validation, in spreads, of the typical column [t]
SHIFT_OF_TARGETS = 1.2  # likewise, of the targets [t]
OTHER_SCALE = 3.0  # ratio of their spreads [t]
OTHER_SHARES = 0.4  # of the samples of validation that would need another label [t]
MISSING_IN_VALIDATION = 10  # samples of a class that validation should have, and it has none [t]
OTHER_RELATION = 0.25  # of skill that is lost from left-out rows of training to validation [t]
SORTED = 0.3  # changes of the label between neighbours, as a share of what shuffled ones have [t]
SORTED_NUMBERS = 0.02  # places where numbers turn from rising to falling; 2/3 if they are shuffled [t]
ALIKE_IN_BATCH = 0.4  # spread of targets in a batch beside that of all [t]
NOISY = 0.15  # share of samples with sure neighbours that have another label than these [t]
RARE = 0.25  # a class with at most this share of the samples of the largest [t]
MISSED = 0.1  # recall below which a class is not predicted [t]
MISSED_BELOW = 0.35  # likewise, where kernel regression finds the rare classes far better [t]

# Task
GRADIENT_ERROR = 0.05  # of a custom loss against its slope; 1e-2 means an error [n]
UNORDERED = 0.15  # accuracy of targets as classes above that as rounded amounts [t]
CUT_OFF = 0.02  # of the spread of targets that lie outside what the last activation gives [t]

# First weights: root mean square times √inputs, which He makes 1.4 and Glorot about 1 [g]
LARGE_GAIN = 6.0  # [t]
SMALL_GAIN = 0.1  # [t]
GROWTH = 15.0  # of signals from the first to the last hidden layer [t]
BEHIND = 0.04  # of skill in validation behind what can be reached: then large first weights did harm [t]
LARGE_BIAS = 3.0  # mean of the first biases: the spread of what they are added to is about 1 [t]

# Signals and gradients
VANISHING = 2e-3  # gradient over weight of the first layers beside the last; [a, u] take 1e-4 to 1e-3
EXPLODING = 1e3  # gradient of the first layer's outputs beside the last's [a]
SPREADING = 30.0  # spread of later outputs beside the first layer's [t]
DEAD = 0.4  # share of dead units, if the model falls short; [n] takes 0.4 dead for a sign of too large a rate
DEAD_ANYWAY = 0.9  # likewise, whatever the model reaches [t]
SATURATED = 0.5  # share of outputs at the flat ends; [d] takes 0.95 per unit
APART = 2.0  # loss with running statistics over that with those of the batch [t]

# Steps: ‖Δw‖/‖w‖, about 1e-3 is wanted [n]
LONG_STEP = 0.05  # [t]
LONG_IF_BOUNCING = 0.01  # likewise, if the loss rose again [t]
SHORT_STEP = 1e-4  # [n]
SHORT_IN_LONG_RUN = 4e-4  # likewise, over 2,000 steps [t]
BOUNCE = 1.3  # mean loss at the end beside the lowest tenth of the run [t]
RISE = 1.5  # mean loss at the end beside the first [t]; [n] stops at 3
USUAL_RATE = {"SGD": 0.01, "Momentum": 0.01, "Nesterov": 0.01, "AdaGrad": 0.01, "Lion": 1e-4}  # others 0.001
LOW_RATE = 0.15  # of the usual rate [t]
CLIPPED = 5.0  # norm of the gradient beside clip_norm, in half of the snapshots [t]
EARLY_DECAY = 20.0  # rate at the start beside that after a third of the run [t]
FEW_STEPS = 300  # a run so short has not settled [t]
STILL_FALLING = 0.03  # of the loss in the last quarter of the run [t]
BEGUN = 0.4  # of the loss of a constant, above what noise explains: a run of few steps that has only begun [t]
SETTLED = 0.005  # likewise: below it nothing more will come [t]

# Regularization, size, overfitting
PENALTY_SHARE = 0.3  # of the loss [t]
LARGE_DECAY = 0.03  # weight_decay that is coupled; 1e-2 is already strong [n]
LARGE_DECOUPLED = 0.5  # of AdamW and Lion [t]
PASSED = 0.35  # of the units that dropout leaves in all layers together, if it harms; [n] drops half of one layer
PASSED_ANYWAY = 0.15  # [t]
SHRUNK = 0.1  # size of a weight at the end beside the first [t]
SHRUNK_BY_PENALTY = 0.3  # likewise, where the penalty began above the loss [t]
HARMED = 2.0  # loss with dropout or noise beside that without, in a model that falls short [t]
FEW_HELD = 100  # rows of validation: a gap to them may be chance [t]
STRANGE = 0.6  # right labels of augmented images by kernel regression on plain ones, beside those of plain ones [t]
LARGE_NOISE = 0.7  # standard deviation, beside inputs of about 1 [t]
NARROW = 2  # units of the narrowest hidden layer [t]
OVERFITTED = 1.3  # validation loss at the end beside its best; early stopping would have kept that [u, t]
BEST_BEFORE = 0.7  # of the epochs: the best one came before that [t]
GAP = 0.15  # of skill between training and validation, if kernel regression does better there [u, t]
WIDE_GAP = 0.35  # likewise, whatever kernel regression does [t]
