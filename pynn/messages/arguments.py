"""Arguments of other libraries: their names in pynn, or what to do instead."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any

from .table import table
from .terminal import brief

# For each foreign word, pynn's words: the first that the class or function takes is the answer.
MEANINGS = table("""
[]
alpha: learning_rate slope strength
accumulate_grad_batches accumulation_steps gradient_accumulation_steps: accumulate
batch: batch_size
beta_1: beta1
beta_2: beta2
bias_init: bias_initializer
clip clip_grad_norm clipnorm max_grad_norm max_norm: clip_norm
clipvalue: clip_value
cv n_folds n_splits: folds
criterion loss_fn loss_func loss_function: loss
data X inputs: x
decay_rate: factor decay
decay_steps: epochs every
dilation_rate: dilation
drop_remainder: drop_last
drop_prob drop_rate dropout dropout_rate: rate
early_stopping_rounds: n_iter_no_change patience
end_factor: end
end_lr: end minimum
epochs: max_iter
eps: epsilon
eta initial_learning_rate initial_lr: learning_rate rate
eta0 learning_rate_init: learning_rate
eta_min min_lr: minimum
feature_range: range
filename filepath fname log_dir: path
gamma: factor decay
kernel_constraint: constraint
kernel_initializer weight_init weights_init: initializer
kernel_regularizer regularizer: penalty
l2 reg_lambda: strength weight_decay
labels targets: y
max_epochs n_epochs nb_epoch num_epochs: epochs max_iter
max_iter n_iter num_steps: epochs steps iterations
max_lr: rate upper
metric: metrics monitor
n_bins: bins
n_components: components
n_iter_no_change: patience
negative_slope: slope
n_jobs num_workers: jobs
n_trials max_trials num_trials num_samples: trials
num_groups: groups
opt optim solver: optimizer
pct_start: rise
patience: n_iter_no_change
pool_size: size
random_state: seed
reg regularization: strength penalty weight_decay
rho: decay
sample_weights weights: sample_weight
scoring objective: metric
search_space param_space param_distributions param_grid hyperparameters: space
study_name: name
timeout max_time time_limit time_budget: time
scale stddev: std
scheduler: schedule
smoothing: label_smoothing
start_factor start_lr: start
step_size: every
step_size_up: period
strides: stride
T_0: epochs_per_cycle
T_max total_iters total_steps warmup_epochs: epochs
test_size: share
threshold: min_delta
tol: min_delta tolerance
transform: augmentation preprocessing
transforms: augmentation
val_data validation_data validation_set: validation
validation_split: validation_fraction
wd: weight_decay
""")[""]

INFERRED = "sizes of inputs are inferred from the first batch, or by model.build(shape); leave it out"

# Sentences, if a single word is not enough: by class (or base class, or function) and foreign word.
ANSWERS = table(f"""
[Optimizer]
lr learning_rate_init eta: the learning rate is its first argument: {{kind}}({{example}})
betas: they are two arguments here: beta1=0.9, beta2=0.999
momentum: momentum is an optimizer of its own: pynn.Momentum(0.01, momentum=0.9), or pynn.Nesterov
nesterov: Nesterov's momentum is an optimizer of its own: pynn.Nesterov(0.01, momentum=0.9)
amsgrad centered dampening maximize foreach fused: pynn has no such variant; leave it out
params parameters: step(model) gets the model; an optimizer is made without it: {{kind}}({{example}})
decay: a schedule lowers the rate: {{kind}}(pynn.InverseTimeDecay(0.01, decay=0.1))
l2 penalty: a penalty is an argument of fit: penalty=pynn.L2(1e-4)
schedule scheduler: a schedule takes the place of the number: {{kind}}(pynn.CosineDecay(1e-3, epochs=10))
[Schedule]
lr learning_rate initial_lr base_lr: the initial rate is its first argument: {{kind}}({{example}})
optimizer: pass the schedule to the optimizer: pynn.Adam({{kind}}({{example}}))
steps_per_epoch: schedules count epochs: epochs=10
last_epoch: an optimizer that continues knows its epoch; leave it out
verbose: schedule.plot(epochs) shows the rate; leave it out
T_mult: all cycles have the same length; leave it out
threshold_mode: min_delta is a difference; leave it out
[Layer]
in_features in_channels num_features input_dim input_shape input_size normalized_shape num_channels: {INFERRED}
out_features output_dim n_units num_units hidden_size: the number of outputs is its first argument: {{kind}}(64)
activation: an activation is a layer of its own: {{kind}}(...), pynn.ReLU()
bias: use_bias=True or False says whether there is one
name: {{kind}}(...).named('first') gives the layer a name
device inplace: pynn runs on CPUs and reuses its buffers; leave it out
trainable: {{kind}}(...).freeze() keeps a layer as it is
dtype: it belongs to the model: pynn.Sequential(..., dtype='float64')
seed: it belongs to the model: pynn.Sequential(..., seed=1)
data_format: images are (N, H, W, C); leave it out
affine elementwise_affine center: gamma and beta are always there; leave it out
track_running_stats: running statistics are always kept; freeze() makes training use them
layers: layers are passed one by one: pynn.Sequential(pynn.Affine(64), pynn.ReLU())
optimizer: it is an argument of fit: model.fit(x, y, optimizer=pynn.Adam(1e-3))
loss: it is an argument of fit: model.fit(x, y, loss='l2')
[Sequential]
hidden_layer_sizes: layers are passed one by one: pynn.Sequential(pynn.Affine(64), pynn.ReLU(), pynn.Affine(10))
random_state: it is called seed here
learning_rate learning_rate_init solver max_iter: fit takes it: model.fit(x, y, optimizer=pynn.Adam(1e-3), epochs=10)
[Affine]
units: the number of outputs is its first argument: {{kind}}(64)
[Conv2d]
filters out_channels units: the number of channels is its first argument: {{kind}}(16, 3)
kernel_size filter_size ksize size: the size of the patch is its second argument: {{kind}}(16, kernel=3)
padding_mode: it is always zeros; leave it out
[_Windows]
kernel_size pool_size kernel ksize: the size of the window is its first argument: {{kind}}(2)
count_include_pad: padded positions are not counted; leave it out
ceil_mode: positions that fill no window are left out; padding=1 includes them
[Reshape]
target_shape shape: its sizes are passed one by one: Reshape(28, 28, 1)
[Upsample]
scale_factor size: the factor is its first argument: Upsample(2)
[Softmax]
axis dim: it is always the last axis; leave it out
[Dropout]
p: the share that is dropped is its first argument: {{kind}}(0.5)
keep_prob: rate is the share that is dropped: {{kind}}(1 - keep_prob)
[SpatialDropout]
p: the share that is dropped is its first argument: {{kind}}(0.5)
keep_prob: rate is the share that is dropped: {{kind}}(1 - keep_prob)
[DropConnect]
p: the share that is dropped is its second argument: {{kind}}(64, rate=0.5)
[Loss]
reduction size_average: a loss is the mean over the samples; fit(sample_weight=...) weights them
weight pos_weight alpha class_weight: fit(class_weight=...) weights classes
from_logits: outputs are always logits, without a softmax or sigmoid layer at the model's end; leave it out
ignore_index: give those samples the weight 0: fit(sample_weight=...)
[Penalty]
l lam lambda_ l1 l2 weight: the strength is its first argument: {{kind}}(1e-4)
[Callback]
verbose: fit(progress=...) shows the run; leave it out
restore_best_weights: it is called restore_best here
baseline: a function of the trainer can stop a run: trainer.stop('reason')
save_weights_only: the file has the whole model; leave it out
save_freq period: every=2 saves after every second epoch
append: fit(checkpoint=..., resume=True) continues the file
[Flip]
p: the probability is its first argument: Flip(0.5)
[Rotation]
angle: degrees is its first argument: Rotation(15)
[Initializer]
seed: it belongs to the model: pynn.Sequential(..., seed=1)
mode distribution: uniform=True draws from a uniform distribution, the default from a normal one
nonlinearity: He is for ReLU, Glorot for tanh and sigmoid, LeCun for linear units
minval maxval: {{kind}}(0.05) draws from -0.05..0.05
mean: the mean is 0: {{kind}}(0.01)
[Transformer]
with_mean copy svd_solver: leave it out
with_std: pynn.MeanSubtraction() keeps the standard deviation
whiten: pynn.Whitening() does it
axis: per='feature', 'channel' or 'all' chooses what has statistics of its own
[fit]
lr learning_rate learning_rate_init: the learning rate belongs to the optimizer: optimizer=pynn.Adam(1e-3)
alpha: penalty=pynn.L2(alpha / batch_size) is what scikit-learn's alpha does
validation_split validation_fraction: validation=0.1 holds out a tenth of the samples, drawn at random
verbose: progress=False shows nothing, progress=True a bar
early_stopping patience: callbacks=[pynn.EarlyStopping(patience=5)]
schedule scheduler: a schedule goes to the optimizer: optimizer=pynn.Adam(pynn.CosineDecay(1e-3, epochs=10))
l2: penalty=pynn.L2(1e-4)
weight_decay: it belongs to the optimizer: optimizer=pynn.AdamW(1e-3, weight_decay=0.01)
momentum: it belongs to the optimizer: optimizer=pynn.Momentum(0.01, momentum=0.9)
eval_set: validation data are a pair: validation=(X_val, y_val)
initial_epoch: a model continues at model.epoch; checkpoint and resume continue a run that was killed
steps_per_epoch: an epoch is all of x, or all that the iterable gives
validation_freq validation_steps validation_batch_size: all of validation is measured after each epoch
workers num_workers: prefetch=2 prepares batches on a thread
max_time time_limit timeout: callbacks=[pynn.Deadline(60)] ends the run after 60 seconds
device n_jobs: pynn.set_num_threads(n) sets the number of threads
dataloader generator loader: it is the first argument: fit(loader)
[an estimator's fit]
eval_set: validation data are a pair: validation=(X_val, y_val)
[evaluate]
verbose return_dict: it shows nothing and returns a dict; leave it out
loss: it is that of the last fit, model.loss
[predict]
verbose: it shows nothing; leave it out
[predict_proba]
verbose: it shows nothing; leave it out
[split]
shuffle: samples are always drawn at random; leave it out
train_size: share is that of the test part: split(x, y, 0.2)
[Split]
shuffle: samples are always drawn at random; leave it out
[batches]
workers num_workers: prefetch=2 prepares batches on a thread
[uniform]
log: the range with a logarithmic scale is log_uniform
step q: a range has no steps; a choice has one of several values
[log_uniform]
log: its scale is logarithmic; leave it out
step q: a range has no steps; a choice has one of several values
[integer]
step q: a range has no steps; a choice has one of several values
[Search]
trials n_trials n_iter: run takes it: Search(...).run(trials=60, epochs=10)
epochs max_epochs n_epochs: run takes it: Search(...).run(trials=60, epochs=10)
timeout time: run takes it: Search(...).run(time=600), in seconds
verbose show_progress_bar: progress=True shows a bar
direction: mode='min' or 'max' says whether lower or higher is better
[run]
jobs n_jobs: it is an argument of Search: Search(..., jobs=2)
show_progress_bar verbose progress: it is an argument of Search: Search(..., progress=True)
callbacks: build returns those of fit: return model, {{"callbacks": [...]}}
[coarse_to_fine]
trials n_trials epochs: each stage has its own: coarse_to_fine([(30, 3), (15, 10)]) begins with 30 trials of 3 epochs
jobs n_jobs: it is an argument of Search: Search(..., jobs=2)
show_progress_bar verbose progress: it is an argument of Search: Search(..., progress=True)
""")

# Hints for too many positional arguments.
PLACES = table(f"""
[]
LayerNorm: LayerNorm() infers the size; epsilon=... is its only argument
BatchNorm: BatchNorm() infers the number of features; momentum=... and epsilon=... are passed by name
GroupNorm: GroupNorm(4) infers the number of channels; epsilon=... is passed by name
Affine: {{kind}}(64) infers the size of its input; all but the number of outputs is passed by name
Conv2d: {{kind}}(16, 3) infers the channels of its input; all but channels and kernel is passed by name
GlobalAvgPool2d: {{kind}}() takes the mean over all positions; without Global the layer pools over windows
Normal: Normal(0.01) is the standard deviation; the mean is 0
Uniform: Uniform(0.05) draws from -0.05..0.05
fit: all but x and y is passed by name: fit(x, y, epochs=10, batch_size=32)
choice: its values are a list: choice([{{values}}])
SGD: {ANSWERS["Optimizer"]["momentum"]}; all but the learning rate is passed by name
""")[""]

EXAMPLES = table("""
[]
SGD Momentum Nesterov AdaGrad: 0.01
Lion: 1e-4
ReduceOnPlateau: 1e-3
StepDecay: 0.1, every=10
CosineDecay CosLog FlatCosine LinearDecay OneCycle Warmup: 0.1, epochs=10
ExponentialDecay InverseTimeDecay: 0.1, decay=0.05
CosineRestarts: 0.1, epochs_per_cycle=10
Cyclic: 0.01, 0.1, period=10
""")[""]


def refusal(of: Any, names: Sequence[str], places: float, args: Sequence[Any], options: Mapping[str, Any]) -> str:
    """The error text for arguments that a class or function does not take."""
    kind = of.__name__
    lineage = [one.__name__ for one in of.__mro__[:-1]] if isinstance(of, type) else [kind]
    method = names[:1] in (("self",), ("model",))  # the object stands among the arguments
    takes = names[1:] if method else names
    estimator = type(args[0]) if names[:2] == ("self", "X") else None
    lineage = lineage if estimator is None else [f"an estimator's {kind}"]
    parts = [
        f"{kind} has no {word!r}; "
        + ((estimator and _setting(estimator, word)) or _answer(kind, lineage, word, takes, places))
        for word in options
        if word not in names
    ]
    if len(args) > places:
        parts.append(_too_many(kind, lineage, takes, int(places) - method, args[method:]))
    return ". ".join(parts)


def _setting(estimator: type[Any], word: str) -> str:
    """Where an estimator takes what its `fit` does not; "" if it has no such setting."""
    settings = inspect.signature(estimator).parameters
    name = next((name for name in (word, *MEANINGS.get(word, "").split()) if name in settings), None)
    return f"it is a setting of the estimator: {estimator.__name__}({name}=...)" if name else ""


def _answer(kind: str, lineage: Sequence[str], word: str, names: Sequence[str], places: float) -> str:
    """What to do about a word that is none of the names."""
    for one in lineage:
        if word in ANSWERS.get(one, {}):
            return ANSWERS[one][word].format(kind=kind, example=EXAMPLES.get(kind, "1e-3"))
    for meaning in MEANINGS.get(word, "").split():
        if meaning in names:
            return f"it is called {meaning} here"
    from difflib import get_close_matches

    close = get_close_matches(word, names, 1)
    if close:
        return f"did you mean {close[0]}?"
    if names:
        return f"it takes {', '.join(names)}"
    return "it takes no arguments" if places < math.inf else f"its arguments have no names: {kind}(...)"


def _too_many(kind: str, lineage: Sequence[str], names: Sequence[str], places: int, args: Sequence[Any]) -> str:
    values = ", ".join(_short(one) for one in args)
    call = f"{kind}({values})"
    for one in lineage:
        if one in PLACES:
            return f"{call} has too many arguments: {PLACES[one].format(kind=kind, values=values)}"
    if not names:
        return f"{call} has too many arguments: {kind} takes no arguments"
    by_position, by_name = ", ".join(names[:places]) or "nothing", ", ".join(names[places:])
    rest = f", and {by_name} by name" if by_name else ""
    return f"{call} has too many arguments: {kind} takes {by_position} by position{rest}"


def _short(value: Any) -> str:
    text = brief(value) if isinstance(value, (int, float, str, tuple, list, type(None))) else type(value).__name__
    return text if len(text) <= 40 else f"{text[:37]}..."
