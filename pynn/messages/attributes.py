"""Attributes and methods of other libraries, and what to use instead."""

from __future__ import annotations

from .table import table

ANSWERS = table("""
[Sequential]
compile: fit takes them: model.fit(x, y, optimizer=pynn.Adam(1e-3), loss='l2')
train eval training: forward(x, training=True) is for training; predict and evaluate never train
zero_grad: backward overwrites the gradients; there is nothing to do
lr: the learning rate belongs to the optimizer: model.optimizer.learning_rate
stop_training: trainer.stop(reason), in a callback
state_dict variables trainable_variables coefs_: model.tensors() has the arrays by name, model.save(path) writes a file
load_state_dict load_weights: pynn.transfer.load_weights(model, path) takes weights, pynn.load(path) is a whole model
score: model.evaluate(x, y)['accuracy']
add append pop: layers are passed at once: pynn.Sequential(pynn.Affine(64), pynn.ReLU()); replace_head changes the end
to cuda cpu: pynn runs on CPUs; there is nothing to do
half double float: the dtype is chosen at the start: pynn.Sequential(..., dtype='float64')
predict_classes: predict gives the classes, predict_proba their probabilities
predict_log_proba: numpy.log(model.predict_proba(x))
predict_on_batch: predict
train_on_batch: model.train_step(x, y, loss, optimizer)
count_params num_params: model.parameter_count
get_layer: model.layer(name)
classes_: model.classes
feature_names_in_: model.columns
loss_curve_ history_: model.history['loss']
n_iter_: model.epoch
fit_generator: fit takes iterables of (x, y) batches
save_weights: model.save(path), or get_weights()
named_parameters: model.tensors()
[Layer]
trainable requires_grad: layer.freeze() and layer.unfreeze(); layer.frozen tells
[Optimizer]
lr param_groups: it is called learning_rate, and may be set at any time
zero_grad: backward overwrites the gradients; there is nothing to do
apply_gradients minimize: optimizer.step(model), after model.backward
state_dict: optimizer.state()
load_state_dict: optimizer.restore(state), after claim(model.parameters)
iterations: optimizer.steps
[SGD]
momentum nesterov: pynn.Momentum and pynn.Nesterov are optimizers of their own
[Loss]
reduction: all losses are means over the samples
from_logits: losses take logits
item: forward returns a number
[Schedule]
step: the optimizer asks the schedule: optimizer.set_epoch(epoch)
get_last_lr last_lr: optimizer.learning_rate, or schedule(epoch)
""")


def answer(kind: type, name: str) -> str:
    """The end of the error for an attribute that objects of this class do not have; "" if it is not in the table."""
    for base in kind.__mro__:
        if name in ANSWERS.get(base.__name__, {}):
            return f"; {ANSWERS[base.__name__][name]}"
    return ""
