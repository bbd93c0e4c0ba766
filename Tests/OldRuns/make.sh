#!/bin/sh
# Makes runs with a program of an earlier day, which every later one must evaluate, predict with and resume:
#   sh Tests/OldRuns/make.sh /path/to/that/switchback KIND…     (from the checkout's root)
# Each run has KIND/run (ended after half its epochs) and KIND/resumed.json and resumed.safetensors: what that program
# made of it when it went on to the end. The committed ones are
#   by ddd7a60: classes table regression averaged accumulated images mnist
#   by c071ab1: watched watched-opencl
#   by 9609ba4: watched-layers
set -eu
program=$1
shift
here=Tests/OldRuns
python3 - "$here" <<'PYTHON'
import os, random, sys
here = sys.argv[1]
random.seed(17)
os.makedirs(here + "/data", exist_ok=True)
centres = {"red": (0, 0, 3), "green": (4, 0, 0), "blue": (0, 4, 1)}
with open(here + "/data/classes.csv", "w") as file:
    file.write("a,b,c,kind\n")
    for n in range(150):
        kind = list(centres)[n % 3]
        file.write(",".join("%.3f" % (x + random.gauss(0, 1)) for x in centres[kind]) + f",{kind}\n")
with open(here + "/data/values.csv", "w") as file:
    file.write("a,b,y,z\n")
    for n in range(150):
        a, b = random.gauss(20, 5), random.gauss(-1000, 40)
        file.write("%.3f,%.3f,%.4f,%.4f\n" % (a, b, a / 10 + b / 1000, random.gauss(0, 0.1)))
for kind, level in {"bright": 170, "dark": 60, "other": 120}.items():
    os.makedirs(f"{here}/data/images/{kind}", exist_ok=True)
    for n in range(12):
        with open(f"{here}/data/images/{kind}/{n:02}.pgm", "wb") as file:
            pixels = bytes(min(255, max(0, int(random.gauss(level, 25)))) for _ in range(36))
            file.write(b"P5 6 6 255\n" + pixels)
PYTHON
write() { # KIND: the configuration on standard input
  mkdir -p "$here/$1"
  cat > "$here/$1/config.yaml"
}
table() { # FILE LABEL MORE…
  echo "data: {dataset: csv, path: $here/data/$1, label: $2, $3}"
}
small="version: 1
backend: {name: reference, threads: 1}
monitor: {enabled: false}"
classes="model: {layers: [{dense: {units: 8, activation: tanh}}, {dense: {units: 3, activation: softmax}}]}"
{ echo "$small"; echo "$classes"; table classes.csv kind "validation_split: 0.2"
  echo "training: {epochs: 4, batch_size: 16, optimizer: {type: adam, learning_rate: 0.01},
    reduce_on_plateau: {patience: 1, factor: 0.5}}"; } | write classes
{ echo "$small"; echo "$classes"; table classes.csv kind "normalize: true"
  echo "training: {epochs: 4, batch_size: 16, optimizer: {type: rmsprop, learning_rate: 0.01}}"; } | write table
{ echo "$small"; table values.csv "[y, z]" "targets: values, normalize: true"
  echo "model: {layers: [{dense: {units: 8, activation: tanh}}, {dense: {units: 2}}]}
training: {epochs: 4, batch_size: 16, loss: mean_squared_error, optimizer: {type: sgd, learning_rate: 0.05}}"
} | write regression
{ echo "$small"; echo "$classes"; table classes.csv kind "validation_split: 0.1"
  echo "training: {epochs: 4, batch_size: 16, optimizer: {type: adam, learning_rate: 0.02, ema_momentum: 0.9}}"
} | write averaged
# 120 training samples: 8 batches an epoch, and 3 for an update.
{ echo "$small"; echo "$classes"; table classes.csv kind "normalize: true"
  echo "training: {epochs: 4, batch_size: 16, optimizer:
    {type: adam, learning_rate: 0.02, gradient_accumulation_steps: 3, global_clipnorm: 0.5}}"; } | write accumulated
{ echo "$small"; echo "model: {layers: [flatten, {dense: {units: 3}}]}
data: {dataset: image-folder, path: $here/data/images, image_size: [6, 6], channels: 1, validation_split: 0.2}
training: {epochs: 4, batch_size: 8, loss: {type: categorical_crossentropy, from_logits: true},
  optimizer: {type: adam, learning_rate: 0.02}}"; } | write images
{ echo "$small"; echo "model: {layers: [flatten, {dense: {units: 10, activation: softmax}}]}
data: {dataset: mnist, path: Tests/Samples, validation_split: 0.25}
training: {epochs: 4, batch_size: 64, optimizer: {type: sgd, learning_rate: 0.1, momentum: 0.9}}"; } | write mnist
# Watched, by the monitor's defaults.
pictures="data: {dataset: image-folder, path: $here/data/images, image_size: [6, 6], channels: 1, validation_split: 0.2}"
{ echo "version: 1
backend: {name: reference, threads: 1}
model: {layers: [{conv2d: {filters: 4, kernel_size: 3, activation: relu}}, max_pooling2d, {dropout: {rate: 0.2}},
  flatten, {dense: {units: 5, activation: sigmoid}}, {dense: {units: 3, activation: softmax}}]}"
  echo "$pictures"
  echo "training: {epochs: 4, batch_size: 8, optimizer: {type: adam, learning_rate: 0.02}}"; } | write watched
# Activations are other kernels since.
{ echo "version: 1
backend: {name: opencl}
model: {layers: [flatten, {dense: {units: 5}}, {dropout: {rate: 0.2}}, {dense: {units: 3}}]}"
  echo "$pictures"
  echo "training: {epochs: 4, batch_size: 8, loss: {type: categorical_crossentropy, from_logits: true},
  optimizer: {type: adam, learning_rate: 0.02}}"; } | write watched-opencl
{ echo "version: 1
backend: {name: reference, threads: 1}
model: {layers: [{conv2d: {filters: 3, kernel_size: 3, padding: same}}, max_pooling2d,
  {residual: {layers: [batch_normalization, relu, {conv2d: {filters: 3, kernel_size: 3, padding: same}}]}},
  {reshape: {target_shape: [9, 3]}}, layer_normalization, {bidirectional: {layer: {lstm: {units: 2, return_sequences: true}}}},
  {simple_rnn: {units: 3}}, {dense: {units: 3, activation: softmax, kernel_regularizer: {l2: 0.001}}}]}"
  echo "$pictures"
  echo "training: {epochs: 4, batch_size: 4, optimizer: {type: adam, learning_rate: 0.02, gradient_accumulation_steps: 2,
  global_clipnorm: 1.0}}"; } | write watched-layers
for kind in "$@"; do
  rm -rf "$here/$kind/run" "$here/tmp"
  "$program" train "$here/$kind/config.yaml" --epochs 2 --runs "$here/tmp" --offline > /dev/null
  mv "$(readlink -f "$here/tmp/latest")" "$here/$kind/run"
  rm -f "$here/$kind/run/report.html" "$here/$kind/run/gradients.jsonl" "$here/$kind/run/checkpoints/best.safetensors" \
    "$here/$kind/run/.lock"
  # Where it was made says nothing.
  sed -i "s|$PWD/||; s|\"command\":\[\"[^\"]*\"|\"command\":[\"switchback\"|" "$here/$kind"/run/*.yaml "$here/$kind"/run/*.json
  cp -r "$here/$kind/run" "$here/tmp/again"
  "$program" train --resume "$here/tmp/again" --epochs 4 --offline > /dev/null
  cp "$here/tmp/again/summary.json" "$here/$kind/resumed.json"
  cp "$(ls "$here"/tmp/again/checkpoints/step-*.safetensors | tail -1)" "$here/$kind/resumed.safetensors"
  # The newest checkpoint is all that a later program needs.
  ls "$here/$kind"/run/checkpoints/step-* | head -n -1 | xargs -r rm
  rm -rf "$here/tmp"
done
