"""Names of losses, layers and functions in other libraries, and pynn's names for them."""

from __future__ import annotations

from .table import table

# Names of losses, optimizers, metrics and initializers in other libraries.
NAMES = table("""
[loss]
mse mse_loss mseloss mean_squared_error squared_error squared_loss: 'l2', which sums over outputs (mse is their mean)
mae l1_loss l1loss mean_absolute_error absolute_error: 'l1', which sums over outputs (mae is their mean)
categorical_crossentropy: 'softmax_cross_entropy', of logits and labels; y.argmax(axis=1) makes labels of one-hot rows
sparse_categorical_crossentropy cross_entropy crossentropy crossentropyloss ce: 'softmax_cross_entropy', of logits
nll nll_loss nllloss log_loss logloss softmax: 'softmax_cross_entropy', of logits, without a softmax layer
binary_crossentropy bce bceloss bce_with_logits bcewithlogitsloss sigmoid: 'binary_cross_entropy', of logits
svm multi_margin multimarginloss categorical_hinge: 'hinge', or 'binary_hinge' for targets of -1 and 1
l2_svm l2svm: 'squared_hinge'
smooth_l1 smoothl1loss huber_loss huberloss: 'huber'
focal_loss focalloss: 'focal'
pinball pinball_loss quantile_loss quantileloss reg:quantileerror: 'quantile', or pynn.Quantile((0.1, 0.5, 0.9))
poisson_loss poissonloss poisson_nll poissonnllloss count:poisson: 'poisson', of logarithms of the mean
gamma_loss reg:gamma gamma_deviance: 'gamma', of logarithms of the mean
tweedie_loss reg:tweedie tweedie_deviance: 'tweedie', or pynn.Tweedie(power)
gaussian gaussiannll gaussiannllloss normal normal_nll heteroscedastic: 'gaussian_nll', with a last layer of two units
[optimizer]
sgd_momentum sgdm momentum_sgd: 'momentum', or pynn.Momentum(0.01, momentum=0.9)
nag sgd_nesterov nesterov_momentum: 'nesterov'
lbfgs l-bfgs bfgs newton: pynn.minimize(model, x, y)
adadelta: 'rmsprop' or 'adam', which are near to it
adamax radam: 'adam', which is near to it
gd: 'sgd'
[metrics]
acc binary_accuracy categorical_accuracy sparse_categorical_accuracy: 'accuracy'
mean_absolute_error l1: 'mae'
mean_squared_error l2: 'mse'
root_mean_squared_error: 'rmse'
r2_score: 'r2'
f1_score f1_macro: 'f1'
mean_absolute_percentage_error: 'mape'
auc roc rocauc roc_auc_score auroc: 'roc_auc'
logloss neg_log_loss cross_entropy nll negative_log_likelihood: 'log_loss'
brier_score brier_score_loss: 'brier'
ap average_precision_score pr_auc prc auprc: 'average_precision'
balanced_accuracy_score bacc: 'balanced_accuracy'
ece expected_calibration_error calibration: 'calibration_error'
pinball_loss mean_pinball_loss quantile quantile_loss: 'pinball'
error_rate zero_one_loss: 'error'
top_k topk top_k_accuracy top_k_categorical_accuracy: 'top5', or another number
loss: nothing: the loss is measured anyway
[initializer]
xavier xavier_normal glorot_normal: 'glorot'
xavier_uniform: 'glorot_uniform'
kaiming kaiming_normal he_normal msra: 'he'
kaiming_uniform: 'he_uniform'
lecun_normal: 'lecun'
ones: pynn.Constant(1)
random_normal randn gaussian truncated_normal: 'normal'
random_uniform: 'uniform'
""")

# What `pynn.NAME` is called.
ATTRIBUTES = table("""
[]
Linear Dense FullyConnected FC LazyLinear: pynn.Affine(units)
Conv1D: pynn.Conv1d(channels, kernel)
UpSampling2D UpsamplingNearest2d: pynn.Upsample(factor)
MaxPooling1D: pynn.MaxPool1d(size)
AveragePooling1D: pynn.AvgPool1d(size)
Conv2D Convolution2D Conv LazyConv2d: pynn.Conv2d(channels, kernel)
BatchNorm1d BatchNorm2d BatchNormalization: pynn.BatchNorm()
LayerNormalization: pynn.LayerNorm()
GroupNormalization InstanceNorm2d: pynn.GroupNorm(groups)
MaxPooling2D MaxPool2D MaxPool: pynn.MaxPool2d(size)
AveragePooling2D AvgPool2D AvgPool: pynn.AvgPool2d(size)
GlobalAveragePooling2D AdaptiveAvgPool2d: pynn.GlobalAvgPool2d()
Dropout2d SpatialDropout2D: pynn.SpatialDropout(rate)
Relu relu: pynn.ReLU()
sigmoid: pynn.Sigmoid()
tanh: pynn.Tanh()
softmax: pynn.Softmax()
LeakyRelu: pynn.LeakyReLU(slope)
Swish Silu: pynn.SiLU()
Gelu: pynn.GELU()
Input InputLayer: nothing: sizes of inputs are inferred from the first batch
CrossEntropyLoss CrossEntropy CategoricalCrossentropy: pynn.SoftmaxCrossEntropy(), of logits
SparseCategoricalCrossentropy NLLLoss: pynn.SoftmaxCrossEntropy(), of logits
BCELoss BCEWithLogitsLoss BinaryCrossentropy: pynn.BinaryCrossEntropy(), of logits
MSELoss MSE MeanSquaredError: pynn.SquaredError(), which sums over outputs
L1Loss MAE: pynn.AbsoluteError(), which sums over outputs
SmoothL1Loss HuberLoss: pynn.Huber(delta)
FocalLoss: pynn.Focal(gamma)
QuantileLoss PinballLoss: pynn.Quantile(levels)
PoissonNLLLoss: pynn.Poisson()
GaussianNLLLoss: pynn.GaussianNLL()
nn Module: pynn.Sequential of layers, pynn.Layer for a custom layer; help(pynn.layers) lists them
Model MLP MLPClassifier MLPRegressor: pynn.Sequential(pynn.Affine(64), pynn.ReLU(), pynn.Affine(10))
optim optimizer: pynn.optimizers
functional F: pynn.kernels, functions of NumPy arrays
lr_scheduler: pynn.schedules
Tensor tensor from_numpy: nothing: pynn takes and returns NumPy arrays
no_grad inference_mode GradientTape: nothing: only model.backward computes gradients
manual_seed set_seed: pynn.Sequential(..., seed=1)
device cuda: nothing: pynn runs on CPUs
DataLoader Dataset TensorDataset: pynn.batches(x, y, batch_size, seed=0)
train_test_split: pynn.split(x, y, 0.2)
StandardScaler Normalization: pynn.Standardization()
MinMaxScaler: pynn.MinMaxScaling()
RobustScaler: pynn.RobustScaling()
OneHotEncoder OrdinalEncoder get_dummies: pynn.TableEncoder()
SimpleImputer: pynn.TableEncoder(), which fills gaps with the median
KBinsDiscretizer: pynn.Binner(bins)
Adagrad: pynn.AdaGrad
RMSprop: pynn.RMSProp
Nadam: pynn.NAdam
LBFGS: pynn.minimize(model, x, y)
StepLR: pynn.StepDecay
ExponentialLR: pynn.ExponentialDecay
CosineAnnealingLR: pynn.CosineDecay
CosineAnnealingWarmRestarts: pynn.CosineRestarts
OneCycleLR: pynn.OneCycle
CyclicLR: pynn.Cyclic
LinearLR: pynn.LinearDecay or pynn.Warmup
ReduceLROnPlateau: pynn.ReduceOnPlateau
LearningRateScheduler: pynn.LearningRateSchedule
Timer: pynn.Deadline(seconds)
RandomHorizontalFlip: pynn.Flip()
RandomRotation: pynn.Rotation(degrees)
RandomCrop: pynn.PadCrop()
ColorJitter: pynn.Brightness, pynn.Contrast and pynn.Saturation
load_model: pynn.load(path)
save: model.save(path)
""")[""]


def renamed(what: str, word: str) -> str:
    """The beginning of an error that lists names: pynn's name of this loss, optimizer, metric or initializer."""
    answer = NAMES.get(what, {}).get(word.lower().replace(" ", "_"))
    return "" if answer is None else f"{_advice(answer)}; "


def attribute(name: str) -> str:
    """The end of the error for an attribute that the package does not have; "" if it is not in the table."""
    answer = ATTRIBUTES.get(name)
    return "" if answer is None else f"; {_advice(answer)}"


def _advice(answer: str) -> str:
    return answer.removeprefix("nothing: ") if answer.startswith("nothing: ") else f"use {answer}"
